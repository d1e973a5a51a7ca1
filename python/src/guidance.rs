//! Guidance towards a label.

use std::sync::Arc;

use ndarray::Array1;
use numpy::{IntoPyArray, PyArray3, ToPyArray};
use pyo3::prelude::*;
use tensorjump::diffusion::{Classified, Denoiser, Guided, Scheme};
use tensorjump::{Configs, Result};

use crate::arrays::{Batch, Reals, Rng, free, named};
use crate::denoiser::PyDenoiser;
use crate::errors::{misshapen, raise, refuse, through};

type Pair = Guided<Arc<dyn Denoiser>, Arc<dyn Denoiser>>;

/// Two denoisers under one noise, with a label and without, combined with strength `gamma` (arXiv
/// 2412.10193).
///
/// A denoiser with the rates `R_label**gamma R**(1 - gamma)`; `sample` runs the two published step laws. At
/// `gamma != 1` neither has the law `P(x) p(label | x)**gamma`, however small the steps. Where the truth is
/// wanted condition exactly: `model.constrained`, `Labelled`, site weights.
///
/// Parameters
/// ----------
/// conditional, unconditional : Denoiser
/// gamma : float
///     Not negative.
/// scheme : "classifier-free" or "classifier-based"
///     How `sample` combines: the steps with and without label, or the step without and the classifier of
///     noised configurations.
#[pyclass(name = "Guided", extends = PyDenoiser, frozen, module = "tensorjump")]
pub struct PyGuided(Arc<Pair>);

#[pymethods]
impl PyGuided {
    #[new]
    #[pyo3(signature = (conditional, unconditional, *, gamma = 1.0, scheme = "classifier-free"))]
    fn new(
        conditional: PyRef<'_, PyDenoiser>,
        unconditional: PyRef<'_, PyDenoiser>,
        gamma: f64,
        scheme: &str,
    ) -> PyResult<PyClassInitializer<Self>> {
        let kind = match scheme {
            "classifier-free" => Scheme::ClassifierFree,
            "classifier-based" => Scheme::ClassifierBased,
            other => return Err(refuse("scheme", other, "classifier-free or classifier-based")),
        };
        let (with, without) = (conditional.denoiser.clone(), unconditional.denoiser.clone());
        let guided = Arc::new(Guided::new(with, without, kind, gamma).map_err(raise)?);
        let base = PyDenoiser::of(guided.clone(), None, &format!("{scheme} guidance, gamma={gamma}"));
        Ok(PyClassInitializer::from(base).add_subclass(PyGuided(guided)))
    }

    /// The strength.
    #[getter]
    fn gamma(&self) -> f64 {
        self.0.gamma()
    }

    /// The law of one guided step from `y` at `t` to `s < t`, a product over sites: shape (samples, sites,
    /// states).
    fn guided_step_law<'py>(
        &self,
        py: Python<'py>,
        s: f64,
        t: f64,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(free(py, || self.0.step_law(s, t, y))?.into_pyarray(py))
    }

    /// Runs the guided process from `y` at the first of descending `times` to the last.
    ///
    /// Returns
    /// -------
    /// GuidedSamples
    ///     Named tuple of `x` (samples, sites), `stranded` (rows that reached what is impossible under the
    ///     label) and `evaluations` of the pair of denoisers.
    #[pyo3(signature = (y, times, *, rng) -> "GuidedSamples")]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        y: Batch<'py>,
        times: crate::reverse::Times,
        rng: Rng,
    ) -> PyResult<Bound<'py, PyAny>> {
        let y = y.view();
        let drawn = free(py, || self.0.sample(times.0.times(), y, &rng.0))?;
        let stranded: Array1<i64> = drawn.stranded.into_iter().map(|row| row as i64).collect();
        let fields = (drawn.x.into_pyarray(py), stranded.into_pyarray(py), drawn.evaluations);
        named(py, "GuidedSamples", fields.into_pyobject(py)?)
    }
}

/// `f(t, y)`, shape `(samples,)`.
fn answered(f: &Py<PyAny>, t: f64, y: Configs<'_>) -> Result<Array1<f64>> {
    const WHAT: &str = "log_likelihood";
    Python::attach(|py| {
        let values = f.bind(py).call1((t, y.to_pyarray(py)))?.extract::<Reals>()?.one(WHAT)?;
        match values.len() == y.nrows() {
            true => Ok(values),
            false => Err(misshapen(WHAT, &format!("({},)", y.nrows()), &[values.len()])),
        }
    })
    .map_err(|e| through(WHAT, e))
}

/// The denoiser of a label from a classifier: conditionals `P_t(y_j | y without j) p(label | y with y_j)`.
///
/// Parameters
/// ----------
/// unconditional : Denoiser
/// log_likelihood : callable
///     `log_likelihood(t, y)` for configurations (samples, sites) at time t returns `log p(label | y)` in
///     nats, shape (samples,); -inf allowed. It is asked for all sites times states neighbours of each row.
#[pyclass(name = "Classified", extends = PyDenoiser, frozen, module = "tensorjump")]
pub struct PyClassified;

#[pymethods]
impl PyClassified {
    #[new]
    fn new(
        unconditional: PyRef<'_, PyDenoiser>,
        log_likelihood: Bound<'_, PyAny>,
    ) -> PyResult<PyClassInitializer<Self>> {
        if !log_likelihood.is_callable() {
            let got = log_likelihood.get_type().name()?;
            return Err(pyo3::exceptions::PyTypeError::new_err(format!("log_likelihood must be callable, got {got}")));
        }
        let f = log_likelihood.unbind();
        let ask = move |t: f64, y: Configs<'_>| answered(&f, t, y);
        let denoiser = Arc::new(Classified::new(unconditional.denoiser.clone(), ask));
        let base = PyDenoiser::of(denoiser, None, "classified by a callable");
        Ok(PyClassInitializer::from(base).add_subclass(PyClassified))
    }
}
