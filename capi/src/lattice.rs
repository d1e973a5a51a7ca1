//! Models on the square lattice: their weights, their contraction, the laws that draw them.

use std::ffi::{c_double, c_int};

use ndarray::{Array2, Dim};
use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction, Pairwise};
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, SnakeMps, Square};

use super::buffers::{Out, arrays, list, list_or, size};
use super::handle::{at, hand_out};
use super::models::{Law, tj_model};
use super::status::{Failure, compute, refused, tj_status};
use super::targets::{Goal, tj_target};

/// Which directions of a lattice wrap around.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub enum tj_geometry {
    /// None: a rectangle with free edges.
    TJ_OPEN = 0,
    /// The columns: each row is a ring, the first and the last row are free.
    TJ_CYLINDER = 1,
    /// Both: a torus.
    TJ_TORUS = 2,
}

/// Sites of a lattice whose tables are made here.
const SITES: usize = 1 << 24;

/// A lattice. An enum of Rust must not come from C: any other number would be undefined behaviour.
fn square(rows: usize, cols: usize, geometry: c_int) -> Result<Square, Failure> {
    let geometry = match geometry {
        g if g == tj_geometry::TJ_OPEN as c_int => Geometry::Open,
        g if g == tj_geometry::TJ_CYLINDER as c_int => Geometry::Cylinder,
        g if g == tj_geometry::TJ_TORUS as c_int => Geometry::Torus,
        g => return Err(refused("geometry", g, "TJ_OPEN, TJ_CYLINDER or TJ_TORUS")),
    };
    let lattice = Square::new(rows, cols, geometry)?;
    if lattice.sites() > SITES {
        let size = lattice.sites();
        return Err(tensorjump::Error::TooLarge { what: "a lattice model", size, limit: SITES }.into());
    }
    Ok(lattice)
}

/// An Ising model from arguments.
///
/// # Safety
/// Each array is NULL or has the length that belongs to the lattice.
#[allow(clippy::too_many_arguments)]
unsafe fn ising(
    rows: usize,
    cols: usize,
    geometry: c_int,
    beta: f64,
    horizontal: *const f64,
    vertical: *const f64,
    field: *const f64,
) -> Result<Ising, Failure> {
    let lattice = square(rows, cols, geometry)?;
    // SAFETY: the caller's contract.
    let (horizontal, vertical, field) = unsafe {
        (
            list_or(horizontal, lattice.horizontal_bonds(), 1.0, "horizontal")?,
            list_or(vertical, lattice.vertical_bonds(), 1.0, "vertical")?,
            list_or(field, lattice.sites(), 0.0, "field")?,
        )
    };
    Ok(Ising::new(Couplings::new(lattice, horizontal, vertical, field)?, beta)?)
}

/// The Ising model or glass `exp(beta (Σ J s s + Σ h s))` on `rows x cols` sites, site `r*cols + c`, state 1
/// for spin +1: a target, from which `tj_boundary`, `tj_snake`, `tj_contract` make more.
///
/// `horizontal`: couplings of `(r, c)` with `(r, c+1)`, row by row: `cols - 1` a row, `cols` where columns
/// wrap. `vertical`: couplings of `(r, c)` with `(r+1, c)`: `cols` for each of `rows - 1` rows, `rows` on a
/// torus. NULL for all 1. `field[rows*cols]`, NULL for none. `geometry`: a `tj_geometry`.
///
/// Errors: `TJ_INPUT` for no rows or columns, fewer than 3 where a direction wraps, another geometry, numbers
/// not finite; `TJ_TOO_LARGE` above 2^24 sites; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_ising(
    rows: usize,
    cols: usize,
    geometry: c_int,
    beta: c_double,
    horizontal: *const c_double,
    vertical: *const c_double,
    field: *const c_double,
    out: *mut *mut tj_target,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || Ok(Goal::Ising(ising(rows, cols, geometry, beta, horizontal, vertical, field)?).into()))
    })
}

