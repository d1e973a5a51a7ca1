//! Laws contracted in lanes: normalised, the same whatever shares a group, and today's law where they do not
//! apply.

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, PairModel, SiteHeatBath, Square, Windows};
use tensorjump::mcmc::{Chains, Move};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Model, SiteWeights, Streams, Target};

use crate::common::all_configs;
use crate::common::random::random_rates;

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

fn glasses(lattice: Square) -> [Ising; 2] {
    let field = (0..lattice.sites()).map(|j| 0.1 * (j % 5) as f64 - 0.15).collect();
    let gaussian = Couplings::gaussian(lattice, 4).with_field(field).unwrap();
    [Ising::new(gaussian, 0.9).unwrap(), Ising::new(Couplings::plus_minus(lattice, 2), 1.0).unwrap()]
}

/// Asymmetric rates, all different.
fn kernel(dims: &[usize], time: f64) -> Kernel {
    Noise::new(Rates::new(random_rates(dims, 5)).unwrap(), Schedule::default()).kernel(0.0, time).unwrap()
}

/// Probabilities of all configurations under one y sum to one: thresholds are integers, and only the sum of
/// rounded logarithms is not exact. Of two states in single precision, on open and closed rows; of three and
/// four, and where something is forbidden, in double precision.
#[test]
fn laws_are_normalised() {
    let spins = [Geometry::Open, Geometry::Cylinder].map(|geometry| glasses(square(3, 5, geometry)));
    let spins = spins.into_iter().flatten().map(|ising| ising.pair_model().unwrap());
    let of = |geometry| [square(3, 3, geometry), square(2, 3, geometry), square(4, 4, geometry)];
    let others = [Geometry::Open, Geometry::Cylinder].into_iter().map(of).flat_map(|[small, smaller, larger]| {
        [
            PairModel::potts(&Couplings::gaussian(small, 3), 3, 0.9).unwrap(),
            PairModel::colourings(smaller, 4).unwrap(),
            PairModel::hard_squares(larger, 1.5).unwrap(),
        ]
    });
    for model in spins.chain(others) {
        let x = all_configs(model.dims());
        let kernel = kernel(model.dims(), 0.7);
        let y = Array2::from_shape_fn(x.dim(), |(_, j)| (j * j % 3 == 1) as u8);
        for chi in [1, 2] {
            let plain = BoundaryMps::proposal(&model, chi).unwrap();
            let law = |q: &BoundaryMps| q.log_prob_given(x.view(), &kernel.likelihood(y.view())).unwrap();
            let (sketched, plain) = (law(&plain.clone().with_sketches()), law(&plain));
            let sum = sketched.mapv(f64::exp).sum();
            assert!((sum - 1.0).abs() < 1e-10, "{sum}");
            // Another law of the same kind, with the same zeros.
            assert_ne!(sketched, plain);
            let distance = (sketched.mapv(f64::exp) - plain.mapv(f64::exp)).mapv(f64::abs).sum() / 2.0;
            assert!(distance < 0.2, "χ = {chi}: {distance}");
            if model.is_constrained() {
                let forbidden = model.log_weight(x.view()).unwrap().mapv(|w| w == f64::NEG_INFINITY);
                let weight = sketched.iter().zip(&forbidden).filter(|(_, f)| **f).map(|(p, _)| p.exp()).sum::<f64>();
                assert_eq!(weight, 0.0);
            }
        }
    }
}

