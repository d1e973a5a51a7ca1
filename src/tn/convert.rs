//! Between trains and dense arrays, for systems that fit in memory.
//!
//! Dense vectors are row-major with site 1 most significant; a matrix has rows `x` and columns `y` in that
//! order. From dense to train by successive SVDs from the left (Oseledets 2011), each of a matrix
//! `χ_{j−1} d_j × ∏_{i>j} d_i`.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::mpo::Mpo;
use super::mps::Mps;
use super::scale::{balanced, check_dim, reshape, right_matrix, scale_by};
use super::truncate::{Splitter, Truncation, TruncationError};
use crate::error::{Error, Result};
use crate::linalg::{matmul, strip};

/// Largest dense vector or matrix that [`Mps::to_dense`] and [`Mpo::to_dense`] write: 2²⁴ numbers, 128 MiB.
const DENSE_LIMIT: usize = 1 << 24;

/// `∏ d`, saturating.
fn size_of(dims: &[usize]) -> usize {
    dims.iter().fold(1, |size: usize, &d| size.saturating_mul(d))
}

impl Mps {
    /// The vector given by its entries, shape `(∏ d,)`, and what the truncation cost.
    ///
    /// # Errors
    /// No sites, a local dimension outside 1..=256, a length other than `∏ d`, entries not finite, a
    /// truncation out of its domain.
    pub fn from_dense(
        vector: ArrayView1<'_, f64>,
        dims: &[usize],
        truncation: &Truncation,
    ) -> Result<(Self, TruncationError)> {
        dims.iter().try_for_each(|&d| check_dim(d))?;
        if dims.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        if vector.len() != size_of(dims) {
            return Err(Error::Shape { field: "vector", expected: vec![size_of(dims)], got: vec![vector.len()] });
        }
        decompose(vector, dims, truncation)
    }

    /// All entries, shape `(∏ d,)`. Costs O(∏d · χ).
    ///
    /// # Errors
    /// [`Error::TooLarge`] above 2²⁴ entries; [`Error::NotFinite`] where an entry overflows.
    pub fn to_dense(&self) -> Result<Array1<f64>> {
        let size = size_of(self.dims());
        if size > DENSE_LIMIT {
            return Err(Error::TooLarge { what: "dense vector", size, limit: DENSE_LIMIT });
        }
        let (mut v, mut e) = (Array2::ones((1, 1)), 0);
        for tensor in self.tensors() {
            let (tensor, shift) = balanced(tensor);
            let (rows, d, r) = (v.nrows(), tensor.dim().1, tensor.dim().2);
            v = reshape(&matmul(v.view(), right_matrix(&tensor)), (rows * d, r));
            e += shift + strip(&mut v);
        }
        scale_by(&mut v, e, self.log_scale());
        if let Some((site, &value)) = v.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NotFinite { field: "dense vector", site, value });
        }
        Ok(v.remove_axis(ndarray::Axis(1)))
    }
}

impl Mpo {
    /// The operator given by its entries `[x, y]`, and what the truncation cost.
    ///
    /// # Errors
    /// As [`Mps::from_dense`]; [`Error::SiteCount`] when `dims_in` and `dims_out` differ in length.
    pub fn from_dense(
        matrix: ArrayView2<'_, f64>,
        dims_in: &[usize],
        dims_out: &[usize],
        truncation: &Truncation,
    ) -> Result<(Self, TruncationError)> {
        dims_in.iter().chain(dims_out).try_for_each(|&d| check_dim(d))?;
        if dims_in.is_empty() || dims_in.len() != dims_out.len() {
            return Err(Error::SiteCount { expected: dims_in.len().max(1), got: dims_out.len() });
        }
        let expected = [size_of(dims_in), size_of(dims_out)];
        if matrix.shape() != expected {
            return Err(Error::Shape { field: "matrix", expected: expected.to_vec(), got: matrix.shape().to_vec() });
        }
        let n = dims_in.len();
        let interleaved: Vec<usize> = (0..n).flat_map(|j| [j, n + j]).collect();
        let legs: Vec<usize> = dims_in.iter().chain(dims_out).copied().collect();
        let fused = reshape(&reshape(&matrix, legs).permuted_axes(interleaved), matrix.len());
        let dims: Vec<usize> = dims_in.iter().zip(dims_out).map(|(a, b)| a * b).collect();
        let (train, error) = decompose(fused.view(), &dims, truncation)?;
        Ok((Mpo::unfuse(train, dims_in, dims_out), error))
    }

    /// All entries, shape `(∏ d_in, ∏ d_out)`. Costs O(∏ d_in d_out · D).
    ///
    /// # Errors
    /// As [`Mps::to_dense`].
    pub fn to_dense(&self) -> Result<Array2<f64>> {
        let n = self.sites();
        let fused = self.fuse().to_dense()?;
        let legs: Vec<usize> = self.dims_in().iter().zip(self.dims_out()).flat_map(|(&a, &b)| [a, b]).collect();
        let sorted: Vec<usize> = (0..n).map(|j| 2 * j).chain((0..n).map(|j| 2 * j + 1)).collect();
        let matrix = reshape(&fused, legs).permuted_axes(sorted);
        Ok(reshape(&matrix, (size_of(self.dims_in()), size_of(self.dims_out()))))
    }
}

/// The train of a vector with any (also fused) local dimensions, which multiply to its length.
fn decompose(vector: ArrayView1<'_, f64>, dims: &[usize], truncation: &Truncation) -> Result<(Mps, TruncationError)> {
    if let Some((site, &value)) = vector.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite { field: "dense entries", site, value });
    }
    let mut splitter = Splitter::new(truncation)?;
    let mut rest = reshape(&vector, (1, vector.len()));
    let log_norm = Splitter::normalise(&mut rest);
    let mut tensors = Vec::with_capacity(dims.len());
    for &d in &dims[..dims.len() - 1] {
        let (left, len) = rest.dim();
        let (u, remainder) = splitter.split(reshape(&rest, (left * d, len / d)).view())?;
        tensors.push(reshape(&u, (left, d, u.ncols())));
        rest = remainder;
    }
    tensors.push(reshape(&rest, (rest.nrows(), dims[dims.len() - 1], 1)));
    let (log_kept, error) = splitter.finish();
    Ok((Mps::trusted(tensors, log_norm + log_kept), error))
}
