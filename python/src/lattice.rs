//! Square lattices: Ising models, and the contraction of any model on them.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tensorjump::Target;
use tensorjump::lattice::{ContractOptions, Contraction, FreeFermions};
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Square};

use crate::arrays::{Batch, Reals, free, table, vector};
use crate::errors::{misshapen, raise, refuse};
use crate::pair_model::PyPairModel;
use crate::target::PyTarget;

pub const OPEN: &str = "open, cylinder or torus";

pub fn square(rows: usize, cols: usize, geometry: &str) -> PyResult<Square> {
    let geometry = match geometry {
        "open" => Geometry::Open,
        "cylinder" => Geometry::Cylinder,
        "torus" => Geometry::Torus,
        other => return Err(refuse("geometry", other, OPEN)),
    };
    Square::new(rows, cols, geometry).map_err(raise)
}

pub fn geometry(lattice: Square) -> &'static str {
    match lattice.geometry() {
        Geometry::Cylinder => "cylinder",
        Geometry::Torus => "torus",
        _ => "open",
    }
}

pub fn lattice_text(l: Square) -> String {
    format!("{}x{} {}", l.rows(), l.cols(), geometry(l))
}

/// Values of the horizontal or vertical bonds as a table of rows.
fn bonds_table(values: &[f64], per_row: usize) -> Array2<f64> {
    let rows = values.len().checked_div(per_row).unwrap_or(0);
    Array2::from_shape_vec((rows, per_row), values.to_vec()).unwrap_or_default()
}

pub fn couplings(lattice: Square, value: Option<Bound<'_, PyAny>>, seed: u64) -> PyResult<Couplings> {
    let Some(value) = value else { return Couplings::uniform(lattice, 1.0).map_err(raise) };
    if let Ok(kind) = value.extract::<String>() {
        return match kind.as_str() {
            "pm" => Ok(Couplings::plus_minus(lattice, seed)),
            "gauss" => Ok(Couplings::gaussian(lattice, seed)),
            other => Err(refuse("couplings", other, "a number, \"pm\", \"gauss\" or a pair of arrays")),
        };
    }
    if let Ok((h, v)) = value.extract::<(Reals, Reals)>() {
        let tables = [
            ("horizontal", h, [lattice.rows(), lattice.horizontal_cols()]),
            ("vertical", v, [lattice.vertical_rows(), lattice.cols()]),
        ];
        let mut flat = tables.into_iter().map(|(name, values, shape)| {
            if values.0.shape() != shape && !(values.0.is_empty() && shape.contains(&0)) {
                return Err(misshapen(name, &format!("{shape:?}"), values.0.shape()));
            }
            Ok(values.0.into_iter().collect::<Vec<f64>>())
        });
        let (Some(h), Some(v)) = (flat.next(), flat.next()) else { unreachable!("two tables") };
        return Couplings::new(lattice, h?, v?, vec![0.0; lattice.sites()]).map_err(raise);
    }
    Couplings::uniform(lattice, value.extract()?).map_err(raise)
}

/// Couplings with those of the diagonals: each a number for all, an array of rows, or None.
fn with_diagonals(couplings: Couplings, diagonals: Option<(Option<Reals>, Option<Reals>)>) -> PyResult<Couplings> {
    let Some((falling, rising)) = diagonals else { return Ok(couplings) };
    let lattice = couplings.lattice();
    let shape = [lattice.vertical_rows(), lattice.horizontal_cols()];
    let flat = |name: &'static str, given: Option<Reals>| match given {
        None => Ok(Vec::new()),
        Some(Reals(one)) if one.ndim() == 0 => Ok(vec![one.first().copied().unwrap_or_default(); shape[0] * shape[1]]),
        Some(Reals(values)) if values.is_empty() => Ok(Vec::new()),
        Some(Reals(values)) if values.shape() == shape => Ok(values.into_iter().collect()),
        Some(Reals(values)) => Err(misshapen(name, &format!("{shape:?}"), values.shape())),
    };
    couplings.with_diagonals(flat("diagonal", falling)?, flat("antidiagonal", rising)?).map_err(raise)
}

/// The Ising model on a square lattice: weights `exp(beta (sum J s s' + sum h s))`, `s = 2x - 1`.
///
/// Parameters
/// ----------
/// rows, cols : int
///     Site (r, c) is number `r * cols + c`.
/// beta : float
///     Inverse temperature; negative ones are allowed.
/// couplings : float, "pm", "gauss" or (horizontal, vertical), optional
///     One number for all bonds (1 if not given); random signs or normal numbers drawn from `seed`; or
///     arrays: bond (r, c) of `horizontal` joins (r, c) and (r, c + 1), of `vertical` (r, c) and (r + 1, c),
///     wrapping bonds last.
/// geometry : "open", "cylinder" or "torus"
///     Cylinders wrap the columns.
/// field : float or array (rows, cols), optional
/// seed : int
///     Of random couplings.
/// diagonals : (diagonal, antidiagonal), optional
///     Couplings along the diagonals of the plaquettes, each a number for all, an array or None: bond (r, c)
///     of `diagonal` joins (r, c) and (r + 1, c + 1), of `antidiagonal` (r, c + 1) and (r + 1, c). One of
///     them makes the triangular lattice, both a J1-J2 model.
#[pyclass(name = "Ising", extends = PyTarget, frozen, module = "tensorjump")]
pub struct PyIsing(pub Arc<Ising>);

