//! Replicas in bits: laws by enumeration, independence of the replicas, energies of the transfer matrix.

use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use tensorjump::lattice::{Cubic, CubicBits, CubicCouplings, CubicIsing};
use tensorjump::{Stream, Streams, Target};

use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, index_of, law};

fn stream(name: &str) -> Stream {
    Streams::new(15).domain(name).stream(0)
}

/// ±J, or with some bonds of coupling zero.
fn couplings(shape: [usize; 3], periodic: [bool; 3], diluted: bool) -> CubicCouplings {
    let lattice = Cubic::new(shape, periodic).unwrap();
    let whole = CubicCouplings::plus_minus(lattice, 3);
    let kept = |d: usize| {
        whole.along(d).iter().enumerate().map(move |(j, v)| if (2 * j + d).is_multiple_of(5) { 0.0 } else { *v })
    };
    let lists = [0, 1, 2].map(|d| kept(d).collect());
    if diluted { CubicCouplings::new(lattice, lists, vec![0.0; lattice.sites()]).unwrap() } else { whole }
}

/// `n` configurations of a law.
fn draws(p: &[f64], x: &Array2<u8>, n: usize, rng: &mut Stream) -> Array2<u8> {
    let mut cumulative = p.to_vec();
    (1..p.len()).for_each(|i| cumulative[i] += cumulative[i - 1]);
    let one = |_| {
        let u: f64 = rng.random();
        cumulative.partition_point(|c| *c <= u).min(p.len() - 1)
    };
    x.select(Axis(0), &(0..n).map(one).collect::<Vec<_>>())
}

/// From exact draws one sweep leads to exact draws; levels keep their own temperatures.
#[test]
fn sweeps_leave_the_law_invariant() {
    for (shape, periodic, diluted) in [
        ([2, 2, 3], [false; 3], false),
        ([3, 2, 2], [true, false, false], false),
        ([4, 3, 1], [true, true, false], false),
        ([3, 2, 2], [true, false, false], true),
        ([5, 1, 2], [true, false, false], true),
    ] {
        let couplings = couplings(shape, periodic, diluted);
        let (betas, wrong) = ([0.0, 0.02, 0.8, 1.5, -0.4], [0.4, 0.5, 0.7, 1.3, -0.3]);
        let ising = CubicIsing::new(couplings.clone(), 0.0).unwrap();
        let x = all_configs(ising.dims());
        let laws: Vec<Vec<f64>> = betas.iter().map(|&beta| law(&ising.at(beta).unwrap())).collect();
        let run = |betas: &[f64]| {
            let mut bits = CubicBits::new(couplings.clone(), betas, 512, 2).unwrap();
            let mut counts = vec![vec![0; x.nrows()]; betas.len()];
            let mut rng = stream("invariant");
            for _ in 0..100 {
                for (k, p) in laws.iter().enumerate() {
                    bits.set_level(k, draws(p, &x, 512, &mut rng).view()).unwrap();
                }
                bits.advance(1).unwrap();
                for (k, counts) in counts.iter_mut().enumerate() {
                    bits.level(k).unwrap().outer_iter().for_each(|row| counts[index_of(row, ising.dims())] += 1);
                }
            }
            counts
        };
        for (k, (right, wrong)) in run(&betas).iter().zip(run(&wrong)).enumerate() {
            let beta = betas[k];
            assert!(chi2_p_value(right, &laws[k]) > ALPHA, "{shape:?} at {beta}");
            assert!(chi2_p_value(&wrong, &laws[k]) < ALPHA, "{shape:?} at {beta}: another temperature passes");
        }
    }
}

/// Chains that start from random spins come to the law: moves reach every configuration.
#[test]
fn chains_come_to_the_law() {
    let couplings = couplings([2, 2, 3], [false; 3], false);
    let ising = CubicIsing::new(couplings.clone(), 0.6).unwrap();
    let mut bits = CubicBits::new(couplings, &[0.6], 300, 5).unwrap().with_sweeps(5).unwrap();
    let mut counts = vec![0; 1 << 12];
    for _ in 0..40 {
        bits.advance(20).unwrap();
        bits.level(0).unwrap().outer_iter().for_each(|row| counts[index_of(row, ising.dims())] += 1);
    }
    assert_law(&counts, &law(&ising), &law(&ising.at(0.7).unwrap()));
}

/// Standardised values, shape `(times, replicas)`: of each time the variance of the sum over the replicas,
/// which is one of independent ones, less one, in its standard errors; and correlations of replicas some
/// places apart.
fn dependence(values: &Array2<f64>) -> Vec<f64> {
    let (times, replicas) = values.dim();
    let sums: Array1<f64> = values.sum_axis(Axis(1)) / (replicas as f64).sqrt();
    let variance = sums.mapv(|s| s * s).mean().unwrap() - 1.0;
    let mut z = vec![variance * (times as f64 / 2.0).sqrt()];
    for apart in [1, 2, 31, 32, 33, 64, 128, 256] {
        let product = |t: usize| (0..replicas - apart).map(|r| values[[t, r]] * values[[t, r + apart]]).sum::<f64>();
        let sum: f64 = (0..times).map(product).sum();
        z.push(sum / (times as f64 * (replicas - apart) as f64).sqrt());
    }
    z
}

