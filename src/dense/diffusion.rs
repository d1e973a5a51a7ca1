//! Noised laws, posteriors and scores by enumeration (METHODS §0, every row of the table as a sum over
//! configurations).

use ndarray::Array2;

use super::law::{DenseLaw, guarded_size, states};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::Target;
use crate::noise::Kernel;

impl DenseLaw {
    fn check_kernel(&self, kernel: &Kernel) -> Result<()> {
        match_dims(&self.dims, kernel.dims_in())
    }

    /// The noised law `p K`, the kernel applied site by site. Cost `N d^{N+1}`.
    ///
    /// # Errors
    /// A kernel that does not fit; [`Error::TooLarge`] for the alphabet after the noise.
    pub fn noised(&self, kernel: &Kernel) -> Result<DenseLaw> {
        self.check_kernel(kernel)?;
        guarded_size(kernel.dims_out())?;
        let mut dims = self.dims.clone();
        let mut p = self.p.clone();
        for j in 0..dims.len() {
            let (d_in, d_out) = (dims[j], kernel.dims_out()[j]);
            let stride: usize = dims[j + 1..].iter().product();
            let mut next = vec![0.0; p.len() / d_in * d_out];
            for (i, &mass) in p.iter().enumerate() {
                let (high, a, low) = (i / stride / d_in, i / stride % d_in, i % stride);
                for b in 0..d_out {
                    next[(high * d_out + b) * stride + low] += mass * kernel.tables()[[j, a, b]];
                }
            }
            p = next;
            dims[j] = d_out;
        }
        DenseLaw::new(&dims, &p)
    }

    /// The posterior `P(x | y) ∝ P(x) K(x, y)` of the configuration behind a noisy one.
    ///
    /// # Errors
    /// A kernel or configuration that does not fit; [`Error::ZeroEvidence`] where `y` is impossible.
    pub fn posterior(&self, kernel: &Kernel, y: &[u8]) -> Result<DenseLaw> {
        self.check_kernel(kernel)?;
        crate::model::check_configs(ndarray::aview1(y).insert_axis(ndarray::Axis(0)), kernel.dims_out())?;
        let likelihood = |x: &[u8]| -> f64 {
            x.iter().zip(y).enumerate().map(|(j, (&a, &b))| kernel.tables()[[j, a.into(), b.into()]]).product()
        };
        let weights: Vec<f64> =
            self.p.iter().enumerate().map(|(i, p)| p * likelihood(&states(&self.dims, i))).collect();
        DenseLaw::new(&self.dims, &weights).map_err(|error| match error {
            Error::ZeroWeight { .. } => Error::ZeroEvidence { row: 0 },
            error => error,
        })
    }

    /// The law at an intermediate time, `P(x_s | x_t = y) ∝ P_s(x_s) K_{s→t}(x_s, y)`.
    ///
    /// # Errors
    /// As [`DenseLaw::noised`] and [`DenseLaw::posterior`].
    pub fn posterior_between(&self, to_s: &Kernel, s_to_t: &Kernel, y: &[u8]) -> Result<DenseLaw> {
        self.noised(to_s)?.posterior(s_to_t, y)
    }

    /// Score ratios `P(y^{j→b}) / P(y)` of this law, shape `(sites, d_max)`, padding zero.
    ///
    /// # Errors
    /// A configuration that does not fit; [`Error::ZeroEvidence`] where `P(y) = 0`.
    pub fn score_ratios(&self, y: &[u8]) -> Result<Array2<f64>> {
        let index = self.index(y)?;
        if self.p[index] == 0.0 {
            return Err(Error::ZeroEvidence { row: 0 });
        }
        let mut ratios = self.neighbours(y);
        ratios /= self.p[index];
        Ok(ratios)
    }

    /// Conditional marginals `P(x_j = b | x_{−j} = y_{−j})` of this law, shape `(sites, d_max)`, padding
    /// zero.
    ///
    /// # Errors
    /// A configuration that does not fit; [`Error::ZeroEvidence`] where `P(y_{−j}) = 0` for some site.
    pub fn conditional_marginals(&self, y: &[u8]) -> Result<Array2<f64>> {
        self.index(y)?;
        let mut marginals = self.neighbours(y);
        for mut row in marginals.outer_iter_mut() {
            let total = row.sum();
            if total == 0.0 {
                return Err(Error::ZeroEvidence { row: 0 });
            }
            row /= total;
        }
        Ok(marginals)
    }

    /// Rates of the time-reversed process out of `y` where this law holds: `Q_j(b → y_j) P(y^{j→b}) / P(y)`,
    /// shape `(sites, d_max)`, zero at `b = y_j`, in the unit of the rates (include the schedule's factor
    /// `β(t)` in them).
    ///
    /// # Errors
    /// As [`DenseLaw::score_ratios`]; [`Error::SiteCount`] or [`Error::Shape`] for rates that do not fit.
    pub fn reverse_rates(&self, rates: &[Array2<f64>], y: &[u8]) -> Result<Array2<f64>> {
        if rates.len() != self.dims.len() {
            return Err(Error::SiteCount { expected: self.dims.len(), got: rates.len() });
        }
        let mut reverse = self.score_ratios(y)?;
        for (j, q) in rates.iter().enumerate() {
            let d = self.dims()[j];
            if q.dim() != (d, d) {
                return Err(Error::Shape { field: "rates", expected: vec![d, d], got: q.shape().to_vec() });
            }
            for b in 0..d {
                reverse[[j, b]] *= if b == usize::from(y[j]) { 0.0 } else { q[[b, y[j].into()]] };
            }
        }
        Ok(reverse)
    }

    /// `P(y^{j→b})` for every site and state.
    fn neighbours(&self, y: &[u8]) -> Array2<f64> {
        let d_max = self.dims.iter().copied().max().unwrap_or(0);
        let mut table = Array2::zeros((y.len(), d_max));
        let mut x = y.to_vec();
        for j in 0..y.len() {
            for b in 0..self.dims[j] {
                x[j] = b as u8;
                table[[j, b]] = self.p[self.index_of(&x)];
            }
            x[j] = y[j];
        }
        table
    }
}
