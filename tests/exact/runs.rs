//! Runs in pieces: restarts, chains spread over processes, observers that fail, stops, packed states. All of
//! it bit for bit.

use std::ops::ControlFlow;
use std::sync::Arc;

use ndarray::{Axis, concatenate, s};
use rand::RngExt;
use tensorjump::lattice::{
    BoundaryMps, Couplings, Geometry, Ising, SiteHeatBath, SpinSweep, Square, SwendsenWang, Windows, Wolff,
};
use tensorjump::mcmc::*;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Error, Result, Stream, Streams, Target};

/// Couplings between 0.1 and 1.1 without a field, on which every move works; two of them differ.
pub fn ising(beta: f64) -> Ising {
    let lattice = Square::new(4, 4, Geometry::Open).unwrap();
    let mut rng = Streams::new(5).domain("runs").stream(0);
    let mut draw = |n: usize| (0..n).map(|_| 0.1 + rng.random::<f64>()).collect::<Vec<_>>();
    let (horizontal, vertical) = (draw(lattice.horizontal_bonds()), draw(lattice.vertical_bonds()));
    Ising::new(Couplings::new(lattice, horizontal, vertical, vec![0.0; 16]).unwrap(), beta).unwrap()
}

/// Flips one random spin, whatever the weight.
fn flip(x: &mut [u8], stream: &mut Stream) -> Result<(usize, usize)> {
    let j = stream.random_range(0..x.len());
    x[j] ^= 1;
    Ok((1, 1))
}

type Named<'a> = (&'static str, Box<dyn Move + 'a>);

/// Every move of the library.
fn every_move<'a>(ising: &'a Ising, model: &'a BoundaryMps) -> Vec<Named<'a>> {
    let noise = Noise::new(Rates::binary_flip(16, 1.0, 1.0).unwrap(), Schedule::default());
    let connected = Connected::new(model, noise.kernel(0.0, 0.4).unwrap()).unwrap();
    let single = MetropolisHastings::new(SingleSite::new(&[2; 16]).unwrap());
    let pairs = Arc::new(ising.pair_model().unwrap());
    let proposals: Vec<(f64, Box<dyn Proposal + 'a>)> =
        vec![(0.5, Box::new(Disconnected::new(model))), (0.5, Box::new(connected.clone()))];
    let parts = || -> Vec<Box<dyn Move + 'a>> {
        vec![Box::new(SpinSweep::metropolis(ising).unwrap()), Box::new(InnerDraws::new(connected.clone(), 2).unwrap())]
    };
    vec![
        ("disconnected", Box::new(MetropolisHastings::new(Disconnected::new(model)))),
        ("connected", Box::new(MetropolisHastings::new(connected.clone()))),
        ("inner draws", Box::new(InnerDraws::new(connected.clone(), 3).unwrap())),
        ("exchange", Box::new(MetropolisHastings::new(Exchange::chain(&[2; 16]).unwrap()))),
        ("mixture of proposals", Box::new(MetropolisHastings::new(Mixture::new(proposals).unwrap()))),
        ("mixture of moves", Box::new(Mixture::new([0.5, 0.5].into_iter().zip(parts()).collect()).unwrap())),
        ("cycle", Box::new(Cycle::new(parts()).unwrap())),
        ("repeat", Box::new(Repeat::new(single, 16).unwrap())),
        ("local", Box::new(Local::new(flip))),
        ("metropolis", Box::new(SpinSweep::metropolis(ising).unwrap())),
        ("heat bath", Box::new(SpinSweep::heat_bath(ising).unwrap().with_sweeps(2).unwrap())),
        ("site heat bath", Box::new(SiteHeatBath::new(&pairs).unwrap())),
        ("wolff", Box::new(Wolff::new(ising).unwrap())),
        ("swendsen-wang", Box::new(SwendsenWang::new(ising).unwrap())),
        ("windows", Box::new(Arc::new(Windows::new(pairs, 3, 3, 2).unwrap()))),
    ]
}

