//! Monte Carlo in the loop: a model learned from a log-weight alone.
//!
//! Each round draws from the model `P_θ`, runs chains of the target whose updates are a disconnected move (proposal `P_θ`) and a local move
//! (so that support is never lost), and makes a sweep towards the target ([`super::towards`]) on the draws and on what the chains visited:
//! together they are samples of `m = (n P_θ + k π)/(n + k)`, with `log Z` by the bridge between both. The local moves show the model where it
//! has too little weight; the draws show it where it has too much. Samples may be thinned to those that tell most, symmetries of the chain
//! itself are imposed on the model (which halves the noise for each), and the last rounds are steps of all sites at measured rates
//! ([`super::born_tangent`]). Stages change the target (annealing of β, or of c), with model and chains
//! carried along. Cost of a round: `n + 3k` draws or scores and a sweep of `6 N (n + k) χ²` multiply-adds. Reference: arXiv 2407.11133.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Instant;

use ndarray::{Array1, Array2, Axis, concatenate};
use rand::RngExt;

use super::assess::Assessment;
use super::born::{BornMethod, BornOptions, Start, SweepStep, born};
use super::data::{Data, Symmetry};
use super::fit::Training;
use super::mirror::{Mirror, symmetrised};
use super::tangent::{TangentStep, tangent};
use super::thin::Thinned;
use super::towards::{Toward, TowardsStep, born_towards, bridge};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::mcmc::{
    Autocorrelation, Chains, Cycle, Disconnected, MetropolisHastings, Move, MoveReport, RunOptions, autocorrelation,
    log_importance_weights, run, split_r_hat,
};
use crate::model::{BornMps, Configs, Model, Permuted, SiteWeights, Target};
use crate::rng::Streams;
use crate::tn::Truncation;

/// Configurations that the first model learns from, at most.
const FIRST: usize = 16_384;

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
    /// Rounds after these by steps of all sites ([`super::born_tangent`]), at half the cost, whose rates are measured.
    pub polish: usize,
    /// Rate of the first round, see [`TowardsStep`]; later ones have `rate/(1 + round/slowing)`, which averages over the rounds.
    pub rate: f64,
    /// The stage ends when acceptance and effective fraction of the draws reach both these numbers.
    pub enough: (f64, f64),
}

/// Options of [`in_the_loop`].
#[derive(Debug, Clone, PartialEq)]
pub struct LoopOptions {
    /// Site of the target at each site of the matrix product (a snake); `None`: their own order.
    pub order: Option<Vec<usize>>,
    /// Draws of the model a round.
    pub draws: usize,
    /// Chains of the target.
    pub chains: usize,
    /// Updates of each chain a round, all of them learned from: each a proposal of the model and a local move.
    pub updates: usize,
    /// Updates by the local move alone before the first model.
    pub warm_up: usize,
    /// Bond dimension and rounds of the first model, by maximum likelihood.
    pub first: (usize, usize),
    /// What a round makes small.
    pub toward: Toward,
    /// Rounds of a stage after which the rate has halved.
    pub slowing: f64,
    /// Share of draws and visited configurations that is learned from, in (0, 1]: those kept are chosen by how far the model is off there.
    /// Draws are several times cheaper than sweeps over them.
    pub keep: f64,
    /// Squared weight that an SVD may discard.
    pub cutoff: f64,
    /// Squares of singular values below this many times the noise of the samples are discarded: bonds grow with what samples can tell.
    pub significance: f64,
    /// Symmetries of every target: each is applied with probability ½, in this order, to each configuration that a chain visited. Those
    /// that keep or reverse the order of the chain, and their products of two, the model gets for itself.
    pub symmetries: Vec<Symmetry>,
    /// Seed.
    pub seed: u64,
}

impl Default for LoopOptions {
    /// 16384 draws, 2048 chains of 4 updates, warm-up of 100 local updates, first model of bond 8 by 8 rounds, overlap steps whose rate
    /// halves after 8 rounds.
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
        }
    }
}

