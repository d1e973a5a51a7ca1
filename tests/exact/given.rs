//! Denoisers from outside: the natural output of a masked-diffusion network, and what wrappers of denoisers
//! pass on.

use ndarray::{Array1, Array2, Array3, Axis, array, s};
use tensorjump::dense::{DenseLaw, LeapLaw};
use tensorjump::diffusion::reverse::{Bound, Corrector, Finish, Method, Step, TimeGrid, exact_start, reverse};
use tensorjump::diffusion::{
    Classified, Denoiser, Ends, ExactDenoiser, ExactDiffusion, Face, GivenDenoiser, Guided, LikelihoodBound, Scheme,
};
use tensorjump::learn::{ConditionalTables, Data, RatioMatched, RatioMatchingOptions};
use tensorjump::model::Boundary;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Error, Result, Streams, Target};

use super::common::all_configs;
use super::common::random::{random_law, random_rates};
use super::diffusion_checks::assert_close;

const TOLERANCE: f64 = 1e-12;

/// `P(x_0 | x_t)` of a law as a network gives it: at a site that is not masked a copy of what is there.
fn network<'a>(law: &'a DenseLaw, noise: &'a Noise) -> impl Denoiser + 'a {
    GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, |t, y: Configs<'_>| -> Result<Array3<f64>> {
        law.scores(&noise.kernel(0.0, t)?, y)?.denoiser_marginals()
    })
}

/// The wrong twin: a network that looks at its own site only.
fn blind<'a>(law: &'a DenseLaw, noise: &'a Noise) -> impl Denoiser + 'a {
    let x = all_configs(law.dims());
    let alone: Vec<Vec<f64>> = (0..law.dims().len())
        .map(|j| {
            (0..law.dims()[j])
                .map(|a| x.outer_iter().zip(law.p()).filter(|(x, _)| usize::from(x[j]) == a).map(|(_, p)| p).sum())
                .collect()
        })
        .collect();
    GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, move |t, y: Configs<'_>| -> Result<Array3<f64>> {
        let kernel = noise.kernel(0.0, t)?;
        let width = law.dims().iter().copied().max().unwrap_or(0);
        Ok(Array3::from_shape_fn((y.nrows(), y.ncols(), width), |(row, j, a)| match alone[j].get(a) {
            Some(p) => p * kernel.table(j)[[a, y[[row, j]].into()]],
            None => 0.0,
        }))
    })
}

/// Noise under which states exclude clean states: masks, masks on some sites, states that are left for good.
fn systems() -> Vec<(&'static str, DenseLaw, Noise)> {
    let linear = || Schedule::linear(0.5, 1.5, 1.0).unwrap();
    let upwards = |dims: &[usize], seed| {
        let mut rates = random_rates(dims, seed);
        for q in &mut rates {
            q.indexed_iter_mut().filter(|((a, b), _)| b < a).for_each(|(_, rate)| *rate = 0.0);
            for a in 0..q.nrows() {
                q[[a, a]] = 0.0;
                q[[a, a]] = -q.row(a).sum();
            }
        }
        Rates::new(rates).unwrap()
    };
    vec![
        ("masks", random_law(&[2, 3, 2], 81), Noise::new(Rates::mask(&[2, 3, 2], 1.3).unwrap(), linear())),
        (
            "masks on two sites",
            random_law(&[3, 2, 2], 82),
            Noise::new(Rates::mask(&[3, 2, 2], 1.0).unwrap().on_sites(&[0, 2]).unwrap(), Schedule::default()),
        ),
        ("one way", random_law(&[3, 2, 4], 83), Noise::new(upwards(&[3, 2, 4], 83), linear())),
    ]
}

/// All configurations that the noise can lead to by time `t`, and their law.
fn noised(law: &DenseLaw, noise: &Noise, t: f64) -> (Array2<u8>, Vec<f64>, DenseLaw) {
    let noised = law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
    let rows: Vec<usize> = (0..noised.p().len()).filter(|&i| noised.p()[i] > 0.0).collect();
    (all_configs(noised.dims()).select(Axis(0), &rows), rows.iter().map(|&i| noised.p()[i]).collect(), noised)
}

fn distance(a: &Array3<f64>, b: &Array3<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max)
}