pub fn with_moves(check: impl Fn(&Ising, &str, &dyn Move)) {
    let ising = ising(0.5);
    let model = BoundaryMps::new(&ising, 1).unwrap();
    every_move(&ising, &model).iter().for_each(|(name, dynamics)| check(&ising, name, dynamics));
}

/// Chains of eight run as one and as three and five: the same. Counted from zero again they are other chains.
#[test]
fn chains_spread_over_processes_are_those_of_one() {
    with_moves(|ising, name, dynamics| {
        let part = |first: usize, chains: usize, counted: usize| {
            let mut chains = Chains::initial_from(ising, first, chains, 3).unwrap();
            let options =
                RunOptions { updates: 12, warm_up: 2, seed: 9, first_chain: counted, ..RunOptions::default() };
            let found = options.run(ising, dynamics, &mut chains, |x| ising.energy(x)).unwrap();
            (chains.x().to_owned(), found.series, found.log_weight, found.report)
        };
        let (all, a, b) = (part(0, 8, 0), part(0, 3, 0), part(3, 5, 3));
        assert_eq!(all.0, concatenate![Axis(0), a.0, b.0], "{name}");
        assert_eq!(all.1, concatenate![Axis(1), a.1, b.1], "{name}");
        assert_eq!(all.2, concatenate![Axis(1), a.2, b.2], "{name}");
        let mut report = a.3;
        report += &b.3;
        assert_eq!(all.3, report, "{name}");
        assert_ne!(all.1.slice(s![.., 3.., ..]), part(3, 5, 0).1, "{name}: the twin is not seen");
    });
}

/// A run that was written to a file and read again goes on bit for bit. Without the number of updates it does
/// not.
#[test]
fn runs_restart_bit_for_bit() {
    with_moves(|ising, name, dynamics| {
        let go = |chains: &mut Chains, updates: usize| {
            let options = RunOptions { updates, warm_up: 0, seed: 9, ..RunOptions::default() };
            options.run(ising, dynamics, chains, |x| ising.energy(x)).unwrap()
        };
        let mut whole = Chains::initial(ising, 5, 3).unwrap();
        let straight = go(&mut whole, 13);
        let mut first = Chains::initial(ising, 5, 3).unwrap();
        go(&mut first, 7);
        let text = serde_json::to_string(&first.snapshot()).unwrap();
        let snapshot: ChainsSnapshot = serde_json::from_str(&text).unwrap();
        let mut resumed = Chains::resume(ising, snapshot.clone()).unwrap();
        let rest = go(&mut resumed, 6);
        assert_eq!((resumed.updates(), &resumed), (13, &whole), "{name}");
        assert_eq!(rest.series, straight.series.slice(s![7.., .., ..]), "{name}");
        let mut forgotten = Chains::new(ising, snapshot.x).unwrap();
        assert_ne!(go(&mut forgotten, 6).series, rest.series, "{name}: the twin is not seen");
    });
    let ising = ising(0.5);
    let wrong = ChainsSnapshot { updates: 3, x: ndarray::Array2::zeros((2, 15)) };
    assert!(matches!(Chains::resume(&ising, wrong), Err(Error::SiteCount { .. })));
}

