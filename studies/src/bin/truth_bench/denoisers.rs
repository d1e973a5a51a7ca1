//! The exact denoiser, stated perturbations of it, and two that are learned from draws. One of your own is one
//! more line in [`all`]: whatever implements [`Denoiser`], or a function by [`GivenDenoiser`].

use ndarray::{Array3, Array4};
use rand_distr::{Distribution, StandardNormal};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, Face, GivenDenoiser, Scores, Truncated};
use tensorjump::learn::{Data, RatioMatched, RatioMatchingOptions, SoftmaxDenoiser, SoftmaxOptions, Start};
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::tn::Truncation;
use tensorjump::{Configs, Model, Result, Streams, Target};

use crate::laws::System;

/// Temperature of the sharpened denoiser.
pub const TEMPERATURE: f64 = 0.8;
/// Standard deviation of the noise on logits.
const SCATTER: f64 = 0.3;
/// Bond dimension of the law of low rank.
const RANK: usize = 2;
/// Draws that are learned from.
const LEARNED: usize = 2000;
/// Bond dimension of the law that is learned.
const BOND: usize = 4;
/// Sites that the noise on logits reads on each side.
const REACH: usize = 2;

/// A denoiser with its name.
pub type Named<'a> = (String, Box<dyn Denoiser + 'a>);

/// The exact denoiser first.
pub fn all<'a>(system: &'a System, seed: u64) -> Result<Vec<Named<'a>>> {
    let exact = || ExactDenoiser::new(system.model.as_ref(), &system.noise);
    let d = system.noise.dims_in().iter().copied().max().unwrap_or(1);
    let mut list: Vec<Named<'a>> = vec![
        ("exact".into(), Box::new(exact()?)),
        (format!("temperature {TEMPERATURE}"), Box::new(Truncated::new(exact()?, TEMPERATURE, d, 1.0)?)),
        (format!("logits ± {SCATTER}"), noisy_logits(exact()?, seed)?),
        (format!("law of rank {RANK}"), low_rank(system)?),
        (format!("learned from {LEARNED}, pairs"), learned_pairs(system, seed)?),
        (format!("learned from {LEARNED}, law of bond {BOND}"), learned_law(system, seed)?),
    ];
    // Under masks the two are the same where it matters.
    if !system.masks {
        list.push(("marginals for cavities".into(), mixed_up(exact()?)));
    }
    Ok(list)
}

/// Logits of the cavities plus `SCATTER · Σ_i g_j(a, i, y_i)/√n` over the `n` next sites, `g` normal and fixed:
/// wrong in the same way whenever it is asked, as a network is; `y_j` is not read.
pub fn noisy_logits<'a>(exact: impl Denoiser + 'a, seed: u64) -> Result<Box<dyn Denoiser + 'a>> {
    let noise = exact.noise().clone();
    let width = |dims: &[usize]| dims.iter().copied().max().unwrap_or(0);
    let mut stream = Streams::new(seed).domain("logits").stream(0);
    let shape = (noise.sites(), width(noise.dims_in()), 2 * REACH + 1, width(noise.dims_out()));
    let g = Array4::<f64>::from_shape_simple_fn(shape, || StandardNormal.sample(&mut stream));
    let answer = move |t: f64, y: Configs<'_>| {
        let mut c = exact.cavities(t, y)?;
        for ((row, j, a), c) in c.indexed_iter_mut() {
            let near = j.saturating_sub(REACH)..(j + REACH + 1).min(y.ncols());
            let n = near.len() as f64 - 1.0;
            let sum: f64 = near.filter(|&i| i != j).map(|i| g[[j, a, i + REACH - j, y[[row, i]].into()]]).sum();
            *c *= (SCATTER * sum / n.max(1.0).sqrt()).exp();
        }
        Ok(c)
    };
    Ok(Box::new(GivenDenoiser::new(noise, Face::Cavities, answer)))
}

/// `P(x_0^j | y)` where `P(x_0^j | y_{−j})` is asked for: the mistake that counts `y_j` twice.
fn mixed_up<'a>(exact: impl Denoiser + 'a) -> Box<dyn Denoiser + 'a> {
    let noise = exact.noise().clone();
    let answer = move |t: f64, y: Configs<'_>| -> Result<Array3<f64>> {
        let kernel = exact.noise().kernel(0.0, t)?;
        Scores::from_cavities(&kernel, y, exact.cavities(t, y)?)?.denoiser_marginals()
    };
    Box::new(GivenDenoiser::new(noise, Face::Cavities, answer))
}

/// The exact denoiser of another law: `√P` with its bonds cut to `RANK`, squared.
fn low_rank<'a>(system: &System) -> Result<Box<dyn Denoiser + 'a>> {
    let root: Vec<f64> = system.table.p().iter().map(|p| p.sqrt()).collect();
    let root = PositiveMps::from_table(system.table.dims(), &root)?;
    let cut = root.as_mps().compress(&Truncation { max_bond: RANK, ..Truncation::default() })?.0;
    Ok(Box::new(ExactDenoiser::new(BornMps::new(&cut)?, &system.noise)?))
}

fn draws(system: &System, seed: u64) -> Result<Data> {
    let x = system.model.draw(LEARNED, &Streams::new(seed).domain("learned"))?.x;
    Data::new(x, system.model.dims())
}

/// Conditionals `p(y_j | y_{−j}, t)`, softmax in the states of all other sites and of pairs of them, by ratio
/// matching: of no law, as those of a network.
fn learned_pairs<'a>(system: &System, seed: u64) -> Result<Box<dyn Denoiser + 'a>> {
    let (data, sites) = (draws(system, seed)?, system.noise.sites());
    let everywhere = Boundary::Open.windows(sites, sites);
    Ok(Box::new(SoftmaxDenoiser::new(&data, &system.noise, &everywhere, None, &SoftmaxOptions::default())?))
}

/// The exact denoiser of a law that is learned by ratio matching.
fn learned_law<'a>(system: &System, seed: u64) -> Result<Box<dyn Denoiser + 'a>> {
    let options = RatioMatchingOptions { start: Start::Random { bond: BOND }, seed, ..RatioMatchingOptions::default() };
    Ok(Box::new(RatioMatched::new(&draws(system, seed)?, &system.noise, &options)?.denoiser))
}
