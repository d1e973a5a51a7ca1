//! Denoisers and conditionals learned from samples in closed form or by convex fits, and what they take.

use std::sync::Arc;

use numpy::{IntoPyArray, PyArray2, PyArray3};
use pyo3::prelude::*;
use tensorjump::diffusion::Denoiser;
use tensorjump::learn::{
    ConditionalTables, Data, Features, GlauberWindow, Objective, OperatorOptions, OperatorScores, SoftmaxDenoiser,
    SoftmaxOptions, Symmetry,
};

use crate::arrays::{Batch, Reals, free, short, table};
use crate::denoiser::PyDenoiser;
use crate::errors::{raise, refuse};
use crate::glauber::{PySiteConditionals, PyTokenNoise};
use crate::mps::boundary;
use crate::noise::PyNoise;

/// Numbers of states: one for all sites, or one for each.
pub struct Dims(Vec<usize>);

impl Dims {
    pub fn of(self, sites: usize) -> Vec<usize> {
        match self.0[..] {
            [all] if sites > 1 => vec![all; sites],
            _ => self.0,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Dims {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match ob.extract::<usize>() {
            Ok(all) => Ok(Dims(vec![all])),
            Err(_) => Ok(Dims(ob.extract()?)),
        }
    }
}

/// Checked samples, with weights where given.
pub fn data(x: &Batch<'_>, dims: Vec<usize>, weights: Option<Reals>) -> PyResult<Data> {
    let data = Data::new(x.view().to_owned(), &dims).map_err(raise)?;
    match weights {
        Some(w) => data.weighted(w.one("weights")?.view()).map_err(raise),
        None => Ok(data),
    }
}

/// Lists of neighbours, all other sites where none are given.
fn neighbours(given: Option<Vec<Vec<usize>>>, sites: usize) -> Vec<Vec<usize>> {
    given.unwrap_or_else(|| tensorjump::model::Boundary::Open.windows(sites, sites))
}

fn features(name: &str) -> PyResult<Features> {
    match name {
        "additive" => Ok(Features::Additive),
        "pairs" => Ok(Features::Pairs),
        "saturated" => Ok(Features::Saturated),
        other => Err(refuse("features", other, "additive, pairs or saturated")),
    }
}

fn base(denoiser: Arc<dyn Denoiser>, kind: &str) -> PyClassInitializer<PyDenoiser> {
    let text = format!("{kind}, {}", short(denoiser.noise().dims_in()));
    PyClassInitializer::from(PyDenoiser::of(denoiser, None, &text))
}

/// The sites within `radius` of each site of a chain or ring, themselves left out.
#[pyfunction(name = "windows")]
#[pyo3(signature = (sites, radius, *, ring = false))]
pub fn py_windows(sites: usize, radius: usize, ring: bool) -> Vec<Vec<usize>> {
    boundary(ring).windows(sites, radius)
}

/// A symmetry of a law: site j of the image has the state of site `sites[j]`, then `states[j]` maps it.
///
/// Parameters
/// ----------
/// sites : sequence of int
///     A permutation.
/// states : list of sequence of int, optional
///     A permutation of the states for each site.
#[pyclass(name = "Symmetry", frozen, module = "tensorjump", from_py_object)]
#[derive(Clone)]
pub struct PySymmetry {
    pub symmetry: Symmetry,
    made: (Vec<usize>, Option<Vec<Vec<u8>>>),
}

#[pymethods]
impl PySymmetry {
    #[new]
    #[pyo3(signature = (sites, states = None))]
    fn new(sites: Vec<usize>, states: Option<Vec<Vec<u8>>>) -> PyResult<Self> {
        let made = (sites.clone(), states.clone());
        let symmetry = Symmetry::sites(sites).map_err(raise)?;
        let symmetry = match states {
            Some(maps) => symmetry.with_states(maps).map_err(raise)?,
            None => symmetry,
        };
        Ok(PySymmetry { symmetry, made })
    }

    /// Images of configurations, shape (samples, sites); `dims` are the numbers of states.
    fn apply<'py>(&self, py: Python<'py>, x: Batch<'py>, dims: Dims) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let (x, dims) = (x.view(), dims.of(x.view().ncols()));
        Ok(table(py, free(py, || self.symmetry.apply(x, &dims))?))
    }

    fn __repr__(&self) -> String {
        let states = if self.made.1.is_some() { ", of states too" } else { "" };
        format!("Symmetry({} sites{states})", self.made.0.len())
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (Vec<usize>, Option<Vec<Vec<u8>>>)) {
        (slf.get_type().into_any(), slf.get().made.clone())
    }
}

/// A denoiser from tables of frequencies over neighbourhoods: ratio matching in closed form.
///
/// Parameters
/// ----------
/// x : array (n, sites)
///     Samples.
/// noise : Noise
/// neighbours : list of list of int, optional
///     Other sites that each site looks at, see `windows`; all others if not given (small systems).
/// smoothing : float, optional
///     Samples of independent sites that are added; chosen by leave-one-out likelihood if not given.
/// weights : array (n,), optional
#[pyclass(name = "ConditionalTables", extends = PyDenoiser, frozen, module = "tensorjump")]
pub struct PyConditionalTables;

#[pymethods]
impl PyConditionalTables {
    #[new]
    #[pyo3(signature = (x, noise, *, neighbours = None, smoothing = None, weights = None))]
    fn new(
        py: Python<'_>,
        x: Batch<'_>,
        noise: &PyNoise,
        neighbours: Option<Vec<Vec<usize>>>,
        smoothing: Option<f64>,
        weights: Option<Reals>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let (data, noise) = (data(&x, noise.noise.dims_in().to_vec(), weights)?, &noise.noise);
        let near = self::neighbours(neighbours, noise.sites());
        let tables = free(py, || ConditionalTables::new(&data, noise, &near, smoothing))?;
        Ok(base(Arc::new(tables), "conditional tables").add_subclass(PyConditionalTables))
    }
}

/// A denoiser of softmax laws that are linear in features of a neighbourhood, one convex problem a site and
/// time.
///
/// Parameters
/// ----------
/// x : array (n, sites)
/// noise : Noise
/// neighbours : list of list of int, optional
///     See `windows`; all other sites if not given.
/// baseline : Denoiser, optional
///     Learns what is left beside it, on noised copies of the samples.
/// objective : "ratio-matching" or "likelihood-bound"
/// features : "additive", "pairs" or "saturated"
///     States of each neighbour, of pairs of them, of all together.
/// ridge : float
///     Penalty `ridge / (2 n) |theta|**2`.
/// rounds : int
///     Steps of L-BFGS at most.
/// times : array, optional
///     Ascending times to learn at; 13 even in the logit of the signal if not given.
/// copies : int
///     Noised copies of each sample, where there is a baseline.
/// seed : int
/// weights : array (n,), optional
#[pyclass(name = "SoftmaxDenoiser", extends = PyDenoiser, frozen, module = "tensorjump")]
pub struct PySoftmaxDenoiser;

#[pymethods]
impl PySoftmaxDenoiser {
    #[new]
    #[pyo3(signature = (x, noise, *, neighbours = None, baseline = None, objective = "ratio-matching",
        features = "pairs", ridge = 1.0, rounds = 200, times = None, copies = 4, seed = 0, weights = None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        x: Batch<'_>,
        noise: &PyNoise,
        neighbours: Option<Vec<Vec<usize>>>,
        baseline: Option<PyRef<'_, PyDenoiser>>,
        objective: &str,
        features: &str,
        ridge: f64,
        rounds: usize,
        times: Option<Reals>,
        copies: usize,
        seed: u64,
        weights: Option<Reals>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let objective = match objective {
            "ratio-matching" => Objective::RatioMatching,
            "likelihood-bound" => Objective::LikelihoodBound,
            other => return Err(refuse("objective", other, "ratio-matching or likelihood-bound")),
        };
        let times = times.map(|t| t.one("times")).transpose()?.map(|t| t.to_vec()).unwrap_or_default();
        let features = self::features(features)?;
        let options = SoftmaxOptions { objective, features, ridge, rounds, times, copies, seed };
        let (data, noise) = (data(&x, noise.noise.dims_in().to_vec(), weights)?, &noise.noise);
        let (near, baseline) = (self::neighbours(neighbours, noise.sites()), baseline.map(|b| b.denoiser.clone()));
        let learned = free(py, || SoftmaxDenoiser::new(&data, noise, &near, baseline, &options))?;
        Ok(base(Arc::new(learned), "softmax").add_subclass(PySoftmaxDenoiser))
    }
}

