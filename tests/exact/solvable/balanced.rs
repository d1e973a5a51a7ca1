//! Weights moved between sites and bonds leave the law, and change what truncation keeps.

use ndarray::Array2;
use rand::{Rng, RngExt};
use tensorjump::lattice::{BoundaryMps, Geometry, PairModel};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams};

use super::square;
use crate::common::allowed::allowed;

/// Tables at random, an eighth of their entries forbidden.
fn random(rows: usize, cols: usize, geometry: Geometry, diagonal: bool) -> PairModel {
    let mut rng = Streams::new(4).domain("balanced").stream(0);
    let lattice = square(rows, cols, geometry);
    let d = |j: usize| 2 + j % 2;
    let sites = (0..lattice.sites()).map(|j| (0..d(j)).map(|_| rng.random::<f64>()).collect()).collect();
    let mut table = |(i, j): (usize, usize)| {
        Array2::from_shape_fn((d(i), d(j)), |_| {
            let w = 4.0 * rng.random::<f64>() - 2.0;
            if rng.next_u32().is_multiple_of(8) { f64::NEG_INFINITY } else { w }
        })
    };
    let horizontal = (0..lattice.horizontal_bonds()).map(|i| table(lattice.horizontal_sites(i))).collect();
    let vertical = (0..lattice.vertical_bonds()).map(|i| table(lattice.vertical_sites(i))).collect();
    let model = PairModel::new(lattice, sites, horizontal, vertical).unwrap();
    if !diagonal {
        return model;
    }
    let full = lattice.with_diagonals(true, true);
    let along = (0..full.diagonal_bonds()).map(|i| table(full.diagonal_sites(i))).collect();
    let across = (0..full.antidiagonal_bonds()).map(|i| table(full.antidiagonal_sites(i))).collect();
    model.with_diagonals(along, across).unwrap()
}

#[test]
fn balanced_weights_are_the_same_law() {
    for model in [
        random(3, 4, Geometry::Open, false),
        random(3, 3, Geometry::Cylinder, false),
        random(3, 3, Geometry::Torus, false),
        random(3, 4, Geometry::Open, true),
        random(1, 4, Geometry::Open, false),
        PairModel::aztec_diamond(3, [1.3, 0.7]).unwrap(),
        PairModel::domain_walls(4, [1.3, 0.7, 0.9]).unwrap(),
    ] {
        let balanced = model.balanced().unwrap();
        let ((x, log_w), (y, log_v)) = (allowed(&model), allowed(&balanced));
        assert!(!log_w.is_empty());
        assert_eq!(x, y);
        assert!(log_w.iter().zip(&log_v).all(|(w, v)| (w - v).abs() < 1e-12));
        let rows = model.lattice().rows();
        assert!(rows == 1 || balanced != model, "weights have moved");
    }
}

/// Of the Aztec diamond of order 16 the boundary states alone keep rows that the rest does not allow.
#[test]
fn balanced_states_keep_what_occurs() {
    let model = PairModel::aztec_diamond(16, [1.0; 2]).unwrap();
    let exact = 136.0 * 2f64.ln();
    let weighed = |law: &PairModel, chi: usize| {
        let draws = BoundaryMps::proposal(law, chi).unwrap().draw(2048, &Streams::new(3)).unwrap();
        let log_w = draws.log_importance_weights(&model).unwrap();
        (WeightSummary::of(log_w.view()).unwrap().fraction, Estimate::log_mean_weight(log_w.view()).unwrap())
    };
    let ((plain, _), (fraction, log_z)) = (weighed(&model, 8), weighed(&model.balanced().unwrap(), 8));
    assert!(plain < 0.85 && fraction > 0.95, "{plain} {fraction}");
    assert!((log_z.mean - exact).abs() < 5.0 * log_z.error, "{log_z:?}");
    let (fraction, log_z) = weighed(&model.balanced().unwrap(), 32);
    assert!(fraction > 0.9999 && (log_z.mean - exact).abs() < 5.0 * log_z.error, "{fraction} {log_z:?}");
}
