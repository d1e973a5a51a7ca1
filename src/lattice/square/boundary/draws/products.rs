//! Products of tiled matrices with vectors of lanes, and of vectors with each other.

use pulp::Simd;

use super::pack::{T, Tile};
use crate::lanes::{LANES, Lane, ZERO, vectors, vectors_mut};

/// Tile rows that share the loads of the vector: accumulators for `WIDE · T · 2` SIMD vectors.
const WIDE: usize = 3;

/// `y = B x` for the tiles of one matrix, `columns` tiles wide.
#[inline(always)]
pub(crate) fn matrix_vector<S: Simd>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) {
    if tiles.is_empty() {
        y.fill(ZERO);
        return;
    }
    let wide = if S::REGISTER_COUNT >= 32 { WIDE } else { 1 };
    let rows = y.len() / T;
    let mut i = 0;
    while i < rows {
        let (tiles, y) = (&tiles[i * columns..], &mut y[i * T..]);
        i += match (rows - i).min(wide) {
            1 => rows_of::<S, 1>(simd, tiles, columns, x, y),
            2 => rows_of::<S, 2>(simd, tiles, columns, x, y),
            _ => rows_of::<S, WIDE>(simd, tiles, columns, x, y),
        };
    }
}

/// `y = B x` for two vectors and the same matrix: each number of the matrix is read once for both.
#[inline(always)]
pub(crate) fn both_matrix_vector<S: Simd>(
    simd: S,
    tiles: &[Tile],
    columns: usize,
    x: [&[Lane]; 2],
    y: [&mut [Lane]; 2],
) {
    let [y0, y1] = y;
    let [x0, x1] = [&x[0][..columns * T], &x[1][..columns * T]];
    let outputs = y0.chunks_exact_mut(T).zip(y1.chunks_exact_mut(T));
    for (tiles, (y0, y1)) in tiles.chunks_exact(columns).zip(outputs) {
        for v in (0..LANES / S::F32_LANES).step_by(2) {
            let mut acc = [[[simd.splat_f32s(0.0); 2]; 2]; T];
            for (j, tile) in tiles.iter().enumerate() {
                for b in 0..T {
                    let (u, w) = (vectors::<S>(&x0[j * T + b]), vectors::<S>(&x1[j * T + b]));
                    let x = [[u[v], u[v + 1]], [w[v], w[v + 1]]];
                    for a in 0..T {
                        let m = simd.splat_f32s(tile[a][b]);
                        for s in 0..2 {
                            for k in 0..2 {
                                acc[a][s][k] = simd.mul_add_f32s(m, x[s][k], acc[a][s][k]);
                            }
                        }
                    }
                }
            }
            for a in 0..T {
                let (y0, y1) = (vectors_mut::<S>(&mut y0[a]), vectors_mut::<S>(&mut y1[a]));
                (y0[v], y0[v + 1]) = (acc[a][0][0], acc[a][0][1]);
                (y1[v], y1[v + 1]) = (acc[a][1][0], acc[a][1][1]);
            }
        }
    }
}

/// `N` rows of tiles.
#[inline(always)]
fn rows_of<S: Simd, const N: usize>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) -> usize {
    let tiles = &tiles[..N * columns];
    let x = &x[..columns * T];
    let y = &mut y[..N * T];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[[simd.splat_f32s(0.0); 2]; T]; N];
        for j in 0..columns {
            for b in 0..T {
                let x = vectors::<S>(&x[j * T + b]);
                let x = [x[v], x[v + 1]];
                for n in 0..N {
                    let tile = &tiles[n * columns + j];
                    for a in 0..T {
                        let m = simd.splat_f32s(tile[a][b]);
                        for k in 0..2 {
                            acc[n][a][k] = simd.mul_add_f32s(m, x[k], acc[n][a][k]);
                        }
                    }
                }
            }
        }
        for n in 0..N {
            for a in 0..T {
                let y = vectors_mut::<S>(&mut y[n * T + a]);
                y[v] = acc[n][a][0];
                y[v + 1] = acc[n][a][1];
            }
        }
    }
    N
}

/// `y = x B`, the rows of `B` those of all its tiles one below the other.
#[inline(always)]
pub(crate) fn vector_matrix<S: Simd>(simd: S, tiles: &[Tile], columns: usize, x: &[Lane], y: &mut [Lane]) {
    let wide = if S::REGISTER_COUNT >= 32 { WIDE } else { 1 };
    let mut j = 0;
    while j < columns {
        let y = &mut y[j * T..];
        j += match (columns - j).min(wide) {
            1 => columns_of::<S, 1>(simd, tiles, columns, j, x, y),
            2 => columns_of::<S, 2>(simd, tiles, columns, j, x, y),
            _ => columns_of::<S, WIDE>(simd, tiles, columns, j, x, y),
        };
    }
}

