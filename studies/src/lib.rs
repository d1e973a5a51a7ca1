//! What the studies share with the examples `fredkin` and `ising`. The files are those of the examples, so
//! that these need no other package. Beside it chains of letters, whose samplers are measured.

pub mod chain;
#[path = "../../examples/common/mod.rs"]
pub mod common;
pub mod transitions;

pub use common::*;
