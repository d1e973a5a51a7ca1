//! Passes over a row in lanes: 32 configurations side by side in each vector of numbers.
//!
//! ```text
//! right pass   t_c^s = B_c^s ρ_c^s,      ρ_{c−1}^{s'} = Σ_s H(s', s) w_c(s) t_c^s
//! left pass    n(s)  = w_c(s) H(s', s) l·t_c^s,      s_c ~ n/Σn,      l ← l B_c^{s_c}
//! ```
//!
//! `B` the tensors of the boundary state below the row, `w_c(s)` the site weight times the bond to the state above. On a ring the right
//! pass is made for each state `z` of the first site, with `H(s_last, z)` at the end; the left pass then reads that of the state drawn.
//! With parity `B^0 = X B^1 X'`, signs `X` by the parity of the index: `ρ^0` is kept as `Xρ^0`, one matrix serves both states, and
//! the left pass needs one product and a change of sign. Cost a site: `(d + 1)χ²` multiply-adds with parity, `2dχ²` without.

use std::array;

use pulp::Simd;

use super::choice::Walkers;
use super::pack::{PackedRow, PackedSite, T, Tile};

/// Configurations side by side.
pub(super) const LANES: usize = 32;

/// A number for each configuration of a group.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
pub(super) struct Lane(pub [f32; LANES]);

/// The state of each configuration of a group at one site.
pub(super) type States = [u32; LANES];

const ZERO: Lane = Lane([0.0; LANES]);
const ONE: Lane = Lane([1.0; LANES]);

/// Tile rows that share the loads of the vector: accumulators for `WIDE · T · 2` SIMD vectors.
const WIDE: usize = 3;

/// Buffers of a pass, shared by the rows and groups of a block.
pub(super) struct Scratch {
    /// `t`, by first state of a ring, column, state, index.
    t: Vec<Lane>,
    /// `w`, by column and state.
    weight: Vec<Lane>,
    /// `ρ` by state and index; and `l`, masked by state.
    vector: Vec<Lane>,
    next: Vec<Lane>,
    /// `n` and `H` by state.
    odds: Vec<Lane>,
    across: Vec<Lane>,
    d: usize,
    bond: usize,
}

impl Scratch {
    /// For rings or open rows of `cols` sites with `d` states and bonds of at most `bond`.
    pub(super) fn new(cols: usize, d: usize, bond: usize, ring: bool) -> Self {
        let rights = if ring { d } else { 1 };
        Scratch {
            t: vec![ZERO; rights * cols * d * bond],
            weight: vec![ZERO; cols * d],
            vector: vec![ZERO; d * bond],
            next: vec![ZERO; d * bond],
            odds: vec![ZERO; d],
            across: vec![ZERO; d],
            d,
            bond,
        }
    }
}

