//! Arithmetic on lanes: loops over the SIMD vectors of a few numbers, one for each configuration of a group.
//!
//! Written with `pulp` operations throughout: left to itself the compiler interchanges loops over lanes with
//! those around them, into gathers and scatters (measured: 2.5 times the time of a pass).

use std::ops::{Deref, DerefMut};

use pulp::Simd;

/// Configurations side by side where nothing else is said.
pub(crate) const LANES: usize = 32;

/// A number for each configuration of a group.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Lane<const N: usize = LANES, T = f32>(pub [T; N]);

/// An integer for each configuration of a group: its state at one site, or random bits.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Word<const N: usize = LANES, T = u32>(pub [T; N]);

impl<const N: usize, T> Deref for Lane<N, T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<const N: usize, T> DerefMut for Lane<N, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<const N: usize, T> Deref for Word<N, T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<const N: usize, T> DerefMut for Word<N, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

pub(crate) const ZERO: Lane = Lane([0.0; LANES]);
pub(crate) const ONE: Lane = Lane([1.0; LANES]);
pub(crate) const MINUS: Lane = Lane([-1.0; LANES]);
pub(crate) const NONE: Word = Word([0; LANES]);

#[inline(always)]
pub(crate) fn vectors<S: Simd>(lane: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(lane).0
}

#[inline(always)]
pub(crate) fn vectors_mut<S: Simd>(lane: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(lane).0
}

#[inline(always)]
pub(crate) fn words<S: Simd>(word: &[u32]) -> &[S::u32s] {
    S::as_simd_u32s(word).0
}

#[inline(always)]
pub(crate) fn words_mut<S: Simd>(word: &mut [u32]) -> &mut [S::u32s] {
    S::as_mut_simd_u32s(word).0
}

/// `factor · a` in each lane.
#[inline(always)]
pub(crate) fn scaled<S: Simd>(simd: S, factor: f32, a: &Lane) -> Lane {
    let mut out = ZERO;
    let factor = simd.splat_f32s(factor);
    for v in 0..LANES / S::F32_LANES {
        vectors_mut::<S>(&mut out)[v] = simd.mul_f32s(factor, vectors::<S>(a)[v]);
    }
    out
}

/// `a ← a b`.
#[inline(always)]
pub(crate) fn multiply<S: Simd>(simd: S, a: &mut Lane, b: &Lane) {
    for v in 0..LANES / S::F32_LANES {
        let a = &mut vectors_mut::<S>(a)[v];
        *a = simd.mul_f32s(*a, vectors::<S>(b)[v]);
    }
}

/// `a ⊕ b`.
#[inline(always)]
pub(crate) fn xor<S: Simd>(simd: S, a: &Word, b: &Word) -> Word {
    let mut out = NONE;
    for v in 0..LANES / S::F32_LANES {
        words_mut::<S>(&mut out)[v] = simd.xor_u32s(words::<S>(a)[v], words::<S>(b)[v]);
    }
    out
}

/// `yes` in the lanes where `state` is `s`, else `no`.
#[inline(always)]
pub(crate) fn where_state<S: Simd>(simd: S, state: &Word, s: u32, yes: &Lane, no: &Lane) -> Lane {
    let mut out = ZERO;
    let s = simd.splat_u32s(s);
    for v in 0..LANES / S::F32_LANES {
        let here = simd.equal_u32s(words::<S>(state)[v], s);
        vectors_mut::<S>(&mut out)[v] = simd.select_f32s(here, vectors::<S>(yes)[v], vectors::<S>(no)[v]);
    }
    out
}

/// One number in the lanes where `state` is 0, another elsewhere.
#[inline(always)]
pub(crate) fn choose_number<S: Simd>(simd: S, state: &Word, zero: f32, other: f32, out: &mut Lane) {
    let (zero, other) = (simd.splat_f32s(zero), simd.splat_f32s(other));
    for v in 0..LANES / S::F32_LANES {
        let here = simd.equal_u32s(words::<S>(state)[v], simd.splat_u32s(0));
        vectors_mut::<S>(out)[v] = simd.select_f32s(here, zero, other);
    }
}

/// `(even + sign odd) a b`.
#[inline(always)]
pub(crate) fn combine<S: Simd>(simd: S, even: &Lane, sign: &Lane, odd: &Lane, a: &Lane, b: &Lane, out: &mut Lane) {
    for v in 0..LANES / S::F32_LANES {
        let sum = simd.mul_add_f32s(vectors::<S>(sign)[v], vectors::<S>(odd)[v], vectors::<S>(even)[v]);
        vectors_mut::<S>(out)[v] = simd.mul_f32s(sum, simd.mul_f32s(vectors::<S>(a)[v], vectors::<S>(b)[v]));
    }
}

/// `−a`.
#[inline(always)]
pub(crate) fn negative<S: Simd>(simd: S, a: &Lane) -> Lane {
    scaled(simd, -1.0, a)
}

/// Multiplies each lane by the power of two that brings its largest number between one and two; the numbers
/// are the first `len` of each of `parts` parts that start `stride` apart. Adds the exponents taken out to
/// `exponents`, plus 127 for each call.
#[inline(always)]
pub(crate) fn rescale<S: Simd>(
    simd: S,
    vector: &mut [Lane],
    parts: usize,
    stride: usize,
    len: usize,
    exponents: &mut Word,
) {
    for v in 0..LANES / S::F32_LANES {
        // Bits of non-negative numbers are ordered as the numbers.
        let magnitude = simd.splat_u32s(0x7fff_ffff);
        let mut max = simd.splat_u32s(0);
        for part in 0..parts {
            for lane in &vector[part * stride..part * stride + len] {
                let bits = simd.transmute_u32s_f32s(vectors::<S>(lane)[v]);
                max = simd.max_u32s(max, simd.and_u32s(bits, magnitude));
            }
        }
        let exponent = simd.and_u32s(max, simd.splat_u32s(0x7f80_0000));
        let exponent = simd.min_u32s(exponent, simd.splat_u32s(253 << 23));
        let sum = &mut words_mut::<S>(exponents)[v];
        *sum = simd.add_u32s(*sum, simd.wrapping_dyn_shr_u32s(exponent, simd.splat_u32s(23)));
        let scale = simd.transmute_f32s_u32s(simd.sub_u32s(simd.splat_u32s(254 << 23), exponent));
        for part in 0..parts {
            for lane in &mut vector[part * stride..part * stride + len] {
                let lane = &mut vectors_mut::<S>(lane)[v];
                *lane = simd.mul_f32s(*lane, scale);
            }
        }
    }
}

/// For each lane `2^(own − max)` of exponents, zero where that is below the range of the numbers.
pub(crate) fn relative(own: &Word, all: &[Word]) -> Lane {
    let mut out = ZERO;
    for i in 0..LANES {
        let max = all.iter().map(|e| e.0[i]).max().unwrap_or(0);
        let below = max - own.0[i].min(max);
        out.0[i] = f32::from_bits(127u32.saturating_sub(below) << 23);
    }
    out
}
