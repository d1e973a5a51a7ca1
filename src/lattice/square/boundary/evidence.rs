//! Whether the draws of a law have the weight that the contraction says.
//!
//! For rows drawn with `q(s_r | s_{r−1})` the weight of a configuration is
//!
//! ```text
//! log w = log π̃ − log q = log Z + Σ_{r≥1} [log N_r(s_{r−1}) − log E_{r−1}(s_{r−1})],
//! ```
//!
//! `N_r` the normalisation found in row `r`, `E_{r−1}` what the row above was told of it. Where the states
//! have lost the rows that decide, the two differ by the energy that is missing, and yet all weights may
//! agree with each other: an effective sample size of one with a wrong evidence. So some draws are weighed
//! when a law is made.
//!
//! A contraction that lacks the same configurations agrees with such draws. So the draws are also moved by
//! the model's own heat bath, block by block: from draws that are good it makes draws of the same law, and
//! where those weigh more than any draw did, the draws lack what lies beside them.

use ndarray::{Array2, ArrayViewMut1};
use rand::RngExt;

use super::draws::block::{Answer, Work};
use crate::choose::choose;
use crate::error::Result;
use crate::lattice::square::geometry::Neighbour;
use crate::lattice::square::pair::PairModel;
use crate::log_space::log_sum_exp;
use crate::model::Target;
use crate::rng::{Stream, Streams};

/// Configurations drawn for the comparison.
const DRAWS: usize = 128;
/// Largest difference of the log-weight of a draw from `log Z`, in nats, for a law that single precision
/// holds: a hundred roundings.
const EXACT: f64 = 1e-5;
/// Difference of the evidence from `log Z` that is never an objection, in nats.
const CLOSE: f64 = 0.01;
/// Effective fraction below which the weights themselves say that the law is a poor one.
const PLAIN: f64 = 0.5;

/// How far above all log-weights of the draws, in nats, that of a moved one is a sign that something is
/// missing; and the share of such among the moved that a law may have.
const BEYOND: f64 = 5.0;
const MISSING: f64 = 0.01;
/// States of a block that is drawn as one, at most.
const BLOCK: usize = 4096;
/// States of blocks that are weighed for one law, about: half a second.
const EFFORT: usize = 20_000_000;

/// Log-weights of some draws.
pub(super) struct Evidence {
    x: Array2<u8>,
    log_w: Vec<f64>,
    /// Logarithm of the mean weight.
    mean: f64,
    /// What it may differ from `log Z`: five standard errors, and what the law may lack that shows in its
    /// weights.
    allowed: f64,
    /// Effective fraction.
    fraction: f64,
}

impl Evidence {
    /// Of a law that answers by `answer`.
    ///
    /// # Errors
    /// Those of the model.
    pub(super) fn of(model: &PairModel, answer: impl Fn(Work<'_>) -> Answer) -> Result<Self> {
        let Answer { x, log_prob, .. } = answer(Work::Draw(DRAWS, &Streams::new(0).domain("evidence")));
        let log_w: Vec<f64> = (model.log_weight(x.view())? - log_prob).to_vec();
        let n = DRAWS as f64;
        let mean = log_sum_exp(&log_w) - n.ln();
        // Σ (w/w̄)²/n = n/ESS.
        let square = if mean.is_finite() {
            log_w.iter().map(|w| (2.0 * (w - mean)).exp()).sum::<f64>() / n
        } else {
            f64::INFINITY
        };
        let spread = (square - 1.0).max(0.0);
        let allowed = CLOSE + 5.0 * (spread / n).sqrt() + 0.5 * spread;
        Ok(Evidence { x, log_w, mean, allowed, fraction: 1.0 / square })
    }

    /// Whether every draw has the weight `log_z`, as under the exact law.
    pub(super) fn is_exact(&self, log_z: f64) -> bool {
        self.log_w.iter().all(|w| (w - log_z).abs() <= EXACT)
    }

    /// Whether the draws lack nothing of `log_z` that does not show in their weights. A law that misses
    /// configurations has less evidence than the model; more evidence than a truncated contraction is an
    /// error of the contraction, and so far from an objection.
    pub(super) fn reaches(&self, log_z: f64) -> bool {
        self.mean >= log_z - self.allowed
    }

    /// Whether the evidence is `log_z`, both ways.
    pub(super) fn agrees(&self, log_z: f64) -> bool {
        (self.mean - log_z).abs() <= self.allowed
    }

    /// Whether more than a few of the draws, moved by two sweeps of heat bath over blocks of 2 × 2 sites,
    /// have weights far above those of all draws: they lack a part of the law, whatever their weights say.
    ///
    /// # Errors
    /// Those of the model.
    pub(super) fn misses(&self, model: &PairModel, answer: impl Fn(Work<'_>) -> Answer) -> Result<bool> {
        // Of a constrained model: others move from anywhere, and may be so cold that one configuration is
        // all.
        if model.is_constrained() && self.x.outer_iter().all(|x| x == self.x.row(0)) {
            return Ok(true);
        }
        let Some(heaviest) = self.log_w.iter().copied().reduce(f64::max).filter(|w| w.is_finite()) else {
            return Ok(false);
        };
        let blocks = Blocks::of(model);
        let count = (EFFORT / blocks.states()).clamp(8, DRAWS);
        let chosen: Vec<usize> = (0..DRAWS).filter(|&i| self.log_w[i].is_finite()).take(count).collect();
        let mut moved = self.x.select(ndarray::Axis(0), &chosen);
        let streams = Streams::new(0).domain("evidence moved");
        for (i, row) in moved.outer_iter_mut().enumerate() {
            blocks.sweep(row, &mut streams.stream(i));
        }
        let log_w = model.log_weight(moved.view())? - answer(Work::Score(moved.view())).log_prob;
        let beyond = log_w.iter().filter(|&&w| w > heaviest + BEYOND).count();
        Ok(beyond as f64 > MISSING * chosen.len() as f64)
    }

    /// Whether the spread of the weights says that the law is poor.
    pub(super) fn is_plain(&self) -> bool {
        self.fraction < PLAIN
    }
}

/// The plaquettes of every second row and column, from the first and from the second ones on; single sites
/// where a plaquette has too many states.
struct Blocks<'a> {
    model: &'a PairModel,
    blocks: Vec<Vec<usize>>,
}

impl<'a> Blocks<'a> {
    fn of(model: &'a PairModel) -> Self {
        let lattice = model.lattice();
        let (rows, cols) = (lattice.rows(), lattice.cols());
        let mut blocks = Vec::new();
        for first in 0..2 {
            for r in (first..rows.max(2)).step_by(2) {
                for c in (first..cols.max(2)).step_by(2) {
                    let place = |(r, c): (usize, usize)| {
                        let (r, c) = (
                            if lattice.wraps_rows() { r % rows } else { r },
                            if lattice.wraps_cols() { c % cols } else { c },
                        );
                        (r < rows && c < cols).then(|| lattice.site(r, c))
                    };
                    let sites: Vec<usize> =
                        [(r, c), (r, c + 1), (r + 1, c), (r + 1, c + 1)].into_iter().filter_map(place).collect();
                    if states(model, &sites) <= BLOCK {
                        blocks.push(sites);
                    } else {
                        blocks.extend(sites.into_iter().map(|j| vec![j]));
                    }
                }
            }
        }
        Blocks { model, blocks }
    }

