//! A chain of 27 letters, too long to enumerate, by the protocol of arXiv 2602.19619 and beyond it. What is
//! drawn is estimated, and has errors; what is known of the chain is exact.

use ndarray::{Array2, Axis};
use rand::RngExt;
use serde::Serialize;
use tensorjump::diffusion::reverse::{Corrector, Method, Order, Outcome, Remask, Step, TimeGrid, reverse};
use tensorjump::diffusion::{Denoiser, Truncated};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Configs, Model, Result, Streams};

use tensorjump_studies::chain::{Between, Chain, divergence, tempered};
use tensorjump_studies::transitions::{Estimate, Transitions, agreement, exact_agreement, mean};

use crate::denoisers::{TEMPERATURE, noisy_logits};
use crate::samplers::{self, Sampler};

/// Distances at which agreement is compared.
pub const DISTANCES: usize = 16;

/// Configurations at which the divergence of a denoiser is estimated.
const CONDITIONALS: usize = 512;

/// The bench on letters.
pub struct Letters {
    chain: Chain,
    law: PositiveMps,
    noise: Noise,
    sites: usize,
    samples: usize,
    streams: Streams,
}

/// One line: estimates with their errors.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub denoiser: String,
    pub sampler: String,
    pub steps: usize,
    pub evaluations: f64,
    pub transitions: Transitions,
    /// Deviation of the agreement at each distance from 1 on from the exact one, in standard errors.
    pub agreement: Vec<(f64, f64)>,
    /// Largest of these in standard errors.
    pub worst: f64,
    /// Distance of the worst.
    pub at: usize,
    /// `(log P(x) + H)/N` of the samples: zero in the mean for draws of `P`.
    pub log_ratio: Estimate,
    /// Standard deviation of `log P(x)` over that of draws of `P`.
    pub spread: f64,
}

/// What is exact of samplers in random order, in nats a letter.
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    pub steps: usize,
    /// `KL(P ‖ law given the order)/N` in steps of equal numbers of sites.
    pub equal: f64,
    /// The same in the best steps.
    pub best: f64,
}

/// The divergence of one site after the other in random order, in nats a letter.
#[derive(Debug, Clone, Serialize)]
pub struct Sequential {
    pub denoiser: String,
    /// By the chain rule over all gaps; where the denoiser has that form.
    pub exact: Option<f64>,
    /// From conditionals at random places of exact draws.
    pub estimate: Estimate,
}

impl Letters {
    pub fn new(sites: usize, samples: usize, seed: u64) -> Result<Self> {
        let chain = Chain::letters(seed);
        let law = chain.law(sites)?;
        let noise = Noise::from(Rates::mask(&vec![27; sites], 1.0)?);
        Ok(Letters { chain, law, noise, sites, samples, streams: Streams::new(seed).domain("letters bench") })
    }

    /// Entropy rate of the chain, in nats.
    pub fn entropy_rate(&self) -> f64 {
        self.chain.conditional_entropy(1)
    }

