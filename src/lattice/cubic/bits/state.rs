//! The state of 512 replicas at each of some temperatures.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use pulp::Arch;
use rand::Rng;
use rayon::prelude::*;

use super::flood;
use super::sums::{BondBits, Opposite, Violated};
use super::sweep::{Bits, NONE, REPLICAS, Site, Sweep, Thresholds};
use crate::error::{Error, Result};
use crate::lattice::cubic::couplings::CubicCouplings;
use crate::lattice::cubic::geometry::DIRECTIONS;
use crate::lattice::cubic::ising::{CubicIsing, bond_start};
use crate::lattice::cubic::moves::lane_rng;
use crate::mcmc::{MoveReport, Walkers};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Streams;

/// Up to 512 replicas of a cubic lattice in the bits of a word a site, at each of some β, moved by Metropolis
/// sweeps: multi-spin coding, for couplings of one absolute value (±J, uniform, some of them zero) without
/// fields.
///
/// Each replica has random numbers of its own: replicas are independent, and the law of each is that of
/// [`CubicMove::metropolis`](crate::lattice::CubicMove::metropolis), with probabilities to double
/// precision. With [`CubicBits::with_exchanges`] the β are a ladder, and each replica tempers by itself;
/// with [`CubicBits::with_clusters`] replicas 0 and 1, 2 and 3, … flip isoenergetic clusters. What a replica
/// draws depends on how many there are, not on the number of threads.
///
/// Cost: 0.08 ns a spin with AVX-512; memory 64 bytes a site and β.
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicBits, CubicCouplings};
///
/// let couplings = CubicCouplings::plus_minus(Cubic::new([4, 4, 4], [true; 3])?, 1);
/// let ladder: Vec<f64> = (0..8).map(|k| 0.3 + 0.15 * f64::from(k)).collect();
/// let mut bits = CubicBits::new(couplings, &ladder, 512, 1)?.with_exchanges()?;
/// bits.advance(100)?;
/// assert!(bits.swap_rates().iter().all(|&rate| rate > 0.2));
/// let energy = bits.energy(); // (levels, replicas)
/// assert!(energy.row(7).mean() < energy.row(0).mean());
/// assert_eq!(bits.overlap(7)?.len(), 256); // of pairs of replicas
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CubicBits {
    pub(super) ising: CubicIsing,
    pub(super) betas: Vec<f64>,
    pub(super) replicas: usize,
    /// The absolute value of the couplings that are not zero.
    strength: f64,
    sites: Arc<Vec<Site>>,
    bonds: Arc<Vec<BondBits>>,
    thresholds: Vec<Thresholds>,
    used: Bits,
    /// By level and site.
    pub(super) spins: Vec<Vec<Bits>>,
    /// Of each replica; none without exchanges.
    pub(super) walkers: Vec<Walkers>,
    pub(super) seed: u64,
    pub(super) updates: u64,
    pub(super) sweeps: usize,
    /// Clusters from this β on.
    pub(super) clusters: Option<f64>,
    /// Clusters tried, flipped, and their sites.
    pub(super) flipped: MoveReport,
}

impl CubicBits {
    /// `replicas` at each of `betas`, from random spins, with one sweep an update, no exchanges and no
    /// clusters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no β, one that is not finite, and other than 1 to 512 replicas;
    /// [`Error::Entry`] naming the first field that is not zero, and the first coupling whose absolute value
    /// is neither zero nor that of the others, or not finite when multiplied by β; [`Error::TooLarge`] for
    /// 2³⁰ sites and more.
    pub fn new(couplings: CubicCouplings, betas: &[f64], replicas: usize, seed: u64) -> Result<Self> {
        if betas.is_empty() {
            return Err(Error::parameter("number of beta", 0, "at least one"));
        }
        if replicas == 0 || replicas > REPLICAS {
            return Err(Error::parameter("replicas", replicas, "1 to 512"));
        }
        let lattice = couplings.lattice();
        if lattice.sites() >= 1 << 30 {
            return Err(Error::TooLarge { what: "the lattice in bits", size: lattice.sites(), limit: 1 << 30 });
        }
        let strength = strength(&couplings)?;
        let ising = CubicIsing::new(couplings, 0.0)?;
        for &beta in betas {
            ising.at(beta)?;
        }
        let streams = Streams::new(seed).domain("bits start");
        let start = |level: usize| {
            let mut stream = streams.stream(level);
            let mut spins = vec![NONE; lattice.sites()];
            spins.iter_mut().flat_map(|bits| &mut bits.0).for_each(|word| *word = stream.next_u32());
            spins
        };
        let mut used = NONE;
        (0..replicas).for_each(|r| used.0[r / 32] |= 1 << (r % 32));
        Ok(CubicBits {
            betas: betas.to_vec(),
            replicas,
            strength,
            sites: Arc::new(sites(&ising)),
            bonds: Arc::new(bonds(ising.couplings())),
            thresholds: betas.iter().map(|beta| Thresholds::new(beta * strength)).collect(),
            used,
            spins: (0..betas.len()).map(start).collect(),
            walkers: vec![],
            seed,
            updates: 0,
            sweeps: 1,
            clusters: None,
            flipped: MoveReport::default(),
            ising,
        })
    }

