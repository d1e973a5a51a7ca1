//! What runs record: series of observables and log-weights, in memory and in files.

use std::fmt;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, ArrayView2, Axis};

use super::chains::Chains;
use super::diagnostics::{Autocorrelation, split_r_hat};
use super::estimate::SeriesMean;
use super::jackknife::Jackknife;
use super::moves::MoveReport;
use super::records::Records;
use crate::error::{Error, Result};
use crate::model::Configs;

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

    /// A function of the means of all observables, with its error by the jackknife.
    ///
    /// # Errors
    /// As [`Jackknife::of`].
    pub fn jackknife(&self, f: impl Fn(&[f64]) -> f64) -> Result<Jackknife> {
        Jackknife::of(self.series.view(), f)
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
///
/// [`Recorder::stream`] writes the series to files beside, while they grow.
#[must_use]
pub struct Recorder<'a> {
    observe: Observe<'a>,
    /// From the first look on.
    records: Option<Records>,
    /// Where files are begun with the next record.
    files: Option<PathBuf>,
    report: MoveReport,
}

impl fmt::Debug for Recorder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("records", &self.records).finish_non_exhaustive()
    }
}

impl<'a> Recorder<'a> {
    /// Nothing recorded yet. `observe` maps configurations `(chains, sites)` to [`Observables`], and may
    /// fail.
    pub fn new<O: Observables>(mut observe: impl FnMut(Configs<'_>) -> Result<O> + 'a) -> Self {
        let table = move |x: Configs<'_>| Ok(observe(x)?.table(x.nrows()));
        Recorder { observe: Box::new(table), records: None, files: None, report: MoveReport::default() }
    }

    /// Writes all records, from the next one on, also to the files `{path}.series.npy`, shape
    /// `(records, chains, observables)`, and `{path}.log_weight.npy`, shape `(records, chains)`, in place of
    /// others. NumPy reads them at any moment while they grow.
    pub fn stream(self, path: impl AsRef<Path>) -> Self {
        Recorder { files: Some(path.as_ref().to_owned()), ..self }
    }

    /// Records where the chains stand, and what brought them there.
    ///
    /// # Errors
    /// Those of the observer; observables of a changing number or not finite; more than 2³⁰ numbers in all;
    /// [`Error::File`]. Nothing is recorded then.
    pub fn record(&mut self, chains: &Chains, report: &MoveReport) -> Result<()> {
        let values = self.look(chains)?;
        if let (Some(path), Some(records)) = (&self.files, &mut self.records) {
            records.create(path)?;
            self.files = None;
        }
        let log_weight = chains.log_weight().to_vec();
        self.records.as_mut().map_or(Ok(()), |records| records.push(values.into_iter().collect(), log_weight))?;
        self.report += report;
        Ok(())
    }

    /// Records so far.
    pub fn records(&self) -> usize {
        self.records.as_ref().map_or(0, Records::len)
    }

    /// What was recorded.
    pub fn finish(mut self) -> Run {
        let records = self.records.take().unwrap_or_else(|| Records::new(&[0, 0], &[0]));
        let (series, log_weight) = records.into_arrays();
        Run { series, log_weight, report: self.report, stopped: false }
    }

    /// Observables of the present configurations, checked; from the first look on the records are there.
    pub(super) fn look(&mut self, chains: &Chains) -> Result<Array2<f64>> {
        let values = (self.observe)(chains.x())?;
        let new = [chains.len(), values.ncols()];
        let expected = self.records.as_ref().map_or(&new[..], Records::row);
        check_observables(&values, expected)?;
        if chains.len() != expected[0] {
            return Err(Error::SampleCount { expected: expected[0], got: chains.len() });
        }
        self.records.get_or_insert_with(|| Records::new(&new, &new[..1]));
        Ok(values)
    }

    /// Where the records go, after the first look.
    pub(super) fn recorded(&mut self) -> Option<&mut Records> {
        self.records.as_mut()
    }
}

/// Refuses observables of another shape, `(rows, observables)`, and numbers that are not finite.
pub(super) fn check_observables(values: &Array2<f64>, expected: &[usize]) -> Result<()> {
    if values.shape() != expected {
        let (expected, got) = (expected.to_vec(), values.shape().to_vec());
        return Err(Error::Shape { field: "observables", expected, got });
    }
    match values.indexed_iter().find(|(_, v)| !v.is_finite()) {
        None => Ok(()),
        Some(((_, site), &value)) => Err(Error::NotFinite { field: "observable", site, value }),
    }
}
