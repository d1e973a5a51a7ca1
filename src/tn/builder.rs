//! Operators from sums of local terms, by a finite-state construction.
//!
//! Read from left to right, a sum `Σ_t h_t` of terms on contiguous sites is the set of paths of an automaton:
//! state *ready* (identity so far), one group of states inside each term, state *done* (identity from here
//! on). Each term is split exactly into a train of its own, and tensor `j` collects
//!
//! ```text
//! ready → ready: 1     ready → done: terms on j alone     ready → t: first tensor of t
//! done → done: 1       t → t: middle tensors              t → done: last tensor
//! ```
//!
//! States that repeat others up to a factor, or that lead nowhere, are then merged (deparallelisation, Hubig,
//! McCulloch, Schollwöck, arXiv 1611.02498): no singular values, so entries of very different size survive
//! and translation-invariant sums get the bond dimension written in textbooks. Cost: linear in the number of
//! sites.

use std::collections::BTreeMap;

use ndarray::{Array2, Array4, ArrayView1, ArrayView2, s};

use super::mpo::Mpo;
use super::scale::{check_dim, reshape};
use crate::error::{Error, Result};
use crate::linalg::matmul;

/// A term of a sum of local operators: `matrix` acts on the sites `first..first + k`.
///
/// The matrix is square of size `∏ d` over those sites; its indices are row-major with the first site most
/// significant, rows are inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalTerm {
    /// First site that the term acts on.
    pub first: usize,
    /// The operator, shape `(∏ d, ∏ d)`, element `[x, y]`.
    pub matrix: Array2<f64>,
}

impl Mpo {
    /// The sum of local terms, log-scale 0. The number of sites of a term follows from the size of its
    /// matrix; terms on the same sites are summed first. No terms give the zero operator.
    ///
    /// # Errors
    /// No sites, a local dimension outside 1..=256, a matrix whose size is not `∏ d` over sites from `first`
    /// on, entries not finite.
    pub fn from_local_terms(dims: &[usize], terms: &[LocalTerm]) -> Result<Mpo> {
        dims.iter().try_for_each(|&d| check_dim(d))?;
        if dims.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        let mut sums: BTreeMap<(usize, usize), Array2<f64>> = BTreeMap::new();
        for term in terms {
            let range = check_term(dims, term)?;
            sums.entry(range).and_modify(|sum| *sum += &term.matrix).or_insert_with(|| term.matrix.clone());
        }
        let mut tensors = automaton(dims, &sums);
        merge_states(&mut tensors);
        Mpo::new(tensors, 0.0)
    }
}

/// First site and number of sites of a term.
fn check_term(dims: &[usize], term: &LocalTerm) -> Result<(usize, usize)> {
    if term.first >= dims.len() {
        return Err(Error::parameter("first", term.first, "a site of the chain"));
    }
    let (rows, cols) = term.matrix.dim();
    let (mut size, mut sites) = (dims[term.first], 1);
    while size < rows && term.first + sites < dims.len() {
        size *= dims[term.first + sites];
        sites += 1;
    }
    if rows != size || cols != size {
        return Err(Error::Shape { field: "local term", expected: vec![size, size], got: vec![rows, cols] });
    }
    match term.matrix.iter().find(|v| !v.is_finite()) {
        Some(&value) => Err(Error::NotFinite { field: "local term", site: term.first, value }),
        None => Ok((term.first, sites)),
    }
}

/// A tensor of the automaton under construction: blocks by (row state, column state).
struct Blocks {
    d: usize,
    blocks: Vec<(usize, usize, Array4<f64>)>,
}

