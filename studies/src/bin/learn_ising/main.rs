//! The Ising model on the cylinder (arXiv 2407.11133): a Born MPS in snake order, learned from the log-weight
//! alone by Monte Carlo in the loop.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin learn_ising  # the grid over β and χ, with pictures
//! # one model, one JSON object on stdout
//! cargo run --release -p tensorjump-studies --bin learn_ising -- --rows 8 --cols 8 --chi 32 --json
//! ```
//!
//! The columns wrap around, and the snake runs along them: the fewer columns, the smaller the bond that is
//! needed (the lattice of 8 × 16 of the references is `--rows 16 --cols 8`). Learning starts from spins at
//! random, at 0.8 β and a small bond, and ends at β and χ; the local move of the chains is two heat-bath
//! sweeps followed by a Wolff cluster. The grid compares with the optimal truncation (`SnakeMps`).

mod grid;
mod learn;

use std::process::ExitCode;

use learn::Budget;
use tensorjump_studies::output::print;
use tensorjump_studies::{Failure, options};

options! {
    /// Ising cylinder: a Born MPS learned from the log-weight alone
    struct Options [seed, threads, json, out "out/learn_ising"] {
        /// Rows of the cylinder (default 8)
        rows: Option<usize>,
        /// Columns, which wrap around (default 8)
        cols: Option<usize>,
        /// Inverse temperature (default: the critical point of the infinite lattice)
        beta: Option<f64>,
        /// Largest bond dimension (default 32)
        chi: Option<usize>,
        /// Draws of the model a round; chains visit a quarter as many configurations (default: 4 sites χ²,
        /// between 131072 and 262144)
        draws: Option<usize>,
        /// Rounds of steps of all sites at β with all bonds (default: 20, in proportion more from 262144
        /// numbers sites χ² on)
        rounds: Option<usize>,
        /// Measure the optimal truncation too
        optimal: bool,
        /// Tell each round on stderr
        verbose: bool,
    }
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let mut options: Options = options::parse()?;
    options::set_threads(options.threads)?;
    let budget = Budget {
        draws: options.draws.map(|draws| options::positive("draws", draws)).transpose()?,
        rounds: options.rounds.map(|rounds| options::positive("rounds", rounds)).transpose()?,
        seed: options.seed,
        verbose: options.verbose,
    };
    let single = options.json
        || options.rows.is_some()
        || options.cols.is_some()
        || options.beta.is_some()
        || options.chi.is_some();
    if !single {
        options::refuse(&mut options, &["optimal"], "the grid measures the optimal truncation anyway")?;
        return grid::run(&options.out, &budget);
    }
    options::refuse(&mut options, &["out"], "one model has no picture, the grid has one")?;
    let ising = learn::cylinder(
        options.rows.unwrap_or(8),
        options.cols.unwrap_or(8),
        options.beta.unwrap_or_else(learn::critical),
    )?;
    let chi = options.chi.unwrap_or(32);
    let (mut report, _) = learn::learn(&ising, chi, &budget)?;
    if options.optimal {
        report.optimal_acceptance = Some(learn::optimal(&ising, chi, budget.seed)?.acceptance.mean);
    }
    print(&if options.json { options::json(&options, &report)? } else { report.text() })
}
