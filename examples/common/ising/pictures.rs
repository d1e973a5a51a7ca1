//! The pictures: configurations, energy and specific heat against β, acceptance against χ.

use crate::common::progress::ProgressBar;
use ndarray::{Array1, ArrayView1, Axis};
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::{RGBColor, WHITE};
use tensorjump::lattice::{BoundaryMps, FreeFermions, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams};

use crate::common::Failure;
use crate::common::ising::exact::{Exact, fermion_cost, is_free};
use crate::common::ising::measure::{Averages, Measured};
use crate::common::ising::system::{System, name_of};
use crate::common::plotting::{self, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use crate::common::raster::{self, Image};

/// Temperatures, as fractions of β, at which configurations are drawn.
const FRACTIONS: [f64; 3] = [0.8, 1.0, 1.2];
/// Points of the energy, and the range of β around that of the run.
const POINTS: usize = 9;
const RANGE: (f64, f64) = (0.5, 1.5);
/// Draws behind each point.
const DRAWS: usize = 2048;
/// Bond dimensions of the last picture.
const BONDS: [usize; 6] = [2, 3, 4, 6, 8, 12];
/// Draws behind each of its points.
const BOND_DRAWS: usize = 4096;
/// Configurations drawn for the pictures, for the progress bar.
pub const STEPS: u64 = (POINTS * DRAWS + BONDS.len() * BOND_DRAWS) as u64;

/// Colours of the states 0, 1, …; more states begin again.
const COLOURS: [RGBColor; 5] = [WHITE, INK, ORANGE, BLUE, GREEN];

fn cells(lattice: Square, x: ArrayView1<'_, u8>) -> Vec<Vec<RGBColor>> {
    let colour = |r: usize, c: usize| COLOURS[usize::from(x[lattice.site(r, c)]) % COLOURS.len()];
    (0..lattice.rows()).map(|r| (0..lattice.cols()).map(|c| colour(r, c)).collect()).collect()
}

/// Configurations side by side, with their titles.
fn side_by_side(system: &System, images: &[(String, Array1<u8>)]) -> Result<String, Failure> {
    let lattice = system.lattice();
    let ticks = |n: usize| -> Vec<(f64, String)> { vec![(0.0, "0".into()), (1.0, n.to_string())] };
    let key = || match system {
        System::Ising(_) => vec![(INK, "+1".to_owned()), (WHITE, "−1".to_owned())],
        System::Potts(_) => COLOURS.iter().zip(0..system.states()).map(|(&c, a)| (c, a.to_string())).collect(),
    };
    let image = |(title, x): &(String, Array1<u8>)| (title.clone(), cells(lattice, x.view()));
    let drawn: Vec<_> = images.iter().map(image).collect();
    let images: Vec<Image<'_>> = drawn
        .iter()
        .map(|(title, cells)| Image {
            title,
            cells: cells.clone(),
            x_label: "column",
            x_ticks: ticks(lattice.cols()),
            key: key(),
        })
        .collect();
    // Cells are squares where that gives a picture of sensible height.
    let width = 360.0;
    let height = (width * lattice.rows() as f64 / lattice.cols() as f64).clamp(120.0, 900.0);
    let size = (84 + (images.len() as f64 * (width + 28.0)) as u32, height as u32 + 140);
    raster::figure(size, "row", &ticks(lattice.rows()), &images)
}

/// The last configuration of each method on the lattice of the first.
pub fn last(measured: &[Measured]) -> Result<String, Failure> {
    let lattice = measured[0].system.lattice();
    let image = |m: &Measured| (format!("{}, β = {:.4}", m.method.name(), m.system.beta()), m.last.clone());
    let images: Vec<_> = measured.iter().filter(|m| m.system.lattice() == lattice).map(image).collect();
    side_by_side(&measured[0].system, &images)
}

/// Draws of the boundary MPS in both phases and between.
pub fn temperatures(system: &System, chi: usize, seed: u64) -> Result<String, Failure> {
    let streams = Streams::new(seed).domain("configurations");
    let mut images = Vec::new();
    for (k, fraction) in FRACTIONS.into_iter().enumerate() {
        let at = system.at(fraction * system.beta())?;
        let draw = BoundaryMps::new(at.model(), chi)?.draw(1, &streams.step(k as u64))?;
        images.push((format!("β = {:.4}", at.beta()), draw.x.row(0).to_owned()));
    }
    side_by_side(system, &images)
}

/// Energy and specific heat of weighted draws against β, with the exact curves where they exist.
pub fn energy(system: &System, chi: usize, seed: u64, bar: &ProgressBar) -> Result<String, Failure> {
    let streams = Streams::new(seed).domain("curve");
    let (mut points, mut heats, mut deviations) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..POINTS {
        let model = at(system, i, POINTS)?;
        let samples = BoundaryMps::new(model.model(), chi)?.draw(DRAWS, &streams.step(i as u64))?;
        let log_w = samples.log_importance_weights(model.model())?;
        let values = model.observe(samples.x.view())?;
        let mean = |f: &Array1<f64>| Estimate::importance_mean(log_w.view(), f.view());
        let columns = [0, 1, 2].map(|k| values.index_axis(Axis(1), k));
        let averages = Averages::new(&model, columns, mean)?;
        points.push((model.beta(), averages.energy.mean, averages.energy.error));
        heats.push((model.beta(), averages.heat.mean, averages.heat.error));
        if let Some(exact) = Exact::new(&model)?.energy {
            deviations.push((model.beta(), (averages.energy.mean - exact) / averages.energy.error, 1.0));
        }
        bar.inc(DRAWS as u64);
    }
    let (energy_curve, heat_curve) = exact_curves(system)?;
    let curve = |label: &str, values| Series { label: label.into(), colour: INK, mark: Mark::Line, values };
    let draws = |label: &str, values| Series { label: label.into(), colour: BLUE, mark: Mark::Points, values };
    let x = plotting::Axis { label: "inverse temperature β", ..Default::default() };
    let panel = |title: String, y, series, height| Panel {
        title,
        x: plotting::Axis { label: "", ..x },
        y,
        series,
        height,
        legend: SeriesLabelPosition::UpperRight,
    };
    let y = |label| plotting::Axis { label, ..Default::default() };
    let label = if energy_curve.is_empty() { "" } else { "exact" };
    let title = format!("{}, {}, {DRAWS} draws a point, χ = {chi}", system.name(), name_of(system.lattice()));
    let mut panels = vec![
        panel(
            title,
            y("energy per site"),
            vec![curve(label, energy_curve), draws("weighted draws (± σ)", points)],
            330,
        ),
        panel(String::new(), y("specific heat per site"), vec![curve("", heat_curve), draws("", heats)], 270),
    ];
    if !deviations.is_empty() {
        let ends = [deviations[0].0, deviations[deviations.len() - 1].0];
        let zero = curve("", ends.map(|beta| (beta, 0.0, 0.0)).to_vec());
        let axis = plotting::Axis { label: "energy: (draws − exact)/σ", cover: Some((-3.5, 3.5)), log: false };
        panels.push(panel(String::new(), axis, vec![zero, draws("", deviations)], 230));
    }
    if let Some(last) = panels.last_mut() {
        last.x = x;
    }
    figure(820, &panels)
}

/// Values against β.
type Curve = Vec<(f64, f64, f64)>;

/// Exact energy and specific heat against β; empty where they do not exist or would take long.
fn exact_curves(system: &System) -> Result<(Curve, Curve), Failure> {
    /// Multiply-adds for the curves: a second or two.
    const BUDGET: f64 = 1e10;
    const MOST: f64 = 81.0;
    const LEAST: usize = 5;
    let System::Ising(ising) = system else { return Ok((vec![], vec![])) };
    let n = if is_free(ising) { (BUDGET / fermion_cost(ising)).min(MOST) as usize } else { 0 };
    let (mut energy, mut heat) = (Vec::new(), Vec::new());
    for i in 0..if n < LEAST { 0 } else { n } {
        let model = at(system, i, n)?;
        let System::Ising(ising) = &model else { continue };
        let Ok(exact) = FreeFermions::new(ising) else { continue };
        energy.push((model.beta(), exact.energy_per_site, 0.0));
        heat.push((model.beta(), exact.specific_heat, 0.0));
    }
    Ok((energy, heat))
}

/// The model at the `i`-th of `n` temperatures.
fn at(system: &System, i: usize, n: usize) -> tensorjump::Result<System> {
    let fraction = RANGE.0 + (RANGE.1 - RANGE.0) * i as f64 / (n - 1) as f64;
    system.at(fraction * system.beta())
}

/// Acceptance of independent draws and their effective fraction against the bond dimension.
pub fn acceptance(system: &System, seed: u64, bar: &ProgressBar) -> Result<String, Failure> {
    let streams = Streams::new(seed).domain("bonds");
    let (mut accepted, mut rejected, mut effective) = (Vec::new(), Vec::new(), Vec::new());
    for chi in BONDS {
        let model = BoundaryMps::new(system.model(), chi)?;
        let samples = model.draw(BOND_DRAWS, &streams.step(chi as u64))?;
        let log_w = samples.log_importance_weights(system.model())?;
        let acceptance = Estimate::stationary_acceptance(log_w.view())?;
        accepted.push((chi as f64, acceptance.mean, acceptance.error));
        rejected.push((chi as f64, 1.0 - acceptance.mean, acceptance.error));
        effective.push((chi as f64, WeightSummary::of(log_w.view())?.fraction, 0.0));
        bar.inc(BOND_DRAWS as u64);
    }
    let joined = |label: &str, colour, values| Series { label: label.into(), colour, mark: Mark::JoinedPoints, values };
    let x = plotting::Axis { label: "bond dimension χ", ..Default::default() };
    let title = format!(
        "Boundary MPS as a proposal: {}, β = {:.4}, {} sites",
        name_of(system.lattice()),
        system.beta(),
        system.lattice().sites()
    );
    let panels = [
        Panel {
            title,
            x: plotting::Axis { label: "", ..x },
            y: plotting::Axis { label: "fraction", log: false, cover: Some((0.0, 1.05)) },
            series: vec![joined("acceptance", BLUE, accepted), joined("ESS/n of the weights", ORANGE, effective)],
            height: 300,
            legend: SeriesLabelPosition::LowerRight,
        },
        Panel {
            title: String::new(),
            x,
            y: plotting::Axis { label: "1 − acceptance", log: true, cover: None },
            series: vec![joined("", BLUE, rejected)],
            height: 290,
            legend: SeriesLabelPosition::UpperRight,
        },
    ];
    figure(820, &panels)
}
