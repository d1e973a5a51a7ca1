//! Every diffusion law against enumeration.
//!
//! [`check_diffusion`] and [`check_reference`] take any exact model: the tests of the tensor-network models
//! call them too.

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, array, s};
use tensorjump::dense::{DenseLaw, kernel_matrix};
use tensorjump::diffusion::{Bridge, Denoise, Denoiser, ExactDiffusion, Face, GivenDenoiser, Scores};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Configs, Error, ExactModel, Model, Streams, Target};

use crate::common::ddm::{Ddm, NAMES, load_ddm};
use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};
use crate::laws::{stream, table};

/// Absolute error allowed for probabilities, relative for ratios: some 10³ roundings of 2⁻⁵³, with a factor
/// ten in hand.
pub const TOLERANCE: f64 = 1e-12;

pub fn assert_close(got: f64, truth: f64, tolerance: f64, what: &str) {
    assert!((got - truth).abs() <= tolerance, "{what}: {got:e} against {truth:e}");
}

/// One row repeated `n` times.
pub fn repeat(y: ArrayView1<'_, u8>, n: usize) -> Array2<u8> {
    y.broadcast((n, y.len())).unwrap().to_owned()
}

/// Compares everything that a model says about the noised law at `t`, and about the way back to 0 and `s`,
/// with the enumerated truth.
///
/// Probabilities are compared to [`TOLERANCE`]; score ratios to `TOLERANCE` of themselves, times the larger
/// condition of the two probabilities, `condition(y)` (1 for linear laws).
pub fn check_diffusion<M: ExactModel + ?Sized>(
    model: &M,
    truth: &DenseLaw,
    noise: &Noise,
    (s, t): (f64, f64),
    condition: &dyn Fn(&[u8]) -> f64,
) {
    let kernel = noise.kernel(0.0, t).unwrap();
    let noised = truth.noised(&kernel).unwrap();
    let all_y = all_configs(kernel.dims_out());
    let law = model.noised_log_prob(&kernel, all_y.view()).unwrap();
    law.iter().zip(noised.p()).for_each(|(got, p)| assert_close(got.exp(), *p, TOLERANCE, "noised law"));
    // A few configurations spread over the alphabet, impossible ones left out.
    let step = (all_y.nrows() / 5).max(1);
    let rows: Vec<usize> = (0..all_y.nrows()).skip(1).step_by(step).filter(|&i| noised.p()[i] > 0.0).collect();
    let ys = all_y.select(Axis(0), &rows);
    check_posteriors(model, truth, noise, (s, t), &ys);
    check_scores(model, truth, noise, t, &ys, condition);
}

