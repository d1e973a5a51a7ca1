//! Boundary states against enumeration and exact reference values.

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction, Couplings, Geometry, Ising, PairModel, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Error, Model, SiteWeights, Streams, Target};

use crate::common::all_configs;
use crate::common::reference::cases;

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// Gaussian couplings and fields.
fn glass(rows: usize, cols: usize, geometry: Geometry) -> Couplings {
    let mut rng = Streams::new(5).domain("boundary").stream(0);
    let lattice = square(rows, cols, geometry);
    let field = (0..lattice.sites()).map(|_| rng.random::<f64>() - 0.3).collect();
    Couplings::gaussian(lattice, 7).with_field(field).unwrap()
}

/// Random tables, a tenth of them zero, with two or three states a site.
fn random_pairs(rows: usize, cols: usize, geometry: Geometry, zeros: f64) -> PairModel {
    let mut rng = Streams::new(6).domain("boundary").stream(0);
    let l = square(rows, cols, geometry);
    let d = |j: usize| 2 + j % 2;
    let mut weight = move || if rng.random::<f64>() < zeros { f64::NEG_INFINITY } else { 2.0 * rng.random::<f64>() };
    let sites = (0..l.sites()).map(|j| (0..d(j)).map(|a| a as f64 * 0.3 - j as f64 * 0.1).collect()).collect();
    let mut table = |(i, j): (usize, usize)| Array2::from_shape_fn((d(i), d(j)), |_| weight());
    let horizontal = (0..l.horizontal_bonds()).map(|i| table(l.horizontal_sites(i))).collect();
    let vertical = (0..l.vertical_bonds()).map(|i| table(l.vertical_sites(i))).collect();
    PairModel::new(l, sites, horizontal, vertical).unwrap()
}

/// Models of every kind, small enough to enumerate.
fn models() -> Vec<(&'static str, PairModel)> {
    let pairs = |couplings, beta| Ising::new(couplings, beta).unwrap().pair_model().unwrap();
    let (open, ring, torus) = (Geometry::Open, Geometry::Cylinder, Geometry::Torus);
    vec![
        ("in a field", pairs(glass(3, 4, open), 0.7)),
        ("in a field, ring", pairs(glass(3, 4, ring), 0.7)),
        ("±J", pairs(Couplings::plus_minus(square(4, 3, open), 1), 2.0)),
        ("±J, ring", pairs(Couplings::plus_minus(square(3, 4, ring), 2), 2.0)),
        ("Gaussian couplings, ring", pairs(Couplings::gaussian(square(4, 3, ring), 3), 1.0)),
        ("one row", pairs(glass(1, 6, open), 0.9)),
        ("one column", pairs(glass(6, 1, open), 0.9)),
        ("one ring", pairs(glass(1, 5, ring), 0.9)),
        ("Potts", PairModel::potts(&glass(2, 4, open), 3, 0.8).unwrap()),
        ("Potts, ring", PairModel::potts(&glass(3, 3, ring), 3, 0.8).unwrap()),
        ("clock", PairModel::clock(&glass(2, 3, open), 5, 0.8).unwrap()),
        ("hard squares", PairModel::hard_squares(square(4, 3, open), 1.7).unwrap()),
        ("hard squares, ring", PairModel::hard_squares(square(3, 4, ring), 1.7).unwrap()),
        ("colourings", PairModel::colourings(square(3, 3, ring), 3).unwrap()),
        ("tables", random_pairs(3, 3, open, 0.0)),
        ("tables, ring", random_pairs(3, 3, ring, 0.0)),
        ("tables with zeros", random_pairs(3, 3, open, 0.1)),
        ("uniform, torus", pairs(Couplings::uniform(square(4, 4, torus), 1.0).unwrap(), 0.44)),
        ("Gaussian couplings, torus", pairs(Couplings::gaussian(square(3, 4, torus), 3), 1.0)),
        ("±J, torus", pairs(Couplings::plus_minus(square(4, 4, torus), 2), 1.0)),
        ("in a field, torus", pairs(glass(3, 4, torus), 0.7)),
        ("Potts, torus", PairModel::potts(&glass(3, 3, torus), 3, 0.8).unwrap()),
        ("hard squares, torus", PairModel::hard_squares(square(4, 3, torus), 1.7).unwrap()),
        ("colourings, torus", PairModel::colourings(square(3, 3, torus), 3).unwrap()),
        ("tables, torus", random_pairs(3, 3, torus, 0.0)),
        ("tables with zeros, torus", random_pairs(4, 3, torus, 0.1)),
    ]
}

