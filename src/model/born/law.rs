//! The law itself: its invariant, how it is made from a real amplitude, and what it says of itself.

use std::sync::Arc;

use ndarray::{Array2, Array3, ArrayView2, Axis, s};

use super::packed::Site;
use crate::error::{Error, Result};
use crate::linalg::matmul;
use crate::model::traits::Target;
use crate::model::weights::SiteWeights;
use crate::rng::Stream;
use crate::tn::Mps;

/// A normalised Born law, `P(x) = ψ(x)² / Z` or `Σ_k ψ_k(x)² / Z`.
///
/// Invariant: the amplitude is in right-canonical form with norm one.
///
/// **Smallest probability.** A symbol is chosen by a uniform number of 53 bits: its conditional probability
/// is drawn to within 2⁻⁵³ ≈ 1.1e-16, and one below that may never be drawn.
#[derive(Debug, Clone)]
pub struct BornMps {
    pub(super) psi: Mps,
    /// Sites of the law: the first ones of the amplitude, whose other sites are summed over.
    pub(super) sites: usize,
    log_z: f64,
    pub(super) packed: Arc<Vec<Site>>,
    pub(super) ld: usize,
    pub(super) marginals: Vec<Vec<f64>>,
}

/// The first site whose tensor is not a right isometry (at the first site: of norm one) within 10⁻⁹.
fn first_bent(psi: &Mps) -> Option<usize> {
    psi.tensors().iter().position(|a| {
        let (l, d, r) = a.dim();
        if l > d * r {
            return true; // seen without a matrix of l × l numbers, which no file justifies
        }
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
        let ld = own.iter().map(Site::width).max().unwrap_or(8);
        let packed = Arc::new(own.iter().map(Site::new).collect());
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
    pub(super) fn tensors(&self) -> &[Array3<f64>] {
        &self.psi.tensors()[..self.sites]
    }

    /// `ρ_{N+1}`, the sum over an open bond: what lies behind the law is a right isometry.
    pub(super) fn behind(&self) -> Array2<f64> {
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
