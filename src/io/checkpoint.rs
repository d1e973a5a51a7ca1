//! Where and how often the state of a long computation is written, so that it can be killed at any moment.

use std::path::PathBuf;
use std::time::Instant;

use crate::error::{Error, Result};

/// Where the state of a long computation is kept, and how often it is written.
///
/// Learning, runs of chains and tempering take one. If the file exists the computation continues where it
/// stands, bit for bit; a file of another computation is refused with what differs. The last state is always
/// written, also where the caller stops; after an error the file stays as last written.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Checkpoint {
    /// The file. It is written beside its place and renamed: it is there whole or not at all.
    pub path: PathBuf,
    /// How often it is written.
    pub every: Interval,
}

/// How often a state is written.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Interval {
    /// After so many steps (at least one): rounds of learning, updates of chains or of tempering.
    Steps(usize),
    /// After the step in which so many seconds (wall clock) have passed since the last writing.
    Seconds(f64),
}

/// Says after which steps a state is to be written.
#[derive(Debug)]
pub(crate) struct Due {
    every: Interval,
    /// When the state was last written, or work began.
    written: Instant,
}

impl Due {
    /// # Errors
    /// [`Error::Parameter`] for zero steps, and for seconds that are negative or not finite.
    pub(crate) fn new(every: Interval) -> Result<Self> {
        match every {
            Interval::Steps(0) => Err(Error::parameter("every", 0, "at least one step")),
            Interval::Seconds(s) if !(s.is_finite() && s >= 0.0) => {
                Err(Error::parameter("every", s, "a finite number of seconds, not negative"))
            }
            _ => Ok(Due { every, written: Instant::now() }),
        }
    }

    /// The next step after `done` ones behind which the state may be due.
    pub(crate) fn possible(&self, done: usize) -> usize {
        match self.every {
            Interval::Steps(steps) => done.saturating_add(steps - done % steps),
            Interval::Seconds(_) => usize::MAX,
        }
    }

    /// Whether the state after `done` steps in all is to be written; if so the clock starts anew.
    pub(crate) fn after(&mut self, done: usize) -> bool {
        let due = match self.every {
            Interval::Steps(steps) => done.is_multiple_of(steps),
            Interval::Seconds(seconds) => self.written.elapsed().as_secs_f64() >= seconds,
        };
        if due {
            self.written = Instant::now();
        }
        due
    }
}

/// FNV-1a, by which a state knows the data or the start that it belongs to.
pub(crate) fn hash<'a>(start: u64, bytes: impl IntoIterator<Item = &'a u8>) -> u64 {
    bytes.into_iter().fold(start, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// Hash of numbers, bit for bit.
pub(crate) fn hash_numbers<'a>(start: u64, numbers: impl IntoIterator<Item = &'a f64>) -> u64 {
    numbers.into_iter().fold(start, |h, v| hash(h, &v.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn steps_are_counted_from_the_beginning() {
        let mut due = Due::new(Interval::Steps(3)).unwrap();
        let written: Vec<usize> = (4..=10).filter(|&done| due.after(done)).collect();
        assert_eq!(written, [6, 9]);
    }

    #[test]
    fn seconds_are_counted_from_the_last_writing() {
        let mut due = Due::new(Interval::Seconds(0.05)).unwrap();
        assert!(!due.after(1));
        sleep(Duration::from_millis(60));
        assert!(due.after(2) && !due.after(3));
        assert!(Due::new(Interval::Seconds(0.0)).unwrap().after(1));
    }

    #[test]
    fn intervals_out_of_range_are_refused() {
        for every in [Interval::Steps(0), Interval::Seconds(-1.0), Interval::Seconds(f64::NAN)] {
            assert!(matches!(Due::new(every), Err(Error::Parameter { name: "every", .. })), "{every:?}");
        }
    }
}
