//! The reverse process by enumeration: laws of single steps, order of convergence, bias of the prior start,
//! errors.

use ndarray::{Array2, Array3, Axis, s};
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::reverse::{
    Bound, Corrector, Finish, Method, Order, Remask, Step, TimeGrid, exact_paths, exact_start, reverse,
};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, ExactDiffusion, Face, GivenDenoiser};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::tn::Mps;
use tensorjump::{Configs, Error, Result, Streams, Target};

use crate::common::all_configs;
use crate::common::random::{random_law, random_rates};
use crate::laws::stream;

/// Probabilities: some 10³ roundings of 2⁻⁵³, with a factor ten in hand.
const TOLERANCE: f64 = 1e-12;

const STEPS: [Step; 3] = [Step::Euler, Step::TauLeaping, Step::Analytical];

/// Systems with asymmetric rates, different on every site, and a schedule.
fn systems() -> Vec<(DenseLaw, Noise)> {
    let noise = |dims: &[usize], seed| {
        Noise::new(Rates::new(random_rates(dims, seed)).unwrap(), Schedule::linear(0.5, 1.5, 1.0).unwrap())
    };
    [(vec![2; 5], 61), (vec![3; 3], 62), (vec![2, 3, 2], 63)]
        .map(|(dims, seed)| (random_law(&dims, seed), noise(&dims, seed)))
        .to_vec()
}

/// The trap of METHODS.md §0: denoiser marginals where cavities belong.
fn mistaken<'a>(model: &'a PositiveMps, noise: &'a Noise) -> impl Denoiser + 'a {
    GivenDenoiser::new(noise.clone(), Face::Cavities, |t, y: Configs<'_>| -> Result<Array3<f64>> {
        let kernel = noise.kernel(0.0, t)?;
        model.scores(&kernel, y)?.denoiser_marginals()
    })
}

/// The law of one step against its definition from enumerated rates and posteriors.
#[test]
fn laws_of_one_step() {
    for (law, noise) in systems() {
        let (s, t) = (0.4, 0.5);
        let (elapsed, beta) = (noise.schedule().elapsed(s, t).unwrap(), noise.schedule().rate(t).unwrap());
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let y = all_configs(law.dims());
        let noised = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let rates: Vec<Array2<f64>> = (0..noise.sites()).map(|j| noise.rate_matrix(j, t).unwrap()).collect();
        let laws = STEPS.map(|step| step.law(&denoiser, (s, t), y.view()).unwrap());
        for (row, y) in y.outer_iter().enumerate() {
            let y = y.to_vec();
            let reverse = noised.reverse_rates(&rates, &y).unwrap() * (elapsed / beta);
            let (to_s, s_to_t) = (noise.kernel(0.0, s).unwrap(), noise.kernel_between(s, t).unwrap());
            let between = law.posterior_between(&to_s, &s_to_t, &y).unwrap();
            for (j, &d) in law.dims().iter().enumerate() {
                let total = reverse.row(j).sum();
                assert!(total < 1.0, "the example is meant to have short steps");
                let tau_leaping = total * (-total).exp();
                for b in 0..d {
                    let (euler, leap) = match b == usize::from(y[j]) {
                        true => (1.0 - total, 1.0 - tau_leaping),
                        false => (reverse[[j, b]], reverse[[j, b]] * (-total).exp()),
                    };
                    let marginal = between.mean(|x| f64::from(u8::from(usize::from(x[j]) == b)));
                    for (law, truth) in laws.iter().zip([euler, leap, marginal]) {
                        let got = law.marginals[[row, j, b]];
                        assert!((got - truth).abs() < TOLERANCE, "{got:e} against {truth:e}");
                    }
                }
                let rejected = 1.0 - (-total).exp() * (1.0 + total);
                assert!((laws[1].excess[[row, j]] - rejected).abs() < TOLERANCE);
            }
        }
    }
}

fn error_of(law: &DenseLaw, denoiser: &dyn Denoiser, steps: usize, step: Step, corrector: Option<Corrector>) -> f64 {
    let start = law.noised(&denoiser.noise().kernel(0.0, 1.0).unwrap()).unwrap();
    let grid = TimeGrid::uniform(1.0, 0.0, steps).unwrap();
    let end = LeapLaw::new(denoiser, &start, &grid, step, corrector).unwrap();
    assert_eq!(end.lost, 0.0);
    distances(law.p(), end.law.p()).unwrap().0
}

