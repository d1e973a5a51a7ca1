//! Gradients of functions of all conditional marginals of a noised matrix-product law.
//!
//! ```text
//! p_j = L_j M_j R_{j+1} / (L_j S_j R_{j+1}),     M_j = Σ_a K_j(a→y_j) A_j[a],  S_j = Σ_a A_j[a],
//! L_{j+1} = L_j M_j,  R_j = M_j R_{j+1}
//! ```
//!
//! is `P_t(y_j | y_{−j})` for each site of a noised row `y`: one left and one right pass for all sites. The
//! gradient of `Σ_j f_j(log p_j)` goes back through both passes; vectors are rescaled at will, for every
//! `p_j` is free of the scale of `L` and `R`. Cost: some `9 N χ²` multiply-adds a row.

use std::ops::ControlFlow;

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::learn::data::{Data, permutation};
use crate::learn::interrupt::{Interrupt, look};
use crate::learn::likelihood::descent::Flat;
use crate::learn::tensors::gradient::{Gradient, softmax};
use crate::learn::tensors::optimise::Adam;
use crate::model::{Configs, PositiveMps};
use crate::noise::Kernel;
use crate::rng::Streams;
use crate::tn::Mps;

/// Rows of a block: sums are over blocks in order, whatever thread did them.
const BLOCK: usize = 64;

/// The tensors of one site under the noise, row-major matrices `χ_l × χ_r`.
struct Site {
    l: usize,
    r: usize,
    /// `M[b]` of each observed symbol, and last `S`.
    matrices: Vec<Vec<f64>>,
}

/// `out ← out + c v M` for a row-major matrix with `out.len()` columns.
fn add_left(out: &mut [f64], c: f64, v: &[f64], m: &[f64]) {
    for (&v, row) in v.iter().zip(m.chunks_exact(out.len())) {
        out.iter_mut().zip(row).for_each(|(o, m)| *o += c * v * m);
    }
}

/// `out ← out + c M v`.
fn add_right(out: &mut [f64], c: f64, m: &[f64], v: &[f64]) {
    for (o, row) in out.iter_mut().zip(m.chunks_exact(v.len())) {
        *o += c * dot(row, v);
    }
}

