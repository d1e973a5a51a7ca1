//! Backward sampling of a window in lanes, block by block from the first slice on, with the scores of the new
//! and the old states; and the decision between them.

use pulp::Simd;

use super::filter::{ONE, Room, TINY, ZERO, outside};
use super::ising::bond_start;
use super::lanes::{CubicLanes, WIDTH};
use super::window::{Block, Window};
use crate::lanes::{Lane, LaneRng, Word, minus, vectors, vectors_mut, words, words_mut};

/// Probabilities are multiples of this: the smallest step of single precision between one and two.
const STEP: f32 = 1.0 / (1 << 23) as f32;

/// The probability of a way through the window: a number and a much smaller one, times two to the `exponent`
/// less 127 a block.
struct Way {
    probability: [Lane<WIDTH>; 2],
    exponent: Word<WIDTH>,
}

/// New states for a window whose vectors have been made; 1 for the lanes that accept them.
#[inline(always)]
pub(super) fn draw<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    lanes: &mut CubicLanes,
    (window, blocks): (&Window, &[Block]),
    room: &mut Room,
    rng: &mut LaneRng<WIDTH>,
) -> [u32; WIDTH] {
    let area = window.section.area();
    let mut ways = [Way::new(), Way::new()];
    let mut change = [0.0f64; WIDTH];
    for z in 0..window.length {
        across::<S, K>(simd, room, z, area);
        let Room { vectors: stored, gauge, old, new, across, rest, sums, .. } = &mut *room;
        let ([new_rest, old_rest], [new_sums, old_sums]) = (rest, sums);
        let Some(new_rest) = new_rest.first_chunk_mut::<SIZE>() else { return [0; WIDTH] };
        let Some(old_rest) = old_rest.first_chunk_mut::<SIZE>() else { return [0; WIDTH] };
        let Some(new_sums) = new_sums.first_chunk_mut::<SIZE>() else { return [0; WIDTH] };
        let Some(old_sums) = old_sums.first_chunk_mut::<SIZE>() else { return [0; WIDTH] };
        let Some(vector) = stored[z * SIZE..].first_chunk::<SIZE>() else { return [0; WIDTH] };
        // States in the gauge.
        let mut states = [[ZERO; K]; 2];
        for b in 0..blocks.len() {
            if b > 0 {
                let (from, len) = ((b == 1).then_some(vector), 1 << (area - b * K));
                choose::<S, SIZE, K>(simd, from, &states[0], new_rest, len);
                choose::<S, SIZE, K>(simd, from, &states[1], old_rest, len);
            }
            let mut entries: [&[Lane<WIDTH>]; 2] = if b == 0 { [vector; 2] } else { [&*new_rest, &*old_rest] };
            for c in (b + 1..blocks.len()).rev() {
                let weights = [&across[0][c << K..][..1 << K], &across[1][c << K..][..1 << K]];
                let len = 1 << ((c - b) * K);
                let last = c + 1 == blocks.len();
                if b == 0 && last {
                    sum::<S, SIZE, K, true>(simd, Some([vector; 2]), weights, [new_sums, old_sums], len);
                } else {
                    let from = last.then_some([&*new_rest, &*old_rest]);
                    sum::<S, SIZE, K, false>(simd, from, weights, [new_sums, old_sums], len);
                }
            }
            if b + 1 < blocks.len() {
                entries = [&*new_sums, &*old_sums];
            }
            let first = z * area + b * K;
            for i in 0..K {
                for v in 0..WIDTH / S::F32_LANES {
                    let spin = simd.mul_f32s(vectors::<S>(&old[first + i])[v], vectors::<S>(&gauge[first + i])[v]);
                    vectors_mut::<S>(&mut states[1][i])[v] = spin;
                }
            }
            let weights = [&across[0][b << K..][..1 << K], &across[1][b << K..][..1 << K]];
            through::<S, K>(simd, &mut ways, entries, weights, &mut states, rng);
            for i in 0..K {
                for v in 0..WIDTH / S::F32_LANES {
                    let spin = simd.mul_f32s(vectors::<S>(&states[0][i])[v], vectors::<S>(&gauge[first + i])[v]);
                    vectors_mut::<S>(&mut new[first + i])[v] = spin;
                }
            }
        }
        if lanes.whole {
            add_whole::<S, K>(simd, lanes, (window, blocks), room, z, &mut change);
        } else {
            add_change::<K>(lanes, (window, blocks), room, z, &mut change);
        }
    }
    let CubicLanes { spins, beta: exact_beta, .. } = lanes;
    let Room { sites, old, new, .. } = room;
    let [fresh, kept] = &ways;
    let bits = rng.next(simd);
    let mut accepted = [0; WIDTH];
    for l in 0..WIDTH {
        let log_ratio = exact_beta[l] * change[l] + kept.log_over(fresh, l);
        let u = (f64::from(bits.0[l]) + 0.5) / 4_294_967_296.0;
        // e^x ≥ 1 + x: the exponential is almost never needed.
        accepted[l] = u32::from(u < 1.0 + log_ratio || u < log_ratio.exp());
    }
    let mut keep = ZERO;
    for l in 0..WIDTH {
        keep.0[l] = accepted[l] as f32 - 0.5;
    }
    for (k, &j) in sites.iter().enumerate() {
        for v in 0..WIDTH / S::F32_LANES {
            let is_new = simd.greater_than_f32s(vectors::<S>(&keep)[v], simd.splat_f32s(0.0));
            let spin = simd.select_f32s(is_new, vectors::<S>(&new[k])[v], vectors::<S>(&old[k])[v]);
            vectors_mut::<S>(&mut spins[j as usize])[v] = spin;
        }
    }
    accepted
}

