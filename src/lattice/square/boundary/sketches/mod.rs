//! Boundary states of many models at once, compressed by product sketches: sixteen in lanes, by odds in
//! single precision or by tables in double.

mod answer;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod contract;
#[cfg(test)]
mod exactness;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod factors;
mod numbers;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod orthonormal;
mod room;
mod sources;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod walk;
mod windows;

pub(super) use answer::{InLanes, in_lanes};
pub(super) use sources::Batch;
pub(crate) use windows::{Redraw, Window, WindowsInLanes};
