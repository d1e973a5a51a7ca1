//! Losses, likelihood bound, Glauber processes and learners against enumeration.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{
    Denoiser, Ends, ExactDenoiser, ExactDiffusion, ExactGlauber, Face, GivenDenoiser, Quadrature, SiteConditionals,
    TokenNoise, bound_integrand, classification_loss, conditional_kl, conditionals_from_replaced, likelihood_bound,
    ratio_matching_loss, replaced_from_conditionals, score_matching_loss, signal, time_of_signal,
};
use tensorjump::learn::{
    ConditionalTables, Data, Features, GlauberWindow, OperatorOptions, OperatorScores, RatioMatchingOptions,
    SoftmaxDenoiser, SoftmaxOptions, glauber_matching, ratio_matching, ratio_matching_gradient, windows,
};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Error, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};
use crate::diffusion::assert_close;
use crate::laws::stream;

/// Laws with noise of every kind; the schedule is not constant.
fn systems() -> Vec<(&'static str, DenseLaw, Noise)> {
    let schedule = || Schedule::linear(0.5, 1.5, 1.0).unwrap();
    let uniform = |d: usize, n: usize| Rates::uniform(&vec![d; n], 1.3).unwrap();
    vec![
        ("uniform d = 2", random_law(&[2; 4], 61), Noise::new(uniform(2, 4), schedule())),
        ("uniform d = 3", random_law(&[3; 3], 62), Noise::new(uniform(3, 3), schedule())),
        (
            "asymmetric",
            random_law(&[2, 3, 2], 63),
            Noise::new(Rates::new(random_rates(&[2, 3, 2], 63)).unwrap(), schedule()),
        ),
        ("masks", random_law(&[2, 3, 2], 64), Noise::new(Rates::mask(&[2, 3, 2], 1.3).unwrap(), schedule())),
    ]
}

