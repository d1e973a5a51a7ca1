//! CPU time of a two-site sweep to the right and back: `cargo bench --bench learning`. One thread, CPU seconds, the best of several.
//!
//! 1000 strings of 100 bits at bond 32, where nothing but the limit truncates; and how the time grows with samples, sites and bond.

use cpu_time::ProcessTime;
use tensorjump::learn::{self, BornMethod, BornOptions, Data, Start, SweepStep, Training, Validation};
use tensorjump::model::{Boundary, Model, PositiveMps, SiteWeights};
use tensorjump::tn::Truncation;
use tensorjump::{Result, Streams};

/// CPU seconds of the fastest of `rounds` sweeps after the bonds have reached their limit.
fn sweep(samples: usize, sites: usize, bond: usize, iterations: usize, rounds: usize) -> Result<f64> {
    let law = PositiveMps::ising(0.6, &vec![1.0; sites - 1], &vec![0.0; sites], Boundary::Open)?;
    let x = law.sample(&SiteWeights::Uniform, samples, &Streams::new(1))?.x;
    let data = Data::new(x, &vec![2; sites])?;
    let options = BornOptions {
        method: BornMethod::TwoSite {
            truncation: Truncation { max_bond: bond, cutoff: 0.0 },
            significance: 0.0,
            explore: 0,
            step: SweepStep { iterations, ..SweepStep::default() },
        },
        start: Start::Random { bond },
        training: Training {
            rounds,
            patience: rounds,
            batch: samples,
            validation: Validation::None,
            ..Training::default()
        },
    };
    let (mut clock, mut best) = (ProcessTime::now(), f64::INFINITY);
    learn::born(&data, &options, |_| {
        best = best.min(clock.elapsed().as_secs_f64());
        clock = ProcessTime::now();
    })?;
    Ok(best)
}

fn main() -> Result<()> {
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(1).build_global() {
        eprintln!("more than one thread: {error}");
    }
    println!("samples  sites  bond  conjugate gradients  CPU s a sweep");
    for (samples, sites, bond, iterations) in [
        (1000, 100, 32, 1),
        (1000, 100, 32, 2),
        (1000, 100, 32, 4),
        (2000, 100, 32, 2),
        (4000, 100, 32, 2),
        (1000, 200, 32, 2),
        (1000, 100, 16, 2),
        (1000, 100, 64, 2),
    ] {
        let seconds = sweep(samples, sites, bond, iterations, 5)?;
        println!("{samples:7}  {sites:5}  {bond:4}  {iterations:19}  {seconds:13.3}");
    }
    Ok(())
}
