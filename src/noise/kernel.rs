//! The law of the noise between two times: a product of single-site kernels, `K(x, y) = ∏_j K_j(x_j → y_j)`.

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayView3, Axis, s};
use rand::RngExt;
use rayon::prelude::*;

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::log_space::LogProduct;
use crate::model::{Configs, SiteWeights, check_configs};
use crate::rng::Streams;
use crate::tn::{Mpo, Mps};

/// Row-stochastic single-site kernels, one per site; rectangular where the noise adds a symbol (masking).
///
/// Invariant: tables are non-negative and each row within the local dimensions sums to one; padding is zero.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Kernel {
    dims_in: Vec<usize>,
    dims_out: Vec<usize>,
    tables: Array3<f64>,
    /// Cumulative laws without their last entries, row-major `(sites, d_in_max, d_out_max − 1)`: a draw is
    /// the number of thresholds ≤ u.
    thresholds: Vec<f64>,
}

/// Rows of a kernel must sum to one to this accuracy: a sum of 256 rounded terms is off by at most 256 × 2⁻⁵³
/// ≈ 3e-14; a matrix exponential by some 1e-13.
const ROW_SUM_TOLERANCE: f64 = 1e-12;

/// Site draws below which a batch is not worth another thread.
const DRAWS_PER_TASK: usize = 1 << 13;

impl Kernel {
    /// Builds from one `d_in × d_out` table a site, element `[a, b] = P(b | a)`. Rows are renormalised to
    /// rounding.
    ///
    /// # Errors
    /// No sites, an empty table or one over 256 states, entries negative or not finite, a row that does not
    /// sum to one.
    pub fn new(tables: &[Array2<f64>]) -> Result<Self> {
        Self::from_classes(tables, &(0..tables.len()).collect::<Vec<_>>())
    }

    /// Builds from distinct tables and the table that each site uses; each table is checked once. Errors name
    /// the first site of a table.
    pub(super) fn from_classes(tables: &[Array2<f64>], class_of: &[usize]) -> Result<Self> {
        if class_of.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        let site_of = |class| class_of.iter().position(|&c| c == class).unwrap_or(0);
        let tables =
            tables.iter().enumerate().map(|(c, table)| normalised(table, || site_of(c))).collect::<Result<Vec<_>>>()?;
        let dims_in: Vec<usize> = class_of.iter().map(|&c| tables[c].nrows()).collect();
        let dims_out: Vec<usize> = class_of.iter().map(|&c| tables[c].ncols()).collect();
        let d_in = dims_in.iter().copied().max().unwrap_or(0);
        let d_out = dims_out.iter().copied().max().unwrap_or(0);
        // One padded block a table, copied to its sites: this is what makes 10⁵ equal sites cheap.
        let pad = |table: &Array2<f64>, width, padding| {
            let mut block = Array2::from_elem((d_in, width), padding);
            block.slice_mut(s![..table.nrows(), ..table.ncols()]).assign(table);
            block
        };
        let blocks: Vec<_> = tables.iter().map(|table| pad(table, d_out, 0.0)).collect();
        // Thresholds are padded with one: it is never at most u < 1.
        let laws: Vec<_> = tables.iter().map(|table| pad(&thresholds(table), d_out - 1, 1.0)).collect();
        let mut padded = Array3::zeros((class_of.len(), d_in, d_out));
        padded.outer_iter_mut().zip(class_of).for_each(|(mut block, &c)| block.assign(&blocks[c]));
        let thresholds = class_of.iter().flat_map(|&c| laws[c].iter().copied()).collect();
        Ok(Kernel { dims_in, dims_out, tables: padded, thresholds })
    }

    /// No noise: the identity on each site.
    ///
    /// # Errors
    /// No sites, or dimensions outside 1..=256.
    pub fn identity(dims: &[usize]) -> Result<Self> {
        Self::new(&dims.iter().map(|&d| Array2::eye(d)).collect::<Vec<_>>())
    }

    /// This noise followed by another: `(K K')(x, z) = Σ_y K(x, y) K'(y, z)`, site by site. Cost `N d³`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the alphabets between the two disagree.
    pub fn then(&self, next: &Kernel) -> Result<Kernel> {
        match_dims(&self.dims_out, &next.dims_in)?;
        let tables: Vec<_> = (0..self.sites()).map(|j| self.table(j).dot(&next.table(j))).collect();
        Kernel::new(&tables)
    }

    /// The kernel as a matrix-product operator of bond dimension 1.
    ///
    /// # Errors
    /// None in a valid kernel; those of [`Mpo::new`].
    pub fn to_mpo(&self) -> Result<Mpo> {
        let tensor = |j| self.table(j).to_owned().insert_axis(Axis(0)).insert_axis(Axis(3));
        Mpo::new((0..self.sites()).map(tensor).collect(), 0.0)
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

    /// The table of one site without padding, shape `(d_in, d_out)`, element `[a, b] = P(b | a)`.
    ///
    /// # Panics
    /// If the site is out of range.
    pub fn table(&self, site: usize) -> ArrayView2<'_, f64> {
        self.tables.slice(s![site, ..self.dims_in[site], ..self.dims_out[site]])
    }

