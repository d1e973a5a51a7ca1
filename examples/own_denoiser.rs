//! Your own denoiser in the reverse samplers, beside the exact one:
//! `cargo run --release --example own_denoiser`.
//!
//! The law that a sampler reaches is computed, not estimated: the error of the sampler and that of the
//! denoiser are told apart.

use ndarray::Array3;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::reverse::{Step, TimeGrid};
use tensorjump::diffusion::{ExactDenoiser, Face, GivenDenoiser};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::prelude::*;

const SITES: usize = 6;

fn main() -> tensorjump::Result<()> {
    let ring = PositiveMps::ising(0.5, &[1.0; SITES], &[0.2; SITES], Boundary::Ring)?;
    let noise = Noise::from(Rates::binary_flip(SITES, 1.0, 0.5)?);
    let exact = ExactDenoiser::new(&ring, &noise)?;

    // What a network would answer: P(x_0^j = 1 | y), here by a mean field with two neighbours; shape
    // (samples, sites, states).
    let own = GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, |t, y| {
        let signal = (-1.5 * t).exp();
        let spin = |row: usize, j: usize| 2.0 * f64::from(y[[row, j % SITES]]) - 1.0;
        Ok(Array3::from_shape_fn((y.nrows(), SITES, 2), |(row, j, a)| {
            let field = 2.0 * signal * spin(row, j) + 0.5 * (spin(row, j + 1) + spin(row, j + SITES - 1)) + 0.3;
            1.0 / (1.0 + (-2.0 * field * (2.0 * a as f64 - 1.0)).exp())
        }))
    });

    let (horizon, law) = (4.0, DenseLaw::of(&ring)?);
    let start = law.noised(&noise.kernel(0.0, horizon)?)?;
    println!("total variation between the law of the data and the law reached");
    println!("steps   exact denoiser   own denoiser");
    for steps in [8, 16, 32, 64, 128] {
        let grid = TimeGrid::uniform(horizon, 0.0, steps)?;
        let reached = |denoiser: &dyn Denoiser| -> tensorjump::Result<f64> {
            let end = LeapLaw::new(denoiser, &start, &grid, Step::Analytical, None)?;
            Ok(distances(law.p(), end.law.p())?.0)
        };
        println!("{steps:5}   {:14.5}   {:12.5}", reached(&exact)?, reached(&own)?);
    }
    Ok(())
}