/// Conditionals of `exact`, each multiplied by a random factor that depends on the other sites, and normalised.
fn perturbed<'a>(
    exact: &'a ExactDenoiser<'a, DenseLaw>,
    seed: u64,
) -> GivenDenoiser<impl Fn(f64, tensorjump::Configs<'_>) -> tensorjump::Result<Array3<f64>> + Send + Sync + 'a> {
    GivenDenoiser::new(exact.noise().clone(), Face::ConditionalMarginals, move |t, y| {
        let mut p = exact.conditional_marginals(t, y)?;
        for ((row, j, b), p) in p.indexed_iter_mut() {
            let mut others = y.row(row).to_owned();
            others[j] = 0;
            let context = index_of(&others, exact.noise().dims_out());
            let mut rng = Streams::new(seed).domain("tilt").step((j * 16 + b) as u64).stream(context);
            *p *= (0.2 * (rng.random::<f64>() - 0.5)).exp();
        }
        Ok(p)
    })
}

#[test]
fn losses_are_least_at_the_exact_conditionals() {
    for (name, law, noise) in systems() {
        let exact = ExactDenoiser::new(&law, &noise).unwrap();
        for t in [0.15, 0.8] {
            let noised = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
            let y = all_configs(noise.dims_out());
            let mean = |loss: Array1<f64>| loss.iter().zip(noised.p()).map(|(l, p)| l * p).sum::<f64>();
            let (mut entropy, mut square) = (0.0, 0.0);
            for (y, p) in y.outer_iter().zip(noised.p()) {
                let y = y.to_vec();
                let conditionals = noised.conditional_marginals(&y).unwrap();
                let ratios = noised.score_ratios(&y).unwrap();
                entropy -= y.iter().enumerate().map(|(j, &b)| p * conditionals[[j, b.into()]].ln()).sum::<f64>();
                square += p * (ratios.mapv(|r| r * r).sum() - y.len() as f64);
            }
            let matching = mean(ratio_matching_loss(&exact, t, y.view()).unwrap());
            let score = mean(score_matching_loss(&exact, t, y.view()).unwrap());
            assert_close(matching, entropy, 1e-10, name);
            // The ratios reach 1/(1 − α): relative to the sum of their squares.
            assert_close(score, -square, 1e-10 * square.max(1.0), name);
            for seed in 0..20 {
                let other = perturbed(&exact, seed);
                let excess = mean(ratio_matching_loss(&other, t, y.view()).unwrap()) - entropy;
                let kl = mean(conditional_kl(&exact, &other, t, y.view()).unwrap());
                assert!(excess > 1e-5, "{name}: excess {excess:e}");
                assert_close(kl, excess, 1e-10, name);
                assert!(mean(score_matching_loss(&other, t, y.view()).unwrap()) + square > 1e-5, "{name}");
            }
        }
    }
}

/// `(x_0, z)` for all pairs, and `q(z|x_0)` at time `t`.
fn pairs(noise: &Noise, t: f64) -> (Array2<u8>, Array2<u8>, Array1<f64>) {
    let (x, z) = (all_configs(noise.dims_in()), all_configs(noise.dims_out()));
    let (n, m) = (x.nrows(), z.nrows());
    let x = Array2::from_shape_fn((n * m, x.ncols()), |(i, j)| x[[i / m, j]]);
    let z = Array2::from_shape_fn((n * m, z.ncols()), |(i, j)| z[[i % m, j]]);
    let q = noise.kernel(0.0, t).unwrap().log_prob(x.view(), z.view()).unwrap().mapv(f64::exp);
    // Impossible pairs (masks) are left out.
    let possible: Vec<usize> = (0..q.len()).filter(|&i| q[i] > 0.0).collect();
    (x.select(Axis(0), &possible), z.select(Axis(0), &possible), q.select(Axis(0), &possible))
}

/// The bound for every `x_0` with the mean over `z` by enumeration.
fn bound<D: Denoiser + ?Sized>(denoiser: &D, law: &DenseLaw, nodes: &Quadrature) -> Vec<f64> {
    let (noise, ends) = (denoiser.noise(), Ends::Exact(law));
    let mut sum = vec![0.0; law.p().len()];
    let mut add = |w: f64, values: &Array1<f64>, x: &Array2<u8>, q: &Array1<f64>| {
        for ((x, v), q) in x.outer_iter().zip(values).zip(q) {
            sum[index_of(x, law.dims())] += w * q * v;
        }
    };
    for (&t, &w) in nodes.times().iter().zip(nodes.weights()) {
        let (x, z, q) = pairs(noise, t);
        add(w, &bound_integrand(denoiser, t, x.view(), z.view()).unwrap(), &x, &q);
    }
    let (t_0, t_1) = nodes.interval();
    let (x, z, q) = pairs(noise, t_0);
    add(1.0, &ends.at_start(denoiser, t_0, x.view(), z.view()).unwrap(), &x, &q);
    let (x, z, q) = pairs(noise, t_1);
    add(1.0, &ends.at_end(noise, t_1, x.view(), z.view()).unwrap(), &x, &q);
    sum
}

/// A denoiser that mistakes `P(x_0^j | z)` for the cavity.
fn trapped<'a>(
    exact: &'a ExactDenoiser<'a, DenseLaw>,
) -> GivenDenoiser<impl Fn(f64, tensorjump::Configs<'_>) -> tensorjump::Result<Array3<f64>> + Send + Sync + 'a> {
    GivenDenoiser::new(exact.noise().clone(), Face::Cavities, |t, z| {
        exact.model().scores(&exact.noise().kernel(0.0, t)?, z)?.denoiser_marginals()
    })
}

#[test]
fn the_bound_is_tight_point_by_point_and_only_for_the_cavity() {
    for (name, law, noise) in systems() {
        let exact = ExactDenoiser::new(&law, &noise).unwrap();
        let nodes = Quadrature::logit(&noise, (0.05, 2.0), 40).unwrap();
        let values = bound(&exact, &law, &nodes);
        for (v, p) in values.iter().zip(law.p()) {
            assert_close(*v, -p.ln(), 1e-10, name);
        }
        let mean = |values: &[f64]| values.iter().zip(law.p()).map(|(v, p)| v * p).sum::<f64>();
        let gap = mean(&bound(&trapped(&exact), &law, &nodes)) - mean(&values);
        println!("{name}: the denoiser in place of the cavity costs {gap:.4} nats");
        match name {
            // Masks: the two agree wherever the bound looks.
            "masks" => assert_close(gap, 0.0, 1e-10, name),
            _ => assert!(gap > 0.1, "{name}: the trap costs {gap} nats only"),
        }
        let few = Quadrature::logit(&noise, (0.05, 2.0), 12).unwrap();
        for seed in 0..20 {
            let other = perturbed(&exact, seed);
            assert!(mean(&bound(&other, &law, &few)) - mean(&values) > 1e-5, "{name}: perturbation {seed}");
        }
    }
}

/// The forms of METHODS §5 for uniform noise and for masks, and the generic integrand.
#[test]
fn special_forms_of_the_bound() {
    let t = 0.6;
    for (name, law, noise) in systems() {
        let exact = ExactDenoiser::new(&law, &noise).unwrap();
        let (alpha, (x, z, _)) = (signal(&noise, t).unwrap(), pairs(&noise, t));
        assert_close(time_of_signal(&noise, alpha).unwrap(), t, 1e-12, "time of the signal");
        let (c, p) = (exact.cavities(t, z.view()).unwrap(), exact.conditional_marginals(t, z.view()).unwrap());
        let got = bound_integrand(&exact, t, x.view(), z.view()).unwrap();
        for (row, (x, z)) in x.outer_iter().zip(z.outer_iter()).enumerate() {
            let site = |j: usize| {
                let (a, b, d) = (usize::from(x[j]), usize::from(z[j]), noise.dims_in()[j] as f64);
                if name == "masks" {
                    // −α′ = 1.3 α in units of τ.
                    let masked = b == noise.dims_in()[j];
                    return if masked { -1.3 * alpha / (1.0 - alpha) * c[[row, j, a]].ln() } else { 0.0 };
                }
                let bar = |s: usize| d * alpha * f64::from(u8::from(s == a)) + 1.0 - alpha;
                let model = |s: usize| d * p[[row, j, s]];
                let sum: f64 = (0..noise.dims_in()[j])
                    .map(|s| bar(s) / bar(b) * (model(b) * bar(s) / (model(s) * bar(b))).ln())
                    .sum();
                -1.3 / d * (d / bar(b) - d / model(b) - sum)
            };
            if name != "asymmetric" {
                let want: f64 = (0..x.len()).map(site).sum();
                assert_close(got[row], want, 1e-12 * (1.0 + want.abs()), name);
            }
        }
    }
}

/// Token laws without symmetry, each site twice.
fn tokens(dims: &[usize]) -> TokenNoise {
    let mut rng = Streams::new(65).domain("tokens").stream(0);
    let mut law = |d: usize| {
        let mut law: Vec<f64> = (0..=d).map(|_| 0.1 + rng.random::<f64>()).collect();
        let sum: f64 = law.iter().sum();
        law.iter_mut().for_each(|p| *p /= sum);
        law
    };
    TokenNoise::new(dims, (0..2 * dims.len()).map(|k| law(dims[k % dims.len()])).collect()).unwrap()
}

/// One heat bath of the site of step `k` with the given conditionals, applied to a law over all configurations.
fn heat_bath<C: SiteConditionals + ?Sized>(conditionals: &C, k: usize, p: &[f64]) -> Vec<f64> {
    let (dims, site) = (conditionals.tokens().dims(), conditionals.tokens().site(k));
    let x = all_configs(dims);
    let laws = conditionals.conditionals(k, x.view()).unwrap();
    let mut next = vec![0.0; p.len()];
    for ((x, law), p) in x.outer_iter().zip(laws.outer_iter()).zip(p) {
        let mut to = x.to_owned();
        for (a, q) in law.iter().enumerate() {
            to[site] = a as u8;
            next[index_of(&to, dims)] += p * q;
        }
    }
    next
}

#[test]
fn glauber_heat_baths_undo_the_tokens_exactly() {
    let dims = [2, 3, 2];
    let (law, tokens) = (random_law(&dims, 66), tokens(&dims));
    let network = PositiveMps::from_table(&dims, law.p()).unwrap();
    let (dense, network) = (ExactGlauber::new(&law, &tokens).unwrap(), ExactGlauber::new(&network, &tokens).unwrap());
    // Forward, by the definition of a step.
    let mut forward = vec![law.p().to_vec()];
    for k in 0..tokens.steps() {
        let (site, pi, x) = (tokens.site(k), tokens.law(k).unwrap(), all_configs(&dims));
        let p = &forward[k];
        let mut next: Vec<f64> = p.iter().map(|p| p * pi[dims[site]]).collect();
        for (x, p) in x.outer_iter().zip(p) {
            let mut to = x.to_owned();
            for a in 0..dims[site] {
                to[site] = a as u8;
                next[index_of(&to, &dims)] += p * pi[a];
            }
        }
        let kernel = tokens.kernel(k + 1).unwrap();
        let product = law.noised(&kernel).unwrap();
        next.iter().zip(product.p()).for_each(|(a, b)| assert_close(*a, *b, 1e-14, "law of X_k"));
        forward.push(next);
    }
    for conditionals in [&dense as &dyn SiteConditionals, &network] {
        let mut p = forward[tokens.steps()].clone();
        for k in (0..tokens.steps()).rev() {
            p = heat_bath(conditionals, k, &p);
            p.iter().zip(&forward[k]).for_each(|(a, b)| assert_close(*a, *b, 1e-12, "reverse law"));
        }
    }
    // Twin: the conditionals of X_{k+1} in place of those of X_k.
    let mut p = forward[tokens.steps()].clone();
    for k in (0..tokens.steps()).rev() {
        let twin = DenseLaw::new(&dims, &forward[k + 1]).unwrap();
        let (site, x) = (tokens.site(k), all_configs(&dims));
        let mut next = vec![0.0; p.len()];
        for (x, p) in x.outer_iter().zip(&p) {
            let law = twin.conditional_marginals(&x.to_vec()).unwrap();
            let mut to = x.to_owned();
            for a in 0..dims[site] {
                to[site] = a as u8;
                next[index_of(&to, &dims)] += p * law[[site, a]];
            }
        }
        p = next;
    }
    let off: f64 = p.iter().zip(law.p()).map(|(a, b)| 0.5 * (a - b).abs()).sum();
    assert!(off > 1e-2, "the twin is off by {off} only");
}

#[test]
fn token_classifiers_know_the_conditionals() {
    let dims = [2, 3, 2];
    let (law, tokens) = (random_law(&dims, 67), tokens(&dims));
    let exact = ExactGlauber::new(&law, &tokens).unwrap();
    let x = all_configs(&dims);
    for k in 0..tokens.steps() {
        let (site, pi) = (tokens.site(k), tokens.law(k).unwrap());
        let (before, keep) = (law.noised(&tokens.kernel(k).unwrap()).unwrap(), pi[dims[site]]);
        let after = law.noised(&tokens.kernel(k + 1).unwrap()).unwrap();
        let p = exact.conditionals(k, x.view()).unwrap();
        let q = replaced_from_conditionals(&tokens, k, &p).unwrap();
        let back = conditionals_from_replaced(&tokens, k, &q).unwrap();
        p.iter().zip(&back).for_each(|(a, b)| assert_close(*a, *b, 1e-13, "there and back"));
        // P(Z ≠ keep, X_{k+1} = x) by enumeration, against q and the loss.
        let (mut loss, mut least) = (0.0, 0.0);
        for (x, (kept, all)) in x.outer_iter().zip(before.p().iter().zip(after.p())) {
            let given = all - keep * kept;
            assert_close(q[[index_of(&x, &dims), x[site].into()]], given / all, 1e-12, "classifier");
            for (replaced, mass) in [(true, given), (false, keep * kept)] {
                let row = x.insert_axis(Axis(0));
                loss += mass * classification_loss(&exact, k, row, &[replaced]).unwrap()[0];
                least -= mass * (mass / all).ln();
            }
        }
        assert_close(loss, least, 1e-10, "loss of the exact classifier");
    }
}

#[test]
fn full_bases_give_exact_ratios() {
    let cases = [
        (vec![2; 4], Rates::binary_flip(4, 1.0, 1.0).unwrap()),
        (vec![2; 4], Rates::binary_flip(4, 1.0, 0.3).unwrap()),
        (vec![3, 2, 3], Rates::new(random_rates(&[3, 2, 3], 68)).unwrap()),
        (vec![2, 3], Rates::mask(&[2, 3], 1.0).unwrap()),
    ];
    for (dims, rates) in cases {
        let (law, noise, t) = (random_law(&dims, 69), Noise::new(rates, Schedule::default()), 0.35);
        let data =
            Data::new(all_configs(&dims), &dims).unwrap().weighted(Array1::from(law.p().to_vec()).view()).unwrap();
        let all = windows(dims.len(), dims.len(), Boundary::Open);
        let options = OperatorOptions { degree: dims.len(), ridge: 0.0 };
        let learned = OperatorScores::new(&data, &noise, &all, &options).unwrap();
        let noised = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let y = all_configs(noise.dims_out());
        let ratios = learned.score_ratios(t, y.view()).unwrap();
        let p = learned.conditional_marginals(t, y.view()).unwrap();
        for (row, y) in y.outer_iter().enumerate() {
            let (truth, law) =
                (noised.score_ratios(&y.to_vec()).unwrap(), noised.conditional_marginals(&y.to_vec()).unwrap());
            for ((j, b), want) in truth.indexed_iter() {
                assert_close(ratios[[row, j, b]], *want, 5e-12 * (1.0 + want * want), "ratio");
                assert_close(p[[row, j, b]], law[[j, b]], 5e-11, "conditional");
            }
        }
    }
}

#[test]
fn gradient_of_ratio_matching() {
    let dims = [2, 3, 2, 2];
    let law = Mps::random_positive(&dims, 3, &mut stream("ratio matching gradient")).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 70)).unwrap(), Schedule::default());
    let (t, y) = (0.4, all_configs(&dims));
    let kernel = noise.kernel(0.0, t).unwrap();
    let weights = Array1::from_shape_fn(y.nrows(), |i| 0.1 + (i % 5) as f64);
    let value = |law: &Mps| {
        let model = PositiveMps::new(law).unwrap();
        let loss = ratio_matching_loss(&ExactDenoiser::new(&model, &noise).unwrap(), t, y.view()).unwrap();
        -(loss * &weights).sum()
    };
    let gradient = ratio_matching_gradient(&law, &kernel, y.view(), weights.view()).unwrap();
    assert_close(gradient.value, value(&law), 1e-10, "value");
    for (j, g) in gradient.tensors.iter().enumerate() {
        for (at, &g) in g.indexed_iter() {
            let step = |h: f64| {
                let mut tensors = law.tensors().to_vec();
                tensors[j][at] += h;
                value(&Mps::new(tensors, 0.0).unwrap())
            };
            // Rounding 1e-13/h against the third derivative times h².
            let h = 1e-5;
            assert_close(g, (step(h) - step(-h)) / (2.0 * h), 1e-5 * (1.0 + g.abs()), "slope");
        }
    }
}

