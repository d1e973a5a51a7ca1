//! Cavity, denoiser, conditional marginal, score ratio: four faces of one law, with the conversions between
//! them.

use nalgebra::{DMatrix, DVector};
use ndarray::{Array3, ArrayView1, ArrayView3, ArrayViewMut1, s};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::noise::{Kernel, Noise};

/// Sites below which a batch is not worth another thread.
pub(super) const SITES_PER_TASK: usize = 1 << 13;

/// The cavities of a batch of noised configurations, and what follows from them: four faces of one law.
///
/// For one noised configuration `y` and each site `j`, with `K_j` the kernel from 0 to `t`:
///
/// ```text
/// cavity                 c_j(a)  ∝ Σ_{x: x_j = a} P(x) ∏_{i≠j} K_i(x_i → y_i)     = P(x_0^j = a | y_{−j})
/// denoiser marginal      m_j(a)  ∝ c_j(a) K_j(a → y_j)                            = P(x_0^j = a | y)
/// conditional marginal   p_j(b)  = Σ_a c_j(a) K_j(a → b)                          = P_t(y_j = b | y_{−j})
/// score ratio            r_j(b)  = p_j(b) / p_j(y_j)                              = P_t(y^{j→b}) / P_t(y)
/// reverse rate           β(t) Q_j(b → y_j) r_j(b)                                 out of y, into y^{j→b}
/// ```
///
/// **Cavity and denoiser are not the same.** The cavity is the posterior that leaves out `y_j`, the denoiser
/// the one that has seen it; published code has mixed them up. For masks they agree at masked sites, and only
/// there.
///
/// Arrays have shape `(samples, sites, d_max)`: states before the noise for cavities and denoisers
/// (`d_in_max`), after it for the rest (`d_out_max`); padding is zero. Cost `O(N d²)` a sample at most,
/// `O(N d³)` once for [`Scores::from_conditional_marginals`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Scores<'a> {
    kernel: &'a Kernel,
    y: Configs<'a>,
    cavities: Array3<f64>,
}

impl<'a> Scores<'a> {
    /// From cavities, shape `(samples, sites, d_in_max)`, normalised here.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::NotFinite`], [`Error::Negative`]; configurations of the wrong shape or out
    /// of range; [`Error::ZeroEvidence`] for a row with a cavity of sum zero.
    pub fn from_cavities(kernel: &'a Kernel, y: Configs<'a>, mut cavities: Array3<f64>) -> Result<Self> {
        check(kernel, y, cavities.view(), "cavities", Side::Clean)?;
        check_sign(cavities.view(), "cavities")?;
        for (row, mut laws) in cavities.outer_iter_mut().enumerate() {
            for (law, &d) in laws.outer_iter_mut().zip(kernel.dims_in()) {
                if !normalise(law.slice_move(s![..d])) {
                    return Err(Error::ZeroEvidence { row });
                }
            }
        }
        Ok(Scores { kernel, y, cavities })
    }

    /// From denoiser marginals, shape `(samples, sites, d_in_max)`: `c_j(a) ∝ m_j(a) / K_j(a → y_j)`, zero
    /// where `K_j(a → y_j) = 0`.
    ///
    /// A denoiser says nothing about clean states `a` that cannot have led to `y_j`; with masks it says
    /// nothing at all at sites that are not masked, where `m_j` is the certainty of what is seen. What comes
    /// out there is the cavity *given that the clean state can lead to `y_j`*: all of it at a masked site,
    /// the same certainty at one that is not. Reverse rates, the steps and the integrand of the likelihood
    /// bound need no more: all of their states `b` lead to `y_j`, hence so does every `a` behind them. (Not
    /// so conditional marginals themselves, nor losses that read them at other states.) Mass of `m_j` on
    /// impossible states, where a network did not copy what it saw, is dropped.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for a row where no clean state of positive `m_j` leads to `y_j`; otherwise as
    /// [`Scores::from_cavities`].
    pub fn from_denoiser_marginals(kernel: &'a Kernel, y: Configs<'a>, marginals: ArrayView3<'_, f64>) -> Result<Self> {
        Ok(Scores { kernel, y, cavities: cavities_from_denoiser(kernel, y, marginals)? })
    }

