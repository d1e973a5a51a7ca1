//! Independent draws of models with hard constraints: effective fraction of the weights, draws of weight zero,
//! log Z beside exact values, time of a draw and of the law. One thread.
//!
//! `cargo run --release -p tensorjump-studies --bin solvable [-- --side 32 --json]`

use std::time::Instant;

use serde_json::json;
use tensorjump::lattice::{BoundaryMps, Geometry, PairModel, Square};
use tensorjump::mcmc::{Estimate, WeightSummary};
use tensorjump::{Streams, Target};
use tensorjump_studies::output::print;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

/// Draws at a time.
const BLOCK: usize = 1024;

options! {
    /// Independent draws of models with hard constraints: effective fraction, draws of weight zero, log Z
    struct Options [seed, json] {
        /// Side of the lattices (default: 16)
        side: Option<usize>,
        /// Bond dimensions, with commas (default: 8,16,32)
        chi: Option<String>,
        /// Only models whose name has this in it
        model: Option<String>,
        /// Whether the weights are balanced first, see PairModel::balanced
        balanced: bool,
        /// Draws of each law, rounded up to a multiple of 1024 (default: 4096)
        samples: Option<usize>,
    }
}

fn main() -> std::process::ExitCode {
    tensorjump_studies::exit(run())
}

/// A model with its logarithm of Z, where there is a formula.
type Case = (&'static str, PairModel, Option<f64>);

/// All models on lattices of `side × side`, the diamond of half that order.
fn cases(side: usize) -> Result<Vec<Case>, Failure> {
    let square = |geometry| Square::new(side, side, geometry);
    let (open, torus) = (square(Geometry::Open)?, square(Geometry::Torus)?);
    let order = (side / 2) as f64;
    Ok(vec![
        ("Aztec diamond", PairModel::aztec_diamond(side / 2, [1.0; 2])?, Some(order * (order + 1.0) / 2.0 * 2f64.ln())),
        ("domain walls", PairModel::domain_walls(side, [1.0; 3])?, Some(matrices(side))),
        ("dimers, open", PairModel::dimers(open, [1.0; 2])?, Some(kasteleyn(side))),
        ("dimers, torus", PairModel::dimers(torus, [1.0; 2])?, None),
        ("ice, open", PairModel::six_vertex(open, [1.0; 3])?, None),
        ("ice, torus", PairModel::six_vertex(torus, [1.0; 3])?, None),
        ("3-colourings, open", PairModel::colourings(open, 3)?, None),
        ("3-colourings, torus", PairModel::colourings(torus, 3)?, None),
        ("hard squares z = 1, torus", PairModel::hard_squares(torus, 1.0)?, None),
        ("hard squares z = 3.7962, torus", PairModel::hard_squares(torus, 3.7962)?, None),
    ])
}

/// Logarithm of the number of alternating-sign matrices, `∏_{k<n} (3k+1)!/(n+k)!`.
fn matrices(n: usize) -> f64 {
    let log_factorial = |m: usize| (1..=m).map(|k| (k as f64).ln()).sum::<f64>();
    (0..n).map(|k| log_factorial(3 * k + 1) - log_factorial(n + k)).sum()
}

/// Logarithm of the number of domino tilings of a square of even side, by Kasteleyn's product.
fn kasteleyn(n: usize) -> f64 {
    let cosine = |k: usize| (std::f64::consts::PI * k as f64 / (n + 1) as f64).cos();
    let factor = |j, k| 4.0 * cosine(j) * cosine(j) + 4.0 * cosine(k) * cosine(k);
    (1..=n / 2).flat_map(|j| (1..=n / 2).map(move |k| (j, k))).map(|(j, k)| factor(j, k).ln()).sum()
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(Some(1))?;
    let (side, n) = (o.side.unwrap_or(16), o.samples.unwrap_or(4 * BLOCK).div_ceil(BLOCK) * BLOCK);
    let chis = o.chi.clone().unwrap_or_else(|| "8,16,32".into());
    let chis: Vec<usize> =
        chis.split(',').map(str::parse).collect::<Result<_, _>>().map_err(|e| format!("--chi {chis}: {e}"))?;
    let wanted = o.model.clone().unwrap_or_default();
    if side % 2 == 1 {
        return Err(format!("--side {side}: even, or nothing is tiled by dominoes").into());
    }
    let cases: Vec<Case> = cases(side)?.into_iter().filter(|case| case.0.contains(&wanted)).collect();
    if cases.is_empty() {
        return Err(format!("--model {wanted}: no such model").into());
    }
    let bar = progress::bar((cases.len() * chis.len()) as u64);
    let (mut lines, mut rows) = (vec![], vec![]);
    for (name, model, exact) in &cases {
        for &chi in &chis {
            let clock = Instant::now();
            let model = &if o.balanced { model.balanced()? } else { model.clone() };
            let q = BoundaryMps::proposal(model, chi)?;
            let build = clock.elapsed().as_secs_f64();
            let streams = Streams::new(o.seed);
            let (mut log_w, mut seconds, mut floored) = (Vec::with_capacity(n), 0.0, 0);
            for block in 0..n / BLOCK {
                let clock = Instant::now();
                let draws = q.draw_counted(BLOCK, &streams.rows_from(block * BLOCK))?;
                seconds += clock.elapsed().as_secs_f64();
                floored += draws.floored;
                log_w.extend(draws.samples.log_importance_weights(model)?);
            }
            let log_w = ndarray::Array1::from(log_w);
            let fraction = WeightSummary::of(log_w.view())?.fraction;
            let log_z = Estimate::log_mean_weight(log_w.view())?;
            let zero = log_w.iter().filter(|w| **w == f64::NEG_INFINITY).count();
            let most = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max) - log_z.mean;
            lines.push(vec![
                (*name).to_owned(),
                format!("{0} × {0}", side),
                chi.to_string(),
                format!("{fraction:.5}"),
                zero.to_string(),
                number(floored as f64 / (n * model.dims().len()) as f64, 2),
                number(most, 3),
                format!("{:.6} ± {:.1e}", log_z.mean, log_z.error),
                exact.map_or_else(|| format!("({:.6})", q.log_z()), |z| format!("{z:.6}")),
                number(1e6 * seconds / n as f64, 3),
                number(build, 3),
            ]);
            rows.push(json!({
                "model": name, "side": side, "chi": chi, "samples": n, "fraction": fraction, "zero": zero,
                "floored": floored, "max_log_weight": most, "log_z": log_z.mean, "stderr_log_z": log_z.error,
                "log_z_exact": exact, "log_z_contraction": q.log_z(), "truncation_error": q.truncation_error(),
                "seconds_per_draw": seconds / n as f64, "build_seconds": build,
            }));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let header =
        ["model", "lattice", "χ", "ESS", "zero", "floored", "max log w", "log Z", "exact", "µs a draw", "build s"];
    print(&if o.json {
        options::json(&o, &json!({ "rows": rows }))?
    } else {
        render(&header, &lines)
            + "\nESS as a fraction of the draws; zero: draws of weight zero; floored: choices raised to the floor, of \
               all;\nmax log w above log Z; in brackets log Z by contraction; one thread.\n"
    })
}
