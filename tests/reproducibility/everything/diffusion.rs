//! Noise, denoising, and every reverse-time sampler.

use ndarray::{Array1, Array2, array};
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::reverse::{
    Bound, Corrector, Finish, Method, Outcome, Step, TimeGrid, exact_paths, exact_start, reverse,
};
use tensorjump::diffusion::{
    Bridge, Classified, Denoise, Denoiser, Ends, ExactDenoiser, ExactDiffusion, ExactGlauber, Face, GivenDenoiser,
    Guided, LikelihoodBound, Quadrature, Scheme, TokenNoise, glauber_reverse,
};
use tensorjump::learn::{ConditionalTables, Data};
use tensorjump::model::{Boundary, LabelLeg, PositiveMps};
use tensorjump::noise::{Noise, Path, Rates, Schedule};
use tensorjump::{Configs, Model};

use super::{Family, Fnv, pattern, streams};
use crate::common::random::{random_law, random_rates};

const DIMS: [usize; 4] = [3, 2, 4, 2];
const ROWS: usize = 30;
const T: f64 = 0.8;

fn law() -> DenseLaw {
    random_law(&DIMS, 81)
}

fn noise() -> Noise {
    Noise::new(Rates::new(random_rates(&DIMS, 82)).unwrap(), Schedule::linear(0.2, 1.5, 1.0).unwrap())
}

fn masks(dims: &[usize]) -> Noise {
    Noise::new(Rates::mask(dims, 1.5).unwrap(), Schedule::default())
}

/// Noised draws of the law.
fn start(noise: &Noise) -> Array2<u8> {
    exact_start(&law(), noise, T, ROWS, &streams()).unwrap()
}

fn paths(hash: &mut Fnv, paths: &[Path]) {
    for path in paths {
        hash.count(path.jumps.len() as u64);
        for jump in &path.jumps {
            hash.numbers(&[jump.time]);
            hash.bytes([jump.site as u8, jump.state]);
        }
        hash.bytes(path.last.iter().copied());
    }
}

#[test]
fn noise_process() {
    let x = pattern(&DIMS, ROWS);
    let sample = |hash: &mut Fnv, noise: &Noise, s, t| {
        hash.x(noise.kernel_between(s, t).unwrap().sample(x.view(), &streams()).unwrap().view());
    };
    let flips = Noise::new(Rates::binary_flip(6, 1.0, 0.3).unwrap(), Schedule::geometric(0.1, 2.0, 1.0).unwrap());
    Family::of("noise")
        .case("kernel", |hash| sample(hash, &noise(), 0.0, 0.5))
        .case("kernel between", |hash| sample(hash, &noise(), 0.2, 0.5))
        .case("infinite", |hash| {
            sample(hash, &Noise::new(noise().rates().clone(), Schedule::default()), 0.0, f64::INFINITY);
        })
        .case("masks", |hash| sample(hash, &masks(&DIMS), 0.0, 0.5))
        .case("flips", |hash| {
            let kernel = flips.kernel(0.1, 0.6).unwrap();
            hash.x(kernel.sample(pattern(&[2; 6], ROWS).view(), &streams()).unwrap().view());
        })
        .case("paths", |hash| paths(hash, &noise().paths(x.view(), 0.1, 0.9, &streams()).unwrap()))
        .case("paths of masks", |hash| paths(hash, &masks(&DIMS).paths(x.view(), 0.0, 0.9, &streams()).unwrap()))
        .case("path", |hash| {
            paths(hash, &[noise().path(x.row(3), 0.0, 1.0, &mut streams().stream(3)).unwrap()]);
        })
        .check();
}

