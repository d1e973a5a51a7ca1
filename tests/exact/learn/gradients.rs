//! Gradients against derivatives by enumeration and by finite differences.

use ndarray::{Array1, Array3};
use rand::RngExt;
use tensorjump::learn::{Gradient, SignedStep};
use tensorjump::model::BornMps;
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{Error, Model};

use super::super::common::all_configs;
use super::super::laws::{stream, systems, table};

/// Weights of both signs for every configuration.
fn signed_weights(size: usize, name: &str) -> Array1<f64> {
    let mut rng = stream(name);
    (0..size).map(|_| 2.0 * rng.random::<f64>() - 0.8).collect()
}

/// `∂v(x)/∂A_j[i,a,k]` for every `x`: `v` is linear in each tensor.
fn derivative(mps: &Mps, site: usize, index: [usize; 3]) -> Vec<f64> {
    let mut tensors = mps.tensors().to_vec();
    tensors[site].fill(0.0);
    tensors[site][index] = 1.0;
    table(&Mps::new(tensors, mps.log_scale()).unwrap())
}

/// Largest difference relative to the largest entry.
fn relative_error(got: &Gradient, expected: &[Array3<f64>]) -> f64 {
    let scale = expected.iter().flatten().fold(0.0f64, |m, v| m.max(v.abs()));
    let pairs = got.tensors.iter().flatten().zip(expected.iter().flatten());
    pairs.fold(0.0f64, |m, (g, e)| m.max((g - e).abs())) / scale
}

/// Central differences of fourth order: with h = 1e-3 the truncation error is `h⁴ f⁽⁵⁾/30 ≈ 1e-12`, rounding
/// `1e-16/h ≈ 1e-13`.
fn differences(tensors: &[Array3<f64>], f: impl Fn(&[Array3<f64>]) -> f64) -> Vec<Array3<f64>> {
    let h = 1e-3;
    let mut out: Vec<Array3<f64>> = tensors.iter().map(|a| Array3::zeros(a.dim())).collect();
    let mut moved = tensors.to_vec();
    for j in 0..tensors.len() {
        for (index, &v) in tensors[j].indexed_iter() {
            let mut at = |t: f64| {
                moved[j][index] = v + t;
                f(&moved)
            };
            out[j][index] = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            moved[j][index] = v;
        }
    }
    out
}

#[test]
fn born_gradients_are_those_of_enumeration() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        let psi = Mps::random_real(&dims, bond, &mut stream(&format!("born gradient {k}"))).unwrap();
        let (x, v) = (all_configs(&dims), table(&psi));
        let w = signed_weights(v.len(), "weights");
        let z: f64 = v.iter().map(|v| v * v).sum();
        let total: f64 = w.sum();
        let dense = |normaliser: bool| -> Vec<Array3<f64>> {
            let entry = |j: usize, (i, a, k)| {
                let dv = derivative(&psi, j, [i, a, k]);
                let data: f64 = dv.iter().zip(&v).zip(&w).map(|((d, v), w)| 2.0 * w * d / v).sum();
                let norm: f64 = dv.iter().zip(&v).map(|(d, v)| 2.0 * v * d / z).sum();
                if normaliser { data - total * norm } else { data }
            };
            psi.tensors().iter().enumerate().map(|(j, a)| Array3::from_shape_fn(a.dim(), |at| entry(j, at))).collect()
        };
        let got = Gradient::born(&psi, x.view(), w.view()).unwrap();
        let value: f64 = v.iter().zip(&w).map(|(v, w)| w * (v * v / z).ln()).sum();
        assert!((got.value - value).abs() < 1e-11 * w.iter().map(|w| w.abs()).sum::<f64>() * 30.0, "system {k}");
        // A smallest amplitude of 1e-4 of the others costs four digits of sixteen.
        assert!(relative_error(&got, &dense(true)) < 1e-9, "system {k}: {:e}", relative_error(&got, &dense(true)));
        assert!(relative_error(&got, &dense(false)) > 1e-3, "the wrong twin passes");
    }
}

