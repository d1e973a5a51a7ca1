//! Two pictures each: errors against evaluations, and what is wrong at which distance.

use plotters::chart::SeriesLabelPosition;
use plotters::style::RGBColor;
use tensorjump_studies::Failure;
use tensorjump_studies::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};

use crate::blind::Blind;
use crate::{exact, letters};

type Files = Vec<(&'static str, String)>;
/// Places with errors, see [`Series`].
type Points = Vec<(f64, f64, f64)>;

fn panel<'a>(title: &str, x: Axis<'a>, y: Axis<'a>, series: Vec<Series>) -> Panel<'a> {
    Panel { title: title.into(), x, y, series, height: 420, legend: SeriesLabelPosition::LowerLeft }
}

fn axis(label: &str, log: bool) -> Axis<'_> {
    Axis { label, log, cover: None }
}

fn line(label: &str, colour: RGBColor, values: Points) -> Series {
    Series { label: label.into(), colour, mark: Mark::JoinedPoints, values }
}

const COLOURS: [RGBColor; 4] = [BLUE, ORANGE, GREEN, INK];

/// Total variation against evaluations: of samplers with the exact denoiser; of denoisers in the analytical
/// step, and what the learned one and the sampler add to it.
pub fn of_table(rows: &[exact::Row]) -> Result<Files, Failure> {
    let points = |chosen: &dyn Fn(&exact::Row) -> bool| -> Points {
        rows.iter().filter(|row| chosen(row)).map(|row| (row.evaluations as f64, row.total_variation, 0.0)).collect()
    };
    let shown = ["Euler", "analytical", "θ-trapezoidal", "random order", "ReMDM, rescale .5"];
    let shown = shown.into_iter().filter(|name| rows.iter().any(|row| row.sampler == *name));
    let samplers = shown
        .zip(COLOURS)
        .map(|(name, colour)| line(name, colour, points(&|row| row.denoiser == "exact" && row.sampler == name)));
    let named = |start: &str| rows.iter().map(|row| row.denoiser.as_str()).find(|name| name.starts_with(start));
    let denoisers =
        ["exact", "temperature", "learned", "marginals"].into_iter().filter_map(named).zip(COLOURS).map(
            |(name, colour)| line(name, colour, points(&|row| row.denoiser == name && row.sampler == "analytical")),
        );
    let learned: Vec<&exact::Row> = rows
        .iter()
        .filter(|row| Some(row.denoiser.as_str()) == named("learned") && row.sampler == "analytical")
        .collect();
    let of = |label, colour, value: &dyn Fn(&exact::Row) -> f64| {
        line(label, colour, learned.iter().map(|row| (row.evaluations as f64, value(row), 0.0)).collect())
    };
    let parts = vec![
        of("law and data", GREEN, &|row| row.total_variation),
        of("of the sampler", INK, &|row| row.of_sampler),
        of("of the denoiser", ORANGE, &|row| row.of_denoiser),
    ];
    let x = || axis("evaluations of the denoiser", true);
    let y = || axis("total variation", true);
    let below = [
        panel("analytical step", x(), y(), denoisers.collect()),
        panel("analytical step, learned denoiser", x(), y(), parts),
    ];
    Ok(vec![
        ("samplers.svg", figure(820, &[panel("exact denoiser", x(), y(), samplers.collect())])?),
        ("denoisers.svg", figure(820, &below)?),
    ])
}

/// Transition divergence against evaluations, agreement by distance at the fewest steps.
pub fn of_letters(rows: &[letters::Row]) -> Result<Files, Failure> {
    let drawn = &rows[1..];
    let shown = ["SEDD: Euler", "MDLM: analytical", "LLaDA: random order", "LLaDA: by confidence"];
    let series = |values: &dyn Fn(&[&letters::Row]) -> Points| -> Vec<Series> {
        let of = |name: &str| -> Vec<&letters::Row> {
            drawn.iter().filter(|row| row.sampler == name && row.denoiser == "exact").collect()
        };
        shown.into_iter().zip(COLOURS).map(|(name, colour)| line(name, colour, values(&of(name)))).collect()
    };
    let divergences = series(&|rows| {
        rows.iter().map(|row| (row.evaluations, row.transitions.divergence.0, row.transitions.divergence.1)).collect()
    });
    let distances = series(&|rows| {
        let first = rows.first().map(|row| row.agreement.as_slice()).unwrap_or_default();
        first.iter().enumerate().map(|(r, (d, error))| ((r + 1) as f64, *d, *error)).collect()
    });
    let x = axis("evaluations of the denoiser", true);
    let y = axis("transition divergence / nats", true);
    let (r, d) = (axis("distance", false), axis("agreement, drawn − exact", false));
    Ok(vec![
        ("transitions.svg", figure(820, &[panel("27 letters", x, y, divergences)])?),
        ("distances.svg", figure(820, &[panel("27 letters, fewest steps", r, d, distances)])?),
    ])
}

/// Agreement by distance: data, law, samples.
pub fn of_blind(blind: &Blind) -> Result<Files, Failure> {
    let of = |f: &dyn Fn(&crate::blind::Distance) -> (f64, f64)| -> Points {
        let point = |d: &crate::blind::Distance| (d.distance as f64, f(d).0, f(d).1);
        blind.distances.iter().map(point).collect()
    };
    let series = vec![
        Series { label: "data, exact".into(), colour: INK, mark: Mark::Line, values: of(&|d| (d.data, 0.0)) },
        Series {
            label: "law of the sampler, exact".into(),
            colour: ORANGE,
            mark: Mark::Dashes,
            values: of(&|d| (d.law, 0.0)),
        },
        Series { label: "its samples".into(), colour: BLUE, mark: Mark::Points, values: of(&|d| d.sampled) },
    ];
    let (x, y) = (axis("distance", false), axis("probability of the same letter", false));
    let mut panel = panel("right pairs, wrong distance", x, y, series);
    panel.legend = SeriesLabelPosition::UpperRight;
    Ok(vec![("blind.svg", figure(820, &[panel])?)])
}
