//! Monte Carlo: stationary laws by χ² over many independent chains.

#[path = "../common/toy.rs"]
mod toy;

use std::ops::ControlFlow;

use ndarray::{Array1, array, s};
use rand::RngExt;
use tensorjump::mcmc::*;
use tensorjump::noise::Kernel;
use tensorjump::{Configs, Model, Result, Stream, Streams, Target};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, chi2_tail, counts, index_of};
use toy::Toy;

const DIMS: [usize; 3] = [2, 3, 2];
const TARGET: [f64; 12] = [3.0, 1.0, 0.5, 4.0, 2.0, 0.0, 1.5, 0.2, 6.0, 1.0, 0.7, 2.5];
const MODEL: [f64; 12] = [1.0, 2.0, 1.5, 1.0, 0.3, 0.6, 2.0, 1.1, 0.4, 3.0, 0.9, 1.3];
/// Support missing at 1, 2, 3, 8 and 9.
const TRUNCATED: [f64; 12] = [1.0, 0.0, 0.0, 0.0, 0.3, 0.6, 2.0, 1.1, 0.0, 0.0, 0.9, 1.3];
const CHAINS: usize = 3000;
/// Second eigenvalues of the moves below, from their dense matrices: at most 0.916, the exchange move 0.949.
/// After 130 updates the probabilities are off by less than 1e-5, those of the exchange move by 6e-4: χ² of
/// 3000 chains is shifted by less than 0.2.
const UPDATES: usize = 130;

fn target() -> Toy {
    Toy::new(&DIMS, &TARGET, 1.0)
}

/// Asymmetric; one site masked with probability about a half.
fn kernel() -> Kernel {
    Kernel::new(&[
        array![[0.7, 0.3], [0.1, 0.9]],
        array![[0.5, 0.0, 0.0, 0.5], [0.1, 0.4, 0.1, 0.4], [0.0, 0.25, 0.15, 0.6]],
        array![[0.6, 0.4], [0.35, 0.65]],
    ])
    .unwrap()
}

/// Counts of the last configurations of many chains, all started at configuration `start`.
fn last(target: &Toy, dynamics: &dyn Move, start: usize, seed: u64) -> (Vec<u64>, MoveReport) {
    let start = all_configs(target.dims()).row(start).to_owned();
    let x = start.broadcast((CHAINS, start.len())).unwrap().to_owned();
    let mut chains = Chains::new(target, x).unwrap();
    let options = RunOptions { updates: UPDATES, warm_up: 0, thin: UPDATES, seed, ..RunOptions::default() };
    let run = options.run(target, dynamics, &mut chains, |_| Ok(())).unwrap();
    assert_eq!(chains.log_weight(), target.log_weight(chains.x()).unwrap());
    (counts(&chains.x().to_owned(), target.dims()), run.report)
}

/// The wrong twin of every move: a proposal whose ratio is forgotten.
struct Forgetful<P>(P);

impl<P: Proposal> Proposal for Forgetful<P> {
    fn dims(&self) -> &[usize] {
        self.0.dims()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        Ok(Proposed::symmetric(self.0.propose(x, streams)?.x))
    }
}

#[test]
fn disconnected_and_connected_moves_reach_the_target() {
    let target = target();
    for (seed, power) in [(1, 1.0), (2, 0.6)] {
        let model = Toy::new(&DIMS, &MODEL, power);
        let proposals: [Box<dyn Proposal>; 2] =
            [Box::new(Disconnected::new(&model)), Box::new(Connected::new(&model, kernel()).unwrap())];
        for proposal in proposals {
            let (found, report) = last(&target, &MetropolisHastings::new(&proposal), 7, seed);
            assert_law(&found, &target.p, &model.p);
            assert_eq!((report.proposed, report.unsupported, report.impossible), (CHAINS * UPDATES, 0, 0));
            assert!(report.acceptance() > 0.3 && report.moved <= report.accepted);
            let (wrong, _) = last(&target, &MetropolisHastings::new(Forgetful(proposal)), 7, seed);
            assert!(chi2_p_value(&wrong, &target.p) < ALPHA, "an omitted proposal ratio goes unnoticed");
        }
    }
}

