//! Files: whole or not at all, checked when read, and a run that continues bit for bit.

use std::fs;
use std::path::{Path, PathBuf};

use tensorjump::io::{Checkpoint, Interval, read_samples, write_samples};
use tensorjump::learn::{
    self, BornMethod, BornOptions, Data, Fit, PositiveMethod, PositiveOptions, Round, Start, Training, Validation,
};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::{Error, Streams};

use super::{some_samples, untruncated};

/// A folder of one test, emptied first.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tensorjump learn {name} {}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Everything but the clock.
fn without_seconds<M>(fit: &Fit<M>) -> Vec<Round> {
    let mut rounds = fit.history.rounds.clone();
    rounds.iter_mut().for_each(|round| round.seconds = 0.0);
    rounds
}

#[test]
fn models_and_samples_come_back() {
    let at = folder("models");
    let mut stream = Streams::new(8).stream(0);
    let born = BornMps::random(&[2, 3, 2, 5], 4, &mut stream).unwrap();
    born.write(at.join("born")).unwrap();
    assert_eq!(BornMps::read(at.join("born")).unwrap().amplitude(), born.amplitude());
    let positive = PositiveMps::random(&[2, 3, 2, 5], 4, &mut stream).unwrap();
    positive.write(at.join("positive")).unwrap();
    let read = PositiveMps::read(at.join("positive")).unwrap();
    for (a, b) in read.as_mps().tensors().iter().zip(positive.as_mps().tensors()) {
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-15));
    }
    let x = some_samples(20, 7);
    write_samples(at.join("x.npy"), x.view()).unwrap();
    assert_eq!(read_samples(at.join("x.npy")).unwrap(), x);
    write_samples(at.join("t.npy"), x.t()).unwrap();
    assert_eq!(read_samples(at.join("t.npy")).unwrap(), x.t());
    // A file of the other kind, a missing one, one that cannot be written.
    assert!(matches!(BornMps::read(at.join("positive")), Err(Error::Format { .. })));
    let Err(Error::File { path, source }) = BornMps::read(at.join("none")) else { panic!("there is no such file") };
    let said = source.get().downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    assert_eq!((path, said), (at.join("none"), Some(std::io::ErrorKind::NotFound)));
    assert!(matches!(read_samples(at.join("born")), Err(Error::Format { .. })));
    assert!(matches!(born.write(at.join("no").join("folder")), Err(Error::File { .. })));
    assert!(matches!(born.write(Path::new("/")), Err(Error::File { .. })));
    fs::remove_dir_all(at).unwrap();
}

/// Any beginning of a file, and any file with a changed length, is refused.
#[test]
fn cut_off_files_are_refused() {
    let at = folder("cut");
    let born = BornMps::random(&[2; 4], 3, &mut Streams::new(8).stream(0)).unwrap();
    born.write(at.join("born")).unwrap();
    write_samples(at.join("x.npy"), some_samples(20, 7).view()).unwrap();
    for name in ["born", "x.npy"] {
        let whole = fs::read(at.join(name)).unwrap();
        for length in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
            fs::write(at.join("part"), &whole[..length]).unwrap();
            let error =
                if name == "born" { BornMps::read(at.join("part")).err() } else { read_samples(at.join("part")).err() };
            assert!(matches!(error, Some(Error::Format { .. })), "{name} cut at {length}: {error:?}");
        }
        fs::write(at.join("part"), [&whole[..], &[0; 9]].concat()).unwrap();
        let longer = BornMps::read(at.join("part")).is_err() && read_samples(at.join("part")).is_err();
        assert!(longer, "{name} with bytes behind its end");
    }
    fs::remove_dir_all(at).unwrap();
}

fn training(path: &Path, rounds: usize) -> Training {
    let checkpoint = Some(Checkpoint { path: path.to_owned(), every: Interval::Steps(1) });
    // A batch below the number of samples: the draws of the batches must continue, too.
    Training { rounds, patience: 100, batch: 150, checkpoint, ..Training::default() }
}

