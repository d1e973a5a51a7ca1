//! Bond energies of the periodic 4³ ferromagnet by every move, against transfer matrices.

use ndarray::ArrayView1;
use serde_json::{Value, json};
use tensorjump::lattice::{CubicClusters, CubicCouplings, CubicIsing, CubicMove, CubicTempering};
use tensorjump::mcmc::{Chains, Move, RunOptions};
use tensorjump_studies::Failure;
use tensorjump_studies::progress::ProgressBar;
use tensorjump_studies::table::{number, render};

use super::speed::{cube, of_name};

/// β and the bond energy.
const EXACT: [(f64, f64); 3] = [(0.1, 0.105_539_6), (0.221_654_63, 0.431_076_0), (0.3, 0.838_357_8)];

/// The error that every move must reach.
const ERROR: f64 = 2e-4;

/// Names of the moves; the others are tempering in the ladder of the three β and four between.
const MOVES: [&str; 8] = ["heat", "metropolis", "1x1", "2x2", "3x2", "4x2", "Wolff", "Swendsen-Wang"];

/// How many tables of a move there are.
pub fn count() -> u64 {
    (EXACT.len() * MOVES.len() + 2) as u64
}

/// A table of all, with the deviation in standard errors; fails where one is not below four.
pub fn table(seed: u64, bar: &ProgressBar) -> Result<(String, Value), Failure> {
    let (mut rows, mut values, mut worst) = (vec![], vec![], 0.0f64);
    let mut add = |name: &str, beta: f64, exact: f64, found: (f64, f64)| {
        let ((mean, error), sigmas) = (found, (found.0 - exact) / found.1);
        worst = worst.max(sigmas.abs()).max(if error <= ERROR && sigmas.is_finite() { 0.0 } else { f64::INFINITY });
        let cells = [(beta, 8), (mean, 7), (error, 2), (exact, 7), (sigmas, 2)];
        rows.push(
            std::iter::once(name.to_owned()).chain(cells.map(|(x, digits)| number(x, digits))).collect::<Vec<_>>(),
        );
        values.push(json!({ "move": name, "beta": beta, "mean": mean, "error": error, "exact": exact }));
    };
    for (beta, exact) in EXACT {
        let ising = CubicIsing::new(CubicCouplings::uniform(cube(4)?, 1.0)?, beta)?;
        for name in MOVES {
            let by: Box<dyn Move> = match name {
                "Wolff" => Box::new(CubicClusters::wolff(&ising)?),
                "Swendsen-Wang" => Box::new(CubicClusters::swendsen_wang(&ising)?),
                local => Box::new(of_name(local)?.of(&ising, 2)?),
            };
            // Longer and longer, until the error is small enough.
            let mut updates = 16_384;
            let found = loop {
                let mut chains = Chains::initial(&ising, 32, seed)?;
                let options = RunOptions { updates, warm_up: 500, ..RunOptions::default() };
                let run = options.run(&ising, &*by, &mut chains, |x| Ok(ising.energy(x)? / -192.0))?;
                let found = run.mean(0)?;
                if found.error <= ERROR || updates >= 1 << 20 {
                    break found;
                }
                updates *= 4;
            };
            add(name, beta, exact, (found.mean, found.error));
            bar.inc(1);
        }
    }
    for name in ["heat", "2x2"] {
        for (found, (beta, exact)) in tempered(of_name(name)?, seed)?.into_iter().zip(EXACT) {
            add(&format!("tempering, {name}, clusters"), beta, exact, found);
        }
        bar.inc(1);
    }
    let header = ["move", "β", "bond energy", "error", "exact", "σ"];
    let text = format!("{}\nlargest deviation {worst:.2} σ\n", render(&header, &rows));
    if worst < 4.0 { Ok((text, json!({ "worst": worst, "moves": values }))) } else { Err(text.into()) }
}

/// Means and errors of the bond energy at the three β by tempering with clusters, longer and longer until
/// all errors are small enough.
fn tempered(by: CubicMove, seed: u64) -> Result<[(f64, f64); 3], Failure> {
    // Means over so many updates are as good as independent; copies are not, clusters join them.
    const PART: usize = 1024;
    let couplings = CubicCouplings::uniform(cube(4)?, 1.0)?;
    let ladder = [0.1, 0.15, 0.19, EXACT[1].0, 0.25, 0.275, 0.3];
    let mut tempering = CubicTempering::new(couplings, &ladder, 16, seed)?.with_moves(by, 2)?.with_clusters(0.15);
    tempering.advance(500)?;
    let mut parts: [Vec<f64>; 3] = Default::default();
    loop {
        for _ in 0..64 {
            let mut means = [0.0; 3];
            for _ in 0..PART {
                tempering.update()?;
                let energy = tempering.energy();
                for (mean, level) in means.iter_mut().zip([0, 3, 6]) {
                    *mean += energy.row(level).sum() / (-192.0 * 16.0 * PART as f64);
                }
            }
            parts.iter_mut().zip(means).for_each(|(parts, mean)| parts.push(mean));
        }
        let found = parts.each_ref().map(|parts| {
            let parts = ArrayView1::from(parts);
            (parts.mean().unwrap_or(f64::NAN), parts.std(1.0) / (parts.len() as f64).sqrt())
        });
        if found.iter().all(|(_, error)| *error <= ERROR) || parts[0].len() >= 1024 {
            return Ok(found);
        }
    }
}
