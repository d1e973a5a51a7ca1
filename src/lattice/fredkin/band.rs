//! The heights kept at each bond: an interval `lo_j, lo_j+2, …, hi_j`, `j = 0..=N`, and the layout of tables
//! over (bond, height).
//!
//! Invariant: every kept height lies on a path from `h_0 = 0` to `h_N = 0` through kept heights. Such *bands*
//! are closed under conditioning on single sites (transfer.rs relies on intervals without holes).

use crate::error::{Error, Result};

/// Largest table over (bond, height), in entries: 2 GiB of f64.
const TABLE_LIMIT: usize = 1 << 28;

/// Kept heights `lo_j..=hi_j` (step two) of each bond, with the offset of its row in a flat table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Band {
    lo: Vec<i32>,
    hi: Vec<i32>,
    offset: Vec<usize>,
}

impl Band {
    /// All heights of Dyck paths: `0 ≤ h_j ≤ min(j, N−j)`.
    pub fn dyck(sites: usize) -> Result<Self> {
        // Σ_j (⌊min(j, N−j)/2⌋ + 1) ≤ (N/4 + 1)(N + 1)
        let size = (sites / 4 + 1).saturating_mul(sites + 1) / 2;
        if size > TABLE_LIMIT {
            return Err(Error::TooLarge { what: "table of heights by bonds", size, limit: TABLE_LIMIT });
        }
        let lo = (0..=sites).map(|j| (j % 2) as i32).collect();
        let hi = (0..=sites).map(|j| j.min(sites - j) as i32).collect();
        Ok(Self::with_offsets(lo, hi))
    }

    fn with_offsets(lo: Vec<i32>, hi: Vec<i32>) -> Self {
        let mut offset = vec![0];
        for (lo, hi) in lo.iter().zip(&hi) {
            offset.push(offset[offset.len() - 1] + ((hi - lo) / 2 + 1) as usize);
        }
        Band { lo, hi, offset }
    }

    /// The band of the `chi` likeliest heights of each bond under a law over this band (a table of marginals,
    /// unimodal at each bond), without heights that lie on no path through kept heights.
    pub fn likeliest(&self, marginals: &[f64], chi: usize) -> Result<Self> {
        if chi == 0 {
            return Err(Error::parameter("chi", chi, "at least 1"));
        }
        let sites = self.sites();
        let (mut lo, mut hi) = (Vec::new(), Vec::new());
        for j in 0..=sites {
            let law = &marginals[self.row(j)];
            let mode = (0..law.len()).fold(0, |best, i| if law[i] > law[best] { i } else { best });
            let (mut first, mut last) = (mode, mode);
            while last - first + 1 < chi.min(law.len()) {
                let below = if first > 0 { law[first - 1] } else { -1.0 };
                let above = if last + 1 < law.len() { law[last + 1] } else { -1.0 };
                if below >= above { first -= 1 } else { last += 1 }
            }
            lo.push(self.lo[j] + 2 * first as i32);
            hi.push(self.lo[j] + 2 * last as i32);
        }
        for j in 1..=sites {
            lo[j] = lo[j].max(lo[j - 1] - 1);
            hi[j] = hi[j].min(hi[j - 1] + 1);
        }
        for j in (0..sites).rev() {
            lo[j] = lo[j].max(lo[j + 1] - 1);
            hi[j] = hi[j].min(hi[j + 1] + 1);
        }
        if lo.iter().zip(&hi).any(|(lo, hi)| lo > hi) {
            return Err(Error::ZeroWeight { what: "the truncated Fredkin chain" });
        }
        Ok(Self::with_offsets(lo, hi))
    }

    /// The band of the paths read backwards.
    pub fn mirror(&self) -> Self {
        Self::with_offsets(self.lo.iter().rev().copied().collect(), self.hi.iter().rev().copied().collect())
    }

    pub fn sites(&self) -> usize {
        self.lo.len() - 1
    }

    /// Smallest and largest kept height at a bond.
    pub fn range(&self, bond: usize) -> (i32, i32) {
        (self.lo[bond], self.hi[bond])
    }

    pub fn heights(&self, bond: usize) -> impl DoubleEndedIterator<Item = i32> + use<> {
        let lo = self.lo[bond];
        (0..self.width(bond) as i32).map(move |i| lo + 2 * i)
    }

    /// Number of kept heights at a bond.
    pub fn width(&self, bond: usize) -> usize {
        self.offset[bond + 1] - self.offset[bond]
    }

    pub fn contains(&self, bond: usize, h: i32) -> bool {
        (self.lo[bond]..=self.hi[bond]).contains(&h)
    }

    /// Place of (bond, height) in a flat table.
    #[inline]
    pub fn index(&self, bond: usize, h: i32) -> usize {
        self.offset[bond] + ((h - self.lo[bond]) / 2) as usize
    }

    /// Places of a bond in a flat table.
    pub fn row(&self, bond: usize) -> std::ops::Range<usize> {
        self.offset[bond]..self.offset[bond + 1]
    }

    /// Entries of a flat table.
    pub fn len(&self) -> usize {
        self.offset[self.sites() + 1]
    }
}
