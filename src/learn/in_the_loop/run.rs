//! Monte Carlo in the loop: a model learned from a log-weight alone.
//!
//! Each round draws from the model `P_θ`, runs chains of the target whose updates are a disconnected move
//! (proposal `P_θ`) and a local move (so that support is never lost), and makes a step towards the target
//! ([`super::towards`], [`super::tangent::TangentStep`]) on the draws and on what the chains visited:
//! together they are samples of `m = (n P_θ + k π)/(n + k)`, with `log Z` by the bridge between both. The
//! local moves show the model where it has too little weight; the draws show it where it has too much.
//! Samples may be thinned to those that tell most. Symmetries that the chain of tensors can have by itself
//! are imposed on the model: each halves the noise. Stages change the target (annealing of β, or of c), with
//! model and chains carried along; each begins with two-site sweeps, in which bonds grow, and ends with steps
//! of all sites. Cost of a round: `n + 3k` draws or scores, and for the fraction of samples kept `6 N χ²`
//! multiply-adds a sample in sweeps, `3 N χ²` in steps of all sites. Reference: arXiv 2407.11133.
//!
//! **What stays invariant.** With the model held fixed an update leaves the target invariant, whatever the
//! model. But the model is learned from what these same chains visited, their present states too: given the
//! model, a chain is not a draw of the target any more. Averages over the rounds are off by what one chain
//! can do to the model, of the order of one over the configurations of a round. The loop is for learning;
//! averages come from [`Learned::chains`] going on with [`Learned::model`] held fixed, which forgets it.

use std::ops::ControlFlow;

use ndarray::Array2;

use super::options::{LoopOptions, LoopRound, Stage};
use super::round::State;
use super::towards::TowardsStep;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::learn::likelihood::fit::Stop;
use crate::learn::symmetry::Symmetry;
use crate::mcmc::Chains;
use crate::model::{BornMps, Permuted};
use crate::ranks::agreement::{agreed, any, same};
use crate::ranks::{Alone, Ranks};
use crate::tn::Truncation;

/// What the loop gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Learned {
    /// The model, in the order of the target. Of the models of the last stage the one of the best measured
    /// acceptance.
    pub model: Permuted<BornMps>,
    /// The chains, at the last target; draws of it up to what they did to the model themselves.
    pub chains: Chains,
    /// All rounds.
    pub rounds: Vec<LoopRound>,
    /// Why it ended.
    pub stopped: Stop,
}

