//! One method on one model: averages with errors, and what an independent configuration costs.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::common::progress::ProgressBar;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use tensorjump::io::Checkpoint;
use tensorjump::lattice::{BoundaryMps, ContractOptions, Contraction, SnakeMps};
use tensorjump::mcmc::{
    Chains, Connected, Estimate, InnerDraws, Run, RunOptions, SeriesMean, TunedConnected, WeightSummary,
};
use tensorjump::{Model, Result, Samples, Streams};

use crate::common::Failure;
use crate::common::ising::connected;
use crate::common::ising::local;
use crate::common::ising::system::{OBSERVABLES, System};
use crate::common::timing::Pieces;

/// Default bond dimension of the boundary MPS.
pub const BOUNDARY_CHI: usize = 8;
/// The same on a torus.
pub const TORUS_CHI: usize = 16;
/// Default bond dimension of the snake MPS.
pub const SNAKE_CHI: usize = 64;
/// Default bond dimension of windows.
pub const WINDOW_CHI: usize = 4;
/// Default bond dimension in the fields of the noise.
pub const CONNECTED_CHI: usize = 2;

crate::choices! {
    /// How configurations are made.
    pub enum Method {
        /// Row-wise boundary MPS: independent draws
        Boundary = "boundary",
        /// Snake-ordered Born MPS: independent draws, or connected moves with --noise-time
        Snake = "snake",
        /// Metropolis sweeps in checkerboard order
        Metropolis = "metropolis",
        /// Heat-bath sweeps in checkerboard order
        Heatbath = "heatbath",
        /// Wolff clusters (Ising ferromagnets without field)
        Wolff = "wolff",
        /// Swendsen-Wang clusters (ferromagnets)
        Sw = "sw",
        /// Windows erased and redrawn by boundary states; tori too
        Window = "window",
        /// Connected moves: boundary MPS in the fields of the noise; noise time and bond dimension tuned
        /// unless given
        Connected = "connected",
    }
}

impl Method {
    /// Those compared without `--method`, in the order of the table.
    pub const ALL: [Method; 6] =
        [Method::Boundary, Method::Snake, Method::Metropolis, Method::Heatbath, Method::Wolff, Method::Sw];

    /// Whether the method draws from a tensor network.
    pub fn is_network(self) -> bool {
        matches!(self, Method::Boundary | Method::Snake | Method::Connected)
    }

    /// Whether each configuration takes a contraction.
    pub fn is_slow(self) -> bool {
        matches!(self, Method::Window | Method::Connected)
    }
}

/// Recorded configurations: three numbers each.
const SAMPLES_LIMIT: usize = 1 << 26;
/// Recorded configurations of each chain without which a series has no autocorrelation.
const SAMPLES_PER_CHAIN: usize = 2;

/// A number of recorded configurations that chains can make.
pub fn check_samples(samples: usize) -> std::result::Result<usize, Failure> {
    if samples < SAMPLES_PER_CHAIN * CHAINS {
        return Err(format!("--samples {samples}: at least {} needed", SAMPLES_PER_CHAIN * CHAINS).into());
    }
    if samples > SAMPLES_LIMIT {
        return Err(format!("--samples {samples}: at most 2^26 are allowed").into());
    }
    Ok(samples)
}

/// How to measure.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub samples: usize,
    pub seed: u64,
    /// Bond dimension of the tensor networks.
    pub chi: usize,
    pub log_z_tol: f64,
    /// Bond dimension, if it was given.
    pub given_chi: Option<usize>,
    /// Noise time of connected moves; independent draws without (tuned for [`Method::Connected`]).
    pub noise_time: Option<f64>,
    /// Rows and columns of a window.
    pub window: [usize; 2],
    /// Where chains keep their state.
    pub checkpoint: Option<Checkpoint>,
}

/// Autocorrelation time of an observable, in updates.
#[derive(Debug, Clone, Copy)]
pub struct Tau {
    pub updates: f64,
    pub lower_bound: bool,
}

