//! Contractions in lanes beside one at a time: acceptance and time of a redrawn configuration, drawn, scored and
//! accepted or not. One thread.
//!
//! `cargo run --release -p tensorjump-studies --bin lanes [-- --json]`

use cpu_time::ProcessTime;
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
use tensorjump::mcmc::{Chains, Connected, MetropolisHastings, Move, MoveReport};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Streams, Target};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options};

/// `ln(1 + √2)/2`.
const BETA_C: f64 = 0.440_686_793_509_771_5;
/// Bond dimension of the draws from which chains start.
const START_CHI: usize = 8;
/// Noise times: those of the literature.
const TIMES: [f64; 3] = [0.2, 0.5, 1.0];

options! {
    /// Contractions in lanes beside one at a time: acceptance and time, one thread
    struct Options [seed, json] {
        /// Side of the lattice (default: 32)
        side: Option<usize>,
        /// Chains (default: 64)
        chains: Option<usize>,
        /// Updates in lanes (default: 40), a tenth of them one at a time
        updates: Option<usize>,
        /// Only in lanes
        lanes_only: bool,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// A model with chains close to its law.
struct System {
    name: &'static str,
    ising: Ising,
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
        Ok(System { name, ising, start })
    };
    models.into_iter().map(system).collect()
}

/// Updates of a move: report and seconds a site.
fn measured(system: &System, dynamics: &dyn Move, updates: usize, seed: u64) -> Result<(MoveReport, f64), Failure> {
    let mut chains = system.start.clone();
    let streams = Streams::new(seed).domain("updates");
    let (mut all, clock) = (MoveReport::default(), ProcessTime::now());
    for k in 0..updates {
        let report = dynamics.update(&mut chains, &system.ising, &streams.step(k as u64))?;
        (all.proposed, all.accepted) = (all.proposed + report.proposed, all.accepted + report.accepted);
    }
    let sites = (updates * chains.len() * system.ising.dims().len()) as f64;
    Ok((all, clock.elapsed().as_secs_f64() / sites))
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let (side, chains, updates) = (o.side.unwrap_or(32), o.chains.unwrap_or(64), o.updates.unwrap_or(40));
    let (mut lines, mut rows): (Vec<Vec<String>>, Vec<Value>) = (vec![], vec![]);
    for system in systems(side, chains, o.seed)? {
        let noise = Noise::new(Rates::uniform(system.ising.dims(), 2.0)?, Schedule::constant(1.0)?);
        for chi in [1, 2, 4, 8] {
            let plain = BoundaryMps::proposal(&system.ising, chi)?;
            let sketched = plain.clone().with_sketches();
            for time in TIMES {
                for (kind, law, updates) in
                    [("one at a time", &plain, updates.div_ceil(10)), ("lanes", &sketched, updates)]
                {
                    if o.lanes_only && kind != "lanes" {
                        continue;
                    }
                    let dynamics = MetropolisHastings::new(Connected::new(law, noise.kernel(0.0, time)?)?);
                    let (report, seconds) = measured(&system, &dynamics, updates, o.seed)?;
                    let acceptance = report.acceptance();
                    lines.push(vec![
                        system.name.to_string(),
                        chi.to_string(),
                        number(time, 2),
                        kind.to_string(),
                        format!("{acceptance:.4}"),
                        number(1e9 * seconds, 3),
                    ]);
                    rows.push(json!({
                        "model": system.name, "side": side, "chi": chi, "noise_time": time, "kind": kind,
                        "acceptance": acceptance, "nanoseconds_a_site": 1e9 * seconds,
                    }));
                }
            }
        }
    }
    let text = if o.json {
        options::json(&o, &json!({ "rows": rows }))?
    } else {
        render(&["model", "χ", "T", "contraction", "acceptance", "ns a site"], &lines)
    };
    print(&text)
}
