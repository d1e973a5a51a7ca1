//! Matrix products of all small sizes and layouts against sums of products, with NaN all around the operands.

use ndarray::{ArrayView2, ArrayViewMut2, ShapeBuilder};
use tensorjump::linalg::matmul_into;

/// Small whole numbers without a pattern: every sum of their products is exact, in any order.
fn number(i: usize) -> f64 {
    ((i * i + 7 * i) % 17) as f64 - 8.0
}

/// Numbers before and behind a matrix: more than two registers of 512 bits, and a matrix that begins at no
/// multiple of one.
const AROUND: usize = 19;

/// `rows × cols` numbers with NaN around them.
fn poisoned(size: usize, seed: usize) -> Vec<f64> {
    let mut all = vec![f64::NAN; size + 2 * AROUND];
    all[AROUND..AROUND + size].iter_mut().enumerate().for_each(|(i, v)| *v = number(i + seed));
    all
}

/// The matrix inside, row-major or column-major.
fn inside(all: &[f64], (rows, cols): (usize, usize), column_major: bool) -> ArrayView2<'_, f64> {
    let part = &all[AROUND..AROUND + rows * cols];
    ArrayView2::from_shape((rows, cols).set_f(column_major), part).unwrap()
}

/// Blocks of memory full of NaN, given back: what the next allocations find in theirs.
fn poison_the_heap() {
    let blocks: Vec<Vec<f64>> = (4..11).flat_map(|k| (0..2).map(move |_| vec![f64::NAN; 1 << k])).collect();
    drop(blocks);
}

fn check((m, k, n): (usize, usize, usize), (a_columns, b_columns): (bool, bool), (alpha, beta): (f64, f64)) {
    let (a, b) = (poisoned(m * k, 1), poisoned(k * n, 2));
    let (a, b) = (inside(&a, (m, k), a_columns), inside(&b, (k, n), b_columns));
    let mut out = if beta == 0.0 { vec![f64::NAN; m * n + 2 * AROUND] } else { poisoned(m * n, 3) };
    let old = out.clone();
    poison_the_heap();
    let target = ArrayViewMut2::from_shape((m, n), &mut out[AROUND..AROUND + m * n]).unwrap();
    matmul_into(alpha, a, b, beta, target);
    for i in 0..m {
        for j in 0..n {
            let product: f64 = (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum();
            let before = if beta == 0.0 { 0.0 } else { beta * old[AROUND + i * n + j] };
            let got = out[AROUND + i * n + j];
            assert!(got == before + alpha * product, "{m} × {k} × {n}, columns {a_columns} {b_columns}: {got}");
        }
    }
    let untouched = out[..AROUND].iter().chain(&out[AROUND + m * n..]).all(|v| v.is_nan());
    assert!(untouched, "{m} × {k} × {n} wrote beyond its matrix");
}

#[test]
fn products_read_and_write_their_matrices_only() {
    let factors = [(1.0, 0.0), (-2.0, 0.0), (1.0, 1.0), (0.5, -3.0)];
    for m in 1..=33 {
        for k in 1..=33 {
            for n in 1..=33 {
                // Each layout meets each pair of factors in turn.
                let layout = (m + k + n) % 4;
                check((m, k, n), (layout & 1 > 0, layout & 2 > 0), factors[(m + 3 * k + 5 * n / 4) % 4]);
            }
        }
    }
    // Long and thin, and all layouts at the ends of registers and blocks.
    for (m, k, n) in [(1, 1000, 1), (1000, 1, 3), (3, 1, 1000), (257, 7, 1), (1, 7, 257), (65, 129, 63), (64, 64, 64)] {
        for layout in 0..16 {
            check((m, k, n), (layout & 1 > 0, layout & 2 > 0), factors[layout / 4]);
        }
    }
}

/// Rows or columns left out of a larger matrix, and every second column: nothing between the entries is read.
#[test]
fn products_of_parts_of_matrices() {
    for (m, k, n) in [(1, 1, 1), (3, 5, 2), (8, 8, 8), (17, 9, 33), (40, 31, 23)] {
        for step in 1..3 {
            let large = |rows: usize, cols: usize, seed: usize| {
                let mut all = ndarray::Array2::from_elem((rows + 2, step * cols + 3), f64::NAN);
                for ((i, j), v) in all.slice_mut(ndarray::s![1..=rows, 2..2 + step * cols; step]).indexed_iter_mut() {
                    *v = number(i * cols + j + seed);
                }
                all
            };
            let (a, b, mut out) = (large(m, k, 1), large(k, n, 2), large(m, n, 3));
            let (a, b) = (
                a.slice(ndarray::s![1..=m, 2..2 + step * k; step]),
                b.slice(ndarray::s![1..=k, 2..2 + step * n; step]),
            );
            let nans = out.iter().filter(|v| v.is_nan()).count();
            matmul_into(1.0, a, b, 0.0, out.slice_mut(ndarray::s![1..=m, 2..2 + step * n; step]));
            assert_eq!(out.iter().filter(|v| v.is_nan()).count(), nans);
            for ((i, j), got) in out.slice(ndarray::s![1..=m, 2..2 + step * n; step]).indexed_iter() {
                let product: f64 = (0..k).map(|l| a[[i, l]] * b[[l, j]]).sum();
                assert!(*got == product, "{m} × {k} × {n}, step {step}: {got}");
            }
        }
    }
}
