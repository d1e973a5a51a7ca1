//! The continuous-time bound of the likelihood, for any single-site rates (arXiv 2412.10193):
//!
//! ```text
//! −log P_0(x_0) ≤ ∫_{τ(t_0)}^{τ(T)} E_{z_t|x_0}[ Σ_j Σ_{b≠z_j} Q_j(b→z_j) ℓ_b ] dτ,
//!                                                ℓ_b = r_b − r̂_b + r̂_b log(r̂_b/r_b),
//!                 + E_{z_{t_0}|x_0}[−log P(x_0|z_{t_0})] + KL(q(z_T|x_0) ‖ P_T),
//! ```
//!
//! with the model's ratios `r_b = p_j(b)/p_j(z_j)` and those of the clean configuration,
//! `r̂_b = K_j(x_0^j→b)/K_j(x_0^j→z_j)`. Equality, point by point, holds for the exact conditionals
//! `P_t(z_j | z_{−j})` with the joint posterior and the exact `P_T`; a product prior adds
//! `E[log P_T − log prior]`. **The minimum is the leave-one-out law**: with the denoiser `P(x_0^j|z)` in its
//! place the bound is worse in the mean. Special cases: uniform noise,
//! `−α′/(dα)·[d/x̄_{θ,b} − d/x̄_b + Σ_a (x̄_a/x̄_b) log(x̄_{θ,b}x̄_a/(x̄_{θ,a}x̄_b))]` a site, and masks,
//! `−α′/(1−α)·(−log c_j(x_0^j))` a masked site.
//!
//! Time enters through `τ`, in which nothing is divided by `β`. Quadrature is Gauss–Legendre in `logit α`,
//! where the integrand is smooth towards both ends. Cost: one evaluation of the denoiser a node and draw.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView2};

use super::denoise::{Denoise, ExactDiffusion};
use super::denoiser::Denoiser;
use super::denoiser::marginals_of;
use super::scores::denoiser_from_cavities;
use crate::error::{Error, Result};
use crate::model::{Configs, ExactModel, check_configs};
use crate::noise::Noise;
use crate::rng::Streams;

/// Nodes and weights of an integral over `τ` between two times.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Quadrature {
    interval: (f64, f64),
    times: Vec<f64>,
    weights: Vec<f64>,
}

impl Quadrature {
    /// Gauss–Legendre in `logit α` between the times `0 < t_0 < t_1 < ∞`: spectral accuracy for the bound.
    /// Weights are in units of `τ`.
    ///
    /// # Errors
    /// [`Error::TimeOrder`]; [`Error::Parameter`] for `t_0 = 0`, `t_1 = ∞`, no nodes, or noise without rates.
    pub fn logit(noise: &Noise, (t_0, t_1): (f64, f64), nodes: usize) -> Result<Self> {
        if t_0 >= t_1 {
            return Err(Error::TimeOrder { s: t_0, t: t_1 });
        }
        let (low, high) = (noise.logit_signal(t_1)?, noise.logit_signal(t_0)?);
        if !high.is_finite() || !low.is_finite() {
            let time = if low.is_finite() { t_0 } else { t_1 };
            return Err(Error::parameter("end of the time integral", time, "positive and finite"));
        }
        if nodes == 0 {
            return Err(Error::parameter("nodes", nodes, "at least one"));
        }
        let rate = noise.relaxation()?;
        let (mut times, mut weights) = (Vec::with_capacity(nodes), Vec::with_capacity(nodes));
        for (x, w) in gauss_legendre(nodes).into_iter().rev() {
            let u = 0.5 * (low + high) + 0.5 * (high - low) * x;
            times.push(noise.schedule().time_after(0.0, (-u).exp().ln_1p() / rate, t_1)?);
            weights.push(0.5 * (high - low) * w / (1.0 + u.exp()) / rate);
        }
        Ok(Quadrature { interval: (t_0, t_1), times, weights })
    }

