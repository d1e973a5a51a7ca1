//! Samplers by name, with the times they take and what they cost.

use tensorjump::Result;
use tensorjump::dense::{DenseLaw, LeapLaw};
use tensorjump::diffusion::Denoiser;
use tensorjump::diffusion::reverse::{Corrector, Order, Remask, Step, TimeGrid};
use tensorjump::noise::Noise;

/// Signal left at the first time of steps by rates. They end one step above 0, where rates may diverge; that step
/// is analytical, and as long as the others: were it longer, errors would level off at its own.
const START: f64 = 0.02;
/// Share of symbols at which the loop of ReMDM stands, and its `η`.
const LOOP: (f64, f64) = (0.9, 0.1);

/// A sampler.
#[derive(Debug, Clone, Copy)]
pub struct Sampler {
    pub name: &'static str,
    pub step: Step,
    pub corrector: Option<Corrector>,
    /// Half of the steps are rounds of a loop at one time.
    pub is_loop: bool,
}

fn plain(name: &'static str, step: Step) -> Sampler {
    Sampler { name, step, corrector: None, is_loop: false }
}

/// All that are defined for the noise.
pub fn all(masks: bool) -> Vec<Sampler> {
    let corrected = |name, step, corrector| Sampler { corrector: Some(corrector), ..plain(name, step) };
    let resample = |order| Corrector::Resample { rounds: 1, sites: 1, order };
    let mut list = vec![
        plain("Euler", Step::Euler),
        plain("τ-leaping", Step::TauLeaping),
        plain("analytical", Step::Analytical),
        plain("θ-trapezoidal", Step::Trapezoidal { theta: 0.5 }),
        plain("θ-RK-2", Step::RungeKutta { theta: 0.5 }),
        plain("Ψ, κ = .9", Step::Psi { kappa: 0.9 }),
        corrected("Euler + rates", Step::Euler, Corrector::Rates { rounds: 1, size: 0.5 }),
        corrected("analytical + resampling", Step::Analytical, resample(Order::Random)),
        corrected("analytical + informed", Step::Analytical, resample(Order::Confidence { temperature: 0.0 })),
    ];
    if masks {
        list.extend([
            plain("ReMDM, cap .1", Step::Remask(Remask::Cap(0.1))),
            plain("ReMDM, rescale .5", Step::Remask(Remask::Rescale(0.5))),
            plain("ReMDM, confidence", Step::Remask(Remask::Confidence(0.5))),
            Sampler { is_loop: true, ..plain("ReMDM, loop", Step::Analytical) },
            plain("random order", Step::Unmask(Order::Random)),
            plain("by confidence", Step::Unmask(Order::Confidence { temperature: 0.0 })),
            plain("by confidence, T = 1", Step::Unmask(Order::Confidence { temperature: 1.0 })),
            plain("by entropy", Step::Unmask(Order::Entropy { temperature: 0.0 })),
        ]);
    }
    list
}

/// A run of a sampler: pieces of the way down to 0, and evaluations of the denoiser on it.
pub struct Plan {
    pub pieces: Vec<(TimeGrid, Step, Option<Corrector>)>,
    pub evaluations: usize,
}

impl Sampler {
    pub fn two_stages(&self) -> bool {
        matches!(self.step, Step::Trapezoidal { .. } | Step::RungeKutta { .. })
    }

    /// Whether the start is everything masked rather than the noised law.
    pub fn starts_masked(&self, masks: bool) -> bool {
        masks && !(self.two_stages() || matches!(self.step, Step::Euler | Step::TauLeaping))
    }

    /// `steps ≥ 2` steps of equal signal, by rates with an analytical one at the end.
    pub fn plan(&self, noise: &Noise, masks: bool, steps: usize) -> Result<Plan> {
        let at = |alpha: f64| noise.time_of_signal(alpha);
        let equal = |(from, to): (f64, f64), steps: usize| -> Result<Vec<f64>> {
            (1..steps).map(|k| at(from + (to - from) * k as f64 / steps as f64)).collect()
        };
        let grid = |first: f64, inner: Vec<f64>, last: f64| {
            TimeGrid::new([first].into_iter().chain(inner).chain([last]).collect())
        };
        let rounds = match self.corrector {
            Some(Corrector::Rates { rounds, .. } | Corrector::Resample { rounds, .. }) => rounds,
            _ => 0,
        };
        if self.is_loop {
            let (alpha, eta) = LOOP;
            let (rounds, time) = (steps / 2, at(alpha)?);
            let mut inner = equal((0.0, alpha), steps - rounds - 1)?;
            inner.extend((steps - rounds > 1).then_some(time));
            let corrector = Some(Corrector::Remask { rounds, eta, window: (0.999 * time, 1.001 * time) });
            let pieces = vec![(grid(f64::INFINITY, inner, 0.0)?, self.step, corrector)];
            return Ok(Plan { pieces, evaluations: steps });
        }
        if self.starts_masked(masks) {
            let pieces = vec![(grid(f64::INFINITY, equal((0.0, 1.0), steps)?, 0.0)?, self.step, self.corrector)];
            return Ok(Plan { pieces, evaluations: steps + rounds * (steps - 1) });
        }
        let mut inner = equal((START, 1.0), steps + 1)?;
        let (first, last) = (at(START)?, inner.pop().unwrap_or_default());
        let pieces = vec![
            (grid(first, inner, last)?, self.step, self.corrector),
            (TimeGrid::new(vec![last, 0.0])?, Step::Analytical, None),
        ];
        let each = if self.two_stages() { 2 } else { 1 };
        Ok(Plan { pieces, evaluations: each * steps + rounds * steps + 1 })
    }

    /// The law of the clean configurations that are reached, by enumeration, and the mass that is lost.
    pub fn law(&self, denoiser: &dyn Denoiser, truth: &DenseLaw, plan: &Plan) -> Result<(Vec<f64>, f64)> {
        let noise = denoiser.noise();
        let first = plan.pieces[0].0.from();
        let mut law = truth.noised(&noise.kernel(0.0, first)?)?;
        let mut lost = 0.0;
        for (grid, step, corrector) in &plan.pieces {
            let end = LeapLaw::new(denoiser, &law, grid, *step, *corrector)?;
            (law, lost) = (end.law, end.lost);
        }
        let clean = |i: usize| Ok(law.p()[law.index(&truth.config(i))?]);
        Ok(((0..truth.p().len()).map(clean).collect::<Result<_>>()?, lost))
    }

    /// Whether enumeration of `size` noised configurations takes seconds, not minutes.
    pub fn enumerable(&self, noise: &Noise) -> bool {
        let size = noise.dims_out().iter().fold(1usize, |size, &d| size.saturating_mul(d));
        size <= if self.two_stages() { 300 } else { 3000 }
    }
}
