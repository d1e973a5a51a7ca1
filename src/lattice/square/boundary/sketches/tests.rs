//! Groups of lanes: against exact laws, lost lanes, instruction sets.

use ndarray::{Array2, Array3};
use pulp::{Simd, WithSimd};
use rand::RngExt;

use super::answer::Batch;
use super::contract::{Contract, contract};
use super::room::{Room, WIDTH};
use super::walk::{draw, score};
use crate::lattice::square::boundary::BoundaryMps;
use crate::lattice::square::boundary::reply::RowReply;
use crate::lattice::square::couplings::Couplings;
use crate::lattice::square::geometry::{Geometry, Square};
use crate::lattice::square::ising::Ising;
use crate::lattice::square::odds::Odds;
use crate::lattice::square::pair::PairModel;
use crate::model::{Model, SiteWeights};
use crate::rng::Streams;

/// Glasses in fields, and tables without any symmetry.
fn models(lattice: Square) -> [PairModel; 3] {
    let field = (0..lattice.sites()).map(|j| 0.1 * (j % 7) as f64 - 0.25).collect();
    let glass = Couplings::gaussian(lattice, 3).with_field(field).unwrap();
    let pairs = |c: &Couplings| Ising::new(c.clone(), 0.8).unwrap().pair_model().unwrap();
    let mut rng = Streams::new(1).domain("tables").stream(0);
    let sites = (0..lattice.sites()).map(|_| vec![rng.random(), rng.random()]).collect();
    let table = |_, _, _| Array2::from_shape_simple_fn((2, 2), || 1.5 * rng.random::<f64>());
    [pairs(&glass), pairs(&Couplings::plus_minus(lattice, 5)), PairModel::of_bonds(lattice, sites, table).unwrap()]
}

/// Weights of some rows, each repeated `times` times.
fn weights(rows: usize, times: usize, sites: usize) -> Array3<f64> {
    let mut rng = Streams::new(2).domain("weights").stream(0);
    let few = Array3::from_shape_simple_fn((rows, sites, 2), || 0.2 + rng.random::<f64>());
    Array3::from_shape_fn((rows * times, sites, 2), |(i, j, a)| few[[i / times, j, a]])
}

/// Where nothing is truncated the law is that of exact tables, to the rounding of single precision: a few
/// 10⁻⁷ at each of 24 sites; one value of a bond less, and it is not.
#[test]
fn untruncated_laws_are_exact() {
    for model in models(Square::new(4, 6, Geometry::Open).unwrap()) {
        let w = weights(20, 3, 24);
        let w = SiteWeights::PerRow(w.view());
        let tables = BoundaryMps::new(&model, 8).unwrap();
        let streams = Streams::new(3);
        let old = tables.sample(&w, 60, &streams.step(1)).unwrap().x;
        let runs: Vec<_> = (0..20).map(|k| 3 * k..3 * k + 3).collect();
        let odds = Odds::of(&model).unwrap();
        let batch = |chi| Batch { odds: &odds, chi, weights: &w, streams: Some(&streams), score: Some(old.view()) };
        let largest = |chi: usize| {
            let (rows, left) = batch(chi).answer(&runs);
            assert!(left.is_empty() && rows.len() == 60);
            let mut new = old.clone();
            rows.iter().for_each(|row| new.row_mut(row.row).assign(&ndarray::aview1(&row.x)));
            let [new, old] = [new.view(), old.view()].map(|x| tables.log_prob_given(x, &w).unwrap());
            let off = |r: &RowReply| (r.log_prob - new[r.row]).abs().max((r.score - old[r.row]).abs());
            rows.iter().map(off).fold(0.0, f64::max)
        };
        let (full, truncated) = (largest(8), largest(4));
        assert!(full < 1e-5 && truncated > 1e-4, "{full:e} {truncated:e}");
    }
}

/// Odds of a lattice in every lane, with fields of its own.
fn room<const X: usize>() -> Room<X> {
    let lattice = Square::new(5, 6, Geometry::Open).unwrap();
    let odds = Odds::of(&models(lattice)[0]).unwrap();
    let mut room = Room::new(5, 6);
    let mut rng = Streams::new(4).stream(0);
    for j in 0..30 {
        room.sites[j].0 = std::array::from_fn(|_| odds.sites[j] * (0.5 + rng.random::<f32>()));
        room.right[j].0 = [odds.right[j]; WIDTH];
        room.above[j].0 = [if j < 6 { 1.0 } else { odds.below[j - 6] }; WIDTH];
        room.old[j].0 = std::array::from_fn(|_| u32::from(rng.random::<bool>()));
    }
    room
}

fn answers<const X: usize>(room: &mut Room<X>) -> ([f64; WIDTH], [f64; WIDTH]) {
    (draw(room, |i| Streams::new(5).stream(i)), score(room))
}

/// A lane that is not finite or vanishes is found, in whatever row and column, and no other sees it.
#[test]
fn lost_lanes_are_found() {
    let mut whole = room::<4>();
    contract(&mut whole);
    assert_eq!(whole.lost, [false; WIDTH]);
    let all = answers(&mut whole);
    for (site, odds) in [(29, f32::NAN), (24, f32::NAN), (14, f32::INFINITY), (9, f32::NAN), (18, f32::INFINITY)] {
        let mut room = room::<4>();
        room.sites[site].0[3] = odds;
        contract(&mut room);
        assert_eq!(room.lost, std::array::from_fn(|i| i == 3), "{site}, {odds}");
        let (new, old) = answers(&mut room);
        (0..WIDTH).filter(|&i| i != 3).for_each(|i| assert_eq!((new[i], old[i]), (all.0[i], all.1[i])));
    }
    let mut room = room::<4>();
    (0..6).for_each(|c| room.above[12 + c].0[7] = 0.0);
    (12..18).for_each(|j| room.sites[j].0[7] = 1e-38);
    contract(&mut room);
    assert!(room.lost[7] || answers(&mut room).0[7].is_finite());
}

/// All instruction sets round alike: fused multiply-adds in the same order.
#[test]
fn laws_do_not_depend_on_the_instruction_set() {
    let mut best = room::<4>();
    contract(&mut best);
    let best = answers(&mut best);
    let mut scalar = room::<4>();
    Contract(&mut scalar).with_simd(pulp::Scalar::new());
    assert_eq!(answers(&mut scalar), best);
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        let mut wide = room::<4>();
        Simd::vectorize(simd, Contract(&mut wide));
        assert_eq!(answers(&mut wide), best);
    }
}
