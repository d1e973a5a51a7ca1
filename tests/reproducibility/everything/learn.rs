//! Learning: the likelihood of each round to eight digits, and draws of what was learned.

use std::sync::Arc;

use tensorjump::Model;
use tensorjump::diffusion::{Denoiser, ExactDenoiser, TokenNoise, glauber_reverse};
use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::learn::{
    BornMethod, BornOptions, Data, Fit, GlauberMatched, LoopOptions, Objective, PositiveMethod, PositiveOptions,
    RatioMatched, RatioMatchingOptions, SoftmaxDenoiser, SoftmaxOptions, Stage, Start, SweepStep, Symmetry, Toward,
    Training, Validation,
};
use tensorjump::mcmc::Assessment;
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Truncation;

use super::{Family, Fnv, streams};
use crate::laws::stream;

const DIGITS: usize = 8;
const DIMS: [usize; 6] = [2, 3, 2, 2, 3, 2];

fn truth() -> PositiveMps {
    PositiveMps::random(&DIMS, 3, &mut stream("everything")).unwrap()
}

fn data() -> Data {
    Data::new(truth().draw(200, &streams()).unwrap().x, &DIMS).unwrap()
}

fn noise() -> Noise {
    Noise::new(Rates::uniform(&DIMS, 0.8).unwrap(), Schedule::default())
}

/// Three rounds.
fn training(batch: usize) -> Training {
    Training { rounds: 3, batch, seed: 5, ..Training::default() }
}

fn fit<M: Model>(hash: &mut Fnv, fit: &Fit<M>) {
    for round in &fit.history.rounds {
        hash.rounded(DIGITS, [&round.train_nll].into_iter().chain(&round.validation_nll));
        round.bonds.iter().for_each(|&bond| hash.count(bond as u64));
        hash.count(round.zeros as u64);
    }
    hash.count(fit.best as u64);
    hash.x(fit.model.draw(20, &streams()).unwrap().x.view());
}

fn born(hash: &mut Fnv, method: BornMethod, training: Training) {
    let options = BornOptions { method, start: Start::Random { bond: 3 }, training };
    fit(hash, &options.fit(&data()).unwrap());
}

#[test]
fn born_laws() {
    let step = SweepStep { rate: 0.4, slowing: 4.0, ..SweepStep::default() };
    let truncation = Truncation { max_bond: 4, cutoff: 1e-8 };
    let two_site = BornMethod::TwoSite { truncation, significance: 1.0, explore: 1, step };
    Family::of("learn born")
        .case("two sites", |hash| born(hash, two_site, training(8192)))
        .case("two sites, batches", |hash| born(hash, two_site, training(80)))
        .case("one site", |hash| born(hash, BornMethod::OneSite { step }, training(8192)))
        .case("adam, batches", |hash| born(hash, BornMethod::Adam { rate: 0.02 }, training(50)))
        .case("l-bfgs", |hash| born(hash, BornMethod::Lbfgs { memory: 3 }, training(8192)))
        .case("no validation, symmetry", |hash| {
            let mirror = Symmetry::sites(vec![5, 4, 3, 2, 1, 0]).unwrap();
            let training = Training { validation: Validation::None, symmetries: vec![mirror], ..training(80) };
            born(hash, two_site, training);
        })
        .check();
}

#[test]
fn positive_laws() {
    let learned = |hash: &mut Fnv, method, batch| {
        let options = PositiveOptions { method, start: Start::Random { bond: 3 }, training: training(batch) };
        fit(hash, &options.fit(&data()).unwrap());
    };
    Family::of("learn positive")
        .case("em", |hash| learned(hash, PositiveMethod::Em, 8192))
        .case("adam, batches", |hash| learned(hash, PositiveMethod::Adam { rate: 0.05 }, 50))
        .case("l-bfgs", |hash| learned(hash, PositiveMethod::Lbfgs { memory: 3 }, 8192))
        .check();
}

