//! Autocorrelation times, R̂ and error bars: how often they hold.

use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};
use tensorjump::Streams;
use tensorjump::mcmc::*;

/// A series x_t = φ x_{t−1} + noise has τ = ½(1+φ)/(1−φ).
fn autoregressive(records: usize, chains: usize, phi: f64, seed: u64) -> Array2<f64> {
    let mut series = Array2::zeros((records, chains));
    for (chain, mut column) in series.columns_mut().into_iter().enumerate() {
        let mut rng = Streams::new(seed).domain("autoregressive").stream(chain);
        let mut x: f64 = StandardNormal.sample(&mut rng);
        for value in &mut column {
            *value = x;
            let noise: f64 = StandardNormal.sample(&mut rng);
            x = phi * x + (1.0 - phi * phi).sqrt() * noise;
        }
    }
    series
}

#[test]
fn autocorrelation_time_of_an_autoregressive_series() {
    for (phi, seed) in [(0.8f64, 1u64), (0.0, 2), (-0.5, 3)] {
        let exact = 0.5 * (1.0 + phi) / (1.0 - phi);
        let series = autoregressive(20_000, 8, phi, seed);
        let found = Autocorrelation::of(series.view()).unwrap();
        // Statistical error √(2(2W+1)/n) τ (Sokal 1997, eq. 3.19), in which ½ stands for the zero lag of a
        // white series; and the cut at W leaves out φ^{W+1}/(1−φ).
        let n = series.len() as f64;
        let sigma = exact.max(0.5) * (2.0 * (2 * found.window + 1) as f64 / n).sqrt();
        let cut = phi.abs().powi(found.window as i32 + 1) / (1.0 - phi);
        assert!((found.tau - exact).abs() < 5.0 * sigma + cut, "φ = {phi}: {} and {exact}", found.tau);
        assert!(!found.lower_bound);
        assert_eq!(found.ess, n / (2.0 * found.tau));
        let mean = SeriesMean::of(series.view()).unwrap();
        assert!(mean.mean.abs() < 5.0 * mean.error && mean.error < 0.05);
        // Wrong twin: independent values taken for granted.
        if phi == 0.8 {
            assert!((found.tau - 0.5).abs() > 5.0 * sigma + cut);
        }
    }
    // 100 records are fewer than 100 τ = 450: flagged if τ is found above 1, fourteen standard deviations (0.24)
    // below its value.
    assert!(Autocorrelation::of(autoregressive(100, 400, 0.8, 4).view()).unwrap().lower_bound);
    // Eight chains about eight places: a long time, though each chain by itself is white.
    let mut apart = autoregressive(1000, 8, 0.0, 5);
    apart.columns_mut().into_iter().enumerate().for_each(|(c, mut column)| column += 3.0 * c as f64);
    let found = Autocorrelation::of(apart.view()).unwrap();
    assert!(found.lower_bound && found.tau > 100.0);
}

/// How often `|mean| > 1.96 error` in 300 series, by the stated error and by a given time.
fn misses(series: impl Fn(u64) -> Array2<f64>, twin: impl Fn(&Array2<f64>) -> f64) -> (usize, usize) {
    let (mut found, mut wrong) = (0, 0);
    for seed in 0..300 {
        let series = series(seed);
        let mean = SeriesMean::of(series.view()).unwrap();
        found += usize::from(mean.mean.abs() > 1.96 * mean.error);
        let error = (mean.variance * 2.0 * twin(&series) / series.len() as f64).sqrt();
        wrong += usize::from(mean.mean.abs() > 1.96 * error);
    }
    (found, wrong)
}

/// Sokal's window, the smallest `W ≥ 6τ(W)`, which closes at once where neighbours are anticorrelated.
fn sokal(series: &Array2<f64>) -> f64 {
    let mean = series.mean().unwrap();
    let x: Vec<f64> = series.iter().map(|v| v - mean).collect();
    let covariance = |t: usize| x.iter().zip(&x[t..]).map(|(a, b)| a * b).sum::<f64>() / (x.len() - t) as f64;
    let (mut tau, mut window) = (0.5, 0);
    while window == 0 || (window as f64) < 6.0 * tau {
        window += 1;
        tau += covariance(window) / covariance(0);
    }
    tau.max(0.5 / (x.len() as f64).log10())
}

