//! Learned scores against the exact ones: `cargo run --release -p tensorjump-studies --bin learned_scores [--
//! --json]`.
//!
//! Each learner gets the same samples of a 10-site model; its conditional laws `p_θ(y_j | y_{−j}, t)` are
//! compared with the exact ones by enumeration (d = 2) or on 4096 fresh noised configurations, `KL per site =
//! (1/N) Σ_j E KL(p_j ‖ p̂_j)`, averaged uniformly over the times with `α_t` in [.05, .95]. Beside it the
//! likelihood bound of fresh samples, and how far it is above that of the exact conditionals. All in nats.
//! Then the Glauber process with learned classifiers: the law of its draws by enumeration.

use std::process::ExitCode;
use std::sync::Arc;

use cpu_time::ProcessTime;
use ndarray::{Array1, Array2, Axis};
use serde_json::json;
use tensorjump::dense::{DenseLaw, distances, glauber_law};
use tensorjump::diffusion::{
    Denoiser, Ends, ExactDenoiser, ExactDiffusion, ExactGlauber, LikelihoodBound, Quadrature, SiteConditionals,
    TokenNoise, conditional_kl,
};
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::learn::{
    ConditionalTables, Data, Features, GlauberMatched, GlauberWindow, Objective, OperatorOptions, OperatorScores,
    RatioMatched, RatioMatchingOptions, SoftmaxDenoiser, SoftmaxOptions, Start,
};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{ExactModel, Streams};

use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options};

/// Sites of the models.
const SITES: usize = 10;

/// Noised configurations a time where there are too many to enumerate.
const DRAWS: usize = 4096;

options! {
    /// Learned scores of 10-site models against the exact ones
    struct Options [seed, threads, json] {
        /// Samples to learn from
        samples: usize = 10_000,
        /// Times of the average
        times: usize = 12,
    }
}

/// A model with its noise.
struct Case {
    name: &'static str,
    model: Box<dyn ExactModel>,
    noise: Noise,
    boundary: Boundary,
}

fn cases() -> Result<Vec<Case>, Failure> {
    let noise =
        |rates: tensorjump::Result<Rates>| -> Result<Noise, Failure> { Ok(Noise::new(rates?, Schedule::default())) };
    let fields: Vec<f64> = (0..SITES).map(|j| 0.05 * j as f64 - 0.2).collect();
    let potts = Array2::from_shape_fn((SITES, 3), |(j, a)| 0.1 * ((j + 2 * a) % 3) as f64);
    let ring = PositiveMps::ising(1.0, &[1.0; SITES], &fields, Boundary::Ring)?;
    let potts = PositiveMps::potts(3, 1.5, &[1.0; SITES - 1], potts.view(), Boundary::Open)?;
    let fredkin = FredkinModel::new(&Fredkin::new(SITES, 0.5)?)?;
    let (open, closed) = (Boundary::Open, Boundary::Ring);
    let case = |name, model, noise, boundary| Case { name, model, noise, boundary };
    Ok(vec![
        case("Ising ring", Box::new(ring.clone()), noise(Rates::uniform(&[2; SITES], 1.0))?, closed),
        case("Ising ring, masks", Box::new(ring), noise(Rates::mask(&[2; SITES], 1.0))?, closed),
        case("Fredkin, unequal flips", Box::new(fredkin), noise(Rates::binary_flip(SITES, 1.0, 0.5))?, open),
        case("Potts chain, d = 3", Box::new(potts), noise(Rates::uniform(&[3; SITES], 1.0))?, open),
    ])
}

/// Configurations at time `t` with weights that sum to one: all of them, or `DRAWS` draws where there are
/// more than that.
fn noised(case: &Case, t: f64, streams: &Streams) -> Result<(Array2<u8>, Array1<f64>), Failure> {
    let (dims, kernel) = (case.noise.dims_out(), case.noise.kernel(0.0, t)?);
    let size: usize = dims.iter().product();
    if size > DRAWS {
        let x = case.model.draw(DRAWS, streams)?.x;
        return Ok((kernel.sample(x.view(), streams)?, Array1::from_elem(DRAWS, 1.0 / DRAWS as f64)));
    }
    let mut y = Array2::<u8>::zeros((size, SITES));
    for (i, mut row) in y.outer_iter_mut().enumerate() {
        row.iter_mut()
            .enumerate()
            .for_each(|(j, a)| *a = (i / dims[j + 1..].iter().product::<usize>() % dims[j]) as u8);
    }
    let weights = case.model.noised_log_prob(&kernel, y.view())?.mapv(f64::exp);
    let possible: Vec<usize> = (0..size).filter(|&i| weights[i] > 0.0).collect();
    Ok((y.select(Axis(0), &possible), weights.select(Axis(0), &possible)))
}

