//! Learning: gradients against enumeration, optima that are known, resuming bit for bit, bad input.

mod files;
mod gradients;
mod interrupts;
mod kills;
mod optima;
mod small;

pub use files::folder;

use ndarray::Array2;
use tensorjump::learn::{BornMethod, BornOptions, Data, Start, SweepStep, Training, Validation};
use tensorjump::tn::Truncation;

use super::common::all_configs;
use super::common::random::random_law;

/// All configurations weighted by a law without structure: the least NLL is its entropy, reached by the law
/// alone.
pub fn weighted_table(dims: &[usize], seed: u64) -> (Data, Vec<f64>, f64) {
    let p = random_law(dims, seed).p().to_vec();
    let weights = ndarray::Array1::from(p.clone());
    let entropy = -p.iter().map(|p| p * p.ln()).sum::<f64>();
    (Data::new(all_configs(dims), dims).unwrap().weighted(weights.view()).unwrap(), p, entropy)
}

/// Two-site sweeps that discard nothing.
pub fn untruncated(iterations: usize, rate: f64) -> BornMethod {
    let step = SweepStep { iterations, rate, slowing: f64::INFINITY };
    BornMethod::TwoSite {
        truncation: Truncation { max_bond: usize::MAX, cutoff: 0.0 },
        significance: 0.0,
        explore: 0,
        step,
    }
}

pub fn without_validation(method: BornMethod, bond: usize, rounds: usize) -> BornOptions {
    let training = Training { rounds, patience: rounds, validation: Validation::None, ..Training::default() };
    BornOptions { method, start: Start::Random { bond }, training }
}

/// Samples of two neighbouring clusters of configurations: something to learn, without structure to rely on.
pub fn some_samples(rows: usize, sites: usize) -> Array2<u8> {
    Array2::from_shape_fn((rows, sites), |(i, j)| u8::from((i * i + 3 * j + i * j / 3) % 7 < 3))
}
