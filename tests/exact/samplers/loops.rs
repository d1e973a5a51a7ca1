//! The loop of remasking at one time: against its definition, what it leaves alone, and to which order.

use tensorjump::dense::{DenseLaw, LeapLaw, distances};
use tensorjump::diffusion::ExactDenoiser;
use tensorjump::diffusion::reverse::{Corrector, Step, TimeGrid};
use tensorjump::{Error, Target};

use super::{TOLERANCE, after, assert_close, masks, point, systems};
use crate::common::all_configs;
use crate::common::random::random_law;

const STEP: (f64, f64) = (0.5, 0.9);

fn again(eta: f64, rounds: usize) -> Option<Corrector> {
    Some(Corrector::Remask { rounds, eta, window: (0.4, 0.6) })
}

/// One round from the mass of each configuration, written out.
fn round(law: &DenseLaw, p_s: &DenseLaw, alpha: &[f64], start: &[f64], eta: f64) -> Vec<f64> {
    let dims = p_s.dims();
    let mut end = vec![0.0; start.len()];
    for (y, mass) in all_configs(dims).outer_iter().zip(start).filter(|(_, mass)| **mass > 0.0) {
        let y = y.to_vec();
        let p = p_s.conditional_marginals(&y).unwrap();
        let site = |j: usize, to: usize| {
            let (mask, from) = (law.dims()[j], usize::from(y[j]));
            let sigma = eta.min((1.0 - alpha[j]) / alpha[j]);
            let drawn = sigma * alpha[j] / (1.0 - alpha[j]);
            match (from == mask, to == mask) {
                (true, true) => 1.0 - drawn,
                // Without the mask the conditional marginals are proportional to the cavities.
                (true, false) => drawn * p[[j, to]] / (0..mask).map(|a| p[[j, a]]).sum::<f64>(),
                (false, true) => sigma,
                (false, false) => f64::from(u8::from(from == to)) * (1.0 - sigma),
            }
        };
        for (x, sum) in all_configs(dims).outer_iter().zip(&mut end) {
            *sum += mass * x.iter().enumerate().map(|(j, &a)| site(j, a.into())).product::<f64>();
        }
    }
    end
}

#[test]
fn the_loop_follows_its_definition() {
    let (law, noise) = (random_law(&[2, 3, 2], 131), masks(&[2, 3, 2], &[1.0, 0.6, 1.7]));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let kernel = noise.kernel(0.0, STEP.0).unwrap();
    let (p_s, alpha) = (law.noised(&kernel).unwrap(), [0, 1, 2].map(|j| kernel.table(j)[[0, 0]]));
    for y in all_configs(noise.dims_out()).outer_iter() {
        let y = y.to_vec();
        let plain = after(&denoiser, STEP, Step::Analytical, &y);
        for eta in [0.0, 0.2, 1.0] {
            let run = |corrector| {
                let grid = TimeGrid::new(vec![STEP.1, STEP.0]).unwrap();
                let start = point(noise.dims_out(), &y);
                LeapLaw::new(&denoiser, &start, &grid, Step::Analytical, corrector).unwrap().law.p().to_vec()
            };
            let once = round(&law, &p_s, &alpha, &plain, eta);
            let twice = round(&law, &p_s, &alpha, &once, eta);
            assert_close(&run(again(eta, 2)), &twice, &format!("η = {eta}"));
            // Outside of the window, and without rounds, nothing is done.
            let elsewhere = Corrector::Remask { rounds: 2, eta, window: (0.6, 0.9) };
            assert_close(&run(Some(elsewhere)), &plain, "another window");
            assert_close(&run(again(eta, 0)), &plain, "no rounds");
        }
    }
}

/// From `P_s` a round moves the law by the square of η; the marginal of a site is not moved at all. The twin
/// that takes another `α` is of first order.
#[test]
fn the_loop_leaves_the_law_alone_to_second_order() {
    let (law, noise) = (random_law(&[2, 3, 2], 132), masks(&[2, 3, 2], &[1.0; 3]));
    let kernel = noise.kernel(0.0, STEP.0).unwrap();
    let (p_s, alpha) = (law.noised(&kernel).unwrap(), kernel.table(0)[[0, 0]]);
    let moved = |eta, alpha| distances(p_s.p(), &round(&law, &p_s, &[alpha; 3], p_s.p(), eta)).unwrap().0;
    let order = |alpha| (moved(2e-3, alpha) / moved(1e-3, alpha)).log2();
    assert!((order(alpha) - 2.0).abs() < 0.02, "{}", order(alpha));
    assert!((order(0.5 * alpha) - 1.0).abs() < 0.02, "{}", order(0.5 * alpha));
    let (one, noise) = (random_law(&[3], 133), masks(&[3], &[1.3]));
    let grid = TimeGrid::new(vec![f64::INFINITY, 0.5, 0.0]).unwrap();
    let denoiser = ExactDenoiser::new(&one, &noise).unwrap();
    let end = LeapLaw::new(&denoiser, &point(&[4], &[3]), &grid, Step::Analytical, again(0.3, 5)).unwrap();
    assert_close(&end.law.p()[..3], one.p(), "one site");
}

/// Sites that cannot be masked stay.
#[test]
fn other_noise_has_no_loop() {
    for (law, noise) in systems().into_iter().take(2) {
        let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
        let grid = TimeGrid::new(vec![STEP.1, STEP.0]).unwrap();
        let run = |corrector| LeapLaw::new(&denoiser, &law, &grid, Step::Analytical, corrector).unwrap().law;
        let moved = distances(run(None).p(), run(again(0.5, 3)).p()).unwrap().0;
        assert!(moved < TOLERANCE, "{moved}");
    }
}

#[test]
fn loops_out_of_range() {
    let (law, noise) = (random_law(&[2, 2], 134), masks(&[2, 2], &[1.0; 2]));
    let denoiser = ExactDenoiser::new(&law, &noise).unwrap();
    let grid = TimeGrid::new(vec![1.0, 0.5]).unwrap();
    let name = |eta, window| {
        let corrector = Some(Corrector::Remask { rounds: 1, eta, window });
        match LeapLaw::new(&denoiser, &point(&[3, 3], &[2, 2]), &grid, Step::Analytical, corrector).unwrap_err() {
            Error::Parameter { name, .. } => name,
            other => panic!("{other}"),
        }
    };
    for eta in [-0.1, 1.1, f64::NAN] {
        assert_eq!(name(eta, (0.0, 1.0)), "eta");
    }
    for window in [(1.0, 0.5), (f64::NAN, 1.0), (0.0, f64::NAN)] {
        assert_eq!(name(0.5, window), "end of the window");
    }
}
