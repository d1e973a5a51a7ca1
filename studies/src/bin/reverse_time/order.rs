//! Orders of convergence of the leaps, and unmasking in few steps, on laws without structure: by enumeration.

use serde::Serialize;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::ExactDenoiser;
use tensorjump::diffusion::reverse::{Order, Remask, Step, TimeGrid};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Result, Streams, Target};

use rand::RngExt;

/// Evaluations of the denoiser that all samplers get.
pub const EVALUATIONS: [usize; 5] = [8, 16, 32, 64, 128];

/// Times between which the leaps run.
pub const ENDS: (f64, f64) = (1.0, 0.1);

/// One line of a table.
#[derive(Debug, Serialize)]
pub struct Line {
    pub table: String,
    pub method: &'static str,
    /// Total variations to the exact law: by evaluations, or by steps from one to the number of sites.
    pub total_variation: Vec<f64>,
}

/// Weights from 1 to 10, cubed where the law is meant to be rough.
fn law(dims: &[usize], rough: bool, seed: u64) -> Result<DenseLaw> {
    let mut stream = Streams::new(seed).domain("order").stream(0);
    let mut weight = || (0.1 + 0.9 * stream.random::<f64>()).powi(if rough { 3 } else { 1 });
    DenseLaw::new(dims, &(0..dims.iter().product()).map(|_| weight()).collect::<Vec<_>>())
}

/// All lines; `tick` is called after each law.
pub fn measure(seed: u64) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (dims, rough) in [([2; 4].to_vec(), false), ([3; 3].to_vec(), false), ([3; 3].to_vec(), true)] {
        let law = law(&dims, rough, seed)?;
        let name = format!("N = {}, d = {}, weights 1 to {}", dims.len(), dims[0], if rough { 1000 } else { 10 });
        for (kind, rates) in [("uniform noise", Rates::uniform(&dims, 1.0)?), ("masks", Rates::mask(&dims, 1.0)?)] {
            lines.extend(by_evaluations(&law, &Noise::from(rates), &format!("{name}, {kind}"))?);
        }
        lines.extend(by_steps(&law, &format!("{name}, masks to 0"))?);
    }
    Ok(lines)
}

/// From the exact law in equal steps.
fn by_evaluations(law: &DenseLaw, noise: &Noise, table: &str) -> Result<Vec<Line>> {
    let steps = [
        ("Euler", Step::Euler, 1),
        ("τ-leaping", Step::TauLeaping, 1),
        ("analytical", Step::Analytical, 1),
        ("θ-trapezoidal, θ = 1/2", Step::Trapezoidal { theta: 0.5 }, 2),
        ("θ-RK-2, θ = 1/2", Step::RungeKutta { theta: 0.5 }, 2),
        ("ReMDM, rescaled by 0.5", Step::Remask(Remask::Rescale(0.5)), 1),
    ];
    let denoiser = ExactDenoiser::new(law, noise)?;
    let [start, end] = [ENDS.0, ENDS.1].map(|t| law.noised(&noise.kernel(0.0, t)?));
    let (start, end) = (start?, end?);
    let masks = noise.dims_in() != noise.dims_out();
    let mut lines = Vec::new();
    for (method, step, each) in steps.into_iter().filter(|(_, step, _)| masks || !matches!(step, Step::Remask(_))) {
        let error = |evaluations: &usize| {
            let grid = TimeGrid::uniform(ENDS.0, ENDS.1, evaluations / each)?;
            let reached = LeapLaw::new(&denoiser, &start, &grid, step, None)?;
            Ok(distances(end.p(), reached.law.p())?.0)
        };
        let total_variation = EVALUATIONS.iter().map(error).collect::<Result<_>>()?;
        lines.push(Line { table: table.into(), method, total_variation });
    }
    Ok(lines)
}

/// From all sites masked in 1 … N steps of equal signal, and at the best times for random order.
fn by_steps(law: &DenseLaw, table: &str) -> Result<Vec<Line>> {
    let noise = Noise::from(Rates::mask(law.dims(), 1.0)?);
    let denoiser = ExactDenoiser::new(law, &noise)?;
    let n = law.dims().len();
    let mut masked = vec![0.0; noise.dims_out().iter().product()];
    *masked.last_mut().unwrap_or(&mut 0.0) = 1.0;
    let masked = DenseLaw::new(noise.dims_out(), &masked)?;
    let entropies = law.subset_entropies()?;
    let equal = |steps: usize| {
        let inner = (1..steps).map(|k| noise.time_of_signal(k as f64 / steps as f64));
        TimeGrid::new([Ok(f64::INFINITY)].into_iter().chain(inner).chain([Ok(0.0)]).collect::<Result<_>>()?)
    };
    let best = |steps: usize| Ok(TimeGrid::unmasking(&noise, &entropies, steps)?.0);
    let low = Order::Confidence { temperature: 0.0 };
    type Grids<'a> = &'a dyn Fn(usize) -> Result<TimeGrid>;
    let methods: [(&str, Step, Grids<'_>); 7] = [
        ("analytical", Step::Analytical, &equal),
        ("ReMDM, rescaled by 0.5", Step::Remask(Remask::Rescale(0.5)), &equal),
        ("random order", Step::Unmask(Order::Random), &equal),
        ("random order, best times", Step::Unmask(Order::Random), &best),
        ("by entropy", Step::Unmask(Order::Entropy { temperature: 0.0 }), &equal),
        ("by confidence", Step::Unmask(low), &equal),
        ("by confidence, T = 1", Step::Unmask(Order::Confidence { temperature: 1.0 }), &equal),
    ];
    let mut lines = Vec::new();
    for (method, step, grid) in methods {
        let error = |steps: usize| {
            let end = LeapLaw::new(&denoiser, &masked, &grid(steps)?, step, None)?.law;
            let clean = (0..law.p().len()).map(|i| Ok(end.p()[end.index(&law.config(i))?])).collect::<Result<Vec<_>>>();
            Ok(distances(law.p(), &clean?)?.0)
        };
        let total_variation = (1..=n).map(error).collect::<Result<_>>()?;
        lines.push(Line { table: table.into(), method, total_variation });
    }
    Ok(lines)
}
