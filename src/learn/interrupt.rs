//! Stopping a run from outside, in the middle of a round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// A flag that another thread, a signal handler or a callback raises to stop a run of learning at once:
/// rounds look at it between sites, batches and updates. The round under way is dropped, and the run ends
/// with its best model. Clones are the same flag.
///
/// ```
/// use tensorjump::learn::{BornOptions, Data, Interrupt, Stop, Training};
///
/// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
/// let interrupt = Interrupt::default();
/// let training = Training { interrupt: Some(interrupt.clone()), ..Training::default() };
/// interrupt.ask(); // from anywhere, at any time
/// let fit = BornOptions { training, ..BornOptions::default() }.fit(&data)?;
/// assert_eq!(fit.stopped, Stop::Asked);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupt(Arc<AtomicBool>);

/// Equal where they are the same flag.
impl PartialEq for Interrupt {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Interrupt {
    /// Asks the run to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// [`Error::Interrupted`] where there is a flag and it was raised.
pub(crate) fn look(interrupt: Option<&Interrupt>) -> Result<()> {
    if interrupt.is_some_and(Interrupt::asked) { Err(Error::Interrupted) } else { Ok(()) }
}
