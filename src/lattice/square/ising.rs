//! The Ising model with a coupling on each bond and a field at each site.

use std::borrow::Cow;

use ndarray::{Array1, Array2, ArrayView1};
use rand::RngExt;

use super::couplings::Couplings;
use super::geometry::{Bond, Square};
use super::pair::PairModel;
use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

/// Ising model `exp β(Σ J s s + Σ h s)`, state 1 for spin +1, state 0 for spin −1.
///
/// ```
/// use ndarray::array;
/// use tensorjump::Target;
/// use tensorjump::lattice::{Couplings, Geometry, Ising, Square};
///
/// let couplings = Couplings::uniform(Square::new(2, 2, Geometry::Open)?, 1.0)?;
/// let ising = Ising::new(couplings, 0.5)?;
/// assert_eq!(ising.log_weight(array![[1, 1, 1, 0]].view())?[0], 0.0); // two bonds satisfied, two not
/// assert_eq!(ising.energy(array![[1, 1, 1, 1]].view())?[0], -4.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Ising {
    couplings: Couplings,
    beta: f64,
    dims: Vec<usize>,
}

/// Spin of a state.
pub(super) fn spin(a: u8) -> f64 {
    2.0 * f64::from(a) - 1.0
}

impl Ising {
    /// The model at inverse temperature `beta` (any sign).
    ///
    /// # Errors
    /// [`Error::Parameter`] for `beta` not finite; [`Error::Entry`] where its product with a coupling or
    /// field is not.
    pub fn new(couplings: Couplings, beta: f64) -> Result<Self> {
        if !beta.is_finite() {
            return Err(Error::parameter("beta", beta, "finite"));
        }
        let lattice = couplings.lattice();
        let expected = "finite when multiplied by beta";
        for (bond, ..) in lattice.bonds() {
            let value = couplings.bond(bond);
            if !(beta * value).is_finite() {
                return Err(Error::Entry { place: lattice.bond_name(bond), value, expected });
            }
        }
        if let Some(j) = couplings.field().iter().position(|h| !(beta * h).is_finite()) {
            let place = lattice.site_name("field", j);
            return Err(Error::Entry { place, value: couplings.field()[j], expected });
        }
        Ok(Ising { dims: vec![2; lattice.sites()], couplings, beta })
    }

    /// The lattice.
    pub fn lattice(&self) -> Square {
        self.couplings.lattice()
    }

    /// Couplings and fields.
    pub fn couplings(&self) -> &Couplings {
        &self.couplings
    }

    /// Inverse temperature.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The same law as a table of log-weights on each bond.
    ///
    /// # Errors
    /// None for a valid model; the constructor of [`PairModel`] checks all the same.
    pub fn pair_model(&self) -> Result<PairModel> {
        let table =
            |&k: &f64| Array2::from_shape_fn((2, 2), |(a, b)| if a == b { self.beta * k } else { -self.beta * k });
        let c = &self.couplings;
        let sites = c.field().iter().map(|h| vec![-self.beta * h, self.beta * h]).collect();
        PairModel::of_tables(self.lattice(), sites, c.directions().map(|values| values.iter().map(table).collect()))
    }

