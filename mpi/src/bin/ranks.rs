//! Chains and tempering over the ranks of MPI, with exact values beside.
//!
//! `mpirun -n 4 ranks chains|tempering|fredkin [--updates N] [--checkpoint PATH] [--every N] [--json]`
//!
//! Whatever the number of ranks, the results are the same to the last bit: `hash` says so.

use std::error::Error;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::time::Instant;

use ndarray::Array1;
use serde_json::{Value, json};
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{
    BoundaryMps, Couplings, Fredkin, FredkinModel, FreeFermions, Geometry, Ising, SpinSweep, Square,
};
use tensorjump::mcmc::{
    Chains, Disconnected, Estimate, Exchange, Level, MetropolisHastings, Mixture, Move, Repeat, Replicas, Run,
    RunOptions, SeriesMean, Tempering,
};
use tensorjump::ranks::Ranks;
use tensorjump::{Model, Streams, Target};
use tensorjump_mpi::World;

type Anything<T> = Result<T, Box<dyn Error>>;

struct Options {
    what: String,
    updates: usize,
    chains: usize,
    checkpoint: Option<Checkpoint>,
    json: bool,
}

fn options() -> Anything<Options> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_env();
    let mut options = Options { what: String::new(), updates: 400, chains: 24, checkpoint: None, json: false };
    let (mut path, mut every) = (None, 20);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("updates") => options.updates = parser.value()?.parse()?,
            Long("chains") => options.chains = parser.value()?.parse()?,
            Long("checkpoint") => path = Some(parser.value()?),
            Long("every") => every = parser.value()?.parse()?,
            Long("json") => options.json = true,
            Value(what) if options.what.is_empty() => options.what = what.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    options.checkpoint = path.map(|path| Checkpoint { path: path.into(), every: Interval::Steps(every) });
    Ok(options)
}

fn main() {
    let Some((universe, _)) = mpi::initialize_with_threading(mpi::Threading::Funneled) else {
        eprintln!("MPI cannot be initialised");
        std::process::exit(1);
    };
    let ranks = World::new(universe.world());
    let done = options().and_then(|options| {
        // A rank has its share of the cores, not all of them.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = (cores / ranks.size()).max(1);
        rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global()?;
        let clock = Instant::now();
        let mut found = match options.what.as_str() {
            "chains" => chains(&ranks, &options)?,
            "tempering" => tempering(&ranks, &options)?,
            "fredkin" => fredkin(&ranks, &options)?,
            other => return Err(format!("`{other}`: chains, tempering or fredkin").into()),
        };
        found["program"] = options.what.clone().into();
        found["ranks"] = ranks.size().into();
        found["seconds"] = clock.elapsed().as_secs_f64().into();
        found["cpu_seconds"] = cpu_seconds(&ranks)?.into();
        if ranks.rank() == 0 {
            let text = if options.json { found.to_string() } else { serde_json::to_string_pretty(&found)? };
            println!("{text}");
        }
        Ok(())
    });
    if let Err(error) = done {
        eprintln!("rank {}: {error}", ranks.rank());
        ranks.abort(1); // the others may wait in a collective call
    }
}

/// CPU time of the rank that took most, from `/proc`; zero where there is none.
fn cpu_seconds(ranks: &World) -> Anything<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> = stat.rsplit(") ").next().unwrap_or("").split(' ').filter_map(|f| f.parse().ok()).collect();
    let own = fields.get(10..12).map_or(0.0, |ticks| ticks.iter().sum::<f64>() / 100.0);
    Ok(ranks.all_gather(&[own])?.concat().into_iter().fold(0.0, f64::max))
}

fn hash(numbers: impl IntoIterator<Item = f64>) -> String {
    let mut hasher = DefaultHasher::new();
    numbers.into_iter().for_each(|v| v.to_bits().hash(&mut hasher));
    format!("{:016x}", hasher.finish())
}

fn all_of(runs: &[Run]) -> impl Iterator<Item = f64> {
    runs.iter().flat_map(|run| run.series.iter().chain(&run.log_weight).copied().chain([run.report.accepted as f64]))
}

