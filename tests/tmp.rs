#[path = "common/mod.rs"]
mod common;
#[path = "common/laws.rs"]
mod laws;
#[path = "statistics/guidance.rs"]
mod guidance;
#[path = "statistics/mixture.rs"]
mod mixture;
