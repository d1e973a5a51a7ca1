//! Learned scores against the exact ones: `cargo run --release --example learned_scores [-- --json]`.
//!
//! Each learner gets the same samples of a 10-site model; its conditional laws `p_θ(y_j | y_{−j}, t)` are compared with the exact ones by
//! enumeration, `KL per site = (1/N) Σ_j E KL(p_j ‖ p̂_j)`, averaged uniformly over the times with `α_t` in [.05, .95].

mod common;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use cpu_time::ProcessTime;
use ndarray::{Array2, Axis};
use serde_json::json;
use tensorjump::diffusion::{Denoiser, ExactDenoiser, ExactDiffusion, conditional_kl, time_of_signal};
use tensorjump::learn::{
    ConditionalTables, Data, Features, OperatorOptions, OperatorScores, RatioMatchingOptions, SoftmaxDenoiser,
    SoftmaxOptions, Start, ratio_matching, windows,
};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, SiteWeights, Streams, Target};

use common::output::print;
use common::table::{number, render};
use common::{Failure, options};

/// Sites of the models.
const SITES: usize = 10;

#[derive(Parser)]
#[command(about = "Learned scores of 10-site models against the exact ones")]
struct Options {
    /// Samples to learn from
    #[arg(long, default_value_t = 10_000)]
    samples: usize,
    /// Times of the average
    #[arg(long, default_value_t = 12)]
    times: usize,
    /// Seed of all draws
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads (default: one a core); results do not depend on them
    #[arg(long)]
    threads: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A model with its noise.
struct Case {
    name: &'static str,
    model: PositiveMps,
    noise: Noise,
    boundary: Boundary,
}

fn cases(seed: u64) -> Result<Vec<Case>, Failure> {
    let uniform =
        |d: usize| -> Result<Noise, Failure> { Ok(Noise::new(Rates::uniform(&[d; SITES], 1.0)?, Schedule::default())) };
    let fields: Vec<f64> = (0..SITES).map(|j| 0.1 * j as f64 - 0.3).collect();
    let potts = Array2::from_shape_fn((SITES, 3), |(j, a)| 0.2 * ((j + 2 * a) % 3) as f64);
    let random = PositiveMps::random(&[2; SITES], 4, &mut Streams::new(seed).domain("random model").stream(0))?;
    let flips = Noise::new(Rates::binary_flip(SITES, 1.0, 0.4)?, Schedule::default());
    let mask = Noise::new(Rates::mask(&[2; SITES], 1.0)?, Schedule::default());
    let ring = PositiveMps::ising(0.6, &[1.0; SITES], &fields, Boundary::Ring)?;
    Ok(vec![
        Case { name: "Ising ring", model: ring.clone(), noise: uniform(2)?, boundary: Boundary::Ring },
        Case { name: "Ising ring, masks", model: ring, noise: mask, boundary: Boundary::Ring },
        Case { name: "random χ = 4, unequal flips", model: random, noise: flips, boundary: Boundary::Open },
        Case {
            name: "Potts chain, d = 3",
            model: PositiveMps::potts(3, 0.8, &[1.0; SITES - 1], potts.view(), Boundary::Open)?,
            noise: uniform(3)?,
            boundary: Boundary::Open,
        },
    ])
}

/// Mean KL a site between the conditionals of a learner and the exact ones.
fn kl_per_site(case: &Case, learned: &dyn Denoiser, times: usize) -> Result<f64, Failure> {
    let exact = ExactDenoiser::new(&case.model, &case.noise)?;
    let (first, last) = (time_of_signal(&case.noise, 0.95)?, time_of_signal(&case.noise, 0.05)?);
    let dims = case.noise.dims_out();
    let size = dims.iter().product();
    let mut y = Array2::<u8>::zeros((size, SITES));
    for (i, mut row) in y.outer_iter_mut().enumerate() {
        row.iter_mut()
            .enumerate()
            .for_each(|(j, a)| *a = (i / dims[j + 1..].iter().product::<usize>() % dims[j]) as u8);
    }
    let mut mean = 0.0;
    for k in 0..times {
        let t = first + (last - first) * (k as f64 + 0.5) / times as f64;
        let weights = case.model.noised_log_prob(&case.noise.kernel(0.0, t)?, y.view())?.mapv(f64::exp);
        let likely: Vec<usize> = (0..size).filter(|&i| weights[i] > 1e-9).collect();
        let rows = y.select(Axis(0), &likely);
        let kl = conditional_kl(&exact, learned, t, rows.view())?;
        mean += kl.iter().zip(&likely).map(|(kl, &i)| kl * weights[i]).sum::<f64>() / (times * SITES) as f64;
    }
    Ok(mean)
}

/// A learner: its name, and what it makes of data.
type Learner<'a> = (String, Box<dyn Fn(&Data, &Noise) -> tensorjump::Result<Box<dyn Denoiser>> + 'a>);

