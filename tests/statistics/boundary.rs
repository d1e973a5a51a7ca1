//! Draws by boundary states: laws by χ², acceptance of the reference table, energies against exact values.

use ndarray::Array2;
use rand::RngExt;
use tensorjump::lattice::{BoundaryMps, Couplings, Draws, Geometry, Ising, PairModel, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams, Target};

use crate::common::reference::{Case, cases};
use crate::common::{all_configs, assert_law, counts, law};

const DRAWS: usize = 400_000;

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// The law with the tables of each direction in reverse order.
fn twin(couplings: &Couplings) -> Couplings {
    let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
    let c = couplings;
    let field = reversed(c.field());
    Couplings::new(c.lattice(), reversed(c.horizontal()), reversed(c.vertical()), field).unwrap()
}

/// Asymmetric couplings and fields on 4 × 4 sites, open and as a cylinder: untruncated draws follow the law,
/// truncated ones their own law and, with χ = 1, not that of the model.
#[test]
fn draws_follow_the_law() {
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let lattice = square(4, 4, geometry);
        let field = (0..16).map(|j| 0.1 * f64::from(j % 5) - 0.15).collect();
        let couplings = Couplings::gaussian(lattice, 4).with_field(field).unwrap();
        let ising = |c: Couplings| Ising::new(c, 0.6).unwrap();
        let (model, wrong) = (ising(couplings.clone()), ising(twin(&couplings)));
        let full = BoundaryMps::new(&model, 64).unwrap();
        let found = counts(&full.draw(DRAWS, &Streams::new(1)).unwrap().x, model.dims());
        assert_law(&found, &law(&model), &law(&wrong));
        let truncated = BoundaryMps::new(&model, 1).unwrap();
        let found = counts(&truncated.draw(DRAWS, &Streams::new(2)).unwrap().x, model.dims());
        assert_law(&found, &law(&truncated), &law(&model));
    }
}

/// Asymmetric laws on tori: untruncated draws follow the law, and not that without the bonds that close the
/// columns, that with the rows of vertical bonds shifted by one, or that of transposed tables; truncated ones
/// follow their own.
#[test]
fn torus_draws_follow_the_law() {
    let field = |n: usize| (0..n).map(|j| 0.1 * (j % 5) as f64 - 0.15).collect::<Vec<_>>();
    for (rows, cols, even) in [(4, 4, false), (3, 4, true), (4, 3, false), (3, 3, false)] {
        let lattice = square(rows, cols, Geometry::Torus);
        let sites = rows * cols;
        let glass = Couplings::gaussian(lattice, 4);
        let glass = if even { glass } else { glass.with_field(field(sites)).unwrap() };
        let with = |vertical: Vec<f64>| {
            let (across, field) = (glass.horizontal().to_vec(), glass.field().to_vec());
            Ising::new(Couplings::new(lattice, across, vertical, field).unwrap(), 0.6).unwrap()
        };
        let mut opened = glass.vertical().to_vec();
        opened[sites - cols..].fill(0.0);
        let mut shifted = glass.vertical().to_vec();
        shifted.rotate_left(cols);
        let model = with(glass.vertical().to_vec());
        let full = BoundaryMps::new(&model, 256).unwrap();
        let found = counts(&full.draw(DRAWS, &Streams::new(1)).unwrap().x, model.dims());
        for wrong in [opened, shifted] {
            assert_law(&found, &law(&model), &law(&with(wrong)));
        }
        let truncated = BoundaryMps::new(&model, 1).unwrap();
        let found = counts(&truncated.draw(DRAWS, &Streams::new(2)).unwrap().x, model.dims());
        assert_law(&found, &law(&truncated), &law(&model));
    }
    let mut rng = Streams::new(7).domain("tables").stream(0);
    let lattice = square(3, 3, Geometry::Torus);
    let mut tables = || -> Vec<Array2<f64>> {
        let entry = |zero: f64, log: f64| if zero < 0.05 { f64::NEG_INFINITY } else { 1.5 * log };
        (0..9).map(|_| Array2::from_shape_simple_fn((3, 3), || entry(rng.random(), rng.random()))).collect()
    };
    let (across, down) = (tables(), tables());
    let transposed = |tables: &[Array2<f64>]| tables.iter().map(|t| t.t().to_owned()).collect::<Vec<_>>();
    let with = |across: Vec<_>, down: Vec<_>| PairModel::new(lattice, vec![vec![0.0; 3]; 9], across, down).unwrap();
    let model = with(across.clone(), down.clone());
    let found = BoundaryMps::new(&model, 81).unwrap().draw(DRAWS, &Streams::new(3)).unwrap();
    let found = counts(&found.x, model.dims());
    assert_law(&found, &law(&model), &law(&with(transposed(&across), down.clone())));
    assert_law(&found, &law(&model), &law(&with(across, transposed(&down))));
}

