//! Shared by the test binaries: configurations by index, and the χ² test of sampling laws.
#![allow(dead_code)] // each test binary uses its own part

pub mod allowed;
pub mod ddm;
pub mod faults;
pub mod guidance;
pub mod kills;
pub mod planar;
pub mod random;
pub mod reference;
pub mod threads;

use ndarray::Array2;
use tensorjump::Target;

/// False-alarm rate of every statistical test.
pub const ALPHA: f64 = 1e-6;

/// All configurations in row-major order, the first site most significant: shape `(∏ d, sites)`.
pub fn all_configs(dims: &[usize]) -> Array2<u8> {
    let size = dims.iter().product();
    let mut x = Array2::zeros((size, dims.len()));
    for (i, mut row) in x.outer_iter_mut().enumerate() {
        let mut rest = i;
        for (a, &d) in row.iter_mut().zip(dims).rev() {
            *a = (rest % d) as u8;
            rest /= d;
        }
    }
    x
}

/// The law of a target over all configurations, normalised.
pub fn law(target: &dyn Target) -> Vec<f64> {
    let w = target.log_weight(all_configs(target.dims()).view()).unwrap();
    let max = w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w = w.mapv(|w| (w - max).exp());
    let z = w.sum();
    w.iter().map(|w| w / z).collect()
}

/// Index of a configuration in the order of [`all_configs`].
pub fn index_of<'a>(x: impl IntoIterator<Item = &'a u8>, dims: &[usize]) -> usize {
    x.into_iter().zip(dims).fold(0, |i, (&a, &d)| i * d + usize::from(a))
}

/// How often each configuration occurs in a batch.
pub fn counts(x: &Array2<u8>, dims: &[usize]) -> Vec<u64> {
    let mut n = vec![0; dims.iter().product()];
    x.outer_iter().for_each(|row| n[index_of(row, dims)] += 1);
    n
}

/// Upper tail of the χ² law with `k` degrees of freedom: `Q(k/2, x/2)`, by series or continued fraction.
pub fn chi2_tail(x: f64, k: usize) -> f64 {
    let (a, x) = (k as f64 / 2.0, x / 2.0);
    if x <= 0.0 {
        return 1.0;
    }
    let log_gamma = |z: f64| {
        // Stirling after shifting the argument above 15: error below 1e-13.
        let (mut z, mut shift) = (z, 0.0);
        while z < 15.0 {
            shift += z.ln();
            z += 1.0;
        }
        let r = 1.0 / (z * z);
        (z - 0.5) * z.ln() - z + 0.918_938_533_204_672_8 + (1.0 / 12.0 - r * (1.0 / 360.0 - r / 1260.0)) / z - shift
    };
    let front = (a * x.ln() - x - log_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * 1e-16 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        1.0 - front * sum
    } else {
        // Lentz's continued fraction.
        let (mut b, mut c) = (x + 1.0 - a, 1e300);
        let mut d = 1.0 / b;
        let mut h = d;
        for i in 1..10_000 {
            let an = -(i as f64) * (i as f64 - a);
            b += 2.0;
            d = 1.0 / (an * d + b);
            c = b + an / c;
            h *= d * c;
            if (d * c - 1.0).abs() < 1e-15 {
                break;
            }
        }
        front * h
    }
}

/// p-value of counts against a law: cells of expectation below 5 are pooled; a hit in a cell of probability
/// zero gives 0.
pub fn chi2_p_value(counts: &[u64], law: &[f64]) -> f64 {
    assert_eq!(counts.len(), law.len());
    let n: u64 = counts.iter().sum();
    let (mut chi2, mut cells, mut pool) = (0.0, 0usize, (0.0, 0.0));
    for (&c, &p) in counts.iter().zip(law) {
        let expected = p * n as f64;
        if p == 0.0 && c > 0 {
            return 0.0;
        }
        if expected < 5.0 {
            pool = (pool.0 + c as f64, pool.1 + expected);
        } else {
            chi2 += (c as f64 - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if pool.1 >= 5.0 {
        chi2 += (pool.0 - pool.1).powi(2) / pool.1;
        cells += 1;
    } else if pool.1 > 0.0 && pool.0 > 40.0 {
        return 0.0; // Poisson(5) exceeds 40 with probability below 1e-20
    }
    assert!(cells > 1, "χ² needs at least two cells");
    chi2_tail(chi2, cells - 1)
}

/// Asserts that draws follow `law` and that they do not follow `wrong` (the twin that must fail).
pub fn assert_law(counts: &[u64], law: &[f64], wrong: &[f64]) {
    let p = chi2_p_value(counts, law);
    assert!(p > ALPHA, "draws do not follow the law: p = {p:e}");
    let p = chi2_p_value(counts, wrong);
    assert!(p < ALPHA, "the test cannot tell the law from its wrong twin: p = {p:e}");
}