    /// The ends of the integral.
    pub fn interval(&self) -> (f64, f64) {
        self.interval
    }

    /// Times of the nodes, ascending.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Weights of the nodes, in units of `τ`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }
}

/// Nodes in (−1, 1), ascending, with weights: Newton's method on the Legendre polynomial.
fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    let node = |i: usize| {
        let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p, mut before) = (x, 1.0);
            for k in 2..=n {
                let k = k as f64;
                (p, before) = (((2.0 * k - 1.0) * x * p - (k - 1.0) * before) / k, p);
            }
            slope = n as f64 * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (x, 2.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..n).map(node).collect()
}

/// A number that is not finite or else negative.
fn improper(field: &'static str, site: usize, value: f64) -> Error {
    if value.is_finite() { Error::Negative { field, site, value } } else { Error::NotFinite { field, site, value } }
}

/// A prior that is not a law makes no bound.
fn check_prior(prior: ArrayView2<'_, f64>, dims: &[usize]) -> Result<()> {
    for (site, (law, &d)) in prior.outer_iter().zip(dims).enumerate() {
        if let Some(&value) = law.iter().take(d).find(|p| !(p.is_finite() && **p >= 0.0)) {
            return Err(improper("prior", site, value));
        }
        let sum: f64 = law.iter().take(d).sum();
        if (sum - 1.0).abs() > 1e-9 {
            return Err(Error::NotStochastic { field: "prior", site, row: 0, sum, expected: 1.0 });
        }
    }
    Ok(())
}

/// What stands at the two ends of the bound.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Ends<'a> {
    /// The joint posterior `P(x_0|z)` at `t_0` and the exact `P_T` of a model: with its conditionals the
    /// bound is an equality.
    Exact(&'a dyn ExactModel),
    /// The product of the denoiser's marginals at `t_0`, and independent sites at `T`: `prior[[j, b]]`, shape
    /// `(sites, d_out_max)`. What a learned score alone defines.
    Product(ArrayView2<'a, f64>),
}

impl fmt::Debug for Ends<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ends::Exact(model) => f.debug_tuple("Exact").field(&model.dims()).finish(),
            Ends::Product(prior) => f.debug_tuple("Product").field(prior).finish(),
        }
    }
}

impl Ends<'_> {
    /// `−log P(x_0 | z_{t_0} = z)` in nats for each pair of rows, shape `(samples,)`.
    ///
    /// # Errors
    /// As [`Denoise::denoise_log_prob`], or [`Denoiser::cavities`] for products; [`Error::Negative`] for
    /// marginals that inverting a kernel has made negative; [`Error::SampleCount`].
    pub fn at_start<D: Denoiser + ?Sized>(
        &self,
        denoiser: &D,
        t_0: f64,
        x_0: Configs<'_>,
        z: Configs<'_>,
    ) -> Result<Array1<f64>> {
        let kernel = denoiser.noise().kernel(0.0, t_0)?;
        if x_0.nrows() != z.nrows() {
            return Err(Error::SampleCount { expected: x_0.nrows(), got: z.nrows() });
        }
        match self {
            Ends::Exact(model) => Ok(-model.denoise_log_prob(&kernel, x_0, z)?),
            Ends::Product(_) => {
                let m = denoiser_from_cavities(&kernel, z, denoiser.cavities(t_0, z)?.view())?;
                check_configs(x_0, kernel.dims_in())?;
                if let Some(((_, site, _), &value)) = m.indexed_iter().find(|(_, m)| m.is_nan() || **m < 0.0) {
                    return Err(improper("denoiser marginals", site, value));
                }
                Ok(log_product(x_0, |row, j, a| m[[row, j, a]]).mapv(|v| -v))
            }
        }
    }

    /// `log q(z|x_0) − log P_T(z)` in nats for each pair of rows, shape `(samples,)`; its mean over `z` is
    /// the divergence.
    ///
    /// # Errors
    /// Configurations that do not fit; [`Error::SampleCount`]; [`Error::Shape`], [`Error::NotFinite`],
    /// [`Error::Negative`] and [`Error::NotStochastic`] (to 1e-9) for the prior.
    pub fn at_end(&self, noise: &Noise, t_1: f64, x_0: Configs<'_>, z: Configs<'_>) -> Result<Array1<f64>> {
        let kernel = noise.kernel(0.0, t_1)?;
        let forward = kernel.log_prob(x_0, z)?;
        match self {
            Ends::Exact(model) => Ok(forward - model.noised_log_prob(&kernel, z)?),
            Ends::Product(prior) => {
                let (sites, _, d) = kernel.tables().dim();
                if prior.dim() != (sites, d) {
                    let got = prior.shape().to_vec();
                    return Err(Error::Shape { field: "prior", expected: vec![sites, d], got });
                }
                check_prior(*prior, kernel.dims_out())?;
                Ok(forward - log_product(z, |_, j, b| prior[[j, b]]))
            }
        }
    }
}

