//! Swendsen–Wang, windows, tempering: bad input, restarts, ladders.

use ndarray::{Array2, Array3, Axis, s};
use rand::RngExt;
use tensorjump::lattice::{
    BoundaryMps, Couplings, Geometry, Ising, PairModel, Rectangle, Redrawn, SpinSweep, Square, SwendsenWang, Windows,
};
use tensorjump::mcmc::{
    Chains, Connected, InnerDraws, Level, Move, ReplicasSnapshot, Tempering, TuneOptions, TunedLadder, Walkers,
};
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Error, Model, SiteWeights, Streams, Target};

fn square(rows: usize, cols: usize, geometry: Geometry) -> Square {
    Square::new(rows, cols, geometry).unwrap()
}

fn uniform(rows: usize, cols: usize, geometry: Geometry) -> Couplings {
    Couplings::uniform(square(rows, cols, geometry), 1.0).unwrap()
}

/// The place that an error names.
fn place<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result.unwrap_err() {
        Error::Entry { place, .. } => place,
        error => panic!("{error}"),
    }
}

#[test]
fn models_without_clusters_are_refused_by_the_name_of_the_bond() {
    let lattice = square(3, 4, Geometry::Torus);
    let mut vertical = vec![1.0; lattice.vertical_bonds()];
    vertical[6] = -0.5;
    let couplings = Couplings::new(lattice, vec![1.0; 12], vertical, vec![0.0; 12]).unwrap();
    let ising = Ising::new(couplings.clone(), 0.4).unwrap();
    assert_eq!(place(SwendsenWang::new(&ising)), "vertical[1][2]");
    assert_eq!(place(SwendsenWang::new(&PairModel::potts(&couplings, 3, 0.4).unwrap())), "vertical[1][2][0][0]");
    let clock = PairModel::clock(&uniform(3, 3, Geometry::Open), 4, 0.4).unwrap();
    assert_eq!(place(SwendsenWang::new(&clock)), "horizontal[0][0][0][2]");
    let hard = PairModel::hard_squares(square(3, 3, Geometry::Open), 1.0).unwrap();
    assert!(place(SwendsenWang::new(&hard)).starts_with("horizontal[0][0]"));
    assert!(SwendsenWang::new(&PairModel::colourings(square(3, 3, Geometry::Open), 3).unwrap()).is_err());
    let ising = Ising::new(uniform(3, 3, Geometry::Open), 0.4).unwrap();
    let clusters = SwendsenWang::new(&ising).unwrap();
    assert!(clusters.clone().with_sweeps(0).is_err());
    let rng = &mut Streams::new(1).stream(0);
    assert_eq!(clusters.sweep(&mut [0; 4], rng), Err(Error::SiteCount { expected: 9, got: 4 }));
    assert!(matches!(clusters.sweep(&mut [2; 9], rng), Err(Error::StateOutOfRange { state: 2, .. })));
    // At β = 0 each site is a cluster, with infinitely strong bonds there is one.
    let free = SwendsenWang::new(&Ising::new(uniform(3, 3, Geometry::Open), 0.0).unwrap()).unwrap();
    assert_eq!(free.sweep(&mut [0; 9], rng), Ok(9));
    let strong = SwendsenWang::new(&Ising::new(uniform(3, 3, Geometry::Torus), 100.0).unwrap()).unwrap();
    let mut x = [1; 9];
    assert_eq!(strong.sweep(&mut x, rng), Ok(1));
    assert!(x.iter().all(|&a| a == x[0]));
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let torus = Ising::new(uniform(5, 4, Geometry::Torus), 0.4).unwrap();
    for (rows, cols, name) in [
        (0, 2, "rows of the window"),
        (6, 2, "rows of the window"),
        (2, 5, "columns of the window"),
        (5, 4, "rows of the window"),
    ] {
        match Windows::new(&torus, rows, cols, 2).unwrap_err() {
            Error::Parameter { name: found, .. } => assert_eq!(found, name),
            error => panic!("{error}"),
        }
    }
    assert!(Windows::new(&torus, 2, 2, 0).is_err());
    let windows = Windows::new(&torus, 4, 4, 2).unwrap();
    assert!(windows.clone().with_count(0).is_err());
    assert!(windows.clone().with_flip().is_ok());
    let mut x = [1; 20];
    let outside = Rectangle { row: 5, col: 0, rows: 2, cols: 2 };
    assert!(windows.redraw(outside, &mut x, &Streams::new(1)).is_err());
    assert!(windows.redraw(Rectangle { row: 3, ..outside }, &mut x[..19], &Streams::new(1)).is_err());
    let field = uniform(5, 4, Geometry::Torus).with_field((0..20).map(f64::from).collect()).unwrap();
    let field = Ising::new(field, 0.4).unwrap();
    assert_eq!(place(Windows::new(&field, 2, 2, 2).unwrap().with_flip()), "field[0][1]");
    assert_eq!(place(Windows::new(field.pair_model().unwrap(), 2, 2, 2).unwrap().with_flip()), "sites[0][1]");
    let hard = PairModel::hard_squares(square(4, 4, Geometry::Torus), 1.0).unwrap();
    assert_eq!(place(Windows::new(&hard, 2, 2, 2).unwrap().with_flip()), "horizontal[0][0]");
    let potts = PairModel::potts(&uniform(3, 3, Geometry::Torus), 3, 0.4).unwrap();
    assert!(Windows::new(&potts, 2, 3, 2).unwrap().with_flip().is_err());
}

