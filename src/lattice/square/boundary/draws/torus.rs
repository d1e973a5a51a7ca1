//! Passes over a row of a torus below the first one, in lanes: `σ` the states of the first row.
//!
//! ```text
//! right pass   t_c^{s,z} = B_c^{s,σ_c} ρ_c^{s,z},      ρ_{c−1}^{s',z} = Σ_s H(s', s) w_c(s) t_c^{s,z}
//! left pass    n(s) = w_c(s) H(s', s) l·t_c^{s,z},     s_c ~ n/Σn,      l ← l B_c^{s_c,σ_c}
//! ```
//!
//! as on a ring, `z` the state of the first site of the row, but that each configuration picks its matrices
//! by its own `σ`: the products are made for each value of `σ_c`, and that of the lane is kept.
//!
//! With parity `B^{s,σ} = X^σ B^{s⊕σ,0} X'^σ`, signs `X` by the parity of the index. States are then taken as
//! `y = s ⊕ σ`, and the odd indices of vectors with the sign of `σ_c`: `X^σ t_c` on the left of column `c`,
//! `X'^σ ρ_c` on its right. All lanes share the two matrices `B^{y,0}`; between two columns of different `σ`
//! odd indices change sign, and a horizontal bond sees `H(y' ⊕ δ, y)`, `δ = σ_{c−1} ⊕ σ_c`.
//!
//! Cost a site: `6χ²` multiply-adds with parity, `(d + 1) d d' χ²` without, `d'` the values of `σ_c`.

use pulp::Simd;

use super::choice::Walkers;
use super::lanes::{Scratch, look_up, meet};
use super::pack::{PackedRow, PackedSite, T};
use super::products::{accumulate, both_matrix_vector, dot, matrix_vector, mix, vector_matrix};
use crate::lanes::{
    LANES, Lane, MINUS, NONE, ONE, Word, ZERO, choose_number, combine, multiply, relative, rescale, scaled,
    where_state, xor,
};

/// A pass over one row of one group of configurations.
pub(crate) struct TorusPass<'a> {
    pub row: &'a PackedRow,
    /// States of the first row.
    pub first: &'a [Word],
    /// States of the row above.
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

