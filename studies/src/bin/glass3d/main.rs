//! Spin glasses in three dimensions: tempering in lanes with heat bath or exact rods, with isoenergetic
//! clusters or without, on one or many instances; ±J also with 512 replicas in bits (`--moves multispin`),
//! of which times and round trips are given a pair.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin glass3d                            # ±J 8³, T = 0.6 to 2
//! cargo run --release -p tensorjump-studies --bin glass3d -- --gaussian --moves 2x2 --clusters 1.1
//! cargo run --release -p tensorjump-studies --bin glass3d -- --speed --size 16       # ns a spin
//! cargo run --release -p tensorjump-studies --bin glass3d -- --quench --size 16 --cold 0.5 --moves 3x2+16heat
//! cargo run --release -p tensorjump-studies --bin glass3d -- --check                 # 4³ against transfer matrices
//! cargo run --release -p tensorjump-studies --bin glass3d -- --instances 64 --both --updates 32768 \
//!     --moves heat,2x2@8192,3x2@8192                                                 # the table of moves
//! ```
//!
//! A table of moves shows the instances of the top decile of τ apart, those that the first move finds hard.
//!
//! For Gaussian couplings the energy a bond and `(1 − link overlap)/T` approach each other from two sides and
//! meet in equilibrium (Katzgraber, Palassini, Young, Phys. Rev. B 63, 184422): their means over the
//! instances are printed by time, in powers of two.

mod check;
mod multispin;
mod quench;
mod speed;
mod temper;

use serde_json::{Value, json};
use tensorjump::lattice::{CubicCouplings, CubicTempering};
use tensorjump::mcmc::TunedLadder;
use tensorjump_studies::output::{finish, print};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Spin glasses in three dimensions
    struct Options [seed, threads, json, out "out/glass3d"] {
        /// Sites along each side of the periodic cube
        size: usize = 8,
        /// Gaussian couplings instead of ±J
        gaussian: bool,
        /// Instances, of the seeds from `seed` on
        instances: usize = 4,
        /// Coldest temperature
        cold: f64 = 0.6,
        /// Hottest temperature
        hot: f64 = 2.0,
        /// Levels of the ladder, in geometric progression
        levels: usize = 16,
        /// Tune the ladder to this least swap rate on the first instance; 0 leaves it as it is
        rate: f64 = 0.0,
        /// Copies of the ladder, pairs of which give overlaps
        copies: usize = 2,
        /// Updates that are recorded, after as many as warm-up
        updates: usize = 4096,
        /// Moves: heat, metropolis, multispin (512 replicas in bits), or the cross-section of rods, as 2x2; some
        /// of them are compared. 2x2@1000 records 1000 updates instead; in a quench 2x2+8heat is a sweep of each,
        /// the second eight times
        moves: Vec<String> = vec!["heat".into()],
        /// Sweeps in each update
        sweeps: usize = 1,
        /// Isoenergetic clusters up to this temperature; 0 for none
        clusters: f64 = 1.1,
        /// Every move with clusters and without
        both: bool,
        /// Bond energies of the 4³ ferromagnet by every move, to 2e-4, against transfer matrices instead
        check: bool,
        /// Time a quench at the coldest temperature instead
        quench: bool,
        /// Time the moves at the coldest temperature instead, one thread
        speed: bool,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    if !(o.cold > 0.0 && o.hot > o.cold) || o.levels < 2 || o.copies < 2 || o.instances == 0 || o.updates < 64 {
        return Err("needs 0 < cold < hot, two levels and copies, an instance and 64 updates at least".into());
    }
    if o.check {
        let bar = progress::bar(check::count());
        let (text, value) = check::table(o.seed, &bar)?;
        bar.finish_and_clear();
        return print(&if o.json { options::json(&o, &value)? } else { text });
    }
    if o.speed {
        return speeds(&o);
    }
    if o.quench {
        let moves =
            if o.moves.len() > 1 { o.moves.clone() } else { ["heat", "2x2", "3x2", "4x2"].map(String::from).into() };
        let bar = progress::bar((moves.len() * o.instances) as u64);
        let (text, value) = quench::table(&moves, (o.size, 1.0 / o.cold), o.instances as u64, o.seed, &bar)?;
        bar.finish_and_clear();
        return print(&if o.json { options::json(&o, &value)? } else { text });
    }
    options::set_threads(o.threads)?;
    let folder = o.out.open(o.json)?;
    let ladder = ladder(&o)?;
    let variants = temper::variants(&o)?;
    let updates: usize = variants.iter().map(|v| v.updates).sum();
    let bar = progress::bar((o.instances * updates * 2) as u64);
    let results = temper::all(&o, &variants, &ladder, &bar)?;
    bar.finish_and_clear();
    let hard = temper::hard(&results);
    let text = if o.json {
        let of_moves: Vec<Value> = results.iter().map(|r| r.json(&hard)).collect();
        options::json(&o, &json!({ "ladder": ladder, "hard": hard, "moves": of_moves }))?
    } else {
        temper::text(&o, &ladder, &results)
    };
    finish(&text, folder.as_ref(), || Ok(vec![("overlap.svg", temper::picture(&o, &results)?)]))
}

fn couplings(o: &Options, instance: usize) -> Result<CubicCouplings, Failure> {
    let (lattice, seed) = (speed::cube(o.size)?, o.seed + instance as u64);
    Ok(if o.gaussian { CubicCouplings::gaussian(lattice, seed) } else { CubicCouplings::plus_minus(lattice, seed) })
}

/// β of the levels, the hottest first.
fn ladder(o: &Options) -> Result<Vec<f64>, Failure> {
    let steps = (o.levels - 1) as f64;
    let ladder: Vec<f64> = (0..o.levels).map(|k| (o.hot / o.cold).powf(k as f64 / steps) / o.hot).collect();
    if o.rate == 0.0 {
        return Ok(ladder);
    }
    let couplings = couplings(o, 0)?;
    let measure = &mut |betas: &[f64]| {
        let mut tempering = CubicTempering::new(couplings.clone(), betas, o.copies, o.seed)?;
        tempering.advance(500)?;
        tempering.reset_counts();
        tempering.advance(500)?;
        Ok(tempering.swap_rates())
    };
    Ok(TunedLadder::measure(&ladder, o.rate, 6, measure)?.ladder)
}

fn speeds(o: &Options) -> Result<(), Failure> {
    let couplings = couplings(o, 0)?;
    let (mut rows, mut values) = (vec![], vec![]);
    for name in speed::MOVES {
        let (ns, acceptance) = speed::of(&couplings, 1.0 / o.cold, speed::of_name(name)?, o.seed)?;
        rows.push(vec![name.to_owned(), number(ns, 3), number(acceptance, 6)]);
        values.push(json!({ "move": name, "ns": ns, "acceptance": acceptance }));
    }
    if !o.gaussian {
        let ns = speed::of_bits(&couplings, 1.0 / o.cold, o.seed)?;
        rows.push(vec!["multispin".into(), number(ns, 3), "–".into()]);
        values.push(json!({ "move": "multispin", "ns": ns }));
    }
    let megabytes = speed::peak_memory().unwrap_or(f64::NAN) / 1e6;
    let text = if o.json {
        options::json(o, &json!({ "moves": values, "megabytes": megabytes }))?
    } else {
        let memory = format!("\nlargest memory of the process {megabytes:.0} MB\n");
        render(&["move", "ns a spin", "acceptance"], &rows) + &memory
    };
    print(&text)
}
