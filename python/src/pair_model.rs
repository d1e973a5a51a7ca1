//! Pair models of Python: any tables on the bonds, and the models with names.

use std::sync::Arc;

use ndarray::Array2;
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tensorjump::Target;
use tensorjump::lattice::{ContractOptions, Contraction};
use tensorjump::lattice::{PairModel, Square};

use crate::arrays::{Reals, free};
use crate::errors::{misshapen, raise};
use crate::lattice::{geometry, lattice_text, square};
use crate::target::PyTarget;

/// A model of pairs on a square lattice: any number of states, tables of log-weights on sites and bonds.
///
/// Parameters
/// ----------
/// rows, cols : int
/// sites : array (states,), or list of one for each site
///     Log-weights of states, in nats; `-inf` forbids.
/// horizontal, vertical : array (states, states), or list of one for each bond
///     Log-weights of pairs: left or upper state first. Bonds in order of rows, wrapping bonds last in their
///     row.
/// geometry : "open", "cylinder" or "torus"
/// diagonals : (diagonal, antidiagonal), optional
///     Log-weights of pairs (r, c), (r + 1, c + 1) and (r, c + 1), (r + 1, c), upper state first, in the same
///     forms, or None for no bonds.
#[pyclass(name = "PairModel", extends = PyTarget, frozen, module = "tensorjump")]
pub struct PyPairModel(pub Arc<PairModel>);

impl PyPairModel {
    pub fn wrap(model: PairModel) -> PyClassInitializer<Self> {
        let model = Arc::new(model);
        PyClassInitializer::from(PyTarget { law: model.clone() }).add_subclass(PyPairModel(model))
    }

    fn made(py: Python<'_>, model: tensorjump::Result<PairModel>) -> PyResult<Py<Self>> {
        Py::new(py, Self::wrap(model.map_err(raise)?))
    }
}

/// A mask of sites, row after row.
fn mask(lattice: Square, inside: Vec<Vec<bool>>) -> PyResult<Vec<bool>> {
    let expected = [lattice.rows(), lattice.cols()];
    let got = [inside.len(), inside.first().map_or(0, Vec::len)];
    if expected != got || inside.iter().any(|row| row.len() != got[1]) {
        return Err(misshapen("inside", &format!("{expected:?}"), &got));
    }
    Ok(inside.concat())
}

/// One table for all of `n` bonds, or one for each.
fn bond_tables(field: &'static str, given: Bound<'_, PyAny>, n: usize) -> PyResult<Vec<Array2<f64>>> {
    match given.extract::<Reals>() {
        Ok(one) if one.0.ndim() == 2 => Ok(vec![one.two(field)?; n]),
        _ => given.extract::<Vec<Reals>>()?.into_iter().map(|t| t.two(field)).collect(),
    }
}

#[pymethods]
impl PyPairModel {
    #[new]
    #[pyo3(signature = (rows, cols, sites, horizontal, vertical, *, geometry = "open", diagonals = None))]
    #[allow(clippy::too_many_arguments, clippy::type_complexity)]
    fn new(
        rows: usize,
        cols: usize,
        sites: Bound<'_, PyAny>,
        horizontal: Bound<'_, PyAny>,
        vertical: Bound<'_, PyAny>,
        geometry: &str,
        diagonals: Option<(Option<Bound<'_, PyAny>>, Option<Bound<'_, PyAny>>)>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let lattice = square(rows, cols, geometry)?;
        let sites = match sites.extract::<Vec<f64>>() {
            Ok(one) => vec![one; lattice.sites()],
            Err(_) => sites.extract::<Vec<Vec<f64>>>()?,
        };
        let horizontal = bond_tables("horizontal", horizontal, lattice.horizontal_bonds())?;
        let vertical = bond_tables("vertical", vertical, lattice.vertical_bonds())?;
        let model = PairModel::new(lattice, sites, horizontal, vertical).map_err(raise)?;
        let Some((falling, rising)) = diagonals else { return Ok(Self::wrap(model)) };
        let plaquettes = lattice.vertical_rows() * lattice.horizontal_cols();
        let tables = |name, given: Option<_>| given.map_or(Ok(Vec::new()), |t| bond_tables(name, t, plaquettes));
        let (falling, rising) = (tables("diagonal", falling)?, tables("antidiagonal", rising)?);
        Ok(Self::wrap(model.with_diagonals(falling, rising).map_err(raise)?))
    }

    /// The Potts model: a bond of equal states weighs `exp(beta J)`.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, q, beta, *, couplings = None, geometry = "open", seed = 0))]
    #[allow(clippy::too_many_arguments)]
    fn potts(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        q: usize,
        beta: f64,
        couplings: Option<Bound<'_, PyAny>>,
        geometry: &str,
        seed: u64,
    ) -> PyResult<Py<Self>> {
        let couplings = crate::lattice::couplings(square(rows, cols, geometry)?, couplings, seed)?;
        Self::made(py, PairModel::potts(&couplings, q, beta))
    }

