//! What a call came to: a number, and a message for the thread that called.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use tensorjump::Error;

use super::threads;

/// What a call came to. Everything but `TJ_OK` leaves a message for `tj_error_message`, and buffers and
/// handles as they were unless a function says otherwise (`*out` of a constructor is then NULL).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum tj_status {
    /// All is well.
    TJ_OK = 0,
    /// A pointer is NULL that must not be.
    TJ_NULL = 1,
    /// An argument is refused; the message names it and its value.
    TJ_INPUT = 2,
    /// Conditioning on something of probability zero; the message names the row.
    TJ_ZERO_EVIDENCE = 3,
    /// A file cannot be read or written, is damaged, or of another kind.
    TJ_FILE = 4,
    /// A decomposition or contraction did not converge.
    TJ_NUMERIC = 5,
    /// Larger than the library's guard, or than memory can be.
    TJ_TOO_LARGE = 6,
    /// The caller's function returned a number other than zero.
    TJ_CALLBACK = 7,
    /// A defect of the library: please report the message.
    TJ_PANIC = 8,
    /// A pointer is no handle of the kind that the function takes (or one freed before).
    TJ_HANDLE = 9,
    /// Draws, chains or tempering that another call is working on.
    TJ_BUSY = 10,
    /// Another rank failed, which has the error itself; the message names the rank.
    TJ_RANK = 11,
}
use tj_status::*;

/// Why a call fails.
pub(super) enum Failure {
    Null(&'static str),
    Handle(&'static str),
    Busy(&'static str),
    NotConverged(String),
    Library(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Library(error)
    }
}

/// An argument of this interface that is refused.
pub(super) fn refused(name: &'static str, value: impl ToString, expected: &'static str) -> Failure {
    Failure::Library(Error::Parameter { name, value: value.to_string().into(), expected })
}

impl Failure {
    fn status(&self) -> tj_status {
        match self {
            Failure::Null(_) => TJ_NULL,
            Failure::Handle(_) => TJ_HANDLE,
            Failure::Busy(_) => TJ_BUSY,
            Failure::NotConverged(_) => TJ_NUMERIC,
            Failure::Library(error) => match error {
                Error::ZeroEvidence { .. } => TJ_ZERO_EVIDENCE,
                Error::File { .. } | Error::Format { .. } => TJ_FILE,
                Error::NoConvergence { .. } | Error::NotInvertible { .. } | Error::RateBound { .. } => TJ_NUMERIC,
                Error::TooLarge { .. } => TJ_TOO_LARGE,
                Error::Callable { .. } => TJ_CALLBACK,
                Error::Rank { .. } => TJ_RANK,
                _ => TJ_INPUT,
            },
        }
    }

    fn text(&self) -> String {
        match self {
            Failure::Null(name) => format!("{name} is NULL"),
            Failure::Handle(name) => format!("{name} is not a handle of that kind, or was freed"),
            Failure::Busy(name) => format!("{name} is in use by another call"),
            Failure::NotConverged(text) => text.clone(),
            Failure::Library(error) => error.to_string(),
        }
    }
}

/// What the body of a call returns.
pub(super) type Outcome = Result<(), Failure>;

/// Bytes of a message, the closing zero included; longer ones are cut.
const MESSAGE_BYTES: usize = 512;

thread_local! {
    /// In one place for the life of the thread: a pointer that a caller kept stays readable.
    static MESSAGE: RefCell<[u8; MESSAGE_BYTES]> = const { RefCell::new([0; MESSAGE_BYTES]) };
}

fn leave(text: &str) {
    MESSAGE.with_borrow_mut(|message| {
        // Cut between characters, and closed by a zero.
        let end = (0..MESSAGE_BYTES.min(text.len() + 1)).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
        message[..end].copy_from_slice(&text.as_bytes()[..end]);
        message[end] = 0;
    });
}

/// What a panic said.
fn said(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panic")
}

/// Runs the body of a call: no unwinding leaves it, and a failure leaves a message.
pub(super) fn guard(body: impl FnOnce() -> Outcome) -> tj_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => TJ_OK,
        Ok(Err(failure)) => {
            leave(&failure.text());
            failure.status()
        }
        Err(payload) => {
            leave(&format!("defect of the library: {}", said(&*payload)));
            TJ_PANIC
        }
    }
}

/// As [`guard`], for calls that may compute on several threads.
pub(super) fn compute(body: impl FnOnce() -> Outcome) -> tj_status {
    guard(|| threads::run(body))
}

/// The message of the last call of this thread that failed: empty before the first failure, never NULL, at
/// most 511 bytes of UTF-8, overwritten by the next failure on this thread, readable for as long as the
/// thread lives.
#[unsafe(no_mangle)]
pub extern "C" fn tj_error_message() -> *const c_char {
    MESSAGE.with_borrow(|message| message.as_ptr().cast())
}

/// Version of the library, for example "0.1.0". Static; never freed.
#[unsafe(no_mangle)]
pub extern "C" fn tj_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("no zero inside"),
    };
    VERSION.as_ptr()
}

/// For the library's own tests: panics inside, returns `TJ_PANIC`.
#[unsafe(no_mangle)]
pub extern "C" fn tj_test_panic() -> tj_status {
    compute(|| panic!("on purpose"))
}
