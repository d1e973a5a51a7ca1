//! Forward filtering of a window in lanes: the weights of everything that follows, block by block from the
//! end.

use pulp::Simd;

use super::ising::bond_start;
use super::lanes::{CubicLanes, WIDTH};
use super::window::{Block, Place, WIDEST, Window};
use crate::lanes::{Lane, exp, minus_abs, vectors, vectors_mut};

pub(super) const ZERO: Lane<WIDTH> = Lane([0.0; WIDTH]);
pub(super) const ONE: Lane<WIDTH> = Lane([1.0; WIDTH]);

/// Below the largest entry of a vector nothing as small as this counts.
pub(super) const TINY: f32 = 1e-36;

/// Buffers of a redraw.
#[derive(Default)]
pub(super) struct Room {
    /// The sites of the window, slice after slice.
    pub sites: Vec<u32>,
    /// `R` before each block and after the last one.
    pub vectors: Vec<Lane<WIDTH>>,
    /// `h` with all neighbours outside, by site.
    pub outer: Vec<Lane<WIDTH>>,
    /// States by site, before and after.
    pub old: Vec<Lane<WIDTH>>,
    pub new: Vec<Lane<WIDTH>>,
    /// Weights of the sites of a block, each `[2^i][4]` by the states of the earlier neighbours, of the `i`
    /// sites before it in the block; then by its state in the slice before, times two, and its own.
    weights: Vec<Lane<WIDTH>>,
    /// The same before the bond to the slice before, by own state.
    before: Vec<[Lane<WIDTH>; 2]>,
    /// Two vectors that shrink, of the new and the old states.
    pub shrinking: Vec<Lane<WIDTH>>,
    /// Whether the vectors are spoilt after they have been made.
    #[cfg(test)]
    pub distorted: bool,
}

/// [`bond_weights`] where all bonds have the same strength, of which `violated` is the smaller weight.
#[inline(always)]
pub(super) fn weights_of<S: Simd>(simd: S, k: S::f32s, violated: Option<&Lane<WIDTH>>, v: usize) -> (S::f32s, S::f32s) {
    let Some(violated) = violated else { return bond_weights(simd, k) };
    let (one, violated) = (simd.splat_f32s(1.0), vectors::<S>(violated)[v]);
    let anti = simd.less_than_f32s(k, simd.splat_f32s(0.0));
    (simd.select_f32s(anti, violated, one), simd.select_f32s(anti, one, violated))
}

/// Weights of a bond of `k = βJ` between equal and between different states: the larger is one.
#[inline(always)]
pub(super) fn bond_weights<S: Simd>(simd: S, k: S::f32s) -> (S::f32s, S::f32s) {
    let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
    let violated = exp(simd, minus_abs(simd, simd.add_f32s(k, k)));
    let anti = simd.less_than_f32s(k, zero);
    (simd.select_f32s(anti, violated, one), simd.select_f32s(anti, one, violated))
}

/// Places among its neighbours of those of a site that are not in the window; `ends` tells whether the slice
/// is the first and the last.
#[inline(always)]
pub(super) fn outside<'a>(window: &Window, place: &Place, ends: [bool; 2], list: &'a mut [usize; 6]) -> &'a [usize] {
    let mut count = 0;
    for side in &place.outside {
        list[count] = side.neighbour(window.section);
        count += 1;
    }
    for (end, n) in ends.into_iter().zip([2 * window.axis + 1, 2 * window.axis]) {
        if end {
            list[count] = n;
            count += 1;
        }
    }
    &list[..count]
}

/// All `R` of a window, `SIZE` entries from one to the next, blocks of `K` sites; `period` sites lie between
/// two rescalings.
#[inline(always)]
pub(super) fn filter<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    lanes: &CubicLanes,
    (window, blocks): (&Window, &[Block]),
    room: &mut Room,
    (beta, violated): (&Lane<WIDTH>, Option<&Lane<WIDTH>>),
    period: usize,
) {
    let mut scale = ONE;
    let mut until_rescaling = period;
    let slices = window.length;
    for n in (0..slices * blocks.len()).rev() {
        let (z, block) = (n / blocks.len(), &blocks[n % blocks.len()]);
        let mut starts = [0usize; K];
        let mut end = 0;
        for i in 0..K {
            starts[i] = end;
            end += 4 << (i + block.sites[i].earlier.len());
            room.weights.resize(room.weights.len().max(end), ZERO);
            let ends = [z == 0, z + 1 == slices];
            site_weights(simd, lanes, window, &block.sites[i], (n * K + i, i), ends, room, starts[i], (beta, violated));
        }
        if n + 1 < slices * blocks.len() && until_rescaling == period {
            for w in &mut room.weights[..4 << block.sites[0].earlier.len()] {
                for v in 0..WIDTH / S::F32_LANES {
                    let w = &mut vectors_mut::<S>(w)[v];
                    *w = simd.mul_f32s(*w, vectors::<S>(&scale)[v]);
                }
            }
        }
        let (to, from) = room.vectors[n * SIZE..(n + 2) * SIZE].split_at_mut(SIZE);
        let (Some(to), Some(from)) = (to.first_chunk_mut::<SIZE>(), from.first_chunk::<SIZE>()) else { continue };
        transfer::<S, SIZE, K>(simd, block, &room.weights, starts, from, to);
        if until_rescaling <= K {
            until_rescaling = period;
            scale = power_of_two(simd, &to[..1 << window.section.area()]);
        } else {
            until_rescaling -= K;
            scale = ONE;
        }
    }
}

