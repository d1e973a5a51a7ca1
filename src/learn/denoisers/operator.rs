//! Operator-informed score matching: ratios from damped data moments, in closed form and without simulated
//! noise (arXiv 2406.09084).
//!
//! ```text
//! f_{j,s}(x) = Σ_n a_n φ_n(x) ≈ P_t(x^{j→x_j+s}) / P_t(x),        minimise  E_t[f²] − 2 E_t[f(x^{j→x_j−s})],
//! (E_t[φφᵀ] + ridge) a = E_t[φ(x^{j→x_j−s})],                     states counted modulo d, s = 1..d−1,
//! ```
//!
//! with `φ_n` products of site functions on at most `degree` sites around `j`. The site functions are
//! orthonormal under the uniform law, the first one constant: Walsh functions for two states. Their span is
//! closed under any single-site noise, so every moment at time `t` is a linear image of data frequencies on
//! at most twice as many sites, for uniform noise the damping `e^{λ_S t}`. Those frequencies are counted
//! once; an evaluation solves one system of normal equations a neighbourhood.
//!
//! A conditional law must not read its own site, but `f` does: each own state `a` gives a law
//! `p^{(a)}(b) ∝ f(x^{j→a})`; they are averaged with weights `∝ p(a)^{−3}` (their precision, for errors of
//! `f` that are large where `P` is small), within the bounds `min_a K(a→b) ≤ p(b) ≤ max_a K(a→b)` of any
//! noised law.
//!
//! Cost: `n` times the number of site sets for counting; of an evaluation `F²d^{2·degree} + F³` a
//! neighbourhood of `F` functions, then `F d` a row and site.

use std::collections::BTreeMap;

use nalgebra::{DMatrix, DVector};
use ndarray::{Array2, Array3};
use rayon::prelude::*;

use super::softmax::projected_cavities;
use super::tables::{check_neighbours, context, contexts, noise_axis};
use crate::configs::match_dims;
use crate::diffusion::Denoiser;
use crate::error::{Error, Result};
use crate::learn::data::Data;
use crate::model::{Configs, check_configs};
use crate::noise::{Kernel, Noise};

/// Largest number of entries of all tables together: 512 MiB.
const MAX_ENTRIES: usize = 1 << 26;

/// Largest number of functions of a neighbourhood: its normal equations take their square.
const MAX_FUNCTIONS: usize = 1 << 12;

/// A product of site functions: sites ascending, each with the index (≥ 1) of its function.
type Function = Vec<(usize, usize)>;

/// Options of [`OperatorScores::new`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OperatorOptions {
    /// Sites of a product of functions at most.
    pub degree: usize,
    /// Added to the diagonal of the normal equations, but for the constant.
    pub ridge: f64,
}

impl Default for OperatorOptions {
    /// Degree 2, ridge 10⁻³.
    fn default() -> Self {
        OperatorOptions { degree: 2, ridge: 1e-3 }
    }
}

/// Ratios of a noised law from damped moments of data.
#[derive(Debug, Clone)]
pub struct OperatorScores {
    noise: Noise,
    ridge: f64,
    /// Functions of each distinct closed neighbourhood, the constant first.
    functions: Vec<Vec<Function>>,
    /// The neighbourhood of each site.
    group: Vec<usize>,
    /// Data frequencies on sets of sites, row-major.
    tables: BTreeMap<Vec<usize>, Vec<f64>>,
    /// Site functions of each site, `[k][a]`.
    bases: Vec<Array2<f64>>,
}

/// Functions on `d` states, orthonormal under the uniform law, the first one constant: `[k][a]` (Helmert).
fn basis(d: usize) -> Array2<f64> {
    Array2::from_shape_fn((d, d), |(k, a)| {
        let norm = (d as f64 / (k * (k + 1)).max(1) as f64).sqrt();
        match (k, a.cmp(&k)) {
            (0, _) => 1.0,
            (_, std::cmp::Ordering::Less) => norm,
            (_, std::cmp::Ordering::Equal) => -(k as f64) * norm,
            (_, std::cmp::Ordering::Greater) => 0.0,
        }
    })
}

/// All products of at most `degree` site functions on the listed sites.
fn products(sites: &[usize], dims: &[usize], degree: usize) -> Vec<Function> {
    let mut all = vec![vec![]];
    let mut newest = 0..1;
    for _ in 0..degree {
        let first = all.len();
        for n in newest {
            let last = all[n].last().map(|&(i, _)| i);
            for &i in sites.iter().filter(|&&i| last.is_none_or(|last| i > last)) {
                for k in 1..dims[i] {
                    let longer = all[n].iter().copied().chain([(i, k)]).collect();
                    all.push(longer);
                }
            }
        }
        newest = first..all.len();
    }
    all
}

