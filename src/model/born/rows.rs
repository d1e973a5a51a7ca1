//! Draws and scores under the weights of one row, with the environments of the right half.

use ndarray::{Array1, Array2, Array3, ArrayView3, Axis};

use super::law::BornMps;
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::linalg::{matmul, matmul_into, qr};
use crate::log_space::LogProduct;
use crate::model::batched::symbols::Walk;
use crate::model::traits::Target;
use crate::model::weights::SiteWeights;

/// Share of `|v|² tr ρ` below which a quadratic form `v ρ v` has too few digits: 10⁻¹⁶ of rounding are then
/// 10⁻¹² of it.
pub(super) const SAFE: f64 = 1e-4;

/// Share below which factors, with 10⁻³² of rounding, have too few digits as well.
pub(super) const LOST: f64 = 1e-24;

impl BornMps {
    /// Environments of a row, as factors where density matrices have too few digits: the weights alone
    /// decide.
    pub(super) fn environments(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        let densities = self.densities(w, row)?;
        if self.least_share(w, row, &densities) >= SAFE {
            return Ok(densities);
        }
        let mut factors = self.factors(w, row)?;
        if self.least_share(w, row, &factors) < LOST {
            factors.log_evidence = f64::NEG_INFINITY;
        }
        Ok(factors)
    }

    /// The smallest share of the weights of all symbols along one path, at each site the symbol in the middle
    /// of the conditional law.
    ///
    /// Over draws `1/share` is on average `tr λ_j tr ρ_j / tr λ_j ρ_j` (`λ_j` the density matrix of the left
    /// half): what rounding is multiplied by in the evidence.
    fn least_share(&self, w: &SiteWeights<'_>, row: usize, right: &Right) -> f64 {
        let (mut v, mut least) = (Array1::ones(1), 1.0f64);
        for j in 0..self.dims().len() {
            let step = self.step(w, row, j, &v, right);
            least = least.min(step.share);
            if step.total == 0.0 {
                return 0.0;
            }
            v = unit(&step.next[choose(&step.weights, step.total, 0.5)]);
        }
        least
    }

    /// All symbols of site `j` behind the vector `v`.
    fn step(&self, w: &SiteWeights<'_>, row: usize, j: usize, v: &Array1<f64>, right: &Right) -> Step {
        let a = &self.tensors()[j];
        let next: Vec<Array1<f64>> = a.axis_iter(Axis(1)).map(|a| v.dot(&a)).collect();
        let (mut weights, mut whole) = (Vec::with_capacity(next.len()), 0.0);
        for (x, u) in next.iter().enumerate() {
            weights.push(w.get(row, j, x) * right.form(j + 1, u));
            whole += w.get(row, j, x); // |u| ≤ |v| = 1, ρ ≤ 1
        }
        let total: f64 = weights.iter().sum();
        Step { next, weights, total, share: if total > 0.0 { total / whole } else { 0.0 } }
    }

    /// Density matrices of the right half under the weights of a row.
    fn densities(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        const LIMIT: usize = 1 << 29;
        let size = self.tensors().iter().map(|a| a.dim().0.pow(2)).sum();
        if size > LIMIT {
            return Err(Error::TooLarge { what: "density matrices of a tilted Born law", size, limit: LIMIT });
        }
        let mut matrices = vec![self.behind()];
        let mut evidence = LogProduct::ONE;
        for (j, a) in self.tensors().iter().enumerate().rev() {
            let (l, d, r) = a.dim();
            let rho = &matrices[matrices.len() - 1];
            let mut half = half_density(a.view(), rho);
            let max = (0..d).map(|x| w.get(row, j, x)).fold(0.0, f64::max);
            if max > 0.0 {
                for x in 0..d {
                    half.index_axis_mut(Axis(1), x).mapv_inplace(|v| v * (w.get(row, j, x) / max));
                }
            } else {
                half.fill(0.0);
            }
            let half = half.into_shape_with_order((l, d * r)).expect("standard layout");
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let mut next = matmul(half.view(), flat.t());
            let trace = next.diag().sum();
            evidence.push(if trace < 0.0 { 0.0 } else { trace });
            evidence.push(max);
            next.mapv_inplace(|v| if trace > 0.0 { v / trace } else { 0.0 });
            matrices.push(next);
        }
        matrices.reverse();
        Ok(Right { matrices, factored: false, log_evidence: evidence.ln() })
    }

    /// Factors of the density matrices of the right half, `ρ_j = R_j R_jᵀ`.
    pub(super) fn factors(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        let mut matrices = vec![self.behind()];
        let mut evidence = LogProduct::ONE;
        for (j, a) in self.tensors().iter().enumerate().rev() {
            let (l, d, _) = a.dim();
            let mut half = half_density(a.view(), &matrices[matrices.len() - 1]);
            let (max, roots) = roots(w, row, j, d);
            half *= &roots.insert_axis(Axis(1));
            let k = half.dim().2;
            let half = half.into_shape_with_order((l, d * k)).expect("standard layout");
            let (next, norm) = unit_norm(qr(half.t())?.1.reversed_axes());
            [norm, norm, max].into_iter().for_each(|factor| evidence.push(factor));
            matrices.push(next);
        }
        matrices.reverse();
        Ok(Right { matrices, factored: true, log_evidence: evidence.ln() })
    }

