//! Every move, dynamics and combinator against exact draws at sizes where enumeration stops (Gandy, Scott,
//! arXiv 2001.06465), and the power of the test on seven planted faults.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin rank_tests
//! cargo run --release -p tensorjump-studies --bin rank_tests -- --small --repetitions 20 --json
//! ```
//!
//! **Starts.** Fredkin chains are drawn from their exact matrix-product law. Lattices are drawn from boundary
//! states `q` and accepted with probability `w/M`, `w = π/q`, `M` 1.05 times the largest weight of 4096 trial
//! draws: exact where no weight is above `M`. Those that are, are counted ("above"); the total variation of the
//! proposals themselves, `½ E|w/w̄ − 1|`, is told beside.
//!
//! Cubic lattices of two layers are drawn as square lattices of four states.
//!
//! **Learning.** Walkers that propose what they learned from others keep the law; those that learn from their own
//! present state do not, and are one of the faults.
//!
//! **False alarms.** All tests together fail with probability at most `--false-alarm` where every move is right;
//! each has an equal share. Reversible moves are tested by ranks, others by two samples.
//!
//! **Power.** Each fault is planted in a move on a 4 × 4 lattice, `--repetitions` times with other seeds, and
//! each of the repetitions tested at the same share.

mod cases;
mod faults;
mod layers;
#[path = "../../../../tests/common/faults.rs"]
mod planted;
mod walkers;

use std::time::Instant;

use serde::Serialize;
use serde_json::json;
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Rank tests of all moves from exact draws, and their power
    struct Options [seed, threads, json] {
        /// Exact draws of the first round of each test, at least 458
        draws: usize = 600,
        /// Rounds at most, each of four times the draws of the one before
        rounds: usize = 4,
        /// Probability of a false alarm in all tests together
        false_alarm: f64 = 1e-3,
        /// Repetitions of each planted fault
        repetitions: usize = 300,
        /// Small lattices, a matter of seconds
        small: bool,
        /// Only tests whose name has this in it
        only: Option<String>,
    }
}

/// A test of a move.
#[derive(Serialize)]
struct Row {
    target: &'static str,
    name: &'static str,
    reversible: bool,
    passed: bool,
    p_value: f64,
    distance: f64,
    draws: usize,
    /// Exact starts: total variation of the proposals, and draws above the bound of the rejection.
    total_variation: f64,
    above: usize,
    seconds: f64,
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    options::positive("repetitions", o.repetitions)?;
    let wanted = o.only.clone().unwrap_or_default();
    let cases = cases::all(o.small)?;
    let tests: usize = cases.iter().map(|case| case.moves.len()).sum();
    let share = o.false_alarm / tests as f64;
    let test = |seed: u64| tensorjump::mcmc::RankTest {
        draws: o.draws,
        length: 8,
        rounds: o.rounds,
        false_alarm: share,
        seed,
    };
    let bar = progress::bar((tests + faults::NAMES.len()) as u64);
    let mut rows = Vec::new();
    for (k, case) in cases.iter().enumerate() {
        for (j, (name, reversible, dynamics)) in case.moves.iter().enumerate() {
            bar.inc(1);
            if !format!("{} {name}", case.name).contains(&wanted) {
                continue;
            }
            let clock = Instant::now();
            let test = test(o.seed.wrapping_add(1000 * k as u64 + j as u64));
            let before = case.starts.above();
            let exact = |n: usize, streams: &tensorjump::Streams| case.starts.draw(n, streams);
            let verdict = if *reversible {
                test.reversible(&*case.target, &**dynamics, exact, &case.observe)
            } else {
                test.invariant(&*case.target, &**dynamics, exact, &case.observe)
            };
            let verdict = verdict.map_err(|error| format!("{} {name}: {error}", case.name))?;
            rows.push(Row {
                target: case.name,
                name,
                reversible: *reversible,
                passed: verdict.passed,
                p_value: verdict.p_value,
                distance: verdict.distance,
                draws: verdict.draws,
                total_variation: case.starts.total_variation,
                above: case.starts.above() - before,
                seconds: clock.elapsed().as_secs_f64(),
            });
        }
    }
    let mut power = Vec::new();
    for name in faults::NAMES {
        bar.inc(1);
        if name.contains(&wanted) {
            power.push(faults::power(name, o.repetitions, &test)?);
        }
    }
    bar.finish_and_clear();
    let header = ["target", "move", "test", "passed", "p ≤", "distance", "draws", "TV of starts", "above", "s"];
    let cells = |r: &Row| {
        vec![
            r.target.to_owned(),
            r.name.to_owned(),
            if r.reversible { "ranks" } else { "two samples" }.into(),
            if r.passed { "yes" } else { "NO" }.into(),
            number(r.p_value, 2),
            number(r.distance, 2),
            r.draws.to_string(),
            number(r.total_variation, 2),
            r.above.to_string(),
            number(r.seconds, 2),
        ]
    };
    let of_power = |p: &faults::Power| {
        vec![
            p.fault.to_owned(),
            p.repetitions.to_string(),
            p.found.to_string(),
            number(p.lower_bound, 4),
            p.false_alarms.map_or("–".into(), |n| n.to_string()),
        ]
    };
    print(&if o.json {
        options::json(&o, &json!({ "tests": rows, "power": power, "false_alarm_each": share }))?
    } else {
        render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
            + "\n"
            + &render(
                &["planted fault", "repetitions", "found", "power ≥ (95 %)", "false alarms beside it"],
                &power.iter().map(of_power).collect::<Vec<_>>(),
            )
            + &format!("\n{tests} tests, a false alarm in any of them with probability at most {}\n", o.false_alarm)
    })?;
    if let Some(row) = rows.iter().find(|row| !row.passed) {
        return Err(format!("{} {} fails: p ≤ {:.1e}", row.target, row.name, row.p_value).into());
    }
    match power.iter().find(|p| 100 * p.found < 99 * p.repetitions || p.false_alarms.is_some_and(|n| n > 0)) {
        None => Ok(()),
        Some(p) => {
            let alarms = p.false_alarms.unwrap_or(0);
            Err(format!("{}: {} of {} found, {alarms} false alarms", p.fault, p.found, p.repetitions).into())
        }
    }
}
