//! Speed of the samplers as a fraction of this machine's own matrix products, measured in turn in the same
//! run.
//!
//! `cargo run --release -p tensorjump-studies --bin throughput [-- --json]`. One thread is timed by its CPU
//! time, which other processes on the machine disturb least; two threads by the clock. The best of the
//! repetitions counts, for the products and for the samplers.

use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use ndarray::Array2;
use serde_json::json;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::linalg::matmul_into;
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::Kernel;
use tensorjump::{Model, Result, SiteWeights, Streams};
use tensorjump_studies::output::print;
use tensorjump_studies::{Failure, choices, options};

/// Repetitions below which the best is that of a disturbed machine.
const LEAST: usize = 10;

choices! {
    /// A kind of sampler.
    enum Kind {
        /// Plain draws of a non-negative MPS
        Linear = "linear",
        /// Plain draws of a Born MPS
        Born = "born",
        /// Draws of a non-negative MPS given a noisy configuration
        Tilted = "tilted_linear",
    }
}

options! {
    /// Samples a second, and the multiply-adds behind them as a fraction of the machine's matrix products
    struct Options [json] {
        /// Sites of the chain
        sites: usize = 100,
        /// Bond dimensions
        chi: Vec<usize> = vec![64, 16],
        /// Samples a call
        batch: usize = 1024,
        /// Numbers of threads
        threads: Vec<usize> = vec![1, 2],
        /// Repetitions; the best counts
        repeat: usize = 20,
        /// Share of symbols that the noise flips
        flip: f64 = 0.1,
        /// Only these kinds
        kind: Vec<Kind> = vec![Kind::Linear, Kind::Born, Kind::Tilted],
    }
}

/// One sampler with the multiply-adds of a sample, in units of χ² a site.
struct Case<'a> {
    kind: Kind,
    scalar: &'static str,
    model: &'a dyn Model,
    weights: SiteWeights<'a>,
    units: f64,
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = options::parse()?;
    options::positive("batch", options.batch)?;
    if options.repeat < LEAST {
        return Err(format!("--repeat {}: at least {LEAST} are needed", options.repeat).into());
    }
    let mut rows = Vec::new();
    for &chi in &options.chi {
        let dims = vec![2; options.sites];
        let linear = PositiveMps::random(&dims, chi, &mut Streams::new(1).stream(0))?;
        let single = linear.single_precision();
        let born = BornMps::random(&dims, chi, &mut Streams::new(2).stream(0))?;
        let flip = Array2::from_shape_fn((2, 2), |(a, b)| if a == b { 1.0 - options.flip } else { options.flip });
        let kernel = Kernel::new(&vec![flip; options.sites])?;
        let x = linear.draw(options.batch, &Streams::new(3))?.x;
        let y = kernel.sample(x.view(), &Streams::new(3))?;
        let plain = SiteWeights::Uniform;
        let tilted = kernel.likelihood(y.view());
        let connected = 2.0 + options.flip;
        let cases = [
            Case { kind: Kind::Linear, scalar: "f64", model: &linear, weights: plain, units: 1.0 },
            Case { kind: Kind::Linear, scalar: "f32", model: &single, weights: plain, units: 1.0 },
            Case { kind: Kind::Born, scalar: "f64", model: &born, weights: plain, units: 1.0 },
            Case { kind: Kind::Tilted, scalar: "f64", model: &linear, weights: tilted, units: connected },
            Case { kind: Kind::Tilted, scalar: "f32", model: &single, weights: tilted, units: connected },
        ];
        for case in cases.iter().filter(|case| options.kind.contains(&case.kind)) {
            for &threads in &options.threads {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
                let (sampler, gemm) = pool.install(|| measure(case, &options, threads))?;
                rows.push(row(case, &options, chi, threads, sampler, gemm));
                if !options.json {
                    print_row(&rows[rows.len() - 1]);
                }
            }
        }
    }
    let fredkin = fredkin(&options)?;
    if options.json {
        print(&options::json(&options, &json!({ "rows": rows, "fredkin": fredkin }))?)?;
    } else {
        println!(
            "Fredkin chain of {} sites: {:.2e} sites/s on one thread",
            fredkin["sites"],
            fredkin["sites_per_second"].as_f64().unwrap_or_default()
        );
    }
    Ok(())
}

