//! Where reverse processes start: the exact noised law. The product prior that stands for it at late times is
//! [`Noise::draw_stationary`].

use ndarray::Array2;

use crate::error::Result;
use crate::model::Model;
use crate::noise::Noise;
use crate::rng::Streams;

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
