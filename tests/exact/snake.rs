//! The snake MPS against enumeration, its order and frontier against the definition, exact partition
//! functions, bad input.

use ndarray::{Array2, Array3, ArrayView1, array};
use rand::RngExt;
use serde_json::Value;
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, SnakeMps, Square};
use tensorjump::mcmc::{Connected, Disconnected, Proposal};
use tensorjump::model::{BornMps, Permuted};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, ExactModel, Model, SiteWeights, Stream, Streams, Target};

use crate::common::{all_configs, law};
use crate::laws::{Weights, every_form, repeated, tilted_law};

fn rng(name: &str) -> Stream {
    Streams::new(17).domain(name).stream(0)
}

/// ±J couplings with fields between −½ and ½.
fn glass(rows: usize, cols: usize, geometry: Geometry, beta: f64) -> Ising {
    let lattice = Square::new(rows, cols, geometry).unwrap();
    let mut rng = rng("field");
    let field = (0..lattice.sites()).map(|_| rng.random::<f64>() - 0.5).collect();
    Ising::new(Couplings::plus_minus(lattice, 4).with_field(field).unwrap(), beta).unwrap()
}

/// Largest difference of the amplitudes `√P`. Rounding adds about 10⁻¹⁶ of the norm a site and tensor, far
/// below 10⁻¹³ for 16 sites; the difference of the probabilities is at most twice as large.
fn amplitude_error(model: &dyn Model, law: &[f64]) -> f64 {
    let log = model.log_prob(all_configs(model.dims()).view()).unwrap();
    log.iter().zip(law).map(|(log, p)| ((0.5 * log).exp() - p.sqrt()).abs()).fold(0.0, f64::max)
}

#[test]
fn full_bond_is_exact_with_field_and_any_couplings() {
    for (rows, cols, geometry, bond) in [
        (4, 4, Geometry::Cylinder, 16),
        (5, 3, Geometry::Cylinder, 8),
        (2, 6, Geometry::Cylinder, 64),
        (1, 5, Geometry::Cylinder, 4),
        (4, 4, Geometry::Open, 16),
        (2, 7, Geometry::Open, 4),
        (6, 2, Geometry::Open, 4),
        (1, 6, Geometry::Open, 2),
        (3, 1, Geometry::Open, 2),
        (1, 1, Geometry::Open, 1),
    ] {
        let ising = glass(rows, cols, geometry, 0.6);
        let exact = law(&ising);
        let snake = SnakeMps::new(&ising, bond).unwrap();
        assert!(snake.bonds().into_iter().max().unwrap_or(1) <= bond);
        assert!(amplitude_error(&snake, &exact) < 1e-13, "{rows} x {cols} {geometry:?}");
        assert!(snake.truncation_error() < 1e-28);
        let sum: f64 = ising.log_weight(all_configs(ising.dims()).view()).unwrap().mapv(f64::exp).sum();
        assert!((snake.log_z() - sum.ln()).abs() < 1e-12);
        // The wrong twin: the snake read row by row.
        if rows > 1 && cols > 1 {
            let twin = Permuted::new(snake.born().clone(), (0..rows * cols).collect()).unwrap();
            assert!(amplitude_error(&twin, &exact) > 1e-3);
        }
    }
}

/// Three states, three and two states mixed, hard constraints.
#[test]
fn pair_models_are_exact() {
    let lattice = Square::new(3, 3, Geometry::Cylinder).unwrap();
    let couplings = Couplings::gaussian(lattice, 2).with_field(vec![0.3; 9]).unwrap();
    let mut rng = rng("tables");
    let dims = [2, 3, 2, 3, 1, 2, 2, 3, 3];
    let sites = dims.iter().map(|&d| (0..d).map(|_| rng.random::<f64>()).collect()).collect();
    let mut table = |(i, j): (usize, usize)| Array2::from_shape_fn((dims[i], dims[j]), |_| 2.0 * rng.random::<f64>());
    let horizontal = (0..9).map(|i| table(lattice.horizontal_sites(i))).collect();
    let vertical = (0..6).map(|i| table(lattice.vertical_sites(i))).collect();
    for model in [
        PairModel::potts(&couplings, 3, 0.8).unwrap(),
        PairModel::new(lattice, sites, horizontal, vertical).unwrap(),
        PairModel::hard_squares(Square::new(4, 4, Geometry::Cylinder).unwrap(), 1.7).unwrap(),
        PairModel::hard_squares(Square::new(3, 5, Geometry::Open).unwrap(), 1.7).unwrap(),
        PairModel::colourings(Square::new(3, 3, Geometry::Open).unwrap(), 3).unwrap(),
    ] {
        let snake = SnakeMps::new(&model, 64).unwrap();
        assert!(amplitude_error(&snake, &law(&model)) < 1e-13);
        assert!(snake.truncation_error() < 1e-28);
    }
}

