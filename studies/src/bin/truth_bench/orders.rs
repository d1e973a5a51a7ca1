//! Orders of convergence with exact rates, on random laws: slopes of `log TV` against `log steps` between two
//! noised laws, where nothing else than the step is wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ndarray::{Array2, Array3, ArrayView1, Axis};
use rand::RngExt;
use rayon::prelude::*;
use serde::Serialize;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::reverse::{Corrector, Order, Remask, Step, TimeGrid, exact_start, reverse};
use tensorjump::diffusion::{Denoiser, ExactDenoiser};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Configs, Result, Streams};

use tensorjump_studies::convergence::fitted_order;

/// Numbers of steps; the slope is that of the last three.
pub const STEPS: [usize; 4] = [8, 16, 32, 64];

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

/// A step with its corrector, which may depend on the number of steps.
type Sampler = Box<dyn Fn(usize) -> (Step, Option<Corrector>) + Send + Sync>;

fn samplers(masks: bool) -> Vec<(&'static str, Sampler)> {
    let held = |step, corrector| -> Sampler { Box::new(move |_| (step, corrector)) };
    let resampled = |order| held(Step::Analytical, Some(Corrector::Resample { rounds: 1, sites: 1, order }));
    let mut list = vec![
        ("Euler", held(Step::Euler, None)),
        ("τ-leaping", held(Step::TauLeaping, None)),
        ("analytical", held(Step::Analytical, None)),
        ("θ-trapezoidal", held(Step::Trapezoidal { theta: 0.5 }, None)),
        ("θ-RK-2", held(Step::RungeKutta { theta: 0.5 }, None)),
        ("Euler + rates", held(Step::Euler, Some(Corrector::Rates { rounds: 1, size: 0.5 }))),
        ("analytical + one random site", resampled(Order::Random)),
        ("analytical + informed", resampled(Order::Confidence { temperature: 0.0 })),
        // Between 8 and 64 steps 1 − κ is ½ to 1/16.
        (
            "Ψ, 1 − κ = 4/steps",
            Box::new(|steps: usize| (Step::Psi { kappa: 1.0 - 4.0 / steps as f64 }, None)) as Sampler,
        ),
        ("Ψ, κ = .9", held(Step::Psi { kappa: 0.9 }, None)),
    ];
    if masks {
        let again = Corrector::Remask { rounds: 1, eta: 0.1, window: (0.0, f64::INFINITY) };
        list.push(("ReMDM, rescale .5", held(Step::Remask(Remask::Rescale(0.5)), None)));
        list.push(("analytical + loop", held(Step::Analytical, Some(again))));
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
        let dims = vec![states; sites];
        for contrast in CONTRASTS {
            let law = law(&dims, contrast, seed)?;
            for (name, masks) in [("uniform", false), ("mask", true)] {
                let noise = Noise::from(if masks { Rates::mask(&dims, 1.0) } else { Rates::uniform(&dims, 1.0) }?);
                let exact = ExactDenoiser::new(&law, &noise)?;
                let denoiser = Tabulated::new(&exact)?;
                let line = |(step, sampler): (&'static str, Sampler)| {
                    let at = |t: f64| law.noised(&noise.kernel(0.0, t)?);
                    let error = |&k: &usize| {
                        let (grid, (step, corrector)) = (grid(masks, k)?, sampler(k));
                        let end = LeapLaw::new(&denoiser, &at(grid.from())?, &grid, step, corrector)?;
                        Ok(distances(at(grid.to())?.p(), end.law.p())?.0)
                    };
                    let errors: Vec<f64> = STEPS.iter().map(error).collect::<Result<_>>()?;
                    let points: Vec<(f64, f64)> = STEPS.iter().zip(&errors).map(|(&k, &e)| (k as f64, e)).collect();
                    let (order, stderr) = fitted_order(&points[1..]).unwrap_or((f64::NAN, f64::NAN));
                    let cut = cut(&exact, masks, sampler(STEPS[0]).0, seed)?;
                    let total_variation = errors;
                    let noise = name;
                    Ok(Line { sites, states, noise, contrast, step, total_variation, order, stderr, cut })
                };
                lines.extend(samplers(masks).into_par_iter().map(line).collect::<Result<Vec<_>>>()?);
            }
            tick();
        }
    }
    Ok(lines)
}

/// The exact denoiser on all configurations, evaluated once at each time: all steps ask for the same.
struct Tabulated<'a> {
    exact: &'a ExactDenoiser<&'a DenseLaw>,
    /// All noised configurations, in the order of their table.
    space: Array2<u8>,
    marginals: Tables,
    cavities: Tables,
}

/// By the bits of the time.
type Tables = Mutex<HashMap<u64, Arc<Array3<f64>>>>;

impl<'a> Tabulated<'a> {
    fn new(exact: &'a ExactDenoiser<&'a DenseLaw>) -> Result<Self> {
        let dims = exact.noise().dims_out();
        let size = dims.iter().product::<usize>();
        let uniform = DenseLaw::new(dims, &vec![1.0; size])?;
        let space = Array2::from_shape_vec((size, dims.len()), (0..size).flat_map(|i| uniform.config(i)).collect());
        let space = space.expect("as many states as sites");
        Ok(Tabulated { exact, space, marginals: Tables::default(), cavities: Tables::default() })
    }

    fn rows(&self, tables: &Tables, t: f64, y: Configs<'_>, of: Evaluate<'_>) -> Result<Array3<f64>> {
        let known = |tables: &Tables| tables.lock().map_or(None, |tables| tables.get(&t.to_bits()).cloned());
        let table = match known(tables) {
            Some(table) => table,
            // Not under the lock: threads that wait for it may be those that evaluate.
            None => {
                let table = Arc::new(of(self.space.view())?);
                if let Ok(mut tables) = tables.lock() {
                    tables.insert(t.to_bits(), table.clone());
                }
                table
            }
        };
        let dims = self.exact.noise().dims_out();
        let index = |y: ArrayView1<'_, u8>| y.iter().zip(dims).fold(0, |i, (&a, &d)| i * d + usize::from(a));
        let rows: Vec<usize> = y.outer_iter().map(index).collect();
        Ok(table.select(Axis(0), &rows))
    }
}

type Evaluate<'a> = &'a dyn Fn(Configs<'_>) -> Result<Array3<f64>>;

impl Denoiser for Tabulated<'_> {
    fn noise(&self) -> &Noise {
        self.exact.noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.rows(&self.marginals, t, y, &|y| self.exact.conditional_marginals(t, y))
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.rows(&self.cavities, t, y, &|y| self.exact.cavities(t, y))
    }
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
pub const CONTRASTS: [f64; 2] = [1.3, 30.0];

/// Numbers of sites and states.
pub fn shapes(quick: bool) -> Vec<(usize, usize)> {
    let all = [3, 4, 5, 6].into_iter().flat_map(|n| [(n, 2), (n, 3)]);
    all.filter(|(n, d)| !quick || n * d <= 6).collect()
}

/// How many laws are measured.
pub fn laws(quick: bool) -> u64 {
    (shapes(quick).len() * CONTRASTS.len()) as u64
}
