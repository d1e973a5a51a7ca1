//! Draws of square lattices: boundary states and snakes.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tensorjump::lattice::BoundaryMps;
use tensorjump::lattice::SnakeMps;
use tensorjump::{ExactModel, Model};

use crate::arrays::free;
use crate::lattice::with_pair;
use crate::lattice::{Pair, lattice_text};
use crate::mps::PyBornMps;
use crate::pair_model::PyPairModel;
use crate::target::{PyModel, exact, plain};

/// Independent draws of a lattice, row by row against boundary states of bond dimension `chi`.
///
/// Draws carry the log-probability under which they were drawn, so that weights and acceptance tests are
/// exact at any `chi`; `log_z_gap` and `tensorjump.Importance` tell how close the law is. Open lattices,
/// cylinders and tori (tori need a larger `chi`).
///
/// Raises
/// ------
/// ConvergenceError
///     If the law is not the lattice's within what single precision holds: take a larger `chi`, or
///     `BoundaryMps.proposal` for moves with an acceptance test.
#[pyclass(name = "BoundaryMps", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyBoundaryMps {
    model: Arc<BoundaryMps>,
    checked: bool,
}

impl PyBoundaryMps {
    fn wrap(model: BoundaryMps, checked: bool) -> PyClassInitializer<Self> {
        let model = Arc::new(model);
        let law: Arc<dyn Model> = model.clone();
        plain(law).add_subclass(PyBoundaryMps { model, checked })
    }
}

#[pymethods]
impl PyBoundaryMps {
    #[new]
    #[pyo3(signature = (model, *, chi = 8))]
    fn new(py: Python<'_>, model: Pair, chi: usize) -> PyResult<PyClassInitializer<Self>> {
        let made = with_pair!(&model, m => free(py, || BoundaryMps::new(&**m, chi)))?;
        if !made.log_z_gap().is_finite() {
            let message = c"the contraction has no finite value at this chi: weights will be poor; take a larger chi";
            PyErr::warn(py, &py.get_type::<pyo3::exceptions::PyUserWarning>(), message, 1)?;
        }
        Ok(Self::wrap(made, true))
    }

    /// A law that is not compared with the lattice's: for moves with an acceptance test.
    #[staticmethod]
    #[pyo3(signature = (model, *, chi = 8))]
    fn proposal(py: Python<'_>, model: Pair, chi: usize) -> PyResult<Py<Self>> {
        let made = with_pair!(&model, m => free(py, || BoundaryMps::proposal(&**m, chi)))?;
        Py::new(py, Self::wrap(made, false))
    }

    /// `log Z` of the lattice as these boundary states give it, in nats.
    #[getter]
    fn log_z(&self) -> f64 {
        self.model.log_z()
    }

    /// Difference between `log Z` by contraction and by the states that draws use, in nats.
    #[getter]
    fn log_z_gap(&self) -> f64 {
        self.model.log_z_gap()
    }

    /// Bond dimension of the boundary states.
    #[getter]
    fn chi(&self) -> usize {
        self.model.max_bond()
    }

    /// Sum of the relative squared weights dropped by truncation.
    #[getter]
    fn truncation_error(&self) -> f64 {
        self.model.truncation_error()
    }

    fn __repr__(&self) -> String {
        format!("BoundaryMps({}, chi={})", lattice_text(self.model.model().lattice()), self.model.max_bond())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, me) = (slf.py(), slf.get());
        let model = Py::new(py, PyPairModel::wrap(me.model.model().clone()))?;
        let args = (model, me.model.max_bond(), me.checked);
        Ok((py.import("tensorjump._pickle")?.getattr("boundary")?, args.into_pyobject(py)?))
    }
}

/// A lattice of few columns as one matrix-product amplitude along a snake of sites: an exact law where
/// nothing is truncated (`chi >= 2**cols`). Open lattices and cylinders.
#[pyclass(name = "SnakeMps", extends = PyModel, frozen, module = "tensorjump")]
pub struct PySnakeMps(Arc<SnakeMps>);

#[pymethods]
impl PySnakeMps {
    #[new]
    #[pyo3(signature = (model, *, chi = 64))]
    fn new(py: Python<'_>, model: Pair, chi: usize) -> PyResult<PyClassInitializer<Self>> {
        let snake = Arc::new(with_pair!(&model, m => free(py, || SnakeMps::new(&**m, chi)))?);
        let law: Arc<dyn ExactModel> = snake.clone();
        Ok(exact(law).add_subclass(PySnakeMps(snake)))
    }

    /// `log Z` in nats.
    #[getter]
    fn log_z(&self) -> f64 {
        self.0.log_z()
    }

    /// Limit of the bond dimension.
    #[getter]
    fn chi(&self) -> usize {
        self.0.max_bond()
    }

    /// Sum of the relative squared weights dropped by truncation; zero for an exact law.
    #[getter]
    fn truncation_error(&self) -> f64 {
        self.0.truncation_error()
    }

    /// The law along the snake: site k of it is site `order[k]` of the lattice.
    fn born(&self, py: Python<'_>) -> PyResult<Py<PyBornMps>> {
        Py::new(py, PyBornMps::wrap(self.0.born().clone()))
    }

    /// Sites of the lattice along the snake.
    #[getter]
    fn order(&self) -> Vec<usize> {
        self.0.order().to_vec()
    }

    fn __repr__(&self) -> String {
        format!("SnakeMps({}, chi={})", lattice_text(self.0.lattice()), self.0.max_bond())
    }
}
