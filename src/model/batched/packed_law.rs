//! Batched sampling of a non-negative matrix-product law in the hidden-Markov gauge.
//!
//! In that gauge `Σ_a A_j[a]·1 = 1`, so a plain draw keeps a probability vector `v` over the bond and needs
//! only `p_a = v·(A_j[a]·1)`, then `v ← v A_j[x]/p_x`: χ² multiply-adds a site. Under site weights:
//! tilted.rs.

use ndarray::{Array3, Axis};

use super::row_products::{Probe, RowProduct, pack};
use super::scalar::{Aligned, Real, padded};
use super::symbols::{Groups, Walk};

/// Rows of a block of tilted draws: enough to read the matrices seldom, few enough that right vectors stay in
/// the cache.
const TILTED_BLOCK: usize = 256;

/// Matrices of one site, packed for [`RowProduct`].
#[derive(Debug)]
pub(super) struct Site<T> {
    /// Left and right bond dimension.
    pub(super) bond: (usize, usize),
    /// `A[a]`, shape `(χ_l, padded χ_r)`.
    pub(super) forward: Vec<Aligned<T>>,
    /// `A[a]ᵀ`, shape `(χ_r, padded χ_l)`.
    pub(super) backward: Vec<Aligned<T>>,
    /// `A[a]·1`, one padded vector of the left bond a symbol.
    pub(super) row_sums: Aligned<T>,
}

/// The packed law.
#[derive(Debug)]
pub(crate) struct Linear<T> {
    pub(super) sites: Vec<Site<T>>,
    pub(super) dims: Vec<usize>,
    pub(super) d_max: usize,
    pub(super) ld: usize,
}

impl<T: Real> Linear<T> {
    /// Packs tensors of shape `(χ_l, d, χ_r)` in the hidden-Markov gauge.
    pub(crate) fn new(tensors: &[Array3<f64>]) -> Self {
        let ld = tensors.iter().map(|a| padded::<T>(a.dim().0.max(a.dim().2))).max().unwrap_or(T::LANES);
        let sites = tensors
            .iter()
            .map(|a| {
                let (l, d, r) = a.dim();
                let nl = padded::<T>(l);
                let mut row_sums = Aligned::zeros(d * nl);
                for ((i, x), law) in ndarray::indices((l, d)).into_iter().zip(a.lanes(Axis(2))) {
                    row_sums[x * nl + i] = T::from_f64(law.sum());
                }
                let forward = (0..d).map(|x| pack(a.index_axis(Axis(1), x))).collect();
                let backward = (0..d).map(|x| pack(a.index_axis(Axis(1), x).reversed_axes())).collect();
                Site { bond: (l, r), forward, backward, row_sums }
            })
            .collect();
        let dims: Vec<usize> = tensors.iter().map(|a| a.dim().1).collect();
        Linear { sites, d_max: dims.iter().copied().max().unwrap_or(1), dims, ld }
    }

    pub(crate) fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// `A_j[a]ᵀ` of every symbol, each `(χ_r, padded χ_l)`.
    pub(crate) fn backward(&self, site: usize) -> &[Aligned<T>] {
        &self.sites[site].backward
    }

    /// Rows of a block that keep its right vectors within about 256 MiB.
    pub(crate) fn tilted_block(&self) -> usize {
        let row = (self.sites.len() + 1) * self.ld * size_of::<T>();
        ((256 << 20) / row).clamp(1, TILTED_BLOCK)
    }

    /// Plain draws or scores of a block; returns log-probabilities.
    pub(crate) fn plain(&self, mut walk: Walk<'_>) -> Vec<f64> {
        let rows = walk.rows();
        let (mut v, mut out) = (Aligned::<T>::zeros(rows * self.ld), Aligned::<T>::zeros(rows * self.ld));
        let mut scale = vec![T::ONE; rows];
        let mut groups = Groups::new(self.d_max, rows);
        let mut weights = vec![T::default(); rows * self.d_max];
        let first = &self.sites[0];
        for row in 0..rows {
            v[row * self.ld] = T::ONE;
            for a in 0..self.dims[0] {
                weights[row * self.dims[0] + a] = first.row_sums[a * padded::<T>(1)];
            }
        }
        for (j, site) in self.sites.iter().enumerate() {
            walk.enter(j);
            groups.clear();
            walk.choose(j, self.dims[j], &weights, &mut scale, &mut groups);
            let Some(next) = self.sites.get(j + 1) else { break };
            for (a, matrix) in site.forward.iter().enumerate() {
                RowProduct {
                    rows: groups.get(a),
                    v: &v,
                    out: &mut out,
                    ld: self.ld,
                    matrix,
                    k: site.bond.0,
                    n: padded::<T>(site.bond.1),
                    scale: &scale,
                    accumulate: false,
                    probe: Probe::Shared(&next.row_sums),
                    dots: &mut weights,
                }
                .run();
            }
            std::mem::swap(&mut v, &mut out);
        }
        walk.finish()
    }
}
