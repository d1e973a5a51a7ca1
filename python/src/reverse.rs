//! Times, bridges, starts and methods of reverse processes.

use numpy::{IntoPyArray, PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;
use tensorjump::diffusion::Bridge;
use tensorjump::diffusion::reverse::{
    self, Bound as RateBound, Corrector, Finish, Method, Order, Outcome, Remask, Step, TimeGrid,
};
use tensorjump::noise::Path;

use crate::arrays::{Batch, Reals, Rng, check_memory, free, named, table, vector};
use crate::errors::{raise, refuse};
use crate::noise::{PyKernel, PyNoise};
use crate::target::PyModel;

/// Descending times of a reverse process: `TimeGrid(times)`, or `TimeGrid.uniform`, `.geometric`,
/// `.uniform_in_noise`. Wherever one is asked for a plain array will do.
#[pyclass(name = "TimeGrid", frozen, module = "tensorjump")]
pub struct PyTimeGrid(TimeGrid);

#[pymethods]
impl PyTimeGrid {
    #[new]
    fn new(times: Reals) -> PyResult<Self> {
        Ok(PyTimeGrid(TimeGrid::new(times.one("times")?.to_vec()).map_err(raise)?))
    }

    /// Equal steps in time from `start` down to `end`.
    #[staticmethod]
    fn uniform(start: f64, end: f64, steps: usize) -> PyResult<Self> {
        Ok(PyTimeGrid(TimeGrid::uniform(start, end, steps).map_err(raise)?))
    }

    /// Steps in constant ratio from `start` down to `end > 0`.
    #[staticmethod]
    fn geometric(start: f64, end: f64, steps: usize) -> PyResult<Self> {
        Ok(PyTimeGrid(TimeGrid::geometric(start, end, steps).map_err(raise)?))
    }

    /// Equal steps in the elapsed noise, the integral of the schedule.
    #[staticmethod]
    fn uniform_in_noise(noise: &PyNoise, start: f64, end: f64, steps: usize) -> PyResult<Self> {
        let grid = TimeGrid::uniform_in_noise(noise.noise.schedule(), start, end, steps);
        Ok(PyTimeGrid(grid.map_err(raise)?))
    }

    /// The times, descending.
    #[getter]
    fn times<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.0.times().to_pyarray(py)
    }

    /// Number of steps.
    #[getter]
    fn steps(&self) -> usize {
        self.0.steps()
    }

    fn __repr__(&self) -> String {
        format!("TimeGrid({} steps from {} to {})", self.0.steps(), self.0.from(), self.0.to())
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyArray1<f64>>,))> {
        Ok((slf.get_type().into_any(), (slf.get().times(slf.py()),)))
    }
}

/// A grid of times from Python.
pub struct Times(pub TimeGrid);

impl<'a, 'py> FromPyObject<'a, 'py> for Times {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match ob.cast::<PyTimeGrid>() {
            Ok(grid) => Ok(Times(grid.get().0.clone())),
            Err(_) => Ok(Times(TimeGrid::new(ob.extract::<Reals>()?.one("times")?.to_vec()).map_err(raise)?)),
        }
    }
}

const STEPS: &str =
    "analytical, euler, tau, trapezoidal, runge_kutta, remask, psi, unmask, unmask_confident or unmask_certain";

/// A step by its name, or by its name and the number that it depends on.
pub struct StepName(pub Step);

impl StepName {
    pub const ANALYTICAL: Self = StepName(Step::Analytical);
}

