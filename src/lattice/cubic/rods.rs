//! Exact redraw of a window of cross-section `a × b` in lanes: forward filtering, backward sampling, site by
//! site.
//!
//! Sites `k = 0, 1, …` of the window run through its slices one after the other. Given the states `f` of the
//! last `ab` sites before site `k`, the frontier, everything from site `k` on has the weight
//!
//! ```text
//! R_k(f) = Σ_s w_k(s|f) R_{k+1}(f'),        R_end = 1,
//! ```
//!
//! `w_k` the field of all neighbours outside and the bonds to the up to five earlier neighbours, all of which
//! are in the frontier; `f'` is `f` with the oldest state, that of the same place in the slice before, replaced
//! by `s`. Drawn is from the first site on, with `P(s) ∝ w_k(s|f) R_{k+1}(f')`: two entries of the stored
//! vectors. The cost is `2·2^{ab}` multiply-adds a site whatever the cross-section.
//!
//! **Exactness.** Single precision makes the law `q` drawn from differ from the conditional law by some 10⁻⁷ a
//! site. It is drawn from thresholds of 32 random bits, so that `q` is known to the last digit for the new
//! and for the old states, and the window is accepted with
//!
//! ```text
//! min(1, e^{β ΔΣ(J s s + h s)} q(old) / q(new))
//! ```
//!
//! in double precision: the law stays invariant whatever was rounded or has underflown.

use pulp::{Arch, Simd, WithSimd};

use super::geometry::Cubic;
use super::ising::bond_start;
use super::lanes::{CubicLanes, WIDTH};
use super::window::{Place, Section, Window};
use crate::lanes::{Lane, LaneRng, Word, exp, vectors, vectors_mut};

/// Added to both weights of a state: where both have underflown a fair coin decides, and is scored.
const TINY: f32 = 1e-36;

/// Natural logarithm of what a vector may lose before it is rescaled.
const LOSS: f64 = 16.0;

const ZERO: Lane<WIDTH> = Lane([0.0; WIDTH]);
const ONE: Lane<WIDTH> = Lane([1.0; WIDTH]);

/// Buffers for redraws of windows of a lattice.
pub(super) struct Rods {
    lattice: Cubic,
    /// The cross-sections met so far.
    plans: Vec<(Section, Vec<Place>)>,
    room: Room,
}

#[derive(Default)]
struct Room {
    sites: Vec<u32>,
    /// `R_k`, site after site and one more.
    vectors: Vec<Lane<WIDTH>>,
    /// `βh` with all neighbours outside, by site.
    outer: Vec<Lane<WIDTH>>,
    old: Vec<Lane<WIDTH>>,
    new: Vec<Lane<WIDTH>>,
}

impl Rods {
    pub fn new(lattice: Cubic) -> Self {
        Rods { lattice, plans: vec![], room: Room::default() }
    }

    /// Redraws a window of the lattice in every lane; 1 for the lanes that accept.
    pub fn redraw(&mut self, lanes: &mut CubicLanes, window: &Window, rng: &mut LaneRng<WIDTH>) -> [u32; WIDTH] {
        let Rods { lattice, plans, room } = self;
        let known = plans.iter().position(|(section, _)| *section == window.section);
        let plan = known.unwrap_or_else(|| {
            plans.push((window.section, window.section.places()));
            plans.len() - 1
        });
        window.sites(*lattice, &mut room.sites);
        let (sites, size) = (room.sites.len(), 1 << window.section.area());
        room.vectors.resize((sites + 1) * size, ZERO);
        room.vectors[sites * size..].fill(ONE);
        room.outer.resize(sites, ZERO);
        room.new.resize(sites, ZERO);
        room.old.clear();
        room.old.extend(room.sites.iter().map(|&j| lanes.spins[j as usize]));
        let beta = lanes.beta.iter().fold(0.0f64, |m, b| m.max(b.abs()));
        let period = (LOSS / (beta * lanes.reach)).clamp(1.0, window.section.area() as f64) as usize;
        Arch::new().dispatch(Redraw { lanes, window, places: &plans[plan].1, room, rng, period })
    }
}

struct Redraw<'a> {
    lanes: &'a mut CubicLanes,
    window: &'a Window,
    places: &'a [Place],
    room: &'a mut Room,
    rng: &'a mut LaneRng<WIDTH>,
    /// Sites from one rescaling to the next.
    period: usize,
}

