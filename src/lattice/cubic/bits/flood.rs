//! Isoenergetic clusters of 256 pairs of replicas at once.
//!
//! The cluster of a pair is flooded from its first site: sweep after sweep over the lattice, back and forth,
//! a site with opposite spins joins once a neighbour has, for all pairs in the same few operations.

use pulp::{Simd, WithSimd};
use rand::{Rng, RngExt};

use super::sweep::{Bits, NONE, REPLICAS, Site, WIDTH};
use crate::lanes::{shift, words, words_mut};

/// The first of each two replicas.
const FIRST: u32 = 0x5555_5555;

/// Sites tried for the first of a cluster. That it stops depends on how many sites are opposite only, which
/// the flip of a cluster leaves as it is.
const TRIES: usize = 64;

/// Flips a cluster of each of the first `pairs` pairs; returns how many there were, and their sites.
pub(super) fn flip(sites: &[Site], spins: &mut [Bits], pairs: usize, rng: &mut impl Rng) -> (usize, usize) {
    let mut cluster = vec![NONE; spins.len()];
    let mut flipped = 0;
    for r in (0..REPLICAS).step_by(2).take(pairs) {
        let opposite = |j: &usize| {
            let bits = spins[*j].0[r / 32] >> (r % 32);
            (bits ^ bits >> 1) & 1 == 1
        };
        let tries = || rng.random_range(0..spins.len());
        if let Some(j) = std::iter::repeat_with(tries).take(TRIES).find(opposite) {
            cluster[j].0[r / 32] |= 1 << (r % 32);
            flipped += 1;
        }
    }
    pulp::Arch::new().dispatch(Flood { sites, spins, cluster: &mut cluster });
    let size = |bits: &Bits| bits.0.iter().map(|word| word.count_ones() as usize).sum::<usize>();
    (flipped, cluster.iter().map(size).sum())
}

struct Flood<'a> {
    sites: &'a [Site],
    spins: &'a mut [Bits],
    /// The first sites, and then all of them.
    cluster: &'a mut [Bits],
}

impl WithSimd for Flood<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Flood { sites, spins, cluster } = self;
        let mut more = true;
        while more {
            let mut joined = NONE;
            for site in sites.iter().chain(sites.iter().rev()) {
                join(simd, site, spins, cluster, &mut joined);
            }
            more = joined.0.iter().fold(0, |any, word| any | word) != 0;
        }
        for (spin, cluster) in spins.iter_mut().zip(cluster.iter()) {
            for v in 0..WIDTH / S::F32_LANES {
                let first = words::<S>(cluster)[v];
                let spin = &mut words_mut::<S>(spin)[v];
                *spin = simd.xor_u32s(*spin, simd.or_u32s(first, shift(simd, first, 1)));
            }
        }
    }
}

#[inline(always)]
fn join<S: Simd>(simd: S, site: &Site, spins: &[Bits], cluster: &mut [Bits], joined: &mut Bits) {
    let own = site.own as usize;
    for v in 0..WIDTH / S::F32_LANES {
        let spin = words::<S>(&spins[own])[v];
        let next = simd.wrapping_dyn_shr_u32s(spin, simd.splat_u32s(1));
        let opposite = simd.and_u32s(simd.xor_u32s(spin, next), simd.splat_u32s(FIRST));
        let mut beside = simd.splat_u32s(0);
        for &i in &site.neighbours {
            beside = simd.or_u32s(beside, words::<S>(&cluster[i as usize])[v]);
        }
        let own = &mut words_mut::<S>(&mut cluster[own])[v];
        let after = simd.or_u32s(*own, simd.and_u32s(opposite, beside));
        let joined = &mut words_mut::<S>(joined)[v];
        *joined = simd.or_u32s(*joined, simd.xor_u32s(*own, after));
        *own = after;
    }
}