    /// From conditional marginals or, what is the same up to normalisation, score ratios, shape
    /// `(samples, sites, d_out_max)`: the solution of `c_j K_j = p_j`, normalised.
    ///
    /// The error grows as the condition number of `K_j`, which is exponential in the noise time; entries that
    /// should be zero may then come out slightly negative, and are returned as they are.
    ///
    /// # Errors
    /// [`Error::NotInvertible`] where the rows of `K_j` are linearly dependent to rounding, or `K_j` has more
    /// rows than columns; otherwise as [`Scores::from_cavities`].
    pub fn from_conditional_marginals(
        kernel: &'a Kernel,
        y: Configs<'a>,
        marginals: ArrayView3<'_, f64>,
    ) -> Result<Self> {
        Ok(Scores { kernel, y, cavities: cavities_from_conditionals(kernel, y, marginals, |_| true)? })
    }

    /// Cavities `P(x_0^j = a | y_{−j})`.
    pub fn cavities(&self) -> ArrayView3<'_, f64> {
        self.cavities.view()
    }

    /// Denoiser marginals `P(x_0^j = a | y)`.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for a row that is impossible.
    pub fn denoiser_marginals(&self) -> Result<Array3<f64>> {
        denoiser_from_cavities(self.kernel, self.y, self.cavities.view())
    }

    /// Conditional marginals `P_t(y_j = b | y_{−j})`.
    ///
    /// # Errors
    /// None for valid cavities; as [`Scores::from_cavities`].
    pub fn conditional_marginals(&self) -> Result<Array3<f64>> {
        conditionals_from_cavities(self.kernel, self.y, self.cavities.view())
    }

    /// Score ratios `P_t(y^{j→b}) / P_t(y)`.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for a row that is impossible.
    pub fn score_ratios(&self) -> Result<Array3<f64>> {
        ratios_from_conditionals(self.kernel, self.y, self.conditional_marginals()?.view())
    }

    /// Rates of the reverse process at time `t` from `y` to `y^{j→b}`, zero at `b = y_j`; the kernel must be
    /// `noise.kernel(0, t)`.
    ///
    /// # Errors
    /// [`Error::ZeroEvidence`] for a row that is impossible; a time that is negative or NaN.
    pub fn reverse_rates(&self, noise: &Noise, t: f64) -> Result<Array3<f64>> {
        rates_from_ratios(noise, t, self.y, self.score_ratios()?)
    }
}

/// Which alphabet the last axis of an array runs over.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Clean,
    Noised,
}

fn check(kernel: &Kernel, y: Configs<'_>, table: ArrayView3<'_, f64>, field: &'static str, side: Side) -> Result<()> {
    check_configs(y, kernel.dims_out())?;
    let (sites, d_in, d_out) = kernel.tables().dim();
    let expected = (y.nrows(), sites, if side == Side::Clean { d_in } else { d_out });
    if table.dim() != expected {
        let (n, sites, d) = expected;
        return Err(Error::Shape { field, expected: vec![n, sites, d], got: table.shape().to_vec() });
    }
    check_finite(table, field)
}

fn check_finite(table: ArrayView3<'_, f64>, field: &'static str) -> Result<()> {
    if table.iter().all(|v| v.is_finite()) {
        return Ok(()); // several times faster than the search that names the site
    }
    match table.indexed_iter().find(|(_, v)| !v.is_finite()) {
        Some(((_, site, _), &value)) => Err(Error::NotFinite { field, site, value }),
        None => Ok(()),
    }
}

pub(super) fn check_sign(table: ArrayView3<'_, f64>, field: &'static str) -> Result<()> {
    if table.iter().all(|v| *v >= 0.0) {
        return Ok(());
    }
    match table.indexed_iter().find(|(_, v)| **v < 0.0) {
        Some(((_, site, _), &value)) => Err(Error::Negative { field, site, value }),
        None => Ok(()),
    }
}

/// Divides by the sum; false where it is zero.
fn normalise(mut law: ArrayViewMut1<'_, f64>) -> bool {
    let mut total = law.sum();
    if total.is_infinite() {
        // Entries near the largest number: in units of the largest one, the sum is in range.
        let largest = law.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        law /= largest;
        total = law.sum();
    }
    if total != 0.0 {
        law /= total;
    }
    total != 0.0
}