#[test]
fn bridge() {
    let draw = |hash: &mut Fnv, noise: &Noise| {
        let (x, y) = (pattern(&DIMS, ROWS), noise.kernel(0.0, T).unwrap());
        let y = y.sample(x.view(), &streams()).unwrap();
        let bridge = Bridge::of(noise, 0.3, T).unwrap();
        let between = bridge.sample(x.view(), y.view(), &streams()).unwrap();
        hash.x(between.view());
        hash.numbers(&bridge.log_prob(x.view(), y.view(), between.view()).unwrap());
    };
    Family::of("bridge")
        .case("rates", |hash| draw(hash, &noise()))
        .case("masks", |hash| draw(hash, &masks(&DIMS)))
        .check();
}

#[test]
fn denoising() {
    let all = |name, noise: &Noise| {
        let (law, y) = (law(), start(noise));
        Family::of(name)
            .case("denoise", |hash| {
                hash.samples(&law.denoise(&noise.kernel(0.0, T).unwrap(), y.view(), &streams()).unwrap());
            })
            .case("denoise to", |hash| {
                hash.samples(&law.denoise_to(&Bridge::of(noise, 0.3, T).unwrap(), y.view(), &streams()).unwrap());
            })
            .case("trajectory", |hash| {
                let path = law.denoise_through(noise, &[T, 0.4, 0.1, 0.0], y.view(), &streams()).unwrap();
                path.states.iter().for_each(|x| hash.x(x.view()));
                hash.numbers(&path.log_prob);
            })
    };
    all("denoising", &noise()).and(all("denoising masks", &masks(&DIMS))).check();
}

#[test]
fn starts_and_exact_paths() {
    Family::of("reverse start")
        .case("exact", |hash| hash.x(start(&noise()).view()))
        .case("prior", |hash| hash.x(noise().draw_stationary(ROWS, &streams()).unwrap().view()))
        .and(exact_path_cases())
        .check();
}

fn exact_path_cases() -> Family {
    let law = law();
    let (noise, y) = (noise(), start(&noise()));
    let drawn = exact_paths(&law, &noise, T, y.view(), &streams()).unwrap();
    let masked = start(&masks(&DIMS));
    Family::of("exact paths")
        .case("rates", |hash| paths(hash, &drawn))
        .case("state at", |hash| {
            y.outer_iter().zip(&drawn).for_each(|(y, path)| hash.bytes(path.reversed_at(&y.to_owned(), 0.4)));
        })
        .case("masks", |hash| {
            paths(hash, &exact_paths(&law, &masks(&DIMS), T, masked.view(), &streams()).unwrap());
        })
}

/// Configurations, counts and the finish, which must be the one expected.
fn outcome(hash: &mut Fnv, run: &Outcome, finish: Finish) {
    assert_eq!(run.finish, finish);
    hash.x(run.x.view());
    for counts in [&run.jumps, &run.events, &run.excesses, &run.evaluations] {
        counts.iter().for_each(|&n| hash.count(n));
    }
    hash.count(run.calls as u64);
}

/// A run down to `to`, with a last draw or not.
fn run(hash: &mut Fnv, denoiser: &dyn Denoiser, method: &Method, to: f64, finish: Option<Finish>) {
    let y = start(denoiser.noise());
    let grid = TimeGrid::uniform(T, to, 6).unwrap();
    let ends = if to == 0.0 { Finish::Grid } else { finish.unwrap_or(Finish::Noised) };
    outcome(hash, &reverse(denoiser, y.view(), &grid, method, finish.is_some(), &streams()).unwrap(), ends);
}

