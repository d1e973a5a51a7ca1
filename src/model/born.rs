//! Born laws: `P(x) = ψ(x)² / Z` with a real matrix-product `ψ`.
//!
//! In right-canonical form the conditional of a plain draw is `|v A_j[a]|²/|v|²`: one uniform is drawn first and the symbol that it
//! would choose under the marginal law is tried first, so that a draw costs `(1 + P(fail)) χ²` multiply-adds a site (two states).
//! Site weights scale the tensors by `√w` and need the density matrices `ρ_j = Σ_a w_j(a) A_j[a] ρ_{j+1} A_j[a]ᵀ` of every row:
//! `2dχ³` a site. Sampling: arXiv 1201.3974; Born machines: arXiv 1709.01662.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, s};

use super::batch::{Reply, Request, over_blocks};
use super::real::{Aligned, padded};
use super::rows::{Probe, RowProduct, pack};
use super::walk::{Groups, Walk, pick};
use super::{Configs, ExactModel, Model, Samples, SiteWeights, Target, check_configs};
use crate::error::{Error, Result};
use crate::linalg::{matmul, matmul_into};
use crate::log_space::LogProduct;
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// Rows of a block of plain draws: its vectors stay in the second-level cache.
const PLAIN_BLOCK: usize = 512;

/// A quadratic form that should be ≥ 0 may come out negative by rounding: each is a sum of at most χ² ≈ 10⁴ terms with relative
/// error 10⁻¹⁶, so below `10⁻¹² ×` the sum of the magnitudes it is zero; beyond that it is an error.
const ROUNDING: f64 = 1e-12;

/// A normalised Born law.
///
/// Invariant: the amplitude is in right-canonical form with norm one.
#[derive(Debug, Clone)]
pub struct BornMps {
    psi: Mps,
    log_z: f64,
    packed: Arc<Vec<Site>>,
    ld: usize,
    marginals: Vec<Vec<f64>>,
}

/// Matrices of one site, packed for [`RowProduct`].
#[derive(Debug)]
struct Site {
    /// Left and right bond dimension.
    bond: (usize, usize),
    /// `A[a]`, shape `(χ_l, padded χ_r)`.
    forward: Vec<Aligned<f64>>,
}

/// The first site whose tensor is not a right isometry (at the first site: of norm one) within 10⁻⁹.
fn first_bent(psi: &Mps) -> Option<usize> {
    psi.tensors().iter().position(|a| {
        let (l, d, r) = a.dim();
        let flat = a.to_shape((l, d * r)).expect("standard layout");
        let overlap = matmul(flat.view(), flat.t()) - Array2::<f64>::eye(l);
        overlap.iter().any(|v| v.is_nan() || v.abs() > 1e-9)
    })
}

