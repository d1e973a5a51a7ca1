//! Where tempering stands: configurations of all levels, their walkers, what their moves did.

use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use super::walkers::Walkers;
use crate::error::{Error, Result};
use crate::mcmc::chains::Chains;
use crate::mcmc::moves::MoveReport;
use crate::model::Configs;

/// Configurations of all levels, in several independent copies of the ladder, and what happened to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicas {
    /// One batch a level; a row is a copy.
    pub(super) chains: Vec<Chains>,
    pub(super) walkers: Vec<Walkers>,
    pub(super) reports: Vec<MoveReport>,
    /// Of the levels.
    pub(super) parameters: Vec<f64>,
    pub(super) seed: u64,
    pub(super) updates: u64,
    pub(super) dynamics: Option<String>,
}

/// What a restart of [`Replicas`] needs, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplicasSnapshot {
    /// Seed of all draws.
    pub seed: u64,
    /// Updates made.
    pub updates: u64,
    /// Parameters of the levels.
    pub parameters: Vec<f64>,
    /// Configurations of each level, shape `(copies, sites)`.
    pub x: Vec<Array2<u8>>,
    /// Their log-weights in nats, shape `(copies,)`: exchanges carry them along, so that their last digits
    /// tell what happened before.
    pub log_weight: Vec<Array1<f64>>,
    /// Walkers of each copy.
    pub walkers: Vec<Walkers>,
    /// What the moves of each level did.
    pub reports: Vec<MoveReport>,
    /// What moves them, in words, where the driver names it. Such a driver resumes only snapshots that name
    /// its own moves or none: set it to `None` to go on with others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dynamics: Option<String>,
}

impl Replicas {
    /// Configurations at a level, shape `(copies, sites)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that does not exist.
    pub fn level(&self, k: usize) -> Result<Configs<'_>> {
        self.chains(k).map(Chains::x)
    }

    /// Their log-weights at that level, shape `(copies,)`.
    ///
    /// # Errors
    /// As [`Replicas::level`].
    pub fn log_weight(&self, k: usize) -> Result<ArrayView1<'_, f64>> {
        self.chains(k).map(Chains::log_weight)
    }

    fn chains(&self, k: usize) -> Result<&Chains> {
        self.chains.get(k).ok_or_else(|| Error::parameter("level", k, "below the number of levels"))
    }

    /// Updates made since the start.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// What the moves of each level did.
    pub fn reports(&self) -> &[MoveReport] {
        &self.reports
    }

    /// The walkers of each copy.
    pub fn walkers(&self) -> &[Walkers] {
        &self.walkers
    }

    /// Mean acceptance probability of each pair of neighbours, over copies; NaN before the first attempt.
    pub fn swap_rates(&self) -> Vec<f64> {
        let sum =
            |pair: usize, f: &dyn Fn(&Walkers, usize) -> f64| self.walkers.iter().map(|w| f(w, pair)).sum::<f64>();
        let pairs = 0..self.chains.len() - 1;
        pairs.map(|k| sum(k, &|w, k| w.probability[k]) / sum(k, &|w, k| w.attempts[k] as f64)).collect()
    }

    /// Round trips of all walkers of all copies.
    pub fn round_trips(&self) -> u64 {
        self.walkers.iter().map(Walkers::round_trips).sum()
    }

    /// Forgets all counts, as after a warm-up.
    pub fn reset_counts(&mut self) {
        self.walkers.iter_mut().for_each(Walkers::reset);
        self.reports.fill(MoveReport::default());
    }

    /// Replicas as a snapshot has them, unchecked: for files and rates of drivers that have a form of their
    /// own.
    pub(crate) fn standing(snapshot: ReplicasSnapshot) -> Self {
        let ReplicasSnapshot { seed, updates, parameters, x, log_weight, walkers, reports, dynamics } = snapshot;
        let chains = x.into_iter().zip(log_weight).map(|(x, w)| Chains::standing(x, w, 0)).collect();
        Replicas { chains, walkers, reports, parameters, seed, updates, dynamics }
    }

    /// What a restart needs.
    pub fn snapshot(&self) -> ReplicasSnapshot {
        let (x, log_weight) = self.chains.iter().map(|c| (c.x().to_owned(), c.log_weight().to_owned())).unzip();
        let (parameters, walkers, reports) = (self.parameters.clone(), self.walkers.clone(), self.reports.clone());
        let (seed, updates, dynamics) = (self.seed, self.updates, self.dynamics.clone());
        ReplicasSnapshot { seed, updates, parameters, x, log_weight, walkers, reports, dynamics }
    }
}
