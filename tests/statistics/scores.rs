//! Estimated bounds, Glauber draws, and what learners make of samples. False-alarm rate 1e-6 each: 4.9σ, or
//! χ² with [`ALPHA`].
//!
//! [`ALPHA`]: crate::common::ALPHA

use ndarray::{Array1, Array2, Array3, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{
    Denoiser, Ends, ExactDenoiser, ExactDiffusion, ExactGlauber, Face, GivenDenoiser, LikelihoodBound, Quadrature,
    SiteConditionals, TokenNoise, classification_loss, conditional_kl, glauber_reverse,
};
use tensorjump::learn::{
    ConditionalTables, Data, Features, GlauberMatched, GlauberWindow, Objective, OperatorOptions, OperatorScores,
    RatioMatched, RatioMatchingOptions, SoftmaxDenoiser, SoftmaxOptions, Start,
};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, assert_law, counts};

/// The estimated bound is −log P_0(x_0) within 4.9σ for each x_0; with the denoiser in place of the cavity
/// its mean is above by as much.
#[test]
fn estimated_bounds() {
    let dims = [2, 3];
    let law = random_law(&dims, 81);
    let noise = Noise::new(Rates::new(random_rates(&dims, 81)).unwrap(), Schedule::default());
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let nodes = Quadrature::logit(&noise, (0.05, 3.0), 12).unwrap();
    let x = all_configs(&dims);
    let run = |denoiser: &dyn Denoiser| {
        LikelihoodBound::estimate(denoiser, &Ends::Exact(&law), &nodes, x.view(), 2000, &Streams::new(1)).unwrap()
    };
    let bound = run(&exact);
    for ((v, e), p) in bound.total().iter().zip(&bound.error).zip(law.p()) {
        assert!((v + p.ln()).abs() < 4.9 * e, "{v} ± {e} against {}", -p.ln());
    }
    let trapped = GivenDenoiser::new(noise.clone(), Face::Cavities, |t, z: Configs<'_>| -> Result<Array3<f64>> {
        law.scores(&noise.kernel(0.0, t)?, z)?.denoiser_marginals()
    });
    let wrong = run(&trapped);
    let mean = |values: Array1<f64>| values.iter().zip(law.p()).map(|(v, p)| v * p).sum::<f64>();
    let error = mean(wrong.error.clone());
    let gap = mean(wrong.total()) - mean(Array1::from(law.p().to_vec()).mapv(|p| -p.ln()));
    assert!(gap > 4.9 * error, "the trap costs {gap} ± {error}");
}

/// Conditionals of `X_{k+1}` in place of those of `X_k`: what must fail. (Those of `X_0` would not: they are
/// Gibbs sampling of the data law.)
struct Late<'a>(&'a DenseLaw, &'a TokenNoise);

impl SiteConditionals for Late<'_> {
    fn tokens(&self) -> &TokenNoise {
        self.1
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        let (site, kernel) = (self.1.site(k), self.1.kernel(k + 1)?);
        let p = self.0.scores(&kernel, x)?.conditional_marginals()?;
        Ok(p.slice(s![.., site, ..self.1.dims()[site]]).to_owned())
    }
}

#[test]
fn glauber_draws() {
    const DRAWS: usize = 40_000;
    let dims = [2, 3, 2];
    let law = random_law(&dims, 82);
    let pi = |d: usize, k: usize| {
        let mut law: Vec<f64> = (0..d).map(|a| 0.1 + 0.1 * ((a + k) % 3) as f64).collect();
        law.push(1.0 - law.iter().sum::<f64>());
        law
    };
    let tokens = TokenNoise::new(&dims, (0..6).map(|k| pi(dims[k % 3], k)).collect()).unwrap();
    let streams = Streams::new(82);
    let x = law.draw(DRAWS, &streams).unwrap().x;
    let mut y = x.clone();
    for k in 0..tokens.steps() {
        y = tokens.step(k, y.view(), &streams).unwrap().0;
    }
    let noised = law.noised(&tokens.kernel(6).unwrap()).unwrap();
    assert_law(&counts(&y, &dims), noised.p(), law.noised(&tokens.kernel(5).unwrap()).unwrap().p());
    let exact = ExactGlauber::new(&law, &tokens).unwrap();
    let back = glauber_reverse(&exact, y.view(), &streams).unwrap();
    assert_law(&counts(&back, &dims), law.p(), noised.p());
    // The sampler with wrong conditionals is caught.
    let wrong = glauber_reverse(&Late(&law, &tokens), y.view(), &streams).unwrap();
    let p = crate::common::chi2_p_value(&counts(&wrong, &dims), law.p());
    assert!(p < crate::common::ALPHA, "wrong conditionals pass: p = {p:e}");
}

