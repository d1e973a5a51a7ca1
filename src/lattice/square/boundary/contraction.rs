//! The partition function by contraction.
//!
//! With the states `E_r` from below and `Q_r` from above, both truncated, `W` the exact transfer across a
//! row,
//!
//! ```text
//! log Z ≈ Σ_{r=0}^{R−1} log⟨Q_{r−1}| W_r |E_r⟩ − Σ_{r=0}^{R−2} log⟨Q_r|E_r⟩,
//! ```
//!
//! where errors of first order in the truncation cancel: each `E_r` and each `Q_r` occurs once above and once
//! below, next to a state that is exact to zeroth order. The contraction from one side alone has them:
//! cylinder of 64 × 64 sites at the critical point, χ = 48, error 1.5e-3 against 5e-7. On a torus both are
//! operators from the first row to row `r`, `⟨Q|E⟩` the trace of their product.

use super::small_bonds;
use super::tables;
use super::transfer::RowState;
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::lattice::square::pair::PairModel;
use crate::lattice::square::pairwise::Pairwise;
use crate::model::Target;
use crate::rng::Streams;

/// How accurate a [`Contraction`] has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ContractOptions {
    /// Largest difference of two successive values of `log Z`, in nats.
    pub tolerance: f64,
    /// First bond dimension; it grows by half each time.
    pub first_bond: usize,
    /// Largest bond dimension.
    pub max_bond: usize,
}

impl Default for ContractOptions {
    /// Two values within 1e-6, bonds of 8 to 256.
    fn default() -> Self {
        ContractOptions { tolerance: 1e-6, first_bond: 8, max_bond: 256 }
    }
}

/// `log Z` with what it took to get there: see [`Contraction::new`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Contraction {
    /// `log Z` at the last bond dimension, in nats.
    pub log_z: f64,
    /// That bond dimension.
    pub max_bond: usize,
    /// Difference to the value before; zero where nothing was truncated.
    pub change: f64,
    /// Largest difference between the values of `log Z` that the states from above and from below give at the
    /// rows, in nats: the error of first order, which the formula cancels. Large where nothing is truncated,
    /// it shows that double precision does not hold the weights.
    pub spread: f64,
    /// Whether two successive values agreed to the tolerance, or nothing was truncated; and the spread is
    /// below 1e-3 (or the root of a larger tolerance), without truncation below rounding.
    pub converged: bool,
    /// Sum of the relative squared weights dropped in the last contraction.
    pub truncation_error: f64,
}

impl Contraction {
    /// `log Z` of a model by boundary states whose bond dimension grows until two successive values agree.
    ///
    /// Agreement of successive values is the customary sign of convergence, not a bound: the truncation error
    /// of a contraction has no sign. Without convergence by `max_bond` the last value is returned with
    /// `converged = false`. Strips of up to eleven spins, along the rows or the columns (on a ring five
    /// rows), are summed exactly site by site, in logarithms: `chi` is then not used, and no weight is too
    /// large. Frustrated couplings of `β|J|` above about 5 are beyond double precision: row states are
    /// accurate relative to their norm, and the configurations that decide may be below that. Cost:
    /// `O(sites d⁴χ³)` for the last χ, twice that on a cylinder, `d⁴` times that on a torus; memory that of
    /// `2√rows` boundary states, a quarter of it for models invariant under the flip of all spins.
    ///
    /// ```
    /// use tensorjump::lattice::{ContractOptions, Contraction, Geometry, PairModel, Square};
    ///
    /// // Independent sets of the 4 × 4 grid.
    /// let model = PairModel::hard_squares(Square::new(4, 4, Geometry::Open)?, 1.0)?;
    /// let z = Contraction::new(&model, &ContractOptions::default())?;
    /// assert!((z.log_z.exp() - 1234.0).abs() < 1e-8);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a bond dimension of zero, `chi > max_bond`, or a tolerance that is
    /// negative or NaN; [`Error::ZeroWeight`] where no configuration is allowed; [`Error::NoConvergence`]
    /// where the value is not positive even at `max_bond`; [`Error::NotFinite`] for weights beyond `f64`.
    pub fn new<M: Pairwise + ?Sized>(model: &M, options: &ContractOptions) -> Result<Self> {
        let model: &PairModel = &*model.tables()?;
        let ContractOptions { tolerance, first_bond: chi, max_bond } = *options;
        if tolerance.is_nan() || tolerance < 0.0 {
            return Err(Error::parameter("tolerance", tolerance, "not negative"));
        }
        check_chi("first_bond", chi)?;
        if chi > max_bond {
            return Err(Error::parameter("max_bond", max_bond, "at least the first bond dimension"));
        }
        let weights = Weights::new(model)?;
        if let Some(log_z) = tables::log_z(model) {
            if log_z == f64::NEG_INFINITY {
                return Err(Error::ZeroWeight { what: "the lattice model" });
            }
            return Ok(Contraction {
                log_z,
                max_bond: chi,
                change: 0.0,
                spread: 0.0,
                converged: true,
                truncation_error: 0.0,
            });
        }
        let (mut chi, mut before) = (chi, f64::NAN);
        loop {
            let (Sweep { log_z, truncation_error, truncated }, spread) = both_ways(&weights, model, chi)?;
            let change = if truncated { (log_z - before).abs() } else { 0.0 };
            // Errors of second order are of the size of the spread squared; without truncation only rounding
            // is left.
            let allowed = if truncated { tolerance.sqrt().max(SPREAD) } else { ROUNDING * log_z.abs().max(1.0) };
            let converged = log_z.is_finite() && change <= tolerance && spread <= allowed;
            if converged || chi == max_bond && log_z.is_finite() {
                return Ok(Contraction { log_z, max_bond: chi, change, spread, converged, truncation_error });
            }
            if chi == max_bond {
                return Err(LOST);
            }
            before = log_z;
            chi = (chi + chi.div_ceil(2)).next_multiple_of(2).min(max_bond);
        }
    }
}

