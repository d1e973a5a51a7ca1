//! Kernel mixtures and their bandwidth against sums over components.

use ndarray::{Array1, Array2, array, s};
use rand::RngExt;
use tensorjump::diffusion::Smoothing;
use tensorjump::model::KernelMixture;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Truncation;
use tensorjump::{Error, Stream};

use super::common::all_configs;
use super::common::random::random_rates;
use super::laws::{stream, table};
use super::models::{check_against_table, check_bits};

/// Random configurations; few states each at most sites, so that some are equal.
fn data(dims: &[usize], n: usize, rng: &mut Stream) -> Array2<u8> {
    Array2::from_shape_fn((n, dims.len()), |(i, j)| {
        let d = if (i + j) % 3 == 0 { dims[j] } else { dims[j].min(2) };
        rng.random_range(0..d as u8)
    })
}

/// `Σ_i ω_i ∏_j K_j(c_i^j, x_j)` of every configuration.
fn sums(x: &Array2<u8>, weights: &Array1<f64>, tables: &[Array2<f64>]) -> Vec<f64> {
    let dims: Vec<usize> = tables.iter().map(Array2::ncols).collect();
    let term = |c: ndarray::ArrayView1<'_, u8>, y: ndarray::ArrayView1<'_, u8>| -> f64 {
        (0..dims.len()).map(|j| tables[j][[c[j].into(), y[j].into()]]).product()
    };
    let total = weights.sum();
    let value = |y| x.outer_iter().zip(weights).map(|(c, w)| w / total * term(c, y)).sum();
    all_configs(&dims).outer_iter().map(value).collect()
}

/// Tables of each kind: positive, with zeros (the identity: excluded states), rectangular.
fn tables(dims_in: &[usize], dims_out: &[usize], kind: usize, rng: &mut Stream) -> Vec<Array2<f64>> {
    let site = |(&d_in, &d_out): (&usize, &usize)| {
        let mut table = Array2::from_shape_fn((d_in, d_out), |(a, b)| match kind {
            1 => f64::from(a == b),
            2 => rng.random::<f64>() * f64::from(u8::from(a == b || (a + b) % 3 != 1)),
            _ => 0.05 + rng.random::<f64>(),
        });
        table.outer_iter_mut().for_each(|mut row| row /= row.sum());
        table
    };
    dims_in.iter().zip(dims_out).map(site).collect()
}

#[test]
fn mixtures_agree_with_their_sums() {
    let systems: [(&[usize], &[usize]); 4] =
        [(&[2; 7], &[2; 7]), (&[2, 3, 2, 4, 3], &[2, 3, 2, 4, 3]), (&[3, 2, 4], &[4, 3, 2]), (&[3], &[3])];
    for (i, (dims_in, dims_out)) in systems.into_iter().enumerate() {
        for kind in [0, 1, 2] {
            if kind == 1 && dims_in != dims_out {
                continue;
            }
            let name = format!("mixture {i} {kind}");
            let mut rng = stream(&name);
            let x = data(dims_in, 60, &mut rng);
            let weights = Array1::from_shape_simple_fn(60, || rng.random::<f64>().powi(3));
            let tables = tables(dims_in, dims_out, kind, &mut rng);
            let model = KernelMixture::new(x.view(), Some(weights.view()), &tables).unwrap();
            assert!(model.weights().len() <= 60 && (model.weights().iter().sum::<f64>() - 1.0).abs() < 1e-14);
            let p = sums(&x, &weights, &tables);
            check_against_table(&model, &p, &vec![1.0; p.len()], &name);
            check_bits(&model, &name);
        }
    }
}

