//! Metropolis, heat bath and Wolff by their fast drivers: chains on packed spins.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::common::progress::ProgressBar;
use ndarray::{Array1, Array2, Axis};
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use tensorjump::io::Checkpoint;
use tensorjump::lattice::{
    PairModel, Pairwise, SiteHeatBath, SpinSweep, Spins, SwendsenWang, Windows, Wolff, fast_rng,
};
use tensorjump::mcmc::{Autocorrelation, Chains, Local, Move, RunOptions};
use tensorjump::{Configs, Result, Stream, Streams};

use crate::common::Failure;
use crate::common::ising::measure::{Averages, CHAINS, Measured, Method, Plan, independent};
use crate::common::ising::system::{OBSERVABLES, System};
use crate::common::timing::Pieces;

/// The driver of a method.
pub enum Dynamics<'a> {
    Sweep(SpinSweep),
    Wolff(Wolff),
    SiteMetropolis(&'a PairModel),
    SiteHeatBath(SiteHeatBath),
    Clusters(SwendsenWang),
    Windows(Windows<&'a dyn Pairwise>),
}

/// A configuration in the form that its dynamics wants.
pub enum State {
    Packed(Spins),
    Bytes(Vec<u8>),
}

impl State {
    fn write(&self, x: &mut [u8]) -> Result<()> {
        match self {
            State::Packed(spins) => spins.write(x)?,
            State::Bytes(bytes) => x.copy_from_slice(bytes),
        }
        Ok(())
    }
}

impl<'a> Dynamics<'a> {
    pub fn new(method: Method, system: &'a System, plan: &Plan) -> std::result::Result<Self, Failure> {
        Ok(match (method, system) {
            (Method::Sw, _) => Dynamics::Clusters(SwendsenWang::new(system.model())?),
            (Method::Window, _) => Dynamics::Windows(system.windows(plan.window, plan.chi)?),
            (Method::Wolff, System::Ising(ising)) => Dynamics::Wolff(Wolff::new(ising)?),
            (Method::Wolff, _) => {
                return Err("--method wolff: only for --model ising; sw has clusters for Potts".into());
            }
            (Method::Heatbath, System::Ising(ising)) => Dynamics::Sweep(SpinSweep::heat_bath(ising)?),
            (Method::Heatbath, System::Potts(potts)) => Dynamics::SiteHeatBath(SiteHeatBath::new(&potts.pairs)?),
            (_, System::Ising(ising)) => Dynamics::Sweep(SpinSweep::metropolis(ising)?),
            (_, System::Potts(potts)) => Dynamics::SiteMetropolis(&potts.pairs),
        })
    }

    fn state(&self, system: &System, x: Vec<u8>) -> Result<State> {
        Ok(match self {
            Dynamics::Sweep(_) | Dynamics::Wolff(_) => State::Packed(Spins::new(system.lattice(), &x)?),
            _ => State::Bytes(x),
        })
    }

    /// Makes `count` updates; returns how many changes of sites (windows, clusters) were proposed and
    /// accepted.
    pub fn advance(&self, state: &mut State, count: usize, rng: &mut impl Rng) -> Result<(usize, usize)> {
        let mut done = (0, 0);
        let mut add = |(proposed, accepted): (usize, usize)| done = (done.0 + proposed, done.1 + accepted);
        match (self, state) {
            (Dynamics::Sweep(sweep), State::Packed(spins)) => {
                let sites = spins.lattice().sites();
                add((count * sites, sweep.sweeps(spins, count, rng)?));
            }
            (Dynamics::Wolff(wolff), State::Packed(spins)) => {
                for _ in 0..count {
                    wolff.cluster(spins, rng)?;
                    add((1, 1));
                }
            }
            (dynamics, State::Bytes(x)) => {
                for _ in 0..count {
                    add(match dynamics {
                        Dynamics::SiteMetropolis(model) => metropolis(model, x, rng),
                        Dynamics::SiteHeatBath(sweep) => sweep.sweep(x, rng).map(|()| (1, 1))?,
                        Dynamics::Clusters(clusters) => clusters.sweep(x, rng).map(|n| (n, n))?,
                        Dynamics::Windows(windows) => windows.update_one(x, rng)?,
                        Dynamics::Sweep(_) | Dynamics::Wolff(_) => unreachable!("these act on packed spins"),
                    });
                }
            }
            _ => unreachable!("`state` made it"),
        }
        Ok(done)
    }
}

/// A sweep of single-site proposals; returns `(proposed, accepted)`.
fn metropolis(model: &PairModel, x: &mut [u8], rng: &mut impl Rng) -> (usize, usize) {
    let q = model.site_log_weights(0).len() as u8;
    let mut accepted = 0;
    for j in 0..if q > 1 { x.len() } else { 0 } {
        let a = (x[j] + rng.random_range(1..q)) % q;
        if rng.random::<f64>() < model.log_ratio(x, j, a).exp() {
            (x[j], accepted) = (a, accepted + 1);
        }
    }
    (x.len(), accepted)
}

/// Observables of each record of one chain, proposals and acceptances.
type Records = (Vec<[f64; OBSERVABLES]>, (usize, usize));

/// Chains of one dynamics, from random starts.
pub struct Ensemble<'a> {
    system: &'a System,
    dynamics: &'a Dynamics<'a>,
    chains: Vec<(State, Xoshiro256PlusPlus)>,
}