impl<'a, 'py> FromPyObject<'a, 'py> for StepName {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let (name, number) = match ob.extract::<(String, f64)>() {
            Ok((name, number)) => (name, Some(number)),
            Err(_) => match ob.extract::<String>() {
                Ok(name) => (name, None),
                Err(_) => return Err(refuse("step", ob.repr()?, "a name, or a pair of a name and a number")),
            },
        };
        let or = |default: f64| number.unwrap_or(default);
        let step = match (&name[..], number) {
            ("analytical", None) => Step::Analytical,
            ("euler", None) => Step::Euler,
            ("tau", None) => Step::TauLeaping,
            ("unmask", None) => Step::Unmask(Order::Random),
            ("trapezoidal", _) => Step::Trapezoidal { theta: or(0.5) },
            ("runge_kutta", _) => Step::RungeKutta { theta: or(0.5) },
            ("remask", _) => Step::Remask(Remask::Rescale(or(0.5))),
            ("psi", _) => Step::Psi { kappa: or(0.9) },
            ("unmask_confident", _) => Step::Unmask(Order::Confidence { temperature: or(0.0) }),
            ("unmask_certain", _) => Step::Unmask(Order::Entropy { temperature: or(0.0) }),
            ("analytical" | "euler" | "tau" | "unmask", Some(number)) => {
                return Err(refuse("step", format!("({name}, {number})"), "a name alone, which takes no number"));
            }
            _ => return Err(refuse("step", name, STEPS)),
        };
        Ok(StepName(step))
    }
}

pub fn corrector(given: Option<(usize, f64)>) -> Option<Corrector> {
    given.map(|(rounds, size)| Corrector::Rates { rounds, size })
}

pub fn method(
    StepName(step): StepName,
    method: &str,
    corrector: Option<(usize, f64)>,
    bounds: Option<Vec<f64>>,
) -> PyResult<Method> {
    if corrector.is_some() && method != "leap" {
        return Err(refuse("method", method, "leap where there is a corrector"));
    }
    if bounds.is_some() && method != "uniformization" {
        return Err(refuse("method", method, "uniformization where there are bounds"));
    }
    match method {
        "leap" => Ok(Method::Leap { step, corrector: self::corrector(corrector) }),
        "uniformization" => Ok(Method::Uniformization(bounds.map_or(RateBound::Noise, RateBound::Given))),
        "thinning" => Ok(Method::Thinning),
        other => Err(refuse("method", other, "leap, uniformization or thinning")),
    }
}

/// What a run returns, as the named tuple `Reversed`.
pub fn outcome(py: Python<'_>, done: Outcome) -> PyResult<Bound<'_, PyAny>> {
    let finish = match done.finish {
        Finish::Noised => "noised",
        Finish::Grid => "grid",
        Finish::Joint => "joint",
        Finish::Product => "product",
        _ => "other",
    };
    let fields = (
        done.x.into_pyarray(py),
        finish,
        done.jumps.into_pyarray(py),
        done.events.into_pyarray(py),
        done.excesses.into_pyarray(py),
        done.evaluations.into_pyarray(py),
        done.calls,
        done.bound.into_pyarray(py),
        done.lost.into_iter().map(|row| row as i64).collect::<ndarray::Array1<i64>>().into_pyarray(py),
    );
    named(py, "Reversed", fields.into_pyobject(py)?)
}

/// Site bridges: the state at time `s` between a clean state and a noised one at time `t`.
///
/// `Bridge(to_s, s_to_t)` from two kernels; `Bridge.of(noise, s, t)` from a noise process.
#[pyclass(name = "Bridge", frozen, module = "tensorjump")]
pub struct PyBridge(pub Bridge);

#[pymethods]
impl PyBridge {
    #[new]
    fn new(to_s: &PyKernel, s_to_t: &PyKernel) -> PyResult<Self> {
        Ok(PyBridge(Bridge::new(to_s.0.clone(), s_to_t.0.clone()).map_err(raise)?))
    }

    /// The bridges of a noise process at `s` between 0 and `t`.
    #[staticmethod]
    fn of(noise: &PyNoise, s: f64, t: f64) -> PyResult<Self> {
        Ok(PyBridge(Bridge::of(&noise.noise, s, t).map_err(raise)?))
    }

    /// Draws `x_s` between each pair of rows of clean `x0` and noised `y`, shape (samples, sites).
    #[pyo3(signature = (x0, y, *, rng))]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        x0: Batch<'py>,
        y: Batch<'py>,
        rng: Rng,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let (x0, y) = (x0.view(), y.view());
        Ok(table(py, free(py, || self.0.sample(x0, y, &rng.0))?))
    }

    /// `log P(x_s | x0, y)` of each triple of rows, in nats, shape (samples,).
    fn log_prob<'py>(
        &self,
        py: Python<'py>,
        x0: Batch<'py>,
        y: Batch<'py>,
        xs: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (x0, y, xs) = (x0.view(), y.view(), xs.view());
        Ok(vector(py, free(py, || self.0.log_prob(x0, y, xs))?))
    }

    fn __repr__(&self) -> String {
        format!("Bridge({})", crate::arrays::short(self.0.whole().dims_in()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (PyKernel, PyKernel))> {
        let bridge = &slf.get().0;
        Ok((slf.get_type().into_any(), (PyKernel(bridge.to_s().clone()), PyKernel(bridge.s_to_t().clone()))))
    }
}

/// Draws of the exact noised law at time `t`, shape (n, sites): plain draws of the model, noised.
#[pyfunction]
#[pyo3(signature = (model, noise, t, n, *, rng))]
pub fn exact_start<'py>(
    py: Python<'py>,
    model: PyRef<'_, PyModel>,
    noise: &PyNoise,
    t: f64,
    n: usize,
    rng: Rng,
) -> PyResult<Bound<'py, PyArray2<u8>>> {
    let law = model.law.model();
    Ok(table(py, free(py, || reverse::exact_start(&law, &noise.noise, t, n, &rng.0))?))
}

