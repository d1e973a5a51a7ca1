//! Weights that lie far apart: strong, frustrated, huge. A law or a value is right, or it is refused; it is
//! never wrong in silence.

use ndarray::{Array1, Array2};
use rand::RngExt;
use tensorjump::lattice::{
    BoundaryMps, ContractOptions, Contraction, Couplings, FreeFermions, Geometry, Ising, PairModel, Square,
};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Error, Model, SiteWeights, Streams, Target};

use crate::common::all_configs;

const BETAS: [f64; 12] = [1.0, 2.0, 3.0, 4.0, 4.25, 4.5, 4.75, 5.0, 6.0, 8.0, 10.0, 12.0];

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// `log Σ e^w`, written out.
fn log_sum(w: &Array1<f64>) -> f64 {
    let max = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    max + w.mapv(|w| (w - max).exp()).sum().ln()
}

/// Distance of `q` from the law of log-weights `w`.
fn total_variation(q: &BoundaryMps, x: &Array2<u8>, w: &Array1<f64>, log_z: f64) -> f64 {
    let q = q.log_prob(x.view()).unwrap();
    w.iter().zip(&q).map(|(w, q)| ((w - log_z).exp() - q.exp()).abs()).sum::<f64>() / 2.0
}

/// Twenty ±J instances at twelve temperatures, by enumeration: log Z of law and contraction, evidence of
/// draws, total variation. Nothing is truncated and rows are short, so that nothing is refused.
#[test]
fn frustrated_laws_by_seed_and_temperature() {
    for (rows, cols, geometry) in [(2, 4, Geometry::Cylinder), (3, 4, Geometry::Cylinder), (4, 4, Geometry::Open)] {
        let lattice = square(rows, cols, geometry);
        let x = all_configs(&vec![2; lattice.sites()]);
        for seed in 1..=20 {
            let couplings = Couplings::plus_minus(lattice, seed);
            let one = Ising::new(couplings.clone(), 1.0).unwrap().log_weight(x.view()).unwrap();
            for beta in BETAS {
                let place = format!("{rows}x{cols} {geometry:?} seed {seed} beta {beta}");
                let ising = Ising::new(couplings.clone(), beta).unwrap();
                let w = &one * beta;
                let log_z = log_sum(&w);
                let q = BoundaryMps::new(&ising, 16).unwrap();
                assert!((q.log_z() - log_z).abs() < 1e-12 * log_z, "{place}: {} {log_z}", q.log_z());
                let found = Contraction::new(&ising.pair_model().unwrap(), &ContractOptions::default()).unwrap();
                assert!(found.converged && (found.log_z - log_z).abs() < 1e-12 * log_z, "{place}: {found:?} {log_z}");
                let draws = q.draw(256, &Streams::new(seed)).unwrap();
                let log_w = draws.log_importance_weights(&ising).unwrap();
                // A rare draw may be off by more: its conditionals are near the grid of 2⁻³².
                let off = log_w.mapv(|w| (w - log_z).abs()).mean().unwrap();
                assert!(off < 1e-4, "{place}: log-weights off by {off:e}");
                // Half a million scores a temperature on 4 × 4.
                if rows < 4 || seed <= 2 {
                    let distance = total_variation(&q, &x, &w, log_z);
                    assert!(distance < 1e-4, "{place}: total variation {distance:e}");
                }
            }
        }
    }
}

