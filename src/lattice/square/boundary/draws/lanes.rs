//! Passes over a row in lanes: 32 configurations side by side in each vector of numbers.
//!
//! ```text
//! right pass   t_c^s = B_c^s ρ_c^s,      ρ_{c−1}^{s'} = Σ_s H(s', s) w_c(s) t_c^s
//! left pass    n(s)  = w_c(s) H(s', s) l·t_c^s,      s_c ~ n/Σn,      l ← l B_c^{s_c}
//! ```
//!
//! `B` the tensors of the boundary state below the row, `w_c(s)` the site weight times the bonds to the
//! states above, along diagonals too: the row above is known when a row is drawn. On a ring the right pass is
//! made for each state `z` of the first site, with `H(s_last, z)` at the end; the left pass then reads that
//! of the state drawn. With parity `B^0 = X B^1 X'`, signs `X` by the parity of the index: `ρ^0` is kept as
//! `Xρ^0`, one matrix serves both states, and the left pass needs one product and a change of sign. Cost a
//! site: `(d + 1)χ²` multiply-adds with parity, `2dχ²` without.

use pulp::Simd;

use super::choice::Walkers;
use super::pack::{LEAST, Packed, PackedRow, PackedSite, T, Tile};
use super::products::{accumulate, both_matrix_vector, dot, dots, matrix_vector, mix, vector_matrix};
use crate::lanes::{
    LANES, Lane, MINUS, NONE, ONE, Word, ZERO, choose_number, combine, multiply, negative, relative, rescale, scaled,
    vectors, vectors_mut, where_state,
};

/// Buffers of a pass, shared by the rows and groups of a block.
pub(crate) struct Scratch {
    /// `t`, by first state of a ring, column, state, index; below the first row of a torus by column first.
    pub t: Vec<Lane>,
    /// `w`, by column and state.
    pub weight: Vec<Lane>,
    /// `ρ` by state and index, on a torus by first state before; and `l`, masked by state.
    pub vector: Vec<Lane>,
    pub next: Vec<Lane>,
    /// On a torus: products by the state of the first row; and `l`, masked by both states.
    pub stack: Vec<Lane>,
    /// `n` and `H` by state.
    pub odds: Vec<Lane>,
    /// Exponents taken out of `t`, by first state of a ring.
    pub exponents: Vec<Word>,
    pub across: Vec<Lane>,
    pub d: usize,
    pub bond: usize,
}

impl Scratch {
    /// For open rows, rings or rows of a torus.
    pub(crate) fn new(packed: &Packed) -> Self {
        let (cols, d) = (packed.cols, packed.d);
        let bond = packed.rows.iter().map(PackedRow::bond).max().unwrap_or(1);
        let rights = if packed.rows.iter().any(|row| row.closing.is_some()) { d } else { 1 };
        let slots = if packed.torus { d * d } else { d };
        Scratch {
            t: vec![ZERO; rights * cols * d * bond],
            weight: vec![ZERO; cols * d],
            vector: vec![ZERO; slots * bond],
            next: vec![ZERO; slots * bond],
            stack: vec![ZERO; if packed.torus { d * d * bond } else { 0 }],
            odds: vec![ZERO; d],
            exponents: vec![NONE; rights],
            across: vec![ZERO; d],
            d,
            bond,
        }
    }
}

/// A pass over one row of one group of configurations.
pub(crate) struct Pass<'a> {
    pub row: &'a PackedRow,
    /// States of the row above; for the first row zeros.
    pub above: &'a [Word],
    /// States of this row: written by a draw, read by a score.
    pub states: &'a mut [Word],
    pub walkers: &'a mut Walkers,
    pub scratch: &'a mut Scratch,
    /// Score `states` instead of drawing them.
    pub given: bool,
    /// Whether something is forbidden.
    pub constrained: bool,
}

