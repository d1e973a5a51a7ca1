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
//! | [`Step`] (Euler, τ-leaping, analytical), [`Corrector`] | first order in the step | one a step |
//! | [`Method::Uniformization`], [`Method::Thinning`] | none | `∫Λ` a sample |
//! | [`exact_paths`]; [`Denoise`](crate::diffusion::Denoise) for `x_0` alone | none | one joint draw |
//!
//! Samplers count in the elapsed noise `τ = ∫β`, where the schedule is gone. They start from given
//! configurations: those of [`exact_start`] follow `P_T`, those of
//! [`Noise::draw_stationary`](crate::noise::Noise::draw_stationary) are biased at finite `T`.
//! [`LeapLaw`](crate::dense::LeapLaw) gives the law of the first three by enumeration. Masks: their rates
//! grow as `1/t`, so steps by rates end at `δ > 0` with a last draw; the analytical step goes down to 0.

mod grid;
mod jumps;
mod outcome;
mod paths;
mod rate_bound;
mod run;
mod start;
mod step;

pub use grid::TimeGrid;
pub use outcome::{Finish, Outcome};
pub use paths::exact_paths;
pub use rate_bound::Bound;
pub use run::{Method, reverse};
pub use start::exact_start;
pub use step::{Corrector, Step, StepLaw};