#[test]
fn matrix_products_of_a_mixture() {
    let mut rng = stream("mixture mps");
    for dims in [vec![2, 3, 2, 2, 3], vec![3]] {
        let x = data(&dims, 70, &mut rng);
        let noise = Noise::new(Rates::new(random_rates(&dims, 3)).unwrap(), Schedule::default());
        let model = Smoothing::new(x.view(), None, &noise).unwrap().law(0.4).unwrap();
        let p = sums(&x, &Array1::ones(70), model.tables());
        let exact = table(model.to_positive().unwrap().as_mps());
        let full = model.compress(&Truncation::default()).unwrap();
        // A truncation at 10⁻¹⁴ a bond, sums of 70 rounded terms.
        for (e, (f, p)) in exact.iter().zip(table(&full.mps).iter().zip(&p)) {
            assert!((e - p).abs() < 1e-14 && (f - p).abs() < 1e-12, "{e} {f} {p}");
        }
        assert!(full.distance < 1e-7 && full.log_sum.abs() < 1e-12);
        let cut = model.compress(&Truncation { max_bond: 2, ..Truncation::default() }).unwrap();
        let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>().sqrt();
        let found = table(&cut.mps);
        let distance = norm(&mut found.iter().zip(&p).map(|(a, b)| a - b)) / norm(&mut p.iter().copied());
        // The square of the distance is a difference of numbers of order one.
        assert!((cut.distance.powi(2) - distance.powi(2)).abs() < 1e-13, "{} against {distance}", cut.distance);
        assert!(dims.len() == 1 || distance > 1e-4);
    }
}

/// Sparse laws cut to any bond: the distance is that of the tables, the sum that of the entries.
#[test]
fn compressed_mixtures_state_their_distance() {
    let mut rng = stream("sparse mixture mps");
    for case in 0..3000 {
        let dims: Vec<usize> = (0..rng.random_range(1..6)).map(|_| rng.random_range(1..4)).collect();
        let n = rng.random_range(1..8);
        let x = data(&dims, n, &mut rng);
        let weights = Array1::from_shape_simple_fn(n, || 0.01 + rng.random::<f64>().powi(3));
        let tables = tables(&dims, &dims, case % 3, &mut rng);
        let p = sums(&x, &weights, &tables);
        let model = KernelMixture::new(x.view(), Some(weights.view()), &tables).unwrap();
        let max_bond = rng.random_range(1..4);
        let cut = model.compress(&Truncation { max_bond, ..Truncation::default() }).unwrap();
        let found = table(&cut.mps);
        let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
        let distance = square(&mut found.iter().zip(&p).map(|(a, b)| a - b)) / square(&mut p.iter().copied());
        // A difference of numbers of order one.
        assert!(
            (cut.distance.powi(2) - distance).abs() < 1e-13,
            "case {case}, dims {dims:?}, bond {max_bond}: {} against {}",
            cut.distance,
            distance.sqrt()
        );
        let sum: f64 = found.iter().sum();
        assert!((cut.log_sum - sum.abs().ln()).abs() < 1e-9 || sum.abs() < 1e-9, "case {case}: {} {sum}", cut.log_sum);
    }
}

/// `L` by its definition: every sample under the weighted law of the others.
fn leave_one_out(x: &Array2<u8>, weights: &Array1<f64>, noise: &Noise, t: f64) -> f64 {
    let kernel = noise.kernel(0.0, t).unwrap();
    let w = weights / weights.sum();
    let n = x.nrows();
    let k = |l: usize, i: usize| -> f64 {
        (0..x.ncols()).map(|j| kernel.tables()[[j, x[[l, j]].into(), x[[i, j]].into()]]).product()
    };
    let others = |i: usize| -> f64 { (0..n).filter(|&l| l != i).map(|l| w[l] * k(l, i)).sum::<f64>() / (1.0 - w[i]) };
    (0..n).map(|i| w[i] * others(i).ln()).sum()
}

