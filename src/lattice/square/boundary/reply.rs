//! Answers for batches whose weights have rows.

use std::ops::Range;

use ndarray::{Array1, Array2, Axis, s};

use crate::model::{Samples, SiteWeights};

/// Draws and scores; an absent part is empty.
pub(super) struct Reply {
    pub samples: Samples,
    pub scores: Array1<f64>,
}

/// One row of it.
pub(super) struct RowReply {
    pub row: usize,
    pub x: Vec<u8>,
    pub log_prob: f64,
    pub score: f64,
}

impl Reply {
    /// So many draws and scores to be set.
    pub(super) fn zeros(draws: usize, scores: usize, sites: usize) -> Self {
        let samples = Samples { x: Array2::zeros((draws, sites)), log_prob: Array1::zeros(draws) };
        Reply { samples, scores: Array1::zeros(scores) }
    }

    /// Sets some rows.
    pub(super) fn set(&mut self, rows: Range<usize>, other: Reply) {
        if !self.samples.log_prob.is_empty() {
            self.samples.x.slice_mut(s![rows.clone(), ..]).assign(&other.samples.x);
            self.samples.log_prob.slice_mut(s![rows.clone()]).assign(&other.samples.log_prob);
        }
        if !self.scores.is_empty() {
            self.scores.slice_mut(s![rows]).assign(&other.scores);
        }
    }

    pub(super) fn set_row(&mut self, row: RowReply) {
        if !self.samples.log_prob.is_empty() {
            self.samples.x.row_mut(row.row).iter_mut().zip(&row.x).for_each(|(x, a)| *x = *a);
            self.samples.log_prob[row.row] = row.log_prob;
        }
        if !self.scores.is_empty() {
            self.scores[row.row] = row.score;
        }
    }
}

/// Rows side by side with the same weights, of the first `n`.
pub(super) fn runs_of(w: &SiteWeights<'_>, n: usize) -> Vec<Range<usize>> {
    let starts: Vec<usize> = (0..n).filter(|&row| row == 0 || !same_weights(w, row - 1, row)).collect();
    (0..starts.len()).map(|k| starts[k]..starts.get(k + 1).copied().unwrap_or(n)).collect()
}

/// Whether two rows have the same weights, where weights belong to rows.
fn same_weights(w: &SiteWeights<'_>, a: usize, b: usize) -> bool {
    match w {
        SiteWeights::Observed { y, .. } => y.row(a) == y.row(b),
        SiteWeights::PerRow(w) => w.index_axis(Axis(0), a) == w.index_axis(Axis(0), b),
        SiteWeights::Uniform | SiteWeights::Shared(_) => true,
    }
}
