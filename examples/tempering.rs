//! Parallel tempering of a spin glass, which may be killed and started again:
//! `cargo run --release --example tempering -- glass.state`.
//!
//! A ladder of temperatures, each with heat-bath sweeps on packed spins, in two independent copies, whose
//! overlap at the lowest temperature is the order parameter. With the name of a file the state is kept there,
//! and the series in `glass.state.series.npy`, which NumPy reads while the run goes on. The same call again
//! goes on where the file stands, bit for bit. Ctrl-C or `kill -9` lose ten seconds at most.

use std::ops::ControlFlow;

use ndarray::Array1;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Level, RunOptions, Tempering};
use tensorjump::{Configs, Result};

const L: usize = 16;
const LEVELS: usize = 12;

/// Squared overlap of the two copies of a level: one row, one number.
fn overlap(_level: usize, x: Configs<'_>) -> Result<Array1<f64>> {
    let agree = x.row(0).iter().zip(x.row(1)).filter(|(a, b)| a == b).count();
    let q = 2.0 * agree as f64 / x.ncols() as f64 - 1.0;
    Ok(Array1::from_elem(1, q * q))
}

fn main() -> Result<()> {
    let couplings = Couplings::plus_minus(Square::new(L, L, Geometry::Torus)?, 1);
    let level = |k: usize| {
        let beta = 0.4 * 5f64.powf(k as f64 / (LEVELS - 1) as f64);
        let target = Ising::new(couplings.clone(), beta)?;
        Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
    };
    let levels = (0..LEVELS).map(level).collect::<Result<Vec<_>>>()?;
    let tempering = Tempering::new(levels)?.proportional()?;

    let file = std::env::args_os().nth(1);
    let checkpoint = file.map(|path| Checkpoint { path: path.into(), every: Interval::Seconds(10.0) });
    let options = RunOptions { updates: 20_000, warm_up: 2000, thin: 4, ..RunOptions::default() };
    let mut replicas = tempering.start(2, 7)?;
    let runs = tempering.run_with_checkpoint(&options, &mut replicas, overlap, checkpoint.as_ref(), |replicas| {
        if replicas.updates().is_multiple_of(2000) {
            eprintln!("{} updates, {} round trips", replicas.updates(), replicas.round_trips());
        }
        ControlFlow::Continue(())
    })?;

    let rates: Vec<String> = replicas.swap_rates().iter().map(|rate| format!("{rate:.2}")).collect();
    println!("±J {L} × {L} torus, β = 0.4 … 2.0; swap rates {}", rates.join(" "));
    println!("round trips {}", replicas.round_trips());
    let (mean, tau) = (runs[LEVELS - 1].mean(0)?, runs[LEVELS - 1].autocorrelation(0)?.tau);
    println!("⟨q²⟩ at β = 2: {:.4} ± {:.4}, τ = {:.1} updates", mean.mean, mean.error, 4.0 * tau);
    Ok(())
}
