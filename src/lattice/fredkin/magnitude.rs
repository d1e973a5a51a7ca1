//! A positive number with an exponent of its own: products of any length neither over- nor underflow.

use std::f64::consts::LN_2;

/// `2^128`: the base of the exponent.
const BASE: f64 = 340_282_366_920_938_463_463_374_607_431_768_211_456.0;
/// `2^64`: mantissas stay between its inverse and itself.
const ROOT: f64 = 18_446_744_073_709_551_616.0;

/// `2^896`: factors beyond it or its inverse are brought into range before they meet a mantissa.
const LARGE: f64 = BASE * BASE * BASE * BASE * BASE * BASE * BASE;

/// `mantissa · 2^(128 exponent)`, mantissa within `[2^−64, 2^64]`, or zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Magnitude {
    mantissa: f64,
    exponent: i64,
}

impl Magnitude {
    pub const ONE: Self = Magnitude { mantissa: 1.0, exponent: 0 };
    pub const ZERO: Self = Magnitude { mantissa: 0.0, exponent: 0 };

    /// Multiplies by a finite factor ≥ 0.
    #[inline]
    pub fn times(&mut self, factor: f64) {
        if factor > LARGE {
            self.exponent += 1;
            self.mantissa *= factor / BASE;
        } else if factor < 1.0 / LARGE {
            self.exponent -= 1;
            self.mantissa *= factor * BASE;
        } else {
            self.mantissa *= factor;
        }
        while self.mantissa > ROOT {
            self.mantissa /= BASE;
            self.exponent += 1;
        }
        while self.mantissa < 1.0 / ROOT {
            if self.mantissa == 0.0 {
                return;
            }
            self.mantissa *= BASE;
            self.exponent -= 1;
        }
    }

    /// Multiplies by `e^log`; `log` may be −∞.
    pub fn times_exp(&mut self, log: f64) {
        if log == f64::NEG_INFINITY {
            *self = Self::ZERO;
            return;
        }
        let whole = (log / (128.0 * LN_2)).round();
        self.exponent += whole as i64;
        self.times((log - whole * (128.0 * LN_2)).exp());
    }

    /// Natural logarithm; −∞ for zero.
    pub fn ln(self) -> f64 {
        self.mantissa.ln() + self.exponent as f64 * (128.0 * LN_2)
    }
}

/// A sum of magnitudes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sum {
    value: f64,
    exponent: i64,
}

impl Sum {
    pub const EMPTY: Self = Sum { value: 0.0, exponent: i64::MIN };

    #[inline]
    pub fn add(&mut self, term: Magnitude) {
        // Terms two exponents apart differ by 2^128 at least.
        if term.exponent > self.exponent {
            let shrink = if term.exponent.saturating_sub(self.exponent) == 1 { 1.0 / BASE } else { 0.0 };
            self.value *= shrink;
            self.exponent = term.exponent;
        }
        match self.exponent - term.exponent {
            0 => self.value += term.mantissa,
            1 => self.value += term.mantissa / BASE,
            _ => {}
        }
    }

    /// Shares of two sums in their total, each to relative accuracy.
    pub fn shares(a: Self, b: Self) -> [f64; 2] {
        if a.value == 0.0 || b.value == 0.0 {
            return [f64::from(a.value > 0.0), f64::from(b.value > 0.0)];
        }
        let ratio = a.value / b.value * BASE.powi((a.exponent - b.exponent).clamp(-64, 64) as i32);
        [1.0 / (1.0 + 1.0 / ratio), 1.0 / (1.0 + ratio)]
    }
}