/// A round: the model before it, and what was done.
#[derive(Debug, Clone, PartialEq)]
pub struct LoopRound {
    /// Stage, counted from zero.
    pub stage: usize,
    /// Round of the stage, counted from zero.
    pub round: usize,
    /// The model at the start of the round, by its own draws.
    pub model: Assessment,
    /// `KL(π‖P_θ)` in nats by the chains, with `log Z` of the bridge; +∞ where the model excludes what they visited.
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
    pub discarded: f64,
    /// Rate of the sweep.
    pub rate: f64,
    /// Seconds of wall clock.
    pub seconds: f64,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopStop {
    /// The last stage measured what was asked for.
    Enough,
    /// All rounds were made.
    Rounds,
    /// The caller said so.
    Asked,
}

/// What the loop gave.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The model, in the order of the target. Of the models of the last stage the one of the best measured acceptance.
    pub model: Permuted<BornMps>,
    /// The chains, at the last target.
    pub chains: Chains,
    /// All rounds.
    pub rounds: Vec<LoopRound>,
    /// Why it ended.
    pub stopped: LoopStop,
}

/// Learns a Born law towards the last of the targets, from their log-weights alone.
///
/// Chains start at [`Target::initial`] of the first stage, where the local move must mix within the warm-up: a high temperature, or a
/// narrow law. `progress` is told after each round and may end the loop.
///
/// # Errors
/// No stages, stages on different lattices, options out of range; a target without allowed configuration; errors of targets, moves and
/// sweeps; [`Error::IdenticalSamples`] where the warm-up left all chains at one configuration.
///
/// # Examples
/// ```
/// # use std::ops::ControlFlow;
/// # use tensorjump::lattice::{Couplings, Geometry, Ising, Square, square::SpinSweep};
/// # use tensorjump::learn::{LoopOptions, Stage, in_the_loop};
/// let square = Square::new(3, 4, Geometry::Cylinder)?;
/// let ising = Ising::new(Couplings::uniform(square, 1.0)?, 0.3)?;
/// let sweep = SpinSweep::heat_bath(&ising)?;
/// let stage = Stage { target: &ising, local: &sweep, max_bond: 8, rounds: 10, polish: 0, rate: 0.3, enough: (0.9, 0.9) };
/// let options = LoopOptions { order: Some(square.snake()), draws: 2048, chains: 256, ..LoopOptions::default() };
/// let learned = in_the_loop(&[stage], &options, |round| {
///     assert!(round.model.acceptance.mean <= 1.0);
///     ControlFlow::Continue(())
/// })?;
/// assert!(learned.rounds.last().unwrap().model.acceptance.mean > 0.9);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub fn in_the_loop(
    stages: &[Stage<'_>],
    options: &LoopOptions,
    mut progress: impl FnMut(&LoopRound) -> ControlFlow<()>,
) -> Result<Learned> {
    let order = check(stages, options)?;
    let mut state = State::start(&stages[0], options, order)?;
    let mut rounds = Vec::new();
    let mut best: Option<(f64, BornMps)> = None;
    let mut stopped = LoopStop::Rounds;
    'stages: for (index, stage) in stages.iter().enumerate() {
        stopped = LoopStop::Rounds;
        // One round more than asked for: the last one only measures.
        for round in 0..=stage.rounds + stage.polish {
            let before = state.model.clone();
            let report = state.round(stage, (index, round), options)?;
            let (acceptance, done) = (report.model.acceptance.mean, report.reaches(stage));
            if index + 1 == stages.len() && best.as_ref().is_none_or(|(a, _)| acceptance > *a) {
                best = Some((acceptance, before));
            }
            let asked = progress(&report).is_break();
            rounds.push(report);
            if asked {
                stopped = LoopStop::Asked;
                break 'stages;
            }
            if done {
                stopped = LoopStop::Enough;
                break;
            }
        }
    }
    let model = best.map_or(state.model, |(_, model)| model);
    Ok(Learned { model: Permuted::new(model, state.order)?, chains: state.chains, rounds, stopped })
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
    Symmetry::sites(order.clone())?; // each site once
    if order.len() != dims.len() {
        return Err(Error::SiteCount { expected: dims.len(), got: order.len() });
    }
    Ok(order)
}