/// A denoiser from damped moments of the data, in closed form (arXiv 2406.09084).
///
/// Parameters
/// ----------
/// x : array (n, sites)
/// noise : Noise
/// neighbours : list of list of int, optional
///     See `windows`; all other sites if not given.
/// degree : int
///     Sites of a product of functions at most.
/// ridge : float
/// weights : array (n,), optional
#[pyclass(name = "OperatorScores", extends = PyDenoiser, frozen, module = "tensorjump")]
pub struct PyOperatorScores(Arc<OperatorScores>);

#[pymethods]
impl PyOperatorScores {
    #[new]
    #[pyo3(signature = (x, noise, *, neighbours = None, degree = 2, ridge = 1e-3, weights = None))]
    fn new(
        py: Python<'_>,
        x: Batch<'_>,
        noise: &PyNoise,
        neighbours: Option<Vec<Vec<usize>>>,
        degree: usize,
        ridge: f64,
        weights: Option<Reals>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let (data, noise) = (data(&x, noise.noise.dims_in().to_vec(), weights)?, &noise.noise);
        let near = self::neighbours(neighbours, noise.sites());
        let options = OperatorOptions { degree, ridge };
        let scores = Arc::new(free(py, || OperatorScores::new(&data, noise, &near, &options))?);
        Ok(base(scores.clone(), "operator scores").add_subclass(PyOperatorScores(scores)))
    }

