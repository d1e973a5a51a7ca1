//! Samples to learn from: checked once, with weights that sum to one.

use ndarray::{Array1, Array2, ArrayView1, Axis, s};
use rand::RngExt;

use crate::configs::match_dims;
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
    /// No rows; no sites or the wrong number of them; a local dimension outside 1..=256; a state out of range.
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

    /// The same samples with other weights, shape `(samples,)`, which need not sum to one: importance weights, multiplicities.
    ///
    /// # Errors
    /// The wrong number of weights; [`Error::NotFinite`] and [`Error::Negative`] naming the sample; [`Error::ZeroWeight`].
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

    /// Splits the samples at random into `(rest, part)`, `part` with the given fraction of the rows (at least one each).
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

    /// The samples together with their images under each symmetry of the law (the identity need not be listed). Weights are shared out.
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

    /// Checks that there is something to learn: more than one configuration among the samples of non-zero weight.
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

/// A symmetry of a law on a lattice: `x′_j = map_j(x_{from(j)})`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symmetry {
    from: Vec<usize>,
    maps: Option<Vec<Vec<u8>>>,
}

impl Symmetry {
    /// A permutation of the sites: site `j` of the image has the state of site `from[j]`.
    ///
    /// # Errors
    /// A list that is not a permutation of `0..sites`.
    pub fn sites(from: Vec<usize>) -> Result<Self> {
        let mut seen = vec![false; from.len()];
        for &j in &from {
            if j >= from.len() || std::mem::replace(&mut seen[j], true) {
                return Err(Error::parameter("site permutation", j, "each site once"));
            }
        }
        Ok(Symmetry { from, maps: None })
    }

    /// A permutation of the sites followed by a permutation of the states of each site, `maps[j][state]`.
    ///
    /// # Errors
    /// As [`Symmetry::sites`]; the wrong number of maps, a map that is not a permutation of its states.
    pub fn with_states(self, maps: Vec<Vec<u8>>) -> Result<Self> {
        if maps.len() != self.from.len() {
            return Err(Error::SiteCount { expected: self.from.len(), got: maps.len() });
        }
        for map in &maps {
            let mut sorted = map.clone();
            sorted.sort_unstable();
            if sorted.iter().enumerate().any(|(i, &a)| i != usize::from(a)) {
                return Err(Error::parameter("state map", format!("{map:?}"), "a permutation of the states"));
            }
        }
        Ok(Symmetry { maps: Some(maps), ..self })
    }

    /// Images of configurations, shape `(samples, sites)`.
    ///
    /// # Errors
    /// Configurations or local dimensions that do not fit.
    pub fn apply(&self, x: Configs<'_>, dims: &[usize]) -> Result<Array2<u8>> {
        let moved: Vec<usize> = self.from.iter().filter_map(|&j| dims.get(j).copied()).collect();
        match_dims(dims, &moved)?;
        if let Some(maps) = &self.maps {
            match_dims(dims, &maps.iter().map(Vec::len).collect::<Vec<_>>())?;
        }
        check_configs(x, dims)?;
        let image = |(i, j): (usize, usize)| {
            let a: u8 = x[[i, self.from[j]]];
            self.maps.as_ref().map_or(a, |maps| maps[j][usize::from(a)])
        };
        Ok(Array2::from_shape_fn(x.raw_dim(), image))
    }

    pub(crate) fn from(&self) -> &[usize] {
        &self.from
    }

    pub(crate) fn maps(&self) -> Option<&[Vec<u8>]> {
        self.maps.as_deref()
    }

    /// This symmetry applied after another one.
    pub(crate) fn after(&self, other: &Self) -> Self {
        let from = self.from.iter().map(|&j| other.from[j]).collect();
        let map = |of: &Self, j: usize, s: u8| of.maps.as_ref().map_or(s, |maps| maps[j][usize::from(s)]);
        let states =
            |j: usize| [self.maps.as_ref().map(|m| m[j].len()), other.maps.as_ref().map(|m| m[self.from[j]].len())];
        let maps = (0..self.from.len()).map(|j| {
            let states = states(j).into_iter().flatten().next()?;
            Some((0..=(states - 1) as u8).map(|s| map(self, j, map(other, self.from[j], s))).collect())
        });
        Symmetry { from, maps: maps.collect() }
    }

    /// The same in the order of a chain that holds site `order[k]` at its place `k`.
    pub(crate) fn reordered(&self, order: &[usize]) -> Self {
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(k, &j)| place[j] = k);
        let from = order.iter().map(|&j| place[self.from[j]]).collect();
        let maps = self.maps.as_ref().map(|maps| order.iter().map(|&j| maps[j].clone()).collect());
        Symmetry { from, maps }
    }
}