/// The tensors before merging: states *ready* (0), *done* (1), then those inside the terms.
fn automaton(dims: &[usize], sums: &BTreeMap<(usize, usize), Array2<f64>>) -> Vec<Array4<f64>> {
    let n = dims.len();
    let unit = |d: usize| reshape(&Array2::<f64>::eye(d), (1, d, d, 1));
    let mut sites: Vec<Blocks> =
        dims.iter().map(|&d| Blocks { d, blocks: vec![(0, 0, unit(d)), (1, 1, unit(d))] }).collect();
    let mut states = vec![2; n + 1];
    for (&(first, count), matrix) in sums {
        let mut row = 0;
        for (j, tensor) in (first..).zip(split_term(matrix, &dims[first..first + count])) {
            let last = j + 1 == first + count;
            let column = if last { 1 } else { states[j + 1] };
            if !last {
                states[j + 1] += tensor.dim().3;
            }
            sites[j].blocks.push((row, column, tensor));
            row = column;
        }
    }
    let assemble = |(j, site): (usize, Blocks)| {
        let mut w = Array4::zeros((states[j], site.d, site.d, states[j + 1]));
        for (row, column, block) in site.blocks {
            let (l, _, _, r) = block.dim();
            let mut target = w.slice_mut(s![row..row + l, .., .., column..column + r]);
            target += &block;
        }
        // The chain starts ready and ends done.
        let rows = if j == 0 { 0..1 } else { 0..states[j] };
        let columns = if j + 1 == n { 1..2 } else { 0..states[j + 1] };
        w.slice(s![rows, .., .., columns]).to_owned()
    };
    sites.into_iter().enumerate().map(assemble).collect()
}

/// A local operator as an exact train of tensors `(r, d, d, r′)`, of minimal bonds to rounding.
fn split_term(matrix: &Array2<f64>, dims: &[usize]) -> Vec<Array4<f64>> {
    let k = dims.len();
    let legs: Vec<usize> = dims.iter().chain(dims).copied().collect();
    let interleaved: Vec<usize> = (0..k).flat_map(|j| [j, k + j]).collect();
    let mut rest = reshape(&reshape(matrix, legs).permuted_axes(interleaved), (1, matrix.len()));
    let mut tensors = Vec::with_capacity(k);
    for &d in &dims[..k - 1] {
        let (left, len) = rest.dim();
        let (coefficients, rows) = row_basis(reshape(&rest, (left * d * d, len / (d * d))));
        tensors.push(reshape(&coefficients, (left, d, d, rows.nrows())));
        rest = rows;
    }
    tensors.push(reshape(&rest, (rest.nrows(), dims[k - 1], dims[k - 1], 1)));
    tensors
}

/// Interpolative decomposition `M = C R` with `R` a smallest set of rows of `M`, by elimination with full
/// pivoting.
///
/// Rows of `M` enter `R` unchanged and `C` is the identity on them, so operators with few distinct entries
/// stay exact. What is left after the elimination counts as zero below 10⁻¹⁵ of the largest entry a step.
fn row_basis(m: Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let (rows, cols) = m.dim();
    let mut rest = m.clone();
    let largest = m.iter().fold(0.0_f64, |max, v| max.max(v.abs()));
    let (mut pivots, mut factors) = (Vec::new(), Vec::new());
    while pivots.len() < rows.min(cols) {
        let ((i, j), pivot) = rest
            .indexed_iter()
            .fold(((0, 0), 0.0_f64), |best, (at, &v)| if v.abs() > best.1.abs() { (at, v) } else { best });
        if pivot.abs() <= 1e-15 * largest * pivots.len() as f64 || pivot == 0.0 {
            break;
        }
        let factor = rest.column(j).mapv(|v| v / pivot);
        let row = rest.row(i).to_owned();
        for (mut target, &f) in rest.outer_iter_mut().zip(&factor) {
            if f != 0.0 {
                target.scaled_add(-f, &row);
            }
        }
        rest.row_mut(i).fill(0.0);
        rest.column_mut(j).fill(0.0);
        pivots.push(i);
        factors.push(factor);
    }
    if pivots.is_empty() {
        return (Array2::zeros((rows, 1)), Array2::zeros((1, cols)));
    }
    // M = L U with L = [factors]; with U = L_pivots⁻¹ R, C = L L_pivots⁻¹, and L_pivots is unit lower
    // triangular.
    let rank = pivots.len();
    let mut c = Array2::from_shape_fn((rows, rank), |(i, k)| factors[k][i]);
    let triangle = c.select(ndarray::Axis(0), &pivots);
    for k in (0..rank).rev() {
        let column = c.column(k).to_owned();
        for l in 0..k {
            c.column_mut(l).scaled_add(-triangle[[k, l]], &column);
        }
    }
    for (k, &i) in pivots.iter().enumerate() {
        c.row_mut(i).fill(0.0);
        c[[i, k]] = 1.0;
    }
    (c, m.select(ndarray::Axis(0), &pivots))
}

