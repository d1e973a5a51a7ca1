//! Every sampler with every denoiser on a law that can be enumerated: nothing in these rows is estimated.

use std::collections::HashMap;

use ndarray::Axis;
use serde::Serialize;
use tensorjump::dense::{DenseLaw, distances};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, Quadrature};
use tensorjump::{Result, Target};

use tensorjump_studies::convergence::fitted_order;

use crate::denoisers;
use crate::laws::System;
use crate::samplers;

/// What is below is rounding.
const NOTHING: f64 = 1e-12;

/// Nodes of the integral over time.
const NODES: usize = 24;

/// One line; what is infinite is null.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub denoiser: String,
    pub sampler: &'static str,
    pub steps: usize,
    /// Evaluations of the denoiser a sample.
    pub evaluations: usize,
    pub total_variation: f64,
    /// That of the exact denoiser in the same steps: what the sampler is wrong by.
    pub of_sampler: f64,
    /// Total variation to the law that the exact denoiser reaches in the same steps: what the denoiser is wrong
    /// by. The two add up to `total_variation` at least.
    pub of_denoiser: f64,
    /// `KL(P ‖ law)` in nats.
    pub kl: f64,
    /// `KL(law ‖ P)` in nats.
    pub reverse_kl: f64,
    /// Largest total variation between marginals of two neighbours.
    pub pairs: f64,
    /// The same of two sites further apart.
    pub far: f64,
    /// Mass that came into configurations of probability zero.
    pub lost: f64,
    /// Slope of `log TV` against `log steps` up to here, and its standard error from the scatter about the
    /// line: of the exact denoiser, where there is nothing else to level off at.
    pub order: Option<(f64, f64)>,
}

/// A denoiser with what its likelihood bound is above that of the exact one, in nats.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    pub denoiser: String,
    pub nelbo_gap: f64,
}

/// The rows, the gaps, and what was left out with the reason.
pub fn measure(system: &System, steps: &[usize], seed: u64) -> Result<(Vec<Row>, Vec<Gap>, Vec<String>)> {
    let (mut rows, mut gaps, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    // Laws that the exact denoiser, which is the first, reaches.
    let mut reached: HashMap<(&str, usize), (Vec<f64>, f64)> = HashMap::new();
    for (name, denoiser) in denoisers::all(system, seed)? {
        gaps.push(Gap { denoiser: name.clone(), nelbo_gap: nelbo_gap(system, denoiser.as_ref())? });
        for sampler in samplers::all(system.masks) {
            if !sampler.enumerable(&system.noise) {
                if name == "exact" {
                    left_out.push(format!("{}: its law takes minutes to enumerate here", sampler.name));
                }
                continue;
            }
            let mut points = Vec::new();
            for &steps in steps {
                let plan = sampler.plan(&system.noise, system.masks, steps)?;
                let (law, lost) = sampler.law(denoiser.as_ref(), &system.table, &plan)?;
                let (total_variation, kl) = distances(system.table.p(), &law)?;
                points.push((steps as f64, total_variation));
                let (pairs, far) = pair_errors(&system.table, &law);
                let (exact, of_sampler) =
                    reached.entry((sampler.name, steps)).or_insert_with(|| (law.clone(), total_variation));
                let (of_denoiser, of_sampler) = (distances(exact, &law)?.0, *of_sampler);
                rows.push(Row {
                    denoiser: name.clone(),
                    sampler: sampler.name,
                    steps,
                    evaluations: plan.evaluations,
                    total_variation,
                    of_sampler,
                    of_denoiser,
                    kl,
                    reverse_kl: distances(&law, system.table.p())?.1,
                    pairs,
                    far,
                    lost,
                    order: if name == "exact" && total_variation > NOTHING { fitted_order(&points) } else { None },
                });
            }
        }
    }
    Ok((rows, gaps, left_out))
}

/// Largest total variations of marginals on two sites, neighbours and others.
pub fn pair_errors(truth: &DenseLaw, law: &[f64]) -> (f64, f64) {
    let dims = truth.dims();
    let stride = |j: usize| dims[j + 1..].iter().product::<usize>();
    let error = |i: usize, j: usize| {
        let mut difference = vec![0.0; dims[i] * dims[j]];
        for (index, (p, q)) in truth.p().iter().zip(law).enumerate() {
            difference[index / stride(i) % dims[i] * dims[j] + index / stride(j) % dims[j]] += p - q;
        }
        0.5 * difference.iter().map(|v| v.abs()).sum::<f64>()
    };
    let (mut near, mut far) = (0.0, 0.0);
    for i in 0..dims.len() {
        for j in i + 1..dims.len() {
            let larger = if j == i + 1 { &mut near } else { &mut far };
            *larger = f64::max(*larger, error(i, j));
        }
    }
    (near, far)
}

/// `∫ E_z Σ_j Σ_b Q_j(b → z_j) [r̂ − r + r log(r/r̂)] dτ` with the ratios `r̂` of the denoiser and the exact ones
/// `r`: by how much the bound of the likelihood is above its minimum between the signals .99 and .01, all
/// configurations summed up.
fn nelbo_gap(system: &System, denoiser: &dyn Denoiser) -> Result<f64> {
    let noise = &system.noise;
    let exact = ExactDenoiser::new(system.model.as_ref(), noise)?;
    let ends = (noise.time_of_signal(0.99)?, noise.time_of_signal(0.01)?);
    let nodes = Quadrature::logit(noise, ends, NODES)?;
    let mut gap = 0.0;
    for (&t, weight) in nodes.times().iter().zip(nodes.weights()) {
        let law = system.table.noised(&noise.kernel(0.0, t)?)?;
        let possible: Vec<usize> = (0..law.p().len()).filter(|&i| law.p()[i] > 0.0).collect();
        let mut z = ndarray::Array2::<u8>::zeros((possible.len(), noise.sites()));
        z.outer_iter_mut().zip(&possible).for_each(|(mut row, &i)| row.assign(&ndarray::Array1::from(law.config(i))));
        let (p, q) = (exact.conditional_marginals(t, z.view())?, denoiser.conditional_marginals(t, z.view())?);
        for (j, rates) in (0..noise.sites()).map(|j| (j, noise.rates().matrix(j))) {
            let (p, q) = (p.index_axis(Axis(1), j), q.index_axis(Axis(1), j));
            for (row, &i) in possible.iter().enumerate() {
                let here = usize::from(z[[row, j]]);
                for b in (0..rates.nrows()).filter(|&b| b != here && rates[[b, here]] > 0.0) {
                    let (r, model) = (p[[row, b]] / p[[row, here]], q[[row, b]] / q[[row, here]]);
                    let log = if r > 0.0 { r * (r / model).ln() } else { 0.0 };
                    gap += weight * law.p()[i] * rates[[b, here]] * (model - r + log);
                }
            }
        }
    }
    Ok(gap)
}
