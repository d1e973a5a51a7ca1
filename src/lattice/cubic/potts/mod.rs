//! The Potts model, and any pair interaction, on cubic lattices.

pub(crate) mod model;
pub(crate) mod moves;
mod rods;
