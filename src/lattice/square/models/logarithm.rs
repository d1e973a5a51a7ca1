//! Logarithms of weights that somebody gives.

use crate::error::{Error, Result};

/// `ln w` of a weight that is allowed: −∞ for zero.
pub(super) fn log_weight(name: &'static str, weight: f64) -> Result<f64> {
    if weight >= 0.0 && weight.is_finite() {
        Ok(weight.ln())
    } else {
        Err(Error::parameter(name, weight, "finite, not negative"))
    }
}