    /// The clock model: a bond weighs `exp(beta J cos(2 pi (a - b) / q))`.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, q, beta, *, couplings = None, geometry = "open", seed = 0))]
    #[allow(clippy::too_many_arguments)]
    fn clock(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        q: usize,
        beta: f64,
        couplings: Option<Bound<'_, PyAny>>,
        geometry: &str,
        seed: u64,
    ) -> PyResult<Py<Self>> {
        let couplings = crate::lattice::couplings(square(rows, cols, geometry)?, couplings, seed)?;
        Self::made(py, PairModel::clock(&couplings, q, beta))
    }

    /// Hard squares: no two neighbours occupied, each occupied site weighs `fugacity`.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, fugacity, *, geometry = "open"))]
    fn hard_squares(py: Python<'_>, rows: usize, cols: usize, fugacity: f64, geometry: &str) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::hard_squares(square(rows, cols, geometry)?, fugacity))
    }

    /// Proper colourings with q colours, uniformly.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, q, *, geometry = "open"))]
    fn colourings(py: Python<'_>, rows: usize, cols: usize, q: usize, geometry: &str) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::colourings(square(rows, cols, geometry)?, q))
    }

    /// Hard hexagons: particles on the triangular lattice (one diagonal), no two of them neighbours.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, fugacity, *, geometry = "open"))]
    fn hard_hexagons(py: Python<'_>, rows: usize, cols: usize, fugacity: f64, geometry: &str) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::hard_hexagons(square(rows, cols, geometry)?, fugacity))
    }

    /// Dimers that cover the lattice, or the sites inside a mask of shape (rows, cols); `weights` of a
    /// horizontal and of a vertical one.
    ///
    /// The state of a site says where its dimer points: 0 right, 1 left, 2 below, 3 above. Sites outside the
    /// mask have one state, 0: leave them out of pictures and counts (`np.array(model.dims) > 1`).
    #[staticmethod]
    #[pyo3(signature = (rows, cols, *, weights = [1.0, 1.0], inside = None, geometry = "open"))]
    fn dimers(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        weights: [f64; 2],
        inside: Option<Vec<Vec<bool>>>,
        geometry: &str,
    ) -> PyResult<Py<Self>> {
        let lattice = square(rows, cols, geometry)?;
        match inside {
            None => Self::made(py, PairModel::dimers(lattice, weights)),
            Some(inside) => Self::made(py, PairModel::dimers_within(lattice, weights, &mask(lattice, inside)?)),
        }
    }

    /// Dimers on the Aztec diamond: sites of a lattice of 2 order rows and columns, states as of `dimers`.
    #[staticmethod]
    #[pyo3(signature = (order, *, weights = [1.0, 1.0]))]
    fn aztec_diamond(py: Python<'_>, order: usize, weights: [f64; 2]) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::aztec_diamond(order, weights))
    }

    /// The six-vertex model with weights (a, b, c); (1, 1, 1) is square ice.
    ///
    /// A site is a vertex; its states are, by the arrows on the left and right and on the upper and lower
    /// edge: 0 →→ ↑↑, 1 ←← ↓↓ (a); 2 →→ ↓↓, 3 ←← ↑↑ (b); 4 →← ↑↓, 5 ←→ ↓↑ (c).
    #[staticmethod]
    #[pyo3(signature = (rows, cols, *, weights = [1.0; 3], geometry = "open"))]
    fn six_vertex(py: Python<'_>, rows: usize, cols: usize, weights: [f64; 3], geometry: &str) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::six_vertex(square(rows, cols, geometry)?, weights))
    }

    /// The eight-vertex model with weights (a, b, c, d): states of `six_vertex`, and 6 →← ↓↑, 7 ←→ ↑↓ (d).
    #[staticmethod]
    #[pyo3(signature = (rows, cols, *, weights = [1.0; 4], geometry = "open"))]
    fn eight_vertex(py: Python<'_>, rows: usize, cols: usize, weights: [f64; 4], geometry: &str) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::eight_vertex(square(rows, cols, geometry)?, weights))
    }

    /// The six-vertex model with domain walls: alternating-sign matrices of size `order`, states as of
    /// `six_vertex`.
    #[staticmethod]
    #[pyo3(signature = (order, *, weights = [1.0; 3]))]
    fn domain_walls(py: Python<'_>, order: usize, weights: [f64; 3]) -> PyResult<Py<Self>> {
        Self::made(py, PairModel::domain_walls(order, weights))
    }

