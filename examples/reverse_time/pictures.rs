//! Distances against the number of steps, one panel a system; cost against accuracy.

use plotters::chart::SeriesLabelPosition;

use crate::common::Failure;
use crate::common::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use crate::measure::Row;
use crate::systems::System;

/// The files with their contents.
pub fn all(systems: &[System], rows: &[Row]) -> Result<[(&'static str, String); 2], Failure> {
    let steps = Axis { label: "steps", log: true, cover: None };
    let seconds = Axis { label: "CPU seconds a sample", log: true, cover: None };
    let convergence =
        systems.iter().map(|system| panel(system, rows, steps, &|row| row.steps as f64)).collect::<Vec<_>>();
    let cost = systems.iter().map(|system| panel(system, rows, seconds, &|row| row.seconds)).collect::<Vec<_>>();
    Ok([("convergence.svg", figure(820, &convergence)?), ("cost.svg", figure(820, &cost)?)])
}

/// Total variation of the exact denoiser's leaps, from the exact start joined, from the prior dashed; exact samplers as points.
fn panel<'a>(system: &System, rows: &[Row], x: Axis<'a>, place: &dyn Fn(&Row) -> f64) -> Panel<'a> {
    let of = |method: &str, start: &str| -> Vec<(f64, f64, f64)> {
        let chosen = rows.iter().filter(|row| row.model == system.name && row.method == method && row.start == start);
        chosen.map(|row| (place(row), row.total_variation, 0.0)).collect()
    };
    let mut series = Vec::new();
    let leaps = [("Euler", BLUE), ("τ-leaping", GREEN), ("analytical", ORANGE), ("Euler + corrector", INK)];
    for (method, colour) in leaps {
        series.push(Series { label: method.into(), colour, mark: Mark::JoinedPoints, values: of(method, "exact") });
        series.push(Series { label: String::new(), colour, mark: Mark::Dashes, values: of(method, "prior") });
    }
    Panel {
        title: format!("{} (dashed: prior start)", system.name),
        x,
        y: Axis { label: "total variation to P₀", log: true, cover: None },
        series,
        height: 320,
        legend: SeriesLabelPosition::LowerLeft,
    }
}
