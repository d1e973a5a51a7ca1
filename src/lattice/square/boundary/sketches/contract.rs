//! The states below all rows of a group.
//!
//! A row of odds applied to the state below it has the tensors
//!
//! ```text
//! M_c[u][(i,l)][(a,r)] = w_c^a t_c^{u⊕a} h_{c−1}^{i⊕a} T_c[a][l][r],
//! ```
//!
//! `u` the state above, `i` the one to the left, `t` and `h` the odds of the bonds above and to the left,
//! `T` the state below. Its range behind each bond is found by contracting the legs `u` to the right of it
//! with `χ` product vectors (a Khatri–Rao sketch),
//!
//! ```text
//! S_c[i][l][k] = Σ_u ∏_{c'≥c} ω_{c'}^k(u_{c'}) · (M_c … M_{w−1})[i][l],
//! ```
//!
//! from the right to the left, and from the left to the right `Q R = C M_c S_{c+1}`, `C ← Q† C M_c`, with `Q`
//! the new tensor. One orthogonalisation of `χ` columns of length `2χ` a site: `12χ³` multiply-adds in all,
//! where the singular values of the same matrices take some thirty times that. After
//! Camaño, Epperly, Tropp, arXiv 2504.06475.

use pulp::{Simd, WithSimd};

use super::room::{Number, ONE, Room, Tensor, WIDTH, empty, get, put, scale};

/// `ω^k = (1 − s/2, 1 + s/2)`.
const EPSILON: f32 = 0.5;
/// Largest part, squared, of a vector that is rounding after all but its components along others have been
/// taken off: some 10⁻⁷ of what there was.
const SPANNED: f32 = 1e-11;
/// What a largest number is compared with to be positive.
const TINY: f32 = 1e-37;

/// Contracts a group from below.
pub(super) struct Contract<'a, const X: usize>(pub &'a mut Room<X>);

impl<const X: usize> WithSimd for Contract<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let room = self.0;
        let (rows, cols) = (room.rows, room.cols);
        room.lost = [false; WIDTH];
        // The function 1.
        for c in 0..cols {
            let mut one = empty();
            (0..2).for_each(|a| one[a][0][0] = ONE);
            room.tensors[(rows - 1) * cols + c] = one;
        }
        for r in (1..rows).rev() {
            let mut sketch = empty();
            (0..2).for_each(|a| sketch[a][0] = [ONE; X]);
            for c in (0..cols).rev() {
                let j = r * cols + c;
                let (below, product) = (&room.tensors[j], &mut room.products[c]);
                for v in 0..WIDTH / S::F32_LANES {
                    times_sketch(simd, v, below, &sketch, product);
                    if c > 0 {
                        let odds = [&room.sites[j], &room.above[j], &room.right[j - 1]];
                        next_sketch(simd, v, odds, signs(r, c), product, &mut sketch);
                    }
                }
            }
            // C with the bond to the left applied: at first the number 1 for both states.
            let mut carry = empty();
            (0..2).for_each(|a| carry[a][0][0] = ONE);
            for c in 0..cols {
                let j = r * cols + c;
                let (keep, last) = (room.bond(c + 1), c + 1 == cols);
                let (upper, lower) = room.tensors.split_at_mut(r * cols);
                let (new, below, product) = (&mut upper[j - cols], &lower[c], &room.products[c]);
                let odds = [&room.sites[j], &room.above[j], &room.right[j]];
                for v in 0..WIDTH / S::F32_LANES {
                    range(simd, v, odds, product, &carry, keep, last, new);
                    if !last {
                        project(simd, v, odds, below, new, &mut carry);
                    }
                }
                if last {
                    check(new, &mut room.lost);
                }
            }
        }
    }
}

/// The signs `s` of the sketches at a site, `χ` of them at most; the first sketch has none.
#[inline(always)]
fn signs(r: usize, c: usize) -> u32 {
    let z = (r as u64) << 32 | c as u64;
    let z = (z ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z >> 40) as u32 & !2
}

/// `T·S`: `out[a][l][k] = Σ_r T[a][l][r] S[a][r][k]`.
#[inline(always)]
fn times_sketch<S: Simd, const X: usize>(simd: S, v: usize, t: &Tensor<X>, s: &Tensor<X>, out: &mut Tensor<X>) {
    for a in 0..2 {
        for l in 0..X {
            let mut sum = [simd.splat_f32s(0.0); X];
            for r in 0..X {
                let t = get::<S>(&t[a][l][r], v);
                for k in 0..X {
                    sum[k] = simd.mul_add_f32s(t, get::<S>(&s[a][r][k], v), sum[k]);
                }
            }
            for k in 0..X {
                put::<S>(&mut out[a][l][k], v, sum[k]);
            }
        }
    }
}

