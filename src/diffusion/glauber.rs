//! Glauber generative processes: noise by tokens in discrete time, undone by heat baths (arXiv 2405.17035).
//!
//! ```text
//! forward, step k at site j = k mod N:   Z ~ Π_k on states ∪ {keep};   X_{k+1}^j = Z unless Z = keep
//! reverse:                               X_k^j ~ P(X_k^j | X_k^{−j}),  the other sites as they are
//! ```
//!
//! The reverse step is a heat bath of the law of `X_k`: exact conditionals have no step error, only that of
//! the start. The law of `X_k` is the data law through the product kernel of [`TokenNoise::kernel`], so that
//! a model's evidence gives them. Learning is binary classification: with
//! `q(a, x_{−j}) = P(Z ≠ keep | X_{k+1}^j = a, x_{−j})`,
//!
//! ```text
//! q(a) = Π(a) / (Π(a) + Π(keep) p(a)),       p(a) = P(X_k^j = a | x_{−j}) = Π(a)/Π(keep) · (1/q(a) − 1).
//! ```
//!
//! Cost of a reverse step: one evaluation of conditionals, for exact ones `d_j` evidences of the model.

use std::ops::Deref;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::RngExt;

use super::denoise::ExactDiffusion;
use crate::choose::choose;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, ExactModel, check_configs};
use crate::noise::Kernel;
use crate::rng::Streams;

/// The forward token chain.
///
/// Invariant: `tokens[k]` is a law on the states of site `k mod N` and, last, "keep".
#[derive(Debug, Clone, PartialEq)]
pub struct TokenNoise {
    dims: Vec<usize>,
    tokens: Vec<Vec<f64>>,
}

impl TokenNoise {
    /// One token law a step: `tokens[k]` has `dims[k mod N] + 1` entries, the last one for "keep".
    ///
    /// # Errors
    /// No sites or steps; a law of the wrong length, negative, not finite, or not summing to one to 1e-12.
    pub fn new(dims: &[usize], tokens: Vec<Vec<f64>>) -> Result<Self> {
        // The identity checks dimensions.
        let _ = Kernel::identity(dims)?;
        if tokens.is_empty() {
            return Err(Error::parameter("steps", 0, "at least one"));
        }
        for (k, law) in tokens.iter().enumerate() {
            let (site, expected) = (k % dims.len(), dims[k % dims.len()] + 1);
            if law.len() != expected {
                return Err(Error::Shape { field: "token law", expected: vec![expected], got: vec![law.len()] });
            }
            if let Some(&value) = law.iter().find(|p| !p.is_finite()) {
                return Err(Error::NotFinite { field: "token law", site, value });
            }
            if let Some(&value) = law.iter().find(|p| **p < 0.0) {
                return Err(Error::Negative { field: "token law", site, value });
            }
            let sum: f64 = law.iter().sum();
            if (sum - 1.0).abs() > 1e-12 {
                return Err(Error::NotStochastic { field: "token law", site, row: k, sum, expected: 1.0 });
            }
        }
        Ok(TokenNoise { dims: dims.to_vec(), tokens })
    }

