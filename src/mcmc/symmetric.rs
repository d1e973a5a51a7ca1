//! Symmetric local proposals: change of one site, exchange of two.
//!
//! Both are drawn from a law with `Q(x → x') = Q(x' → x)`: log-ratio 0. Cost: `O(1)` a row beyond copying
//! `x`.

use ndarray::{Array2, ArrayViewMut1};
use rand::RngExt;
use rayon::prelude::*;

use super::proposal::{Proposal, Proposed};
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};

/// Rows a thread takes at once: a row costs some 100 ns, a task some microseconds.
const ROWS_PER_TASK: usize = 256;

/// Changes each row of a copy of `x` with the row's own stream.
fn each_row(
    x: Configs<'_>,
    streams: &Streams,
    change: impl Fn(ArrayViewMut1<'_, u8>, &mut Stream) + Sync,
) -> Array2<u8> {
    let mut new = x.to_owned();
    new.outer_iter_mut()
        .into_par_iter()
        .with_min_len(ROWS_PER_TASK)
        .enumerate()
        .for_each(|(row, x)| change(x, &mut streams.stream(row)));
    new
}

/// Changes one site, chosen uniformly, to one of its other states, chosen uniformly.
#[derive(Debug, Clone, PartialEq)]
pub struct SingleSite {
    dims: Vec<usize>,
    /// Sites with more than one state.
    sites: Vec<usize>,
}

impl SingleSite {
    /// Acts on all sites that have more than one state.
    ///
    /// # Errors
    /// [`Error::Parameter`] if no site has more than one state, or one has more than 256.
    pub fn new(dims: &[usize]) -> Result<Self> {
        let sites: Vec<usize> = (0..dims.len()).filter(|&j| dims[j] > 1).collect();
        let largest = dims.iter().copied().max().unwrap_or(0);
        if sites.is_empty() || largest > 256 {
            return Err(Error::parameter("local dimension", largest, "2 to 256 states at some site"));
        }
        Ok(SingleSite { dims: dims.to_vec(), sites })
    }
}

impl Proposal for SingleSite {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        check_configs(x, &self.dims)?;
        let new = each_row(x, &streams.domain("single site"), |mut x, rng| {
            let j = self.sites[rng.random_range(0..self.sites.len())];
            let other = rng.random_range(0..self.dims[j] - 1);
            // The other states in order, skipping the present one.
            x[j] = (other + usize::from(other >= usize::from(x[j]))) as u8;
        });
        Ok(Proposed::symmetric(new))
    }
}

/// Exchanges the states of two sites, a pair chosen uniformly from a list: conserves the number of each
/// state.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    dims: Vec<usize>,
    pairs: Vec<(usize, usize)>,
}

impl Exchange {
    /// Acts on the given pairs of sites (the bonds of a lattice).
    ///
    /// # Errors
    /// [`Error::Parameter`] for no pairs, or a pair that is not two different sites;
    /// [`Error::LocalDimension`] for a pair of sites with different numbers of states.
    pub fn new(dims: &[usize], pairs: &[(usize, usize)]) -> Result<Self> {
        if pairs.is_empty() {
            return Err(Error::parameter("pairs", "[]", "at least one pair of sites"));
        }
        for &(i, j) in pairs {
            if i == j || i.max(j) >= dims.len() {
                return Err(Error::parameter("pair", format!("({i}, {j})"), "two different sites of the lattice"));
            }
            if dims[i] != dims[j] {
                return Err(Error::LocalDimension { site: j, expected: dims[i], got: dims[j] });
            }
        }
        Ok(Exchange { dims: dims.to_vec(), pairs: pairs.to_vec() })
    }

    /// Acts on the neighbours `(j, j+1)` of an open chain.
    ///
    /// # Errors
    /// As [`Exchange::new`]; a chain needs two sites.
    pub fn chain(dims: &[usize]) -> Result<Self> {
        let pairs: Vec<_> = (1..dims.len()).map(|j| (j - 1, j)).collect();
        Exchange::new(dims, &pairs)
    }
}

impl Proposal for Exchange {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        check_configs(x, &self.dims)?;
        let new = each_row(x, &streams.domain("exchange"), |mut x, rng| {
            let (i, j) = self.pairs[rng.random_range(0..self.pairs.len())];
            x.swap(i, j);
        });
        Ok(Proposed::symmetric(new))
    }
}
