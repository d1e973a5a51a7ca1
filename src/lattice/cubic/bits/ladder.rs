//! Tempering of replicas in bits: configurations move between the levels, each replica by itself.

use std::path::Path;

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use super::state::CubicBits;
use super::sweep::{Bits, NONE};
use crate::error::{Error, Result};
use crate::lattice::cubic::restart::check_snapshot;
use crate::mcmc::{MoveReport, Replicas, ReplicasSnapshot, Walkers, check_ladder};
use crate::rng::Streams;

impl CubicBits {
    /// Makes a ladder of the β: after the sweeps of an update the neighbours of one parity exchange, in each
    /// replica by itself, as in [`Tempering`](crate::mcmc::Tempering).
    ///
    /// # Errors
    /// β that are fewer than two, or neither rising nor falling.
    pub fn with_exchanges(mut self) -> Result<Self> {
        check_ladder(&self.betas)?;
        self.walkers = vec![Walkers::new(self.betas.len())?; self.replicas];
        Ok(self)
    }

    pub(super) fn exchange(&mut self, streams: &Streams) -> Result<()> {
        if self.walkers.is_empty() {
            return Ok(());
        }
        let energy: Vec<Vec<f64>> = (0..self.betas.len()).into_par_iter().map(|k| self.energies(k)).collect();
        for pair in ((self.updates % 2) as usize..self.betas.len() - 1).step_by(2) {
            let mut stream = streams.stream(pair);
            let (low, high) = (&energy[pair], &energy[pair + 1]);
            let step = self.betas[pair + 1] - self.betas[pair];
            let mut swapped = NONE;
            for (r, walkers) in self.walkers.iter_mut().enumerate() {
                if walkers.exchange(pair, step * (high[r] - low[r]), stream.random())? {
                    swapped.0[r / 32] |= 1 << (r % 32);
                }
            }
            let (low, high) = self.spins.split_at_mut(pair + 1);
            low[pair].iter_mut().zip(&mut high[0]).for_each(|(a, b)| swap(a, b, &swapped));
        }
        Ok(())
    }

    /// Mean acceptance probability of the exchanges of neighbours, over replicas; NaN before the first
    /// attempt, empty without exchanges.
    pub fn swap_rates(&self) -> Vec<f64> {
        let mut mean = vec![0.0; if self.walkers.is_empty() { 0 } else { self.betas.len() - 1 }];
        for walkers in &self.walkers {
            let rates = walkers.swap_rates();
            mean.iter_mut().zip(rates).for_each(|(mean, rate)| *mean += rate / self.replicas as f64);
        }
        mean
    }

    /// Round trips of all walkers of all replicas.
    pub fn round_trips(&self) -> u64 {
        self.walkers.iter().map(Walkers::round_trips).sum()
    }

    /// Forgets all counts, as after a warm-up.
    pub fn reset_counts(&mut self) {
        self.walkers.iter_mut().for_each(Walkers::reset);
        self.flipped = MoveReport::default();
    }

    /// What a restart needs; with exchanges, what
    /// [`Tempering::resume`](crate::mcmc::Tempering::resume) of the same ladder takes as well.
    pub fn snapshot(&self) -> ReplicasSnapshot {
        let levels = 0..self.betas.len();
        let energy = self.energy();
        let mut reports = vec![MoveReport::default(); levels.len()];
        reports[0] = self.flipped.clone();
        ReplicasSnapshot {
            seed: self.seed,
            updates: self.updates,
            parameters: self.betas.clone(),
            x: levels.clone().map(|k| self.level(k).unwrap_or_else(|_| Array2::zeros((0, 0)))).collect(),
            log_weight: levels.map(|k| energy.row(k).mapv(|e| -self.betas[k] * e)).collect(),
            walkers: self.walkers.clone(),
            reports,
            dynamics: Some(self.dynamics()),
        }
    }

    /// Names what an update does, for snapshots.
    fn dynamics(&self) -> String {
        let clusters = self.clusters.map_or("none".into(), |beta| format!("from beta {beta}"));
        format!("bits, sweeps {}, clusters {clusters}", self.sweeps)
    }

    /// Goes on from a snapshot of the same instance: all that follows is what would have followed.
    ///
    /// # Errors
    /// As [`CubicTempering::resume`](crate::lattice::CubicTempering::resume).
    pub fn resume(&mut self, snapshot: ReplicasSnapshot) -> Result<()> {
        if let Some(other) = snapshot.dynamics.as_ref().filter(|other| **other != self.dynamics()) {
            return Err(Error::parameter("moves of the snapshot", other.clone(), "those of these replicas"));
        }
        check_snapshot(&self.ising, &self.betas, (self.replicas, self.walkers.len()), &snapshot)?;
        for (k, x) in snapshot.x.iter().enumerate() {
            self.set_level(k, x.view())?;
        }
        (self.seed, self.updates, self.walkers) = (snapshot.seed, snapshot.updates, snapshot.walkers);
        self.flipped = snapshot.reports.into_iter().next().unwrap_or_default();
        Ok(())
    }

    /// Writes a snapshot to a `.safetensors` file; needs exchanges.
    ///
    /// # Errors
    /// As [`Replicas::write`]; [`Error::Parameter`] without exchanges.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        if self.walkers.is_empty() {
            return Err(Error::parameter("walkers", 0, "those of exchanges"));
        }
        Replicas::standing(self.snapshot()).write(path)
    }

    /// Goes on from a file of [`CubicBits::write`].
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Format`]; as
    /// [`CubicBits::resume`].
    pub fn read(&mut self, path: impl AsRef<Path>) -> Result<()> {
        self.resume(ReplicasSnapshot::read(path.as_ref())?)
    }
}

/// Exchanges the marked bits.
fn swap(a: &mut Bits, b: &mut Bits, marked: &Bits) {
    for ((a, b), marked) in a.0.iter_mut().zip(&mut b.0).zip(&marked.0) {
        let differ = (*a ^ *b) & marked;
        (*a, *b) = (*a ^ differ, *b ^ differ);
    }
}
