//! Files that a released version wrote stay readable: one of each format, with the values that it holds.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use ndarray::{Array3, Array4, array};
use tensorjump::io::{Checkpoint, Interval, StoredLaw, read_samples, write_samples};
use tensorjump::lattice::{Couplings, Ising, SpinSweep};
use tensorjump::learn::{Data, Fit, PositiveMethod, PositiveOptions, Start, Training, Validation};
use tensorjump::mcmc::{
    Chains, ChainsSnapshot, Level, MoveReport, Progress, ReplicasSnapshot, Run, RunOptions, Tempering,
};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::ranks::{Alone, work_list};
use tensorjump::tn::{Mpo, Mps};
use tensorjump::{Model, Result, Streams};

use super::learn::folder;

/// Versions whose files are kept.
const VERSIONS: [&str; 1] = ["0.1.0"];

fn kept(version: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/files").join(version)
}

/// Weights of a law of two sites, of 2 and 3 states, and an amplitude of both signs.
const WEIGHTS: [f64; 6] = [1.0, 2.0, 3.0, 4.0, 0.0, 6.0];
const AMPLITUDE: [f64; 6] = [1.0, -2.0, 3.0, -4.0, 0.5, 6.0];

/// `v(x) = table[x]` as a train of bond 2 with a scale: `e^{log_scale} A_0[x_0] A_1[x_1]`.
fn train(table: &[f64; 6], log_scale: f64) -> Mps {
    let first = Array3::from_shape_fn((1, 2, 2), |(_, a, k)| f64::from(u8::from(a == k)));
    let second = Array3::from_shape_fn((2, 3, 1), |(k, b, _)| table[3 * k + b]);
    Mps::new(vec![first, second], log_scale).unwrap()
}

fn operator() -> Mpo {
    let entry = |(i, a, b, k): (usize, usize, usize, usize)| 0.5 + (i + 2 * a + 4 * b + 8 * k) as f64;
    Mpo::new(vec![Array4::from_shape_fn((1, 2, 2, 2), entry), Array4::from_shape_fn((2, 2, 3, 1), entry)], -1.25)
        .unwrap()
}

fn couplings() -> Couplings {
    let file = r#"{"rows": 2, "cols": 3, "horizontal": [[1, -1], [0.5, 1]], "vertical": [[1, 1, -2]],
                   "field": [[0, 0.25, 0], [0, 0, -0.5]]}"#;
    serde_json::from_str(file).unwrap()
}

fn ising(beta: f64) -> Ising {
    Ising::new(couplings(), beta).unwrap()
}

fn ladder() -> Tempering<Ising, SpinSweep> {
    let level = |beta: f64| {
        let target = ising(beta);
        Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target).unwrap(), target }
    };
    Tempering::new([0.25, 0.5].map(level).into()).unwrap()
}

/// Three updates of two chains, all recorded, with their state at `path`.
fn run(path: &Path) -> Result<Run> {
    let target = ising(0.5);
    let sweep = SpinSweep::heat_bath(&target)?;
    let mut chains = Chains::initial(&target, 2, 7)?;
    let options = RunOptions { updates: 3, warm_up: 1, thin: 1, seed: 7, first_chain: 0 };
    let checkpoint = Checkpoint { path: path.to_owned(), every: Interval::Steps(4) };
    let keep_on = |_: &Progress<'_>| ControlFlow::Continue(());
    options.run_with_checkpoint(&target, &sweep, &mut chains, |x| target.energy(x), Some(&checkpoint), keep_on)
}

/// Two rounds of learning from six samples, with their state at `path`.
fn learned(path: &Path) -> Result<Fit<PositiveMps>> {
    let x = array![[0, 0], [0, 1], [1, 1], [1, 1], [1, 0], [1, 1]];
    let checkpoint = Some(Checkpoint { path: path.to_owned(), every: Interval::Steps(1) });
    let training = Training { rounds: 2, validation: Validation::None, checkpoint, ..Training::default() };
    let start = PositiveMps::product(&[vec![1.0, 1.0], vec![3.0, 1.0]])?;
    PositiveOptions { method: PositiveMethod::Em, start: Start::Model(start), training }.fit(&Data::new(x, &[2, 2])?)
}