#[test]
fn leave_one_out_likelihood_and_its_derivatives() {
    let dims = [2, 3, 2, 2];
    let mut rng = stream("leave one out");
    let x = data(&dims, 40, &mut rng);
    // Some weights are equal, some not: equal configurations have parts of both kinds.
    let weights = Array1::from_shape_fn(40, |i| if i % 3 == 0 { 1.0 } else { 0.1 + rng.random::<f64>() });
    let schedule = Schedule::linear(0.2, 2.0, 1.0).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 8)).unwrap(), schedule.clone());
    for weights in [Array1::ones(40), weights] {
        let smoothing = Smoothing::new(x.view(), Some(weights.view()), &noise).unwrap();
        for t in [0.05, 0.4, 2.0] {
            let found = smoothing.leave_one_out(t).unwrap();
            let exact = leave_one_out(&x, &weights, &noise, t);
            assert!((found.log_likelihood - exact).abs() < 1e-12 * exact.abs().max(1.0));
            // Central differences: error h² f‴/6 ≈ 10⁻⁷ of f′ at h = 10⁻⁴ t, rounding 10⁻¹⁴/h.
            let h = 1e-4 * t;
            let slope =
                (leave_one_out(&x, &weights, &noise, t + h) - leave_one_out(&x, &weights, &noise, t - h)) / (2.0 * h);
            assert!((found.derivative - slope).abs() < 1e-6 * slope.abs().max(1.0), "{} {slope}", found.derivative);
            for j in 0..dims.len() {
                let scaled = |f: f64| {
                    let mut factors = vec![1.0; dims.len()];
                    factors[j] = f;
                    let noise = Noise::new(noise.rates().scaled(&factors).unwrap(), schedule.clone());
                    leave_one_out(&x, &weights, &noise, t)
                };
                let slope = (scaled(1e-4f64.exp()) - scaled((-1e-4f64).exp())) / 2e-4;
                assert!((found.by_site[j] - slope).abs() < 1e-6 * slope.abs().max(1.0));
            }
        }
    }
}

/// Far apart and at small noise the term of a sample itself exceeds those of all others beyond the range of
/// numbers.
#[test]
fn leave_one_out_of_distant_samples() {
    let n = 256;
    let noise = Noise::new(Rates::binary_flip(n, 1.0, 1.0).unwrap(), Schedule::default());
    let mut rng = stream("distant samples");
    let distinct = Array2::from_shape_fn((4, n), |_| rng.random_range(0..2u8));
    // The second set has a twin: its terms and those of the others differ as much.
    let with_twin = distinct.select(ndarray::Axis(0), &[0, 1, 2, 3, 3]);
    for x in [distinct.clone(), with_twin] {
        // At rates one and one the chance of a flip is (1 − e^{−2t})/2; with its logarithm sums over sites
        // are exact enough.
        let exact = |t: f64| -> f64 {
            let flip = -0.5 * (-2.0 * t).exp_m1();
            let k = |l: usize, i: usize| {
                let distance = (0..n).filter(|&j| x[[l, j]] != x[[i, j]]).count() as f64;
                distance * flip.ln() + (n as f64 - distance) * (-flip).ln_1p()
            };
            let others = |i: usize| {
                let terms: Vec<f64> = (0..x.nrows()).filter(|&l| l != i).map(|l| k(l, i)).collect();
                let max = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                max + terms.iter().map(|v| (v - max).exp()).sum::<f64>().ln() - (terms.len() as f64).ln()
            };
            (0..x.nrows()).map(others).sum::<f64>() / x.nrows() as f64
        };
        let smoothing = Smoothing::new(x.view(), None, &noise).unwrap();
        for t in [1e-5, 1e-3, 0.002, 0.003, 0.1] {
            let found = smoothing.leave_one_out(t).unwrap();
            assert!(
                (found.log_likelihood / exact(t) - 1.0).abs() < 1e-12,
                "{t}: {} {}",
                found.log_likelihood,
                exact(t)
            );
            let slope = (exact(t * 1.0001) - exact(t * 0.9999)) / (2e-4 * t);
            assert!((found.derivative / slope - 1.0).abs() < 1e-6, "{t}: {} against {slope}", found.derivative);
            assert!((found.by_site.sum() / (t * slope) - 1.0).abs() < 1e-6);
        }
        let best = smoothing.bandwidth(1e-4, 1e-3).unwrap();
        assert!(best.at_edge && best.time == 1e-3 && best.log_likelihood.is_finite());
        let likelihood = smoothing.site_rates(1e-3, 2).unwrap().log_likelihood;
        assert!(likelihood.windows(2).all(|l| l[0].is_finite() && l[1] > l[0]), "{likelihood:?}");
        // Stationary noise: every sample has probability 2⁻ⁿ under every other, and nothing changes any more.
        let end = smoothing.leave_one_out(f64::INFINITY).unwrap();
        assert!((end.log_likelihood / (n as f64 * 0.5f64.ln()) - 1.0).abs() < 1e-13);
        assert!(end.derivative == 0.0 && end.by_site.iter().all(|&d| d == 0.0));
    }
}

