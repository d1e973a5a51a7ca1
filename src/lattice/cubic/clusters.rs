//! Clusters of cubic ferromagnets: Wolff (Phys. Rev. Lett. 62, 361) and Swendsen–Wang (Phys. Rev. Lett. 58,
//! 86).
//!
//! Bonds between equal spins are joined with probability `1 − e^{−2βJ}`; one cluster, that of a random site,
//! is flipped, or each with probability 1/2.

use rand::{Rng, RngExt};

use super::geometry::DIRECTIONS;
use super::ising::{CubicIsing, bond_start};
use crate::error::{Error, Result};
use crate::lattice::square::dynamics::spins::{Chance, fast_rng};
use crate::lattice::square::dynamics::swendsen_wang::unite;
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport, leave_bytes};
use crate::model::{Target, check_configs};
use crate::rng::{Stream, Streams};

/// Clusters of a [`CubicIsing`] model with `βJ ≥ 0` on every bond and no field: a [`Dynamics`] and a [`Move`]
/// whose target must be that model.
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicClusters, CubicCouplings, CubicIsing};
/// use tensorjump::mcmc::{Chains, RunOptions};
///
/// let couplings = CubicCouplings::uniform(Cubic::new([8, 8, 8], [true; 3])?, 1.0)?;
/// let critical = CubicIsing::new(couplings, 0.22165463)?;
/// let mut chains = Chains::initial(&critical, 4, 1)?;
/// let options = RunOptions { updates: 100, ..RunOptions::default() };
/// let run = options.run(&critical, &CubicClusters::wolff(&critical)?, &mut chains, |x| {
///     Ok(critical.magnetisation(x)?.mapv(f64::abs))
/// })?;
/// assert!(run.mean(0)?.mean > 0.3);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct CubicClusters {
    ising: CubicIsing,
    /// By direction and site at which the bond starts; one of all where they are equal.
    joins: Vec<Chance>,
    one: bool,
}

impl CubicClusters {
    /// One Wolff cluster in each update. Cost: 10 ns a site of the cluster.
    ///
    /// # Errors
    /// [`Error::Entry`] naming the first bond with `βJ < 0` or site with a field.
    pub fn wolff(ising: &CubicIsing) -> Result<Self> {
        CubicClusters::new(ising, true)
    }

    /// All Swendsen–Wang clusters in each update. Cost: 20 ns a site.
    ///
    /// # Errors
    /// As [`CubicClusters::wolff`].
    pub fn swendsen_wang(ising: &CubicIsing) -> Result<Self> {
        CubicClusters::new(ising, false)
    }

    fn new(ising: &CubicIsing, one: bool) -> Result<Self> {
        let (couplings, beta) = (ising.couplings(), ising.beta());
        if let Some(j) = couplings.field().iter().position(|&h| h != 0.0) {
            let (place, value) = (ising.lattice().name("field", j), couplings.field()[j]);
            return Err(Error::Entry { place, value, expected: "zero for clusters" });
        }
        let mut joins = Vec::with_capacity(3 * ising.lattice().sites());
        for (d, name) in DIRECTIONS.into_iter().enumerate() {
            for (j, &value) in couplings.along(d).iter().enumerate() {
                if beta * value < 0.0 {
                    let place = ising.lattice().name(name, j);
                    return Err(Error::Entry { place, value, expected: "ferromagnetic (beta J >= 0) for clusters" });
                }
                joins.push(Chance::new(-(-2.0 * beta * value).exp_m1()));
            }
        }
        Ok(CubicClusters { ising: ising.clone(), joins, one })
    }

    /// Flips one cluster or half of all; returns the number of sites of the one, or the number of clusters.
    ///
    /// # Errors
    /// A configuration that does not fit.
    pub fn step(&self, x: &mut [u8], rng: &mut impl Rng) -> Result<usize> {
        check_configs(ndarray::ArrayView1::from(&*x).insert_axis(ndarray::Axis(0)), self.ising.dims())?;
        let neighbours = &self.ising.tables().neighbours;
        Ok(if self.one { self.grow(x, rng) } else { colour(neighbours, &self.joins, 2, x, rng) })
    }

    fn grow(&self, x: &mut [u8], rng: &mut impl Rng) -> usize {
        let (neighbours, sites) = (&self.ising.tables().neighbours, x.len());
        let start = rng.random_range(0..sites);
        let old = x[start];
        x[start] ^= 1;
        let (mut stack, mut size) = (vec![start as u32], 0);
        while let Some(j) = stack.pop() {
            size += 1;
            let bits: u128 = rng.random();
            for (k, &i) in neighbours[j as usize].iter().enumerate() {
                let (n, start) = (i as usize, bond_start(k, j as usize, i));
                let joined = n < sites
                    && x[n] == old
                    && self.joins[k / 2 * sites + start].happens((bits >> (16 * k)) as u16, rng);
                if joined {
                    x[n] ^= 1;
                    stack.push(i);
                }
            }
        }
        size
    }
}

/// Flips all clusters of Swendsen and Wang to one of so many states each; `joins` tells whether equal states
/// join, by direction and site at which the bond starts. Returns the number of clusters.
pub(super) fn colour(neighbours: &[[u32; 6]], joins: &[Chance], states: u8, x: &mut [u8], rng: &mut impl Rng) -> usize {
    let sites = x.len();
    let mut parent: Vec<u32> = (0..sites as u32).collect();
    for j in 0..sites {
        let bits = rng.next_u64();
        for d in 0..3 {
            let n = neighbours[j][2 * d] as usize;
            if n < sites && x[n] == x[j] && joins[d * sites + j].happens((bits >> (16 * d)) as u16, rng) {
                unite(&mut parent, j, n);
            }
        }
    }
    // A parent comes before its children.
    let mut clusters = 0;
    for j in 0..sites {
        let p = parent[j] as usize;
        clusters += usize::from(p == j);
        x[j] = if p == j { rng.random_range(0..states) } else { x[p] };
    }
    clusters
}

impl Dynamics for CubicClusters {
    type State = Vec<u8>;

    fn enter(&self, x: &[u8]) -> Result<Vec<u8>> {
        Ok(x.to_vec())
    }

    /// Counts updates, all accepted.
    fn step(&self, x: &mut Vec<u8>, stream: &mut Stream) -> Result<(usize, usize)> {
        CubicClusters::step(self, x, &mut fast_rng(stream))?;
        Ok((1, 1))
    }

    fn leave(&self, state: &Vec<u8>, x: &mut [u8]) -> Result<()> {
        leave_bytes(state, x)
    }
}

impl Move for CubicClusters {
    /// # Errors
    /// Another number of sites, or of states, than the model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}