/// No random bit serves two replicas. Energies of all replicas, from one and the same start, after few
/// sweeps and after many.
#[test]
fn replicas_are_independent() {
    let couplings = couplings([4, 4, 4], [true; 3], false);
    for sweeps in [2, 12] {
        let mut bits = CubicBits::new(couplings.clone(), &[0.5], 512, 8).unwrap().with_sweeps(sweeps).unwrap();
        let start = Array2::ones((512, 64));
        let times = 1500;
        let mut values = Array2::zeros((times, 512));
        for mut row in values.outer_iter_mut() {
            bits.set_level(0, start.view()).unwrap();
            bits.advance(1).unwrap();
            row.assign(&bits.energy().row(0));
        }
        let mean = values.mean().unwrap();
        let scale = values.mapv(|v| (v - mean) * (v - mean)).mean().unwrap().sqrt();
        values.mapv_inplace(|v| (v - mean) / scale);
        // Six standard errors: 2e-9 each of 18; the variance has a χ² law of 1500 degrees of freedom.
        let z = dependence(&values);
        assert!(z.iter().all(|z| z.abs() < 6.0), "{z:?}");
        // The wrong twin: a tenth of the variance from a random number that all replicas share.
        let mut rng = stream("shared");
        for mut row in values.outer_iter_mut() {
            let shared = if rng.random() { 0.1f64.sqrt() } else { -0.1f64.sqrt() };
            row.mapv_inplace(|v| 0.9f64.sqrt() * v + shared);
        }
        let z = dependence(&values);
        assert!(z.iter().all(|z| z.abs() > 6.0), "{z:?}");
    }
}

/// The bond energy of the periodic 4³ Ising model, by transfer matrices.
const EXACT: [(f64, f64); 3] = [(0.1, 0.105_539_6), (0.221_654_63, 0.431_076_0), (0.3, 0.838_357_8)];

#[test]
fn energies_are_those_of_the_transfer_matrix() {
    let lattice = Cubic::new([4; 3], [true; 3]).unwrap();
    let couplings = CubicCouplings::uniform(lattice, 1.0).unwrap();
    let betas = EXACT.map(|(beta, _)| beta);
    let mut bits = CubicBits::new(couplings, &betas, 512, 4).unwrap().with_sweeps(2).unwrap();
    // Below the transition local moves leave domains seldom: all spins up.
    (0..3).for_each(|k| bits.set_level(k, Array2::ones((512, 64)).view()).unwrap());
    bits.advance(200).unwrap();
    let updates = 4000;
    let mut sum = Array2::<f64>::zeros((3, 512));
    for _ in 0..updates {
        bits.advance(1).unwrap();
        sum -= &(bits.energy() / (192.0 * f64::from(updates)));
    }
    for (k, (beta, exact)) in EXACT.into_iter().enumerate() {
        // The replicas are independent, so that their scatter is the error.
        let (mean, error) = (sum.row(k).mean().unwrap(), sum.row(k).std(1.0) / 512f64.sqrt());
        assert!(error < 2e-4, "{beta}: {error}");
        // Five standard errors: 6e-7 each.
        assert!((mean - exact).abs() < 5.0 * error, "{beta}: {mean} ± {error}, exact {exact}");
        assert!((mean - 1.01 * exact).abs() > 5.0 * error, "{beta}: cannot tell energies 1 % apart");
    }
}

/// Pairs of replicas of a ladder have the overlaps of independent copies, whatever clusters they flip.
#[test]
fn tempering_with_clusters_keeps_the_replicas_independent() {
    let couplings = couplings([3, 2, 2], [true, false, false], false);
    let ladder = [0.3, 0.6, 1.0, 1.5];
    let cold = CubicIsing::new(couplings.clone(), 1.5).unwrap();
    let x = all_configs(cold.dims());
    let overlaps = |p: &[f64]| {
        let mut of_pairs = vec![0.0; 13];
        for a in 0..p.len() {
            for b in 0..p.len() {
                of_pairs[x.row(a).iter().zip(x.row(b)).filter(|(a, b)| a == b).count()] += p[a] * p[b];
            }
        }
        of_pairs
    };
    let (p, hot) = (law(&cold), law(&cold.at(1.0).unwrap()));
    let (exact, wrong) = (overlaps(&p), overlaps(&hot));
    let run = |seed: u64, clusters: bool| {
        let bits = CubicBits::new(couplings.clone(), &ladder, 512, seed).unwrap().with_exchanges().unwrap();
        let mut bits = if clusters { bits.with_clusters(0.5) } else { bits };
        let (mut counts, mut states) = (vec![0; 13], vec![0; p.len()]);
        bits.advance(300).unwrap();
        for _ in 0..100 {
            // Thinned until it is as good as independent.
            bits.advance(25).unwrap();
            for q in bits.overlap(3).unwrap() {
                counts[((q + 1.0) * 6.0).round() as usize] += 1;
            }
            bits.level(3).unwrap().outer_iter().for_each(|row| states[index_of(row, cold.dims())] += 1);
        }
        (bits, counts, states)
    };
    for clusters in [false, true] {
        let (bits, counts, states) = run(1, clusters);
        assert_law(&counts, &exact, &wrong);
        assert_law(&states, &p, &hot);
        assert!(bits.round_trips() > 10_000);
        let report = bits.report();
        assert_eq!(report.accepted > 100_000 && report.moved >= report.accepted, clusters, "{report:?}");
    }
}
