//! The partition function by contraction, row after row from below.

use super::super::geometry::Geometry;
use super::super::pair::PairModel;
use super::transfer::{RowState, Weights};
use crate::error::{Error, Result};
use crate::model::Target;
use crate::rng::Streams;

/// How accurate [`contract`] has to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ContractOptions {
    /// Largest difference of two successive values of `log Z`, in nats.
    pub tolerance: f64,
    /// First bond dimension; it grows by half each time.
    pub chi: usize,
    /// Largest bond dimension.
    pub chi_max: usize,
}

impl Default for ContractOptions {
    /// Two values within 1e-6, bonds of 8 to 256.
    fn default() -> Self {
        ContractOptions { tolerance: 1e-6, chi: 8, chi_max: 256 }
    }
}

/// The result of [`contract`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contraction {
    /// `log Z` at the last bond dimension, in nats.
    pub log_z: f64,
    /// That bond dimension.
    pub chi: usize,
    /// Difference to the value before; zero where nothing was truncated.
    pub change: f64,
    /// Whether two successive values agreed to the tolerance, or nothing was truncated.
    pub converged: bool,
    /// Sum of the relative squared weights dropped in the last contraction.
    pub discarded_weight: f64,
}

/// `log Z` of a model on an open lattice or a cylinder, by boundary states whose bond dimension grows until two successive values agree.
///
/// Agreement of successive values is the customary sign of convergence, not a bound: the truncation error of a contraction has no sign.
/// Without convergence by `chi_max` the last value is returned with `converged = false`. Cost: `O(sites d⁴χ³)` for the last χ, twice that on a
/// cylinder, a quarter of it for models invariant under the flip of all spins.
///
/// ```
/// use tensorjump::lattice::square::{ContractOptions, contract};
/// use tensorjump::lattice::{Geometry, PairModel, Square};
///
/// // Independent sets of the 4 × 4 grid.
/// let model = PairModel::hard_squares(Square::new(4, 4, Geometry::Open)?, 1.0)?;
/// let z = contract(&model, &ContractOptions::default())?;
/// assert!((z.log_z.exp() - 1234.0).abs() < 1e-8);
/// # Ok::<(), tensorjump::Error>(())
/// ```
///
/// # Errors
/// [`Error::Parameter`] for a torus, a bond dimension of zero, `chi > chi_max`, or a tolerance that is negative or NaN;
/// [`Error::ZeroWeight`] where no configuration is allowed.
pub fn contract(model: &PairModel, options: &ContractOptions) -> Result<Contraction> {
    let ContractOptions { tolerance, chi, chi_max } = *options;
    if !(tolerance >= 0.0) {
        return Err(Error::parameter("tolerance", tolerance, "not negative"));
    }
    check_chi(chi)?;
    if chi > chi_max {
        return Err(Error::parameter("chi_max", chi_max, "at least the first bond dimension"));
    }
    check_geometry(model)?;
    let weights = Weights::new(model);
    let (mut chi, mut before) = (chi, f64::NAN);
    loop {
        let Sweep { log_z, discarded_weight, truncated } = sweep(&weights, model, chi, |_, _| Ok(()))?;
        let change = if truncated { (log_z - before).abs() } else { 0.0 };
        let converged = change <= tolerance && log_z.is_finite();
        if converged || chi == chi_max {
            return Ok(Contraction { log_z, chi, change, converged, discarded_weight });
        }
        before = log_z;
        chi = (chi + chi.div_ceil(2)).next_multiple_of(2).min(chi_max);
    }
}

/// One contraction.
pub(super) struct Sweep {
    pub log_z: f64,
    pub discarded_weight: f64,
    /// Whether the bond dimension was ever the limit.
    pub truncated: bool,
}

/// Contracts from below with bonds of at most `chi`; `each(r, E_r)` sees the state below every row, from the last.
pub(super) fn sweep(
    weights: &Weights,
    model: &PairModel,
    chi: usize,
    mut each: impl FnMut(usize, &RowState) -> Result<()>,
) -> Result<Sweep> {
    let mut state = RowState::ones(weights);
    let (mut discarded_weight, mut truncated) = (0.0, false);
    each(weights.rows - 1, &state)?;
    for r in (1..weights.rows).rev() {
        let dropped;
        (state, dropped) = state.next_row(weights, r, chi)?;
        discarded_weight += dropped;
        truncated |= state.bond() >= chi;
        each(r - 1, &state)?;
    }
    let (sign, log) = state.log_total(weights);
    let log_z = if sign > 0.0 { log + weights.log_scale } else { f64::NEG_INFINITY };
    if log_z < least_log_z(model) && model.initial(&mut Streams::new(0).stream(0)).is_none() {
        return Err(Error::ZeroWeight { what: "the lattice model" });
    }
    Ok(Sweep { log_z, discarded_weight, truncated })
}

/// A lower bound of `log Z` if any configuration is allowed, with a margin for rounding: the product of the least positive weights.
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

pub(super) fn check_chi(chi: usize) -> Result<()> {
    if chi == 0 { Err(Error::parameter("chi", chi, "at least one")) } else { Ok(()) }
}

/// Rows are contracted one after the other: they must not wrap around.
pub(super) fn check_geometry(model: &PairModel) -> Result<()> {
    if model.lattice().geometry() == Geometry::Torus {
        let expected = "open or cylinder: the rows must have a first and a last one";
        return Err(Error::parameter("geometry", "torus", expected));
    }
    Ok(())
}