/// A row's draw and score depend on its weights, its stream and its configuration only: not on the rows beside
/// it, the rows before it in its run, nor on threads.
#[test]
fn rows_do_not_see_each_other() {
    let model = &glasses(square(6, 7, Geometry::Open))[1];
    let q = BoundaryMps::proposal(model, 2).unwrap().with_sketches();
    let kernel = kernel(model.dims(), 0.4);
    let streams = Streams::new(1);
    let x = q.draw(90, &streams.step(1)).unwrap().x;
    // Runs of one to three rows with the same y, and one of forty.
    let of = |i: usize| if i < 50 { i / 3 * 2 + usize::from(i % 3 == 2) } else { 50 };
    let noisy = kernel.sample(x.view(), &streams).unwrap();
    let y = Array2::from_shape_fn(noisy.dim(), |(i, j)| noisy[[of(i), j]]);
    let redraw = |rows: std::ops::Range<usize>, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let part = s![rows.clone(), ..];
        let (x, y) = (x.slice(part), y.slice(part));
        pool.install(|| q.redraw(&kernel.likelihood(y), x, &streams.rows_from(rows.start)).unwrap())
    };
    let (all, scores) = redraw(0..90, 2);
    assert_eq!(redraw(0..90, 1), (all.clone(), scores.clone()));
    assert_eq!(q.log_prob_given(all.x.view(), &kernel.likelihood(y.view())).unwrap(), all.log_prob);
    for rows in [0..1, 3..20, 17..50, 49..51, 60..90] {
        let (few, old) = redraw(rows.clone(), 2);
        let part = s![rows.clone(), ..];
        assert_eq!((few.x.view(), few.log_prob.view()), (all.x.slice(part), all.log_prob.slice(s![rows.clone()])));
        assert_eq!(old.view(), scores.slice(s![rows]));
    }
}

/// Weights with a zero, or beyond single precision, are redrawn in double precision: forbidden states are never
/// drawn, no other row sees it, and weights that leave nothing are named.
#[test]
fn rows_beyond_single_precision() {
    let model = &glasses(square(5, 6, Geometry::Open))[0];
    let plain = BoundaryMps::proposal(model, 2).unwrap();
    let q = plain.clone().with_sketches();
    let mut rng = Streams::new(9).stream(0);
    let usual = Array3::from_shape_simple_fn((40, 30, 2), || 0.1 + rng.random::<f64>());
    let mut w = usual.clone();
    w[[3, 7, 1]] = 0.0;
    w[[17, 29, 0]] = 0.0;
    w[[20, 0, 1]] = 1e-20;
    w[[21, 4, 0]] = 1e-200;
    let streams = Streams::new(2);
    let old = q.draw(40, &streams.step(1)).unwrap().x;
    let redraw =
        |q: &BoundaryMps, w: &Array3<f64>| q.redraw(&SiteWeights::PerRow(w.view()), old.view(), &streams).unwrap();
    let ((new, scores), (usual, usual_scores)) = (redraw(&q, &w), redraw(&q, &usual));
    let (plain_new, plain_scores) = redraw(&plain, &w);
    for i in 0..40 {
        let same = new.log_prob[i] == usual.log_prob[i] && scores[i] == usual_scores[i];
        assert_eq!(same, ![3, 17, 20, 21].contains(&i), "row {i}");
        assert!(new.log_prob[i] != plain_new.log_prob[i], "row {i}");
        // Of the same weights: the laws are close.
        assert!((scores[i] - plain_scores[i]).abs() < 1.0 || scores[i] == plain_scores[i], "row {i}");
    }
    assert_eq!((new.x[[3, 7]], new.x[[17, 29]], new.x[[20, 0]], new.x[[21, 4]]), (0, 1, 0, 1));
    // All weights zero at a site: the row is named.
    let mut none = Array3::ones((20, 30, 2));
    none.slice_mut(s![11, 4, ..]).fill(0.0);
    let error = q.sample(&SiteWeights::PerRow(none.view()), 20, &streams).unwrap_err();
    assert!(matches!(error, tensorjump::Error::ZeroEvidence { row: 11 }), "{error}");
}

/// Three colours on a cylinder: a row may not close (here by the floor of conditionals alone), and what is drawn
/// then has its share of the law.
#[test]
fn dead_ends_are_scored() {
    let model = PairModel::colourings(square(2, 5, Geometry::Cylinder), 3).unwrap();
    let x = all_configs(model.dims());
    let y = Array2::from_shape_fn(x.dim(), |(_, j)| (j * j % 3 == 1) as u8);
    let kernel = kernel(model.dims(), 0.7);
    let q = BoundaryMps::proposal(&model, 1).unwrap().with_sketches();
    let p = q.log_prob_given(x.view(), &kernel.likelihood(y.view())).unwrap().mapv(f64::exp);
    assert!((p.sum() - 1.0).abs() < 1e-10);
    let forbidden = model.log_weight(x.view()).unwrap().mapv(|w| w == f64::NEG_INFINITY);
    let dead: f64 = p.iter().zip(&forbidden).filter(|(_, f)| **f).map(|(p, _)| p).sum();
    assert!(dead > 0.0 && dead < 0.5, "{dead}");
}

