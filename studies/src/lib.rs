//! What the studies share with the examples `fredkin` and `ising`. The files are those of the examples, so
//! that these need no other package.

#[path = "../../examples/common/mod.rs"]
pub mod common;

pub use common::*;