/// Slope 1 ± 0.1 of the total variation from 64 to 128 and to 256 steps, all steps and predictor–corrector;
/// the twin with denoiser marginals for cavities does not converge.
#[test]
fn first_order() {
    let corrector = Some(Corrector::Rates { rounds: 1, size: 0.5 });
    for (law, noise) in systems() {
        let model = PositiveMps::from_table(law.dims(), law.p()).unwrap();
        let exact = ExactDenoiser::new(&model, &noise).unwrap();
        let twin = mistaken(&model, &noise);
        for (step, corrector) in STEPS.map(|step| (step, None)).into_iter().chain([(Step::Euler, corrector)]) {
            let errors = [64, 128, 256].map(|steps| error_of(&law, &exact, steps, step, corrector));
            for pair in errors.windows(2) {
                let slope = (pair[0] / pair[1]).log2();
                assert!((slope - 1.0).abs() < 0.1, "{step:?} {corrector:?}: slope {slope}, errors {errors:?}");
            }
            let errors = [64, 128].map(|steps| error_of(&law, &twin, steps, step, corrector));
            assert!((errors[0] / errors[1]).log2() < 0.5, "the wrong twin converges: {errors:?}");
        }
    }
}

/// One corrector step of length `h` moves `P_s` by `O(h²)`; with reverse rates alone (the predictor at one
/// time) it is `O(h)`.
#[test]
fn the_corrector_leaves_the_noised_law() {
    for (law, noise) in systems() {
        let s = 0.5;
        let p_s = law.noised(&noise.kernel(0.0, s).unwrap()).unwrap();
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let y = all_configs(law.dims());
        let moved = |laws: &Array3<f64>| {
            let mut p = vec![0.0; p_s.p().len()];
            for (laws, mass) in laws.outer_iter().zip(p_s.p()) {
                for (x, p) in y.outer_iter().zip(&mut p) {
                    *p += mass * x.iter().enumerate().map(|(j, &b)| laws[[j, b.into()]]).product::<f64>();
                }
            }
            distances(p_s.p(), &p).unwrap().0
        };
        for step in [Step::Euler, Step::TauLeaping] {
            let after = |h| moved(&step.corrector_law(&denoiser, s, h, y.view()).unwrap().marginals);
            let slope = (after(0.004) / after(0.002)).log2();
            assert!((slope - 2.0).abs() < 0.05, "{step:?}: slope {slope}");
            let back = |h: f64| moved(&step.law(&denoiser, (s - h, s), y.view()).unwrap().marginals);
            assert!((back(0.004) / back(0.002)).log2() < 1.1);
        }
    }
}

/// The prior start is biased by what exact denoising makes of it, however small the steps; the bias falls
/// with `T`.
#[test]
fn bias_of_the_prior_start() {
    for (law, noise) in systems() {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let weights: Vec<Vec<f64>> = noise.stationary_law().unwrap().outer_iter().map(|w| w.to_vec()).collect();
        let weights: Vec<Vec<f64>> = weights.iter().zip(law.dims()).map(|(w, &d)| w[..d].to_vec()).collect();
        let prior = DenseLaw::of(&PositiveMps::product(&weights).unwrap()).unwrap();
        let biases = [0.5, 1.0, 4.0].map(|t| {
            let kernel = noise.kernel(0.0, t).unwrap();
            let mut exact = vec![0.0; law.p().len()];
            for (i, mass) in prior.p().iter().enumerate() {
                let posterior = law.posterior(&kernel, &law.config(i)).unwrap();
                exact.iter_mut().zip(posterior.p()).for_each(|(sum, p)| *sum += mass * p);
            }
            let bias = distances(law.p(), &exact).unwrap().0;
            let grid = TimeGrid::uniform_in_noise(noise.schedule(), t, 0.0, 200).unwrap();
            let stepped = LeapLaw::new(&denoiser, &prior, &grid, Step::Analytical, None).unwrap();
            // 200 steps leave an error of the order of the step: less than a hundredth.
            assert!(distances(&exact, stepped.law.p()).unwrap().0 < 0.01);
            bias
        });
        assert!(biases[0] > 0.01 && biases[0] > biases[1] && biases[1] > 3.0 * biases[2], "{biases:?}");
    }
}

