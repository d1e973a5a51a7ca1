//! Models on the square lattice with interactions between nearest neighbours, and what moves on it.

pub(super) mod boundary;
pub(super) mod couplings;
pub(super) mod dynamics;
mod embeddings;
pub(super) mod fermions;
pub(super) mod geometry;
pub(super) mod ising;
mod models;
mod odds;
pub(super) mod pair;
pub(super) mod pairwise;
pub(super) mod rectangle;
pub(super) mod snake;
mod strip;