/// A redraw changes nothing outside its rectangle, also across the edges; untruncated ones are always
/// accepted (single precision aside).
#[test]
fn redraws_stay_within_their_rectangle() {
    let torus = Ising::new(uniform(6, 5, Geometry::Torus), 0.3).unwrap();
    let windows = Windows::new(&torus, 4, 3, 16).unwrap();
    let rectangle = Rectangle { row: 4, col: 3, rows: 4, cols: 3 };
    let inside = rectangle.sites(torus.lattice()).unwrap();
    let start = [1; 30];
    let mut changed = [false; 30];
    for k in 0..40 {
        let mut x = start;
        assert_eq!(windows.redraw(rectangle, &mut x, &Streams::new(2).step(k)), Ok(Redrawn::Accepted));
        (0..30).for_each(|j| changed[j] |= x[j] != start[j]);
    }
    assert!((0..30).all(|j| changed[j] == inside.contains(&j)));
}

/// A ladder of Ising glasses.
struct Glass {
    ladder: Vec<f64>,
    models: Vec<Ising>,
    sweeps: Vec<SpinSweep>,
}

impl Glass {
    fn new(ladder: &[f64]) -> Self {
        let couplings = Couplings::plus_minus(square(4, 4, Geometry::Open), 3);
        let models: Vec<Ising> = ladder.iter().map(|&beta| Ising::new(couplings.clone(), beta).unwrap()).collect();
        let sweeps = models.iter().map(|model| SpinSweep::heat_bath(model).unwrap()).collect();
        Glass { ladder: ladder.to_vec(), models, sweeps }
    }

    fn levels(&self) -> Vec<Level<&Ising, &SpinSweep>> {
        let levels = self.ladder.iter().zip(&self.models).zip(&self.sweeps);
        levels.map(|((&parameter, target), dynamics)| Level { parameter, target, dynamics }).collect()
    }
}