/// `Σ_S ∏_{i∈S} n_i` over the sets of at most `degree` sites, saturating.
fn number(n: impl Iterator<Item = usize>, degree: usize) -> usize {
    let mut by_size = vec![1usize];
    for n in n {
        by_size.push(0);
        for k in (1..by_size.len()).rev() {
            by_size[k] = by_size[k].saturating_add(n.saturating_mul(by_size[k - 1]));
        }
        by_size.truncate(degree + 1);
    }
    by_size.into_iter().fold(0, usize::saturating_add)
}

/// The sites of two products.
fn union(a: &Function, b: &Function) -> Vec<usize> {
    let mut sites: Vec<usize> = a.iter().chain(b).map(|&(i, _)| i).collect();
    sites.sort_unstable();
    sites.dedup();
    sites
}

/// `Σ_x table(x) ∏_i g_i(x_i)`, the last site first.
fn contract<'a>(table: &[f64], functions: impl DoubleEndedIterator<Item = Vec<f64>> + 'a) -> f64 {
    let mut table = table.to_vec();
    for g in functions.rev() {
        table = table.chunks_exact(g.len()).map(|t| t.iter().zip(&g).map(|(t, g)| t * g).sum()).collect();
    }
    table[0]
}

impl OperatorScores {
    /// Counts the data frequencies. `neighbours` lists other sites for each site
    /// ([`Boundary::windows`](crate::model::Boundary::windows)): ratios at `j` are functions of these and of
    /// `j` itself.
    ///
    /// # Errors
    /// Noise or neighbourhoods that do not fit the data; [`Error::Parameter`] for a ridge that is negative or
    /// not finite; [`Error::TooLarge`] beyond 2²⁶ frequencies, or 2¹² functions of a neighbourhood.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::{diffusion::Denoiser, model::Boundary};
    /// # use tensorjump::learn::{Data, OperatorOptions, OperatorScores};
    /// # use tensorjump::noise::{Noise, Rates, Schedule};
    /// let data = Data::new(ndarray::array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3])?;
    /// let noise = Noise::new(Rates::uniform(&[2; 3], 1.0)?, Schedule::default());
    /// let all = Boundary::Open.windows(3, 2);
    /// let learned = OperatorScores::new(&data, &noise, &all, &OperatorOptions::default())?;
    /// assert_eq!(learned.coefficients(0.5)?[0].dim(), (7, 1));
    /// assert_eq!(learned.conditional_marginals(0.5, data.x())?.dim(), (4, 3, 2));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # References
    /// arXiv 2406.09084.
    pub fn new(data: &Data, noise: &Noise, neighbours: &[Vec<usize>], options: &OperatorOptions) -> Result<Self> {
        match_dims(data.dims(), noise.dims_in())?;
        check_neighbours(&vec![vec![]; neighbours.len()], data.dims())?;
        // No product has more sites than there are.
        let (degree, ridge) = (options.degree.min(data.dims().len()), options.ridge);
        if !(ridge.is_finite() && ridge >= 0.0) {
            return Err(Error::parameter("ridge", ridge, "finite and not negative"));
        }
        let dims = noise.dims_out();
        let (mut closed, mut group): (Vec<Vec<usize>>, Vec<usize>) = (vec![], vec![]);
        for (j, list) in neighbours.iter().enumerate() {
            if let Some(&i) = list.iter().find(|&&i| i >= dims.len() || i == j) {
                return Err(Error::parameter("neighbour", i, "another site of the lattice"));
            }
            let mut sites: Vec<usize> = list.iter().copied().chain([j]).collect();
            sites.sort_unstable();
            sites.dedup();
            let known = closed.iter().position(|other| *other == sites);
            group.push(known.unwrap_or(closed.len()));
            if known.is_none() {
                closed.push(sites);
            }
        }
        // Counted before anything is built.
        let functions = |sites: &Vec<usize>| number(sites.iter().map(|&i| dims[i] - 1), degree);
        let sets = |sites: &Vec<usize>| number(sites.iter().map(|&i| data.dims()[i]), 2 * degree);
        for (what, size, limit) in [
            ("functions of a neighbourhood", closed.iter().map(functions).max().unwrap_or(0), MAX_FUNCTIONS),
            ("tables of moments", closed.iter().map(sets).fold(0, usize::saturating_add), MAX_ENTRIES),
        ] {
            if size > limit {
                return Err(Error::TooLarge { what, size, limit });
            }
        }
        let functions: Vec<Vec<Function>> = closed.iter().map(|sites| products(sites, dims, degree)).collect();
        let mut tables = BTreeMap::new();
        for sites in &closed {
            for set in products(sites, &vec![2; dims.len()], 2 * degree) {
                let set: Vec<usize> = set.iter().map(|&(i, _)| i).collect();
                tables.entry(set).or_insert_with_key(|set| frequencies(data, set));
            }
        }
        let bases = dims.iter().map(|&d| basis(d)).collect();
        Ok(OperatorScores { noise: noise.clone(), ridge, functions, group, tables, bases })
    }

