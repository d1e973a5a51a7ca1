//! One checkerboard sweep, site by site: every visit flips with the probability that its neighbours at that
//! moment give it.

use tensorjump::Streams;
use tensorjump::lattice::{Bond, Couplings, Geometry, Ising, SpinSweep, Spins, Square, fast_rng};

use crate::common::{ALPHA, chi2_tail};

/// Sweeps from the same configuration.
const RUNS: usize = 1500;

#[derive(Clone, Copy, PartialEq)]
enum Rule {
    Metropolis,
    HeatBath,
}

fn probability(rule: Rule, sf: f64) -> f64 {
    match rule {
        Rule::Metropolis if (2.0 * sf).abs() >= 0.1 => (-2.0 * sf).exp().min(1.0),
        Rule::Metropolis | Rule::HeatBath => 1.0 / (1.0 + (2.0 * sf).exp()),
    }
}

/// Flips beyond expectation of each site, and their variance, under the probabilities of a model.
struct Excess<'a> {
    law: &'a Ising,
    sum: Vec<f64>,
    variance: Vec<f64>,
    impossible: bool,
}

impl<'a> Excess<'a> {
    fn new(law: &'a Ising) -> Self {
        let n = law.lattice().sites();
        Excess { law, sum: vec![0.0; n], variance: vec![0.0; n], impossible: false }
    }

    /// Site `j` was visited in the configuration `before`.
    fn visit(&mut self, rule: Rule, before: &[u8], j: usize, flipped: bool) {
        let s = 2.0 * f64::from(before[j]) - 1.0;
        let p = probability(rule, s * self.law.local_field(before, j));
        let flipped = f64::from(u8::from(flipped));
        self.impossible |= (p == 0.0 || p == 1.0) && flipped != p;
        self.sum[j] += flipped - p;
        self.variance[j] += p * (1.0 - p);
    }

    /// χ² of the sums in units of their variance (independent given the past, so that they are uncorrelated);
    /// sites of small variance are pooled.
    fn p_value(&self) -> f64 {
        let (mut chi2, mut cells, mut pool) = (0.0, 0, (0.0, 0.0));
        for (e, v) in self.sum.iter().zip(&self.variance) {
            if *v >= 5.0 {
                chi2 += e * e / v;
                cells += 1;
            } else {
                pool = (pool.0 + e, pool.1 + v);
            }
        }
        if pool.1 >= 5.0 {
            chi2 += pool.0 * pool.0 / pool.1;
            cells += 1;
        }
        if self.impossible { 0.0 } else { chi2_tail(chi2, cells) }
    }
}

/// Asserts that sweeps over `model` flip with its probabilities, and not with those of `wrong`.
fn check(model: &Ising, wrong: &Ising, rule: Rule) {
    let lattice = model.lattice();
    let sweep = match rule {
        Rule::Metropolis => SpinSweep::metropolis(model).unwrap(),
        Rule::HeatBath => SpinSweep::heat_bath(model).unwrap(),
    };
    assert!(sweep.is_checkerboard());
    let even = |j: usize| (lattice.place(j).0 + lattice.place(j).1).is_multiple_of(2);
    let start: Vec<u8> = (0..lattice.sites()).map(|j| u8::from(j * j % 11 < 6)).collect();
    let mut rng = fast_rng(&mut Streams::new(12).stream(0));
    let mut laws = [Excess::new(model), Excess::new(wrong)];
    for _ in 0..RUNS {
        let mut spins = Spins::new(lattice, &start).unwrap();
        let flips = sweep.sweep(&mut spins, &mut rng).unwrap();
        let mut end = start.clone();
        spins.write(&mut end).unwrap();
        assert_eq!(flips, start.iter().zip(&end).filter(|(a, b)| a != b).count());
        // The even sites see the start, the odd ones the even sites already visited.
        let middle: Vec<u8> = (0..start.len()).map(|j| if even(j) { end[j] } else { start[j] }).collect();
        for j in 0..start.len() {
            let before = if even(j) { &start } else { &middle };
            laws.iter_mut().for_each(|law| law.visit(rule, before, j, start[j] != end[j]));
        }
    }
    let [right, twin] = laws.map(|law| law.p_value());
    let place = format!("{} x {} {:?}", lattice.rows(), lattice.cols(), lattice.geometry());
    assert!(right > ALPHA, "{place}: p = {right:e}");
    assert!(twin < ALPHA, "{place}, wrong twin: p = {twin:e}");
}

/// Couplings in reverse order.
fn twin(ising: &Ising) -> Ising {
    let c = ising.couplings();
    let reversed = |v: &[f64]| v.iter().rev().copied().collect::<Vec<_>>();
    let couplings = Couplings::new(c.lattice(), reversed(c.horizontal()), reversed(c.vertical()), c.field().to_vec());
    Ising::new(couplings.unwrap(), ising.beta()).unwrap()
}

/// Sizes across and along words of 64 bits, odd and even, edges that wrap and that do not.
const LATTICES: [(usize, usize, Geometry); 9] = [
    (20, 131, Geometry::Open),
    (9, 7, Geometry::Open),
    (70, 1, Geometry::Open),
    (1, 71, Geometry::Open),
    (3, 130, Geometry::Cylinder),
    (41, 4, Geometry::Cylinder),
    (66, 6, Geometry::Torus),
    (6, 66, Geometry::Torus),
    (4, 4, Geometry::Torus),
];