    /// Makes `sweeps` sweeps in each update.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweeps` is zero.
    pub fn with_sweeps(self, sweeps: usize) -> Result<Self> {
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", sweeps, "at least one"));
        }
        Ok(CubicBits { sweeps, ..self })
    }

    /// Flips an isoenergetic cluster of replicas 0 and 1, 2 and 3, … at every level with `β ≥ beta` in each
    /// update, for all pairs in the same operations: some two sweeps more at those levels.
    pub fn with_clusters(self, beta: f64) -> Self {
        CubicBits { clusters: Some(beta), ..self }
    }

    /// The model, at β = 0.
    pub fn ising(&self) -> &CubicIsing {
        &self.ising
    }

    /// β of the levels.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    /// Updates made since the start.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// So many updates, one after the other: sweeps, clusters, exchanges.
    ///
    /// # Errors
    /// Those of exchanges; none without.
    pub fn advance(&mut self, updates: usize) -> Result<()> {
        (0..updates).try_for_each(|_| {
            let streams = Streams::new(self.seed).domain("bits").step(self.updates);
            self.sweep(&streams);
            self.flip_clusters(&streams.domain("clusters"));
            self.exchange(&streams.domain("exchange"))?;
            self.updates += 1;
            Ok(())
        })
    }

    /// Level `k` draws from stream `k`.
    fn sweep(&mut self, streams: &Streams) {
        let CubicBits { spins, thresholds, sites, used, sweeps, .. } = self;
        spins.par_iter_mut().zip(thresholds).enumerate().for_each(|(level, (spins, thresholds))| {
            let mut rng = lane_rng(&mut streams.stream(level));
            for _ in 0..*sweeps {
                Arch::new().dispatch(Sweep { sites, thresholds, used, spins, rng: &mut rng });
            }
        });
    }

    fn flip_clusters(&mut self, streams: &Streams) {
        let Some(from) = self.clusters.filter(|_| self.replicas > 1) else { return };
        let (sites, pairs) = (&self.sites, self.replicas / 2);
        let levels: Vec<_> = self.spins.iter_mut().zip(&self.betas).enumerate().filter(|l| *l.1.1 >= from).collect();
        let tried = levels.len() * pairs;
        let flip = |(level, (spins, _)): (usize, (&mut Vec<Bits>, &f64))| {
            flood::flip(sites, spins, pairs, &mut streams.stream(level))
        };
        let flipped: Vec<(usize, usize)> = levels.into_par_iter().map(flip).collect();
        self.flipped.proposed += tried;
        for (clusters, sites) in flipped {
            self.flipped.accepted += clusters;
            self.flipped.moved += sites;
        }
    }

    /// Configurations at a level, shape `(replicas, sites)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that does not exist.
    pub fn level(&self, k: usize) -> Result<Array2<u8>> {
        let spins = self.spins_at(k)?;
        let shape = (self.replicas, spins.len());
        Ok(Array2::from_shape_fn(shape, |(r, j)| (spins[j].0[r / 32] >> (r % 32) & 1) as u8))
    }

    /// Puts the replicas of a level at other configurations, shape `(replicas, sites)`.
    ///
    /// # Errors
    /// As [`CubicBits::level`]; another number of rows, configurations that do not fit.
    pub fn set_level(&mut self, k: usize, x: Configs<'_>) -> Result<()> {
        self.spins_at(k)?;
        check_configs(x, self.ising.dims())?;
        if x.nrows() != self.replicas {
            return Err(Error::SampleCount { expected: self.replicas, got: x.nrows() });
        }
        for (j, bits) in self.spins[k].iter_mut().enumerate() {
            for (r, &a) in x.column(j).iter().enumerate() {
                let (word, place) = (&mut bits.0[r / 32], r % 32);
                *word = *word & !(1 << place) | u32::from(a) << place;
            }
        }
        Ok(())
    }

    fn spins_at(&self, k: usize) -> Result<&[Bits]> {
        self.spins.get(k).map(Vec::as_slice).ok_or(Error::parameter("level", k, "below the number of levels"))
    }

    /// Energies `−Σ J s s`, shape `(levels, replicas)`. Cost: a fifth of that of a sweep.
    pub fn energy(&self) -> Array2<f64> {
        let of_levels: Vec<Vec<f64>> = (0..self.betas.len()).into_par_iter().map(|k| self.energies(k)).collect();
        Array2::from_shape_fn((self.betas.len(), self.replicas), |(k, r)| of_levels[k][r])
    }

    /// Energies at a level, those of unused bits too.
    pub(super) fn energies(&self, k: usize) -> Vec<f64> {
        let violated = Arch::new().dispatch(Violated { bonds: &self.bonds, spins: &self.spins[k] });
        let bonds = self.bonds.len() as f64;
        violated.into_iter().map(|n| self.strength * (2.0 * f64::from(n) - bonds)).collect()
    }

    /// Overlaps `Σ s s' / N` of replicas 0 and 1, 2 and 3, … at a level, shape `(replicas / 2,)`.
    ///
    /// # Errors
    /// As [`CubicBits::level`].
    pub fn overlap(&self, k: usize) -> Result<Array1<f64>> {
        let opposite = Arch::new().dispatch(Opposite(self.spins_at(k)?));
        let sites = self.spins[k].len() as f64;
        Ok((0..self.replicas / 2).map(|pair| 1.0 - 2.0 * f64::from(opposite[2 * pair]) / sites).collect())
    }

    /// Clusters tried and flipped; `moved` counts their sites.
    pub fn report(&self) -> &MoveReport {
        &self.flipped
    }
}

