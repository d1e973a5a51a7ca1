//! Tempering of many instances: overlaps, times, the test of equilibrium.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cpu_time::ThreadTime;
use ndarray::{Array1, Array2, Axis};
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::RGBColor;
use serde_json::{Value, json};
use tensorjump::lattice::{CubicMove, CubicTempering};
use tensorjump::mcmc::Autocorrelation;
use tensorjump_studies::Failure;
use tensorjump_studies::plotting::{Axis as PlotAxis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::progress::ProgressBar;
use tensorjump_studies::table::{number, render};

use super::{Options, couplings, multispin, speed};

const BINS: usize = 40;

/// What one instance gave.
pub struct Instance {
    /// Overlaps at the coldest level, shape `(updates, pairs)`.
    pub q: Array2<f64>,
    /// Means of −E/bonds and of (1 − link overlap)/T at the coldest level between powers of two of updates.
    pub sides: Vec<(f64, f64)>,
    /// Autocorrelation time of q² in updates.
    pub tau: f64,
    /// The same from the scatter of means over 32 blocks: it sees slow parts that are small.
    pub tau_of_blocks: f64,
    /// Round trips an update, of one pair of copies.
    pub trips: f64,
    pub least_rate: f64,
    /// CPU seconds of an update of one pair of copies.
    pub seconds: f64,
    /// Sites of a cluster over all.
    pub cluster: f64,
}

/// A move, with clusters or without.
pub struct Variant {
    name: String,
    /// None in bits.
    by: Option<CubicMove>,
    /// Updates that are recorded.
    pub updates: usize,
    clusters: bool,
}

/// All instances under one move.
pub struct Result {
    name: String,
    instances: Vec<Instance>,
}

type Outcome<T> = std::result::Result<T, Failure>;

/// The moves asked for.
pub fn variants(o: &Options) -> Outcome<Vec<Variant>> {
    let mut variants = vec![];
    for name in &o.moves {
        let (name, updates) = name.split_once('@').map_or((&name[..], None), |(name, updates)| (name, Some(updates)));
        let updates = updates.map_or(Ok(o.updates), str::parse)?;
        if updates < 64 {
            return Err("needs 64 updates at least".into());
        }
        for clusters in if o.both { vec![false, true] } else { vec![o.clusters > 0.0] } {
            let by = if name == "multispin" { None } else { Some(speed::of_name(name)?) };
            let name = if o.both && clusters { format!("{name} + clusters") } else { name.into() };
            variants.push(Variant { name, by, updates, clusters });
        }
    }
    Ok(variants)
}

/// All instances under all moves, side by side on the threads: each on one of its own, whose time is taken.
pub fn all(o: &Options, variants: &[Variant], ladder: &[f64], bar: &ProgressBar) -> Outcome<Vec<Result>> {
    let tasks = variants.len() * o.instances;
    let (next, done) = (AtomicUsize::new(0), Mutex::new(vec![]));
    let work = || -> std::result::Result<(), String> {
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|error| error.to_string())?;
        loop {
            let task = next.fetch_add(1, Ordering::Relaxed);
            if task >= tasks {
                return Ok(());
            }
            let (variant, k) = (&variants[task / o.instances], task % o.instances);
            let found = alone.install(|| one(o, k, variant, ladder, bar).map_err(|failure| failure.to_string()))?;
            done.lock().map_err(|error| error.to_string())?.push((task, found));
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..rayon::current_num_threads()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread has failed".into())))
    })?;
    let mut done = done.into_inner()?;
    done.sort_by_key(|(task, _)| *task);
    let mut instances = done.into_iter().map(|(_, instance)| instance);
    let of_variant =
        |v: &Variant| Result { name: v.name.clone(), instances: instances.by_ref().take(o.instances).collect() };
    Ok(variants.iter().map(of_variant).collect())
}

/// The instances of the top decile of τ under the first move.
pub fn hard(results: &[Result]) -> Vec<usize> {
    let instances = &results[0].instances;
    let mut order: Vec<usize> = (0..instances.len()).collect();
    order.sort_by(|&a, &b| instances[b].tau.total_cmp(&instances[a].tau));
    order.truncate(instances.len().div_ceil(10));
    order
}

