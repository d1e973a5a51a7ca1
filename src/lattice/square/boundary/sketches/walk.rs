//! Draws and scores of a group under its states.
//!
//! ```text
//! right pass   t_c[a][l] = Σ_r E_c[a][l][r] ρ_c[a][r],     ρ_{c−1}[i][l] = Σ_a h^{i⊕a} w^a t^{u⊕a} t_c[a][l]
//! left pass    n(a) = w^a t^{u⊕a} h^{i⊕a} l·t_c[a],        x_c ~ n/Σn,     l ← l E_c[x_c]
//! ```
//!
//! `u` the state above, `i` the one to the left: `6χ²` multiply-adds a site.

use pulp::{Arch, Simd, WithSimd};
use rand::Rng;

use super::super::draws::choice::Walkers;
use super::room::{DOWN, Number, ONE, Room, State, Tensor, WIDTH, ZERO, get, put, scale};
use crate::lanes::words;
use crate::rng::Stream;

/// What a largest number is compared with to be positive.
const TINY: f32 = 1e-37;

/// Draws `new`, each lane from a stream of its own; log-probabilities.
pub(super) fn draw<const X: usize>(room: &mut Room<X>, stream: impl Fn(usize) -> Stream) -> [f64; WIDTH] {
    room.walkers = Walkers::new(|i| {
        let mut stream = stream(i);
        [0; 4].map(|_: u32| stream.next_u32())
    });
    Arch::new().dispatch(Walk { room, given: false });
    std::array::from_fn(|i| room.walkers.product.ln(i))
}

/// Log-probabilities of `old`.
pub(super) fn score<const X: usize>(room: &mut Room<X>) -> [f64; WIDTH] {
    room.walkers = Walkers::new(|_| [0; 4]);
    Arch::new().dispatch(Walk { room, given: true });
    std::array::from_fn(|i| room.walkers.product.ln(i))
}

/// Draws `new`, or scores `old`: the factors go to the walkers.
struct Walk<'a, const X: usize> {
    room: &'a mut Room<X>,
    given: bool,
}

impl<const X: usize> WithSimd for Walk<'_, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Walk { room, given } = self;
        let cols = room.cols;
        let mut ones = [[ZERO; X]; 2];
        (0..2).for_each(|a| ones[a][0] = ONE);
        for r in 0..room.rows {
            let (sites, above, right) = (&room.sites[r * cols..], &room.above[r * cols..], &room.right[r * cols..]);
            let tensors = &room.tensors[r * cols..][..cols];
            let states = if given { &mut room.old } else { &mut room.new };
            let (before, states) = states.split_at_mut(r * cols);
            let before = if r > 0 { Some(&before[(r - 1) * cols..]) } else { None };
            let mut behind = ones;
            for c in (0..cols).rev() {
                let up = before.map(|before| (&before[c], &above[c]));
                let left = if c > 0 { Some(&right[c - 1]) } else { None };
                for v in 0..WIDTH / S::F32_LANES {
                    from_right(simd, v, &tensors[c], &sites[c], up, left, &mut behind, &mut room.ahead[c]);
                }
            }
            let mut vector = ones[0];
            for c in 0..cols {
                let up = before.map(|before| (&before[c], &above[c]));
                let left = if c > 0 { Some((states[c - 1], &right[c - 1])) } else { None };
                let mut n = [ZERO; 2];
                for v in 0..WIDTH / S::F32_LANES {
                    weigh(simd, v, &sites[c], up, left, &vector, &room.ahead[c], &mut n);
                }
                room.walkers.either(simd, [&n[0], &n[1]], given, &mut states[c]);
                if c + 1 < cols {
                    for v in 0..WIDTH / S::F32_LANES {
                        advance(simd, v, &tensors[c], &states[c], &mut vector);
                    }
                }
            }
        }
    }
}

