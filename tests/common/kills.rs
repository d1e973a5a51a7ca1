//! Runs that are killed by −9 at random moments: a test starts its own program as a child, over and over.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, path::Path};

use rand::RngExt;
use tensorjump::Stream;

/// What a child is told by, in its environment.
const TOLD: &str = "TENSORJUMP_KILL_CHILD";

/// What this process was told as the child `name`; none for a test of its own.
pub fn told(name: &str) -> Option<String> {
    env::var(TOLD).ok()?.strip_prefix(name)?.strip_prefix('|').map(str::to_string)
}

/// Number of kills: `TENSORJUMP_KILLS`, or `default`.
pub fn number(default: usize) -> usize {
    env::var("TENSORJUMP_KILLS").ok().map_or(default, |kills| kills.parse().unwrap())
}

/// Kills the test `name` so many times, each time told of `run(k)`, `k` the number of runs that have ended, and
/// lets one end at last; each end is looked at by `ended(k)`. Returns the kills that came when `state` was on
/// disk.
pub fn kill(
    name: &str,
    kills: usize,
    stream: &mut Stream,
    state: &Path,
    run: impl Fn(usize) -> String,
    mut ended: impl FnMut(usize),
) -> usize {
    let (mut killed, mut in_the_middle, mut finished) = (0, 0, 0);
    while killed < kills || finished == 0 {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", name])
            .env(TOLD, format!("{name}|{}", run(finished)))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let end = if killed < kills {
            sleep(Duration::from_millis(stream.random_range(1..400)));
            child.try_wait().unwrap()
        } else {
            Some(child.wait().unwrap())
        };
        let Some(status) = end else {
            child.kill().unwrap();
            // It may have ended between the look and the kill.
            if !child.wait().unwrap().success() {
                killed += 1;
                in_the_middle += usize::from(state.exists());
            }
            continue;
        };
        assert!(status.success(), "a resume failed after {killed} kills");
        ended(finished);
        finished += 1;
    }
    println!("{name}: {killed} kills, {in_the_middle} with a state on disk, {finished} runs finished");
    in_the_middle
}
