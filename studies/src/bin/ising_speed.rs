//! Independent configurations in a second of CPU time, on one thread, all in one run: boundary MPS, Wolff,
//! Metropolis.
//!
//! `cargo run --release -p tensorjump-studies --bin ising_speed [-- --json]`

use std::time::Instant;

use serde::Serialize;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams, Target};

use tensorjump_studies::ising::local::{Dynamics, Ensemble};
use tensorjump_studies::ising::measure::{Averages, CHAINS, Method, Plan, Tau};
use tensorjump_studies::ising::options::beta_c;
use tensorjump_studies::ising::system::System;
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::timing::Pieces;
use tensorjump_studies::{Failure, options, progress};

/// Sides of the open squares, each with the bond dimensions to measure: about the best for independent
/// configurations, and a larger one.
const SIDES: [(usize, [usize; 2]); 4] = [(16, [4, 12]), (32, [4, 8]), (64, [4, 8]), (128, [6, 8])];
/// Draws at a time, and repetitions.
const BLOCK: usize = 1024;
const REPETITIONS: usize = 40;
/// Draws by single calls in a repetition.
const SINGLE: usize = 64;
/// Repetitions on one and on two threads.
const SCALING: u64 = 15;
/// Records of each chain.
const RECORDS: usize = 2000;
/// Updates between two records at most.
const THIN: usize = 1 << 12;

/// One lattice.
#[derive(Debug, Serialize)]
struct Row {
    side: usize,
    chi: usize,
    /// CPU seconds of a draw.
    boundary_seconds: f64,
    acceptance: f64,
    importance_ess_fraction: f64,
    /// Independent configurations a second.
    boundary: f64,
    wolff_energy: f64,
    wolff_abs_m: f64,
    metropolis_energy: f64,
    metropolis_abs_m: f64,
    /// Over the slower of energy and |m|.
    ratio_to_wolff: f64,
    ratio_to_metropolis: f64,
    /// Whether all chains were at least 100 τ long.
    chains_long_enough: bool,
}