#[test]
fn bad_ladders_are_refused() {
    for ladder in [&[1.0][..], &[1.0, 1.0], &[1.0, 2.0, 1.5], &[2.0, 1.0, 1.5]] {
        assert!(matches!(Tempering::new(Glass::new(ladder).levels()), Err(Error::Parameter { .. })), "{ladder:?}");
        assert!(TunedLadder::respaced(ladder, &vec![0.5; ladder.len() - 1], 0.3).is_err());
    }
    assert!(Tempering::<&Ising, &SpinSweep>::new(vec![]).is_err());
    let glass = Glass::new(&[1.0, 0.5]);
    let mut levels = glass.levels();
    levels[1].parameter = f64::NAN;
    assert!(matches!(Tempering::new(levels), Err(Error::NotFinite { .. })));
    let mut levels = glass.levels();
    let other = Ising::new(uniform(3, 3, Geometry::Open), 0.4).unwrap();
    levels[1].target = &other;
    assert!(matches!(Tempering::new(levels), Err(Error::SiteCount { .. })));
    assert!(Tempering::new(Glass::new(&[0.0, 1.0]).levels()).unwrap().proportional().is_err());
    // Said to be proportional, and not.
    let mut levels = glass.levels();
    levels[1].parameter = 0.7;
    let tempering = Tempering::new(levels).unwrap().proportional().unwrap();
    assert!(matches!(tempering.start(3, 1), Err(Error::Parameter { .. })));
    for (ladder, rates, rate) in [([0.0, 1.0], vec![], 0.3), ([0.0, 1.0], vec![1.2], 0.3), ([0.0, 1.0], vec![0.5], 1.0)]
    {
        assert!(TunedLadder::respaced(&ladder, &rates, rate).is_err());
    }
    assert!(TunedLadder::measure(&[0.0, 1.0], 0.3, 0, &mut |_| Ok(vec![0.5])).is_err());
    assert!(Walkers::new(1).is_err());
    assert!(Walkers::new(3).unwrap().exchange(2, 0.0, 0.5).is_err());
    assert!(Walkers::new(3).unwrap().exchange(0, f64::NAN, 0.5).is_err());
}

/// A run that was written to a file and read again goes on bit for bit, with and without the short cut for
/// proportional weights.
#[test]
fn restarts_continue_exactly() {
    let glass = Glass::new(&[0.5, 1.0, 2.0]);
    let general = Tempering::new(glass.levels()).unwrap();
    for tempering in [general.clone(), general.clone().proportional().unwrap()] {
        let mut whole = tempering.start(3, 5).unwrap();
        let mut first = tempering.start(3, 5).unwrap();
        (0..31).for_each(|_| tempering.update(&mut first).unwrap());
        let text = serde_json::to_string(&first.snapshot()).unwrap();
        let snapshot: ReplicasSnapshot = serde_json::from_str(&text).unwrap();
        let mut second = tempering.resume(snapshot).unwrap();
        (0..30).for_each(|_| tempering.update(&mut second).unwrap());
        (0..61).for_each(|_| tempering.update(&mut whole).unwrap());
        assert_eq!(whole.snapshot(), second.snapshot());
        // Log-weights have been carried along.
        for (k, model) in glass.models.iter().enumerate() {
            let fresh = model.log_weight(whole.level(k).unwrap()).unwrap();
            let carried = whole.log_weight(k).unwrap();
            assert!(fresh.iter().zip(carried).all(|(a, b)| (a - b).abs() < 1e-12 * 48.0));
        }
    }
    let mut wrong = general.start(2, 5).unwrap().snapshot();
    wrong.x.pop();
    assert!(matches!(general.resume(wrong), Err(Error::Entries { .. })));
    let mut wrong = general.start(2, 5).unwrap().snapshot();
    wrong.x[1] = Array2::zeros((1, 16));
    assert!(matches!(general.resume(wrong), Err(Error::Entries { .. })));
    let twice = r#"{"at":[0,0],"end":[null,null],"crossings":[0,0],"attempts":[0],"probability":[0.0]}"#;
    assert!(serde_json::from_str::<Walkers>(twice).is_err());
}

