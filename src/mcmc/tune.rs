//! Noise time, model and number of inner draws of a connected move, chosen by measurement.
//!
//! ```text
//! rate = min_k ⟨(f_k(x_{t+1}) − f_k(x_t))²⟩ / (2 Var f_k) / seconds of an update of one chain
//! ```
//!
//! over the observables `f_k` (`Var f_k` pooled over all trials): an independent configuration in each update
//! has a squared jump of one, and for a reversible move the squared jump is `1 − ρ(1)`. Trials are updates of
//! the chains, each a move that leaves the target invariant: a part of the warm-up. Which trial is best
//! depends on measured times, so the choice is returned as data; a chain that runs with it afterwards depends
//! on nothing else.

use ndarray::{Array1, Axis};

use super::chains::Chains;
use super::inner::InnerDraws;
use super::proposal::Connected;
use super::recorder::Observables;
use super::run::RunOptions;
use crate::error::{Error, Result};
use crate::model::{Configs, Model, Target};
use crate::noise::Noise;

/// What is tried.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TuneOptions {
    /// Noise times.
    pub times: Vec<f64>,
    /// Numbers of draws for each noisy configuration.
    pub draws: Vec<usize>,
    /// Updates of each trial.
    pub updates: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for TuneOptions {
    /// Noise times of 0.1 to 2, one and four draws, 20 updates a trial, seed 0.
    fn default() -> Self {
        TuneOptions { times: vec![0.1, 0.2, 0.5, 1.0, 2.0], draws: vec![1, 4], updates: 20, seed: 0 }
    }
}

/// One setting, as measured.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Trial {
    /// Index of the model.
    pub model: usize,
    /// Noise time.
    pub time: f64,
    /// Draws for each noisy configuration.
    pub draws: usize,
    /// Accepted over proposed.
    pub acceptance: f64,
    /// Squared jump of the observable that jumps least, in units of that of independent configurations.
    pub squared_jump: f64,
    /// Seconds of an update of one chain by the clock given.
    pub seconds: f64,
    /// Squared jump a second.
    pub rate: f64,
}

/// All trials, and the best.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct TunedConnected {
    /// In the order of models, times, draws, the last fastest.
    pub trials: Vec<Trial>,
    /// Index of the trial of the largest rate.
    pub best: usize,
}

impl TunedConnected {
    /// The best trial.
    pub fn chosen(&self) -> &Trial {
        &self.trials[self.best]
    }
}

impl TuneOptions {
    /// Tries every combination of `models`, `times` and `draws` on the chains, one after the other; `clock`
    /// returns seconds (of CPU time, if they are to count), `observe` is that of [`RunOptions::run`].
    /// Observables that never change do not count. Cost: that of the updates.
    ///
    /// # Errors
    /// [`Error::Entries`] for nothing to try; a time that the noise refuses, no draws, no updates; errors of
    /// the moves and of [`RunOptions::run`].
    pub fn tune<O: Observables>(
        &self,
        target: &dyn Target,
        models: &[&dyn Model],
        noise: &Noise,
        chains: &mut Chains,
        mut observe: impl FnMut(Configs<'_>) -> Result<O>,
        mut clock: impl FnMut() -> f64,
    ) -> Result<TunedConnected> {
        for (place, got) in [("models", models.len()), ("times", self.times.len()), ("draws", self.draws.len())] {
            if got == 0 {
                return Err(Error::Entries { place: place.into(), expected: 1, got });
            }
        }
        let length = RunOptions { updates: self.updates, warm_up: 0, seed: self.seed, ..RunOptions::default() };
        let (mut trials, mut jumps, mut pool) = (vec![], vec![], Pool::default());
        for (model, &law) in models.iter().enumerate() {
            for &time in &self.times {
                let connected = Connected::new(law, noise.kernel(0.0, time)?)?;
                for &draws in &self.draws {
                    let dynamics = InnerDraws::new(connected.clone(), draws)?;
                    let before = observe(chains.x())?.table(chains.len());
                    let start = clock();
                    let found = length.run(target, &dynamics, chains, &mut observe)?;
                    let seconds = (clock() - start) / (self.updates * chains.len()) as f64;
                    let mut jump = Array1::<f64>::zeros(before.ncols());
                    let mut last = before;
                    if found.series.dim().2 != last.ncols() {
                        let (expected, got) =
                            (vec![chains.len(), last.ncols()], vec![chains.len(), found.series.dim().2]);
                        return Err(Error::Shape { field: "observables", expected, got });
                    }
                    for values in found.series.outer_iter() {
                        jump += &(&values - &last).mapv(|v| v * v).sum_axis(Axis(0));
                        pool.add(values);
                        last = values.to_owned();
                    }
                    jumps.push(jump / (self.updates * chains.len()) as f64);
                    let acceptance = found.report.acceptance();
                    trials.push(Trial { model, time, draws, acceptance, squared_jump: 0.0, seconds, rate: 0.0 });
                }
            }
        }
        let variance = pool.variance();
        for (trial, jump) in trials.iter_mut().zip(&jumps) {
            let relative = jump.iter().zip(&variance).filter(|(_, v)| **v > 0.0).map(|(j, v)| j / (2.0 * v));
            trial.squared_jump = relative.reduce(f64::min).unwrap_or(0.0);
            trial.rate = trial.squared_jump / trial.seconds.max(f64::MIN_POSITIVE);
        }
        let best = (0..trials.len()).fold(0, |best, i| if trials[i].rate > trials[best].rate { i } else { best });
        Ok(TunedConnected { trials, best })
    }
}

/// Values of the observables of all trials.
#[derive(Default)]
struct Pool {
    values: Vec<Vec<f64>>,
}

impl Pool {
    fn add(&mut self, values: ndarray::ArrayView2<'_, f64>) {
        self.values.resize(values.ncols(), vec![]);
        self.values.iter_mut().zip(values.columns()).for_each(|(all, v)| all.extend(v));
    }

    fn variance(&self) -> Vec<f64> {
        let of = |values: &Vec<f64>| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64
        };
        self.values.iter().map(of).collect()
    }
}
