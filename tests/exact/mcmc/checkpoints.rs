//! Runs that keep their state in files: stopped anywhere they go on bit for bit, and files of others are refused.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Axis};
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{BoundaryMps, Ising, SpinSweep};
use tensorjump::mcmc::*;
use tensorjump::{Configs, Error, Result};

use super::states::{folder, refused, with_ladders};
use crate::runs::ising;

/// A run of 6 chains with two observables.
struct Case {
    ising: Ising,
    network: BoundaryMps,
    options: RunOptions,
}

const CHAINS: usize = 6;

impl Case {
    fn new() -> Self {
        let ising = ising(0.6);
        let network = BoundaryMps::new(&ising, 1).unwrap();
        let options = RunOptions { updates: 41, warm_up: 8, thin: 3, seed: 9, first_chain: 2 };
        Case { ising, network, options }
    }

    fn observe(&self) -> impl Fn(Configs<'_>) -> Result<Array2<f64>> {
        |x| {
            let up = x.mapv(f64::from).sum_axis(Axis(1));
            Ok(ndarray::stack![Axis(1), self.ising.energy(x)?.mapv(|e| e / 3.0), up])
        }
    }

    fn start(&self) -> Chains {
        Chains::initial(&self.ising, CHAINS, 3).unwrap()
    }

