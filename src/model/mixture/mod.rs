//! Kernel mixtures: weighted configurations seen through a product kernel,
//!
//! ```text
//! P(x) = Σ_i ω_i ∏_j K_j(c_i^j → x_j),      Σ_i ω_i = 1.
//! ```
//!
//! The empirical law of data at a noise time `t > 0` is a law by itself (kernel smoothing, arXiv 2406.09084):
//! a mixture of products, and under site weights again one, with `ω_i ∏_j m_j(c_i^j)`,
//! `m_j(a) = Σ_b K_j(a → b) w_j(b)`, in the place of `ω_i`. Equal configurations are one component. All sums
//! run over logarithms of components, so nothing under- or overflows. Cost of a row: `n` times the number of
//! groups of sites with at most 256 joint states (`N/8` for two states) table look-ups, and `N d²`.

mod codes;
mod convert;
mod kernel_mixture;

pub(crate) use codes::{Codes, distinct};
pub use convert::Compressed;
pub use kernel_mixture::KernelMixture;
pub(crate) use kernel_mixture::sample_weights;
