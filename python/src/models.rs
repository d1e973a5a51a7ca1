//! Mixtures, constraints, label legs, other orders of sites.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tensorjump::model::{Automaton, KernelMixture, LabelLeg, Permuted, PositiveMps, pinned};
use tensorjump::{ExactModel, Model, SiteWeights, Target};

use crate::arrays::{Batch, Reals, Rng, Weights, free, in_parts, samples, short, vector};
use crate::errors::{raise, refuse};
use crate::given::OwnedGiven;
use crate::mps::{PyPositiveMps, boundary};
use crate::target::{Law, PyModel, exact};

/// A mixture `P(x) = sum_i w_i prod_j K_j(c_i[j], x_j)`: data smoothed site by site.
///
/// Parameters
/// ----------
/// centres : array (n, sites)
/// tables : list of array
///     Stochastic matrices (states of centres, states), one for each site; or a `Kernel`.
/// weights : array (n,), optional
///     Of the centres; equal if not given.
#[pyclass(name = "KernelMixture", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyKernelMixture(Arc<KernelMixture>);

impl PyKernelMixture {
    pub fn wrap(model: Arc<KernelMixture>) -> PyClassInitializer<Self> {
        exact(model.clone()).add_subclass(PyKernelMixture(model))
    }
}

#[pymethods]
impl PyKernelMixture {
    #[new]
    #[pyo3(signature = (centres, tables, *, weights = None))]
    fn new<'py>(
        py: Python<'py>,
        centres: Batch<'py>,
        tables: Bound<'py, PyAny>,
        weights: Option<Reals>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let tables: Vec<Array2<f64>> = match tables.cast::<crate::noise::PyKernel>() {
            Ok(kernel) => (0..kernel.get().0.sites()).map(|j| kernel.get().0.table(j).to_owned()).collect(),
            Err(_) => {
                let tables: Vec<Reals> = tables.extract()?;
                tables.into_iter().map(|t| t.two("table")).collect::<PyResult<_>>()?
            }
        };
        let (x, w) = (centres.view(), weights.map(|w| w.one("weights")).transpose()?);
        let model = Arc::new(free(py, || KernelMixture::new(x, w.as_ref().map(|w| w.view()), &tables))?);
        Ok(Self::wrap(model))
    }

    /// The mixture as a matrix-product law of one bond state for each centre.
    fn to_positive(&self, py: Python<'_>) -> PyResult<Py<PyPositiveMps>> {
        let model = free(py, || self.0.to_positive())?;
        Py::new(py, PyPositiveMps::wrap(model))
    }

    fn __repr__(&self) -> String {
        format!("KernelMixture({} centres, {})", self.0.centres().nrows(), short(self.0.dims()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, m) = (slf.py(), &slf.get().0);
        let tables: Vec<_> = m.tables().iter().map(|t| t.to_pyarray(py)).collect();
        let args = (m.centres().to_pyarray(py), tables, m.weights().to_vec());
        Ok((py.import("tensorjump._pickle")?.getattr("mixture")?, args.into_pyobject(py)?))
    }
}

/// A constraint or weight on configurations, read from left to right by a finite automaton.
///
/// `Automaton(dims, start, step, accept)`: `step(site, state, symbol)` returns the next state (any hashable,
/// comparable value) or None to forbid, or a pair (state, weight); `accept(state)` returns a bool or a
/// weight.
#[pyclass(name = "Automaton", frozen, module = "tensorjump")]
pub struct PyAutomaton(pub Automaton);

