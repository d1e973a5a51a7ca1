//! Trains against dense enumeration written here with plain loops: no contraction of the library is its own
//! reference.

use ndarray::{Array1, Array2, Array3, Array4};
use rand::RngExt;
use tensorjump::tn::{Canonical, LocalTerm, Mpo, Mps, Truncation};
use tensorjump::{Error, Stream, Streams, linalg};

use super::common::all_configs;
use super::common::random::random_cases;

mod builder;
mod decompositions;

const DIMS: [usize; 5] = [2, 3, 4, 2, 3];

fn stream(row: usize) -> Stream {
    Streams::new(20_240_711).domain("tests of tn").stream(row)
}

/// Random cases of a property.
const CASES: usize = 60;

fn real(stream: &mut Stream) -> f64 {
    2.0 * stream.random::<f64>() - 1.0
}

fn matrix(rows: usize, cols: usize, stream: &mut Stream) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, cols), || real(stream))
}

fn random_mpo(dims_in: &[usize], dims_out: &[usize], bond: usize, stream: &mut Stream) -> Mpo {
    let n = dims_in.len();
    let size = |j: usize| if j == 0 || j == n { 1 } else { bond };
    let tensor = |j: usize| {
        Array4::from_shape_simple_fn((size(j), dims_in[j], dims_out[j], size(j + 1)), || {
            2.0 * stream.random::<f64>() - 1.0
        })
    };
    Mpo::new((0..n).map(tensor).collect(), 0.3).unwrap()
}

/// `v(x)` of every configuration, by loops.
fn entries(tensors: &[Array3<f64>], log_scale: f64) -> Array1<f64> {
    let dims: Vec<usize> = tensors.iter().map(|a| a.dim().1).collect();
    let entry = |x: ndarray::ArrayView1<'_, u8>| {
        let mut v = vec![1.0];
        for (a, &s) in tensors.iter().zip(x) {
            v = (0..a.dim().2).map(|r| (0..v.len()).map(|l| v[l] * a[[l, usize::from(s), r]]).sum()).collect();
        }
        v[0] * log_scale.exp()
    };
    all_configs(&dims).outer_iter().map(entry).collect()
}

fn dense(v: &Mps) -> Array1<f64> {
    entries(v.tensors(), v.log_scale())
}

/// `K(x, y)` of every pair, by loops.
fn dense_operator(k: &Mpo) -> Array2<f64> {
    let (xs, ys) = (all_configs(k.dims_in()), all_configs(k.dims_out()));
    Array2::from_shape_fn((xs.nrows(), ys.nrows()), |(i, j)| {
        let mut v = vec![1.0];
        for (w, (&a, &b)) in k.tensors().iter().zip(xs.row(i).iter().zip(ys.row(j))) {
            let at = |l, r| w[[l, usize::from(a), usize::from(b), r]];
            v = (0..w.dim().3).map(|r| (0..v.len()).map(|l| v[l] * at(l, r)).sum()).collect();
        }
        v[0] * k.log_scale().exp()
    })
}

