//! Work over ranks, threads standing for processes: everywhere what one process finds, to the last bit,
//! errors and stops included.

mod learning;
mod resumes;

use std::ops::ControlFlow;

use ndarray::Array1;
use tensorjump::lattice::{BoundaryMps, Couplings, Fredkin, FredkinModel, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::*;
use tensorjump::ranks::Ranks;
use tensorjump::{Configs, Error, Result, Stream, Streams, Target};

use super::common::threads::{Threads, on_ranks};
use super::runs::{ising, with_moves};

fn go_on(_: &Progress<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Seven chains by every move of the library; a second run goes on with what the first has packed.
#[test]
fn chains_over_ranks_are_those_of_one_process() {
    with_moves(|ising, name, dynamics| {
        let options = RunOptions { updates: 9, warm_up: 3, thin: 2, seed: 9, first_chain: 2 };
        let start = Chains::initial(ising, 7, 3).unwrap();
        let streams = Streams::new(4);
        let mut chains = start.clone();
        let first = options.run(ising, dynamics, &mut chains, |x| ising.energy(x)).unwrap();
        let second = options.run(ising, dynamics, &mut chains, |x| ising.energy(x)).unwrap();
        let report = chains.advance(ising, dynamics, 5, &streams).unwrap();
        for size in 1..=4 {
            let found = on_ranks(size, |ranks| {
                let mut chains = start.clone();
                let mut run =
                    || options.run_over(ranks, ising, dynamics, &mut chains, |x| ising.energy(x), None, go_on).unwrap();
                let runs = (run(), run());
                let report = chains.advance_over(ranks, ising, dynamics, 5, &streams).unwrap();
                (runs, report, chains)
            });
            for ((one, two), done, at) in &found {
                assert_eq!((one, two, done), (&first, &second, &report), "{name}, {size} ranks");
                assert_eq!((at, at.updates()), (&chains, 29), "{name}, {size} ranks");
            }
        }
        let other = RunOptions { first_chain: 3, ..options };
        let twin = other.run(ising, dynamics, &mut start.clone(), |x| ising.energy(x)).unwrap();
        assert_ne!(twin.series, first.series, "{name}: the twin is not seen");
    });
}

/// An update gathers two numbers and how the rank is, whatever is observed.
#[test]
fn a_run_gathers_once_an_update() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let counts = |updates: usize| {
        let found = on_ranks(3, |ranks| {
            let mut chains = Chains::initial(&ising, 6, 3).unwrap();
            let options = RunOptions { updates, warm_up: 0, thin: updates, ..RunOptions::default() };
            options.run_over(ranks, &ising, &sweep, &mut chains, |x| ising.energy(x), None, go_on).unwrap();
            (ranks.gathers.get(), ranks.sent.get())
        });
        assert!(found.iter().all(|one| *one == found[0]));
        found[0]
    };
    let (few, many) = (counts(10), counts(110));
    assert_eq!((many.0 - few.0, many.1 - few.1), (100, 300));
}

/// One rank asks to stop: all stop after that update, with the records of one process that stops there.
#[test]
fn a_stop_on_one_rank_stops_all() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let options = RunOptions { updates: 50, warm_up: 5, thin: 4, ..RunOptions::default() };
    let stop = |here: bool| {
        move |p: &Progress<'_>| if here && p.done == 18 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let mut chains = Chains::initial(&ising, 6, 3).unwrap();
    let expected = options.run_with_progress(&ising, &sweep, &mut chains, |x| ising.energy(x), stop(true)).unwrap();
    for found in on_ranks(3, |ranks| {
        let mut chains = Chains::initial(&ising, 6, 3).unwrap();
        let stop = stop(ranks.rank() == 1);
        let run = options.run_over(ranks, &ising, &sweep, &mut chains, |x| ising.energy(x), None, stop).unwrap();
        (run, chains)
    }) {
        assert_eq!((&found.0, &found.1, found.0.stopped), (&expected, &chains, true));
    }
}

/// A target that fails after so many calls on one of the ranks.
struct Failing<'a> {
    ising: &'a Ising,
    left: std::sync::atomic::AtomicUsize,
}

impl<'a> Failing<'a> {
    fn new(ising: &'a Ising, calls: usize) -> Self {
        Failing { ising, left: calls.into() }
    }
}

impl Target for Failing<'_> {
    fn dims(&self) -> &[usize] {
        self.ising.dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        use std::sync::atomic::Ordering::SeqCst;
        match self.left.fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)) {
            Ok(_) => self.ising.log_weight(x),
            Err(_) => Err(Error::ZeroEvidence { row: 77 }),
        }
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        self.ising.initial(stream)
    }
}