/// The bound of uniform noise is that of METHODS.md §6; rates of general noise stay below theirs (else the
/// run is an error), and the bound is not idle.
#[test]
fn bounds_of_the_rates() {
    let (dims, gamma) = ([3, 3, 3], 0.8);
    let law = random_law(&dims, 64);
    let schedule = Schedule::linear(0.5, 1.5, 1.0).unwrap();
    let noise = Noise::new(Rates::uniform(&dims, gamma).unwrap(), schedule.clone());
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let grid = TimeGrid::geometric(1.0, 0.05, 6).unwrap();
    let y = all_configs(&dims);
    let uniform = Method::Uniformization(Bound::Noise);
    let run = |denoiser: &dyn Denoiser, method| reverse(denoiser, y.view(), &grid, method, false, &Streams::new(1));
    let integral: f64 = grid
        .pairs()
        .map(|(s, t)| {
            let alpha = (-gamma * schedule.integral(s).unwrap()).exp();
            let bound = gamma / 3.0 * 3.0 * (2.0 + alpha) / (1.0 - alpha);
            bound * schedule.elapsed(s, t).unwrap()
        })
        .sum();
    let out = run(&denoiser, &uniform).unwrap();
    assert!(out.bound.iter().all(|b| (b / integral - 1.0).abs() < TOLERANCE));

    for (law, noise) in systems() {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let y = all_configs(law.dims());
        for method in [&uniform, &Method::Thinning] {
            for seed in 0..20 {
                let out = reverse(&denoiser, y.view(), &grid, method, false, &Streams::new(seed)).unwrap();
                assert_eq!(out.events, out.evaluations);
            }
        }
        // A hundredth of the bound is exceeded.
        let low = Method::Uniformization(Bound::Given(vec![0.01; grid.steps()]));
        let many = Array2::from_shape_fn((2000, law.dims().len()), |_| 0);
        let error = reverse(&denoiser, many.view(), &grid, &low, false, &Streams::new(1)).unwrap_err();
        assert!(matches!(error, Error::RateBound { bound: 0.01, .. }), "{error}");
    }
}

/// Masks: from the fully masked configuration at T = ∞ down to 0 by analytical steps; rows that leave the
/// support are lost, not fatal, and the mass of the enumeration says as much.
#[test]
fn masks() {
    let noise = Noise::new(Rates::mask(&[2, 2], 1.0).unwrap(), Schedule::default());
    // Both sites always agree: unmasking both at once may leave the support.
    let law = DenseLaw::new(&[2, 2], &[0.5, 0.0, 0.0, 0.5]).unwrap();
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let y = noise.draw_stationary(4000, &Streams::new(1)).unwrap();
    assert!(y.iter().all(|&a| a == 2));
    let grid = TimeGrid::new(vec![f64::INFINITY, 2.0, 0.5, 0.25, 0.0]).unwrap();
    let out = reverse(&denoiser, y.view(), &grid, &Step::Analytical.into(), true, &Streams::new(2)).unwrap();
    assert_eq!(out.finish, Finish::Grid);
    assert!(!out.lost.is_empty() && out.lost.len() < 2000);
    let agree = |row: usize| out.x[[row, 0]] == out.x[[row, 1]];
    assert!(out.lost.iter().all(|&row| !agree(row)) && out.x.iter().all(|&a| a < 2));
    let start = DenseLaw::new(&[3, 3], &[0., 0., 0., 0., 0., 0., 0., 0., 1.]).unwrap();
    let end = LeapLaw::new(&denoiser, &start, &grid, Step::Analytical, None).unwrap();
    // Rows that leave the support in the very last step are not asked again.
    let outside: f64 = [1, 3].map(|i| end.law.p()[i]).iter().sum();
    let seen = (0..4000).filter(|&row| !agree(row)).count() as f64 / 4000.0;
    // Five standard deviations of a share.
    assert!((seen - outside).abs() < 5.0 * (outside / 4000.0).sqrt() && end.lost < outside, "{seen} {outside}");

    let to_zero = |method: &Method| {
        let grid = TimeGrid::uniform(1.0, 0.0, 4).unwrap();
        reverse(&denoiser, y.view(), &grid, method, true, &Streams::new(2)).unwrap_err()
    };
    let given = Method::Uniformization(Bound::Given(vec![100.0; 4]));
    for method in [Step::Euler.into(), Step::TauLeaping.into(), Method::Thinning, given] {
        assert!(matches!(to_zero(&method), Error::Parameter { name: "last time", .. }), "{method:?}");
    }
    // With a last draw all of them end clean.
    let grid = TimeGrid::geometric(3.0, 0.02, 12).unwrap();
    for method in [Step::Euler.into(), Step::TauLeaping.into(), Method::Thinning, Method::Uniformization(Bound::Noise)]
    {
        let out = reverse(&denoiser, y.view(), &grid, &method, true, &Streams::new(2)).unwrap();
        let finished = (0..4000).filter(|row| !out.lost.contains(row));
        assert_eq!(out.finish, Finish::Joint);
        assert!(finished.into_iter().all(|row| out.x[[row, 0]] < 2 && out.x[[row, 0]] == out.x[[row, 1]]));
    }
}