fn check_posteriors<M: ExactModel + ?Sized>(
    model: &M,
    truth: &DenseLaw,
    noise: &Noise,
    (s, t): (f64, f64),
    ys: &Array2<u8>,
) {
    let kernel = noise.kernel(0.0, t).unwrap();
    let bridge = Bridge::of(noise, s, t).unwrap();
    let (all_x, all_s) = (all_configs(kernel.dims_in()), all_configs(bridge.to_s().dims_out()));
    for y in ys.outer_iter() {
        let (y_x, y_s) = (repeat(y, all_x.nrows()), repeat(y, all_s.nrows()));
        let y = y.to_vec();
        let clean = truth.posterior(&kernel, &y).unwrap();
        let got = model.denoise_log_prob(&kernel, all_x.view(), y_x.view()).unwrap();
        got.iter().zip(clean.p()).for_each(|(g, p)| assert_close(g.exp(), *p, TOLERANCE, "P(x_0|y)"));
        let between = truth.posterior_between(bridge.to_s(), bridge.s_to_t(), &y).unwrap();
        let got = model.denoise_to_log_prob(&bridge, all_s.view(), y_s.view()).unwrap();
        got.iter().zip(between.p()).for_each(|(g, p)| assert_close(g.exp(), *p, TOLERANCE, "P(x_s|y)"));

        // Chained = one shot: Σ_{x_s} P(x_s|y) P(x_0|x_s) = P(x_0|y), both factors from the model.
        let first = noise.kernel(0.0, s).unwrap();
        let mut chained = Array1::<f64>::zeros(all_x.nrows());
        for (x_s, g) in all_s.outer_iter().zip(&got) {
            if *g > f64::NEG_INFINITY {
                let x_s = repeat(x_s, all_x.nrows());
                let step = model.denoise_log_prob(&first, all_x.view(), x_s.view()).unwrap();
                chained.scaled_add(g.exp(), &step.mapv(f64::exp));
            }
        }
        chained.iter().zip(clean.p()).for_each(|(g, p)| assert_close(*g, *p, TOLERANCE, "chained"));
    }
    // Draws report their score bit for bit, and the same law in a batch as alone.
    let streams = Streams::new(17);
    let clean = model.denoise(&kernel, ys.view(), &streams).unwrap();
    assert_eq!(clean.log_prob, model.denoise_log_prob(&kernel, clean.x.view(), ys.view()).unwrap());
    let between = model.denoise_to(&bridge, ys.view(), &streams).unwrap();
    assert_eq!(between.log_prob, model.denoise_to_log_prob(&bridge, between.x.view(), ys.view()).unwrap());
    let last = ys.nrows() - 1;
    let alone = model.denoise_to(&bridge, ys.slice(s![last.., ..]), &streams.rows_from(last)).unwrap();
    assert_eq!((alone.x.row(0), alone.log_prob[0]), (between.x.row(last), between.log_prob[last]));
}

fn check_scores<M: ExactModel + ?Sized>(
    model: &M,
    truth: &DenseLaw,
    noise: &Noise,
    t: f64,
    ys: &Array2<u8>,
    condition: &dyn Fn(&[u8]) -> f64,
) {
    let kernel = noise.kernel(0.0, t).unwrap();
    let noised = truth.noised(&kernel).unwrap();
    let rates: Vec<Array2<f64>> = (0..noise.sites()).map(|j| noise.rate_matrix(j, t).unwrap()).collect();
    let scores = model.scores(&kernel, ys.view()).unwrap();
    let denoiser = scores.denoiser_marginals().unwrap();
    let conditionals = scores.conditional_marginals().unwrap();
    let ratios = scores.score_ratios().unwrap();
    let reverse = scores.reverse_rates(noise, t).unwrap();
    for (row, y) in ys.outer_iter().enumerate() {
        let y = y.to_vec();
        let posterior = truth.posterior(&kernel, &y).unwrap();
        for j in 0..noise.sites() {
            for a in 0..truth.dims()[j] {
                let marginal = posterior.mean(|x| f64::from(u8::from(usize::from(x[j]) == a)));
                assert_close(denoiser[[row, j, a]], marginal, TOLERANCE, "denoiser marginal");
            }
        }
        let compare = |got: &Array3<f64>, truth: &Array2<f64>, relative: bool, what: &str| {
            for ((j, b), &p) in truth.indexed_iter() {
                let scale = if !relative {
                    1.0
                } else if p == 0.0 {
                    0.0
                } else {
                    p * condition_of_ratio(condition, &y, j, b)
                };
                assert_close(got[[row, j, b]], p, TOLERANCE * scale, what);
            }
        };
        compare(&conditionals, &noised.conditional_marginals(&y).unwrap(), false, "conditional marginal");
        compare(&ratios, &noised.score_ratios(&y).unwrap(), true, "score ratio");
        compare(&reverse, &noised.reverse_rates(&rates, &y).unwrap(), true, "reverse rate");
    }
}

/// The larger condition of `P_t(y^{j→b})` and `P_t(y)`.
fn condition_of_ratio(condition: &dyn Fn(&[u8]) -> f64, y: &[u8], j: usize, b: usize) -> f64 {
    let mut to = y.to_vec();
    to[j] = b as u8;
    condition(y).max(condition(&to))
}

