//! The analytical step from `t` to `s`, every site from its exact law given the others at `t`:
//! `P(b) ∝ [Σ_a c_j(a) K_{0→s}(a → b)] K_{s→t}(b → y_j)`.

use ndarray::{Array2, Array3};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};

use super::step_law::{StepLaw, rows_of};
use crate::diffusion::scores::through_kernel;
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::Noise;

/// The law of the step from cavities at `t`.
pub(super) fn analytical(noise: &Noise, (s, t): (f64, f64), y: Configs<'_>, cavities: Array3<f64>) -> Result<StepLaw> {
    let (to_s, s_to_t) = (noise.kernel(0.0, s)?, noise.kernel_between(s, t)?);
    let mut laws = through_kernel(&to_s, cavities);
    let (tables, d) = (s_to_t.tables(), to_s.tables().dim().2);
    let work = |(row, laws): (usize, &mut [f64])| {
        for ((site, law), &to) in laws.chunks_exact_mut(d).enumerate().zip(y.row(row)) {
            let transition = tables.slice(ndarray::s![site, .., usize::from(to)]);
            law.iter_mut().zip(transition).for_each(|(p, k)| *p *= k);
            let sum: f64 = law.iter().sum();
            if sum.is_nan() || sum <= 0.0 {
                return Some(Error::ZeroEvidence { row });
            }
            if let Some(&value) = law.iter().find(|p| **p < 0.0) {
                return Some(Error::Negative { field: "law of an analytical step", site, value });
            }
            law.iter_mut().for_each(|p| *p /= sum);
        }
        None
    };
    match rows_of(&mut laws).enumerate().filter_map(work).find_first(|_| true) {
        Some(error) => Err(error),
        None => Ok(StepLaw { marginals: laws, excess: Array2::zeros(y.dim()) }),
    }
}