    /// Coefficients of each site at time `t ≥ 0`, shape `(functions, d_j − 1)`: column `s − 1` belongs to the
    /// shift `s`. The functions of a site are the constant, then products of one site function, of two, and
    /// so on, sites ascending.
    ///
    /// # Errors
    /// A time out of range; [`Error::NotInvertible`] where moments do not determine the coefficients (ridge
    /// zero, few data).
    pub fn coefficients(&self, t: f64) -> Result<Vec<Array2<f64>>> {
        let kernel = self.noise.kernel(0.0, t)?;
        let noised: BTreeMap<&[usize], Vec<f64>> =
            self.tables.iter().map(|(set, table)| (set.as_slice(), noise_table(table, set, &kernel))).collect();
        let factor = |functions: &Vec<Function>| {
            // Cholesky reads the lower triangle only.
            let moment = |m: usize, n: usize| self.moment(&noised, kernel.dims_out(), &functions[m], &functions[n]);
            let ridge = |m: usize, n: usize| if m == n && n > 0 { self.ridge } else { 0.0 };
            let size = functions.len();
            DMatrix::from_fn(size, size, |m, n| if m < n { 0.0 } else { moment(m, n) + ridge(m, n) }).cholesky()
        };
        let factors: Vec<_> = self.functions.iter().map(factor).collect();
        let site = |(j, &group): (usize, &usize)| {
            let what = Error::NotInvertible { what: "matrix of moments", site: j };
            let (functions, factor) = (&self.functions[group], factors[group].as_ref().ok_or(what)?);
            let d = kernel.dims_out()[j];
            let mut a = Array2::zeros((functions.len(), d - 1));
            for s in 1..d {
                let right = functions.iter().map(|f| self.shifted(&noised, kernel.dims_out(), f, (j, s)));
                let x = factor.solve(&DVector::from_iterator(functions.len(), right));
                a.column_mut(s - 1).iter_mut().zip(&x).for_each(|(to, from)| *to = *from);
            }
            Ok(a)
        };
        self.group.iter().enumerate().map(site).collect()
    }

    /// `E_t[φ_m φ_n]`.
    fn moment(&self, noised: &BTreeMap<&[usize], Vec<f64>>, dims: &[usize], m: &Function, n: &Function) -> f64 {
        let set = union(m, n);
        let one = |f: &Function, i: usize, a: usize| {
            f.iter().find(|&&(site, _)| site == i).map_or(1.0, |&(_, k)| self.bases[i][[k, a]])
        };
        contract(
            &noised[set.as_slice()],
            set.iter().map(|&i| (0..dims[i]).map(|a| one(m, i, a) * one(n, i, a)).collect()),
        )
    }

    /// `E_t[φ(x^{j→x_j−s})]`.
    fn shifted(
        &self,
        noised: &BTreeMap<&[usize], Vec<f64>>,
        dims: &[usize],
        f: &Function,
        (j, s): (usize, usize),
    ) -> f64 {
        let set: Vec<usize> = f.iter().map(|&(i, _)| i).collect();
        let function = |&(i, k): &(usize, usize)| {
            let (d, shift) = (dims[i], if i == j { s } else { 0 });
            (0..d).map(|a| self.bases[i][[k, (a + d - shift) % d]]).collect()
        };
        contract(&noised[set.as_slice()], f.iter().map(function))
    }

    /// `f_{j,s}` for each own state `a` of site `j` and each target `b = a + s`, `[[a, b]]`, 1 on the
    /// diagonal.
    fn ratios_at(
        &self,
        j: usize,
        coefficients: &Array2<f64>,
        y: ndarray::ArrayView1<'_, u8>,
        dims: &[usize],
    ) -> Array2<f64> {
        let d = dims[j];
        // Coefficients of the site functions of j, the neighbours' states put in.
        let mut own = Array2::<f64>::zeros((d, d - 1));
        for (f, a) in self.functions[self.group[j]].iter().zip(coefficients.outer_iter()) {
            let (mut value, mut k_own) = (1.0, 0);
            for &(i, k) in f {
                if i == j {
                    k_own = k;
                } else {
                    value *= self.bases[i][[k, y[i].into()]];
                }
            }
            own.row_mut(k_own).scaled_add(value, &a);
        }
        let values = self.bases[j].t().dot(&own);
        Array2::from_shape_fn((d, d), |(a, b)| if a == b { 1.0 } else { values[[a, (b + d - a) % d - 1]] })
    }

