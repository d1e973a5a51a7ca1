//! Backward sampling of a window in lanes, block by block from the first slice on, with the scores of the new
//! and the old states; and the decision between them.

use pulp::Simd;

use super::filter::{ONE, Room, TINY, ZERO, bond_weights, outside, weights_of};
use super::ising::bond_start;
use super::lanes::{CubicLanes, WIDTH};
use super::window::{Block, Window};
use crate::lanes::{Lane, LaneRng, Word, minus, vectors, vectors_mut, words, words_mut};

/// Probabilities are multiples of this: the smallest step of single precision between one and two.
const STEP: f32 = 1.0 / (1 << 23) as f32;

/// A way through the window and its probability.
struct Way {
    /// The states of the last sites, as index of a vector.
    frontier: Word<WIDTH>,
    /// Probability so far, a number and a much smaller one, times two to the `exponent` less 127 a block.
    probability: [Lane<WIDTH>; 2],
    exponent: Word<WIDTH>,
}

/// What both ways through a block have in common.
struct Common<const K: usize> {
    /// Weights of the bonds to the earlier sites of the block, between equal and different states.
    within: [[Option<[Lane<WIDTH>; 2]>; K]; K],
    beta: Lane<WIDTH>,
    /// The bit of the first site, and the number of bits.
    first: usize,
    area: usize,
}

