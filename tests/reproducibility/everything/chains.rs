//! Chains: every proposal and every way to compose moves.

use ndarray::{Array2, Axis};
use tensorjump::dense::DenseLaw;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::mcmc::{
    Chains, Connected, Cycle, Disconnected, Exchange, InnerDraws, Local, MetropolisHastings, Mixture, Move, MoveReport,
    Proposal, Repeat, RunOptions, SingleSite, TuneOptions,
};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Kernel, Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Stream, Target};

use super::{Family, Fnv, pattern, streams};
use crate::common::random::{random_law, random_rates};
use crate::laws::stream;

const DIMS: [usize; 4] = [3, 2, 4, 2];

fn target() -> DenseLaw {
    random_law(&DIMS, 91)
}

fn model() -> PositiveMps {
    PositiveMps::random(&DIMS, 4, &mut stream("everything")).unwrap()
}

fn noise() -> Noise {
    Noise::new(Rates::new(random_rates(&DIMS, 92)).unwrap(), Schedule::default())
}

fn kernel() -> Kernel {
    noise().kernel(0.0, 0.4).unwrap()
}

/// The sum of the states.
fn observe(x: Configs<'_>) -> tensorjump::Result<Array2<f64>> {
    Ok(x.mapv(f64::from).sum_axis(Axis(1)).insert_axis(Axis(1)))
}

/// Two runs, the second going on where the first ended; they must move.
pub(super) fn chains(hash: &mut Fnv, target: &dyn Target, dynamics: &dyn Move) {
    assert!(reported(hash, target, dynamics).moved > 0);
}

fn reported(hash: &mut Fnv, target: &dyn Target, dynamics: &dyn Move) -> MoveReport {
    let mut chains = Chains::initial(target, 20, 5).unwrap();
    let mut total = MoveReport::default();
    for updates in [9, 6] {
        let options = RunOptions { updates, warm_up: 2, thin: 3, seed: 17, ..RunOptions::default() };
        let run = options.run(target, dynamics, &mut chains, observe).unwrap();
        hash.numbers(run.series.iter().chain(&run.log_weight));
        hash.report(&run.report);
        hash.x(chains.x());
        total += &run.report;
    }
    assert_eq!(chains.updates(), 19);
    total
}

fn accepted(hash: &mut Fnv, proposal: impl Proposal) {
    chains(hash, &target(), &MetropolisHastings::new(proposal));
}

#[test]
fn proposals() {
    let model = model();
    let connected = || Connected::new(&model, kernel()).unwrap();
    let single = || SingleSite::new(&DIMS).unwrap();
    Family::of("run")
        .case("disconnected", |hash| accepted(hash, Disconnected::new(&model)))
        .case("connected", |hash| accepted(hash, connected()))
        .case("single site", |hash| accepted(hash, single()))
        .case("exchange", |hash| accepted(hash, Exchange::new(&DIMS, &[(1, 3)]).unwrap()))
        .case("mixture of proposals", |hash| {
            let parts: Vec<(f64, Box<dyn Proposal + '_>)> = vec![
                (0.3, Box::new(connected())),
                (0.2, Box::new(Disconnected::new(&model))),
                (0.5, Box::new(single())),
            ];
            accepted(hash, Mixture::new(parts).unwrap());
        })
        .case("propose one", |hash| {
            let x = pattern(&DIMS, 8);
            for (k, x) in x.outer_iter().enumerate() {
                let (new, ratio) = connected().propose_one(&x.to_vec(), &streams().step(k as u64)).unwrap();
                hash.bytes(new);
                hash.numbers(&[ratio]);
            }
        })
        .check();
}

