//! Draws, scores and evidence of a packed linear law under site weights: a right pass, then a left pass.
//!
//! Cavities: cavity.rs. `r_j = Σ_a w_j(a) A_j[a] r_{j+1}` costs χ² a site when the weights are those of an
//! observed symbol, whose matrix is contracted once. Then `q(a) = w_j(a) (v A_j[a])·r_{j+1} / (v·r_j)`: the
//! likeliest symbol is tried first, the others only when it fails, `(1 + P(fail))χ²` for two states.

use super::packed_law::Linear;
use super::row_products::{Probe, RowProduct};
use super::scalar::{Aligned, Real, inverse, padded};
use super::symbols::{Groups, Walk};
use super::tilt::Tilt;
use crate::error::{Error, Result};
use crate::log_space::LogProduct;

/// Right vectors of a block under site weights; its buffers serve one block after the other.
#[derive(Default)]
pub(crate) struct Right<T> {
    rows: usize,
    /// `r_j` for `j = 0..=N`, each `(rows, ld)`.
    vectors: Vec<Aligned<T>>,
    /// `r_j = scale_j · Σ_a w_j(a) A_j[a] r_{j+1}`, each `(rows,)`.
    scales: Vec<Vec<T>>,
}

impl<T> Right<T> {
    /// `r_j` of all rows.
    pub(super) fn vectors(&self, j: usize) -> &[T] {
        &self.vectors[j]
    }
}

impl<T: Real> Linear<T> {
    /// Right vectors of the rows of a block, from `first` of the batch on.
    pub(crate) fn fill_right(&self, buffers: &mut Right<T>, tilt: &Tilt<'_, T>, first: usize, rows: usize) {
        let n = self.sites.len();
        if buffers.vectors.len() != n + 1 || buffers.vectors[0].len() < rows * self.ld {
            buffers.vectors = (0..=n).map(|_| Aligned::zeros(rows * self.ld)).collect();
        }
        buffers.scales.resize(n, Vec::new());
        buffers.scales.iter_mut().for_each(|scale| scale.resize(rows, T::ONE));
        buffers.rows = rows;
        let Right { vectors, scales, .. } = buffers;
        let (mut sums, mut groups) = (vec![T::ONE; rows], Groups::new(tilt.classes(), rows));
        for row in 0..rows {
            vectors[n][row * self.ld] = T::ONE;
        }
        for (j, site) in self.sites.iter().enumerate().rev() {
            let (left, right) = vectors.split_at_mut(j + 1);
            let ones = {
                let mut ones = Aligned::zeros(padded::<T>(site.bond.0));
                ones[..site.bond.0].fill(T::ONE);
                ones
            };
            for (scale, &sum) in scales[j].iter_mut().zip(&sums) {
                let sum: f64 = sum.into();
                *scale = inverse(sum);
            }
            groups.clear();
            (0..rows).for_each(|row| groups.push(tilt.class(first + row, j), row));
            let mut per_symbol = scales[j].clone();
            for (class, pass, matrix) in tilt.matrices(self, j) {
                let scale = match pass {
                    None => &scales[j],
                    Some(a) => {
                        for (row, s) in per_symbol.iter_mut().enumerate() {
                            let base: f64 = scales[j][row].into();
                            *s = T::from_f64(base * tilt.weight(first + row, j, a).into());
                        }
                        &per_symbol
                    }
                };
                RowProduct {
                    rows: groups.get(class),
                    v: &right[0],
                    out: &mut left[j],
                    ld: self.ld,
                    matrix,
                    k: site.bond.1,
                    n: padded::<T>(site.bond.0),
                    scale,
                    accumulate: pass.is_some_and(|a| a > 0),
                    probe: Probe::Shared(&ones),
                    dots: &mut sums,
                }
                .run();
            }
        }
    }

    /// `log Σ_x P(x) ∏_j w_j(x_j)` of each row in nats, −∞ where the sum is zero.
    pub(crate) fn log_evidence(&self, tilt: &Tilt<'_, T>, right: &Right<T>, first: usize) -> Vec<f64> {
        let rows = right.rows;
        let log_of = |row: usize| {
            let total: f64 = right.vectors[0][row * self.ld].into();
            if total <= 0.0 {
                return f64::NEG_INFINITY;
            }
            let mut evidence = LogProduct::ONE;
            evidence.push(total);
            for j in 0..self.sites.len() {
                let scale: f64 = right.scales[j][row].into();
                evidence.push(tilt.max(first + row, j));
                evidence.push(1.0 / scale);
            }
            evidence.ln()
        };
        (0..rows).map(log_of).collect()
    }

