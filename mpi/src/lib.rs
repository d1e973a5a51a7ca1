//! The ranks of MPI, for [`tensorjump::ranks`]: all that the library asks of them is an all-gather.

use std::cell::Cell;

use mpi::datatype::PartitionMut;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};
use tensorjump::ranks::Ranks;
use tensorjump::{Error, Result};

/// The processes of an MPI communicator, and how much they have told each other.
pub struct World {
    communicator: SimpleCommunicator,
    /// All-gathers so far.
    pub gathers: Cell<u64>,
    /// Bytes that this rank has sent to each of the others.
    pub bytes: Cell<u64>,
}

impl World {
    /// The processes of a communicator.
    pub fn new(communicator: SimpleCommunicator) -> Self {
        World { communicator, gathers: Cell::new(0), bytes: Cell::new(0) }
    }

    /// Ends all processes: the others may wait in a collective call.
    pub fn abort(&self, code: i32) -> ! {
        self.communicator.abort(code)
    }
}

impl Ranks for World {
    fn rank(&self) -> usize {
        self.communicator.rank() as usize
    }

    fn size(&self) -> usize {
        self.communicator.size() as usize
    }

    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        let count = i32::try_from(mine.len()).map_err(|e| Error::callable("all-gather", e))?;
        let mut counts = vec![0i32; self.size()];
        self.communicator.all_gather_into(&count, &mut counts[..]);
        let total: i64 = counts.iter().map(|&n| i64::from(n)).sum();
        i32::try_from(total).map_err(|e| Error::callable("all-gather", e))?;
        let starts: Vec<i32> = counts.iter().scan(0, |end, &n| Some(std::mem::replace(end, *end + n))).collect();
        let mut all = vec![0f64; total as usize];
        let mut parts = PartitionMut::new(&mut all[..], &counts[..], &starts[..]);
        self.communicator.all_gather_varcount_into(mine, &mut parts);
        self.gathers.set(self.gathers.get() + 1);
        self.bytes.set(self.bytes.get() + 4 + 8 * mine.len() as u64);
        let part = |(&start, &n): (&i32, &i32)| all[start as usize..(start + n) as usize].to_vec();
        Ok(starts.iter().zip(&counts).map(part).collect())
    }
}
