//! Laws of the reverse samplers by χ²: one step against its law, exact samplers against the noised law, event
//! counts.

use ndarray::{Array1, Array2, Array3, ArrayView1};
use tensorjump::dense::{DenseLaw, LeapLaw};
use tensorjump::diffusion::reverse::{
    Bound, Corrector, Finish, Method, Outcome, Step, TimeGrid, exact_paths, exact_start, reverse,
};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, ExactDiffusion, Face, GivenDenoiser};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Result, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{ALPHA, all_configs, assert_law, chi2_p_value, counts, index_of};

const DRAWS: usize = 12_000;

/// A law with structure (weights from 1 to 30), as enumeration and as network, and noise with asymmetric
/// rates.
fn system(dims: &[usize], seed: u64) -> (DenseLaw, PositiveMps, Noise) {
    let flat = random_law(dims, seed);
    let truth = DenseLaw::new(dims, &flat.p().iter().map(|p| p.powi(3)).collect::<Vec<_>>()).unwrap();
    let model = PositiveMps::from_table(dims, truth.p()).unwrap();
    let rates = Rates::new(random_rates(dims, seed)).unwrap();
    (truth, model, Noise::new(rates, Schedule::linear(0.5, 1.5, 1.0).unwrap()))
}

/// Denoiser marginals where cavities belong.
fn mistaken<'a>(model: &'a PositiveMps, noise: &'a Noise) -> impl Denoiser + 'a {
    GivenDenoiser::new(noise.clone(), Face::Cavities, |t, y: Configs<'_>| -> Result<Array3<f64>> {
        let kernel = noise.kernel(0.0, t)?;
        model.scores(&kernel, y)?.denoiser_marginals()
    })
}

fn repeat(y: &[u8]) -> Array2<u8> {
    ArrayView1::from(y).broadcast((DRAWS, y.len())).unwrap().to_owned()
}

fn product(marginals: &Array3<f64>, dims: &[usize]) -> Vec<f64> {
    let x = all_configs(dims);
    x.outer_iter().map(|x| x.iter().enumerate().map(|(j, &b)| marginals[[0, j, b.into()]]).product()).collect()
}

/// Draws of one step follow its law; the twins are the laws of the other steps. Rejections are as many as the
/// law says.
#[test]
fn draws_of_one_step() {
    for (dims, y, seed) in [(vec![3, 3, 2], [2, 0, 1], 71), (vec![2, 3, 2], [0, 2, 1], 72)] {
        let (_, model, noise) = system(&dims, seed);
        let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
        let grid = TimeGrid::new(vec![0.8, 0.4]).unwrap();
        let y = repeat(&y);
        let steps = [Step::Euler, Step::TauLeaping, Step::Analytical];
        let laws = steps.map(|step| step.law(&denoiser, (0.4, 0.8), y.slice(ndarray::s![..1, ..])).unwrap());
        for (i, step) in steps.into_iter().enumerate() {
            let out = reverse(&denoiser, y.view(), &grid, &step.into(), false, &Streams::new(seed)).unwrap();
            assert_eq!((out.finish, out.calls), (Finish::Noised, 1));
            let law = product(&laws[i].marginals, &dims);
            assert_law(&counts(&out.x, &dims), &law, &product(&laws[(i + 1) % 3].marginals, &dims));
            if step == Step::TauLeaping {
                let expected = laws[i].excess.sum() * DRAWS as f64;
                let seen = out.excesses.sum() as f64;
                // 5σ of a sum of indicators, whose variance is at most its mean: 6e-7.
                assert!((seen - expected).abs() < 5.0 * expected.sqrt(), "{seen} rejections, {expected} expected");
            }
        }
    }
}

/// A run of several steps with correctors follows the law by enumeration; the twins are the law without
/// correctors and that of the exact process.
#[test]
fn runs_follow_their_enumerated_law() {
    let (dims, y) = ([3, 2, 2], [2, 0, 1]);
    let (truth, model, noise) = system(&dims, 80);
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    let grid = TimeGrid::uniform(0.8, 0.2, 2).unwrap();
    let corrector = Some(Corrector::Rates { rounds: 2, size: 1.0 });
    let mut point = vec![0.0; truth.p().len()];
    point[index_of(&y, &dims)] = 1.0;
    let start = DenseLaw::new(&dims, &point).unwrap();
    let (to_s, s_to_t) = (noise.kernel(0.0, 0.2).unwrap(), noise.kernel_between(0.2, 0.8).unwrap());
    let between = truth.posterior_between(&to_s, &s_to_t, &y).unwrap();
    for step in [Step::Euler, Step::TauLeaping, Step::Analytical] {
        let method = Method::Leap { step, corrector };
        let out = reverse(&denoiser, repeat(&y).view(), &grid, &method, false, &Streams::new(80)).unwrap();
        assert_eq!((out.calls, out.evaluations[0]), (6, 6));
        let law = LeapLaw::new(&denoiser, &start, &grid, step, corrector).unwrap().law;
        let plain = LeapLaw::new(&denoiser, &start, &grid, step, None).unwrap().law;
        assert_law(&counts(&out.x, &dims), law.p(), plain.p());
        assert_law(&counts(&out.x, &dims), law.p(), between.p());
    }
}