/// What a method did; energies and specific heat per site.
#[derive(Debug)]
pub struct Measured {
    pub method: Method,
    pub system: System,
    /// Recorded configurations.
    pub samples: usize,
    /// Bond dimension, where there is one.
    pub chi: Option<usize>,
    /// Noise time of connected moves.
    pub noise_time: Option<f64>,
    /// How they were tuned.
    pub tuned: Option<TunedConnected>,
    pub energy: Estimate,
    /// In the field, where there is one.
    pub field_energy: Option<Estimate>,
    pub m2: Estimate,
    pub heat: Estimate,
    /// By importance sampling.
    pub log_z: Option<Estimate>,
    pub log_z_contraction: Option<f64>,
    pub acceptance: Option<f64>,
    pub importance_ess_fraction: Option<f64>,
    pub max_log_weight: Option<f64>,
    /// Of energy and |m|, for chains.
    pub tau: Option<[Tau; 2]>,
    /// Draws, or updates of a chain, in a second of CPU time.
    pub samples_per_second: f64,
    pub independent_per_second: f64,
    pub build_seconds: f64,
    pub discarded_weight: Option<f64>,
    pub floored: Option<u64>,
    /// The last configuration.
    pub last: Array1<u8>,
}

/// Measures a method; the bar counts samples.
pub fn measure(
    method: Method,
    system: &System,
    plan: &Plan,
    bar: &ProgressBar,
) -> std::result::Result<Measured, Failure> {
    if !method.is_network() {
        return local::chains(method, system, plan, bar);
    }
    if method == Method::Connected && plan.noise_time.is_none() {
        let (mut tuned, chis) = connected::tune(system, plan)?;
        let mut chosen = *tuned.chosen();
        chosen.model = chis[chosen.model];
        tuned.trials.iter_mut().for_each(|trial| trial.model = chis[trial.model]);
        let plan = Plan { chi: chosen.model, ..plan.clone() };
        let network = Network::new(method, system, &plan)?;
        let measured = moves(&network, system, &plan, (chosen.time, chosen.draws), bar)?;
        return Ok(Measured { tuned: Some(tuned), ..measured });
    }
    let network = Network::new(method, system, plan)?;
    match plan.noise_time {
        None => draws(&network, system, plan, bar),
        Some(time) => moves(&network, system, plan, (time, 1), bar),
    }
}

/// A tensor network with what its construction told.
pub struct Network {
    method: Method,
    model: Law,
    chi: usize,
    build_seconds: f64,
    log_z_contraction: Option<f64>,
    discarded_weight: Option<f64>,
}

enum Law {
    Boundary(BoundaryMps),
    Snake(SnakeMps),
}

impl Network {
    fn new(method: Method, system: &System, plan: &Plan) -> Result<Self> {
        let chi = plan.chi;
        let clock = Instant::now();
        let (model, discarded_weight) = if method != Method::Snake {
            let proposes = method == Method::Connected || plan.noise_time.is_some();
            let model = match proposes {
                true => BoundaryMps::proposal(system.model(), chi)?,
                false => BoundaryMps::new(system.model(), chi)?,
            };
            let discarded = model.truncation_error();
            (Law::Boundary(model), discarded)
        } else {
            let model = SnakeMps::new(system.model(), chi)?;
            let discarded = model.truncation_error();
            (Law::Snake(model), discarded)
        };
        let build_seconds = clock.elapsed().as_secs_f64();
        let mut options = ContractOptions { tolerance: plan.log_z_tol, ..ContractOptions::default() };
        if system.lattice().wraps_rows() {
            // A row costs d⁴ times as much.
            options.max_bond = 2 * chi.max(options.first_bond);
        }
        let log_z_contraction = match &model {
            Law::Snake(snake) => Some(snake.log_z()),
            // Its contractions are those of the noisy fields.
            Law::Boundary(_) if method == Method::Connected => None,
            Law::Boundary(boundary) => Some(Contraction::new(boundary.model(), &options)?.log_z),
        };
        let discarded_weight = (method != Method::Connected).then_some(discarded_weight.max(0.0));
        Ok(Network { method, model, chi, build_seconds, log_z_contraction, discarded_weight })
    }

