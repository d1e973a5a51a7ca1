//! Lattice systems: what is to be sampled.

pub mod fredkin;

pub use fredkin::{Equilibrium, Fredkin, FredkinModel, FredkinProcess};
