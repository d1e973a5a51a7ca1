//! Distances to the exact law, orders of convergence, evaluations and times.

use cpu_time::ProcessTime;
use ndarray::{Array1, Array2, ArrayView2};
use serde::Serialize;
use tensorjump::dense::{DenseLaw, LeapLaw, distances, glauber_law};
use tensorjump::diffusion::reverse::{Bound, Corrector, Method, Step, TimeGrid, exact_paths, exact_start, reverse};
use tensorjump::diffusion::{
    Denoise, Denoiser, ExactDenoiser, ExactGlauber, SiteConditionals, TokenNoise, glauber_reverse,
};
use tensorjump::model::PositiveMps;
use tensorjump::{Result, Streams, Target};

use tensorjump_studies::convergence::order;

use crate::learners;
use crate::systems::System;

/// What is measured.
pub struct Plan {
    /// Numbers of steps, ascending.
    pub steps: Vec<usize>,
    pub horizon: f64,
    pub delta: f64,
    pub samples: usize,
    /// Samples that the learners get.
    pub data: usize,
    pub seed: u64,
}

impl Plan {
    /// How often [`measure`] ticks: leaps of the exact denoiser from two starts, two leaps of each learner
    /// from one, the rest.
    pub fn parts(&self) -> u64 {
        ((8 + 2 * learners::DENOISERS) * self.steps.len() + 1) as u64
    }
}

/// One line of the table; what does not apply is null.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub model: String,
    pub method: String,
    pub steps: usize,
    /// `"exact"` for `P_T`, `"prior"` for the stationary law of the noise.
    pub start: &'static str,
    /// Total variation to `P_0`: of leaps by enumeration, of exact samplers by draws.
    pub total_variation: f64,
    /// `KL(P_0 ‖ law)` in nats, by enumeration.
    pub kl: Option<f64>,
    /// `log₂` of the ratio of successive total variations, where the number of steps has doubled twice and
    /// they fall as a power.
    pub order: Option<f64>,
    /// Mean evaluations of the denoiser a sample.
    pub evaluations: f64,
    /// CPU seconds a sample.
    pub seconds: f64,
    /// Total variation of draws, and what exact draws would have in the mean.
    #[serde(skip)]
    pub sampled: Option<(f64, f64)>,
}