/// All samples of a law with their probabilities: what learners see of infinitely many samples.
fn infinite(law: &DenseLaw) -> Data {
    let weights = Array1::from(law.p().to_vec());
    Data::new(all_configs(law.dims()), law.dims()).unwrap().weighted(weights.view()).unwrap()
}

#[test]
fn learners_of_any_law_find_the_exact_conditionals() {
    for (name, law, noise) in systems() {
        let (data, exact) = (infinite(&law), ExactDenoiser::new(&law, &noise).unwrap());
        let all = windows(law.dims().len(), 9, Boundary::Open);
        let t = 0.5;
        let options = SoftmaxOptions {
            features: Features::Saturated,
            ridge: 0.0,
            rounds: 500,
            times: vec![0.2, t, 0.9],
            ..SoftmaxOptions::default()
        };
        let y = all_configs(noise.dims_out());
        let want = exact.conditional_marginals(t, y.view()).unwrap();
        let tables = ConditionalTables::tabular(&data, &noise, Some(0.0)).unwrap();
        let softmax = SoftmaxDenoiser::new(&data, &noise, &all, None, &options).unwrap();
        // The optimiser stops at a relative change of 1e-11, hence at some 1e-5 in p.
        for (learned, tolerance) in [(&tables as &dyn Denoiser, 1e-12), (&softmax, 1e-4)] {
            let got = learned.conditional_marginals(t, y.view()).unwrap();
            got.iter().zip(&want).for_each(|(a, b)| assert_close(*a, *b, tolerance, name));
        }
        let cavities = (tables.cavities(t, y.view()).unwrap(), exact.cavities(t, y.view()).unwrap());
        cavities.0.iter().zip(&cavities.1).for_each(|(a, b)| assert_close(*a, *b, 1e-12, name));
    }
    let dims = [2, 3, 2];
    let (law, tokens) = (random_law(&dims, 71), tokens(&dims));
    let all = windows(3, 2, Boundary::Open);
    let learned = GlauberWindow::new(&infinite(&law), &tokens, &all, Features::Saturated, 0.0).unwrap();
    let (exact, x) = (ExactGlauber::new(&law, &tokens).unwrap(), all_configs(&dims));
    for k in 0..tokens.steps() {
        let got = learned.conditionals(k, x.view()).unwrap();
        let want = exact.conditionals(k, x.view()).unwrap();
        got.iter().zip(&want).for_each(|(a, b)| assert_close(*a, *b, 1e-4, "classifier"));
    }
}

