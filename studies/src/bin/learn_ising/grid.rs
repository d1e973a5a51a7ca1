//! The grid: learned models beside the optimal truncation, over β through the critical point and χ; connected
//! moves over noise times.

use plotters::chart::SeriesLabelPosition;
use tensorjump::lattice::SnakeMps;
use tensorjump::mcmc::Assessment;
use tensorjump::{Configs, Model};

use super::learn::{self, Budget, Report};
use tensorjump_studies::moves::{self, Moved};
use tensorjump_studies::options::Out;
use tensorjump_studies::output::finish;
use tensorjump_studies::plotting::{Axis as Scale, BLUE, GREEN, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, progress};

const SIDE: usize = 8;
const CHIS: [usize; 3] = [8, 16, 32];
/// Bond dimension whose connected moves are measured.
const CONNECTED: usize = 16;
/// Draws a round and rounds where no others are asked for: ten minutes of CPU time for the whole grid.
const BUDGET: (usize, usize) = (65_536, 10);

/// A learned model and the optimal truncation.
struct Row {
    learned: Report,
    optimal: Assessment,
}

pub fn run(out: &Out, budget: &Budget) -> Result<(), Failure> {
    let folder = out.open(false)?;
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
                let abs_m = |x: Configs<'_>| Ok(ising.magnetisation(x)?.mapv(f64::abs));
                let models: [(_, &dyn Model); 2] = [("learned", &model), ("optimal", &snake)];
                for (name, model) in models {
                    moves.extend(moves::by_noise_time(&ising, name, model, &abs_m, budget.seed)?);
                }
            }
            rows.push(Row { learned: report, optimal });
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let text = format!(
        "{}\n{}enlarge by --draws and --rounds; --beta, --chi, --rows and --cols learn one model\n",
        table(&rows),
        moves_table(&moves)
    );
    finish(&text, folder.as_ref(), || Ok(vec![("learn_ising.svg", draw(&rows, &moves)?)]))
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
    let body = moves::table(moves, "τ(|m|)");
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
    let title = format!("{SIDE}×{SIDE} cylinder: learned (points) and optimal truncation (dashed)");
    let acceptance = Panel {
        title,
        x: Scale { label: "β", log: false, cover: None },
        y: Scale { label: "acceptance, disconnected", log: false, cover: Some((0.0, 1.0)) },
        series,
        height: 320,
        legend: SeriesLabelPosition::LowerRight,
    };
    let [accepted, tau] = moves::panels(moves, ["learned", "optimal"], format!("β_c, χ = {CONNECTED}"), "τ(|m|)");
    figure(760, &[acceptance, accepted, tau])
}
