//! Orders of convergence with exact rates, on random laws: slopes of `log TV` against `log steps` between two
//! noised laws, where nothing else than the step is wrong.

use rand::RngExt;
use serde::Serialize;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::reverse::{Corrector, Remask, Step, TimeGrid, exact_start, reverse};
use tensorjump::diffusion::{Denoiser, ExactDenoiser};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Result, Streams};

use tensorjump_studies::convergence::fitted_order;

/// Numbers of steps; the slope is that of the last three.
pub const STEPS: [usize; 4] = [8, 16, 32, 64];

/// Noised configurations at most, for steps of two stages and others.
const MOST: (usize, usize) = (128, 1100);

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub sites: usize,
    pub states: usize,
    pub noise: &'static str,
    /// Largest over smallest weight of the law.
    pub contrast: f64,
    pub step: &'static str,
    pub total_variation: Vec<f64>,
    pub order: f64,
    pub stderr: f64,
    /// Share of sites and steps at which a rate of the trapezoidal step came out negative and was cut off, at
    /// the finest grid, from draws.
    pub cut: Option<f64>,
}

fn steps(masks: bool) -> Vec<(&'static str, Step, Option<Corrector>)> {
    let mut list = vec![
        ("Euler", Step::Euler, None),
        ("τ-leaping", Step::TauLeaping, None),
        ("analytical", Step::Analytical, None),
        ("θ-trapezoidal", Step::Trapezoidal { theta: 0.5 }, None),
        ("θ-RK-2", Step::RungeKutta { theta: 0.5 }, None),
    ];
    if masks {
        let again = Corrector::Remask { rounds: 1, eta: 0.1, window: (0.0, f64::INFINITY) };
        list.push(("ReMDM, rescale .5", Step::Remask(Remask::Rescale(0.5)), None));
        list.push(("analytical, loop at every time", Step::Analytical, Some(again)));
    }
    list
}

/// A law of `e^{g}`, `g` uniform in `(0, log contrast)`.
fn law(dims: &[usize], contrast: f64, seed: u64) -> Result<DenseLaw> {
    let mut stream = Streams::new(seed).domain("orders").stream(dims.len());
    let weights: Vec<f64> = (0..dims.iter().product()).map(|_| contrast.powf(stream.random::<f64>())).collect();
    DenseLaw::new(dims, &weights)
}

/// Equal steps of time for uniform noise; under masks, whose rates grow as 1/t, steps in constant ratio.
fn grid(masks: bool, steps: usize) -> Result<TimeGrid> {
    if masks { TimeGrid::geometric(2.0, 0.05, steps) } else { TimeGrid::uniform(1.0, 0.1, steps) }
}

/// All lines; `tick` is called after each law, of which there are [`laws`].
pub fn measure(seed: u64, quick: bool, tick: &mut dyn FnMut()) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for (sites, states) in shapes(quick) {
        for contrast in CONTRASTS {
            let law = law(&vec![states; sites], contrast, seed)?;
            for (name, masks) in [("uniform", false), ("mask", true)] {
                let dims = vec![states; sites];
                let noise = Noise::from(if masks { Rates::mask(&dims, 1.0) } else { Rates::uniform(&dims, 1.0) }?);
                let size: usize = noise.dims_out().iter().product();
                for (step_name, step, corrector) in steps(masks) {
                    let two = matches!(step, Step::Trapezoidal { .. } | Step::RungeKutta { .. });
                    if size > if two { MOST.0 } else { MOST.1 } {
                        continue;
                    }
                    let denoiser = ExactDenoiser::new(&law, &noise)?;
                    let at = |t: f64| law.noised(&noise.kernel(0.0, t)?);
                    let error = |&k: &usize| {
                        let grid = grid(masks, k)?;
                        let end = LeapLaw::new(&denoiser, &at(grid.from())?, &grid, step, corrector)?;
                        Ok(distances(at(grid.to())?.p(), end.law.p())?.0)
                    };
                    let errors: Vec<f64> = STEPS.iter().map(error).collect::<Result<_>>()?;
                    let points: Vec<(f64, f64)> = STEPS.iter().zip(&errors).map(|(&k, &e)| (k as f64, e)).collect();
                    let (order, stderr) = fitted_order(&points[1..]).unwrap_or((f64::NAN, f64::NAN));
                    lines.push(Line {
                        sites,
                        states,
                        noise: name,
                        contrast,
                        step: step_name,
                        total_variation: errors,
                        order,
                        stderr,
                        cut: cut(&denoiser, masks, step, seed)?,
                    });
                }
            }
            tick();
        }
    }
    Ok(lines)
}

/// Draws for the share of rates that are cut off.
const DRAWS: usize = 2000;

fn cut(denoiser: &ExactDenoiser<&DenseLaw>, masks: bool, step: Step, seed: u64) -> Result<Option<f64>> {
    let (noise, k) = (denoiser.noise(), STEPS[STEPS.len() - 1]);
    if !matches!(step, Step::Trapezoidal { .. }) {
        return Ok(None);
    }
    let (grid, streams) = (grid(masks, k)?, Streams::new(seed));
    let y = exact_start(*denoiser.model(), noise, grid.from(), DRAWS, &streams)?;
    let out = reverse(denoiser, y.view(), &grid, &step.into(), false, &streams)?;
    let all = DRAWS * noise.sites() * 2 * k;
    Ok(Some(out.excesses.sum() as f64 / all as f64))
}

/// Contrasts of the laws: so flat that the trapezoidal step cuts no rate, and rough.
const CONTRASTS: [f64; 2] = [1.3, 30.0];

fn shapes(quick: bool) -> Vec<(usize, usize)> {
    let all = [3, 4, 5, 6].into_iter().flat_map(|n| [(n, 2), (n, 3)]);
    all.filter(|(n, d)| !quick || n * d <= 6).collect()
}

/// How many laws are measured.
pub fn laws(quick: bool) -> u64 {
    (shapes(quick).len() * CONTRASTS.len()) as u64
}
