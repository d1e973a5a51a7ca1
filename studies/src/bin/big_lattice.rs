//! The critical Ising model on a large torus by windows: energy against the exact value, memory, seconds a
//! sweep beside Metropolis and Wolff.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin big_lattice  # 1024 × 1024, windows of 32 × 32, χ = 4
//! cargo run --release -p tensorjump-studies --bin big_lattice -- --size 256 --starts 16 --json
//! ```
//!
//! At the critical point the energy per site of an L × L torus is (Ferdinand, Fisher, Phys. Rev. 185, 832)
//!
//! ```text
//! E/N = −√2 − 2 θ₂θ₃θ₄/(θ₂+θ₃+θ₄) / L + O(1/L³) = −√2 − 0.62245/L,        θ_i(q = e^{−π}).
//! ```
//!
//! Windows of side `w` relax waves longer than `w` slowly, in `(L/w)²` sweeps and more; a configuration of
//! 1024² sites is equilibrated by Swendsen–Wang first (`--warm-up` sweeps from random spins), and windows
//! carry on. The error is that of independent starts.

use std::fs;
use std::process::ExitCode;

use ndarray::ArrayView1;
use plotters::style::RGBColor;
use serde_json::json;
use tensorjump::lattice::{
    Couplings, Geometry, Ising, SpinSweep, Spins, Square, SwendsenWang, Windows, Wolff, fast_rng,
};
use tensorjump::{Streams, Target};

use tensorjump_studies::output::finish;
use tensorjump_studies::raster::{Image, figure};
use tensorjump_studies::timing::Pieces;
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Windows on a large critical torus
    struct Options [seed, threads, json, out "out/big_lattice"] {
        /// Rows and columns
        size: usize = 1024,
        /// Rows and columns of a window
        window: usize = 32,
        /// Bond dimension
        chi: usize = 4,
        /// Independent starts
        starts: usize = 4,
        /// Sweeps of windows from each start
        sweeps: usize = 1,
        /// Swendsen–Wang sweeps before them
        warm_up: usize = 200,
    }
}

/// `2 θ₂θ₃θ₄/(θ₂+θ₃+θ₄)` at the nome `e^{−π}`.
fn finite_size_coefficient() -> f64 {
    let q = (-std::f64::consts::PI).exp();
    let sum = |sign: f64| 1.0 + 2.0 * (1..6).map(|n| f64::powi(sign, n) * q.powi(n * n)).sum::<f64>();
    let (two, three, four) =
        (2.0 * (0..6).map(|n| q.powf((f64::from(n) + 0.5).powi(2))).sum::<f64>(), sum(1.0), sum(-1.0));
    2.0 * two * three * four / (two + three + four)
}

/// Largest memory that the process has had, in bytes, where the system tells.
fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(1024.0 * line.split_whitespace().nth(1)?.parse::<f64>().ok()?)
}

/// Mean and standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (square / (n * (n - 1.0))).sqrt())
}

