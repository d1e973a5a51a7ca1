//! Random numbers and choices in lanes.
//!
//! A conditional law is rounded to multiples of 2⁻³²: every symbol but the likeliest has the integer
//! threshold `t = max(⌊2³² p⌋, FLOOR)` if it is allowed, zero else, and the likeliest has the rest. The draw
//! compares 32 random bits with the thresholds, and the score multiplies the same integers, so that `q` is
//! normalised exactly.

use pulp::Simd;

use super::shares::{self, choose};
use crate::lanes::{LANES, Lane, LaneRng, Word, shift, vectors, words, words_mut};

/// Least threshold of an allowed symbol: `5·2⁻³² ≈ 1.2e-9`, the first above 1e-9.
const FLOOR: u32 = 5;

const UNIT: f64 = 4_294_967_296.0;

/// `⌊2³² p⌉` for `0 ≤ p ≤ ½`, in two halves: adding 2²³ leaves an integer in the last bits.
#[inline(always)]
fn threshold<S: Simd>(simd: S, p: S::f32s) -> S::u32s {
    let magic = simd.splat_f32s(8_388_608.0);
    let high = simd.mul_add_f32s(p, simd.splat_f32s(65536.0), magic);
    let rounded = simd.mul_f32s(simd.sub_f32s(high, magic), simd.splat_f32s(1.0 / 65536.0));
    let low = simd.mul_add_f32s(simd.sub_f32s(p, rounded), simd.splat_f32s(UNIT as f32), simd.splat_f32s(12_582_912.0));
    let high = shift(simd, simd.transmute_u32s_f32s(high), 16);
    simd.add_u32s(high, simd.sub_u32s(simd.transmute_u32s_f32s(low), simd.splat_u32s(0x4b40_0000)))
}

/// Product of thresholds in each lane, exponents apart.
#[derive(Clone)]
pub(crate) struct LaneProduct<const N: usize = LANES> {
    mantissa: [f64; N],
    exponent: [i64; N],
    pending: usize,
    factors: usize,
}

impl<const N: usize> LaneProduct<N> {
    pub(crate) fn new() -> Self {
        LaneProduct { mantissa: [1.0; N], exponent: [0; N], pending: 0, factors: 0 }
    }

    #[inline(always)]
    fn multiply(&mut self, factor: &[f64; N]) {
        for i in 0..N {
            self.mantissa[i] *= factor[i];
        }
        self.factors += 1;
        self.pending += 1;
        // Factors are zero or between 2⁻⁸ and 2³²: sixteen stay below 2⁵¹².
        if self.pending == 16 {
            self.strip();
        }
    }

    fn strip(&mut self) {
        for i in 0..N {
            let bits = self.mantissa[i].to_bits();
            if bits != 0 {
                self.exponent[i] += (bits >> 52) as i64 - 1023;
                self.mantissa[i] = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
            }
        }
        self.pending = 0;
    }

    /// Logarithm of the product of probabilities, thresholds over 2³².
    pub(crate) fn ln(&self, lane: usize) -> f64 {
        let exponent = self.exponent[lane] - 32 * self.factors as i64;
        self.mantissa[lane].ln() + exponent as f64 * std::f64::consts::LN_2
    }
}

/// What the lanes of a group remember from site to site.
#[derive(Clone)]
pub(crate) struct Walkers<const N: usize = LANES> {
    pub rng: LaneRng<N>,
    pub product: LaneProduct<N>,
    /// Choices in which the floor decided.
    pub floored: Word<N>,
}

impl<const N: usize> Walkers<N> {
    /// From 128 bits a lane.
    pub(crate) fn new(seed: impl Fn(usize) -> [u32; 4]) -> Self {
        Walkers { rng: LaneRng::new(seed), product: LaneProduct::new(), floored: Word([0; N]) }
    }