    fn exact(&self) -> Between<'_> {
        Between::new(&self.chain, &self.noise)
    }

    fn sharp(&self) -> Result<Truncated<Between<'_>>> {
        Truncated::new(self.exact(), TEMPERATURE, 27, 1.0)
    }

    /// Draws of the chain, then all samplers; `tick` is called after each.
    pub fn measure(&self, steps: &[usize], tick: &mut dyn FnMut()) -> Result<Vec<Row>> {
        let draws = self.law.draw(self.samples, &self.streams.domain("draws"))?.x;
        let truth = self.row(("exact", "draws of the chain"), 0, 0.0, draws.view())?;
        let spread = truth.spread;
        let mut rows = vec![Row { spread: 1.0, ..truth }];
        let exact = self.exact();
        for sampler in published() {
            for &steps in steps {
                let (x, evaluations) = self.run(&exact, &sampler, steps)?;
                let row = self.row(("exact", sampler.name), steps, evaluations, x.view())?;
                rows.push(Row { spread: row.spread / spread, ..row });
                tick();
            }
        }
        // The same by confidence with the most probable letter always, and at a temperature.
        let greedy = Truncated::new(self.exact(), 1.0, 1, 1.0)?;
        let sharp = self.sharp()?;
        let (random, confident) = (published()[RANDOM], published()[CONFIDENT]);
        let last = steps.last().copied().unwrap_or(self.sites);
        let others: [(&dyn Denoiser, String, Sampler); 2] =
            [(&greedy, "greedy".into(), confident), (&sharp, format!("temperature {TEMPERATURE}"), random)];
        for (denoiser, name, sampler) in others {
            let (x, evaluations) = self.run(denoiser, &sampler, last)?;
            let row = self.row((&name, sampler.name), last, evaluations, x.view())?;
            rows.push(Row { spread: row.spread / spread, ..row });
            tick();
        }
        Ok(rows)
    }

    /// How often [`Letters::measure`] ticks.
    pub fn parts(steps: &[usize]) -> u64 {
        (published().len() * steps.len() + 2) as u64
    }

    /// Samples by a sampler, and mean evaluations.
    fn run(&self, denoiser: &dyn Denoiser, sampler: &Sampler, steps: usize) -> Result<(Array2<u8>, f64)> {
        let plan = sampler.plan(&self.noise, true, steps)?;
        let streams = self.streams.domain(sampler.name).step(steps as u64);
        let mut x = match sampler.starts_masked(true) {
            true => Array2::from_elem((self.samples, self.sites), 27),
            false => {
                let clean = self.law.draw(self.samples, &streams.domain("start"))?.x;
                self.noise.kernel(0.0, plan.pieces[0].0.from())?.sample(clean.view(), &streams)?
            }
        };
        let mut evaluations = 0.0;
        for (k, (grid, step, corrector)) in (0..).zip(&plan.pieces) {
            let method = Method::Leap { step: *step, corrector: *corrector };
            let out: Outcome = reverse(denoiser, x.view(), grid, &method, false, &streams.step(k))?;
            evaluations += out.evaluations.mapv(|n| n as f64).mean().unwrap_or(0.0);
            x = out.x;
        }
        Ok((x, evaluations))
    }

    fn row(&self, (denoiser, sampler): (&str, &str), steps: usize, evaluations: f64, x: Configs<'_>) -> Result<Row> {
        let n = self.sites as f64;
        let exact = exact_agreement(&self.chain, DISTANCES);
        let agreement: Vec<(f64, f64)> = agreement(x, DISTANCES)
            .into_iter()
            .zip(exact)
            .map(|((found, error), exact)| (found - exact, error))
            .collect();
        // Samples that are all alike have no error.
        let in_errors = |(difference, error): &(f64, f64)| match difference.abs() {
            none if none < 1e-12 => 0.0,
            _ if *error < 1e-12 => f64::INFINITY,
            some => some / error,
        };
        let (at, worst) = agreement
            .iter()
            .map(in_errors)
            .enumerate()
            .fold((0, 0.0), |best, (r, z)| if z > best.1 { (r, z) } else { best });
        let entropy = self.chain.entropy(self.sites);
        let logs: Vec<f64> = self.law.log_prob(x)?.iter().map(|log| (log + entropy) / n).collect();
        let log_ratio = mean(&logs);
        let spread = log_ratio.1 * (logs.len() as f64).sqrt();
        let transitions = Transitions::of(&self.chain, x);
        let (denoiser, sampler) = (denoiser.to_owned(), sampler.to_owned());
        Ok(Row { denoiser, sampler, steps, evaluations, transitions, agreement, worst, at: at + 1, log_ratio, spread })
    }

    /// Exact divergences of unmasking in random order with the exact denoiser.
    pub fn schedules(&self, steps: &[usize]) -> Result<Vec<Schedule>> {
        let (n, h) = (self.sites, self.chain.subset_entropies(self.sites));
        let cost = |m: usize, to: usize| (to - m) as f64 * (h[m + 1] - h[m]) - (h[to] - h[m]);
        let one = |&steps: &usize| {
            let known = |k: usize| n * k / steps;
            let blocks = (0..steps).filter(|&k| known(k + 1) > known(k));
            let equal: f64 = blocks.map(|k| cost(known(k), known(k + 1))).sum();
            let best = TimeGrid::unmasking(&self.noise, &h, steps)?.1;
            Ok(Schedule { steps, equal: equal / n as f64, best: best / n as f64 })
        };
        steps.iter().map(one).collect()
    }

    /// Divergences of one site after the other, of the exact denoiser and of perturbed ones.
    pub fn sequential(&self, seed: u64) -> Result<Vec<Sequential>> {
        let n = self.sites as f64;
        let exact = |changed: &dyn Fn(&[f64]) -> Vec<f64>| self.chain.random_order_divergence(self.sites, changed) / n;
        let (plain, sharp) = (exact(&|p| p.to_vec()), exact(&|p| tempered(p, TEMPERATURE)));
        let cases: [(String, Option<f64>, Box<dyn Denoiser + '_>); 3] = [
            ("exact".into(), Some(plain), Box::new(self.exact())),
            (format!("temperature {TEMPERATURE}"), Some(sharp), Box::new(self.sharp()?)),
            ("logits ± 0.3".into(), None, noisy_logits(self.exact(), seed)?),
        ];
        let mut list = Vec::new();
        for (denoiser, exact, changed) in cases {
            list.push(Sequential { denoiser, exact, estimate: self.divergence(changed.as_ref())? });
        }
        Ok(list)
    }

    /// `KL(P ‖ law given the order)/N`: the conditional divergence at a random site given a random number of
    /// random others.
    fn divergence(&self, denoiser: &dyn Denoiser) -> Result<Estimate> {
        let streams = self.streams.domain("conditionals");
        let mut y = self.law.draw(CONDITIONALS, &streams)?.x;
        let mut sites = Vec::new();
        for (row, mut y) in y.outer_iter_mut().enumerate() {
            // The site and the others at independent random times.
            let mut stream = streams.stream(row);
            let (site, time) = (stream.random_range(0..self.sites), stream.random::<f64>());
            y.iter_mut()
                .enumerate()
                .for_each(|(j, a)| *a = if j == site || stream.random::<f64>() > time { 27 } else { *a });
            sites.push(site);
        }
        let t = self.noise.time_of_signal(0.5)?; // cavities under masks do not depend on it
        let (p, q) = (self.exact().cavities(t, y.view())?, denoiser.cavities(t, y.view())?);
        let one = |(row, &site): (usize, &usize)| {
            let law = |c: &ndarray::Array3<f64>| c.index_axis(Axis(0), row).row(site).to_vec();
            divergence(&law(&p), &law(&q))
        };
        Ok(mean(&sites.iter().enumerate().map(one).collect::<Vec<_>>()))
    }
}

/// Places in [`published`].
const RANDOM: usize = 3;
const CONFIDENT: usize = 4;

/// The families of the publication, and more: SEDD by its Euler step, MDLM by the analytical one, LLaDA
/// unmasks at random or by confidence.
pub fn published() -> Vec<Sampler> {
    let named = |name, step| Sampler { name, step, corrector: None, is_loop: false };
    let loops = samplers::all(true).into_iter().filter(|sampler| sampler.is_loop);
    let mut list = vec![
        named("SEDD: Euler", Step::Euler),
        named("MDLM: analytical", Step::Analytical),
        named("ReMDM: rescale .5", Step::Remask(Remask::Rescale(0.5))),
        named("LLaDA: random order", Step::Unmask(Order::Random)),
        named("LLaDA: by confidence", Step::Unmask(Order::Confidence { temperature: 0.0 })),
        named("by entropy", Step::Unmask(Order::Entropy { temperature: 0.0 })),
        named("θ-trapezoidal", Step::Trapezoidal { theta: 0.5 }),
        Sampler {
            corrector: Some(Corrector::Resample { rounds: 1, sites: 1, order: Order::Random }),
            ..named("analytical + resampling", Step::Analytical)
        },
    ];
    list.extend(loops);
    list
}
