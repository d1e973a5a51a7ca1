//! Metropolis sweeps of 512 replicas in the bits of a word.
//!
//! Where all couplings have one absolute value, `K = β|J|`, a spin of `d` bonds, `c` of them violated, flips
//! with a probability `A(m)` of `m = d − 2c` only: `min(1, e^{−2Km})`, and `1/(1 + e^{2Km})` where
//! `|2Km| < 0.1`, as in the sweeps in lanes. Two carry-save adders count `c` for all replicas at once. Then
//! every replica compares 64 random bits of **its own** with the threshold `⌊2⁶⁴ A⌋` of its count, the most
//! significant first, until all have decided: about `log₂ 512 + 2` random words for 512 replicas (Jacobs,
//! Rebbi, J. Comput. Phys. 41, 203, for the coding).
//!
//! **Exactness.** No random bit serves two replicas: each of them is the chain that it would be alone, and
//! they are independent of each other. Probabilities are those of double precision, to 10⁻¹⁶ of themselves,
//! rounded down to a multiple of 2⁻⁶⁴.

use pulp::{Simd, WithSimd};

use crate::lanes::{LaneRng, Word, words, words_mut};

/// Words of 32 bits in one of all replicas.
pub(super) const WIDTH: usize = 16;

/// Replicas in a word.
pub(super) const REPLICAS: usize = 32 * WIDTH;

/// A bit of each replica: replica `r` is bit `r % 32` of entry `r / 32`.
pub(super) type Bits = Word<WIDTH>;

pub(super) const NONE: Bits = Word([0; WIDTH]);

/// Bits of a threshold, and how many of them are compared before it is asked whether all have decided: ten,
/// then two at a time (measured).
const PLANES: usize = 64;
const FIRST: usize = 10;
const STEP: usize = 2;

/// `|2Km|` below which a flip has the probability of heat bath.
const SOFT: f64 = 0.1;

/// A site in the order of the visits; missing bonds, and those of zero coupling, lead to itself and are never
/// violated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub own: u32,
    pub degree: u32,
    pub neighbours: [u32; 6],
    /// All ones where the coupling is negative.
    pub anti: [u32; 6],
}

/// Thresholds at one temperature.
#[derive(Debug, Clone)]
pub(super) struct Thresholds {
    /// By degree: bit `63 − i` of the thresholds for `c = 0..=6`, as words of zeros or ones.
    planes: Vec<[[u32; 8]; PLANES]>,
    /// Whether more than three violated bonds do not always flip.
    hot: bool,
}

impl Thresholds {
    /// For `k = β|J|`.
    pub fn new(k: f64) -> Self {
        let planes = (0..=6).map(|degree| {
            let thresholds = std::array::from_fn(|c| threshold(k * (2.0 * degree as f64 - 4.0 * c as f64)));
            std::array::from_fn(|i| thresholds.map(|t: u64| if t >> (63 - i) & 1 == 1 { !0 } else { 0 }))
        });
        // With four violated bonds m ≤ −2.
        Thresholds { planes: planes.collect(), hot: 4.0 * k < SOFT }
    }
}

/// `2⁶⁴ A` for `x = 2Km`; certainty is missed by 2⁻⁶⁴.
fn threshold(x: f64) -> u64 {
    let p = if x.abs() < SOFT { 1.0 / (1.0 + x.exp()) } else { (-x).exp().min(1.0) };
    (p * 2f64.powi(64)) as u64
}

/// One visit of every site of all replicas.
pub(super) struct Sweep<'a> {
    pub sites: &'a [Site],
    pub thresholds: &'a Thresholds,
    /// Replicas in use: the others are not waited for.
    pub used: &'a Bits,
    pub spins: &'a mut [Bits],
    pub rng: &'a mut LaneRng<WIDTH>,
}

impl WithSimd for Sweep<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.thresholds.hot { self.run::<S, 7>(simd) } else { self.run::<S, 4>(simd) }
    }
}

