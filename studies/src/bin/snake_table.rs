//! The snake MPS on the cylinder (arXiv 2407.11133) against reference values: acceptance at the critical
//! point, connected moves, weighted averages.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin snake_table
//! # one JSON object, nothing else, on stdout
//! cargo run --release -p tensorjump-studies --bin snake_table -- --table acceptance --json
//! ```
//!
//! The reference acceptances are those of an optimal SVD truncation, computed by independent code; energies,
//! m² and log Z are exact (`tests/reference/ising.json`). The inefficiency is 2τ = 1 + 2Σρ.

use std::process::ExitCode;

use cpu_time::ProcessTime;
use ndarray::{Array1, Array2, Axis, concatenate};
use rand::RngExt;
use serde::Serialize;
use serde_json::{Value, json};
use tensorjump::lattice::{Couplings, Geometry, Ising, SnakeMps, Square};
use tensorjump::mcmc::{
    Chains, Connected, Disconnected, Estimate, MetropolisHastings, Move, RunOptions, WeightSummary,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Streams};

use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, choices, options};

/// Acceptance of the disconnected update at β_c: circumference, rows, χ, reference.
const ACCEPTANCE: [(usize, usize, usize, f64); 9] = [
    (8, 8, 16, 0.60),
    (8, 8, 32, 0.82),
    (8, 8, 64, 0.944),
    (8, 8, 128, 0.991),
    (8, 16, 32, 0.73),
    (8, 16, 64, 0.919),
    (12, 12, 64, 0.58),
    (12, 12, 128, 0.77),
    (12, 12, 256, 0.892),
];

/// Connected update, 8 × 8, χ = 16: noise time, acceptance, statistical inefficiency of |m|.
const CONNECTED: [(f64, f64, f64); 4] =
    [(0.05, 0.72, 103.0), (0.2, 0.63, 31.0), (0.8, 0.61, 4.8), (f64::INFINITY, 0.59, 5.2)];

/// Circumferences whose energies are compared, with bond dimensions that leave the weights something to do.
const MOMENTS: [(usize, usize); 2] = [(4, 6), (8, 32)];

/// Draws at a time.
const BLOCK: usize = 4096;

choices! {
    /// What is compared.
    enum Table {
        /// Independent draws at the critical point
        Acceptance = "acceptance",
        /// Moves over noise times
        Connected = "connected",
        /// Weighted averages
        Moments = "moments",
    }
}

options! {
    /// Snake MPS on the cylinder against reference values
    struct Options [seed, threads, json] {
        /// Which tables
        table: Vec<Table> = vec![Table::Acceptance, Table::Connected, Table::Moments],
        /// Independent draws for each acceptance and each average
        draws: usize = 50_000,
        /// Largest bond dimension of the acceptance table
        max_chi: usize = 128,
        /// Updates of each chain after the warm-up
        updates: usize = 4000,
        /// Markov chains run side by side
        chains: usize = 32,
    }
}

/// A row of the acceptance table.
#[derive(Debug, Serialize)]
struct AcceptanceRow {
    cols: usize,
    rows: usize,
    chi: usize,
    acceptance: f64,
    acceptance_stderr: f64,
    reference: f64,
    importance_ess_fraction: f64,
    max_log_weight: f64,
    log_z_off_in_sigma: f64,
    discarded_weight: f64,
    build_seconds: f64,
    draws_per_second: f64,
}

/// A row of the table of connected moves.
#[derive(Debug, Serialize)]
struct ConnectedRow {
    /// Infinite (null in JSON) for the disconnected move.
    noise_time: f64,
    acceptance: f64,
    acceptance_reference: f64,
    inefficiency_abs_m: f64,
    inefficiency_reference: f64,
    lower_bound: bool,
    updates_per_second: f64,
}