/// The leaps by name.
fn leaps() -> [(&'static str, Step, Option<Corrector>); 4] {
    let corrector = Some(Corrector::Rates { rounds: 1, size: 0.5 });
    [
        ("Euler", Step::Euler, None),
        ("τ-leaping", Step::TauLeaping, None),
        ("analytical", Step::Analytical, None),
        ("Euler + corrector", Step::Euler, corrector),
    ]
}

/// All rows of a system; `tick` is called after each part.
pub fn measure(system: &System, plan: &Plan, tick: &mut dyn FnMut()) -> Result<Vec<Row>> {
    let (noise, law) = (&system.noise, &system.law);
    let weights: Vec<Vec<f64>> = noise.stationary_law()?.outer_iter().map(|w| w.to_vec()).collect();
    let prior = DenseLaw::of(&PositiveMps::product(&weights)?)?;
    let exact = law.noised(&noise.kernel(0.0, plan.horizon)?)?;
    let mut rows = Vec::new();
    let truth = ExactDenoiser::new(system.model.as_ref(), noise)?;
    for leap in leaps() {
        for start in [("exact", &exact), ("prior", &prior)] {
            rows.extend(leap_rows(system, plan, ("", &truth), leap, start, tick)?);
        }
    }
    let data = learners::data(system, plan.data, plan.seed)?;
    for (name, denoiser) in learners::denoisers(system, &data, plan.seed)? {
        for leap in leaps().into_iter().filter(|(_, step, corrector)| *step != Step::TauLeaping && corrector.is_none())
        {
            rows.extend(leap_rows(system, plan, (name, denoiser.as_ref()), leap, ("exact", &exact), tick)?);
        }
    }
    let tokens = TokenNoise::uniform(law.dims(), 4, 0.6)?;
    rows.push(glauber_row(system, "Glauber", &ExactGlauber::new(system.model.as_ref(), &tokens)?, plan)?);
    let learned = learners::classifier(&data, &tokens, plan.seed)?;
    rows.push(glauber_row(system, "Glauber, classifier, χ = 8", learned.as_ref(), plan)?);
    rows.extend(exact_samplers(system, &prior, plan)?);
    tick();
    Ok(rows)
}

/// A leap with a denoiser from a law, by number of steps.
fn leap_rows(
    system: &System,
    plan: &Plan,
    (name, denoiser): (&str, &dyn Denoiser),
    (method, step, corrector): (&str, Step, Option<Corrector>),
    (start, from): (&'static str, &DenseLaw),
    tick: &mut dyn FnMut(),
) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    for &steps in &plan.steps {
        let grid = TimeGrid::uniform(plan.horizon, 0.0, steps)?;
        let end = LeapLaw::new(denoiser, from, &grid, step, corrector)?;
        let (total_variation, kl) = distances(system.law.p(), end.law.p())?;
        let order = match &rows[..] {
            [.., a, b] if (4 * a.steps, 2 * b.steps) == (steps, steps) => {
                order([a.total_variation, b.total_variation, total_variation])
            }
            _ => None,
        };
        let drawn = drawn(system, denoiser, &grid, &Method::Leap { step, corrector }, start, plan)?;
        rows.push(Row {
            model: system.name.into(),
            method: format!("{method}{}{name}", if name.is_empty() { "" } else { ", " }),
            steps,
            start,
            total_variation,
            kl: kl.is_finite().then_some(kl),
            order,
            evaluations: drawn.evaluations,
            seconds: drawn.seconds,
            sampled: None,
        });
        tick();
    }
    Ok(rows)
}

/// The Glauber process from the exact law of its last step; one evaluation changes one site.
fn glauber_row(system: &System, method: &str, conditionals: &dyn SiteConditionals, plan: &Plan) -> Result<Row> {
    let tokens = conditionals.tokens();
    let kernel = tokens.kernel(tokens.steps())?;
    let end = glauber_law(conditionals, &system.law.noised(&kernel)?)?;
    let (total_variation, kl) = distances(system.law.p(), end.p())?;
    let streams = Streams::new(plan.seed).domain(system.name).domain("glauber");
    let y = kernel.sample(system.model.draw(256, &streams)?.x.view(), &streams)?;
    let clock = ProcessTime::now();
    glauber_reverse(conditionals, y.view(), &streams)?;
    Ok(Row {
        model: system.name.into(),
        method: method.into(),
        steps: tokens.steps(),
        start: "exact",
        total_variation,
        kl: kl.is_finite().then_some(kl),
        order: None,
        evaluations: tokens.steps() as f64,
        seconds: clock.elapsed().as_secs_f64() / 256.0,
        sampled: None,
    })
}

/// A batch of draws.
struct Drawn {
    x: Array2<u8>,
    evaluations: f64,
    seconds: f64,
}

/// Draws of a method; of leaps a few only, for their time.
fn drawn(
    system: &System,
    denoiser: &dyn Denoiser,
    grid: &TimeGrid,
    method: &Method,
    start: &str,
    plan: &Plan,
) -> Result<Drawn> {
    let streams = Streams::new(plan.seed).domain(system.name);
    let samples = if matches!(method, Method::Leap { .. }) { 256 } else { plan.samples };
    let y = match start {
        "prior" => system.noise.draw_stationary(samples, &streams)?,
        _ => exact_start(system.model.as_ref(), &system.noise, grid.from(), samples, &streams)?,
    };
    let clock = ProcessTime::now();
    let out = reverse(denoiser, y.view(), grid, method, true, &streams)?;
    let seconds = clock.elapsed().as_secs_f64() / samples as f64;
    let evaluations = out.evaluations.mapv(|n| n as f64).mean().unwrap_or(0.0);
    Ok(Drawn { x: out.x, evaluations, seconds })
}

/// Uniformization, thinning, exact paths by draws; and what exact denoising makes of the prior, by
/// enumeration.
fn exact_samplers(system: &System, prior: &DenseLaw, plan: &Plan) -> Result<Vec<Row>> {
    const INTERVALS: usize = 16;
    let denoiser = ExactDenoiser::new(system.model.as_ref(), &system.noise)?;
    let grid = TimeGrid::geometric(plan.horizon, plan.delta, INTERVALS)?;
    let mut rows = Vec::new();
    for (name, method) in [("uniformization", Method::Uniformization(Bound::Noise)), ("thinning", Method::Thinning)] {
        let drawn = drawn(system, &denoiser, &grid, &method, "exact", plan)?;
        rows.push(sampled(system, (name, INTERVALS), &drawn));
    }
    let streams = Streams::new(plan.seed).domain(system.name).domain("paths");
    let y = exact_start(system.model.as_ref(), &system.noise, plan.horizon, plan.samples, &streams)?;
    let clock = ProcessTime::now();
    let paths = exact_paths(system.model.as_ref(), &system.noise, plan.horizon, y.view(), &streams)?;
    let seconds = clock.elapsed().as_secs_f64() / plan.samples as f64;
    let ends: Vec<ArrayView2<'_, u8>> =
        paths.iter().map(|path| path.last.view().insert_axis(ndarray::Axis(0))).collect();
    let x = ndarray::concatenate(ndarray::Axis(0), &ends).expect("paths of equal length");
    rows.push(sampled(system, ("exact paths", 1), &Drawn { x, evaluations: 1.0, seconds }));

    let kernel = system.noise.kernel(0.0, plan.horizon)?;
    let mut biased = Array1::<f64>::zeros(system.law.p().len());
    for (i, mass) in prior.p().iter().enumerate() {
        biased.scaled_add(*mass, &Array1::from(system.law.posterior(&kernel, &prior.config(i))?.p().to_vec()));
    }
    let (total_variation, kl) = distances(system.law.p(), biased.as_slice().unwrap_or(&[]))?;
    let clock = ProcessTime::now();
    let _ = system.model.denoise(&kernel, y.view(), &streams.step(1))?;
    let seconds = clock.elapsed().as_secs_f64() / plan.samples as f64;
    rows.push(Row {
        model: system.name.into(),
        method: "joint denoising".into(),
        steps: 1,
        start: "prior",
        total_variation,
        kl: kl.is_finite().then_some(kl),
        order: None,
        evaluations: 1.0,
        seconds,
        sampled: None,
    });
    Ok(rows)
}

/// The row of an exact sampler: the distance of its draws, and that of independent draws from `P_0` in the
/// mean.
fn sampled(system: &System, (method, steps): (&str, usize), drawn: &Drawn) -> Row {
    let (p, n) = (system.law.p(), drawn.x.nrows() as f64);
    let mut q = vec![0.0; p.len()];
    for x in drawn.x.outer_iter() {
        let index = x.iter().zip(system.law.dims()).fold(0, |i, (&a, &d)| i * d + usize::from(a));
        q[index] += 1.0 / n;
    }
    let total_variation = 0.5 * p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>();
    // Mean deviation of a binomial share, √(2p(1−p)/πn) where np is not small, at most 2p(1−p) where it is.
    let deviation = |p: &f64| (2.0 * p * (1.0 - p) / (std::f64::consts::PI * n)).sqrt().min(2.0 * p * (1.0 - p));
    let floor = 0.5 * p.iter().map(deviation).sum::<f64>();
    Row {
        model: system.name.into(),
        method: method.into(),
        steps,
        start: "exact",
        total_variation,
        kl: None,
        order: None,
        evaluations: drawn.evaluations,
        seconds: drawn.seconds,
        sampled: Some((total_variation, floor)),
    }
}
