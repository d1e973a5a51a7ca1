//! A quench from random spins: energy by sweep and by CPU time.

use serde_json::{Value, json};
use tensorjump::lattice::{CubicCouplings, CubicIsing, CubicLanes, CubicMove};
use tensorjump::mcmc::Chains;
use tensorjump::{Error, Streams};

use tensorjump_studies::Failure;
use tensorjump_studies::progress::ProgressBar;
use tensorjump_studies::table::{number, render};

use super::speed::{cube, of_name};

/// Sweeps of heat bath whose energy the others are to reach.
const REFERENCE: usize = 1024;

/// Energy a spin after 1, 2, 4, … sweeps, and the CPU seconds of one replica.
struct Curve {
    name: String,
    points: Vec<(usize, f64, f64)>,
}

/// The moves of a sweep and how often each is made: `3x2+16heat`.
fn cycle(name: &str) -> Result<Vec<(CubicMove, usize)>, Failure> {
    let of_part = |part: &str| {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // The number before an x belongs to a cross-section.
        let (count, name) = if part[digits..].starts_with('x') { ("", part) } else { part.split_at(digits) };
        Ok((of_name(name)?, if count.is_empty() { 1 } else { count.parse()? }))
    };
    name.split('+').map(of_part).collect()
}

/// ±J instances of `size³` spins, 16 replicas each, at β.
fn curve(name: &str, size: usize, beta: f64, instances: u64, seed: u64, bar: &ProgressBar) -> Result<Curve, Failure> {
    let cycle = cycle(name)?;
    let times = (0..=REFERENCE.ilog2()).map(|k| 1usize << k);
    let mut points: Vec<_> = times.map(|t| (t, 0.0, 0.0)).collect();
    for instance in 0..instances {
        let lattice = cube(size)?;
        let ising = CubicIsing::new(CubicCouplings::plus_minus(lattice, seed + instance), beta)?;
        let chains = Chains::initial(&ising, 16, seed + instance)?;
        let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), chains.x())?;
        let mut stream = Streams::new(seed + instance).domain("quench").stream(0);
        let (mut done, mut seconds) = (0, 0.0);
        for (sweeps, energy, at) in &mut points {
            let clock = cpu_time::ThreadTime::now();
            // A move alone makes its sweeps at once: each call draws a seed for the lanes.
            let (rounds, each) = if cycle.len() == 1 { (1, *sweeps - done) } else { (*sweeps - done, 1) };
            for _ in 0..rounds {
                for &(by, count) in &cycle {
                    let moved: Result<_, Error> = lanes.advance(by, count * each, &mut stream);
                    moved?;
                }
            }
            seconds += clock.elapsed().as_secs_f64();
            done = *sweeps;
            *energy += lanes.energy().sum() / (16 * lattice.sites()) as f64 / instances as f64;
            *at += seconds / 16.0 / instances as f64;
        }
        bar.inc(1);
    }
    Ok(Curve { name: name.into(), points })
}

impl Curve {
    /// Sweeps and CPU seconds at which an energy is reached, by a straight line in the logarithms.
    fn reaches(&self, energy: f64) -> Option<(f64, f64)> {
        let pair = self.points.windows(2).find(|p| p[0].1 > energy && p[1].1 <= energy)?;
        let part = (pair[0].1 - energy) / (pair[0].1 - pair[1].1);
        let between = |a: f64, b: f64| (a.ln() + part * (b.ln() - a.ln())).exp();
        Some((between(pair[0].0 as f64, pair[1].0 as f64), between(pair[0].2, pair[1].2)))
    }
}

/// A table of all moves, the first of them the reference.
pub fn table(
    moves: &[String],
    (size, beta): (usize, f64),
    instances: u64,
    seed: u64,
    bar: &ProgressBar,
) -> Result<(String, Value), Failure> {
    let curves: Vec<Curve> =
        moves.iter().map(|name| curve(name, size, beta, instances, seed, bar)).collect::<Result<_, _>>()?;
    let reference = curves.first().and_then(|c| c.points.last()).ok_or("no moves")?;
    let (mut rows, mut values) = (vec![], vec![]);
    for curve in &curves {
        let last = curve.points.last().ok_or("no sweeps")?;
        let reached = if std::ptr::eq(curve, &curves[0]) {
            Some((reference.0 as f64, reference.2))
        } else {
            curve.reaches(reference.1)
        };
        let (sweeps, seconds) = reached.unwrap_or((f64::NAN, f64::NAN));
        let cells = [sweeps, 1e3 * seconds, reference.0 as f64 / sweeps, reference.2 / seconds, last.1];
        let digits = [3, 3, 3, 3, 5];
        let mut row = vec![curve.name.clone()];
        row.extend(cells.iter().zip(digits).map(|(&cell, digits)| number(cell, digits)));
        rows.push(row);
        values.push(json!({
            "move": curve.name, "sweeps": sweeps, "milliseconds": 1e3 * seconds,
            "gain_in_sweeps": cells[2], "gain_in_cpu": cells[3], "curve": curve.points,
        }));
    }
    let header = ["move", "sweeps", "ms a replica", "× in sweeps", "× in CPU", "energy at 1024"];
    let title =
        format!("quench of ±J {size}³ at β = {beta} to the energy {:.4} of heat bath at sweep 1024\n\n", reference.1);
    Ok((title + &render(&header, &rows), json!({ "energy": reference.1, "moves": values })))
}
