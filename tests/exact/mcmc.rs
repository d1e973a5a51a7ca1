//! Monte Carlo: detailed balance as dense matrices, proposals against enumeration, diagnostics against brute
//! force.

mod checkpoints;
mod kills;
mod states;
#[path = "../common/toy.rs"]
mod toy;

use ndarray::{Array1, Array2, ArrayView1, Axis, array, s};
use tensorjump::dense::DenseLaw;
use tensorjump::mcmc::*;
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::Kernel;
use tensorjump::{Configs, Error, Model, Result, Samples, SiteWeights, Stream, Streams, Target};

use crate::common::{all_configs, index_of};
use crate::laws::stream;
use toy::Toy;

const DIMS: [usize; 3] = [2, 3, 2];
/// Sums of at most 16 × 12 products of probabilities: errors of some 1e-15.
const TOLERANCE: f64 = 1e-12;
/// A wrong twin must violate balance by a million times what the test allows: no accident of rounding.
const SEEN: f64 = 1e6 * TOLERANCE;

/// Asymmetric kernels; the middle site gets a fourth symbol, and impossible transitions.
fn kernel() -> Kernel {
    Kernel::new(&[
        array![[0.7, 0.3], [0.1, 0.9]],
        array![[0.5, 0.2, 0.0, 0.3], [0.1, 0.6, 0.1, 0.2], [0.0, 0.25, 0.7, 0.05]],
        array![[0.85, 0.15], [0.35, 0.65]],
    ])
    .unwrap()
}

/// Only the identity and a mask: a truncated model cannot explain every `y`.
fn mask_kernel() -> Kernel {
    Kernel::new(&[
        array![[1.0, 0.0], [0.0, 1.0]],
        array![[0.6, 0.0, 0.0, 0.4], [0.0, 0.7, 0.0, 0.3], [0.0, 0.0, 0.5, 0.5]],
        array![[0.85, 0.15], [0.35, 0.65]],
    ])
    .unwrap()
}

pub fn target() -> Toy {
    Toy::new(&DIMS, &[3.0, 1.0, 0.5, 4.0, 2.0, 0.0, 1.5, 0.2, 6.0, 1.0, 0.7, 2.5], 1.0)
}

fn model(power: f64) -> Toy {
    Toy::new(&DIMS, &[1.0, 2.0, 1.5, 1.0, 0.3, 0.6, 2.0, 1.1, 0.4, 3.0, 0.9, 1.3], power)
}

/// Support missing at 1, 2, 3, 8 and 9: among them both configurations (0, 1, ·), so that y = (0, 1, ·) has
/// no evidence under [`mask_kernel`].
pub fn truncated(power: f64) -> Toy {
    Toy::new(&DIMS, &[1.0, 0.0, 0.0, 0.0, 0.3, 0.6, 2.0, 1.1, 0.0, 0.0, 0.9, 1.3], power)
}

/// `T[x, x']` off the diagonal for the rule `log_ratio(x, x', triple)`, from the terms that the public
/// interface returns.
fn connected_matrix(
    target: &dyn Target,
    model: &dyn Model,
    kernel: &Kernel,
    log_ratio: &dyn Fn(usize, usize, Triple) -> f64,
) -> Array2<f64> {
    let x = all_configs(&DIMS);
    let n = x.nrows();
    let log_weight = target.log_weight(x.view()).unwrap();
    let mut t = Array2::zeros((n, n));
    for y in all_configs(kernel.dims_out()).outer_iter() {
        let y = y.broadcast((n, y.len())).unwrap();
        let noise = kernel.log_prob(x.view(), y).unwrap();
        let denoise = match model.log_prob_given(x.view(), &kernel.likelihood(y)) {
            Ok(denoise) => denoise,
            Err(Error::ZeroEvidence { .. }) => continue, // the chain stays
            Err(error) => panic!("{error}"),
        };
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let forward = (noise[i] + denoise[j]).exp();
            if i == j || forward == 0.0 || log_weight[i] == f64::NEG_INFINITY {
                continue;
            }
            let triple =
                Triple { noise_old: noise[i], noise_new: noise[j], denoise_old: denoise[i], denoise_new: denoise[j] };
            t[[i, j]] +=
                forward * Proposed::acceptance_probability(log_weight[i], log_weight[j], log_ratio(i, j, triple));
        }
    }
    t
}

