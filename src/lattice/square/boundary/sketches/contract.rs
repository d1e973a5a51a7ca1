//! The states below all rows of a group.
//!
//! A row applied to the state below it has the tensors
//!
//! ```text
//! M_c[u][(i,l)][(a,r)] = w_c(a) V_c(u,a) H_c(i,a) T_c[a][l][r],
//! ```
//!
//! `u` the state above, `i` the one to the left, `w`, `V` and `H` the weights of the site and of the bonds
//! above and to the left, `T` the state below. The range of what is to the right of each bond is found by
//! contracting its legs `u` with `χ` product vectors, a Khatri–Rao sketch,
//!
//! ```text
//! S_c[i][l][k] = Σ_u ∏_{c'≥c} ω_{c'}^k(u_{c'}) · (M_c … M_{w−1})[i][l].
//! ```
//!
//! Then sweeps: to the right `Q = orth(C M_c S_{c+1})`, `C ← Q† C M_c`, and to the left with the rows `P` of
//! `C M_c S_{c+1}` for `Q`, `S_c ← M_c S_{c+1} P†`. Each is a step of subspace iteration at every bond, and
//! the tensors `P` of the last one are the new state. By the sketch alone it is that of Camaño, Epperly,
//! Tropp, arXiv 2504.06475; two sweeps to and fro make it one by singular values. Connected moves on
//! 32 × 32 ±J glasses at β = 1, χ = 4, noise of time 1: acceptance .950 after one, .958 after two (another
//! glass: .965, and .967 by singular values).
//!
//! **Rings.** The bond that closes a row depends on the state `z` of its first site, which every bond then
//! carries: `C[z]` and `S[z]`, summed over `z` in `C M_c S`; `C_0[z][a] = δ(z, a)`, and the vectors behind
//! the last site are `H_0(a, z)`. The state itself has open bonds.
//!
//! The vectors `ω` are the same at all times, so that the state is a function of the weights alone; nothing
//! of a configuration inside the lattice may enter them. Cost a site: `42χ³` multiply-adds, where singular
//! values of matrices of `2χ × 4χ` take ten times that.

use pulp::{Arch, Simd, WithSimd};

use super::factors::{Factors, Vectors};
use super::numbers::{Number, Tensor, WIDTH, empty, get, larger, one, parts, put, zero};
use super::orthonormal::{Block, orthonormalise, rescale, transposed};
use super::room::Room;
use crate::lanes::Float;

/// Sweeps to the right and to the left.
const SWEEPS: usize = 2;

/// Contracts a group from below. Not inlined: the code without vectors is in it, once.
#[inline(never)]
pub(super) fn contract<M: Factors<Q>, const Q: usize, const X: usize>(room: &mut Room<M, Q, X>) {
    Arch::new().dispatch(Contract(room));
}

pub(super) struct Contract<'a, M: Factors<Q>, const Q: usize, const X: usize>(pub &'a mut Room<M, Q, X>);

impl<M: Factors<Q>, const Q: usize, const X: usize> WithSimd for Contract<'_, M, Q, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let room = self.0;
        room.lost = [false; WIDTH];
        // The function 1.
        let first = (room.rows - 1) * room.cols;
        room.tensors[first..].fill(unit());
        for r in (1..room.rows).rev() {
            sketch(simd, room, r);
            for _ in 0..SWEEPS {
                to_the_right(simd, room, r);
                to_the_left(simd, room, r);
            }
            // Whatever is not finite has come to the first tensor.
            let (first, lost) = (&room.tensors[(r - 1) * room.cols], &mut room.lost);
            for i in 0..WIDTH {
                let magnitude = |number: &Number<M::Real>| -> f64 { number.0[i].into().abs() };
                let size: f64 = first.iter().flat_map(|rows| &rows[0]).map(magnitude).sum();
                lost[i] |= !(size > 0.0 && size < f64::INFINITY);
            }
        }
    }
}