/// Kaufman's log Z (Phys. Rev. 76, 1232) of 16 × 16 spins by weights, within five standard errors of draws with
/// bonds so small that these are felt; the mean log-weight, a lower bound, is below by more.
#[test]
fn weights_of_tori_have_the_mean_of_kaufman() {
    for (beta, exact, chi) in [
        (0.28, 198.935419, 2),
        (0.4407, 238.647169, 8),
        (0.4407, 238.647169, 4),
        (0.6, 310.487039, 2),
        (1.2, 615.110777, 2),
    ] {
        let couplings = Couplings::uniform(square(16, 16, Geometry::Torus), 1.0).unwrap();
        let ising = Ising::new(couplings, beta).unwrap();
        let log_w = weighted(&ising, chi, 20_000).log_w;
        let z = Estimate::log_mean_weight(log_w.view()).unwrap();
        // The values are rounded in the sixth digit; a draw in single precision is good to 1e-5.
        assert!((z.mean - exact).abs() < 5.0 * z.error + 1e-5, "β = {beta}, χ = {chi}: {z:?}, {exact}");
        let bound = log_w.mean().unwrap();
        assert!(beta > 0.5 || exact - bound > 5.0 * z.error, "β = {beta}, χ = {chi}: {bound}, {z:?}");
    }
    let fraction = |side, beta, chi, n| {
        let couplings = Couplings::uniform(square(side, side, Geometry::Torus), 1.0).unwrap();
        let log_w = weighted(&Ising::new(couplings, beta).unwrap(), chi, n).log_w;
        WeightSummary::of(log_w.view()).unwrap().fraction
    };
    assert!(fraction(16, 0.4407, 16, 4000) > 0.995);
    assert!(fraction(16, 0.4407, 2, 4000) < 0.9);
    // Frustrated couplings are not refused.
    let glass = |beta, chi| {
        let couplings = Couplings::plus_minus(square(16, 16, Geometry::Torus), 1);
        let log_w = weighted(&Ising::new(couplings, beta).unwrap(), chi, 4000).log_w;
        WeightSummary::of(log_w.view()).unwrap().fraction
    };
    assert!(glass(1.0, 32) > 0.95);
    assert!(glass(2.0, 48) > 0.5);
    assert!(glass(1.0, 2) < 0.5);
}

/// ±J at β = 2 on 4 × 4 sites with χ = 1 and 2: the floor decides, is counted, and the draws follow the law
/// that the scores say.
#[test]
fn floored_draws_follow_the_scores() {
    let mut floored = 0;
    for (seed, geometry) in [(1, Geometry::Open), (2, Geometry::Open), (3, Geometry::Cylinder), (4, Geometry::Cylinder)]
    {
        let model = Ising::new(Couplings::plus_minus(square(4, 4, geometry), seed), 2.0).unwrap();
        for chi in [1, 2] {
            let q = BoundaryMps::new(&model, chi).unwrap();
            let Draws { samples, floored: count, .. } = q.draw_counted(DRAWS, &Streams::new(seed)).unwrap();
            floored += count;
            let scores = law(&q);
            assert!((q.log_prob(all_configs(model.dims()).view()).unwrap().mapv(f64::exp).sum() - 1.0).abs() < 1e-12);
            let warmer = Ising::new(model.couplings().clone(), 1.5).unwrap();
            assert_law(&counts(&samples.x, model.dims()), &scores, &law(&warmer));
        }
    }
    assert!(floored > 0, "nothing was floored");
}

