//! The Ising model on cubic lattices, 16 replicas side by side or 512 in bits; the Potts model.

pub(super) mod bits;
pub(super) mod clusters;
pub(super) mod couplings;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod draw;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod filter;
pub(super) mod geometry;
pub(super) mod ising;
pub(super) mod lanes;
pub(super) mod moves;
pub(super) mod potts;
mod restart;
mod rods;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod sweep;
pub(super) mod tempering;
mod window;
