//! Exact redraw of a window of cross-section `a × b` in lanes: forward filtering, backward sampling.
//!
//! A window is open along its axis, so a gauge makes all bonds along it ferromagnetic: with `g = ±1` the
//! running product of the signs of `βJ` the spins are `g s`, the fields `g h`, the couplings `g g' J`. A bond
//! between different states then has the weight `v = e^{−2β|J|}`, between equal ones one, in every lane. Let
//! `W_z(s)` be the weight of the states `s` of slice `z`: the field of all neighbours outside and the bonds
//! within the slice. Given `s`, everything behind the slice has the weight
//!
//! ```text
//! R_z(s) = Σ_s' Π_i v_i^[s_i ≠ s'_i] Q_{z+1}(s'),        Q_z(s) = W_z(s) R_z(s),        R_last = 1,
//! ```
//!
//! and slice `z` is drawn with `P(s) ∝ Π_i v_i^[s_i ≠ t_i] Q_z(s)`, `t` the states drawn before. The sum
//! over the states of one site is `(x, y) → (x + v y, y + v x)` of pairs of entries: `2^{ab}` multiply-adds
//! a site, and up to five multiplications an entry a slice for its weights (2 × 2 one, 4 × 2 three). Up to
//! four sites are taken at once, in registers, and drawn at once: for the new and for the old states the
//! blocks behind are summed over, `2^{ab}` multiply-adds a slice, then what has been drawn is chosen. `Q`
//! is stored, 64 bytes an entry, `2^{ab}` entries a slice.
//!
//! **Exactness.** Single precision makes the law `q` drawn from differ from the conditional law by some 10⁻⁷
//! a site. The states are drawn with probabilities that are known to the last digit, for the new and for the
//! old ones; their products are kept to some 2⁻⁴⁰, 2⁻³⁷ in the longest, and the window is accepted with
//!
//! ```text
//! min(1, e^{β ΔΣ(J s s + h s)} q(old) / q(new))
//! ```
//!
//! where the sums are taken in double precision, or in whole multiples of the one coupling `±J` that there
//! is: the law stays invariant whatever was rounded or has underflown.

use pulp::{Arch, Simd, WithSimd};

use super::draw::draw;
use super::filter::{Room, TINY, ZERO, filter};
use super::geometry::Cubic;
use super::lanes::{CubicLanes, WIDTH};
use super::window::{Block, Section, Window};
use crate::lanes::LaneRng;

/// Natural logarithm of what a vector may lose before it is rescaled: the largest entry, `2^60` then, is
/// still twenty decimal orders above the smallest number. Couplings so strong that a block of sites loses
/// more cost acceptance, not exactness.
const LOSS: f64 = 80.0;

/// Redraws windows of a lattice.
pub(super) struct Rods {
    lattice: Cubic,
    /// The cross-sections met so far.
    plans: Vec<(Section, Vec<Block>)>,
    room: Room,
}

impl Rods {
    pub fn new(lattice: Cubic) -> Self {
        Rods { lattice, plans: vec![], room: Room::default() }
    }

    /// Redraws a window of the lattice in every lane; 1 for the lanes that accept.
    pub fn redraw(&mut self, lanes: &mut CubicLanes, window: &Window, rng: &mut LaneRng<WIDTH>) -> [u32; WIDTH] {
        let Rods { lattice, plans, room } = self;
        let section = window.section;
        let known = plans.iter().position(|(known, _)| *known == section);
        let plan = known.unwrap_or_else(|| {
            plans.push((section, section.blocks()));
            plans.len() - 1
        });
        let blocks = &plans[plan].1[..];
        window.sites(*lattice, &mut room.sites);
        room.old.clear();
        room.old.extend(room.sites.iter().map(|&j| lanes.spins[j as usize]));
        room.prepare(window.length, capacity(section), section.area());
        let beta = lanes.beta.iter().fold(0.0f64, |m, b| m.max(b.abs()));
        // Entries grow by two a site at most.
        let period = (LOSS / (beta * lanes.reach)).clamp(1.0, 24.0) as usize;
        Arch::new().dispatch(Redraw { lanes, window, blocks, room, rng, period })
    }
}

struct Redraw<'a> {
    lanes: &'a mut CubicLanes,
    window: &'a Window,
    blocks: &'a [Block],
    room: &'a mut Room,
    rng: &'a mut LaneRng<WIDTH>,
    /// Sites from one rescaling to the next.
    period: usize,
}

impl WithSimd for Redraw<'_> {
    type Output = [u32; WIDTH];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> [u32; WIDTH] {
        // A few capacities stand for all sizes: each is a function of its own.
        match (self.window.section.width(), capacity(self.window.section)) {
            (1, 2) => self.run::<S, 2, 1>(simd),
            (1, 128) => self.run::<S, 128, 1>(simd),
            (1, _) => self.run::<S, 2048, 1>(simd),
            (2, 4) => self.run::<S, 4, 2>(simd),
            (2, _) => self.run::<S, 1024, 2>(simd),
            (3, 64) => self.run::<S, 64, 3>(simd),
            (3, _) => self.run::<S, 512, 3>(simd),
            (_, 16) => self.run::<S, 16, 4>(simd),
            (_, 256) => self.run::<S, 256, 4>(simd),
            _ => self.run::<S, 4096, 4>(simd),
        }
    }
}

