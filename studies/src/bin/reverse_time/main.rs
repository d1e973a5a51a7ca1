//! Discrete diffusion run backwards: every reverse sampler and denoiser against the exact law, by
//! enumeration.
//!
//! ```text
//! # table and pictures: Fredkin chain, Ising ring, a d = 3 model
//! cargo run --release -p tensorjump-studies --bin reverse_time
//! cargo run --release -p tensorjump-studies --bin reverse_time -- --json  # one JSON object on stdout
//! # cost of all rates against a tilted draw, N = 64, χ = 16
//! cargo run --release -p tensorjump-studies --bin reverse_time -- --ratio
//! # orders of convergence at equal evaluations, unmasking in few steps
//! cargo run --release -p tensorjump-studies --bin reverse_time -- --order
//! ```
//!
//! Leaps (Euler, τ-leaping, analytical, predictor–corrector) are applied as matrices to the law of the start:
//! their distances to `P_0` have no statistical error; so are the Glauber process and leaps with scores
//! learned from samples. Samplers that jump exactly are drawn from; the distance that exact draws would have
//! is printed beside theirs.

mod learners;
mod measure;
mod order;
mod pictures;
mod ratio;
mod systems;

use std::process::ExitCode;

use serde_json::json;

use measure::{Plan, Row};
use tensorjump_studies::output::{finish, print};
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

options! {
    /// Reverse-time samplers against the exact law
    struct Options [seed, threads, json, out "out/reverse_time"] {
        /// Numbers of steps of the leaps, separated by commas
        steps: Vec<usize> = vec![4, 8, 16, 32, 64, 128],
        /// Time at which the reverse processes start
        horizon: f64 = 1.0,
        /// Time at which uniformization and thinning stop for the last draw
        delta: f64 = 0.05,
        /// Configurations drawn by each sampler, for distances of the exact ones and for the time of all
        samples: usize = 20_000,
        /// Samples that the learners get
        data: usize = 10_000,
        /// Only the cost of the reverse rates of a batch against a tilted draw of the same batch
        ratio: bool,
        /// Only the orders of convergence of the leaps and unmasking in few steps, on small random laws
        order: bool,
    }
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let mut o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    if o.ratio {
        let others = ["steps", "horizon", "delta", "samples", "data", "seed", "out"];
        options::refuse(&mut o, &others, "does not apply to --ratio")?;
        return report_ratio(&o);
    }
    if o.order {
        options::refuse(&mut o, &["steps", "horizon", "delta", "samples", "data", "out"], "does not apply to --order")?;
        return report_order(&o);
    }
    let plan = check(&o)?;
    let folder = o.out.open(o.json)?;
    let systems = systems::all()?;
    let bar = progress::bar(plan.parts() * systems.len() as u64);
    let mut rows = Vec::new();
    for system in &systems {
        rows.extend(measure::measure(system, &plan, &mut || bar.inc(1))?);
    }
    bar.finish_and_clear();
    let text = if o.json { options::json(&o, &json!({ "rows": rows }))? } else { table(&rows, &plan.steps) };
    finish(&text, folder.as_ref(), || Ok(pictures::all(&systems, &rows)?.into()))
}

/// What can be wrong with the options.
fn check(o: &Options) -> Result<Plan, Failure> {
    if let Some(steps) = o.steps.iter().find(|k| !(1..=4096).contains(*k)) {
        return Err(format!("--steps {steps}: between 1 and 4096").into());
    }
    if !(o.horizon > 0.0 && o.horizon.is_finite()) {
        return Err(format!("--horizon {}: a positive, finite time is needed", o.horizon).into());
    }
    if !(o.delta > 0.0 && o.delta < o.horizon) {
        return Err(format!("--delta {}: a time between 0 and the horizon is needed", o.delta).into());
    }
    if !(100..=10_000_000).contains(&o.samples) {
        return Err(format!("--samples {}: between 100 and 10000000", o.samples).into());
    }
    if !(100..=10_000_000).contains(&o.data) {
        return Err(format!("--data {}: between 100 and 10000000", o.data).into());
    }
    let mut steps = o.steps.clone();
    steps.sort_unstable();
    steps.dedup();
    Ok(Plan { steps, horizon: o.horizon, delta: o.delta, samples: o.samples, data: o.data, seed: o.seed })
}

