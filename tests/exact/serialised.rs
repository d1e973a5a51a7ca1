//! Results and options through JSON and back (feature `serde`): bit for bit, and runs go on from them.

use ndarray::{Axis, array, concatenate};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tensorjump::lattice::{ContractOptions, Contraction, Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::learn::{BornMethod, BornOptions, Data, History, Training};
use tensorjump::mcmc::{Assessment, Chains, ChainsSnapshot, Run, RunOptions, WeightSummary};
use tensorjump::noise::{Noise, Path, Rates};
use tensorjump::tn::Truncation;
use tensorjump::{Model, Samples, Streams};

fn back<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// A run, its options and its chains from a file: the second half continues the first, and both are the whole.
#[test]
fn a_run_goes_on_from_a_file() {
    let ising =
        Ising::new(Couplings::uniform(Square::new(4, 4, Geometry::Torus).unwrap(), 1.0).unwrap(), 0.37).unwrap();
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let energy = |x: tensorjump::Configs<'_>| Ok(ising.energy(x)?.mapv(|e| e / 3.0)); // no short decimals
    let half = RunOptions { updates: 40, warm_up: 0, thin: 2, seed: 5, ..RunOptions::default() };
    let start = Chains::initial(&ising, 6, 5).unwrap();

    let mut chains = start.clone();
    let whole = RunOptions { updates: 80, ..half }.run(&ising, &sweep, &mut chains, energy).unwrap();
    let mut first = start.clone();
    let begun = half.run(&ising, &sweep, &mut first, energy).unwrap();
    let (options, begun, snapshot): (RunOptions, Run, ChainsSnapshot) = back(&(half, begun, first.snapshot()));
    let mut second = Chains::resume(&ising, snapshot).unwrap();
    let ended = options.run(&ising, &sweep, &mut second, energy).unwrap();

    let both = concatenate(Axis(0), &[begun.series.view(), ended.series.view()]).unwrap();
    assert!(whole.series.iter().zip(&both).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert_eq!((whole.series.dim(), second.x()), (both.dim(), chains.x()));
    let mut report = begun.report.clone();
    report += &ended.report;
    assert_eq!(report, whole.report);

    // One bit of one number is seen.
    let mut other = back(&begun);
    assert_eq!(other, begun);
    other.series[[3, 2, 0]] = f64::from_bits(other.series[[3, 2, 0]].to_bits() ^ 1);
    assert_ne!(other, begun);
}

#[test]
fn results_and_options_come_back() {
    let ising = Ising::new(Couplings::uniform(Square::new(4, 6, Geometry::Open).unwrap(), 0.7).unwrap(), 0.4).unwrap();
    let contraction = Contraction::new(&ising, &back(&ContractOptions::default())).unwrap();
    assert_eq!(back(&contraction), contraction);

    let noise = Noise::from(Rates::binary_flip(4, 1.0, 0.3).unwrap());
    let paths: Vec<Path> = noise.paths(array![[0, 1, 1, 0]].view(), 0.0, 2.0, &Streams::new(3)).unwrap();
    assert!(paths == back(&paths) && !paths[0].jumps.is_empty());

    let data = Data::new(array![[0, 0, 1], [1, 1, 0], [0, 0, 0], [1, 1, 1]], &[2; 3]).unwrap();
    let method = BornMethod::TwoSite {
        truncation: Truncation { max_bond: 3, cutoff: 1e-10 },
        significance: 0.1,
        explore: 1,
        step: Default::default(),
    };
    assert_eq!(back(&method), method);
    let training = Training { rounds: 4, ..Training::default() };
    let fit = BornOptions { method, training, ..BornOptions::default() }.fit(&data).unwrap();
    let history: History = back(&fit.history);
    assert!(history == fit.history && history.best() == Some(fit.best));

    let draws: Samples = fit.model.draw(50, &Streams::new(1)).unwrap();
    assert_eq!(back(&draws), draws);
    let summary = WeightSummary::of(draws.log_prob.view()).unwrap();
    assert_eq!(back(&summary), summary);

    // JSON has no infinity: text stands for it.
    let outside = Assessment::from_weights(array![f64::NEG_INFINITY, f64::NEG_INFINITY].view()).unwrap();
    assert!(outside.free_energy.mean == f64::INFINITY && back(&outside) == outside);
}
