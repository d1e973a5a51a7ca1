//! Command lines: one line of complaint, the threads of the run.

use clap::Parser;

use super::Failure;

/// Parses the command line; `--help` prints and ends the program, a mistake is one line.
pub fn parse<O: Parser>() -> Result<O, Failure> {
    O::try_parse().map_err(|error| {
        if !error.use_stderr() {
            error.exit() // help and version
        }
        let text = error.to_string();
        let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("wrong options");
        line.trim_start_matches("error: ").into()
    })
}

/// A count that must not be zero.
pub fn positive(name: &str, value: usize) -> Result<usize, Failure> {
    if value == 0 { Err(format!("--{name} {value}: at least 1 is needed").into()) } else { Ok(value) }
}

/// Sets the number of threads of the whole process; `None` leaves one a core.
pub fn set_threads(threads: Option<usize>) -> Result<(), Failure> {
    /// More than any machine has; rayon would try to start them.
    const LIMIT: usize = 1024;
    let Some(threads) = threads else { return Ok(()) };
    if positive("threads", threads)? > LIMIT {
        return Err(format!("--threads {threads}: at most {LIMIT} are allowed").into());
    }
    Ok(rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?)
}
