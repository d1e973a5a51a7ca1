//! Rows with short bonds, as they occur by the thousand in the fields of noisy configurations: what
//! [`transfer`](super::transfer) does, without parity, rings and diagonals, by loops over one flat buffer.
//!
//! QR by Gram-Schmidt with a second pass; singular values by one-sided Jacobi rotations of the rows, which
//! are accurate relative to each row. For bonds of some eight numbers the general routines spend their time
//! on allocations: 7.4 ms a contraction of 32 × 32 sites in a field at χ = 2, here 1.

use std::f64::consts::LN_2;

use ndarray::Array3;

use super::transfer::RowState;
use super::weights::Weights;
use crate::linalg::exponent;

/// Longest bond before compression.
const LONGEST: usize = 8;
/// Part of a column that its predecessors do not span, below which it counts as spanned; and singular values
/// relative to the largest.
const NOISE: f64 = 1e-13;
/// Cosine of two rows below which the sweep that turns them is the last (convergence is quadratic), and
/// sweeps at most.
const NEARLY: f64 = 1e-8;
const SWEEPS: usize = 30;

/// Numbers of a bond matrix.
const SQUARE: usize = LONGEST * LONGEST;

/// Numbers of one site, `[state][left][right]`, in its part of the buffer.
#[derive(Clone, Copy)]
struct Shape {
    d: usize,
    left: usize,
    right: usize,
}

impl Shape {
    fn len(self) -> usize {
        self.d * self.left * self.right
    }
}

/// Whether row `r` above `below` is one of these.
pub(super) fn applies(below: &RowState, w: &Weights, r: usize) -> bool {
    let states = |r: usize| w.dims[r * w.cols..][..w.cols].iter().max().copied().unwrap_or(1);
    !w.parity && !w.ring && !w.is_oblique() && r > 0 && states(r) * below.bond() <= LONGEST && states(r - 1) <= LONGEST
}

/// A row on its way: tensors from left to right in parts of the buffer, and their scale.
struct Row {
    buffer: Vec<f64>,
    /// Numbers of a part.
    room: usize,
    shapes: Vec<Shape>,
    log_scale: f64,
    /// A tensor in work; columns of a matrix, or its rows as they are turned.
    tensor: Vec<f64>,
    work: Vec<f64>,
}

/// `E_{r−1}` of `E_r` for an open row `r > 0`, compressed to bonds of at most `chi`; and the relative squared
/// weight that was dropped.
pub(super) fn next_row(below: &RowState, w: &Weights, r: usize, chi: usize) -> (RowState, f64) {
    Row::orthogonal(below, w, r).compressed(chi)
}

impl Row {
    /// The row applied to the state below, all tensors but the last orthonormal.
    fn orthogonal(below: &RowState, w: &Weights, r: usize) -> Row {
        let (cols, first) = (w.cols, r * w.cols);
        let d = w.dims[first - cols..first].iter().max().copied().unwrap_or(1);
        let room = d * SQUARE;
        let mut row = Row {
            buffer: vec![0.0; cols * room],
            room,
            shapes: Vec::with_capacity(cols),
            log_scale: below.log_scale,
            tensor: vec![0.0; room],
            work: vec![0.0; room],
        };
        // R of the column before: carry[k][right].
        let (mut carry, mut rank) = ([0.0; SQUARE], 1);
        carry[0] = 1.0;
        for (c, out) in row.buffer.chunks_exact_mut(room).enumerate() {
            let shape = site(below, w, first + c, c, &mut row.tensor);
            let mut new = Shape { left: rank, ..shape };
            for (u, k) in (0..shape.d).flat_map(|u| (0..rank).map(move |k| (u, k))) {
                let sum = &mut out[(u * rank + k) * shape.right..][..shape.right];
                sum.fill(0.0);
                for l in 0..shape.left {
                    let from = &row.tensor[(u * shape.left + l) * shape.right..][..shape.right];
                    let factor = carry[k * shape.left + l];
                    sum.iter_mut().zip(from).for_each(|(o, v)| *o += factor * v);
                }
            }
            row.log_scale += strip(&mut out[..new.len()]);
            if c + 1 < cols {
                rank = orthogonal(out, &mut new, &mut carry, &mut row.work);
            }
            row.shapes.push(new);
        }
        row
    }

