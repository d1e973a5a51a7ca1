#[path = "../common/mod.rs"]
mod common;
#[path = "../exact/cubic.rs"]
mod exact;
#[path = "../statistics/cubic.rs"]
mod statistics;
