//! Walkers: configurations followed through the exchanges of a ladder.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::mcmc::proposal::Proposed;

/// Which walker stands at which level of one ladder, and counts: for drivers that keep configurations in a
/// form of their own.
///
/// Invariant: `at` is a permutation of the walkers; counts have one entry a pair of neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Walkers {
    at: Vec<usize>,
    /// The end that each walker visited last.
    end: Vec<Option<End>>,
    /// Ways from one end to the other.
    crossings: Vec<u64>,
    pub(super) attempts: Vec<u64>,
    /// Sum of the acceptance probabilities.
    pub(super) probability: Vec<f64>,
}

/// The ends of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    First,
    Last,
}

/// [`Walkers`] before they are checked.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) at: Vec<usize>,
    pub(super) end: Vec<Option<End>>,
    pub(super) crossings: Vec<u64>,
    pub(super) attempts: Vec<u64>,
    pub(super) probability: Vec<f64>,
}

impl Walkers {
    /// Walker `k` at level `k`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two levels.
    pub fn new(levels: usize) -> Result<Self> {
        if levels < 2 {
            return Err(Error::parameter("levels of the ladder", levels, "at least two"));
        }
        let mut walkers = Walkers {
            at: (0..levels).collect(),
            end: vec![None; levels],
            crossings: vec![0; levels],
            attempts: vec![0; levels - 1],
            probability: vec![0.0; levels - 1],
        };
        walkers.visit_ends();
        Ok(walkers)
    }

    /// Decides whether the levels `pair` and `pair + 1` exchange, `log_ratio` the logarithm in the rule of
    /// the module and `u` uniform in `[0, 1)`, and books it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a pair that does not exist or a ratio that is NaN.
    pub fn exchange(&mut self, pair: usize, log_ratio: f64, u: f64) -> Result<bool> {
        if pair >= self.attempts.len() {
            return Err(Error::parameter("pair of levels", pair, "below the number of levels less one"));
        }
        if log_ratio.is_nan() {
            return Err(Error::parameter("log-ratio of an exchange", log_ratio, "not NaN"));
        }
        let p = Proposed::acceptance_probability(0.0, 0.0, log_ratio);
        self.attempts[pair] += 1;
        self.probability[pair] += p;
        if u >= p {
            return Ok(false);
        }
        self.at.swap(pair, pair + 1);
        self.visit_ends();
        Ok(true)
    }

    fn visit_ends(&mut self) {
        for (walker, end) in [(self.at[0], End::First), (self.at[self.at.len() - 1], End::Last)] {
            self.crossings[walker] += u64::from(self.end[walker].is_some_and(|before| before != end));
            self.end[walker] = Some(end);
        }
    }

    /// The walker at each level.
    pub fn at(&self) -> &[usize] {
        &self.at
    }

    /// The level at which a walker stands.
    pub(crate) fn level_of(&self, walker: usize) -> usize {
        self.at.iter().position(|&w| w == walker).expect("each walker stands somewhere by the invariant")
    }

    /// Mean acceptance probability of each pair of neighbours; NaN before the first attempt.
    pub fn swap_rates(&self) -> Vec<f64> {
        self.probability.iter().zip(&self.attempts).map(|(p, &n)| p / n as f64).collect()
    }

    /// Round trips of all walkers, from either end to the other and back.
    pub fn round_trips(&self) -> u64 {
        self.crossings.iter().map(|n| n / 2).sum()
    }

    /// Forgets all counts, as after a warm-up; walkers stay where they are.
    pub fn reset(&mut self) {
        let at = std::mem::take(&mut self.at);
        let levels = at.len();
        *self = Walkers {
            at,
            end: vec![None; levels],
            crossings: vec![0; levels],
            attempts: vec![0; levels - 1],
            probability: vec![0.0; levels - 1],
        };
        self.visit_ends();
    }
}

impl From<Walkers> for Record {
    fn from(w: Walkers) -> Record {
        let Walkers { at, end, crossings, attempts, probability } = w;
        Record { at, end, crossings, attempts, probability }
    }
}

impl TryFrom<Record> for Walkers {
    type Error = Error;

    fn try_from(r: Record) -> Result<Self> {
        let levels = r.at.len();
        Walkers::new(levels)?;
        for (place, expected, got) in [
            ("end", levels, r.end.len()),
            ("crossings", levels, r.crossings.len()),
            ("attempts", levels - 1, r.attempts.len()),
            ("probability", levels - 1, r.probability.len()),
        ] {
            if expected != got {
                return Err(Error::Entries { place: place.into(), expected, got });
            }
        }
        let mut sorted = r.at.clone();
        sorted.sort_unstable();
        if (0..levels).any(|k| sorted[k] != k) {
            return Err(Error::parameter("walkers", format!("{:?}", r.at), "each once"));
        }
        let Record { at, end, crossings, attempts, probability } = r;
        Ok(Walkers { at, end, crossings, attempts, probability })
    }
}