/// A row of the table of averages.
#[derive(Debug, Serialize)]
struct MomentRow {
    cols: usize,
    rows: usize,
    beta: f64,
    chi: usize,
    energy_per_site: f64,
    energy_stderr: f64,
    energy_off_in_sigma: f64,
    m2: f64,
    m2_stderr: f64,
    m2_off_in_sigma: f64,
    log_z_off_in_sigma: f64,
    importance_ess_fraction: f64,
}

fn main() -> ExitCode {
    tensorjump_studies::exit(tables())
}

fn tables() -> Result<(), Failure> {
    let mut options: Options = options::parse()?;
    if !options.table.contains(&Table::Acceptance) {
        options::refuse(&mut options, &["max-chi"], "only for --table acceptance")?;
    }
    if !options.table.contains(&Table::Connected) {
        options::refuse(&mut options, &["updates", "chains"], "only for --table connected")?;
    }
    for (name, value) in [("draws", options.draws), ("updates", options.updates), ("chains", options.chains)] {
        options::positive(name, value)?;
    }
    options::set_threads(options.threads)?;
    let mut report = json!({});
    for table in &options.table {
        let (key, rows, text) = match table {
            Table::Acceptance => acceptance(&options)?,
            Table::Connected => connected(&options)?,
            Table::Moments => moments(&options)?,
        };
        if options.json {
            report[key] = rows;
        } else {
            print(&format!("{text}\n"))?;
        }
    }
    if options.json { print(&options::json(&options, &report)?) } else { Ok(()) }
}

fn critical() -> f64 {
    (1.0 + 2f64.sqrt()).ln() / 2.0
}

fn ferromagnet(cols: usize, rows: usize, beta: f64) -> Result<Ising, Failure> {
    Ok(Ising::new(Couplings::uniform(Square::new(rows, cols, Geometry::Cylinder)?, 1.0)?, beta)?)
}

/// Independent draws of the model: log-weights, and energy per site and magnetisation, shape `(draws, 2)`.
struct Draws {
    log_w: Array1<f64>,
    observables: Array2<f64>,
    per_second: f64,
}

/// Draws block by block: the configurations themselves are not kept.
fn draw(ising: &Ising, snake: &SnakeMps, n: usize, streams: &Streams) -> Result<Draws, Failure> {
    let (mut log_w, mut observables, mut seconds) = (Array1::zeros(0), Array2::zeros((0, 2)), 0.0);
    for first in (0..n).step_by(BLOCK) {
        let clock = ProcessTime::now();
        let samples = snake.draw(BLOCK.min(n - first), &streams.rows_from(first))?;
        seconds += clock.elapsed().as_secs_f64();
        log_w.append(Axis(0), samples.log_importance_weights(ising)?.view())?;
        observables.append(Axis(0), observe(ising, samples.x.view())?.view())?;
    }
    Ok(Draws { log_w, observables, per_second: n as f64 / seconds })
}

/// Energy per site and magnetisation, shape `(samples, 2)`.
fn observe(ising: &Ising, x: Configs<'_>) -> tensorjump::Result<Array2<f64>> {
    let energy = ising.energy(x)? / x.ncols() as f64;
    Ok(concatenate![Axis(1), energy.insert_axis(Axis(1)), ising.magnetisation(x)?.insert_axis(Axis(1))])
}

