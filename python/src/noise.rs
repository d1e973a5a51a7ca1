//! Noise: continuous-time Markov chains that act on each site by itself.

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};

use crate::arrays::{Batch, Reals, Rng, free, short, table, vector};
use crate::errors::{raise, refuse};

/// A schedule `beta(t)` of the noise: `Schedule.constant`, `.linear`, `.geometric`.
#[pyclass(name = "Schedule", frozen, module = "tensorjump", from_py_object)]
#[derive(Clone, Debug)]
pub struct PySchedule {
    schedule: Schedule,
    made: (&'static str, Vec<f64>),
}

#[pymethods]
impl PySchedule {
    /// `beta(t) = beta`.
    #[staticmethod]
    fn constant(beta: f64) -> PyResult<Self> {
        Ok(PySchedule { schedule: Schedule::constant(beta).map_err(raise)?, made: ("constant", vec![beta]) })
    }

    /// From `beta0` at time 0 to `beta1` at `horizon`, linearly; constant after.
    #[staticmethod]
    fn linear(beta0: f64, beta1: f64, horizon: f64) -> PyResult<Self> {
        let schedule = Schedule::linear(beta0, beta1, horizon).map_err(raise)?;
        Ok(PySchedule { schedule, made: ("linear", vec![beta0, beta1, horizon]) })
    }

    /// From `beta0` at time 0 to `beta1` at `horizon`, geometrically; constant after.
    #[staticmethod]
    fn geometric(beta0: f64, beta1: f64, horizon: f64) -> PyResult<Self> {
        let schedule = Schedule::geometric(beta0, beta1, horizon).map_err(raise)?;
        Ok(PySchedule { schedule, made: ("geometric", vec![beta0, beta1, horizon]) })
    }

    /// `beta(t)`.
    fn rate(&self, t: f64) -> PyResult<f64> {
        self.schedule.rate(t).map_err(raise)
    }

    /// The integral of `beta` from 0 to `t`.
    fn integral(&self, t: f64) -> PyResult<f64> {
        self.schedule.integral(t).map_err(raise)
    }

