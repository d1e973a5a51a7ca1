//! Valid files of every format that the library reads, and the public loader of each. What loads is also
//! used: laws are drawn from and scored, chains and ladders go on.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use ndarray::{Array2, Array3};
use rand::RngExt;
use tensorjump::io::{Checkpoint, Interval, StoredLaw, read_samples, write_samples};
use tensorjump::lattice::{
    Couplings, Cubic, CubicCouplings, CubicIsing, CubicMove, CubicTempering, Geometry, Ising, SpinSweep, Square,
};
use tensorjump::learn::{Data, PositiveMethod, PositiveOptions, Start, Training};
use tensorjump::mcmc::{Chains, ChainsSnapshot, Level, Progress, Replicas, ReplicasSnapshot, RunOptions, Tempering};
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::ranks::{Alone, work_list};
use tensorjump::tn::{Mpo, Mps};
use tensorjump::{Model, Streams, Target};
use tensorjump_studies::Failure;

/// Loads a file, given its folder and its bytes; an error is what a damaged file should give.
type Load = Box<dyn Fn(&Path, &[u8]) -> Result<(), Failure> + Send + Sync>;

/// A format.
pub struct Format {
    pub name: &'static str,
    /// Valid files.
    pub seeds: Vec<Vec<u8>>,
    pub load: Load,
    /// Share of the inputs: files that cost more get fewer.
    pub share: f64,
}

/// Loads from a file of that name.
fn from_file(name: &'static str, load: impl Fn(&Path) -> Result<(), Failure> + Send + Sync + 'static) -> Load {
    Box::new(move |folder, bytes| {
        let path = folder.join(name);
        fs::write(&path, bytes)?;
        load(&path)
    })
}

/// Two copies of a ladder in lanes, of a small glass.
fn lanes() -> Result<CubicTempering, Failure> {
    let couplings = CubicCouplings::plus_minus(Cubic::new([3, 3, 2], [true, true, false])?, 1);
    Ok(CubicTempering::new(couplings, &[0.3, 0.6, 1.2], 2, 1)?.with_clusters(0.5))
}

/// Draws twice and scores.
fn used(law: &dyn Model) -> Result<(), Failure> {
    let draws = law.draw(2, &Streams::new(1))?;
    law.log_prob(draws.x.view())?;
    Ok(())
}

/// Loaded or not.
fn loaded<T>(result: tensorjump::Result<T>) -> Result<(), Failure> {
    result?;
    Ok(())
}

fn ising(beta: f64) -> Ising {
    let square = Square::new(3, 3, Geometry::Open).expect("a lattice");
    Ising::new(Couplings::plus_minus(square, 1), beta).expect("finite couplings")
}

fn ladder() -> Tempering<Ising, SpinSweep> {
    let level = |beta: f64| Level {
        parameter: beta,
        target: ising(beta),
        dynamics: SpinSweep::heat_bath(&ising(beta)).expect("spins"),
    };
    Tempering::new([0.3, 0.6, 1.2].map(level).into()).expect("three levels")
}

const PLAN: RunOptions = RunOptions { updates: 8, warm_up: 2, thin: 2, seed: 3, first_chain: 0 };

/// A run of chains that keeps its state in the folder.
fn run(folder: &Path) -> Result<(), Failure> {
    let target = ising(0.5);
    let sweep = SpinSweep::heat_bath(&target)?;
    let mut chains = Chains::initial(&target, 2, 3)?;
    let checkpoint = Checkpoint { path: folder.join("state"), every: Interval::Steps(10) };
    let keep_on = |_: &Progress<'_>| ControlFlow::Continue(());
    PLAN.run_with_checkpoint(&target, &sweep, &mut chains, |x| target.energy(x), Some(&checkpoint), keep_on)?;
    Ok(())
}

/// A law learned in two rounds, its state kept in the folder.
fn learned(folder: &Path) -> Result<(), Failure> {
    let mut rng = Streams::new(4).stream(0);
    let x = Array2::from_shape_simple_fn((12, 4), || u8::from(rng.random::<bool>()));
    let checkpoint = Some(Checkpoint { path: folder.join("state"), every: Interval::Steps(1) });
    let training = Training { rounds: 2, checkpoint, ..Training::default() };
    let options = PositiveOptions { method: PositiveMethod::Em, start: Start::Random { bond: 2 }, training };
    options.fit(&Data::new(x, &[2; 4])?)?.model.log_prob(Array2::zeros((1, 4)).view())?;
    Ok(())
}

fn numbers(folder: &Path) -> Result<(), Failure> {
    // What is there is not worked out anew, and what is damaged is not replaced.
    let work = |_| Ok(vec![0.1, f64::INFINITY, -3.0]);
    work_list(&Alone, &folder.join("list"), 1, work)?;
    Ok(())
}

