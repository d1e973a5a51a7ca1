//! What a law can be asked: to weigh, to sample, to be tilted.

use std::ops::Deref;

use ndarray::{Array1, Array2, Array3, ArrayViewMut1};
use rand::Rng;

use super::weights::SiteWeights;
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::rng::{Stream, Streams};

/// Configurations with the natural logarithm of the probability under which each was drawn.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[must_use]
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
    /// Draws `n` configurations of the plain law, with their log-probabilities: [`Model::sample`] under
    /// [`SiteWeights::Uniform`].
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

    /// An endless iterator over single draws `(x, log q)`, made `ahead` at a time: a loop over one
    /// configuration pays what a batch pays a row. Draw `i` is row `i` of [`Model::draw`] with the same
    /// `streams`, whatever `ahead` is.
    ///
    /// A disconnected proposal knows `log q` of the present configuration from when it was drawn: accept with
    /// `min(1, π(x')/π(x) · q(x)/q(x'))`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `ahead = 0`.
    fn draws(&self, streams: &Streams, ahead: usize) -> Result<DrawAhead<&Self>>
    where
        Self: Sized,
    {
        DrawAhead::new(self, streams, ahead)
    }

    /// Draws `n` configurations from `q(·|w)`, with their log-probabilities.
    ///
    /// Row `i` uses stream `i` of `streams` (domain `"model"`). A form of `w` with rows fixes the number of
    /// samples.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`Error::ZeroEvidence`] naming the first row whose
    /// weights exclude every configuration.
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples>;

    /// Log-probability of each configuration under the law that [`Model::sample`] draws from, bit for bit
    /// what the draw returns; −∞ where `q(x|w) = 0`.
    ///
    /// # Errors
    /// As [`Model::sample`], and configurations of the wrong shape or out of range.
    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>>;

    /// New draws from `q(·|w)`, and the scores of `old`, under one set of environments: what the Monte Carlo
    /// rule needs.
    ///
    /// # Errors
    /// As [`Model::log_prob_given`].
    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)>;
}

/// A model closed under tilting: it is the law it says, to rounding.
pub trait ExactModel: Model {
    /// `log Σ_x P(x) ∏_j w_j(x_j)` in nats, shape `(samples,)` (one entry where `w` has no rows); −∞ where
    /// the sum is zero.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite.
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>>;

    /// Cavity marginals `c_j(a) ∝ Σ_{x: x_j = a} P(x) ∏_{i≠j} w_i(x_i)`, normalised over `a`, shape
    /// `(samples, sites, d_max)`, padding zero. The weight of site `j` itself does not enter.
    ///
    /// A row without evidence has cavities as long as every site has one: weights `(1, 0)` and `(0, 1)` on
    /// the law of two equal spins exclude both configurations, yet either spin has a cavity.
    ///
    /// # Errors
    /// As [`ExactModel::log_evidence`]; [`Error::ZeroEvidence`] naming the first row whose cavity sum
    /// is zero at some site.
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

/// Single draws of a model, made a batch ahead: see [`Model::draws`]. The model may be owned, borrowed or
/// shared.
///
/// ```
/// use tensorjump::{Model, Streams, model::{Boundary, PositiveMps}};
///
/// let law = PositiveMps::ising(0.4, &[1.0; 8], &[0.0; 8], Boundary::Ring)?;
/// for draw in law.draws(&Streams::new(1), 256)?.take(1000) {
///     let (x, log_q) = draw?;
///     assert!(x.len() == 8 && log_q < 0.0);
/// }
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DrawAhead<M> {
    model: M,
    streams: Streams,
    ahead: usize,
    batch: Samples,
    /// Row of the batch that is handed out next.
    next: usize,
    /// Draws made so far.
    made: usize,
}

impl<M: Model> DrawAhead<M> {
    /// Draws of `model`, `ahead` at a time.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `ahead = 0`.
    pub fn new(model: M, streams: &Streams, ahead: usize) -> Result<Self> {
        if ahead == 0 {
            return Err(Error::parameter("draws ahead", ahead, "at least one"));
        }
        let batch = Samples { x: Array2::zeros((0, model.dims().len())), log_prob: Array1::zeros(0) };
        Ok(DrawAhead { model, streams: *streams, ahead, batch, next: 0, made: 0 })
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Writes the next configuration into `x`, length `sites`, and returns its log-probability in nats.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for a slice of another length; errors of the model, after which the same draw is
    /// tried again.
    pub fn next_into(&mut self, x: &mut [u8]) -> Result<f64> {
        let sites = self.model.dims().len();
        if x.len() != sites {
            return Err(Error::SiteCount { expected: sites, got: x.len() });
        }
        if self.next == self.batch.x.nrows() {
            let batch = self.model.draw(self.ahead, &self.streams.rows_from(self.made))?;
            if batch.x.dim() != (self.ahead, sites) {
                let (expected, got) = (vec![self.ahead, sites], batch.x.shape().to_vec());
                return Err(Error::Shape { field: "draws", expected, got });
            }
            if batch.log_prob.len() != self.ahead {
                return Err(Error::SampleCount { expected: self.ahead, got: batch.log_prob.len() });
            }
            self.batch = batch;
            self.made += self.ahead;
            self.next = 0;
        }
        let mut to = ArrayViewMut1::from(x);
        to.assign(&self.batch.x.row(self.next)); // one copy where rows are contiguous
        self.next += 1;
        Ok(self.batch.log_prob[self.next - 1])
    }
}

impl<M: Model> Iterator for DrawAhead<M> {
    type Item = Result<(Vec<u8>, f64)>;

    /// Never `None`.
    fn next(&mut self) -> Option<Self::Item> {
        let mut x = vec![0; self.model.dims().len()];
        Some(self.next_into(&mut x).map(|log_prob| (x, log_prob)))
    }
}

/// A plain draw, for laws that know no better start.
pub(super) fn initial_draw(model: &dyn Model, stream: &mut Stream) -> Option<Array1<u8>> {
    let streams = Streams::new(stream.next_u64());
    model.sample(&SiteWeights::Uniform, 1, &streams).ok().map(|s| s.x.row(0).to_owned())
}
