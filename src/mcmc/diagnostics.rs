//! Do the chains mix? Integrated autocorrelation time and rank-normalised split-R̂.
//!
//! `τ = ½ + Σ_{t≥1} ρ(t)` by Geyer's initial monotone sequence (Geyer 1992, Statistical Science 7, 473): the
//! sums of pairs `ρ(2k) + ρ(2k+1)`, each at most the one before, up to the first that is not positive. For
//! reversible dynamics these sums are positive and fall, even where `ρ` alternates. Dynamics that are not
//! reversible (sweeps in a fixed order) may oscillate with other periods, and a slow part then hides behind
//! the first negative pair: hence the spread of batch means is compared, `τ_b = b Var(batch mean)/(2σ²)`, and
//! taken where it is larger by four of its standard errors. `ρ` is pooled over chains about the common mean,
//! so chains stuck at different places show as a long time.
//! Effective sample size `n/(2τ)`. R̂: Vehtari, Gelman, Simpson, Carpenter, Bürkner, arXiv 1903.08008.
//! Cost: `O(records × chains × W)`, `W` some 5τ, and `O(n log n)`.

use ndarray::{Array2, ArrayView2};

use super::quantiles::normal_quantile;
use crate::error::{Error, Result};
use crate::linalg::strip;

/// Batches of the longest batch length; there are at most eight times as many of the shortest one.
const BATCHES: usize = 64;
/// The shortest batch: an antithetic series has `τ_b − τ ≈ Σ t|ρ(t)| / b`.
const SHORTEST_BATCH: usize = 8;
/// A series shorter than this many times τ gives only a lower bound.
const LONG_ENOUGH: f64 = 100.0;

/// Integrated autocorrelation time of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Autocorrelation {
    /// `τ = ½ + Σρ` in records (times `thin` for updates): ½ for independent values.
    pub tau: f64,
    /// The largest lag `W` of the sum, in records.
    pub window: usize,
    /// Effective number of independent values in all chains together, `n/(2τ)`.
    pub ess: f64,
    /// Take τ as a lower bound, and `ess` as an upper one: the series is shorter than 100τ, the sum of
    /// correlations did not settle, fell below what the series can tell, or missed what the batch means show.
    pub lower_bound: bool,
}

impl Autocorrelation {
    /// Integrated autocorrelation time of a series of shape `(records, chains)`, pooled over the chains.
    ///
    /// Special cases: chains none of which ever changes (a constant observable, frozen chains) have
    /// `τ = records`, a lower bound. A sum that does not settle within half the series is stopped there.
    /// Anticorrelated series have `τ < ½`, bounded from below by `1/(2 log₁₀ n)`, the bound `ess ≤ n log₁₀ n`
    /// of Stan: errors of strongly antithetic series are stated too large.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] for an empty series, [`Error::NotFinite`] for bad values.
    pub fn of(series: ArrayView2<'_, f64>) -> Result<Self> {
        check_finite(series.iter())?;
        let (records, chains) = series.dim();
        if series.is_empty() {
            return Err(Error::TooFewSamples { needed: 1, got: 0 });
        }
        let n = (records * chains) as f64;
        let (series, _) = scaled(series); // sums of the largest numbers would overflow
        let mean = series.sum() / n;
        // In units of the largest deviation, so that squares neither over- nor underflow.
        let scale = series.iter().map(|v| (v - mean).abs()).fold(f64::MIN_POSITIVE, f64::max);
        let centre = |c: ndarray::ArrayView1<'_, f64>| c.iter().map(|v| (v - mean) / scale).collect::<Vec<f64>>();
        let centred: Vec<Vec<f64>> = series.columns().into_iter().map(centre).collect();
        if centred.iter().all(|chain| is_constant(chain)) {
            let tau = records as f64;
            return Ok(Autocorrelation { tau, window: records - 1, ess: n / (2.0 * tau), lower_bound: true });
        }
        let covariance = |lag: usize| {
            let sum: f64 = centred.iter().map(|c| c.iter().zip(&c[lag..]).map(|(a, b)| a * b).sum::<f64>()).sum();
            sum / (chains * (records - lag)) as f64
        };
        let variance = covariance(0);
        // Sums of pairs of correlations: −½ + Σ_k (ρ(2k) + ρ(2k+1)).
        let (mut sum, mut least, mut window) = (if records < 2 { 0.5 } else { -0.5 }, f64::INFINITY, 0);
        let mut settled = false;
        for k in (0..records / 2).step_by(2) {
            let pair = (covariance(k) + covariance(k + 1)) / variance;
            if pair <= 0.0 {
                settled = true;
                break;
            }
            least = pair.min(least);
            sum += least;
            window = k + 1;
        }
        let floor = 0.5 / n.log10().max(1.0);
        let batches = batch_tau(&centred, variance, sum.max(floor));
        let tau = batches.unwrap_or(sum).max(floor);
        let lower_bound = !settled || sum < floor || batches.is_some() || (records as f64) < LONG_ENOUGH * tau;
        Ok(Autocorrelation { tau, window, ess: n / (2.0 * tau), lower_bound })
    }
}

