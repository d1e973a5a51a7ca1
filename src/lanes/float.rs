//! Single and double precision by the same code.

use pulp::Simd;

/// A number of which a vector of the machine holds some: the operations of `pulp` that code for both
/// precisions needs.
pub(crate) trait Float: Copy + Into<f64> + std::fmt::Debug + Send + Sync + 'static {
    /// An integer of the same size: a state, so that it masks numbers.
    type Bits: Copy + std::fmt::Debug + From<u8> + Into<u64> + Send + Sync;
    type Vector<S: Simd>: Copy;
    type Mask<S: Simd>: Copy;
    const ZERO: Self;
    const ONE: Self;
    /// What a largest number is compared with to be positive.
    const TINY: Self;
    /// Largest part, squared, of a vector that is rounding after its components along others have been taken
    /// off: some thousand roundings of what there was.
    const SPANNED: Self;
    /// The same where what is left may lie along those others again, so that it is taken off once more.
    const ROUNDED: Self;
    /// The same where nothing is left, not even rounding.
    const NOTHING: Self;

    fn vectors<S: Simd>(lane: &[Self]) -> &[Self::Vector<S>];
    fn vectors_mut<S: Simd>(lane: &mut [Self]) -> &mut [Self::Vector<S>];
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Vector<S>;
    fn add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn mul<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn div<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn sqrt<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    /// `a b + c`.
    fn mul_add<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    /// `c − a b`.
    fn less_product<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>, c: Self::Vector<S>) -> Self::Vector<S>;
    fn max<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    fn abs<S: Simd>(simd: S, a: Self::Vector<S>) -> Self::Vector<S>;
    fn greater<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Mask<S>;
    /// Whether the mask is set in some lane.
    fn any<S: Simd>(simd: S, mask: Self::Mask<S>) -> bool;
    fn select<S: Simd>(simd: S, mask: Self::Mask<S>, yes: Self::Vector<S>, no: Self::Vector<S>) -> Self::Vector<S>;
    /// Where the states of vector `v` are `a`.
    fn is<S: Simd>(simd: S, states: &[Self::Bits], v: usize, a: u8) -> Self::Mask<S>;
    /// The power of two that brings `max > 0` between one and two.
    fn scale<S: Simd>(simd: S, max: Self::Vector<S>) -> Self::Vector<S>;
}

/// `pulp` names its operations by the type of the number.
macro_rules! float {
    (
        $float:ty, $bits:ty, $vector:ident, $mask:ident,
        $tiny:expr, $spanned:expr, $rounded:expr, $nothing:expr, $exponent:expr, $digits:expr,
        $as_simd:ident, $as_mut_simd:ident, $as_bits:ident, $splat:ident, $add:ident, $mul:ident,
        $div:ident, $sqrt:ident, $mul_add:ident, $less_product:ident, $max:ident, $greater:ident,
        $first:ident, $select:ident, $equal:ident, $splat_bits:ident, $and:ident, $min_bits:ident, $sub_bits:ident,
        $to_bits:ident, $from_bits:ident
    ) => {
        impl Float for $float {
            type Bits = $bits;
            type Vector<S: Simd> = S::$vector;
            type Mask<S: Simd> = S::$mask;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const TINY: Self = $tiny;
            const SPANNED: Self = $spanned;
            const ROUNDED: Self = $rounded;
            const NOTHING: Self = $nothing;

            #[inline(always)]
            fn vectors<S: Simd>(lane: &[Self]) -> &[S::$vector] {
                S::$as_simd(lane).0
            }

            #[inline(always)]
            fn vectors_mut<S: Simd>(lane: &mut [Self]) -> &mut [S::$vector] {
                S::$as_mut_simd(lane).0
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$vector {
                simd.$splat(x)
            }

            #[inline(always)]
            fn add<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$add(a, b)
            }

            #[inline(always)]
            fn mul<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$mul(a, b)
            }

            #[inline(always)]
            fn div<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$div(a, b)
            }

            #[inline(always)]
            fn sqrt<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                simd.$sqrt(a)
            }

            #[inline(always)]
            fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$mul_add(a, b, c)
            }

            #[inline(always)]
            fn less_product<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
                simd.$less_product(a, b, c)
            }

            #[inline(always)]
            fn max<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
                simd.$max(a, b)
            }

            /// Of the bits: the function of `pulp` is a call.
            #[inline(always)]
            fn abs<S: Simd>(simd: S, a: S::$vector) -> S::$vector {
                simd.$from_bits(simd.$and(simd.$to_bits(a), simd.$splat_bits(<$bits>::MAX >> 1)))
            }

            #[inline(always)]
            fn greater<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$mask {
                simd.$greater(a, b)
            }

            #[inline(always)]
            fn any<S: Simd>(simd: S, mask: S::$mask) -> bool {
                simd.$first(mask) < size_of::<S::$vector>() / size_of::<$float>()
            }

            #[inline(always)]
            fn select<S: Simd>(simd: S, mask: S::$mask, yes: S::$vector, no: S::$vector) -> S::$vector {
                simd.$select(mask, yes, no)
            }

            #[inline(always)]
            fn is<S: Simd>(simd: S, states: &[$bits], v: usize, a: u8) -> S::$mask {
                simd.$equal(S::$as_bits(states).0[v], simd.$splat_bits(a.into()))
            }

            #[inline(always)]
            fn scale<S: Simd>(simd: S, max: S::$vector) -> S::$vector {
                let exponent = simd.$and(simd.$to_bits(max), simd.$splat_bits($exponent << $digits));
                // Not beyond the largest finite power, for what is not finite.
                let exponent = simd.$min_bits(exponent, simd.$splat_bits(($exponent - 2) << $digits));
                simd.$from_bits(simd.$sub_bits(simd.$splat_bits(($exponent - 1) << $digits), exponent))
            }
        }
    };
}