#[test]
fn round_trips_are_counted() {
    let mut walkers = Walkers::new(3).unwrap();
    let mut swap = |pair| assert!(walkers.exchange(pair, 1.0, 0.99).unwrap());
    swap(0); // walkers 1 0 2
    swap(1); // 1 2 0: walker 0 has crossed
    swap(0); // 2 1 0: walker 2 has crossed
    swap(1); // 2 0 1: walker 1 has crossed (it was first)
    swap(0); // 0 2 1: walker 0 is back
    assert_eq!(walkers.at(), [0, 2, 1]);
    assert_eq!(walkers.round_trips(), 1);
    assert_eq!(walkers.swap_rates(), [1.0, 1.0]);
    assert!(!walkers.exchange(0, 0.3f64.ln(), 0.31).unwrap());
    assert!((walkers.swap_rates()[0] - 3.3 / 4.0).abs() < 1e-15);
    walkers.reset();
    assert_eq!((walkers.round_trips(), walkers.at()), (0, &[0, 2, 1][..]));
    assert!(walkers.swap_rates().iter().all(|r| r.is_nan()));
}

/// Levels that differ by Gaussian log-weights: rates erfc(c·distance), a ladder of equal distances.
#[test]
fn ladders_are_cut_evenly() {
    // By numerical integration of 2/√π e^{−t²} from z on, independent of the approximation in the library.
    let erfc = |z: f64| {
        let (n, h) = (4000, 8.0 / 4000.0);
        let f = |i: usize| (-(z + i as f64 * h).powi(2)).exp();
        2.0 / std::f64::consts::PI.sqrt() * h * ((f(0) + f(n)) / 2.0 + (1..n).map(f).sum::<f64>())
    };
    let rates = |ladder: &[f64]| -> Vec<f64> { ladder.windows(2).map(|p| erfc(3.0 * (p[1] - p[0]).abs())).collect() };
    for ladder in [vec![0.1, 0.2, 0.9, 2.0], vec![2.0, 1.5, 0.1]] {
        let tuned = TunedLadder::measure(&ladder, 0.4, 6, &mut |l| Ok(rates(l))).unwrap();
        assert!(tuned.reached && tuned.swap_rates.iter().all(|&r| r >= 0.4), "{tuned:?}");
        assert_eq!((tuned.ladder[0], tuned.ladder.last()), (ladder[0], ladder.last()));
        let even = TunedLadder::respaced(&tuned.ladder, &tuned.swap_rates, 0.4).unwrap();
        let steps: Vec<f64> = even.windows(2).map(|p| p[1] - p[0]).collect();
        // The approximation of erfc, 1.2e-7, and of the sum above, h² = 4e-6.
        assert!(steps.iter().all(|s| (s / steps[0] - 1.0).abs() < 1e-4), "{steps:?}");
        // erfc(ℓ) = 0.4 at ℓ = 0.5951: no more levels than that asks for.
        assert_eq!(even.len() - 1, (3.0 * (ladder[0] - ladder[ladder.len() - 1]).abs() / 0.5951).ceil() as usize);
    }
}

/// Rows with the same weights share a contraction: what they draw and score is that of each row by itself.
#[test]
fn rows_alike_share_their_contraction() {
    let mut rng = Streams::new(3).stream(0);
    for geometry in [Geometry::Open, Geometry::Cylinder] {
        let model = Ising::new(uniform(4, 5, geometry), 0.6).unwrap();
        let q = BoundaryMps::new(&model, 2).unwrap();
        let few = Array3::from_shape_fn((2, 20, 2), |_| 0.1 + rng.random::<f64>());
        let w = few.select(Axis(0), &[0, 0, 1, 1, 1, 0]);
        let x = Array2::from_shape_fn((6, 20), |_| rng.random_range(0..2));
        let streams = Streams::new(4);
        let (new, old) = q.redraw(&SiteWeights::PerRow(w.view()), x.view(), &streams).unwrap();
        for row in 0..6 {
            let rows = s![row..row + 1, ..];
            let w = w.slice(s![row..row + 1, .., ..]);
            let (one, score) = q.redraw(&SiteWeights::PerRow(w), x.slice(rows), &streams.rows_from(row)).unwrap();
            assert_eq!((one.x, one.log_prob[0], score[0]), (new.x.slice(rows).to_owned(), new.log_prob[row], old[row]));
        }
    }
}

