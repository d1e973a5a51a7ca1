//! Maximum likelihood for Born laws: sweeps, Adam, L-BFGS.

use std::ops::ControlFlow;

use ndarray::{Array3, ArrayView1};

use super::descent::{Descent, Flat, downhill};
use super::fit::{Event, Fit, Progress, Trainer, draw_batch, fit, marginals};
use super::training::Training;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::io::hash_numbers;
use crate::io::safetensors::Store;
use crate::learn::data::{Data, check_weights};
use crate::learn::interrupt::{Interrupt, look};
use crate::learn::tensors::environments::Batch;
use crate::learn::tensors::gradient::born_batch;
use crate::learn::tensors::site_step::{Step, check_rate};
use crate::learn::tensors::sweep::{Amplitude, Cut, Sites};
use crate::model::{BornMps, Configs, Target};
use crate::rng::Streams;
use crate::tn::{Mps, Truncation};

/// Where learning starts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Start<M> {
    /// Near the product of the marginal laws of the sites, with noise in bonds of this dimension.
    Random {
        /// Bond dimension of the start.
        bond: usize,
    },
    /// A model: learning continues from it.
    Model(M),
}

/// The step at each place of a sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SweepStep {
    /// Steps of conjugate gradients for the Newton direction; 1 is the natural gradient.
    pub iterations: usize,
    /// Fraction of the way to the minimum along this direction, in (0, 1]. Smaller steps average over more
    /// samples.
    pub rate: f64,
    /// Rounds after which the rate has halved, as `1/(1 + round/slowing)`: needed where every round sees new
    /// samples.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub slowing: f64,
}

impl Default for SweepStep {
    fn default() -> Self {
        SweepStep { iterations: 2, rate: 0.5, slowing: f64::INFINITY }
    }
}

/// How a Born law is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum BornMethod {
    /// Two-site sweeps: bonds adapt, up to the truncation.
    TwoSite {
        /// What each SVD may discard, and the largest bond.
        truncation: Truncation,
        /// Singular values that are not this many times above the noise of the samples are discarded too:
        /// bonds grow with what the data can tell. The noise is `(√p + √q)²/4n` for the square of a singular
        /// value of a `p × q` matrix and `n` samples, times the rate where every round draws a batch of its
        /// own. 0 keeps all.
        significance: f64,
        /// Rounds at the start without `significance`: information that only pays off many sites further on
        /// would otherwise be cut away at once, because it is worth nothing where it passes. These rounds
        /// overfit and the later ones prune: for batches from far more samples than parameters; with few
        /// samples better none.
        explore: usize,
        /// The step.
        step: SweepStep,
    },
    /// One-site sweeps: bonds stay those of the start, a step is `d` times cheaper.
    OneSite {
        /// The step.
        step: SweepStep,
    },
    /// Adam on all tensors.
    Adam {
        /// Step length.
        rate: f64,
    },
    /// L-BFGS on all tensors and all samples.
    Lbfgs {
        /// Pairs of steps that are remembered.
        memory: usize,
    },
}

/// How to learn a Born law: [`BornOptions::fit`].
#[derive(Debug, Clone)]
pub struct BornOptions {
    /// How to learn.
    pub method: BornMethod,
    /// Where to start.
    pub start: Start<BornMps>,
    /// How long, and what decides.
    pub training: Training,
}

impl Default for BornOptions {
    /// Two-site sweeps with bonds up to 32 and significance 1, from a random start of bond 4.
    fn default() -> Self {
        let truncation = Truncation { max_bond: 32, cutoff: 1e-10 };
        BornOptions {
            method: BornMethod::TwoSite { truncation, significance: 1.0, explore: 0, step: SweepStep::default() },
            start: Start::Random { bond: 4 },
            training: Training::default(),
        }
    }
}

impl BornOptions {
    /// Learns a Born law `P = ψ²/Z` from samples by maximum likelihood.
    ///
    /// The model of the best round is returned, whichever round was the last. A sweep costs `(4k + 4) N n χ²`
    /// multiply-adds for `n` samples and `k` [`SweepStep::iterations`], and `2N` SVDs of `dχ × dχ`.
    ///
    /// # Errors
    /// [`Error::IdenticalSamples`]; options out of range; a start of other sites or states; [`Error::File`]
    /// and [`Error::Format`] of the checkpoint. Numbers that break down on the way are no error but
    /// [`Stop::Failed`](super::fit::Stop::Failed).
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{Model, SiteWeights, Streams};
    /// # use tensorjump::learn::{self, BornOptions, Data};
    /// # use tensorjump::model::{Boundary, PositiveMps};
    /// let truth = PositiveMps::ising(0.5, &[1.0; 7], &[0.0; 8], Boundary::Open)?;
    /// let draws = truth.draw(1000, &Streams::new(1))?;
    /// let data = Data::new(draws.x, &[2; 8])?;
    /// let fit = BornOptions::default().fit(&data)?;
    /// assert!(fit.history.rounds[fit.best].validation_nll.unwrap() < 8.0 * 2f64.ln());
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # References
    /// Two-site sweeps: arXiv 1709.01662.
    pub fn fit(&self, data: &Data) -> Result<Fit<BornMps>> {
        self.fit_with_progress(data, |_| ControlFlow::Continue(()))
    }

