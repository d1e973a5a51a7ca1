//! Guidance beside the truth: Ising configurations at a chosen magnetisation, Fredkin paths of a chosen area,
//! infilling of a masked half, classes of data, each conditioned exactly and by guided reverse diffusion
//! (arXiv 2412.10193).
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin guidance  # one table, pictures in out/guidance
//! cargo run --release -p tensorjump-studies --bin guidance -- --json           # one JSON object on stdout
//! ```
//!
//! Laws of guided processes on eight sites are computed without Monte Carlo: each step is a product over the
//! sites, applied to the law of all configurations. All start at noise time T from the noised conditional law
//! and take steps `t = T (k/K)²`.

mod cases;
mod pictures;

use std::process::ExitCode;
use std::time::Instant;

use ndarray::Array2;
use serde::Serialize;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{Denoiser, ExactDenoiser, Guided, Scheme};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Streams, Target};

use cases::{Case, magnetised_ring};
use tensorjump_studies::convergence::order;
use tensorjump_studies::output::finish;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options};

/// Noise time of the start, in inverse flip rates: correlations have decayed by e^{−2T} a site.
const T: f64 = 2.0;

/// Strengths of the sweep.
const GAMMAS: [f64; 6] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0];

options! {
    /// Guided reverse diffusion against exact conditioning
    struct Options [seed, threads, json, out "out/guidance"] {
        /// Steps of a guided process
        steps: usize = 64,
        /// Exact draws counted for violations of the constraint
        draws: usize = 1_000_000,
    }
}

/// One row; what does not apply, or is infinite, is null.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    model: String,
    method: &'static str,
    gamma: f64,
    steps: usize,
    /// Total variation between the law of the method and P(x|y).
    tv_conditional: Option<f64>,
    /// Total variation between the law of the method and P(x) p(y|x)^γ.
    tv_tilted: Option<f64>,
    /// KL(P p^γ ‖ law of the method) in nats.
    kl_tilted: Option<f64>,
    /// Probability (guided laws) or fraction of draws outside the constraint.
    violations: f64,
    /// log₂ of the ratio of the distances to P(x|y) at half the steps and at these, where they fall as a
    /// power.
    order: Option<f64>,
    draws: usize,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Report {
    seed: u64,
    time: f64,
    rows: Vec<Row>,
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let options: Options = options::parse()?;
    options::positive("draws", options.draws)?;
    if options.steps < 8 {
        return Err(format!("--steps {}: at least 8 are needed", options.steps).into());
    }
    options::set_threads(options.threads)?;
    let folder = options.out.open(options.json)?;
    let mut rows = Vec::new();
    for case in cases::small()? {
        rows.extend(measure(&case, &options)?);
    }
    rows.extend(large(&options)?);
    let text = if options.json {
        options::json(&options, &Report { seed: options.seed, time: T, rows: rows.clone() })?
    } else {
        table(&rows)
    };
    finish(&text, folder.as_ref(), || {
        Ok(vec![
            ("gamma.svg", pictures::sweep(&rows)?),
            ("magnetisation.svg", pictures::magnetisation(options.seed)?),
            ("area.svg", pictures::area(options.seed)?),
            ("infilling.svg", pictures::infilling(options.seed)?),
        ])
    })
}

/// Uniform noise on two-state sites, flips at rate one.
fn flips(sites: usize) -> Result<Noise, Failure> {
    Ok(Noise::new(Rates::binary_flip(sites, 1.0, 1.0)?, Schedule::default()))
}

/// Times from T to zero, finer towards the end.
fn times(steps: usize) -> Vec<f64> {
    (0..=steps).rev().map(|k| T * (k as f64 / steps as f64).powi(2)).collect()
}

fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    0.5 * p.iter().zip(q).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

/// `KL(p‖q)`; none where it is infinite.
fn divergence(p: &[f64], q: &[f64]) -> Option<f64> {
    let kl: f64 = p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum();
    kl.is_finite().then_some(kl.max(0.0))
}

