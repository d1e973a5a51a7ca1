//! What a site brings into the contraction, a model in each lane: its weights `w(a)`, the bond `V(u, a)` to
//! state `u` above and the bond `H(i, a)` to state `i` to the left.

use pulp::Simd;

use super::super::draws::choice::Walkers;
use super::numbers::{Number, State, States, WIDTH, get, one, zero};
use crate::lanes::Float;

/// Vectors of a number for each state.
pub(super) type Vectors<F, S, const Q: usize> = [<F as Float>::Vector<S>; Q];

/// `ω^k = 1 + ε(Q δ(u, s) − 1)` of states `s`.
const EPSILON: f64 = 2.0;

/// The factors of a site of `Q` states.
pub(super) trait Factors<const Q: usize>: Copy + Send + Sync {
    type Real: Float;
    /// Whether rows may be closed. Where not, there are no loops over the parts of rings: a tenth of a
    /// contraction at χ = 4.
    const RINGS: bool;
    /// All of them one.
    const NONE: Self;

    /// `y_u = Σ_a V(u, a) w(a) x_a`.
    fn up<S: Simd>(&self, simd: S, v: usize, x: Vectors<Self::Real, S, Q>) -> Vectors<Self::Real, S, Q>;
    /// `y_a = w(a) Σ_u V(u, a) x_u`.
    fn down<S: Simd>(&self, simd: S, v: usize, x: Vectors<Self::Real, S, Q>) -> Vectors<Self::Real, S, Q>;
    /// `y_i = Σ_a H(i, a) x_a`.
    fn to_left<S: Simd>(&self, simd: S, v: usize, x: Vectors<Self::Real, S, Q>) -> Vectors<Self::Real, S, Q>;
    /// `y_a = Σ_i H(i, a) x_i`.
    fn to_right<S: Simd>(&self, simd: S, v: usize, x: Vectors<Self::Real, S, Q>) -> Vectors<Self::Real, S, Q>;
    /// `y_a = w(a) Σ_u V(u, a) ω(u)` of the vector that favours state `s`, or of the sum over all `u`.
    fn sketched<S: Simd>(&self, simd: S, v: usize, favoured: Option<usize>) -> Vectors<Self::Real, S, Q>;

    /// `w(a) V(u, a)` of the states above, or `w(a)`.
    fn own<S: Simd>(&self, simd: S, v: usize, above: Option<&State<Self::Real>>) -> Vectors<Self::Real, S, Q>;
    /// `g(a) H(i, a)` of the states to the left: positive where both factors are.
    fn beside<S: Simd>(
        &self,
        simd: S,
        v: usize,
        left: &State<Self::Real>,
        g: Vectors<Self::Real, S, Q>,
    ) -> Vectors<Self::Real, S, Q>;
    /// `g(i) H(i, a)`, the last site of a ring and the first one, which is known.
    fn around<S: Simd>(
        &self,
        simd: S,
        v: usize,
        first: &State<Self::Real>,
        g: Vectors<Self::Real, S, Q>,
    ) -> Vectors<Self::Real, S, Q>;
    /// `H(i, z)` of the bond that closes a ring, with its site.
    fn closing(&self, i: usize, z: usize) -> Number<Self::Real>;

    /// Draws (or scores `chosen`) one of the states with weights `n(a)` of any sign, where `g(a) > 0`.
    fn choose<S: Simd>(
        walkers: &mut Walkers<WIDTH>,
        simd: S,
        weights: [&States<Self::Real, Q>; 2],
        given: bool,
        chosen: &mut State<Self::Real>,
    );
}

/// Odds of two states: `w = (1, w)`, bonds `(1, t; t, 1)`, in single precision, of open rows or of any.
#[derive(Clone, Copy)]
pub(super) struct Spin<const RINGS: bool> {
    pub site: Number<f32>,
    pub above: Number<f32>,
    pub left: Number<f32>,
}

/// `(x_0 + t x_1, t x_0 + x_1)`.
#[inline(always)]
fn mixed<S: Simd>(simd: S, t: S::f32s, [x0, x1]: [S::f32s; 2]) -> [S::f32s; 2] {
    [simd.mul_add_f32s(t, x1, x0), simd.mul_add_f32s(t, x0, x1)]
}

/// `(g_0, g_1)` times `(1, t)`, or `(t, 1)` beside state one.
#[inline(always)]
fn met<S: Simd>(simd: S, v: usize, t: S::f32s, state: &State<f32>, [g0, g1]: [S::f32s; 2]) -> [S::f32s; 2] {
    let (one, down) = (simd.splat_f32s(1.0), f32::is(simd, state, v, 0));
    let (same, other) = (simd.select_f32s(down, one, t), simd.select_f32s(down, t, one));
    [simd.mul_f32s(g0, same), simd.mul_f32s(g1, other)]
}