    /// Coefficients of each site at time `t`: arrays (functions, states - 1).
    fn coefficients<'py>(&self, py: Python<'py>, t: f64) -> PyResult<Vec<Bound<'py, PyArray2<f64>>>> {
        let all = free(py, || self.0.coefficients(t))?;
        Ok(all.into_iter().map(|a| table(py, a)).collect())
    }

    /// Ratios as fitted, shape (samples, sites, states), which may be negative; `score_ratios` are those of
    /// laws.
    fn fitted_ratios<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(free(py, || self.0.score_ratios(t, y))?.into_pyarray(py))
    }
}

/// Conditionals of a token chain learned by classification, a softmax law of a neighbourhood for each step
/// (arXiv 2405.17035).
///
/// Parameters
/// ----------
/// x : array (n, sites)
/// tokens : TokenNoise
/// neighbours : list of list of int, optional
/// features : "additive", "pairs" or "saturated"
/// ridge : float
/// weights : array (n,), optional
#[pyclass(name = "GlauberWindow", extends = PySiteConditionals, frozen, module = "tensorjump")]
pub struct PyGlauberWindow;

#[pymethods]
impl PyGlauberWindow {
    #[new]
    #[pyo3(signature = (x, tokens, *, neighbours = None, features = "pairs", ridge = 1.0, weights = None))]
    fn new(
        py: Python<'_>,
        x: Batch<'_>,
        tokens: &PyTokenNoise,
        neighbours: Option<Vec<Vec<usize>>>,
        features: &str,
        ridge: f64,
        weights: Option<Reals>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let (data, tokens) = (data(&x, tokens.0.dims().to_vec(), weights)?, &tokens.0);
        let (near, features) = (self::neighbours(neighbours, tokens.dims().len()), self::features(features)?);
        let learned = free(py, || GlauberWindow::new(&data, tokens, &near, features, ridge))?;
        let base = PySiteConditionals::of(Arc::new(learned), "learned windows");
        Ok(PyClassInitializer::from(base).add_subclass(PyGlauberWindow))
    }
}