/// Against free fermions, as far as they are valid. On 8 × 8 with χ = 16 nothing is truncated; on 16 × 16 a
/// law may be refused, or poor by its weights, but weights that agree with each other agree with log Z.
#[test]
fn frustrated_laws_against_free_fermions() {
    let (mut kept, mut refused) = (0, 0);
    for (side, geometry, chi) in [
        (8, Geometry::Open, 16),
        (8, Geometry::Cylinder, 16),
        (16, Geometry::Open, 16),
        (16, Geometry::Cylinder, 16),
        (16, Geometry::Cylinder, 32),
    ] {
        for (seed, beta) in (1..=3).flat_map(|seed| BETAS.map(|beta| (seed, beta))) {
            let place = format!("{side}x{side} {geometry:?} chi {chi} seed {seed} beta {beta}");
            let ising = Ising::new(Couplings::plus_minus(square(side, side, geometry), seed), beta).unwrap();
            let Ok(exact) = FreeFermions::log_z_of(&ising) else { continue };
            let q = match BoundaryMps::new(&ising, chi) {
                Ok(q) => q,
                Err(error) => {
                    assert!(side == 16 && matches!(error, Error::NoConvergence { .. }), "{place}: {error}");
                    refused += 1;
                    continue;
                }
            };
            kept += 1;
            let draws = q.draw(if side == 8 { 64 } else { 512 }, &Streams::new(seed)).unwrap();
            let log_w = draws.log_importance_weights(&ising).unwrap();
            if side == 8 {
                // Free fermions lose 10⁻¹⁶ e^{4β} a gate.
                assert!((q.log_z() - exact).abs() < 1e-6, "{place}: {} {exact}", q.log_z());
                let off = log_w.mapv(|w| (w - q.log_z()).abs()).mean().unwrap();
                assert!(off < 1e-4, "{place}: log-weights off by {off:e}");
            } else {
                let evidence = Estimate::log_mean_weight(log_w.view()).unwrap();
                let fraction = WeightSummary::of(log_w.view()).unwrap().fraction;
                let off = (evidence.mean - exact).abs();
                // At the edge of a visible loss the errors of first order of 512 weights are their spread.
                let allowed = 0.02 + 5.0 * evidence.error + 0.6 * (1.0 / fraction - 1.0);
                assert!(fraction < 0.6 || off < allowed, "{place}: {evidence:?}, fraction {fraction}, exact {exact}");
            }
        }
    }
    println!("kept {kept}, refused {refused}");
    assert!(kept > 100 && refused > 0, "kept {kept}, refused {refused}");
}

/// Couplings to 20 and fields on small lattices of every geometry, β of either sign; β J = 1000: log Z by
/// enumeration to rounding, the law by its total variation.
#[test]
fn huge_weights_on_small_lattices() {
    for (rows, cols, geometry) in [
        (2, 3, Geometry::Cylinder),
        (3, 3, Geometry::Open),
        (1, 7, Geometry::Cylinder),
        (1, 7, Geometry::Open),
        (7, 1, Geometry::Open),
        (2, 5, Geometry::Open),
        (5, 2, Geometry::Open),
    ] {
        let lattice = square(rows, cols, geometry);
        let x = all_configs(&vec![2; lattice.sites()]);
        for seed in 0..10 {
            let mut rng = Streams::new(seed).domain("huge").stream(0);
            let mut number = |from: f64, to: f64| from + (to - from) * rng.random::<f64>();
            let [h, v] = [lattice.horizontal_bonds(), lattice.vertical_bonds()];
            let random = Couplings::new(
                lattice,
                (0..h).map(|_| number(0.0, 20.0)).collect(),
                (0..v).map(|_| number(0.0, 20.0)).collect(),
                (0..lattice.sites()).map(|_| number(-5.0, 5.0)).collect(),
            );
            let strong = Couplings::plus_minus(lattice, seed).with_field(vec![1.0; lattice.sites()]);
            for (couplings, beta) in [(random.as_ref(), -1.0), (random.as_ref(), 1.0), (strong.as_ref(), 1000.0)] {
                let place = format!("{rows}x{cols} {geometry:?} seed {seed} beta {beta}");
                let ising = Ising::new(couplings.unwrap().clone(), beta).unwrap();
                let w = ising.log_weight(x.view()).unwrap();
                let log_z = log_sum(&w);
                let close = |found: f64| (found - log_z).abs() < 1e-12 * log_z.abs().max(1.0);
                let found = Contraction::new(&ising.pair_model().unwrap(), &ContractOptions::default()).unwrap();
                assert!(found.converged && close(found.log_z), "{place}: {found:?}, {log_z}");
                let q = BoundaryMps::new(&ising, 16).unwrap();
                assert!(close(q.log_z()), "{place}: {}, {log_z}", q.log_z());
                let distance = total_variation(&q, &x, &w, log_z);
                assert!(distance < 1e-4, "{place}: total variation {distance:e}");
            }
        }
    }
}