/// Beside a weight of one the others count by themselves, not as what is missing to one.
#[test]
fn leave_one_out_of_a_dominating_sample() {
    let noise = Noise::new(Rates::binary_flip(2, 1.0, 1.0).unwrap(), Schedule::default());
    let x = array![[0, 0], [1, 1], [0, 1]];
    let flip = -0.5 * (-0.6f64).exp_m1();
    // The first sample under the two others, which weigh the same.
    let exact = (0.5 * (flip * flip + flip * (1.0 - flip))).ln();
    for small in [1e-17, 1e-100, 1e-300] {
        let smoothing = Smoothing::new(x.view(), Some(array![1.0, small, small].view()), &noise).unwrap();
        let found = smoothing.leave_one_out(0.3).unwrap();
        // Differences of logarithms of weights, down to −690: a few times 10⁻¹³ of rounding.
        let error = (found.log_likelihood - exact).abs();
        assert!(error < 1e-12 && (exact + 2.18216).abs() < 1e-5, "{small:e}: {error:e}");
        assert!(found.derivative.is_finite() && found.by_site.iter().all(|d| d.is_finite()));
    }
}

#[test]
fn bandwidth_and_rates_by_leave_one_out() {
    let n = 6;
    let mut rng = stream("bandwidth");
    // Two noisy words; the last site is a fair coin of its own, the first never errs.
    let x = Array2::from_shape_fn((60, n), |(i, j)| {
        let flip = match j {
            0 => 0.0,
            j if j + 1 == n => 0.5,
            _ => 0.1,
        };
        (u8::from(i % 2 == 0) + u8::from(rng.random::<f64>() < flip)) % 2
    });
    let noise = Noise::new(Rates::uniform(&vec![2; n], 1.0).unwrap(), Schedule::default());
    let smoothing = Smoothing::new(x.view(), None, &noise).unwrap();
    let best = smoothing.bandwidth(1e-3, 10.0).unwrap();
    assert!(!best.at_edge && best.evaluations < 60);
    assert!(smoothing.leave_one_out(best.time).unwrap().derivative.abs() < 1e-5);
    for k in 0..100 {
        let other = smoothing.leave_one_out(1e-3 * 1e4f64.powf(k as f64 / 99.0)).unwrap().log_likelihood;
        assert!(other <= best.log_likelihood + 1e-12);
    }
    let edge = smoothing.bandwidth(best.time * 2.0, 10.0).unwrap();
    assert!(edge.at_edge && edge.time == best.time * 2.0);

    let rates = smoothing.site_rates(best.time, 40).unwrap();
    let likelihood = &rates.log_likelihood;
    assert_eq!((likelihood.len(), likelihood[0]), (41, best.log_likelihood));
    // Monotone up to the rounding of a sum of 60 logarithms.
    assert!(likelihood.windows(2).all(|l| l[1] >= l[0] - 1e-13));
    println!("{best:?} {likelihood:?} {:?}", rates.factors);
    assert!(likelihood[40] > likelihood[0] + 0.01);
    assert!(rates.factors[0] < 1e-3 && rates.factors[n - 1] > 3.0 * rates.factors[1], "{:?}", rates.factors);
    // At the end the derivatives vanish, but for factors at a boundary.
    let end = Smoothing::new(x.view(), None, &rates.noise).unwrap().leave_one_out(best.time).unwrap();
    assert!((end.log_likelihood - likelihood[40]).abs() < 1e-13);
    assert!(end.by_site.slice(s![1..n - 1]).iter().all(|d| d.abs() < 1e-3), "{}", end.by_site);
}

