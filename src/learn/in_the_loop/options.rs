//! What learning in the loop is told: its stages and options, and what it tells after each round.

use std::fmt;

use crate::learn::interrupt::Interrupt;
use crate::learn::symmetry::Symmetry;
use crate::learn::tensors::site_step::Toward;
use crate::mcmc::{Assessment, Autocorrelation, Move, MoveReport};
use crate::model::Target;

/// A target on the way, its local move, and how long to stay.
#[derive(Clone, Copy)]
pub struct Stage<'a> {
    /// The law of this stage.
    pub target: &'a dyn Target,
    /// A move that leaves it invariant and reaches all of it: sweeps, exchanges, clusters.
    pub local: &'a dyn Move,
    /// Largest bond dimension.
    pub max_bond: usize,
    /// Rounds by two-site sweeps at most, in which bonds grow.
    pub rounds: usize,
    /// Rounds after these by steps of all sites ([`super::tangent::TangentStep`]), at half the cost, whose
    /// rates are measured.
    pub polish: usize,
    /// Rate of the first round, see [`TowardsStep`](crate::learn::TowardsStep); later ones have
    /// `rate/(1 + round/slowing)`, which averages over the rounds.
    pub rate: f64,
    /// The stage ends when acceptance and effective fraction of the draws reach both these numbers.
    pub enough: (f64, f64),
}

impl fmt::Debug for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("max_bond", &self.max_bond).field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

/// How to learn from a log-weight alone: [`LoopOptions::learn`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoopOptions {
    /// Site of the target at each site of the matrix product (a snake); `None`: their own order.
    pub order: Option<Vec<usize>>,
    /// Draws of the model a round.
    pub draws: usize,
    /// Chains of the target.
    pub chains: usize,
    /// Updates of each chain a round, all of them learned from: each a proposal of the model and a local
    /// move.
    pub updates: usize,
    /// Updates by the local move alone before the first model.
    pub warm_up: usize,
    /// Bond dimension and rounds of the first model, by maximum likelihood.
    pub first: (usize, usize),
    /// What a round makes small.
    pub toward: Toward,
    /// Rounds of a stage after which the rate has halved.
    pub slowing: f64,
    /// Share of draws and visited configurations that is learned from, in (0, 1]: those kept are chosen by
    /// how far the model is off there. Draws are several times cheaper than sweeps over them.
    pub keep: f64,
    /// Squared weight that an SVD may discard.
    pub cutoff: f64,
    /// Squares of singular values below this many times the noise of the samples are discarded: bonds grow
    /// with what samples can tell.
    pub significance: f64,
    /// Symmetries of every target: each is applied with probability ½, in this order, to each configuration
    /// that a chain visited. Those that keep or reverse the order of the chain, and their products of two,
    /// the model gets for itself.
    pub symmetries: Vec<Symmetry>,
    /// Seed.
    pub seed: u64,
    /// Stops the loop in the middle of a round.
    pub interrupt: Option<Interrupt>,
}

impl Default for LoopOptions {
    /// 16384 draws, 2048 chains of 4 updates, warm-up of 100 local updates, first model of bond 8 by 8
    /// rounds, overlap steps whose rate halves after 8 rounds.
    fn default() -> Self {
        LoopOptions {
            order: None,
            draws: 16_384,
            chains: 2048,
            updates: 4,
            warm_up: 100,
            first: (8, 8),
            toward: Toward::Overlap,
            slowing: 8.0,
            keep: 1.0,
            cutoff: 1e-12,
            significance: 0.05,
            symmetries: Vec::new(),
            seed: 0,
            interrupt: None,
        }
    }
}

/// A round: the model before it, and what was done.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LoopRound {
    /// Stage, counted from zero.
    pub stage: usize,
    /// Round of the stage, counted from zero.
    pub round: usize,
    /// The model at the start of the round, by its own draws.
    pub model: Assessment,
    /// `KL(π‖P_θ)` in nats by the chains, with `log Z` of the bridge; +∞ where the model excludes what they
    /// visited.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub kl_chains: f64,
    /// `log Z` by the bridge.
    pub log_z: f64,
    /// What the chains did: part 0 is the proposal of the model, part 1 the local move.
    pub chains: MoveReport,
    /// Autocorrelation of the log-weight over the updates of the round.
    pub autocorrelation: Autocorrelation,
    /// Rank-normalised split-R̂ of the log-weight, where the round is long enough for it.
    pub r_hat: Option<f64>,
    /// Bond dimensions of the model at the start of the round.
    pub bonds: Vec<usize>,
    /// Squared weight that truncation discarded in the sweep; zero where the round did not learn.
    pub truncation_error: f64,
    /// Rate of the sweep.
    pub rate: f64,
    /// Seconds of wall clock.
    pub seconds: f64,
}

impl LoopRound {
    pub(crate) fn reaches(&self, stage: &Stage<'_>) -> bool {
        self.model.acceptance.mean >= stage.enough.0 && self.model.ess_fraction >= stage.enough.1
    }
}
