//! Importance weights, autocorrelation times and R̂ against their definitions.

use ndarray::{Array1, Array2, array, s};
use tensorjump::Error;
use tensorjump::mcmc::*;

use crate::common::chi2_tail;
use crate::mcmc::{target, truncated};

#[test]
fn weights_diagnostics_match_brute_force() {
    let log_w: Array1<f64> = (0..57).map(|i| ((i * i * 37 % 101) as f64 / 17.0).sin() * 3.0 + 700.0).collect();
    let mut log_w = log_w;
    log_w[4] = f64::NEG_INFINITY;
    let w: Vec<f64> = log_w.iter().map(|v| (v - 700.0).exp()).collect();
    let n = w.len();
    let sum: f64 = w.iter().sum();

    let summary = WeightSummary::of(log_w.view()).unwrap();
    let ess = sum * sum / w.iter().map(|w| w * w).sum::<f64>();
    assert!((summary.ess - ess).abs() < 1e-11 * ess && (summary.fraction - ess / n as f64).abs() < 1e-12);
    let max = log_w.iter().copied().fold(f64::MIN, f64::max);
    assert_eq!(summary.max_log_weight, max);
    assert!((summary.max_log_relative - (max - 700.0 - (sum / n as f64).ln())).abs() < 1e-11);

    let acceptance = |w: &[f64]| {
        let n = w.len();
        let pairs = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|(i, j)| i != j);
        pairs.map(|(i, j)| w[i].min(w[j])).sum::<f64>() / ((n - 1) as f64 * w.iter().sum::<f64>())
    };
    let estimate = Estimate::stationary_acceptance(log_w.view()).unwrap();
    assert!((estimate.mean - acceptance(&w)).abs() < 1e-12);
    // Infinitesimal jackknife of the brute-force ratio: the same error up to terms of relative order 1/n.
    let jackknife: Vec<f64> = (0..n)
        .map(|i| {
            let mut w = w.clone();
            w.remove(i);
            acceptance(&w)
        })
        .collect();
    let mean = jackknife.iter().sum::<f64>() / n as f64;
    let error = (jackknife.iter().map(|a| (a - mean).powi(2)).sum::<f64>() * (n - 1) as f64 / n as f64).sqrt();
    assert!((estimate.error / error - 1.0).abs() < 5.0 / n as f64, "{} and {error}", estimate.error);

    let free_energy = Estimate::log_mean_weight(log_w.view()).unwrap();
    assert!((free_energy.mean - (700.0 + (sum / n as f64).ln())).abs() < 1e-11);
    let f: Array1<f64> = (0..n).map(|i| (i % 7) as f64).collect();
    let mean = Estimate::importance_mean(log_w.view(), f.view()).unwrap();
    assert!((mean.mean - w.iter().zip(&f).map(|(w, f)| w * f).sum::<f64>() / sum).abs() < 1e-12);
    // Equal weights: acceptance and effective fraction one, the plain mean with its plain error.
    let equal = Array1::from_elem(n, -3.0);
    assert!((Estimate::stationary_acceptance(equal.view()).unwrap().mean - 1.0).abs() < 1e-14);
    assert!(Estimate::stationary_acceptance(equal.view()).unwrap().error < 1e-14);
    assert!((WeightSummary::of(equal.view()).unwrap().fraction - 1.0).abs() < 1e-14);
}

/// Every configuration "drawn" in proportion to an integer multiple of its weight: the estimators are then
/// exact.
#[test]
fn support_check_measures_the_missing_mass() {
    let (target, model) = (target(), truncated(1.0));
    let ratio = |i: usize| target.p[i].ln() - model.p[i].ln();
    let draws: Vec<usize> = (0..12).flat_map(|i| vec![i; (target.p[i] * 224.0).round() as usize]).collect();
    let log_target: Array1<f64> = draws.iter().map(|&i| target.p[i].ln()).collect();
    let log_model: Array1<f64> = draws.iter().map(|&i| model.p[i].ln()).collect();
    for kappa in [f64::INFINITY, 1.0, 0.0, -0.5] {
        let exact: f64 = (0..12).filter(|&i| model.p[i] == 0.0 || ratio(i) > kappa).map(|i| target.p[i]).sum();
        let found = Estimate::missing_mass(kappa, log_target.view(), log_model.view()).unwrap();
        assert!((found.mean - exact).abs() < 1e-12, "κ = {kappa}: {} and {exact}", found.mean);
        assert!(found.error > 0.0);
    }
    let exact: f64 = (0..12).filter(|&i| model.p[i] > 0.0).map(|i| target.p[i]).sum();
    let draws: Vec<usize> = (0..12).flat_map(|i| vec![i; (model.p[i] * 72.0).round() as usize]).collect();
    let found = Estimate::supported_mass(draws.iter().map(|&i| ratio(i)).collect::<Array1<_>>().view()).unwrap();
    assert!((found.mean - exact).abs() < 1e-12, "{} and {exact}", found.mean);
    let none = array![f64::NEG_INFINITY, f64::NEG_INFINITY];
    assert_eq!(Estimate::supported_mass(none.view()).unwrap().mean, 0.0);
}