    /// In each of `sweeps` rounds over the sites, a site takes any of its states, equally likely, with
    /// probability `replace`.
    ///
    /// # Errors
    /// As [`TokenNoise::new`]; [`Error::Parameter`] for `replace` outside [0, 1].
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::diffusion::{ExactGlauber, SiteConditionals, TokenNoise, glauber_reverse};
    /// # use tensorjump::{Model, SiteWeights, Streams, model::PositiveMps};
    /// let coins = PositiveMps::product(&[vec![0.25, 0.75], vec![1.0, 0.0]])?;
    /// let tokens = TokenNoise::uniform(&[2; 2], 5, 0.4)?;
    /// let clean = coins.draw(100, &Streams::new(1))?.x;
    /// let y = tokens.kernel(tokens.steps())?.sample(clean.view(), &Streams::new(1))?;
    /// let x = glauber_reverse(&ExactGlauber::new(&coins, &tokens)?, y.view(), &Streams::new(1))?;
    /// assert!(x.column(1).iter().all(|&a| a == 0));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn uniform(dims: &[usize], sweeps: usize, replace: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&replace) {
            return Err(Error::parameter("replace", replace, "between 0 and 1"));
        }
        let law = |d: usize| [vec![replace / d as f64; d], vec![1.0 - replace]].concat();
        Self::new(dims, (0..sweeps * dims.len()).map(|k| law(dims[k % dims.len()])).collect())
    }

    /// Number of states of each site.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Number of steps of the chain.
    pub fn steps(&self) -> usize {
        self.tokens.len()
    }

    /// The site that step `k` may change.
    pub fn site(&self, k: usize) -> usize {
        k % self.dims.len()
    }

    /// The token law of step `k`: the probability of each state, and of "keep".
    ///
    /// # Errors
    /// [`Error::Parameter`] for a step out of range.
    pub fn law(&self, k: usize) -> Result<(&[f64], f64)> {
        let law = self.tokens.get(k).ok_or_else(|| Error::parameter("step", k, "below the number of steps"))?;
        let d = law.len() - 1;
        Ok((&law[..d], law[d]))
    }

    /// The law of `X_k` given `X_0`, a product over sites. Cost `O(k d²)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `k` beyond the number of steps.
    pub fn kernel(&self, k: usize) -> Result<Kernel> {
        if k > self.steps() {
            return Err(Error::parameter("step", k, "at most the number of steps"));
        }
        let mut tables: Vec<Array2<f64>> = self.dims.iter().map(|&d| Array2::eye(d)).collect();
        for i in 0..k {
            let (states, keep) = self.law(i)?;
            let table = &mut tables[self.site(i)];
            *table *= keep;
            *table += &ArrayView1::from(states);
        }
        Kernel::new(&tables)
    }

    /// One forward step from `X_k`, shape `(samples, sites)`: returns `X_{k+1}` and which rows were given a
    /// token. Row `i` uses stream `i` of the domain `"token"`, step `k`.
    ///
    /// # Errors
    /// A step out of range; configurations that do not fit.
    pub fn step(&self, k: usize, x: Configs<'_>, streams: &Streams) -> Result<(Array2<u8>, Vec<bool>)> {
        check_configs(x, &self.dims)?;
        self.law(k)?;
        let (law, site, streams) = (&self.tokens[k], self.site(k), streams.domain("token").step(k as u64));
        let mut next = x.to_owned();
        let replaced = (0..x.nrows()).map(|row| {
            let token = choose(law, 1.0, streams.stream(row).random());
            if token < self.dims[site] {
                next[[row, site]] = token as u8;
            }
            token < self.dims[site]
        });
        let replaced = replaced.collect();
        Ok((next, replaced))
    }

    /// `q(a) = Π(a)/(Π(a) + Π(keep) p(a))`, the probability that a token was given, from conditionals of step
    /// `k`, shape `(samples, d_j)`; 0 where `a` is impossible.
    ///
    /// # Errors
    /// A step out of range; [`Error::Shape`].
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::diffusion::TokenNoise;
    /// let tokens = TokenNoise::uniform(&[2], 1, 0.5)?;
    /// let p = ndarray::array![[0.25, 0.75]];
    /// let q = tokens.replaced_from_conditionals(0, &p)?;
    /// assert!((q[[0, 0]] - 0.25 / (0.25 + 0.5 * 0.25)).abs() < 1e-15);
    /// assert!((tokens.conditionals_from_replaced(0, &q)? - p).iter().all(|e| e.abs() < 1e-15));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn replaced_from_conditionals(&self, k: usize, p: &Array2<f64>) -> Result<Array2<f64>> {
        let (states, keep) = self.law(k)?;
        check_width(p, states.len())?;
        Ok(Array2::from_shape_fn(p.dim(), |(row, a)| {
            let all = states[a] + keep * p[[row, a]];
            if all > 0.0 { states[a] / all } else { 0.0 }
        }))
    }

    /// `p(a) = Π(a)/Π(keep) · (1/q(a) − 1)`, the inverse of [`TokenNoise::replaced_from_conditionals`]; not
    /// normalised, so that the answer of a classifier shows its error.
    ///
    /// # Errors
    /// A step out of range; [`Error::Shape`]; [`Error::NotInvertible`] where `Π(keep) = 0`, `Π(a) = 0` or
    /// `q(a) = 0`.
    pub fn conditionals_from_replaced(&self, k: usize, q: &Array2<f64>) -> Result<Array2<f64>> {
        let (states, keep) = self.law(k)?;
        check_width(q, states.len())?;
        if keep == 0.0 || states.contains(&0.0) || q.iter().any(|q| q.is_nan() || *q <= 0.0) {
            return Err(Error::NotInvertible { what: "the classifier of tokens", site: self.site(k) });
        }
        Ok(Array2::from_shape_fn(q.dim(), |(row, a)| states[a] / keep * (1.0 / q[[row, a]] - 1.0)))
    }
}

