//! Conditional laws as softmax functions of features of a neighbourhood, one convex problem a site and time:
//!
//! ```text
//! p_j(b | y_{−j}, t) ∝ B_j(b | y_{−j}, t) exp( Σ_f θ_{f,b}(t) φ_f(y_{∂j}) ),
//! E[loss] + ridge/(2n) |θ|² least,
//! ```
//!
//! `φ` indicators of the neighbours' states (and of pairs of them, or of all of them together), `B` a
//! baseline, 1 if none is given: with the closed form of [`super::operator::OperatorScores`] as baseline only
//! the residual is learned. The loss is that of ratio matching or the likelihood bound ([`Objective`]); both
//! are convex in θ. Without a baseline the mean is over the noised table of the neighbourhood, exactly; with
//! one over `copies` noised copies of each sample. Coefficients are learned at given times by L-BFGS and
//! interpolated linearly in `logit α` between them, constant beyond. Cost of learning: some 30 passes over
//! contexts (or rows) times active features, a site and time; of an evaluation: active features times `d`, a
//! row and site.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use ndarray::{Array2, Array3, s};
use rayon::prelude::*;

use super::features::{Design, Features, Rows, add_active, log_softmax};
use super::tables::{SiteTable, check_neighbours, context};
use crate::configs::match_dims;
use crate::diffusion::scores::cavities_from_conditionals;
use crate::diffusion::{Denoiser, marginals_of};
use crate::error::{Error, Result};
use crate::learn::data::Data;
use crate::model::{Configs, check_configs};
use crate::noise::Noise;
use crate::rng::Streams;

/// What the conditional laws minimise; both are least at the exact ones, and differ where the features cannot
/// express these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Objective {
    /// `E[−log p_j(y_j)]`.
    RatioMatching,
    /// The integrand of the likelihood bound,
    /// [`LikelihoodBound::integrand`](crate::diffusion::LikelihoodBound::integrand), without what does not
    /// depend on the model: `Σ_b Q_j(b→y_j) (r_b − r̂_b log r_b)`.
    LikelihoodBound,
}

impl Objective {
    /// Value and slopes for one context in which states occur with weights `counts`, at a site with rates
    /// `q`.
    fn value(self, q: &Array2<f64>, counts: &[f64], log_p: &[f64], slopes: &mut [f64]) -> f64 {
        slopes.fill(0.0);
        let mut value = 0.0;
        match self {
            Objective::RatioMatching => {
                for ((slope, w), l) in slopes.iter_mut().zip(counts).zip(log_p) {
                    *slope = -w;
                    value -= w * l;
                }
            }
            // The mean of r̂_b over clean configurations turns the weight of y_j into that of b.
            Objective::LikelihoodBound => {
                for ((b, y), &rate) in q.indexed_iter().filter(|((b, y), rate)| b != y && **rate > 0.0) {
                    let model = counts[y] * (log_p[b] - log_p[y]).exp();
                    value += rate * (model - counts[b] * (log_p[b] - log_p[y]));
                    slopes[b] += rate * (model - counts[b]);
                    slopes[y] -= rate * (model - counts[b]);
                }
            }
        }
        value
    }
}

/// Options of [`SoftmaxDenoiser::new`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SoftmaxOptions {
    /// What is minimised.
    pub objective: Objective,
    /// What the logits are linear in.
    pub features: Features,
    /// Strength of the prior: the penalty is `ridge/(2n) |θ|²` for `n` samples.
    pub ridge: f64,
    /// Steps of L-BFGS at most, a site and time.
    pub rounds: usize,
    /// Times at which coefficients are learned, ascending; empty: 13 of them, evenly in `logit α` from .97 to
    /// .03.
    pub times: Vec<f64>,
    /// Noised copies of each sample and time, where there is a baseline.
    pub copies: usize,
    /// Seed of the copies.
    pub seed: u64,
}

impl Default for SoftmaxOptions {
    /// Ratio matching on pairs, ridge 1, at most 200 rounds, 13 times, 4 copies, seed 0.
    fn default() -> Self {
        SoftmaxOptions {
            objective: Objective::RatioMatching,
            features: Features::Pairs,
            ridge: 1.0,
            rounds: 200,
            times: vec![],
            copies: 4,
            seed: 0,
        }
    }
}

/// Softmax laws of neighbourhoods, as a [`Denoiser`].
#[derive(Clone)]
pub struct SoftmaxDenoiser {
    noise: Noise,
    baseline: Option<Arc<dyn Denoiser>>,
    neighbours: Vec<Vec<usize>>,
    designs: Vec<Design>,
    /// `logit α` of the times, descending.
    nodes: Vec<f64>,
    /// `[node][site]`, each `(features, states)`.
    theta: Vec<Vec<Vec<f64>>>,
}

impl fmt::Debug for SoftmaxDenoiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoftmaxDenoiser")
            .field("neighbours", &self.neighbours)
            .field("nodes", &self.nodes)
            .finish_non_exhaustive()
    }
}

