//! Laws on a lattice: what can be weighed, what can be drawn.

use std::sync::Arc;

use ndarray::Array1;
use numpy::{IntoPyArray, PyArray1, PyArray3};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};
use rand::RngExt;
use tensorjump::diffusion::{Denoise, ExactDiffusion};
use tensorjump::model::DrawAhead;
use tensorjump::{Configs, ExactModel, Model, Result, Stream, Target};

use crate::arrays::{Batch, Reals, Rng, Weights, check_memory, free, in_parts, named, samples, short, vector};
use crate::callables::numbers;
use crate::errors::{misshapen, raise, refuse};
use crate::noise::{PyKernel, PyNoise};
use crate::reverse::PyBridge;

/// A law that can be drawn, with or without exact evidences.
#[derive(Clone)]
pub enum Law {
    Plain(Arc<dyn Model>),
    Exact(Arc<dyn ExactModel>),
}

impl Law {
    pub fn model(&self) -> Arc<dyn Model> {
        match self {
            Law::Plain(m) => m.clone(),
            Law::Exact(m) => m.clone(),
        }
    }

    pub fn exact(&self) -> PyResult<Arc<dyn ExactModel>> {
        match self {
            Law::Exact(m) => Ok(m.clone()),
            Law::Plain(_) => Err(refuse(
                "model",
                "a law that is drawn but has no exact evidences",
                "a matrix-product, mixture, snake or Fredkin law",
            )),
        }
    }
}

/// A target whose log-weight is a Python callable.
struct CallableTarget {
    dims: Vec<usize>,
    log_weight: Py<PyAny>,
    initial: Option<Array1<u8>>,
}

impl Target for CallableTarget {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        numbers("log_weight", &self.log_weight, x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        let random = || self.dims.iter().map(|&d| stream.random_range(0..d) as u8).collect();
        Some(self.initial.clone().unwrap_or_else(random))
    }
}

/// An unnormalised law on a lattice: one of this package, or `Target(dims, log_weight)` of one's own.
///
/// Parameters
/// ----------
/// dims : sequence of int
///     Number of states of each site, 1 to 256.
/// log_weight : callable
///     `log_weight(x)` for `x` of shape (samples, sites), uint8, returns shape (samples,): the logarithm of
///     the weight, in nats; `-inf` forbids. It may be called from several threads, one at a time.
/// initial : sequence of int, optional
///     An allowed configuration for chains to start at; random states if not given.
#[pyclass(name = "Target", subclass, frozen, module = "tensorjump")]
pub struct PyTarget {
    pub law: Arc<dyn Target>,
}

#[pymethods]
impl PyTarget {
    #[new]
    #[pyo3(signature = (dims, log_weight, *, initial = None))]
    fn new(dims: Vec<usize>, log_weight: Py<PyAny>, initial: Option<Batchlike>) -> PyResult<Self> {
        if let Some(&dim) = dims.iter().find(|d| !(1..=256).contains(*d)) {
            return Err(refuse("local dimension", dim, "between 1 and 256"));
        }
        let initial = initial.map(|x| x.0);
        if let Some(x) = &initial
            && x.len() != dims.len()
        {
            return Err(misshapen("initial", &format!("({},)", dims.len()), &[x.len()]));
        }
        Ok(PyTarget { law: Arc::new(CallableTarget { dims, log_weight, initial }) })
    }

    /// A law of one's own is `Target(dims, log_weight)`: a method that a subclass overrides would not be
    /// asked.
    #[classmethod]
    #[pyo3(signature = (**_keywords))]
    fn __init_subclass__(_cls: &Bound<'_, PyType>, _keywords: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let message = "laws of tensorjump have no subclasses in Python: pass log_weight= to Target";
        Err(pyo3::exceptions::PyTypeError::new_err(message))
    }

    /// Number of states of each site.
    #[getter]
    fn dims(&self) -> Vec<usize> {
        self.law.dims().to_vec()
    }

    /// Number of sites.
    #[getter]
    fn sites(&self) -> usize {
        self.law.dims().len()
    }

    /// Log-weight of each row of `x`, in nats, shape (samples,).
    fn log_weight<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.view();
        Ok(vector(py, free(py, || self.law.log_weight(x))?))
    }

    fn __repr__(&self) -> String {
        format!("Target({})", short(self.law.dims()))
    }
}

/// One configuration, shape `(sites,)`.
pub struct Batchlike(pub Array1<u8>);

impl<'a, 'py> FromPyObject<'a, 'py> for Batchlike {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match Batch::or_single(&ob)? {
            (batch, true) => Ok(Batchlike(batch.view().row(0).to_owned())),
            (batch, false) => {
                Err(misshapen("configuration", "(sites,)", &[batch.view().nrows(), batch.view().ncols()]))
            }
        }
    }
}

