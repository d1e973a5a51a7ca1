//! Exact averages of the Fredkin chain at equilibrium.
//!
//! The law is a Markov chain in the height: `P(n_{j+1} = 1 | h_j)` has odds `ρ_{j+1}(h_j)` (transfer.rs). One
//! forward pass gives the marginals `P(h_j)`; the other averages are sums of terms of one sign:
//!
//! ```text
//! log Z = −Σ ln P(step) along 1010…10, where k = 0        S = Σ P(h_j) H₂(p_j(h_j))
//! Var k = Σ P(h_j) p_j (1−p_j) (E[k|up] − E[k|down])²      E[k|up] − E[k|down] = d ln ρ / d ln q,
//! ```
//!
//! so that means, variances and entropies keep their relative accuracy from the flat to the tent-shaped phase
//! and for `N ≥ 10⁴`. Connected correlations run on differences `E[n_j | h+1] − E[n_j | h−1]`, which obey a
//! recursion with positive coefficients. Cost: O(N²) time, two tables of N²/8 numbers.

use std::ops::ControlFlow;

use ndarray::Array1;

use super::band::Band;
use super::chain::Fredkin;
use super::transfer::{Transfer, log_add, sigmoid};
use crate::error::{Error, Result};

/// Exact equilibrium averages of a [`Fredkin`] chain.
#[derive(Debug, Clone)]
pub struct Equilibrium {
    band: Band,
    transfer: Transfer,
    marginals: Vec<f64>,
    log_z: f64,
    k: (f64, f64),
    entropy: f64,
}

/// The law of a chain given by log-odds on a band, as marginals of the heights: a flat table.
pub(super) fn marginals(band: &Band, transfer: &Transfer) -> Vec<f64> {
    let mut table = vec![0.0; band.len()];
    table[0] = 1.0;
    for j in 0..band.sites() {
        for h in band.heights(j) {
            let (mass, odds) = (table[band.index(j, h)], transfer.log_odds(band, j, h));
            if odds > f64::NEG_INFINITY {
                table[band.index(j + 1, h + 1)] += mass * sigmoid(odds);
            }
            if odds < f64::INFINITY {
                table[band.index(j + 1, h - 1)] += mass * sigmoid(-odds);
            }
        }
    }
    table
}

/// `log Z` of a band from its lowest path: `ln q^k − Σ ln P(step)`.
pub(super) fn log_partition(band: &Band, transfer: &Transfer, log_q: f64) -> f64 {
    let (mut k, mut surprise) = (0i64, 0.0);
    for j in 0..band.sites() {
        let (h, next) = (band.range(j).0, band.range(j + 1).0);
        k += i64::from(next / 2);
        // An up step of the lowest path is forced.
        if next < h {
            surprise += log_add(0.0, transfer.log_odds(band, j, h));
        }
    }
    k as f64 * log_q + surprise
}

impl Fredkin {
    /// The exact averages at equilibrium (see [`Equilibrium::new`]).
    ///
    /// # Errors
    /// [`Error::TooLarge`] above about 45,000 sites.
    pub fn equilibrium(&self) -> Result<Equilibrium> {
        Equilibrium::new(self)
    }
}

impl Equilibrium {
    /// Computes the averages of a chain: O(N²) time, two tables of N²/8 numbers.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above about 45,000 sites.
    pub fn new(chain: &Fredkin) -> Result<Self> {
        let band = Band::dyck(chain.sites())?;
        let transfer = Transfer::prior(&band, chain.log_q());
        let marginals = marginals(&band, &transfer);
        let log_z = log_partition(&band, &transfer, chain.log_q());
        let k = k_moments(&band, &transfer, &marginals);
        let mut entropy = 0.0;
        for j in 0..band.sites() {
            for h in band.heights(j) {
                let odds = transfer.log_odds(&band, j, h);
                if odds.is_finite() {
                    let step = sigmoid(odds) * log_add(0.0, -odds) + sigmoid(-odds) * log_add(0.0, odds);
                    entropy += marginals[band.index(j, h)] * step;
                }
            }
        }
        Ok(Equilibrium { band, transfer, marginals, log_z, k, entropy })
    }

    /// `log Z = log Σ q^k` over the Dyck sector, in nats.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Mean of `k = (Σ_j h_j − N/2)/2`.
    pub fn k_mean(&self) -> f64 {
        self.k.0
    }

    /// Variance of `k`.
    pub fn k_var(&self) -> f64 {
        self.k.1
    }

    /// Mean of the area `Σ_j h_j`.
    pub fn area_mean(&self) -> f64 {
        self.band.sites() as f64 / 2.0 + 2.0 * self.k.0
    }

