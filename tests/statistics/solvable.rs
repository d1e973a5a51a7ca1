//! Draws of models with hard constraints against all their configurations.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView2};
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, PairModel, Square};
use tensorjump::{Model, Streams};

use crate::common::allowed::{allowed, log_sum};
use crate::common::assert_law;

const DRAWS: usize = 40_000;

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// How often each of the configurations `all` was drawn; a draw that is none of them fails.
fn counts(x: &Array2<u8>, all: ArrayView2<'_, u8>) -> Vec<u64> {
    let index: HashMap<Vec<u8>, usize> = all.outer_iter().enumerate().map(|(i, x)| (x.to_vec(), i)).collect();
    let mut counts = vec![0; all.nrows()];
    x.outer_iter().for_each(|x| counts[index[&x.to_vec()]] += 1);
    counts
}

/// Draws of the untruncated law follow the model and not its twin, which allows the same configurations.
fn check(model: &PairModel, twin: &PairModel) {
    let (x, log_w) = allowed(model);
    let law = |log_w: &[f64]| -> Vec<f64> { log_w.iter().map(|w| (w - log_sum(log_w)).exp()).collect() };
    let (same, other) = allowed(twin);
    assert_eq!(x, same);
    let q = BoundaryMps::new(model, 128).unwrap();
    let draws = q.draw(DRAWS, &Streams::new(11)).unwrap();
    assert_law(&counts(&draws.x, x.view()), &law(&log_w), &law(&other));
    // What was drawn has the probability that was said.
    let log_z = log_sum(&log_w);
    for w in draws.log_importance_weights(model).unwrap() {
        assert!((w - log_z).abs() < 2e-5, "{w} {log_z}");
    }
}

#[test]
fn dimers_follow_their_law() {
    let (weights, twin) = ([1.2, 0.9], [0.9, 1.2]);
    for (rows, cols, geometry) in [(4, 4, Geometry::Open), (4, 3, Geometry::Cylinder), (4, 4, Geometry::Torus)] {
        let lattice = square(rows, cols, geometry);
        check(&PairModel::dimers(lattice, weights).unwrap(), &PairModel::dimers(lattice, twin).unwrap());
    }
    check(&PairModel::aztec_diamond(3, weights).unwrap(), &PairModel::aztec_diamond(3, twin).unwrap());
}

#[test]
fn vertices_follow_their_law() {
    let (weights, twin) = ([1.2, 0.9, 1.1], [0.9, 1.2, 1.1]);
    for (rows, cols, geometry) in [(2, 2, Geometry::Open), (2, 3, Geometry::Cylinder), (3, 3, Geometry::Torus)] {
        let lattice = square(rows, cols, geometry);
        check(&PairModel::six_vertex(lattice, weights).unwrap(), &PairModel::six_vertex(lattice, twin).unwrap());
    }
    let eight = |d| PairModel::eight_vertex(square(2, 2, Geometry::Open), [1.2, 0.9, 1.1, d]).unwrap();
    check(&eight(0.5), &eight(0.7));
    let walls = |c| PairModel::domain_walls(4, [1.0, 1.0, c]).unwrap();
    check(&walls(1.0), &walls(1.2));
}

#[test]
fn spins_and_regions_follow_their_law() {
    let couplings = Couplings::uniform(square(2, 3, Geometry::Open), 1.0).unwrap();
    let capel = |delta| PairModel::blume_capel(&couplings, delta, 0.8).unwrap();
    check(&capel(0.5), &capel(0.7));
    let couplings = Couplings::uniform(square(2, 2, Geometry::Open), 1.0).unwrap();
    let teller = |lambda| PairModel::ashkin_teller(&couplings, lambda, 0.5).unwrap();
    check(&teller(0.3), &teller(0.0));
    let inside = [true, true, true, true, false, true, true, true, true, true, true, false];
    let squares = |z| PairModel::hard_squares(square(4, 3, Geometry::Cylinder), z).unwrap().masked(&inside).unwrap();
    check(&squares(1.5), &squares(1.2));
}
