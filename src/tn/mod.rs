//! Matrix-product states and operators: data structures and contraction.
//!
//! An [`Mps`] holds a vector on the product space, `v(x) = e^{log_scale} A_1[x_1] A_2[x_2] ⋯ A_N[x_N]`; an [`Mpo`] a matrix with
//! row index `x` and column index `y` (row-stochastic convention: `(pK)(y) = Σ_x p(x) K(x, y)`).

mod mpo;
mod mps;

pub use mpo::{LocalTerm, Mpo};
pub use mps::Mps;
