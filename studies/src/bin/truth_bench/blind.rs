//! Right pairs, wrong distance: a failure that measures of neighbours cannot see. The data are letters with a
//! hidden topic that lasts; the denoiser reads one known letter on each side, and is exact for the chain of
//! the same pairs. One site after the other its law *is* that chain: every pair of neighbours is right.

use ndarray::{Array2, ArrayView1};
use serde::Serialize;
use tensorjump::diffusion::reverse::{Order, Step, TimeGrid, reverse};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Model, Result, Streams};

use tensorjump_studies::chain::{Between, Chain};
use tensorjump_studies::transitions::{Estimate, Transitions, agreement, exact_agreement, mean};

use crate::laws::hidden_chain;

/// Letters of the two topics.
const LETTERS: usize = 27;
/// Probability that a topic goes on.
const LASTS: f64 = 0.97;

#[derive(Debug, Clone, Serialize)]
pub struct Blind {
    /// The transition measures of the samples against the exact pairs.
    pub transitions: Transitions,
    /// The same of exact draws: the floor.
    pub floor: Transitions,
    /// By distance from 1 on: exact agreement of the data and of the sampler's law, that of the samples with
    /// its error, and their deviation from the data in these errors.
    pub distances: Vec<Distance>,
    /// `KL(P ‖ law)/N` in nats, from exact draws.
    pub divergence: Estimate,
}

#[derive(Debug, Clone, Serialize)]
pub struct Distance {
    pub distance: usize,
    pub data: f64,
    pub law: f64,
    pub sampled: Estimate,
    pub in_errors: f64,
}

/// Letters by topic: `E(h, a) ∝ 1/(1 + rank)`, with the ranks of the second topic reversed.
fn emitted() -> Array2<f64> {
    let weight = |(h, a): (usize, usize)| 1.0 / (1.0 + if h == 0 { a } else { LETTERS - 1 - a } as f64);
    let weights = Array2::from_shape_fn((2, LETTERS), weight);
    &weights / &weights.sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1))
}

/// `P(x_1 = a, x_{1+r} = b)`.
fn pairs(r: usize) -> Array2<f64> {
    let (e, same) = (emitted(), 0.5 + 0.5 * (2.0 * LASTS - 1.0f64).powi(r as i32));
    let stays = |h: usize, k: usize| if h == k { same } else { 1.0 - same };
    let all = [(0, 0), (0, 1), (1, 0), (1, 1)];
    Array2::from_shape_fn((LETTERS, LETTERS), |(a, b)| {
        all.iter().map(|&(h, k)| 0.5 * e[[h, a]] * stays(h, k) * e[[k, b]]).sum()
    })
}

/// Data, the chain of their pairs, samples by unmasking one site at a time.
pub fn measure(sites: usize, samples: usize, seed: u64) -> Result<Blind> {
    let streams = Streams::new(seed).domain("blind");
    let step = Array2::from_shape_fn((2, 2), |(h, k)| if h == k { LASTS } else { 1.0 - LASTS });
    let data: PositiveMps = hidden_chain(&step, &emitted(), sites)?;
    let chain = Chain::new(&pairs(1));
    let near = chain.law(sites)?;
    let noise = Noise::from(Rates::mask(&vec![LETTERS; sites], 1.0)?);
    let denoiser = Between::new(&chain, &noise);
    let inner = (1..sites).map(|k| noise.time_of_signal(k as f64 / sites as f64));
    let times = [Ok(f64::INFINITY)].into_iter().chain(inner).chain([Ok(0.0)]);
    let grid = TimeGrid::new(times.collect::<Result<_>>()?)?;
    let start = Array2::from_elem((samples, sites), LETTERS as u8);
    let x = reverse(&denoiser, start.view(), &grid, &Step::Unmask(Order::Random).into(), false, &streams)?.x;
    let draws = data.draw(samples, &streams)?.x;
    let max = (sites / 2).min(32);
    let law = exact_agreement(&chain, max);
    let distance = |(k, sampled): (usize, Estimate)| {
        let truth = pairs(k + 1).diag().sum();
        let in_errors = (sampled.0 - truth) / sampled.1;
        Distance { distance: k + 1, data: truth, law: law[k], sampled, in_errors }
    };
    let gaps = data.log_prob(draws.view())? - near.log_prob(draws.view())?;
    let by_letter = |gaps: ArrayView1<'_, f64>| gaps.iter().map(|gap| gap / sites as f64).collect::<Vec<_>>();
    Ok(Blind {
        transitions: Transitions::of(&chain, x.view()),
        floor: Transitions::of(&chain, draws.view()),
        distances: agreement(x.view(), max).into_iter().enumerate().map(distance).collect(),
        divergence: mean(&by_letter(gaps.view())),
    })
}