/// `tj_ising` with bonds along the diagonals of the plaquettes besides: `diagonal`, of `(r, c)` with `(r+1,
/// c+1)`, and `antidiagonal`, of `(r, c+1)` with `(r+1, c)`, plaquette by plaquette: `cols - 1` a row,
/// `cols` where columns wrap; `rows - 1` rows, `rows` on a torus. NULL for no bonds of a direction: one of
/// the two is the triangular lattice, both are J1-J2 models and the king's graph.
///
/// Errors: as `tj_ising`; `tj_snake` and some moves refuse these lattices with `TJ_INPUT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_ising_diagonals(
    rows: usize,
    cols: usize,
    geometry: c_int,
    beta: c_double,
    horizontal: *const c_double,
    vertical: *const c_double,
    diagonal: *const c_double,
    antidiagonal: *const c_double,
    field: *const c_double,
    out: *mut *mut tj_target,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let nearest = ising(rows, cols, geometry, beta, horizontal, vertical, field)?;
            let lattice = nearest.lattice().with_diagonals(true, true);
            let across = |p: *const f64, bonds, name| -> Result<Vec<f64>, Failure> {
                if p.is_null() { Ok(Vec::new()) } else { list_or(p, bonds, 0.0, name) }
            };
            let diagonal = across(diagonal, lattice.diagonal_bonds(), "diagonal")?;
            let antidiagonal = across(antidiagonal, lattice.antidiagonal_bonds(), "antidiagonal")?;
            let couplings = nearest.couplings().clone().with_diagonals(diagonal, antidiagonal)?;
            Ok(Goal::Ising(Ising::new(couplings, beta)?).into())
        })
    })
}

/// Any pair weights on `rows x cols` sites, given as logarithms, −∞ for what is forbidden:
/// `Π_j e^(site_j[x_j]) Π_bonds e^(bond[x_i, x_j])`. A target, as `tj_ising`.
///
/// `dims[rows*cols]`: numbers of states, NULL for 2 everywhere. `site[site_length]`: the log-weights of the
/// states of each site, one site after the other. `horizontal[horizontal_length]`,
/// `vertical[vertical_length]`: a table a bond, in the order of `tj_ising`, of shape `(dims[i], dims[j])`
/// row-major, `i` the left or upper site.
///
/// Errors: `TJ_INPUT` for a length that does not fit, NaN or +∞, constraints that leave a site without
/// states; else as `tj_ising`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_pair(
    rows: usize,
    cols: usize,
    geometry: c_int,
    dims: *const usize,
    site: *const c_double,
    site_length: usize,
    horizontal: *const c_double,
    horizontal_length: usize,
    vertical: *const c_double,
    vertical_length: usize,
    out: *mut *mut tj_target,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let lattice = square(rows, cols, geometry)?;
            let dims = list_or(dims, lattice.sites(), 2, "dims")?;
            let sites = arrays(site, site_length, dims.iter().map(|&d| Dim(d)), "site")?;
            let shape = |(i, j): (usize, usize)| Dim([dims[i], dims[j]]);
            let across = (0..lattice.horizontal_bonds()).map(|b| shape(lattice.horizontal_sites(b)));
            let down = (0..lattice.vertical_bonds()).map(|b| shape(lattice.vertical_sites(b)));
            let horizontal = arrays(horizontal, horizontal_length, across, "horizontal")?;
            let vertical = arrays(vertical, vertical_length, down, "vertical")?;
            let sites = sites.into_iter().map(|w| w.to_vec()).collect();
            Ok(Goal::Pair(PairModel::new(lattice, sites, horizontal, vertical)?).into())
        })
    })
}

/// As `tj_pair`, the same weights everywhere: `site[states]`, NULL for none, and tables
/// `horizontal[states*states]`, `vertical[states*states]`, `vertical` NULL for those of `horizontal` (Potts
/// and clock models, hard squares, colourings).
///
/// Errors: as `tj_pair`; `TJ_INPUT` for `states` outside 1 to 256.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_pair_uniform(
    rows: usize,
    cols: usize,
    geometry: c_int,
    states: usize,
    site: *const c_double,
    horizontal: *const c_double,
    vertical: *const c_double,
    out: *mut *mut tj_target,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let lattice = square(rows, cols, geometry)?;
            if !(1..=256).contains(&states) {
                return Err(refused("states", states, "1 to 256"));
            }
            size("the tables of a lattice model", &[lattice.sites(), states, states])?;
            let table = |p, name| -> Result<Array2<f64>, Failure> {
                let entries = list(p, states * states, name)?.to_vec();
                Ok(Array2::from_shape_vec((states, states), entries).expect("size checked"))
            };
            let across = table(horizontal, "horizontal")?;
            let down = if vertical.is_null() { across.clone() } else { table(vertical, "vertical")? };
            let sites = vec![list_or(site, states, 0.0, "site")?; lattice.sites()];
            let (across, down) = (vec![across; lattice.horizontal_bonds()], vec![down; lattice.vertical_bonds()]);
            Ok(Goal::Pair(PairModel::new(lattice, sites, across, down)?).into())
        })
    })
}

