//! Whether the draws of a law have the weight that the contraction says.
//!
//! For rows drawn with `q(s_r | s_{r−1})` the weight of a configuration is
//!
//! ```text
//! log w = log π̃ − log q = log Z + Σ_{r≥1} [log N_r(s_{r−1}) − log E_{r−1}(s_{r−1})],
//! ```
//!
//! `N_r` the normalisation found in row `r`, `E_{r−1}` what the row above was told of it. Where the states
//! have lost the rows that decide, the two differ by the energy that is missing, and yet all weights may
//! agree with each other: an effective sample size of one with a wrong evidence. So some draws are weighed
//! when a law is made.

use super::draws::block::{Answer, Work};
use crate::error::Result;
use crate::lattice::square::pair::PairModel;
use crate::log_space::log_sum_exp;
use crate::model::Target;
use crate::rng::Streams;

/// Configurations drawn for the comparison.
const DRAWS: usize = 128;
/// Largest difference of the log-weight of a draw from `log Z`, in nats, for a law that single precision
/// holds: a hundred roundings.
const EXACT: f64 = 1e-5;
/// Difference of the evidence from `log Z` that is never an objection, in nats.
const CLOSE: f64 = 0.01;
/// Effective fraction below which the weights themselves say that the law is a poor one.
const PLAIN: f64 = 0.5;

/// Log-weights of some draws.
pub(super) struct Evidence {
    log_w: Vec<f64>,
    /// Logarithm of the mean weight.
    mean: f64,
    /// What it may differ from `log Z`: five standard errors, and what the law may lack that shows in its
    /// weights.
    allowed: f64,
    /// Effective fraction.
    fraction: f64,
}

impl Evidence {
    /// Of a law that answers by `answer`.
    ///
    /// # Errors
    /// Those of the model.
    pub(super) fn of(model: &PairModel, answer: impl Fn(Work<'_>) -> Answer) -> Result<Self> {
        let Answer { x, log_prob, .. } = answer(Work::Draw(DRAWS, &Streams::new(0).domain("evidence")));
        let log_w: Vec<f64> = (model.log_weight(x.view())? - log_prob).to_vec();
        let n = DRAWS as f64;
        let mean = log_sum_exp(&log_w) - n.ln();
        // Σ (w/w̄)²/n = n/ESS.
        let square = if mean.is_finite() {
            log_w.iter().map(|w| (2.0 * (w - mean)).exp()).sum::<f64>() / n
        } else {
            f64::INFINITY
        };
        let spread = (square - 1.0).max(0.0);
        let allowed = CLOSE + 5.0 * (spread / n).sqrt() + 0.5 * spread;
        Ok(Evidence { log_w, mean, allowed, fraction: 1.0 / square })
    }

    /// Whether every draw has the weight `log_z`, as under the exact law.
    pub(super) fn is_exact(&self, log_z: f64) -> bool {
        self.log_w.iter().all(|w| (w - log_z).abs() <= EXACT)
    }

    /// Whether the draws lack nothing of `log_z` that does not show in their weights. A law that misses
    /// configurations has less evidence than the model; more evidence than a truncated contraction is an
    /// error of the contraction, and so far from an objection.
    pub(super) fn reaches(&self, log_z: f64) -> bool {
        self.mean >= log_z - self.allowed
    }

    /// Whether the evidence is `log_z`, both ways.
    pub(super) fn agrees(&self, log_z: f64) -> bool {
        (self.mean - log_z).abs() <= self.allowed
    }

    /// Whether the spread of the weights says that the law is poor.
    pub(super) fn is_plain(&self) -> bool {
        self.fraction < PLAIN
    }
}
