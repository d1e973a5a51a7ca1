//! Weighted particles against the measure that they carry, enumerated without the library's steps, and against
//! the law that they are meant for.

use ndarray::Array2;
use tensorjump::dense::{DenseLaw, distances};
use tensorjump::diffusion::reverse::{TimeGrid, particles};
use tensorjump::diffusion::{Denoiser, ExactDenoiser};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Model, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, chi2_p_value, counts, index_of};

const DIMS: [usize; 2] = [2, 3];

/// Laws with their powers: guidance at three strengths, annealing, a product. The steeper the powers the flatter
/// the laws: rates and weights grow as powers of their ratios, and a step of Euler must not take more than one
/// jump.
fn cases() -> Vec<Vec<(DenseLaw, f64)>> {
    let law = |seed, flat: f64| {
        DenseLaw::new(&DIMS, &random_law(&DIMS, seed).p().iter().map(|p| p.powf(flat)).collect::<Vec<_>>()).unwrap()
    };
    let guided = |gamma: f64, flat| vec![(law(111, flat), gamma), (law(112, flat), 1.0 - gamma)];
    let product = vec![(law(111, 0.7), 1.0), (law(112, 0.7), 1.0)];
    vec![guided(0.5, 2.0), guided(2.0, 0.7), guided(3.0, 0.5), vec![(law(111, 0.7), 2.0)], product]
}

fn noise() -> Noise {
    Noise::new(Rates::new(random_rates(&DIMS, 113)).unwrap(), Schedule::linear(0.5, 1.5, 1.0).unwrap())
}

fn noised(law: &DenseLaw, t: f64) -> DenseLaw {
    law.noised(&noise().kernel(0.0, t).unwrap()).unwrap()
}

/// `∏ P_t^e` at each configuration.
fn product(factors: &[(DenseLaw, f64)], t: f64) -> Vec<f64> {
    let laws: Vec<DenseLaw> = factors.iter().map(|(law, _)| noised(law, t)).collect();
    (0..6).map(|i| laws.iter().zip(factors).map(|(law, (_, e))| law.p()[i].powf(*e)).product()).collect()
}

fn normalised(p: &[f64]) -> Vec<f64> {
    p.iter().map(|v| v / p.iter().sum::<f64>()).collect()
}

/// The measure that infinitely many particles carry from `π_T`, by Euler steps; without weights where asked.
fn measure(factors: &[(DenseLaw, f64)], grid: &TimeGrid, weighted: bool) -> Vec<f64> {
    let (noise, configs) = (noise(), all_configs(&DIMS));
    let power: f64 = factors.iter().map(|(_, e)| e).sum();
    let mut mass = normalised(&product(factors, grid.from()));
    for (s, t) in grid.pairs() {
        let h = noise.schedule().elapsed(s, t).unwrap();
        let laws: Vec<DenseLaw> = factors.iter().map(|(law, _)| noised(law, t)).collect();
        let mut next = vec![0.0; 6];
        for (i, y) in configs.outer_iter().enumerate() {
            let ratios: Vec<Array2<f64>> = laws.iter().map(|law| law.score_ratios(&y.to_vec()).unwrap()).collect();
            let (mut gap, mut sites) = (0.0, Vec::new());
            for (j, &d) in DIMS.iter().enumerate() {
                let q = noise.rates().matrix(j);
                let mut law = vec![0.0; d];
                for b in (0..d).filter(|&b| b != usize::from(y[j])) {
                    let r: Vec<(f64, f64)> = ratios.iter().zip(factors).map(|(r, (_, e))| (r[[j, b]], *e)).collect();
                    let power_mean = power * r.iter().map(|(r, e)| r.powf(*e)).product::<f64>();
                    law[b] = h * q[[b, y[j].into()]] * power_mean;
                    gap += q[[b, y[j].into()]] * (power_mean - r.iter().map(|(r, e)| e * r).sum::<f64>());
                }
                let jumps: f64 = law.iter().sum();
                law.iter_mut().for_each(|p| *p /= jumps.max(1.0));
                law[usize::from(y[j])] = (1.0 - jumps).max(0.0);
                sites.push(law);
            }
            let weight = if weighted { (h * gap).exp() } else { 1.0 };
            for (x, to) in configs.outer_iter().zip(&mut next) {
                *to += mass[i] * weight * x.iter().zip(&sites).map(|(&b, law)| law[usize::from(b)]).product::<f64>();
            }
        }
        mass = next;
    }
    mass
}