const LIST: [f64; 3] = [0.1, f64::NEG_INFINITY, -0.0];

#[test]
fn laws_and_trains_of_all_versions_are_read() {
    let x = super::common::all_configs(&[2, 3]);
    let normalised = |weights: [f64; 6]| {
        let z: f64 = weights.iter().sum();
        weights.map(|w| w / z)
    };
    for at in VERSIONS.map(kept) {
        let follows = |law: &dyn Model, weights: [f64; 6]| {
            let found = law.log_prob(x.view()).unwrap();
            found.iter().zip(normalised(weights)).all(|(found, p)| (found.exp() - p).abs() < 1e-14)
        };
        let born = BornMps::read(at.join("born.safetensors")).unwrap();
        assert!(follows(&born, AMPLITUDE.map(|v| v * v)) && !follows(&born, WEIGHTS));
        // Σ ψ² = 66.25, times e⁵.
        assert!((born.log_z() - (66.25f64.ln() + 5.0)).abs() < 1e-13, "{}", born.log_z());
        let positive = PositiveMps::read(at.join("positive.safetensors")).unwrap();
        assert!(follows(&positive, WEIGHTS) && (positive.log_z() - (16f64.ln() + 2.5)).abs() < 1e-14);
        assert!(matches!(StoredLaw::read(at.join("born.safetensors")), Ok(StoredLaw::Born(_))));
        assert!(matches!(StoredLaw::read(at.join("positive.safetensors")), Ok(StoredLaw::Positive(_))));
        assert_eq!(Mps::read(at.join("mps.safetensors")).unwrap(), train(&AMPLITUDE, 2.5));
        assert_eq!(Mpo::read(at.join("mpo.safetensors")).unwrap(), operator());
        assert_eq!(read_samples(at.join("samples.npy")).unwrap(), array![[0, 1, 2], [255, 4, 5]]);
        let read: Couplings = serde_json::from_str(&fs::read_to_string(at.join("couplings.json")).unwrap()).unwrap();
        assert_eq!(read, couplings());
    }
}

#[test]
fn states_of_all_versions_are_read() {
    for (version, from) in VERSIONS.map(|version| (version, kept(version))) {
        // Readers of runs may write: they get copies.
        let at = folder(&format!("stored {version}"));
        for file in fs::read_dir(from).unwrap().map(|file| file.unwrap().path()) {
            fs::copy(&file, at.join(file.file_name().unwrap())).unwrap();
        }
        let text = |name: &str| fs::read_to_string(at.join(name)).unwrap();
        let target = ising(0.5);
        let chains = Chains::read(&target, at.join("chains.safetensors")).unwrap();
        assert_eq!(chains.x(), array![[0, 1, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0]]);
        assert_eq!(chains.updates(), 0);
        let snapshot: ChainsSnapshot = serde_json::from_str(&text("chains.json")).unwrap();
        let chains = Chains::resume(&target, snapshot).unwrap();
        assert_eq!(chains.x(), array![[1, 1, 0, 1, 1, 1], [0, 0, 1, 0, 0, 0]]);
        assert_eq!((chains.updates(), chains.log_weight().to_vec()), (3, vec![3.625, 3.875]));

        let replicas = ladder().read(at.join("replicas.safetensors")).unwrap();
        let snapshot: ReplicasSnapshot = serde_json::from_str(&text("replicas.json")).unwrap();
        assert_eq!(replicas, ladder().resume(snapshot).unwrap());
        assert_eq!(replicas.updates(), 5);
        assert_eq!(replicas.level(0).unwrap(), array![[0, 1, 1, 1, 0, 0], [0, 1, 0, 0, 1, 1]]);
        assert_eq!(replicas.level(1).unwrap(), array![[1, 0, 1, 1, 1, 0], [0, 0, 1, 0, 0, 0]]);
        assert_eq!(replicas.log_weight(1).unwrap(), array![0.875, 3.875]);
        assert_eq!((replicas.walkers()[0].at(), replicas.walkers()[1].at()), (&[1, 0][..], &[0, 1][..]));
        assert_eq!(replicas.walkers()[1].round_trips(), 2);
        assert_eq!(replicas.swap_rates(), [(1.5222612442403727 + 2.0316403788761512) / 6.0]);
        let moved = |moved| MoveReport { proposed: 60, accepted: 60, moved, ..MoveReport::default() };
        assert_eq!(replicas.reports(), [moved(10), moved(8)]);

        // The run was over: nothing is drawn any more.
        let run = run(&at.join("run.safetensors")).unwrap();
        assert_eq!(run.series, array![[[-7.5], [-3.5]], [[-1.5], [0.5]], [[2.5], [-7.5]]]);
        assert_eq!(run.log_weight, array![[3.625, 2.125], [1.125, 0.125], [-1.125, 3.875]]);
        assert_eq!((run.report.proposed, run.report.moved), (36, 5));
        let fit = learned(&at.join("learning.safetensors")).unwrap();
        assert_eq!(fit.history.rounds.iter().map(|r| r.train_nll).collect::<Vec<_>>(), [1.2730283365896256; 2]);
        // A product of the frequencies: ⅔ and ⅔.
        let p = fit.model.log_prob(array![[0, 0], [1, 1]].view()).unwrap().mapv(f64::exp);
        assert!((p[0] - 1.0 / 9.0).abs() < 1e-12 && (p[1] - 4.0 / 9.0).abs() < 1e-12, "{p}");
        let list = work_list(&Alone, &at, 1, |_| unreachable!("it is there")).unwrap();
        assert_eq!(list[0].iter().map(|v| v.to_bits()).collect::<Vec<_>>(), LIST.map(f64::to_bits));
        fs::remove_dir_all(at).unwrap();
    }
}

