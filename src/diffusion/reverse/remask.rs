//! Steps under masks that mask some sites again (ReMDM, arXiv 2503.00307);
//! `α = K_{0→·}(a → a)`, `c` the cavities:
//!
//! ```text
//! masked         a with [(α_s − (1 − σ)α_t)/(1 − α_t)] c_j(a), masked with (1 − α_s − σα_t)/(1 − α_t)
//! not masked     masked with σ, else as it is                     0 ≤ σ ≤ σ_max = min(1, (1 − α_s)/α_t)
//! ```
//!
//! The marginals of each site given its clean state are those of the noise for every `σ` that is the same
//! on masked and other sites; by confidence, where masked sites have `σ = 0`, they are not. At `σ = 0` the
//! step is the analytical one. At a `σ` that does not shrink with the step every step masks and draws a
//! share of the sites again, at once: with exact marginals the error then falls slower than in the
//! analytical step, as a power of some 0.3 on grids that end at `δ > 0`, of some 0.6 on those that end at
//! 0, at `σ = σ_max/2` (three and four sites, 8 to 128 steps). Sites with other noise take the analytical
//! step.

use ndarray::{Array2, Array3};

use super::step_law::StepLaw;
use crate::diffusion::denoiser::{Denoiser, cavities_of};
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::Noise;

/// How many of the sites that are not masked a step masks again.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Remask {
    /// `σ = min(η, σ_max)`.
    Cap(f64),
    /// `σ = ησ_max`, `η ≤ 1`.
    Rescale(f64),
    /// `σ_j = ησ_max e^{−c_j(y_j)} / Σ_i e^{−c_i(y_i)}` over the sites that are not masked: the less probable
    /// a symbol is by its neighbours the more often it goes. The source takes the probability that the symbol
    /// had when it was drawn; that of the present neighbours leaves the process without memory.
    Confidence(f64),
}

impl Remask {
    pub(super) fn check(self) -> Result<()> {
        let (Remask::Cap(eta) | Remask::Rescale(eta) | Remask::Confidence(eta)) = self;
        match (0.0..=1.0).contains(&eta) {
            true => Ok(()),
            false => Err(Error::parameter("eta", eta, "between 0 and 1")),
        }
    }

    /// Turns the law of the analytical step into that with masking.
    pub(super) fn over(
        self,
        noise: &Noise,
        (s, t): (f64, f64),
        y: Configs<'_>,
        cavities: &Array3<f64>,
        analytical: StepLaw,
    ) -> Result<StepLaw> {
        let (to_s, s_to_t, to_t) = (noise.kernel(0.0, s)?, noise.kernel_between(s, t)?, noise.kernel(0.0, t)?);
        let mut law = analytical;
        let can_be_masked = |j: usize| noise.dims_out()[j] > noise.dims_in()[j];
        for (row, y) in y.outer_iter().enumerate() {
            let open = |j: usize| can_be_masked(j) && usize::from(y[j]) < noise.dims_in()[j];
            // Only sites that are not masked are looked up.
            let doubt = |j: usize| (-cavities[[row, j, usize::from(y[j])]]).exp();
            let total: f64 = (0..y.len()).filter(|&j| open(j)).map(doubt).sum();
            for j in (0..y.len()).filter(|&j| can_be_masked(j)) {
                let mask = noise.dims_in()[j];
                let (signal_s, signal_t) = (to_s.table(j)[[0, 0]], to_t.table(j)[[0, 0]]);
                let (masked_s, masked_t) = (to_s.table(j)[[0, mask]], to_t.table(j)[[0, mask]]);
                let most = if masked_s < signal_t { masked_s / signal_t } else { 1.0 };
                let sigma = match self {
                    Remask::Cap(eta) => most.min(eta),
                    Remask::Rescale(eta) => eta * most,
                    Remask::Confidence(eta) if open(j) => eta * most * doubt(j) / total,
                    Remask::Confidence(_) => 0.0,
                };
                let mut law = law.marginals.slice_mut(ndarray::s![row, j, ..]);
                if open(j) {
                    law *= 1.0 - sigma;
                    law[mask] = sigma;
                } else if sigma > 0.0 && masked_t > 0.0 {
                    // α_s − α_t without cancellation.
                    let before = signal_s * s_to_t.table(j)[[0, mask]];
                    let jumps = (before + sigma * signal_t) / masked_t;
                    if before > 0.0 {
                        law *= jumps * masked_t / before;
                    }
                    law[mask] = (1.0 - jumps).max(0.0);
                }
            }
        }
        Ok(law)
    }
}

/// The law of one round of [`Corrector::Remask`](super::Corrector::Remask) at time `s`.
///
/// # Errors
/// [`Error::ZeroEvidence`] for a symbol that its neighbours exclude; [`Error::Negative`] for cavities that
/// are no laws; errors of the denoiser.
pub(crate) fn remask_at<D: Denoiser + ?Sized>(denoiser: &D, eta: f64, s: f64, y: Configs<'_>) -> Result<StepLaw> {
    let (noise, cavities) = (denoiser.noise(), cavities_of(denoiser, s, y)?);
    let (dims, kernel) = (noise.dims_in(), noise.kernel(0.0, s)?);
    let d_max = noise.dims_out().iter().copied().max().unwrap_or(0);
    let mut marginals = Array3::zeros((y.nrows(), y.ncols(), d_max));
    for ((row, j), &b) in y.indexed_iter() {
        let (b, c) = (usize::from(b), cavities.slice(ndarray::s![row, j, ..dims[j]]));
        let mut law = marginals.slice_mut(ndarray::s![row, j, ..]);
        if noise.dims_out()[j] == dims[j] {
            law[b] = 1.0;
            continue;
        }
        let mask = dims[j];
        let (signal, masked) = (kernel.table(j)[[0, 0]], kernel.table(j)[[0, mask]]);
        let sigma = if masked < signal { eta.min(masked / signal) } else { eta };
        if b < mask {
            if c[b] <= 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            law[b] = 1.0 - sigma;
            law[mask] += sigma;
        } else {
            if let Some(&value) = c.iter().find(|p| **p < 0.0) {
                return Err(Error::Negative { field: "cavities of remasking", site: j, value });
            }
            let drawn = sigma * signal / masked;
            law.slice_mut(ndarray::s![..mask]).assign(&(&c * drawn));
            law[mask] = 1.0 - drawn;
        }
    }
    Ok(StepLaw { marginals, excess: Array2::zeros(y.dim()) })
}
