//! What is asked of a communicator.

use std::ops::{Deref, Range};

use crate::error::Result;

/// A group of processes that can gather numbers from each other.
///
/// ```
/// use tensorjump::ranks::Ranks;
/// use tensorjump::Result;
///
/// /// One process that says what it does.
/// struct Loud;
/// impl Ranks for Loud {
///     fn rank(&self) -> usize { 0 }
///     fn size(&self) -> usize { 1 }
///     fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
///         println!("{} bytes", 8 * mine.len());
///         Ok(vec![mine.to_vec()])
///     }
/// }
/// assert_eq!(Loud.share(5), 0..5);
/// ```
pub trait Ranks {
    /// Number of this process, from zero.
    fn rank(&self) -> usize;

    /// Number of processes.
    fn size(&self) -> usize;

    /// The numbers of all ranks, in the order of ranks, on all ranks. Each rank may send another count of
    /// numbers; their bits must arrive as they are.
    ///
    /// # Errors
    /// Those of the communicator, [`Error::callable`](crate::Error::callable): no further call over these
    /// ranks can then be relied on.
    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>>;

    /// The part of `n` things that belongs to this rank: parts follow each other in the order of ranks, and
    /// their lengths differ by one at most.
    fn share(&self, n: usize) -> Range<usize> {
        share_of(self.rank(), self.size(), n)
    }
}

/// [`Ranks::share`] of any rank.
pub(crate) fn share_of(rank: usize, size: usize, n: usize) -> Range<usize> {
    let size = size.max(1);
    let (each, more) = (n / size, n % size);
    let start = rank * each + rank.min(more);
    start..start + each + usize::from(rank < more)
}

/// Whatever points at a group of processes is that group.
impl<P: Deref<Target: Ranks>> Ranks for P {
    fn rank(&self) -> usize {
        (**self).rank()
    }

    fn size(&self) -> usize {
        (**self).size()
    }

    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        (**self).all_gather(mine)
    }
}

/// One process by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alone;

impl Ranks for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        Ok(vec![mine.to_vec()])
    }
}
