//! Learning towards a known log-weight, from draws of any known density.
//!
//! For samples `x_i` of a density `m` (the model, or model and chains of the target mixed) the sums over all
//! configurations
//!
//! ```text
//! ½∇KL(π‖ψ²) = −Σ_x (π − ψ²) ∂log|ψ|     = −E_m[(π − ψ²)/(m ψ) φ],
//! ½∇‖√π − ψ‖² = −Σ_x (√π − ψ) ∂ψ          = −E_m[(√π − ψ)/m φ],         φ = ∂ψ/∂M,
//! ```
//!
//! have estimates whose noise vanishes where the model is right. For `m = P_θ` the first is
//! `−E_P[(w̄ − 1)∇log P]`, of heavy tails where `ψ` is small. The second is the way to the largest overlap
//! `⟨ψ|√π⟩`, that of an optimal truncation; in the orthonormal basis of a canonical centre `Σ_x φ φᵗ = 1`, so
//! a full step is the exact projection of `√π`, and with a share `s` of target samples in `m` an entry of the
//! estimate has at most the variance `1/(s n)`, however bad the model. Single samples of large
//! `|φ|²/(m n) = e²` (few, where `m` is small) would overshoot: each counts with the factor `1/(1 + e²)`.
//! Cost of a sweep: `6 N n χ²` multiply-adds and `2N` SVDs of `dχ × dχ`.
//!
//! `log Z` of the target comes from the same samples, by the bridge between both laws (Bennett 1976): the
//! root of `E_m[π/m] = 1`. References: METHODS of arXiv 2407.11133; overlap steps are those of variational
//! compression.

use ndarray::{Array1, ArrayView1};

use crate::error::{Error, Result};
use crate::learn::data::check_weights;
use crate::learn::interrupt::Interrupt;
use crate::learn::tensors::environments::Batch;
use crate::learn::tensors::gradient::Gradient;
use crate::learn::tensors::site_step::{Step, Toward, check_rate};
use crate::learn::tensors::sweep::{Amplitude, Cut, Sites};
use crate::mcmc::Estimate;
use crate::model::{BornMps, Configs};
use crate::tn::{Mps, Truncation};

/// A sweep towards a law.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TowardsStep {
    /// What is made small.
    pub toward: Toward,
    /// Fraction of the way to the optimum that the samples see, at each place, in (0, 1]; with fewer samples
    /// `n` than `p` numbers in the tensors `n/p` of that, or noise would feed on itself.
    pub rate: f64,
    /// Largest norm of the change at each place, relative to the norm of the amplitude.
    pub limit: f64,
    /// What each SVD may discard, and the largest bond.
    pub truncation: Truncation,
    /// Squares of singular values below this many times the noise of the samples are discarded too; 0 keeps
    /// them.
    pub significance: f64,
    /// Two sites a step, bonds adapt; or one site, bonds stay, `d` times cheaper.
    pub two_site: bool,
}

impl Default for TowardsStep {
    /// Two-site overlap steps of rate 0.5, bonds up to 32, changes up to 0.5.
    fn default() -> Self {
        let truncation = Truncation { max_bond: 32, cutoff: 1e-12 };
        TowardsStep { toward: Toward::Overlap, rate: 0.5, limit: 0.5, truncation, significance: 1.0, two_site: true }
    }
}

impl TowardsStep {
    pub(crate) fn check(&self) -> Result<()> {
        check_rate(self.rate, 1.0)?;
        self.truncation.check()?;
        if !(self.significance >= 0.0 && self.significance.is_finite()) {
            return Err(Error::parameter("significance", self.significance, "finite and not negative"));
        }
        if self.limit > 0.0 { Ok(()) } else { Err(Error::parameter("limit", self.limit, "above zero")) }
    }

    /// Moves a Born law towards the law of log-probabilities `log_target` (nats; −∞ allowed), one sweep to
    /// the right and back; returns the model and the squared weight that truncation discarded.
    ///
    /// `x`, shape `(samples, sites)`, are draws of a density with log-probabilities `log_density`,
    /// `(samples,)`, normalised as `log_target`.
    ///
    /// # Errors
    /// Configurations that do not fit; the wrong number of log-probabilities, NaN or +∞ among them, a density
    /// of zero; a step out of range; [`Error::NoConvergence`] of an SVD.
    pub fn apply(
        &self,
        model: &BornMps,
        x: Configs<'_>,
        log_target: ArrayView1<'_, f64>,
        log_density: ArrayView1<'_, f64>,
    ) -> Result<(BornMps, f64)> {
        self.towards(model, x, (log_target, log_density), None)
    }

