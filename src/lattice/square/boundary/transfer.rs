//! Rows of the lattice as matrix-product operators, and the boundary state that they act on.
//!
//! ```text
//! E_{r−1}(u) = Σ_s ∏_c V_c(u_c, s_c) v_c(s_c) ∏_c H_c(s_c, s_{c+1}) · E_r(s),      E_{rows−1} = 1,
//! ```
//!
//! `H` the horizontal bonds of row `r` (the last one closes the ring on a cylinder), `v` its site weights,
//! `V` the vertical bonds between rows `r−1` and `r`. On a torus every site carries the state `σ_c` of the
//! first row as a second, passive leg: `E_{rows−1}(s, σ) = ∏_c V_c(s_c, σ_c)` with the closing bonds, and the
//! row acts on `s` alone. The weights of row `r` are not in `E_r(s, σ)`: with them the same χ loses
//! more (16 × 16 critical spins, χ = 8: a fraction .82 of effective draws instead of .97). The first row
//! meets itself: of `E_0` only the diagonal `E_0(σ, σ)` is made, a state of one leg a site.
//!
//! Bonds along diagonals couple a row to its neighbours' columns: `D(u_c, s_{c+1})`, `A(u_{c+1}, s_c)`. They
//! join the factors between two columns, whose index then carries the state `s_{c+1}`, `s_c` or both: bonds
//! `dχ` with one of the diagonals as without, `d²χ` with both, on a ring the square of it, compressed in one
//! step. On a torus `E_{rows−1}(s, σ)` has the diagonals from the last row to the first one.
//!
//! Each horizontal table is written `H(a, b) = Σ_k L_k(a) R_k(b)`. Where the model is invariant under the
//! exchange of two states the factors are the even and the odd function of the state: every index of the
//! state then carries a parity, its tensors are block-sparse, and a decomposition is one of each block. Cost
//! of a row: `O(cols d (dχ)³)`, twice that for a ring, `O(cols d² (d²χ)³)` on a torus, a quarter of it with
//! parity.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2};

use ndarray::{Array1, Array2, Array3, Axis, s};

use super::parity::{Split, orthogonal, truncated};
use super::weights::{Factors, Weights};
use crate::error::Result;
use crate::linalg::{matmul, matmul_into, strip};

/// Which factors of a row are applied together.
#[derive(Clone, Copy)]
struct Part {
    /// Site weights and the bonds along the row, but for the closing one.
    along: bool,
    /// The closing bond of a ring.
    closing: bool,
    /// The bonds to the row above.
    up: bool,
}

/// A state over the sites of one row: tensors `(state, left bond, right bond)`, times `exp(log_scale)`. On a
/// torus the first index is `(s, σ)`, but for `E_0`.
#[derive(Debug, Clone)]
pub(super) struct RowState {
    pub tensors: Vec<Array3<f64>>,
    /// Parity of each index of the `cols + 1` bonds; all even where the model has none.
    pub parity: Vec<Vec<u8>>,
    pub log_scale: f64,
}

impl RowState {
    /// `E_{rows−1}`: the function 1; on a torus the bonds to the first row.
    pub(super) fn last(w: &Weights) -> Self {
        let j = (w.rows - 1) * w.cols;
        if w.torus && w.is_oblique() {
            // The first row as one below the last, which its own weights do not belong to.
            return RowState::first(w).apply(w, w.rows, Part { along: false, closing: true, up: true });
        }
        if w.torus { RowState::product(&w.vertical[j..]) } else { RowState::constant(&w.dims[j..]) }
    }

    /// What is above the first row: the function 1; on a torus `δ(s, σ)`.
    fn first(w: &Weights) -> Self {
        let dims = &w.dims[..w.cols];
        if !w.torus {
            return RowState::constant(dims);
        }
        RowState::product(&dims.iter().map(|&d| Array2::eye(d)).collect::<Vec<_>>())
    }

    /// The function 1.
    fn constant(dims: &[usize]) -> Self {
        RowState::product(&dims.iter().map(|&d| Array2::ones((d, 1))).collect::<Vec<_>>())
    }

    /// `∏_c f_c(s_c, σ_c)`.
    fn product(tables: &[Array2<f64>]) -> Self {
        let tensor = |f: &Array2<f64>| Array3::from_shape_vec((f.len(), 1, 1), f.iter().copied().collect());
        let tensors = tables.iter().map(|f| tensor(f).expect("as many numbers")).collect();
        RowState { tensors, parity: vec![vec![0]; tables.len() + 1], log_scale: 0.0 }
    }

    /// Largest bond dimension.
    pub(super) fn bond(&self) -> usize {
        self.parity.iter().map(Vec::len).max().unwrap_or(1)
    }