/// Mean KL a site between the conditionals of a learner and the exact ones; the same configurations for every
/// learner.
fn kl_per_site(case: &Case, learned: &dyn Denoiser, times: usize, seed: u64) -> Result<f64, Failure> {
    let exact = ExactDenoiser::new(case.model.as_ref(), &case.noise)?;
    let (first, last) = (case.noise.time_of_signal(0.95)?, case.noise.time_of_signal(0.05)?);
    let mut mean = 0.0;
    for k in 0..times {
        let t = first + (last - first) * (k as f64 + 0.5) / times as f64;
        let (y, weights) = noised(case, t, &Streams::new(seed).domain("measure").step(k as u64))?;
        mean += conditional_kl(&exact, learned, t, y.view())?.dot(&weights) / (times * SITES) as f64;
    }
    Ok(mean)
}

/// The likelihood bound of fresh samples with what a score alone gives at its ends (products), in nats a
/// site; the same noised copies for every denoiser.
fn bound_per_site(case: &Case, denoiser: &dyn Denoiser, seed: u64) -> Result<f64, Failure> {
    let (streams, noise) = (Streams::new(seed).domain("bound"), &case.noise);
    let x = case.model.draw(256, &streams)?.x;
    let nodes = Quadrature::logit(noise, (noise.time_of_signal(0.99)?, noise.time_of_signal(0.01)?), 16)?;
    let kernel = noise.kernel(0.0, nodes.interval().1)?;
    let mut prior = Array2::zeros((SITES, kernel.tables().dim().2));
    for (j, mut prior) in prior.outer_iter_mut().enumerate() {
        let table = kernel.table(j);
        prior.assign(&(table.sum_axis(Axis(0)) / table.nrows() as f64));
    }
    let bound = LikelihoodBound::estimate(denoiser, &Ends::Product(prior.view()), &nodes, x.view(), 2, &streams)?;
    Ok(bound.total().sum() / (256 * SITES) as f64)
}

/// A learner: its name, and what it makes of data.
type Learner<'a> = (String, Box<dyn Fn(&Data, &Noise) -> tensorjump::Result<Box<dyn Denoiser>> + 'a>);

fn learners(case: &Case, seed: u64) -> Vec<Learner<'_>> {
    let near = |r: usize| case.boundary.windows(SITES, r);
    let mut list: Vec<Learner<'_>> =
        vec![("tabular".into(), Box::new(|data, noise| Ok(Box::new(ConditionalTables::tabular(data, noise, None)?))))];
    for r in [0, 1, 2, 3] {
        let near = near(r);
        list.push((
            if r == 0 { "independent sites".into() } else { format!("window table, radius {r}") },
            Box::new(move |data, noise| Ok(Box::new(ConditionalTables::new(data, noise, &near, None)?))),
        ));
    }
    for (r, features, objective) in [
        (2, Features::Additive, Objective::RatioMatching),
        (2, Features::Pairs, Objective::RatioMatching),
        (2, Features::Pairs, Objective::LikelihoodBound),
        (3, Features::Pairs, Objective::RatioMatching),
    ] {
        let (near, options) = (near(r), SoftmaxOptions { features, objective, ..SoftmaxOptions::default() });
        list.push((
            format!("window softmax, {features:?}, {objective:?}, radius {r}"),
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
            Box::new(move |data, noise| Ok(Box::new(RatioMatched::new(data, noise, &options)?.denoiser))),
        ));
    }
    list
}

/// The law of `X_0` after all heat baths of a Glauber process from the exact law of `X_T`, by enumeration:
/// total variation from the data law, and KL of the data law from it, in nats.
fn glauber_error(case: &Case, conditionals: &dyn SiteConditionals) -> Result<[f64; 2], Failure> {
    let (truth, tokens) = (DenseLaw::of(case.model.as_ref())?, conditionals.tokens());
    let drawn = glauber_law(conditionals, &truth.noised(&tokens.kernel(tokens.steps())?)?)?;
    Ok(distances(truth.p(), drawn.p())?.into())
}

