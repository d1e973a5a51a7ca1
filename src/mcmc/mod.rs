//! Monte Carlo for a target `π(x) = e^{log_weight(x)}/Z` with proposals drawn from a model (arXiv 2407.11133).
//!
//! A proposal draws an auxiliary `y` from noise and `x'` from a denoiser of known law `q(x'|y)`; accepting with
//!
//! ```text
//! min(1, π(x') K(x',y) q(x|y) / (π(x) K(x,y) q(x'|y)))
//! ```
//!
//! leaves `π` invariant whatever `q` is: exact, truncated, or computed in single precision. For the exact denoiser
//! `q(x|y) = P(x) K(x,y) / P_T(y)` the rule reduces to `w(x')/w(x)`, `w = π/P`. Infinite noise is the disconnected move.
//!
//! Who has a Monte Carlo code already takes a [`Proposal`] from here: [`Proposal::propose_one`] returns `(x', log ratio)`, to be
//! accepted with `min(1, π(x')/π(x)·e^{log ratio})`. Who has not takes [`Chains`] and [`run`].
//!
//! * proposals: [`Disconnected`], [`Connected`], [`SingleSite`], [`Exchange`], [`Mixture`];
//! * moves (transition kernels that leave the target invariant): [`MetropolisHastings`], [`InnerDraws`], [`Local`], [`Mixture`],
//!   [`Cycle`], [`Repeat`]; [`tune_connected`] measures noise times, models and numbers of inner draws;
//! * parallel tempering over a ladder of targets: [`Tempering`], [`tune_ladder`];
//! * estimators: [`series_mean`], [`importance_mean`], [`log_mean_weight`];
//! * diagnostics: [`autocorrelation`], [`split_r_hat`], [`weight_summary`], [`stationary_acceptance`], [`missing_mass`],
//!   [`supported_mass`].
//!
//! ```
//! use ndarray::{Array1, Axis};
//! use tensorjump::mcmc::{Chains, MetropolisHastings, RunOptions, SingleSite, run};
//! use tensorjump::{Configs, Result, Stream, Target};
//!
//! /// Independent spins in a field: log-weight `Σ_j x_j`.
//! struct Field([usize; 4]);
//! impl Target for Field {
//!     fn dims(&self) -> &[usize] { &self.0 }
//!     fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> { Ok(x.mapv(f64::from).sum_axis(Axis(1))) }
//!     fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> { Some(Array1::zeros(4)) }
//! }
//!
//! let target = Field([2; 4]);
//! let dynamics = MetropolisHastings::new(SingleSite::new(target.dims())?);
//! let mut chains = Chains::initial(&target, 16, 7)?;
//! let up = |x: Configs<'_>| x.mapv(f64::from).sum_axis(Axis(1)).insert_axis(Axis(1));
//! let run = run(&target, &dynamics, &mut chains, &RunOptions { seed: 7, ..RunOptions::default() }, &up, None)?;
//! let found = run.mean(0)?;
//! let exact = 4.0 / (1.0 + (-1f64).exp());
//! assert!((found.mean - exact).abs() < 5.0 * found.error);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! Cost of an update: one batched draw and one batched score of the model, and one batched weight of the target.

mod assess;
mod chains;
mod combine;
mod diagnostics;
mod estimate;
mod importance;
mod inner;
mod moves;
mod per_chain;
mod proposal;
mod run;
mod symmetric;
mod tempering;
mod tune;

pub use assess::{Assessment, assess};
pub use chains::Chains;
pub use combine::{Cycle, Mixture, Repeat};
pub use diagnostics::{Autocorrelation, autocorrelation, split_r_hat};
pub use estimate::{Estimate, SeriesMean, bridge, importance_mean, log_mean_weight, series_mean};
pub use importance::{
    WeightSummary, log_importance_weights, missing_mass, stationary_acceptance, supported_mass, weight_summary,
};
pub use inner::InnerDraws;
pub use moves::{MetropolisHastings, Move, MoveReport, acceptance_probability};
pub use per_chain::Local;
pub use proposal::{Connected, Disconnected, Proposal, Proposed, Triple};
pub use run::{Progress, Run, RunOptions, run};
pub use symmetric::{Exchange, SingleSite};
pub use tempering::{Level, Replicas, Snapshot, Tempering, TunedLadder, Walkers, respaced, tune_ladder};
pub use tune::{Trial, TuneOptions, TunedConnected, tune_connected};
