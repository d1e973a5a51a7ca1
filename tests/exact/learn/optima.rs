//! Optima that are known: a table of weights is learned to its entropy; EM never rises; hard starts are
//! survived.

use std::ops::ControlFlow;

use ndarray::{Array2, array, s};
use tensorjump::learn::{
    BornMethod, BornOptions, Data, Event, PositiveMethod, PositiveOptions, Start, Stop, SweepStep, Symmetry, Training,
    Validation,
};
use tensorjump::model::BornMps;
use tensorjump::tn::Mps;
use tensorjump::{Error, Model, Streams};

use super::super::common::all_configs;
use super::super::laws::systems;
use super::{some_samples, untruncated, weighted_table, without_validation};

const ONE_SITE: BornMethod =
    BornMethod::OneSite { step: SweepStep { iterations: 6, rate: 1.0, slowing: f64::INFINITY } };

#[test]
fn every_method_finds_the_law_of_a_table() {
    let dims = [2, 3, 2, 2];
    let (data, p, entropy) = weighted_table(&dims, 5);
    // Sweeps converge like Newton's method; first-order methods and EM get as many rounds as they need for
    // what is asked.
    let methods = [
        (untruncated(8, 1.0), 40, 1e-10),
        (ONE_SITE, 60, 1e-8),
        (BornMethod::Lbfgs { memory: 10 }, 400, 1e-6),
        (BornMethod::Adam { rate: 0.02 }, 1500, 1e-3),
    ];
    for (method, rounds, tolerance) in methods {
        let fit = without_validation(method, 6, rounds).fit(&data).unwrap();
        let excess = fit.history.rounds[fit.best].train_nll - entropy;
        assert!((-1e-12..tolerance).contains(&excess), "{method:?}: {excess:e}");
        // Pinsker: the total variation is at most √(KL/2).
        let log = fit.model.log_prob(data.x()).unwrap();
        let distance: f64 = log.iter().zip(&p).map(|(l, p)| (l.exp() - p).abs()).sum::<f64>() / 2.0;
        assert!(distance <= (excess.max(0.0) / 2.0).sqrt() + 1e-6, "{method:?}: distance {distance}");
    }
    // The wrong twin: the same configurations without their weights.
    let flat = Data::new(data.x().to_owned(), &dims).unwrap();
    let fit = without_validation(untruncated(8, 1.0), 6, 40).fit(&flat).unwrap();
    let log = fit.model.log_prob(data.x()).unwrap();
    let nll: f64 = -log.iter().zip(&p).map(|(l, p)| l * p).sum::<f64>();
    assert!(nll - entropy > 1e-3, "unweighted data gave the weighted law: {}", nll - entropy);
}

fn positive_options(method: PositiveMethod, bond: usize, rounds: usize) -> PositiveOptions {
    let training = Training { rounds, patience: rounds, validation: Validation::None, ..Training::default() };
    PositiveOptions { method, start: Start::Random { bond }, training }
}

#[test]
fn positive_methods_find_the_law_of_a_table() {
    let (data, _, entropy) = weighted_table(&[2, 3, 2, 2], 5);
    // EM converges linearly, with a rate that the data set: 1e-3 nats after 2000 rounds is what it can do
    // from a random start.
    let methods = [
        (PositiveMethod::Em, 2000, 1e-3),
        (PositiveMethod::Lbfgs { memory: 10 }, 400, 1e-4),
        (PositiveMethod::Adam { rate: 0.05 }, 2000, 1e-3),
    ];
    for (method, rounds, tolerance) in methods {
        let fit = positive_options(method, 8, rounds).fit(&data).unwrap();
        let excess = fit.history.rounds[fit.best].train_nll - entropy;
        assert!((-1e-12..tolerance).contains(&excess), "{method:?}: {excess:e}");
    }
}

