//! The law of the noise between two times: a product of single-site kernels, `K(x, y) = ∏_j K_j(x_j → y_j)`.

use ndarray::{Array1, Array2, Array3, ArrayView3};
use rand::RngExt;
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{Configs, SiteWeights, check_configs};
use crate::rng::Streams;

/// Row-stochastic single-site kernels, one per site; rectangular where the noise adds a symbol (masking).
///
/// Invariant: tables are non-negative and each row within the local dimensions sums to one; padding is zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    dims_in: Vec<usize>,
    dims_out: Vec<usize>,
    tables: Array3<f64>,
}

/// Rows of a kernel must sum to one to this accuracy: a sum of 256 rounded terms is off by at most 256 × 2⁻⁵³ ≈ 3e-14; a
/// matrix exponential by some 1e-13.
const ROW_SUM_TOLERANCE: f64 = 1e-12;

impl Kernel {
    /// Builds from one `d_in × d_out` table a site, element `[a, b] = P(b | a)`. Rows are renormalised to rounding.
    ///
    /// # Errors
    /// No sites, an empty table or one over 256 states, entries negative or not finite, a row that does not sum to one.
    pub fn new(tables: &[Array2<f64>]) -> Result<Self> {
        let dims_in: Vec<usize> = tables.iter().map(Array2::nrows).collect();
        let dims_out: Vec<usize> = tables.iter().map(Array2::ncols).collect();
        if tables.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        let d_in = dims_in.iter().copied().max().unwrap_or(0);
        let d_out = dims_out.iter().copied().max().unwrap_or(0);
        let mut padded = Array3::zeros((tables.len(), d_in, d_out));
        for (site, table) in tables.iter().enumerate() {
            for d in [table.nrows(), table.ncols()] {
                if !(1..=256).contains(&d) {
                    return Err(Error::parameter("local dimension", d, "between 1 and 256"));
                }
            }
            for (row, law) in table.outer_iter().enumerate() {
                if let Some(&value) = law.iter().find(|v| !v.is_finite()) {
                    return Err(Error::NotFinite { field: "kernel", site, value });
                }
                if let Some(&value) = law.iter().find(|v| **v < 0.0) {
                    return Err(Error::Negative { field: "kernel", site, value });
                }
                let sum: f64 = law.sum();
                if (sum - 1.0).abs() > ROW_SUM_TOLERANCE {
                    return Err(Error::NotStochastic { field: "kernel", site, row, sum, expected: 1.0 });
                }
                for (b, &p) in law.iter().enumerate() {
                    padded[[site, row, b]] = p / sum;
                }
            }
        }
        Ok(Kernel { dims_in, dims_out, tables: padded })
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.dims_in.len()
    }

    /// Number of states of each site before the noise.
    pub fn dims_in(&self) -> &[usize] {
        &self.dims_in
    }

    /// Number of states of each site after the noise.
    pub fn dims_out(&self) -> &[usize] {
        &self.dims_out
    }

    /// The tables, shape `(sites, d_in_max, d_out_max)`, padding zero.
    pub fn tables(&self) -> ArrayView3<'_, f64> {
        self.tables.view()
    }

    /// Noise: draws `y ~ K(x, ·)` for each row of `x`, shape `(samples, sites)`. Row `i` uses stream `i` of the domain `"noise"`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn sample(&self, x: Configs<'_>, streams: &Streams) -> Result<Array2<u8>> {
        check_configs(x, &self.dims_in)?;
        let streams = streams.domain("noise");
        let mut y = Array2::zeros(x.dim());
        y.outer_iter_mut().into_par_iter().zip(x.outer_iter().into_par_iter()).enumerate().for_each(
            |(row, (mut y, x))| {
                let mut rng = streams.stream(row);
                for (j, (y, &a)) in y.iter_mut().zip(x).enumerate() {
                    let law = self.tables.slice(ndarray::s![j, usize::from(a), ..self.dims_out[j]]);
                    *y = draw(law.iter().copied(), rng.random());
                }
            },
        );
        Ok(y)
    }

    /// `log K(x, y)` in nats for each pair of rows, shape `(samples,)`; −∞ for impossible pairs.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range, or a different number of rows.
    pub fn log_prob(&self, x: Configs<'_>, y: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims_in)?;
        check_configs(y, &self.dims_out)?;
        if x.nrows() != y.nrows() {
            return Err(Error::SampleCount { expected: x.nrows(), got: y.nrows() });
        }
        let score = |(x, y): (ndarray::ArrayView1<'_, u8>, ndarray::ArrayView1<'_, u8>)| {
            x.iter().zip(y).enumerate().map(|(j, (&a, &b))| self.tables[[j, a.into(), b.into()]].ln()).sum()
        };
        Ok(x.outer_iter().zip(y.outer_iter()).map(score).collect())
    }

    /// The likelihood of observed configurations, `w_j(a) = K_j(a → y_j)`, as site weights for a model of the clean law.
    pub fn likelihood<'a>(&'a self, y: Configs<'a>) -> SiteWeights<'a> {
        SiteWeights::Observed { tables: self.tables.view(), dims_out: &self.dims_out, y }
    }
}

/// The state at which the cumulative law passes `u`; the last state of non-zero probability when rounding leaves a gap.
fn draw(law: impl Iterator<Item = f64>, u: f64) -> u8 {
    let (mut cumulative, mut last) = (0.0, 0);
    for (a, p) in law.enumerate() {
        if p > 0.0 {
            cumulative += p;
            last = a as u8;
            if u < cumulative {
                break;
            }
        }
    }
    last
}