    /// Of all blocks.
    fn states(&self) -> usize {
        self.blocks.iter().map(|block| states(self.model, block)).sum::<usize>().max(1)
    }

    /// Draws each block anew given the rest.
    fn sweep(&self, mut x: ArrayViewMut1<'_, u8>, rng: &mut Stream) {
        let mut now = x.to_vec();
        let mut log_w = Vec::new();
        for block in &self.blocks {
            let mut inner = Vec::new();
            let outer: Vec<Vec<f64>> = (0..block.len()).map(|i| self.outer(&now, block, i, &mut inner)).collect();
            log_w.clear();
            let mut state = vec![0; block.len()];
            for _ in 0..states(self.model, block) {
                let own: f64 = outer.iter().zip(&state).map(|(w, &a)| w[usize::from(a)]).sum();
                let bonds = inner.iter().map(|&(i, k, n)| self.model.pair_log_weight(n, state[i], state[k]));
                log_w.push(own + bonds.sum::<f64>());
                next(&mut state, &outer);
            }
            let largest = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            log_w.iter_mut().for_each(|w| *w = (*w - largest).exp());
            state.fill(0);
            (0..choose(&log_w, log_w.iter().sum(), rng.random())).for_each(|_| next(&mut state, &outer));
            block.iter().zip(&state).for_each(|(&j, &a)| now[j] = a);
        }
        x.iter_mut().zip(now).for_each(|(old, new)| *old = new);
    }

    /// Log-weights of the states of the `i`-th site of a block given the sites outside; its bonds to the
    /// sites before it in the block are added to `inner`.
    fn outer(&self, x: &[u8], block: &[usize], i: usize, inner: &mut Vec<(usize, usize, Neighbour)>) -> Vec<f64> {
        let mut weights = self.model.site_log_weights(block[i]).to_vec();
        for n in self.model.lattice().neighbours(block[i]).into_iter().flatten() {
            match block.iter().position(|&j| j == n.site) {
                None => weights
                    .iter_mut()
                    .enumerate()
                    .for_each(|(a, w)| *w += self.model.pair_log_weight(n, a as u8, x[n.site])),
                Some(k) if k < i => inner.push((i, k, n)),
                Some(_) => {}
            }
        }
        weights
    }
}

/// The next configuration of a block whose sites have so many states.
fn next(state: &mut [u8], weights: &[Vec<f64>]) {
    for (a, w) in state.iter_mut().zip(weights) {
        if usize::from(*a) + 1 < w.len() {
            *a += 1;
            return;
        }
        *a = 0;
    }
}

fn states(model: &PairModel, sites: &[usize]) -> usize {
    sites.iter().fold(1, |n: usize, &j| n.saturating_mul(model.dims()[j]))
}