#[test]
fn frozen_and_constant_series_have_defined_diagnostics() {
    let constant = Array2::from_elem((40, 3), 0.1);
    let found = Autocorrelation::of(constant.view()).unwrap();
    assert_eq!((found.tau, found.lower_bound), (40.0, true));
    assert!(split_r_hat(constant.view()).unwrap().is_nan());
    let mean = SeriesMean::of(constant.view()).unwrap();
    assert!((mean.mean - 0.1).abs() < 1e-15 && mean.error < 1e-15);

    let frozen = Array2::from_shape_fn((40, 3), |(_, chain)| chain as f64 / 3.0);
    let found = Autocorrelation::of(frozen.view()).unwrap();
    assert_eq!((found.tau, found.lower_bound, found.ess), (40.0, true, 1.5));
    assert_eq!(split_r_hat(frozen.view()).unwrap(), f64::INFINITY);
    assert!(SeriesMean::of(frozen.view()).unwrap().error > 0.1);

    // Strict alternation: ρ = −1 at odd lags; τ stays positive. One record: nothing but a lower bound.
    let alternating = Array2::from_shape_fn((1000, 2), |(t, _)| (t % 2) as f64);
    let found = Autocorrelation::of(alternating.view()).unwrap();
    assert!(found.tau > 0.0 && found.tau < 0.5 && found.ess <= 2000.0 * 2000f64.log10() * 1.000001);
    assert!(Autocorrelation::of(constant.slice(s![..1, ..])).unwrap().lower_bound);
    // Units do not matter, however small or large.
    let series = Array2::from_shape_fn((400, 2), |(t, c)| ((t * 7919 + c * 31) % 1009) as f64);
    let found = Autocorrelation::of(series.view()).unwrap();
    for unit in [1e-200, 1e200] {
        let scaled = Autocorrelation::of((&series * unit).view()).unwrap();
        assert!((scaled.tau - found.tau).abs() < 1e-9 && scaled.window == found.window);
    }
    // The largest numbers: τ and mean are computed, a variance beyond f64 is an error.
    let largest = array![[1e308], [-1e308], [1e308], [1.7e308]];
    let small = Autocorrelation::of((&largest * 1e-300).view()).unwrap();
    let found = Autocorrelation::of(largest.view()).unwrap();
    assert!((found.tau - small.tau).abs() < 1e-12 && found.window == small.window);
    assert!(matches!(SeriesMean::of(largest.view()), Err(Error::NotFinite { field: "variance", .. })));
    let constant = SeriesMean::of(Array2::from_elem((4, 1), 1.7e308).view()).unwrap();
    assert_eq!((constant.mean, constant.error), (1.7e308, 0.0));
    // A trend never settles.
    let trend = Array2::from_shape_fn((1000, 1), |(t, _)| t as f64);
    let found = Autocorrelation::of(trend.view()).unwrap();
    assert!(found.lower_bound && found.tau > 100.0);
}

/// Normal quantile by bisection of the χ² tail with one degree of freedom, `P(|z| > a) = Q(½, a²/2)`.
fn bisected_quantile(p: f64) -> f64 {
    let tail = 2.0 * p.min(1.0 - p);
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..60 {
        let a = (low + high) / 2.0;
        if chi2_tail(a * a, 1) > tail { low = a } else { high = a }
    }
    if p < 0.5 { -low } else { low }
}

/// R̂ of rank-normalised half-chains, written out from arXiv 1903.08008, eqs. 1–4 and 14.
fn r_hat_by_definition(halves: &[Vec<f64>]) -> f64 {
    let all = halves.concat();
    let rank = |v: f64| {
        let (below, equal) = (all.iter().filter(|u| **u < v).count(), all.iter().filter(|u| **u == v).count());
        below as f64 + (equal + 1) as f64 / 2.0
    };
    let score = |v: f64| bisected_quantile((rank(v) - 0.375) / (all.len() as f64 + 0.25));
    let z: Vec<Vec<f64>> = halves.iter().map(|h| h.iter().map(|&v| score(v)).collect()).collect();
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let spread = |v: &[f64]| v.iter().map(|u| (u - mean(v)).powi(2)).sum::<f64>() / (v.len() - 1) as f64;
    let n = halves[0].len() as f64;
    let between = n * spread(&z.iter().map(|h| mean(h)).collect::<Vec<_>>());
    let within = mean(&z.iter().map(|h| spread(h)).collect::<Vec<_>>());
    (((n - 1.0) / n * within + between / n) / within).sqrt()
}

#[test]
fn split_r_hat_is_its_definition() {
    let noise = |t: usize, chain: usize| ((t * 7919 + chain * 104_729) % 1009) as f64 / 1009.0;
    // Shifted chains (bulk decides), stretched chains (the folded one decides); ties; an odd length.
    let shifted = Array2::from_shape_fn((41, 3), |(t, c)| (10.0 * noise(t, c)).floor() + 3.0 * c as f64);
    let stretched = Array2::from_shape_fn((41, 3), |(t, c)| (1.0 + 4.0 * c as f64) * (noise(t, c) - 0.5));
    for (series, bulk_decides) in [(shifted, true), (stretched, false)] {
        let mut halves = vec![];
        for chain in series.columns() {
            let chain = chain.to_vec();
            halves.push(chain[..20].to_vec());
            halves.push(chain[21..].to_vec());
        }
        let mut all = halves.concat();
        all.sort_by(f64::total_cmp);
        let median = (all[59] + all[60]) / 2.0;
        let folded: Vec<Vec<f64>> = halves.iter().map(|h| h.iter().map(|v| (v - median).abs()).collect()).collect();
        let (bulk, folded) = (r_hat_by_definition(&halves), r_hat_by_definition(&folded));
        assert_eq!(bulk > folded, bulk_decides);
        assert!((split_r_hat(series.view()).unwrap() - bulk.max(folded)).abs() < 1e-11);
        assert!(bulk.max(folded) > 1.1);
    }
}