impl WithSimd for Redraw<'_> {
    type Output = [u32; WIDTH];

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> [u32; WIDTH] {
        match self.places.len() {
            1 => self.run::<S, 2>(simd),
            2 => self.run::<S, 4>(simd),
            3 => self.run::<S, 8>(simd),
            4 => self.run::<S, 16>(simd),
            5 => self.run::<S, 32>(simd),
            6 => self.run::<S, 64>(simd),
            7 => self.run::<S, 128>(simd),
            8 => self.run::<S, 256>(simd),
            9 => self.run::<S, 512>(simd),
            10 => self.run::<S, 1024>(simd),
            11 => self.run::<S, 2048>(simd),
            _ => self.run::<S, 4096>(simd),
        }
    }
}

/// The two states before a bond, seen from the two states behind it: weights of equal and of different ones.
#[inline(always)]
fn bond_weights<S: Simd>(simd: S, k: S::f32s) -> (S::f32s, S::f32s) {
    let (one, zero) = (simd.splat_f32s(1.0), simd.splat_f32s(0.0));
    let violated = exp(simd, simd.mul_f32s(simd.splat_f32s(-2.0), simd.abs_f32s(k)));
    let anti = simd.less_than_f32s(k, zero);
    (simd.select_f32s(anti, violated, one), simd.select_f32s(anti, one, violated))
}