/// What a row is drawn from depends on its weights alone: a draw has the score of its configuration, also where
/// sites are pinned to colours that simple fillings miss, and whatever is scored beside it.
#[test]
fn draws_under_pins_have_their_scores() {
    let model = PairModel::colourings(square(5, 5, Geometry::Cylinder), 3).unwrap();
    let mut chains = Chains::initial(&model, 40, 3).unwrap();
    let heat = SiteHeatBath::new(&model).unwrap();
    for step in 0..20 {
        heat.update(&mut chains, &model, &Streams::new(4).step(step)).unwrap();
    }
    let mut rng = Streams::new(5).stream(0);
    let mut w = Array3::<f64>::ones((40, 25, 3));
    for ((row, j), &a) in chains.x().indexed_iter() {
        if rng.random_bool(0.3) {
            (0..3).filter(|&b| b != usize::from(a)).for_each(|b| w[[row, j, b]] = 0.0);
        }
    }
    let q = BoundaryMps::proposal(&model, 2).unwrap().with_sketches();
    let draws = q.sample(&SiteWeights::PerRow(w.view()), 40, &Streams::new(6)).unwrap();
    let score = |x: Array2<u8>, w: Array3<f64>| q.log_prob_given(x.view(), &SiteWeights::PerRow(w.view())).unwrap();
    assert_eq!(score(draws.x.clone(), w.clone()), draws.log_prob);
    assert!(score(chains.x().to_owned(), w.clone()).iter().all(|p| p.is_finite()));
    // From the last row to the first.
    let back = score(draws.x.slice(s![..;-1, ..]).to_owned(), w.slice(s![..;-1, .., ..]).to_owned());
    assert_eq!(back.slice(s![..;-1]), draws.log_prob);
}

/// An allowed state stays allowed, however small the products of its weights.
#[test]
fn what_is_allowed_has_a_probability() {
    let model = PairModel::hard_squares(square(6, 6, Geometry::Open), 1e-200).unwrap();
    let q = BoundaryMps::proposal(&model, 2).unwrap().with_sketches();
    let mut w = Array3::<f64>::ones((2, 36, 2));
    w.slice_mut(s![.., 7, 1]).fill(1e-200);
    let mut x = Array2::<u8>::zeros((2, 36));
    x[[1, 7]] = 1;
    let p = q.log_prob_given(x.view(), &SiteWeights::PerRow(w.view())).unwrap();
    assert!(p.iter().all(|p| p.is_finite()), "{p}");
}

/// Colourings whose weights leave none are an error of their row, in draws and in scores.
#[test]
fn rows_without_configurations_are_named() {
    let model = PairModel::colourings(square(4, 5, Geometry::Open), 3).unwrap();
    let q = BoundaryMps::proposal(&model, 2).unwrap().with_sketches();
    let mut w = Array3::ones((9, 20, 3));
    // Two neighbours of one colour.
    for j in [6, 7] {
        w.slice_mut(s![5, j, 1..]).fill(0.0);
    }
    let error = q.sample(&SiteWeights::PerRow(w.view()), 9, &Streams::new(1)).unwrap_err();
    assert!(matches!(error, tensorjump::Error::ZeroEvidence { row: 5 }), "{error}");
    let x = q.draw(9, &Streams::new(2)).unwrap().x;
    let error = q.log_prob_given(x.view(), &SiteWeights::PerRow(w.view())).unwrap_err();
    assert!(matches!(error, tensorjump::Error::ZeroEvidence { row: 5 }), "{error}");
    w[[5, 7, 1]] = 1.0;
    let draws = q.sample(&SiteWeights::PerRow(w.view()), 9, &Streams::new(1)).unwrap();
    assert_eq!((draws.x[[5, 6]], draws.x[[5, 7]]), (0, 1));
    assert!(model.log_weight(draws.x.view()).unwrap().iter().all(|w| w.is_finite()));
}