fn learners(case: &Case, seed: u64) -> Vec<Learner<'_>> {
    let near = |r: usize| windows(SITES, r, case.boundary);
    let mut list: Vec<Learner<'_>> =
        vec![("tabular".into(), Box::new(|data, noise| Ok(Box::new(ConditionalTables::tabular(data, noise, None)?))))];
    for r in [1, 2, 3] {
        let near = near(r);
        list.push((
            format!("window table, radius {r}"),
            Box::new(move |data, noise| Ok(Box::new(ConditionalTables::new(data, noise, &near, None)?))),
        ));
    }
    for (r, features) in [(2, Features::Additive), (2, Features::Pairs), (3, Features::Pairs)] {
        let (near, options) = (near(r), SoftmaxOptions { features, ..SoftmaxOptions::default() });
        list.push((
            format!("window softmax, {features:?}, radius {r}"),
            Box::new(move |data, noise| Ok(Box::new(SoftmaxDenoiser::new(data, noise, &near, None, &options)?))),
        ));
    }
    for (degree, r) in [(2, 2), (3, 1), (2, SITES)] {
        let (near, options) = (near(r), OperatorOptions { degree, ..OperatorOptions::default() });
        list.push((
            format!("operator-informed, degree {degree}, radius {r}"),
            Box::new(move |data, noise| Ok(Box::new(OperatorScores::new(data, noise, &near, &options)?))),
        ));
    }
    let near = near(2);
    list.push((
        "operator-informed + softmax residual".into(),
        Box::new(move |data, noise| {
            let base: Arc<dyn Denoiser> =
                Arc::new(OperatorScores::new(data, noise, &near, &OperatorOptions::default())?);
            let options = SoftmaxOptions { seed, ..SoftmaxOptions::default() };
            Ok(Box::new(SoftmaxDenoiser::new(data, noise, &near, Some(base), &options)?))
        }),
    ));
    for bond in [4, 8] {
        let options = RatioMatchingOptions { start: Start::Random { bond }, seed, ..RatioMatchingOptions::default() };
        list.push((
            format!("ratio matching, χ = {bond}"),
            Box::new(move |data, noise| Ok(Box::new(ratio_matching(data, noise, &options)?.denoiser))),
        ));
    }
    list
}

fn run() -> Result<(), Failure> {
    let options: Options = options::parse()?;
    options::set_threads(options.threads)?;
    options::positive("samples", options.samples)?;
    options::positive("times", options.times)?;
    let (mut rows, mut table) = (Vec::new(), Vec::new());
    for case in cases(options.seed)? {
        let streams = Streams::new(options.seed).domain("samples");
        let x = case.model.sample(&SiteWeights::Uniform, options.samples, &streams)?.x;
        let data = Data::new(x, case.model.dims())?;
        for (name, learn) in learners(&case, options.seed) {
            let clock = ProcessTime::now();
            let learned = learn(&data, &case.noise)?;
            let seconds = clock.elapsed().as_secs_f64();
            let kl = kl_per_site(&case, learned.as_ref(), options.times)?;
            eprintln!("{}: {name}: {kl:.5} nats a site, {seconds:.2} s", case.name);
            table.push(vec![case.name.to_owned(), name.clone(), number(kl, 3), number(seconds, 3)]);
            rows.push(json!({"model": case.name, "method": name, "kl_per_site": kl, "cpu_seconds": seconds}));
        }
    }
    match options.json {
        true => print(&format!("{}\n", json!({"samples": options.samples, "rows": rows}))),
        false => print(&render(&["model", "learner", "KL a site (nats)", "CPU s"], &table)),
    }
}

fn main() -> ExitCode {
    common::exit(run())
}
