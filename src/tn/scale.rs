//! Numbers far outside the range of `f64`: sign and logarithm outside, mantissa and power of two in a sweep.
//!
//! A sweep keeps `e^{log_scale} 2^e v` with the largest `|v|` in
//! [½, 1): taking out powers of two costs no rounding, so the logarithm of a product of 10⁵ factors is as
//! accurate as the factors.

use std::f64::consts::LN_2;

use ndarray::Array2;
use ndarray::Array3;
use ndarray::{Array, Array1, ArrayBase, ArrayView2, CowArray, Data, Dimension, Ix3, ShapeArg};

use crate::error::{Error, Result};
use crate::linalg::{exponent, scale_by_power};

/// A real number as sign and logarithm: `sign · e^{log_abs}`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogScalar {
    /// Logarithm of the absolute value in nats; −∞ for zero.
    pub log_abs: f64,
    /// −1, 0 or 1.
    pub sign: f64,
}

/// Real numbers as signs and logarithms, one a row of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct LogValues {
    /// Logarithms of the absolute values in nats, shape `(samples,)`; −∞ for zero.
    pub log_abs: Array1<f64>,
    /// −1, 0 or 1, shape `(samples,)`.
    pub sign: Array1<f64>,
}

impl LogScalar {
    /// `mantissa · 2^exponent · e^{log_scale}`.
    pub(super) fn new(mantissa: f64, exponent: i64, log_scale: f64) -> Self {
        if mantissa == 0.0 {
            return LogScalar { log_abs: f64::NEG_INFINITY, sign: 0.0 };
        }
        LogScalar { log_abs: mantissa.abs().ln() + exponent as f64 * LN_2 + log_scale, sign: mantissa.signum() }
    }

    /// The number itself; over- and underflows where `f64` does.
    pub fn value(&self) -> f64 {
        self.sign * self.log_abs.exp()
    }
}

impl LogValues {
    /// The numbers themselves, shape `(samples,)`; over- and underflow where `f64` does.
    pub fn values(&self) -> Array1<f64> {
        &self.sign * &self.log_abs.mapv(f64::exp)
    }
}

impl FromIterator<LogScalar> for LogValues {
    fn from_iter<I: IntoIterator<Item = LogScalar>>(iter: I) -> Self {
        let (log_abs, sign): (Vec<f64>, Vec<f64>) = iter.into_iter().map(|v| (v.log_abs, v.sign)).unzip();
        LogValues { log_abs: log_abs.into(), sign: sign.into() }
    }
}

/// Splits `nats` into a power of two and a rest: `e^{nats} = 2^k e^r`, `0 ≤ r < ln 2`.
pub(super) fn power_and_rest(nats: f64) -> (i64, f64) {
    let k = (nats / LN_2).floor();
    (k as i64, nats - k * LN_2)
}

/// Multiplies by `2^e e^{nats}`; the product may be in range where the factors are not.
pub(super) fn scale_by<'a>(values: impl IntoIterator<Item = &'a mut f64>, e: i64, nats: f64) {
    let (k, rest) = power_and_rest(nats);
    let factor = rest.exp();
    scale_by_power(
        values.into_iter().map(|v| {
            *v *= factor;
            v
        }),
        e.saturating_add(k),
    );
}

/// Entries up to this power of two can be multiplied and summed three at a time without overflow.
const HARMLESS: i64 = 300;

/// A tensor with entries in a harmless range, and the exponent taken out for that (mostly 0, and nothing is
/// copied).
pub(super) fn balanced<D: Dimension>(tensor: &Array<f64, D>) -> (CowArray<'_, f64, D>, i64) {
    let e = exponent(tensor).filter(|e| e.abs() > HARMLESS).unwrap_or(0);
    if e == 0 {
        return (tensor.view().into(), 0);
    }
    let mut scaled = tensor.clone();
    scale_by_power(&mut scaled, -e);
    (scaled.into(), e)
}

/// The tensor in standard (row-major) layout: the invariant of `Mps` and `Mpo`.
pub(super) fn row_major<D: Dimension>(tensor: Array<f64, D>) -> Array<f64, D> {
    if tensor.is_standard_layout() { tensor } else { tensor.as_standard_layout().into_owned() }
}

/// The tensor as matrix `(χ_{j−1} d, χ_j)`.
pub(super) fn left_matrix<S: Data<Elem = f64>>(tensor: &ArrayBase<S, Ix3>) -> ArrayView2<'_, f64> {
    let (l, d, r) = tensor.dim();
    tensor.view().into_shape_with_order((l * d, r)).expect("tensors are row-major")
}

/// The tensor as matrix `(χ_{j−1}, d χ_j)`.
pub(super) fn right_matrix<S: Data<Elem = f64>>(tensor: &ArrayBase<S, Ix3>) -> ArrayView2<'_, f64> {
    let (l, d, r) = tensor.dim();
    tensor.view().into_shape_with_order((l, d * r)).expect("tensors are row-major")
}

/// The entries in row-major order in a new shape of the same size, row-major.
pub(super) fn reshape<D: Dimension, S: Data<Elem = f64>, E: ShapeArg>(
    array: &ArrayBase<S, D>,
    shape: E,
) -> Array<f64, E::Dim> {
    row_major(array.to_shape(shape).expect("a reshape keeps the number of entries").into_owned())
}

/// A finite scale, or an error.
pub(super) fn check_log_scale(log_scale: f64) -> Result<f64> {
    if log_scale.is_finite() {
        Ok(log_scale)
    } else {
        Err(Error::NotFinite { field: "log_scale", site: 0, value: log_scale })
    }
}

/// A local dimension that configurations of `u8` can hold, or an error.
pub(super) fn check_dim(d: usize) -> Result<()> {
    if (1..=256).contains(&d) { Ok(()) } else { Err(Error::parameter("local dimension", d, "between 1 and 256")) }
}

/// A tensor as a matrix of the given shape.
pub(crate) fn flat(a: &Array3<f64>, rows: usize, cols: usize) -> ArrayView2<'_, f64> {
    a.view().into_shape_with_order((rows, cols)).expect("tensors are row-major")
}

pub(crate) fn shaped(m: Array2<f64>, shape: (usize, usize, usize)) -> Array3<f64> {
    let m = if m.is_standard_layout() { m } else { m.as_standard_layout().into_owned() };
    m.into_shape_with_order(shape).expect("a reshape keeps the number of entries")
}