/// Mini-batches of data with weights: a few heavy samples say yes, many light ones no. Batches that all count
/// alike would end at a law between the two.
#[test]
fn mini_batches_count_by_their_weights() {
    let heavy = |i: usize| i.is_multiple_of(8);
    let x = Array2::from_shape_fn((64, 2), |(i, j)| u8::from(heavy(i) || (i + j) % 16 == 3));
    let weights = ndarray::Array1::from_shape_fn(64, |i| if heavy(i) { 10.0 } else { 1.0 });
    let yes = |data: &Data| data.x().column(0).iter().zip(data.weights()).map(|(&a, w)| f64::from(a) * w).sum::<f64>();
    let flat = Data::new(x, &[2, 2]).unwrap();
    let data = flat.clone().weighted(weights.view()).unwrap();
    assert!(yes(&data) > yes(&flat) + 0.3, "the optima differ");
    let mut options = positive_options(PositiveMethod::Adam { rate: 0.002 }, 1, 400);
    options.training.batch = 4;
    let mut last = 0.0f64;
    let progress = |event: &Event<'_>| {
        last = event.round.train_nll;
        ControlFlow::Continue(())
    };
    let fit = options.fit_with_progress(&data, progress).unwrap();
    let found = fit.model.site_marginals()[0][1];
    // Adam at rate 0.002 wanders by some hundredths; batches that all count alike end 0.1 below.
    assert!((found - yes(&data)).abs() < 0.04, "{found} instead of {}", yes(&data));
    assert!(last.is_finite());
}

#[test]
fn em_never_rises() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        let (data, _, entropy) = weighted_table(&dims, 10 + k as u64);
        let fit = positive_options(PositiveMethod::Em, bond, 60).fit(&data).unwrap();
        for pair in fit.history.rounds.windows(2) {
            // The NLL is a sum of numbers of size 10 with relative rounding 1e-16 a term.
            assert!(pair[1].train_nll <= pair[0].train_nll + 1e-13, "system {k}: {:?}", pair);
        }
        assert!(fit.history.rounds.last().unwrap().train_nll >= entropy - 1e-12);
    }
    // A long chain, where probabilities are e^{−700}.
    let data = Data::new(some_samples(40, 1000), &[2; 1000]).unwrap();
    let fit = positive_options(PositiveMethod::Em, 6, 15).fit(&data).unwrap();
    assert!(fit.history.rounds.windows(2).all(|r| r[1].train_nll <= r[0].train_nll + 1e-10));
}

#[test]
fn ten_thousand_sites() {
    let data = Data::new(some_samples(30, 10_000), &[2; 10_000]).unwrap();
    let mut options = without_validation(untruncated(1, 0.5), 2, 2);
    if let BornMethod::TwoSite { truncation, .. } = &mut options.method {
        truncation.max_bond = 4;
    }
    let fit = options.fit(&data).unwrap();
    let nll = fit.history.rounds[fit.best].train_nll;
    assert!(nll.is_finite() && nll < 10_000.0 * 2f64.ln(), "{nll}");
    let log = fit.model.log_prob(data.x()).unwrap();
    assert!((log.mean().unwrap() + nll).abs() < 1e-9 * nll);
}

