//! Effective fraction against size beside published ones, and the law of the magnetisation.

use plotters::chart::SeriesLabelPosition;
use tensorjump_studies::Failure;
use tensorjump_studies::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};

use super::measure::{Measured, cell};
use super::published::Published;
use super::systems::System;

pub fn all(all: &[(&System, &Measured)], published: &[Published]) -> Result<Vec<(&'static str, String)>, Failure> {
    Ok(vec![("ess.svg", ess(all, published)?), ("magnetisation.svg", magnetisation(all)?)])
}

/// Effective fraction at β = .44 against the side of the torus.
fn ess(all: &[(&System, &Measured)], published: &[Published]) -> Result<String, Failure> {
    let side = |name: &str| name.strip_prefix("ising torus ")?.strip_suffix(" 0.44")?.parse::<f64>().ok();
    let here = all.iter().filter_map(|(s, m)| Some((side(&s.name)?, m.ess, 0.0))).collect();
    let of = |method: &str| {
        let rows = published.iter().filter(|p| p.method == method);
        rows.filter_map(|p| Some((side(&p.system)?, p.ess?, 0.0))).collect()
    };
    let series = |label: &str, colour, values| Series { label: label.into(), colour, mark: Mark::JoinedPoints, values };
    let panel = Panel {
        title: "Independent draws of the Ising model on tori, β = 0.44".into(),
        x: Axis { label: "side L", log: true, cover: Some((10.0, 160.0)) },
        y: Axis { label: "ESS / n", log: false, cover: Some((0.0, 1.0)) },
        series: vec![
            series("boundary operators (here)", BLUE, here),
            series("RiGCS", ORANGE, of("RiGCS")),
            series("HAN", GREEN, of("HAN")),
        ],
        height: 420,
        legend: SeriesLabelPosition::LowerLeft,
    };
    figure(760, &[panel])
}

/// Shares of up spins on 16 × 16 at three temperatures, with and without weights.
fn magnetisation(all: &[(&System, &Measured)]) -> Result<String, Failure> {
    let panels: Vec<_> = ["0.28", "0.4407", "0.6"]
        .into_iter()
        .filter_map(|beta| {
            let name = format!("ising torus 16 {beta}");
            let (_, m) = all.iter().rev().find(|(s, _)| s.name == name)?;
            // A cell holds several numbers of up spins, not always as many.
            let values = |up: f64| (0..=256).filter(|n| cell(f64::from(*n) / 256.0) == cell(up)).count() as f64;
            let raw: Vec<_> = m.up.iter().map(|&(up, raw, _)| (up, raw / values(up), 0.0)).collect();
            let weighted = m.up.iter().map(|&(up, _, weighted)| (up, weighted / values(up), 0.0)).collect();
            let top = raw.iter().map(|v| v.1).fold(0.0, f64::max);
            let series = |label: &str, colour, mark, values| Series { label: label.into(), colour, mark, values };
            Some(Panel {
                title: format!("16 × 16 torus, β = {beta}"),
                x: Axis { label: "share of up spins", log: false, cover: Some((0.0, 1.0)) },
                y: Axis { label: "probability of a number", log: false, cover: Some((0.0, 1.5 * top)) },
                series: vec![
                    series("with weights", INK, Mark::Line, weighted),
                    series("without", ORANGE, Mark::Points, raw),
                ],
                height: 260,
                legend: SeriesLabelPosition::UpperMiddle,
            })
        })
        .collect();
    figure(760, &panels)
}
