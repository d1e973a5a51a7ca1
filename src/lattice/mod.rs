//! Lattice systems: what is to be sampled.

pub mod fredkin;
pub mod square;

pub use fredkin::{Equilibrium, Fredkin, FredkinModel, FredkinProcess};
pub use square::{Couplings, Geometry, Ising, PairModel, SnakeMps, Square};