impl LoopRound {
    fn reaches(&self, stage: &Stage<'_>) -> bool {
        self.model.acceptance.mean >= stage.enough.0 && self.model.ess_fraction >= stage.enough.1
    }
}

/// Model and chains on their way.
struct State {
    model: BornMps,
    order: Vec<usize>,
    /// Symmetries that the model has by itself.
    mirrors: Vec<Mirror>,
    chains: Chains,
    streams: Streams,
    /// Rounds of all stages.
    count: u64,
}

/// What the chains of a round visited.
struct Visited {
    x: Array2<u8>,
    log_weight: Array1<f64>,
    report: MoveReport,
    autocorrelation: Autocorrelation,
    r_hat: Option<f64>,
}

impl State {
    /// Chains warmed up by the local move, and a first model by maximum likelihood of what they visit.
    fn start(stage: &Stage<'_>, options: &LoopOptions, order: Vec<usize>) -> Result<Self> {
        let streams = Streams::new(options.seed).domain("in the loop");
        let mut chains = Chains::initial(stage.target, options.chains, options.seed)?;
        let records = options.draws.min(FIRST).div_ceil(options.chains);
        let visited = visit(stage, stage.local, &mut chains, (options.warm_up, records), options.seed)?;
        let x = randomise(visited.x, stage.target.dims(), &options.symmetries, &streams.domain("first"))?;
        let dims: Vec<usize> = order.iter().map(|&j| stage.target.dims()[j]).collect();
        let (bond, rounds) = options.first;
        let likelihood = BornOptions {
            method: BornMethod::TwoSite {
                truncation: Truncation { max_bond: bond.min(stage.max_bond), cutoff: options.cutoff },
                significance: 1.0,
                explore: 0,
                step: SweepStep::default(),
            },
            start: Start::Random { bond: bond.min(stage.max_bond).min(4) },
            training: Training { rounds, batch: options.draws, seed: options.seed, ..Training::default() },
        };
        let data = Data::new(x.select(Axis(1), &order), &dims)?;
        let model = born(&data, &likelihood, |_| ())?.model;
        let mirrors = Mirror::among(&options.symmetries, &order);
        Ok(State { model, order, mirrors, chains, streams, count: 0 })
    }

    /// Draws, chains, measurement, and a sweep unless the stage is over.
    fn round(&mut self, stage: &Stage<'_>, at: (usize, usize), options: &LoopOptions) -> Result<LoopRound> {
        let clock = Instant::now();
        let streams = self.streams.step(self.count);
        self.count += 1;
        let dims = stage.target.dims();
        let model = Permuted::new(self.model.clone(), self.order.clone())?;
        let draws = model.sample(&SiteWeights::Uniform, options.draws, &streams.domain("draws"))?;
        let log_w = log_importance_weights(stage.target, &draws)?;
        let assessment = Assessment::from_weights(log_w.view())?;

        let proposal = MetropolisHastings::new(Disconnected::new(&model));
        let cycle = Cycle::new(vec![Box::new(proposal), Box::new(Borrowed(stage.local))])?;
        let warm_up = if at.1 == 0 { options.updates } else { 0 };
        let visited = visit(stage, &cycle, &mut self.chains, (warm_up, options.updates), options.seed)?;
        let x = randomise(visited.x, dims, &options.symmetries, &streams.domain("symmetries"))?;
        let score = model.log_prob(x.view(), &SiteWeights::Uniform)?;
        let log_v = &visited.log_weight - &score;
        let log_z = bridge(log_w.view(), log_v.view())?;

        let mut report = LoopRound {
            stage: at.0,
            round: at.1,
            model: assessment,
            kl_chains: log_v.mean().unwrap_or(f64::NAN) - log_z,
            log_z,
            chains: visited.report,
            autocorrelation: visited.autocorrelation,
            r_hat: visited.r_hat,
            bonds: self.model.amplitude().bonds(),
            discarded: 0.0,
            rate: stage.rate / (1.0 + at.1 as f64 / options.slowing),
            seconds: 0.0,
        };
        if at.1 < stage.rounds + stage.polish && !report.reaches(stage) {
            let x = concatenate![Axis(0), draws.x, x];
            let log_p = concatenate![Axis(0), draws.log_prob, score];
            let log_pi = concatenate![Axis(0), &log_w + &draws.log_prob - log_z, &visited.log_weight - log_z];
            let density = mixed(log_p.view(), log_pi.view(), draws.x.nrows());
            let truncation = Truncation { max_bond: stage.max_bond, cutoff: options.cutoff };
            let thinned = Thinned::new(&log_pi, &log_p, &density, options.keep, &mut streams.domain("thin").stream(0));
            let x = x.select(Axis(0), &thinned.rows).select(Axis(1), &self.order);
            let (log_pi, density) = (log_pi.select(Axis(0), &thinned.rows), thinned.log_density);
            if at.1 < stage.rounds {
                let step = TowardsStep {
                    toward: options.toward,
                    rate: report.rate,
                    limit: 0.5,
                    truncation,
                    significance: options.significance,
                    two_site: true,
                };
                (self.model, report.discarded) =
                    born_towards(&self.model, x.view(), log_pi.view(), density.view(), &step)?;
                self.model = symmetrised(&self.model, &self.mirrors, &truncation)?;
            } else {
                let step = TangentStep { truncation, ..TangentStep::default() };
                let (model, done) =
                    tangent(&self.model, x.view(), log_pi.view(), density.view(), &self.mirrors, &step)?;
                self.model = model;
                (report.discarded, report.rate) = (done.discarded, done.rate);
            }
        }
        report.seconds = clock.elapsed().as_secs_f64();
        Ok(report)
    }
}

