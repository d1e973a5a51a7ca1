//! Population annealing: weighted draws of one law become weighted draws of another (Hukushima, Iba, AIP
//! Conf. Proc. 690, 200; Machta, Phys. Rev. E 82, 026704; sequential Monte Carlo in statistics).
//!
//! Independent draws `x ~ q` of a proposal have the weights `π_0/q`. From level to level, targets
//! `π_0, π_1, …` (not normalised),
//!
//! ```text
//! w ← w · π_k(x)/π_{k−1}(x),    resampled where (Σw)²/Σw² falls below a fraction of n,    x ← move_k(x)
//! ```
//!
//! with any move that leaves `π_k` invariant. Resampling is systematic: draw `i` is repeated `⌊n p_i⌋` or
//! `⌈n p_i⌉` times, `p_i = w_i/Σw`, and all weights become their mean. Thus `E Σw f(x)/n = Σ_x π_k(x) f(x)`
//! holds at every level, for any number of draws from two on: the mean weight is an unbiased estimate of
//! `Z_k`.
//!
//! Draws that come from one ancestor are correlated: errors by the formula of independent draws are too
//! small after a resampling. Independent populations tell: their log-weights of the mean
//! ([`Population::log_z`]) are those of independent estimates ([`Estimate::importance_mean`]).
//!
//! [`Estimate::importance_mean`]: super::estimate::Estimate::importance_mean

use ndarray::{Array1, ArrayView1, Axis, Zip};
use rand::RngExt;

use super::chains::Chains;
use super::importance::WeightSummary;
use super::moves::{Move, MoveReport};
use super::tempering::Level;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Samples, Target};
use crate::rng::Streams;

/// Targets with their moves, from the one that draws are weighed with first to the one that is asked for.
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square};
/// use tensorjump::mcmc::{Annealing, Estimate, Level};
/// use tensorjump::{Model, Streams};
///
/// // A glass: drawn at β = 1, annealed to β = 2.
/// let couplings = Couplings::plus_minus(Square::new(8, 8, Geometry::Open)?, 1);
/// let level = |beta: f64| {
///     let target = Ising::new(couplings.clone(), beta)?;
///     Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
/// };
/// let levels: tensorjump::Result<Vec<_>> = [1.0, 1.25, 1.5, 1.75, 2.0].into_iter().map(level).collect();
/// let annealing = Annealing::new(levels?)?;
/// let draws = BoundaryMps::new(&annealing.levels()[0].target, 8)?.draw(1000, &Streams::new(1))?;
/// let population = annealing.run(draws, 1)?;
/// let exact = tensorjump::lattice::FreeFermions::log_z_of(&annealing.levels()[4].target)?;
/// assert!((population.log_z() - exact).abs() < 0.5);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Annealing<T, M> {
    levels: Vec<Level<T, M>>,
    threshold: f64,
}

/// Weighted draws of the last target, and how they came about.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Population {
    /// Configurations, shape `(draws, sites)`.
    pub x: ndarray::Array2<u8>,
    /// Log-weights in nats, shape `(draws,)`; the mean weight estimates `Z`.
    pub log_weight: Array1<f64>,
    /// The first draw that each comes from, shape `(draws,)`.
    pub ancestors: Array1<usize>,
    /// What happened at each level.
    pub history: Vec<Annealed>,
}

/// What happened at a level.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Annealed {
    /// The parameter of the level.
    pub parameter: f64,
    /// `log` of the mean weight, in nats: the level's `log Z`.
    pub log_z: f64,
    /// Effective fraction of the weights before a resampling.
    pub fraction: f64,
    /// Whether draws were resampled.
    pub resampled: bool,
    /// First draws that have descendants, after it.
    pub families: usize,
    /// What the moves did.
    pub report: MoveReport,
}

impl Population {
    /// `log` of the mean weight, in nats: its exponential is an unbiased estimate of `Z` of the last target.
    pub fn log_z(&self) -> f64 {
        self.history.last().map_or(f64::NAN, |level| level.log_z)
    }
}

impl<T: Target, M: Move> Annealing<T, M> {
    /// Levels in the order of their use; draws are resampled where the effective fraction is below ½.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no levels; targets on different lattices.
    pub fn new(levels: Vec<Level<T, M>>) -> Result<Self> {
        let Some(first) = levels.first() else { return Err(Error::parameter("levels", 0, "at least one")) };
        levels.iter().try_for_each(|level| match_dims(first.target.dims(), level.target.dims()))?;
        Ok(Annealing { levels, threshold: 0.5 })
    }