    /// From the right: singular values of `[left][state, right]`, the values to the left neighbour.
    fn compressed(mut self, chi: usize) -> (RowState, f64) {
        let cols = self.shapes.len();
        let mut tensors = Vec::with_capacity(cols);
        let mut parity = vec![vec![0]; cols + 1];
        let (mut factor, mut kept, mut discarded) = ([0.0; SQUARE], 1, 0.0);
        factor[0] = 1.0;
        for (c, shape) in self.shapes.iter().enumerate().rev() {
            let from = &self.buffer[c * self.room..][..shape.len()];
            let (right, n) = (kept, shape.d * kept);
            let m = &mut self.tensor[..shape.left * n];
            for (l, row) in m.chunks_exact_mut(n).enumerate() {
                for (u, k) in (0..shape.d).flat_map(|u| (0..right).map(move |k| (u, k))) {
                    let t = &from[(u * shape.left + l) * shape.right..][..shape.right];
                    row[u * right + k] = t.iter().enumerate().map(|(j, t)| t * factor[j * right + k]).sum();
                }
            }
            self.log_scale += strip(m);
            kept = shape.left;
            if c > 0 {
                let dropped;
                (kept, dropped) = singular(m, [shape.left, n], chi, &mut factor, &mut self.work);
                discarded += dropped;
            }
            tensors.push(Array3::from_shape_fn((shape.d, kept, right), |(u, l, k)| m[l * n + u * right + k]));
            parity[c] = vec![0; kept];
        }
        tensors.reverse();
        (RowState { tensors, parity, log_scale: self.log_scale }, discarded)
    }
}

/// The tensor of column `c` of a row applied to the tensor below it: `v(a) V(u, a) H(i, a) below[a, l, r]`,
/// left index `(i, l)`, right index `(a, r)`; summed over `a` in the last column.
fn site(below: &RowState, w: &Weights, j: usize, c: usize, out: &mut [f64]) -> Shape {
    let t = &below.tensors[c];
    let (states, l, r) = t.dim();
    let t = t.as_slice().expect("standard layout");
    let (v, up) = (&w.sites[j], &w.vertical[j - w.cols]);
    let before = if c == 0 { None } else { w.horizontal[j - 1].as_ref() };
    let last = c + 1 == w.cols;
    let terms = before.map_or(1, |h| h.nrows());
    let shape = Shape { d: up.nrows(), left: terms * l, right: if last { r } else { states * r } };
    out[..shape.len()].fill(0.0);
    for (u, i, a) in (0..shape.d * terms).flat_map(|k| (0..states).map(move |a| (k / terms, k % terms, a))) {
        let factor = v[a] * up[[u, a]] * before.map_or(1.0, |h| h[[i, a]]);
        let column = if last { 0 } else { a * r };
        for x in 0..l {
            let row = &mut out[(u * shape.left + i * l + x) * shape.right + column..][..r];
            row.iter_mut().zip(&t[(a * l + x) * r..][..r]).for_each(|(o, t)| *o += factor * t);
        }
    }
    shape
}

/// Takes out a power of two; returns its logarithm.
fn strip(values: &mut [f64]) -> f64 {
    let e = exponent(values.iter()).unwrap_or(0).clamp(-1000, 1000);
    let scale = 2f64.powi(-e as i32);
    values.iter_mut().for_each(|v| *v *= scale);
    e as f64 * LN_2
}

/// `t = Q R`: the columns of `t` made orthonormal, `carry = R[k][right]`; returns the rank.
fn orthogonal(t: &mut [f64], shape: &mut Shape, carry: &mut [f64; SQUARE], columns: &mut [f64]) -> usize {
    let (rows, n) = (shape.d * shape.left, shape.right);
    let mut rank = 0;
    carry.fill(0.0);
    for j in 0..n {
        let (before, column) = columns[..(rank + 1).min(LONGEST) * rows].split_at_mut(rank * rows);
        if column.is_empty() {
            break;
        }
        (0..rows).for_each(|i| column[i] = t[i * n + j]);
        let size = norm(column);
        for _ in 0..2 {
            for (k, q) in before.chunks_exact(rows).enumerate() {
                let overlap = dot(q, column);
                carry[k * n + j] += overlap;
                column.iter_mut().zip(q).for_each(|(v, q)| *v -= overlap * q);
            }
        }
        let rest = norm(column);
        if rest > NOISE * size && rank < rows {
            column.iter_mut().for_each(|v| *v /= rest);
            carry[rank * n + j] = rest;
            rank += 1;
        }
    }
    if rank == 0 {
        // Nothing but zeros: one index remains.
        columns[..rows].fill(0.0);
        rank = 1;
    }
    (0..rows).for_each(|i| (0..rank).for_each(|k| t[i * rank + k] = columns[k * rows + i]));
    shape.right = rank;
    rank
}