/// A chain with inner draws depends on its own row only.
#[test]
fn inner_draws_do_not_depend_on_the_batch() {
    let model = Ising::new(uniform(3, 4, Geometry::Open), 0.5).unwrap();
    let q = BoundaryMps::new(&model, 1).unwrap();
    let noise = Noise::new(Rates::binary_flip(12, 0.7, 1.3).unwrap(), Schedule::constant(1.0).unwrap());
    let connected = Connected::new(&q, noise.kernel(0.0, 0.6).unwrap()).unwrap();
    assert!(matches!(InnerDraws::new(connected.clone(), 0), Err(Error::Parameter { name: "inner draws", .. })));
    let dynamics = InnerDraws::new(connected, 3).unwrap();
    let mut all = Chains::initial(&model, 5, 1).unwrap();
    let mut few = Chains::new(&model, all.x().slice(s![..2, ..]).to_owned()).unwrap();
    let streams = Streams::new(2);
    let report = dynamics.update(&mut all, &model, &streams).unwrap();
    assert_eq!((report.proposed, report.moved <= 5, report.accepted <= 15), (15, true, true));
    dynamics.update(&mut few, &model, &streams).unwrap();
    assert_eq!(few.x(), all.x().slice(s![..2, ..]));
    assert_eq!(model.log_weight(all.x()).unwrap(), all.log_weight());
    let other = Ising::new(uniform(3, 3, Geometry::Open), 0.5).unwrap();
    let mut chains = Chains::initial(&other, 2, 1).unwrap();
    assert!(matches!(dynamics.update(&mut chains, &other, &streams), Err(Error::SiteCount { .. })));
}

/// With a clock that ticks once a reading every trial takes the same time: the choice is the largest squared
/// jump, and repeats exactly.
#[test]
fn tuning_chooses_the_largest_jump_a_second() {
    let model = Ising::new(uniform(4, 4, Geometry::Open), 0.4).unwrap();
    let laws = [1, 4].map(|chi| BoundaryMps::new(&model, chi).unwrap());
    let laws: Vec<&dyn Model> = laws.iter().map(|law| law as &dyn Model).collect();
    let noise = Noise::new(Rates::binary_flip(16, 1.0, 1.0).unwrap(), Schedule::constant(1.0).unwrap());
    let options = TuneOptions { times: vec![0.05, 3.0], draws: vec![1, 3], updates: 50, seed: 1 };
    let observe = |x: Configs<'_>| model.energy(x);
    let tune = |laws: &[&dyn Model], options: &TuneOptions| {
        let mut chains = Chains::initial(&model, 16, 1).unwrap();
        let mut now = 0.0;
        let clock = || {
            now += 1.0;
            now
        };
        options.tune(&model, laws, &noise, &mut chains, observe, clock)
    };
    let tuned = tune(&laws, &options).unwrap();
    assert_eq!(tuned, tune(&laws, &options).unwrap());
    assert_eq!(tuned.trials.len(), 8);
    let jump = |i: usize| tuned.trials[i].squared_jump;
    assert!((0..8).all(|i| jump(i) <= jump(tuned.best) && tuned.trials[i].seconds == 1.0 / 800.0));
    assert!(tuned.chosen().time == 3.0);
    // χ = 4 is exact for four columns: at T = 3 nearly independent draws, at T = 0.05 short steps.
    let exact = |i: usize| (tuned.trials[i].model, tuned.trials[i].acceptance > 0.999) == (1, true);
    assert!((4..8).all(exact) && jump(6) > 0.85 && jump(7) < 1.15 && jump(4) < 0.3, "{tuned:?}");
    for wrong in [
        TuneOptions { times: vec![], ..options.clone() },
        TuneOptions { draws: vec![], ..options.clone() },
        TuneOptions { draws: vec![0], ..options.clone() },
        TuneOptions { times: vec![-1.0], ..options.clone() },
        TuneOptions { updates: 0, ..options.clone() },
    ] {
        assert!(tune(&laws, &wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(tune(&[], &options), Err(Error::Entries { place: "models".into(), expected: 1, got: 0 }));
}