/// `m_j(a) ∝ c_j(a) K_j(a → y_j)`.
pub(crate) fn denoiser_from_cavities(
    kernel: &Kernel,
    y: Configs<'_>,
    cavities: ArrayView3<'_, f64>,
) -> Result<Array3<f64>> {
    check(kernel, y, cavities, "cavities", Side::Clean)?;
    let mut marginals = cavities.to_owned();
    for (row, y) in y.outer_iter().enumerate() {
        for (j, &b) in y.iter().enumerate() {
            let mut law = marginals.slice_mut(s![row, j, ..kernel.dims_in()[j]]);
            law *= &kernel.table(j).column(b.into());
            if !normalise(law) {
                return Err(Error::ZeroEvidence { row });
            }
        }
    }
    Ok(marginals)
}

/// See [`Scores::from_denoiser_marginals`].
pub(crate) fn cavities_from_denoiser(
    kernel: &Kernel,
    y: Configs<'_>,
    marginals: ArrayView3<'_, f64>,
) -> Result<Array3<f64>> {
    check(kernel, y, marginals, "denoiser marginals", Side::Clean)?;
    let mut cavities = marginals.to_owned();
    for (row, y) in y.outer_iter().enumerate() {
        for (j, &b) in y.iter().enumerate() {
            let table = kernel.table(j);
            let likelihood = table.column(b.into());
            // In units of the largest factor: the quotients stay in range when all factors are tiny.
            let largest = likelihood.iter().copied().fold(0.0, f64::max);
            let mut law = cavities.slice_mut(s![row, j, ..kernel.dims_in()[j]]);
            let top = law.fold(0.0_f64, |m, v| m.max(v.abs()));
            law.zip_mut_with(&likelihood, |m, &k| *m = if k == 0.0 { 0.0 } else { *m / top.max(1.0) / (k / largest) });
            if !normalise(law) {
                return Err(Error::ZeroEvidence { row });
            }
        }
    }
    Ok(cavities)
}

/// `p_j(b) = Σ_a c_j(a) K_j(a → b)`.
pub(crate) fn conditionals_from_cavities(
    kernel: &Kernel,
    y: Configs<'_>,
    cavities: ArrayView3<'_, f64>,
) -> Result<Array3<f64>> {
    check(kernel, y, cavities, "cavities", Side::Clean)?;
    Ok(through_kernel(kernel, cavities.to_owned()))
}

/// `Σ_a c_j(a) K_j(a → b)` of checked cavities, in their place where the alphabets are of one size.
pub(super) fn through_kernel(kernel: &Kernel, cavities: Array3<f64>) -> Array3<f64> {
    let (sites, d_in, d_out) = kernel.tables().dim();
    let d = d_in.max(d_out);
    let mut table = if d == d_in { cavities } else { widened(cavities.view(), d) };
    if !table.is_standard_layout() {
        table = table.as_standard_layout().into_owned();
    }
    let tables = kernel.tables();
    let kernels = tables.as_slice().expect("tables of kernels are contiguous");
    let work = |laws: &mut [f64]| {
        let mut c = [0.0; 256];
        for (law, kernel) in laws.chunks_exact_mut(d).zip(kernels.chunks_exact(d_in * d_out)) {
            // Padding of cavities and kernels is zero.
            let c = &mut c[..d_in];
            c.copy_from_slice(&law[..d_in]);
            law.fill(0.0);
            for (&c, kernel) in c.iter().zip(kernel.chunks_exact(d_out)) {
                law.iter_mut().zip(kernel).for_each(|(p, &k)| *p += c * k);
            }
        }
    };
    let all = table.as_slice_mut().expect("standard layout").par_chunks_mut((sites * d).max(1));
    all.with_min_len(SITES_PER_TASK.div_ceil(sites)).for_each(work);
    if d == d_out { table } else { table.slice(s![.., .., ..d_out]).to_owned() }
}

/// The same laws with the last axis padded to `d`.
fn widened(laws: ArrayView3<'_, f64>, d: usize) -> Array3<f64> {
    let mut wide = Array3::zeros((laws.dim().0, laws.dim().1, d));
    wide.slice_mut(s![.., .., ..laws.dim().2]).assign(&laws);
    wide
}

/// See [`Scores::from_conditional_marginals`]; zeros at sites that are not asked for.
pub(crate) fn cavities_from_conditionals(
    kernel: &Kernel,
    y: Configs<'_>,
    marginals: ArrayView3<'_, f64>,
    asked: impl Fn(usize) -> bool,
) -> Result<Array3<f64>> {
    check(kernel, y, marginals, "conditional marginals", Side::Noised)?;
    let (sites, d_in, _) = kernel.tables().dim();
    let mut cavities = Array3::zeros((y.nrows(), sites, d_in));
    for site in (0..sites).filter(|&site| asked(site)) {
        let solve = Solver::new(kernel, site)?;
        for row in 0..y.nrows() {
            let p = marginals.slice(s![row, site, ..kernel.dims_out()[site]]);
            let mut law = cavities.slice_mut(s![row, site, ..kernel.dims_in()[site]]);
            solve.apply(p, law.view_mut())?;
            if !normalise(law) {
                return Err(Error::ZeroEvidence { row });
            }
        }
    }
    Ok(cavities)
}

