//! Bonds along the diagonals of the plaquettes, against sums over all configurations that are written apart.

use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, s};
use rand::RngExt;
use tensorjump::lattice::{
    BoundaryMps, ContractOptions, Contraction, Couplings, FreeFermions, Geometry, Ising, PairModel, Rectangle,
    SiteHeatBath, SnakeMps, SpinSweep, Square, SwendsenWang, Windows, Wolff,
};
use tensorjump::{Error, Model, SiteWeights, Streams, Target};

use crate::common::all_configs;

const GEOMETRIES: [Geometry; 3] = [Geometry::Open, Geometry::Cylinder, Geometry::Torus];
/// One, the other, both.
const DIAGONALS: [(bool, bool); 3] = [(true, false), (false, true), (true, true)];

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

/// The tables of a model, without the library's order of bonds: of each plaquette `(r, c)` and of each site.
struct Tables {
    rows: usize,
    cols: usize,
    wraps: [bool; 2],
    sites: Vec<Vec<f64>>,
    /// By `[direction][r][c]`: right, down, falling from `(r, c)`, rising to `(r, c + 1)` read from above.
    bonds: [Vec<Vec<Array2<f64>>>; 4],
}

impl Tables {
    /// `d(j)` states a site; entries from `entry`.
    fn random(
        lattice: Square,
        diagonals: (bool, bool),
        d: impl Fn(usize) -> usize,
        mut entry: impl FnMut() -> f64,
    ) -> Self {
        let (rows, cols) = (lattice.rows(), lattice.cols());
        let wraps = [lattice.wraps_rows(), lattice.wraps_cols()];
        let (down, right) = (lattice.vertical_rows(), lattice.horizontal_cols());
        let states = |r: usize, c: usize| d((r % rows) * cols + c % cols);
        let mut tables = |height: usize, width: usize, ends: &dyn Fn(usize, usize) -> (usize, usize)| {
            let table = |r, c, entry: &mut dyn FnMut() -> f64| Array2::from_shape_simple_fn(ends(r, c), entry);
            (0..height).map(|r| (0..width).map(|c| table(r, c, &mut entry)).collect()).collect()
        };
        let some = |there: bool| if there { down } else { 0 };
        let bonds = [
            tables(rows, right, &|r, c| (states(r, c), states(r, c + 1))),
            tables(down, cols, &|r, c| (states(r, c), states(r + 1, c))),
            tables(some(diagonals.0), right, &|r, c| (states(r, c), states(r + 1, c + 1))),
            tables(some(diagonals.1), right, &|r, c| (states(r, c + 1), states(r + 1, c))),
        ];
        let sites = (0..rows * cols).map(|j| (0..d(j)).map(|a| 0.3 * a as f64 - 0.1 * (j % 4) as f64).collect());
        Tables { rows, cols, wraps, sites: sites.collect(), bonds }
    }

    fn model(&self) -> PairModel {
        let geometry = match self.wraps {
            [false, false] => Geometry::Open,
            [false, true] => Geometry::Cylinder,
            _ => Geometry::Torus,
        };
        let lattice = square(self.rows, self.cols, geometry);
        let [right, down, falling, rising] = self.bonds.each_ref().map(|b| b.concat());
        PairModel::new(lattice, self.sites.clone(), right, down).unwrap().with_diagonals(falling, rising).unwrap()
    }

    fn log_weight(&self, x: ArrayView1<'_, u8>) -> f64 {
        let at = |r: usize, c: usize| usize::from(x[r % self.rows * self.cols + c % self.cols]);
        let mut sum: f64 = self.sites.iter().zip(x).map(|(w, &a)| w[usize::from(a)]).sum();
        for (direction, rows) in self.bonds.iter().enumerate() {
            for (r, row) in rows.iter().enumerate() {
                for (c, table) in row.iter().enumerate() {
                    let (first, second) = match direction {
                        0 => (at(r, c), at(r, c + 1)),
                        1 => (at(r, c), at(r + 1, c)),
                        2 => (at(r, c), at(r + 1, c + 1)),
                        _ => (at(r, c + 1), at(r + 1, c)),
                    };
                    sum += table[[first, second]];
                }
            }
        }
        sum
    }

    /// All configurations with `log π`, and `log Z`.
    fn law(&self) -> (Array2<u8>, Array1<f64>, f64) {
        let dims: Vec<usize> = self.sites.iter().map(Vec::len).collect();
        let x = all_configs(&dims);
        let log: Array1<f64> = x.outer_iter().map(|x| self.log_weight(x)).collect();
        let max = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let log_z = max + log.mapv(|w| (w - max).exp()).sum().ln();
        (x, log - log_z, log_z)
    }
}

