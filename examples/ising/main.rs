//! Equilibrium of Ising and Potts models on square lattices: tensor-network draws, windows and connected moves against Metropolis, heat bath, clusters
//! and exact values.
//!
//! ```text
//! cargo run --release --example ising                                              # 32 × 32 at β_c, all methods
//! cargo run --release --example ising -- --rows 64 --cols 64 --method boundary --chi 8 --json
//! cargo run --release --example ising -- --couplings pmj:1 --beta 1.5              # a spin glass
//! cargo run --release --example ising -- --geometry cylinder --rows 8 --cols 8 --method snake --noise-time 0.2
//! cargo run --release --example ising -- --geometry torus --method window           # a row and a column clamped at random
//! cargo run --release --example ising -- --method connected --rows 64 --cols 64     # noise time, χ and inner draws tuned
//! cargo run --release --example ising -- --model potts --q 3 --method sw --geometry torus
//! ```
//!
//! Without `--method` all methods that apply are compared (but `window` and `connected`, which are slow), in two tables and three pictures (in `--out`, default `out/ising`). `--json` measures
//! one method (default: boundary) and prints one JSON object, nothing else, on stdout; keys that do not apply are null.

mod options;
mod report;

use std::process::ExitCode;

use tensorjump::lattice::Geometry;

use tensorjump_studies::ising::exact::Exact;
use tensorjump_studies::ising::measure::{self, Measured, Method};
use tensorjump_studies::ising::pictures;
use tensorjump_studies::ising::system::System;
use tensorjump_studies::output::{Folder, print};
use tensorjump_studies::{Failure, progress};

use options::Options;

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = tensorjump_studies::options::parse()?;
    let system = options.model.system()?;
    match options.single() {
        Some(method) => single(method, &system, &options),
        None => comparison(&system, &options),
    }
}

/// One method: a table or a JSON object, and its last configuration.
fn single(method: Method, system: &System, options: &Options) -> std::result::Result<(), Failure> {
    let plan = options.plan(method, system)?;
    tensorjump_studies::options::set_threads(options.threads)?;
    let folder = Folder::open(&options.out)?;
    let bar = progress::bar(plan.samples as u64);
    bar.set_message(method.name());
    let measured = [measure::measure(method, system, &plan, &bar)?];
    let pictures = [("configurations.svg", pictures::last(&measured)?)];
    bar.finish_and_clear();
    let text = if options.json {
        serde_json::to_string_pretty(&report::Report::new(&measured[0]))? + "\n"
    } else {
        report::text(system, &measured, &[Exact::new(system)?])
    };
    finish(&text, &folder, &pictures)
}

/// All methods that apply, and pictures that compare.
fn comparison(system: &System, options: &Options) -> std::result::Result<(), Failure> {
    let runs = options.comparison(system)?;
    tensorjump_studies::options::set_threads(options.threads)?;
    let folder = Folder::open(&options.out)?;
    let bar = progress::bar(runs.iter().map(|run| run.2.samples as u64).sum::<u64>() + pictures::STEPS);
    let mut measured: Vec<Measured> = Vec::new();
    for (method, model, plan) in &runs {
        bar.set_message(method.name());
        measured.push(measure::measure(*method, model, plan, &bar)?);
    }
    let exact = measured.iter().map(|m| Exact::new(&m.system)).collect::<Result<Vec<_>, _>>()?;
    bar.set_message("pictures");
    let mut pictures = vec![];
    if system.lattice().geometry() == Geometry::Torus {
        pictures.push(("configurations.svg", pictures::last(&measured)?));
    } else {
        let chi = options.chi.unwrap_or(measure::BOUNDARY_CHI);
        pictures.push(("configurations.svg", pictures::temperatures(system, chi, options.seed)?));
        pictures.push(("energy.svg", pictures::energy(system, chi, options.seed, &bar)?));
        pictures.push(("acceptance.svg", pictures::acceptance(system, options.seed, &bar)?));
    }
    bar.finish_and_clear();
    finish(&report::text(system, &measured, &exact), &folder, &pictures)
}

/// Results first: a full disk does not lose them.
fn finish(text: &str, folder: &Folder, pictures: &[(&str, String)]) -> std::result::Result<(), Failure> {
    print(text)?;
    for place in folder.write(pictures)? {
        eprintln!("wrote {}", place.display());
    }
    Ok(())
}
