//! How many threads compute, and what happens in a forked child.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::ThreadPoolBuilder;

use super::status::{Failure, Outcome, guard, refused, tj_status};

/// Every call computes on the thread that makes it.
static SINGLE: AtomicBool = AtomicBool::new(false);

/// This process is a fork of one that used the library.
static FORKED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread has a pool of its own, of which it is the only one.
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Carries a body and its outcome to another thread and back.
struct Carried<T>(T);

// SAFETY: the calling thread waits in `fork::run` until the other has run the body; the pointers inside are
// those of its caller, whose contract is for the whole call, not for a thread.
unsafe impl<T> Send for Carried<T> {}

impl<F: FnOnce() -> Outcome> Carried<F> {
    fn call(self) -> Outcome {
        (self.0)()
    }
}

/// Runs a body where its parallel loops find threads.
pub(super) fn run(body: impl FnOnce() -> Outcome) -> Outcome {
    watch_forks();
    if SINGLE.load(Ordering::Relaxed) {
        stay_alone();
    } else if FORKED.load(Ordering::Relaxed) {
        let body = Carried(body);
        return tensorjump::fork::run(move || body.call())?;
    }
    body()
}

/// Makes this thread the only one of a pool, so that loops run in place.
fn stay_alone() {
    if !ALONE.replace(true) {
        // An error means that the thread is a worker of some pool, from a callback: it stays there.
        if let Ok(pool) = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build() {
            // The thread belongs to it until it ends.
            std::mem::forget(pool);
        }
    }
}

#[cfg(unix)]
fn watch_forks() {
    use std::ffi::c_int;
    type Handler = Option<unsafe extern "C" fn()>;
    unsafe extern "C" {
        fn pthread_atfork(prepare: Handler, parent: Handler, child: Handler) -> c_int;
    }
    unsafe extern "C" fn forked() {
        FORKED.store(true, Ordering::Relaxed);
    }
    static WATCH: Once = Once::new();
    // SAFETY: POSIX; the handler only stores to an atomic.
    WATCH.call_once(|| unsafe {
        pthread_atfork(None, None, Some(forked));
    });
}

#[cfg(not(unix))]
fn watch_forks() {}

/// Sets the number of threads that calls compute on; at first as many as there are cores. Results never
/// depend on it.
///
/// `threads = 1`: every call computes on the thread that makes it, without any other (codes that spread their
/// own work over MPI ranks or OpenMP threads). It may be said at any time, costs some kilobytes for each
/// thread that then calls, and cannot be taken back.
///
/// `threads > 1`: once, before the first call that computes.
///
/// Errors: `TJ_INPUT` for 0, for more than 4096, and for several threads after the first computing call or
/// after `tj_set_threads(1)`.
#[unsafe(no_mangle)]
pub extern "C" fn tj_set_threads(threads: usize) -> tj_status {
    guard(|| match threads {
        1 => {
            SINGLE.store(true, Ordering::Relaxed);
            Ok(())
        }
        2..=4096 if !SINGLE.load(Ordering::Relaxed) => {
            let built = ThreadPoolBuilder::new().num_threads(threads).build_global();
            built.map_err(|e| refused("threads", format!("{threads} ({e})"), "set once, before the first call"))
        }
        _ => Err::<(), Failure>(refused("threads", threads, "1 to 4096, and not more than one after one")),
    })
}
