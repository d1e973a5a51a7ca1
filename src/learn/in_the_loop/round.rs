//! One round of Monte Carlo in the loop ([`super::run`]): draws, chains, measurement, a step.

use std::time::Instant;

use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};
use rand::RngExt;

use super::options::{LoopOptions, LoopRound, Stage};
use super::tangent::{TangentStep, tangent};
use super::thin::Thinned;
use super::towards::TowardsStep;
use crate::error::{Error, Result};
use crate::learn::data::Data;
use crate::learn::interrupt::look;
use crate::learn::likelihood::born::{BornMethod, BornOptions, Start, SweepStep};
use crate::learn::likelihood::training::Training;
use crate::learn::symmetry::{Mirror, Symmetry, symmetrised};
use crate::mcmc::{
    Assessment, Autocorrelation, Chains, Cycle, Disconnected, MetropolisHastings, Move, MoveReport, RunOptions, bridge,
    joined, own_share, split_r_hat, told_by,
};
use crate::model::traits::Samples;
use crate::model::{BornMps, Model, Permuted};
use crate::ranks::agreement::{Message, agreed, gather};
use crate::ranks::packing::{pack, unpack};
use crate::ranks::{Ranks, share_of};
use crate::rng::Streams;
use crate::tn::Truncation;

/// Configurations that the first model learns from, at most.
const FIRST: usize = 16_384;

/// Model and chains on their way.
pub(crate) struct State {
    pub(crate) model: BornMps,
    pub(crate) order: Vec<usize>,
    /// Symmetries that the model has by itself.
    mirrors: Vec<Mirror>,
    pub(crate) chains: Chains,
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
    pub(crate) fn start(
        ranks: &dyn Ranks,
        stage: &Stage<'_>,
        options: &LoopOptions,
        order: Vec<usize>,
    ) -> Result<Self> {
        let streams = Streams::new(options.seed).domain("in the loop");
        let mut chains = agreed(ranks, Chains::initial(stage.target, options.chains, options.seed))?;
        let records = options.draws.min(FIRST).div_ceil(options.chains);
        let visited = visit(ranks, stage, stage.local, &mut chains, (options.warm_up, records), options)?;
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
            training: Training {
                rounds,
                batch: options.draws,
                seed: options.seed,
                interrupt: options.interrupt.clone(),
                ..Training::default()
            },
        };
        let data = Data::new(x.select(Axis(1), &order), &dims)?;
        // A rank that was interrupted in between has another model, and none goes on.
        let fit = likelihood.fit(&data).and_then(|fit| look(options.interrupt.as_ref()).map(|()| fit));
        let model = agreed(ranks, fit)?.model;
        let mirrors = Mirror::among(&options.symmetries, &order);
        Ok(State { model, order, mirrors, chains, streams, count: 0 })
    }

    /// Draws, chains, measurement, and a step unless the stage is over.
    pub(crate) fn round(
        &mut self,
        ranks: &dyn Ranks,
        stage: &Stage<'_>,
        at: (usize, usize),
        options: &LoopOptions,
    ) -> Result<LoopRound> {
        let clock = Instant::now();
        let streams = self.streams.step(self.count);
        self.count += 1;
        let dims = stage.target.dims();
        let model = Permuted::new(self.model.clone(), self.order.clone())?;
        let (draws, log_w) = draw(ranks, stage, &model, options, &streams.domain("draws"))?;
        let assessment = Assessment::from_weights(log_w.view())?;

        let proposal = MetropolisHastings::new(Disconnected::new(&model));
        let cycle = Cycle::new(vec![Box::new(proposal), Box::new(stage.local)])?;
        let warm_up = if at.1 == 0 { options.updates } else { 0 };
        let visited = visit(ranks, stage, &cycle, &mut self.chains, (warm_up, options.updates), options)?;
        let x = randomise(visited.x, dims, &options.symmetries, &streams.domain("symmetries"))?;
        let score = model.log_prob(x.slice(s![ranks.share(x.nrows()), ..]));
        let score: Array1<f64> = gather(ranks, score.map(|score| score.to_vec()))?.concat().into();
        if score.len() != x.nrows() {
            return Err(Error::Entries { place: "scores of all ranks".into(), expected: x.nrows(), got: score.len() });
        }
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
            truncation_error: 0.0,
            rate: stage.rate / (1.0 + at.1 as f64 / options.slowing),
            seconds: 0.0,
        };
        if at.1 < stage.rounds + stage.polish && !report.reaches(stage) {
            let all = Seen {
                x: concatenate![Axis(0), draws.x, x],
                log_target: concatenate![Axis(0), &log_w + &draws.log_prob - log_z, &visited.log_weight - log_z],
                log_model: concatenate![Axis(0), draws.log_prob, score],
                draws: draws.x.nrows(),
            };
            let step = self.step(stage, all, options, &streams.domain("thin"), &mut report);
            agreed(ranks, step)?;
        }
        report.seconds = clock.elapsed().as_secs_f64();
        Ok(report)
    }

    /// A sweep, or a step of all sites behind the sweeps of the stage.
    fn step(
        &mut self,
        stage: &Stage<'_>,
        seen: Seen,
        options: &LoopOptions,
        streams: &Streams,
        report: &mut LoopRound,
    ) -> Result<()> {
        let density = seen.log_density();
        let kept = Thinned::new(&seen.log_target, &seen.log_model, &density, options.keep, &mut streams.stream(0));
        let x = seen.x.select(Axis(0), &kept.rows).select(Axis(1), &self.order);
        let log_target = seen.log_target.select(Axis(0), &kept.rows);
        let (x, log_target, log_density) = (x.view(), log_target.view(), kept.log_density.view());
        let truncation = Truncation { max_bond: stage.max_bond, cutoff: options.cutoff };
        if report.round < stage.rounds {
            let step = TowardsStep {
                toward: options.toward,
                rate: report.rate,
                limit: 0.5,
                truncation,
                significance: options.significance,
                two_site: true,
            };
            let (model, discarded) =
                step.towards(&self.model, x, (log_target, log_density), options.interrupt.as_ref())?;
            self.model = symmetrised(model, &self.mirrors, &truncation)?;
            report.truncation_error = discarded;
        } else {
            let step = TangentStep { truncation, ..TangentStep::default() };
            let (model, done) = tangent(&self.model, x, log_target, log_density, &self.mirrors, &step)?;
            self.model = model;
            (report.truncation_error, report.rate) = (done.truncation_error, done.rate);
        }
        Ok(())
    }
}

