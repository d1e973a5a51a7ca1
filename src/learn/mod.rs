//! Learning a model from samples: minimise the negative log-likelihood
//!
//! ```text
//! NLL = −Σ_i w_i log P_θ(x_i),        Σ_i w_i = 1,
//! ```
//!
//! which is the entropy of the samples plus `KL(samples ‖ P_θ)`, in nats. [`BornOptions::fit`] learns
//! `P = ψ²/Z` by two-site sweeps whose bonds adapt (arXiv 1709.01662), one-site sweeps, Adam or L-BFGS;
//! [`PositiveOptions::fit`] learns a non-negative law by expectation–maximisation or by gradients in logits.
//! Part of the samples is kept for validation, the model of the best round is returned, and a run with a
//! [`Checkpoint`](crate::io::Checkpoint) that is killed continues bit for bit when it is started again.
//!
//! ```
//! use tensorjump::learn::{BornOptions, Data};
//! use tensorjump::mcmc::{Chains, Disconnected, MetropolisHastings, RunOptions};
//! use tensorjump::model::{BornMps, Boundary, PositiveMps};
//! use tensorjump::prelude::*;
//!
//! let target = PositiveMps::ising(0.6, &[1.0; 8], &[0.0; 8], Boundary::Ring)?;
//! let samples = target.draw(2000, &Streams::new(1))?.x; // or those of an experiment
//! let fit = BornOptions::default().fit(&Data::new(samples, target.dims())?)?;
//!
//! // Saved, loaded, and put to use as a proposal for the target.
//! let path = std::env::temp_dir().join(format!("tensorjump-learn-{}", std::process::id()));
//! fit.model.write(&path)?;
//! let dynamics = MetropolisHastings::new(Disconnected::new(BornMps::read(&path)?));
//! let mut chains = Chains::initial(&target, 16, 1)?;
//! let run = RunOptions::default().run(&target, &dynamics, &mut chains, |_| Ok(()))?;
//! assert!(run.report.acceptance() > 0.8);
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! Conditional laws of noised samples `p(y_j | y_{−j}, t)`, ready to run as a
//! [`Denoiser`](crate::diffusion::Denoiser): [`RatioMatched`] (a non-negative law), [`ConditionalTables`]
//! and [`SoftmaxDenoiser`] (neighbourhoods of each site), [`OperatorScores`] (ratios from damped moments, in
//! closed form); of token chains: [`GlauberWindow`], [`GlauberMatched`].
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
pub use denoisers::glauber::{GlauberMatched, GlauberWindow};
pub use denoisers::operator::{OperatorOptions, OperatorScores};
pub use denoisers::ratio_matching::{RatioMatched, RatioMatchingOptions};
pub use denoisers::softmax::{Objective, SoftmaxDenoiser, SoftmaxOptions};
pub use denoisers::tables::ConditionalTables;
pub use in_the_loop::options::{LoopOptions, LoopRound, Stage};
pub use in_the_loop::run::Learned;
pub use in_the_loop::tangent::{TangentReport, TangentStep};
pub use in_the_loop::towards::TowardsStep;
pub use interrupt::Interrupt;
pub use likelihood::born::{BornMethod, BornOptions, SignedStep, Start, SweepStep};
pub use likelihood::fit::{Event, Fit, Stop};
pub use likelihood::history::{History, Round};
pub use likelihood::positive::{PositiveMethod, PositiveOptions};
pub use likelihood::training::{Training, Validation};
pub use symmetry::Symmetry;
pub use tensors::gradient::Gradient;
pub use tensors::site_step::Toward;