    /// As [`BornOptions::fit`]; `progress` is told after each round, and stops the fit by `Break`: it then
    /// ends with its best model and [`Stop::Asked`](super::fit::Stop::Asked).
    ///
    /// # Errors
    /// As [`BornOptions::fit`].
    pub fn fit_with_progress(
        &self,
        data: &Data,
        progress: impl FnMut(&Event<'_>) -> ControlFlow<()>,
    ) -> Result<Fit<BornMps>> {
        check_method(&self.method)?;
        let description = describe(&self.method, &self.start);
        let start = |train: &Data, streams: &Streams| BornTrainer::new(train, self, streams);
        fit(data, &self.training, &description, start, progress)
    }
}

/// A two-site sweep along the natural gradient of `Σ_i w_i log P(x_i)` with weights of any sign: ascent, and
/// the step for `∇KL(π‖P) = −E_P[(π/P − 1) ∇log P]`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedStep {
    /// Length of each step, in units of the natural gradient (Fisher information 4 in the basis of a step).
    pub rate: f64,
    /// Largest norm of the change at each place, relative to the norm of the amplitude.
    pub limit: f64,
    /// What each SVD may discard, and the largest bond.
    pub truncation: Truncation,
}

impl SignedStep {
    /// Moves a Born law along the natural gradient of `Σ_i w_i log P(x_i)`, one sweep to the right and back.
    ///
    /// `x` has shape `(samples, sites)`, `weights` `(samples,)`, any signs, used as they are (not
    /// normalised). Cost `8 N n χ²` multiply-adds and `2N` SVDs of `dχ × dχ`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range; the wrong number of weights, or weights not finite;
    /// numbers of the step out of range; [`Error::NoConvergence`] of an SVD.
    pub fn apply(&self, model: &BornMps, x: Configs<'_>, weights: ArrayView1<'_, f64>) -> Result<BornMps> {
        check_weights(x, model.dims(), weights)?;
        self.truncation.check()?;
        check_rate(self.rate, f64::MAX)?;
        if self.limit.is_nan() || self.limit <= 0.0 {
            return Err(Error::parameter("limit", self.limit, "above zero"));
        }
        let psi = model.single_amplitude()?;
        if x.nrows() == 0 {
            return Ok(model.clone());
        }
        let mut amplitude = Amplitude::resume(psi.tensors().to_vec());
        let bond = psi.max_bond().max(self.truncation.max_bond.min(256));
        let mut batch = Batch::new(x, &weights.to_vec(), bond)?;
        let cut = Cut { truncation: self.truncation, noise: 0.0 };
        amplitude.sweep(&mut batch, &Step::Signed { rate: self.rate, limit: self.limit }, Sites::Two, &cut, None)?;
        BornMps::from_right_canonical(amplitude.tensors().to_vec())
    }
}

fn check_step(step: &SweepStep) -> Result<()> {
    if step.iterations == 0 {
        return Err(Error::parameter("iterations", 0, "at least one"));
    }
    check_rate(step.rate, 1.0)?;
    if step.slowing > 0.0 { Ok(()) } else { Err(Error::parameter("slowing", step.slowing, "above zero")) }
}

fn check_method(method: &BornMethod) -> Result<()> {
    match method {
        BornMethod::TwoSite { truncation, significance, step, .. } => {
            truncation.check()?;
            if !(*significance >= 0.0 && significance.is_finite()) {
                return Err(Error::parameter("significance", significance, "finite and not negative"));
            }
            check_step(step)
        }
        BornMethod::OneSite { step } => check_step(step),
        BornMethod::Adam { rate } => check_rate(*rate, f64::MAX),
        BornMethod::Lbfgs { memory: 0 } => Err(Error::parameter("memory", 0, "at least one pair")),
        BornMethod::Lbfgs { .. } => Ok(()),
    }
}

