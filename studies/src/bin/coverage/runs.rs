//! The runs: chains, ladders, weighted draws and series whose correlations are known.

use ndarray::{Array1, Array2, Array3, ArrayView3, Axis, s, stack};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square, Wolff};
use tensorjump::mcmc::{
    Annealing, Autocorrelation, Chains, Disconnected, Estimate, Jackknife, Level, MetropolisHastings, Move, RunOptions,
    SeriesMean, SingleSite, Tempering,
};
use tensorjump::{Configs, Model, Result, Streams, Target};

const SIDE: usize = 4;
const SITES: usize = SIDE * SIDE;
const BETA: f64 = 0.44;

/// How many runs, how long at most.
pub struct Plan {
    pub runs: usize,
    pub max_records: usize,
    pub seed: u64,
}

/// What one run found.
pub struct Found {
    pub value: f64,
    pub error: f64,
    /// Half the width of the intervals of [`CONFIDENCE`].
    pub half_widths: [f64; 2],
    pub lower_bound: bool,
}

impl Found {
    /// With intervals of a normal error.
    fn normal(value: f64, error: f64, lower_bound: bool) -> Found {
        Found { value, error, half_widths: NORMAL.map(|z| z * error), lower_bound }
    }

    fn mean(of: &SeriesMean) -> Result<Found> {
        let [narrow, wide] = CONFIDENCE.map(|confidence| of.half_width(confidence));
        let half_widths = [narrow?, wide?];
        Ok(Found { value: of.mean, error: of.error, half_widths, lower_bound: of.autocorrelation.lower_bound })
    }
}

/// What intervals claim to cover, and their width in errors where these are normal.
pub const CONFIDENCE: [f64; 2] = [0.6827, 0.95];
pub const NORMAL: [f64; 2] = [1.0, 1.96];

/// Many runs of one kind.
pub struct Kind {
    pub quantity: &'static str,
    pub run: String,
    pub exact: f64,
    pub times: Option<f64>,
    pub found: Vec<Found>,
}

/// Some kinds that come from the same runs.
pub struct Job {
    pub name: &'static str,
    pub work: fn(&Plan) -> Result<Vec<Kind>>,
}

pub fn jobs() -> Vec<Job> {
    vec![
        Job { name: "chains, heat bath", work: heat_bath },
        Job { name: "chains, single site", work: single_site },
        Job { name: "chains, clusters", work: clusters },
        Job { name: "chains, draws", work: draws },
        Job { name: "jackknife", work: jackknife },
        Job { name: "tempering", work: tempering },
        Job { name: "importance", work: importance },
        Job { name: "annealing", work: annealing },
        Job { name: "autocorrelation time", work: times },
    ]
}

fn ising(beta: f64) -> Result<Ising> {
    Ising::new(Couplings::uniform(Square::new(SIDE, SIDE, Geometry::Open)?, 1.0)?, beta)
}

/// Energy, its square, magnetisation, its square and fourth power, shape `(samples, 5)`.
fn observe(ising: &Ising, x: Configs<'_>) -> Result<Array2<f64>> {
    let (e, m) = (ising.energy(x)?, ising.magnetisation(x)?);
    Ok(stack![Axis(1), e, e.powi(2), m, m.powi(2), m.powi(4)])
}

/// `log Z` and the averages of [`observe`], by enumeration.
fn exact(ising: &Ising) -> Result<(f64, Vec<f64>)> {
    let x = Array2::from_shape_fn((1 << SITES, SITES), |(i, j)| (i >> j & 1) as u8);
    let log_w = ising.log_weight(x.view())?;
    let max = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let w = log_w.mapv(|w| (w - max).exp());
    let values = observe(ising, x.view())?;
    let averages = values.columns().into_iter().map(|f| w.dot(&f) / w.sum()).collect();
    Ok((max + w.sum().ln(), averages))
}

/// Runs of `records` records, one a chain, from exact draws: shape `(records, runs, 5)`.
fn chains(plan: &Plan, dynamics: &dyn Move, runs: usize, records: usize) -> Result<Array3<f64>> {
    let ising = ising(BETA)?;
    let start = BoundaryMps::new(&ising, 16)?.draw(runs, &Streams::new(plan.seed).domain("start"))?.x;
    let options = RunOptions { updates: records, warm_up: 0, seed: plan.seed, ..RunOptions::default() };
    Ok(options.run(&ising, dynamics, &mut Chains::new(&ising, start)?, |x| observe(&ising, x))?.series)
}

/// Length of a run in times of a series, its time from up to 200 runs together.
fn length_in_times(series: ArrayView3<'_, f64>, k: usize, chains: usize) -> Result<f64> {
    let some = series.slice(s![.., ..series.dim().1.min(200), k]);
    Ok((series.dim().0 * chains) as f64 / Autocorrelation::of(some)?.tau)
}

