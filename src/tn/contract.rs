//! Scalars from trains: entries, inner products, sums. One sweep, scales taken out at every site.

use ndarray::{Array2, ArrayView1, CowArray, Ix3};
use rayon::prelude::*;

use super::mps::Mps;
use super::scale::{LogScalar, LogValues, balanced, left_matrix, reshape, right_matrix};
use crate::configs::match_dims;
use crate::error::Result;
use crate::linalg::{matmul, strip};
use crate::model::{Configs, check_configs};

impl Mps {
    /// The entries `v(x)` for a batch of configurations, shape `(samples, sites)`: O(N χ²) a sample, in
    /// parallel over samples.
    ///
    /// A value does not depend on what else is in the batch.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range.
    pub fn evaluate(&self, x: Configs<'_>) -> Result<LogValues> {
        check_configs(x, self.dims())?;
        let tensors: Vec<_> = self.tensors().iter().map(balanced).collect();
        let values: Vec<LogScalar> =
            x.outer_iter().into_par_iter().map(|x| entry(&tensors, x, self.log_scale())).collect();
        Ok(values.into_iter().collect())
    }

    /// The inner product `Σ_x a(x) b(x)`: O(N d χ³).
    ///
    /// # Errors
    /// Different local dimensions.
    pub fn inner(&self, other: &Mps) -> Result<LogScalar> {
        match_dims(self.dims(), other.dims())?;
        // environment[a, b] = Σ over the sites so far of A ⋯ A [a] B ⋯ B [b]
        let (mut environment, mut e) = (Array2::ones((1, 1)), 0);
        for (a, b) in self.tensors().iter().zip(other.tensors()) {
            let ((a, shift_a), (b, shift_b)) = (balanced(a), balanced(b));
            let (l, d, _) = a.dim();
            let half = reshape(&matmul(environment.view(), right_matrix(&b)), (l * d, b.dim().2));
            environment = matmul(left_matrix(&a).t(), half.view());
            e += shift_a + shift_b + strip(&mut environment);
        }
        Ok(LogScalar::new(environment[[0, 0]], e, self.log_scale() + other.log_scale()))
    }

    /// The sum over all configurations, `Σ_x v(x)`: O(N d χ²).
    pub fn sum(&self) -> LogScalar {
        let (mut v, mut e) = (Array2::ones((1, 1)), 0);
        for tensor in self.tensors() {
            let (tensor, shift) = balanced(tensor);
            v = matmul(v.view(), tensor.sum_axis(ndarray::Axis(1)).view());
            e += shift + strip(&mut v);
        }
        LogScalar::new(v[[0, 0]], e, self.log_scale())
    }
}

/// `e^{log_scale} A_1[x_1] ⋯ A_N[x_N]` for tensors with the exponents taken out of them.
fn entry(tensors: &[(CowArray<'_, f64, Ix3>, i64)], x: ArrayView1<'_, u8>, log_scale: f64) -> LogScalar {
    let (mut v, mut next, mut e) = (vec![1.0], Vec::new(), 0);
    for ((tensor, shift), &state) in tensors.iter().zip(x) {
        next.clear();
        next.resize(tensor.dim().2, 0.0);
        for (&factor, row) in v.iter().zip(tensor.index_axis(ndarray::Axis(1), state.into()).outer_iter()) {
            if factor != 0.0 {
                next.iter_mut().zip(row).for_each(|(out, a)| *out += factor * a);
            }
        }
        e += shift + strip(&mut next);
        std::mem::swap(&mut v, &mut next);
    }
    LogScalar::new(v[0], e, log_scale)
}
