//! Runs of chains and of tempering that are killed at random moments end as if nothing had been.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::{env, fs};

use ndarray::Array1;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{BoundaryMps, SpinSweep};
use tensorjump::mcmc::*;
use tensorjump::{Configs, Result, Streams};

use crate::common::kills;
use crate::runs::ising;

const CHILD: &str = "mcmc::kills::child";
const UPDATES: usize = 400;

/// What is known of a run at its end, to the last bit.
fn told(runs: &[Run], extra: &str) -> String {
    let mut text = extra.to_string();
    for run in runs {
        write!(text, "\n{:?} {:?} {}", run.series.dim(), run.report, run.stopped).unwrap();
        let bits = run.series.iter().chain(&run.log_weight).map(|v| v.to_bits());
        bits.for_each(|bits| write!(text, " {bits:x}").unwrap());
    }
    text
}

/// Heat bath and draws of a network, 8 chains; or three temperatures in two copies.
fn run(tempering: bool, seed: u64, checkpoint: Option<&Checkpoint>) -> Result<String> {
    let options = RunOptions { updates: UPDATES, warm_up: 50, thin: 3, seed, ..RunOptions::default() };
    let model = ising(0.6);
    let network = BoundaryMps::new(&model, 1)?;
    if !tempering {
        let parts: Vec<Box<dyn Move>> = vec![
            Box::new(SpinSweep::heat_bath(&model)?),
            Box::new(MetropolisHastings::new(Disconnected::new(&network))),
        ];
        let dynamics = Mixture::new([0.7, 0.3].into_iter().zip(parts).collect())?;
        let mut chains = Chains::initial(&model, 8, seed)?;
        let energy = |x: Configs<'_>| model.energy(x);
        let keep_on = |_: &Progress<'_>| ControlFlow::Continue(());
        let run = options.run_with_checkpoint(&model, &dynamics, &mut chains, energy, checkpoint, keep_on)?;
        return Ok(told(&[run], &format!("{} {:?} {:?}", chains.updates(), chains.x(), chains.log_weight())));
    }
    let level = |beta: f64| {
        let target = ising(beta);
        Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
    };
    let levels = [0.3, 0.6, 1.2].into_iter().map(level).collect::<Result<_>>()?;
    let tempering = Tempering::new(levels)?.proportional()?;
    let mut replicas = tempering.start(2, seed)?;
    let overlap = |_: usize, x: Configs<'_>| {
        let agree = x.row(0).iter().zip(x.row(1)).filter(|(a, b)| a == b).count();
        Ok(Array1::from_elem(1, agree as f64 / 3.0))
    };
    let keep_on = |_: &Replicas| ControlFlow::Continue(());
    let runs = tempering.run_with_checkpoint(&options, &mut replicas, overlap, checkpoint, keep_on)?;
    Ok(told(&runs, &format!("{:?}", replicas.snapshot())))
}

/// The child: runs with a state after every seventh update, and says what the run gave.
#[test]
fn child() {
    let Some(asked) = kills::told(CHILD) else { return };
    let [folder, tempering, seed] = asked.split('|').collect::<Vec<_>>().try_into().unwrap();
    let checkpoint = Checkpoint { path: Path::new(folder).join("state"), every: Interval::Steps(7) };
    let told = run(tempering == "true", seed.parse().unwrap(), Some(&checkpoint)).unwrap();
    fs::write(Path::new(folder).join("told"), told).unwrap();
}

const FILES: [&str; 3] = ["state", "state.series.npy", "state.log_weight.npy"];

/// Kills so many runs; returns how many were killed with a state on disk.
fn kill(tempering: bool, kills: usize) -> usize {
    let at = env::temp_dir().join(format!("tensorjump kill chains {tempering} {}", std::process::id()));
    let _ = fs::remove_dir_all(&at);
    fs::create_dir_all(&at).unwrap();
    let mut stream = Streams::new(78).domain(if tempering { "tempering" } else { "chains" }).stream(0);
    let argument = |seed| format!("{}|{tempering}|{seed}", at.display());
    let in_the_middle = kills::kill(CHILD, kills, &mut stream, &at.join("state"), argument, |seed| {
        let seed = seed as u64;
        let whole_at = at.join("whole");
        fs::create_dir_all(&whole_at).unwrap();
        let checkpoint = Checkpoint { path: whole_at.join("state"), every: Interval::Steps(400) };
        let whole = run(tempering, seed, Some(&checkpoint)).unwrap();
        assert!(fs::read_to_string(at.join("told")).unwrap() == whole, "another run, seed {seed}");
        assert_eq!(run(tempering, seed, None).unwrap(), whole);
        for file in &FILES[1..] {
            assert_eq!(fs::read(at.join(file)).unwrap(), fs::read(whole_at.join(file)).unwrap(), "{file}");
        }
        FILES.iter().for_each(|file| fs::remove_file(at.join(file)).unwrap());
        fs::remove_dir_all(whole_at).unwrap();
    });
    fs::remove_dir_all(at).unwrap();
    in_the_middle
}

#[test]
fn killed_runs_end_bit_for_bit() {
    let kills = kills::number(20);
    for tempering in [false, true] {
        let in_the_middle = kill(tempering, kills.div_ceil(2));
        assert!(4 * in_the_middle > kills, "too few kills came after the first state");
    }
}
