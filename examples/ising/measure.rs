//! One method on one model: averages with errors, and what an independent configuration costs.

use std::time::Instant;

use indicatif::ProgressBar;
use ndarray::{Array1, Array2, ArrayView1, Axis};
use tensorjump::lattice::square::{BoundaryMps, ContractOptions, contract};
use tensorjump::lattice::{Ising, SnakeMps};
use tensorjump::mcmc::{
    Chains, Connected, Estimate, MetropolisHastings, Run, RunOptions, importance_mean, log_importance_weights,
    log_mean_weight, run, series_mean, stationary_acceptance, weight_summary,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Samples, SiteWeights, Streams};

use crate::common::Failure;
use crate::common::timing::Pieces;
use crate::local;

/// How configurations are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    /// Row-wise boundary MPS: independent draws
    Boundary,
    /// Snake-ordered Born MPS: independent draws, or connected moves with --noise-time
    Snake,
    /// Metropolis sweeps in checkerboard order
    Metropolis,
    /// Heat-bath sweeps in checkerboard order
    Heatbath,
    /// Wolff clusters (ferromagnets without field)
    Wolff,
}

impl Method {
    /// All of them, in the order of the table.
    pub const ALL: [Method; 5] = [Method::Boundary, Method::Snake, Method::Metropolis, Method::Heatbath, Method::Wolff];

    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Method::Boundary => "boundary",
            Method::Snake => "snake",
            Method::Metropolis => "metropolis",
            Method::Heatbath => "heatbath",
            Method::Wolff => "wolff",
        }
    }

    /// Whether the method draws from a tensor network.
    pub fn is_network(self) -> bool {
        matches!(self, Method::Boundary | Method::Snake)
    }
}

/// How to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    pub samples: usize,
    pub seed: u64,
    /// Bond dimension of the tensor networks.
    pub chi: usize,
    pub log_z_tol: f64,
    /// Noise time of connected moves; independent draws without.
    pub noise_time: Option<f64>,
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
    pub ising: Ising,
    /// Bond dimension, where there is one.
    pub chi: Option<usize>,
    /// Noise time of connected moves.
    pub noise_time: Option<f64>,
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

/// Energy, energy in the field, magnetisation.
pub const OBSERVABLES: usize = 3;

/// The observables of configurations, shape `(samples, 3)`: totals, and the magnetisation per site.
pub fn observe(ising: &Ising, x: Configs<'_>) -> Result<Array2<f64>> {
    let columns = [ising.energy(x)?, ising.field_energy(x)?, ising.magnetisation(x)?];
    Ok(Array2::from_shape_fn((x.nrows(), OBSERVABLES), |(i, k)| columns[k][i]))
}

/// Measures a method; the bar counts samples.
pub fn measure(
    method: Method,
    ising: &Ising,
    plan: &Plan,
    bar: &ProgressBar,
) -> std::result::Result<Measured, Failure> {
    if !method.is_network() {
        return local::chains(method, ising, plan, bar);
    }
    let network = Network::new(method, ising, plan)?;
    match plan.noise_time {
        None => draws(&network, ising, plan, bar),
        Some(time) => connected(&network, ising, plan, time, bar),
    }
}

/// A tensor network with what its construction told.
pub struct Network {
    method: Method,
    model: Law,
    chi: usize,
    build_seconds: f64,
    log_z_contraction: f64,
    discarded_weight: f64,
}

enum Law {
    Boundary(BoundaryMps),
    Snake(SnakeMps),
}

impl Network {
    fn new(method: Method, ising: &Ising, plan: &Plan) -> Result<Self> {
        let chi = plan.chi;
        let clock = Instant::now();
        let (model, discarded_weight) = if method == Method::Boundary {
            let model = BoundaryMps::ising(ising, chi)?;
            let discarded = model.discarded_weight();
            (Law::Boundary(model), discarded)
        } else {
            let model = SnakeMps::new(ising, chi)?;
            let discarded = model.discarded_weight();
            (Law::Snake(model), discarded)
        };
        let build_seconds = clock.elapsed().as_secs_f64();
        let options = ContractOptions { tolerance: plan.log_z_tol, ..ContractOptions::default() };
        let log_z_contraction = match &model {
            Law::Snake(snake) => snake.log_z(),
            Law::Boundary(boundary) => contract(boundary.model(), &options)?.log_z,
        };
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
            Law::Boundary(model) => model.draw(n, streams).map(|draws| (draws.samples, Some(draws.floored))),
            Law::Snake(model) => model.sample(&SiteWeights::Uniform, n, streams).map(|samples| (samples, None)),
        }
    }
}

/// Draws at a time.
const BLOCK: usize = 1024;

/// Independent draws, weighted.
fn draws(network: &Network, ising: &Ising, plan: &Plan, bar: &ProgressBar) -> std::result::Result<Measured, Failure> {
    let streams = Streams::new(plan.seed).domain("ising");
    let (mut floored, mut pieces) = (None, Pieces::default());
    let (mut log_w, mut values, mut last) = (Vec::new(), Vec::new(), Array1::zeros(0));
    for first in (0..plan.samples).step_by(BLOCK) {
        let n = BLOCK.min(plan.samples - first);
        let (samples, floors) = pieces.time(n, || network.draw(n, &streams.rows_from(first)))?;
        floored = floors.map(|n| n + floored.unwrap_or(0));
        log_w.extend(log_importance_weights(ising, &samples)?);
        values.extend(observe(ising, samples.x.view())?);
        last = samples.x.row(n - 1).to_owned();
        bar.inc(n as u64);
    }
    let log_w = Array1::from(log_w);
    let values = Array2::from_shape_vec((plan.samples, OBSERVABLES), values)?;
    let mean = |f: &Array1<f64>| importance_mean(log_w.view(), f.view());
    let averages = Averages::new(ising, [values.column(0), values.column(1), values.column(2)], mean)?;
    let weights = weight_summary(log_w.view())?;
    let samples_per_second = 1.0 / pieces.quartile()?;
    Ok(Measured {
        log_z: Some(log_mean_weight(log_w.view())?),
        acceptance: Some(stationary_acceptance(log_w.view())?.mean),
        importance_ess_fraction: Some(weights.fraction),
        max_log_weight: Some(weights.max_log_relative),
        samples_per_second,
        independent_per_second: samples_per_second * weights.fraction,
        floored,
        ..network.measured(ising, averages, last)
    })
}