/// Exact draws and the laws of all guided processes of a small case.
fn measure(case: &Case, options: &Options) -> Result<Vec<Row>, Failure> {
    let (class, all) = (case.leg.class(case.label)?, case.leg.marginal());
    let (conditional, plain) = (DenseLaw::of(&class)?, DenseLaw::of(&all)?);
    let outside =
        |p: &[f64]| p.iter().zip(conditional.p()).filter(|(_, c)| **c == 0.0).fold(0.0, |sum, (p, _)| sum + p);
    // P(x) p(y|x)^γ ∝ P(x) (P(x|y)/P(x))^γ.
    let tilted = |gamma: f64| {
        let weights = plain.p().iter().zip(conditional.p()).map(|(p, c)| match (gamma, *c) {
            (0.0, _) => *p,
            (_, 0.0) => 0.0,
            _ => p * (c / p).powf(gamma),
        });
        DenseLaw::new(plain.dims(), &weights.collect::<Vec<_>>())
    };
    let clock = Instant::now();
    let draws = class.draw(options.draws, &Streams::new(options.seed))?;
    let mut found = vec![0.0; conditional.p().len()];
    draws.x.outer_iter().try_for_each(|x| conditional.index(&x.to_vec()).map(|i| found[i] += 1.0))?;
    let mut rows = vec![Row {
        model: case.name.clone(),
        method: "exact",
        gamma: 1.0,
        steps: 1,
        tv_conditional: Some(total_variation(conditional.p(), &case.truth)),
        tv_tilted: Some(total_variation(conditional.p(), &case.truth)),
        kl_tilted: divergence(&case.truth, conditional.p()),
        violations: outside(&found) / options.draws as f64,
        order: None,
        draws: options.draws,
        seconds: clock.elapsed().as_secs_f64(),
    }];
    let noise = flips(plain.dims().len())?;
    let (with, without) = (ExactDenoiser::new(&class, &noise)?, ExactDenoiser::new(&all, &noise)?);
    let start = conditional.noised(&noise.kernel(0.0, T)?)?;
    for (scheme, method) in [(Scheme::ClassifierFree, "classifier-free"), (Scheme::ClassifierBased, "classifier-based")]
    {
        let mut coarse = Vec::new();
        let doublings = [options.steps / 4, options.steps / 2].map(|steps| (1.0, steps));
        for (gamma, steps) in doublings.into_iter().chain(GAMMAS.map(|gamma| (gamma, options.steps))) {
            let clock = Instant::now();
            let guided = Guided::new(&with, &without, scheme, gamma)?;
            let mut p = start.p().to_vec();
            for pair in times(steps).windows(2) {
                p = push(&guided, &p, plain.dims(), pair[1], pair[0])?;
            }
            let distance = total_variation(&p, &case.truth);
            let tilted = tilted(gamma)?;
            if gamma == 1.0 {
                coarse.push(distance);
            }
            let order = match coarse[..] {
                [quarter, half, whole] if gamma == 1.0 => order([quarter, half, whole]),
                _ => None,
            };
            rows.push(Row {
                model: case.name.clone(),
                method,
                gamma,
                steps,
                tv_conditional: Some(distance),
                tv_tilted: Some(total_variation(&p, tilted.p())),
                kl_tilted: divergence(tilted.p(), &p),
                violations: outside(&p),
                order,
                draws: 0,
                seconds: clock.elapsed().as_secs_f64(),
            });
        }
    }
    Ok(rows)
}

/// The law after one step.
fn push<C: Denoiser, U: Denoiser>(
    guided: &Guided<C, U>,
    p: &[f64],
    dims: &[usize],
    s: f64,
    t: f64,
) -> Result<Vec<f64>, Failure> {
    let size = p.len();
    let state = |i: usize, j: usize| i / dims[j + 1..].iter().product::<usize>() % dims[j];
    let x = Array2::from_shape_fn((size, dims.len()), |(i, j)| state(i, j) as u8);
    let laws = guided.step_law(s, t, x.view())?;
    let mut next = vec![0.0; size];
    for (law, &p) in laws.outer_iter().zip(p) {
        // The product over the sites, one site more each time.
        let mut product = vec![p];
        for (law, &d) in law.outer_iter().zip(dims) {
            product = product.iter().flat_map(|p| law.iter().take(d).map(move |q| p * q)).collect();
        }
        next.iter_mut().zip(product).for_each(|(to, p)| *to += p);
    }
    Ok(next)
}

/// A longer ring, where laws cannot be enumerated: draws at fixed magnetisation, exact and guided.
fn large(options: &Options) -> Result<Vec<Row>, Failure> {
    let (leg, spins) = magnetised_ring(24, 8)?;
    let class = leg.class(0)?;
    let name = format!("ising ring, N = 24, M = {spins}");
    let violations = |x: &Array2<u8>| {
        let outside = |x: &ndarray::ArrayView1<'_, u8>| x.iter().map(|&a| 2 * i64::from(a) - 1).sum::<i64>() != spins;
        x.outer_iter().filter(outside).count() as f64 / x.nrows() as f64
    };
    let row = |method, steps, draws, violations, clock: Instant| Row {
        model: name.clone(),
        method,
        gamma: 1.0,
        steps,
        tv_conditional: None,
        tv_tilted: None,
        kl_tilted: None,
        violations,
        order: None,
        draws,
        seconds: clock.elapsed().as_secs_f64(),
    };
    let clock = Instant::now();
    let n = options.draws / 10 + 1;
    let x = class.draw(n, &Streams::new(options.seed))?.x;
    let mut rows = vec![row("exact", 1, n, violations(&x), clock)];
    for (scheme, method) in [(Scheme::ClassifierFree, "classifier-free"), (Scheme::ClassifierBased, "classifier-based")]
    {
        let clock = Instant::now();
        let x = pictures::guided_ring(&leg, scheme, 1.0, options.steps, 256, options.seed)?;
        rows.push(row(method, options.steps, 256, violations(&x), clock));
    }
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let header =
        ["model", "method", "γ", "steps", "TV to P(x|y)", "order", "TV to P p^γ", "KL(P p^γ‖·)", "violations", "s"];
    let optional = |v: Option<f64>| number(v.unwrap_or(f64::NAN), 3);
    let cells = |r: &Row| {
        vec![
            r.model.clone(),
            r.method.into(),
            r.gamma.to_string(),
            r.steps.to_string(),
            optional(r.tv_conditional),
            optional(r.order),
            optional(r.tv_tilted),
            optional(r.kl_tilted),
            number(r.violations, 3),
            number(r.seconds, 2),
        ]
    };
    render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
}
