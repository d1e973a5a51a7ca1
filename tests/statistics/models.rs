//! Laws of plain and tilted draws of matrix-product models, weighted and unweighted observables, independence
//! of streams.
//!
//! The models are skewed on purpose: at every second site one symbol has a conditional near one and the
//! others some percent or per mille, so that draws settled by the first symbol tried and draws that need the
//! others are both counted.

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::dense::{DenseLaw, kernel_matrix};
use tensorjump::diffusion::Denoise;
use tensorjump::mcmc::Estimate;
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Model, SiteWeights, Stream, Streams};

use crate::common::random::random_rates;
use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, index_of};
use crate::laws::{every_form, stream, table, tilted_law};

/// Draws of a batch: hundreds of blocks (of 512 plain and 256 tilted rows).
const DRAWS: usize = 60_000;
/// Rows with different weights. Coprime to the sizes of blocks, so that weights read from the start of a
/// block would be another row's.
const PERIOD: usize = 5;

/// Entries between 10⁻² and 1, those of all but one state a hundredth of that at even sites, with random
/// signs where asked.
fn skewed(dims: &[usize], bond: usize, signed: bool, rng: &mut Stream) -> Mps {
    let shapes = Mps::random_positive(dims, bond, rng).unwrap();
    let tensor = |(j, a): (usize, &Array3<f64>)| {
        let likely = (j / 2 + 1) % dims[j];
        Array3::from_shape_fn(a.dim(), |(_, x, _)| {
            let size = 10f64.powf(-2.0 * rng.random::<f64>());
            let rare = if j % 2 == 0 && x != likely { 0.01 } else { 1.0 };
            // Amplitudes are squared.
            let size = if signed { (size * rare).sqrt() } else { size * rare };
            if signed && rng.random() { -size } else { size }
        })
    };
    Mps::new(shapes.tensors().iter().enumerate().map(tensor).collect(), 0.0).unwrap()
}

/// A linear law in both precisions and a Born law, each with its normalised table. Single precision moves
/// probabilities by 1e-5 of themselves at most: χ² by `n (1e-5)² = 1e-5`.
fn models(dims: &[usize], bond: usize, name: &str) -> Vec<(Box<dyn Model>, Vec<f64>)> {
    let normalised = |p: Vec<f64>| {
        let sum: f64 = p.iter().sum();
        p.iter().map(|p| p / sum).collect::<Vec<f64>>()
    };
    let positive = skewed(dims, bond, false, &mut stream(name));
    let p = normalised(table(&positive));
    let psi = skewed(dims, bond, true, &mut stream(name));
    let square = normalised(table(&psi).iter().map(|v| v * v).collect());
    let positive = PositiveMps::new(&positive).unwrap();
    vec![
        (Box::new(positive.single_precision()), p.clone()),
        (Box::new(positive), p),
        (Box::new(BornMps::new(&psi).unwrap()), square),
    ]
}

fn systems() -> Vec<(Vec<usize>, usize)> {
    vec![(vec![2; 6], 4), (vec![3; 4], 3), (vec![2, 4, 3, 2], 5)]
}

/// The product of the site marginals: what a sampler would draw that forgets the bond.
fn without_bonds(p: &[f64], dims: &[usize]) -> Vec<f64> {
    let x = all_configs(dims);
    let mut marginals = Array2::<f64>::zeros((dims.len(), *dims.iter().max().unwrap()));
    for (x, p) in x.outer_iter().zip(p) {
        x.iter().enumerate().for_each(|(j, &a)| marginals[[j, a.into()]] += p);
    }
    x.outer_iter().map(|x| x.iter().enumerate().map(|(j, &a)| marginals[[j, a.into()]]).product()).collect()
}

#[test]
fn draws_under_every_form_of_weights() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        let name = format!("statistics {k}");
        for (model, p) in models(&dims, bond, &name) {
            for (form, w) in every_form(&dims, DRAWS, PERIOD, &mut stream(&name)).iter().enumerate() {
                let w = w.get();
                let x = model.sample(&w, DRAWS, &Streams::new(1).step(form as u64)).unwrap().x;
                if w.rows().is_none() {
                    let law = tilted_law(&p, &dims, &w, 0).0;
                    let untilted = if form == 0 { without_bonds(&p, &dims) } else { p.clone() };
                    assert_law(&counts(&x, &dims), &law, &untilted);
                    continue;
                }
                for row in 0..PERIOD {
                    let found = counts(&x.slice(s![row..;PERIOD, ..]).to_owned(), &dims);
                    let law = tilted_law(&p, &dims, &w, row).0;
                    // Twins: no weights, and those of the next row.
                    assert_law(&found, &law, &p);
                    assert_law(&found, &law, &tilted_law(&p, &dims, &w, (row + 1) % PERIOD).0);
                }
            }
        }
    }
}

