//! ±J spin glasses at low temperature on open squares: draws of a warmer law weighed or annealed to the cold
//! one, beside tempering and exact values.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin low_temperature # 32 × 32, β = 5
//! cargo run --release -p tensorjump-studies --bin low_temperature -- --size 64 --chi 32 --json
//! ```
//!
//! Boundary states in double precision and draws in single precision lose the rows that decide at β = 5 where
//! lattices are wide. A law at β' < β is drawn instead and takes its weights at β: the excitations that it has
//! too many of are few and cost little. Where that is not enough, population annealing
//! ([`Annealing`]) takes the draws through levels between, with heat-bath sweeps at each. Errors are those of
//! independent populations.
//!
//! A start that is too cold misses a part of the law, which no effective fraction shows: its own is below one
//! already, and energies are off. Deviations are what is measured here, and no failure.

use std::process::ExitCode;
use std::time::Instant;

use ndarray::{Array1, Array2, Axis};
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, FreeFermions, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Annealing, EachChain, Estimate, Level, Repeat, SeriesMean, Tempering, WeightSummary};
use tensorjump::{Model, Streams};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Spin glasses at low temperature: warmer draws weighed or annealed, tempering, exact values
    struct Options [seed, threads, json] {
        /// Rows and columns
        size: usize = 32,
        /// Inverse temperature asked for
        beta: f64 = 5.0,
        /// Seeds of the couplings
        instances: Vec<u64> = vec![1, 2, 3],
        /// Inverse temperatures that are drawn at
        starts: Vec<f64> = vec![2.5, 3.0, 3.5, 5.0],
        /// Bond dimension
        chi: usize = 16,
        /// Draws at each start
        draws: usize = 16384,
        /// Populations that they are annealed in
        populations: usize = 16,
        /// Levels between start and end
        levels: usize = 20,
        /// Heat-bath sweeps at each level
        sweeps: usize = 10,
        /// Updates of tempering, in 16 copies; none if 0
        updates: usize = 2000,
    }
}

/// One way to the cold law.
struct Row {
    way: String,
    /// Effective fraction of the draws at their own temperature, and of what is weighed at the end.
    own: Option<f64>,
    fraction: Option<f64>,
    max_log_weight: Option<f64>,
    log_z: Option<Estimate>,
    energy_per_site: Estimate,
    /// Seconds for all of it, one clock.
    seconds: f64,
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    for (name, value) in [("populations", o.populations), ("levels", o.levels), ("sweeps", o.sweeps)] {
        options::positive(name, value)?;
    }
    if o.draws < 2 * o.populations {
        return Err("--draws: at least two for each population".into());
    }
    let bar = progress::bar((o.instances.len() * (2 * o.starts.len() + 1)) as u64);
    let (mut lines, mut rows, mut worst) = (vec![], vec![], 0f64);
    for &instance in &o.instances {
        let couplings = Couplings::plus_minus(Square::new(o.size, o.size, Geometry::Open)?, instance);
        let glass = |beta: f64| Ising::new(couplings.clone(), beta);
        let cold = glass(o.beta)?;
        let exact = FreeFermions::new(&cold).ok();
        let mut all = Vec::new();
        for &start in &o.starts {
            if let Some(row) = weighed(&glass(start)?, &cold, &o)? {
                all.push(row);
            }
            bar.inc(1);
            if start < o.beta {
                all.push(annealed(&glass, start, &o)?);
            }
            bar.inc(1);
        }
        if o.updates > 0 {
            all.push(tempered(&glass, &o)?);
        }
        bar.inc(1);
        for row in all {
            let off = |e: Option<Estimate>, exact: Option<f64>| Some((e?.mean - exact?) / e?.error);
            let log_z = off(row.log_z, exact.as_ref().map(|f| f.log_z));
            let energy = off(Some(row.energy_per_site), exact.as_ref().map(|f| f.energy_per_site));
            // Weights that hang on a few draws say nothing of their error.
            if row.fraction.is_none_or(|f| f > 0.1) {
                worst = [log_z, energy].into_iter().flatten().fold(worst, |w, s| w.max(s.abs()));
            }
            let maybe = |v: Option<f64>, digits| v.map_or_else(String::new, |v| number(v, digits));
            let with_error = |e: Estimate, digits: usize| format!("{:.digits$} ± {:.0e}", e.mean, e.error);
            lines.push(vec![
                instance.to_string(),
                row.way.clone(),
                maybe(row.own, 4),
                maybe(row.fraction, 4),
                maybe(row.max_log_weight, 3),
                row.log_z.map_or_else(String::new, |e| with_error(e, 4)),
                log_z.map_or_else(String::new, |s| format!("{s:+.1}")),
                with_error(row.energy_per_site, 6),
                energy.map_or_else(String::new, |s| format!("{s:+.1}")),
                number(row.seconds, 3),
            ]);
            rows.push(json!({
                "instance": instance, "way": row.way, "own_fraction": row.own, "fraction": row.fraction,
                "max_log_weight": row.max_log_weight, "log_z": row.log_z, "sigmas_log_z": log_z,
                "energy_per_site": row.energy_per_site, "sigmas_energy": energy, "seconds": row.seconds,
                "exact": exact.as_ref().map_or(Value::Null, |f| json!([f.log_z, f.energy_per_site])),
            }));
        }
    }
    bar.finish_and_clear();
    let header =
        ["glass", "way", "ESS there", "ESS", "max log w", "log Z", "off/σ", "energy a site", "off/σ", "seconds"];
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows, "worst_sigmas": worst }))?
    } else {
        let mut text = render(&header, &lines);
        text += "\nESS of the draws as a fraction, at their own temperature and at the one asked for; annealed: of the\n\
                 weights of whole populations. off: from the free-fermion value.\n";
        text
    })
}

