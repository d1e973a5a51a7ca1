//! Matrix-product operators.

use ndarray::{Array2, Array4};

use crate::error::{Error, Result};

/// A matrix on configurations: `K(x, y) = e^{log_scale} W_1[x_1, y_1] ⋯ W_N[x_N, y_N]`.
///
/// Tensor `j` has shape `(D_{j−1}, d_in, d_out, D_j)` with `D_0 = D_N = 1`; `x` (input, row) and `y` (output, column) may have
/// different local dimensions. Entries are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Mpo {
    tensors: Vec<Array4<f64>>,
    dims_in: Vec<usize>,
    dims_out: Vec<usize>,
    log_scale: f64,
}

/// A term of a sum of local operators: `matrix` acts on the sites `first..first + k`.
///
/// The matrix is square of size `∏ d` over those sites; its indices are row-major with the first site most significant, rows
/// are inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalTerm {
    /// First site that the term acts on.
    pub first: usize,
    /// The operator, shape `(∏ d, ∏ d)`, element `[x, y]`.
    pub matrix: Array2<f64>,
}

impl Mpo {
    /// Builds from tensors of shape `(D_{j−1}, d_in, d_out, D_j)` and a scale in nats.
    ///
    /// # Errors
    /// As [`super::Mps::new`].
    pub fn new(tensors: Vec<Array4<f64>>, log_scale: f64) -> Result<Self> {
        if tensors.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        if !log_scale.is_finite() {
            return Err(Error::NotFinite { field: "log_scale", site: 0, value: log_scale });
        }
        let mut left = 1;
        for (j, w) in tensors.iter().enumerate() {
            let (l, a, b, r) = w.dim();
            let right = if j + 1 == tensors.len() { 1 } else { r };
            if l != left || r != right || r == 0 {
                return Err(Error::Shape { field: "tensor", expected: vec![left, a, b, right], got: vec![l, a, b, r] });
            }
            for d in [a, b] {
                if !(1..=256).contains(&d) {
                    return Err(Error::parameter("local dimension", d, "between 1 and 256"));
                }
            }
            if let Some(&value) = w.iter().find(|v| !v.is_finite()) {
                return Err(Error::NotFinite { field: "tensor", site: j, value });
            }
            left = r;
        }
        let dims_in = tensors.iter().map(|w| w.dim().1).collect();
        let dims_out = tensors.iter().map(|w| w.dim().2).collect();
        Ok(Mpo { tensors, dims_in, dims_out, log_scale })
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
