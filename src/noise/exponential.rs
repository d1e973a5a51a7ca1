//! `exp(τQ)` of a rate matrix without cancellation: uniformisation with scaling and squaring.
//!
//! With `λ = max_a |Q[a, a]|` the matrix `U = I + Q/λ` is stochastic and `exp(hQ) = e^{−λh} Σ_n (λh)ⁿ Uⁿ/n!`
//! has non-negative terms only. The series is used at `λh ≤ 1/2`, then squared. Rows are brought back to sum
//! one after each product, so that rounding moves entries by relative amounts and nothing leaks, however
//! large `τ` is. Cost: about `17 + log₂(λτ)` products of `d × d` matrices.

use ndarray::Array2;
use ndarray::linalg::general_mat_mul;

use crate::error::{Error, Result};

/// Squarings after which any rate of a double-precision matrix has equilibrated: the exponent range of f64 is
/// 2⁻¹⁰⁷⁴ to 2¹⁰²⁴.
const MAX_SQUARINGS: i32 = 2200;

/// `exp(elapsed · Q)` for a valid rate matrix; all entries non-negative, rows sum to one to rounding.
/// `elapsed` may be ∞.
///
/// # Errors
/// [`Error::Parameter`] where `λτ` overflows at a finite time: slow rates need not have equilibrated then.
pub(crate) fn exponential(q: &Array2<f64>, elapsed: f64) -> Result<Array2<f64>> {
    let d = q.nrows();
    // The diagonal is taken from the off-diagonal rates, not from the given one that may be off by rounding.
    let exit: Vec<f64> = (0..d).map(|a| (0..d).filter(|&b| b != a).map(|b| q[[a, b]]).sum()).collect();
    let lambda = exit.iter().copied().fold(0.0, f64::max);
    if lambda == 0.0 || elapsed == 0.0 {
        return Ok(Array2::eye(d));
    }
    let jump =
        Array2::from_shape_fn((d, d), |(a, b)| if a == b { (lambda - exit[a]) / lambda } else { q[[a, b]] / lambda });
    let mean = lambda * elapsed;
    if mean.is_infinite() && elapsed.is_finite() {
        return Err(Error::parameter("rate × time", format!("{lambda:e} × {elapsed:e}"), "a finite product"));
    }
    let (squarings, mean) = if mean.is_infinite() {
        (MAX_SQUARINGS, 0.5)
    } else if mean <= 0.5 {
        (0, mean)
    } else {
        let squarings = mean.log2().ceil() as i32 + 1;
        // In two factors: 2⁻¹⁰²⁵ alone would underflow.
        (squarings, mean * 0.5 * 2f64.powi(1 - squarings))
    };
    let mut kernel = series(&jump, mean);
    let mut square = Array2::zeros((d, d));
    for _ in 0..squarings {
        multiply(&kernel, &kernel, &mut square);
        normalise(&mut square);
        if square == kernel {
            break; // stationary: further squares change no bit
        }
        std::mem::swap(&mut kernel, &mut square);
    }
    Ok(kernel)
}

/// Largest matrix that is multiplied by plain loops: below it they are faster than a call of a matrix
/// product.
const SMALL: usize = 12;

/// `out = a b` without a new allocation.
fn multiply(a: &Array2<f64>, b: &Array2<f64>, out: &mut Array2<f64>) {
    let d = a.nrows();
    let (Some(x), Some(y), Some(z), true) = (a.as_slice(), b.as_slice(), out.as_slice_mut(), d <= SMALL) else {
        general_mat_mul(1.0, a, b, 0.0, out);
        return;
    };
    for (row, z) in x.chunks_exact(d).zip(z.chunks_exact_mut(d)) {
        z.fill(0.0);
        for (&x, y) in row.iter().zip(y.chunks_exact(d)) {
            z.iter_mut().zip(y).for_each(|(z, &y)| *z += x * y);
        }
    }
}

/// `e^{−m} Σ_n mⁿ Uⁿ/n!`, up to the normalisation of the rows.
fn series(jump: &Array2<f64>, mean: f64) -> Array2<f64> {
    let mut sum = Array2::eye(jump.nrows());
    let (mut term, mut next) = (sum.clone(), sum.clone());
    // At m ≤ 1/2 the terms after n = 16 add less than 2⁻¹⁷/17! ≈ 2e-20 of any row.
    for n in 1..=16 {
        multiply(&term, jump, &mut next);
        next *= mean / f64::from(n);
        std::mem::swap(&mut term, &mut next);
        sum += &term;
    }
    normalise(&mut sum);
    sum
}

/// Divides each row by its sum.
fn normalise(matrix: &mut Array2<f64>) {
    for mut row in matrix.outer_iter_mut() {
        let sum = row.sum();
        row /= sum;
    }
}
