//! Square lattices against sums written out here, and the exact reference values.

use ndarray::{Array2, ArrayView1, array};
use rand::RngExt;
use serde_json::Value;
use tensorjump::lattice::{Bond, Couplings, Geometry, Ising, PairModel, Rectangle, Square, Wolff};
use tensorjump::{Error, Stream, Streams, Target};

use crate::common::all_configs;

const GEOMETRIES: [Geometry; 3] = [Geometry::Open, Geometry::Cylinder, Geometry::Torus];

fn rng(name: &str) -> Stream {
    Streams::new(5).domain(name).stream(0)
}

/// Gaussian couplings and fields.
fn glass(rows: usize, cols: usize, geometry: Geometry) -> Couplings {
    let lattice = Square::new(rows, cols, geometry).unwrap();
    let field = Couplings::gaussian(Square::new(rows, cols + 1, Geometry::Open).unwrap(), 8);
    Couplings::gaussian(lattice, 7).with_field(field.horizontal().to_vec()).unwrap()
}

/// `Σ f(bond, i, j)` over bonds, with loops of its own.
fn bond_sum(l: Square, mut f: impl FnMut(Bond, usize, usize) -> f64) -> f64 {
    let (m, n) = (l.rows(), l.cols());
    let (across, down) = match l.geometry() {
        Geometry::Open => (n - 1, m - 1),
        Geometry::Cylinder => (n, m - 1),
        Geometry::Torus => (n, m),
    };
    let mut sum = 0.0;
    for r in 0..m {
        for c in 0..across {
            sum += f(Bond::Horizontal(r * across + c), r * n + c, r * n + (c + 1) % n);
        }
    }
    for r in 0..down {
        for c in 0..n {
            sum += f(Bond::Vertical(r * n + c), r * n + c, (r + 1) % m * n + c);
        }
    }
    sum
}

fn spin(a: u8) -> f64 {
    if a == 1 { 1.0 } else { -1.0 }
}

/// `ΣJss` and `Σhs`, the long way.
fn ising_sums(c: &Couplings, x: ArrayView1<'_, u8>) -> (f64, f64) {
    let bonds = bond_sum(c.lattice(), |bond, i, j| {
        let coupling = match bond {
            Bond::Horizontal(i) => c.horizontal()[i],
            Bond::Vertical(i) => c.vertical()[i],
            Bond::Diagonal(i) => c.diagonal()[i],
            Bond::AntiDiagonal(i) => c.antidiagonal()[i],
        };
        coupling * spin(x[i]) * spin(x[j])
    });
    (bonds, c.field().iter().zip(x).map(|(h, &a)| h * spin(a)).sum())
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!(a == b || (a - b).abs() < tolerance, "{a} is not {b}");
}

fn sizes(geometry: Geometry) -> &'static [(usize, usize)] {
    match geometry {
        Geometry::Torus => &[(3, 3), (3, 4), (4, 3)],
        _ => &[(3, 3), (2, 4), (4, 3), (1, 5)],
    }
}

#[test]
fn ising_weights_energies_and_flips() {
    for geometry in GEOMETRIES {
        for &(rows, cols) in sizes(geometry) {
            let couplings = glass(rows, cols, geometry);
            let ising = Ising::new(couplings.clone(), 0.7).unwrap();
            let pairs = ising.pair_model().unwrap();
            let x = all_configs(ising.dims());
            let (weight, table) = (ising.log_weight(x.view()).unwrap(), pairs.log_weight(x.view()).unwrap());
            let (energy, in_field) = (ising.energy(x.view()).unwrap(), ising.field_energy(x.view()).unwrap());
            let (m, corr) = (ising.magnetisation(x.view()).unwrap(), ising.mid_row_correlations(x.view()).unwrap());
            for (k, row) in x.outer_iter().enumerate() {
                let (bonds, field) = ising_sums(&couplings, row);
                close(weight[k], 0.7 * (bonds + field), 1e-12);
                close(table[k], weight[k], 1e-12);
                close(energy[k], -bonds, 1e-12);
                close(in_field[k], -field, 1e-12);
                close(m[k], row.iter().map(|&a| spin(a)).sum::<f64>() / row.len() as f64, 1e-15);
                for d in 0..cols {
                    let first = rows / 2 * cols;
                    assert_eq!(corr[[k, d]], spin(row[first]) * spin(row[first + d]));
                }
                if k % 7 == 0 {
                    let states = row.to_vec();
                    for j in 0..row.len() {
                        let mut new = row.to_owned();
                        new[j] = 1 - new[j];
                        let (bonds, field) = ising_sums(&couplings, new.view());
                        let change = 0.7 * (bonds + field) - weight[k];
                        close(ising.log_ratio(&states, j, new[j]), change, 1e-12);
                        close(pairs.log_ratio(&states, j, new[j]), change, 1e-12);
                        assert_eq!(ising.log_ratio(&states, j, states[j]), 0.0);
                    }
                }
            }
        }
    }
}