/// Conditional laws of a token chain: exact, learned or given.
pub trait SiteConditionals: Send + Sync {
    /// The chain.
    fn tokens(&self) -> &TokenNoise;

    /// `P(X_k^j = a | X_k^{−j})` at the site `j` of step `k` for each row of `x`, shape `(samples, d_j)`,
    /// normalised. `x_j` must not be read.
    ///
    /// # Errors
    /// A step out of range; configurations of the wrong shape or out of range; rows of probability zero.
    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>>;
}

/// Whatever points at conditionals is these: `&C`, `Box<C>`, `Arc<C>`.
impl<P: Deref<Target: SiteConditionals> + Send + Sync> SiteConditionals for P {
    fn tokens(&self) -> &TokenNoise {
        (**self).tokens()
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        (**self).conditionals(k, x)
    }
}

/// The exact conditionals of a model under a token chain.
///
/// The model may be owned, borrowed or shared.
#[derive(Debug, Clone)]
pub struct ExactGlauber<M> {
    model: M,
    tokens: TokenNoise,
}

impl<M: ExactModel> ExactGlauber<M> {
    /// The conditionals of `model` under `tokens`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the two do not fit.
    pub fn new(model: M, tokens: &TokenNoise) -> Result<Self> {
        match_dims(model.dims(), tokens.dims())?;
        Ok(ExactGlauber { model, tokens: tokens.clone() })
    }
}

impl<M: ExactModel> SiteConditionals for ExactGlauber<M> {
    fn tokens(&self) -> &TokenNoise {
        &self.tokens
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        self.tokens.law(k)?;
        check_configs(x, self.tokens.dims())?;
        let (kernel, site) = (self.tokens.kernel(k)?, self.tokens.site(k));
        // Not by cavities: those of other sites may vanish where x_j, which is to be replaced, is impossible.
        let (mut y, mut p) = (x.to_owned(), Array2::zeros((x.nrows(), self.tokens.dims()[site])));
        for (a, mut p) in p.axis_iter_mut(Axis(1)).enumerate() {
            y.column_mut(site).fill(a as u8);
            p.assign(&self.model.noised_log_prob(&kernel, y.view())?);
        }
        for (row, mut law) in p.outer_iter_mut().enumerate() {
            let max = law.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
            if max == f64::NEG_INFINITY {
                return Err(Error::ZeroEvidence { row });
            }
            law.mapv_inplace(|v| (v - max).exp());
            law /= law.sum();
        }
        Ok(p)
    }
}

/// A user's answer as laws: an unchecked one would be drawn from without a word.
pub(crate) fn checked_conditionals<C: SiteConditionals + ?Sized>(
    conditionals: &C,
    k: usize,
    x: Configs<'_>,
) -> Result<Array2<f64>> {
    let (site, mut p) = (conditionals.tokens().site(k), conditionals.conditionals(k, x)?);
    let expected = [x.nrows(), conditionals.tokens().dims()[site]];
    if p.shape() != expected {
        return Err(Error::Shape { field: "conditionals", expected: expected.to_vec(), got: p.shape().to_vec() });
    }
    for (row, mut law) in p.outer_iter_mut().enumerate() {
        if let Some(&value) = law.iter().find(|p| !p.is_finite()) {
            return Err(Error::NotFinite { field: "conditionals", site, value });
        }
        if let Some(&value) = law.iter().find(|p| **p < 0.0) {
            return Err(Error::Negative { field: "conditionals", site, value });
        }
        // By the largest first: the sum of finite numbers may overflow.
        let max = law.fold(0.0, |m: f64, &v| m.max(v));
        if max == 0.0 {
            return Err(Error::ZeroEvidence { row });
        }
        law.mapv_inplace(|v| v / max);
        law /= law.sum();
    }
    Ok(p)
}

