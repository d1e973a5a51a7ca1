//! Noised laws and exact denoising.

use ndarray::{Array1, Array2, ArrayView2};

use super::bridge::Bridge;
use super::scores::Scores;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, ExactModel, Model, Samples, check_configs};
use crate::noise::{Kernel, Noise};
use crate::rng::Streams;

/// Denoising to time 0, for every [`Model`] under the law that it draws from.
pub trait Denoise: Model {
    /// Draws `x_0 ~ P(· | x_t = y)` for each row of `y`, with its log-probability in nats.
    ///
    /// Row `i` uses stream `i` (domain `"denoise"`), so that a plain draw, its noise and its denoising may
    /// share one `Streams`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the kernel does not fit the model;
    /// configurations out of range; [`Error::ZeroEvidence`] naming a row that the model cannot have produced.
    fn denoise(&self, kernel: &Kernel, y: Configs<'_>, streams: &Streams) -> Result<Samples> {
        match_dims(self.dims(), kernel.dims_in())?;
        self.sample(&kernel.likelihood(y), y.nrows(), &streams.domain("denoise"))
    }

    /// `log P(x_0 | x_t = y)` in nats for each pair of rows, shape `(samples,)`: bit for bit what
    /// [`Denoise::denoise`] returns.
    ///
    /// # Errors
    /// As [`Denoise::denoise`].
    fn denoise_log_prob(&self, kernel: &Kernel, x_0: Configs<'_>, y: Configs<'_>) -> Result<Array1<f64>> {
        match_dims(self.dims(), kernel.dims_in())?;
        self.log_prob_given(x_0, &kernel.likelihood(y))
    }
}

impl<M: Model + ?Sized> Denoise for M {}

/// A path through chained denoising, times descending.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Trajectory {
    /// The times, descending.
    pub times: Vec<f64>,
    /// Configurations at these times, shape `(samples, sites)` each; the first is the start.
    pub states: Vec<Array2<u8>>,
    /// `log P(path | start)` in nats, shape `(samples,)`.
    pub log_prob: Array1<f64>,
}

/// Everything that exact evidence and cavities add: noised laws, intermediate times, scores.
pub trait ExactDiffusion: ExactModel {
    /// `log P_t(y)` of the noised law in nats, shape `(samples,)`; −∞ where `y` is impossible.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the kernel does not fit the model;
    /// configurations out of range.
    fn noised_log_prob(&self, kernel: &Kernel, y: Configs<'_>) -> Result<Array1<f64>> {
        match_dims(self.dims(), kernel.dims_in())?;
        self.log_evidence(&kernel.likelihood(y))
    }

    /// Draws `x_s ~ P(· | x_t = y)` for each row of `y`, `0 ≤ s ≤ t`, with its log-probability in nats: `x_0`
    /// first, then the site bridge to `s`.
    ///
    /// # Errors
    /// As [`Denoise::denoise`].
    fn denoise_to(&self, bridge: &Bridge, y: Configs<'_>, streams: &Streams) -> Result<Samples> {
        let x_0 = self.denoise(bridge.whole(), y, streams)?.x;
        let x = bridge.sample(x_0.view(), y, streams)?;
        let log_prob = self.denoise_to_log_prob(bridge, x.view(), y)?;
        Ok(Samples { x, log_prob })
    }

    /// `log P(x_s | x_t = y) = log P_s(x_s) + Σ_j log K_{s→t}(x_s^j → y_j) − log P_t(y)` in nats, shape
    /// `(samples,)`.
    ///
    /// # Errors
    /// As [`Denoise::denoise`].
    fn denoise_to_log_prob(&self, bridge: &Bridge, x_s: Configs<'_>, y: Configs<'_>) -> Result<Array1<f64>> {
        let transition = bridge.s_to_t().log_prob(x_s, y)?;
        let evidence = self.noised_log_prob(bridge.whole(), y)?;
        if let Some(row) = evidence.iter().position(|v| *v == f64::NEG_INFINITY) {
            return Err(Error::ZeroEvidence { row });
        }
        Ok(self.noised_log_prob(bridge.to_s(), x_s)? + transition - evidence)
    }

    /// Denoises step by step through descending times `t_K > … > t_0 ≥ 0` from `y` at `t_K`: the exact law of
    /// the reverse process at these times, so that the last state has the law of a single step. At `t_0 = 0`
    /// it is a clean configuration.
    ///
    /// Step `k` uses `streams.step(k)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two times, or one that is negative or NaN; [`Error::TimeOrder`]
    /// where they do not descend; otherwise as [`Denoise::denoise`]. Times are checked before anything is
    /// drawn.
    fn denoise_through(&self, noise: &Noise, times: &[f64], y: Configs<'_>, streams: &Streams) -> Result<Trajectory> {
        if times.len() < 2 {
            return Err(Error::parameter("number of times", times.len(), "at least two"));
        }
        for pair in times.windows(2) {
            noise.schedule().elapsed(pair[1], pair[0])?;
            if pair[1] == pair[0] {
                return Err(Error::TimeOrder { s: pair[1], t: pair[0] });
            }
        }
        check_configs(y, noise.dims_at(times[0]))?;
        let mut path =
            Trajectory { times: times.to_vec(), states: vec![y.to_owned()], log_prob: Array1::zeros(y.nrows()) };
        for (k, pair) in times.windows(2).enumerate() {
            let (t, s) = (pair[0], pair[1]);
            let streams = streams.step(k as u64);
            let now: ArrayView2<'_, u8> = path.states[k].view();
            let next = if s == 0.0 {
                self.denoise(&noise.kernel(0.0, t)?, now, &streams)?
            } else {
                self.denoise_to(&Bridge::of(noise, s, t)?, now, &streams)?
            };
            path.log_prob += &next.log_prob;
            path.states.push(next.x);
        }
        Ok(path)
    }

    /// Cavities of the model behind each row of `y`, ready to be converted: see [`Scores`].
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the kernel does not fit the model; errors of
    /// [`ExactModel::cavities`].
    fn scores<'a>(&self, kernel: &'a Kernel, y: Configs<'a>) -> Result<Scores<'a>> {
        match_dims(self.dims(), kernel.dims_in())?;
        Scores::from_cavities(kernel, y, self.cavities(&kernel.likelihood(y))?)
    }
}

impl<M: ExactModel + ?Sized> ExactDiffusion for M {}
