//! Learned conditional laws of noised samples, ready to run as denoisers.

pub(super) mod conditional_gradient;
pub(super) mod features;
pub(super) mod glauber;
pub(super) mod operator;
pub(super) mod ratio_matching;
pub(super) mod softmax;
pub(super) mod tables;
