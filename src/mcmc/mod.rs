//! Monte Carlo for a target `π(x) = e^{log_weight(x)}/Z` with proposals drawn from a model (arXiv
//! 2407.11133).
//!
//! A proposal draws an auxiliary `y` from noise and `x'` from a denoiser of known law `q(x'|y)`; accepting
//! with
//!
//! ```text
//! min(1, π(x') K(x',y) q(x|y) / (π(x) K(x,y) q(x'|y)))
//! ```
//!
//! leaves `π` invariant whatever `q` is: exact, truncated, or computed in single precision. For the exact
//! denoiser `q(x|y) = P(x) K(x,y) / P_T(y)` the rule reduces to `w(x')/w(x)`, `w = π/P`. Infinite noise is
//! the disconnected move.
//!
//! Who has a Monte Carlo code already takes a [`Proposal`] from here: [`Proposal::propose_one`] returns
//! `(x', log ratio)`, to be accepted with `min(1, π(x')/π(x)·e^{log ratio})`. Who has not takes [`Chains`]
//! and [`RunOptions::run`].
//!
//! * proposals: [`Disconnected`], [`Connected`], [`SingleSite`], [`Exchange`], [`Mixture`];
//! * moves (transition kernels that leave the target invariant): [`MetropolisHastings`], [`InnerDraws`],
//!   [`Mixture`], [`Cycle`], [`Repeat`]; of one chain at a time [`Local`] and [`EachChain`] of any
//!   [`Dynamics`]; [`TuneOptions::tune`] measures noise times, models and numbers of inner draws;
//! * parallel tempering over a ladder of targets: [`Tempering`], [`TunedLadder`]; weighted draws taken from
//!   one target to another: [`Annealing`];
//! * runs that outlive their process, bit for bit: [`RunOptions::run_with_checkpoint`],
//!   [`Tempering::run_with_checkpoint`]; [`Chains::write`] and [`Replicas::write`] for loops of one's own;
//! * estimators: [`SeriesMean`], [`Estimate`], [`Jackknife`] for what is no mean, such as a Binder cumulant;
//! * diagnostics: [`Autocorrelation`], [`split_r_hat`], [`WeightSummary`],
//!   [`Estimate::stationary_acceptance`], [`Estimate::missing_mass`], [`Estimate::supported_mass`];
//! * tests of moves by exact draws: [`RankTest`].
//!
//! ```
//! use ndarray::{Array1, Axis};
//! use tensorjump::mcmc::{Chains, MetropolisHastings, RunOptions, SingleSite};
//! use tensorjump::{Configs, Result, Stream, Target};
//!
//! /// Independent spins in a field: log-weight `Σ_j x_j`.
//! struct Field([usize; 4]);
//! impl Target for Field {
//!     fn dims(&self) -> &[usize] { &self.0 }
//!     fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
//!         Ok(x.mapv(f64::from).sum_axis(Axis(1)))
//!     }
//!     fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> { Some(Array1::zeros(4)) }
//! }
//!
//! let target = Field([2; 4]);
//! let dynamics = MetropolisHastings::new(SingleSite::new(target.dims())?);
//! let mut chains = Chains::initial(&target, 16, 7)?;
//! let options = RunOptions { seed: 7, ..RunOptions::default() };
//! let run = options.run(&target, &dynamics, &mut chains, |x| Ok(x.mapv(f64::from).sum_axis(Axis(1))))?;
//! let found = run.mean(0)?;
//! let exact = 4.0 / (1.0 + (-1f64).exp());
//! assert!((found.mean - exact).abs() < 5.0 * found.error);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! **A target of one's own with a tensor network as its proposal**: the network need not know the whole
//! target, and no bias is left.
//!
//! ```
//! use ndarray::Array1;
//! use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
//! use tensorjump::mcmc::{Chains, Disconnected, MetropolisHastings, RunOptions};
//! use tensorjump::{Configs, Result, Stream, Target};
//!
//! /// An Ising model with a four-spin coupling of each plaquette.
//! struct Plaquettes(Ising);
//! impl Target for Plaquettes {
//!     fn dims(&self) -> &[usize] { self.0.dims() }
//!     fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
//!         let odd = |x: &[u8], j: usize| f64::from((x[j] + x[j + 1] + x[j + 8] + x[j + 9]) % 2);
//!         let sum = |x: Vec<u8>| (0..55).filter(|j| j % 8 < 7).map(|j| 1.0 - 2.0 * odd(&x, j)).sum();
//!         let four: Array1<f64> = x.outer_iter().map(|x| sum(x.to_vec())).collect();
//!         Ok(self.0.log_weight(x)? + 0.02 * four)
//!     }
//!     fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> { self.0.initial(stream) }
//! }
//!
//! let target = Plaquettes(Ising::new(Couplings::uniform(Square::new(8, 8, Geometry::Open)?, 1.0)?, 0.4)?);
//! let model = BoundaryMps::new(&target.0, 8)?;
//! let mut chains = Chains::initial(&target, 32, 1)?;
//! let dynamics = MetropolisHastings::new(Disconnected::new(&model));
//! let options = RunOptions { updates: 200, ..RunOptions::default() };
//! let run = options.run(&target, &dynamics, &mut chains, |x| target.0.energy(x))?;
//! assert!(run.report.acceptance() > 0.7 && run.mean(0)?.error < 1.0);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! **Parallel tempering of a target of one's own with a packed sweep**: spins stay packed from the first
//! update to the last.
//!
//! ```
//! use ndarray::{Array1, ArrayView1};
//! use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
//! use tensorjump::mcmc::{Level, Tempering};
//! use tensorjump::{Configs, Result, Stream, Target};
//!
//! /// A ±J glass with weights by code of one's own.
//! struct Glass { couplings: Couplings, beta: f64, dims: Vec<usize> }
//! impl Target for Glass {
//!     fn dims(&self) -> &[usize] { &self.dims }
//!     fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
//!         let bond = |x: &ArrayView1<'_, u8>, i, j| if x[i] == x[j] { 1.0 } else { -1.0 };
//!         let sum = |x: ArrayView1<'_, u8>| -> f64 {
//!             let couplings = &self.couplings;
//!             couplings.lattice().bonds().map(|(b, i, j)| couplings.bond(b) * bond(&x, i, j)).sum()
//!         };
//!         Ok(self.beta * x.outer_iter().map(sum).collect::<Array1<f64>>())
//!     }
//!     fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> { Some(Array1::zeros(self.dims.len())) }
//! }
//!
//! let couplings = Couplings::plus_minus(Square::new(8, 8, Geometry::Open)?, 1);
//! let level = |beta: f64| {
//!     let dynamics = SpinSweep::heat_bath(&Ising::new(couplings.clone(), beta)?)?;
//!     let target = Glass { couplings: couplings.clone(), beta, dims: vec![2; 64] };
//!     Ok(Level { parameter: beta, target, dynamics })
//! };
//! let levels = [0.5, 0.7, 0.9, 1.2, 1.6, 2.2].into_iter().map(level).collect::<Result<_>>()?;
//! let tempering = Tempering::new(levels)?.proportional()?;
//! let mut replicas = tempering.start(4, 1)?;
//! tempering.advance(&mut replicas, 200)?;
//! assert!(replicas.swap_rates().iter().all(|&rate| rate > 0.1) && replicas.level(5)?.dim() == (4, 64));
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! Cost of an update: one batched draw and one batched score of the model, and one batched weight of the
//! target.

