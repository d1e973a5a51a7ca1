//! Averages with errors: of correlated series, and of independent draws with importance weights.
//!
//! Series: `ā ± √(σ² 2τ/n)`, `τ` the integrated autocorrelation time of [`Autocorrelation::of`]. Weights
//! `w = e^{log w}`, `log w = log π̃ − log q`, of independent draws from `q`: self-normalised average
//! `ā = Σwf/Σw ± √(Σw²(f−ā)²)/Σw` and free energy `log Z = log(Σw/n) ± √(Var w/n)/w̄`, both errors by the
//! delta method (Owen, Monte Carlo theory, methods and examples, §9). Errors of weighted averages are
//! themselves estimates: see [`WeightSummary`](super::importance::WeightSummary) before trusting them.

use ndarray::{ArrayView1, ArrayView2};

use super::diagnostics::{Autocorrelation, check_finite, scaled};
use super::quantiles::student_quantile;
use crate::error::{Error, Result};
use crate::linalg::scale_by_power;

/// An estimate with its standard error.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
pub struct Estimate {
    /// Estimate.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub mean: f64,
    /// Standard error.
    #[cfg_attr(feature = "serde", serde(with = "crate::extended"))]
    pub error: f64,
}

impl Estimate {
    /// Self-normalised average `Σ w f / Σ w` over independent draws with log-weights `log_weight` (any common
    /// constant).
    ///
    /// # Errors
    /// Fewer than two draws, different lengths, a log-weight NaN or +∞, a value not finite, or all weights
    /// zero.
    pub fn importance_mean(log_weight: ArrayView1<'_, f64>, f: ArrayView1<'_, f64>) -> Result<Self> {
        if f.len() != log_weight.len() {
            return Err(Error::SampleCount { expected: log_weight.len(), got: f.len() });
        }
        check_finite(f.iter())?;
        let Scaled { w, .. } = Scaled::new(log_weight)?;
        let sum: f64 = w.iter().sum();
        let mean = w.iter().zip(f).map(|(w, f)| w * f).sum::<f64>() / sum;
        let square: f64 = w.iter().zip(f).map(|(w, f)| (w * (f - mean)).powi(2)).sum();
        Ok(Estimate { mean, error: square.sqrt() / sum })
    }

    /// `log (1/n) Σ w`: the log of the partition function, in nats, from independent draws with
    /// `log w = log π̃ − log q`.
    ///
    /// # Errors
    /// Fewer than two draws, a log-weight NaN or +∞, or all weights zero.
    pub fn log_mean_weight(log_weight: ArrayView1<'_, f64>) -> Result<Self> {
        let Scaled { w, max } = Scaled::new(log_weight)?;
        let Estimate { mean, error } = mean_of_draws(&w);
        Ok(Estimate { mean: max + mean.ln(), error: error / mean })
    }
}

/// Mean of a correlated series.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct SeriesMean {
    /// Mean.
    pub mean: f64,
    /// Standard error `√(σ²/ESS)`; itself too small where [`Autocorrelation::lower_bound`] is set.
    pub error: f64,
    /// Variance `σ²` of single values.
    pub variance: f64,
    /// Autocorrelation time and effective sample size.
    pub autocorrelation: Autocorrelation,
}

impl SeriesMean {
    /// Mean over time and chains of a series of shape `(records, chains)`, with its error from the
    /// autocorrelation time.
    ///
    /// A constant series has error 0 and an autocorrelation time marked as a lower bound.
    ///
    /// # Errors
    /// An empty series, fewer than two values, values that are not finite, or [`Error::NotFinite`] for a
    /// variance beyond `f64`.
    pub fn of(series: ArrayView2<'_, f64>) -> Result<Self> {
        let autocorrelation = Autocorrelation::of(series)?;
        let n = series.len();
        if n < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: n });
        }
        let (series, e) = scaled(series);
        let mean = series.sum() / n as f64;
        let variance = series.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
        let error = (variance / autocorrelation.ess).sqrt();
        let in_units = |mut value: f64, e| {
            scale_by_power([&mut value], e);
            value
        };
        let (mean, error, variance) = (in_units(mean, e), in_units(error, e), in_units(variance, 2 * e));
        if !variance.is_finite() {
            return Err(Error::NotFinite { field: "variance", site: 0, value: variance });
        }
        Ok(SeriesMean { mean, error, variance, autocorrelation })
    }

    /// Half the width of the interval about the mean that covers the exact one with probability `confidence`.
    ///
    /// `t·error`, `t` the quantile of Student's law: an error from a sum of correlations up to lag `W` is
    /// itself known to `error/√(2ν)` only, `ν = n/(2W+1)` degrees of freedom (relative variance `2(2W+1)/n`
    /// of τ: Madras, Sokal, J. Stat. Phys. 50, 109). Of 100τ records some ten are left, and `t` is 2.2 at
    /// 95 % in the place of 1.96. It is too small where [`Autocorrelation::lower_bound`] is set. `ν` below
    /// three counts as three, and `t` is an expansion: too small by 1 % at 99 % and by 4 % at 99.9 % where
    /// `ν` is three, exact enough from ten on. A constant series has width zero.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a confidence outside (0, 1 − 10⁻¹⁰).
    ///
    /// # Examples
    /// ```
    /// use ndarray::Array2;
    /// use tensorjump::mcmc::SeriesMean;
    ///
    /// let series = Array2::from_shape_fn((400, 1), |(t, _)| ((t * t) % 7) as f64);
    /// let mean = SeriesMean::of(series.view())?;
    /// println!("{} ± {} (95 %)", mean.mean, mean.half_width(0.95)?);
    /// # assert!(mean.half_width(0.95)? > 1.96 * mean.error);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn half_width(&self, confidence: f64) -> Result<f64> {
        // Beyond, the quantile is no number.
        if !(confidence > 0.0 && confidence < 1.0 - 1e-10) {
            return Err(Error::parameter("confidence", confidence, "above 0 and below 1 - 1e-10"));
        }
        let Autocorrelation { tau, ess, window, .. } = self.autocorrelation;
        let freedom = 2.0 * tau * ess / (2 * window + 1) as f64;
        Ok(student_quantile(confidence, freedom) * self.error)
    }
}

