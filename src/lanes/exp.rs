//! The exponential in lanes.

use pulp::Simd;

/// Below this the exponential stands for zero without being it: f32 has no normal number below e^−87.3.
const LEAST: f32 = -86.0;

/// `e^x` for `x ≤ 88`, relative error 3·10⁻⁷ (for `|x| ≤ 10`, else `|x|·10⁻⁸` more); `e^−86` for anything
/// smaller.
///
/// `x = n ln 2 + f` with `|f| ≤ ln 2 / 2`, Taylor's polynomial of degree 6 in `f`, and `n` into the exponent.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = simd.max_f32s(x, simd.splat_f32s(LEAST));
    // Adding 1.5·2²³ rounds to an integer, which then stands in the lowest bits.
    let rounder = simd.splat_f32s(12_582_912.0);
    let shifted = simd.mul_add_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E), rounder);
    let n = simd.sub_f32s(shifted, rounder);
    // ln 2 in two parts, the first of few digits.
    let f = simd.mul_add_f32s(n, simd.splat_f32s(-0.693_359_4), x);
    let f = simd.mul_add_f32s(n, simd.splat_f32s(2.121_944_4e-4), f);
    let mut p = simd.splat_f32s(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = simd.mul_add_f32s(p, f, simd.splat_f32s(c));
    }
    let exponent = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(p), exponent))
}

/// `−|x|`. (`abs_f32s` and `neg_f32s` of pulp are calls, before which all registers are stored.)
#[inline(always)]
pub(crate) fn minus_abs<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.transmute_f32s_u32s(simd.or_u32s(simd.transmute_u32s_f32s(x), simd.splat_u32s(SIGN)))
}

/// `−x`.
#[inline(always)]
pub(crate) fn minus<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    simd.transmute_f32s_u32s(simd.xor_u32s(simd.transmute_u32s_f32s(x), simd.splat_u32s(SIGN)))
}

/// `x` with the sign of `y` on top of its own.
#[inline(always)]
pub(crate) fn times_sign<S: Simd>(simd: S, x: S::f32s, y: S::f32s) -> S::f32s {
    let sign = simd.and_u32s(simd.transmute_u32s_f32s(y), simd.splat_u32s(SIGN));
    simd.transmute_f32s_u32s(simd.xor_u32s(simd.transmute_u32s_f32s(x), sign))
}

/// The bit of the sign.
const SIGN: u32 = 0x8000_0000;

#[cfg(test)]
mod tests {
    use pulp::{Arch, Simd, WithSimd};

    use super::*;
    use crate::lanes::{Lane, vectors, vectors_mut};

    struct Exp(Lane<16>);
    impl WithSimd for Exp {
        type Output = Lane<16>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Lane<16> {
            let mut out = Lane([0.0; 16]);
            for v in 0..16 / S::F32_LANES {
                vectors_mut::<S>(&mut out)[v] = exp(simd, vectors::<S>(&self.0)[v]);
            }
            out
        }
    }

    #[test]
    fn exponentials_are_those_of_double_precision() {
        for i in 0..2000 {
            let x = Lane(std::array::from_fn(|k| 0.003 * (16 * i + k) as f32 - 85.0));
            let found = Arch::new().dispatch(Exp(x));
            for (x, found) in x.0.into_iter().zip(found.0) {
                let exact = f64::from(x).exp();
                let tolerance = 3e-7 + 1e-8 * f64::from(x.abs());
                assert!((f64::from(found) / exact - 1.0).abs() < tolerance, "{x}: {found}");
            }
        }
        let zero = Arch::new().dispatch(Exp(Lane([f32::NEG_INFINITY; 16]))).0[3];
        assert!(zero > 0.0 && zero < 1e-37);
    }
}