/// `N` columns of tiles from column `j`.
#[inline(always)]
fn columns_of<S: Simd, const N: usize>(
    simd: S,
    tiles: &[Tile],
    columns: usize,
    j: usize,
    x: &[Lane],
    y: &mut [Lane],
) -> usize {
    let y = &mut y[..N * T];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[[simd.splat_f32s(0.0); 2]; T]; N];
        for (tiles, x) in tiles.chunks_exact(columns).zip(x.chunks_exact(T)) {
            let tiles = &tiles[j..j + N];
            for a in 0..T {
                let x = vectors::<S>(&x[a]);
                let x = [x[v], x[v + 1]];
                for n in 0..N {
                    for b in 0..T {
                        let m = simd.splat_f32s(tiles[n][a][b]);
                        for k in 0..2 {
                            acc[n][b][k] = simd.mul_add_f32s(m, x[k], acc[n][b][k]);
                        }
                    }
                }
            }
        }
        for n in 0..N {
            for b in 0..T {
                let y = vectors_mut::<S>(&mut y[n * T + b]);
                y[v] = acc[n][b][0];
                y[v + 1] = acc[n][b][1];
            }
        }
    }
    N
}

/// `out[a] (+)= g t[a]`.
#[inline(always)]
pub(crate) fn accumulate<S: Simd>(simd: S, g: &Lane, t: &[Lane], out: &mut [Lane], start: bool) {
    for (t, out) in t.iter().zip(out) {
        let (t, out) = (vectors::<S>(t), vectors_mut::<S>(out));
        for (v, &g) in vectors::<S>(g).iter().enumerate() {
            out[v] = if start { simd.mul_f32s(g, t[v]) } else { simd.mul_add_f32s(g, t[v], out[v]) };
        }
    }
}

/// `zero = g₀₀ t₀ + g₀₁ t₁`, `one = g₁₀ t₀ + g₁₁ t₁`; from index `split` on `g₀₁` and `g₁₀` change sign.
#[inline(always)]
pub(crate) fn mix<S: Simd>(
    simd: S,
    g: &[[Lane; 2]; 2],
    t0: &[Lane],
    t1: &[Lane],
    zero: &mut [Lane],
    one: &mut [Lane],
    split: usize,
) {
    let n = t0.len();
    let (t1, zero, one) = (&t1[..n], &mut zero[..n], &mut one[..n]);
    for v in 0..LANES / S::F32_LANES {
        let (g00, g11) = (vectors::<S>(&g[0][0])[v], vectors::<S>(&g[1][1])[v]);
        let (mut g01, mut g10) = (vectors::<S>(&g[0][1])[v], vectors::<S>(&g[1][0])[v]);
        for (from, to) in [(0, split), (split, n)] {
            for a in from..to {
                let (x, y) = (vectors::<S>(&t0[a])[v], vectors::<S>(&t1[a])[v]);
                vectors_mut::<S>(&mut zero[a])[v] = simd.mul_add_f32s(g00, x, simd.mul_f32s(g01, y));
                vectors_mut::<S>(&mut one[a])[v] = simd.mul_add_f32s(g11, y, simd.mul_f32s(g10, x));
            }
            let minus = simd.splat_f32s(-1.0);
            (g01, g10) = (simd.mul_f32s(g01, minus), simd.mul_f32s(g10, minus));
        }
    }
}

/// Products of `l` with two vectors, below and from index `split` on: `[up, up', down, down']`.
#[inline(always)]
pub(crate) fn dots<S: Simd>(simd: S, l: &[Lane], up: &[Lane], down: &[Lane], split: usize) -> [Lane; 4] {
    let (up, down) = (&up[..l.len()], &down[..l.len()]);
    let split = split.min(l.len());
    let mut out = [ZERO; 4];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[simd.splat_f32s(0.0); 2]; 4];
        for part in 0..2 {
            let range = if part == 0 { 0..split } else { split..l.len() };
            for a in range {
                let (l, up, down) = (vectors::<S>(&l[a]), vectors::<S>(&up[a]), vectors::<S>(&down[a]));
                for k in 0..2 {
                    acc[part][k] = simd.mul_add_f32s(l[v + k], up[v + k], acc[part][k]);
                    acc[2 + part][k] = simd.mul_add_f32s(l[v + k], down[v + k], acc[2 + part][k]);
                }
            }
        }
        for k in 0..out.len() {
            let out = vectors_mut::<S>(&mut out[k]);
            (out[v], out[v + 1]) = (acc[k][0], acc[k][1]);
        }
    }
    out
}

/// The product of two vectors, below and from index `split` on.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, l: &[Lane], t: &[Lane], split: usize) -> [Lane; 2] {
    let t = &t[..l.len()];
    let split = split.min(l.len());
    let mut out = [ZERO; 2];
    for v in (0..LANES / S::F32_LANES).step_by(2) {
        let mut acc = [[simd.splat_f32s(0.0); 2]; 2];
        for part in 0..2 {
            let range = if part == 0 { 0..split } else { split..l.len() };
            for a in range {
                let (l, t) = (vectors::<S>(&l[a]), vectors::<S>(&t[a]));
                for k in 0..2 {
                    acc[part][k] = simd.mul_add_f32s(l[v + k], t[v + k], acc[part][k]);
                }
            }
        }
        for k in 0..out.len() {
            let out = vectors_mut::<S>(&mut out[k]);
            (out[v], out[v + 1]) = (acc[k][0], acc[k][1]);
        }
    }
    out
}