    /// Runs with a state after every fifth update, and stops after the update `stop`.
    fn run(&self, options: RunOptions, chains: &mut Chains, path: &Path, stop: usize) -> Result<Run> {
        let parts: Vec<Box<dyn Move + '_>> = vec![
            Box::new(SpinSweep::heat_bath(&self.ising).unwrap()),
            Box::new(MetropolisHastings::new(Disconnected::new(&self.network))),
        ];
        let checkpoint = Checkpoint { path: path.to_owned(), every: Interval::Steps(5) };
        let dynamics = Mixture::new([0.7, 0.3].into_iter().zip(parts).collect()).unwrap();
        options.run_with_checkpoint(&self.ising, &dynamics, chains, self.observe(), Some(&checkpoint), |progress| {
            if progress.done == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    }
}

/// The series beside a state.
fn series(path: &Path) -> [PathBuf; 2] {
    ["series.npy", "log_weight.npy"].map(|end| PathBuf::from(format!("{}.{end}", path.display())))
}

fn bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Stopped anywhere, also in the warm-up and between two records, by chains given as they began or as they
/// stand, and without the last state: the run, the chains and the files are those of the whole.
#[test]
fn stopped_runs_go_on_bit_for_bit() {
    let (at, case) = (folder("runs"), Case::new());
    let (whole_at, path) = (at.join("whole"), at.join("part"));
    let mut chains = case.start();
    let whole = case.run(case.options, &mut chains, &whole_at, usize::MAX).unwrap();
    assert_eq!((whole.series.dim(), whole.report.parts.len(), whole.stopped), ((13, CHAINS, 2), 2, false));
    for stop in [1, 5, 8, 9, 11, 12, 30, 47, 48, 49] {
        let mut first = case.start();
        let part = case.run(case.options, &mut first, &path, stop).unwrap();
        assert_eq!((part.stopped, part.series.dim().0), (true, stop.saturating_sub(8) / 3), "{stop}");
        let mut second = if stop % 2 == 0 { first } else { case.start() };
        let rest = case.run(case.options, &mut second, &path, usize::MAX).unwrap();
        assert_eq!((&rest, &second), (&whole, &chains), "stopped after {stop}");
        assert_eq!(bytes(&series(&path)), bytes(&series(&whole_at)), "stopped after {stop}");
        // Asked again it gives the same without an update.
        let again = case.run(case.options, &mut second, &path, 0).unwrap();
        assert_eq!((&again, &second), (&whole, &chains));
        for file in series(&path).iter().chain([&path]) {
            fs::remove_file(file).unwrap();
        }
    }
    // Records that came after the last state are forgotten, and made again.
    let state = |stop: usize| {
        case.run(case.options, &mut case.start(), &path, stop).unwrap();
        fs::read(&path).unwrap()
    };
    let early = state(20);
    state(44);
    fs::write(&path, early).unwrap();
    assert_eq!(case.run(case.options, &mut case.start(), &path, usize::MAX).unwrap(), whole);
    assert_eq!(bytes(&series(&path)), bytes(&series(&whole_at)));
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn checkpoints_change_no_draw_and_more_updates_prolong_the_run() {
    let (at, case) = (folder("prolonged"), Case::new());
    let path = at.join("run");
    let longer = RunOptions { updates: 100, ..case.options };
    let (mut chains, mut short, mut plain) = (case.start(), case.start(), case.start());
    let whole = case.run(longer, &mut chains, &at.join("whole"), usize::MAX).unwrap();
    let _ = case.run(case.options, &mut short, &path, usize::MAX).unwrap();
    let prolonged = case.run(longer, &mut short, &path, usize::MAX).unwrap();
    assert_eq!((&prolonged, &short), (&whole, &chains));
    let parts: Vec<Box<dyn Move + '_>> = vec![
        Box::new(SpinSweep::heat_bath(&case.ising).unwrap()),
        Box::new(MetropolisHastings::new(Disconnected::new(&case.network))),
    ];
    let dynamics = Mixture::new([0.7, 0.3].into_iter().zip(parts).collect()).unwrap();
    assert_eq!(longer.run(&case.ising, &dynamics, &mut plain, case.observe()).unwrap(), whole);
    refused(&path, "a run of 108 updates, more than the 49", || case.run(case.options, &mut case.start(), &path, 0));
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn runs_of_others_are_refused_by_name() {
    let (at, case) = (folder("other runs"), Case::new());
    let path = at.join("run");
    let _ = case.run(case.options, &mut case.start(), &path, 30).unwrap();
    let kept = bytes(&series(&path));
    let path = &path;
    let with = |change: &dyn Fn(&mut RunOptions)| {
        let mut options = case.options;
        change(&mut options);
        case.run(options, &mut case.start(), path, usize::MAX)
    };
    refused(path, "seed 9, not 8", || with(&|o| o.seed = 8));
    refused(path, "thin 3, not 4", || with(&|o| o.thin = 4));
    refused(path, "warm-up 8, not 9", || with(&|o| o.warm_up = 9));
    refused(path, "first chain 2, not 0", || with(&|o| o.first_chain = 0));
    refused(path, "more than the 20 asked for", || with(&|o| o.updates = 12));
    let from = |mut chains: Chains| case.run(case.options, &mut chains, path, usize::MAX);
    refused(path, "a run of 6 chains, not 5", || from(Chains::initial(&case.ising, 5, 3).unwrap()));
    refused(path, "began at other configurations", || from(Chains::initial(&case.ising, 6, 4).unwrap()));
    let other = Case { ising: ising(0.7), ..Case::new() };
    refused(path, "log_weight[0]", || other.run(case.options, &mut case.start(), path, usize::MAX));
    let sweep = SpinSweep::heat_bath(&case.ising).unwrap();
    let checkpoint = Checkpoint { path: path.clone(), every: Interval::Steps(5) };
    refused(path, "rows of shape [6, 2]", || {
        let one = |x: Configs<'_>| case.ising.energy(x);
        let mut chains = case.start();
        case.options.run_with_checkpoint(&case.ising, &sweep, &mut chains, one, Some(&checkpoint), |_| {
            ControlFlow::Continue(())
        })
    });
    assert_eq!(bytes(&series(path)), kept);

    // Chains written by themselves, torn states, torn series, series that are gone.
    let written = fs::read(path).unwrap();
    case.start().write(path).unwrap();
    refused(path, "not written by a run", || from(case.start()));
    for length in (0..written.len()).step_by(11) {
        fs::write(path, &written[..length]).unwrap();
        refused(path, "", || from(case.start()));
    }
    fs::write(path, &written).unwrap();
    for (file, kept) in series(path).iter().zip(&kept) {
        for length in [0, 5, 60, 127, 128, kept.len() - 1] {
            fs::write(file, &kept[..length]).unwrap();
            refused(path, "", || from(case.start()));
            assert_eq!(fs::read(file).unwrap(), kept[..length]);
        }
        fs::write(file, kept).unwrap();
    }
    let wrong = Checkpoint { every: Interval::Steps(0), ..checkpoint };
    let out = case.options.run_with_checkpoint(
        &case.ising,
        &sweep,
        &mut case.start(),
        |_| Ok(()),
        Some(&wrong),
        |_| ControlFlow::Continue(()),
    );
    assert!(matches!(out, Err(Error::Parameter { name: "every", .. })));
    let whole = case.run(case.options, &mut case.start(), &at.join("whole"), usize::MAX).unwrap();
    assert_eq!(from(case.start()).unwrap(), whole);
    fs::remove_file(&series(path)[0]).unwrap();
    assert!(matches!(from(case.start()), Err(Error::File { .. })));
    fs::remove_dir_all(at).unwrap();
}

/// A recorder with files writes what it returns, from the first record on, wherever it was told.
#[test]
fn recorders_write_what_they_record() {
    let (at, case) = (folder("recorder"), Case::new());
    let sweep = SpinSweep::heat_bath(&case.ising).unwrap();
    let streams = case.options.streams();
    let record = |late: bool, path: &Path| {
        let mut chains = case.start();
        let mut recorder = Recorder::new(case.observe());
        for k in 0..9 {
            if k == if late { 4 } else { 0 } {
                recorder = recorder.stream(path);
            }
            let report = chains.advance(&case.ising, &sweep, 1, &streams).unwrap();
            recorder.record(&chains, &report).unwrap();
        }
        recorder.finish()
    };
    let runs = [false, true].map(|late| record(late, &at.join(if late { "late" } else { "early" })));
    assert_eq!(runs[0], runs[1]);
    let [early, late] = ["early", "late"].map(|name| bytes(&series(&at.join(name))));
    assert_eq!(early, late);
    let numbers: Vec<u8> = runs[0].series.iter().flat_map(|v| v.to_le_bytes()).collect();
    assert!(early[0].ends_with(&numbers) && early[0].len() == 128 + numbers.len());
    assert_eq!(early[1].len(), 128 + 8 * 9 * CHAINS);
    let broken = Recorder::new(case.observe())
        .stream(at.join("no folder").join("run"))
        .record(&case.start(), &MoveReport::default());
    assert!(matches!(broken, Err(Error::File { .. })));
    fs::remove_dir_all(at).unwrap();
}

/// The squared overlap of the copies: one row a level.
fn overlap(_: usize, x: Configs<'_>) -> Result<Array1<f64>> {
    let agree = x.row(0).iter().zip(x.row(1)).filter(|(a, b)| a == b).count();
    Ok(Array1::from_elem(1, (2.0 * agree as f64 / x.ncols() as f64 - 1.0).powi(2)))
}

#[test]
fn runs_of_tempering_record_each_level() {
    with_ladders(|tempering, name| {
        let options = RunOptions { updates: 30, warm_up: 7, thin: 4, ..RunOptions::default() };
        let mut replicas = tempering.start(2, 5).unwrap();
        let runs = tempering.run(&options, &mut replicas, overlap).unwrap();
        let mut by_hand = tempering.start(2, 5).unwrap();
        tempering.advance(&mut by_hand, 7).unwrap();
        by_hand.reset_counts();
        for record in 0..7 {
            tempering.advance(&mut by_hand, 4).unwrap();
            for (k, run) in runs.iter().enumerate() {
                assert_eq!(run.series[[record, 0, 0]], overlap(k, by_hand.level(k).unwrap()).unwrap()[0], "{name}");
                assert_eq!(run.log_weight.row(record), by_hand.log_weight(k).unwrap());
            }
        }
        tempering.advance(&mut by_hand, 2).unwrap();
        assert_eq!((runs.len(), &by_hand), (3, &replicas), "{name}");
        assert!(runs.iter().zip(by_hand.reports()).all(|(run, report)| run.report == *report));
        // Observables of another number at another level, and none at all.
        let wrong = |k: usize, _: Configs<'_>| Ok(Array1::<f64>::zeros(1 + k));
        let out = tempering.run(&options, &mut replicas, wrong);
        assert!(matches!(out, Err(Error::Shape { field: "observables", .. })));
        let runs = tempering.run(&options, &mut replicas, |_, _| Ok(())).unwrap();
        assert_eq!((runs[2].series.dim(), runs[2].log_weight.dim()), ((7, 2, 0), (7, 2)));
    });
}

#[test]
fn stopped_tempering_goes_on_bit_for_bit() {
    let at = folder("tempering");
    with_ladders(|tempering, name| {
        let options = RunOptions { updates: 30, warm_up: 7, thin: 4, ..RunOptions::default() };
        let run = |options: &RunOptions, replicas: &mut Replicas, path: &Path, stop: u64| {
            let checkpoint = Checkpoint { path: path.to_owned(), every: Interval::Steps(3) };
            tempering.run_with_checkpoint(options, replicas, overlap, Some(&checkpoint), |replicas| {
                if replicas.updates() == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
        };
        let start = || tempering.start(2, 5).unwrap();
        let (whole_at, path) = (at.join(format!("whole {name}")), at.join(format!("part {name}")));
        let mut replicas = start();
        let whole = run(&options, &mut replicas, &whole_at, 0).unwrap();
        let mut plain = start();
        assert_eq!(tempering.run(&options, &mut plain, overlap).unwrap(), whole);
        assert_eq!(plain, replicas);
        for stop in [2, 6, 7, 8, 11, 25, 36] {
            let mut first = start();
            assert!(run(&options, &mut first, &path, stop).unwrap().iter().all(|run| run.stopped));
            let mut second = if stop % 2 == 0 { first } else { start() };
            assert_eq!(run(&options, &mut second, &path, 0).unwrap(), whole, "{name}, stopped after {stop}");
            assert_eq!((&second, bytes(&series(&path))), (&replicas, bytes(&series(&whole_at))));
            for file in series(&path).iter().chain([&path]) {
                fs::remove_file(file).unwrap();
            }
        }
        let _ = run(&options, &mut start(), &path, 20).unwrap();
        let thin = RunOptions { thin: 5, ..options };
        refused(&path, "thin 4, not 5", || run(&thin, &mut start(), &path, 0));
        refused(&path, "a run of 2 copies, not 3", || run(&options, &mut tempering.start(3, 5).unwrap(), &path, 0));
        let with_seed = |seed: u64| {
            let x = (0..3).map(|k| start().level(k).unwrap().to_owned()).collect();
            tempering.start_at(x, seed).unwrap()
        };
        refused(&path, "seed 5, not 6", || run(&options, &mut with_seed(6), &path, 0));
        // The state of a run is one of replicas, too.
        assert_eq!(tempering.read(&path).unwrap().updates(), 20);
        refused(&path, "tensorjump chains", || Chains::read(&tempering.levels()[0].target, &path));
        fs::write(&series(&path)[1], &bytes(&series(&path))[1][..200]).unwrap();
        refused(&path, "records", || run(&options, &mut start(), &path, 0));
    });
    fs::remove_dir_all(at).unwrap();
}
