//! The stochastic Fredkin chain: a Born MPS learned from the log-weight alone by Monte Carlo in the loop
//! (arXiv 2407.11133).
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin learn_fredkin  # the grid over c
//! # one model, one JSON object on stdout
//! cargo run --release -p tensorjump-studies --bin learn_fredkin -- --sites 40 --c 0.5 --chi 11 --json
//! ```
//!
//! Learning starts from the flat path `1010…` at small c, where paths stay low, and c is raised with model
//! and chains carried along. Exact draws serve to measure the final model only (missing mass, exact area).

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Instant;

use cpu_time::ProcessTime;
use ndarray::Array1;
use plotters::chart::SeriesLabelPosition;
use serde::Serialize;
use tensorjump::lattice::{Fredkin, FredkinModel, fast_rng};
use tensorjump::learn::{LoopOptions, LoopRound, Stage};
use tensorjump::mcmc::{Assessment, Estimate, Local, Move};
use tensorjump::model::{BornMps, Permuted};
use tensorjump::{Configs, Model, Stream, Streams};

use tensorjump_studies::moves::{self, Moved};
use tensorjump_studies::output::{finish, print};
use tensorjump_studies::plotting::{Axis as PlotAxis, GREEN, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Sites of the grid, its parameters and bond dimensions: the larger one is the exact rank.
const SITES: usize = 40;
const GRID: [f64; 5] = [0.3, 0.4, 0.5, 0.55, 0.6];
const CHIS: [usize; 2] = [6, 11];
/// Independent draws by which the final model is measured.
const MEASURED: usize = 100_000;

options! {
    /// Fredkin chain: a Born MPS learned from the log-weight alone
    struct Options [seed, threads, json, out "out/learn_fredkin"] {
        /// Sites of the chain, even (default 40)
        sites: Option<usize>,
        /// Parameter of the chain, between 0 and 1; above 1/2 the phase of large area (default 0.5)
        c: Option<f64>,
        /// Largest bond dimension (default: the exact rank)
        chi: Option<usize>,
        /// Draws of the model a round; chains visit half as many configurations (default 65536, for the grid
        /// 8192)
        draws: Option<usize>,
        /// Rounds of learning at c (default 24, for the grid 12)
        rounds: Option<usize>,
        /// Tell each round on stderr
        verbose: bool,
    }
}

/// The report of `--json`; what is not a finite number is null.
#[derive(Debug, Serialize)]
struct Report {
    sites: usize,
    c: f64,
    chi: usize,
    acceptance: f64,
    acceptance_stderr: f64,
    importance_ess_fraction: f64,
    missing_mass: f64,
    missing_mass_stderr: f64,
    area_mean: f64,
    area_stderr: f64,
    area_mean_exact: f64,
    rounds: usize,
    seconds: f64,
    cpu_seconds: f64,
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let mut options: Options = options::parse()?;
    let asked = |name, value: Option<usize>| value.map(|value| options::positive(name, value)).transpose();
    let (draws, rounds) = (asked("draws", options.draws)?, asked("rounds", options.rounds)?);
    options::set_threads(options.threads)?;
    if options.json || options.sites.is_some() || options.c.is_some() || options.chi.is_some() {
        options::refuse(&mut options, &["out"], "one model has no picture, the grid has one")?;
        let budget = (draws.unwrap_or(65_536), rounds.unwrap_or(24));
        let sites = options.sites.unwrap_or(SITES);
        let chi = options.chi.unwrap_or(sites / 4 + 1);
        let (report, _) = learn(sites, options.c.unwrap_or(0.5), chi, budget, &options)?;
        let text = if options.json { options::json(&options, &report)? } else { table(&[report]) };
        return print(&text);
    }
    grid((draws.unwrap_or(8192), rounds.unwrap_or(12)), &options)
}

/// The grid over c through 1/2 at two bond dimensions, and moves at c = 1/2 beside the exact model truncated
/// to the smaller one.
fn grid(budget: (usize, usize), options: &Options) -> Result<(), Failure> {
    let folder = options.out.open(options.json)?;
    let bar = progress::bar((GRID.len() * CHIS.len()) as u64);
    let (mut reports, mut moves) = (Vec::new(), Vec::new());
    for chi in CHIS {
        for c in GRID {
            bar.set_message(format!("χ = {chi}, c = {c}"));
            let (report, model) = learn(SITES, c, chi, budget, options)?;
            reports.push(report);
            if chi == CHIS[0] && c == 0.5 {
                let chain = Fredkin::new(SITES, c)?;
                let area = |x: Configs<'_>| Ok(chain.area(x)?.mapv(|a| a as f64));
                let truncated = FredkinModel::truncated(&chain, chi)?;
                let models: [(_, &dyn Model); 2] = [("learned", &model), ("truncated", &truncated)];
                for (name, model) in models {
                    moves.extend(moves::by_noise_time(&chain, name, model, &area, options.seed)?);
                }
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let text = moves::table(&moves, "τ(area)");
    let text = format!(
        "{}\nMoves at c = 0.5, χ = {}, flip rate 1 (τ in updates)\n{text}enlarge by --draws and --rounds\n",
        table(&reports),
        CHIS[0]
    );
    finish(&text, folder.as_ref(), || Ok(vec![("learn_fredkin.svg", draw(&reports, &moves)?)]))
}

fn draw(reports: &[Report], moves: &[Moved]) -> Result<String, Failure> {
    let by_c = |label, value: fn(&Report) -> (f64, f64)| {
        let one = |(chi, colour): (usize, _)| Series {
            label: format!("χ = {chi}"),
            colour,
            mark: Mark::JoinedPoints,
            values: reports.iter().filter(|r| r.chi == chi).map(|r| (r.c, value(r).0, value(r).1)).collect(),
        };
        Panel {
            title: format!("{SITES} sites, learned from the log-weight"),
            x: PlotAxis { label: "c", log: false, cover: None },
            y: PlotAxis { label, log: false, cover: Some((0.0, 1.0)) },
            series: CHIS.into_iter().zip([ORANGE, GREEN]).map(one).collect(),
            height: 320,
            legend: SeriesLabelPosition::LowerLeft,
        }
    };
    let acceptance = by_c("acceptance, disconnected", |r| (r.acceptance, r.acceptance_stderr));
    let ess = by_c("ESS / draws", |r| (r.importance_ess_fraction, 0.0));
    let [accepted, tau] =
        moves::panels(moves, ["learned", "truncated"], format!("c = 0.5, χ = {}", CHIS[0]), "τ(area)");
    figure(760, &[acceptance, ess, accepted, tau])
}

fn table(reports: &[Report]) -> String {
    let header = ["c", "N", "χ", "acceptance", "± σ", "ESS/n", "missing mass", "area", "± σ", "exact", "CPU s"];
    let cells = |r: &Report| {
        vec![
            number(r.c, 3),
            r.sites.to_string(),
            r.chi.to_string(),
            number(r.acceptance, 4),
            number(r.acceptance_stderr, 1),
            number(r.importance_ess_fraction, 3),
            number(r.missing_mass, 2),
            number(r.area_mean, 6),
            number(r.area_stderr, 2),
            number(r.area_mean_exact, 6),
            number(r.cpu_seconds, 3),
        ]
    };
    render(&header, &reports.iter().map(cells).collect::<Vec<_>>())
}

/// Learns at `c` and measures.
fn learn(
    sites: usize,
    c: f64,
    chi: usize,
    (draws, last): (usize, usize),
    options: &Options,
) -> Result<(Report, Permuted<BornMps>), Failure> {
    let (clock, cpu) = (Instant::now(), ProcessTime::now());
    let way: Vec<f64> =
        [0.3, 0.4, 0.45, 0.475, 0.49, 0.5, 0.51, 0.53, 0.56, 0.6].into_iter().filter(|&b| b < c).chain([c]).collect();
    let chains = way.iter().map(|&c| Fredkin::new(sites, c)).collect::<Result<Vec<_>, _>>()?;
    let moves: Vec<Box<dyn Move + '_>> = chains.iter().map(local).collect();
    let mut stages = Vec::new();
    for (k, (target, local)) in chains.iter().zip(&moves).enumerate() {
        let (rounds, enough) = if k + 1 == way.len() { (last, (0.999, 0.999)) } else { (10, (0.85, 0.85)) };
        stages.push(Stage { target, local: local.as_ref(), max_bond: chi, rounds, polish: 0, rate: 0.3, enough });
    }
    let updates = 4;
    let plan = LoopOptions {
        draws,
        chains: (draws / 2 / updates).max(1),
        updates,
        first: (8, 8),
        // The rank is exact: noise vanishes with the error, and rates need not decrease.
        slowing: 50.0,
        seed: options.seed,
        ..LoopOptions::default()
    };
    let learned = plan.learn_with_progress(&stages, |round| {
        if options.verbose {
            tell(way[round.stage], round, cpu.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    })?;
    let seconds = (clock.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());

    let (chain, streams) = (&chains[chains.len() - 1], Streams::new(options.seed).domain("measure"));
    let found = Assessment::of(chain, &learned.model, MEASURED, &streams)?;
    let samples = learned.model.draw(MEASURED, &streams.domain("area"))?;
    let log_w = samples.log_importance_weights(chain)?;
    let area: Array1<f64> = chain.area(samples.x.view())?.mapv(|a| a as f64);
    let area = Estimate::importance_mean(log_w.view(), area.view())?;
    let exact = FredkinModel::new(chain)?.draw(MEASURED, &streams.domain("exact"))?;
    let score = learned.model.log_prob(exact.x.view())?;
    let missing = Estimate::missing_mass(1000f64.ln(), exact.log_prob.view(), score.view())?;
    let report = Report {
        sites,
        c,
        chi,
        acceptance: found.acceptance.mean,
        acceptance_stderr: found.acceptance.error,
        importance_ess_fraction: found.ess_fraction,
        missing_mass: missing.mean,
        missing_mass_stderr: missing.error,
        area_mean: area.mean,
        area_stderr: area.error,
        area_mean_exact: chain.equilibrium()?.area_mean(),
        rounds: learned.rounds.len(),
        seconds: seconds.0,
        cpu_seconds: seconds.1,
    };
    Ok((report, learned.model))
}

/// Swaps of neighbours, ten attempts a site.
fn local(chain: &Fredkin) -> Box<dyn Move + '_> {
    Box::new(Local::new(move |x: &mut [u8], stream: &mut Stream| {
        let attempts = 10 * x.len();
        let accepted = chain.metropolis(x, attempts, &mut fast_rng(stream))?;
        Ok((attempts, accepted as usize))
    }))
}

fn tell(c: f64, round: &LoopRound, cpu: f64) {
    eprintln!(
        "c {c:.3} {:2}  χ {:3}  acceptance {:.4}  ESS {:.4}  outside {:.4}  KL chains {:.4}  chains {:.3}  τ {:.1}  cut {:.1e}  {cpu:.1} s",
        round.round,
        round.bonds.iter().max().unwrap_or(&1),
        round.model.acceptance.mean,
        round.model.ess_fraction,
        round.model.outside,
        round.kl_chains,
        round.chains.parts.first().map_or(f64::NAN, |part| part.acceptance()),
        round.autocorrelation.tau,
        round.truncation_error,
    );
}