/// What a loader writes beside its main file: the damage goes into one of them, the others are whole.
fn one_of(files: &[(&'static str, Vec<u8>)], damaged: &'static str, load: fn(&Path) -> Result<(), Failure>) -> Load {
    let files = files.to_vec();
    Box::new(move |folder, bytes| {
        for (name, whole) in &files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
            fs::write(path, if *name == damaged { bytes } else { whole })?;
        }
        load(folder)
    })
}

/// The bytes that `write` puts into a file.
fn written(folder: &Path, write: impl Fn(&Path) -> tensorjump::Result<()>) -> Result<Vec<u8>, Failure> {
    let path = folder.join("seed");
    write(&path)?;
    Ok(fs::read(path)?)
}

/// Two sites of one bond as wide as the file allows: what costs its square shows.
fn wide(bond: usize) -> Result<Mps, Failure> {
    let entry = |k: usize| 1.0 / (1 + k) as f64;
    let left = Array3::from_elem((1, 2, bond), 1.0 / (2.0 * bond as f64).sqrt()); // of norm one
    let right = Array3::from_shape_fn((bond, 2, 1), |(k, a, _)| entry(a * k));
    Ok(Mps::new(vec![left, right], 0.0)?)
}

/// All formats; their seeds are written with the help of the folder.
pub fn all(folder: &Path) -> Result<Vec<Format>, Failure> {
    let stream = &mut Streams::new(2).domain("seeds").stream(0);
    let (dims, wide) = ([2, 3, 2, 2], wide(2000)?);
    let (born, other) = (BornMps::random(&dims, 3, stream)?, BornMps::random(&[2; 3], 2, stream)?);
    let marginal = BornMps::marginal(born.amplitude(), 2)?;
    let (positive, ring) =
        (PositiveMps::random(&dims, 3, stream)?, PositiveMps::ising(0.3, &[1.0; 4], &[0.1; 4], Boundary::Ring)?);
    let mps = Mps::random_real(&dims, 3, stream)?;
    let noise = tensorjump::noise::Noise::new(
        tensorjump::noise::Rates::binary_flip(3, 1.0, 0.5)?,
        tensorjump::noise::Schedule::default(),
    );
    let mpo: Mpo = noise.kernel(0.0, 0.3)?.to_mpo()?;
    let x = Array2::from_shape_fn((5, 4), |(i, j)| (i * j) as u8);
    let target = ising(0.5);
    let mut chains = Chains::initial(&target, 3, 1)?;
    chains.advance(&target, &SpinSweep::heat_bath(&target)?, 2, &Streams::new(1))?;
    let mut replicas: Replicas = ladder().start(2, 1)?;
    ladder().advance(&mut replicas, 3)?;
    let mut tempered = lanes()?;
    tempered.advance(3)?;
    run(folder)?;
    let of_run = ["state", "state.series.npy", "state.log_weight.npy"];
    let of_run = of_run.map(|name| fs::read(folder.join(name)).map(|bytes| (name, bytes)));
    let of_run: Vec<_> = of_run.into_iter().collect::<Result<_, _>>()?;
    fs::remove_file(folder.join("state"))?;
    learned(folder)?;
    let of_learning = vec![("state", fs::read(folder.join("state"))?)];
    numbers(folder)?;
    let of_list = "list/instance-000000.safetensors";
    let of_list = vec![(of_list, fs::read(folder.join(of_list))?)];
    let couplings = [
        r#"{"rows": 2, "cols": 3, "horizontal": [[1, -1], [0.5, 1]], "vertical": [[1, 1, -2]]}"#.to_owned(),
        serde_json::to_string(&Couplings::gaussian(
            Square::new(3, 3, Geometry::Torus)?.with_diagonals(true, false),
            1,
        ))?,
    ];
    let seed = |write: &dyn Fn(&Path) -> tensorjump::Result<()>| written(folder, write);
    let mut formats = vec![];
    // A checksum refuses nearly every damage before anything else looks at it.
    let mut add = |name, seeds: Vec<Vec<u8>>, share, load| {
        let seeds = seeds.into_iter().map(without_checksum).collect();
        formats.push(Format { name, seeds, load, share });
    };
    add(
        "Born law",
        vec![seed(&|p| born.write(p))?, seed(&|p| other.write(p))?, seed(&|p| marginal.write(p))?],
        1.0,
        from_file("file", |path| used(&BornMps::read(path)?)),
    );
    add(
        "positive law",
        vec![seed(&|p| positive.write(p))?, seed(&|p| ring.write(p))?],
        1.0,
        from_file("file", |path| used(&PositiveMps::read(path)?)),
    );
    let either = || {
        from_file("file", |path| match StoredLaw::read(path)? {
            StoredLaw::Born(law) => used(&law),
            StoredLaw::Positive(law) => used(&law),
            _ => Ok(()),
        })
    };
    add("either law", vec![seed(&|p| born.write(p))?, seed(&|p| positive.write(p))?], 1.0, either());
    add("mps", vec![seed(&|p| mps.write(p))?], 1.0, from_file("file", |path| loaded(Mps::read(path))));
    add("mpo", vec![seed(&|p| mpo.write(p))?], 1.0, from_file("file", |path| loaded(Mpo::read(path))));
    let kinds = ["born", "positive"].map(|kind| {
        seed(&|p| wide.write(p)).map(|bytes| renamed(&bytes, "tensorjump mps", &format!("tensorjump {kind} law")))
    });
    add("laws, wide bonds", kinds.into_iter().collect::<Result<_, _>>()?, 0.02, either());
    add(
        "samples (npy)",
        vec![seed(&|p| write_samples(p, x.view()))?, integers()],
        1.5,
        from_file("file", |path| loaded(read_samples(path))),
    );
    add(
        "chains",
        vec![seed(&|p| chains.write(p))?],
        1.0,
        from_file("file", |path| {
            let target = ising(0.5);
            let mut chains = Chains::read(&target, path)?;
            chains.advance(&target, &SpinSweep::heat_bath(&target)?, 1, &Streams::new(1))?;
            Ok(())
        }),
    );
    add(
        "replicas",
        vec![seed(&|p| replicas.write(p))?],
        0.7,
        from_file("file", |path| Ok(ladder().advance(&mut ladder().read(path)?, 1)?)),
    );
    for (name, file) in [("run: state", 0), ("run: series (npy)", 1), ("run: log-weights (npy)", 2)] {
        add(name, vec![of_run[file].1.clone()], 0.4, one_of(&of_run, of_run[file].0, run));
    }
    add("learning state", vec![of_learning[0].1.clone()], 0.3, one_of(&of_learning, "state", learned));
    add("list of results", vec![of_list[0].1.clone()], 0.5, one_of(&of_list, of_list[0].0, numbers));
    add(
        "couplings (JSON)",
        couplings.map(String::into_bytes).into(),
        1.5,
        Box::new(|_, bytes| {
            let ising = Ising::new(serde_json::from_slice(bytes)?, 0.5)?;
            loaded(ising.log_weight(Array2::zeros((1, ising.lattice().sites())).view()))
        }),
    );
    add(
        "couplings, cubic (JSON)",
        vec![serde_json::to_vec(
            &CubicCouplings::gaussian(Cubic::new([2, 3, 3], [false, true, true])?, 1).with_field(vec![0.1; 18])?,
        )?],
        0.7,
        Box::new(|_, bytes| {
            let ising = CubicIsing::new(serde_json::from_slice(bytes)?, 0.5)?;
            let sweeps = CubicMove::heat_bath().of(&ising, 1)?;
            let mut chains = Chains::initial(&ising, 1, 1)?;
            loaded(chains.advance(&ising, &sweeps, 1, &Streams::new(1)))
        }),
    );
    add(
        "replicas, cubic",
        vec![seed(&|p| tempered.write(p))?],
        0.7,
        from_file("file", |path| {
            let mut tempering = lanes()?;
            tempering.read(path)?;
            Ok(tempering.advance(1)?)
        }),
    );
    add(
        "replicas, cubic (JSON)",
        vec![serde_json::to_vec(&tempered.snapshot())?],
        0.7,
        Box::new(|_, bytes| {
            let mut tempering = lanes()?;
            tempering.resume(serde_json::from_slice(bytes)?)?;
            Ok(tempering.advance(1)?)
        }),
    );
    add(
        "chains (JSON)",
        vec![serde_json::to_vec(&chains.snapshot())?],
        0.5,
        Box::new(|_, bytes| {
            let target = ising(0.5);
            let snapshot: ChainsSnapshot = serde_json::from_slice(bytes)?;
            let mut chains = Chains::resume(&target, snapshot)?;
            chains.advance(&target, &SpinSweep::heat_bath(&target)?, 1, &Streams::new(1))?;
            Ok(())
        }),
    );
    add(
        "replicas (JSON)",
        vec![serde_json::to_vec(&replicas.snapshot())?],
        0.5,
        Box::new(|_, bytes| {
            let snapshot: ReplicasSnapshot = serde_json::from_slice(bytes)?;
            Ok(ladder().advance(&mut ladder().resume(snapshot)?, 1)?)
        }),
    );
    Ok(formats)
}

/// The same file without the note that has the checksum of everything else; other formats have none.
fn without_checksum(bytes: Vec<u8>) -> Vec<u8> {
    let parts = bytes.first_chunk().map(|n| u64::from_le_bytes(*n) as usize);
    let Some((header, rest)) = parts.and_then(|n| bytes[8..].split_at_checked(n)) else { return bytes };
    let Ok(mut header) = serde_json::from_slice::<serde_json::Value>(header) else { return bytes };
    let Some(notes) = header.get_mut("__metadata__").and_then(|notes| notes.as_object_mut()) else { return bytes };
    notes.remove("checksum");
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, rest].concat()
}

/// The same file of another kind: the header grows or shrinks with the name.
fn renamed(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(*bytes.first_chunk().expect("a header")) as usize;
    let header = String::from_utf8_lossy(&bytes[8..8 + length]).replace(from, to);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat()
}

/// Integers of eight bytes, columns first, big-endian.
fn integers() -> Vec<u8> {
    let dictionary = "{'descr': '>i8', 'fortran_order': True, 'shape': (3, 2), }\n";
    let numbers = (0..6i64).flat_map(i64::to_be_bytes).collect::<Vec<u8>>();
    let length = (dictionary.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], dictionary.as_bytes(), &numbers].concat()
}
