//! ±J spin glass on an open square: independent draws by boundary states against tuned parallel tempering, on
//! one thread.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin spin_glass  # 32 × 32, β = 2, χ = 8 and 16
//! cargo run --release -p tensorjump-studies --bin spin_glass -- --beta 3 --chi 16,24
//! # two minutes
//! cargo run --release -p tensorjump-studies --bin spin_glass -- --size 64 --chi 8,16,24 --draws 20000 --updates 20000
//! ```
//!
//! Both sides give two chains at β, and `q = Σ s_a s_b / N` between them. Independent configurations per CPU
//! second are `1/(2 τ c)`, `τ` the autocorrelation time of `q` and `c` the CPU time of an update of one
//! chain: all temperatures of a ladder, or one draw with its acceptance test. Tempering runs on packed spins
//! (64 sites a word), and is tuned: ladders for several swap rates, several numbers of sweeps between
//! exchanges, the best of them counts. `|q|` and the energy are measured beside `q`, and the slowest of the
//! three counts: a ladder whose hot end is too cold shuffles a few frozen configurations, which looks fast in
//! `q` alone.

use std::process::ExitCode;

use ndarray::{Array1, Axis};
use plotters::chart::SeriesLabelPosition;
use rand::RngExt;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use tensorjump::lattice::{BoundaryMps, Couplings, FreeFermions, Geometry, Ising, SpinSweep, Spins, Square, fast_rng};
use tensorjump::mcmc::{Autocorrelation, Proposed, TunedLadder, Walkers};
use tensorjump::{Error, Model, Streams};

use tensorjump_studies::output::{Folder, finish};
use tensorjump_studies::plotting::{Axis as PlotAxis, BLUE, Mark, ORANGE, Panel, Series, figure};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::timing::Pieces;
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Boundary states against parallel tempering
    struct Options [json, out "out/spin_glass"] {
        /// Rows and columns
        size: usize = 32,
        /// Inverse temperature
        beta: f64 = 2.0,
        /// Seed of the couplings and of all draws
        seed: u64 = 1,
        /// Bond dimensions
        chi: Vec<usize> = vec![8, 16],
        /// Draws of each of two chains
        draws: usize = 40_000,
        /// Updates of tempering after a fifth of them as warm-up
        updates: usize = 40_000,
        /// Sweeps between exchanges that are tried
        sweeps: Vec<usize> = vec![1],
        /// Least swap rates that are tried
        rates: Vec<f64> = vec![0.2, 0.4, 0.6, 0.75],
        /// Hottest temperature of the ladders
        hot: f64 = 0.5,
    }
}

/// ±J couplings, ready to count violated bonds.
struct Glass {
    couplings: Couplings,
    right: Vec<u8>,
    below: Vec<u8>,
}

impl Glass {
    fn new(lattice: Square, seed: u64) -> Self {
        let couplings = Couplings::plus_minus(lattice, seed);
        let negative = |v: &[f64]| v.iter().map(|&j| u8::from(j < 0.0)).collect();
        Glass { right: negative(couplings.horizontal()), below: negative(couplings.vertical()), couplings }
    }

    fn ising(&self, beta: f64) -> Result<Ising, Error> {
        Ising::new(self.couplings.clone(), beta)
    }

    /// `−Σ J s s` of an open lattice: bonds of a row in bytes, at most 255 of them violated in one sum.
    fn energy(&self, x: &[u8]) -> f64 {
        let cols = self.couplings.lattice().cols();
        let count = |a: &[u8], b: &[u8], negative: &[u8]| -> u32 {
            let chunk = |((a, b), n): ((&[u8], &[u8]), &[u8])| {
                u32::from(a.iter().zip(b).zip(n).fold(0u8, |sum, ((a, b), n)| sum + (a ^ b ^ n)))
            };
            a.chunks(128).zip(b.chunks(128)).zip(negative.chunks(128)).map(chunk).sum()
        };
        let mut violated = count(x, &x[cols..], &self.below);
        for (row, negative) in x.chunks_exact(cols).zip(self.right.chunks_exact(cols - 1)) {
            violated += count(row, &row[1..], negative);
        }
        2.0 * f64::from(violated) - (self.right.len() + self.below.len()) as f64
    }
}

