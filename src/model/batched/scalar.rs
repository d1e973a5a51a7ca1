//! Scalars of the batched kernels, and buffers aligned to cache lines.

use std::fmt::Debug;
use std::ops::{Add, Mul};

use pulp::Simd;

/// Columns of every packed matrix and vector are padded to a multiple of this many bytes.
const LINE: usize = 64;

/// `f32` or `f64` with its SIMD vector. Sealed: the module is private.
#[allow(missing_docs)] // arithmetic
pub trait Real:
    Copy + Default + Debug + Send + Sync + PartialOrd + Into<f64> + Add<Output = Self> + Mul<Output = Self> + 'static
{
    /// Vector of the scalar on an instruction set.
    type Vector<S: Simd>: Copy;
    /// Scalars in one cache line: the unit of padding.
    const LANES: usize = LINE / size_of::<Self>();
    /// One.
    const ONE: Self;
    /// Above this conditional probability of the guessed symbol the others are weighed one by one, because
    /// one minus it has too few digits left.
    const NEAR_CERTAIN: f64;

    fn from_f64(x: f64) -> Self;
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    fn add_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul_vectors<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    fn sum<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
    fn vectors<S: Simd>(x: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Vector<S>];
}

macro_rules! real {
    ($scalar:ty, $vector:ident, $near:expr, $splat:ident, $add:ident, $mul:ident, $fma:ident, $sum:ident, $as:ident, $as_mut:ident) => {
        impl Real for $scalar {
            type Vector<S: Simd> = S::$vector;
            const ONE: Self = 1.0;
            const NEAR_CERTAIN: f64 = $near;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $scalar
            }
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }
            #[inline(always)]
            fn add_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }
            #[inline(always)]
            fn mul_vectors<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }
            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$fma(a, b, c)
            }
            #[inline(always)]
            fn sum<S: Simd>(simd: S, a: S::$vector) -> Self {
                simd.$sum(a)
            }
            #[inline(always)]
            fn vectors<S: Simd>(x: &[Self]) -> &[S::$vector] {
                S::$as(x).0
            }
            #[inline(always)]
            fn vectors_mut<S: Simd>(x: &mut [Self]) -> &mut [S::$vector] {
                S::$as_mut(x).0
            }
        }
    };
}

// A macro, because pulp names every operation after its scalar.
real!(f32, f32s, 0.999, splat_f32s, add_f32s, mul_f32s, mul_add_f32s, reduce_sum_f32s, as_simd_f32s, as_mut_simd_f32s);
real!(f64, f64s, 2.0, splat_f64s, add_f64s, mul_f64s, mul_add_f64s, reduce_sum_f64s, as_simd_f64s, as_mut_simd_f64s);

/// The next multiple of a cache line of scalars.
pub(crate) fn padded<T: Real>(n: usize) -> usize {
    n.next_multiple_of(T::LANES)
}

/// `1/x`, and zero where that overflows the scalar: a configuration of no measurable probability stays at
/// zero weight instead of turning into NaN.
#[inline(always)]
pub(crate) fn inverse<T: Real>(x: f64) -> T {
    let inverse = T::from_f64(1.0 / x);
    if x > 0.0 && inverse.into() < f64::INFINITY { inverse } else { T::default() }
}

/// A zeroed buffer whose first element starts a cache line.
#[derive(Debug)]
pub(crate) struct Aligned<T> {
    buffer: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> Aligned<T> {
    pub(crate) fn zeros(len: usize) -> Self {
        let buffer = vec![T::default(); len + T::LANES];
        let start = buffer.as_ptr().align_offset(LINE).min(T::LANES);
        Aligned { buffer, start, len }
    }
}

impl<T> std::ops::Deref for Aligned<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.buffer[self.start..self.start + self.len]
    }
}

impl<T> std::ops::DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.buffer[self.start..self.start + self.len]
    }
}
