//! One step of all sites towards a known law, along the tangent space of the matrix products of fixed bonds.
//!
//! With `ψ` in mixed gauges `A^L ⋯ C ⋯ A^R` the vectors tangent to the matrix products of its bonds are,
//! `B_j` orthogonal to `A^L_j`,
//!
//! ```text
//! Φ(B) = Σ_j A^L_1 ⋯ A^L_{j−1} B_j A^R_{j+1} ⋯ A^R_N,      ‖Φ‖² = Σ_j ‖B_j‖²,
//! B_j  = (1 − A^L A^Lᵗ) Σ_i c_i L_iᵗ R_iᵗ
//! ```
//!
//! is the projection of `√π − ψ` for samples of a density `m` with `c_i = (√π − ψ)/(n m)`
//! ([`super::towards`]): the natural gradient of the overlap, whose unit step is a Newton step. `ψ + ρ Φ` is
//! a matrix product of twice the bond, truncated by SVD. The rate `ρ` is measured: samples fall into two
//! halves, which agree on the signal and not on the noise, and `ρ = 4⟨B′, B″⟩/‖B′ + B″‖²` is the
//! least-squares factor between the estimate and what it estimates. Far from the optimum it is near
//! `1/(1 + p/n)` for `p` numbers that matter, near the optimum it falls by itself, as `1/t` over rounds of
//! equal size: all samples of all rounds count then. Cost: `3 N n χ²` multiply-adds, half of a sweep, and an
//! SVD of `dχ × 2χ` a site.
//!
//! Tangent spaces of matrix products: Lubich, Oseledets, Vandereycken, arXiv 1407.2042.

use ndarray::{Array3, ArrayView1, Axis, s};

use super::towards::checked;
use crate::error::{Error, Result};
use crate::learn::symmetry::{Mirror, Symmetry, mirrors};
use crate::learn::tensors::environments::{Batch, Side, from_symbols, to_symbols};
use crate::linalg::matmul;
use crate::model::{BornMps, Configs, Target};
use crate::tn::{Mps, Truncation, flat};

/// Samples whose environments are kept at a time.
const CHUNK: usize = 16_384;

/// Smallest share of signal that two halves can tell: the rate does not fall below it.
const LEAST: f64 = 1e-3;

/// A step of all sites.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TangentStep {
    /// Largest rate, in (0, 1]; the measured one is taken where it is smaller.
    pub rate: f64,
    /// A sample of `|φ|²/(n m) = e²` counts at a place with the factor `1/(1 + damping e²)`; at least 0.
    pub damping: f64,
    /// What each SVD may discard, and the largest bond.
    pub truncation: Truncation,
}

impl Default for TangentStep {
    /// Measured rates, damping 1, bonds up to 32.
    fn default() -> Self {
        TangentStep { rate: 1.0, damping: 1.0, truncation: Truncation { max_bond: 32, cutoff: 1e-12 } }
    }
}

/// What a step of all sites did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct TangentReport {
    /// Share of the estimate that is signal by two halves of the samples; negative values are noise.
    pub signal: f64,
    /// Rate taken.
    pub rate: f64,
    /// `‖Φ‖`, the norm of the estimate, relative to that of `ψ`.
    pub norm: f64,
    /// Squared weight discarded by truncation.
    pub truncation_error: f64,
}

/// [`TangentStep::apply`] with symmetries that are known to fit.
pub(crate) fn tangent(
    model: &BornMps,
    x: Configs<'_>,
    log_target: ArrayView1<'_, f64>,
    log_density: ArrayView1<'_, f64>,
    mirrors: &[Mirror],
    step: &TangentStep,
) -> Result<(BornMps, TangentReport)> {
    step.check()?;
    let (t, logs) = checked(model, x, log_target, log_density)?;
    if t.len() < 2 {
        return Err(Error::TooFewSamples { needed: 2, got: t.len() });
    }
    let psi = model.amplitude();
    let last = psi.sites() - 1;
    let right = psi.tensors();
    let left = psi.canonical(last)?;
    let left = left.tensors();
    let mut halves = Vec::new();
    for half in 0..2 {
        let rows: Vec<usize> = (half..t.len()).step_by(2).collect();
        let mut sums: Vec<Vec<f64>> = left.iter().map(|a| vec![0.0; a.len()]).collect();
        for rows in rows.chunks(CHUNK) {
            let (t, logs): (Vec<f64>, Vec<f64>) = rows.iter().map(|&i| (t[i], logs[i])).unzip();
            let mut batch = Batch::new(x.select(Axis(0), rows).view(), &t, psi.max_bond())?;
            batch.scale(&logs);
            rayon::scope(|_| gather(&mut batch, left, right, step.damping, &mut sums));
        }
        let mut sums: Vec<Array3<f64>> = sums.iter().zip(left).map(|(g, a)| from_symbols(g, a.dim())).collect();
        mirrors.iter().for_each(|mirror| mirror.average(&mut sums, left, right));
        sums.iter_mut().zip(left).enumerate().for_each(|(j, (g, a))| project(g, a, j == last));
        halves.push(sums);
    }
    let pairs = || halves[0].iter().flatten().zip(halves[1].iter().flatten());
    let agreed: f64 = pairs().map(|(a, b)| a * b).sum();
    let square: f64 = pairs().map(|(a, b)| (a + b) * (a + b)).sum();
    let signal = if square > 0.0 { 4.0 * agreed / square } else { 0.0 };
    let rate = signal.clamp(LEAST, 1.0).min(step.rate);
    let direction: Vec<Array3<f64>> = halves[0].iter().zip(&halves[1]).map(|(a, b)| (a + b) * rate).collect();
    let (next, error) = moved(left, right, &direction)?.compress(&step.truncation)?;
    let report = TangentReport { signal, rate, norm: square.sqrt(), truncation_error: error.total() };
    Ok((BornMps::new(&next)?, report))
}

