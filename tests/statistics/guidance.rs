//! Constrained and guided draws by χ².

use ndarray::Array2;
use tensorjump::dense::DenseLaw;
use tensorjump::diffusion::{ExactDenoiser, Guided, Scheme};
use tensorjump::model::{Automaton, Boundary, LabelLeg, PositiveMps, pinned};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, SiteWeights, Streams};

use crate::common::guidance::push;
use crate::common::random::random_rates;
use crate::common::{all_configs, assert_law, counts, law};

/// A million draws at fixed magnetisation: not one beside it, and the law within the sector is the
/// conditional one, not the uniform one.
#[test]
fn constrained_draws_never_violate() {
    let ring = PositiveMps::ising(0.4, &[1.0; 10], &[0.0; 10], Boundary::Ring).unwrap();
    let sector = Automaton::sum(&vec![vec![-1, 1]; 10], 2..=2).unwrap();
    let model = ring.constrained(&sector).unwrap();
    let x = model.draw(1_000_000, &Streams::new(5)).unwrap().x;
    let violations = x.outer_iter().filter(|x| x.iter().map(|&a| u32::from(a)).sum::<u32>() != 6).count();
    assert_eq!(violations, 0);
    let inside = |x: ndarray::ArrayView1<'_, u8>| f64::from(x.iter().map(|&a| u32::from(a)).sum::<u32>() == 6);
    let normalised = |weights: Vec<f64>| {
        let total: f64 = weights.iter().sum();
        weights.into_iter().map(|w| w / total).collect::<Vec<f64>>()
    };
    let all = all_configs(&[2; 10]);
    let uniform = normalised(all.outer_iter().map(inside).collect());
    let exact = normalised(law(&ring).iter().zip(all.outer_iter()).map(|(p, x)| p * inside(x)).collect());
    assert_law(&counts(&x, &[2; 10]), &exact, &uniform);
}

/// Infilling: the free half under pins; twin: the free half without them.
#[test]
fn infilling_draws_the_conditional_law() {
    let chain = PositiveMps::ising(0.6, &[1.0; 7], &[0.1; 8], Boundary::Open).unwrap();
    let pins: Vec<(usize, u8)> = (0..4).map(|j| (j, u8::from(j % 2 == 0))).collect();
    let weights = pinned(&[2; 8], &pins).unwrap();
    let x = chain.sample(&SiteWeights::Shared(weights.view()), 50_000, &Streams::new(6)).unwrap().x;
    assert!(pins.iter().all(|&(j, a)| x.column(j).iter().all(|&b| b == a)));
    let free = Array2::from_shape_fn((50_000, 4), |(i, j)| x[[i, 4 + j]]);
    let p = law(&chain);
    let (mut exact, mut plain) = (vec![0.0; 16], vec![0.0; 16]);
    for (i, x) in all_configs(&[2; 8]).outer_iter().enumerate() {
        plain[i % 16] += p[i];
        if pins.iter().all(|&(j, a)| x[j] == a) {
            exact[i % 16] += p[i];
        }
    }
    let total: f64 = exact.iter().sum();
    exact.iter_mut().for_each(|v| *v /= total);
    assert_law(&counts(&free, &[2; 4]), &exact, &plain);
}

/// The guided sampler follows its step laws, applied one after the other to the law of the start; twin: those
/// of another strength.
#[test]
fn guided_draws_follow_their_step_laws() {
    let dims = [2, 3, 2, 2];
    let mut stream = Streams::new(7).stream(0);
    let classes = [2, 3].map(|bond| PositiveMps::random(&dims, bond, &mut stream).unwrap());
    // Far apart: otherwise the strength would hardly matter.
    let tilt = Array2::from_shape_fn((4, 3), |(_, a)| [1.0, 6.0, 3.0][a]);
    let classes = [classes[0].clone(), classes[1].tilted(tilt.view()).unwrap()];
    let leg = LabelLeg::from_classes(&classes, &[2.0, 1.0]).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&dims, 9)).unwrap(), Schedule::default());
    let (class, all) = (leg.class(1).unwrap(), leg.marginal());
    let (with, without) = (ExactDenoiser::new(&class, &noise).unwrap(), ExactDenoiser::new(&all, &noise).unwrap());
    let times = [1.2, 0.7, 0.3, 0.0];
    let kernel = noise.kernel(0.0, times[0]).unwrap();
    let start = DenseLaw::of(&all).unwrap().noised(&kernel).unwrap();
    let n = 60_000;
    for scheme in [Scheme::ClassifierFree, Scheme::ClassifierBased] {
        let guided = |gamma| Guided::new(&with, &without, scheme, gamma).unwrap();
        let pushed = |gamma: f64| {
            times.windows(2).fold(start.p().to_vec(), |p, pair| push(&guided(gamma), &p, pair[1], pair[0]))
        };
        let clean = all.draw(n, &Streams::new(8)).unwrap().x;
        let y = kernel.sample(clean.view(), &Streams::new(8)).unwrap();
        let run = guided(2.0).sample(&times, y.view(), &Streams::new(8)).unwrap();
        assert!(run.stranded.is_empty() && run.evaluations == 3);
        assert_law(&counts(&run.x, &dims), &pushed(2.0), &pushed(1.0));
    }
}
