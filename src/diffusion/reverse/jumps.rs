//! Jump by jump: uniformization and thinning of the reverse process, exact for exact rates.
//!
//! In the time `τ = ∫β` a Poisson process of rate `Λ ≥ Σ_{j,b} R_j(b)` proposes events; each is the jump
//! `(j, b)` with probability `R_j(b)/Λ`, else nothing. Waiting times of a Poisson process are exponential, so
//! that events are drawn one after the other: the same law as a Poisson number of sorted uniform times in
//! each interval. All rows of a batch go to their next event, then one call of the denoiser evaluates them,
//! each at its own time.
//!
//! A row that comes into a configuration of probability zero stays there, and is lost; the others go on, with
//! streams of their own.
//!
//! Cost: `∫Λ` evaluations a sample. Uniformization takes `Λ_k` over all configurations, thinning over the
//! present one.

use ndarray::{Array2, ArrayView1, Axis, s};
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use rayon::prelude::*;

use super::grid::TimeGrid;
use super::outcome::Outcome;
use super::rate_bound::{Bound, site_bounds};
use crate::diffusion::denoiser::Denoiser;
use crate::diffusion::reverse_rates::rates_in_place;
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::Noise;
use crate::rng::{Stream, Streams};

/// Rates may exceed their bound by this much of it: the rounding of a tight bound and of the rates.
const ROUNDING: f64 = 1e-9;

/// Expected events of a sample at most: hours of evaluations, and in `τ` a spacing still well above rounding.
const MAX_EVENTS: usize = 100_000_000;

/// The bound on the rate out of a configuration over an interval.
pub(super) enum Thinner {
    /// The same for all configurations, one an interval.
    Uniform(Vec<f64>),
    /// By site and state, `(sites, d_out_max)` an interval.
    Local(Vec<Array2<f64>>),
}

impl Thinner {
    pub(super) fn uniform(noise: &Noise, grid: &TimeGrid, bound: &Bound) -> Result<Self> {
        let largest = |site: ArrayView1<'_, f64>| site.iter().copied().fold(0.0, f64::max);
        Ok(Thinner::Uniform(match bound {
            Bound::Noise => {
                let total = |bounds: &Array2<f64>| bounds.outer_iter().map(largest).sum();
                site_bounds(noise, grid)?.iter().map(total).collect()
            }
            Bound::Given(bounds) => {
                if bounds.len() != grid.steps() {
                    let (expected, got) = (vec![grid.steps()], vec![bounds.len()]);
                    return Err(Error::Shape { field: "bounds", expected, got });
                }
                if let Some(bound) = bounds.iter().find(|b| !b.is_finite() || **b < 0.0) {
                    return Err(Error::parameter("bound", bound, "finite and not negative"));
                }
                bounds.clone()
            }
        }))
    }

    pub(super) fn local(noise: &Noise, grid: &TimeGrid) -> Result<Self> {
        Ok(Thinner::Local(site_bounds(noise, grid)?))
    }

    /// Refuses grids that would not come to an end, by the largest `∫Λ` of a path.
    fn check_events(&self, taus: &[f64]) -> Result<()> {
        let largest = |bounds: &Array2<f64>| -> f64 {
            bounds.outer_iter().map(|site| site.iter().copied().fold(0.0, f64::max)).sum()
        };
        let rate = |interval: usize| match self {
            Thinner::Uniform(bounds) => bounds[interval],
            Thinner::Local(bounds) => largest(&bounds[interval]),
        };
        let events: f64 = taus.windows(2).enumerate().map(|(k, tau)| rate(k) * (tau[0] - tau[1])).sum();
        match events <= MAX_EVENTS as f64 {
            true => Ok(()),
            false => Err(Error::TooLarge { what: "events of a sample", size: events as usize, limit: MAX_EVENTS }),
        }
    }

    fn rate(&self, interval: usize, y: ArrayView1<'_, u8>) -> f64 {
        match self {
            Thinner::Uniform(bounds) => bounds[interval],
            Thinner::Local(bounds) => y.iter().enumerate().map(|(j, &a)| bounds[interval][[j, a.into()]]).sum(),
        }
    }
}

/// A row between two events.
struct Clock {
    row: usize,
    rng: Stream,
    /// Present interval of the grid; the number of intervals at the end.
    interval: usize,
    /// Elapsed noise at the present time.
    tau: f64,
    /// Bound at the present configuration.
    bound: f64,
    /// `∫Λ` so far.
    integral: f64,
}

impl Clock {
    /// On to the next event, or past the last interval.
    fn advance(&mut self, thinner: &Thinner, taus: &[f64], y: ArrayView1<'_, u8>) {
        while self.interval + 1 < taus.len() {
            self.bound = thinner.rate(self.interval, y);
            let wait: f64 = Exp1.sample(&mut self.rng);
            let (end, left) = (taus[self.interval + 1], self.tau - taus[self.interval + 1]);
            if wait < self.bound * left {
                self.integral += wait;
                self.tau -= wait / self.bound;
                return;
            }
            // Past the end of the interval: waiting times have no memory.
            self.integral += self.bound * left;
            (self.interval, self.tau) = (self.interval + 1, end);
        }
    }
}