/// Compares a model of a reference file's `P_0` with all that the file lists; tolerances as in
/// [`check_diffusion`].
pub fn check_reference<M: ExactModel + ?Sized>(model: &M, case: &Ddm, condition: &dyn Fn(&[u8]) -> f64) {
    let noise = case.noise();
    let (to_s, kernel) = (noise.kernel(0.0, case.s).unwrap(), noise.kernel(0.0, case.t).unwrap());
    let bridge = Bridge::of(&noise, case.s, case.t).unwrap();
    let x = all_configs(&case.dims);
    let y = Array2::from_shape_vec((1, case.y.len()), case.y.clone()).unwrap();
    let all_y = repeat(y.row(0), x.nrows());
    let laws = [
        ("P_0", model.log_prob(x.view()), &case.p_0),
        ("P_s", model.noised_log_prob(&to_s, x.view()), &case.p_s),
        ("P_t", model.noised_log_prob(&kernel, x.view()), &case.p_t),
        ("P(x_s|y)", model.denoise_to_log_prob(&bridge, x.view(), all_y.view()), &case.p_s_given_y),
        ("P(x_0|y)", model.denoise_log_prob(&kernel, x.view(), all_y.view()), &case.p_0_given_y),
    ];
    for (what, got, truth) in laws {
        got.unwrap().iter().zip(truth).for_each(|(g, p)| assert_close(g.exp(), *p, TOLERANCE, what));
    }
    let scores = model.scores(&kernel, y.view()).unwrap();
    let (ratios, reverse) = (scores.score_ratios().unwrap(), scores.reverse_rates(&noise, case.t).unwrap());
    for ((j, b), &r) in case.ratios.indexed_iter() {
        let relative = TOLERANCE * condition_of_ratio(condition, &case.y, j, b);
        assert_close(ratios[[0, j, b]], r, relative * r, "ratio");
        assert_close(reverse[[0, j, b]], case.reverse_rates[[j, b]], relative * r.max(1.0), "reverse rate");
    }
}

/// `A_1[x_1] ⋯ A_N[x_N]` by plain sums.
fn contract(tensors: &[Array3<f64>], x: ArrayView1<'_, u8>) -> f64 {
    let start = array![[1.0]];
    tensors.iter().zip(x).fold(start, |v, (a, &state)| v.dot(&a.index_axis(Axis(1), state.into())))[[0, 0]]
}

#[test]
fn reference_files() {
    for name in NAMES {
        let case = load_ddm(name);
        // The tensors give P_0: the file is read in the right order.
        for (x, p) in all_configs(&case.dims).outer_iter().zip(&case.p_0) {
            let value = contract(&case.tensors, x);
            let weight = if case.born { value * value } else { value };
            assert_close(weight / case.z, *p, 1e-14, "P_0");
        }
        check_reference(&DenseLaw::new(&case.dims, &case.p_0).unwrap(), &case, &|_| 1.0);
    }
}

#[test]
#[should_panic(expected = "P_s")]
fn reference_files_reject_transposed_rates() {
    let mut case = load_ddm("linear_d3");
    for q in &mut case.rates {
        let mut twin = q.t().as_standard_layout().into_owned();
        for a in 0..twin.nrows() {
            twin[[a, a]] = 0.0;
            twin[[a, a]] = -twin.row(a).sum();
        }
        *q = twin;
    }
    check_reference(&DenseLaw::new(&case.dims, &case.p_0).unwrap(), &case, &|_| 1.0);
}

/// The condition of each noised Born probability, `Σ|terms| / |Σ terms|` of the sum `Σ_x ψ(x)² K(x, y)` whose
/// terms are products of tensor entries: the sum of magnitudes is that of the train with the signs left out.
/// For no noise it is the square of the same ratio of `ψ(y)`.
fn born_condition(psi: &Mps, kernel: &Kernel) -> impl Fn(&[u8]) -> f64 + use<> {
    let absolute: Vec<_> = psi.tensors().iter().map(|a| a.mapv(f64::abs)).collect();
    let absolute = Mps::new(absolute, psi.log_scale()).unwrap();
    let noised = |v: &Mps| {
        let law = DenseLaw::new(v.dims(), &table(v).iter().map(|v| v * v).collect::<Vec<_>>()).unwrap();
        let scale = law.log_z().exp();
        law.noised(kernel).unwrap().p().iter().map(|p| p * scale).collect::<Vec<f64>>()
    };
    let (terms, sums, dims) = (noised(&absolute), noised(psi), kernel.dims_out().to_vec());
    move |y| terms[index_of(y, &dims)] / sums[index_of(y, &dims)]
}

