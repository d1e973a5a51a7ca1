//! Matrix products, QR and SVD: the only file that calls a linear-algebra backend.
//!
//! The backend is [faer](https://docs.rs/faer), on one thread (`Par::Seq`): the library runs in parallel over
//! samples, never inside a product. With the feature `lapack`, QR and SVD (`dgesdd`) come from the system's
//! LAPACK. Both are backward stable: `‖QR − M‖`, `‖U S Vᵗ − M‖ ≲ 10⁻¹⁵ ‖M‖`; both cost O(m n min(m, n)).
//!
//! Scales are kept apart from numbers as powers of two (`M = 2^e M′`, largest `|M′|` in
//! [½, 1)), which costs no rounding.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2};

use crate::error::{Error, Result};

/// Thin singular value decomposition `M = U diag(s) Vᵗ`, `k = min(m, n)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Svd {
    /// Left singular vectors as columns, shape `(m, k)`.
    pub u: Array2<f64>,
    /// Singular values, non-negative and in falling order, shape `(k,)`.
    pub s: Array1<f64>,
    /// Right singular vectors as rows, shape `(k, n)`.
    pub vt: Array2<f64>,
}

/// Thin QR decomposition `M = Q R`: `Q` of shape `(m, k)` with orthonormal columns, `R` upper trapezoidal of
/// shape `(k, n)`, `k = min(m, n)`. A zero matrix gives `R = 0` and still orthonormal columns.
///
/// # Errors
/// An empty matrix, entries that are not finite.
pub fn qr(m: ArrayView2<'_, f64>) -> Result<(Array2<f64>, Array2<f64>)> {
    let (scaled, e) = prepare(m)?;
    let (q, mut r) = backend::qr(&scaled)?;
    scale_by_power(&mut r, e);
    Ok((q, r))
}

/// Thin singular value decomposition.
///
/// # Errors
/// An empty matrix, entries that are not finite; [`Error::NoConvergence`] when the iteration fails for the
/// matrix, for its transpose and for the triangular factor of its QR decomposition.
pub fn svd(m: ArrayView2<'_, f64>) -> Result<Svd> {
    let (scaled, e) = prepare(m)?;
    let mut svd = backend::svd(&scaled)
        .or_else(|_| {
            let Svd { u, s, vt } = backend::svd(&scaled.t().as_standard_layout().into_owned())?;
            Ok(Svd { u: vt.reversed_axes(), s, vt: u.reversed_axes() })
        })
        .or_else(|_: Error| {
            let (q, r) = backend::qr(&scaled)?;
            let Svd { u, s, vt } = backend::svd(&r)?;
            Ok::<Svd, Error>(Svd { u: matmul(q.view(), u.view()), s, vt })
        })?;
    scale_by_power(&mut svd.s, e);
    Ok(svd)
}

/// The product `a b`, on one thread.
///
/// # Panics
/// If the inner dimensions differ.
pub fn matmul(a: ArrayView2<'_, f64>, b: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut out = Array2::zeros((a.nrows(), b.ncols()));
    matmul_into(1.0, a, b, 0.0, out.view_mut());
    out
}

