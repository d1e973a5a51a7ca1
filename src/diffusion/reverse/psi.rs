//! Steps that noise a guess of the clean sites again (Ψ-samplers, arXiv 2602.21185; the formula is that of
//! the authors' public code); `m` the denoiser marginals at `t`:
//!
//! ```text
//! P_j(b) = κ P(x_s^j = b | x_t = y) + (1 − κ) Σ_a m_j(a) K_{0→s}(a → b),    m_j(a) = P(x_0^j = a | x_t = y)
//! ```
//!
//! The first term is the analytical step. The marginals of each site given its clean state are those of the
//! noise for every `κ`, and for every noise. Under masks, `κ = 1 − σ/(1 − α_s)` is ReMDM. At `s = t` the
//! first term stays where it is, and one site alone leaves `P_t` invariant: `m_j` is drawn given `y_j`, which
//! the noise replaces. Several sites at once do not, and move it in the second order of `1 − κ`: the error of
//! a step is of first order where `1 − κ` shrinks with it, and stays where `κ` is held, until the noise is
//! gone.
//!
//! Cost: one evaluation, and twice that of the analytical step.

use ndarray::s;

use super::analytical::analytical;
use super::step_law::StepLaw;
use crate::diffusion::denoiser::{Denoiser, cavities_of};
use crate::diffusion::scores::through_kernel;
use crate::error::{Error, Result};
use crate::model::Configs;

pub(super) fn check_kappa(kappa: f64) -> Result<()> {
    match (0.0..=1.0).contains(&kappa) {
        true => Ok(()),
        false => Err(Error::parameter("kappa", kappa, "between 0 and 1")),
    }
}

/// The law of the step from `t` to `s ≤ t`.
///
/// # Errors
/// [`Error::Parameter`] for `κ` out of range; as the analytical step.
pub(crate) fn psi<D: Denoiser + ?Sized>(
    denoiser: &D,
    kappa: f64,
    (s, t): (f64, f64),
    y: Configs<'_>,
) -> Result<StepLaw> {
    check_kappa(kappa)?;
    let (noise, cavities) = (denoiser.noise(), cavities_of(denoiser, t, y)?);
    let d_in = cavities.dim().2;
    let clean = analytical(noise, (0.0, t), y, cavities.clone())?.marginals;
    let again = through_kernel(&noise.kernel(0.0, s)?, clean.slice(s![.., .., ..d_in]).to_owned());
    let mut law = analytical(noise, (s, t), y, cavities)?;
    law.marginals.zip_mut_with(&again, |p, q| *p = kappa * *p + (1.0 - kappa) * q);
    Ok(law)
}