/// ±J with a tenth of the bonds absent, and the ferromagnet (twin: a little warmer): the sweeps in words.
#[test]
fn sweeps_of_equal_couplings() {
    for (rows, cols, geometry) in LATTICES {
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let signs = Couplings::plus_minus(lattice, 3);
        let diluted = |v: &[f64]| v.iter().enumerate().map(|(i, &j)| if i % 10 == 3 { 0.0 } else { j }).collect();
        let glass =
            Couplings::new(lattice, diluted(signs.horizontal()), diluted(signs.vertical()), vec![0.0; lattice.sites()]);
        let glass = Ising::new(glass.unwrap(), 0.45).unwrap();
        let ferro = |beta| Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), beta).unwrap();
        for rule in [Rule::Metropolis, Rule::HeatBath] {
            // At β = 0.02 flips that cost 0.04 and 0.08 are heat bath, those that cost more are not.
            for (model, wrong) in [
                (&glass, &twin(&glass)),
                (&ferro(0.4), &ferro(0.47)),
                (&ferro(-0.4), &ferro(-0.47)),
                (&ferro(0.02), &ferro(0.1)),
                (&ferro(0.0), &ferro(0.1)),
            ] {
                check(model, wrong, rule);
            }
        }
    }
}

/// Gaussian couplings, and equal ones in a field: the sweeps by tables.
#[test]
fn sweeps_of_any_couplings() {
    for (rows, cols, geometry) in LATTICES {
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let gauss = Ising::new(Couplings::gaussian(lattice, 3), 0.45).unwrap();
        let field = |h: f64| {
            let couplings = Couplings::uniform(lattice, 1.0).unwrap().with_field(vec![h; lattice.sites()]);
            Ising::new(couplings.unwrap(), 0.4).unwrap()
        };
        for rule in [Rule::Metropolis, Rule::HeatBath] {
            for (model, wrong) in [(&gauss, &twin(&gauss)), (&field(0.3), &field(0.6))] {
                check(model, wrong, rule);
            }
        }
    }
}

/// `⟨s_i s_j⟩` of two spins over many sweeps that follow each other, and the configurations of some sites.
fn together(model: &Ising, sites: [usize; 2], sweeps: usize) -> (f64, usize) {
    let metropolis = SpinSweep::metropolis(model).unwrap();
    let mut rng = fast_rng(&mut Streams::new(5).stream(0));
    let mut x = vec![1; model.lattice().sites()];
    let mut spins = Spins::new(model.lattice(), &x).unwrap();
    let (mut same, mut seen) = (0.0, std::collections::HashSet::new());
    for _ in 0..sweeps {
        metropolis.sweep(&mut spins, &mut rng).unwrap();
        spins.write(&mut x).unwrap();
        same += if x[sites[0]] == x[sites[1]] { 1.0 } else { -1.0 };
        seen.insert(x.clone());
    }
    (same / sweeps as f64, seen.len())
}

/// Spins that nothing holds together are independent: without bonds, at infinite temperature and next to it,
/// in either coding of a sweep and either order of the visits. Of 4000 independent signs the mean is below
/// 0.08 but for 4e-7.
#[test]
fn metropolis_decides_free_spins_by_chance() {
    for (rows, cols, geometry) in [(4, 4, Geometry::Torus), (3, 5, Geometry::Open), (3, 3, Geometry::Torus)] {
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let uniform = Couplings::uniform(lattice, 1.0).unwrap();
        let in_field = uniform.clone().with_field((0..lattice.sites()).map(|j| j as f64).collect()).unwrap();
        // Sites 0 and 1 have no bonds.
        let cut = |horizontal: bool| {
            let bonds = lattice.bonds().filter(|(bond, ..)| matches!(bond, Bond::Horizontal(_)) == horizontal);
            bonds.map(|(_, i, j)| if i < 2 || j < 2 { 0.0 } else { 1.0 }).collect::<Vec<f64>>()
        };
        let diluted = Couplings::new(lattice, cut(true), cut(false), vec![0.0; lattice.sites()]).unwrap();
        for (couplings, beta) in [(&uniform, 0.0), (&uniform, 1e-9), (&in_field, 1e-9), (&diluted, 0.4)] {
            let (mean, seen) = together(&Ising::new(couplings.clone(), beta).unwrap(), [0, 1], 4000);
            assert!(mean.abs() < 0.08, "{rows} x {cols} {geometry:?}, beta = {beta}: {mean}");
            assert!(seen > 100, "{rows} x {cols} {geometry:?}, beta = {beta}: {seen} configurations");
        }
    }
}

/// No local field anywhere: blocks of 2 × 2 spins on the 4 × 4 torus. Sweeps that flip every such spin stay
/// there for ever.
#[test]
fn metropolis_leaves_the_checkerboard_of_blocks() {
    let lattice = Square::new(4, 4, Geometry::Torus).unwrap();
    let model = Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), 0.4).unwrap();
    let blocks: Vec<u8> = (0..16).map(|j| ((j / 4 / 2 + j % 4 / 2) % 2) as u8).collect();
    assert!((0..16).all(|j| model.local_field(&blocks, j) == 0.0));
    let mut spins = Spins::new(lattice, &blocks).unwrap();
    let mut rng = fast_rng(&mut Streams::new(5).stream(0));
    SpinSweep::metropolis(&model).unwrap().sweeps(&mut spins, 100, &mut rng).unwrap();
    let mut x = vec![0; 16];
    spins.write(&mut x).unwrap();
    let flipped: Vec<u8> = blocks.iter().map(|a| 1 - a).collect();
    assert!(x != blocks && x != flipped);
}