/// `out ← alpha a b + beta out`, on one thread. With `beta = 0` the old contents of `out` are not read.
///
/// Row-major and column-major operands are used in place, other layouts are copied.
///
/// # Panics
/// If the dimensions do not fit.
pub fn matmul_into(
    alpha: f64,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    beta: f64,
    mut out: ArrayViewMut2<'_, f64>,
) {
    assert_eq!((a.ncols(), out.dim()), (b.nrows(), (a.nrows(), b.ncols())), "dimensions of a matrix product");
    // One copy a call. Both as locals that are set only where needed were dropped behind flags whose tests
    // the compiler moved behind a look at the unset pointer: what memcheck reported here as uninitialised was
    // that, harmless, and never a lane of a product. That products read and write no more than their matrices
    // is a test, with NaN around them.
    if borrow(&a).is_none() {
        return matmul_into(alpha, a.as_standard_layout().view(), b, beta, out);
    }
    if borrow(&b).is_none() {
        return matmul_into(alpha, a, b.as_standard_layout().view(), beta, out);
    }
    if beta != 0.0 && beta != 1.0 {
        out.mapv_inplace(|v| beta * v);
    }
    let accum = if beta == 0.0 { faer::Accum::Replace } else { faer::Accum::Add };
    let (Some(a), Some(b)) = (borrow(&a), borrow(&b)) else { unreachable!("copied above") };
    let (rows, cols) = out.dim();
    if let Some(slice) = out.as_slice_mut() {
        let target = faer::MatMut::from_row_major_slice_mut(slice, rows, cols);
        faer::linalg::matmul::matmul(target, accum, a, b, alpha, faer::Par::Seq);
    } else {
        let mut copy = out.as_standard_layout().into_owned();
        if let Some(slice) = copy.as_slice_mut() {
            let target = faer::MatMut::from_row_major_slice_mut(slice, rows, cols);
            faer::linalg::matmul::matmul(target, accum, a, b, alpha, faer::Par::Seq);
        }
        out.assign(&copy);
    }
}

/// A row-major slice as faer's matrix.
fn dense(slice: &[f64], (rows, cols): (usize, usize)) -> faer::MatRef<'_, f64> {
    faer::MatRef::from_row_major_slice(slice, rows, cols)
}

/// A view as faer's matrix without a copy, where its memory is one slice.
fn borrow<'a>(m: &'a ArrayView2<'_, f64>) -> Option<faer::MatRef<'a, f64>> {
    let (rows, cols) = m.dim();
    if let Some(slice) = m.as_slice() {
        return Some(dense(slice, (rows, cols)));
    }
    // All entries in one slice but not row-major: for two axes this is the transpose (negative strides
    // excepted).
    let column_major = m.strides()[0] == 1 && m.strides()[1] >= 1;
    m.as_slice_memory_order().filter(|_| column_major).map(|slice| dense(slice, (cols, rows)).transpose())
}

/// Checks a matrix and takes its scale out.
fn prepare(m: ArrayView2<'_, f64>) -> Result<(Array2<f64>, i64)> {
    if m.is_empty() {
        return Err(Error::Shape { field: "matrix", expected: vec![1, 1], got: m.shape().to_vec() });
    }
    if let Some((index, &value)) = m.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite { field: "matrix", site: index, value });
    }
    let mut scaled = m.as_standard_layout().into_owned();
    let e = strip(&mut scaled);
    Ok((scaled, e))
}

/// The exponent `e` with `2^{e−1} ≤ max|v| < 2^e`; none for zeros only. (Subnormal numbers count as
/// 2^{−1022}.)
pub(crate) fn exponent<'a>(values: impl IntoIterator<Item = &'a f64>) -> Option<i64> {
    let max = values.into_iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    (max > 0.0).then(|| ((max.to_bits() >> 52) & 0x7ff) as i64 - 1022)
}

/// Takes the scale out of the numbers and returns its exponent (0 for zeros only).
pub(crate) fn strip<T>(values: &mut T) -> i64
where
    for<'a> &'a T: IntoIterator<Item = &'a f64>,
    for<'a> &'a mut T: IntoIterator<Item = &'a mut f64>,
{
    let e = exponent(&*values).unwrap_or(0);
    scale_by_power(&mut *values, -e);
    e
}

/// Multiplies by `2^e`, exactly but for over- and underflow.
pub(crate) fn scale_by_power<'a>(values: impl IntoIterator<Item = &'a mut f64>, e: i64) {
    if e == 0 {
        return;
    }
    // Three factors reach from the smallest subnormal to the largest number; beyond that everything is 0 or ∞
    // anyway.
    let e = e.clamp(-3000, 3000) as i32;
    if e.abs() <= 1000 {
        let factor = 2f64.powi(e);
        values.into_iter().for_each(|v| *v *= factor);
    } else {
        let [a, b, c] = [e / 3, e / 3, e - 2 * (e / 3)].map(|part| 2f64.powi(part));
        values.into_iter().for_each(|v| *v = *v * a * b * c);
    }
}

