//! Hard particles, and models on parts of the lattice.

use tensorjump::lattice::{BoundaryMps, Geometry, PairModel};
use tensorjump::{Error, Model, Streams, Target};

use super::{assert_log, log_z, log_z_from_below, square};
use crate::common::allowed::{allowed, log_sum};

/// The growth per site of independent sets, 1.503048082475332264… (Calkin and Wilf, SIAM J. Discrete Math. 11,
/// 54; Baxter, Ann. Comb. 3, 191), from open squares by the second difference of ln Z: edges and corners
/// cancel, and what is left decays as `e^{−m/ξ}`, ξ = .88 sites at z = 1: a tenth of it every two sites.
#[test]
fn hard_squares_grow_by_their_constant() {
    let open = |rows, cols| log_z(&PairModel::hard_squares(square(rows, cols, Geometry::Open), 1.0).unwrap());
    let growth = |m: usize| (open(m + 1, m + 1) - 2.0 * open(m + 1, m) + open(m, m)).exp();
    let exact = 1.503_048_082_475_332_3;
    let off = [4, 6, 8, 22].map(|m| (growth(m) - exact).abs());
    assert!(off.windows(2).take(2).all(|o| (7.0..13.0).contains(&(o[0] / o[1]))), "{off:?}");
    assert!(off[3] < 1e-10, "{off:?}");
}

/// The same for hard hexagons at z = 1, 1.395485972479302735… (Baxter, J. Phys. A 13, L61; Joyce, Phil. Trans.
/// R. Soc. A 325, 643).
#[test]
fn hard_hexagons_grow_by_their_constant() {
    let open = |rows, cols| log_z(&PairModel::hard_hexagons(square(rows, cols, Geometry::Open), 1.0).unwrap());
    let growth = |m: usize| (open(m + 1, m + 1) - 2.0 * open(m + 1, m) + open(m, m)).exp();
    let exact = 1.395_485_972_479_302_7;
    // By a factor of about three a site: 71 from 4 to 8, its cube from 8 to 20.
    let off = [4, 8, 20].map(|m| (growth(m) - exact).abs());
    assert!((50.0..100.0).contains(&(off[0] / off[1])) && off[2] < 1e-9, "{off:?}");
}

/// At `z = (11 + 5√5)/2` the growth is `√(27 (25 + 11√5)/250)` (Baxter). Rings of L sites: `ln Λ_L/L = ln κ +
/// (πc/6)(√3/2)/L² + …`, c = 4/5, rows `√3/2` apart (Blöte, Cardy, Nightingale, Phys. Rev. Lett. 56, 742; L a
/// multiple of three). Free ends do not excite what has momentum; the next level, of dimension x = 4/5, is
/// `e^{−2πx(√3/2)M/L}` after M rows: 1e-11 for M = 6 L.
#[test]
fn critical_hard_hexagons_grow_by_baxters_constant() {
    let five = 5f64.sqrt();
    let (critical, growth) = ((11.0 + 5.0 * five) / 2.0, (27.0 * (25.0 + 11.0 * five) / 250.0).sqrt().ln());
    assert!((critical - 11.090_169_9).abs() < 1e-7);
    let central = std::f64::consts::PI * 0.8 / 6.0 * 0.75f64.sqrt();
    let mut before = f64::INFINITY;
    for ring in [6, 9, 12] {
        let hexagons = |rows| PairModel::hard_hexagons(square(rows, ring, Geometry::Cylinder), critical).unwrap();
        let rows = 6 * ring;
        let all = log_z_from_below(&hexagons(rows + 1), 128) - log_z_from_below(&hexagons(rows), 128);
        let l2 = (ring * ring) as f64;
        let rest = (l2 * (all / ring as f64 - growth) - central).abs();
        assert!(rest < 3.0 / l2 && rest < before, "ring of {ring}: {rest}");
        before = rest;
    }
}

/// Regions with holes against enumeration, every model.
#[test]
fn masked_models_are_models_of_the_region() {
    for geometry in [Geometry::Open, Geometry::Cylinder, Geometry::Torus] {
        let lattice = square(4, 4, geometry);
        let inside: Vec<bool> = (0..16).map(|j| ![5, 6, 11, 12].contains(&j)).collect();
        for full in [PairModel::hard_squares(lattice, 1.7).unwrap(), PairModel::colourings(lattice, 3).unwrap()] {
            let model = full.masked(&inside).unwrap();
            let (x, log_w) = allowed(&model);
            assert_log(&model, log_sum(&log_w));
            // A site outside is empty: it does not touch its neighbours.
            assert!(model.dims().iter().zip(&inside).all(|(&d, &inside)| inside || d == 1));
            let q = BoundaryMps::new(&model, 64).unwrap();
            let total = log_sum(q.log_prob(x.view()).unwrap().as_slice().unwrap());
            assert!(total.abs() < 1e-5, "{total}");
            let draws = q.draw(64, &Streams::new(1)).unwrap();
            assert!(model.log_weight(draws.x.view()).unwrap().iter().all(|w| w.is_finite()));
        }
        // Sites outside as vacancies: the same sum with those sites forced empty.
        let squares = PairModel::hard_squares(lattice, 1.7).unwrap();
        let (x, log_w) = allowed(&squares);
        let empty = |x: ndarray::ArrayView1<'_, u8>| (0..16).all(|j| inside[j] || x[j] == 0);
        let kept: Vec<f64> = x.outer_iter().zip(&log_w).filter(|(x, _)| empty(*x)).map(|(_, w)| *w).collect();
        assert_log(&squares.masked(&inside).unwrap(), log_sum(&kept));
    }
}

#[test]
fn mistakes_are_named() {
    let model = PairModel::hard_squares(square(3, 3, Geometry::Open), 1.0).unwrap();
    assert_eq!(model.masked(&[true; 8]), Err(Error::Entries { place: "inside".into(), expected: 9, got: 8 }));
    assert!(model.masked(&[false; 9]).unwrap_err().to_string().contains("sites inside = 0"));
}
