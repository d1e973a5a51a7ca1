//! Time of a two-site sweep: `cargo bench --bench learning`. One thread.
fn main() {}