/// A normalised law on a lattice, drawn site by site with its log-probability.
#[pyclass(name = "Model", extends = PyTarget, subclass, frozen, module = "tensorjump")]
pub struct PyModel {
    pub law: Law,
}

/// The base classes of an exact law.
pub fn exact(law: Arc<dyn ExactModel>) -> PyClassInitializer<PyModel> {
    PyClassInitializer::from(PyTarget { law: law.clone() }).add_subclass(PyModel { law: Law::Exact(law) })
}

/// The base classes of a law without exact evidences.
pub fn plain(law: Arc<dyn Model>) -> PyClassInitializer<PyModel> {
    PyClassInitializer::from(PyTarget { law: law.clone() }).add_subclass(PyModel { law: Law::Plain(law) })
}

/// A law of no class of its own.
pub fn exact_class(py: Python<'_>, law: Arc<dyn ExactModel>) -> PyResult<Py<PyModel>> {
    Py::new(py, exact(law))
}

#[pymethods]
impl PyModel {
    /// Draws `n` configurations independently.
    ///
    /// Parameters
    /// ----------
    /// n : int
    ///     Number of draws.
    /// rng : int, Streams or numpy.random.Generator
    ///     The randomness. The same seed draws the same, whatever the number of threads.
    /// weights : array, optional
    ///     Site weights (sites, states) for all draws, or (n, sites, states): the law is tilted by their
    ///     product.
    ///
    /// Returns
    /// -------
    /// Samples
    ///     Named tuple of `x` (n, sites) uint8 and `log_prob` (n,), in nats.
    ///
    /// Raises
    /// ------
    /// ZeroEvidenceError
    ///     If the weights leave no configuration; `row` tells where.
    #[pyo3(signature = (n, *, rng, weights = None) -> "Samples")]
    fn sample<'py>(&self, py: Python<'py>, n: usize, rng: Rng, weights: Option<Reals>) -> PyResult<Bound<'py, PyAny>> {
        let (law, w) = (self.law.model(), Weights::of(weights)?);
        w.view().check(law.dims(), Some(n)).map_err(raise)?;
        let draw = |first, rows, streams: &tensorjump::Streams| law.sample(&w.part(first, rows), rows, streams);
        samples(py, in_parts(py, n, law.dims().len(), &rng.0, draw)?)
    }

    /// Log-probability of each row of `x`, in nats, shape (samples,); under `weights` that of the tilted law.
    #[pyo3(signature = (x, *, weights = None))]
    fn log_prob<'py>(
        &self,
        py: Python<'py>,
        x: Batch<'py>,
        weights: Option<Reals>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, x, w) = (self.law.model(), x.view(), Weights::of(weights)?);
        Ok(vector(py, free(py, || law.log_prob_given(x, &w.view()))?))
    }

    /// An iterator over single draws `(x, log_prob)` that are made `ahead` at a time: for loops with one
    /// configuration, at the cost of a batched draw.
    #[pyo3(signature = (*, rng, ahead = 1024))]
    fn draws(&self, rng: Rng, ahead: usize) -> PyResult<PyDraws> {
        check_memory("draws ahead", ahead, self.law.model().dims().len() + 8)?;
        let draws = DrawAhead::new(self.law.model(), &rng.0, ahead).map_err(raise)?;
        Ok(PyDraws { draws })
    }

    /// Draws `x0 ~ P(x0 | x_t = y)` for each row of `y`: undoes the noise of `kernel`, exactly where the law
    /// is exact.
    ///
    /// Returns
    /// -------
    /// Samples
    ///     `x` (samples, sites) and `log_prob` (samples,) of each given its `y`.
    #[pyo3(signature = (kernel, y, *, rng) -> "Samples")]
    fn denoise<'py>(&self, py: Python<'py>, kernel: &PyKernel, y: Batch<'py>, rng: Rng) -> PyResult<Bound<'py, PyAny>> {
        let (law, y, kernel) = (self.law.model(), y.view(), &kernel.0);
        samples(py, free(py, || law.denoise(kernel, y, &rng.0))?)
    }

    /// `log P(x0 | x_t = y)` of each pair of rows, in nats, shape (samples,).
    fn denoise_log_prob<'py>(
        &self,
        py: Python<'py>,
        kernel: &PyKernel,
        x0: Batch<'py>,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, x, y, kernel) = (self.law.model(), x0.view(), y.view(), &kernel.0);
        Ok(vector(py, free(py, || law.denoise_log_prob(kernel, x, y))?))
    }

    /// `log P_t(y)`, the noised law, of each row of `y`, in nats, shape (samples,). Exact laws only.
    fn noised_log_prob<'py>(
        &self,
        py: Python<'py>,
        kernel: &PyKernel,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, y, kernel) = (self.law.exact()?, y.view(), &kernel.0);
        Ok(vector(py, free(py, || law.noised_log_prob(kernel, y))?))
    }

    /// Draws `x_s ~ P(x_s | x_t = y)` at the middle time of `bridge` for each row of `y`. Exact laws only.
    #[pyo3(signature = (bridge, y, *, rng) -> "Samples")]
    fn denoise_to<'py>(
        &self,
        py: Python<'py>,
        bridge: &PyBridge,
        y: Batch<'py>,
        rng: Rng,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (law, y, bridge) = (self.law.exact()?, y.view(), &bridge.0);
        samples(py, free(py, || law.denoise_to(bridge, y, &rng.0))?)
    }

    /// `log P(x_s | x_t = y)` of each pair of rows, in nats, shape (samples,). Exact laws only.
    fn denoise_to_log_prob<'py>(
        &self,
        py: Python<'py>,
        bridge: &PyBridge,
        xs: Batch<'py>,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, xs, y, bridge) = (self.law.exact()?, xs.view(), y.view(), &bridge.0);
        Ok(vector(py, free(py, || law.denoise_to_log_prob(bridge, xs, y))?))
    }

    /// Denoises step by step from `y` at the first of descending `times`, exactly: a `Trajectory` of `times`,
    /// `states` (one array of configurations a time) and `log_prob` (samples,) of each path. Exact laws only.
    #[pyo3(signature = (noise, times, y, *, rng) -> "Trajectory")]
    fn denoise_through<'py>(
        &self,
        py: Python<'py>,
        noise: &PyNoise,
        times: Reals,
        y: Batch<'py>,
        rng: Rng,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (law, y, noise, times) = (self.law.exact()?, y.view(), &noise.noise, times.one("times")?.to_vec());
        let path = free(py, || law.denoise_through(noise, &times, y, &rng.0))?;
        let states: Vec<_> = path.states.into_iter().map(|x| x.into_pyarray(py)).collect();
        let fields = (path.times.into_pyarray(py), states, path.log_prob.into_pyarray(py));
        named(py, "Trajectory", fields.into_pyobject(py)?)
    }

    /// `log E[prod_j w_j(x_j)]` under the law, in nats: shape (1,) for shared weights, else (samples,).
    fn log_evidence<'py>(&self, py: Python<'py>, weights: Reals) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, w) = (self.law.exact()?, Weights::of(Some(weights))?);
        Ok(vector(py, free(py, || law.log_evidence(&w.view()))?))
    }

    /// Leave-one-out laws `P(x_j = a | weights at all sites but j)`, shape (samples or 1, sites, states).
    fn cavities<'py>(&self, py: Python<'py>, weights: Reals) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (law, w) = (self.law.exact()?, Weights::of(Some(weights))?);
        Ok(free(py, || law.cavities(&w.view()))?.into_pyarray(py))
    }

    /// Scores `P_t(y with y_j = b) / P_t(y)`, shape (samples, sites, states). Exact laws only.
    fn score_ratios<'py>(
        &self,
        py: Python<'py>,
        kernel: &PyKernel,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (law, y, kernel) = (self.law.exact()?, y.view(), &kernel.0);
        Ok(free(py, || law.scores(kernel, y)?.score_ratios())?.into_pyarray(py))
    }

    /// `P(x0_j = a | x_t = y)` site by site, shape (samples, sites, states). Exact laws only.
    fn denoiser_marginals<'py>(
        &self,
        py: Python<'py>,
        kernel: &PyKernel,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (law, y, kernel) = (self.law.exact()?, y.view(), &kernel.0);
        Ok(free(py, || law.scores(kernel, y)?.denoiser_marginals())?.into_pyarray(py))
    }
}

/// Single draws of a model, made many at a time: an iterator of `(x, log_prob)`.
#[pyclass(name = "Draws", module = "tensorjump")]
pub struct PyDraws {
    draws: DrawAhead<Arc<dyn Model>>,
}

#[pymethods]
impl PyDraws {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<(Bound<'py, PyArray1<u8>>, f64)> {
        let draws = &mut self.draws;
        let mut x = Array1::zeros(draws.model().dims().len());
        let to = x.as_slice_mut().expect("contiguous: just made");
        let log_prob = free(py, || draws.next_into(to))?;
        Ok((vector(py, x), log_prob))
    }
}
