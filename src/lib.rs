//! Tensor-network samplers for lattice systems.
//!
//! (The map of the crate is written when the parts stand.)

pub mod dense;
pub mod diffusion;
pub mod error;
pub mod lattice;
pub mod linalg;
mod log_product;
pub mod mcmc;
pub mod model;
pub mod noise;
pub mod rng;
pub mod tn;

pub use error::{Error, Result};
pub use model::{Configs, ExactModel, Model, Samples, SiteWeights, Target};
pub use rng::{Stream, Streams};