impl BornMps {
    /// The law proportional to `ψ(x)²`. Cost `O(N d χ³)`.
    ///
    /// # Errors
    /// [`Error::ZeroWeight`] for the zero vector.
    pub fn new(psi: &Mps) -> Result<Self> {
        let canonical = psi.canonical(0)?;
        let log_z = 2.0 * canonical.log_norm();
        if log_z == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "Born law" });
        }
        Self::trusted(canonical.tensors().to_vec(), log_z)
    }

    /// The law of tensors that are right-canonical with norm one already, kept bit for bit. Cost `O(N d χ³)`.
    ///
    /// # Errors
    /// As [`Mps::new`]; [`Error::Parameter`] naming the first site whose tensor is not a right isometry (at the first site: of norm one)
    /// within 10⁻⁹.
    pub(crate) fn from_right_canonical(tensors: Vec<Array3<f64>>) -> Result<Self> {
        let psi = Mps::new(tensors, 0.0)?;
        if let Some(site) = first_bent(&psi) {
            return Err(Error::parameter("tensor", format!("site {site}"), "a right isometry"));
        }
        Self::trusted(psi.into_parts().0, 0.0)
    }

    /// The law proportional to `ψ(x)²`; tensors that are right-canonical with norm one are kept bit for bit.
    ///
    /// # Errors
    /// As [`BornMps::new`].
    pub(crate) fn stored(psi: Mps) -> Result<Self> {
        if first_bent(&psi).is_some() {
            return Self::new(&psi);
        }
        let (tensors, log_scale) = psi.into_parts();
        Self::trusted(tensors, 2.0 * log_scale)
    }

    fn trusted(tensors: Vec<Array3<f64>>, log_z: f64) -> Result<Self> {
        let ld = tensors.iter().map(|a| padded::<f64>(a.dim().0.max(a.dim().2))).max().unwrap_or(8);
        let site = |a: &Array3<f64>| Site {
            bond: (a.dim().0, a.dim().2),
            forward: (0..a.dim().1).map(|x| pack(a.index_axis(Axis(1), x))).collect(),
        };
        let packed = Arc::new(tensors.iter().map(site).collect());
        let marginals = marginals(&tensors);
        Ok(BornMps { psi: Mps::new(tensors, 0.0)?, log_z, packed, ld, marginals })
    }

    /// A random law: tensor entries uniform in [−1, 1), bonds up to `bond`; for tests and benchmarks.
    ///
    /// # Errors
    /// No sites, `bond = 0`, or a local dimension outside 1..=256.
    pub fn random(dims: &[usize], bond: usize, stream: &mut Stream) -> Result<Self> {
        Self::new(&Mps::random_real(dims, bond, stream)?)
    }

    /// The normalised amplitude `ψ` in right-canonical form.
    pub fn amplitude(&self) -> &Mps {
        &self.psi
    }

    /// `log Σ_x ψ(x)²` of the vector that [`BornMps::new`] was given, in nats.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Marginal law of every site, `[site][state]`.
    pub fn site_marginals(&self) -> &[Vec<f64>] {
        &self.marginals
    }

    /// The law proportional to `P(x) ∏_j w_j(x_j)`, weights of shape `(sites, d_max)`: same bond dimension. Its
    /// [`BornMps::log_z`] is the log-evidence.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`Error::ZeroEvidence`] where nothing is left.
    pub fn tilted(&self, w: ArrayView2<'_, f64>) -> Result<Self> {
        SiteWeights::Shared(w).check(self.dims(), None)?;
        let tensors = self.psi.tensors().iter().enumerate().map(|(j, a)| {
            let root = w.slice(s![j, ..a.dim().1]).mapv(f64::sqrt);
            a * &root.insert_axis(Axis(1))
        });
        Self::new(&Mps::new(tensors.collect(), 0.0)?).map_err(|e| match e {
            Error::ZeroWeight { .. } => Error::ZeroEvidence { row: 0 },
            other => other,
        })
    }

    fn reply(&self, w: &SiteWeights<'_>, n: usize, request: Request<'_>) -> Result<Reply> {
        w.check(self.dims(), Some(n))?;
        match w {
            SiteWeights::Uniform => {
                request.run(self.dims(), PLAIN_BLOCK, |(), _, _| Ok(()), |(), _, walk| Ok(self.plain(walk)))
            }
            SiteWeights::Shared(table) => self.tilted(*table)?.reply(&SiteWeights::Uniform, n, request),
            _ => request.run(
                self.dims(),
                1,
                |densities: &mut Densities, row, _| {
                    *densities = self.densities(w, row)?;
                    densities.require_evidence(row)
                },
                |densities, row, walk| self.draw_tilted(w, row, densities, walk),
            ),
        }
    }

    /// Plain draws or scores of a block; returns log-probabilities.
    fn plain(&self, mut walk: Walk<'_>) -> Vec<f64> {
        let (rows, ld) = (walk.rows(), self.ld);
        let (mut v, mut out) = (Aligned::zeros(rows * ld), Aligned::zeros(rows * ld));
        (0..rows).for_each(|row| v[row * ld] = 1.0);
        let d_max = self.dims().iter().copied().max().unwrap_or(1);
        let (mut groups, mut undecided) = (Groups::new(d_max, rows), Vec::with_capacity(rows));
        // Squared norm of each row's vector, and the factor that brings it back to one.
        let (mut norms, mut scale) = (vec![1.0; rows], vec![1.0; rows]);
        let mut passed = vec![0.0; rows];
        for (j, site) in self.packed.iter().enumerate() {
            walk.enter(j);
            let order = Order::new(&self.marginals[j]);
            for (scale, &norm) in scale.iter_mut().zip(&norms) {
                *scale = if norm > 0.0 { 1.0 / f64::sqrt(norm) } else { 0.0 };
            }
            undecided.clear();
            undecided.extend(0..rows as u32);
            passed.fill(0.0);
            for rank in 0..self.dims()[j] {
                if undecided.is_empty() {
                    break;
                }
                groups.clear();
                for &row in &undecided {
                    let row = row as usize;
                    let a = if walk.draws() { order.symbol(rank, walk.uniform(row, j)) } else { walk.symbol(row, j) };
                    groups.push(a, row);
                }
                for a in 0..self.dims()[j] {
                    site.product(a, groups.get(a), &v, &mut out, ld, &scale, &mut norms);
                }
                let last = rank + 1 == self.dims()[j];
                undecided.retain(|&row| {
                    let row = row as usize;
                    let q = norms[row];
                    if !walk.draws() {
                        walk.record(row, j, walk.symbol(row, j), q);
                        return false;
                    }
                    let u = walk.uniform(row, j);
                    passed[row] += q;
                    let settled = q > 0.0 && (last || order.flipped(u) < passed[row]);
                    if settled {
                        walk.record(row, j, order.symbol(rank, u), q);
                    }
                    !settled
                });
            }
            // Rounding left a gap behind the last symbol, which is impossible: take the likeliest.
            for &row in &undecided {
                let mut best = (0.0, 0);
                for a in 0..self.dims()[j] {
                    site.product(a, &[row], &v, &mut out, ld, &scale, &mut norms);
                    if norms[row as usize] > best.0 {
                        best = (norms[row as usize], a);
                    }
                }
                site.product(best.1, &[row], &v, &mut out, ld, &scale, &mut norms);
                walk.record(row as usize, j, best.1, best.0);
            }
            std::mem::swap(&mut v, &mut out);
        }
        walk.finish()
    }

    /// Density matrices of the right half under the weights of a row.
    fn densities(&self, w: &SiteWeights<'_>, row: usize) -> Result<Densities> {
        const LIMIT: usize = 1 << 29;
        let size = self.psi.tensors().iter().map(|a| a.dim().0.pow(2)).sum();
        if size > LIMIT {
            return Err(Error::TooLarge { what: "density matrices of a tilted Born law", size, limit: LIMIT });
        }
        let mut matrices = vec![Array2::ones((1, 1))];
        let mut evidence = LogProduct::ONE;
        for (j, a) in self.psi.tensors().iter().enumerate().rev() {
            let (l, d, r) = a.dim();
            let rho = &matrices[matrices.len() - 1];
            let mut half = half_density(a.view(), rho);
            let max = (0..d).map(|x| w.get(row, j, x)).fold(0.0, f64::max);
            if max > 0.0 {
                for x in 0..d {
                    half.index_axis_mut(Axis(1), x).mapv_inplace(|v| v * (w.get(row, j, x) / max));
                }
            } else {
                half.fill(0.0);
            }
            let half = half.into_shape_with_order((l, d * r)).expect("standard layout");
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let mut next = matmul(half.view(), flat.t());
            let trace = next.diag().sum();
            evidence.push(if trace < 0.0 { 0.0 } else { trace });
            evidence.push(max);
            next.mapv_inplace(|v| if trace > 0.0 { v / trace } else { 0.0 });
            matrices.push(next);
        }
        matrices.reverse();
        Ok(Densities { matrices, log_evidence: evidence.ln() })
    }

    /// A draw or score of one row under its density matrices.
    fn draw_tilted(&self, w: &SiteWeights<'_>, row: usize, rho: &Densities, mut walk: Walk<'_>) -> Result<Vec<f64>> {
        let mut v = Array1::ones(1);
        for (j, a) in self.psi.tensors().iter().enumerate() {
            walk.enter(j);
            let d = a.dim().1;
            let next: Vec<Array1<f64>> = (0..d).map(|x| v.dot(&a.index_axis(Axis(1), x))).collect();
            let mut weights = Vec::with_capacity(d);
            for (x, u) in next.iter().enumerate() {
                let form = u.dot(&rho.matrices[j + 1].dot(u));
                weights.push(non_negative(w.get(row, j, x) * form, w.get(row, j, x) * u.dot(u), j)?);
            }
            let total: f64 = weights.iter().sum();
            let x = if walk.draws() { pick(&weights, total, walk.uniform(0, j)) } else { walk.symbol(0, j) };
            let q = if weights[x] > 0.0 { weights[x] / total } else { 0.0 };
            walk.record(0, j, x, q);
            let norm = next[x].dot(&next[x]).sqrt();
            v = &next[x] * if norm > 0.0 { 1.0 / norm } else { 0.0 };
        }
        Ok(walk.finish())
    }

    /// Cavity laws of one row, `(sites, d_max)` flattened.
    fn cavities_of(&self, w: &SiteWeights<'_>, row: usize) -> Result<Vec<f64>> {
        let d_max = self.dims().iter().copied().max().unwrap_or(1);
        let rho = self.densities(w, row)?;
        let mut cavities = vec![0.0; self.dims().len() * d_max];
        let mut left = Array2::<f64>::ones((1, 1));
        for (j, a) in self.psi.tensors().iter().enumerate() {
            let (l, d, r) = a.dim();
            let half = half_density(a.view(), &rho.matrices[j + 1]);
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let mut other = matmul(left.view(), flat.view()).into_shape_with_order((l, d, r)).expect("standard layout");
            let cavity = &mut cavities[j * d_max..][..d];
            for (x, c) in cavity.iter_mut().enumerate() {
                let (p, q) = (half.index_axis(Axis(1), x), other.index_axis(Axis(1), x));
                let (value, magnitude) =
                    p.iter().zip(q).fold((0.0, 0.0), |(s, m), (&p, &q)| (s + p * q, m + (p * q).abs()));
                *c = non_negative(value, magnitude, j)?;
            }
            let total: f64 = cavity.iter().sum();
            if total <= 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            cavity.iter_mut().for_each(|c| *c /= total);
            for x in 0..d {
                other.index_axis_mut(Axis(1), x).mapv_inplace(|v| v * w.get(row, j, x));
            }
            let tall = a.to_shape((l * d, r)).expect("standard layout");
            let other = other.into_shape_with_order((l * d, r)).expect("standard layout");
            left = matmul(tall.t(), other.view());
            let trace = left.diag().sum();
            left.mapv_inplace(|v| if trace > 0.0 { v / trace } else { 0.0 });
        }
        Ok(cavities)
    }
}

