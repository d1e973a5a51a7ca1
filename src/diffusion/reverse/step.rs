//! One step of a reverse process from `t` to `s`, a product over sites given `y`; `Δτ = ∫_s^t β`:
//!
//! ```text
//! λ_j(b)      = Δτ Q_j(b → y_j) p_j(b) / p_j(y_j)               rates at t times the step
//! Euler         P(b) = λ(b),          stays with 1 − Σλ         (LBJF of arXiv 2205.14987)
//! τ-leaping     P(b) = λ(b) e^{−Σλ},  stays with the rest       (Poisson; two jumps are rejected)
//! analytical    P(b) ∝ [Σ_a c_j(a) K_{0→s}(a → b)] K_{s→t}(b → y_j)         (arXiv 2211.16750)
//! corrector     Euler or τ-leaping at s with λ(b) = h [Q_j(y_j → b) + Q_j(b → y_j) p_j(b) / p_j(y_j)]
//! ```
//!
//! With exact scores all are of first order. One evaluation of the denoiser a step for all rows; `O(N d²)` a
//! row besides.

use ndarray::{Array, Array1, Array2, Array3, Axis, Dimension};
use rand::RngExt;
use rayon::prelude::*;

use crate::diffusion::denoiser::{Denoiser, cavities_of};
use crate::diffusion::reverse_rates::rates_in_place;
use crate::diffusion::scores::through_kernel;
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::Noise;
use crate::rng::Streams;

/// How a reverse process leaps from `t` to `s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Step {
    /// Rates times the step as probabilities; where they exceed one they are scaled down, and that is
    /// counted.
    Euler,
    /// Poisson counts a target; more than one jump at a site is rejected, and counted.
    TauLeaping,
    /// Every site from its exact law given the others at `t`. The only one that works from `T = ∞` and, under
    /// masks, down to `s = 0`.
    Analytical,
}

/// Steps of the process with rates forward + reverse, which leaves `P_s` invariant, after each step down to
/// `s > 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Corrector {
    /// Number of corrector steps after each predictor step.
    pub rounds: usize,
    /// Length of a corrector step over that of the predictor step, both in `τ`.
    pub size: f64,
}

/// The law of one step: independent sites given `y`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct StepLaw {
    /// `P(x_s^j = b | x_t = y)`, shape `(samples, sites, d_out_max)`, padding zero.
    pub marginals: Array3<f64>,
    /// What the method could not do, shape `(samples, sites)`: for τ-leaping the probability of a rejection
    /// (part of the probability to stay), for Euler by how much the probability of a jump exceeded one, zero
    /// for the analytical step.
    pub excess: Array2<f64>,
}

impl Step {
    /// The law of the step from each row of `y` at `t` to `s < t`.
    ///
    /// # Errors
    /// [`Error::TimeOrder`]; [`Error::Parameter`] for an infinite step of Euler or τ-leaping;
    /// [`Error::ZeroEvidence`] for an impossible row; [`Error::NotInvertible`] for an analytical step where
    /// cavities have to be solved for under a singular kernel; errors of the denoiser.
    pub fn law<D: Denoiser + ?Sized>(self, denoiser: &D, (s, t): (f64, f64), y: Configs<'_>) -> Result<StepLaw> {
        let elapsed = denoiser.noise().schedule().elapsed(s, t)?;
        if self == Step::Analytical {
            return analytical(denoiser, (s, t), y);
        }
        if elapsed.is_infinite() {
            return Err(Error::parameter("first time", t, "of a finite noise for steps by rates"));
        }
        let rates = unit_rates(denoiser, t, y)?;
        Ok(self.of_rates(rates, elapsed, y))
    }

    /// The law of one corrector step at time `s` of length `size` in `τ`; the analytical step is corrected by
    /// Euler's.
    ///
    /// # Errors
    /// As [`Step::law`]; [`Error::Parameter`] for a size that is negative or not finite.
    pub fn corrector_law<D: Denoiser + ?Sized>(
        self,
        denoiser: &D,
        s: f64,
        size: f64,
        y: Configs<'_>,
    ) -> Result<StepLaw> {
        if !(size.is_finite() && size >= 0.0) {
            return Err(Error::parameter("size of the corrector step", size, "finite and not negative"));
        }
        let mut rates = unit_rates(denoiser, s, y)?;
        for j in 0..y.ncols() {
            let mut q = denoiser.noise().rates().matrix(j);
            q.diag_mut().fill(0.0);
            for (mut rates, y) in rates.index_axis_mut(Axis(1), j).outer_iter_mut().zip(y.column(j)) {
                rates.iter_mut().zip(q.row(usize::from(*y))).for_each(|(rate, forward)| *rate += forward);
            }
        }
        Ok(self.of_rates(rates, size, y))
    }

