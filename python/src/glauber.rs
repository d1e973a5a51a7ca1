//! Glauber generative processes: noise by tokens, undone by heat baths.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;
use tensorjump::diffusion::{ExactGlauber, SiteConditionals, TokenNoise, classification_loss, glauber_reverse};
use tensorjump::{Configs, Result};

use crate::arrays::{Batch, Reals, Rng, free, short, table, vector};
use crate::dense::{PyDenseLaw, Table};
use crate::errors::{raise, refuse, through};
use crate::noise::PyKernel;
use crate::target::PyModel;

/// A chain that gives a token to one site a step: a new state, or "keep" (arXiv 2405.17035).
///
/// Parameters
/// ----------
/// dims : sequence of int
/// tokens : list of array
///     For each step k, that of site k modulo sites: probabilities of the states, and last of "keep".
#[pyclass(name = "TokenNoise", frozen, module = "tensorjump")]
pub struct PyTokenNoise(pub TokenNoise);

#[pymethods]
impl PyTokenNoise {
    #[new]
    fn new(dims: Vec<usize>, tokens: Vec<Vec<f64>>) -> PyResult<Self> {
        Ok(PyTokenNoise(TokenNoise::new(&dims, tokens).map_err(raise)?))
    }

    /// In each of `sweeps` rounds over the sites a site takes any of its states with probability `replace`.
    #[staticmethod]
    fn uniform(dims: Vec<usize>, sweeps: usize, replace: f64) -> PyResult<Self> {
        Ok(PyTokenNoise(TokenNoise::uniform(&dims, sweeps, replace).map_err(raise)?))
    }

    /// The site that step `k` may change.
    fn site(&self, k: usize) -> usize {
        self.0.site(k)
    }

    /// Probabilities of the states (states,) at step `k`, and of "keep".
    fn law<'py>(&self, py: Python<'py>, k: usize) -> PyResult<(Bound<'py, PyArray1<f64>>, f64)> {
        let (states, keep) = self.0.law(k).map_err(raise)?;
        Ok((states.to_pyarray(py), keep))
    }

    /// The law after the first `k` steps given the start, a product over sites.
    fn kernel(&self, k: usize) -> PyResult<PyKernel> {
        Ok(PyKernel(self.0.kernel(k).map_err(raise)?))
    }

    /// One step from the configurations before it: those after it, and which rows were given a state.
    #[pyo3(signature = (k, x, *, rng))]
    #[allow(clippy::type_complexity)]
    fn step<'py>(
        &self,
        py: Python<'py>,
        k: usize,
        x: Batch<'py>,
        rng: Rng,
    ) -> PyResult<(Bound<'py, PyArray2<u8>>, Bound<'py, PyArray1<bool>>)> {
        let x = x.view();
        let (next, replaced) = free(py, || self.0.step(k, x, &rng.0))?;
        Ok((table(py, next), replaced.into_pyarray(py)))
    }

    /// Number of steps.
    #[getter]
    fn steps(&self) -> usize {
        self.0.steps()
    }

    /// Number of states of each site.
    #[getter]
    fn dims(&self) -> Vec<usize> {
        self.0.dims().to_vec()
    }

    fn __repr__(&self) -> String {
        format!("TokenNoise({}, {} steps)", short(self.0.dims()), self.0.steps())
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Vec<usize>, Vec<Vec<f64>>))> {
        let tokens = &slf.get().0;
        let law = |k| tokens.law(k).map(|(states, keep)| [states, &[keep]].concat());
        let laws = (0..tokens.steps()).map(law).collect::<Result<_>>().map_err(raise)?;
        Ok((slf.get_type().into_any(), (tokens.dims().to_vec(), laws)))
    }
}

/// Conditionals `f(k, x)` of a Python callable.
struct CallableConditionals {
    tokens: TokenNoise,
    f: Py<PyAny>,
}

