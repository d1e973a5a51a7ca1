//! Steps that move a given number of sites, chosen by how sure the denoiser is of them: unmasking in an order
//! (as of masked language models; MaskGIT, arXiv 2202.04200; LLaDA, 2502.09992), and draws of the least sure
//! sites from their conditionals (informed correctors, arXiv 2407.21243).
//!
//! All candidates are drawn, independently, each gets a score, and the `k` with the largest
//! `score/T + Gumbel` move: one after the other in proportion to `e^{score/T}`, without replacement; at
//! `T = 0` those of the largest score, the first sites of equal ones.

use std::cmp::Ordering;

use ndarray::{Array3, ArrayView1, s};
use rand::RngExt;
use rayon::prelude::*;

use super::step_law::{Draw, collected};
use crate::choose::choose;
use crate::diffusion::denoiser::{Denoiser, cavities_of, marginals_of};
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::rng::Streams;

/// Which sites move first. Sites are unmasked in falling and resampled in rising confidence; temperatures are
/// those of the choice of sites.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Order {
    /// At random.
    Random,
    /// By the probability of the symbol: unmasking by `log c_j(a)` of the symbol `a` that was drawn ("low
    /// confidence"), resampling by the margin `log p_j(y_j) − max_{b≠y_j} log p_j(b)`. Unmasking prefers
    /// probable symbols by that, and is biased even one site at a time.
    Confidence {
        /// Temperature `T ≥ 0`.
        temperature: f64,
    },
    /// By the entropy of the law of the symbol, in nats, whatever is drawn: unmasking one site at a time is
    /// exact.
    Entropy {
        /// Temperature `T ≥ 0`.
        temperature: f64,
    },
}

impl Order {
    pub(super) fn check(self) -> Result<()> {
        match self {
            Order::Confidence { temperature } | Order::Entropy { temperature }
                // Scores over a temperature are numbers: logarithms reach −745.
                if !(temperature == 0.0 || temperature.is_finite() && temperature >= 1e-300) =>
            {
                Err(Error::parameter("temperature", temperature, "zero, or finite and at least 1e-300"))
            }
            _ => Ok(()),
        }
    }

    fn temperature(self) -> f64 {
        match self {
            Order::Random => 1.0,
            Order::Confidence { temperature } | Order::Entropy { temperature } => temperature,
        }
    }
}

/// Candidates and how they are chosen.
pub(crate) struct Picks {
    /// Law of the candidate of each site, `(samples, sites, d_out_max)`; zero where a site may not move.
    pub(crate) candidates: Array3<f64>,
    /// Score of each candidate, of the same shape.
    pub(crate) scores: Array3<f64>,
    /// Temperature of the choice.
    pub(crate) temperature: f64,
    /// How many sites move, by row.
    pub(crate) counts: Vec<usize>,
}