/// `m ← m + c a ⊗ b`.
fn add_outer(m: &mut [f64], c: f64, a: &[f64], b: &[f64]) {
    for (&a, row) in a.iter().zip(m.chunks_exact_mut(b.len())) {
        row.iter_mut().zip(b).for_each(|(m, b)| *m += c * a * b);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Divides by the sum, which is returned.
fn normalise(v: &mut [f64]) -> f64 {
    let sum: f64 = v.iter().sum();
    if sum > 0.0 {
        v.iter_mut().for_each(|v| *v /= sum);
    }
    sum
}

/// The left and right vectors of a row with their adjoints.
struct Passes {
    left: Vec<Vec<f64>>,
    right: Vec<Vec<f64>>,
    /// Sums that were divided out of `left[j]`, `right[j]`.
    left_sum: Vec<f64>,
    right_sum: Vec<f64>,
    left_bar: Vec<Vec<f64>>,
    right_bar: Vec<Vec<f64>>,
}

impl Passes {
    fn new(sites: &[Site]) -> Self {
        let bonds = || sites.iter().map(|s| s.l).chain([1]);
        let vectors = || bonds().map(|n| vec![1.0; n]).collect::<Vec<_>>();
        let ones = || vec![1.0; sites.len() + 1];
        Passes {
            left: vectors(),
            right: vectors(),
            left_sum: ones(),
            right_sum: ones(),
            left_bar: vectors(),
            right_bar: vectors(),
        }
    }

    fn fill(&mut self, sites: &[Site], y: &[usize]) {
        for (j, (site, &b)) in sites.iter().zip(y).enumerate() {
            let (before, after) = self.left.split_at_mut(j + 1);
            after[0].fill(0.0);
            add_left(&mut after[0], 1.0, &before[j], &site.matrices[b]);
            self.left_sum[j + 1] = normalise(&mut after[0]);
        }
        for (j, (site, &b)) in sites.iter().zip(y).enumerate().rev() {
            let (before, after) = self.right.split_at_mut(j + 1);
            before[j].fill(0.0);
            add_right(&mut before[j], 1.0, &site.matrices[b], &after[0]);
            self.right_sum[j] = normalise(&mut before[j]);
        }
        self.left_bar.iter_mut().chain(&mut self.right_bar).for_each(|v| v.fill(0.0));
    }

    /// One row: adds to the adjoint of each matrix, returns the value; a row of probability zero has the
    /// value of `f` at −∞ and no gradient.
    fn row(
        &mut self,
        sites: &[Site],
        y: &[usize],
        bars: &mut [Vec<Vec<f64>>],
        f: impl Fn(usize, f64) -> Option<(f64, f64)>,
    ) -> f64 {
        self.fill(sites, y);
        let mut value = 0.0;
        // Nothing to divide by: the passes would give 0/0.
        if self.left_sum.contains(&0.0) || self.right_sum.contains(&0.0) {
            // A row of weight zero has 0·∞.
            let at_zero = (0..sites.len()).filter_map(|j| f(j, f64::NEG_INFINITY)).map(|(v, _)| v);
            return at_zero.filter(|v| !v.is_nan()).sum();
        }
        for (j, (site, &b)) in sites.iter().zip(y).enumerate() {
            let (m, sum) = (&site.matrices[b], &site.matrices[site.matrices.len() - 1]);
            let (l, r) = (&self.left[j], &self.right[j + 1]);
            let e = dot(l, &self.right[j]) * self.right_sum[j];
            let mut right = vec![0.0; site.l];
            add_right(&mut right, 1.0, sum, r);
            let u = dot(l, &right);
            let Some((v, slope)) = f(j, (e / u).ln()) else { continue };
            value += v;
            if e <= 0.0 || u <= 0.0 {
                continue;
            }
            let (ce, cu) = (slope / e, -slope / u);
            add_outer(&mut bars[j][b], ce, l, r);
            add_outer(&mut bars[j][site.matrices.len() - 1], cu, l, r);
            let bar = &mut self.left_bar[j];
            bar.iter_mut().zip(&right).for_each(|(bar, s)| *bar += cu * s);
            add_right(bar, ce, m, r);
            add_left(&mut self.right_bar[j + 1], ce, l, m);
            add_left(&mut self.right_bar[j + 1], cu, l, sum);
        }
        for (j, (site, &b)) in sites.iter().zip(y).enumerate().rev().filter(|(j, _)| *j + 1 < sites.len()) {
            let c = 1.0 / self.left_sum[j + 1];
            let (before, after) = self.left_bar.split_at_mut(j + 1);
            add_outer(&mut bars[j][b], c, &self.left[j], &after[0]);
            add_right(&mut before[j], c, &site.matrices[b], &after[0]);
        }
        for (j, (site, &b)) in sites.iter().zip(y).enumerate().skip(1) {
            let c = 1.0 / self.right_sum[j];
            let (before, after) = self.right_bar.split_at_mut(j + 1);
            add_outer(&mut bars[j][b], c, &before[j], &self.right[j + 1]);
            add_left(&mut after[0], c, &before[j], &site.matrices[b]);
        }
        value
    }
}

/// `Σ_rows Σ_j f(row, j, log p_j)` for the noised rows `y` and its gradient with respect to the tensors
/// (non-negative, in any gauge). `f` returns the value with its slope in `log p_j`, or `None` for a site that
/// does not count.
pub(crate) fn conditional_gradient(
    tensors: &[Array3<f64>],
    kernel: &Kernel,
    y: Configs<'_>,
    f: impl Fn(usize, usize, f64) -> Option<(f64, f64)> + Sync,
) -> Gradient {
    let site = |(j, a): (usize, &Array3<f64>)| {
        let slice = |x: usize| a.index_axis(Axis(1), x);
        let observed = kernel.table(j);
        let mut matrices: Vec<Vec<f64>> = Vec::with_capacity(observed.ncols() + 1);
        for b in 0..observed.ncols() {
            let zero = ndarray::Array2::<f64>::zeros((a.dim().0, a.dim().2));
            let m = (0..a.dim().1).fold(zero, |m, x| m + &slice(x) * observed[[x, b]]);
            matrices.push(m.iter().copied().collect());
        }
        matrices.push(a.sum_axis(Axis(1)).iter().copied().collect());
        Site { l: a.dim().0, r: a.dim().2, matrices }
    };
    let sites: Vec<Site> = tensors.iter().enumerate().map(site).collect();
    let zeros =
        || -> Vec<Vec<Vec<f64>>> { sites.iter().map(|s| vec![vec![0.0; s.l * s.r]; s.matrices.len()]).collect() };
    let block = |first: usize| {
        let (mut passes, mut bars, mut value) = (Passes::new(&sites), zeros(), 0.0);
        for row in first..(first + BLOCK).min(y.nrows()) {
            let symbols: Vec<usize> = y.row(row).iter().map(|&b| b.into()).collect();
            value += passes.row(&sites, &symbols, &mut bars, |j, p| f(row, j, p));
        }
        (value, bars)
    };
    let parts: Vec<_> = (0..y.nrows()).step_by(BLOCK).collect::<Vec<_>>().into_par_iter().map(block).collect();
    let (mut value, mut bars) = (0.0, zeros());
    for (v, part) in parts {
        value += v;
        let numbers = bars.iter_mut().flatten().flatten();
        numbers.zip(part.iter().flatten().flatten()).for_each(|(sum, v)| *sum += v);
    }
    let gradient = tensors.iter().zip(&bars).enumerate().map(|(j, (a, bars))| {
        let observed = kernel.table(j);
        Array3::from_shape_fn(a.dim(), |(i, x, k)| {
            let at = i * a.dim().2 + k;
            observed.row(x).iter().zip(bars).map(|(k, bar)| k * bar[at]).sum::<f64>() + bars[bars.len() - 1][at]
        })
    });
    Gradient { value, tensors: gradient.collect() }
}

/// How long and how fast the conditionals of a tensor network are learned.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Descent {
    pub(crate) epochs: usize,
    pub(crate) batch: usize,
    pub(crate) rate: f64,
    pub(crate) seed: u64,
    pub(crate) interrupt: Option<Interrupt>,
}

/// Told after each pass through the data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Number of the pass, counted from zero.
    pub index: usize,
    /// Its mean loss in nats, while it was learned.
    pub loss: f64,
}

