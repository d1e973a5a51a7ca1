//! Matrix-product operators.

use ndarray::{Array2, Array4};

use super::mps::Mps;
use super::scale::{check_dim, check_log_scale, reshape, row_major};
use crate::error::{Error, Result};

/// A matrix on configurations: `K(x, y) = e^{log_scale} W_1[x_1, y_1] ⋯ W_N[x_N, y_N]`.
///
/// Tensor `j` has shape `(D_{j−1}, d_in, d_out, D_j)` with `D_0 = D_N = 1`; `x` (input, row) and `y` (output,
/// column) may have different local dimensions. Entries are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Mpo {
    tensors: Vec<Array4<f64>>,
    dims_in: Vec<usize>,
    dims_out: Vec<usize>,
    log_scale: f64,
}

impl Mpo {
    /// Builds from tensors of shape `(D_{j−1}, d_in, d_out, D_j)` and a scale in nats.
    ///
    /// # Errors
    /// As [`super::mps::Mps::new`].
    pub fn new(tensors: Vec<Array4<f64>>, log_scale: f64) -> Result<Self> {
        if tensors.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        check_log_scale(log_scale)?;
        let mut left = 1;
        for (j, w) in tensors.iter().enumerate() {
            let (l, a, b, r) = w.dim();
            let right = if j + 1 == tensors.len() { 1 } else { r };
            if l != left || r != right || r == 0 {
                return Err(Error::Shape { field: "tensor", expected: vec![left, a, b, right], got: vec![l, a, b, r] });
            }
            check_dim(a)?;
            check_dim(b)?;
            if let Some(&value) = w.iter().find(|v| !v.is_finite()) {
                return Err(Error::NotFinite { field: "tensor", site: j, value });
            }
            left = r;
        }
        Ok(Mpo::trusted(tensors, log_scale))
    }

    /// As [`Mpo::new`] for tensors known to fit.
    pub(super) fn trusted(tensors: Vec<Array4<f64>>, log_scale: f64) -> Self {
        let tensors: Vec<_> = tensors.into_iter().map(row_major).collect();
        let dims_in = tensors.iter().map(|w| w.dim().1).collect();
        let dims_out = tensors.iter().map(|w| w.dim().2).collect();
        Mpo { tensors, dims_in, dims_out, log_scale }
    }

    /// A product operator `K(x, y) = ∏_j factors[j][x_j, y_j]`, bond dimension 1; the factors may be
    /// rectangular.
    ///
    /// # Errors
    /// As [`Mpo::new`].
    pub fn product(factors: &[Array2<f64>]) -> Result<Self> {
        Mpo::new(factors.iter().map(|f| reshape(f, (1, f.nrows(), f.ncols(), 1))).collect(), 0.0)
    }

    /// The identity, bond dimension 1.
    ///
    /// # Errors
    /// No sites, a local dimension outside 1..=256.
    pub fn identity(dims: &[usize]) -> Result<Self> {
        Mpo::product(&dims.iter().map(|&d| Array2::eye(d)).collect::<Vec<_>>())
    }

    /// The operator as a vector with `d_in d_out` states a site, the output index running faster.
    pub(super) fn fuse(&self) -> Mps {
        let fused = |w: &Array4<f64>| {
            let (l, a, b, r) = w.dim();
            reshape(w, (l, a * b, r))
        };
        Mps::trusted(self.tensors.iter().map(fused).collect(), self.log_scale)
    }

    /// The inverse of [`Mpo::fuse`].
    pub(super) fn unfuse(train: Mps, dims_in: &[usize], dims_out: &[usize]) -> Self {
        let (tensors, log_scale) = train.into_parts();
        let split = |(a, (&d_in, &d_out)): (ndarray::Array3<f64>, (&usize, &usize))| {
            reshape(&a, (a.dim().0, d_in, d_out, a.dim().2))
        };
        Mpo::trusted(tensors.into_iter().zip(dims_in.iter().zip(dims_out)).map(split).collect(), log_scale)
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.tensors.len()
    }

    /// Local dimensions of the input (row) index.
    pub fn dims_in(&self) -> &[usize] {
        &self.dims_in
    }

    /// Local dimensions of the output (column) index.
    pub fn dims_out(&self) -> &[usize] {
        &self.dims_out
    }

    /// The tensors, shape `(D_{j−1}, d_in, d_out, D_j)` each.
    pub fn tensors(&self) -> &[Array4<f64>] {
        &self.tensors
    }

    /// Logarithm of the scale factor, in nats.
    pub fn log_scale(&self) -> f64 {
        self.log_scale
    }

    /// Bond dimensions between neighbouring sites.
    pub fn bonds(&self) -> Vec<usize> {
        self.tensors[1..].iter().map(|w| w.dim().0).collect()
    }

    /// The largest bond dimension (1 for a product operator or a single site).
    pub fn max_bond(&self) -> usize {
        self.bonds().into_iter().max().unwrap_or(1)
    }
}
