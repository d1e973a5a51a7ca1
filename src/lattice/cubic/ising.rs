//! The Ising model on a cubic lattice.

use std::sync::Arc;

use ndarray::{Array1, ArrayView1};
use rand::RngExt;

use super::couplings::CubicCouplings;
use super::geometry::{Cubic, DIRECTIONS, Tables};
use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

/// Ising model `exp β(Σ J s s + Σ h s)` on a cubic lattice, state 1 for spin +1, state 0 for spin −1.
///
/// ```
/// use ndarray::Array2;
/// use tensorjump::Target;
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicIsing};
///
/// let couplings = CubicCouplings::uniform(Cubic::new([3, 3, 3], [true; 3])?, 1.0)?;
/// let ising = CubicIsing::new(couplings, 0.2)?;
/// assert_eq!(ising.energy(Array2::ones((1, 27)).view())?[0], -81.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CubicIsing {
    couplings: Arc<CubicCouplings>,
    tables: Arc<Tables>,
    beta: f64,
    dims: Vec<usize>,
}

/// Spin of a state.
pub(super) fn spin(a: u8) -> f64 {
    2.0 * f64::from(a) - 1.0
}

impl CubicIsing {
    /// The model at inverse temperature `beta` (any sign).
    ///
    /// # Errors
    /// [`Error::Parameter`] for `beta` not finite; [`Error::Entry`] where its product with a coupling or
    /// field is not.
    pub fn new(couplings: CubicCouplings, beta: f64) -> Result<Self> {
        let lattice = couplings.lattice();
        let tables = Arc::new(Tables::new(lattice));
        let ising = CubicIsing { couplings: Arc::new(couplings), tables, beta: 0.0, dims: vec![2; lattice.sites()] };
        ising.at(beta)
    }

    /// The same model at another inverse temperature; couplings are shared, not copied.
    ///
    /// # Errors
    /// As [`CubicIsing::new`].
    pub fn at(&self, beta: f64) -> Result<Self> {
        if !beta.is_finite() {
            return Err(Error::parameter("beta", beta, "finite"));
        }
        let c = &self.couplings;
        let lists = (0..3).map(|d| (DIRECTIONS[d], c.along(d))).chain([("field", c.field())]);
        for (place, list) in lists {
            if let Some(j) = list.iter().position(|v| !(beta * v).is_finite()) {
                let (place, expected) = (c.lattice().name(place, j), "finite when multiplied by beta");
                return Err(Error::Entry { place, value: list[j], expected });
            }
        }
        Ok(CubicIsing { beta, ..self.clone() })
    }

    /// The lattice.
    pub fn lattice(&self) -> Cubic {
        self.couplings.lattice()
    }

    /// Couplings and fields.
    pub fn couplings(&self) -> &CubicCouplings {
        &self.couplings
    }

    /// Inverse temperature.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    pub(super) fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Energy of the couplings `−Σ J s s` of each configuration, field not included, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| -self.bond_sum(|d, i, j| self.couplings.along(d)[i] * spin(1 ^ x[i] ^ x[j])))
    }

    /// Energy in the field `−Σ h s` of each configuration, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn field_energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| -self.field_sum(x))
    }

    /// Magnetisation per site `m = Σ s / N` of each configuration, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn magnetisation(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| x.iter().map(|&a| spin(a)).sum::<f64>() / x.len() as f64)
    }

    /// Overlap `q = Σ s s' / N` of each configuration of `x` with that of `y`, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit; [`Error::SampleCount`].
    pub fn overlap(&self, x: Configs<'_>, y: Configs<'_>) -> Result<Array1<f64>> {
        self.pairs(x, y, |x, y| x.iter().zip(y).map(|(a, b)| spin(1 ^ a ^ b)).sum::<f64>() / x.len() as f64)
    }

    /// Link overlap `Σ_bonds s_i s_j s'_i s'_j / bonds`, shape `(samples,)`.
    ///
    /// For Gaussian couplings of variance 1 without field the disorder average of `−E / bonds` is
    /// `β (1 − link overlap)` of two replicas in equilibrium (Katzgraber, Palassini, Young, Phys. Rev. B 63,
    /// 184422): the energy starts above, the overlap below.
    ///
    /// # Errors
    /// Configurations that do not fit; [`Error::SampleCount`].
    pub fn link_overlap(&self, x: Configs<'_>, y: Configs<'_>) -> Result<Array1<f64>> {
        let bonds = self.bond_sum(|_, _, _| 1.0);
        self.pairs(x, y, |x, y| self.bond_sum(|_, i, j| spin(1 ^ x[i] ^ x[j] ^ y[i] ^ y[j])) / bonds)
    }

    /// `β(Σ J s + h)` at site `j`, the field of its neighbours and its own, in nats. O(1).
    ///
    /// # Panics
    /// If `x` does not fit the lattice.
    pub fn local_field(&self, x: &[u8], j: usize) -> f64 {
        let neighbours = self.tables.neighbours[j].iter().enumerate().filter(|(_, i)| (**i as usize) < x.len());
        let term = |(k, &i): (usize, &u32)| self.couplings.along(k / 2)[bond_start(k, j, i)] * spin(x[i as usize]);
        self.beta * (neighbours.map(term).sum::<f64>() + self.couplings.field()[j])
    }

    /// Sum over bonds in the order of [`Cubic::bonds`].
    fn bond_sum(&self, term: impl Fn(usize, usize, usize) -> f64) -> f64 {
        let (neighbours, sites) = (&self.tables.neighbours, self.dims.len());
        let mut sum = 0.0;
        for d in 0..3 {
            for (i, n) in neighbours[..sites].iter().enumerate() {
                let j = n[2 * d] as usize;
                sum += if j < sites { term(d, i, j) } else { 0.0 };
            }
        }
        sum
    }

    fn field_sum(&self, x: &[u8]) -> f64 {
        self.couplings.field().iter().zip(x).map(|(&h, &a)| h * spin(a)).sum()
    }

    fn each(&self, x: Configs<'_>, f: impl Fn(&[u8]) -> f64) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(|x| f(&contiguous(x))).collect())
    }

    fn pairs(&self, x: Configs<'_>, y: Configs<'_>, f: impl Fn(&[u8], &[u8]) -> f64) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        check_configs(y, &self.dims)?;
        if x.nrows() != y.nrows() {
            return Err(Error::SampleCount { expected: x.nrows(), got: y.nrows() });
        }
        Ok(x.outer_iter().zip(y.outer_iter()).map(|(x, y)| f(&contiguous(x), &contiguous(y))).collect())
    }
}

/// Where the coupling to neighbour `k` of `site`, which is `other`, stands in the list of its direction.
#[inline(always)]
pub(super) fn bond_start(k: usize, site: usize, other: u32) -> usize {
    if k.is_multiple_of(2) { site } else { other as usize }
}

fn contiguous(x: ArrayView1<'_, u8>) -> std::borrow::Cow<'_, [u8]> {
    x.to_slice().map_or_else(|| x.to_vec().into(), Into::into)
}

impl Target for CubicIsing {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        let energy = self.energy(x)? + self.field_energy(x)?;
        Ok(energy.mapv(|e| -self.beta * e))
    }

    /// Each spin up or down with probability 1/2.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        Some(self.dims.iter().map(|_| stream.random_range(0..2u8)).collect())
    }
}
