//! Non-negative matrix-product laws: `P(x) = A_1[x_1] ⋯ A_N[x_N] / Z` with entries ≥ 0.
//!
//! A hidden-Markov chain with site-dependent matrices. The linear law stays in its class under noise and
//! under site weights, with the same bond dimension χ (arXiv 2407.11133). Internally the tensors are brought
//! to the gauge `Σ_a A_j[a]·1 = 1`, where all vectors are probability vectors: chains of 10⁵ sites neither
//! over- nor underflow, and nothing cancels. What one pass cannot hold is two bond states whose contributions
//! differ by more than 1e±308 (1e±38 in `f32`): the smaller is lost, and a row that would need it is reported
//! as without evidence, [`Error::ZeroEvidence`], or scored −∞. Cost a sample and site: plain `χ²`
//! multiply-adds, tilted `(2 + P(guess fails)) χ²` for two states.

use std::sync::Arc;

use ndarray::{Array1, Array3, ArrayView2, Axis, s};

use super::batched::blocks::{Reply, Request, fill_blocks, over_blocks, run};
use super::batched::packed_law::Linear;
use super::batched::passes::Right;
use super::batched::scalar::Real;
use super::batched::tilt::Tilt;
use super::traits::{ExactModel, Model, Samples, Target};
use super::weights::SiteWeights;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// A normalised non-negative matrix-product law.
///
/// Invariant: tensors are non-negative and, up to rounding, `Σ_{a,k} A_j[i,a,k] = 1` for every left bond
/// state `i` that can be reached.
///
/// `T` is the precision of the batched products: `f64`, or `f32` (made by [`PositiveMps::single_precision`])
/// for proposals that are corrected by an acceptance rule. Log-probabilities are `f64` in both, and draws
/// follow exactly the law that they state.
///
/// **Smallest probability.** A symbol is chosen by a uniform number of 53 bits, in both precisions: its
/// conditional probability is drawn to within 2⁻⁵³ ≈ 1.1e-16, and one below that may never be drawn.
#[derive(Debug, Clone)]
pub struct PositiveMps<T: Real = f64> {
    mps: Mps,
    log_z: f64,
    packed: Arc<Linear<T>>,
    marginals: Vec<Vec<f64>>,
}

impl PositiveMps {
    /// The law proportional to a non-negative matrix-product vector. Cost `O(N d χ²)`.
    ///
    /// # Errors
    /// [`Error::Negative`] for a negative entry (never clipped), [`Error::ZeroWeight`] when the sum over
    /// configurations vanishes.
    pub fn new(mps: &Mps) -> Result<Self> {
        Self::normalised(mps)
    }

    /// The law of independent sites with the given weights, `weights[j][a] ≥ 0`.
    ///
    /// # Errors
    /// As [`PositiveMps::new`].
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::model::PositiveMps;
    /// let coins = PositiveMps::product(&[vec![1.0, 3.0], vec![0.5, 0.5]])?;
    /// assert!((coins.site_marginals()[0][1] - 0.75).abs() < 1e-15);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn product(weights: &[Vec<f64>]) -> Result<Self> {
        let tensor = |w: &Vec<f64>| Array3::from_shape_fn((1, w.len(), 1), |(_, a, _)| w[a]);
        Self::new(&Mps::new(weights.iter().map(tensor).collect(), 0.0)?)
    }

    /// The law given by a table of weights, row-major with site 1 most significant. Bond dimension
    /// `min(∏_{i≤j} d_i, ∏_{i>j} d_i)`: for small systems and tests.
    ///
    /// # Errors
    /// A table whose length is not `∏ d`, negative or non-finite weights, a table of zeros.
    pub fn from_table(dims: &[usize], table: &[f64]) -> Result<Self> {
        let size = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
        if let Some(&d) = dims.iter().find(|d| !(1..=256).contains(*d)) {
            return Err(Error::parameter("local dimension", d, "between 1 and 256"));
        }
        if dims.is_empty() || size != table.len() {
            return Err(Error::Shape { field: "table", expected: vec![size], got: vec![table.len()] });
        }
        if let Some(i) = table.iter().position(|p| !p.is_finite()) {
            return Err(Error::NotFinite { field: "table", site: i, value: table[i] });
        }
        let prefix: Vec<usize> = dims
            .iter()
            .scan(1, |n, &d| {
                *n *= d;
                Some(*n)
            })
            .collect();
        // The table sits at the first site whose prefix reaches half of the total; prefixes are counted up to
        // it, suffixes after.
        let middle = prefix.iter().position(|&p| p * p >= size).unwrap_or(0);
        let tensors = (0..dims.len()).map(|j| {
            let (d, left, right) = (dims[j], prefix[j] / dims[j], size / prefix[j]);
            match j.cmp(&middle) {
                std::cmp::Ordering::Less => {
                    Array3::from_shape_fn((left, d, left * d), |(i, a, k)| f64::from(k == i * d + a))
                }
                std::cmp::Ordering::Equal => {
                    Array3::from_shape_fn((left, d, right), |(i, a, k)| table[(i * d + a) * right + k])
                }
                std::cmp::Ordering::Greater => {
                    Array3::from_shape_fn((d * right, d, right), |(i, a, k)| f64::from(i == a * right + k))
                }
            }
        });
        Self::new(&Mps::new(tensors.collect(), 0.0)?)
    }

    /// A random law with bonds up to `bond`: entries uniform in (0, 1), for tests and benchmarks.
    ///
    /// # Errors
    /// No sites, `bond = 0`, or a local dimension outside 1..=256.
    pub fn random(dims: &[usize], bond: usize, stream: &mut Stream) -> Result<Self> {
        Self::new(&Mps::random_positive(dims, bond, stream)?)
    }

    /// The same law with batched products in single precision: about twice as fast, within about 1e-6 a site
    /// of this law.
    ///
    /// Weights below 1e-38 of the largest of their site vanish in single precision; a row left with nothing
    /// is [`Error::ZeroEvidence`].
    pub fn single_precision(&self) -> PositiveMps<f32> {
        self.with_precision()
    }
}