/// A pass over one row of one group of configurations.
pub(super) struct Pass<'a> {
    pub row: &'a PackedRow,
    /// States of the row above; for the first row zeros.
    pub above: &'a [States],
    /// States of this row: written by a draw, read by a score.
    pub states: &'a mut [States],
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
    pub(super) fn run<S: Simd, const PARITY: bool, const PAIR: bool>(mut self, simd: S) {
        self.weights::<PAIR>();
        let d = if PAIR { 2 } else { self.scratch.d };
        for z in 0..if self.row.closing.is_some() { d } else { 1 } {
            self.right::<S, PARITY, PAIR>(simd, z);
        }
        self.left::<S, PARITY, PAIR>(simd);
    }

    /// `w_c(s)` of every column.
    #[inline(always)]
    fn weights<const PAIR: bool>(&mut self) {
        let d = if PAIR { 2 } else { self.scratch.d };
        let columns = self.row.sites.iter().zip(self.above).zip(self.scratch.weight.chunks_exact_mut(d));
        for ((site, above), weight) in columns {
            look_up::<PAIR>(&site.above, above, weight);
        }
    }

    #[inline(always)]
    fn right<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S, z: usize) {
        let Scratch { t, weight, vector, next, d, bond, .. } = &mut *self.scratch;
        let (d, bond, cols) = (if PAIR { 2 } else { *d }, *bond, self.row.sites.len());
        for s in 0..d {
            vector[s * bond..s * bond + T].fill(ZERO);
            vector[s * bond] = ONE;
        }
        for (c, site) in self.row.sites.iter().enumerate().rev() {
            let t = &mut t[(z * cols + c) * d * bond..][..d * bond];
            let (l, r) = (site.left * T, site.right * T);
            for s in 0..d {
                let tiles = if PARITY { &site.tiles[..] } else { site.of_state(s) };
                let (rho, t) = (&vector[s * bond..][..r], &mut t[s * bond..][..l]);
                matrix_vector(simd, tiles, site.right, rho, t);
            }
            if c == 0 {
                break;
            }
            let closing = |s: usize| match &self.row.closing {
                Some(h) if c + 1 == cols => h[s * d + z],
                _ => 1.0,
            };
            for before in 0..d {
                // H(s', s) w(s), in each lane.
                let out = &mut next[before * bond..][..l];
                for s in 0..d {
                    let h = site.before[before * d + s] * closing(s);
                    let w = &weight[c * d + s];
                    let g = Lane(array::from_fn(|i| h * w.0[i]));
                    let t = &t[s * bond..][..l];
                    let flip = if PARITY && s != before { site.left_even } else { l };
                    accumulate(simd, &g, t, out, s == 0, flip);
                }
            }
            if c % self.row.period == 0 {
                rescale((0..d).map(|s| s * bond..s * bond + l), next);
            }
            std::mem::swap(vector, next);
        }
    }

    #[inline(always)]
    fn left<S: Simd, const PARITY: bool, const PAIR: bool>(&mut self, simd: S) {
        let Scratch { t, weight, vector, next, odds: n, across: h, d, bond } = &mut *self.scratch;
        let (d, bond, cols) = (if PAIR { 2 } else { *d }, *bond, self.row.sites.len());
        vector[..T].fill(ZERO);
        vector[0] = ONE;
        // Sign of the odd indices of l.
        let mut sign = ONE;
        let mut first: States = [0; LANES];
        for (c, site) in self.row.sites.iter().enumerate() {
            let l = site.left * T;
            if c > 0 {
                look_up::<PAIR>(&site.before, &self.states[c - 1], &mut h[..d]);
            } else {
                h[..d].fill(ONE);
            }
            if let Some(closing) = &self.row.closing
                && c + 1 == cols
            {
                for i in 0..LANES {
                    (0..d).for_each(|s| h[s].0[i] *= closing[s * d + first[i] as usize]);
                }
            }
            let channel = |z: usize, s: usize| &t[((z * cols + c) * d + s) * bond..][..l];
            if PARITY && self.row.closing.is_none() {
                let [up, down] = [1, 0].map(|s| channel(0, s));
                let [even, odd, even0, odd0] = dots(simd, &vector[..l], up, down, site.left_even.min(l));
                for i in 0..LANES {
                    let o = sign.0[i];
                    n[1].0[i] = (even.0[i] + o * odd.0[i]) * h[1].0[i] * weight[c * d + 1].0[i];
                    n[0].0[i] = (even0.0[i] - o * odd0.0[i]) * h[0].0[i] * weight[c * d].0[i];
                }
            } else {
                for s in 0..d {
                    let w = &weight[c * d + s];
                    let split = if PARITY { site.left_even.min(l) } else { l };
                    let (mut even, mut odd) = (ZERO, ZERO);
                    for z in 0..if self.row.closing.is_some() { d } else { 1 } {
                        let [e, o] = dot(simd, &vector[..l], channel(z, s), split);
                        let mine = |i: usize| match &self.row.closing {
                            Some(_) if c == 0 => z == s,
                            Some(_) => z == first[i] as usize,
                            None => true,
                        };
                        for i in 0..LANES {
                            even.0[i] = if mine(i) { e.0[i] } else { even.0[i] };
                            odd.0[i] = if mine(i) { o.0[i] } else { odd.0[i] };
                        }
                    }
                    for i in 0..LANES {
                        let sign = if s == 1 { sign.0[i] } else { -sign.0[i] };
                        let dot = if PARITY { even.0[i] + sign * odd.0[i] } else { even.0[i] };
                        n[s].0[i] = dot * (h[s].0[i] * w.0[i]);
                    }
                }
            }
            let chosen = &mut self.states[c];
            if PAIR && !self.constrained {
                self.walkers.either([&n[0].0, &n[1].0], self.given, chosen);
            } else {
                let allowed = |s: usize, i: usize| h[s].0[i] * weight[c * d + s].0[i] > 0.0;
                self.walkers.one_of(site.states, |s, i| n[s].0[i], allowed, self.given, chosen);
            }
            if c == 0 {
                first = *chosen;
            }
            if c + 1 == cols {
                break;
            }
            let r = site.right * T;
            if PARITY {
                let flip = Lane(array::from_fn(|i| if chosen[i] == 1 { sign.0[i] } else { -sign.0[i] }));
                for v in &mut vector[site.left_even.min(l)..l] {
                    (0..LANES).for_each(|i| v.0[i] *= flip.0[i]);
                }
                sign = Lane(array::from_fn(|i| if chosen[i] == 1 { 1.0 } else { -1.0 }));
                vector_matrix(simd, &site.tiles, site.right, &vector[..l], &mut next[..r]);
            } else {
                // One masked copy for each state: the last first, in place.
                for s in (0..d).rev() {
                    for a in 0..l {
                        let v = vector[a];
                        vector[s * l + a] =
                            Lane(array::from_fn(|i| if chosen[i] as usize == s { v.0[i] } else { 0.0 }));
                    }
                }
                vector_matrix(simd, &site.tiles, site.right, &vector[..site.matrices() * l], &mut next[..r]);
            }
            if (c + 1) % self.row.period == 0 {
                rescale(std::iter::once(0..r), next);
            }
            std::mem::swap(vector, next);
        }
    }
}

