//! The pictures: distances against the strength of guidance, configurations at fixed magnetisation, paths of
//! fixed area, an infilled lattice.

use ndarray::Array2;
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::{RGBColor, WHITE};
use tensorjump::diffusion::{ExactDenoiser, Guided, Scheme};
use tensorjump::lattice::{BoundaryMps, Couplings, Fredkin, Geometry, Ising, Square};
use tensorjump::model::{LabelLeg, PositiveMps, pinned};
use tensorjump::{Model, SiteWeights, Streams};

use crate::cases::{fredkin_by_area, magnetised_ring};
use crate::{Row, T, flips, times};
use tensorjump_studies::Failure;
use tensorjump_studies::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::raster::{self, Image};

/// Colour of a masked site.
const MASK: RGBColor = RGBColor(214, 217, 222);

/// Guided draws of a labelled ring, label 0, from the exact noised law.
pub fn guided_ring(
    leg: &LabelLeg<PositiveMps>,
    scheme: Scheme,
    gamma: f64,
    steps: usize,
    draws: usize,
    seed: u64,
) -> Result<Array2<u8>, Failure> {
    let (class, all) = (leg.class(0)?, leg.marginal());
    let streams = Streams::new(seed);
    let start = class.draw(draws, &streams.domain("start"))?.x;
    let noise = flips(start.ncols())?;
    let y = noise.kernel(0.0, T)?.sample(start.view(), &streams)?;
    let (with, without) = (ExactDenoiser::new(&class, &noise)?, ExactDenoiser::new(&all, &noise)?);
    Ok(Guided::new(&with, &without, scheme, gamma)?.sample(&times(steps), y.view(), &streams)?.x)
}

/// Total variation of the guided laws from the conditional and from the tilted law, one panel a model.
pub fn sweep(rows: &[Row]) -> Result<String, Failure> {
    let mut models: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.tv_tilted.is_some() && row.method != "exact") {
        if !models.contains(&row.model.as_str()) {
            models.push(&row.model);
        }
    }
    let most = rows.iter().map(|row| row.steps).max().unwrap_or(0);
    let series = |model: &str, named: bool| -> Vec<Series> {
        let curve = |method: &str, colour, mark, value: &dyn Fn(&Row) -> Option<f64>, label: &str| {
            let chosen = rows.iter().filter(|r| r.model == model && r.method == method && r.steps == most);
            let values = chosen.filter_map(|r| Some((r.gamma, value(r)?, 0.0))).collect();
            let label = if named { format!("{method}, {label}") } else { String::new() };
            Series { label, colour, mark, values }
        };
        let (conditional, tilted) = (&|r: &Row| r.tv_conditional, &|r: &Row| r.tv_tilted);
        vec![
            curve("classifier-free", BLUE, Mark::JoinedPoints, conditional, "P(x|y)"),
            curve("classifier-free", BLUE, Mark::Dashes, tilted, "P(x) p(y|x)^γ"),
            curve("classifier-based", ORANGE, Mark::JoinedPoints, conditional, "P(x|y)"),
            curve("classifier-based", ORANGE, Mark::Dashes, tilted, "P(x) p(y|x)^γ"),
        ]
    };
    let panel = |(i, model): (usize, &&str)| Panel {
        title: format!("{model}: distance of the guided law, {most} steps"),
        x: Axis { label: if i + 1 == models.len() { "strength γ" } else { "" }, ..Axis::default() },
        // Room for the legend.
        y: Axis { label: "total variation", log: true, cover: (i == 0).then_some((5e-3, 30.0)) },
        series: series(model, i == 0),
        height: 280,
        legend: SeriesLabelPosition::UpperRight,
    };
    figure(820, &models.iter().enumerate().map(panel).collect::<Vec<_>>())
}

fn ink(x: &Array2<u8>) -> Vec<Vec<RGBColor>> {
    x.outer_iter().map(|x| x.iter().map(|&a| if a == 1 { INK } else { WHITE }).collect()).collect()
}

