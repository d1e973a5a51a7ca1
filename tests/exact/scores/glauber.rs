//! Token chains and their heat baths by dense matrices.

use ndarray::{Array2, Axis};
use rand::RngExt;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{ExactGlauber, SiteConditionals, TokenNoise, classification_loss};
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::PositiveMps;
use tensorjump::{Configs, Result, Streams};

use crate::common::random::random_law;
use crate::common::{all_configs, index_of};
use crate::diffusion_checks::assert_close;

/// Token laws without symmetry, each site twice.
pub fn tokens(dims: &[usize]) -> TokenNoise {
    let mut rng = Streams::new(65).domain("tokens").stream(0);
    let mut law = |d: usize| {
        let mut law: Vec<f64> = (0..=d).map(|_| 0.1 + rng.random::<f64>()).collect();
        let sum: f64 = law.iter().sum();
        law.iter_mut().for_each(|p| *p /= sum);
        law
    };
    TokenNoise::new(dims, (0..2 * dims.len()).map(|k| law(dims[k % dims.len()])).collect()).unwrap()
}

/// One heat bath of the site of step `k` with the given conditionals, applied to a law over all
/// configurations.
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
        let (site, (pi, keep), x) = (tokens.site(k), tokens.law(k).unwrap(), all_configs(&dims));
        let p = &forward[k];
        let mut next: Vec<f64> = p.iter().map(|p| p * keep).collect();
        for (x, p) in x.outer_iter().zip(p) {
            let mut to = x.to_owned();
            for (a, pi) in pi.iter().enumerate() {
                to[site] = a as u8;
                next[index_of(&to, &dims)] += p * pi;
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

/// A law with impossible configurations: heat baths leave them again, whatever the tokens have written.
#[test]
fn constrained_laws_come_back() {
    let (chain, dims) = (Fredkin::new(6, 0.6).unwrap(), [2; 6]);
    let model = FredkinModel::new(&chain).unwrap();
    let law = DenseLaw::of(&chain).unwrap();
    let tokens = TokenNoise::uniform(&dims, 2, 0.7).unwrap();
    let exact = ExactGlauber::new(&model, &tokens).unwrap();
    let mut p = law.noised(&tokens.kernel(tokens.steps()).unwrap()).unwrap().p().to_vec();
    for k in (0..tokens.steps()).rev() {
        // Only rows that can occur: conditionals of impossible ones are refused.
        let (site, x) = (tokens.site(k), all_configs(&dims));
        let mut next = vec![0.0; p.len()];
        for (x, p) in x.outer_iter().zip(&p).filter(|(_, p)| **p > 0.0) {
            let mut to = x.to_owned();
            let law = exact.conditionals(k, x.insert_axis(Axis(0))).unwrap();
            for (a, q) in law.iter().enumerate() {
                to[site] = a as u8;
                next[index_of(&to, &dims)] += p * q;
            }
        }
        p = next;
    }
    p.iter().zip(law.p()).for_each(|(a, b)| assert_close(*a, *b, 1e-12, "constrained law"));
}

/// The exact conditionals times a factor for each state and configuration of the other sites.
struct Tilted<'a> {
    exact: &'a ExactGlauber<&'a DenseLaw>,
    tilt: Vec<f64>,
}

impl SiteConditionals for Tilted<'_> {
    fn tokens(&self) -> &TokenNoise {
        self.exact.tokens()
    }

    fn conditionals(&self, k: usize, x: Configs<'_>) -> Result<Array2<f64>> {
        let (mut p, site, dims) = (self.exact.conditionals(k, x)?, self.tokens().site(k), self.tokens().dims());
        for (mut p, x) in p.outer_iter_mut().zip(x.outer_iter()) {
            let mut others = x.to_owned();
            others[site] = 0;
            let first = index_of(&others, dims) * dims[site];
            p.iter_mut().zip(&self.tilt[first..]).for_each(|(p, tilt)| *p *= tilt);
            p /= p.sum();
        }
        Ok(p)
    }
}

#[test]
fn token_classifiers_know_the_conditionals() {
    let dims = [2, 3, 2];
    let (law, tokens) = (random_law(&dims, 67), tokens(&dims));
    let exact = ExactGlauber::new(&law, &tokens).unwrap();
    let x = all_configs(&dims);
    for k in 0..tokens.steps() {
        let (site, (_, keep)) = (tokens.site(k), tokens.law(k).unwrap());
        let before = law.noised(&tokens.kernel(k).unwrap()).unwrap();
        let after = law.noised(&tokens.kernel(k + 1).unwrap()).unwrap();
        let p = exact.conditionals(k, x.view()).unwrap();
        let q = tokens.replaced_from_conditionals(k, &p).unwrap();
        let back = tokens.conditionals_from_replaced(k, &q).unwrap();
        p.iter().zip(&back).for_each(|(a, b)| assert_close(*a, *b, 1e-13, "there and back"));
        // P(Z ≠ keep, X_{k+1} = x) by enumeration, against q and the loss.
        let (mut loss, mut least) = (0.0, 0.0);
        for (x, (kept, all)) in x.outer_iter().zip(before.p().iter().zip(after.p())) {
            let given = all - keep * kept;
            assert_close(q[[index_of(x, &dims), x[site].into()]], given / all, 1e-12, "classifier");
            for (replaced, mass) in [(true, given), (false, keep * kept)] {
                let row = x.insert_axis(Axis(0));
                loss += mass * classification_loss(&exact, k, row, &[replaced]).unwrap()[0];
                least -= mass * (mass / all).ln();
            }
        }
        assert_close(loss, least, 1e-10, "loss of the exact classifier");
        for seed in 0..20 {
            let mut rng = Streams::new(seed).domain("perturbed classifier").stream(k);
            let tilt: Vec<f64> = (0..x.nrows() * dims[site]).map(|_| 0.7 + 0.6 * rng.random::<f64>()).collect();
            let other = Tilted { exact: &exact, tilt };
            let losses = [true, false].map(|r| classification_loss(&other, k, x.view(), &vec![r; x.nrows()]).unwrap());
            let masses = before.p().iter().zip(after.p()).map(|(kept, all)| [all - keep * kept, keep * kept]);
            let loss: f64 =
                masses.enumerate().map(|(i, [given, kept])| given * losses[0][i] + kept * losses[1][i]).sum();
            assert!(loss - least > 1e-6, "perturbation {seed} at step {k}: {:e}", loss - least);
        }
    }
}