fn one(o: &Options, k: usize, variant: &Variant, ladder: &[f64], bar: &ProgressBar) -> Outcome<Instance> {
    let updates = variant.updates;
    let clusters = variant.clusters.then_some(1.0 / if o.clusters > 0.0 { o.clusters } else { 1.1 });
    let Some(by) = variant.by else {
        return multispin::one(o, k, (updates, clusters), ladder, bar);
    };
    let couplings = couplings(o, k)?;
    let bonds = couplings.lattice().bonds().count() as f64;
    let mut tempering =
        CubicTempering::new(couplings, ladder, o.copies, o.seed + k as u64)?.with_moves(by, o.sweeps)?;
    if let Some(beta) = clusters {
        tempering = tempering.with_clusters(beta);
    }
    let (cold, beta) = (ladder.len() - 1, ladder[ladder.len() - 1]);
    let mut q = Array2::zeros((updates, o.copies / 2));
    let mut sides = vec![];
    let (mut sums, mut seconds) = ((0.0, 0.0, 0), 0.0);
    for update in 1..=2 * updates {
        let clock = ThreadTime::now();
        tempering.update()?;
        let warm = update > updates;
        seconds += if warm { clock.elapsed().as_secs_f64() } else { 0.0 };
        if update == updates {
            tempering.reset_counts();
        }
        if warm {
            q.row_mut(update - updates - 1).assign(&tempering.overlap(cold)?);
        }
        bar.inc(1);
        if !o.gaussian {
            continue;
        }
        let energy = tempering.energy().row(cold).mean().unwrap_or(f64::NAN);
        let x = tempering.level(cold)?;
        let link = tempering.ising().link_overlap(x.slice(ndarray::s![..1, ..]), x.slice(ndarray::s![1..2, ..]))?[0];
        sums = (sums.0 - energy / bonds, sums.1 + beta * (1.0 - link), sums.2 + 1);
        if update.is_power_of_two() || update == 2 * updates {
            sides.push((sums.0 / f64::from(sums.2), sums.1 / f64::from(sums.2)));
            sums = (0.0, 0.0, 0);
        }
    }
    let pairs = (o.copies / 2) as f64;
    let flipped = &tempering.report().parts[1];
    let sites = tempering.ising().lattice().sites();
    Ok(Instance {
        tau: Autocorrelation::of(q.mapv(|q| q * q).view())?.tau,
        tau_of_blocks: tau_of_blocks(&q),
        q,
        sides,
        trips: tempering.round_trips() as f64 / updates as f64 / pairs,
        least_rate: tempering.swap_rates().into_iter().fold(1.0, f64::min),
        seconds: seconds / updates as f64 / pairs,
        cluster: flipped.moved as f64 / (flipped.accepted * sites) as f64,
    })
}

/// Autocorrelation time of q² from the scatter of its means over 32 blocks, pairs together.
pub fn tau_of_blocks(q: &Array2<f64>) -> f64 {
    let q2 = q.mapv(|q| q * q);
    let length = q2.nrows() / 32;
    let means: Array1<f64> = q2
        .axis_chunks_iter(Axis(0), length)
        .take(32)
        .flat_map(|part| part.mean_axis(Axis(0)).unwrap_or_default())
        .collect();
    0.5 * length as f64 * means.var(1.0) / q2.var(1.0)
}

impl Result {
    /// Some instances: trips and independent overlaps a second of CPU, by the mean costs of one; and the
    /// mean τ.
    fn rates(&self, of: &[usize]) -> [f64; 3] {
        let mean =
            |f: &dyn Fn(&Instance) -> f64| of.iter().map(|&k| f(&self.instances[k])).sum::<f64>() / of.len() as f64;
        let per_trip = mean(&|i| i.seconds) / mean(&|i| i.trips);
        [1.0 / per_trip, 1.0 / mean(&|i| 2.0 * i.tau * i.seconds), mean(&|i| i.tau)]
    }

    fn mean(&self, f: impl Fn(&Instance) -> f64) -> f64 {
        self.instances.iter().map(f).sum::<f64>() / self.instances.len() as f64
    }

