//! How good a model is as a proposal: importance weights, stationary acceptance, and whether it covers the
//! target at all.
//!
//! With `w = π/P_θ`: effective sample size `(Σw)²/Σw²`; acceptance of the disconnected move in equilibrium
//! `E_{x~π, x'~P_θ} min(1, w(x')/w(x)) = E_{P_θ×P_θ} min(w, w') / E w`; missing mass
//! `π{log π − log P_θ > κ}`, which acceptance does not show: a model without support on half of `π` may have
//! acceptance 1. Cost: `O(n log n)` at most.

use ndarray::{Array1, ArrayView1};

use super::estimate::{Estimate, Scaled, mean_of_draws};
use crate::error::{Error, Result};
use crate::model::{Samples, Target};

/// Spread of importance weights.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct WeightSummary {
    /// Effective number of draws, `(Σw)²/Σw²`.
    pub ess: f64,
    /// Effective fraction, `ess / n`.
    pub fraction: f64,
    /// Largest log-weight as given, in nats.
    pub max_log_weight: f64,
    /// Largest log-weight above the log of the mean weight: `log max w/w̄`, at most `log n`.
    pub max_log_relative: f64,
}

impl WeightSummary {
    /// Effective sample size and largest weight of independent draws.
    ///
    /// # Errors
    /// Fewer than two draws, a log-weight NaN or +∞, or all weights zero.
    pub fn of(log_weight: ArrayView1<'_, f64>) -> Result<Self> {
        let Scaled { w, max } = Scaled::new(log_weight)?;
        let n = w.len() as f64;
        let sum: f64 = w.iter().sum();
        let ess = sum * sum / w.iter().map(|w| w * w).sum::<f64>();
        Ok(WeightSummary { ess, fraction: ess / n, max_log_weight: max, max_log_relative: (n / sum).ln() })
    }
}

impl Estimate {
    /// Acceptance of the disconnected move in equilibrium, from the log-weights of independent draws of the
    /// model: `Σ_{i≠j} min(w_i, w_j) / ((n−1) Σ w)`, with the error of this ratio by the delta method.
    /// `O(n log n)`.
    ///
    /// Configurations that the model never draws do not enter: it is the acceptance within its support.
    ///
    /// # Errors
    /// Fewer than two draws, a log-weight NaN or +∞, or all weights zero.
    pub fn stationary_acceptance(log_weight: ArrayView1<'_, f64>) -> Result<Self> {
        let Scaled { mut w, .. } = Scaled::new(log_weight)?;
        w.sort_unstable_by(f64::total_cmp);
        let n = w.len();
        let mean = w.iter().sum::<f64>() / n as f64;
        // m_i = mean of min(w_i, w_j) over j ≠ i: the smaller ones, and w_i for each larger one.
        let mut below = 0.0;
        let m: Vec<f64> = w
            .iter()
            .enumerate()
            .map(|(i, &w)| {
                let m = (below + w * (n - 1 - i) as f64) / (n - 1) as f64;
                below += w;
                m
            })
            .collect();
        let pairs = m.iter().sum::<f64>() / n as f64;
        let acceptance = pairs / mean;
        // Influence of draw i on the ratio of a pair average (hence the 2) and an average.
        let influence =
            m.iter().zip(&w).map(|(m, w)| ((2.0 * (m - pairs) - acceptance * (w - mean)) / mean).powi(2)).sum::<f64>();
        Ok(Estimate { mean: acceptance, error: influence.sqrt() / n as f64 })
    }

    /// Missing mass `π{log π − log P_θ > κ}` from exact or independent draws of `π`, given the
    /// log-probabilities (both normalised) of each draw under target and model; `κ = ∞` counts only draws
    /// with `P_θ = 0`.
    ///
    /// The error is binomial, `√(p̃(1−p̃)/n)` with Laplace's `p̃ = (k+1)/(n+2)`, so that finding none in `n`
    /// is not error 0.
    ///
    /// # Errors
    /// No draws, different lengths, κ NaN or −∞, a target log-probability that is not finite (π drew it), a
    /// model log-probability that is NaN or +∞.
    pub fn missing_mass(kappa: f64, log_target: ArrayView1<'_, f64>, log_model: ArrayView1<'_, f64>) -> Result<Self> {
        let n = log_target.len();
        if kappa.is_nan() || kappa == f64::NEG_INFINITY {
            return Err(Error::parameter("kappa", kappa, "a number of nats, or +∞"));
        }
        if n == 0 {
            return Err(Error::TooFewSamples { needed: 1, got: 0 });
        }
        if log_model.len() != n {
            return Err(Error::SampleCount { expected: n, got: log_model.len() });
        }
        let mut missing = 0usize;
        for (row, (&p, &q)) in log_target.iter().zip(log_model).enumerate() {
            if !p.is_finite() {
                return Err(Error::LogWeight { row, value: p });
            }
            if q.is_nan() || q == f64::INFINITY {
                return Err(Error::LogWeight { row, value: q });
            }
            missing += usize::from(q == f64::NEG_INFINITY || p - q > kappa);
        }
        let (k, n) = (missing as f64, n as f64);
        let smoothed = (k + 1.0) / (n + 2.0);
        Ok(Estimate { mean: k / n, error: (smoothed * (1.0 - smoothed) / n).sqrt() })
    }

    /// `E_{P_θ}[π/P_θ] = π(supp P_θ)` from draws of the model with *normalised* log-weights
    /// `log π − log P_θ`: one minus the missing mass at κ = ∞, measured without draws of `π`.
    ///
    /// # Errors
    /// Fewer than two draws, or a log-weight NaN or +∞.
    pub fn supported_mass(log_weight: ArrayView1<'_, f64>) -> Result<Self> {
        match Scaled::new(log_weight) {
            Ok(Scaled { w, max }) => {
                let Estimate { mean, error } = mean_of_draws(&w);
                Ok(Estimate { mean: mean * max.exp(), error: error * max.exp() })
            }
            Err(Error::ZeroWeight { .. }) => Ok(Estimate { mean: 0.0, error: 0.0 }),
            Err(error) => Err(error),
        }
    }
}

impl Samples {
    /// `log w = log π̃ − log q` of these draws from `q`, shape `(samples,)`; −∞ outside the support of the
    /// target.
    ///
    /// # Errors
    /// Errors of the target; [`Error::LogWeight`] where a draw has log-probability −∞ or the difference is
    /// NaN or +∞.
    pub fn log_importance_weights(&self, target: &dyn Target) -> Result<Array1<f64>> {
        let log_weight = target.log_weight(self.x.view())?;
        for got in [log_weight.len(), self.log_prob.len()] {
            if got != self.x.nrows() {
                return Err(Error::SampleCount { expected: self.x.nrows(), got });
            }
        }
        if let Some(row) = self.log_prob.iter().position(|q| !q.is_finite()) {
            return Err(Error::LogWeight { row, value: self.log_prob[row] });
        }
        let log_w = log_weight - &self.log_prob;
        match log_w.iter().position(|w| w.is_nan() || *w == f64::INFINITY) {
            None => Ok(log_w),
            Some(row) => Err(Error::LogWeight { row, value: log_w[row] }),
        }
    }
}