/// Random tables with zeros, numbers of states that differ from site to site.
fn random_pairs(rows: usize, cols: usize, geometry: Geometry) -> PairModel {
    let mut rng = rng("tables");
    let l = Square::new(rows, cols, geometry).unwrap();
    let d = |j: usize| 2 + j % 2;
    let mut weight = move || if rng.random::<f64>() < 0.1 { f64::NEG_INFINITY } else { rng.random::<f64>() };
    let sites = (0..l.sites()).map(|j| (0..d(j)).map(|a| a as f64 * 0.3 - j as f64 * 0.1).collect()).collect();
    let mut table = |(i, j): (usize, usize)| Array2::from_shape_fn((d(i), d(j)), |_| weight());
    let horizontal = (0..l.horizontal_bonds()).map(|i| table(l.horizontal_sites(i))).collect();
    let vertical = (0..l.vertical_bonds()).map(|i| table(l.vertical_sites(i))).collect();
    PairModel::new(l, sites, horizontal, vertical).unwrap()
}

#[test]
fn pair_weights_against_loops() {
    for geometry in GEOMETRIES {
        let model = random_pairs(3, 3, geometry);
        let x = all_configs(model.dims());
        let weight = model.log_weight(x.view()).unwrap();
        assert!(weight.iter().any(|w| w.is_finite()) && weight.iter().any(|w| !w.is_finite()));
        for (k, row) in x.outer_iter().enumerate().step_by(3) {
            let state = |j: usize| usize::from(row[j]);
            let sites: f64 = (0..row.len()).map(|j| state(j) as f64 * 0.3 - j as f64 * 0.1).sum();
            let bonds = bond_sum(model.lattice(), |b, i, j| model.bond_log_weights(b)[[state(i), state(j)]]);
            close(weight[k], sites + bonds, 1e-12);
        }
        let start = model.initial(&mut rng("start")).unwrap();
        assert!(model.log_weight(start.view().insert_axis(ndarray::Axis(0))).unwrap()[0].is_finite());
    }
}

#[test]
fn potts_clock_hard_squares_and_colourings() {
    let couplings = glass(2, 3, Geometry::Cylinder);
    let (beta, q) = (0.6, 4);
    let potts = PairModel::potts(&couplings, q, beta).unwrap();
    let clock = PairModel::clock(&couplings, q, beta).unwrap();
    let x = all_configs(potts.dims());
    let (p, c) = (potts.log_weight(x.view()).unwrap(), clock.log_weight(x.view()).unwrap());
    for (k, row) in x.outer_iter().enumerate() {
        let angle = |j: usize| std::f64::consts::FRAC_PI_2 * f64::from(row[j]);
        let coupling = |b| match b {
            Bond::Horizontal(i) => couplings.horizontal()[i],
            Bond::Vertical(i) => couplings.vertical()[i],
            Bond::Diagonal(i) => couplings.diagonal()[i],
            Bond::AntiDiagonal(i) => couplings.antidiagonal()[i],
        };
        let equal = bond_sum(couplings.lattice(), |b, i, j| if row[i] == row[j] { coupling(b) } else { 0.0 });
        let zeros: f64 = (0..6).filter(|&j| row[j] == 0).map(|j| couplings.field()[j]).sum();
        close(p[k], beta * (equal + zeros), 1e-12);
        let cosines = bond_sum(couplings.lattice(), |b, i, j| coupling(b) * (angle(i) - angle(j)).cos());
        let field: f64 = (0..6).map(|j| couplings.field()[j] * angle(j).cos()).sum();
        close(c[k], beta * (cosines + field), 1e-12);
    }
    // Independent sets of the 2 x 2 and 3 x 3 grids: 7 and 63; 3-colourings of the 3 x 3 grid: 246, of the 3
    // x 3 torus: 12.
    let count = |model: PairModel| {
        let weights = model.log_weight(all_configs(model.dims()).view()).unwrap();
        weights.iter().filter(|w| w.is_finite()).count()
    };
    let square = |n, geometry| Square::new(n, n, geometry).unwrap();
    assert_eq!(count(PairModel::hard_squares(square(2, Geometry::Open), 1.0).unwrap()), 7);
    assert_eq!(count(PairModel::hard_squares(square(3, Geometry::Open), 1.0).unwrap()), 63);
    assert_eq!(count(PairModel::colourings(square(3, Geometry::Open), 3).unwrap()), 246);
    assert_eq!(count(PairModel::colourings(square(3, Geometry::Torus), 3).unwrap()), 12);
}