/// One for all states, at the first value of each bond.
fn unit<F: Float, const Q: usize, const X: usize>() -> Tensor<F, Q, X> {
    let mut unit = empty();
    (0..Q).for_each(|a| unit[a][0][0] = one());
    unit
}

/// What is to the right of the last column: 1, or `H_0(a, z)`, for the first `vectors` vectors.
#[inline(always)]
fn end<M: Factors<Q>, const Q: usize, const X: usize>(room: &mut Room<M, Q, X>, r: usize, vectors: usize) {
    let (first, rings) = (&room.sites[r * room.cols], room.rings());
    for z in 0..rings {
        room.vectors[z] = empty();
        for a in 0..Q {
            let value = if rings > 1 { first.closing(a, z) } else { one() };
            room.vectors[z][a][0][..vectors].fill(value);
        }
    }
}

/// Products `T·S` with the sketches behind each column of row `r`.
#[inline(always)]
fn sketch<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(simd: S, room: &mut Room<M, Q, X>, r: usize) {
    let (cols, rings) = (room.cols, room.rings());
    end(room, r, X);
    for c in (0..cols).rev() {
        let j = r * cols + c;
        let products = &mut room.products[c * rings..][..rings];
        for v in 0..parts::<M::Real, S>() {
            times::<S, M::Real, Q, X>(simd, v, &room.tensors[j], &room.vectors[..rings], products);
            if c > 0 {
                next_sketch(simd, v, &room.sites[j], &room.favoured[c], products, &mut room.vectors[..rings]);
            }
        }
    }
}

/// The `C` of all columns, from the products `T·S`.
#[inline(always)]
fn to_the_right<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(simd: S, room: &mut Room<M, Q, X>, r: usize) {
    let (cols, rings) = (room.cols, room.rings());
    for z in 0..rings {
        room.carries[z] = unit();
        if rings > 1 {
            (0..Q).filter(|&a| a != z).for_each(|a| room.carries[z][a][0][0] = zero());
        }
    }
    for c in 0..cols - 1 {
        let (j, keep) = (r * cols + c, room.bonds[c + 1]);
        let (before, after) = room.carries.split_at_mut((c + 1) * rings);
        let (before, after) = (&before[c * rings..][..rings], &mut after[..rings]);
        let (site, next) = (&room.sites[j], &room.sites[j + 1]);
        for v in 0..parts::<M::Real, S>() {
            let mut isometry = image(simd, v, site, &room.products[c * rings..][..rings], before);
            orthonormalise::<S, M::Real, Q, X>(simd, &mut isometry, keep, rings > 1);
            push(simd, v, [site, next], &room.tensors[j], &isometry, before, after);
        }
    }
}

/// The new state of row `r − 1` and the products `T·S` with its own vectors, from the `C` of all columns.
#[inline(always)]
fn to_the_left<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(simd: S, room: &mut Room<M, Q, X>, r: usize) {
    let (cols, rings) = (room.cols, room.rings());
    end(room, r, 1);
    for c in (0..cols).rev() {
        let keep = room.bonds[c];
        let (upper, lower) = room.tensors.split_at_mut(r * cols);
        let new = &mut upper[(r - 1) * cols + c];
        let site = &room.sites[r * cols + c];
        let products = &mut room.products[c * rings..][..rings];
        for v in 0..parts::<M::Real, S>() {
            times::<S, M::Real, Q, X>(simd, v, &lower[c], &room.vectors[..rings], products);
            let carries = &room.carries[c * rings..][..rings];
            let mut rows = transposed(&image(simd, v, site, products, carries));
            if keep > 1 {
                orthonormalise::<S, M::Real, Q, X>(simd, &mut rows, keep, rings > 1);
            } else {
                rescale::<S, M::Real, Q, X>(simd, &mut rows[0]);
            }
            for k in 0..X {
                for u in 0..Q {
                    for q in 0..X {
                        put::<M::Real, S>(&mut new[u][k][q], v, rows[k][u][q]);
                    }
                }
            }
            if c > 0 {
                pull(simd, v, site, products, &rows, &mut room.vectors[..rings]);
            }
        }
    }
}

