//! Partition sums of path ends by ratios of neighbouring heights: the one recursion behind sums, draws and
//! evidence.
//!
//! Let `Z_j(h) = Σ ∏_{i>j} q^{h_i/2} w_i(n_i)` run over the continuations of a path that stands at height `h`
//! after site `j`, and
//!
//! ```text
//! ρ_j(h) = q Z_j(h+1) / Z_j(h−1).
//! ```
//!
//! At height `h` after site `j`, the next step goes up with odds `ρ_{j+1}(h) w_{j+1}(1) / w_{j+1}(0)`. Both
//! sums on the right contain the path through `(j+1, h)`; dividing by its share,
//!
//! ```text
//! ρ_j(h) = q [w(0) + w(1) ρ_{j+1}(h+1)] / [w(1) + w(0)/ρ_{j+1}(h−1)],    w = w_{j+1},
//! ```
//!
//! where a term to a forbidden height is left out. All terms are positive: no cancellation, and the relative
//! errors of the two ρ enter with weights below one. On a band (intervals of heights) the heights with
//! `Z_j > 0` form an interval at each bond too, also where weights vanish, so the centre `(j+1, h)` is
//! allowed whenever `(j, h±1)` both are.
//!
//! ρ stays moderate unless `q^N` or the weights are extreme; rows where a weight or a ratio leaves
//! `[1e−140, 1e140]` are solved in logarithms, which never fail. Cost: N²/8 ratios for all heights, one
//! division each (a logarithm and an exponential twice in logarithms).

use super::band::Band;
use super::magnitude::Magnitude;
use crate::model::SiteWeights;

/// Ratios and non-zero weights within these bounds keep every product of the linear recursion finite and
/// non-zero.
const SAFE: std::ops::RangeInclusive<f64> = 1e-140..=1e140;

/// `ln(e^a + e^b)`; −∞ allowed.
pub(super) fn log_add(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small == f64::NEG_INFINITY { large } else { large + (small - large).exp().ln_1p() }
}

/// `1/(1 + e^{−x})`, to relative accuracy also where it is tiny.
pub(super) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

/// What can follow a height: only one step, or either, with the ratio ρ (its logarithm where the transfer is
/// logarithmic).
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    Up,
    Down,
    Either(f64),
}

/// The ratios ρ on a band under site weights, with the interval of heights from which the end can be reached.
#[derive(Debug, Clone)]
pub(super) struct Transfer {
    /// Heights of non-zero partition sum, by bond.
    alive: Vec<(i32, i32)>,
    /// `ρ_j(h)` at the place of `(j, h−1)`.
    rho: Vec<f64>,
    logarithmic: bool,
    weights: Vec<[f64; 2]>,
}

impl Transfer {
    /// Room for one row's ratios.
    pub fn new(band: &Band) -> Self {
        Transfer {
            alive: vec![(0, 0); band.sites() + 1],
            rho: vec![0.0; band.len()],
            logarithmic: false,
            weights: vec![[1.0; 2]; band.sites()],
        }
    }

    /// The untilted law, in logarithms.
    pub fn prior(band: &Band, log_q: f64) -> Self {
        let mut transfer = Self::new(band);
        // A band is never empty.
        transfer.reach(band);
        transfer.solve_logarithmic(band, log_q);
        transfer
    }

    /// Solves for the weights of a row; false if they exclude every path.
    pub fn tilt(&mut self, band: &Band, log_q: f64, w: &SiteWeights<'_>, row: usize) -> bool {
        for (j, slot) in self.weights.iter_mut().enumerate() {
            *slot = [w.get(row, j, 0), w.get(row, j, 1)];
        }
        self.solve(band, log_q)
    }

    /// Solves for the same weights on the paths read backwards (`band` is the mirrored band): its `Z` is the
    /// left partition sum of `forward`.
    pub fn tilt_mirrored(&mut self, band: &Band, log_q: f64, forward: &Transfer) -> bool {
        for (slot, &[down, up]) in self.weights.iter_mut().zip(forward.weights.iter().rev()) {
            *slot = [up, down];
        }
        self.solve(band, log_q)
    }

