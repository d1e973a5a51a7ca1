//! Discrete diffusion: noised laws, exact denoising, scores.
//!
//! Single-site noise factorises, `K_{s→t} = ⊗_j K_j`, so that every law below is the model tilted by site
//! weights `w_j(a) = K_j(a → y_j)` (arXiv 2407.11133):
//!
//! ```text
//! P_t(y)            = Σ_x P(x) ∏_j w_j(x_j)               noised law     ExactDiffusion::noised_log_prob
//! P(x_0 | x_t = y)  = P(x_0) ∏_j w_j(x_0^j) / P_t(y)      denoising      Denoise::denoise
//! P(x_s | x_t = y)  = P_s(x_s) K_{s→t}(x_s, y) / P_t(y)   to 0 < s < t   ExactDiffusion::denoise_to
//! c_j(a)            ∝ Σ_{x: x_j = a} P(x) ∏_{i≠j} w_i(x_i)cavity         Scores
//! ```
//!
//! Everything else takes a [`Denoiser`], exact, learned or given: losses ([`ratio_matching_loss`],
//! [`score_matching_loss`]), the likelihood bound ([`LikelihoodBound`]); Glauber processes take
//! [`SiteConditionals`] ([`glauber_reverse`]).
//!
//! The traits come with every model: [`Denoise`] with each [`Model`], [`ExactDiffusion`] with each
//! [`ExactModel`].
//!
//! ```
//! use tensorjump::dense::DenseLaw;
//! use tensorjump::diffusion::{Bridge, Denoise, ExactDiffusion};
//! use tensorjump::noise::{Noise, Rates, Schedule};
//! use tensorjump::Streams;
//!
//! let model = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3])?;
//! let noise = Noise::new(Rates::binary_flip(2, 1.0, 0.5)?, Schedule::default());
//! let y = ndarray::array![[0, 1], [1, 1]];
//! let kernel = noise.kernel(0.0, 0.6)?;
//! let x0 = model.denoise(&kernel, y.view(), &Streams::new(1))?;
//! let xs = model.denoise_to(&Bridge::of(&noise, 0.2, 0.6)?, y.view(), &Streams::new(1))?;
//! let ratios = model.scores(&kernel, y.view())?.score_ratios()?;
//! # assert_eq!((x0.x.dim(), xs.x.dim(), ratios.dim()), ((2, 2), (2, 2), (2, 2, 2)));
//! # Ok::<(), tensorjump::Error>(())
//! ```
//!
//! [`Model`]: crate::model::Model
//! [`ExactModel`]: crate::model::ExactModel

mod bridge;
mod denoise;
mod denoiser;
mod glauber;
mod guidance;
mod likelihood_bound;
mod loss;
pub mod reverse;
mod reverse_rates;
pub(crate) mod scores;
mod smoothing;
mod truncated;

pub use bridge::Bridge;
pub use denoise::{Denoise, ExactDiffusion, Trajectory};
pub(crate) use denoiser::marginals_of;
pub use denoiser::{Denoiser, ExactDenoiser, Face, GivenDenoiser};
pub(crate) use glauber::checked_conditionals;
pub use glauber::{ExactGlauber, SiteConditionals, TokenNoise, classification_loss, glauber_reverse};
pub use guidance::{Classified, Guided, GuidedSamples, Scheme};
pub use likelihood_bound::{Ends, LikelihoodBound, Quadrature};
pub use loss::{conditional_kl, ratio_matching_loss, score_matching_loss};
pub use scores::Scores;
pub use smoothing::{Bandwidth, LeaveOneOut, SiteRates, Smoothing};
pub use truncated::Truncated;
