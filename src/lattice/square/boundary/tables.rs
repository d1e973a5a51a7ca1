//! Exact boundary states as tables of logarithms, where rows are short: no digit is lost, however far weights
//! lie apart.
//!
//! ```text
//! A_r(s) = log [∏_c v_c(s_c) ∏_c H_c(s_c, s_{c+1}) E_r(s)],
//! log E_{r−1}(u) = log Σ_s e^{A_r(s)} ∏_c V_c(u_c, s_c),
//! ```
//!
//! with the bonds along diagonals beside `V` where there are some;
//! one number for each configuration `s` of a row, the first site most significant. All terms are positive,
//! so that every entry is accurate relative to *itself*; a matrix-product state is accurate relative to its
//! largest entry only, and the rows that decide at low temperature may lie far below that. Cost of a row:
//! `O(cols d^{cols+1})` logarithms, of a draw `2 rows d^cols` exponentials; memory `8 rows d^cols` bytes.

use ndarray::{Array1, Array2, ArrayD, Axis};
use rand::Rng;
use rayon::prelude::*;

use super::draws::block::{Answer, Work};
use super::draws::shares::{UNIT, choose};
use crate::error::{Error, Result};
use crate::lattice::square::geometry::{Bond, Neighbour};
use crate::lattice::square::pair::PairModel;
use crate::lattice::square::strip::{ENTRIES, Strip};
use crate::log_space::log_sum_exp;
use crate::model::Target;
use crate::rng::Stream;

/// Entries of all tables of a law at most: 128 MiB.
const MEMORY: usize = 1 << 24;

/// The tables of all rows.
#[derive(Debug, Clone)]
pub(super) struct RowTables {
    cols: usize,
    dims: Vec<usize>,
    /// `A_r`, by row.
    rows: Vec<Vec<f64>>,
    /// By site: the sites of the row above that it meets, and the bonds, their states first.
    above: Vec<Vec<(usize, Array2<f64>)>>,
    /// In nats.
    pub log_z: f64,
}

impl RowTables {
    /// Whether states with bonds of `chi` hold every function of a row, so that the tables are about as large
    /// as they. Not for tori: their tables would have a row's states twice.
    pub(super) fn fit(model: &PairModel, chi: usize) -> bool {
        if model.lattice().wraps_rows() {
            return false;
        }
        let (rows, cols) = (model.lattice().rows(), model.lattice().cols());
        let product = |part: &[usize]| part.iter().fold(1usize, |n, &d| n.saturating_mul(d));
        let states = model.dims().iter().copied().max().unwrap_or(1);
        let most = chi.saturating_mul(chi).saturating_mul(states).max(ENTRIES).min(MEMORY / rows);
        let bond = |row: &[usize]| (1..cols).map(|c| product(&row[..c]).min(product(&row[c..]))).max().unwrap_or(1);
        let all = model.dims().chunks(cols);
        all.clone().take(rows - 1).all(|row| bond(row) <= chi) && all.clone().all(|row| product(row) <= most)
    }