/// `log π` and `log Z` by enumeration.
fn law(model: &PairModel) -> (Array2<u8>, Array1<f64>, f64) {
    let x = all_configs(model.dims());
    let log = model.log_weight(x.view()).unwrap();
    let max = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_z = max + log.mapv(|w| (w - max).exp()).sum().ln();
    (x, log - log_z, log_z)
}

/// Without truncation `q` is the law to single precision: every operation on positive and, in truncated
/// gauges, signed numbers loses a few 6e-8; probabilities below 1e-6 also feel the grid of 2⁻³². Truncated or
/// not, `q` sums to one.
#[test]
fn untruncated_laws_are_exact_and_all_laws_normalised() {
    for (name, model) in models() {
        let (x, exact, log_z) = law(&model);
        let full = BoundaryMps::new(&model, 256).unwrap();
        assert!((full.log_z() - log_z).abs() < 1e-12 * log_z.abs().max(10.0), "{name}: {} {log_z}", full.log_z());
        assert!(full.truncation_error() < 1e-25, "{name}");
        let q = full.log_prob(x.view()).unwrap();
        let worst = exact.iter().zip(&q).filter(|(p, _)| **p > -13.0).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: log q off by {worst:e}");
        for chi in [1, 2, 3, 256] {
            let truncated = BoundaryMps::new(&model, chi).unwrap();
            let q = truncated.log_prob(x.view()).unwrap().mapv(f64::exp);
            // Products of integers below 2³², rounded once a site.
            assert!((q.sum() - 1.0).abs() < 1e-13, "{name}, χ = {chi}: {}", q.sum());
            let support = exact.iter().zip(&q).all(|(p, &q)| *p == f64::NEG_INFINITY || q > 0.0);
            assert!(support, "{name}, χ = {chi}: an allowed configuration is never drawn");
        }
    }
}

/// A transposed table is another law: what exactness above would not see if the enumeration were of the same
/// mistake.
#[test]
fn tables_are_not_transposed() {
    let model = random_pairs(2, 2, Geometry::Open, 0.0);
    let q = BoundaryMps::new(&model, 16).unwrap();
    let mut sum = Array2::zeros((2, 3));
    for x in all_configs(model.dims()).outer_iter() {
        let p = q.log_prob(x.insert_axis(Axis(0))).unwrap()[0].exp();
        sum[[usize::from(x[0]), usize::from(x[1])]] += p;
    }
    // Sites 0..4 are (0,0) (0,1) (1,0) (1,1) with 2, 3, 2, 3 states; the sum over the second row by hand.
    let bond = |b| model.bond_log_weights(b).mapv(f64::exp);
    use tensorjump::lattice::Bond::{Horizontal, Vertical};
    let (top, bottom, left, right) = (bond(Horizontal(0)), bond(Horizontal(1)), bond(Vertical(0)), bond(Vertical(1)));
    let v = |j: usize, a: usize| model.site_log_weights(j)[a].exp();
    let mut direct = Array2::from_shape_fn((2, 3), |(a, b)| {
        let below: f64 = (0..2)
            .flat_map(|c| (0..3).map(move |d| (c, d)))
            .map(|(c, d)| v(2, c) * v(3, d) * left[[a, c]] * right[[b, d]] * bottom[[c, d]])
            .sum();
        v(0, a) * v(1, b) * top[[a, b]] * below
    });
    direct /= direct.sum();
    assert!((&sum - &direct).iter().all(|e: &f64| e.abs() < 1e-6));
}

/// All reference cases with up to 32 columns: 1e-8 for open lattices and cylinders up to 16, 1e-9 relative
/// above.
#[test]
fn contractions_of_the_reference_cases() {
    let options = ContractOptions { tolerance: 1e-9, ..Default::default() };
    for case in cases(16) {
        let found = Contraction::new(&case.ising.pair_model().unwrap(), &options).unwrap();
        assert!(found.converged && found.change <= 1e-9, "{}: {found:?}", case.name);
        let error = (found.log_z - case.log_z).abs();
        assert!(error < 1e-8, "{}: {error:e} at χ = {}", case.name, found.max_bond);
    }
}