/// Every method down to zero, down to δ, and with a last joint draw.
#[test]
fn reverse_methods() {
    let (law, noise) = (law(), noise());
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let corrected = |step| Method::Leap { step, corrector: Some(Corrector::Rates { rounds: 2, size: 0.5 }) };
    let methods = [
        ("reverse: euler", Step::Euler.into()),
        ("reverse: tau-leaping", Step::TauLeaping.into()),
        ("reverse: analytical", Step::Analytical.into()),
        ("reverse: euler, corrected", corrected(Step::Euler)),
        ("reverse: tau-leaping, corrected", corrected(Step::TauLeaping)),
        ("reverse: analytical, corrected", corrected(Step::Analytical)),
        ("reverse: uniformization", Method::Uniformization(Bound::Noise)),
        ("reverse: uniformization, bound given", Method::Uniformization(Bound::Given(vec![60.0; 6]))),
        ("reverse: thinning", Method::Thinning),
    ];
    let mut all = Family::of("reverse");
    for (name, method) in methods {
        let by_events = !matches!(method, Method::Leap { .. });
        let mut family = Family::of(name)
            .case("noised", |hash| run(hash, &exact, &method, 0.1, None))
            .case("joint", |hash| run(hash, &exact, &method, 0.1, Some(Finish::Joint)));
        if !by_events {
            family = family.case("grid", |hash| run(hash, &exact, &method, 0.0, Some(Finish::Grid)));
        }
        all = all.and(family);
    }
    all.check();
}

/// Denoisers without a law of their own end with a draw from the product of marginals.
#[test]
fn reverse_without_a_law() {
    let (law, noise) = (law(), noise());
    let data = Data::new(law.draw(300, &streams()).unwrap().x, &DIMS).unwrap();
    let tables = ConditionalTables::new(&data, &noise, &Boundary::Open.windows(4, 1), None).unwrap();
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let given = GivenDenoiser::new(noise.clone(), Face::Cavities, |t, y: Configs<'_>| exact.cavities(t, y));
    let mut family = Family::of("reverse: product");
    for (name, step) in [("euler", Step::Euler), ("tau-leaping", Step::TauLeaping), ("analytical", Step::Analytical)] {
        family = family
            .case(&format!("tables, {name}"), |hash| {
                run(hash, &tables, &step.into(), 0.1, Some(Finish::Product));
            })
            .case(&format!("given, {name}"), |hash| run(hash, &given, &step.into(), 0.1, Some(Finish::Product)));
    }
    family.check();
}

#[test]
fn reverse_of_masks() {
    let (law, noise) = (law(), masks(&DIMS));
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    Family::of("reverse: masks")
        .case("analytical, grid", |hash| run(hash, &exact, &Step::Analytical.into(), 0.0, Some(Finish::Grid)))
        .case("euler, joint", |hash| run(hash, &exact, &Step::Euler.into(), 0.1, Some(Finish::Joint)))
        .case("tau-leaping, joint", |hash| run(hash, &exact, &Step::TauLeaping.into(), 0.1, Some(Finish::Joint)))
        .case("thinning, joint", |hash| run(hash, &exact, &Method::Thinning, 0.1, Some(Finish::Joint)))
        .case("uniformization, joint", |hash| {
            run(hash, &exact, &Method::Uniformization(Bound::Noise), 0.1, Some(Finish::Joint));
        })
        .check();
}

/// A ring of six spins labelled by the sign of its magnetisation; masks leave rows stranded.
#[test]
fn guidance() {
    let ring = PositiveMps::ising(0.3, &[1.0; 6], &[0.0; 6], Boundary::Ring).unwrap();
    let leg = LabelLeg::by_sum(&ring, &vec![vec![-1, 1]; 6], &[-6..=0, 1..=6]).unwrap();
    let (up, all) = (leg.class(1).unwrap(), leg.marginal());
    let flips = Noise::new(Rates::binary_flip(6, 1.0, 0.6).unwrap(), Schedule::default());
    let draw = |hash: &mut Fnv, noise: &Noise, scheme, gamma| {
        let (up, all) = (ExactDenoiser::new(&up, noise).unwrap(), ExactDenoiser::new(&all, noise).unwrap());
        let y = exact_start(&ring, noise, 1.0, ROWS, &streams()).unwrap();
        let guided = Guided::new(&up, &all, scheme, gamma).unwrap();
        let draws = guided.sample(&[1.0, 0.6, 0.3, 0.1, 0.0], y.view(), &streams()).unwrap();
        hash.x(draws.x.view());
        // Masks, and nothing else, leave rows that cannot reach the label.
        let strands = gamma != 0.0 && noise.dims_out()[0] == 3;
        assert_eq!(!draws.stranded.is_empty(), strands);
        draws.stranded.iter().for_each(|&row| hash.count(row as u64));
        hash.count(draws.evaluations as u64);
    };
    let masks = masks(&[2; 6]);
    Family::of("guided")
        .case("classifier-free", |hash| draw(hash, &flips, Scheme::ClassifierFree, 1.7))
        .case("classifier-based", |hash| draw(hash, &flips, Scheme::ClassifierBased, 1.7))
        .case("unguided", |hash| draw(hash, &flips, Scheme::ClassifierFree, 0.0))
        .case("conditional", |hash| draw(hash, &flips, Scheme::ClassifierFree, 1.0))
        .case("masks, classifier-free", |hash| draw(hash, &masks, Scheme::ClassifierFree, 1.7))
        .case("masks, classifier-based", |hash| draw(hash, &masks, Scheme::ClassifierBased, 1.7))
        .case("reverse", |hash| {
            let (up, all) = (ExactDenoiser::new(&up, &flips).unwrap(), ExactDenoiser::new(&all, &flips).unwrap());
            let y = exact_start(&ring, &flips, 1.0, ROWS, &streams()).unwrap();
            let guided = Guided::new(&up, &all, Scheme::ClassifierFree, 1.7).unwrap();
            let grid = TimeGrid::uniform(1.0, 0.1, 5).unwrap();
            let run = reverse(&guided, y.view(), &grid, &Step::Euler.into(), false, &streams()).unwrap();
            outcome(hash, &run, Finish::Noised);
        })
        .case("classified", |hash| {
            let all = ExactDenoiser::new(&all, &flips).unwrap();
            let score = |_: f64, y: Configs<'_>| -> tensorjump::Result<Array1<f64>> {
                Ok(y.outer_iter().map(|y| 0.3 * y.iter().map(|&a| f64::from(a)).sum::<f64>()).collect())
            };
            let classified = Classified::new(&all, score);
            let y = exact_start(&ring, &flips, 1.0, ROWS, &streams()).unwrap();
            let grid = TimeGrid::uniform(1.0, 0.1, 5).unwrap();
            let run = reverse(&classified, y.view(), &grid, &Step::Euler.into(), false, &streams()).unwrap();
            outcome(hash, &run, Finish::Noised);
        })
        .check();
}