#[test]
fn laws_from_a_log_weight() {
    let square = Square::new(3, 4, Geometry::Cylinder).unwrap();
    let couplings = Couplings::uniform(square, 1.0).unwrap();
    let [warm, cold] = [0.3, 0.45].map(|beta| Ising::new(couplings.clone(), beta).unwrap());
    let [warm_sweep, sweep] = [&warm, &cold].map(|ising| SpinSweep::heat_bath(ising).unwrap());
    let stage =
        Stage { target: &warm, local: &warm_sweep, max_bond: 4, rounds: 1, polish: 0, rate: 0.4, enough: (2.0, 2.0) };
    let stages = [stage, Stage { target: &cold, local: &sweep, max_bond: 6, rounds: 2, polish: 1, ..stage }];
    let learned = |hash: &mut Fnv, toward, keep| {
        let flip = Symmetry::sites((0..12).collect()).unwrap().with_states(vec![vec![1, 0]; 12]).unwrap();
        let turn = Symmetry::sites((0..12).map(|j| j / 4 * 4 + (j + 1) % 4).collect()).unwrap();
        let options = LoopOptions {
            order: Some(square.snake()),
            draws: 300,
            chains: 40,
            updates: 3,
            warm_up: 10,
            first: (4, 2),
            toward,
            keep,
            symmetries: vec![flip, turn],
            seed: 3,
            ..LoopOptions::default()
        };
        let learned = options.learn(&stages).unwrap();
        for round in &learned.rounds {
            hash.rounded(DIGITS, [&round.model.acceptance.mean, &round.log_z, &round.kl_chains]);
            hash.report(&round.chains);
            round.bonds.iter().for_each(|&bond| hash.count(bond as u64));
        }
        hash.x(learned.chains.x());
        hash.x(learned.model.draw(20, &streams()).unwrap().x.view());
    };
    Family::of("learn in the loop")
        .case("overlap", |hash| learned(hash, Toward::Overlap, 1.0))
        .case("overlap, thinned", |hash| learned(hash, Toward::Overlap, 0.4))
        .case("divergence, thinned", |hash| learned(hash, Toward::Divergence, 0.4))
        .case("assess", |hash| {
            let model = PositiveMps::random(&[2; 12], 2, &mut stream("everything")).unwrap();
            let found = Assessment::of(&warm, &model, 300, &streams()).unwrap();
            hash.numbers(&[found.acceptance.mean, found.ess_fraction, found.log_z.mean]);
        })
        .check();
}

/// What learns conditional laws by chance: batches, times, noise.
#[test]
fn denoisers() {
    let matching = || RatioMatchingOptions {
        start: Start::Random { bond: 3 },
        epochs: 3,
        batch: 50,
        seed: 4,
        ..RatioMatchingOptions::default()
    };
    let softmax = |hash: &mut Fnv, objective| {
        let baseline = RatioMatched::new(&data(), &noise(), &matching()).unwrap().denoiser;
        let options = SoftmaxOptions { objective, rounds: 3, times: vec![0.3, 1.0], copies: 2, ..Default::default() };
        let near = Boundary::Open.windows(6, 1);
        let learned = SoftmaxDenoiser::new(&data(), &noise(), &near, Some(Arc::new(baseline)), &options).unwrap();
        let x = data().x().slice(ndarray::s![..5, ..]).to_owned();
        hash.rounded(DIGITS, &learned.conditional_marginals(0.5, x.view()).unwrap());
    };
    Family::of("learn denoisers")
        .case("ratio matching", |hash| {
            let learned = RatioMatched::new(&data(), &noise(), &matching()).unwrap();
            hash.rounded(DIGITS, &learned.losses);
            hash.x(learned.denoiser.model().draw(20, &streams()).unwrap().x.view());
        })
        .case("softmax, ratio matching", |hash| softmax(hash, Objective::RatioMatching))
        .case("softmax, likelihood bound", |hash| softmax(hash, Objective::LikelihoodBound))
        .case("glauber matching", |hash| {
            let tokens = TokenNoise::uniform(&DIMS, 3, 0.4).unwrap();
            let learned = GlauberMatched::new(&data(), &tokens, &matching()).unwrap();
            hash.rounded(DIGITS, &learned.losses);
            hash.x(glauber_reverse(&learned, data().x(), &streams()).unwrap().view());
        })
        .case("exact denoiser of a learned law", |hash| {
            let learned = RatioMatched::new(&data(), &noise(), &matching()).unwrap();
            let (model, noise) = (learned.denoiser.model(), noise());
            let exact = ExactDenoiser::new(model, &noise).unwrap();
            let y = data().x().slice(ndarray::s![..20, ..]).to_owned();
            hash.x(exact.draw_clean(0.5, y.view(), &streams()).unwrap().unwrap().view());
        })
        .check();
}
