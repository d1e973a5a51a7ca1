//! Learning from few samples in small batches: a fit of legal data ends with a model and a reason, never with
//! an error.

use ndarray::{Array1, Array2};
use rand::RngExt;
use tensorjump::learn::{
    BornMethod, BornOptions, Data, Fit, PositiveMethod, PositiveOptions, Start, Stop, SweepStep, Training, Validation,
};
use tensorjump::model::{BornMps, PositiveMps};
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{Error, Model, Stream, Streams};

use super::super::common::all_configs;

/// A few samples; every third time with weights from nothing to everything.
fn random_data(dims: &[usize], rng: &mut Stream) -> Data {
    let n = rng.random_range(4..51);
    let kinds = rng.random_range(2..6);
    let prototypes = Array2::from_shape_fn((kinds, dims.len()), |(_, j)| rng.random_range(0..dims[j]) as u8);
    let x = match rng.random_range(0..2) {
        0 => Array2::from_shape_fn((n, dims.len()), |(_, j)| rng.random_range(0..dims[j]) as u8),
        _ => {
            let rows: Vec<usize> = (0..n).map(|_| rng.random_range(0..kinds)).collect();
            prototypes.select(ndarray::Axis(0), &rows)
        }
    };
    let data = Data::new(x, dims).unwrap();
    if rng.random_range(0..3) > 0 {
        return data;
    }
    let weights: Array1<f64> = (0..n).map(|_| [0.0, 1e-310, 1e-200, 0.1, 1.0, 1e300][rng.random_range(0..6)]).collect();
    data.clone().weighted(weights.view()).unwrap_or(data)
}

fn random_training(rng: &mut Stream) -> Training {
    Training {
        rounds: rng.random_range(1..60),
        validation: if rng.random_range(0..3) == 0 { Validation::None } else { Validation::Fraction(rng.random()) },
        patience: rng.random_range(1..20),
        batch: rng.random_range(1..8),
        seed: rng.random(),
        ..Training::default()
    }
}

fn rate(rng: &mut Stream) -> f64 {
    [0.01, 0.1, 1.0, 30.0, 1e4][rng.random_range(0..5)]
}

fn born_method(rng: &mut Stream) -> BornMethod {
    let step = SweepStep {
        iterations: rng.random_range(1..5),
        rate: [0.1, 0.5, 1.0][rng.random_range(0..3)],
        slowing: [1.0, f64::INFINITY][rng.random_range(0..2)],
    };
    match rng.random_range(0..4) {
        0 => BornMethod::TwoSite {
            truncation: Truncation {
                max_bond: rng.random_range(1..10),
                cutoff: [0.0, 1e-10, 0.1][rng.random_range(0..3)],
            },
            significance: [0.0, 1.0, 3.0][rng.random_range(0..3)],
            explore: rng.random_range(0..3),
            step,
        },
        1 => BornMethod::OneSite { step },
        2 => BornMethod::Adam { rate: rate(rng) },
        _ => BornMethod::Lbfgs { memory: rng.random_range(1..6) },
    }
}

fn positive_method(rng: &mut Stream) -> PositiveMethod {
    match rng.random_range(0..3) {
        0 => PositiveMethod::Em,
        1 => PositiveMethod::Adam { rate: rate(rng) },
        _ => PositiveMethod::Lbfgs { memory: rng.random_range(1..6) },
    }
}

/// What is wrong with a fit, if anything: an error, or a model that is no law.
fn wrong<M: Model>(fit: &Result<Fit<M>, Error>, from_model: bool) -> Option<String> {
    let fit = match fit {
        Ok(fit) => fit,
        // Data of one configuration, by itself or in what the split has left, says nothing about a law; EM
        // cannot leave a start that excludes a sample.
        Err(Error::IdenticalSamples { .. }) => return None,
        Err(Error::ZeroEvidence { .. }) if from_model => return None,
        Err(error) => return Some(error.to_string()),
    };
    let log_prob = fit.model.log_prob(all_configs(fit.model.dims()).view()).unwrap();
    let total: f64 = log_prob.iter().map(|l| l.exp()).sum();
    if fit.history.best() != Some(fit.best) || fit.history.rounds[fit.best].score().is_nan() {
        return Some(format!("best round {} of {:?}", fit.best, fit.history.rounds));
    }
    ((total - 1.0).abs() > 1e-10).then(|| format!("a law of sum {total}"))
}

