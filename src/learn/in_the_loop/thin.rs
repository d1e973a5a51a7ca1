//! Which samples a step should see.
//!
//! A step towards `√π` from samples of a density `m` sums `(√π − ψ)/m φ`. Near the optimum most samples have
//! a small residual `√π − ψ`: they cost what the others cost, and tell nothing. Sample `i` is therefore kept
//! with a probability `k_i` proportional to its residual, which is known before any environment is
//! contracted, and those kept are samples of `m k`: the sum keeps its expectation, and at a fixed number of
//! samples its noise is least for `k ∝ |√π − ψ|/√m`, up to the length of `φ/√m` (importance sampling).

use ndarray::{Array1, Zip};
use rand::RngExt;

use crate::rng::Stream;

/// Least probability of a sample to be kept, relative to that of a sample of mean residual: `|ψ|` is known,
/// its sign is not, and during a sweep residuals change.
const LEAST: f64 = 0.2;

/// Samples that were kept.
pub(crate) struct Thinned {
    pub rows: Vec<usize>,
    /// `log (m k/mean k)` of these rows.
    pub log_density: Array1<f64>,
}

impl Thinned {
    /// Keeps about the fraction `keep` of samples of a density `m`, by log-probabilities under target, model
    /// and `m`.
    pub(crate) fn new(
        log_target: &Array1<f64>,
        log_model: &Array1<f64>,
        log_density: &Array1<f64>,
        keep: f64,
        rng: &mut Stream,
    ) -> Self {
        let n = log_density.len() as f64;
        if keep >= 1.0 {
            return Thinned { rows: (0..log_density.len()).collect(), log_density: log_density.clone() };
        }
        let root = |log: f64| (0.5 * log).exp();
        let residual = Zip::from(log_target).and(log_model).and(log_density);
        let mut share = residual.map_collect(|&t, &p, &m| (root(t - m) - root(p - m)).abs());
        let least = LEAST * share.mean().unwrap_or(0.0).max(f64::MIN_POSITIVE);
        share += least;
        // The scale by bisection: the fraction kept grows with it, up to one.
        let kept = |scale: f64| share.iter().map(|e| (scale * e).min(1.0)).sum::<f64>() / n;
        let (mut low, mut high) = (0.0, 1.0 / least);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            if kept(middle) < keep { low = middle } else { high = middle }
        }
        let (mut rows, mut logs) = (Vec::new(), Vec::new());
        for (row, e) in share.iter().enumerate() {
            let k = (high * e).min(1.0);
            if rng.random::<f64>() < k {
                rows.push(row);
                logs.push(log_density[row] + k.ln());
            }
        }
        let shift = n.ln() - (rows.len() as f64).ln();
        Thinned { rows, log_density: logs.into_iter().map(|log| log + shift).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Streams;

    /// Sums over the samples kept have the expectation of sums over all, at 4.9 standard errors (false-alarm
    /// rate 1e-6); without the factors `k` they do not.
    #[test]
    fn thinned_sums_are_unbiased() {
        let mut rng = Streams::new(1).domain("thin").stream(0);
        let n = 20_000;
        let mut logs = || Array1::from_shape_fn(n, |_| rng.random::<f64>() * 2.0 - 1.0);
        let (target, model, density) = (logs(), logs(), Array1::zeros(n));
        let kept = Thinned::new(&target, &model, &density, 0.3, &mut Streams::new(2).stream(0));
        let share = kept.rows.len() as f64 / n as f64;
        assert!((share - 0.3).abs() < 4.9 * (0.3f64 * 0.7 / n as f64).sqrt(), "{share}");
        let off = |terms: Vec<f64>| {
            let all = target.mapv(f64::exp).mean().unwrap();
            let count = terms.len() as f64;
            let mean = terms.iter().sum::<f64>() / count;
            let error = (terms.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / count).sqrt() / count.sqrt();
            (mean - all).abs() / error
        };
        let weighted = kept.rows.iter().zip(&kept.log_density).map(|(&i, log)| (target[i] - log).exp()).collect();
        assert!(off(weighted) < 4.9);
        assert!(off(kept.rows.iter().map(|&i| target[i].exp()).collect()) > 4.9);
    }
}
