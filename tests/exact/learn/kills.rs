//! A learning run that is killed at random moments continues bit for bit.
//!
//! The test starts itself as a child process, kills it, and starts it again; `TENSORJUMP_KILLS` sets the
//! number of kills.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rand::RngExt;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::learn::{BornOptions, Data, Training};
use tensorjump::model::BornMps;
use tensorjump::{Error, Streams};

use super::files::folder;
use super::some_samples;

const CHILD: &str = "TENSORJUMP_KILL_CHILD";
const ROUNDS: usize = 150;

fn options(seed: u64, checkpoint: Option<Checkpoint>) -> BornOptions {
    let training = Training { rounds: ROUNDS, patience: ROUNDS, batch: 200, seed, checkpoint, ..Training::default() };
    BornOptions { training, ..BornOptions::default() }
}

fn data() -> Data {
    Data::new(some_samples(400, 16), &[2; 16]).unwrap()
}

/// The child: learns with a checkpoint each round and writes the model when it is done. Does nothing when run
/// as a test of its own.
#[test]
fn child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let (folder, seed) = folder.split_once('|').unwrap();
    let at = std::path::Path::new(folder);
    let checkpoint = Checkpoint { path: at.join("state"), every: Interval::Steps(1) };
    let fit = options(seed.parse().unwrap(), Some(checkpoint)).fit(&data()).unwrap();
    fit.model.write(at.join("model")).unwrap();
}

#[test]
fn killed_runs_continue_bit_for_bit() {
    let kills: usize = std::env::var("TENSORJUMP_KILLS").ok().map_or(8, |k| k.parse().unwrap());
    let at = folder("kills");
    let mut stream = Streams::new(77).stream(0);
    let (mut killed, mut in_the_middle, mut finished) = (0, 0, 0);
    while killed < kills || finished == 0 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "learn::kills::child"])
            .env(CHILD, format!("{}|{finished}", at.display()))
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
                let whole = options(finished, None).fit(&data()).unwrap();
                let model = BornMps::read(at.join("model")).unwrap();
                assert_eq!(model.amplitude(), whole.model.amplitude(), "after {killed} kills");
                finished += 1;
                std::fs::remove_file(at.join("state")).unwrap();
                std::fs::remove_file(at.join("model")).unwrap();
            }
        }
    }
    println!("{killed} kills, {in_the_middle} of them with a checkpoint on disk, {finished} runs finished");
    assert!(2 * in_the_middle > kills, "too few kills came after the first checkpoint");
    assert!(matches!(BornMps::read(at.join("model")), Err(Error::File { .. })));
    std::fs::remove_dir_all(at).unwrap();
}
