//! Single-site noise: rate matrices, schedules, kernels.

mod kernel;

pub use kernel::Kernel;