/// Mean and standard error of independent values, at least two.
pub(super) fn mean_of_draws(w: &[f64]) -> Estimate {
    let n = w.len() as f64;
    let mean = w.iter().sum::<f64>() / n;
    let square: f64 = w.iter().map(|w| (w - mean).powi(2)).sum();
    Estimate { mean, error: (square / (n * (n - 1.0))).sqrt() }
}

/// Weights divided by the largest one: neither over- nor underflow where it matters.
pub(super) struct Scaled {
    /// `e^{log w − max}`.
    pub(super) w: Vec<f64>,
    /// The largest log-weight.
    pub(super) max: f64,
}

impl Scaled {
    /// Checks and scales.
    pub(super) fn new(log_weight: ArrayView1<'_, f64>) -> Result<Self> {
        if log_weight.len() < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: log_weight.len() });
        }
        if let Some(row) = log_weight.iter().position(|v| v.is_nan() || *v == f64::INFINITY) {
            return Err(Error::LogWeight { row, value: log_weight[row] });
        }
        let max = log_weight.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if max == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "the importance sample" });
        }
        Ok(Scaled { w: log_weight.iter().map(|v| (v - max).exp()).collect(), max })
    }
}

/// `log Z` of a target from log-weights `log π̃ − log P` of draws of the model `P` and of configurations that
/// chains of the target visited: Bennett's bridge, the root of `Σ_i π_i/(n_P P_i + n_π π_i) = 1`. −∞ is
/// allowed for draws of the model, +∞ for the chains.
///
/// Without chains it is the mean weight; where no draw of the model has weight, the mean log-weight of the
/// chains (an upper bound of `log Z`).
///
/// # Errors
/// No log-weights, NaN among them, +∞ for draws or −∞ for chains; nothing that tells (all weights zero or
/// infinite).
pub fn bridge(draws: ArrayView1<'_, f64>, chains: ArrayView1<'_, f64>) -> Result<f64> {
    for (values, refused) in [(draws, f64::INFINITY), (chains, f64::NEG_INFINITY)] {
        if let Some(row) = values.iter().position(|&w| w.is_nan() || w == refused) {
            return Err(Error::LogWeight { row, value: values[row] });
        }
    }
    let finite = || draws.iter().chain(chains).copied().filter(|w| w.is_finite());
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), w| (w.min(l), w.max(h)));
    if low > high {
        return Err(Error::ZeroWeight { what: "the samples of model and chains" });
    }
    let (n, k) = (draws.len() as f64, chains.len() as f64);
    if !draws.iter().any(|w| w.is_finite()) {
        return Ok(finite().sum::<f64>() / finite().count() as f64);
    }
    let excess = |log_z: f64| {
        let term = |w: &f64| 1.0 / (k + n * (log_z - w).exp());
        draws.iter().chain(chains).map(term).sum::<f64>() - 1.0
    };
    let mut step = 1.0 + (n + k).ln();
    let (mut low, mut high) = (low - step, high + step);
    while excess(low) < 0.0 && step < 1e6 {
        step *= 2.0;
        low -= step;
    }
    while high - low > 1e-7 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break; // nothing lies between, as where log Z is beyond 1e9
        }
        if excess(middle) > 0.0 { low = middle } else { high = middle }
    }
    Ok(0.5 * (low + high))
}