    /// The ratios `P_t(y^{j→b}) / P_t(y)` as fitted, shape `(samples, sites, d_out_max)`, 1 at `y_j`; they
    /// may be negative.
    ///
    /// # Errors
    /// As [`OperatorScores::coefficients`]; configurations of the wrong shape or out of range.
    pub fn score_ratios(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.evaluate(t, y, |_, here, ratios, out| {
            out.iter_mut().zip(ratios.row(here)).for_each(|(to, from)| *to = *from);
        })
    }

    /// `write(site, y_j, ratios, out)` for every row and site.
    fn evaluate(
        &self,
        t: f64,
        y: Configs<'_>,
        write: impl Fn(usize, usize, &Array2<f64>, &mut [f64]) + Send + Sync,
    ) -> Result<Array3<f64>> {
        let dims = self.noise.dims_out();
        check_configs(y, dims)?;
        let coefficients = self.coefficients(t)?;
        let mut out = Array3::zeros((y.nrows(), dims.len(), dims.iter().copied().max().unwrap_or(0)));
        out.outer_iter_mut().into_par_iter().zip(y.outer_iter().into_par_iter()).for_each(|(mut out, y)| {
            for (j, mut out) in out.outer_iter_mut().enumerate() {
                let ratios = self.ratios_at(j, &coefficients[j], y, dims);
                write(j, y[j].into(), &ratios, &mut out.as_slice_mut().expect("a row of a new array")[..dims[j]]);
            }
        });
        Ok(out)
    }
}

/// Data frequencies on a set of sites.
fn frequencies(data: &Data, set: &[usize]) -> Vec<f64> {
    let mut table = vec![0.0; contexts(set, data.dims())];
    for (x, w) in data.x().outer_iter().zip(data.weights()) {
        table[context(set, data.dims(), x)] += w;
    }
    table
}

/// A table after noise on all its sites.
fn noise_table(table: &[f64], set: &[usize], kernel: &Kernel) -> Vec<f64> {
    let mut table = table.to_vec();
    for (k, &i) in set.iter().enumerate() {
        let stride = set[k + 1..].iter().map(|&i| kernel.dims_in()[i]).product();
        table = noise_axis(&table, stride, kernel.table(i));
    }
    table
}

/// One law from the ratios `[[a, b]] ≈ p(b)/p(a)` of every own state, between bounds `(low, high)` of each
/// probability.
fn combine(ratios: &Array2<f64>, bounds: &[(f64, f64)], p: &mut [f64]) {
    const FLOOR: f64 = 1e-9;
    let clamp = |p: f64, (low, high): (f64, f64)| p.clamp(low.max(FLOOR), high.max(FLOOR));
    let d = p.len();
    let mut laws = Array2::zeros((d, d));
    for (a, mut law) in laws.outer_iter_mut().enumerate() {
        for b in 0..d {
            let (low, high) = (bounds[b].0.max(FLOOR) / bounds[a].1.max(FLOOR), bounds[b].1 / bounds[a].0.max(FLOOR));
            law[b] = if a == b { 1.0 } else { ratios[[a, b]].clamp(low, high.max(low)) };
        }
        law /= law.sum();
    }
    p.fill(1.0 / d as f64);
    for _ in 0..4 {
        let weights: Vec<f64> = p.iter().map(|p: &f64| p.max(FLOOR).powi(-3)).collect();
        let total: f64 = weights.iter().sum();
        for (b, p) in p.iter_mut().enumerate() {
            *p = clamp(laws.column(b).iter().zip(&weights).map(|(law, w)| law * w).sum::<f64>() / total, bounds[b]);
        }
    }
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= total);
}

impl Denoiser for OperatorScores {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        let bound = |column: ndarray::ArrayView1<'_, f64>| {
            column.iter().fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), &k| (low.min(k), high.max(k)))
        };
        let bounds: Vec<Vec<(f64, f64)>> =
            (0..kernel.sites()).map(|j| kernel.table(j).columns().into_iter().map(bound).collect()).collect();
        self.evaluate(t, y, |j, _, ratios, out| combine(ratios, &bounds[j], out))
    }
    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        projected_cavities(&self.noise, t, y, &self.conditional_marginals(t, y)?)
    }
}