/// Long thin lattices and wide ones with weights beyond what a double holds: right, or refused.
#[test]
fn huge_weights_on_large_lattices() {
    // A ring with one bond of the other sign breaks one of its n bonds: 2n ground states.
    let ring = |rows: usize, n: usize, strength: f64| {
        let mut horizontal = vec![strength; rows * n];
        (0..rows).for_each(|r| horizontal[r * n] = -strength);
        let lattice = square(rows, n, Geometry::Cylinder);
        Couplings::new(lattice, horizontal, vec![0.0; (rows - 1) * n], vec![0.0; rows * n]).unwrap()
    };
    // A corner whose two bonds disagree: two choices for its spin.
    let corner = |side: usize, strength: f64| {
        let lattice = square(side, side, Geometry::Open);
        let mut horizontal = vec![strength; lattice.horizontal_bonds()];
        horizontal[0] = -strength;
        let vertical = vec![strength; lattice.vertical_bonds()];
        Couplings::new(lattice, horizontal, vertical, vec![0.0; lattice.sites()]).unwrap()
    };
    let mut refused = 0;
    for strength in [30.0, 300.0, 1000.0, 1e6] {
        let rings = [1, 2].map(|rows| {
            let exact = rows as f64 * (strength * 98.0 + 200f64.ln());
            (ring(rows, 100, strength), exact, true)
        });
        let exact = strength * f64::from(2 * 14 * 13 - 2) + 4f64.ln();
        for (couplings, exact, narrow) in rings.into_iter().chain([(corner(14, strength), exact, false)]) {
            let model = Ising::new(couplings, 1.0).unwrap().pair_model().unwrap();
            let right = |log_z: f64| (log_z - exact).abs() < 1e-12 * exact + 1e-9;
            match Contraction::new(&model, &ContractOptions { max_bond: 32, ..Default::default() }) {
                Ok(found) => assert!(right(found.log_z) || !found.converged, "J = {strength}: {found:?}, {exact}"),
                Err(Error::NoConvergence { .. }) if !narrow => refused += 1,
                Err(error) => panic!("J = {strength}: {error}"),
            }
            match BoundaryMps::new(&model, 8) {
                Err(error) => {
                    assert!(matches!(error, Error::NoConvergence { .. }), "J = {strength}: {error}");
                    refused += 1;
                }
                Ok(q) => {
                    let draws = q.draw(256, &Streams::new(3)).unwrap();
                    let log_w = draws.log_importance_weights(&model).unwrap();
                    let fraction = WeightSummary::of(log_w.view()).unwrap().fraction;
                    let evidence = Estimate::log_mean_weight(log_w.view()).unwrap();
                    assert!(
                        fraction < 0.5 || (evidence.mean - exact).abs() < 0.1,
                        "J = {strength}: {evidence:?}, {exact}"
                    );
                }
            }
        }
    }
    assert!(refused > 0, "the test reaches nothing that is refused");
}

