//! Bounds on the rate of the reverse process, in the time `τ`, for any law of the data.
//!
//! With the cavity `c` the rate out of state `y` of a site is a quotient of two means over `c`, hence at most
//! the largest quotient of a clean state `a`:
//!
//! ```text
//! Σ_{b≠y} Q(b → y) p(b) / p(y),  p = cK     ≤     g(y) = max_a Σ_{b≠y} K(a → b) Q(b → y) / K(a → y)
//! ```
//!
//! Uniform noise: `(γ/d)(d − 1 + α)/(1 − α)`, the tight bound of arXiv 2402.08095; masks: `γα/(1 − α)` at
//! masked sites. There, and for two states with any rates, `g` falls with `τ`, and its value at the small end
//! bounds an interval. For other rates pieces `[u, u + h]` are bounded by
//! `K_τ(a → b) ≤ K_{u+h}(a → b) e^{q_b h}` and `K_τ(a → y) ≥ K_u(a → y) e^{−q_y h}`, `q` the exit rates.

use ndarray::{Array2, ArrayView2};

use super::grid::TimeGrid;
use crate::error::{Error, Result};
use crate::noise::{Kernel, Noise, Schedule};

/// The bound `Λ_k` on the total reverse rate over each interval of the grid, in units of `β(t)`: a bound on
/// rate/β.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Bound {
    /// From the noise, for any data law: holds for every denoiser whose conditionals are those of some law,
    /// exact ones among them.
    Noise,
    /// Given by the user, one for each step of the grid. A rate found above it is [`Error::RateBound`].
    Given(Vec<f64>),
}

/// Pieces of an interval where the bound of general rates is looked for: it is loose by some `e^{2qh}`.
const PIECES: usize = 32;

/// Bounds `g_j(y)` over each interval of the grid, shape `(sites, d_out_max)`; zero for states that no clean
/// state leads to.
pub(super) fn site_bounds(noise: &Noise, grid: &TimeGrid) -> Result<Vec<Array2<f64>>> {
    grid.pairs()
        .map(|(s, t)| {
            let (low, high) = (noise.schedule().integral(s)?, noise.schedule().integral(t)?);
            if high.is_infinite() {
                return Err(Error::parameter("first time", t, "of a finite noise for jumps by rates"));
            }
            let bounds = over_interval(noise, low, high)?;
            match bounds.iter().all(|g| g.is_finite()) {
                true => Ok(bounds),
                false => Err(Error::parameter("last time", s, "late enough for bounded rates")),
            }
        })
        .collect()
}

/// The bounds over `τ ∈ [low, high]`.
fn over_interval(noise: &Noise, low: f64, high: f64) -> Result<Array2<f64>> {
    let clock = Noise::new(noise.rates().clone(), Schedule::default());
    let d_out = noise.dims_out().iter().copied().max().unwrap_or(0);
    let mut bounds = Array2::<f64>::zeros((noise.sites(), d_out));
    let rates: Vec<Array2<f64>> = (0..noise.sites()).map(|j| noise.rates().matrix(j)).collect();
    let falling: Vec<bool> = rates.iter().map(falls).collect();
    // Pieces in constant ratio near zero, where rates grow as 1/τ, and of constant length far from it.
    let pieces = if falling.iter().all(|f| *f) || low == 0.0 { 0 } else { PIECES };
    let mut ends = vec![low];
    for k in 1..=pieces {
        let share = k as f64 / pieces as f64;
        ends.push(if high < 2.0 * low { low + (high - low) * share } else { low * (high / low).powf(share) });
    }
    let kernels: Vec<Kernel> = ends.iter().map(|&tau| clock.kernel(0.0, tau)).collect::<Result<_>>()?;
    for (j, (q, mut bounds)) in rates.iter().zip(bounds.outer_iter_mut()).enumerate() {
        let bounds = bounds.as_slice_mut().expect("a fresh array is contiguous");
        quotients(q.view(), kernels[0].table(j), kernels[0].table(j), 0.0, bounds);
        for k in if falling[j] { 0..0 } else { 1..ends.len() } {
            quotients(q.view(), kernels[k - 1].table(j), kernels[k].table(j), ends[k] - ends[k - 1], bounds);
        }
    }
    Ok(bounds)
}

/// Whether `g` falls with `τ`: two states, equal rates between all states, or one absorbing state that the
/// others reach at one rate.
fn falls(q: &Array2<f64>) -> bool {
    let d = q.nrows();
    let off_diagonal: Vec<f64> = q.indexed_iter().filter(|((a, b), _)| a != b).map(|(_, &rate)| rate).collect();
    let equal = |rates: &[f64]| rates.windows(2).all(|pair| pair[0] == pair[1]);
    let masks = q.indexed_iter().all(|((a, b), &rate)| a == b || b + 1 == d || rate == 0.0);
    d <= 2
        || equal(&off_diagonal)
        || masks && q[[d - 1, d - 1]] == 0.0 && equal(&(0..d - 1).map(|a| q[[a, d - 1]]).collect::<Vec<_>>())
}

/// Raises `bounds[y]` to the largest quotient of a clean state over a piece of length `h` from the kernel
/// `before` to `after`.
fn quotients(
    q: ArrayView2<'_, f64>,
    before: ArrayView2<'_, f64>,
    after: ArrayView2<'_, f64>,
    h: f64,
    bounds: &mut [f64],
) {
    let (clean, states) = before.dim();
    let exit = |b: usize| (0..states).filter(|&c| c != b).map(|c| q[[b, c]]).sum::<f64>();
    for (y, bound) in bounds.iter_mut().enumerate().take(states) {
        for a in 0..clean {
            let into = |b: usize| if b == y { 0.0 } else { after[[a, b]] * (exit(b) * h).exp() * q[[b, y]] };
            let into: f64 = (0..states).map(into).sum();
            let stay = before[[a, y]] * (-exit(y) * h).exp();
            // A state that cannot be reached from `a` has both zero: `a` is not behind it.
            if into > 0.0 {
                *bound = bound.max(into / stay);
            }
        }
    }
}