    /// The first row of a block whose weights exclude every configuration.
    pub(crate) fn require_evidence(&self, right: &Right<T>, first: usize) -> Result<()> {
        match right.vectors[0].chunks_exact(self.ld).take(right.rows).position(|r| r[0].into() <= 0.0) {
            None => Ok(()),
            Some(row) => Err(Error::ZeroEvidence { row: first + row }),
        }
    }

    /// Tilted draws or scores of a block under its right vectors; returns log-probabilities.
    pub(crate) fn tilted(&self, tilt: &Tilt<'_, T>, right: &Right<T>, first: usize, walk: Walk<'_>) -> Vec<f64> {
        let rows = walk.rows();
        let ld = self.ld;
        let zeros = || Aligned::<T>::zeros(rows * ld);
        let mut v = zeros();
        (0..rows).for_each(|row| v[row * ld] = T::ONE);
        let norms = (0..rows).map(|row| right.vectors[0][row * ld].into()).collect();
        let symbols = self.d_max;
        let pass = TiltedPass {
            law: self,
            tilt,
            right,
            first,
            walk,
            v,
            out: zeros(),
            spare: zeros(),
            norms,
            inverse: vec![T::ONE; rows],
            dots: vec![T::default(); rows],
            groups: Groups::new(symbols, rows),
            conditionals: vec![0.0; rows * symbols],
            undecided: Vec::with_capacity(rows),
        };
        pass.run()
    }
}

/// The left pass of tilted draws and scores.
struct TiltedPass<'a, 't, 'w, T> {
    law: &'a Linear<T>,
    tilt: &'a Tilt<'t, T>,
    right: &'a Right<T>,
    first: usize,
    walk: Walk<'w>,
    v: Aligned<T>,
    out: Aligned<T>,
    /// Vectors of the symbols tried after the first.
    spare: Aligned<T>,
    /// `v·r_j` of each row.
    norms: Vec<f64>,
    inverse: Vec<T>,
    dots: Vec<T>,
    groups: Groups,
    /// Conditional probabilities, `(rows, d_max)`; only what was computed is valid.
    conditionals: Vec<f64>,
    undecided: Vec<u32>,
}