const OWN: Error = Error::ZeroEvidence { row: 77 };

/// The rank that fails has its own error, the others are told who failed, and nobody waits. What was to
/// change has not changed.
fn check_failure<S: PartialEq + std::fmt::Debug + Clone + Send + Sync>(
    start: &S,
    work: impl Fn(&Threads, &Failing<'_>, &mut S) -> Result<()> + Sync,
) {
    let ising = ising(0.5);
    for (size, failing, calls) in [(1, 0, 3), (2, 0, 0), (3, 1, 4), (4, 3, 7)] {
        for (rank, (found, after)) in on_ranks(size, |ranks| {
            let calls = if ranks.rank() == failing { calls } else { usize::MAX };
            let mut state = start.clone();
            (work(ranks, &Failing::new(&ising, calls), &mut state), state)
        })
        .into_iter()
        .enumerate()
        {
            let expected = if rank == failing { OWN } else { Error::Rank { rank: failing } };
            assert_eq!((found, &after), (Err(expected), start), "rank {rank} of {size}");
        }
    }
}

#[test]
fn the_error_of_a_rank_reaches_all() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let options = RunOptions { updates: 40, warm_up: 2, ..RunOptions::default() };
    let chains = Chains::initial(&ising, 9, 3).unwrap();
    check_failure(&chains, |ranks, target, chains| {
        options.run_over(ranks, target, &sweep, chains, |x| ising.energy(x), None, go_on).map(|_| ())
    });
    check_failure(&chains, |ranks, target, chains| {
        chains.advance_over(ranks, target, &sweep, 40, &Streams::new(1)).map(|_| ())
    });
    let level = |parameter| Level { parameter, target: &ising, dynamics: &sweep };
    let replicas = Tempering::new(vec![level(1.0), level(2.0)]).unwrap().start(4, 1).unwrap();
    check_failure(&replicas, |ranks, target, replicas| {
        let level = |parameter| Level { parameter, target, dynamics: &sweep };
        Tempering::new(vec![level(1.0), level(2.0)])?.advance_over(ranks, replicas, 40)
    });
    let failed = on_ranks(3, |ranks| {
        let mut chains = chains.clone();
        let observe = |x: Configs<'_>| if ranks.rank() == 2 { Err(OWN) } else { ising.energy(x) };
        options.run_over(ranks, &ising, &sweep, &mut chains, observe, None, go_on).unwrap_err()
    });
    assert_eq!(failed, [Error::Rank { rank: 2 }, Error::Rank { rank: 2 }, OWN]);
}

/// Arguments that differ between ranks are refused on all of them.
#[test]
fn ranks_must_be_given_the_same() {
    let ising = ising(0.5);
    let sweep = SpinSweep::heat_bath(&ising).unwrap();
    let refused = |ranks: usize, work: &(dyn Fn(&Threads) -> Error + Sync)| {
        for error in on_ranks(ranks, work) {
            assert!(matches!(error, Error::Parameter { .. }), "{error}");
        }
    };
    let run = |ranks: &Threads, seed: usize, chains: usize, start: usize| {
        let mut chains = Chains::initial(&ising, chains, start as u64).unwrap();
        let options = RunOptions { updates: 5, seed: seed as u64, ..RunOptions::default() };
        options.run_over(ranks, &ising, &sweep, &mut chains, |x| ising.energy(x), None, go_on).unwrap_err()
    };
    refused(2, &|ranks| run(ranks, ranks.rank(), 8, 1));
    refused(3, &|ranks| run(ranks, 1, 8 + ranks.rank(), 1));
    refused(3, &|ranks| run(ranks, 1, 8, ranks.rank()));
    refused(4, &|ranks| run(ranks, 1, 3, 1)); // fewer chains than ranks
    let level = |parameter| Level { parameter, target: &ising, dynamics: &sweep };
    let ladder = Tempering::new(vec![level(1.0), level(2.0)]).unwrap();
    refused(2, &|ranks| {
        let mut replicas = ladder.start(2, ranks.rank() as u64).unwrap();
        ladder.advance_over(ranks, &mut replicas, 3).unwrap_err()
    });
}

