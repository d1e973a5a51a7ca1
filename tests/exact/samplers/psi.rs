//! Ψ-samplers: against their definition, where they are the analytical step and ReMDM, what they leave alone,
//! and to which order.

use ndarray::ArrayView1;
use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::ExactDenoiser;
use tensorjump::diffusion::reverse::{Corrector, Remask, Step, TimeGrid};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Error, Target};

use super::{after, assert_close, masks, point, schedule, systems};
use crate::common::all_configs;
use crate::common::random::{random_law, random_rates};

/// `Σ_a P(x_0^j = a | y) [κ q(b | y_j, a) + (1 − κ) K_{0→s'}(a → b)]`, `q` the posterior of the noise between
/// `a` and `y_j`, over the enumerated posterior; `s' = s` but for the wrong twin.
fn superposed((law, noise): (&DenseLaw, &Noise), (s, t): (f64, f64), noised_to: f64, kappa: f64, y: &[u8]) -> Vec<f64> {
    let kernel = |from, to| noise.kernel_between(from, to).unwrap();
    let (to_s, s_to_t, to_t, again) = (kernel(0.0, s), kernel(s, t), kernel(0.0, t), kernel(0.0, noised_to));
    let posterior = law.posterior(&noise.kernel(0.0, t).unwrap(), y).unwrap();
    let site = |j: usize, b: usize| -> f64 {
        let (before, end) = (law.dims()[j], usize::from(y[j]));
        let m = |a: usize| posterior.mean(|x| f64::from(u8::from(usize::from(x[j]) == a)));
        let bridge = |a: usize| to_s.table(j)[[a, b]] * s_to_t.table(j)[[b, end]] / to_t.table(j)[[a, end]];
        let terms = (0..before).map(|a| (a, m(a))).filter(|(_, m)| *m > 0.0);
        terms.map(|(a, m)| m * (kappa * bridge(a) + (1.0 - kappa) * again.table(j)[[a, b]])).sum()
    };
    let x = all_configs(noise.dims_out());
    let product = |x: ArrayView1<'_, u8>| x.iter().enumerate().map(|(j, &b)| site(j, b.into())).product();
    x.outer_iter().map(product).collect()
}

#[test]
fn the_step_follows_its_definition() {
    for (law, noise) in systems() {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        for (s, t) in [(0.4, 0.5), (0.2, 1.0), (0.3, 8.0), (0.0, 0.5)] {
            for y in all_configs(noise.dims_out()).outer_iter() {
                let y = y.to_vec();
                for kappa in [0.0, 0.3, 0.9, 1.0] {
                    let truth = superposed((&law, &noise), (s, t), s, kappa, &y);
                    assert_close(&after(&denoiser, (s, t), Step::Psi { kappa }, &y), &truth, &format!("κ = {kappa}"));
                }
            }
        }
    }
}

/// At `κ = 1`, and at `s = 0` for every `κ`, the analytical step.
#[test]
fn without_noise_the_step_is_analytical() {
    for (law, noise) in systems() {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        for (kappa, (s, t)) in [(1.0, (0.4, 0.5)), (1.0, (0.2, 3.0)), (0.4, (0.0, 0.7)), (0.0, (0.0, 0.7))] {
            for y in all_configs(noise.dims_out()).outer_iter() {
                let y = y.to_vec();
                let plain = after(&denoiser, (s, t), Step::Analytical, &y);
                assert_close(&after(&denoiser, (s, t), Step::Psi { kappa }, &y), &plain, &format!("κ = {kappa}"));
            }
        }
    }
}

/// `κ = 1 − σ/(1 − α_s)`, from ∞ too; in the loop `κ = 1 − σ/(1 − α)`.
#[test]
fn under_masks_it_is_remdm() {
    let (law, noise) = (random_law(&[2, 3, 2], 141), masks(&[2, 3, 2], &[1.1; 3]));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    for (s, t) in [(0.4, 0.5), (0.2, 1.0), (0.3, f64::INFINITY)] {
        let at = |t: f64| noise.kernel(0.0, t).unwrap().table(0)[[0, 0]];
        // The largest σ is that of κ = 0.
        for sigma in [0.0, 0.05, 1.0 - at(s)] {
            assert!(sigma <= (1.0 - at(s)) / at(t).max(1e-300), "the cap is not reached");
            let kappa = 1.0 - sigma / (1.0 - at(s));
            for y in all_configs(noise.dims_out()).outer_iter().filter(|y| t.is_finite() || y.iter().eq(&[2, 3, 2])) {
                let y = y.to_vec();
                let truth = after(&denoiser, (s, t), Step::Remask(Remask::Cap(sigma)), &y);
                assert_close(&after(&denoiser, (s, t), Step::Psi { kappa }, &y), &truth, &format!("σ = {sigma}"));
            }
        }
        let (eta, rounds, window) = (0.6 * (1.0 - at(s)), 3, (s, s));
        let kappa = 1.0 - eta / (1.0 - at(s));
        let run = |corrector| {
            let grid = TimeGrid::new(vec![t, s]).unwrap();
            let start = point(noise.dims_out(), &[2, 3, 2]);
            LeapLaw::new(&denoiser, &start, &grid, Step::Analytical, Some(corrector)).unwrap().law
        };
        let truth = run(Corrector::Remask { rounds, eta, window });
        assert_close(run(Corrector::Psi { rounds, kappa, window }).p(), truth.p(), "the loop");
    }
}

