//! Exact finite tori (Kaufman, Phys. Rev. 76, 1232; in the form of Ferdinand, Fisher, Phys. Rev. 185, 832).
//!
//! ```text
//! Z = ½ (2 sinh 2β)^{mn/2} Σ_i Z_i,   Z_1, Z_3 = ∏_r 2cosh(mγ_r/2),   Z_2, Z_4 = ∏_r 2sinh(mγ_r/2),
//! cosh γ_r = cosh²2β/sinh 2β − cos(πr/n),   γ_0 = 2β + ln tanh β,
//! ```
//!
//! `r` odd in `Z_1, Z_2`, even in `Z_3, Z_4`, `0 ≤ r < 2n`; `γ_0` and with it `Z_4` change sign at `β_c`.

use std::f64::consts::PI;

/// `log Z` in nats and the energy `−∂ log Z/∂β`, of an `m × n` torus with couplings of strength one, `β > 0`.
pub fn torus(m: usize, n: usize, beta: f64) -> (f64, f64) {
    let (c, s) = ((2.0 * beta).cosh(), (2.0 * beta).sinh());
    let half = m as f64 / 2.0;
    // γ_r and its derivative with respect to β.
    let gamma = |r: usize| {
        if r == 0 {
            return (2.0 * beta + beta.tanh().ln(), 2.0 + 2.0 / s);
        }
        // cosh γ − 1 = (s − 1)²/s + 2 sin²(πr/2n), without cancellation.
        let excess = (s - 1.0).powi(2) / s + 2.0 * (PI * r as f64 / (2 * n) as f64).sin().powi(2);
        let sinh = (excess * (excess + 2.0)).sqrt();
        ((excess + sinh).ln_1p(), (4.0 * c - 2.0 * c.powi(3) / (s * s)) / sinh)
    };
    // Logarithm and logarithmic derivative of the product over r, without r = 0.
    let product = |odd: usize, f: fn(f64) -> (f64, f64)| {
        (odd..2 * n).step_by(2).filter(|&r| r > 0).map(gamma).fold((0.0, 0.0), |(log, slope), (g, dg)| {
            let (value, rate) = f(half * g);
            (log + value, slope + rate * half * dg)
        })
    };
    // ln 2cosh x, ln 2sinh x, and their derivatives, x > 0.
    let cosh = |x: f64| (x + (-2.0 * x).exp().ln_1p(), x.tanh());
    let sinh = |x: f64| (x + (-(-2.0 * x).exp()).ln_1p(), 1.0 / x.tanh());
    let (zero, dzero) = (half * gamma(0).0, half * gamma(0).1);
    // Each term as `e^log · (factor, its derivative)`.
    let terms = [
        (product(1, cosh), 1.0, 0.0),
        (product(1, sinh), 1.0, 0.0),
        (product(0, cosh), 2.0 * zero.cosh(), 2.0 * zero.sinh() * dzero),
        (product(0, sinh), 2.0 * zero.sinh(), 2.0 * zero.cosh() * dzero),
    ];
    let top = terms.iter().map(|t| t.0.0).fold(f64::NEG_INFINITY, f64::max);
    let weigh = |log: f64| (log - top).exp();
    let z: f64 = terms.iter().map(|&((log, _), f, _)| weigh(log) * f).sum();
    let dz: f64 = terms.iter().map(|&((log, slope), f, df)| weigh(log) * (slope * f + df)).sum();
    let sites = (m * n) as f64;
    let log_z = top + z.ln() - 2f64.ln() + sites / 2.0 * (2.0 * s).ln();
    (log_z, -(dz / z + sites * c / s))
}
