//! Draws and scores of a group under its states.
//!
//! ```text
//! right pass   t_c[a][l] = Σ_r E_c[a][l][r] ρ_c[a][r],     ρ_{c−1}[i][l] = Σ_a H(i,a) w(a) V(u,a) t_c[a][l]
//! left pass    n(a) = w(a) V(u,a) H(i,a) l·t_c[a],         x_c ~ n/Σn,     l ← l E_c[x_c]
//! ```
//!
//! `u` the state above, `i` the one to the left: `3Qχ²` multiply-adds a site. On a ring the right pass is
//! made for each state `z` of the first site, `ρ_last[a] = H_0(a, z)`; the left pass reads that of the state
//! drawn.

use pulp::{Arch, Simd, WithSimd};
use rand::Rng;

use super::super::draws::choice::Walkers;
use super::factors::Factors;
use super::numbers::{Legs, Number, State, States, Tensor, WIDTH, get, larger, one, parts, put, zero};
use super::room::Room;
use crate::lanes::Float;
use crate::rng::Stream;

/// Draws `new`, each lane from a stream of its own; log-probabilities.
pub(super) fn draw<M: Factors<Q>, const Q: usize, const X: usize>(
    room: &mut Room<M, Q, X>,
    stream: impl Fn(usize) -> Stream,
) -> [f64; WIDTH] {
    room.walkers = Walkers::new(|i| {
        let mut stream = stream(i);
        [0; 4].map(|_: u32| stream.next_u32())
    });
    walk(room, false)
}

/// Log-probabilities of `old`.
pub(super) fn score<M: Factors<Q>, const Q: usize, const X: usize>(room: &mut Room<M, Q, X>) -> [f64; WIDTH] {
    room.walkers = Walkers::new(|_| [0; 4]);
    walk(room, true)
}

/// Both, and the logarithms. Not inlined: the code without vectors is in it, once.
#[inline(never)]
fn walk<M: Factors<Q>, const Q: usize, const X: usize>(room: &mut Room<M, Q, X>, given: bool) -> [f64; WIDTH] {
    Arch::new().dispatch(Walk { room: &mut *room, given });
    std::array::from_fn(|i| room.walkers.product.ln(i))
}

/// Draws `new`, or scores `old`: the factors go to the walkers.
struct Walk<'a, M: Factors<Q>, const Q: usize, const X: usize> {
    room: &'a mut Room<M, Q, X>,
    given: bool,
}

impl<M: Factors<Q>, const Q: usize, const X: usize> WithSimd for Walk<'_, M, Q, X> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Walk { room, given } = self;
        let (cols, rings) = (room.cols, room.rings());
        for r in 0..room.rows {
            let sites = &room.sites[r * cols..][..cols];
            let tensors = &room.tensors[r * cols..][..cols];
            let states = if given { &mut room.old } else { &mut room.new };
            let (before, states) = states.split_at_mut(r * cols);
            let before = if r > 0 { Some(&before[(r - 1) * cols..]) } else { None };
            for z in 0..rings {
                for a in 0..Q {
                    room.behind[z][a] = [zero(); X];
                    room.behind[z][a][0] = if rings > 1 { sites[0].closing(a, z) } else { one() };
                }
            }
            for c in (0..cols).rev() {
                let above = before.map(|before| &before[c]);
                let ahead = &mut room.ahead[c * rings..][..rings];
                for v in 0..parts::<M::Real, S>() {
                    from_right(simd, v, &tensors[c], (&sites[c], above, c > 0), &mut room.behind[..rings], ahead);
                }
            }
            let mut vector = [zero(); X];
            vector[0] = one();
            let mut first = states[0];
            for c in 0..cols {
                let above = before.map(|before| &before[c]);
                let left = if c > 0 { Some(states[c - 1]) } else { None };
                let ahead = &room.ahead[c * rings..][..rings];
                let closing = if rings > 1 && c + 1 == cols { Some((&sites[0], &first)) } else { None };
                let (mut g, mut n) = ([zero(); Q], [zero(); Q]);
                for v in 0..parts::<M::Real, S>() {
                    let neighbours = (&sites[c], above, left.as_ref(), closing);
                    weigh(simd, v, neighbours, &vector, (ahead, &first), [&mut g, &mut n]);
                }
                M::choose(&mut room.walkers, simd, [&g, &n], given, &mut states[c]);
                if c == 0 {
                    first = states[0];
                }
                if c + 1 < cols {
                    for v in 0..parts::<M::Real, S>() {
                        advance::<S, M::Real, Q, X>(simd, v, &tensors[c], &states[c], &mut vector);
                    }
                }
            }
        }
    }
}

