//! Curves and points with error bars, in panels one above the other, as SVG.
//!
//! Text stays text: the viewer's sans-serif font draws it, no font file is needed here.

use std::ops::Range;

use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::{
    BLACK, Circle, Color, DashedLineSeries, DrawingArea, IntoDrawingArea, IntoFont, LineSeries, PathElement, RGBColor,
    SVGBackend, ShapeStyle, WHITE,
};

use super::Failure;

/// Ink of axes and exact curves.
pub const INK: RGBColor = RGBColor(34, 40, 49);
/// First colour of data.
pub const BLUE: RGBColor = RGBColor(31, 111, 180);
/// Second colour of data.
pub const ORANGE: RGBColor = RGBColor(217, 95, 2);
/// Third colour of data.
pub const GREEN: RGBColor = RGBColor(27, 140, 100);
/// Lines of the grid.
const GRID: RGBColor = RGBColor(232, 234, 237);
/// Height of text in pixels (plotters divides by 1.24).
const TEXT: u32 = 18;

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A line through the values.
    Line,
    /// A dashed line through the values: references.
    Dashes,
    /// Points with error bars.
    Points,
    /// Points with error bars, joined by a thin line to guide the eye.
    JoinedPoints,
}

/// Values with errors (zero for none); values that cannot be drawn (NaN, or ≤ 0 on a logarithmic axis) are
/// left out.
#[derive(Debug, Clone)]
pub struct Series {
    /// Entry in the legend; none if empty.
    pub label: String,
    /// Colour.
    pub colour: RGBColor,
    /// How to draw it.
    pub mark: Mark,
    /// `(x, y, error of y)`.
    pub values: Vec<(f64, f64, f64)>,
}

/// An axis.
#[derive(Debug, Clone, Copy, Default)]
pub struct Axis<'a> {
    /// What it shows, with its unit.
    pub label: &'a str,
    /// Logarithmic (base 10) or linear.
    pub log: bool,
    /// Limits that the axis must at least cover.
    pub cover: Option<(f64, f64)>,
}

impl Axis<'_> {
    /// Position of a value along the axis.
    fn place(&self, value: f64) -> Option<f64> {
        let place = if self.log { value.log10() } else { value };
        place.is_finite().then_some(place)
    }

    /// Range and ticks, in positions, that cover the values.
    fn scale(&self, values: impl Iterator<Item = f64>) -> Scale {
        let cover = self.cover.into_iter().flat_map(|(a, b)| [a, b]);
        let places = values.chain(cover).filter_map(|value| self.place(value));
        let (mut low, mut high) = places.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let least = if self.log { 0.3 } else { 1e-9 * low.abs().max(high.abs()).max(1e-9) };
        if high - low < least {
            (low, high) = (low - 0.5_f64.max(least), high + 0.5_f64.max(least));
        }
        let margin = 0.04 * (high - low);
        // Limits asked for are kept exactly.
        let asked =
            |value: f64| self.cover.is_some_and(|(a, b)| self.place(a) == Some(value) || self.place(b) == Some(value));
        let range = if asked(low) { low } else { low - margin }..if asked(high) { high } else { high + margin };
        let ticks = if self.log { decades(&range) } else { steps(&range) };
        // One way of writing for all ticks of an axis.
        let powers = self.log && ticks.iter().any(|place| !(-3.0..4.0).contains(place));
        Scale { range, ticks, powers }
    }

    /// Text of a tick.
    fn tick(&self, place: f64, powers: bool) -> String {
        if powers {
            return power_of_ten(place);
        }
        let value = if self.log { 10f64.powf(place) } else { place };
        if value != 0.0 && !(1e-4..1e6).contains(&value.abs()) {
            return format!("{value:.0e}");
        }
        let text = format!("{value:.4}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// `10⁵`, `2·10⁵`: long numbers would reach into the label of the axis.
fn power_of_ten(place: f64) -> String {
    let decade = (place + 1e-9).floor();
    let factor = match 10f64.powf(place - decade).round() {
        1.0 => String::new(),
        factor => format!("{factor}·"),
    };
    let raise = |c: char| match c.to_digit(10) {
        Some(digit) => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize],
        None => '⁻',
    };
    format!("{factor}10{}", decade.to_string().chars().map(raise).collect::<String>())
}

/// A linear coordinate with given ticks.
struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
    /// Whether ticks are written as powers of ten.
    powers: bool,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        let fraction = (value - self.range.start) / (self.range.end - self.range.start);
        limit.0 + (fraction * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Powers of ten in a range of exponents, with 2 and 5 between where they are few.
fn decades(range: &Range<f64>) -> Vec<f64> {
    let between: &[f64] = if range.end - range.start < 2.2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let ticks = powers.flat_map(|k| between.iter().map(move |m| f64::from(k) + m.log10()));
    ticks.filter(|t| range.contains(t)).collect()
}

/// Multiples of 1, 2 or 5 times a power of ten, four to eight of them.
fn steps(range: &Range<f64>) -> Vec<f64> {
    let raw = (range.end - range.start) / 6.0;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= raw).unwrap_or(10.0 * power);
    // The margin keeps a tick at the very end that rounding would lose.
    let (first, last) = ((range.start / step - 1e-9).ceil() as i64, (range.end / step + 1e-9).floor() as i64);
    (first..=last).map(|k| k as f64 * step).collect()
}

/// One pair of axes with its series.
#[derive(Debug, Clone)]
pub struct Panel<'a> {
    /// Line above the panel; none if empty.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis<'a>,
    /// Vertical axis.
    pub y: Axis<'a>,
    /// What is drawn.
    pub series: Vec<Series>,
    /// Height in pixels.
    pub height: u32,
    /// Corner of the legend.
    pub legend: SeriesLabelPosition,
}