/// Dimensions, bond and seed.
fn networks() -> Vec<(Vec<usize>, usize, u64)> {
    vec![(vec![2; 5], 4, 41), (vec![3; 3], 3, 42), (vec![4; 3], 5, 43), (vec![2, 4, 3], 3, 44)]
}

#[test]
fn positive_laws_against_enumeration() {
    let schedule = Schedule::linear(0.3, 1.7, 1.0).unwrap();
    for (dims, bond, seed) in networks() {
        let mps = Mps::random_positive(&dims, bond, &mut stream(&format!("diffusion {seed}"))).unwrap();
        let (model, truth) = (PositiveMps::new(&mps).unwrap(), DenseLaw::new(&dims, &table(&mps)).unwrap());
        let general = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), schedule.clone());
        let mask = Noise::new(Rates::mask(&dims, 0.9).unwrap().on_sites(&[0, 2]).unwrap(), schedule.clone());
        for noise in [&general, &mask] {
            for times in [(0.0, 0.6), (0.2, 0.6)] {
                check_diffusion(&model, &truth, noise, times, &|_| 1.0);
            }
            // The noised law is a positive law of the same bonds.
            let kernel = noise.kernel(0.0, 0.6).unwrap();
            let noised = PositiveMps::new(&kernel.noised_law(model.as_mps()).unwrap()).unwrap();
            assert_eq!(noised.as_mps().bonds(), mps.bonds());
            assert!(noised.log_z().abs() < 1e-14);
            let all = all_configs(kernel.dims_out());
            let got = noised.log_prob(all.view()).unwrap();
            let law = truth.noised(&kernel).unwrap();
            got.iter().zip(law.p()).for_each(|(g, p)| assert_close(g.exp(), *p, TOLERANCE, "noised train"));
        }
    }
}

#[test]
fn born_laws_against_enumeration() {
    let schedule = Schedule::linear(0.3, 1.7, 1.0).unwrap();
    for (dims, bond, seed) in networks() {
        let psi = Mps::random_real(&dims, bond, &mut stream(&format!("diffusion {seed}"))).unwrap();
        let square: Vec<f64> = table(&psi).iter().map(|v| v * v).collect();
        let (model, truth) = (BornMps::new(&psi).unwrap(), DenseLaw::new(&dims, &square).unwrap());
        let general = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), schedule.clone());
        let mask = Noise::new(Rates::mask(&dims, 0.9).unwrap().on_sites(&[0, 2]).unwrap(), schedule.clone());
        for noise in [&general, &mask] {
            let condition = born_condition(&psi, &noise.kernel(0.0, 0.6).unwrap());
            for times in [(0.0, 0.6), (0.2, 0.6)] {
                check_diffusion(&model, &truth, noise, times, &condition);
            }
        }
    }
}

#[test]
fn networks_of_the_reference_files() {
    for name in NAMES {
        let case = load_ddm(name);
        let mps = Mps::new(case.tensors.clone(), 0.0).unwrap();
        let log_z = if case.born {
            let model = BornMps::new(&mps).unwrap();
            let condition = born_condition(&mps, &case.noise().kernel(0.0, case.t).unwrap());
            check_reference(&model, &case, &condition);
            model.log_z()
        } else {
            let model = PositiveMps::new(&mps).unwrap();
            check_reference(&model, &case, &|_| 1.0);
            model.log_z()
        };
        assert_close(log_z, case.z.ln(), TOLERANCE, "log Z");
    }
}

