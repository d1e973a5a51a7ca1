//! The tables in text, each with what in it is computed and what is estimated.

use tensorjump_studies::table::{number, render};
use tensorjump_studies::transitions::Estimate;

use crate::{blind, exact, letters, orders, particles};

fn estimate((value, error): Estimate) -> String {
    format!("{} ± {}", number(value, 3), number(error, 1))
}

/// An order with its error.
fn order((value, error): Estimate) -> String {
    format!("{value:.2} ± {error:.2}")
}

pub fn exact(rows: &[exact::Row], gaps: &[exact::Gap], left_out: &[String]) -> String {
    let line = |row: &exact::Row| {
        let numbers = [
            row.total_variation,
            row.of_sampler,
            row.of_denoiser,
            row.kl,
            row.reverse_kl,
            row.pairs,
            row.far,
            row.lost,
        ];
        let slope = row.order.map_or_else(|| "–".into(), order);
        let mut cells =
            vec![row.denoiser.clone(), row.sampler.into(), row.steps.to_string(), row.evaluations.to_string()];
        cells.extend(numbers.map(|v| number(v, 3)));
        cells.push(slope);
        cells
    };
    let header = [
        "denoiser",
        "sampler",
        "steps",
        "evaluations",
        "TV",
        "of sampler",
        "of denoiser",
        "KL(P‖law)",
        "KL(law‖P)",
        "pairs",
        "far",
        "lost",
        "order",
    ];
    let mut text = render(&header, &rows.iter().map(line).collect::<Vec<_>>());
    text += "\nAll computed by enumeration, in nats; of sampler: TV with the exact denoiser; of denoiser: TV to the law reached\n\
             with it; pairs, far: largest TV of two neighbours, of two other sites; order: slope and its scatter.\n\nLikelihood bound above its minimum, computed\n\n";
    let gap = |gap: &exact::Gap| vec![gap.denoiser.clone(), number(gap.nelbo_gap, 4)];
    text += &render(&["denoiser", "nats"], &gaps.iter().map(gap).collect::<Vec<_>>());
    left_out.iter().for_each(|line| text += &format!("left out, {line}\n"));
    text
}

pub fn letters(
    rows: &[letters::Row],
    schedules: &[letters::Schedule],
    sequential: &[letters::Sequential],
    entropy_rate: f64,
) -> String {
    let line = |row: &letters::Row| {
        let t = &row.transitions;
        let mut cells =
            vec![row.denoiser.clone(), row.sampler.clone(), row.steps.to_string(), number(row.evaluations, 3)];
        cells.extend([t.divergence, t.variation, t.unigram, t.entropy_rate].map(estimate));
        cells.push(format!("{} at {}", number(row.worst, 2), row.at));
        cells.push(estimate(row.log_ratio));
        cells.push(number(row.spread, 3));
        cells
    };
    let header = [
        "denoiser",
        "sampler",
        "steps",
        "evaluations",
        "transition KL",
        "transition TV",
        "unigram L1",
        "entropy rate",
        "agreement, worst/σ",
        "log P + H, a letter",
        "spread",
    ];
    let mut text = render(&header, &rows.iter().map(line).collect::<Vec<_>>());
    text += &format!(
        "\nEstimated from draws, with standard errors; the first line is the floor. Exact entropy rate {} nats.\n\n\
         Unmasking in random order with the exact denoiser: KL(P ‖ law given the order), nats a letter, computed\n\n",
        number(entropy_rate, 5)
    );
    let schedule = |s: &letters::Schedule| vec![s.steps.to_string(), number(s.equal, 3), number(s.best, 3)];
    text += &render(&["steps", "equal steps", "best steps"], &schedules.iter().map(schedule).collect::<Vec<_>>());
    text += "\nOne letter at a time in random order: the same\n\n";
    let one = |s: &letters::Sequential| {
        let exact = s.exact.map_or_else(|| "–".into(), |v| number(v, 4));
        vec![s.denoiser.clone(), exact, estimate(s.estimate)]
    };
    text + &render(&["denoiser", "computed", "estimated"], &sequential.iter().map(one).collect::<Vec<_>>())
}

