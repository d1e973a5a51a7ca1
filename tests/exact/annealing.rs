//! Population annealing: weights, resampling, refusals.

use ndarray::{Array1, Array2};
use tensorjump::lattice::{Couplings, Geometry, Ising, PairModel, SiteHeatBath, SpinSweep, Square};
use tensorjump::mcmc::{Annealing, EachChain, Estimate, Level, Local};
use tensorjump::model::PositiveMps;
use tensorjump::{Error, Model, Result, Samples, Stream, Streams, Target};

fn ising(beta: f64) -> Ising {
    Ising::new(Couplings::plus_minus(Square::new(3, 4, Geometry::Open).unwrap(), 2), beta).unwrap()
}

fn stay(_: &mut [u8], _: &mut Stream) -> Result<(usize, usize)> {
    Ok((1, 0))
}

fn drawn(n: usize) -> Samples {
    let law = PositiveMps::product(&(0..12).map(|j| vec![0.3 + 0.03 * f64::from(j), 1.0]).collect::<Vec<_>>());
    law.unwrap().draw(n, &Streams::new(3)).unwrap()
}

/// Without moves and resampling the weights are those of the last target, whatever lies between.
#[test]
fn levels_telescope() {
    let level = |parameter: f64| Level { parameter, target: ising(parameter), dynamics: Local::new(stay) };
    let annealing = Annealing::new([0.2, 0.9, 0.4, 1.3].into_iter().map(level).collect()).unwrap();
    let draws = drawn(50);
    let plain = draws.log_importance_weights(&ising(1.3)).unwrap();
    let end = annealing.resample_below(0.0).unwrap().run(draws.clone(), 1).unwrap();
    assert_eq!(end.x, draws.x);
    assert_eq!(end.ancestors, Array1::from_iter(0..50));
    end.log_weight.iter().zip(&plain).for_each(|(a, b)| approx::assert_abs_diff_eq!(a, b, epsilon = 1e-12));
    let log_z = Estimate::log_mean_weight(plain.view()).unwrap().mean;
    approx::assert_abs_diff_eq!(end.log_z(), log_z, epsilon = 1e-12);
    assert!(end.history.iter().all(|level| !level.resampled && level.families == 50 && level.report.proposed == 50));
}

/// Each draw is repeated `⌊n p⌋` or `⌈n p⌉` times, and the mean weight stays.
#[test]
fn resampling_is_systematic() {
    for seed in 0..20 {
        let level = Level { parameter: 1.0, target: ising(1.0), dynamics: Local::new(stay) };
        let draws = drawn(200);
        let log_w = draws.log_importance_weights(&ising(1.0)).unwrap();
        let p = log_w.mapv(|w| (w - Estimate::log_mean_weight(log_w.view()).unwrap().mean).exp());
        let end = Annealing::new(vec![level]).unwrap().resample_below(1.0).unwrap().run(draws.clone(), seed).unwrap();
        for (i, p) in p.iter().enumerate() {
            let copies = end.ancestors.iter().filter(|&&a| a == i).count() as f64;
            assert!((copies - p).abs() < 1.0, "{copies} copies for {p}");
        }
        for (x, &a) in end.x.outer_iter().zip(&end.ancestors) {
            assert_eq!(x, draws.x.row(a));
        }
        assert!(end.log_weight.iter().all(|&w| (w - end.log_z()).abs() < 1e-15));
        let distinct = end.ancestors.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(end.history[0].families, distinct);
    }
}

/// Draws that the target forbids are replaced before they move, even where resampling is never asked for.
#[test]
fn draws_of_weight_zero_are_replaced() {
    let target = PairModel::hard_squares(Square::new(3, 4, Geometry::Open).unwrap(), 1.5).unwrap();
    let dynamics = EachChain(SiteHeatBath::new(&target).unwrap());
    let annealing = Annealing::new(vec![Level { parameter: 1.0, target, dynamics }]).unwrap();
    let end = annealing.resample_below(0.0).unwrap().run(drawn(3000), 1).unwrap();
    let target = &PairModel::hard_squares(Square::new(3, 4, Geometry::Open).unwrap(), 1.5).unwrap();
    assert!(target.log_weight(end.x.view()).unwrap().iter().all(|w| w.is_finite()));
    assert!(end.history[0].resampled && end.history[0].families < 3000);
}

/// The same on any number of threads.
#[test]
fn populations_do_not_depend_on_threads() {
    let run = || {
        let level =
            |b: f64| Level { parameter: b, target: ising(b), dynamics: SpinSweep::heat_bath(&ising(b)).unwrap() };
        Annealing::new([0.5, 1.0, 2.0].into_iter().map(level).collect()).unwrap().run(drawn(64), 9).unwrap()
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(run(), pool.install(run));
}

#[test]
fn refusals_name_what_is_wrong() {
    let level = |target: Ising| Level { parameter: 1.0, target, dynamics: Local::new(stay) };
    let none: Vec<Level<Ising, SpinSweep>> = vec![];
    assert!(matches!(Annealing::new(none), Err(Error::Parameter { name: "levels", .. })));
    let other = Ising::new(Couplings::plus_minus(Square::new(3, 3, Geometry::Open).unwrap(), 2), 1.0).unwrap();
    assert!(matches!(Annealing::new(vec![level(ising(1.0)), level(other)]), Err(Error::SiteCount { .. })));
    let annealing = || Annealing::new(vec![level(ising(1.0))]).unwrap();
    assert!(matches!(annealing().resample_below(1.1), Err(Error::Parameter { .. })));
    assert!(matches!(annealing().resample_below(f64::NAN), Err(Error::Parameter { .. })));
    let short = Samples { x: Array2::zeros((3, 12)), log_prob: Array1::zeros(2) };
    assert!(matches!(annealing().run(short, 1), Err(Error::SampleCount { expected: 3, got: 2 })));
    let empty = Samples { x: Array2::zeros((0, 12)), log_prob: Array1::zeros(0) };
    assert!(matches!(annealing().run(empty, 1), Err(Error::TooFewSamples { .. })));
    let nan = Samples { x: Array2::zeros((3, 12)), log_prob: Array1::from(vec![0.0, f64::NAN, 0.0]) };
    assert!(annealing().run(nan, 1).is_err());
    let impossible = Samples { x: Array2::from_elem((3, 12), 1), log_prob: Array1::zeros(3) };
    let squares = PairModel::hard_squares(Square::new(3, 4, Geometry::Open).unwrap(), 1.5).unwrap();
    let level = Level { parameter: 1.0, target: squares, dynamics: Local::new(stay) };
    assert!(Annealing::new(vec![level]).unwrap().run(impossible, 1).is_err());
}
