//! Whether a snapshot of a ladder is one of a given instance.

use super::ising::CubicIsing;
use crate::error::{Error, Result};
use crate::mcmc::ReplicasSnapshot;
use crate::model::Target;

/// Checks a snapshot of `copies` copies of a ladder of one instance, `walkers` of which have walkers.
///
/// # Errors
/// [`Error::Entries`] for other numbers of levels or copies, [`Error::Entry`] for a level of another
/// parameter and a configuration whose log-weight is not that of this instance to 10⁻⁹.
pub(super) fn check_snapshot(
    ising: &CubicIsing,
    ladder: &[f64],
    (copies, with_walkers): (usize, usize),
    snapshot: &ReplicasSnapshot,
) -> Result<()> {
    let ReplicasSnapshot { parameters, x, log_weight, walkers, .. } = snapshot;
    let levels = ladder.len();
    for (place, expected, got) in [
        ("parameters", levels, parameters.len()),
        ("x", levels, x.len()),
        ("log_weight", levels, log_weight.len()),
        ("walkers", with_walkers, walkers.len()),
    ] {
        if expected != got {
            return Err(Error::Entries { place: place.into(), expected, got });
        }
    }
    for (k, walkers) in walkers.iter().enumerate() {
        let got = walkers.at().len();
        if got != levels {
            return Err(Error::Entries { place: format!("walkers[{k}]"), expected: levels, got });
        }
    }
    for (k, (&own, &value)) in ladder.iter().zip(parameters).enumerate() {
        if value.is_nan() || (own - value).abs() > 1e-12 * own.abs() {
            let place = format!("parameters[{k}]");
            return Err(Error::Entry { place, value, expected: "the parameter of that level" });
        }
        let found = ising.at(own)?.log_weight(x[k].view())?;
        let off = |(said, own): (&f64, &f64)| said.is_nan() || (said - own).abs() > 1e-9 * (1.0 + own.abs());
        if log_weight[k].len() != found.len() || log_weight[k].iter().zip(&found).any(off) {
            let (place, value) = (format!("log_weight[{k}]"), log_weight[k].first().copied().unwrap_or(f64::NAN));
            return Err(Error::Entry { place, value, expected: "the log-weights that this instance gives" });
        }
        if x[k].nrows() != copies {
            return Err(Error::Entries { place: format!("x[{k}]"), expected: copies, got: x[k].nrows() });
        }
    }
    Ok(())
}
