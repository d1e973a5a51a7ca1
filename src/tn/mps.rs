//! Matrix-product states.

use ndarray::{Array3, ArrayView1};
use rand::RngExt;

use super::scale::{check_dim, check_log_scale, reshape, row_major};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A vector on `∏_j {0..d_j}`: `v(x) = e^{log_scale} A_1[x_1] ⋯ A_N[x_N]`.
///
/// Tensor `j` has shape `(χ_{j−1}, d_j, χ_j)` with `χ_0 = χ_N = 1`. Entries are finite; the scale is kept
/// apart in nats so that chains of 10⁵ sites neither over- nor underflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Mps {
    tensors: Vec<Array3<f64>>,
    dims: Vec<usize>,
    log_scale: f64,
}

impl Mps {
    /// Builds from tensors of shape `(χ_{j−1}, d_j, χ_j)` and a scale in nats.
    ///
    /// # Errors
    /// No tensors, `d_j` outside 1..=256, bonds that do not match, boundary bonds other than one, entries or
    /// scale not finite.
    pub fn new(tensors: Vec<Array3<f64>>, log_scale: f64) -> Result<Self> {
        if tensors.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        check_log_scale(log_scale)?;
        let mut left = 1;
        for (j, a) in tensors.iter().enumerate() {
            let (l, d, r) = a.dim();
            let right = if j + 1 == tensors.len() { 1 } else { r.max(1) };
            if l != left || r != right {
                return Err(Error::Shape { field: "tensor", expected: vec![left, d, right], got: vec![l, d, r] });
            }
            check_dim(d)?;
            if let Some(&value) = a.iter().find(|v| !v.is_finite()) {
                return Err(Error::NotFinite { field: "tensor", site: j, value });
            }
            left = r;
        }
        Ok(Mps::trusted(tensors, log_scale))
    }

    /// As [`Mps::new`] for tensors known to fit; the fused form of an operator has `d_in d_out` states a
    /// site.
    pub(super) fn trusted(tensors: Vec<Array3<f64>>, log_scale: f64) -> Self {
        let tensors: Vec<_> = tensors.into_iter().map(row_major).collect();
        let dims = tensors.iter().map(|a| a.dim().1).collect();
        Mps { tensors, dims, log_scale }
    }

    /// A product vector `v(x) = ∏_j factors[j][x_j]`, bond dimension 1.
    ///
    /// # Errors
    /// As [`Mps::new`].
    pub fn product(factors: &[Vec<f64>]) -> Result<Self> {
        let tensor = |f: &Vec<f64>| reshape(&ArrayView1::from(f), (1, f.len(), 1));
        Mps::new(factors.iter().map(tensor).collect(), 0.0)
    }

    /// A random vector with tensor entries uniform in (0, 1], strictly positive everywhere.
    ///
    /// The bond dimension is `bond`, less near the ends where `∏ d` of one side is smaller.
    ///
    /// # Errors
    /// As [`Mps::new`], and for `bond = 0`.
    pub fn random_positive(dims: &[usize], bond: usize, stream: &mut Stream) -> Result<Self> {
        Mps::random(dims, bond, || 1.0 - stream.random::<f64>())
    }

    /// A random vector with tensor entries uniform in [−1, 1); bond dimension as [`Mps::random_positive`].
    ///
    /// # Errors
    /// As [`Mps::random_positive`].
    pub fn random_real(dims: &[usize], bond: usize, stream: &mut Stream) -> Result<Self> {
        Mps::random(dims, bond, || 2.0 * stream.random::<f64>() - 1.0)
    }

    fn random(dims: &[usize], bond: usize, mut entry: impl FnMut() -> f64) -> Result<Self> {
        if bond == 0 {
            return Err(Error::parameter("bond", bond, "at least 1"));
        }
        dims.iter().try_for_each(|&d| check_dim(d))?;
        let from_left = |size: &mut usize, d: &usize| {
            *size = size.saturating_mul(*d).min(bond);
            Some(*size)
        };
        let left: Vec<usize> = dims.iter().scan(1, from_left).collect();
        let mut right: Vec<usize> = dims.iter().rev().scan(1, from_left).collect();
        right.reverse();
        let n = dims.len();
        let size = |j: usize| if j == 0 || j == n { 1 } else { left[j - 1].min(right[j]) };
        let tensors = (0..n).map(|j| Array3::from_shape_simple_fn((size(j), dims[j], size(j + 1)), &mut entry));
        Mps::new(tensors.collect(), 0.0)
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.tensors.len()
    }

    /// Local dimension of each site.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The tensors, shape `(χ_{j−1}, d_j, χ_j)` each.
    pub fn tensors(&self) -> &[Array3<f64>] {
        &self.tensors
    }

    /// Logarithm of the scale factor, in nats.
    pub fn log_scale(&self) -> f64 {
        self.log_scale
    }

    /// Bond dimensions `χ_1 … χ_{N−1}` between neighbouring sites.
    pub fn bonds(&self) -> Vec<usize> {
        self.tensors[1..].iter().map(|a| a.dim().0).collect()
    }

    /// The largest bond dimension (1 for a product state or a single site).
    pub fn max_bond(&self) -> usize {
        self.bonds().into_iter().max().unwrap_or(1)
    }

    /// Takes the tensors and the scale out.
    pub fn into_parts(self) -> (Vec<Array3<f64>>, f64) {
        (self.tensors, self.log_scale)
    }
}
