//! Learning a model from samples: minimise the negative log-likelihood
//!
//! ```text
//! NLL = −Σ_i w_i log P_θ(x_i),        Σ_i w_i = 1,
//! ```
//!
//! which is the entropy of the samples plus `KL(samples ‖ P_θ)`, in nats. [`born`] learns `P = ψ²/Z` by
//! two-site sweeps whose bonds adapt (arXiv 1709.01662), one-site sweeps, Adam or L-BFGS; [`positive`] learns
//! a non-negative law by expectation–maximisation or by gradients in logits. Part of the samples is kept for
//! validation, the model of the best round is returned, and a run with a [`Checkpoint`] that is killed
//! continues bit for bit when it is started again.
//!
//! ```
//! use tensorjump::learn::{self, BornOptions, Data};
//!
//! let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
//! let fit = learn::born(&data, &BornOptions::default())?;
//! assert_eq!(fit.model.amplitude().sites(), 3);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! Conditional laws of noised samples `p(y_j | y_{−j}, t)`, ready to run as a
//! [`Denoiser`](crate::diffusion::Denoiser): [`ratio_matching`] (a non-negative law), [`ConditionalTables`]
//! and [`SoftmaxDenoiser`] (neighbourhoods of each site), [`OperatorScores`] (ratios from damped moments, in
//! closed form); of token chains: [`GlauberWindow`], [`glauber_matching`].
//!
//! Results depend on data, options and seed, not on the number of threads.

mod data;
mod denoisers;
mod in_the_loop;
mod interrupt;
mod likelihood;
mod symmetry;
mod tensors;

pub use data::Data;
pub use denoisers::conditional_gradient::Epoch;
pub use denoisers::features::Features;
pub use denoisers::glauber::{GlauberMatched, GlauberWindow, glauber_matching, glauber_matching_with_progress};
pub use denoisers::operator::{OperatorOptions, OperatorScores};
pub use denoisers::ratio_matching::{
    RatioMatched, RatioMatchingOptions, ratio_matching, ratio_matching_gradient, ratio_matching_with_progress,
};
pub use denoisers::softmax::{Objective, SoftmaxDenoiser, SoftmaxOptions};
pub use denoisers::tables::{ConditionalTables, windows};
pub use in_the_loop::options::{LoopOptions, LoopRound, Stage};
pub use in_the_loop::run::{Learned, LoopStop, in_the_loop};
pub use in_the_loop::tangent::{TangentReport, TangentStep, born_tangent};
pub use in_the_loop::towards::{TowardsStep, born_kl_gradient, born_towards};
pub use interrupt::Interrupt;
pub use likelihood::born::{
    BornMethod, BornOptions, SignedStep, Start, SweepStep, born, born_sweep, born_with_progress,
};
pub use likelihood::fit::{Checkpoint, Event, Fit, History, Round, Stop, Training, Validation};
pub use likelihood::positive::{PositiveMethod, PositiveOptions, positive, positive_with_progress};
pub use symmetry::Symmetry;
pub use tensors::gradient::{Gradient, born_gradient, positive_gradient};
pub use tensors::site_step::Toward;