/// Sites of one state have no other to raise to the floor.
#[test]
fn laws_with_sites_of_one_state_sum_to_one() {
    let mut rng = Streams::new(8).domain("one state").stream(0);
    for (rows, cols, geometry, states) in [
        (1, 2, Geometry::Open, vec![1, 2]),
        (1, 2, Geometry::Open, vec![1, 1]),
        (2, 4, Geometry::Open, vec![1, 2, 1, 1, 2, 1, 2, 1]),
        (2, 4, Geometry::Cylinder, vec![1, 2, 1, 1, 2, 1, 2, 1]),
        (3, 3, Geometry::Cylinder, vec![3, 1, 1, 1, 3, 1, 2, 1, 1]),
        (3, 3, Geometry::Torus, vec![3, 1, 1, 1, 3, 1, 2, 1, 1]),
        (3, 4, Geometry::Torus, vec![1, 2, 1, 1, 2, 1, 2, 1, 2, 2, 1, 2]),
    ] {
        let l = square(rows, cols, geometry);
        let sites = states.iter().map(|&d| (0..d).map(|_| rng.random::<f64>()).collect()).collect();
        let mut table = |(i, j): (usize, usize)| Array2::from_shape_fn((states[i], states[j]), |_| rng.random::<f64>());
        let horizontal = (0..l.horizontal_bonds()).map(|i| table(l.horizontal_sites(i))).collect();
        let vertical = (0..l.vertical_bonds()).map(|i| table(l.vertical_sites(i))).collect();
        let model = PairModel::new(l, sites, horizontal, vertical).unwrap();
        let x = all_configs(model.dims());
        for chi in [1, 16] {
            let q = BoundaryMps::new(&model, chi).unwrap();
            let sum = q.log_prob(x.view()).unwrap().mapv(f64::exp).sum();
            assert!((sum - 1.0).abs() < 1e-13, "{rows}x{cols} {geometry:?}, chi {chi}: {sum}");
        }
    }
}

/// Weights that span more than a double: what is allowed keeps a positive probability, with bonds of any
/// size.
#[test]
fn allowed_configurations_keep_a_probability() {
    for (geometry, spread, states) in [
        (Geometry::Open, 900.0, 2),
        (Geometry::Cylinder, 900.0, 2),
        (Geometry::Open, 900.0, 3),
        (Geometry::Cylinder, 900.0, 3),
        (Geometry::Cylinder, 40.0, 3),
        (Geometry::Torus, 40.0, 2),
        (Geometry::Torus, 40.0, 3),
        (Geometry::Torus, 900.0, 3),
    ] {
        let l = square(3, 3, geometry);
        let site: Vec<f64> = (0..states).map(|a| -spread * a as f64).collect();
        let bond = Array2::from_shape_fn((states, states), |(a, b)| {
            if a == 1 && b == 1 { f64::NEG_INFINITY } else { -0.7 * spread * ((a + 2 * b) % states) as f64 }
        });
        let model = PairModel::uniform(l, &site, &bond).unwrap();
        let x = all_configs(model.dims());
        let w = model.log_weight(x.view()).unwrap();
        for chi in [1, 3, 64] {
            let q = match BoundaryMps::new(&model, chi) {
                Err(Error::NoConvergence { .. }) => continue,
                q => q.unwrap(),
            };
            let log_q = q.log_prob(x.view()).unwrap();
            let lost = w.iter().zip(&log_q).filter(|(w, q)| w.is_finite() && !q.is_finite()).count();
            assert_eq!(lost, 0, "{geometry:?}, spread {spread}, {states} states, chi {chi}");
            assert!((log_q.mapv(f64::exp).sum() - 1.0).abs() < 1e-12);
        }
    }
}

