//! The Potts model, and any pair interaction, on cubic lattices.

pub(in crate::lattice) mod model;
pub(in crate::lattice) mod moves;
mod rods;
