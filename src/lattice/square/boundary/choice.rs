//! Random numbers and choices in lanes.
//!
//! A conditional law is rounded to multiples of 2⁻³²: every symbol but the likeliest has the integer threshold
//! `t = max(⌊2³² p⌋, FLOOR)` if it is allowed, zero else, and the likeliest has the rest. The draw compares 32 random bits with the thresholds,
//! and the score multiplies the same integers, so that `q` is normalised exactly.

use super::lanes::LANES;

/// Least threshold of an allowed symbol: `5·2⁻³² ≈ 1.2e-9`, the first above 1e-9.
const FLOOR: u32 = 5;

const UNIT: f64 = 4_294_967_296.0;

/// One xoshiro128++ generator (Blackman, Vigna 2021) in each lane.
#[derive(Clone)]
pub(super) struct LaneRng {
    state: [[u32; LANES]; 4],
}

impl LaneRng {
    /// From 128 bits a lane.
    pub(super) fn new(seed: impl Fn(usize) -> [u32; 4]) -> Self {
        let mut state = [[0; LANES]; 4];
        for i in 0..LANES {
            let seed = seed(i);
            let seed = if seed == [0; 4] { [1, 0, 0, 0] } else { seed };
            (0..4).for_each(|k| state[k][i] = seed[k]);
        }
        LaneRng { state }
    }

    /// 32 random bits a lane.
    #[inline(always)]
    pub(super) fn next(&mut self) -> [u32; LANES] {
        let [s0, s1, s2, s3] = &mut self.state;
        let mut out = [0; LANES];
        for i in 0..LANES {
            out[i] = s0[i].wrapping_add(s3[i]).rotate_left(7).wrapping_add(s0[i]);
            let t = s1[i] << 9;
            s2[i] ^= s0[i];
            s3[i] ^= s1[i];
            s1[i] ^= s2[i];
            s0[i] ^= s3[i];
            s2[i] ^= t;
            s3[i] = s3[i].rotate_left(11);
        }
        out
    }
}

/// Product of thresholds in each lane, exponents apart.
#[derive(Clone)]
pub(super) struct LaneProduct {
    mantissa: [f64; LANES],
    exponent: [i64; LANES],
    pending: usize,
    factors: usize,
}

impl LaneProduct {
    pub(super) fn new() -> Self {
        LaneProduct { mantissa: [1.0; LANES], exponent: [0; LANES], pending: 0, factors: 0 }
    }

    #[inline(always)]
    fn multiply(&mut self, factor: &[f64; LANES]) {
        for i in 0..LANES {
            self.mantissa[i] *= factor[i];
        }
        self.factors += 1;
        self.pending += 1;
        // Factors are zero or between 1 and 2³²: sixteen stay below 2⁵¹².
        if self.pending == 16 {
            self.strip();
        }
    }

    fn strip(&mut self) {
        for i in 0..LANES {
            let bits = self.mantissa[i].to_bits();
            if bits != 0 {
                self.exponent[i] += (bits >> 52) as i64 - 1023;
                self.mantissa[i] = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
            }
        }
        self.pending = 0;
    }

    /// Logarithm of the product of probabilities, thresholds over 2³².
    pub(super) fn ln(&self, lane: usize) -> f64 {
        let exponent = self.exponent[lane] - 32 * self.factors as i64;
        self.mantissa[lane].ln() + exponent as f64 * std::f64::consts::LN_2
    }
}

/// What the lanes of a group remember from site to site.
#[derive(Clone)]
pub(super) struct Walkers {
    pub rng: LaneRng,
    pub product: LaneProduct,
    /// Choices in which the floor decided.
    pub floored: [u32; LANES],
}

impl Walkers {
    /// Draws (or scores `chosen`) one of two states that are both allowed, with weights `n[0]`, `n[1]` of any sign.
    #[inline(always)]
    pub(super) fn either(&mut self, n: [&[f32; LANES]; 2], given: bool, chosen: &mut [u32; LANES]) {
        let bits = if given { [0; LANES] } else { self.rng.next() };
        let mut factor = [0.0; LANES];
        for i in 0..LANES {
            let a = if n[0][i] > 0.0 { n[0][i] } else { 0.0 };
            let b = if n[1][i] > 0.0 { n[1][i] } else { 0.0 };
            let total = a + b;
            let likely = u32::from(b >= a);
            let p = (if b >= a { a } else { b }) / total * UNIT as f32;
            // No weight at all, or not a number: a fair coin.
            let p = if total > 0.0 { p } else { 2_147_483_648.0 };
            let t = (p as i32) as u32;
            let low = t < FLOOR;
            let t = if low { FLOOR } else { t };
            self.floored[i] += u32::from(low);
            if !given {
                chosen[i] = likely ^ u32::from(bits[i] < t);
            }
            factor[i] = if chosen[i] == likely { UNIT - f64::from(t) } else { f64::from(t) };
        }
        self.product.multiply(&factor);
    }

    /// Draws (or scores `chosen`) one of the first `states` states with weights `n(s, lane)`, of those with `allowed(s, lane)`; where
    /// none is, any of them with equal probability.
    #[inline(always)]
    pub(super) fn one_of(
        &mut self,
        states: usize,
        n: impl Fn(usize, usize) -> f32,
        allowed: impl Fn(usize, usize) -> bool,
        given: bool,
        chosen: &mut [u32; LANES],
    ) {
        let bits = if given { [0; LANES] } else { self.rng.next() };
        let mut factor = [0.0; LANES];
        for i in 0..LANES {
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
                if !given && bits[i].wrapping_sub(sum) < t {
                    drawn = s;
                }
                sum += t;
                if given && s == chosen[i] as usize || !given && drawn == s && s != likely {
                    own = own.max(t);
                }
            }
            if !given {
                chosen[i] = drawn as u32;
            }
            let forbidden = !possible(chosen[i] as usize);
            factor[i] = if chosen[i] as usize == likely {
                UNIT - f64::from(sum)
            } else if forbidden {
                0.0
            } else {
                f64::from(own)
            };
            self.floored[i] += u32::from(low);
        }
        self.product.multiply(&factor);
    }
}
