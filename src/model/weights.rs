//! Site weights: the tilt `∏_j w_j(x_j)`.

use ndarray::{ArrayView2, ArrayView3, s};

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};

/// A product of non-negative site weights, for all rows of a batch or for each row.
#[derive(Debug, Clone, Copy)]
pub enum SiteWeights<'a> {
    /// `w = 1`: the plain law.
    Uniform,
    /// One table for all rows, shape `(sites, d_max)`; padding is ignored.
    Shared(ArrayView2<'a, f64>),
    /// The likelihood of observed configurations: row `i` has `w_j(a) = tables[j, a, y[i, j]]`.
    Observed {
        /// Kernels `K_j(a → b)`, shape `(sites, d_in_max, d_out_max)`; padding must be zero.
        tables: ArrayView3<'a, f64>,
        /// States before the kernel of each site, length `sites`: those of the model.
        dims_in: &'a [usize],
        /// States after the kernel of each site, length `sites`.
        dims_out: &'a [usize],
        /// Observed configurations, shape `(samples, sites)`, states below `dims_out`.
        y: Configs<'a>,
    },
    /// One table a row, shape `(samples, sites, d_max)`; padding is ignored.
    PerRow(ArrayView3<'a, f64>),
}

impl<'a> SiteWeights<'a> {
    /// The weights of one row, in the same form.
    pub(crate) fn one_row(&self, row: usize) -> SiteWeights<'a> {
        match *self {
            SiteWeights::Observed { tables, dims_in, dims_out, y } => {
                SiteWeights::Observed { tables, dims_in, dims_out, y: y.slice_move(s![row..=row, ..]) }
            }
            SiteWeights::PerRow(w) => SiteWeights::PerRow(w.slice_move(s![row..=row, .., ..])),
            form => form,
        }
    }
}

impl SiteWeights<'_> {
    /// Number of samples that the form fixes, if it has rows.
    pub fn rows(&self) -> Option<usize> {
        match self {
            SiteWeights::Uniform | SiteWeights::Shared(_) => None,
            SiteWeights::Observed { y, .. } => Some(y.nrows()),
            SiteWeights::PerRow(w) => Some(w.dim().0),
        }
    }

    /// The weight of state `a` at `site` in `row` (`row` is ignored by forms without rows).
    ///
    /// # Panics
    /// If an index is out of range.
    pub fn get(&self, row: usize, site: usize, a: usize) -> f64 {
        match self {
            SiteWeights::Uniform => 1.0,
            SiteWeights::Shared(w) => w[[site, a]],
            SiteWeights::Observed { tables, y, .. } => tables[[site, a, y[[row, site]].into()]],
            SiteWeights::PerRow(w) => w[[row, site, a]],
        }
    }

    /// Checks shapes, signs and the number of rows against a model.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::SampleCount`] (when the form has rows and `samples` is given),
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Negative`], [`Error::StateOutOfRange`].
    pub fn check(&self, dims: &[usize], samples: Option<usize>) -> Result<()> {
        let sites = dims.len();
        let d_max = dims.iter().copied().max().unwrap_or(0);
        if let (Some(expected), Some(got)) = (samples, self.rows())
            && expected != got
        {
            return Err(Error::SampleCount { expected, got });
        }
        let site_count = |got| if got == sites { Ok(()) } else { Err(Error::SiteCount { expected: sites, got }) };
        let width = |got: &[usize], axis: usize| {
            if got[axis] >= d_max {
                return Ok(());
            }
            let mut expected = got.to_vec();
            expected[axis] = d_max;
            Err(Error::Shape { field: "site weights", expected, got: got.to_vec() })
        };
        match self {
            SiteWeights::Uniform => Ok(()),
            SiteWeights::Shared(w) => {
                site_count(w.nrows())?;
                width(w.shape(), 1)?;
                w.outer_iter().enumerate().try_for_each(|(j, w)| check_weights(j, w.iter().take(dims[j])))
            }
            SiteWeights::PerRow(w) => {
                site_count(w.dim().1)?;
                width(w.shape(), 2)?;
                for row in w.outer_iter() {
                    for (j, w) in row.outer_iter().enumerate() {
                        check_weights(j, w.iter().take(dims[j]))?;
                    }
                }
                Ok(())
            }
            SiteWeights::Observed { tables, dims_in, dims_out, y } => {
                match_dims(dims, dims_in)?;
                site_count(tables.dim().0)?;
                site_count(dims_out.len())?;
                width(tables.shape(), 1)?;
                let out = dims_out.iter().copied().max().unwrap_or(0);
                if tables.dim().2 < out {
                    let (n, d, got) = tables.dim();
                    return Err(Error::Shape {
                        field: "site weights",
                        expected: vec![n, d, out],
                        got: vec![n, d, got],
                    });
                }
                for (j, table) in tables.outer_iter().enumerate() {
                    check_weights(j, table.iter())?;
                }
                check_configs(*y, dims_out)
            }
        }
    }
}

/// Finite and non-negative, or the error that names the site.
fn check_weights<'a>(site: usize, mut weights: impl Iterator<Item = &'a f64>) -> Result<()> {
    match weights.find(|w| !w.is_finite() || **w < 0.0) {
        None => Ok(()),
        Some(&value) if value.is_finite() => Err(Error::Negative { field: "site weights", site, value }),
        Some(&value) => Err(Error::NotFinite { field: "site weights", site, value }),
    }
}