float!(
    f32,
    u32,
    f32s,
    m32s,
    1e-37,
    1e-11,
    1e-13,
    1e-20,
    0xff,
    23,
    as_simd_f32s,
    as_mut_simd_f32s,
    as_simd_u32s,
    splat_f32s,
    add_f32s,
    mul_f32s,
    div_f32s,
    sqrt_f32s,
    mul_add_f32s,
    negate_mul_add_f32s,
    max_f32s,
    greater_than_f32s,
    first_true_m32s,
    select_f32s,
    equal_u32s,
    splat_u32s,
    and_u32s,
    min_u32s,
    sub_u32s,
    transmute_u32s_f32s,
    transmute_f32s_u32s
);
float!(
    f64,
    u64,
    f64s,
    m64s,
    1e-307,
    1e-28,
    1e-30,
    1e-38,
    0x7ff,
    52,
    as_simd_f64s,
    as_mut_simd_f64s,
    as_simd_u64s,
    splat_f64s,
    add_f64s,
    mul_f64s,
    div_f64s,
    sqrt_f64s,
    mul_add_f64s,
    negate_mul_add_f64s,
    max_f64s,
    greater_than_f64s,
    first_true_m64s,
    select_f64s,
    equal_u64s,
    splat_u64s,
    and_u64s,
    min_u64s,
    sub_u64s,
    transmute_u64s_f64s,
    transmute_f64s_u64s
);

#[cfg(test)]
mod tests {
    use pulp::{Arch, Simd, WithSimd};

    use super::Float;

    struct Scales<F>([F; 16]);
    impl<F: Float> WithSimd for Scales<F> {
        type Output = [F; 16];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [F; 16] {
            let mut out = self.0;
            for x in F::vectors_mut::<S>(&mut out) {
                *x = F::mul(simd, F::scale(simd, F::abs(simd, *x)), *x);
            }
            out
        }
    }

    #[test]
    fn scales_are_powers_of_two() {
        let numbers: [f64; 16] = std::array::from_fn(|i| (f64::from(i as u32) - 7.5) * 10f64.powi(3 * i as i32 - 24));
        let double = Arch::new().dispatch(Scales(numbers));
        let single = Arch::new().dispatch(Scales(numbers.map(|x| x as f32)));
        for (i, x) in numbers.into_iter().enumerate() {
            let exact = x / x.abs().log2().floor().exp2();
            assert_eq!(double[i], exact);
            assert!((f64::from(single[i]) / exact - 1.0).abs() < 1e-7);
        }
        assert!(Arch::new().dispatch(Scales([f64::NAN; 16])).iter().all(|x| x.is_nan()));
    }
}