fn against(name: &str, mean: f64, error: f64, exact: f64) -> Value {
    json!({ "what": name, "found": mean, "error": error, "exact": exact, "sigmas": (mean - exact) / error })
}

fn of_series(name: &str, found: &SeriesMean, exact: f64) -> Value {
    against(name, found.mean, found.error, exact)
}

/// Numbers and bytes since `before`.
fn traffic(ranks: &World, before: (u64, u64), updates: u64) -> Value {
    let (gathers, bytes) = (ranks.gathers.get() - before.0, ranks.bytes.get() - before.1);
    let a_step = |n: u64| if updates == 0 { 0.0 } else { n as f64 / updates as f64 };
    json!({ "gathers": gathers, "bytes_sent": bytes, "gathers_an_update": a_step(gathers), "bytes_an_update": a_step(bytes) })
}

/// `⟨E⟩ = −∂ log Z/∂β` of a torus, by contractions at `β ± h`: good to `h² ≈ 10⁻⁶` of the energy, and to what
/// the bond dimension leaves.
fn energy_by_contraction(couplings: &Couplings, beta: f64) -> tensorjump::Result<f64> {
    let h = 1e-3;
    let log_z = |beta: f64| Ok(BoundaryMps::new(&Ising::new(couplings.clone(), beta)?, 16)?.log_z());
    Ok(-(log_z(beta + h)? - log_z(beta - h)?) / (2.0 * h))
}

/// Independent draws of a ±J glass, 16², β = 1.5, with `log Z` by importance weights; then chains that mix
/// draws and heat bath, with their energy.
fn chains(ranks: &World, options: &Options) -> Anything<Value> {
    let couplings = Couplings::plus_minus(Square::new(16, 16, Geometry::Open)?, 1);
    let glass = Ising::new(couplings, 1.5)?;
    let model = BoundaryMps::new(&glass, 8)?;
    let rows = ranks.share(100 * options.chains);
    let draws = model.draw(rows.len(), &Streams::new(7).rows_from(rows.start))?;
    let own = draws.log_importance_weights(&glass)?;
    let weights: Array1<f64> = ranks.all_gather(&own.to_vec())?.concat().into();
    let log_z = Estimate::log_mean_weight(weights.view())?;

    let before = (ranks.gathers.get(), ranks.bytes.get());
    let mut chains = Chains::initial(&glass, options.chains, 7)?;
    let parts: Vec<(f64, Box<dyn Move>)> = vec![
        (0.5, Box::new(MetropolisHastings::new(Disconnected::new(&model)))),
        (0.5, Box::new(SpinSweep::heat_bath(&glass)?.with_sweeps(4)?)),
    ];
    let dynamics = Mixture::new(parts)?;
    let run_options = RunOptions { updates: options.updates, warm_up: 10, seed: 7, ..RunOptions::default() };
    let clock = Instant::now();
    let run = run_options.run_over(
        ranks,
        &glass,
        &dynamics,
        &mut chains,
        |x| glass.energy(x),
        options.checkpoint.as_ref(),
        |_| ControlFlow::Continue(()),
    )?;
    let seconds = clock.elapsed().as_secs_f64();
    let exact = FreeFermions::new(&glass)?;
    let values = vec![
        against("log Z", log_z.mean, log_z.error, exact.log_z),
        of_series("energy", &run.mean(0)?, 256.0 * exact.energy_per_site),
    ];
    Ok(json!({
        "hash": hash(all_of(std::slice::from_ref(&run)).chain(weights)),
        "values": values,
        "r_hat": run.r_hat(0)?,
        "acceptance": run.report.acceptance(),
        "run_seconds": seconds,
        "traffic": traffic(ranks, before, run_options.updates as u64 + 10),
    }))
}