    /// The same by the general routines.
    pub(super) fn any_row(&self, w: &Weights, r: usize, chi: usize) -> Result<(RowState, f64)> {
        if !in_two_steps(w) {
            let mut state = self.exact_row(w, r);
            let dropped = state.compress(chi, w.parity)?;
            return Ok((state, dropped));
        }
        let mut state = self.apply(w, r, Part { along: true, closing: false, up: false });
        let first = state.compress(chi, w.parity)?;
        let mut state = state.apply(w, r, Part { along: false, closing: true, up: true });
        let second = state.compress(chi, w.parity)?;
        Ok((state, first + second))
    }

    /// From above: `Q_r(s) = w_r(s) Σ_u V(u, s) Q_{r−1}(u)`, `w_r` the site weights and bonds of row `r`,
    /// compressed; `Q_0 = w_0`, on a torus `w_0(s) δ(s, σ)`.
    pub(super) fn from_above(before: Option<&RowState>, w: &Weights, r: usize, chi: usize) -> Result<RowState> {
        let first = r * w.cols;
        let mut state = before.cloned().unwrap_or_else(|| RowState::first(w));
        if r > 0 && w.is_oblique() {
            let mut state = state.through(w, r, Part { along: true, closing: w.ring, up: true }, Leg::Below);
            state.compress(chi, w.parity)?;
            return Ok(state);
        }
        if r > 0 {
            for (c, t) in state.tensors.iter_mut().enumerate() {
                let (d, l, right) = t.dim();
                let v = &w.vertical[first - w.cols + c];
                let passive = d / v.nrows();
                let flat = t.view().into_shape_with_order((v.nrows(), passive * l * right)).expect("standard layout");
                let down = matmul(v.t(), flat);
                *t = down.into_shape_with_order((v.ncols() * passive, l, right)).expect("the same size");
            }
        }
        let two = in_two_steps(w);
        state = state.apply(w, r, Part { along: true, closing: w.ring && !two, up: false });
        state.compress(chi, w.parity)?;
        if two {
            state = state.apply(w, r, Part { along: false, closing: true, up: false });
            state.compress(chi, w.parity)?;
        }
        Ok(state)
    }

    /// `E_{r−1}` of `E_r`, exact; for `r = 0` the sum over the row.
    pub(super) fn exact_row(&self, w: &Weights, r: usize) -> RowState {
        self.apply(w, r, Part { along: true, closing: w.ring, up: true })
    }

    /// `(sign, log |Σ_s a(s) b(s)|)`; on a torus over `s` and `σ`.
    pub(super) fn log_overlap(&self, other: &RowState) -> (f64, f64) {
        let mut m = Array2::ones((1, 1));
        let mut log = self.log_scale + other.log_scale;
        for (a, b) in self.tensors.iter().zip(&other.tensors) {
            let mut next = Array2::zeros((a.dim().2, b.dim().2));
            // Against a state over the first row an operator shows its diagonal.
            let states = b.dim().0;
            let step = if a.dim().0 > states { states + 1 } else { 1 };
            for (a, b) in a.outer_iter().step_by(step).zip(b.outer_iter()) {
                let half = matmul(m.view(), b);
                matmul_into(1.0, a.t(), half.view(), 1.0, next.view_mut());
            }
            m = next;
            log += strip(&mut m) as f64 * LN_2;
        }
        (m[[0, 0]].signum(), log + m[[0, 0]].abs().ln())
    }

    /// `(sign, log |Σ_s|)` of row 0 and what is below it.
    pub(super) fn log_total(&self, w: &Weights) -> (f64, f64) {
        self.exact_row(w, 0).log_value()
    }

    /// Some factors of row `r` applied to the state below, not compressed; for `r = 0` "up" is the sum over
    /// the states of each site.
    fn apply(&self, w: &Weights, r: usize, part: Part) -> RowState {
        self.through(w, r, part, Leg::Above)
    }