/// Ising-like tables `±k`: the models with the parity of the boundary states.
fn spins(lattice: Square, diagonals: (bool, bool), field: bool, mut coupling: impl FnMut() -> f64) -> Tables {
    let mut tables = Tables::random(lattice, diagonals, |_| 2, || 0.0);
    for table in tables.bonds.iter_mut().flatten().flatten() {
        let k = coupling();
        *table = Array2::from_shape_fn((2, 2), |(a, b)| if a == b { k } else { -k });
    }
    for (j, w) in tables.sites.iter_mut().enumerate() {
        let h = if field { 0.2 * (j % 3) as f64 - 0.1 } else { 0.0 };
        *w = vec![-h, h];
    }
    tables
}

/// Models of all geometries and diagonals, small enough to enumerate.
fn cases() -> Vec<(String, Tables)> {
    let mut rng = Streams::new(3).domain("diagonals").stream(0);
    let mut cases = Vec::new();
    for (geometry, diagonals) in GEOMETRIES.into_iter().flat_map(|g| DIAGONALS.map(|d| (g, d))) {
        let name = |kind: &str| format!("{kind}, {geometry:?}, {diagonals:?}");
        for (rows, cols) in [(3, 3), (3, 4), (4, 3)] {
            let lattice = square(rows, cols, geometry);
            let size = format!("{rows} × {cols}");
            let glass = spins(lattice, diagonals, false, || 1.6 * rng.random::<f64>() - 0.8);
            cases.push((name(&format!("couplings, {size}")), glass));
            let glass = spins(lattice, diagonals, true, || if rng.random() { 0.7 } else { -0.7 });
            cases.push((name(&format!("±J in a field, {size}")), glass));
            let tables = Tables::random(lattice, diagonals, |_| 2, || 2.0 * rng.random::<f64>());
            cases.push((name(&format!("tables, {size}")), tables));
        }
        let lattice = square(3, 3, geometry);
        let entry = || if rng.random::<f64>() < 0.06 { f64::NEG_INFINITY } else { 1.5 * rng.random::<f64>() };
        cases.push((name("tables with zeros"), Tables::random(lattice, diagonals, |j| 2 + j % 2, entry)));
        let tables = Tables::random(lattice, diagonals, |_| 3, || 1.5 * rng.random::<f64>());
        cases.push((name("three states"), tables));
    }
    for (geometry, diagonals) in GEOMETRIES.into_iter().flat_map(|g| DIAGONALS.map(|d| (g, d))) {
        let uniform = spins(square(4, 4, geometry), diagonals, false, || 0.3);
        cases.push((format!("uniform 4 × 4, {geometry:?}, {diagonals:?}"), uniform));
    }
    // No plaquettes, one, a column of them.
    for (rows, cols) in [(2, 2), (1, 4), (4, 1), (5, 2), (2, 5)] {
        let tables = Tables::random(square(rows, cols, Geometry::Open), (true, true), |_| 2, || rng.random());
        cases.push((format!("tables, open, {rows} × {cols}"), tables));
    }
    cases
}

/// Log-weights, their changes and the neighbours are those of the definition.
#[test]
fn log_weights_are_those_of_the_definition() {
    let mut rng = Streams::new(4).stream(0);
    for (name, tables) in cases() {
        let model = tables.model();
        let dims = model.dims().to_vec();
        for _ in 0..20 {
            let x: Vec<u8> = dims.iter().map(|&d| rng.random_range(0..d) as u8).collect();
            let view = ArrayView1::from(&x);
            let found = model.log_weight(view.insert_axis(Axis(0))).unwrap()[0];
            let direct = tables.log_weight(view);
            assert!(found == direct || (found - direct).abs() < 1e-12, "{name}: {found}, {direct}");
            let (j, a) = (rng.random_range(0..x.len()), rng.random_range(0..2u8));
            let mut y = x.clone();
            y[j] = a;
            let change = tables.log_weight(ArrayView1::from(&y)) - direct;
            if change.is_finite() {
                assert!((model.log_ratio(&x, j, a) - change).abs() < 1e-12, "{name}");
            }
        }
        let lattice = model.lattice();
        let mut pairs: Vec<_> = lattice.bonds().map(|(bond, i, j)| (i.min(j), i.max(j), format!("{bond:?}"))).collect();
        let near = |j: usize| lattice.neighbours(j).into_iter().flatten().map(move |n| (j, n));
        let mut seen: Vec<_> = (0..dims.len())
            .flat_map(near)
            .map(|(j, n)| (j.min(n.site), j.max(n.site), format!("{:?}", n.bond)))
            .collect();
        seen.sort();
        pairs = pairs.iter().flat_map(|p| [p.clone(), p.clone()]).collect();
        pairs.sort();
        assert_eq!(pairs, seen, "{name}: neighbours");
        pairs.dedup_by(|a, b| (a.0, a.1) == (b.0, b.1));
        assert_eq!(2 * pairs.len(), seen.len(), "{name}: two bonds join the same pair");
    }
}