/// A denoiser of no preference that knows one configuration to be impossible: rows that jump into it are lost,
/// the others take the path that they take where it is possible.
#[test]
fn rows_lost_between_two_jumps_leave_the_others_alone() {
    let noise = Noise::new(Rates::binary_flip(3, 1.0, 0.5).unwrap(), Schedule::default());
    let denoiser = |forbidden: Option<[u8; 3]>| {
        GivenDenoiser::new(noise.clone(), Face::ConditionalMarginals, move |_, y: Configs<'_>| {
            let impossible = |y: ndarray::ArrayView1<'_, u8>| forbidden.is_some_and(|f| y.iter().eq(&f));
            match y.outer_iter().position(impossible) {
                Some(row) => Err(Error::ZeroEvidence { row }),
                None => Ok(Array3::from_elem((y.nrows(), 3, 2), 0.5)),
            }
        })
    };
    let y = Array2::zeros((200, 3));
    let grid = TimeGrid::uniform(2.0, 0.1, 4).unwrap();
    for bound in [4.0, 10.0] {
        let method = Method::Uniformization(Bound::Given(vec![bound; 4]));
        let run = |forbidden, y: &Array2<u8>| {
            reverse(&denoiser(forbidden), y.view(), &grid, &method, false, &Streams::new(8))
        };
        let (free, out) = (run(None, &y).unwrap(), run(Some([1, 1, 1]), &y).unwrap());
        assert!(free.lost.is_empty() && out.lost.len() > 10 && out.lost.len() < 190, "{} lost", out.lost.len());
        for row in 0..200 {
            let lost = out.lost.binary_search(&row).is_ok();
            assert!(lost || out.x.row(row) == free.x.row(row), "row {row} depends on others");
            assert!(!lost || (out.x.row(row).iter().all(|&a| a == 1) && out.jumps[row] > 0));
        }
        // An impossible start is the error of the caller, as in leaps.
        let mut start = y.clone();
        start.row_mut(7).fill(1);
        assert_eq!(run(Some([1, 1, 1]), &start).unwrap_err(), Error::ZeroEvidence { row: 7 });
    }
}

/// Rows do not depend on their batch, for any method.
#[test]
fn rows_do_not_depend_on_the_batch() {
    let dims = [2, 3, 2, 2];
    let law = random_law(&dims, 65);
    let model = PositiveMps::from_table(&dims, law.p()).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 65)).unwrap(), Schedule::default());
    let denoiser = ExactDenoiser::new(&model, &noise).unwrap();
    let streams = Streams::new(5);
    let y = exact_start(&model, &noise, 1.0, 60, &streams).unwrap();
    let grid = TimeGrid::uniform(1.0, 0.1, 5).unwrap();
    let corrector = Some(Corrector::Rates { rounds: 2, size: 0.3 });
    let mut methods: Vec<Method> = STEPS.map(Method::from).to_vec();
    methods.push(Method::Leap { step: Step::TauLeaping, corrector });
    let resample = Corrector::Resample { rounds: 1, sites: 2, order: Order::Confidence { temperature: 0.5 } };
    methods.push(Method::Leap { step: Step::Trapezoidal { theta: 0.5 }, corrector: Some(resample) });
    methods.extend([Step::RungeKutta { theta: 0.5 }, Step::Remask(Remask::Cap(0.1))].map(Method::from));
    methods.extend([Method::Uniformization(Bound::Noise), Method::Thinning]);
    for method in methods {
        let run = |y: Configs<'_>, streams| reverse(&denoiser, y, &grid, &method, true, streams).unwrap();
        let all = run(y.view(), &streams);
        let part = run(y.slice(s![17..40, ..]), &streams.rows_from(17));
        assert_eq!(all.x.slice(s![17..40, ..]), part.x, "{method:?}");
        assert_eq!(all.events.slice(s![17..40]), part.events);
    }
    let paths = exact_paths(&model, &noise, 1.0, y.view(), &streams).unwrap();
    let part = exact_paths(&model, &noise, 1.0, y.slice(s![17.., ..]), &streams.rows_from(17)).unwrap();
    assert_eq!(paths[17..], part);
}

