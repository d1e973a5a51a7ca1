//! The four faces of a denoiser, by name, and from one to another.

use ndarray::Array3;
use numpy::{IntoPyArray, PyArray3};
use pyo3::prelude::*;
use tensorjump::diffusion::{Face, Scores};
use tensorjump::noise::Kernel;

use crate::arrays::{Batch, Reals, free};
use crate::errors::refuse;
use crate::noise::PyKernel;

pub fn face(name: &str) -> PyResult<Face> {
    match name {
        "cavities" => Ok(Face::Cavities),
        "denoiser_marginals" => Ok(Face::DenoiserMarginals),
        "conditional_marginals" => Ok(Face::ConditionalMarginals),
        "score_ratios" => Ok(Face::ScoreRatios),
        other => Err(refuse("face", other, "cavities, denoiser_marginals, conditional_marginals or score_ratios")),
    }
}

/// Arrays `(samples, sites, states)` out.
pub fn tables(py: Python<'_>, values: Array3<f64>) -> Bound<'_, PyArray3<f64>> {
    values.into_pyarray(py)
}

/// One face of a law as another: arrays (samples, sites, states).
///
/// Parameters
/// ----------
/// kernel : Kernel
///     The noise from time 0 to that of `y`.
/// y : array (samples, sites)
/// values : array (samples, sites, states)
/// given, wanted : "cavities", "denoiser_marginals", "conditional_marginals" or "score_ratios"
///     See `Denoiser`.
///
/// Raises
/// ------
/// ConvergenceError
///     Where a singular kernel would have to be undone.
#[pyfunction]
pub fn convert_scores<'py>(
    py: Python<'py>,
    kernel: &PyKernel,
    y: Batch<'py>,
    values: Reals,
    given: &str,
    wanted: &str,
) -> PyResult<Bound<'py, PyArray3<f64>>> {
    let (y, values, given, wanted) = (y.view(), values.three(given)?, face(given)?, face(wanted)?);
    let kernel: &Kernel = &kernel.0;
    let converted = free(py, || {
        let scores = match given {
            Face::Cavities => Scores::from_cavities(kernel, y, values)?,
            Face::DenoiserMarginals => Scores::from_denoiser_marginals(kernel, y, values.view())?,
            _ => Scores::from_conditional_marginals(kernel, y, values.view())?,
        };
        match wanted {
            Face::Cavities => Ok(scores.cavities().to_owned()),
            Face::DenoiserMarginals => scores.denoiser_marginals(),
            Face::ConditionalMarginals => scores.conditional_marginals(),
            _ => scores.score_ratios(),
        }
    })?;
    Ok(tables(py, converted))
}