/// Means of energy, magnetisation and its square, of runs of so many chains.
fn means(plan: &Plan, name: &str, dynamics: &dyn Move, records: usize, chains_a_run: usize) -> Result<Vec<Kind>> {
    let records = records.min(plan.max_records);
    let series = chains(plan, dynamics, plan.runs * chains_a_run, records)?;
    let (_, exact) = exact(&ising(BETA)?)?;
    let kind = |(quantity, k): (&'static str, usize)| {
        let one = |run: usize| {
            let own = series.slice(s![.., run * chains_a_run..(run + 1) * chains_a_run, k]);
            Found::mean(&SeriesMean::of(own)?)
        };
        Ok(Kind {
            quantity,
            run: format!("{name}, {chains_a_run} × {records}"),
            exact: exact[k],
            times: Some(length_in_times(series.view(), k, chains_a_run)?),
            found: (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?,
        })
    };
    [("energy", 0), ("m", 2), ("m²", 3)].into_iter().map(kind).collect()
}

fn heat_bath(plan: &Plan) -> Result<Vec<Kind>> {
    let sweep = SpinSweep::heat_bath(&ising(BETA)?)?;
    let mut kinds = means(plan, "heat bath", &sweep, 100, 1)?;
    kinds.extend(means(plan, "heat bath", &sweep, 1000, 1)?);
    kinds.extend(means(plan, "heat bath", &sweep, 1000, 8)?);
    Ok(kinds)
}

fn single_site(plan: &Plan) -> Result<Vec<Kind>> {
    let flips = MetropolisHastings::new(SingleSite::new(&[2; SITES])?);
    let mut kinds = means(plan, "single site", &flips, 500, 1)?;
    kinds.extend(means(plan, "single site", &flips, 4000, 1)?);
    kinds.extend(means(plan, "single site", &flips, 20_000, 1)?);
    Ok(kinds)
}

fn clusters(plan: &Plan) -> Result<Vec<Kind>> {
    means(plan, "Wolff", &Wolff::new(&ising(BETA)?)?, 1000, 1)
}

fn draws(plan: &Plan) -> Result<Vec<Kind>> {
    let rough = BoundaryMps::proposal(&ising(0.3)?, 4)?;
    means(plan, "disconnected from β = 0.3", &MetropolisHastings::new(Disconnected::new(rough)), 1000, 1)
}

/// A function of means.
type Function<'a> = &'a (dyn Fn(&[f64]) -> f64 + Sync);

/// Specific heat a site, and Binder's cumulant.
fn jackknife(plan: &Plan) -> Result<Vec<Kind>> {
    let ising = ising(BETA)?;
    let (_, exact) = exact(&ising)?;
    let heat = |a: &[f64]| BETA * BETA * (a[1] - a[0] * a[0]) / SITES as f64;
    let binder = |a: &[f64]| 1.0 - a[4] / (3.0 * a[3] * a[3]);
    let (sweep, flips) = (SpinSweep::heat_bath(&ising)?, MetropolisHastings::new(SingleSite::new(&[2; SITES])?));
    let plans: [(&str, &dyn Move, usize); 5] = [
        ("heat bath", &sweep, 300),
        ("heat bath", &sweep, 4000),
        ("heat bath", &sweep, 20_000),
        ("single site", &flips, 2000),
        ("single site", &flips, 20_000),
    ];
    let mut kinds = Vec::new();
    for (name, dynamics, records) in plans {
        let records = records.min(plan.max_records);
        let series = chains(plan, dynamics, plan.runs, records)?;
        let functions: [(&'static str, Function<'_>); 2] = [("specific heat", &heat), ("Binder cumulant", &binder)];
        for (quantity, f) in functions {
            let one = |run: usize| Jackknife::of(series.slice(s![.., run..run + 1, ..]), f);
            let all: Vec<Jackknife> = (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?;
            let tau = all.iter().map(|j| j.autocorrelation.tau).sum::<f64>() / plan.runs as f64;
            let found = |j: &Jackknife| Found::normal(j.value - j.bias, j.error, j.lower_bound);
            kinds.push(Kind {
                quantity,
                run: format!("{name}, 1 × {records}"),
                exact: f(&exact),
                times: Some(records as f64 / tau),
                found: all.iter().map(found).collect(),
            });
        }
    }
    Ok(kinds)
}

fn level(beta: f64) -> Result<Level<Ising, SpinSweep>> {
    let target = ising(beta)?;
    Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
}

/// Energies of all levels of a ladder, a run a copy.
fn tempering(plan: &Plan) -> Result<Vec<Kind>> {
    const BETAS: [f64; 3] = [0.3, 0.44, 0.6];
    let tempering = Tempering::new(BETAS.map(level).into_iter().collect::<Result<_>>()?)?.proportional()?;
    let records = 1000.min(plan.max_records);
    let start = |(k, beta): (usize, f64)| -> Result<Array2<u8>> {
        let streams = Streams::new(plan.seed).domain("ladder").step(k as u64);
        Ok(BoundaryMps::new(&ising(beta)?, 16)?.draw(plan.runs, &streams)?.x)
    };
    let x = BETAS.into_iter().enumerate().map(start).collect::<Result<_>>()?;
    let mut replicas = tempering.start_at(x, plan.seed)?;
    let options = RunOptions { updates: records, warm_up: 0, seed: plan.seed, ..RunOptions::default() };
    let of = ising(BETA)?;
    let runs = tempering.run(&options, &mut replicas, |_, x| observe(&of, x))?;
    let mut kinds = Vec::new();
    for (beta, run) in BETAS.into_iter().zip(&runs) {
        let (_, exact) = exact(&ising(beta)?)?;
        for (quantity, k) in [("energy", 0), ("m", 2)] {
            let one = |copy: usize| Found::mean(&SeriesMean::of(run.series.slice(s![.., copy..copy + 1, k]))?);
            kinds.push(Kind {
                quantity,
                run: format!("tempering, β = {beta}, 1 × {records}"),
                exact: exact[k],
                times: Some(length_in_times(run.series.view(), k, 1)?),
                found: (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?,
            });
        }
    }
    Ok(kinds)
}

/// Weighted averages and `log Z` from independent draws of other laws.
fn importance(plan: &Plan) -> Result<Vec<Kind>> {
    let target = ising(BETA)?;
    let (log_z, exact) = exact(&target)?;
    let laws = [("β = 0.4", BoundaryMps::proposal(&ising(0.4)?, 16)?), ("χ = 1", BoundaryMps::proposal(&target, 1)?)];
    let mut kinds = Vec::new();
    for (name, law) in laws {
        for n in [100, 1000] {
            let one = |run: usize| -> Result<[Estimate; 3]> {
                let draws = law.draw(n, &Streams::new(plan.seed).domain(name).step(run as u64))?;
                let log_w = draws.log_importance_weights(&target)?;
                let values = observe(&target, draws.x.view())?;
                Ok([
                    Estimate::importance_mean(log_w.view(), values.column(0))?,
                    Estimate::importance_mean(log_w.view(), values.column(3))?,
                    Estimate::log_mean_weight(log_w.view())?,
                ])
            };
            let all: Vec<[Estimate; 3]> = (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?;
            for (k, (quantity, exact)) in
                [("energy", exact[0]), ("m²", exact[3]), ("log Z", log_z)].into_iter().enumerate()
            {
                let found = |e: &[Estimate; 3]| Found::normal(e[k].mean, e[k].error, false);
                let run = format!("{n} weighted draws, {name}");
                kinds.push(Kind { quantity, run, exact, times: None, found: all.iter().map(found).collect() });
            }
        }
    }
    Ok(kinds)
}

/// `log Z` of 32 independent populations of 16.
fn annealing(plan: &Plan) -> Result<Vec<Kind>> {
    const POPULATIONS: usize = 32;
    let annealing = Annealing::new([0.2, 0.3, 0.38, BETA].map(level).into_iter().collect::<Result<_>>()?)?;
    let (log_z, _) = exact(&ising(BETA)?)?;
    let law = BoundaryMps::new(&ising(0.2)?, 16)?;
    let one = |run: usize| {
        let population = |k: usize| {
            let k = run * POPULATIONS + k;
            let draws = law.draw(16, &Streams::new(plan.seed).domain("annealing").step(k as u64))?;
            Ok(annealing.run(draws, plan.seed.wrapping_add(k as u64))?.log_z())
        };
        let all: Array1<f64> = (0..POPULATIONS).map(population).collect::<Result<Vec<f64>>>()?.into();
        let Estimate { mean, error } = Estimate::log_mean_weight(all.view())?;
        Ok(Found::normal(mean, error, false))
    };
    let found = (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?;
    let run = format!("{POPULATIONS} populations of 16");
    Ok(vec![Kind { quantity: "log Z", run, exact: log_z, times: None, found }])
}

/// The time itself, of series `x_t = φ x_{t−1} + noise`, with the error `τ √(2(2W+1)/n)` of Sokal.
fn times(plan: &Plan) -> Result<Vec<Kind>> {
    let kind = |(phi, records): (f64, usize)| {
        let records = records.min(plan.max_records);
        let exact = 0.5 * (1.0 + phi) / (1.0 - phi);
        let one = |run: usize| {
            let mut rng = Streams::new(plan.seed).domain("autoregressive").stream(run);
            let mut x: f64 = StandardNormal.sample(&mut rng);
            let series = Array2::from_shape_simple_fn((records, 1), || {
                let noise: f64 = StandardNormal.sample(&mut rng);
                x = phi * x + (1.0 - phi * phi).sqrt() * noise;
                x
            });
            let Autocorrelation { tau, window, lower_bound, .. } = Autocorrelation::of(series.view())?;
            let error = tau * (2.0 * (2 * window + 1) as f64 / records as f64).sqrt();
            Ok(Found::normal(tau, error, lower_bound))
        };
        Ok(Kind {
            quantity: "τ",
            run: format!("φ = {phi}, 1 × {records}"),
            exact,
            times: Some(records as f64 / exact),
            found: (0..plan.runs).into_par_iter().map(one).collect::<Result<_>>()?,
        })
    };
    [(0.0, 1000), (0.8, 200), (0.8, 2000), (0.8, 20_000), (0.98, 2000), (0.98, 20_000), (-0.5, 2000)]
        .into_iter()
        .map(kind)
        .collect()
}