/// A ladder with its means against exact ones, level by level.
fn ladder<T: Target, M: Move>(
    ranks: &World,
    options: &Options,
    ladder: &Tempering<T, M>,
    (copies, thin): (usize, usize),
    observe: &dyn Fn(usize, tensorjump::Configs<'_>) -> tensorjump::Result<Array1<f64>>,
    exact: &[(String, usize, f64)],
) -> Anything<Value> {
    let mut replicas: Replicas = ladder.start(copies, 5)?;
    let run_options =
        RunOptions { updates: options.updates, warm_up: options.updates / 10, thin, ..RunOptions::default() };
    let before = (ranks.gathers.get(), ranks.bytes.get());
    let go_on = |_: &Replicas| ControlFlow::Continue(());
    let clock = Instant::now();
    let runs = ladder.run_over(ranks, &run_options, &mut replicas, observe, options.checkpoint.as_ref(), go_on)?;
    let seconds = clock.elapsed().as_secs_f64();
    let values = exact.iter().map(|(name, k, exact)| Ok(of_series(name, &runs[*k].mean(0)?, *exact)));
    let rates = replicas.swap_rates();
    let walkers = replicas.walkers().iter().flat_map(|w| w.at().iter().map(|&n| n as f64));
    Ok(json!({
        "hash": hash(all_of(&runs).chain(rates.clone()).chain(walkers)),
        "values": values.collect::<Anything<Vec<_>>>()?,
        "swap_rates": rates,
        "round_trips": replicas.round_trips(),
        "run_seconds": seconds,
        "walkers": copies * runs.len(),
        "traffic": traffic(ranks, before, replicas.updates()),
    }))
}

/// A ±J glass on a 16² torus, two copies of 12 temperatures; energies of some levels beside those by
/// contraction of the network.
fn tempering(ranks: &World, options: &Options) -> Anything<Value> {
    let couplings = Couplings::plus_minus(Square::new(16, 16, Geometry::Torus)?, 1);
    let betas: Vec<f64> = (0..12).map(|k| 0.3 * (1.5f64 / 0.3).powf(f64::from(k) / 11.0)).collect();
    let models: Vec<Ising> =
        betas.iter().map(|&b| Ising::new(couplings.clone(), b)).collect::<tensorjump::Result<_>>()?;
    let levels = betas.iter().zip(&models).map(|(&parameter, target)| {
        Ok(Level { parameter, target, dynamics: SpinSweep::heat_bath(target)?.with_sweeps(2)? })
    });
    let tempering = Tempering::new(levels.collect::<tensorjump::Result<_>>()?)?.proportional()?;
    let energy = |k: usize, x: tensorjump::Configs<'_>| models[k].energy(x);
    let exact = [0, 4, 7]
        .map(|k| Ok((format!("energy at β = {:.3}", betas[k]), k, energy_by_contraction(&couplings, betas[k])?)));
    ladder(ranks, options, &tempering, (2, 10), &energy, &exact.into_iter().collect::<tensorjump::Result<Vec<_>>>()?)
}

/// A Fredkin chain of 30 sites at three values of `c`, spin exchanges with draws at the first level: the mean
/// area is known exactly.
fn fredkin(ranks: &World, options: &Options) -> Anything<Value> {
    let parameters = [0.6, 0.75, 0.9];
    let chains = parameters.map(|c| Fredkin::new(30, c));
    let chains = chains.into_iter().collect::<tensorjump::Result<Vec<_>>>()?;
    let level = |(k, chain): (usize, &Fredkin)| -> tensorjump::Result<Level<Fredkin, Box<dyn Move>>> {
        let exchange = Repeat::new(MetropolisHastings::new(Exchange::chain(chain.dims())?), 30)?;
        let dynamics: Box<dyn Move> = match k {
            0 => Box::new(MetropolisHastings::new(Disconnected::new(FredkinModel::new(chain)?))),
            _ => Box::new(exchange),
        };
        Ok(Level { parameter: parameters[k], target: chain.clone(), dynamics })
    };
    let tempering = Tempering::new(chains.iter().enumerate().map(level).collect::<tensorjump::Result<_>>()?)?;
    let area = |k: usize, x: tensorjump::Configs<'_>| Ok(chains[k].area(x)?.mapv(|a| a as f64));
    let exact = (0..3).map(|k| Ok((format!("area at c = {}", parameters[k]), k, chains[k].equilibrium()?.area_mean())));
    ladder(ranks, options, &tempering, (4, 5), &area, &exact.collect::<tensorjump::Result<Vec<_>>>()?)
}
