//! Cubic lattices: windows against enumeration, every move against transfer matrices, clusters of tempering.

use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use tensorjump::lattice::{
    Cubic, CubicClusters, CubicCouplings, CubicIsing, CubicLanes, CubicMove, CubicSweeps, CubicTempering,
};
use tensorjump::mcmc::{Annealing, Chains, Level, Move, RunOptions};
use tensorjump::{Samples, Stream, Streams, Target};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, index_of, law};

fn stream(name: &str) -> Stream {
    Streams::new(15).domain(name).stream(0)
}

/// Gaussian couplings and fields.
fn glass(shape: [usize; 3], periodic: [bool; 3], beta: f64) -> CubicIsing {
    let lattice = Cubic::new(shape, periodic).unwrap();
    let mut rng = stream("fields");
    let field = (0..lattice.sites()).map(|_| 0.5 * Distribution::<f64>::sample(&StandardNormal, &mut rng)).collect();
    CubicIsing::new(CubicCouplings::gaussian(lattice, 3).with_field(field).unwrap(), beta).unwrap()
}

/// The same model without the bonds of direction `d` that close around the lattice.
fn opened(ising: &CubicIsing, d: usize) -> CubicIsing {
    let (c, lattice) = (ising.couplings(), ising.lattice());
    let mut lists = [0, 1, 2].map(|d| c.along(d).to_vec());
    for (j, coupling) in lists[d].iter_mut().enumerate() {
        if lattice.place(j)[d] + 1 == lattice.shape()[d] {
            *coupling = 0.0;
        }
    }
    CubicIsing::new(CubicCouplings::new(lattice, lists, c.field().to_vec()).unwrap(), ising.beta()).unwrap()
}

/// The same model without fields.
fn without_field(ising: &CubicIsing) -> CubicIsing {
    let couplings = ising.couplings().clone().with_field(vec![0.0; ising.dims().len()]).unwrap();
    CubicIsing::new(couplings, ising.beta()).unwrap()
}

fn sites_of(lattice: Cubic, start: [usize; 3], shape: [usize; 3]) -> Vec<usize> {
    let n = lattice.shape();
    let mut sites = vec![];
    for x in 0..shape[0] {
        for y in 0..shape[1] {
            for z in 0..shape[2] {
                sites.push(lattice.site([(start[0] + x) % n[0], (start[1] + y) % n[1], (start[2] + z) % n[2]]));
            }
        }
    }
    sites
}

/// The law of the states at `sites`, the others as in `x`.
fn conditional(ising: &CubicIsing, x: &Array1<u8>, sites: &[usize]) -> Vec<f64> {
    let states = all_configs(&vec![2; sites.len()]);
    let mut all = x.broadcast((states.nrows(), x.len())).unwrap().to_owned();
    for (mut row, states) in all.outer_iter_mut().zip(states.outer_iter()) {
        sites.iter().zip(states).for_each(|(&j, &a)| row[j] = a);
    }
    let w = ising.log_weight(all.view()).unwrap();
    let max = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w = w.mapv(|w| (w - max).exp());
    let sum = w.sum();
    w.iter().map(|w| w / sum).collect()
}

/// A configuration that is not improbable: of those the probabilities are known to few digits, in multiples
/// of 2⁻²³, and rejections are not rare.
fn typical(ising: &CubicIsing) -> Array1<u8> {
    let x = ising.initial(&mut stream("start")).unwrap().insert_axis(Axis(0));
    let mut lanes = CubicLanes::new(std::slice::from_ref(ising), x.view()).unwrap();
    lanes.advance(CubicMove::heat_bath(), 20, &mut stream("warm-up")).unwrap();
    lanes.x().row(0).to_owned()
}

/// Redraws a window from one configuration again and again: the states follow the conditional law whatever
/// they were before. Returns the counts.
fn redraw(ising: &CubicIsing, x: &Array1<u8>, start: [usize; 3], shape: [usize; 3], draws: usize) -> Vec<u64> {
    let sites = sites_of(ising.lattice(), start, shape);
    let mut counts = vec![0u64; 1 << sites.len()];
    let x16 = x.broadcast((16, x.len())).unwrap();
    let mut lanes = CubicLanes::new(std::slice::from_ref(ising), x16).unwrap();
    let (mut rng, mut rejected) = (stream("redraw"), 0);
    for _ in 0..draws / 16 {
        lanes.set_x(x16).unwrap();
        let report = lanes.redraw(start, shape, &mut rng).unwrap();
        rejected += report.proposed - report.accepted;
        for row in lanes.x().outer_iter() {
            assert!((0..x.len()).all(|j| sites.contains(&j) || row[j] == x[j]), "a site outside has changed");
            counts[index_of(sites.iter().map(|&j| &row[j]), &vec![2; sites.len()])] += 1;
        }
    }
    // Old states that are not scored, or scored wrongly, would be rejected often.
    assert!(rejected <= 1 + draws / 10_000, "{rejected} rejections of {draws}");
    counts
}

