//! The ±J Ising model on cubic lattices, 512 replicas in the bits of a word (multi-spin coding).

mod flood;
mod ladder;
pub(crate) mod state;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod sums;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod sweep;
