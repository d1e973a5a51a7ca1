//! The law as a table of probabilities.

use ndarray::{Array1, Array2, Array3};
use rand::RngExt;

use crate::error::{Error, Result};
use crate::model::{Configs, ExactModel, Model, Samples, SiteWeights, Target, check_configs};
use crate::rng::{Stream, Streams};

/// Largest number of configurations that a [`DenseLaw`] enumerates: 2²⁰.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// Largest number of entries of a dense matrix on configurations: 2²².
pub(super) const MAX_MATRIX_ENTRIES: usize = 1 << 22;

/// A normalised law as the table of its probabilities: a [`Target`], [`Model`] and [`ExactModel`] by
/// enumeration.
///
/// Invariant: `p` is non-negative and sums to one (to rounding), `log_p` is its logarithm (−∞ for zeros),
/// both of length `∏ d_j`.
#[derive(Debug, Clone, PartialEq)]
pub struct DenseLaw {
    pub(super) dims: Vec<usize>,
    pub(super) p: Vec<f64>,
    log_p: Vec<f64>,
    log_z: f64,
}

/// Number of configurations, or the error that says that there are too many.
pub(crate) fn guarded_size(dims: &[usize]) -> Result<usize> {
    if dims.is_empty() {
        return Err(Error::SiteCount { expected: 1, got: 0 });
    }
    if let Some(&d) = dims.iter().find(|&&d| !(1..=256).contains(&d)) {
        return Err(Error::parameter("local dimension", d, "between 1 and 256"));
    }
    let size = dims.iter().fold(1usize, |size, &d| size.saturating_mul(d));
    if size > MAX_ENTRIES {
        return Err(Error::TooLarge { what: "dense law", size, limit: MAX_ENTRIES });
    }
    Ok(size)
}

/// `log Σ exp(v)`; −∞ for an empty or impossible sum.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let max = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY { max } else { max + values.map(|v| (v - max).exp()).sum::<f64>().ln() }
}

