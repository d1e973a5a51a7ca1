//! The grid: learned models beside the optimal truncation, over β through the critical point and χ; connected moves over noise times.

use std::path::Path;

use ndarray::{Array2, Axis};
use plotters::chart::SeriesLabelPosition;
use tensorjump::lattice::{Ising, SnakeMps};
use tensorjump::learn::Assessment;
use tensorjump::mcmc::{Chains, Connected, Disconnected, MetropolisHastings, Move, RunOptions, run as run_chains};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, SiteWeights, Streams};

use super::learn::{self, Budget, Report};
use crate::common::output::{Folder, print};
use crate::common::plotting::{Axis as Scale, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use crate::common::table::{number, render};
use crate::common::{Failure, progress};

const SIDE: usize = 8;
const CHIS: [usize; 3] = [8, 16, 32];
/// Bond dimension whose connected moves are measured.
const CONNECTED: usize = 16;
const TIMES: [f64; 5] = [0.05, 0.2, 0.8, 2.0, f64::INFINITY];
const CHAINS: usize = 16;
const UPDATES: usize = 500;
/// Draws a round and rounds where no others are asked for: ten minutes of CPU time for the whole grid.
const BUDGET: (usize, usize) = (65_536, 10);

/// A learned model and the optimal truncation.
struct Row {
    learned: Report,
    optimal: Assessment,
}

/// A move at one noise time.
struct Moved {
    name: &'static str,
    time: f64,
    acceptance: f64,
    tau: f64,
    lower_bound: bool,
}

pub fn run(out: &Path, budget: &Budget) -> Result<(), Failure> {
    let folder = Folder::open(out)?;
    let (draws, rounds) = (budget.draws.or(Some(BUDGET.0)), budget.rounds.or(Some(BUDGET.1)));
    let budget = &Budget { draws, rounds, ..*budget };
    let betas = [0.35, 0.4, learn::critical(), 0.5];
    let bar = progress::bar((betas.len() * CHIS.len()) as u64);
    let (mut rows, mut moves) = (Vec::new(), Vec::new());
    for beta in betas {
        let ising = learn::cylinder(SIDE, SIDE, beta)?;
        for chi in CHIS {
            bar.set_message(format!("β = {beta:.3}, χ = {chi}"));
            let (report, model) = learn::learn(&ising, chi, budget)?;
            let optimal = learn::optimal(&ising, chi, budget.seed)?;
            if chi == CONNECTED && beta == learn::critical() {
                let snake = SnakeMps::new(&ising, chi)?;
                moves.extend(noise_times(&ising, "learned", &model, budget.seed)?);
                moves.extend(noise_times(&ising, "optimal", &snake, budget.seed)?);
            }
            rows.push(Row { learned: report, optimal });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let picture = draw(&rows, &moves)?;
    print(&format!("{}\n{}", table(&rows), moves_table(&moves)))?;
    print("enlarge by --draws and --rounds; --beta, --chi, --rows and --cols learn one model\n")?;
    for path in folder.write(&[("learn_ising.svg", picture)])? {
        print(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// Chains of moves with this model at each noise time, started from its own draws.
fn noise_times(ising: &Ising, name: &'static str, model: &dyn Model, seed: u64) -> Result<Vec<Moved>, Failure> {
    let noise = Noise::new(Rates::binary_flip(ising.lattice().sites(), 1.0, 1.0)?, Schedule::constant(1.0)?);
    let start = model.sample(&SiteWeights::Uniform, CHAINS, &Streams::new(seed).domain("start"))?.x;
    let abs_m = |x: Configs<'_>| match ising.magnetisation(x) {
        Ok(m) => m.mapv(f64::abs).insert_axis(Axis(1)),
        Err(_) => Array2::from_elem((x.nrows(), 1), f64::NAN), // refused by `run`
    };
    let mut moves = Vec::new();
    for time in TIMES {
        let dynamics: Box<dyn Move + '_> = if time.is_finite() {
            Box::new(MetropolisHastings::new(Connected::new(model, noise.kernel(0.0, time)?)?))
        } else {
            Box::new(MetropolisHastings::new(Disconnected::new(model)))
        };
        let mut chains = Chains::new(ising, start.clone())?;
        let plan = RunOptions { updates: UPDATES, warm_up: 100, thin: 1, seed };
        let run = run_chains(ising, dynamics.as_ref(), &mut chains, &plan, &abs_m, None)?;
        let found = run.autocorrelation(0)?;
        let (acceptance, tau, lower_bound) = (run.report.acceptance(), found.tau, found.lower_bound);
        moves.push(Moved { name, time, acceptance, tau, lower_bound });
    }
    Ok(moves)
}

fn table(rows: &[Row]) -> String {
    let header = ["β", "χ", "acceptance", "optimal", "ESS/n", "optimal", "KL/N", "max log w/w̄", "CPU s"];
    let cells = |row: &Row| {
        let Row { learned, optimal } = row;
        vec![
            number(learned.beta, 4),
            learned.chi.to_string(),
            number(learned.acceptance, 4),
            number(optimal.acceptance.mean, 4),
            number(learned.importance_ess_fraction, 3),
            number(optimal.ess_fraction, 3),
            number(learned.kl_per_site, 2),
            number(learned.max_log_weight, 3),
            number(learned.cpu_seconds, 3),
        ]
    };
    let body = render(&header, &rows.iter().map(cells).collect::<Vec<_>>());
    format!(
        "{SIDE}×{SIDE} cylinder, disconnected move: learned from the log-weight beside the optimal truncation\n{body}"
    )
}

fn moves_table(moves: &[Moved]) -> String {
    let cells = |m: &Moved| {
        let time = if m.time.is_finite() { number(m.time, 2) } else { "∞".into() };
        let bound = if m.lower_bound { "≥ " } else { "" };
        vec![m.name.into(), time, number(m.acceptance, 3), format!("{bound}{}", number(m.tau, 3))]
    };
    let body = render(&["model", "noise time", "acceptance", "τ(|m|)"], &moves.iter().map(cells).collect::<Vec<_>>());
    format!("Connected moves at the critical point, χ = {CONNECTED}, flip rate 1 (τ in updates)\n{body}")
}

fn draw(rows: &[Row], moves: &[Moved]) -> Result<String, Failure> {
    let colours = [BLUE, ORANGE, GREEN];
    let mut series = Vec::new();
    for (chi, colour) in CHIS.into_iter().zip(colours) {
        let of_chi = || rows.iter().filter(|row| row.learned.chi == chi);
        let learned = of_chi().map(|r| (r.learned.beta, r.learned.acceptance, r.learned.acceptance_stderr));
        let optimal = of_chi().map(|r| (r.learned.beta, r.optimal.acceptance.mean, 0.0));
        series.push(Series {
            label: format!("χ = {chi}, learned"),
            colour,
            mark: Mark::JoinedPoints,
            values: learned.collect(),
        });
        series.push(Series { label: String::new(), colour, mark: Mark::Dashes, values: optimal.collect() });
    }
    let along = |name: &str, colour, mark, value: fn(&Moved) -> f64| Series {
        label: name.to_owned(),
        colour,
        mark,
        values: moves
            .iter()
            .filter(|m| m.name == name && m.time.is_finite())
            .map(|m| (m.time, value(m), 0.0))
            .collect(),
    };
    let pair =
        |value| vec![along("learned", BLUE, Mark::JoinedPoints, value), along("optimal", INK, Mark::Dashes, value)];
    let time = Scale { label: "noise time", log: true, cover: None };
    let panel = |title: String, x, label, log, series| Panel {
        title,
        x,
        y: Scale { label, log, cover: if log { None } else { Some((0.0, 1.0)) } },
        series,
        height: 320,
        legend: if log { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight },
    };
    let title = format!("{SIDE}×{SIDE} cylinder: learned (points) and optimal truncation (dashed)");
    let beta = Scale { label: "β", log: false, cover: None };
    figure(
        760,
        &[
            panel(title, beta, "acceptance, disconnected", false, series),
            panel(format!("β_c, χ = {CONNECTED}"), time, "acceptance, connected", false, pair(|m| m.acceptance)),
            panel(String::new(), time, "τ(|m|)", true, pair(|m| m.tau)),
        ],
    )
}