/// One draw of many rows equals the draws of its parts, scores equal the draws' log-probabilities, on every
/// number of threads.
#[test]
fn rows_do_not_depend_on_the_batch() {
    for (name, model) in models() {
        let q = BoundaryMps::new(&model, 3).unwrap();
        let streams = Streams::new(8);
        let all = q.draw(301, &streams).unwrap();
        assert_eq!(q.log_prob(all.x.view()).unwrap(), all.log_prob, "{name}");
        let part = q.draw(75, &streams.rows_from(130)).unwrap();
        assert_eq!(part.x, all.x.slice(s![130..205, ..]), "{name}");
        assert_eq!(part.log_prob, all.log_prob.slice(s![130..205]), "{name}");
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| q.draw(301, &streams).unwrap()), all, "{name}");
        }
        assert_ne!(q.draw(301, &streams.step(1)).unwrap().x, all.x, "{name}");
        let (new, old) = q.redraw(&SiteWeights::Uniform, all.x.view(), &streams).unwrap();
        assert_eq!((new, old), (all.clone(), all.log_prob.clone()), "{name}");
    }
    assert_eq!(BoundaryMps::new(&models()[0].1, 2).unwrap().draw(0, &Streams::new(1)).unwrap().x.dim(), (0, 12));
}

/// Tilted laws are the laws of the tilted model, for shared weights and for each row.
#[test]
fn tilted_laws() {
    let mut rng = Streams::new(9).stream(0);
    for (name, model) in [1, 9, 11, 20, 21, 22].map(|k| models().swap_remove(k)) {
        let model = &model;
        let (x, exact, _) = law(model);
        let (n, d) = (model.dims().len(), *model.dims().iter().max().unwrap());
        let w = Array3::from_shape_fn((2, n, d), |_| 0.1 + rng.random::<f64>());
        let q = BoundaryMps::new(model, 64).unwrap();
        for row in 0..2 {
            let weight = |x: ndarray::ArrayView1<'_, u8>| -> f64 {
                x.iter().enumerate().map(|(j, &a)| w[[row, j, usize::from(a)]].ln()).sum()
            };
            let tilted: Array1<f64> = exact.iter().zip(x.outer_iter()).map(|(p, x)| p + weight(x)).collect();
            let z = tilted.mapv(f64::exp).sum().ln();
            let table = w.index_axis(Axis(0), row);
            let found = q.log_prob_given(x.view(), &SiteWeights::Shared(table)).unwrap();
            for ((p, q), k) in tilted.iter().zip(&found).zip(0..) {
                assert!(*p < -12.0 || (p - z - q).abs() < 1e-4, "{name}, row {row}, configuration {k}");
            }
        }
        let pair = x.select(Axis(0), &[0, 0]);
        let both = q.log_prob_given(pair.view(), &SiteWeights::PerRow(w.view())).unwrap();
        for row in 0..2 {
            let one =
                q.log_prob_given(pair.slice(s![..1, ..]), &SiteWeights::Shared(w.index_axis(Axis(0), row))).unwrap();
            assert_eq!(both[row], one[0], "{name}");
        }
        let drawn = q.sample(&SiteWeights::PerRow(w.view()), 2, &Streams::new(3)).unwrap();
        assert_eq!(q.log_prob_given(drawn.x.view(), &SiteWeights::PerRow(w.view())).unwrap(), drawn.log_prob, "{name}");
    }
    let (_, hard) = &models()[11];
    let q = BoundaryMps::new(hard, 8).unwrap();
    let mut w = Array3::ones((3, 12, 2));
    w.slice_mut(s![1, 0..2, 0]).fill(0.0); // two neighbours that must both be occupied
    assert_eq!(q.sample(&SiteWeights::PerRow(w.view()), 3, &Streams::new(1)), Err(Error::ZeroEvidence { row: 1 }));
}