impl Way {
    #[inline(always)]
    fn new() -> Self {
        Way { probability: [ONE, ZERO], exponent: Word([0; WIDTH]) }
    }

    /// Takes in the probabilities of a block, each 2⁻²³ at least, their product to some 48 digits in two
    /// numbers, and moves its exponent out.
    #[inline(always)]
    fn times<S: Simd, const K: usize>(&mut self, simd: S, scores: &[S::f32s; K], v: usize) {
        let [high, low] = &mut self.probability;
        let (high, low) = (&mut vectors_mut::<S>(high)[v], &mut vectors_mut::<S>(low)[v]);
        for &q in scores {
            let product = simd.mul_f32s(*high, q);
            let rest = simd.mul_add_f32s(*high, q, minus(simd, product));
            *low = simd.mul_add_f32s(*low, q, rest);
            *high = product;
        }
        let exponent = simd.and_u32s(simd.transmute_u32s_f32s(*high), simd.splat_u32s(0x7f80_0000));
        let scale = simd.transmute_f32s_u32s(simd.sub_u32s(simd.splat_u32s(254 << 23), exponent));
        (*high, *low) = (simd.mul_f32s(*high, scale), simd.mul_f32s(*low, scale));
        let sum = &mut words_mut::<S>(&mut self.exponent)[v];
        *sum = simd.add_u32s(*sum, simd.wrapping_dyn_shr_u32s(exponent, simd.splat_u32s(23)));
    }

    /// Natural logarithm of the ratio of the probabilities.
    #[inline(always)]
    fn log_over(&self, other: &Way, l: usize) -> f64 {
        let value = |way: &Way| f64::from(way.probability[0].0[l]) + f64::from(way.probability[1].0[l]);
        let exponent = f64::from(self.exponent.0[l]) - f64::from(other.exponent.0[l]);
        (value(self) / value(other)).ln() + exponent * std::f64::consts::LN_2
    }
}

/// The weights of the bonds of slice `z` to the one before, by the states of each block.
#[inline(always)]
fn across<S: Simd, const K: usize>(simd: S, room: &mut Room, z: usize, area: usize) {
    let Room { gauge, along, old, new, across, .. } = room;
    let (one, zero, tiny) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0), simd.splat_f32s(TINY));
    for (list, states) in across.iter_mut().zip([&*new, &*old]) {
        for (b, weights) in list.chunks_exact_mut(1 << K).enumerate().take(area / K) {
            for v in 0..WIDTH / S::F32_LANES {
                let mut w = [one; 16];
                for i in 0..K {
                    let k = z * area + b * K + i;
                    let different = vectors::<S>(&along[k])[v];
                    let before = k.saturating_sub(area);
                    let state = simd.mul_f32s(vectors::<S>(&states[before])[v], vectors::<S>(&gauge[before])[v]);
                    let was_up = simd.greater_than_f32s(state, zero);
                    let (down, up) =
                        (simd.select_f32s(was_up, different, one), simd.select_f32s(was_up, one, different));
                    for c in 0..1 << i {
                        w[c | 1 << i] = simd.mul_add_f32s(w[c], up, tiny);
                        w[c] = simd.mul_add_f32s(w[c], down, tiny);
                    }
                }
                for s in 0..1 << K {
                    vectors_mut::<S>(&mut weights[s])[v] = w[s];
                }
            }
        }
    }
}

