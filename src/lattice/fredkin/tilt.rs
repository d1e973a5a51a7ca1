//! The Fredkin law tilted by site weights: draws, scores, evidence, cavities in O(Nχ) a row.
//!
//! The ratios ρ of transfer.rs, solved for a row's weights, are all that a draw needs: the next step goes up
//! with odds `ρ_{j+1}(h) w(1)/w(0)`. The log-probability is the sum of the logarithms of these conditionals,
//! in draw and score alike.
//!
//! Cavity marginals sum `L_j(h) q^{h′/2} Z_{j+1}(h′)` over the edges `h → h′` of a step, `L` being the left
//! partition sum. Ordered by `h + h′`, neighbouring edges share one end, so each term is the one before it
//! times a ratio of `L` or of `Z`; `L` is the right partition sum of the mirrored path.

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayViewMut2, Axis};
use rand::RngExt;
use rayon::prelude::*;

use super::magnitude::{Magnitude, Sum};
use super::model::FredkinModel;
use super::transfer::Transfer;
use crate::error::{Error, Result};
use crate::model::{Configs, Samples, SiteWeights};
use crate::rng::{Stream, Streams};

/// Rows that share one set of tables in a thread.
const BLOCK: usize = 16;

/// The error of the first row that failed, whatever the order in which threads met it.
fn first_failure(outcomes: impl IntoIterator<Item = bool>) -> Result<()> {
    match outcomes.into_iter().position(|possible| !possible) {
        Some(row) => Err(Error::ZeroEvidence { row }),
        None => Ok(()),
    }
}

impl FredkinModel {
    /// Draws rows (with `streams`) and scores rows (of `old`) under one set of ratios a row.
    pub(super) fn tilted(
        &self,
        w: &SiteWeights<'_>,
        n: usize,
        streams: Option<&Streams>,
        old: Option<Configs<'_>>,
    ) -> Result<(Samples, Array1<f64>)> {
        let streams = streams.map(|streams| streams.domain("model"));
        let drawn = if streams.is_some() { n } else { 0 };
        let mut x = Array2::zeros((drawn, self.band.sites()));
        let shared = match w.rows() {
            None if n > 0 => {
                let mut transfer = Transfer::new(&self.band);
                first_failure([transfer.tilt(&self.band, self.chain.log_q, w, 0)])?;
                Some(transfer)
            }
            _ => None,
        };
        let row = |own: &mut Option<Transfer>, row: usize, x: Option<&mut [u8]>| -> Option<[f64; 2]> {
            let transfer = match &shared {
                Some(transfer) => transfer,
                None => {
                    let own = own.get_or_insert_with(|| Transfer::new(&self.band));
                    if !own.tilt(&self.band, self.chain.log_q, w, row) {
                        return None;
                    }
                    own
                }
            };
            let new = match (x, &streams) {
                (Some(x), Some(streams)) => self.draw_row(transfer, x, streams.stream(row)),
                _ => 0.0,
            };
            Some([new, old.map_or(0.0, |old| self.score_row(transfer, old.row(row)))])
        };
        let mut scores: Vec<Option<[f64; 2]>> = vec![None; n];
        scores.par_chunks_mut(BLOCK).enumerate().zip(row_blocks(&mut x, n)).for_each(|((block, scores), x)| {
            let mut own = None;
            let mut x = x.map(|x| x.into_slice().unwrap_or_default().chunks_mut(self.band.sites()));
            for (i, score) in scores.iter_mut().enumerate() {
                *score = row(&mut own, block * BLOCK + i, x.as_mut().and_then(Iterator::next));
            }
        });
        first_failure(scores.iter().map(Option::is_some))?;
        let column = |i: usize| scores.iter().flatten().map(|s| s[i]).collect::<Array1<f64>>();
        Ok((Samples { x, log_prob: if drawn == n { column(0) } else { Array1::zeros(0) } }, column(1)))
    }

    /// Draws a row under its ratios and returns its log-probability.
    fn draw_row(&self, transfer: &Transfer, x: &mut [u8], mut stream: Stream) -> f64 {
        let (mut h, mut probability) = (0, Magnitude::ONE);
        for (j, x) in x.iter_mut().enumerate() {
            let up = transfer.goes_up(&self.band, j, h, stream.random());
            transfer.score_step(&self.band, j, h, up, &mut probability);
            *x = u8::from(up);
            h += if up { 1 } else { -1 };
        }
        probability.ln()
    }