/// The discarded weight is one minus the squared overlap with `√π`, and each of its parts is at most the tail
/// of the exact Schmidt values.
#[test]
fn discarded_weight_is_the_distance() {
    let ising = glass(4, 4, Geometry::Cylinder, 0.6);
    let exact = law(&ising);
    for chi in [1, 2, 3, 5, 8] {
        let snake = SnakeMps::new(&ising, chi).unwrap();
        // The amplitude itself: probabilities have lost its sign.
        let x = all_configs(&[2; 16]);
        let overlap: f64 = x
            .outer_iter()
            .zip(&exact)
            .map(|(x, p)| p.sqrt() * amplitude(snake.born(), snake.order().iter().map(|&j| x[j])))
            .sum();
        let discarded = snake.truncation_error();
        assert!((1.0 - overlap * overlap - discarded).abs() < 1e-12, "chi {chi}: {overlap}, {discarded}");
        assert!(discarded > 1e-6 && snake.truncation_errors().len() == 15);
        // The projections before a cut act on one side of it and lower its singular values.
        for (k, weight) in snake.truncation_errors().iter().enumerate() {
            assert!(*weight <= schmidt_tail(&exact, snake.order(), k + 1, chi) + 1e-13, "bond {k}");
        }
    }
}

fn amplitude(born: &BornMps, x: impl Iterator<Item = u8>) -> f64 {
    let mut v = vec![1.0];
    for (a, x) in born.amplitude().tensors().iter().zip(x) {
        let (l, _, r) = a.dim();
        v = (0..r).map(|k| (0..l).map(|i| v[i] * a[[i, x.into(), k]]).sum()).collect();
    }
    v[0]
}

/// Weight beyond the `chi` largest Schmidt values of `√π` between the first `k` sites of the snake and the
/// others.
fn schmidt_tail(law: &[f64], order: &[usize], k: usize, chi: usize) -> f64 {
    let n = order.len();
    let mut matrix = Array2::zeros((1 << k, 1 << (n - k)));
    for (x, p) in all_configs(&vec![2; n]).outer_iter().zip(law) {
        let index = order.iter().fold(0, |i, &j| 2 * i + usize::from(x[j]));
        matrix[[index >> (n - k), index & ((1 << (n - k)) - 1)]] = p.sqrt();
    }
    tensorjump::linalg::svd(matrix.view()).unwrap().s.iter().skip(chi).map(|s| s * s).sum()
}

#[test]
fn bonds_shrink_where_the_law_is_simpler() {
    let lattice = Square::new(5, 4, Geometry::Cylinder).unwrap();
    let free = Couplings::uniform(lattice, 0.0).unwrap().with_field(vec![0.4; 20]).unwrap();
    assert_eq!(SnakeMps::new(&Ising::new(free, 1.0).unwrap(), 16).unwrap().bonds(), vec![1; 19]);
    // Rings that do not see each other.
    let rings = Couplings::new(lattice, vec![1.0; 20], vec![0.0; 16], vec![0.0; 20]).unwrap();
    let bonds = SnakeMps::new(&Ising::new(rings, 0.5).unwrap(), 16).unwrap().bonds();
    assert_eq!(bonds, [2, 4, 2, 1].repeat(5)[..19]);
}

#[test]
fn log_z_of_the_reference_cases() {
    let file: Value = serde_json::from_str(include_str!("../reference/ising.json")).unwrap();
    let mut cases = 0;
    for case in file["cases"].as_array().unwrap() {
        let size = |key: &str| case[key].as_u64().unwrap() as usize;
        let geometry = match case["kind"].as_str().unwrap() {
            "cyl" => Geometry::Cylinder,
            "open" => Geometry::Open,
            _ => continue,
        };
        if size("L") > 12 {
            continue;
        }
        let lattice = Square::new(size("M"), size("L"), geometry).unwrap();
        let ising = Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), case["beta"].as_f64().unwrap()).unwrap();
        let found = SnakeMps::new(&ising, 1).unwrap().log_z();
        // What the file promises.
        assert!((found - case["logZ"].as_f64().unwrap()).abs() < 1e-9, "{case}: {found}");
        cases += 1;
    }
    assert!(cases >= 30, "{cases}");
}

