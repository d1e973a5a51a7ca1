//! Glauber processes learned by binary classification: "was a token given?" (arXiv 2405.17035)
//!
//! ```text
//! q_θ(a, x_{−j}) = Π(a) / (Π(a) + Π(keep) p_θ(a | x_{−j})),
//! loss = −E[log q_θ(X_{k+1}^j) if Z_k ≠ keep, else log(1 − q_θ(X_{k+1}^j))],
//! ```
//!
//! so that the classifier is parametrised by a normalised law, and its minimum is
//! `p_θ = P(X_k^j = a | X_k^{−j})`. [`GlauberWindow`]: a softmax law of a neighbourhood for each step, the
//! mean over noise and tokens taken exactly. [`glauber_matching`]: one matrix-product law for all steps, by
//! simulated tokens.

use std::ops::ControlFlow;

use ndarray::{Array2, Array3};
use rand::RngExt;
use rayon::prelude::*;

use super::conditional_gradient::{Epoch, conditional_gradient, descend};
use super::features::{Design, Features, Rows, add_active, log_softmax};
use super::ratio_matching::{RatioMatchingOptions, start_tensors};
use super::tables::{SiteTable, check_neighbours, context};
use crate::configs::match_dims;
use crate::diffusion::{ExactGlauber, SiteConditionals, TokenNoise};
use crate::error::{Error, Result};
use crate::learn::data::Data;
use crate::model::{Configs, PositiveMps, check_configs};
use crate::rng::Streams;

/// Softmax laws of neighbourhoods, one for each step of a token chain.
#[derive(Debug, Clone)]
pub struct GlauberWindow {
    tokens: TokenNoise,
    neighbours: Vec<Vec<usize>>,
    designs: Vec<Design>,
    /// `(features, states)` of each step.
    theta: Vec<Vec<f64>>,
}

impl GlauberWindow {
    /// Learns the classifier of every step. `neighbours` lists other sites for each site
    /// ([`Boundary::windows`](crate::model::Boundary::windows)); the penalty is `ridge/(2n) |θ|²`.
    ///
    /// Cost: some 30 passes over the contexts of a neighbourhood a step.
    ///
    /// # Errors
    /// Tokens or neighbourhoods that do not fit the data; [`Error::Parameter`] for a ridge that is negative
    /// or not finite; [`Error::TooLarge`] beyond 2²⁰ contexts.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::TokenNoise, diffusion::SiteConditionals, model::Boundary};
    /// # use tensorjump::learn::{Data, Features, GlauberWindow};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let tokens = TokenNoise::uniform(&[2; 3], 4, 0.5)?;
    /// let pairs = Boundary::Open.windows(3, 1);
    /// let learned = GlauberWindow::new(&data, &tokens, &pairs, Features::Saturated, 1.0)?;
    /// assert_eq!(learned.conditionals(5, data.x())?.dim(), (4, 2));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(
        data: &Data,
        tokens: &TokenNoise,
        neighbours: &[Vec<usize>],
        features: Features,
        ridge: f64,
    ) -> Result<Self> {
        match_dims(data.dims(), tokens.dims())?;
        check_neighbours(neighbours, data.dims())?;
        if !(ridge.is_finite() && ridge >= 0.0) {
            return Err(Error::parameter("ridge", ridge, "finite and not negative"));
        }
        let tables: Vec<SiteTable> =
            neighbours.iter().enumerate().map(|(j, list)| SiteTable::new(data, j, list)).collect();
        let designs: Vec<Design> = neighbours.iter().map(|list| Design::new(list, data.dims(), features)).collect();
        let learn = |k: usize| {
            let site = tokens.site(k);
            let joint = tables[site].joint(site, &tokens.kernel(k)?);
            classify(&joint, tokens.law(k)?, &designs[site], ridge / data.effective())
        };
        let theta = (0..tokens.steps()).into_par_iter().map(learn).collect::<Result<_>>()?;
        Ok(GlauberWindow { tokens: tokens.clone(), neighbours: neighbours.to_vec(), designs, theta })
    }
}