impl<const RINGS: bool> Factors<2> for Spin<RINGS> {
    type Real = f32;
    const RINGS: bool = RINGS;
    const NONE: Self = Spin { site: one(), above: one(), left: one() };

    #[inline(always)]
    fn up<S: Simd>(&self, simd: S, v: usize, [x0, x1]: [S::f32s; 2]) -> [S::f32s; 2] {
        let x1 = simd.mul_f32s(get::<f32, S>(&self.site, v), x1);
        mixed(simd, get::<f32, S>(&self.above, v), [x0, x1])
    }

    #[inline(always)]
    fn down<S: Simd>(&self, simd: S, v: usize, x: [S::f32s; 2]) -> [S::f32s; 2] {
        let [y0, y1] = mixed(simd, get::<f32, S>(&self.above, v), x);
        [y0, simd.mul_f32s(get::<f32, S>(&self.site, v), y1)]
    }

    #[inline(always)]
    fn to_left<S: Simd>(&self, simd: S, v: usize, x: [S::f32s; 2]) -> [S::f32s; 2] {
        mixed(simd, get::<f32, S>(&self.left, v), x)
    }

    #[inline(always)]
    fn to_right<S: Simd>(&self, simd: S, v: usize, x: [S::f32s; 2]) -> [S::f32s; 2] {
        self.to_left(simd, v, x)
    }

    #[inline(always)]
    fn sketched<S: Simd>(&self, simd: S, v: usize, favoured: Option<usize>) -> [S::f32s; 2] {
        let (one, t) = (simd.splat_f32s(1.0), get::<f32, S>(&self.above, v));
        let (sum, part) =
            (simd.add_f32s(one, t), simd.mul_f32s(simd.splat_f32s(EPSILON as f32), simd.sub_f32s(one, t)));
        let [y0, y1] = match favoured {
            None => [sum, sum],
            Some(0) => [simd.add_f32s(sum, part), simd.sub_f32s(sum, part)],
            _ => [simd.sub_f32s(sum, part), simd.add_f32s(sum, part)],
        };
        [y0, simd.mul_f32s(get::<f32, S>(&self.site, v), y1)]
    }

    #[inline(always)]
    fn own<S: Simd>(&self, simd: S, v: usize, above: Option<&State<f32>>) -> [S::f32s; 2] {
        let g = [simd.splat_f32s(1.0), get::<f32, S>(&self.site, v)];
        above.map_or(g, |state| met(simd, v, get::<f32, S>(&self.above, v), state, g))
    }

    #[inline(always)]
    fn beside<S: Simd>(&self, simd: S, v: usize, left: &State<f32>, g: [S::f32s; 2]) -> [S::f32s; 2] {
        met(simd, v, get::<f32, S>(&self.left, v), left, g)
    }

    /// Everything is allowed.
    #[inline(always)]
    fn around<S: Simd>(&self, _: S, _: usize, _: &State<f32>, g: [S::f32s; 2]) -> [S::f32s; 2] {
        g
    }

    fn closing(&self, i: usize, z: usize) -> Number<f32> {
        if i == z { one() } else { self.left }
    }

    #[inline(always)]
    fn choose<S: Simd>(
        walkers: &mut Walkers<WIDTH>,
        simd: S,
        [_, n]: [&States<f32, 2>; 2],
        given: bool,
        chosen: &mut State<f32>,
    ) {
        walkers.either(simd, [&n[0], &n[1]], given, chosen);
    }
}

/// Tables of `Q` states, zeros among them, in double precision.
#[derive(Clone, Copy)]
pub(super) struct Tables<const Q: usize> {
    pub site: [Number<f64>; Q],
    /// The state above, or to the left, first.
    pub above: [[Number<f64>; Q]; Q],
    pub left: [[Number<f64>; Q]; Q],
}

/// `y_i = Σ_a M(i, a) x_a`.
#[inline(always)]
fn product<S: Simd, const Q: usize>(
    simd: S,
    v: usize,
    matrix: &[[Number<f64>; Q]; Q],
    x: [S::f64s; Q],
) -> [S::f64s; Q] {
    let mut y = [simd.splat_f64s(0.0); Q];
    for i in 0..Q {
        for a in 0..Q {
            y[i] = simd.mul_add_f64s(get::<f64, S>(&matrix[i][a], v), x[a], y[i]);
        }
    }
    y
}

/// `y_a = Σ_i M(i, a) x_i`.
#[inline(always)]
fn transposed<S: Simd, const Q: usize>(
    simd: S,
    v: usize,
    matrix: &[[Number<f64>; Q]; Q],
    x: [S::f64s; Q],
) -> [S::f64s; Q] {
    let mut y = [simd.splat_f64s(0.0); Q];
    for i in 0..Q {
        for a in 0..Q {
            y[a] = simd.mul_add_f64s(get::<f64, S>(&matrix[i][a], v), x[i], y[a]);
        }
    }
    y
}

