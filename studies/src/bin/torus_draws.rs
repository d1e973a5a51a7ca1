//! Independent draws on tori by boundary operators: effective fraction of the weights, log Z beside exact values,
//! time of a draw and of the law. One thread.
//!
//! `cargo run --release -p tensorjump-studies --bin torus_draws [-- --side 64 --json]`

use std::time::Instant;

use serde_json::json;
use tensorjump::lattice::BoundaryMps;
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Model, Streams, Target};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Exact values are rounded in the sixth digit, weights in single precision to as much.
const ROUNDING: f64 = 1e-6;
/// Draws at a time.
const BLOCK: usize = 1024;

options! {
    /// Independent draws on tori: effective fraction, log Z, time of a draw and of the law
    struct Options [seed, json] {
        /// Longest side (default: 32)
        side: Option<usize>,
        /// Draws of each law, rounded up to a multiple of 1024 (default: 20480)
        samples: Option<usize>,
    }
}

/// One law.
struct Case {
    name: String,
    side: usize,
    chi: usize,
    model: PairModel,
    /// Exact, by Kaufman's formula.
    log_z: Option<f64>,
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// Exact values: `(side, β, log Z)`.
const EXACT: [(usize, f64, f64); 8] = [
    (8, BETA_C, 60.1417807890691),
    (16, BETA_C, 238.642256635133),
    (32, BETA_C, 952.648079548543),
    (64, BETA_C, 3808.67228341981),
    (16, 0.28, 198.935419),
    (16, 0.4407, 238.647169),
    (16, 0.6, 310.487039),
    (16, 1.2, 615.110777),
];

/// `ln(1 + √2)/2`.
const BETA_C: f64 = 0.440_686_793_509_771_5;

fn cases() -> Result<Vec<Case>, Failure> {
    let torus = |side| Square::new(side, side, Geometry::Torus);
    let mut all = Vec::new();
    let critical = [(8, [8, 16].as_slice()), (16, &[8, 16, 32]), (32, &[16, 32]), (64, &[16, 32, 48])];
    let others = [0.28, 0.4407, 0.6, 1.2].map(|beta| (16, beta, [8].as_slice()));
    for (side, beta, chis) in critical.map(|(side, chis)| (side, BETA_C, chis)).into_iter().chain(others) {
        let ising = Ising::new(Couplings::uniform(torus(side)?, 1.0)?, beta)?;
        let log_z = EXACT.iter().find(|e| e.0 == side && e.1 == beta).map(|e| e.2);
        for &chi in chis {
            all.push(Case { name: format!("Ising, β = {beta:.4}"), side, chi, model: ising.pair_model()?, log_z });
        }
    }
    for (beta, chi) in [(1.0, 32), (2.0, 48), (2.0, 64)] {
        let ising = Ising::new(Couplings::plus_minus(torus(16)?, 1), beta)?;
        all.push(Case { name: format!("±J, β = {beta}"), side: 16, chi, model: ising.pair_model()?, log_z: None });
    }
    for (beta, chi) in [(0.5, 16), (1.005, 48), (1.2, 16)] {
        let model = PairModel::potts(&Couplings::uniform(torus(16)?, 1.0)?, 3, beta)?;
        all.push(Case { name: format!("Potts q = 3, β = {beta}"), side: 16, chi, model, log_z: None });
    }
    Ok(all)
}

/// Measures all of them; fails if a log Z is more than five standard errors off.
fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let (longest, n) = (o.side.unwrap_or(32), o.samples.unwrap_or(20 * BLOCK).div_ceil(BLOCK) * BLOCK);
    let cases: Vec<Case> = cases()?.into_iter().filter(|case| case.side <= longest).collect();
    if cases.is_empty() {
        return Err(format!("--side {longest}: the shortest is 8").into());
    }
    options::positive("samples", n)?;
    let bar = progress::bar(cases.len() as u64);
    let (mut lines, mut rows, mut worst) = (vec![], vec![], 0f64);
    for case in &cases {
        let clock = Instant::now();
        let q = BoundaryMps::proposal(&case.model, case.chi)?;
        let build = clock.elapsed().as_secs_f64();
        for seed in [o.seed, o.seed + 1] {
            let streams = Streams::new(seed);
            let (mut log_w, mut seconds) = (Vec::with_capacity(n), 0.0);
            for block in 0..n / BLOCK {
                let clock = Instant::now();
                let draws = q.draw(BLOCK, &streams.rows_from(block * BLOCK))?;
                seconds += clock.elapsed().as_secs_f64();
                log_w.extend(draws.log_importance_weights(&case.model)?);
            }
            let log_w = ndarray::Array1::from(log_w);
            let fraction = WeightSummary::of(log_w.view())?.fraction;
            let log_z = Estimate::log_mean_weight(log_w.view())?;
            let most = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max) - log_z.mean;
            let off = case.log_z.map(|exact| (log_z.mean - exact) / log_z.error.hypot(ROUNDING));
            worst = worst.max(off.map_or(0.0, f64::abs));
            lines.push(vec![
                case.name.clone(),
                format!("{0} × {0}", case.model.lattice().rows()),
                case.chi.to_string(),
                format!("{fraction:.5}"),
                number(most, 3),
                format!("{:.6} ± {:.1e}", log_z.mean, log_z.error),
                case.log_z.map_or_else(String::new, |z| format!("{z:.6}")),
                off.map_or_else(String::new, |off| format!("{off:+.1}")),
                number(1e6 * seconds / n as f64, 3),
                number(build, 3),
            ]);
            rows.push(json!({
                "model": case.name, "side": case.side, "chi": case.chi, "seed": seed, "samples": n,
                "sites": case.model.dims().len(), "fraction": fraction, "max_log_weight": most,
                "log_z": log_z.mean, "stderr_log_z": log_z.error, "log_z_exact": case.log_z, "sigmas": off,
                "log_z_contraction": q.log_z(), "truncation_error": q.truncation_error(),
                "seconds_per_draw": seconds / n as f64, "build_seconds": build,
            }));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let header = ["model", "torus", "χ", "ESS", "max log w", "log Z", "exact", "off/σ", "µs a draw", "build s"];
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows, "worst_sigmas": worst }))?
    } else {
        render(&header, &lines) + "\nESS as a fraction of the draws; max log w above log Z; one thread.\n"
    })?;
    if worst > 5.0 { Err(format!("a log Z is {worst:.1} standard errors off").into()) } else { Ok(()) }
}