/// Marginals at a time of its own for each row: in one pass of the model as row by row, and rates by every
/// way alike.
#[test]
fn rows_at_their_own_times() {
    for (law, noise) in systems() {
        let model = PositiveMps::from_table(law.dims(), law.p()).unwrap();
        let (exact, dense) = (ExactDenoiser::new(&model, &noise).unwrap(), ExactDenoiser::new(&law, &noise).unwrap());
        let given = GivenDenoiser::new(noise.clone(), Face::ConditionalMarginals, |t, y: Configs<'_>| {
            dense.conditional_marginals(t, y)
        });
        let y = all_configs(law.dims());
        let times: Vec<f64> = (0..y.nrows()).map(|i| 0.1 + 0.03 * i as f64).collect();
        let (one, other) =
            (exact.conditional_marginals_at(&times, y.view()), given.conditional_marginals_at(&times, y.view()));
        assert!((one.unwrap() - other.unwrap()).iter().all(|difference| difference.abs() < TOLERANCE));
        let psi = Mps::random_real(law.dims(), 3, &mut stream("own times")).unwrap();
        let born = BornMps::new(&psi).unwrap();
        let exact_born = ExactDenoiser::new(&born, &noise).unwrap();
        let given = GivenDenoiser::new(noise.clone(), Face::ConditionalMarginals, |t, y: Configs<'_>| {
            exact_born.conditional_marginals(t, y)
        });
        let difference = exact_born.conditional_marginals_at(&times, y.view()).unwrap()
            - given.conditional_marginals_at(&times, y.view()).unwrap();
        assert!(difference.iter().all(|difference| difference.abs() < TOLERANCE));
        let rates = exact.reverse_rates(0.4, y.view()).unwrap();
        let kernel = noise.kernel(0.0, 0.4).unwrap();
        let other = model.scores(&kernel, y.view()).unwrap().reverse_rates(&noise, 0.4).unwrap();
        assert!((rates - &other).iter().zip(&other).all(|(difference, rate)| difference.abs() <= TOLERANCE * rate));
        let few = exact.conditional_marginals_at(&times[1..], y.view());
        assert!(matches!(few, Err(Error::SampleCount { .. })));
    }
}

