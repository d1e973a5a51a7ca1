//! The states below all rows of a group.
//!
//! A row of odds applied to the state below it has the tensors
//!
//! ```text
//! M_c[u][(i,l)][(a,r)] = w_c^a t_c^{u⊕a} h_{c−1}^{i⊕a} T_c[a][l][r],
//! ```
//!
//! `u` the state above, `i` the one to the left, `t` and `h` the odds of the bonds above and to the left,
//! `T` the state below. The range of what is to the right of each bond is found by contracting its legs `u`
//! with `χ` product vectors, a Khatri–Rao sketch,
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
//! The vectors `ω` are the same at all times, so that the state is a function of the odds alone; nothing
//! of a configuration inside the lattice may enter them. Cost a site: `42χ³` multiply-adds, where singular
//! values of matrices of `2χ × 4χ` take ten times that.

use pulp::{Arch, Simd, WithSimd};

use super::room::{Number, ONE, Room, Tensor, WIDTH, bond, empty, get, put, scale};

/// Sweeps to the right and to the left.
const SWEEPS: usize = 2;
/// `ω^k = (1 − 2s, 1 + 2s)` of signs `s`.
const EPSILON: f32 = 2.0;
/// Largest part, squared, of a vector that is rounding after its components along others have been taken off:
/// some 10⁻⁷ of what there was.
const SPANNED: f32 = 1e-11;
/// What a largest number is compared with to be positive.
const TINY: f32 = 1e-37;

/// `χ` vectors over a state and a bond.
type Vectors<S, const X: usize> = [[[<S as Simd>::f32s; X]; 2]; X];

/// The odds that a site brings in: its own, that of the bond above, and that of the next bond in the
/// direction of the sweep.
type SiteOdds<'a> = [&'a Number; 3];

/// Contracts a group from below.
pub(super) fn contract<const X: usize>(room: &mut Room<X>) {
    Arch::new().dispatch(Contract(room));
}

pub(super) struct Contract<'a, const X: usize>(pub &'a mut Room<X>);

impl<const X: usize> WithSimd for Contract<'_, X> {
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
                let size: f32 = first.iter().flat_map(|rows| &rows[0]).map(|number| number.0[i].abs()).sum();
                lost[i] |= !(size > 0.0 && size < f32::INFINITY);
            }
        }
    }
}

/// One for both states, at the first value of each bond.
fn unit<const X: usize>() -> Tensor<X> {
    let mut one = empty();
    (0..2).for_each(|a| one[a][0][0] = ONE);
    one
}

/// Products `T·S` with the sketches behind each column of row `r`.
#[inline(always)]
fn sketch<S: Simd, const X: usize>(simd: S, room: &mut Room<X>, r: usize) {
    let cols = room.cols;
    let mut vectors = empty();
    (0..2).for_each(|a| vectors[a][0] = [ONE; X]);
    for c in (0..cols).rev() {
        let j = r * cols + c;
        for v in 0..WIDTH / S::F32_LANES {
            times(simd, v, &room.tensors[j], &vectors, &mut room.products[c]);
            if c > 0 {
                let odds = [&room.sites[j], &room.above[j], &room.right[j - 1]];
                next_sketch(simd, v, odds, cols - 1 - c, &room.products[c], &mut vectors);
            }
        }
    }
}

/// The `C` of all columns, from the products `T·S`.
#[inline(always)]
fn to_the_right<S: Simd, const X: usize>(simd: S, room: &mut Room<X>, r: usize) {
    let cols = room.cols;
    room.carries[0] = unit();
    for c in 0..cols - 1 {
        let j = r * cols + c;
        let (before, after) = room.carries.split_at_mut(c + 1);
        let odds = [&room.sites[j], &room.above[j], &room.right[j]];
        for v in 0..WIDTH / S::F32_LANES {
            let mut isometry = image(simd, v, odds, &room.products[c], &before[c]);
            orthonormalise(simd, &mut isometry, bond::<X>(c + 1, cols));
            push(simd, v, odds, &room.tensors[j], &isometry, &before[c], &mut after[0]);
        }
    }
}

