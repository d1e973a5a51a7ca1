//! Tilings by dominoes.

use std::f64::consts::PI;

use rand::{Rng, RngExt};
use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction, Geometry, PairModel, Square};
use tensorjump::{Error, Streams};

use super::{assert_log, square};

/// Kasteleyn's product for even sides.
fn kasteleyn(rows: usize, cols: usize, [x, y]: [f64; 2]) -> f64 {
    let cosine = |k: usize, n: usize| (PI * k as f64 / (n + 1) as f64).cos();
    let pairs = (1..=rows / 2).flat_map(|j| (1..=cols / 2).map(move |k| (j, k)));
    pairs.map(|(j, k)| (4.0 * (y * cosine(j, rows)).powi(2) + 4.0 * (x * cosine(k, cols)).powi(2)).ln()).sum()
}

#[test]
fn rectangles_have_as_many_tilings_as_kasteleyns_product() {
    let plain = |rows, cols| PairModel::dimers(square(rows, cols, Geometry::Open), [1.0; 2]).unwrap();
    assert_log(&plain(8, 8), 12_988_816f64.ln());
    assert_log(&plain(2, 10), 89f64.ln());
    assert_log(&plain(3, 4), 11f64.ln());
    assert_log(&plain(16, 16), kasteleyn(16, 16, [1.0; 2]));
    let weights = [1.3, 0.6];
    let weighted = PairModel::dimers(square(6, 8, Geometry::Open), weights).unwrap();
    assert_log(&weighted, kasteleyn(6, 8, weights));
    assert!((kasteleyn(6, 8, weights) - kasteleyn(8, 6, weights)).abs() > 0.1, "the directions can be told apart");
}

/// 2^{n(n+1)/2}, with weights (x² + y²)^{n(n+1)/2}.
#[test]
fn aztec_diamonds_have_a_power_of_two_tilings() {
    for n in 1..=12 {
        let dimers = (n * (n + 1) / 2) as f64;
        assert_log(&PairModel::aztec_diamond(n, [1.0; 2]).unwrap(), dimers * 2f64.ln());
    }
    assert_log(&PairModel::aztec_diamond(7, [1.5, 0.5]).unwrap(), 28.0 * 2.5f64.ln());
}

/// The sum over all coverings, from the first site that is not covered on.
fn coverings(lattice: Square, weights: [f64; 2], free: &mut Vec<bool>) -> f64 {
    let Some(j) = free.iter().position(|&f| f) else { return 1.0 };
    let mut sum = 0.0;
    free[j] = false;
    for (k, n) in lattice.neighbours(j).into_iter().enumerate() {
        if let Some(n) = n.filter(|n| free[n.site]) {
            free[n.site] = false;
            sum += weights[k / 2] * coverings(lattice, weights, free);
            free[n.site] = true;
        }
    }
    free[j] = true;
    sum
}

/// Regions at random: those without a covering are refused.
#[test]
fn regions_are_covered_or_refused() {
    let mut rng = Streams::new(5).stream(0);
    let (mut by_colour, mut by_site, mut covered) = (0, 0, 0);
    for (rows, cols, geometry) in
        [(4, 5, Geometry::Open), (5, 5, Geometry::Open), (4, 3, Geometry::Cylinder), (4, 5, Geometry::Torus)]
    {
        for _ in 0..150 {
            let lattice = square(rows, cols, geometry);
            let weights = [rng.random::<f64>() + 0.5, rng.random::<f64>() + 0.5];
            let mut inside: Vec<bool> = (0..lattice.sites()).map(|_| !rng.next_u32().is_multiple_of(8)).collect();
            let exact = coverings(lattice, weights, &mut inside);
            match PairModel::dimers_within(lattice, weights, &inside) {
                Ok(model) => match Contraction::new(&model, &ContractOptions::default()) {
                    Ok(found) => {
                        assert!(exact > 0.0 && (found.log_z - exact.ln()).abs() < 1e-11, "{inside:?}");
                        assert!((BoundaryMps::new(&model, 32).unwrap().log_z() - exact.ln()).abs() < 1e-11);
                        covered += 1;
                    }
                    Err(error) => {
                        assert_eq!(error, Error::ZeroWeight { what: "the lattice model" });
                        assert_eq!(BoundaryMps::new(&model, 32).unwrap_err(), error);
                        assert_eq!(exact, 0.0, "{inside:?}");
                    }
                },
                Err(error) => {
                    assert_eq!(exact, 0.0, "{error} {inside:?}");
                    match error {
                        Error::Parameter { name: "sites to be covered by dimers", .. } => by_colour += 1,
                        Error::NoConfiguration { .. } => by_site += 1,
                        error => panic!("{error}"),
                    }
                }
            }
        }
    }
    assert!(by_colour > 100 && by_site > 0 && covered > 20, "{by_colour} {by_site} {covered}");
}

