//! How a chain's derivatives and local steps are made: environments, gradients, two-site sweeps, steps at a
//! site.

pub(super) mod environments;
pub(super) mod gradient;
pub(super) mod optimise;
pub(super) mod site_step;
pub(super) mod sweep;