/// `log m`, `m = (n P + k π)/(n + k)`, for samples of which the first `n` are draws of `P`.
fn mixed(log_p: ndarray::ArrayView1<'_, f64>, log_pi: ndarray::ArrayView1<'_, f64>, n: usize) -> Array1<f64> {
    let total = log_p.len() as f64;
    let (a, b) = ((n as f64 / total).ln(), ((total - n as f64) / total).ln());
    let term = |(&p, &q): (&f64, &f64)| {
        let (p, q) = (a + p, b + q);
        let max = p.max(q);
        max + ((p - max).exp() + (q - max).exp()).ln()
    };
    log_p.iter().zip(log_pi).map(term).collect()
}

/// Runs the chains and keeps every configuration.
fn visit(
    stage: &Stage<'_>,
    dynamics: &dyn Move,
    chains: &mut Chains,
    (warm_up, updates): (usize, usize),
    seed: u64,
) -> Result<Visited> {
    let kept = RefCell::new(Vec::new());
    let keep = |x: Configs<'_>| {
        kept.borrow_mut().push(x.to_owned());
        Array2::zeros((x.nrows(), 0))
    };
    let plan = RunOptions { updates, warm_up, thin: 1, seed };
    let run = run(stage.target, dynamics, chains, &plan, &keep, None)?;
    let kept = kept.into_inner();
    // The first call only counts observables.
    let views: Vec<_> = kept.iter().skip(1).map(|x| x.view()).collect();
    let x = ndarray::concatenate(Axis(0), &views).expect("one shape");
    let log_weight: Array1<f64> = run.log_weight.iter().copied().collect();
    let autocorrelation = autocorrelation(run.log_weight.view())?;
    Ok(Visited { x, log_weight, report: run.report, autocorrelation, r_hat: split_r_hat(run.log_weight.view()).ok() })
}

/// Each symmetry with probability ½, row by row.
fn randomise(mut x: Array2<u8>, dims: &[usize], symmetries: &[Symmetry], streams: &Streams) -> Result<Array2<u8>> {
    for (k, symmetry) in symmetries.iter().enumerate() {
        let image = symmetry.apply(x.view(), dims)?;
        let mut rng = streams.stream(k);
        for (mut x, image) in x.outer_iter_mut().zip(image.outer_iter()) {
            if rng.random::<bool>() {
                x.assign(&image);
            }
        }
    }
    Ok(x)
}

/// A move of somebody else as a part of a cycle.
struct Borrowed<'a>(&'a dyn Move);

impl Move for Borrowed<'_> {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        self.0.update(chains, target, streams)
    }
}