#[test]
fn a_learned_conditional_does_not_read_its_site() {
    let law = random_law(&[3; 4], 72);
    let noise = Noise::new(Rates::new(random_rates(&[3; 4], 72)).unwrap(), Schedule::default());
    let data = Data::new(all_configs(&[3; 4]), &[3; 4]).unwrap();
    let near = windows(4, 1, Boundary::Ring);
    let operator = OperatorScores::new(&data, &noise, &near, &OperatorOptions::default()).unwrap();
    let options = SoftmaxOptions { copies: 1, times: vec![0.3, 0.6], ..SoftmaxOptions::default() };
    let residual =
        SoftmaxDenoiser::new(&infinite(&law), &noise, &near, Some(Arc::new(operator.clone())), &options).unwrap();
    let tables = ConditionalTables::new(&data, &noise, &near, None).unwrap();
    for learned in [&operator as &dyn Denoiser, &residual, &tables] {
        let mut y = all_configs(&[3; 4]);
        let one = learned.conditional_marginals(0.4, y.view()).unwrap();
        y.column_mut(2).mapv_inplace(|a| (a + 1) % 3);
        let two = learned.conditional_marginals(0.4, y.view()).unwrap();
        assert_eq!(one.slice(s![.., 2, ..]), two.slice(s![.., 2, ..]));
        one.sum_axis(Axis(2)).iter().for_each(|sum| assert_close(*sum, 1.0, 1e-12, "normalisation"));
    }
}

