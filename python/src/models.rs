//! Matrix-product laws, mixtures, constraints and label legs.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array2, Array3};
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, ToPyArray};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tensorjump::diffusion::noised_law;
use tensorjump::model::{Automaton, BornMps, Boundary, KernelMixture, LabelLeg, Permuted, PositiveMps, pinned};
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{ExactModel, Model, SiteWeights, Target, io};

use crate::arrays::{Batch, Reals, Rng, Weights, free, in_parts, samples, short, vector};
use crate::errors::{raise, refuse};
use crate::given::OwnedGiven;
use crate::target::{Law, PyModel, exact};

fn tensors_in(tensors: Vec<Reals>) -> PyResult<Vec<Array3<f64>>> {
    tensors.into_iter().map(|a| a.three("tensor")).collect()
}

fn tensors_out<'py>(py: Python<'py>, mps: &Mps) -> Vec<Bound<'py, PyArray3<f64>>> {
    mps.tensors().iter().map(|a| a.to_pyarray(py)).collect()
}

fn marginals<'py>(py: Python<'py>, of: &[Vec<f64>]) -> Vec<Bound<'py, PyArray1<f64>>> {
    of.iter().map(|p| vector(py, p.clone().into())).collect()
}

fn size(law: &impl Target, mps: &Mps) -> String {
    format!("{}, chi={}", short(law.dims()), mps.max_bond())
}

/// `P(x) = A_1[x_1] ... A_N[x_N] / Z` with non-negative tensors.
///
/// Parameters
/// ----------
/// tensors : list of array
///     One for each site, axes (left, state, right); the first left and the last right bond are 1.
#[pyclass(name = "PositiveMps", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyPositiveMps(pub Arc<PositiveMps>);

impl PyPositiveMps {
    pub fn wrap(model: PositiveMps) -> PyClassInitializer<Self> {
        let model = Arc::new(model);
        exact(model.clone()).add_subclass(PyPositiveMps(model))
    }

    fn made(py: Python<'_>, model: tensorjump::Result<PositiveMps>) -> PyResult<Py<Self>> {
        Py::new(py, Self::wrap(model.map_err(raise)?))
    }
}

#[pymethods]
impl PyPositiveMps {
    #[new]
    fn new(py: Python<'_>, tensors: Vec<Reals>) -> PyResult<PyClassInitializer<Self>> {
        let tensors = tensors_in(tensors)?;
        Ok(Self::wrap(free(py, || PositiveMps::new(&Mps::new(tensors, 0.0)?))?))
    }

    /// The Ising chain, or ring: weights `exp(beta (sum_j J_j s_j s_{j+1} + sum_j h_j s_j))`, `s = 2x - 1`.
    ///
    /// Parameters
    /// ----------
    /// beta : float
    /// couplings : array
    ///     One for each bond: N - 1 of a chain, N of a ring (the last closes it).
    /// fields : array
    ///     One for each of the N sites.
    /// ring : bool
    #[staticmethod]
    #[pyo3(signature = (beta, couplings, fields, *, ring = false))]
    fn ising(py: Python<'_>, beta: f64, couplings: Reals, fields: Reals, ring: bool) -> PyResult<Py<Self>> {
        let (couplings, fields) = (couplings.one("couplings")?.to_vec(), fields.one("fields")?.to_vec());
        Self::made(py, PositiveMps::ising(beta, &couplings, &fields, boundary(ring)))
    }

    /// Independent sites with the given weights.
    #[staticmethod]
    fn product(py: Python<'_>, weights: Vec<Vec<f64>>) -> PyResult<Py<Self>> {
        Self::made(py, PositiveMps::product(&weights))
    }

    /// The exact law of a table of length `prod(dims)`, first site most significant.
    #[staticmethod]
    fn from_table(py: Python<'_>, dims: Vec<usize>, table: Reals) -> PyResult<Py<Self>> {
        let table = table.one("table")?.to_vec();
        let model = free(py, || PositiveMps::from_table(&dims, &table))?;
        Self::made(py, Ok(model))
    }

    /// A random law with bonds up to `bond`, for tests and benchmarks.
    #[staticmethod]
    #[pyo3(signature = (dims, bond, *, rng))]
    fn random(py: Python<'_>, dims: Vec<usize>, bond: usize, rng: Rng) -> PyResult<Py<Self>> {
        Self::made(py, PositiveMps::random(&dims, bond, &mut rng.0.stream(0)))
    }