/// Rows `[model, learner, numbers…]` of the Glauber processes of a model with two states a site.
fn glauber_rows(case: &Case, data: &Data, seed: u64) -> Result<Vec<(String, [f64; 3])>, Failure> {
    let tokens = TokenNoise::uniform(&[2; SITES], 4, 0.6)?;
    let mut rows = vec![];
    let mut measure = |name: String, clock: ProcessTime, learned: &dyn SiteConditionals| -> Result<(), Failure> {
        let seconds = clock.elapsed().as_secs_f64();
        let [variation, kl] = glauber_error(case, learned)?;
        rows.push((name, [variation, kl, seconds]));
        Ok(())
    };
    measure("exact conditionals".into(), ProcessTime::now(), &ExactGlauber::new(case.model.as_ref(), &tokens)?)?;
    for (r, features) in [(0, Features::Additive), (2, Features::Pairs), (SITES, Features::Saturated)] {
        let clock = ProcessTime::now();
        let learned = GlauberWindow::new(data, &tokens, &case.boundary.windows(SITES, r), features, 0.01)?;
        measure(format!("classifier, {features:?}, radius {}", r.min(SITES - 1)), clock, &learned)?;
    }
    // One site of a noised sample is classified, where ratio matching scores all: more passes.
    let options = RatioMatchingOptions { start: Start::Random { bond: 8 }, epochs: 180, seed, ..Default::default() };
    let clock = ProcessTime::now();
    let learned = GlauberMatched::new(data, &tokens, &options)?;
    measure("classifier, χ = 8".into(), clock, &learned)?;
    Ok(rows)
}

fn run() -> Result<(), Failure> {
    let options: Options = options::parse()?;
    options::set_threads(options.threads)?;
    if options.samples < 100 {
        return Err(format!("--samples {}: at least 100", options.samples).into());
    }
    options::positive("times", options.times)?;
    let (mut rows, mut table) = (Vec::new(), Vec::new());
    let (mut glauber, mut glauber_table) = (Vec::new(), Vec::new());
    for case in cases()? {
        let streams = Streams::new(options.seed).domain("samples");
        let x = case.model.draw(options.samples, &streams)?.x;
        let data = Data::new(x, case.model.dims())?;
        let exact = bound_per_site(&case, &ExactDenoiser::new(case.model.as_ref(), &case.noise)?, options.seed)?;
        for (name, learn) in learners(&case, options.seed) {
            let clock = ProcessTime::now();
            let learned = learn(&data, &case.noise)?;
            let seconds = clock.elapsed().as_secs_f64();
            let kl = kl_per_site(&case, learned.as_ref(), options.times, options.seed)?;
            let bound = bound_per_site(&case, learned.as_ref(), options.seed)?;
            eprintln!("{}: {name}: {kl:.5} nats a site, {seconds:.2} s", case.name);
            let numbers = [kl, bound, bound - exact, seconds];
            let cells = [case.name.to_owned(), name.clone()].into_iter().chain(numbers.map(|v| number(v, 3)));
            table.push(cells.collect());
            rows.push(json!({
                "model": case.name, "method": name, "kl_per_site": kl, "bound_per_site": bound,
                "bound_excess_per_site": bound - exact, "cpu_seconds": seconds,
            }));
        }
        let binary = case.noise.dims_out().iter().all(|&d| d == 2);
        for (name, numbers) in if binary { glauber_rows(&case, &data, options.seed)? } else { vec![] } {
            let [variation, kl, seconds] = numbers;
            let cells = [case.name.to_owned(), name.clone()].into_iter().chain(numbers.map(|v| number(v, 3)));
            glauber_table.push(cells.collect());
            glauber.push(json!({
                "model": case.name, "method": name, "total_variation": variation, "kl": kl, "cpu_seconds": seconds,
            }));
        }
    }
    match options.json {
        true => {
            print(&options::json(&options, &json!({"samples": options.samples, "rows": rows, "glauber": glauber}))?)
        }
        false => {
            print(&render(&["model", "learner", "KL a site", "bound a site", "above exact", "CPU s"], &table))?;
            print("\nGlauber process, law of the draws against the data law\n")?;
            print(&render(&["model", "conditionals", "total variation", "KL", "CPU s"], &glauber_table))
        }
    }
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}