/// Writes the files of this version, in place of none: `TENSORJUMP_WRITE_FILES=1 cargo test --release --test
/// exact -- --ignored files_of_this_version`.
#[test]
#[ignore = "writes into the sources"]
fn files_of_this_version_are_written() {
    if std::env::var_os("TENSORJUMP_WRITE_FILES").is_none() {
        return;
    }
    let at = kept(env!("CARGO_PKG_VERSION"));
    fs::create_dir_all(&at).unwrap();
    BornMps::new(&train(&AMPLITUDE, 2.5)).unwrap().write(at.join("born.safetensors")).unwrap();
    PositiveMps::new(&train(&WEIGHTS, 2.5)).unwrap().write(at.join("positive.safetensors")).unwrap();
    train(&AMPLITUDE, 2.5).write(at.join("mps.safetensors")).unwrap();
    operator().write(at.join("mpo.safetensors")).unwrap();
    write_samples(at.join("samples.npy"), array![[0, 1, 2], [255, 4, 5]].view()).unwrap();
    fs::write(at.join("couplings.json"), serde_json::to_string(&couplings()).unwrap()).unwrap();
    let target = ising(0.5);
    let mut chains = Chains::new(&target, array![[0, 1, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0]]).unwrap();
    chains.write(at.join("chains.safetensors")).unwrap();
    chains.advance(&target, &SpinSweep::heat_bath(&target).unwrap(), 3, &Streams::new(7)).unwrap();
    fs::write(at.join("chains.json"), serde_json::to_string(&chains.snapshot()).unwrap()).unwrap();
    let mut replicas = ladder().start(2, 7).unwrap();
    ladder().advance(&mut replicas, 5).unwrap();
    replicas.write(at.join("replicas.safetensors")).unwrap();
    fs::write(at.join("replicas.json"), serde_json::to_string(&replicas.snapshot()).unwrap()).unwrap();
    let found = run(&at.join("run.safetensors")).unwrap();
    let fit = learned(&at.join("learning.safetensors")).unwrap();
    work_list(&Alone, &at, 1, |_| Ok(LIST.to_vec())).unwrap();
    println!("{chains:?}\n{replicas:?}\n{found:?}\n{:?}", fit.history.rounds);
}