/// Spread of a contraction whose truncation errors are negligible, and of one without truncation relative to
/// `log Z`.
const SPREAD: f64 = 1e-3;
pub(super) const ROUNDING: f64 = 1e-7;

/// Strong frustrated couplings: configurations that matter are below the rounding of those that matter row by
/// row.
pub(super) const LOST: Error = Error::NoConvergence { what: "the boundary contraction in double precision" };

/// `log Z` by states from above only, and whether the bond dimension was ever the limit.
pub(super) fn log_z_from_above(weights: &Weights, chi: usize) -> Result<(f64, bool)> {
    let mut state = RowState::from_above(None, weights, 0, chi)?;
    let mut truncated = state.bond() >= chi;
    for r in 1..weights.rows {
        state = RowState::from_above(Some(&state), weights, r, chi)?;
        truncated |= state.bond() >= chi;
    }
    Ok((weights.log_z(state.log_overlap(&RowState::last(weights))), truncated))
}

/// The formula of the [module](self), and the spread of its terms.
pub(super) fn both_ways(weights: &Weights, model: &PairModel, chi: usize) -> Result<(Sweep, f64)> {
    let mut above = Above::new(weights, chi)?;
    let (mut sum, mut positive) = (0.0, true);
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut add = |factor: f64, (sign, log): (f64, f64)| {
        sum += factor * log;
        positive &= sign > 0.0;
        (least, most) = (least.min(log), most.max(log));
    };
    let one_way = sweep(weights, Some(model), chi, |r, below| {
        let across = below.exact_row(weights, r);
        if r + 1 < weights.rows {
            add(-1.0, above.state(r)?.log_overlap(below));
        }
        add(1.0, if r == 0 { across.log_value() } else { above.state(r - 1)?.log_overlap(&across) });
        Ok(())
    })?;
    let truncated = one_way.truncated || above.truncated;
    Ok((Sweep { log_z: weights.log_z((if positive { 1.0 } else { -1.0 }, sum)), truncated, ..one_way }, most - least))
}

/// The states `Q_r` from above, asked for from the last to the first: one in `√rows` is kept, those between
/// are made again, so that memory is that of `2√rows` states.
struct Above<'a> {
    weights: &'a Weights,
    chi: usize,
    every: usize,
    /// `Q_r` for `r` a multiple of `every`.
    kept: Vec<RowState>,
    /// `Q_r` from row `first` on, up to the last that is still needed.
    first: usize,
    between: Vec<RowState>,
    /// Whether the bond dimension was ever the limit: on a torus where a row's own state says more than the
    /// bonds below it, states from above need more terms than those from below.
    truncated: bool,
}