/// Regions without a covering that neither colours nor directions betray: their Z is zero.
#[test]
fn regions_without_coverings_are_refused_by_their_sum() {
    for region in [
        ["##.#.###", "########", "###.####", "########", "#####..#", ".#####.."],
        ["##.#####", "##..####", "#.######", "#..#####", "#.####.#", "######.."],
        [".###..#.", "#####.##", "##..####", "##...###", "########", "###..###"],
    ] {
        let mut inside: Vec<bool> = region.concat().bytes().map(|b| b == b'#').collect();
        let lattice = square(6, 8, Geometry::Open);
        assert_eq!(coverings(lattice, [1.0; 2], &mut inside), 0.0);
        let model = PairModel::dimers_within(lattice, [1.0; 2], &inside).unwrap();
        let zero = Error::ZeroWeight { what: "the lattice model" };
        assert_eq!(Contraction::new(&model, &ContractOptions::default()), Err(zero.clone()));
        assert_eq!(BoundaryMps::new(&model, 16).unwrap_err(), zero);
    }
}

#[test]
fn mistakes_are_named() {
    let open = square(4, 4, Geometry::Open);
    let message = |result: Result<PairModel, Error>| result.unwrap_err().to_string();
    let odd = message(PairModel::dimers(square(3, 3, Geometry::Open), [1.0; 2]));
    assert!(odd.contains("5 of one colour and 4 of the other, around (0, 0)"), "{odd}");
    assert!(message(PairModel::dimers(square(3, 3, Geometry::Torus), [1.0; 2])).contains("9 around (0, 0)"));
    // Two corners of the same colour.
    let mut board = vec![true; 16];
    (board[0], board[15]) = (false, false);
    assert!(message(PairModel::dimers_within(open, [1.0; 2], &board)).contains("as many of each colour"));
    for weights in [[-1.0, 1.0], [f64::NAN, 1.0], [f64::INFINITY, 1.0]] {
        assert!(message(PairModel::dimers(open, weights)).contains("weight of horizontal dimers"));
    }
    assert!(message(PairModel::dimers(open, [1.0, -0.5])).contains("weight of vertical dimers = -0.5"));
    // Columns of odd length without horizontal dimers.
    assert!(PairModel::dimers(square(3, 4, Geometry::Open), [1.0, 0.0]).is_ok());
    assert!(message(PairModel::dimers(square(3, 4, Geometry::Open), [0.0, 1.0])).contains("2 of one colour and 1"));
    let entries = Err(Error::Entries { place: "inside".into(), expected: 16, got: 15 });
    assert_eq!(PairModel::dimers_within(open, [1.0; 2], &[true; 15]), entries);
    assert!(message(PairModel::dimers_within(open, [1.0; 2], &[false; 16])).contains("sites inside = 0"));
    assert!(message(PairModel::aztec_diamond(0, [1.0; 2])).contains("order = 0"));
}

/// A site outside has one state; dimers of the diamond stay inside.
#[test]
fn sites_outside_have_one_state() {
    use tensorjump::Target;
    let diamond = PairModel::aztec_diamond(2, [1.0; 2]).unwrap();
    assert_eq!(diamond.dims(), [1, 4, 4, 1, 4, 4, 4, 4, 4, 4, 4, 4, 1, 4, 4, 1]);
    let (x, _) = crate::common::allowed::allowed(&diamond);
    assert_eq!(x.nrows(), 8);
    for x in x.outer_iter() {
        for j in (0..16).filter(|&j| diamond.dims()[j] == 4) {
            let n = diamond.lattice().neighbours(j)[usize::from(x[j])].unwrap();
            let back = diamond.lattice().neighbours(n.site)[usize::from(x[n.site])].unwrap();
            assert_eq!(back.site, j, "a dimer has two ends");
        }
    }
}
