//! Distances against the number of steps, one panel a system; cost against accuracy.

use plotters::chart::SeriesLabelPosition;

use crate::measure::Row;
use crate::systems::System;
use tensorjump_studies::Failure;
use tensorjump_studies::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};

/// The files with their contents.
pub fn all(systems: &[System], rows: &[Row]) -> Result<[(&'static str, String); 2], Failure> {
    let steps = Axis { label: "steps", log: true, cover: None };
    let seconds = Axis { label: "CPU seconds a sample", log: true, cover: None };
    let convergence: Vec<_> =
        systems.iter().map(|system| panel(system, rows, steps, &|row| row.steps as f64, true)).collect();
    let mut cost: Vec<_> =
        systems.iter().map(|system| panel(system, rows, seconds, &|row| row.seconds, false)).collect();
    for (panel, system) in cost.iter_mut().zip(systems) {
        let exact = rows.iter().find(|row| row.model == system.name && row.method == "uniformization");
        let values = || panel.series.iter().flat_map(|series| &series.values).map(|value| value.1);
        let ends = [values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max)];
        let line = exact.map(|row| ends.map(|end| (row.seconds, end, 0.0)).to_vec()).unwrap_or_default();
        panel.series.push(Series {
            label: "uniformization: exact".into(),
            colour: INK,
            mark: Mark::Dashes,
            values: line,
        });
    }
    Ok([("convergence.svg", figure(820, &convergence)?), ("cost.svg", figure(820, &cost)?)])
}

/// Total variation of the exact denoiser's leaps, from the exact start joined, from the prior dashed where
/// asked.
fn panel<'a>(system: &System, rows: &[Row], x: Axis<'a>, place: &dyn Fn(&Row) -> f64, prior: bool) -> Panel<'a> {
    let of = |method: &str, start: &str| -> Vec<(f64, f64, f64)> {
        let chosen = rows.iter().filter(|row| row.model == system.name && row.method == method && row.start == start);
        chosen.map(|row| (place(row), row.total_variation, 0.0)).collect()
    };
    let mut series = Vec::new();
    let leaps = [("Euler", BLUE), ("τ-leaping", GREEN), ("analytical", ORANGE), ("Euler + corrector", INK)];
    for (method, colour) in leaps {
        series.push(Series { label: method.into(), colour, mark: Mark::JoinedPoints, values: of(method, "exact") });
        if prior {
            series.push(Series { label: String::new(), colour, mark: Mark::Dashes, values: of(method, "prior") });
        }
    }
    Panel {
        title: format!("{}{}", system.name, if prior { " (dashed: prior start)" } else { "" }),
        x,
        y: Axis { label: "total variation to P₀", log: true, cover: None },
        series,
        height: 320,
        legend: SeriesLabelPosition::LowerLeft,
    }
}
