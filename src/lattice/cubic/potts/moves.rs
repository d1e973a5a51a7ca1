//! Heat bath, Swendsen–Wang clusters and rods of a cubic Potts model.

use rand::{Rng, RngExt};

use super::model::CubicPotts;
use super::rods::{self, LARGEST, OUTSIDE, WIDEST};
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::lattice::cubic::clusters::colour;
use crate::lattice::cubic::geometry::DIRECTIONS;
use crate::lattice::cubic::window::{Window, check_area};
use crate::lattice::square::dynamics::spins::{Chance, fast_rng};
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport, leave_bytes};
use crate::model::{Target, check_configs};
use crate::rng::{Stream, Streams};

/// A sweep of a [`CubicPotts`] model: a [`Dynamics`] and a [`Move`] whose target must be that model.
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicPotts, CubicPottsMove};
/// use tensorjump::mcmc::{Chains, RunOptions};
///
/// let couplings = CubicCouplings::uniform(Cubic::new([4, 4, 4], [true; 3])?, 1.0)?;
/// let potts = CubicPotts::new(couplings, 3, 0.4)?;
/// let options = RunOptions { updates: 100, ..RunOptions::default() };
/// let mean = |by: CubicPottsMove| {
///     let mut chains = Chains::initial(&potts, 8, 1)?;
///     options.run(&potts, &by, &mut chains, |x| potts.energy(x))?.mean(0)
/// };
/// let (rods, clusters) =
///     (mean(CubicPottsMove::rods(&potts, 2, 1)?)?, mean(CubicPottsMove::swendsen_wang(&potts)?)?);
/// assert!((rods.mean - clusters.mean).abs() < 5.0 * (rods.error + clusters.error));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct CubicPottsMove {
    potts: CubicPotts,
    by: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    HeatBath,
    /// Whether equal states join, by direction and site at which the bond starts.
    SwendsenWang(Vec<Chance>),
    Rods([usize; 2]),
}

impl CubicPottsMove {
    /// Heat bath, site by site in checkerboard order. Cost: 60 ns a site of three states.
    pub fn heat_bath(potts: &CubicPotts) -> Self {
        CubicPottsMove { potts: potts.clone(), by: Kind::HeatBath }
    }

    /// All Swendsen–Wang clusters. Cost: 25 ns a site.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an interaction that is not `δ(a, b)`; [`Error::Entry`] naming the first bond
    /// with `βJ < 0` or site with a field.
    pub fn swendsen_wang(potts: &CubicPotts) -> Result<Self> {
        let (couplings, beta) = (potts.couplings(), potts.beta());
        if !potts.is_potts() {
            return Err(Error::parameter("pairs", "another interaction", "delta(a, b) for clusters"));
        }
        if let Some(j) = couplings.field().iter().position(|&h| h != 0.0) {
            let (place, value) = (potts.lattice().name("field", j), couplings.field()[j]);
            return Err(Error::Entry { place, value, expected: "zero for clusters" });
        }
        let mut joins = Vec::with_capacity(3 * potts.dims().len());
        for (d, name) in DIRECTIONS.into_iter().enumerate() {
            for (j, &value) in couplings.along(d).iter().enumerate() {
                if beta * value < 0.0 {
                    let place = potts.lattice().name(name, j);
                    return Err(Error::Entry { place, value, expected: "ferromagnetic (beta J >= 0) for clusters" });
                }
                joins.push(Chance::new(-(-beta * value).exp_m1()));
            }
        }
        Ok(CubicPottsMove { potts: potts.clone(), by: Kind::SwendsenWang(joins) })
    }

    /// Rods of cross-section `a × b` redrawn exactly, given all other sites, along a random direction of the
    /// lattice and over its whole length (less one site where it wraps around); a sweep covers the lattice.
    ///
    /// Double precision, no rejection. Cost: some 3 to 12 ns for each of the `q^(ab + 1)` terms of a site.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no sites, and for weights so far apart that double precision does not hold
    /// their products (at `J = 1` and 2 × 2 from `β = 20` on); [`Error::TooLarge`] for `q^(ab) > 4096`.
    pub fn rods(potts: &CubicPotts, a: usize, b: usize) -> Result<Self> {
        check_area(a, b)?;
        let size = potts.states().checked_pow((a * b) as u32).unwrap_or(usize::MAX);
        if size > LARGEST {
            return Err(Error::TooLarge { what: "the transfer vector of a rod", size, limit: LARGEST });
        }
        let spread = (a * b + 1) as f64 * potts.spread();
        if spread > WIDEST {
            let expected = "600 at most for rods: heat bath, or a smaller beta";
            return Err(Error::parameter("spread of the log-weights of a cross-section", spread, expected));
        }
        Ok(CubicPottsMove { potts: potts.clone(), by: Kind::Rods([a, b]) })
    }

    /// One sweep; returns the sites visited, or the number of clusters or rods.
    ///
    /// # Errors
    /// A configuration that does not fit.
    pub fn step(&self, x: &mut [u8], rng: &mut impl Rng) -> Result<usize> {
        check_configs(ndarray::ArrayView1::from(&*x).insert_axis(ndarray::Axis(0)), self.potts.dims())?;
        match &self.by {
            Kind::HeatBath => self.heat(x, rng),
            Kind::SwendsenWang(joins) => {
                return Ok(colour(&self.potts.tables().neighbours, joins, self.potts.states() as u8, x, rng));
            }
            Kind::Rods(section) => {
                let windows = Window::cut(self.potts.lattice(), *section, rng)?;
                let mut position = vec![OUTSIDE; x.len()];
                windows.iter().for_each(|window| rods::redraw(&self.potts, window, x, &mut position, rng));
                return Ok(windows.len());
            }
        }
        Ok(x.len())
    }

    fn heat(&self, x: &mut [u8], rng: &mut impl Rng) {
        let tables = self.potts.tables();
        let mut weights = vec![0.0; self.potts.states()];
        for &j in &tables.order {
            let j = j as usize;
            weights.fill(0.0);
            self.potts.own_field(j, &mut weights);
            for (k, &other) in tables.neighbours[j].iter().enumerate() {
                if let Some(&b) = x.get(other as usize) {
                    self.potts.beside(j, (k, other), b, &mut weights);
                }
            }
            rods::weights_of_logs(&mut weights);
            x[j] = choose(&weights, weights.iter().sum(), rng.random()) as u8;
        }
    }
}

impl Dynamics for CubicPottsMove {
    type State = Vec<u8>;

    fn enter(&self, x: &[u8]) -> Result<Vec<u8>> {
        Ok(x.to_vec())
    }

    /// Counts sites, clusters or rods, all accepted.
    fn step(&self, x: &mut Vec<u8>, stream: &mut Stream) -> Result<(usize, usize)> {
        let count = CubicPottsMove::step(self, x, &mut fast_rng(stream))?;
        Ok((count, count))
    }

    fn leave(&self, state: &Vec<u8>, x: &mut [u8]) -> Result<()> {
        leave_bytes(state, x)
    }
}

impl Move for CubicPottsMove {
    /// # Errors
    /// Another number of sites, or of states, than the model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}