/// The classifier of one step from the law `joint[[a, context]]` of `X_k`: tokens are given with `Π(a)` in
/// every context, and kept states occur with `Π(keep) joint`.
fn classify(joint: &Array2<f64>, (given, keep): (&[f64], f64), design: &Design, ridge: f64) -> Result<Vec<f64>> {
    Rows::of_table(design, joint).fit(ridge, 300, |counts, log_p, slopes| {
        let (total, mut loss) = (counts.iter().sum::<f64>(), 0.0);
        for (a, (&w, slope)) in counts.iter().zip(slopes).enumerate() {
            let (kept, all) = (keep * log_p[a].exp(), given[a] + keep * log_p[a].exp());
            let (n_given, n_kept) = (given[a] * total, keep * w);
            *slope = if all > 0.0 { (n_given + n_kept) * kept / all - n_kept } else { 0.0 };
            if n_given + n_kept > 0.0 {
                loss += (n_given + n_kept) * all.ln() - n_kept * log_p[a];
            }
        }
        loss
    })
}

impl SiteConditionals for GlauberWindow {
    fn tokens(&self) -> &TokenNoise {
        &self.tokens
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        self.tokens.law(k)?;
        check_configs(x, self.tokens.dims())?;
        let site = self.tokens.site(k);
        let mut p = Array2::zeros((x.nrows(), self.tokens.dims()[site]));
        for (mut p, x) in p.outer_iter_mut().zip(x.outer_iter()) {
            let c = context(&self.neighbours[site], self.tokens.dims(), x);
            let law = p.as_slice_mut().expect("a row of a new array");
            add_active(&self.designs[site].active[c], &self.theta[k], law);
            log_softmax(law);
            law.iter_mut().for_each(|z| *z = z.exp());
        }
        Ok(p)
    }
}

/// A matrix-product law learned by classifying tokens.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct GlauberMatched {
    /// The law of the clean data.
    pub model: PositiveMps,
    /// Mean loss of each pass through the data in nats, while it was learned.
    pub losses: Vec<f64>,
    tokens: TokenNoise,
}

impl GlauberMatched {
    /// Learns a non-negative matrix-product law by classifying tokens; each batch takes a step of the chain.
    /// `options.times` is not used.
    ///
    /// # Errors
    /// As [`RatioMatched::new`](crate::learn::RatioMatched::new).
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::{TokenNoise, glauber_reverse}, Streams};
    /// # use tensorjump::learn::{Data, GlauberMatched, RatioMatchingOptions};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let tokens = TokenNoise::uniform(&[2; 3], 6, 0.5)?;
    /// let learned = GlauberMatched::new(&data, &tokens, &RatioMatchingOptions::default())?;
    /// let y = tokens.kernel(tokens.steps())?.sample(data.x(), &Streams::new(1))?;
    /// assert_eq!(glauber_reverse(&learned, y.view(), &Streams::new(1))?.dim(), (4, 3));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(data: &Data, tokens: &TokenNoise, options: &RatioMatchingOptions) -> Result<Self> {
        Self::with_progress(data, tokens, options, |_| ControlFlow::Continue(()))
    }

    /// As [`GlauberMatched::new`]; `progress` is told after each pass through the data, and ends it by
    /// `Break`: with the law as it then is.
    ///
    /// # Errors
    /// As [`GlauberMatched::new`].
    pub fn with_progress(
        data: &Data,
        tokens: &TokenNoise,
        options: &RatioMatchingOptions,
        progress: impl FnMut(&Epoch) -> ControlFlow<()>,
    ) -> Result<Self> {
        data.require_variety()?;
        match_dims(data.dims(), tokens.dims())?;
        let start = start_tensors(data, &options.start, options.seed)?;
        let descent = options.descent();
        let loss = |tensors: &[Array3<f64>], part: &Data, streams: &Streams| {
            let k = streams.domain("time").stream(0).random_range(0..tokens.steps());
            let (kernel, site) = (tokens.kernel(k)?, tokens.site(k));
            let (given, keep) = tokens.law(k)?;
            let (x, replaced) = tokens.step(k, kernel.sample(part.x(), streams)?.view(), streams)?;
            Ok(conditional_gradient(tensors, &kernel, x.view(), |row, j, log_p| {
                let (given, kept) = (given[usize::from(x[[row, site]])], keep * log_p.exp());
                let (w, q) = (part.weights()[row], given / (given + kept));
                let loss = if replaced[row] { -q.ln() } else { -(1.0 - q).ln() };
                let slope = if replaced[row] { 1.0 - q } else { -q };
                (j == site).then_some((w * loss, w * slope))
            }))
        };
        let (model, losses) = descend(&start, data, &descent, loss, progress)?;
        Ok(GlauberMatched { model, losses, tokens: tokens.clone() })
    }
}

impl SiteConditionals for GlauberMatched {
    fn tokens(&self) -> &TokenNoise {
        &self.tokens
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        ExactGlauber::new(&self.model, &self.tokens)?.conditionals(k, x)
    }
}