/// Sites differ in number of states and in weight: every path of the permutation shows.
#[test]
fn permuted_laws_match_enumeration() {
    let dims = [2, 3, 2, 4];
    let line = BornMps::random(&dims, 4, &mut rng("line")).unwrap();
    let order = vec![2, 0, 3, 1];
    let permuted = Permuted::new(line.clone(), order.clone()).unwrap();
    assert_eq!(permuted.dims(), [3, 4, 2, 2]);
    let x = all_configs(permuted.dims());
    let inner = Array2::from_shape_fn(x.dim(), |(i, k)| x[[i, order[k]]]);
    let p = line.log_prob(inner.view()).unwrap().mapv(f64::exp).to_vec();
    const PERIOD: usize = 3;
    let rows = repeated(x.view(), PERIOD);
    for weights in every_form(permuted.dims(), rows.nrows(), PERIOD, &mut rng("weights")) {
        let w = weights.get();
        let log_prob = permuted.log_prob_given(rows.view(), &w).unwrap();
        let evidence = permuted.log_evidence(&w).unwrap();
        let cavities = permuted.cavities(&w).unwrap();
        for row in 0..PERIOD {
            let (law, total) = tilted_law(&p, permuted.dims(), &w, row);
            for (i, p) in law.iter().enumerate() {
                assert!((log_prob[i * PERIOD + row].exp() - p).abs() < 1e-12);
            }
            let e = if evidence.len() == 1 { 0 } else { row };
            assert!((evidence[e] - total.ln()).abs() < 1e-11);
            check_cavities(&p, permuted.dims(), &w, row, &cavities, e);
        }
        let streams = Streams::new(3);
        let samples = permuted.sample(&w, rows.nrows(), &streams).unwrap();
        assert_eq!(permuted.log_prob_given(samples.x.view(), &w).unwrap(), samples.log_prob);
        let (again, old) = permuted.redraw(&w, rows.view(), &streams).unwrap();
        assert_eq!((again, old), (samples, log_prob));
    }
    let start = permuted.initial(&mut rng("start")).unwrap();
    assert!(permuted.log_weight(start.insert_axis(ndarray::Axis(0)).view()).unwrap()[0].is_finite());
}

fn check_cavities(p: &[f64], dims: &[usize], w: &SiteWeights<'_>, row: usize, found: &Array3<f64>, at: usize) {
    for j in 0..dims.len() {
        let mut law = vec![0.0; dims[j]];
        for (p, x) in p.iter().zip(all_configs(dims).outer_iter()) {
            let others = x.iter().enumerate().filter(|(i, _)| *i != j);
            law[usize::from(x[j])] += p * others.map(|(i, &a)| w.get(row, i, a.into())).product::<f64>();
        }
        let total: f64 = law.iter().sum();
        for (a, c) in law.iter().enumerate() {
            assert!((found[[at, j, a]] - c / total).abs() < 1e-12);
        }
    }
}

/// The denoiser of a snake MPS under asymmetric noise, site by site.
#[test]
fn tilted_laws_of_the_snake() {
    let ising = glass(3, 3, Geometry::Cylinder, 0.5);
    let exact = law(&ising);
    let snake = SnakeMps::new(&ising, 8).unwrap();
    let x = all_configs(&[2; 9]);
    let table = |w: &SiteWeights<'_>| snake.log_prob_given(x.view(), w).unwrap().mapv(f64::exp);
    let shared = Array2::from_shape_fn((9, 2), |(j, a)| 0.1 + (j as f64 * 0.7 + a as f64 * 1.3).sin().abs());
    for weights in [Weights::Uniform, Weights::Shared(shared)] {
        let (law, _) = tilted_law(&exact, &[2; 9], &weights.get(), 0);
        let error = table(&weights.get()).iter().zip(&law).map(|(q, p)| (q - p).abs()).fold(0.0, f64::max);
        assert!(error < 1e-13);
    }
    // Exact model: both moves are always accepted.
    let noise = Noise::new(Rates::binary_flip(9, 1.0, 0.4).unwrap(), Schedule::default());
    let connected = Connected::new(&snake, noise.kernel(0.0, 0.3).unwrap()).unwrap();
    let start = snake.draw(200, &Streams::new(1)).unwrap().x;
    for proposal in [&connected as &dyn Proposal, &Disconnected::new(&snake)] {
        let proposed = proposal.propose(start.view(), &Streams::new(2)).unwrap();
        let change = ising.log_weight(proposed.x.view()).unwrap() - ising.log_weight(start.view()).unwrap();
        let log_acceptance = change + &proposed.log_ratio;
        assert!(log_acceptance.iter().all(|log| log.abs() < 1e-9), "{log_acceptance}");
    }
}