#[test]
fn bad_input() {
    let dims = [2, 3];
    let law = random_law(&dims, 66);
    let noise = Noise::new(Rates::uniform(&dims, 1.0).unwrap(), Schedule::default());
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let y = all_configs(&dims);

    assert_eq!(TimeGrid::new(vec![1.0, 0.5, 0.7]), Err(Error::TimeOrder { s: 0.7, t: 0.5 }));
    assert_eq!(TimeGrid::uniform(0.5, 1.0, 3), Err(Error::TimeOrder { s: 1.0, t: 0.5 }));
    assert_eq!(TimeGrid::uniform(1.0, 1.0, 3), Err(Error::TimeOrder { s: 1.0, t: 1.0 }));
    let parameter = |grid: Result<TimeGrid>| matches!(grid, Err(Error::Parameter { .. }));
    assert!(parameter(TimeGrid::new(vec![1.0])) && parameter(TimeGrid::new(vec![1.0, f64::NAN])));
    assert!(parameter(TimeGrid::uniform(1.0, -0.1, 3)) && parameter(TimeGrid::uniform(1.0, 0.0, 0)));
    assert!(parameter(TimeGrid::geometric(1.0, 0.0, 3)) && parameter(TimeGrid::uniform(f64::INFINITY, 0.0, 3)));

    let grid = TimeGrid::new(vec![f64::INFINITY, 1.0, 0.1]).unwrap();
    let run = |denoiser: &dyn Denoiser, method: &Method, grid: &TimeGrid, y: Configs<'_>| {
        reverse(denoiser, y, grid, method, true, &Streams::new(1))
    };
    for method in [Step::Euler.into(), Step::TauLeaping.into(), Method::Thinning, Method::Uniformization(Bound::Noise)]
    {
        let error = run(&denoiser, &method, &grid, y.view()).unwrap_err();
        assert!(matches!(error, Error::Parameter { name: "first time", .. }), "{method:?}: {error}");
    }
    // The analytical step starts at T = ∞ with the cavities of a model; from conditional marginals they
    // cannot be had there.
    let _ = run(&denoiser, &Step::Analytical.into(), &grid, y.view()).unwrap();
    let given = GivenDenoiser::new(noise.clone(), Face::ConditionalMarginals, |t, y: Configs<'_>| {
        denoiser.conditional_marginals(t, y)
    });
    let error = run(&given, &Step::Analytical.into(), &grid, y.view()).unwrap_err();
    assert!(matches!(error, Error::NotInvertible { what: "kernel", site: 0 }), "{error}");

    let grid = TimeGrid::uniform(1.0, 0.1, 3).unwrap();
    let out = run(&given, &Step::Euler.into(), &grid, y.view()).unwrap();
    assert_eq!(out.finish, Finish::Product);
    let wrong = Method::Uniformization(Bound::Given(vec![1.0; 2]));
    assert!(matches!(run(&denoiser, &wrong, &grid, y.view()), Err(Error::Shape { field: "bounds", .. })));
    let wrong = Method::Uniformization(Bound::Given(vec![1.0, f64::NAN, 1.0]));
    assert!(matches!(run(&denoiser, &wrong, &grid, y.view()), Err(Error::Parameter { name: "bound", .. })));
    let high = Array2::from_elem((1, 2), 2);
    let error = run(&denoiser, &Step::Euler.into(), &grid, high.view()).unwrap_err();
    assert_eq!(error, Error::StateOutOfRange { row: 0, site: 0, state: 2, dim: 2 });
    let corrector = Some(Corrector::Rates { rounds: 1, size: f64::NAN });
    let error = run(&denoiser, &Method::Leap { step: Step::Euler, corrector }, &grid, y.view()).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "size of the corrector step", .. }));

    let one_step = TimeGrid::new(vec![0.5, 0.0]).unwrap();
    let error = run(&denoiser, &Method::Leap { step: Step::Euler, corrector }, &one_step, y.view()).unwrap_err();
    assert!(matches!(error, Error::Parameter { name: "size of the corrector step", .. }));
    let endless = TimeGrid::new(vec![1e300, 1.0, 0.2]).unwrap();
    let given = Method::Uniformization(Bound::Given(vec![5.0; 2]));
    for method in [Method::Thinning, Method::Uniformization(Bound::Noise), given] {
        let error = run(&denoiser, &method, &endless, y.view()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { what: "events of a sample", .. }), "{method:?}: {error}");
    }

    let frozen = Noise::new(Rates::uniform(&dims, 1.0).unwrap().on_sites(&[0]).unwrap(), Schedule::default());
    assert!(matches!(frozen.stationary_law(), Err(Error::NotInvertible { site: 1, .. })));
    let start = exact_start(&law, &frozen, 1.0, 5, &Streams::new(1)).unwrap();
    let thinned = ExactDenoiser::new(&law, &frozen).unwrap();
    // Sites without noise stay, exactly.
    let grid = TimeGrid::uniform(1.0, 0.1, 3).unwrap();
    let out = run(&thinned, &Method::Thinning, &grid, start.view()).unwrap();
    assert_eq!(out.x.index_axis(Axis(1), 1), start.index_axis(Axis(1), 1));
    assert!(matches!(
        exact_paths(&law, &noise, f64::INFINITY, y.view(), &Streams::new(1)),
        Err(Error::Parameter { .. })
    ));

    // An impossible row at the start is an error that names it.
    let certain = DenseLaw::new(&[2, 2], &[1.0, 0.0, 0.0, 0.0]).unwrap();
    let mask = Noise::new(Rates::mask(&[2, 2], 1.0).unwrap(), Schedule::default());
    let denoiser = ExactDenoiser::new(&certain, &mask).unwrap();
    let y = ndarray::array![[2, 0], [2, 1]];
    for method in [Step::Euler.into(), Step::Analytical.into(), Method::Uniformization(Bound::Noise)] {
        let error = run(&denoiser, &method, &grid, y.view()).unwrap_err();
        assert_eq!(error, Error::ZeroEvidence { row: 1 }, "{method:?}");
    }
}
