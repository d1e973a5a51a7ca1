//! Cavity laws under the weights of one row.

use ndarray::{Array2, Axis};

use super::law::BornMps;
use super::rows::{LOST, Right, SAFE, half_density, roots, unit_norm};
use crate::error::{Error, Result};
use crate::linalg::{matmul, qr};
use crate::model::traits::Target;
use crate::model::weights::SiteWeights;

impl BornMps {
    /// Cavity laws of one row, `(sites, d_max)` flattened.
    pub(super) fn cavities_of(&self, w: &SiteWeights<'_>, row: usize) -> Result<Vec<f64>> {
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