impl Redraw<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize>(&mut self, simd: S) -> [u32; WIDTH] {
        let mut beta = ZERO;
        for i in 0..WIDTH {
            beta.0[i] = self.lanes.beta[i] as f32;
        }
        self.filter::<S, SIZE>(simd, &beta);
        self.draw::<S, SIZE>(simd, &beta)
    }

    /// All `R_k`, from the last site to the first.
    #[inline(always)]
    fn filter<S: Simd, const SIZE: usize>(&mut self, simd: S, beta: &Lane<WIDTH>) {
        let CubicLanes { tables, bonds, field, spins, .. } = &*self.lanes;
        let Room { sites, vectors: stored, outer, .. } = &mut *self.room;
        let (area, axis) = (self.places.len(), self.window.axis);
        let (first, last) = (area, sites.len() - area);
        // By states of the earlier neighbours; by own state, and by the state before times two.
        let mut before = [[ZERO; 2]; 16];
        let mut weights = [[ZERO; 4]; 16];
        let mut scale = ONE;
        let mut until_rescaling = self.period;
        for k in (0..sites.len()).rev() {
            let (p, j) = (k % area, sites[k] as usize);
            let place = &self.places[p];
            let neighbours = &tables.neighbours[j];
            let groups = 1 << place.earlier.len();
            for v in 0..WIDTH / S::F32_LANES {
                let beta = vectors::<S>(beta)[v];
                let mut f = match field {
                    Some(field) => field.f32s(simd, j, v),
                    None => simd.splat_f32s(0.0),
                };
                let mut out = [0usize; 6];
                let mut count = 0;
                for side in &place.outside {
                    out[count] = side.neighbour(axis);
                    count += 1;
                }
                if k < first {
                    out[count] = 2 * axis + 1;
                    count += 1;
                }
                if k >= last {
                    out[count] = 2 * axis;
                    count += 1;
                }
                for &n in &out[..count] {
                    let coupling = bonds[n / 2].f32s(simd, bond_start(n, j, neighbours[n]), v);
                    f = simd.mul_add_f32s(coupling, vectors::<S>(&spins[neighbours[n] as usize])[v], f);
                }
                let f = simd.mul_f32s(beta, f);
                vectors_mut::<S>(&mut outer[k])[v] = f;
                let (up, down) = bond_weights(simd, f);
                let scale = vectors::<S>(&scale)[v];
                vectors_mut::<S>(&mut before[0][0])[v] = simd.mul_f32s(scale, down);
                vectors_mut::<S>(&mut before[0][1])[v] = simd.mul_f32s(scale, up);
                for (i, &(_, side)) in place.earlier.iter().enumerate() {
                    let n = side.neighbour(axis);
                    let coupling = bonds[n / 2].f32s(simd, bond_start(n, j, neighbours[n]), v);
                    let (equal, different) = bond_weights(simd, simd.mul_f32s(beta, coupling));
                    for c in 0..1 << i {
                        let [down, up] = before[c];
                        let (down, up) = (vectors::<S>(&down)[v], vectors::<S>(&up)[v]);
                        vectors_mut::<S>(&mut before[c][0])[v] = simd.mul_f32s(down, equal);
                        vectors_mut::<S>(&mut before[c][1])[v] = simd.mul_f32s(up, different);
                        vectors_mut::<S>(&mut before[c | 1 << i][0])[v] = simd.mul_f32s(down, different);
                        vectors_mut::<S>(&mut before[c | 1 << i][1])[v] = simd.mul_f32s(up, equal);
                    }
                }
                let (equal, different) = if k < first {
                    (simd.splat_f32s(1.0), simd.splat_f32s(1.0))
                } else {
                    let n = 2 * axis + 1;
                    let coupling = bonds[axis].f32s(simd, bond_start(n, j, neighbours[n]), v);
                    bond_weights(simd, simd.mul_f32s(beta, coupling))
                };
                for c in 0..groups {
                    let (down, up) = (vectors::<S>(&before[c][0])[v], vectors::<S>(&before[c][1])[v]);
                    vectors_mut::<S>(&mut weights[c][0])[v] = simd.mul_f32s(down, equal);
                    vectors_mut::<S>(&mut weights[c][1])[v] = simd.mul_f32s(up, different);
                    vectors_mut::<S>(&mut weights[c][2])[v] = simd.mul_f32s(down, different);
                    vectors_mut::<S>(&mut weights[c][3])[v] = simd.mul_f32s(up, equal);
                }
            }
            let (to, from) = stored[k * SIZE..(k + 2) * SIZE].split_at_mut(SIZE);
            let (Some(to), Some(from)) = (to.first_chunk_mut::<SIZE>(), from.first_chunk::<SIZE>()) else { continue };
            transfer(simd, &place.groups, 1 << p, &weights[..groups], from, to);
            until_rescaling -= 1;
            scale = ONE;
            if until_rescaling == 0 {
                until_rescaling = self.period;
                scale = power_of_two(simd, to);
            }
        }
    }

    /// States from the first site to the last, with the scores of new and old ones; then the decision.
    #[inline(always)]
    fn draw<S: Simd, const SIZE: usize>(&mut self, simd: S, beta: &Lane<WIDTH>) -> [u32; WIDTH] {
        let CubicLanes { tables, bonds, field, spins, beta: exact_beta, .. } = &mut *self.lanes;
        let Room { sites, vectors: stored, outer, old, new } = &mut *self.room;
        let (area, axis) = (self.places.len(), self.window.axis);
        let (first, last) = (area, sites.len() - area);
        let (mut fresh, mut kept) = (Score::new(), Score::new());
        let mut change = [0.0f64; WIDTH];
        for k in 0..sites.len() {
            let (p, j) = (k % area, sites[k] as usize);
            let place = &self.places[p];
            let neighbours = &tables.neighbours[j];
            let Some(vector) = stored[(k + 1) * SIZE..].first_chunk::<SIZE>() else { continue };
            // Local fields of new and old states.
            let (mut of_new, mut of_old) = (outer[k], outer[k]);
            let mut inside = [(0usize, 0usize); 5];
            let mut count = 0;
            for &(q, side) in &place.earlier {
                inside[count] = (k - p + q, side.neighbour(axis));
                count += 1;
            }
            if k >= first {
                inside[count] = (k - area, 2 * axis + 1);
                count += 1;
            }
            let inside = &inside[..count];
            for v in 0..WIDTH / S::F32_LANES {
                let (mut f_new, mut f_old) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                for &(i, n) in inside {
                    let coupling = bonds[n / 2].f32s(simd, bond_start(n, j, neighbours[n]), v);
                    f_new = simd.mul_add_f32s(coupling, vectors::<S>(&new[i])[v], f_new);
                    f_old = simd.mul_add_f32s(coupling, vectors::<S>(&old[i])[v], f_old);
                }
                let beta = vectors::<S>(beta)[v];
                let f = &mut vectors_mut::<S>(&mut of_new)[v];
                *f = simd.mul_add_f32s(beta, f_new, *f);
                let f = &mut vectors_mut::<S>(&mut of_old)[v];
                *f = simd.mul_add_f32s(beta, f_old, *f);
            }
            let bits = self.rng.next(simd);
            new[k] = fresh.choose(simd, &of_new, vector, 1 << p, Choice::Bits(&bits));
            kept.choose(simd, &of_old, vector, 1 << p, Choice::Given(&old[k]));
            let (s_new, s_old) = (new[k], old[k]);
            // The change of Σ J s s + h s.
            let mut factor = [0.0f32; WIDTH];
            for &(i, n) in inside {
                let (t_new, t_old) = (&new[i].0, &old[i].0);
                for i in 0..WIDTH {
                    factor[i] = s_new.0[i] * t_new[i] - s_old.0[i] * t_old[i];
                }
                bonds[n / 2].add_times(bond_start(n, j, neighbours[n]), &factor, &mut change);
            }
            let mut out = [0usize; 6];
            let mut count = 0;
            for side in &place.outside {
                out[count] = side.neighbour(axis);
                count += 1;
            }
            if k < first {
                out[count] = 2 * axis + 1;
                count += 1;
            }
            if k >= last {
                out[count] = 2 * axis;
                count += 1;
            }
            for &n in &out[..count] {
                let t = &spins[neighbours[n] as usize].0;
                for i in 0..WIDTH {
                    factor[i] = (s_new.0[i] - s_old.0[i]) * t[i];
                }
                bonds[n / 2].add_times(bond_start(n, j, neighbours[n]), &factor, &mut change);
            }
            if let Some(field) = field {
                for i in 0..WIDTH {
                    factor[i] = s_new.0[i] - s_old.0[i];
                }
                field.add_times(j, &factor, &mut change);
            }
            if p + 1 == area {
                fresh.strip();
                kept.strip();
            }
        }
        let bits = self.rng.next(simd);
        let mut accepted = [0; WIDTH];
        for i in 0..WIDTH {
            let log_ratio = exact_beta[i] * change[i] + kept.log(i) - fresh.log(i);
            let u = (f64::from(bits.0[i]) + 0.5) / TWO_32;
            accepted[i] = u32::from(log_ratio >= 0.0 || u < log_ratio.exp());
        }
        for (k, &j) in sites.iter().enumerate() {
            let spin = &mut spins[j as usize].0;
            for i in 0..WIDTH {
                spin[i] = if accepted[i] == 1 { new[k].0[i] } else { old[k].0[i] };
            }
        }
        accepted
    }
}

