//! The numbers of a group: sixteen models of one shape, a lane each.

use super::super::draws::choice::Walkers;
use crate::lanes::{Lane, Word, vectors, vectors_mut};
use pulp::Simd;

/// Models side by side: one vector of the widest machines. Two would keep a half more busy, and not hold the
/// accumulators.
pub(crate) const WIDTH: usize = 16;

pub(super) type Number = Lane<WIDTH>;
pub(super) type State = Word<WIDTH>;
pub(super) const ONE: Number = Lane([1.0; WIDTH]);
pub(super) const ZERO: Number = Lane([0.0; WIDTH]);
pub(super) const DOWN: State = Word([0; WIDTH]);

/// Three indices, the last two bonds. Bonds of fewer values have zeros behind them.
pub(super) type Tensor<const X: usize> = [[[Number; X]; X]; 2];
pub(super) const fn empty<const X: usize>() -> Tensor<X> {
    [[[ZERO; X]; X]; 2]
}

/// Odds, boundary states and configurations of a group, and the buffers of its passes.
pub(super) struct Room<const X: usize> {
    pub rows: usize,
    pub cols: usize,
    /// Odds by site: of the site, of the bond to the right and of that to the row above.
    pub sites: Vec<Number>,
    pub right: Vec<Number>,
    pub above: Vec<Number>,
    /// `E_r[a][l][r]` by site of row `r`.
    pub tensors: Vec<Tensor<X>>,
    /// By column: products with the vectors to the right of it, `T·S`, and `C` from the left.
    pub products: Vec<Tensor<X>>,
    pub carries: Vec<Tensor<X>>,
    /// By column: `t[a][l]` of a pass over a row.
    pub ahead: Vec<[[Number; X]; 2]>,
    /// The configuration drawn, and the one to be scored.
    pub new: Vec<State>,
    pub old: Vec<State>,
    pub walkers: Walkers<WIDTH>,
    /// Lanes whose states are not finite or vanish.
    pub lost: [bool; WIDTH],
}

impl<const X: usize> Room<X> {
    pub(super) fn new(rows: usize, cols: usize) -> Self {
        let n = rows * cols;
        Room {
            rows,
            cols,
            sites: vec![ONE; n],
            right: vec![ONE; n],
            above: vec![ONE; n],
            tensors: vec![empty(); n],
            products: vec![empty(); cols],
            carries: vec![empty(); cols],
            ahead: vec![[[ZERO; X]; 2]; cols],
            new: vec![DOWN; n],
            old: vec![DOWN; n],
            walkers: Walkers::new(|_| [0; 4]),
            lost: [false; WIDTH],
        }
    }
}

/// Values of the bond to the left of column `c` of `cols`.
pub(super) fn bond<const X: usize>(c: usize, cols: usize) -> usize {
    let states = |sites: usize| 1usize << sites.min(8);
    X.min(states(c)).min(states(cols - c))
}

/// Vector `v` of a number.
#[inline(always)]
pub(super) fn get<S: Simd>(number: &Number, v: usize) -> S::f32s {
    vectors::<S>(number)[v]
}

#[inline(always)]
pub(super) fn put<S: Simd>(number: &mut Number, v: usize, value: S::f32s) {
    vectors_mut::<S>(number)[v] = value;
}

/// The power of two that brings `max > 0` between one and two.
#[inline(always)]
pub(super) fn scale<S: Simd>(simd: S, max: S::f32s) -> S::f32s {
    let exponent = simd.and_u32s(simd.transmute_u32s_f32s(max), simd.splat_u32s(0x7f80_0000));
    // Not beyond the largest finite power, for what is not finite.
    let exponent = simd.min_u32s(exponent, simd.splat_u32s(253 << 23));
    simd.transmute_f32s_u32s(simd.sub_u32s(simd.splat_u32s(254 << 23), exponent))
}