impl DenseLaw {
    /// The law proportional to a table of weights, length `∏ d_j`, row-major with the first site most
    /// significant.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 2²⁰ entries; [`Error::Shape`] for a table of the wrong length,
    /// [`Error::Negative`] and [`Error::NotFinite`] naming the index; [`Error::ZeroWeight`].
    pub fn new(dims: &[usize], weights: &[f64]) -> Result<Self> {
        let size = guarded_size(dims)?;
        if weights.len() != size {
            return Err(Error::Shape { field: "weights", expected: vec![size], got: vec![weights.len()] });
        }
        if let Some(site) = weights.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { field: "weights", site, value: weights[site] });
        }
        if let Some(site) = weights.iter().position(|&v| v < 0.0) {
            return Err(Error::Negative { field: "weights", site, value: weights[site] });
        }
        Self::from_log_weights(dims, weights.iter().map(|v| v.ln()).collect())
    }

    /// The law of a target, by enumeration of its log-weights. Cost `∏ d_j` log-weights.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 2²⁰ entries; [`Error::LogWeight`] for NaN or +∞; [`Error::ZeroWeight`]
    /// when nothing is allowed; errors of the target.
    pub fn of<T: Target + ?Sized>(target: &T) -> Result<Self> {
        let size = guarded_size(target.dims())?;
        let mut log_weights = Vec::with_capacity(size);
        // Blocks keep the table of configurations small.
        for first in (0..size).step_by(1 << 14) {
            let block = (first..size).take(1 << 14);
            let mut x = Array2::zeros((block.len(), target.dims().len()));
            for (mut row, index) in x.outer_iter_mut().zip(block) {
                row.iter_mut().zip(states(target.dims(), index)).for_each(|(to, from)| *to = from);
            }
            log_weights.extend(target.log_weight(x.view())?);
        }
        if let Some(row) = log_weights.iter().position(|v| v.is_nan() || *v == f64::INFINITY) {
            return Err(Error::LogWeight { row, value: log_weights[row] });
        }
        Self::from_log_weights(target.dims(), log_weights)
    }

    fn from_log_weights(dims: &[usize], mut log_p: Vec<f64>) -> Result<Self> {
        let log_z = log_sum_exp(log_p.iter().copied());
        if log_z == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "dense law" });
        }
        log_p.iter_mut().for_each(|v| *v -= log_z);
        let p = log_p.iter().map(|v| v.exp()).collect();
        Ok(DenseLaw { dims: dims.to_vec(), p, log_p, log_z })
    }

    /// Probabilities, length `∏ d_j`, row-major with the first site most significant.
    pub fn p(&self) -> &[f64] {
        &self.p
    }

    /// Logarithm, in nats, of the sum of the weights that the law was built from: `log Z` for a [`Target`].
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Index of a configuration in the table.
    ///
    /// # Errors
    /// Wrong number of sites, a state out of range.
    pub fn index(&self, x: &[u8]) -> Result<usize> {
        check_configs(ndarray::aview1(x).insert_axis(ndarray::Axis(0)), &self.dims)?;
        Ok(self.index_of(x))
    }

    /// Configuration at an index, length `sites`.
    ///
    /// # Panics
    /// If the index is not below `∏ d_j`.
    pub fn config(&self, index: usize) -> Vec<u8> {
        assert!(index < self.p.len(), "index {index} of {}", self.p.len());
        states(&self.dims, index)
    }

    /// The configurations of several indices, shape `(indices, sites)`.
    pub(crate) fn configs(&self, indices: &[usize]) -> Array2<u8> {
        let mut x = Array2::zeros((indices.len(), self.dims().len()));
        for (mut row, &index) in x.outer_iter_mut().zip(indices) {
            row.assign(&Array1::from(self.config(index)));
        }
        x
    }

    /// Mean of a function of the configuration.
    pub fn mean(&self, mut f: impl FnMut(&[u8]) -> f64) -> f64 {
        self.p.iter().enumerate().map(|(i, p)| p * f(&states(&self.dims, i))).sum()
    }

    pub(super) fn index_of<'a>(&self, x: impl IntoIterator<Item = &'a u8>) -> usize {
        x.into_iter().zip(&self.dims).fold(0, |i, (&a, &d)| i * d + usize::from(a))
    }

    /// `log P(x) + Σ_j log w_j(x_j)` for every `x`, leaving out the weight of one site where asked.
    fn log_tilted(&self, w: &SiteWeights<'_>, row: usize, without: Option<usize>) -> Vec<f64> {
        let mut tilted = self.log_p.clone();
        let mut stride = self.p.len();
        for (j, &d) in self.dims.iter().enumerate() {
            stride /= d;
            if without == Some(j) || matches!(w, SiteWeights::Uniform) {
                continue;
            }
            let log_w: Vec<f64> = (0..d).map(|a| w.get(row, j, a).ln()).collect();
            for block in tilted.chunks_exact_mut(d * stride) {
                for (part, log_w) in block.chunks_exact_mut(stride).zip(&log_w) {
                    part.iter_mut().for_each(|v| *v += log_w);
                }
            }
        }
        tilted
    }

    /// The log-probabilities of the tilted law and its log-evidence.
    fn tilted(&self, w: &SiteWeights<'_>, row: usize) -> (Vec<f64>, f64) {
        if matches!(w, SiteWeights::Uniform) {
            return (self.log_p.clone(), 0.0); // normalised by construction: not by a second rounded sum
        }
        let mut tilted = self.log_tilted(w, row, None);
        let evidence = log_sum_exp(tilted.iter().copied());
        if evidence > f64::NEG_INFINITY {
            tilted.iter_mut().for_each(|v| *v -= evidence);
        }
        (tilted, evidence)
    }

    /// Calls `f(rows, log-probabilities, log-evidence)` for each row, or once for all rows where the weights
    /// have none.
    fn for_laws(
        &self,
        w: &SiteWeights<'_>,
        rows: usize,
        mut f: impl FnMut(std::ops::Range<usize>, &[f64]) -> Result<()>,
    ) -> Result<()> {
        let step = if w.rows().is_some() { 1 } else { rows.max(1) };
        for first in (0..rows).step_by(step) {
            let (law, evidence) = self.tilted(w, first);
            if evidence == f64::NEG_INFINITY {
                return Err(Error::ZeroEvidence { row: first });
            }
            f(first..first + step, &law)?;
        }
        Ok(())
    }
}