    /// A draw or score of one row under its environments.
    pub(super) fn draw_tilted(
        &self,
        w: &SiteWeights<'_>,
        row: usize,
        right: &Right,
        mut walk: Walk<'_>,
    ) -> Result<Vec<f64>> {
        let mut v = Array1::ones(1);
        // Where this draw leads to a small share, though the path of `least_share` did not.
        let mut factors = None;
        for j in 0..self.dims().len() {
            walk.enter(j);
            let (x, next) = if walk.draws() {
                let mut step = self.step(w, row, j, &v, factors.as_ref().unwrap_or(right));
                if step.share < SAFE && !right.factored && factors.is_none() {
                    step = self.step(w, row, j, &v, factors.insert(self.factors(w, row)?));
                }
                if step.share < LOST {
                    return Err(Error::ZeroEvidence { row });
                }
                let x = choose(&step.weights, step.total, walk.uniform(0, j));
                (x, step.next.swap_remove(x))
            } else {
                let x = walk.symbol(0, j);
                (x, v.dot(&self.tensors()[j].index_axis(Axis(1), x)))
            };
            // Draw and score alike: the product of these over the evidence is |ψ(x)|² ∏ w over the evidence.
            walk.record(0, j, x, w.get(row, j, x) * next.dot(&next));
            v = unit(&next);
        }
        Ok(walk.finish().into_iter().map(|log| log - right.log_evidence).collect())
    }
}

/// Environments of the right half of one row.
#[derive(Default)]
pub(super) struct Right {
    /// `ρ_j` for `j = 0..=N`, trace one (or zero; the last is the unit matrix), or their factors `R_j`.
    pub(super) matrices: Vec<Array2<f64>>,
    pub(super) factored: bool,
    /// `log Σ_x P(x) ∏ w_j(x_j)` in nats.
    pub(super) log_evidence: f64,
}

impl Right {
    pub(super) fn require_evidence(&self, row: usize) -> Result<()> {
        if self.log_evidence == f64::NEG_INFINITY { Err(Error::ZeroEvidence { row }) } else { Ok(()) }
    }

    /// `u ρ_j u`, not negative.
    fn form(&self, j: usize, u: &Array1<f64>) -> f64 {
        let m = &self.matrices[j];
        if self.factored {
            let v = u.dot(m);
            v.dot(&v)
        } else {
            u.dot(&m.dot(u)).max(0.0)
        }
    }
}

/// The symbols of a site behind a vector `v`.
struct Step {
    /// `v A[a]`.
    next: Vec<Array1<f64>>,
    /// `w(a) (v A[a]) ρ (v A[a])`.
    weights: Vec<f64>,
    total: f64,
    /// `total` over `Σ w(a)`, the most that right isometries allow.
    share: f64,
}

/// A vector of norm one, or zero.
fn unit(v: &Array1<f64>) -> Array1<f64> {
    let norm = v.dot(v).sqrt();
    v * if norm > 0.0 { 1.0 / norm } else { 0.0 }
}

/// A matrix of Frobenius norm one, and the norm it had; zero where that is rounding.
pub(super) fn unit_norm(mut m: Array2<f64>) -> (Array2<f64>, f64) {
    let square: f64 = m.iter().map(|v| v * v).sum();
    let norm = if square < LOST { 0.0 } else { square.sqrt() };
    m.mapv_inplace(|v| if norm > 0.0 { v / norm } else { 0.0 });
    (m, norm)
}

/// The largest weight of a site, and the roots of all over it, length `d`.
pub(super) fn roots(w: &SiteWeights<'_>, row: usize, j: usize, d: usize) -> (f64, Array1<f64>) {
    let max = (0..d).map(|x| w.get(row, j, x)).fold(0.0, f64::max);
    let root = |x: usize| if max > 0.0 { (w.get(row, j, x) / max).sqrt() } else { 0.0 };
    (max, (0..d).map(root).collect())
}

/// `A[a] ρ` for every state, shape `(χ_l, d, χ_r)`.
pub(super) fn half_density(a: ArrayView3<'_, f64>, rho: &Array2<f64>) -> Array3<f64> {
    let (l, d, r) = a.dim();
    let tall = a.to_shape((l * d, r)).expect("standard layout");
    let mut half = Array2::zeros((l * d, r));
    matmul_into(1.0, tall.view(), rho.view(), 0.0, half.view_mut());
    half.into_shape_with_order((l, d, r)).expect("standard layout")
}
