//! Sums of bits for each replica, and what is counted so: violated bonds, sites where two replicas differ.

use pulp::{Simd, WithSimd};

use super::sweep::{Bits, NONE, REPLICAS, WIDTH, full_add};
use crate::lanes::{words, words_mut};

/// Bits of a sum: there are fewer than 3·2³¹ bonds, and sums are kept below 2³².
const LEVELS: usize = 32;

/// A sum of bits in carry-save form (Harley, Seal): of `2^l` there are two words, of which `pending` counts
/// where bit `l` of the number of words added is set. Two operations a word, twice on average.
struct Counter {
    sum: [Bits; LEVELS],
    pending: [Bits; LEVELS],
    added: u32,
}

impl Counter {
    fn new() -> Self {
        Counter { sum: [NONE; LEVELS], pending: [NONE; LEVELS], added: 0 }
    }

    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, x: &Bits) {
        let mut x = *x;
        let mut l = 0;
        while self.added >> l & 1 == 1 {
            for v in 0..WIDTH / S::F32_LANES {
                let (sum, x) = (&mut words_mut::<S>(&mut self.sum[l])[v], &mut words_mut::<S>(&mut x)[v]);
                (*sum, *x) = full_add(simd, *sum, words::<S>(&self.pending[l])[v], *x);
            }
            l += 1;
        }
        self.pending[l] = x;
        self.added += 1;
    }

    /// The sum of each replica.
    #[inline(always)]
    fn of_each<S: Simd>(&self, simd: S) -> Vec<u32> {
        let mut sums = vec![0; REPLICAS];
        let mut ramp = NONE;
        for b in 0..WIDTH {
            ramp.0[b] = b as u32;
        }
        for l in 0..(LEVELS - self.added.leading_zeros() as usize) {
            for (parts, counts) in [(&self.sum[l], true), (&self.pending[l], self.added >> l & 1 == 1)] {
                if !counts {
                    continue;
                }
                for half in 0..2 * WIDTH {
                    let word = simd.splat_u32s(parts.0[half / 2] >> (16 * (half % 2)));
                    for v in 0..WIDTH / S::F32_LANES {
                        let bit = simd.wrapping_dyn_shr_u32s(word, words::<S>(&ramp)[v]);
                        let bit = simd.and_u32s(bit, simd.splat_u32s(1));
                        let sum = &mut words_mut::<S>(&mut sums[WIDTH * half..WIDTH * (half + 1)])[v];
                        *sum = simd.add_u32s(*sum, simd.wrapping_dyn_shl_u32s(bit, simd.splat_u32s(l as u32)));
                    }
                }
            }
        }
        sums
    }
}

/// A bond: its sites, and all ones where the coupling is negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct BondBits {
    pub sites: [u32; 2],
    pub anti: u32,
}

/// Violated bonds of each replica.
pub(super) struct Violated<'a> {
    pub bonds: &'a [BondBits],
    pub spins: &'a [Bits],
}

impl WithSimd for Violated<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u32> {
        let mut counter = Counter::new();
        for bond in self.bonds {
            let [a, b] = bond.sites.map(|j| &self.spins[j as usize]);
            let mut violated = NONE;
            for v in 0..WIDTH / S::F32_LANES {
                let differ = simd.xor_u32s(words::<S>(a)[v], words::<S>(b)[v]);
                words_mut::<S>(&mut violated)[v] = simd.xor_u32s(differ, simd.splat_u32s(bond.anti));
            }
            counter.add(simd, &violated);
        }
        counter.of_each(simd)
    }
}

/// At the even places the number of sites where a replica differs from the next one.
pub(super) struct Opposite<'a>(pub &'a [Bits]);

impl WithSimd for Opposite<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<u32> {
        let mut counter = Counter::new();
        for spin in self.0 {
            let mut opposite = NONE;
            for v in 0..WIDTH / S::F32_LANES {
                let spin = words::<S>(spin)[v];
                let next = simd.wrapping_dyn_shr_u32s(spin, simd.splat_u32s(1));
                words_mut::<S>(&mut opposite)[v] = simd.xor_u32s(spin, next);
            }
            counter.add(simd, &opposite);
        }
        counter.of_each(simd)
    }
}