impl LoopOptions {
    /// Learns a Born law towards the last of the targets, from their log-weights alone.
    ///
    /// Chains start at [`initial`](crate::Target::initial) of the first stage, where the local move must mix
    /// within the warm-up: a high temperature, or a narrow law. `progress` is told after each round and may
    /// end the loop.
    ///
    /// # Errors
    /// No stages, stages on different lattices, options out of range; a target without allowed configuration;
    /// errors of targets, moves and sweeps; [`Error::IdenticalSamples`] where the warm-up left all chains at
    /// one configuration; [`Error::Interrupted`] before there is a first model.
    ///
    /// # Examples
    /// ```
    /// # use std::ops::ControlFlow;
    /// # use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
    /// # use tensorjump::learn::{LoopOptions, Stage};
    /// let square = Square::new(3, 4, Geometry::Cylinder)?;
    /// let ising = Ising::new(Couplings::uniform(square, 1.0)?, 0.3)?;
    /// let sweep = SpinSweep::heat_bath(&ising)?;
    /// let (max_bond, rounds, enough) = (8, 10, (0.9, 0.9));
    /// let stage = Stage { target: &ising, local: &sweep, max_bond, rounds, polish: 0, rate: 0.3, enough };
    /// let order = Some(square.snake());
    /// let options = LoopOptions { order, draws: 2048, chains: 256, ..LoopOptions::default() };
    /// let learned = options.learn_with_progress(&[stage], |round| {
    ///     assert!(round.model.acceptance.mean <= 1.0);
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert!(learned.rounds.last().unwrap().model.acceptance.mean > 0.9);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn learn(&self, stages: &[Stage<'_>]) -> Result<Learned> {
        self.learn_with_progress(stages, |_| ControlFlow::Continue(()))
    }

    /// As [`LoopOptions::learn`]; `progress` is told after each round, and ends the loop by `Break`.
    ///
    /// # Errors
    /// As [`LoopOptions::learn`].
    pub fn learn_with_progress(
        &self,
        stages: &[Stage<'_>],
        progress: impl FnMut(&LoopRound) -> ControlFlow<()>,
    ) -> Result<Learned> {
        self.learn_over(&Alone, stages, progress)
    }

    /// As [`LoopOptions::learn_with_progress`], draws and chains shared out over `ranks`: model, chains and
    /// rounds are the same on all ranks, those of one process bit for bit (but for the seconds).
    ///
    /// Each rank makes its share of the draws and updates its share of the chains; what came of it is
    /// gathered (8 bytes for 52 spins and 16 a draw or visited configuration), and each rank makes the step.
    /// The loop ends after the same round where one rank asks for it, or is interrupted.
    ///
    /// # Errors
    /// As [`LoopOptions::learn`]; [`Error::Parameter`] for fewer draws or chains than ranks, or options that
    /// differ between ranks; [`Error::Rank`] where another rank failed; errors of the communicator.
    pub fn learn_over(
        &self,
        ranks: &dyn Ranks,
        stages: &[Stage<'_>],
        mut progress: impl FnMut(&LoopRound) -> ControlFlow<()>,
    ) -> Result<Learned> {
        let order = agreed(ranks, check(stages, self))?;
        let options = format!("{:?}", LoopOptions { interrupt: None, ..self.clone() });
        let stages_named = |stage: &Stage<'_>| {
            let Stage { max_bond, rounds, polish, rate, enough, target, .. } = stage;
            format!("{max_bond} {rounds} {polish} {rate} {enough:?} {:?}", target.dims())
        };
        let named: Vec<String> = stages.iter().map(stages_named).collect();
        same(ranks, "options of learning in the loop", (options, named))?;
        let fewest = self.draws.min(self.chains);
        if fewest < ranks.size() {
            return Err(Error::parameter("draws or chains", fewest, "at least one a rank"));
        }
        let mut state = State::start(ranks, &stages[0], self, order)?;
        let mut rounds = Vec::new();
        let mut best: Option<(f64, BornMps)> = None;
        let mut stopped = Stop::Rounds;
        'stages: for (index, stage) in stages.iter().enumerate() {
            stopped = Stop::Rounds;
            // One round more than asked for: the last one only measures.
            for round in 0..=stage.rounds + stage.polish {
                let before = state.model.clone();
                let report = match state.round(ranks, stage, (index, round), self) {
                    Err(Error::Interrupted) => {
                        // Some ranks may have made the step before they heard of it.
                        state.model = before;
                        stopped = Stop::Asked;
                        break 'stages;
                    }
                    report => report?,
                };
                let (acceptance, done) = (report.model.acceptance.mean, report.reaches(stage));
                if index + 1 == stages.len() && best.as_ref().is_none_or(|(a, _)| acceptance > *a) {
                    best = Some((acceptance, before));
                }
                let asked = any(ranks, Ok(progress(&report).is_break()))?;
                rounds.push(report);
                if asked {
                    stopped = Stop::Asked;
                    break 'stages;
                }
                if done {
                    stopped = Stop::Enough;
                    break;
                }
            }
        }
        let model = best.map_or(state.model, |(_, model)| model);
        Ok(Learned { model: Permuted::new(model, state.order)?, chains: state.chains, rounds, stopped })
    }
}

/// Checks stages and options; returns the order of the sites.
fn check(stages: &[Stage<'_>], options: &LoopOptions) -> Result<Vec<usize>> {
    let Some(first) = stages.first() else { return Err(Error::parameter("stages", 0, "at least one")) };
    let dims = first.target.dims();
    for stage in stages {
        match_dims(dims, stage.target.dims())?;
        let truncation = Truncation { max_bond: stage.max_bond, cutoff: options.cutoff };
        let (rate, significance) = (stage.rate, options.significance);
        TowardsStep { rate, significance, truncation, ..TowardsStep::default() }.check()?;
    }
    for (name, value) in [("draws", options.draws), ("chains", options.chains), ("updates", options.updates)] {
        if value < 2 && name == "draws" || value == 0 {
            return Err(Error::parameter(name, value, "at least 1 (2 draws)"));
        }
    }
    if !(options.keep > 0.0 && options.keep <= 1.0) {
        return Err(Error::parameter("keep", options.keep, "in (0, 1]"));
    }
    if options.slowing.is_nan() || options.slowing <= 0.0 {
        return Err(Error::parameter("slowing", options.slowing, "above zero"));
    }
    for symmetry in &options.symmetries {
        symmetry.apply(Array2::zeros((0, dims.len())).view(), dims)?;
    }
    let order = options.order.clone().unwrap_or_else(|| (0..dims.len()).collect());
    let _ = Symmetry::sites(order.clone())?; // each site once
    if order.len() != dims.len() {
        return Err(Error::SiteCount { expected: dims.len(), got: order.len() });
    }
    Ok(order)
}
