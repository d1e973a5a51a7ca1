//! Tempering of many instances: overlaps, times, the test of equilibrium.

use cpu_time::ThreadTime;
use ndarray::{Array1, Array2};
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::RGBColor;
use rayon::prelude::*;
use serde_json::{Value, json};
use tensorjump::lattice::CubicTempering;
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
    /// Round trips an update.
    pub trips: f64,
    pub least_rate: f64,
    /// CPU seconds of an update.
    pub seconds: f64,
    /// Sites of a cluster over all.
    pub cluster: f64,
}

/// All instances under one move.
pub struct Result {
    name: String,
    instances: Vec<Instance>,
}

/// All instances, side by side on the threads.
pub fn all(o: &Options, name: &str, ladder: &[f64], bar: &ProgressBar) -> std::result::Result<Result, Failure> {
    let run = |k| one(o, k, name, ladder, bar).map_err(|failure| failure.to_string());
    let instances = (0..o.instances).into_par_iter().map(run).collect::<std::result::Result<_, String>>()?;
    Ok(Result { name: name.into(), instances })
}

fn one(o: &Options, k: usize, name: &str, ladder: &[f64], bar: &ProgressBar) -> std::result::Result<Instance, Failure> {
    if name == "multispin" {
        return multispin::one(o, k, ladder, bar);
    }
    let by = speed::of_name(name)?;
    let couplings = couplings(o, k)?;
    let bonds = couplings.lattice().bonds().count() as f64;
    let mut tempering =
        CubicTempering::new(couplings, ladder, o.copies, o.seed + k as u64)?.with_moves(by, o.sweeps)?;
    if o.clusters > 0.0 {
        tempering = tempering.with_clusters(1.0 / o.clusters);
    }
    let (cold, beta) = (ladder.len() - 1, ladder[ladder.len() - 1]);
    let mut q = Array2::zeros((o.updates, o.copies / 2));
    let mut sides = vec![];
    let (mut sums, mut seconds) = ((0.0, 0.0, 0), 0.0);
    for update in 1..=2 * o.updates {
        let clock = ThreadTime::now();
        tempering.update()?;
        let warm = update > o.updates;
        seconds += if warm { clock.elapsed().as_secs_f64() } else { 0.0 };
        if update == o.updates {
            tempering.reset_counts();
        }
        let energy = tempering.energy().row(cold).mean().unwrap_or(f64::NAN);
        let x = tempering.level(cold)?;
        let link = tempering.ising().link_overlap(x.slice(ndarray::s![..1, ..]), x.slice(ndarray::s![1..2, ..]))?[0];
        sums = (sums.0 - energy / bonds, sums.1 + beta * (1.0 - link), sums.2 + 1);
        if update.is_power_of_two() || update == 2 * o.updates {
            sides.push((sums.0 / f64::from(sums.2), sums.1 / f64::from(sums.2)));
            sums = (0.0, 0.0, 0);
        }
        if warm {
            q.row_mut(update - o.updates - 1).assign(&tempering.overlap(cold)?);
        }
        bar.inc(1);
    }
    let flipped = &tempering.report().parts[1];
    let sites = tempering.ising().lattice().sites();
    Ok(Instance {
        tau: Autocorrelation::of(q.mapv(|q| q * q).view())?.tau,
        q,
        sides,
        trips: tempering.round_trips() as f64 / o.updates as f64,
        least_rate: tempering.swap_rates().into_iter().fold(1.0, f64::min),
        seconds: seconds / o.updates as f64,
        cluster: flipped.moved as f64 / (flipped.accepted * sites) as f64,
    })
}

impl Result {
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
    pub fn json(&self) -> Value {
        let of_instance = |i: &Instance| {
            json!({
                "tau_q2": i.tau, "q2": i.q.mapv(|q| q * q).mean(), "round_trips_per_update": i.trips,
                "least_swap_rate": i.least_rate, "seconds_per_update": i.seconds, "cluster": i.cluster,
            })
        };
        json!({
            "move": self.name, "density": self.density().to_vec(), "equilibration": self.sides(),
            "instances": self.instances.iter().map(of_instance).collect::<Vec<_>>(),
        })
    }
}

/// Tables.
pub fn text(o: &Options, ladder: &[f64], results: &[Result]) -> String {
    let law = if o.gaussian { "Gaussian" } else { "±J" };
    let clusters = if o.clusters > 0.0 { format!("clusters up to T = {}", o.clusters) } else { "no clusters".into() };
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
        "µs an update",
        "CPU ms a trip",
        "CPU ms an overlap",
    ];
    text += &render(&header, &results.iter().map(row).collect::<Vec<_>>());
    for r in results.iter().filter(|_| o.gaussian) {
        let row = |(k, (energy, link)): (usize, &(f64, f64))| {
            vec![format!("{}", (1usize << k).min(2 * o.updates)), number(*energy, 5), number(*link, 5)]
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
