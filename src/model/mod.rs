//! Laws on a lattice: what can be weighed, sampled, tilted.
//!
//! Everything in discrete diffusion on a lattice is the data law tilted by a product of site weights,
//!
//! ```text
//! P(x | w) ∝ P(x) ∏_j w_j(x_j),
//! ```
//!
//! because single-site noise factorises: `w_j(a) = K_j(a → y_j)` gives the law of the clean configuration
//! behind a noisy `y` (arXiv 2407.11133). Whoever implements [`ExactModel`] gets noising, denoising, scores
//! and Monte Carlo proposals for free.

mod automaton;
mod batched;
mod born;
mod labelled;
mod measured;
mod mixture;
mod nearest_neighbour;
mod permuted;
mod positive;
pub(crate) mod traits;
pub(crate) mod weights;
mod without_site;

pub(crate) use crate::configs::Configs;
pub use crate::configs::check_configs;
pub use automaton::{Automaton, pinned};
pub use born::BornMps;
pub use labelled::{Given, LabelLeg};
pub use measured::Basis;
pub(crate) use mixture::{Codes, distinct, sample_weights};
pub use mixture::{Compressed, KernelMixture};
pub use nearest_neighbour::Boundary;
pub use permuted::Permuted;
pub use positive::PositiveMps;
pub use traits::DrawAhead;
pub(crate) use traits::{ExactModel, Model, Samples, Target};
pub(crate) use weights::SiteWeights;