#[test]
fn windows_follow_the_conditional_law() {
    type Case = ([usize; 3], [bool; 3], [usize; 3], [usize; 3], fn(&CubicIsing) -> CubicIsing);
    let cases: [Case; 9] = [
        ([2, 2, 3], [false; 3], [0; 3], [2, 2, 3], without_field),
        ([2, 2, 3], [false, false, true], [1, 0, 2], [1, 2, 2], without_field),
        // Sections that close around the lattice.
        ([3, 2, 2], [true, false, false], [1, 0, 0], [3, 2, 2], |m| opened(m, 0)),
        ([4, 3, 1], [true, true, false], [2, 1, 0], [3, 3, 1], |m| opened(m, 1)),
        ([3, 3, 3], [true; 3], [2, 1, 2], [3, 3, 1], |m| opened(m, 1)),
        ([4, 2, 3], [true, false, false], [1, 0, 0], [4, 1, 3], |m| opened(m, 0)), // a block that closes
        // A rod across the edges.
        ([3, 3, 4], [true; 3], [2, 2, 3], [2, 2, 3], |m| opened(m, 2)),
        ([4, 3, 3], [true; 3], [1, 2, 0], [2, 1, 1], without_field),
        ([5, 2, 1], [false; 3], [0; 3], [5, 2, 1], without_field),
    ];
    for (lattice, periodic, start, shape, twin) in cases {
        // Cold, a few sites have one state only.
        let betas: &[f64] = if shape.iter().product::<usize>() > 3 { &[0.4, 1.5] } else { &[0.4] };
        for &beta in betas {
            let ising = glass(lattice, periodic, beta);
            let x = typical(&ising);
            let sites = sites_of(ising.lattice(), start, shape);
            let counts = redraw(&ising, &x, start, shape, 40_000);
            let (right, wrong) = (conditional(&ising, &x, &sites), conditional(&twin(&ising), &x, &sites));
            assert_law(&counts, &right, &wrong);
        }
    }
}

/// Sections of all widths and numbers of blocks, with axial bonds of both signs: vectors that are wrong are
/// rejected often, though the law would stay.
#[test]
fn wide_rods_are_almost_never_rejected() {
    for shape in [[2, 4, 6], [3, 3, 5], [3, 4, 6], [1, 5, 4], [2, 5, 6], [1, 7, 4], [1, 11, 3], [2, 6, 5], [3, 4, 2]] {
        for plus_minus in [false, true] {
            let lattice = Cubic::new(shape, [false; 3]).unwrap();
            let ising = match plus_minus {
                true => CubicIsing::new(CubicCouplings::plus_minus(lattice, 5), 0.8).unwrap(),
                false => glass(shape, [false; 3], 0.8),
            };
            let x = typical(&ising);
            let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), x.broadcast((16, x.len())).unwrap()).unwrap();
            let (mut rng, mut rejected, mut changed) = (stream("wide"), 0, 0);
            for _ in 0..25 {
                let before = lanes.x();
                let report = lanes.redraw([0; 3], shape, &mut rng).unwrap();
                rejected += report.proposed - report.accepted;
                changed += before.iter().zip(&lanes.x()).filter(|(a, b)| a != b).count();
            }
            assert!(rejected <= 2, "{shape:?}: {rejected} rejections of 400");
            assert!(changed > 20 * x.len(), "{shape:?}: {changed} spins have changed");
        }
    }
}

/// Couplings ±J, whose sums are whole numbers, and β of both signs.
#[test]
fn windows_follow_the_conditional_law_of_either_sign() {
    let lattice = Cubic::new([2, 2, 4], [false, false, true]).unwrap();
    let plus_minus = CubicIsing::new(CubicCouplings::plus_minus(lattice, 2), 0.8).unwrap();
    let gaussian = glass([2, 2, 4], [false, false, true], 0.8);
    for ising in [&plus_minus, &plus_minus.at(-0.8).unwrap(), &gaussian.at(-0.8).unwrap()] {
        let (x, start, shape) = (typical(ising), [0, 0, 2], [2, 2, 3]);
        let sites = sites_of(lattice, start, shape);
        let counts = redraw(ising, &x, start, shape, 40_000);
        let twin = ising.at(-ising.beta()).unwrap();
        assert_law(&counts, &conditional(ising, &x, &sites), &conditional(&twin, &x, &sites));
    }
}

