//! Rare events: each sampler draws what has probability 2⁻²² and 2⁻²⁶ at the right rate, and states what it
//! draws of what has 2⁻⁴⁰.
//!
//! Sites do not depend on each other, but go through the whole machinery: half of them are up with
//! probability 2⁻²², half with 2⁻²⁶, and one with 2⁻⁴⁰, so that a row counts many times.

use ndarray::Array2;
use tensorjump::lattice::{
    BoundaryMps, Couplings, Fredkin, FredkinModel, Geometry, Ising, PairModel, SnakeMps, Square,
};
use tensorjump::model::{BornMps, KernelMixture, PositiveMps};
use tensorjump::tn::Mps;
use tensorjump::{Configs, Model, SiteWeights, Streams};

/// Sites of each probability but the last; one more has 2⁻⁴⁰.
const HALF: usize = 32;
const RARE: [f64; 3] = [1.0 / 4_194_304.0, 1.0 / 67_108_864.0, 1.0 / 1_099_511_627_776.0];
const BLOCK: usize = 1 << 17;

/// Draws of each site: 2²¹, so that there are 2²⁶ of each probability; `TENSORJUMP_TAILS` times as many where it
/// is set (4 for 2²⁸: a minute and a half).
fn rows() -> usize {
    (1 << 21) * std::env::var("TENSORJUMP_TAILS").map_or(1, |times| times.parse().unwrap())
}

/// Which of the three probabilities a site has.
fn class(j: usize) -> usize {
    if j == 2 * HALF { 2 } else { j % 2 }
}

fn probabilities(sites: usize) -> Vec<f64> {
    (0..sites).map(|j| RARE[class(j)]).collect()
}

/// `log P(X ≤ k)` and `log P(X ≥ k)` of a Poisson law.
fn poisson_tails(k: u64, mean: f64) -> (f64, f64) {
    let term = |n: u64| n as f64 * mean.ln() - mean - (1..=n).map(|i| (i as f64).ln()).sum::<f64>();
    let sum = |range: std::ops::RangeInclusive<u64>| range.map(|n| term(n).exp()).sum::<f64>().ln();
    (sum(0..=k), sum(k..=k + 40 + 4 * mean as u64))
}

/// Whether a count is one that a Poisson law of this mean gives but once in 10⁷.
fn is_right(count: u64, mean: f64) -> bool {
    let (below, above) = poisson_tails(count, mean);
    below.min(above) > (0.5e-7f64).ln()
}

/// Ups by class, in all rows.
fn hits(draw: impl Fn(usize, &Streams) -> Array2<u8>, class: impl Fn(usize) -> usize) -> [u64; 3] {
    let mut found = [0; 3];
    for block in 0..rows() / BLOCK {
        let x = draw(BLOCK, &Streams::new(1).domain("tails").step(block as u64));
        for ((_, j), _) in x.indexed_iter().filter(|(_, a)| **a == 1) {
            found[class(j)] += 1;
        }
    }
    found
}

/// Counts, and the odds that scores give: `log q(one up) − log q(none)` for one site of each class. `drawn` is
/// the probability that an event of 2⁻⁴⁰ is drawn with.
fn check(name: &str, law: &dyn Model, drawn: f64, tolerance: f64) {
    let sites = law.dims().len();
    let found = hits(|n, streams| law.draw(n, streams).unwrap().x, class);
    let rows = rows() as f64;
    for (k, &p) in RARE[..2].iter().enumerate() {
        let mean = rows * p * (0..sites).filter(|&j| class(j) == k).count() as f64;
        assert!(is_right(found[k], mean), "{name}: {} ups of probability {p:e}, {mean} expected", found[k]);
    }
    // Wrong twins: other rates.
    let mean = rows * RARE[0] * HALF as f64;
    assert!(!is_right(found[0], 4.0 * mean) && !is_right(found[0], mean / 16.0), "{name}");
    assert_eq!(found[2], 0, "{name}: an event of probability 1e-12 in 8e6 draws");
    let mut x = Array2::zeros((4, sites));
    for (row, j) in [(1, 0), (2, 1), (3, 2 * HALF)] {
        x[[row, j]] = 1;
    }
    let log = law.log_prob(x.view()).unwrap();
    for (row, p) in [(1, RARE[0]), (2, RARE[1]), (3, drawn)] {
        let (found, odds) = (log[row] - log[0], (p / (1.0 - p)).ln());
        assert!((found - odds).abs() < tolerance, "{name}: log-odds {found} of probability {p:e}, {odds}");
    }
}

fn product() -> Vec<Vec<f64>> {
    probabilities(2 * HALF + 1).iter().map(|p| vec![1.0 - p, *p]).collect()
}

/// Bond two, entries of two sizes: the same law, no longer a product of numbers.
fn train(factor: impl Fn(f64) -> f64) -> Mps {
    let sites = 2 * HALF + 1;
    let tensors = product().into_iter().enumerate().map(|(j, p)| {
        let (l, r) = (if j == 0 { 1 } else { 2 }, if j + 1 == sites { 1 } else { 2 });
        // Rows of a stochastic matrix over the bond: it mixes, and sums out.
        let mix = |i: usize, k: usize| if r == 1 { 1.0 } else { [[0.75, 0.25], [0.5, 0.5]][i][k] };
        ndarray::Array3::from_shape_fn((l, 2, r), |(i, a, k)| factor(p[a]) * mix(i, k))
    });
    Mps::new(tensors.collect(), 0.0).unwrap()
}

