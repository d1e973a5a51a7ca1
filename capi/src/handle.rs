//! Handles: owners behind opaque pointers, told apart by a number at their start.

use std::sync::{Mutex, MutexGuard, TryLockError};

use super::status::Failure;

/// What a handle points at. The tag tells kinds of handles apart where the compiler of the caller cannot
/// (Fortran and Julia know one type of pointer), and most handles that were freed.
#[repr(C)]
struct Tagged<T> {
    tag: u64,
    value: T,
}

/// A type of handle in the header.
pub(super) trait Opaque {
    /// What it owns.
    type Inside;
    /// Its number; any, but different for all kinds.
    const TAG: u64;
    /// Its name in messages.
    const NAME: &'static str;
}

/// Says what a handle of the header owns. The type itself stands beside it, where cbindgen sees it.
macro_rules! handle {
    ($handle:ident, $name:literal, $tag:literal, $inside:ty) => {
        impl super::handle::Opaque for $handle {
            type Inside = $inside;
            const TAG: u64 = u64::from_le_bytes(*$tag);
            const NAME: &'static str = $name;
        }
    };
}
pub(super) use handle;

/// Checks the tag.
///
/// # Safety
/// `p` is NULL or points to a handle of this library, of any kind.
unsafe fn tagged<H: Opaque>(p: *const H) -> Result<*mut Tagged<H::Inside>, Failure> {
    let tag = p.cast::<u64>();
    if tag.is_null() {
        return Err(Failure::Null(H::NAME));
    }
    // SAFETY: all handles begin with their tag.
    if !tag.is_aligned() || unsafe { tag.read() } != H::TAG {
        return Err(Failure::Handle(H::NAME));
    }
    Ok(p.cast_mut().cast())
}

/// What a handle owns.
///
/// # Safety
/// `p` is NULL or points to a handle of this library that is not freed during the call.
pub(super) unsafe fn at<'a, H: Opaque>(p: *const H) -> Result<&'a H::Inside, Failure> {
    // SAFETY: the caller's contract; the tag says that the type is right. Handles are never borrowed mutably.
    Ok(unsafe { &(*tagged(p)?).value })
}

/// What several handles own.
///
/// # Safety
/// `p` points to `n` handles, each as for [`at`].
pub(super) unsafe fn all<'a, H: Opaque>(
    p: *const *const H,
    n: usize,
    name: &'static str,
) -> Result<Vec<&'a H::Inside>, Failure> {
    // SAFETY: the caller's contract.
    let handles = unsafe { super::buffers::list(p, n, name)? };
    // SAFETY: the caller's contract.
    handles.iter().map(|&handle| unsafe { at(handle) }).collect()
}

/// Hands out what `make` makes; `*out` is NULL where it fails.
///
/// # Safety
/// `out` is NULL or may be written.
pub(super) unsafe fn hand_out<H: Opaque>(
    out: *mut *mut H,
    make: impl FnOnce() -> Result<H::Inside, Failure>,
) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::Null("out"));
    }
    // SAFETY: the caller's contract, for this and the next write.
    unsafe { out.write(std::ptr::null_mut()) };
    let handle = Box::into_raw(Box::new(Tagged { tag: H::TAG, value: make()? }));
    // SAFETY: as above.
    unsafe { out.write(handle.cast()) };
    Ok(())
}

/// Frees a handle; NULL and pointers that are none are left alone.
///
/// # Safety
/// `p` is NULL or points to a handle of this library that nothing uses.
pub(super) unsafe fn free<H: Opaque>(p: *mut H) {
    // SAFETY: the caller's contract; the tag says that the type is right.
    unsafe {
        if let Ok(handle) = tagged(p) {
            // A second free will most likely find no tag.
            (&raw mut (*handle).tag).write_volatile(0);
            drop(Box::from_raw(handle));
        }
    }
}

/// Access to what changes, for one call at a time.
pub(super) fn lock<'a, T>(state: &'a Mutex<T>, name: &'static str) -> Result<MutexGuard<'a, T>, Failure> {
    match state.try_lock() {
        Ok(guard) => Ok(guard),
        // What a panic left behind is a state of some complete step.
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(Failure::Busy(name)),
    }
}
