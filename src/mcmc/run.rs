//! The loop that runs a batch of chains and records what they show.
//!
//! [`RunOptions::run`] is three parts that can be had one by one: a start ([`Chains`]), updates
//! ([`Chains::advance`]), and a [`Recorder`].

use std::fmt;
use std::ops::ControlFlow;

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};

use super::chains::{Chains, start_weights};
use super::diagnostics::{Autocorrelation, split_r_hat};
use super::estimate::SeriesMean;
use super::moves::{Move, MoveReport};
use crate::error::{Error, Result};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// How long to run, and what to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RunOptions {
    /// Updates of each chain after the warm-up; `updates / thin` of them (rounded down) are recorded.
    pub updates: usize,
    /// Updates before the first recorded one, which count in no estimate or report.
    pub warm_up: usize,
    /// Updates from one record to the next.
    pub thin: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Number of the first chain: chains `5..8` of eight, run elsewhere with 5 here, are bit for bit those of
    /// one run of eight.
    pub first_chain: usize,
}

impl Default for RunOptions {
    /// 1000 updates after a warm-up of 100, all recorded, seed 0, chains counted from 0.
    fn default() -> Self {
        RunOptions { updates: 1000, warm_up: 100, thin: 1, seed: 0, first_chain: 0 }
    }
}

impl RunOptions {
    /// The streams that [`RunOptions::run`] draws from: what [`Chains::advance`] needs to make the same
    /// updates.
    pub fn streams(&self) -> Streams {
        Streams::new(self.seed).domain("run").rows_from(self.first_chain)
    }

    /// Checked: updates to make, and records.
    fn lengths(&self) -> Result<(usize, usize)> {
        let RunOptions { updates, warm_up, thin, .. } = *self;
        if thin == 0 {
            return Err(Error::parameter("thin", thin, "at least one"));
        }
        if updates < thin {
            return Err(Error::parameter("updates", updates, "at least `thin`, to record something"));
        }
        match warm_up.checked_add(updates) {
            Some(total) => Ok((total, updates / thin)),
            None => Err(Error::parameter("warm_up", warm_up, "an addressable number of updates")),
        }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
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
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Run {
    /// Observables, shape `(records, chains, observables)`.
    pub series: Array3<f64>,
    /// Log-weights in nats, shape `(records, chains)`.
    pub log_weight: Array2<f64>,
    /// Proposals, acceptances and the like after the warm-up.
    pub report: MoveReport,
    /// Whether the caller stopped it: there are then fewer records than asked for.
    pub stopped: bool,
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
    /// As [`Run::observable`] and [`SeriesMean::of`].
    pub fn mean(&self, k: usize) -> Result<SeriesMean> {
        SeriesMean::of(self.observable(k)?)
    }

    /// Autocorrelation time of an observable, in records.
    ///
    /// # Errors
    /// As [`Run::observable`] and [`Autocorrelation::of`].
    pub fn autocorrelation(&self, k: usize) -> Result<Autocorrelation> {
        Autocorrelation::of(self.observable(k)?)
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

/// What an observer may return: nothing, one number a chain, or several.
pub trait Observables {
    /// As a table, shape `(chains, observables)`.
    fn table(self, chains: usize) -> Array2<f64>;
}

impl Observables for () {
    /// No observables: log-weights are recorded anyway.
    fn table(self, chains: usize) -> Array2<f64> {
        Array2::zeros((chains, 0))
    }
}

impl Observables for Array1<f64> {
    /// One observable, shape `(chains,)`.
    fn table(self, _: usize) -> Array2<f64> {
        self.insert_axis(Axis(1))
    }
}

impl Observables for Array2<f64> {
    /// Several, shape `(chains, observables)`.
    fn table(self, _: usize) -> Array2<f64> {
        self
    }
}

/// Asks an observer for a table.
type Observe<'a> = Box<dyn FnMut(Configs<'_>) -> Result<Array2<f64>> + 'a>;

/// Collects observables and log-weights of chains, and reports of their moves.
///
/// ```
/// use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
/// use tensorjump::mcmc::{Chains, Recorder};
/// use tensorjump::{Streams, Target};
///
/// let ising = Ising::new(Couplings::uniform(Square::new(8, 8, Geometry::Torus)?, 1.0)?, 0.3)?;
/// let (sweep, streams) = (SpinSweep::heat_bath(&ising)?, Streams::new(1));
/// let mut chains = Chains::initial(&ising, 16, 1)?;
/// chains.advance(&ising, &sweep, 50, &streams)?;
/// let mut recorder = Recorder::new(|x| ising.energy(x));
/// while recorder.records() < 100 {
///     let report = chains.advance(&ising, &sweep, 2, &streams)?;
///     recorder.record(&chains, &report)?;
/// }
/// let run = recorder.finish();
/// assert!(run.mean(0)?.error < 1.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[must_use]
pub struct Recorder<'a> {
    observe: Observe<'a>,
    /// Chains and observables, from the first look on.
    shape: Option<(usize, usize)>,
    series: Vec<f64>,
    log_weight: Vec<f64>,
    records: usize,
    report: MoveReport,
}

impl fmt::Debug for Recorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("shape", &self.shape).field("records", &self.records).finish_non_exhaustive()
    }
}