/// Shares of up spins in blocks, as an image.
fn picture(lattice: Square, x: &[u8]) -> Result<String, Failure> {
    let blocks = lattice.cols().min(256);
    let side = lattice.cols() / blocks;
    let grey = |r: usize, c: usize| {
        let sites = (0..side * side).map(|i| lattice.site(r * side + i / side, c * side + i % side));
        let up: usize = sites.map(|j| usize::from(x[j])).sum();
        let tone = |from: f64, to: f64| (from + (to - from) * up as f64 / (side * side) as f64).round() as u8;
        // Few tones, so that neighbours often join.
        let coarse = |v: u8| v / 32 * 32;
        RGBColor(coarse(tone(250.0, 31.0)), coarse(tone(250.0, 111.0)), coarse(tone(245.0, 180.0)))
    };
    let cells = (0..blocks).map(|r| (0..blocks).map(|c| grey(r, c)).collect()).collect();
    let title = format!("{0} × {0} at the critical point", lattice.cols());
    let image = Image { title: &title, cells, x_label: "column", x_ticks: vec![], key: vec![] };
    figure((900, 960), "row", &[], &[image])
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    if o.starts < 2 || o.sweeps == 0 {
        return Err("needs at least two starts and one sweep".into());
    }
    let folder = o.out.open(o.json)?;
    let beta = 0.5 * (1.0 + 2f64.sqrt()).ln();
    let lattice = Square::new(o.size, o.size, Geometry::Torus)?;
    let ising = Ising::new(Couplings::uniform(lattice, 1.0)?, beta)?;
    let windows = Windows::new(&ising, o.window, o.window, o.chi)?;
    let clusters = SwendsenWang::new(&ising)?;
    let sites = lattice.sites() as f64;
    let energy = |x: &[u8]| -> Result<f64, Failure> {
        Ok(ising.energy(ArrayView1::from(x).insert_axis(ndarray::Axis(0)))?[0] / sites)
    };
    let bar = progress::bar((o.starts * (o.sweeps + 1)) as u64);
    let streams = Streams::new(o.seed).domain("big lattice");
    let (mut clock, mut cluster_clock) = (Pieces::default(), Pieces::default());
    let (mut energies, mut starts, mut m2) = (vec![], vec![], vec![]);
    let (mut proposed, mut accepted) = (0, 0);
    let mut x = vec![];
    for start in 0..o.starts {
        let mut stream = streams.stream(start);
        x = ising.initial(&mut stream).ok_or("no start")?.to_vec();
        let mut rng = fast_rng(&mut stream);
        for _ in 0..o.warm_up {
            cluster_clock.time_thread(1, || clusters.sweep(&mut x, &mut rng))?;
        }
        bar.inc(1);
        starts.push(energy(&x)?);
        let mut sum = 0.0;
        for sweep in 0..o.sweeps {
            let streams = streams.domain("windows").step(start as u64).step(sweep as u64);
            let (p, a) = clock.time(1, || windows.sweep(&mut x, &streams))?;
            proposed += p;
            accepted += a;
            sum += energy(&x)?;
            bar.inc(1);
        }
        energies.push(sum / o.sweeps as f64);
        let up: f64 = x.iter().map(|&a| f64::from(a)).sum();
        m2.push((2.0 * up / sites - 1.0).powi(2));
    }
    bar.finish_and_clear();
    let memory = peak_memory();
    let seconds_sw = if o.warm_up > 0 { cluster_clock.quartile()? } else { f64::NAN };
    let (metropolis, wolff) = local_speed(&ising, &x, o.seed)?;
    let ((found, error), (m2, m2_error)) = (mean(&energies), mean(&m2));
    let correction = -finite_size_coefficient() / o.size as f64;
    let exact = -2f64.sqrt() + correction;
    let z = (found - exact) / error;
    let seconds = clock.quartile()?;
    let acceptance = accepted as f64 / proposed as f64;
    let text = if o.json {
        let object = json!({
            "size": o.size, "window": o.window, "chi": o.chi, "starts": o.starts, "sweeps": o.sweeps, "warm_up": o.warm_up,
            "energy_per_site": found, "energy_error": error, "energy_exact": exact, "finite_size_term": correction, "z": z,
            "energy_of_starts": mean(&starts).0, "m2": m2, "m2_error": m2_error, "acceptance": acceptance,
            "peak_memory_bytes": memory, "seconds_per_sweep_windows": seconds, "seconds_per_sweep_swendsen_wang": seconds_sw,
            "seconds_per_sweep_metropolis": metropolis, "seconds_per_sweep_wolff": wolff,
        });
        options::json(&o, &object)?
    } else {
        format!(
            "{0} × {0} torus at β_c, windows of {1} × {1}, χ = {2}: acceptance {acceptance:.4}\n\
             energy per site {found:.6} ± {error:.6}, exact −√2 {correction:+.6} = {exact:.6}: {z:+.1} σ\n\
             m² {m2:.3} ± {m2_error:.3}\n\
             peak memory {3:.0} MiB\n\
             CPU seconds a sweep: windows {seconds:.3}, Swendsen–Wang {seconds_sw:.4}, Metropolis {metropolis:.5}, Wolff (N flips) {wolff:.4}\n",
            o.size,
            o.window,
            o.chi,
            memory.unwrap_or(f64::NAN) / f64::from(1 << 20)
        )
    };
    finish(&text, folder.as_ref(), || Ok(vec![("configuration.svg", picture(lattice, &x)?)]))
}

/// CPU seconds of a Metropolis sweep, and of Wolff clusters that flip as many spins as there are, from an
/// equilibrated configuration.
fn local_speed(ising: &Ising, x: &[u8], seed: u64) -> Result<(f64, f64), Failure> {
    let lattice = ising.lattice();
    let (sweep, wolff) = (SpinSweep::metropolis(ising)?, Wolff::new(ising)?);
    let mut rng = fast_rng(&mut Streams::new(seed).domain("speed").stream(0));
    let mut spins = Spins::new(lattice, x)?;
    let (mut local, mut clusters) = (Pieces::default(), Pieces::default());
    for _ in 0..10 {
        local.time_thread(10, || sweep.sweeps(&mut spins, 10, &mut rng))?;
    }
    let mut flipped = 0;
    // One piece: clusters differ in size by orders of magnitude.
    clusters.time_thread(1, || -> tensorjump::Result<()> {
        while flipped < 10 * lattice.sites() {
            flipped += wolff.cluster(&mut spins, &mut rng)?;
        }
        Ok(())
    })?;
    Ok((local.quartile()?, clusters.quartile()? * lattice.sites() as f64 / flipped as f64))
}