/// The stationary law of the noise at each site, shape (sites, states): what every law tends to.
///
/// Raises
/// ------
/// ConvergenceError
///     For a site whose rates have no unique stationary law.
#[pyfunction]
pub fn prior_law<'py>(py: Python<'py>, noise: &PyNoise) -> PyResult<Bound<'py, PyArray2<f64>>> {
    Ok(table(py, free(py, || noise.noise.stationary_law())?))
}

/// Draws of the stationary law of the noise, shape (n, sites); at finite time a biased start.
#[pyfunction]
#[pyo3(signature = (noise, n, *, rng))]
pub fn prior_start<'py>(py: Python<'py>, noise: &PyNoise, n: usize, rng: Rng) -> PyResult<Bound<'py, PyArray2<u8>>> {
    check_memory("draws", n, noise.noise.sites())?;
    Ok(table(py, free(py, || noise.noise.draw_stationary(n, &rng.0))?))
}

/// Jumps `(time, site, new state)` and the last configuration of each path.
pub type Paths<'py> = Vec<(Vec<(f64, usize, u8)>, Bound<'py, PyArray1<u8>>)>;

pub fn paths<'py>(py: Python<'py>, paths: Vec<Path>) -> Paths<'py> {
    let jumps = |p: &Path| p.jumps.iter().map(|j| (j.time, j.site, j.state)).collect();
    paths.into_iter().map(|p| (jumps(&p), vector(py, p.last))).collect()
}

/// Exact paths of the reverse process from each row of `y` at time `t` to 0: for each the jumps
/// `(time, site, new state)` in descending time, and the clean configuration.
#[pyfunction]
#[pyo3(signature = (model, noise, t, y, *, rng))]
pub fn exact_paths<'py>(
    py: Python<'py>,
    model: PyRef<'_, PyModel>,
    noise: &PyNoise,
    t: f64,
    y: Batch<'py>,
    rng: Rng,
) -> PyResult<Paths<'py>> {
    let (law, y) = (model.law.model(), y.view());
    let drawn = free(py, || reverse::exact_paths(&law, &noise.noise, t, y, &rng.0))?;
    Ok(paths(py, drawn))
}

/// The signal `exp(-g tau(t))` left at time `t`, `g` the relaxation rate of the fastest site.
#[pyfunction]
pub fn signal(noise: &PyNoise, t: f64) -> PyResult<f64> {
    noise.noise.signal(t).map_err(raise)
}

/// The time at which `signal` has fallen to `alpha`, 0 < alpha <= 1.
#[pyfunction]
pub fn time_of_signal(noise: &PyNoise, alpha: f64) -> PyResult<f64> {
    noise.noise.time_of_signal(alpha).map_err(raise)
}
