//! Runs that are stopped between and within rounds: what comes back is the best model of whole rounds.

use std::cell::Cell;
use std::ops::ControlFlow;

use tensorjump::diffusion::TokenNoise;
use tensorjump::learn::{
    self, BornMethod, BornOptions, Data, Interrupt, PositiveMethod, PositiveOptions, RatioMatchingOptions, Stop,
    SweepStep, Training,
};
use tensorjump::noise::{Noise, Rates, Schedule};

use super::{some_samples, untruncated};

fn data() -> Data {
    Data::new(some_samples(60, 5), &[2; 5]).unwrap()
}

fn training(interrupt: Option<Interrupt>) -> Training {
    Training { rounds: 6, patience: 6, batch: 20, interrupt, ..Training::default() }
}

/// A run that is stopped by its callback after some rounds, and one that is interrupted in the next round: the
/// same model of the same rounds. Without either the run goes on.
#[test]
fn an_interrupted_round_leaves_no_trace() {
    let methods = [
        untruncated(2, 0.5),
        BornMethod::OneSite { step: SweepStep::default() },
        BornMethod::Adam { rate: 0.05 },
        BornMethod::Lbfgs { memory: 4 },
    ];
    for method in methods {
        let run = |interrupt: Option<Interrupt>, stop: bool, whole: usize| {
            let told = Cell::new(0);
            let training = training(interrupt.clone());
            let options = BornOptions { method, training, ..BornOptions::default() };
            let fit = options.fit_with_progress(&data(), |_| {
                told.set(told.get() + 1);
                if told.get() == whole {
                    interrupt.iter().for_each(Interrupt::ask);
                }
                if stop && told.get() == whole { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            fit.unwrap()
        };
        for whole in [1, 3] {
            let (asked, cut) = (run(None, true, whole), run(Some(Interrupt::default()), false, whole));
            assert_eq!((&asked.stopped, &cut.stopped), (&Stop::Asked, &Stop::Asked));
            assert_eq!((asked.history.rounds.len(), cut.history.rounds.len()), (whole, whole), "{method:?}");
            assert_eq!(asked.model.amplitude(), cut.model.amplitude());
        }
        assert_eq!(run(Some(Interrupt::default()), false, 99).history.rounds.len(), 6);
    }
}

#[test]
fn before_the_first_round_the_start_comes_back() {
    let interrupt = Interrupt::default();
    interrupt.ask();
    for method in [PositiveMethod::Em, PositiveMethod::Adam { rate: 0.05 }, PositiveMethod::Lbfgs { memory: 3 }] {
        let training = training(Some(interrupt.clone()));
        let options = PositiveOptions { method, training, ..PositiveOptions::default() };
        let fit = options.fit_with_progress(&data(), |_| panic!("no round was made")).unwrap();
        assert_eq!((fit.stopped, fit.best, fit.history.rounds.len()), (Stop::Asked, 0, 1));
        assert!(fit.history.rounds[0].score().is_finite());
    }
}

#[test]
fn matching_tells_its_passes_and_stops() {
    let data = data();
    let noise = Noise::new(Rates::uniform(&[2; 5], 1.0).unwrap(), Schedule::default());
    let tokens = TokenNoise::uniform(&[2; 5], 3, 0.5).unwrap();
    let run = |options: &RatioMatchingOptions, last: usize, glauber: bool| {
        let mut told = Vec::new();
        let progress = |epoch: &learn::Epoch| {
            told.push((epoch.index, epoch.loss));
            if epoch.index == last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let losses = if glauber {
            learn::GlauberMatched::with_progress(&data, &tokens, options, progress).unwrap().losses
        } else {
            learn::RatioMatched::with_progress(&data, &noise, options, progress).unwrap().losses
        };
        assert_eq!(told, losses.iter().copied().enumerate().collect::<Vec<_>>());
        losses
    };
    let options = RatioMatchingOptions { epochs: 5, batch: 20, ..RatioMatchingOptions::default() };
    for glauber in [false, true] {
        let (whole, part) = (run(&options, 99, glauber), run(&options, 1, glauber));
        assert_eq!((whole.len(), &whole[..2]), (5, &part[..]));
        let interrupt = Interrupt::default();
        interrupt.ask();
        let none = RatioMatchingOptions { interrupt: Some(interrupt), ..options.clone() };
        assert!(run(&none, 99, glauber).is_empty());
    }
}
