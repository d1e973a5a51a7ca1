//! What was measured, as JSON and as tables.

use serde::Serialize;
use tensorjump::lattice::Square;
use tensorjump::mcmc::Estimate;

use crate::common::ising::connected;
use crate::common::ising::exact::Exact;
use crate::common::ising::measure::{Measured, Method, Tau};
use crate::common::ising::system::{System, name_of};
use crate::common::table::{number, render};

/// The report of `--json`; what does not apply, or is not a finite number, is null.
#[derive(Debug, Serialize)]
pub struct Report {
    log_z: Option<f64>,
    log_z_stderr: Option<f64>,
    log_z_contraction: Option<f64>,
    energy_per_site: f64,
    energy_stderr: f64,
    m2: f64,
    m2_stderr: f64,
    acceptance: Option<f64>,
    importance_ess_fraction: Option<f64>,
    max_log_weight: Option<f64>,
    tau_energy: Option<f64>,
    tau_abs_m: Option<f64>,
    samples_per_second: f64,
    independent_per_second: f64,
    build_seconds: f64,
    discarded_weight: Option<f64>,
    floored: Option<u64>,
}

impl Report {
    pub fn new(m: &Measured) -> Self {
        Report {
            log_z: m.log_z.map(|z| z.mean),
            log_z_stderr: m.log_z.map(|z| z.error),
            log_z_contraction: m.log_z_contraction,
            energy_per_site: m.energy.mean,
            energy_stderr: m.energy.error,
            m2: m.m2.mean,
            m2_stderr: m.m2.error,
            acceptance: m.acceptance,
            importance_ess_fraction: m.importance_ess_fraction,
            max_log_weight: m.max_log_weight,
            tau_energy: m.tau.map(|[energy, _]| energy.updates),
            tau_abs_m: m.tau.map(|[_, m]| m.updates),
            samples_per_second: m.samples_per_second,
            independent_per_second: m.independent_per_second,
            build_seconds: m.build_seconds,
            discarded_weight: m.discarded_weight,
            floored: m.floored,
        }
    }
}

fn dash() -> String {
    "–".into()
}

/// A value to the digits that its error leaves.
fn with_error(e: Estimate) -> [String; 2] {
    if e.error <= 0.0 || e.error.is_nan() {
        return [number(e.mean, 6), "0".into()];
    }
    let digits = |v: f64| if v == 0.0 { 0.0 } else { v.abs().log10().floor() };
    let significant = (digits(e.mean) - digits(e.error) + 2.0).clamp(2.0, 10.0) as usize;
    [number(e.mean, significant), number(e.error, 2)]
}

/// Deviation from an exact value in standard errors.
fn off_by(e: Estimate, exact: Option<f64>) -> String {
    match exact {
        Some(exact) if e.error > 0.0 => format!("{:+.1} σ", (e.mean - exact) / e.error),
        _ => dash(),
    }
}

fn method_name(m: &Measured, main: Square) -> String {
    let mut name = m.method.name().to_owned();
    if let Some(chi) = m.chi {
        name += &format!(" χ = {chi}");
    }
    if let Some(t) = m.noise_time {
        name += &format!(", T = {t}");
    }
    if m.system.lattice() != main {
        name += &format!(" ({})", name_of(m.system.lattice()));
    }
    name
}

/// The report for people; `exact` are the exact values of each method's model.
pub fn text(system: &System, measured: &[Measured], exact: &[Exact]) -> String {
    let lattice = system.lattice();
    let mut text = format!(
        "{}, {}, β = {}, {} configurations of each method\n\n",
        system.name(),
        name_of(lattice),
        number(system.beta(), 7),
        measured[0].samples
    );
    text += &observables(measured, exact, lattice);
    text += "\nC = β² Var(E)/N.";
    if measured.iter().any(|m| m.field_energy.is_some()) {
        text += " E without the field; in the field, per site:\n";
        for m in measured {
            if let Some(e) = m.field_energy {
                let [value, error] = with_error(e);
                text += &format!("  {}: {value} ± {error}\n", method_name(m, lattice));
            }
        }
    } else {
        text += "\n";
    }
    text += "\n";
    text += &efficiency(measured, lattice);
    for m in measured {
        if let Some(tuned) = &m.tuned {
            text += &format!("\n{}", connected::table(tuned));
        }
    }
    text += "\nτ = ½ + Σρ in updates: one sweep, one cluster, one window or sweep of windows, one connected move (≥, ≤: the series is shorter than 100 τ). Independent configurations in a \
             second of CPU time:\ndraws/s × ESS/n, or updates/s ÷ 2τ of the slower of E and |m|. Largest weight: log of the largest over the \
             mean importance weight.\n\n";
    text += &log_z(measured, exact, lattice);
    text
}

