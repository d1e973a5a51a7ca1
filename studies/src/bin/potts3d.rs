//! The Potts model in three dimensions at its transition: energies by clusters, by rods and by heat bath.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin potts3d                       # q = 3, L = 8
//! cargo run --release -p tensorjump-studies --bin potts3d -- --size 4 --updates 2000
//! ```
//!
//! For `q = 3` the transition is weakly of first order, at `β_t = 0.5505653` for weights `e^{β Σ δ}` (Janke,
//! Villanova, Nucl. Phys. B 489, 679): at L = 8 chains tunnel between the phases. The histograms of each move
//! and of the first one are compared by χ², with samples of each chain a multiple of the autocorrelation time
//! apart, which is measured.

use ndarray::{Array1, Array2, Axis};
use plotters::chart::SeriesLabelPosition;
use rayon::prelude::*;
use serde_json::{Value, json};
use tensorjump::lattice::{Cubic, CubicCouplings, CubicPotts, CubicPottsMove, fast_rng};
use tensorjump::mcmc::{Autocorrelation, Chains};
use tensorjump::{Streams, Target};
use tensorjump_studies::output::finish;
use tensorjump_studies::plotting::{Axis as PlotAxis, BLUE, GREEN, INK, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Cells of the comparison hold as many samples at least, both together.
const CELL: f64 = 20.0;
/// Bins of the picture.
const BINS: usize = 60;

options! {
    /// The Potts model in three dimensions: clusters beside rods
    struct Options [seed, threads, json, out "out/potts3d"] {
        /// Sites along each side of the periodic cube
        size: usize = 8,
        /// States of a site
        states: usize = 3,
        /// Inverse temperature, weights e^{beta sum delta}
        beta: f64 = 0.5505653,
        /// Chains of each move
        chains: usize = 16,
        /// Updates of each chain that are recorded, after a tenth as many as warm-up
        updates: usize = 20_000,
        /// Moves: clusters, heat, or the cross-section of rods, as 2x1
        moves: Vec<String> = vec!["clusters".into(), "2x1".into(), "2x2".into()],
        /// Autocorrelation times between the samples that are compared
        apart: f64 = 6.0,
    }
}

/// What one move gave.
struct Series3d {
    name: String,
    /// Energy a bond, shape `(updates, chains)`.
    energy: Array2<f64>,
    tau: f64,
    mean: f64,
    error: f64,
    /// CPU seconds of an update of one chain.
    seconds: f64,
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    if o.chains < 2 || o.updates < 100 || o.moves.is_empty() || o.apart.is_nan() || o.apart < 1.0 {
        return Err("needs two chains, 100 updates, a move, and samples an autocorrelation time apart".into());
    }
    options::set_threads(o.threads)?;
    let folder = o.out.open(o.json)?;
    let lattice = Cubic::new([o.size; 3], [true; 3])?;
    let potts = CubicPotts::new(CubicCouplings::uniform(lattice, 1.0)?, o.states, o.beta)?;
    let bar = progress::bar((o.moves.len() * o.chains) as u64);
    let series: Vec<Series3d> = o.moves.iter().map(|name| measure(&o, &potts, name, &bar)).collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    let compared: Vec<(f64, usize, usize)> = series.iter().map(|s| compare(&o, &series[0], s)).collect();
    let text = if o.json {
        options::json(&o, &json!({ "moves": report(&series, &compared) }))?
    } else {
        text(&o, &series, &compared)
    };
    finish(&text, folder.as_ref(), || Ok(vec![("energy.svg", picture(&o, &series)?)]))
}

fn of_name(potts: &CubicPotts, name: &str) -> Result<CubicPottsMove, Failure> {
    Ok(match name {
        "clusters" => CubicPottsMove::swendsen_wang(potts)?,
        "heat" => CubicPottsMove::heat_bath(potts),
        section => {
            let (a, b) = section.split_once('x').ok_or_else(|| format!("no move {name}: clusters, heat or 2x1"))?;
            CubicPottsMove::rods(potts, a.parse()?, b.parse()?)?
        }
    })
}

fn measure(o: &Options, potts: &CubicPotts, name: &str, bar: &progress::ProgressBar) -> Result<Series3d, Failure> {
    let by = of_name(potts, name)?;
    let starts = Chains::initial(potts, o.chains, o.seed)?;
    let streams = Streams::new(o.seed).domain(name);
    let bonds = 3.0 * potts.dims().len() as f64;
    let one = |k: usize| -> Result<(Vec<f64>, f64), tensorjump::Error> {
        // Half of the chains start ordered.
        let mut x = if k.is_multiple_of(2) { starts.x().row(k).to_vec() } else { vec![0; potts.dims().len()] };
        let mut rng = fast_rng(&mut streams.stream(k));
        let (warm, mut seconds) = (o.updates / 10, 0.0);
        let mut energy = Vec::with_capacity(o.updates);
        for update in 0..warm + o.updates {
            let clock = cpu_time::ThreadTime::now();
            by.step(&mut x, &mut rng)?;
            seconds += clock.elapsed().as_secs_f64();
            if update >= warm {
                let row = ndarray::ArrayView1::from(&x);
                energy.push(potts.energy(row.insert_axis(Axis(0)))?[0] / bonds);
            }
        }
        bar.inc(1);
        Ok((energy, seconds / (warm + o.updates) as f64))
    };
    let chains: Vec<(Vec<f64>, f64)> = (0..o.chains).into_par_iter().map(one).collect::<Result<_, _>>()?;
    let energy = Array2::from_shape_fn((o.updates, o.chains), |(t, k)| chains[k].0[t]);
    let of_chains: Array1<f64> = energy.sum_axis(Axis(0)) / o.updates as f64;
    Ok(Series3d {
        name: name.into(),
        tau: Autocorrelation::of(energy.view())?.tau,
        mean: of_chains.mean().unwrap_or(f64::NAN),
        // Chains are independent.
        error: of_chains.std(1.0) / (o.chains as f64).sqrt(),
        seconds: chains.iter().map(|c| c.1).sum::<f64>() / o.chains as f64,
        energy,
    })
}

impl Series3d {
    /// Samples so many autocorrelation times apart.
    fn thinned(&self, apart: f64) -> Vec<f64> {
        let step = (apart * self.tau).ceil().max(1.0) as usize;
        self.energy.axis_iter(Axis(0)).step_by(step).flat_map(|row| row.to_vec()).collect()
    }
}

/// χ² of two samples of any sizes in cells of the sorted values of both, its degrees of freedom, and the
/// number of samples of the second.
fn compare(o: &Options, first: &Series3d, second: &Series3d) -> (f64, usize, usize) {
    let (a, b) = (first.thinned(o.apart), second.thinned(o.apart));
    let mut all: Vec<(f64, bool)> = a.iter().map(|&e| (e, false)).chain(b.iter().map(|&e| (e, true))).collect();
    all.sort_by(|x, y| x.0.total_cmp(&y.0));
    let (ratio, cell) = ((b.len() as f64 / a.len() as f64).sqrt(), CELL.max(all.len() as f64 / 60.0));
    let (mut chi2, mut cells, mut pool) = (0.0, 0, (0.0, 0.0));
    for (i, &(energy, of_second)) in all.iter().enumerate() {
        if of_second {
            pool.1 += 1.0
        } else {
            pool.0 += 1.0
        }
        // Equal energies are in one cell.
        let last = all.get(i + 1).is_none_or(|next| next.0 > energy + 1e-9);
        if last && pool.0 + pool.1 >= cell {
            chi2 += (ratio * pool.0 - pool.1 / ratio).powi(2) / (pool.0 + pool.1);
            (cells, pool) = (cells + 1, (0.0, 0.0));
        }
    }
    (chi2, usize::saturating_sub(cells, 1), b.len())
}

fn report(series: &[Series3d], compared: &[(f64, usize, usize)]) -> Value {
    let of = |(s, c): (&Series3d, &(f64, usize, usize))| {
        json!({
            "move": s.name, "energy_per_bond": s.mean, "error": s.error, "tau": s.tau, "seconds_per_update": s.seconds,
            "chi2": c.0, "degrees_of_freedom": c.1, "samples": c.2, "density": density(s).to_vec(),
        })
    };
    series.iter().zip(compared).map(of).collect()
}

fn text(o: &Options, series: &[Series3d], compared: &[(f64, usize, usize)]) -> String {
    let row = |(k, (s, c)): (usize, (&Series3d, &(f64, usize, usize)))| {
        // The first one is not held against itself.
        let compared = |cell: String| if k == 0 { "–".to_owned() } else { cell };
        // Of few degrees of freedom or many: χ² less its mean in standard deviations.
        let z = (c.0 - c.1 as f64) / (2.0 * c.1 as f64).sqrt();
        vec![
            s.name.clone(),
            format!("{} ± {}", number(s.mean, 5), number(s.error, 2)),
            number(s.tau, 3),
            number(1e6 * s.seconds, 3),
            number(2e3 * s.tau * s.seconds, 3),
            format!("{}", c.2),
            compared(number(c.0, 4)),
            compared(format!("{}", c.1)),
            compared(number(z, 2)),
        ]
    };
    let header = ["move", "energy a bond", "τ", "µs an update", "CPU ms a sample", "samples", "χ²", "degrees", "σ off"];
    let title = format!(
        "Potts q = {}, {}³ periodic, β = {}: {} chains of {} updates; histograms of energies beside those of {}\n\n",
        o.states, o.size, o.beta, o.chains, o.updates, series[0].name
    );
    title + &render(&header, &series.iter().zip(compared).enumerate().map(row).collect::<Vec<_>>())
}

/// Density of the energy a bond between −1 and 0.
fn density(s: &Series3d) -> Array1<f64> {
    let mut counts = Array1::zeros(BINS);
    s.energy.iter().for_each(|e| counts[((e + 1.0) * BINS as f64).clamp(0.0, BINS as f64 - 1.0) as usize] += 1.0);
    counts * (BINS as f64 / s.energy.len() as f64)
}

fn picture(o: &Options, series: &[Series3d]) -> Result<String, Failure> {
    let curves = series.iter().zip([BLUE, ORANGE, GREEN, INK].into_iter().cycle()).map(|(s, colour)| {
        let middle = |k: usize| (k as f64 + 0.5) / BINS as f64 - 1.0;
        let values = density(s).iter().enumerate().map(|(k, &p)| (middle(k), p, 0.0)).collect();
        Series { label: s.name.clone(), colour, mark: Mark::Line, values }
    });
    let panel = Panel {
        x: PlotAxis { label: "energy a bond", cover: Some((-1.0, 0.0)), ..PlotAxis::default() },
        y: PlotAxis { label: "density", cover: Some((0.0, 1.0)), ..PlotAxis::default() },
        series: curves.collect(),
        title: format!("Potts q = {}, {}³, β = {}", o.states, o.size, o.beta),
        height: 420,
        legend: SeriesLabelPosition::UpperRight,
    };
    figure(820, &[panel])
}