/// The ladder is updated in one process and over ranks, in pieces of different lengths.
fn check_tempering<T: Target, M: Move>(ladder: &Tempering<T, M>, copies: usize, sizes: &[usize]) {
    let pieces = [1, 6, 13, 20];
    let mut replicas = ladder.start(copies, 5).unwrap();
    let expected: Vec<Replicas> = pieces
        .iter()
        .map(|&n| {
            ladder.advance(&mut replicas, n).unwrap();
            replicas.clone()
        })
        .collect();
    assert!(replicas.swap_rates().iter().all(|&rate| rate > 0.01), "nothing is exchanged");
    for &size in sizes {
        on_ranks(size, |ranks| {
            let mut replicas = ladder.start(copies, 5).unwrap();
            for (&n, expected) in pieces.iter().zip(&expected) {
                ladder.advance_over(ranks, &mut replicas, n).unwrap();
                assert_eq!(&replicas, expected, "{copies} copies, {size} ranks");
            }
            // And on in one process: nothing packed or weighed is left wrong.
            ladder.advance(&mut replicas, 8).unwrap();
            let mut straight = expected[3].clone();
            ladder.advance(&mut straight, 8).unwrap();
            assert_eq!(replicas, straight);
        });
    }
}

/// A glass with a field, β far from evenly spaced, levels with moves of their own: heat bath, Metropolis, and
/// draws of a tensor network. Whole copies, parts of copies, ranks without a walker.
#[test]
fn tempering_over_ranks_is_that_of_one_process() {
    let square = Square::new(4, 4, Geometry::Open).unwrap();
    let bonds = Couplings::plus_minus(square, 3);
    let (horizontal, vertical) = (bonds.horizontal().to_vec(), bonds.vertical().to_vec());
    let field: Vec<f64> = (0..16).map(|j| 0.05 * f64::from(j) - 0.3).collect();
    let couplings = Couplings::new(square, horizontal, vertical, field).unwrap();
    let betas = [0.2, 0.3, 0.7, 0.9, 1.6];
    let models: Vec<Ising> = betas.iter().map(|&beta| Ising::new(couplings.clone(), beta).unwrap()).collect();
    let law = BoundaryMps::new(&models[2], 4).unwrap();
    let level = |(k, model): (usize, &Ising)| {
        let dynamics: Box<dyn Move> = match k {
            2 => Box::new(MetropolisHastings::new(Disconnected::new(law.clone()))),
            3 => Box::new(SpinSweep::metropolis(model).unwrap()),
            _ => Box::new(SpinSweep::heat_bath(model).unwrap()),
        };
        Level { parameter: betas[k], target: model.clone(), dynamics }
    };
    let ladder = || Tempering::new(models.iter().enumerate().map(level).collect()).unwrap();
    check_tempering(&ladder(), 1, &[1, 2, 3, 4, 7]);
    check_tempering(&ladder(), 2, &[1, 2, 3, 4]);
    check_tempering(&ladder().proportional().unwrap(), 3, &[2, 3, 4]);
}

/// Fredkin chains at three areas, with exact models and exchanges of spins.
#[test]
fn tempering_of_fredkin_chains_over_ranks_is_that_of_one_process() {
    let level = |c: f64| {
        let chain = Fredkin::new(12, c).unwrap();
        let dynamics = MetropolisHastings::new(Disconnected::new(FredkinModel::new(&chain).unwrap()));
        Level { parameter: c, target: chain, dynamics }
    };
    let ladder = Tempering::new([0.4, 0.43, 0.47].map(level).into()).unwrap();
    check_tempering(&ladder, 2, &[1, 2, 3, 4]);
}

/// A claim of proportional weights that only later configurations belie: the update fails on all ranks.
#[test]
fn wrong_claims_of_proportional_weights_are_found_over_ranks() {
    let level = |parameter: f64| {
        let ising = ising(if parameter < 1.5 { 0.5 } else { 0.9 });
        Level { parameter, dynamics: SpinSweep::heat_bath(&ising).unwrap(), target: Hidden(ising) }
    };
    let ladder = Tempering::new(vec![level(1.0), level(2.0)]).unwrap().proportional().unwrap();
    for size in 1..=3 {
        for found in on_ranks(size, |ranks| ladder.advance_over(ranks, &mut ladder.start(1, 2).unwrap(), 40)) {
            assert!(matches!(found, Err(Error::Parameter { .. } | Error::Rank { .. })), "{found:?}");
        }
    }
}

/// Weights proportional to 1 and 2 where all spins are down, and nowhere else.
struct Hidden(Ising);

impl Target for Hidden {
    fn dims(&self) -> &[usize] {
        self.0.dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        let down = self.0.log_weight(ndarray::Array2::zeros((1, 16)).view())?[0];
        let scale = if self.0.beta() > 0.7 { 2.0 } else { 1.0 };
        Ok(self.0.log_weight(x)?.mapv(|w| w - down + scale))
    }

    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        Some(Array1::zeros(16))
    }
}
