//! Quantiles of the normal law and of Student's.

/// Inverse of the normal distribution function for `1.4e-11 < p < 1 − 1.4e-11`, relative accuracy about
/// 1e-15: algorithm AS 241, PPND16 (Wichura 1988, Applied Statistics 37, 477), without its far tail, which
/// ranks of fewer than 4·10¹⁰ values never reach.
pub(super) fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 8] = [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ];
    const B: [f64; 8] = [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_854,
    ];
    const C: [f64; 8] = [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ];
    const D: [f64; 8] = [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ];
    let ratio = |r: f64, a: &[f64; 8], b: &[f64; 8]| {
        let polynomial = |c: &[f64; 8]| c.iter().rev().fold(0.0, |sum, c| sum * r + c);
        polynomial(a) / polynomial(b)
    };
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        return q * ratio(0.180_625 - q * q, &A, &B);
    }
    let r = (-p.min(1.0 - p).ln()).sqrt();
    ratio(r - 1.6, &C, &D).copysign(q)
}

/// `t` with `P(|T| < t) = confidence`, `T` of Student's law with `freedom` degrees of freedom: the expansion
/// of Cornish and Fisher about the normal quantile (Abramowitz, Stegun, 26.7.5).
///
/// At 95 % it is off by 1e-4 of its value with five degrees of freedom and by 1e-7 with twenty, far less than
/// `freedom` is known. It is not meant for fewer than three, which count as three.
pub(super) fn student_quantile(confidence: f64, freedom: f64) -> f64 {
    let z = normal_quantile(0.5 * (1.0 + confidence));
    let (s, v) = (z * z, freedom.max(3.0));
    let terms = [
        (s + 1.0) / 4.0,
        ((5.0 * s + 16.0) * s + 3.0) / 96.0,
        (((3.0 * s + 19.0) * s + 17.0) * s - 15.0) / 384.0,
        ((((79.0 * s + 776.0) * s + 1482.0) * s - 1920.0) * s - 945.0) / 92_160.0,
    ];
    z * (1.0 + terms.iter().rev().fold(0.0, |sum, term| (sum + term) / v))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tabulated quantiles, in the centre and both parts of the tail (60-digit values of erfc⁻¹, rounded).
    #[test]
    fn normal_quantiles_are_those_of_the_tables() {
        let table = [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (1e-3, -3.090_232_306_167_813_5),
            (1e-9, -5.997_807_015_007_687),
        ];
        for (p, z) in table {
            assert!(
                (normal_quantile(p) - z).abs() < 1e-13 * (1.0 + z.abs()),
                "p = {p}: {} and {z}",
                normal_quantile(p)
            );
            assert!((normal_quantile(1.0 - p) + z).abs() < 1e-7 * (1.0 + z.abs()), "symmetry at p = {p}");
        }
    }

    /// Tabulated quantiles of Student's law; the fourth by Simpson's rule.
    #[test]
    fn student_quantiles_are_those_of_the_tables() {
        let table = [
            (0.95, 5.0, 2.570_582, 1e-3),
            (0.95, 10.0, 2.228_139, 1e-4),
            (0.95, 30.0, 2.042_272, 1e-6),
            (0.682_689_492, 10.0, 1.052_562_4, 1e-6),
            (0.99, 20.0, 2.845_340, 1e-4),
            (0.95, 1e12, 1.959_963_984_5, 1e-9),
        ];
        for (confidence, freedom, t, within) in table {
            let found = student_quantile(confidence, freedom);
            assert!((found - t).abs() < within * t, "{confidence}, {freedom}: {found} and {t}");
        }
        assert_eq!(student_quantile(0.95, 0.5), student_quantile(0.95, 3.0));
    }
}