    /// [`TowardsStep::apply`] that may be interrupted.
    pub(crate) fn towards(
        &self,
        model: &BornMps,
        x: Configs<'_>,
        (log_target, log_density): (ArrayView1<'_, f64>, ArrayView1<'_, f64>),
        interrupt: Option<&Interrupt>,
    ) -> Result<(BornMps, f64)> {
        self.check()?;
        let (t, logs) = checked(model, x, log_target, log_density)?;
        let n = x.nrows() as f64;
        let mut amplitude = Amplitude::resume(model.amplitude().tensors().to_vec());
        let bond = model.amplitude().max_bond().max(self.truncation.max_bond.min(256));
        let mut batch = Batch::new(x, &t, bond)?;
        batch.scale(&logs);
        let numbers: usize = model.amplitude().tensors().iter().map(|a| a.len()).sum();
        let rate = self.rate * (n / numbers as f64).min(1.0);
        let local = Step::Towards { toward: self.toward, rate, limit: self.limit, significance: self.significance };
        let cut = Cut { truncation: self.truncation, noise: 0.0 };
        let sites = if self.two_site { Sites::Two } else { Sites::One };
        let report = amplitude.sweep(&mut batch, &local, sites, &cut, interrupt)?;
        Ok((BornMps::from_right_canonical(amplitude.tensors().to_vec())?, report.discarded))
    }
}

/// `√(π/m)/√n` and `−½ log(n m)` of checked samples: target amplitudes, and logarithms by which those of the
/// model are scaled alike.
pub(crate) fn checked(
    model: &BornMps,
    x: Configs<'_>,
    log_target: ArrayView1<'_, f64>,
    log_density: ArrayView1<'_, f64>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let relative = relative(log_target, log_density)?;
    check_weights(x, model.single_amplitude()?.dims(), relative.view())?;
    if x.nrows() == 0 {
        return Err(Error::TooFewSamples { needed: 1, got: 0 });
    }
    let n = x.nrows() as f64;
    let logs = log_density.iter().map(|m| -0.5 * (m + n.ln())).collect();
    Ok((relative.mapv(|r| r / n.sqrt()).to_vec(), logs))
}

/// `√(π/m)`, checked.
fn relative(log_target: ArrayView1<'_, f64>, log_density: ArrayView1<'_, f64>) -> Result<Array1<f64>> {
    if log_target.len() != log_density.len() {
        return Err(Error::SampleCount { expected: log_density.len(), got: log_target.len() });
    }
    let mut out = Array1::zeros(log_target.len());
    for (row, (&p, &m)) in log_target.iter().zip(log_density).enumerate() {
        if p.is_nan() || p == f64::INFINITY {
            return Err(Error::LogWeight { row, value: p });
        }
        if !m.is_finite() {
            return Err(Error::LogWeight { row, value: m });
        }
        out[row] = (0.5 * (p - m)).exp();
    }
    Ok(out)
}

impl Gradient {
    /// `∇KL(π‖P_θ) ≈ −(1/n) Σ_i (w̄_i − 1) ∇log P_θ(x_i)` with respect to the tensors of `ψ`, from draws
    /// `x_i` of `P_θ = ψ²/Z` and their log-weights `log π̃ − log P_θ` (any constant; −∞ allowed),
    /// `w̄ = w/mean w`. Its value is `Σ (w̄ − 1) log P/n`, of which it is minus the gradient at fixed
    /// samples.
    ///
    /// # Errors
    /// As [`Gradient::born`]; fewer than two draws, log-weights NaN or +∞, or all zero.
    pub fn born_kl(psi: &Mps, x: Configs<'_>, log_w: ArrayView1<'_, f64>) -> Result<Gradient> {
        let mean = Estimate::log_mean_weight(log_w)?.mean;
        let n = log_w.len() as f64;
        let mut gradient = Gradient::born(psi, x, log_w.mapv(|w| ((w - mean).exp() - 1.0) / n).view())?;
        gradient.tensors.iter_mut().for_each(|g| g.mapv_inplace(|v| -v));
        Ok(gradient)
    }
}
