//! Three dimensions: ±J models in bits.

use std::path::PathBuf;

use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray4, ToPyArray};
use pyo3::prelude::*;
use tensorjump::lattice::{Cubic, CubicBits, CubicCouplings};

use crate::arrays::{Batch, Reals, check_memory, free, table, updates_in_parts, vector};
use crate::errors::{misshapen, raise, refuse};

/// Couplings as an array (3, nx, ny, nz).
fn array<'py>(py: Python<'py>, couplings: &CubicCouplings) -> PyResult<Bound<'py, PyArray4<f64>>> {
    let [nx, ny, nz] = couplings.lattice().shape();
    let all: Vec<f64> = (0..3).flat_map(|d| couplings.along(d)).copied().collect();
    let all = ndarray::Array4::from_shape_vec((3, nx, ny, nz), all);
    Ok(all.unwrap_or_default().into_pyarray(py))
}

/// Spin glasses in three dimensions: up to 512 replicas at each of some inverse temperatures, in the bits of
/// words (multi-spin coding), moved by Metropolis sweeps at 0.1 ns a spin.
///
/// Couplings are of one absolute value, or zero; energies are `-sum J s s'`. Sites are numbered as in an
/// array (nx, ny, nz); states 0 and 1 are the spins -1 and +1.
///
/// Parameters
/// ----------
/// couplings : array (3, nx, ny, nz)
///     Entry `[d, x, y, z]` belongs to the bond from site (x, y, z) one step up direction d.
/// betas : array (levels,)
///     Inverse temperatures.
/// periodic : (bool, bool, bool)
///     Directions that wrap around, of three sites at least; bonds over free edges are zero.
/// replicas : int
///     At each level, 1 to 512. They cost what one costs.
/// seed : int
///     Of all draws; results do not depend on threads.
/// exchanges : bool
///     Replica exchange: the levels are a ladder, rising or falling, and every replica tempers by itself.
/// clusters : float, optional
///     Isoenergetic clusters of replicas 0 and 1, 2 and 3, ... at levels from this beta on.
/// sweeps : int
///     Sweeps in each update.
#[pyclass(name = "CubicBits", module = "tensorjump")]
pub struct PyCubicBits {
    bits: CubicBits,
    couplings: CubicCouplings,
}

