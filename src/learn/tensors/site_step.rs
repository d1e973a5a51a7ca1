//! The problem of one step: the best merged tensor with everything else fixed.
//!
//! In canonical form `Z = ‖M‖²` and `ψ_i = ⟨φ_i, M⟩` with `φ_i = L_i ⊗ R_i`, so the weighted negative
//! log-likelihood (weights `w`, sum one) is, up to the scale of `M`,
//!
//! ```text
//! f(M) = ‖M‖² − 2 Σ_i w_i log|ψ_i|,
//! ½∇f  = M − G,    G = Σ_i w_i φ_i/ψ_i,      ½∇²f = 1 + Σ_i (w_i/ψ_i²) φ_i φ_iᵗ.
//! ```
//!
//! `f` is convex as long as no `ψ_i` changes sign, and its minimum has `‖M‖ = 1`. The Fisher information of
//! `M` is 4 times the identity (the basis is orthonormal), so the natural gradient step is towards `G`
//! itself: `M ← (M + G)/2`. Samples of small `ψ_i` make `G` large; the Newton direction, by a few steps of
//! conjugate gradients, does not mind them. The length of the step is searched for, in `O(n)` a trial. Cost:
//! `(2 k + 1) n χ²` multiply-adds for `k` steps of conjugate gradients.
//!
//! Two-site learning: Han, Wang, Fan, Wang, Zhang, arXiv 1709.01662.

use super::environments::{Batch, PerSample};
use crate::error::{Error, Result};
use crate::linalg::dot;

/// How a merged tensor is changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// Towards the maximum of the likelihood: Newton direction by `iterations` steps of conjugate gradients
    /// (1: the natural gradient), exact line search, and of this step the fraction `rate`. Weights must be
    /// non-negative.
    Likelihood { iterations: usize, rate: f64 },
    /// The natural gradient of `Σ_i w_i log P(x_i)` with weights of any sign, times `rate`, at most of norm
    /// `limit`.
    Signed { rate: f64, limit: f64 },
    /// Towards amplitudes that are known ([`crate::learn::in_the_loop::towards`]): the weights of the batch
    /// are these, its amplitudes scaled alike. Squares of singular values below `significance` times the edge
    /// of the noise of the samples are discarded.
    Towards { toward: Toward, rate: f64, limit: f64, significance: f64 },
}

/// Amplitudes count as at least this fraction of the largest value that they could have (environments and `M`
/// have norm one): the gradient of a sample with `ψ = 0` is finite and points away from zero.
const FLOOR: f64 = 1e-8;

/// Changes `m` (norm one, shape `[s][χ_l][χ_r]`) in the focus of the batch; the result has norm one. Returns
/// the variance of an entry that counts as noise of this step.
pub(crate) fn improve(batch: &mut Batch, m: &mut [f64], step: &Step) -> Result<f64> {
    let raw = batch.amplitudes(m);
    if let Step::Towards { toward, rate, limit, significance } = *step {
        let length = towards(batch, m, &raw, (toward, rate, limit));
        normalise(m)?;
        return Ok(significance * length);
    }
    // An environment of logarithm −∞ is a zero vector: nothing at this place can help the sample.
    let psi = batch.map(&raw, |_, v, log| if log == f64::NEG_INFINITY { f64::INFINITY } else { away_from_zero(v) });
    let pull = batch.accumulate(&batch.map(&psi, |w, v, _| w / v), m.len());
    let (direction, length) = match *step {
        Step::Likelihood { iterations, rate } => {
            let residual: Vec<f64> = pull.iter().zip(&*m).map(|(g, m)| g - m).collect();
            let (direction, change) = newton(batch, &psi, residual, iterations);
            let length = line_search(batch, &psi, &change, dot(m, &direction), dot(&direction, &direction));
            (direction, rate * length)
        }
        Step::Signed { rate, limit } => {
            let total = batch.total();
            let direction: Vec<f64> = pull.iter().zip(&*m).map(|(g, m)| g - total * m).collect();
            let norm = 0.5 * rate * dot(&direction, &direction).sqrt();
            (direction, 0.5 * rate * if norm > limit { limit / norm } else { 1.0 })
        }
        Step::Towards { .. } => unreachable!("left above"),
    };
    let before = m.to_vec();
    m.iter_mut().zip(direction).for_each(|(m, d)| *m += length * d);
    if m.iter().all(|v| *v == 0.0) {
        // No sample of the batch reaches this place, so that nothing holds `M` against its norm: it stays as
        // it is.
        m.copy_from_slice(&before);
    }
    normalise(m)?;
    Ok(0.0)
}

/// A step towards known amplitudes. Environments have norm one, so the noise of `d = Σ c_i φ_i` has the mean
/// square `Σ c_i²`. Returns the variance of an entry that many such steps leave.
fn towards(batch: &mut Batch, m: &mut [f64], raw: &PerSample, (toward, rate, limit): (Toward, f64, f64)) -> f64 {
    let c = batch.map(raw, |t, v, log| toward.coefficient(t, v, log));
    let direction = batch.accumulate(&c, m.len());
    let noise: f64 = c.iter().flatten().map(|c| c * c).sum();
    let square = dot(&direction, &direction);
    let length = rate.min(limit / square.sqrt().max(f64::MIN_POSITIVE));
    let size = m.len() as f64;
    m.iter_mut().zip(direction).for_each(|(m, d)| *m += length * d);
    length * noise / size
}

