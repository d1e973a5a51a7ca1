//! Batches of configurations: `(samples, sites)` arrays of states.

use ndarray::ArrayView2;

use crate::error::{Error, Result};

/// A batch of configurations, shape `(samples, sites)`; site `j` has states `0..dims[j]`, `dims[j] ≤ 256`.
pub type Configs<'a> = ArrayView2<'a, u8>;

/// Checks that a batch fits the local dimensions.
///
/// # Errors
/// [`Error::SiteCount`] or [`Error::StateOutOfRange`] with the first offending row and site.
pub fn check_configs(x: Configs<'_>, dims: &[usize]) -> Result<()> {
    if x.ncols() != dims.len() {
        return Err(Error::SiteCount { expected: dims.len(), got: x.ncols() });
    }
    for (row, config) in x.outer_iter().enumerate() {
        if let Some(site) = config.iter().zip(dims).position(|(&a, &d)| usize::from(a) >= d) {
            return Err(Error::StateOutOfRange { row, site, state: config[site].into(), dim: dims[site] });
        }
    }
    Ok(())
}

/// Checks that two objects have the same sites and local dimensions.
pub(crate) fn match_dims(expected: &[usize], got: &[usize]) -> Result<()> {
    if expected.len() != got.len() {
        return Err(Error::SiteCount { expected: expected.len(), got: got.len() });
    }
    match expected.iter().zip(got).position(|(e, g)| e != g) {
        Some(site) => Err(Error::LocalDimension { site, expected: expected[site], got: got[site] }),
        None => Ok(()),
    }
}
