//! Exactness against enumeration, one module a part of the library.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/laws.rs"]
mod laws;

mod annealing;
mod answers;
mod boundary;
mod cavities;
mod chain;
mod constraints;
mod cubic;
mod cubic_bits;
mod dense;
mod diagnostics;
mod diagonals;
mod diffusion;
mod diffusion_checks;
mod embeddings;
mod fermions;
mod fredkin;
mod given;
mod guidance;
mod hard;
mod in_the_loop;
mod io;
mod jackknife;
mod learn;
mod linalg;
mod low_temperature;
mod mcmc;
mod measured;
mod missing;
mod mixture;
mod models;
mod noise;
mod open_bond;
mod over_ranks;
mod reverse;
mod runs;
mod samplers;
mod scores;
#[cfg(feature = "serde")]
mod serialised;
mod sketches;
mod snake;
mod solvable;
mod square;
mod stored_files;
mod tn;