/// New states for a window whose vectors have been made; 1 for the lanes that accept them.
#[inline(always)]
pub(super) fn draw<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    lanes: &mut CubicLanes,
    (window, blocks): (&Window, &[Block]),
    room: &mut Room,
    (beta, violated): (&Lane<WIDTH>, Option<&Lane<WIDTH>>),
    rng: &mut LaneRng<WIDTH>,
) -> [u32; WIDTH] {
    let CubicLanes { tables, bonds, field, spins, beta: exact_beta, whole, .. } = lanes;
    let Room { sites, vectors: stored, outer, old, new, shrinking, .. } = room;
    let shrinking = &mut shrinking[..];
    let area = window.section.area();
    let before = 2 * window.axis + 1;
    let mut ways = [Way::new(), Way::new()];
    let mut change = [0.0f64; WIDTH];
    let mut of_slice = ZERO;
    for n in 0..window.length * blocks.len() {
        let (z, block) = (n / blocks.len(), &blocks[n % blocks.len()]);
        let Some(vector) = stored[(n + 1) * SIZE..].first_chunk::<SIZE>() else { return [0; WIDTH] };
        let slice = z * area;
        // Fields of everything but the block, of the new and of the old states.
        let mut f = [[ZERO; K]; 2];
        let mut common = Common { within: [[None; K]; K], beta: *beta, first: block.first, area };
        for i in 0..K {
            let (place, k) = (&block.sites[i], n * K + i);
            let j = sites[k] as usize;
            let neighbours = &tables.neighbours[j];
            for v in 0..WIDTH / S::F32_LANES {
                let outer = vectors::<S>(&outer[k])[v];
                let (mut of_new, mut of_old) = (outer, outer);
                for &(q, side) in &place.earlier {
                    let nth = side.neighbour(window.section);
                    let coupling = bonds[nth / 2].f32s(simd, bond_start(nth, j, neighbours[nth]), v);
                    of_new = simd.mul_add_f32s(coupling, vectors::<S>(&new[slice + q])[v], of_new);
                    of_old = simd.mul_add_f32s(coupling, vectors::<S>(&old[slice + q])[v], of_old);
                }
                if z > 0 {
                    let coupling = bonds[window.axis].f32s(simd, bond_start(before, j, neighbours[before]), v);
                    of_new = simd.mul_add_f32s(coupling, vectors::<S>(&new[k - area])[v], of_new);
                    of_old = simd.mul_add_f32s(coupling, vectors::<S>(&old[k - area])[v], of_old);
                }
                vectors_mut::<S>(&mut f[0][i])[v] = of_new;
                vectors_mut::<S>(&mut f[1][i])[v] = of_old;
            }
            for &(t, side) in &place.within {
                let nth = side.neighbour(window.section);
                let mut both = [ONE; 2];
                for v in 0..WIDTH / S::F32_LANES {
                    let coupling = bonds[nth / 2].f32s(simd, bond_start(nth, j, neighbours[nth]), v);
                    let k = simd.mul_f32s(vectors::<S>(beta)[v], coupling);
                    let (equal, different) = weights_of(simd, k, violated, v);
                    vectors_mut::<S>(&mut both[0])[v] = equal;
                    vectors_mut::<S>(&mut both[1])[v] = different;
                }
                common.within[i][t] = Some(both);
            }
        }
        // The states.
        let mut both = [[ZERO; K]; 2];
        for i in 0..K {
            both[1][i] = old[n * K + i];
        }
        through::<S, SIZE, K>(simd, &mut ways, vector, &common, &f, &mut both, shrinking, rng);
        let [s_new, s_old] = &both;
        for i in 0..K {
            new[n * K + i] = s_new[i];
        }
        // The change of Σ J s s + h s.
        for i in 0..K {
            let (place, k) = (&block.sites[i], n * K + i);
            if *whole {
                let j = sites[k] as usize;
                let neighbours = &tables.neighbours[j];
                for v in 0..WIDTH / S::F32_LANES {
                    let (mut of_new, mut of_old) = (vectors::<S>(&f[0][i])[v], vectors::<S>(&f[1][i])[v]);
                    for &(t, side) in &place.within {
                        let nth = side.neighbour(window.section);
                        let coupling = bonds[nth / 2].f32s(simd, bond_start(nth, j, neighbours[nth]), v);
                        of_new = simd.mul_add_f32s(coupling, vectors::<S>(&s_new[t])[v], of_new);
                        of_old = simd.mul_add_f32s(coupling, vectors::<S>(&s_old[t])[v], of_old);
                    }
                    let sum = &mut vectors_mut::<S>(&mut of_slice)[v];
                    *sum = simd.mul_add_f32s(vectors::<S>(&s_new[i])[v], of_new, *sum);
                    *sum = simd.sub_f32s(*sum, simd.mul_f32s(vectors::<S>(&s_old[i])[v], of_old));
                }
                continue;
            }
            let j = sites[k] as usize;
            let neighbours = &tables.neighbours[j];
            let mut factor = [0.0f32; WIDTH];
            let mut list = [0; 6];
            for &nth in outside(window, place, [z == 0, z + 1 == window.length], &mut list) {
                let t = &spins[neighbours[nth] as usize].0;
                for l in 0..WIDTH {
                    factor[l] = (s_new[i].0[l] - s_old[i].0[l]) * t[l];
                }
                bonds[nth / 2].add_times(bond_start(nth, j, neighbours[nth]), &factor, &mut change);
            }
            let mut inside = [(0usize, 0usize); 5];
            let mut count = 0;
            for &(q, side) in &place.earlier {
                inside[count] = (slice + q, side.neighbour(window.section));
                count += 1;
            }
            for &(t, side) in &place.within {
                inside[count] = (n * K + t, side.neighbour(window.section));
                count += 1;
            }
            if z > 0 {
                inside[count] = (k - area, before);
                count += 1;
            }
            for &(other, nth) in &inside[..count] {
                let (t_new, t_old) = (&new[other].0, &old[other].0);
                for l in 0..WIDTH {
                    factor[l] = s_new[i].0[l] * t_new[l] - s_old[i].0[l] * t_old[l];
                }
                bonds[nth / 2].add_times(bond_start(nth, j, neighbours[nth]), &factor, &mut change);
            }
            if let Some(field) = field {
                for l in 0..WIDTH {
                    factor[l] = s_new[i].0[l] - s_old[i].0[l];
                }
                field.add_times(j, &factor, &mut change);
            }
        }
        if *whole && (n + 1).is_multiple_of(blocks.len()) {
            for l in 0..WIDTH {
                change[l] += f64::from(of_slice.0[l]);
            }
            of_slice = ZERO;
        }
    }
    let [fresh, kept] = &ways;
    let bits = rng.next(simd);
    let mut accepted = [0; WIDTH];
    for l in 0..WIDTH {
        let log_ratio = exact_beta[l] * change[l] + kept.log_over(fresh, l);
        let u = (f64::from(bits.0[l]) + 0.5) / 4_294_967_296.0;
        // e^x ≥ 1 + x: the exponential is almost never needed.
        accepted[l] = u32::from(u < 1.0 + log_ratio || u < log_ratio.exp());
    }
    for (k, &j) in sites.iter().enumerate() {
        let spin = &mut spins[j as usize].0;
        for l in 0..WIDTH {
            spin[l] = if accepted[l] == 1 { new[k].0[l] } else { old[k].0[l] };
        }
    }
    accepted
}