/// The start gives samples probability zero, by one tensor or by all: learning goes on and ends at the law.
#[test]
fn amplitude_zero_on_samples_is_survived() {
    let dims = [2; 4];
    let (data, _, entropy) = weighted_table(&dims, 9);
    let starts = [vec![vec![1.0, 0.0], vec![1.0, 1.0], vec![1.0, 1.0], vec![1.0, 1.0]], vec![vec![1.0, 0.0]; 4]];
    for factors in starts {
        let model = BornMps::new(&Mps::product(&factors).unwrap()).unwrap();
        assert!(model.log_prob(data.x()).unwrap().iter().any(|l| *l == f64::NEG_INFINITY));
        let mut options = without_validation(untruncated(8, 1.0), 1, 60);
        options.start = Start::Model(model);
        let mut rounds = 0;
        let fit = options
            .fit_with_progress(&data, |event| {
                rounds += 1;
                assert!(!event.round.train_nll.is_nan());
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(rounds, 60);
        let excess = fit.history.rounds[fit.best].train_nll - entropy;
        assert!(excess < 1e-6, "{excess:e} from {factors:?}");
        assert_eq!(fit.history.rounds[fit.best].zeros, 0);
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let data = Data::new(some_samples(3000, 12), &[2; 12]).unwrap();
    let options = without_validation(BornOptions::default().method, 3, 2);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| options.fit(&data).unwrap().model)
    };
    assert_eq!(run(1).amplitude(), run(3).amplitude());
}

#[test]
fn the_best_round_is_returned() {
    // 60 samples of coins: bonds that keep everything overfit at once.
    let x = Array2::from_shape_fn((60, 12), |(i, j)| ((i * 7919 + j * 104_729 + i * j * 31) / 8 % 2) as u8);
    let data = Data::new(x, &[2; 12]).unwrap();
    let training = Training { rounds: 40, patience: 4, validation: Validation::Fraction(0.5), ..Training::default() };
    let options = BornOptions { method: untruncated(3, 0.3), start: Start::Random { bond: 2 }, training };
    let fit = options.fit(&data).unwrap();
    assert_eq!(fit.stopped, Stop::Patience);
    assert_eq!(fit.history.rounds.len(), fit.best + 1 + 4);
    let scores: Vec<f64> = fit.history.rounds.iter().map(|r| r.score()).collect();
    assert!(scores.iter().all(|s| *s >= scores[fit.best]));
    // The model is that of the best round: its validation NLL is found again.
    let (train, validation) = data.split(0.5, &Streams::new(0).domain("learn").domain("validation")).unwrap();
    assert_eq!(train.len() + validation.len(), 60);
    let log = fit.model.log_prob(validation.x()).unwrap();
    assert!((log.mean().unwrap() + scores[fit.best]).abs() < 1e-12);
}

#[test]
fn symmetries_are_learned_from() {
    // One cluster and its mirror images: without them the law is far from symmetric.
    let x = array![[0, 0, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 1, 0, 1, 1]];
    let dims = [2; 5];
    let data = Data::new(x.clone(), &dims).unwrap();
    let mirror = Symmetry::sites(vec![4, 3, 2, 1, 0]).unwrap();
    let flip = Symmetry::sites((0..5).collect()).unwrap().with_states(vec![vec![1, 0]; 5]).unwrap();
    let mut options = without_validation(untruncated(4, 1.0), 4, 30);
    let asymmetry = |options: &BornOptions| {
        let fit = options.fit(&data).unwrap();
        let score = |x: &Array2<u8>| fit.model.log_prob(x.view()).unwrap().mapv(f64::exp);
        let image = mirror.apply(x.view(), &dims).unwrap();
        (score(&x) - score(&image)).iter().fold(0.0f64, |m, v| m.max(v.abs()))
    };
    assert!(asymmetry(&options) > 0.1);
    let both = Symmetry::sites(vec![4, 3, 2, 1, 0]).unwrap().with_states(vec![vec![1, 0]; 5]).unwrap();
    options.training.symmetries = vec![mirror.clone(), flip.clone(), both];
    assert!(asymmetry(&options) < 1e-3);
    let all = data.augmented(&[mirror, flip]).unwrap();
    assert_eq!(all.len(), 12);
    assert!((all.weights().sum() - 1.0).abs() < 1e-15);
    assert_eq!(all.x().slice(s![8.., ..]), x.mapv(|a: u8| 1 - a));
}

#[test]
fn mini_batches_differ_from_round_to_round() {
    let (data, ..) = weighted_table(&[2; 6], 3);
    let mut options = without_validation(BornOptions::default().method, 2, 4);
    options.training.batch = 20;
    let fit = options.fit(&data).unwrap();
    assert!(fit.history.rounds.windows(2).all(|r| r[0].train_nll != r[1].train_nll));
    let again = options.fit(&data).unwrap();
    assert_eq!(again.model.amplitude(), fit.model.amplitude());
}

#[test]
fn wrong_data_and_options_are_named() {
    let dims = [2, 3];
    let x = array![[0, 0], [1, 2], [0, 1]];
    assert!(matches!(Data::new(Array2::zeros((0, 2)), &dims), Err(Error::TooFewSamples { needed: 1, got: 0 })));
    assert!(matches!(Data::new(Array2::zeros((3, 0)), &[]), Err(Error::SiteCount { .. })));
    assert!(matches!(Data::new(x.clone(), &[2; 3]), Err(Error::SiteCount { expected: 3, got: 2 })));
    assert!(matches!(Data::new(x.clone(), &[2, 2]), Err(Error::StateOutOfRange { row: 1, site: 1, .. })));
    assert!(matches!(Data::new(x.clone(), &[2, 0]), Err(Error::Parameter { .. })));
    let ragged = [vec![0, 1], vec![1], vec![0, 0]];
    assert_eq!(Data::from_rows(&ragged, &dims), Err(Error::RowLength { row: 1, expected: 2, got: 1 }));
    assert_eq!(Data::from_rows(&[], &dims), Err(Error::TooFewSamples { needed: 1, got: 0 }));
    let data = Data::new(x.clone(), &dims).unwrap();
    let weigh = |w: [f64; 3]| data.clone().weighted(ndarray::arr1(&w).view());
    assert!(matches!(weigh([1.0, f64::NAN, 1.0]), Err(Error::NotFinite { site: 1, .. })));
    assert!(matches!(weigh([1.0, 1.0, f64::INFINITY]), Err(Error::NotFinite { site: 2, .. })));
    assert!(matches!(weigh([-1.0, 1.0, 1.0]), Err(Error::Negative { site: 0, .. })));
    assert!(matches!(weigh([0.0; 3]), Err(Error::ZeroWeight { .. })));
    assert!(weigh([f64::MAX; 3]).is_ok());
    assert!(matches!(data.clone().weighted(ndarray::arr1(&[1.0]).view()), Err(Error::SampleCount { .. })));
    assert!(matches!(Symmetry::sites(vec![0, 0]), Err(Error::Parameter { .. })));
    assert!(matches!(Symmetry::sites(vec![0, 2]), Err(Error::Parameter { .. })));
    let swap = Symmetry::sites(vec![1, 0]).unwrap();
    assert!(matches!(swap.apply(x.view(), &dims), Err(Error::LocalDimension { .. })));
    assert!(matches!(swap.clone().with_states(vec![vec![0, 0], vec![0, 1]]), Err(Error::Parameter { .. })));

    // All the same, or all but one of weight zero: nothing to learn.
    let same = Data::new(Array2::zeros((7, 2)), &dims).unwrap();
    let none = Validation::None;
    let options = |training| BornOptions { training, ..BornOptions::default() };
    let plain = Training { validation: none.clone(), ..Training::default() };
    let out = options(plain.clone()).fit(&same);
    assert!(matches!(out, Err(Error::IdenticalSamples { samples: 7 })));
    let out = options(plain.clone()).fit(&weigh([1.0, 0.0, 0.0]).unwrap());
    assert!(matches!(out, Err(Error::IdenticalSamples { samples: 1 })));
    let positive = PositiveOptions { training: plain.clone(), ..PositiveOptions::default() };
    assert!(matches!(positive.fit(&same), Err(Error::IdenticalSamples { .. })));

    let named = |training: Training, name: &str| {
        let out = options(training).fit(&data);
        assert!(matches!(&out, Err(Error::Parameter { name: n, .. }) if *n == name), "{name}: {:?}", out.err());
    };
    named(Training { rounds: 0, ..plain.clone() }, "rounds");
    named(Training { batch: 0, ..plain.clone() }, "batch");
    for fraction in [0.0, 1.0, -0.5, f64::NAN] {
        named(Training { validation: Validation::Fraction(fraction), ..plain.clone() }, "fraction");
    }
    let step = |iterations, rate, slowing| BornMethod::OneSite { step: SweepStep { iterations, rate, slowing } };
    let methods = [
        (step(0, 0.5, 1.0), "iterations"),
        (step(1, 0.0, 1.0), "rate"),
        (step(1, 1.5, 1.0), "rate"),
        (step(1, f64::NAN, 1.0), "rate"),
        (step(1, 0.5, 0.0), "slowing"),
        (BornMethod::Adam { rate: -1.0 }, "rate"),
        (BornMethod::Lbfgs { memory: 0 }, "memory"),
    ];
    for (method, name) in methods {
        let out = (BornOptions { method, ..options(plain.clone()) }).fit(&data);
        assert!(matches!(&out, Err(Error::Parameter { name: n, .. }) if *n == name), "{name}");
    }
    let other = Start::Model(BornMps::random(&[2, 2], 2, &mut Streams::new(1).stream(0)).unwrap());
    let out = (BornOptions { start: other, ..options(plain) }).fit(&data);
    assert!(matches!(out, Err(Error::LocalDimension { site: 1, .. })));
}

#[test]
fn single_sites_and_unused_states() {
    for dims in [vec![3], vec![3, 1, 4]] {
        let x = all_configs(&dims).slice(s![..2, ..]).to_owned();
        let data = Data::new(x, &dims).unwrap();
        for method in [untruncated(4, 1.0), ONE_SITE, BornMethod::Lbfgs { memory: 5 }] {
            let fit = without_validation(method, 2, 60).fit(&data).unwrap();
            let nll = fit.history.rounds[fit.best].train_nll;
            assert!(nll < 2f64.ln() + 1e-4, "{method:?} on {dims:?}: {nll}");
        }
    }
}