#[test]
fn born_gradients_are_those_of_finite_differences() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        // A positive amplitude: derivatives of the logarithm stay moderate.
        let psi = Mps::random_positive(&dims, bond, &mut stream(&format!("born differences {k}"))).unwrap();
        let x = all_configs(&dims);
        let w = signed_weights(x.nrows(), "weights");
        let f = |tensors: &[Array3<f64>]| {
            let v = table(&Mps::new(tensors.to_vec(), 0.0).unwrap());
            let z: f64 = v.iter().map(|v| v * v).sum();
            v.iter().zip(&w).map(|(v, w)| w * (v * v / z).ln()).sum()
        };
        let got = Gradient::born(&psi, x.view(), w.view()).unwrap();
        let error = relative_error(&got, &differences(psi.tensors(), f));
        assert!(error < 1e-7, "system {k}: {error:e}");
    }
}

/// The law of logits by definition.
fn softmax(logits: &[Array3<f64>]) -> Mps {
    let tensor = |theta: &Array3<f64>| {
        let mut a = theta.mapv(f64::exp);
        a.outer_iter_mut().for_each(|mut row| row /= row.sum());
        a
    };
    Mps::new(logits.iter().map(tensor).collect(), 0.0).unwrap()
}

#[test]
fn positive_gradients_are_those_of_finite_differences() {
    for (k, (dims, bond)) in systems().into_iter().enumerate() {
        let logits = Mps::random_real(&dims, bond, &mut stream(&format!("logits {k}"))).unwrap().into_parts().0;
        let x = all_configs(&dims);
        let w = signed_weights(x.nrows(), "weights");
        let f = |logits: &[Array3<f64>]| table(&softmax(logits)).iter().zip(&w).map(|(p, w)| w * p.ln()).sum();
        let got = Gradient::positive(&logits, x.view(), w.view()).unwrap();
        let expected = differences(&logits, f);
        let error = relative_error(&got, &expected);
        assert!(error < 1e-7, "system {k}: {error:e}");
        // The wrong twin: the counts alone, without the normaliser of the rows.
        let law = softmax(&logits);
        let with = |j: usize, (i, _, _): (usize, usize, usize)| law.tensors()[j].index_axis(ndarray::Axis(0), i).sum();
        let twin: Vec<Array3<f64>> = expected
            .iter()
            .enumerate()
            .map(|(j, g)| Array3::from_shape_fn(g.dim(), |at| g[[at.0, at.1, at.2]] + 0.01 * with(j, at)))
            .collect();
        assert!(relative_error(&got, &twin) > 1e-5, "the wrong twin passes");
    }
}

#[test]
fn gradients_do_not_depend_on_gauge_or_scale_or_length() {
    // 3000 sites: amplitudes of e^{−2000}. The gradient along the tensor itself is zero, because P does not
    // depend on its scale.
    let psi = Mps::random_real(&[2; 3000], 4, &mut stream("long")).unwrap();
    let model = BornMps::new(&psi).unwrap();
    let draws = model.draw(20, &tensorjump::Streams::new(3)).unwrap();
    let w = Array1::from_elem(20, 0.05);
    let got = Gradient::born(&psi, draws.x.view(), w.view()).unwrap();
    let expected = draws.log_prob.mean().unwrap();
    assert!((got.value - expected).abs() < 1e-9 * expected.abs(), "{} against {expected}", got.value);
    for (a, g) in psi.tensors().iter().zip(&got.tensors) {
        let along: f64 = a.iter().zip(g).map(|(a, g)| a * g).sum();
        let size: f64 = a.iter().zip(g).map(|(a, g)| (a * g).abs()).sum();
        assert!(along.abs() < 1e-10 * size, "{along:e} of {size:e}");
    }
}