    /// The effective fraction below which draws are resampled: 0 never (but for draws of weight zero), 1
    /// wherever weights differ.
    ///
    /// # Errors
    /// [`Error::Parameter`] outside 0 to 1.
    pub fn resample_below(self, threshold: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::parameter("effective fraction", threshold, "from 0 to 1"));
        }
        Ok(Annealing { threshold, ..self })
    }

    /// The levels.
    pub fn levels(&self) -> &[Level<T, M>] {
        &self.levels
    }

    /// Anneals draws with their log-probabilities through all levels, one update of each level's move.
    ///
    /// Results depend on the seed and the draws, not on threads. Cost: a log-weight and an update a level.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] for fewer than two draws; draws that do not fit; [`Error::NotFinite`] for
    /// log-probabilities that are not finite; all weights zero; log-weights NaN or +∞; those of targets and
    /// moves.
    pub fn run(&self, draws: Samples, seed: u64) -> Result<Population> {
        let Samples { x, log_prob } = draws;
        let n = x.nrows();
        if log_prob.len() != n {
            return Err(Error::SampleCount { expected: n, got: log_prob.len() });
        }
        if let Some((site, &value)) = log_prob.iter().enumerate().find(|(_, q)| !q.is_finite()) {
            return Err(Error::NotFinite { field: "log-probability of a draw", site, value });
        }
        let (mut x, mut log_weight) = (x, log_prob.mapv(|q| -q));
        let mut at = Array1::zeros(n); // log π of the level before
        let mut ancestors = Array1::from_iter(0..n);
        let mut history = Vec::with_capacity(self.levels.len());
        let streams = Streams::new(seed).domain("annealing");
        for (k, level) in self.levels.iter().enumerate() {
            let streams = streams.step(k as u64);
            let here = level.target.log_weight(x.view())?;
            Zip::from(&mut log_weight).and(&here).and(&at).for_each(|w, here, before| *w += here - before);
            let summary = WeightSummary::of(log_weight.view())?;
            let log_z = summary.max_log_weight - summary.max_log_relative;
            let lost = log_weight.iter().any(|w| *w == f64::NEG_INFINITY);
            let resampled = lost || summary.fraction < self.threshold;
            if resampled {
                let p = log_weight.mapv(|w| (w - summary.max_log_weight).exp());
                let chosen = systematic(p.view(), streams.domain("resample").stream(0).random());
                x = x.select(Axis(0), &chosen);
                ancestors = ancestors.select(Axis(0), &chosen);
                log_weight.fill(log_z);
            }
            let mut chains = Chains::new(&level.target, x)?;
            let report = level.dynamics.update(&mut chains, &level.target, &streams)?;
            at = chains.log_weight().to_owned();
            x = chains.x().to_owned();
            let families = count_distinct(&ancestors);
            history.push(Annealed {
                parameter: level.parameter,
                log_z,
                fraction: summary.fraction,
                resampled,
                families,
                report,
            });
        }
        Ok(Population { x, log_weight, ancestors, history })
    }
}

/// Systematic resampling: index `i` `⌊n p_i⌋` or `⌈n p_i⌉` times, `p_i = w_i/Σw`, in order; `u` uniform in
/// `[0, 1)`.
fn systematic(w: ArrayView1<'_, f64>, u: f64) -> Vec<usize> {
    let n = w.len();
    let scale = n as f64 / w.sum();
    let mut chosen = Vec::with_capacity(n);
    let mut sum = 0.0;
    for (i, &w) in w.iter().enumerate() {
        sum += w * scale;
        while chosen.len() < n && (chosen.len() as f64 + u) < sum {
            chosen.push(i);
        }
    }
    // Rounding may leave the last one out.
    let last = w.iter().rposition(|&w| w > 0.0).unwrap_or(0);
    chosen.resize(n, last);
    chosen
}

fn count_distinct(ancestors: &Array1<usize>) -> usize {
    // Resampling keeps their order.
    ancestors.iter().zip(ancestors.iter().skip(1)).filter(|(a, b)| a != b).count() + usize::from(!ancestors.is_empty())
}
