//! SVD, QR and matrix products on matrices of any shape, rank, scale and layout.

use ndarray::{Array2, ArrayView2};
use proptest::prelude::*;
use tensorjump::{Stream, linalg};

use super::{matrix, norm, product, sixty_cases, stream};

fn orthonormal(columns: ArrayView2<'_, f64>) -> bool {
    let gram = product(&columns.t().to_owned(), &columns.to_owned());
    (&gram - &Array2::<f64>::eye(columns.ncols())).iter().all(|v| v.abs() < 1e-13)
}

proptest! {
    #![proptest_config(sixty_cases())]

    /// Also for matrices of low rank, non-negative ones among them: what nalgebra's SVD gets wrong (issue 1172).
    #[test]
    fn decompositions(
        rows in 1usize..24, cols in 1usize..24, rank in 0usize..5, positive: bool, power in -300i32..300, seed: usize,
    ) {
        let mut rng = stream(seed);
        let factor = |r, c, rng: &mut Stream| matrix(r, c, rng).mapv(|v| if positive { v.abs() } else { v });
        let (a, b) = (factor(rows, rank, &mut rng), factor(rank, cols, &mut rng));
        let unit = product(&a, &b);
        let m = &unit * 10f64.powi(power);
        let size = norm(&unit) * 10f64.powi(power);
        let svd = linalg::svd(m.view()).unwrap();
        prop_assert!(orthonormal(svd.u.view()) && orthonormal(svd.vt.t()));
        prop_assert!(svd.s.iter().zip(svd.s.iter().skip(1)).all(|(a, b)| a >= b) && svd.s.iter().all(|&s| s >= 0.0));
        prop_assert!(svd.s.iter().skip(rank).all(|&s| s <= 1e-13 * size));
        let back = product(&(&svd.u * &svd.s), &svd.vt);
        prop_assert!((&back - &m).iter().all(|v| v.abs() <= 1e-13 * size));
        let (q, r) = linalg::qr(m.view()).unwrap();
        prop_assert!(orthonormal(q.view()));
        prop_assert!((&product(&q, &r) - &m).iter().all(|v| v.abs() <= 1e-13 * size));
        prop_assert!(r.indexed_iter().all(|((i, j), &v)| i <= j || v == 0.0));
    }

    #[test]
    fn matrix_products(m in 1usize..20, k in 1usize..20, n in 1usize..20, layout in 0usize..27, seed: usize) {
        let mut rng = stream(seed);
        // Row-major, column-major, and every second entry of a larger array.
        let store = |kind: usize, rows, cols, rng: &mut Stream| match kind {
            0 => matrix(rows, cols, rng),
            1 => matrix(cols, rows, rng).reversed_axes(),
            _ => matrix(2 * rows, 2 * cols, rng),
        };
        let step = |kind: usize| if kind == 2 { 2 } else { 1 };
        let (ka, kb, kc) = (layout % 3, layout / 3 % 3, layout / 9);
        let (a, b) = (store(ka, m, k, &mut rng), store(kb, k, n, &mut rng));
        let mut c = store(kc, m, n, &mut rng);
        let (a, b) = (a.slice(ndarray::s![..;step(ka), ..;step(ka)]), b.slice(ndarray::s![..;step(kb), ..;step(kb)]));
        let mut c = c.slice_mut(ndarray::s![..;step(kc), ..;step(kc)]);
        let expected = 0.5 * product(&a.to_owned(), &b.to_owned()) - 2.0 * &c;
        linalg::matmul_into(0.5, a, b, -2.0, c.view_mut());
        prop_assert!((&c - &expected).iter().all(|v| v.abs() < 1e-13));
        c.fill(f64::NAN);
        linalg::matmul_into(1.0, a, b, 0.0, c.view_mut());
        prop_assert!((&c - &product(&a.to_owned(), &b.to_owned())).iter().all(|v| v.abs() < 1e-13));
    }
}