/// Right density matrices of one row.
#[derive(Default)]
struct Densities {
    /// `ρ_j` for `j = 0..=N`, trace one (or zero).
    matrices: Vec<Array2<f64>>,
    /// `log Σ_x P(x) ∏ w_j(x_j)` in nats.
    log_evidence: f64,
}

impl Densities {
    fn require_evidence(&self, row: usize) -> Result<()> {
        if self.log_evidence == f64::NEG_INFINITY { Err(Error::ZeroEvidence { row }) } else { Ok(()) }
    }
}

/// `A[a] ρ` for every state, shape `(χ_l, d, χ_r)`.
fn half_density(a: ArrayView3<'_, f64>, rho: &Array2<f64>) -> Array3<f64> {
    let (l, d, r) = a.dim();
    let tall = a.to_shape((l * d, r)).expect("standard layout");
    let mut half = Array2::zeros((l * d, r));
    matmul_into(1.0, tall.view(), rho.view(), 0.0, half.view_mut());
    half.into_shape_with_order((l, d, r)).expect("standard layout")
}

/// A weight that is ≥ 0 but for rounding.
fn non_negative(value: f64, magnitude: f64, site: usize) -> Result<f64> {
    if value >= 0.0 {
        Ok(value)
    } else if value >= -ROUNDING * magnitude {
        Ok(0.0)
    } else {
        Err(Error::Negative { field: "conditional weight", site, value })
    }
}