impl Way {
    #[inline(always)]
    fn new() -> Self {
        Way { frontier: Word([0; WIDTH]), probability: [ONE, ZERO], exponent: Word([0; WIDTH]) }
    }

    /// Takes in the probabilities of a block, each 2⁻²³ at least, all digits of their product in two numbers,
    /// and moves its exponent out.
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

/// Goes through a block on two ways: the states of the first are drawn, those of the second given. `f` are
/// the fields of its sites without the bonds within the block, in nats, `vector` is `R` after it.
///
/// The less likely state of a site has the probability `q`, a multiple of 2⁻²³, and is drawn where 23 random
/// bits are below it: what is drawn and what is scored are the same numbers.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "one step of one loop")]
fn through<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    ways: &mut [Way; 2],
    vector: &[Lane<WIDTH>; SIZE],
    common: &Common<K>,
    f: &[[Lane<WIDTH>; K]; 2],
    spins: &mut [[Lane<WIDTH>; K]; 2],
    shrinking: &mut [Lane<WIDTH>],
    rng: &mut LaneRng<WIDTH>,
) {
    let mut bits = [Word([0; WIDTH]); K];
    for i in 0..K {
        bits[i] = rng.next(simd);
    }
    let (zero, one, two) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0), simd.splat_f32s(2.0));
    let (tiny, step) = (simd.splat_f32s(TINY), simd.splat_f32s(STEP));
    for v in 0..WIDTH / S::F32_LANES {
        // R by the states of the block: after[i] by those of sites 0..=i.
        let mut after = [[[zero; 16]; K]; 2];
        let mut alone = [[(zero, zero); K]; 2];
        let mut scores = [[one; K]; 2];
        let beta = vectors::<S>(&common.beta)[v];
        let frontiers = [words::<S>(&ways[0].frontier)[v], words::<S>(&ways[1].frontier)[v]];
        entries::<S, SIZE, K>(simd, v, vector, frontiers, (common.first, common.area), shrinking, &mut after);
        for w in 0..2 {
            for i in 0..K {
                let (up, down) = bond_weights(simd, simd.mul_f32s(beta, vectors::<S>(&f[w][i])[v]));
                alone[w][i] = (down, up);
            }
            for i in (1..K).rev() {
                for c in 0..1 << i {
                    let (mut down, mut up) = alone[w][i];
                    for t in 0..i {
                        if let Some([equal, different]) = &common.within[i][t] {
                            let (equal, different) = (vectors::<S>(equal)[v], vectors::<S>(different)[v]);
                            let t_up = c >> t & 1 == 1;
                            down = simd.mul_f32s(down, if t_up { different } else { equal });
                            up = simd.mul_f32s(up, if t_up { equal } else { different });
                        }
                    }
                    let of_up = simd.mul_f32s(up, after[w][i][c | 1 << i]);
                    after[w][i - 1][c] = simd.mul_add_f32s(down, after[w][i][c], of_up);
                }
            }
        }
        for i in 0..K {
            // The two ways side by side: neither waits for its own results alone.
            for w in 0..2 {
                let (mut down, mut up) = alone[w][i];
                for t in 0..i {
                    if let Some([equal, different]) = &common.within[i][t] {
                        let (equal, different) = (vectors::<S>(equal)[v], vectors::<S>(different)[v]);
                        let t_up = simd.greater_than_f32s(vectors::<S>(&spins[w][t])[v], zero);
                        down = simd.mul_f32s(down, simd.select_f32s(t_up, different, equal));
                        up = simd.mul_f32s(up, simd.select_f32s(t_up, equal, different));
                    }
                }
                let down = simd.mul_add_f32s(down, after[w][i][0], tiny);
                let up = simd.mul_add_f32s(up, after[w][i][1], tiny);
                let sum = simd.add_f32s(down, up);
                let rare = simd.mul_f32s(simd.min_f32s(down, up), reciprocal(simd, sum, two));
                // Rounds to a multiple of the step.
                let q = simd.max_f32s(simd.sub_f32s(simd.add_f32s(one, rare), one), step);
                let up_is_rare = simd.less_than_f32s(up, down);
                let rare_spin = simd.select_f32s(up_is_rare, one, simd.splat_f32s(-1.0));
                let spin = &mut vectors_mut::<S>(&mut spins[w][i])[v];
                if w == 0 {
                    let mantissa = simd.wrapping_dyn_shr_u32s(words::<S>(&bits[i])[v], simd.splat_u32s(9));
                    let mantissa = simd.or_u32s(mantissa, simd.splat_u32s(0x3f80_0000));
                    let u = simd.sub_f32s(simd.transmute_f32s_u32s(mantissa), one);
                    *spin = simd.select_f32s(simd.less_than_f32s(u, q), rare_spin, minus(simd, rare_spin));
                }
                let is_rare = simd.greater_than_f32s(simd.mul_f32s(*spin, rare_spin), zero);
                scores[w][i] = simd.select_f32s(is_rare, q, simd.sub_f32s(one, q));
                let is_up = simd.greater_than_f32s(*spin, zero);
                let bit = simd.splat_u32s(1 << (common.first + i));
                let frontier = &mut words_mut::<S>(&mut ways[w].frontier)[v];
                let cleared = simd.and_u32s(*frontier, simd.not_u32s(bit));
                *frontier = simd.select_u32s(is_up, simd.or_u32s(cleared, bit), cleared);
                for later in i + 1..K {
                    for c in 0..1 << (later - i) {
                        let (a, b) = (after[w][later][2 * c + 1], after[w][later][2 * c]);
                        after[w][later][c] = simd.select_f32s(is_up, a, b);
                    }
                }
            }
        }
        for w in 0..2 {
            ways[w].times::<S, K>(simd, &scores[w], v);
        }
    }
}