/// The same for the disconnected move.
fn disconnected_matrix(target: &dyn Target, model: &dyn Model, ratio: &dyn Fn(Triple) -> f64) -> Array2<f64> {
    let x = all_configs(&DIMS);
    let log_weight = target.log_weight(x.view()).unwrap();
    let q = model.log_prob(x.view()).unwrap();
    Array2::from_shape_fn((q.len(), q.len()), |(i, j)| {
        if i == j || q[j] == f64::NEG_INFINITY || log_weight[i] == f64::NEG_INFINITY {
            return 0.0;
        }
        let triple = Triple { noise_old: 0.0, noise_new: 0.0, denoise_old: q[i], denoise_new: q[j] };
        q[j].exp() * Proposed::acceptance_probability(log_weight[i], log_weight[j], ratio(triple))
    })
}

/// Largest violation of π(x)T(x,x') = π(x')T(x',x), and the whole flow between different configurations.
fn balance(target: &Toy, t: &Array2<f64>) -> (f64, f64) {
    let flow = Array2::from_shape_fn(t.dim(), |(i, j)| target.p[i] * t[[i, j]]);
    for row in t.outer_iter() {
        assert!(row.sum() <= 1.0 + TOLERANCE, "more than all moves away");
    }
    let violation = flow.indexed_iter().map(|((i, j), v)| (v - flow[[j, i]]).abs()).fold(0.0, f64::max);
    (violation, flow.sum())
}

#[test]
fn connected_move_is_reversible_for_every_denoiser() {
    let target = target();
    for kernel in [kernel(), mask_kernel()] {
        for model in [model(1.0), model(0.6), truncated(1.0), truncated(0.6)] {
            let right = connected_matrix(&target, &model, &kernel, &|_, _, t| t.log_ratio());
            let (violation, flow) = balance(&target, &right);
            assert!(violation < TOLERANCE, "violation {violation:e}");
            assert!(flow > 0.05, "no flow to balance: {flow}");
            // Wrong twin: the proposal ratio omitted.
            let wrong = connected_matrix(&target, &model, &kernel, &|_, _, t| {
                if t.log_ratio() == f64::NEG_INFINITY { t.log_ratio() } else { 0.0 }
            });
            assert!(balance(&target, &wrong).0 > SEEN, "the test does not see an omitted proposal ratio");
        }
        // Wrong twin: a denoiser that is not the Bayes posterior, accepted with w(x')/w(x) as if it were.
        let model = model(0.6);
        let wrong = connected_matrix(&target, &model, &kernel, &|i, j, _| (model.p[i] / model.p[j]).ln());
        let violation = balance(&target, &wrong).0;
        assert!(violation > SEEN, "the test does not see an approximate denoiser: {violation:e}");
    }
}

/// Tensor networks propose, for a target that is not their law: linear, in single precision, Born.
#[test]
fn tensor_networks_are_reversible_proposals() {
    let target = target();
    let positive = PositiveMps::random(&DIMS, 2, &mut stream("proposal")).unwrap();
    let single = positive.single_precision();
    let born = BornMps::random(&DIMS, 2, &mut stream("proposal")).unwrap();
    for model in [&positive as &dyn Model, &single, &born] {
        for kernel in [kernel(), mask_kernel()] {
            let (violation, flow) =
                balance(&target, &connected_matrix(&target, model, &kernel, &|_, _, t| t.log_ratio()));
            assert!(violation < TOLERANCE, "violation {violation:e}");
            assert!(flow > 0.05, "no flow to balance: {flow}");
            assert!(balance(&target, &connected_matrix(&target, model, &kernel, &|_, _, _| 0.0)).0 > SEEN);
        }
        let (violation, flow) = balance(&target, &disconnected_matrix(&target, model, &|t| t.log_ratio()));
        assert!(violation < TOLERANCE && flow > 0.05, "violation {violation:e}, flow {flow}");
        assert!(balance(&target, &disconnected_matrix(&target, model, &|_| 0.0)).0 > SEEN);
    }
}

#[test]
fn disconnected_move_is_reversible() {
    let target = target();
    for model in [model(1.0), truncated(1.0)] {
        let (violation, flow) = balance(&target, &disconnected_matrix(&target, &model, &|t| t.log_ratio()));
        assert!(violation < TOLERANCE, "violation {violation:e}");
        assert!(flow > 0.05, "no flow to balance: {flow}");
        assert!(balance(&target, &disconnected_matrix(&target, &model, &|_| 0.0)).0 > SEEN);
    }
}

/// For the exact denoiser K(x',y) q(x|y) / (K(x,y) q(x'|y)) = P(x)/P(x') whatever y.
#[test]
fn exact_denoiser_reduces_to_the_weight_ratio() {
    let (kernel, exact, approximate) = (kernel(), model(1.0), model(0.6));
    let largest = |model: &Toy| {
        let worst = std::cell::Cell::new(0.0f64);
        connected_matrix(&target(), model, &kernel, &|i, j, t| {
            worst.set(worst.get().max((t.log_ratio() - (model.p[i] / model.p[j]).ln()).abs()));
            t.log_ratio()
        });
        worst.get()
    };
    assert!(largest(&exact) < TOLERANCE, "{:e}", largest(&exact));
    assert!(largest(&approximate) > 0.1);
}

