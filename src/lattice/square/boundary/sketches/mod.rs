//! Boundary states of many models at once, compressed by product sketches: sixteen in lanes, in single precision
//! by odds, in double precision by tables.

mod answer;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod contract;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod factors;
mod room;
mod sources;
#[cfg(test)]
mod tests;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod walk;
mod windows;

pub(super) use answer::{Batch, InLanes, in_lanes};
pub(crate) use windows::{Redraw, Window, WindowsInLanes};