    fn median(&self, f: impl Fn(&Instance) -> f64) -> f64 {
        let mut values: Vec<f64> = self.instances.iter().map(f).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    /// Density of the overlap, of all instances, in bins from −1 to 1.
    fn density(&self) -> Array1<f64> {
        let mut counts = Array1::zeros(BINS);
        let overlaps = || self.instances.iter().flat_map(|i| i.q.iter());
        overlaps().for_each(|q| counts[(((q + 1.0) / 2.0 * BINS as f64) as usize).min(BINS - 1)] += 1.0);
        counts * (BINS as f64 / 2.0 / overlaps().count() as f64)
    }

    /// Means of the two sides over the instances, by time.
    fn sides(&self) -> Vec<(f64, f64)> {
        let at = |t: usize| (self.mean(|i| i.sides[t].0), self.mean(|i| i.sides[t].1));
        (0..self.instances[0].sides.len()).map(at).collect()
    }

    /// For `--json`.
    pub fn json(&self, hard: &[usize]) -> Value {
        let summary = |of: &[usize]| {
            let [trips, overlaps, tau] = self.rates(of);
            json!({ "trips_per_second": trips, "overlaps_per_second": overlaps, "tau_q2": tau })
        };
        let all: Vec<usize> = (0..self.instances.len()).collect();
        let of_instance = |i: &Instance| {
            json!({
                "tau_q2": i.tau, "tau_of_blocks": i.tau_of_blocks, "q2": i.q.mapv(|q| q * q).mean(), "round_trips_per_update": i.trips,
                "least_swap_rate": i.least_rate, "seconds_per_update": i.seconds, "cluster": i.cluster,
            })
        };
        json!({
            "move": self.name, "all": summary(&all), "hardest": summary(hard), "density": self.density().to_vec(), "equilibration": self.sides(),
            "instances": self.instances.iter().map(of_instance).collect::<Vec<_>>(),
        })
    }
}

/// Tables.
pub fn text(o: &Options, ladder: &[f64], results: &[Result]) -> String {
    let law = if o.gaussian { "Gaussian" } else { "±J" };
    let clusters = if o.both {
        "with clusters and without".into()
    } else if o.clusters > 0.0 {
        format!("clusters up to T = {}", o.clusters)
    } else {
        "no clusters".into()
    };
    let mut text = format!(
        "{law} {0}³, {1} instances, {2} levels, T = {3} to {4}, {5} copies, {clusters}\n\n",
        o.size,
        o.instances,
        ladder.len(),
        o.cold,
        o.hot,
        o.copies,
    );
    let row = |r: &Result| {
        let per_trip = 1e3 * r.mean(|i| i.seconds) / r.mean(|i| i.trips);
        let cells = [
            r.mean(|i| i.q.mapv(|q| q * q).mean().unwrap_or(f64::NAN)),
            r.median(|i| i.tau),
            r.mean(|i| i.tau),
            r.instances.iter().map(|i| i.tau).fold(0.0, f64::max),
            r.instances.iter().map(|i| i.least_rate).fold(1.0, f64::min),
            r.mean(|i| i.cluster),
            1e6 * r.mean(|i| i.seconds),
            per_trip,
            1e3 * r.mean(|i| 2.0 * i.tau * i.seconds),
        ];
        std::iter::once(r.name.clone()).chain(cells.iter().map(|&c| number(c, 3))).collect()
    };
    let header = [
        "move",
        "⟨q²⟩",
        "τ median",
        "τ mean",
        "τ worst",
        "least swaps",
        "cluster",
        "µs an update of a pair",
        "CPU ms a trip",
        "CPU ms an overlap",
    ];
    text += &render(&header, &results.iter().map(row).collect::<Vec<_>>());
    let hard = hard(results);
    let all: Vec<usize> = (0..results[0].instances.len()).collect();
    let row = |r: &Result| {
        let cells = r.rates(&all).into_iter().chain(r.rates(&hard));
        std::iter::once(r.name.clone()).chain(cells.map(|c| number(c, 3))).collect()
    };
    text += &format!(
        "\na second of CPU; the {} instances of the largest τ under {} apart\n\n",
        hard.len(),
        results[0].name
    );
    let header = ["move", "trips", "overlaps", "τ mean", "trips, hard", "overlaps, hard", "τ mean, hard"];
    text += &render(&header, &results.iter().map(row).collect::<Vec<_>>());
    for r in results.iter().filter(|_| o.gaussian) {
        let row = |(k, (energy, link)): (usize, &(f64, f64))| {
            let updates = r.instances[0].q.nrows();
            vec![format!("{}", (1usize << k).min(2 * updates)), number(*energy, 5), number(*link, 5)]
        };
        let rows: Vec<_> = r.sides().iter().enumerate().map(row).collect();
        text += &format!("\n{}: until update, at the coldest level\n\n", r.name);
        text += &render(&["update", "−E a bond", "(1 − link overlap)/T"], &rows);
    }
    text
}

/// P(q) at the coldest level.
pub fn picture(o: &Options, results: &[Result]) -> std::result::Result<String, Failure> {
    const COLOURS: [RGBColor; 4] = [BLUE, ORANGE, GREEN, INK];
    let series = results.iter().zip(COLOURS.iter().cycle()).map(|(r, &colour)| {
        let middle = |k: usize| (k as f64 + 0.5) * 2.0 / BINS as f64 - 1.0;
        let values = r.density().iter().enumerate().map(|(k, &p)| (middle(k), p, 0.0)).collect();
        Series { label: r.name.clone(), colour, mark: Mark::Line, values }
    });
    let panel = Panel {
        x: PlotAxis { label: "overlap q", cover: Some((-1.0, 1.0)), ..PlotAxis::default() },
        y: PlotAxis { label: "density", cover: Some((0.0, 0.5)), ..PlotAxis::default() },
        series: series.collect(),
        title: format!("{}³, T = {}, {} instances", o.size, o.cold, o.instances),
        height: 420,
        legend: SeriesLabelPosition::UpperRight,
    };
    figure(820, &[panel])
}