/// States of the configuration at an index.
pub(crate) fn states(dims: &[usize], index: usize) -> Vec<u8> {
    let mut x = vec![0; dims.len()];
    let mut rest = index;
    for (a, &d) in x.iter_mut().zip(dims).rev() {
        *a = (rest % d) as u8;
        rest /= d;
    }
    x
}

/// First index whose cumulative probability exceeds `u` times the total: never one of probability zero.
fn draw(cumulative: &[f64], u: f64) -> usize {
    let total = cumulative[cumulative.len() - 1];
    cumulative.partition_point(|&c| c <= u * total)
}

impl Target for DenseLaw {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(|x| self.log_p[self.index_of(x)]).collect())
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        let cumulative = cumulative(&self.log_p);
        Some(states(&self.dims, draw(&cumulative, stream.random())).into())
    }
}

/// Running sums of `exp(log_p)`.
fn cumulative(log_p: &[f64]) -> Vec<f64> {
    let add = |sum: &mut f64, v: &f64| {
        *sum += v.exp();
        Some(*sum)
    };
    log_p.iter().scan(0.0, add).collect()
}

impl Model for DenseLaw {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        w.check(&self.dims, Some(n))?;
        let streams = streams.domain("model");
        let mut samples = Samples { x: Array2::zeros((n, self.dims.len())), log_prob: Array1::zeros(n) };
        self.for_laws(w, n, |rows, law| {
            let cumulative = cumulative(law);
            for row in rows {
                let index = draw(&cumulative, streams.stream(row).random());
                samples.x.row_mut(row).assign(&Array1::from(states(&self.dims, index)));
                samples.log_prob[row] = law[index];
            }
            Ok(())
        })?;
        Ok(samples)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        w.check(&self.dims, Some(x.nrows()))?;
        let mut log_prob = Array1::zeros(x.nrows());
        self.for_laws(w, x.nrows(), |rows, law| {
            rows.for_each(|row| log_prob[row] = law[self.index_of(x.row(row))]);
            Ok(())
        })?;
        Ok(log_prob)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        let scores = self.log_prob_given(old, w)?;
        Ok((self.sample(w, old.nrows(), streams)?, scores))
    }
}

impl ExactModel for DenseLaw {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(&self.dims, None)?;
        Ok((0..w.rows().unwrap_or(1)).map(|row| self.tilted(w, row).1).collect())
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(&self.dims, None)?;
        let d_max = self.dims.iter().copied().max().unwrap_or(0);
        let rows = w.rows().unwrap_or(1);
        let mut cavities = Array3::zeros((rows, self.dims.len(), d_max));
        for row in 0..rows {
            let mut stride = self.p.len();
            for (j, &d) in self.dims.iter().enumerate() {
                stride /= d;
                let tilted = self.log_tilted(w, row, Some(j));
                let max = tilted.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                if max == f64::NEG_INFINITY {
                    return Err(Error::ZeroEvidence { row });
                }
                let mut sums = vec![0.0; d];
                for block in tilted.chunks_exact(d * stride) {
                    for (part, sum) in block.chunks_exact(stride).zip(&mut sums) {
                        let possible = part.iter().filter(|v| **v > f64::NEG_INFINITY);
                        possible.for_each(|v| *sum += (v - max).exp());
                    }
                }
                let total: f64 = sums.iter().sum();
                sums.iter().enumerate().for_each(|(a, s)| cavities[[row, j, a]] = s / total);
            }
        }
        Ok(cavities)
    }
}