/// Three states and hard constraints, open and on rings.
#[test]
fn potts_and_hard_squares_follow_the_law() {
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let couplings = Couplings::gaussian(square(3, 3, geometry), 5);
        let field = (0..9).map(|j| 0.1 * f64::from(j)).collect();
        let couplings = couplings.with_field(field).unwrap();
        let potts = |c: &Couplings| PairModel::potts(c, 3, 0.9).unwrap();
        let (model, wrong) = (potts(&couplings), potts(&twin(&couplings)));
        let found = BoundaryMps::new(&model, 27).unwrap().draw_counted(DRAWS, &Streams::new(3)).unwrap();
        assert_law(&counts(&found.samples.x, model.dims()), &law(&model), &law(&wrong));
        for chi in [1, 16] {
            let hard = |z| PairModel::hard_squares(square(4, 4, geometry), z).unwrap();
            let q = BoundaryMps::new(&hard(2.0), chi).unwrap();
            let found = q.draw_counted(DRAWS, &Streams::new(4)).unwrap();
            let expected = if chi == 1 { law(&q) } else { law(&hard(2.0)) };
            assert_law(&counts(&found.samples.x, &[2; 16]), &expected, &law(&hard(1.9)));
        }
    }
}

/// Weighted draws of `case` with bonds of `chi`.
struct Weighted {
    draws: Draws,
    log_w: ndarray::Array1<f64>,
}

fn weighted(ising: &Ising, chi: usize, n: usize) -> Weighted {
    let q = BoundaryMps::new(ising, chi).unwrap();
    let draws = q.draw_counted(n, &Streams::new(11)).unwrap();
    let log_w = draws.samples.log_importance_weights(ising).unwrap();
    Weighted { draws, log_w }
}

fn find(all: &[Case], open: bool, side: usize, beta: f64, seed: Option<u64>) -> &Case {
    let geometry = if open { Geometry::Open } else { Geometry::Cylinder };
    let fits = |c: &&Case| {
        let l = c.ising.lattice();
        l.geometry() == geometry && (l.rows(), l.cols()) == (side, side) && c.seed == seed
    };
    all.iter().filter(fits).find(|c| (c.ising.beta() - beta).abs() < 1e-3).unwrap()
}

/// Stationary acceptance at least that of the table less .01 (.03 below .6), three standard errors on the
/// safe side.
#[test]
fn acceptance_of_the_reference_table() {
    let all = cases(64);
    let critical = 0.4407;
    let rows = [
        (16, 2, 0.927, 20_000),
        (16, 4, 0.998, 4000),
        (32, 2, 0.74, 20_000),
        (32, 4, 0.983, 4000),
        (32, 8, 0.9995, 1000),
        (64, 2, 0.38, 20_000),
        (64, 4, 0.915, 4000),
        (64, 6, 0.986, 1000),
        (64, 8, 0.991, 1000),
        (64, 12, 0.9997, 500),
    ];
    let check = |ising: &Ising, chi, table: f64, n| {
        let found = Estimate::stationary_acceptance(weighted(ising, chi, n).log_w.view()).unwrap();
        let bar = table - if table < 0.6 { 0.03 } else { 0.01 };
        assert!(found.mean - 3.0 * found.error > bar, "χ = {chi}: {found:?}, table {table}");
    };
    for (side, chi, table, n) in rows {
        check(&find(&all, true, side, critical, None).ising, chi, table, n);
    }
    let glass = |seed, beta| Ising::new(find(&all, true, 32, 1.0, Some(seed)).ising.couplings().clone(), beta).unwrap();
    for (seed, beta, chi, table, n) in [
        (1, 1.0, 4, 0.942, 4000),
        (1, 1.0, 8, 0.9989, 1000),
        (1, 1.5, 8, 0.993, 2000),
        (1, 2.0, 4, 0.55, 20_000),
        (1, 2.0, 8, 0.990, 4000),
        (2, 2.0, 8, 0.977, 4000),
    ] {
        check(&glass(seed, beta), chi, table, n);
    }
}

