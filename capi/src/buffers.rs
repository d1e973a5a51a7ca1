//! The caller's buffers: checked for NULL and size, read as slices, written by copies.
//!
//! Outputs are never borrowed: they may hold nothing yet, or be the input that they were made from.

use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::path::PathBuf;
use std::{ptr, slice};

use ndarray::{Array, ArrayView2, Dimension};
use tensorjump::{Configs, Error, Result};

use super::status::{Failure, refused};

/// Symbols worked through at a time: results go out block by block, so that no call needs memory of its own
/// for all of them.
const BLOCK: usize = 1 << 22;

/// Numbers of an argument that the library copies.
pub(super) const LIMIT: usize = 1 << 40;

fn too_large(what: &'static str, size: usize, limit: usize) -> Failure {
    Error::TooLarge { what, size, limit }.into()
}

/// The product of sizes, or an error where it is beyond all memory.
pub(super) fn size(what: &'static str, factors: &[usize]) -> std::result::Result<usize, Failure> {
    let product = factors.iter().fold(1usize, |p, &f| p.saturating_mul(f));
    if product <= LIMIT { Ok(product) } else { Err(too_large(what, product, LIMIT)) }
}

/// `n` elements at `p`.
///
/// # Safety
/// `p` is NULL or points to `n` elements that nobody changes during the call.
pub(super) unsafe fn list<'a, T>(p: *const T, n: usize, name: &'static str) -> std::result::Result<&'a [T], Failure> {
    size(name, &[n, size_of::<T>()])?;
    match (p.is_null(), n) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Failure::Null(name)),
        (false, _) if !p.is_aligned() => Err(refused(name, format!("{p:?}"), "an aligned pointer")),
        // SAFETY: the caller's contract; neither NULL nor too large.
        _ => Ok(unsafe { slice::from_raw_parts(p, n) }),
    }
}

/// `n` elements at `p`, or that many times `default` where it is NULL.
///
/// # Safety
/// As [`list`].
pub(super) unsafe fn list_or<T: Clone>(
    p: *const T,
    n: usize,
    default: T,
    name: &'static str,
) -> std::result::Result<Vec<T>, Failure> {
    size(name, &[n, size_of::<T>()])?;
    if p.is_null() {
        return Ok(vec![default; n]);
    }
    // SAFETY: the caller's contract.
    Ok(unsafe { list(p, n, name) }?.to_vec())
}

/// Arrays of the given shapes, one after the other, row-major, in a list of `length` numbers.
///
/// # Safety
/// As [`list`].
pub(super) unsafe fn arrays<D: Dimension>(
    p: *const f64,
    length: usize,
    shapes: impl Iterator<Item = D> + Clone,
    name: &'static str,
) -> std::result::Result<Vec<Array<f64, D>>, Failure> {
    let mut total = 0usize;
    for shape in shapes.clone() {
        total = total.saturating_add(size(name, shape.slice())?);
    }
    if total != length {
        return Err(Error::Entries { place: name.into(), expected: total, got: length }.into());
    }
    // SAFETY: the caller's contract.
    let mut rest = unsafe { list(p, length, name) }?;
    let mut take = |shape: D| {
        let (these, others) = rest.split_at(shape.size());
        rest = others;
        Array::from_shape_vec(shape, these.to_vec()).expect("size checked")
    };
    Ok(shapes.map(&mut take).collect())
}

/// A batch of configurations, shape `(n, sites)`.
///
/// # Safety
/// As [`list`] with `n · sites` elements.
pub(super) unsafe fn configs<'a>(
    x: *const u8,
    n: usize,
    sites: usize,
    name: &'static str,
) -> std::result::Result<Configs<'a>, Failure> {
    let size = size(name, &[n, sites])?;
    // SAFETY: the caller's contract.
    let x = unsafe { list(x, size, name) }?;
    Ok(ArrayView2::from_shape((n, sites), x).expect("size checked"))
}

/// The name of a file.
///
/// # Safety
/// `p` is NULL or points to a string closed by a zero.
pub(super) unsafe fn text(p: *const c_char) -> std::result::Result<PathBuf, Failure> {
    if p.is_null() {
        return Err(Failure::Null("path"));
    }
    // SAFETY: the caller's contract.
    match unsafe { CStr::from_ptr(p) }.to_str() {
        Ok(path) => Ok(path.into()),
        Err(e) => Err(refused("path", e, "UTF-8")),
    }
}

/// A buffer that results are copied into.
pub(super) struct Out<T> {
    p: *mut T,
    length: usize,
}

impl<T: Copy> Out<T> {
    /// A buffer of `length` elements.
    ///
    /// # Safety
    /// `p` is NULL or may be written with `length` elements until the call is over.
    pub(super) unsafe fn new(p: *mut T, length: usize, name: &'static str) -> std::result::Result<Self, Failure> {
        if p.is_null() && length > 0 {
            return Err(Failure::Null(name));
        }
        // SAFETY: the caller's contract.
        unsafe { Out::optional(p, length, name) }
    }

    /// As [`Out::new`]; what would go to NULL is dropped.
    ///
    /// # Safety
    /// As [`Out::new`].
    pub(super) unsafe fn optional(p: *mut T, length: usize, name: &'static str) -> std::result::Result<Self, Failure> {
        size(name, &[length, size_of::<T>()])?;
        if !p.is_aligned() {
            return Err(refused(name, format!("{p:?}"), "an aligned pointer"));
        }
        Ok(Out { p, length })
    }

    /// Writes elements from the place `first` on.
    pub(super) fn write(&mut self, first: usize, values: impl AsRef<[T]>) {
        let values = values.as_ref();
        assert!(first.checked_add(values.len()).is_some_and(|end| end <= self.length), "a result fits its buffer");
        if !self.p.is_null() {
            // SAFETY: within the buffer that the constructor's contract promises; results are never in it.
            unsafe { ptr::copy_nonoverlapping(values.as_ptr(), self.p.add(first), values.len()) };
        }
    }
}

/// The rows of a batch in blocks of about 4 million symbols.
pub(super) fn blocks(n: usize, sites: usize) -> impl Iterator<Item = Range<usize>> {
    let rows = (BLOCK / sites.max(1)).max(32);
    (0..n).step_by(rows).map(move |first| first..n.min(first.saturating_add(rows)))
}

/// The result of a block that begins at row `first`, errors naming the row of the batch.
pub(super) fn in_block<T>(first: usize, result: Result<T>) -> std::result::Result<T, Failure> {
    result.map_err(|error| {
        Failure::Library(match error {
            Error::StateOutOfRange { row, site, state, dim } => {
                Error::StateOutOfRange { row: first + row, site, state, dim }
            }
            Error::ZeroEvidence { row } => Error::ZeroEvidence { row: first + row },
            Error::LogWeight { row, value } => Error::LogWeight { row: first + row, value },
            error => error,
        })
    })
}