/// Replaces the rows of `m`, of shape `[rows, n]`, by its largest right singular vectors, `factor[row][k]`
/// the left vectors times the values; returns how many, and the relative squared weight of the others.
fn singular(
    m: &mut [f64],
    [rows, n]: [usize; 2],
    chi: usize,
    factor: &mut [f64; SQUARE],
    turned: &mut [f64],
) -> (usize, f64) {
    let turned = &mut turned[..rows * n];
    turned.copy_from_slice(m);
    for _ in 0..SWEEPS {
        let mut done = true;
        for p in 0..rows {
            for q in p + 1..rows {
                let (head, tail) = turned.split_at_mut(q * n);
                done &= rotate(&mut head[p * n..][..n], &mut tail[..n]);
            }
        }
        if done {
            break;
        }
    }
    let mut order = [0usize; LONGEST];
    let mut size = [0.0; LONGEST];
    for i in 0..rows {
        (order[i], size[i]) = (i, norm(&turned[i * n..][..n]));
    }
    let order = &mut order[..rows];
    order.sort_by(|&i, &j| size[j].total_cmp(&size[i]));
    let kept = order.iter().take(chi.min(n)).filter(|&&i| size[i] > NOISE * size[order[0]]).count().max(1);
    let weight = |part: &[usize]| part.iter().map(|&i| size[i] * size[i]).sum::<f64>();
    let (total, dropped) = (weight(order), weight(&order[kept..]));
    for (k, &i) in order[..kept].iter().enumerate() {
        let v = &mut turned[i * n..][..n];
        let scale = if size[i] > 0.0 { 1.0 / size[i] } else { 0.0 };
        v.iter_mut().for_each(|v| *v *= scale);
        (0..rows).for_each(|l| factor[l * kept + k] = dot(&m[l * n..][..n], v));
    }
    for (k, &i) in order[..kept].iter().enumerate() {
        m[k * n..][..n].copy_from_slice(&turned[i * n..][..n]);
    }
    (kept, if total > 0.0 { dropped / total } else { 0.0 })
}

/// Turns two rows in their plane until they are orthogonal; tells whether they nearly were.
fn rotate(a: &mut [f64], b: &mut [f64]) -> bool {
    let (aa, bb, ab) = (dot(a, a), dot(b, b), dot(a, b));
    let length = (aa * bb).sqrt();
    if ab.abs() <= f64::EPSILON * length || ab.abs() < f64::MIN_POSITIVE {
        return true;
    }
    let zeta = (bb - aa) / (2.0 * ab);
    let tangent = zeta.signum() / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let cosine = 1.0 / (1.0 + tangent * tangent).sqrt();
    let sine = cosine * tangent;
    for (a, b) in a.iter_mut().zip(b) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
    ab.abs() <= NEARLY * length
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::{applies, next_row};
    use crate::lattice::square::boundary::transfer::RowState;
    use crate::lattice::square::boundary::weights::Weights;
    use crate::lattice::square::couplings::Couplings;
    use crate::lattice::square::geometry::{Geometry, Square};
    use crate::lattice::square::ising::Ising;
    use crate::lattice::square::pair::PairModel;

    /// The same state as by the general routines, up to its gauge, and the same weight dropped; in a field,
    /// with three states, with zeros.
    #[test]
    fn rows_are_those_of_the_general_routines() {
        let lattice = Square::new(5, 6, Geometry::Open).unwrap();
        let field = (0..30).map(|j| 0.1 * f64::from(j % 7) - 0.2).collect();
        let glass = Couplings::gaussian(lattice, 3).with_field(field).unwrap();
        let models = [
            Ising::new(glass.clone(), 0.9).unwrap().pair_model().unwrap(),
            PairModel::potts(&glass, 3, 0.9).unwrap(),
            PairModel::hard_squares(lattice, 1.3).unwrap(),
        ];
        for (model, chi) in models.iter().flat_map(|model| [1, 2, 4].map(|chi| (model, chi))) {
            let w = Weights::new(model).unwrap();
            let mut state = RowState::last(&w);
            let mut rows = 0;
            for r in (1..5).rev() {
                let (general, dropped) = state.any_row(&w, r, chi).unwrap();
                if applies(&state, &w, r) {
                    rows += 1;
                    let (small, lost) = next_row(&state, &w, r, chi);
                    let [ab, aa, bb] =
                        [(&small, &general), (&small, &small), (&general, &general)].map(|(a, b)| a.log_overlap(b));
                    // Rounding of some 1e-15 an operation, amplified by the gaps between singular values.
                    assert!(ab.0 > 0.0 && (2.0 * ab.1 - aa.1 - bb.1).abs() < 1e-11, "{ab:?} {aa:?} {bb:?}");
                    assert!((aa.1 - bb.1).abs() < 1e-11 && (lost - dropped).abs() < 1e-12, "{lost:e} {dropped:e}");
                    assert_eq!(small.bond(), general.bond());
                }
                state = general;
            }
            assert!(rows > 0);
        }
    }
}
