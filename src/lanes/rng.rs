//! Random numbers in lanes.

use pulp::Simd;

use super::vectors::{LANES, Word, words_mut};

/// One xoshiro128++ generator (Blackman, Vigna 2021) in each lane.
#[derive(Clone)]
pub(crate) struct LaneRng<const N: usize = LANES> {
    state: [Word<N>; 4],
}

impl<const N: usize> LaneRng<N> {
    /// From 128 bits a lane.
    pub(crate) fn new(seed: impl Fn(usize) -> [u32; 4]) -> Self {
        let mut state = [Word([0; N]); 4];
        for i in 0..N {
            let seed = seed(i);
            let seed = if seed == [0; 4] { [1, 0, 0, 0] } else { seed };
            (0..4).for_each(|k| state[k].0[i] = seed[k]);
        }
        LaneRng { state }
    }

    /// 32 random bits a lane.
    #[inline(always)]
    pub(crate) fn next<S: Simd>(&mut self, simd: S) -> Word<N> {
        let mut out = Word([0; N]);
        let [s0, s1, s2, s3] = &mut self.state;
        let (s0, s1) = (words_mut::<S>(s0), words_mut::<S>(s1));
        let (s2, s3) = (words_mut::<S>(s2), words_mut::<S>(s3));
        for v in 0..N / S::F32_LANES {
            let (a, b, c, d) = (s0[v], s1[v], s2[v], s3[v]);
            words_mut::<S>(&mut out)[v] = simd.add_u32s(rotate(simd, simd.add_u32s(a, d), 7), a);
            let (c, d) = (simd.xor_u32s(c, a), simd.xor_u32s(d, b));
            s1[v] = simd.xor_u32s(b, c);
            s0[v] = simd.xor_u32s(a, d);
            s2[v] = simd.xor_u32s(c, shift(simd, b, 9));
            s3[v] = rotate(simd, d, 11);
        }
        out
    }
}

// Functions, not closures: those would be compiled without the vector instructions and called.

#[inline(always)]
pub(crate) fn shift<S: Simd>(simd: S, x: S::u32s, k: u32) -> S::u32s {
    simd.wrapping_dyn_shl_u32s(x, simd.splat_u32s(k))
}

#[inline(always)]
fn rotate<S: Simd>(simd: S, x: S::u32s, k: u32) -> S::u32s {
    simd.or_u32s(shift(simd, x, k), simd.wrapping_dyn_shr_u32s(x, simd.splat_u32s(32 - k)))
}