/// `Σ s_a s_b / N`.
fn overlap(a: &[u8], b: &[u8]) -> f64 {
    let differ = a.iter().zip(b).map(|(a, b)| u32::from(a ^ b)).sum::<u32>();
    1.0 - 2.0 * f64::from(differ) / a.len() as f64
}

/// A series of two chains at β, and its cost.
struct Measured {
    name: String,
    overlap: Vec<f64>,
    energy: Vec<f64>,
    /// CPU seconds of an update of one chain.
    seconds: f64,
    acceptance: f64,
    detail: Value,
}

/// Autocorrelation time: the larger of Sokal's window and of 16 blocks. Exchanges shuffle configurations
/// among the walkers, so that a fast decay can hide a slow one of small weight: the window stops too early,
/// and only the means of long blocks show it.
fn tau(series: &[f64]) -> Result<f64, Failure> {
    const BLOCKS: usize = 16;
    let n = series.len() / BLOCKS;
    let mean = series.iter().sum::<f64>() / series.len() as f64;
    let variance = series.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / series.len() as f64;
    let block = |b: &[f64]| (b.iter().sum::<f64>() / n as f64 - mean).powi(2);
    let of_blocks = series.chunks_exact(n).take(BLOCKS).map(block).sum::<f64>() / (BLOCKS - 1) as f64;
    let window = Autocorrelation::of(Array1::from(series.to_vec()).insert_axis(Axis(1)).view())?.tau;
    Ok(window.max(n as f64 * of_blocks / (2.0 * variance)))
}

/// Autocorrelation times of a measurement.
struct Times {
    q: f64,
    abs_q: f64,
    energy: f64,
}

impl Times {
    fn slowest(&self) -> f64 {
        self.q.max(self.abs_q).max(self.energy)
    }
}

impl Measured {
    fn times(&self) -> Result<Times, Failure> {
        let abs: Vec<f64> = self.overlap.iter().map(|q| q.abs()).collect();
        Ok(Times { q: tau(&self.overlap)?, abs_q: tau(&abs)?, energy: tau(&self.energy)? })
    }

    fn independent(&self, tau: f64) -> f64 {
        1.0 / (2.0 * tau * self.seconds)
    }

    /// Deviation of the mean energy from the exact one, in standard errors.
    fn deviation(&self, exact: f64, tau: f64) -> f64 {
        let n = self.energy.len() as f64;
        let mean = self.energy.iter().sum::<f64>() / n;
        let variance = self.energy.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean - exact) / (variance * 2.0 * tau / n).sqrt()
    }
}

/// One ladder: spins, energies and walkers of one copy.
struct Copy {
    spins: Vec<Spins>,
    energy: Vec<f64>,
    walkers: Walkers,
    rng: Xoshiro256PlusPlus,
}

/// Parallel tempering on packed spins.
struct Ladder<'a> {
    glass: &'a Glass,
    betas: Vec<f64>,
    dynamics: Vec<SpinSweep>,
    sweeps: usize,
    x: Vec<u8>,
    copies: Vec<Copy>,
    updates: usize,
}

impl<'a> Ladder<'a> {
    fn new(glass: &'a Glass, betas: &[f64], sweeps: usize, seed: u64) -> Result<Self, Error> {
        let lattice = glass.couplings.lattice();
        let dynamics = betas.iter().map(|&b| SpinSweep::metropolis(&glass.ising(b)?)).collect::<Result<_, _>>()?;
        let streams = Streams::new(seed).domain("spin glass tempering");
        let copy = |row: usize| {
            let mut stream = streams.stream(row);
            let mut spins = || {
                let x: Vec<u8> = (0..lattice.sites()).map(|_| stream.random_range(0..2)).collect();
                Spins::new(lattice, &x)
            };
            let spins = (0..betas.len()).map(|_| spins()).collect::<Result<Vec<_>, _>>()?;
            let (energy, walkers) = (vec![0.0; betas.len()], Walkers::new(betas.len())?);
            Ok(Copy { spins, energy, walkers, rng: fast_rng(&mut stream) })
        };
        let copies = (0..2).map(copy).collect::<Result<_, Error>>()?;
        Ok(Ladder { glass, betas: betas.to_vec(), dynamics, sweeps, x: vec![0; lattice.sites()], copies, updates: 0 })
    }