/// Drops states that are zero or parallel to another, from the left and from the right.
fn merge_states(tensors: &mut [Array4<f64>]) {
    for j in 0..tensors.len() - 1 {
        let (l, d, _, r) = tensors[j].dim();
        let columns = reshape(&tensors[j], (l * d * d, r));
        if let Some((kept, transfer)) = parallel(columns.t()) {
            tensors[j] = reshape(&columns.select(ndarray::Axis(1), &kept), (l, d, d, kept.len()));
            let (_, d, _, r_next) = tensors[j + 1].dim();
            let next = reshape(&tensors[j + 1], (r, d * d * r_next));
            tensors[j + 1] = reshape(&matmul(transfer.t(), next.view()), (kept.len(), d, d, r_next));
        }
    }
    for j in (1..tensors.len()).rev() {
        let (l, d, _, r) = tensors[j].dim();
        let rows = reshape(&tensors[j], (l, d * d * r));
        if let Some((kept, transfer)) = parallel(rows.view()) {
            tensors[j] = reshape(&rows.select(ndarray::Axis(0), &kept), (kept.len(), d, d, r));
            let (l_before, d, _, _) = tensors[j - 1].dim();
            let before = reshape(&tensors[j - 1], (l_before * d * d, l));
            tensors[j - 1] = reshape(&matmul(before.view(), transfer.view()), (l_before, d, d, kept.len()));
        }
    }
}

/// The rows of `m` up to multiples: indices of those kept, and `T` with `m = T m[kept]`; none when all are
/// kept.
fn parallel(m: ArrayView2<'_, f64>) -> Option<(Vec<usize>, Array2<f64>)> {
    let mut kept: Vec<usize> = Vec::new();
    let mut multiples = Vec::with_capacity(m.nrows());
    for (i, row) in m.outer_iter().enumerate() {
        let found = kept.iter().enumerate().find_map(|(k, &basis)| Some((k, multiple(row, m.row(basis))?)));
        multiples.push(match found {
            Some(found) => found,
            None if row.iter().all(|&v| v == 0.0) => (0, 0.0),
            None => {
                kept.push(i);
                (kept.len() - 1, 1.0)
            }
        });
    }
    if kept.is_empty() {
        kept.push(0); // the zero operator needs one state too
    }
    if kept.len() == m.nrows() {
        return None;
    }
    let mut transfer = Array2::zeros((m.nrows(), kept.len()));
    multiples.into_iter().enumerate().for_each(|(i, (k, factor))| transfer[[i, k]] = factor);
    Some((kept, transfer))
}

/// The factor `f` with `row = f · basis`, entry by entry to four roundings; none when there is no such
/// factor.
fn multiple(row: ArrayView1<'_, f64>, basis: ArrayView1<'_, f64>) -> Option<f64> {
    let mut factor = 0.0;
    for (&v, &b) in row.iter().zip(basis) {
        if (v == 0.0) != (b == 0.0) {
            return None;
        }
        if b != 0.0 && factor == 0.0 {
            factor = v / b;
        }
        if (v - factor * b).abs() > 4.0 * f64::EPSILON * v.abs() {
            return None;
        }
    }
    (factor != 0.0).then_some(factor)
}