/// The weights of a lattice model, where a target is one.
fn pairwise(goal: &Goal) -> Result<&dyn Pairwise, Failure> {
    match goal {
        Goal::Ising(ising) => Ok(ising),
        Goal::Pair(model) => Ok(model),
        _ => Err(refused("target", "another one", "made by tj_ising, tj_ising_diagonals, tj_pair or tj_pair_uniform")),
    }
}

fn weighed(model: &dyn Pairwise, chi: usize) -> Result<Law, Failure> {
    let law = BoundaryMps::new(model, chi)?;
    let log_z = law.log_z();
    Ok(Law::plain(law, log_z))
}

/// The law of a lattice model (`tj_ising`, `tj_ising_diagonals`, `tj_pair`, `tj_pair_uniform`) drawn row by
/// row against boundary states of bond dimension `chi`. Where nothing is truncated it is the law itself to
/// single precision, else close to it with exact log-probabilities; the critical Ising model of 64 x 64
/// sites is accepted at 0.99 with `chi = 8`. Cost of a draw: `sites (d + 1) chi²` multiplications.
///
/// Errors: `TJ_INPUT` for `chi = 0`, a target of another kind; `TJ_NUMERIC` where the precision does
/// not hold the law (frustrated couplings at low temperature: see `tj_boundary_proposal`); `TJ_NULL`,
/// `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_boundary(target: *const tj_target, chi: usize, out: *mut *mut tj_model) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe { hand_out(out, || weighed(pairwise(at(target)?)?, chi)) })
}

/// As `tj_boundary`, for moves with an acceptance test only: not compared with anything, at half the cost.
/// Averages over its draws without an acceptance test may be wrong without a sign.
///
/// Errors: as `tj_boundary`, but for those of the comparisons.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_boundary_proposal(
    target: *const tj_target,
    chi: usize,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let law = BoundaryMps::proposal(pairwise(at(target)?)?, chi)?;
            let log_z = law.log_z();
            Ok(Law::plain(law, log_z))
        })
    })
}

/// `tj_ising` and `tj_boundary` in one.
///
/// Errors: of both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_boundary_ising(
    rows: usize,
    cols: usize,
    geometry: c_int,
    beta: c_double,
    horizontal: *const c_double,
    vertical: *const c_double,
    field: *const c_double,
    chi: usize,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || weighed(&ising(rows, cols, geometry, beta, horizontal, vertical, field)?, chi))
    })
}

/// The law of a lattice model as a Born matrix-product state along a snake: exact for `chi` large enough,
/// `log Z` always exact, and exactly denoised. For lattices up to 12 spins wide (less for more states).
///
/// Errors: `TJ_TOO_LARGE` for wider lattices; else as `tj_boundary`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_snake(target: *const tj_target, chi: usize, out: *mut *mut tj_model) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let law = SnakeMps::new(pairwise(at(target)?)?, chi)?;
            let log_z = law.log_z();
            Ok(Law::plain(law, log_z))
        })
    })
}

/// `log Z` in nats of a lattice model by boundary states whose bond dimension grows to
/// `chi_max` until two values agree to `tolerance`. `*log_z` is the last value, `*change` its difference to
/// the one before (NULL: not wanted).
///
/// Errors: `TJ_NUMERIC` where `tolerance` is not reached, the values being written all the same; else as
/// `tj_boundary`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_contract(
    target: *const tj_target,
    tolerance: c_double,
    chi_max: usize,
    log_z: *mut c_double,
    change: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let model = pairwise(at(target)?)?;
        let (mut log_z, mut change) = (Out::new(log_z, 1, "log_z")?, Out::optional(change, 1, "change")?);
        let default = ContractOptions::default();
        let options = ContractOptions { tolerance, first_bond: default.first_bond.min(chi_max), max_bond: chi_max };
        let found = Contraction::new(model, &options)?;
        log_z.write(0, [found.log_z]);
        change.write(0, [found.change]);
        if found.converged {
            return Ok(());
        }
        let (chi, change) = (found.max_bond, found.change);
        Err(Failure::NotConverged(format!("log Z did not converge: changed by {change:e} at bond dimension {chi}")))
    })
}