impl Pass<'_> {
    /// `PARITY`: parity of two states; `PAIR`: two states a site.
    #[inline(always)]
    pub(crate) fn run<S: Simd, const PARITY: bool, const PAIR: bool>(mut self, simd: S) {
        self.weights::<S, PAIR>(simd);
        let d = if PAIR { 2 } else { self.scratch.d };
        for z in 0..if self.row.closing.is_some() { d } else { 1 } {
            self.right::<S, PARITY, PAIR>(simd, z);
        }
        self.left::<S, PARITY, PAIR>(simd);
    }

    /// `w_c(s)` of every column.
    #[inline(always)]
    fn weights<S: Simd, const PAIR: bool>(&mut self, simd: S) {
        let d = if PAIR { 2 } else { self.scratch.d };
        let columns = self.row.sites.iter().zip(self.above).zip(self.scratch.weight.chunks_exact_mut(d));
        for ((site, above), weight) in columns {
            look_up::<S, PAIR>(simd, &site.above, above, weight);
            for (column, table) in site.oblique.iter().flatten() {
                look_up::<S, PAIR>(simd, table, &self.above[*column], &mut self.scratch.odds);
                meet(simd, weight, &self.scratch.odds);
            }
        }
    }

    #[inline(always)]
    fn right<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S, z: usize) {
        let Scratch { t, weight, vector, next, exponents, d, bond, .. } = &mut *self.scratch;
        exponents[z] = NONE;
        let (d, bond, cols) = (if PAIR { 2 } else { *d }, *bond, self.row.sites.len());
        for s in 0..d {
            vector[s * bond..s * bond + T].fill(ZERO);
            vector[s * bond] = ONE;
        }
        let mut until_rescaling = self.row.period;
        for (c, site) in self.row.sites.iter().enumerate().rev() {
            let t = &mut t[(z * cols + c) * d * bond..][..d * bond];
            let (l, r) = (site.left * T, site.right * T);
            if PARITY && S::REGISTER_COUNT >= 32 {
                let (zero, one) = t.split_at_mut(bond);
                let (x0, x1) = (&vector[..r], &vector[bond..bond + r]);
                both_matrix_vector(simd, &site.tiles, site.right, [x0, x1], [&mut zero[..l], &mut one[..l]]);
            } else {
                for s in 0..d {
                    let tiles = if PARITY { &site.tiles[..] } else { site.of_state(s) };
                    let (rho, t) = (&vector[s * bond..][..r], &mut t[s * bond..][..l]);
                    matrix_vector(simd, tiles, site.right, rho, t);
                }
            }
            if c == 0 {
                break;
            }
            let closing = self.row.closing.as_deref().filter(|_| c + 1 == cols);
            // H(s', s) w(s), in each lane.
            if PAIR {
                let h = &site.before[..4];
                let end = closing.map_or([1.0; 2], |h| [h[z], h[d + z]]);
                let g = [
                    [scaled(simd, h[0] * end[0], &weight[c * d]), scaled(simd, h[1] * end[1], &weight[c * d + 1])],
                    [scaled(simd, h[2] * end[0], &weight[c * d]), scaled(simd, h[3] * end[1], &weight[c * d + 1])],
                ];
                let (zero, one) = next.split_at_mut(bond);
                let split = if PARITY { site.left_even.min(l) } else { l };
                mix(simd, &g, &t[..l], &t[bond..bond + l], &mut zero[..l], &mut one[..l], split);
            } else {
                for before in 0..d {
                    let out = &mut next[before * bond..][..l];
                    for s in 0..d {
                        let h = site.before[before * d + s] * closing.map_or(1.0, |h| h[s * d + z]);
                        let g = scaled(simd, h, &weight[c * d + s]);
                        accumulate(simd, &g, &t[s * bond..][..l], out, s == 0);
                    }
                }
            }
            until_rescaling -= 1;
            if until_rescaling == 0 {
                until_rescaling = self.row.period;
                rescale(simd, next, d, bond, l, &mut exponents[z]);
            }
            std::mem::swap(vector, next);
        }
    }

    #[inline(always)]
    fn left<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S) {
        let Scratch { t, weight, vector, next, odds: n, across: h, exponents, d, bond, .. } = &mut *self.scratch;
        let (d, bond, cols) = (if PAIR { 2 } else { *d }, *bond, self.row.sites.len());
        vector[..T].fill(ZERO);
        vector[0] = ONE;
        // Sign of the odd indices of l.
        let mut sign = ONE;
        let mut first = NONE;
        let mut until_rescaling = self.row.period;
        for (c, site) in self.row.sites.iter().enumerate() {
            let l = site.left * T;
            if c > 0 {
                look_up::<S, PAIR>(simd, &site.before, &self.states[c - 1], &mut h[..d]);
            } else {
                // Brings the right-hand vectors of the first states of a ring to one scale.
                (0..d).for_each(|s| {
                    h[s] = if self.row.closing.is_some() { relative(&exponents[s], exponents) } else { ONE }
                });
            }
            if let Some(closing) = &self.row.closing
                && c + 1 == cols
            {
                for i in 0..LANES {
                    (0..d).for_each(|s| h[s].0[i] *= closing[s * d + first.0[i] as usize]);
                }
            }
            if PARITY && self.row.closing.is_none() {
                let [even, odd, even0, odd0] = dots(
                    simd,
                    &vector[..l],
                    &t[(c * d + 1) * bond..][..l],
                    &t[c * d * bond..][..l],
                    site.left_even.min(l),
                );
                combine(simd, &even, &sign, &odd, &h[1], &weight[c * d + 1], &mut n[1]);
                combine(simd, &even0, &negative(simd, &sign), &odd0, &h[0], &weight[c * d], &mut n[0]);
            } else {
                for s in 0..d {
                    let w = &weight[c * d + s];
                    let split = if PARITY { site.left_even.min(l) } else { l };
                    let (mut even, mut odd) = (ZERO, ZERO);
                    for z in 0..if self.row.closing.is_some() { d } else { 1 } {
                        let [e, o] = dot(simd, &vector[..l], &t[((z * cols + c) * d + s) * bond..][..l], split);
                        if self.row.closing.is_none() || c == 0 && z == s {
                            (even, odd) = (e, o);
                        } else if c > 0 {
                            even = where_state(simd, &first, z as u32, &e, &even);
                            odd = where_state(simd, &first, z as u32, &o, &odd);
                        }
                    }
                    let sign = if s == 1 { sign } else { negative(simd, &sign) };
                    combine(simd, &even, &sign, if PARITY { &odd } else { &ZERO }, &h[s], w, &mut n[s]);
                }
            }
            let chosen = &mut self.states[c];
            if PAIR && !self.constrained {
                self.walkers.either(simd, [&n[0], &n[1]], self.given, chosen);
            } else {
                // In the first column `h` is a scale; no product of what is allowed may vanish.
                let allowed = |s: usize, i: usize| (c == 0 || h[s].0[i] > 0.0) && weight[c * d + s].0[i] > 0.0;
                self.walkers.one_of(simd, site.states, |s, i| n[s].0[i], allowed, self.given, chosen);
            }
            if c == 0 {
                first = *chosen;
            }
            if c + 1 == cols {
                break;
            }
            let r = site.right * T;
            if PARITY {
                let flip = where_state(simd, chosen, 1, &sign, &negative(simd, &sign));
                for v in &mut vector[site.left_even.min(l)..l] {
                    multiply(simd, v, &flip);
                }
                sign = where_state(simd, chosen, 1, &ONE, &MINUS);
                vector_matrix(simd, &site.tiles, site.right, &vector[..l], &mut next[..r]);
            } else {
                // One masked copy for each state: the last first, in place.
                for s in (0..d).rev() {
                    for a in 0..l {
                        let v = vector[a];
                        vector[s * l + a] = where_state(simd, chosen, s as u32, &v, &ZERO);
                    }
                }
                vector_matrix(simd, &site.tiles, site.right, &vector[..site.matrices() * l], &mut next[..r]);
            }
            until_rescaling -= 1;
            if until_rescaling == 0 {
                until_rescaling = self.row.period;
                rescale(simd, next, 1, 0, r, &mut NONE.clone());
            }
            std::mem::swap(vector, next);
        }
    }
}