    /// The law times `prod_j w_j(x_j)`, normalised: weights of shape (sites, states).
    fn tilted(&self, py: Python<'_>, weights: Reals) -> PyResult<Py<Self>> {
        let w = weights.two("weights")?;
        Self::made(py, self.0.tilted(w.view()))
    }

    /// The law on the configurations that `constraint` allows, normalised.
    fn constrained(&self, py: Python<'_>, constraint: &PyAutomaton) -> PyResult<Py<Self>> {
        let model = free(py, || self.0.constrained(&constraint.0))?;
        Self::made(py, Ok(model))
    }

    /// The law after the noise of `kernel`, of the same bond dimensions.
    fn noised(&self, py: Python<'_>, kernel: &crate::noise::PyKernel) -> PyResult<Py<Self>> {
        let model = free(py, || PositiveMps::new(&noised_law(self.0.as_mps(), &kernel.0)?))?;
        Self::made(py, Ok(model))
    }

    /// `log Z` of the tensors that the law was made from, in nats.
    #[getter]
    fn log_z(&self) -> f64 {
        self.0.log_z()
    }

    /// Tensors of the normalised law, axes (left, state, right).
    #[getter]
    fn tensors<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray3<f64>>> {
        tensors_out(py, self.0.as_mps())
    }

    /// Bond dimensions between the sites.
    #[getter]
    fn bonds(&self) -> Vec<usize> {
        self.0.as_mps().bonds()
    }

    /// `P(x_j = a)`, one array for each site.
    #[getter]
    fn site_marginals<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<f64>>> {
        marginals(py, self.0.site_marginals())
    }

