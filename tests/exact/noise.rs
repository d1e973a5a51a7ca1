//! Kernels against the dense generator, schedules against quadrature, bad input.

use ndarray::{Array2, Axis, array, s};
use tensorjump::dense::{exponential, generator_matrix, kernel_matrix};
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Error, Streams};

use crate::common::all_configs;
use crate::common::random::random_rates;

fn noise(rates: Vec<Array2<f64>>) -> Noise {
    Noise::new(Rates::new(rates).unwrap(), Schedule::default())
}

/// Largest difference of two matrices of the same shape.
fn distance(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    assert_eq!(a.dim(), b.dim());
    (a - b).iter().fold(0.0, |largest: f64, v| largest.max(v.abs()))
}

#[test]
fn kernels_are_exponentials_of_the_generator() {
    for d in [2, 3, 4, 7] {
        let rates = random_rates(&[d], 10 + d as u64);
        let noise = noise(rates.clone());
        for t in [1e-9, 0.01, 0.3, 1.0, 5.0, 20.0] {
            let kernel = noise.kernel(0.0, t).unwrap().table(0).to_owned();
            let truth = exponential(&(&rates[0] * t)).unwrap();
            assert!(distance(&kernel, &truth) < 1e-13, "d = {d}, t = {t}");
            if (0.01..2.0).contains(&t) {
                // The transposed generator, with its rows completed to zero, must be told apart.
                let mut twin = rates[0].t().to_owned();
                for a in 0..d {
                    twin[[a, a]] = 0.0;
                    twin[[a, a]] = -twin.row(a).sum();
                }
                assert!(distance(&kernel, &exponential(&(twin * t)).unwrap()) > 1e-4);
            }
        }
    }
}

#[test]
fn product_kernel_is_exponential_of_the_sum_of_generators() {
    let dims = [2, 3, 4, 2];
    let rates = random_rates(&dims, 3);
    let kernel = noise(rates.clone()).kernel(0.2, 0.9).unwrap();
    let truth = exponential(&(generator_matrix(&rates).unwrap() * 0.7)).unwrap();
    assert!(distance(&kernel_matrix(&kernel).unwrap(), &truth) < 1e-13);
}

#[test]
fn short_times_keep_relative_accuracy() {
    // K[a, b] = h Q[a, b] (1 + O(hλ)), a correction of 3e-12 here.
    let h = 1e-12;
    let dims = [2, 3, 4];
    let closed = [Rates::uniform(&dims, 0.7), Rates::binary_flip(3, 0.4, 1.3), Rates::mask(&dims, 0.9)];
    for rates in closed.into_iter().map(Result::unwrap).chain([Rates::new(random_rates(&dims, 4)).unwrap()]) {
        let noise = Noise::new(rates.clone(), Schedule::linear(2.0, 0.5, 3.0).unwrap());
        let (kernel, beta) = (noise.kernel_between(1.0, 1.0 + h).unwrap(), noise.schedule().rate(1.0).unwrap());
        let elapsed = (1.0 + h) - 1.0;
        for j in 0..3 {
            for ((a, b), &q) in rates.matrix(j).indexed_iter().filter(|((a, b), _)| a != b) {
                let got = kernel.table(j)[[a, b]] / (elapsed * beta);
                assert!((got - q).abs() <= 1e-11 * q, "site {j}, {a} → {b}: {got} against {q}");
            }
        }
    }
}

#[test]
fn closed_forms_agree_with_the_general_exponential() {
    let dims = [2, 3, 4, 2];
    let schedule = Schedule::geometric(0.2, 3.0, 1.5).unwrap();
    let forms = [
        Rates::uniform(&dims, 0.7).unwrap(),
        Rates::binary_flip(4, 0.4, 1.3).unwrap(),
        Rates::binary_flip(4, 0.0, 1.3).unwrap(),
        Rates::mask(&dims, 0.9).unwrap(),
        Rates::mask(&dims, 0.9).unwrap().on_sites(&[1, 3]).unwrap(),
        Rates::uniform(&dims, 0.7).unwrap().scaled(&[0.5, 2.0, 0.0, 1.0]).unwrap(),
    ];
    for rates in forms {
        let general = Rates::new((0..4).map(|j| rates.matrix(j)).collect()).unwrap();
        let (closed, general) = (Noise::new(rates, schedule.clone()), Noise::new(general, schedule.clone()));
        for (s, t) in [(0.0, 1e-6), (0.0, 0.8), (0.5, 2.5), (0.5, 300.0)] {
            let (a, b) = (closed.kernel_between(s, t).unwrap(), general.kernel_between(s, t).unwrap());
            for j in 0..4 {
                assert!(distance(&a.table(j).to_owned(), &b.table(j).to_owned()) < 1e-13, "site {j} at {s}, {t}");
            }
        }
    }
}