/// `T·S`: `out[z][a][l][k] = Σ_r T[a][l][r] S[z][a][r][k]`.
#[inline(always)]
fn times<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    t: &Tensor<F, Q, X>,
    s: &[Tensor<F, Q, X>],
    out: &mut [Tensor<F, Q, X>],
) {
    for (s, out) in s.iter().zip(out) {
        for a in 0..Q {
            for l in 0..X {
                let mut sum = [F::splat(simd, F::ZERO); X];
                for r in 0..X {
                    let t = get::<F, S>(&t[a][l][r], v);
                    for k in 0..X {
                        sum[k] = F::mul_add(simd, t, get::<F, S>(&s[a][r][k], v), sum[k]);
                    }
                }
                for k in 0..X {
                    put::<F, S>(&mut out[a][l][k], v, sum[k]);
                }
            }
        }
    }
}

/// `S_c[i][l][k] = Σ_a H(i,a) w(a) (Σ_u V(u,a) ω^k(u)) (T·S)[a][l][k]`, each `k` to a scale of its own.
#[inline(always)]
fn next_sketch<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    site: &M,
    favoured: &[Option<usize>; X],
    products: &[Tensor<M::Real, Q, X>],
    out: &mut [Tensor<M::Real, Q, X>],
) {
    for k in 0..X {
        let m = site.sketched(simd, v, favoured[k]);
        let mut max = M::Real::splat(simd, M::Real::TINY);
        for (product, out) in products.iter().zip(&mut *out) {
            for l in 0..X {
                let mut y = m;
                for a in 0..Q {
                    y[a] = M::Real::mul(simd, y[a], get::<M::Real, S>(&product[a][l][k], v));
                }
                let next = site.to_left(simd, v, y);
                for i in 0..Q {
                    max = larger::<M::Real, S>(simd, max, next[i]);
                    put::<M::Real, S>(&mut out[i][l][k], v, next[i]);
                }
            }
        }
        let scale = M::Real::scale(simd, max);
        for out in &mut *out {
            for l in 0..X {
                for i in 0..Q {
                    let number = &mut out[i][l][k];
                    let scaled = M::Real::mul(simd, get::<M::Real, S>(number, v), scale);
                    put::<M::Real, S>(number, v, scaled);
                }
            }
        }
    }
}

/// `C M_c S`: `B[q][u][k] = Σ_a V(u,a) w(a) Σ_{z,l} C[z][a][k][l] (T·S)[z][a][l][q]`.
#[inline(always)]
fn image<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    site: &M,
    products: &[Tensor<M::Real, Q, X>],
    carries: &[Tensor<M::Real, Q, X>],
) -> Block<M::Real, S, Q, X> {
    let zero = M::Real::splat(simd, M::Real::ZERO);
    let mut out = [[[zero; X]; Q]; X];
    for k in 0..X {
        let mut sums = [[zero; X]; Q];
        for (product, carry) in products.iter().zip(carries) {
            for a in 0..Q {
                for l in 0..X {
                    let c = get::<M::Real, S>(&carry[a][k][l], v);
                    for q in 0..X {
                        let y = get::<M::Real, S>(&product[a][l][q], v);
                        sums[a][q] = M::Real::mul_add(simd, c, y, sums[a][q]);
                    }
                }
            }
        }
        for q in 0..X {
            let up = site.up(simd, v, column::<M::Real, S, Q, X>(simd, &sums, q));
            for u in 0..Q {
                out[q][u][k] = up[u];
            }
        }
    }
    out
}

/// The numbers of all states at one value of a bond.
#[inline(always)]
fn column<F: Float, S: Simd, const Q: usize, const X: usize>(
    simd: S,
    sums: &[[F::Vector<S>; X]; Q],
    r: usize,
) -> Vectors<F, S, Q> {
    let mut x = [F::splat(simd, F::ZERO); Q];
    for a in 0..Q {
        x[a] = sums[a][r];
    }
    x
}

