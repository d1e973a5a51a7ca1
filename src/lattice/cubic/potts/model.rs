//! The Potts model on a cubic lattice.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};
use rand::RngExt;

use crate::error::{Error, Result};
use crate::lattice::cubic::couplings::CubicCouplings;
use crate::lattice::cubic::geometry::{Cubic, DIRECTIONS, Tables};
use crate::lattice::cubic::ising::bond_start;
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

/// Potts model `exp β(Σ J δ(a, b) + Σ h δ(a, 0))` of states `0..q` on a cubic lattice; with
/// [`CubicPotts::with_pairs`] any interaction `U(a, b)` in the place of `δ`.
///
/// Of two states it is the Ising model at half that β, with fields `−h`.
///
/// ```
/// use ndarray::Array2;
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicPotts};
///
/// let couplings = CubicCouplings::uniform(Cubic::new([3, 3, 3], [true; 3])?, 1.0)?;
/// let potts = CubicPotts::new(couplings, 3, 0.5505653)?;
/// let x = Array2::ones((1, 27));
/// assert_eq!(potts.energy(x.view())?[0], -81.0);
/// assert_eq!(potts.magnetisation(x.view())?[0], 1.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CubicPotts {
    couplings: Arc<CubicCouplings>,
    tables: Arc<Tables>,
    /// `U(a, b)`, the first state that of the site at which the bond starts.
    pairs: Arc<Array2<f64>>,
    beta: f64,
    dims: Vec<usize>,
}

impl CubicPotts {
    /// The model of `states` states at inverse temperature `beta` (any sign).
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than 2 or more than 255 states; as [`CubicPotts::at`].
    pub fn new(couplings: CubicCouplings, states: usize, beta: f64) -> Result<Self> {
        if !(2..=255).contains(&states) {
            return Err(Error::parameter("states", states, "2 to 255"));
        }
        let lattice = couplings.lattice();
        let potts = CubicPotts {
            tables: Arc::new(Tables::new(lattice)),
            couplings: Arc::new(couplings),
            pairs: Arc::new(Array2::eye(states)),
            beta: 0.0,
            dims: vec![states; lattice.sites()],
        };
        potts.at(beta)
    }

    /// The same model at another inverse temperature; couplings are shared, not copied.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `beta` that is not finite; [`Error::Entry`] where its product with a coupling
    /// and the interaction, or with a field, is not.
    pub fn at(&self, beta: f64) -> Result<Self> {
        if !beta.is_finite() {
            return Err(Error::parameter("beta", beta, "finite"));
        }
        let largest = self.pairs.iter().fold(1.0f64, |max, u| max.max(u.abs()));
        let c = &self.couplings;
        let lists = (0..3).map(|d| (DIRECTIONS[d], c.along(d))).chain([("field", c.field())]);
        for (place, list) in lists {
            // A site has six bonds and a field.
            if let Some(j) = list.iter().position(|v| !(beta * v * largest * 8.0).is_finite()) {
                let (place, expected) = (self.lattice().name(place, j), "finite when multiplied by beta");
                return Err(Error::Entry { place, value: list[j], expected });
            }
        }
        Ok(CubicPotts { beta, ..self.clone() })
    }

    /// The interaction `U(a, b)` in the place of `δ(a, b)`, shape `(states, states)`: clock models, any
    /// pair weights `e^{βJU}`. The first state is that of the site at which the bond starts.
    ///
    /// # Errors
    /// [`Error::Entries`] for another shape, [`Error::Entry`] for a number that is not finite; as
    /// [`CubicPotts::at`].
    pub fn with_pairs(self, pairs: ArrayView2<'_, f64>) -> Result<Self> {
        let expected = self.states();
        if pairs.dim() != (expected, expected) {
            let got = if pairs.nrows() == expected { pairs.ncols() } else { pairs.nrows() };
            return Err(Error::Entries { place: "pairs".into(), expected, got });
        }
        if let Some(((a, b), &value)) = pairs.indexed_iter().find(|(_, v)| !v.is_finite()) {
            return Err(Error::Entry { place: format!("pairs[{a}][{b}]"), value, expected: "a finite number" });
        }
        let beta = self.beta;
        CubicPotts { pairs: Arc::new(pairs.to_owned()), ..self }.at(beta)
    }

    /// By how much the log-weights of the states of one site may differ, whatever its neighbours.
    pub(super) fn spread(&self) -> f64 {
        let ends = self.pairs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &u| (l.min(u), h.max(u)));
        let mut spread: Vec<f64> = self.couplings.field().iter().map(|h| h.abs()).collect();
        for (d, i, j) in self.lattice().bonds() {
            let width = self.couplings.along(d)[i].abs() * (ends.1 - ends.0);
            spread[i] += width;
            spread[j] += width;
        }
        self.beta.abs() * spread.into_iter().fold(0.0, f64::max)
    }

    /// The lattice.
    pub fn lattice(&self) -> Cubic {
        self.couplings.lattice()
    }

    /// Couplings, and the fields on state 0.
    pub fn couplings(&self) -> &CubicCouplings {
        &self.couplings
    }

    /// Inverse temperature.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// Number of states of a site.
    pub fn states(&self) -> usize {
        self.pairs.nrows()
    }

    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    pub(super) fn is_potts(&self) -> bool {
        *self.pairs == Array2::<f64>::eye(self.states())
    }

    /// Energy `−Σ J U(a, b) − Σ h δ(a, 0)` of each configuration, shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn energy(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        let (c, lattice) = (&self.couplings, self.lattice());
        let mut energy = Array1::zeros(x.nrows());
        for (x, energy) in x.outer_iter().zip(&mut energy) {
            for (d, i, j) in lattice.bonds() {
                *energy -= c.along(d)[i] * self.pairs[[x[i].into(), x[j].into()]];
            }
            *energy -= c.field().iter().zip(x).map(|(h, &a)| if a == 0 { *h } else { 0.0 }).sum::<f64>();
        }
        Ok(energy)
    }

    /// Magnetisation `(q n/N − 1)/(q − 1)` of each configuration, `n` the sites in the state that has most,
    /// shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations that do not fit.
    pub fn magnetisation(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        let (q, sites) = (self.states() as f64, self.dims.len() as f64);
        let most = |x: ndarray::ArrayView1<'_, u8>| {
            let mut count = vec![0usize; self.states()];
            x.iter().for_each(|&a| count[usize::from(a)] += 1);
            count.into_iter().max().unwrap_or(0) as f64
        };
        Ok(x.outer_iter().map(|x| (q * most(x) / sites - 1.0) / (q - 1.0)).collect())
    }

    /// Adds the logarithms of the weights of the states of site `j` in its own field.
    pub(super) fn own_field(&self, j: usize, log: &mut [f64]) {
        log[0] += self.beta * self.couplings.field()[j];
    }

    /// Adds the logarithms of the weights of the states of site `j` next to its neighbour `k`, which is
    /// `other` and in state `b`.
    pub(super) fn beside(&self, j: usize, (k, other): (usize, u32), b: u8, log: &mut [f64]) {
        let coupling = self.beta * self.couplings.along(k / 2)[bond_start(k, j, other)];
        for (a, log) in log.iter_mut().enumerate() {
            let pair = if k.is_multiple_of(2) { [a, b.into()] } else { [b.into(), a] };
            *log += coupling * self.pairs[pair];
        }
    }
}

impl Target for CubicPotts {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        Ok(self.energy(x)?.mapv(|e| -self.beta * e))
    }

    /// Each state with the same probability.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        let states = self.states() as u8;
        Some(self.dims.iter().map(|_| stream.random_range(0..states)).collect())
    }
}
