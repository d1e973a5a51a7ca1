//! Batches of rows on their way along a chain: the arithmetic under the matrix-product models.
//!
//! [`blocks`] cuts a batch; [`packed_law`] holds the tensors in the order of the machine, [`row_products`]
//! multiplies by them; [`symbols`] draws or scores; [`tilt`], [`passes`] and [`cavities`] are the passes
//! under site weights.

pub(super) mod blocks;
pub(super) mod cavities;
pub(super) mod packed_law;
pub(super) mod passes;
pub(super) mod row_products;
pub(super) mod scalar;
pub(super) mod symbols;
pub(super) mod tilt;
