//! Wolff's cluster algorithm for ferromagnets without field (Phys. Rev. Lett. 62, 361).
//!
//! From a site chosen uniformly the cluster grows over bonds between equal spins, each with probability
//! `1 − e^{−2βJ}`, and is flipped.

use rand::{Rng, RngExt};

use super::spins::{Chance, Spins, check_lattice, fast_rng, stride};
use crate::error::{Error, Result};
use crate::lattice::square::geometry::Square;
use crate::lattice::square::ising::Ising;
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport};
use crate::model::Target;
use crate::rng::{Stream, Streams};

/// Wolff clusters of an [`Ising`] model with `βJ ≥ 0` on every bond and no field: a [`Move`] (whose target
/// must be that model), a [`Dynamics`] and a driver on packed [`Spins`] without allocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Wolff {
    lattice: Square,
    bonds: Bonds,
    /// Padded positions of the four neighbours by padded position; `None` where they are one step away (open
    /// lattices).
    neighbours: Option<Vec<[u32; 4]>>,
    clusters: usize,
}

/// Probabilities that bonds between equal spins belong to the cluster.
#[derive(Debug, Clone, PartialEq)]
enum Bonds {
    Uniform(Chance),
    /// By padded position: right, left, below, above.
    Varied(Vec<[Chance; 4]>),
}

impl Wolff {
    /// One cluster in each update.
    ///
    /// # Errors
    /// [`Error::Entry`] naming the first bond with `βJ < 0` or site with a field; [`Error::Parameter`] for
    /// diagonal bonds ([`SwendsenWang`](crate::lattice::SwendsenWang) has them).
    pub fn new(ising: &Ising) -> Result<Self> {
        let lattice = ising.lattice();
        lattice.check_nearest("none for Wolff clusters (Swendsen-Wang clusters have them)")?;
        for (bond, ..) in lattice.bonds() {
            if ising.reduced(bond) < 0.0 {
                let (place, value) = (lattice.bond_name(bond), ising.couplings().bond(bond));
                return Err(Error::Entry { place, value, expected: "ferromagnetic (beta J >= 0) for Wolff clusters" });
            }
        }
        if let Some(j) = ising.couplings().field().iter().position(|&h| h != 0.0) {
            let (place, value) = (lattice.site_name("field", j), ising.couplings().field()[j]);
            return Err(Error::Entry { place, value, expected: "zero for Wolff clusters" });
        }
        let neighbours = lattice.wraps_cols().then(|| {
            by_position(lattice, |j| lattice.nearest(j).map(|n| n.map_or(0, |n| position(lattice, n.site) as u32)))
        });
        Ok(Wolff { lattice, bonds: Bonds::new(ising), neighbours, clusters: 1 })
    }

    /// Flips `clusters` clusters in each update of a [`Move`].
    ///
    /// # Errors
    /// [`Error::Parameter`] if `clusters` is zero.
    pub fn with_clusters(self, clusters: usize) -> Result<Self> {
        if clusters == 0 {
            return Err(Error::parameter("clusters", clusters, "at least one"));
        }
        Ok(Wolff { clusters, ..self })
    }

    /// Flips one cluster; returns its size.
    ///
    /// # Errors
    /// [`Error::Parameter`] for spins of another lattice.
    pub fn cluster(&self, spins: &mut Spins, rng: &mut impl Rng) -> Result<usize> {
        check_lattice(self.lattice, spins.lattice())?;
        let start = position(self.lattice, rng.random_range(0..self.lattice.sites()));
        let stride = stride(self.lattice);
        let next = |i: usize| [i + 1, i - 1, i + stride, i - stride];
        let size = match (&self.neighbours, &self.bonds) {
            (None, Bonds::Uniform(p)) => grow(spins, start, rng, next, |_| [*p; 4]),
            (None, Bonds::Varied(p)) => grow(spins, start, rng, next, |i| p[i]),
            (Some(n), Bonds::Uniform(p)) => grow(spins, start, rng, |i| n[i].map(|k| k as usize), |_| [*p; 4]),
            (Some(n), Bonds::Varied(p)) => grow(spins, start, rng, |i| n[i].map(|k| k as usize), |i| p[i]),
        };
        if self.neighbours.is_some() {
            (0..self.lattice.rows()).for_each(|r| spins.wrap_row(r));
        }
        Ok(size)
    }
}

impl Bonds {
    fn new(ising: &Ising) -> Self {
        let lattice = ising.lattice();
        let chance = |k: f64| Chance::new(-(-2.0 * k).exp_m1());
        let mut values = lattice.bonds().map(|(bond, ..)| ising.reduced(bond));
        let first = values.next().unwrap_or(0.0);
        if values.all(|k| k == first) {
            return Bonds::Uniform(chance(first));
        }
        drop(values);
        let of_site = |j: usize| lattice.nearest(j).map(|n| chance(n.map_or(0.0, |n| ising.reduced(n.bond))));
        Bonds::Varied(by_position(lattice, of_site))
    }
}

/// Position of a site in the padded array.
fn position(lattice: Square, site: usize) -> usize {
    let (r, c) = lattice.place(site);
    (r + 1) * stride(lattice) + c + 1
}

/// A table of sites, by padded position; outside it repeats the value of site 0, which nobody reads.
fn by_position<T: Clone>(lattice: Square, of_site: impl Fn(usize) -> T) -> Vec<T> {
    let mut table = vec![of_site(0); (lattice.rows() + 2) * stride(lattice)];
    (0..lattice.sites()).for_each(|j| table[position(lattice, j)] = of_site(j));
    table
}

/// Grows and flips the cluster of `start`. Four bonds share one random number; pushes are without branches.
#[inline(always)]
fn grow(
    spins: &mut Spins,
    start: usize,
    rng: &mut impl Rng,
    neighbours: impl Fn(usize) -> [usize; 4],
    chances: impl Fn(usize) -> [Chance; 4],
) -> usize {
    let (s, stack) = (&mut spins.padded[..], &mut spins.stack[..]);
    let old = s[start];
    s[start] ^= 1;
    stack[0] = start as u32;
    let (mut top, mut size) = (1, 0);
    while top > 0 {
        top -= 1;
        size += 1;
        let i = stack[top] as usize;
        let bits = rng.next_u64();
        for (k, (n, chance)) in neighbours(i).into_iter().zip(chances(i)).enumerate() {
            let joins = u8::from((s[n] == old) & chance.happens((bits >> (16 * k)) as u16, rng));
            s[n] ^= joins;
            stack[top] = n as u32;
            top += usize::from(joins);
        }
    }
    size
}

impl Dynamics for Wolff {
    type State = Spins;

    fn enter(&self, x: &[u8]) -> Result<Spins> {
        Spins::new(self.lattice, x)
    }

    /// Counts clusters as proposals, all accepted.
    fn step(&self, spins: &mut Spins, stream: &mut Stream) -> Result<(usize, usize)> {
        let mut rng = fast_rng(stream);
        for _ in 0..self.clusters {
            self.cluster(spins, &mut rng)?;
        }
        Ok((self.clusters, self.clusters))
    }

    fn leave(&self, spins: &Spins, x: &mut [u8]) -> Result<()> {
        spins.write(x)
    }

    fn fits(&self, spins: &Spins) -> bool {
        spins.lattice() == self.lattice
    }
}

impl Move for Wolff {
    /// # Errors
    /// Another number of sites, or of states, than the Ising model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}