/// The new state of row `r − 1` and the products `T·S` with its own vectors, from the `C` of all columns.
#[inline(always)]
fn to_the_left<S: Simd, const X: usize>(simd: S, room: &mut Room<X>, r: usize) {
    let cols = room.cols;
    let (upper, lower) = room.tensors.split_at_mut(r * cols);
    let new = &mut upper[(r - 1) * cols..];
    let mut vectors = unit();
    for c in (0..cols).rev() {
        let j = r * cols + c;
        let odds = [&room.sites[j], &room.above[j], &room.right[j.max(1) - 1]];
        for v in 0..WIDTH / S::F32_LANES {
            times(simd, v, &lower[c], &vectors, &mut room.products[c]);
            let mut rows = transposed(&image(simd, v, odds, &room.products[c], &room.carries[c]));
            let keep = bond::<X>(c, cols);
            if keep > 1 {
                orthonormalise(simd, &mut rows, keep);
            } else {
                rescale(simd, &mut rows[0]);
            }
            for k in 0..X {
                for u in 0..2 {
                    for q in 0..X {
                        put::<S>(&mut new[c][u][k][q], v, rows[k][u][q]);
                    }
                }
            }
            if c > 0 {
                pull(simd, v, odds, &room.products[c], &rows, &mut vectors);
            }
        }
    }
}

/// The sign `s` of sketch `k` at a site with so many behind it: the bits of `k` in turn, so that sketches
/// differ on any few sites side by side, and the first `2^m` of them on the last `m`. (Random signs agree
/// here and there on the sites that decide, and a sweep finds nothing that is in no sketch.)
#[inline(always)]
fn sign<const X: usize>(k: usize, behind: usize) -> usize {
    let bits = X.ilog2().max(1) as usize;
    k >> (behind % bits) & 1
}

/// `T·S`: `out[a][l][k] = Σ_r T[a][l][r] S[a][r][k]`.
#[inline(always)]
fn times<S: Simd, const X: usize>(simd: S, v: usize, t: &Tensor<X>, s: &Tensor<X>, out: &mut Tensor<X>) {
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
    odds: SiteOdds<'_>,
    behind: usize,
    product: &Tensor<X>,
    out: &mut Tensor<X>,
) {
    let [w, t, h] = odds.map(|odds| get::<S>(odds, v));
    let one = simd.splat_f32s(1.0);
    let (sum, part) = (simd.add_f32s(one, t), simd.mul_f32s(simd.splat_f32s(EPSILON), simd.sub_f32s(one, t)));
    let pair = [simd.sub_f32s(sum, part), simd.add_f32s(sum, part)];
    for k in 0..X {
        // The first is the sum over all states.
        let sign = sign::<X>(k, behind);
        let [m0, m1] = if k == 0 { [sum, sum] } else { [pair[sign], pair[1 - sign]] };
        let m1 = simd.mul_f32s(w, m1);
        let mut max = simd.splat_f32s(TINY);
        let mut next = [[simd.splat_f32s(0.0); 2]; X];
        for l in 0..X {
            let y0 = simd.mul_f32s(m0, get::<S>(&product[0][l][k], v));
            let y1 = simd.mul_f32s(m1, get::<S>(&product[1][l][k], v));
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

/// `C M_c S`: `B[q][u][k] = Σ_a w^a t^{u⊕a} Σ_l C[a][k][l] (T·S)[a][l][q]`.
#[inline(always)]
fn image<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    [w, t, _]: SiteOdds<'_>,
    product: &Tensor<X>,
    carry: &Tensor<X>,
) -> Vectors<S, X> {
    let (w, t) = (get::<S>(w, v), get::<S>(t, v));
    let zero = simd.splat_f32s(0.0);
    let mut out = [[[zero; X]; 2]; X];
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
            out[q][0][k] = simd.mul_add_f32s(t, other, sums[0][q]);
            out[q][1][k] = simd.mul_add_f32s(t, sums[0][q], other);
        }
    }
    out
}

/// Exchanges the index of the vectors and that of the bond.
#[inline(always)]
fn transposed<F: Copy, const X: usize>(vectors: &[[[F; X]; 2]; X]) -> [[[F; X]; 2]; X] {
    let mut out = *vectors;
    for k in 0..X {
        for u in 0..2 {
            for q in 0..X {
                out[k][u][q] = vectors[q][u][k];
            }
        }
    }
    out
}