options! {
    /// Speeds on one thread at L = 16, 32, 64, 128
    struct Options [seed, json] {
        /// Only this bond dimension (default: two for each side)
        chi: Option<usize>,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// Measures and prints all of them.
fn run() -> std::result::Result<(), Failure> {
    let options: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let bar = progress::bar(SIDES.len() as u64 * 3);
    let mut rows = Vec::new();
    for (side, bonds) in SIDES {
        bar.set_message(format!("{side} × {side}"));
        let couplings = Couplings::uniform(Square::new(side, side, Geometry::Open)?, 1.0)?;
        let system = System::new(couplings, beta_c(), None)?;
        let (wolff, wolff_tau) = chains(Method::Wolff, &system, options.seed)?;
        bar.inc(1);
        let (metropolis, metropolis_tau) = chains(Method::Metropolis, &system, options.seed)?;
        bar.inc(1);
        for chi in options.chi.map_or(bonds.to_vec(), |chi| vec![chi]) {
            let (seconds, acceptance, fraction) = boundary(&system, chi, options.seed)?;
            let boundary = fraction / seconds;
            rows.push(Row {
                side,
                chi,
                boundary_seconds: seconds,
                acceptance,
                importance_ess_fraction: fraction,
                boundary,
                wolff_energy: wolff[0],
                wolff_abs_m: wolff[1],
                metropolis_energy: metropolis[0],
                metropolis_abs_m: metropolis[1],
                ratio_to_wolff: boundary / wolff[0].min(wolff[1]),
                ratio_to_metropolis: boundary / metropolis[0].min(metropolis[1]),
                chains_long_enough: !wolff_tau.iter().chain(&metropolis_tau).any(|tau| tau.lower_bound),
            });
        }
        bar.inc(1);
    }
    let scaling = two_threads(options.seed)?;
    let single = one_at_a_time(options.seed)?;
    bar.finish_and_clear();
    print(&if options.json {
        options::json(&options, &serde_json::json!({ "rows": rows, "two_threads": scaling, "one_at_a_time": single }))?
    } else {
        text(&rows, scaling, single)
    })
}

/// Elapsed time of the same draws on one thread over that on two.
fn two_threads(seed: u64) -> std::result::Result<f64, Failure> {
    let couplings = Couplings::uniform(Square::new(64, 64, Geometry::Open)?, 1.0)?;
    let model = BoundaryMps::new(&Ising::new(couplings, beta_c())?, 8)?;
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build();
    let pools = [pool(1)?, pool(2)?];
    let mut best = [f64::INFINITY; 2];
    for k in 0..SCALING {
        for (pool, best) in pools.iter().zip(&mut best) {
            let start = Instant::now();
            let _ = pool.install(|| model.draw(2 * BLOCK, &Streams::new(seed).step(k)))?;
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    Ok(best[0] / best[1])
}

/// CPU seconds of a draw on an open 16 × 16 at χ = 8: its share of a batch, handed out from a batch made
/// ahead, by a call of its own.
fn one_at_a_time(seed: u64) -> std::result::Result<[f64; 3], Failure> {
    let couplings = Couplings::uniform(Square::new(16, 16, Geometry::Open)?, 1.0)?;
    let model = BoundaryMps::new(&Ising::new(couplings, beta_c())?, 8)?;
    let streams = Streams::new(seed).domain("one at a time");
    let mut ahead = model.draws(&streams, BLOCK)?;
    let mut x = vec![0; model.dims().len()];
    let mut pieces: [Pieces; 3] = Default::default();
    for k in 0..REPETITIONS as u64 {
        let _ = pieces[0].time(BLOCK, || model.draw(BLOCK, &streams.step(k)))?;
        pieces[1].time(BLOCK, || (0..BLOCK).try_for_each(|_| ahead.next_into(&mut x).map(|_| ())))?;
        let single = |row: usize| model.draw(1, &streams.step(k).rows_from(row)).map(|_| ());
        pieces[2].time(SINGLE, || (0..SINGLE).try_for_each(single))?;
    }
    let [batch, ahead, single] = pieces;
    Ok([batch.quartile()?, ahead.quartile()?, single.quartile()?])
}

/// CPU seconds of a draw, acceptance, effective fraction.
fn boundary(system: &System, chi: usize, seed: u64) -> std::result::Result<(f64, f64, f64), Failure> {
    let model = BoundaryMps::new(system.model(), chi)?;
    let streams = Streams::new(seed).domain("speed");
    let (mut pieces, mut log_w) = (Pieces::default(), Vec::new());
    for k in 0..REPETITIONS {
        let draws = pieces.time(BLOCK, || model.draw(BLOCK, &streams.step(k as u64)))?;
        log_w.extend(draws.log_importance_weights(system.model())?);
    }
    let log_w = ndarray::Array1::from(log_w);
    let acceptance = Estimate::stationary_acceptance(log_w.view())?.mean;
    Ok((pieces.quartile()?, acceptance, WeightSummary::of(log_w.view())?.fraction))
}

/// Independent configurations a second in energy and in |m|, and the autocorrelation times.
fn chains(method: Method, system: &System, seed: u64) -> std::result::Result<([f64; 2], [Tau; 2]), Failure> {
    let plan = Plan { seed, ..Plan::default() };
    let dynamics = Dynamics::new(method, system, &plan)?;
    let mut ensemble = Ensemble::new(system, &dynamics, seed)?;
    let thin = ensemble.warm_up(THIN)?;
    let series = ensemble.record(RECORDS, thin, None)?;
    let (_, tau): (Averages, [Tau; 2]) = Averages::of_series(system, series.values, thin)?;
    let seconds = ensemble.seconds()?;
    Ok((tau.map(|tau| 0.5 / (tau.updates * seconds)), tau))
}

fn text(rows: &[Row], scaling: f64, single: [f64; 3]) -> String {
    let header = [
        "L",
        "χ",
        "µs/draw",
        "acceptance",
        "ESS/n",
        "boundary MPS",
        "Wolff E",
        "Wolff |m|",
        "Metropolis E",
        "Metropolis |m|",
        "to Wolff",
        "to Metropolis",
    ];
    let row = |r: &Row| {
        vec![
            r.side.to_string(),
            r.chi.to_string(),
            number(1e6 * r.boundary_seconds, 3),
            number(r.acceptance, 5),
            number(r.importance_ess_fraction, 5),
            number(r.boundary, 3),
            number(r.wolff_energy, 3),
            number(r.wolff_abs_m, 3),
            number(r.metropolis_energy, 3),
            number(r.metropolis_abs_m, 3),
            format!("{:.1}", r.ratio_to_wolff),
            number(r.ratio_to_metropolis, 3),
        ]
    };
    let mut text = "Independent configurations in a second of CPU time, one thread, open L × L at β_c\n\n".to_owned();
    text += &render(&header, &rows.iter().map(row).collect::<Vec<_>>());
    text += &format!(
        "\nChains: {CHAINS} of {RECORDS} records each, 1/(2τ · CPU seconds of an update); draws: ESS/n over CPU seconds of a draw, without their weighing. \
         Ratios\nto the slower of E and |m|. Times are lower quartiles of repetitions.\n"
    );
    text += &format!(
        "Two threads draw {scaling:.2} times as fast as one (64 × 64, χ = 8, best of {SCALING} each, elapsed time).\n"
    );
    let [batch, ahead, alone] = single.map(|seconds| number(1e6 * seconds, 3));
    text += &format!(
        "A draw of 16 × 16, χ = 8: {batch} µs in a batch of {BLOCK}, {ahead} µs handed out from one made ahead, {alone} µs by a call of its own.\n"
    );
    for r in rows.iter().filter(|r| !r.chains_long_enough) {
        text += &format!("L = {}: a chain is shorter than 100 τ, which is then a lower bound.\n", r.side);
    }
    text
}
