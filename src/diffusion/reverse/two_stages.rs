//! Steps of two stages, two evaluations of the denoiser each (arXiv 2502.00234); `h = ∫_s^t β`:
//!
//! ```text
//! G_j(b → c)   = Q_j(c → b) p_j(c) / p_j(b)        rates of site j backwards, neighbours and time held
//! y*             from y by exp(θh G), G at (t, y)                         to ρ, the share θ of the way in τ
//! trapezoidal    from y* by exp((1 − θ)h [α₁G* − α₂G]₊), G* at (ρ, y*)       α₁ = 1/(2θ(1 − θ)), α₂ = α₁ − 1
//! Runge–Kutta    from y by exp(h [(1 − 1/2θ) G + G*/2θ]₊)
//! ```
//!
//! A conditional `p_j` does not read `y_j`: one evaluation gives the rates between all states of a site, and
//! what a site does twice in a step follows from them. The source adds jumps up as displacements instead,
//! which needs an order of the states; under masks, where a site jumps once, the two are the same law.
//!
//! With exact scores the trapezoidal step is of second order as long as no rate is cut off at zero. One is
//! where a jump of a neighbour divides it by more than `α₁/α₂`, which is at most 2, at `θ = 1/2`; the error
//! is then of first order in the end, with a small factor. The Runge–Kutta step, which applies rates of `y*`
//! at `y`, is of first order. Cost besides the evaluations: `O(N d)` a row under masks, else
//! `O(N d²)` for short steps and `O(N d³ log λh)` for long ones, `λ` the largest rate.

use ndarray::{Array2, Array3};
use rayon::prelude::*;

use super::step_law::{StepLaw, rows_of};
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::{Noise, exponential};

/// Rates out of states that are next to impossible stay in range by this.
const MAX_RATIO: f64 = 1e290;

/// A step of two stages by its parameter `θ`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TwoStages {
    Trapezoidal(f64),
    RungeKutta(f64),
}

/// Configurations with the conditional marginals that belong to them.
pub(crate) type Seen<'a> = (Configs<'a>, &'a Array3<f64>);

impl TwoStages {
    /// # Errors
    /// [`Error::Parameter`] for `θ` outside (0, 1), of Runge–Kutta steps (0, 1].
    pub(super) fn check(self) -> Result<()> {
        match self {
            TwoStages::Trapezoidal(theta) if !(theta > 0.0 && theta < 1.0) => {
                Err(Error::parameter("theta", theta, "between 0 and 1 (both excluded)"))
            }
            TwoStages::RungeKutta(theta) if !(theta > 0.0 && theta <= 1.0) => {
                Err(Error::parameter("theta", theta, "between 0 (excluded) and 1"))
            }
            _ => Ok(()),
        }
    }

    fn theta(self) -> f64 {
        let (TwoStages::Trapezoidal(theta) | TwoStages::RungeKutta(theta)) = self;
        theta
    }

    /// Whether the second stage starts again from where the first one started.
    pub(crate) fn restarts(self) -> bool {
        matches!(self, TwoStages::RungeKutta(_))
    }

    /// The time `ρ` between the stages.
    pub(crate) fn middle(self, noise: &Noise, (s, t): (f64, f64)) -> Result<f64> {
        let elapsed = step_length(noise, (s, t))?;
        // Rounded to within the step: the schedule refuses what lies outside.
        noise.schedule().time_after(s, ((1.0 - self.theta()) * elapsed).min(elapsed), t)
    }

    /// The law of `y*` given `y` and its marginals at `t`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `θ` out of range or an infinite step; [`Error::ZeroEvidence`] for an
    /// impossible row.
    pub(crate) fn first(self, noise: &Noise, (s, t): (f64, f64), (y, p): Seen<'_>) -> Result<StepLaw> {
        self.check()?;
        possible((y, p))?;
        held(noise, y, [(1.0, p), (0.0, p)], self.theta() * step_length(noise, (s, t))?)
    }

    /// The law of the end of the step given both stages; the marginals of `y*` are those at `ρ`.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for a row whose `y*` is impossible.
    pub(crate) fn second(
        self,
        noise: &Noise,
        (s, t): (f64, f64),
        (y, p): Seen<'_>,
        (middle, q): Seen<'_>,
    ) -> Result<StepLaw> {
        possible((middle, q))?;
        let (elapsed, theta) = (step_length(noise, (s, t))?, self.theta());
        match self {
            TwoStages::Trapezoidal(_) => {
                let alpha = 0.5 / (theta * (1.0 - theta));
                held(noise, middle, [(alpha, q), (1.0 - alpha, p)], (1.0 - theta) * elapsed)
            }
            TwoStages::RungeKutta(_) => held(noise, y, [(0.5 / theta, q), (1.0 - 0.5 / theta, p)], elapsed),
        }
    }
}

fn step_length(noise: &Noise, (s, t): (f64, f64)) -> Result<f64> {
    match noise.schedule().elapsed(s, t)? {
        elapsed if elapsed.is_infinite() => {
            Err(Error::parameter("first time", t, "of a finite noise for steps by rates"))
        }
        elapsed => Ok(elapsed),
    }
}

fn possible((y, p): Seen<'_>) -> Result<()> {
    let impossible = |((row, j), b): ((usize, usize), &u8)| (p[[row, j, usize::from(*b)]] == 0.0).then_some(row);
    match y.indexed_iter().find_map(impossible) {
        Some(row) => Err(Error::ZeroEvidence { row }),
        None => Ok(()),
    }
}

