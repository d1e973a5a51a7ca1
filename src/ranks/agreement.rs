//! Gathers in which errors travel beside the numbers, so that all ranks go the same way.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::communicator::Ranks;
use crate::error::{Error, Result};

/// How a rank is, the last number of what it sends.
const FINE: f64 = 0.0;
const FAILED: f64 = 1.0;
const INTERRUPTED: f64 = 2.0;

/// The numbers of all ranks, unless one has failed. That rank gets its own error, the others
/// [`Error::Rank`]; where none has failed and one was interrupted, all get [`Error::Interrupted`].
pub(crate) fn gather(ranks: &dyn Ranks, mine: Result<Vec<f64>>) -> Result<Vec<Vec<f64>>> {
    let (rank, size) = (ranks.rank(), ranks.size());
    if rank >= size {
        return Err(Error::parameter("rank", rank, "below the number of ranks"));
    }
    let (mut numbers, own) = match mine {
        Ok(numbers) => (numbers, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    numbers.push(match own {
        None => FINE,
        Some(Error::Interrupted) => INTERRUPTED,
        Some(_) => FAILED,
    });
    let gathered = ranks.all_gather(&numbers);
    let failed = own.filter(|error| *error != Error::Interrupted);
    if let Some(error) = failed {
        return Err(error);
    }
    let mut all = gathered?;
    if all.len() != size {
        return Err(Error::Entries { place: "lists of an all-gather".into(), expected: size, got: all.len() });
    }
    let bits = |numbers: &[f64]| numbers.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    if bits(&all[rank]) != bits(&numbers) {
        return Err(garbled(rank));
    }
    let mut interrupted = false;
    for (rank, numbers) in all.iter_mut().enumerate() {
        match numbers.pop() {
            Some(FINE) => {}
            Some(INTERRUPTED) => interrupted = true,
            Some(FAILED) => return Err(Error::Rank { rank }),
            _ => return Err(garbled(rank)),
        }
    }
    if interrupted { Err(Error::Interrupted) } else { Ok(all) }
}

/// Whether any rank says so.
pub(crate) fn any(ranks: &dyn Ranks, mine: Result<bool>) -> Result<bool> {
    let all = gather(ranks, mine.map(|yes| vec![f64::from(u8::from(yes))]))?;
    Ok(all.iter().flatten().any(|&yes| yes != 0.0))
}

/// Whether any rank asks to stop, and whether the first rank is to write: clocks of ranks differ.
pub(crate) fn stop_or_write(ranks: &dyn Ranks, mine: Result<(bool, bool)>) -> Result<(bool, bool)> {
    let numbers = mine.map(|(stop, write)| [stop, write].map(|yes| f64::from(u8::from(yes))).to_vec());
    let all = gather(ranks, numbers)?;
    let stop = all.iter().any(|said| said.first() == Some(&1.0));
    Ok((stop, all[0].get(1) == Some(&1.0)))
}

/// A value that all ranks have made, unless one could not.
pub(crate) fn agreed<T>(ranks: &dyn Ranks, mine: Result<T>) -> Result<T> {
    match mine {
        Ok(value) => gather(ranks, Ok(Vec::new())).map(|_| value),
        Err(error) => Err(gather(ranks, Err(error.clone())).err().unwrap_or(error)),
    }
}

/// Refuses arguments that differ between ranks: calls over ranks are made with the same.
pub(crate) fn same(ranks: &dyn Ranks, what: &'static str, arguments: impl Hash) -> Result<()> {
    let mut hasher = DefaultHasher::new(); // its keys are fixed: the same in all processes of one program
    arguments.hash(&mut hasher);
    let all = gather(ranks, Ok(vec![(hasher.finish() >> 12) as f64]))?; // 52 bits are exact
    match all.iter().position(|hash| *hash != all[0]) {
        None => Ok(()),
        Some(rank) => Err(Error::parameter(what, format!("another on rank {rank}"), "the same on every rank")),
    }
}

/// What a communicator delivered is not what was sent.
pub(crate) fn garbled(rank: usize) -> Error {
    Error::callable("all-gather", format!("the numbers of rank {rank} are not those that it sent"))
}

/// The numbers of a rank, taken one after the other.
pub(crate) struct Message<'a> {
    pub(crate) rank: usize,
    rest: &'a [f64],
}

impl<'a> Message<'a> {
    /// What `rank` sent.
    pub(crate) fn new(rank: usize, numbers: &'a [f64]) -> Self {
        Message { rank, rest: numbers }
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [f64]> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(|| garbled(self.rank))?;
        self.rest = rest;
        Ok(taken)
    }

    /// One number that counts something.
    pub(crate) fn count(&mut self) -> Result<usize> {
        Ok(self.take(1)?[0] as usize)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}
