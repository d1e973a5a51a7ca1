//! Conditional laws as softmax functions of features of a neighbourhood, one convex problem a site and time:
//!
//! ```text
//! p_j(b | y_{−j}, t) ∝ B_j(b | y_{−j}, t) exp( Σ_f θ_{f,b}(t) φ_f(y_{∂j}) ),        loss  E[−log p_j(y_j)] + ridge/(2n) |θ|²,
//! ```
//!
//! `φ` indicators of the neighbours' states (and of pairs of them, or of all of them together), `B` a baseline, 1 if none is given: with the
//! closed form of [`super::OperatorScores`] as baseline only the residual is learned. Without a baseline the mean is over the noised table of the
//! neighbourhood, exactly; with one over `copies` noised copies of each sample. Coefficients are learned at given times by L-BFGS and
//! interpolated linearly in `logit α` between them, constant beyond. Cost of learning: some 30 passes over contexts (or rows) times active
//! features, a site and time; of an evaluation: active features times `d`, a row and site.

use std::sync::Arc;

use ndarray::{Array2, Array3, s};
use rayon::prelude::*;

use super::data::Data;
use super::optimise::Lbfgs;
use super::tables::{SiteTable, check_neighbours, context, contexts};
use crate::configs::match_dims;
use crate::diffusion::{Denoiser, logit_signal, time_of_signal};
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::noise::Noise;
use crate::rng::Streams;

/// Which functions of the neighbours' states the softmax is linear in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Features {
    /// A constant and the state of each neighbour.
    Additive,
    /// These and the states of each pair of neighbours.
    Pairs,
    /// The states of all neighbours together: any conditional law on the neighbourhood.
    Saturated,
}

/// Features of each context: all are 0 or 1, `active` lists those that are 1.
#[derive(Debug, Clone)]
pub(super) struct Design {
    pub(super) active: Vec<Vec<u32>>,
    pub(super) size: usize,
}

impl Design {
    pub(super) fn new(neighbours: &[usize], dims: &[usize], features: Features) -> Self {
        let all = contexts(neighbours, dims);
        if features == Features::Saturated {
            return Design { active: (0..all as u32).map(|c| vec![c]).collect(), size: all };
        }
        let d: Vec<usize> = neighbours.iter().map(|&i| dims[i]).collect();
        // First feature of each neighbour, and of each pair: state 0 has none, the constant speaks for it.
        let (mut next, mut first) = (1, vec![]);
        for &d in &d {
            first.push(next);
            next += d - 1;
        }
        let mut pairs = vec![vec![0; d.len()]; d.len()];
        if features == Features::Pairs {
            for k in 0..d.len() {
                for l in k + 1..d.len() {
                    pairs[k][l] = next;
                    next += (d[k] - 1) * (d[l] - 1);
                }
            }
        }
        let active = |c: usize| {
            let (mut rest, mut states) = (c, vec![0; d.len()]);
            for (state, &d) in states.iter_mut().zip(&d).rev() {
                *state = rest % d;
                rest /= d;
            }
            let mut list = vec![0];
            for k in (0..d.len()).filter(|&k| states[k] > 0) {
                list.push((first[k] + states[k] - 1) as u32);
                for l in (k + 1..d.len()).filter(|&l| states[l] > 0 && features == Features::Pairs) {
                    list.push((pairs[k][l] + (states[k] - 1) * (d[l] - 1) + states[l] - 1) as u32);
                }
            }
            list
        };
        Design { active: (0..all).map(active).collect(), size: next }
    }
}

/// Softmax laws over `states` states for rows of given contexts, with log-offsets where there are any.
pub(super) struct Rows<'a> {
    pub(super) design: &'a Design,
    pub(super) states: usize,
    pub(super) contexts: Vec<u32>,
    /// `(rows, states)`, or nothing.
    pub(super) offsets: Vec<f64>,
}

/// `z ← log softmax(z)`.
pub(super) fn log_softmax(z: &mut [f64]) {
    let max = z.iter().fold(f64::NEG_INFINITY, |m, &v| m.max(v));
    let log = max + z.iter().map(|v| (v - max).exp()).sum::<f64>().ln();
    z.iter_mut().for_each(|v| *v -= log);
}

impl Rows<'_> {
    /// Minimises `Σ_rows f(row, log p) + ridge/2 |θ|²`; `f` writes its slopes `∂f/∂log p_b`, shape of θ: `(features, states)`.
    pub(super) fn fit(
        &self,
        ridge: f64,
        rounds: usize,
        f: impl Fn(usize, &[f64], &mut [f64]) -> f64,
    ) -> Result<Vec<f64>> {
        let d = self.states;
        let evaluate = |theta: &[f64]| -> Result<(f64, Vec<f64>)> {
            let mut value = 0.5 * ridge * theta.iter().map(|v| v * v).sum::<f64>();
            let mut gradient: Vec<f64> = theta.iter().map(|v| ridge * v).collect();
            let (mut z, mut slopes) = (vec![0.0; d], vec![0.0; d]);
            for (row, &c) in self.contexts.iter().enumerate() {
                let active = &self.design.active[c as usize];
                match self.offsets.get(row * d..(row + 1) * d) {
                    Some(offset) => z.copy_from_slice(offset),
                    None => z.fill(0.0),
                }
                add_active(active, theta, &mut z);
                log_softmax(&mut z);
                value += f(row, &z, &mut slopes);
                let total: f64 = slopes.iter().sum();
                slopes.iter_mut().zip(&z).for_each(|(g, z)| *g -= z.exp() * total);
                for &k in active {
                    let part = &mut gradient[k as usize * d..][..d];
                    part.iter_mut().zip(&slopes).for_each(|(g, s)| *g += s);
                }
            }
            Ok((value, gradient))
        };
        let (mut theta, mut lbfgs, mut last) = (vec![0.0; self.design.size * d], Lbfgs::default(), f64::INFINITY);
        for round in 0..rounds {
            let value = lbfgs.step(&mut theta, 10, evaluate)?;
            if round > 2 && last - value <= 1e-11 * value.abs() {
                break;
            }
            last = value;
        }
        Ok(theta)
    }
}

