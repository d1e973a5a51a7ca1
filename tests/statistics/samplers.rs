//! Samplers of 2024–2026 by χ²: runs against their enumerated law; the twin is the law of another sampler.

use ndarray::{Array2, ArrayView1};
use tensorjump::Streams;
use tensorjump::dense::{DenseLaw, LeapLaw};
use tensorjump::diffusion::reverse::{Corrector, Method, Order, Outcome, Remask, Step, TimeGrid, reverse};
use tensorjump::diffusion::{Denoiser, ExactDenoiser, Truncated};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates, Schedule};

use crate::common::random::{random_law, random_rates};
use crate::common::{assert_law, counts, index_of};

const DRAWS: usize = 20_000;

/// A law with structure (weights from 1 to 30), as a network.
fn model(dims: &[usize], seed: u64) -> PositiveMps {
    let weights: Vec<f64> = random_law(dims, seed).p().iter().map(|p| p.powi(3)).collect();
    PositiveMps::from_table(dims, &weights).unwrap()
}

struct Run<'a> {
    denoiser: &'a dyn Denoiser,
    y: &'a [u8],
    grid: TimeGrid,
}

impl Run<'_> {
    fn law(&self, step: Step, corrector: Option<Corrector>) -> Vec<f64> {
        let dims = self.denoiser.noise().dims_out();
        let mut start = vec![0.0; dims.iter().product()];
        start[index_of(self.y, dims)] = 1.0;
        let start = DenseLaw::new(dims, &start).unwrap();
        LeapLaw::new(self.denoiser, &start, &self.grid, step, corrector).unwrap().law.p().to_vec()
    }

    fn draws(&self, step: Step, corrector: Option<Corrector>, seed: u64) -> Outcome {
        let y: Array2<u8> = ArrayView1::from(self.y).broadcast((DRAWS, self.y.len())).unwrap().to_owned();
        let method = Method::Leap { step, corrector };
        let out = reverse(self.denoiser, y.view(), &self.grid, &method, false, &Streams::new(seed)).unwrap();
        assert!(out.lost.is_empty());
        out
    }

    /// Draws follow their law, and not that of the twin.
    fn check(&self, step: Step, corrector: Option<Corrector>, twin: &[f64], seed: u64) -> Outcome {
        let out = self.draws(step, corrector, seed);
        assert_law(&counts(&out.x, self.denoiser.noise().dims_out()), &self.law(step, corrector), twin);
        out
    }
}

/// Each against the law of another; two evaluations a step.
#[test]
fn steps_of_two_stages() {
    let dims = [3, 2, 2];
    let schedule = Schedule::linear(0.5, 1.5, 1.0).unwrap();
    let rates = Rates::new(random_rates(&dims, 101)).unwrap();
    let masks = Rates::mask(&dims, 1.5).unwrap();
    for (rates, y) in [(rates, [2, 0, 1]), (masks, [3, 2, 2])] {
        let noise = Noise::new(rates, schedule.clone());
        let denoiser = ExactDenoiser::new(model(&dims, 101), &noise).unwrap();
        let run = Run { denoiser: &denoiser, y: &y, grid: TimeGrid::new(vec![1.5, 0.8, 0.2]).unwrap() };
        let (theta, early) = (0.5, 0.25);
        let steps = [Step::Trapezoidal { theta }, Step::RungeKutta { theta: 1.0 }, Step::Trapezoidal { theta: early }];
        let twins = [Step::RungeKutta { theta }, Step::Trapezoidal { theta }, Step::Trapezoidal { theta }];
        for (step, twin) in steps.into_iter().zip(twins) {
            let out = run.check(step, None, &run.law(twin, None), 101);
            assert_eq!((out.calls, out.evaluations[0]), (4, 4));
        }
    }
}

#[test]
fn remasking() {
    let dims = [2, 3, 2];
    let noise = Noise::from(Rates::mask(&dims, 1.0).unwrap());
    let denoiser = ExactDenoiser::new(model(&dims, 102), &noise).unwrap();
    let run = Run { denoiser: &denoiser, y: &[2, 3, 2], grid: TimeGrid::new(vec![3.0, 0.8, 0.5, 0.2]).unwrap() };
    let (cap, rescale) = (Step::Remask(Remask::Cap(0.3)), Step::Remask(Remask::Rescale(0.9)));
    let plain = run.law(Step::Analytical, None);
    let _ = run.check(cap, None, &plain, 102);
    let _ = run.check(rescale, None, &run.law(cap, None), 103);
    let _ = run.check(Step::Remask(Remask::Confidence(0.9)), None, &plain, 104);
    let again = |eta| Some(Corrector::Remask { rounds: 2, eta, window: (0.4, 0.6) });
    let out = run.check(Step::Analytical, again(0.6), &run.law(Step::Analytical, again(0.1)), 108);
    assert_eq!((out.calls, out.evaluations[0]), (5, 5));
}