pub fn blind(found: &blind::Blind) -> String {
    let (ours, floor) = (&found.transitions, &found.floor);
    let measures = [
        ("transition KL", ours.divergence, floor.divergence),
        ("transition TV", ours.variation, floor.variation),
        ("unigram L1", ours.unigram, floor.unigram),
        ("entropy rate", ours.entropy_rate, floor.entropy_rate),
    ];
    let line = |(name, ours, floor): (&str, Estimate, Estimate)| vec![name.into(), estimate(ours), estimate(floor)];
    let mut text = render(&["estimated from neighbours", "sampler", "exact draws"], &measures.map(line));
    text += "\nProbability of the same letter at a distance\n\n";
    let distance = |d: &blind::Distance| {
        let (data, law) = (number(d.data, 5), number(d.law, 5));
        vec![d.distance.to_string(), data, law, estimate(d.sampled), number(d.in_errors, 2)]
    };
    let rows: Vec<_> = found.distances.iter().filter(|d| d.distance.is_power_of_two() || d.distance == 3).collect();
    let rows: Vec<_> = rows.into_iter().map(distance).collect();
    text += &render(&["distance", "data, computed", "law, computed", "samples, estimated", "deviation/σ"], &rows);
    text + &format!("\nKL(P ‖ law), nats a letter, estimated: {}\n", estimate(found.divergence))
}

pub fn orders(lines: &[orders::Line]) -> String {
    let line = |l: &orders::Line| {
        let mut cells = vec![l.step.to_owned(), l.sites.to_string(), l.states.to_string(), l.noise.into()];
        cells.push(number(l.contrast, 2));
        cells.extend(l.total_variation.iter().map(|v| number(*v, 3)));
        cells.push(order((l.order, l.stderr)));
        cells.push(l.cut.map_or_else(|| "–".into(), |v| number(v, 2)));
        cells
    };
    let steps = orders::STEPS.map(|k| format!("TV, {k} steps"));
    let header: Vec<&str> = ["step", "N", "d", "noise", "weights"]
        .into_iter()
        .chain(steps.iter().map(String::as_str))
        .chain(["order", "cut off"])
        .collect();
    let mut sorted: Vec<&orders::Line> = lines.iter().collect();
    sorted.sort_by_key(|l| l.step);
    render(&header, &sorted.into_iter().map(line).collect::<Vec<_>>())
        + "\nComputed by enumeration; order: slope over the last three grids, with its scatter; cut off: share of\n\
           negative rates, estimated from draws.\n"
        + &slopes(lines)
}

/// The orders alone: a table a noise and contrast, a line a sampler, a column a shape.
fn slopes(lines: &[orders::Line]) -> String {
    let mut text = String::new();
    let shapes: Vec<_> =
        orders::shapes(false).into_iter().filter(|s| lines.iter().any(|l| (l.sites, l.states) == *s)).collect();
    for noise in ["uniform", "mask"] {
        for contrast in orders::CONTRASTS {
            let here: Vec<_> = lines.iter().filter(|l| l.noise == noise && l.contrast == contrast).collect();
            let first = |l: &&&orders::Line| shapes.first() == Some(&(l.sites, l.states));
            let row = |l: &&orders::Line| {
                let of = |s: &(usize, usize)| here.iter().find(|m| m.step == l.step && (m.sites, m.states) == *s);
                let cell = |s| of(s).map_or_else(|| "–".into(), |m| order((m.order, m.stderr)));
                std::iter::once(l.step.to_owned()).chain(shapes.iter().map(cell)).collect::<Vec<_>>()
            };
            let names: Vec<String> = shapes.iter().map(|(n, d)| format!("N = {n}, d = {d}")).collect();
            let header: Vec<&str> = std::iter::once("order").chain(names.iter().map(String::as_str)).collect();
            text += &format!("\n{noise} noise, weights from 1 to {contrast}\n\n");
            text += &render(&header, &here.iter().filter(first).map(row).collect::<Vec<_>>());
        }
    }
    text
}

pub fn particles(lines: &[particles::Line]) -> String {
    let line = |l: &particles::Line| {
        let mut cells = vec![number(l.gamma, 2), l.steps.to_string(), number(l.unweighted, 3), number(l.step_bias, 3)];
        cells.extend(l.total_variation.iter().map(|e| estimate(*e)));
        cells.push(l.fall.map_or_else(|| "–".into(), order));
        cells
    };
    let counts = particles::COUNTS.map(|n| format!("{n} particles"));
    let shown = lines.first().map_or(0, |l| l.total_variation.len());
    let header: Vec<&str> = ["γ", "steps", "TV, no weights", "TV, ∞ particles"]
        .into_iter()
        .chain(counts.iter().take(shown).map(String::as_str))
        .chain(["power, to 1024"])
        .collect();
    render(&header, &lines.iter().map(line).collect::<Vec<_>>())
        + "\nTV to P(x|label)^γ P(x)^{1−γ}; the first two are computed, the others are means over runs; power of\n\
           the number of particles with which they fall.\n"
}
