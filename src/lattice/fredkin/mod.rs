//! The stochastic Fredkin chain: Dyck paths weighted by the area under them.

mod band;
mod chain;
mod configs;
mod dynamics;
mod equilibrium;
mod magnitude;
mod model;
mod tilt;
mod transfer;

pub use chain::Fredkin;
pub use dynamics::FredkinProcess;
pub use equilibrium::Equilibrium;
pub use model::FredkinModel;
