//! Contractions in lanes beside one at a time: acceptance and time of a redrawn configuration, drawn, scored and
//! accepted or not; and what that makes of a chain, in independent configurations a second. One thread.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin lanes                 # connected moves and windows, time a site
//! # Independent configurations a second of a chain, beside independent draws and clusters; one model a process
//! cargo run --release -p tensorjump-studies --bin lanes -- --effective --model ferromagnet --side 32 --chi 2
//! cargo run --release -p tensorjump-studies --bin lanes -- --effective --model glass --beta 2 --chi 4
//! ```
//!
//! Independent configurations a CPU second are `1/(2 τ c)`, `c` the CPU time of an update of one chain, measurements
//! apart, and `τ` the longest autocorrelation time of the energy and `|m|`, of a glass of the energy, the overlap `q`
//! of two chains and `|q|`. Chains start from boundary draws at χ = 8. `--bin spin_glass` has tempering in the same
//! measure, for the same couplings.

use cpu_time::ProcessTime;
use ndarray::{Array2, s};
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square, Windows, Wolff};
use tensorjump::mcmc::{
    Autocorrelation, Chains, Connected, Disconnected, MetropolisHastings, Move, MoveReport, Proposal, Proposed,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Streams, Target};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options};

/// `ln(1 + √2)/2`.
const BETA_C: f64 = 0.440_686_793_509_771_5;
/// Bond dimension of the draws from which chains start.
const START_CHI: usize = 8;
/// Noise times: those of the literature.
const TIMES: [f64; 3] = [0.2, 0.5, 1.0];
/// Noise time of the move between proposals.
const ADVANCE: f64 = 0.5;
/// Side of the windows, and how many each update of a chain redraws.
const WINDOW: usize = 16;
const WINDOWS: usize = 4;
/// Clusters of an update.
const CLUSTERS: usize = 10;

