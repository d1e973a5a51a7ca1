//! Metropolis, heat bath and Wolff by their fast drivers: chains on packed spins.

use std::time::Instant;

use indicatif::ProgressBar;
use ndarray::{Array1, Array2};
use rand::{Rng, RngExt};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use tensorjump::lattice::Ising;
use tensorjump::lattice::square::{SpinSweep, Spins, Wolff, fast_rng};
use tensorjump::mcmc::autocorrelation;
use tensorjump::{Result, Streams, Target};

use crate::common::Failure;
use crate::common::timing::Pieces;
use crate::measure::{Averages, CHAINS, Measured, Method, OBSERVABLES, Plan, independent, observe};

/// The driver of a method.
pub enum Dynamics {
    Sweep(SpinSweep),
    Wolff(Wolff),
}

impl Dynamics {
    pub fn new(method: Method, ising: &Ising) -> Result<Self> {
        Ok(match method {
            Method::Wolff => Dynamics::Wolff(Wolff::new(ising)?),
            Method::Heatbath => Dynamics::Sweep(SpinSweep::heat_bath(ising)?),
            _ => Dynamics::Sweep(SpinSweep::metropolis(ising)?),
        })
    }

    /// Makes `count` updates; returns the number of flips.
    pub fn advance(&self, spins: &mut Spins, count: usize, rng: &mut impl Rng) -> Result<usize> {
        match self {
            Dynamics::Sweep(sweep) => sweep.sweeps(spins, count, rng),
            Dynamics::Wolff(wolff) => (0..count).try_fold(0, |flips, _| Ok(flips + wolff.cluster(spins, rng)?)),
        }
    }
}

/// Observables of each record of one chain, and its flips.
type Records = (Vec<[f64; OBSERVABLES]>, usize);

/// Chains of one dynamics, from random starts.
pub struct Ensemble<'a> {
    ising: &'a Ising,
    dynamics: &'a Dynamics,
    chains: Vec<(Spins, Xoshiro256PlusPlus)>,
}

/// What the chains recorded.
pub struct Series {
    /// Each observable, shape `(records, chains)`.
    pub values: [Array2<f64>; OBSERVABLES],
    /// Flips of all chains.
    pub flips: usize,
}

impl<'a> Ensemble<'a> {
    pub fn new(ising: &'a Ising, dynamics: &'a Dynamics, seed: u64) -> Result<Self> {
        let streams = Streams::new(seed).domain("ising chains");
        let chain = |row| {
            let mut stream = streams.stream(row);
            let start: Vec<u8> = ising.dims().iter().map(|_| stream.random_range(0..2)).collect();
            Ok((Spins::new(ising.lattice(), &start)?, fast_rng(&mut stream)))
        };
        Ok(Ensemble { ising, dynamics, chains: (0..CHAINS).map(chain).collect::<Result<_>>()? })
    }

    /// Records so many configurations of each chain, `thin` updates apart; the bar counts them.
    pub fn record(&mut self, records: usize, thin: usize, bar: Option<&ProgressBar>) -> Result<Series> {
        let (ising, dynamics) = (self.ising, self.dynamics);
        let run = |(spins, rng): &mut (Spins, Xoshiro256PlusPlus)| -> Result<Records> {
            let mut x = Array2::zeros((1, ising.lattice().sites()));
            let (mut values, mut flips) = (Vec::with_capacity(records), 0);
            for _ in 0..records {
                flips += dynamics.advance(spins, thin, rng)?;
                spins.write(x.as_slice_mut().expect("one row is contiguous"))?;
                let seen = observe(ising, x.view())?;
                values.push(std::array::from_fn(|k| seen[[0, k]]));
                if let Some(bar) = bar {
                    bar.inc(1);
                }
            }
            Ok((values, flips))
        };
        let chains = self.chains.par_iter_mut().map(run).collect::<Result<Vec<Records>>>()?;
        let values = std::array::from_fn(|k| Array2::from_shape_fn((records, CHAINS), |(i, c)| chains[c].0[i][k]));
        Ok(Series { values, flips: chains.iter().map(|chain| chain.1).sum() })
    }

    /// Warms up, and returns how many updates apart records should be: the slower of energy and |m| then has τ of some ten records. Runs
    /// of 256 records, each twice as long as the one before, make at least 20 τ in all.
    pub fn warm_up(&mut self, limit: usize) -> Result<usize> {
        /// Largest τ in records.
        const RESOLVED: f64 = 12.0;
        let mut thin = 1;
        loop {
            let series = self.record(TRIAL, thin, None)?;
            // Both halves are compared with the common mean: drift counts as a long time.
            let tau = |values: &Array2<f64>| autocorrelation(values.view()).map(|a| a.tau);
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
        let (spins, rng) = &mut self.chains[0];
        let mut updates = 1;
        loop {
            let clock = Instant::now();
            self.dynamics.advance(spins, updates, rng)?;
            if clock.elapsed().as_secs_f64() > PIECE {
                break;
            }
            updates *= 2;
        }
        let mut pieces = Pieces::default();
        for _ in 0..PIECES {
            pieces.time_thread(updates, || self.dynamics.advance(spins, updates, rng))?;
        }
        pieces.quartile()
    }

    /// The present configuration of the first chain.
    pub fn last(&self) -> Result<Array1<u8>> {
        let mut x = vec![0; self.ising.lattice().sites()];
        self.chains[0].0.write(&mut x)?;
        Ok(x.into())
    }
}

/// Site visits that may be spent on one method: some ten seconds.
const VISITS: usize = 1 << 34;
/// Records of a trial.
const TRIAL: usize = 256;

/// Chains of a local or cluster dynamics.
pub fn chains(method: Method, ising: &Ising, plan: &Plan, bar: &ProgressBar) -> std::result::Result<Measured, Failure> {
    let dynamics = Dynamics::new(method, ising)?;
    let mut ensemble = Ensemble::new(ising, &dynamics, plan.seed)?;
    let sites = ising.lattice().sites();
    let thin = ensemble.warm_up((VISITS / sites / plan.samples.max(TRIAL * CHAINS)).max(1))?;
    let records = plan.samples.div_ceil(CHAINS);
    let series = ensemble.record(records, thin, Some(bar))?;
    let visits = (records * thin * CHAINS * sites) as f64;
    let (averages, tau) = Averages::of_series(ising, series.values, thin)?;
    let seconds = ensemble.seconds()?;
    Ok(Measured {
        acceptance: match method {
            Method::Metropolis => Some(series.flips as f64 / visits),
            _ => Some(1.0), // nothing is ever rejected
        },
        samples_per_second: 1.0 / seconds,
        independent_per_second: independent(&tau, seconds),
        tau: Some(tau),
        ..Measured::new(method, ising, averages, ensemble.last()?)
    })
}