impl Picks {
    /// Unmasking from `t` to `s`: as many sites as bring the number of masks down to the rounded mean of the
    /// noise at `s`, `Σ_j (1 − α_j(s))`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a noise other than masks; [`Error::Negative`] for cavities that are no laws.
    pub(crate) fn unmask<D: Denoiser + ?Sized>(
        denoiser: &D,
        order: Order,
        (s, t): (f64, f64),
        y: Configs<'_>,
    ) -> Result<Self> {
        order.check()?;
        let noise = denoiser.noise();
        noise.schedule().elapsed(s, t)?;
        let (dims, to_s) = (noise.dims_in(), noise.kernel(0.0, s)?);
        let can_be_masked = |j: usize| noise.dims_out()[j] > dims[j];
        if let Some(site) =
            (0..dims.len()).find(|&j| !can_be_masked(j) && noise.rates().matrix(j).iter().any(|r| *r != 0.0))
        {
            return Err(Error::parameter("noise of a site", site, "masks, or none, for unmasking in an order"));
        }
        let left: f64 = (0..dims.len()).filter(|&j| can_be_masked(j)).map(|j| to_s.table(j)[[0, dims[j]]]).sum();
        let masked = |j: usize, b: u8| can_be_masked(j) && usize::from(b) == dims[j];
        let counts = |y: ArrayView1<'_, u8>| {
            let now = y.iter().enumerate().filter(|&(j, &b)| masked(j, b)).count();
            now.saturating_sub(left.round() as usize)
        };
        let cavities = cavities_of(denoiser, t, y)?;
        let d_max = noise.dims_out().iter().copied().max().unwrap_or(0);
        let mut candidates = Array3::zeros((y.nrows(), y.ncols(), d_max));
        let mut scores = Array3::zeros(candidates.dim());
        for ((row, j), &b) in y.indexed_iter() {
            let c = cavities.slice(s![row, j, ..dims[j]]);
            if !masked(j, b) {
                // As in the analytical step: a symbol that its neighbours exclude is no evidence.
                if c[usize::from(b)] <= 0.0 {
                    return Err(Error::ZeroEvidence { row });
                }
                continue;
            }
            if let Some(&value) = c.iter().find(|p| **p < 0.0) {
                return Err(Error::Negative { field: "cavities of unmasking", site: j, value });
            }
            candidates.slice_mut(s![row, j, ..dims[j]]).assign(&c);
            let entropy = entropy(c);
            let score = |p: f64| match order {
                Order::Random => 0.0,
                Order::Confidence { .. } => p.ln(),
                Order::Entropy { .. } => -entropy,
            };
            scores.slice_mut(s![row, j, ..dims[j]]).assign(&c.mapv(score));
        }
        let counts = y.outer_iter().map(counts).collect();
        Ok(Picks { candidates, scores, temperature: order.temperature(), counts })
    }

    /// Draws of `sites` sites from their conditionals at time `t`; masks stay, and no site is masked.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for an impossible row.
    pub(crate) fn resample<D: Denoiser + ?Sized>(
        denoiser: &D,
        order: Order,
        sites: usize,
        t: f64,
        y: Configs<'_>,
    ) -> Result<Self> {
        order.check()?;
        let dims = denoiser.noise().dims_in();
        let mut candidates = marginals_of(denoiser, t, y)?;
        let mut scores = Array3::zeros(candidates.dim());
        for ((row, j), &b) in y.indexed_iter() {
            let mut p = candidates.slice_mut(s![row, j, ..]);
            let here = p[usize::from(b)];
            if here == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            p.slice_mut(s![dims[j]..]).fill(0.0);
            if usize::from(b) >= dims[j] {
                p.fill(0.0);
                continue;
            }
            p /= p.sum();
            let other = p.indexed_iter().filter(|(c, _)| *c != usize::from(b)).fold(0.0_f64, |m, (_, &p)| m.max(p));
            let score = match order {
                Order::Random => 0.0,
                Order::Confidence { .. } => other.ln() - p[usize::from(b)].ln(),
                Order::Entropy { .. } => entropy(p.view()),
            };
            scores.slice_mut(s![row, j, ..]).fill(score);
        }
        Ok(Picks { candidates, scores, temperature: order.temperature(), counts: vec![sites; y.nrows()] })
    }

    /// Draws candidates and moves the chosen ones; row `i` uses stream `rows[i]`.
    pub(super) fn draw(&self, y: Configs<'_>, rows: &[usize], streams: &Streams) -> Draw {
        let one = |i: usize| {
            let mut rng = streams.stream(rows[i]);
            let mut keys: Vec<(f64, usize, u8)> = Vec::new();
            for (j, law) in self.candidates.slice(s![i, .., ..]).outer_iter().enumerate() {
                let total = law.sum();
                if total > 0.0 {
                    let to = choose(&law.to_vec(), total, rng.random());
                    let gumbel = -(-rng.random::<f64>().ln()).ln();
                    let score = self.scores[[i, j, to]];
                    keys.push((
                        if self.temperature > 0.0 { score / self.temperature + gumbel } else { score },
                        j,
                        to as u8,
                    ));
                }
            }
            keys.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal).then(a.1.cmp(&b.1)));
            let (mut x, mut jumps) = (y.row(i).to_vec(), 0);
            for &(_, j, to) in keys.iter().take(self.counts[i]) {
                jumps += u64::from(x[j] != to);
                x[j] = to;
            }
            (x, jumps, 0)
        };
        collected(y, (0..rows.len()).into_par_iter().with_min_len(16).map(one).collect())
    }
}

/// `−Σ p log p` in nats.
fn entropy(p: ArrayView1<'_, f64>) -> f64 {
    p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum()
}