/// Tensors with `Σ_{a,k} A_j[i,a,k] = 1` for every reachable `i`, and the logarithm of the sum over
/// configurations (without the scale of the input).
fn markov_gauge(mps: &Mps) -> Result<(Vec<Array3<f64>>, f64)> {
    let mut right = Array1::ones(1);
    let mut log_norm = 0.0;
    let mut tensors = Vec::with_capacity(mps.sites());
    for (site, a) in mps.tensors().iter().enumerate().rev() {
        if let Some(&value) = a.iter().find(|v| **v < 0.0) {
            return Err(Error::Negative { field: "tensor", site, value });
        }
        let max = a.fold(0.0f64, |m, &v| m.max(v));
        if max == 0.0 {
            return Err(Error::ZeroWeight { what: "matrix-product law" });
        }
        let mut a = a.mapv(|v| v / max) * &right;
        let left: Array1<f64> = a.sum_axis(Axis(2)).sum_axis(Axis(1));
        for (mut row, &sum) in a.outer_iter_mut().zip(&left) {
            row.mapv_inplace(|v| if sum > 0.0 { v / sum } else { 0.0 });
        }
        let top = left.fold(0.0f64, |m, &v| m.max(v));
        if top == 0.0 {
            return Err(Error::ZeroWeight { what: "matrix-product law" });
        }
        log_norm += max.ln() + top.ln();
        right = left / top;
        tensors.push(a);
    }
    tensors.reverse();
    Ok((tensors, log_norm))
}

/// Marginal law of every site of a law in the hidden-Markov gauge.
fn marginals(tensors: &[Array3<f64>]) -> Vec<Vec<f64>> {
    let mut left = Array1::<f64>::ones(1);
    tensors
        .iter()
        .map(|a| {
            let (l, d, r) = a.dim();
            let next = (0..d).map(|x| left.dot(&a.index_axis(Axis(1), x)));
            let parts: Vec<Array1<f64>> = next.collect();
            debug_assert_eq!(left.len(), l);
            left = parts.iter().fold(Array1::zeros(r), |sum, part| sum + part);
            let total = left.sum();
            left.mapv_inplace(|v| v / total);
            parts.iter().map(|p| p.sum() / total).collect()
        })
        .collect()
}

impl<T: Real> PositiveMps<T> {
    /// The law as a matrix-product vector that sums to one.
    pub fn as_mps(&self) -> &Mps {
        &self.mps
    }

    /// `log Σ_x` of the vector that [`PositiveMps::new`] was given, in nats.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Marginal law of every site, `[site][state]`.
    pub fn site_marginals(&self) -> &[Vec<f64>] {
        &self.marginals
    }

    /// The law proportional to `P(x) ∏_j w_j(x_j)`, weights of shape `(sites, d_max)`: same bond dimension.
    /// Its [`PositiveMps::log_z`] is the log-evidence.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`Error::ZeroEvidence`] where nothing is left.
    pub fn tilted(&self, w: ArrayView2<'_, f64>) -> Result<Self> {
        SiteWeights::Shared(w).check(self.dims(), None)?;
        let mut log_scale = 0.0;
        let tensors = self.mps.tensors().iter().enumerate().map(|(j, a)| {
            let w = w.slice(s![j, ..a.dim().1]);
            let max = w.fold(0.0f64, |m, &w| m.max(w));
            log_scale += max.max(f64::MIN_POSITIVE).ln();
            a * &w.mapv(|w| w / max.max(f64::MIN_POSITIVE)).insert_axis(Axis(1))
        });
        let tensors = tensors.collect();
        Self::normalised(&Mps::new(tensors, log_scale)?).map_err(|e| match e {
            Error::ZeroWeight { .. } => Error::ZeroEvidence { row: 0 },
            other => other,
        })
    }