    /// Turns rates, zero at `y_j`, into the law of a step of length `elapsed`.
    fn of_rates(self, mut rates: Array3<f64>, elapsed: f64, y: Configs<'_>) -> StepLaw {
        let mut excess = Array2::zeros(y.dim());
        rows_of(&mut rates).zip(rows_of(&mut excess)).enumerate().for_each(|(row, (laws, excess))| {
            let d = laws.len() / excess.len();
            for ((law, excess), &stay) in laws.chunks_exact_mut(d).zip(excess).zip(y.row(row)) {
                law.iter_mut().for_each(|rate| *rate *= elapsed);
                let mean: f64 = law.iter().sum();
                let none = (-mean).exp();
                let (scale, kept, over) = match self {
                    // 1 − e^{−λ}(1 + λ) without cancellation for small means.
                    Step::TauLeaping => (none, 1.0 - mean * none, -(-mean).exp_m1() - mean * none),
                    _ => (1.0 / mean.max(1.0), (1.0 - mean).max(0.0), (mean - 1.0).max(0.0)),
                };
                law.iter_mut().for_each(|p| *p *= scale);
                law[usize::from(stay)] = kept;
                *excess = over;
            }
        });
        StepLaw { marginals: rates, excess }
    }
}

/// The rows of a fresh table, for work in parallel.
fn rows_of<D: Dimension>(table: &mut Array<f64, D>) -> impl IndexedParallelIterator<Item = &mut [f64]> {
    let width = table.shape()[1..].iter().product::<usize>().max(1);
    table.as_slice_mut().expect("a table in standard layout").par_chunks_mut(width).with_min_len(16)
}

/// Reverse rates in the time `τ`: `Q_j(b → y_j) p_j(b) / p_j(y_j)`.
pub(super) fn unit_rates<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
    rates_in_place(denoiser.noise(), 1.0, y, denoiser.conditional_marginals(t, y)?)
}

fn analytical<D: Denoiser + ?Sized>(denoiser: &D, (s, t): (f64, f64), y: Configs<'_>) -> Result<StepLaw> {
    let noise: &Noise = denoiser.noise();
    let (to_s, s_to_t) = (noise.kernel(0.0, s)?, noise.kernel_between(s, t)?);
    let mut laws = through_kernel(&to_s, cavities_of(denoiser, t, y)?);
    let (tables, d) = (s_to_t.tables(), to_s.tables().dim().2);
    let work = |(row, laws): (usize, &mut [f64])| {
        for ((site, law), &to) in laws.chunks_exact_mut(d).enumerate().zip(y.row(row)) {
            let transition = tables.slice(ndarray::s![site, .., usize::from(to)]);
            law.iter_mut().zip(transition).for_each(|(p, k)| *p *= k);
            let sum: f64 = law.iter().sum();
            if sum.is_nan() || sum <= 0.0 {
                return Some(Error::ZeroEvidence { row });
            }
            if let Some(&value) = law.iter().find(|p| **p < 0.0) {
                return Some(Error::Negative { field: "law of an analytical step", site, value });
            }
            law.iter_mut().for_each(|p| *p /= sum);
        }
        None
    };
    match rows_of(&mut laws).enumerate().filter_map(work).find_first(|_| true) {
        Some(error) => Err(error),
        None => Ok(StepLaw { marginals: laws, excess: Array2::zeros(y.dim()) }),
    }
}

/// New configurations with the number of sites that changed and of sites where the method failed, by row.
pub(super) struct Draw {
    pub x: Array2<u8>,
    pub jumps: Array1<u64>,
    pub excesses: Array1<u64>,
}

impl StepLaw {
    /// Draws the step; row `i` uses stream `rows[i]`.
    pub(super) fn draw(&self, step: Step, y: Configs<'_>, rows: &[usize], streams: &Streams) -> Draw {
        let (laws, d) = (self.marginals.as_standard_layout(), self.marginals.dim().2);
        let laws = laws.as_slice().expect("standard layout");
        let one = |i: usize| {
            let mut rng = streams.stream(rows[i]);
            let (mut x, mut jumps, mut excesses) = (y.row(i).to_vec(), 0, 0);
            for (j, x) in x.iter_mut().enumerate() {
                let (u, excess) = (rng.random::<f64>(), self.excess[[i, j]]);
                // The end of the unit interval belongs to rejections.
                excesses += u64::from(if step == Step::TauLeaping { u >= 1.0 - excess } else { excess > 0.0 });
                let to = choose(&laws[(i * y.ncols() + j) * d..][..d], *x, u);
                jumps += u64::from(to != *x);
                *x = to;
            }
            (x, jumps, excesses)
        };
        let drawn: Vec<(Vec<u8>, u64, u64)> = (0..rows.len()).into_par_iter().with_min_len(16).map(one).collect();
        let flat = drawn.iter().flat_map(|(x, ..)| x.iter().copied()).collect();
        Draw {
            x: Array2::from_shape_vec(y.dim(), flat).expect("one state a row and site"),
            jumps: drawn.iter().map(|(_, jumps, _)| *jumps).collect(),
            excesses: drawn.iter().map(|(.., excesses)| *excesses).collect(),
        }
    }
}

/// The state at which the running sum passes `u`, the present state last; never one of probability zero.
fn choose(law: &[f64], stay: u8, u: f64) -> u8 {
    let (mut sum, mut last) = (0.0, stay);
    for (b, &p) in law.iter().enumerate().filter(|&(b, &p)| b != usize::from(stay) && p > 0.0) {
        (sum, last) = (sum + p, b as u8);
        if u < sum {
            return last;
        }
    }
    if law[usize::from(stay)] > 0.0 { stay } else { last }
}
