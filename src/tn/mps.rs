//! Matrix-product states.

use ndarray::Array3;

use crate::error::{Error, Result};

/// A vector on `∏_j {0..d_j}`: `v(x) = e^{log_scale} A_1[x_1] ⋯ A_N[x_N]`.
///
/// Tensor `j` has shape `(χ_{j−1}, d_j, χ_j)` with `χ_0 = χ_N = 1`. Entries are finite; the scale is kept apart in nats so that
/// chains of 10⁵ sites neither over- nor underflow.
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
    /// No tensors, `d_j` outside 1..=256, bonds that do not match, boundary bonds other than one, entries or scale not finite.
    pub fn new(tensors: Vec<Array3<f64>>, log_scale: f64) -> Result<Self> {
        if tensors.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        if !log_scale.is_finite() {
            return Err(Error::NotFinite { field: "log_scale", site: 0, value: log_scale });
        }
        let mut left = 1;
        for (j, a) in tensors.iter().enumerate() {
            let (l, d, r) = a.dim();
            let right = if j + 1 == tensors.len() { 1 } else { r };
            if l != left || r != right || r == 0 {
                return Err(Error::Shape { field: "tensor", expected: vec![left, d, right], got: vec![l, d, r] });
            }
            if !(1..=256).contains(&d) {
                return Err(Error::parameter("local dimension", d, "between 1 and 256"));
            }
            if let Some(&value) = a.iter().find(|v| !v.is_finite()) {
                return Err(Error::NotFinite { field: "tensor", site: j, value });
            }
            left = r;
        }
        let dims = tensors.iter().map(|a| a.dim().1).collect();
        Ok(Mps { tensors, dims, log_scale })
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
