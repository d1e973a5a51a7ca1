//! Models with exact answers: dimers, vertices, spins, particles.

mod balanced;
mod dimers;
mod particles;
mod spins;
mod vertices;

use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction, Geometry, PairModel, Square};

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// `log Z` by contraction, converged to rounding.
fn log_z(model: &PairModel) -> f64 {
    let options = ContractOptions { tolerance: 1e-11, first_bond: 32, max_bond: 256 };
    let found = Contraction::new(model, &options).unwrap();
    assert!(found.converged, "{found:?}");
    found.log_z
}

/// `log Z` from below alone, exact where no bond needs more than `chi` terms, as is asserted.
fn log_z_from_below(model: &PairModel, chi: usize) -> f64 {
    let q = BoundaryMps::proposal(model, chi).unwrap();
    assert!(q.truncation_error() < 1e-24, "{}", q.truncation_error());
    q.log_z()
}

/// Asserts that a contraction gives `exact` to a relative error of Z of `1e-10`.
fn assert_log(model: &PairModel, exact: f64) {
    let found = log_z(model);
    assert!((found - exact).abs() < 1e-10 * exact.abs().max(1.0), "{found} instead of {exact}");
}
