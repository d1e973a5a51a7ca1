//! Numbers and random bits of several configurations side by side, in SIMD vectors.

mod exp;
mod float;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod rng;
mod vectors;

pub(crate) use exp::{exp, minus, minus_abs, times_sign};
pub(crate) use float::Float;
pub(crate) use rng::{LaneRng, shift};
pub(crate) use vectors::{
    LANES, Lane, MINUS, NONE, ONE, Word, ZERO, choose_number, combine, multiply, negative, relative, rescale, scaled,
    vectors, vectors_mut, where_state, words, words_mut, xor,
};
