//! Models with exact answers, and models on parts of the lattice, as tables of pairs.

mod balance;
mod dimers;
mod logarithm;
mod region;
mod spins;
mod vertex;