#[pymethods]
impl PyAutomaton {
    #[new]
    fn new<'py>(
        py: Python<'py>,
        dims: Vec<usize>,
        start: Bound<'py, PyAny>,
        step: Bound<'py, PyAny>,
        accept: Bound<'py, PyAny>,
    ) -> PyResult<Self> {
        // States of the library are numbers; the values behind them live in a Python list.
        let (values, known) = (pyo3::types::PyList::empty(py), pyo3::types::PyDict::new(py));
        let number = |value: &Bound<'py, PyAny>| -> PyResult<usize> {
            if let Some(number) = known.get_item(value)? {
                return number.extract();
            }
            values.append(value)?;
            known.set_item(value, values.len() - 1)?;
            Ok(values.len() - 1)
        };
        let failed = std::cell::RefCell::new(None);
        let keep = |e: PyErr| {
            failed.borrow_mut().get_or_insert(e);
        };
        let next = |site: usize, &s: &usize, a: u8| {
            let ask = || -> PyResult<Option<(usize, f64)>> {
                let answer = step.call1((site, values.get_item(s)?, a))?;
                if answer.is_none() {
                    return Ok(None);
                }
                match answer.extract::<(Bound<'py, PyAny>, f64)>() {
                    Ok((state, weight)) => Ok(Some((number(&state)?, weight))),
                    Err(_) => Ok(Some((number(&answer)?, 1.0))),
                }
            };
            if failed.borrow().is_some() {
                None
            } else {
                ask().unwrap_or_else(|e| {
                    keep(e);
                    None
                })
            }
        };
        let end = |&s: &usize| {
            let ask = || accept.call1((values.get_item(s)?,))?.extract::<f64>();
            ask().unwrap_or_else(|e| {
                keep(e);
                0.0
            })
        };
        let made = Automaton::new(&dims, number(&start)?, next, end);
        match failed.take() {
            Some(error) => Err(error),
            None => Ok(PyAutomaton(made.map_err(raise)?)),
        }
    }

    /// `low <= sum_j values[j][x_j] <= high`: counts, magnetisations, additive energies.
    #[staticmethod]
    fn sum(values: Vec<Vec<i64>>, low: i64, high: i64) -> PyResult<Self> {
        Ok(PyAutomaton(Automaton::sum(&values, low..=high).map_err(raise)?))
    }

    /// `low <= sum_j sites[j][x_j] + sum_j pairs[j][x_j, x_{j+1}] <= high`: integer energies of a chain or
    /// ring.
    #[staticmethod]
    #[pyo3(signature = (sites, pairs, low, high, *, ring = false))]
    fn chain(sites: Vec<Vec<i64>>, pairs: Vec<Vec<Vec<i64>>>, low: i64, high: i64, ring: bool) -> PyResult<Self> {
        let table = |rows: Vec<Vec<i64>>| {
            let (n, m) = (rows.len(), rows.first().map_or(0, Vec::len));
            Array2::from_shape_vec((n, m), rows.concat())
                .map_err(|_| refuse("pairs", "rows of several lengths", "one length"))
        };
        let pairs = pairs.into_iter().map(table).collect::<PyResult<Vec<_>>>()?;
        Ok(PyAutomaton(Automaton::chain(&sites, &pairs, boundary(ring), low..=high).map_err(raise)?))
    }

    /// Both constraints.
    fn __and__(&self, other: &PyAutomaton) -> PyResult<Self> {
        Ok(PyAutomaton(self.0.and(&other.0).map_err(raise)?))
    }

    /// States between the sites.
    #[getter]
    fn bonds(&self) -> Vec<usize> {
        self.0.bonds()
    }

    fn __repr__(&self) -> String {
        format!("Automaton({}, up to {} states)", short(self.0.dims()), self.0.bonds().into_iter().max().unwrap_or(1))
    }
}

/// Site weights (sites, states) that fix `pins = {site: state}` and leave the other sites free.
#[pyfunction(name = "pinned")]
pub fn py_pinned<'py>(
    py: Python<'py>,
    dims: Vec<usize>,
    pins: std::collections::BTreeMap<usize, u8>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let pins: Vec<_> = pins.into_iter().collect();
    Ok(pinned(&dims, &pins).map_err(raise)?.into_pyarray(py))
}

/// A joint law of configurations and a label.
///
/// `Labelled(classes, prior)` from one `PositiveMps` for each label; `Labelled.by_sum(model, values,
/// windows)` labels by windows of a sum.
#[pyclass(name = "Labelled", frozen, module = "tensorjump")]
pub struct PyLabelled(pub Arc<LabelLeg<PositiveMps>>);

#[pymethods]
impl PyLabelled {
    #[new]
    fn new(classes: Vec<PyRef<'_, PyPositiveMps>>, prior: Vec<f64>) -> PyResult<Self> {
        let classes: Vec<_> = classes.iter().map(|c| (*c.0).clone()).collect();
        Ok(PyLabelled(Arc::new(LabelLeg::from_classes(&classes, &prior).map_err(raise)?)))
    }