/// First order in the step to the product of powers and its normaliser; without weights there is no order.
#[test]
fn weights_make_the_law_exact_up_to_the_step() {
    for factors in cases() {
        let truth = product(&factors, 0.0);
        let log_z = (truth.iter().sum::<f64>() / product(&factors, 1.0).iter().sum::<f64>()).ln();
        let run = |steps, weighted| measure(&factors, &TimeGrid::uniform(1.0, 0.0, steps).unwrap(), weighted);
        let error = |m: &[f64]| distances(&normalised(&truth), &normalised(m)).unwrap().0;
        let [coarse, fine] = [128, 256].map(|steps| run(steps, true));
        let slope = (error(&coarse) / error(&fine)).log2();
        assert!((slope - 1.0).abs() < 0.15 && error(&fine) < 0.01, "{slope} {}", error(&fine));
        let gap = (fine.iter().sum::<f64>().ln() - log_z).abs();
        assert!(gap < 0.1 * log_z.abs(), "{gap} of {log_z}");
        assert!(error(&run(256, false)) > 2.0 * error(&fine) && error(&run(256, false)) > 0.01);
    }
}

/// The mean of `Ẑ Σ w 1(x)` over runs is the measure, however few the particles and often they are resampled:
/// within 5 standard errors (6e-7); the twin, particles without their weights, is not.
#[test]
fn particles_carry_the_measure() {
    const RUNS: usize = 600;
    let noise = noise();
    let grid = TimeGrid::uniform(1.0, 0.0, 16).unwrap();
    for (case, factors) in cases().into_iter().enumerate() {
        let denoisers: Vec<_> = factors.iter().map(|(law, e)| (ExactDenoiser::new(law, &noise).unwrap(), *e)).collect();
        let borrowed: Vec<(&dyn Denoiser, f64)> = denoisers.iter().map(|(d, e)| (d as &dyn Denoiser, *e)).collect();
        let start = DenseLaw::new(&DIMS, &product(&factors, 1.0)).unwrap();
        let truth = measure(&factors, &grid, true);
        let (mut sums, mut squares, mut plain, mut resamplings) = ([0.0; 6], [0.0; 6], vec![0; 6], 0);
        for run in 0..RUNS {
            let streams = Streams::new(114).step((case * RUNS + run) as u64);
            let y = start.draw(80, &streams).unwrap().x;
            let out = particles(&borrowed, y.view(), &grid, 1.0, &streams).unwrap();
            resamplings += out.resamplings;
            assert!((out.log_weights.mapv(f64::exp).sum() - 1.0).abs() < 1e-12);
            let mut table = [0.0; 6];
            for (x, log_w) in out.x.outer_iter().zip(&out.log_weights) {
                table[index_of(x, &DIMS)] += (log_w + out.log_z).exp();
            }
            for i in 0..6 {
                sums[i] += table[i];
                squares[i] += table[i] * table[i];
            }
            counts(&particles(&borrowed, y.view(), &grid, 0.0, &streams).unwrap().x, &DIMS)
                .iter()
                .zip(&mut plain)
                .for_each(|(n, sum)| *sum += n);
        }
        assert!(resamplings > RUNS / 10, "the example is meant to resample: {resamplings}");
        let n = RUNS as f64;
        for i in 0..6 {
            let (mean, variance) = (sums[i] / n, squares[i] / n - (sums[i] / n).powi(2));
            let sigma = (variance / n).sqrt();
            assert!((mean - truth[i]).abs() < 5.0 * sigma, "case {case}: {mean} ± {sigma}, {}", truth[i]);
        }
        // Particles never resampled are independent: χ² of their places, without weights.
        assert!(chi2_p_value(&plain, &normalised(&measure(&factors, &grid, false))) > 1e-6);
        assert!(chi2_p_value(&plain, &normalised(&truth)) < 1e-6);
    }
}

/// The distance to the measure falls as the root of the number of particles.
#[test]
fn the_error_falls_as_the_root_of_the_particles() {
    let noise = noise();
    let grid = TimeGrid::uniform(1.0, 0.0, 16).unwrap();
    for factors in cases().into_iter().take(3) {
        let denoisers: Vec<_> = factors.iter().map(|(law, e)| (ExactDenoiser::new(law, &noise).unwrap(), *e)).collect();
        let borrowed: Vec<(&dyn Denoiser, f64)> = denoisers.iter().map(|(d, e)| (d as &dyn Denoiser, *e)).collect();
        let start = DenseLaw::new(&DIMS, &product(&factors, 1.0)).unwrap();
        let truth = normalised(&measure(&factors, &grid, true));
        let mean_error = |n: usize| {
            let one = |run: u64| {
                let streams = Streams::new(115).step(run);
                let y = start.draw(n, &streams).unwrap().x;
                let out = particles(&borrowed, y.view(), &grid, 0.5, &streams).unwrap();
                let mut table = vec![0.0; 6];
                for (x, log_w) in out.x.outer_iter().zip(&out.log_weights) {
                    table[index_of(x, &DIMS)] += log_w.exp();
                }
                distances(&truth, &table).unwrap().0
            };
            (0..100).map(one).sum::<f64>() / 100.0
        };
        // A mean distance of five free frequencies over 100 runs is known to some 4 %: 1 ± 0.25 is 4.5 of the
        // deviations of a quotient.
        let ratio = mean_error(100) / mean_error(1600);
        assert!((ratio / 4.0 - 1.0).abs() < 0.25, "{ratio}");
    }
}