    /// Noise: draws `y ~ K(x, ·)` for each row of `x`, shape `(samples, sites)`. Row `i` uses stream `i` of
    /// the domain `"noise"`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn sample(&self, x: Configs<'_>, streams: &Streams) -> Result<Array2<u8>> {
        check_configs(x, &self.dims_in)?;
        let streams = streams.domain("noise");
        let (sites, d_in, d_out) = self.tables.dim();
        let width = d_out - 1;
        if width == 0 {
            return Ok(Array2::zeros(x.dim())); // one state only
        }
        let mut y = Array2::zeros(x.dim());
        let rows_per_task = DRAWS_PER_TASK.div_ceil(sites);
        y.outer_iter_mut()
            .into_par_iter()
            .zip(x.outer_iter().into_par_iter())
            .enumerate()
            .with_min_len(rows_per_task)
            .for_each(|(row, (mut y, x))| {
                let mut rng = streams.stream(row);
                let laws = self.thresholds.chunks_exact(d_in * width);
                for ((y, &a), thresholds) in y.iter_mut().zip(x).zip(laws) {
                    let u: f64 = rng.random();
                    let law = &thresholds[usize::from(a) * width..][..width];
                    *y = law.iter().map(|&t| u8::from(t <= u)).sum();
                }
            });
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
        let score = |(x, y): (ArrayView1<'_, u8>, ArrayView1<'_, u8>)| {
            let factors = x.iter().zip(y).enumerate();
            factors.map(|(j, (&a, &b))| self.tables[[j, a.into(), b.into()]]).collect::<LogProduct>().ln()
        };
        Ok(x.outer_iter().zip(y.outer_iter()).map(score).collect())
    }

    /// The likelihood of observed configurations, `w_j(a) = K_j(a → y_j)`, as site weights for a model of the
    /// clean law.
    pub fn likelihood<'a>(&'a self, y: Configs<'a>) -> SiteWeights<'a> {
        SiteWeights::Observed { tables: self.tables.view(), dims_in: &self.dims_in, dims_out: &self.dims_out, y }
    }

    /// The noised law `p K` of a linear tensor train, of the same bond dimension: the kernel goes into the
    /// tensors, `B_j[b] = Σ_a K_j(a → b) A_j[a]`. Cost `O(N d² χ²)`.
    ///
    /// Only for trains that hold the law itself; the noised law of a Born model is
    /// [`ExactDiffusion::noised_log_prob`](crate::diffusion::ExactDiffusion::noised_log_prob).
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the kernel does not fit; [`Error::NotFinite`] on
    /// overflow.
    pub fn noised_law(&self, law: &Mps) -> Result<Mps> {
        match_dims(law.dims(), self.dims_in())?;
        let tensors = law.tensors().iter().enumerate().map(|(j, a)| {
            let table = self.table(j);
            let mut b = Array3::zeros((a.dim().0, table.ncols(), a.dim().2));
            for ((from, to), &k) in table.indexed_iter() {
                b.index_axis_mut(Axis(1), to).scaled_add(k, &a.index_axis(Axis(1), from));
            }
            b
        });
        Mps::new(tensors.collect(), law.log_scale())
    }
}

/// A table with its rows summing to one to rounding, or what is wrong with it.
fn normalised(table: &Array2<f64>, site: impl Fn() -> usize) -> Result<Array2<f64>> {
    for d in [table.nrows(), table.ncols()] {
        if !(1..=256).contains(&d) {
            return Err(Error::parameter("local dimension", d, "between 1 and 256"));
        }
    }
    let mut table = table.clone();
    for (row, mut law) in table.outer_iter_mut().enumerate() {
        if let Some(&value) = law.iter().find(|v| !v.is_finite()) {
            return Err(Error::NotFinite { field: "kernel", site: site(), value });
        }
        if let Some(&value) = law.iter().find(|v| **v < 0.0) {
            return Err(Error::Negative { field: "kernel", site: site(), value });
        }
        let sum: f64 = law.sum();
        if (sum - 1.0).abs() > ROW_SUM_TOLERANCE {
            return Err(Error::NotStochastic { field: "kernel", site: site(), row, sum, expected: 1.0 });
        }
        law /= sum;
    }
    Ok(table)
}

/// Cumulative laws without the last entry; one from the last possible state on, so that a gap left by
/// rounding is never drawn as an impossible state.
fn thresholds(table: &Array2<f64>) -> Array2<f64> {
    let (d_in, d_out) = table.dim();
    let mut thresholds = Array2::ones((d_in, d_out - 1));
    for (law, mut row) in table.outer_iter().zip(thresholds.outer_iter_mut()) {
        let last = law.iter().rposition(|&p| p > 0.0).unwrap_or(0);
        let mut cumulative = 0.0;
        for (threshold, &p) in row.iter_mut().zip(law).take(last) {
            cumulative += p;
            *threshold = cumulative;
        }
    }
    thresholds
}
