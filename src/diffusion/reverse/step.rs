//! One step of a reverse process from `t` to `s`; `Δτ = ∫_s^t β`, products over the sites given `y`:
//!
//! ```text
//! λ_j(b)      = Δτ Q_j(b → y_j) p_j(b) / p_j(y_j)               rates at t times the step
//! Euler         P(b) = λ(b),          stays with 1 − Σλ         (LBJF of arXiv 2205.14987)
//! τ-leaping     P(b) = λ(b) e^{−Σλ},  stays with the rest       (Poisson; two jumps are rejected)
//! analytical    P(b) ∝ [Σ_a c_j(a) K_{0→s}(a → b)] K_{s→t}(b → y_j)         (arXiv 2211.16750)
//! remasking     analytical, then some symbols are masked again              (arXiv 2503.00307)
//! Ψ             analytical, or a clean state noised again                   (arXiv 2602.21185)
//! corrector     Euler or τ-leaping at s with λ(b) = h [Q_j(y_j → b) + Q_j(b → y_j) p_j(b) / p_j(y_j)]
//! ```
//!
//! and mixtures of products, over a configuration between two stages (trapezoidal, Runge–Kutta) or over the
//! sites that move (unmasking in an order). With exact scores Euler, τ-leaping, the analytical and the
//! Runge–Kutta step are of first order, the trapezoidal step of second where no rate is cut off. One
//! evaluation of the denoiser a step and stage for all rows; `O(N d²)` a row besides.

use ndarray::{Array2, Array3, Axis};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use super::analytical::analytical;
use super::picks::Order;
use super::psi::psi;
use super::remask::Remask;
use super::step_law::{Excesses, StepLaw, rows_of};
use super::two_stages::TwoStages;
use crate::diffusion::denoiser::{Denoiser, cavities_of};
use crate::diffusion::reverse_rates::rates_in_place;
use crate::error::{Error, Result};
use crate::model::Configs;

/// How a reverse process leaps from `t` to `s`.
///
/// Steps by rates (Euler, τ-leaping, trapezoidal, Runge–Kutta) start at finite times and, under masks, end
/// above 0; the others start at `T = ∞` too, and go down to 0.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Step {
    /// Rates times the step as probabilities; where they exceed one they are scaled down, and that is
    /// counted.
    Euler,
    /// Poisson counts a target; more than one jump at a site is rejected, and counted.
    TauLeaping,
    /// Every site from its exact law given the others at `t`.
    Analytical,
    /// θ-trapezoidal (arXiv 2502.00234), two evaluations a step: to `y*` by the rates at `y`, on from there
    /// by the rates at `y*` extrapolated from those at `y`; rates that come out negative are cut off, and
    /// that is counted. Second order where none is.
    Trapezoidal {
        /// Share of the step at which `y*` lies, in (0, 1); at 1/2 the fewest rates are cut off.
        theta: f64,
    },
    /// θ-RK-2 (arXiv 2502.00234), two evaluations a step: from `y` by a mean of the rates at `y` and at `y*`.
    RungeKutta {
        /// Share of the step at which `y*` lies, in (0, 1].
        theta: f64,
    },
    /// ReMDM (arXiv 2503.00307): the analytical step, and symbols that are masked again. Sites under other
    /// noise than masks take the analytical step.
    Remask(Remask),
    /// Ψ-sampler (arXiv 2602.21185), for every noise: with `κ` the analytical step, else a draw of the clean
    /// site from the denoiser, noised to `s`, each site by itself. Under masks `κ = 1 − σ/(1 − α_s)` is
    /// ReMDM. With `1 − κ` in proportion to the step it is of first order; held, it leaves an error that does
    /// not shrink with the step.
    Psi {
        /// Weight `κ` of the analytical step, between 0 and 1.
        kappa: f64,
    },
    /// So many sites, chosen in an order, that the mean number of masks at `s`, rounded, is left; the only
    /// noise is masks.
    Unmask(Order),
}

