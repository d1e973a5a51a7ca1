//! The traits whose methods everybody calls, and the few types that appear in every program:
//! `use tensorjump::prelude::*`.

pub use crate::diffusion::{Denoise, Denoiser, ExactDiffusion};
pub use crate::mcmc::{Move, Proposal};
pub use crate::noise::{Noise, Rates, Schedule};
pub use crate::{Configs, ExactModel, Model, Samples, SiteWeights, Stream, Streams, Target};