#[pymethods]
impl PyIsing {
    #[new]
    #[pyo3(signature = (
        rows, cols, beta, *, couplings = None, geometry = "open", field = None, seed = 0, diagonals = None
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        rows: usize,
        cols: usize,
        beta: f64,
        couplings: Option<Bound<'_, PyAny>>,
        geometry: &str,
        field: Option<Reals>,
        seed: u64,
        diagonals: Option<(Option<Reals>, Option<Reals>)>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let lattice = square(rows, cols, geometry)?;
        let mut bonds = with_diagonals(self::couplings(lattice, couplings, seed)?, diagonals)?;
        if let Some(Reals(h)) = field {
            let field = match h.ndim() {
                0 => vec![h.first().copied().unwrap_or_default(); lattice.sites()],
                _ if h.shape() == [rows, cols] || h.shape() == [rows * cols] => h.into_iter().collect(),
                _ => return Err(misshapen("field", &format!("(), ({rows}, {cols})"), h.shape())),
            };
            bonds = bonds.with_field(field).map_err(raise)?;
        }
        let ising = Arc::new(Ising::new(bonds, beta).map_err(raise)?);
        Ok(PyClassInitializer::from(PyTarget { law: ising.clone() }).add_subclass(PyIsing(ising)))
    }

    /// The Ising model on another lattice, one coupling on all its bonds, embedded in a square one.
    ///
    /// Parameters
    /// ----------
    /// kind : "triangular", "honeycomb", "kagome", "kings", "union_jack" or "j1_j2"
    ///     Kagome lattices keep the sites of odd row and column as free spins, which add ln 2 each to
    ///     `log_z`; "j1_j2" has two couplings, (along edges, along diagonals).
    /// rows, cols : int
    /// beta : float
    /// coupling : float, or two of them for "j1_j2"
    ///     1 if not given.
    /// geometry : "open", "cylinder" or "torus"
    #[staticmethod]
    #[pyo3(signature = (kind, rows, cols, beta, *, coupling = None, geometry = "open"))]
    fn lattice(
        py: Python<'_>,
        kind: &str,
        rows: usize,
        cols: usize,
        beta: f64,
        coupling: Option<Bound<'_, PyAny>>,
        geometry: &str,
    ) -> PyResult<Py<Self>> {
        let lattice = square(rows, cols, geometry)?;
        let one = || coupling.as_ref().map_or(Ok(1.0), |c| c.extract::<f64>());
        let bonds = match kind {
            "triangular" => Couplings::triangular(lattice, one()?),
            "honeycomb" => Couplings::honeycomb(lattice, one()?),
            "kagome" => Couplings::kagome(lattice, one()?),
            "kings" => Couplings::kings(lattice, one()?),
            "union_jack" => Couplings::union_jack(lattice, one()?),
            "j1_j2" => {
                let (j1, j2) = coupling.as_ref().map_or(Ok((1.0, 1.0)), |c| c.extract::<(f64, f64)>())?;
                Couplings::j1_j2(lattice, j1, j2)
            }
            other => {
                let kinds = "triangular, honeycomb, kagome, kings, union_jack or j1_j2";
                return Err(refuse("kind", other, kinds));
            }
        };
        let ising = Arc::new(bonds.and_then(|bonds| Ising::new(bonds, beta)).map_err(raise)?);
        Py::new(py, PyClassInitializer::from(PyTarget { law: ising.clone() }).add_subclass(PyIsing(ising)))
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

    /// Inverse temperature.
    #[getter]
    fn beta(&self) -> f64 {
        self.0.beta()
    }

    /// Couplings as (horizontal, vertical), each an array of rows.
    #[getter]
    #[allow(clippy::type_complexity)]
    fn couplings<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>) {
        let (c, l) = (self.0.couplings(), self.0.lattice());
        let h = bonds_table(c.horizontal(), l.horizontal_cols());
        (table(py, h), table(py, bonds_table(c.vertical(), l.cols())))
    }

    /// Couplings along the diagonals as (diagonal, antidiagonal), each an array of rows, empty without bonds.
    #[getter]
    #[allow(clippy::type_complexity)]
    fn diagonals<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>) {
        let (c, across) = (self.0.couplings(), self.0.lattice().horizontal_cols());
        (table(py, bonds_table(c.diagonal(), across)), table(py, bonds_table(c.antidiagonal(), across)))
    }

    /// Fields, shape (rows, cols).
    #[getter]
    fn field<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<f64>> {
        table(py, bonds_table(self.0.couplings().field(), self.0.lattice().cols()))
    }

    /// `-sum J s s'` of each row of `x`, shape (samples,), without the field.
    fn energy<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.view();
        Ok(vector(py, free(py, || self.0.energy(x))?))
    }

    /// `-sum h s` of each row of `x`, shape (samples,).
    fn field_energy<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.view();
        Ok(vector(py, free(py, || self.0.field_energy(x))?))
    }

    /// Mean spin of each row of `x`, shape (samples,).
    fn magnetisation<'py>(&self, py: Python<'py>, x: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let x = x.view();
        Ok(vector(py, free(py, || self.0.magnetisation(x))?))
    }

    /// `log Z` in nats by contraction until the bond dimension no longer matters or is `max_bond`, see
    /// `contract`, which says whether it converged. Tori with diagonal bonds take hours at bonds of 256.
    #[pyo3(signature = (*, tolerance = 1e-6, max_bond = 256))]
    fn log_z(&self, py: Python<'_>, tolerance: f64, max_bond: usize) -> PyResult<f64> {
        let first_bond = ContractOptions::default().first_bond.min(max_bond);
        let options = ContractOptions { tolerance, first_bond, max_bond };
        Ok(free(py, || Contraction::new(&*self.0, &options))?.log_z)
    }

    /// Exact log Z, energy and specific heat a site without field, by free fermions (Onsager–Kaufman for any
    /// couplings): a dict. Open lattices and cylinders.
    fn free_fermions(&self, py: Python<'_>) -> PyResult<std::collections::HashMap<&'static str, f64>> {
        let exact = free(py, || FreeFermions::new(&self.0))?;
        let named = [("log_z", exact.log_z), ("energy_per_site", exact.energy_per_site)];
        Ok(named.into_iter().chain([("specific_heat", exact.specific_heat)]).collect())
    }

    /// The same law as tables of log-weights.
    fn pair_model(&self, py: Python<'_>) -> PyResult<Py<PyPairModel>> {
        Py::new(py, PyPairModel::wrap(self.0.pair_model().map_err(raise)?))
    }

    fn __repr__(&self) -> String {
        format!("Ising({}, beta={})", lattice_text(self.0.lattice()), self.0.beta())
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, me) = (slf.py(), slf.get());
        let (couplings, diagonals) = (me.couplings(py), me.diagonals(py));
        let args = (me.rows(), me.cols(), me.beta(), couplings, me.geometry(), me.field(py), diagonals);
        Ok((py.import("tensorjump._pickle")?.getattr("ising")?, args.into_pyobject(py)?))
    }
}