    /// Variance of the area `Σ_j h_j`.
    pub fn area_var(&self) -> f64 {
        4.0 * self.k.1
    }

    /// Entropy `−Σ P ln P` in nats.
    pub fn entropy(&self) -> f64 {
        self.entropy
    }

    /// Mean heights `⟨h_j⟩` after each site, shape `(sites,)`.
    pub fn height_profile(&self) -> Array1<f64> {
        let mean = |j| self.band.heights(j).map(|h| f64::from(h) * self.marginals[self.band.index(j, h)]).sum();
        (1..=self.band.sites()).map(mean).collect()
    }

    /// Probability of an up step at each site, `⟨n_j⟩`, shape `(sites,)`.
    pub fn density(&self) -> Array1<f64> {
        (0..self.band.sites()).map(|site| self.occupation(site).0).collect()
    }

    /// The law of the height after `site` (counted from zero), as pairs (height, probability).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range.
    pub fn height_law(&self, site: usize) -> Result<Vec<(i32, f64)>> {
        self.check_site(site)?;
        let bond = site + 1;
        Ok(self.band.heights(bond).map(|h| (h, self.marginals[self.band.index(bond, h)])).collect())
    }

    /// `⟨n_i n_j⟩` for sites counted from zero. Cost: O(N |i−j|).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range.
    pub fn two_point(&self, i: usize, j: usize) -> Result<f64> {
        Ok(self.pair(i, j)?.0)
    }

    /// `⟨n_i n_j⟩ − ⟨n_i⟩⟨n_j⟩`, to relative accuracy however small. Cost: O(N |i−j|).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range.
    pub fn connected(&self, i: usize, j: usize) -> Result<f64> {
        Ok(self.pair(i, j)?.1)
    }

    /// `⟨n_i n_j⟩` and its connected part for all `i < j`: two arrays of length `j`. Cost: O(N j).
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range.
    pub fn correlations(&self, j: usize) -> Result<(Array1<f64>, Array1<f64>)> {
        self.check_site(j)?;
        let (mut full, mut connected) = (Array1::zeros(j), Array1::zeros(j));
        self.pairs_down_from(j, |i, nn, conn| {
            (full[i], connected[i]) = (nn, conn);
            ControlFlow::Continue(())
        });
        Ok((full, connected))
    }

    pub(super) fn into_parts(self) -> (Band, Transfer, Vec<f64>, f64) {
        (self.band, self.transfer, self.marginals, self.log_z)
    }

    fn check_site(&self, site: usize) -> Result<()> {
        if site < self.band.sites() {
            return Ok(());
        }
        Err(Error::parameter("site", site, "below the number of sites"))
    }