fn cases(name: &str) -> Vec<Value> {
    let path = format!("{}/tests/reference/{name}", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["cases"].as_array().unwrap().iter().filter(|c| c["L"] == 4).cloned().collect()
}

fn number(v: &Value) -> f64 {
    v.as_f64().unwrap_or_else(|| v.as_str().unwrap().parse().unwrap())
}

fn lattice_of(case: &Value) -> Square {
    let geometry = match case["kind"].as_str().unwrap() {
        "open" => Geometry::Open,
        "cyl" => Geometry::Cylinder,
        _ => Geometry::Torus,
    };
    Square::new(4, 4, geometry).unwrap()
}

/// log Z, mean energy and mean m² by enumeration.
fn enumerate(ising: &Ising) -> (f64, f64, f64) {
    let x = all_configs(ising.dims());
    let w = ising.log_weight(x.view()).unwrap();
    let top = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let p = w.mapv(|w| (w - top).exp());
    let (z, m) = (p.sum(), ising.magnetisation(x.view()).unwrap());
    (top + z.ln(), (&p * &ising.energy(x.view()).unwrap()).sum() / z, (&p * &m * &m).sum() / z)
}

#[test]
fn reference_log_z() {
    let mut seen = 0;
    for case in cases("ising.json") {
        let ising = Ising::new(Couplings::uniform(lattice_of(&case), 1.0).unwrap(), number(&case["beta"])).unwrap();
        let (log_z, energy, m2) = enumerate(&ising);
        close(log_z, number(&case["logZ"]), 1e-9);
        close(energy / 16.0, number(&case["energy_per_site"]), 1e-9);
        if !case["m2"].is_null() {
            close(m2, number(&case["m2"]), 1e-9);
        }
        seen += 1;
    }
    for case in cases("spinglass.json") {
        let signs = |name: &str, keep_zeros: bool| -> Vec<f64> {
            let sign = |c| {
                if c == '+' {
                    1.0
                } else if c == '-' {
                    -1.0
                } else {
                    0.0
                }
            };
            case[name].as_str().unwrap().chars().map(sign).filter(|&j| keep_zeros || j != 0.0).collect()
        };
        let couplings =
            Couplings::new(lattice_of(&case), signs("Jr", false), signs("Jc", false), vec![0.0; 16]).unwrap();
        let (log_z, energy, _) = enumerate(&Ising::new(couplings, number(&case["beta"])).unwrap());
        close(log_z, number(&case["logZ"]), 1e-9);
        close(energy, -number(&case["bondsum"]), 1e-6);
        seen += 1;
    }
    assert_eq!(seen, 15 + 12);
}

#[test]
fn windows_give_the_differences_of_the_full_lattice() {
    let rectangles = [
        (1, 1, 2, 2),
        (0, 0, 1, 3),
        (2, 0, 1, 4),
        (0, 2, 3, 2),
        (0, 0, 4, 2),
        (1, 3, 2, 3),
        (2, 1, 2, 4),
        (0, 1, 4, 4),
        (3, 0, 2, 2),
    ];
    for geometry in GEOMETRIES {
        let mut laid = 0;
        for (row, col, rows, cols) in rectangles {
            let rectangle = Rectangle { row, col, rows, cols };
            let ising = Ising::new(glass(4, 4, geometry), 0.8).unwrap();
            let mut rng = rng("frozen");
            let x: Vec<u8> = (0..16).map(|_| rng.random_range(0..2)).collect();
            let Ok(window) = ising.window(rectangle, &x) else { continue };
            laid += 1;
            let pairs = ising.pair_model().unwrap().window(rectangle, &x).unwrap();
            assert_eq!(window.lattice(), pairs.lattice());
            let sites = rectangle.sites(ising.lattice()).unwrap();
            let inner = all_configs(window.dims());
            let full = Array2::from_shape_fn((inner.nrows(), 16), |(k, j)| {
                sites.iter().position(|&s| s == j).map_or(x[j], |i| inner[[k, i]])
            });
            let full = ising.log_weight(full.view()).unwrap();
            for part in [window.log_weight(inner.view()).unwrap(), pairs.log_weight(inner.view()).unwrap()] {
                part.iter().zip(&full).for_each(|(w, f)| close(w - part[0], f - full[0], 1e-12));
            }
        }
        // Refused: across the edges of an open lattice, the free edge of a cylinder, all rows but few columns
        // of a torus.
        let expected = match geometry {
            Geometry::Open => 5,
            Geometry::Cylinder => 8,
            Geometry::Torus => 8,
        };
        assert_eq!(laid, expected, "{geometry:?}");
    }
    let hard = PairModel::hard_squares(Square::new(3, 3, Geometry::Open).unwrap(), 2.0).unwrap();
    let centre = Rectangle { row: 1, col: 1, rows: 1, cols: 1 };
    let window = hard.window(centre, &[0, 1, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    assert_eq!(window.log_weight(array![[0], [1]].view()).unwrap()[1], f64::NEG_INFINITY);
    let colours = PairModel::colourings(hard.lattice(), 2).unwrap();
    let blocked = colours.window(centre, &[0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(blocked.unwrap_err(), Error::NoConfiguration { row: 0, col: 0 });
}

#[test]
fn mistakes_are_named() {
    let message = |text: &str| serde_json::from_str::<Couplings>(text).unwrap_err().to_string();
    let said = |text: &str, what: &str| assert!(message(text).contains(what), "{}", message(text));
    said(r#"{"rows":2,"cols":3,"horizontal":[[1,1],[1]],"vertical":[[1,1,1]]}"#, "horizontal[1] has 1");
    said(r#"{"rows":2,"cols":3,"horizontal":[[1,1]],"vertical":[[1,1,1]]}"#, "horizontal has 1 entries, expected 2");
    said(r#"{"rows":2,"cols":3,"horizontal":[[1,1],[1,2]],"vertical":[[1,1]]}"#, "vertical[0] has 2");
    said(r#"{"rows":2,"cols":3,"horizontal":[[1,1],[1,2]],"vertical":[[1,1,2]],"field":[[1,2,3]]}"#, "field has 1");
    said(r#"{"rows":2,"cols":2,"horizontal":[[1,1],[1,2]],"vertical":[[1,1]]}"#, "at least three");
    said(r#"{"rows":2,"cols":2,"horizontal":[[1],[1]],"vertical":[[1,null]]}"#, "null");
    said(r#"{"rows":1,"cols":1,"horizontal":[[]],"vertical":[],"extra":1}"#, "extra");
    for geometry in GEOMETRIES {
        let lattice = Square::new(3, 4, geometry).unwrap();
        let field = (0..12).map(|j| 0.25 * f64::from(j)).collect(); // numbers that decimals hold exactly
        let couplings = Couplings::plus_minus(lattice, 4).with_field(field).unwrap();
        let text = serde_json::to_string(&couplings).unwrap();
        assert_eq!(serde_json::from_str::<Couplings>(&text).unwrap(), couplings);
    }

    for (rows, cols, geometry) in [
        (0, 3, Geometry::Open),
        (3, 2, Geometry::Cylinder),
        (2, 3, Geometry::Torus),
        (1 << 20, 1 << 20, Geometry::Open),
    ] {
        assert!(matches!(Square::new(rows, cols, geometry), Err(Error::Parameter { .. })));
    }
    let l = Square::new(4, 4, Geometry::Open).unwrap();
    let place = |e: Error| match e {
        Error::Entry { place, .. } => place,
        other => panic!("{other}"),
    };
    let mut horizontal = vec![1.0; 12];
    horizontal[3 * 3 + 2] = f64::NAN;
    let error = Couplings::new(l, horizontal, vec![1.0; 12], vec![0.0; 16]).unwrap_err();
    assert_eq!(place(error), "horizontal[3][2]");
    let mut field = vec![0.0; 16];
    field[6] = f64::INFINITY;
    assert_eq!(place(Couplings::uniform(l, 1.0).unwrap().with_field(field.clone()).unwrap_err()), "field[1][2]");
    assert_eq!(place(Ising::new(Couplings::uniform(l, 1e300).unwrap(), 1e300).unwrap_err()), "horizontal[0][0]");
    assert!(Ising::new(Couplings::uniform(l, 1.0).unwrap(), f64::NAN).is_err());
    assert!(matches!(PairModel::colourings(l, 1), Err(Error::NoConfiguration { row: 0, col: 0 })));
    assert!(PairModel::colourings(l, 0).is_err() && PairModel::colourings(l, 257).is_err());
    assert!(PairModel::hard_squares(l, -1.0).is_err());
    assert_eq!(place(PairModel::uniform(l, &[0.0, f64::NAN], &Array2::zeros((2, 2))).unwrap_err()), "sites[0][0][1]");
    assert!(matches!(PairModel::uniform(l, &[0.0], &Array2::zeros((2, 2))), Err(Error::Shape { .. })));

    field[6] = 0.5;
    let in_field = Couplings::uniform(l, 1.0).unwrap().with_field(field).unwrap();
    assert_eq!(place(Wolff::new(&Ising::new(in_field, 1.0).unwrap()).unwrap_err()), "field[1][2]");
    let antiferromagnet = Ising::new(Couplings::uniform(l, -1.0).unwrap(), 1.0).unwrap();
    assert_eq!(place(Wolff::new(&antiferromagnet).unwrap_err()), "horizontal[0][0]");
}
