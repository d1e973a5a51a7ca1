//! Somebody else's Monte Carlo loop, with a proposal from this crate: `cargo run --release --example
//! embedding`.
//!
//! Their target is an Ising ring with an additional coupling of all pairs, `−β E = βJ Σ_j s_j s_{j+1} + βK/N
//! (Σ_j s_j)²`; the proposal is the exact law of the nearest-neighbour ring, noised and denoised. Accepting
//! on their energy and our log-ratio is exact.

use ndarray::Array2;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tensorjump::mcmc::{Connected, Proposal, SeriesMean};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Result, Streams};

const SITES: usize = 16;

/// Their code: −β times the energy of spins 0 (down) and 1 (up).
fn log_weight(x: &[u8]) -> f64 {
    let s = |j: usize| 2.0 * f64::from(x[j % SITES]) - 1.0;
    let magnetisation: f64 = (0..SITES).map(s).sum();
    0.4 * (0..SITES).map(|j| s(j) * s(j + 1)).sum::<f64>() + 0.15 / SITES as f64 * magnetisation.powi(2)
}

fn main() -> Result<()> {
    let ring = PositiveMps::ising(0.4, &[1.0; SITES], &[0.0; SITES], Boundary::Ring)?;
    let noise = Noise::new(Rates::binary_flip(SITES, 1.0, 1.0)?, Schedule::constant(1.0)?);
    let proposal = Connected::new(&ring, noise.kernel(0.0, 0.5)?)?;

    // Their loop: one configuration, their generator, their accept/reject.
    let (streams, mut rng) = (Streams::new(1), StdRng::seed_from_u64(2));
    let (mut x, mut accepted, mut series) = (vec![0; SITES], 0, vec![]);
    let steps = 50_000;
    for step in 0..steps {
        let (candidate, log_ratio) = proposal.propose_one(&x, &streams.step(step))?;
        if rng.random::<f64>().ln() < log_weight(&candidate) - log_weight(&x) + log_ratio {
            x = candidate;
            accepted += 1;
        }
        series.push([(2.0 * x.iter().map(|&n| f64::from(n)).sum::<f64>() - SITES as f64).powi(2)]);
    }

    let (mut z, mut exact) = (0.0, 0.0);
    for bits in 0..1u32 << SITES {
        let x: Vec<u8> = (0..SITES).map(|j| (bits >> j & 1) as u8).collect();
        let w = log_weight(&x).exp();
        z += w;
        exact += w * (2.0 * f64::from(bits.count_ones()) - SITES as f64).powi(2);
    }
    println!("acceptance {:.3}", f64::from(accepted) / steps as f64);
    let found = SeriesMean::of(Array2::from(series).view())?;
    println!("⟨M²⟩ = {:.2} ± {:.2} by Monte Carlo, {:.2} by enumeration", found.mean, found.error, exact / z);
    Ok(())
}