    /// Energy of the couplings `−Σ J s s` of each configuration, field not included, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| -self.bond_sum(x))
    }

    /// Energy in the field `−Σ h s` of each configuration, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn field_energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| -self.field_sum(x))
    }

    /// Magnetisation per site `m = Σ s / N` of each configuration, shape `(samples,)`; its square is the `m²`
    /// of the reference data.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn magnetisation(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| x.iter().map(|&a| spin(a)).sum::<f64>() / x.len() as f64)
    }

    /// `s(r, 0) s(r, d)` in the middle row `r = ⌊rows/2⌋`, shape `(samples, cols)`, entry `d`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn mid_row_correlations(&self, x: Configs<'_>) -> Result<Array2<f64>> {
        check_configs(x, &self.dims)?;
        let first = self.lattice().site(self.lattice().rows() / 2, 0);
        Ok(Array2::from_shape_fn((x.nrows(), self.lattice().cols()), |(i, d)| {
            spin(x[[i, first]]) * spin(x[[i, first + d]])
        }))
    }

    /// `β(Σ J s + h)` at site `j`, the field of its neighbours and its own, in nats. O(1).
    ///
    /// # Panics
    /// If `x` does not fit the lattice.
    pub fn local_field(&self, x: &[u8], j: usize) -> f64 {
        let neighbours = self.lattice().neighbours(j).into_iter().flatten();
        let sum: f64 = neighbours.map(|n| self.couplings.bond(n.bond) * spin(x[n.site])).sum();
        self.beta * (sum + self.couplings.field()[j])
    }

    /// Change of the log-weight when site `j` of `x` is set to state `a`. O(1).
    ///
    /// # Panics
    /// If `x` does not fit the lattice.
    pub fn log_ratio(&self, x: &[u8], j: usize, a: u8) -> f64 {
        (spin(a) - spin(x[j])) * self.local_field(x, j)
    }

    /// `Σ J s s`, bonds in the order of their indices: rows of the lattice beside rows, without divisions,
    /// and without branches, which would be guessed wrong half the time.
    fn bond_sum(&self, x: ArrayView1<'_, u8>) -> f64 {
        let x = x.to_slice().map_or_else(|| Cow::from(x.to_vec()), Cow::from);
        let lattice = self.lattice();
        let (cols, across) = (lattice.cols(), lattice.horizontal_cols());
        let mut sum = 0.0;
        let mut add = |j: &[f64], a: &[u8], b: &[u8]| {
            sum = j.iter().zip(a).zip(b).fold(sum, |sum, ((&j, &a), &b)| sum + j * spin(1 ^ a ^ b));
        };
        for (j, row) in self.couplings.horizontal().chunks(across.max(1)).zip(x.chunks(cols)) {
            let (open, around) = j.split_at(cols - 1);
            add(open, row, &row[1..]);
            add(around, &row[cols - 1..], row);
        }
        for (r, j) in self.couplings.vertical().chunks(cols).enumerate() {
            let below = (r + 1) % lattice.rows() * cols;
            add(j, &x[r * cols..], &x[below..]);
        }
        // A row of plaquettes: one row of the lattice beside the next, shifted by a site.
        for (r, j) in self.couplings.diagonal().chunks(across.max(1)).enumerate() {
            let (above, below) = (&x[r * cols..], &x[(r + 1) % lattice.rows() * cols..]);
            let (open, around) = j.split_at(cols - 1);
            add(open, above, &below[1..]);
            add(around, &above[cols - 1..], below);
        }
        for (r, j) in self.couplings.antidiagonal().chunks(across.max(1)).enumerate() {
            let (above, below) = (&x[r * cols..], &x[(r + 1) % lattice.rows() * cols..]);
            let (open, around) = j.split_at(cols - 1);
            add(open, &above[1..], below);
            add(around, above, &below[cols - 1..]);
        }
        sum
    }

    fn field_sum(&self, x: ArrayView1<'_, u8>) -> f64 {
        self.couplings.field().iter().zip(x).map(|(&h, &a)| h * spin(a)).sum()
    }

    fn each(&self, x: Configs<'_>, f: impl Fn(ArrayView1<'_, u8>) -> f64) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(f).collect())
    }

    /// Reduced coupling `βJ` of a bond.
    pub(super) fn reduced(&self, bond: Bond) -> f64 {
        self.beta * self.couplings.bond(bond)
    }
}

impl Target for Ising {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.each(x, |x| self.beta * (self.bond_sum(x) + self.field_sum(x)))
    }

    /// Each spin up or down with probability 1/2.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        Some(self.dims.iter().map(|_| stream.random_range(0..2u8)).collect())
    }
}
