//! Weighted particles for products of powers of noised laws, `π_t ∝ ∏_i P_t^{(i)}(y)^{e_i}`, `E = Σe_i > 0`
//! (Feynman–Kac correctors, arXiv 2601.10403): annealing `P^β`, products, guidance `P(·|label)^γ P^{1−γ}`.
//!
//! With the ratios `r_i = P^{(i)}(z)/P^{(i)}(y)` of a jump `y → z`, `π_t` is carried backwards by
//!
//! ```text
//! rates          E Q(z → y) ∏_i r_i^{e_i}
//! weights        d log w = Σ_z Q(z → y) [E ∏_i r_i^{e_i} − Σ_i e_i r_i] dτ
//! ```
//!
//! The rates alone do not lead to `π_0`: the weights make the difference exact, up to the step (first order)
//! and to the number of particles.

use ndarray::{Array1, Array2, Array3, Axis};
use rand::RngExt;

use super::grid::TimeGrid;
use super::step::{Step, unit_rates};
use super::step_law::Excesses;
use crate::diffusion::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::log_space::log_sum_exp;
use crate::model::{Configs, check_configs};
use crate::rng::Streams;

/// Weighted configurations at the end of a grid.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Particles {
    /// Configurations, shape `(particles, sites)`.
    pub x: Array2<u8>,
    /// Logarithms of their weights, which sum to one.
    pub log_weights: Array1<f64>,
    /// Estimate of `log (Σ_y ∏_i P_δ^{e_i} / Σ_y ∏_i P_T^{e_i})` in nats; its exponential has no bias but
    /// that of the step.
    pub log_z: f64,
    /// How often the particles were resampled.
    pub resamplings: usize,
}

/// Runs particles from `y`, draws of `π_T` at the first time of the grid, to its last time by Euler steps.
/// Where their effective number `(Σw)²/Σw²` falls below the share `threshold` of them they are resampled
/// (systematically): rows of one run depend on each other. One evaluation of each factor a step.
///
/// # Errors
/// Configurations of the wrong shape or out of range; [`Error::Parameter`] for no factors or particles,
/// powers that are not finite or do not sum to a positive number, factors of different noise, a threshold
/// outside [0, 1], an infinite first time, or a last time 0 under masks; [`Error::ZeroEvidence`] for a row
/// that is impossible for a factor; [`Error::NotFinite`] for a negative power of a ratio that is zero; errors
/// of the denoisers.
pub fn particles(
    factors: &[(&dyn Denoiser, f64)],
    y: Configs<'_>,
    grid: &TimeGrid,
    threshold: f64,
    streams: &Streams,
) -> Result<Particles> {
    let [(first, _), others @ ..] = factors else {
        return Err(Error::parameter("number of factors", 0, "at least one"));
    };
    let noise = first.noise();
    others.iter().try_for_each(|(other, _)| noise.check_same(other.noise()))?;
    check_configs(y, noise.dims_out())?;
    if y.nrows() == 0 {
        return Err(Error::parameter("number of particles", 0, "at least one"));
    }
    let power: f64 = factors.iter().map(|(_, e)| e).sum();
    if !(power > 0.0 && power.is_finite()) {
        return Err(Error::parameter("sum of the powers", power, "finite and positive"));
    }
    if !(0.0..=1.0).contains(&threshold) {
        return Err(Error::parameter("threshold", threshold, "between 0 and 1"));
    }
    if grid.to() == 0.0 && noise.dims_in() != noise.dims_out() {
        return Err(Error::parameter("last time", 0.0, "positive for masks: steps by rates may leave some"));
    }
    let streams = streams.domain("particles");
    let rows: Vec<usize> = (0..y.nrows()).collect();
    let count = (rows.len() as f64).ln();
    let (mut x, mut log_w) = (y.to_owned(), vec![0.0; rows.len()]);
    let (mut log_z, mut resamplings) = (0.0, 0);
    for (k, (s, t)) in grid.pairs().enumerate() {
        let elapsed = noise.schedule().elapsed(s, t)?;
        if elapsed.is_infinite() {
            return Err(Error::parameter("first time", t, "of a finite noise for steps by rates"));
        }
        let (rates, gaps) = combined(factors, power, t, x.view())?;
        log_w.iter_mut().zip(&gaps).for_each(|(w, gap)| *w += elapsed * gap);
        let law = Step::Euler.of_rates(rates, elapsed, x.view());
        x = law.draw(Excesses::Certain, x.view(), &rows, &streams.step(k as u64)).x;
        let total = log_sum_exp(&log_w);
        let weights: Vec<f64> = log_w.iter().map(|w| (w - total).exp()).collect();
        let effective = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        if effective < threshold * rows.len() as f64 {
            let u = streams.domain("resampling").step(k as u64).shared().random();
            x = x.select(Axis(0), &systematic(&weights, u));
            log_z += total - count;
            log_w.fill(0.0);
            resamplings += 1;
        }
    }
    let total = log_sum_exp(&log_w);
    let log_weights = log_w.iter().map(|w| w - total).collect();
    Ok(Particles { x, log_weights, log_z: log_z + total - count, resamplings })
}

/// Rates of the particles and the rates of their log-weights, in `1/τ`.
fn combined(
    factors: &[(&dyn Denoiser, f64)],
    power: f64,
    t: f64,
    y: Configs<'_>,
) -> Result<(Array3<f64>, Array1<f64>)> {
    let all: Vec<Array3<f64>> =
        factors.iter().map(|(denoiser, _)| unit_rates(*denoiser, t, y)).collect::<Result<_>>()?;
    let noise = factors[0].0.noise();
    let mut rates = Array3::<f64>::zeros(all[0].dim());
    let mut gaps = Array1::zeros(y.nrows());
    for j in 0..noise.sites() {
        let q = noise.rates().matrix(j);
        for ((row, &to), b) in y.column(j).iter().enumerate().flat_map(|at| (0..q.nrows()).map(move |b| (at, b))) {
            let forward = q[[b, usize::from(to)]];
            if b == usize::from(to) || forward == 0.0 {
                continue;
            }
            let terms = || all.iter().zip(factors).map(|(rates, (_, e))| (rates[[row, j, b]], *e));
            let log: f64 = terms().filter(|(_, e)| *e != 0.0).map(|(rate, e)| e * (rate / forward).ln()).sum();
            let rate = power * forward * log.exp();
            if !rate.is_finite() {
                return Err(Error::NotFinite { field: "rate of a particle", site: j, value: rate });
            }
            rates[[row, j, b]] = rate;
            gaps[row] += rate - terms().map(|(rate, e)| e * rate).sum::<f64>();
        }
    }
    Ok((rates, gaps))
}

/// Ancestors at the places `(i + u)/n` of the cumulative weights, each as often as `n w` to within one.
fn systematic(weights: &[f64], u: f64) -> Vec<usize> {
    let n = weights.len();
    let total: f64 = weights.iter().sum();
    let (mut ancestor, mut cumulative) = (0, weights[0]);
    (0..n)
        .map(|i| {
            let place = (i as f64 + u) / n as f64 * total;
            while cumulative <= place && ancestor + 1 < n {
                ancestor += 1;
                cumulative += weights[ancestor];
            }
            ancestor
        })
        .collect()
}
