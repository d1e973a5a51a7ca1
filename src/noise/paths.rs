//! Forward simulation of jump paths, exactly.
//!
//! In the time `τ(t) = ∫β` the process is homogeneous: a site in state `a` waits an exponential time of rate
//! `−Q[a, a]`, then jumps to `b` with probability `Q[a, b] / −Q[a, a]` (Gillespie 1976). The schedule maps
//! the times back. Sites are independent, so each is simulated on its own and the jumps are sorted: cost
//! `O(N + J log J)` for `J` jumps.

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use rayon::prelude::*;

use super::process::Noise;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};

/// One jump of one site.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Jump {
    /// Time of the jump.
    pub time: f64,
    /// The site that jumps.
    pub site: usize,
    /// Its state after the jump.
    pub state: u8,
}

/// A path of the noise process: its jumps in the order of time, and where it ends.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Path {
    /// Jumps, sorted by time.
    pub jumps: Vec<Jump>,
    /// Configuration at the end, length `sites`.
    pub last: Array1<u8>,
}

impl Path {
    /// The configuration at time `t` of this path of the reverse process, that starts at `y`.
    pub fn reversed_at(&self, y: &Array1<u8>, t: f64) -> Array1<u8> {
        let mut x = y.clone();
        self.jumps.iter().take_while(|jump| jump.time >= t).for_each(|jump| x[jump.site] = jump.state);
        x
    }
}

/// Exit rates and cumulative jump rates of one rate matrix.
struct JumpRates {
    exit: Vec<f64>,
    cumulative: Array2<f64>,
}

impl JumpRates {
    fn new(q: &Array2<f64>) -> Self {
        let mut cumulative = q.clone();
        for (a, mut row) in cumulative.outer_iter_mut().enumerate() {
            row[a] = 0.0;
            row.accumulate_axis_inplace(Axis(0), |before, sum| *sum += before);
        }
        let exit = cumulative.outer_iter().map(|row| row[row.len() - 1]).collect();
        JumpRates { exit, cumulative }
    }

    /// The state after a jump from `a`: never `a` itself, never one of rate zero.
    fn target(&self, a: u8, u: f64) -> u8 {
        let threshold = u * self.exit[usize::from(a)];
        let row = self.cumulative.row(a.into());
        row.iter().position(|&sum| sum > threshold).unwrap_or(usize::from(a)) as u8
    }
}

impl Noise {
    /// Draws the path from `x` at time `s` to time `t`, states of `x` from the alphabet of time `s`
    /// ([`Noise::dims_at`]).
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range; times as [`Noise::kernel`], and
    /// [`Error::Parameter`] for an infinite `t`.
    pub fn path(&self, x: ArrayView1<'_, u8>, s: f64, t: f64, stream: &mut Stream) -> Result<Path> {
        check_configs(x.insert_axis(Axis(0)), self.dims_at(s))?;
        let elapsed = self.finite_elapsed(s, t)?;
        self.simulate(&self.jump_rates(), x, (s, t, elapsed), stream)
    }

    /// Draws one path for each row of `x`. Row `i` uses stream `i` of the domain `"paths"`.
    ///
    /// # Errors
    /// As [`Noise::path`].
    pub fn paths(&self, x: Configs<'_>, s: f64, t: f64, streams: &Streams) -> Result<Vec<Path>> {
        check_configs(x, self.dims_at(s))?;
        let elapsed = self.finite_elapsed(s, t)?;
        let rates = self.jump_rates();
        let streams = streams.domain("paths");
        (0..x.nrows())
            .into_par_iter()
            .map(|row| self.simulate(&rates, x.row(row), (s, t, elapsed), &mut streams.stream(row)))
            .collect()
    }

    fn finite_elapsed(&self, s: f64, t: f64) -> Result<f64> {
        let elapsed = self.schedule().elapsed(s, t)?;
        if t.is_infinite() || elapsed.is_infinite() {
            return Err(Error::parameter("t", t, "finite, with a finite integral of beta"));
        }
        Ok(elapsed)
    }

    fn jump_rates(&self) -> Vec<JumpRates> {
        self.rates().classes().iter().map(|generator| JumpRates::new(&generator.matrix())).collect()
    }

    fn simulate(
        &self,
        rates: &[JumpRates],
        x: ArrayView1<'_, u8>,
        (s, t, elapsed): (f64, f64, f64),
        stream: &mut Stream,
    ) -> Result<Path> {
        let mut path = Path { jumps: vec![], last: x.to_owned() };
        for (site, state) in path.last.iter_mut().enumerate() {
            let rates = &rates[self.rates().class_of()[site]];
            let mut clock = 0.0;
            loop {
                let exit = rates.exit[usize::from(*state)];
                if exit == 0.0 {
                    break;
                }
                let wait: f64 = Exp1.sample(stream);
                clock += wait / exit;
                if clock >= elapsed {
                    break;
                }
                *state = rates.target(*state, stream.random());
                let time = self.schedule().time_after(s, clock, t)?;
                path.jumps.push(Jump { time, site, state: *state });
            }
        }
        path.jumps.sort_by(|a, b| a.time.total_cmp(&b.time)); // stable: jumps of one site keep their order
        Ok(path)
    }
}
