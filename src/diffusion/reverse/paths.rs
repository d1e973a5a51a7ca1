//! Exact paths of the reverse process: `x_0 ~ P(· | x_T = y)`, then each site's jumps between `x_0` and `y`,
//! independently.
//!
//! With `λ` the largest exit rate of a site and `U = I + Q/λ`, the number of events of the site between `a`
//! and `b` has the law `P(n) ∝ Pois(n; λτ) U^n(a, b)`, their times are uniform in `τ`, and state `k` of `n`
//! follows `U(x, ·) U^{n−k}(·, b)` (uniformised bridge, Hobolth and Stone 2009); events that change nothing
//! are dropped. Cost `O(N λτ d)` a path and `O(d³ λτ)` once a rate matrix.

use std::collections::HashMap;

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use crate::choose::choose;
use crate::configs::match_dims;
use crate::diffusion::denoise::Denoise;
use crate::error::{Error, Result};
use crate::model::{Configs, Model, check_configs};
use crate::noise::{Jump, Noise, Path};
use crate::rng::{Stream, Streams};

/// Entries of all powers of one jump matrix that are kept at most: 512 MiB.
const MAX_ENTRIES: usize = 1 << 26;

/// Draws a path of the reverse process from each row of `y` at time `t` to 0: jumps in descending time, each
/// with the state *after* it in the direction of the reverse process, and the clean configuration at the end.
///
/// Row `i` uses stream `i` (domains `"denoise"` and `"reverse paths"`). Beside [`super::start::exact_start`],
/// this draws from the reverse process without any error.
///
/// # Errors
/// As [`Denoise::denoise`]; [`Error::Parameter`] for an infinite noise; [`Error::TooLarge`] for more events
/// than can be stored.
pub fn exact_paths<M: Model + ?Sized>(
    model: &M,
    noise: &Noise,
    t: f64,
    y: Configs<'_>,
    streams: &Streams,
) -> Result<Vec<Path>> {
    match_dims(model.dims(), noise.dims_in())?;
    check_configs(y, noise.dims_out())?;
    let elapsed = noise.schedule().integral(t)?;
    if elapsed.is_infinite() {
        return Err(Error::parameter("t", t, "of a finite noise"));
    }
    let x_0 = model.denoise(&noise.kernel(0.0, t)?, y, streams)?.x;
    let (bridges, class_of) = bridges(noise, elapsed)?;
    let streams = streams.domain("reverse paths");
    let one = |row: usize| {
        let mut rng = streams.stream(row);
        let mut path = Path { jumps: Vec::new(), last: x_0.row(row).to_owned() };
        for site in 0..y.ncols() {
            let ends = (usize::from(x_0[[row, site]]), usize::from(y[[row, site]]));
            for (clock, state) in bridges[class_of[site]].draw(ends, &mut rng).ok_or(Error::ZeroEvidence { row })? {
                let time = noise.schedule().time_after(0.0, clock * elapsed, t)?;
                path.jumps.push(Jump { time, site, state });
            }
        }
        path.jumps.sort_by(|a, b| b.time.total_cmp(&a.time));
        Ok(path)
    };
    (0..y.nrows()).into_par_iter().map(one).collect()
}

/// Bridges of one site between all pairs of ends.
struct SiteBridge {
    /// `Pois(n; λτ)`.
    poisson: Vec<f64>,
    /// `U^n`.
    powers: Vec<Array2<f64>>,
}

/// One bridge for each distinct rate matrix, and the bridge of each site.
fn bridges(noise: &Noise, elapsed: f64) -> Result<(Vec<SiteBridge>, Vec<usize>)> {
    let (mut bridges, mut known) = (Vec::new(), HashMap::new());
    let mut class_of = Vec::with_capacity(noise.sites());
    for site in 0..noise.sites() {
        let q = noise.rates().matrix(site);
        let key: Vec<u64> = q.iter().map(|rate| rate.to_bits()).collect();
        let class = *known.entry(key).or_insert(bridges.len());
        class_of.push(class);
        if class == bridges.len() {
            bridges.push(SiteBridge::new(&q, elapsed)?);
        }
    }
    Ok((bridges, class_of))
}

impl SiteBridge {
    fn new(q: &Array2<f64>, elapsed: f64) -> Result<Self> {
        let d = q.nrows();
        let exit = |a: usize| (0..d).filter(|&b| b != a).map(|b| q[[a, b]]).sum::<f64>();
        let lambda = (0..d).map(exit).fold(0.0, f64::max);
        let mean = lambda * elapsed;
        // Beyond ten standard deviations and some forty events a Poisson law has less than 1e-20.
        let last = mean + 10.0 * mean.sqrt() + 40.0;
        if last * (d * d) as f64 > MAX_ENTRIES as f64 {
            let size = (last * (d * d) as f64) as usize;
            return Err(Error::TooLarge { what: "powers of a jump matrix", size, limit: MAX_ENTRIES });
        }
        let jump = Array2::from_shape_fn((d, d), |(a, b)| match (lambda > 0.0, a == b) {
            (false, same) => f64::from(u8::from(same)),
            (true, true) => (lambda - exit(a)) / lambda,
            (true, false) => q[[a, b]] / lambda,
        });
        let (mut poisson, mut powers, mut log_p) = (Vec::new(), vec![Array2::eye(d)], -mean);
        for n in 0..=last as usize {
            poisson.push(log_p.exp());
            log_p += (mean / (n + 1) as f64).ln();
            let next = powers[n].dot(&jump);
            powers.push(next);
        }
        Ok(SiteBridge { poisson, powers })
    }

    /// Jumps between the ends in the time of the reverse process: share of the elapsed noise and the state
    /// before it in forward time; `None` where the ends exclude one another.
    fn draw(&self, (a, b): (usize, usize), rng: &mut Stream) -> Option<Vec<(f64, u8)>> {
        let law: Vec<f64> = self.poisson.iter().zip(&self.powers).map(|(p, power)| p * power[[a, b]]).collect();
        let n = draw_index(&law, rng)?;
        let mut shares: Vec<f64> = (0..n).map(|_| rng.random()).collect();
        shares.sort_by(f64::total_cmp);
        let (mut jumps, mut state, jump) = (Vec::new(), a, &self.powers[1]);
        for (k, &share) in shares.iter().enumerate() {
            let rest = &self.powers[n - k - 1];
            let law: Vec<f64> = (0..jump.ncols()).map(|c| jump[[state, c]] * rest[[c, b]]).collect();
            let next = draw_index(&law, rng)?;
            if next != state {
                jumps.push((share, state as u8));
            }
            state = next;
        }
        Some(jumps)
    }
}

/// An index in proportion to its weight; `None` where all are zero.
fn draw_index(weights: &[f64], rng: &mut Stream) -> Option<usize> {
    let total: f64 = weights.iter().sum();
    (total > 0.0).then(|| choose(weights, total, rng.random()))
}