/// The amplitude, moved away from zero with its sign kept.
fn away_from_zero(v: f64) -> f64 {
    if v.abs() >= FLOOR { v } else { FLOOR.copysign(v) }
}

/// Brings a tensor to norm one.
pub(crate) fn normalise(m: &mut [f64]) -> Result<()> {
    let norm = dot(m, m).sqrt();
    if !(norm > 0.0 && norm.is_finite()) {
        return Err(Error::NotFinite { field: "merged tensor", site: 0, value: norm });
    }
    m.iter_mut().for_each(|v| *v /= norm);
    Ok(())
}

/// Conjugate gradients for `(1 + Σ w/ψ² φφᵗ) Δ = residual`; returns `Δ` and the changes of the amplitudes
/// that it makes.
fn newton(batch: &mut Batch, psi: &PerSample, mut residual: Vec<f64>, iterations: usize) -> (Vec<f64>, PerSample) {
    let size = residual.len();
    let curvature = batch.map(psi, |w, v, _| w / (v * v));
    let mut direction = vec![0.0; size];
    let mut change: PerSample = psi.iter().map(|block| vec![0.0; block.len()]).collect();
    let mut search = residual.clone();
    let mut square = dot(&residual, &residual);
    let start = square;
    for iteration in 1..=iterations.max(1) {
        if square <= 1e-20 * start || square == 0.0 {
            break;
        }
        let moved = batch.amplitudes(&search);
        let bent = product(&curvature, &moved);
        let bend: f64 = bent.iter().zip(&moved).map(|(b, m)| dot(b, m)).sum();
        let alpha = square / (dot(&search, &search) + bend);
        direction.iter_mut().zip(&search).for_each(|(d, s)| *d += alpha * s);
        for (change, moved) in change.iter_mut().zip(&moved) {
            change.iter_mut().zip(moved).for_each(|(c, m)| *c += alpha * m);
        }
        if iteration == iterations.max(1) {
            break;
        }
        let applied = batch.accumulate(&bent, size);
        for ((r, s), a) in residual.iter_mut().zip(&search).zip(&applied) {
            *r -= alpha * (s + a);
        }
        let next = dot(&residual, &residual);
        search.iter_mut().zip(&residual).for_each(|(s, r)| *s = r + next / square * *s);
        square = next;
    }
    (direction, change)
}

fn product(a: &PerSample, b: &PerSample) -> PerSample {
    a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).collect()).collect()
}

/// A length `t` along the direction that lowers
/// `f(M + t Δ) − f(M) = 2 t ⟨M, Δ⟩ + t² ‖Δ‖² − 2 Σ w log|1 + t δ/ψ|`: the best of 1, 2, 4, … or of 1, ½, ¼,
/// …, zero if none is below `f(M)`.
///
/// Amplitudes may pass zero on the way: a few samples on the wrong side of it must not hold up all others.
fn line_search(batch: &Batch, psi: &PerSample, change: &PerSample, overlap: f64, square: f64) -> f64 {
    let rise = |t: f64| {
        let rows = psi.iter().zip(change).flat_map(|(p, c)| p.iter().zip(c)).zip(batch.weights());
        let logs: f64 = rows.map(|((p, c), w)| if w > 0.0 { w * (1.0 + t * c / p).abs().ln() } else { 0.0 }).sum();
        2.0 * t * overlap + t * t * square - 2.0 * logs
    };
    let (mut t, mut best) = (1.0, rise(1.0));
    let factor = if best < 0.0 && rise(2.0) < best { 2.0 } else { 0.5 };
    for _ in 0..12 {
        let next = rise(factor * t);
        if next >= best && best < 0.0 {
            break;
        }
        (t, best) = (factor * t, next);
    }
    if best < 0.0 { t } else { 0.0 }
}

/// What a step towards a law makes small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Toward {
    /// `‖√π − ψ‖²`: the largest overlap of the amplitudes. Bounded noise.
    Overlap,
    /// `KL(π‖ψ²)`, the gradient of one sample bounded where the amplitude is below a quarter of what it
    /// should be.
    Divergence,
}

impl Toward {
    /// Factor of `φ` for a sample with `√(π/m)` in `t` and amplitude `v e^{log}` in the same units.
    pub(crate) fn coefficient(self, t: f64, v: f64, log: f64) -> f64 {
        let e = log.exp();
        let a = v * e;
        // A full step along φ of this sample alone changes its amplitude by e² (t − a): beyond one it would
        // overshoot.
        let e = e / (1.0 + e * e);
        match self {
            Toward::Overlap => e * (t - a),
            Toward::Divergence => {
                let size = a.abs().max(0.25 * t);
                if size > 0.0 { 0.5 * e * (t * t - a * a) / size.copysign(a) } else { 0.0 }
            }
        }
    }
}

pub(crate) fn check_rate(rate: f64, limit: f64) -> Result<()> {
    if rate > 0.0 && rate <= limit {
        return Ok(());
    }
    Err(Error::parameter("rate", rate, if limit == 1.0 { "above 0, at most 1" } else { "above 0 and finite" }))
}
