//! Sums of local terms against sums of Kronecker products, element by element.

use ndarray::Array2;
use rand::RngExt;
use tensorjump::Stream;
use tensorjump::tn::{LocalTerm, Mpo, Mps};

use super::{CASES, dense_operator, distance, matrix, norm, product, real, stream};
use crate::common::random::random_cases;
use crate::common::{all_configs, index_of};

/// `1 ⊗ h ⊗ 1`, element by element.
fn embedded(dims: &[usize], term: &LocalTerm) -> Array2<f64> {
    let x = all_configs(dims);
    let (mut sites, mut size) = (0, 1);
    while size < term.matrix.nrows() {
        size *= dims[term.first + sites];
        sites += 1;
    }
    let on = term.first..term.first + sites;
    Array2::from_shape_fn((x.nrows(), x.nrows()), |(i, j)| {
        let (a, b) = (x.row(i), x.row(j));
        if (0..dims.len()).any(|s| !on.contains(&s) && a[s] != b[s]) {
            return 0.0;
        }
        let index = |x: ndarray::ArrayView1<'_, u8>| index_of(x.iter().skip(on.start).take(sites), &dims[on.clone()]);
        term.matrix[[index(a), index(b)]]
    })
}

fn sum_of(dims: &[usize], terms: &[LocalTerm]) -> Array2<f64> {
    let size = dims.iter().product();
    terms.iter().fold(Array2::zeros((size, size)), |sum, term| sum + embedded(dims, term))
}

#[test]
fn sums_of_local_terms() {
    let dims = [2, 3, 2, 4, 2];
    let mut rng = stream(15);
    let ranges =
        [(0, 1), (0, 2), (0, 4), (1, 1), (1, 2), (1, 3), (1, 4), (2, 2), (2, 3), (4, 1), (3, 2), (1, 2), (0, 1)];
    let terms: Vec<LocalTerm> = ranges
        .iter()
        .map(|&(first, k)| {
            let size: usize = dims[first..first + k].iter().product();
            LocalTerm { first, matrix: matrix(size, size, &mut rng) }
        })
        .collect();
    let expected = sum_of(&dims, &terms);
    let mpo = Mpo::from_local_terms(&dims, &terms).unwrap();
    assert_eq!(mpo.log_scale(), 0.0);
    assert!(distance(&dense_operator(&mpo), &expected) < 1e-14);
    let transposed: Vec<LocalTerm> =
        terms.iter().map(|t| LocalTerm { first: t.first, matrix: t.matrix.t().to_owned() }).collect();
    let wrong = Mpo::from_local_terms(&dims, &transposed).unwrap();
    assert!(distance(&dense_operator(&wrong), &expected) > 0.1);
    for first in 0..5 {
        let one = [LocalTerm { first, matrix: matrix(dims[first], dims[first], &mut rng) }];
        let mpo = Mpo::from_local_terms(&dims, &one).unwrap();
        assert_eq!(mpo.max_bond(), 1);
        assert!(distance(&dense_operator(&mpo), &sum_of(&dims, &one)) < 1e-15);
    }
    let nothing = Mpo::from_local_terms(&dims, &[]).unwrap();
    assert_eq!((nothing.to_dense().unwrap(), nothing.max_bond()), (Array2::zeros((96, 96)), 1));
}

fn kron(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let n = b.nrows();
    Array2::from_shape_fn((a.nrows() * n, a.ncols() * n), |(i, j)| a[[i / n, j / n]] * b[[i % n, j % n]])
}