mod annealing;
mod assess;
mod chains;
mod combine;
mod diagnostics;
mod estimate;
mod importance;
mod inner;
mod jackknife;
mod moves;
mod per_chain;
mod proposal;
mod quantiles;
mod recorder;
mod records;
mod run;
mod spread_chains;
mod spread_run;
mod stored;
mod symmetric;
mod tempering;
mod tune;
mod validate;

pub use annealing::{Annealed, Annealing, Population};
pub use assess::Assessment;
pub use chains::{Chains, ChainsSnapshot};
pub use combine::{Cycle, Mixture, Repeat};
pub use diagnostics::{Autocorrelation, split_r_hat};
pub use estimate::{Estimate, SeriesMean, bridge};
pub use importance::WeightSummary;
pub use inner::InnerDraws;
pub use jackknife::Jackknife;
pub use moves::{MetropolisHastings, Move, MoveReport};
pub(crate) use per_chain::leave_bytes;
pub use per_chain::{Dynamics, EachChain, Local};
pub use proposal::{Connected, Disconnected, Proposal, Proposed, Triple};
pub use recorder::{Observables, Recorder, Run};
pub use run::{Progress, RunOptions};
pub(crate) use spread_chains::{joined, own_share, told_by};
pub use symmetric::{Exchange, SingleSite};
pub(crate) use tempering::check_ladder;
pub use tempering::{Level, Replicas, ReplicasSnapshot, Tempering, TunedLadder, Walkers};
pub use tune::{Trial, TuneOptions, TunedConnected};
pub use validate::{RankTest, Verdict};