/// Many particles are as far from the guided law as infinitely many are, by the step: within 8 standard errors of
/// the sum `½ Σ ±(q − p)` with the signs of the limit, which is linear (t of 23 degrees: 1e-7). The twin is the
/// limit of four times as many steps; few particles are further away than either.
#[test]
fn many_particles_stand_at_the_bias_of_the_step() {
    const RUNS: usize = 24;
    let noise = noise();
    let [grid, finer] = [8, 32].map(|steps| TimeGrid::uniform(1.0, 0.0, steps).unwrap());
    for factors in cases().into_iter().take(3) {
        let denoisers: Vec<_> = factors.iter().map(|(law, e)| (ExactDenoiser::new(law, &noise).unwrap(), *e)).collect();
        let borrowed: Vec<(&dyn Denoiser, f64)> = denoisers.iter().map(|(d, e)| (d as &dyn Denoiser, *e)).collect();
        let start = DenseLaw::new(&DIMS, &product(&factors, 1.0)).unwrap();
        let truth = normalised(&product(&factors, 0.0));
        let limit = normalised(&measure(&factors, &grid, true));
        let bias = distances(&truth, &limit).unwrap().0;
        let signs: Vec<f64> = limit.iter().zip(&truth).map(|(q, p)| (q - p).signum()).collect();
        let table = |run: usize, n: usize| {
            let streams = Streams::new(117).step(run as u64);
            let y = start.draw(n, &streams).unwrap().x;
            let out = particles(&borrowed, y.view(), &grid, 0.5, &streams).unwrap();
            let mut table = vec![0.0; 6];
            for (x, log_w) in out.x.outer_iter().zip(&out.log_weights) {
                table[index_of(x, &DIMS)] += log_w.exp();
            }
            table
        };
        let sum = |table: Vec<f64>| 0.5 * (0..6).map(|i| signs[i] * (table[i] - truth[i])).sum::<f64>();
        let all: Vec<f64> = (0..RUNS).map(|run| sum(table(run, 8000))).collect();
        let mean = all.iter().sum::<f64>() / RUNS as f64;
        let variance = all.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (RUNS - 1) as f64;
        let sigma = (variance / RUNS as f64).sqrt();
        let twin = distances(&truth, &normalised(&measure(&factors, &finer, true))).unwrap().0;
        assert!((mean - bias).abs() < 8.0 * sigma, "{mean} ± {sigma}, {bias}");
        assert!((mean - twin).abs() > 8.0 * sigma, "{mean} ± {sigma}, twin {twin}");
        let few = (0..RUNS).map(|run| distances(&truth, &table(run, 50)).unwrap().0).sum::<f64>() / RUNS as f64;
        assert!(few > 2.0 * bias, "{few} {bias}");
    }
}

#[test]
fn bad_input() {
    let (noise, law) = (noise(), random_law(&DIMS, 116));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let other = Noise::from(Rates::uniform(&DIMS, 1.0).unwrap());
    let other = ExactDenoiser::new(&law, &other).unwrap();
    let y = all_configs(law.dims());
    let grid = TimeGrid::uniform(1.0, 0.0, 2).unwrap();
    let run = |factors: &[(&dyn Denoiser, f64)], threshold| match particles(
        factors,
        y.view(),
        &grid,
        threshold,
        &Streams::new(1),
    )
    .unwrap_err()
    {
        Error::Parameter { name, .. } => name,
        error => panic!("{error}"),
    };
    assert_eq!(run(&[], 0.5), "number of factors");
    assert_eq!(run(&[(&denoiser, 1.0), (&denoiser, -1.0)], 0.5), "sum of the powers");
    for (a, b) in [(f64::NAN, 1.0), (f64::INFINITY, 1.0), (f64::INFINITY, f64::NEG_INFINITY)] {
        assert_eq!(run(&[(&denoiser, a), (&denoiser, b)], 0.5), "sum of the powers");
    }
    assert_eq!(run(&[(&denoiser, 1.0)], f64::NAN), "threshold");
    assert!(matches!(TimeGrid::uniform(1.0, 0.0, 0), Err(Error::Parameter { name: "number of steps", .. })));
    assert_eq!(run(&[(&denoiser, 1.0)], 1.5), "threshold");
    assert_eq!(run(&[(&denoiser, 1.0), (&other, 1.0)], 0.5), "noise of the second denoiser");
    let none = y.slice(ndarray::s![..0, ..]);
    let error = particles(&[(&denoiser, 1.0)], none, &grid, 0.5, &Streams::new(1)).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "number of particles", .. }));
}
