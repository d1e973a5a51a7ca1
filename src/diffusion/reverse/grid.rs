//! Descending times of a reverse process, `T = t_0 > t_1 > … > t_K = δ ≥ 0`.

use crate::error::{Error, Result};
use crate::noise::Schedule;

/// The times between which a sampler steps, in units of the inverse rate.
///
/// Invariant: at least two, strictly descending, none negative; only the first may be infinite.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct TimeGrid {
    times: Vec<f64>,
}

impl TimeGrid {
    /// Any descending times.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two times, or one that is negative or NaN; [`Error::TimeOrder`]
    /// where they do not descend.
    pub fn new(times: Vec<f64>) -> Result<Self> {
        if times.len() < 2 {
            return Err(Error::parameter("number of times", times.len(), "at least two"));
        }
        if let Some(&t) = times.iter().find(|t| t.is_nan() || **t < 0.0) {
            return Err(Error::parameter("t", t, "a time that is not negative"));
        }
        match times.windows(2).find(|pair| pair[1] >= pair[0]) {
            Some(pair) => Err(Error::TimeOrder { s: pair[1], t: pair[0] }),
            None => Ok(TimeGrid { times }),
        }
    }

    /// Equal steps in time.
    ///
    /// # Errors
    /// As [`TimeGrid::new`]; [`Error::Parameter`] for no steps or an infinite `from`.
    pub fn uniform(from: f64, to: f64, steps: usize) -> Result<Self> {
        Self::between(from, to, steps, |share| Ok(to + (from - to) * share))
    }

    /// Equal steps in the elapsed noise `τ(t) = ∫β`.
    ///
    /// # Errors
    /// As [`TimeGrid::uniform`]; errors of the schedule.
    pub fn uniform_in_noise(schedule: &Schedule, from: f64, to: f64, steps: usize) -> Result<Self> {
        let total = schedule.elapsed(to, from)?;
        Self::between(from, to, steps, |share| schedule.time_after(to, total * share, from))
    }

    /// Steps in constant ratio down to `to > 0`.
    ///
    /// # Errors
    /// As [`TimeGrid::uniform`]; [`Error::Parameter`] for `to = 0`.
    pub fn geometric(from: f64, to: f64, steps: usize) -> Result<Self> {
        if to == 0.0 {
            return Err(Error::parameter("last time", to, "positive for geometric steps"));
        }
        Self::between(from, to, steps, |share| Ok(to * (from / to).powf(share)))
    }

    /// `from`, `at(1 − 1/K)`, …, `to`: the ends exactly as given.
    fn between(from: f64, to: f64, steps: usize, at: impl Fn(f64) -> Result<f64>) -> Result<Self> {
        if steps == 0 {
            return Err(Error::parameter("number of steps", steps, "at least one"));
        }
        if from.is_infinite() {
            return Err(Error::parameter("first time", from, "finite"));
        }
        let _ = Self::new(vec![from, to])?;
        let inner = (1..steps).map(|k| at((steps - k) as f64 / steps as f64));
        let times = [Ok(from)].into_iter().chain(inner).chain([Ok(to)]).collect::<Result<_>>()?;
        Self::new(times)
    }

    /// The times, descending.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The first, latest time `T`.
    pub fn from(&self) -> f64 {
        self.times[0]
    }

    /// The last, earliest time `δ`.
    pub fn to(&self) -> f64 {
        self.times[self.times.len() - 1]
    }

    /// Number of steps.
    pub fn steps(&self) -> usize {
        self.times.len() - 1
    }

    /// The steps `(s, t)`, `s < t`, in the order in which they are taken.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.times.windows(2).map(|pair| (pair[1], pair[0]))
    }
}
