//! Parallel tempering of one instance in lanes: β moves between lanes, configurations stay.
//!
//! Copies of a ladder of β, all of them side by side, 16 in a group. An update is a number of sweeps of every
//! lane; then, where asked for, a cluster for each pair of copies at each cold level; then exchanges of the
//! neighbours of one parity, as in [`Tempering`](crate::mcmc::Tempering).
//!
//! **Isoenergetic clusters** (Houdayer, Eur. Phys. J. B 22, 479; Zhu, Ochoa, Katzgraber, Phys. Rev. Lett.
//! 115, 077201). Of two copies at the same β the connected cluster of sites with opposite spins that holds a
//! random such site is flipped in both: the sum of the two energies stays, so that nothing is rejected. At
//! high temperatures such clusters span the lattice and only exchange the copies.

use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array1, Array2};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::couplings::CubicCouplings;
use super::ising::CubicIsing;
use super::lanes::{CubicLanes, WIDTH};
use super::moves::CubicMove;
use super::restart::check_snapshot;
use crate::error::{Error, Result};
use crate::io::{Checkpoint, Due};
use crate::mcmc::{MoveReport, Replicas, ReplicasSnapshot, Walkers};
use crate::model::Target;
use crate::rng::Streams;

/// Copies of a ladder of one instance, and how they move.
///
/// Fill the lanes: levels times copies should be a multiple of 16. Results depend neither on the number of
/// threads nor on what other instances do.
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicMove, CubicTempering};
///
/// let couplings = CubicCouplings::plus_minus(Cubic::new([4, 4, 4], [true; 3])?, 1);
/// let ladder: Vec<f64> = (0..8).map(|k| 0.3 + 0.1 * f64::from(k)).collect();
/// let mut tempering = CubicTempering::new(couplings, &ladder, 2, 1)?
///     .with_moves(CubicMove::rods(2, 2)?, 1)?
///     .with_clusters(0.8);
/// tempering.advance(200)?;
/// assert!(tempering.swap_rates().iter().all(|&rate| rate > 0.2));
/// let q = tempering.overlap(7)?; // of the two copies at the coldest level
/// assert!(q[0].abs() <= 1.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CubicTempering {
    ising: CubicIsing,
    ladder: Vec<f64>,
    /// Lane `i` of group `g` holds walker `(16 g + i) % levels` of copy `(16 g + i) / levels`.
    groups: Vec<CubicLanes>,
    walkers: Vec<Walkers>,
    seed: u64,
    updates: u64,
    by: CubicMove,
    sweeps: usize,
    /// Clusters from this β on.
    clusters: Option<f64>,
    moved: MoveReport,
    /// Clusters tried, flipped, and their sites.
    flipped: MoveReport,
}

impl CubicTempering {
    /// `copies` ladders from random spins, with one heat-bath sweep an update and no clusters. `ladder` holds
    /// the β of the levels, rising or falling.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no copies; a ladder that [`Tempering`](crate::mcmc::Tempering) refuses; as
    /// [`CubicIsing::new`] and [`CubicLanes::new`].
    pub fn new(couplings: CubicCouplings, ladder: &[f64], copies: usize, seed: u64) -> Result<Self> {
        crate::mcmc::check_ladder(ladder)?;
        if copies == 0 {
            return Err(Error::parameter("copies", copies, "at least one"));
        }
        let ising = CubicIsing::new(couplings, 0.0)?;
        let models: Vec<CubicIsing> = ladder.iter().map(|&beta| ising.at(beta)).collect::<Result<_>>()?;
        let (levels, sites) = (ladder.len(), ising.dims().len());
        let streams = Streams::new(seed).domain("cubic tempering start");
        let chains: Vec<usize> = (0..levels * copies).collect();
        let start = |group: &[usize]| {
            let mut x = Array2::zeros((group.len(), sites));
            for (&chain, mut x) in group.iter().zip(x.outer_iter_mut()) {
                let mut stream = streams.stream(chain);
                x.iter_mut().for_each(|a| *a = stream.random_range(0..2u8));
            }
            let models: Vec<CubicIsing> = group.iter().map(|chain| models[chain % levels].clone()).collect();
            CubicLanes::new(&models, x.view())
        };
        let groups = chains.chunks(WIDTH).map(start).collect::<Result<_>>()?;
        let walkers = vec![Walkers::new(levels)?; copies];
        let (by, moved, flipped) = (CubicMove::heat_bath(), MoveReport::default(), MoveReport::default());
        let ladder = ladder.to_vec();
        Ok(CubicTempering {
            ising,
            ladder,
            groups,
            walkers,
            seed,
            updates: 0,
            by,
            sweeps: 1,
            clusters: None,
            moved,
            flipped,
        })
    }

