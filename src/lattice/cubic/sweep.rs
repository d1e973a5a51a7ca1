//! Metropolis and heat bath in lanes, site by site in checkerboard order.
//!
//! With the local field `f = β(Σ J s + h)` heat bath puts a spin against it with probability
//! `e/(1 + e)`, `e = exp(−2|f|)`, and Metropolis flips with `min(1, exp(−2 s f))`, softened as in the sweeps
//! of square lattices: where `|2 f| < 0.1` with the probability of heat bath, so that spins without a field
//! do not only alternate. 32 random bits a decision; probabilities are rounded to 10⁻⁷ of themselves and
//! events rarer than 2⁻³³ do not happen.

use pulp::{Simd, WithSimd};

use super::ising::bond_start;
use super::lanes::{CubicLanes, WIDTH};
use crate::lanes::{Lane, LaneRng, Word, exp, minus, minus_abs, vectors, vectors_mut, words, words_mut};

/// `|2 f|` below which a flip has the probability of heat bath.
const SOFT: f32 = 0.1;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    Metropolis,
    HeatBath,
}

/// One visit of every site of all replicas. Gives the flips of each lane, counted for Metropolis only.
pub(super) struct Sweep<'a> {
    pub lanes: &'a mut CubicLanes,
    pub rule: Rule,
    pub rng: &'a mut LaneRng<WIDTH>,
}

impl WithSimd for Sweep<'_> {
    type Output = [u32; WIDTH];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [u32; WIDTH] {
        match self.rule {
            Rule::Metropolis => self.run::<S, true>(simd),
            Rule::HeatBath => self.run::<S, false>(simd),
        }
    }
}

impl Sweep<'_> {
    #[inline(always)]
    fn run<S: Simd, const METROPOLIS: bool>(self, simd: S) -> [u32; WIDTH] {
        let CubicLanes { tables, bonds, field, beta, spins, .. } = self.lanes;
        let mut minus_two_beta = Lane([0.0; WIDTH]);
        for k in 0..WIDTH {
            minus_two_beta.0[k] = (-2.0 * beta[k]) as f32;
        }
        let (zero, one, soft) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0), simd.splat_f32s(-SOFT));
        let sign = simd.splat_u32s(0x8000_0000);
        let mut flips = Word([0; WIDTH]);
        for &j in &tables.order {
            let j = j as usize;
            let neighbours = tables.neighbours[j];
            let bits = self.rng.next(simd);
            for v in 0..WIDTH / S::F32_LANES {
                let mut f = match field {
                    Some(field) => field.f32s(simd, j, v),
                    None => zero,
                };
                for (k, &i) in neighbours.iter().enumerate() {
                    let coupling = bonds[k / 2].f32s(simd, bond_start(k, j, i), v);
                    f = simd.mul_add_f32s(coupling, vectors::<S>(&spins[i as usize])[v], f);
                }
                let u = uniform(simd, words::<S>(&bits)[v]);
                let spin = &mut vectors_mut::<S>(&mut spins[j])[v];
                let two_f = simd.mul_f32s(vectors::<S>(&minus_two_beta)[v], f); // −2f
                if METROPOLIS {
                    let cost = simd.mul_f32s(two_f, *spin);
                    let x = exp(simd, simd.min_f32s(cost, one)); // above one: flips
                    let small = simd.greater_than_f32s(minus_abs(simd, cost), soft);
                    // Heat bath: u < x/(1 + x).
                    let u = simd.select_f32s(small, simd.mul_add_f32s(u, x, u), u);
                    let flip = simd.less_than_f32s(u, x);
                    *spin = simd.select_f32s(flip, minus(simd, *spin), *spin);
                    let count = &mut words_mut::<S>(&mut flips)[v];
                    let more = simd.add_u32s(*count, simd.splat_u32s(1));
                    *count = simd.select_u32s(flip, more, *count);
                } else {
                    let e = exp(simd, minus_abs(simd, two_f));
                    let against = simd.less_than_f32s(simd.mul_add_f32s(u, e, u), e);
                    // Against the field points −2f.
                    let direction = simd.and_u32s(simd.transmute_u32s_f32s(two_f), sign);
                    let opposite = simd.transmute_f32s_u32s(simd.or_u32s(direction, simd.transmute_u32s_f32s(one)));
                    *spin = simd.select_f32s(against, opposite, minus(simd, opposite));
                }
            }
        }
        flips.0
    }
}

/// Uniform in (0, 1) from 32 random bits, small numbers to all their digits.
#[inline(always)]
fn uniform<S: Simd>(simd: S, bits: S::u32s) -> S::f32s {
    let high = of_mantissa(simd, simd.wrapping_dyn_shr_u32s(bits, simd.splat_u32s(9)));
    let low = simd.wrapping_dyn_shl_u32s(simd.and_u32s(bits, simd.splat_u32s(0x1ff)), simd.splat_u32s(14));
    // Half a step more, so that it is never zero.
    let low = of_mantissa(simd, simd.or_u32s(low, simd.splat_u32s(1 << 13)));
    simd.mul_add_f32s(low, simd.splat_f32s(1.0 / (1 << 23) as f32), high)
}

/// The number in [0, 1) of 23 bits.
#[inline(always)]
fn of_mantissa<S: Simd>(simd: S, bits: S::u32s) -> S::f32s {
    let one_and_more = simd.or_u32s(bits, simd.splat_u32s(0x3f80_0000));
    simd.sub_f32s(simd.transmute_f32s_u32s(one_and_more), simd.splat_f32s(1.0))
}