/// Draws of the model and what chains visited, together.
struct Seen {
    x: Array2<u8>,
    log_target: Array1<f64>,
    log_model: Array1<f64>,
    /// Rows that are draws of the model.
    draws: usize,
}

impl Seen {
    /// `log m`, `m = (n P + k π)/(n + k)`.
    fn log_density(&self) -> Array1<f64> {
        let total = self.log_model.len() as f64;
        let (a, b) = ((self.draws as f64 / total).ln(), ((total - self.draws as f64) / total).ln());
        let term = |(&p, &q): (&f64, &f64)| {
            let (p, q) = (a + p, b + q);
            let max = p.max(q);
            max + ((p - max).exp() + (q - max).exp()).ln()
        };
        self.log_model.iter().zip(&self.log_target).map(term).collect()
    }
}

/// Draws of the model with their importance weights, each rank its share.
fn draw(
    ranks: &dyn Ranks,
    stage: &Stage<'_>,
    model: &Permuted<BornMps>,
    options: &LoopOptions,
    streams: &Streams,
) -> Result<(Samples, Array1<f64>)> {
    let (rows, dims) = (ranks.share(options.draws), stage.target.dims());
    let own = || {
        let draws = model.draw(rows.len(), &streams.rows_from(rows.start))?;
        look(options.interrupt.as_ref())?;
        let log_w = draws.log_importance_weights(stage.target)?;
        Ok((draws, log_w))
    };
    let numbers = own().map(|(draws, log_w)| {
        let mut numbers = Vec::new();
        pack(draws.x.view(), dims, &mut numbers);
        numbers.extend(draws.log_prob);
        numbers.extend(log_w);
        numbers
    });
    let all = gather(ranks, numbers)?;
    let mut x = Array2::zeros((options.draws, dims.len()));
    let (mut log_prob, mut log_w) = (Vec::new(), Vec::new());
    for (rank, numbers) in all.iter().enumerate() {
        let (mut message, rows) = (Message::new(rank, numbers), share_of(rank, ranks.size(), options.draws));
        x.slice_mut(s![rows.clone(), ..]).assign(&unpack(&mut message, rows.len(), dims)?);
        log_prob.extend_from_slice(message.take(rows.len())?);
        log_w.extend_from_slice(message.take(rows.len())?);
    }
    Ok((Samples { x, log_prob: log_prob.into() }, log_w.into()))
}

/// Runs the chains, each rank its share, and keeps every configuration.
fn visit(
    ranks: &dyn Ranks,
    stage: &Stage<'_>,
    dynamics: &dyn Move,
    chains: &mut Chains,
    (warm_up, updates): (usize, usize),
    options: &LoopOptions,
) -> Result<Visited> {
    let (n, dims) = (chains.len(), stage.target.dims());
    let mut own = own_share(ranks, chains, (warm_up, updates, options.seed))?;
    let first_chain = ranks.share(n).start;
    let streams = RunOptions { seed: options.seed, first_chain, ..RunOptions::default() }.streams();
    let mut run = || {
        // No update, but the weights of this target.
        own.advance(stage.target, dynamics, 0, &streams)?;
        for _ in 0..warm_up {
            look(options.interrupt.as_ref())?;
            own.step(stage.target, dynamics, &streams)?;
        }
        let (mut numbers, mut report) = (Vec::new(), MoveReport::default());
        for _ in 0..updates {
            look(options.interrupt.as_ref())?;
            report += &own.step(stage.target, dynamics, &streams)?;
            pack(own.x(), dims, &mut numbers);
            numbers.extend(own.log_weight());
        }
        report.tell(&mut numbers);
        Ok(numbers)
    };
    let visited = run().map(|numbers| [told_by(&own, dims), numbers].concat());
    let all = gather(ranks, visited)?;

    let mut x = Array2::zeros((updates * n, dims.len()));
    let mut log_weight = Array2::zeros((updates, n));
    let mut report = MoveReport::default();
    let mut first = 0;
    *chains = joined(own, ranks, n, dims, &all, |rows, message| {
        for k in 0..updates {
            let (at, end) = (k * n + first, k * n + first + rows);
            x.slice_mut(s![at..end, ..]).assign(&unpack(message, rows, dims)?);
            log_weight.slice_mut(s![k, first..first + rows]).assign(&ArrayView1::from(message.take(rows)?));
        }
        report += &MoveReport::told(message)?;
        first += rows;
        Ok(())
    })?;
    let autocorrelation = Autocorrelation::of(log_weight.view())?;
    let r_hat = split_r_hat(log_weight.view()).ok();
    Ok(Visited { x, log_weight: log_weight.into_iter().collect(), report, autocorrelation, r_hat })
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