impl<T: Real> TiltedPass<'_, '_, '_, T> {
    fn run(mut self) -> Vec<f64> {
        for j in 0..self.law.sites.len() {
            self.walk.enter(j);
            self.first_symbols(j);
            self.decide_first(j);
            if !self.undecided.is_empty() {
                self.other_symbols(j);
            }
            std::mem::swap(&mut self.v, &mut self.out);
        }
        self.walk.finish()
    }

    /// The symbol whose vector is computed first. A score in full precision needs no other than its own.
    #[inline(always)]
    fn first_symbol(&self, row: usize, j: usize) -> usize {
        if !self.walk.draws() && T::NEAR_CERTAIN > 1.0 {
            self.walk.symbol(row, j)
        } else {
            self.tilt.guess(self.first + row, j)
        }
    }

    /// `out = v A[a] / (v·r_j)` and its product with `r_{j+1}` for the first symbol of each row.
    fn first_symbols(&mut self, j: usize) {
        self.groups.clear();
        for row in 0..self.walk.rows() {
            let norm = self.norms[row];
            self.inverse[row] = inverse(norm);
            self.groups.push(self.first_symbol(row, j), row);
        }
        for a in 0..self.law.dims[j] {
            product(
                self.law,
                self.right,
                j,
                a,
                self.groups.get(a),
                &self.v,
                &mut self.out,
                &self.inverse,
                &mut self.dots,
            );
        }
    }

    /// Accepts the first symbol where that settles the row, collects the others.
    fn decide_first(&mut self, j: usize) {
        let d_max = self.law.d_max;
        self.undecided.clear();
        for row in 0..self.walk.rows() {
            let a = self.first_symbol(row, j);
            let q = self.conditional(row, j, a);
            self.conditionals[row * d_max + a] = q;
            let settled = q < T::NEAR_CERTAIN
                && if self.walk.draws() { self.walk.uniform(row, j) < q } else { self.walk.symbol(row, j) == a };
            if settled {
                self.norms[row] = self.dots[row].into();
                self.walk.record(row, j, a, q);
            } else {
                self.undecided.push(row as u32);
            }
        }
    }

    /// `q(a) = w_j(a) (v A[a])·r_{j+1} / (v·r_j)` from the product just computed.
    #[inline(always)]
    fn conditional(&self, row: usize, j: usize, a: usize) -> f64 {
        let scale: f64 = self.right.scales[j][row].into();
        let weight: f64 = self.tilt.weight(self.first + row, j, a).into();
        let dot: f64 = self.dots[row].into();
        scale * weight * dot
    }

    /// Tries every other symbol of the undecided rows and settles them.
    fn other_symbols(&mut self, j: usize) {
        let (d, d_max, ld) = (self.law.dims[j], self.law.d_max, self.law.ld);
        let undecided = std::mem::take(&mut self.undecided);
        let guesses: Vec<usize> = undecided.iter().map(|&row| self.first_symbol(row as usize, j)).collect();
        let mut norms: Vec<f64> = vec![0.0; undecided.len() * d];
        // Symbol whose vector lies in `spare`.
        let mut last = vec![usize::MAX; undecided.len()];
        for (i, &row) in undecided.iter().enumerate() {
            norms[i * d + guesses[i]] = self.dots[row as usize].into();
        }
        let mut rows = Vec::with_capacity(undecided.len());
        for a in 0..d {
            rows.clear();
            rows.extend(undecided.iter().zip(&guesses).filter(|&(_, &g)| g != a).map(|(&row, _)| row));
            product(self.law, self.right, j, a, &rows, &self.v, &mut self.spare, &self.inverse, &mut self.dots);
            for (i, &row) in undecided.iter().enumerate().filter(|&(i, _)| guesses[i] != a) {
                let row = row as usize;
                self.conditionals[row * d_max + a] = self.conditional(row, j, a);
                norms[i * d + a] = self.dots[row].into();
                last[i] = a;
            }
        }
        for (i, &row) in undecided.iter().enumerate() {
            let row = row as usize;
            let (x, q) = self.settle(row, j, guesses[i]);
            if x != guesses[i] {
                if x != last[i] {
                    let rows = [row as u32];
                    product(self.law, self.right, j, x, &rows, &self.v, &mut self.spare, &self.inverse, &mut self.dots);
                }
                self.out[row * ld..][..ld].copy_from_slice(&self.spare[row * ld..][..ld]);
            }
            self.norms[row] = norms[i * d + x];
            self.walk.record(row, j, x, q);
        }
        self.undecided = undecided;
    }

    /// Symbol and conditional probability of a row for which all symbols have been weighed.
    fn settle(&self, row: usize, j: usize, guess: usize) -> (usize, f64) {
        let q = &self.conditionals[row * self.law.d_max..][..self.law.dims[j]];
        let others: f64 = q.iter().enumerate().filter(|&(a, _)| a != guess).map(|(_, &q)| q).sum();
        if T::NEAR_CERTAIN > 1.0 {
            // Full precision: the conditionals sum to one to rounding; the guess holds the interval
            // [0, q_guess).
            let x = if !self.walk.draws() {
                self.walk.symbol(row, j)
            } else if others <= 0.0 {
                guess
            } else {
                pick_other(q, guess, self.walk.uniform(row, j) - q[guess])
            };
            return (x, q[x]);
        }
        // Reduced precision: the law is *defined* by these numbers, normalised, in draw and score alike.
        let certain = q[guess] >= T::NEAR_CERTAIN;
        let q_guess = if certain { q[guess] / (q[guess] + others) } else { q[guess] };
        let rest = if others > 0.0 {
            (if certain { others / (q[guess] + others) } else { 1.0 - q[guess] }) / others
        } else {
            0.0
        };
        let x = if !self.walk.draws() {
            self.walk.symbol(row, j)
        } else {
            let u = self.walk.uniform(row, j);
            if u < q_guess || others <= 0.0 { guess } else { pick_other(q, guess, (u - q_guess) / rest) }
        };
        (x, if x == guess { q_guess } else { q[x] * rest })
    }
}

/// The symbol other than `guess` at which the cumulative weight passes `threshold`; never one of weight zero.
fn pick_other(q: &[f64], guess: usize, threshold: f64) -> usize {
    let (mut cumulative, mut last) = (0.0, guess);
    for (a, &p) in q.iter().enumerate().filter(|&(a, &p)| a != guess && p > 0.0) {
        last = a;
        cumulative += p;
        if threshold < cumulative {
            break;
        }
    }
    last
}

/// `out = inverse · v A_j[a]` and its products with `r_{j+1}` for the listed rows.
#[allow(clippy::too_many_arguments)] // disjoint borrows of one pass
fn product<T: Real>(
    law: &Linear<T>,
    right: &Right<T>,
    j: usize,
    a: usize,
    rows: &[u32],
    v: &[T],
    out: &mut [T],
    inverse: &[T],
    dots: &mut [T],
) {
    let site = &law.sites[j];
    RowProduct {
        rows,
        v,
        out,
        ld: law.ld,
        matrix: &site.forward[a],
        k: site.bond.0,
        n: padded::<T>(site.bond.1),
        scale: inverse,
        accumulate: false,
        probe: Probe::Rows(&right.vectors[j + 1]),
        dots,
    }
    .run();
}