/// The one absolute value of all couplings but those of zero.
fn strength(couplings: &CubicCouplings) -> Result<f64> {
    let lattice = couplings.lattice();
    if let Some(j) = couplings.field().iter().position(|&h| h != 0.0) {
        let (place, value) = (lattice.name("field", j), couplings.field()[j]);
        return Err(Error::Entry { place, value, expected: "zero for replicas in bits" });
    }
    let mut strength = 0.0;
    for (d, name) in DIRECTIONS.into_iter().enumerate() {
        for (j, &value) in couplings.along(d).iter().enumerate().filter(|(_, value)| **value != 0.0) {
            if strength == 0.0 {
                strength = value.abs();
            }
            if value.abs() != strength {
                let expected = "of one absolute value, or zero, for replicas in bits";
                return Err(Error::Entry { place: lattice.name(name, j), value, expected });
            }
        }
    }
    Ok(strength)
}

/// All ones for a negative coupling.
fn anti(coupling: f64) -> u32 {
    if coupling < 0.0 { !0 } else { 0 }
}

/// The sites in checkerboard order.
fn sites(ising: &CubicIsing) -> Vec<Site> {
    let (tables, couplings) = (ising.tables(), ising.couplings());
    let site = |&own: &u32| {
        let mut site = Site { own, degree: 0, neighbours: [own; 6], anti: [0; 6] };
        for (k, &other) in tables.neighbours[own as usize].iter().enumerate() {
            // Beyond a free edge there is no entry.
            let coupling = couplings.along(k / 2).get(bond_start(k, own as usize, other)).copied().unwrap_or(0.0);
            if coupling != 0.0 {
                (site.neighbours[k], site.anti[k]) = (other, anti(coupling));
                site.degree += 1;
            }
        }
        site
    };
    tables.order.iter().map(site).collect()
}

/// The bonds of couplings that are not zero.
fn bonds(couplings: &CubicCouplings) -> Vec<BondBits> {
    let bond = |(d, i, j): (usize, usize, usize)| {
        let coupling = couplings.along(d)[i];
        (coupling != 0.0).then_some(BondBits { sites: [i as u32, j as u32], anti: anti(coupling) })
    };
    couplings.lattice().bonds().filter_map(bond).collect()
}