    fn update(&mut self) -> Result<(), Error> {
        for copy in &mut self.copies {
            for ((spins, dynamics), energy) in copy.spins.iter_mut().zip(&self.dynamics).zip(&mut copy.energy) {
                dynamics.sweeps(spins, self.sweeps, &mut copy.rng)?;
                spins.write(&mut self.x)?;
                *energy = self.glass.energy(&self.x);
            }
            for k in (self.updates % 2..self.betas.len() - 1).step_by(2) {
                let log_ratio = (self.betas[k + 1] - self.betas[k]) * (copy.energy[k + 1] - copy.energy[k]);
                let u = copy.rng.random();
                if copy.walkers.exchange(k, log_ratio, u)? {
                    copy.spins.swap(k, k + 1);
                    copy.energy.swap(k, k + 1);
                }
            }
        }
        self.updates += 1;
        Ok(())
    }

    fn swap_rates(&self) -> Vec<f64> {
        let rates: Vec<Vec<f64>> = self.copies.iter().map(|copy| copy.walkers.swap_rates()).collect();
        (0..self.betas.len() - 1).map(|k| rates.iter().map(|r| r[k]).sum::<f64>() / 2.0).collect()
    }

    /// Warms up by `updates`, forgetting the counts.
    fn warm_up(&mut self, updates: usize) -> Result<(), Error> {
        (0..updates).try_for_each(|_| self.update())?;
        self.copies.iter_mut().for_each(|copy| copy.walkers.reset());
        Ok(())
    }

    fn measure(&mut self, updates: usize) -> Result<Measured, Failure> {
        self.warm_up(updates / 5)?;
        let last = self.betas.len() - 1;
        let (mut overlaps, mut energies) = (Vec::with_capacity(updates), Vec::with_capacity(updates));
        let mut clock = Pieces::default();
        let (mut a, mut b) = (self.x.clone(), self.x.clone());
        const PIECE: usize = 500;
        for _ in 0..updates / PIECE {
            clock.time(2 * PIECE, || -> Result<(), Error> {
                for _ in 0..PIECE {
                    self.update()?;
                    self.copies[0].spins[last].write(&mut a)?;
                    self.copies[1].spins[last].write(&mut b)?;
                    overlaps.push(overlap(&a, &b));
                    energies.push((self.copies[0].energy[last] + self.copies[1].energy[last]) / 2.0);
                }
                Ok(())
            })?;
        }
        let rates = self.swap_rates();
        let trips: u64 = self.copies.iter().map(|copy| copy.walkers.round_trips()).sum();
        let detail = json!({ "ladder": self.betas, "swap_rates": rates, "round_trips": trips, "sweeps": self.sweeps });
        let worst = rates.iter().copied().fold(1.0, f64::min);
        let name = format!("tempering, {} temperatures, {} sweeps", self.betas.len(), self.sweeps);
        Ok(Measured {
            name,
            overlap: overlaps,
            energy: energies,
            seconds: clock.quartile()?,
            acceptance: worst,
            detail,
        })
    }
}

