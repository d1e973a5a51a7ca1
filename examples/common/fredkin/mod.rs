//! The stochastic Fredkin chain: its dynamics measured, and their pictures.

pub mod measure;
pub mod pictures;
