//! Chains and replicas in files: they come back bit for bit, and files of others are refused by name.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, s};
use tensorjump::lattice::{BoundaryMps, Ising, SpinSweep};
use tensorjump::mcmc::*;
use tensorjump::{Error, Result};

use crate::runs::{ising, with_moves};

/// A folder of one test, emptied first.
pub fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("tensorjump chains {name} {}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Asserts that a file is refused for a reason that names `what`, and that it is kept.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(path: &Path, what: &str, out: impl FnOnce() -> Result<T>) {
    let before = fs::read(path).unwrap();
    match out() {
        Err(Error::Format { path: named, reason }) => {
            assert!(reason.contains(what), "`{reason}` does not name `{what}`");
            assert!(named.starts_with(path.parent().unwrap()));
        }
        other => panic!("{what}: {other:?}"),
    }
    assert_eq!(fs::read(path).unwrap(), before, "{what}: the file was touched");
}

/// Chains with every move of the library: those that were read have nothing packed, the others have, and both
/// make the same draws.
#[test]
fn chains_come_back_bit_for_bit() {
    let at = folder("chains");
    with_moves(|ising, name, dynamics| {
        let path = at.join(name);
        let streams = RunOptions { seed: 9, ..RunOptions::default() }.streams();
        let mut chains = Chains::initial(ising, 5, 3).unwrap();
        chains.advance(ising, dynamics, 7, &streams).unwrap();
        chains.write(&path).unwrap();
        let mut read = Chains::read(ising, &path).unwrap();
        assert_eq!(read, chains, "{name}");
        let reports = [&mut chains, &mut read].map(|c| c.advance(ising, dynamics, 6, &streams).unwrap());
        assert_eq!((read.updates(), &read, &reports[0]), (13, &chains, &reports[1]), "{name}");
        assert_ne!(Chains::read(ising, &path).unwrap().x(), chains.x(), "{name}: the twin is not seen");
    });
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn chains_of_others_are_refused() {
    let (at, ising) = (folder("other chains"), ising(0.5));
    let path = at.join("chains");
    Chains::initial(&ising, 3, 1).unwrap().write(&path).unwrap();
    refused(&path, "log_weight[0]", || Chains::read(&crate::runs::ising(0.6), &path));
    refused(&path, "number of sites: expected 3, got 16", || Chains::read(&super::target(), &path));
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        refused(&path, "", || Chains::read(&ising, &path));
    }
    // One spin the other way: the checksum tells, and without it the log-weight.
    let mut torn = whole.clone();
    let last = torn.len() - 1; // the states are the last array
    torn[last] ^= 1;
    fs::write(&path, &torn).unwrap();
    refused(&path, "damaged", || Chains::read(&ising, &path));
    fs::write(&path, crate::io::without_checksum(torn)).unwrap();
    refused(&path, "log_weight[2]", || Chains::read(&ising, &path));
    fs::remove_file(&path).unwrap();
    assert!(matches!(Chains::read(&ising, &path), Err(Error::File { .. })));
    fs::remove_dir_all(at).unwrap();
}

pub type Levels<'a> = Tempering<&'a Ising, Cycle<'a>>;

/// Three temperatures, each with heat bath and draws of a network: reports have parts.
fn ladder<'a>(models: &'a [Ising], networks: &'a [BoundaryMps]) -> Levels<'a> {
    let level = |(target, network): (&'a Ising, &'a BoundaryMps)| {
        let parts: Vec<Box<dyn Move + 'a>> = vec![
            Box::new(SpinSweep::heat_bath(target).unwrap()),
            Box::new(MetropolisHastings::new(Disconnected::new(network))),
        ];
        Level { parameter: target.beta(), target, dynamics: Cycle::new(parts).unwrap() }
    };
    Tempering::new(models.iter().zip(networks).map(level).collect()).unwrap()
}

