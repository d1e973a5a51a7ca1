//! Laws on a lattice: what can be weighed, sampled, tilted.
//!
//! Everything in discrete diffusion on a lattice is the data law tilted by a product of site weights,
//!
//! ```text
//! P(x | w) ∝ P(x) ∏_j w_j(x_j),
//! ```
//!
//! because single-site noise factorises: `w_j(a) = K_j(a → y_j)` gives the law of the clean configuration behind a noisy `y`
//! (arXiv 2407.11133). Whoever implements [`ExactModel`] gets noising, denoising, scores and Monte Carlo proposals for free.

mod batch;
mod born;
mod cavity;
mod chain;
mod constraint;
mod labelled;
mod linear;
mod mixture;
mod permuted;
mod positive;
mod real;
mod rows;
mod tilt;
mod tilted;
mod walk;
mod weights;
mod without_site;

use ndarray::{Array1, Array2, Array3};

use rand::Rng;

use crate::error::Result;
use crate::rng::{Stream, Streams};

pub use crate::configs::{Configs, check_configs};
pub use born::BornMps;
pub use chain::Boundary;
pub use constraint::{Automaton, pinned};
pub use labelled::{Given, LabelLeg};
pub(crate) use mixture::{Codes, distinct, sample_weights};
pub use mixture::{Compressed, KernelMixture};
pub use permuted::Permuted;
pub use positive::PositiveMps;
pub(crate) use walk::pick;
pub use weights::SiteWeights;

/// Configurations with the natural logarithm of the probability under which each was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// Configurations, shape `(samples, sites)`.
    pub x: Array2<u8>,
    /// Log-probabilities in nats, shape `(samples,)`.
    pub log_prob: Array1<f64>,
}

/// An unnormalised law: Ising, Fredkin, or any [`Model`].
pub trait Target: Send + Sync {
    /// Number of states of each site.
    fn dims(&self) -> &[usize];

    /// Log-weight of each configuration in nats, shape `(samples,)`; −∞ for forbidden configurations.
    /// A [`Model`] gives its log-probability.
    ///
    /// # Errors
    /// Wrong number of sites, a state out of range, or a weight that is NaN.
    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>>;

    /// A configuration of non-zero weight, where the law knows one.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>>;
}

/// A normalised law `q(·|w)`, sampled site by site.
pub trait Model: Target {
    /// Draws `n` configurations from `q(·|w)`, with their log-probabilities.
    ///
    /// Row `i` uses stream `i` of `streams` (domain `"model"`). A form of `w` with rows fixes the number of samples.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`crate::Error::ZeroEvidence`] naming the first row whose weights exclude
    /// every configuration.
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples>;

    /// Log-probability of each configuration under the law that [`Model::sample`] draws from, bit for bit what the draw
    /// returns; −∞ where `q(x|w) = 0`.
    ///
    /// # Errors
    /// As [`Model::sample`], and configurations of the wrong shape or out of range.
    fn log_prob(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>>;

    /// New draws from `q(·|w)`, and the scores of `old`, under one set of environments: what the Monte Carlo rule needs.
    ///
    /// # Errors
    /// As [`Model::log_prob`].
    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)>;
}

/// A model closed under tilting: it is the law it says, to rounding.
pub trait ExactModel: Model {
    /// `log Σ_x P(x) ∏_j w_j(x_j)` in nats, shape `(samples,)` (one entry where `w` has no rows); −∞ where the sum is zero.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite.
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>>;

    /// Cavity marginals `c_j(a) ∝ Σ_{x: x_j = a} P(x) ∏_{i≠j} w_i(x_i)`, normalised over `a`, shape `(samples, sites, d_max)`,
    /// padding zero. The weight of site `j` itself does not enter.
    ///
    /// A row without evidence has cavities as long as every site has one: weights `(1, 0)` and `(0, 1)` on
    /// the law of two equal spins exclude both configurations, yet either spin has a cavity.
    ///
    /// # Errors
    /// As [`ExactModel::log_evidence`]; [`crate::Error::ZeroEvidence`] naming the first row whose cavity sum
    /// is zero at some site.
    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>>;
}

/// A plain draw, for laws that know no better start.
fn initial_draw(model: &dyn Model, stream: &mut Stream) -> Option<Array1<u8>> {
    let streams = Streams::new(stream.next_u64());
    model.sample(&SiteWeights::Uniform, 1, &streams).ok().map(|s| s.x.row(0).to_owned())
}