#[test]
fn bad_input_is_named() {
    let law = random_law(&[2, 2], 73);
    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let (exact, data) = (ExactDenoiser::new(&law, &noise).unwrap(), infinite(&law));
    let x = all_configs(&[2, 2]);
    let near = windows(2, 1, Boundary::Open);
    let parameter = |r: Result<(), Error>| matches!(r, Err(Error::Parameter { .. }));

    assert!(matches!(Quadrature::logit(&noise, (1.0, 0.5), 8), Err(Error::TimeOrder { .. })));
    assert!(parameter(Quadrature::logit(&noise, (0.0, 0.5), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, f64::INFINITY), 8).map(drop)));
    assert!(parameter(Quadrature::logit(&noise, (0.1, 0.5), 0).map(drop)));
    assert!(parameter(time_of_signal(&noise, 0.0).map(drop)));
    let frozen = Noise::new(Rates::uniform(&[2, 2], 0.0).unwrap(), Schedule::default());
    assert!(parameter(signal(&frozen, 1.0).map(drop)));
    let few = x.slice(s![..1, ..]);
    assert!(matches!(bound_integrand(&exact, 0.5, few, x.view()), Err(Error::SampleCount { .. })));
    let wrong = ndarray::array![[2u8, 0]];
    assert!(matches!(ratio_matching_loss(&exact, 0.5, wrong.view()), Err(Error::StateOutOfRange { .. })));
    let nodes = Quadrature::logit(&noise, (0.1, 0.5), 4).unwrap();
    let ends = Ends::Exact(&law);
    let one = likelihood_bound(&exact, &ends, &nodes, x.view(), 1, &Streams::new(1));
    assert!(matches!(one, Err(Error::TooFewSamples { .. })));

    assert!(matches!(TokenNoise::new(&[2], vec![vec![0.5, 0.4, 0.2]]), Err(Error::NotStochastic { .. })));
    assert!(matches!(TokenNoise::new(&[2], vec![vec![0.5, 0.5]]), Err(Error::Shape { .. })));
    assert!(matches!(TokenNoise::new(&[2], vec![vec![1.5, -0.5, 0.0]]), Err(Error::Negative { .. })));
    assert!(parameter(TokenNoise::new(&[2], vec![]).map(drop)));
    let chain = TokenNoise::uniform(&[2, 2], 2, 0.5).unwrap();
    assert!(parameter(chain.kernel(5).map(drop)));
    let glauber = ExactGlauber::new(&law, &chain).unwrap();
    assert!(parameter(glauber.conditionals(4, x.view()).map(drop)));
    assert!(matches!(classification_loss(&glauber, 0, x.view(), &[true]), Err(Error::SampleCount { .. })));
    let certain = Array2::zeros((1, 2));
    assert!(matches!(conditionals_from_replaced(&chain, 0, &certain), Err(Error::NotInvertible { .. })));

    let other = Noise::new(Rates::uniform(&[2, 3], 1.0).unwrap(), Schedule::default());
    assert!(matches!(ConditionalTables::tabular(&data, &other, None), Err(Error::LocalDimension { .. })));
    assert!(parameter(ConditionalTables::tabular(&data, &noise, Some(f64::NAN)).map(drop)));
    assert!(parameter(ConditionalTables::new(&data, &noise, &[vec![0], vec![0]], None).map(drop)));
    let big = Data::new(Array2::zeros((1, 24)), &[2; 24]).unwrap();
    let big_noise = Noise::new(Rates::uniform(&[2; 24], 1.0).unwrap(), Schedule::default());
    assert!(matches!(ConditionalTables::tabular(&big, &big_noise, None), Err(Error::TooLarge { .. })));
    let softmax = |options: SoftmaxOptions| SoftmaxDenoiser::new(&data, &noise, &near, None, &options).map(drop);
    let order = SoftmaxOptions { times: vec![0.5, 0.2], ..SoftmaxOptions::default() };
    assert!(matches!(softmax(order), Err(Error::TimeOrder { .. })));
    assert!(parameter(softmax(SoftmaxOptions { times: vec![0.0], ..SoftmaxOptions::default() })));
    assert!(parameter(softmax(SoftmaxOptions { rounds: 0, ..SoftmaxOptions::default() })));
    assert!(parameter(softmax(SoftmaxOptions { ridge: -1.0, ..SoftmaxOptions::default() })));
    let one = Data::new(Array2::zeros((5, 2)), &[2, 2]).unwrap();
    let options = RatioMatchingOptions::default();
    assert!(matches!(ratio_matching(&one, &noise, &options), Err(Error::IdenticalSamples { .. })));
    assert!(matches!(glauber_matching(&one, &chain, &options), Err(Error::IdenticalSamples { .. })));
    let none = RatioMatchingOptions { batch: 0, ..RatioMatchingOptions::default() };
    assert!(parameter(ratio_matching(&data, &noise, &none).map(drop)));
    let ridge = OperatorOptions { ridge: f64::INFINITY, ..OperatorOptions::default() };
    assert!(parameter(OperatorScores::new(&data, &noise, &near, &ridge).map(drop)));
    // One configuration does not determine the moments without a ridge.
    let free = OperatorOptions { degree: 2, ridge: 0.0 };
    let point = OperatorScores::new(&one, &noise, &near, &free).unwrap();
    assert!(matches!(point.coefficients(0.0), Err(Error::NotInvertible { .. })));
    assert!(matches!(Data::new(Array2::zeros((0, 2)), &[2, 2]), Err(Error::TooFewSamples { .. })));
}
