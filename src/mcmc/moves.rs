//! Moves: transition kernels that leave the target invariant, acting on a batch of chains.
//!
//! Metropolis–Hastings: accept `x'` with `min(1, e^{log π(x') − log π(x) + log_ratio})`, else keep `x`. The
//! decision has a stream of its own (domain `"accept"`), apart from the streams of the proposal (domain
//! `"proposal"`).

use std::ops::{AddAssign, Deref};

use ndarray::Array1;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::chains::Chains;
use super::proposal::{Proposal, Proposed};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::Target;
use crate::ranks::agreement::Message;
use crate::rng::Streams;

/// What happened in one or many updates, summed over chains.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// Proposals made.
    pub proposed: usize,
    /// Proposals accepted, also those with `x' = x`.
    pub accepted: usize,
    /// Updates that changed the configuration.
    pub moved: usize,
    /// Proposals rejected because the model cannot propose the present configuration (lack of support).
    pub unsupported: usize,
    /// Proposals not made because no configuration of the model explains the noisy one.
    pub impossible: usize,
    /// Reports of the parts of a [`Mixture`](super::combine::Mixture) or [`Cycle`](super::combine::Cycle), in
    /// their order; empty for simple moves.
    pub parts: Vec<MoveReport>,
}

impl MoveReport {
    /// Accepted over proposed; NaN before anything was proposed.
    pub fn acceptance(&self) -> f64 {
        self.accepted as f64 / self.proposed as f64
    }

    /// The report of a composed move of which part `i` did this.
    pub(super) fn of_part(self, i: usize) -> Self {
        let mut parts = vec![MoveReport::default(); i];
        let mut total = self.clone();
        parts.push(self);
        total.parts = parts;
        total
    }

    /// Appends the counts as numbers, for other ranks.
    pub(crate) fn tell(&self, numbers: &mut Vec<f64>) {
        let counts = [self.proposed, self.accepted, self.moved, self.unsupported, self.impossible, self.parts.len()];
        numbers.extend(counts.map(|n| n as f64));
        self.parts.iter().for_each(|part| part.tell(numbers));
    }

    /// What [`MoveReport::tell`] has written.
    pub(crate) fn told(message: &mut Message<'_>) -> Result<Self> {
        let mut count = || message.count();
        let (proposed, accepted, moved) = (count()?, count()?, count()?);
        let (unsupported, impossible, parts) = (count()?, count()?, count()?);
        let parts = (0..parts).map(|_| MoveReport::told(message)).collect::<Result<_>>()?;
        Ok(MoveReport { proposed, accepted, moved, unsupported, impossible, parts })
    }
}

impl AddAssign<&MoveReport> for MoveReport {
    fn add_assign(&mut self, other: &MoveReport) {
        self.proposed += other.proposed;
        self.accepted += other.accepted;
        self.moved += other.moved;
        self.unsupported += other.unsupported;
        self.impossible += other.impossible;
        if self.parts.len() < other.parts.len() {
            self.parts.resize(other.parts.len(), MoveReport::default());
        }
        self.parts.iter_mut().zip(&other.parts).for_each(|(a, b)| *a += b);
    }
}

/// A transition kernel that leaves the target invariant.
///
/// References, boxes and `Arc`s of moves are moves. A dynamics of one chain at a time is easier written as
/// [`Dynamics`](super::per_chain::Dynamics) or as a closure, see [`Local`](super::per_chain::Local).
pub trait Move: Send + Sync {
    /// Updates every chain once. Chain `i` uses stream `i`; repeated calls must differ in the step,
    /// `streams.step(k)`.
    ///
    /// # Errors
    /// Lattices that do not fit, and errors of the model or the target.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport>;
}

/// Whatever points at a move is that move: `&M`, `Box<M>`, `Arc<M>`.
impl<P: Deref<Target: Move> + Send + Sync> Move for P {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        (**self).update(chains, target, streams)
    }
}

/// Metropolis–Hastings with any proposal.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct MetropolisHastings<P> {
    proposal: P,
}

impl<P: Proposal> MetropolisHastings<P> {
    /// Accepts or rejects what `proposal` proposes.
    pub fn new(proposal: P) -> Self {
        MetropolisHastings { proposal }
    }

    /// The proposal.
    pub fn proposal(&self) -> &P {
        &self.proposal
    }
}

impl<P: Proposal> Move for MetropolisHastings<P> {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        match_dims(target.dims(), self.proposal.dims())?;
        let proposed = self.proposal.propose(chains.x(), &streams.domain("proposal"))?;
        if proposed.x.dim() != chains.x().dim() {
            let (expected, got) = (chains.x().shape().to_vec(), proposed.x.shape().to_vec());
            return Err(Error::Shape { field: "proposed configurations", expected, got });
        }
        if proposed.log_ratio.len() != chains.len() {
            return Err(Error::SampleCount { expected: chains.len(), got: proposed.log_ratio.len() });
        }
        let log_weight = target.log_weight(proposed.x.view())?;
        check_log_numbers(&log_weight)?;
        check_log_numbers(&proposed.log_ratio)?;

        let streams = streams.domain("accept");
        let mut report = MoveReport {
            proposed: chains.len(),
            unsupported: proposed.unsupported,
            impossible: proposed.impossible,
            ..MoveReport::default()
        };
        for (row, x) in proposed.x.outer_iter().enumerate() {
            let p =
                Proposed::acceptance_probability(chains.log_weight()[row], log_weight[row], proposed.log_ratio[row]);
            // Each row draws at every update, so that a chain's draws do not depend on its history.
            if streams.stream(row).random::<f64>() < p {
                report.accepted += 1;
                report.moved += usize::from(chains.replace(row, x, log_weight[row])?);
            }
        }
        Ok(report)
    }
}

/// Log-weights and log-ratios may be −∞ but neither NaN nor +∞.
pub(super) fn check_log_numbers(values: &Array1<f64>) -> Result<()> {
    match values.iter().position(|&v| v.is_nan() || v == f64::INFINITY) {
        None => Ok(()),
        Some(row) => Err(Error::LogWeight { row, value: values[row] }),
    }
}
