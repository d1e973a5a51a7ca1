//! Learning from a log-weight alone, by Monte Carlo with the model as proposal (arXiv 2407.11133).

pub(super) mod options;
pub(super) mod round;
pub(super) mod run;
pub(super) mod tangent;
pub(super) mod thin;
pub(super) mod towards;