#[test]
fn kernels_compose() {
    let dims = [2, 3, 4];
    let schedule = Schedule::linear(0.1, 2.0, 1.0).unwrap();
    let region = Rates::mask(&dims, 1.1).unwrap().on_sites(&[0, 2]).unwrap();
    for rates in [Rates::new(random_rates(&dims, 5)).unwrap(), Rates::mask(&dims, 1.1).unwrap(), region] {
        let noise = Noise::new(rates, schedule.clone());
        for (s, t) in [(0.0, 0.7), (0.3, 0.7), (0.3, 2.0), (0.7, 0.7)] {
            let first = noise.kernel(0.0, s).unwrap();
            let product = first.then(&noise.kernel_between(s, t).unwrap()).unwrap();
            let whole = noise.kernel(0.0, t).unwrap();
            assert_eq!((product.dims_in(), product.dims_out()), (noise.dims_in(), noise.dims_out()));
            for j in 0..3 {
                let (a, b) = (product.table(j).to_owned(), whole.table(j).to_owned());
                assert!(distance(&a, &b) < 1e-14, "site {j} at {s}, {t}");
            }
        }
    }
}

#[test]
fn masks_are_rectangular() {
    let noise =
        Noise::new(Rates::mask(&[2, 3, 2], 0.8).unwrap().on_sites(&[0, 1]).unwrap(), Schedule::constant(2.0).unwrap());
    let kernel = noise.kernel(0.0, 0.5).unwrap();
    assert_eq!((kernel.dims_in(), kernel.dims_out()), ([2, 3, 2].as_slice(), [3, 4, 2].as_slice()));
    let stay = (-0.8f64).exp();
    assert!(distance(&kernel.table(0).to_owned(), &array![[stay, 0.0, 1.0 - stay], [0.0, stay, 1.0 - stay]]) < 1e-15);
    assert_eq!(kernel.table(2), Array2::<f64>::eye(2));
    let later = noise.kernel(0.1, 0.5).unwrap();
    assert_eq!(later.dims_in(), [3, 4, 2]);
    assert_eq!(later.table(1).row(3), array![0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn long_times_reach_the_stationary_law() {
    let q = random_rates(&[4], 6).remove(0);
    for t in [1e3, 1e300, f64::INFINITY] {
        let kernel = noise(vec![q.clone()]).kernel(0.0, t).unwrap().table(0).to_owned();
        let flow = kernel.dot(&q);
        assert!(flow.iter().all(|v| v.abs() < 1e-15), "t = {t}: not stationary: {flow}");
        assert!(kernel.iter().all(|&v| v > 0.0));
        let flip = Noise::new(Rates::binary_flip(1, 0.5, 1.5).unwrap(), Schedule::default());
        let flip = flip.kernel(0.0, t).unwrap().table(0).to_owned();
        assert!(distance(&flip, &array![[0.75, 0.25], [0.75, 0.25]]) < 1e-15);
        let mask = Noise::new(Rates::mask(&[2], 0.5).unwrap(), Schedule::default());
        assert_eq!(mask.kernel(0.0, t).unwrap().table(0)[[0, 2]], 1.0);
    }
    // Rates twelve orders apart: the slow exchange between {0, 1} and {2} has its own exponential law.
    let slow = 1e-12;
    let q = array![[-1.0, 1.0, 0.0], [1.0, -1.0 - slow, slow], [0.0, slow, -slow]];
    let kernel = noise(vec![q]).kernel(0.0, 1.0 / slow).unwrap().table(0).to_owned();
    // 0 and 1 equilibrate at once: exchange at rate slow/2 out of the pair, slow back, to corrections of
    // 1e-12.
    let expected = (1.0 / 3.0) * (1.0 - (-1.5f64).exp());
    assert!((kernel[[0, 2]] - expected).abs() < 1e-11, "{} against {expected}", kernel[[0, 2]]);
}

#[test]
fn no_rates_is_no_noise() {
    for rates in [Rates::uniform(&[2, 3], 0.0), Rates::new(vec![Array2::zeros((2, 2)), Array2::zeros((3, 3))])] {
        let noise = Noise::new(rates.unwrap(), Schedule::default());
        for t in [0.0, 1.0, f64::INFINITY] {
            assert_eq!(noise.kernel(0.0, t).unwrap(), Kernel::identity(&[2, 3]).unwrap());
        }
    }
}

/// Composite Gauss–Legendre of five points.
fn quadrature(f: impl Fn(f64) -> f64, a: f64, b: f64) -> f64 {
    let rule = [
        (0.0, 0.568_888_888_888_888_9),
        (0.538_469_310_105_683_1, 0.478_628_670_499_366_5),
        (0.906_179_845_938_664, 0.236_926_885_056_189_1),
    ];
    let panels = 200;
    let h = (b - a) / f64::from(panels);
    let panel = |k: i32| {
        let middle = a + h * (f64::from(k) + 0.5);
        let pair = |(x, w): &(f64, f64)| {
            let (low, high) = (f(middle - 0.5 * h * x), f(middle + 0.5 * h * x));
            if *x == 0.0 { w * low } else { w * (low + high) }
        };
        0.5 * h * rule.iter().map(pair).sum::<f64>()
    };
    (0..panels).map(panel).sum()
}

fn schedules() -> Vec<Schedule> {
    vec![
        Schedule::default(),
        Schedule::constant(0.7).unwrap(),
        Schedule::linear(0.1, 2.0, 1.5).unwrap(),
        Schedule::linear(2.0, 0.0, 1.5).unwrap(),
        Schedule::linear(0.0, 2.0, 1.5).unwrap(),
        Schedule::geometric(0.05, 4.0, 1.5).unwrap(),
        Schedule::geometric(4.0, 0.05, 1.5).unwrap(),
        Schedule::geometric(2.0, 2.0, 1.5).unwrap(),
        Schedule::user(|t| 1.0 + t.sin(), |t| t + 1.0 - t.cos()).unwrap(),
    ]
}

#[test]
fn integrals_of_schedules() {
    for schedule in schedules() {
        for (s, t) in [(0.0, 1.0), (0.3, 1.5), (0.3, 1.2), (0.0, 0.01), (0.4, 0.4), (1.5, 3.0), (2.0, 3.0)] {
            let truth = quadrature(|t| schedule.rate(t).unwrap(), s, t);
            let got = schedule.elapsed(s, t).unwrap();
            assert!((got - truth).abs() < 1e-13 * (1.0 + truth), "{schedule:?}, {s} to {t}: {got} against {truth}");
        }
        // Across the bend at the horizon.
        let (left, right) = (schedule.elapsed(0.5, 1.5).unwrap(), schedule.elapsed(1.5, 4.0).unwrap());
        assert!((schedule.elapsed(0.5, 4.0).unwrap() - left - right).abs() < 1e-14 * (left + right));
        assert_eq!(schedule.integral(0.8).unwrap(), schedule.elapsed(0.0, 0.8).unwrap());
    }
}

#[test]
fn inverses_of_schedules() {
    for schedule in schedules() {
        for (s, t, until) in [(0.0, 0.4, 1.0), (0.3, 1.2, 4.0), (0.3, 1.5, 1.5), (0.2, 2.5, 4.0), (2.0, 3.0, 4.0)] {
            let elapsed = schedule.elapsed(s, t).unwrap();
            let back = schedule.time_after(s, elapsed, until).unwrap();
            // A rate that vanishes at t makes the inverse badly conditioned: compare the integral there.
            let again = schedule.elapsed(s, back).unwrap();
            assert!((again - elapsed).abs() < 1e-14 * (1.0 + elapsed), "{schedule:?}: {again} against {elapsed}");
            if schedule.rate(t).unwrap() > 0.01 {
                assert!((back - t).abs() < 1e-12, "{schedule:?}: {back} against {t}");
            }
            assert!(schedule.time_after(s, schedule.elapsed(s, until).unwrap() + 0.01, until).is_err());
        }
        assert_eq!(schedule.time_after(0.7, 0.0, 0.9).unwrap(), 0.7);
    }
}

#[test]
fn kernel_as_operator_and_score() {
    let dims = [2, 3, 2];
    let kernel = Noise::new(Rates::mask(&dims, 0.6).unwrap(), Schedule::default()).kernel(0.0, 0.8).unwrap();
    let mpo = kernel.to_mpo().unwrap();
    assert_eq!((mpo.max_bond(), mpo.dims_in(), mpo.dims_out()), (1, kernel.dims_in(), kernel.dims_out()));
    let matrix = kernel_matrix(&kernel).unwrap();
    let (x, y) = (all_configs(kernel.dims_in()), all_configs(kernel.dims_out()));
    for (i, x) in x.outer_iter().enumerate() {
        let x = x.broadcast((y.nrows(), 3)).unwrap();
        let scores = kernel.log_prob(x, y.view()).unwrap();
        for (k, score) in scores.iter().enumerate() {
            assert!((score.exp() - matrix[[i, k]]).abs() < 1e-15);
            let entry: f64 = (0..3).map(|j| mpo.tensors()[j][[0, x[[k, j]].into(), y[[k, j]].into(), 0]]).product();
            assert!((entry - matrix[[i, k]]).abs() < 1e-15);
        }
    }
    assert!(matrix.sum_axis(Axis(1)).iter().all(|sum| (sum - 1.0).abs() < 1e-14));
}

#[test]
fn a_hundred_thousand_equal_sites() {
    let sites = 100_000;
    let noise = Noise::new(Rates::new(vec![random_rates(&[3], 7).remove(0); sites]).unwrap(), Schedule::default());
    let kernel = noise.kernel(0.0, 0.3).unwrap();
    let x = Array2::from_shape_fn((2, sites), |(i, j)| ((i + j) % 3) as u8);
    let y = kernel.sample(x.view(), &Streams::new(1)).unwrap();
    let score = kernel.log_prob(x.view(), y.view()).unwrap();
    // Far below the smallest double, by direct summation of logarithms (rounding: 1e5 terms of 2⁻⁵³).
    for row in 0..2 {
        let direct: f64 = (0..sites).map(|j| kernel.table(0)[[x[[row, j]].into(), y[[row, j]].into()]].ln()).sum();
        assert!(direct < -1e4 && (score[row] - direct).abs() < 1e-10 * direct.abs());
    }
}

#[test]
fn draws_depend_on_the_row_only() {
    let dims = [2, 3, 4, 3];
    let kernel = noise(random_rates(&dims, 8)).kernel(0.0, 0.7).unwrap();
    let x = all_configs(&dims);
    let streams = Streams::new(5);
    let all = kernel.sample(x.view(), &streams).unwrap();
    let part = kernel.sample(x.slice(s![20..40, ..]), &streams.rows_from(20)).unwrap();
    assert_eq!(all.slice(s![20..40, ..]), part);
    assert_ne!(all, kernel.sample(x.view(), &streams.step(1)).unwrap());
    // Sites with a single state draw nothing else.
    let single = Kernel::new(&[array![[1.0], [1.0]], array![[1.0], [1.0]]]).unwrap();
    assert_eq!(single.sample(array![[1u8, 0]].view(), &streams).unwrap(), array![[0u8, 0]]);
}

#[test]
fn paths_are_consistent() {
    let dims = [2, 3, 4];
    let noise = Noise::new(Rates::new(random_rates(&dims, 9)).unwrap(), Schedule::linear(0.5, 3.0, 1.0).unwrap());
    let x = all_configs(&dims);
    for (row, path) in noise.paths(x.view(), 0.2, 1.4, &Streams::new(2)).unwrap().iter().enumerate() {
        let mut now = x.row(row).to_owned();
        let mut before = 0.2;
        for jump in &path.jumps {
            assert!(before <= jump.time && jump.time <= 1.4);
            assert_ne!(now[jump.site], jump.state);
            now[jump.site] = jump.state;
            before = jump.time;
        }
        assert_eq!(now, path.last);
    }
    let mask = Noise::new(Rates::mask(&dims, 1.0).unwrap(), Schedule::default());
    let path = mask.path(x.row(7), 0.0, 1e6, &mut Streams::new(1).stream(0)).unwrap();
    assert_eq!((path.last, path.jumps.len()), (array![2, 3, 4], 3));
}

#[test]
fn bad_rates() {
    let good = array![[-1.0, 1.0], [2.0, -2.0]];
    let with = |a, b, value: f64| {
        let mut q = good.clone();
        q[[a, b]] = value;
        Rates::new(vec![good.clone(), q])
    };
    assert!(matches!(with(0, 1, f64::NAN), Err(Error::NotFinite { field: "rates", site: 1, .. })));
    assert!(matches!(with(1, 0, -2.0), Err(Error::Negative { field: "rates", site: 1, value: -2.0 })));
    assert!(matches!(with(1, 0, 2.1), Err(Error::NotStochastic { field: "rates", site: 1, row: 1, .. })));
    assert!(matches!(Rates::new(vec![]), Err(Error::SiteCount { .. })));
    assert!(matches!(Rates::new(vec![Array2::zeros((2, 3))]), Err(Error::Shape { field: "rates", .. })));
    assert!(matches!(Rates::uniform(&[2], -1.0), Err(Error::Parameter { name: "gamma", .. })));
    assert!(matches!(Rates::uniform(&[2, 0], 1.0), Err(Error::Parameter { name: "local dimension", .. })));
    assert!(matches!(Rates::mask(&[256], 1.0), Err(Error::Parameter { name: "local dimension", .. })));
    assert!(matches!(Rates::binary_flip(3, 1.0, f64::INFINITY), Err(Error::Parameter { name: "down", .. })));
    let rates = Rates::uniform(&[2, 2], 1.0).unwrap();
    assert!(matches!(rates.on_sites(&[0, 2]), Err(Error::Parameter { name: "site", .. })));
    assert!(matches!(rates.scaled(&[1.0]), Err(Error::SiteCount { expected: 2, got: 1 })));
    assert!(matches!(rates.scaled(&[1.0, -1.0]), Err(Error::Parameter { name: "factor", .. })));
}

#[test]
fn bad_times_and_schedules() {
    let noise = noise(random_rates(&[2, 3], 1));
    assert!(matches!(noise.kernel(0.5, 0.4), Err(Error::TimeOrder { s: 0.5, t: 0.4 })));
    assert!(matches!(noise.kernel(-0.1, 0.4), Err(Error::Parameter { name: "s", .. })));
    assert!(matches!(noise.kernel(0.0, f64::NAN), Err(Error::Parameter { name: "t", .. })));
    assert!(matches!(noise.kernel(f64::INFINITY, f64::INFINITY), Err(Error::Parameter { name: "s", .. })));
    // λτ overflows although the time is finite: the slow exchange, at rate × time of 0.1, has not
    // equilibrated.
    let q = array![[-1e300, 1e300, 0.0], [1e300, -1e300 - 1e-10, 1e-10], [0.0, 1e-10, -1e-10]];
    let stiff = Noise::new(Rates::new(vec![q]).unwrap(), Schedule::default());
    assert!(matches!(stiff.kernel(0.0, 1e9), Err(Error::Parameter { name: "rate × time", .. })));
    assert!(stiff.kernel(0.0, 1e7).is_ok() && stiff.kernel(0.0, f64::INFINITY).is_ok());
    let x = Array2::zeros((1, 2));
    assert!(noise.paths(x.view(), 0.0, f64::INFINITY, &Streams::new(1)).is_err());
    assert!(matches!(noise.paths(x.view(), 1.0, 0.5, &Streams::new(1)), Err(Error::TimeOrder { .. })));
    assert!(matches!(Schedule::constant(-1.0), Err(Error::Parameter { name: "beta", .. })));
    assert!(matches!(Schedule::linear(1.0, f64::NAN, 1.0), Err(Error::Parameter { name: "beta1", .. })));
    assert!(matches!(Schedule::linear(1.0, 1.0, 0.0), Err(Error::Parameter { name: "horizon", .. })));
    assert!(matches!(Schedule::geometric(0.0, 1.0, 1.0), Err(Error::Parameter { name: "beta0", .. })));
    assert!(Schedule::user(|_| 1.0, |t| t + 1.0).is_err());
    let wrong = Schedule::user(|_| -1.0, |t| -t).unwrap();
    assert!(matches!(wrong.rate(1.0), Err(Error::Parameter { name: "beta(t)", .. })));
    assert!(matches!(wrong.elapsed(0.0, 1.0), Err(Error::Parameter { name: "integral of beta", .. })));
}

#[test]
fn bad_kernels_and_configurations() {
    let table = array![[0.5, 0.5], [0.1, 0.9]];
    let with = |value: f64| {
        let mut t = table.clone();
        t[[1, 0]] = value;
        Kernel::new(&[table.clone(), t])
    };
    assert!(matches!(with(0.2), Err(Error::NotStochastic { field: "kernel", site: 1, row: 1, .. })));
    assert!(matches!(with(-0.1), Err(Error::Negative { field: "kernel", site: 1, .. })));
    assert!(matches!(with(f64::NAN), Err(Error::NotFinite { field: "kernel", site: 1, .. })));
    assert!(matches!(Kernel::new(&[]), Err(Error::SiteCount { .. })));
    let kernel = with(0.1).unwrap();
    let streams = Streams::new(1);
    assert!(matches!(kernel.sample(array![[0u8]].view(), &streams), Err(Error::SiteCount { expected: 2, got: 1 })));
    let out = kernel.sample(array![[0u8, 0], [0, 2]].view(), &streams);
    assert!(matches!(out, Err(Error::StateOutOfRange { row: 1, site: 1, state: 2, dim: 2 })));
    let rows = kernel.log_prob(array![[0u8, 0]].view(), array![[0u8, 0], [0, 0]].view());
    assert!(matches!(rows, Err(Error::SampleCount { expected: 1, got: 2 })));
    let other = Kernel::identity(&[2, 3]).unwrap();
    assert!(matches!(kernel.then(&other), Err(Error::LocalDimension { site: 1, expected: 2, got: 3 })));
}