/// Single precision: draws state their own law, which is normalised, and close to the exact one.
#[test]
fn denoising_in_single_precision() {
    for (dims, bond, seed) in networks() {
        let double = PositiveMps::random(&dims, bond, &mut stream(&format!("single {seed}"))).unwrap();
        let single = double.single_precision();
        let noise = Noise::new(Rates::new(random_rates(&dims, seed)).unwrap(), Schedule::default());
        let kernel = noise.kernel(0.0, 0.4).unwrap();
        let y = kernel.sample(double.draw(300, &Streams::new(7)).unwrap().x.view(), &Streams::new(7)).unwrap();
        let draws = single.denoise(&kernel, y.view(), &Streams::new(8)).unwrap();
        assert_eq!(draws.log_prob, single.denoise_log_prob(&kernel, draws.x.view(), y.view()).unwrap());
        let x = all_configs(&dims);
        for y in y.outer_iter().take(5) {
            let y = repeat(y, x.nrows());
            let p = double.denoise_log_prob(&kernel, x.view(), y.view()).unwrap();
            let q = single.denoise_log_prob(&kernel, x.view(), y.view()).unwrap();
            assert_close(q.mapv(f64::exp).sum(), 1.0, 1e-13, "total");
            // About bond × sites roundings of 6e-8, hundredfold where one minus the guess was used.
            p.iter().zip(&q).for_each(|(p, q)| assert_close(*q, *p, 1e-3, "single precision"));
            assert!(p != q);
        }
    }
}

#[test]
fn masks_and_regions_against_enumeration() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 5);
    let mask = Rates::mask(&dims, 0.9).unwrap().scaled(&[0.5, 1.0, 1.7]).unwrap();
    let region = mask.on_sites(&[0, 1]).unwrap();
    for rates in [mask, region] {
        let noise = Noise::new(rates, Schedule::default());
        for times in [(0.0, 0.8), (0.3, 0.8)] {
            check_diffusion(&law, &law, &noise, times, &|_| 1.0);
        }
    }
}

/// A law with forbidden configurations: zeros stay zeros.
#[test]
fn laws_with_zeros() {
    let dims = [2, 3, 2];
    let weights: Vec<f64> = (0..12).map(|i| if i % 3 == 1 { 0.0 } else { 1.0 + i as f64 }).collect();
    let law = DenseLaw::new(&dims, &weights).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 6)).unwrap(), Schedule::default());
    check_diffusion(&law, &law, &noise, (0.1, 0.5), &|_| 1.0);
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let (x, y) = (array![[0u8, 1, 0]], array![[1u8, 2, 1]]);
    assert_eq!(weights[index_of(x.row(0), &dims)].min(1.0), 1.0);
    let forbidden = array![[0u8, 0, 1]];
    assert_eq!(weights[index_of(forbidden.row(0), &dims)], 0.0);
    assert_eq!(law.denoise_log_prob(&kernel, forbidden.view(), y.view()).unwrap()[0], f64::NEG_INFINITY);
}

#[test]
fn conversions_and_their_inverses() {
    let dims = [2, 3, 4];
    let law = random_law(&dims, 9);
    let noise = Noise::new(Rates::new(random_rates(&dims, 9)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.3).unwrap();
    let y = all_configs(&dims);
    let direct = law.scores(&kernel, y.view()).unwrap();
    let same = |scores: Scores<'_>, tolerance: f64| {
        let difference = &scores.cavities() - &direct.cavities();
        difference.iter().for_each(|v| assert_close(*v, 0.0, tolerance, "cavity"));
    };
    let marginals = direct.denoiser_marginals().unwrap();
    same(Scores::from_denoiser_marginals(&kernel, y.view(), marginals.view()).unwrap(), 1e-14);
    // The condition number of the site kernels is below e^{0.3·4} ≈ 3.3.
    let conditionals = direct.conditional_marginals().unwrap();
    same(Scores::from_conditional_marginals(&kernel, y.view(), conditionals.view()).unwrap(), 1e-14);
    let ratios = direct.score_ratios().unwrap();
    same(Scores::from_conditional_marginals(&kernel, y.view(), ratios.view()).unwrap(), 1e-14);
    let given = GivenDenoiser::new(noise.clone(), Face::ScoreRatios, |_, _| Ok(ratios.clone()));
    let back = given.conditional_marginals(0.3, y.view()).unwrap();
    back.iter().zip(&conditionals).for_each(|(a, b)| assert_close(*a, *b, 1e-15, "conditional marginal"));
    // The trap: leaving out the kernel factor mixes up two different laws.
    let largest = (&marginals - &direct.cavities()).iter().fold(0.0f64, |m, v| m.max(v.abs()));
    assert!(largest > 0.1, "cavity and denoiser differ by {largest} only");
}