#[test]
fn runs_continue_bit_for_bit() {
    let at = folder("continue");
    let data = Data::new(some_samples(300, 9), &[2; 9]).unwrap();
    let born = [
        BornOptions::default().method,
        untruncated(1, 0.3),
        BornMethod::OneSite { step: learn::SweepStep::default() },
        BornMethod::Adam { rate: 0.02 },
        BornMethod::Lbfgs { memory: 3 },
    ];
    for (k, method) in born.into_iter().enumerate() {
        let options = |path: PathBuf, rounds| BornOptions {
            method,
            start: Start::Random { bond: 3 },
            training: training(&path, rounds),
        };
        let whole = options(at.join(format!("whole {k}")), 7).fit(&data).unwrap();
        let path = at.join(format!("part {k}"));
        for rounds in [1, 4, 7, 7] {
            let part = options(path.clone(), rounds).fit(&data).unwrap();
            assert_eq!(without_seconds(&part), without_seconds(&whole)[..rounds], "{method:?}");
            if rounds == 7 {
                assert_eq!(part.model.amplitude(), whole.model.amplitude(), "{method:?}");
            }
        }
    }
    for (k, method) in [PositiveMethod::Em, PositiveMethod::Adam { rate: 0.05 }, PositiveMethod::Lbfgs { memory: 3 }]
        .into_iter()
        .enumerate()
    {
        let options = |path: PathBuf, rounds| PositiveOptions {
            method,
            start: Start::Random { bond: 3 },
            training: training(&path, rounds),
        };
        let whole = options(at.join(format!("positive whole {k}")), 7).fit(&data).unwrap();
        let path = at.join(format!("positive part {k}"));
        for rounds in [2, 5, 7] {
            let part = options(path.clone(), rounds).fit(&data).unwrap();
            assert_eq!(without_seconds(&part), without_seconds(&whole)[..rounds], "{method:?}");
            if rounds == 7 {
                assert_eq!(part.model.as_mps(), whole.model.as_mps(), "{method:?}");
            }
        }
    }
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn foreign_checkpoints_are_refused_and_kept() {
    let at = folder("foreign");
    let path = at.join("state");
    let data = Data::new(some_samples(200, 6), &[2; 6]).unwrap();
    let options = BornOptions { training: training(&path, 2), ..BornOptions::default() };
    let _ = options.fit(&data).unwrap();
    let state = fs::read(&path).unwrap();
    let refused = |data: &Data, options: &BornOptions, what: &str| {
        let out = options.fit(data);
        assert!(matches!(out, Err(Error::Format { .. })), "{what}: {:?}", out.err());
        assert_eq!(fs::read(&path).unwrap(), state, "{what} changed the checkpoint");
    };
    let with = |change: &dyn Fn(&mut BornOptions)| {
        let mut options = options.clone();
        change(&mut options);
        options
    };
    refused(&data, &with(&|o| o.training.seed = 1), "another seed");
    refused(&data, &with(&|o| o.method = untruncated(2, 0.5)), "another method");
    refused(&data, &with(&|o| o.start = Start::Random { bond: 2 }), "another start");
    refused(&data, &with(&|o| o.training.batch = 10), "other batches");
    refused(&data, &with(&|o| o.training.validation = Validation::Fraction(0.2)), "another split");
    refused(&Data::new(some_samples(201, 6), &[2; 6]).unwrap(), &options, "other data");
    refused(&Data::new(some_samples(200, 7), &[2; 7]).unwrap(), &options, "another shape");
    // More rounds or more patience are the same run.
    let _ = with(&|o| o.training.patience = 200).fit(&data).unwrap();
    // Another kind of model, a model file, a cut-off file.
    let positive = PositiveOptions { training: training(&path, 2), ..PositiveOptions::default() };
    assert!(matches!(positive.fit(&data), Err(Error::Format { .. })));
    let model = at.join("model");
    BornMps::random(&[2; 6], 3, &mut Streams::new(8).stream(0)).unwrap().write(&model).unwrap();
    let out = with(&|o| o.training = training(&model, 2)).fit(&data);
    assert!(matches!(out, Err(Error::Format { .. })));
    for length in (0..state.len()).step_by(61) {
        fs::write(&path, &state[..length]).unwrap();
        let out = options.fit(&data);
        assert!(matches!(out, Err(Error::Format { .. })), "cut at {length}");
        assert_eq!(fs::read(&path).unwrap().len(), length, "a broken checkpoint was touched");
    }
    fs::remove_dir_all(at).unwrap();
}
