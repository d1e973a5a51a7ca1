//! What moves on a square lattice: sweeps, clusters, windows; as moves of chains and on packed spins.

pub(super) mod heat_bath;
pub(super) mod spins;
pub(super) mod sweep;
pub(super) mod swendsen_wang;
pub(super) mod windows;
pub(super) mod wolff;
pub(super) mod words;