impl TangentStep {
    pub(crate) fn check(&self) -> Result<()> {
        crate::learn::tensors::site_step::check_rate(self.rate, 1.0)?;
        self.truncation.check()?;
        if self.damping >= 0.0 && self.damping.is_finite() {
            return Ok(());
        }
        Err(Error::parameter("damping", self.damping, "finite and not negative"))
    }

    /// Moves a Born law towards the law of log-probabilities `log_target` (nats; −∞ allowed) by one step of
    /// all sites.
    ///
    /// `x`, shape `(samples, sites)`, are draws of a density with log-probabilities `log_density`,
    /// `(samples,)`, normalised as `log_target`; rows of even and of odd number should be independent.
    /// `symmetries` are those of the target that `ψ` has too and that keep or reverse the order of the sites:
    /// the estimate is averaged with its images, which halves its noise for each. Cost `3 N n χ² + O(N d χ³)`
    /// multiply-adds.
    ///
    /// # Errors
    /// As [`TowardsStep::apply`](super::towards::TowardsStep::apply); fewer than two samples; a symmetry that
    /// moves sites otherwise.
    pub fn apply(
        &self,
        model: &BornMps,
        x: Configs<'_>,
        log_target: ArrayView1<'_, f64>,
        log_density: ArrayView1<'_, f64>,
        symmetries: &[Symmetry],
    ) -> Result<(BornMps, TangentReport)> {
        let mirrors = mirrors(symmetries, model.dims())?;
        tangent(model, x, log_target, log_density, &mirrors, self)
    }
}

/// Adds `Σ_i c_i L_iᵗ R_iᵗ` of a batch at every site; the weights of the batch are `√(π/m)/√n`, its
/// amplitudes scaled alike.
fn gather(batch: &mut Batch, left: &[Array3<f64>], right: &[Array3<f64>], damping: f64, sums: &mut [Vec<f64>]) {
    batch.fill_right(right, 1);
    batch.focus(0, &[right[0].dim().1]);
    let psi = batch.amplitudes(&to_symbols(&right[0]));
    let residual = batch.map(&psi, |t, v, log| t - v * log.exp());
    batch.reweigh(&batch.in_order(&residual));
    for (j, sum) in sums.iter_mut().enumerate() {
        batch.focus(j, &[left[j].dim().1]);
        let c = batch.map_logs(|r, log| {
            let e = log.exp();
            e * r / (1.0 + damping * e * e)
        });
        let part = batch.accumulate(&c, sum.len());
        sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
        if j + 1 < left.len() {
            batch.extend(j, &left[j], Side::Left);
        }
    }
}

/// Makes a gradient orthogonal to a left isometry; at the last site, to the tensor.
fn project(g: &mut Array3<f64>, a: &Array3<f64>, last: bool) {
    let (l, d, r) = a.dim();
    if last {
        let along: f64 = g.iter().zip(a).map(|(g, a)| g * a).sum();
        g.scaled_add(-along, a);
        return;
    }
    let inside = matmul(flat(a, l * d, r).t(), flat(g, l * d, r));
    let inside = matmul(flat(a, l * d, r), inside.view());
    *g -= &inside.into_shape_with_order((l, d, r)).expect("row-major");
}

/// `ψ + Φ` as a matrix product of twice the bond.
fn moved(left: &[Array3<f64>], right: &[Array3<f64>], b: &[Array3<f64>]) -> Result<Mps> {
    let n = left.len();
    if n == 1 {
        return Mps::new(vec![&left[0] + &b[0]], 0.0);
    }
    let tensor = |j: usize| {
        let (l, d, r) = left[j].dim();
        let mut out = Array3::zeros((if j == 0 { 1 } else { 2 * l }, d, if j + 1 == n { 1 } else { 2 * r }));
        if j + 1 == n {
            out.slice_mut(s![..l, .., ..]).assign(&(&left[j] + &b[j]));
        } else {
            out.slice_mut(s![..l, .., ..r]).assign(&left[j]);
            out.slice_mut(s![..l, .., r..]).assign(&b[j]);
        }
        if j > 0 {
            let k = out.dim().2 - r;
            out.slice_mut(s![l.., .., k..]).assign(&right[j]);
        }
        out
    };
    Mps::new((0..n).map(tensor).collect(), 0.0)
}
