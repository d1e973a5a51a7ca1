//! What moves on a square lattice: sweeps, clusters, windows; as moves of chains and on packed spins.

mod cut;
pub(crate) mod heat_bath;
pub(crate) mod spins;
pub(crate) mod sweep;
pub(crate) mod swendsen_wang;
pub(crate) mod windows;
pub(crate) mod wolff;
pub(super) mod words;
