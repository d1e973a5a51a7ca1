//! Maximum likelihood and ratio matching, with progress told to Python: what is behind `tensorjump._learn`.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyList;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::learn::{
    self, BornMethod, BornOptions, Data, Epoch, Event, Fit, PositiveMethod, PositiveOptions, RatioMatchingOptions,
    Round, Start, Stop, SweepStep, Training, Validation,
};
use tensorjump::tn::Truncation;

use crate::arrays::{Batch, Reals, named};
use crate::errors::refuse;
use crate::glauber::{PySiteConditionals, PyTokenNoise};
use crate::learned::{Dims, PySymmetry, data};
use crate::mps::{PyBornMps, PyPositiveMps};
use crate::noise::PyNoise;
use crate::progress::{Teller, told};

/// The keywords of a training.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct TrainingArgs<'py> {
    rounds: usize,
    validation: Bound<'py, PyAny>,
    patience: usize,
    batch: usize,
    symmetries: Vec<PySymmetry>,
    seed: u64,
    checkpoint: Option<PathBuf>,
    every: usize,
}

impl TrainingArgs<'_> {
    /// Without the interrupt, which comes with the run.
    fn training(self, dims: &[usize]) -> PyResult<Training> {
        let validation = match self.validation {
            none if none.is_none() => Validation::None,
            given => match given.extract::<f64>() {
                Ok(fraction) => Validation::Fraction(fraction),
                Err(_) => Validation::Given(data(&given.extract::<Batch<'_>>()?, dims.to_vec(), None)?),
            },
        };
        Ok(Training {
            rounds: self.rounds,
            validation,
            patience: self.patience,
            batch: self.batch,
            symmetries: self.symmetries.into_iter().map(|s| s.symmetry).collect(),
            seed: self.seed,
            checkpoint: self.checkpoint.map(|path| Checkpoint { path, every: Interval::Steps(self.every) }),
            interrupt: None,
        })
    }
}

/// The keywords of a method.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct BornArgs {
    method: String,
    max_bond: usize,
    cutoff: f64,
    significance: f64,
    explore: usize,
    iterations: usize,
    rate: Option<f64>,
    slowing: f64,
    memory: usize,
}

impl BornArgs {
    fn method(&self) -> PyResult<BornMethod> {
        let rate = self.rate.unwrap_or(SweepStep::default().rate);
        let step = SweepStep { iterations: self.iterations, rate, slowing: self.slowing };
        match self.method.as_str() {
            "two-site" => Ok(BornMethod::TwoSite {
                truncation: Truncation { max_bond: self.max_bond, cutoff: self.cutoff },
                significance: self.significance,
                explore: self.explore,
                step,
            }),
            "one-site" => Ok(BornMethod::OneSite { step }),
            "adam" => Ok(BornMethod::Adam { rate: self.rate.unwrap_or(0.01) }),
            "lbfgs" => Ok(BornMethod::Lbfgs { memory: self.memory }),
            other => Err(refuse("method", other, "two-site, one-site, adam or lbfgs")),
        }
    }
}

/// A round as the named tuple `Round`.
fn round<'py>(py: Python<'py>, round: &Round, index: usize, improved: bool) -> PyResult<Bound<'py, PyAny>> {
    let fields = (
        index,
        round.train_nll,
        round.validation_nll,
        round.validation_error,
        round.bonds.clone(),
        round.truncation_error,
        round.zeros,
        round.seconds,
        improved,
    );
    named(py, "Round", fields.into_pyobject(py)?)
}

fn rounds<'py>(py: Python<'py>, rounds: &[Round]) -> PyResult<Bound<'py, PyList>> {
    let mut best = f64::INFINITY;
    let list = PyList::empty(py);
    for (k, r) in rounds.iter().enumerate() {
        let improved = k == 0 || r.score() < best;
        best = if improved { r.score() } else { best };
        list.append(round(py, r, k, improved)?)?;
    }
    Ok(list)
}

/// Model, rounds, best round, why it ended, what broke down, what was raised.
type Fitted<'py> = (Py<PyAny>, Bound<'py, PyList>, usize, &'static str, Option<String>, Option<PyErr>);

fn fitted<'py, M>(py: Python<'py>, fit: &Fit<M>, model: Py<PyAny>, raised: Option<PyErr>) -> PyResult<Fitted<'py>> {
    let (stop, error) = match &fit.stopped {
        Stop::Rounds => ("rounds", None),
        Stop::Patience => ("patience", None),
        Stop::Asked => ("asked", None),
        Stop::Failed(error) => ("failed", Some(error.to_string())),
        _ => ("other", None),
    };
    Ok((model, rounds(py, &fit.history.rounds)?, fit.best, stop, error, raised))
}

fn event(teller: &mut Teller, event: &Event<'_>) -> ControlFlow<()> {
    let (done, index, improved) = (event.round.clone(), event.index, event.improved);
    teller.tell(move |py| round(py, &done, index, improved))
}

