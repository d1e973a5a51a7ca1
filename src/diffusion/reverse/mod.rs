//! The reverse process as a jump process, from `T` down to `δ ≥ 0`, with any
//! [`Denoiser`](crate::diffusion::Denoiser).
//!
//! Noise with rates `β(t) Q_j` runs backwards at the rates (arXiv 2211.16750)
//!
//! ```text
//! y → y^{j→b}    at    β(t) Q_j(b → y_j) P_t(y^{j→b}) / P_t(y).
//! ```
//!
//! | sampler | error with exact scores | evaluations of the denoiser |
//! |---|---|---|
//! | [`Step`] (Euler, τ-leaping, analytical), [`Corrector::Rates`] | first order | one a step |
//! | [`Step::Trapezoidal`]; [`Step::RungeKutta`] | second order (see there); first | two a step |
//! | [`Step::Remask`] at a share that does not shrink | a power 0.3 to 0.6; by confidence none | one a step |
//! | [`Step::Psi`] | first order where `1 − κ` shrinks with the step; else it stays | one a step |
//! | [`Corrector::Remask`], [`Corrector::Psi`] | second order in their share, a round | one a round |
//! | [`Step::Unmask`] one site at a time, at random or by entropy | none | one a step |
//! | [`Method::Uniformization`], [`Method::Thinning`] | none | `∫Λ` a sample |
//! | [`particles()`] for products of powers of laws | first order; `1/√particles` | one a step and factor |
//! | [`exact_paths`]; [`Denoise`](crate::diffusion::Denoise) for `x_0` alone | none | one joint draw |
//!
//! Samplers count in the elapsed noise `τ = ∫β`, where the schedule is gone. They start from given
//! configurations: those of [`exact_start`] follow `P_T`, those of
//! [`Noise::draw_stationary`](crate::noise::Noise::draw_stationary) are biased at finite `T`.
//! [`LeapLaw`](crate::dense::LeapLaw) gives the law of all leaps by enumeration. Masks: their rates
//! grow as `1/t`, so steps by rates end at `δ > 0` with a last draw; the others go down to 0.

mod analytical;
mod corrector;
mod grid;
mod jumps;
mod leaps;
mod outcome;
mod particles;
mod paths;
mod picks;
mod psi;
mod rate_bound;
mod remask;
mod run;
mod start;
mod step;
mod step_law;
mod two_stages;
mod unmasking;

pub use corrector::Corrector;
pub use grid::TimeGrid;
pub use outcome::{Finish, Outcome};
pub use particles::{Particles, particles};
pub use paths::exact_paths;
pub use picks::Order;
pub(crate) use picks::Picks;
pub(crate) use psi::psi;
pub use rate_bound::Bound;
pub use remask::Remask;
pub(crate) use remask::remask_at;
pub use run::{Method, reverse};
pub use start::exact_start;
pub use step::Step;
pub use step_law::StepLaw;
pub(crate) use two_stages::TwoStages;
