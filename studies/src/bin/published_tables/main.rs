//! The published tables of neural samplers on lattices, with this library's rows and the exact values beside.
//!
//! ```text
//! cargo run --release -p tensorjump-studies --bin published_tables # up to 32 × 32
//! cargo run --release -p tensorjump-studies --bin published_tables -- --side 128 --json
//! ```
//!
//! Each system is drawn independently by boundary states ([`BoundaryMps`](tensorjump::lattice::BoundaryMps));
//! nothing is learned. Errors of draws *without* weights are differences to the same draws with weights. The
//! published figures are in `studies/published/lattices.json` with their arXiv numbers; their errors of
//! magnetisation and pairs are as their authors define them, and stand for the order of magnitude.

mod kaufman;
mod measure;
mod pictures;
mod published;
mod systems;

use std::process::ExitCode;

use serde_json::json;
use tensorjump::mcmc::Estimate;
use tensorjump_studies::output::finish;
use tensorjump_studies::table::{number, render};
use tensorjump_studies::{Failure, options, progress};

use measure::Measured;
use published::Published;
use systems::System;

options! {
    /// Published tables of samplers on lattices, with exact values and independent draws beside
    struct Options [seed, threads, json, out "out/published_tables"] {
        /// Longest side: 16, 24, 32, 64, 128, or 1024 for the glass
        side: usize = 32,
        /// Draws of each system; large ones take a stated share
        samples: usize = 102400,
        /// Only systems whose name has this text (`ising torus 16 0.44`)
        only: Option<String>,
    }
}

fn main() -> ExitCode {
    tensorjump_studies::exit(run())
}

fn run() -> Result<(), Failure> {
    let o: Options = options::parse()?;
    options::set_threads(o.threads)?;
    options::positive("samples", o.samples)?;
    let folder = o.out.open(o.json)?;
    let published = published::all()?;
    let chosen = |s: &System| o.only.as_ref().is_none_or(|text| s.name.contains(text.as_str()));
    let systems: Vec<System> = System::all(o.side)?.into_iter().filter(chosen).collect();
    if systems.is_empty() {
        return Err(format!("--only {}: no such system", o.only.unwrap_or_default()).into());
    }
    let bar = progress::bar(systems.len() as u64);
    let mut measured = Vec::new();
    for system in &systems {
        bar.set_message(system.name.clone());
        measured.push(Measured::new(system, o.samples, o.seed)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let all: Vec<_> = systems.iter().zip(&measured).collect();
    let worst = all.iter().filter_map(|(s, m)| sigmas(s, m)).fold(0.0, |a: f64, [z, e]| a.max(z.abs()).max(e.abs()));
    let text = if o.json {
        let row = |(s, m): &(&System, &Measured)| {
            let beside: Vec<_> = published.iter().filter(|p| p.system == s.name).collect();
            let (log_z, energy) = s.exact.unzip();
            json!({
                "system": s.name, "chi": s.chi, "measured": m, "published": beside, "sigmas": sigmas(s, m),
                "exact": { "log_z": log_z, "energy_per_site": energy.map(|e| e / s.sites()) },
            })
        };
        options::json(&o, &json!({ "rows": all.iter().map(row).collect::<Vec<_>>(), "worst_sigmas": worst }))?
    } else {
        tables(&all, &published)
    };
    finish(&text, folder.as_ref(), || pictures::all(&all, &published))?;
    if worst > 5.0 { Err(format!("a value is {worst:.1} standard errors off").into()) } else { Ok(()) }
}

/// Deviations of `log Z` and energy from the exact values, in standard errors. Weights are in single precision:
/// 3e-8 of each site's choice is rounding.
fn sigmas(system: &System, measured: &Measured) -> Option<[f64; 2]> {
    let (log_z, energy) = system.exact?;
    let rounding = 3e-8 * system.sites();
    let Estimate { mean, error } = measured.energy_per_site;
    Some([
        (measured.log_z.mean - log_z) / measured.log_z.error.hypot(rounding),
        (mean - energy / system.sites()) / error,
    ])
}

/// The tables as text.
fn tables(all: &[(&System, &Measured)], published: &[Published]) -> String {
    let maybe = |value: Option<f64>, digits| value.map_or_else(String::new, |v| number(v, digits));
    let (mut quality, mut values) = (vec![], vec![]);
    for (s, m) in all {
        quality.push(vec![
            s.name.clone(),
            format!("here, χ = {}", s.chi),
            format!("{:.5}", m.ess),
            number(m.max_log_weight, 2),
            format!("{:.4}", m.acceptance),
            format!("{:.2}/{:.2}", m.tau_energy, m.tau_order),
            format!("{:.4}", m.elbo.mean),
            format!("{:.4}", m.eubo.mean),
            number(m.raw_order_error, 2),
            number(m.raw_pair_error, 2),
            number(m.raw_up_divergence, 2),
            number(1e6 * m.seconds_per_draw, 3),
        ]);
        for p in published.iter().filter(|p| p.system == s.name) {
            let tau = p.tau_energy.zip(p.tau_order).map_or_else(String::new, |(e, o)| format!("{e:.2}/{o:.2}"));
            quality.push(vec![
                String::new(),
                format!("{}, {}", p.method, p.source),
                maybe(p.ess, 3),
                String::new(),
                maybe(p.acceptance, 4),
                tau,
                maybe(p.elbo, 9),
                maybe(p.eubo, 6),
                maybe(p.order_error, 2),
                maybe(p.pair_error, 2),
                maybe(p.up_divergence, 2),
                maybe(p.seconds_per_draw.map(|s| 1e6 * s), 3),
            ]);
        }
        let off = sigmas(s, m).map_or_else(String::new, |[z, e]| format!("{z:+.1}/{e:+.1}"));
        values.push(vec![
            s.name.clone(),
            m.draws.to_string(),
            format!("{:.6} ± {:.0e}", m.log_z.mean, m.log_z.error),
            s.exact.map_or_else(String::new, |(z, _)| format!("{z:.6}")),
            format!("{:.6} ± {:.0e}", m.energy_per_site.mean, m.energy_per_site.error),
            s.exact.map_or_else(String::new, |(_, e)| format!("{:.6}", e / s.sites())),
            off,
            format!("{:.6}", m.free_energy_per_site.mean),
            format!("{:.6}", m.entropy_per_site),
            format!("{:.5} ± {:.0e}", m.order.mean, m.order.error),
            number(m.build_seconds, 2),
        ]);
    }
    let quality = render(
        &[
            "system",
            "sampler",
            "ESS",
            "max log w",
            "accept",
            "τ E/|m|",
            "ELBO",
            "EUBO",
            "err |m|",
            "err pairs",
            "JS up",
            "µs a draw",
        ],
        &quality,
    );
    let values = render(
        &[
            "system",
            "draws",
            "log Z",
            "exact",
            "energy a site",
            "exact",
            "off/σ",
            "free energy",
            "entropy",
            "|m|",
            "build s",
        ],
        &values,
    );
    format!(
        "{quality}\nESS as a fraction of the draws; max log w above log Z; err and JS of draws without weights, in nats.\n\
         Published errors are as their authors define them. Times: this machine's threads; published ones on an A100.\n\n\
         {values}\nPer site and in nats; free energy is −log Z/(βN), entropy (log Z + βE)/N.\n"
    )
}
