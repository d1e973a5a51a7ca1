//! Tensor-network samplers for lattice systems: exact discrete diffusion, draws with log-probabilities, Monte
//! Carlo proposals.
//!
//! Single-site noise factorises over the sites of a lattice. Hence everything that discrete diffusion asks of
//! a law `P` on configurations `x` is that law *tilted by a product of site weights*,
//!
//! ```text
//! P(x | w) ∝ P(x) ∏_j w_j(x_j),
//! ```
//!
//! and for matrix-product laws tilted draws, their log-probabilities and all marginals are exact (arXiv
//! 2407.11133). The crate is built on this one primitive, the traits [`Model`] and [`ExactModel`].
//!
//! | module | what it holds |
//! |---|---|
//! | [`model`] | laws to weigh, draw from, tilt: the traits, matrix-product laws `P` and `ψ²/Z` |
//! | [`noise`] | rate matrices, schedules, kernels `K_{s→t}`, jump paths |
//! | [`diffusion`] | noised laws, exact denoising, scores; reverse-time samplers, guidance, bounds |
//! | [`mcmc`] | proposals with log-ratios, moves, chains, tempering; errors, weights, missing mass |
//! | [`lattice`] | systems: the stochastic Fredkin chain; square lattices with Ising and any pair weights |
//! | [`prelude`] | the traits whose methods everybody calls |
//! | [`learn`] | maximum likelihood from samples, Monte Carlo in the loop from a log-weight, learned scores |
//! | [`io`] | files of models, tensor trains and configurations: safetensors, `.npy` |
//! | [`tn`] | matrix-product states and operators: canonical forms, truncation, sums of local terms |
//! | [`dense`] | the same by enumeration, O(d^N): the truth that tests compare with |
//! | [`ranks`] | the same over several processes: MPI or any other all-gather |
//! | [`linalg`] | the only place that calls SVD, QR and matrix products |
//! | [`fork`] | calls in a forked child, where the threads of its parent are gone |
//!
//! # Example
//!
//! Monte Carlo for Dyck paths weighted by area: noise a path, denoise it exactly, never be rejected.
//!
//! ```
//! use tensorjump::lattice::{Fredkin, FredkinModel};
//! use tensorjump::mcmc::{Chains, Connected, MetropolisHastings, RunOptions};
//! use tensorjump::noise::{Noise, Rates, Schedule};
//!
//! let chain = Fredkin::new(40, 0.6)?;
//! let model = FredkinModel::new(&chain)?;
//! let noise = Noise::new(Rates::binary_flip(40, 1.0, 0.5)?, Schedule::constant(1.0)?);
//! let dynamics = MetropolisHastings::new(Connected::new(&model, noise.kernel(0.0, 0.5)?)?);
//! let mut chains = Chains::initial(&chain, 8, 1)?;
//! let area = |x: tensorjump::Configs<'_>| Ok(chain.area(x)?.mapv(|a| a as f64));
//! let run = RunOptions::default().run(&chain, &dynamics, &mut chains, area)?;
//! let mean = run.mean(0)?;
//! assert!(run.report.acceptance() > 1.0 - 1e-9);
//! assert!((mean.mean - chain.equilibrium()?.area_mean()).abs() < 5.0 * mean.error);
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! # Features
//!
//! Both are off by default.
//!
//! * `serde`: results and options can be written and read ([`Samples`], [`mcmc::Run`], [`learn::History`],
//!   …; snapshots of chains always can). JSON has no infinities: fields that may be infinite stand there as
//!   text, arrays with infinite entries need another format. Digits come back bit for bit from `serde_json`
//!   with its feature `float_roundtrip`.
//! * `lapack`: SVD and QR by the system's OpenBLAS instead of faer.
//!
//! # Conventions
//!
//! * Row-stochastic throughout: `K[x, y] = P(y | x)`, `p_t = p_s K`, and `Q[x, y]` is the rate x → y; rows of
//!   `Q` sum to zero.
//! * Logarithms are natural; log-weights, log-probabilities and entropies are in nats, `β = 1/kT`, times in
//!   inverse rates.
//! * Site `j` has states `0..d_j`, stored as `u8`; a batch of configurations has the shape
//!   `(samples, sites)`. Forbidden configurations have log-weight −∞; NaN is an error, and nothing is ever
//!   clipped.
//! * The caller passes the randomness: a [`Streams`] is named by its seed, each operation takes a part of its
//!   own, each row a stream of its own. Results depend neither on the number of threads nor on what else is
//!   in a batch; two calls of the same operation need different steps, `streams.step(k)`.

mod choose;
mod configs;
pub mod dense;
pub mod diffusion;
mod error;
#[cfg(feature = "serde")]
mod extended;
pub mod fork;
pub mod io;
mod lanes;
pub mod lattice;
pub mod learn;
pub mod linalg;
mod log_space;
pub mod mcmc;
pub mod model;
pub mod noise;
pub mod prelude;
pub mod ranks;
mod rng;
pub mod tn;

pub use configs::Configs;
pub use error::{Cause, Error, Result, Value};
pub use model::traits::{ExactModel, Model, Samples, Target};
pub use model::weights::SiteWeights;
pub use ndarray;
pub use rand;
pub use rng::{Stream, Streams};

/// The examples of the README and of the site are compiled and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../docs/start/rust.md")]
struct Start;