impl SoftmaxDenoiser {
    /// Learns the coefficients. `neighbours` lists other sites for each site
    /// ([`Boundary::windows`](crate::model::Boundary::windows)).
    ///
    /// # Errors
    /// Noise, neighbourhoods or a baseline that do not fit the data; [`Error::TimeOrder`] for times that do
    /// not ascend; [`Error::Parameter`] for a time of zero or infinity, a ridge that is negative or not
    /// finite, no rounds or copies; [`Error::TooLarge`] beyond 2²⁰ contexts; errors of the baseline.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::Denoiser, model::Boundary};
    /// # use tensorjump::learn::{Data, SoftmaxDenoiser, SoftmaxOptions};
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 3], 1.0)?, Schedule::default());
    /// let near = Boundary::Open.windows(3, 1);
    /// let learned = SoftmaxDenoiser::new(&data, &noise, &near, None, &SoftmaxOptions::default())?;
    /// assert!(learned.conditional_marginals(0.5, data.x())?.iter().all(|p| *p > 0.0));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(
        data: &Data,
        noise: &Noise,
        neighbours: &[Vec<usize>],
        baseline: Option<Arc<dyn Denoiser>>,
        options: &SoftmaxOptions,
    ) -> Result<Self> {
        match_dims(data.dims(), noise.dims_in())?;
        check_neighbours(neighbours, data.dims())?;
        check_neighbours(neighbours, noise.dims_out())?;
        if let Some(baseline) = &baseline {
            match_dims(noise.dims_out(), baseline.noise().dims_out())?;
        }
        let times = options.checked_times(noise)?;
        let dims = noise.dims_out();
        let designs: Vec<Design> = neighbours.iter().map(|list| Design::new(list, dims, options.features)).collect();
        let mut learned = SoftmaxDenoiser {
            noise: noise.clone(),
            baseline,
            neighbours: neighbours.to_vec(),
            designs,
            nodes: times.iter().map(|&t| noise.logit_signal(t)).collect::<Result<_>>()?,
            theta: vec![],
        };
        learned.theta = match &learned.baseline {
            None => learned.learn_tables(data, &times, options)?,
            Some(baseline) => learned.learn_copies(data, baseline.as_ref(), &times, options)?,
        };
        Ok(learned)
    }

    /// Coefficients of each time and site from noised tables.
    fn learn_tables(&self, data: &Data, times: &[f64], options: &SoftmaxOptions) -> Result<Vec<Vec<Vec<f64>>>> {
        let tables: Vec<SiteTable> =
            self.neighbours.iter().enumerate().map(|(j, list)| SiteTable::new(data, j, list)).collect();
        let ridge = options.ridge / data.effective();
        let learn = |t: &f64| {
            let kernel = self.noise.kernel(0.0, *t)?;
            let site = |(j, table): (usize, &SiteTable)| {
                let rows = Rows::of_table(&self.designs[j], &table.joint(j, &kernel));
                let q = self.noise.rates().matrix(j);
                rows.fit(ridge, options.rounds, |counts, log_p, slopes| {
                    options.objective.value(&q, counts, log_p, slopes)
                })
            };
            tables.iter().enumerate().collect::<Vec<_>>().into_par_iter().map(site).collect::<Result<Vec<_>>>()
        };
        times.iter().map(learn).collect()
    }

    /// Coefficients of each time and site from noised copies of the samples, on top of the baseline.
    fn learn_copies(
        &self,
        data: &Data,
        baseline: &dyn Denoiser,
        times: &[f64],
        options: &SoftmaxOptions,
    ) -> Result<Vec<Vec<Vec<f64>>>> {
        let n = data.len();
        let x = Array2::from_shape_fn((n * options.copies, data.dims().len()), |(i, j)| data.x()[[i % n, j]]);
        let (streams, ridge) = (Streams::new(options.seed).domain("softmax"), options.ridge / data.effective());
        let dims = self.noise.dims_out();
        let learn = |(i, t): (usize, &f64)| {
            let y = self.noise.kernel(0.0, *t)?.sample(x.view(), &streams.step(i as u64))?;
            let p = marginals_of(baseline, *t, y.view())?;
            let site = |j: usize| {
                let weight = |row: usize| data.weights()[row % n] / options.copies as f64;
                let mut rows = Rows {
                    design: &self.designs[j],
                    states: dims[j],
                    contexts: vec![],
                    counts: vec![],
                    offsets: vec![],
                };
                // Rows of one context and one offset are one row: few, where the baseline looks at the same
                // neighbours.
                let mut known = HashMap::new();
                for (row, y) in y.outer_iter().enumerate() {
                    let c = context(&self.neighbours[j], dims, y) as u32;
                    let offset: Vec<f64> = p.slice(s![row, j, ..dims[j]]).iter().map(|&p| log(p)).collect();
                    let key = (c, offset.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
                    let next = rows.contexts.len();
                    let at = *known.entry(key).or_insert(next);
                    if at == next {
                        rows.contexts.push(c);
                        rows.counts.resize((next + 1) * dims[j], 0.0);
                        rows.offsets.extend(offset);
                    }
                    rows.counts[at * dims[j] + usize::from(y[j])] += weight(row);
                }
                let q = self.noise.rates().matrix(j);
                rows.fit(ridge, options.rounds, |counts, log_p, slopes| {
                    options.objective.value(&q, counts, log_p, slopes)
                })
            };
            (0..dims.len()).into_par_iter().map(site).collect::<Result<Vec<_>>>()
        };
        times.iter().enumerate().map(learn).collect()
    }

    /// The coefficients of a site at a time: `(1 − w) θ_k + w θ_{k+1}`.
    fn at(&self, logit: f64, site: usize) -> Vec<f64> {
        let last = self.nodes.len() - 1;
        let above = self.nodes.partition_point(|&u| u > logit);
        let (k, w) = match above {
            0 => (0, 0.0),
            k if k > last => (last, 0.0),
            k => (k - 1, (self.nodes[k - 1] - logit) / (self.nodes[k - 1] - self.nodes[k])),
        };
        let next = &self.theta[(k + 1).min(last)][site];
        self.theta[k][site].iter().zip(next).map(|(a, b)| (1.0 - w) * a + w * b).collect()
    }
}

