//! Site bridges: the state at time `s` between a clean state and a noised one,
//!
//! ```text
//! P(x_s | x_0, x_t = y) = ∏_j K_{0→s}(x_0^j → x_s^j) K_{s→t}(x_s^j → y_j) / K_{0→t}(x_0^j → y_j).
//! ```
//!
//! The bridge's probability is *not* that of `x_s` given `y` alone: see
//! [`super::denoise::ExactDiffusion::denoise_to_log_prob`]. Cost `d` multiplications a site.

use ndarray::{Array1, Array2};
use rand::RngExt;
use rayon::prelude::*;

use crate::choose::choose;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::noise::{Kernel, Noise};
use crate::rng::Streams;

/// The noise from 0 to `s`, from `s` to `t`, and from 0 to `t`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    to_s: Kernel,
    s_to_t: Kernel,
    whole: Kernel,
}

impl Bridge {
    /// From the kernels `K_{0→s}` and `K_{s→t}`.
    ///
    /// # Errors
    /// [`Error::SiteCount`] or [`Error::LocalDimension`] where the alphabets at `s` disagree.
    pub fn new(to_s: Kernel, s_to_t: Kernel) -> Result<Self> {
        let whole = to_s.then(&s_to_t)?;
        Ok(Bridge { to_s, s_to_t, whole })
    }

    /// From a noise process and times `0 ≤ s ≤ t`. Configurations at `s` and `t` are noised ones, also for
    /// `s = 0`.
    ///
    /// # Errors
    /// As [`Noise::kernel`].
    pub fn of(noise: &Noise, s: f64, t: f64) -> Result<Self> {
        // K_{0→t} anew, not as a product: equal sites share their work, and nothing is rounded twice.
        let (to_s, s_to_t) = (noise.kernel(0.0, s)?, noise.kernel_between(s, t)?);
        Ok(Bridge { to_s, s_to_t, whole: noise.kernel(0.0, t)? })
    }

    /// `K_{0→s}`.
    pub fn to_s(&self) -> &Kernel {
        &self.to_s
    }

    /// `K_{s→t}`.
    pub fn s_to_t(&self) -> &Kernel {
        &self.s_to_t
    }

    /// `K_{0→t}`.
    pub fn whole(&self) -> &Kernel {
        &self.whole
    }

    fn check(&self, x_0: Configs<'_>, y: Configs<'_>) -> Result<()> {
        check_configs(x_0, self.whole.dims_in())?;
        check_configs(y, self.whole.dims_out())?;
        if x_0.nrows() != y.nrows() {
            return Err(Error::SampleCount { expected: y.nrows(), got: x_0.nrows() });
        }
        Ok(())
    }

    /// Draws `x_s ~ P(· | x_0, y)` for each pair of rows, shape `(samples, sites)`. Row `i` uses stream `i`
    /// of the domain `"bridge"`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range; [`Error::ZeroEvidence`] for a row where
    /// `K_{0→t}(x_0, y) = 0`.
    pub fn sample(&self, x_0: Configs<'_>, y: Configs<'_>, streams: &Streams) -> Result<Array2<u8>> {
        self.check(x_0, y)?;
        let streams = streams.domain("bridge");
        let mut x_s = Array2::zeros(y.dim());
        x_s.outer_iter_mut().into_par_iter().enumerate().try_for_each(|(row, mut x_s)| {
            let mut rng = streams.stream(row);
            for (j, x) in x_s.iter_mut().enumerate() {
                let weights = self.weights(j, x_0[[row, j]], y[[row, j]]);
                let total: f64 = weights.iter().sum();
                if total == 0.0 {
                    return Err(Error::ZeroEvidence { row });
                }
                *x = choose(&weights, total, rng.random()) as u8;
            }
            Ok(())
        })?;
        Ok(x_s)
    }

    /// `log P(x_s | x_0, y)` in nats for each triple of rows, shape `(samples,)`.
    ///
    /// # Errors
    /// As [`Bridge::sample`].
    pub fn log_prob(&self, x_0: Configs<'_>, y: Configs<'_>, x_s: Configs<'_>) -> Result<Array1<f64>> {
        self.check(x_0, y)?;
        let whole = self.whole.log_prob(x_0, y)?;
        if let Some(row) = whole.iter().position(|v| *v == f64::NEG_INFINITY) {
            return Err(Error::ZeroEvidence { row });
        }
        Ok(self.to_s.log_prob(x_0, x_s)? + self.s_to_t.log_prob(x_s, y)? - whole)
    }

    /// `K_{0→s}(a → ·) K_{s→t}(· → b)` at a site.
    fn weights(&self, site: usize, a: u8, b: u8) -> Vec<f64> {
        let (to_s, s_to_t) = (self.to_s.table(site), self.s_to_t.table(site));
        to_s.row(a.into()).iter().zip(s_to_t.column(b.into())).map(|(p, q)| p * q).collect()
    }
}