/// The first `keep` vectors orthonormalised, those that the ones before span and all others zero.
#[inline(always)]
fn orthonormalise<S: Simd, const X: usize>(simd: S, vectors: &mut Vectors<S, X>, keep: usize) {
    let zero = simd.splat_f32s(0.0);
    let mut sizes = [zero; X];
    for q in 0..X {
        sizes[q] = dot(simd, &vectors[q], &vectors[q]);
    }
    // Modified Gram–Schmidt: what is orthonormal is taken off all later vectors at once, and a second time
    // off each before it is made so itself.
    for q in 0..X {
        for b in 0..q {
            let (before, own) = vectors.split_at_mut(q);
            take_off(simd, &before[b], &mut own[0]);
        }
        let rest = dot(simd, &vectors[q], &vectors[q]);
        let least = simd.mul_add_f32s(simd.splat_f32s(SPANNED), sizes[q], simd.splat_f32s(TINY));
        let inverse = simd.div_f32s(simd.splat_f32s(1.0), simd.sqrt_f32s(rest));
        let inverse = simd.select_f32s(simd.greater_than_f32s(rest, least), inverse, zero);
        let inverse = if q < keep { inverse } else { zero };
        for u in 0..2 {
            for k in 0..X {
                vectors[q][u][k] = simd.mul_f32s(vectors[q][u][k], inverse);
            }
        }
        for p in q + 1..X {
            let (before, later) = vectors.split_at_mut(p);
            take_off(simd, &before[q], &mut later[0]);
        }
    }
}

/// `C[i][q][r] ← Σ_a h^{i⊕a} Σ_k (Σ_u w^a t^{u⊕a} Q[q][u][k]) Σ_l C[a][k][l] T[a][l][r]`.
#[inline(always)]
fn push<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    odds: SiteOdds<'_>,
    below: &Tensor<X>,
    isometry: &Vectors<S, X>,
    carry: &Tensor<X>,
    out: &mut Tensor<X>,
) {
    let [w, t, h] = odds.map(|odds| get::<S>(odds, v));
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
            let (q0, q1) = (isometry[q][0][k], isometry[q][1][k]);
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
                put::<S>(&mut out[i][q][r], v, next[i]);
            }
        }
    }
    rescaled(simd, v, max, out);
}

/// `S[i][l][k] ← Σ_a h^{i⊕a} Σ_q (Σ_u w^a t^{u⊕a} P[k][u][q]) (T·S)[a][l][q]`.
#[inline(always)]
fn pull<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    odds: SiteOdds<'_>,
    product: &Tensor<X>,
    rows: &Vectors<S, X>,
    out: &mut Tensor<X>,
) {
    let [w, t, h] = odds.map(|odds| get::<S>(odds, v));
    let zero = simd.splat_f32s(0.0);
    let mut max = simd.splat_f32s(TINY);
    for k in 0..X {
        let mut sums = [[zero; X]; 2];
        for q in 0..X {
            let (q0, q1) = (rows[k][0][q], rows[k][1][q]);
            let weights = [simd.mul_add_f32s(t, q1, q0), simd.mul_f32s(w, simd.mul_add_f32s(t, q0, q1))];
            for a in 0..2 {
                for l in 0..X {
                    sums[a][l] = simd.mul_add_f32s(weights[a], get::<S>(&product[a][l][q], v), sums[a][l]);
                }
            }
        }
        for l in 0..X {
            let next = [simd.mul_add_f32s(h, sums[1][l], sums[0][l]), simd.mul_add_f32s(h, sums[0][l], sums[1][l])];
            max = simd.max_f32s(max, simd.max_f32s(simd.abs_f32s(next[0]), simd.abs_f32s(next[1])));
            for i in 0..2 {
                put::<S>(&mut out[i][l][k], v, next[i]);
            }
        }
    }
    rescaled(simd, v, max, out);
}

/// Brings a tensor with the largest entry `max` to the scale one.
#[inline(always)]
fn rescaled<S: Simd, const X: usize>(simd: S, v: usize, max: S::f32s, out: &mut Tensor<X>) {
    let scale = scale(simd, max);
    for number in out.as_flattened_mut().as_flattened_mut() {
        put::<S>(number, v, simd.mul_f32s(get::<S>(number, v), scale));
    }
}

/// The same for a single vector.
#[inline(always)]
fn rescale<S: Simd, const X: usize>(simd: S, vector: &mut [[S::f32s; X]; 2]) {
    let mut max = simd.splat_f32s(TINY);
    for u in 0..2 {
        for k in 0..X {
            max = simd.max_f32s(max, simd.abs_f32s(vector[u][k]));
        }
    }
    let scale = scale(simd, max);
    for u in 0..2 {
        for k in 0..X {
            vector[u][k] = simd.mul_f32s(vector[u][k], scale);
        }
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

/// `b ← b − (a·b) a`.
#[inline(always)]
fn take_off<S: Simd, const X: usize>(simd: S, a: &[[S::f32s; X]; 2], b: &mut [[S::f32s; X]; 2]) {
    let overlap = dot(simd, a, b);
    for u in 0..2 {
        for k in 0..X {
            b[u][k] = simd.negate_mul_add_f32s(overlap, a[u][k], b[u][k]);
        }
    }
}