    fn __repr__(&self) -> String {
        format!("Schedule.{}({})", self.made.0, list(&self.made.1))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let made = &slf.get().made;
        let args = PyTuple::new(slf.py(), &made.1)?;
        Ok((slf.get_type().getattr(made.0)?, args))
    }
}

fn list(values: &[f64]) -> String {
    values.iter().map(|v| v.to_string()).collect::<Vec<_>>().join(", ")
}

fn scheduled(schedule: Option<PySchedule>) -> Schedule {
    schedule.map_or_else(Schedule::default, |s| s.schedule)
}

/// Noise that acts on each site by itself, with rates `Q_j(a, b)` per unit of time from state a to b, times a
/// schedule `beta(t)`.
///
/// `Noise(matrices)` takes any rate matrices, one for each site (rows sum to zero); `Noise.flips`,
/// `Noise.uniform` and `Noise.mask` are the usual ones.
#[pyclass(name = "Noise", frozen, module = "tensorjump")]
pub struct PyNoise {
    pub noise: Noise,
    schedule: Option<PySchedule>,
    /// The calls that made it, by name and keywords, for pickling bit for bit.
    made: Vec<(&'static str, Py<PyDict>)>,
}

/// Keywords of a call.
macro_rules! keywords {
    ($py:expr, $($name:ident),*) => {{
        let keywords = PyDict::new($py);
        $(keywords.set_item(stringify!($name), $name)?;)*
        keywords.unbind()
    }};
}

impl PyNoise {
    fn with(
        rates: tensorjump::Result<Rates>,
        schedule: Option<PySchedule>,
        made: Vec<(&'static str, Py<PyDict>)>,
    ) -> PyResult<Self> {
        let noise = Noise::new(rates.map_err(raise)?, scheduled(schedule.clone()));
        Ok(PyNoise { noise, schedule, made })
    }

    fn changed(
        &self,
        py: Python<'_>,
        rates: tensorjump::Result<Rates>,
        call: (&'static str, Py<PyDict>),
    ) -> PyResult<Self> {
        let made = self.made.iter().map(|(name, keywords)| (*name, keywords.clone_ref(py))).chain([call]).collect();
        Self::with(rates, self.schedule.clone(), made)
    }
}

#[pymethods]
impl PyNoise {
    #[new]
    #[pyo3(signature = (matrices, *, schedule = None))]
    fn new(py: Python<'_>, matrices: Vec<Reals>, schedule: Option<PySchedule>) -> PyResult<Self> {
        let rates = matrices.into_iter().map(|q| q.two("rates")).collect::<PyResult<Vec<_>>>()?;
        let matrices: Vec<_> = rates.iter().map(|q| q.to_pyarray(py)).collect();
        Self::with(Rates::new(rates), schedule, vec![("Noise", keywords!(py, matrices))])
    }

    /// Flips of two-state sites: 0 to 1 at rate `up`, 1 to 0 at rate `down`.
    #[staticmethod]
    #[pyo3(signature = (sites, *, up = 1.0, down = 1.0, schedule = None))]
    fn flips(py: Python<'_>, sites: usize, up: f64, down: f64, schedule: Option<PySchedule>) -> PyResult<Self> {
        Self::with(Rates::binary_flip(sites, up, down), schedule, vec![("flips", keywords!(py, sites, up, down))])
    }

    /// Jumps to a uniformly drawn state at rate `rate`.
    #[staticmethod]
    #[pyo3(signature = (dims, *, rate = 1.0, schedule = None))]
    fn uniform(py: Python<'_>, dims: Vec<usize>, rate: f64, schedule: Option<PySchedule>) -> PyResult<Self> {
        let rates = Rates::uniform(&dims, rate);
        Self::with(rates, schedule, vec![("uniform", keywords!(py, dims, rate))])
    }

    /// Masks sites at rate `rate`: a masked site has the additional state `dims[j]`, and stays masked.
    #[staticmethod]
    #[pyo3(signature = (dims, *, rate = 1.0, schedule = None))]
    fn mask(py: Python<'_>, dims: Vec<usize>, rate: f64, schedule: Option<PySchedule>) -> PyResult<Self> {
        let rates = Rates::mask(&dims, rate);
        Self::with(rates, schedule, vec![("mask", keywords!(py, dims, rate))])
    }

    /// The same noise on the given sites only; the others stay as they are.
    fn on_sites(&self, py: Python<'_>, sites: Vec<usize>) -> PyResult<Self> {
        let rates = self.noise.rates().on_sites(&sites);
        self.changed(py, rates, ("on_sites", keywords!(py, sites)))
    }

    /// The same noise with the rates of site j times `factors[j]`.
    fn scaled(&self, py: Python<'_>, factors: Vec<f64>) -> PyResult<Self> {
        let rates = self.noise.rates().scaled(&factors);
        self.changed(py, rates, ("scaled", keywords!(py, factors)))
    }

    /// The law of the noise from time `s` to `t`; from a time `s > 0` on, masked states included.
    #[pyo3(signature = (t, *, s = 0.0))]
    fn kernel(&self, t: f64, s: f64) -> PyResult<PyKernel> {
        Ok(PyKernel(self.noise.kernel(s, t).map_err(raise)?))
    }

    /// Paths from the rows of `x`: for each the list of jumps `(time, site, new state)` and the last
    /// configuration.
    #[pyo3(signature = (x, t, *, rng, s = 0.0))]
    #[allow(clippy::type_complexity)]
    fn paths<'py>(
        &self,
        py: Python<'py>,
        x: Batch<'py>,
        t: f64,
        rng: Rng,
        s: f64,
    ) -> PyResult<Vec<(Vec<(f64, usize, u8)>, Bound<'py, PyArray1<u8>>)>> {
        let x = x.view();
        let paths = free(py, || self.noise.paths(x, s, t, &rng.0))?;
        let jumps = |p: &tensorjump::noise::Path| p.jumps.iter().map(|j| (j.time, j.site, j.state)).collect();
        Ok(paths.into_iter().map(|p| (jumps(&p), vector(py, p.last))).collect())
    }

    /// Rate matrix of a site where `beta` is one, shape (states, states).
    fn matrix<'py>(&self, py: Python<'py>, site: usize) -> PyResult<Bound<'py, PyArray2<f64>>> {
        if site >= self.noise.sites() {
            return Err(refuse("site", site, "below the number of sites"));
        }
        Ok(self.noise.rates().matrix(site).into_pyarray(py))
    }