impl Site {
    /// `out = scale · v A[a]` and its squared norm for the listed rows.
    #[allow(clippy::too_many_arguments)] // disjoint borrows of one pass
    fn product(&self, a: usize, rows: &[u32], v: &[f64], out: &mut [f64], ld: usize, scale: &[f64], norms: &mut [f64]) {
        RowProduct {
            rows,
            v,
            out,
            ld,
            matrix: &self.forward[a],
            k: self.bond.0,
            n: padded::<f64>(self.bond.1),
            scale,
            accumulate: false,
            probe: Probe::Itself,
            dots: norms,
        }
        .run();
    }
}

/// The order in which the symbols of a site are tried.
///
/// Two states: the one that the uniform would choose under the marginal law first, `[0, p_0)` belonging to state 0. More: by
/// decreasing marginal, each with its interval of the uniform in that order.
struct Order {
    by_marginal: Vec<usize>,
    first: f64,
}

impl Order {
    fn new(marginal: &[f64]) -> Self {
        let mut by_marginal: Vec<usize> = (0..marginal.len()).collect();
        by_marginal.sort_by(|&a, &b| marginal[b].total_cmp(&marginal[a]));
        Order { by_marginal, first: marginal[0] }
    }

    /// The symbol tried at `rank` for a uniform.
    #[inline(always)]
    fn symbol(&self, rank: usize, u: f64) -> usize {
        if self.by_marginal.len() == 2 { rank ^ usize::from(u >= self.first) } else { self.by_marginal[rank] }
    }

