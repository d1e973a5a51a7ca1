//! Configurations held against a chain: the transition measures of arXiv 2602.19619 (Tang et al.), which see
//! neighbours only, and beyond them agreement at every distance. Errors are standard errors over the samples.

use ndarray::{Array2, ArrayView2};

use crate::chain::{Chain, divergence, entropy};

/// Groups of samples of the jackknife.
const GROUPS: usize = 20;

/// A number with its standard error.
pub type Estimate = (f64, f64);

/// Transition measures with `M̂(a, b)` the frequencies and `ŵ_a` the shares of the first symbols, in nats.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Transitions {
    /// `Σ_a ŵ_a KL(M̂(a, ·) ‖ M(a, ·))`.
    pub divergence: Estimate,
    /// `Σ_a ŵ_a TV(M̂(a, ·), M(a, ·))`.
    pub variation: Estimate,
    /// `Σ_a |ŵ_a − π_a|` over all symbols.
    pub unigram: Estimate,
    /// `Σ_a ŵ_a H(M̂(a, ·))`.
    pub entropy_rate: Estimate,
}

impl Transitions {
    /// Of at least two samples, shape `(samples, sites)`; errors by a delete-a-group jackknife.
    pub fn of(chain: &Chain, x: ArrayView2<'_, u8>) -> Self {
        let groups = GROUPS.min(x.nrows());
        let mut counts =
            vec![(Array2::<f64>::zeros((chain.states(), chain.states())), vec![0.0; chain.states()]); groups];
        for (row, x) in x.outer_iter().enumerate() {
            let (pairs, single) = &mut counts[row % groups];
            x.windows(2).into_iter().for_each(|w| pairs[[w[0].into(), w[1].into()]] += 1.0);
            x.iter().for_each(|&a| single[usize::from(a)] += 1.0);
        }
        let values = |left_out: Option<usize>| {
            let mut pairs = Array2::<f64>::zeros((chain.states(), chain.states()));
            let mut single = vec![0.0; chain.states()];
            for (_, (p, s)) in counts.iter().enumerate().filter(|(group, _)| Some(*group) != left_out) {
                pairs += p;
                single.iter_mut().zip(s).for_each(|(sum, n)| *sum += n);
            }
            measures(chain, &pairs, &single)
        };
        let all = values(None);
        let without: Vec<[f64; 4]> = (0..groups).map(|group| values(Some(group))).collect();
        let [divergence, variation, unigram, entropy_rate] = [0, 1, 2, 3].map(|k| {
            let mean = without.iter().map(|v| v[k]).sum::<f64>() / groups as f64;
            let squares: f64 = without.iter().map(|v| (v[k] - mean).powi(2)).sum();
            (all[k], (squares * (groups as f64 - 1.0) / groups as f64).sqrt())
        });
        Transitions { divergence, variation, unigram, entropy_rate }
    }
}

fn measures(chain: &Chain, pairs: &Array2<f64>, single: &[f64]) -> [f64; 4] {
    let (total, symbols) = (pairs.sum(), single.iter().sum::<f64>());
    let mut sums = [0.0; 4];
    for (row, truth) in pairs.outer_iter().zip(chain.lag(1).outer_iter()).filter(|(row, _)| row.sum() > 0.0) {
        let (share, law) = (row.sum() / total, (&row / row.sum()).to_vec());
        sums[0] += share * divergence(&law, &truth.to_vec());
        sums[1] += share * 0.5 * law.iter().zip(truth).map(|(p, q)| (p - q).abs()).sum::<f64>();
        sums[3] += share * entropy(law.iter());
    }
    sums[2] = single.iter().zip(chain.stationary()).map(|(n, p)| (n / symbols - p).abs()).sum();
    sums
}

/// The share of sites that agree with the one at distance `r`, `r = 1 … max`, with its error.
pub fn agreement(x: ArrayView2<'_, u8>, max: usize) -> Vec<Estimate> {
    let share = |r: usize| {
        let one = |x: ndarray::ArrayView1<'_, u8>| {
            let pairs = x.len() - r;
            x.iter().zip(x.iter().skip(r)).filter(|(a, b)| a == b).count() as f64 / pairs as f64
        };
        mean(&x.outer_iter().map(one).collect::<Vec<_>>())
    };
    (1..=max.min(x.ncols() - 1)).map(share).collect()
}

/// What [`agreement`] is in a chain.
pub fn exact_agreement(chain: &Chain, max: usize) -> Vec<f64> {
    let share = |r: usize| chain.stationary().iter().zip(chain.lag(r).diag()).map(|(p, q)| p * q).sum();
    (1..=max).map(share).collect()
}

/// Mean and its standard error.
pub fn mean(values: &[f64]) -> Estimate {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[cfg(test)]
mod tests {
    use tensorjump::{Model, Streams};

    use super::*;

    fn chain() -> Chain {
        Chain::new(&ndarray::array![[0.2, 1.0, 0.4], [2.0, 0.1, 0.5], [0.3, 0.9, 1.7]])
    }

    /// Counts in proportion to the law have no distance; a transposed chain has the one that is summed here.
    #[test]
    fn measures_of_exact_counts() {
        let chain = chain();
        let pairs = Array2::from_shape_fn((3, 3), |(a, b)| chain.stationary()[a] * chain.lag(1)[[a, b]]);
        let [kl, tv, unigram, rate] = measures(&chain, &pairs, &chain.stationary().to_vec());
        assert!(kl.abs() + tv + unigram < 1e-14);
        assert!((rate - chain.conditional_entropy(1)).abs() < 1e-14);
        let [kl, ..] = measures(&chain, &pairs.t().to_owned(), &chain.stationary().to_vec());
        let pi = chain.stationary();
        let sum: f64 = (0..9)
            .map(|k| (k / 3, k % 3))
            .map(|(a, b)| {
                pi[b] * chain.lag(1)[[b, a]] * (pi[b] * chain.lag(1)[[b, a]] / pi[a] / chain.lag(1)[[a, b]]).ln()
            })
            .sum();
        assert!((kl - sum).abs() < 1e-14 && kl > 0.05, "{kl} {sum}");
    }

    /// Draws of the chain: within 5 of their errors (6e-7 a number), the divergence at its floor,
    /// `d(d − 1)/2n`; the twin, draws of the chain backwards, is not.
    #[test]
    fn draws_of_the_chain() {
        let chain = chain();
        let x = chain.law(40).unwrap().draw(4000, &Streams::new(5)).unwrap().x;
        let found = Transitions::of(&chain, x.view());
        let floor = 3.0 / (4000.0 * 39.0);
        assert!((found.divergence.0 - floor).abs() < 5.0 * found.divergence.1.max(floor), "{found:?}");
        let (rate, error) = found.entropy_rate;
        assert!((rate - chain.conditional_entropy(1)).abs() < 5.0 * error, "{found:?}");
        for ((share, error), exact) in agreement(x.view(), 8).into_iter().zip(exact_agreement(&chain, 8)) {
            assert!((share - exact).abs() < 5.0 * error, "{share} ± {error}, {exact}");
        }
        let backwards = x.slice(ndarray::s![.., ..;-1]);
        assert!(Transitions::of(&chain, backwards).divergence.0 > 100.0 * floor);
    }
}