/// Room for the `2^area` entries of a vector, by the width of the blocks.
fn capacity(section: Section) -> usize {
    let capacities: &[usize] = match section.width() {
        1 => &[2, 128, 2048],
        2 => &[4, 1024],
        3 => &[64, 512],
        _ => &[16, 256, 4096],
    };
    capacities.iter().copied().find(|&n| n >= 1 << section.area()).unwrap_or(1 << section.area())
}

impl Redraw<'_> {
    #[inline(always)]
    fn run<S: Simd, const SIZE: usize, const K: usize>(self, simd: S) -> [u32; WIDTH] {
        let mut beta = ZERO;
        for i in 0..WIDTH {
            beta.0[i] = self.lanes.beta[i] as f32;
        }
        let mut violated = ZERO;
        let strength = self.lanes.strength;
        for i in 0..WIDTH {
            violated.0[i] = (-2.0 * (self.lanes.beta[i] * strength.unwrap_or(0.0)).abs()).exp().max(TINY.into()) as f32;
        }
        let (shape, of_bonds) = ((self.window, self.blocks), (&beta, strength.is_some().then_some(&violated)));
        filter::<S, SIZE, K>(simd, self.lanes, shape, self.room, of_bonds, self.period);
        #[cfg(test)]
        self.room.distort();
        draw::<S, SIZE, K>(simd, self.lanes, shape, self.room, self.rng)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Axis};
    use rand::{RngExt, SeedableRng};

    use super::*;
    use crate::Stream;
    use crate::lattice::cubic::moves::lane_rng;
    use crate::lattice::{CubicCouplings, CubicIsing};
    use crate::model::Target;

    /// Vectors that are wrong by up to a half: proposals then follow another law, and the decision puts that
    /// right. From exact draws a redraw leads to exact draws; without a decision it does not.
    #[test]
    fn whatever_the_vectors_the_law_stays() {
        let lattice = Cubic::new([2, 2, 2], [false; 3]).unwrap();
        let ising = CubicIsing::new(CubicCouplings::gaussian(lattice, 4), 0.9).unwrap();
        let x = Array2::from_shape_fn((256, 8), |(i, j)| (i >> j & 1) as u8);
        let w = ising.log_weight(x.view()).unwrap().mapv(f64::exp);
        let z = w.sum();
        let window = Window::new(lattice, [0; 3], [2; 3]).unwrap();
        let mut rng = Stream::seed_from_u64(5);
        let mut rods = Rods::new(lattice);
        rods.room.distorted = true;
        let (mut after, mut proposed, mut rejected, rounds) = ([0.0; 256], [0.0; 256], 0, 20_000);
        for _ in 0..rounds {
            let draw = |_| {
                let mut u = rng.random::<f64>() * z;
                w.iter()
                    .position(|w| {
                        u -= w;
                        u < 0.0
                    })
                    .unwrap_or(255)
            };
            let start: Vec<usize> = (0..16).map(draw).collect();
            let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), x.select(Axis(0), &start).view()).unwrap();
            let accepted = rods.redraw(&mut lanes, &window, &mut lane_rng(&mut rng));
            rejected += accepted.iter().filter(|a| **a == 0).count();
            let index = |row: ndarray::ArrayView1<'_, u8>| row.iter().rev().fold(0, |i, &a| 2 * i + usize::from(a));
            lanes.x().outer_iter().for_each(|row| after[index(row)] += 1.0);
            for l in 0..16 {
                let new = rods.room.sites.iter().zip(&rods.room.new);
                proposed[new.fold(0, |i, (j, s)| i | usize::from(s.0[l] > 0.0) << j)] += 1.0;
            }
        }
        let n = 16.0 * f64::from(rounds);
        assert!(f64::from(rejected as u32) > 0.02 * n, "the vectors are hardly wrong");
        // Rare states are one cell.
        let chi2 = |counts: &[f64; 256]| {
            let (mut sum, mut rare, mut cells) = (0.0, (0.0, 0.0), 0.0);
            for (c, w) in counts.iter().zip(&w) {
                let expected = n * w / z;
                if expected < 5.0 {
                    rare = (rare.0 + c, rare.1 + expected);
                } else {
                    sum += (c - expected).powi(2) / expected;
                    cells += 1.0;
                }
            }
            // In units of the standard deviation of χ² from its mean, less than a degree of freedom off.
            (sum + (rare.0 - rare.1).powi(2) / rare.1.max(5.0) - cells) / f64::sqrt(2.0 * cells)
        };
        // χ² of some hundred degrees of freedom exceeds its mean by six standard deviations with 1e-7.
        assert!(chi2(&after) < 6.0, "{}", chi2(&after));
        assert!(chi2(&proposed) > 20.0, "{}", chi2(&proposed));
    }
}
