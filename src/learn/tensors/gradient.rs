//! Gradients of log-likelihoods with respect to all tensors at once, in any gauge.
//!
//! ```text
//! ∂/∂A_j Σ_i w_i log|v(x_i)| = Σ_i w_i L_i ⊗ R_i / v_i,       ∂ log Z/∂A_j = 2 λ_j A_j ρ_{j+1} / Z,
//! ```
//!
//! with the environments `L`, `R` of the samples and `λ`, `ρ` of the norm, `Z = Σ_x ψ(x)²`. A Born law has
//! `log P = 2 log|ψ| − log Z`; a non-negative law in the hidden-Markov gauge needs no normaliser, and its
//! tensors are softmax functions of logits. Weights may have any sign: `∇KL(π‖P) = −E_P[(π/P − 1) ∇log P]`
//! needs that. Cost: `3 N n χ²` for `n` samples and `6 N d χ³` for the norm. Reference: arXiv 1709.01662.

use ndarray::{Array2, Array3, ArrayView1, Zip};

use super::environments::{Batch, Side};
use super::environments::{from_symbols, to_symbols};
use crate::error::{Error, Result};
use crate::learn::data::check_weights;
use crate::linalg::{matmul, strip};
use crate::model::Configs;
use crate::tn::{Mps, flat};

/// A number and its gradient with respect to each tensor.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Gradient {
    /// The number, in nats.
    pub value: f64,
    /// One array a site, in the shape of its tensor.
    pub tensors: Vec<Array3<f64>>,
}

impl Gradient {
    /// `Σ_i w_i log P(x_i)` for the Born law `P = ψ²/Z` and its gradient with respect to the tensors of `ψ`,
    /// in whatever gauge they are.
    ///
    /// `x` has shape `(samples, sites)`, `weights` `(samples,)` with any signs and sum. The log-scale of `ψ`
    /// has no influence. Cost `O(N n χ² + N d χ³)`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range; the wrong number of weights, or weights not finite;
    /// [`Error::ZeroEvidence`] for a sample of probability zero (and non-zero weight); [`Error::ZeroWeight`]
    /// for `ψ = 0`.
    pub fn born(psi: &Mps, x: Configs<'_>, weights: ArrayView1<'_, f64>) -> Result<Gradient> {
        check_weights(x, psi.dims(), weights)?;
        let log = psi.evaluate(x)?.log_abs;
        if let Some(row) = log.iter().zip(weights).position(|(&log, &w)| log == f64::NEG_INFINITY && w != 0.0) {
            return Err(Error::ZeroEvidence { row });
        }
        let mut batch = Batch::new(x, &weights.to_vec(), psi.max_bond())?;
        born_batch(psi.tensors(), &mut batch)
    }

    /// `Σ_i w_i log P(x_i)` for the non-negative law of `logits` (tensors `(χ_l, d, χ_r)`, softmax over the
    /// last two indices) and its gradient with respect to the logits.
    ///
    /// `x` has shape `(samples, sites)`, `weights` `(samples,)` with any signs. Cost `O(N n χ²)`.
    ///
    /// # Errors
    /// As [`Gradient::born`]; logits that are no matrix-product vector.
    pub fn positive(logits: &[Array3<f64>], x: Configs<'_>, weights: ArrayView1<'_, f64>) -> Result<Gradient> {
        let shape = Mps::new(logits.to_vec(), 0.0)?;
        check_weights(x, shape.dims(), weights)?;
        let mut batch = Batch::new(x, &weights.to_vec(), shape.max_bond())?;
        Ok(positive_batch(shape.tensors(), &mut batch))
    }
}

/// `Σ_i w_i log|v(x_i)|` and its gradient; the environments of the batch are filled.
pub(crate) fn log_amplitude(tensors: &[Array3<f64>], batch: &mut Batch) -> Gradient {
    let mut value = 0.0;
    batch.fill_right(tensors, 1);
    let mut gradient = Vec::with_capacity(tensors.len());
    for (j, a) in tensors.iter().enumerate() {
        batch.focus(j, &[a.dim().1]);
        let v = batch.amplitudes(&to_symbols(a));
        if j == 0 {
            value = batch.log_sum(&v);
        }
        // A sample of amplitude zero has no gradient; the value says so.
        let c = batch.map(&v, |w, v, _| if v == 0.0 { 0.0 } else { w / v });
        gradient.push(from_symbols(&batch.accumulate(&c, a.len()), a.dim()));
        if j + 1 < tensors.len() {
            batch.extend(j, a, Side::Left);
        }
    }
    Gradient { value, tensors: gradient }
}

