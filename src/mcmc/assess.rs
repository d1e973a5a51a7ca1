//! How good a model is before any chain runs: its own draws and the log-weight tell.
//!
//! `KL(P_θ‖π) = E_P[log P − log π̃] + log Z`: the first term (a bound of `−log Z` from above) needs no
//! normaliser, the second is estimated by the mean weight, so the difference is *up to the error of* `log Z`,
//! which is too small where the model misses part of the target.

use ndarray::{Array1, ArrayView1};

use super::estimate::Estimate;
use super::importance::WeightSummary;
use crate::error::{Error, Result};
use crate::model::{Model, Target};
use crate::rng::Streams;

/// Draws at a time: configurations are not kept.
const BLOCK: usize = 8192;

/// A model as a proposal for a target.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Assessment {
    /// Draws of the model.
    pub draws: usize,
    /// Acceptance of the disconnected move in equilibrium, within the support of the model.
    pub acceptance: Estimate,
    /// Effective fraction of the draws under importance weights.
    pub ess_fraction: f64,
    /// Largest weight above the mean, `log max w/w̄`, in nats.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub max_log_weight: f64,
    /// `log Z` of the target by the mean weight, in nats.
    pub log_z: Estimate,
    /// `E_P[log P − log π̃]` in nats, at least `−log Z`; +∞ where draws leave the support of the target.
    pub free_energy: Estimate,
    /// Fraction of draws outside the support of the target.
    pub outside: f64,
}

impl Assessment {
    /// `KL(P_θ‖π)` in nats, up to the error of `log Z`.
    pub fn kl(&self) -> f64 {
        self.free_energy.mean + self.log_z.mean
    }

    /// From the log-weights `log π̃ − log P_θ` of independent draws, shape `(draws,)`.
    ///
    /// # Errors
    /// Fewer than two draws, log-weights NaN or +∞. Weights that are all zero are no error: acceptance 0,
    /// `log Z = −∞`.
    pub fn from_weights(log_w: ArrayView1<'_, f64>) -> Result<Self> {
        let n = log_w.len();
        let outside = log_w.iter().filter(|&&w| w == f64::NEG_INFINITY).count() as f64 / n as f64;
        let none = Estimate { mean: 0.0, error: 0.0 };
        let acceptance = match Estimate::stationary_acceptance(log_w) {
            Err(Error::ZeroWeight { .. }) => {
                let (log_z, free_energy) = (f64::NEG_INFINITY, f64::INFINITY);
                return Ok(Assessment {
                    draws: n,
                    acceptance: none,
                    ess_fraction: 0.0,
                    max_log_weight: f64::NEG_INFINITY,
                    log_z: Estimate { mean: log_z, ..none },
                    free_energy: Estimate { mean: free_energy, ..none },
                    outside,
                });
            }
            other => other?,
        };
        let weights = WeightSummary::of(log_w)?;
        let free_energy = if outside > 0.0 {
            Estimate { mean: f64::INFINITY, error: 0.0 }
        } else {
            let mean = log_w.sum() / n as f64;
            let square: f64 = log_w.iter().map(|w| (w - mean).powi(2)).sum();
            Estimate { mean: -mean, error: (square / (n as f64 * (n as f64 - 1.0))).sqrt() }
        };
        Ok(Assessment {
            draws: n,
            acceptance,
            ess_fraction: weights.fraction,
            max_log_weight: weights.max_log_relative,
            log_z: Estimate::log_mean_weight(log_w)?,
            free_energy,
            outside,
        })
    }

    /// Draws from the model and weighs the draws: acceptance, effective sample size and `KL(P_θ‖π)` before a
    /// run. Draw `i` uses row `i` of `streams`. Cost: one draw and one weight each.
    ///
    /// # Errors
    /// Fewer than two draws; lattices that do not fit; errors of model and target.
    pub fn of(target: &dyn Target, model: &dyn Model, draws: usize, streams: &Streams) -> Result<Self> {
        crate::configs::match_dims(target.dims(), model.dims())?;
        let mut log_w = Vec::with_capacity(draws.min(1 << 24));
        for first in (0..draws).step_by(BLOCK) {
            let samples = model.draw(BLOCK.min(draws - first), &streams.rows_from(first))?;
            log_w.extend(samples.log_importance_weights(target)?);
        }
        Assessment::from_weights(Array1::from(log_w).view())
    }
}