/// The `len` entries of a vector in which its first block has the states given; in place where none is given
/// `from` which to take them.
#[inline(always)]
fn choose<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    from: Option<&[Lane<WIDTH>; SIZE]>,
    states: &[Lane<WIDTH>; K],
    out: &mut [Lane<WIDTH>; SIZE],
    len: usize,
) {
    let zero = simd.splat_f32s(0.0);
    for v in 0..WIDTH / S::F32_LANES {
        let mut up = [simd.greater_than_f32s(zero, zero); K];
        for i in 0..K {
            up[i] = simd.greater_than_f32s(vectors::<S>(&states[i])[v], zero);
        }
        for n in 0..len {
            let source = &from.unwrap_or(&*out)[n << K..][..1 << K];
            let mut x = [zero; 16];
            for s in 0..1 << K {
                x[s] = vectors::<S>(&source[s])[v];
            }
            for i in 0..K {
                for c in 0..1 << (K - 1 - i) {
                    x[c] = simd.select_f32s(up[i], x[2 * c + 1], x[2 * c]);
                }
            }
            vectors_mut::<S>(&mut out[n & (SIZE - 1)])[v] = x[0];
        }
    }
}

/// Sums of two vectors over the states of their last block with its weights, `len` each; in place where none
/// are given `from` which to start. `SAME` tells that it is one vector.
#[inline(always)]
fn sum<S: Simd, const SIZE: usize, const K: usize, const SAME: bool>(
    simd: S,
    from: Option<[&[Lane<WIDTH>; SIZE]; 2]>,
    weights: [&[Lane<WIDTH>]; 2],
    [new, old]: [&mut [Lane<WIDTH>; SIZE]; 2],
    len: usize,
) {
    // Sums side by side: they do not wait for each other.
    let many = if K > 1 { 4 } else { 2 };
    for v in 0..WIDTH / S::F32_LANES {
        for n in (0..len).step_by(many) {
            let mut sums = [[simd.splat_f32s(TINY); 4]; 2];
            let source = from.unwrap_or([&*new, &*old]);
            for s in 0..1 << K {
                let w = [vectors::<S>(&weights[0][s])[v], vectors::<S>(&weights[1][s])[v]];
                let parts = [&source[0][s * len + n..][..many], &source[1][s * len + n..][..many]];
                for m in 0..many {
                    let x = vectors::<S>(&parts[0][m])[v];
                    let y = if SAME { x } else { vectors::<S>(&parts[1][m])[v] };
                    sums[0][m] = simd.mul_add_f32s(w[0], x, sums[0][m]);
                    sums[1][m] = simd.mul_add_f32s(w[1], y, sums[1][m]);
                }
            }
            for m in 0..many {
                vectors_mut::<S>(&mut new[(n + m) & (SIZE - 1)])[v] = sums[0][m];
                vectors_mut::<S>(&mut old[(n + m) & (SIZE - 1)])[v] = sums[1][m];
            }
        }
    }
}

