//! Truth by enumeration: laws and operators as full tables.
//!
//! A law on `N` sites is its list of `∏ d_j` probabilities; configurations are indexed row-major, the first
//! site most significant. Everything is a plain loop over configurations, written without tensor networks, so
//! that the rest of the library can be compared with it (arXiv 2407.11133 checks its sampler in the same
//! way).
//!
//! Cost `O(N d^N)` a row for draws, scores and evidence, `O(N² d^N)` for cavities. Size-guarded:
//! laws have at most 2²⁰ entries, matrices 2²².

mod diffusion;
mod entropies;
mod law;
mod leaps;
mod operators;
mod picked;

pub use law::DenseLaw;
pub use leaps::{LeapLaw, distances, glauber_law};
pub use operators::{exponential, generator_matrix, kernel_matrix};
