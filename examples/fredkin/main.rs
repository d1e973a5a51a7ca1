//! Equilibrium of the stochastic Fredkin chain by tensor-network diffusion moves (arXiv 2407.11133), against
//! exact values.
//!
//! ```text
//! cargo run --release --example fredkin
//! # a truncated model: see the missing mass
//! cargo run --release --example fredkin -- --sites 400 --c 0.5 --chi 16
//! cargo run --release --example fredkin -- --json > fredkin.json  # one JSON object, nothing else, on stdout
//! ```
//!
//! Compares three dynamics for the same law, all started in equilibrium: the *disconnected* move (independent
//! draws of the matrix-product law), *connected* moves (flip noise for a time T, exact denoising) and the
//! *local* dynamics (Metropolis swaps of neighbours). With `--chi`, the chains of the first two start in the
//! truncated law, those of the local dynamics in the exact one. Pictures go to `--out` (default
//! `out/fredkin`).

#[path = "../common/mod.rs"]
mod common;

use std::process::ExitCode;

use serde::Serialize;
use tensorjump::Error;
use tensorjump::lattice::{Equilibrium, Fredkin, FredkinModel};

use crate::common::fredkin::measure::{self, Measured, Plan};
use crate::common::fredkin::pictures;
use crate::common::output::finish;
use crate::common::table::{number, render};
use crate::common::{Failure, options, progress};

/// Sites of all chains together: a quarter of a gigabyte.
const SITES_LIMIT: usize = 1 << 28;

/// Recorded configurations of a move: two numbers each, and the library records 2^30.
const SAMPLES_LIMIT: usize = 1 << 29;
/// Recorded configurations of each chain without which a series has no autocorrelation.
const SAMPLES_PER_CHAIN: usize = 2;

crate::options! {
    /// The stochastic Fredkin chain: diffusion moves against the local dynamics and exact values
    struct Options [seed, threads, json, out "out/fredkin"] {
        /// Sites of the chain (even)
        sites: usize = 100,
        /// Parameter of the chain, between 0 and 1; above 1/2 the phase of large area
        c: f64 = 0.5,
        /// Bond dimension to which the model is truncated (default: exact)
        chi: Option<usize>,
        /// Noise times of the connected moves, separated by commas, in inverse flip rates
        noise_times: Vec<f64> = vec![0.03, 0.1, 0.2, 0.5, 1.0],
        /// Recorded configurations of each move, all chains together (at least 2 a chain; rounded up to a
        /// multiple of the chains)
        samples: usize = 16_384,
        /// Markov chains run side by side
        chains: usize = 8,
    }
}

impl Options {
    /// What to run; every number is checked here or by the constructor that takes it, before anything runs.
    fn plan(&self) -> std::result::Result<Plan, Failure> {
        options::positive("samples", self.samples)?;
        options::positive("chains", self.chains)?;
        if self.chains.saturating_mul(self.sites) > SITES_LIMIT {
            return Err(format!("--chains {}: more than 2^28 sites in all", self.chains).into());
        }
        let (samples, chains) = (self.samples, self.chains);
        if samples < SAMPLES_PER_CHAIN.saturating_mul(chains) {
            return Err(format!(
                "--samples {samples}: at least {SAMPLES_PER_CHAIN} for each of {chains} chains needed"
            )
            .into());
        }
        if samples.div_ceil(chains).saturating_mul(chains) > SAMPLES_LIMIT {
            return Err(format!("--samples {samples}: at most 2^29 are allowed").into());
        }
        if let Some(t) = self.noise_times.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
            return Err(format!("--noise-times {t}: must be positive and finite").into());
        }
        Ok(Plan {
            noise_times: self.noise_times.clone(),
            updates: self.samples.div_ceil(self.chains),
            chains: self.chains,
            seed: self.seed,
        })
    }
}

/// The report of `--json`; what is not a finite number is null.
#[derive(Debug, Serialize)]
struct Report {
    sites: usize,
    c: f64,
    chi: usize,
    log_z: f64,
    entropy: f64,
    area_mean_exact: f64,
    area_var_exact: f64,
    area_mean: f64,
    area_stderr: f64,
    missing_mass: f64,
    moves: Vec<MoveRow>,
}

/// A move in the report.
#[derive(Debug, Serialize)]
struct MoveRow {
    name: &'static str,
    noise_time: Option<f64>,
    acceptance: f64,
    tau_area: f64,
    ess_per_second: f64,
    max_log_weight: Option<f64>,
}

fn main() -> ExitCode {
    crate::common::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = options::parse()?;
    let plan = options.plan()?;
    let chain = Fredkin::new(options.sites, options.c)?;
    let named = |error| too_many_sites(options.sites, error);
    let exact = chain.equilibrium().map_err(named)?;
    let law = FredkinModel::new(&chain).map_err(named)?;
    let truncated = options.chi.map(|chi| FredkinModel::truncated(&chain, chi)).transpose()?;
    let model = truncated.as_ref().unwrap_or(&law);
    options::set_threads(options.threads)?;
    let folder = options.out.open(options.json)?;

    let bar = progress::bar(plan.steps());
    let moves = measure::all(&plan, &chain, (model, &law), &exact, &bar)?;
    bar.finish_and_clear();
    let text = if options.json {
        options::json(&options, &report(&chain, &exact, model, &moves))?
    } else {
        text(&chain, &exact, model, &moves, &plan)?
    };
    finish(&text, folder.as_ref(), || {
        let profile = measure::height_profile(&plan, &chain, model)?;
        Ok(vec![
            ("height_profile.svg", pictures::height_profile(&chain, &exact, &profile)?),
            ("noise_time.svg", pictures::noise_time(&chain, &moves)?),
            ("trajectory.svg", pictures::trajectory(model, options.seed)?),
        ])
    })
}