/// Draws of a ring, plain and at fixed magnetisation: exact, guided weakly and guided; other magnetisations
/// in orange.
pub fn magnetisation(seed: u64) -> Result<String, Failure> {
    const DRAWS: usize = 32;
    let (leg, spins) = magnetised_ring(24, 8)?;
    let streams = Streams::new(seed);
    let plain = leg.marginal().draw(DRAWS, &streams)?.x;
    let exact = leg.class(0)?.draw(DRAWS, &streams)?.x;
    let guided = |gamma| guided_ring(&leg, Scheme::ClassifierFree, gamma, 64, DRAWS, seed);
    let (half, one) = (guided(0.5)?, guided(1.0)?);
    let titles = ["plain", "exactly conditioned", "guided, γ = 0.5", "guided, γ = 1"];
    let marked = |x: &Array2<u8>| {
        let mut cells = ink(x);
        for (row, x) in cells.iter_mut().zip(x.outer_iter()) {
            if x.iter().map(|&a| 2 * i64::from(a) - 1).sum::<i64>() != spins {
                row.iter_mut().filter(|c| **c == INK).for_each(|c| *c = ORANGE);
            }
        }
        cells
    };
    let images = titles.iter().zip([plain, exact, half, one]).map(|(title, x)| Image {
        title,
        cells: marked(&x),
        x_label: "site",
        x_ticks: vec![(0.0, "0".into()), (1.0, x.ncols().to_string())],
        key: vec![(INK, format!("up, M = {spins}")), (ORANGE, format!("up, M ≠ {spins}"))],
    });
    let y_ticks = [(0.0, "0".into()), (1.0, DRAWS.to_string())];
    let label = format!("draw (asked for M = {spins})");
    raster::figure((1100, 560), &label, &y_ticks, &images.collect::<Vec<_>>())
}

/// Paths of three chosen areas.
pub fn area(seed: u64) -> Result<String, Failure> {
    const SITES: usize = 24;
    let chain = Fredkin::new(SITES, 0.5)?;
    let mut series = Vec::new();
    for (area, colour) in [(20, GREEN), (60, BLUE), (110, ORANGE)] {
        let (model, labels) = fredkin_by_area(SITES, 0.5, area)?;
        let leg = LabelLeg::by_automaton(&model, &labels)?;
        let paths = leg.class(1)?.draw(2, &Streams::new(seed))?.x;
        for (i, heights) in chain.heights(paths.view())?.outer_iter().enumerate() {
            let mut values = vec![(0.0, 0.0, 0.0)];
            values.extend(heights.iter().enumerate().map(|(j, &h)| ((j + 1) as f64, f64::from(h), 0.0)));
            let label = if i == 0 { format!("area {area}") } else { String::new() };
            series.push(Series { label, colour, mark: Mark::Line, values });
        }
    }
    let panel = Panel {
        title: format!("Fredkin paths of chosen area, {SITES} sites, c = 0.5: exact draws"),
        x: Axis { label: "site j", ..Axis::default() },
        y: Axis { label: "height h_j (steps)", ..Axis::default() },
        series,
        height: 420,
        legend: SeriesLabelPosition::UpperRight,
    };
    figure(820, &[panel])
}

/// A critical lattice whose right half is masked and filled in again, twice.
pub fn infilling(seed: u64) -> Result<String, Failure> {
    const SIDE: usize = 48;
    let lattice = Square::new(SIDE, SIDE, Geometry::Open)?;
    let model = BoundaryMps::new(&Ising::new(Couplings::uniform(lattice, 1.0)?, 0.4407)?, 12)?;
    let streams = Streams::new(seed);
    let x = model.draw(1, &streams)?.x;
    let pins: Vec<(usize, u8)> = (0..x.len()).filter(|j| j % SIDE < SIDE / 2).map(|j| (j, x[[0, j]])).collect();
    let weights = pinned(&vec![2; x.len()], &pins)?;
    let filled = model.sample(&SiteWeights::Shared(weights.view()), 2, &streams.domain("infilling"))?.x;
    let square = |x: ndarray::ArrayView1<'_, u8>| Array2::from_shape_fn((SIDE, SIDE), |(r, c)| x[r * SIDE + c]);
    let mut masked = ink(&square(x.row(0)));
    masked.iter_mut().for_each(|row| row[SIDE / 2..].fill(MASK));
    let key = vec![(INK, "up".into()), (WHITE, "down".into()), (MASK, "masked".into())];
    let image = |title, cells| Image { title, cells, x_label: "column", x_ticks: Vec::new(), key: key.clone() };
    let images = [
        image("a draw", ink(&square(x.row(0)))),
        image("half masked", masked),
        image("filled in", ink(&square(filled.row(0)))),
        image("and again", ink(&square(filled.row(1)))),
    ];
    raster::figure((1240, 430), "row (β = 0.4407, open)", &[], &images)
}