/// A logarithm that stays finite: a baseline's zero may be undone by the residual.
fn log(p: f64) -> f64 {
    p.max(1e-12).ln()
}

impl SoftmaxOptions {
    fn checked_times(&self, noise: &Noise) -> Result<Vec<f64>> {
        if !(self.ridge.is_finite() && self.ridge >= 0.0) {
            return Err(Error::parameter("ridge", self.ridge, "finite and not negative"));
        }
        for (name, value) in [("rounds", self.rounds), ("copies", self.copies)] {
            if value == 0 {
                return Err(Error::parameter(name, value, "at least one"));
            }
        }
        learning_times(noise, &self.times)
    }
}

/// Checked times to learn at; by default 13 of them, evenly in `logit α` from .97 to .03.
pub(crate) fn learning_times(noise: &Noise, times: &[f64]) -> Result<Vec<f64>> {
    let times = if times.is_empty() {
        let edge = (0.97f64 / 0.03).ln();
        let node = |i: usize| noise.time_of_signal(1.0 / (1.0 + (edge * (i as f64 / 6.0 - 1.0)).exp()));
        (0..13).map(node).collect::<Result<_>>()?
    } else {
        times.to_vec()
    };
    if let Some(t) = times.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
        return Err(Error::parameter("time of the learner", t, "positive and finite"));
    }
    match times.windows(2).find(|pair| pair[0] >= pair[1]) {
        Some(pair) => Err(Error::TimeOrder { s: pair[0], t: pair[1] }),
        None => Ok(times),
    }
}

/// Cavities of learned conditionals, which need not lie in the image of the kernel: the solution of `c K = p`
/// may be negative; the negative part is taken out, and the rest normalised. Under masks `c` is `p` given
/// that the site is not masked, whatever `p` says of the mask: the least squares of `c K = p` would take from
/// all symbols alike what the mask is wrong by, and exclude the rare ones.
///
/// # Errors
/// [`Error::NotInvertible`] for a singular kernel of other noise; [`Error::ZeroEvidence`] where `p` excludes
/// all symbols.
pub(crate) fn projected_cavities(noise: &Noise, t: f64, y: Configs<'_>, p: &Array3<f64>) -> Result<Array3<f64>> {
    let dims = noise.dims_in();
    let masked = |j: usize| noise.dims_out()[j] > dims[j];
    let mut cavities = cavities_from_conditionals(&noise.kernel(0.0, t)?, y, p.view(), |j| !masked(j))?;
    for (row, mut laws) in cavities.outer_iter_mut().enumerate() {
        for (j, mut law) in laws.outer_iter_mut().enumerate() {
            if masked(j) {
                law.slice_mut(s![..dims[j]]).assign(&p.slice(s![row, j, ..dims[j]]));
            }
            law.mapv_inplace(|c| c.max(0.0));
            let total = law.sum();
            if total <= 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            law /= total;
        }
    }
    Ok(cavities)
}

impl Denoiser for SoftmaxDenoiser {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let (dims, logit) = (self.noise.dims_out(), self.noise.logit_signal(t)?);
        check_configs(y, dims)?;
        let mut p = match &self.baseline {
            Some(baseline) => marginals_of(baseline.as_ref(), t, y)?,
            None => Array3::ones((y.nrows(), dims.len(), dims.iter().copied().max().unwrap_or(0))),
        };
        for j in 0..dims.len() {
            let theta = self.at(logit, j);
            let mut z = vec![0.0; dims[j]];
            for (row, y) in y.outer_iter().enumerate() {
                z.iter_mut().zip(p.slice(s![row, j, ..])).for_each(|(z, &p)| *z = log(p));
                add_active(&self.designs[j].active[context(&self.neighbours[j], dims, y)], &theta, &mut z);
                log_softmax(&mut z);
                p.slice_mut(s![row, j, ..]).fill(0.0);
                p.slice_mut(s![row, j, ..dims[j]]).iter_mut().zip(&z).for_each(|(p, z)| *p = z.exp());
            }
        }
        Ok(p)
    }
    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        projected_cavities(&self.noise, t, y, &self.conditional_marginals(t, y)?)
    }
}
