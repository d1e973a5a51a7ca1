//! Canonical forms: `v = ‖v‖ · (left isometries) C (right isometries)`, with `‖C‖_F = 1` at the centre.
//!
//! Left isometry: `Σ_{l,a} A[l,a,r] A[l,a,r′] = δ_{rr′}`; right isometry:
//! `Σ_{a,r} A[l,a,r] A[l′,a,r] = δ_{ll′}`. The norm is `e^{log_scale}`. By QR, O(N d χ³); bonds shrink where
//! the tensors next to them do not span them. Reference: arXiv 1008.3477 §4.4.

use ndarray::Array3;

use super::mps::Mps;
use super::scale::{balanced, check_log_scale, left_matrix, reshape, right_matrix};
use super::truncate::Splitter;
use crate::error::{Error, Result};
use crate::linalg::{matmul, qr, strip};

/// A vector in mixed-canonical form about a centre site.
///
/// Invariant: tensors left of the centre are left isometries, those right of it right isometries, the centre
/// has Frobenius norm 1, or 0 for the zero vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Canonical {
    tensors: Vec<Array3<f64>>,
    log_scale: f64,
    centre: usize,
}

impl Mps {
    /// The same vector in canonical form: left-canonical for `centre = N − 1`, right-canonical for
    /// `centre = 0`.
    ///
    /// # Errors
    /// A centre outside the chain.
    pub fn canonical(&self, centre: usize) -> Result<Canonical> {
        let n = self.sites();
        if centre >= n {
            return Err(Error::parameter("centre", centre, "a site of the chain"));
        }
        let mut shift = 0;
        let mut balance = |tensor| {
            let (tensor, e) = balanced(tensor);
            shift += e;
            tensor.into_owned()
        };
        let mut tensors: Vec<_> = self.tensors().iter().map(&mut balance).collect();
        for j in 0..centre {
            shift += push_right(&mut tensors, j)?;
        }
        for j in (centre + 1..n).rev() {
            shift += push_left(&mut tensors, j)?;
        }
        let log_scale = self.log_scale() + shift as f64 * std::f64::consts::LN_2;
        let mut canonical = Canonical { tensors, log_scale, centre };
        canonical.normalise()?;
        Ok(canonical)
    }

    /// Logarithm of the 2-norm in nats; −∞ for the zero vector. Costs O(N d χ³).
    ///
    /// # Errors
    /// A norm whose logarithm overflows.
    pub fn log_norm(&self) -> Result<f64> {
        Ok(self.canonical(0)?.log_norm())
    }
}

impl Canonical {
    /// The centre site.
    pub fn centre(&self) -> usize {
        self.centre
    }

    /// The tensors, shape `(χ_{j−1}, d_j, χ_j)` each.
    pub fn tensors(&self) -> &[Array3<f64>] {
        &self.tensors
    }

    /// Logarithm of the 2-norm in nats; −∞ for the zero vector.
    pub fn log_norm(&self) -> f64 {
        if self.tensors[self.centre].iter().all(|&v| v == 0.0) { f64::NEG_INFINITY } else { self.log_scale }
    }

    /// Moves the centre to another site, O(d χ³) a step.
    ///
    /// # Errors
    /// A centre outside the chain.
    pub fn move_to(mut self, centre: usize) -> Result<Self> {
        if centre >= self.tensors.len() {
            return Err(Error::parameter("centre", centre, "a site of the chain"));
        }
        let mut shift = 0;
        for j in self.centre..centre {
            shift += push_right(&mut self.tensors, j)?;
        }
        for j in (centre + 1..=self.centre).rev() {
            shift += push_left(&mut self.tensors, j)?;
        }
        self.log_scale += shift as f64 * std::f64::consts::LN_2;
        self.centre = centre;
        self.normalise()?;
        Ok(self)
    }

    /// The vector, in this gauge.
    pub fn into_mps(self) -> Mps {
        Mps::trusted(self.tensors, self.log_scale)
    }

    /// Moves the norm of the centre into the scale.
    fn normalise(&mut self) -> Result<()> {
        let (l, d, r) = self.tensors[self.centre].dim();
        let mut centre = left_matrix(&self.tensors[self.centre]).to_owned();
        self.log_scale = check_log_scale(self.log_scale + Splitter::normalise(&mut centre))?;
        self.tensors[self.centre] = reshape(&centre, (l, d, r));
        Ok(())
    }
}

/// Makes tensor `j` a left isometry and multiplies the rest into tensor `j + 1`; returns the power of two
/// taken out.
fn push_right(tensors: &mut [Array3<f64>], j: usize) -> Result<i64> {
    let (l, d, _) = tensors[j].dim();
    let (q, mut r) = qr(left_matrix(&tensors[j]))?;
    let e = strip(&mut r);
    let (_, d_next, right) = tensors[j + 1].dim();
    tensors[j + 1] = reshape(&matmul(r.view(), right_matrix(&tensors[j + 1])), (r.nrows(), d_next, right));
    tensors[j] = reshape(&q, (l, d, q.ncols()));
    Ok(e)
}

/// Makes tensor `j` a right isometry and multiplies the rest into tensor `j − 1`; returns the power of two
/// taken out.
fn push_left(tensors: &mut [Array3<f64>], j: usize) -> Result<i64> {
    let (_, d, r) = tensors[j].dim();
    let (q, mut rest) = qr(right_matrix(&tensors[j]).t())?;
    let e = strip(&mut rest);
    let (left, d_next, _) = tensors[j - 1].dim();
    let product = matmul(left_matrix(&tensors[j - 1]), rest.t());
    tensors[j - 1] = reshape(&product, (left, d_next, rest.nrows()));
    tensors[j] = reshape(&q.t(), (q.ncols(), d, r));
    Ok(e)
}
