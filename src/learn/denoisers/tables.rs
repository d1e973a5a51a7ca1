//! Conditional laws from tables over neighbourhoods: the minimiser of ratio matching in closed form.
//!
//! ```text
//! p_j(b | y_{∂j}, t) ∝ Σ_{a, x_{∂j}} P̂(x_j = a, x_{∂j}) K_j(a→b) ∏_{i∈∂j} K_i(x_i→y_i),
//! ```
//!
//! with `P̂` the frequencies of the samples. A loss that is separate for each time has, over all functions of
//! `y_{∂j}`, this minimiser for *infinitely many* noised copies of each sample: the noise acts on the table
//! exactly, nothing is simulated. `∂j` all other sites is the tabular learner, a window of ±r sites the local
//! one (arXiv 2211.16750 trains networks for the same loss).
//!
//! Frequencies are smoothed towards independent sites, `(n P̂ + κ ∏ p̂)/(n + κ)`, κ given or chosen by
//! leave-one-out likelihood of `x_j | x_{∂j}`. Cost of an evaluation: `O(|∂j| d^{|∂j|+2})` a site and time,
//! then `O(d)` a row and site.

use ndarray::{Array2, Array3, ArrayView2, Axis, s};

use crate::configs::match_dims;
use crate::diffusion::Denoiser;
use crate::diffusion::scores::conditionals_from_cavities;
use crate::error::{Error, Result};
use crate::learn::data::Data;
use crate::learn::likelihood::fit::marginals;
use crate::model::{Boundary, Configs, check_configs};
use crate::noise::{Kernel, Noise};

/// Largest number of entries of one table.
const MAX_ENTRIES: usize = 1 << 20;

/// Frequencies of a site and its neighbours: `weights[[x_j, context]]`, contexts row-major with the first
/// neighbour most significant.
#[derive(Debug, Clone)]
pub(crate) struct SiteTable {
    pub(crate) neighbours: Vec<usize>,
    weights: Array2<f64>,
}

/// The context of a row: its neighbours' states as one number.
pub(crate) fn context(neighbours: &[usize], dims: &[usize], y: ndarray::ArrayView1<'_, u8>) -> usize {
    neighbours.iter().fold(0, |c, &i| c * dims[i] + usize::from(y[i]))
}

/// Number of contexts of a neighbourhood.
pub(crate) fn contexts(neighbours: &[usize], dims: &[usize]) -> usize {
    neighbours.iter().fold(1, |size: usize, &i| size.saturating_mul(dims[i]))
}

/// Checks one list of neighbours a site.
pub(crate) fn check_neighbours(neighbours: &[Vec<usize>], dims: &[usize]) -> Result<()> {
    if neighbours.len() != dims.len() {
        return Err(Error::SiteCount { expected: dims.len(), got: neighbours.len() });
    }
    for (j, list) in neighbours.iter().enumerate() {
        let wrong = |(k, &i): (usize, &usize)| i >= dims.len() || i == j || list[..k].contains(&i);
        if let Some((_, &i)) = list.iter().enumerate().find(|&entry| wrong(entry)) {
            return Err(Error::parameter("neighbour", i, "another site of the lattice, each once"));
        }
        let size = contexts(list, dims).saturating_mul(dims[j]);
        if size > MAX_ENTRIES {
            return Err(Error::TooLarge { what: "table of a neighbourhood", size, limit: MAX_ENTRIES });
        }
    }
    Ok(())
}

/// A row-major table after noise on one axis, `stride` entries from one of its states to the next.
pub(crate) fn noise_axis(table: &[f64], stride: usize, kernel: ArrayView2<'_, f64>) -> Vec<f64> {
    let (d_in, d_out) = kernel.dim();
    let mut out = vec![0.0; table.len() / d_in * d_out];
    for (from, to) in table.chunks_exact(d_in * stride).zip(out.chunks_exact_mut(d_out * stride)) {
        for ((a, b), &k) in kernel.indexed_iter() {
            let from = &from[a * stride..][..stride];
            to[b * stride..][..stride].iter_mut().zip(from).for_each(|(to, from)| *to += k * from);
        }
    }
    out
}

impl SiteTable {
    pub(crate) fn new(data: &Data, site: usize, neighbours: &[usize]) -> Self {
        let mut weights = Array2::zeros((data.dims()[site], contexts(neighbours, data.dims())));
        for (x, &w) in data.x().outer_iter().zip(data.weights()) {
            weights[[x[site].into(), context(neighbours, data.dims(), x)]] += w;
        }
        SiteTable { neighbours: neighbours.to_vec(), weights }
    }

    /// The table after noise on the neighbours, not on the site itself: columns are cavities times the
    /// probability of their context.
    pub(crate) fn noised(&self, kernel: &Kernel) -> Array2<f64> {
        let rows = self.weights.nrows();
        let mut table: Vec<f64> = self.weights.iter().copied().collect();
        for (k, &i) in self.neighbours.iter().enumerate() {
            let stride: usize = self.neighbours[k + 1..].iter().map(|&i| kernel.dims_in()[i]).product();
            table = noise_axis(&table, stride, kernel.table(i));
        }
        let columns = table.len() / rows;
        Array2::from_shape_vec((rows, columns), table).expect("one row a state of the site")
    }

