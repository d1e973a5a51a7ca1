//! Samples to learn from: checked once, with weights that sum to one.

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::RngExt;

use super::symmetry::Symmetry;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::Streams;

/// Weighted samples of a lattice system.
///
/// Invariant: at least one row, states in range, weights non-negative and finite with sum one.
#[derive(Debug, Clone, PartialEq)]
pub struct Data {
    x: Array2<u8>,
    dims: Vec<usize>,
    weights: Array1<f64>,
}

impl Data {
    /// Equally weighted samples, shape `(samples, sites)`; site `j` has `dims[j]` states.
    ///
    /// # Errors
    /// No rows; no sites or the wrong number of them; a local dimension outside 1..=256; a state out of
    /// range.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::learn::Data;
    /// let data = Data::new(ndarray::array![[0, 1], [1, 1]], &[2, 2])?;
    /// assert_eq!(data.len(), 2);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(x: Array2<u8>, dims: &[usize]) -> Result<Self> {
        if dims.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        if let Some(&d) = dims.iter().find(|d| !(1..=256).contains(*d)) {
            return Err(Error::parameter("local dimension", d, "between 1 and 256"));
        }
        if x.nrows() == 0 {
            return Err(Error::TooFewSamples { needed: 1, got: 0 });
        }
        check_configs(x.view(), dims)?;
        let n = x.nrows();
        let x = if x.is_standard_layout() { x } else { x.as_standard_layout().into_owned() };
        Ok(Data { x, dims: dims.to_vec(), weights: Array1::from_elem(n, 1.0 / n as f64) })
    }

    /// Equally weighted samples from rows, for example those of a text file.
    ///
    /// # Errors
    /// [`Error::RowLength`] for ragged rows; and as [`Data::new`].
    pub fn from_rows(rows: &[Vec<u8>], dims: &[usize]) -> Result<Self> {
        let sites = rows.first().map_or(dims.len(), Vec::len);
        if let Some(row) = rows.iter().position(|r| r.len() != sites) {
            return Err(Error::RowLength { row, expected: sites, got: rows[row].len() });
        }
        Data::new(Array2::from_shape_fn((rows.len(), sites), |(i, j)| rows[i][j]), dims)
    }

    /// The same samples with other weights, shape `(samples,)`, which need not sum to one: importance
    /// weights, multiplicities.
    ///
    /// # Errors
    /// The wrong number of weights; [`Error::NotFinite`] and [`Error::Negative`] naming the sample;
    /// [`Error::ZeroWeight`].
    pub fn weighted(mut self, weights: ArrayView1<'_, f64>) -> Result<Self> {
        if weights.len() != self.len() {
            return Err(Error::SampleCount { expected: self.len(), got: weights.len() });
        }
        if let Some((site, &value)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite()) {
            return Err(Error::NotFinite { field: "weight of a sample", site, value });
        }
        if let Some((site, &value)) = weights.iter().enumerate().find(|(_, w)| **w < 0.0) {
            return Err(Error::Negative { field: "weight of a sample", site, value });
        }
        // Two divisions: the sum of large weights may overflow.
        let max = weights.fold(0.0f64, |m, &w| m.max(w));
        if max == 0.0 {
            return Err(Error::ZeroWeight { what: "set of samples" });
        }
        let weights = weights.mapv(|w| w / max);
        self.weights = &weights / weights.sum();
        Ok(self)
    }

    /// Number of samples.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.x.nrows()
    }

    /// Number of states of each site.
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// The samples, shape `(samples, sites)`.
    pub fn x(&self) -> Configs<'_> {
        self.x.view()
    }

    /// Their weights, which sum to one, shape `(samples,)`.
    pub fn weights(&self) -> ArrayView1<'_, f64> {
        self.weights.view()
    }

    /// Effective number of samples, `1/Σ w²`.
    pub fn effective(&self) -> f64 {
        1.0 / self.weights.iter().map(|w| w * w).sum::<f64>()
    }

    /// Splits the samples at random into `(rest, part)`, `part` with the given fraction of the rows (at least
    /// one each).
    ///
    /// # Errors
    /// A fraction outside (0, 1); fewer than two samples; a part whose weights are all zero.
    pub fn split(&self, fraction: f64, streams: &Streams) -> Result<(Data, Data)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::parameter("fraction", fraction, "between 0 and 1, both excluded"));
        }
        if self.len() < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: self.len() });
        }
        let order = permutation(self.len(), streams);
        let part = ((fraction * self.len() as f64).round() as usize).clamp(1, self.len() - 1);
        Ok((self.select(&order[part..])?, self.select(&order[..part])?))
    }

    /// The samples together with their images under each symmetry of the law (the identity need not be
    /// listed). Weights are shared out.
    ///
    /// # Errors
    /// As [`Symmetry::apply`].
    pub fn augmented(&self, symmetries: &[Symmetry]) -> Result<Data> {
        let copies = (symmetries.len() + 1) as f64;
        let (n, mut x) = (self.len(), Array2::zeros((self.len() * (symmetries.len() + 1), self.dims.len())));
        x.slice_mut(s![..n, ..]).assign(&self.x);
        for (k, symmetry) in symmetries.iter().enumerate() {
            x.slice_mut(s![(k + 1) * n..(k + 2) * n, ..]).assign(&symmetry.apply(self.x.view(), &self.dims)?);
        }
        let weights = (0..x.nrows()).map(|i| self.weights[i % n] / copies).collect();
        Ok(Data { x, dims: self.dims.clone(), weights })
    }

    /// The listed rows; weights are normalised again.
    pub(crate) fn select(&self, rows: &[usize]) -> Result<Data> {
        let weights = self.weights.select(Axis(0), rows);
        let data = Data { x: self.x.select(Axis(0), rows), dims: self.dims.clone(), weights: weights.clone() };
        data.weighted(weights.view())
    }

    /// Checks that there is something to learn: more than one configuration among the samples of non-zero
    /// weight.
    pub(crate) fn require_variety(&self) -> Result<()> {
        let rows = || self.x.outer_iter().zip(&self.weights).filter(|(_, w)| **w > 0.0).map(|(x, _)| x);
        let first = rows().next();
        if rows().any(|x| Some(x) != first) {
            return Ok(());
        }
        Err(Error::IdenticalSamples { samples: rows().count() })
    }
}

/// A permutation of `0..n` by Fisher and Yates, from stream 0.
pub(crate) fn permutation(n: usize, streams: &Streams) -> Vec<usize> {
    let mut rng = streams.stream(0);
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

/// Checks samples with weights of any sign.
pub(super) fn check_weights(x: Configs<'_>, dims: &[usize], weights: ArrayView1<'_, f64>) -> Result<()> {
    check_configs(x, dims)?;
    if weights.len() != x.nrows() {
        return Err(Error::SampleCount { expected: x.nrows(), got: weights.len() });
    }
    if let Some((site, &value)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite()) {
        return Err(Error::NotFinite { field: "weight of a sample", site, value });
    }
    Ok(())
}
