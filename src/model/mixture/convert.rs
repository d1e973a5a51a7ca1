//! A mixture of products as matrix products: exact with one bond state a component, or compressed.

use ndarray::Array3;
use rayon::prelude::*;

use super::kernel_mixture::KernelMixture;
use crate::error::{Error, Result};
use crate::log_space::log_sum_exp;
use crate::model::positive::PositiveMps;
use crate::tn::{Mps, Truncation};

/// Numbers in the tensors of an exact conversion: 1 GiB.
const MAX_ENTRIES: usize = 1 << 27;
/// Components that are summed before the first compression.
const LEAF: usize = 32;

/// A compressed law: for evaluation, not for draws. Entries may be slightly negative.
#[derive(Debug, Clone)]
pub struct Compressed {
    /// The matrix product.
    pub mps: Mps,
    /// `‖P − v‖/‖P‖` in the 2-norm, measured: exact inner products of the two, so errors below 10⁻⁸ are
    /// rounding.
    pub distance: f64,
    /// `log Σ_x v(x)` in nats: zero for the law itself.
    pub log_sum: f64,
}

impl KernelMixture {
    /// The law as a non-negative matrix product with one bond state a component: exact, and drawn from in
    /// `O(N n²)` a sample, so a matter of few components. Cost `O(N d n²)`.
    ///
    /// For many, learn a small one from draws of the mixture: non-negative at any bond dimension, which a
    /// truncation is not.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 2²⁷ numbers.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::learn::{self, Data, PositiveOptions, Start};
    /// # use tensorjump::model::KernelMixture;
    /// # use tensorjump::{Model, SiteWeights, Streams};
    /// let flip = ndarray::array![[0.9, 0.1], [0.1, 0.9]];
    /// let x = ndarray::array![[0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0]];
    /// let law = KernelMixture::new(x.view(), None, &vec![flip; 4])?;
    /// assert_eq!(law.to_positive()?.as_mps().max_bond(), 4);
    /// let draws = law.draw(1000, &Streams::new(1))?.x;
    /// let options = PositiveOptions { start: Start::Random { bond: 2 }, ..PositiveOptions::default() };
    /// let small = options.fit(&Data::new(draws, &[2; 4])?)?.model;
    /// assert_eq!(small.as_mps().max_bond(), 2);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn to_positive(&self) -> Result<PositiveMps> {
        PositiveMps::new(&self.sum_of(0, self.weights.len())?)
    }

    /// `Σ_{first ≤ i < end} ω_i ∏_j K_j(c_i^j, ·)`, bond dimension `end − first`.
    fn sum_of(&self, first: usize, end: usize) -> Result<Mps> {
        let (n, m) = (self.dims.len(), end - first);
        let size = m.saturating_mul(m).saturating_mul(self.dims.iter().sum());
        if size > MAX_ENTRIES {
            return Err(Error::TooLarge { what: "matrix product of a mixture", size, limit: MAX_ENTRIES });
        }
        let tensor = |j: usize| {
            let (l, r) = (if j == 0 { 1 } else { m }, if j + 1 == n { 1 } else { m });
            let mut a = Array3::zeros((l, self.dims[j], r));
            for i in 0..m {
                let law = self.tables[j].row(self.centres[[first + i, j]].into());
                let weight = if j == 0 { self.weights[first + i] } else { 1.0 };
                for (b, k) in law.iter().enumerate() {
                    a[[i.min(l - 1), b, i.min(r - 1)]] += weight * k;
                }
            }
            a
        };
        Mps::new((0..n).map(tensor).collect(), 0.0)
    }

    /// The law with its bonds truncated: sums of a few components, compressed, added in pairs and compressed
    /// again.
    ///
    /// The result is linear in the probabilities and may be slightly negative where they are small: evaluate
    /// it, do not draw from it (see [`KernelMixture::to_positive`]). Cost `O(N d² χ³ n/32)` and `O(N n²/8)`
    /// for the measured distance.
    ///
    /// # Errors
    /// A truncation out of its domain; [`Error::NoConvergence`] of an SVD.
    pub fn compress(&self, truncation: &Truncation) -> Result<Compressed> {
        let leaf = |k: usize| {
            let sum = self.sum_of(k * LEAF, self.weights.len().min((k + 1) * LEAF))?;
            Ok(sum.compress(truncation)?.0)
        };
        let leaves: Vec<Result<Mps>> = (0..self.weights.len().div_ceil(LEAF)).into_par_iter().map(leaf).collect();
        let mut parts = leaves.into_iter().collect::<Result<Vec<_>>>()?;
        while parts.len() > 1 {
            let pair = |pair: &[Mps]| match pair {
                [a, b] => Ok(a.add(b)?.compress(truncation)?.0),
                [a, ..] => Ok(a.clone()),
                [] => Err(Error::SiteCount { expected: 1, got: 0 }),
            };
            let next: Vec<Result<Mps>> = parts.par_chunks(2).map(pair).collect();
            parts = next.into_iter().collect::<Result<_>>()?;
        }
        let mps = parts.swap_remove(0);
        let distance = self.distance(&mps)?;
        Ok(Compressed { log_sum: mps.sum().log_abs, mps, distance })
    }

    /// `‖P − v‖/‖P‖` from `⟨P,P⟩`, `⟨P,v⟩` and `⟨v,v⟩`, all in units of the first.
    fn distance(&self, v: &Mps) -> Result<f64> {
        // ln Σ_b K_j(a, b) K_j(a', b)
        let overlaps: Vec<_> = self.tables.iter().map(|k| k.dot(&k.t()).mapv(f64::ln)).collect();
        let row = |i: usize| {
            let centre = self.centres.row(i);
            self.log_weights[i] + log_sum_exp(&self.scores(|j, a| overlaps[j][[centre[j].into(), a]]))
        };
        let own: Vec<f64> = (0..self.weights.len()).into_par_iter().map(row).collect();
        let log_norm = log_sum_exp(&own);
        let factors = |i: usize| -> Vec<Vec<f64>> {
            let law = |(table, &c): (&ndarray::Array2<f64>, &u8)| table.row(c.into()).to_vec();
            self.tables.iter().zip(self.centres.row(i)).map(law).collect()
        };
        let mixed: Vec<Result<f64>> = (0..self.weights.len())
            .into_par_iter()
            .map(|i| {
                let inner = Mps::product(&factors(i))?.inner(v)?;
                Ok(inner.sign * (inner.log_abs + self.log_weights[i] - log_norm).exp())
            })
            .collect();
        let mixed: f64 = mixed.into_iter().sum::<Result<f64>>()?;
        let norm = (v.inner(v)?.log_abs - log_norm).exp();
        Ok((1.0 - 2.0 * mixed + norm).max(0.0).sqrt())
    }
}