/// What the chains recorded.
pub struct Series {
    /// Each observable, shape `(records, chains)`.
    pub values: [Array2<f64>; OBSERVABLES],
    /// Proposals of all chains, and how many were accepted.
    pub proposed: usize,
    pub accepted: usize,
}

impl<'a> Ensemble<'a> {
    pub fn new(system: &'a System, dynamics: &'a Dynamics<'a>, seed: u64) -> Result<Self> {
        let streams = Streams::new(seed).domain("ising chains");
        let chain = |row| {
            let mut stream = streams.stream(row);
            let start: Vec<u8> =
                (0..system.lattice().sites()).map(|_| stream.random_range(0..system.states()) as u8).collect();
            Ok((dynamics.state(system, start)?, fast_rng(&mut stream)))
        };
        Ok(Ensemble { system, dynamics, chains: (0..CHAINS).map(chain).collect::<Result<_>>()? })
    }

    /// As [`Ensemble::record`], by chains of the library that keep their state in a file.
    fn record_with_checkpoint(
        &self,
        records: usize,
        thin: usize,
        (seed, checkpoint): (u64, &Checkpoint),
        bar: &ProgressBar,
    ) -> std::result::Result<(Series, Array1<u8>), Failure> {
        let (system, sites) = (self.system, self.system.lattice().sites());
        let dynamics: Box<dyn Move + '_> = match self.dynamics {
            Dynamics::Sweep(sweep) => Box::new(sweep.clone()),
            Dynamics::Wolff(wolff) => Box::new(wolff.clone()),
            Dynamics::SiteMetropolis(model) => {
                Box::new(Local::new(|x: &mut [u8], stream: &mut Stream| Ok(metropolis(model, x, stream))))
            }
            Dynamics::SiteHeatBath(sweep) => Box::new(sweep),
            Dynamics::Clusters(clusters) => Box::new(clusters),
            Dynamics::Windows(windows) => Box::new(windows),
        };
        let mut x = Array2::zeros((CHAINS, sites));
        for ((state, _), mut x) in self.chains.iter().zip(x.outer_iter_mut()) {
            state.write(x.as_slice_mut().expect("rows are contiguous"))?;
        }
        let mut chains = Chains::new(system.model(), x)?;
        let options = RunOptions { updates: records * thin, warm_up: 0, thin, seed, ..RunOptions::default() };
        let observe = |x: Configs<'_>| system.observe(x);
        let run =
            options.run_with_checkpoint(system.model(), &dynamics, &mut chains, observe, Some(checkpoint), |p| {
                bar.inc(if p.done.is_multiple_of(thin) { CHAINS as u64 } else { 0 });
                ControlFlow::Continue(())
            })?;
        let values = std::array::from_fn(|k| run.series.index_axis(Axis(2), k).to_owned());
        let series = Series { values, proposed: run.report.proposed, accepted: run.report.accepted };
        Ok((series, chains.x().row(0).to_owned()))
    }

    /// Records so many configurations of each chain, `thin` updates apart; the bar counts them.
    pub fn record(&mut self, records: usize, thin: usize, bar: Option<&ProgressBar>) -> Result<Series> {
        let (system, dynamics) = (self.system, self.dynamics);
        let run = |(state, rng): &mut (State, Xoshiro256PlusPlus)| -> Result<Records> {
            let mut x = Array2::zeros((1, system.lattice().sites()));
            let (mut values, mut done) = (Vec::with_capacity(records), (0, 0));
            for _ in 0..records {
                let (proposed, accepted) = dynamics.advance(state, thin, rng)?;
                done = (done.0 + proposed, done.1 + accepted);
                state.write(x.as_slice_mut().expect("one row is contiguous"))?;
                let seen = system.observe(x.view())?;
                values.push(std::array::from_fn(|k| seen[[0, k]]));
                if let Some(bar) = bar {
                    bar.inc(1);
                }
            }
            Ok((values, done))
        };
        let chains = self.chains.par_iter_mut().map(run).collect::<Result<Vec<Records>>>()?;
        let values = std::array::from_fn(|k| Array2::from_shape_fn((records, CHAINS), |(i, c)| chains[c].0[i][k]));
        let sum = |f: &dyn Fn((usize, usize)) -> usize| chains.iter().map(|chain| f(chain.1)).sum();
        Ok(Series { values, proposed: sum(&|done| done.0), accepted: sum(&|done| done.1) })
    }

    /// Warms up, and returns how many updates apart records should be: the slower of energy and |m| then has
    /// τ of some ten records. Runs of 256 records, each twice as long as the one before, make at least 20 τ
    /// in all.
    pub fn warm_up(&mut self, limit: usize) -> Result<usize> {
        /// Largest τ in records.
        const RESOLVED: f64 = 12.0;
        let mut thin = 1;
        loop {
            let series = self.record(TRIAL, thin, None)?;
            // Both halves are compared with the common mean: drift counts as a long time.
            let tau = |values: &Array2<f64>| Autocorrelation::of(values.view()).map(|a| a.tau);
            let slow = tau(&series.values[0])?.max(tau(&series.values[2].mapv(f64::abs))?);
            // Chains that do not move at all have no time: a single site, Metropolis at β = 0.
            let frozen = |values: &Array2<f64>| {
                values.columns().into_iter().all(|chain| chain.iter().all(|v| v.abs() == chain[0].abs()))
            };
            let stuck = frozen(&series.values[0]) && frozen(&series.values[2]);
            if slow <= RESOLVED || stuck || 2 * thin > limit {
                return Ok(thin);
            }
            thin *= 2;
        }
    }

    /// CPU seconds of an update, from the present state on.
    pub fn seconds(&mut self) -> std::result::Result<f64, Failure> {
        /// Seconds of a piece of work that is timed, and the number of pieces.
        const PIECE: f64 = 4e-3;
        const PIECES: usize = 9;
        let (state, rng) = &mut self.chains[0];
        let mut updates = 1;
        loop {
            let clock = Instant::now();
            self.dynamics.advance(state, updates, rng)?;
            if clock.elapsed().as_secs_f64() > PIECE {
                break;
            }
            updates *= 2;
        }
        let mut pieces = Pieces::default();
        for _ in 0..PIECES {
            // Windows may be redrawn on other threads.
            let mut work = || self.dynamics.advance(state, updates, rng);
            if matches!(self.dynamics, Dynamics::Windows(_)) {
                pieces.time(updates, work)?;
            } else {
                pieces.time_thread(updates, &mut work)?;
            }
        }
        pieces.quartile()
    }

    /// The present configuration of the first chain.
    pub fn last(&self) -> Result<Array1<u8>> {
        let mut x = vec![0; self.system.lattice().sites()];
        self.chains[0].0.write(&mut x)?;
        Ok(x.into())
    }
}