/// Three states on a 2 × 3 cylinder under shared weights, nothing truncated: the law to the grid of its
/// conditionals.
#[test]
fn untruncated_laws_under_shared_weights() {
    for seed in 0..20 {
        let mut rng = Streams::new(seed).domain("shared").stream(0);
        let l = square(2, 3, Geometry::Cylinder);
        let mut number = || 3.0 * (rng.random::<f64>() - 0.5);
        let sites = (0..6).map(|_| (0..3).map(|_| number()).collect()).collect();
        let mut table = || Array2::from_shape_fn((3, 3), |_| number());
        let horizontal = (0..l.horizontal_bonds()).map(|_| table()).collect();
        let vertical = (0..l.vertical_bonds()).map(|_| table()).collect();
        let model = PairModel::new(l, sites, horizontal, vertical).unwrap();
        let weights = Array2::from_shape_fn((6, 3), |_| number().exp());
        let x = all_configs(model.dims());
        let tilt = |x: ndarray::ArrayView1<'_, u8>| -> f64 {
            x.iter().enumerate().map(|(j, &a)| weights[[j, usize::from(a)]].ln()).sum()
        };
        let w = model.log_weight(x.view()).unwrap() + x.outer_iter().map(tilt).collect::<Array1<f64>>();
        let log_z = log_sum(&w);
        let q = BoundaryMps::new(&model, 81).unwrap();
        let found = q.log_prob_given(x.view(), &SiteWeights::Shared(weights.view())).unwrap();
        // Six conditionals on a grid of 2⁻⁵³.
        let off = w
            .iter()
            .zip(&found)
            .map(|(w, q)| ((w - log_z) - q).abs() * (w - log_z).exp().min(1e-6))
            .fold(0.0, f64::max);
        assert!(off < 1e-17, "seed {seed}: {off:e}");
    }
}

/// Small specific heats: relative digits against enumeration about the lowest energy, every geometry, β to 4;
/// on a wide lattice against its expansion, or refused.
#[test]
fn small_specific_heats() {
    for (rows, cols, geometry) in [
        (1, 6, Geometry::Cylinder),
        (1, 6, Geometry::Open),
        (6, 1, Geometry::Open),
        (2, 5, Geometry::Cylinder),
        (3, 4, Geometry::Cylinder),
        (3, 4, Geometry::Open),
    ] {
        let lattice = square(rows, cols, geometry);
        let x = all_configs(&vec![2; lattice.sites()]);
        let instances =
            (1..=4).flat_map(|seed| [Couplings::plus_minus(lattice, seed), Couplings::gaussian(lattice, seed)]);
        for (k, couplings) in instances.chain([Couplings::uniform(lattice, 1.0).unwrap()]).enumerate() {
            for beta in [0.1, 1.0, 2.0, 3.0, 4.0] {
                let ising = Ising::new(couplings.clone(), beta).unwrap();
                let energy = ising.energy(x.view()).unwrap();
                let least = energy.iter().copied().fold(f64::INFINITY, f64::min);
                let gap = energy.mapv(|e| e - least);
                let p = gap.mapv(|e| (-beta * e).exp());
                let mean = (&p * &gap).sum() / p.sum();
                let heat = beta * beta * (&p * &gap.mapv(|e| (e - mean) * (e - mean))).sum()
                    / p.sum()
                    / lattice.sites() as f64;
                let place = format!("{rows}x{cols} {geometry:?} instance {k} beta {beta}");
                match FreeFermions::new(&ising) {
                    Ok(found) => {
                        let off = (found.specific_heat / heat - 1.0).abs();
                        assert!(off < 1e-6, "{place}: {:e}, exact {heat:e}", found.specific_heat);
                    }
                    Err(error) => assert!(matches!(error, Error::NoConvergence { .. }), "{place}: {error}"),
                }
            }
        }
    }
    for beta in [2.5f64, 3.0, 4.0, 5.0] {
        let ising = Ising::new(Couplings::uniform(square(16, 16, Geometry::Open), 1.0).unwrap(), beta).unwrap();
        // Corners, edges and corner pairs, single flips and what else breaks four bonds.
        let term = |bonds: f64, count: f64| count * (2.0 * bonds).powi(2) * (-2.0 * beta * bonds).exp();
        let heat = beta * beta * (term(2.0, 4.0) + term(3.0, 4.0 * 14.0 + 8.0) + term(4.0, 14.0 * 14.0 + 70.0)) / 256.0;
        match FreeFermions::new(&ising) {
            Ok(found) => assert!((found.specific_heat / heat - 1.0).abs() < 0.01, "{beta}: {found:?}, {heat:e}"),
            Err(error) => assert!(matches!(error, Error::NoConvergence { .. }), "{beta}: {error}"),
        }
    }
}
