//! Nanoseconds a spin of each move, one thread.

use tensorjump::lattice::{Cubic, CubicBits, CubicCouplings, CubicIsing, CubicLanes, CubicMove};
use tensorjump::mcmc::Chains;
use tensorjump::{Error, Streams};

use tensorjump_studies::Failure;
use tensorjump_studies::timing::Pieces;

/// Pieces of work that are timed.
const PIECES: usize = 15;

/// Names of the moves tried.
pub const MOVES: [&str; 9] = ["heat bath", "Metropolis", "1x1", "2x1", "2x2", "3x2", "4x2", "3x3", "4x3"];

/// A move by its name: `heat bath`, `Metropolis`, or a cross-section `a x b`.
pub fn of_name(name: &str) -> Result<CubicMove, Failure> {
    match name {
        "heat bath" | "heat" => Ok(CubicMove::heat_bath()),
        "Metropolis" | "metropolis" => Ok(CubicMove::metropolis()),
        section => {
            let (a, b) = section.split_once('x').ok_or_else(|| format!("no move {name}: heat, metropolis or 2x2"))?;
            Ok(CubicMove::rods(a.parse()?, b.parse()?)?)
        }
    }
}

/// Nanoseconds a spin of a move on 16 replicas of an instance at β, and its acceptance.
pub fn of(couplings: &CubicCouplings, beta: f64, by: CubicMove, seed: u64) -> Result<(f64, f64), Failure> {
    let ising = CubicIsing::new(couplings.clone(), beta)?;
    let chains = Chains::initial(&ising, 16, seed)?;
    let mut lanes = CubicLanes::new(std::slice::from_ref(&ising), chains.x())?;
    let sites = ising.lattice().sites();
    let mut stream = Streams::new(seed).domain("speed").stream(0);
    lanes.advance(CubicMove::heat_bath(), 10, &mut stream)?;
    let sweeps = (2_000_000 / (16 * sites)).clamp(1, 1000);
    let mut pieces = Pieces::default();
    let (mut proposed, mut accepted) = (0, 0);
    for _ in 0..PIECES {
        // Of an open lattice a sweep visits all sites; of a periodic one a rod leaves out one in its length.
        let report: Result<_, Error> =
            pieces.time_thread(16 * sites * sweeps, || lanes.advance(by, sweeps, &mut stream));
        let report = report?;
        (proposed, accepted) = (proposed + report.proposed, accepted + report.accepted);
    }
    Ok((pieces.quartile()? * 1e9, accepted as f64 / proposed as f64))
}

/// Nanoseconds a spin of Metropolis on 512 replicas in bits, couplings of one absolute value.
pub fn of_bits(couplings: &CubicCouplings, beta: f64, seed: u64) -> Result<f64, Failure> {
    let spins = 512 * couplings.lattice().sites();
    let mut bits = CubicBits::new(couplings.clone(), &[beta], 512, seed)?;
    bits.advance(20)?;
    let updates = (30_000_000 / spins).clamp(1, 1000);
    let mut pieces = Pieces::default();
    for _ in 0..PIECES {
        // One thread: a level is not cut.
        let moved: Result<(), Error> = pieces.time_thread(spins * updates, || bits.advance(updates));
        moved?;
    }
    Ok(pieces.quartile()? * 1e9)
}

/// Largest memory that the process has had, in bytes, where the system tells.
pub fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(1024.0 * line.split_whitespace().nth(1)?.parse::<f64>().ok()?)
}

/// A periodic cube.
pub fn cube(size: usize) -> Result<Cubic, Error> {
    Cubic::new([size; 3], [true; 3])
}