/// `log Z` to 1e-12; untruncated laws to single precision; every law sums to one, and its weights have mean
/// `Z`, whatever χ.
#[test]
fn laws_are_exact_and_normalised() {
    for (name, tables) in cases() {
        let model = tables.model();
        let (x, exact, log_z) = tables.law();
        let z = Contraction::new(&model, &ContractOptions::default()).unwrap();
        assert!(z.converged && (z.log_z - log_z).abs() < 1e-12 * log_z.abs().max(10.0), "{name}: {z:?}, {log_z}");
        let full = BoundaryMps::proposal(&model, 256).unwrap();
        assert!((full.log_z() - log_z).abs() < 1e-12 * log_z.abs().max(10.0), "{name}: {} {log_z}", full.log_z());
        assert!(full.truncation_error() < 1e-25, "{name}");
        let q = full.log_prob(x.view()).unwrap();
        let worst = exact.iter().zip(&q).filter(|(p, _)| **p > -13.0).map(|(p, q)| (p - q).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "{name}: log q off by {worst:e}");
        for chi in [1, 2, 3] {
            let truncated = BoundaryMps::proposal(&model, chi).unwrap();
            let log_q = truncated.log_prob(x.view()).unwrap();
            let q = log_q.mapv(f64::exp);
            assert!((q.sum() - 1.0).abs() < 1e-13, "{name}, χ = {chi}: {}", q.sum());
            let mean: f64 =
                exact.iter().zip(&log_q).filter(|(p, _)| p.is_finite()).map(|(p, q)| (q + (p - q)).exp()).sum();
            assert!((mean - 1.0).abs() < 1e-12, "{name}, χ = {chi}: mean weight {mean}");
            let support = exact.iter().zip(&q).all(|(p, &q)| *p == f64::NEG_INFINITY || q > 0.0);
            assert!(support, "{name}, χ = {chi}: an allowed configuration is never drawn");
        }
    }
}

/// The law that is compared with the contraction and weighed, and the tables of logarithms at low temperature.
#[test]
fn cold_laws_are_drawn_from_tables() {
    let mut rng = Streams::new(5).domain("cold").stream(0);
    for (geometry, diagonals) in GEOMETRIES[..2].iter().flat_map(|g| DIAGONALS.map(|d| (*g, d))) {
        let tables = spins(square(4, 4, geometry), diagonals, true, || if rng.random() { 30.0 } else { -30.0 });
        let (x, exact, log_z) = tables.law();
        let q = BoundaryMps::new(&tables.model(), 64).unwrap();
        assert!((q.log_z() - log_z).abs() < 1e-12 * log_z, "{geometry:?}, {diagonals:?}: {} {log_z}", q.log_z());
        let log_q = q.log_prob(x.view()).unwrap();
        let worst = exact.iter().zip(&log_q).filter(|(p, _)| **p > -20.0).map(|(p, q)| (p - q).abs());
        assert!(worst.fold(0.0, f64::max) < 1e-6, "{geometry:?}, {diagonals:?}");
        assert!((log_q.mapv(f64::exp).sum() - 1.0).abs() < 1e-12);
    }
    let mut rng = Streams::new(6).domain("cold").stream(0);
    let entry = || if rng.random::<f64>() < 0.1 { f64::NEG_INFINITY } else { 60.0 * rng.random::<f64>() };
    let tables = Tables::random(square(3, 4, Geometry::Cylinder), (true, true), |j| 2 + j % 2, entry);
    let (x, exact, log_z) = tables.law();
    let q = BoundaryMps::new(&tables.model(), 64).unwrap();
    assert!((q.log_z() - log_z).abs() < 1e-12 * log_z);
    let log_q = q.log_prob(x.view()).unwrap();
    assert!(exact.iter().zip(&log_q).all(|(p, q)| *p < -20.0 || (p - q).abs() < 1e-6));
}

