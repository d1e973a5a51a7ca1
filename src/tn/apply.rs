//! Operators on vectors and on operators, in the row convention `(pK)(y) = Σ_x p(x) K(x, y)`.
//!
//! Bond dimensions multiply: `χ D` exactly, at O(N d² χ² D²) multiply-adds; a compressed product costs O(N d²
//! (χ D)³) more.

use ndarray::{Array3, Array4};

use super::mpo::Mpo;
use super::mps::Mps;
use super::scale::{balanced, check_log_scale, reshape};
use super::truncate::{Truncation, TruncationError};
use crate::configs::match_dims;
use crate::error::Result;
use crate::linalg::matmul;

impl Mpo {
    /// The product `pK` of a (row) vector and the operator, exact, bond dimensions multiplied.
    ///
    /// # Errors
    /// The local dimensions of `p` differ from `dims_in`.
    pub fn apply(&self, p: &Mps) -> Result<Mps> {
        match_dims(self.dims_in(), p.dims())?;
        let mut shift = 0;
        let mut site = |(w, a): (&Array4<f64>, &Array3<f64>)| {
            let ((w, e_w), (a, e_a)) = (balanced(w), balanced(a));
            shift += e_w + e_a;
            let ((wl, d_in, d_out, wr), (al, _, ar)) = (w.dim(), a.dim());
            let a = reshape(&a.view().permuted_axes([0, 2, 1]), (al * ar, d_in));
            let w = reshape(&w.view().permuted_axes([1, 0, 2, 3]), (d_in, wl * d_out * wr));
            let product = reshape(&matmul(a.view(), w.view()), (al, ar, wl, d_out, wr));
            reshape(&product.permuted_axes([2, 0, 3, 4, 1]), (wl * al, d_out, wr * ar))
        };
        let tensors = self.tensors().iter().zip(p.tensors()).map(&mut site).collect();
        let log_scale = self.log_scale() + p.log_scale() + shift as f64 * std::f64::consts::LN_2;
        Ok(Mps::trusted(tensors, check_log_scale(log_scale)?))
    }

    /// The product `pK` with its bonds truncated, and what that cost.
    ///
    /// # Errors
    /// As [`Mpo::apply`] and [`Mps::compress`].
    pub fn apply_compressed(&self, p: &Mps, truncation: &Truncation) -> Result<(Mps, TruncationError)> {
        self.apply(p)?.compress(truncation)
    }

    /// The matrix product `self · other`: first `self`, then `other`, for a row vector. Bond dimensions
    /// multiply.
    ///
    /// # Errors
    /// The outputs of `self` are not the inputs of `other`.
    pub fn compose(&self, other: &Mpo) -> Result<Mpo> {
        match_dims(self.dims_out(), other.dims_in())?;
        let mut shift = 0;
        let mut site = |(v, w): (&Array4<f64>, &Array4<f64>)| {
            let ((v, e_v), (w, e_w)) = (balanced(v), balanced(w));
            shift += e_v + e_w;
            let ((vl, x, y, vr), (wl, _, z, wr)) = (v.dim(), w.dim());
            let v = reshape(&v.view().permuted_axes([0, 1, 3, 2]), (vl * x * vr, y));
            let w = reshape(&w.view().permuted_axes([1, 0, 2, 3]), (y, wl * z * wr));
            let product = reshape(&matmul(v.view(), w.view()), [vl, x, vr, wl, z, wr]);
            reshape(&product.permuted_axes([0, 3, 1, 4, 2, 5]), (vl * wl, x, z, vr * wr))
        };
        let tensors = self.tensors().iter().zip(other.tensors()).map(&mut site).collect();
        let log_scale = self.log_scale() + other.log_scale() + shift as f64 * std::f64::consts::LN_2;
        Ok(Mpo::trusted(tensors, check_log_scale(log_scale)?))
    }

    /// The transpose, `Kᵗ(y, x) = K(x, y)`.
    pub fn transpose(&self) -> Mpo {
        let transposed = |w: &Array4<f64>| w.clone().permuted_axes([0, 2, 1, 3]);
        Mpo::trusted(self.tensors().iter().map(transposed).collect(), self.log_scale())
    }
}