fn observables(measured: &[Measured], exact: &[Exact], main: Square) -> String {
    let known = |value: Option<f64>, digits| value.map_or_else(dash, |v| number(v, digits));
    let header = ["method", "E/N", "± σ", "exact", "off by", "m²", "± σ", "exact", "C/N", "± σ", "exact"];
    let row = |(m, exact): (&Measured, &Exact)| {
        let ([energy, energy_error], [m2, m2_error], [heat, heat_error]) =
            (with_error(m.energy), with_error(m.m2), with_error(m.heat));
        vec![
            method_name(m, main),
            energy,
            energy_error,
            known(exact.energy, 7),
            off_by(m.energy, exact.energy),
            m2,
            m2_error,
            known(exact.m2, 5),
            heat,
            heat_error,
            known(exact.heat, 5),
        ]
    };
    render(&header, &measured.iter().zip(exact).map(row).collect::<Vec<_>>())
}

fn efficiency(measured: &[Measured], main: Square) -> String {
    let header = ["method", "acceptance", "ESS/n", "largest weight", "τ(E)", "τ(|m|)", "CPU µs", "independent/s"];
    let tau = |t: Option<Tau>| {
        t.map_or_else(dash, |t| format!("{}{}", if t.lower_bound { "≥ " } else { "" }, number(t.updates, 3)))
    };
    let bound = |m: &Measured| m.tau.is_some_and(|tau| tau.iter().any(|tau| tau.lower_bound));
    let row = |m: &Measured| {
        vec![
            method_name(m, main),
            m.acceptance.map_or_else(dash, |a| number(a, 5)),
            m.importance_ess_fraction.map_or_else(dash, |f| number(f, 5)),
            m.max_log_weight.map_or_else(dash, |w| number(w, 3)),
            tau(m.tau.map(|t| t[0])),
            tau(m.tau.map(|t| t[1])),
            number(1e6 / m.samples_per_second, 3),
            format!("{}{}", if bound(m) { "≤ " } else { "" }, number(m.independent_per_second, 3)),
        ]
    };
    render(&header, &measured.iter().map(row).collect::<Vec<_>>())
}

fn log_z(measured: &[Measured], exact: &[Exact], main: Square) -> String {
    let mut text = String::new();
    for (m, exact) in measured.iter().zip(exact) {
        let Some(contraction) = m.log_z_contraction else { continue };
        text += &format!("log Z, {}: ", method_name(m, main));
        if let Some(z) = m.log_z {
            text += &format!("{:.5} ± {} by importance sampling, ", z.mean, number(z.error, 2));
        }
        let how = if m.method == Method::Snake { "transfer" } else { "contraction" };
        text += &format!("{contraction:.7} by {how}");
        if let Some(z) = exact.log_z {
            text += &format!(", {z:.7} exact");
        }
        if let Some(weight) = m.discarded_weight {
            text += &format!("; discarded weight {}", number(weight, 2));
        }
        if let Some(floored) = m.floored.filter(|&n| n > 0) {
            text += &format!(", {floored} choices at the floor");
        }
        text += &format!("; built in {} s\n", number(m.build_seconds, 2));
        if m.log_z.is_some_and(|z| (z.mean - contraction).abs() > 5.0 * z.error + 1e-6 * contraction.abs()) {
            text += "  the two differ by more than five standard errors: the draws miss part of the law, or the contraction is not accurate\n";
        }
    }
    text
}