/// Adds the change of `Σ J s s + h s` of slice `z` and its bonds to those before, in single precision, where
/// that is exact.
#[inline(always)]
fn add_whole<S: Simd, const K: usize>(
    simd: S,
    lanes: &CubicLanes,
    (window, blocks): (&Window, &[Block]),
    room: &Room,
    z: usize,
    change: &mut [f64; WIDTH],
) {
    let CubicLanes { tables, bonds, .. } = lanes;
    let Room { sites, outer, old, new, .. } = room;
    let (area, before) = (window.section.area(), 2 * window.axis + 1);
    let mut sum = ZERO;
    for (p, place) in blocks.iter().flat_map(|block| &block.sites).enumerate() {
        let k = z * area + p;
        let j = sites[k] as usize;
        let neighbours = &tables.neighbours[j];
        for v in 0..WIDTH / S::F32_LANES {
            let outer = vectors::<S>(&outer[k])[v];
            let (mut of_new, mut of_old) = (outer, outer);
            for &(q, side) in &place.bonds {
                let (other, nth) = (z * area + q, side.neighbour(window.section));
                let coupling = bonds[nth / 2].f32s(simd, bond_start(nth, j, neighbours[nth]), v);
                of_new = simd.mul_add_f32s(coupling, vectors::<S>(&new[other])[v], of_new);
                of_old = simd.mul_add_f32s(coupling, vectors::<S>(&old[other])[v], of_old);
            }
            if z > 0 {
                let coupling = bonds[window.axis].f32s(simd, bond_start(before, j, neighbours[before]), v);
                of_new = simd.mul_add_f32s(coupling, vectors::<S>(&new[k - area])[v], of_new);
                of_old = simd.mul_add_f32s(coupling, vectors::<S>(&old[k - area])[v], of_old);
            }
            let sum = &mut vectors_mut::<S>(&mut sum)[v];
            *sum = simd.mul_add_f32s(vectors::<S>(&new[k])[v], of_new, *sum);
            *sum = simd.sub_f32s(*sum, simd.mul_f32s(vectors::<S>(&old[k])[v], of_old));
        }
    }
    for l in 0..WIDTH {
        change[l] += f64::from(sum.0[l]);
    }
}

/// The same in double precision.
#[inline(always)]
fn add_change<const K: usize>(
    lanes: &CubicLanes,
    (window, blocks): (&Window, &[Block]),
    room: &Room,
    z: usize,
    change: &mut [f64; WIDTH],
) {
    let CubicLanes { tables, bonds, field, spins, .. } = lanes;
    let Room { sites, old, new, .. } = room;
    let (area, before) = (window.section.area(), 2 * window.axis + 1);
    let mut factor = [0.0f32; WIDTH];
    for (p, place) in blocks.iter().flat_map(|block| &block.sites).enumerate() {
        let k = z * area + p;
        let j = sites[k] as usize;
        let neighbours = &tables.neighbours[j];
        let (s_new, s_old) = (&new[k].0, &old[k].0);
        let mut list = [0; 6];
        for &nth in outside(window, place, [z == 0, z + 1 == window.length], &mut list) {
            let t = &spins[neighbours[nth] as usize].0;
            for l in 0..WIDTH {
                factor[l] = (s_new[l] - s_old[l]) * t[l];
            }
            bonds[nth / 2].add_times(bond_start(nth, j, neighbours[nth]), &factor, change);
        }
        let within = place.bonds.iter().map(|&(q, side)| (z * area + q, side.neighbour(window.section)));
        let behind = (z > 0).then(|| (k - area, before));
        for (other, nth) in within.chain(behind) {
            let (t_new, t_old) = (&new[other].0, &old[other].0);
            for l in 0..WIDTH {
                factor[l] = s_new[l] * t_new[l] - s_old[l] * t_old[l];
            }
            bonds[nth / 2].add_times(bond_start(nth, j, neighbours[nth]), &factor, change);
        }
        if let Some(field) = field {
            for l in 0..WIDTH {
                factor[l] = s_new[l] - s_old[l];
            }
            field.add_times(j, &factor, change);
        }
    }
}

