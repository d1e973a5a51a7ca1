//! The ±J Ising model on cubic lattices, 512 replicas in the bits of a word (multi-spin coding).

mod flood;
mod ladder;
pub(in crate::lattice) mod state;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod sums;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod sweep;
