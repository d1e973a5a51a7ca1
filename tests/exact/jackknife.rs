//! The jackknife against its definition.

use ndarray::{Array3, Axis, s};
use rand::RngExt;
use tensorjump::mcmc::{Autocorrelation, Jackknife};
use tensorjump::{Error, Streams};

/// Two observables of which the second remembers itself, `τ = ½ (1 + φ)/(1 − φ)`.
fn series(records: usize, chains: usize, phi: f64) -> Array3<f64> {
    let mut rng = Streams::new(3).domain("jackknife").stream(0);
    let mut series = Array3::zeros((records, chains, 2));
    for mut chain in series.axis_iter_mut(Axis(1)) {
        let mut x = 0.0;
        for mut record in chain.outer_iter_mut() {
            x = phi * x + rng.random::<f64>() - 0.5;
            record[0] = rng.random::<f64>();
            record[1] = x;
        }
    }
    series
}

fn ratio(a: &[f64]) -> f64 {
    (1.0 + a[1]) / (2.0 + a[0] * a[0])
}

fn means(series: &Array3<f64>, without: impl Fn(usize, usize) -> bool) -> Vec<f64> {
    let kept = |k: usize| -> Vec<f64> {
        let all = series.index_axis(Axis(2), k);
        all.indexed_iter().filter(|((t, c), _)| !without(*t, *c)).map(|(_, v)| *v).collect()
    };
    (0..2).map(|k| kept(k).iter().sum::<f64>() / kept(k).len() as f64).collect()
}

#[test]
fn blocks_are_left_out_one_by_one() {
    for (records, chains, phi) in [(4000, 1, 0.8), (1003, 7, 0.5), (60, 3, 0.9), (200, 50, 0.0)] {
        let series = series(records, chains, phi);
        let found = Jackknife::of(series.view(), ratio).unwrap();
        assert!((found.value - ratio(&means(&series, |_, _| false))).abs() < 1e-13);
        let (a_chain, g) = (found.blocks / chains, found.blocks as f64);
        assert_eq!((found.blocks % chains, found.block), (0, records / a_chain));
        let tau = found.autocorrelation.tau;
        assert_eq!(found.lower_bound, phi == 0.9, "{found:?}");
        assert!(found.lower_bound || found.blocks >= 50 && found.block as f64 >= 10.0 * tau);
        let left_out: Vec<f64> = (0..found.blocks)
            .map(|k| {
                let (chain, k) = (k / a_chain, k % a_chain);
                let block = k * records / a_chain..(k + 1) * records / a_chain;
                ratio(&means(&series, |t, c| c == chain && block.contains(&t)))
            })
            .collect();
        let centre = left_out.iter().sum::<f64>() / g;
        let square: f64 = left_out.iter().map(|v| (v - centre).powi(2)).sum::<f64>() * (g - 1.0) / g;
        let shared = ((tau - 0.25 / tau) / found.block as f64).min(0.5);
        let error = (square / (1.0 - shared)).sqrt();
        assert!((found.error - error).abs() < 1e-9 * error, "{} and {error}", found.error);
        assert!((found.bias - (g - 1.0) * (centre - found.value)).abs() < 1e-9);
        // The time is that of the linearised quantity.
        let a = means(&series, |_, _| false);
        let (slope, down) = (1.0 / (2.0 + a[0] * a[0]), -ratio(&a) * 2.0 * a[0] / (2.0 + a[0] * a[0]));
        let linear = &series.slice(s![.., .., 1]) * slope + &series.slice(s![.., .., 0]) * down;
        let exact = Autocorrelation::of(linear.view()).unwrap().tau;
        assert!((tau - exact).abs() < 1e-2 * exact, "{tau} and {exact}");
    }
}

/// Of a mean it is the mean; of `a²` the bias is the variance of the mean.
#[test]
fn biases_are_those_of_squares() {
    let series = series(3000, 2, 0.0);
    let one = series.slice(s![.., .., ..1]);
    let found = Jackknife::of(one, |a| a[0]).unwrap();
    assert!(found.bias.abs() < 1e-10 && (found.value - one.mean().unwrap()).abs() < 1e-15);
    let square = Jackknife::of(one, |a| a[0] * a[0]).unwrap();
    let shared = (found.autocorrelation.tau - 0.25 / found.autocorrelation.tau) / found.block as f64;
    assert!((square.bias / (found.error.powi(2) * (1.0 - shared)) - 1.0).abs() < 1e-6, "{square:?}");
    // 1/√(12·6000).
    assert!((found.error - 3.727e-3).abs() < 4e-4);
}

#[test]
fn what_tells_nothing_is_refused_or_said() {
    let constant = Array3::from_elem((100, 2, 1), 0.3);
    let found = Jackknife::of(constant.view(), |a| a[0].ln()).unwrap();
    assert!(found.error < 1e-13 && found.lower_bound);
    let short = |shape| Jackknife::of(Array3::<f64>::zeros(shape).view(), |_| 0.0);
    for shape in [(0, 3, 1), (1, 1, 1), (5, 5, 0)] {
        assert!(matches!(short(shape), Err(Error::TooFewSamples { needed: 2, .. })), "{shape:?}");
    }
    let series = series(100, 2, 0.0);
    let result = Jackknife::of(series.view(), |a| (a[1] - 1.0).ln());
    assert!(matches!(result, Err(Error::NotFinite { field: "function of the means", .. })), "{result:?}");
    let mut bad = series;
    bad[[3, 1, 0]] = f64::NAN;
    assert!(matches!(Jackknife::of(bad.view(), |a| a[0]), Err(Error::NotFinite { field: "observable", .. })));
}