#[test]
fn networks_have_the_rates_steps_and_bounds_of_exact_cavities() {
    for (name, law, noise) in systems() {
        let (exact, given, blind) =
            (ExactDenoiser::new(&law, &noise).unwrap(), network(&law, &noise), blind(&law, &noise));
        for (s, t) in [(0.0, 0.01), (0.3, 0.5), (0.4, 3.0)] {
            let (y, ..) = noised(&law, &noise, t);
            let y = y.view();
            let rates = exact.reverse_rates(t, y).unwrap();
            assert!(distance(&given.reverse_rates(t, y).unwrap(), &rates) < TOLERANCE, "{name}: rates at {t}");
            assert!(distance(&blind.reverse_rates(t, y).unwrap(), &rates) > 1e-4, "{name}: the twin at {t}");
            let times = Array1::linspace(0.5 * t, t, y.nrows()).to_vec();
            let at = |denoiser: &dyn Denoiser| denoiser.conditional_marginals_at(&times, y).unwrap();
            let ratio = |p: Array3<f64>| {
                Array2::from_shape_fn(y.dim(), |(row, j)| {
                    // Into the present state alone: of other conditionals a network knows nothing.
                    let (q, here) = (noise.rates().matrix(j), usize::from(y[[row, j]]));
                    let into = (0..q.nrows()).filter(|&b| b != here);
                    into.map(|b| q[[b, here]] * p[[row, j, b]]).sum::<f64>() / p[[row, j, here]]
                })
            };
            let (a, b) = (ratio(at(&given)), ratio(at(&exact)));
            a.iter().zip(&b).for_each(|(a, b)| assert_close(*a, *b, TOLERANCE * (1.0 + b.abs()), name));
            for step in [Step::Euler, Step::TauLeaping, Step::Analytical] {
                let laws = |d: &dyn Denoiser| step.law(d, (s, t), y).unwrap().marginals;
                assert!(distance(&laws(&given), &laws(&exact)) < TOLERANCE, "{name}: {step:?} from {t}");
                assert!(distance(&laws(&blind), &laws(&exact)) > 1e-4, "{name}: the twin of {step:?} from {t}");
                let laws = |d: &dyn Denoiser| step.corrector_law(d, t, 0.02, y).unwrap().marginals;
                assert!(distance(&laws(&given), &laws(&exact)) < TOLERANCE, "{name}: corrector {step:?} at {t}");
            }
            // Clean configurations behind each y, and both parts of the bound that ask the denoiser.
            let kernel = noise.kernel(0.0, t).unwrap();
            for x in all_configs(law.dims()).outer_iter() {
                let x = x.broadcast(y.dim()).unwrap();
                let log_k = kernel.log_prob(x, y).unwrap();
                let rows: Vec<usize> = (0..y.nrows()).filter(|&i| log_k[i] > f64::NEG_INFINITY).collect();
                let (x, z) = (x.select(Axis(0), &rows), y.select(Axis(0), &rows));
                let integrand = |d: &dyn Denoiser| LikelihoodBound::integrand(d, t, x.view(), z.view()).unwrap();
                let prior = Array2::zeros((3, 5));
                let start = |d: &dyn Denoiser| Ends::Product(prior.view()).at_start(d, t, x.view(), z.view()).unwrap();
                for (a, b) in [(integrand(&given), integrand(&exact)), (start(&given), start(&exact))] {
                    a.iter().zip(&b).for_each(|(a, b)| assert_close(*a, *b, TOLERANCE * (1.0 + b.abs()), name));
                }
            }
        }
    }
}

/// From the exact law at time 3 along a grid: the enumerated law of every step, and draws of every method.
#[test]
fn networks_reach_the_law_of_exact_cavities() {
    for (name, law, noise) in systems() {
        let (exact, given, blind) =
            (ExactDenoiser::new(&law, &noise).unwrap(), network(&law, &noise), blind(&law, &noise));
        let (.., start) = noised(&law, &noise, 3.0);
        let corrector = Some(Corrector::Rates { rounds: 1, size: 0.2 });
        let to_zero = TimeGrid::new(vec![3.0, 1.0, 0.5, 0.2, 0.0]).unwrap();
        let above = TimeGrid::new(vec![3.0, 2.0, 1.5, 1.0, 0.7, 0.4]).unwrap();
        for (step, corrector, grid) in [
            (Step::Analytical, None, &to_zero),
            (Step::Analytical, corrector, &above),
            (Step::Euler, None, &above),
            (Step::TauLeaping, corrector, &above),
        ] {
            let end = |d: &dyn Denoiser| LeapLaw::new(d, &start, grid, step, corrector).unwrap();
            let (want, got, twin) = (end(&exact), end(&given), end(&blind));
            let apart = |a: &DenseLaw| a.p().iter().zip(want.law.p()).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart(&got.law) < TOLERANCE, "{name}, {step:?}: {}", apart(&got.law));
            assert!(apart(&twin.law) > 1e-4, "{name}, {step:?}: the twin is off by {} only", apart(&twin.law));
            assert_eq!(got.lost, want.lost);
        }
        let y = exact_start(&law, &noise, 3.0, 200, &Streams::new(3)).unwrap();
        let run = |d: &dyn Denoiser, method: &Method, finish| {
            reverse(d, y.view(), &above, method, finish, &Streams::new(4)).unwrap()
        };
        for method in
            [Step::Analytical.into(), Step::Euler.into(), Method::Uniformization(Bound::Noise), Method::Thinning]
        {
            let (want, got) = (run(&exact, &method, false), run(&given, &method, false));
            assert_eq!((&got.x, got.events), (&want.x, want.events), "{name}, {method:?}");
            let last = run(&given, &method, true);
            assert_eq!(last.finish, Finish::Product);
            assert!(last.x.outer_iter().all(|x| x.iter().zip(law.dims()).all(|(&a, &d)| usize::from(a) < d)));
        }
    }
}