/// The test above does see rare symbols: many cells have an expectation of a few counts, and conditionals
/// near one occur.
#[test]
fn the_models_are_skewed() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        for (_, p) in models(&dims, bond, &format!("statistics {k}")) {
            let rare = p.iter().filter(|&&p| p < 1e-3 && p * DRAWS as f64 >= 5.0).count();
            assert!(rare >= 5, "{rare} rare configurations are tested one by one");
            let x = all_configs(&dims);
            let first = (0..dims[0])
                .map(|a| p.iter().zip(x.outer_iter()).filter(|(_, x)| x[0] == a as u8).map(|(p, _)| p).sum::<f64>());
            assert!(first.fold(0.0, f64::max) > 0.9);
        }
    }
}

/// Observations through an asymmetric kernel; the twin reads the kernel transposed, `K(y → a)`.
#[test]
fn denoising_knows_the_direction_of_the_kernel() {
    let dims = [2, 3, 2, 3];
    let noise = Noise::new(Rates::new(random_rates(&dims, 51)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let y = Array2::from_shape_fn((DRAWS, 4), |(i, j)| ((i % PERIOD + j * j) % dims[j]) as u8);
    for (model, p) in models(&dims, 3, "direction") {
        let x = model.denoise(&kernel, y.view(), &Streams::new(2)).unwrap().x;
        for row in 0..PERIOD {
            let found = counts(&x.slice(s![row..;PERIOD, ..]).to_owned(), &dims);
            let law = |transposed: bool| {
                let weight = |x: ndarray::ArrayView1<'_, u8>, j: usize| {
                    let (a, b) = (usize::from(x[j]), usize::from(y[[row, j]]));
                    if transposed { kernel.table(j)[[b, a]] } else { kernel.table(j)[[a, b]] }
                };
                let x = all_configs(&dims);
                let law = p.iter().zip(x.outer_iter()).map(|(p, x)| p * (0..4).map(|j| weight(x, j)).product::<f64>());
                let law: Vec<f64> = law.collect();
                let sum: f64 = law.iter().sum();
                law.into_iter().map(|p| p / sum).collect::<Vec<f64>>()
            };
            assert_law(&found, &law(false), &law(true));
        }
    }
}

/// 5 standard deviations: false alarms at 6e-7 each.
fn within(found: f64, exact: f64, error: f64) -> bool {
    (found - exact).abs() < 5.0 * error
}

/// Observables with and without importance weights, and `E_q[π/q] = 1`: the check that no log-probability
/// makes.
#[test]
fn weighted_and_unweighted_observables() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        let name = format!("observables {k}");
        let x = all_configs(&dims);
        for (model, q) in models(&dims, bond, &name) {
            // A target near the model: weights between 1/3 and 3, so that their errors are honest.
            let mut rng = stream(&name);
            let pi: Vec<f64> = q.iter().map(|q| q * (0.5 + rng.random::<f64>())).collect();
            let values = Array2::from_shape_fn((x.nrows(), 3), |(i, k)| match k {
                0 => f64::from(x[[i, 0]]),
                1 => f64::from(x[[i, 1]]) * f64::from(x[[i, dims.len() - 1]]),
                _ => (i as f64).sin(),
            });
            let mut seen = false;
            for (form, w) in every_form(&dims, DRAWS, 1, &mut rng).iter().enumerate() {
                let w = w.get();
                let (q, pi) = (tilted_law(&q, &dims, &w, 0).0, tilted_law(&pi, &dims, &w, 0).0);
                let target = DenseLaw::new(&dims, &pi).unwrap();
                let draws = model.sample(&w, DRAWS, &Streams::new(3).step(form as u64)).unwrap();
                let log_w = draws.log_importance_weights(&target).unwrap();
                let mass = Estimate::supported_mass(log_w.view()).unwrap();
                assert!(within(mass.mean, 1.0, mass.error), "E[π/q] = {} ± {}", mass.mean, mass.error);
                assert!(mass.error < 3.0 / (DRAWS as f64).sqrt());
                let index: Vec<usize> = draws.x.outer_iter().map(|x| index_of(x, &dims)).collect();
                for f in values.columns() {
                    let drawn: Array1<f64> = index.iter().map(|&i| f[i]).collect();
                    let mean = |law: &[f64]| law.iter().zip(f).map(|(p, f)| p * f).sum::<f64>();
                    let plain = Estimate::importance_mean(Array1::zeros(DRAWS).view(), drawn.view()).unwrap();
                    let weighted = Estimate::importance_mean(log_w.view(), drawn.view()).unwrap();
                    // Rounding where an observable is constant under the weights.
                    let floor = 1e-14;
                    assert!(within(plain.mean, mean(&q), plain.error + floor), "unweighted {plain:?}, {}", mean(&q));
                    assert!(
                        within(weighted.mean, mean(&pi), weighted.error + floor),
                        "weighted {weighted:?}, {}",
                        mean(&pi)
                    );
                    seen |= !within(plain.mean, mean(&pi), plain.error + floor);
                }
            }
            assert!(seen, "no observable tells the target from the model");
        }
    }
}

