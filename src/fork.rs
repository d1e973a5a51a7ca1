//! Parallel loops in a forked child.
//!
//! The library runs its loops on the threads of rayon's global pool. A fork copies only the thread that calls
//! it: a child of a process whose pool has run waits for threads that do not exist, for ever. Rust programs
//! seldom fork; Python's `multiprocessing` does by default on Linux up to version 3.13. Whoever may be called
//! in a forked child wraps each call in [`run`]:
//!
//! ```
//! use tensorjump::{Model, SiteWeights, Streams, fork, model::PositiveMps};
//!
//! let law = PositiveMps::product(&[vec![1.0, 3.0]])?;
//! let draws = fork::run(|| law.draw(100, &Streams::new(1)))??;
//! assert_eq!(draws.x.nrows(), 100);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! The parent is known by its process number, from its first [`run`] or its first
//! [`Streams::new`](crate::rng::Streams::new). Starting the children by `spawn` or `forkserver` instead of a
//! fork needs none of this. Results do not depend on it: no draw depends on threads.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

static POOLS: Pools = Pools::new();

/// Calls `f` where its parallel loops find living threads: in place in the process that used the library
/// first, in a forked child on a pool of the child's own, which stays until the child ends. Cost: a system
/// call; in a child a hand-over to another thread.
///
/// # Errors
/// [`Error::Parameter`] in a child that cannot start threads.
pub fn run<T: Send>(f: impl FnOnce() -> T + Send) -> Result<T> {
    POOLS.run(std::process::id(), f)
}

/// Remembers this process as the one with living threads, if it is the first.
pub(crate) fn remember() {
    POOLS.is_home(std::process::id());
}

/// The process whose global pool lives, and the pool of a child.
struct Pools {
    /// Process number, zero before the first use.
    home: AtomicU32,
    /// The child (not its parent, also a child, from which it was copied) and its pool.
    child: Mutex<Option<(u32, Arc<ThreadPool>)>>,
}

impl Pools {
    const fn new() -> Self {
        Pools { home: AtomicU32::new(0), child: Mutex::new(None) }
    }

    fn is_home(&self, process: u32) -> bool {
        match self.home.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(home) => home == process,
        }
    }

    fn run<T: Send>(&self, process: u32, f: impl FnOnce() -> T + Send) -> Result<T> {
        if self.is_home(process) {
            return Ok(f());
        }
        Ok(self.of_child(process)?.install(f))
    }

    fn of_child(&self, process: u32) -> Result<Arc<ThreadPool>> {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pool)) = child.as_ref().filter(|(of, _)| *of == process) {
            return Ok(pool.clone());
        }
        let pool = ThreadPoolBuilder::new().build().map(Arc::new);
        let pool = pool
            .map_err(|e| Error::parameter("threads of a forked child", e.to_string(), "threads that can be started"))?;
        // A pool copied from a parent that was a child itself has no threads: dropping it would wake what is
        // not there.
        std::mem::forget(child.replace((process, pool.clone())));
        Ok(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rayon::prelude::*;

    /// The sum, the thread that ran it, and whether that is a thread of a pool.
    fn work() -> (u64, std::thread::ThreadId, bool) {
        let sum = (0..1000u64).into_par_iter().sum();
        (sum, std::thread::current().id(), rayon::current_thread_index().is_some())
    }

    #[test]
    fn a_child_has_a_pool_of_its_own() {
        let (pools, here) = (Pools::new(), std::thread::current().id());
        assert_eq!(pools.run(7, work).unwrap(), (499_500, here, false));
        let (sum, thread, pooled) = pools.run(8, work).unwrap();
        assert!(sum == 499_500 && thread != here && pooled);
        let first = pools.of_child(8).unwrap();
        assert!(Arc::ptr_eq(&first, &pools.of_child(8).unwrap()));
        // The child of the child does not take over its parent's pool; the first process stays where it was.
        assert!(!Arc::ptr_eq(&first, &pools.of_child(9).unwrap()));
        assert!(pools.run(9, work).unwrap().2);
        assert_eq!(pools.run(7, work).unwrap(), (499_500, here, false));
        // A call within a call runs on the same pool.
        assert!(pools.run(9, || pools.run(9, work).unwrap().2).unwrap());
    }
}