/// Best times of one batch and of one matrix product on one thread, taken in turn.
fn measure(case: &Case<'_>, options: &Options, threads: usize) -> Result<(Duration, f64)> {
    let streams = Streams::new(4);
    let (mut sampler, mut gemm) = (Duration::MAX, 0.0f64);
    for k in 0..options.repeat {
        gemm = gemm.max(gemm_gflops());
        let (clock, cpu) = (Instant::now(), ThreadTime::now());
        let _ = case.model.sample(&case.weights, options.batch, &streams.step(k as u64))?;
        sampler = sampler.min(if threads == 1 { cpu.elapsed() } else { clock.elapsed() });
    }
    Ok((sampler, gemm))
}

/// Plain draws of the exact Fredkin law at c = 1/2 on one thread.
fn fredkin(options: &Options) -> std::result::Result<serde_json::Value, Failure> {
    const SITES: usize = 400;
    let model = FredkinModel::new(&Fredkin::new(SITES, 0.5)?)?;
    let streams = Streams::new(5);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let best = pool.install(|| -> Result<Duration> {
        let mut best = Duration::MAX;
        for k in 0..options.repeat {
            let start = ThreadTime::now();
            let _ = model.draw(options.batch, &streams.step(k as u64))?;
            best = best.min(start.elapsed());
        }
        Ok(best)
    })?;
    Ok(json!({ "sites": SITES, "sites_per_second": (SITES * options.batch) as f64 / best.as_secs_f64() }))
}

/// Rate of a 512 × 64 × 64 product in double precision on this thread, best of 8.
fn gemm_gflops() -> f64 {
    let (m, k, n) = (512, 64, 64);
    let a = Array2::from_elem((m, k), 0.5);
    let b = Array2::from_elem((k, n), 0.25);
    let mut c = Array2::zeros((m, n));
    let times = (0..8).map(|_| {
        let start = ThreadTime::now();
        matmul_into(1.0, a.view(), b.view(), 0.0, c.view_mut());
        start.elapsed()
    });
    // On a virtual machine the clock of a thread now and then stands still.
    let best = times.filter(|time| *time > Duration::from_micros(1)).min();
    best.map_or(0.0, |best| 2e-9 * (m * k * n) as f64 / best.as_secs_f64())
}

fn row(case: &Case<'_>, options: &Options, chi: usize, threads: usize, time: Duration, gemm: f64) -> serde_json::Value {
    let rate = options.batch as f64 / time.as_secs_f64();
    let multiply_adds = case.units * (options.sites * chi * chi) as f64;
    json!({
        "kind": case.kind.name(),
        "scalar": case.scalar,
        "sites": options.sites,
        "chi": chi,
        "batch": options.batch,
        "threads": threads,
        "samples_per_second": rate,
        "multiply_adds_per_sample": multiply_adds,
        "gemm_gflops": gemm,
        "fraction_of_gemm": 2e-9 * multiply_adds * rate / gemm,
    })
}

fn print_row(row: &serde_json::Value) {
    println!(
        "{:14} {}  {}×{:<4} {} thread(s): {:9.0} samples/s, {:4.1} GFlop/s of products, fraction {:.3}",
        row["kind"].as_str().unwrap_or_default(),
        row["scalar"].as_str().unwrap_or_default(),
        row["sites"],
        row["chi"].as_u64().unwrap_or_default(),
        row["threads"],
        row["samples_per_second"].as_f64().unwrap_or_default(),
        row["gemm_gflops"].as_f64().unwrap_or_default(),
        row["fraction_of_gemm"].as_f64().unwrap_or_default(),
    );
}
