//! Boundary states of many models at once, compressed by product sketches.

mod answer;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod contract;
mod room;
#[allow(clippy::needless_range_loop, reason = "iterator adaptors are not inlined into vector code")]
mod walk;
mod windows;

pub(super) use answer::{Batch, InLanes, in_lanes};
pub(crate) use windows::{Redraw, Window, WindowsInLanes};