#[test]
fn replicas_keep_to_their_own_couplings_and_temperatures() {
    let lattice = Cubic::new([2, 2, 3], [false; 3]).unwrap();
    let models: Vec<CubicIsing> =
        (0..16).map(|i| CubicIsing::new(CubicCouplings::gaussian(lattice, i), 0.5 + 0.1 * i as f64).unwrap()).collect();
    let x = Array2::zeros((16, 12));
    let mut lanes = CubicLanes::new(&models, x.view()).unwrap();
    let mut rng = stream("own");
    let mut counts = vec![vec![0; 1 << 12]; 16];
    for _ in 0..3000 {
        lanes.redraw([0; 3], [2, 2, 3], &mut rng).unwrap();
        for (counts, row) in counts.iter_mut().zip(lanes.x().outer_iter()) {
            counts[index_of(row, &[2; 12])] += 1;
        }
    }
    for i in 0..16 {
        assert_law(&counts[i], &law(&models[i]), &law(&models[(i + 1) % 16]));
    }
}

/// From exact draws one sweep leads to exact draws.
#[test]
fn sweeps_leave_the_law_invariant() {
    let moves = || [CubicMove::heat_bath(), CubicMove::metropolis(), CubicMove::rods(2, 1).unwrap()];
    for (beta, by) in [0.8, -0.8].into_iter().flat_map(|beta| moves().map(|by| (beta, by))) {
        let ising = glass([3, 2, 2], [true, false, false], beta);
        let p = law(&ising);
        let x = all_configs(ising.dims());
        let hot = ising.at(0.875 * beta).unwrap();
        let run = |moving: &CubicIsing| {
            let mut rng = stream("invariant");
            let mut counts = vec![0; p.len()];
            for _ in 0..2500 {
                let of_law = |_| {
                    let mut u: f64 = rng.random();
                    p.iter()
                        .position(|p| {
                            u -= p;
                            u < 0.0
                        })
                        .unwrap_or(p.len() - 1)
                };
                let start = x.select(Axis(0), &(0..16).map(of_law).collect::<Vec<_>>());
                let mut lanes = CubicLanes::new(std::slice::from_ref(moving), start.view()).unwrap();
                lanes.advance(by, 1, &mut rng).unwrap();
                lanes.x().outer_iter().for_each(|row| counts[index_of(row, ising.dims())] += 1);
            }
            counts
        };
        assert!(chi2_p_value(&run(&ising), &p) > ALPHA, "{by:?} at {beta}");
        assert!(chi2_p_value(&run(&hot), &p) < ALPHA, "{by:?} at {beta} of another temperature passes");
    }
}

/// The bond energy of the periodic 4³ Ising model, by transfer matrices.
const EXACT: [(f64, f64); 3] = [(0.1, 0.105_539_6), (0.221_654_63, 0.431_076_0), (0.3, 0.838_357_8)];

fn ferromagnet(beta: f64) -> CubicIsing {
    let lattice = Cubic::new([4, 4, 4], [true; 3]).unwrap();
    CubicIsing::new(CubicCouplings::uniform(lattice, 1.0).unwrap(), beta).unwrap()
}

/// Mean bond energy and its error.
fn bond_energy(ising: &CubicIsing, by: &dyn Move, updates: usize, chains: usize) -> (f64, f64) {
    // From all spins up: below the transition local moves cross the barrier seldom, the energy does not mind.
    let mut chains = Chains::new(ising, Array2::ones((chains, 64))).unwrap();
    let options = RunOptions { updates, warm_up: 100, ..RunOptions::default() };
    let run = options.run(ising, by, &mut chains, |x| Ok(ising.energy(x)? / -192.0)).unwrap();
    let mean = run.mean(0).unwrap();
    (mean.mean, mean.error)
}

#[test]
fn every_move_has_the_energy_of_the_transfer_matrix() {
    for (beta, exact) in EXACT {
        let ising = ferromagnet(beta);
        let of = |by: CubicMove| -> CubicSweeps { by.of(&ising, 2).unwrap() };
        let rods = |a, b| of(CubicMove::rods(a, b).unwrap());
        let (heat_bath, metropolis) = (of(CubicMove::heat_bath()), of(CubicMove::metropolis()));
        let clusters = [CubicClusters::wolff(&ising).unwrap(), CubicClusters::swendsen_wang(&ising).unwrap()];
        let moves: [(&str, &dyn Move); 8] = [
            ("heat bath", &heat_bath),
            ("Metropolis", &metropolis),
            ("rods 1x1", &rods(1, 1)),
            ("rods 2x2", &rods(2, 2)),
            ("rods 3x2", &rods(3, 2)),
            ("rods 4x2", &rods(4, 2)),
            ("Wolff", &clusters[0]),
            ("Swendsen-Wang", &clusters[1]),
        ];
        for (name, by) in moves {
            // Hot clusters are small.
            let updates = if name == "Wolff" && beta == 0.1 { 30_000 } else { 1500 };
            let (mean, error) = bond_energy(&ising, by, updates, 32);
            // Five standard errors: 6e-7 for each of 24.
            assert!((mean - exact).abs() < 5.0 * error, "{name} at {beta}: {mean} ± {error}, exact {exact}");
            assert!(error < 2e-3, "{name} at {beta}: {error}");
            assert!((mean - 1.05 * exact).abs() > 5.0 * error, "{name} cannot tell energies 5 % apart");
        }
    }
}