fn check_width(p: &Array2<f64>, d: usize) -> Result<()> {
    let expected = vec![p.nrows(), d];
    if p.ncols() == d { Ok(()) } else { Err(Error::Shape { field: "conditionals", expected, got: p.shape().to_vec() }) }
}

/// The loss of the classification "was a token given?" at step `k`, in nats for each row of `X_{k+1}`:
/// `−log q(x_j)` where it was, `−log(1 − q(x_j))` where not. Least in the mean at the exact conditionals.
///
/// # Errors
/// As [`SiteConditionals::conditionals`], and for conditionals that are no laws of the right shape;
/// [`Error::SampleCount`].
///
/// # Examples
/// ```
/// # use tensorjump::diffusion::{ExactGlauber, TokenNoise, classification_loss};
/// # use tensorjump::model::PositiveMps;
/// let coin = PositiveMps::product(&[vec![0.25, 0.75]])?;
/// let tokens = TokenNoise::uniform(&[2], 1, 0.5)?;
/// let exact = ExactGlauber::new(&coin, &tokens)?;
/// // q(0) = 0.25/(0.25 + 0.5·0.25) = 2/3
/// let loss = classification_loss(&exact, 0, ndarray::array![[0], [0]].view(), &[true, false])?;
/// assert!((loss[0] - 1.5f64.ln()).abs() < 1e-15 && (loss[1] - 3f64.ln()).abs() < 1e-14);
/// # Ok::<(), tensorjump::Error>(())
/// ```
///
/// # References
/// arXiv 2405.17035.
pub fn classification_loss<C: SiteConditionals + ?Sized>(
    conditionals: &C,
    k: usize,
    x_next: Configs<'_>,
    replaced: &[bool],
) -> Result<Array1<f64>> {
    if replaced.len() != x_next.nrows() {
        return Err(Error::SampleCount { expected: x_next.nrows(), got: replaced.len() });
    }
    let tokens = conditionals.tokens();
    let (states, keep) = tokens.law(k)?;
    check_configs(x_next, tokens.dims())?;
    let p = checked_conditionals(conditionals, k, x_next)?;
    let loss = |(row, &replaced): (usize, &bool)| {
        let a = usize::from(x_next[[row, tokens.site(k)]]);
        let (given, kept) = (states[a], keep * p[[row, a]]);
        (given + kept).ln() - if replaced { given.ln() } else { kept.ln() }
    };
    Ok(replaced.iter().enumerate().map(loss).collect())
}

/// Undoes the whole chain from `X_T = y`, shape `(samples, sites)`: draws of `X_0`, exactly of the data law
/// if `y` has the law of `X_T` and the conditionals are exact. Row `i` uses stream `i` of the domain
/// `"glauber"`, one step a step of the chain.
///
/// # Errors
/// As [`SiteConditionals::conditionals`], and for conditionals that are no laws of the right shape.
pub fn glauber_reverse<C: SiteConditionals + ?Sized>(
    conditionals: &C,
    y: Configs<'_>,
    streams: &Streams,
) -> Result<Array2<u8>> {
    let (tokens, streams) = (conditionals.tokens(), streams.domain("glauber"));
    check_configs(y, tokens.dims())?;
    let mut x = y.to_owned();
    for k in (0..tokens.steps()).rev() {
        let (laws, streams) = (checked_conditionals(conditionals, k, x.view())?, streams.step(k as u64));
        for (row, law) in laws.outer_iter().enumerate() {
            x[[row, tokens.site(k)]] = choose(&law.to_vec(), 1.0, streams.stream(row).random()) as u8;
        }
    }
    Ok(x)
}
