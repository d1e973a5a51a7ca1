//! Born laws: `P(x) = ψ(x)² / Z` with a real matrix-product `ψ`.
//!
//! In right-canonical form the conditional of a plain draw is `|v A_j[a]|²/|v|²`: one uniform is drawn first
//! and the symbol that it would choose under the marginal law is tried first, so that a draw costs
//! `(1 + P(fail)) χ²` multiply-adds a site (two states). Site weights scale the tensors by `√w` and need the
//! density matrices `ρ_j = Σ_a w_j(a) A_j[a] ρ_{j+1} A_j[a]ᵀ` of every row: `2dχ³` a site. The
//! log-probability is `2 log|ψ(x)| + Σ log w_j(x_j)` less the log-evidence. Sampling: arXiv 1201.3974; Born
//! machines: arXiv 1709.01662.
//!
//! Where weights and law disagree, the conditional weights `w(a) v A[a] ρ A[a]ᵀ v` add up to a small share of
//! `Σ w(a) |v|² tr ρ`, and rounding takes 10⁻¹⁶ of that. Rows in which a share falls below 10⁻⁴ are computed
//! with factors, `ρ_j = R_j R_jᵀ`, at a QR decomposition a site: rounding then takes 10⁻³², and shares down
//! to 10⁻²⁴ keep four digits. What is smaller cannot be told from zero and counts as evidence zero, a typed
//! error.
//!
//! An *open last bond* is summed over: `P(x) = Σ_k ψ_k(x)² / Z`. It carries complex states (`|ψ|²` is the sum
//! over real and imaginary part, `A → [[Re, −Im], [Im, Re]]`), mixed states by their purifications, and the
//! first sites of a longer chain. The amplitude then has more sites than the law, `k` being the states of the
//! sites behind it. In right-canonical form these add up to `ρ_{N+1} = 1`: a draw is over after the sites of
//! the law, and the conditional of a plain draw is `|v A_j[a]|²/|v|²` as before, at the same cost.
//!
//! **Limit.** The canonical form rounds each tensor to 10⁻¹⁶ of its norm. Plain scores of configurations that
//! need amplitudes below some 10⁻⁸ of others at the same site lose digits, and far below that all of them.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, s};

use super::batched::blocks::{Reply, Request, over_blocks};
use super::batched::row_products::{Probe, RowProduct, pack};
use super::batched::scalar::{Aligned, padded};
use super::batched::symbols::{Groups, Walk};
use super::traits::{ExactModel, Model, Samples, Target};
use super::weights::SiteWeights;
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::linalg::{matmul, matmul_into, qr};
use crate::log_space::LogProduct;
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// Rows of a block of plain draws: its vectors stay in the second-level cache.
const PLAIN_BLOCK: usize = 512;

/// Share of `|v|² tr ρ` below which a quadratic form `v ρ v` has too few digits: 10⁻¹⁶ of rounding are then
/// 10⁻¹² of it.
const SAFE: f64 = 1e-4;

/// Share below which factors, with 10⁻³² of rounding, have too few digits as well.
const LOST: f64 = 1e-24;