#[test]
fn cavity_is_denoiser_at_masked_sites_only() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 10);
    let kernel = Noise::new(Rates::mask(&dims, 0.9).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let y = array![[2u8, 1, 2]];
    let scores = law.scores(&kernel, y.view()).unwrap();
    let marginals = scores.denoiser_marginals().unwrap();
    for j in [0, 2] {
        (0..2).for_each(|a| assert_close(marginals[[0, j, a]], scores.cavities()[[0, j, a]], 1e-15, "masked site"));
    }
    assert_eq!(marginals.slice(s![0, 1, ..]), array![0.0, 1.0, 0.0]);
    assert!(scores.cavities()[[0, 1, 1]] < 0.9);
    // The observed site does not determine its cavity from the denoiser, which stays as certain as it was;
    // the conditional marginals do, through a rectangular kernel.
    let back = Scores::from_denoiser_marginals(&kernel, y.view(), marginals.view()).unwrap();
    back.cavities().iter().zip(&marginals).for_each(|(a, b)| assert_close(*a, *b, 1e-15, "denoiser under masks"));
    let conditionals = scores.conditional_marginals().unwrap();
    let back = Scores::from_conditional_marginals(&kernel, y.view(), conditionals.view()).unwrap();
    back.cavities().iter().zip(scores.cavities()).for_each(|(a, b)| assert_close(*a, *b, 1e-14, "cavity"));
}

#[test]
fn noised_tensor_trains() {
    for name in ["linear_N8", "linear_d3"] {
        let case = load_ddm(name);
        let law = Mps::new(case.tensors.clone(), -case.z.ln()).unwrap();
        let noised = case.noise().kernel(0.0, case.t).unwrap().noised_law(&law).unwrap();
        assert_eq!(noised.bonds(), law.bonds());
        for (x, p) in all_configs(&case.dims).outer_iter().zip(&case.p_t) {
            assert_close(contract(noised.tensors(), x) * noised.log_scale().exp(), *p, TOLERANCE, "P_t");
        }
    }
    // Rectangular, with dimensions that differ from site to site.
    let law = Mps::new(
        vec![
            Array3::from_shape_fn((1, 2, 2), |(_, a, r)| 1.0 + a as f64 - 0.3 * r as f64),
            Array3::from_shape_fn((2, 3, 1), |(l, a, _)| 0.5 + (l * 3 + a) as f64),
        ],
        0.7,
    )
    .unwrap();
    let kernel = Noise::new(Rates::mask(&[2, 3], 0.9).unwrap(), Schedule::default()).kernel(0.0, 0.5).unwrap();
    let noised = kernel.noised_law(&law).unwrap();
    assert_eq!((noised.dims(), noised.log_scale()), (kernel.dims_out(), 0.7));
    let matrix = kernel_matrix(&kernel).unwrap();
    let clean: Array1<f64> = all_configs(&[2, 3]).outer_iter().map(|x| contract(law.tensors(), x)).collect();
    for (y, p) in all_configs(&[3, 4]).outer_iter().zip(clean.dot(&matrix)) {
        assert_close(contract(noised.tensors(), y), p, 1e-13, "masked train");
    }
}

