//! Reverse rates of a batch straight from conditional marginals, `factor · Q_j(b → y_j) p_j(b) / p_j(y_j)`:
//! one pass in their place.

use ndarray::Array3;
use rayon::prelude::*;

use super::scores::SITES_PER_TASK;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::noise::Noise;

/// `factor · Q_j(b → y_j) p_j(b) / p_j(y_j)` in place of conditional marginals of shape
/// `(samples, sites, d_out_max)`, zero at `b = y_j`: with `β(t)` the rates of the reverse process in time,
/// with 1 those in the elapsed `τ`.
///
/// # Errors
/// [`Error::Shape`]; configurations of the wrong shape or out of range; [`Error::ZeroEvidence`] for a row
/// with `p_j(y_j) = 0`; [`Error::Negative`] and [`Error::NotFinite`].
pub(super) fn rates_in_place(noise: &Noise, factor: f64, y: Configs<'_>, p: Array3<f64>) -> Result<Array3<f64>> {
    check_configs(y, noise.dims_out())?;
    let (sites, d) = (noise.sites(), noise.dims_out().iter().copied().max().unwrap_or(0));
    if p.dim() != (y.nrows(), sites, d) {
        let expected = vec![y.nrows(), sites, d];
        return Err(Error::Shape { field: "conditional marginals", expected, got: p.shape().to_vec() });
    }
    // Rates into each state, `(site, to, from)`: one contiguous row a site and state.
    let mut into = Array3::<f64>::zeros((sites, d, d));
    for (j, mut into) in into.outer_iter_mut().enumerate() {
        let q = noise.rates().matrix(j);
        q.indexed_iter().filter(|((a, b), _)| a != b).for_each(|((a, b), &rate)| into[[b, a]] = factor * rate);
    }
    let into = into.as_slice().unwrap_or(&[]);
    let work = |(row, rates): (usize, &mut [f64])| -> Result<()> {
        for (j, (rates, &to)) in rates.chunks_exact_mut(d).zip(y.row(row)).enumerate() {
            let stay = rates[usize::from(to)];
            let field = "conditional marginals";
            if !stay.is_finite() {
                return Err(Error::NotFinite { field, site: j, value: stay });
            }
            if stay < 0.0 {
                return Err(Error::Negative { field, site: j, value: stay });
            }
            if stay == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            let (inverse, q) = (1.0 / stay, &into[(j * d + usize::from(to)) * d..][..d]);
            let mut sum = 0.0;
            for (rate, &q) in rates.iter_mut().zip(q) {
                // A tiny p_j(y_j) has no finite inverse; the quotient may still be in range.
                let ratio = if inverse.is_finite() { *rate * inverse } else { *rate / stay };
                *rate = if q == 0.0 { 0.0 } else { ratio * q };
                sum += rate.abs();
                if *rate < 0.0 {
                    return Err(Error::Negative { field: "reverse rate", site: j, value: *rate });
                }
            }
            if !sum.is_finite() {
                return Err(Error::NotFinite { field: "reverse rate", site: j, value: sum });
            }
        }
        Ok(())
    };
    let mut p = if p.is_standard_layout() { p } else { p.as_standard_layout().into_owned() };
    let rows = p.as_slice_mut().expect("standard layout").par_chunks_mut(sites * d).enumerate();
    let failed = rows.with_min_len(SITES_PER_TASK.div_ceil(sites)).filter_map(|row| work(row).err());
    match failed.find_first(|_| true) {
        Some(error) => Err(error),
        None => Ok(p),
    }
}
