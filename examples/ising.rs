//! Equilibrium of Ising models on square lattices: tensor-network draws against Metropolis, heat bath, Wolff and exact values.
//!
//! ```text
//! cargo run --release --example ising                                              # 32 × 32 at β_c, all methods
//! cargo run --release --example ising -- --rows 64 --cols 64 --method boundary --chi 8 --json
//! cargo run --release --example ising -- --couplings pmj:1 --beta 1.5              # a spin glass
//! cargo run --release --example ising -- --geometry cylinder --rows 8 --cols 8 --method snake --noise-time 0.2
//! cargo run --release --example ising -- --speed                                   # against Wolff and Metropolis, L = 16 … 128
//! ```
//!
//! Without `--method` all methods that apply are compared, in two tables and three pictures (in `--out`, default `out/ising`). `--json` measures
//! one method (default: boundary) and prints one JSON object, nothing else, on stdout; keys that do not apply are null.

mod common;
#[path = "ising/exact.rs"]
mod exact;
#[path = "ising/local.rs"]
mod local;
#[path = "ising/measure.rs"]
mod measure;
#[path = "ising/options.rs"]
mod options;
#[path = "ising/pictures.rs"]
mod pictures;
#[path = "ising/report.rs"]
mod report;
#[path = "ising/speed.rs"]
mod speed;

use std::process::ExitCode;

use tensorjump::lattice::{Geometry, Ising};

use common::output::{Folder, print};
use common::{Failure, progress};
use exact::Exact;
use measure::{Measured, Method};
use options::Options;

fn main() -> ExitCode {
    common::exit(run())
}

fn run() -> std::result::Result<(), Failure> {
    let options: Options = common::options::parse()?;
    if options.speed {
        return speed::run(&options);
    }
    let ising = options.ising()?;
    match options.single() {
        Some(method) => single(method, &ising, &options),
        None => comparison(&ising, &options),
    }
}

/// One method: a table or a JSON object, and its last configuration.
fn single(method: Method, ising: &Ising, options: &Options) -> std::result::Result<(), Failure> {
    let plan = options.plan(method, ising)?;
    common::options::set_threads(options.threads)?;
    let folder = Folder::open(&options.out)?;
    let bar = progress::bar(options.samples as u64);
    bar.set_message(method.name());
    let measured = [measure::measure(method, ising, &plan, &bar)?];
    let pictures = [("configurations.svg", pictures::last(&measured)?)];
    bar.finish_and_clear();
    let text = if options.json {
        serde_json::to_string_pretty(&report::Report::new(&measured[0]))? + "\n"
    } else {
        report::text(ising, &measured, &[Exact::new(ising)?], options)
    };
    finish(&text, &folder, &pictures)
}

/// All methods that apply, and pictures that compare.
fn comparison(ising: &Ising, options: &Options) -> std::result::Result<(), Failure> {
    let runs = options.comparison(ising)?;
    common::options::set_threads(options.threads)?;
    let folder = Folder::open(&options.out)?;
    let bar = progress::bar(runs.len() as u64 * options.samples as u64 + pictures::STEPS);
    let mut measured: Vec<Measured> = Vec::new();
    for (method, model, plan) in &runs {
        bar.set_message(method.name());
        measured.push(measure::measure(*method, model, plan, &bar)?);
    }
    let exact = measured.iter().map(|m| Exact::new(&m.ising)).collect::<Result<Vec<_>, _>>()?;
    bar.set_message("pictures");
    let mut pictures = vec![];
    if ising.lattice().geometry() == Geometry::Torus {
        pictures.push(("configurations.svg", pictures::last(&measured)?));
    } else {
        let chi = options.chi.unwrap_or(options::BOUNDARY_CHI);
        pictures.push(("configurations.svg", pictures::temperatures(ising, chi, options.seed)?));
        pictures.push(("energy.svg", pictures::energy(ising, chi, options.seed, &bar)?));
        pictures.push(("acceptance.svg", pictures::acceptance(ising, options.seed, &bar)?));
    }
    bar.finish_and_clear();
    finish(&report::text(ising, &measured, &exact, options), &folder, &pictures)
}

/// Results first: a full disk does not lose them.
fn finish(text: &str, folder: &Folder, pictures: &[(&str, String)]) -> std::result::Result<(), Failure> {
    print(text)?;
    for place in folder.write(pictures)? {
        eprintln!("wrote {}", place.display());
    }
    Ok(())
}