    fn pair(&self, i: usize, j: usize) -> Result<(f64, f64)> {
        self.check_site(i)?;
        self.check_site(j)?;
        let (i, j) = (i.min(j), i.max(j));
        if i == j {
            let (up, down) = self.occupation(i);
            return Ok((up, up * down));
        }
        let mut result = (0.0, 0.0);
        self.pairs_down_from(j, |site, nn, conn| {
            result = (nn, conn);
            if site == i { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        Ok(result)
    }

    /// Probabilities of an up and of a down step at a site, each a sum of positive terms.
    fn occupation(&self, site: usize) -> (f64, f64) {
        self.band.heights(site).fold((0.0, 0.0), |(up, down), h| {
            let (mass, odds) = (self.marginals[self.band.index(site, h)], self.transfer.log_odds(&self.band, site, h));
            (up + mass * sigmoid(odds), down + mass * sigmoid(-odds))
        })
    }

    /// Difference of the up probabilities from `h+1` and `h−1` at a bond.
    fn up_difference(&self, bond: usize, h: i32) -> f64 {
        let upper = self.transfer.log_odds(&self.band, bond, h + 1);
        let lower = self.transfer.log_odds(&self.band, bond, h - 1);
        if upper == lower { 0.0 } else { sigmoid(lower) * sigmoid(-upper) * (upper - lower).exp_m1() }
    }

    /// Visits `i = j−1, …, 0` with `⟨n_i n_j⟩` and its connected part.
    ///
    /// With `f(h) = E[n_j | h]` after site `i`: `⟨n_i n_j⟩ = Σ P p f(h+1)` over the heights before site `i`,
    /// and the connected part is `Σ P p(1−p) [f(h+1) − f(h−1)] + Cov(p, E[n_j | h])`, the covariance by
    /// Hoeffding's formula on the differences of both functions.
    fn pairs_down_from(&self, j: usize, mut visit: impl FnMut(usize, f64, f64) -> ControlFlow<()>) {
        let band = &self.band;
        let odds = |bond, h| self.transfer.log_odds(band, bond, h);
        let mut f: Vec<f64> = band.heights(j).map(|h| sigmoid(odds(j, h))).collect();
        let mut df: Vec<f64> = band.heights(j).skip(1).map(|h| self.up_difference(j, h - 1)).collect();
        for i in (0..j).rev() {
            // f and df live on the bond i+1, after site i.
            let lo_next = band.range(i + 1).0;
            let place = |h: i32| ((h - lo_next) / 2) as usize;
            let (mut nn, mut conn) = (0.0, 0.0);
            let (mut f_new, mut df_new) = (Vec::with_capacity(band.width(i)), Vec::new());
            for h in band.heights(i) {
                let (mass, odds_here) = (self.marginals[band.index(i, h)], odds(i, h));
                let (p, p_bar) = (sigmoid(odds_here), sigmoid(-odds_here));
                let above = if odds_here > f64::NEG_INFINITY { f[place(h + 1)] } else { 0.0 };
                let below = if odds_here < f64::INFINITY { f[place(h - 1)] } else { 0.0 };
                nn += mass * p * above;
                if odds_here.is_finite() {
                    conn += mass * p * p_bar * df[place(h - 1)];
                }
                f_new.push(p * above + p_bar * below);
            }
            let mut dp = Vec::with_capacity(band.width(i));
            for h in band.heights(i).skip(1).map(|h| h - 1) {
                let (upper, lower) = (odds(i, h + 1), odds(i, h - 1));
                let above = if upper > f64::NEG_INFINITY { sigmoid(upper) * df[place(h)] } else { 0.0 };
                let below = if lower < f64::INFINITY { sigmoid(-lower) * df[place(h - 2)] } else { 0.0 };
                df_new.push(above + below);
                dp.push(self.up_difference(i, h));
            }
            conn += covariance(&self.marginals[band.row(i)], &dp, &df_new);
            (f, df) = (f_new, df_new);
            if visit(i, nn, conn).is_break() {
                return;
            }
        }
    }
}

/// Covariance of two functions on an ordered set, given their successive differences:
/// `Σ_{r,s} F(min) (1 − F(max)) Δf(r) Δg(s)`.
fn covariance(law: &[f64], df: &[f64], dg: &[f64]) -> f64 {
    let mut tail = vec![0.0; df.len()];
    law.iter().skip(1).rev().zip(tail.iter_mut().rev()).fold(0.0, |sum, (p, tail)| {
        *tail = sum + p;
        *tail
    });
    let (mut below, mut sum_f, mut sum_g, mut total) = (0.0, 0.0, 0.0, 0.0);
    for r in 0..df.len() {
        below += law[r];
        // Pairs (s ≤ r): the smaller one enters with F, the larger one with 1 − F.
        let f_here = below * df[r];
        total += tail[r] * (dg[r] * (sum_f + f_here) + df[r] * sum_g);
        sum_f += f_here;
        sum_g += below * dg[r];
    }
    total
}

/// Mean and variance of `k`, from `ρ′ = d ln ρ / d ln q`: `ρ′_j(h) = 1 + p(h+1) ρ′_{j+1}(h+1) + (1 − p(h−1))
/// ρ′_{j+1}(h−1)`.
fn k_moments(band: &Band, transfer: &Transfer, marginals: &[f64]) -> (f64, f64) {
    let (mut mean, mut var) = (0.0, 0.0);
    // d log-odds / d ln q at each height of a bond, times p and times 1 − p; zero where a step is forced.
    let mut next: Vec<[f64; 2]> = vec![[0.0; 2]; band.width(band.sites())];
    for j in (0..band.sites()).rev() {
        let next_lo = band.range(j + 1).0;
        let at = |h: i32| next[((h - next_lo) / 2) as usize];
        let mut here = Vec::with_capacity(band.width(j));
        for h in band.heights(j) {
            let odds = transfer.log_odds(band, j, h);
            if !odds.is_finite() {
                here.push([0.0; 2]);
                continue;
            }
            let (p, p_bar) = (sigmoid(odds), sigmoid(-odds));
            let slope = 1.0 + at(h + 1)[0] + at(h - 1)[1];
            var += marginals[band.index(j, h)] * p * p_bar * slope * slope;
            if h == 1 {
                // Steps down of the path 1010…10, whose probability is 1/Z.
                mean += p * slope;
            }
            here.push([p * slope, p_bar * slope]);
        }
        next = here;
    }
    (mean, var)
}
