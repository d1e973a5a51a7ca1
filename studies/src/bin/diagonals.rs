//! Independent draws with bonds along the diagonals: effective fraction of the weights, time of a draw and of the
//! law, on triangular and J1–J2 lattices, open and as tori. One thread.
//!
//! `cargo run --release -p tensorjump-studies --bin diagonals [-- --side 32 --chi 8,16 --json]`

use std::time::Instant;

use serde_json::json;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options};

/// Draws at a time.
const BLOCK: usize = 1024;

options! {
    /// Independent draws with diagonal bonds: effective fraction, time of a draw and of the law
    struct Options [seed, json] {
        /// Rows and columns
        side: usize = 16,
        /// Bond dimensions
        chi: Vec<usize> = vec![8, 16, 32],
        /// Draws of each law, rounded up to a multiple of 1024
        samples: usize = 10_240,
        /// Only this geometry: "open" or "torus"
        only: Option<String>,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    if let Some(other) = o.only.as_deref().filter(|only| !["open", "torus"].contains(only)) {
        return Err(format!("--only {other}: open or torus").into());
    }
    options::positive("samples", o.samples)?;
    let n = o.samples.div_ceil(BLOCK) * BLOCK;
    let (mut lines, mut rows) = (vec![], vec![]);
    for (geometry, place) in [(Geometry::Open, "open"), (Geometry::Torus, "torus")] {
        if o.only.as_deref().is_some_and(|only| only != place) {
            continue;
        }
        let lattice = Square::new(o.side, o.side, geometry)?;
        let cases = [
            ("triangular, β_c", Couplings::triangular(lattice, 1.0)?, 3f64.ln() / 4.0),
            ("triangular antiferromagnet, β = 1", Couplings::triangular(lattice, -1.0)?, 1.0),
            ("J1-J2, J2/J1 = -.5, β = 1", Couplings::j1_j2(lattice, 1.0, -0.5)?, 1.0),
        ];
        for (name, couplings, beta) in cases {
            let ising = Ising::new(couplings, beta)?;
            for &chi in &o.chi {
                let clock = Instant::now();
                let law = BoundaryMps::proposal(&ising, chi)?;
                let build = clock.elapsed().as_secs_f64();
                let (streams, mut log_w, mut seconds) = (Streams::new(o.seed), Vec::with_capacity(n), 0.0);
                for block in 0..n / BLOCK {
                    let clock = Instant::now();
                    let draws = law.draw(BLOCK, &streams.rows_from(block * BLOCK))?;
                    seconds += clock.elapsed().as_secs_f64();
                    log_w.extend(draws.log_importance_weights(&ising)?);
                }
                let log_w = ndarray::Array1::from(log_w);
                let WeightSummary { fraction, max_log_relative, .. } = WeightSummary::of(log_w.view())?;
                let log_z = Estimate::log_mean_weight(log_w.view())?;
                lines.push(vec![
                    place.into(),
                    name.into(),
                    chi.to_string(),
                    format!("{fraction:.4}"),
                    number(max_log_relative, 3),
                    format!("{:.5} ± {:.1e}", log_z.mean, log_z.error),
                    format!("{:.5}", law.log_z()),
                    number(1e6 * seconds / n as f64, 3),
                    number(build, 3),
                ]);
                rows.push(json!({
                    "geometry": place, "model": name, "side": o.side, "chi": chi, "samples": n, "fraction": fraction,
                    "max_log_weight": max_log_relative, "log_z": log_z.mean, "stderr_log_z": log_z.error,
                    "log_z_contraction": law.log_z(), "truncation_error": law.truncation_error(),
                    "seconds_per_draw": seconds / n as f64, "build_seconds": build,
                }));
            }
        }
    }
    let header = ["geometry", "model", "χ", "ESS", "max log w", "log Z", "contraction", "µs a draw", "build s"];
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows }))?
    } else {
        render(&header, &lines) + "\nESS as a fraction of the draws; max log w above the mean weight; one thread.\n"
    })
}