/// On two sites the merged tensor is the amplitude itself: the step of a sweep can be written down.
#[test]
fn a_signed_step_is_the_natural_gradient() {
    let dims = [3, 4];
    let model = BornMps::random(&dims, 3, &mut stream("two sites")).unwrap();
    let (x, v) = (all_configs(&dims), table(model.amplitude()));
    let w = signed_weights(v.len(), "weights");
    let (rate, total) = (0.013, w.sum());
    let moved: Vec<f64> = v.iter().zip(&w).map(|(v, w)| v + 0.5 * rate * (w / v - total * v)).collect();
    let norm: f64 = moved.iter().map(|v| v * v).sum();
    let truncation = Truncation { max_bond: usize::MAX, cutoff: 0.0 };
    let step = |limit| SignedStep { rate, limit, truncation };
    let got = step(1e9).apply(&model, x.view(), w.view()).unwrap();
    for (row, moved) in got.log_prob(x.view()).unwrap().iter().zip(&moved) {
        assert!((row - (moved * moved / norm).ln()).abs() < 1e-9, "{row} against {}", (moved * moved / norm).ln());
    }
    // A limit far below the step shortens it to its own length: the amplitude moves by no more.
    let short = step(1e-6).apply(&model, x.view(), w.view()).unwrap();
    let overlap = short.amplitude().inner(model.amplitude()).unwrap();
    assert!(overlap.log_abs > -1e-12 && overlap.log_abs <= 1e-15 * 100.0);
    // To first order the sum rises by rate · ‖G − WM‖²; the second order is rate · w/ψ² times that, with ψ²
    // down to 1e-6.
    let small = SignedStep { rate: 1e-10, ..step(1e9) };
    let risen = small.apply(&model, x.view(), w.view()).unwrap();
    let sum = |m: &BornMps| m.log_prob(x.view()).unwrap().dot(&w);
    let square: f64 = v.iter().zip(&w).map(|(v, w)| (w / v - total * v).powi(2)).sum();
    let rise = (sum(&risen) - sum(&model)) / (1e-10 * square);
    assert!((rise - 1.0).abs() < 1e-3, "{rise}");
}

#[test]
fn wrong_gradient_input_is_named() {
    let psi = Mps::random_real(&[2, 3], 2, &mut stream("input")).unwrap();
    let x = all_configs(&[2, 3]);
    let w = Array1::from_elem(6, 1.0);
    let nan = Array1::from(vec![1.0, f64::NAN, 1.0, 1.0, 1.0, 1.0]);
    assert!(matches!(Gradient::born(&psi, x.view(), nan.view()), Err(Error::NotFinite { site: 1, .. })));
    let few = w.slice(ndarray::s![..5]);
    assert!(matches!(Gradient::born(&psi, x.view(), few), Err(Error::SampleCount { expected: 6, got: 5 })));
    let wide = all_configs(&[2, 4]);
    let w8 = Array1::from_elem(8, 1.0);
    let out = Gradient::born(&psi, wide.view(), w8.view());
    assert!(matches!(out, Err(Error::StateOutOfRange { row: 3, site: 1, state: 3, dim: 3 })));
    let product = Mps::product(&[vec![1.0, 0.0], vec![1.0, 1.0, 1.0]]).unwrap();
    assert!(matches!(Gradient::born(&product, x.view(), w.view()), Err(Error::ZeroEvidence { row: 3 })));
    let model = BornMps::new(&psi).unwrap();
    for (rate, limit, name) in
        [(0.0, 1.0, "rate"), (f64::NAN, 1.0, "rate"), (0.1, 0.0, "limit"), (0.1, f64::NAN, "limit")]
    {
        let step = SignedStep { rate, limit, truncation: Truncation::default() };
        let out = step.apply(&model, x.view(), w.view());
        assert!(matches!(out, Err(Error::Parameter { name: n, .. }) if n == name));
    }
}