impl<'a> Recorder<'a> {
    /// Nothing recorded yet. `observe` maps configurations `(chains, sites)` to [`Observables`], and may
    /// fail.
    pub fn new<O: Observables>(mut observe: impl FnMut(Configs<'_>) -> Result<O> + 'a) -> Self {
        let table = move |x: Configs<'_>| Ok(observe(x)?.table(x.nrows()));
        Recorder {
            observe: Box::new(table),
            shape: None,
            series: vec![],
            log_weight: vec![],
            records: 0,
            report: MoveReport::default(),
        }
    }

    /// Records where the chains stand, and what brought them there.
    ///
    /// # Errors
    /// Those of the observer; observables of a changing number or not finite; more than 2³⁰ numbers in all.
    /// Nothing is recorded then.
    pub fn record(&mut self, chains: &Chains, report: &MoveReport) -> Result<()> {
        let values = self.look(chains)?;
        check_size(self.series.len().saturating_add(values.len()))?;
        self.series.extend(&values);
        self.log_weight.extend(chains.log_weight());
        self.records += 1;
        self.report += report;
        Ok(())
    }

    /// Records so far.
    pub fn records(&self) -> usize {
        self.records
    }

    /// What was recorded.
    pub fn finish(self) -> Run {
        let (chains, observables) = self.shape.unwrap_or_default();
        let at = |(record, chain)| record * chains + chain;
        let table = (self.records, chains, observables);
        let series = Array3::from_shape_fn(table, |(r, chain, k)| self.series[at((r, chain)) * observables + k]);
        let log_weight = Array2::from_shape_fn((self.records, chains), |place| self.log_weight[at(place)]);
        Run { series, log_weight, report: self.report, stopped: false }
    }

    /// Observables of the present configurations, checked.
    fn look(&mut self, chains: &Chains) -> Result<Array2<f64>> {
        let values = (self.observe)(chains.x())?;
        let expected = self.shape.unwrap_or((chains.len(), values.ncols()));
        if values.dim() != expected || chains.len() != expected.0 {
            let expected = vec![expected.0, expected.1];
            return Err(Error::Shape { field: "observables", expected, got: values.shape().to_vec() });
        }
        if let Some(((_, site), &value)) = values.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::NotFinite { field: "observable", site, value });
        }
        self.shape = Some(expected);
        Ok(values)
    }
}

/// Refuses series that would fill the memory.
fn check_size(size: usize) -> Result<()> {
    if size > SERIES_LIMIT {
        return Err(Error::TooLarge { what: "the recorded series", size, limit: SERIES_LIMIT });
    }
    Ok(())
}