/// Goes through a block on two ways: the states of the first are drawn, those of the second given. `entries`
/// times `weights` are the weights of its states, everything that follows included.
///
/// The less likely state of a site has the probability `q`, a multiple of 2⁻²³, and is drawn where 23 random
/// bits are below it: what is drawn and what is scored are the same numbers.
#[inline(always)]
fn through<S: Simd, const K: usize>(
    simd: S,
    ways: &mut [Way; 2],
    entries: [&[Lane<WIDTH>]; 2],
    weights: [&[Lane<WIDTH>]; 2],
    spins: &mut [[Lane<WIDTH>; K]; 2],
    rng: &mut LaneRng<WIDTH>,
) {
    let mut bits = [Word([0; WIDTH]); K];
    for i in 0..K {
        bits[i] = rng.next(simd);
    }
    let [entries, weights] =
        [[&entries[0][..1 << K], &entries[1][..1 << K]], [&weights[0][..1 << K], &weights[1][..1 << K]]];
    for v in 0..WIDTH / S::F32_LANES {
        let mut node = Node { after: [[[simd.splat_f32s(0.0); 16]; K]; 2], sums: [simd.splat_f32s(0.0); 2] };
        for w in 0..2 {
            for s in 0..1 << K {
                let (entry, weight) = (vectors::<S>(&entries[w][s])[v], vectors::<S>(&weights[w][s])[v]);
                node.after[w][K - 1][s] = simd.mul_add_f32s(entry, weight, simd.splat_f32s(TINY));
            }
            for i in 1..K {
                let i = K - i;
                for c in 0..1 << i {
                    node.after[w][i - 1][c] = simd.add_f32s(node.after[w][i][c], node.after[w][i][c | 1 << i]);
                }
            }
            node.sums[w] = simd.add_f32s(node.after[w][0][0], node.after[w][0][1]);
        }
        let mut scores = [[simd.splat_f32s(1.0); K]; 2];
        site::<S, K, 0>(simd, &mut node, &bits, spins, &mut scores, v);
        if K > 1 {
            site::<S, K, 1>(simd, &mut node, &bits, spins, &mut scores, v);
        }
        if K > 2 {
            site::<S, K, 2>(simd, &mut node, &bits, spins, &mut scores, v);
        }
        if K > 3 {
            site::<S, K, 3>(simd, &mut node, &bits, spins, &mut scores, v);
        }
        for w in 0..2 {
            ways[w].times::<S, K>(simd, &scores[w], v);
        }
    }
}

/// Where the two ways through a block stand.
struct Node<S: Simd, const K: usize> {
    /// Sums by the states of the sites left: `after[i]` by those up to site `i`.
    after: [[[S::f32s; 16]; K]; 2],
    /// Over all of them.
    sums: [S::f32s; 2],
}

/// Goes through site `I` of a block.
#[inline(always)]
fn site<S: Simd, const K: usize, const I: usize>(
    simd: S,
    node: &mut Node<S, K>,
    bits: &[Word<WIDTH>; K],
    spins: &mut [[Lane<WIDTH>; K]; 2],
    scores: &mut [[S::f32s; K]; 2],
    v: usize,
) {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    // The two ways side by side: neither waits for its own results alone.
    for w in 0..2 {
        let (down, up) = (node.after[w][I][0], node.after[w][I][1]);
        let rare = simd.div_f32s(simd.min_f32s(down, up), node.sums[w]);
        // Rounds to a multiple of the step.
        let one_and_q = simd.max_f32s(simd.add_f32s(one, rare), simd.splat_f32s(1.0 + STEP));
        let down_is_rare = simd.greater_than_or_equal_f32s(up, down);
        let spin = &mut vectors_mut::<S>(&mut spins[w][I])[v];
        let (is_up, is_rare) = if w == 0 {
            let mantissa = simd.wrapping_dyn_shr_u32s(words::<S>(&bits[I])[v], simd.splat_u32s(9));
            let one_and_u = simd.or_u32s(mantissa, simd.splat_u32s(0x3f80_0000));
            let is_rare = simd.less_than_f32s(simd.transmute_f32s_u32s(one_and_u), one_and_q);
            let is_up = simd.xor_m32s(is_rare, down_is_rare);
            *spin = simd.select_f32s(is_up, one, minus(simd, one));
            (is_up, is_rare)
        } else {
            let is_up = simd.greater_than_f32s(*spin, zero);
            (is_up, simd.xor_m32s(is_up, down_is_rare))
        };
        let q = simd.sub_f32s(one_and_q, one);
        scores[w][I] = simd.select_f32s(is_rare, q, simd.sub_f32s(one, q));
        node.sums[w] = simd.select_f32s(is_up, up, down);
        for later in I + 1..K {
            for c in 0..1 << (later - I) {
                let (a, b) = (node.after[w][later][2 * c + 1], node.after[w][later][2 * c]);
                node.after[w][later][c] = simd.select_f32s(is_up, a, b);
            }
        }
    }
}