    /// The joint table of the noised site and its noised neighbours, shape `(d_out, contexts)`.
    pub(crate) fn joint(&self, site: usize, kernel: &Kernel) -> Array2<f64> {
        kernel.table(site).t().dot(&self.noised(kernel))
    }

    /// Adds `κ` samples of independent sites to the `n` of the table; without a given κ the one with the best
    /// leave-one-out likelihood.
    fn smooth(&mut self, site: usize, p: &[Vec<f64>], n: f64, kappa: Option<f64>) {
        let mut base = Array2::zeros(self.weights.raw_dim());
        let dims: Vec<usize> = self.neighbours.iter().map(|&i| p[i].len()).collect();
        for c in 0..base.ncols() {
            let (mut rest, mut product) = (c, 1.0);
            for (&i, d) in self.neighbours.iter().zip(&dims).rev() {
                product *= p[i][rest % d];
                rest /= d;
            }
            (0..base.nrows()).for_each(|a| base[[a, c]] = product * p[site][a]);
        }
        let kappa = kappa.unwrap_or_else(|| {
            let grid = (-4..=16).map(|k| 2f64.powi(k));
            let score = |kappa: f64| self.leave_one_out(&base, n, kappa);
            grid.map(|k| (score(k), k)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(1.0, |best| best.1)
        });
        self.weights = (&self.weights * n + &base * kappa) / (n + kappa);
    }

    /// `Σ w log P(x_j | x_∂j)` of each sample under the table of the others with `kappa` samples of the base.
    fn leave_one_out(&self, base: &Array2<f64>, n: f64, kappa: f64) -> f64 {
        let mut sum = 0.0;
        for (counts, base) in self.weights.axis_iter(Axis(1)).zip(base.axis_iter(Axis(1))) {
            let all = n * counts.sum() - 1.0 + kappa * base.sum();
            for (&w, &q) in counts.iter().zip(base).filter(|(w, _)| **w > 0.0) {
                sum += w * ((n * w - 1.0).max(0.0) + kappa * q).ln() - w * all.max(kappa * base.sum()).ln();
            }
        }
        sum
    }
}

/// Conditional laws from tables over neighbourhoods, as a [`Denoiser`].
#[derive(Debug, Clone)]
pub struct ConditionalTables {
    noise: Noise,
    tables: Vec<SiteTable>,
}

impl ConditionalTables {
    /// Tables over the given neighbourhoods, one list of other sites for each site: see
    /// [`Boundary::windows`]. `smoothing` is κ; `None` chooses it.
    ///
    /// # Errors
    /// Noise or neighbourhoods that do not fit the data; a site that is its own neighbour;
    /// [`Error::TooLarge`] for tables beyond 2²⁰ entries; [`Error::Parameter`] for κ negative or not finite.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::Denoiser, learn::{ConditionalTables, Data}, model::Boundary};
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 3], 1.0)?, Schedule::default());
    /// let learned = ConditionalTables::new(&data, &noise, &Boundary::Open.windows(3, 1), None)?;
    /// let p = learned.conditional_marginals(0.5, data.x())?;
    /// assert_eq!(p.dim(), (4, 3, 2));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(data: &Data, noise: &Noise, neighbours: &[Vec<usize>], smoothing: Option<f64>) -> Result<Self> {
        match_dims(data.dims(), noise.dims_in())?;
        check_neighbours(neighbours, data.dims())?;
        check_neighbours(neighbours, noise.dims_out())?;
        if let Some(kappa) = smoothing.filter(|k| !(k.is_finite() && *k >= 0.0)) {
            return Err(Error::parameter("smoothing", kappa, "finite and not negative"));
        }
        let (p, n) = (marginals(data), data.effective());
        let table = |(j, list): (usize, &Vec<usize>)| {
            let mut table = SiteTable::new(data, j, list);
            table.smooth(j, &p, n, smoothing);
            table
        };
        Ok(ConditionalTables { noise: noise.clone(), tables: neighbours.iter().enumerate().map(table).collect() })
    }

    /// Tables over all other sites: for small systems.
    ///
    /// # Errors
    /// As [`ConditionalTables::new`].
    pub fn tabular(data: &Data, noise: &Noise, smoothing: Option<f64>) -> Result<Self> {
        let sites = data.dims().len();
        Self::new(data, noise, &Boundary::Open.windows(sites, sites), smoothing)
    }
}

impl Denoiser for ConditionalTables {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        conditionals_from_cavities(&kernel, y, self.cavities(t, y)?.view())
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        check_configs(y, kernel.dims_out())?;
        let mut cavities = Array3::zeros((y.nrows(), kernel.sites(), kernel.tables().dim().1));
        for (j, table) in self.tables.iter().enumerate() {
            let noised = table.noised(&kernel);
            for (row, y) in y.outer_iter().enumerate() {
                let law = noised.column(context(&table.neighbours, kernel.dims_out(), y));
                let total = law.sum();
                if total <= 0.0 {
                    return Err(Error::ZeroEvidence { row });
                }
                cavities.slice_mut(s![row, j, ..law.len()]).assign(&(&law / total));
            }
        }
        Ok(cavities)
    }
}
