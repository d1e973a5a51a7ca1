//! Importance weights, errors of chains, diagnostics.

use std::cell::RefCell;

use numpy::{IntoPyArray, PyArray1, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tensorjump::Samples;
use tensorjump::mcmc::{
    Assessment, Autocorrelation, Estimate, Jackknife, SeriesMean, WeightSummary, bridge, split_r_hat,
};

use crate::arrays::{Batch, Reals, free};
use crate::errors::raise;
use crate::mcmc::series;
use crate::target::PyTarget;

fn pair(e: Estimate) -> (f64, f64) {
    (e.mean, e.error)
}

/// What `tensorjump.Importance` is made of: log-weights and a dict of numbers.
#[pyfunction]
pub fn _importance<'py>(
    py: Python<'py>,
    target: PyRef<'py, PyTarget>,
    x: Batch<'py>,
    log_prob: Reals,
) -> PyResult<(Bound<'py, PyArray1<f64>>, Bound<'py, PyDict>)> {
    let drawn = Samples { x: x.view().to_owned(), log_prob: log_prob.one("log_prob")? };
    let target = target.law.clone();
    let (log_w, found, summary) = free(py, || {
        let log_w = drawn.log_importance_weights(&target)?;
        let (found, summary) = (Assessment::from_weights(log_w.view())?, WeightSummary::of(log_w.view())?);
        Ok((log_w, found, summary))
    })?;
    let out = PyDict::new(py);
    out.set_item("ess", summary.ess)?;
    out.set_item("fraction", summary.fraction)?;
    out.set_item("max_log_relative", summary.max_log_relative)?;
    out.set_item("acceptance", pair(found.acceptance))?;
    out.set_item("log_z", pair(found.log_z))?;
    out.set_item("outside", found.outside)?;
    Ok((log_w.into_pyarray(py), out))
}

/// Mean of an observable under importance weights, with its error.
#[pyfunction]
pub fn _importance_mean(py: Python<'_>, log_weights: Reals, values: Reals) -> PyResult<(f64, f64)> {
    let (w, f) = (log_weights.one("log_weights")?, values.one("values")?);
    Ok(pair(free(py, || Estimate::importance_mean(w.view(), f.view()))?))
}

/// Mean of a series (records,) or (records, chains) with its error from the autocorrelation time: a dict of
/// `mean`, `error`, `half_width` (of the interval that covers at 95 %), `variance`, `tau` (in records),
/// `ess`, and `lower_bound`, true where the series is too short to tell.
#[pyfunction(name = "series_mean")]
pub fn py_series_mean<'py>(py: Python<'py>, values: Reals) -> PyResult<Bound<'py, PyDict>> {
    let found = SeriesMean::of(series(values)?.view()).map_err(raise)?;
    let out = PyDict::new(py);
    out.set_item("mean", found.mean)?;
    out.set_item("error", found.error)?;
    out.set_item("half_width", found.half_width(0.95).map_err(raise)?)?;
    out.set_item("variance", found.variance)?;
    out.set_item("tau", found.autocorrelation.tau)?;
    out.set_item("ess", found.autocorrelation.ess)?;
    out.set_item("lower_bound", found.autocorrelation.lower_bound)?;
    Ok(out)
}

/// A function of the means of several observables, series (records, chains, observables), with its error by
/// the jackknife: a dict of `value`, `error`, `bias` (`value - bias` is without it to first order), `block`
/// and `blocks`, `tau` of the linearised quantity (in records), and `lower_bound`, true where the series is
/// too short to tell.
///
/// Parameters
/// ----------
/// series : array (records, chains, observables)
///     As `Run.series`.
/// f : callable
///     From the means, an array (observables,), to a number.
#[pyfunction(name = "jackknife")]
pub fn py_jackknife<'py>(py: Python<'py>, series: Reals, f: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let series = series.three("series")?;
    // What `f` raises comes out as itself.
    let raised = RefCell::new(None);
    let value = |means: &[f64]| {
        let answer = f.call1((means.to_pyarray(py),)).and_then(|answer| answer.extract::<f64>());
        answer.unwrap_or_else(|error| {
            raised.borrow_mut().get_or_insert(error);
            f64::NAN
        })
    };
    let found = Jackknife::of(series.view(), value);
    if let Some(error) = raised.into_inner() {
        return Err(error);
    }
    let found = found.map_err(raise)?;
    let out = PyDict::new(py);
    out.set_item("value", found.value)?;
    out.set_item("error", found.error)?;
    out.set_item("bias", found.bias)?;
    out.set_item("block", found.block)?;
    out.set_item("blocks", found.blocks)?;
    out.set_item("tau", found.autocorrelation.tau)?;
    out.set_item("lower_bound", found.lower_bound)?;
    Ok(out)
}

/// Integrated autocorrelation time of a series (records,) or (records, chains), in records: one half for
/// independent ones, and the squared error of the mean is `2 tau variance / records`.
#[pyfunction(name = "autocorrelation_time")]
pub fn py_autocorrelation(values: Reals) -> PyResult<f64> {
    Ok(Autocorrelation::of(series(values)?.view()).map_err(raise)?.tau)
}

/// Rank-normalised split-R-hat of a series (records, chains): near one where the chains agree.
#[pyfunction(name = "split_r_hat")]
pub fn py_split_r_hat(values: Reals) -> PyResult<f64> {
    split_r_hat(series(values)?.view()).map_err(raise)
}

/// `log Z` of a target by bridge sampling, from log-weights `log w - log q` of independent draws of the model
/// and of chains of the target.
#[pyfunction(name = "bridge_log_z")]
pub fn py_bridge(draws: Reals, chains: Reals) -> PyResult<f64> {
    let (draws, chains) = (draws.one("draws")?, chains.one("chains")?);
    bridge(draws.view(), chains.view()).map_err(raise)
}

/// Mass of the target on configurations that the model misses by more than `kappa` nats, with its error, from
/// draws of the target and their (normalised) log-probabilities under both: the check that acceptance cannot
/// make.
#[pyfunction(name = "missing_mass")]
pub fn py_missing_mass(kappa: f64, log_target: Reals, log_model: Reals) -> PyResult<(f64, f64)> {
    let (target, model) = (log_target.one("log_target")?, log_model.one("log_model")?);
    Ok(pair(Estimate::missing_mass(kappa, target.view(), model.view()).map_err(raise)?))
}