#[test]
fn bridges_and_trajectories() {
    let dims = [2, 3, 2];
    let law = random_law(&dims, 11);
    let noise = Noise::new(Rates::mask(&dims, 0.9).unwrap(), Schedule::linear(0.2, 2.0, 1.0).unwrap());
    let bridge = Bridge::of(&noise, 0.3, 0.9).unwrap();
    assert_eq!(Bridge::new(bridge.to_s().clone(), bridge.s_to_t().clone()).unwrap().s_to_t(), bridge.s_to_t());
    // Normalised for every pair of ends that is possible.
    let middle = all_configs(&[3, 4, 3]);
    for (x_0, y) in [([0u8, 1, 1], [2u8, 1, 2]), ([1, 2, 0], [2, 3, 2])] {
        let (x_0, y) = (repeat(ArrayView1::from(&x_0), 36), repeat(ArrayView1::from(&y), 36));
        let total: f64 = bridge.log_prob(x_0.view(), y.view(), middle.view()).unwrap().mapv(f64::exp).sum();
        assert_close(total, 1.0, 1e-14, "bridge");
    }
    let (x_0, y) = (array![[0u8, 1, 1]], array![[1u8, 3, 2]]);
    let impossible = bridge.sample(x_0.view(), y.view(), &Streams::new(1));
    assert!(matches!(impossible, Err(Error::ZeroEvidence { row: 0 })));

    let y = array![[2u8, 3, 0], [2, 3, 2], [1, 3, 2]];
    let times = [0.9, 0.5, 0.2, 0.0];
    let path = law.denoise_through(&noise, &times, y.view(), &Streams::new(4)).unwrap();
    assert_eq!((path.times.as_slice(), path.states.len()), (times.as_slice(), 4));
    // The score of a path is the product of its steps.
    let mut score = Array1::<f64>::zeros(3);
    for k in 0..3 {
        let step = Bridge::of(&noise, times[k + 1], times[k]).unwrap();
        score += &law.denoise_to_log_prob(&step, path.states[k + 1].view(), path.states[k].view()).unwrap();
    }
    score.iter().zip(&path.log_prob).for_each(|(a, b)| assert_close(*a, *b, 1e-13, "path"));
    assert!(path.states[3].iter().zip(dims.iter().cycle()).all(|(&a, &d)| usize::from(a) < d));
}