/// A truncated model by itself samples the target within its support; from outside it never moves, and says
/// so; mixed with a local move it samples the whole target.
#[test]
fn truncated_models_are_exact_within_their_support_or_in_a_mixture() {
    let target = target();
    let model = Toy::new(&DIMS, &TRUNCATED, 0.6);
    let within: Vec<f64> = target.p.iter().zip(&model.p).map(|(p, q)| if *q > 0.0 { *p } else { 0.0 }).collect();
    let sum: f64 = within.iter().sum();
    let within: Vec<f64> = within.iter().map(|p| p / sum).collect();
    let connected = || Connected::new(&model, kernel()).unwrap();
    let (found, _) = last(&target, &MetropolisHastings::new(connected()), 0, 3);
    assert_law(&found, &within, &target.p);

    let (stuck, report) = last(&target, &MetropolisHastings::new(connected()), 8, 3);
    assert_eq!(stuck[8], CHAINS as u64);
    assert_eq!(report.accepted, 0);
    assert_eq!(report.unsupported + report.impossible, report.proposed);

    let parts: Vec<(f64, Box<dyn Move>)> = vec![
        (0.3, Box::new(MetropolisHastings::new(connected()))),
        (0.7, Box::new(MetropolisHastings::new(SingleSite::new(&DIMS).unwrap()))),
    ];
    let (found, report) = last(&target, &Mixture::new(parts).unwrap(), 8, 3);
    assert_law(&found, &target.p, &within);
    assert_eq!(report.parts.len(), 2);
    assert_eq!(report.parts[0].proposed + report.parts[1].proposed, report.proposed);
    assert!(report.parts[0].proposed > 0 && report.parts[0].proposed < report.parts[1].proposed);
}

#[test]
fn local_moves_cycles_and_mixtures_of_proposals_reach_the_target() {
    let target = target();
    let uniform: Vec<f64> = target.p.iter().map(|p| if *p > 0.0 { 1.0 / 11.0 } else { 0.0 }).collect();
    let single = || MetropolisHastings::new(SingleSite::new(&DIMS).unwrap());
    let (found, _) = last(&target, &single(), 7, 4);
    assert_law(&found, &target.p, &uniform);

    // An own dynamics: heat bath of site 1, then one Metropolis step of the first or last site, by the table.
    let heat_bath = |x: &mut [u8], rng: &mut Stream| {
        let p = |x: &[u8]| target.p[index_of(x, &DIMS)];
        let weights = [0u8, 1, 2].map(|a| p(&[x[0], a, x[2]]));
        let mut u = rng.random::<f64>() * weights.iter().sum::<f64>();
        x[1] = (0..2)
            .find(|&a| {
                u -= weights[a];
                u < 0.0
            })
            .unwrap_or(2) as u8;
        let site = if rng.random() { 0 } else { 2 };
        let mut new = [x[0], x[1], x[2]];
        new[site] = 1 - new[site];
        let accepted = rng.random::<f64>() * p(x) < p(&new);
        if accepted {
            x.copy_from_slice(&new);
        }
        Ok((2, 1 + usize::from(accepted)))
    };
    let (found, report) = last(&target, &Local::new(heat_bath), 7, 5);
    assert_law(&found, &target.p, &uniform);
    assert_eq!(report.proposed, 2 * CHAINS * UPDATES);

    let model = Toy::new(&DIMS, &MODEL, 0.6);
    let cycle = Cycle::new(vec![
        Box::new(Repeat::new(single(), 3).unwrap()),
        Box::new(MetropolisHastings::new(Connected::new(&model, kernel()).unwrap())),
        Box::new(MetropolisHastings::new(Exchange::new(&DIMS, &[(0, 2)]).unwrap())),
    ])
    .unwrap();
    let (found, report) = last(&target, &cycle, 7, 6);
    assert_law(&found, &target.p, &uniform);
    assert_eq!(report.parts.iter().map(|part| part.proposed / CHAINS / UPDATES).collect::<Vec<_>>(), [3, 1, 1]);

    let parts: Vec<(f64, Box<dyn Proposal>)> = vec![
        (0.5, Box::new(Disconnected::new(&model))),
        (0.0, Box::new(Forgetful(Disconnected::new(&model)))), // never chosen
        (0.5, Box::new(SingleSite::new(&DIMS).unwrap())),
    ];
    let (found, _) = last(&target, &MetropolisHastings::new(Mixture::new(parts).unwrap()), 7, 7);
    assert_law(&found, &target.p, &model.p);
}