impl PackedSite {
    /// Number of matrices: states, or one with parity.
    pub(crate) fn matrices(&self) -> usize {
        self.tiles.len() / (self.left * self.right)
    }

    /// The tiles of a state, for all of the first row of a torus; none for padding.
    pub(crate) fn of_state(&self, s: usize) -> &[Tile] {
        let n = self.passive * self.left * self.right;
        self.tiles.get(s * n..(s + 1) * n).unwrap_or(&[])
    }
}

/// Multiplies the weights of the states of a site by others and divides each lane by its largest, so that
/// tables that disagree leave their ratio; what is allowed stays allowed.
#[inline(always)]
pub(crate) fn meet<S: Simd>(simd: S, weight: &mut [Lane], factor: &[Lane]) {
    for v in 0..LANES / S::F32_LANES {
        let (zero, least) = (simd.splat_f32s(0.0), simd.splat_f32s(LEAST as f32));
        let mut largest = zero;
        for (weight, factor) in weight.iter_mut().zip(factor) {
            let weight = &mut vectors_mut::<S>(weight)[v];
            *weight = simd.mul_f32s(*weight, vectors::<S>(factor)[v]);
            largest = simd.max_f32s(largest, *weight);
        }
        for weight in weight.iter_mut() {
            let weight = &mut vectors_mut::<S>(weight)[v];
            let some = simd.greater_than_f32s(*weight, zero);
            *weight = simd.select_f32s(some, simd.max_f32s(simd.div_f32s(*weight, largest), least), zero);
        }
    }
}

/// `out[s][i] = table[row[i] · d + s]`, `d` the number of outputs.
#[inline(always)]
pub(crate) fn look_up<S: Simd, const PAIR: bool>(simd: S, table: &[f32], row: &Word, out: &mut [Lane]) {
    let d = out.len();
    for (s, out) in out.iter_mut().enumerate() {
        if PAIR {
            choose_number(simd, row, table[s], table.get(2 + s).copied().unwrap_or(0.0), out);
        } else {
            (0..LANES).for_each(|i| out.0[i] = table[row.0[i] as usize * d + s]);
        }
    }
}