/// Learns a Born law; see `tensorjump.learn_born`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn fit_born<'py>(
    py: Python<'py>,
    x: Batch<'py>,
    dims: Dims,
    weights: Option<Reals>,
    start: Bound<'py, PyAny>,
    options: BornArgs,
    training: TrainingArgs<'py>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Fitted<'py>> {
    let data: Data = data(&x, dims.of(x.view().ncols()), weights)?;
    let start = match start.cast::<PyBornMps>() {
        Ok(model) => Start::Model((*model.get().0).clone()),
        Err(_) => Start::Random { bond: start.extract()? },
    };
    let mut options = BornOptions { method: options.method()?, start, training: training.training(data.dims())? };
    let (fit, raised) = told(py, progress, |interrupt, mut teller| {
        options.training.interrupt = Some(interrupt);
        options.fit_with_progress(&data, |e| event(&mut teller, e))
    })?;
    let model = Py::new(py, PyBornMps::wrap(fit.model.clone()))?.into_any();
    fitted(py, &fit, model, raised)
}

/// Learns a non-negative law; see `tensorjump.learn_positive`.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn fit_positive<'py>(
    py: Python<'py>,
    x: Batch<'py>,
    dims: Dims,
    weights: Option<Reals>,
    start: Bound<'py, PyAny>,
    method: (String, Option<f64>, usize),
    training: TrainingArgs<'py>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Fitted<'py>> {
    let data: Data = data(&x, dims.of(x.view().ncols()), weights)?;
    let method = match (method.0.as_str(), method.1, method.2) {
        ("em", ..) => PositiveMethod::Em,
        ("adam", rate, _) => PositiveMethod::Adam { rate: rate.unwrap_or(0.01) },
        ("lbfgs", _, memory) => PositiveMethod::Lbfgs { memory },
        (other, ..) => return Err(refuse("method", other, "em, adam or lbfgs")),
    };
    let mut options =
        PositiveOptions { method, start: positive_start(&start)?, training: training.training(data.dims())? };
    let (fit, raised) = told(py, progress, |interrupt, mut teller| {
        options.training.interrupt = Some(interrupt);
        options.fit_with_progress(&data, |e| event(&mut teller, e))
    })?;
    let model = Py::new(py, PyPositiveMps::wrap(fit.model.clone()))?.into_any();
    fitted(py, &fit, model, raised)
}

fn positive_start(start: &Bound<'_, PyAny>) -> PyResult<Start<tensorjump::model::PositiveMps>> {
    match start.cast::<PyPositiveMps>() {
        Ok(model) => Ok(Start::Model((*model.get().0).clone())),
        Err(_) => Ok(Start::Random { bond: start.extract()? }),
    }
}

/// The keywords of ratio and Glauber matching.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct MatchingArgs<'py> {
    start: Bound<'py, PyAny>,
    times: Option<Reals>,
    epochs: usize,
    batch: usize,
    rate: f64,
    seed: u64,
}

impl MatchingArgs<'_> {
    fn options(self) -> PyResult<RatioMatchingOptions> {
        let times = self.times.map(|t| t.one("times")).transpose()?.map(|t| t.to_vec()).unwrap_or_default();
        let start = positive_start(&self.start)?;
        Ok(RatioMatchingOptions {
            start,
            times,
            epochs: self.epochs,
            batch: self.batch,
            rate: self.rate,
            seed: self.seed,
            interrupt: None,
        })
    }
}

fn epoch(teller: &mut Teller, epoch: &Epoch) -> ControlFlow<()> {
    let (index, loss) = (epoch.index, epoch.loss);
    teller.tell(move |py| named(py, "Epoch", (index, loss).into_pyobject(py)?))
}

/// Learns a non-negative law by ratio matching; see `tensorjump.learn_ratio_matching`.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn fit_ratio_matching<'py>(
    py: Python<'py>,
    x: Batch<'py>,
    noise: &PyNoise,
    weights: Option<Reals>,
    options: MatchingArgs<'py>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Py<PyPositiveMps>, Vec<f64>, Option<PyErr>)> {
    let (data, noise) = (data(&x, noise.noise.dims_in().to_vec(), weights)?, &noise.noise);
    let mut options = options.options()?;
    let (learned, raised) = told(py, progress, |interrupt, mut teller| {
        options.interrupt = Some(interrupt);
        learn::RatioMatched::with_progress(&data, noise, &options, |e| epoch(&mut teller, e))
    })?;
    let model = Py::new(py, PyPositiveMps::wrap(learned.denoiser.model().clone()))?;
    Ok((model, learned.losses, raised))
}

/// Learns a non-negative law by classifying tokens; see `tensorjump.learn_glauber`.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn fit_glauber<'py>(
    py: Python<'py>,
    x: Batch<'py>,
    tokens: &PyTokenNoise,
    weights: Option<Reals>,
    options: MatchingArgs<'py>,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Py<PyPositiveMps>, PySiteConditionals, Vec<f64>, Option<PyErr>)> {
    let (data, tokens) = (data(&x, tokens.0.dims().to_vec(), weights)?, &tokens.0);
    let mut options = options.options()?;
    let (learned, raised) = told(py, progress, |interrupt, mut teller| {
        options.interrupt = Some(interrupt);
        learn::GlauberMatched::with_progress(&data, tokens, &options, |e| epoch(&mut teller, e))
    })?;
    let (model, losses) = (learned.model.clone(), learned.losses.clone());
    let conditionals = PySiteConditionals::of(Arc::new(learned), "learned by matching");
    Ok((Py::new(py, PyPositiveMps::wrap(model))?, conditionals, losses, raised))
}
