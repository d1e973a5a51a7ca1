//! A learning run that is killed at random moments continues bit for bit.

use std::path::Path;

use tensorjump::io::{Checkpoint, Interval};
use tensorjump::learn::{BornOptions, Data, Training};
use tensorjump::model::BornMps;
use tensorjump::{Error, Streams};

use super::files::folder;
use super::some_samples;
use crate::common::kills::{kill, number, told};

const CHILD: &str = "learn::kills::child";
const ROUNDS: usize = 150;

fn options(seed: u64, checkpoint: Option<Checkpoint>) -> BornOptions {
    let training = Training { rounds: ROUNDS, patience: ROUNDS, batch: 200, seed, checkpoint, ..Training::default() };
    BornOptions { training, ..BornOptions::default() }
}

fn data() -> Data {
    Data::new(some_samples(400, 16), &[2; 16]).unwrap()
}

/// The child: learns with a checkpoint each round and writes the model when it is done.
#[test]
fn child() {
    let Some(told) = told(CHILD) else { return };
    let (folder, seed) = told.split_once('|').unwrap();
    let at = Path::new(folder);
    let checkpoint = Checkpoint { path: at.join("state"), every: Interval::Steps(1) };
    let fit = options(seed.parse().unwrap(), Some(checkpoint)).fit(&data()).unwrap();
    fit.model.write(at.join("model")).unwrap();
}

#[test]
fn killed_runs_continue_bit_for_bit() {
    let (kills, at) = (number(8), folder("kills"));
    let run = |seed| format!("{}|{seed}", at.display());
    let in_the_middle = kill(CHILD, kills, &mut Streams::new(77).stream(0), &at.join("state"), run, |seed| {
        let whole = options(seed as u64, None).fit(&data()).unwrap();
        let model = BornMps::read(at.join("model")).unwrap();
        assert_eq!(model.amplitude(), whole.model.amplitude(), "seed {seed}");
        std::fs::remove_file(at.join("state")).unwrap();
        std::fs::remove_file(at.join("model")).unwrap();
    });
    assert!(2 * in_the_middle > kills, "too few kills came after the first checkpoint");
    assert!(matches!(BornMps::read(at.join("model")), Err(Error::File { .. })));
    std::fs::remove_dir_all(at).unwrap();
}