/// `t` of a column, and `ρ` of the one before it, for each state of the first site of a ring.
#[inline(always)]
fn from_right<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    tensor: &Tensor<M::Real, Q, X>,
    (site, above, more): (&M, Option<&State<M::Real>>, bool),
    behind: &mut [Legs<M::Real, Q, X>],
    out: &mut [Legs<M::Real, Q, X>],
) {
    let g = site.own(simd, v, above);
    let mut max = M::Real::splat(simd, M::Real::TINY);
    for (behind, out) in behind.iter_mut().zip(out) {
        let mut t = [[M::Real::splat(simd, M::Real::ZERO); X]; Q];
        for a in 0..Q {
            for l in 0..X {
                for r in 0..X {
                    let e = get::<M::Real, S>(&tensor[a][l][r], v);
                    t[a][l] = M::Real::mul_add(simd, e, get::<M::Real, S>(&behind[a][r], v), t[a][l]);
                }
                put::<M::Real, S>(&mut out[a][l], v, t[a][l]);
            }
        }
        for l in 0..X {
            let mut y = g;
            for a in 0..Q {
                y[a] = M::Real::mul(simd, g[a], t[a][l]);
            }
            let next = site.to_left(simd, v, y);
            for i in 0..Q {
                max = larger::<M::Real, S>(simd, max, next[i]);
                put::<M::Real, S>(&mut behind[i][l], v, next[i]);
            }
        }
    }
    if more {
        let scale = M::Real::scale(simd, max);
        for number in behind.as_flattened_mut().as_flattened_mut() {
            put::<M::Real, S>(number, v, M::Real::mul(simd, get::<M::Real, S>(number, v), scale));
        }
    }
}

/// What is known of a site when it is drawn: its factors, the states above and to the left, and at the last
/// site of a ring the first one with its state.
type Neighbours<'a, M, F> = (&'a M, Option<&'a State<F>>, Option<&'a State<F>>, Option<(&'a M, &'a State<F>)>);

/// The factors `g(a)` of the states, zero for what is forbidden, and the weights `n(a)`.
#[inline(always)]
fn weigh<S: Simd, M: Factors<Q>, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    (site, above, left, closing): Neighbours<'_, M, M::Real>,
    vector: &[Number<M::Real>; X],
    (ahead, first): (&[Legs<M::Real, Q, X>], &State<M::Real>),
    [allowed, weights]: [&mut States<M::Real, Q>; 2],
) {
    let mut g = site.own(simd, v, above);
    if let Some(left) = left {
        g = site.beside(simd, v, left, g);
    }
    for a in 0..Q {
        let mut sum = M::Real::splat(simd, M::Real::ZERO);
        for l in 0..X {
            let mut t = get::<M::Real, S>(&ahead[0][a][l], v);
            for z in 1..ahead.len() {
                let part = get::<M::Real, S>(&ahead[z][a][l], v);
                if left.is_some() {
                    t = M::Real::select(simd, M::Real::is(simd, first, v, z as u8), part, t);
                } else if z == a {
                    t = part;
                }
            }
            sum = M::Real::mul_add(simd, get::<M::Real, S>(&vector[l], v), t, sum);
        }
        put::<M::Real, S>(&mut weights[a], v, M::Real::mul(simd, g[a], sum));
    }
    // The bond that closes a ring is in `ρ` already.
    if let Some((site, first)) = closing {
        g = site.around(simd, v, first, g);
    }
    for a in 0..Q {
        put::<M::Real, S>(&mut allowed[a], v, g[a]);
    }
}

/// `l ← l E[x]`.
#[inline(always)]
fn advance<S: Simd, F: Float, const Q: usize, const X: usize>(
    simd: S,
    v: usize,
    tensor: &Tensor<F, Q, X>,
    state: &State<F>,
    vector: &mut [Number<F>; X],
) {
    let mut next = [F::splat(simd, F::ZERO); X];
    let mut max = F::splat(simd, F::TINY);
    for l in 0..X {
        let own = get::<F, S>(&vector[l], v);
        for r in 0..X {
            let mut e = get::<F, S>(&tensor[Q - 1][l][r], v);
            for a in 0..Q - 1 {
                e = F::select(simd, F::is(simd, state, v, a as u8), get::<F, S>(&tensor[a][l][r], v), e);
            }
            next[r] = F::mul_add(simd, own, e, next[r]);
        }
    }
    for r in 0..X {
        max = larger::<F, S>(simd, max, next[r]);
    }
    let scale = F::scale(simd, max);
    for r in 0..X {
        put::<F, S>(&mut vector[r], v, F::mul(simd, next[r], scale));
    }
}
