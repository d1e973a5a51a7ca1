//! Diffusion kernel smoothing: data at a small noise time as a law.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use tensorjump::Result;
use tensorjump::diffusion::Smoothing;

use crate::arrays::{Batch, Reals, free, named, vector};
use crate::models::PyKernelMixture;
use crate::noise::PyNoise;

/// Data and the noise that smooths them: the law at time t is a mixture of kernels, t chosen by leave-one-out
/// likelihood (arXiv 2406.09084).
///
/// Parameters
/// ----------
/// x : array (n, sites)
/// noise : Noise
///     Without masks.
/// weights : array (n,), optional
///     Equal if not given.
#[pyclass(name = "Smoothing", frozen, module = "tensorjump")]
pub struct PySmoothing {
    x: Array2<u8>,
    weights: Option<Array1<f64>>,
    noise: Py<PyNoise>,
}

impl PySmoothing {
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(Smoothing<'_>) -> Result<T> + Send) -> PyResult<T> {
        let noise = &self.noise.get().noise;
        free(py, || work(Smoothing::new(self.x.view(), self.weights.as_ref().map(|w| w.view()), noise)?))
    }
}

#[pymethods]
impl PySmoothing {
    #[new]
    #[pyo3(signature = (x, noise, *, weights = None))]
    fn new(py: Python<'_>, x: Batch<'_>, noise: Py<PyNoise>, weights: Option<Reals>) -> PyResult<Self> {
        let weights = weights.map(|w| w.one("weights")).transpose()?;
        let made = PySmoothing { x: x.view().to_owned(), weights, noise };
        made.with(py, |_| Ok(()))?;
        Ok(made)
    }

    /// The smoothed law at time `t`.
    fn law(&self, py: Python<'_>, t: f64) -> PyResult<Py<PyKernelMixture>> {
        let law = self.with(py, |s| s.law(t))?;
        Py::new(py, PyKernelMixture::wrap(Arc::new(law)))
    }

    /// Leave-one-out likelihood at time `t`: the named tuple `LeaveOneOut` of `log_likelihood` in nats a
    /// sample, `derivative` by time, `by_site` (sites,), the derivative by the logarithm of each site's
    /// rates.
    #[pyo3(signature = (t) -> "LeaveOneOut")]
    fn leave_one_out<'py>(&self, py: Python<'py>, t: f64) -> PyResult<Bound<'py, PyAny>> {
        let one = self.with(py, |s| s.leave_one_out(t))?;
        let fields = (one.log_likelihood, one.derivative, vector(py, one.by_site));
        named(py, "LeaveOneOut", fields.into_pyobject(py)?)
    }

    /// The time of the largest leave-one-out likelihood between `low` and `high`: the named tuple `Bandwidth`
    /// of `time`, `log_likelihood`, `at_edge` and `evaluations`.
    #[pyo3(signature = (low, high) -> "Bandwidth")]
    fn bandwidth<'py>(&self, py: Python<'py>, low: f64, high: f64) -> PyResult<Bound<'py, PyAny>> {
        let best = self.with(py, |s| s.bandwidth(low, high))?;
        let fields = (best.time, best.log_likelihood, best.at_edge, best.evaluations);
        named(py, "Bandwidth", fields.into_pyobject(py)?)
    }

    /// Factors of the rates of each site at time `t` by expectation-maximisation: the named tuple `SiteRates`
    /// of `factors` (sites,), for `noise.scaled(factors)`, and `log_likelihood` (rounds + 1,).
    #[pyo3(signature = (t, *, rounds = 10) -> "SiteRates")]
    fn site_rates<'py>(&self, py: Python<'py>, t: f64, rounds: usize) -> PyResult<Bound<'py, PyAny>> {
        let fitted = self.with(py, |s| s.site_rates(t, rounds))?;
        let fields = (fitted.factors.into_pyarray(py), fitted.log_likelihood.into_pyarray(py));
        named(py, "SiteRates", fields.into_pyobject(py)?)
    }

    fn __repr__(&self) -> String {
        format!("Smoothing({} samples, {} sites)", self.x.nrows(), self.x.ncols())
    }
}
