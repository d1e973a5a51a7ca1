//! Long products and sums of terms that are known by their logarithms.
//!
//! A product takes one logarithm for as many factors as the exponent range allows: faster than a sum of
//! logarithms, and closer, since a sum of 10⁵ logarithms rounds 10⁵ times at the size of the total.

/// A running product of non-negative factors, held as `e^log · product`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogProduct {
    log: f64,
    product: f64,
}

/// The running product stays between this and its inverse, far from under- and overflow.
const SMALL: f64 = 1e-150;

impl LogProduct {
    pub(crate) const ONE: LogProduct = LogProduct { log: 0.0, product: 1.0 };

    /// Multiplies by a factor ≥ 0; NaN is kept.
    #[inline(always)]
    pub(crate) fn push(&mut self, factor: f64) {
        let product = self.product * factor;
        if product > SMALL && product < 1.0 / SMALL {
            self.product = product;
        } else {
            self.log += self.product.ln() + factor.ln();
            self.product = 1.0;
        }
    }

    /// The logarithm in nats; −∞ when a factor was zero.
    pub(crate) fn ln(self) -> f64 {
        self.log + self.product.ln()
    }
}

impl FromIterator<f64> for LogProduct {
    fn from_iter<I: IntoIterator<Item = f64>>(factors: I) -> Self {
        let mut product = LogProduct::ONE;
        factors.into_iter().for_each(|factor| product.push(factor));
        product
    }
}

/// `log Σ e^v` in nats; −∞ for no terms or zeros only, NaN where a term is NaN.
pub(crate) fn log_sum_exp(values: &[f64]) -> f64 {
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::NEG_INFINITY {
        // `max` has ignored NaN.
        return if values.iter().any(|v| v.is_nan()) { f64::NAN } else { max };
    }
    max + values.iter().map(|v| (v - max).exp()).sum::<f64>().ln()
}