/// Exchanges along a chain conserve the number of each state: the target within that sector.
#[test]
fn exchange_samples_its_sector() {
    let dims = [3; 4];
    let table: Vec<f64> = (0..81).map(|i| 1.0 + (i * 29 % 7) as f64).collect();
    let target = Toy::new(&dims, &table, 1.0);
    let composition = |x: ndarray::ArrayView1<'_, u8>| {
        let mut sorted = x.to_vec();
        sorted.sort_unstable();
        sorted
    };
    let configs = all_configs(&dims);
    let start = index_of(&[1, 2, 0, 0], &dims);
    let inside: Vec<bool> = configs.outer_iter().map(|x| composition(x) == [0, 0, 1, 2]).collect();
    let sum: f64 = target.p.iter().zip(&inside).filter(|(_, inside)| **inside).map(|(p, _)| p).sum();
    let restrict = |f: &dyn Fn(usize) -> f64| (0..81).map(|i| if inside[i] { f(i) } else { 0.0 }).collect::<Vec<f64>>();
    let (found, _) = last(&target, &MetropolisHastings::new(Exchange::chain(&dims).unwrap()), start, 8);
    assert_law(&found, &restrict(&|i| target.p[i] / sum), &restrict(&|_| 1.0 / 12.0));
}

/// The embedding: somebody else's loop around `propose_one`.
#[test]
fn foreign_loop_around_propose_one_samples_the_target() {
    let target = target();
    let model = Toy::new(&DIMS, &MODEL, 0.6);
    let proposal = Connected::new(&model, kernel()).unwrap();
    let run = |with_ratio: bool| {
        let mut rng = Streams::new(11).domain("foreign").stream(0);
        let mut x = vec![0, 0, 0];
        let mut found = vec![0u64; 12];
        for step in 0..300_000 {
            let (new, log_ratio) = proposal.propose_one(&x, &Streams::new(11).step(step)).unwrap();
            let weight = target.p[index_of(&new, &DIMS)] / target.p[index_of(&x, &DIMS)];
            if rng.random::<f64>() < weight * if with_ratio { log_ratio.exp() } else { 1.0 } {
                x = new;
            }
            // Second eigenvalue 0.904: correlations at distance 75 are below 1e-3.
            if step % 75 == 74 {
                found[index_of(&x, &DIMS)] += 1;
            }
        }
        found
    };
    assert_law(&run(true), &target.p, &model.p);
    assert!(chi2_p_value(&run(false), &target.p) < ALPHA);
}

/// Neither threads nor other chains matter, and a run continues.
#[test]
fn runs_are_reproducible() {
    let target = target();
    let model = Toy::new(&DIMS, &MODEL, 0.6);
    let observe = |x: Configs<'_>| Ok(x.mapv(f64::from));
    let trajectory = |n: usize, threads: usize, seed: u64, pieces: &[usize]| {
        let parts: Vec<(f64, Box<dyn Move>)> = vec![
            (0.5, Box::new(MetropolisHastings::new(Connected::new(&model, kernel()).unwrap()))),
            (0.5, Box::new(Repeat::new(MetropolisHastings::new(SingleSite::new(&DIMS).unwrap()), 2).unwrap())),
        ];
        let dynamics = Mixture::new(parts).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut chains = Chains::initial(&target, n, seed).unwrap();
            let mut all = vec![];
            for &updates in pieces {
                let options = RunOptions { updates, warm_up: 0, seed, ..RunOptions::default() };
                let mut steps = vec![];
                let progress = |p: &Progress<'_>| {
                    steps.push((p.done, p.total));
                    ControlFlow::Continue(())
                };
                let run = options.run_with_progress(&target, &dynamics, &mut chains, observe, progress).unwrap();
                assert_eq!(steps, (1..=updates).map(|done| (done, updates)).collect::<Vec<_>>());
                all.extend(run.series.slice(s![.., ..5, ..]).iter().copied());
            }
            all
        })
    };
    let reference = trajectory(600, 1, 9, &[50]);
    assert_eq!(trajectory(600, 2, 9, &[50]), reference);
    assert_eq!(trajectory(5, 1, 9, &[50]), reference);
    assert_eq!(trajectory(17, 2, 9, &[20, 30]), reference);
    assert_ne!(trajectory(5, 1, 10, &[50]), reference);
}

/// χ² of the deviations of many independent estimates in units of their own errors; both tails.
fn assert_calibrated(what: &str, deviations: &[f64]) {
    let (chi2, n) = (deviations.iter().map(|z| z * z).sum::<f64>(), deviations.len());
    let tail = chi2_tail(chi2, n);
    assert!(tail > ALPHA && 1.0 - tail > ALPHA, "{what}: χ²/n = {}", chi2 / n as f64);
}