/// `S_c[i][l][k] = Σ_a h^{i⊕a} w^a (Σ_u t^{u⊕a} ω^k(u)) (T·S)[a][l][k]`, each `k` to a scale of its own.
#[inline(always)]
fn next_sketch<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    [w, t, h]: [&Number; 3],
    signs: u32,
    product: &Tensor<X>,
    out: &mut Tensor<X>,
) {
    let (w, t, h) = (get::<S>(w, v), get::<S>(t, v), get::<S>(h, v));
    let one = simd.splat_f32s(1.0);
    let (sum, part) = (simd.add_f32s(one, t), simd.mul_f32s(simd.splat_f32s(EPSILON), simd.sub_f32s(one, t)));
    let pair = [simd.sub_f32s(sum, part), simd.add_f32s(sum, part)];
    for k in 0..X {
        let sign = (signs >> k & 1) as usize;
        let [m0, m1] = if k == 0 { [sum, sum] } else { [pair[sign], pair[1 - sign]] };
        let m1 = simd.mul_f32s(w, m1);
        let mut max = simd.splat_f32s(TINY);
        let mut next = [[simd.splat_f32s(0.0); 2]; X];
        for l in 0..X {
            let (y0, y1) =
                (simd.mul_f32s(m0, get::<S>(&product[0][l][k], v)), simd.mul_f32s(m1, get::<S>(&product[1][l][k], v)));
            next[l] = [simd.mul_add_f32s(h, y1, y0), simd.mul_add_f32s(h, y0, y1)];
            max = simd.max_f32s(max, simd.max_f32s(simd.abs_f32s(next[l][0]), simd.abs_f32s(next[l][1])));
        }
        let scale = scale(simd, max);
        for l in 0..X {
            for i in 0..2 {
                put::<S>(&mut out[i][l][k], v, simd.mul_f32s(next[l][i], scale));
            }
        }
    }
}

/// `B[u][k][q] = Σ_a w^a t^{u⊕a} Σ_l C[a][k][l] (T·S)[a][l][q]`, its first `keep` columns orthonormalised, as
/// the new tensor; in the last column `B` itself, which has one column.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn range<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    [w, t, _]: [&Number; 3],
    product: &Tensor<X>,
    carry: &Tensor<X>,
    keep: usize,
    last: bool,
    out: &mut Tensor<X>,
) {
    let (w, t) = (get::<S>(w, v), get::<S>(t, v));
    let zero = simd.splat_f32s(0.0);
    let mut columns = [[[zero; X]; 2]; X];
    for k in 0..X {
        let mut sums = [[zero; X]; 2];
        for a in 0..2 {
            for l in 0..X {
                let c = get::<S>(&carry[a][k][l], v);
                for q in 0..X {
                    sums[a][q] = simd.mul_add_f32s(c, get::<S>(&product[a][l][q], v), sums[a][q]);
                }
            }
        }
        for q in 0..X {
            let other = simd.mul_f32s(w, sums[1][q]);
            columns[q][0][k] = simd.mul_add_f32s(t, other, sums[0][q]);
            columns[q][1][k] = simd.mul_add_f32s(t, sums[0][q], other);
        }
    }
    if last {
        let max = largest(simd, &columns[0]);
        let scale = scale(simd, max);
        for u in 0..2 {
            for k in 0..X {
                put::<S>(&mut out[u][k][0], v, simd.mul_f32s(columns[0][u][k], scale));
            }
        }
        return;
    }
    // Modified Gram–Schmidt: what is orthogonalised is taken off all later columns at once, and those before
    // are taken off a second time.
    let mut sizes = [zero; X];
    for q in 0..X {
        sizes[q] = dot(simd, &columns[q], &columns[q]);
    }
    for q in 0..X {
        for b in 0..q {
            let (before, own) = columns.split_at_mut(q);
            let overlap = dot(simd, &before[b], &own[0]);
            take_off(simd, overlap, &before[b], &mut own[0]);
        }
        let rest = dot(simd, &columns[q], &columns[q]);
        // Nothing but rounding: the bond has a value less.
        let least = simd.mul_add_f32s(simd.splat_f32s(SPANNED), sizes[q], simd.splat_f32s(TINY));
        let inverse = simd.div_f32s(simd.splat_f32s(1.0), simd.sqrt_f32s(rest));
        let inverse = simd.select_f32s(simd.greater_than_f32s(rest, least), inverse, zero);
        let inverse = if q < keep { inverse } else { zero };
        for u in 0..2 {
            for k in 0..X {
                columns[q][u][k] = simd.mul_f32s(columns[q][u][k], inverse);
                put::<S>(&mut out[u][k][q], v, columns[q][u][k]);
            }
        }
        for p in q + 1..X {
            let (before, later) = columns.split_at_mut(p);
            let overlap = dot(simd, &before[q], &later[0]);
            take_off(simd, overlap, &before[q], &mut later[0]);
        }
    }
}