impl PackedSite {
    /// Number of matrices: states, or one with parity.
    fn matrices(&self) -> usize {
        self.tiles.len() / (self.left * self.right)
    }

    /// The tiles of a state; none for padding.
    fn of_state(&self, s: usize) -> &[Tile] {
        let n = self.left * self.right;
        self.tiles.get(s * n..(s + 1) * n).unwrap_or(&[])
    }
}

/// `out[s][i] = table[row[i] · d + s]`, `d` the number of outputs.
#[inline(always)]
fn look_up<const PAIR: bool>(table: &[f32], row: &States, out: &mut [Lane]) {
    let d = if PAIR { 2 } else { out.len() };
    for (s, out) in out.iter_mut().enumerate() {
        if PAIR {
            let (zero, one) = (table[s], table.get(2 + s).copied().unwrap_or(0.0));
            out.0 = array::from_fn(|i| if row[i] == 0 { zero } else { one });
        } else {
            out.0 = array::from_fn(|i| table[row[i] as usize * d + s]);
        }
    }
}

#[inline(always)]
fn vectors<S: Simd>(lane: &Lane) -> &[S::f32s] {
    S::as_simd_f32s(&lane.0).0
}

#[inline(always)]
fn vectors_mut<S: Simd>(lane: &mut Lane) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(&mut lane.0).0
}

/// `y = B x` for the tiles of one matrix, `columns` tiles wide.
#[inline(always)]
fn matrix_vector<S: Simd>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) {
    if tiles.is_empty() {
        y.fill(ZERO);
        return;
    }
    let wide = if S::REGISTER_COUNT >= 32 { WIDE } else { 1 };
    let rows = y.len() / T;
    let mut i = 0;
    while i < rows {
        let (tiles, y) = (&tiles[i * columns..], &mut y[i * T..]);
        i += match (rows - i).min(wide) {
            1 => rows_of::<S, 1>(simd, tiles, columns, x, y),
            2 => rows_of::<S, 2>(simd, tiles, columns, x, y),
            _ => rows_of::<S, WIDE>(simd, tiles, columns, x, y),
        };
    }
}

/// `N` rows of tiles.
#[inline(always)]
fn rows_of<S: Simd, const N: usize>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) -> usize {
    let tiles = &tiles[..N * columns];
    let x = &x[..columns * T];
    let y = &mut y[..N * T];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[[simd.splat_f32s(0.0); 2]; T]; N];
        for j in 0..columns {
            for b in 0..T {
                let x = vectors::<S>(&x[j * T + b]);
                let x = [x[v], x[v + 1]];
                for n in 0..N {
                    let tile = &tiles[n * columns + j];
                    for a in 0..T {
                        let m = simd.splat_f32s(tile[a][b]);
                        for k in 0..2 {
                            acc[n][a][k] = simd.mul_add_f32s(m, x[k], acc[n][a][k]);
                        }
                    }
                }
            }
        }
        for n in 0..N {
            for a in 0..T {
                let y = vectors_mut::<S>(&mut y[n * T + a]);
                y[v] = acc[n][a][0];
                y[v + 1] = acc[n][a][1];
            }
        }
    }
    N
}

/// `y = x B`, the rows of `B` those of all its tiles one below the other.
#[inline(always)]
fn vector_matrix<S: Simd>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) {
    let wide = if S::REGISTER_COUNT >= 32 { WIDE } else { 1 };
    let mut j = 0;
    while j < columns {
        let y = &mut y[j * T..];
        j += match (columns - j).min(wide) {
            1 => columns_of::<S, 1>(simd, tiles, columns, j, x, y),
            2 => columns_of::<S, 2>(simd, tiles, columns, j, x, y),
            _ => columns_of::<S, WIDE>(simd, tiles, columns, j, x, y),
        };
    }
}