    /// The Ashkin-Teller model: two Ising spins a site, weights
    /// `exp(beta sum J (s s' + t t' + four_spin s s' t t'))`; state `2 [s = 1] + [t = 1]`.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, beta, four_spin, *, couplings = None, geometry = "open", seed = 0))]
    #[allow(clippy::too_many_arguments)]
    fn ashkin_teller(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        beta: f64,
        four_spin: f64,
        couplings: Option<Bound<'_, PyAny>>,
        geometry: &str,
        seed: u64,
    ) -> PyResult<Py<Self>> {
        let couplings = crate::lattice::couplings(square(rows, cols, geometry)?, couplings, seed)?;
        Self::made(py, PairModel::ashkin_teller(&couplings, four_spin, beta))
    }

    /// The Blume-Capel model: spins -1, 0, 1 (states 0, 1, 2), weights
    /// `exp(beta (sum J S S' - crystal_field sum S^2))`.
    #[staticmethod]
    #[pyo3(signature = (rows, cols, beta, crystal_field, *, couplings = None, geometry = "open", seed = 0))]
    #[allow(clippy::too_many_arguments)]
    fn blume_capel(
        py: Python<'_>,
        rows: usize,
        cols: usize,
        beta: f64,
        crystal_field: f64,
        couplings: Option<Bound<'_, PyAny>>,
        geometry: &str,
        seed: u64,
    ) -> PyResult<Py<Self>> {
        let couplings = crate::lattice::couplings(square(rows, cols, geometry)?, couplings, seed)?;
        Self::made(py, PairModel::blume_capel(&couplings, crystal_field, beta))
    }

    /// The same model on the sites inside a mask of shape (rows, cols): a site outside has one state, 0.
    fn masked(&self, py: Python<'_>, inside: Vec<Vec<bool>>) -> PyResult<Py<Self>> {
        Self::made(py, self.0.masked(&mask(self.0.lattice(), inside)?))
    }

    /// The same law with weights moved between sites and bonds, which lets boundary states truncate better
    /// where parts are frozen (dimers on an Aztec diamond); compare the weights of draws with and without.
    fn balanced(&self, py: Python<'_>) -> PyResult<Py<Self>> {
        Self::made(py, Ok(free(py, || self.0.balanced())?))
    }

    /// `log Z` in nats by contraction until the bond dimension no longer matters or is `max_bond`, see
    /// `contract`, which says whether it converged. Tori with diagonal bonds take hours at bonds of 256.
    #[pyo3(signature = (*, tolerance = 1e-6, max_bond = 256))]
    fn log_z(&self, py: Python<'_>, tolerance: f64, max_bond: usize) -> PyResult<f64> {
        let first_bond = ContractOptions::default().first_bond.min(max_bond);
        let options = ContractOptions { tolerance, first_bond, max_bond };
        Ok(free(py, || Contraction::new(&*self.0, &options))?.log_z)
    }

    /// Number of rows.
    #[getter]
    fn rows(&self) -> usize {
        self.0.lattice().rows()
    }

    /// Number of columns.
    #[getter]
    fn cols(&self) -> usize {
        self.0.lattice().cols()
    }

    /// "open", "cylinder" or "torus".
    #[getter]
    fn geometry(&self) -> &'static str {
        geometry(self.0.lattice())
    }

    fn __repr__(&self) -> String {
        let states = self.0.dims().iter().max().unwrap_or(&0);
        format!("PairModel({}, up to {states} states)", lattice_text(self.0.lattice()))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        use tensorjump::lattice::Bond;
        let (py, model) = (slf.py(), &slf.get().0);
        let lattice = model.lattice();
        let sites: Vec<_> = (0..lattice.sites()).map(|j| model.site_log_weights(j).to_vec()).collect();
        let bond = |b| model.bond_log_weights(b).clone().into_pyarray(py);
        let horizontal: Vec<_> = (0..lattice.horizontal_bonds()).map(|i| bond(Bond::Horizontal(i))).collect();
        let vertical: Vec<_> = (0..lattice.vertical_bonds()).map(|i| bond(Bond::Vertical(i))).collect();
        let falling: Vec<_> = (0..lattice.diagonal_bonds()).map(|i| bond(Bond::Diagonal(i))).collect();
        let rising: Vec<_> = (0..lattice.antidiagonal_bonds()).map(|i| bond(Bond::AntiDiagonal(i))).collect();
        let diagonals = (falling, rising);
        let args = (lattice.rows(), lattice.cols(), sites, horizontal, vertical, geometry(lattice), diagonals);
        Ok((py.import("tensorjump._pickle")?.getattr("pair_model")?, args.into_pyobject(py)?))
    }
}