    /// Log-probability of a row under its ratios, the same products as in the draw.
    fn score_row(&self, transfer: &Transfer, x: ArrayView1<'_, u8>) -> f64 {
        let (mut h, mut probability) = (0, Magnitude::ONE);
        for (j, &n) in x.iter().enumerate() {
            transfer.score_step(&self.band, j, h, n == 1, &mut probability);
            h += 2 * i32::from(n) - 1;
            if !transfer.allows(j + 1, h) {
                return f64::NEG_INFINITY;
            }
        }
        probability.ln()
    }

    /// `log Σ_x P(x) ∏ w_j(x_j)` of each row.
    pub(super) fn evidences(&self, w: &SiteWeights<'_>) -> Array1<f64> {
        let mut result = Array1::zeros(w.rows().unwrap_or(1));
        result.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(|(block, mut result)| {
            let mut transfer = Transfer::new(&self.band);
            for (i, result) in result.iter_mut().enumerate() {
                *result = if transfer.tilt(&self.band, self.chain.log_q, w, block * BLOCK + i) {
                    transfer.log_evidence(&self.band, &self.prior)
                } else {
                    f64::NEG_INFINITY
                };
            }
        });
        result
    }

    /// Cavity marginals of each row, shape `(samples, sites, 2)`.
    pub(super) fn cavity_marginals(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        let n = w.rows().unwrap_or(1);
        let mut result = Array3::zeros((n, self.band.sites(), 2));
        let mut possible = vec![false; n];
        possible
            .par_chunks_mut(BLOCK)
            .zip(result.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter())
            .enumerate()
            .for_each(|(block, (possible, mut result))| {
                let (mut right, mut left) = (Transfer::new(&self.band), Transfer::new(&self.mirrored));
                for (i, (possible, result)) in possible.iter_mut().zip(result.outer_iter_mut()).enumerate() {
                    // A path allowed forwards is allowed backwards.
                    *possible = right.tilt(&self.band, self.chain.log_q, w, block * BLOCK + i)
                        && left.tilt_mirrored(&self.mirrored, self.chain.log_q, &right);
                    if *possible {
                        self.cavity_row(&right, &left, result);
                    }
                }
            });
        first_failure(possible)?;
        Ok(result)
    }

    /// One row's cavities from the right and the (mirrored) left ratios.
    fn cavity_row(&self, right: &Transfer, left: &Transfer, mut result: ArrayViewMut2<'_, f64>) {
        let sites = self.band.sites();
        for (j, mut law) in result.outer_iter_mut().enumerate() {
            let ((left_lo, left_hi), (right_lo, right_hi)) = (left.alive(sites - j), right.alive(j + 1));
            // The first edge h → h ± 1 between allowed heights.
            let (mut h, mut up) = if right_lo > left_lo { (right_lo - 1, true) } else { (left_lo, false) };
            let (mut term, mut sums) = (Magnitude::ONE, [Sum::EMPTY; 2]);
            loop {
                sums[usize::from(up)].add(term);
                if up {
                    // (h → h+1), then (h+2 → h+1): L(h+2)/L(h).
                    if h + 2 > left_hi {
                        break;
                    }
                    left.times_ratio(&self.mirrored, sites - j, h + 1, &mut term);
                    h += 2;
                } else {
                    // (h → h−1), then (h → h+1): q Z(h+1)/Z(h−1).
                    if h + 1 > right_hi {
                        break;
                    }
                    right.times_ratio(&self.band, j + 1, h, &mut term);
                }
                up = !up;
            }
            law.assign(&ArrayView1::from(&Sum::shares(sums[0], sums[1])));
        }
    }
}

/// The rows of a batch in blocks, or as many times nothing where the batch is empty.
fn row_blocks<'a>(
    x: &'a mut Array2<u8>,
    n: usize,
) -> impl IndexedParallelIterator<Item = Option<ndarray::ArrayViewMut2<'a, u8>>> {
    let blocks = n.div_ceil(BLOCK);
    let mut rows: Vec<_> = x.axis_chunks_iter_mut(Axis(0), BLOCK).map(Some).collect();
    rows.resize_with(blocks, || None);
    rows.into_par_iter()
}