/// `1/x` for `10⁻³⁷ < x < 10³⁷`, relative error 2·10⁻⁷: three Newton steps. (A division takes as long as
/// eight of its operations.)
#[inline(always)]
fn reciprocal<S: Simd>(simd: S, x: S::f32s, two: S::f32s) -> S::f32s {
    let guess = simd.sub_u32s(simd.splat_u32s(0x7ef3_11c7), simd.transmute_u32s_f32s(x));
    let (mut y, minus_x) = (simd.transmute_f32s_u32s(guess), minus(simd, x));
    for _ in 0..3 {
        y = simd.mul_f32s(y, simd.mul_add_f32s(minus_x, y, two));
    }
    y
}

/// The `2^K` entries of a vector that differ in the bits from `first` on, the others as the frontiers have
/// them, into the last arrays of `out`: each two of those bits leave a quarter of the vector.
#[inline(always)]
fn entries<S: Simd, const SIZE: usize, const K: usize>(
    simd: S,
    v: usize,
    vector: &[Lane<WIDTH>; SIZE],
    frontiers: [S::u32s; 2],
    (first, area): (usize, usize),
    shrinking: &mut [Lane<WIDTH>],
    out: &mut [[[S::f32s; 16]; K]; 2],
) {
    if K == area {
        for s in 0..1 << K {
            let entry = vectors::<S>(&vector[s & (SIZE - 1)])[v];
            (out[0][K - 1][s], out[1][K - 1][s]) = (entry, entry);
        }
        return;
    }
    let (mine, others) = shrinking.split_at_mut(SIZE);
    let (Some(mine), Some(others)) = (mine.first_chunk_mut::<SIZE>(), others.first_chunk_mut::<SIZE>()) else { return };
    // The highest bits first: `high` is removed, and the one below it, if that is to go too.
    let mut length = 1 << area;
    let mut bit = area;
    while bit > 0 {
        bit -= 1;
        if bit >= first && bit < first + K {
            continue;
        }
        let pair = bit > 0 && !(bit > first && bit <= first + K);
        let low = if pair { bit - 1 } else { bit };
        let whole = length == 1 << area;
        if pair {
            length /= 4;
            let masks = [bit_is_down(simd, frontiers[0], bit), bit_is_down(simd, frontiers[0], low)];
            let other_masks = [bit_is_down(simd, frontiers[1], bit), bit_is_down(simd, frontiers[1], low)];
            let stride = 1 << low;
            for high in (0..length).step_by(stride) {
                for n in high..high + stride {
                    let at = 3 * high + n;
                    let (x, y) = if whole {
                        let x = four::<S, SIZE>(vector, at, stride, v);
                        (x, x)
                    } else {
                        (four::<S, SIZE>(mine, at, stride, v), four::<S, SIZE>(others, at, stride, v))
                    };
                    vectors_mut::<S>(&mut mine[n & (SIZE - 1)])[v] = one_of_four(simd, masks, x);
                    vectors_mut::<S>(&mut others[n & (SIZE - 1)])[v] = one_of_four(simd, other_masks, y);
                }
            }
            bit = low;
        } else {
            length /= 2;
            let (mask, other_mask) = (bit_is_down(simd, frontiers[0], bit), bit_is_down(simd, frontiers[1], bit));
            for n in 0..length {
                let down = (n >> bit << (bit + 1) | n & ((1 << bit) - 1)) & (SIZE - 1);
                let up = (down | 1 << bit) & (SIZE - 1);
                let (x, y) = if whole { (vector, vector) } else { (&*mine, &*others) };
                let (a, b) = (vectors::<S>(&x[down])[v], vectors::<S>(&x[up])[v]);
                let (c, d) = (vectors::<S>(&y[down])[v], vectors::<S>(&y[up])[v]);
                vectors_mut::<S>(&mut mine[n & (SIZE - 1)])[v] = simd.select_f32s(mask, a, b);
                vectors_mut::<S>(&mut others[n & (SIZE - 1)])[v] = simd.select_f32s(other_mask, c, d);
            }
        }
    }
    for s in 0..1 << K {
        out[0][K - 1][s] = vectors::<S>(&mine[s & (SIZE - 1)])[v];
        out[1][K - 1][s] = vectors::<S>(&others[s & (SIZE - 1)])[v];
    }
}

#[inline(always)]
fn bit_is_down<S: Simd>(simd: S, frontier: S::u32s, bit: usize) -> S::m32s {
    simd.equal_u32s(simd.and_u32s(frontier, simd.splat_u32s(1 << bit)), simd.splat_u32s(0))
}

/// Entries `at`, and one, two and three strides further.
#[inline(always)]
fn four<S: Simd, const SIZE: usize>(vector: &[Lane<WIDTH>; SIZE], at: usize, stride: usize, v: usize) -> [S::f32s; 4] {
    [
        vectors::<S>(&vector[at & (SIZE - 1)])[v],
        vectors::<S>(&vector[(at + stride) & (SIZE - 1)])[v],
        vectors::<S>(&vector[(at + 2 * stride) & (SIZE - 1)])[v],
        vectors::<S>(&vector[(at + 3 * stride) & (SIZE - 1)])[v],
    ]
}

/// By two bits, the upper and the lower one.
#[inline(always)]
fn one_of_four<S: Simd>(simd: S, [upper, lower]: [S::m32s; 2], [a, b, c, d]: [S::f32s; 4]) -> S::f32s {
    simd.select_f32s(upper, simd.select_f32s(lower, a, b), simd.select_f32s(lower, c, d))
}