/// What `propose` returns is the triple of its own `y`, which the noise stream tells.
#[test]
fn proposals_carry_the_ratio_of_their_triple() {
    let x = all_configs(&DIMS).select(Axis(0), &(0..600).map(|i| i % 12).collect::<Vec<_>>());
    for (kernel, model) in [
        (kernel(), model(0.6)),
        (kernel(), truncated(1.0)),
        (mask_kernel(), truncated(0.6)),
        (mask_kernel(), model(1.0)),
    ] {
        let streams = Streams::new(5).step(3);
        let proposed = Connected::new(&model, kernel.clone()).unwrap().propose(x.view(), &streams).unwrap();
        let y = kernel.sample(x.view(), &streams.domain("connected")).unwrap();
        let w = kernel.likelihood(y.view());
        let noise_old = kernel.log_prob(x.view(), y.view()).unwrap();
        let noise_new = kernel.log_prob(proposed.x.view(), y.view()).unwrap();
        let (mut unsupported, mut impossible, mut finite) = (0, 0, 0);
        for row in 0..x.nrows() {
            let Some(law) = model.law(&w, row) else {
                impossible += 1;
                assert_eq!(proposed.x.row(row), x.row(row));
                assert_eq!(proposed.log_ratio[row], f64::NEG_INFINITY);
                continue;
            };
            let (old, new) = (law[index_of(x.row(row), &DIMS)], law[index_of(proposed.x.row(row), &DIMS)]);
            let expected = noise_new[row] + old.ln() - noise_old[row] - new.ln();
            unsupported += usize::from(old == 0.0);
            if old == 0.0 {
                assert_eq!(proposed.log_ratio[row], f64::NEG_INFINITY);
            } else {
                finite += 1;
                assert!((proposed.log_ratio[row] - expected).abs() < TOLERANCE);
            }
        }
        assert_eq!((proposed.unsupported, proposed.impossible), (unsupported, impossible));
        assert!(finite > 100);
        let lacks_support = model.p.contains(&0.0);
        assert_eq!(unsupported > 0, lacks_support);
        assert_eq!(impossible > 0, lacks_support && kernel == mask_kernel());
    }
}

/// Neither the rows beside it nor their impossibility change what a row proposes; one row alone is
/// `propose_one`.
#[test]
fn a_row_proposes_the_same_in_every_batch() {
    let x = all_configs(&DIMS);
    let model = truncated(0.6);
    let connected = Connected::new(&model, mask_kernel()).unwrap();
    let disconnected = Disconnected::new(&model);
    let single = SingleSite::new(&DIMS).unwrap();
    let exchange = Exchange::new(&DIMS, &[(0, 2)]).unwrap();
    for proposal in [&connected as &dyn Proposal, &disconnected, &single, &exchange] {
        for step in 0..20 {
            let streams = Streams::new(1).step(step);
            let whole = proposal.propose(x.view(), &streams).unwrap();
            for row in 0..x.nrows() {
                let config = x.row(row).to_vec();
                let (new, log_ratio) = proposal.propose_one(&config, &streams.rows_from(row)).unwrap();
                assert_eq!(ArrayView1::from(&new), whole.x.row(row));
                assert_eq!(log_ratio.to_bits(), whole.log_ratio[row].to_bits());
            }
        }
    }
    // Steps and rows do differ.
    let twice = x.select(Axis(0), &[0, 0, 0, 0, 0, 0, 0, 0]);
    let a = connected.propose(twice.view(), &Streams::new(1)).unwrap().x;
    let b = connected.propose(twice.view(), &Streams::new(1).step(1)).unwrap().x;
    assert_ne!(a, b);
    assert!(a.outer_iter().any(|row| row != a.row(0)));
}

