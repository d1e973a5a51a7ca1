//! Truth by enumeration: laws and operators of small systems as full tables.

use std::sync::Arc;

use ndarray::Array1;
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;
use tensorjump::Target;
use tensorjump::dense::{self, DenseLaw};

use crate::arrays::{Reals, free, named, short, table};
use crate::errors::raise;
use crate::noise::PyKernel;
use crate::target::{Batchlike, PyModel, PyTarget, exact};

/// Probabilities from Python: a `DenseLaw`, or an array of its length.
pub enum Table {
    Law(Arc<DenseLaw>),
    Array(Array1<f64>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Table {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match ob.cast::<PyDenseLaw>() {
            Ok(law) => Ok(Table::Law(law.get().0.clone())),
            Err(_) => Ok(Table::Array(ob.extract::<Reals>()?.one("law")?)),
        }
    }
}

impl Table {
    /// As a law on sites of the given numbers of states.
    pub fn law(self, dims: &[usize]) -> PyResult<Arc<DenseLaw>> {
        match self {
            Table::Law(law) => Ok(law),
            Table::Array(p) => Ok(Arc::new(DenseLaw::new(dims, &p.to_vec()).map_err(raise)?)),
        }
    }

    fn p(&self) -> Vec<f64> {
        match self {
            Table::Law(law) => law.p().to_vec(),
            Table::Array(p) => p.to_vec(),
        }
    }
}

/// A law of a small system as a table of all its configurations.
///
/// `DenseLaw(dims, weights)` normalises a table of length `prod(dims)`, first site most significant;
/// `DenseLaw.of(target)` enumerates a target. At most 2**20 configurations.
#[pyclass(name = "DenseLaw", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyDenseLaw(pub Arc<DenseLaw>);

impl PyDenseLaw {
    pub fn wrap(law: DenseLaw) -> PyClassInitializer<Self> {
        let law = Arc::new(law);
        exact(law.clone()).add_subclass(PyDenseLaw(law))
    }
}

#[pymethods]
impl PyDenseLaw {
    #[new]
    fn new(dims: Vec<usize>, weights: Reals) -> PyResult<PyClassInitializer<Self>> {
        let weights = weights.one("weights")?;
        Ok(Self::wrap(DenseLaw::new(&dims, &weights.to_vec()).map_err(raise)?))
    }

    /// The law of a target, by enumeration.
    #[staticmethod]
    fn of(py: Python<'_>, target: PyRef<'_, PyTarget>) -> PyResult<Py<Self>> {
        let law = &target.law;
        let enumerated = free(py, || DenseLaw::of(law))?;
        Py::new(py, Self::wrap(enumerated))
    }

    /// Probabilities of all configurations, in the order of `configs`.
    #[getter]
    fn p<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        Array1::from(self.0.p().to_vec()).into_pyarray(py)
    }

    /// All configurations, shape (prod(dims), sites), uint8: the first site is the most significant digit.
    #[getter]
    fn configs<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<u8>> {
        let (count, sites) = (self.0.p().len(), self.0.dims().len());
        let mut x = ndarray::Array2::zeros((count, sites));
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            row.assign(&Array1::from(self.0.config(i)));
        }
        x.into_pyarray(py)
    }

    /// Logarithm of the sum of the weights it was made from.
    #[getter]
    fn log_z(&self) -> f64 {
        self.0.log_z()
    }

    /// Place of a configuration (sites,) in the table.
    fn index(&self, x: Batchlike) -> PyResult<usize> {
        self.0.index(&x.0.to_vec()).map_err(raise)
    }

    /// The law after the noise of `kernel`.
    fn noised(&self, py: Python<'_>, kernel: &PyKernel) -> PyResult<Py<Self>> {
        let law = free(py, || self.0.noised(&kernel.0))?;
        Py::new(py, Self::wrap(law))
    }

    /// The law of the clean configuration behind one noised `y` (sites,): `P(x) K(x, y)`, normalised.
    fn posterior(&self, py: Python<'_>, kernel: &PyKernel, y: Batchlike) -> PyResult<Py<Self>> {
        let law = free(py, || self.0.posterior(&kernel.0, &y.0.to_vec()))?;
        Py::new(py, Self::wrap(law))
    }

    /// The law at an intermediate time given one noised `y` (sites,), by the kernels to it and from it.
    fn posterior_between(
        &self,
        py: Python<'_>,
        to_s: &PyKernel,
        s_to_t: &PyKernel,
        y: Batchlike,
    ) -> PyResult<Py<Self>> {
        let law = free(py, || self.0.posterior_between(&to_s.0, &s_to_t.0, &y.0.to_vec()))?;
        Py::new(py, Self::wrap(law))
    }

    /// `P(y with y_j = b) / P(y)` of this law at one configuration (sites,), shape (sites, states).
    fn ratios<'py>(&self, py: Python<'py>, y: Batchlike) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(table(py, self.0.score_ratios(&y.0.to_vec()).map_err(raise)?))
    }

    /// `P(y_j = b | y without j)` of this law at one configuration (sites,), shape (sites, states).
    fn conditionals<'py>(&self, py: Python<'py>, y: Batchlike) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(table(py, self.0.conditional_marginals(&y.0.to_vec()).map_err(raise)?))
    }

    /// Rates out of one configuration (sites,) of the reverse process where this law holds, shape (sites,
    /// states): `rates` is one matrix a site.
    fn reverse_rates<'py>(
        &self,
        py: Python<'py>,
        rates: Vec<Reals>,
        y: Batchlike,
    ) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let rates = rates.into_iter().map(|q| q.two("rates")).collect::<PyResult<Vec<_>>>()?;
        Ok(table(py, self.0.reverse_rates(&rates, &y.0.to_vec()).map_err(raise)?))
    }

    fn __repr__(&self) -> String {
        format!("DenseLaw({})", short(self.0.dims()))
    }

    #[allow(clippy::type_complexity)]
    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Vec<usize>, Bound<'py, PyArray1<f64>>))> {
        let (py, law) = (slf.py(), &slf.get().0);
        Ok((slf.get_type().into_any(), (law.dims().to_vec(), Array1::from(law.p().to_vec()).into_pyarray(py))))
    }
}

/// Total variation `sum |p - q| / 2` and divergence `KL(p || q)` in nats (inf where `q` misses mass of `p`)
/// of two laws, each a `DenseLaw` or an array: the named tuple `Distances` of `variation` and `divergence`.
#[pyfunction]
#[pyo3(signature = (p, q) -> "Distances")]
pub fn distances<'py>(py: Python<'py>, p: Table, q: Table) -> PyResult<Bound<'py, PyAny>> {
    let (variation, divergence) = dense::distances(&p.p(), &q.p()).map_err(raise)?;
    named(py, "Distances", (variation, divergence).into_pyobject(py)?)
}

/// A kernel as a matrix on all configurations, shape (prod(dims), prod(dims after the noise)).
#[pyfunction]
pub fn kernel_matrix<'py>(py: Python<'py>, kernel: &PyKernel) -> PyResult<Bound<'py, PyArray2<f64>>> {
    Ok(table(py, free(py, || dense::kernel_matrix(&kernel.0))?))
}

/// The generator of independent jumps on all configurations from one rate matrix a site, shape (prod(dims),
/// prod(dims)).
#[pyfunction]
pub fn generator_matrix<'py>(py: Python<'py>, rates: Vec<Reals>) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let rates = rates.into_iter().map(|q| q.two("rates")).collect::<PyResult<Vec<_>>>()?;
    Ok(table(py, free(py, || dense::generator_matrix(&rates))?))
}