#[test]
fn bad_input_of_mixtures() {
    let flip = array![[0.9, 0.1], [0.1, 0.9]];
    let x = array![[0u8, 1], [1, 1]];
    let two = [flip.clone(), flip.clone()];
    let new = |x: &Array2<u8>, w: Option<&Array1<f64>>, tables: &[Array2<f64>]| {
        KernelMixture::new(x.view(), w.map(|w| w.view()), tables).unwrap_err()
    };
    assert_eq!(new(&Array2::zeros((0, 2)), None, &two), Error::TooFewSamples { needed: 1, got: 0 });
    assert_eq!(new(&x, None, &[]), Error::SiteCount { expected: 1, got: 0 });
    assert_eq!(new(&x, None, &two[..1]), Error::SiteCount { expected: 1, got: 2 });
    let out = Error::StateOutOfRange { row: 1, site: 0, state: 2, dim: 2 };
    assert_eq!(new(&array![[0, 1], [2, 1]], None, &two), out);
    assert_eq!(new(&x, Some(&array![1.0]), &two), Error::SampleCount { expected: 2, got: 1 });
    let weight = "weight of a sample";
    assert_eq!(new(&x, Some(&array![1.0, -2.0]), &two), Error::Negative { field: weight, site: 1, value: -2.0 });
    assert!(matches!(new(&x, Some(&array![1.0, f64::NAN]), &two), Error::NotFinite { site: 1, .. }));
    assert_eq!(new(&x, Some(&array![0.0, 0.0]), &two), Error::ZeroWeight { what: "set of samples" });
    assert!(matches!(new(&x, None, &[flip.clone(), array![[0.5, -0.5], [0.0, 1.0]]]), Error::Negative { site: 1, .. }));
    assert!(matches!(new(&x, None, &[flip.clone(), array![[0.0, 0.0], [0.0, 1.0]]]), Error::ZeroWeight { .. }));

    // Rows whose sum overflows are laws as well.
    let large = KernelMixture::new(array![[0u8]].view(), None, &[array![[1e308, 1e308], [0.0, f64::MAX]]]).unwrap();
    assert_eq!(large.tables(), [array![[0.5, 0.5], [0.0, 1.0]]]);

    let noise = Noise::new(Rates::uniform(&[2, 2], 1.0).unwrap(), Schedule::default());
    let smoothing = |x: &Array2<u8>| Smoothing::new(x.view(), None, &noise).map(|_| ()).unwrap_err();
    assert_eq!(smoothing(&array![[0, 1]]), Error::TooFewSamples { needed: 2, got: 1 });
    assert_eq!(smoothing(&array![[0, 1], [0, 1]]), Error::IdenticalSamples { samples: 2 });
    let mask = Noise::new(Rates::mask(&[2, 2], 1.0).unwrap(), Schedule::default());
    assert!(matches!(Smoothing::new(x.view(), None, &mask), Err(Error::LocalDimension { .. })));
    let good = Smoothing::new(x.view(), None, &noise).unwrap();
    assert_eq!(good.bandwidth(2.0, 1.0).unwrap_err(), Error::TimeOrder { s: 2.0, t: 1.0 });
    assert!(matches!(good.bandwidth(0.0, 1.0), Err(Error::Parameter { .. })));
    assert!(matches!(good.site_rates(f64::NAN, 1), Err(Error::Parameter { .. })));
    let frozen = Noise::new(Rates::uniform(&[2, 2], 0.0).unwrap(), Schedule::default());
    let never = Smoothing::new(x.view(), None, &frozen).unwrap().bandwidth(0.1, 1.0);
    assert_eq!(never.unwrap_err(), Error::ZeroWeight { what: "leave-one-out likelihood" });
}