pub fn with_ladders(check: impl Fn(&Levels<'_>, &str)) {
    let models = [0.3, 0.5, 0.9].map(ising);
    let networks = models.each_ref().map(|model| BoundaryMps::new(model, 1).unwrap());
    check(&ladder(&models, &networks).proportional().unwrap(), "proportional");
    check(&ladder(&models, &networks), "general");
}

#[test]
fn replicas_come_back_bit_for_bit() {
    let at = folder("replicas");
    with_ladders(|tempering, name| {
        let path = at.join(name);
        let mut replicas = tempering.start(3, 5).unwrap();
        tempering.advance(&mut replicas, 31).unwrap();
        replicas.write(&path).unwrap();
        let mut read = tempering.read(&path).unwrap();
        assert_eq!(read, replicas, "{name}");
        assert_eq!(read.reports()[1].parts.len(), 2);
        [&mut replicas, &mut read].into_iter().for_each(|r| tempering.advance(r, 30).unwrap());
        assert_eq!((read.updates(), &read), (61, &replicas), "{name}");
        assert!(read.round_trips() > 0 && read.swap_rates().iter().all(|&rate| rate > 0.05));
        assert_ne!(tempering.read(&path).unwrap().reports(), read.reports(), "{name}: the twin is not seen");
    });
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn replicas_of_others_are_refused() {
    let at = folder("other replicas");
    let path = at.join("replicas");
    let level = |model: &Ising, parameter: f64| Level {
        parameter,
        target: model.clone(),
        dynamics: SpinSweep::heat_bath(model).unwrap(),
    };
    let models = [0.3, 0.5, 0.9].map(ising);
    let of = |parameters: &[f64]| {
        Tempering::new(models.iter().zip(parameters).map(|(m, &p)| level(m, p)).collect()).unwrap()
    };
    let tempering = of(&[0.3, 0.5, 0.9]);
    let mut replicas = tempering.start(2, 5).unwrap();
    tempering.advance(&mut replicas, 3).unwrap();
    replicas.write(&path).unwrap();
    let read = |tempering: &Tempering<Ising, SpinSweep>| tempering.read(&path);
    refused(&path, "parameters has 3 entries, expected 2", || read(&of(&[0.3, 0.5])));
    refused(&path, "parameters[1] = 0.5", || read(&of(&[0.3, 0.6, 0.9])));
    let hotter = Tempering::new(models.iter().map(|m| level(&ising(0.9 * m.beta()), m.beta())).collect()).unwrap();
    refused(&path, "log_weight[0]", || read(&hotter));
    refused(&path, "tensorjump chains", || Chains::read(&models[0], &path));
    Chains::initial(&models[0], 2, 1).unwrap().write(at.join("chains")).unwrap();
    refused(&at.join("chains"), "tensorjump replicas", || tempering.read(at.join("chains")));
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(7) {
        fs::write(&path, &whole[..length]).unwrap();
        refused(&path, "", || tempering.read(&path));
    }
    fs::remove_dir_all(at).unwrap();
}

#[test]
fn tempering_starts_at_given_configurations() {
    let models = [0.3, 0.5].map(ising);
    let level =
        |m: &Ising| Level { parameter: m.beta(), target: m.clone(), dynamics: SpinSweep::heat_bath(m).unwrap() };
    let tempering = Tempering::new(models.iter().map(level).collect()).unwrap();
    let started = tempering.start(3, 5).unwrap();
    let x = |k: usize| started.level(k).unwrap().to_owned();
    assert_eq!(tempering.start_at(vec![x(0), x(1)], 5).unwrap(), started);
    let wrong = [vec![x(0)], vec![x(0), x(1).slice(s![..2, ..]).to_owned()], vec![x(0), Array2::zeros((3, 15))]];
    assert!(matches!(
        wrong.map(|x| tempering.start_at(x, 5)),
        [
            Err(Error::Entries { expected: 2, got: 1, .. }),
            Err(Error::Entries { expected: 3, got: 2, .. }),
            Err(Error::SiteCount { .. })
        ]
    ));
}