/// `c K = p` by a QR decomposition of `Kᵀ`, also for rectangular kernels with independent rows (masks).
struct Solver {
    q: DMatrix<f64>,
    r: DMatrix<f64>,
    site: usize,
}

impl Solver {
    fn new(kernel: &Kernel, site: usize) -> Result<Self> {
        let table = kernel.table(site);
        let (d_in, d_out) = table.dim();
        let singular = Error::NotInvertible { what: "kernel", site };
        if d_in > d_out {
            return Err(singular);
        }
        let qr = DMatrix::from_fn(d_out, d_in, |b, a| table[[a, b]]).qr();
        let (q, r) = (qr.q(), qr.r());
        let pivots = r.diagonal().abs();
        // Rounding leaves pivots of some d·2⁻⁵² in a singular matrix of norm one.
        if pivots.min() <= 4.0 * d_out as f64 * f64::EPSILON * pivots.max() {
            return Err(singular);
        }
        Ok(Solver { q, r, site })
    }

    fn apply(&self, p: ArrayView1<'_, f64>, mut c: ArrayViewMut1<'_, f64>) -> Result<()> {
        let right = self.q.tr_mul(&DVector::from_iterator(p.len(), p.iter().copied()));
        let solution = self.r.solve_upper_triangular(&right);
        let solution = solution.ok_or(Error::NotInvertible { what: "kernel", site: self.site })?;
        c.iter_mut().zip(&solution).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

/// `r_j(b) = p_j(b) / p_j(y_j)`.
pub(crate) fn ratios_from_conditionals(
    kernel: &Kernel,
    y: Configs<'_>,
    marginals: ArrayView3<'_, f64>,
) -> Result<Array3<f64>> {
    check(kernel, y, marginals, "conditional marginals", Side::Noised)?;
    let mut ratios = marginals.to_owned();
    for (row, y) in y.outer_iter().enumerate() {
        for (j, &b) in y.iter().enumerate() {
            let here = marginals[[row, j, b.into()]];
            if here == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            ratios.slice_mut(s![row, j, ..]).map_inplace(|r| *r /= here);
        }
    }
    Ok(ratios)
}

/// `p_j = r_j / Σ_b r_j(b)`.
pub(crate) fn conditionals_from_ratios(
    kernel: &Kernel,
    y: Configs<'_>,
    ratios: ArrayView3<'_, f64>,
) -> Result<Array3<f64>> {
    check(kernel, y, ratios, "score ratios", Side::Noised)?;
    let mut marginals = ratios.to_owned();
    for (row, mut laws) in marginals.outer_iter_mut().enumerate() {
        for (mut law, &d) in laws.outer_iter_mut().zip(kernel.dims_out()) {
            law.slice_mut(s![d..]).fill(0.0);
            if !normalise(law) {
                return Err(Error::ZeroEvidence { row });
            }
        }
    }
    Ok(marginals)
}

/// `β(t) Q_j(b → y_j) r_j(b)`. Signs are not checked: ratios of inverted kernels may be negative by rounding.
fn rates_from_ratios(noise: &Noise, t: f64, y: Configs<'_>, ratios: Array3<f64>) -> Result<Array3<f64>> {
    check_configs(y, noise.dims_out())?;
    let d_out = noise.dims_out().iter().copied().max().unwrap_or(0);
    if ratios.dim() != (y.nrows(), noise.sites(), d_out) {
        let expected = vec![y.nrows(), noise.sites(), d_out];
        return Err(Error::Shape { field: "score ratios", expected, got: ratios.shape().to_vec() });
    }
    let mut rates = ratios;
    for j in 0..noise.sites() {
        let mut q = noise.rate_matrix(j, t)?;
        q.diag_mut().fill(0.0);
        for (row, y) in y.outer_iter().enumerate() {
            let mut law = rates.slice_mut(s![row, j, ..noise.dims_out()[j]]);
            law *= &q.column(y[j].into());
        }
    }
    Ok(rates)
}
