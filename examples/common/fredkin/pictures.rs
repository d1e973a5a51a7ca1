//! The pictures: height profile, moves against noise time, a trajectory through noise and back.

use ndarray::{Array1, Array2};
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::{RGBColor, WHITE};
use tensorjump::diffusion::ExactDiffusion;
use tensorjump::lattice::{Equilibrium, Fredkin, FredkinModel};
use tensorjump::{Model, Streams};

use crate::common::Failure;
use crate::common::fredkin::measure::{Measured, flips};
use crate::common::plotting::{Axis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use crate::common::raster::{self, Image};

/// Mean heights of independent draws against the exact profile, and their differences in units of the error.
pub fn height_profile(
    chain: &Fredkin,
    exact: &Equilibrium,
    (mean, error): &(Array1<f64>, Array1<f64>),
) -> Result<String, Failure> {
    let profile = exact.height_profile();
    let at = |j: usize| (j + 1) as f64;
    let every = chain.sites().div_ceil(50); // more points would only hide each other
    let shown: Vec<usize> = (every - 1..chain.sites()).step_by(every).collect();
    let curve = |values: &Array1<f64>| values.iter().enumerate().map(|(j, &h)| (at(j), h, 0.0)).collect();
    let mut exact = Series { label: "exact".into(), colour: INK, mark: Mark::Line, values: curve(&profile) };
    exact.values.insert(0, (0.0, 0.0, 0.0)); // paths start at height zero
    let points = shown.iter().map(|&j| (at(j), mean[j], error[j])).collect();
    let draws = Series { label: "draws (± σ)".into(), colour: BLUE, mark: Mark::Points, values: points };
    let deviations =
        shown.iter().filter(|&&j| error[j] > 0.0).map(|&j| (at(j), (mean[j] - profile[j]) / error[j], 1.0));
    let ends = [(0.0, 0.0, 0.0), (chain.sites() as f64, 0.0, 0.0)];
    let zero = Series { label: String::new(), colour: INK, mark: Mark::Line, values: ends.to_vec() };
    let deviations = Series { label: String::new(), colour: BLUE, mark: Mark::Points, values: deviations.collect() };
    let x = Axis { label: "site j", cover: Some((0.0, chain.sites() as f64)), log: false };
    let panels = [
        Panel {
            title: format!("Fredkin chain: mean height, {} sites, c = {}", chain.sites(), chain.c()),
            x: Axis { label: "", ..x },
            y: Axis { label: "mean height ⟨hⱼ⟩ (steps)", ..Axis::default() },
            series: vec![exact, draws],
            height: 360,
            legend: SeriesLabelPosition::LowerMiddle,
        },
        Panel {
            title: "deviation in standard errors (neighbouring sites are correlated)".into(),
            x,
            y: Axis { label: "(draws − exact)/σ", cover: Some((-3.5, 3.5)), log: false },
            series: vec![zero, deviations],
            height: 230,
            legend: SeriesLabelPosition::UpperRight,
        },
    ];
    figure(820, &panels)
}

/// Acceptance, autocorrelation time and efficiency of the connected moves against noise time; the other moves
/// as levels.
pub fn noise_time(chain: &Fredkin, moves: &[Measured]) -> Result<String, Failure> {
    let mut times: Vec<f64> = moves.iter().filter_map(|m| m.noise_time).collect();
    times.sort_by(f64::total_cmp);
    let ends = (times.first().copied().unwrap_or(0.1) / 1.3, times.last().copied().unwrap_or(1.0) * 1.3);
    let series = |value: &dyn Fn(&Measured) -> (f64, f64), names: bool| -> Vec<Series> {
        let label = |text: &str| if names { text.to_owned() } else { String::new() };
        let mut connected: Vec<(f64, f64, f64)> =
            moves.iter().filter_map(|m| m.noise_time.map(|t| (t, value(m).0, value(m).1))).collect();
        connected.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut all =
            vec![Series { label: label("connected"), colour: BLUE, mark: Mark::JoinedPoints, values: connected }];
        for (name, colour) in [("disconnected", ORANGE), ("local", GREEN)] {
            if let Some(m) = moves.iter().find(|m| m.name == name) {
                let level = value(m).0;
                let values = vec![(ends.0, level, 0.0), (ends.1, level, 0.0)];
                all.push(Series { label: label(name), colour, mark: Mark::Dashes, values });
            }
        }
        all
    };
    let x = Axis { label: "noise time T (inverse flip rate)", log: true, cover: Some(ends) };
    let panel = |y, series, title: &str| Panel {
        title: title.to_owned(),
        x,
        y,
        series,
        height: 290,
        legend: SeriesLabelPosition::LowerRight,
    };
    let panels = [
        panel(
            Axis { label: "acceptance", log: false, cover: Some((0.0, 1.05)) },
            series(&|m| (m.acceptance, 0.0), true),
            &format!("Fredkin chain: moves against noise time, {} sites, c = {}", chain.sites(), chain.c()),
        ),
        panel(
            Axis { label: "τ of the area (updates)", log: true, cover: Some((0.3, 1.0)) },
            series(&|m| (m.area.autocorrelation.tau, tau_error(m)), false),
            "",
        ),
        panel(
            Axis { label: "ESS per CPU second", log: true, cover: None },
            series(&|m| (m.ess_per_second(), m.ess_per_second() * tau_error(m) / m.area.autocorrelation.tau), false),
            "",
        ),
    ];
    figure(820, &panels)
}

/// Standard error of a windowed autocorrelation time, `τ √(2(2W+1)/n)` (Madras and Sokal 1988).
fn tau_error(m: &Measured) -> f64 {
    let a = m.area.autocorrelation;
    let n = 2.0 * a.tau * a.ess;
    a.tau * (2.0 * (2.0 * a.window as f64 + 1.0) / n).sqrt()
}

/// Noise times down one half of the picture and up the other.
const ROWS: usize = 64;
/// Longest noise time of the picture, in inverse flip rates.
const LONGEST: f64 = 1.0;

/// A draw, noised and denoised in small steps: occupations and heights, rows are times, columns sites.
pub fn trajectory(model: &FredkinModel, seed: u64) -> Result<String, Failure> {
    let streams = Streams::new(seed).domain("trajectory");
    let sites = model.chain().sites();
    let noise = flips(sites)?;
    // Short times need fine steps: t ∝ i².
    let time = |i: usize| LONGEST * (i as f64 / ROWS as f64).powi(2);
    let mut states = vec![model.draw(1, &streams)?.x];
    for i in 0..ROWS {
        let kernel = noise.kernel(time(i), time(i + 1))?;
        states.push(kernel.sample(states[i].view(), &streams.step(i as u64))?);
    }
    let back: Vec<f64> = (0..=ROWS).rev().map(time).collect();
    states.extend(model.denoise_through(&noise, &back, states[ROWS].view(), &streams)?.states.into_iter().skip(1));

    let heights: Vec<Vec<i32>> = states.iter().map(|x| heights(model.chain(), x)).collect::<Result<_, _>>()?;
    let reach = heights.iter().flatten().map(|h| h.abs()).max().unwrap_or(1).max(1);
    let occupation = |x: &Array2<u8>| x.iter().map(|&n| if n == 1 { INK } else { WHITE }).collect();
    let colour = |row: &Vec<i32>| row.iter().map(|&h| diverging(f64::from(h) / f64::from(reach))).collect();
    let ticks: Vec<(f64, String)> =
        [0.0, 0.25, 0.5, 0.75, 1.0].iter().map(|&t| (t, format!("{}", (t * sites as f64).round()))).collect();
    let images = [
        Image {
            title: "occupation nⱼ",
            cells: states.iter().map(occupation).collect(),
            x_label: "site j",
            x_ticks: ticks.clone(),
            key: vec![(INK, "up step (1)".into()), (WHITE, "down step (0)".into())],
        },
        Image {
            title: "height hⱼ",
            cells: heights.iter().map(colour).collect(),
            x_label: "site j",
            x_ticks: ticks,
            key: [-1.0, -0.5, 0.0, 0.5, 1.0]
                .iter()
                .map(|&v| (diverging(v), format!("{:.0}", v * f64::from(reach))))
                .collect(),
        },
    ];
    let rows = 2 * ROWS + 1;
    let tick = |i: usize| (i as f64 + 0.5) / rows as f64;
    let marks = [0, ROWS / 4, ROWS / 2, 3 * ROWS / 4, ROWS];
    let down = marks.iter().map(|&i| (tick(i), format!("{:.2}", time(i))));
    let up = marks.iter().rev().skip(1).map(|&i| (tick(2 * ROWS - i), format!("{:.2}", time(i))));
    let y_ticks: Vec<_> = down.chain(up).collect();
    raster::figure((1100, 640), "noise time t (inverse flip rate): noising ↓, then denoising ↓", &y_ticks, &images)
}

/// Heights after each second site: between them a path only zigzags.
fn heights(chain: &Fredkin, x: &Array2<u8>) -> Result<Vec<i32>, Failure> {
    Ok(chain.heights(x.view())?.iter().skip(1).step_by(2).copied().collect())
}

/// Blue below zero, white at zero, orange above, in steps that join neighbouring cells.
fn diverging(value: f64) -> RGBColor {
    const STEPS: f64 = 10.0;
    let v = (value.clamp(-1.0, 1.0) * STEPS).round() / STEPS;
    let RGBColor(r, g, b) = if v < 0.0 { BLUE } else { ORANGE };
    let mix = |ink: u8| (255.0 - (255.0 - f64::from(ink)) * v.abs().powf(0.7)).round() as u8;
    RGBColor(mix(r), mix(g), mix(b))
}