/// The largest `τ_b` of the longest batches, if one is above `tau` by four standard errors `√(2/batches)`.
fn batch_tau(centred: &[Vec<f64>], variance: f64, tau: f64) -> Option<f64> {
    let (chains, records) = (centred.len(), centred[0].len());
    // Powers of two: series of period two leave no rest.
    let longest = (records / BATCHES.div_ceil(chains)).checked_ilog2()?;
    let spread = |length: usize| {
        let batches = centred.iter().flat_map(|chain| chain.chunks_exact(length));
        let squares: f64 = batches.map(|batch| batch.iter().sum::<f64>().powi(2)).sum();
        let count = records / length * chains;
        let found = squares / (2.0 * variance * (count * length) as f64);
        (found > tau * (1.0 + 4.0 * (2.0 / count as f64).sqrt())).then_some(found)
    };
    let lengths = (longest.saturating_sub(3)..=longest).map(|e| 1 << e).filter(|&b| b >= SHORTEST_BATCH);
    lengths.filter_map(spread).reduce(f64::max)
}

/// Rank-normalised split-R̂ of a series of shape `(records, chains)`: the larger of bulk (location) and
/// folded (scale) R̂.
///
/// Above 1.01 the chains have not mixed. It is ∞ if no half-chain ever changes but they differ, and NaN (it
/// says nothing) if all values are equal.
///
/// # Errors
/// [`Error::TooFewSamples`] for no chains or fewer than four records, [`Error::NotFinite`] for bad values.
pub fn split_r_hat(series: ArrayView2<'_, f64>) -> Result<f64> {
    check_finite(series.iter())?;
    let (records, chains) = series.dim();
    if chains == 0 {
        return Err(Error::TooFewSamples { needed: 1, got: 0 });
    }
    if records < 4 {
        return Err(Error::TooFewSamples { needed: 4, got: records });
    }
    let half = records / 2; // the middle value of an odd series is left out
    let mut values = Vec::with_capacity(2 * half * chains);
    for chain in series.columns() {
        values.extend(chain.iter().take(half));
        values.extend(chain.iter().skip(records - half));
    }
    let median = median(&values);
    let folded: Vec<f64> = values.iter().map(|v| (v - median).abs()).collect();
    // `max` ignores NaN: a folded series may be constant (two values about their median) where the bulk is
    // not.
    Ok(r_hat(&rank_normalise(&values), half).max(r_hat(&rank_normalise(&folded), half)))
}

/// R̂ of consecutive pieces of the given length: `√(((n−1)/n W + B/n)/W)`.
fn r_hat(values: &[f64], length: usize) -> f64 {
    let n = length as f64;
    let pieces = values.chunks_exact(length);
    if pieces.clone().all(is_constant) {
        return if is_constant(values) { f64::NAN } else { f64::INFINITY };
    }
    let means: Vec<f64> = pieces.clone().map(|p| p.iter().sum::<f64>() / n).collect();
    let within = pieces.map(variance).sum::<f64>() / means.len() as f64;
    (((n - 1.0) / n * within + variance(&means)) / within).sqrt()
}

/// Unbiased variance of at least two values.
fn variance(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
}

fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

/// Median of a non-empty list.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[(sorted.len() - 1) / 2].midpoint(sorted[sorted.len() / 2])
}

/// Normal scores `Φ⁻¹((r − 3/8)/(n + 1/4))` of the ranks `r`; ties get their mean rank.
fn rank_normalise(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut scores = vec![0.0; n];
    let mut first = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = first as f64 + (tied.len() + 1) as f64 / 2.0;
        let score = normal_quantile((rank - 0.375) / (n as f64 + 0.25));
        tied.iter().for_each(|&i| scores[i] = score);
        first += tied.len();
    }
    scores
}

/// A series in units of a power of two (returned as exponent), its largest value below one.
pub(super) fn scaled(series: ArrayView2<'_, f64>) -> (Array2<f64>, i64) {
    let mut series = series.to_owned();
    let e = strip(&mut series);
    (series, e)
}

/// Values must be finite; the error names the first that is not by its position.
pub(super) fn check_finite<'a>(values: impl Iterator<Item = &'a f64>) -> Result<()> {
    match values.enumerate().find(|(_, v)| !v.is_finite()) {
        None => Ok(()),
        Some((site, &value)) => Err(Error::NotFinite { field: "observable", site, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_rank() {
        let scores = rank_normalise(&[3.0, 1.0, 3.0, 2.0]);
        assert_eq!(scores[0], scores[2]);
        assert_eq!(scores[1], normal_quantile(0.625 / 4.25));
        assert_eq!(scores[0], normal_quantile((3.5 - 0.375) / 4.25));
    }
}