options! {
    /// Contractions in lanes beside one at a time: acceptance and time, one thread
    struct Options [seed, json] {
        /// Side of the lattice (default: 32)
        side: Option<usize>,
        /// Chains (default: 64)
        chains: Option<usize>,
        /// Updates in lanes (default: 40), a tenth of them one at a time; of whole chains (default: 200)
        updates: Option<usize>,
        /// Bond dimensions
        chi: Vec<usize> = vec![2, 4, 8],
        /// Only this one of ferromagnet, glass (±J), gaussian
        model: Option<String>,
        /// Inverse temperature of the glasses
        beta: f64 = 1.0,
        /// Noise times of whole chains
        times: Vec<f64> = vec![0.2, 0.5, 1.0, 2.0],
        /// Only in lanes
        lanes_only: bool,
        /// Independent configurations a second of whole chains, instead of times a site
        effective: bool,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// A model with chains close to its law.
struct System {
    name: &'static str,
    ising: Ising,
    noise: Noise,
    start: Chains,
}

impl System {
    fn label(&self) -> String {
        format!("{} {}², β = {:.4}", self.name, self.ising.lattice().rows(), self.ising.beta())
    }
}

fn systems(o: &Options) -> Result<Vec<System>, Failure> {
    let side = o.side.unwrap_or(32);
    let open = Square::new(side, side, Geometry::Open)?;
    let models = [
        ("ferromagnet", Couplings::uniform(open, 1.0)?, BETA_C),
        ("glass", Couplings::plus_minus(open, 1), o.beta),
        ("gaussian", Couplings::gaussian(open, 1), o.beta),
    ];
    let wanted = |name: &str| o.model.as_ref().is_none_or(|model| model == name);
    let system = |(name, couplings, beta)| {
        let ising = Ising::new(couplings, beta)?;
        let streams = Streams::new(o.seed).domain("start");
        let start = BoundaryMps::proposal(&ising, START_CHI)?.draw(o.chains.unwrap_or(64), &streams)?;
        let start = Chains::new(&ising, start.x)?;
        let noise = Noise::new(Rates::uniform(ising.dims(), 2.0)?, Schedule::constant(1.0)?);
        Ok(System { name, ising, noise, start })
    };
    let systems: Vec<System> =
        models.into_iter().filter(|m| wanted(m.0)).map(system).collect::<Result<_, Failure>>()?;
    if systems.is_empty() {
        return Err("--model is one of ferromagnet, glass, gaussian".into());
    }
    Ok(systems)
}

/// What came of a law.
struct Measured {
    acceptance: f64,
    error: f64,
    /// A redrawn site.
    seconds: f64,
}

/// Mean probability of acceptance of proposals for chains that `advance` moves between them, the same for every
/// law that is measured.
fn proposals(
    system: &System,
    proposal: &dyn Proposal,
    advance: &dyn Move,
    updates: usize,
    seed: u64,
) -> Result<Measured, Failure> {
    let mut chains = system.start.clone();
    let streams = Streams::new(seed).domain("updates");
    let (mut all, mut seconds) = (vec![], 0.0);
    for k in 0..updates {
        let streams = streams.step(k as u64);
        let clock = ProcessTime::now();
        let proposed = proposal.propose(chains.x(), &streams)?;
        let log_weight = system.ising.log_weight(proposed.x.view())?;
        let old = chains.log_weight();
        let rows = old.iter().zip(&log_weight).zip(&proposed.log_ratio);
        all.extend(rows.map(|((old, new), ratio)| Proposed::acceptance_probability(*old, *new, *ratio)));
        seconds += clock.elapsed().as_secs_f64();
        advance.update(&mut chains, &system.ising, &streams.domain("advance"))?;
    }
    let n = all.len() as f64;
    let acceptance = all.iter().sum::<f64>() / n;
    let variance = all.iter().map(|p| (p - acceptance).powi(2)).sum::<f64>() / n;
    let seconds = seconds / (n * system.ising.dims().len() as f64);
    Ok(Measured { acceptance, error: (variance / n).sqrt(), seconds })
}

/// Fraction of windows accepted.
fn windows(system: &System, windows: &Windows<&Ising>, updates: usize, seed: u64) -> Result<Measured, Failure> {
    let mut chains = system.start.clone();
    let streams = Streams::new(seed).domain("windows");
    let (mut all, clock) = (MoveReport::default(), ProcessTime::now());
    for k in 0..updates {
        let report = windows.update(&mut chains, &system.ising, &streams.step(k as u64))?;
        (all.proposed, all.accepted) = (all.proposed + report.proposed, all.accepted + report.accepted);
    }
    let (n, acceptance) = (all.proposed as f64, all.acceptance());
    let seconds = clock.elapsed().as_secs_f64() / (n * (WINDOW * WINDOW) as f64);
    Ok(Measured { acceptance, error: (acceptance * (1.0 - acceptance) / n).sqrt(), seconds })
}

/// Connected moves and windows, one at a time and in lanes.
fn times(o: &Options, systems: &[System]) -> Result<(Vec<Vec<String>>, Vec<Value>), Failure> {
    let updates = o.updates.unwrap_or(40);
    let (mut lines, mut rows) = (vec![], vec![]);
    for system in systems {
        let advance = BoundaryMps::proposal(&system.ising, 4)?.with_sketches();
        let advance = MetropolisHastings::new(Connected::new(advance, system.noise.kernel(0.0, ADVANCE)?)?);
        for &chi in &o.chi {
            let plain = BoundaryMps::proposal(&system.ising, chi)?;
            let sketched = plain.clone().with_sketches();
            let mut add = |what: &str, kind: &str, m: Measured| {
                lines.push(vec![
                    system.label(),
                    what.to_string(),
                    chi.to_string(),
                    kind.to_string(),
                    format!("{:.4} ± {:.4}", m.acceptance, m.error),
                    number(1e9 * m.seconds, 3),
                ]);
                rows.push(json!({
                    "model": system.name, "side": system.ising.lattice().rows(), "move": what, "chi": chi, "kind": kind,
                    "acceptance": m.acceptance, "error": m.error, "nanoseconds_a_site": 1e9 * m.seconds,
                }));
            };
            let side = system.ising.lattice().rows().min(WINDOW);
            let one = Windows::new(&system.ising, side, side, chi)?.with_count(WINDOWS)?;
            let many = one.clone().with_sketches()?;
            let kinds = [("one at a time", &plain, &one, updates.div_ceil(10)), ("lanes", &sketched, &many, updates)];
            for (kind, law, of_windows, updates) in kinds.into_iter().filter(|kind| !o.lanes_only || kind.0 == "lanes")
            {
                for time in TIMES {
                    let proposal = Connected::new(law, system.noise.kernel(0.0, time)?)?;
                    let measured = proposals(system, &proposal, &advance, updates, o.seed)?;
                    add(&format!("connected, T = {time}"), kind, measured);
                }
                let measured = windows(system, of_windows, updates.div_ceil(2), o.seed)?;
                add(&format!("windows, {side} × {side}"), kind, measured);
            }
        }
    }
    Ok((lines, rows))
}

/// Updates before those that count: starts are draws of a law close to the model's.
const WARM_UP: usize = 10;

/// Autocorrelation times of a chain, and its cost.
struct Chain {
    acceptance: f64,
    /// CPU seconds of an update of one chain.
    seconds: f64,
    /// Of the energy, and of `|m|`, or `q` and `|q|`.
    times: Vec<Autocorrelation>,
}

impl Chain {
    fn slowest(&self) -> f64 {
        self.times.iter().map(|time| time.tau).fold(0.5, f64::max)
    }
}

/// What is measured, by chain: the energy, and `|m|`; or `q` and `|q|` with the next chain of a pair.
fn observed(system: &System, x: Configs<'_>) -> Result<Vec<Vec<f64>>, Failure> {
    let energy = system.ising.energy(x)?.to_vec();
    if system.name == "ferromagnet" {
        return Ok(vec![energy, system.ising.magnetisation(x)?.mapv(f64::abs).to_vec()]);
    }
    let overlap = |i: usize| {
        let differ = x.row(i).iter().zip(x.row(i ^ 1)).filter(|(a, b)| a != b).count();
        1.0 - 2.0 * differ as f64 / x.ncols() as f64
    };
    let q: Vec<f64> = (0..x.nrows()).map(overlap).collect();
    let size = q.iter().map(|q| q.abs()).collect();
    Ok(vec![energy, q, size])
}

fn chain(system: &System, dynamics: &dyn Move, updates: usize, seed: u64) -> Result<Chain, Failure> {
    let mut chains = system.start.clone();
    let streams = Streams::new(seed).domain("chains");
    let (mut all, mut seconds) = (MoveReport::default(), 0.0);
    let count = observed(system, chains.x())?.len();
    let mut series = vec![Array2::zeros((updates, chains.len())); count];
    for k in 0..WARM_UP + updates {
        let clock = ProcessTime::now();
        let report = dynamics.update(&mut chains, &system.ising, &streams.step(k as u64))?;
        if k < WARM_UP {
            continue;
        }
        seconds += clock.elapsed().as_secs_f64();
        (all.proposed, all.accepted) = (all.proposed + report.proposed, all.accepted + report.accepted);
        for (series, values) in series.iter_mut().zip(observed(system, chains.x())?) {
            series.slice_mut(s![k - WARM_UP, ..]).assign(&ndarray::Array1::from(values));
        }
    }
    let times = series.iter().map(|series| Autocorrelation::of(series.view())).collect::<Result<_, _>>()?;
    Ok(Chain { acceptance: all.acceptance(), seconds: seconds / (updates * chains.len()) as f64, times })
}

/// Independent configurations a second of CPU time, by connected moves in lanes, by independent draws, and by
/// clusters.
fn chains(o: &Options, systems: &[System]) -> Result<(Vec<Vec<String>>, Vec<Value>), Failure> {
    let (mut lines, mut rows) = (vec![], vec![]);
    for system in systems {
        let mut moves: Vec<(String, Box<dyn Move>)> = vec![];
        for &chi in &o.chi {
            let law = BoundaryMps::proposal(&system.ising, chi)?.with_sketches();
            for &time in &o.times {
                let connected = Connected::new(law.clone(), system.noise.kernel(0.0, time)?)?;
                moves.push((format!("connected, T = {time}, χ = {chi}"), Box::new(MetropolisHastings::new(connected))));
            }
            let independent = Box::new(MetropolisHastings::new(Disconnected::new(law)));
            moves.push((format!("independent, χ = {chi}"), independent));
        }
        if system.name == "ferromagnet" {
            let clusters = Box::new(Wolff::new(&system.ising)?.with_clusters(CLUSTERS)?);
            moves.push((format!("Wolff, {CLUSTERS} clusters"), clusters));
        }
        for (name, dynamics) in moves {
            let found = chain(system, &dynamics, o.updates.unwrap_or(200), o.seed)?;
            let independent = 1.0 / (2.0 * found.slowest() * found.seconds);
            let bounded = found.times.iter().any(|time| time.lower_bound);
            let side = system.ising.lattice().rows();
            lines.push(vec![
                system.label(),
                name.clone(),
                format!("{:.4}", found.acceptance),
                number(1e6 * found.seconds, 3),
                found.times.iter().map(|time| number(time.tau, 3)).collect::<Vec<_>>().join(" "),
                format!("{}{}", if bounded { "≤ " } else { "" }, number(independent, 3)),
            ]);
            rows.push(json!({
                "model": system.name, "side": side, "beta": system.ising.beta(), "move": name,
                "acceptance": found.acceptance, "microseconds_an_update": 1e6 * found.seconds,
                "tau": found.times.iter().map(|time| time.tau).collect::<Vec<_>>(),
                "tau_is_a_lower_bound": bounded, "independent_a_second": independent,
            }));
        }
    }
    Ok((lines, rows))
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    if o.chains.is_some_and(|chains| chains == 0 || chains % 2 == 1) {
        return Err("--chains: an even number, for overlaps of pairs".into());
    }
    let systems = systems(&o)?;
    let (lines, rows) = if o.effective { chains(&o, &systems)? } else { times(&o, &systems)? };
    let header = if o.effective {
        ["model", "move", "acceptance", "CPU µs", "τ of E, |m| or q, |q|", "independent/s"]
    } else {
        ["model", "move", "χ", "contraction", "acceptance", "ns a site"]
    };
    let text = if o.json { options::json(&o, &json!({ "rows": rows }))? } else { render(&header, &lines) };
    print(&text)
}