impl RunOptions {
    /// Runs the chains on by `warm_up + updates` updates and records the observables.
    ///
    /// `observe` maps configurations `(chains, sites)` to [`Observables`]: `|x| ising.energy(x)`, or
    /// `|_| Ok(())` for the log-weights alone. It is asked once before the first update, so that a wrong one
    /// fails at once, and then for each record. Two runs of the same `chains` continue each other: 500 and
    /// then 500 updates are the 1000 of one run with the same seed. The target may be another one than before
    /// (annealing): the chains are weighed anew first.
    ///
    /// # Errors
    /// `updates < thin` or `thin` zero; more than 2³⁰ numbers to record; chains at weight zero; those of
    /// [`Recorder::record`]; errors of move and target. After an error the chains stand at the last complete
    /// move.
    pub fn run<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
    ) -> Result<Run> {
        self.run_with_progress(target, dynamics, chains, observe, |_| ControlFlow::Continue(()))
    }

    /// As [`RunOptions::run`], telling `progress` after each update, which may stop the run: what was
    /// recorded so far is returned, marked as [`Run::stopped`], and the chains stand at that update.
    ///
    /// # Errors
    /// As [`RunOptions::run`].
    pub fn run_with_progress<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Run> {
        let all = chains.len();
        self.run_agreed(target, dynamics, (chains, all), observe, progress, |asked| asked)
    }

    /// The run of chains that are some of `all`. What it is about to do, after the checks and after each
    /// update, is what `agree` makes of that.
    pub(super) fn run_agreed<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        (chains, all): (&mut Chains, usize),
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        mut progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
        mut agree: impl FnMut(Result<ControlFlow<()>>) -> Result<ControlFlow<()>>,
    ) -> Result<Run> {
        let mut recorder = Recorder::new(observe);
        let mut prepare = || {
            let (total, records) = self.lengths()?;
            let start = start_weights(target, chains.x())?;
            let observables = recorder.look(chains)?.ncols();
            check_size(records.saturating_mul(all).saturating_mul(observables.max(1)))?;
            chains.log_weight = start;
            Ok(total)
        };
        let prepared: Result<usize> = prepare();
        let _ = agree(prepared.clone().map(|_| ControlFlow::Continue(())))?;
        let total = prepared?;
        let streams = self.streams();
        let mut report = MoveReport::default();
        let mut stopped = false;
        for done in 1..=total {
            let mut update = || {
                let step = chains.step(target, dynamics, &streams)?;
                if done > self.warm_up {
                    report += &step;
                    if (done - self.warm_up).is_multiple_of(self.thin) {
                        recorder.record(chains, &MoveReport::default())?;
                    }
                }
                Ok(progress(&Progress { done, total, report: &report }))
            };
            stopped = agree(update())?.is_break();
            if stopped {
                break;
            }
        }
        Ok(Run { report, stopped, ..recorder.finish() })
    }
}

impl Chains {
    /// Makes `updates` updates, update `k` since the start with draws from `streams.step(k)`; returns what
    /// happened.
    ///
    /// The target may be another one than before (annealing): the chains are weighed anew first. Cost: the
    /// updates, and a log-weight of each chain.
    ///
    /// # Errors
    /// Chains at weight zero; errors of move and target. The chains then stand at the last complete move.
    pub fn advance(
        &mut self,
        target: &dyn Target,
        dynamics: &dyn Move,
        updates: usize,
        streams: &Streams,
    ) -> Result<MoveReport> {
        self.weigh(target)?;
        let mut report = MoveReport::default();
        for _ in 0..updates {
            report += &self.step(target, dynamics, streams)?;
        }
        Ok(report)
    }

    /// Takes the log-weights of this target.
    fn weigh(&mut self, target: &dyn Target) -> Result<()> {
        self.log_weight = start_weights(target, self.x())?;
        Ok(())
    }

    /// One update of chains that have been weighed.
    pub(crate) fn step(&mut self, target: &dyn Target, dynamics: &dyn Move, streams: &Streams) -> Result<MoveReport> {
        let report = dynamics.update(self, target, &streams.step(self.updates))?;
        self.updates += 1;
        Ok(report)
    }
}