/// `g h`, positive where both are.
#[inline(always)]
fn allowed<S: Simd>(simd: S, g: S::f64s, h: S::f64s) -> S::f64s {
    let product = simd.max_f64s(simd.mul_f64s(g, h), simd.splat_f64s(f64::MIN_POSITIVE));
    let zero = simd.splat_f64s(0.0);
    simd.select_f64s(simd.greater_than_f64s(simd.min_f64s(g, h), zero), product, zero)
}

impl<const Q: usize> Tables<Q> {
    /// `w(a) x_a`.
    #[inline(always)]
    fn weighed<S: Simd>(&self, simd: S, v: usize, mut x: [S::f64s; Q]) -> [S::f64s; Q] {
        for a in 0..Q {
            x[a] = simd.mul_f64s(get::<f64, S>(&self.site[a], v), x[a]);
        }
        x
    }
}

impl<const Q: usize> Factors<Q> for Tables<Q> {
    type Real = f64;
    const RINGS: bool = true;
    const NONE: Self = Tables { site: [one(); Q], above: [[one(); Q]; Q], left: [[one(); Q]; Q] };

    #[inline(always)]
    fn up<S: Simd>(&self, simd: S, v: usize, x: [S::f64s; Q]) -> [S::f64s; Q] {
        product(simd, v, &self.above, self.weighed(simd, v, x))
    }

    #[inline(always)]
    fn down<S: Simd>(&self, simd: S, v: usize, x: [S::f64s; Q]) -> [S::f64s; Q] {
        self.weighed(simd, v, transposed(simd, v, &self.above, x))
    }

    #[inline(always)]
    fn to_left<S: Simd>(&self, simd: S, v: usize, x: [S::f64s; Q]) -> [S::f64s; Q] {
        product(simd, v, &self.left, x)
    }

    #[inline(always)]
    fn to_right<S: Simd>(&self, simd: S, v: usize, x: [S::f64s; Q]) -> [S::f64s; Q] {
        transposed(simd, v, &self.left, x)
    }

    #[inline(always)]
    fn sketched<S: Simd>(&self, simd: S, v: usize, favoured: Option<usize>) -> [S::f64s; Q] {
        let others = if favoured.is_some() { 1.0 - EPSILON } else { 1.0 };
        let mut omega = [simd.splat_f64s(others); Q];
        if let Some(s) = favoured {
            omega[s] = simd.splat_f64s(others + EPSILON * Q as f64);
        }
        self.down(simd, v, omega)
    }

    #[inline(always)]
    fn own<S: Simd>(&self, simd: S, v: usize, above: Option<&State<f64>>) -> [S::f64s; Q] {
        let mut g = [simd.splat_f64s(0.0); Q];
        for a in 0..Q {
            g[a] = get::<f64, S>(&self.site[a], v);
        }
        let Some(state) = above else { return g };
        for a in 0..Q {
            let mut table = get::<f64, S>(&self.above[0][a], v);
            for u in 1..Q {
                let here = f64::is(simd, state, v, u as u8);
                table = simd.select_f64s(here, get::<f64, S>(&self.above[u][a], v), table);
            }
            g[a] = allowed(simd, g[a], table);
        }
        g
    }

    #[inline(always)]
    fn beside<S: Simd>(&self, simd: S, v: usize, left: &State<f64>, mut g: [S::f64s; Q]) -> [S::f64s; Q] {
        for a in 0..Q {
            let mut table = get::<f64, S>(&self.left[0][a], v);
            for i in 1..Q {
                let here = f64::is(simd, left, v, i as u8);
                table = simd.select_f64s(here, get::<f64, S>(&self.left[i][a], v), table);
            }
            g[a] = allowed(simd, g[a], table);
        }
        g
    }

    #[inline(always)]
    fn around<S: Simd>(&self, simd: S, v: usize, first: &State<f64>, mut g: [S::f64s; Q]) -> [S::f64s; Q] {
        for i in 0..Q {
            let mut table = get::<f64, S>(&self.left[i][0], v);
            for z in 1..Q {
                let here = f64::is(simd, first, v, z as u8);
                table = simd.select_f64s(here, get::<f64, S>(&self.left[i][z], v), table);
            }
            g[i] = allowed(simd, g[i], table);
        }
        g
    }

    fn closing(&self, i: usize, z: usize) -> Number<f64> {
        self.left[i][z]
    }

    #[inline(always)]
    fn choose<S: Simd>(
        walkers: &mut Walkers<WIDTH>,
        simd: S,
        [g, n]: [&States<f64, Q>; 2],
        given: bool,
        chosen: &mut State<f64>,
    ) {
        // What is allowed stays allowed, however unlikely.
        let mut odds = [zero(); Q];
        for a in 0..Q {
            for i in 0..WIDTH {
                odds[a].0[i] = if g[a].0[i] > 0.0 { n[a].0[i].max(f64::MIN_POSITIVE) } else { 0.0 };
            }
        }
        walkers.one_in_double(simd, &odds, given, chosen);
    }
}