/// The weights of site `k` of the window, site `i` of its block, from `start` on.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "one step of one loop")]
fn site_weights<S: Simd>(
    simd: S,
    lanes: &CubicLanes,
    window: &Window,
    place: &Place,
    (k, i): (usize, usize),
    ends: [bool; 2],
    room: &mut Room,
    start: usize,
    (beta, violated): (&Lane<WIDTH>, Option<&Lane<WIDTH>>),
) {
    let CubicLanes { tables, bonds, field, spins, .. } = lanes;
    let j = room.sites[k] as usize;
    let neighbours = &tables.neighbours[j];
    let mut list = [0; 6];
    let out = outside(window, place, ends, &mut list);
    let count = 1 << (i + place.earlier.len());
    let (outer, before) = (&mut room.outer[k], &mut room.before[..count]);
    let weights = &mut room.weights[start..start + 4 * count];
    for v in 0..WIDTH / S::F32_LANES {
        let beta = vectors::<S>(beta)[v];
        let mut f = match field {
            Some(field) => field.f32s(simd, j, v),
            None => simd.splat_f32s(0.0),
        };
        for &n in out {
            let coupling = bonds[n / 2].f32s(simd, bond_start(n, j, neighbours[n]), v);
            f = simd.mul_add_f32s(coupling, vectors::<S>(&spins[neighbours[n] as usize])[v], f);
        }
        vectors_mut::<S>(outer)[v] = f;
        let (up, down) = bond_weights(simd, simd.mul_f32s(beta, f));
        vectors_mut::<S>(&mut before[0][0])[v] = down;
        vectors_mut::<S>(&mut before[0][1])[v] = up;
        // The states on which they depend, one after the other: those of the block, then the earlier ones.
        let mut known = 1;
        for bit in 0..i + place.earlier.len() {
            let mut side = None;
            if bit >= i {
                side = Some(place.earlier[bit - i].1);
            } else {
                for &(t, of_block) in &place.within {
                    if t == bit {
                        side = Some(of_block);
                    }
                }
            }
            let (mut equal, mut different) = (simd.splat_f32s(1.0), simd.splat_f32s(1.0));
            if let Some(side) = side {
                let n = side.neighbour(window.section);
                let coupling = bonds[n / 2].f32s(simd, bond_start(n, j, neighbours[n]), v);
                (equal, different) = weights_of(simd, simd.mul_f32s(beta, coupling), violated, v);
            }
            for c in 0..known {
                let (down, up) = (vectors::<S>(&before[c][0])[v], vectors::<S>(&before[c][1])[v]);
                vectors_mut::<S>(&mut before[c][0])[v] = simd.mul_f32s(down, equal);
                vectors_mut::<S>(&mut before[c][1])[v] = simd.mul_f32s(up, different);
                vectors_mut::<S>(&mut before[c + known][0])[v] = simd.mul_f32s(down, different);
                vectors_mut::<S>(&mut before[c + known][1])[v] = simd.mul_f32s(up, equal);
            }
            known *= 2;
        }
        let (mut equal, mut different) = (simd.splat_f32s(1.0), simd.splat_f32s(1.0));
        if !ends[0] {
            let n = 2 * window.axis + 1;
            let coupling = bonds[window.axis].f32s(simd, bond_start(n, j, neighbours[n]), v);
            (equal, different) = weights_of(simd, simd.mul_f32s(beta, coupling), violated, v);
        }
        for c in 0..count {
            let (down, up) = (vectors::<S>(&before[c][0])[v], vectors::<S>(&before[c][1])[v]);
            vectors_mut::<S>(&mut weights[4 * c])[v] = simd.mul_f32s(down, equal);
            vectors_mut::<S>(&mut weights[4 * c + 1])[v] = simd.mul_f32s(up, different);
            vectors_mut::<S>(&mut weights[4 * c + 2])[v] = simd.mul_f32s(down, different);
            vectors_mut::<S>(&mut weights[4 * c + 3])[v] = simd.mul_f32s(up, equal);
        }
    }
}

