//! Runs over ranks that go on from a file, on another number of ranks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tensorjump::io::{Checkpoint, Interval};
use tensorjump::lattice::{Ising, SpinSweep};
use tensorjump::mcmc::*;
use tensorjump::ranks::Ranks;
use tensorjump::{Configs, Error};

use crate::common::threads::on_ranks;
use crate::runs::ising;

use super::{OWN, go_on};

/// A path of its own for a checkpoint, without what an earlier run may have left.
fn fresh(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tensorjump-over-ranks-{name}-{}", std::process::id()));
    clear(&path);
    path
}

fn clear(path: &Path) {
    for ending in ["", ".series.npy", ".log_weight.npy"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
}

/// The series beside a checkpoint.
fn files(path: &Path) -> Vec<Vec<u8>> {
    [".series.npy", ".log_weight.npy"].map(|end| std::fs::read(format!("{}{end}", path.display())).unwrap()).into()
}

/// Runs that fail or are stopped anywhere and go on with another number of ranks, or in one process, end as the
/// run that was never interrupted; the series in their files are the same too.
#[test]
fn runs_go_on_with_another_number_of_ranks() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let (path, whole) = (fresh("run"), fresh("whole"));
    let at = |path: &Path| Checkpoint { path: path.to_owned(), every: Interval::Steps(4) };
    let options = RunOptions { updates: 30, warm_up: 3, thin: 2, seed: 5, first_chain: 1 };
    let start = Chains::initial(&ising, 7, 3).unwrap();
    let mut chains = start.clone();
    let energy = |x: Configs<'_>| ising.energy(x);
    let run = |chains: &mut Chains, path: &Path| {
        options.run_with_checkpoint(&ising, &sweep, chains, energy, Some(&at(path)), go_on).unwrap()
    };
    let expected = run(&mut chains, &whole);
    assert_eq!(expected, options.run(&ising, &sweep, &mut start.clone(), energy).unwrap());
    for (sizes, fails) in [([2, 3, 1], [7, 10]), ([4, 2, 3], [1, 33]), ([1, 4, 2], [15, 16]), ([3, 1, 4], [4, 5])] {
        clear(&path);
        for (k, size) in sizes.into_iter().enumerate() {
            let found = on_ranks(size, |ranks| {
                let mut chains = start.clone();
                // Counted from where this attempt begins: the first look comes before any update.
                let mut looks = 0;
                let observe = |x: Configs<'_>| {
                    looks += 1;
                    let fails = fails.get(k).is_some_and(|&n| looks == 1 + n / 2) && ranks.rank() == size / 2;
                    if fails { Err(OWN) } else { ising.energy(x) }
                };
                let run = options.run_over(ranks, &ising, &sweep, &mut chains, observe, Some(&at(&path)), go_on);
                (run, chains)
            });
            for (rank, (run, at)) in found.into_iter().enumerate() {
                match run {
                    Ok(run) => assert_eq!((&run, &at), (&expected, &chains), "{sizes:?}"),
                    Err(error) => {
                        assert!(k < 2, "{error}");
                        assert_eq!(error, if rank == size / 2 { OWN } else { Error::Rank { rank: size / 2 } });
                        assert_eq!(at, start);
                    }
                }
            }
        }
        assert!(files(&path) == files(&whole), "{sizes:?}");
    }
    // Begun over ranks, stopped there, ended in one process; and what is of another run is refused everywhere.
    clear(&path);
    let stopped = on_ranks(3, |ranks| {
        let stop = |p: &Progress<'_>| if p.done == 13 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let mut chains = start.clone();
        options.run_over(ranks, &ising, &sweep, &mut chains, energy, Some(&at(&path)), stop).unwrap().series.dim()
    });
    assert_eq!(stopped, [(5, 7, 1); 3]);
    for error in on_ranks(3, |ranks| {
        let other = RunOptions { seed: 6, ..options };
        let mut chains = start.clone();
        other.run_over(ranks, &ising, &sweep, &mut chains, energy, Some(&at(&path)), go_on).unwrap_err()
    }) {
        assert!(matches!(error, Error::Format { .. }), "{error}");
    }
    assert_eq!(run(&mut start.clone(), &path), expected);
    assert!(files(&path) == files(&whole));
    [path, whole].iter().for_each(|path| clear(path));
}

/// The same for tempering: recorded levels, swap rates, round trips and reports.
#[test]
fn tempering_goes_on_with_another_number_of_ranks() {
    let betas = [0.2, 0.5, 0.6];
    let models: Vec<Ising> = betas.iter().map(|&beta| ising(beta)).collect();
    let level = |(&parameter, model): (&f64, &Ising)| Level {
        parameter,
        target: model.clone(),
        dynamics: SpinSweep::heat_bath(model).unwrap(),
    };
    let ladder = Tempering::new(betas.iter().zip(&models).map(level).collect()).unwrap();
    let options = RunOptions { updates: 40, warm_up: 5, thin: 6, ..RunOptions::default() };
    let (path, whole) = (fresh("tempering"), fresh("tempering whole"));
    let at = |path: &Path| Checkpoint { path: path.to_owned(), every: Interval::Steps(7) };
    let start = ladder.start(2, 5).unwrap();
    let mut replicas = start.clone();
    let energy = |k: usize, x: Configs<'_>| models[k].energy(x);
    let go_on = |_: &Replicas| ControlFlow::Continue(());
    let expected = ladder.run_with_checkpoint(&options, &mut replicas, energy, Some(&at(&whole)), go_on).unwrap();
    for sizes in [[2, 3, 1], [4, 2, 3], [1, 4, 2]] {
        clear(&path);
        for (k, size) in sizes.into_iter().enumerate() {
            for (run, at) in on_ranks(size, |ranks| {
                let mut replicas = start.clone();
                let stop = |r: &Replicas| {
                    let asks = ranks.rank() == size / 2 && k < 2 && r.updates() >= [9, 29][k];
                    if asks { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let run = ladder.run_over(ranks, &options, &mut replicas, energy, Some(&at(&path)), stop);
                (run.unwrap(), replicas)
            }) {
                assert_eq!(run[0].stopped, k < 2);
                assert!(k < 2 || (&run, &at) == (&expected, &replicas), "{sizes:?}");
            }
        }
        assert!(files(&path) == files(&whole), "{sizes:?}");
    }
    [path, whole].iter().for_each(|path| clear(path));
}
