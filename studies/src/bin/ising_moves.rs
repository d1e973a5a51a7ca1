//! Connected moves in the fields of the noisy configuration: acceptance, time and squared jump at the noise
//! times of the literature, on one thread.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin ising_moves                       # 32 × 32 at β_c, χ = 2
//! cargo run --release -p tensorjump-studies --bin ising_moves -- --rows 64 --cols 64 --chi 4 --json
//! ```

use serde_json::json;
use tensorjump::mcmc::{Trial, TuneOptions};
use tensorjump_studies::ising::connected::{measured, table};
use tensorjump_studies::ising::measure::CONNECTED_CHI;
use tensorjump_studies::ising::options::SystemOptions;
use tensorjump_studies::output::print;
use tensorjump_studies::{Failure, options};

/// Noise times of the table: those of the literature.
const TIMES: [f64; 3] = [0.2, 0.5, 1.0];
/// Chains and updates behind each row of the table.
const CHAINS: usize = 64;
const UPDATES: usize = 20;

options! {
    /// Connected moves at T = 0.2, 0.5, 1: acceptance, time and squared jump, one thread
    struct Options [seed, json] {
        /// The model
        model: SystemOptions,
        /// Bond dimension in the fields of the noise (default: 2)
        chi: Option<usize>,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    let system = &o.model.system()?;
    options::set_threads(Some(1))?;
    let chis = [o.chi.unwrap_or(CONNECTED_CHI)];
    options::positive("chi", chis[0])?;
    let plan = TuneOptions { times: TIMES.to_vec(), draws: vec![1, 4], updates: UPDATES, seed: o.seed };
    let mut tuned = measured(system, &chis, CHAINS, &plan)?;
    tuned.trials.iter_mut().for_each(|trial| trial.model = chis[trial.model]);
    let text = if o.json {
        let row = |t: &Trial| {
            json!({
                "noise_time": t.time, "chi": t.model, "draws": t.draws, "acceptance": t.acceptance,
                "squared_jump": t.squared_jump, "milliseconds": 1e3 * t.seconds,
            })
        };
        let rows: Vec<_> = tuned.trials.iter().map(row).collect();
        options::json(&o, &json!({ "rows": rows, "best": tuned.best }))?
    } else {
        let proposals = CHAINS * UPDATES;
        format!("{}, {CHAINS} chains, {proposals} noisy configurations a row, one thread\n\n", system.name())
            + &table(&tuned)
    };
    print(&text)
}
