//! Contractions in lanes beside one at a time: acceptance and time of a redrawn configuration, drawn, scored and
//! accepted or not. One thread.
//!
//! `cargo run --release -p tensorjump-studies --bin lanes [-- --json]`

use cpu_time::ProcessTime;
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
use tensorjump::mcmc::{Chains, Connected, MetropolisHastings, Move, Proposal, Proposed};
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

/// Noise time of the move between proposals.
const ADVANCE: f64 = 0.5;

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

/// Mean probability of acceptance, its standard error, and seconds a site of proposals for chains that
/// `advance` moves between them, the same for every law that is measured.
fn measured(system: &System, proposal: &dyn Proposal, advance: &dyn Move, updates: usize, seed: u64) -> Result<Measured, Failure> {
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
    Ok(Measured { acceptance, error: (variance / n).sqrt(), seconds: seconds / (n * system.ising.dims().len() as f64) })
}

/// What came of a law.
struct Measured {
    acceptance: f64,
    error: f64,
    seconds: f64,
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let (side, chains, updates) = (o.side.unwrap_or(32), o.chains.unwrap_or(64), o.updates.unwrap_or(40));
    let (mut lines, mut rows): (Vec<Vec<String>>, Vec<Value>) = (vec![], vec![]);
    for system in systems(side, chains, o.seed)? {
        let noise = Noise::new(Rates::uniform(system.ising.dims(), 2.0)?, Schedule::constant(1.0)?);
        let advance = BoundaryMps::proposal(&system.ising, 4)?.with_sketches();
        let advance = MetropolisHastings::new(Connected::new(advance, noise.kernel(0.0, ADVANCE)?)?);
        for chi in o.chi.map_or(vec![2, 4, 8], |chi| vec![chi]) {
            let plain = BoundaryMps::proposal(&system.ising, chi)?;
            let sketched = plain.clone().with_sketches();
            for time in TIMES {
                for (kind, law, updates) in
                    [("one at a time", &plain, updates.div_ceil(10)), ("lanes", &sketched, updates)]
                {
                    if o.lanes_only && kind != "lanes" {
                        continue;
                    }
                    let proposal = Connected::new(law, noise.kernel(0.0, time)?)?;
                    let Measured { acceptance, error, seconds } =
                        measured(&system, &proposal, &advance, updates, o.seed)?;
                    lines.push(vec![
                        system.name.to_string(),
                        chi.to_string(),
                        number(time, 2),
                        kind.to_string(),
                        format!("{acceptance:.4} ± {error:.4}"),
                        number(1e9 * seconds, 3),
                    ]);
                    rows.push(json!({
                        "model": system.name, "side": side, "chi": chi, "noise_time": time, "kind": kind,
                        "acceptance": acceptance, "error": error, "nanoseconds_a_site": 1e9 * seconds,
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
