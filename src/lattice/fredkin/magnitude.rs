//! A positive number with an exponent of its own: products of any length neither over- nor underflow.

use std::f64::consts::LN_2;

/// `mantissa · 2^exponent`, mantissa in `[1, 2)` or zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Magnitude {
    pub mantissa: f64,
    pub exponent: i64,
}

impl Magnitude {
    pub const ONE: Self = Magnitude { mantissa: 1.0, exponent: 0 };
    pub const ZERO: Self = Magnitude { mantissa: 0.0, exponent: 0 };

    /// Multiplies by a finite non-negative factor.
    #[inline]
    pub fn times(&mut self, factor: f64) {
        let mut product = self.mantissa * factor;
        if product < f64::MIN_POSITIVE {
            // Subnormal or zero: redo it with the factor lifted, exactly.
            product = self.mantissa * (factor * TWO_64);
            self.exponent -= 64;
            if product == 0.0 {
                *self = Self::ZERO;
                return;
            }
        } else if product == f64::INFINITY {
            product = self.mantissa * (factor / TWO_64);
            self.exponent += 64;
        }
        let bits = product.to_bits();
        self.exponent += (bits >> 52) as i64 - 1023;
        self.mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    }

    /// Multiplies by `e^log`; `log` may be −∞.
    pub fn times_exp(&mut self, log: f64) {
        if log == f64::NEG_INFINITY {
            *self = Self::ZERO;
            return;
        }
        let whole = (log / LN_2).round();
        self.exponent += whole as i64;
        self.times((log - whole * LN_2).exp());
    }

    /// Natural logarithm; −∞ for zero.
    pub fn ln(self) -> f64 {
        self.mantissa.ln() + self.exponent as f64 * LN_2
    }

    /// Value in units of `2^exponent`; what lies 2¹⁰⁰⁰ times below counts as zero.
    pub fn scaled(self, exponent: i64) -> f64 {
        let shift = self.exponent - exponent;
        if shift < -1000 { 0.0 } else { self.mantissa * f64::powi(2.0, shift.min(1000) as i32) }
    }
}

/// 2⁶⁴.
const TWO_64: f64 = 18_446_744_073_709_551_616.0;
