//! Draws of the snake MPS: their law, their acceptance, weighted averages against exact values.

use ndarray::{Array1, ArrayView1};
use serde_json::Value;
use tensorjump::lattice::{Couplings, Geometry, Ising, SnakeMps, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::model::Permuted;
use tensorjump::{Model, Samples, Streams};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, law};

/// Draws of each test of a law or an average.
const DRAWS: usize = 200_000;

fn critical() -> f64 {
    (1.0 + 2f64.sqrt()).ln() / 2.0
}

fn ferromagnet(rows: usize, cols: usize, beta: f64) -> Ising {
    let lattice = Square::new(rows, cols, Geometry::Cylinder).unwrap();
    Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), beta).unwrap()
}

/// ±J couplings with alternating fields.
fn glass(beta: f64) -> Ising {
    let lattice = Square::new(4, 4, Geometry::Cylinder).unwrap();
    let field = (0..16).map(|j| 0.2 * (j as f64 * 1.7).sin()).collect();
    Ising::new(Couplings::plus_minus(lattice, 4).with_field(field).unwrap(), beta).unwrap()
}

fn probabilities(model: &dyn Model) -> Vec<f64> {
    let log = model.log_prob(all_configs(model.dims()).view()).unwrap();
    log.mapv(f64::exp).to_vec()
}

fn draws(model: &dyn Model, n: usize) -> Samples {
    model.draw(n, &Streams::new(23)).unwrap()
}

/// The exact law at full bond dimension, the truncated one at a smaller; false alarms 10⁻⁶ each. Wrong twins:
/// the snake read row by row, and for the truncated law the exact one.
#[test]
fn draws_follow_the_law() {
    let ising = glass(0.6);
    let exact = law(&ising);
    let full = SnakeMps::new(&ising, 16).unwrap();
    let twin = Permuted::new(full.born().clone(), (0..16).collect()).unwrap();
    assert_law(&counts(&draws(&full, DRAWS).x, &[2; 16]), &exact, &probabilities(&twin));
    assert!(chi2_p_value(&counts(&draws(&twin, DRAWS).x, &[2; 16]), &exact) < ALPHA);
    let small = SnakeMps::new(&ising, 3).unwrap();
    assert_law(&counts(&draws(&small, DRAWS).x, &[2; 16]), &probabilities(&small), &exact);
}

/// The reference table less 0.01, five standard errors on the safe side; the sum of squared weights is
/// dominated by rare draws, hence the bound on the error. Wrong twin: half the bond dimension must fail.
#[test]
fn acceptance_of_the_reference_table() {
    let ising = ferromagnet(8, 8, critical());
    let acceptance = |chi: usize| -> Estimate {
        let snake = SnakeMps::new(&ising, chi).unwrap();
        Estimate::stationary_acceptance(draws(&snake, DRAWS / 4).log_importance_weights(&ising).unwrap().view())
            .unwrap()
    };
    let found = [8, 16, 32].map(acceptance);
    for (found, (worse, table)) in found[1..].iter().zip(found.iter().zip([0.60, 0.82])) {
        assert!(found.error < 0.005, "{found:?}");
        assert!(found.mean - 5.0 * found.error > table - 0.01, "{found:?}, table {table}");
        assert!(worse.mean + 5.0 * worse.error < table - 0.01, "{worse:?}, table {table}");
    }
}

/// `value` is within five standard errors (false alarms 6·10⁻⁷).
fn agrees(estimate: Estimate, value: f64) -> bool {
    (estimate.mean - value).abs() < 5.0 * estimate.error
}

/// Energy per site, squared magnetisation.
fn observables(ising: &Ising, samples: &Samples) -> [Array1<f64>; 2] {
    let m = ising.magnetisation(samples.x.view()).unwrap();
    [ising.energy(samples.x.view()).unwrap() / samples.x.ncols() as f64, &m * &m]
}

/// Weighted averages at 4 × 4 (χ = 6) and 8 × 8 (χ = 32) at every temperature of the file. Wrong twin:
/// weights of a model 3 % warmer, whose energy must be off in every case (it shifts by 0.03 C/β, here at
/// least 13 of its standard errors √(C/Nn)/β).
#[test]
fn energies_and_magnetisations_of_the_reference_cases() {
    let file: Value = serde_json::from_str(include_str!("../reference/ising.json")).unwrap();
    let mut cases = 0;
    for case in file["cases"].as_array().unwrap() {
        if case["kind"] != "cyl" {
            continue;
        }
        let size = (case["M"].as_u64().unwrap() as usize, case["L"].as_u64().unwrap() as usize);
        if !matches!(size, (4, 4) | (8, 8)) {
            continue;
        }
        let ising = ferromagnet(size.0, size.1, case["beta"].as_f64().unwrap());
        let snake = SnakeMps::new(&ising, if size.0 == 4 { 6 } else { 32 }).unwrap();
        let samples = draws(&snake, DRAWS / 4);
        let log_w = samples.log_importance_weights(&ising).unwrap();
        assert!(WeightSummary::of(log_w.view()).unwrap().fraction > 0.1);
        assert!(agrees(Estimate::log_mean_weight(log_w.view()).unwrap(), case["logZ"].as_f64().unwrap()));
        for (f, name) in observables(&ising, &samples).iter().zip(["energy_per_site", "m2"]) {
            let exact = case[name].as_f64().unwrap();
            let found = Estimate::importance_mean(log_w.view(), f.view()).unwrap();
            assert!(agrees(found, exact), "{size:?} {name}: {found:?}, exact {exact}");
        }
        let warmer = ferromagnet(size.0, size.1, 0.97 * ising.beta());
        let log_w = samples.log_importance_weights(&warmer).unwrap();
        let energy = Estimate::importance_mean(log_w.view(), observables(&ising, &samples)[0].view()).unwrap();
        assert!(
            !agrees(energy, case["energy_per_site"].as_f64().unwrap()),
            "{size:?}: the test cannot tell {energy:?}"
        );
        cases += 1;
    }
    assert_eq!(cases, 10);
}

/// With fields and ±J couplings, against enumeration. Wrong twin: no weights.
#[test]
fn energies_in_a_field() {
    let ising = glass(0.8);
    let exact = law(&ising);
    let configs = all_configs(&[2; 16]);
    let every = Samples { x: configs, log_prob: Array1::zeros(exact.len()) };
    let samples = draws(&SnakeMps::new(&ising, 4).unwrap(), DRAWS);
    let log_w = samples.log_importance_weights(&ising).unwrap();
    let mean = |f: ArrayView1<'_, f64>| f.iter().zip(&exact).map(|(f, p)| f * p).sum::<f64>();
    let mut biased = false;
    for (f, every) in observables(&ising, &samples).iter().zip(observables(&ising, &every)) {
        let (found, value) = (Estimate::importance_mean(log_w.view(), f.view()).unwrap(), mean(every.view()));
        assert!(agrees(found, value), "{found:?}, exact {value}");
        biased |= !agrees(Estimate::importance_mean(Array1::zeros(f.len()).view(), f.view()).unwrap(), value);
    }
    assert!(biased, "unweighted averages do not show");
}
