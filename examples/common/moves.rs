//! Connected and disconnected moves of a model, by noise time.

use ndarray::Array1;
use tensorjump::mcmc::{Chains, Connected, Disconnected, MetropolisHastings, Move, RunOptions};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams, Target};

use super::plotting::{Axis, BLUE, INK, Mark, Panel, Series};
use super::table::{number, render};
use plotters::chart::SeriesLabelPosition;

const TIMES: [f64; 5] = [0.05, 0.2, 0.8, 2.0, f64::INFINITY];
const CHAINS: usize = 16;
const UPDATES: usize = 500;

/// A move at one noise time (flip rate 1), ∞ for the disconnected one.
pub struct Moved {
    pub name: &'static str,
    time: f64,
    acceptance: f64,
    tau: f64,
    lower_bound: bool,
}

/// Chains of moves with this model at each noise time, started from its own draws; `observable` gives one
/// column.
pub fn by_noise_time(
    target: &dyn Target,
    name: &'static str,
    model: &dyn Model,
    observable: &(dyn Fn(Configs<'_>) -> Result<Array1<f64>> + Sync),
    seed: u64,
) -> Result<Vec<Moved>> {
    let noise = Noise::new(Rates::binary_flip(target.dims().len(), 1.0, 1.0)?, Schedule::constant(1.0)?);
    let start = model.draw(CHAINS, &Streams::new(seed).domain("start"))?.x;
    let mut moves = Vec::new();
    for time in TIMES {
        let dynamics: Box<dyn Move + '_> = if time.is_finite() {
            Box::new(MetropolisHastings::new(Connected::new(model, noise.kernel(0.0, time)?)?))
        } else {
            Box::new(MetropolisHastings::new(Disconnected::new(model)))
        };
        let mut chains = Chains::new(target, start.clone())?;
        let plan = RunOptions { updates: UPDATES, seed, ..RunOptions::default() };
        let run = plan.run(target, dynamics.as_ref(), &mut chains, observable)?;
        let found = run.autocorrelation(0)?;
        let (acceptance, tau, lower_bound) = (run.report.acceptance(), found.tau, found.lower_bound);
        moves.push(Moved { name, time, acceptance, tau, lower_bound });
    }
    Ok(moves)
}

/// One line a model and noise time.
pub fn table(moves: &[Moved], tau: &str) -> String {
    let cells = |m: &Moved| {
        let time = if m.time.is_finite() { number(m.time, 2) } else { "∞".into() };
        let bound = if m.lower_bound { "≥ " } else { "" };
        vec![m.name.into(), time, number(m.acceptance, 3), format!("{bound}{}", number(m.tau, 3))]
    };
    render(&["model", "noise time", "acceptance", tau], &moves.iter().map(cells).collect::<Vec<_>>())
}

/// Acceptance and τ against the noise time, `names[0]` as points, `names[1]` dashed.
pub fn panels<'a>(moves: &[Moved], names: [&str; 2], title: String, tau: &'a str) -> [Panel<'a>; 2] {
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
        |value| vec![along(names[0], BLUE, Mark::JoinedPoints, value), along(names[1], INK, Mark::Dashes, value)];
    let x = Axis { label: "noise time", log: true, cover: None };
    let panel = |title, y, series, legend| Panel { title, x, y, series, height: 320, legend };
    let acceptance = Axis { label: "acceptance, connected", log: false, cover: Some((0.0, 1.0)) };
    let tau = Axis { label: tau, log: true, cover: None };
    [
        panel(title, acceptance, pair(|m| m.acceptance), SeriesLabelPosition::LowerRight),
        panel(String::new(), tau, pair(|m| m.tau), SeriesLabelPosition::UpperRight),
    ]
}