/// `C[z][i][q][r] ← Σ_a H(a,i) Σ_k w(a) (Σ_u V(u,a) Q[q][u][k]) Σ_l C[z][a][k][l] T[a][l][r]`,
/// `H` that of the next site.
#[inline(always)]
fn push<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    [site, next]: [&M; 2],
    below: &Tensor<M::Real, Q, X>,
    isometry: &Block<M::Real, S, Q, X>,
    carries: &[Tensor<M::Real, Q, X>],
    out: &mut [Tensor<M::Real, Q, X>],
) {
    let zero = M::Real::splat(simd, M::Real::ZERO);
    let mut max = M::Real::splat(simd, M::Real::TINY);
    for (carry, out) in carries.iter().zip(&mut *out) {
        let mut rows = [[[zero; X]; X]; Q];
        for a in 0..Q {
            for k in 0..X {
                for l in 0..X {
                    let c = get::<M::Real, S>(&carry[a][k][l], v);
                    for r in 0..X {
                        let t = get::<M::Real, S>(&below[a][l][r], v);
                        rows[a][k][r] = M::Real::mul_add(simd, c, t, rows[a][k][r]);
                    }
                }
            }
        }
        for q in 0..X {
            let mut sums = [[zero; X]; Q];
            for k in 0..X {
                let weights = site.down(simd, v, column::<M::Real, S, Q, X>(simd, &isometry[q], k));
                for a in 0..Q {
                    for r in 0..X {
                        sums[a][r] = M::Real::mul_add(simd, weights[a], rows[a][k][r], sums[a][r]);
                    }
                }
            }
            for r in 0..X {
                let carried = next.to_right(simd, v, column::<M::Real, S, Q, X>(simd, &sums, r));
                for i in 0..Q {
                    max = larger::<M::Real, S>(simd, max, carried[i]);
                    put::<M::Real, S>(&mut out[i][q][r], v, carried[i]);
                }
            }
        }
    }
    rescaled::<S, M::Real, Q, X>(simd, v, max, out);
}

/// `S[z][i][l][k] ← Σ_a H(i,a) Σ_q w(a) (Σ_u V(u,a) P[k][u][q]) (T·S)[z][a][l][q]`.
#[inline(always)]
fn pull<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    site: &M,
    products: &[Tensor<M::Real, Q, X>],
    rows: &Block<M::Real, S, Q, X>,
    out: &mut [Tensor<M::Real, Q, X>],
) {
    let zero = M::Real::splat(simd, M::Real::ZERO);
    let mut max = M::Real::splat(simd, M::Real::TINY);
    for (product, out) in products.iter().zip(&mut *out) {
        for k in 0..X {
            let mut sums = [[zero; X]; Q];
            for q in 0..X {
                let weights = site.down(simd, v, column::<M::Real, S, Q, X>(simd, &rows[k], q));
                for a in 0..Q {
                    for l in 0..X {
                        let y = get::<M::Real, S>(&product[a][l][q], v);
                        sums[a][l] = M::Real::mul_add(simd, weights[a], y, sums[a][l]);
                    }
                }
            }
            for l in 0..X {
                let next = site.to_left(simd, v, column::<M::Real, S, Q, X>(simd, &sums, l));
                for i in 0..Q {
                    max = larger::<M::Real, S>(simd, max, next[i]);
                    put::<M::Real, S>(&mut out[i][l][k], v, next[i]);
                }
            }
        }
    }
    rescaled::<S, M::Real, Q, X>(simd, v, max, out);
}

/// Brings tensors with the largest entry `max` to the scale one.
#[inline(always)]
fn rescaled<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    max: F::Vector<S>,
    out: &mut [Tensor<F, Q, X>],
) {
    let scale = F::scale(simd, max);
    for number in out.as_flattened_mut().as_flattened_mut().as_flattened_mut() {
        put::<F, S>(number, v, F::mul(simd, get::<F, S>(number, v), scale));
    }
}