#[test]
fn translation_invariant_sums_have_textbook_bonds() {
    let (x, z) = (ndarray::array![[0.0, 1.0], [1.0, 0.0]], ndarray::array![[1.0, 0.0], [0.0, -1.0]]);
    let ising = |n: usize| -> Vec<LocalTerm> {
        let bonds = (0..n - 1).map(|first| LocalTerm { first, matrix: -0.7 * kron(&z, &z) });
        bonds.chain((0..n).map(|first| LocalTerm { first, matrix: 1.3 * &x })).collect()
    };
    let mpo = Mpo::from_local_terms(&[2; 6], &ising(6)).unwrap();
    assert_eq!(mpo.bonds(), [3; 5]);
    let expected = sum_of(&[2; 6], &ising(6));
    assert!((&dense_operator(&mpo) - &expected).iter().all(|v| v.abs() < 1e-15));
    // Two couplings that share their first operator: z z and z 1 z need ready, done, z, z-then-1.
    let mut terms = ising(6);
    let far = kron(&kron(&z, &Array2::eye(2)), &z);
    terms.extend((0..4).map(|first| LocalTerm { first, matrix: 0.2 * &far }));
    let mpo = Mpo::from_local_terms(&[2; 6], &terms).unwrap();
    assert_eq!(mpo.bonds(), [3, 4, 4, 4, 3]);
    assert!((&dense_operator(&mpo) - &sum_of(&[2; 6], &terms)).iter().all(|v| v.abs() < 1e-14));
    // Terms 10⁻²⁰ times smaller than the rest are kept.
    let tiny = [LocalTerm { first: 0, matrix: kron(&x, &z) }, LocalTerm { first: 2, matrix: 1e-20 * kron(&z, &x) }];
    let found = Mpo::from_local_terms(&[2; 4], &tiny).unwrap().to_dense().unwrap();
    assert_eq!(found, sum_of(&[2; 4], &tiny));
}

#[test]
fn a_generator_on_ten_thousand_sites() {
    let n = 10_000;
    let mut rng = stream(16);
    let mut terms = Vec::new();
    for k in [1, 2, 4] {
        let h = matrix(1 << k, 1 << k, &mut rng);
        terms.extend((0..=n - k).map(|first| LocalTerm { first, matrix: &h * (1.0 + 1e-5 * first as f64) }));
    }
    let mpo = Mpo::from_local_terms(&vec![2; n], &terms).unwrap();
    assert_eq!((mpo.sites(), mpo.log_scale()), (n, 0.0));
    // ready, done, and 4 + 16 + 4 states inside the 4-site terms, which contain those of the 2-site terms.
    assert!(mpo.max_bond() <= 2 + 24 + 4, "{}", mpo.max_bond());
    // ⟨1|W|1⟩ with 1 normalised to ∏ ½: the sum over the terms of the sums of their entries.
    let ones = Mps::product(&vec![vec![1.0, 1.0]; n]).unwrap();
    let found = mpo.apply(&ones).unwrap().sum();
    let mean: f64 = terms.iter().map(|t| t.matrix.sum() / t.matrix.nrows() as f64).sum();
    assert_eq!(found.sign, mean.signum());
    assert!((found.log_abs - (n as f64 * 2f64.ln() + mean.abs().ln())).abs() < 1e-10);
}

/// Any terms on any chain, also on sites with one state.
#[test]
fn sums_of_any_local_terms() {
    random_cases(CASES, |rng| {
        let dims: Vec<usize> = (0..rng.random_range(1..6)).map(|_| rng.random_range(1..4)).collect();
        let term = |rng: &mut Stream| {
            let first = rng.random_range(0..dims.len());
            let (end, kind) = ((first + rng.random_range(1..5)).min(dims.len()), rng.random_range(0..3));
            let size = dims[first..end].iter().product::<usize>();
            // Few distinct entries, as in generators; any entries; low rank.
            let entry = |rng: &mut Stream| if kind == 0 { real(rng).round() } else { real(rng) };
            let mut m = Array2::from_shape_simple_fn((size, size), || entry(rng));
            if kind == 2 {
                m = product(&m.slice(ndarray::s![.., ..1]).to_owned(), &m.slice(ndarray::s![..1, ..]).to_owned());
            }
            LocalTerm { first, matrix: m }
        };
        let terms: Vec<LocalTerm> = (0..rng.random_range(0..8)).map(|_| term(rng)).collect();
        let (found, expected) = (Mpo::from_local_terms(&dims, &terms).unwrap(), sum_of(&dims, &terms));
        let size = norm(&expected).max(1.0);
        assert!((&dense_operator(&found) - &expected).iter().all(|v| v.abs() < 1e-14 * size));
    });
}