/// Panels one above the other, as the text of an SVG file.
pub fn figure(width: u32, panels: &[Panel<'_>]) -> Result<String, Failure> {
    let mut svg = String::new();
    {
        let height = panels.iter().map(|panel| panel.height).sum();
        let root = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut rest = root.clone();
        for panel in panels {
            let (area, below) = rest.split_vertically(panel.height);
            draw(&area, panel)?;
            rest = below;
        }
        root.present()?;
    }
    Ok(svg)
}

fn draw(area: &DrawingArea<SVGBackend<'_>, Shift>, panel: &Panel<'_>) -> Result<(), Failure> {
    let Panel { title, x, y, series, .. } = panel;
    let values = || series.iter().flat_map(|s| &s.values);
    let x_scale = x.scale(values().map(|v| v.0));
    let y_scale = y.scale(values().flat_map(|&(_, y, error)| [y - error, y, y + error]));
    let (x_powers, y_powers) = (x_scale.powers, y_scale.powers);
    let mut builder = ChartBuilder::on(area);
    builder.margin(10).margin_right(24).x_label_area_size(48).y_label_area_size(84);
    if !title.is_empty() {
        builder.caption(title, ("sans-serif", TEXT + 3).into_font().color(&INK));
    }
    let mut chart = builder.build_cartesian_2d(x_scale, y_scale)?;
    chart
        .configure_mesh()
        .bold_line_style(GRID)
        .light_line_style(WHITE.mix(0.0))
        .axis_style(INK)
        .label_style(("sans-serif", TEXT).into_font().color(&INK))
        .axis_desc_style(("sans-serif", TEXT + 1).into_font().color(&INK))
        .x_desc(x.label)
        .y_desc(y.label)
        .x_label_formatter(&|v| x.tick(*v, x_powers))
        .y_label_formatter(&|v| y.tick(*v, y_powers))
        .draw()?;
    for Series { label, colour, mark, values } in series {
        let colour = *colour;
        let places: Vec<_> = values.iter().filter_map(|&(a, b, _)| Some((x.place(a)?, y.place(b)?))).collect();
        let line = ShapeStyle { color: colour.to_rgba(), filled: false, stroke_width: 2 };
        let thin = ShapeStyle { color: colour.mix(0.45), filled: false, stroke_width: 1 };
        let drawn = match mark {
            Mark::Line => chart.draw_series(LineSeries::new(places, line))?,
            Mark::Dashes => chart.draw_series(DashedLineSeries::new(places, 8, 5, line))?,
            Mark::JoinedPoints => chart.draw_series(LineSeries::new(places, thin))?,
            Mark::Points => chart.draw_series(LineSeries::new(std::iter::empty(), thin))?,
        };
        let pointed = matches!(mark, Mark::Points | Mark::JoinedPoints);
        if !label.is_empty() {
            drawn.label(label.as_str()).legend(move |(x, y)| {
                // A path of one place draws nothing: points have only their circle, drawn as a thick short
                // line.
                if pointed {
                    PathElement::new(vec![(x + 7, y), (x + 13, y)], colour.stroke_width(6))
                } else {
                    PathElement::new(vec![(x, y), (x + 20, y)], colour.stroke_width(2))
                }
            });
        }
        if pointed {
            let bar = |&(a, b, error): &(f64, f64, f64)| {
                let (low, high) = (y.place(b - error)?, y.place(b + error)?);
                let a = x.place(a)?;
                (error > 0.0).then(|| PathElement::new(vec![(a, low), (a, high)], line))
            };
            chart.draw_series(values.iter().filter_map(bar))?;
            let dot = |&(a, b, _): &(f64, f64, f64)| Some(Circle::new((x.place(a)?, y.place(b)?), 3, colour.filled()));
            chart.draw_series(values.iter().filter_map(dot))?;
        }
    }
    if series.iter().any(|s| !s.label.is_empty()) {
        chart
            .configure_series_labels()
            .position(panel.legend.clone())
            .label_font(("sans-serif", TEXT).into_font().color(&INK))
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.15))
            .margin(8)
            .draw()?;
    }
    Ok(())
}
