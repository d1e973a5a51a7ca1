//! Losses of conditional laws, each with its minimum at the exact ones; all in nats or, for ratios,
//! dimensionless.
//!
//! ```text
//! ratio matching  E_{t,y}[−Σ_j log p_j(y_j)]                              (arXiv 2211.16750)
//!                 excess over Σ_j H(y_j|y_{−j}):  Σ_j KL
//! score matching  E_{t,y}[Σ_j Σ_{b≠y_j} r_j(b)² − 2 p_j(y_j)/p_j(b)]      (arXiv 2406.09084)
//!                 excess:  Σ_j Σ_b (r_j(b) − r*_j(b))²
//! ```
//!
//! with `p_j(b) = p_θ(b | y_{−j}, t)` and `r_j(b) = p_j(b)/p_j(y_j)`. The likelihood bound is in
//! [`super::likelihood_bound::LikelihoodBound`], the binary classification of Glauber processes in
//! [`super::glauber::classification_loss`]. Cost: one evaluation of the denoiser.

use ndarray::Array1;

use super::denoiser::Denoiser;
use super::denoiser::marginals_of;
use crate::error::{Error, Result};
use crate::model::Configs;

/// Categorical ratio matching: `−Σ_j log p_j(y_j)` in nats for each row of `y` at time `t`, shape
/// `(samples,)`; +∞ where a conditional vanishes.
///
/// # Errors
/// As [`Denoiser::conditional_marginals`].
///
/// # Examples
/// ```
/// # use tensorjump::diffusion::{ExactDenoiser, ratio_matching_loss};
/// # use tensorjump::{model::PositiveMps, noise::{Noise, Rates, Schedule}};
/// let coin = PositiveMps::product(&[vec![0.25, 0.75]])?;
/// let noise = Noise::new(Rates::uniform(&[2], 1.0)?, Schedule::default());
/// let loss = ratio_matching_loss(&ExactDenoiser::new(&coin, &noise)?, 1e9, ndarray::array![[1]].view())?;
/// assert!((loss[0] - 2f64.ln()).abs() < 1e-12);
/// # Ok::<(), tensorjump::Error>(())
/// ```
///
/// # References
/// arXiv 2211.16750.
pub fn ratio_matching_loss<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array1<f64>> {
    let p = marginals_of(denoiser, t, y)?;
    let loss = |(row, y): (usize, ndarray::ArrayView1<'_, u8>)| {
        -y.iter().enumerate().map(|(j, &b)| p[[row, j, b.into()]].ln()).sum::<f64>()
    };
    Ok(y.outer_iter().enumerate().map(loss).collect())
}

/// Score matching of the ratios: `Σ_j Σ_{b≠y_j} r_j(b)² − 2 p_j(y_j)/p_j(b)` for each row of `y` at time `t`,
/// shape `(samples,)`. Its mean under the noised law is least, and is `−E Σ r²`, at the exact ratios.
///
/// # Errors
/// As [`Denoiser::conditional_marginals`]; [`Error::ZeroEvidence`] for a row where a conditional vanishes.
///
/// # Examples
/// ```
/// # use tensorjump::diffusion::{ExactDenoiser, score_matching_loss};
/// # use tensorjump::{model::PositiveMps, noise::{Noise, Rates, Schedule}};
/// let coin = PositiveMps::product(&[vec![0.25, 0.75]])?;
/// let noise = Noise::new(Rates::uniform(&[2], 1.0)?, Schedule::default());
/// // All ratios are 1 once the noise has won: 1 − 2.
/// let loss = score_matching_loss(&ExactDenoiser::new(&coin, &noise)?, 1e9, ndarray::array![[1]].view())?;
/// assert!((loss[0] + 1.0).abs() < 1e-12);
/// # Ok::<(), tensorjump::Error>(())
/// ```
///
/// # References
/// arXiv 2406.09084.
pub fn score_matching_loss<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array1<f64>> {
    let p = marginals_of(denoiser, t, y)?;
    let dims = denoiser.noise().dims_out();
    let mut loss = Array1::zeros(y.nrows());
    for ((row, j), &here) in y.indexed_iter() {
        for b in (0..dims[j]).filter(|&b| b != usize::from(here)) {
            let (from, to) = (p[[row, j, here.into()]], p[[row, j, b]]);
            if from <= 0.0 || to <= 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            loss[row] += (to / from).powi(2) - 2.0 * from / to;
        }
    }
    Ok(loss)
}

/// How far the conditionals of `other` are from those of `truth`: `Σ_j KL(p_j ‖ p̂_j)` in nats for each row
/// of `y` at time `t`, shape `(samples,)`. Its mean under the noised law is the excess of the ratio-matching
/// loss.
///
/// # Errors
/// As [`Denoiser::conditional_marginals`]; [`Error::SiteCount`], [`Error::LocalDimension`],
/// [`Error::Parameter`] for denoisers under different noise.
///
/// # Examples
/// ```
/// # use tensorjump::diffusion::{ExactDenoiser, conditional_kl};
/// # use tensorjump::{model::PositiveMps, noise::{Noise, Rates, Schedule}};
/// let (coin, other) = (PositiveMps::product(&[vec![1.0, 3.0]])?, PositiveMps::product(&[vec![1.0, 1.0]])?);
/// let noise = Noise::new(Rates::uniform(&[2], 1.0)?, Schedule::default());
/// let (truth, learned) = (ExactDenoiser::new(&coin, &noise)?, ExactDenoiser::new(&other, &noise)?);
/// assert!(conditional_kl(&truth, &learned, 0.1, ndarray::array![[1]].view())?[0] > 0.0);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub fn conditional_kl<T: Denoiser + ?Sized, D: Denoiser + ?Sized>(
    truth: &T,
    other: &D,
    t: f64,
    y: Configs<'_>,
) -> Result<Array1<f64>> {
    truth.noise().check_same(other.noise())?;
    let (p, q) = (marginals_of(truth, t, y)?, marginals_of(other, t, y)?);
    let mut kl = Array1::zeros(y.nrows());
    for (((row, _, _), &p), &q) in p.indexed_iter().zip(&q) {
        if p > 0.0 {
            kl[row] += p * (p / q).ln();
        }
    }
    Ok(kl)
}
