//! The loop that runs a batch of chains and records what they show.

use ndarray::{Array2, Array3, ArrayView2, Axis, s};

use super::diagnostics::{Autocorrelation, autocorrelation, split_r_hat};
use super::estimate::{SeriesMean, series_mean};
use super::moves::{Move, MoveReport};
use crate::error::{Error, Result};
use crate::mcmc::chains::{Chains, start_weights};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// How long to run, and what to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOptions {
    /// Updates of each chain after the warm-up; `updates / thin` of them (rounded down) are recorded.
    pub updates: usize,
    /// Updates before the first recorded one, which count in no estimate or report.
    pub warm_up: usize,
    /// Updates from one record to the next.
    pub thin: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for RunOptions {
    /// 1000 updates after a warm-up of 100, all recorded, seed 0.
    fn default() -> Self {
        RunOptions { updates: 1000, warm_up: 100, thin: 1, seed: 0 }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Updates made, warm-up included.
    pub done: usize,
    /// Updates to make, warm-up included.
    pub total: usize,
    /// What happened since the warm-up.
    pub report: &'a MoveReport,
}

/// What a run recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Observables, shape `(records, chains, observables)`.
    pub series: Array3<f64>,
    /// Log-weights in nats, shape `(records, chains)`.
    pub log_weight: Array2<f64>,
    /// Proposals, acceptances and the like after the warm-up.
    pub report: MoveReport,
}

impl Run {
    /// The series of one observable, shape `(records, chains)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an observable out of range.
    pub fn observable(&self, k: usize) -> Result<ArrayView2<'_, f64>> {
        if k >= self.series.dim().2 {
            return Err(Error::parameter("observable", k, "below the number of observables"));
        }
        Ok(self.series.index_axis(Axis(2), k))
    }

    /// Mean of an observable with its error from the autocorrelation time.
    ///
    /// # Errors
    /// As [`Run::observable`] and [`series_mean`].
    pub fn mean(&self, k: usize) -> Result<SeriesMean> {
        series_mean(self.observable(k)?)
    }

    /// Autocorrelation time of an observable, in records.
    ///
    /// # Errors
    /// As [`Run::observable`] and [`autocorrelation`].
    pub fn autocorrelation(&self, k: usize) -> Result<Autocorrelation> {
        autocorrelation(self.observable(k)?)
    }

    /// Rank-normalised split-R̂ of an observable.
    ///
    /// # Errors
    /// As [`Run::observable`] and [`split_r_hat`].
    pub fn r_hat(&self, k: usize) -> Result<f64> {
        split_r_hat(self.observable(k)?)
    }
}

/// Numbers that a run may record: 8 GiB.
const SERIES_LIMIT: usize = 1 << 30;

/// Runs the chains on by `warm_up + updates` updates and records the observables.
///
/// `observe` maps configurations `(chains, sites)` to observables `(chains, observables)`. `progress` is called after each update.
/// Two runs of the same `chains` continue each other: 500 and then 500 updates are the 1000 of one run with the same seed. The
/// target may be another one than before (annealing): the chains are weighed anew first.
///
/// # Errors
/// `updates < thin` or `thin` zero; more than 2³⁰ numbers to record; chains at weight zero; observables of a changing number or not finite; errors of move and target. After an error the
/// chains stand at the last complete move.
pub fn run(
    target: &dyn Target,
    dynamics: &dyn Move,
    chains: &mut Chains,
    options: &RunOptions,
    observe: &dyn Fn(Configs<'_>) -> Array2<f64>,
    mut progress: Option<&mut dyn FnMut(Progress<'_>)>,
) -> Result<Run> {
    let RunOptions { updates, warm_up, thin, seed } = *options;
    if thin == 0 {
        return Err(Error::parameter("thin", thin, "at least one"));
    }
    if updates < thin {
        return Err(Error::parameter("updates", updates, "at least `thin`, to record something"));
    }
    let Some(total) = warm_up.checked_add(updates) else {
        return Err(Error::parameter("warm_up", warm_up, "an addressable number of updates"));
    };
    let start = start_weights(target, chains.x())?;
    let records = updates / thin;
    let observables = measure(observe, chains, None)?.ncols();
    let size = records.saturating_mul(chains.len()).saturating_mul(observables.max(1));
    if size > SERIES_LIMIT {
        return Err(Error::TooLarge { what: "the recorded series", size, limit: SERIES_LIMIT });
    }
    chains.log_weight = start;
    let streams = Streams::new(seed).domain("run");
    let mut series = Array3::zeros((records, chains.len(), observables));
    let mut log_weight = Array2::zeros((records, chains.len()));
    let mut report = MoveReport::default();
    for done in 1..=total {
        let step = dynamics.update(chains, target, &streams.step(chains.updates))?;
        chains.updates += 1;
        if done > warm_up {
            report += &step;
            if (done - warm_up).is_multiple_of(thin) {
                let record = (done - warm_up) / thin - 1;
                series.slice_mut(s![record, .., ..]).assign(&measure(observe, chains, Some(observables))?);
                log_weight.row_mut(record).assign(&chains.log_weight);
            }
        }
        if let Some(progress) = progress.as_mut() {
            progress(Progress { done, total, report: &report });
        }
    }
    Ok(Run { series, log_weight, report })
}

/// Observables of the present configurations, checked.
fn measure(
    observe: &dyn Fn(Configs<'_>) -> Array2<f64>,
    chains: &Chains,
    observables: Option<usize>,
) -> Result<Array2<f64>> {
    let values = observe(chains.x());
    let expected = (chains.len(), observables.unwrap_or(values.ncols()));
    if values.dim() != expected {
        let expected = vec![expected.0, expected.1];
        return Err(Error::Shape { field: "observables", expected, got: values.shape().to_vec() });
    }
    match values.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(values),
        Some(((_, site), &value)) => Err(Error::NotFinite { field: "observable", site, value }),
    }
}