/// Tables that do not fit are the fault of the number of sites.
fn too_many_sites(sites: usize, error: Error) -> Failure {
    match error {
        Error::TooLarge { .. } => format!("--sites {sites}: {error}").into(),
        error => error.into(),
    }
}

/// Deviation from the exact value in standard errors; ∞ where the series never left a wrong value.
fn off_by(m: &Measured, exact: f64) -> String {
    /// Rounding of the exact value and of the mean, relative.
    const ROUNDING: f64 = 1e-9;
    let difference = m.area.mean - exact;
    if m.area.error > 0.0 {
        format!("{:+.1} σ", difference / m.area.error)
    } else if difference.abs() <= ROUNDING * exact.abs() {
        "0.0 σ".into()
    } else if difference > 0.0 {
        "+∞ σ".into()
    } else {
        "-∞ σ".into()
    }
}

/// Largest bond dimension of a model.
fn largest_bond(model: &FredkinModel) -> usize {
    model.bonds().into_iter().max().unwrap_or(1)
}

fn report(chain: &Fredkin, exact: &Equilibrium, model: &FredkinModel, moves: &[Measured]) -> Report {
    let row = |m: &Measured| MoveRow {
        name: m.name,
        noise_time: m.noise_time,
        acceptance: m.acceptance,
        tau_area: m.area.autocorrelation.tau,
        ess_per_second: m.ess_per_second(),
        max_log_weight: m.max_log_weight,
    };
    Report {
        sites: chain.sites(),
        c: chain.c(),
        chi: largest_bond(model),
        log_z: exact.log_z(),
        entropy: exact.entropy(),
        area_mean_exact: exact.area_mean(),
        area_var_exact: exact.area_var(),
        area_mean: moves[0].area.mean,
        area_stderr: moves[0].area.error,
        missing_mass: model.missing_mass(),
        moves: moves.iter().map(row).collect(),
    }
}

/// The report for people.
fn text(
    chain: &Fredkin,
    exact: &Equilibrium,
    model: &FredkinModel,
    moves: &[Measured],
    plan: &Plan,
) -> std::result::Result<String, Failure> {
    let phase = match chain.c() {
        c if c < 0.5 => "flat paths",
        c if c > 0.5 => "large area",
        _ => "critical: uniform on Dyck paths",
    };
    let missing = match model.missing_mass() {
        0.0 => "0, the model is exact".to_owned(),
        mass => {
            format!("{}: paths that the truncated model never draws (acceptance does not show it)", number(mass, 3))
        }
    };
    let mut text = format!(
        "Fredkin chain, {} sites, c = {} ({phase}), bond dimension {}\n\
         log Z = {} nats, entropy = {} nats, missing mass = {missing}\n\
         {} updates of {} chains for each move, started in equilibrium{}; area = Σ_j h_j\n\n",
        chain.sites(),
        chain.c(),
        largest_bond(model),
        number(exact.log_z(), 8),
        number(exact.entropy(), 8),
        plan.updates,
        plan.chains,
        if model.missing_mass() > 0.0 { " (of the truncated law; the local dynamics of the exact one)" } else { "" },
    );
    let header = ["move", "noise time", "acceptance", "τ(area)", "ESS / CPU s", "⟨area⟩", "± σ", "off by"];
    let dash = || "–".to_owned();
    let exact_row = vec!["exact".into(), dash(), dash(), dash(), dash(), number(exact.area_mean(), 6), dash(), dash()];
    let row = |m: &Measured| {
        let (tau, ess) = (number(m.area.autocorrelation.tau, 3), number(m.ess_per_second(), 3));
        let bound = m.area.autocorrelation.lower_bound;
        vec![
            m.name.into(),
            m.noise_time.map_or_else(dash, |t| number(t, 2)),
            number(m.acceptance, 5),
            if bound { format!("≥ {tau}") } else { tau },
            if bound { format!("≤ {ess}") } else { ess },
            number(m.area.mean, 6),
            number(m.area.error, 2),
            off_by(m, exact.area_mean()),
        ]
    };
    let rows: Vec<_> = std::iter::once(exact_row).chain(moves.iter().map(row)).collect();
    text += &render(&header, &rows);
    text += &format!(
        "\nτ = ½ + Σρ in updates; an update of the local dynamics is {} attempted swaps. ESS = samples/2τ, per second of CPU time of \
         all threads.\n≥, ≤: the series is shorter than 100 τ, so that τ is only a lower bound and its σ too small.\n",
        measure::ATTEMPTS
    );
    for m in moves.iter().filter(|m| m.unsupported + m.impossible > 0) {
        text += &format!(
            "{}: {} proposals from outside the model's support, {} that nothing explains\n",
            m.name, m.unsupported, m.impossible
        );
    }
    Ok(text)
}