    /// Draws (or scores `chosen`) one of two states that are both allowed, with weights `n[0]`, `n[1]` of any
    /// sign.
    #[inline(always)]
    pub(crate) fn either<S: Simd>(&mut self, simd: S, n: [&Lane<N>; 2], given: bool, chosen: &mut Word<N>) {
        let bits = if given { Word([0; N]) } else { self.rng.next(simd) };
        let mut factor = Word([0; N]);
        let (zero, one, floor) = (simd.splat_f32s(0.0), simd.splat_u32s(1), simd.splat_u32s(FLOOR));
        let none = simd.splat_u32s(0);
        for v in 0..N / S::F32_LANES {
            let a = simd.max_f32s(vectors::<S>(n[0])[v], zero);
            let b = simd.max_f32s(vectors::<S>(n[1])[v], zero);
            let total = simd.add_f32s(a, b);
            // No weight at all, or not a number: a fair coin.
            let some = simd.greater_than_f32s(total, zero);
            let p = simd.select_f32s(some, simd.div_f32s(simd.min_f32s(a, b), total), simd.splat_f32s(0.5));
            let t = threshold(simd, p);
            let floored = simd.select_u32s(simd.less_than_u32s(t, floor), one, none);
            let t = simd.max_u32s(t, floor);
            let count = &mut words_mut::<S>(&mut self.floored)[v];
            *count = simd.add_u32s(*count, floored);
            let likely = simd.select_u32s(simd.greater_than_or_equal_f32s(b, a), one, none);
            let chosen = &mut words_mut::<S>(chosen)[v];
            if !given {
                let other = simd.select_u32s(simd.less_than_u32s(words::<S>(&bits)[v], t), one, none);
                *chosen = simd.xor_u32s(likely, other);
            }
            // The rest, 2³² − t, fits 32 bits because t > 0.
            let rest = simd.sub_u32s(none, t);
            words_mut::<S>(&mut factor)[v] = simd.select_u32s(simd.equal_u32s(*chosen, likely), rest, t);
        }
        let mut product = [0.0; N];
        for i in 0..N {
            product[i] = f64::from(factor.0[i]);
        }
        self.product.multiply(&product);
    }

    /// Draws (or scores `chosen`) one of the first `states` states with weights `n(s, lane)`, of those with
    /// `allowed(s, lane)`; where none is, any of them with equal probability.
    #[inline(always)]
    pub(crate) fn one_of<S: Simd>(
        &mut self,
        simd: S,
        states: usize,
        n: impl Fn(usize, usize) -> f32,
        allowed: impl Fn(usize, usize) -> bool,
        given: bool,
        chosen: &mut Word<N>,
    ) {
        let bits = if given { Word([0; N]) } else { self.rng.next(simd) };
        let mut factor = [0.0; N];
        for i in 0..N {
            let none = !(0..states).any(|s| allowed(s, i));
            let possible = |s: usize| none || allowed(s, i);
            let total: f32 = (0..states).filter(|&s| possible(s)).map(|s| n(s, i).max(0.0)).sum();
            let blind = none || !(total > 0.0 && total < f32::INFINITY);
            let count = (0..states).filter(|&s| possible(s)).count();
            let weight = |s: usize| if blind { 1.0 / count as f32 } else { n(s, i).max(0.0) / total };
            let likely = (0..states).filter(|&s| possible(s)).fold(None, |best: Option<usize>, s| match best {
                Some(b) if weight(b) >= weight(s) => Some(b),
                _ => Some(s),
            });
            let likely = likely.unwrap_or(0);
            let mut low = blind;
            let mut threshold = |s: usize| {
                if s == likely || !possible(s) {
                    return 0;
                }
                let t = (f64::from(weight(s)) * UNIT) as u32;
                low |= t < FLOOR;
                t.max(FLOOR)
            };
            let (mut sum, mut drawn) = (0u32, likely);
            let mut own = 0;
            for s in 0..states {
                let t = threshold(s);
                if !given && bits.0[i].wrapping_sub(sum) < t {
                    drawn = s;
                }
                sum += t;
                if given && s == chosen.0[i] as usize || !given && drawn == s && s != likely {
                    own = own.max(t);
                }
            }
            if !given {
                chosen.0[i] = drawn as u32;
            }
            let forbidden = !possible(chosen.0[i] as usize);
            factor[i] = if chosen.0[i] as usize == likely {
                UNIT - f64::from(sum)
            } else if forbidden {
                0.0
            } else {
                f64::from(own)
            };
            self.floored.0[i] += u32::from(low);
        }
        self.product.multiply(&factor);
    }

    /// Draws (or scores `chosen`) a state with these weights in shares of 2⁻⁵³, some of them positive.
    #[inline(always)]
    pub(crate) fn one_in_double<S: Simd, const Q: usize>(
        &mut self,
        simd: S,
        odds: &[Lane<N, f64>; Q],
        given: bool,
        chosen: &mut Word<N, u64>,
    ) {
        let mut bits = [Word([0; N]); 2];
        if !given {
            bits = [self.rng.next(simd), self.rng.next(simd)];
        }
        let mut factor = [0.0; N];
        for i in 0..N {
            let odds = odds.map(|lane| lane.0[i]);
            let random = (u64::from(bits[0].0[i]) << 32 | u64::from(bits[1].0[i])) >> 11;
            let (state, share, floored) = choose(&odds, (!given).then_some(random), chosen.0[i] as u8);
            chosen.0[i] = u64::from(state);
            self.floored.0[i] += u32::from(floored);
            // In units of 2⁻³² as other choices.
            factor[i] = share as f64 * (UNIT / shares::UNIT as f64);
        }
        self.product.multiply(&factor);
    }
}