/// `N` columns of tiles from column `j`.
#[inline(always)]
fn columns_of<S: Simd, const N: usize>(
    simd: S,
    tiles: &[Tile],
    columns: usize,
    j: usize,
    x: &[Lane],
    y: &mut [Lane],
) -> usize {
    let y = &mut y[..N * T];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[[simd.splat_f32s(0.0); 2]; T]; N];
        for (tiles, x) in tiles.chunks_exact(columns).zip(x.chunks_exact(T)) {
            let tiles = &tiles[j..j + N];
            for a in 0..T {
                let x = vectors::<S>(&x[a]);
                let x = [x[v], x[v + 1]];
                for n in 0..N {
                    for b in 0..T {
                        let m = simd.splat_f32s(tiles[n][a][b]);
                        for k in 0..2 {
                            acc[n][b][k] = simd.mul_add_f32s(m, x[k], acc[n][b][k]);
                        }
                    }
                }
            }
        }
        for n in 0..N {
            for b in 0..T {
                let y = vectors_mut::<S>(&mut y[n * T + b]);
                y[v] = acc[n][b][0];
                y[v + 1] = acc[n][b][1];
            }
        }
    }
    N
}

/// `out[a] (+)= g t[a]`, with the other sign from index `flip` on.
#[inline(always)]
fn accumulate<S: Simd>(simd: S, g: &Lane, t: &[Lane], out: &mut [Lane], start: bool, flip: usize) {
    let flip = flip.min(t.len());
    for (from, to, sign) in [(0, flip, 1.0), (flip, t.len(), -1.0)] {
        let sign = simd.splat_f32s(sign);
        for v in (0..LANES / S::F32_LANES).step_by(2) {
            let g = vectors::<S>(g);
            let g = [simd.mul_f32s(g[v], sign), simd.mul_f32s(g[v + 1], sign)];
            for (t, out) in t[from..to].iter().zip(&mut out[from..to]) {
                let (t, out) = (vectors::<S>(t), vectors_mut::<S>(out));
                for k in 0..2 {
                    out[v + k] = if start {
                        simd.mul_f32s(g[k], t[v + k])
                    } else {
                        simd.mul_add_f32s(g[k], t[v + k], out[v + k])
                    };
                }
            }
        }
    }
}

/// Products of `l` with two vectors, below and from index `split` on: `[up, up', down, down']`.
#[inline(always)]
fn dots<S: Simd>(simd: S, l: &[Lane], up: &[Lane], down: &[Lane], split: usize) -> [Lane; 4] {
    let mut out = [ZERO; 4];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[simd.splat_f32s(0.0); 2]; 4];
        for (part, range) in [0..split, split..l.len()].into_iter().enumerate() {
            for ((l, up), down) in l[range.clone()].iter().zip(&up[range.clone()]).zip(&down[range]) {
                let (l, up, down) = (vectors::<S>(l), vectors::<S>(up), vectors::<S>(down));
                for k in 0..2 {
                    acc[part][k] = simd.mul_add_f32s(l[v + k], up[v + k], acc[part][k]);
                    acc[2 + part][k] = simd.mul_add_f32s(l[v + k], down[v + k], acc[2 + part][k]);
                }
            }
        }
        for (out, acc) in out.iter_mut().zip(acc) {
            let out = vectors_mut::<S>(out);
            out[v] = acc[0];
            out[v + 1] = acc[1];
        }
    }
    out
}

/// The product of two vectors, below and from index `split` on.
#[inline(always)]
fn dot<S: Simd>(simd: S, l: &[Lane], t: &[Lane], split: usize) -> [Lane; 2] {
    let mut out = [ZERO; 2];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[simd.splat_f32s(0.0); 2]; 2];
        for (part, range) in [0..split, split..l.len()].into_iter().enumerate() {
            for (l, t) in l[range.clone()].iter().zip(&t[range]) {
                let (l, t) = (vectors::<S>(l), vectors::<S>(t));
                for k in 0..2 {
                    acc[part][k] = simd.mul_add_f32s(l[v + k], t[v + k], acc[part][k]);
                }
            }
        }
        for (out, acc) in out.iter_mut().zip(acc) {
            let out = vectors_mut::<S>(out);
            out[v] = acc[0];
            out[v + 1] = acc[1];
        }
    }
    out
}

/// Multiplies each lane by the power of two that brings its largest number between one and two.
#[inline(always)]
fn rescale(parts: impl Iterator<Item = std::ops::Range<usize>> + Clone, vector: &mut [Lane]) {
    let mut max = [0u32; LANES];
    for lane in parts.clone().flat_map(|range| range) {
        for i in 0..LANES {
            // Bits of non-negative numbers are ordered as the numbers.
            max[i] = max[i].max(vector[lane].0[i].to_bits() & 0x7fff_ffff);
        }
    }
    let scale = Lane(array::from_fn(|i| f32::from_bits((254 << 23) - (max[i] & 0x7f80_0000).min(253 << 23))));
    for lane in parts.flat_map(|range| range) {
        for i in 0..LANES {
            vector[lane].0[i] *= scale.0[i];
        }
    }
}