/// `log Σ_x v(x)²` and its gradient.
pub(crate) fn log_norm_squared(tensors: &[Array3<f64>]) -> Result<Gradient> {
    let mut right = vec![(Array2::<f64>::ones((1, 1)), 0)];
    for a in tensors[1..].iter().rev() {
        let (l, d, r) = a.dim();
        let (rho, e) = &right[right.len() - 1];
        let half = matmul(flat(a, l * d, r), rho.view());
        let half = half.into_shape_with_order((l, d * r)).expect("row-major");
        let mut next = matmul(half.view(), flat(a, l, d * r).t());
        let e = e + strip(&mut next);
        right.push((next, e));
    }
    let (mut left, mut gradient, mut value) = (Array2::<f64>::ones((1, 1)), Vec::new(), 0.0);
    for (j, (a, (rho, e))) in tensors.iter().zip(right.iter().rev()).enumerate() {
        let (l, d, r) = a.dim();
        let half = matmul(flat(a, l * d, r), rho.view());
        let half = half.into_shape_with_order((l, d * r)).expect("row-major");
        let full = matmul(left.view(), half.view()).into_shape_with_order((l, d, r)).expect("row-major");
        let z: f64 = Zip::from(&full).and(a).fold(0.0, |z, f, a| z + f * a);
        if !(z > 0.0 && z.is_finite()) {
            return Err(Error::ZeroWeight { what: "Born law" });
        }
        if j == 0 {
            value = z.ln() + *e as f64 * std::f64::consts::LN_2;
        }
        gradient.push(full.mapv(|f| 2.0 * f / z));
        let other = matmul(left.view(), flat(a, l, d * r)).into_shape_with_order((l * d, r)).expect("row-major");
        left = matmul(flat(a, l * d, r).t(), other.view());
        strip(&mut left);
    }
    Ok(Gradient { value, tensors: gradient })
}

/// `Σ_i w_i log P(x_i)` for `P = ψ²/Z`, and its gradient.
pub(crate) fn born_batch(tensors: &[Array3<f64>], batch: &mut Batch) -> Result<Gradient> {
    let mut gradient = log_amplitude(tensors, batch);
    let norm = log_norm_squared(tensors)?;
    let total = batch.total();
    for (g, n) in gradient.tensors.iter_mut().zip(&norm.tensors) {
        Zip::from(g).and(n).for_each(|g, n| *g = 2.0 * *g - total * n);
    }
    Ok(Gradient { value: 2.0 * gradient.value - total * norm.value, ..gradient })
}

/// The law of logits: `A_j[i, a, k] = e^{θ_j[i,a,k]} / Σ_{a,k} e^{θ_j[i,a,k]}`, the hidden-Markov gauge.
pub(crate) fn softmax(logits: &Array3<f64>) -> Array3<f64> {
    let mut a = logits.clone();
    for mut row in a.outer_iter_mut() {
        let max = row.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
        row.mapv_inplace(|v| (v - max).exp());
        let sum = row.sum();
        row /= sum;
    }
    a
}

/// Expected numbers of uses of each tensor entry, `C = A ∘ ∂/∂A Σ w log P`, and `Σ w log P`.
pub(crate) fn expected_counts(tensors: &[Array3<f64>], batch: &mut Batch) -> Gradient {
    let mut counts = log_amplitude(tensors, batch);
    counts.tensors.iter_mut().zip(tensors).for_each(|(c, a)| *c *= a);
    counts
}

/// `Σ_i w_i log P(x_i)` for the law of `logits`, and its gradient with respect to them: `C − A Σ_{a,k} C`.
pub(crate) fn positive_batch(logits: &[Array3<f64>], batch: &mut Batch) -> Gradient {
    let tensors: Vec<Array3<f64>> = logits.iter().map(softmax).collect();
    let mut gradient = expected_counts(&tensors, batch);
    for (c, a) in gradient.tensors.iter_mut().zip(&tensors) {
        for (mut c, a) in c.outer_iter_mut().zip(a.outer_iter()) {
            let sum = c.sum();
            c.scaled_add(-sum, &a);
        }
    }
    gradient
}
