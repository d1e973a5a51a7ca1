//! What a model says about noise and its inverse, compared with the enumerated truth, for any exact model.

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, array, s};
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Bridge, Denoise, ExactDiffusion};
use tensorjump::noise::Noise;
use tensorjump::{ExactModel, Streams, Target};

use crate::common::all_configs;
use crate::common::ddm::Ddm;

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
pub fn condition_of_ratio(condition: &dyn Fn(&[u8]) -> f64, y: &[u8], j: usize, b: usize) -> f64 {
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
pub fn contract(tensors: &[Array3<f64>], x: ArrayView1<'_, u8>) -> f64 {
    let start = array![[1.0]];
    tensors.iter().zip(x).fold(start, |v, (a, &state)| v.dot(&a.index_axis(Axis(1), state.into())))[[0, 0]]
}
