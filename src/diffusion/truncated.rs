//! Denoisers whose laws of the clean symbol are sharpened and cut, as language models are drawn from:
//!
//! ```text
//! P(x_0^j = a | y)  →  its power 1/T, of it the k largest, of those the fewest that carry the share q
//! ```
//!
//! each time normalised; then cavities `∝ m_j(a)/K_j(a → y_j)` as from any denoiser marginals.

use ndarray::{Array3, ArrayViewMut1, Axis, s};

use super::denoiser::{Denoiser, cavities_of};
use super::scores::{cavities_from_denoiser, conditionals_from_cavities, denoiser_from_cavities};
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::noise::Noise;

/// A denoiser at a temperature, cut to the most probable symbols (top-k, nucleus): biased on purpose.
///
/// What it gives at a site reads `y_j` where the noise is not masks. The denoiser may be owned, borrowed or
/// shared.
#[derive(Debug, Clone, Copy)]
pub struct Truncated<D> {
    denoiser: D,
    temperature: f64,
    top: usize,
    nucleus: f64,
}

impl<D: Denoiser> Truncated<D> {
    /// `denoiser` at `temperature > 0`, of each law the `top ≥ 1` most probable symbols, of those the fewest
    /// that carry the share `nucleus` (1 for all); the first of equally probable ones.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming what is out of range.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::dense::DenseLaw;
    /// # use tensorjump::diffusion::{Denoiser, ExactDenoiser, Truncated};
    /// # use tensorjump::noise::{Noise, Rates};
    /// let law = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3])?;
    /// let exact = ExactDenoiser::new(law, &Noise::from(Rates::mask(&[2, 2], 1.0)?))?;
    /// let greedy = Truncated::new(exact, 1.0, 1, 1.0)?;
    /// let cavities = greedy.cavities(1.0, ndarray::array![[2, 1]].view())?;
    /// assert_eq!(cavities[[0, 0, 1]], 1.0);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(denoiser: D, temperature: f64, top: usize, nucleus: f64) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::parameter("temperature", temperature, "finite and positive"));
        }
        if top == 0 {
            return Err(Error::parameter("number of symbols", top, "at least one"));
        }
        if !(nucleus > 0.0 && nucleus <= 1.0) {
            return Err(Error::parameter("nucleus", nucleus, "between 0 (excluded) and 1"));
        }
        Ok(Truncated { denoiser, temperature, top, nucleus })
    }

    fn cut(&self, mut law: ArrayViewMut1<'_, f64>) {
        // In units of the largest, so that no power vanishes altogether.
        let largest = law.iter().copied().fold(0.0, f64::max);
        law.mapv_inplace(|p| (p / largest).powf(1.0 / self.temperature));
        let mut ranked: Vec<usize> = (0..law.len()).collect();
        ranked.sort_by(|&a, &b| law[b].total_cmp(&law[a]).then(a.cmp(&b)));
        ranked.iter().skip(self.top).for_each(|&a| law[a] = 0.0);
        law /= law.sum();
        if self.nucleus < 1.0 {
            let mut carried = 0.0;
            for a in ranked {
                let before = carried;
                carried += law[a];
                law[a] = if before < self.nucleus { law[a] } else { 0.0 };
            }
            law /= law.sum();
        }
    }
}

impl<D: Denoiser> Denoiser for Truncated<D> {
    fn noise(&self) -> &Noise {
        self.denoiser.noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let cavities = self.cavities(t, y)?;
        conditionals_from_cavities(&self.noise().kernel(0.0, t)?, y, cavities.view())
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise().kernel(0.0, t)?;
        let cavities = cavities_of(&self.denoiser, t, y)?;
        let mut marginals = denoiser_from_cavities(&kernel, y, cavities.view())?;
        if let Some(((_, site, _), &value)) = marginals.indexed_iter().find(|(_, p)| **p < 0.0) {
            return Err(Error::Negative { field: "denoiser marginals to be cut", site, value });
        }
        for mut laws in marginals.axis_iter_mut(Axis(0)) {
            for (j, &d) in kernel.dims_in().iter().enumerate() {
                self.cut(laws.slice_mut(s![j, ..d]));
            }
        }
        cavities_from_denoiser(&kernel, y, marginals.view())
    }

    /// What is possible for the denoiser that is cut: what this one would not have drawn has laws too.
    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        self.denoiser.possible(t, y)
    }
}
