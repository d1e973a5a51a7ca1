//! Parallel tempering of a spin glass: `cargo run --release --example tempering`.
//!
//! A ladder of temperatures, each with heat-bath sweeps on packed spins, in two independent copies, whose
//! overlap at the lowest temperature is the order parameter.

use ndarray::Array2;
use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Autocorrelation, Level, SeriesMean, Tempering};

const L: usize = 16;

fn main() -> tensorjump::Result<()> {
    let couplings = Couplings::plus_minus(Square::new(L, L, Geometry::Torus)?, 1);
    let level = |k: usize| {
        let beta = 0.4 * (5.0f64).powf(k as f64 / 11.0);
        let target = Ising::new(couplings.clone(), beta)?;
        Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
    };
    let levels = (0..12).map(level).collect::<tensorjump::Result<Vec<_>>>()?;
    let tempering = Tempering::new(levels)?.proportional()?;

    let mut replicas = tempering.start(2, 7)?;
    tempering.advance(&mut replicas, 2000)?;
    replicas.reset_counts();
    let mut series = vec![];
    for _ in 0..5000 {
        tempering.advance(&mut replicas, 4)?;
        let x = replicas.level(11)?;
        let agree = x.row(0).iter().zip(x.row(1)).filter(|(a, b)| a == b).count();
        let overlap = 2.0 * agree as f64 / (L * L) as f64 - 1.0;
        series.push([overlap.powi(2)]);
    }

    let rates: Vec<String> = replicas.swap_rates().iter().map(|rate| format!("{rate:.2}")).collect();
    println!("±J {L} × {L} torus, β = 0.4 … 2.0; swap rates {}", rates.join(" "));
    println!("round trips {}", replicas.round_trips());
    let series = Array2::from(series);
    let (mean, tau) = (SeriesMean::of(series.view())?, Autocorrelation::of(series.view())?.tau);
    println!("⟨q²⟩ at β = 2: {:.4} ± {:.4}, τ = {:.1} updates", mean.mean, mean.error, 4.0 * tau);
    Ok(())
}