/// Adds the coefficients of the active features to the logits.
pub(super) fn add_active(active: &[u32], theta: &[f64], z: &mut [f64]) {
    let d = z.len();
    for &k in active {
        z.iter_mut().zip(&theta[k as usize * d..][..d]).for_each(|(z, t)| *z += t);
    }
}

/// Options of [`SoftmaxDenoiser::new`].
#[derive(Debug, Clone)]
pub struct SoftmaxOptions {
    /// What the logits are linear in.
    pub features: Features,
    /// Strength of the prior: the penalty is `ridge/(2n) |θ|²` for `n` samples.
    pub ridge: f64,
    /// Steps of L-BFGS at most, a site and time.
    pub rounds: usize,
    /// Times at which coefficients are learned, ascending; empty: 13 of them, evenly in `logit α` from .97 to .03.
    pub times: Vec<f64>,
    /// Noised copies of each sample and time, where there is a baseline.
    pub copies: usize,
    /// Seed of the copies.
    pub seed: u64,
}

impl Default for SoftmaxOptions {
    /// Pairs, ridge 1, at most 200 rounds, 13 times, 2 copies, seed 0.
    fn default() -> Self {
        SoftmaxOptions { features: Features::Pairs, ridge: 1.0, rounds: 200, times: vec![], copies: 2, seed: 0 }
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

impl SoftmaxDenoiser {
    /// Learns the coefficients. `neighbours` lists other sites for each site ([`super::windows`]).
    ///
    /// # Errors
    /// Noise, neighbourhoods or a baseline that do not fit the data; [`Error::TimeOrder`] for times that do not ascend; [`Error::Parameter`]
    /// for a time of zero or infinity, a ridge that is negative or not finite, no rounds or copies; [`Error::TooLarge`] beyond 2²⁰ contexts;
    /// errors of the baseline.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::Denoiser, learn::{Data, SoftmaxDenoiser, SoftmaxOptions, windows}, model::Boundary};
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 3], 1.0)?, Schedule::default());
    /// let near = windows(3, 1, Boundary::Open);
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
            nodes: times.iter().map(|&t| logit_signal(noise, t)).collect::<Result<_>>()?,
            theta: vec![],
        };
        learned.theta = match &learned.baseline {
            None => learned.from_tables(data, &times, options)?,
            Some(baseline) => learned.from_copies(data, baseline.as_ref(), &times, options)?,
        };
        Ok(learned)
    }

    /// Coefficients of each time and site from noised tables.
    fn from_tables(&self, data: &Data, times: &[f64], options: &SoftmaxOptions) -> Result<Vec<Vec<Vec<f64>>>> {
        let tables: Vec<SiteTable> =
            self.neighbours.iter().enumerate().map(|(j, list)| SiteTable::new(data, j, list)).collect();
        let ridge = options.ridge / data.effective();
        let learn = |t: &f64| {
            let kernel = self.noise.kernel(0.0, *t)?;
            let site = |(j, table): (usize, &SiteTable)| {
                let joint = table.joint(j, &kernel);
                let visited = (0..joint.ncols()).filter(|&c| joint.column(c).sum() > 0.0);
                let rows = Rows {
                    design: &self.designs[j],
                    states: joint.nrows(),
                    contexts: visited.map(|c| c as u32).collect(),
                    offsets: vec![],
                };
                rows.fit(ridge, options.rounds, |row, log_p, slopes| {
                    let counts = joint.column(rows.contexts[row] as usize);
                    slopes.iter_mut().zip(counts).for_each(|(s, w)| *s = -w);
                    -counts.iter().zip(log_p).map(|(w, l)| w * l).sum::<f64>()
                })
            };
            tables.iter().enumerate().collect::<Vec<_>>().into_par_iter().map(site).collect::<Result<Vec<_>>>()
        };
        times.iter().map(learn).collect()
    }

    /// Coefficients of each time and site from noised copies of the samples, on top of the baseline.
    fn from_copies(
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
            let p = baseline.conditional_marginals(*t, y.view())?;
            let site = |j: usize| {
                let rows = Rows {
                    design: &self.designs[j],
                    states: dims[j],
                    contexts: y.outer_iter().map(|y| context(&self.neighbours[j], dims, y) as u32).collect(),
                    offsets: p.slice(s![.., j, ..dims[j]]).iter().map(|&p| log(p)).collect(),
                };
                rows.fit(ridge, options.rounds, |row, log_p, slopes| {
                    let (w, b) = (data.weights()[row % n] / options.copies as f64, usize::from(y[[row, j]]));
                    slopes.fill(0.0);
                    slopes[b] = -w;
                    -w * log_p[b]
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
pub(super) fn learning_times(noise: &Noise, times: &[f64]) -> Result<Vec<f64>> {
    let times = if times.is_empty() {
        let edge = (0.97f64 / 0.03).ln();
        let node = |i: usize| time_of_signal(noise, 1.0 / (1.0 + (edge * (i as f64 / 6.0 - 1.0)).exp()));
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

impl Denoiser for SoftmaxDenoiser {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let (dims, logit) = (self.noise.dims_out(), logit_signal(&self.noise, t)?);
        check_configs(y, dims)?;
        let mut p = match &self.baseline {
            Some(baseline) => baseline.conditional_marginals(t, y)?,
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
}
