//! Ising and Potts models on square lattices: systems, methods, what they measure.

pub mod connected;
pub mod exact;
pub mod local;
pub mod measure;
pub mod options;
pub mod pictures;
pub mod system;