/// Neither a failing observer nor a stop tears the chains: they stand at a complete update, and go on as if
/// nothing had been.
#[test]
fn failing_observers_and_stops_leave_complete_updates() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let options = RunOptions { updates: 30, warm_up: 5, thin: 4, seed: 9, ..RunOptions::default() };
    let start = Chains::initial(&ising, 6, 3).unwrap();
    let after = |updates: usize| {
        let mut chains = start.clone();
        let report = chains.advance(&ising, &sweep, updates, &options.streams()).unwrap();
        assert_eq!((chains.updates(), report.proposed), (updates as u64, updates * 6 * 16));
        chains
    };

    // The first look comes before the run, the fourth at update 5 + 3·4.
    let (mut chains, mut looks) = (start.clone(), 0);
    let failed = options.run(&ising, &sweep, &mut chains, |x| {
        looks += 1;
        if looks == 4 { Err(Error::ZeroEvidence { row: 77 }) } else { ising.energy(x) }
    });
    assert_eq!(failed, Err(Error::ZeroEvidence { row: 77 }));
    assert_eq!(chains, after(17));
    assert_eq!(chains.log_weight(), ising.log_weight(chains.x()).unwrap());
    let mut untouched = start.clone();
    let refused = options.run(&ising, &sweep, &mut untouched, |_| Err::<(), _>(Error::ZeroEvidence { row: 1 }));
    assert_eq!((refused, &untouched), (Err(Error::ZeroEvidence { row: 1 }), &start));

    let mut whole = start.clone();
    let complete = options.run(&ising, &sweep, &mut whole, |x| ising.energy(x)).unwrap();
    assert_eq!((complete.stopped, complete.series.dim()), (false, (7, 6, 1)));
    for (stop, records) in [(3, 0), (5, 0), (9, 1), (18, 3), (35, 7)] {
        let mut chains = start.clone();
        let stopped = options
            .run_with_progress(
                &ising,
                &sweep,
                &mut chains,
                |x| ising.energy(x),
                |p| {
                    if p.done == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
            )
            .unwrap();
        assert!(stopped.stopped);
        assert_eq!(stopped.series, complete.series.slice(s![..records, .., ..]));
        assert_eq!(stopped.log_weight, complete.log_weight.slice(s![..records, ..]));
        assert_eq!(stopped.report.proposed, stop.saturating_sub(5) * 6 * 16);
        assert_eq!(chains, after(stop));
    }
}

/// Observables of every form, and a recorder fed by hand: the run itself.
#[test]
fn a_recorder_fed_by_hand_is_a_run() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let options = RunOptions { updates: 12, warm_up: 3, thin: 4, seed: 9, ..RunOptions::default() };
    let start = Chains::initial(&ising, 6, 3).unwrap();
    let whole = options.run(&ising, &sweep, &mut start.clone(), |x| ising.energy(x)).unwrap();
    let table = options.run(&ising, &sweep, &mut start.clone(), |x| Ok(ising.energy(x)?.insert_axis(Axis(1)))).unwrap();
    assert_eq!(whole, table);
    let nothing = options.run(&ising, &sweep, &mut start.clone(), |_| Ok(())).unwrap();
    assert_eq!((nothing.series.dim(), &nothing.log_weight), ((3, 6, 0), &whole.log_weight));

    let mut chains = start.clone();
    chains.advance(&ising, &sweep, 3, &options.streams()).unwrap();
    let mut recorder = Recorder::new(|x| ising.energy(x));
    for k in 0..3 {
        assert_eq!(recorder.records(), k);
        let report = chains.advance(&ising, &sweep, 4, &options.streams()).unwrap();
        recorder.record(&chains, &report).unwrap();
    }
    let other = Chains::initial(&ising, 5, 3).unwrap();
    let wrong = recorder.record(&other, &MoveReport::default());
    assert_eq!(wrong, Err(Error::Shape { field: "observables", expected: vec![6, 1], got: vec![5, 1] }));
    assert_eq!(recorder.finish(), whole);

    // Another target than before: weighed anew.
    let colder = self::ising(1.5);
    chains.advance(&colder, &sweep, 0, &options.streams()).unwrap();
    assert_eq!(chains.log_weight(), colder.log_weight(chains.x()).unwrap());
}

/// A dynamics whose states are never kept.
struct Fresh<D>(D);

impl<D: Dynamics> Dynamics for Fresh<D> {
    type State = D::State;
    fn enter(&self, x: &[u8]) -> Result<D::State> {
        self.0.enter(x)
    }
    fn step(&self, state: &mut D::State, stream: &mut Stream) -> Result<(usize, usize)> {
        self.0.step(state, stream)
    }
    fn leave(&self, state: &D::State, x: &mut [u8]) -> Result<()> {
        self.0.leave(state, x)
    }
    fn fits(&self, _: &D::State) -> bool {
        false
    }
}

