//! Draws depend on seed, domain, step and row, and on nothing else.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/laws.rs"]
mod laws;

mod batches;
mod everything;
mod golden;
mod streams;
