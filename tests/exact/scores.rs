//! Losses and the likelihood bound against enumeration; Glauber processes and learners in the modules below.

mod bad_input;
mod glauber;
mod learners;

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{
    Denoiser, Ends, ExactDenoiser, ExactDiffusion, Face, GivenDenoiser, LikelihoodBound, Quadrature, conditional_kl,
    ratio_matching_loss, score_matching_loss,
};
use tensorjump::learn::Data;
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Streams, Target};

use crate::common::random::{random_law, random_rates};
use crate::common::{all_configs, index_of};
use crate::diffusion_checks::assert_close;

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

/// Conditionals of `exact`, each multiplied by a random factor that depends on the other sites, and
/// normalised.
fn perturbed<'a>(
    exact: &'a ExactDenoiser<&'a DenseLaw>,
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
        add(w, &LikelihoodBound::integrand(denoiser, t, x.view(), z.view()).unwrap(), &x, &q);
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
    exact: &'a ExactDenoiser<&'a DenseLaw>,
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
        let (alpha, (x, z, _)) = (noise.signal(t).unwrap(), pairs(&noise, t));
        assert_close(noise.time_of_signal(alpha).unwrap(), t, 1e-12, "time of the signal");
        let (c, p) = (exact.cavities(t, z.view()).unwrap(), exact.conditional_marginals(t, z.view()).unwrap());
        let got = LikelihoodBound::integrand(&exact, t, x.view(), z.view()).unwrap();
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

/// For independent sites the product ends are the exact ones.
#[test]
fn product_ends() {
    let weights = [vec![0.2, 0.5, 0.3], vec![0.9, 0.1]];
    let model = PositiveMps::product(&weights).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&[3, 2], 74)).unwrap(), Schedule::default());
    let (exact, t) = (ExactDenoiser::new(&model, &noise).unwrap(), 0.7);
    let kernel = noise.kernel(0.0, t).unwrap();
    let mut prior = Array2::zeros((2, 3));
    for (j, weights) in weights.iter().enumerate() {
        let p = Array1::from(weights.clone()).dot(&kernel.table(j));
        prior.slice_mut(s![j, ..p.len()]).assign(&p);
    }
    let (x, z, _) = pairs(&noise, t);
    let [truth, product] = [Ends::Exact(&model), Ends::Product(prior.view())];
    let start = |ends: &Ends<'_>| ends.at_start(&exact, t, x.view(), z.view()).unwrap();
    let end = |ends: &Ends<'_>| ends.at_end(&noise, t, x.view(), z.view()).unwrap();
    start(&truth).iter().zip(&start(&product)).for_each(|(a, b)| assert_close(*a, *b, 1e-12, "start"));
    end(&truth).iter().zip(&end(&product)).for_each(|(a, b)| assert_close(*a, *b, 1e-12, "end"));
    let narrow = Ends::Product(prior.slice(s![.., ..2]));
    assert!(matches!(narrow.at_end(&noise, t, x.view(), z.view()), Err(Error::Shape { .. })));
}

/// All samples of a law with their probabilities: what learners see of infinitely many samples.
fn infinite(law: &DenseLaw) -> Data {
    let weights = Array1::from(law.p().to_vec());
    Data::new(all_configs(law.dims()), law.dims()).unwrap().weighted(weights.view()).unwrap()
}