#[cfg(not(feature = "lapack"))]
mod backend {
    //! faer.

    use faer::dyn_stack::{MemBuffer, MemStack};
    use faer::linalg::{householder, qr::no_pivoting::factor, svd};
    use faer::{Conj, Mat, Par};
    use ndarray::{Array1, Array2};

    use super::Svd;
    use crate::{Error, Result};

    fn to_faer(m: &Array2<f64>) -> Mat<f64> {
        Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[[i, j]])
    }

    pub(super) fn qr(m: &Array2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        let (rows, cols) = m.dim();
        let k = rows.min(cols);
        let block = factor::recommended_block_size::<f64>(rows, cols);
        let (mut factors, mut coefficients) = (to_faer(m), Mat::zeros(block, k));
        let scratch = factor::qr_in_place_scratch::<f64>(rows, cols, block, Par::Seq, Default::default());
        let mut memory = MemBuffer::new(scratch);
        let stack = MemStack::new(&mut memory);
        factor::qr_in_place(factors.as_mut(), coefficients.as_mut(), Par::Seq, stack, Default::default());
        let r = Array2::from_shape_fn((k, cols), |(i, j)| if i <= j { factors[(i, j)] } else { 0.0 });
        let mut q = Mat::<f64>::identity(rows, k);
        let scratch = householder::apply_block_householder_sequence_on_the_left_in_place_scratch::<f64>(rows, block, k);
        householder::apply_block_householder_sequence_on_the_left_in_place_with_conj(
            factors.as_ref().subcols(0, k),
            coefficients.as_ref(),
            Conj::No,
            q.as_mut(),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
        );
        Ok((Array2::from_shape_fn((rows, k), |(i, j)| q[(i, j)]), r))
    }

    pub(super) fn svd(m: &Array2<f64>) -> Result<Svd> {
        let (rows, cols) = m.dim();
        let k = rows.min(cols);
        let (mut u, mut v) = (Mat::zeros(rows, k), Mat::zeros(cols, k));
        let mut s = faer::diag::Diag::zeros(k);
        let thin = svd::ComputeSvdVectors::Thin;
        let scratch = svd::svd_scratch::<f64>(rows, cols, thin, thin, Par::Seq, Default::default());
        svd::svd(
            to_faer(m).as_ref(),
            s.as_mut(),
            Some(u.as_mut()),
            Some(v.as_mut()),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
            Default::default(),
        )
        .map_err(|_| Error::NoConvergence { what: "singular value decomposition" })?;
        let svd = Svd {
            u: Array2::from_shape_fn((rows, k), |(i, j)| u[(i, j)]),
            s: Array1::from_shape_fn(k, |i| s[i]),
            vt: Array2::from_shape_fn((k, cols), |(i, j)| v[(j, i)]),
        };
        // An iteration that diverged without saying so must not pass for a result.
        let finite = svd.u.iter().chain(&svd.s).chain(&svd.vt).all(|v| v.is_finite());
        if finite { Ok(svd) } else { Err(Error::NoConvergence { what: "singular value decomposition" }) }
    }
}

#[cfg(feature = "lapack")]
mod backend {
    //! LAPACK through ndarray-linalg: `dgeqrf` and `dgesdd`.

    use ndarray::Array2;
    use ndarray_linalg::{JobSvd, QR, SVDDC};

    use super::Svd;
    use crate::{Error, Result};

    pub(super) fn qr(m: &Array2<f64>) -> Result<(Array2<f64>, Array2<f64>)> {
        m.qr().map_err(|_| Error::NoConvergence { what: "QR decomposition" })
    }

    pub(super) fn svd(m: &Array2<f64>) -> Result<Svd> {
        match m.svddc(JobSvd::Some) {
            Ok((Some(u), s, Some(vt))) => Ok(Svd { u, s, vt }),
            _ => Err(Error::NoConvergence { what: "singular value decomposition" }),
        }
    }
}

/// Sum of products, in eight lanes: one chain of additions would wait for each of them.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    let mut lanes = [0.0; 8];
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}
