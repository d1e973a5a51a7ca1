//! Learning in the loop and lists of instances over ranks.

use std::ops::ControlFlow;

use tensorjump::Error;
use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::learn::{Interrupt, Learned, LoopOptions, LoopRound, Stage, Stop, Symmetry};
use tensorjump::ranks::{Alone, Ranks, work_list};

use crate::common::threads::on_ranks;

use super::{Failing, OWN};

fn each_round(_: &LoopRound) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn untimed(rounds: &[LoopRound]) -> Vec<LoopRound> {
    let untimed = |round: &LoopRound| {
        let mut round = round.clone();
        round.seconds = 0.0;
        round
    };
    rounds.iter().map(untimed).collect()
}

fn same_learned(found: &Learned, expected: &Learned) {
    assert_eq!(untimed(&found.rounds), untimed(&expected.rounds));
    let of = |learned: &Learned| (learned.model.inner().amplitude().tensors().to_vec(), learned.model.order().to_vec());
    assert_eq!(of(found), of(expected));
    assert_eq!((&found.chains, &found.stopped), (&expected.chains, &expected.stopped));
}

/// Two stages, sweeps and steps of all sites, thinned samples, a symmetry; then the loop stopped by one rank,
/// interrupted on one rank, and one rank failing.
#[test]
fn learning_over_ranks_is_that_of_one_process() {
    let square = Square::new(3, 3, Geometry::Cylinder).unwrap();
    let models = [0.2, 0.4].map(|beta| Ising::new(Couplings::uniform(square, 1.0).unwrap(), beta).unwrap());
    let sweeps = [0, 1].map(|k| SpinSweep::heat_bath(&models[k]).unwrap());
    let stages = [0, 1].map(|k| Stage {
        target: &models[k],
        local: &sweeps[k],
        max_bond: 6,
        rounds: 2,
        polish: k,
        rate: 0.4,
        enough: (1.0, 1.0),
    });
    let options = |interrupt: Option<Interrupt>| LoopOptions {
        order: Some(square.snake()),
        draws: 401,
        chains: 37,
        updates: 3,
        warm_up: 10,
        first: (4, 3),
        keep: 0.6,
        symmetries: vec![Symmetry::sites((0..9).collect()).unwrap().with_states(vec![vec![1, 0]; 9]).unwrap()],
        seed: 3,
        interrupt,
        ..LoopOptions::default()
    };
    let expected = options(None).learn(&stages).unwrap();
    assert_eq!(expected.rounds.len(), 7);
    for size in 1..=4 {
        for found in on_ranks(size, |ranks| options(None).learn_over(ranks, &stages, each_round).unwrap()) {
            same_learned(&found, &expected);
        }
    }
    let stop = |ranks: &dyn Ranks, at: usize| {
        let mut left = if ranks.rank() + 1 == ranks.size() { at } else { usize::MAX };
        options(None).learn_over(ranks, &stages, move |_| {
            left -= 1;
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    };
    let expected = stop(&Alone, 5).unwrap();
    assert_eq!((expected.rounds.len(), &expected.stopped), (5, &Stop::Asked));
    on_ranks(3, |ranks| same_learned(&stop(ranks, 5).unwrap(), &expected));

    // The flag is seen in the middle of the round after it was raised.
    let found = on_ranks(3, |ranks| {
        let interrupt = Interrupt::default();
        let raise = interrupt.clone();
        let mut rounds = 0;
        let told = |_: &LoopRound| {
            rounds += 1;
            if ranks.rank() == 1 && rounds == 4 {
                raise.ask();
            }
            ControlFlow::Continue(())
        };
        options(Some(interrupt)).learn_over(ranks, &stages, told).unwrap()
    });
    for one in &found {
        assert_eq!((one.rounds.len(), &one.stopped), (4, &Stop::Asked));
        same_learned(one, &found[0]);
    }
    for (rank, found) in on_ranks(3, |ranks| {
        let failing = Failing::new(&models[0], if ranks.rank() == 2 { 30 } else { usize::MAX });
        let stages = [Stage { target: &failing, ..stages[0] }];
        options(None).learn_over(ranks, &stages, each_round).map(|_| ())
    })
    .into_iter()
    .enumerate()
    {
        assert_eq!(found, Err(if rank == 2 { OWN } else { Error::Rank { rank: 2 } }));
    }
}

/// Instances are done once, over ranks and restarts; their results come in order.
#[test]
fn lists_of_work_are_done_once() {
    let folder = std::env::temp_dir().join(format!("tensorjump-work-list-{}", std::process::id()));
    let result = |i: usize| (0..i % 4).map(|k| (i * i + k) as f64 / 7.0).collect::<Vec<_>>();
    let expected: Vec<_> = (0..17).map(result).collect();
    // A first attempt ends on rank 1 with its third piece of work.
    let found = on_ranks(3, |ranks| {
        let mut done = vec![];
        let work = |i: usize| {
            if ranks.rank() == 1 && done.len() == 2 {
                return Err(OWN);
            }
            done.push(i);
            Ok(result(i))
        };
        (work_list(ranks, &folder, 17, work), done)
    });
    let first: Vec<usize> = found.iter().flat_map(|(_, done)| done.clone()).collect();
    assert_eq!((first.len(), found[1].1.len()), (6 + 2 + 5, 2));
    for (rank, (found, _)) in found.iter().enumerate() {
        assert_eq!(*found, Err(if rank == 1 { OWN } else { Error::Rank { rank: 1 } }));
    }
    // What a killed process leaves beside is in nobody's way.
    std::fs::write(folder.join(".instance-000007.safetensors.part"), b"half").unwrap();
    let found = on_ranks(2, |ranks| {
        let mut done = vec![];
        let results = work_list(ranks, &folder, 17, |i| {
            done.push(i);
            Ok(result(i))
        });
        (results.unwrap(), done)
    });
    let mut all: Vec<usize> = found.iter().flat_map(|(_, done)| done.clone()).chain(first).collect();
    all.sort_unstable();
    assert_eq!(all, (0..17).collect::<Vec<_>>());
    for (results, _) in &found {
        assert_eq!(*results, expected);
    }
    assert_eq!(work_list(&Alone, &folder, 17, |_| Err(OWN)).unwrap(), expected);
    std::fs::write(folder.join("instance-000003.safetensors"), b"damaged").unwrap();
    assert!(matches!(work_list(&Alone, &folder, 17, |_| Err(OWN)), Err(Error::Format { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}
