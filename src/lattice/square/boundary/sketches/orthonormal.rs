//! Vectors over a state and a bond, in registers: made orthonormal, scaled, their indices exchanged.

use pulp::Simd;

use super::numbers::larger;
use crate::lanes::Float;

/// `χ` vectors over a state and a bond.
pub(super) type Block<F, S, const Q: usize, const X: usize> = [[[<F as Float>::Vector<S>; X]; Q]; X];

/// Exchanges the index of the vectors and that of the bond.
#[inline(always)]
pub(super) fn transposed<F: Copy, const Q: usize, const X: usize>(vectors: &[[[F; X]; Q]; X]) -> [[[F; X]; Q]; X] {
    let mut out = *vectors;
    for k in 0..X {
        for u in 0..Q {
            for q in 0..X {
                out[k][u][q] = vectors[q][u][k];
            }
        }
    }
    out
}

/// The first `keep` vectors orthonormalised, those that the ones before span and all others zero.
///
/// Vectors of closed rows may differ by little in what decides: where one is left out as rounding, the law
/// is off by 10⁻⁵ to 10⁻⁴ at full `χ` in single precision. A direction that is rounding does no harm there,
/// and the next sweep turns it, if it is orthogonal to the others; as much of it may be along them as not, so
/// what is left of it is taken off a third time.
#[inline(always)]
pub(super) fn orthonormalise<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    vectors: &mut Block<F, S, Q, X>,
    keep: usize,
    closed: bool,
) {
    let zero = F::splat(simd, F::ZERO);
    let mut sizes = [zero; X];
    for q in 0..X {
        sizes[q] = dot::<S, F, Q, X>(simd, &vectors[q], &vectors[q]);
    }
    // Modified Gram–Schmidt: what is orthonormal is taken off all later vectors at once, and a second time
    // off each before it is made so itself.
    for q in 0..X {
        for b in 0..q {
            let (before, own) = vectors.split_at_mut(q);
            take_off::<S, F, Q, X>(simd, &before[b], &mut own[0]);
        }
        let mut rest = dot::<S, F, Q, X>(simd, &vectors[q], &vectors[q]);
        let rounded = F::greater(simd, F::mul(simd, F::splat(simd, F::ROUNDED), sizes[q]), rest);
        if closed && q < keep && F::any(simd, rounded) {
            for b in 0..q {
                let (before, own) = vectors.split_at_mut(q);
                let overlap = dot::<S, F, Q, X>(simd, &before[b], &own[0]);
                // Not in other lanes: none depends on its neighbours.
                less::<S, F, Q, X>(simd, F::select(simd, rounded, overlap, zero), &before[b], &mut own[0]);
            }
            rest = dot::<S, F, Q, X>(simd, &vectors[q], &vectors[q]);
        }
        let spanned = F::splat(simd, if closed { F::NOTHING } else { F::SPANNED });
        let least = F::mul_add(simd, spanned, sizes[q], F::splat(simd, F::TINY));
        let inverse = F::div(simd, F::splat(simd, F::ONE), F::sqrt(simd, rest));
        let inverse = F::select(simd, F::greater(simd, rest, least), inverse, zero);
        let inverse = if q < keep { inverse } else { zero };
        for u in 0..Q {
            for k in 0..X {
                vectors[q][u][k] = F::mul(simd, vectors[q][u][k], inverse);
            }
        }
        for p in q + 1..X {
            let (before, later) = vectors.split_at_mut(p);
            take_off::<S, F, Q, X>(simd, &before[q], &mut later[0]);
        }
    }
}

/// Brings a vector to the scale one.
#[inline(always)]
pub(super) fn rescale<S: Simd, F: Float, const Q: usize, const X: usize>(simd: S, vector: &mut [[F::Vector<S>; X]; Q]) {
    let mut max = F::splat(simd, F::TINY);
    for u in 0..Q {
        for k in 0..X {
            max = larger::<F, S>(simd, max, vector[u][k]);
        }
    }
    let scale = F::scale(simd, max);
    for u in 0..Q {
        for k in 0..X {
            vector[u][k] = F::mul(simd, vector[u][k], scale);
        }
    }
}

#[inline(always)]
fn dot<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    a: &[[F::Vector<S>; X]; Q],
    b: &[[F::Vector<S>; X]; Q],
) -> F::Vector<S> {
    // A chain for each state: a sum of products waits for itself.
    let mut sums = [F::splat(simd, F::ZERO); Q];
    for u in 0..Q {
        for k in 0..X {
            sums[u] = F::mul_add(simd, a[u][k], b[u][k], sums[u]);
        }
    }
    let mut sum = sums[0];
    for u in 1..Q {
        sum = F::add(simd, sum, sums[u]);
    }
    sum
}

/// `b ← b − (a·b) a`.
#[inline(always)]
fn take_off<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    a: &[[F::Vector<S>; X]; Q],
    b: &mut [[F::Vector<S>; X]; Q],
) {
    let overlap = dot::<S, F, Q, X>(simd, a, b);
    less::<S, F, Q, X>(simd, overlap, a, b);
}

/// `b ← b − overlap a`.
#[inline(always)]
fn less<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    overlap: F::Vector<S>,
    a: &[[F::Vector<S>; X]; Q],
    b: &mut [[F::Vector<S>; X]; Q],
) {
    for u in 0..Q {
        for k in 0..X {
            b[u][k] = F::less_product(simd, overlap, a[u][k], b[u][k]);
        }
    }
}
