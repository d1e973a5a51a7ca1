//! Contractions in lanes beside one at a time: acceptance and time of a redrawn configuration, drawn, scored and
//! accepted or not; and what that makes of a chain, in independent configurations a second. One thread.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin lanes                 # connected moves and windows, time a site
//! cargo run --release -p tensorjump-studies --bin lanes -- --effective  # effective draws a second, beside clusters
//! ```

use cpu_time::ProcessTime;
use ndarray::Array2;
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square, Windows, Wolff};
use tensorjump::mcmc::{
    Chains, Connected, Disconnected, MetropolisHastings, Move, MoveReport, Proposal, Proposed, RunOptions,
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
        /// Updates in lanes (default: 40), a tenth of them one at a time
        updates: Option<usize>,
        /// Bond dimension (default: 2, 4, 8)
        chi: Option<usize>,
        /// Only in lanes
        lanes_only: bool,
        /// Effective draws a second of whole chains, instead of times a site
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

fn systems(side: usize, chains: usize, seed: u64) -> Result<Vec<System>, Failure> {
    let open = Square::new(side, side, Geometry::Open)?;
    let models = [
        ("ferromagnet, β_c", Couplings::uniform(open, 1.0)?, BETA_C),
        ("±J, β = 1", Couplings::plus_minus(open, 1), 1.0),
        ("Gaussian, β = 1", Couplings::gaussian(open, 1), 1.0),
    ];
    let system = |(name, couplings, beta)| {
        let ising = Ising::new(couplings, beta)?;
        let start = BoundaryMps::proposal(&ising, START_CHI)?.draw(chains, &Streams::new(seed).domain("start"))?;
        let start = Chains::new(&ising, start.x)?;
        let noise = Noise::new(Rates::uniform(ising.dims(), 2.0)?, Schedule::constant(1.0)?);
        Ok(System { name, ising, noise, start })
    };
    models.into_iter().map(system).collect()
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
        for chi in o.chi.map_or(vec![2, 4, 8], |chi| vec![chi]) {
            let plain = BoundaryMps::proposal(&system.ising, chi)?;
            let sketched = plain.clone().with_sketches();
            let mut add = |what: &str, kind: &str, m: Measured| {
                lines.push(vec![
                    system.name.to_string(),
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

/// Effective draws of the slower of energy and `|m|` a second of CPU time, by connected moves in lanes, by
/// independent draws, and by clusters.
fn chains(o: &Options, systems: &[System]) -> Result<(Vec<Vec<String>>, Vec<Value>), Failure> {
    let (mut lines, mut rows) = (vec![], vec![]);
    for system in systems {
        let mut moves: Vec<(String, Box<dyn Move>)> = vec![];
        for chi in o.chi.map_or(vec![2, 4, 8], |chi| vec![chi]) {
            let law = BoundaryMps::proposal(&system.ising, chi)?.with_sketches();
            for time in [0.5, 1.0, 2.0] {
                let connected = Connected::new(law.clone(), system.noise.kernel(0.0, time)?)?;
                moves.push((format!("connected, T = {time}, χ = {chi}"), Box::new(MetropolisHastings::new(connected))));
            }
            let independent = Box::new(MetropolisHastings::new(Disconnected::new(law)));
            moves.push((format!("independent, χ = {chi}"), independent));
        }
        if system.ising.couplings().horizontal().iter().all(|&j| j > 0.0) {
            let clusters = Box::new(Wolff::new(&system.ising)?.with_clusters(CLUSTERS)?);
            moves.push((format!("Wolff, {CLUSTERS} clusters"), clusters));
        }
        for (name, dynamics) in moves {
            let length =
                RunOptions { updates: o.updates.unwrap_or(100), warm_up: 0, seed: o.seed, ..RunOptions::default() };
            let observe = |x: Configs<'_>| {
                let (energy, m) = (system.ising.energy(x)?, system.ising.magnetisation(x)?);
                Ok(Array2::from_shape_fn((x.nrows(), 2), |(i, k)| if k == 0 { energy[i] } else { m[i].abs() }))
            };
            let mut chains = system.start.clone();
            let clock = ProcessTime::now();
            let found = length.run(&system.ising, &dynamics, &mut chains, observe)?;
            let seconds = clock.elapsed().as_secs_f64();
            let means = [found.mean(0)?, found.mean(1)?].map(|mean| mean.autocorrelation);
            let [tau, ess] = [means[0].tau.max(means[1].tau), means[0].ess.min(means[1].ess)];
            let per_update = 1e6 * seconds / (length.updates * chains.len()) as f64;
            let acceptance = found.report.acceptance();
            lines.push(vec![
                system.name.to_string(),
                name.clone(),
                format!("{acceptance:.4}"),
                number(per_update, 3),
                number(tau, 3),
                number(ess / seconds, 3),
            ]);
            rows.push(json!({
                "model": system.name, "side": system.ising.lattice().rows(), "move": name, "acceptance": acceptance,
                "microseconds_an_update": per_update, "tau": tau, "effective_draws_a_second": ess / seconds,
            }));
        }
    }
    Ok((lines, rows))
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let systems = systems(o.side.unwrap_or(32), o.chains.unwrap_or(64), o.seed)?;
    let (lines, rows) = if o.effective { chains(&o, &systems)? } else { times(&o, &systems)? };
    let header = if o.effective {
        ["model", "move", "acceptance", "CPU µs", "τ", "effective draws/s"]
    } else {
        ["model", "move", "χ", "contraction", "acceptance", "ns a site"]
    };
    let text = if o.json { options::json(&o, &json!({ "rows": rows }))? } else { render(&header, &lines) };
    print(&text)
}
