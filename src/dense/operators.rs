//! Dense matrices on configurations: row index the configuration before, column index the one after.

use nalgebra::DMatrix;
use ndarray::Array2;

use super::law::{MAX_MATRIX_ENTRIES, states};
use crate::error::{Error, Result};
use crate::noise::Kernel;

/// Numbers of configurations of the two alphabets, or the error that says that the matrix is too large.
fn guarded_shape(dims_in: &[usize], dims_out: &[usize]) -> Result<(usize, usize)> {
    let size = |dims: &[usize]| dims.iter().fold(1usize, |size, &d| size.saturating_mul(d));
    let (rows, columns) = (size(dims_in), size(dims_out));
    let entries = rows.saturating_mul(columns);
    if entries > MAX_MATRIX_ENTRIES {
        return Err(Error::TooLarge { what: "dense matrix", size: entries, limit: MAX_MATRIX_ENTRIES });
    }
    Ok((rows, columns))
}

/// The product kernel as a matrix, `K(x, y) = ∏_j K_j(x_j → y_j)`, shape `(∏ d_in, ∏ d_out)`.
///
/// # Errors
/// [`Error::TooLarge`] beyond 2²² entries.
pub fn kernel_matrix(kernel: &Kernel) -> Result<Array2<f64>> {
    let shape = guarded_shape(kernel.dims_in(), kernel.dims_out())?;
    let tables = kernel.tables();
    let mut matrix = Array2::zeros(shape);
    for (i, mut row) in matrix.outer_iter_mut().enumerate() {
        let x = states(kernel.dims_in(), i);
        for (k, entry) in row.iter_mut().enumerate() {
            let y = states(kernel.dims_out(), k);
            *entry = (0..x.len()).map(|j| tables[[j, x[j].into(), y[j].into()]]).product();
        }
    }
    Ok(matrix)
}

/// The generator `Σ_j Q_j` of independent single-site jumps as a matrix, from one `d × d` rate matrix a site.
///
/// # Errors
/// [`Error::SiteCount`] for no sites; [`Error::Shape`] for a matrix that is not square; [`Error::TooLarge`]
/// beyond 2²² entries.
pub fn generator_matrix(rates: &[Array2<f64>]) -> Result<Array2<f64>> {
    if rates.is_empty() {
        return Err(Error::SiteCount { expected: 1, got: 0 });
    }
    if let Some(q) = rates.iter().find(|q| !q.is_square()) {
        let d = q.nrows();
        return Err(Error::Shape { field: "rates", expected: vec![d, d], got: q.shape().to_vec() });
    }
    let dims: Vec<usize> = rates.iter().map(Array2::nrows).collect();
    let (size, _) = guarded_shape(&dims, &dims)?;
    let mut matrix = Array2::zeros((size, size));
    for i in 0..size {
        let x = states(&dims, i);
        let mut stride = size;
        for (j, q) in rates.iter().enumerate() {
            stride /= dims[j];
            let a = usize::from(x[j]);
            for b in 0..dims[j] {
                matrix[[i, i + b * stride - a * stride]] += q[[a, b]];
            }
        }
    }
    Ok(matrix)
}

/// The matrix exponential by nalgebra's Padé approximation: a check of the kernels that is independent of
/// [`crate::noise`].
///
/// # Errors
/// [`Error::Shape`] for a matrix that is not square; [`Error::TooLarge`] beyond 2²² entries;
/// [`Error::NotFinite`] for entries that are not finite.
pub fn exponential(matrix: &Array2<f64>) -> Result<Array2<f64>> {
    let (n, m) = matrix.dim();
    if n != m {
        return Err(Error::Shape { field: "matrix", expected: vec![n, n], got: vec![n, m] });
    }
    if n * n > MAX_MATRIX_ENTRIES {
        return Err(Error::TooLarge { what: "dense matrix", size: n * n, limit: MAX_MATRIX_ENTRIES });
    }
    if let Some(((site, _), &value)) = matrix.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite { field: "matrix", site, value });
    }
    let result = DMatrix::from_fn(n, n, |i, k| matrix[[i, k]]).exp();
    Ok(Array2::from_shape_fn((n, n), |(i, k)| result[(i, k)]))
}
