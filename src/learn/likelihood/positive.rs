//! Maximum likelihood for non-negative laws: expectation–maximisation, Adam, L-BFGS.
//!
//! In the gauge `Σ_{a,k} A_j[i,a,k] = 1` the law is a hidden-Markov chain, `A_j[i,a,k]` the probability to go
//! from bond state `i` to `k` and show `a`. EM (Baum, Welch) replaces `A` by the normalised expected counts
//!
//! ```text
//! C_j[i,a,k] = Σ_n w_n [x_n = a] L_{n,i} A_j[i,a,k] R_{n,k} / P(x_n),
//! ```
//!
//! and the NLL never rises. Adam and L-BFGS work on logits, `A = softmax(θ)`. Cost of a round: `3 N n χ²`
//! multiply-adds.

use std::ops::ControlFlow;

use ndarray::Array3;
use rand::RngExt;

use super::born::Start;
use super::descent::{Descent, Flat, downhill};
use super::fit::{Event, Fit, Progress, Trainer, fit, marginals};
use super::training::Training;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::io::hash_numbers;
use crate::io::safetensors::Store;
use crate::learn::data::Data;
use crate::learn::interrupt::{Interrupt, look};
use crate::learn::tensors::environments::Batch;
use crate::learn::tensors::gradient::{expected_counts, positive_batch, softmax};
use crate::learn::tensors::site_step::check_rate;
use crate::model::{PositiveMps, Target};
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// How a non-negative law is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum PositiveMethod {
    /// Expectation–maximisation on all samples: no parameter, and the training NLL never rises.
    Em,
    /// Adam on logits.
    Adam {
        /// Step length.
        rate: f64,
    },
    /// L-BFGS on logits and all samples.
    Lbfgs {
        /// Pairs of steps that are remembered.
        memory: usize,
    },
}

/// How to learn a non-negative law: [`PositiveOptions::fit`].
#[derive(Debug, Clone)]
pub struct PositiveOptions {
    /// How to learn.
    pub method: PositiveMethod,
    /// Where to start; bonds stay as they are. Entries that are zero stay zero under EM, and become 10⁻³⁰⁰
    /// for the other methods.
    pub start: Start<PositiveMps>,
    /// How long, and what decides.
    pub training: Training,
}

impl Default for PositiveOptions {
    /// EM from a random start of bond 16, at most 500 rounds.
    fn default() -> Self {
        PositiveOptions {
            method: PositiveMethod::Em,
            start: Start::Random { bond: 16 },
            training: Training { rounds: 500, ..Training::default() },
        }
    }
}

impl PositiveOptions {
    /// Learns a non-negative law from samples by maximum likelihood.
    ///
    /// The model of the best round is returned. Cost of a round: `3 N n χ²` multiply-adds.
    ///
    /// # Errors
    /// [`Error::IdenticalSamples`]; options out of range; a start of other sites or states, or under which a
    /// sample is impossible ([`Error::ZeroEvidence`] with its row among the training samples, EM only);
    /// [`Error::File`] and [`Error::Format`] of the checkpoint.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::learn::{self, Data, PositiveOptions};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let fit = PositiveOptions::default().fit(&data)?;
    /// assert!(fit.history.rounds.windows(2).all(|r| r[1].train_nll <= r[0].train_nll + 1e-12));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # References
    /// L. E. Baum, T. Petrie, G. Soules, N. Weiss, Ann. Math. Statist. 41, 164 (1970).
    pub fn fit(&self, data: &Data) -> Result<Fit<PositiveMps>> {
        self.fit_with_progress(data, |_| ControlFlow::Continue(()))
    }

