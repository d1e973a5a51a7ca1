//! Categorical ratio matching for a matrix-product law: minimise over the tensors of `P_θ`
//!
//! ```text
//! E_{t,y}[−Σ_j log p_θ(y_j | y_{−j}, t)],       p_θ(·, t) = P_θ K_t,
//! ```
//!
//! with `t` from a list and `y` a noised sample (arXiv 2211.16750). One law of the clean data gives the
//! conditionals of every time, and is the data law at the minimum. Cost of a pass through `n` samples:
//! `9 n N χ²` multiply-adds.

use std::ops::ControlFlow;

use ndarray::Array3;
use rand::RngExt;

use super::conditional_gradient::{Descent, Epoch, conditional_gradient, descend};
use super::softmax::learning_times;
use crate::configs::match_dims;
use crate::diffusion::ExactDenoiser;
use crate::error::Result;
use crate::learn::data::{Data, check_weights};
use crate::learn::interrupt::Interrupt;
use crate::learn::likelihood::born::Start;
use crate::learn::likelihood::fit::marginals;
use crate::learn::likelihood::positive::random_tensors;
use crate::learn::tensors::gradient::Gradient;
use crate::model::{Configs, PositiveMps, Target};
use crate::noise::{Kernel, Noise};
use crate::rng::Streams;
use crate::tn::Mps;

/// How to learn by ratio matching: [`RatioMatched::new`],
/// [`GlauberMatched::new`](super::glauber::GlauberMatched::new).
#[derive(Debug, Clone)]
pub struct RatioMatchingOptions {
    /// Where to start.
    pub start: Start<PositiveMps>,
    /// Times from which each batch takes one, ascending; empty: 13 of them, evenly in `logit α` from .97 to
    /// .03.
    pub times: Vec<f64>,
    /// Passes through the data.
    pub epochs: usize,
    /// Samples a step.
    pub batch: usize,
    /// First step length of Adam; it falls to zero.
    pub rate: f64,
    /// Seed of start, batches, times and noise.
    pub seed: u64,
    /// Stops the run between batches: with the law as it then is, and the losses of whole passes.
    pub interrupt: Option<Interrupt>,
}

impl RatioMatchingOptions {
    pub(crate) fn descent(&self) -> Descent {
        let Self { epochs, batch, rate, seed, ref interrupt, .. } = *self;
        Descent { epochs, batch, rate, seed, interrupt: interrupt.clone() }
    }
}

impl Default for RatioMatchingOptions {
    /// Bond 8 from a random start, 60 passes in batches of 60, rate 0.03, seed 0.
    fn default() -> Self {
        let start = Start::Random { bond: 8 };
        RatioMatchingOptions { start, times: vec![], epochs: 60, batch: 60, rate: 0.03, seed: 0, interrupt: None }
    }
}

/// A matrix-product law learned by ratio matching.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct RatioMatched {
    /// The law, and its conditionals at any time.
    pub denoiser: ExactDenoiser<PositiveMps>,
    /// Mean loss of each pass through the data in nats, while it was learned.
    pub losses: Vec<f64>,
}

impl RatioMatched {
    /// Learns a non-negative matrix-product law by ratio matching under `noise`.
    ///
    /// # Errors
    /// [`crate::error::Error::IdenticalSamples`]; noise or a start that does not fit the data; times as for
    /// [`super::softmax::SoftmaxDenoiser`]; [`crate::error::Error::Parameter`] for no epochs, an empty batch,
    /// a rate that is not positive and finite.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::learn::{Data, RatioMatched, RatioMatchingOptions};
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 3], 1.0)?, Schedule::default());
    /// let options = RatioMatchingOptions { epochs: 50, ..RatioMatchingOptions::default() };
    /// let learned = RatioMatched::new(&data, &noise, &options)?;
    /// assert!(learned.losses[49] < learned.losses[0]);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # References
    /// arXiv 2211.16750.
    pub fn new(data: &Data, noise: &Noise, options: &RatioMatchingOptions) -> Result<Self> {
        Self::with_progress(data, noise, options, |_| ControlFlow::Continue(()))
    }

    /// As [`RatioMatched::new`]; `progress` is told after each pass through the data, and ends it by `Break`:
    /// with the law as it then is.
    ///
    /// # Errors
    /// As [`RatioMatched::new`].
    pub fn with_progress(
        data: &Data,
        noise: &Noise,
        options: &RatioMatchingOptions,
        progress: impl FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<Self> {
        data.require_variety()?;
        match_dims(data.dims(), noise.dims_in())?;
        let kernels: Vec<Kernel> =
            learning_times(noise, &options.times)?.iter().map(|&t| noise.kernel(0.0, t)).collect::<Result<_>>()?;
        let start = start_tensors(data, &options.start, options.seed)?;
        let descent = options.descent();
        let loss = |tensors: &[Array3<f64>], part: &Data, streams: &Streams| {
            let kernel = &kernels[streams.domain("time").stream(0).random_range(0..kernels.len())];
            let y = kernel.sample(part.x(), streams)?;
            Ok(conditional_gradient(tensors, kernel, y.view(), |row, _, log_p| {
                let w = part.weights()[row];
                Some((-w * log_p, -w))
            }))
        };
        let (model, losses) = descend(&start, data, &descent, loss, progress)?;
        Ok(RatioMatched { denoiser: ExactDenoiser::new(model, noise)?, losses })
    }
}

/// Tensors to start from: the given ones, or random ones with the marginals of the data.
pub(crate) fn start_tensors(data: &Data, start: &Start<PositiveMps>, seed: u64) -> Result<Vec<Array3<f64>>> {
    match start {
        Start::Random { bond } => {
            random_tensors(&marginals(data), *bond, &mut Streams::new(seed).domain("start").stream(0))
        }
        Start::Model(model) => {
            match_dims(data.dims(), model.dims())?;
            Ok(model.as_mps().tensors().to_vec())
        }
    }
}

impl Gradient {
    /// `Σ_i w_i Σ_j log p(y_{ij} | y_{i,−j})` for the noised law `P K` of non-negative tensors (in any
    /// gauge), and its gradient with respect to them: minus the ratio-matching loss.
    ///
    /// `y` has shape `(samples, sites)`, `weights` `(samples,)` with any signs. Cost `9 n N χ²`.
    ///
    /// # Errors
    /// A kernel, configurations or weights that do not fit.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{learn::Gradient, model::PositiveMps, noise::Kernel};
    /// let coins = PositiveMps::product(&[vec![0.25, 0.75], vec![0.5, 0.5]])?;
    /// let none = Kernel::identity(&[2, 2])?;
    /// let (y, w) = (ndarray::array![[1, 0]], ndarray::array![1.0]);
    /// let gradient = Gradient::ratio_matching(coins.as_mps(), &none, y.view(), w.view())?;
    /// assert!((gradient.value - 0.375f64.ln()).abs() < 1e-15);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn ratio_matching(
        law: &Mps,
        kernel: &Kernel,
        y: Configs<'_>,
        weights: ndarray::ArrayView1<'_, f64>,
    ) -> Result<Gradient> {
        match_dims(law.dims(), kernel.dims_in())?;
        check_weights(y, kernel.dims_out(), weights)?;
        let f = |row: usize, _, log_p: f64| Some((weights[row] * log_p, weights[row]));
        Ok(conditional_gradient(law.tensors(), kernel, y, f))
    }
}