/// `to(f) = Σ_s weights(s, f) from(f')`, own bit `own` of the index.
#[inline(always)]
fn transfer<S: Simd, const SIZE: usize>(
    simd: S,
    groups: &[u32],
    own: usize,
    weights: &[[Lane<WIDTH>; 4]],
    from: &[Lane<WIDTH>; SIZE],
    to: &mut [Lane<WIDTH>; SIZE],
) {
    let length = groups.len() / weights.len();
    for (group, w) in groups.chunks_exact(length).zip(weights) {
        for v in 0..WIDTH / S::F32_LANES {
            let (w0, w1) = (vectors::<S>(&w[0])[v], vectors::<S>(&w[1])[v]);
            let (w2, w3) = (vectors::<S>(&w[2])[v], vectors::<S>(&w[3])[v]);
            for &f in group {
                let (down, up) = (f as usize & (SIZE - 1), (f as usize | own) & (SIZE - 1));
                let (a, b) = (vectors::<S>(&from[down])[v], vectors::<S>(&from[up])[v]);
                vectors_mut::<S>(&mut to[down])[v] = simd.mul_add_f32s(w0, a, simd.mul_f32s(w1, b));
                vectors_mut::<S>(&mut to[up])[v] = simd.mul_add_f32s(w2, a, simd.mul_f32s(w3, b));
            }
        }
    }
}