/// `Σ_j log f(row, j, x_j)`.
fn log_product(x: Configs<'_>, f: impl Fn(usize, usize, usize) -> f64) -> Array1<f64> {
    let row = |(row, x): (usize, ndarray::ArrayView1<'_, u8>)| {
        x.iter().enumerate().map(|(j, &a)| f(row, j, a.into()).ln()).sum()
    };
    x.outer_iter().enumerate().map(row).collect()
}

/// A bound of `−log P_0(x_0)` for each configuration, in nats, by its three parts; arrays have shape
/// `(samples,)`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct LikelihoodBound {
    /// The integral over time.
    pub path: Array1<f64>,
    /// `−log P(x_0|z_{t_0})`.
    pub start: Array1<f64>,
    /// The divergence from `P_T`.
    pub end: Array1<f64>,
    /// Standard error of the sum.
    pub error: Array1<f64>,
}

impl LikelihoodBound {
    /// The bound in nats.
    pub fn total(&self) -> Array1<f64> {
        &self.path + &self.start + &self.end
    }

    /// The integrand of the bound, in nats per unit of `τ`, for each pair of rows of clean `x_0` and noised
    /// `z` at time `t`: shape `(samples,)`; +∞ where the denoiser excludes what `x_0` allows.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`]; [`Error::Shape`], [`Error::NotFinite`] and [`Error::Negative`]
    /// for its answer; [`Error::SampleCount`]; [`Error::ZeroEvidence`] for a row where `K(x_0, z) = 0` or the
    /// denoiser excludes `z`.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::diffusion::{ExactDenoiser, LikelihoodBound};
    /// # use tensorjump::{model::PositiveMps, noise::{Noise, Rates, Schedule}};
    /// let coin = PositiveMps::product(&[vec![0.25, 0.75]])?;
    /// let noise = Noise::new(Rates::mask(&[2], 1.0)?, Schedule::default());
    /// // A masked site: α/(1 − α) times −log of its cavity.
    /// let (x, z) = (ndarray::array![[0]], ndarray::array![[2]]);
    /// let exact = ExactDenoiser::new(&coin, &noise)?;
    /// let rate = LikelihoodBound::integrand(&exact, 2f64.ln(), x.view(), z.view())?;
    /// assert!((rate[0] - 4f64.ln()).abs() < 1e-12);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn integrand<D: Denoiser + ?Sized>(
        denoiser: &D,
        t: f64,
        x_0: Configs<'_>,
        z: Configs<'_>,
    ) -> Result<Array1<f64>> {
        let noise = denoiser.noise();
        check_configs(x_0, noise.dims_in())?;
        check_configs(z, noise.dims_out())?;
        if x_0.nrows() != z.nrows() {
            return Err(Error::SampleCount { expected: x_0.nrows(), got: z.nrows() });
        }
        let kernel = noise.kernel(0.0, t)?;
        let p = marginals_of(denoiser, t, z)?;
        let rates: Vec<Array2<f64>> = (0..noise.sites()).map(|j| noise.rates().matrix(j)).collect();
        let mut sum = Array1::zeros(z.nrows());
        for ((row, j), &here) in z.indexed_iter() {
            let (here, table) = (usize::from(here), kernel.table(j));
            let clean = table.row(x_0[[row, j]].into());
            let (k_here, p_here) = (clean[here], p[[row, j, here]]);
            for (b, &q) in rates[j].column(here).iter().enumerate() {
                if b == here || q == 0.0 {
                    continue;
                }
                if k_here <= 0.0 || p_here <= 0.0 {
                    return Err(Error::ZeroEvidence { row });
                }
                let (model, truth) = (p[[row, j, b]] / p_here, clean[b] / k_here);
                let log = if truth > 0.0 { truth * (truth / model).ln() } else { 0.0 };
                sum[row] += q * (model - truth + log);
            }
        }
        Ok(sum)
    }

    /// Estimates the bound for each row of `x_0` by `draws ≥ 2` noised copies a node. Draw `k` at node `i`
    /// uses `streams.step(k).step(i)`.
    ///
    /// # Errors
    /// As [`LikelihoodBound::integrand`] and [`Ends`]; [`Error::TooFewSamples`] for fewer than two draws.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::diffusion::{Ends, ExactDenoiser, LikelihoodBound, Quadrature};
    /// # use tensorjump::{Streams, model::PositiveMps, noise::{Noise, Rates, Schedule}};
    /// let coins = PositiveMps::product(&[vec![0.25, 0.75], vec![0.5, 0.5]])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 2], 1.0)?, Schedule::default());
    /// let nodes = Quadrature::logit(&noise, (0.01, 3.0), 16)?;
    /// let exact = ExactDenoiser::new(&coins, &noise)?;
    /// let x = ndarray::array![[1, 0]];
    /// let (ends, streams) = (Ends::Exact(&coins), Streams::new(1));
    /// let bound = LikelihoodBound::estimate(&exact, &ends, &nodes, x.view(), 400, &streams)?;
    /// assert!((bound.total()[0] + 0.375f64.ln()).abs() < 5.0 * bound.error[0]);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn estimate<D: Denoiser + ?Sized>(
        denoiser: &D,
        ends: &Ends<'_>,
        nodes: &Quadrature,
        x_0: Configs<'_>,
        draws: usize,
        streams: &Streams,
    ) -> Result<LikelihoodBound> {
        if draws < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: draws });
        }
        let (noise, (t_0, t_1), n) = (denoiser.noise(), nodes.interval, x_0.nrows());
        let kernels =
            nodes.times.iter().chain([&t_0, &t_1]).map(|&t| noise.kernel(0.0, t)).collect::<Result<Vec<_>>>()?;
        let streams = streams.domain("bound");
        let zeros = || Array1::<f64>::zeros(n);
        let (mut path, mut start, mut end, mut square) = (zeros(), zeros(), zeros(), zeros());
        for k in 0..draws {
            let noised = |i: usize| kernels[i].sample(x_0, &streams.step(k as u64).step(i as u64));
            let mut here = zeros();
            for (i, (&t, &w)) in nodes.times.iter().zip(&nodes.weights).enumerate() {
                here.scaled_add(w, &Self::integrand(denoiser, t, x_0, noised(i)?.view())?);
            }
            let first = ends.at_start(denoiser, t_0, x_0, noised(kernels.len() - 2)?.view())?;
            let last = ends.at_end(noise, t_1, x_0, noised(kernels.len() - 1)?.view())?;
            square += &(&here + &first + &last).mapv(|v| v * v);
            path += &here;
            start += &first;
            end += &last;
        }
        let m = draws as f64;
        let mut bound = LikelihoodBound { path: path / m, start: start / m, end: end / m, error: zeros() };
        bound.error = (square / m - bound.total().mapv(|v| v * v)).mapv(|v| (v.max(0.0) / (m - 1.0)).sqrt());
        Ok(bound)
    }
}