/// Unbiased estimates of Z by population annealing from β = 0 with rods, over Z of the transfer matrix.
#[test]
fn annealing_with_rods_finds_log_z_of_the_transfer_matrix() {
    for (beta, log_z) in [(0.1, 45.346_457_019_3), (0.221_654_63, 50.427_742_849_3), (0.3, 60.509_735_072_8)] {
        let level = |k: usize| {
            let target = ferromagnet(beta * k as f64 / 16.0);
            let dynamics = CubicMove::rods(2, 2).unwrap().of(&target, 2).unwrap();
            Level { parameter: target.beta(), dynamics, target }
        };
        let annealing = Annealing::new((0..=16).map(level).collect()).unwrap();
        let ratios: Array1<f64> = (0..24)
            .map(|seed| {
                let mut rng = Streams::new(seed).domain("draws").stream(0);
                let x = Array2::from_shape_simple_fn((2048, 64), || rng.random_range(0..2u8));
                let draws = Samples { x, log_prob: Array1::from_elem(2048, -64.0 * std::f64::consts::LN_2) };
                (annealing.run(draws, seed).unwrap().log_z() - log_z).exp()
            })
            .collect();
        let (mean, error) = (ratios.mean().unwrap(), ratios.std(1.0) / f64::sqrt(24.0));
        // Five standard errors: 6e-7, wider tails of 24 draws 4e-5.
        assert!((mean - 1.0).abs() < 5.0 * error, "at {beta}: {mean} ± {error}");
        assert!(error < 0.02, "at {beta}: {error}");
    }
}

/// Two copies at each of four levels: tempering with clusters has the exact joint law of energies, and of the
/// overlap, which independent copies have.
fn copies_stay_independent(couplings: CubicCouplings) {
    let ladder = [0.3, 0.6, 1.0, 1.5];
    let cold = CubicIsing::new(couplings.clone(), 1.5).unwrap();
    let (p, x) = (law(&cold), all_configs(cold.dims()));
    // The law of the overlap, in steps of 1/6.
    let overlap = |a: usize, b: usize| x.row(a).iter().zip(x.row(b)).filter(|(a, b)| a == b).count();
    let mut exact = vec![0.0; 13];
    for a in 0..p.len() {
        for b in 0..p.len() {
            exact[overlap(a, b)] += p[a] * p[b];
        }
    }
    // The wrong twin: copies at the temperature above.
    let (hot, mut wrong) = (law(&cold.at(1.0).unwrap()), vec![0.0; 13]);
    for a in 0..p.len() {
        for b in 0..p.len() {
            wrong[overlap(a, b)] += hot[a] * hot[b];
        }
    }
    for by in [CubicMove::heat_bath(), CubicMove::rods(2, 2).unwrap()] {
        let mut tempering = CubicTempering::new(couplings.clone(), &ladder, 4, 1)
            .unwrap()
            .with_moves(by, 1)
            .unwrap()
            .with_clusters(0.5);
        tempering.advance(200).unwrap();
        let mut counts = vec![0; 13];
        for _ in 0..6000 {
            // Thinned until it is as good as independent: the clusters carry the overlap about.
            tempering.advance(12).unwrap();
            for q in tempering.overlap(3).unwrap() {
                counts[((q + 1.0) * 6.0).round() as usize] += 1;
            }
        }
        assert_law(&counts, &exact, &wrong);
        assert!(tempering.round_trips() > 1000);
        let clusters = &tempering.report().parts[1];
        assert!(clusters.accepted > 1000 && clusters.moved >= clusters.accepted);
    }
}

#[test]
fn tempering_with_clusters_keeps_the_copies_independent() {
    copies_stay_independent(CubicCouplings::gaussian(Cubic::new([3, 2, 2], [true, false, false]).unwrap(), 5));
}

/// Exchanges count the energies in the field, clusters leave their sum alone.
#[test]
fn tempering_with_clusters_in_a_field_keeps_the_copies_independent() {
    copies_stay_independent(glass([3, 2, 2], [true, false, false], 1.0).couplings().clone());
}