    fn law(&self) -> &dyn Model {
        match &self.model {
            Law::Boundary(model) => model,
            Law::Snake(model) => model,
        }
    }

    /// Draws, and how often the floor decided, where there is one.
    fn draw(&self, n: usize, streams: &Streams) -> Result<(Samples, Option<u64>)> {
        match &self.model {
            Law::Boundary(model) => model.draw_counted(n, streams).map(|draws| (draws.samples, Some(draws.floored))),
            Law::Snake(model) => model.draw(n, streams).map(|samples| (samples, None)),
        }
    }
}

/// Draws at a time.
const BLOCK: usize = 1024;

/// Independent draws, weighted.
fn draws(network: &Network, system: &System, plan: &Plan, bar: &ProgressBar) -> std::result::Result<Measured, Failure> {
    let streams = Streams::new(plan.seed).domain("ising");
    let (mut floored, mut pieces) = (None, Pieces::default());
    let (mut log_w, mut values, mut last) = (Vec::new(), Vec::new(), Array1::zeros(0));
    for first in (0..plan.samples).step_by(BLOCK) {
        let n = BLOCK.min(plan.samples - first);
        let (samples, floors) = pieces.time(n, || network.draw(n, &streams.rows_from(first)))?;
        floored = floors.map(|n| n + floored.unwrap_or(0));
        log_w.extend(samples.log_importance_weights(system.model())?);
        values.extend(system.observe(samples.x.view())?);
        last = samples.x.row(n - 1).to_owned();
        bar.inc(n as u64);
    }
    let log_w = Array1::from(log_w);
    let values = Array2::from_shape_vec((plan.samples, OBSERVABLES), values)?;
    let mean = |f: &Array1<f64>| Estimate::importance_mean(log_w.view(), f.view());
    let averages = Averages::new(system, [values.column(0), values.column(1), values.column(2)], mean)?;
    let weights = WeightSummary::of(log_w.view())?;
    let samples_per_second = 1.0 / pieces.quartile()?;
    Ok(Measured {
        samples: plan.samples,
        log_z: Some(Estimate::log_mean_weight(log_w.view())?),
        acceptance: Some(Estimate::stationary_acceptance(log_w.view())?.mean),
        importance_ess_fraction: Some(weights.fraction),
        max_log_weight: Some(weights.max_log_relative),
        samples_per_second,
        independent_per_second: samples_per_second * weights.fraction,
        floored,
        ..network.measured(system, averages, last)
    })
}

impl Network {
    /// What does not depend on how the network was used.
    fn measured(&self, system: &System, averages: Averages, last: Array1<u8>) -> Measured {
        Measured {
            chi: Some(self.chi),
            log_z_contraction: self.log_z_contraction,
            build_seconds: self.build_seconds,
            discarded_weight: self.discarded_weight,
            ..Measured::new(self.method, system, averages, last)
        }
    }
}

impl Measured {
    /// Averages, and nothing else yet.
    pub fn new(method: Method, system: &System, averages: Averages, last: Array1<u8>) -> Self {
        let Averages { energy, field_energy, m2, heat } = averages;
        Measured {
            method,
            system: system.clone(),
            samples: 0,
            chi: None,
            noise_time: None,
            tuned: None,
            energy,
            field_energy: system.in_field().then_some(field_energy),
            m2,
            heat,
            log_z: None,
            log_z_contraction: None,
            acceptance: None,
            importance_ess_fraction: None,
            max_log_weight: None,
            tau: None,
            samples_per_second: f64::NAN,
            independent_per_second: f64::NAN,
            build_seconds: 0.0,
            discarded_weight: None,
            floored: None,
            last,
        }
    }
}

/// Averages per site.
pub struct Averages {
    pub energy: Estimate,
    pub field_energy: Estimate,
    pub m2: Estimate,
    pub heat: Estimate,
}

