//! Truncation of the bond dimension by SVD.
//!
//! With all other tensors isometric, cutting the singular values of the centre is the best approximation at
//! that bond, and its squared error is the sum of the squared singular values discarded. A sweep from left to
//! right is a sequence of nested orthogonal projections, so the squared errors of the bonds *add up* to the
//! squared distance of the result, exactly: `‖v − v′‖² = ‖v‖² Σ_j w_j`. Reference: arXiv 1008.3477 §4.5.
//! Cost: O(N d² χ³).

use ndarray::{Array2, ArrayView2};

use super::mpo::Mpo;
use super::mps::Mps;
use super::scale::{left_matrix, reshape, right_matrix};
use crate::error::{Error, Result};
use crate::linalg::{matmul, strip, svd};

/// What a truncation may discard.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Truncation {
    /// Largest bond dimension kept; at least 1. Default: no limit.
    pub max_bond: usize,
    /// Squared weight that may be discarded at each bond, relative to the squared 2-norm of the vector; in
    /// [0, 1).
    ///
    /// Default 10⁻²⁸: a relative error of 10⁻¹⁴ a bond, which drops the singular values that are rounding (≈
    /// 10⁻¹⁶ each).
    pub cutoff: f64,
}

impl Default for Truncation {
    fn default() -> Self {
        Truncation { max_bond: usize::MAX, cutoff: 1e-28 }
    }
}

impl Truncation {
    /// Checks that both numbers are in their domains.
    pub(crate) fn check(&self) -> Result<()> {
        if self.max_bond == 0 {
            return Err(Error::parameter("max_bond", 0, "at least 1"));
        }
        if !(0.0..1.0).contains(&self.cutoff) {
            return Err(Error::parameter("cutoff", self.cutoff, "in [0, 1)"));
        }
        Ok(())
    }
}

/// What is left of singular values that were cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kept {
    /// How many of them, the largest.
    pub(crate) rank: usize,
    /// Sum of the squares of the others.
    pub(crate) discarded: f64,
}

/// The one rule by which singular values, descending, are cut, from the smallest up: away goes what is beyond
/// `max_bond`, what fits into the budget `cutoff` of squared weight, and every value whose square is at most
/// `noise`. One is always kept.
pub(crate) fn cut(s: &[f64], truncation: &Truncation, noise: f64) -> Kept {
    let squares: Vec<f64> = s.iter().map(|s| s * s).collect();
    let mut kept = Kept { rank: squares.len(), discarded: 0.0 };
    while kept.rank > 1 {
        let square = squares[kept.rank - 1];
        let more = kept.discarded + square;
        if kept.rank <= truncation.max_bond && more > truncation.cutoff && square > noise {
            break;
        }
        kept = Kept { rank: kept.rank - 1, discarded: more };
    }
    kept
}

/// What a truncation discarded.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct TruncationError {
    /// Squared weight discarded at each bond, relative to the squared 2-norm of the vector before, `N − 1`
    /// entries.
    pub weights: Vec<f64>,
}

impl TruncationError {
    /// Total discarded weight, `‖v − v′‖² / ‖v‖²`.
    pub fn total(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// Relative distance in the 2-norm, `‖v − v′‖ / ‖v‖`.
    pub fn distance(&self) -> f64 {
        self.total().sqrt()
    }
}

/// One truncating sweep: splits centre matrices one after the other and keeps the books.
pub(super) struct Splitter {
    truncation: Truncation,
    /// Half the logarithm of the squared weight kept so far.
    log_kept: f64,
    weights: Vec<f64>,
}

impl Splitter {
    pub(super) fn new(truncation: &Truncation) -> Result<Self> {
        truncation.check()?;
        Ok(Splitter { truncation: *truncation, log_kept: 0.0, weights: Vec::new() })
    }

    /// Brings a matrix to Frobenius norm 1 and returns the logarithm of the norm it had (0 for a zero
    /// matrix).
    pub(super) fn normalise(m: &mut Array2<f64>) -> f64 {
        let e = strip(m);
        let norm = m.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm == 0.0 {
            return 0.0;
        }
        *m /= norm;
        norm.ln() + e as f64 * std::f64::consts::LN_2
    }

    /// Splits a matrix of norm 1 into an isometry and a rest of norm 1, with the bond between them truncated.
    pub(super) fn split(&mut self, centre: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let parts = svd(centre)?;
        let cutoff = self.truncation.cutoff * (-2.0 * self.log_kept).exp();
        let Kept { rank, discarded } = cut(&parts.s.to_vec(), &Truncation { cutoff, ..self.truncation }, 0.0);
        self.weights.push(discarded * (2.0 * self.log_kept).exp());
        let kept = ndarray::s![..rank];
        let norm = parts.s.slice(kept).iter().map(|s| s * s).sum::<f64>().sqrt();
        let mut rest = parts.vt.slice(ndarray::s![..rank, ..]).to_owned();
        if norm > 0.0 {
            self.log_kept += norm.ln();
        }
        for (mut row, s) in rest.outer_iter_mut().zip(parts.s.slice(kept)) {
            row *= if norm > 0.0 { s / norm } else { 0.0 };
        }
        Ok((parts.u.slice(ndarray::s![.., ..rank]).to_owned(), rest))
    }

    /// Logarithm of the norm kept relative to the norm before, and the weights discarded.
    pub(super) fn finish(self) -> (f64, TruncationError) {
        (self.log_kept, TruncationError { weights: self.weights })
    }
}

impl Mps {
    /// The vector with its bonds truncated, left-canonical, and what that cost. The norm is that of the
    /// projection, not restored.
    ///
    /// # Errors
    /// A truncation out of its domain; [`Error::NoConvergence`] of an SVD.
    pub fn compress(&self, truncation: &Truncation) -> Result<(Mps, TruncationError)> {
        let mut splitter = Splitter::new(truncation)?;
        let (mut tensors, log_scale) = self.canonical(0)?.into_mps().into_parts();
        for j in 0..tensors.len() - 1 {
            let (l, d, _) = tensors[j].dim();
            let (u, rest) = splitter.split(left_matrix(&tensors[j]))?;
            let (_, d_next, r) = tensors[j + 1].dim();
            tensors[j + 1] = reshape(&matmul(rest.view(), right_matrix(&tensors[j + 1])), (rest.nrows(), d_next, r));
            tensors[j] = reshape(&u, (l, d, u.ncols()));
        }
        let (log_kept, error) = splitter.finish();
        Ok((Mps::trusted(tensors, log_scale + log_kept), error))
    }
}

impl Mpo {
    /// The operator with its bonds truncated in the Frobenius norm, as a vector of `d_in d_out` states a
    /// site.
    ///
    /// # Errors
    /// As [`Mps::compress`].
    pub fn compress(&self, truncation: &Truncation) -> Result<(Mpo, TruncationError)> {
        let (train, error) = self.fuse().compress(truncation)?;
        Ok((Mpo::unfuse(train, self.dims_in(), self.dims_out()), error))
    }
}
