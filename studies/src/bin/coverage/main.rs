//! How often stated errors cover the exact value: thousands of independent short runs of each kind.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin coverage
//! cargo run --release -p tensorjump-studies --bin coverage -- --runs 2000 --only jackknife --json
//! ```
//!
//! The model is the open 4 × 4 Ising lattice at β = 0.44, its averages by enumeration. Runs begin at exact
//! draws. A normal error covers in 68.3 % (one error) and 95.0 % (1.96 errors) of the runs, give or take the
//! binomial error; means of chains also state intervals (`SeriesMean::half_width`). Runs that say that their
//! error is a lower bound are counted apart.

mod runs;

use std::time::Instant;

use runs::CONFIDENCE;
use serde::Serialize;
use serde_json::json;
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

options! {
    /// How often stated errors cover exact values
    struct Options [seed, threads, json] {
        /// Independent runs of each kind
        runs: usize = 2000,
        /// Records of a run are at most so many
        max_records: usize = 20_000,
        /// Only kinds whose name has this in it
        only: Option<String>,
    }
}

/// Errors of one kind.
#[derive(Serialize)]
struct Row {
    quantity: &'static str,
    run: String,
    runs: usize,
    /// Length of a run in autocorrelation times of the quantity; none for independent draws.
    times: Option<f64>,
    /// Share of the runs that say "lower bound".
    lower_bound: f64,
    /// Share covered by 1 and by 1.96 errors: of all runs, and of those that say nothing.
    covered: [f64; 2],
    covered_else: Option<[f64; 2]>,
    /// Share covered by the intervals of 68.3 % and of 95 %: of the runs that say nothing.
    intervals_else: Option<[f64; 2]>,
    /// Share of all runs that say nothing and are outside the interval of 95 %.
    silently_off: f64,
    /// Mean of the stated errors over the spread of the estimates, and the bias over that spread.
    error_over_spread: f64,
    bias_over_spread: f64,
    seconds: f64,
}

impl Row {
    fn new(kind: runs::Kind, seconds: f64) -> Row {
        let found = &kind.found;
        let n = found.len() as f64;
        let inside = |one: &runs::Found, half_width: f64| (one.value - kind.exact).abs() <= half_width;
        let share = |all: &mut dyn Iterator<Item = &runs::Found>, widths: fn(&runs::Found) -> [f64; 2]| {
            let (mut count, mut within) = (0.0, [0.0; 2]);
            for one in all {
                count += 1.0;
                for (within, half_width) in within.iter_mut().zip(widths(one)) {
                    *within += f64::from(u8::from(inside(one, half_width)));
                }
            }
            (count > 0.0).then(|| within.map(|w| w / count))
        };
        let silent = || found.iter().filter(|f| !f.lower_bound);
        let of_errors = |f: &runs::Found| runs::NORMAL.map(|z| z * f.error);
        let mean = found.iter().map(|f| f.value).sum::<f64>() / n;
        let spread = (found.iter().map(|f| (f.value - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        Row {
            quantity: kind.quantity,
            run: kind.run,
            runs: found.len(),
            times: kind.times,
            lower_bound: found.iter().filter(|f| f.lower_bound).count() as f64 / n,
            covered: share(&mut found.iter(), of_errors).unwrap_or([f64::NAN; 2]),
            silently_off: silent().filter(|f| !inside(f, f.half_widths[1])).count() as f64 / n,
            covered_else: share(&mut silent(), of_errors),
            intervals_else: share(&mut silent(), |f| f.half_widths),
            error_over_spread: found.iter().map(|f| f.error).sum::<f64>() / n / spread,
            bias_over_spread: (mean - kind.exact) / spread,
            seconds,
        }
    }

    /// Whether twice as many runs as claimed are off without a word, give or take four binomial errors. (The
    /// library states no errors of autocorrelation times.)
    fn misses(&self) -> bool {
        let limit = 2.0 * (1.0 - CONFIDENCE[1]);
        self.quantity != "τ" && self.silently_off > limit + 4.0 * (limit * (1.0 - limit) / self.runs as f64).sqrt()
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    if o.runs < 2 {
        return Err(format!("--runs {}: at least two", o.runs).into());
    }
    let wanted = o.only.clone().unwrap_or_default();
    let jobs: Vec<runs::Job> = runs::jobs().into_iter().filter(|job| job.name.contains(&wanted)).collect();
    let bar = progress::bar(jobs.len() as u64);
    let mut rows = Vec::new();
    for job in &jobs {
        let clock = Instant::now();
        let kinds = (job.work)(&runs::Plan { runs: o.runs, max_records: o.max_records, seed: o.seed })?;
        let seconds = clock.elapsed().as_secs_f64() / kinds.len().max(1) as f64;
        rows.extend(kinds.into_iter().map(|kind| Row::new(kind, seconds)));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let header = [
        "quantity",
        "run",
        "length / τ",
        "lower bound",
        "68.3 %",
        "95.0 %",
        "else 68.3 %",
        "else 95.0 %",
        "interval 68.3 %",
        "interval 95.0 %",
        "silently off",
        "error / spread",
        "bias / spread",
    ];
    let percent = |p: f64| format!("{:.1}", 100.0 * p);
    let cells = |r: &Row| {
        let cell = |covered: Option<[f64; 2]>, k: usize| covered.map_or("–".into(), |c| percent(c[k]));
        vec![
            r.quantity.to_owned(),
            r.run.clone(),
            r.times.map_or("–".into(), |times| number(times, 2)),
            percent(r.lower_bound) + " %",
            percent(r.covered[0]),
            percent(r.covered[1]),
            cell(r.covered_else, 0),
            cell(r.covered_else, 1),
            cell(r.intervals_else, 0),
            cell(r.intervals_else, 1),
            percent(r.silently_off),
            format!("{:.2}", r.error_over_spread),
            format!("{:+.2}", r.bias_over_spread),
        ]
    };
    let binomial = CONFIDENCE.map(|p| 100.0 * (p * (1.0 - p) / o.runs as f64).sqrt());
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows }))?
    } else {
        render(&header, &rows.iter().map(cells).collect::<Vec<_>>())
            + &format!(
                "\n{} runs a row: binomial errors {:.1} and {:.1} points; else, interval: of the runs that do not say \"lower \
                 bound\";\nsilently off: of all runs those that do not say it and are outside the interval of 95 %\n",
                o.runs, binomial[0], binomial[1]
            )
    })?;
    match rows.iter().find(|row| row.misses()) {
        None => Ok(()),
        Some(row) => Err(format!("{}, {}: errors are too small", row.quantity, row.run).into()),
    }
}