    /// Of a model on an open lattice or a cylinder.
    ///
    /// # Errors
    /// [`Error::ZeroWeight`] where nothing is allowed.
    pub(super) fn new(model: &PairModel) -> Result<Self> {
        let lattice = model.lattice();
        let (count, cols) = (lattice.rows(), lattice.cols());
        let dims = model.dims();
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(count);
        let mut below = vec![0.0; dims[(count - 1) * cols..].iter().product()];
        for r in (0..count).rev() {
            let own = along(model, r);
            below.iter_mut().zip(&own).for_each(|(e, a)| *e += a);
            let up = if r > 0 { raised(below.clone(), model, r) } else { Vec::new() };
            rows.push(std::mem::replace(&mut below, up));
        }
        rows.reverse();
        let log_z = log_sum_exp(&rows[0]);
        if log_z == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "the lattice model" });
        }
        let above = |j: usize| -> Vec<(usize, Array2<f64>)> {
            let before = lattice.neighbours(j).into_iter().flatten().filter(|n| n.site / cols < j / cols);
            before.map(|n| (n.site, model.bond_log_weights(n.bond).clone())).collect()
        };
        let above = (0..dims.len()).map(above).collect();
        Ok(RowTables { cols, dims: dims.to_vec(), rows, above, log_z })
    }

    pub(super) fn sites(&self) -> usize {
        self.dims.len()
    }

    /// Draws or scores a batch, in parallel; a row of the batch depends on its own stream only.
    pub(super) fn answer(&self, work: Work<'_>) -> Answer {
        let sites = self.sites();
        match work {
            Work::Draw(n, streams) => {
                let mut x = Array2::zeros((n, sites));
                let each = |(k, mut x): (usize, ndarray::ArrayViewMut1<'_, u8>)| {
                    let x = x.as_slice_mut().expect("a row of a contiguous array");
                    self.walk(x, Some(&mut streams.stream(k)))
                };
                let found: Vec<(f64, u64)> = x.axis_iter_mut(Axis(0)).into_par_iter().enumerate().map(each).collect();
                let floored = found.iter().map(|f| f.1).sum();
                Answer { x, log_prob: found.iter().map(|f| f.0).collect(), floored }
            }
            Work::Score(x) => {
                let log_prob: Vec<f64> =
                    x.axis_iter(Axis(0)).into_par_iter().map(|x| self.walk(&mut x.to_vec(), None).0).collect();
                Answer { x: Array2::zeros((0, sites)), log_prob: Array1::from(log_prob), floored: 0 }
            }
        }
    }

    /// Draws `x`, or scores it without a stream: log-probability, and choices raised to the floor.
    fn walk(&self, x: &mut [u8], mut stream: Option<&mut Stream>) -> (f64, u64) {
        let cols = self.cols;
        let (mut log, mut floored) = (0.0, 0);
        let (mut sums, mut bonds) = (Vec::new(), Vec::new());
        for (r, table) in self.rows.iter().enumerate() {
            let dims = &self.dims[r * cols..][..cols];
            // log p(s | u) up to a constant: the bonds to the row above as an outer sum.
            bonds.clear();
            bonds.push(0.0);
            for meets in self.above[r * cols..][..cols].iter().take(if r > 0 { cols } else { 0 }) {
                let rows = meets.iter().map(|(i, table)| table.row(usize::from(x[*i])));
                let v = rows.fold(None, |sum: Option<Array1<f64>>, v| Some(sum.map_or(v.to_owned(), |sum| sum + v)));
                let v = v.expect("the site right above");
                bonds = bonds.iter().flat_map(|b| v.iter().map(move |v| b + v)).collect();
            }
            if r == 0 {
                bonds.resize(table.len(), 0.0);
            }
            bonds.iter_mut().zip(table).for_each(|(b, a)| *b += a);
            let max = bonds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max == f64::NEG_INFINITY {
                // Only below a row that is not allowed itself, which no draw makes.
                return (f64::NEG_INFINITY, floored);
            }
            // What is allowed stays allowed, however unlikely.
            let weight = |&b: &f64| if b > f64::NEG_INFINITY { (b - max).exp().max(f64::MIN_POSITIVE) } else { 0.0 };
            sums.clear();
            sums.push(bonds.iter().map(weight).collect::<Vec<f64>>());
            for &d in dims.iter().skip(1).rev() {
                let last = sums.last().expect("the table itself");
                sums.push(last.chunks_exact(d).map(|part| part.iter().sum()).collect());
            }
            // From the first site on: sums over all sites behind it.
            let mut prefix = 0;
            for (c, (sums, &d)) in sums.iter().rev().zip(dims).enumerate() {
                let odds = &sums[prefix * d..][..d];
                let bits = stream.as_mut().map(|stream| stream.next_u64() >> 11);
                let (state, share, low) = choose(odds, bits, x[r * cols + c]);
                x[r * cols + c] = state;
                floored += u64::from(low);
                log += (share as f64 / UNIT as f64).ln();
                if share == 0 {
                    return (f64::NEG_INFINITY, floored);
                }
                prefix = prefix * d + usize::from(state);
            }
        }
        (log, floored)
    }
}

