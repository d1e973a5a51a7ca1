//! The stochastic Fredkin chain.

use std::sync::Arc;

use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use tensorjump::ExactModel;
use tensorjump::lattice::{Fredkin, FredkinModel};

use crate::arrays::{Batch, free, table, vector};
use crate::errors::raise;
use crate::target::{PyModel, PyTarget, exact};

/// The stochastic Fredkin chain: Dyck paths of `sites` steps, weight `(c / (1 - c))**(area / 2)` in
/// equilibrium.
///
/// Parameters
/// ----------
/// sites : int
///     Even.
/// c : float
///     Bias, 0 < c < 1; one half is unbiased. Up steps are state 1.
#[pyclass(name = "Fredkin", extends = PyTarget, frozen, module = "tensorjump")]
pub struct PyFredkin(pub Arc<Fredkin>);

#[pymethods]
impl PyFredkin {
    #[new]
    #[pyo3(signature = (sites, *, c = 0.5))]
    fn new(sites: usize, c: f64) -> PyResult<PyClassInitializer<Self>> {
        let chain = Arc::new(Fredkin::new(sites, c).map_err(raise)?);
        Ok(PyClassInitializer::from(PyTarget { law: chain.clone() }).add_subclass(PyFredkin(chain)))
    }

    /// Bias.
    #[getter]
    fn c(&self) -> f64 {
        self.0.c()
    }

    /// Area under each path, shape (samples,).
    fn area<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray1<i64>>> {
        let x = x.view();
        Ok(vector(py, free(py, || self.0.area(x))?))
    }

    /// Heights after each step of each path, shape (samples, sites).
    fn heights<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray2<i32>>> {
        let x = x.view();
        Ok(table(py, free(py, || self.0.heights(x))?))
    }

    /// Exact moments in equilibrium: a dict of `log_z`, `area_mean`, `area_var`, `entropy` and
    /// `height_profile`.
    fn equilibrium<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let exact = free(py, || self.0.equilibrium())?;
        let out = PyDict::new(py);
        out.set_item("log_z", exact.log_z())?;
        out.set_item("area_mean", exact.area_mean())?;
        out.set_item("area_var", exact.area_var())?;
        out.set_item("entropy", exact.entropy())?;
        out.set_item("height_profile", vector(py, exact.height_profile()))?;
        Ok(out)
    }

    /// Exact mean area.
    #[getter]
    fn area_mean(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(free(py, || self.0.equilibrium())?.area_mean())
    }

    fn __repr__(&self) -> String {
        format!("Fredkin({} sites, c={})", self.0.sites(), self.0.c())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (usize, f64))> {
        let chain = &slf.get().0;
        Ok((slf.py().import("tensorjump._pickle")?.getattr("fredkin")?, (chain.sites(), chain.c())))
    }
}

/// The equilibrium law of a Fredkin chain: exact, or truncated to the `chi` likeliest heights at each bond.
#[pyclass(name = "FredkinModel", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyFredkinModel {
    model: Arc<FredkinModel>,
    chi: Option<usize>,
}

#[pymethods]
impl PyFredkinModel {
    #[new]
    #[pyo3(signature = (chain, *, chi = None))]
    fn new(py: Python<'_>, chain: PyRef<'_, PyFredkin>, chi: Option<usize>) -> PyResult<PyClassInitializer<Self>> {
        let chain = &chain.0;
        let made = free(py, || match chi {
            None => FredkinModel::new(chain),
            Some(chi) => FredkinModel::truncated(chain, chi),
        })?;
        let model = Arc::new(made);
        let law: Arc<dyn ExactModel> = model.clone();
        Ok(exact(law).add_subclass(PyFredkinModel { model, chi }))
    }

    /// `log Z` in nats.
    #[getter]
    fn log_z(&self) -> f64 {
        self.model.log_z()
    }

    /// Probability of the paths that truncation leaves out; zero for an exact law.
    #[getter]
    fn missing_mass(&self) -> f64 {
        self.model.missing_mass()
    }

    fn __repr__(&self) -> String {
        let chain = self.model.chain();
        let chi = self.chi.map_or(String::new(), |chi| format!(", chi={chi}"));
        format!("FredkinModel({} sites, c={}{chi})", chain.sites(), chain.c())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, me) = (slf.py(), slf.get());
        let args = (me.model.chain().sites(), me.model.chain().c(), me.chi);
        Ok((py.import("tensorjump._pickle")?.getattr("fredkin_model")?, args.into_pyobject(py)?))
    }
}