/// Site visits that may be spent on one method: some ten seconds.
const VISITS: usize = 1 << 34;
/// Records of a trial.
const TRIAL: usize = 256;

/// Chains of a local or cluster dynamics.
pub fn chains(
    method: Method,
    system: &System,
    plan: &Plan,
    bar: &ProgressBar,
) -> std::result::Result<Measured, Failure> {
    let dynamics = Dynamics::new(method, system, plan)?;
    let mut ensemble = Ensemble::new(system, &dynamics, plan.seed)?;
    let sites = system.lattice().sites();
    let records = plan.samples.div_ceil(CHAINS);
    let thin = if method.is_slow() {
        ensemble.record(records.div_ceil(4), 1, None)?;
        1
    } else {
        ensemble.warm_up((VISITS / sites / plan.samples.max(TRIAL * CHAINS)).max(1))?
    };
    let (series, last) = match &plan.checkpoint {
        None => (ensemble.record(records, thin, Some(bar))?, ensemble.last()?),
        Some(checkpoint) => ensemble.record_with_checkpoint(records, thin, (plan.seed, checkpoint), bar)?,
    };
    let (averages, tau) = Averages::of_series(system, series.values, thin)?;
    let seconds = ensemble.seconds()?;
    Ok(Measured {
        chi: (method == Method::Window).then_some(plan.chi),
        samples: records * CHAINS,
        acceptance: match method {
            Method::Metropolis | Method::Window => Some(series.accepted as f64 / series.proposed as f64),
            _ => Some(1.0), // nothing is ever rejected
        },
        samples_per_second: 1.0 / seconds,
        independent_per_second: independent(&tau, seconds),
        tau: Some(tau),
        ..Measured::new(method, system, averages, last)
    })
}