    /// Writes a `.safetensors` file, beside its place and then renamed.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        free(py, || io::write_positive(&path, &self.0))
    }

    /// Reads what `save` wrote, bit for bit.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Py<Self>> {
        let model = free(py, || io::read_positive(&path))?;
        Self::made(py, Ok(model))
    }

    fn __repr__(&self) -> String {
        format!("PositiveMps({})", size(&*self.0, self.0.as_mps()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tensorjump._pickle")?.call_method1("by_file", (slf,))
    }
}

pub fn boundary(ring: bool) -> Boundary {
    if ring { Boundary::Ring } else { Boundary::Open }
}

/// `P(x) = |psi(x)|^2 / Z` with a matrix-product amplitude, real or complex.
///
/// Parameters
/// ----------
/// tensors : list of array
///     One for each site, axes (left, state, right), real or complex, in any gauge; the first left bond is 1. An
///     open last bond is summed over: `P(x) = sum_k |psi_k(x)|^2 / Z`.
///
/// A complex state of bond chi is held as a real one of 2 chi, exactly: a draw costs what complex arithmetic would.
#[pyclass(name = "BornMps", extends = PyModel, frozen, module = "tensorjump")]
pub struct PyBornMps(pub Arc<BornMps>);

impl PyBornMps {
    pub fn wrap(model: BornMps) -> PyClassInitializer<Self> {
        let model = Arc::new(model);
        exact(model.clone()).add_subclass(PyBornMps(model))
    }

    fn made(py: Python<'_>, model: tensorjump::Result<BornMps>) -> PyResult<Py<Self>> {
        Py::new(py, Self::wrap(model.map_err(raise)?))
    }
}

#[pymethods]
impl PyBornMps {
    #[new]
    fn new<'py>(py: Python<'py>, tensors: Vec<Bound<'py, PyAny>>) -> PyResult<PyClassInitializer<Self>> {
        let np = py.import("numpy")?;
        let (mut re, mut im, mut complex) = (vec![], vec![], false);
        for a in tensors {
            let a = np.call_method1("asarray", (a,))?;
            let is_complex = a.getattr("dtype")?.getattr("kind")?.extract::<String>()? == "c";
            complex |= is_complex;
            let real = if is_complex { a.getattr("real")? } else { a.clone() };
            let real = real.extract::<Reals>()?.three("tensor")?;
            im.push(if is_complex {
                a.getattr("imag")?.extract::<Reals>()?.three("tensor")?
            } else {
                Array3::zeros(real.dim())
            });
            re.push(real);
        }
        let model = free(py, || if complex { BornMps::complex(&re, &im) } else { BornMps::open(re) })?;
        Ok(Self::wrap(model))
    }

    /// The law of the first `sites` sites of a chain, the others summed over. Tensors are real.
    #[staticmethod]
    fn marginal(py: Python<'_>, tensors: Vec<Reals>, sites: usize) -> PyResult<Py<Self>> {
        let tensors = tensors_in(tensors)?;
        let model = free(py, || BornMps::marginal(&Mps::new(tensors, 0.0)?, sites))?;
        Self::made(py, Ok(model))
    }

    /// A random real state with bonds up to `bond`, for tests and benchmarks.
    #[staticmethod]
    #[pyo3(signature = (dims, bond, *, rng))]
    fn random(py: Python<'_>, dims: Vec<usize>, bond: usize, rng: Rng) -> PyResult<Py<Self>> {
        Self::made(py, BornMps::random(&dims, bond, &mut rng.0.stream(0)))
    }

    /// The law times `prod_j w_j(x_j)`, normalised: weights of shape (sites, states).
    fn tilted(&self, py: Python<'_>, weights: Reals) -> PyResult<Py<Self>> {
        let w = weights.two("weights")?;
        Self::made(py, self.0.tilted(w.view()))
    }

    /// The law on the configurations that `constraint` allows, normalised.
    fn constrained(&self, py: Python<'_>, constraint: &PyAutomaton) -> PyResult<Py<Self>> {
        let model = free(py, || self.0.constrained(&constraint.0))?;
        Self::made(py, Ok(model))
    }

    /// Logarithm of the squared norm of the tensors that the law was made from.
    #[getter]
    fn log_z(&self) -> f64 {
        self.0.log_z()
    }

    /// Real tensors of the normalised amplitude in right-canonical form, axes (left, state, right); sites beyond
    /// those of the law (a complex or open last bond) come last.
    #[getter]
    fn tensors<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray3<f64>>> {
        tensors_out(py, self.0.amplitude())
    }

    /// Bond dimensions of the real amplitude.
    #[getter]
    fn bonds(&self) -> Vec<usize> {
        self.0.amplitude().bonds()
    }

    /// `P(x_j = a)`, one array for each site.
    #[getter]
    fn site_marginals<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyArray1<f64>>> {
        marginals(py, self.0.site_marginals())
    }

    /// Writes a `.safetensors` file, beside its place and then renamed.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        free(py, || io::write_born(&path, &self.0))
    }

    /// Reads what `save` wrote, bit for bit.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Py<Self>> {
        let model = free(py, || io::read_born(&path))?;
        Self::made(py, Ok(model))
    }

    fn __repr__(&self) -> String {
        format!("BornMps({})", size(&*self.0, self.0.amplitude()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tensorjump._pickle")?.call_method1("by_file", (slf,))
    }
}

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
        PyPositiveMps::made(py, Ok(model))
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
/// comparable value) or None to forbid, or a pair (state, weight); `accept(state)` returns a bool or a weight.
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

    /// `low <= sum_j sites[j][x_j] + sum_j pairs[j][x_j, x_{j+1}] <= high`: integer energies of a chain or ring.
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
/// `Labelled(classes, prior)` from one `PositiveMps` for each label; `Labelled.by_sum(model, values, windows)`
/// labels by windows of a sum.
#[pyclass(name = "Labelled", frozen, module = "tensorjump")]
pub struct PyLabelled(pub Arc<LabelLeg<PositiveMps>>);

#[pymethods]
impl PyLabelled {
    #[new]
    fn new(classes: Vec<PyRef<'_, PyPositiveMps>>, prior: Vec<f64>) -> PyResult<Self> {
        let classes: Vec<_> = classes.iter().map(|c| (*c.0).clone()).collect();
        Ok(PyLabelled(Arc::new(LabelLeg::from_classes(&classes, &prior).map_err(raise)?)))
    }

    /// Label l where `windows[l][0] <= sum_j values[j][x_j] <= windows[l][1]`; other configurations are excluded.
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

/// The law of a model with its sites in another order: site j of this law is site `order[j]` of `model`.
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

/// Limits of a compression, from the keywords of Python.
pub fn truncation(max_bond: usize, cutoff: f64) -> Truncation {
    Truncation { max_bond, cutoff }
}
