//! Configurations of the Fredkin chain: heights, area, sectors, enumeration.
//!
//! Deleting matched pairs `10` until none is left reduces every configuration to a word `0^a 1^b`; `(a, b)`
//! names the connected component (sector) of the dynamics, `(0, 0)` that of the Dyck paths.

use ndarray::{Array1, Array2, ArrayView1};

use super::chain::Fredkin;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};

/// Largest enumeration, in entries of the resulting array.
const ENUMERATION_LIMIT: usize = 1 << 28;

/// Number of configurations with a given number of unmatched steps; `None` where it overflows.
fn sector_size(sites: usize, unmatched: usize) -> Option<usize> {
    // Ballot numbers: C(N, m) − C(N, m − 1) with m matched pairs, whatever the split of the unmatched steps.
    let pairs = (sites - unmatched) / 2;
    let (mut binomial, mut previous) = (1u128, 0u128);
    for i in 0..pairs as u128 {
        previous = binomial;
        binomial = binomial.checked_mul(sites as u128 - i)? / (i + 1);
    }
    usize::try_from(binomial - previous).ok()
}

impl Fredkin {
    /// Heights `h_j` after each site, shape `(samples, sites)`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn heights(&self, x: Configs<'_>) -> Result<Array2<i32>> {
        check_configs(x, &self.dims)?;
        let mut heights = x.mapv(|a| 2 * i32::from(a) - 1);
        for mut row in heights.outer_iter_mut() {
            let mut h = 0;
            row.iter_mut().for_each(|step| {
                h += *step;
                *step = h;
            });
        }
        Ok(heights)
    }

    /// Area `Σ_j h_j` of each configuration (negative heights count negatively), shape `(samples,)`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn area(&self, x: Configs<'_>) -> Result<Array1<i64>> {
        check_configs(x, &self.dims)?;
        let area = |row: ArrayView1<'_, u8>| {
            let mut h = 0;
            row.iter().fold(0, |area, &a| {
                h += 2 * i64::from(a) - 1;
                area + h
            })
        };
        Ok(x.outer_iter().map(area).collect())
    }

    /// The sector `(a, b)` of each configuration: what is left after deleting matched pairs `10` is the word
    /// `0^a 1^b`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn sectors(&self, x: Configs<'_>) -> Result<Vec<(usize, usize)>> {
        check_configs(x, &self.dims)?;
        let reduce = |row: ArrayView1<'_, u8>| {
            row.iter().fold((0, 0), |(a, b), &n| match (n, b) {
                (1, _) => (a, b + 1),
                (_, 0) => (a + 1, 0),
                _ => (a, b - 1),
            })
        };
        Ok(x.outer_iter().map(reduce).collect())
    }

    /// All configurations of the sector `(a, b)`, in lexicographic order, shape `(states, sites)`; the Dyck
    /// sector `(0, 0)` has Catalan(N/2) states.
    ///
    /// # Errors
    /// [`Error::Parameter`] where no configuration has this sector (`a + b` odd or above `N`);
    /// [`Error::TooLarge`] above 2²⁸ entries.
    pub fn enumerate_sector(&self, a: usize, b: usize) -> Result<Array2<u8>> {
        let sites = self.sites();
        let unmatched = a.saturating_add(b);
        if unmatched > sites || unmatched % 2 == 1 {
            return Err(Error::parameter(
                "sector",
                format!("({a}, {b})"),
                "a + b even and at most the number of sites",
            ));
        }
        let states = sector_size(sites, unmatched);
        let size = states.map_or(usize::MAX, |states| states.saturating_mul(sites));
        if size > ENUMERATION_LIMIT {
            return Err(Error::TooLarge { what: "enumeration of a Fredkin sector", size, limit: ENUMERATION_LIMIT });
        }
        let mut x = Array2::zeros((size / sites, sites));
        let mut rows = x.outer_iter_mut();
        let mut prefix = Vec::with_capacity(sites);
        extend(&mut prefix, (0, 0), (a, b), sites, &mut |config| {
            if let Some(mut row) = rows.next() {
                row.assign(&ArrayView1::from(config));
            }
        });
        Ok(x)
    }
}

/// Depth-first extension of a prefix with reduced word `0^a 1^b` to all configurations of the sector `goal`.
fn extend(
    prefix: &mut Vec<u8>,
    word: (usize, usize),
    goal: (usize, usize),
    sites: usize,
    visit: &mut impl FnMut(&[u8]),
) {
    let (a, b) = word;
    let left = sites - prefix.len();
    // Each missing 0 of the goal costs the present unmatched 1s first; surplus 1s must be matched.
    let needed = if a < goal.0 { b + (goal.0 - a) + goal.1 } else { b.abs_diff(goal.1) };
    if a > goal.0 || needed > left {
        return;
    }
    if left == 0 {
        return visit(prefix);
    }
    for n in [0, 1] {
        let next = match (n, b) {
            (1, _) => (a, b + 1),
            (_, 0) => (a + 1, 0),
            _ => (a, b - 1),
        };
        prefix.push(n);
        extend(prefix, next, goal, sites, visit);
        prefix.pop();
    }
}