/// An Ising or pair model of Python.
pub enum Pair {
    Ising(Arc<Ising>),
    Tables(Arc<PairModel>),
}

impl Pair {
    /// The law of the model.
    pub fn law(&self) -> Arc<dyn Target> {
        match self {
            Pair::Ising(m) => m.clone(),
            Pair::Tables(m) => m.clone(),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Pair {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(ising) = ob.cast::<PyIsing>() {
            return Ok(Pair::Ising(ising.get().0.clone()));
        }
        match ob.cast::<PyPairModel>() {
            Ok(model) => Ok(Pair::Tables(model.get().0.clone())),
            Err(_) => Err(pyo3::exceptions::PyTypeError::new_err(format!(
                "expected a tensorjump.Ising or PairModel, got {}",
                ob.get_type().name()?
            ))),
        }
    }
}

/// An expression of the interaction behind a [`Pair`].
macro_rules! with_pair {
    ($pair:expr, $model:ident => $body:expr) => {
        match $pair {
            $crate::lattice::Pair::Ising($model) => $body,
            $crate::lattice::Pair::Tables($model) => $body,
        }
    };
}
pub(crate) use with_pair;

/// `log Z` of a lattice by contraction with growing bond dimension: a dict of `log_z`, `max_bond`, `change`,
/// `spread`, `converged`, `truncation_error`.
///
/// Raises
/// ------
/// ConvergenceError
///     Where double precision does not hold the weights.
#[pyfunction(name = "contract")]
#[pyo3(signature = (model, *, tolerance = 1e-6, first_bond = 8, max_bond = 256))]
pub fn py_contract<'py>(
    py: Python<'py>,
    model: Pair,
    tolerance: f64,
    first_bond: usize,
    max_bond: usize,
) -> PyResult<Bound<'py, pyo3::types::PyDict>> {
    let options = ContractOptions { tolerance, first_bond, max_bond };
    let found = with_pair!(&model, m => free(py, || Contraction::new(&**m, &options)))?;
    let out = pyo3::types::PyDict::new(py);
    out.set_item("log_z", found.log_z)?;
    out.set_item("max_bond", found.max_bond)?;
    out.set_item("change", found.change)?;
    out.set_item("spread", found.spread)?;
    out.set_item("converged", found.converged)?;
    out.set_item("truncation_error", found.truncation_error)?;
    Ok(out)
}