#[test]
fn token_chains() {
    let law = law();
    let tokens = TokenNoise::uniform(&DIMS, 3, 0.4).unwrap();
    let x = law.draw(ROWS, &streams()).unwrap().x;
    Family::of("tokens")
        .case("steps", |hash| {
            let mut x = x.clone();
            for k in 0..tokens.steps() {
                let (next, replaced) = tokens.step(k, x.view(), &streams()).unwrap();
                hash.x(next.view());
                hash.bytes(replaced.iter().map(|&r| u8::from(r)));
                x = next;
            }
        })
        .case("kernel", |hash| {
            hash.x(tokens.kernel(7).unwrap().sample(x.view(), &streams()).unwrap().view());
        })
        .case("glauber reverse", |hash| {
            let y = tokens.kernel(tokens.steps()).unwrap().sample(x.view(), &streams()).unwrap();
            let exact = ExactGlauber::new(&law, &tokens).unwrap();
            hash.x(glauber_reverse(&exact, y.view(), &streams()).unwrap().view());
        })
        .check();
}

#[test]
fn bound() {
    let (law, noise) = (law(), noise());
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let nodes = Quadrature::logit(&noise, (0.05, 0.9), 4).unwrap();
    Family::of("likelihood bound")
        .case("draws", |hash| {
            let x = array![[0, 1, 3, 0], [2, 0, 1, 1]];
            let bound =
                LikelihoodBound::estimate(&exact, &Ends::Exact(&law), &nodes, x.view(), 10, &streams()).unwrap();
            hash.numbers(bound.path.iter().chain(&bound.start).chain(&bound.end).chain(&bound.error));
        })
        .check();
}