/// A normalised Born law, `P(x) = ψ(x)² / Z` or `Σ_k ψ_k(x)² / Z`.
///
/// Invariant: the amplitude is in right-canonical form with norm one.
#[derive(Debug, Clone)]
pub struct BornMps {
    psi: Mps,
    /// Sites of the law: the first ones of the amplitude, whose other sites are summed over.
    sites: usize,
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
        Self::marginal(psi, psi.sites())
    }

    /// The law of the first `sites` sites under `ψ²`, the others summed over: `P(x) = Σ_k ψ(x, k)² / Z`.
    ///
    /// These others may be the rest of a chain, the ancillas of a purification, or one site of `K` states
    /// that numbers amplitudes. Draws and scores visit the first `sites` sites only. Cost `O(N d χ³)` over
    /// all sites.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `sites` outside `1..=psi.sites()`; [`Error::ZeroWeight`] for the zero vector.
    ///
    /// # Examples
    /// The left half of a chain, and the same law with its bonds truncated:
    /// ```
    /// # use tensorjump::model::BornMps;
    /// # use tensorjump::tn::{Mps, Truncation};
    /// # use tensorjump::Target;
    /// # let chain = Mps::random_real(&[2; 12], 8, &mut tensorjump::Streams::new(1).stream(0))?;
    /// let half = BornMps::marginal(&chain, 6)?;
    /// let limit = Truncation { max_bond: 4, ..Truncation::default() };
    /// let (psi, _) = half.amplitude().compress(&limit)?;
    /// let smaller = BornMps::marginal(&psi, half.dims().len())?;
    /// # assert_eq!((smaller.dims().len(), smaller.amplitude().max_bond()), (6, 4));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn marginal(psi: &Mps, sites: usize) -> Result<Self> {
        if !(1..=psi.sites()).contains(&sites) {
            return Err(Error::parameter(
                "sites of a law",
                sites,
                "between one and the number of sites of the amplitude",
            ));
        }
        let canonical = psi.canonical(0)?;
        let log_z = 2.0 * canonical.log_norm();
        if log_z == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "Born law" });
        }
        Self::trusted(canonical.tensors().to_vec(), sites, log_z)
    }

    /// The law `Σ_k ψ_k(x)² / Z` of tensors of shape `(χ_{j−1}, d_j, χ_j)` with `χ_0 = 1` and an open last
    /// bond `k < χ_N = K`, `1 ≤ K ≤ 256`. `K = 1` is [`BornMps::new`], bit for bit.
    ///
    /// Cost `O(N d χ³)`. A larger `K` is the bond in the middle of a longer chain: [`BornMps::marginal`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for `K` out of range; as [`Mps::new`]; [`Error::ZeroWeight`] for zero amplitudes.
    ///
    /// # Examples
    /// Two spins that are up together or down together, a mixture of two amplitudes:
    /// ```
    /// use ndarray::{Array3, array};
    /// use tensorjump::{Model, model::BornMps};
    ///
    /// let first = Array3::from_shape_fn((1, 2, 2), |(_, a, r)| f64::from(a == r));
    /// let last = Array3::from_shape_fn((2, 2, 2), |(l, a, k)| f64::from(l == a && a == k));
    /// let mixture = BornMps::open(vec![first, last])?;
    /// let p = mixture.log_prob(array![[0, 0], [0, 1], [1, 1]].view())?.mapv(f64::exp);
    /// assert!((p - array![0.5, 0.0, 0.5]).iter().all(|d| d.abs() < 1e-15));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn open(mut tensors: Vec<Array3<f64>>) -> Result<Self> {
        let (sites, open) = (tensors.len(), tensors.last().map_or(1, |a| a.dim().2));
        if open == 1 {
            return Self::new(&Mps::new(tensors, 0.0)?);
        }
        if !(1..=256).contains(&open) {
            return Err(Error::parameter("open bond", open, "between 1 and 256"));
        }
        tensors.push(Array2::eye(open).insert_axis(Axis(2)));
        // From the left first: bonds that the sites before them cannot fill shrink, the open one among them.
        let psi = Mps::new(tensors, 0.0)?.canonical(sites)?.into_mps();
        Self::marginal(&psi, sites)
    }

    /// The law `|ψ(x)|² / Z` of a complex state, tensors given by real and imaginary parts of shape
    /// `(χ_{j−1}, d_j, χ_j)`, `χ_0 = 1`. An open last bond `χ_N ≤ 128` is summed over.
    ///
    /// The law has real bonds `2χ`, and a draw costs what complex arithmetic would. A state that is real in
    /// another gauge needs only `χ`: compress the amplitude as in [`BornMps::marginal`]. Cost `O(N d χ³)`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::Shape`] where the two parts or neighbouring bonds do not match; as
    /// [`BornMps::open`].
    ///
    /// # Examples
    /// Two spins after a pulse, `cos θ |00⟩ + i sin θ |11⟩`: `P(11) = sin² θ`, which the real part alone
    /// knows nothing of.
    /// ```
    /// use ndarray::{Array3, array};
    /// use tensorjump::{Model, model::BornMps, tn::Mps};
    ///
    /// let theta = std::f64::consts::FRAC_PI_6;
    /// let copy = Array3::from_shape_fn((1, 2, 2), |(_, a, r)| f64::from(a == r));
    /// let at = |s: usize, v: f64| {
    ///     Array3::from_shape_fn((2, 2, 1), |(l, a, _)| if [l, a] == [s; 2] { v } else { 0.0 })
    /// };
    /// let re = [copy.clone(), at(0, theta.cos())];
    /// let im = [Array3::zeros(copy.dim()), at(1, theta.sin())];
    ///
    /// let state = BornMps::complex(&re, &im)?;
    /// let up = array![[1, 1]];
    /// assert!((state.log_prob(up.view())?[0].exp() - 0.25).abs() < 1e-15);
    /// let real_part = BornMps::new(&Mps::new(re.to_vec(), 0.0)?)?;
    /// assert_eq!(real_part.log_prob(up.view())?[0].exp(), 0.0);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn complex(re: &[Array3<f64>], im: &[Array3<f64>]) -> Result<Self> {
        if re.len() != im.len() {
            return Err(Error::SiteCount { expected: re.len(), got: im.len() });
        }
        let mut tensors = Vec::with_capacity(re.len());
        let mut left = 1;
        for (re, im) in re.iter().zip(im) {
            let (l, d, r) = re.dim();
            if l != left {
                return Err(Error::Shape { field: "real tensor", expected: vec![left, d, r], got: vec![l, d, r] });
            }
            if im.dim() != re.dim() {
                let got = im.shape().to_vec();
                return Err(Error::Shape { field: "imaginary tensor", expected: vec![l, d, r], got });
            }
            tensors.push(doubled(re, im));
            left = r;
        }
        if let Some(first) = tensors.first_mut() {
            // The start (1, 0): ψ itself, not iψ.
            first.slice_axis_inplace(Axis(0), ndarray::Slice::from(..1));
        }
        Self::open(tensors)
    }

    /// The law of tensors that are right-canonical with norm one already, kept bit for bit. Cost `O(N d χ³)`.
    ///
    /// # Errors
    /// As [`Mps::new`]; [`Error::Parameter`] naming the first site whose tensor is not a right isometry (at
    /// the first site: of norm one) within 10⁻⁹.
    pub(crate) fn from_right_canonical(tensors: Vec<Array3<f64>>) -> Result<Self> {
        let psi = Mps::new(tensors, 0.0)?;
        if let Some(site) = first_bent(&psi) {
            return Err(Error::parameter("tensor", format!("site {site}"), "a right isometry"));
        }
        let sites = psi.sites();
        Self::trusted(psi.into_parts().0, sites, 0.0)
    }

    /// The law proportional to `ψ(x)²`; tensors that are right-canonical with norm one are kept bit for bit.
    ///
    /// # Errors
    /// As [`BornMps::marginal`].
    pub(crate) fn stored(psi: Mps, sites: usize) -> Result<Self> {
        if first_bent(&psi).is_some() || !(1..=psi.sites()).contains(&sites) {
            return Self::marginal(&psi, sites);
        }
        let (tensors, log_scale) = psi.into_parts();
        Self::trusted(tensors, sites, 2.0 * log_scale)
    }

    fn trusted(tensors: Vec<Array3<f64>>, sites: usize, log_z: f64) -> Result<Self> {
        let own = &tensors[..sites];
        let ld = own.iter().map(|a| padded::<f64>(a.dim().0.max(a.dim().2))).max().unwrap_or(8);
        let site = |a: &Array3<f64>| Site {
            bond: (a.dim().0, a.dim().2),
            forward: (0..a.dim().1).map(|x| pack(a.index_axis(Axis(1), x))).collect(),
        };
        let packed = Arc::new(own.iter().map(site).collect());
        let marginals = marginals(own);
        Ok(BornMps { psi: Mps::new(tensors, 0.0)?, sites, log_z, packed, ld, marginals })
    }

    /// A random law: tensor entries uniform in [−1, 1), bonds up to `bond`; for tests and benchmarks.
    ///
    /// # Errors
    /// No sites, `bond = 0`, or a local dimension outside 1..=256.
    pub fn random(dims: &[usize], bond: usize, stream: &mut Stream) -> Result<Self> {
        Self::new(&Mps::random_real(dims, bond, stream)?)
    }

    /// The normalised amplitude `ψ` in right-canonical form.
    ///
    /// With an open bond it has more sites than the law and `P(x) = Σ_k ψ(x, k)²`, `k` the states of those
    /// behind the law: one site of `K` states for [`BornMps::open`], where `ψ(x, k)` is `ψ_k(x)`; for
    /// [`BornMps::complex`] its states are the real and (with a minus) the imaginary part of `ψ(x)`.
    /// [`BornMps::marginal`] of it is this law again.
    pub fn amplitude(&self) -> &Mps {
        &self.psi
    }

    /// The amplitude of a law that has a single one.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an open bond.
    pub(crate) fn single_amplitude(&self) -> Result<&Mps> {
        if self.psi.sites() == self.sites {
            return Ok(&self.psi);
        }
        Err(Error::parameter("Born law", "a sum over an open bond", "the square of one real amplitude"))
    }

    /// Tensors of the sites of the law.
    fn tensors(&self) -> &[Array3<f64>] {
        &self.psi.tensors()[..self.sites]
    }

    /// `ρ_{N+1}`, the sum over an open bond: what lies behind the law is a right isometry.
    fn behind(&self) -> Array2<f64> {
        Array2::eye(self.tensors()[self.sites - 1].dim().2)
    }

    /// `log Σ_x ψ(x)²` (`Σ_x Σ_k ψ_k(x)²`) of what the constructor was given, in nats.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Marginal law of every site, `[site][state]`.
    pub fn site_marginals(&self) -> &[Vec<f64>] {
        &self.marginals
    }

    /// The law proportional to `P(x) ∏_j w_j(x_j)`, weights of shape `(sites, d_max)`: same bond dimension.
    /// Its [`BornMps::log_z`] is the log-evidence.
    ///
    /// # Errors
    /// Weights of the wrong shape, negative or not finite; [`Error::ZeroEvidence`] where nothing is left.
    pub fn tilted(&self, w: ArrayView2<'_, f64>) -> Result<Self> {
        SiteWeights::Shared(w).check(self.dims(), None)?;
        let mut tensors = self.psi.tensors().to_vec();
        for (j, a) in tensors[..self.sites].iter_mut().enumerate() {
            let root = w.slice(s![j, ..a.dim().1]).mapv(f64::sqrt);
            *a *= &root.insert_axis(Axis(1));
        }
        Self::marginal(&Mps::new(tensors, 0.0)?, self.sites).map_err(|e| match e {
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
            SiteWeights::Shared(table) => {
                let old = request.score;
                let mut reply = self.tilted(*table)?.reply(&SiteWeights::Uniform, n, request)?;
                // Isometries leave rounding where a weight of zero took away the rank.
                if let Some(x) = old.filter(|_| table.iter().any(|&w| w == 0.0)) {
                    for (score, x) in reply.scores.iter_mut().zip(x.outer_iter()) {
                        if x.iter().enumerate().any(|(j, &a)| table[[j, a.into()]] == 0.0) {
                            *score = f64::NEG_INFINITY;
                        }
                    }
                }
                Ok(reply)
            }
            _ => request.run(
                self.dims(),
                1,
                |right: &mut Right, row, _| {
                    *right = self.environments(w, row)?;
                    right.require_evidence(row)
                },
                |right, row, walk| self.draw_tilted(w, row, right, walk),
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

    /// Environments of a row, as factors where density matrices have too few digits: the weights alone
    /// decide.
    fn environments(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        let densities = self.densities(w, row)?;
        if self.least_share(w, row, &densities) >= SAFE {
            return Ok(densities);
        }
        let mut factors = self.factors(w, row)?;
        if self.least_share(w, row, &factors) < LOST {
            factors.log_evidence = f64::NEG_INFINITY;
        }
        Ok(factors)
    }

    /// The smallest share of the weights of all symbols along one path, at each site the symbol in the middle
    /// of the conditional law.
    ///
    /// Over draws `1/share` is on average `tr λ_j tr ρ_j / tr λ_j ρ_j` (`λ_j` the density matrix of the left
    /// half): what rounding is multiplied by in the evidence.
    fn least_share(&self, w: &SiteWeights<'_>, row: usize, right: &Right) -> f64 {
        let (mut v, mut least) = (Array1::ones(1), 1.0f64);
        for j in 0..self.dims().len() {
            let step = self.step(w, row, j, &v, right);
            least = least.min(step.share);
            if step.total == 0.0 {
                return 0.0;
            }
            v = unit(&step.next[choose(&step.weights, step.total, 0.5)]);
        }
        least
    }

    /// All symbols of site `j` behind the vector `v`.
    fn step(&self, w: &SiteWeights<'_>, row: usize, j: usize, v: &Array1<f64>, right: &Right) -> Step {
        let a = &self.tensors()[j];
        let next: Vec<Array1<f64>> = a.axis_iter(Axis(1)).map(|a| v.dot(&a)).collect();
        let (mut weights, mut whole) = (Vec::with_capacity(next.len()), 0.0);
        for (x, u) in next.iter().enumerate() {
            weights.push(w.get(row, j, x) * right.form(j + 1, u));
            whole += w.get(row, j, x); // |u| ≤ |v| = 1, ρ ≤ 1
        }
        let total: f64 = weights.iter().sum();
        Step { next, weights, total, share: if total > 0.0 { total / whole } else { 0.0 } }
    }

    /// Density matrices of the right half under the weights of a row.
    fn densities(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        const LIMIT: usize = 1 << 29;
        let size = self.tensors().iter().map(|a| a.dim().0.pow(2)).sum();
        if size > LIMIT {
            return Err(Error::TooLarge { what: "density matrices of a tilted Born law", size, limit: LIMIT });
        }
        let mut matrices = vec![self.behind()];
        let mut evidence = LogProduct::ONE;
        for (j, a) in self.tensors().iter().enumerate().rev() {
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
        Ok(Right { matrices, factored: false, log_evidence: evidence.ln() })
    }

    /// Factors of the density matrices of the right half, `ρ_j = R_j R_jᵀ`.
    fn factors(&self, w: &SiteWeights<'_>, row: usize) -> Result<Right> {
        let mut matrices = vec![self.behind()];
        let mut evidence = LogProduct::ONE;
        for (j, a) in self.tensors().iter().enumerate().rev() {
            let (l, d, _) = a.dim();
            let mut half = half_density(a.view(), &matrices[matrices.len() - 1]);
            let (max, roots) = roots(w, row, j, d);
            half *= &roots.insert_axis(Axis(1));
            let k = half.dim().2;
            let half = half.into_shape_with_order((l, d * k)).expect("standard layout");
            let (next, norm) = unit_norm(qr(half.t())?.1.reversed_axes());
            [norm, norm, max].into_iter().for_each(|factor| evidence.push(factor));
            matrices.push(next);
        }
        matrices.reverse();
        Ok(Right { matrices, factored: true, log_evidence: evidence.ln() })
    }

    /// A draw or score of one row under its environments.
    fn draw_tilted(&self, w: &SiteWeights<'_>, row: usize, right: &Right, mut walk: Walk<'_>) -> Result<Vec<f64>> {
        let mut v = Array1::ones(1);
        // Where this draw leads to a small share, though the path of `least_share` did not.
        let mut factors = None;
        for j in 0..self.dims().len() {
            walk.enter(j);
            let (x, next) = if walk.draws() {
                let mut step = self.step(w, row, j, &v, factors.as_ref().unwrap_or(right));
                if step.share < SAFE && !right.factored && factors.is_none() {
                    step = self.step(w, row, j, &v, factors.insert(self.factors(w, row)?));
                }
                if step.share < LOST {
                    return Err(Error::ZeroEvidence { row });
                }
                let x = choose(&step.weights, step.total, walk.uniform(0, j));
                (x, step.next.swap_remove(x))
            } else {
                let x = walk.symbol(0, j);
                (x, v.dot(&self.tensors()[j].index_axis(Axis(1), x)))
            };
            // Draw and score alike: the product of these over the evidence is |ψ(x)|² ∏ w over the evidence.
            walk.record(0, j, x, w.get(row, j, x) * next.dot(&next));
            v = unit(&next);
        }
        Ok(walk.finish().into_iter().map(|log| log - right.log_evidence).collect())
    }

    /// Cavity laws of one row, `(sites, d_max)` flattened.
    fn cavities_of(&self, w: &SiteWeights<'_>, row: usize) -> Result<Vec<f64>> {
        let right = self.environments(w, row)?;
        if !right.factored {
            let (cavities, share) = self.cavities_by_densities(w, row, &right);
            if share >= SAFE {
                return Ok(cavities);
            }
            return self.cavities_by_factors(w, row, &self.factors(w, row)?);
        }
        self.cavities_by_factors(w, row, &right)
    }

    /// Cavity laws, and the smallest `Σ_a tr λ_j A_j[a] ρ_{j+1} A_j[a]ᵀ`, the traces of `λ` and `ρ` being
    /// one.
    fn cavities_by_densities(&self, w: &SiteWeights<'_>, row: usize, right: &Right) -> (Vec<f64>, f64) {
        let d_max = self.dims().iter().copied().max().unwrap_or(1);
        let mut cavities = vec![0.0; self.dims().len() * d_max];
        let (mut left, mut least) = (Array2::<f64>::ones((1, 1)), 1.0f64);
        for (j, a) in self.tensors().iter().enumerate() {
            let (l, d, r) = a.dim();
            let half = half_density(a.view(), &right.matrices[j + 1]);
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let mut other = matmul(left.view(), flat.view()).into_shape_with_order((l, d, r)).expect("standard layout");
            let cavity = &mut cavities[j * d_max..][..d];
            for (x, c) in cavity.iter_mut().enumerate() {
                let (p, q) = (half.index_axis(Axis(1), x), other.index_axis(Axis(1), x));
                // Negative by rounding only: the matrices are.
                *c = p.iter().zip(q).map(|(p, q)| p * q).sum::<f64>().max(0.0);
            }
            let total: f64 = cavity.iter().sum();
            least = least.min(total);
            if total <= 0.0 {
                break;
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
        (cavities, least)
    }

    /// Cavity laws from factors of both halves, `|L_j A_j[a] R_{j+1}|²`.
    fn cavities_by_factors(&self, w: &SiteWeights<'_>, row: usize, right: &Right) -> Result<Vec<f64>> {
        let d_max = self.dims().iter().copied().max().unwrap_or(1);
        let mut cavities = vec![0.0; self.dims().len() * d_max];
        let mut left = Array2::<f64>::ones((1, 1));
        for (j, a) in self.tensors().iter().enumerate() {
            let (l, d, r) = a.dim();
            let (k, (_, roots)) = (left.nrows(), roots(w, row, j, d));
            let flat = a.to_shape((l, d * r)).expect("standard layout");
            let mut next = matmul(left.view(), flat.view()).into_shape_with_order((k, d, r)).expect("standard layout");
            let cavity = &mut cavities[j * d_max..][..d];
            for (x, c) in cavity.iter_mut().enumerate() {
                let whole = matmul(next.index_axis(Axis(1), x), right.matrices[j + 1].view());
                *c = whole.iter().map(|v| v * v).sum();
            }
            let total: f64 = cavity.iter().sum();
            if total < LOST {
                return Err(Error::ZeroEvidence { row });
            }
            cavity.iter_mut().for_each(|c| *c /= total);
            next *= &roots.insert_axis(Axis(1));
            let next = next.into_shape_with_order((k * d, r)).expect("standard layout");
            left = unit_norm(qr(next.view())?.1).0;
        }
        Ok(cavities)
    }
}

/// Environments of the right half of one row.
#[derive(Default)]
struct Right {
    /// `ρ_j` for `j = 0..=N`, trace one (or zero; the last is the unit matrix), or their factors `R_j`.
    matrices: Vec<Array2<f64>>,
    factored: bool,
    /// `log Σ_x P(x) ∏ w_j(x_j)` in nats.
    log_evidence: f64,
}

impl Right {
    fn require_evidence(&self, row: usize) -> Result<()> {
        if self.log_evidence == f64::NEG_INFINITY { Err(Error::ZeroEvidence { row }) } else { Ok(()) }
    }

    /// `u ρ_j u`, not negative.
    fn form(&self, j: usize, u: &Array1<f64>) -> f64 {
        let m = &self.matrices[j];
        if self.factored {
            let v = u.dot(m);
            v.dot(&v)
        } else {
            u.dot(&m.dot(u)).max(0.0)
        }
    }
}

/// The symbols of a site behind a vector `v`.
struct Step {
    /// `v A[a]`.
    next: Vec<Array1<f64>>,
    /// `w(a) (v A[a]) ρ (v A[a])`.
    weights: Vec<f64>,
    total: f64,
    /// `total` over `Σ w(a)`, the most that right isometries allow.
    share: f64,
}

/// A vector of norm one, or zero.
fn unit(v: &Array1<f64>) -> Array1<f64> {
    let norm = v.dot(v).sqrt();
    v * if norm > 0.0 { 1.0 / norm } else { 0.0 }
}

/// A matrix of Frobenius norm one, and the norm it had; zero where that is rounding.
fn unit_norm(mut m: Array2<f64>) -> (Array2<f64>, f64) {
    let square: f64 = m.iter().map(|v| v * v).sum();
    let norm = if square < LOST { 0.0 } else { square.sqrt() };
    m.mapv_inplace(|v| if norm > 0.0 { v / norm } else { 0.0 });
    (m, norm)
}

/// The largest weight of a site, and the roots of all over it, length `d`.
fn roots(w: &SiteWeights<'_>, row: usize, j: usize, d: usize) -> (f64, Array1<f64>) {
    let max = (0..d).map(|x| w.get(row, j, x)).fold(0.0, f64::max);
    let root = |x: usize| if max > 0.0 { (w.get(row, j, x) / max).sqrt() } else { 0.0 };
    (max, (0..d).map(root).collect())
}

/// A complex tensor as a real one of twice the bonds, `A[a] → [[Re, −Im], [Im, Re]]` in blocks.
///
/// Sums and products of such blocks are those of complex numbers, the first row `(Re ψ, −Im ψ)`.
fn doubled(re: &Array3<f64>, im: &Array3<f64>) -> Array3<f64> {
    let (l, d, r) = re.dim();
    let mut out = Array3::zeros((2 * l, d, 2 * r));
    out.slice_mut(s![..l, .., ..r]).assign(re);
    out.slice_mut(s![..l, .., r..]).assign(&(-im));
    out.slice_mut(s![l.., .., ..r]).assign(im);
    out.slice_mut(s![l.., .., r..]).assign(re);
    out
}

/// `A[a] ρ` for every state, shape `(χ_l, d, χ_r)`.
fn half_density(a: ArrayView3<'_, f64>, rho: &Array2<f64>) -> Array3<f64> {
    let (l, d, r) = a.dim();
    let tall = a.to_shape((l * d, r)).expect("standard layout");
    let mut half = Array2::zeros((l * d, r));
    matmul_into(1.0, tall.view(), rho.view(), 0.0, half.view_mut());
    half.into_shape_with_order((l, d, r)).expect("standard layout")
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
/// Two states: the one that the uniform would choose under the marginal law first, `[0, p_0)` belonging to
/// state 0. More: by decreasing marginal, each with its interval of the uniform in that order.
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
        &self.psi.dims()[..self.sites]
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        super::traits::initial_draw(self, stream)
    }
}

impl Model for BornMps {
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

impl ExactModel for BornMps {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), None)?;
        let log = over_blocks(w.rows().unwrap_or(1), 1, |(), row, _| Ok(self.environments(w, row)?.log_evidence))?;
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