/// One site alone follows `P_s` for every `κ` and every noise.
#[test]
fn single_sites_are_left_alone() {
    let general = Noise::new(Rates::new(random_rates(&[4], 142)).unwrap(), schedule());
    let law = random_law(&[4], 142);
    for noise in [general, masks(&[4], &[1.3])] {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let at = |t: f64| law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let grid = TimeGrid::new(vec![1.5, 0.9, 0.5, 0.2]).unwrap();
        for kappa in [0.0, 0.6, 1.0] {
            let again = Some(Corrector::Psi { rounds: 2, kappa, window: (0.0, f64::INFINITY) });
            let end = LeapLaw::new(&denoiser, &at(1.5), &grid, Step::Psi { kappa }, again).unwrap();
            assert_close(end.law.p(), at(0.2).p(), &format!("κ = {kappa}"));
        }
    }
}

/// From `P_s` a round of the loop moves the law by the square of `1 − κ`; the twin that noises to another time
/// is of first order.
#[test]
fn the_loop_leaves_the_law_alone_to_second_order() {
    for (law, noise) in systems() {
        let (s, denoiser) = (0.5, ExactDenoiser::new(&law, &noise).unwrap());
        let p_s = law.noised(&noise.kernel(0.0, s).unwrap()).unwrap();
        let moved = |share: f64, noised_to| {
            let mut end = vec![0.0; p_s.p().len()];
            for (y, mass) in all_configs(noise.dims_out()).outer_iter().zip(p_s.p()) {
                let one = superposed((&law, &noise), (s, s), noised_to, 1.0 - share, &y.to_vec());
                end.iter_mut().zip(one).for_each(|(sum, p)| *sum += mass * p);
            }
            (distances(p_s.p(), &end).unwrap().0, end)
        };
        let order = |noised_to| (moved(2e-3, noised_to).0 / moved(1e-3, noised_to).0).log2();
        assert!((order(s) - 2.0).abs() < 0.02, "{}", order(s));
        assert!((order(1.2 * s) - 1.0).abs() < 0.02, "{}", order(1.2 * s));
        // And the library's round is that one: no step is taken where none moves.
        let grid = TimeGrid::new(vec![0.5 + 1e-13, 0.5]).unwrap();
        let again = Some(Corrector::Psi { rounds: 1, kappa: 0.7, window: (s, s) });
        let end = LeapLaw::new(&denoiser, &p_s, &grid, Step::Analytical, again).unwrap();
        assert_close(end.law.p(), &moved(0.3, s).1, "one round");
    }
}

/// Between two noised laws: of first order where `1 − κ` is half of the step; held at 0.7 the error stays.
#[test]
fn the_law_is_reached_where_the_share_shrinks_with_the_step() {
    for (law, noise) in systems() {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let at = |t: f64| law.noised(&noise.kernel(0.0, t).unwrap()).unwrap();
        let error = |steps: usize, kappa: &dyn Fn(f64) -> f64| {
            let grid = TimeGrid::uniform(1.0, 0.2, steps).unwrap();
            let step = Step::Psi { kappa: kappa(0.8 / steps as f64) };
            let end = LeapLaw::new(&denoiser, &at(1.0), &grid, step, None).unwrap();
            distances(at(0.2).p(), end.law.p()).unwrap().0
        };
        let shrinks = [32, 64].map(|k| error(k, &|h| 1.0 - 0.5 * h));
        let order = (shrinks[0] / shrinks[1]).log2();
        assert!((order - 1.0).abs() < 0.1, "order {order}");
        let held = [32, 64].map(|k| error(k, &|_| 0.7));
        assert!(held[1] > 0.7 * held[0] && held[1] > 3.0 * shrinks[1], "{held:?} {shrinks:?}");
    }
}

#[test]
fn shares_out_of_range() {
    let (law, noise) = (random_law(&[2, 2], 143), masks(&[2, 2], &[1.0; 2]));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let grid = TimeGrid::new(vec![1.0, 0.5]).unwrap();
    let name = |step, corrector| match LeapLaw::new(&denoiser, &point(&[3, 3], &[2, 2]), &grid, step, corrector)
        .unwrap_err()
    {
        Error::Parameter { name, .. } => name,
        other => panic!("{other}"),
    };
    for kappa in [-0.1, 1.1, f64::NAN] {
        assert_eq!(name(Step::Psi { kappa }, None), "kappa");
        let again = Corrector::Psi { rounds: 0, kappa, window: (0.0, 1.0) };
        assert_eq!(name(Step::Analytical, Some(again)), "kappa");
    }
    for window in [(1.0, 0.5), (f64::NAN, 1.0), (0.0, f64::NAN)] {
        let again = Corrector::Psi { rounds: 1, kappa: 0.5, window };
        assert_eq!(name(Step::Analytical, Some(again)), "end of the window");
    }
}