/// An Ising ring of ten sites at β = 1 with uniform noise, and samples of it.
fn ring(samples: usize) -> (PositiveMps, Noise, Data) {
    let fields: Vec<f64> = (0..10).map(|j| 0.05 * j as f64 - 0.2).collect();
    let model = PositiveMps::ising(1.0, &[1.0; 10], &fields, Boundary::Ring).unwrap();
    let noise = Noise::new(Rates::uniform(&[2; 10], 1.0).unwrap(), Schedule::default());
    let x = model.draw(samples, &Streams::new(83)).unwrap().x;
    (model, noise, Data::new(x, &[2; 10]).unwrap())
}

/// KL a site of learned conditionals, averaged uniformly over times with α in [.05, .95], by enumeration.
fn kl_per_site(model: &PositiveMps, noise: &Noise, learned: &dyn Denoiser) -> f64 {
    let exact = ExactDenoiser::new(model, noise).unwrap();
    let (first, last) = (noise.time_of_signal(0.95).unwrap(), noise.time_of_signal(0.05).unwrap());
    let (y, times) = (all_configs(model.dims()), 8);
    let at = |k: usize| {
        let t = first + (last - first) * (k as f64 + 0.5) / times as f64;
        let p = model.noised_log_prob(&noise.kernel(0.0, t).unwrap(), y.view()).unwrap().mapv(f64::exp);
        (conditional_kl(&exact, learned, t, y.view()).unwrap() * p).sum()
    };
    (0..times).map(at).sum::<f64>() / (times * model.dims().len()) as f64
}

/// Every learner reaches 0.02 nats a site from 10⁴ samples; nobody who learns from independent sites does. No
/// chance is involved beyond the fixed samples.
#[test]
fn learned_scores_are_close() {
    let (model, noise, data) = ring(10_000);
    let near = Boundary::Ring.windows(10, 2);
    let tabular = ConditionalTables::tabular(&data, &noise, None).unwrap();
    let window = ConditionalTables::new(&data, &noise, &near, None).unwrap();
    let softmax = SoftmaxDenoiser::new(&data, &noise, &near, None, &SoftmaxOptions::default()).unwrap();
    let operator = OperatorScores::new(&data, &noise, &near, &OperatorOptions::default()).unwrap();
    let options =
        RatioMatchingOptions { start: Start::Random { bond: 4 }, epochs: 15, ..RatioMatchingOptions::default() };
    let network = RatioMatched::new(&data, &noise, &options).unwrap().denoiser;
    let bound = SoftmaxOptions { objective: Objective::LikelihoodBound, ..SoftmaxOptions::default() };
    let bound = SoftmaxDenoiser::new(&data, &noise, &near, None, &bound).unwrap();
    let learned: [(&str, &dyn Denoiser); 6] = [
        ("tabular", &tabular),
        ("window", &window),
        ("softmax", &softmax),
        ("softmax, by the bound", &bound),
        ("operator-informed", &operator),
        ("ratio matching", &network),
    ];
    for (name, learned) in learned {
        let kl = kl_per_site(&model, &noise, learned);
        println!("{name}: {kl:.5} nats a site");
        assert!(kl <= 0.02, "{name}: {kl} nats a site");
    }
    let independent = ConditionalTables::new(&data, &noise, &vec![vec![]; 10], None).unwrap();
    let kl = kl_per_site(&model, &noise, &independent);
    assert!(kl > 0.02, "independent sites pass too: {kl} nats a site");
}

