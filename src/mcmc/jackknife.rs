//! Functions of averages with errors, by the jackknife over blocks (Efron, SIAM 1982; Künsch, Ann. Stat. 17,
//! 1217).
//!
//! `θ = f(ā)` of the means `ā` of several observables, as are specific heats and cumulants. `G` blocks of
//! consecutive records are left out in turn, `θ_g = f(ā without block g)`:
//!
//! ```text
//! error² = (G−1)/G Σ_g (θ_g − θ̄)² / (1 − (τ − 1/4τ)/b),      bias = (G−1)(θ̄ − θ),      θ̄ = Σ_g θ_g/G
//! ```
//!
//! `τ` is the autocorrelation time of the linearised quantity `y = Σ_k ∂f/∂a_k a_k`, whose fluctuations are
//! those of `θ` (Wolff, hep-lat/0306017), and `b = ⌈10τ⌉` the length of a block. Blocks next to each other
//! are correlated; the divisor puts that right, for correlations that decay like one exponential `φ^t` up
//! to `φ^b`. Fewer than 50 blocks, that is fewer than some 500τ records in all chains, say too little about
//! their own spread: the error is then marked as a lower bound, from 50 shorter blocks.

use ndarray::{ArrayView3, Axis};

use super::diagnostics::{Autocorrelation, check_finite};
use crate::error::{Error, Result};

/// Length of a block in autocorrelation times.
const TIMES: f64 = 10.0;
/// Blocks from whose spread an error is believed.
const BLOCKS: usize = 50;

/// A function of averages, with its error by the jackknife.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Jackknife {
    /// The function of the averages, `f(ā)`.
    pub value: f64,
    /// Standard error; itself too small where [`Jackknife::lower_bound`] is set.
    pub error: f64,
    /// Estimated bias of the value, of the order of `error²`: `value − bias` is without it to first order.
    pub bias: f64,
    /// Records of a block (rounded down, where blocks differ by one).
    pub block: usize,
    /// Number of blocks `G` in all chains together.
    pub blocks: usize,
    /// Autocorrelation time of the linearised quantity.
    pub autocorrelation: Autocorrelation,
    /// Take the error as a lower bound: fewer than 50 blocks of ten autocorrelation times, or the time itself
    /// is one.
    pub lower_bound: bool,
}