/// Errors of 1.96σ are missed by 5 % of the series: of 300 by at most 36, but for a chance of 5e-7
/// (binomial).
const MISSES: usize = 36;

/// From antithetic series, whose error is stated too large, to slow ones.
#[test]
fn stated_errors_cover_autoregressive_series() {
    for phi in [-0.9, -0.6, -0.5, -0.4, 0.0, 0.5, 0.9, 0.99] {
        let records = if phi > 0.95 {
            40_000
        } else if phi == -0.4 {
            100_000
        } else {
            10_000
        };
        let independent = |_: &Array2<f64>| 0.5;
        let twin: &dyn Fn(&Array2<f64>) -> f64 = if phi < 0.0 { &sokal } else { &independent };
        let (found, wrong) = misses(|seed| autoregressive(records, 1, phi, 100 + seed), twin);
        assert!(found <= MISSES, "φ = {phi}: {found} of 300 missed");
        assert!(wrong > MISSES || ![-0.4, 0.5, 0.9, 0.99].contains(&phi), "φ = {phi}: the wrong time missed {wrong}");
        // Not too large either, where the floor 1/(2 log₁₀ n) is out of the way: no miss has a chance of
        // 2e-7.
        assert!(found > 0 || phi < -0.8, "φ = {phi}: none missed");
    }
}

/// A fast part of any period hides a slow one of a tenth of its size: pairs of correlations see it under
/// period two, batches under others.
#[test]
fn stated_errors_cover_a_slow_part_under_oscillations() {
    for period in [2, 3, 4, 7] {
        let series = |seed| {
            let mut series = 0.2 * autoregressive(20_000, 1, 0.97, 500 + seed);
            let up = |t: usize| f64::from(u8::from((t + seed as usize).is_multiple_of(period)));
            series.column_mut(0).iter_mut().enumerate().for_each(|(t, x)| *x += up(t) - 1.0 / period as f64);
            series
        };
        let (found, wrong) = misses(series, sokal);
        assert!(found <= MISSES, "period {period}: {found} of 300 missed");
        assert!(wrong > MISSES, "period {period}: the wrong time missed {wrong}");
    }
}

#[test]
fn r_hat_sees_shift_scale_and_drift() {
    let mixed = autoregressive(2000, 4, 0.3, 6);
    assert!(split_r_hat(mixed.view()).unwrap() < 1.01);
    let mut shifted = mixed.clone();
    shifted.column_mut(1).mapv_inplace(|v| v + 1.5);
    assert!(split_r_hat(shifted.view()).unwrap() > 1.1);
    let mut stretched = mixed.clone();
    stretched.column_mut(2).mapv_inplace(|v| 4.0 * v);
    assert!(split_r_hat(stretched.view()).unwrap() > 1.1);
    let drifting = Array2::from_shape_fn(mixed.dim(), |(t, c)| mixed[[t, c]] + t as f64 / 700.0);
    assert!(split_r_hat(drifting.view()).unwrap() > 1.1);
}

/// The jackknife of a cumulant-like ratio of two correlated means: 1.96 errors are missed by 5 % of 300 series, by
/// at most 36 but for a chance of 5e-7; by single records in the place of blocks far more often.
#[test]
fn jackknife_errors_hold() {
    // ⟨x⁴⟩/⟨x²⟩² = 3 of a Gaussian series.
    let powers = |x: &Array2<f64>| ndarray::stack![ndarray::Axis(2), x.mapv(|x| x.powi(2)), x.mapv(|x| x.powi(4))];
    let ratio = |a: &[f64]| a[1] / (a[0] * a[0]);
    let (mut misses, mut wrong) = (0, 0);
    for seed in 0..300 {
        let series = autoregressive(6000, 2, 0.8, seed);
        let found = Jackknife::of(powers(&series).view(), ratio).unwrap();
        assert!(!found.lower_bound);
        misses += usize::from((found.value - 3.0).abs() > 1.96 * found.error);
        // Independent records: the time of x² is 2.3.
        let independent = found.error / (2.0 * found.autocorrelation.tau).sqrt();
        wrong += usize::from((found.value - 3.0).abs() > 1.96 * independent);
    }
    assert!(misses <= 36 && wrong > 60, "{misses} misses, {wrong} of the wrong twin");
}
