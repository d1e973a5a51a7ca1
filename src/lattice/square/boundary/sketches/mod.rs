//! Boundary states of many models at once, compressed by product sketches.

mod answer;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod contract;
mod room;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod walk;

pub(super) use answer::{Batch, fits_lanes};
