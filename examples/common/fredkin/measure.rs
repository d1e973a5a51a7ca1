//! The three dynamics, each run from equilibrium and summarised.

use std::ops::ControlFlow;

use crate::common::progress::ProgressBar;
use cpu_time::ProcessTime;
use ndarray::{Array1, Array2, Axis, stack};
use rand::Rng;
use tensorjump::lattice::{Equilibrium, Fredkin, FredkinModel};
use tensorjump::mcmc::{Chains, Connected, Disconnected, Local, MetropolisHastings, Move, Run, RunOptions, SeriesMean};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams, Target};

/// Attempted swaps in one update of the local dynamics.
pub const ATTEMPTS: usize = 15_000;

/// What to run.
#[derive(Debug)]
pub struct Plan {
    /// Noise times of the connected moves, in inverse flip rates.
    pub noise_times: Vec<f64>,
    /// Updates of each chain.
    pub updates: usize,
    /// Chains.
    pub chains: usize,
    /// Seed of all draws.
    pub seed: u64,
}

impl Plan {
    /// Updates of the whole program, for the progress bar.
    pub fn steps(&self) -> u64 {
        (self.updates as u64).saturating_mul(self.noise_times.len() as u64 + 2)
    }

    /// Configurations of each move.
    pub fn samples(&self) -> usize {
        self.updates.saturating_mul(self.chains)
    }
}

/// What a move did.
#[derive(Debug)]
pub struct Measured {
    /// `disconnected`, `connected` or `local`.
    pub name: &'static str,
    /// Noise time of a connected move.
    pub noise_time: Option<f64>,
    /// Accepted over proposed.
    pub acceptance: f64,
    /// Mean area with its error and autocorrelation time in updates.
    pub area: SeriesMean,
    /// CPU time of all threads, in seconds.
    pub cpu_seconds: f64,
    /// Largest `log π − log P_θ` of the visited configurations, in nats; none for the local dynamics, which
    /// has no model.
    pub max_log_weight: Option<f64>,
    /// Proposals from configurations that the model does not know.
    pub unsupported: usize,
    /// Noisy configurations that the model cannot explain.
    pub impossible: usize,
}

impl Measured {
    /// Effective number of independent values per second of CPU time.
    pub fn ess_per_second(&self) -> f64 {
        self.area.autocorrelation.ess / self.cpu_seconds
    }

    /// The area is observable 0, the normalised log-weight observable 1 where there is a model.
    fn new(name: &'static str, noise_time: Option<f64>, run: &Run, cpu_seconds: f64) -> Result<Self> {
        let weights = (run.series.dim().2 > 1).then(|| run.observable(1)).transpose()?;
        Ok(Measured {
            name,
            noise_time,
            acceptance: run.report.acceptance(),
            area: run.mean(0)?,
            cpu_seconds,
            max_log_weight: weights.map(|w| w.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            unsupported: run.report.unsupported,
            impossible: run.report.impossible,
        })
    }
}

/// All moves, in the order of the table; `model` proposes, `law` is the exact law of the chain.
pub fn all(
    plan: &Plan,
    chain: &Fredkin,
    (model, law): (&FredkinModel, &FredkinModel),
    exact: &Equilibrium,
    bar: &ProgressBar,
) -> Result<Vec<Measured>> {
    // Chains start in equilibrium and need no warm-up: in that of the model, hence inside its support, where
    // it proposes.
    let draw =
        |law: &FredkinModel| law.draw(plan.chains, &Streams::new(plan.seed).domain("start")).map(|draws| draws.x);
    let (in_model, in_law) = (draw(model)?, draw(law)?);
    let area = |x: Configs<'_>| Ok(areas(chain, x)?.insert_axis(Axis(1)));
    let area_and_weight = |x: Configs<'_>| Ok(stack![Axis(1), areas(chain, x)?, log_weights(chain, model, exact, x)?]);
    // Each move draws for itself: a common seed would make their errors the same.
    let seeds = Streams::new(plan.seed).domain("moves");
    let mut seeds = (0..).map(|k| seeds.stream(k).next_u64());
    type Observe<'a> = &'a dyn Fn(Configs<'_>) -> Result<Array2<f64>>;
    let mut measure = |name, noise_time, start: &Array2<u8>, dynamics: &dyn Move, observe: Observe<'_>| {
        bar.set_message(match noise_time {
            Some(t) => format!("{name}, noise time {t}"),
            None => String::from(name),
        });
        let options = RunOptions {
            updates: plan.updates,
            warm_up: 0,
            seed: seeds.next().unwrap_or(plan.seed),
            ..RunOptions::default()
        };
        let mut chains = Chains::new(chain, start.clone())?;
        let clock = ProcessTime::now();
        let run = options.run_with_progress(chain, dynamics, &mut chains, observe, |_| {
            bar.inc(1);
            ControlFlow::Continue(())
        })?;
        Measured::new(name, noise_time, &run, clock.elapsed().as_secs_f64())
    };

    let mut moves = vec![measure(
        "disconnected",
        None,
        &in_model,
        &MetropolisHastings::new(Disconnected::new(model)),
        &area_and_weight,
    )?];
    let noise = flips(chain.sites())?;
    for &t in &plan.noise_times {
        let connected = Connected::new(model, noise.kernel(0.0, t)?)?;
        moves.push(measure("connected", Some(t), &in_model, &MetropolisHastings::new(connected), &area_and_weight)?);
    }
    let local =
        Local::new(|x: &mut [u8], stream: &mut _| Ok((ATTEMPTS, chain.metropolis(x, ATTEMPTS, stream)? as usize)));
    moves.push(measure("local", None, &in_law, &local, &area)?);
    Ok(moves)
}

/// Every site flips at rate one, both ways.
pub fn flips(sites: usize) -> Result<Noise> {
    Ok(Noise::new(Rates::binary_flip(sites, 1.0, 1.0)?, Schedule::constant(1.0)?))
}

/// Areas of configurations.
fn areas(chain: &Fredkin, x: Configs<'_>) -> Result<Array1<f64>> {
    Ok(chain.area(x)?.mapv(|a| a as f64))
}

/// `log π − log P_θ` in nats.
fn log_weights(chain: &Fredkin, model: &FredkinModel, exact: &Equilibrium, x: Configs<'_>) -> Result<Array1<f64>> {
    Ok(chain.log_weight(x)? - exact.log_z() - model.log_prob(x)?)
}

/// Mean heights with standard errors from independent draws of the model, each shape `(sites,)`.
pub fn height_profile(plan: &Plan, chain: &Fredkin, model: &FredkinModel) -> Result<(Array1<f64>, Array1<f64>)> {
    /// Draws at a time.
    const BLOCK: usize = 1024;
    let streams = Streams::new(plan.seed).domain("profile");
    let (mut sum, mut square) = (Array1::<f64>::zeros(chain.sites()), Array1::<f64>::zeros(chain.sites()));
    let samples = plan.samples();
    for first in (0..samples).step_by(BLOCK) {
        let count = BLOCK.min(samples - first);
        let draws = model.draw(count, &streams.rows_from(first))?;
        let heights = chain.heights(draws.x.view())?.mapv(f64::from);
        sum += &heights.sum_axis(Axis(0));
        square += &heights.mapv(|h| h * h).sum_axis(Axis(0));
    }
    let n = samples as f64;
    let mean = sum / n;
    // Heights are small integers: the difference of the squares loses nothing that shows in an error bar.
    let error = (square / n - &mean * &mean).mapv(|v| (v.max(0.0) / n).sqrt());
    Ok((mean, error))
}