/// Minimises by Adam on logits, its step length falling to zero as a cosine. `loss` gives value and gradient
/// (with respect to the tensors) of the mean over some rows of the data, with streams of its own; `progress`
/// and the interrupt may end the descent. Returns the law and the mean loss of each whole pass through the
/// data.
pub(crate) fn descend(
    start: &[Array3<f64>],
    data: &Data,
    options: &Descent,
    loss: impl Fn(&[Array3<f64>], &Data, &Streams) -> Result<Gradient>,
    mut progress: impl FnMut(&Epoch) -> ControlFlow<()>,
) -> Result<(PositiveMps, Vec<f64>)> {
    let Descent { epochs, batch, rate, seed, .. } = *options;
    for (name, value) in [("epochs", epochs), ("batch", batch)] {
        if value == 0 {
            return Err(Error::parameter(name, value, "at least one"));
        }
    }
    if !(rate > 0.0 && rate.is_finite()) {
        return Err(Error::parameter("rate", rate, "positive and finite"));
    }
    let logits: Vec<Array3<f64>> = start.iter().map(|a| a.mapv(|v| v.max(1e-300).ln())).collect();
    let flat = Flat::new(&logits);
    let mut theta: Vec<f64> = logits.iter().flat_map(|a| a.iter().copied()).collect();
    let (mut adam, mut losses, streams) = (Adam::default(), vec![], Streams::new(seed).domain("conditionals"));
    let batches = data.len().div_ceil(batch);
    'epochs: for epoch in 0..epochs {
        let streams = streams.step(epoch as u64);
        let order = permutation(data.len(), &streams.domain("order"));
        let mut mean = 0.0;
        for (k, rows) in order.chunks(data.len().div_ceil(batches)).enumerate() {
            // The batch's share of all weight, over its share of the rows: 1 for equally weighted samples.
            let weight = rows.iter().map(|&row| data.weights()[row]).sum::<f64>();
            if weight == 0.0 {
                continue;
            }
            if look(options.interrupt.as_ref()).is_err() {
                break 'epochs;
            }
            let (part, share) = (data.select(rows)?, weight * data.len() as f64 / rows.len() as f64);
            let tensors: Vec<Array3<f64>> = flat.unflatten(&theta).iter().map(softmax).collect();
            let mut gradient = loss(&tensors, &part, &streams.step(k as u64))?;
            mean += gradient.value * weight;
            to_logits(&tensors, &mut gradient.tensors);
            let list: Vec<f64> = gradient.tensors.iter().flat_map(|g| g.iter().map(|g| share * g)).collect();
            let done = (epoch * batches + k) as f64 / (epochs * batches) as f64;
            adam.step(&mut theta, &list, 0.5 * rate * (1.0 + (std::f64::consts::PI * done).cos()));
        }
        losses.push(mean);
        if progress(&Epoch { index: epoch, loss: mean }).is_break() {
            break;
        }
    }
    let tensors = flat.unflatten(&theta).iter().map(softmax).collect();
    Ok((PositiveMps::new(&Mps::new(tensors, 0.0)?)?, losses))
}

/// From tensors to their logits: `A∘G − A Σ_{a,k} A∘G`.
fn to_logits(tensors: &[Array3<f64>], gradient: &mut [Array3<f64>]) {
    for (g, a) in gradient.iter_mut().zip(tensors) {
        *g *= a;
        for (mut g, a) in g.outer_iter_mut().zip(a.outer_iter()) {
            let sum = g.sum();
            g.scaled_add(-sum, &a);
        }
    }
}