/// `w^a t^{u⊕a}` of both states.
#[inline(always)]
fn own<S: Simd>(simd: S, v: usize, w: &Number, up: Option<(&State, &Number)>) -> [S::f32s; 2] {
    let (one, w) = (simd.splat_f32s(1.0), get::<S>(w, v));
    let Some((state, t)) = up else { return [one, w] };
    let (down, t) = (simd.equal_u32s(words::<S>(state)[v], simd.splat_u32s(0)), get::<S>(t, v));
    [simd.select_f32s(down, one, t), simd.mul_f32s(w, simd.select_f32s(down, t, one))]
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn from_right<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    tensor: &Tensor<X>,
    w: &Number,
    up: Option<(&State, &Number)>,
    left: Option<&Number>,
    behind: &mut [[Number; X]; 2],
    out: &mut [[Number; X]; 2],
) {
    let mut t = [[simd.splat_f32s(0.0); X]; 2];
    for a in 0..2 {
        for l in 0..X {
            for r in 0..X {
                t[a][l] = simd.mul_add_f32s(get::<S>(&tensor[a][l][r], v), get::<S>(&behind[a][r], v), t[a][l]);
            }
            put::<S>(&mut out[a][l], v, t[a][l]);
        }
    }
    let Some(h) = left else { return };
    let (g, h) = (own(simd, v, w, up), get::<S>(h, v));
    let mut max = simd.splat_f32s(TINY);
    let mut next = [[simd.splat_f32s(0.0); 2]; X];
    for l in 0..X {
        let (y0, y1) = (simd.mul_f32s(g[0], t[0][l]), simd.mul_f32s(g[1], t[1][l]));
        next[l] = [simd.mul_add_f32s(h, y1, y0), simd.mul_add_f32s(h, y0, y1)];
        max = simd.max_f32s(max, simd.max_f32s(simd.abs_f32s(next[l][0]), simd.abs_f32s(next[l][1])));
    }
    let scale = scale(simd, max);
    for l in 0..X {
        for i in 0..2 {
            put::<S>(&mut behind[i][l], v, simd.mul_f32s(next[l][i], scale));
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn weigh<S: Simd, const X: usize>(
    simd: S,
    v: usize,
    w: &Number,
    up: Option<(&State, &Number)>,
    left: Option<(State, &Number)>,
    vector: &[Number; X],
    ahead: &[[Number; X]; 2],
    n: &mut [Number; 2],
) {
    let g = own(simd, v, w, up);
    let g = match left {
        None => g,
        Some((state, h)) => {
            let one = get::<S>(&ONE, v);
            let (down, h) = (simd.equal_u32s(words::<S>(&state)[v], words::<S>(&DOWN)[v]), get::<S>(h, v));
            let (same, other) = (simd.select_f32s(down, one, h), simd.select_f32s(down, h, one));
            [simd.mul_f32s(g[0], same), simd.mul_f32s(g[1], other)]
        }
    };
    for a in 0..2 {
        let mut sum = simd.splat_f32s(0.0);
        for l in 0..X {
            sum = simd.mul_add_f32s(get::<S>(&vector[l], v), get::<S>(&ahead[a][l], v), sum);
        }
        put::<S>(&mut n[a], v, simd.mul_f32s(g[a], sum));
    }
}

/// `l ← l E[x]`.
#[inline(always)]
fn advance<S: Simd, const X: usize>(simd: S, v: usize, tensor: &Tensor<X>, state: &State, vector: &mut [Number; X]) {
    let down = simd.equal_u32s(words::<S>(state)[v], simd.splat_u32s(0));
    let mut next = [simd.splat_f32s(0.0); X];
    let mut max = simd.splat_f32s(TINY);
    for l in 0..X {
        let own = get::<S>(&vector[l], v);
        for r in 0..X {
            let e = simd.select_f32s(down, get::<S>(&tensor[0][l][r], v), get::<S>(&tensor[1][l][r], v));
            next[r] = simd.mul_add_f32s(own, e, next[r]);
        }
    }
    for r in 0..X {
        max = simd.max_f32s(max, simd.abs_f32s(next[r]));
    }
    let scale = scale(simd, max);
    for r in 0..X {
        put::<S>(&mut vector[r], v, simd.mul_f32s(next[r], scale));
    }
}