type Answer = (&'static str, Value, String);

fn acceptance(options: &Options) -> Result<Answer, Failure> {
    let mut rows = Vec::new();
    for (k, (cols, sites, chi, reference)) in ACCEPTANCE.into_iter().enumerate() {
        if chi > options.max_chi {
            continue;
        }
        let ising = ferromagnet(cols, sites, critical())?;
        let clock = ProcessTime::now();
        let snake = SnakeMps::new(&ising, chi)?;
        let build_seconds = clock.elapsed().as_secs_f64();
        let draws =
            draw(&ising, &snake, options.draws, &Streams::new(options.seed).domain("acceptance").step(k as u64))?;
        let found = Estimate::stationary_acceptance(draws.log_w.view())?;
        let (log_z, weights) = (Estimate::log_mean_weight(draws.log_w.view())?, WeightSummary::of(draws.log_w.view())?);
        rows.push(AcceptanceRow {
            cols,
            rows: sites,
            chi,
            acceptance: found.mean,
            acceptance_stderr: found.error,
            reference,
            importance_ess_fraction: weights.fraction,
            max_log_weight: weights.max_log_relative,
            log_z_off_in_sigma: (log_z.mean - snake.log_z()) / log_z.error,
            discarded_weight: snake.truncation_error(),
            build_seconds,
            draws_per_second: draws.per_second,
        });
    }
    let header = [
        "lattice",
        "χ",
        "acceptance",
        "± σ",
        "reference",
        "ESS/n",
        "max log w/w̄",
        "log Z off",
        "discarded",
        "build s",
        "draws/s",
    ];
    let cells = |r: &AcceptanceRow| {
        vec![
            format!("{}×{}", r.cols, r.rows),
            r.chi.to_string(),
            number(r.acceptance, 4),
            number(r.acceptance_stderr, 1),
            number(r.reference, 3),
            number(r.importance_ess_fraction, 3),
            number(r.max_log_weight, 3),
            format!("{:+.1} σ", r.log_z_off_in_sigma),
            number(r.discarded_weight, 3),
            number(r.build_seconds, 3),
            number(r.draws_per_second, 3),
        ]
    };
    let text = format!(
        "Disconnected update on the cylinder (circumference × rows) at the critical point, {} draws; seconds of CPU time\n{}",
        options.draws,
        render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
    );
    Ok(("acceptance", serde_json::to_value(&rows)?, text))
}

fn connected(options: &Options) -> Result<Answer, Failure> {
    let ising = ferromagnet(8, 8, critical())?;
    let snake = SnakeMps::new(&ising, 16)?;
    let start = equilibrium(&ising, &snake, options)?;
    let noise = Noise::new(Rates::binary_flip(64, 1.0, 1.0)?, Schedule::constant(1.0)?);
    let mut rows = Vec::new();
    for (time, acceptance_reference, inefficiency_reference) in CONNECTED {
        let dynamics: Box<dyn Move> = if time.is_finite() {
            Box::new(MetropolisHastings::new(Connected::new(&snake, noise.kernel(0.0, time)?)?))
        } else {
            Box::new(MetropolisHastings::new(Disconnected::new(&snake)))
        };
        let mut chains = Chains::new(&ising, start.clone())?;
        let plan = RunOptions {
            updates: options.updates,
            warm_up: options.updates / 10,
            seed: options.seed,
            ..RunOptions::default()
        };
        let clock = ProcessTime::now();
        let run = plan.run(&ising, &dynamics, &mut chains, |x| Ok(ising.magnetisation(x)?.mapv(f64::abs)))?;
        let updates = (plan.updates + plan.warm_up) * options.chains;
        let found = run.autocorrelation(0)?;
        rows.push(ConnectedRow {
            noise_time: time,
            acceptance: run.report.acceptance(),
            acceptance_reference,
            inefficiency_abs_m: 2.0 * found.tau,
            inefficiency_reference,
            lower_bound: found.lower_bound,
            updates_per_second: updates as f64 / clock.elapsed().as_secs_f64(),
        });
    }
    let header = ["noise time", "acceptance", "reference", "2τ(|m|)", "reference", "updates / CPU s"];
    let cells = |r: &ConnectedRow| {
        let bound = if r.lower_bound { "≥ " } else { "" };
        vec![
            if r.noise_time.is_finite() { number(r.noise_time, 2) } else { "∞".into() },
            number(r.acceptance, 4),
            number(r.acceptance_reference, 2),
            format!("{bound}{}", number(r.inefficiency_abs_m, 3)),
            number(r.inefficiency_reference, 3),
            number(r.updates_per_second, 3),
        ]
    };
    let text = format!(
        "Connected update, 8×8, χ = 16, flip rate 1: {} updates of {} chains\n{}",
        options.updates,
        options.chains,
        render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
    );
    Ok(("connected", serde_json::to_value(&rows)?, text))
}

/// Starts drawn from the target, nearly: draws of the model, chosen by their weights.
fn equilibrium(ising: &Ising, snake: &SnakeMps, options: &Options) -> Result<Array2<u8>, Failure> {
    let streams = Streams::new(options.seed).domain("start");
    let samples = snake.draw(options.draws, &streams)?;
    let log_w = samples.log_importance_weights(ising)?;
    let max = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = log_w
        .iter()
        .map(|log| {
            sum += (log - max).exp();
            sum
        })
        .collect();
    let mut rng = streams.domain("choice").stream(0);
    let choose = |_| cumulative.partition_point(|&c| c <= sum * rng.random::<f64>()).min(cumulative.len() - 1);
    let chosen: Vec<usize> = (0..options.chains).map(choose).collect();
    Ok(samples.x.select(Axis(0), &chosen))
}

fn moments(options: &Options) -> Result<Answer, Failure> {
    let file: Value = serde_json::from_str(include_str!("../../../tests/reference/ising.json"))?;
    let cases = file["cases"].as_array().ok_or("tests/reference/ising.json has no cases")?;
    let get = |case: &Value, key: &str| {
        case[key].as_f64().ok_or_else(|| Failure::from(format!("tests/reference/ising.json: no {key} in {case}")))
    };
    let mut rows = Vec::new();
    for (k, case) in cases.iter().enumerate().filter(|(_, case)| case["kind"] == "cyl" && case["m2"].is_number()) {
        let (cols, sites) = (get(case, "L")? as usize, get(case, "M")? as usize);
        let Some((_, chi)) = MOMENTS.into_iter().find(|moment| moment.0 == cols) else { continue };
        let beta = get(case, "beta")?;
        let ising = ferromagnet(cols, sites, beta)?;
        let snake = SnakeMps::new(&ising, chi)?;
        let draws = draw(&ising, &snake, options.draws, &Streams::new(options.seed).domain("moments").step(k as u64))?;
        let energy = Estimate::importance_mean(draws.log_w.view(), draws.observables.column(0))?;
        let m2 = Estimate::importance_mean(draws.log_w.view(), draws.observables.column(1).mapv(|m| m * m).view())?;
        let log_z = Estimate::log_mean_weight(draws.log_w.view())?;
        rows.push(MomentRow {
            cols,
            rows: sites,
            beta,
            chi,
            energy_per_site: energy.mean,
            energy_stderr: energy.error,
            energy_off_in_sigma: (energy.mean - get(case, "energy_per_site")?) / energy.error,
            m2: m2.mean,
            m2_stderr: m2.error,
            m2_off_in_sigma: (m2.mean - get(case, "m2")?) / m2.error,
            log_z_off_in_sigma: (log_z.mean - get(case, "logZ")?) / log_z.error,
            importance_ess_fraction: WeightSummary::of(draws.log_w.view())?.fraction,
        });
    }
    let header = ["lattice", "β", "χ", "E/N", "± σ", "off by", "m²", "± σ", "off by", "log Z off", "ESS/n"];
    let cells = |r: &MomentRow| {
        vec![
            format!("{}×{}", r.cols, r.rows),
            number(r.beta, 4),
            r.chi.to_string(),
            number(r.energy_per_site, 6),
            number(r.energy_stderr, 2),
            format!("{:+.1} σ", r.energy_off_in_sigma),
            number(r.m2, 6),
            number(r.m2_stderr, 2),
            format!("{:+.1} σ", r.m2_off_in_sigma),
            format!("{:+.1} σ", r.log_z_off_in_sigma),
            number(r.importance_ess_fraction, 3),
        ]
    };
    let text = format!(
        "Weighted averages over {} draws against exact values (circumference × rows)\n{}",
        options.draws,
        render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
    );
    Ok(("moments", serde_json::to_value(&rows)?, text))
}