/// Draws of the law at `warm`, weighed for `cold`; none where no law can be made.
fn weighed(warm: &Ising, cold: &Ising, o: &Options) -> Result<Option<Row>, Failure> {
    let clock = Instant::now();
    let Ok(q) = BoundaryMps::proposal(warm, o.chi) else { return Ok(None) };
    let drawn = q.draw(o.draws, &Streams::new(o.seed))?;
    let own = WeightSummary::of(drawn.log_importance_weights(warm)?.view())?;
    let log_w = drawn.log_importance_weights(cold)?;
    let summary = WeightSummary::of(log_w.view())?;
    let energy = cold.energy(drawn.x.view())? / warm.lattice().sites() as f64;
    Ok(Some(Row {
        way: format!("drawn at {}, χ = {}", warm.beta(), o.chi),
        own: Some(own.fraction),
        fraction: Some(summary.fraction),
        max_log_weight: Some(summary.max_log_relative),
        log_z: Some(Estimate::log_mean_weight(log_w.view())?),
        energy_per_site: Estimate::importance_mean(log_w.view(), energy.view())?,
        seconds: clock.elapsed().as_secs_f64(),
    }))
}

type Ladder = Vec<Level<Ising, Repeat<EachChain<SpinSweep>>>>;

/// Levels from `start` to the end, evenly in the temperature's inverse.
fn ladder(
    glass: &dyn Fn(f64) -> tensorjump::Result<Ising>,
    start: f64,
    end: f64,
    levels: usize,
    sweeps: usize,
) -> Result<Ladder, Failure> {
    let level = |k: usize| {
        let parameter = start + (end - start) * k as f64 / levels as f64;
        let target = glass(parameter)?;
        let dynamics = Repeat::new(EachChain(SpinSweep::heat_bath(&target)?), sweeps)?;
        Ok(Level { parameter, target, dynamics })
    };
    (0..=levels).map(level).collect()
}

/// Independent populations from `start`, annealed.
fn annealed(glass: &dyn Fn(f64) -> tensorjump::Result<Ising>, start: f64, o: &Options) -> Result<Row, Failure> {
    let clock = Instant::now();
    let annealing = Annealing::new(ladder(glass, start, o.beta, o.levels, o.sweeps)?)?;
    let (first, last) = (&annealing.levels()[0].target, &annealing.levels()[o.levels].target);
    let q = BoundaryMps::proposal(first, o.chi)?;
    let n = o.draws / o.populations;
    let (mut log_z, mut energy) = (vec![], vec![]);
    for population in 0..o.populations {
        let drawn = q.draw(n, &Streams::new(o.seed).rows_from(population * n))?;
        let end = annealing.run(drawn, o.seed + 1 + population as u64)?;
        let values = last.energy(end.x.view())? / last.lattice().sites() as f64;
        energy.push(Estimate::importance_mean(end.log_weight.view(), values.view())?.mean);
        log_z.push(end.log_z());
    }
    let (log_z, energy) = (Array1::from(log_z), Array1::from(energy));
    let summary = WeightSummary::of(log_z.view())?;
    Ok(Row {
        way: format!("annealed from {start}"),
        own: None,
        fraction: Some(summary.fraction),
        max_log_weight: Some(summary.max_log_relative),
        log_z: Some(Estimate::log_mean_weight(log_z.view())?),
        energy_per_site: Estimate::importance_mean(log_z.view(), energy.view())?,
        seconds: clock.elapsed().as_secs_f64(),
    })
}

/// Parallel tempering from β = ½ on, a fifth as warm-up.
fn tempered(glass: &dyn Fn(f64) -> tensorjump::Result<Ising>, o: &Options) -> Result<Row, Failure> {
    const COPIES: usize = 16;
    let clock = Instant::now();
    let levels = ladder(glass, 0.5, o.beta, o.levels, 1)?;
    let tempering = Tempering::new(levels)?.proportional()?;
    let mut replicas = tempering.start(COPIES, o.seed)?;
    tempering.advance(&mut replicas, o.updates / 5)?;
    let cold = &tempering.levels()[o.levels].target;
    let mut series = Array2::zeros((0, COPIES));
    for _ in 0..o.updates {
        tempering.update(&mut replicas)?;
        let energy = cold.energy(replicas.level(o.levels)?)? / cold.lattice().sites() as f64;
        series.append(Axis(0), energy.insert_axis(Axis(0)).view())?;
    }
    let mean = SeriesMean::of(series.view())?;
    Ok(Row {
        way: format!("tempered, {} levels, τ = {:.1}", o.levels + 1, mean.autocorrelation.tau),
        own: None,
        fraction: None,
        max_log_weight: None,
        log_z: None,
        energy_per_site: Estimate { mean: mean.mean, error: mean.error },
        seconds: clock.elapsed().as_secs_f64(),
    })
}