/// Method and start in words, for the fingerprint of a checkpoint.
fn describe(method: &BornMethod, start: &Start<BornMps>) -> String {
    match start {
        Start::Random { bond } => format!("born {method:?} random {bond}"),
        Start::Model(model) => {
            let numbers = model.amplitude().tensors().iter().flat_map(|a| a.iter());
            format!("born {method:?} model {}", hash_numbers(0, numbers))
        }
    }
}

/// A Born law that learns.
struct BornTrainer {
    method: BornMethod,
    state: State,
    interrupt: Option<Interrupt>,
}

enum State {
    Sweeps(Amplitude),
    Descent(Descent),
}

fn evaluate(flat: &Flat, values: &[f64], data: &Data) -> Result<(f64, Vec<f64>)> {
    let tensors = flat.unflatten(values);
    let bond = tensors.iter().map(|a| a.dim().0).max().unwrap_or(1);
    let mut batch = Batch::new(data.x(), &data.weights().to_vec(), bond)?;
    Ok(downhill(born_batch(&tensors, &mut batch)?))
}

impl BornTrainer {
    fn new(train: &Data, options: &BornOptions, streams: &Streams) -> Result<Self> {
        let amplitude = match &options.start {
            Start::Random { bond } => Amplitude::near_product(&marginals(train), *bond, &mut streams.stream(0))?,
            Start::Model(model) => {
                match_dims(train.dims(), model.dims())?;
                Amplitude::resume(model.single_amplitude()?.tensors().to_vec())
            }
        };
        let flat = || Flat::new(amplitude.tensors());
        let state = match options.method {
            BornMethod::Adam { rate } => State::Descent(Descent::adam(flat(), rate)),
            BornMethod::Lbfgs { memory } => State::Descent(Descent::lbfgs(flat(), memory)),
            _ => State::Sweeps(amplitude),
        };
        Ok(BornTrainer { method: options.method, state, interrupt: options.training.interrupt.clone() })
    }
}

impl Trainer for BornTrainer {
    type Model = BornMps;

    fn round(&mut self, train: &Data, batch: usize, round: usize, streams: &Streams) -> Result<Progress> {
        match (&mut self.state, &self.method) {
            (State::Sweeps(amplitude), method) => {
                let (truncation, significance, step, sites) = match method {
                    BornMethod::TwoSite { truncation, significance, explore, step } => {
                        (*truncation, if round < *explore { 0.0 } else { *significance }, step, Sites::Two)
                    }
                    BornMethod::OneSite { step } => (Truncation::default(), 0.0, step, Sites::One),
                    _ => unreachable!("sweeps belong to two methods"),
                };
                let drawn = draw_batch(train, batch, streams)?;
                let part = drawn.as_ref().unwrap_or(train);
                let bond = amplitude.tensors().iter().map(|a| a.dim().0).max().unwrap_or(1);
                let mut batch = Batch::new(part.x(), &part.weights().to_vec(), bond.max(truncation.max_bond.min(256)))?;
                let rate = step.rate / (1.0 + round as f64 / step.slowing);
                let step = Step::Likelihood { iterations: step.iterations, rate };
                let averaged = if drawn.is_some() { rate } else { 1.0 };
                let cut = Cut { truncation, noise: significance * averaged / (4.0 * part.effective()) };
                let report = amplitude.sweep(&mut batch, &step, sites, &cut, self.interrupt.as_ref())?;
                Ok(Progress { train_nll: -report.log_likelihood, discarded: report.discarded, zeros: report.zeros })
            }
            (State::Descent(descent), _) => {
                let interrupt = self.interrupt.as_ref();
                descent.round((train, batch, streams), |flat, values, data| {
                    look(interrupt)?;
                    evaluate(flat, values, data)
                })
            }
        }
    }

    fn tensors(&self) -> Vec<Array3<f64>> {
        match &self.state {
            State::Sweeps(amplitude) => amplitude.tensors().to_vec(),
            State::Descent(descent) => descent.tensors(),
        }
    }

    fn build(&self, tensors: Vec<Array3<f64>>) -> Result<BornMps> {
        match &self.state {
            State::Sweeps(_) => BornMps::from_right_canonical(tensors),
            _ => BornMps::new(&Mps::new(tensors, 0.0)?),
        }
    }

    fn save(&self, store: &mut Store) {
        match &self.state {
            State::Sweeps(_) => {}
            State::Descent(descent) => descent.save(store),
        }
    }

    fn load(&mut self, store: &Store) -> Result<()> {
        let tensors = store.tensors("tensor")?;
        match &mut self.state {
            State::Sweeps(amplitude) => *amplitude = Amplitude::resume(tensors),
            State::Descent(descent) => descent.load(&tensors, store)?,
        }
        Ok(())
    }
}