#[pymethods]
impl PyCubicBits {
    #[new]
    #[pyo3(signature = (couplings, betas, *, periodic = (true, true, true), replicas = 512, seed = 0,
        exchanges = false, clusters = None, sweeps = 1), text_signature = "(couplings, betas, *, \
        periodic=(True, True, True), replicas=512, seed=0, exchanges=False, clusters=None, sweeps=1)")]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        couplings: Reals,
        betas: Reals,
        periodic: (bool, bool, bool),
        replicas: usize,
        seed: u64,
        exchanges: bool,
        clusters: Option<f64>,
        sweeps: usize,
    ) -> PyResult<Self> {
        let &[3, nx, ny, nz] = couplings.0.shape() else {
            return Err(misshapen("couplings", "(3, nx, ny, nz)", couplings.0.shape()));
        };
        let betas = betas.one("betas")?.to_vec();
        let lattice = Cubic::new([nx, ny, nz], periodic.into()).map_err(raise)?;
        check_memory("levels", betas.len().saturating_add(8), 64 * lattice.sites())?;
        if clusters.is_some_and(f64::is_nan) {
            return Err(refuse("clusters", "NaN", "a number or None"));
        }
        let along = |d: usize| couplings.0.index_axis(ndarray::Axis(0), d).iter().copied().collect();
        let couplings = [0, 1, 2].map(along);
        let couplings = CubicCouplings::new(lattice, couplings, vec![0.0; lattice.sites()]).map_err(raise)?;
        let made = couplings.clone();
        let bits = free(py, || {
            let mut bits = CubicBits::new(made, &betas, replicas, seed)?.with_sweeps(sweeps)?;
            if exchanges {
                bits = bits.with_exchanges()?;
            }
            Ok(match clusters {
                Some(beta) => bits.with_clusters(beta),
                None => bits,
            })
        })?;
        Ok(PyCubicBits { bits, couplings })
    }

    /// Couplings +1 and -1 with probability 1/2, drawn as the Rust library draws them.
    #[staticmethod]
    #[pyo3(signature = (shape, *, seed, periodic = (true, true, true)),
        text_signature = "(shape, *, seed, periodic=(True, True, True))")]
    fn plus_minus(
        py: Python<'_>,
        shape: (usize, usize, usize),
        seed: u64,
        periodic: (bool, bool, bool),
    ) -> PyResult<Bound<'_, PyArray4<f64>>> {
        let lattice = Cubic::new(shape.into(), periodic.into()).map_err(raise)?;
        check_memory("couplings", lattice.sites(), 128)?;
        array(py, &free(py, || Ok(CubicCouplings::plus_minus(lattice, seed)))?)
    }

    /// Makes `updates` updates: sweeps, clusters, exchanges. Ctrl-C ends between two of them.
    fn advance(&mut self, py: Python<'_>, updates: usize) -> PyResult<()> {
        let bits = &mut self.bits;
        updates_in_parts(py, updates, |part| bits.advance(part))
    }

    /// Energies, shape (levels, replicas).
    #[getter]
    fn energy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f64>>> {
        Ok(table(py, free(py, || Ok(self.bits.energy()))?))
    }

    /// Overlaps `sum s s' / sites` of replicas 0 and 1, 2 and 3, ... at a level, shape (replicas / 2,).
    fn overlap<'py>(&self, py: Python<'py>, level: usize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(vector(py, free(py, || self.bits.overlap(level))?))
    }

    /// Configurations at a level, shape (replicas, sites).
    fn level<'py>(&self, py: Python<'py>, level: usize) -> PyResult<Bound<'py, PyArray2<u8>>> {
        Ok(table(py, free(py, || self.bits.level(level))?))
    }

    /// Puts the replicas of a level at other configurations, shape (replicas, sites).
    fn set_level(&mut self, py: Python<'_>, level: usize, x: Batch<'_>) -> PyResult<()> {
        let (bits, x) = (&mut self.bits, x.view());
        free(py, || bits.set_level(level, x))
    }

    /// Forgets the counts of exchanges and round trips, as after a warm-up.
    fn reset_counts(&mut self) {
        self.bits.reset_counts();
    }

    /// Writes all that a restart needs to a `.safetensors` file; needs exchanges.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        free(py, || self.bits.write(path))
    }

    /// Goes on from a file of `write`, of the same couplings, levels and moves, bit for bit.
    fn read(&mut self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let bits = &mut self.bits;
        free(py, || bits.read(path))
    }

    /// Inverse temperatures of the levels.
    #[getter]
    fn betas<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.bits.betas().to_pyarray(py)
    }

    /// Couplings, shape (3, nx, ny, nz).
    #[getter]
    fn couplings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray4<f64>>> {
        array(py, &self.couplings)
    }

    /// Mean acceptance probability of the exchanges between neighbouring levels, shape (levels - 1,); NaN
    /// before the first ones, empty without exchanges.
    #[getter]
    fn swap_rates<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.bits.swap_rates().into_pyarray(py)
    }

    /// Round trips of all replicas between the ends of the ladder.
    #[getter]
    fn round_trips(&self) -> u64 {
        self.bits.round_trips()
    }

    /// Updates made since the start.
    #[getter]
    fn updates(&self) -> u64 {
        self.bits.updates()
    }

    fn __repr__(&self) -> String {
        let ([nx, ny, nz], betas) = (self.couplings.lattice().shape(), self.bits.betas().len());
        format!("CubicBits({nx}x{ny}x{nz}, {betas} levels, {} updates)", self.bits.updates())
    }
}
