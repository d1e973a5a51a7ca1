//! Learners given a whole law in place of samples, and the gradient of ratio matching.

use std::sync::Arc;

use ndarray::{Array1, Axis, s};
use tensorjump::Target;
use tensorjump::diffusion::{Denoiser, ExactDenoiser, ExactGlauber, SiteConditionals, ratio_matching_loss};
use tensorjump::learn::{
    ConditionalTables, Data, Features, GlauberWindow, Gradient, Objective, OperatorOptions, OperatorScores,
    SoftmaxDenoiser, SoftmaxOptions,
};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Mps;

use super::glauber::tokens;
use super::{infinite, systems};
use crate::common::all_configs;
use crate::common::random::{random_law, random_rates};
use crate::diffusion_checks::assert_close;
use crate::laws::stream;

#[test]
fn full_bases_give_exact_ratios() {
    let cases = [
        (vec![2; 4], Rates::binary_flip(4, 1.0, 1.0).unwrap()),
        (vec![2; 4], Rates::binary_flip(4, 1.0, 0.3).unwrap()),
        (vec![3, 2, 3], Rates::new(random_rates(&[3, 2, 3], 68)).unwrap()),
        (vec![2, 3], Rates::mask(&[2, 3], 1.0).unwrap()),
    ];
    for (dims, rates) in cases {
        let (law, noise, t) = (random_law(&dims, 69), Noise::new(rates, Schedule::default()), 0.35);
        let data =
            Data::new(all_configs(&dims), &dims).unwrap().weighted(Array1::from(law.p().to_vec()).view()).unwrap();
        let all = Boundary::Open.windows(dims.len(), dims.len());
        let options = OperatorOptions { degree: dims.len(), ridge: 0.0 };
        let learned = OperatorScores::new(&data, &noise, &all, &options).unwrap();
        let noised = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let y = all_configs(noise.dims_out());
        let ratios = learned.score_ratios(t, y.view()).unwrap();
        let p = learned.conditional_marginals(t, y.view()).unwrap();
        for (row, y) in y.outer_iter().enumerate() {
            let (truth, law) =
                (noised.score_ratios(&y.to_vec()).unwrap(), noised.conditional_marginals(&y.to_vec()).unwrap());
            for ((j, b), want) in truth.indexed_iter() {
                assert_close(ratios[[row, j, b]], *want, 5e-12 * (1.0 + want * want), "ratio");
                assert_close(p[[row, j, b]], law[[j, b]], 5e-11, "conditional");
            }
        }
    }
}

/// Features too few for the law: what is learned of the mask is wrong, and cavities are to be laws of the symbols
/// all the same, none excluded, also where all is masked.
#[test]
fn learned_cavities_under_masks_do_not_read_the_mask() {
    let law = random_law(&[3, 2, 3], 144);
    let noise = Noise::new(Rates::mask(&[3, 2, 3], 1.0).unwrap(), Schedule::default());
    let (near, options) =
        (Boundary::Open.windows(3, 2), SoftmaxOptions { features: Features::Additive, ..Default::default() });
    let learned = SoftmaxDenoiser::new(&infinite(&law), &noise, &near, None, &options).unwrap();
    let mut wrong = 0.0_f64;
    for t in [0.1, 0.7, 3.0, f64::INFINITY] {
        let masked = noise.kernel(0.0, t).unwrap().table(0)[[0, 3]];
        let y = if t.is_finite() { all_configs(noise.dims_out()) } else { ndarray::array![[3, 2, 3]] };
        let (p, c) = (learned.conditional_marginals(t, y.view()).unwrap(), learned.cavities(t, y.view()).unwrap());
        for (row, j) in (0..y.nrows()).flat_map(|row| (0..3).map(move |j| (row, j))) {
            let d = law.dims()[j];
            let symbols = p.slice(s![row, j, ..d]).sum();
            wrong = wrong.max((p[[row, j, d]] - masked).abs());
            for a in 0..d {
                assert!(c[[row, j, a]] > 0.0, "a symbol is excluded at {t}");
                assert_close(c[[row, j, a]], p[[row, j, a]] / symbols, 1e-14, "cavity");
            }
        }
    }
    assert!(wrong > 1e-3, "what is learned is right, {wrong:e}: nothing is tested");

    // Some sites masked, the others as they are: from all masked too.
    let some = Noise::new(Rates::mask(&[3, 2, 3], 1.0).unwrap().on_sites(&[0, 1]).unwrap(), Schedule::default());
    let learned = SoftmaxDenoiser::new(&infinite(&law), &some, &near, None, &options).unwrap();
    let c = learned.cavities(f64::INFINITY, ndarray::array![[3, 2, 1]].view()).unwrap();
    assert!(c.slice(s![0, 0, ..3]).iter().all(|&c| c > 0.0), "{c}");
    c.slice(s![0, .., ..]).axis_iter(ndarray::Axis(0)).for_each(|c| assert_close(c.sum(), 1.0, 1e-14, "sum"));
}

#[test]
fn impossible_rows_have_no_gradient() {
    let law = PositiveMps::product(&[vec![1.0, 0.0], vec![0.5, 0.5]]).unwrap();
    let none = tensorjump::noise::Kernel::identity(&[2, 2]).unwrap();
    let y = ndarray::array![[0, 0], [1, 0]];
    let gradient =
        |w: [f64; 2]| Gradient::ratio_matching(law.as_mps(), &none, y.view(), Array1::from(w.to_vec()).view()).unwrap();
    let (both, possible) = (gradient([1.0, 1.0]), gradient([1.0, 0.0]));
    assert_eq!(both.value, f64::NEG_INFINITY);
    assert_close(possible.value, 0.5f64.ln(), 1e-15, "value");
    assert_eq!(both.tensors, possible.tensors);
    assert!(both.tensors.iter().flatten().all(|g| g.is_finite()));
}