#[test]
fn the_snake_visits_neighbours() {
    for (rows, cols, geometry) in [(3, 4, Geometry::Cylinder), (5, 3, Geometry::Open), (3, 5, Geometry::Open)] {
        let lattice = Square::new(rows, cols, geometry).unwrap();
        let snake = lattice.snake();
        let mut sorted = snake.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..rows * cols).collect::<Vec<_>>());
        for pair in snake.windows(2) {
            assert!(lattice.neighbours(pair[0]).into_iter().flatten().any(|n| n.site == pair[1]));
        }
    }
}

#[test]
fn bad_input_is_named() {
    let build = |rows, cols, geometry, chi| SnakeMps::new(&glass(rows, cols, geometry, 0.4), chi).unwrap_err();
    let parameter = |error, expected: &str| match error {
        Error::Parameter { name, .. } => assert_eq!(name, expected),
        other => panic!("{other}"),
    };
    parameter(build(4, 4, Geometry::Cylinder, 0), "chi");
    parameter(build(4, 4, Geometry::Torus, 4), "geometry");
    for error in
        [build(4, 13, Geometry::Cylinder, 4), build(13, 14, Geometry::Open, 4), build(2, 100, Geometry::Cylinder, 4)]
    {
        assert!(matches!(error, Error::TooLarge { limit: 4096, .. }), "{error}");
    }
    assert!(matches!(build(100, 12, Geometry::Cylinder, 4096), Error::TooLarge { .. }));
    SnakeMps::new(&glass(4, 13, Geometry::Open, 0.4), 4).unwrap();
    // Two colours on an odd ring: arc consistency does not see it.
    let ring = PairModel::colourings(Square::new(2, 3, Geometry::Cylinder).unwrap(), 2).unwrap();
    assert!(matches!(SnakeMps::new(&ring, 4), Err(Error::ZeroWeight { .. })));
    let huge = Couplings::uniform(Square::new(3, 3, Geometry::Cylinder).unwrap(), 1e308).unwrap();
    assert!(matches!(SnakeMps::new(&Ising::new(huge, 1.0).unwrap(), 4), Err(Error::NotFinite { .. })));

    let line = BornMps::random(&[2, 2, 2], 2, &mut rng("bad")).unwrap();
    assert!(matches!(Permuted::new(line.clone(), vec![0, 1]), Err(Error::SiteCount { expected: 3, got: 2 })));
    parameter(Permuted::new(line.clone(), vec![0, 1, 1]).unwrap_err(), "order");
    parameter(Permuted::new(line.clone(), vec![0, 1, 3]).unwrap_err(), "order");
    let permuted = Permuted::new(line, vec![2, 0, 1]).unwrap();
    let error = permuted.log_prob(array![[0, 0, 2]].view()).unwrap_err();
    assert_eq!(error, Error::StateOutOfRange { row: 0, site: 2, state: 2, dim: 2 });
    let w = array![[1.0, 1.0], [1.0, -1.0], [1.0, 1.0]];
    let error = permuted.sample(&SiteWeights::Shared(w.view()), 1, &Streams::new(1)).unwrap_err();
    assert_eq!(error, Error::Negative { field: "site weights", site: 1, value: -1.0 });
}

/// Strong couplings and fields: probabilities far below the smallest number, one configuration with all the
/// weight.
#[test]
fn low_temperature_neither_overflows_nor_underflows() {
    let lattice = Square::new(6, 6, Geometry::Cylinder).unwrap();
    let couplings = Couplings::uniform(lattice, 1.0).unwrap();
    let cold = Ising::new(couplings.clone().with_field(vec![0.1; 36]).unwrap(), 200.0).unwrap();
    let snake = SnakeMps::new(&cold, 8).unwrap();
    let up = Array2::<u8>::ones((1, 36));
    assert_eq!(snake.log_prob(up.view()).unwrap()[0], 0.0);
    assert!((snake.log_z() - cold.log_weight(up.view()).unwrap()[0]).abs() < 1e-9);
    // Without field: up and down, half each (the next weights are e^{−8·200}).
    let snake = SnakeMps::new(&Ising::new(couplings, 200.0).unwrap(), 8).unwrap();
    let both = ndarray::concatenate![ndarray::Axis(0), up, Array2::zeros((1, 36))];
    for log in snake.log_prob(both.view()).unwrap() {
        assert!((log - 0.5f64.ln()).abs() < 1e-13);
    }
    let draws = snake.draw(64, &Streams::new(5)).unwrap();
    let same = |x: ArrayView1<'_, u8>| x.iter().all(|&a| a == x[0]);
    assert!(draws.x.outer_iter().all(same));
    assert!(draws.x.column(0).iter().any(|&a| a == 1) && draws.x.column(0).iter().any(|&a| a == 0));
}