/// Tori, five states, diagonals and other bond dimensions: nothing changes.
#[test]
fn other_models_are_redrawn_one_at_a_time() {
    let c = |lattice| Couplings::gaussian(lattice, 1);
    let open = square(4, 5, Geometry::Open);
    let pairs = |c: Couplings| Ising::new(c, 0.5).unwrap().pair_model().unwrap();
    for (model, chi, same) in [
        (pairs(c(square(4, 5, Geometry::Torus))), 2, true),
        (pairs(c(open.with_diagonals(true, false))), 2, true),
        (PairModel::potts(&c(open), 5, 0.5).unwrap(), 2, true),
        (pairs(c(open)), 3, true),
        (pairs(c(square(4, 5, Geometry::Cylinder))), 2, false),
        (PairModel::potts(&c(open), 3, 0.5).unwrap(), 2, false),
        (PairModel::hard_squares(open, 1.2).unwrap(), 2, false),
        (Ising::new(Couplings::uniform(open, 1.0).unwrap(), 9.0).unwrap().pair_model().unwrap(), 1, false),
    ] {
        let plain = BoundaryMps::proposal(&model, chi).unwrap();
        let mut w = Array3::ones((3, 20, 5));
        w[[1, 3, 0]] = 0.5;
        let w = SiteWeights::PerRow(w.view());
        let draw = |q: &BoundaryMps| q.sample(&w, 3, &Streams::new(1)).unwrap();
        assert_eq!(draw(&plain.clone().with_sketches()) == draw(&plain), same);
    }
}

/// Whole updates of windows: the same on any number of threads; untruncated windows are always accepted, to
/// rounding; a part of the chains moves as it does among all of them.
#[test]
fn windows_do_not_see_threads_or_other_chains() {
    for geometry in [Geometry::Open, Geometry::Cylinder, Geometry::Torus] {
        let model = &glasses(square(8, 7, geometry))[0];
        let start = Chains::initial(model, 37, 1).unwrap().x().to_owned();
        let sweeps = Windows::new(model, 4, 5, 4).unwrap().with_sketches().unwrap();
        for windows in [sweeps.clone(), sweeps.with_count(3).unwrap()] {
            let run = |x: Array2<u8>, threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut chains = Chains::new(model, x).unwrap();
                let report = pool
                    .install(|| (0..3).map(|k| windows.update(&mut chains, model, &Streams::new(k)).unwrap()).last());
                (chains.x().to_owned(), chains.log_weight().to_owned(), report.unwrap())
            };
            let (all, log_weight, report) = run(start.clone(), 1);
            assert_eq!(run(start.clone(), 2), (all.clone(), log_weight.clone(), report.clone()));
            assert_eq!(report.accepted, report.proposed, "{geometry:?}");
            let exact = model.log_weight(all.view()).unwrap();
            assert_eq!(log_weight, exact);
            let (few, ..) = run(start.slice(s![..20, ..]).to_owned(), 2);
            assert_eq!(few, all.slice(s![..20, ..]));
            assert!(all.axis_iter(Axis(0)).zip(start.axis_iter(Axis(0))).all(|(new, old)| new != old));
        }
    }
}

/// A single configuration and a batch of one are redrawn alike, in a rectangle of choice too.
#[test]
fn windows_of_one_configuration() {
    let model = &glasses(square(6, 6, Geometry::Torus))[1];
    let windows = Windows::new(model, 5, 5, 8).unwrap().with_sketches().unwrap();
    let place = tensorjump::lattice::Rectangle { row: 4, col: 2, rows: 5, cols: 5 };
    let old: Array1<u8> = Chains::initial(model, 1, 3).unwrap().x().row(0).to_owned();
    let mut x = old.to_vec();
    let redrawn = windows.redraw(place, &mut x, &Streams::new(4)).unwrap();
    assert_eq!(redrawn, tensorjump::lattice::Redrawn::Accepted);
    let inside = place.sites(model.lattice()).unwrap();
    assert!((0..36).all(|j| inside.contains(&j) || x[j] == old[j]));
    assert!(windows.redraw(tensorjump::lattice::Rectangle { rows: 9, ..place }, &mut x, &Streams::new(4)).is_err());
    x[0] = 2;
    assert!(windows.redraw(place, &mut x, &Streams::new(4)).is_err());
}
