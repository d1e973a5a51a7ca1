//! Runs of chains and of tempering that are killed at random moments end as if nothing had been.
//!
//! The test starts itself as a child process, kills it, and starts it again; `TENSORJUMP_KILLS` sets the number
//! of kills.

use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs};

use ndarray::Array1;
use rand::RngExt;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{BoundaryMps, SpinSweep};
use tensorjump::mcmc::*;
use tensorjump::{Configs, Result, Streams};

use crate::runs::ising;

const CHILD: &str = "TENSORJUMP_KILL_CHAINS";
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

/// The child: runs with a state after every seventh update, and says what the run gave. Does nothing when run
/// as a test of its own.
#[test]
fn child() {
    let Ok(asked) = env::var(CHILD) else { return };
    let [folder, tempering, seed] = asked.split('|').collect::<Vec<_>>().try_into().unwrap();
    let checkpoint = Checkpoint { path: Path::new(folder).join("state"), every: Interval::Steps(7) };
    let told = run(tempering == "true", seed.parse().unwrap(), Some(&checkpoint)).unwrap();
    fs::write(Path::new(folder).join("told"), told).unwrap();
}

const FILES: [&str; 3] = ["state", "state.series.npy", "state.log_weight.npy"];

/// Kills so many runs and lets each end at last; returns how many were killed with a state on disk.
fn kill(tempering: bool, kills: usize) -> usize {
    let at = env::temp_dir().join(format!("tensorjump kill chains {tempering} {}", std::process::id()));
    let _ = fs::remove_dir_all(&at);
    fs::create_dir_all(&at).unwrap();
    let mut stream = Streams::new(78).domain(if tempering { "tempering" } else { "chains" }).stream(0);
    let (mut killed, mut in_the_middle, mut seed) = (0, 0, 0);
    while killed < kills || seed == 0 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "mcmc::kills::child"])
            .env(CHILD, format!("{}|{tempering}|{seed}", at.display()))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        if killed < kills {
            sleep(Duration::from_millis(stream.random_range(1..400)));
        }
        let ended = if killed < kills { child.try_wait().unwrap() } else { Some(child.wait().unwrap()) };
        match ended {
            None => {
                child.kill().unwrap();
                // It may have ended between the look and the kill.
                if child.wait().unwrap().success() {
                    continue;
                }
                killed += 1;
                in_the_middle += usize::from(at.join("state").exists());
            }
            Some(status) => {
                assert!(status.success(), "a resume failed after {killed} kills");
                let whole_at = at.join("whole");
                fs::create_dir_all(&whole_at).unwrap();
                let checkpoint = Checkpoint { path: whole_at.join("state"), every: Interval::Steps(400) };
                let whole = run(tempering, seed, Some(&checkpoint)).unwrap();
                assert!(fs::read_to_string(at.join("told")).unwrap() == whole, "another run after {killed} kills");
                assert_eq!(run(tempering, seed, None).unwrap(), whole);
                for file in &FILES[1..] {
                    assert_eq!(fs::read(at.join(file)).unwrap(), fs::read(whole_at.join(file)).unwrap(), "{file}");
                }
                FILES.iter().for_each(|file| fs::remove_file(at.join(file)).unwrap());
                fs::remove_dir_all(whole_at).unwrap();
                seed += 1;
            }
        }
    }
    println!("tempering {tempering}: {killed} kills, {in_the_middle} with a state on disk, {seed} runs finished");
    fs::remove_dir_all(at).unwrap();
    in_the_middle
}

#[test]
fn killed_runs_end_bit_for_bit() {
    let kills: usize = env::var("TENSORJUMP_KILLS").ok().map_or(20, |k| k.parse().unwrap());
    for tempering in [false, true] {
        let in_the_middle = kill(tempering, kills.div_ceil(2));
        assert!(4 * in_the_middle > kills, "too few kills came after the first state");
    }
}