#[test]
fn positive_laws_draw_rare_events() {
    let law = PositiveMps::new(&train(|p| p)).unwrap();
    // Sums of some rounded numbers: relative errors of 1e-15 in double, 1e-6 in single precision.
    check("positive", &law, RARE[2], 1e-10);
    check("positive, f32", &law.single_precision(), RARE[2], 1e-4);
}

#[test]
fn born_laws_and_mixtures_draw_rare_events() {
    check("Born", &BornMps::new(&train(f64::sqrt)).unwrap(), RARE[2], 1e-9);
    let tables: Vec<_> = product().iter().map(|p| ndarray::array![[p[0], p[1]], [0.5, 0.5]]).collect();
    let centres = Array2::zeros((1, tables.len()));
    check("mixture", &KernelMixture::new(centres.view(), None, &tables).unwrap(), RARE[2], 1e-9);
}

/// Spins in fields, without couplings, on a lattice of 5 × 13 sites.
fn spins(geometry: Geometry) -> Ising {
    let lattice = Square::new(5, 13, geometry).unwrap();
    let field = probabilities(65).iter().map(|p| 0.5 * (p / (1.0 - p)).ln()).collect();
    Ising::new(Couplings::uniform(lattice, 0.0).unwrap().with_field(field).unwrap(), 1.0).unwrap()
}

/// Lanes of single precision know multiples of 2⁻³², and no less than five of them: an event of 2⁻⁴⁰ is drawn
/// with 5·2⁻³², and so it is scored.
#[test]
fn boundary_laws_draw_rare_events() {
    let floor = 5.0 / 4_294_967_296.0;
    for geometry in [Geometry::Open, Geometry::Cylinder, Geometry::Torus] {
        let law = BoundaryMps::proposal(&spins(geometry), 2).unwrap();
        // Thresholds of 2¹⁰ and 2⁶, rounded after errors of 1e-7 of them.
        check(&format!("{geometry:?}"), &law, floor, 0.02);
    }
}

/// The likeliest of three states has what the others leave, in lanes as in tables.
#[test]
fn rare_events_of_three_states_are_scored_as_they_are_drawn() {
    let lattice = Square::new(3, 8, Geometry::Open).unwrap();
    let site = [0.0, RARE[1].ln(), RARE[2].ln()];
    let law = PairModel::uniform(lattice, &site, &Array2::zeros((3, 3))).unwrap();
    let law = BoundaryMps::proposal(&law, 2).unwrap();
    let mut x = Array2::zeros((3, 24));
    (x[[1, 11]], x[[2, 11]]) = (1, 2);
    let log = law.log_prob(x.view()).unwrap();
    let unit = 4_294_967_296f64;
    assert!((log[1] - log[0] - (64.0 / (unit - 69.0)).ln()).abs() < 0.02, "{log}");
    assert!((log[2] - log[0] - (5.0 / (unit - 69.0)).ln()).abs() < 1e-6, "{log}");
}

#[test]
fn snakes_draw_rare_events() {
    check("snake", &SnakeMps::new(&spins(Geometry::Open), 2).unwrap(), RARE[2], 1e-6);
}

/// Paths of a Fredkin chain of 64 sites that would rather be flat: `q = 2⁻²⁴`, and one with 2⁻⁴⁰, whose second
/// excitation no table of 2⁻⁵³ could tell from none.
#[test]
fn fredkin_chains_draw_rare_events() {
    for log2_q in [24.0, 40.0] {
        // q = c/(1 − c).
        let q = f64::exp2(-log2_q);
        let chain = Fredkin::new(64, q / (1.0 + q)).unwrap();
        let law = FredkinModel::new(&chain).unwrap();
        let mean = chain.equilibrium().unwrap().k_mean() * rows() as f64;
        let k = |x: Configs<'_>| -> i64 { chain.area(x).unwrap().iter().map(|area| (area - 32) / 2).sum() };
        let flat: Array2<u8> = Array2::from_shape_fn((2, 64), |(row, j)| {
            // One raised site pair in the middle of the second path: 1100 in the place of 1010.
            let j = j as u8;
            if row == 1 && (j == 21 || j == 22) { j % 2 } else { 1 - j % 2 }
        });
        let log = law.log_prob(flat.view()).unwrap();
        assert!((log[1] - log[0] + log2_q * 2f64.ln()).abs() < 1e-9, "{log}");
        let found: i64 =
            (0..rows() / BLOCK).map(|b| k(law.draw(BLOCK, &Streams::new(2).step(b as u64)).unwrap().x.view())).sum();
        assert!(is_right(found as u64, mean), "{found} excitations, {mean} expected");
    }
}

/// Tilted draws meet the same numbers: weights that make an event rare that was likely.
#[test]
fn tilted_laws_draw_rare_events() {
    let law = PositiveMps::product(&vec![vec![0.5, 0.5]; 65]).unwrap();
    let w = Array2::from_shape_fn((65, 2), |(j, a)| if a == 1 { RARE[class(j)] } else { 1.0 - RARE[class(j)] });
    let draws = |n: usize, streams: &Streams| law.sample(&SiteWeights::Shared(w.view()), n, streams).unwrap().x;
    let found = hits(draws, class);
    for (k, p) in RARE[..2].iter().enumerate() {
        assert!(is_right(found[k], rows() as f64 * p * 32.0), "{found:?}");
    }
}