    /// The same, with the leg that remains: from a state below the row or from one above.
    fn through(&self, w: &Weights, r: usize, part: Part, free: Leg) -> RowState {
        let cols = w.cols;
        let first = r % w.rows * cols;
        let oblique = part.up && r > 0 && w.is_oblique();
        let bond = |c: usize, along: bool| match (oblique, along) {
            (true, _) => w.oblique_factors(r, c, along),
            (false, true) => w.factors(first + c),
            (false, false) => Factors::constant(w.dims[first + c], w.dims[first + c + 1]),
        };
        let closing = part.closing.then(|| bond(cols - 1, part.along || !oblique));
        let mut before = Factors::constant(1, w.dims[first]);
        let mut out = RowState { tensors: Vec::with_capacity(cols), parity: vec![vec![0]], log_scale: self.log_scale };
        for c in 0..cols {
            let (j, last) = (first + c, c + 1 == cols);
            let after = if last { Factors::constant(w.dims[j], 1) } else { bond(c, part.along) };
            let around = Closing::at(closing.as_ref(), c, cols);
            let ones = vec![1.0; w.dims[j]];
            let own = if part.along { &w.sites[j] } else { &ones };
            let up = match (part.up, r) {
                (false, _) => &Array2::eye(w.dims[j]),
                (true, 0) => &Array2::ones((1, w.dims[j])),
                (true, _) => &w.vertical[(r - 1) * cols + c],
            };
            let legs = if free == Leg::Above && w.torus && part.up && r == 1 { Leg::Both } else { free };
            out.tensors.push(site(&self.tensors[c], own, up, &before, &after, &around, legs));
            let ring = closing.as_ref().filter(|_| !last).map_or(vec![0], |f| f.parity.clone());
            out.parity.push(combine(&after.parity, &ring, &self.parity[c + 1]));
            before = after;
        }
        out
    }

    /// Best approximation with bonds of at most `chi`, by a QR sweep to the right and truncated SVDs to the
    /// left; returns the sum of the relative squared weights that were dropped. The result is
    /// right-canonical, its norm in `log_scale`.
    pub(super) fn compress(&mut self, chi: usize, parity: bool) -> Result<f64> {
        if parity {
            self.tensors.iter_mut().for_each(rotate);
        }
        // Functions of one or of two states, even or odd in each.
        let charges =
            |d: usize| -> Vec<u8> { (0..d).map(|f| if parity { f.count_ones() as u8 & 1 } else { 0 }).collect() };
        let n = self.tensors.len();
        for c in 0..n - 1 {
            let (d, l, r) = self.tensors[c].dim();
            let rows = combine(&charges(d), &self.parity[c], &[0]);
            let m = self.tensors[c].view().into_shape_with_order((d * l, r)).expect("standard layout").to_owned();
            let Split { left, right, parity } = orthogonal(&m, &rows, &self.parity[c + 1])?;
            let k = parity.len();
            self.tensors[c] = left.into_shape_with_order((d, l, k)).expect("the same size");
            self.parity[c + 1] = parity;
            self.tensors[c + 1] = times_left(&right, &self.tensors[c + 1]);
            self.log_scale += strip(&mut self.tensors[c + 1]) as f64 * LN_2;
        }
        let mut discarded = 0.0;
        for c in (1..n).rev() {
            let (d, l, r) = self.tensors[c].dim();
            // Rows: left bond; columns: (state, right bond).
            let m = self.tensors[c].view().permuted_axes([1, 0, 2]);
            let m = m.as_standard_layout().into_owned().into_shape_with_order((l, d * r)).expect("the same size");
            let columns = combine(&charges(d), &self.parity[c + 1], &[0]);
            let (split, dropped) = truncated(&m, &self.parity[c], &columns, chi)?;
            discarded += dropped;
            let k = split.parity.len();
            let right = split.right.into_shape_with_order((k, d, r)).expect("the same size");
            self.tensors[c] = right.permuted_axes([1, 0, 2]).as_standard_layout().into_owned();
            self.parity[c] = split.parity;
            self.tensors[c - 1] = times_right(&self.tensors[c - 1], &split.left);
            self.log_scale += strip(&mut self.tensors[c - 1]) as f64 * LN_2;
        }
        if parity {
            self.tensors.iter_mut().for_each(rotate);
        }
        Ok(discarded)
    }

    /// `(sign, log |Σ_s|)` of a state with one state a site.
    pub(super) fn log_value(&self) -> (f64, f64) {
        let mut v = Array1::from_elem(1, 1.0);
        let mut log = self.log_scale;
        for t in &self.tensors {
            v = v.dot(&t.index_axis(Axis(0), 0));
            log += strip(&mut v) as f64 * LN_2;
        }
        (v[0].signum(), log + v[0].abs().ln())
    }
}

/// Of the two legs of a row, the state above and its own, the one that remains.
#[derive(Clone, Copy, PartialEq)]
enum Leg {
    Above,
    Below,
    /// That above where it equals the state `σ` of the passive leg.
    Both,
}

/// Whether the closing bond of a row is applied after the others have been compressed: two steps with bonds
/// `dχ` cost an eighth of one with `d²χ`. On a torus the state between the two, an operator that lacks the
/// bond, is one that `χ` terms hold less well: of 16 × 16 critical spins at χ = 16, a fraction .9976 of
/// effective draws against .9985. With diagonals the step that meets the row above has the closing bond
/// and those between columns anyway.
fn in_two_steps(w: &Weights) -> bool {
    w.ring && !w.torus && !w.is_oblique()
}

