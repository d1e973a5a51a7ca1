//! Equilibrium of Ising and Potts models on square lattices: tensor-network draws, windows and connected
//! moves against Metropolis, heat bath, clusters and exact values.
//!
//! ```text
//! cargo run --release --example ising  # 32 × 32 at β_c, all methods
//! cargo run --release --example ising -- --rows 64 --cols 64 --method boundary --chi 8 --json
//! cargo run --release --example ising -- --couplings pmj:1 --beta 1.5              # a spin glass
//! cargo run --release --example ising -- --geometry cylinder --rows 8 --cols 8 --method snake --noise-time 0.2
//! # a row and a column clamped at random
//! cargo run --release --example ising -- --geometry torus --method window
//! # noise time, χ and inner draws tuned
//! cargo run --release --example ising -- --method connected --rows 64 --cols 64
//! cargo run --release --example ising -- --model potts --q 3 --method sw --geometry torus
//! # chains that may be killed: the same line again goes on
//! cargo run --release --example ising -- --method window --rows 64 --cols 64 --checkpoint ising.state --resume
//! ```
//!
//! Without `--method` all methods that apply are compared (but `window` and `connected`, which are slow), in
//! two tables and three pictures (in `--out`, default `out/ising`). `--json` measures one method (default:
//! boundary) and prints one JSON object, nothing else, on stdout; keys that do not apply are null.

#[path = "../common/mod.rs"]
mod common;
mod options;
mod report;

use std::process::ExitCode;

use tensorjump::lattice::Geometry;

use crate::common::ising::exact::Exact;
use crate::common::ising::measure::{self, Measured, Method};
use crate::common::ising::pictures;
use crate::common::ising::system::System;
use crate::common::output::finish;
use crate::common::{Failure, options as command_line, progress};

use options::Options;

fn main() -> ExitCode {
    crate::common::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = command_line::parse()?;
    let system = options.model.system()?;
    match options.single() {
        Some(method) => single(method, &system, options),
        None => comparison(&system, &options),
    }
}

/// One method: a table or a JSON object, and its last configuration.
fn single(method: Method, system: &System, mut options: Options) -> std::result::Result<(), Failure> {
    options.check(method)?;
    let plan = options.plan(method, system)?;
    command_line::set_threads(options.threads)?;
    let folder = options.out.open(options.json)?;
    let bar = progress::bar(plan.samples as u64);
    bar.set_message(method.name());
    let measured = [measure::measure(method, system, &plan, &bar)?];
    bar.finish_and_clear();
    let text = if options.json {
        command_line::json(&options, &report::Report::new(&measured[0]))?
    } else {
        report::text(system, &measured, &[Exact::new(system)?])
    };
    finish(&text, folder.as_ref(), || Ok(vec![("configurations.svg", pictures::last(&measured)?)]))
}

/// All methods that apply, and pictures that compare.
fn comparison(system: &System, options: &Options) -> std::result::Result<(), Failure> {
    let runs = options.comparison(system)?;
    command_line::set_threads(options.threads)?;
    let folder = options.out.open(options.json)?;
    let bar = progress::bar(runs.iter().map(|run| run.2.samples as u64).sum::<u64>() + pictures::STEPS);
    let mut measured: Vec<Measured> = Vec::new();
    for (method, model, plan) in &runs {
        bar.set_message(method.name());
        measured.push(measure::measure(*method, model, plan, &bar)?);
    }
    bar.finish_and_clear();
    let exact = measured.iter().map(|m| Exact::new(&m.system)).collect::<Result<Vec<_>, _>>()?;
    finish(&report::text(system, &measured, &exact), folder.as_ref(), || {
        if system.lattice().geometry() == Geometry::Torus {
            return Ok(vec![("configurations.svg", pictures::last(&measured)?)]);
        }
        bar.set_message("pictures");
        let (chi, seed) = (options.chi.unwrap_or(measure::BOUNDARY_CHI), options.seed);
        let pictures = vec![
            ("configurations.svg", pictures::temperatures(system, chi, seed)?),
            ("energy.svg", pictures::energy(system, chi, seed, &bar)?),
            ("acceptance.svg", pictures::acceptance(system, seed, &bar)?),
        ];
        bar.finish_and_clear();
        Ok(pictures)
    })
}
