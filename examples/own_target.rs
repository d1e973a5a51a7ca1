//! Your own target, sampled by proposals from a matrix-product law:
//! `cargo run --release --example own_target`.
//!
//! Spins on a ring with a coupling to all others. The nearest-neighbour ring is the law that proposes:
//! independent draws, and noise followed by its exact inverse. Both are exact for the target.

use ndarray::{Array1, ArrayView1};
use tensorjump::mcmc::{Chains, Connected, Disconnected, MetropolisHastings, RunOptions};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::prelude::*;

const SITES: usize = 16;
const DIMS: [usize; SITES] = [2; SITES];

fn magnetisation(x: ArrayView1<'_, u8>) -> f64 {
    x.iter().map(|&a| 2.0 * f64::from(a) - 1.0).sum()
}

/// `0.4 Σ s_j s_{j+1} + 0.15/N (Σ s_j)²`.
struct AllToAll;

impl Target for AllToAll {
    fn dims(&self) -> &[usize] {
        &DIMS
    }

    fn log_weight(&self, x: Configs<'_>) -> tensorjump::Result<Array1<f64>> {
        let of_row = |x: ArrayView1<'_, u8>| {
            let agree = (0..SITES).filter(|&j| x[j] == x[(j + 1) % SITES]).count() as f64;
            0.4 * (2.0 * agree - SITES as f64) + 0.15 / SITES as f64 * magnetisation(x).powi(2)
        };
        Ok(x.outer_iter().map(of_row).collect())
    }

    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        Some(Array1::zeros(SITES))
    }
}

fn main() -> tensorjump::Result<()> {
    let ring = PositiveMps::ising(0.4, &[1.0; SITES], &[0.0; SITES], Boundary::Ring)?;
    let noise = Noise::from(Rates::binary_flip(SITES, 1.0, 1.0)?);
    let connected = Connected::new(&ring, noise.kernel(0.0, 0.5)?)?;
    let moves: [(&str, Box<dyn Move>); 2] = [
        ("independent draws", Box::new(MetropolisHastings::new(Disconnected::new(&ring)))),
        ("noise and inverse", Box::new(MetropolisHastings::new(connected))),
    ];
    for (name, dynamics) in &moves {
        let mut chains = Chains::initial(&AllToAll, 64, 1)?;
        let square = |x: Configs<'_>| Ok(x.outer_iter().map(|x| magnetisation(x).powi(2)).collect::<Array1<f64>>());
        let run = RunOptions::default().run(&AllToAll, dynamics, &mut chains, square)?;
        let (mean, tau) = (run.mean(0)?, run.autocorrelation(0)?.tau);
        let acceptance = run.report.acceptance();
        println!("{name}: ⟨M²⟩ = {:.2} ± {:.2}, acceptance {acceptance:.3}, τ {tau:.2}", mean.mean, mean.error);
    }
    let law = tensorjump::dense::DenseLaw::of(&AllToAll)?;
    println!("enumeration:       ⟨M²⟩ = {:.2}", law.mean(|x| magnetisation(ArrayView1::from(x)).powi(2)));
    Ok(())
}