#[test]
fn mistakes_are_named() {
    assert!(matches!(Square::new(2, 4, Geometry::Torus), Err(Error::Parameter { name: "rows", .. })));
    let torus = Ising::new(Couplings::uniform(square(4, 4, Geometry::Torus), 1.0).unwrap(), 0.4).unwrap();
    assert!(matches!(BoundaryMps::new(&torus, 0), Err(Error::Parameter { name: "chi", .. })));
    let open = Ising::new(Couplings::uniform(square(4, 4, Geometry::Open), 1.0).unwrap(), 0.4).unwrap();
    assert!(matches!(BoundaryMps::new(&open, 0), Err(Error::Parameter { name: "chi", .. })));
    let pairs = open.pair_model().unwrap();
    let with = |options: ContractOptions| Contraction::new(&pairs, &options);
    let default = ContractOptions::default();
    assert!(matches!(
        with(ContractOptions { first_bond: 0, ..default }),
        Err(Error::Parameter { name: "first_bond", .. })
    ));
    assert!(matches!(with(ContractOptions { max_bond: 4, ..default }), Err(Error::Parameter { name: "max_bond", .. })));
    assert!(matches!(
        with(ContractOptions { tolerance: f64::NAN, ..default }),
        Err(Error::Parameter { name: "tolerance", .. })
    ));
    // No 2-colouring of a ring of three sites: every bond allows something, the whole does not.
    for (rows, cols, geometry) in [(3, 3, Geometry::Cylinder), (3, 4, Geometry::Torus), (8, 9, Geometry::Torus)] {
        let odd = PairModel::colourings(square(rows, cols, geometry), 2).unwrap();
        assert_eq!(BoundaryMps::new(&odd, 8).err(), Some(Error::ZeroWeight { what: "the lattice model" }));
        assert_eq!(Contraction::new(&odd, &default).err(), Some(Error::ZeroWeight { what: "the lattice model" }));
    }
    let q = BoundaryMps::new(&open, 4).unwrap();
    let x = Array2::zeros((2, 15));
    assert_eq!(q.log_prob(x.view()), Err(Error::SiteCount { expected: 16, got: 15 }));
    let x = Array2::from_elem((2, 16), 2);
    assert!(matches!(q.log_prob(x.view()), Err(Error::StateOutOfRange { .. })));
    let w = Array3::ones((3, 16, 2));
    assert!(matches!(q.sample(&SiteWeights::PerRow(w.view()), 2, &Streams::new(1)), Err(Error::SampleCount { .. })));
}

