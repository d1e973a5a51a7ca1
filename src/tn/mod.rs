//! Matrix-product states and operators: data structures and contraction.
//!
//! An [`Mps`] holds a vector on the product space, `v(x) = e^{log_scale} A_1[x_1] A_2[x_2] ⋯ A_N[x_N]`; an
//! [`Mpo`] a matrix with row index `x` and column index `y` (row-stochastic convention:
//! `(pK)(y) = Σ_x p(x) K(x, y)`).
//!
//! Scales are kept apart from tensors in nats, and every sweep takes them out site by site: chains of 10⁵
//! sites neither over- nor underflow ([`LogScalar`], [`LogValues`]). Reference: Schollwöck, arXiv 1008.3477.

mod apply;
mod arithmetic;
mod builder;
mod canonical;
mod contract;
mod convert;
mod mpo;
mod mps;
mod scale;
mod truncate;

pub use builder::LocalTerm;
pub use canonical::Canonical;
pub use mpo::Mpo;
pub use mps::Mps;
pub use scale::{LogScalar, LogValues};
pub(crate) use scale::{flat, shaped};
pub(crate) use truncate::{Kept, cut};
pub use truncate::{Truncation, TruncationError};