/// Under asymmetric rates and under masks; the twins hold another `κ`, the loop is one with fewer rounds.
#[test]
fn superposition_of_steps() {
    let dims = [2, 3, 2];
    let masks = Rates::mask(&dims, 1.0).unwrap();
    for (rates, y) in [(Rates::new(random_rates(&dims, 109)).unwrap(), [1, 2, 0]), (masks, [2, 0, 2])] {
        let noise = Noise::from(rates);
        let denoiser = ExactDenoiser::new(model(&dims, 109), &noise).unwrap();
        let run = Run { denoiser: &denoiser, y: &y, grid: TimeGrid::new(vec![1.5, 0.7, 0.4]).unwrap() };
        let step = |kappa| Step::Psi { kappa };
        for (kappa, twin) in [(0.8, 1.0), (0.3, 0.5), (0.0, 0.3)] {
            let out = run.check(step(kappa), None, &run.law(step(twin), None), 109);
            assert_eq!((out.calls, out.evaluations[0]), (2, 2));
        }
        let again = |rounds| Some(Corrector::Psi { rounds, kappa: 0.6, window: (0.6, 0.8) });
        let out = run.check(Step::Analytical, again(2), &run.law(Step::Analytical, again(1)), 110);
        assert_eq!((out.calls, out.evaluations[0]), (4, 4));
    }
}

/// Two sites, then two more: each order against another.
#[test]
fn unmasking_in_an_order() {
    let dims = [2, 3, 2, 2];
    let noise = Noise::from(Rates::mask(&dims, 1.0).unwrap());
    let exact = ExactDenoiser::new(model(&dims, 105), &noise).unwrap();
    let times = vec![f64::INFINITY, noise.time_of_signal(0.5).unwrap(), noise.time_of_signal(0.75).unwrap()];
    let cut = Truncated::new(&exact, 0.7, 2, 0.9).unwrap();
    let denoisers: [&dyn Denoiser; 2] = [&exact, &cut];
    let [plain, truncated] =
        denoisers.map(|denoiser| Run { denoiser, y: &[2, 3, 2, 2], grid: TimeGrid::new(times.clone()).unwrap() });
    let orders = [
        Order::Random,
        Order::Confidence { temperature: 0.0 },
        Order::Confidence { temperature: 0.6 },
        Order::Entropy { temperature: 0.3 },
        Order::Entropy { temperature: 0.0 },
    ];
    for (k, &order) in orders.iter().enumerate() {
        let twin = plain.law(Step::Unmask(orders[(k + 1) % orders.len()]), None);
        let out = plain.check(Step::Unmask(order), None, &twin, 105);
        assert!(out.x.outer_iter().all(|x| x.iter().zip(&dims).filter(|(a, d)| usize::from(**a) == **d).count() == 1));
    }
    for step in [Step::Unmask(orders[2]), Step::Unmask(orders[0])] {
        let _ = truncated.check(step, None, &plain.law(step, None), 106);
    }
}

/// The twins: no corrector, and one that chooses sites in another way.
#[test]
fn resampling() {
    let dims = [2, 3, 2];
    let masks = Rates::mask(&dims, 1.0).unwrap();
    for (rates, y) in [(Rates::new(random_rates(&dims, 107)).unwrap(), [1, 2, 0]), (masks, [2, 0, 2])] {
        let noise = Noise::from(rates);
        let denoiser = ExactDenoiser::new(model(&dims, 107), &noise).unwrap();
        let run = Run { denoiser: &denoiser, y: &y, grid: TimeGrid::new(vec![1.5, 0.2]).unwrap() };
        let orders = [Order::Random, Order::Confidence { temperature: 0.0 }, Order::Confidence { temperature: 1.0 }];
        let corrector = |order| Some(Corrector::Resample { rounds: 2, sites: 1, order });
        for (k, &order) in orders.iter().enumerate() {
            let twin = run.law(Step::Analytical, corrector(orders[(k + 1) % 3]));
            let out = run.check(Step::Analytical, corrector(order), &twin, 107);
            assert_law(
                &counts(&out.x, noise.dims_out()),
                &run.law(Step::Analytical, corrector(order)),
                &run.law(Step::Analytical, None),
            );
            assert_eq!(out.calls, 3);
        }
    }
}
