//! Sums and multiples. A sum has the sum of the bond dimensions and needs no arithmetic on entries:
//! block-diagonal tensors.

use ndarray::{Array3, s};

use super::mpo::Mpo;
use super::mps::Mps;
use super::scale::{check_log_scale, power_and_rest};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::linalg::scale_by_power;

impl Mps {
    /// The sum of two vectors; bond dimensions add. Exact where the scales agree: otherwise the smaller scale
    /// is spread over the sites as powers of two. Where a tensor of one vector is all zeros, the sum is the
    /// other vector.
    ///
    /// # Errors
    /// Different local dimensions.
    pub fn add(&self, other: &Mps) -> Result<Mps> {
        match_dims(self.dims(), other.dims())?;
        // The scale of a zero vector means nothing: at a larger one, the other vector would underflow.
        if has_zero_tensor(other) {
            return Ok(self.clone());
        }
        if has_zero_tensor(self) {
            return Ok(other.clone());
        }
        if other.log_scale() > self.log_scale() {
            return other.add(self);
        }
        Ok(direct_sum(self, other))
    }

    /// The multiple `factor · v`: the size goes to the scale, the sign to the first tensor.
    ///
    /// # Errors
    /// A factor that is not finite.
    pub fn scale(&self, factor: f64) -> Result<Mps> {
        if !factor.is_finite() {
            return Err(Error::NotFinite { field: "factor", site: 0, value: factor });
        }
        let (mut tensors, log_scale) = self.clone().into_parts();
        if factor <= 0.0 {
            tensors[0] *= factor.signum() * f64::from(u8::from(factor != 0.0));
        }
        let nats = if factor == 0.0 { 0.0 } else { factor.abs().ln() };
        Ok(Mps::trusted(tensors, check_log_scale(log_scale + nats)?))
    }
}

impl Mpo {
    /// The sum of two operators; as [`Mps::add`].
    ///
    /// # Errors
    /// Different local dimensions.
    pub fn add(&self, other: &Mpo) -> Result<Mpo> {
        match_dims(self.dims_in(), other.dims_in())?;
        match_dims(self.dims_out(), other.dims_out())?;
        Ok(Mpo::unfuse(self.fuse().add(&other.fuse())?, self.dims_in(), self.dims_out()))
    }

    /// The multiple `factor · K`; as [`Mps::scale`].
    ///
    /// # Errors
    /// A factor that is not finite.
    pub fn scale(&self, factor: f64) -> Result<Mpo> {
        Ok(Mpo::unfuse(self.fuse().scale(factor)?, self.dims_in(), self.dims_out()))
    }
}

/// A vector that is zero for all to see.
fn has_zero_tensor(v: &Mps) -> bool {
    v.tensors().iter().any(|a| a.iter().all(|&v| v == 0.0))
}

/// Block-diagonal tensors at the scale of `large`.
fn direct_sum(large: &Mps, small: &Mps) -> Mps {
    let n = large.sites();
    let (power, rest) = power_and_rest(small.log_scale() - large.log_scale());
    // The difference of scales may be far below e^{−700} while both vectors have the same size: one site
    // could not hold it.
    let share = |j: usize| (power as i128 * j as i128 / n as i128) as i64;
    let tensor = |j: usize| {
        let (a, mut b) = (&large.tensors()[j], small.tensors()[j].clone());
        scale_by_power(&mut b, share(j + 1) - share(j));
        if j + 1 == n {
            b *= rest.exp();
        }
        let ((la, d, ra), (lb, _, rb)) = (a.dim(), b.dim());
        // At an end the two blocks share the bond of dimension 1.
        let (l0, l) = if j == 0 { (0, 1) } else { (la, la + lb) };
        let (r0, r) = if j + 1 == n { (0, 1) } else { (ra, ra + rb) };
        let mut sum = Array3::zeros((l, d, r));
        let mut block = sum.slice_mut(s![..la, .., ..ra]);
        block += a;
        let mut block = sum.slice_mut(s![l0.., .., r0..]);
        block += &b;
        sum
    };
    Mps::trusted((0..n).map(tensor).collect(), large.log_scale())
}