/// The law after `elapsed` from each row of `from` at held rates, a combination of those of two tables of
/// marginals.
fn held(noise: &Noise, from: Configs<'_>, terms: [(f64, &Array3<f64>); 2], elapsed: f64) -> Result<StepLaw> {
    let d_max = noise.dims_out().iter().copied().max().unwrap_or(0);
    let rates: Vec<Array2<f64>> = (0..noise.sites()).map(|j| noise.rates().matrix(j)).collect();
    let mut marginals = Array3::zeros((from.nrows(), from.ncols(), d_max));
    let mut excess = Array2::zeros(from.dim());
    // Backwards a state is left only into states that jump to it: under masks a symbol stays.
    let left = |j: usize, b: usize| (0..rates[j].nrows()).any(|c| c != b && rates[j][[c, b]] > 0.0);
    let left: Vec<Vec<bool>> = (0..rates.len()).map(|j| (0..rates[j].nrows()).map(|b| left(j, b)).collect()).collect();
    let work = |(row, (laws, excess)): (usize, (&mut [f64], &mut [f64]))| -> Result<()> {
        for (j, (law, excess)) in laws.chunks_exact_mut(d_max).zip(excess).enumerate() {
            let start = usize::from(from[[row, j]]);
            let rate = |b: usize, c: usize| match rates[j][[c, b]] {
                q if b == c || q == 0.0 => 0.0,
                q => q * ratio(terms.map(|(w, p)| (w, p[[row, j, c]], p[[row, j, b]]))),
            };
            let d = rates[j].nrows();
            if !left[j][start] {
                law[start] = 1.0;
                continue;
            }
            let cut: f64 = (0..d).map(|c| (-rate(start, c)).max(0.0)).sum();
            *excess = cut * elapsed;
            if (0..d).any(|c| c != start && rates[j][[c, start]] > 0.0 && left[j][c]) {
                reached(&Array2::from_shape_fn((d, d), |(b, c)| rate(b, c).max(0.0)), elapsed, start, law)?;
                continue;
            }
            let exit: f64 = (0..d).map(|c| rate(start, c).max(0.0)).sum();
            // One jump at most: e^{−λh} and the shares of the rest.
            let jumps = if exit > 0.0 { -(-exit * elapsed).exp_m1() / exit } else { 0.0 };
            (0..d).for_each(|c| law[c] = rate(start, c).max(0.0) * jumps);
            law[start] = (-exit * elapsed).exp();
        }
        Ok(())
    };
    let failed = rows_of(&mut marginals).zip(rows_of(&mut excess)).enumerate().filter_map(|row| work(row).err());
    match failed.find_first(|_| true) {
        Some(error) => Err(error),
        None => Ok(StepLaw { marginals, excess }),
    }
}

/// `Σ w p(c)/p(b)`; where one of the tables excludes `b`, the ratio of the other: weights sum to one.
fn ratio(terms: [(f64, f64, f64); 2]) -> f64 {
    let of = |to: f64, from: f64| (to / from).min(MAX_RATIO);
    match terms {
        [(v, to, from), (w, other_to, other)] if from > 0.0 && other > 0.0 => {
            v * of(to, from) + w * of(other_to, other)
        }
        [(_, to, from), _] if from > 0.0 => of(to, from),
        [_, (_, to, from)] if from > 0.0 => of(to, from),
        _ => 0.0,
    }
}

/// Row `start` of `exp(elapsed · G)`: by `⌈2λh⌉` series of a vector where these are no more than the states,
/// else by squaring the matrix.
fn reached(generator: &Array2<f64>, elapsed: f64, start: usize, law: &mut [f64]) -> Result<()> {
    let d = generator.nrows();
    let exit: Vec<f64> = generator.outer_iter().map(|rates| rates.sum()).collect();
    let lambda = exit.iter().copied().fold(0.0, f64::max);
    let pieces = (2.0 * lambda * elapsed).ceil();
    law[start] = 1.0;
    if pieces > d as f64 {
        let kernel = exponential(generator, elapsed)?;
        law.iter_mut().zip(kernel.row(start)).for_each(|(p, k)| *p = *k);
        return Ok(());
    }
    let mean = lambda * elapsed / pieces.max(1.0);
    let generator = generator.as_standard_layout();
    let rates = generator.as_slice().expect("row-major");
    let (mut term, mut next) = (vec![0.0; d], vec![0.0; d]);
    for _ in 0..pieces as usize {
        term.copy_from_slice(&law[..d]);
        // At m ≤ 1/2 the terms after n = 16 add less than 2⁻¹⁷/17! ≈ 2e-20.
        for n in 1..=16 {
            next.fill(0.0);
            for ((b, &mass), rates) in term.iter().enumerate().zip(rates.chunks_exact(d)) {
                next.iter_mut().zip(rates).for_each(|(p, rate)| *p += mass * rate / lambda);
                next[b] += mass * (lambda - exit[b]) / lambda;
            }
            std::mem::swap(&mut term, &mut next);
            term.iter_mut().for_each(|p| *p *= mean / f64::from(n));
            law.iter_mut().zip(&term).for_each(|(p, term)| *p += term);
            // Later terms are smaller: where all of this one is below rounding, nothing changes any more.
            let mass: f64 = term.iter().sum();
            if law[..d].iter().all(|p| p + mass == *p) {
                break;
            }
        }
        let sum: f64 = law.iter().sum();
        law.iter_mut().for_each(|p| *p /= sum);
    }
    Ok(())
}