    /// As [`PositiveOptions::fit`]; `progress` is told after each round, and stops the fit by `Break`: it
    /// then ends with its best model and [`Stop::Asked`](super::fit::Stop::Asked).
    ///
    /// # Errors
    /// As [`PositiveOptions::fit`].
    pub fn fit_with_progress(
        &self,
        data: &Data,
        progress: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Result<Fit<PositiveMps>> {
        match self.method {
            PositiveMethod::Adam { rate } => check_rate(rate, f64::MAX)?,
            PositiveMethod::Lbfgs { memory: 0 } => return Err(Error::parameter("memory", 0, "at least one pair")),
            _ => {}
        }
        let method = &self.method;
        let description = match &self.start {
            Start::Random { bond } => format!("positive {method:?} random {bond}"),
            Start::Model(model) => {
                let numbers = model.as_mps().tensors().iter().flat_map(|a| a.iter());
                format!("positive {method:?} model {}", hash_numbers(0, numbers))
            }
        };
        let start = |train: &Data, streams: &Streams| PositiveTrainer::new(train, self, streams);
        fit(data, &self.training, &description, start, progress)
    }
}

enum State {
    Em(Vec<Array3<f64>>),
    Descent(Descent),
}

struct PositiveTrainer {
    state: State,
    interrupt: Option<Interrupt>,
}

/// Marginal laws times exponential random numbers: symmetric between bond states but for the draw.
pub(crate) fn random_tensors(p: &[Vec<f64>], bond: usize, stream: &mut Stream) -> Result<Vec<Array3<f64>>> {
    let dims: Vec<usize> = p.iter().map(Vec::len).collect();
    let mut tensors = Mps::random_positive(&dims, bond, stream)?.into_parts().0;
    for (a, p) in tensors.iter_mut().zip(p) {
        for ((_, x, _), v) in a.indexed_iter_mut() {
            // 1 − u is never zero.
            *v = p[x] * -(1.0 - stream.random::<f64>()).ln() + f64::MIN_POSITIVE;
        }
    }
    Ok(tensors)
}

fn evaluate(flat: &Flat, values: &[f64], data: &Data) -> Result<(f64, Vec<f64>)> {
    let logits = flat.unflatten(values);
    Ok(downhill(positive_batch(&logits, &mut batch_of(&logits, data)?)))
}

fn batch_of(tensors: &[Array3<f64>], data: &Data) -> Result<Batch> {
    let bond = tensors.iter().map(|a| a.dim().0).max().unwrap_or(1);
    Batch::new(data.x(), &data.weights().to_vec(), bond)
}

/// Expected counts to probabilities; a bond state that no sample reaches keeps its row.
fn maximise(tensors: &mut [Array3<f64>], counts: &[Array3<f64>]) {
    for (a, c) in tensors.iter_mut().zip(counts) {
        for (mut a, c) in a.outer_iter_mut().zip(c.outer_iter()) {
            let sum = c.sum();
            if sum > 0.0 {
                a.assign(&c);
                a /= sum;
            }
        }
    }
}

impl PositiveTrainer {
    fn new(train: &Data, options: &PositiveOptions, streams: &Streams) -> Result<Self> {
        let model = match &options.start {
            Start::Random { bond } => {
                let tensors = random_tensors(&marginals(train), *bond, &mut streams.stream(0))?;
                PositiveMps::new(&Mps::new(tensors, 0.0)?)?
            }
            Start::Model(model) => {
                match_dims(train.dims(), model.dims())?;
                // Logits have no zeros; what EM starts from must allow every sample.
                if options.method == PositiveMethod::Em {
                    let tensors = model.as_mps().tensors();
                    if let Some(row) = batch_of(tensors, train)?.first_zero(tensors) {
                        return Err(Error::ZeroEvidence { row });
                    }
                }
                model.clone()
            }
        };
        let tensors = model.as_mps().tensors().to_vec();
        let logits = || Flat::new(&tensors.iter().map(|a| a.mapv(|v| v.max(1e-300).ln())).collect::<Vec<_>>());
        let state = match options.method {
            PositiveMethod::Em => State::Em(tensors),
            PositiveMethod::Adam { rate } => State::Descent(Descent::adam(logits(), rate)),
            PositiveMethod::Lbfgs { memory } => State::Descent(Descent::lbfgs(logits(), memory)),
        };
        Ok(PositiveTrainer { state, interrupt: options.training.interrupt.clone() })
    }
}

impl Trainer for PositiveTrainer {
    type Model = PositiveMps;

    fn round(&mut self, train: &Data, batch: usize, _: usize, streams: &Streams) -> Result<Progress> {
        let interrupt = self.interrupt.as_ref();
        look(interrupt)?;
        match &mut self.state {
            State::Em(tensors) => {
                let mut samples = batch_of(tensors, train)?;
                let counts = expected_counts(tensors, &mut samples);
                if counts.value == f64::NEG_INFINITY {
                    return Err(Error::ZeroEvidence { row: samples.first_zero(tensors).unwrap_or(0) });
                }
                look(interrupt)?;
                maximise(tensors, &counts.tensors);
                // The NLL of the new tensors needs one more pass to the right environments only.
                let train_nll = -samples.log_sum_of(tensors);
                Ok(Progress { train_nll, ..Progress::default() })
            }
            State::Descent(descent) => descent.round((train, batch, streams), |flat, values, data| {
                look(interrupt)?;
                evaluate(flat, values, data)
            }),
        }
    }

    fn tensors(&self) -> Vec<Array3<f64>> {
        match &self.state {
            State::Em(tensors) => tensors.clone(),
            State::Descent(descent) => descent.tensors(),
        }
    }

    fn build(&self, tensors: Vec<Array3<f64>>) -> Result<PositiveMps> {
        let tensors = match &self.state {
            State::Em(_) => tensors,
            _ => tensors.iter().map(softmax).collect(),
        };
        PositiveMps::new(&Mps::new(tensors, 0.0)?)
    }

    fn save(&self, store: &mut Store) {
        match &self.state {
            State::Em(_) => {}
            State::Descent(descent) => descent.save(store),
        }
    }

    fn load(&mut self, store: &Store) -> Result<()> {
        let tensors = store.tensors("tensor")?;
        match &mut self.state {
            State::Em(state) => *state = tensors,
            State::Descent(descent) => descent.load(&tensors, store)?,
        }
        Ok(())
    }
}