/// In each lane the power of two that brings the largest entry between one and two.
#[inline(always)]
fn power_of_two<S: Simd, const SIZE: usize>(simd: S, vector: &[Lane<WIDTH>; SIZE]) -> Lane<WIDTH> {
    let mut scale = ONE;
    for v in 0..WIDTH / S::F32_LANES {
        let mut max = [simd.splat_f32s(TINY); 2];
        for pair in vector.chunks_exact(2) {
            max[0] = simd.max_f32s(max[0], vectors::<S>(&pair[0])[v]);
            max[1] = simd.max_f32s(max[1], vectors::<S>(&pair[1])[v]);
        }
        let bits = simd.transmute_u32s_f32s(simd.max_f32s(max[0], max[1]));
        let exponent = simd.and_u32s(bits, simd.splat_u32s(0x7f80_0000));
        let bits = simd.sub_u32s(simd.splat_u32s(254 << 23), exponent);
        vectors_mut::<S>(&mut scale)[v] = simd.transmute_f32s_u32s(bits);
    }
    scale
}

const TWO_32: f64 = 4_294_967_296.0;

/// The state of a site: drawn from random bits, or given.
enum Choice<'a> {
    Bits(&'a Word<WIDTH>),
    Given(&'a Lane<WIDTH>),
}

/// A way through the window and its probability.
struct Score {
    /// The frontier.
    at: [u32; WIDTH],
    /// Probability so far, times two to the minus `exponent`.
    probability: [f64; WIDTH],
    exponent: [i64; WIDTH],
}

impl Score {
    #[inline(always)]
    fn new() -> Self {
        Score { at: [0; WIDTH], probability: [1.0; WIDTH], exponent: [0; WIDTH] }
    }

    /// The next state, `own` its bit in the frontier, `vector` what follows and `f` its local field in nats.
    ///
    /// The less likely state has the probability `t/2³²`, `t` an integer: what is drawn and what is scored
    /// are the same number.
    #[inline(always)]
    fn choose<S: Simd, const SIZE: usize>(
        &mut self,
        simd: S,
        f: &Lane<WIDTH>,
        vector: &[Lane<WIDTH>; SIZE],
        own: usize,
        choice: Choice<'_>,
    ) -> Lane<WIDTH> {
        let mut violated = ZERO;
        for v in 0..WIDTH / S::F32_LANES {
            let cost = simd.mul_f32s(simd.splat_f32s(-2.0), simd.abs_f32s(vectors::<S>(f)[v]));
            vectors_mut::<S>(&mut violated)[v] = exp(simd, cost);
        }
        let (mut down, mut up) = ([0.0f32; WIDTH], [0.0f32; WIDTH]);
        for i in 0..WIDTH {
            let at = self.at[i] as usize & !own;
            down[i] = vector[at & (SIZE - 1)].0[i];
            up[i] = vector[(at | own) & (SIZE - 1)].0[i];
        }
        let mut rare = [0u32; WIDTH];
        let mut threshold = [0u32; WIDTH];
        for i in 0..WIDTH {
            let with = f.0[i] >= 0.0;
            let w0 = down[i] * if with { violated.0[i] } else { 1.0 } + TINY;
            let w1 = up[i] * if with { 1.0 } else { violated.0[i] } + TINY;
            rare[i] = u32::from(w1 < w0);
            threshold[i] = ((w0.min(w1) / (w0 + w1) * TWO_32 as f32) as u32).max(1);
        }
        let mut spin = ZERO;
        match choice {
            Choice::Bits(bits) => {
                for i in 0..WIDTH {
                    let state = if bits.0[i] < threshold[i] { rare[i] } else { 1 - rare[i] };
                    spin.0[i] = if state == 1 { 1.0 } else { -1.0 };
                }
            }
            Choice::Given(given) => spin = *given,
        }
        let own = own as u32;
        for i in 0..WIDTH {
            let state = u32::from(spin.0[i] > 0.0);
            let t = f64::from(threshold[i]);
            self.probability[i] *= if state == rare[i] { t } else { TWO_32 - t } / TWO_32;
            self.at[i] = if state == 1 { self.at[i] | own } else { self.at[i] & !own };
        }
        spin
    }

    /// Moves the exponents of the probabilities out; before the next time 12 factors of 2⁻³² at least come.
    #[inline(always)]
    fn strip(&mut self) {
        for i in 0..WIDTH {
            let bits = self.probability[i].to_bits();
            self.exponent[i] += (bits >> 52) as i64 - 1023;
            self.probability[i] = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
        }
    }

    /// Natural logarithm of the probability.
    fn log(&self, i: usize) -> f64 {
        self.probability[i].ln() + self.exponent[i] as f64 * std::f64::consts::LN_2
    }
}