#[test]
fn composed_moves() {
    let (model, target) = (model(), target());
    let connected = || Connected::new(&model, kernel()).unwrap();
    let local = || MetropolisHastings::new(SingleSite::new(&DIMS).unwrap());
    let parts = || -> [Box<dyn Move + '_>; 3] {
        [
            Box::new(MetropolisHastings::new(connected())),
            Box::new(local()),
            Box::new(InnerDraws::new(connected(), 2).unwrap()),
        ]
    };
    Family::of("run")
        .case("mixture of moves", |hash| {
            let mixture = Mixture::new([0.5, 0.3, 0.2].into_iter().zip(parts()).collect()).unwrap();
            chains(hash, &target, &mixture);
        })
        .case("cycle", |hash| chains(hash, &target, &Cycle::new(parts().into()).unwrap()))
        .case("repeat", |hash| chains(hash, &target, &Repeat::new(local(), 5).unwrap()))
        .case("repeated cycle", |hash| {
            chains(hash, &target, &Repeat::new(Cycle::new(parts().into()).unwrap(), 2).unwrap());
        })
        .case("inner draws", |hash| chains(hash, &target, &InnerDraws::new(connected(), 3).unwrap()))
        .case("local", |hash| {
            let single = SingleSite::new(&DIMS).unwrap();
            let law = &target;
            let dynamics = Local::new(move |x: &mut [u8], stream: &mut Stream| {
                use rand::RngExt;
                let streams = tensorjump::Streams::new(stream.random());
                let (new, _) = single.propose_one(x, &streams)?;
                let accept = stream.random::<f64>() < law.p()[law.index(&new)?] / law.p()[law.index(x)?];
                if accept {
                    x.copy_from_slice(&new);
                }
                Ok((1, usize::from(accept)))
            });
            chains(hash, &target, &dynamics);
        })
        .check();
}

/// A truncated model cannot draw every path: unsupported and impossible rows.
#[test]
fn proposals_without_support() {
    let chain = Fredkin::new(16, 0.6).unwrap();
    let model = FredkinModel::truncated(&chain, 4).unwrap();
    let noise = Noise::new(Rates::uniform(&[2; 16], 1.0).unwrap(), Schedule::default());
    let masks = Noise::new(Rates::mask(&[2; 16], 1.0).unwrap(), Schedule::default());
    let draw = |hash: &mut Fnv, noise: &Noise| {
        let connected = Connected::new(&model, noise.kernel(0.0, 0.3).unwrap()).unwrap();
        let parts: Vec<Box<dyn Move + '_>> = vec![
            Box::new(MetropolisHastings::new(Exchange::chain(&[2; 16]).unwrap())),
            Box::new(MetropolisHastings::new(connected.clone())),
            Box::new(InnerDraws::new(connected, 2).unwrap()),
        ];
        let report = reported(hash, &chain, &Cycle::new(parts).unwrap());
        assert!(report.parts.iter().all(|part| part.accepted > 0) && report.unsupported > 0, "{report:?}");
        // Flips explain every noisy configuration, masks do not.
        assert_eq!(report.impossible > 0, noise.dims_out() != chain.dims(), "{report:?}");
    };
    Family::of("run: truncated model")
        .case("uniform", |hash| draw(hash, &noise))
        .case("masks", |hash| draw(hash, &masks))
        .check();
}

/// A clock that ticks once a reading: the choice is then one of the chains alone.
#[test]
fn tuning() {
    let (model, single, target) = (model(), model().single_precision(), target());
    let models: [&dyn Model; 2] = [&model, &single];
    let options = TuneOptions { times: vec![0.1, 0.5, 2.0], draws: vec![1, 3], updates: 10, seed: 3 };
    let mut chains = Chains::initial(&target, 10, 5).unwrap();
    let mut now = 0.0;
    let clock = || {
        now += 1.0;
        now
    };
    let found = options.tune(&target, &models, &noise(), &mut chains, observe, clock).unwrap();
    Family::of("tune connected")
        .case("best", |hash| hash.count(found.best as u64))
        .case("trials", |hash| {
            found.trials.iter().for_each(|trial| hash.numbers(&[trial.acceptance, trial.squared_jump]));
        })
        .case("chains", |hash| hash.x(chains.x()))
        .check();
}