    /// The uniform measured from the end at which the first symbol's interval lies.
    #[inline(always)]
    fn flipped(&self, u: f64) -> f64 {
        if self.by_marginal.len() == 2 && u >= self.first { 1.0 - u } else { u }
    }
}

/// Marginal law of every site of a right-canonical amplitude.
fn marginals(tensors: &[Array3<f64>]) -> Vec<Vec<f64>> {
    let mut left = Array2::<f64>::ones((1, 1));
    tensors
        .iter()
        .map(|a| {
            let (l, d, r) = a.dim();
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let other = matmul(left.view(), flat.view()).into_shape_with_order((l * d, r)).expect("standard layout");
            let tall = a.to_shape((l * d, r)).expect("standard layout");
            let mut law = vec![0.0; d];
            for (i, (p, q)) in tall.outer_iter().zip(other.outer_iter()).enumerate() {
                law[i % d] += p.dot(&q);
            }
            left = matmul(tall.t(), other.view());
            let total = left.diag().sum();
            left /= total;
            law.iter().map(|p| p.max(0.0) / total).collect()
        })
        .collect()
}

impl Target for BornMps {
    fn dims(&self) -> &[usize] {
        self.psi.dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x, &SiteWeights::Uniform)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        super::initial_draw(self, stream)
    }
}

impl Model for BornMps {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.reply(w, n, Request { draw: Some((n, streams)), score: None })?.samples)
    }

    fn log_prob(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
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

impl ExactModel for BornMps {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), None)?;
        let log = over_blocks(w.rows().unwrap_or(1), 1, |(), row, _| Ok(self.densities(w, row)?.log_evidence))?;
        Ok(log.into())
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(self.dims(), None)?;
        let rows = w.rows().unwrap_or(1);
        let flat: Vec<f64> =
            over_blocks(rows, 1, |(), row, _| self.cavities_of(w, row))?.into_iter().flatten().collect();
        let (n, d) = (self.dims().len(), self.dims().iter().copied().max().unwrap_or(1));
        Ok(Array3::from_shape_vec((rows, n, d), flat).expect("one cavity law a row and site"))
    }
}