fn mean_and_error(values: &Array1<f64>) -> (f64, f64) {
    (values.mean().unwrap(), (values.var(1.0) / values.len() as f64).sqrt())
}

/// Within five standard errors: 6e-7.
fn assert_mean(values: &Array1<f64>, truth: f64, what: &str) {
    let (mean, error) = mean_and_error(values);
    assert!((mean - truth).abs() < 5.0 * error, "{what}: {mean} ± {error}, expected {truth}");
}

#[test]
fn jump_by_jump_is_exact_for_three_states() {
    check_exact(&[3, 3, 2], &[2, 0, 1], 73);
}

#[test]
fn jump_by_jump_is_exact_for_two_states() {
    check_exact(&[2, 2, 2, 2], &[0, 1, 1, 0], 74);
}

/// Uniformization and thinning: exact at δ, from a fixed configuration and from the exact start, and clean
/// after the last draw. The twin is the same sampler with the rates of the denoiser in place of the cavity.
fn check_exact(dims: &[usize], y: &[u8], seed: u64) {
    let (truth, model, noise) = system(dims, seed);
    let (delta, t) = (0.25, 0.8);
    let grid = TimeGrid::geometric(t, delta, 6).unwrap();
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    let twin = mistaken(&model, &noise);
    let (to_s, s_to_t) = (noise.kernel(0.0, delta).unwrap(), noise.kernel_between(delta, t).unwrap());
    let between = truth.posterior_between(&to_s, &s_to_t, y).unwrap();
    let streams = Streams::new(seed);
    for method in [Method::Uniformization(Bound::Noise), Method::Thinning] {
        let run = |denoiser: &dyn Denoiser, y: Configs<'_>, finish| -> Outcome {
            reverse(denoiser, y, &grid, &method, finish, &streams).unwrap()
        };
        let out = run(&denoiser, repeat(y).view(), false);
        let p = chi2_p_value(&counts(&out.x, dims), between.p());
        assert!(p > ALPHA, "{method:?} at δ: p = {p:e}");
        if method == Method::Thinning {
            let wrong = run(&twin, repeat(y).view(), false);
            let p = chi2_p_value(&counts(&wrong.x, dims), between.p());
            assert!(p < ALPHA, "the twin passes, p = {p:e}");
        }
        let events = out.events.mapv(|n| n as f64);
        // E[events] = E∫Λ along the path: for uniformization the same for all.
        assert_mean(&(&events - &out.bound), 0.0, "events against ∫Λ");
        if matches!(method, Method::Uniformization(_)) {
            assert!(out.bound.iter().all(|b| (b / out.bound[0] - 1.0).abs() < 1e-9));
        }
        let start = exact_start(&model, &noise, t, DRAWS, &streams).unwrap();
        let out = run(&denoiser, start.view(), true);
        assert_eq!(out.finish, Finish::Joint);
        assert_law(&counts(&out.x, dims), truth.p(), truth.noised(&to_s).unwrap().p());
    }
}

/// A user's bound, larger than the tight one: the same law, more events.
#[test]
fn any_bound_that_holds_gives_the_law() {
    let dims = [3, 2];
    let (truth, model, noise) = system(&dims, 75);
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    let grid = TimeGrid::uniform(0.8, 0.2, 2).unwrap();
    let y = repeat(&[2, 1]);
    let method = Method::Uniformization(Bound::Given(vec![25.0, 30.0]));
    let out = reverse(&denoiser, y.view(), &grid, &method, false, &Streams::new(75)).unwrap();
    let (to_s, s_to_t) = (noise.kernel(0.0, 0.2).unwrap(), noise.kernel_between(0.2, 0.8).unwrap());
    let between = truth.posterior_between(&to_s, &s_to_t, &[2, 1]).unwrap();
    assert_law(&counts(&out.x, &dims), between.p(), truth.noised(&to_s).unwrap().p());
    let elapsed = |s, t| noise.schedule().elapsed(s, t).unwrap();
    let integral = 25.0 * elapsed(0.5, 0.8) + 30.0 * elapsed(0.2, 0.5);
    assert_mean(&out.events.mapv(|n| n as f64), integral, "events");
    assert!((out.bound[0] - integral).abs() < 1e-9);
}