    /// Number of sites.
    #[getter]
    fn sites(&self) -> usize {
        self.noise.sites()
    }

    /// Number of states of each site before the noise.
    #[getter]
    fn dims(&self) -> Vec<usize> {
        self.noise.dims_in().to_vec()
    }

    /// Number of states of each noised site.
    #[getter]
    fn dims_out(&self) -> Vec<usize> {
        self.noise.dims_out().to_vec()
    }

    fn __repr__(&self) -> String {
        let mask = if self.made.first().is_some_and(|(name, _)| *name == "mask") { ", masking" } else { "" };
        format!("Noise({}{mask}, beta {:?})", short(self.noise.dims_in()), self.noise.schedule())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, noise) = (slf.py(), slf.get());
        let made: Vec<_> = noise.made.iter().map(|(name, keywords)| (*name, keywords.bind(py))).collect();
        Ok((py.import("tensorjump._pickle")?.getattr("noise")?, (made, noise.schedule.clone()).into_pyobject(py)?))
    }
}

/// The law of the noise between two times, `K_j(x_j, y_j)` at each site.
///
/// `Kernel(tables)` takes any stochastic matrices, one for each site (rows sum to one).
#[pyclass(name = "Kernel", frozen, module = "tensorjump")]
pub struct PyKernel(pub Kernel);

#[pymethods]
impl PyKernel {
    #[new]
    fn new(tables: Vec<Reals>) -> PyResult<Self> {
        let tables = tables.into_iter().map(|k| k.two("kernel")).collect::<PyResult<Vec<_>>>()?;
        Ok(PyKernel(Kernel::new(&tables).map_err(raise)?))
    }

    /// Noise for each row of `x`: shape (samples, sites), uint8.
    #[pyo3(signature = (x, *, rng))]
    fn sample<'py>(&self, py: Python<'py>, x: Batch<'py>, rng: Rng) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let x = x.view();
        Ok(table(py, free(py, || self.0.sample(x, &rng.0))?))
    }

    /// `log K(x, y)` of each pair of rows, in nats, shape (samples,).
    fn log_prob<'py>(&self, py: Python<'py>, x: Batch<'py>, y: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (x, y) = (x.view(), y.view());
        Ok(vector(py, free(py, || self.0.log_prob(x, y))?))
    }

    /// This kernel, then `next`.
    fn then(&self, next: &PyKernel) -> PyResult<Self> {
        Ok(PyKernel(self.0.then(&next.0).map_err(raise)?))
    }

    /// All tables, shape (sites, states before, states after), zero where a site has fewer states.
    #[getter]
    fn tables<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray3<f64>> {
        self.0.tables().to_pyarray(py)
    }

    /// Number of sites.
    #[getter]
    fn sites(&self) -> usize {
        self.0.sites()
    }

    fn __repr__(&self) -> String {
        format!("Kernel({})", short(self.0.dims_in()))
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Vec<Bound<'py, PyArray2<f64>>>,))> {
        let kernel = &slf.get().0;
        let tables = (0..kernel.sites()).map(|j| kernel.table(j).to_pyarray(slf.py())).collect();
        Ok((slf.get_type().into_any(), (tables,)))
    }
}