/// Fits whose numbers are in `range`, each reproducible by its number, every second one continued from its
/// own result with other data; returns those that went wrong.
fn drive(range: std::ops::Range<u64>) -> Vec<String> {
    let one = |number: u64| {
        let rng = &mut Streams::new(11).domain("small fits").stream(number as usize);
        let dims: Vec<usize> = (0..rng.random_range(1..8)).map(|_| rng.random_range(1..4)).collect();
        let (data, training, bond) = (random_data(&dims, rng), random_training(rng), rng.random_range(1..6));
        let (other, again) = (random_data(&dims, rng), rng.random::<bool>());
        let name = format!("fit {number}: {dims:?}, {} samples, batch {}", data.len(), training.batch);
        if number.is_multiple_of(2) {
            let method = born_method(rng);
            let options = BornOptions { method, start: Start::Random { bond }, training: training.clone() };
            let fit = options.fit(&data);
            let what = wrong(&fit, false).or_else(|| {
                let start = Start::Model(fit.ok().filter(|_| again)?.model);
                wrong(&(BornOptions { method: born_method(rng), start, training }).fit(&other), true)
            });
            what.map(|what| format!("{name} {method:?}: {what}"))
        } else {
            let method = positive_method(rng);
            let options = PositiveOptions { method, start: Start::Random { bond }, training: training.clone() };
            let fit = options.fit(&data);
            let what = wrong(&fit, false).or_else(|| {
                let start = Start::Model(fit.ok().filter(|_| again)?.model);
                let options = PositiveOptions { method: positive_method(rng), start, training };
                wrong(&options.fit(&other), true)
            });
            what.map(|what| format!("{name} {method:?}: {what}"))
        }
    };
    range.filter_map(one).collect()
}

/// `TENSORJUMP_FITS` sets the number of fits.
#[test]
fn small_fits_end_with_a_model() {
    let fits = std::env::var("TENSORJUMP_FITS").ok().map_or(400, |fits| fits.parse().unwrap());
    let wrong = drive(0..fits);
    assert!(wrong.is_empty(), "{} of {fits} fits: {wrong:#?}", wrong.len());
}

/// A start under which a sample is impossible: there is no direction to go, and the start is what is left.
#[test]
fn a_fit_that_breaks_down_gives_its_best_model() {
    let data = Data::new(ndarray::array![[0, 0], [1, 1], [1, 0]], &[2, 2]).unwrap();
    let start = BornMps::new(&Mps::product(&[vec![1.0, 0.0], vec![0.6, 0.8]]).unwrap()).unwrap();
    let options = BornOptions {
        method: BornMethod::Lbfgs { memory: 3 },
        start: Start::Model(start.clone()),
        training: Training { validation: Validation::None, ..Training::default() },
    };
    let fit = options.fit(&data).unwrap();
    assert!(matches!(fit.stopped, Stop::Failed(Error::NotFinite { .. })), "{:?}", fit.stopped);
    assert_eq!((fit.best, fit.history.rounds.len()), (0, 1));
    assert_eq!(fit.history.rounds[0].train_nll, f64::INFINITY);
    let x = all_configs(&[2, 2]);
    let log_prob = |model: &BornMps| model.log_prob(x.view()).unwrap();
    assert_eq!(log_prob(&fit.model), log_prob(&start));
    // EM cannot leave such a start: refused before the first round, with the sample.
    let start = PositiveMps::product(&[vec![1.0, 0.0], vec![0.6, 0.4]]).unwrap();
    let options = PositiveOptions {
        start: Start::Model(start),
        training: Training { validation: Validation::None, ..Training::default() },
        ..PositiveOptions::default()
    };
    assert_eq!(options.fit(&data).err(), Some(Error::ZeroEvidence { row: 1 }));
}
