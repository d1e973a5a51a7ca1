//! Where reverse processes start: the exact noised law, or the product prior that stands for it.

use ndarray::{Array2, s};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::noise::{Kernel, Noise, Schedule};
use crate::rng::Streams;

/// Rows of `K_∞` that differ by more than this are the mark of rates without a unique stationary law:
/// equilibrated rows agree to some 1e-13.
const SAME: f64 = 1e-9;

/// Draws from the exact `P_T`: plain draws of the model, noised. Row `i` uses stream `i` of the domain
/// `"start"`.
///
/// # Errors
/// A kernel that does not fit the model; times as [`Noise::kernel`]; errors of [`Model::sample`].
pub fn exact_start<M: Model + ?Sized>(
    model: &M,
    noise: &Noise,
    t: f64,
    samples: usize,
    streams: &Streams,
) -> Result<Array2<u8>> {
    let streams = streams.domain("start");
    let kernel = noise.kernel(0.0, t)?;
    kernel.sample(model.draw(samples, &streams)?.x.view(), &streams)
}

/// The stationary law of each site's rates, shape `(sites, d_out_max)`, padding zero: the product law to
/// which every data law tends. At finite `T` a start from it is biased.
///
/// # Errors
/// [`Error::NotInvertible`] naming a site whose rates have no unique stationary law, such as a site without
/// noise.
pub fn prior_law(noise: &Noise) -> Result<Array2<f64>> {
    Ok(stationary(noise)?.tables().slice(s![.., 0, ..]).to_owned())
}

/// Draws from [`prior_law`], shape `(samples, sites)`. Row `i` uses stream `i` of the domain `"start"`.
///
/// # Errors
/// As [`prior_law`].
pub fn prior_start(noise: &Noise, samples: usize, streams: &Streams) -> Result<Array2<u8>> {
    stationary(noise)?.sample(Array2::zeros((samples, noise.sites())).view(), &streams.domain("start"))
}

/// `K_{0→∞}` with β = 1, all rows of a site equal.
fn stationary(noise: &Noise) -> Result<Kernel> {
    let kernel = Noise::new(noise.rates().clone(), Schedule::default()).kernel(0.0, f64::INFINITY)?;
    for site in 0..kernel.sites() {
        let table = kernel.table(site);
        let first = table.row(0);
        if table.outer_iter().any(|row| row.iter().zip(&first).any(|(a, b)| (a - b).abs() > SAME)) {
            return Err(Error::NotInvertible { what: "the prior: the stationary law of the rates", site });
        }
    }
    Ok(kernel)
}
