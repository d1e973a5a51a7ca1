//! Cubic Potts models: moves against enumeration, and clusters beside rods.

use ndarray::{Array2, Axis, arr2};
use rand::RngExt;
use tensorjump::lattice::{Cubic, CubicCouplings, CubicPotts, CubicPottsMove};
use tensorjump::mcmc::Chains;
use tensorjump::mcmc::Move;
use tensorjump::{Stream, Streams, Target};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, chi2_tail, index_of, law};

fn stream(name: &str) -> Stream {
    Streams::new(16).domain(name).stream(0)
}

fn glass(shape: [usize; 3], periodic: [bool; 3], beta: f64) -> CubicPotts {
    let lattice = Cubic::new(shape, periodic).unwrap();
    let field = (0..lattice.sites()).map(|j| 0.3 * (j % 3) as f64 - 0.2).collect();
    CubicPotts::new(CubicCouplings::gaussian(lattice, 3).with_field(field).unwrap(), 3, beta).unwrap()
}

fn ferromagnet(shape: [usize; 3], periodic: [bool; 3], beta: f64) -> CubicPotts {
    let lattice = Cubic::new(shape, periodic).unwrap();
    CubicPotts::new(CubicCouplings::uniform(lattice, 1.0).unwrap(), 3, beta).unwrap()
}

/// From exact draws one sweep leads to exact draws, and from those of another temperature it does not.
#[test]
fn sweeps_leave_the_law_invariant() {
    // Neither symmetric nor a function of the difference.
    let table = arr2(&[[1.0, -0.4, 0.2], [0.3, 0.0, 0.9], [-0.7, 0.5, -0.2]]);
    let any = |potts: CubicPotts| potts.with_pairs(table.view()).unwrap();
    let rods = |potts: &CubicPotts, a, b| CubicPottsMove::rods(potts, a, b).unwrap();
    let clusters = |potts: &CubicPotts| CubicPottsMove::swendsen_wang(potts).unwrap();
    type Case<'a> = (CubicPotts, Box<dyn Fn(&CubicPotts) -> CubicPottsMove + 'a>);
    let cases: Vec<Case<'_>> = vec![
        (glass([2, 2, 2], [false; 3], 0.8), Box::new(CubicPottsMove::heat_bath)),
        (any(glass([3, 2, 1], [true, false, false], 0.9)), Box::new(CubicPottsMove::heat_bath)),
        (glass([2, 2, 2], [false; 3], 0.8), Box::new(|p| rods(p, 2, 2))),
        (any(glass([3, 2, 1], [true, false, false], 0.9)), Box::new(|p| rods(p, 2, 1))),
        (any(glass([3, 2, 1], [true, false, false], 0.9)), Box::new(|p| rods(p, 3, 1))),
        (any(glass([2, 1, 4], [false, false, true], 0.9)), Box::new(|p| rods(p, 2, 1))),
        (ferromagnet([2, 2, 2], [false; 3], 0.5505653), Box::new(clusters)),
        (ferromagnet([3, 2, 1], [true, false, false], 0.7), Box::new(clusters)),
    ];
    for (n, (potts, by)) in cases.iter().enumerate() {
        let (p, x) = (law(potts), all_configs(potts.dims()));
        let mut cumulative = p.clone();
        (1..p.len()).for_each(|i| cumulative[i] += cumulative[i - 1]);
        let run = |moving: &CubicPotts| {
            let (by, mut rng, mut counts) = (by(moving), stream("invariant"), vec![0; p.len()]);
            for _ in 0..40_000 {
                let u: f64 = rng.random();
                let start = cumulative.partition_point(|c| *c <= u).min(p.len() - 1);
                let mut row = x.row(start).to_vec();
                by.step(&mut row, &mut rng).unwrap();
                counts[index_of(&row, potts.dims())] += 1;
            }
            counts
        };
        assert!(chi2_p_value(&run(potts), &p) > ALPHA, "case {n}");
        let hot = potts.at(0.7 * potts.beta()).unwrap();
        assert!(chi2_p_value(&run(&hot), &p) < ALPHA, "case {n}: another temperature passes");
    }
}

/// Rods reach every configuration: wherever chains start, they come to the law.
#[test]
fn rods_come_to_the_law() {
    let potts = glass([2, 2, 2], [false; 3], 1.2);
    let (p, by, mut rng) = (law(&potts), CubicPottsMove::rods(&potts, 2, 2).unwrap(), stream("whole"));
    let mut counts = vec![0; p.len()];
    for _ in 0..20_000 {
        let mut row = vec![2; 8];
        for _ in 0..20 {
            by.step(&mut row, &mut rng).unwrap();
        }
        counts[index_of(&row, potts.dims())] += 1;
    }
    assert_law(&counts, &p, &law(&potts.at(1.1).unwrap()));
}

/// Bonds between equal states, every `thin` updates of 64 chains.
fn histogram(potts: &CubicPotts, by: &CubicPottsMove, thin: usize, rounds: usize, seed: u64) -> Vec<f64> {
    let bonds = potts.lattice().bonds().count();
    let mut chains = Chains::new(potts, Array2::zeros((64, potts.dims().len()))).unwrap();
    let streams = Streams::new(seed);
    let mut counts = vec![0.0; bonds + 1];
    for update in 0..(rounds + 10) * thin {
        by.update(&mut chains, potts, &streams.step(update as u64)).unwrap();
        if update >= 10 * thin && update % thin == 0 {
            for x in chains.x().axis_iter(Axis(0)) {
                let equal = potts.lattice().bonds().filter(|&(_, i, j)| x[i] == x[j]).count();
                counts[equal] += 1.0;
            }
        }
    }
    counts
}

/// p-value of two samples of one size; cells are joined until each holds 20.
fn same(a: &[f64], b: &[f64]) -> f64 {
    let (mut chi2, mut cells, mut pool) = (0.0, 0, (0.0, 0.0));
    for (&a, &b) in a.iter().zip(b) {
        pool = (pool.0 + a, pool.1 + b);
        if pool.0 + pool.1 >= 20.0 {
            chi2 += (pool.0 - pool.1) * (pool.0 - pool.1) / (pool.0 + pool.1);
            (cells, pool) = (cells + 1, (0.0, 0.0));
        }
    }
    chi2_tail(chi2, cells - 1)
}

/// At the transition of the infinite lattice; the study `potts3d` does this at L = 8.
#[test]
fn clusters_and_rods_have_one_histogram_of_energies() {
    let potts = ferromagnet([4; 3], [true; 3], 0.5505653);
    // Some ten autocorrelation times of the energy.
    let clusters = |beta: f64| {
        let potts = potts.at(beta).unwrap();
        histogram(&potts, &CubicPottsMove::swendsen_wang(&potts).unwrap(), 20, 300, 1)
    };
    let rods = histogram(&potts, &CubicPottsMove::rods(&potts, 2, 1).unwrap(), 60, 300, 2);
    let p = same(&clusters(0.5505653), &rods);
    assert!(p > ALPHA, "p = {p:e}");
    let p = same(&clusters(0.54), &rods);
    assert!(p < ALPHA, "β two per cent off passes: p = {p:e}");
}