/// A move of chains is the packed driver, chain by chain, whether states are kept or not.
fn is_the_driver(ising: &Ising, dynamics: impl Dynamics + Move) {
    let start = Chains::initial(ising, 4, 3).unwrap();
    let (mut chains, mut fresh) = (start.clone(), start.clone());
    let mut states: Vec<_> = start.x().outer_iter().map(|x| dynamics.enter(&x.to_vec()).unwrap()).collect();
    let streams = Streams::new(8);
    let mut x = vec![0; 16];
    for k in 0..10 {
        let report = chains.advance(ising, &dynamics, 1, &streams).unwrap();
        let mut counts = (0, 0);
        for (row, state) in states.iter_mut().enumerate() {
            let mut stream = streams.step(k).domain("local").stream(row);
            let (proposed, accepted) = dynamics.step(state, &mut stream).unwrap();
            counts = (counts.0 + proposed, counts.1 + accepted);
            dynamics.leave(state, &mut x).unwrap();
            assert_eq!(x, chains.x().row(row).to_vec());
        }
        assert_eq!((report.proposed, report.accepted), counts);
    }
    fresh.advance(ising, &EachChain(Fresh(&dynamics)), 10, &streams).unwrap();
    assert_eq!(fresh, chains);
    assert_ne!(start.x(), chains.x());
}

#[test]
fn moves_of_chains_are_the_packed_drivers() {
    let ising = ising(0.5);
    let pairs = ising.pair_model().unwrap();
    is_the_driver(&ising, SpinSweep::heat_bath(&ising).unwrap());
    is_the_driver(&ising, SpinSweep::metropolis(&ising).unwrap().with_sweeps(3).unwrap());
    is_the_driver(&ising, Wolff::new(&ising).unwrap().with_clusters(2).unwrap());
    is_the_driver(&ising, SwendsenWang::new(&ising).unwrap());
    is_the_driver(&ising, SiteHeatBath::new(&pairs).unwrap());
    is_the_driver(&ising, Windows::new(&pairs, 2, 3, 1).unwrap());
    is_the_driver(&ising, Local::new(flip));
}

/// What one dynamics packed does not disturb another: same sites on another lattice, other forms, rows
/// replaced in between.
#[test]
fn packed_states_follow_the_chains() {
    let lattice = |rows, cols| Square::new(rows, cols, Geometry::Open).unwrap();
    let glass = |l| Ising::new(Couplings::plus_minus(l, 2), 0.6).unwrap();
    let (wide, high) = (glass(lattice(3, 4)), glass(lattice(4, 3)));
    let (of_wide, of_high) = (SpinSweep::heat_bath(&wide).unwrap(), SpinSweep::heat_bath(&high).unwrap());
    let streams = Streams::new(8);
    let go = |keep: bool| {
        let mut chains = Chains::initial(&wide, 4, 3).unwrap();
        let mut trace = vec![];
        for k in 0..12 {
            if !keep {
                chains = Chains::resume(&wide, chains.snapshot()).unwrap();
            }
            let (target, dynamics): (&Ising, &dyn Move) = match k % 4 {
                0 => (&wide, &of_wide),
                1 => (&high, &of_high),
                2 => (&high, &Local::new(flip)),
                _ => (&high, &of_high),
            };
            chains.advance(target, dynamics, 1, &streams).unwrap();
            // A proposal in between.
            let x = chains.x().row(1).mapv(|a| 1 - a);
            let w = target.log_weight(x.view().insert_axis(Axis(0))).unwrap()[0];
            assert!(chains.replace(1, x.view(), w).unwrap());
            trace.push(chains.x().to_owned());
        }
        trace
    };
    assert_eq!(go(true), go(false));
    // A state of another lattice is refused where it is given by hand.
    let mut state = of_wide.enter(&[0; 12]).unwrap();
    assert!(!of_high.fits(&state) && of_wide.fits(&state));
    assert!(of_high.step(&mut state, &mut streams.stream(0)).is_err());
    assert!(of_wide.leave(&state, &mut [0; 11]).is_err());
}

