//! Windows and Wolff clusters on the tori of the reference file, against the exact energies.
//!
//! `cargo run --release -p tensorjump-studies --bin ising_tori [-- --json]`

use serde_json::{Value, json};
use tensorjump::lattice::{Couplings, Geometry, Square};
use tensorjump::mcmc::Estimate;

use tensorjump_studies::ising::measure::{CHAINS, Method, Plan, Tau, WINDOW_CHI, check_samples, measure};
use tensorjump_studies::ising::system::System;
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Longest side.
const SIDE: u64 = 32;
/// Recorded configurations of windows by default, and of Wolff.
const WINDOWS: usize = 1024;
const CLUSTERS: usize = 16_384;

/// One method on one torus.
struct Run {
    energy: Estimate,
    tau: [Tau; 2],
    seconds: f64,
    acceptance: Option<f64>,
}

options! {
    /// Windows and Wolff on every torus of tests/reference/ising.json with L ≤ 32, against the exact energies
    struct Options [seed, threads, json] {
        /// Bond dimension of the windows (default: 4)
        chi: Option<usize>,
        /// Windows recorded on each torus, rounded up to a multiple of 8 (default: 1024)
        samples: Option<usize>,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// Measures all of them; fails if an energy is more than five standard errors off.
fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    let windows = check_samples(o.samples.unwrap_or(WINDOWS))?;
    options::set_threads(o.threads)?;
    let file: Value = serde_json::from_str(include_str!("../../../tests/reference/ising.json"))?;
    let all = file["cases"].as_array().ok_or("no cases in the reference file")?;
    let cases: Vec<&Value> =
        all.iter().filter(|case| case["kind"] == "torus" && case["L"].as_u64().is_some_and(|l| l <= SIDE)).collect();
    let bar = progress::bar(cases.len() as u64);
    let (mut rows, mut lines, mut worst) = (vec![], vec![], 0f64);
    for (case, seed) in cases.into_iter().zip(o.seed..) {
        let number_of = |key: &str| case[key].as_f64().ok_or_else(|| format!("a case without {key}"));
        let (side, beta, exact) = (number_of("L")? as usize, number_of("beta")?, number_of("energy_per_site")?);
        let couplings = Couplings::uniform(Square::new(side, side, Geometry::Torus)?, 1.0)?;
        let system = System::new(couplings, beta, None)?;
        let plan = Plan { seed, chi: o.chi.unwrap_or(WINDOW_CHI), window: [side - 1; 2], ..Plan::default() };
        let windowed = one(Method::Window, &system, &Plan { samples: windows, ..plan.clone() })?;
        let wolff = one(Method::Wolff, &system, &Plan { samples: CLUSTERS, ..plan })?;
        let off = |run: &Run| (run.energy.mean - exact) / run.energy.error;
        worst = worst.max(off(&windowed).abs()).max(off(&wolff).abs());
        let independent = |run: &Run| 0.5 / (slowest(run) * run.seconds);
        lines.push(vec![
            format!("{side} × {side}"),
            number(beta, 4),
            number(exact, 7),
            number(windowed.energy.mean, 7),
            format!("{:+.1}", off(&windowed)),
            format!("{:+.1}", off(&wolff)),
            windowed.acceptance.map_or_else(String::new, |a| number(a, 4)),
            number(slowest(&windowed), 3),
            number(slowest(&wolff), 3),
            number(1e3 * windowed.seconds, 3),
            number(1e3 * wolff.seconds, 3),
            number(independent(&windowed), 3),
            number(independent(&wolff), 3),
        ]);
        rows.push(json!({
            "side": side, "beta": beta, "energy_exact": exact,
            "energy_windows": windowed.energy.mean, "stderr_windows": windowed.energy.error, "sigmas_windows": off(&windowed),
            "energy_wolff": wolff.energy.mean, "stderr_wolff": wolff.energy.error, "sigmas_wolff": off(&wolff),
            "acceptance_windows": windowed.acceptance, "tau_windows": slowest(&windowed), "tau_wolff": slowest(&wolff),
            "seconds_windows": windowed.seconds, "seconds_wolff": wolff.seconds,
        }));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let header = [
        "torus",
        "β",
        "E/N exact",
        "windows",
        "off/σ",
        "Wolff off/σ",
        "acceptance",
        "τ windows",
        "τ Wolff",
        "ms window",
        "ms cluster",
        "windows: independent/s",
        "Wolff",
    ];
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows, "worst_sigmas": worst }))?
    } else {
        render(&header, &lines)
            + "\nWindows: all but one row and one column, at random places, with the flip of all spins; τ of the slower of E and |m|, in windows or clusters.\n"
    })?;
    if worst > 5.0 { Err(format!("an energy is {worst:.1} standard errors off").into()) } else { Ok(()) }
}

fn slowest(run: &Run) -> f64 {
    run.tau[0].updates.max(run.tau[1].updates)
}

fn one(method: Method, system: &System, plan: &Plan) -> Result<Run, Failure> {
    let bar = progress::ProgressBar::hidden();
    let m = measure(method, system, plan, &bar)?;
    let tau = m.tau.ok_or_else(|| format!("{} chains have no time: {CHAINS} are run", method.name()))?;
    Ok(Run { energy: m.energy, tau, seconds: 1.0 / m.samples_per_second, acceptance: m.acceptance })
}