/// Joint counts of two batches, row by row.
fn pairs(a: &Array2<u8>, b: &Array2<u8>, dims: &[usize]) -> Vec<u64> {
    let both = ndarray::concatenate(Axis(1), &[a.view(), b.view()]).unwrap();
    counts(&both, &[dims, dims].concat())
}

fn product(p: &[f64], q: &[f64]) -> Vec<f64> {
    p.iter().flat_map(|p| q.iter().map(move |q| p * q)).collect()
}

/// Clean configuration, noise and denoised configuration from one family of streams: the pair (x_0, x_0') has
/// its law. The twin draws x_0' from the step of x_0, uniform for uniform.
#[test]
fn noise_and_denoiser_share_no_draws() {
    let dims = [2, 3, 2];
    let noise = Noise::new(Rates::new(random_rates(&dims, 52)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let k = kernel_matrix(&kernel).unwrap();
    for (model, p) in models(&dims, 3, "shared") {
        let streams = Streams::new(4);
        let x = model.draw(DRAWS, &streams).unwrap().x;
        let y = kernel.sample(x.view(), &streams).unwrap();
        let back = model.denoise(&kernel, y.view(), &streams).unwrap().x;
        let p_t = Array1::from(p.clone()).dot(&k);
        // Σ_y P(x) K(x,y) P(x') K(x',y) / P_t(y).
        let n = p.len();
        let law: Vec<f64> = (0..n * n)
            .map(|i| (i / n, i % n))
            .map(|(i, j)| (0..n).map(|y| p[i] * k[[i, y]] * p[j] * k[[j, y]] / p_t[y]).sum())
            .collect();
        assert_law(&pairs(&x, &back, &dims), &law, &product(&p, &p));
        let shared = model.sample(&kernel.likelihood(y.view()), DRAWS, &streams).unwrap().x;
        assert!(chi2_p_value(&pairs(&x, &shared, &dims), &law) < ALPHA, "shared draws go unnoticed");
    }
}

/// Neighbouring seeds, steps and rows are independent. The twin copies every twentieth row.
#[test]
fn neighbouring_streams_are_independent() {
    let dims = [2, 3, 2];
    for (model, p) in models(&dims, 3, "neighbours") {
        let sample = |streams: Streams| model.draw(DRAWS, &streams).unwrap().x;
        let shifted = |x: &Array2<u8>| x.slice(s![1.., ..]).to_owned();
        let shortened = |x: &Array2<u8>| x.slice(s![..-1, ..]).to_owned();
        let here = sample(Streams::new(5));
        let (seed, step) = (sample(Streams::new(6)), sample(Streams::new(5).step(1)));
        let law = product(&p, &p);
        let mut copied = seed.clone();
        copied.outer_iter_mut().zip(here.outer_iter()).step_by(20).for_each(|(mut to, from)| to.assign(&from));
        assert!(chi2_p_value(&pairs(&here, &copied, &dims), &law) < ALPHA, "copied rows go unnoticed");
        let neighbours = [
            (here.clone(), seed.clone()),
            (here.clone(), step),
            // Every second pair of rows: overlapping pairs are not independent of each other.
            (shortened(&here).slice(s![..;2, ..]).to_owned(), shifted(&here).slice(s![..;2, ..]).to_owned()),
            (shifted(&here), shortened(&seed)),
            (shortened(&here), shifted(&seed)),
        ];
        for (a, b) in neighbours {
            let p = chi2_p_value(&pairs(&a, &b, &dims), &law);
            assert!(p > ALPHA, "neighbouring streams are not independent: p = {p:e}");
        }
    }
}

/// No noise: the draw must return the observation, and `w = 1` the plain law.
#[test]
fn weights_at_their_extremes() {
    let dims = [2, 3, 2, 3];
    let identity = Kernel::identity(&dims).unwrap();
    let ones = Array3::ones((DRAWS, 4, 3));
    for (model, p) in models(&dims, 3, "extremes") {
        let x = model.draw(1000, &Streams::new(7)).unwrap().x;
        let back = model.denoise(&identity, x.view(), &Streams::new(7).step(1)).unwrap();
        assert_eq!(back.x, x);
        assert!(back.log_prob.iter().all(|v| v.abs() < 1e-5));
        let plain = model.sample(&SiteWeights::PerRow(ones.view()), DRAWS, &Streams::new(8)).unwrap().x;
        assert_law(&counts(&plain, &dims), &p, &without_bonds(&p, &dims));
    }
}