/// Which rows are possible, each at its own time.
fn possible_at<D: Denoiser + ?Sized>(denoiser: &D, at: &[f64], y: Configs<'_>) -> Result<Vec<bool>> {
    let one = |(row, &t): (usize, &f64)| Ok(denoiser.possible(t, y.slice(s![row..=row, ..]))?[0]);
    at.par_iter().enumerate().map(one).collect()
}

/// Runs all rows from the first time of the grid to its last.
pub(super) fn jump_by_jump<D: Denoiser + ?Sized>(
    denoiser: &D,
    y: Configs<'_>,
    grid: &TimeGrid,
    thinner: &Thinner,
    streams: &Streams,
) -> Result<Outcome> {
    let (noise, times) = (denoiser.noise(), grid.times());
    let taus: Vec<f64> = times.iter().map(|&t| noise.schedule().integral(t)).collect::<Result<_>>()?;
    if taus[0].is_infinite() {
        return Err(Error::parameter("first time", times[0], "of a finite noise for jumps by rates"));
    }
    thinner.check_events(&taus)?;
    let mut outcome = Outcome::start(y);
    let clock = |row| Clock { row, rng: streams.stream(row), interval: 0, tau: taus[0], bound: 0.0, integral: 0.0 };
    let mut clocks: Vec<Clock> = (0..y.nrows()).map(clock).collect();
    loop {
        let x = &outcome.x;
        clocks.par_iter_mut().with_min_len(64).for_each(|clock| clock.advance(thinner, &taus, x.row(clock.row)));
        clocks.retain(|clock| {
            let ends = clock.interval + 1 == taus.len();
            if ends {
                outcome.bound[clock.row] = clock.integral;
            }
            !ends
        });
        if clocks.is_empty() {
            return Ok(outcome);
        }
        let time = |clock: &Clock| {
            let (s, t) = (times[clock.interval + 1], times[clock.interval]);
            noise.schedule().time_after(
                s,
                (clock.tau - taus[clock.interval + 1]).min(noise.schedule().elapsed(s, t)?),
                t,
            )
        };
        let mut at: Vec<f64> = clocks.iter().map(time).collect::<Result<_>>()?;
        let rates = loop {
            let rows: Vec<usize> = clocks.iter().map(|clock| clock.row).collect();
            let now = outcome.x.select(Axis(0), &rows);
            let found = denoiser.conditional_marginals_at(&at, now.view());
            match found.and_then(|p| rates_in_place(noise, 1.0, now.view(), p)) {
                Err(Error::ZeroEvidence { row }) => {
                    let alive = possible_at(denoiser, &at, now.view())?;
                    if alive.iter().all(|ok| *ok) {
                        return Err(Error::ZeroEvidence { row: rows[row] });
                    }
                    // A row that has not moved may have been impossible from the start: the caller's error.
                    for (&row, _) in rows.iter().zip(&alive).filter(|(row, ok)| !**ok && outcome.jumps[**row] == 0) {
                        if !denoiser.possible(times[0], y.slice(s![row..=row, ..]))?[0] {
                            return Err(Error::ZeroEvidence { row });
                        }
                    }
                    for (clock, _) in clocks.iter().zip(&alive).filter(|(_, ok)| !**ok) {
                        outcome.bound[clock.row] = clock.integral;
                        outcome.lost.push(clock.row);
                    }
                    outcome.lost.sort_unstable();
                    let mut keep = alive.iter();
                    clocks.retain(|_| *keep.next().unwrap_or(&true));
                    let mut keep = alive.iter();
                    at.retain(|_| *keep.next().unwrap_or(&true));
                    if clocks.is_empty() {
                        return Ok(outcome);
                    }
                }
                found => break found?,
            }
        };
        outcome.calls += 1;
        for (i, clock) in clocks.iter_mut().enumerate() {
            outcome.evaluations[clock.row] += 1;
            outcome.events[clock.row] += 1;
            let rates = rates.index_axis(Axis(0), i);
            let rate = rates.sum();
            if rate > clock.bound * (1.0 + ROUNDING) {
                return Err(Error::RateBound { row: clock.row, time: at[i], rate, bound: clock.bound });
            }
            let threshold = clock.rng.random::<f64>() * clock.bound;
            let mut sum = 0.0;
            let jump = rates.indexed_iter().find(|(_, rate)| {
                sum += **rate;
                threshold < sum
            });
            if let Some(((site, to), _)) = jump {
                outcome.x[[clock.row, site]] = to as u8;
                outcome.jumps[clock.row] += 1;
            }
        }
    }
}