impl Averages {
    /// From the values of energy, energy in the field and magnetisation, given how to average.
    pub fn new(
        system: &System,
        [energy, field_energy, m]: [ArrayView1<'_, f64>; 3],
        mean: impl Fn(&Array1<f64>) -> Result<Estimate>,
    ) -> Result<Self> {
        let sites = system.lattice().sites() as f64;
        let per_site = |values: ArrayView1<'_, f64>| mean(&values.mapv(|v| v / sites));
        let total = &energy + &field_energy;
        let centre = mean(&total)?.mean;
        let factor = system.beta().powi(2) / sites;
        Ok(Averages {
            energy: per_site(energy)?,
            field_energy: per_site(field_energy)?,
            m2: mean(&m.mapv(|m| m * m))?,
            heat: mean(&total.mapv(|e| factor * (e - centre).powi(2)))?,
        })
    }

    /// Of series of chains, shape `(records, chains)` each; with the autocorrelation times of energy and |m|,
    /// in updates.
    pub fn of_series(system: &System, series: [Array2<f64>; 3], thin: usize) -> Result<(Self, [Tau; 2])> {
        let shape = series[0].dim();
        let tau = |values: Array2<f64>| {
            let a = SeriesMean::of(values.view())?.autocorrelation;
            Ok(Tau { updates: a.tau * thin as f64, lower_bound: a.lower_bound })
        };
        let taus = [tau(series[0].clone())?, tau(series[2].mapv(f64::abs))?];
        let mean = |values: &Array1<f64>| {
            let values = values.to_shape(shape).expect("one value a record and chain");
            SeriesMean::of(values.view()).map(|m| Estimate { mean: m.mean, error: m.error })
        };
        let flat = series.map(|s| s.into_iter().collect::<Array1<f64>>());
        Ok((Averages::new(system, [flat[0].view(), flat[1].view(), flat[2].view()], mean)?, taus))
    }
}

/// Chains run side by side.
pub const CHAINS: usize = 8;

/// Connected moves: noise for a time, some draws of the network for each noisy configuration, accepted with
/// the triple rule.
fn moves(
    network: &Network,
    system: &System,
    plan: &Plan,
    (time, draws): (f64, usize),
    bar: &ProgressBar,
) -> std::result::Result<Measured, Failure> {
    let noise = connected::noise(system)?;
    let dynamics = InnerDraws::new(Connected::new(network.law(), noise.kernel(0.0, time)?)?, draws)?;
    // Chains start in the law of the network, which is close to that of the model; a fifth of the run for
    // what is missing.
    let start = network.draw(CHAINS, &Streams::new(plan.seed).domain("start"))?.0.x;
    let mut chains = Chains::new(system.model(), start)?;
    let updates = plan.samples.div_ceil(CHAINS);
    let options = RunOptions { updates, warm_up: updates / 4, seed: plan.seed, ..RunOptions::default() };
    let mut pieces = Pieces::default();
    let all = (updates + options.warm_up) * CHAINS;
    let run: Run = pieces.time(all, || {
        options.run_with_checkpoint(
            system.model(),
            &dynamics,
            &mut chains,
            |x| system.observe(x),
            plan.checkpoint.as_ref(),
            |_| {
                bar.inc(CHAINS as u64);
                ControlFlow::Continue(())
            },
        )
    })?;
    let series: [Array2<f64>; 3] = std::array::from_fn(|k| run.series.index_axis(Axis(2), k).to_owned());
    let (averages, tau) = Averages::of_series(system, series, 1)?;
    let seconds = pieces.quartile()?;
    let last = chains.x().row(0).to_owned();
    Ok(Measured {
        noise_time: Some(time),
        samples: updates * CHAINS,
        acceptance: Some(run.report.acceptance()),
        samples_per_second: 1.0 / seconds,
        independent_per_second: independent(&tau, seconds),
        tau: Some(tau),
        ..network.measured(system, averages, last)
    })
}

/// `1/(2 max τ · CPU seconds of an update)`.
pub fn independent(tau: &[Tau; 2], seconds: f64) -> f64 {
    0.5 / (tau[0].updates.max(tau[1].updates) * seconds)
}
