//! How a reverse process ends, and what it returns.

use ndarray::{Array1, Array2};

use crate::model::Configs;

/// Where a run ended, and what it took; counts by sample.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Outcome {
    /// Configurations at the end, shape `(samples, sites)`.
    pub x: Array2<u8>,
    /// How the run ended.
    pub finish: Finish,
    /// Jumps (of leaps: changed sites, summed over the steps), the last draw left out.
    pub jumps: Array1<u64>,
    /// Events proposed by uniformization and thinning, jumps or not; of leaps the same as the jumps.
    pub events: Array1<u64>,
    /// Sites, summed over the steps, where τ-leaping rejected more than one jump or where Euler's
    /// probabilities exceeded one, or where a step of two stages cut a rate off at zero.
    pub excesses: Array1<u64>,
    /// Evaluations of the denoiser, the last draw left out.
    pub evaluations: Array1<u64>,
    /// Calls of the denoiser that these made for the whole batch.
    pub calls: usize,
    /// `∫Λ` along each path (uniformization: the same for all; thinning: the bound at its configurations),
    /// dimensionless; zero for leaps.
    pub bound: Array1<f64>,
    /// Rows that came into a configuration of probability zero, where rates have no meaning: they stay there,
    /// and are not finished.
    pub lost: Vec<usize>,
}

impl Outcome {
    pub(super) fn start(y: Configs<'_>) -> Self {
        let zeros = || Array1::zeros(y.nrows());
        Outcome {
            x: y.to_owned(),
            finish: Finish::Noised,
            jumps: zeros(),
            events: zeros(),
            excesses: zeros(),
            evaluations: zeros(),
            calls: 0,
            bound: Array1::zeros(y.nrows()),
            lost: Vec::new(),
        }
    }
}

/// In which alphabet, and by which last draw, a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Finish {
    /// At `δ > 0`, as asked: noised configurations.
    Noised,
    /// The grid led down to 0.
    Grid,
    /// One exact joint draw `P(x_0 | x_δ)`.
    Joint,
    /// One draw from the product of the denoiser's marginals, since it has no law to draw from: an analytical
    /// step from δ to 0.
    Product,
}
