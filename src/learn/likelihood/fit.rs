//! Rounds of learning: early stopping, checkpoints. The same for every model and method.

use std::ops::ControlFlow;
use std::time::Instant;

use ndarray::Array3;

use super::history::{History, Round};
use super::training::{Training, Validation};
use crate::error::{Error, Result};
use crate::io::safetensors::Store;
use crate::io::{Due, hash, hash_numbers};
use crate::learn::data::Data;
use crate::model::Model;
use crate::rng::Streams;
use crate::tn::Mps;

/// Why learning ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Stop {
    /// The last stage of [learning in the loop](crate::learn::LoopOptions::learn) measured what was asked
    /// for.
    Enough,
    /// All rounds were made.
    Rounds,
    /// No better model for as long as the patience lasted.
    Patience,
    /// The progress callback asked for it, and a checkpoint, where there is one, holds the last round; or
    /// the [`Interrupt`](crate::learn::Interrupt) did, in the middle of a round, and the checkpoint stays as
    /// last written. Before the first round the model is as for [`Stop::Failed`].
    Asked,
    /// The numbers of a round broke down: over- or underflow, a decomposition that does not converge. The
    /// model is the best of the rounds before; where there were none it is the start, and the history holds
    /// one round with the score of the start.
    Failed(Error),
}

/// Told after each round.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The round that has ended.
    pub round: &'a Round,
    /// Its number, counted from zero.
    pub index: usize,
    /// Whether its model is the best so far.
    pub improved: bool,
}

/// What learning gave.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct Fit<M> {
    /// The model of the best round.
    pub model: M,
    /// All rounds.
    pub history: History,
    /// The best round, counted from zero.
    pub best: usize,
    /// Why learning ended.
    pub stopped: Stop,
}

/// What a method did in one round.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    pub train_nll: f64,
    pub discarded: f64,
    pub zeros: usize,
}

/// A method that changes the tensors of a model round by round.
pub(crate) trait Trainer {
    type Model: Model;
    /// Learns from `train`; all randomness from `streams`, which belong to the round.
    fn round(&mut self, train: &Data, batch: usize, round: usize, streams: &Streams) -> Result<Progress>;
    /// The tensors that [`Trainer::build`] makes the model from.
    fn tensors(&self) -> Vec<Array3<f64>>;
    fn build(&self, tensors: Vec<Array3<f64>>) -> Result<Self::Model>;
    /// State beyond the tensors, and back.
    fn save(&self, store: &mut Store);
    fn load(&mut self, store: &Store) -> Result<()>;
}

const KIND: &str = "tensorjump learning state";