impl SiteConditionals for CallableConditionals {
    fn tokens(&self) -> &TokenNoise {
        &self.tokens
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        const WHAT: &str = "conditionals";
        Python::attach(|py| self.f.bind(py).call1((k, x.to_pyarray(py)))?.extract::<Reals>()?.two(WHAT))
            .map_err(|e| through(WHAT, e))
    }
}

/// `P(X_k at its site = a | the other sites)` of a token chain: of a model, exactly, or of a function of
/// one's own.
///
/// Parameters
/// ----------
/// tokens : TokenNoise
/// undo : Model or callable
///     An exact law; or `f(k, x)` for a step and configurations (samples, sites) uint8, which returns
///     (samples, states of site k modulo sites), normalised here. It must not read the state of that site.
#[pyclass(name = "SiteConditionals", subclass, frozen, module = "tensorjump")]
pub struct PySiteConditionals {
    conditionals: Arc<dyn SiteConditionals>,
    text: &'static str,
}

impl PySiteConditionals {
    pub fn of(conditionals: Arc<dyn SiteConditionals>, text: &'static str) -> Self {
        PySiteConditionals { conditionals, text }
    }
}

#[pymethods]
impl PySiteConditionals {
    #[new]
    fn new(tokens: &PyTokenNoise, undo: Bound<'_, PyAny>) -> PyResult<Self> {
        if let Ok(model) = undo.cast::<PyModel>() {
            let exact = ExactGlauber::new(model.get().law.exact()?, &tokens.0).map_err(raise)?;
            return Ok(Self::of(Arc::new(exact), "exact"));
        }
        if !undo.is_callable() {
            let got = undo.get_type().name()?;
            return Err(pyo3::exceptions::PyTypeError::new_err(format!("expected a model or f(k, x), got {got}")));
        }
        Ok(Self::of(Arc::new(CallableConditionals { tokens: tokens.0.clone(), f: undo.unbind() }), "of a callable"))
    }

    /// The conditional laws of step `k` at each row of `x`, shape (samples, states).
    fn conditionals<'py>(&self, py: Python<'py>, k: usize, x: Batch<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        if k >= self.conditionals.tokens().steps() {
            return Err(refuse("step", k, "below the number of steps"));
        }
        let x = x.view();
        Ok(table(py, free(py, || self.conditionals.conditionals(k, x))?))
    }

    /// Undoes the whole chain from its last configurations `y`: draws of the data law, exactly if `y` has the
    /// law of the last step and the conditionals are exact. Shape (samples, sites).
    #[pyo3(signature = (y, *, rng))]
    fn reverse<'py>(&self, py: Python<'py>, y: Batch<'py>, rng: Rng) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let y = y.view();
        Ok(table(py, free(py, || glauber_reverse(&self.conditionals, y, &rng.0))?))
    }

    /// The law of what `reverse` draws where the last configurations have the law `start`, by enumeration.
    fn sampler_law(&self, py: Python<'_>, start: Table) -> PyResult<Py<PyDenseLaw>> {
        let start = start.law(self.conditionals.tokens().dims())?;
        let law = free(py, || tensorjump::dense::glauber_law(&self.conditionals, &start))?;
        Py::new(py, PyDenseLaw::wrap(law))
    }

    /// Loss of "was a state given?" at step `k` in nats, from what `TokenNoise.step` returns, shape
    /// (samples,).
    fn loss<'py>(
        &self,
        py: Python<'py>,
        k: usize,
        x_next: Batch<'py>,
        replaced: Vec<bool>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x_next.view();
        Ok(vector(py, free(py, || classification_loss(&self.conditionals, k, x, &replaced))?))
    }

    /// The chain.
    #[getter]
    fn tokens(&self) -> PyTokenNoise {
        PyTokenNoise(self.conditionals.tokens().clone())
    }

    fn __repr__(&self) -> String {
        format!("SiteConditionals({}, {})", self.text, short(self.conditionals.tokens().dims()))
    }
}