    /// Label l where `windows[l][0] <= sum_j values[j][x_j] <= windows[l][1]`; other configurations are
    /// excluded.
    #[staticmethod]
    fn by_sum(model: PyRef<'_, PyPositiveMps>, values: Vec<Vec<i64>>, windows: Vec<(i64, i64)>) -> PyResult<Self> {
        let windows: Vec<_> = windows.into_iter().map(|(low, high)| low..=high).collect();
        Ok(PyLabelled(Arc::new(LabelLeg::by_sum(&model.0, &values, &windows).map_err(raise)?)))
    }

    /// `P(label | weights)`, shape (samples or 1, labels).
    #[pyo3(signature = (weights = None))]
    fn posterior<'py>(&self, py: Python<'py>, weights: Option<Reals>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        let w = Weights::of(weights)?;
        Ok(free(py, || self.0.label_posterior(&w.view()))?.into_pyarray(py))
    }

    /// Draws of the class `label`, or of all classes together.
    #[pyo3(signature = (n, *, rng, label = None, weights = None) -> "Samples")]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        n: usize,
        rng: Rng,
        label: Option<usize>,
        weights: Option<Reals>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (law, w) = (self.given(label)?, Weights::of(weights)?);
        w.view().check(law.dims(), Some(n)).map_err(raise)?;
        let draw = |first, rows, s: &tensorjump::Streams| law.sample(&w.part(first, rows), rows, s);
        samples(py, in_parts(py, n, law.dims().len(), &rng.0, draw)?)
    }

    /// Log-probability of each row of `x` in the class `label`, or in all classes together.
    #[pyo3(signature = (x, *, label = None))]
    fn log_prob<'py>(
        &self,
        py: Python<'py>,
        x: Batch<'py>,
        label: Option<usize>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (law, x) = (self.given(label)?, x.view());
        Ok(vector(py, free(py, || law.log_prob_given(x, &SiteWeights::Uniform))?))
    }

    /// The law of the class `label`, or of all classes together, as a model.
    #[pyo3(signature = (label = None))]
    fn model(&self, py: Python<'_>, label: Option<usize>) -> PyResult<Py<PyModel>> {
        crate::target::exact_class(py, self.law(label)?)
    }

    /// Number of labels.
    #[getter]
    fn labels(&self) -> usize {
        self.0.labels()
    }

    fn __repr__(&self) -> String {
        let dims = self.0.joint().dims();
        format!("Labelled({} labels, {})", self.0.labels(), short(&dims[..dims.len() - 1]))
    }
}

impl PyLabelled {
    /// The law of a class, or of all together, as an exact law.
    pub fn law(&self, label: Option<usize>) -> PyResult<Arc<dyn ExactModel>> {
        let dims = self.given(label)?.dims().to_vec();
        Ok(Arc::new(OwnedGiven::new(self.0.clone(), label, dims)))
    }

    fn given(&self, label: Option<usize>) -> PyResult<tensorjump::model::Given<'_, PositiveMps>> {
        match label {
            Some(label) => self.0.class(label).map_err(raise),
            None => Ok(self.0.marginal()),
        }
    }
}

/// The law of a model with its sites in another order: site k of `model` is site `order[k]` of this law.
#[pyclass(name = "Permuted", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyPermuted {
    order: Vec<usize>,
}

#[pymethods]
impl PyPermuted {
    #[new]
    fn new(model: PyRef<'_, PyModel>, order: Vec<usize>) -> PyResult<PyClassInitializer<Self>> {
        let base = match &model.law {
            Law::Exact(law) => {
                let law: Arc<dyn ExactModel> = Arc::new(Permuted::new(law.clone(), order.clone()).map_err(raise)?);
                exact(law)
            }
            Law::Plain(law) => {
                let law: Arc<dyn Model> = Arc::new(Permuted::new(law.clone(), order.clone()).map_err(raise)?);
                crate::target::plain(law)
            }
        };
        Ok(base.add_subclass(PyPermuted { order }))
    }

    /// The order of the sites.
    #[getter]
    fn order(&self) -> Vec<usize> {
        self.order.clone()
    }
}