/// Scores are the draws' log-probabilities, whatever the batch.
#[test]
fn draws_are_scored_by_their_law() {
    for (name, tables) in cases() {
        let q = BoundaryMps::proposal(&tables.model(), 3).unwrap();
        let all = q.draw(101, &Streams::new(8)).unwrap();
        assert_eq!(q.log_prob(all.x.view()).unwrap(), all.log_prob, "{name}");
        let part = q.draw(40, &Streams::new(8).rows_from(50)).unwrap();
        assert_eq!(part.x, all.x.slice(s![50..90, ..]), "{name}");
    }
}

/// Laws in fields of noise.
#[test]
fn tilted_laws() {
    let mut rng = Streams::new(9).stream(0);
    for (name, tables) in cases().into_iter().step_by(3) {
        let model = tables.model();
        let (x, exact, _) = tables.law();
        let d = *model.dims().iter().max().unwrap();
        let w = Array3::from_shape_fn((2, model.dims().len(), d), |_| 0.1 + rng.random::<f64>());
        let q = BoundaryMps::proposal(&model, 64).unwrap();
        for row in 0..2 {
            let field = |x: ArrayView1<'_, u8>| -> f64 {
                x.iter().enumerate().map(|(j, &a)| w[[row, j, usize::from(a)]].ln()).sum()
            };
            let tilted: Array1<f64> = exact.iter().zip(x.outer_iter()).map(|(p, x)| p + field(x)).collect();
            let z = tilted.mapv(f64::exp).sum().ln();
            let found = q.log_prob_given(x.view(), &SiteWeights::Shared(w.index_axis(Axis(0), row))).unwrap();
            let close = tilted.iter().zip(&found).all(|(p, q)| *p < -12.0 || (p - z - q).abs() < 1e-4);
            assert!(close, "{name}, row {row}");
        }
    }
}

/// The model in a rectangle weighs what the lattice does, up to a constant.
#[test]
fn windows_of_the_lattice() {
    let mut rng = Streams::new(10).stream(0);
    for (name, tables) in cases() {
        let model = tables.model();
        let (rows, cols) = (tables.rows, tables.cols);
        let x: Vec<u8> = model.initial(&mut rng).unwrap().to_vec();
        for (row, col, height, width) in [(0, 0, 2, 2), (1, 1, 2, 2), (0, 0, 1, cols), (1, 0, 2, cols), (0, 1, 1, 1)] {
            let rectangle = Rectangle { row, col, rows: height, cols: width };
            let Ok(sites) = rectangle.sites(model.lattice()) else {
                assert!(row + height > rows || col + width > cols, "{name}");
                continue;
            };
            let window = model.window(rectangle, &x).unwrap();
            let inner = all_configs(window.dims());
            let found = window.log_weight(inner.view()).unwrap();
            let mut y = x.clone();
            let direct: Array1<f64> = inner
                .outer_iter()
                .map(|inner| {
                    sites.iter().zip(inner).for_each(|(&j, &a)| y[j] = a);
                    tables.log_weight(ArrayView1::from(&y))
                })
                .collect();
            let own: Vec<u8> = sites.iter().map(|&j| x[j]).collect();
            let k = inner.outer_iter().position(|i| i.to_vec() == own).unwrap();
            let constant = direct[k] - found[k];
            for (a, b) in direct.iter().zip(&found) {
                assert!(*a == *b || (a - b - constant).abs() < 1e-11, "{name}, {rectangle:?}: {a} {b} {constant}");
            }
        }
    }
}

/// Couplings and the Ising model: energies, local fields, tables and files.
#[test]
fn ising_models_and_their_files() {
    let mut rng = Streams::new(11).stream(0);
    for (geometry, diagonals) in GEOMETRIES.into_iter().flat_map(|g| DIAGONALS.map(|d| (g, d))) {
        let lattice = square(4, 5, geometry).with_diagonals(diagonals.0, diagonals.1);
        let field: Vec<f64> = (0..20).map(|j| 0.1 * f64::from(j)).collect();
        let couplings = Couplings::gaussian(lattice, 5).with_field(field).unwrap();
        let ising = Ising::new(couplings.clone(), 0.7).unwrap();
        let pairs = ising.pair_model().unwrap();
        assert_eq!(pairs.lattice(), lattice);
        let x = Array2::from_shape_simple_fn((50, 20), || rng.random_range(0..2u8));
        let (a, b) = (ising.log_weight(x.view()).unwrap(), pairs.log_weight(x.view()).unwrap());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12), "{geometry:?}, {diagonals:?}");
        let row = x.row(0).to_vec();
        for j in 0..20 {
            let (a, b) = (ising.log_ratio(&row, j, 1), pairs.log_ratio(&row, j, 1));
            assert!((a - b).abs() < 1e-12, "{geometry:?}, {diagonals:?}, site {j}");
        }
        let window = Rectangle { row: 1, col: 1, rows: 2, cols: 3 };
        let (a, b) = (ising.window(window, &row).unwrap().pair_model().unwrap(), pairs.window(window, &row).unwrap());
        let inner = all_configs(&[2; 6]);
        let difference = a.log_weight(inner.view()).unwrap() - b.log_weight(inner.view()).unwrap();
        assert!(difference.iter().all(|d| (d - difference[0]).abs() < 1e-12), "{geometry:?}, {diagonals:?}");
        let text = serde_json::to_string(&couplings).unwrap();
        assert_eq!(text.contains("\"diagonal\""), diagonals.0);
        assert_eq!(serde_json::from_str::<Couplings>(&text).unwrap(), couplings);
    }
    let plain = serde_json::to_string(&Couplings::uniform(square(3, 3, Geometry::Open), 1.0).unwrap()).unwrap();
    assert!(!plain.contains("diagonal"));
    let short = r#"{"rows": 2, "cols": 3, "horizontal": [[1, 1], [1, 1]], "vertical": [[1, 1, 1]], "diagonal": [[1]]}"#;
    let error = serde_json::from_str::<Couplings>(short).unwrap_err().to_string();
    assert!(error.contains("diagonal[0] has 1 entries, expected 2"), "{error}");
}