fn norm<'a>(v: impl IntoIterator<Item = &'a f64>) -> f64 {
    v.into_iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Relative distance of two arrays given entry by entry.
fn distance<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>) -> f64 {
    let (a, b): (Vec<f64>, Vec<f64>) = (a.into_iter().copied().collect(), b.into_iter().copied().collect());
    assert_eq!(a.len(), b.len());
    norm(&a.iter().zip(&b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(&b)
}

fn product(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    Array2::from_shape_fn((a.nrows(), b.ncols()), |(i, j)| (0..a.ncols()).map(|k| a[[i, k]] * b[[k, j]]).sum())
}

#[test]
fn evaluation_and_dense_vectors() {
    let v = Mps::random_real(&DIMS, 5, &mut stream(0)).unwrap().scale(-3.7).unwrap();
    let expected = dense(&v);
    assert_eq!(v.bonds(), [2, 5, 5, 3]);
    assert!(distance(&v.to_dense().unwrap(), &expected) < 1e-14);
    let x = all_configs(&DIMS);
    let values = v.evaluate(x.view()).unwrap();
    assert!(distance(&values.values(), &expected) < 1e-13);
    // A value does not depend on the batch.
    let alone = v.evaluate(x.slice(ndarray::s![17..18, ..])).unwrap();
    assert_eq!(alone.log_abs[0].to_bits(), values.log_abs[17].to_bits());
    assert!(Mps::random_positive(&DIMS, 4, &mut stream(1)).unwrap().to_dense().unwrap().iter().all(|&v| v > 0.0));
}

#[test]
fn inner_products_sums_and_multiples() {
    let (a, b) =
        (Mps::random_real(&DIMS, 4, &mut stream(2)).unwrap(), Mps::random_real(&DIMS, 3, &mut stream(3)).unwrap());
    let b = b.scale(-0.02).unwrap();
    let (va, vb) = (dense(&a), dense(&b));
    let inner: f64 = va.iter().zip(&vb).map(|(a, b)| a * b).sum();
    assert!((a.inner(&b).unwrap().value() - inner).abs() < 1e-13 * norm(&va) * norm(&vb));
    assert!((a.sum().value() - va.sum()).abs() < 1e-12 * va.mapv(f64::abs).sum());
    assert!((a.log_norm().unwrap() - norm(&va).ln()).abs() < 1e-13);
    for (sum, expected) in [(a.add(&b), &va + &vb), (b.add(&a), &va + &vb), (a.add(&a), 2.0 * &va)] {
        assert!(distance(&dense(&sum.unwrap()), &expected) < 1e-14);
    }
    let zero = a.add(&a.scale(-1.0).unwrap()).unwrap();
    assert_eq!(zero.sum().log_abs, f64::NEG_INFINITY);
    let none = a.scale(0.0).unwrap();
    for value in [none.sum(), none.inner(&b).unwrap()] {
        assert_eq!((value.log_abs, value.sign), (f64::NEG_INFINITY, 0.0));
    }
    assert_eq!(none.log_norm().unwrap(), f64::NEG_INFINITY);
    assert_eq!(none.compress(&Truncation::default()).unwrap().0.to_dense().unwrap(), Array1::<f64>::zeros(144));
    let values = none.evaluate(all_configs(&DIMS).view()).unwrap();
    assert!(values.log_abs.iter().all(|&v| v == f64::NEG_INFINITY) && values.sign.iter().all(|&v| v == 0.0));
}

/// The vectors have one size, but one carries it in the tensors and the other in the scale, `e^{±4000}`.
#[test]
fn sums_of_very_different_scales() {
    let dims = [2; 40];
    let entry = |s: f64| Mps::product(&vec![vec![0.25 * s, 0.75 * s]; 40]).unwrap();
    let (a, b) = (entry(1e-40), entry(1.0));
    let a = Mps::new(a.tensors().to_vec(), 40.0 * 40.0 * 10f64.ln()).unwrap();
    let x = Array2::from_shape_fn((3, 40), |(i, j)| u8::from((i + j) % 3 == 0));
    for sum in [a.add(&b).unwrap(), b.add(&a).unwrap()] {
        let (double, single) = (sum.evaluate(x.view()).unwrap(), b.evaluate(x.view()).unwrap());
        let error = &double.log_abs - &single.log_abs - 2f64.ln();
        assert!(error.iter().all(|e| e.abs() < 1e-11), "{error}"); // log_scale 3684 is known to 4.5e-13 only
    }
    assert_eq!(a.dims(), dims);
}

fn assert_isometries(c: &Canonical) {
    for (j, a) in c.tensors().iter().enumerate() {
        let (l, d, r) = a.dim();
        let gram = if j < c.centre() {
            let at = |s, t| (0..l * d).map(|i| a[[i / d, i % d, s]] * a[[i / d, i % d, t]]).sum::<f64>();
            Array2::from_shape_fn((r, r), |(s, t)| at(s, t))
        } else if j > c.centre() {
            let at = |s, t| (0..d * r).map(|i| a[[s, i / r, i % r]] * a[[t, i / r, i % r]]).sum::<f64>();
            Array2::from_shape_fn((l, l), |(s, t)| at(s, t))
        } else {
            assert!((norm(a) - 1.0).abs() < 1e-14);
            continue;
        };
        let deviation = &gram - &Array2::<f64>::eye(gram.nrows());
        assert!(deviation.iter().all(|v| v.abs() < 1e-13), "site {j}: {deviation}");
    }
}

#[test]
fn canonical_forms_are_isometric_and_keep_the_vector() {
    let v = Mps::random_real(&DIMS, 7, &mut stream(4)).unwrap().scale(-5.0).unwrap();
    let expected = dense(&v);
    for centre in 0..DIMS.len() {
        let c = v.canonical(centre).unwrap();
        assert_isometries(&c);
        assert!(distance(&entries(c.tensors(), c.log_norm()), &expected) < 1e-13);
        let moved = c.move_to((centre + 3) % DIMS.len()).unwrap();
        assert_isometries(&moved);
        assert!(distance(&dense(&moved.into_mps()), &expected) < 1e-13);
    }
}

/// Singular values of the cut behind site `j`, squared, by the eigenvalues' sums: ‖M‖² and the best rank-1
/// error by power iteration, written without the library.
fn best_rank_one_weight(v: &Array1<f64>, rows: usize) -> f64 {
    let m = v.view().into_shape_with_order((rows, v.len() / rows)).unwrap();
    let mut x = Array1::ones(m.ncols());
    for _ in 0..5000 {
        let y = m.t().dot(&m.dot(&x));
        x = &y / norm(&y);
    }
    1.0 - norm(&m.dot(&x)).powi(2) / norm(v).powi(2)
}

#[test]
fn truncation_reports_the_distance_and_is_optimal_at_one_bond() {
    let v = Mps::random_real(&DIMS, 7, &mut stream(5)).unwrap();
    let expected = dense(&v);
    let (same, error) = v.compress(&Truncation::default()).unwrap();
    assert_eq!(same.bonds(), [2, 6, 6, 3]);
    assert!(distance(&dense(&same), &expected) < 1e-13 && error.total() < 1e-26);
    for max_bond in 1..6 {
        let (cut, error) = v.compress(&Truncation { max_bond, cutoff: 0.0 }).unwrap();
        assert!(cut.max_bond() <= max_bond && error.weights.len() == 4);
        let exact = distance(&dense(&cut), &expected);
        assert!((error.distance() - exact).abs() < 1e-13 + 1e-12 * exact, "{} {exact}", error.distance());
        let (direct, again) = Mps::from_dense(expected.view(), &DIMS, &Truncation { max_bond, cutoff: 0.0 }).unwrap();
        assert!((again.distance() - distance(&dense(&direct), &expected)).abs() < 1e-13);
    }
    // Two sites: one bond, where the SVD is the best approximation.
    let two = Mps::random_real(&[5, 7], 5, &mut stream(6)).unwrap();
    let (_, error) = two.compress(&Truncation { max_bond: 1, cutoff: 0.0 }).unwrap();
    assert!((error.total() - best_rank_one_weight(&dense(&two), 5)).abs() < 1e-12);
    // The cutoff bounds the weight of every bond, and keeps no state that it allows to drop.
    let (cut, error) = v.compress(&Truncation { cutoff: 0.02, ..Truncation::default() }).unwrap();
    assert!(error.weights.iter().all(|&w| w <= 0.02) && error.total() > 0.005 && cut.max_bond() < 6);
}

#[test]
fn redundant_bonds_go_away() {
    let v = Mps::random_real(&DIMS, 2, &mut stream(7)).unwrap();
    let padded = v.add(&v.scale(0.5).unwrap()).unwrap().add(&v).unwrap();
    assert_eq!(padded.max_bond(), 6);
    let (small, _) = padded.compress(&Truncation::default()).unwrap();
    assert_eq!(small.bonds(), v.bonds());
    assert!(distance(&dense(&small), &(2.5 * dense(&v))) < 1e-13);
}

#[test]
fn operators_act_on_rows() {
    let out = [3, 2, 4, 3, 2];
    let k = random_mpo(&DIMS, &out, 3, &mut stream(8));
    let p = Mps::random_real(&DIMS, 3, &mut stream(9)).unwrap();
    let (kd, pd) = (dense_operator(&k), dense(&p));
    assert!(distance(&k.to_dense().unwrap(), &kd) < 1e-13);
    let expected = Array1::from_shape_fn(kd.ncols(), |y| (0..kd.nrows()).map(|x| pd[x] * kd[[x, y]]).sum::<f64>());
    let applied = k.apply(&p).unwrap();
    assert_eq!(applied.dims(), out);
    assert!(distance(&dense(&applied), &expected) < 1e-13);
    let (compressed, error) = k.apply_compressed(&p, &Truncation { max_bond: 4, cutoff: 0.0 }).unwrap();
    assert!((distance(&dense(&compressed), &expected) - error.distance()).abs() < 1e-12 && compressed.max_bond() == 4);
    // Columns instead of rows: the wrong twin must differ.
    let square = random_mpo(&DIMS, &DIMS, 2, &mut stream(10));
    let (right, wrong) = (square.apply(&p).unwrap(), square.transpose().apply(&p).unwrap());
    let sd = dense_operator(&square);
    let expected = Array1::from_shape_fn(144, |y| (0..144).map(|x| pd[x] * sd[[x, y]]).sum::<f64>());
    assert!(distance(&dense(&right), &expected) < 1e-13);
    assert!(distance(&dense(&wrong), &expected) > 0.1);
}

#[test]
fn operator_algebra() {
    let (mid, out) = ([3, 2, 2, 3], [2, 2, 4, 1]);
    let (k, l) = (random_mpo(&DIMS[..4], &mid, 2, &mut stream(11)), random_mpo(&mid, &out, 3, &mut stream(12)));
    let (kd, ld) = (dense_operator(&k), dense_operator(&l));
    let composed = k.compose(&l).unwrap();
    assert_eq!((composed.dims_in(), composed.dims_out(), composed.max_bond()), (&DIMS[..4], &out[..], 6));
    assert!(distance(&dense_operator(&composed), &product(&kd, &ld)) < 1e-13);
    assert!(distance(&dense_operator(&k.transpose()), &kd.t().to_owned()) < 1e-15);
    let doubled = k.add(&k.scale(-3.0).unwrap()).unwrap();
    assert!(distance(&dense_operator(&doubled), &(-2.0 * &kd)) < 1e-14);
    let (small, error) = doubled.compress(&Truncation::default()).unwrap();
    assert_eq!(small.bonds(), k.bonds());
    assert!(error.total() < 1e-26 && distance(&dense_operator(&small), &(-2.0 * &kd)) < 1e-13);
    let (cut, error) = l.compress(&Truncation { max_bond: 2, cutoff: 0.0 }).unwrap();
    assert!((distance(&dense_operator(&cut), &ld) - error.distance()).abs() < 1e-12 && error.total() > 1e-6);
    let (back, _) = Mpo::from_dense(kd.view(), &DIMS[..4], &mid, &Truncation::default()).unwrap();
    assert!(distance(&dense_operator(&back), &kd) < 1e-13);
    assert_eq!(dense_operator(&Mpo::identity(&mid).unwrap()), Array2::<f64>::eye(36));
    let factors = [matrix(2, 3, &mut stream(13)), matrix(4, 1, &mut stream(14))];
    let kron = Array2::from_shape_fn((8, 3), |(x, y)| factors[0][[x / 4, y]] * factors[1][[x % 4, 0]]);
    assert!(distance(&dense_operator(&Mpo::product(&factors).unwrap()), &kron) < 1e-15);
}

#[test]
fn a_hundred_thousand_sites() {
    let n = 100_000;
    let factor = |j: usize| vec![1e-3 * (1.0 + (j % 7) as f64), -2e-3 * (1.0 + (j % 5) as f64), 0.5e-3];
    let factors: Vec<Vec<f64>> = (0..n).map(factor).collect();
    let v = Mps::product(&factors).unwrap();
    let x = Array2::from_shape_fn((2, n), |(i, j)| ((j * (i + 2)) % 3) as u8);
    // 10⁵ logarithms of size 7, summed in blocks: known to some 1e-10, the rounding of 7e5.
    let logs = |f: &dyn Fn(usize) -> f64| {
        let block = |b: usize| (500 * b..500 * (b + 1)).map(|j| f(j).abs().ln()).sum::<f64>();
        (0..n / 500).map(block).sum::<f64>()
    };
    let sign = |f: &dyn Fn(usize) -> f64| (0..n).map(|j| f(j).signum()).product::<f64>();
    let values = v.evaluate(x.view()).unwrap();
    for row in 0..2 {
        let entry = |j: usize| factors[j][usize::from(x[[row, j]])];
        assert!((values.log_abs[row] - logs(&entry)).abs() < 1e-8 && values.sign[row] == sign(&entry));
    }
    let total = |j: usize| factors[j].iter().sum::<f64>();
    assert!((v.sum().log_abs - logs(&total)).abs() < 1e-8 && v.sum().sign == sign(&total));
    let square = |j: usize| factors[j].iter().map(|f| f * f).sum::<f64>();
    let inner = v.inner(&v).unwrap();
    assert!((inner.log_abs - logs(&square)).abs() < 1e-8 && inner.sign == 1.0);
    assert!((2.0 * v.log_norm().unwrap() - logs(&square)).abs() < 1e-8);
    // A sum with itself has bond 2 and twice the values; compression finds the product back.
    let double = v.add(&v).unwrap();
    let found = double.evaluate(x.view()).unwrap();
    assert!((&found.log_abs - &values.log_abs - 2f64.ln()).iter().all(|e| e.abs() < 1e-8));
    let (small, _) = double.compress(&Truncation::default()).unwrap();
    assert_eq!(small.max_bond(), 1);
    let found = small.evaluate(x.view()).unwrap();
    assert!((&found.log_abs - &values.log_abs - 2f64.ln()).iter().all(|e| e.abs() < 1e-7) && found.sign == values.sign);
}

/// Tensors at the ends of the range of `f64`.
#[test]
fn extreme_tensors() {
    let v = Mps::random_real(&[2, 3, 2], 2, &mut stream(17)).unwrap();
    let extreme = |power: f64| Mps::new(v.tensors().iter().map(|a| a * power).collect(), 0.0).unwrap();
    let (large, small) = (extreme(1e307), extreme(1e-300));
    let x = all_configs(&[2, 3, 2]);
    let error = |u: &Mps, power: f64| {
        (&u.evaluate(x.view()).unwrap().log_abs - &v.evaluate(x.view()).unwrap().log_abs - 3.0 * power.ln())
            .iter()
            .fold(0.0, |m: f64, e| m.max(e.abs()))
    };
    assert!(error(&large, 1e307) < 1e-11 && error(&small, 1e-300) < 1e-11);
    assert!((large.inner(&small).unwrap().log_abs - v.inner(&v).unwrap().log_abs - 21.0 * 10f64.ln()).abs() < 1e-11);
    let (compressed, _) = large.compress(&Truncation::default()).unwrap();
    assert!(error(&compressed, 1e307) < 1e-11);
    assert!(matches!(large.to_dense(), Err(Error::NotFinite { .. })));
}

/// Singular values of any cut of any train: the discarded weight is the distance.
#[test]
fn discarded_weight_is_distance() {
    random_cases(CASES, |rng| {
        let dims: Vec<usize> = (0..rng.random_range(1..6)).map(|_| rng.random_range(1..5)).collect();
        let (bond, max_bond) = (rng.random_range(1..7), rng.random_range(1..5));
        let v = Mps::random_real(&dims, bond, rng).unwrap();
        let (cut, error) = v.compress(&Truncation { max_bond, cutoff: 0.0 }).unwrap();
        let (before, after) = (dense(&v), dense(&cut));
        let squared = distance(&after, &before).powi(2);
        assert!((squared - error.total()).abs() < 1e-13);
        // A projection: what is kept and what is discarded are orthogonal.
        let kept = (norm(&after) / norm(&before)).powi(2);
        assert!((kept + error.total() - 1.0).abs() < 1e-13);
    });
}

/// The scale of a zero vector or operator must not swallow the other summand.
#[test]
fn zero_of_any_scale_is_neutral() {
    let v = Mps::product(&[vec![1.0, 2.0]]).unwrap();
    let k = Mpo::product(&[ndarray::array![[1.0, 2.0], [3.0, 4.0]]]).unwrap();
    for scale in [1e4, 0.0, -1e4] {
        let zero = Mps::new(vec![Array3::zeros((1, 2, 1))], scale).unwrap();
        for sum in [zero.add(&v).unwrap(), v.add(&zero).unwrap()] {
            assert!((sum.sum().value() - 3.0).abs() < 1e-15);
        }
        assert_eq!(zero.add(&zero).unwrap().sum().value(), 0.0);
        let zero = Mpo::new(vec![ndarray::Array4::zeros((1, 2, 2, 1))], scale).unwrap();
        for sum in [zero.add(&k).unwrap(), k.add(&zero).unwrap()] {
            assert_eq!(sum.to_dense().unwrap(), ndarray::array![[1.0, 2.0], [3.0, 4.0]]);
        }
    }
}

#[test]
fn bad_input_is_a_typed_error() {
    let v = Mps::random_real(&DIMS, 3, &mut stream(18)).unwrap();
    let w = Mps::random_real(&[2, 3, 4, 3, 3], 3, &mut stream(19)).unwrap();
    assert_eq!(v.inner(&w), Err(Error::LocalDimension { site: 3, expected: 2, got: 3 }));
    assert_eq!(v.add(&w), Err(Error::LocalDimension { site: 3, expected: 2, got: 3 }));
    let short = Mps::product(&[vec![1.0, 2.0]]).unwrap();
    assert_eq!(v.inner(&short), Err(Error::SiteCount { expected: 5, got: 1 }));
    let mut x = Array2::zeros((2, 5));
    x[[1, 3]] = 2u8;
    assert_eq!(v.evaluate(x.view()), Err(Error::StateOutOfRange { row: 1, site: 3, state: 2, dim: 2 }));
    let site = |v: f64| Mps::product(&[vec![1.0], vec![1.0, v]]);
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(matches!(site(bad), Err(Error::NotFinite { field: "tensor", site: 1, .. })));
        assert!(matches!(v.scale(bad), Err(Error::NotFinite { field: "factor", .. })));
        let m = ndarray::array![[1.0, 2.0], [bad, 0.0]];
        assert!(matches!(linalg::svd(m.view()), Err(Error::NotFinite { field: "matrix", site: 2, .. })));
        assert!(matches!(linalg::qr(m.view()), Err(Error::NotFinite { field: "matrix", site: 2, .. })));
        let term = LocalTerm { first: 1, matrix: m };
        let error = Mpo::from_local_terms(&[2, 2], &[term]);
        assert!(matches!(error, Err(Error::NotFinite { field: "local term", site: 1, .. })));
    }
    assert!(matches!(Mps::product(&[]), Err(Error::SiteCount { expected: 1, got: 0 })));
    assert!(matches!(Mps::random_real(&[2, 2], 0, &mut stream(0)), Err(Error::Parameter { name: "bond", .. })));
    assert!(matches!(Mps::random_real(&[2, 0], 2, &mut stream(0)), Err(Error::Parameter { .. })));
    assert!(matches!(v.canonical(5), Err(Error::Parameter { name: "centre", .. })));
    let truncation = |max_bond, cutoff| v.compress(&Truncation { max_bond, cutoff });
    assert!(matches!(truncation(0, 0.0), Err(Error::Parameter { name: "max_bond", .. })));
    for cutoff in [-1e-9, 1.0, f64::NAN] {
        assert!(matches!(truncation(3, cutoff), Err(Error::Parameter { name: "cutoff", .. })));
    }
    let long = Mps::product(&vec![vec![1.0, 2.0]; 25]).unwrap();
    assert!(matches!(long.to_dense(), Err(Error::TooLarge { size: 33_554_432, .. })));
    assert!(matches!(Mpo::identity(&[2; 13]).unwrap().to_dense(), Err(Error::TooLarge { .. })));
    let term = |first, rows, cols| {
        Mpo::from_local_terms(&[2, 3, 2], &[LocalTerm { first, matrix: Array2::ones((rows, cols)) }])
    };
    assert!(matches!(term(3, 2, 2), Err(Error::Parameter { name: "first", .. })));
    for (first, rows, cols) in [(0, 4, 4), (0, 6, 5), (2, 4, 4), (1, 12, 12)] {
        assert!(matches!(term(first, rows, cols), Err(Error::Shape { field: "local term", .. })));
    }
    assert!(matches!(
        Mps::from_dense(Array1::ones(5).view(), &[2, 3], &Truncation::default()),
        Err(Error::Shape { .. })
    ));
    let operator = Mpo::identity(&[2, 3, 4, 3, 3]).unwrap();
    assert!(matches!(operator.apply(&v), Err(Error::LocalDimension { site: 3, .. })));
    assert!(matches!(operator.compose(&Mpo::identity(&DIMS).unwrap()), Err(Error::LocalDimension { site: 3, .. })));
}
