//! Draws and scores of a batch, row after row, in lanes of single precision.

pub(super) mod block;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
pub(super) mod choice;
mod lanes;
pub(super) mod pack;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod products;
pub(super) mod shares;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod torus;
