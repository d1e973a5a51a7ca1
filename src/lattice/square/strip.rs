//! Sums over narrow lattices, site after site, of positive terms only.
//!
//! A table over the sites whose neighbours have not all come yet: a site brings its weight and its bonds, and
//! is summed over when it has met all its neighbours. Entries are logarithms, so that no weight is too large
//! and each entry is accurate relative to itself. Cost `O(sites d · table)`, the table `d^{cols+1}` or
//! `d^{rows+1}` entries (`d^{2 rows}` around a ring).

use super::geometry::{Neighbour, Square};
use crate::log_space::log_sum_exp;

/// Entries of a table at most: a strip of eleven spins.
pub(super) const ENTRIES: usize = 1 << 12;

/// What a table holds.
pub(super) trait Entry: Copy {
    const ONE: Self;
    /// With a term of the exponent, and a term of what is averaged besides.
    fn times(self, log: f64, value: f64) -> Self;
    fn sum(terms: &[Self]) -> Self;
}

/// The logarithm alone.
impl Entry for f64 {
    const ONE: Self = 0.0;

    fn times(self, log: f64, _: f64) -> Self {
        self + log
    }

    fn sum(terms: &[f64]) -> f64 {
        log_sum_exp(terms)
    }
}

/// Logarithm of the weight, mean and variance of a sum of terms.
#[derive(Clone, Copy)]
pub(super) struct Moments {
    pub log: f64,
    pub mean: f64,
    pub variance: f64,
}

impl Entry for Moments {
    const ONE: Self = Moments { log: 0.0, mean: 0.0, variance: 0.0 };

    fn times(self, log: f64, value: f64) -> Self {
        Moments { log: self.log + log, mean: self.mean + value, ..self }
    }

    /// The variance as that within the terms and that between them, both positive: nothing cancels.
    fn sum(terms: &[Self]) -> Self {
        let max = terms.iter().map(|t| t.log).fold(f64::NEG_INFINITY, f64::max);
        if max == f64::NEG_INFINITY {
            return Moments { log: max, ..Moments::ONE };
        }
        let weights = || terms.iter().map(|t| ((t.log - max).exp(), t));
        let total: f64 = weights().map(|(w, _)| w).sum();
        // About the likeliest term, so that rare ones are not lost in the rounding of a large mean.
        let centre = terms.iter().find(|t| t.log == max).map_or(0.0, |t| t.mean);
        let shift = weights().map(|(w, t)| w * (t.mean - centre)).sum::<f64>() / total;
        let variance =
            weights().map(|(w, t)| w * (t.variance + (t.mean - centre - shift).powi(2))).sum::<f64>() / total;
        Moments { log: max + total.ln(), mean: centre + shift, variance }
    }
}

/// A model on a lattice: states, terms of a site and of a bond (state here, neighbour, state there), each a
/// logarithm and a value.
pub(super) struct Strip<'a, S, B> {
    pub lattice: Square,
    pub dims: &'a [usize],
    pub site: S,
    pub bond: B,
}

impl<S: Fn(usize, usize) -> (f64, f64), B: Fn(usize, Neighbour, usize) -> (f64, f64)> Strip<'_, S, B> {
    /// The sum over all configurations, where the tables are short enough.
    pub(super) fn sum<E: Entry>(&self) -> Option<E> {
        let rows = self.lattice.rows();
        let by_rows: Vec<usize> = (0..self.lattice.sites()).collect();
        let by_cols: Vec<usize> = by_rows.iter().map(|k| self.lattice.site(k % rows, k / rows)).collect();
        let [rows, cols] = [by_rows, by_cols].map(|order| (self.peak(&order), order));
        let (peak, order) = if rows.0 <= cols.0 { rows } else { cols };
        (peak <= ENTRIES).then(|| self.in_order(&order))
    }

    /// For each site, after which place of the order it has met all its neighbours.
    fn last(&self, order: &[usize]) -> Vec<usize> {
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(k, &j)| place[j] = k);
        let met = |j: usize| self.lattice.neighbours(j).into_iter().flatten().map(|n| place[n.site]).max();
        (0..order.len()).map(|j| met(j).map_or(place[j], |k| k.max(place[j]))).collect()
    }

    /// Largest table on the way.
    fn peak(&self, order: &[usize]) -> usize {
        let last = self.last(order);
        let (mut open, mut peak): (Vec<usize>, usize) = (Vec::new(), 1);
        for (k, &j) in order.iter().enumerate() {
            open.push(j);
            peak = peak.max(open.iter().fold(1usize, |n, &j| n.saturating_mul(self.dims[j])));
            if peak > ENTRIES {
                break;
            }
            open.retain(|&j| last[j] > k);
        }
        peak
    }

    fn in_order<E: Entry>(&self, order: &[usize]) -> E {
        let last = self.last(order);
        let (mut open, mut table): (Vec<usize>, Vec<E>) = (Vec::new(), vec![E::ONE]);
        let mut terms = Vec::new();
        let size = |open: &[usize]| open.iter().map(|&j| self.dims[j]).product::<usize>();
        for (k, &j) in order.iter().enumerate() {
            // Its neighbours among the open sites, with their strides in the table.
            let met: Vec<(Neighbour, usize)> = (self.lattice.neighbours(j).into_iter().flatten())
                .filter_map(|n| open.iter().position(|&i| i == n.site).map(|at| (n, size(&open[at + 1..]))))
                .collect();
            let extended = |(i, a): (usize, usize)| {
                let (log, value) = (self.site)(j, a);
                met.iter().fold(table[i].times(log, value), |entry, &(n, stride)| {
                    let (log, value) = (self.bond)(a, n, i / stride % self.dims[n.site]);
                    entry.times(log, value)
                })
            };
            table = (0..table.len()).flat_map(|i| (0..self.dims[j]).map(move |a| (i, a))).map(extended).collect();
            open.push(j);
            while let Some(at) = open.iter().position(|&j| last[j] <= k) {
                let (d, low) = (self.dims[open[at]], size(&open[at + 1..]));
                let summed = |i: usize| {
                    terms.clear();
                    terms.extend((0..d).map(|s| table[i / low * d * low + i % low + s * low]));
                    E::sum(&terms)
                };
                table = (0..table.len() / d).map(summed).collect();
                open.remove(at);
            }
        }
        table[0]
    }
}