impl<'a> Above<'a> {
    fn new(weights: &'a Weights, chi: usize) -> Result<Self> {
        let rows = weights.rows - 1;
        let every = (rows as f64).sqrt().ceil().max(1.0) as usize;
        let (mut kept, mut last, mut truncated) = (Vec::new(), None, false);
        for r in 0..rows {
            let next = RowState::from_above(last.as_ref(), weights, r, chi)?;
            truncated |= next.bond() >= chi;
            if r % every == 0 {
                kept.push(next.clone());
            }
            last = Some(next);
        }
        Ok(Above { weights, chi, every, kept, first: rows, between: Vec::new(), truncated })
    }

    fn state(&mut self, r: usize) -> Result<&RowState> {
        if r < self.first {
            let last = self.first;
            self.first = r / self.every * self.every;
            // The state of row `last` may be asked for once more, with that of row `last − 1`.
            let above = std::mem::take(&mut self.between).into_iter().next();
            self.between.push(self.kept[self.first / self.every].clone());
            for r in self.first + 1..last {
                let next = RowState::from_above(self.between.last(), self.weights, r, self.chi)?;
                self.between.push(next);
            }
            self.between.extend(above);
        }
        Ok(&self.between[r - self.first])
    }
}

/// One contraction.
pub(super) struct Sweep {
    pub log_z: f64,
    pub truncation_error: f64,
    /// Whether the bond dimension was ever the limit, in a contraction from both sides on either.
    pub truncated: bool,
}

/// Contracts from below with bonds of at most `chi`; `each(r, E_r)` sees the state below every row, from the
/// last. `model` is asked whether anything is allowed, where that may be in doubt; without it everything is,
/// and `log_z` is not wanted (NaN).
pub(super) fn sweep(
    weights: &Weights,
    model: Option<&PairModel>,
    chi: usize,
    mut each: impl FnMut(usize, &RowState) -> Result<()>,
) -> Result<Sweep> {
    let mut state = RowState::last(weights);
    let (mut truncation_error, mut truncated) = (0.0, false);
    if state.bond() > 1 {
        // The bonds of a torus along diagonals.
        truncation_error = state.compress(chi, weights.parity)?;
        truncated = state.bond() >= chi;
    }
    each(weights.rows - 1, &state)?;
    for r in (1..weights.rows).rev() {
        let dropped;
        (state, dropped) = next_row(&state, weights, r, chi)?;
        truncation_error += dropped;
        truncated |= state.bond() >= chi;
        each(r - 1, &state)?;
    }
    let Some(model) = model else { return Ok(Sweep { log_z: f64::NAN, truncation_error, truncated }) };
    let log_z = weights.log_z(state.log_total(weights));
    if log_z < least_log_z(model) && model.initial(&mut Streams::new(0).stream(0)).is_none() {
        return Err(Error::ZeroWeight { what: "the lattice model" });
    }
    Ok(Sweep { log_z, truncation_error, truncated })
}

/// A lower bound of `log Z` if any configuration is allowed, with a margin for rounding: the product of the
/// least positive weights.
fn least_log_z(model: &PairModel) -> f64 {
    let least = |log: &mut dyn Iterator<Item = &f64>| {
        log.filter(|w| **w > f64::NEG_INFINITY).copied().fold(f64::INFINITY, f64::min).min(f64::MAX)
    };
    let sites: f64 = (0..model.dims().len()).map(|j| least(&mut model.site_log_weights(j).iter())).sum();
    let lattice = model.lattice();
    let bonds: f64 = lattice.bonds().map(|(bond, ..)| least(&mut model.bond_log_weights(bond).iter())).sum();
    let total = sites + bonds;
    total - 1.0 - 1e-9 * total.abs()
}

pub(super) fn check_chi(name: &'static str, chi: usize) -> Result<()> {
    if chi == 0 { Err(Error::parameter(name, chi, "at least one")) } else { Ok(()) }
}

/// `E_{r−1}` of `E_r`, compressed to bonds of at most `chi`; and the relative squared weight that was
/// dropped.
fn next_row(below: &RowState, w: &Weights, r: usize, chi: usize) -> Result<(RowState, f64)> {
    if small_bonds::applies(below, w, r) {
        Ok(small_bonds::next_row(below, w, r, chi))
    } else {
        below.any_row(w, r, chi)
    }
}