/// Takes the sites of a block into the vector, the last one first; the states of a block stay in registers.
///
/// Entries are reached by slices: indices put together from bits are vectorised by the compiler, and then
/// taken out of their vectors one by one (half of the time of a 4 × 2 rod).
#[inline(always)]
fn transfer<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    block: &Block,
    weights: &[Lane<WIDTH>],
    starts: [usize; K],
    from: &[Lane<WIDTH>; SIZE],
    to: &mut [Lane<WIDTH>; SIZE],
) {
    let mut x = [simd.splat_f32s(0.0); 16];
    if block.first == 0 {
        for (g, (_, states)) in block.outer.iter().enumerate() {
            let (from, to) = (&from[g << K..][..1 << K], &mut to[g << K..][..1 << K]);
            for v in 0..WIDTH / S::F32_LANES {
                for s in 0..1 << K {
                    x[s] = vectors::<S>(&from[s])[v];
                }
                take_in::<S, K>(simd, &mut x, weights, starts, states, v);
                for s in 0..1 << K {
                    vectors_mut::<S>(&mut to[s])[v] = x[s];
                }
            }
        }
        return;
    }
    let stride = 1 << block.first;
    for high in 0..block.outer.len() / stride {
        let (mut from, mut to) = (&from[(high * stride) << K..], &mut to[(high * stride) << K..]);
        let mut rows: [(&[Lane<WIDTH>], &mut [Lane<WIDTH>]); 16] = Default::default();
        for s in 0..1 << K {
            let (of_from, of_to) = (from.split_at(stride), to.split_at_mut(stride));
            rows[s] = (of_from.0, of_to.0);
            (from, to) = (of_from.1, of_to.1);
        }
        for (low, (_, states)) in block.outer[high * stride..][..stride].iter().enumerate() {
            for v in 0..WIDTH / S::F32_LANES {
                for s in 0..1 << K {
                    x[s] = vectors::<S>(&rows[s].0[low])[v];
                }
                take_in::<S, K>(simd, &mut x, weights, starts, states, v);
                for s in 0..1 << K {
                    vectors_mut::<S>(&mut rows[s].1[low])[v] = x[s];
                }
            }
        }
    }
}

/// Of one group of entries.
#[inline(always)]
fn take_in<S: Simd, const K: usize>(
    simd: S,
    x: &mut [S::f32s; 16],
    weights: &[Lane<WIDTH>],
    starts: [usize; K],
    states: &[u8; WIDEST],
    v: usize,
) {
    for i in (0..K).rev() {
        let w = &weights[starts[i] + (4 << i) * states[i] as usize..][..4 << i];
        for c in 0..1 << i {
            let (w0, w1) = (vectors::<S>(&w[4 * c])[v], vectors::<S>(&w[4 * c + 1])[v]);
            let (w2, w3) = (vectors::<S>(&w[4 * c + 2])[v], vectors::<S>(&w[4 * c + 3])[v]);
            for later in 0..1 << (K - 1 - i) {
                let down = c | later << (i + 1);
                let up = down | 1 << i;
                let (a, b) = (x[down], x[up]);
                x[down] = simd.mul_add_f32s(w0, a, simd.mul_f32s(w1, b));
                x[up] = simd.mul_add_f32s(w2, a, simd.mul_f32s(w3, b));
            }
        }
    }
}

/// In each lane the power of two that brings the largest entry between one and two.
#[inline(always)]
fn power_of_two<S: Simd>(simd: S, vector: &[Lane<WIDTH>]) -> Lane<WIDTH> {
    let mut scale = ONE;
    for v in 0..WIDTH / S::F32_LANES {
        let mut max = [simd.splat_f32s(TINY); 2];
        for pair in vector.chunks_exact(2) {
            max[0] = simd.max_f32s(max[0], vectors::<S>(&pair[0])[v]);
            max[1] = simd.max_f32s(max[1], vectors::<S>(&pair[1])[v]);
        }
        let bits = simd.transmute_u32s_f32s(simd.max_f32s(max[0], max[1]));
        let exponent = simd.and_u32s(bits, simd.splat_u32s(0x7f80_0000));
        let bits = simd.sub_u32s(simd.splat_u32s(254 << 23), exponent);
        vectors_mut::<S>(&mut scale)[v] = simd.transmute_f32s_u32s(bits);
    }
    scale
}

impl Room {
    /// Room for a window of `blocks` blocks, vectors of `2^area` entries, `size` from one to the next.
    pub(super) fn prepare(&mut self, blocks: usize, size: usize, area: usize) {
        let sites = self.sites.len();
        // Rods of several sections take turns: what has been larger stays so.
        for (list, len) in [
            (&mut self.vectors, (blocks + 1) * size),
            (&mut self.outer, sites),
            (&mut self.new, sites),
            (&mut self.shrinking, 2 * size),
        ] {
            if list.len() < len {
                list.resize(len, ZERO);
            }
        }
        self.vectors[blocks * size..][..1 << area].fill(ONE);
        // Three sites of the block and four earlier ones at most.
        self.before.resize(1 << 7, [ZERO; 2]);
    }
}

#[cfg(test)]
impl Room {
    pub(super) fn distort(&mut self) {
        if self.distorted {
            for (i, entry) in self.vectors.iter_mut().enumerate() {
                (0..WIDTH).for_each(|l| entry.0[l] *= 1.0 + ((7 * i + 3 * l) % 5) as f32 / 5.0);
            }
        }
    }
}
