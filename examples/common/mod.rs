//! What the examples `fredkin` and `ising` share with the large programs in `studies/`: options, output,
//! progress, tables, pictures, and the measurements on Fredkin chains and Ising models.

// Each example compiles this module for itself and uses its own part of it; nobody else calls it.
#![allow(dead_code, clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod checkpoint;
pub mod convergence;
pub mod fredkin;
pub mod ising;
pub mod moves;
pub mod options;
pub mod output;
pub mod plotting;
pub mod progress;
pub mod raster;
pub mod table;
pub mod timing;

/// Whatever stops an example: it is printed as one line, and the exit code is not zero.
pub type Failure = Box<dyn std::error::Error>;

/// Runs an example: its failure becomes one line on stderr and exit code 1.
pub fn exit(result: Result<(), Failure>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            std::process::ExitCode::FAILURE
        }
    }
}