impl Sweep<'_> {
    /// With thresholds for fewer than `CLASSES` violated bonds; with more a spin flips.
    #[inline(always)]
    fn run<S: Simd, const CLASSES: usize>(self, simd: S) {
        let Sweep { sites, thresholds, used, spins, rng } = self;
        let mut random = rng.clone();
        for site in sites {
            let own = site.own as usize;
            let mut is = [NONE; CLASSES];
            let (mut flip, mut open) = (NONE, *used);
            for v in 0..WIDTH / S::F32_LANES {
                let spin = words::<S>(&spins[own])[v];
                let mut violated = [spin; 6];
                for k in 0..6 {
                    let other = words::<S>(&spins[site.neighbours[k] as usize])[v];
                    let differ = simd.xor_u32s(spin, other);
                    violated[k] = simd.xor_u32s(differ, simd.splat_u32s(site.anti[k]));
                }
                let [b0, b1, b2] = count(simd, violated);
                let (even, not_one) = (simd.not_u32s(b0), simd.not_u32s(b1));
                let few = simd.not_u32s(b2);
                let low = simd.and_u32s(not_one, few);
                words_mut::<S>(&mut is[0])[v] = simd.and_u32s(even, low);
                words_mut::<S>(&mut is[1])[v] = simd.and_u32s(b0, low);
                words_mut::<S>(&mut is[2])[v] = simd.and_u32s(simd.and_u32s(b1, even), few);
                words_mut::<S>(&mut is[3])[v] = simd.and_u32s(b0, b1);
                if CLASSES == 7 {
                    words_mut::<S>(&mut is[4])[v] = simd.and_u32s(b2, simd.and_u32s(even, not_one));
                    words_mut::<S>(&mut is[5])[v] = simd.and_u32s(b2, b0);
                    words_mut::<S>(&mut is[6])[v] = simd.and_u32s(b2, b1);
                } else {
                    words_mut::<S>(&mut flip)[v] = b2;
                    let open = &mut words_mut::<S>(&mut open)[v];
                    *open = simd.and_u32s(*open, few);
                }
            }
            let planes = &thresholds.planes[site.degree as usize];
            let (mut i, mut until) = (0, FIRST);
            loop {
                while i < until {
                    let bits = random.next(simd);
                    for v in 0..WIDTH / S::F32_LANES {
                        let bits = words::<S>(&bits)[v];
                        let mut threshold = simd.splat_u32s(0);
                        for c in 0..CLASSES {
                            let own = simd.and_u32s(words::<S>(&is[c])[v], simd.splat_u32s(planes[i][c]));
                            threshold = simd.or_u32s(threshold, own);
                        }
                        let (flip, open) = (&mut words_mut::<S>(&mut flip)[v], &mut words_mut::<S>(&mut open)[v]);
                        let differ = simd.xor_u32s(threshold, bits);
                        *flip = simd.or_u32s(*flip, simd.and_u32s(simd.and_u32s(*open, differ), threshold));
                        *open = simd.and_u32s(*open, simd.not_u32s(differ));
                    }
                    i += 1;
                }
                if i == PLANES || open.0.iter().fold(0, |any, word| any | word) == 0 {
                    break;
                }
                until = i + STEP;
            }
            for v in 0..WIDTH / S::F32_LANES {
                let spin = &mut words_mut::<S>(&mut spins[own])[v];
                *spin = simd.xor_u32s(*spin, words::<S>(&flip)[v]);
            }
        }
        *rng = random;
    }
}

/// How many of six bits are set, in binary.
#[inline(always)]
fn count<S: Simd>(simd: S, x: [S::u32s; 6]) -> [S::u32s; 3] {
    let (s0, c0) = full_add(simd, x[0], x[1], x[2]);
    let (s1, c1) = full_add(simd, x[3], x[4], x[5]);
    let (b1, b2) = full_add(simd, c0, c1, simd.and_u32s(s0, s1));
    [simd.xor_u32s(s0, s1), b1, b2]
}

/// Sum and carry of three bits.
#[inline(always)]
pub(super) fn full_add<S: Simd>(simd: S, a: S::u32s, b: S::u32s, c: S::u32s) -> (S::u32s, S::u32s) {
    let differ = simd.xor_u32s(a, b);
    let carry = simd.or_u32s(simd.and_u32s(a, b), simd.and_u32s(differ, c));
    (simd.xor_u32s(differ, c), carry)
}