    /// Makes `sweeps` sweeps of another move in each update.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweeps` is zero.
    pub fn with_moves(self, by: CubicMove, sweeps: usize) -> Result<Self> {
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", sweeps, "at least one"));
        }
        Ok(CubicTempering { by, sweeps, ..self })
    }

    /// Flips an isoenergetic cluster of copies 0 and 1, 2 and 3, … at every level with `β ≥ beta` in each
    /// update.
    pub fn with_clusters(self, beta: f64) -> Self {
        CubicTempering { clusters: Some(beta), ..self }
    }

    /// The model, at β = 0: its energies and overlaps are those of all levels.
    pub fn ising(&self) -> &CubicIsing {
        &self.ising
    }

    /// β of the levels.
    pub fn ladder(&self) -> &[f64] {
        &self.ladder
    }

    /// Updates made since the start.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// So many updates, one after the other.
    ///
    /// # Errors
    /// As [`CubicTempering::update`].
    pub fn advance(&mut self, updates: usize) -> Result<()> {
        (0..updates).try_for_each(|_| self.update())
    }

    /// One update: sweeps, clusters, exchanges.
    ///
    /// # Errors
    /// Of the move; [`Error::Parameter`] for an energy that is not a number.
    pub fn update(&mut self) -> Result<()> {
        let streams = Streams::new(self.seed).domain("cubic tempering").step(self.updates);
        let (by, sweeps) = (self.by, self.sweeps);
        let moved: Vec<Result<MoveReport>> = self
            .groups
            .par_iter_mut()
            .enumerate()
            .map(|(group, lanes)| lanes.advance(by, sweeps, &mut streams.stream(group)))
            .collect();
        for moved in moved {
            self.moved += &moved?;
        }
        if let Some(from) = self.clusters {
            for level in 0..self.ladder.len() {
                if from.is_nan() || self.ladder[level] < from {
                    continue;
                }
                let streams = streams.domain("clusters").step(level as u64);
                for first in (1..self.walkers.len()).step_by(2) {
                    self.flip_cluster([first - 1, first], level, &mut streams.stream(first));
                }
            }
        }
        let energy: Vec<f64> = self.groups.par_iter().flat_map_iter(CubicLanes::energy).collect();
        let levels = self.ladder.len();
        for pair in ((self.updates % 2) as usize..levels - 1).step_by(2) {
            let streams = streams.domain("exchange").step(pair as u64);
            for copy in 0..self.walkers.len() {
                let [low, high] = [pair, pair + 1].map(|k| self.chain(copy, k));
                let (beta, other) = (self.ladder[pair], self.ladder[pair + 1]);
                let log_ratio = (other - beta) * (energy[high] - energy[low]);
                if self.walkers[copy].exchange(pair, log_ratio, streams.stream(copy).random())? {
                    self.groups[low / WIDTH].set_beta(low % WIDTH, other);
                    self.groups[high / WIDTH].set_beta(high % WIDTH, beta);
                }
            }
        }
        self.updates += 1;
        Ok(())
    }

    /// The chain of a copy that stands at a level.
    fn chain(&self, copy: usize, level: usize) -> usize {
        copy * self.ladder.len() + self.walkers[copy].at()[level]
    }

    fn spin(&self, chain: usize, j: usize) -> f32 {
        self.groups[chain / WIDTH].spins[j].0[chain % WIDTH]
    }

    fn flip_cluster(&mut self, copies: [usize; 2], level: usize, rng: &mut impl Rng) {
        let [a, b] = copies.map(|copy| self.chain(copy, level));
        let sites = self.ising.dims().len();
        let mut opposite: Vec<bool> = (0..sites).map(|j| self.spin(a, j) != self.spin(b, j)).collect();
        opposite.push(false); // "no neighbour"
        let count = opposite.iter().filter(|o| **o).count();
        self.flipped.proposed += 1;
        if count == 0 {
            return;
        }
        let nth = rng.random_range(0..count);
        let Some(start) = (0..sites).filter(|&j| opposite[j]).nth(nth) else { return };
        let mut stack = vec![start as u32];
        opposite[start] = false;
        self.flipped.accepted += 1;
        while let Some(j) = stack.pop() {
            self.flipped.moved += 1;
            for &i in &self.ising.tables().neighbours[j as usize] {
                if std::mem::take(&mut opposite[i as usize]) {
                    stack.push(i);
                }
            }
            for chain in [a, b] {
                self.groups[chain / WIDTH].flip(chain % WIDTH, j as usize);
            }
        }
    }

    /// Configurations at a level, shape `(copies, sites)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that does not exist.
    pub fn level(&self, k: usize) -> Result<Array2<u8>> {
        let chains = self.chains(k)?;
        let shape = (chains.len(), self.ising.dims().len());
        Ok(Array2::from_shape_fn(shape, |(copy, j)| u8::from(self.spin(chains[copy], j) > 0.0)))
    }

    fn chains(&self, k: usize) -> Result<Vec<usize>> {
        if k >= self.ladder.len() {
            return Err(Error::parameter("level", k, "below the number of levels"));
        }
        Ok((0..self.walkers.len()).map(|copy| self.chain(copy, k)).collect())
    }

    /// Energies `−Σ J s s − Σ h s`, shape `(levels, copies)`.
    pub fn energy(&self) -> Array2<f64> {
        let energy: Vec<f64> = self.groups.iter().flat_map(CubicLanes::energy).collect();
        Array2::from_shape_fn((self.ladder.len(), self.walkers.len()), |(k, copy)| energy[self.chain(copy, k)])
    }

    /// Overlaps `Σ s s' / N` of copies 0 and 1, 2 and 3, … at a level, shape `(copies / 2,)`.
    ///
    /// # Errors
    /// As [`CubicTempering::level`].
    pub fn overlap(&self, k: usize) -> Result<Array1<f64>> {
        let (chains, sites) = (self.chains(k)?, self.ising.dims().len());
        let of_pair = |pair: &[usize]| {
            let sum: f64 = (0..sites).map(|j| f64::from(self.spin(pair[0], j) * self.spin(pair[1], j))).sum();
            sum / sites as f64
        };
        Ok(chains.chunks_exact(2).map(of_pair).collect())
    }

    /// Mean acceptance probability of the exchanges of neighbours, over copies; NaN before the first attempt.
    pub fn swap_rates(&self) -> Vec<f64> {
        let of_copies: Vec<_> = self.walkers.iter().map(Walkers::swap_rates).collect();
        let mean = |pair: usize| of_copies.iter().map(|rates| rates[pair]).sum::<f64>() / of_copies.len() as f64;
        (0..self.ladder.len() - 1).map(mean).collect()
    }

    /// Round trips of all walkers of all copies.
    pub fn round_trips(&self) -> u64 {
        self.walkers.iter().map(Walkers::round_trips).sum()
    }

    /// What happened: sweeps and clusters as its two parts; of these `moved` counts the sites.
    pub fn report(&self) -> MoveReport {
        let mut report = self.moved.clone();
        report += &self.flipped;
        report.parts = vec![self.moved.clone(), self.flipped.clone()];
        report
    }

    /// Forgets all counts, as after a warm-up.
    pub fn reset_counts(&mut self) {
        self.walkers.iter_mut().for_each(Walkers::reset);
        (self.moved, self.flipped) = (MoveReport::default(), MoveReport::default());
    }

    /// What a restart needs, and what [`Tempering::resume`](crate::mcmc::Tempering::resume) of a ladder of
    /// [`CubicIsing`] models takes as well. The report of all levels stands at the first one.
    pub fn snapshot(&self) -> ReplicasSnapshot {
        let copies = self.walkers.len();
        let levels = 0..self.ladder.len();
        let energy = self.energy();
        let at = |k: usize| {
            let chains: Vec<usize> = (0..copies).map(|copy| self.chain(copy, k)).collect();
            Array2::from_shape_fn((copies, self.ising.dims().len()), |(c, j)| u8::from(self.spin(chains[c], j) > 0.0))
        };
        let mut reports = vec![MoveReport::default(); self.ladder.len()];
        reports[0] = self.report();
        ReplicasSnapshot {
            seed: self.seed,
            updates: self.updates,
            parameters: self.ladder.clone(),
            x: levels.clone().map(at).collect(),
            log_weight: levels.map(|k| energy.row(k).mapv(|e| -self.ladder[k] * e)).collect(),
            walkers: self.walkers.clone(),
            reports,
            dynamics: Some(self.dynamics()),
        }
    }

    /// What an update does, in words.
    fn dynamics(&self) -> String {
        let clusters = self.clusters.map_or("none".into(), |beta| format!("from beta {beta}"));
        format!("{:?}, sweeps {}, clusters {clusters}", self.by.0, self.sweeps)
    }

    /// Goes on from a snapshot of a ladder of the same instance: all that follows is what would have
    /// followed.
    ///
    /// # Errors
    /// [`Error::Entries`] for other numbers of levels or copies, [`Error::Entry`] for a level of another
    /// parameter and a configuration whose log-weight is not that of this instance to 10⁻⁹;
    /// [`Error::Parameter`] for other moves, sweeps or clusters than those that the snapshot names.
    pub fn resume(&mut self, snapshot: ReplicasSnapshot) -> Result<()> {
        if let Some(other) = snapshot.dynamics.as_ref().filter(|other| **other != self.dynamics()) {
            return Err(Error::parameter("moves of the snapshot", other.clone(), "those of this tempering"));
        }
        let (levels, copies) = (self.ladder.len(), self.walkers.len());
        check_snapshot(&self.ising, &self.ladder, (copies, copies), &snapshot)?;
        let ReplicasSnapshot { seed, updates, x, walkers, reports, .. } = snapshot;
        (self.seed, self.updates, self.walkers) = (seed, updates, walkers);
        let level_of = |chain: usize| (chain / levels, self.walkers[chain / levels].level_of(chain % levels));
        for (g, lanes) in self.groups.iter_mut().enumerate() {
            let mut rows = lanes.x();
            for (i, mut row) in rows.outer_iter_mut().enumerate() {
                let (copy, level) = level_of(WIDTH * g + i);
                row.assign(&x[level].row(copy));
                lanes.set_beta(i, self.ladder[level]);
            }
            lanes.set_x(rows.view())?;
        }
        if let Some([moved, flipped]) = reports.first().and_then(|r| r.parts.get(..2)).and_then(|p| p.first_chunk()) {
            (self.moved, self.flipped) = (moved.clone(), flipped.clone());
        } else {
            (self.moved, self.flipped) = Default::default();
        }
        Ok(())
    }

    /// Writes a snapshot to a `.safetensors` file.
    ///
    /// # Errors
    /// As [`Replicas::write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Replicas::standing(self.snapshot()).write(path)
    }

    /// Goes on from a file of [`CubicTempering::write`].
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Format`]; as [`CubicTempering::resume`].
    pub fn read(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.resume(ReplicasSnapshot::read(path.as_ref())?)
    }

    /// Makes updates until there are `updates` of them, telling `each` after every one, which may stop; with
    /// a checkpoint the run outlives its process, bit for bit. What `each` gathers is the caller's to keep.
    ///
    /// # Errors
    /// As [`CubicTempering::update`] and [`CubicTempering::read`]; those of `each`.
    pub fn run(
        &mut self,
        updates: u64,
        checkpoint: Option<&Checkpoint>,
        mut each: impl FnMut(&Self) -> Result<ControlFlow<()>>,
    ) -> Result<()> {
        let mut due = checkpoint.map(|c| Due::new(c.every)).transpose()?;
        if let Some(Checkpoint { path, .. }) = checkpoint.filter(|c| c.path.exists()) {
            let seed = self.seed;
            self.read(path)?;
            if self.seed != seed {
                let (value, expected) = (seed, "that of the checkpoint, or another file");
                return Err(Error::parameter("seed", value, expected));
            }
        }
        while self.updates < updates {
            self.update()?;
            let stop = each(self)?.is_break();
            if let (Some(due), Some(Checkpoint { path, .. })) = (&mut due, checkpoint)
                && (due.after(self.updates as usize) || stop || self.updates == updates)
            {
                self.write(path)?;
            }
            if stop {
                break;
            }
        }
        Ok(())
    }
}