/// What does not know diagonals says so; mistakes are named.
#[test]
fn refusals_and_mistakes() {
    let lattice = square(4, 4, Geometry::Open).with_diagonals(true, false);
    let ising = Ising::new(Couplings::uniform(lattice, 1.0).unwrap(), 0.3).unwrap();
    let name = |e: Option<Error>| matches!(e, Some(Error::Parameter { name: "diagonal bonds", .. }));
    assert!(name(FreeFermions::new(&ising).err()) && name(FreeFermions::log_z_of(&ising).err()));
    assert!(name(SnakeMps::new(&ising, 4).err()) && name(Wolff::new(&ising).err()));
    assert!(name(SpinSweep::metropolis(&ising).err()) && name(SpinSweep::heat_bath(&ising).err()));
    assert!(SwendsenWang::new(&ising).is_ok() && SiteHeatBath::new(&ising).is_ok());
    assert!(Windows::new(&ising, 3, 3, 4).is_ok());
    let antiferro =
        Ising::new(Couplings::uniform(lattice, 1.0).unwrap().with_diagonals(vec![-1.0; 9], vec![]).unwrap(), 1.0);
    let error = SwendsenWang::new(&antiferro.unwrap()).unwrap_err().to_string();
    assert!(error.contains("diagonal[0][0]"), "{error}");

    assert!(matches!(Square::new(2, 4, Geometry::Torus), Err(Error::Parameter { name: "rows", .. })));
    let table = || Array2::zeros((2, 2));
    let plain = || PairModel::uniform(square(3, 3, Geometry::Open), &[0.0, 0.0], &table()).unwrap();
    assert!(matches!(
        PairModel::new(lattice, vec![vec![0.0; 2]; 16], vec![table(); 12], vec![table(); 12]),
        Err(Error::Entries { place, expected: 9, got: 0 }) if place == "diagonals"
    ));
    assert!(matches!(
        plain().with_diagonals(vec![table(); 3], vec![]),
        Err(Error::Entries { place, expected: 4, got: 3 }) if place == "diagonal"
    ));
    let wrong = plain().with_diagonals(vec![], vec![Array2::zeros((2, 3)); 4]);
    assert!(matches!(wrong, Err(Error::Shape { field: "antidiagonal table", .. })));
    let mut nan = vec![table(); 4];
    nan[3][[1, 0]] = f64::NAN;
    let wrong = plain().with_diagonals(nan.clone(), vec![]);
    assert!(matches!(wrong, Err(Error::Entry { place, .. }) if place == "diagonal[1][1][1][0]"));
    // Two colours on triangles.
    let two = PairModel::colourings(lattice, 2).unwrap();
    assert_eq!(BoundaryMps::new(&two, 8).err(), Some(Error::ZeroWeight { what: "the lattice model" }));
    assert!(plain().with_diagonals(vec![], vec![]).unwrap() == plain());
    let all_forbidden = vec![Array2::from_elem((2, 2), f64::NEG_INFINITY); 4];
    assert!(matches!(plain().with_diagonals(all_forbidden, vec![]), Err(Error::NoConfiguration { .. })));
    assert!(matches!(
        Couplings::uniform(lattice, 1.0).unwrap().with_diagonals(vec![f64::INFINITY; 9], vec![]),
        Err(Error::Entry { place, .. }) if place == "diagonal[0][0]"
    ));
}
