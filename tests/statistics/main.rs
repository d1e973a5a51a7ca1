//! Sampling laws by χ², one module a part of the library.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/laws.rs"]
mod laws;

mod annealing;
mod boundary;
mod cubic;
mod cubic_bits;
mod cubic_potts;
mod diagonals;
mod diffusion;
mod estimates;
mod fredkin;
mod guidance;
mod hard;
mod in_the_loop;
mod learn;
mod mcmc;
mod mixture;
mod models;
mod noise;
mod particles;
mod reverse;
mod samplers;
mod scores;
mod sketches;
mod snake;
mod solvable;
mod square;
mod sweeps;
mod tails;
mod tempering;
mod tn;
mod validate;