#[test]
fn bad_input_is_a_typed_error() {
    let (target, model) = (target(), model(1.0));
    let name = |error: Error| match error {
        Error::Parameter { name, .. } => name,
        other => panic!("not a parameter error: {other}"),
    };
    let small = Kernel::new(&[array![[1.0]]]).unwrap();
    assert_eq!(Connected::new(&model, small).err(), Some(Error::SiteCount { expected: 3, got: 1 }));
    let square = Kernel::new(&vec![array![[0.5, 0.5], [0.2, 0.8]]; 3]).unwrap();
    let expected = Error::LocalDimension { site: 1, expected: 3, got: 2 };
    assert_eq!(Connected::new(&model, square).err(), Some(expected.clone()));

    let single = SingleSite::new(&DIMS).unwrap();
    assert_eq!(single.propose_one(&[0, 0], &Streams::new(0)), Err(Error::SiteCount { expected: 3, got: 2 }));
    let out = Error::StateOutOfRange { row: 0, site: 1, state: 3, dim: 3 };
    for proposal in [&single as &dyn Proposal, &Connected::new(&model, kernel()).unwrap(), &Disconnected::new(&model)] {
        assert_eq!(proposal.propose_one(&[0, 3, 0], &Streams::new(0)), Err(out.clone()));
    }
    assert_eq!(name(SingleSite::new(&[1, 1]).unwrap_err()), "local dimension");
    assert_eq!(name(Exchange::new(&DIMS, &[]).unwrap_err()), "pairs");
    assert_eq!(name(Exchange::new(&DIMS, &[(0, 3)]).unwrap_err()), "pair");
    assert_eq!(name(Exchange::new(&DIMS, &[(2, 2)]).unwrap_err()), "pair");
    let unequal = Error::LocalDimension { site: 1, expected: 2, got: 3 };
    assert_eq!(Exchange::chain(&DIMS).unwrap_err(), unequal);

    let part = || Box::new(single.clone()) as Box<dyn Proposal>;
    assert_eq!(name(Mixture::<dyn Proposal>::new(vec![]).err().unwrap()), "parts of the mixture");
    assert_eq!(name(Mixture::new(vec![(0.5, part()), (0.4, part())]).err().unwrap()), "sum of mixture probabilities");
    let negative = Mixture::new(vec![(1.5, part()), (-0.5, part())]).err();
    assert_eq!(negative, Some(Error::Negative { field: "mixture probability", site: 1, value: -0.5 }));
    assert!(matches!(Mixture::new(vec![(f64::NAN, part())]).err(), Some(Error::NotFinite { .. })));
    let other = |dims: &[usize]| Box::new(SingleSite::new(dims).unwrap()) as Box<dyn Proposal>;
    let mixed = |dims| Mixture::new(vec![(0.5, part()), (0.5, other(dims))]).err();
    assert_eq!(mixed(&[2, 3]), Some(Error::SiteCount { expected: 3, got: 2 }));
    assert_eq!(mixed(&[2, 2, 2]), Some(expected.clone()));
    assert_eq!(mixed(&DIMS), None);
    assert_eq!(name(Cycle::new(vec![]).err().unwrap()), "parts of the cycle");
    assert_eq!(name(Repeat::new(MetropolisHastings::new(&single), 0).err().unwrap()), "times");

    // Starts: none, one of weight zero, one out of range.
    assert_eq!(name(Chains::initial(&target, 0, 0).unwrap_err()), "chains");
    let zero = all_configs(&DIMS).slice(s![4..7, ..]).to_owned();
    assert_eq!(Chains::new(&target, zero), Err(Error::LogWeight { row: 1, value: f64::NEG_INFINITY }));
    assert_eq!(Chains::new(&target, array![[0, 3, 0]]), Err(out));

    // Runs: options, observables, lattices that do not fit, dynamics that leave the support.
    let observe = |x: Configs<'_>| Ok(x.mapv(f64::from));
    let mut chains = Chains::initial(&target, 4, 0).unwrap();
    let mh = MetropolisHastings::new(&single);
    let options = |updates, thin| RunOptions { updates, thin, warm_up: 0, ..RunOptions::default() };
    let before = chains.clone();
    assert_eq!(name(options(5, 0).run(&target, &mh, &mut chains, observe).unwrap_err()), "thin");
    assert_eq!(name(options(5, 6).run(&target, &mh, &mut chains, observe).unwrap_err()), "updates");
    let endless = RunOptions { updates: 5, warm_up: usize::MAX, ..RunOptions::default() };
    assert_eq!(name(endless.run(&target, &mh, &mut chains, observe).unwrap_err()), "warm_up");
    let huge = options(usize::MAX, 1).run(&target, &mh, &mut chains, observe);
    assert!(matches!(huge, Err(Error::TooLarge { .. })));
    let elsewhere = Toy::new(&DIMS, &[0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], 1.0);
    let forbidden = options(5, 1).run(&elsewhere, &mh, &mut chains, observe);
    assert_eq!(forbidden, Err(Error::LogWeight { row: 0, value: f64::NEG_INFINITY }));
    let nan = |x: Configs<'_>| Ok(Array2::from_elem((x.nrows(), 2), f64::NAN));
    assert!(matches!(options(5, 1).run(&target, &mh, &mut chains, nan), Err(Error::NotFinite { .. })));
    let short = |_: Configs<'_>| Ok(Array2::zeros((3, 2)));
    assert!(matches!(options(5, 1).run(&target, &mh, &mut chains, short), Err(Error::Shape { .. })));
    let other = MetropolisHastings::new(SingleSite::new(&[2, 2, 2]).unwrap());
    assert_eq!(options(5, 1).run(&target, &other, &mut chains, observe).unwrap_err(), expected);
    let leave = Local::new(|x: &mut [u8], _: &mut tensorjump::Stream| {
        x.copy_from_slice(&[0, 2, 1]); // the configuration of weight zero
        Ok((1, 1))
    });
    let left = options(5, 1).run(&target, &leave, &mut chains, observe).unwrap_err();
    assert_eq!(left, Error::LogWeight { row: 0, value: f64::NEG_INFINITY });
    assert_eq!(chains, before, "an error must not change the chains");

    // Estimators.
    let (one, two) = (array![0.0], array![0.0, 0.0]);
    let count = |expected, got| Error::SampleCount { expected, got };
    let few = |needed, got| Error::TooFewSamples { needed, got };
    assert_eq!(Estimate::log_mean_weight(one.view()), Err(few(2, 1)));
    assert_eq!(SeriesMean::of(array![[1.0]].view()), Err(few(2, 1)));
    assert_eq!(Estimate::importance_mean(two.view(), one.view()), Err(count(2, 1)));
    assert_eq!(Estimate::stationary_acceptance(one.view()), Err(few(2, 1)));
    assert!(matches!(WeightSummary::of(array![0.0, f64::NAN].view()), Err(Error::LogWeight { row: 1, .. })));
    assert!(matches!(
        Estimate::log_mean_weight(array![f64::INFINITY, 0.0].view()),
        Err(Error::LogWeight { row: 0, .. })
    ));
    let none = array![f64::NEG_INFINITY, f64::NEG_INFINITY];
    assert!(matches!(WeightSummary::of(none.view()), Err(Error::ZeroWeight { .. })));
    assert_eq!(name(Estimate::missing_mass(f64::NAN, two.view(), two.view()).unwrap_err()), "kappa");
    assert_eq!(Estimate::missing_mass(0.0, two.view(), one.view()), Err(count(2, 1)));
    assert_eq!(Estimate::missing_mass(0.0, none.slice(s![..0]), none.slice(s![..0])), Err(few(1, 0)));
    assert!(matches!(Estimate::missing_mass(0.0, none.view(), two.view()), Err(Error::LogWeight { row: 0, .. })));
    assert_eq!(Autocorrelation::of(Array2::zeros((0, 3)).view()), Err(few(1, 0)));
    assert_eq!(split_r_hat(Array2::zeros((3, 2)).view()), Err(few(4, 3)));
    assert_eq!(split_r_hat(Array2::zeros((4, 0)).view()), Err(few(1, 0)));
    assert!(matches!(Autocorrelation::of(array![[f64::NAN]].view()), Err(Error::NotFinite { .. })));
}

