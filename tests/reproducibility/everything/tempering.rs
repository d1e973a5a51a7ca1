//! Parallel tempering: exchanges, walkers, restarts, ladders.

use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Level, Replicas, Tempering, TunedLadder};

use super::{Family, Fnv};

const LADDER: [f64; 4] = [0.5, 0.8, 1.1, 1.5];

fn replicas(hash: &mut Fnv, replicas: &Replicas) {
    for k in 0..LADDER.len() {
        hash.x(replicas.level(k).unwrap());
        hash.numbers(replicas.log_weight(k).unwrap());
    }
    for walkers in replicas.walkers() {
        walkers.at().iter().for_each(|&walker| hash.count(walker as u64));
    }
    hash.count(replicas.round_trips());
    hash.count(replicas.updates());
    hash.numbers(&replicas.swap_rates());
}

#[test]
fn tempering() {
    let couplings = Couplings::gaussian(Square::new(5, 4, Geometry::Cylinder).unwrap(), 1);
    let models = LADDER.map(|beta| Ising::new(couplings.clone(), beta).unwrap());
    let sweeps = models.each_ref().map(|model| SpinSweep::heat_bath(model).unwrap());
    let level = |k: usize| Level { parameter: LADDER[k], target: &models[k], dynamics: &sweeps[k] };
    let general = Tempering::new((0..4).map(level).collect()).unwrap();
    let proportional = general.clone().proportional().unwrap();
    let draw = |hash: &mut Fnv, tempering: &Tempering<&Ising, &SpinSweep>| {
        let mut state = tempering.start(3, 7).unwrap();
        (0..25).for_each(|_| tempering.update(&mut state).unwrap());
        replicas(hash, &state);
        state.reports().iter().for_each(|report| hash.report(report));
    };
    Family::of("tempering")
        .case("start", |hash| replicas(hash, &general.start(3, 7).unwrap()))
        .case("general", |hash| draw(hash, &general))
        .case("proportional", |hash| draw(hash, &proportional))
        .case("resumed", |hash| {
            let mut straight = proportional.start(3, 7).unwrap();
            (0..11).for_each(|_| proportional.update(&mut straight).unwrap());
            let mut resumed = proportional.resume(straight.snapshot()).unwrap();
            for state in [&mut straight, &mut resumed] {
                (0..14).for_each(|_| proportional.update(state).unwrap());
            }
            assert_eq!(straight.snapshot(), resumed.snapshot());
            replicas(hash, &resumed);
        })
        .case("tuned ladder", |hash| {
            let mut measure = |ladder: &[f64]| {
                let models: Vec<Ising> =
                    ladder.iter().map(|&beta| Ising::new(couplings.clone(), beta).unwrap()).collect();
                let sweeps: Vec<SpinSweep> = models.iter().map(|m| SpinSweep::heat_bath(m).unwrap()).collect();
                let level = |k: usize| Level { parameter: ladder[k], target: &models[k], dynamics: &sweeps[k] };
                let tempering = Tempering::new((0..ladder.len()).map(level).collect())?;
                let mut state = tempering.start(2, 9)?;
                (0..30).try_for_each(|_| tempering.update(&mut state))?;
                Ok(state.swap_rates())
            };
            let found = TunedLadder::measure(&[0.3, 2.5], 0.4, 3, &mut measure).unwrap();
            hash.count(found.rounds as u64);
            hash.numbers(found.ladder.iter().chain(&found.swap_rates));
        })
        .check();
}