    fn solve(&mut self, band: &Band, log_q: f64) -> bool {
        if !self.reach(band) {
            return false;
        }
        let safe = self.weights.iter().flatten().all(|w| *w == 0.0 || SAFE.contains(w));
        if !(safe && self.solve_linear(band, log_q.exp())) {
            self.solve_logarithmic(band, log_q);
        }
        true
    }

    /// Finds the heights of non-zero partition sum, from the end; false if none is left.
    fn reach(&mut self, band: &Band) -> bool {
        let sites = band.sites();
        self.alive[sites] = band.range(sites);
        for j in (0..sites).rev() {
            let ((lo, hi), (band_lo, band_hi), [w0, w1]) = (self.alive[j + 1], band.range(j), self.weights[j]);
            if w0 == 0.0 && w1 == 0.0 {
                return false;
            }
            let lo = if w1 > 0.0 { lo - 1 } else { lo + 1 };
            let hi = if w0 > 0.0 { hi + 1 } else { hi - 1 };
            self.alive[j] = (lo.max(band_lo), hi.min(band_hi));
            if self.alive[j].0 > self.alive[j].1 {
                return false;
            }
        }
        true
    }

    fn solve_linear(&mut self, band: &Band, q: f64) -> bool {
        self.logarithmic = false;
        for j in (1..band.sites()).rev() {
            let ((lo, hi), (next_lo, next_hi), [w0, w1]) = (self.alive[j], self.alive[j + 1], self.weights[j]);
            if lo == hi {
                continue;
            }
            let (first, count) = (band.index(j, lo), ((hi - lo) / 2) as usize);
            let (head, tail) = self.rho.split_at_mut(band.row(j + 1).start);
            let out = &mut head[first..first + count];
            let ratio = |h: i32| tail[((h - 1 - band.range(j + 1).0) / 2) as usize];
            // Ends of the row, where a neighbour may be missing.
            let edge = |h: i32| {
                let up = if h + 2 <= next_hi { w0 + w1 * ratio(h + 1) } else { w0 };
                let down = if h - 2 >= next_lo { w1 + w0 / ratio(h - 1) } else { w1 };
                q * (up / down)
            };
            out[0] = edge(lo + 1);
            out[count - 1] = edge(hi - 1);
            if count > 2 {
                let start = ((lo + 1 - band.range(j + 1).0) / 2) as usize;
                let below = &tail[start..start + count - 2];
                let above = &tail[start + 1..start + count - 1];
                for ((out, &below), &above) in out[1..count - 1].iter_mut().zip(below).zip(above) {
                    *out = q * (below / (w0 + w1 * below) * (w0 + w1 * above));
                }
            }
            let (min, max) = out.iter().fold((f64::INFINITY, 0.0f64), |(min, max), &r| (min.min(r), max.max(r)));
            // Safe factors cannot give NaN, at worst zero or infinity.
            if !(SAFE.contains(&min) && SAFE.contains(&max)) {
                return false;
            }
        }
        true
    }

    fn solve_logarithmic(&mut self, band: &Band, log_q: f64) {
        self.logarithmic = true;
        for j in (1..band.sites()).rev() {
            let ((lo, hi), (next_lo, next_hi)) = (self.alive[j], self.alive[j + 1]);
            let [w0, w1] = self.weights[j].map(f64::ln);
            let mut h = lo + 1;
            while h < hi {
                let up = if h + 2 <= next_hi { log_add(w0, w1 + self.rho[band.index(j + 1, h)]) } else { w0 };
                let down = if h - 2 >= next_lo { log_add(w1, w0 - self.rho[band.index(j + 1, h - 2)]) } else { w1 };
                self.rho[band.index(j, h - 1)] = log_q + up - down;
                h += 2;
            }
        }
    }

    /// Whether the end can be reached from a height with non-zero weight.
    pub fn allows(&self, bond: usize, h: i32) -> bool {
        (self.alive[bond].0..=self.alive[bond].1).contains(&h)
    }