/// A foreign model that returns the wrong number of rows is an error, not a panic or a short answer.
#[test]
fn foreign_models_are_checked() {
    struct Careless(DenseLaw);
    impl Target for Careless {
        fn dims(&self) -> &[usize] {
            self.0.dims()
        }
        fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
            self.0.log_weight(x)
        }
        fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
            None
        }
    }
    impl Model for Careless {
        fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
            self.0.sample(w, n, streams)
        }
        fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
            self.0.log_prob_given(x, w)
        }
        fn redraw(&self, _: &SiteWeights<'_>, old: Configs<'_>, _: &Streams) -> Result<(Samples, Array1<f64>)> {
            let n = old.nrows() + 1;
            Ok((Samples { x: Array2::zeros((n, 2)), log_prob: Array1::zeros(n) }, Array1::zeros(n - 1)))
        }
    }
    let model = Careless(DenseLaw::new(&[2, 2], &[1.0, 2.0, 3.0, 4.0]).unwrap());
    let kernel = Kernel::identity(&[2, 2]).unwrap();
    let x = Array2::zeros((2, 2));
    let shape = Error::Shape { field: "redraw", expected: vec![2, 2], got: vec![3, 2] };
    assert_eq!(Disconnected::new(&model).propose(x.view(), &Streams::new(1)), Err(shape.clone()));
    assert_eq!(Connected::new(&model, kernel).unwrap().propose(x.view(), &Streams::new(1)), Err(shape));
}