impl TorusPass<'_> {
    /// `PARITY`: parity of two states; `PAIR`: two states a site.
    #[inline(always)]
    pub(crate) fn run<S: Simd, const PARITY: bool, const PAIR: bool>(mut self, simd: S) {
        self.weights::<S, PARITY, PAIR>(simd);
        self.right::<S, PARITY, PAIR>(simd);
        self.left::<S, PARITY, PAIR>(simd);
    }

    /// `w_c(s)` of every column, with parity `w_c(y ⊕ σ)`.
    #[inline(always)]
    fn weights<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S) {
        let d = if PAIR { 2 } else { self.scratch.d };
        let columns = self.row.sites.iter().zip(self.above).zip(self.first);
        for (((site, above), sigma), weight) in columns.zip(self.scratch.weight.chunks_exact_mut(d)) {
            if PARITY {
                look_up::<S, PAIR>(simd, &site.above, &xor(simd, above, sigma), weight);
            } else {
                look_up::<S, PAIR>(simd, &site.above, above, weight);
            }
            for (column, table) in site.oblique.iter().flatten() {
                let above = &self.above[*column];
                let seen = if PARITY { xor(simd, above, sigma) } else { *above };
                look_up::<S, PAIR>(simd, table, &seen, &mut self.scratch.odds);
                meet(simd, weight, &self.scratch.odds);
            }
        }
    }

    /// Whether `σ` of two columns differ.
    #[inline(always)]
    fn differ<S: Simd>(&self, simd: S, a: usize, b: usize) -> Word {
        xor(simd, &self.first[a], &self.first[b])
    }

    #[inline(always)]
    fn right<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S) {
        let cols = self.row.sites.len();
        let around = if PARITY { self.differ(simd, cols - 1, 0) } else { NONE };
        let (d, bond) = (if PAIR { 2 } else { self.scratch.d }, self.scratch.bond);
        self.scratch.exponents.fill(NONE);
        for k in 0..d * d {
            self.scratch.vector[k * bond..k * bond + T].fill(ZERO);
            self.scratch.vector[k * bond] = ONE;
        }
        let mut until_rescaling = self.row.period;
        for (c, site) in self.row.sites.iter().enumerate().rev() {
            self.products::<S, PARITY, PAIR>(simd, c, site);
            if c == 0 {
                break;
            }
            let delta = if PARITY { self.differ(simd, c - 1, c) } else { NONE };
            let closing = self.row.closing.as_deref().filter(|_| c + 1 == cols);
            let Scratch { t, weight, vector, next, exponents, .. } = &mut *self.scratch;
            let l = site.left * T;
            let w = &weight[c * d..(c + 1) * d];
            for z in 0..d {
                let t = &t[(c * d + z) * d * bond..][..d * bond];
                let next = &mut next[z * d * bond..][..d * bond];
                if PAIR {
                    let mut g = [[ZERO; 2]; 2];
                    for (before, g) in g.iter_mut().enumerate() {
                        for (s, g) in g.iter_mut().enumerate() {
                            *g = bond_lane::<S, PARITY>(simd, &site.before, &delta, before, s);
                            multiply(simd, g, &w[s]);
                            if let Some(closing) = closing {
                                multiply(simd, g, &bond_lane::<S, PARITY>(simd, closing, &around, s, z));
                            }
                        }
                    }
                    let (zero, one) = next.split_at_mut(bond);
                    let split = if PARITY { site.left_even.min(l) } else { l };
                    let (t0, t1) = (&t[..l], &t[bond..bond + l]);
                    mix(simd, &g, &t0[..split], &t1[..split], &mut zero[..split], &mut one[..split], split);
                    if PARITY && split < l {
                        let sign = where_state(simd, &delta, 1, &MINUS, &ONE);
                        g.as_flattened_mut().iter_mut().for_each(|g| multiply(simd, g, &sign));
                        let n = l - split;
                        mix(simd, &g, &t0[split..], &t1[split..], &mut zero[split..l], &mut one[split..l], n);
                    }
                } else {
                    for before in 0..d {
                        let out = &mut next[before * bond..][..l];
                        for s in 0..d {
                            let h = site.before[before * d + s] * closing.map_or(1.0, |h| h[s * d + z]);
                            accumulate(simd, &scaled(simd, h, &w[s]), &t[s * bond..][..l], out, s == 0);
                        }
                    }
                }
            }
            until_rescaling -= 1;
            if until_rescaling == 0 {
                until_rescaling = self.row.period;
                for z in 0..d {
                    rescale(simd, &mut next[z * d * bond..], d, bond, l, &mut exponents[z]);
                }
            }
            std::mem::swap(vector, next);
        }
    }

    /// `t_c^{s,z}` of all `s` and `z`.
    #[inline(always)]
    fn products<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S, c: usize, site: &PackedSite) {
        let Scratch { t, vector, stack, d, bond, .. } = &mut *self.scratch;
        let (d, bond) = (if PAIR { 2 } else { *d }, *bond);
        let (l, r) = (site.left * T, site.right * T);
        let t = &mut t[c * d * d * bond..][..d * d * bond];
        for s in 0..d {
            let tiles = site.of_state(s);
            if PARITY && S::REGISTER_COUNT >= 32 {
                let (zero, one) = t.split_at_mut(2 * bond);
                let x = [&vector[s * bond..][..r], &vector[(2 + s) * bond..][..r]];
                both_matrix_vector(simd, tiles, site.right, x, [&mut zero[s * bond..][..l], &mut one[s * bond..][..l]]);
                continue;
            }
            for z in 0..d {
                let rho = &vector[(z * d + s) * bond..][..r];
                let t = &mut t[(z * d + s) * bond..][..l];
                if PARITY {
                    matrix_vector(simd, tiles, site.right, rho, t);
                } else {
                    let stack = &mut stack[..site.passive * l];
                    matrix_vector(simd, tiles, site.right, rho, stack);
                    pick(simd, &self.first[c], stack, t);
                }
            }
        }
    }

    #[inline(always)]
    fn left<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S) {
        let cols = self.row.sites.len();
        let around = if PARITY { self.differ(simd, cols - 1, 0) } else { NONE };
        let (d, bond) = (if PAIR { 2 } else { self.scratch.d }, self.scratch.bond);
        self.scratch.vector[..T].fill(ZERO);
        self.scratch.vector[0] = ONE;
        // Drawn at the first site and at the site before; with parity relative to σ.
        let (mut z, mut before) = (NONE, NONE);
        let mut until_rescaling = self.row.period;
        for (c, site) in self.row.sites.iter().enumerate() {
            let l = site.left * T;
            let sigma = self.first[c];
            let delta = if PARITY && c > 0 { self.differ(simd, c - 1, c) } else { NONE };
            let Scratch { t, weight, vector, stack, next, odds: n, across: h, exponents, .. } = &mut *self.scratch;
            if c > 0 {
                let seen = if PARITY { xor(simd, &before, &delta) } else { before };
                look_up::<S, PAIR>(simd, &site.before, &seen, &mut h[..d]);
            } else {
                // Brings the right-hand vectors of the first states of the ring to one scale.
                (0..d).for_each(|s| h[s] = relative(&exponents[s], exponents));
            }
            if let Some(closing) = &self.row.closing
                && c + 1 == cols
            {
                let seen = if PARITY { xor(simd, &z, &around) } else { z };
                for i in 0..LANES {
                    (0..d).for_each(|s| h[s].0[i] *= closing[s * d + seen.0[i] as usize]);
                }
            }
            for s in 0..d {
                let mut sum = ZERO;
                for first in 0..d {
                    if c > 0 || first == s {
                        let [e, _] = dot(simd, &vector[..l], &t[((c * d + first) * d + s) * bond..][..l], l);
                        sum = if c == 0 { e } else { where_state(simd, &z, first as u32, &e, &sum) };
                    }
                }
                combine(simd, &sum, &ZERO, &ZERO, &h[s], &weight[c * d + s], &mut n[s]);
            }
            let mut chosen = self.states[c];
            if PARITY {
                chosen = xor(simd, &chosen, &sigma);
            }
            if PAIR && !self.constrained {
                self.walkers.either(simd, [&n[0], &n[1]], self.given, &mut chosen);
            } else {
                // In the first column `h` is a scale; no product of what is allowed may vanish.
                let allowed = |s: usize, i: usize| (c == 0 || h[s].0[i] > 0.0) && weight[c * d + s].0[i] > 0.0;
                self.walkers.one_of(simd, site.states, |s, i| n[s].0[i], allowed, self.given, &mut chosen);
            }
            self.states[c] = if PARITY { xor(simd, &chosen, &sigma) } else { chosen };
            before = chosen;
            if c == 0 {
                z = chosen;
            }
            if c + 1 == cols {
                break;
            }
            let r = site.right * T;
            // One masked copy of l for each matrix.
            let count = site.matrices();
            for k in 0..count {
                let (s, own) = if PARITY { (k, 0) } else { (k / site.passive, k % site.passive) };
                for a in 0..l {
                    let v = where_state(simd, &chosen, s as u32, &vector[a], &ZERO);
                    stack[k * l + a] = if PARITY { v } else { where_state(simd, &sigma, own as u32, &v, &ZERO) };
                }
            }
            vector_matrix(simd, &site.tiles, site.right, &stack[..count * l], &mut next[..r]);
            if PARITY {
                let flip = where_state(simd, &self.differ(simd, c, c + 1), 1, &MINUS, &ONE);
                for v in &mut self.scratch.next[self.row.sites[c + 1].left_even.min(r)..r] {
                    multiply(simd, v, &flip);
                }
            }
            until_rescaling -= 1;
            if until_rescaling == 0 {
                until_rescaling = self.row.period;
                rescale(simd, &mut self.scratch.next, 1, 0, r, &mut NONE.clone());
            }
            std::mem::swap(&mut self.scratch.vector, &mut self.scratch.next);
        }
    }
}

/// `H(a, b)` of two states, with parity `H(a ⊕ δ, b)`.
#[inline(always)]
fn bond_lane<S: Simd, const PARITY: bool>(simd: S, table: &[f32], delta: &Word, a: usize, b: usize) -> Lane {
    let mut out = ZERO;
    let (plain, other) = (table[2 * a + b], table[2 * (1 - a) + b]);
    choose_number(simd, delta, plain, if PARITY { other } else { plain }, &mut out);
    out
}

/// `out[a] = stack[σ][a]` in each lane.
#[inline(always)]
fn pick<S: Simd>(simd: S, sigma: &Word, stack: &[Lane], out: &mut [Lane]) {
    let n = out.len();
    for (a, out) in out.iter_mut().enumerate() {
        *out = stack[a];
        for (k, part) in stack.chunks_exact(n).enumerate().skip(1) {
            *out = where_state(simd, sigma, k as u32, &part[a], out);
        }
    }
}