impl Network {
    /// What does not depend on how the network was used.
    fn measured(&self, ising: &Ising, averages: Averages, last: Array1<u8>) -> Measured {
        Measured {
            chi: Some(self.chi),
            log_z_contraction: Some(self.log_z_contraction),
            build_seconds: self.build_seconds,
            discarded_weight: Some(self.discarded_weight.max(0.0)),
            ..Measured::new(self.method, ising, averages, last)
        }
    }
}

impl Measured {
    /// Averages, and nothing else yet.
    pub fn new(method: Method, ising: &Ising, averages: Averages, last: Array1<u8>) -> Self {
        let Averages { energy, field_energy, m2, heat } = averages;
        let in_field = ising.couplings().field().iter().any(|&h| h != 0.0);
        Measured {
            method,
            ising: ising.clone(),
            chi: None,
            noise_time: None,
            energy,
            field_energy: in_field.then_some(field_energy),
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
        ising: &Ising,
        [energy, field_energy, m]: [ArrayView1<'_, f64>; 3],
        mean: impl Fn(&Array1<f64>) -> Result<Estimate>,
    ) -> Result<Self> {
        let sites = ising.lattice().sites() as f64;
        let per_site = |values: ArrayView1<'_, f64>| mean(&values.mapv(|v| v / sites));
        let total = &energy + &field_energy;
        let centre = mean(&total)?.mean;
        let factor = ising.beta().powi(2) / sites;
        Ok(Averages {
            energy: per_site(energy)?,
            field_energy: per_site(field_energy)?,
            m2: mean(&m.mapv(|m| m * m))?,
            heat: mean(&total.mapv(|e| factor * (e - centre).powi(2)))?,
        })
    }

    /// Of series of chains, shape `(records, chains)` each; with the autocorrelation times of energy and |m|, in updates.
    pub fn of_series(ising: &Ising, series: [Array2<f64>; 3], thin: usize) -> Result<(Self, [Tau; 2])> {
        let shape = series[0].dim();
        let tau = |values: Array2<f64>| {
            let a = series_mean(values.view())?.autocorrelation;
            Ok(Tau { updates: a.tau * thin as f64, lower_bound: a.lower_bound })
        };
        let taus = [tau(series[0].clone())?, tau(series[2].mapv(f64::abs))?];
        let mean = |values: &Array1<f64>| {
            let values = values.to_shape(shape).expect("one value a record and chain");
            series_mean(values.view()).map(|m| Estimate { mean: m.mean, error: m.error })
        };
        let flat = series.map(|s| s.into_iter().collect::<Array1<f64>>());
        Ok((Averages::new(ising, [flat[0].view(), flat[1].view(), flat[2].view()], mean)?, taus))
    }
}

/// Chains run side by side.
pub const CHAINS: usize = 8;

/// Connected moves: flips for the noise time, denoised by the network, accepted with the triple rule.
fn connected(
    network: &Network,
    ising: &Ising,
    plan: &Plan,
    time: f64,
    bar: &ProgressBar,
) -> std::result::Result<Measured, Failure> {
    let sites = ising.lattice().sites();
    let noise = Noise::new(Rates::binary_flip(sites, 1.0, 1.0)?, Schedule::constant(1.0)?);
    let dynamics = MetropolisHastings::new(Connected::new(network.law(), noise.kernel(0.0, time)?)?);
    // Chains start in the law of the network, which is close to that of the model; a fifth of the run for what is missing.
    let start = network.draw(CHAINS, &Streams::new(plan.seed).domain("start"))?.0.x;
    let mut chains = Chains::new(ising, start)?;
    let updates = plan.samples.div_ceil(CHAINS);
    let options = RunOptions { updates, warm_up: updates / 4, thin: 1, seed: plan.seed };
    let observables =
        |x: Configs<'_>| observe(ising, x).unwrap_or_else(|_| Array2::from_elem((x.nrows(), OBSERVABLES), f64::NAN));
    let mut pieces = Pieces::default();
    let all = (updates + options.warm_up) * CHAINS;
    let run: Run = pieces.time(all, || {
        let mut progress = |_: tensorjump::mcmc::Progress<'_>| bar.inc(CHAINS as u64);
        run(ising, &dynamics, &mut chains, &options, &observables, Some(&mut progress))
    })?;
    let series: [Array2<f64>; 3] = std::array::from_fn(|k| run.series.index_axis(Axis(2), k).to_owned());
    let (averages, tau) = Averages::of_series(ising, series, 1)?;
    let seconds = pieces.quartile()?;
    let last = chains.x().row(0).to_owned();
    Ok(Measured {
        noise_time: Some(time),
        acceptance: Some(run.report.acceptance()),
        samples_per_second: 1.0 / seconds,
        independent_per_second: independent(&tau, seconds),
        tau: Some(tau),
        ..network.measured(ising, averages, last)
    })
}

/// `1/(2 max τ · CPU seconds of an update)`.
pub fn independent(tau: &[Tau; 2], seconds: f64) -> f64 {
    0.5 / (tau[0].updates.max(tau[1].updates) * seconds)
}
