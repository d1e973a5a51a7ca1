//! Numbers of sixteen models side by side.

use pulp::Simd;

use crate::lanes::{Float, Lane, Word};

/// Models side by side: one vector of the widest machines in single precision, two in double. More would keep
/// a half more busy, and not hold the accumulators.
pub(crate) const WIDTH: usize = 16;

pub(super) type Number<F> = Lane<WIDTH, F>;
pub(super) type State<F> = Word<WIDTH, <F as Float>::Bits>;
/// A number for each state.
pub(super) type States<F, const Q: usize> = [Number<F>; Q];
/// Three indices, the last two bonds. Bonds of fewer values have zeros behind them.
pub(super) type Tensor<F, const Q: usize, const X: usize> = [[[Number<F>; X]; X]; Q];
/// A number for each state and each value of a bond.
pub(super) type Legs<F, const Q: usize, const X: usize> = [[Number<F>; X]; Q];

pub(super) const fn one<F: Float>() -> Number<F> {
    Lane([F::ONE; WIDTH])
}

pub(super) const fn zero<F: Float>() -> Number<F> {
    Lane([F::ZERO; WIDTH])
}

pub(super) const fn empty<F: Float, const Q: usize, const X: usize>() -> Tensor<F, Q, X> {
    [[[zero(); X]; X]; Q]
}

/// State zero in all lanes.
pub(super) fn down<F: Float>() -> State<F> {
    Word([0u8.into(); WIDTH])
}

/// Vector `v` of a number.
#[inline(always)]
pub(super) fn get<F: Float, S: Simd>(number: &Number<F>, v: usize) -> F::Vector<S> {
    F::vectors::<S>(&number.0)[v]
}

#[inline(always)]
pub(super) fn put<F: Float, S: Simd>(number: &mut Number<F>, v: usize, value: F::Vector<S>) {
    F::vectors_mut::<S>(&mut number.0)[v] = value;
}

/// Vectors of a number.
#[inline(always)]
pub(super) fn parts<F: Float, S: Simd>() -> usize {
    WIDTH * size_of::<F>() / size_of::<F::Vector<S>>()
}

/// The larger of `max` and `|x|`.
#[inline(always)]
pub(super) fn larger<F: Float, S: Simd>(simd: S, max: F::Vector<S>, x: F::Vector<S>) -> F::Vector<S> {
    F::max(simd, max, F::abs(simd, x))
}