/// Parities of a product of indices, the first slowest.
fn combine(a: &[u8], b: &[u8], c: &[u8]) -> Vec<u8> {
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| x ^ y));
    pairs.flat_map(|x| c.iter().map(move |y| x ^ y)).collect()
}

/// How the index of the closing bond runs through a column: from the first site, its right end, to the last,
/// its left end.
enum Closing<'a> {
    Absent,
    Starts(&'a Factors),
    Runs(usize),
    Ends(&'a Factors),
}

impl<'a> Closing<'a> {
    fn at(bond: Option<&'a Factors>, c: usize, cols: usize) -> Self {
        match bond {
            None => Closing::Absent,
            Some(f) if c == 0 => Closing::Starts(f),
            Some(f) if c + 1 == cols => Closing::Ends(f),
            Some(f) => Closing::Runs(f.terms()),
        }
    }

    /// Values of the index on the left and on the right.
    fn dims(&self) -> (usize, usize) {
        match self {
            Closing::Absent => (1, 1),
            Closing::Starts(f) => (1, f.terms()),
            Closing::Runs(k) => (*k, *k),
            Closing::Ends(f) => (f.terms(), 1),
        }
    }

    fn factor(&self, u: usize, a: usize, z: usize, y: usize) -> f64 {
        match self {
            Closing::Absent => 1.0,
            Closing::Starts(f) => f.right(u, a, y),
            Closing::Runs(_) => f64::from(u8::from(z == y)),
            Closing::Ends(f) => f.left(u, a, z),
        }
    }
}

/// The tensor of one site of a row applied to the tensor beside it, with the `free` leg that remains.
fn site(
    beside: &Array3<f64>,
    v: &[f64],
    up: &Array2<f64>,
    before: &Factors,
    after: &Factors,
    closing: &Closing<'_>,
    free: Leg,
) -> Array3<f64> {
    let (legs, l, r) = beside.dim();
    let (remains, summed) = if free == Leg::Below { (v.len(), up.nrows()) } else { (up.nrows(), v.len()) };
    let passive = legs / summed;
    let diagonal = free == Leg::Both;
    let (kl, kr) = (before.terms(), after.terms());
    let (zl, zr) = closing.dims();
    let mut out = Array3::zeros((remains * if diagonal { 1 } else { passive }, kl * zl * l, kr * zr * r));
    for (o, i, j) in product(remains, kl, kr) {
        for (z, y, n) in product(zl, zr, summed) {
            let (u, a) = if free == Leg::Below { (n, o) } else { (o, n) };
            let factor = v[a] * up[[u, a]] * before.right(u, a, i) * after.left(u, a, j) * closing.factor(u, a, z, y);
            if factor != 0.0 {
                let (row, col) = ((i * zl + z) * l, (j * zr + y) * r);
                for sigma in if diagonal { o..o + 1 } else { 0..passive } {
                    let to = if diagonal { o } else { o * passive + sigma };
                    let mut block = out.slice_mut(s![to, row..row + l, col..col + r]);
                    block.scaled_add(factor, &beside.index_axis(Axis(0), n * passive + sigma));
                }
            }
        }
    }
    out
}

/// All triples of indices.
fn product(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
}

/// Between states and their even and odd combinations, a rotation that is its own inverse; of each leg.
fn rotate(t: &mut Array3<f64>) {
    let pair = |t: &mut Array3<f64>, i: usize, k: usize| {
        let (a, b) = (t.index_axis(Axis(0), i).to_owned(), t.index_axis(Axis(0), k).to_owned());
        t.index_axis_mut(Axis(0), i).assign(&((&a + &b) * FRAC_1_SQRT_2));
        t.index_axis_mut(Axis(0), k).assign(&((a - b) * FRAC_1_SQRT_2));
    };
    match t.dim().0 {
        2 => pair(t, 0, 1),
        4 => [(0, 1), (2, 3), (0, 2), (1, 3)].into_iter().for_each(|(i, k)| pair(t, i, k)),
        _ => (),
    }
}

/// `Σ_l m[k, l] t[s, l, r]`.
fn times_left(m: &Array2<f64>, t: &Array3<f64>) -> Array3<f64> {
    let (d, _, r) = t.dim();
    let mut out = Array3::zeros((d, m.nrows(), r));
    for (mut out, t) in out.outer_iter_mut().zip(t.outer_iter()) {
        matmul_into(1.0, m.view(), t, 0.0, out.view_mut());
    }
    out
}

/// `Σ_r t[s, l, r] m[r, k]`.
fn times_right(t: &Array3<f64>, m: &Array2<f64>) -> Array3<f64> {
    let (d, l, r) = t.dim();
    let flat = t.view().into_shape_with_order((d * l, r)).expect("standard layout");
    matmul(flat, m.view()).into_shape_with_order((d, l, m.ncols())).expect("the same size")
}