#[test]
fn bad_input() {
    let law = random_law(&[2, 3], 1);
    let noise = Noise::new(Rates::new(random_rates(&[2, 3], 1)).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    let streams = Streams::new(1);
    let y = array![[0u8, 2]];
    let wrong = Kernel::identity(&[2, 2]).unwrap();
    let dimension = Error::LocalDimension { site: 1, expected: 3, got: 2 };
    assert_eq!(law.denoise(&wrong, array![[0u8, 1]].view(), &streams).unwrap_err(), dimension);
    assert_eq!(law.noised_log_prob(&wrong, array![[0u8, 1]].view()).unwrap_err(), dimension);
    assert_eq!(law.scores(&wrong, array![[0u8, 1]].view()).unwrap_err(), dimension);
    assert_eq!(law.noised(&wrong).unwrap_err(), dimension);
    let short = Kernel::identity(&[2]).unwrap();
    assert_eq!(law.denoise(&short, y.view(), &streams).unwrap_err(), Error::SiteCount { expected: 2, got: 1 });
    let out = law.denoise(&kernel, array![[0u8, 3]].view(), &streams);
    assert_eq!(out.unwrap_err(), Error::StateOutOfRange { row: 0, site: 1, state: 3, dim: 3 });
    // A configuration that the law cannot have produced, in the second row.
    let point = DenseLaw::new(&[2, 3], &[0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
    let identity = Kernel::identity(&[2, 3]).unwrap();
    let rows = array![[0u8, 1], [1, 1]];
    let out = point.denoise(&identity, rows.view(), &streams);
    assert_eq!(out.unwrap_err(), Error::ZeroEvidence { row: 1 });
    assert_eq!(point.noised_log_prob(&identity, rows.view()).unwrap()[1], f64::NEG_INFINITY);
    let bridge = Bridge::new(identity.clone(), identity.clone()).unwrap();
    let out = point.denoise_to_log_prob(&bridge, rows.view(), rows.view());
    assert_eq!(out.unwrap_err(), Error::ZeroEvidence { row: 1 });

    let through = |times: &[f64]| law.denoise_through(&noise, times, y.view(), &streams).map(|_| ());
    assert!(matches!(through(&[0.5]), Err(Error::Parameter { name: "number of times", .. })));
    assert!(matches!(through(&[0.5, 0.7]), Err(Error::TimeOrder { s: 0.7, t: 0.5 })));
    assert!(matches!(through(&[0.5, f64::NAN]), Err(Error::Parameter { name: "s", .. })));
    assert!(matches!(through(&[0.5, 0.5]), Err(Error::TimeOrder { s: 0.5, t: 0.5 })));
    assert!(matches!(through(&[0.5, -0.1]), Err(Error::Parameter { name: "s", .. })));

    let shape = Scores::from_cavities(&kernel, y.view(), Array3::zeros((1, 2, 2)));
    assert!(matches!(shape, Err(Error::Shape { field: "cavities", .. })));
    let nan = Scores::from_cavities(&kernel, y.view(), Array3::from_elem((1, 2, 3), f64::NAN));
    assert!(matches!(nan, Err(Error::NotFinite { field: "cavities", site: 0, .. })));
    let negative = Scores::from_cavities(&kernel, y.view(), array![[[0.5, 0.5, 0.0], [1.2, 0.3, -0.5]]]);
    assert!(matches!(negative, Err(Error::Negative { field: "cavities", site: 1, value: -0.5 })));
    let empty = Scores::from_cavities(&kernel, y.view(), array![[[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]]);
    assert!(matches!(empty, Err(Error::ZeroEvidence { row: 0 })));
    let large = Scores::from_cavities(&kernel, y.view(), array![[[3.0, 1.0, 0.0], [1e308, 1e308, 2e307]]]).unwrap();
    let expected = [0.75, 0.25, 0.0, 5.0 / 11.0, 5.0 / 11.0, 1.0 / 11.0];
    large.cavities().iter().zip(expected).for_each(|(a, b)| assert_close(*a, b, 1e-15, "cavity"));
    let ratios = array![[[1e308, 1e308, 0.0], [1e308, 1e308, 2e307]]];
    let given = GivenDenoiser::new(noise.clone(), Face::ScoreRatios, |_, _| Ok(ratios.clone()));
    let marginals = given.conditional_marginals(0.5, y.view()).unwrap();
    let expected = [0.5, 0.5, 0.0, 5.0 / 11.0, 5.0 / 11.0, 1.0 / 11.0];
    marginals.iter().zip(expected).for_each(|(a, b)| assert_close(*a, b, 1e-15, "conditional marginal"));
    let rates = |value| {
        let ratios = |_: f64, _: Configs<'_>| Ok(Array3::from_elem((1, 2, 3), value));
        GivenDenoiser::new(noise.clone(), Face::ScoreRatios, ratios).reverse_rates(0.5, y.view())
    };
    assert!(rates(1.0).is_ok());
    assert!(matches!(rates(f64::NAN), Err(Error::NotFinite { field: "score ratios", site: 0, .. })));
    assert!(matches!(rates(-1.0), Err(Error::Negative { field: "conditional marginals", site: 0, value: -1.0 })));
    // At infinite time the conditional marginals have forgotten the cavities.
    let forgotten = noise.kernel(0.0, f64::INFINITY).unwrap();
    let marginals = law.scores(&forgotten, y.view()).unwrap().conditional_marginals().unwrap();
    let out = Scores::from_conditional_marginals(&forgotten, y.view(), marginals.view());
    assert!(matches!(out, Err(Error::NotInvertible { what: "kernel", site: 0 })));
}
