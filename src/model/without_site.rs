//! Cavities of rows without evidence, one site after the other.
//!
//! Weights may exclude every configuration and yet leave the cavity of a site defined, which does not see the
//! weight of that site. Models whose fast pass needs evidence fall back on the definition: `c_j(a)` is the
//! evidence of the weights with `w_j` pinned to `a`. Cost: `Σ d` evidences for a row whose cavities are all
//! defined; mostly the first site is not.

use ndarray::{Array2, Array3, ArrayViewMut2};

use super::traits::ExactModel;
use super::weights::SiteWeights;
use crate::error::{Error, Result};
use crate::log_space::log_sum_exp;

/// The cavities of one row by definition, written into zeros of shape `(sites, d_max)`.
fn cavities_by_evidence(
    model: &dyn ExactModel,
    w: &SiteWeights<'_>,
    row: usize,
    mut to: ArrayViewMut2<'_, f64>,
) -> Result<()> {
    let dims = model.dims();
    let d_max = dims.iter().copied().max().unwrap_or(1);
    let own = Array2::from_shape_fn((dims.len(), d_max), |(j, a)| if a < dims[j] { w.get(row, j, a) } else { 0.0 });
    for (j, &d) in dims.iter().enumerate() {
        let pinned = Array3::from_shape_fn((d, dims.len(), d_max), |(state, i, a)| {
            if i == j { f64::from(u8::from(a == state)) } else { own[[i, a]] }
        });
        let log = model.log_evidence(&SiteWeights::PerRow(pinned.view()))?;
        let total = log_sum_exp(&log.to_vec());
        if total == f64::NEG_INFINITY {
            return Err(Error::ZeroEvidence { row });
        }
        log.iter().enumerate().for_each(|(a, log)| to[[j, a]] = (log - total).exp());
    }
    Ok(())
}

/// The cavities that `fast` gives, and those of rows where it finds no evidence by definition.
pub(crate) fn cavities_or_by_evidence(
    model: &dyn ExactModel,
    w: &SiteWeights<'_>,
    fast: impl Fn(&SiteWeights<'_>) -> Result<Array3<f64>>,
) -> Result<Array3<f64>> {
    match fast(w) {
        Err(Error::ZeroEvidence { .. }) => {}
        other => return other,
    }
    let dims = model.dims();
    let d_max = dims.iter().copied().max().unwrap_or(1);
    let mut all = Array3::zeros((w.rows().unwrap_or(1), dims.len(), d_max));
    for (row, mut to) in all.outer_iter_mut().enumerate() {
        match fast(&w.one_row(row)) {
            Ok(found) => to.assign(&found.index_axis(ndarray::Axis(0), 0)),
            Err(Error::ZeroEvidence { .. }) => cavities_by_evidence(model, w, row, to)?,
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
