//! Models of two states as odds.
//!
//! ```text
//! ∏_j w_j^{x_j} ∏_bonds t_b^{x_i ⊕ x_j},      x ∈ {0, 1},
//! ```
//!
//! up to a constant: every positive table of two states is a coupling and a factor at each end,
//! `ln T(a, b) = c + h a + h' b + ln t · (a ⊕ b)`. One number a site and a bond, which is all that a law
//! needs.

use super::geometry::{Bond, Square};
use super::pair::PairModel;
use crate::model::Target;

/// Largest `|ln t|` and `|ln w|` that products of some of them in single precision have room for.
const BOND: f64 = 15.0;
const SITE: f64 = 30.0;

/// Whether odds of a site are positive and within the range of single precision.
pub(super) fn fits(odds: f32) -> bool {
    const LEAST: f32 = 1e-13;
    odds > LEAST && odds < 1.0 / LEAST
}

/// The odds of a model of two states with nearest-neighbour bonds and nothing forbidden.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    lattice: Square,
    /// `ln w` by site.
    log_sites: Vec<f64>,
    /// `ln t` of the bonds to the right and below, by site; zero where there is none.
    log_right: Vec<f64>,
    log_below: Vec<f64>,
    /// Their exponentials.
    pub sites: Vec<f32>,
    pub right: Vec<f32>,
    pub below: Vec<f32>,
}

impl Odds {
    /// Of a model; none where it has other than two states, bonds along diagonals, something forbidden, or
    /// weights beyond the range of single precision.
    pub(super) fn of(model: &PairModel) -> Option<Self> {
        let lattice = model.lattice();
        if model.dims().iter().any(|&d| d != 2) || lattice.diagonals() != (false, false) || model.is_constrained() {
            return None;
        }
        let sites = 0..lattice.sites();
        let mut log_sites: Vec<f64> =
            sites.map(|j| model.site_log_weights(j)[1] - model.site_log_weights(j)[0]).collect();
        let (mut log_right, mut log_below) = (vec![0.0; lattice.sites()], vec![0.0; lattice.sites()]);
        for (bond, i, j) in lattice.bonds() {
            let t = model.bond_log_weights(bond);
            let (even, odd) = (t[[1, 1]] - t[[0, 0]], t[[1, 0]] - t[[0, 1]]);
            log_sites[i] += (even + odd) / 2.0;
            log_sites[j] += (even - odd) / 2.0;
            let log = if matches!(bond, Bond::Horizontal(_)) { &mut log_right } else { &mut log_below };
            log[i] = (t[[0, 1]] + t[[1, 0]] - t[[0, 0]] - t[[1, 1]]) / 2.0;
        }
        let within = |log: &[f64], most: f64| log.iter().all(|l| l.abs() <= most);
        if !within(&log_right, BOND) || !within(&log_below, BOND) || !within(&log_sites, SITE) {
            return None;
        }
        let exp = |log: &[f64]| log.iter().map(|l| l.exp() as f32).collect();
        let (sites, right, below) = (exp(&log_sites), exp(&log_right), exp(&log_below));
        Some(Odds { lattice, log_sites, log_right, log_below, sites, right, below })
    }

    /// The lattice.
    pub(super) fn lattice(&self) -> Square {
        self.lattice
    }

    /// Log-odds of a site whose neighbours in some directions (right, left, below, above) are frozen as in
    /// `x`.
    pub(super) fn frozen(&self, site: usize, directions: [bool; 4], x: &[u8]) -> f64 {
        if directions == [false; 4] {
            return self.log_sites[site];
        }
        let neighbours = self.lattice.nearest(site);
        let term = |k: usize| {
            let Some(n) = neighbours[k].filter(|_| directions[k]) else { return 0.0 };
            let bonds = if k < 2 { &self.log_right } else { &self.log_below };
            let log = bonds[if n.first { site } else { n.site }];
            if x[n.site] == 0 { log } else { -log }
        };
        self.log_sites[site] + (0..4).map(term).sum::<f64>()
    }

    /// Log-weight of the states `new` of a window less that of the states `old`; `sites` the sites of the
    /// window, `cols` in a row, with these log-odds.
    pub(super) fn log_ratio(&self, sites: &[usize], cols: usize, log_odds: &[f64], new: &[u8], old: &[u8]) -> f64 {
        let differ = |x: &[u8], i: usize, k: usize| f64::from(x[i] ^ x[k]);
        let mut sum = 0.0;
        for (i, &site) in sites.iter().enumerate() {
            sum += log_odds[i] * (f64::from(new[i]) - f64::from(old[i]));
            if (i + 1) % cols != 0 {
                sum += self.log_right[site] * (differ(new, i, i + 1) - differ(old, i, i + 1));
            }
            if i + cols < sites.len() {
                sum += self.log_below[site] * (differ(new, i, i + cols) - differ(old, i, i + cols));
            }
        }
        sum
    }
}