    /// Heights of non-zero partition sum at a bond.
    pub fn alive(&self, bond: usize) -> (i32, i32) {
        self.alive[bond]
    }

    /// `ρ_bond(h)` as stored (for `h ± 1` both alive).
    pub fn ratio(&self, band: &Band, bond: usize, h: i32) -> f64 {
        self.rho[band.index(bond, h - 1)]
    }

    /// The steps that can follow an alive height at `bond`.
    #[inline]
    pub fn step(&self, band: &Band, bond: usize, h: i32) -> Step {
        let (lo, hi) = self.alive[bond + 1];
        if h - 1 < lo {
            Step::Up
        } else if h + 1 > hi {
            Step::Down
        } else {
            Step::Either(self.ratio(band, bond + 1, h))
        }
    }

    /// Log-odds of an up step from a height, site weights included; ±∞ for a forced step.
    pub fn log_odds(&self, band: &Band, bond: usize, h: i32) -> f64 {
        match self.step(band, bond, h) {
            Step::Up => f64::INFINITY,
            Step::Down => f64::NEG_INFINITY,
            Step::Either(rho) => {
                let [w0, w1] = self.weights[bond];
                w1.ln() - w0.ln() + if self.logarithmic { rho } else { rho.ln() }
            }
        }
    }

    /// The step to take for a uniform `u` in `[0, 1)`.
    #[inline]
    pub fn goes_up(&self, band: &Band, bond: usize, h: i32, u: f64) -> bool {
        match self.step(band, bond, h) {
            Step::Up => true,
            Step::Down => false,
            Step::Either(rho) if !self.logarithmic => {
                let [w0, w1] = self.weights[bond];
                u * (w0 + w1 * rho) < w1 * rho
            }
            Step::Either(_) => u < sigmoid(self.log_odds(band, bond, h)),
        }
    }

    /// Multiplies `probability` by that of one step.
    #[inline]
    pub fn score_step(&self, band: &Band, bond: usize, h: i32, up: bool, probability: &mut Magnitude) {
        match self.step(band, bond, h) {
            Step::Up if up => {}
            Step::Down if !up => {}
            Step::Up | Step::Down => *probability = Magnitude::ZERO,
            Step::Either(rho) if !self.logarithmic => {
                let [w0, w1] = self.weights[bond];
                probability.times(1.0 / (w0 + w1 * rho));
                if up {
                    probability.times(w1);
                    probability.times(rho);
                } else {
                    probability.times(w0);
                }
            }
            Step::Either(_) => {
                let odds = self.log_odds(band, bond, h);
                probability.times_exp(-log_add(0.0, if up { -odds } else { odds }));
            }
        }
    }

    /// `log Σ_x P(x) ∏ w_j(x_j)` in nats, `P` being the law of `prior` on the same band.
    ///
    /// Any path gives it as `P(x) w(x) / P(x|w)`; the one of likeliest steps keeps every factor moderate.
    pub fn log_evidence(&self, band: &Band, prior: &Transfer) -> f64 {
        let (mut tilt, mut log_prior, mut h) = (Magnitude::ONE, 0.0, 0);
        for j in 0..band.sites() {
            let [w0, w1] = self.weights[j];
            let odds = self.log_odds(band, j, h);
            let up = odds > 0.0;
            tilt.times(if up { w1 } else { w0 });
            tilt.times_exp(log_add(0.0, if up { -odds } else { odds }));
            let prior_odds = prior.log_odds(band, j, h);
            log_prior -= log_add(0.0, if up { -prior_odds } else { prior_odds });
            h += if up { 1 } else { -1 };
        }
        tilt.ln() + log_prior
    }

    /// Multiplies a term by a stored ratio.
    pub fn times_ratio(&self, band: &Band, bond: usize, h: i32, term: &mut Magnitude) {
        let rho = self.ratio(band, bond, h);
        if self.logarithmic { term.times_exp(rho) } else { term.times(rho) }
    }
}
