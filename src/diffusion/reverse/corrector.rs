//! Steps at one time that leave the noised law invariant, or nearly so, after each step down to it.

use super::picks::Order;
use super::psi::check_kappa;
use crate::error::{Error, Result};

/// Corrector steps after each (predictor) step down to `s > 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Corrector {
    /// Steps of the process with rates forward + reverse, which leaves `P_s` invariant up to the second order
    /// of `size`. None after a step from `t = ∞`, which has no length.
    Rates {
        /// Number of corrector steps after each predictor step.
        rounds: usize,
        /// Length of a corrector step over that of the predictor step, both in `τ`.
        size: f64,
    },
    /// Draws of some sites at once, each from its conditional `p_j(· | y_{−j})` at `s` (under masks: of the
    /// symbols, masks stay): informed correctors (arXiv 2407.21243) in [`Order::Confidence`], least sure
    /// sites first. One site at a time at random leaves `P_s` invariant; other choices may not: their bias
    /// stays as steps get short.
    Resample {
        /// Number of corrector steps after each predictor step.
        rounds: usize,
        /// Sites drawn in a step; all where there are fewer.
        sites: usize,
        /// Which sites are drawn.
        order: Order,
    },
    /// The loop of ReMDM (arXiv 2503.00307): masks and draws at one time, with the share `α` of symbols held,
    ///
    /// ```text
    /// masked        a with σα/(1 − α) c_j(a), else masked
    /// not masked    masked with σ = min(η, (1 − α)/α), else as it is
    /// ```
    ///
    /// to the second order of `σ` it leaves `P_s` alone. Sites that cannot be masked stay as they are. With a
    /// window that holds one time of the grid the analytical step makes the schedule of the source.
    Remask {
        /// Number of corrector steps at a time.
        rounds: usize,
        /// `η`, between 0 and 1.
        eta: f64,
        /// Earliest and latest time at which there is a loop.
        window: (f64, f64),
    },
    /// Ψ at one time (arXiv 2602.21185), the loop of ReMDM for every noise: each site stays with `κ`, else it
    /// is drawn clean from the denoiser and noised to `s` again. To the second order of `1 − κ` it leaves
    /// `P_s` alone. Under masks that with `κ = 1 − σ/(1 − α)` is [`Corrector::Remask`].
    Psi {
        /// Number of corrector steps at a time.
        rounds: usize,
        /// Probability `κ` that a site stays, between 0 and 1.
        kappa: f64,
        /// Earliest and latest time at which there is a loop.
        window: (f64, f64),
    },
}

impl Corrector {
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Corrector::Rates { size, .. } if !(size.is_finite() && size >= 0.0) => {
                Err(Error::parameter("size of the corrector step", size, "finite and not negative"))
            }
            Corrector::Rates { .. } => Ok(()),
            Corrector::Resample { order, .. } => order.check(),
            Corrector::Remask { eta, .. } if !(0.0..=1.0).contains(&eta) => {
                Err(Error::parameter("eta", eta, "between 0 and 1"))
            }
            Corrector::Remask { window, .. } => check_window(window),
            Corrector::Psi { kappa, window, .. } => {
                check_kappa(kappa)?;
                check_window(window)
            }
        }
    }
}

fn check_window((first, last): (f64, f64)) -> Result<()> {
    if first.is_nan() || last.is_nan() || first > last {
        return Err(Error::parameter("end of the window", last, "not before its beginning"));
    }
    Ok(())
}