#[cfg(test)]
mod tests {
    use pulp::Arch;
    use rand::SeedableRng;

    use super::*;
    use crate::Stream;
    use crate::lattice::cubic::moves::lane_rng;

    /// How often a spin of `degree` bonds, `violated` of them violated, flips.
    fn frequency(thresholds: &Thresholds, degree: usize, violated: usize, rng: &mut LaneRng<WIDTH>) -> (f64, f64) {
        let mut site = Site { own: 0, degree: degree as u32, neighbours: [0; 6], anti: [0; 6] };
        for k in 0..degree {
            site.neighbours[k] = 1;
            // Spin and neighbour are equal at the start.
            site.anti[(k + 1) % degree] = if k < violated { !0 } else { 0 };
        }
        let (used, rounds) = (Word([!0; WIDTH]), 200);
        let mut flips = 0;
        for _ in 0..rounds {
            let mut spins = [Word([0xf0f0_1234; WIDTH]); 2];
            let sites = std::slice::from_ref(&site);
            Arch::new().dispatch(Sweep { sites, thresholds, used: &used, spins: &mut spins, rng });
            let flipped = spins[0].0.iter().zip(&spins[1].0).map(|(a, b)| (a ^ b).count_ones());
            flips += flipped.sum::<u32>();
        }
        let n = (rounds * REPLICAS) as f64;
        let p = f64::from(flips) / n;
        (p, n)
    }

    /// Whether all frequencies are within six standard errors of the rule: 2e-9 each of 300.
    fn follows(thresholds: &Thresholds, k: f64) -> bool {
        let mut rng = lane_rng(&mut Stream::seed_from_u64(7));
        let mut good = true;
        for degree in 0..=6 {
            for violated in 0..=degree {
                let x = 2.0 * k * (degree as f64 - 2.0 * violated as f64);
                let exact = if x.abs() < 0.1 { 1.0 / (1.0 + x.exp()) } else { (-x).exp().min(1.0) };
                let (p, n) = frequency(thresholds, degree, violated, &mut rng);
                let error = (exact * (1.0 - exact) / n).sqrt();
                // The tail of a few events is longer.
                let few = if exact < 1e-3 { 6.0 / n } else { 0.0 };
                good &= (p - exact).abs() <= 6.0 * error + few;
            }
        }
        good
    }

    #[test]
    fn every_count_of_violated_bonds_has_its_probability() {
        for k in [0.0, 0.01, 0.024, 0.03, 0.1, 0.2216, 0.5, 1.0, 2.0, -0.02, -0.4] {
            assert!(follows(&Thresholds::new(k), k), "{k}");
        }
        // One threshold of one degree that is wrong by a fifth of itself.
        for (degree, violated) in [(6, 0), (6, 1), (6, 2), (6, 3), (5, 1), (3, 0), (3, 1), (1, 0)] {
            let mut wrong = Thresholds::new(0.2);
            let p = (-0.4 * (f64::from(degree) - 2.0 * violated as f64)).exp();
            let t = (0.8 * if p == 1.0 { 0.5 } else { p } * 2f64.powi(64)) as u64;
            let planes = &mut wrong.planes[degree as usize];
            planes.iter_mut().enumerate().for_each(|(i, p)| p[violated] = if t >> (63 - i) & 1 == 1 { !0 } else { 0 });
            assert!(!follows(&wrong, 0.2), "a wrong threshold for {degree}, {violated} passes");
        }
    }

    /// All 64 bits count: what one bit less would round away happens.
    #[test]
    fn thresholds_are_exact_to_their_last_bit() {
        let value = |degree: usize, c: usize, k: f64| {
            let planes = &Thresholds::new(k).planes[degree];
            planes.iter().fold(0u64, |t, p| t << 1 | u64::from(p[c] & 1))
        };
        assert_eq!(value(6, 0, 1.0), ((-12.0f64).exp() * 2f64.powi(64)) as u64);
        assert_eq!(value(6, 3, 1.0), 1 << 63);
        assert_eq!(value(5, 3, 1.0), !0);
        assert_eq!(value(6, 0, 3.6), 3); // e^−43.2 = 3.1·2⁻⁶⁴
    }
}