/// `C[i][q][r] ← Σ_a h^{i⊕a} Σ_k (Σ_u w^a t^{u⊕a} Q[u][k][q]) Σ_l C[a][k][l] T[a][l][r]`.
#[inline(always)]
fn project<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    [w, t, h]: [&Number; 3],
    below: &Tensor<X>,
    isometry: &Tensor<X>,
    carry: &mut Tensor<X>,
) {
    let (w, t, h) = (get::<S>(w, v), get::<S>(t, v), get::<S>(h, v));
    let zero = simd.splat_f32s(0.0);
    let mut rows = [[[zero; X]; X]; 2];
    for a in 0..2 {
        for k in 0..X {
            for l in 0..X {
                let c = get::<S>(&carry[a][k][l], v);
                for r in 0..X {
                    rows[a][k][r] = simd.mul_add_f32s(c, get::<S>(&below[a][l][r], v), rows[a][k][r]);
                }
            }
        }
    }
    let mut max = simd.splat_f32s(TINY);
    for q in 0..X {
        let mut sums = [[zero; X]; 2];
        for k in 0..X {
            let (q0, q1) = (get::<S>(&isometry[0][k][q], v), get::<S>(&isometry[1][k][q], v));
            let weights = [simd.mul_add_f32s(t, q1, q0), simd.mul_f32s(w, simd.mul_add_f32s(t, q0, q1))];
            for a in 0..2 {
                for r in 0..X {
                    sums[a][r] = simd.mul_add_f32s(weights[a], rows[a][k][r], sums[a][r]);
                }
            }
        }
        for r in 0..X {
            let next = [simd.mul_add_f32s(h, sums[1][r], sums[0][r]), simd.mul_add_f32s(h, sums[0][r], sums[1][r])];
            max = simd.max_f32s(max, simd.max_f32s(simd.abs_f32s(next[0]), simd.abs_f32s(next[1])));
            for i in 0..2 {
                put::<S>(&mut carry[i][q][r], v, next[i]);
            }
        }
    }
    let scale = scale(simd, max);
    for number in carry.as_flattened_mut().as_flattened_mut() {
        put::<S>(number, v, simd.mul_f32s(get::<S>(number, v), scale));
    }
}

#[inline(always)]
fn dot<S: Simd, const X: usize>(simd: S, a: &[[S::f32s; X]; 2], b: &[[S::f32s; X]; 2]) -> S::f32s {
    // Two chains: a sum of products waits for itself.
    let mut sums = [simd.splat_f32s(0.0); 2];
    for u in 0..2 {
        for k in 0..X {
            sums[u] = simd.mul_add_f32s(a[u][k], b[u][k], sums[u]);
        }
    }
    simd.add_f32s(sums[0], sums[1])
}

/// `b ← b − overlap · a`.
#[inline(always)]
fn take_off<S: Simd, const X: usize>(simd: S, overlap: S::f32s, a: &[[S::f32s; X]; 2], b: &mut [[S::f32s; X]; 2]) {
    for u in 0..2 {
        for k in 0..X {
            b[u][k] = simd.negate_mul_add_f32s(overlap, a[u][k], b[u][k]);
        }
    }
}

#[inline(always)]
fn largest<S: Simd, const X: usize>(simd: S, a: &[[S::f32s; X]; 2]) -> S::f32s {
    let mut max = simd.splat_f32s(TINY);
    for u in 0..2 {
        for k in 0..X {
            max = simd.max_f32s(max, simd.abs_f32s(a[u][k]));
        }
    }
    max
}

/// Marks the lanes in which the last tensor of a row is zero or not finite, as whatever came before it then
/// makes it.
#[inline(always)]
fn check<const X: usize>(last: &Tensor<X>, lost: &mut [bool; WIDTH]) {
    for i in 0..WIDTH {
        let size: f32 = last.as_flattened().iter().map(|row| row[0].0[i].abs()).sum();
        lost[i] |= !(size > 0.0 && size < f32::INFINITY);
    }
}
