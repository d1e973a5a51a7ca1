//! Matrix-product laws.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array3;
use numpy::{PyArray1, PyArray3, ToPyArray};
use pyo3::prelude::*;
use tensorjump::Target;
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::tn::Mps;

use crate::arrays::{Complexes, Reals, Rng, free, short, vector};
use crate::bases::in_bases;
use crate::errors::{raise, refuse};
use crate::models::PyAutomaton;
use crate::target::{PyModel, exact};

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
    /// couplings : float or array
    ///     One for each bond: N - 1 of a chain, N of a ring (the last closes it); or one number for all.
    /// fields : float or array
    ///     One for each of the N sites; or one number for all.
    /// sites : int, optional
    ///     N, where neither is an array.
    /// ring : bool
    #[staticmethod]
    #[pyo3(signature = (beta, couplings, fields, *, sites = None, ring = false))]
    fn ising(
        py: Python<'_>,
        beta: f64,
        couplings: Reals,
        fields: Reals,
        sites: Option<usize>,
        ring: bool,
    ) -> PyResult<Py<Self>> {
        let given = match (couplings.0.ndim(), fields.0.ndim()) {
            (_, 1) => Some(fields.0.len()),
            (1, _) => Some(couplings.0.len() + usize::from(!ring)),
            _ => sites,
        };
        let Some(n) = given else { return Err(refuse("sites", "None", "a number, where nothing else tells it")) };
        let bonds = if ring { n } else { n.saturating_sub(1) };
        let (couplings, fields) = (couplings.spread("couplings", bonds)?, fields.spread("fields", n)?);
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
        let model = free(py, || PositiveMps::new(&kernel.0.noised_law(self.0.as_mps())?))?;
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
        free(py, || self.0.write(&path))
    }

    /// Reads what `save` wrote, bit for bit.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Py<Self>> {
        let model = free(py, || PositiveMps::read(&path))?;
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
///     One for each site, axes (left, state, right), real or complex, in any gauge; the first left bond is 1.
///     An open last bond is summed over: `P(x) = sum_k |psi_k(x)|^2 / Z`.
/// bases : str, array or sequence, optional
///     The basis in which each site is measured; that of the tensors if not given. A unitary `U[b, a] =
///     <b|a>` (d, d) has the complex conjugates of the vectors of outcome b as its rows. `"X"`, `"Y"`, `"Z"`
///     are the eigenvectors of the Pauli matrices on two states, eigenvalue +1 as outcome 0, with state 0 as
///     Z = +1. One letter or one matrix serves all sites; else one for each: `"XXZZ"`, or a sequence of
///     letters, matrices and None (the given basis).
///
/// Raises
/// ------
/// ParameterError
///     A matrix that is not unitary to 1e-10, or another letter.
/// ShapeError
///     Bonds that do not fit, another number of bases than sites, a basis of another number of states.
/// ZeroEvidenceError
///     Tensors whose product is zero.
///
/// Examples
/// --------
/// The outcomes of X on two spins in `(|00> + |11>)/sqrt(2)` agree:
///
/// >>> import numpy as np, tensorjump as tj
/// >>> first = np.eye(2).reshape(1, 2, 2); last = np.eye(2).reshape(2, 2, 1)
/// >>> law = tj.BornMps([first, last], bases="X")
/// >>> np.exp(law.log_prob(np.array([[0, 0], [0, 1]]))).round(12)
/// array([0.5, 0. ])
///
/// A complex state of bond chi is held as a real one of 2 chi, exactly: a draw costs what complex arithmetic
/// would.
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
    #[pyo3(signature = (tensors, *, bases = None))]
    fn new(
        py: Python<'_>,
        tensors: Vec<Complexes>,
        bases: Option<Bound<'_, PyAny>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let complex = tensors.iter().any(|a| a.im.is_some());
        let (mut re, mut im) = (Vec::with_capacity(tensors.len()), Vec::with_capacity(tensors.len()));
        for a in tensors {
            let real = a.re.three("tensor")?;
            im.push(a.im.map_or(Ok(Array3::zeros(real.dim())), |im| im.three("tensor"))?);
            re.push(real);
        }
        let dims: Vec<usize> = re.iter().map(|a| a.dim().1).collect();
        let bases = bases.map(|bases| in_bases(&bases, &dims)).transpose()?;
        let model = free(py, || match bases {
            Some(bases) => BornMps::measured(&re, &im, &bases),
            None if complex => BornMps::complex(&re, &im),
            None => BornMps::open(re),
        })?;
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

    /// Real tensors of the normalised amplitude in right-canonical form, axes (left, state, right); sites
    /// beyond those of the law (a complex or open last bond) come last.
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
        free(py, || self.0.write(&path))
    }

    /// Reads what `save` wrote, bit for bit.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Py<Self>> {
        let model = free(py, || BornMps::read(&path))?;
        Self::made(py, Ok(model))
    }

    fn __repr__(&self) -> String {
        format!("BornMps({})", size(&*self.0, self.0.amplitude()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("tensorjump._pickle")?.call_method1("by_file", (slf,))
    }
}
