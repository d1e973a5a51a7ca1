//! Truncated power series in a small change of a parameter: exact derivatives without differences.

use std::ops::{Add, Div, Mul, Sub};

/// `Σ_i c_i δ^i` up to `δ^{N−1}`: the value, the derivative, half the second derivative, …
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Taylor<const N: usize>(pub [f64; N]);

impl<const N: usize> Taylor<N> {
    /// A constant.
    pub fn constant(value: f64) -> Self {
        Taylor(std::array::from_fn(|i| if i == 0 { value } else { 0.0 }))
    }

    /// `slope · (at + δ)`.
    pub fn linear(slope: f64, at: f64) -> Self {
        Taylor(std::array::from_fn(|i| match i {
            0 => slope * at,
            1 => slope,
            _ => 0.0,
        }))
    }

    /// The value at `δ = 0`.
    pub fn value(self) -> f64 {
        self.0[0]
    }

    pub fn scale(self, factor: f64) -> Self {
        Taylor(self.0.map(|c| factor * c))
    }

    /// `e' = a' e`, coefficient by coefficient.
    pub fn exp(self) -> Self {
        let mut e = [0.0; N];
        e[0] = self.0[0].exp();
        for i in 1..N {
            e[i] = (1..=i).map(|j| j as f64 * self.0[j] * e[i - j]).sum::<f64>() / i as f64;
        }
        Taylor(e)
    }

    /// `a l' = a'`.
    pub fn ln(self) -> Self {
        let mut l = [0.0; N];
        l[0] = self.0[0].ln();
        for i in 1..N {
            let rest: f64 = (1..i).map(|j| j as f64 * l[j] * self.0[i - j]).sum();
            l[i] = (self.0[i] - rest / i as f64) / self.0[0];
        }
        Taylor(l)
    }
}

impl<const N: usize> Add for Taylor<N> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Taylor(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl<const N: usize> Sub for Taylor<N> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Taylor(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl<const N: usize> Mul for Taylor<N> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Taylor(std::array::from_fn(|i| (0..=i).map(|j| self.0[j] * other.0[i - j]).sum()))
    }
}

impl<const N: usize> Div for Taylor<N> {
    type Output = Self;
    fn div(self, other: Self) -> Self {
        let mut q = [0.0; N];
        for i in 0..N {
            let known: f64 = (0..i).map(|j| q[j] * other.0[i - j]).sum();
            q[i] = (self.0[i] - known) / other.0[0];
        }
        Taylor(q)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `f = (1 + δ)^{3/2}` by logarithm and exponential, then `f²/(1 + δ) = (1 + δ)²`.
    #[test]
    fn powers() {
        let x = Taylor::<4>::linear(1.0, 1.0);
        let f = x.ln().scale(1.5).exp();
        let expected = [1.0, 1.5, 0.375, -0.0625];
        let square = f * f / x;
        for i in 0..4 {
            assert!((f.0[i] - expected[i]).abs() < 1e-15, "{f:?}");
            assert!((square.0[i] - [1.0, 2.0, 1.0, 0.0][i]).abs() < 1e-15, "{square:?}");
        }
        assert_eq!((x - x + Taylor::constant(2.0)).value(), 2.0);
    }
}