/// Energies, m² and log Z by weighted draws, at small χ so that the weights matter, within five standard
/// errors of the exact values of every case; the plain averages of χ = 2 are not.
#[test]
fn averages_of_the_reference_cases() {
    let mut biased = 0;
    for case in cases(64) {
        let lattice = case.ising.lattice();
        let sites = lattice.sites() as f64;
        let narrow = lattice.cols() <= 16;
        let chi = match (narrow, case.glass, lattice.wraps_cols()) {
            (true, false, _) => 4,
            (true, true, _) | (false, _, false) => 8,
            (false, _, true) => 16,
        };
        let n = if narrow { 4000 } else { 1000 };
        let Weighted { draws, log_w } = weighted(&case.ising, chi, n);
        let x = draws.samples.x.view();
        let energy = case.ising.energy(x).unwrap() / sites;
        let m2 = case.ising.magnetisation(x).unwrap().mapv(|m| m * m);
        let mean = Estimate::importance_mean(log_w.view(), energy.view()).unwrap();
        // Single-precision laws at full χ have errors of zero but for rounding.
        let off = |found: f64, exact: f64, error: f64| (found - exact).abs() > 5.0 * error + 1e-9;
        // The bond sums of the glasses above 4 × 4 are good to 1e-6.
        assert!(!off(mean.mean, case.energy_per_site, mean.error + 1e-6), "{}: energy {mean:?}", case.name);
        if let Some(exact) = case.m2 {
            let m2 = Estimate::importance_mean(log_w.view(), m2.view()).unwrap();
            assert!(!off(m2.mean, exact, m2.error), "{}: m² {m2:?}, exact {exact}", case.name);
        }
        let log_z = Estimate::log_mean_weight(log_w.view()).unwrap();
        // An untruncated q differs from the law by rounding: 1e-7 a site.
        assert!(
            !off(log_z.mean, case.log_z, log_z.error + 1e-8 * sites),
            "{}: log Z {log_z:?}, exact {}",
            case.name,
            case.log_z
        );
        if !narrow {
            continue;
        }
        let plain = weighted(&case.ising, 2, 4000);
        let energy = case.ising.energy(plain.draws.samples.x.view()).unwrap() / sites;
        biased += usize::from(off(energy.mean().unwrap(), case.energy_per_site, energy.std(1.0) / 4000f64.sqrt()));
    }
    assert!(biased > 10, "plain averages of χ = 2 are off in {biased} cases only");
}

/// In a field at 4 × 4, against enumeration.
#[test]
fn averages_in_a_field() {
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let lattice = square(4, 4, geometry);
        let couplings = Couplings::uniform(lattice, 1.0).unwrap().with_field(vec![0.07; 16]).unwrap();
        let ising = Ising::new(couplings, 0.4407).unwrap();
        let p = law(&ising);
        let all = all_configs(ising.dims());
        let exact = |f: &ndarray::Array1<f64>| f.iter().zip(&p).map(|(f, p)| f * p).sum::<f64>();
        let Weighted { draws, log_w } = weighted(&ising, 2, 100_000);
        let observe = |x: &Array2<u8>| {
            let m = ising.magnetisation(x.view()).unwrap();
            [ising.energy(x.view()).unwrap(), ising.field_energy(x.view()).unwrap(), m.mapv(|m| m * m)]
        };
        for (found, all) in observe(&draws.samples.x).iter().zip(observe(&all)) {
            let found = Estimate::importance_mean(log_w.view(), found.view()).unwrap();
            assert!((found.mean - exact(&all)).abs() < 5.0 * found.error, "{found:?}, exact {}", exact(&all));
        }
    }
}

/// The importance weights see what acceptance does not: bonds of one at the critical point lose effective
/// samples.
#[test]
fn small_bonds_show_in_the_weights() {
    let ising = Ising::new(Couplings::uniform(square(16, 16, Geometry::Open), 1.0).unwrap(), 0.4407).unwrap();
    let [one, four] = [1, 4].map(|chi| weighted(&ising, chi, 4000));
    let fraction = |w: &Weighted| WeightSummary::of(w.log_w.view()).unwrap().fraction;
    assert!(fraction(&one) < 0.2 && fraction(&four) > 0.99);
    let exact = Estimate::log_mean_weight(four.log_w.view()).unwrap().mean;
    let log_target = four.log_w.mapv(|w| w - exact) + &four.draws.samples.log_prob;
    let q = BoundaryMps::new(&ising, 1).unwrap();
    let log_q = q.log_prob(four.draws.samples.x.view()).unwrap();
    assert!(Estimate::missing_mass(3.0, log_target.view(), log_q.view()).unwrap().mean > 0.05);
}