/// Runs a trainer. `start` is called with the training data and the streams of the start; `method` describes
/// it, for checkpoints.
pub(crate) fn fit<T: Trainer>(
    data: &Data,
    training: &Training,
    method: &str,
    start: impl FnOnce(&Data, &Streams) -> Result<T>,
    mut progress: impl FnMut(&Event<'_>) -> ControlFlow<()>,
) -> Result<Fit<T::Model>> {
    training.check()?;
    let mut due = training.checkpoint.as_ref().map(|c| Due::new(c.every)).transpose()?;
    let streams = Streams::new(training.seed).domain("learn");
    let (train, validation) = training.prepare(data, &streams)?;
    let mut trainer = start(&train, &streams.domain("start"))?;
    let mut run =
        Run { history: History::default(), best: Vec::new(), fingerprint: fingerprint(data, training, method) };
    if let Some(checkpoint) = training.checkpoint.as_ref().filter(|c| c.path.exists()) {
        run.load(&Store::read(&checkpoint.path, KIND)?, &mut trainer)?;
    }
    let stopped = loop {
        let done = run.history.rounds.len();
        if run.history.is_over(training.patience) {
            break Stop::Patience;
        }
        if done >= training.rounds {
            break Stop::Rounds;
        }
        let clock = Instant::now();
        let before = (done == 0).then(|| trainer.tensors());
        let round = trainer
            .round(&train, training.batch, done, &streams.domain("round").step(done as u64))
            .and_then(|report| record(&trainer, trainer.tensors(), report, validation.as_ref(), clock));
        let (round, tensors) = match round {
            Ok(round) => round,
            Err(error) if !broke_down(&error) => return Err(error),
            Err(error) => {
                if let Some(start) = before {
                    let train_nll = nll(&trainer.build(start.clone())?, &train)?.0;
                    let report = Progress { train_nll, ..Progress::default() };
                    let (round, start) = record(&trainer, start, report, validation.as_ref(), clock)?;
                    run.history.rounds.push(round);
                    run.best = start;
                }
                break if error == Error::Interrupted { Stop::Asked } else { Stop::Failed(error) };
            }
        };
        run.history.rounds.push(round);
        let improved = run.history.best() == Some(done);
        if improved {
            run.best = tensors;
        }
        let answer = progress(&Event { round: &run.history.rounds[done], index: done, improved });
        if let Some((checkpoint, due)) = training.checkpoint.as_ref().zip(due.as_mut())
            && (due.after(done + 1)
                || done + 1 == training.rounds
                || answer.is_break()
                || run.history.is_over(training.patience))
        {
            run.save(&trainer).write(&checkpoint.path)?;
        }
        if answer.is_break() {
            break Stop::Asked;
        }
    };
    let best = run.history.best().unwrap_or(0);
    Ok(Fit { model: trainer.build(run.best)?, history: run.history, best, stopped })
}

/// What a round has reached with its tensors, judged by the validation samples.
fn record<T: Trainer>(
    trainer: &T,
    tensors: Vec<Array3<f64>>,
    report: Progress,
    validation: Option<&Data>,
    clock: Instant,
) -> Result<(Round, Vec<Array3<f64>>)> {
    for (site, a) in tensors.iter().enumerate() {
        if let Some(&value) = a.iter().find(|v| !v.is_finite()) {
            return Err(Error::NotFinite { field: "learned tensor", site, value });
        }
    }
    let scored = match validation {
        Some(validation) => Some(nll(&trainer.build(tensors.clone())?, validation)?),
        None => None,
    };
    let round = Round {
        train_nll: report.train_nll,
        validation_nll: scored.map(|s| s.0),
        validation_error: scored.map(|s| s.1),
        bonds: tensors[1..].iter().map(|a| a.dim().0).collect(),
        truncation_error: report.discarded,
        zeros: report.zeros,
        seconds: clock.elapsed().as_secs_f64(),
    };
    Ok((round, tensors))
}

/// Whether an error of a round is one of its numbers, or the wish to stop; not of data, options or files.
fn broke_down(error: &Error) -> bool {
    matches!(
        error,
        Error::Interrupted
            | Error::NotFinite { .. }
            | Error::Negative { .. }
            | Error::ZeroEvidence { .. }
            | Error::ZeroWeight { .. }
            | Error::LogWeight { .. }
            | Error::NoConvergence { .. }
    )
}

/// Checks the numbers of a training.
/// Mean negative log-likelihood in nats and its standard error.
pub(crate) fn nll(model: &dyn Model, data: &Data) -> Result<(f64, f64)> {
    let log_prob = model.log_prob(data.x())?;
    let rows = || log_prob.iter().zip(data.weights()).filter(|(_, w)| **w > 0.0);
    let mean: f64 = -rows().map(|(l, w)| w * l).sum::<f64>();
    let variance: f64 = rows().map(|(l, w)| w * w * (l + mean).powi(2)).sum();
    Ok((mean, variance.sqrt()))
}

/// Marginal laws of the sites over the samples, `[site][state]`, with half a sample added to each state.
pub(crate) fn marginals(data: &Data) -> Vec<Vec<f64>> {
    let dims = data.dims();
    let n = data.effective();
    let mut p: Vec<Vec<f64>> = dims.iter().map(|&d| vec![0.5 / (n + 0.5 * d as f64); d]).collect();
    for (x, w) in data.x().outer_iter().zip(data.weights()) {
        for ((p, &a), &d) in p.iter_mut().zip(x).zip(dims) {
            p[usize::from(a)] += w * n / (n + 0.5 * d as f64);
        }
    }
    p
}

/// The rows that a batch learns from: all where they fit, else as many as asked for, drawn without
/// replacement.
pub(crate) fn draw_batch(train: &Data, batch: usize, streams: &Streams) -> Result<Option<Data>> {
    if train.len() <= batch {
        return Ok(None);
    }
    let order = crate::learn::data::permutation(train.len(), &streams.domain("batch"));
    Ok(Some(train.select(&order[..batch])?))
}

/// State of a run beyond the trainer.
struct Run {
    history: History,
    best: Vec<Array3<f64>>,
    fingerprint: u64,
}

impl Run {
    fn save<T: Trainer>(&self, trainer: &T) -> Store {
        let mut store = Store::new(KIND);
        store.note("fingerprint", self.fingerprint);
        let rounds = &self.history.rounds;
        let numbers: Vec<f64> = rounds
            .iter()
            .flat_map(|r| {
                let validation = r.validation_nll.zip(r.validation_error).unwrap_or((f64::NAN, f64::NAN));
                [r.train_nll, validation.0, validation.1, r.truncation_error, r.zeros as f64, r.seconds]
            })
            .collect();
        store.note("validated", rounds.iter().any(|r| r.validation_nll.is_some()));
        store.put("rounds", &[rounds.len(), 6], &numbers);
        let bonds: Vec<f64> = rounds.iter().flat_map(|r| r.bonds.iter().map(|&b| b as f64)).collect();
        store.put("bonds", &[bonds.len()], &bonds);
        store.put_tensors("best", &self.best);
        store.put_tensors("tensor", &trainer.tensors());
        trainer.save(&mut store);
        store
    }

    fn load<T: Trainer>(&mut self, store: &Store, trainer: &mut T) -> Result<()> {
        if store.noted::<u64>("fingerprint")? != self.fingerprint {
            return Err(store.wrong("a checkpoint of another run: data, method, start, symmetries or seed differ"));
        }
        let shapes = |tensors: &[Array3<f64>]| tensors.iter().map(|a| a.dim().1).collect::<Vec<_>>();
        let (numbers, bonds) = (store.numbers::<f64>("rounds")?, store.numbers::<f64>("bonds")?);
        let validated: bool = store.noted("validated")?;
        self.best = store.tensors("best")?;
        let dims = shapes(&trainer.tensors());
        if shapes(&self.best) != dims || shapes(&store.tensors("tensor")?) != dims {
            return Err(store.wrong("a checkpoint of another shape"));
        }
        let tensors: Vec<Array3<f64>> = store.tensors("tensor")?;
        for tensors in [&self.best, &tensors] {
            Mps::new(tensors.clone(), 0.0).map_err(|error| store.wrong(&error.to_string()))?;
        }
        let bonds_a_round = dims.len() - 1;
        if numbers.len() % 6 != 0 || bonds.len() != numbers.len() / 6 * bonds_a_round {
            return Err(store.wrong("a history of another shape"));
        }
        let round = |(k, r): (usize, &[f64])| Round {
            train_nll: r[0],
            validation_nll: validated.then_some(r[1]),
            validation_error: validated.then_some(r[2]),
            bonds: bonds[k * bonds_a_round..][..bonds_a_round].iter().map(|&b| b as usize).collect(),
            truncation_error: r[3],
            zeros: r[4] as usize,
            seconds: r[5],
        };
        self.history.rounds = numbers.chunks_exact(6).enumerate().map(round).collect();
        trainer.load(store)
    }
}

fn hash_data(start: u64, data: &Data) -> u64 {
    hash_numbers(hash(start, data.x().iter()), data.weights().iter())
}

/// What must be the same for a run to continue: everything but rounds, patience and checkpoint.
fn fingerprint(data: &Data, training: &Training, method: &str) -> u64 {
    let validation = match &training.validation {
        Validation::Given(data) => format!("given {}", hash_data(0, data)),
        other => format!("{other:?}"),
    };
    let Training { batch, symmetries, seed, .. } = training;
    let text = format!("{method} {validation} {batch} {symmetries:?} {seed} {:?}", data.dims());
    hash_data(hash(0xcbf2_9ce4_8422_2325, text.as_bytes()), data)
}