/// The cost of all reverse rates: the first case as JSON, all as text.
fn report_ratio(o: &Options) -> Result<(), Failure> {
    const REPETITIONS: usize = 200;
    for case in ratio::CASES {
        let (sites, bond, batch) = case;
        let (rates, draw) = ratio::measure(case, REPETITIONS)?;
        if o.json {
            let report = json!({ "rates_seconds": rates, "draw_seconds": draw, "ratio": rates / draw });
            return print(&options::json(o, &report)?);
        }
        print(&format!(
            "{sites} sites, bond {bond}, {batch} samples, one thread, median CPU time of {REPETITIONS}: all reverse rates {:.3} ms, tilted draw {:.3} ms, ratio {:.3}\n",
            1e3 * rates,
            1e3 * draw,
            rates / draw
        ))?;
    }
    Ok(())
}

/// Total variations by evaluations with their order from the last doubling, and by numbers of steps.
fn report_order(o: &Options) -> Result<(), Failure> {
    let lines = order::measure(o.seed)?;
    if o.json {
        return print(&options::json(o, &json!({ "lines": lines }))?);
    }
    for of_table in lines.chunk_by(|a, b| a.table == b.table) {
        let steps = of_table[0].table.ends_with("to 0");
        let counts: Vec<String> = match steps {
            true => (1..=of_table[0].total_variation.len()).map(|k| format!("TV, {k} steps")).collect(),
            false => order::EVALUATIONS.iter().map(|k| format!("TV, {k} evaluations")).collect(),
        };
        let mut header: Vec<&str> = ["method"].into_iter().chain(counts.iter().map(String::as_str)).collect();
        header.extend(if steps { None } else { Some("order") });
        let line = |line: &order::Line| {
            let mut cells = vec![line.method.to_owned()];
            cells.extend(line.total_variation.iter().map(|v| number(*v, 3)));
            if let ([.., a, b], false) = (&line.total_variation[..], steps) {
                cells.push(number((a / b).log2(), 3));
            }
            cells
        };
        let text = render(&header, &of_table.iter().map(line).collect::<Vec<_>>());
        print(&format!("{}\n{text}\n", of_table[0].table))?;
    }
    Ok(())
}

/// One line a model, method and start: total variation by number of steps, the rest at the largest number.
fn table(rows: &[Row], steps: &[usize]) -> String {
    let counts: Vec<String> = steps.iter().map(|k| format!("TV, {k} steps")).collect();
    let header: Vec<&str> = ["method", "start"].into_iter().chain(counts.iter().map(String::as_str)).collect();
    let header = [header, vec!["order", "KL (nats)", "evaluations", "s/sample"]].concat();
    let mut text = String::new();
    for of_model in rows.chunk_by(|a, b| a.model == b.model) {
        let mut lines = Vec::new();
        for group in of_model.chunk_by(|a, b| (&a.method, a.start) == (&b.method, b.start)) {
            let last = &group[group.len() - 1];
            let mut line = vec![last.method.clone(), last.start.into()];
            line.extend(match last.sampled {
                Some((seen, floor)) => {
                    let note = format!("{} drawn, {} if exact", number(seen, 3), number(floor, 3));
                    [vec![String::new(); steps.len() - 1], vec![note]].concat()
                }
                None if group.len() < steps.len() => {
                    [vec![String::new(); steps.len() - 1], vec![number(last.total_variation, 3)]].concat()
                }
                None => group.iter().map(|row| number(row.total_variation, 3)).collect(),
            });
            let cell = |value: Option<f64>| number(value.unwrap_or(f64::NAN), 3);
            line.extend([cell(last.order), cell(last.kl), number(last.evaluations, 3), number(last.seconds, 2)]);
            lines.push(line);
        }
        text += &format!("{}\n{}\n", of_model[0].model, render(&header, &lines));
    }
    text
}