impl Step {
    /// The law of the step from each row of `y` at `t` to `s < t`, for steps that are products over the
    /// sites; the mixtures are enumerated by [`LeapLaw`](crate::dense::LeapLaw).
    ///
    /// # Errors
    /// [`Error::TimeOrder`]; [`Error::Parameter`] for an infinite step by rates, for a parameter of the step
    /// out of range, or for a step that is no product; [`Error::ZeroEvidence`] for an impossible row;
    /// [`Error::NotInvertible`] where cavities are needed and have to be solved for under a singular kernel;
    /// errors of the denoiser.
    pub fn law<D: Denoiser + ?Sized>(self, denoiser: &D, (s, t): (f64, f64), y: Configs<'_>) -> Result<StepLaw> {
        let noise = denoiser.noise();
        let elapsed = noise.schedule().elapsed(s, t)?;
        match self {
            Step::Analytical => return analytical(noise, (s, t), y, cavities_of(denoiser, t, y)?),
            Step::Remask(remask) => {
                remask.check()?;
                let cavities = cavities_of(denoiser, t, y)?;
                let law = analytical(noise, (s, t), y, cavities.clone())?;
                return remask.over(noise, (s, t), y, &cavities, law);
            }
            Step::Psi { kappa } => return psi(denoiser, kappa, (s, t), y),
            Step::Trapezoidal { .. } | Step::RungeKutta { .. } | Step::Unmask(_) => {
                return Err(Error::parameter("step", format!("{self:?}"), "a product over the sites"));
            }
            Step::Euler | Step::TauLeaping => {}
        }
        if elapsed.is_infinite() {
            return Err(Error::parameter("first time", t, "of a finite noise for steps by rates"));
        }
        let rates = unit_rates(denoiser, t, y)?;
        Ok(self.of_rates(rates, elapsed, y))
    }

    /// Whether the step moves by rates, which are infinite at `T = ∞` and, under masks, at 0.
    pub(super) fn by_rates(self) -> bool {
        !matches!(self, Step::Analytical | Step::Remask(_) | Step::Psi { .. } | Step::Unmask(_))
    }

    /// The stages of a step of two.
    pub(crate) fn two_stages(self) -> Option<TwoStages> {
        match self {
            Step::Trapezoidal { theta } => Some(TwoStages::Trapezoidal(theta)),
            Step::RungeKutta { theta } => Some(TwoStages::RungeKutta(theta)),
            _ => None,
        }
    }

    pub(super) fn excesses(self) -> Excesses {
        if self == Step::TauLeaping { Excesses::Drawn } else { Excesses::Certain }
    }

    /// The law of one corrector step by rates at time `s` of length `size` in `τ`: τ-leaping is corrected by
    /// itself, all others by Euler's step.
    ///
    /// # Errors
    /// As [`Step::law`]; [`Error::Parameter`] for a size that is negative or not finite.
    pub fn corrector_law<D: Denoiser + ?Sized>(
        self,
        denoiser: &D,
        s: f64,
        size: f64,
        y: Configs<'_>,
    ) -> Result<StepLaw> {
        if !(size.is_finite() && size >= 0.0) {
            return Err(Error::parameter("size of the corrector step", size, "finite and not negative"));
        }
        let mut rates = unit_rates(denoiser, s, y)?;
        for j in 0..y.ncols() {
            let mut q = denoiser.noise().rates().matrix(j);
            q.diag_mut().fill(0.0);
            for (mut rates, y) in rates.index_axis_mut(Axis(1), j).outer_iter_mut().zip(y.column(j)) {
                rates.iter_mut().zip(q.row(usize::from(*y))).for_each(|(rate, forward)| *rate += forward);
            }
        }
        Ok(self.of_rates(rates, size, y))
    }

    /// Turns rates, zero at `y_j`, into the law of a step of length `elapsed`.
    pub(super) fn of_rates(self, mut rates: Array3<f64>, elapsed: f64, y: Configs<'_>) -> StepLaw {
        let mut excess = Array2::zeros(y.dim());
        rows_of(&mut rates).zip(rows_of(&mut excess)).enumerate().for_each(|(row, (laws, excess))| {
            let d = laws.len() / excess.len();
            for ((law, excess), &stay) in laws.chunks_exact_mut(d).zip(excess).zip(y.row(row)) {
                law.iter_mut().for_each(|rate| *rate *= elapsed);
                let mean: f64 = law.iter().sum();
                let none = (-mean).exp();
                let (scale, kept, over) = match self {
                    // 1 − e^{−λ}(1 + λ) without cancellation for small means.
                    Step::TauLeaping => (none, 1.0 - mean * none, -(-mean).exp_m1() - mean * none),
                    _ => (1.0 / mean.max(1.0), (1.0 - mean).max(0.0), (mean - 1.0).max(0.0)),
                };
                law.iter_mut().for_each(|p| *p *= scale);
                law[usize::from(stay)] = kept;
                *excess = over;
            }
        });
        StepLaw { marginals: rates, excess }
    }
}

/// Reverse rates in the time `τ`: `Q_j(b → y_j) p_j(b) / p_j(y_j)`.
pub(super) fn unit_rates<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
    rates_in_place(denoiser.noise(), 1.0, y, denoiser.conditional_marginals(t, y)?)
}
