//! Exact redraw of a rod of any states, one configuration in double precision: forward filtering, backward
//! sampling.
//!
//! As for the Ising model: given the states `f` of the last `ab` sites before site `k` of the window,
//! everything from site `k` on has the weight
//!
//! ```text
//! R_k(f) = Σ_s w_k(s|f) R_{k+1}(f'),        R_end = 1,
//! ```
//!
//! `f'` is `f` with the oldest state, that of the same place in the slice before, replaced by `s`; drawn is
//! from the first site on, with `P(s) ∝ w_k(s|f) R_{k+1}(f')`. Cost: `q^(ab + 1)` terms a site, memory
//! `q^(ab)` numbers a site. Rounding makes the law wrong by some 10⁻¹⁵ a site. Entries of a vector differ by
//! `e^{ab·S}` at most, `S` the largest spread of the log-weights of one site given its neighbours: models of
//! which products of weights might underflow are refused.

use rand::{Rng, RngExt};

use super::model::CubicPotts;
use crate::choose::choose;
use crate::lattice::cubic::window::Window;

/// Entries of a transfer vector at most.
pub(super) const LARGEST: usize = 4096;

/// `(ab + 1)·S` at most: double precision ends at `e⁻⁷⁰⁸`.
pub(super) const WIDEST: f64 = 600.0;

/// The frontiers of a rod.
struct Frontiers {
    states: usize,
    strides: Vec<usize>,
    /// The state at each place of each frontier.
    digits: Vec<u8>,
}

impl Frontiers {
    fn new(states: usize, area: usize) -> Self {
        let strides: Vec<usize> = (0..area).map(|p| states.pow(p as u32)).collect();
        let size = states.pow(area as u32);
        let digits = (0..size).flat_map(|f| strides.iter().map(move |stride| (f / stride % states) as u8)).collect();
        Frontiers { states, strides, digits }
    }

    fn of(&self, f: usize) -> &[u8] {
        let area = self.strides.len();
        &self.digits[f * area..(f + 1) * area]
    }

    /// `f` with another state at a place.
    fn with(&self, f: usize, place: usize, s: usize) -> usize {
        f - usize::from(self.of(f)[place]) * self.strides[place] + s * self.strides[place]
    }
}

/// The weights of the states of one site of the window.
struct Step {
    /// Given everything outside, by state.
    outer: Vec<f64>,
    /// Given an earlier neighbour in the window: its place in the frontier, and by its state and the own one.
    earlier: Vec<(usize, Vec<f64>)>,
}

/// Not in the window.
pub(super) const OUTSIDE: usize = usize::MAX;

/// Redraws a window given all other sites. `position` has [`OUTSIDE`] at each site, before and after.
pub(super) fn redraw(potts: &CubicPotts, window: &Window, x: &mut [u8], position: &mut [usize], rng: &mut impl Rng) {
    let (q, area) = (potts.states(), window.section.area());
    let frontiers = Frontiers::new(q, area);
    let size = q.pow(area as u32);
    let mut sites = vec![];
    window.sites(potts.lattice(), &mut sites);
    sites.iter().enumerate().for_each(|(k, &j)| position[j as usize] = k);
    let steps = steps(potts, &sites, area, x, position);
    sites.iter().for_each(|&j| position[j as usize] = OUTSIDE);

    let mut vectors = vec![1.0; (sites.len() + 1) * size];
    let mut weights = vec![0.0; q];
    for (k, step) in steps.iter().enumerate().rev() {
        let (to, from) = vectors[k * size..(k + 2) * size].split_at_mut(size);
        for (f, to) in to.iter_mut().enumerate() {
            step.weigh((f, k % area), &frontiers, from, &mut weights);
            *to = weights.iter().sum();
        }
        let max = to.iter().copied().fold(0.0, f64::max);
        to.iter_mut().for_each(|entry| *entry /= max);
    }
    let mut f = 0;
    for (k, step) in steps.iter().enumerate() {
        step.weigh((f, k % area), &frontiers, &vectors[(k + 1) * size..(k + 2) * size], &mut weights);
        let s = choose(&weights, weights.iter().sum(), rng.random());
        x[sites[k] as usize] = s as u8;
        f = frontiers.with(f, k % area, s);
    }
}

impl Step {
    /// `w(s|f) R(f')` by state `s`, which stands at `place` of the frontier.
    fn weigh(&self, (f, place): (usize, usize), frontiers: &Frontiers, after: &[f64], weights: &mut [f64]) {
        let (digits, without) = (frontiers.of(f), frontiers.with(f, place, 0));
        for (s, w) in weights.iter_mut().enumerate() {
            *w = self.outer[s] * after[without + s * frontiers.strides[place]];
        }
        for (p, table) in &self.earlier {
            let row = &table[usize::from(digits[*p]) * frontiers.states..];
            weights.iter_mut().zip(row).for_each(|(w, factor)| *w *= factor);
        }
    }
}

fn steps(potts: &CubicPotts, sites: &[u32], area: usize, x: &[u8], position: &[usize]) -> Vec<Step> {
    let q = potts.states();
    let step = |(k, &j): (usize, &u32)| {
        let j = j as usize;
        let (mut outer, mut earlier) = (vec![0.0; q], vec![]);
        potts.own_field(j, &mut outer);
        for (n, &other) in potts.tables().neighbours[j].iter().enumerate() {
            let Some(&b) = x.get(other as usize) else { continue };
            let at = position[other as usize];
            if at == OUTSIDE {
                potts.beside(j, (n, other), b, &mut outer);
            } else if at < k {
                let mut table = vec![0.0; q * q];
                for (b, log) in table.chunks_exact_mut(q).enumerate() {
                    potts.beside(j, (n, other), b as u8, log);
                }
                weights_of_logs(&mut table);
                earlier.push((at % area, table));
            }
        }
        weights_of_logs(&mut outer);
        Step { outer, earlier }
    };
    sites.iter().enumerate().map(step).collect()
}

/// Weights of their logarithms, the largest one.
pub(super) fn weights_of_logs(log: &mut [f64]) {
    let max = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    log.iter_mut().for_each(|w| *w = (*w - max).exp());
}