/// Two chains of independent draws with acceptance test.
fn boundary(glass: &Glass, beta: f64, chi: usize, draws: usize, seed: u64) -> Result<Measured, Failure> {
    let ising = glass.ising(beta)?;
    let model = BoundaryMps::new(&ising, chi)?;
    let streams = Streams::new(seed).domain("spin glass draws");
    let mut rng = fast_rng(&mut streams.domain("accept").stream(0));
    let mut clock = Pieces::default();
    let mut chains: [Option<(f64, f64, Vec<u8>)>; 2] = [None, None];
    let (mut overlaps, mut energies, mut accepted) = (vec![], vec![], 0usize);
    const PIECE: usize = 1000;
    for piece in 0..draws / PIECE {
        clock.time(2 * PIECE, || -> Result<(), Error> {
            let new = model.draw(2 * PIECE, &streams.step(piece as u64))?;
            for (i, (x, log_q)) in new.x.outer_iter().zip(&new.log_prob).enumerate() {
                let x = x.to_slice().expect("rows of a contiguous array");
                let energy = glass.energy(x);
                let log_w = -beta * energy - log_q;
                let chain = &mut chains[i % 2];
                let p = chain.as_ref().map_or(1.0, |(old, ..)| Proposed::acceptance_probability(*old, log_w, 0.0));
                if rng.random::<f64>() < p {
                    accepted += 1;
                    *chain = Some((log_w, energy, x.to_vec()));
                }
                if let ([Some(a), Some(b)], 1) = (&chains, i % 2) {
                    overlaps.push(overlap(&a.2, &b.2));
                    energies.push((a.1 + b.1) / 2.0);
                }
            }
            Ok(())
        })?;
    }
    let acceptance = accepted as f64 / (2 * (draws / PIECE) * PIECE) as f64;
    let name = format!("boundary states, chi = {chi}");
    let detail = json!({ "chi": chi });
    Ok(Measured { name, overlap: overlaps, energy: energies, seconds: clock.quartile()?, acceptance, detail })
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    if o.chi.is_empty() || o.sweeps.contains(&0) || o.size < 2 || o.draws < 1000 || o.updates < 500 {
        return Err("needs a chi, sweeps and sizes of at least 1 and 2, 1000 draws and 500 updates".into());
    }
    let folder = o.out.open(o.json)?;
    let glass = Glass::new(Square::new(o.size, o.size, Geometry::Open)?, o.seed);
    let bar = progress::bar((o.chi.len() + o.rates.len() * (o.sweeps.len() + 1)) as u64);
    let mut draws = vec![];
    for &chi in &o.chi {
        draws.push(boundary(&glass, o.beta, chi, o.draws, o.seed)?);
        bar.inc(1);
    }
    let mut tempering = vec![];
    for &rate in &o.rates {
        let first: Vec<f64> = (0..16).map(|k| o.hot * (o.beta / o.hot).powf(f64::from(k) / 15.0)).collect();
        let tuned = TunedLadder::measure(&first, rate, 8, &mut |betas| {
            let mut ladder = Ladder::new(&glass, betas, 1, o.seed)?;
            ladder.warm_up(500)?;
            (0..1500).try_for_each(|_| ladder.update())?;
            Ok(ladder.swap_rates())
        })?;
        bar.inc(1);
        for &sweeps in &o.sweeps {
            tempering.push(Ladder::new(&glass, &tuned.ladder, sweeps, o.seed + 1)?.measure(o.updates)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    report(&o, &glass, &draws, &tempering, folder.as_ref())
}

/// The one with the most independent configurations by its slowest observable.
fn best(all: &[Measured]) -> Result<(&Measured, Times), Failure> {
    let mut best: Option<(&Measured, Times)> = None;
    for m in all {
        let times = m.times()?;
        let n = m.independent(times.slowest());
        if best.as_ref().is_none_or(|(b, t)| n > b.independent(t.slowest())) {
            best = Some((m, times));
        }
    }
    best.ok_or_else(|| "nothing was measured".into())
}

fn report(
    o: &Options,
    glass: &Glass,
    draws: &[Measured],
    tempering: &[Measured],
    folder: Option<&Folder>,
) -> Result<(), Failure> {
    let exact = FreeFermions::new(&glass.ising(o.beta)?)?.energy_per_site;
    let total = exact * (o.size * o.size) as f64;
    let ((tn, tn_times), (pt, pt_times)) = (best(draws)?, best(tempering)?);
    let mut rows = vec![];
    for m in draws.iter().chain(tempering) {
        let t = m.times()?;
        let mut row = vec![m.name.clone(), number(m.acceptance, 3), number(m.seconds * 1e6, 3)];
        row.extend([t.q, t.abs_q, t.energy].map(|tau| number(tau, 3)));
        row.extend([number(m.independent(t.slowest()), 3), number(m.deviation(total, t.energy), 2)]);
        rows.push(row);
    }
    let header =
        ["method", "acceptance", "µs an update", "τ of q", "τ of |q|", "τ of E", "independent/s", "(E − exact)/σ"];
    let ratio = |tn_tau: f64, pt_tau: f64| tn.independent(tn_tau) / pt.independent(pt_tau);
    let ratios = [
        ratio(tn_times.q, pt_times.q),
        ratio(tn_times.abs_q, pt_times.abs_q),
        ratio(tn_times.slowest(), pt_times.slowest()),
    ];
    let text = if o.json {
        let object = json!({
            "size": o.size, "beta": o.beta, "seed": o.seed, "energy_exact": exact,
            "ratio_overlap": ratios[0], "ratio_abs_overlap": ratios[1], "ratio_slowest": ratios[2],
            "ladder": pt.detail["ladder"], "swap_rates": pt.detail["swap_rates"],
            "round_trips": pt.detail["round_trips"], "sweeps": pt.detail["sweeps"], "chi": tn.detail["chi"],
            "acceptance_tn": tn.acceptance,
            "tau_overlap_pt": pt_times.q, "tau_overlap_tn": tn_times.q,
            "tau_slowest_pt": pt_times.slowest(), "tau_slowest_tn": tn_times.slowest(),
            "deviation_pt": pt.deviation(total, pt_times.energy), "deviation_tn": tn.deviation(total, tn_times.energy),
            "seconds_pt": pt.seconds, "seconds_tn": tn.seconds,
            "independent_per_second_pt": pt.independent(pt_times.slowest()),
            "independent_per_second_tn": tn.independent(tn_times.slowest()),
        });
        options::json(o, &object)?
    } else {
        let table = render(&header, &rows);
        let [q, abs_q, slowest] = ratios;
        let late = |m: &Measured| m.times().is_ok_and(|t| m.deviation(total, t.energy).abs() > 4.0);
        let note = if tempering.iter().any(late) {
            "An energy of tempering is more than four standard errors off: it is not in equilibrium, and the ratios are lower bounds.\n"
        } else {
            ""
        };
        format!(
            "{table}\nboundary states over tempering: {q:.0} by q, {abs_q:.0} by |q|, {slowest:.0} by the slowest\n{note}"
        )
    };
    let histogram = |m: &Measured, colour, label: &str| {
        const BINS: usize = 40;
        let mut counts = [0.0; BINS];
        m.overlap.iter().for_each(|q| counts[(((q + 1.0) / 2.0 * BINS as f64) as usize).min(BINS - 1)] += 1.0);
        let density = |(k, c): (usize, &f64)| {
            let middle = (k as f64 + 0.5) * 2.0 / BINS as f64 - 1.0;
            (middle, c * BINS as f64 / 2.0 / m.overlap.len() as f64, 0.0)
        };
        let values = counts.iter().enumerate().map(density).collect();
        Series { label: label.into(), colour, mark: Mark::Line, values }
    };
    let panel = Panel {
        x: PlotAxis { label: "overlap q", ..PlotAxis::default() },
        y: PlotAxis { label: "density", ..PlotAxis::default() },
        series: vec![histogram(tn, BLUE, "boundary states"), histogram(pt, ORANGE, "parallel tempering")],
        title: format!("±J, {0} × {0}, β = {1}", o.size, o.beta),
        height: 420,
        legend: SeriesLabelPosition::UpperRight,
    };
    finish(&text, folder, || Ok(vec![("overlap.svg", figure(820, &[panel])?)]))
}
