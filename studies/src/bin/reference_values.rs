//! Contractions of every open and cylinder case of the exact reference values in `tests/reference`.
//!
//! `cargo run --release -p tensorjump-studies --bin reference_values -- --json`: one row a case, with the
//! error of log Z, the bond dimension at which two successive values agreed, and the seconds it took;
//! `--max-cols` leaves out wide lattices.

#[path = "../../../tests/common/reference.rs"]
mod reference;

use std::time::Instant;

use serde_json::json;
use tensorjump::lattice::{ContractOptions, Contraction};
use tensorjump_studies::output::print;
use tensorjump_studies::{Failure, options};

options! {
    /// log Z of the reference cases by contraction, against the exact values
    struct Options [json] {
        /// Widest lattices
        max_cols: usize = 64,
        /// Largest difference of two successive values
        log_z_tol: f64 = 1e-9,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let options: Options = options::parse()?;
    let contraction = ContractOptions { tolerance: options.log_z_tol, ..Default::default() };
    let mut rows = Vec::new();
    for case in reference::cases(options.max_cols) {
        let start = Instant::now();
        let found = Contraction::new(&case.ising.pair_model()?, &contraction)?;
        let (error, seconds) = ((found.log_z - case.log_z).abs(), start.elapsed().as_secs_f64());
        eprintln!(
            "{:<45} χ {:>3}  error {error:.1e} ({:.1e} relative)  {seconds:.2} s",
            case.name,
            found.max_bond,
            error / case.log_z.abs()
        );
        rows.push(json!({
            "case": case.name, "log_z": found.log_z, "exact": case.log_z, "error": error, "chi": found.max_bond,
            "converged": found.converged, "seconds": seconds,
        }));
    }
    if rows.is_empty() {
        return Err(format!("--max-cols {}: no lattice is so narrow", options.max_cols).into());
    }
    let worst = rows.iter().filter_map(|row| row["error"].as_f64()).fold(0.0, f64::max);
    eprintln!("{} cases, largest error {worst:.1e}", rows.len());
    if options.json {
        print(&options::json(&options, &json!({ "rows": rows, "largest_error": worst }))?)?;
    }
    Ok(())
}
