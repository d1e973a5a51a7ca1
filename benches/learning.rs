//! CPU time of a two-site sweep to the right and back: `cargo bench -p tensorjump-benches --bench learning`.
//! One thread, CPU seconds, the best of several.
//!
//! 1000 strings of 100 bits at bond 32, where nothing but the limit truncates; how the time grows with
//! samples, sites and bond; and the validation NLL by CPU time beside gradient steps of fixed length.

use std::ops::ControlFlow;

use cpu_time::ProcessTime;
use ndarray::{Array1, Axis};
use tensorjump::lattice::{Couplings, Geometry, Ising, SnakeMps, Square};
use tensorjump::learn::{BornMethod, BornOptions, Data, SignedStep, Start, SweepStep, Training, Validation};
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::tn::{Mps, Truncation};
use tensorjump::{Model, Result, Streams};

/// CPU seconds of the fastest of `rounds` sweeps after the bonds have reached their limit.
fn sweep(samples: usize, sites: usize, bond: usize, iterations: usize, rounds: usize) -> Result<f64> {
    let law = PositiveMps::ising(0.6, &vec![1.0; sites - 1], &vec![0.0; sites], Boundary::Open)?;
    let x = law.draw(samples, &Streams::new(1))?.x;
    let data = Data::new(x, &vec![2; sites])?;
    let options = BornOptions {
        method: BornMethod::TwoSite {
            truncation: Truncation { max_bond: bond, cutoff: 0.0 },
            significance: 0.0,
            explore: 0,
            step: SweepStep { iterations, ..SweepStep::default() },
        },
        start: Start::Random { bond },
        training: Training {
            rounds,
            patience: rounds,
            batch: samples,
            validation: Validation::None,
            ..Training::default()
        },
    };
    let (mut clock, mut best) = (ProcessTime::now(), f64::INFINITY);
    let _ = options.fit_with_progress(&data, |_| {
        best = best.min(clock.elapsed().as_secs_f64());
        clock = ProcessTime::now();
        ControlFlow::Continue(())
    })?;
    Ok(best)
}

/// CPU seconds and the best validation NLL so far, in nats a string.
type Course = Vec<(f64, f64)>;

/// The NLL of strings of a 10 × 10 Ising cylinder by CPU time: 1000 to learn from, 1000 to judge by. First
/// the sweeps of this library at their defaults, then two-site gradient steps of fixed length, one a bond,
/// which is the published algorithm (arXiv 1709.01662, `rate = 4 × its step length`) within the same code.
fn courses(seconds: f64) -> Result<Vec<(String, Course)>> {
    let cylinder = Square::new(10, 10, Geometry::Cylinder)?;
    let ising = Ising::new(Couplings::uniform(cylinder, 1.0)?, 0.4)?;
    let x = SnakeMps::new(&ising, 32)?.draw(2000, &Streams::new(2))?.x;
    let x = x.select(Axis(1), &cylinder.snake());
    let dims = vec![2; 100];
    let (train, test) = x.view().split_at(Axis(0), 1000);
    let given = Validation::Given(Data::new(test.to_owned(), &dims)?);
    let training = Training { validation: given, patience: 1000, ..Training::default() };
    let (clock, mut newton) = (ProcessTime::now(), Course::new());
    let mut best = f64::INFINITY;
    let data = Data::new(train.to_owned(), &dims)?;
    let _ = (BornOptions { training, ..BornOptions::default() }).fit_with_progress(&data, |event| {
        best = best.min(event.round.score());
        newton.push((clock.elapsed().as_secs_f64(), best));
        ControlFlow::Continue(())
    })?;
    let mut all = vec![("sweeps at their defaults".to_owned(), newton)];
    for rate in [0.1, 0.4, 1.0] {
        let step = SignedStep { rate, limit: f64::INFINITY, truncation: Truncation { max_bond: 32, cutoff: 1e-14 } };
        let mut stream = Streams::new(1).domain("start").stream(0);
        let mut model = BornMps::new(&Mps::random_positive(&dims, 2, &mut stream)?)?;
        let weights = Array1::from_elem(1000, 1e-3);
        let (clock, mut course, mut best) = (ProcessTime::now(), Course::new(), f64::INFINITY);
        while clock.elapsed().as_secs_f64() < seconds {
            model = step.apply(&model, train, weights.view())?;
            let log = model.log_prob(test)?;
            best = best.min(-log.mean().unwrap_or(f64::NEG_INFINITY));
            course.push((clock.elapsed().as_secs_f64(), best));
        }
        all.push((format!("fixed gradient steps, rate {rate}"), course));
    }
    Ok(all)
}

fn main() -> Result<()> {
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(1).build_global() {
        eprintln!("more than one thread: {error}");
    }
    println!("samples  sites  bond  conjugate gradients  CPU s a sweep");
    for (samples, sites, bond, iterations) in [
        (1000, 100, 32, 1),
        (1000, 100, 32, 2),
        (1000, 100, 32, 4),
        (2000, 100, 32, 2),
        (4000, 100, 32, 2),
        (1000, 200, 32, 2),
        (1000, 100, 16, 2),
        (1000, 100, 64, 2),
    ] {
        let seconds = sweep(samples, sites, bond, iterations, 5)?;
        println!("{samples:7}  {sites:5}  {bond:4}  {iterations:19}  {seconds:13.3}");
    }
    let marks = [0.03, 0.1, 0.3, 1.0, 8.0];
    println!("\nbest validation NLL after {marks:?} CPU s");
    for (name, course) in courses(8.0)? {
        let at =
            |mark: &f64| course.iter().rfind(|(t, _)| t <= mark).map_or("–".into(), |(_, nll)| format!("{nll:.3}"));
        println!("{name:32}  {}", marks.iter().map(at).collect::<Vec<_>>().join("  "));
    }
    Ok(())
}