#[test]
fn importance_estimates_have_honest_errors() {
    let target = target();
    let model = Toy::new(&DIMS, &MODEL, 1.0);
    let f = |i: usize| (i * i % 7) as f64;
    let exact: f64 = (0..12).map(|i| target.p[i] * f(i)).sum();
    let w: Vec<f64> = target.p.iter().zip(&model.p).map(|(p, q)| p / q).collect();
    let mut acceptance = 0.0;
    for (i, j) in (0..12).flat_map(|i| (0..12).map(move |j| (i, j))) {
        acceptance += model.p[i] * model.p[j] * w[i].min(w[j]);
    }
    let mut deviations: [Vec<f64>; 4] = Default::default();
    let mut plain = vec![];
    for batch in 0..100 {
        let samples = model.draw(2000, &Streams::new(12).step(batch)).unwrap();
        let log_w = samples.log_importance_weights(&target).unwrap();
        // An unnormalised target, Z = e^{-1000}.
        let shifted = log_w.mapv(|v| v - 1000.0);
        let values: Array1<f64> = samples.x.outer_iter().map(|x| f(index_of(x, &DIMS))).collect();
        let estimates = [
            (Estimate::importance_mean(shifted.view(), values.view()).unwrap(), exact),
            (Estimate::log_mean_weight(shifted.view()).unwrap(), -1000.0),
            (Estimate::stationary_acceptance(shifted.view()).unwrap(), acceptance),
            (Estimate::supported_mass(log_w.view()).unwrap(), 1.0),
        ];
        for ((found, exact), z) in estimates.iter().zip(&mut deviations) {
            assert!((found.mean - exact).abs() < 5.0 * found.error, "{} and {exact}", found.mean);
            z.push((found.mean - exact) / found.error);
        }
        plain.push((values.mean().unwrap() - exact) / estimates[0].0.error);
    }
    for (what, z) in ["mean", "log Z", "acceptance", "supported mass"].iter().zip(&deviations) {
        assert_calibrated(what, z);
    }
    // Wrong twin: weights ignored.
    assert!(chi2_tail(plain.iter().map(|z| z * z).sum(), plain.len()) < ALPHA);
}

/// Error bars of correlated averages, and the acceptance that the weights foretell.
#[test]
fn chain_averages_have_honest_errors() {
    let target = target();
    let model = Toy::new(&DIMS, &MODEL, 1.0);
    let f = |i: usize| (i * i % 7) as f64;
    let exact: f64 = (0..12).map(|i| target.p[i] * f(i)).sum();
    let observe = |x: Configs<'_>| Ok(x.outer_iter().map(|x| f(index_of(x, &DIMS))).collect::<Array1<f64>>());
    let (mut deviations, mut naive, mut accepted) = (vec![], vec![], (0, 0));
    for seed in 0..60 {
        let mut chains = Chains::initial(&target, 4, seed).unwrap();
        let options = RunOptions { updates: 1500, seed, ..RunOptions::default() };
        let dynamics = MetropolisHastings::new(Disconnected::new(&model));
        let run = options.run(&target, &dynamics, &mut chains, observe).unwrap();
        let found = run.mean(0).unwrap();
        assert!((found.mean - exact).abs() < 5.0 * found.error);
        assert!(run.r_hat(0).unwrap() < 1.05);
        assert!(!found.autocorrelation.lower_bound && found.autocorrelation.tau > 1.0);
        deviations.push((found.mean - exact) / found.error);
        naive.push((found.mean - exact) / (found.variance / 6000.0).sqrt());
        accepted = (accepted.0 + run.report.accepted, accepted.1 + run.report.proposed);
    }
    assert_calibrated("mean", &deviations);
    // Wrong twin: correlations ignored.
    assert!(chi2_tail(naive.iter().map(|z| z * z).sum(), naive.len()) < ALPHA);

    let samples = model.draw(100_000, &Streams::new(13)).unwrap();
    let foretold = Estimate::stationary_acceptance(samples.log_importance_weights(&target).unwrap().view()).unwrap();
    let found = accepted.0 as f64 / accepted.1 as f64;
    // Correlated decisions: at most 2τ ≈ 8 times the binomial variance.
    let sigma = (found * (1.0 - found) * 8.0 / accepted.1 as f64 + foretold.error.powi(2)).sqrt();
    assert!((found - foretold.mean).abs() < 5.0 * sigma, "{found} and {}", foretold.mean);
}