#[test]
fn gradient_of_ratio_matching() {
    let dims = [2, 3, 2, 2];
    let law = Mps::random_positive(&dims, 3, &mut stream("ratio matching gradient")).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 70)).unwrap(), Schedule::default());
    let (t, y) = (0.4, all_configs(&dims));
    let kernel = noise.kernel(0.0, t).unwrap();
    let weights = Array1::from_shape_fn(y.nrows(), |i| 0.1 + (i % 5) as f64);
    let value = |law: &Mps| {
        let model = PositiveMps::new(law).unwrap();
        let loss = ratio_matching_loss(&ExactDenoiser::new(&model, &noise).unwrap(), t, y.view()).unwrap();
        -(loss * &weights).sum()
    };
    let gradient = Gradient::ratio_matching(&law, &kernel, y.view(), weights.view()).unwrap();
    assert_close(gradient.value, value(&law), 1e-10, "value");
    for (j, g) in gradient.tensors.iter().enumerate() {
        for (at, &g) in g.indexed_iter() {
            let step = |h: f64| {
                let mut tensors = law.tensors().to_vec();
                tensors[j][at] += h;
                value(&Mps::new(tensors, 0.0).unwrap())
            };
            // Rounding 1e-13/h against the third derivative times h².
            let h = 1e-5;
            assert_close(g, (step(h) - step(-h)) / (2.0 * h), 1e-5 * (1.0 + g.abs()), "slope");
        }
    }
}

#[test]
fn learners_of_any_law_find_the_exact_conditionals() {
    for (name, law, noise) in systems() {
        let (data, exact) = (infinite(&law), ExactDenoiser::new(&law, &noise).unwrap());
        let all = Boundary::Open.windows(law.dims().len(), 9);
        let t = 0.5;
        let options = SoftmaxOptions {
            features: Features::Saturated,
            ridge: 0.0,
            rounds: 500,
            times: vec![0.2, t, 0.9],
            ..SoftmaxOptions::default()
        };
        let y = all_configs(noise.dims_out());
        let want = exact.conditional_marginals(t, y.view()).unwrap();
        let tables = ConditionalTables::tabular(&data, &noise, Some(0.0)).unwrap();
        let softmax = SoftmaxDenoiser::new(&data, &noise, &all, None, &options).unwrap();
        let options = SoftmaxOptions { objective: Objective::LikelihoodBound, ..options };
        let bound = SoftmaxDenoiser::new(&data, &noise, &all, None, &options).unwrap();
        // The optimiser stops at a relative change of 1e-11, hence at some 1e-5 in p.
        for (learned, tolerance) in [(&tables as &dyn Denoiser, 1e-12), (&softmax, 1e-4), (&bound, 1e-4)] {
            let got = learned.conditional_marginals(t, y.view()).unwrap();
            got.iter().zip(&want).for_each(|(a, b)| assert_close(*a, *b, tolerance, name));
        }
        let cavities = (tables.cavities(t, y.view()).unwrap(), exact.cavities(t, y.view()).unwrap());
        cavities.0.iter().zip(&cavities.1).for_each(|(a, b)| assert_close(*a, *b, 1e-12, name));
    }
    let dims = [2, 3, 2];
    let (law, tokens) = (random_law(&dims, 71), tokens(&dims));
    let all = Boundary::Open.windows(3, 2);
    let learned = GlauberWindow::new(&infinite(&law), &tokens, &all, Features::Saturated, 0.0).unwrap();
    let (exact, x) = (ExactGlauber::new(&law, &tokens).unwrap(), all_configs(&dims));
    for k in 0..tokens.steps() {
        let got = learned.conditionals(k, x.view()).unwrap();
        let want = exact.conditionals(k, x.view()).unwrap();
        got.iter().zip(&want).for_each(|(a, b)| assert_close(*a, *b, 1e-4, "classifier"));
    }
}

#[test]
fn a_learned_conditional_does_not_read_its_site() {
    let law = random_law(&[3; 4], 72);
    let noise = Noise::new(Rates::new(random_rates(&[3; 4], 72)).unwrap(), Schedule::default());
    let data = Data::new(all_configs(&[3; 4]), &[3; 4]).unwrap();
    let near = Boundary::Ring.windows(4, 1);
    let operator = OperatorScores::new(&data, &noise, &near, &OperatorOptions::default()).unwrap();
    let options = SoftmaxOptions { copies: 1, times: vec![0.3, 0.6], ..SoftmaxOptions::default() };
    let residual =
        SoftmaxDenoiser::new(&infinite(&law), &noise, &near, Some(Arc::new(operator.clone())), &options).unwrap();
    let tables = ConditionalTables::new(&data, &noise, &near, None).unwrap();
    for learned in [&operator as &dyn Denoiser, &residual, &tables] {
        let mut y = all_configs(&[3; 4]);
        let one = learned.conditional_marginals(0.4, y.view()).unwrap();
        y.column_mut(2).mapv_inplace(|a| (a + 1) % 3);
        let two = learned.conditional_marginals(0.4, y.view()).unwrap();
        assert_eq!(one.slice(s![.., 2, ..]), two.slice(s![.., 2, ..]));
        let cavities = learned.cavities(0.4, y.view()).unwrap();
        assert!(cavities.iter().all(|c| *c >= 0.0), "negative cavities");
        one.sum_axis(Axis(2)).iter().for_each(|sum| assert_close(*sum, 1.0, 1e-12, "normalisation"));
    }
}