    fn normalised(mps: &Mps) -> Result<Self> {
        let (tensors, log_norm) = markov_gauge(mps)?;
        Self::in_gauge(tensors, log_norm + mps.log_scale())
    }

    /// As [`PositiveMps::new`]; tensors that are in the gauge of this type already are kept bit for bit.
    pub(crate) fn stored(mps: Mps) -> Result<Self> {
        // A sum of `dχ` rounded terms; or a bond state that nothing leads to and that leads to nothing.
        let tensors = mps.tensors();
        let whole = |j: usize, i: usize, row: ArrayView2<'_, f64>| {
            let zero = |part: ArrayView2<'_, f64>| part.iter().all(|v| *v == 0.0);
            let tolerance = 4.0 * f64::EPSILON * row.len() as f64;
            (row.sum() - 1.0).abs() <= tolerance || j > 0 && zero(row) && zero(tensors[j - 1].slice(s![.., .., i]))
        };
        let in_gauge = |(j, a): (usize, &Array3<f64>)| {
            a.iter().all(|v| *v >= 0.0) && a.outer_iter().enumerate().all(|(i, row)| whole(j, i, row))
        };
        if !tensors.iter().enumerate().all(in_gauge) {
            return Self::normalised(&mps);
        }
        let (tensors, log_z) = mps.into_parts();
        Self::in_gauge(tensors, log_z)
    }

    fn in_gauge(tensors: Vec<Array3<f64>>, log_z: f64) -> Result<Self> {
        let packed = Arc::new(Linear::new(&tensors));
        let marginals = marginals(&tensors);
        Ok(PositiveMps { mps: Mps::new(tensors, 0.0)?, log_z, packed, marginals })
    }

    fn with_precision<U: Real>(&self) -> PositiveMps<U> {
        PositiveMps {
            mps: self.mps.clone(),
            log_z: self.log_z,
            packed: Arc::new(Linear::new(self.mps.tensors())),
            marginals: self.marginals.clone(),
        }
    }

    fn reply(&self, w: &SiteWeights<'_>, n: usize, request: Request<'_>) -> Result<Reply> {
        w.check(self.dims(), Some(n))?;
        match w {
            SiteWeights::Shared(table) => {
                let tilted = self.tilted(*table)?;
                run(&tilted.packed, &tilted.marginals, &SiteWeights::Uniform, request)
            }
            _ => run(&self.packed, &self.marginals, w, request),
        }
    }
}

impl<T: Real> Target for PositiveMps<T> {
    fn dims(&self) -> &[usize] {
        self.mps.dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        super::traits::initial_draw(self, stream)
    }
}

impl<T: Real> Model for PositiveMps<T> {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.reply(w, n, Request { draw: Some((n, streams)), score: None })?.samples)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, self.dims())?;
        Ok(self.reply(w, x.nrows(), Request { draw: None, score: Some(x) })?.scores)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        check_configs(old, self.dims())?;
        let n = old.nrows();
        let reply = self.reply(w, n, Request { draw: Some((n, streams)), score: Some(old) })?;
        Ok((reply.samples, reply.scores))
    }
}

impl ExactModel for PositiveMps {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), None)?;
        let tilt = Tilt::new(&self.packed, w, &self.marginals);
        let block = |right: &mut Right<f64>, first, rows| {
            self.packed.fill_right(right, &tilt, first, rows);
            Ok(self.packed.log_evidence(&tilt, right, first))
        };
        let parts = over_blocks(w.rows().unwrap_or(1), self.packed.tilted_block(), block)?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(self.dims(), None)?;
        let tilt = Tilt::new(&self.packed, w, &self.marginals);
        let rows = w.rows().unwrap_or(1);
        let (n, d) = (self.dims().len(), self.dims().iter().copied().max().unwrap_or(1));
        let table = fill_blocks(rows, n * d, self.packed.cavity_block(), |right: &mut Right<f64>, first, part| {
            self.packed.fill_right(right, &tilt, first, part.len() / (n * d));
            self.packed.cavities(&tilt, right, first, part)
        })?;
        Ok(Array3::from_shape_vec((rows, n, d), table).expect("one cavity law a row and site"))
    }
}
