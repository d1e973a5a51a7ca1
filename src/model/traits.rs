//! What a law can be asked: to weigh, to sample, to be tilted.

use std::ops::Deref;

use ndarray::{Array1, Array2, Array3};
use rand::Rng;

use super::draw_ahead::DrawAhead;
use super::weights::SiteWeights;
use crate::error::Result;
use crate::model::Configs;
use crate::rng::{Stream, Streams};

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
    /// Draws `n` configurations of the plain law, with their log-probabilities: [`Model::sample`] under [`SiteWeights::Uniform`].
    ///
    /// # Errors
    /// As [`Model::sample`].
    fn draw(&self, n: usize, streams: &Streams) -> Result<Samples> {
        self.sample(&SiteWeights::Uniform, n, streams)
    }

    /// Log-probability of each configuration under the plain law, in nats, shape `(samples,)`.
    ///
    /// # Errors
    /// As [`Model::log_prob_given`].
    fn log_prob(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob_given(x, &SiteWeights::Uniform)
    }

    /// An endless iterator over single draws `(x, log q)`, made `ahead` at a time: a loop over one configuration pays what a batch
    /// pays a row. Draw `i` is row `i` of [`Model::draw`] with the same `streams`, whatever `ahead` is.
    ///
    /// A disconnected proposal knows `log q` of the present configuration from when it was drawn: accept with
    /// `min(1, π(x')/π(x) · q(x)/q(x'))`.
    ///
    /// # Errors
    /// [`crate::error::Error::Parameter`] for `ahead = 0`.
    fn draws(&self, streams: &Streams, ahead: usize) -> Result<DrawAhead<&Self>>
    where
        Self: Sized,
    {
        DrawAhead::new(self, streams, ahead)
    }

    /// Draws `n` configurations from `q(·|w)`, with their log-probabilities.
    ///
    /// Row `i` uses stream `i` of `streams` (domain `"model"`). A form of `w` with rows fixes the number of samples.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`crate::error::Error::ZeroEvidence`] naming the first row whose weights exclude
    /// every configuration.
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples>;

    /// Log-probability of each configuration under the law that [`Model::sample`] draws from, bit for bit what the draw
    /// returns; −∞ where `q(x|w) = 0`.
    ///
    /// # Errors
    /// As [`Model::sample`], and configurations of the wrong shape or out of range.
    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>>;

    /// New draws from `q(·|w)`, and the scores of `old`, under one set of environments: what the Monte Carlo rule needs.
    ///
    /// # Errors
    /// As [`Model::log_prob_given`].
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
    /// # Errors
    /// As [`ExactModel::log_evidence`]; [`crate::error::Error::ZeroEvidence`] for a row whose cavity sum is zero at some site.
    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>>;
}

// Whatever points at a law is that law: `&M`, `Box<M>`, `Arc<M>`.

impl<P: Deref<Target: Target> + Send + Sync> Target for P {
    fn dims(&self) -> &[usize] {
        (**self).dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        (**self).log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        (**self).initial(stream)
    }
}

impl<P: Deref<Target: Model> + Send + Sync> Model for P {
    fn draw(&self, n: usize, streams: &Streams) -> Result<Samples> {
        (**self).draw(n, streams)
    }

    fn log_prob(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        (**self).log_prob(x)
    }

    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        (**self).sample(w, n, streams)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        (**self).log_prob_given(x, w)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        (**self).redraw(w, old, streams)
    }
}

impl<P: Deref<Target: ExactModel> + Send + Sync> ExactModel for P {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        (**self).log_evidence(w)
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        (**self).cavities(w)
    }
}

/// A plain draw, for laws that know no better start.
pub(super) fn initial_draw(model: &dyn Model, stream: &mut Stream) -> Option<Array1<u8>> {
    let streams = Streams::new(stream.next_u64());
    model.sample(&SiteWeights::Uniform, 1, &streams).ok().map(|s| s.x.row(0).to_owned())
}