/// Networks of both sides of guidance, in both schemes, or one of them beside exact cavities.
#[test]
fn networks_are_guided_as_exact_denoisers() {
    for (name, law, noise) in systems() {
        let other = random_law(law.dims(), 84);
        let exact = (ExactDenoiser::new(&other, &noise).unwrap(), ExactDenoiser::new(&law, &noise).unwrap());
        let (with, without) = (network(&other, &noise), network(&law, &noise));
        for (gamma, (s, t)) in [(1.0, (0.2, 0.5)), (2.0, (0.2, 0.5)), (0.5, (0.0, 0.3))] {
            let (y, ..) = noised(&law, &noise, t);
            let y = y.view();
            for scheme in [Scheme::ClassifierFree, Scheme::ClassifierBased] {
                let want = Guided::new(&exact.0, &exact.1, scheme, gamma).unwrap();
                for (a, b) in
                    [(&with as &dyn Denoiser, &without as &dyn Denoiser), (&with, &exact.1), (&exact.0, &without)]
                {
                    let got = Guided::new(a, b, scheme, gamma).unwrap();
                    let laws = (got.step_law(s, t, y).unwrap(), want.step_law(s, t, y).unwrap());
                    assert!(distance(&laws.0, &laws.1) < TOLERANCE, "{name}, {scheme:?}, {gamma}");
                    let rates = (got.reverse_rates(t, y).unwrap(), want.reverse_rates(t, y).unwrap());
                    assert!(distance(&rates.0, &rates.1) < TOLERANCE, "{name}, {scheme:?}, {gamma}: rates");
                }
                let twin = Guided::new(&without, &without, scheme, gamma).unwrap().step_law(s, t, y).unwrap();
                assert!(distance(&twin, &want.step_law(s, t, y).unwrap()) > 1e-3, "{name}: no guidance at all");
            }
        }
    }
}

/// What a network says where the noise tells already does not count, unless it excludes what is there.
#[test]
fn answers_at_sites_that_are_not_masked() {
    let (_, law, noise) = systems().swap_remove(0);
    let (t, y) = (0.6, array![[0, 3, 1], [2, 2, 2]]);
    let copied = network(&law, &noise);
    let smeared = GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, |t, y: Configs<'_>| {
        let mut m = law.scores(&noise.kernel(0.0, t)?, y)?.denoiser_marginals()?;
        m.slice_mut(s![0, 0, ..2]).assign(&array![0.25, 0.75]);
        Ok(m)
    });
    let rates = |d: &dyn Denoiser| d.reverse_rates(t, y.view()).unwrap();
    assert_eq!(rates(&copied), rates(&smeared));
    let excluded = GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, |t, y: Configs<'_>| {
        let mut m = law.scores(&noise.kernel(0.0, t)?, y)?.denoiser_marginals()?;
        m.slice_mut(s![0, 0, ..2]).assign(&array![0.0, 1.0]);
        Ok(m)
    });
    assert_eq!(excluded.reverse_rates(t, y.view()), Err(Error::ZeroEvidence { row: 0 }));
    assert_eq!(excluded.possible(t, y.view()), Ok(vec![false, true]));
    // Everything is masked at T = ∞: a site that is not has no clean state behind it.
    let late = copied.reverse_rates(f64::INFINITY, array![[2, 3, 2]].view());
    assert!(late.is_ok(), "{late:?}");
}

/// Both sites always agree: unmasking both at once leaves the support.
fn agreeing() -> (DenseLaw, Noise) {
    let noise = Noise::new(Rates::mask(&[2, 2], 1.0).unwrap(), Schedule::default());
    (DenseLaw::new(&[2, 2], &[0.5, 0.0, 0.0, 0.5]).unwrap(), noise)
}