/// Masks: from all masked at large T to δ, then the last draw.
#[test]
fn masks_are_exact() {
    let dims = [2, 3, 2];
    let (truth, model, _) = system(&dims, 76);
    let noise = Noise::new(Rates::mask(&dims, 1.0).unwrap(), Schedule::default());
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    // 3 e^{-20} of the draws are not all masked at T = 20: 1e-4 in 12,000 draws.
    let y = noise.draw_stationary(DRAWS, &Streams::new(76)).unwrap();
    let grid = TimeGrid::geometric(20.0, 0.1, 12).unwrap();
    let at_delta = truth.noised(&noise.kernel(0.0, 0.1).unwrap()).unwrap();
    let independent = PositiveMps::product(model.site_marginals()).unwrap();
    let product = DenseLaw::of(&independent).unwrap();
    for method in [Method::Uniformization(Bound::Noise), Method::Thinning] {
        let out = reverse(&denoiser, y.view(), &grid, &method, false, &Streams::new(77)).unwrap();
        let wrong = product.noised(&noise.kernel(0.0, 0.1).unwrap()).unwrap();
        assert_law(&counts(&out.x, at_delta.dims()), at_delta.p(), wrong.p());
        let out = reverse(&denoiser, y.view(), &grid, &method, true, &Streams::new(77)).unwrap();
        assert_law(&counts(&out.x, &dims), truth.p(), product.p());
    }
}

/// Exact paths: their states at δ and 0 given `y`; the twins are the laws without `y`.
#[test]
fn paths_are_exact() {
    let dims = [3, 3, 2];
    let (truth, model, noise) = system(&dims, 78);
    let (delta, t, y) = (0.3, 0.8, [2, 0, 1]);
    let paths = exact_paths(&model, &noise, t, repeat(&y).view(), &Streams::new(78)).unwrap();
    let start = Array1::from(y.to_vec());
    let table = |state: &dyn Fn(usize) -> Array1<u8>| {
        let flat = (0..DRAWS).flat_map(|i| state(i).to_vec()).collect();
        counts(&Array2::from_shape_vec((DRAWS, 3), flat).unwrap(), &dims)
    };
    let (to_s, s_to_t) = (noise.kernel(0.0, delta).unwrap(), noise.kernel_between(delta, t).unwrap());
    let between = truth.posterior_between(&to_s, &s_to_t, &y).unwrap();
    let noised = truth.noised(&to_s).unwrap();
    assert_law(&table(&|i| paths[i].reversed_at(&start, delta)), between.p(), noised.p());
    let clean = truth.posterior(&noise.kernel(0.0, t).unwrap(), &y).unwrap();
    assert_law(&table(&|i| paths[i].last.clone()), clean.p(), truth.p());
    for path in &paths {
        assert_eq!(path.reversed_at(&start, 0.0), path.last);
        assert!(path.jumps.windows(2).all(|pair| pair[0].time > pair[1].time));
    }
}

/// Uniform noise: as many jumps back as forth, `Nγ(d − 1)/d·Δτ` in the mean, by every exact sampler from the
/// exact start.
#[test]
fn as_many_jumps_back_as_forth() {
    let (dims, gamma) = ([3, 3, 3, 3], 0.9);
    let (_, model, _) = system(&dims, 79);
    let noise = Noise::new(Rates::uniform(&dims, gamma).unwrap(), Schedule::linear(0.5, 1.5, 1.0).unwrap());
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    let (delta, t) = (0.2, 1.0);
    let streams = Streams::new(79);
    let forward = |s: f64| 4.0 * gamma * 2.0 / 3.0 * noise.schedule().elapsed(s, t).unwrap();
    let start = exact_start(&model, &noise, t, DRAWS, &streams).unwrap();
    let grid = TimeGrid::geometric(t, delta, 6).unwrap();
    for method in [Method::Uniformization(Bound::Noise), Method::Thinning] {
        let out = reverse(&denoiser, start.view(), &grid, &method, false, &streams).unwrap();
        assert_mean(&out.jumps.mapv(|n| n as f64), forward(delta), "jumps");
        assert_mean(&(out.events.mapv(|n| n as f64) - &out.bound), 0.0, "events against ∫Λ");
    }
    let paths = exact_paths(&model, &noise, t, start.view(), &streams).unwrap();
    assert_mean(&paths.iter().map(|path| path.jumps.len() as f64).collect(), forward(0.0), "jumps of paths");
    // The twin: rates of the denoiser in place of the cavity.
    let wrong = reverse(&mistaken(&model, &noise), start.view(), &grid, &Method::Thinning, false, &streams).unwrap();
    let (mean, error) = mean_and_error(&wrong.jumps.mapv(|n| n as f64));
    assert!((mean - forward(delta)).abs() > 5.0 * error, "the twin jumps as often: {mean} ± {error}");
}