/// `log [∏_c v_c(s_c) ∏_c H_c(s_c, s_{c+1})]` of row `r`.
fn along(model: &PairModel, r: usize) -> Vec<f64> {
    let (lattice, first) = (model.lattice(), r * model.lattice().cols());
    let (cols, across) = (lattice.cols(), lattice.horizontal_cols());
    let bond = |c: usize| model.bond_log_weights(Bond::Horizontal(r * across + c));
    let states = model.dims()[first];
    let mut all = Vec::new();
    // For each state of the first site, which the last one meets on a ring.
    for z in 0..states {
        let mut part = vec![model.site_log_weights(first)[z]];
        let mut before = 1;
        for c in 1..cols {
            let (v, h) = (model.site_log_weights(first + c), bond(c - 1));
            let ring = (c + 1 == cols && lattice.wraps_cols()).then(|| bond(c));
            let step = |(i, p): (usize, &f64)| -> Vec<f64> {
                let a = if c == 1 { z } else { i % before };
                (0..v.len()).map(|b| p + v[b] + h[[a, b]] + ring.map_or(0.0, |ring| ring[[b, z]])).collect()
            };
            part = part.iter().enumerate().flat_map(step).collect();
            before = v.len();
        }
        all.extend(part);
    }
    all
}

/// `log Σ_s e^{A(s)} ∏_c V_c(u_c, s_c)` and the diagonals, for row `r`, site after site: a site above is
/// brought in before the first of the sites below that it meets is summed over.
fn raised(mut table: Vec<f64>, model: &PairModel, r: usize) -> Vec<f64> {
    let (lattice, cols) = (model.lattice(), model.lattice().cols());
    let met = |j: usize, row: usize| lattice.neighbours(j).into_iter().flatten().filter(move |n| n.site / cols == row);
    let dim = |j: usize| model.dims()[j];
    // Indices of the table, the first slowest.
    let mut open: Vec<usize> = (r * cols..(r + 1) * cols).collect();
    let size = |open: &[usize]| open.iter().map(|&j| dim(j)).product::<usize>();
    let mut terms = Vec::new();
    for j in r * cols..(r + 1) * cols {
        for n in met(j, r - 1) {
            let above = n.site;
            if open.contains(&above) {
                continue;
            }
            let pairs: Vec<(Neighbour, usize)> = met(above, r)
                .map(|n| (n, size(&open[open.iter().position(|&i| i == n.site).expect("not summed yet") + 1..])))
                .collect();
            let extended = |(i, u): (usize, usize)| {
                let weight = |w: f64, &(n, stride): &(Neighbour, usize)| {
                    w + model.pair_log_weight(n, u as u8, (i / stride % dim(n.site)) as u8)
                };
                pairs.iter().fold(table[i], weight)
            };
            let d = dim(above);
            table = (0..table.len()).flat_map(|i| (0..d).map(move |u| (i, u))).map(extended).collect();
            open.push(above);
        }
        let at = open.iter().position(|&i| i == j).expect("it is open");
        let (d, low) = (dim(j), size(&open[at + 1..]));
        let summed = |i: usize| {
            terms.clear();
            terms.extend((0..d).map(|s| table[i / low * d * low + i % low + s * low]));
            log_sum_exp(&terms)
        };
        table = (0..table.len() / d).map(summed).collect();
        open.remove(at);
    }
    // On a ring the last site above came first.
    let order: Vec<usize> = ((r - 1) * cols..r * cols).collect();
    let shape: Vec<usize> = open.iter().map(|&j| dim(j)).collect();
    let axes: Vec<usize> = order.iter().map(|j| open.iter().position(|i| i == j).expect("brought in")).collect();
    let sorted = ArrayD::from_shape_vec(shape, table).expect("one entry each").permuted_axes(axes);
    sorted.iter().copied().collect()
}

/// `log Z` in nats, exact to rounding, where a strip along the rows or the columns is narrow enough; −∞ where
/// nothing is allowed.
pub(super) fn log_z(model: &PairModel) -> Option<f64> {
    let site = |j: usize, a: usize| (model.site_log_weights(j)[a], 0.0);
    let bond = |a: usize, n: Neighbour, b: usize| (model.pair_log_weight(n, a as u8, b as u8), 0.0);
    Strip { lattice: model.lattice(), dims: model.dims(), site, bond }.sum()
}