/// A run that loses rows ends for all others, whatever stands between it and the law.
#[test]
fn one_impossible_row_does_not_fail_a_batch() {
    let (law, noise) = agreeing();
    let exact = ExactDenoiser::new(&law, &noise).unwrap();
    let owned = ExactDenoiser::new(law.clone(), &noise).unwrap();
    let given = network(&law, &noise);
    let cavities = GivenDenoiser::new(noise.clone(), Face::Cavities, |t, y: Configs<'_>| exact.cavities(t, y));
    let guided = Guided::new(&owned, &exact, Scheme::ClassifierFree, 1.0).unwrap();
    let data = Data::new(array![[0, 0], [1, 1]], &[2, 2]).unwrap();
    let tables = ConditionalTables::new(&data, &noise, &Boundary::Open.windows(2, 1), Some(0.0)).unwrap();
    let classified = Classified::new(&owned, |_, y: Configs<'_>| Ok(Array1::zeros(y.nrows())));
    let y = noise.draw_stationary(400, &Streams::new(1)).unwrap();
    let grid = TimeGrid::new(vec![3.0, 0.5, 0.25, 0.1]).unwrap();
    let run = |d: &dyn Denoiser, step: Step| reverse(d, y.view(), &grid, &step.into(), true, &Streams::new(2)).unwrap();
    for step in [Step::Analytical, Step::Euler] {
        let want = run(&exact, step);
        assert!(!want.lost.is_empty() && want.lost.len() < 300, "{} rows are lost", want.lost.len());
        let names = ["owned", "guided", "network", "cavities", "tables"];
        let others: [&dyn Denoiser; 5] = [&owned, &guided, &given, &cavities, &tables];
        for (name, denoiser) in names.into_iter().zip(others) {
            let got = run(denoiser, step);
            // A product of marginals may differ in its last draw, and lose rows there; not before.
            let joint = got.finish == Finish::Joint;
            assert_eq!(joint, ["owned", "guided"].contains(&name), "{name}");
            assert!(want.lost.iter().all(|row| got.lost.contains(row)), "{name}, {step:?}");
            if joint {
                assert_eq!((&got.x, &got.lost), (&want.x, &want.lost), "{name}, {step:?}");
            }
        }
    }
    let y = array![[2, 2], [0, 1], [1, 1]];
    for denoiser in [&owned as &dyn Denoiser, &guided, &given, &cavities, &tables, &classified] {
        assert_eq!(denoiser.possible(0.3, y.view()), Ok(vec![true, false, true]));
    }
}

/// A law learned by ratio matching is a law: its reverse process ends with one joint draw of it.
#[test]
fn ratio_matched_laws_end_with_a_joint_draw() {
    let dims = [2; 4];
    let truth = random_law(&dims, 85);
    let data = Data::new(all_configs(&dims), &dims).unwrap().weighted(Array1::from(truth.p().to_vec()).view()).unwrap();
    let noise = Noise::new(Rates::uniform(&dims, 1.0).unwrap(), Schedule::default());
    let options = RatioMatchingOptions { epochs: 2, ..RatioMatchingOptions::default() };
    let learned = RatioMatched::new(&data, &noise, &options).unwrap().denoiser;
    let exact = ExactDenoiser::new(learned.model(), &noise).unwrap();
    let y = exact_start(learned.model(), &noise, 1.0, 100, &Streams::new(1)).unwrap();
    let grid = TimeGrid::uniform(1.0, 0.3, 3).unwrap();
    for method in [Step::Euler.into(), Method::Thinning] {
        let run = |d: &dyn Denoiser| reverse(d, y.view(), &grid, &method, true, &Streams::new(2)).unwrap();
        let (got, want) = (run(&learned), run(&exact));
        assert_eq!(got.finish, Finish::Joint);
        assert_eq!(got, want);
    }
    let times = Array1::linspace(0.2, 0.9, y.nrows()).to_vec();
    let at = |d: &dyn Denoiser| d.conditional_marginals_at(&times, y.view()).unwrap();
    assert_eq!(at(&learned), at(&exact));
    // Guidance of strength one or none is a law as well; in between it is not.
    let other = ExactDenoiser::new(truth.clone(), &noise).unwrap();
    for (gamma, law) in [(0.0, Some(&learned as &dyn Denoiser)), (1.0, Some(&other)), (0.5, None)] {
        let guided = Guided::new(&other, &learned, Scheme::ClassifierFree, gamma).unwrap();
        let want = law.and_then(|law| law.draw_clean(0.3, y.view(), &Streams::new(3)).unwrap());
        assert_eq!(guided.draw_clean(0.3, y.view(), &Streams::new(3)).unwrap(), want, "γ = {gamma}");
        let few = guided.conditional_marginals_at(&times[1..], y.view());
        assert!(matches!(few, Err(Error::SampleCount { .. })));
        if let Some(law) = law {
            assert_eq!(at(&guided), at(law), "γ = {gamma}");
        }
    }
}