/// Damped data moments against moments of simulated noise, the case of METHODS §3: the summed variance of the
/// coefficients over 100 repeats. The ratio depends on the law: 9.1 to 14.1 for these six, drawn uniformly
/// from the simplex, 12.0 in the mean.
#[test]
fn damped_moments_have_a_smaller_variance() {
    let (t, repeats) = (0.35, 100);
    let noise = Noise::new(Rates::binary_flip(4, 1.0, 1.0).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, t).unwrap();
    let (all, options) = (Boundary::Open.windows(4, 4), OperatorOptions { degree: 2, ridge: 0.0 });
    let coefficients = |x: Array2<u8>, t: f64| -> Vec<f64> {
        let learned = OperatorScores::new(&Data::new(x, &[2; 4]).unwrap(), &noise, &all, &options).unwrap();
        learned.coefficients(t).unwrap().iter().flat_map(|a| a.iter().copied()).collect()
    };
    let summed = |runs: &[Vec<f64>]| {
        let n = runs.len() as f64;
        let variance = |i: usize| {
            let mean = runs.iter().map(|a| a[i]).sum::<f64>() / n;
            runs.iter().map(|a| (a[i] - mean).powi(2)).sum::<f64>() / (n - 1.0)
        };
        (0..runs[0].len()).map(variance).sum::<f64>()
    };
    let ratio = |seed: u64| {
        let mut rng = Streams::new(seed).domain("simplex").stream(0);
        let weights: Vec<f64> = (0..16).map(|_| -(1.0 - rng.random::<f64>()).ln()).collect();
        let law = DenseLaw::new(&[2; 4], &weights).unwrap();
        let (mut damped, mut simulated) = (vec![], vec![]);
        for k in 0..repeats {
            let streams = Streams::new(seed).step(k);
            let x = law.draw(2000, &streams).unwrap().x;
            simulated.push(coefficients(kernel.sample(x.view(), &streams).unwrap(), 0.0));
            damped.push(coefficients(x, t));
        }
        summed(&simulated) / summed(&damped)
    };
    let ratios: Vec<f64> = (84..90).map(ratio).collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    println!("variance ratios {ratios:.1?}, mean {mean:.1}");
    assert!(mean >= 10.0, "variance ratios {ratios:?}");
}

/// A learned residual on top of the closed form is better than the closed form alone.
#[test]
fn a_residual_improves_its_baseline() {
    let (model, noise, data) = ring(2_000);
    let near = Boundary::Ring.windows(10, 1);
    let baseline = OperatorScores::new(&data, &noise, &near, &OperatorOptions { degree: 1, ridge: 1e-3 }).unwrap();
    let before = kl_per_site(&model, &noise, &baseline);
    let options = SoftmaxOptions { times: vec![0.1, 0.3, 0.8, 2.0], ..SoftmaxOptions::default() };
    let residual = SoftmaxDenoiser::new(&data, &noise, &near, Some(std::sync::Arc::new(baseline)), &options).unwrap();
    let after = kl_per_site(&model, &noise, &residual);
    println!("baseline {before:.5}, with residual {after:.5} nats a site");
    assert!(after < before, "baseline {before}, with residual {after}");
}

/// Classifiers of tokens from samples: the loss on fresh tokens is closer to that of the exact classifier
/// than 1e-2 nats, that of a classifier of independent sites is not as close.
#[test]
fn learned_token_classifiers() {
    let (model, _, data) = ring(5_000);
    let tokens = TokenNoise::uniform(&[2; 10], 3, 0.5).unwrap();
    let near = Boundary::Ring.windows(10, 2);
    let window = GlauberWindow::new(&data, &tokens, &near, Features::Pairs, 1.0).unwrap();
    let alone = GlauberWindow::new(&data, &tokens, &vec![vec![]; 10], Features::Pairs, 1.0).unwrap();
    let options =
        RatioMatchingOptions { start: Start::Random { bond: 4 }, epochs: 40, ..RatioMatchingOptions::default() };
    let network = GlauberMatched::new(&data, &tokens, &options).unwrap();
    let exact = ExactGlauber::new(&model, &tokens).unwrap();
    // The excess loss by enumeration of X_{k+1} and the token, averaged over steps.
    let x = all_configs(&[2; 10]);
    let excess = |learned: &dyn SiteConditionals| {
        let step = |k: usize| {
            let (site, (_, keep)) = (tokens.site(k), tokens.law(k).unwrap());
            let law = |k: usize| model.noised_log_prob(&tokens.kernel(k).unwrap(), x.view()).unwrap().mapv(f64::exp);
            let (before, after) = (law(k), law(k + 1));
            let loss = |c: &dyn SiteConditionals, replaced: bool| {
                classification_loss(c, k, x.view(), &vec![replaced; x.nrows()]).unwrap()
            };
            let kept = before * keep;
            let given = &after - &kept;
            assert!(given.iter().all(|g| *g >= -1e-12), "site {site}");
            ((loss(learned, true) - loss(&exact, true)) * &given + (loss(learned, false) - loss(&exact, false)) * &kept)
                .sum()
        };
        (0..tokens.steps()).map(step).sum::<f64>() / tokens.steps() as f64
    };
    let (window, alone, network) = (excess(&window), excess(&alone), excess(&network));
    println!("excess loss: window {window:.2e}, independent {alone:.2e}, network {network:.2e}");
    assert!(window > 0.0 && network > 0.0 && alone > 0.0);
    assert!(window < 0.2 * alone && network < 0.2 * alone, "window {window}, network {network}, independent {alone}");
}
