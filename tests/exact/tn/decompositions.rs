//! SVD, QR and matrix products on matrices of any shape, rank, scale and layout.

use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use tensorjump::{Stream, linalg};

use super::{CASES, matrix, norm, product};
use crate::common::random::random_cases;

fn orthonormal(columns: ArrayView2<'_, f64>) -> bool {
    let gram = product(&columns.t().to_owned(), &columns.to_owned());
    (&gram - &Array2::<f64>::eye(columns.ncols())).iter().all(|v| v.abs() < 1e-13)
}

/// Also for matrices of low rank, non-negative ones among them: what nalgebra's SVD gets wrong (issue 1172).
#[test]
fn decompositions() {
    random_cases(CASES, |rng| {
        let (rows, cols, rank) = (rng.random_range(1..24), rng.random_range(1..24), rng.random_range(0..5));
        let (positive, power) = (rng.random::<bool>(), rng.random_range(-300..300));
        let factor = |r, c, rng: &mut Stream| matrix(r, c, rng).mapv(|v| if positive { v.abs() } else { v });
        let (a, b) = (factor(rows, rank, rng), factor(rank, cols, rng));
        let unit = product(&a, &b);
        let m = &unit * 10f64.powi(power);
        let size = norm(&unit) * 10f64.powi(power);
        let svd = linalg::svd(m.view()).unwrap();
        assert!(orthonormal(svd.u.view()) && orthonormal(svd.vt.t()));
        assert!(svd.s.iter().zip(svd.s.iter().skip(1)).all(|(a, b)| a >= b) && svd.s.iter().all(|&s| s >= 0.0));
        assert!(svd.s.iter().skip(rank).all(|&s| s <= 1e-13 * size));
        let back = product(&(&svd.u * &svd.s), &svd.vt);
        assert!((&back - &m).iter().all(|v| v.abs() <= 1e-13 * size));
        let (q, r) = linalg::qr(m.view()).unwrap();
        assert!(orthonormal(q.view()));
        assert!((&product(&q, &r) - &m).iter().all(|v| v.abs() <= 1e-13 * size));
        assert!(r.indexed_iter().all(|((i, j), &v)| i <= j || v == 0.0));
    });
}

#[test]
fn matrix_products() {
    random_cases(CASES, |rng| {
        let [m, k, n] = [(); 3].map(|()| rng.random_range(1..20));
        let layout = rng.random_range(0..27);
        // Row-major, column-major, and every second entry of a larger array.
        let store = |kind: usize, rows, cols, rng: &mut Stream| match kind {
            0 => matrix(rows, cols, rng),
            1 => matrix(cols, rows, rng).reversed_axes(),
            _ => matrix(2 * rows, 2 * cols, rng),
        };
        let step = |kind: usize| if kind == 2 { 2 } else { 1 };
        let (ka, kb, kc) = (layout % 3, layout / 3 % 3, layout / 9);
        let (a, b) = (store(ka, m, k, rng), store(kb, k, n, rng));
        let mut c = store(kc, m, n, rng);
        let (a, b) = (a.slice(ndarray::s![..;step(ka), ..;step(ka)]), b.slice(ndarray::s![..;step(kb), ..;step(kb)]));
        let mut c = c.slice_mut(ndarray::s![..;step(kc), ..;step(kc)]);
        let expected = 0.5 * product(&a.to_owned(), &b.to_owned()) - 2.0 * &c;
        linalg::matmul_into(0.5, a, b, -2.0, c.view_mut());
        assert!((&c - &expected).iter().all(|v| v.abs() < 1e-13));
        c.fill(f64::NAN);
        linalg::matmul_into(1.0, a, b, 0.0, c.view_mut());
        assert!((&c - &product(&a.to_owned(), &b.to_owned())).iter().all(|v| v.abs() < 1e-13));
    });
}