/// Tempering keeps states packed and exchanges them: bit for bit what it does when it packs anew at each
/// update.
#[test]
fn packed_tempering_is_tempering() {
    let ladder = [0.3, 0.6, 0.9, 1.4];
    let of = |dynamics: &dyn Fn(usize, &Ising) -> Box<dyn Move>| {
        let level = |k: usize| {
            let target = ising(ladder[k]);
            Level { parameter: ladder[k], dynamics: dynamics(k, &target), target }
        };
        Tempering::new((0..4).map(level).collect()).unwrap()
    };
    let sweep = |ising: &Ising| SpinSweep::heat_bath(ising).unwrap();
    let mixed = |k: usize, ising: &Ising| -> Box<dyn Move> {
        match k {
            0 => Box::new(sweep(ising)),
            1 => Box::new(Wolff::new(ising).unwrap()),
            2 => Box::new(SwendsenWang::new(ising).unwrap()),
            _ => Box::new(MetropolisHastings::new(SingleSite::new(&[2; 16]).unwrap())),
        }
    };
    let fresh = |k: usize, ising: &Ising| -> Box<dyn Move> {
        match k {
            0 => Box::new(EachChain(Fresh(sweep(ising)))),
            1 => Box::new(EachChain(Fresh(Wolff::new(ising).unwrap()))),
            2 => Box::new(EachChain(Fresh(SwendsenWang::new(ising).unwrap()))),
            _ => mixed(k, ising),
        }
    };
    let all = |_: usize, ising: &Ising| -> Box<dyn Move> { Box::new(sweep(ising)) };
    let all_fresh = |_: usize, ising: &Ising| -> Box<dyn Move> { Box::new(EachChain(Fresh(sweep(ising)))) };
    type Levels<'a> = &'a dyn Fn(usize, &Ising) -> Box<dyn Move>;
    let pairs: [[Levels<'_>; 2]; 2] = [[&all, &all_fresh], [&mixed, &fresh]];
    for (dynamics, proportional) in pairs.into_iter().flat_map(|pair| [(pair, false), (pair, true)]) {
        let found = dynamics.map(|dynamics| {
            let tempering = if proportional { of(dynamics).proportional().unwrap() } else { of(dynamics) };
            let mut replicas = tempering.start(3, 5).unwrap();
            tempering.advance(&mut replicas, 40).unwrap();
            assert!(replicas.swap_rates().iter().all(|&rate| rate > 0.05));
            replicas
        });
        assert_eq!(found[0], found[1]);
    }
}

/// Nothing borrowed is left: what a foreign object can hold.
#[test]
fn moves_and_ladders_own_their_parts() {
    fn holds<T: Send + Sync + 'static>(object: T) -> T {
        object
    }
    let pairs = Arc::new(ising(0.5).pair_model().unwrap());
    let windows = holds(Windows::new(ising(0.5), 2, 2, 2).unwrap());
    let shared = holds(SiteHeatBath::new(&pairs).unwrap());
    let cycle = holds(Cycle::new(vec![Box::new(windows), Box::new(shared)]).unwrap());
    let level = |beta: f64, dynamics: Arc<dyn Move>| {
        let target: Arc<dyn Target> = Arc::new(ising(beta));
        Level { parameter: beta, target, dynamics }
    };
    let sweep: Arc<dyn Move> = Arc::new(SpinSweep::heat_bath(&ising(1.0)).unwrap());
    let tempering = holds(Tempering::new(vec![level(0.5, Arc::new(cycle)), level(1.0, sweep)]).unwrap());
    let mut replicas = holds(tempering.start(2, 1).unwrap());
    tempering.advance(&mut replicas, 5).unwrap();
    assert_eq!(replicas.updates(), 5);
    // The dynamics shares the tables of the model, which may go.
    assert_eq!(SiteHeatBath::new(&pairs), SiteHeatBath::new(&ising(0.5)));
}
