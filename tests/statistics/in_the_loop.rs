//! Models learned from a log-weight alone: normaliser, averages and chains against enumeration.
//!
//! Normalisers are compared at 4.9 standard errors, a false-alarm rate of 1e-6; chains by χ² at the same
//! rate.

use tensorjump::lattice::{Couplings, Fredkin, FredkinModel, Geometry, Ising, SpinSweep, Square, fast_rng};
use tensorjump::learn::{LoopOptions, Stage, Symmetry};
use tensorjump::mcmc::{Assessment, Disconnected, Estimate, Local, MetropolisHastings, RunOptions};
use tensorjump::model::BornMps;
use tensorjump::tn::Truncation;
use tensorjump::{Model, Stream, Streams, Target};

use super::common::{all_configs, assert_law};

const SIGMAS: f64 = 4.9;

fn ising(beta: f64) -> Ising {
    let square = Square::new(3, 4, Geometry::Cylinder).unwrap();
    Ising::new(Couplings::uniform(square, 1.0).unwrap(), beta).unwrap()
}

/// Law of the number of satisfied bonds, and `log Z`.
fn levels(ising: &Ising) -> (Vec<f64>, f64) {
    let x = all_configs(ising.dims());
    let log = ising.log_weight(x.view()).unwrap();
    let max = log.fold(f64::NEG_INFINITY, |m, &l| m.max(l));
    let z: f64 = log.iter().map(|l| (l - max).exp()).sum();
    let mut law = vec![0.0; 21];
    for (l, e) in log.iter().zip(ising.energy(x.view()).unwrap()) {
        law[level(e)] += (l - max).exp() / z;
    }
    (law, max + z.ln())
}

/// 20 bonds: from −20 to 20 in steps of two.
fn level(energy: f64) -> usize {
    ((energy + 20.0) / 2.0).round() as usize
}

#[test]
fn an_ising_model_is_learned_from_its_log_weight() {
    let (warm, ising) = (ising(0.3), ising(0.44));
    let (warm_sweep, sweep) = (SpinSweep::heat_bath(&warm).unwrap(), SpinSweep::heat_bath(&ising).unwrap());
    let stage =
        Stage { target: &warm, local: &warm_sweep, max_bond: 8, rounds: 2, polish: 0, rate: 0.5, enough: (0.98, 0.98) };
    let stages = [stage, Stage { target: &ising, local: &sweep, max_bond: 16, rounds: 3, polish: 6, ..stage }];
    // The spin flip, and the translation, which is no symmetry of the chain: only samples can have it.
    let flip = Symmetry::sites((0..12).collect()).unwrap().with_states(vec![vec![1, 0]; 12]).unwrap();
    let turn = Symmetry::sites((0..12).map(|j| j / 4 * 4 + (j + 1) % 4).collect()).unwrap();
    let order = Some(ising.lattice().snake());
    let options = LoopOptions { order, keep: 0.3, symmetries: vec![flip, turn], seed: 3, ..LoopOptions::default() };
    let mut learned = options.learn(&stages).unwrap();
    let found = Assessment::of(&ising, &learned.model, 20_000, &Streams::new(5)).unwrap();
    assert!(found.acceptance.mean > 0.9, "acceptance {:?}", found.acceptance);
    let (law, log_z) = levels(&ising);
    let off = (found.log_z.mean - log_z) / found.log_z.error;
    assert!(off.abs() < SIGMAS, "log Z off by {off:.1} standard errors");

    // Chains that go on with the model alone follow the target.
    let dynamics = MetropolisHastings::new(Disconnected::new(&learned.model));
    let plan = RunOptions { updates: 20, warm_up: 0, thin: 20, seed: 11, ..RunOptions::default() };
    let last = plan.run(&ising, &dynamics, &mut learned.chains, |x| ising.energy(x)).unwrap();
    let mut counts = vec![0; law.len()];
    last.series.iter().for_each(|&e| counts[level(e)] += 1);
    assert_law(&counts, &law, &levels(&warm).0);
}

#[test]
fn dyck_paths_are_learned_from_their_log_weight() {
    let chain = Fredkin::new(12, 0.5).unwrap();
    let swaps = Local::new(|x: &mut [u8], stream: &mut Stream| {
        Ok((120, chain.metropolis(x, 120, &mut fast_rng(stream))? as usize))
    });
    let stage =
        Stage { target: &chain, local: &swaps, max_bond: 4, rounds: 12, polish: 0, rate: 0.3, enough: (0.98, 0.98) };
    let learned = LoopOptions::default().learn(&[stage]).unwrap();
    let found = Assessment::of(&chain, &learned.model, 20_000, &Streams::new(5)).unwrap();
    assert!(found.acceptance.mean > 0.95, "acceptance {:?}", found.acceptance);
    let off = (found.log_z.mean - 132f64.ln()) / found.log_z.error; // Catalan number of 6
    assert!(off.abs() < SIGMAS, "log Z off by {off:.1} standard errors");
    // What the law asks of a model: nothing missing, and the area, by weighted draws.
    let exact = FredkinModel::new(&chain).unwrap().draw(20_000, &Streams::new(6)).unwrap();
    let missing = |model: &BornMps| {
        let score = model.log_prob(exact.x.view()).unwrap();
        Estimate::missing_mass(1000f64.ln(), exact.log_prob.view(), score.view()).unwrap().mean
    };
    let area_off = |model: &BornMps| {
        let draws = model.draw(20_000, &Streams::new(7)).unwrap();
        let area = chain.area(draws.x.view()).unwrap().mapv(|a| a as f64);
        let log_w = draws.log_importance_weights(&chain).unwrap();
        let mean = Estimate::importance_mean(log_w.view(), area.view()).unwrap();
        (mean.mean - chain.equilibrium().unwrap().area_mean()) / mean.error
    };
    let model = learned.model.inner();
    assert_eq!(missing(model), 0.0);
    assert!(area_off(model).abs() < SIGMAS, "area off by {:.1} standard errors", area_off(model));
    // The wrong twin: the same model cut to two heights. It draws allowed paths with nearly the right weights
    // (its acceptance is high), and misses the others.
    let cut = model.amplitude().compress(&Truncation { max_bond: 2, cutoff: 0.0 }).unwrap().0;
    let cut = BornMps::new(&cut).unwrap();
    let found = Assessment::of(&chain, &cut, 20_000, &Streams::new(5)).unwrap();
    assert!(found.acceptance.mean > 0.95, "acceptance {:?}", found.acceptance);
    assert!(missing(&cut) > 1e-3, "{}", missing(&cut));
    assert!(area_off(&cut).abs() > SIGMAS, "area off by {:.1} standard errors", area_off(&cut));
}
