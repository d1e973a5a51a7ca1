//! Laws of steps that are products over the sites given `y`, and draws from them.

use ndarray::{Array, Array1, Array2, Array3, Dimension};
use rand::RngExt;
use rayon::prelude::*;

use crate::model::Configs;
use crate::rng::Streams;

/// The law of one step: independent sites given `y`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct StepLaw {
    /// `P(x_s^j = b | x_t = y)`, shape `(samples, sites, d_out_max)`, padding zero.
    pub marginals: Array3<f64>,
    /// What the method could not do, shape `(samples, sites)`: for τ-leaping the probability of a rejection
    /// (part of the probability to stay), for Euler by how much the probability of a jump exceeded one, for
    /// steps of two stages the mean number of jumps that negative rates would have had, else zero.
    pub excess: Array2<f64>,
}

/// The rows of a fresh table, for work in parallel.
pub(super) fn rows_of<D: Dimension>(table: &mut Array<f64, D>) -> impl IndexedParallelIterator<Item = &mut [f64]> {
    let width = table.shape()[1..].iter().product::<usize>().max(1);
    table.as_slice_mut().expect("a table in standard layout").par_chunks_mut(width).with_min_len(16)
}

/// New configurations with the number of sites that changed and of sites where the method failed, by row.
pub(super) struct Draw {
    pub x: Array2<u8>,
    pub jumps: Array1<u64>,
    pub excesses: Array1<u64>,
}

/// How an excess is counted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Excesses {
    /// It is the probability of a rejection: the end of the unit interval.
    Drawn,
    /// It is how far the law itself fails.
    Certain,
}

impl StepLaw {
    /// Draws the step; row `i` uses stream `rows[i]`.
    pub(super) fn draw(&self, excesses: Excesses, y: Configs<'_>, rows: &[usize], streams: &Streams) -> Draw {
        let (laws, d) = (self.marginals.as_standard_layout(), self.marginals.dim().2);
        let laws = laws.as_slice().expect("standard layout");
        let one = |i: usize| {
            let mut rng = streams.stream(rows[i]);
            let (mut x, mut jumps, mut counted) = (y.row(i).to_vec(), 0, 0);
            for (j, x) in x.iter_mut().enumerate() {
                let (u, excess) = (rng.random::<f64>(), self.excess[[i, j]]);
                counted += u64::from(match excesses {
                    Excesses::Drawn => u >= 1.0 - excess,
                    Excesses::Certain => excess > 0.0,
                });
                let to = choose(&laws[(i * y.ncols() + j) * d..][..d], *x, u);
                jumps += u64::from(to != *x);
                *x = to;
            }
            (x, jumps, counted)
        };
        collected(y, (0..rows.len()).into_par_iter().with_min_len(16).map(one).collect())
    }
}

/// Rows with their numbers of jumps and of failures.
pub(super) fn collected(y: Configs<'_>, drawn: Vec<(Vec<u8>, u64, u64)>) -> Draw {
    let flat = drawn.iter().flat_map(|(x, ..)| x.iter().copied()).collect();
    Draw {
        x: Array2::from_shape_vec(y.dim(), flat).expect("one state a row and site"),
        jumps: drawn.iter().map(|(_, jumps, _)| *jumps).collect(),
        excesses: drawn.iter().map(|(.., excesses)| *excesses).collect(),
    }
}

/// The state at which the running sum passes `u`, the present state last; never one of probability zero.
fn choose(law: &[f64], stay: u8, u: f64) -> u8 {
    let (mut sum, mut last) = (0.0, stay);
    for (b, &p) in law.iter().enumerate().filter(|&(b, &p)| b != usize::from(stay) && p > 0.0) {
        (sum, last) = (sum + p, b as u8);
        if u < sum {
            return last;
        }
    }
    if law[usize::from(stay)] > 0.0 { stay } else { last }
}