/// Frustrated couplings too strong for double precision: refused or marked, never a wrong value that says it
/// has converged.
#[test]
fn lost_precision_is_seen() {
    let mut refused = 0;
    for (beta, seed) in [(2.0, 1), (4.0, 1), (10.0, 1), (20.0, 1), (20.0, 2), (50.0, 3)] {
        for geometry in [Geometry::Open, Geometry::Cylinder] {
            let ising = Ising::new(Couplings::plus_minus(square(4, 4, geometry), seed), beta).unwrap();
            let (_, _, exact) = law(&ising.pair_model().unwrap());
            let right = |log_z: f64| (log_z - exact).abs() < 1e-6 * exact;
            match Contraction::new(
                &ising.pair_model().unwrap(),
                &ContractOptions { max_bond: 32, ..Default::default() },
            ) {
                Ok(found) => {
                    assert!(right(found.log_z) || !found.converged, "β = {beta}, seed {seed}: {found:?}, {exact}")
                }
                Err(error) => assert!(beta > 5.0 && matches!(error, Error::NoConvergence { .. })),
            }
            match BoundaryMps::new(&ising, 64) {
                Ok(q) => assert!(right(q.log_z()), "β = {beta}, seed {seed}: {}, {exact}", q.log_z()),
                Err(error) => {
                    assert!(beta > 5.0 && matches!(error, Error::NoConvergence { .. }), "β = {beta}: {error}");
                    refused += 1;
                }
            }
        }
    }
    // Rows too long for tables of logarithms.
    for seed in 1..4 {
        let ising = Ising::new(Couplings::plus_minus(square(16, 16, Geometry::Cylinder), seed), 8.0).unwrap();
        match Contraction::new(&ising.pair_model().unwrap(), &ContractOptions { max_bond: 16, ..Default::default() }) {
            Ok(found) => assert!(!found.converged, "seed {seed}: {found:?}"),
            Err(error) => {
                assert!(matches!(error, Error::NoConvergence { .. }), "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the test reaches no lost precision");
    let huge = PairModel::uniform(square(2, 2, Geometry::Open), &[1e308, 0.0], &Array2::zeros((2, 2))).unwrap();
    assert!(matches!(BoundaryMps::new(&huge, 4), Err(Error::NotFinite { .. })));
}

/// Frustrated couplings on tori: a law whose draws say what the model weighs, a poor one by its weights, or a
/// refusal.
#[test]
fn lost_precision_on_tori_is_seen() {
    let mut refused = 0;
    for (beta, seed) in [(1.0, 1), (2.0, 1), (4.0, 1), (8.0, 1), (20.0, 2), (50.0, 3)] {
        let ising = Ising::new(Couplings::plus_minus(square(4, 4, Geometry::Torus), seed), beta).unwrap();
        let (_, _, exact) = law(&ising.pair_model().unwrap());
        let z = Contraction::new(&ising, &ContractOptions::default()).unwrap();
        assert!(z.converged && (z.log_z - exact).abs() < 1e-12 * exact, "β = {beta}: {z:?}, {exact}");
        match BoundaryMps::new(&ising, 64) {
            Ok(q) => {
                let log_w = q.draw(4096, &Streams::new(5)).unwrap().log_importance_weights(&ising).unwrap();
                let (fraction, z) = (
                    WeightSummary::of(log_w.view()).unwrap().fraction,
                    Estimate::log_mean_weight(log_w.view()).unwrap(),
                );
                assert!(fraction < 0.5 || (z.mean - exact).abs() < 0.1, "β = {beta}: {fraction}, {z:?}, {exact}");
                assert!(beta > 1.0 || fraction > 1.0 - 1e-9, "β = {beta}: {fraction}");
            }
            Err(error) => {
                assert!(beta > 2.0 && matches!(error, Error::NoConvergence { .. }), "β = {beta}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the test reaches no lost precision");
}

/// Tori too wide for a sum site by site: Kaufman's values, to the truncation error of second order; the
/// contraction from one side alone has errors of first order. Random couplings and rectangles: along the rows as
/// along the columns.
#[test]
fn contractions_of_tori() {
    let critical = 0.5 * (1.0 + 2f64.sqrt()).ln();
    for (side, beta, exact) in [
        (8, critical, 60.1417807890691),
        (8, 0.7, 90.563324864979),
        (16, 0.35, 212.489195324063),
        (16, critical, 238.642256635133),
    ] {
        let ising = Ising::new(Couplings::uniform(square(side, side, Geometry::Torus), 1.0).unwrap(), beta).unwrap();
        let found =
            Contraction::new(&ising, &ContractOptions { tolerance: 1e-4, first_bond: 8, max_bond: 64 }).unwrap();
        assert!(found.converged, "{side}, β = {beta}: {found:?}");
        assert!((found.log_z - exact).abs() < 3e-5, "{side}, β = {beta}: {found:?}, {exact}");
        let one_side = BoundaryMps::proposal(&ising, 8).unwrap().log_z();
        assert!(beta > 0.5 || (one_side - exact).abs() > 1e-3, "{side}, β = {beta}: {one_side}, {exact}");
    }
    let glass = Couplings::gaussian(square(7, 8, Geometry::Torus), 4);
    // Transposed: bond (r, c) to the right becomes bond (c, r) down.
    let turned = |values: &[f64]| -> Vec<f64> { (0..56).map(|k| values[k % 7 * 8 + k / 7]).collect() };
    let (across, down) = (turned(glass.vertical()), turned(glass.horizontal()));
    let other = Couplings::new(square(8, 7, Geometry::Torus), across, down, vec![0.0; 56]).unwrap();
    let log_z = |c: &Couplings| {
        let options = ContractOptions { tolerance: 1e-7, first_bond: 32, max_bond: 72 };
        Contraction::new(&Ising::new(c.clone(), 0.7).unwrap(), &options).unwrap().log_z
    };
    assert!((log_z(&glass) - log_z(&other)).abs() < 1e-6);
}

/// Couplings beyond single precision: nothing overflows, allowed configurations keep a positive probability.
#[test]
fn strong_and_weak_couplings() {
    for (beta, geometry) in
        [(0.0, Geometry::Open), (30.0, Geometry::Open), (300.0, Geometry::Cylinder), (1e-300, Geometry::Torus)]
    {
        for couplings in [Couplings::plus_minus(square(6, 7, geometry), 3), glass(6, 7, geometry)] {
            let ising = Ising::new(couplings, beta).unwrap();
            // Frustrated couplings that double precision does not hold are refused.
            let q = match BoundaryMps::new(&ising, 8) {
                Err(Error::NoConvergence { .. }) if beta >= 10.0 => continue,
                q => q.unwrap(),
            };
            let draws = q.draw(64, &Streams::new(2)).unwrap();
            assert!(draws.log_prob.iter().all(|p| p.is_finite() && *p <= 0.0), "β = {beta}");
            let any = q.log_prob(Array2::from_elem((1, 42), 1).view()).unwrap()[0];
            assert!(any.is_finite(), "β = {beta}");
            if beta == 0.0 {
                assert!((draws.log_prob[0] + 42.0 * 2f64.ln()).abs() < 1e-5);
            }
        }
    }
}