impl Jackknife {
    /// `f` of the means of observables, from a series of shape `(records, chains, observables)` such as
    /// [`Run::series`](super::recorder::Run::series).
    ///
    /// `f` maps the means, one an observable, to a number. Cost: `G` evaluations of `f`, and that of
    /// [`Autocorrelation::of`].
    ///
    /// # Errors
    /// An empty series or fewer than two records in all; values that are not finite; [`Error::NotFinite`]
    /// where `f` is not finite, at the means, without a block, or a standard deviation of independent records
    /// away.
    ///
    /// # Examples
    /// Specific heat and Binder cumulant:
    /// ```
    /// use ndarray::{Axis, stack};
    /// use tensorjump::lattice::{Couplings, Geometry, Ising, Square, Wolff};
    /// use tensorjump::mcmc::{Chains, RunOptions};
    ///
    /// let (beta, sites) = (0.4, 64.0);
    /// let ising = Ising::new(Couplings::uniform(Square::new(8, 8, Geometry::Torus)?, 1.0)?, beta)?;
    /// let mut chains = Chains::initial(&ising, 8, 1)?;
    /// let run = RunOptions::default().run(&ising, &Wolff::new(&ising)?, &mut chains, |x| {
    ///     let (energy, m) = (ising.energy(x)?, ising.magnetisation(x)?);
    ///     let powers = [energy.clone(), energy.powi(2), m.powi(2), m.powi(4)];
    ///     Ok(stack![Axis(1), powers[0], powers[1], powers[2], powers[3]])
    /// })?;
    /// let heat = run.jackknife(|a| beta * beta * (a[1] - a[0] * a[0]) / sites)?;
    /// let cumulant = run.jackknife(|a| 1.0 - a[3] / (3.0 * a[2] * a[2]))?;
    /// // Kaufman's formula gives 1.1005.
    /// assert!((heat.value - 1.1005).abs() < 5.0 * heat.error && heat.error < 0.1 && !heat.lower_bound);
    /// assert!((0.0..0.67).contains(&cumulant.value) && cumulant.error < 0.05);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn of(series: ArrayView3<'_, f64>, f: impl Fn(&[f64]) -> f64) -> Result<Self> {
        check_finite(series.iter())?;
        let (records, chains, observables) = series.dim();
        let n = records * chains;
        if n < 2 || observables == 0 {
            return Err(Error::TooFewSamples { needed: 2, got: n * usize::from(observables > 0) });
        }
        let f = |means: &[f64]| match f(means) {
            value if value.is_finite() => Ok(value),
            value => Err(Error::NotFinite { field: "function of the means", site: 0, value }),
        };
        // About the means of all records: sums of deviations do not cancel.
        let means: Vec<f64> = series.axis_iter(Axis(2)).map(|a| mean(a.iter())).collect();
        let value = f(&means)?;
        let mut slopes = vec![0.0; observables];
        for (k, slope) in slopes.iter_mut().enumerate() {
            let square = |v: &f64| (v - means[k]).powi(2) / n as f64;
            let step = (series.index_axis(Axis(2), k).iter().map(square).sum::<f64>() / n as f64).sqrt();
            if step > 0.0 {
                let at = |sign: f64| {
                    let mut means = means.clone();
                    means[k] += sign * step;
                    f(&means)
                };
                *slope = (at(1.0)? - at(-1.0)?) / (2.0 * step);
            }
        }
        let linear = series.map_axis(Axis(2), |a| {
            a.iter().zip(&means).zip(&slopes).map(|((a, mean), slope)| slope * (a - mean)).sum::<f64>()
        });
        let autocorrelation = Autocorrelation::of(linear.view())?;
        let tau = autocorrelation.tau;
        let wished = (TIMES * tau).ceil().max(1.0);
        let enough = records as f64 >= wished && (records as f64 / wished).floor() * chains as f64 >= BLOCKS as f64;
        let of_chain = if enough { (records as f64 / wished) as usize } else { BLOCKS.div_ceil(chains).min(records) };
        let blocks = of_chain * chains;
        if blocks < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: blocks });
        }
        let mut left_out = Vec::with_capacity(blocks);
        for chain in series.axis_iter(Axis(1)) {
            for g in 0..of_chain {
                let block = g * records / of_chain..(g + 1) * records / of_chain;
                let rest = (n - block.len()) as f64;
                let own = chain.slice(ndarray::s![block, ..]);
                let without = |(a, mean): (ndarray::ArrayView1<'_, f64>, &f64)| {
                    mean - a.iter().map(|v| v - mean).sum::<f64>() / rest
                };
                left_out.push(f(&own.axis_iter(Axis(1)).zip(&means).map(without).collect::<Vec<f64>>())?);
            }
        }
        let g = blocks as f64;
        let centre = mean(left_out.iter());
        let square = left_out.iter().map(|v| (v - centre).powi(2)).sum::<f64>() * (g - 1.0) / g;
        let block = records / of_chain;
        // Below one half the correlations of neighbours are negative; shorter blocks than 2τ tell nothing.
        let shared = ((tau - 0.25 / tau) / block as f64).min(0.5);
        Ok(Jackknife {
            value,
            error: (square / (1.0 - shared)).sqrt(),
            bias: (g - 1.0) * (centre - value),
            block,
            blocks,
            autocorrelation,
            lower_bound: !enough || autocorrelation.lower_bound,
        })
    }
}

fn mean<'a>(values: impl ExactSizeIterator<Item = &'a f64>) -> f64 {
    let n = values.len() as f64;
    values.map(|v| v / n).sum()
}
