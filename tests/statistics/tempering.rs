//! Parallel tempering and packed states: laws of many independent chains against enumeration.

use ndarray::s;
use tensorjump::lattice::{Geometry, Ising, SpinSweep, Spins, Square, Windows};
use tensorjump::mcmc::{Dynamics, EachChain, Level, Local, Move, Tempering};
use tensorjump::{Stream, Target};

use crate::common::{ALPHA, assert_law, chi2_p_value, counts, law};
use crate::hard::{CHAINS, couplings, project};

/// All levels of a ladder on a 4 × 4 glass with poor moves at the cold end (none at all): exchanges alone
/// carry the law there.
#[test]
fn tempering_reaches_the_law_at_every_level() {
    let c = couplings(Square::new(4, 4, Geometry::Torus).unwrap(), false, 0.0);
    let ladder = [0.2, 0.6, 1.0, 1.5];
    let models = ladder.map(|beta| Ising::new(c.clone(), beta).unwrap());
    let still = Local::new(|_: &mut [u8], _: &mut Stream| Ok((1, 0)));
    let sweeps = models.each_ref().map(|model| SpinSweep::heat_bath(model).unwrap());
    let dynamics: [&dyn Move; 4] = [&sweeps[0], &sweeps[1], &sweeps[2], &still];
    let level = |k: usize| Level { parameter: ladder[k], target: &models[k], dynamics: dynamics[k] };
    let general = Tempering::new((0..4).map(level).collect()).unwrap();
    for tempering in [general.clone(), general.proportional().unwrap()] {
        let mut replicas = tempering.start(CHAINS / 4, 9).unwrap();
        (0..300).for_each(|_| tempering.update(&mut replicas).unwrap());
        assert!(replicas.round_trips() > CHAINS as u64);
        for (k, model) in models.iter().enumerate() {
            let part = |model: &Ising| project(&law(model), model.dims(), 9);
            let x = replicas.level(k).unwrap().slice(s![.., 0..9]).to_owned();
            assert_law(&counts(&x, &[2; 9]), &part(model), &part(&models[(k + 1) % 4]));
        }
    }
}

/// Windows as the inner move: the cold level moves by exchanges alone.
#[test]
fn tempering_of_windows_reaches_the_law() {
    let c = couplings(Square::new(3, 3, Geometry::Torus).unwrap(), false, 0.0);
    let models = [0.4, 1.0].map(|beta| Ising::new(c.clone(), beta).unwrap());
    let windows = Windows::new(&models[0], 2, 3, 1).unwrap().with_count(1).unwrap();
    let still = Local::new(|_: &mut [u8], _: &mut Stream| Ok((1, 0)));
    let dynamics: [&dyn Move; 2] = [&windows, &still];
    let level = |k: usize| Level { parameter: models[k].beta(), target: &models[k], dynamics: dynamics[k] };
    let tempering = Tempering::new((0..2).map(level).collect()).unwrap();
    let mut replicas = tempering.start(CHAINS / 8, 9).unwrap();
    (0..40).for_each(|_| tempering.update(&mut replicas).unwrap());
    for k in 0..2 {
        let found = counts(&replicas.level(k).unwrap().to_owned(), &[2; 9]);
        assert_law(&found, &law(&models[k]), &law(&models[1 - k]));
    }
}

/// The wrong twin of the exchange rule: levels that always exchange do not keep their laws.
#[test]
fn exchanges_without_the_rule_are_seen() {
    let c = couplings(Square::new(3, 3, Geometry::Open).unwrap(), false, 0.0);
    let models = [0.3, 1.5].map(|beta| Ising::new(c.clone(), beta).unwrap());
    let sweeps = models.each_ref().map(|model| SpinSweep::heat_bath(model).unwrap());
    // The ratio of constant weights is one: every exchange is accepted.
    struct Flat<'a>(&'a Ising);
    impl Target for Flat<'_> {
        fn dims(&self) -> &[usize] {
            self.0.dims()
        }
        fn log_weight(&self, x: tensorjump::Configs<'_>) -> tensorjump::Result<ndarray::Array1<f64>> {
            Ok(self.0.log_weight(x)? * 0.0)
        }
        fn initial(&self, stream: &mut Stream) -> Option<ndarray::Array1<u8>> {
            self.0.initial(stream)
        }
    }
    let flat = models.each_ref().map(Flat);
    let found = |wrong: bool| {
        let target = |k: usize| -> &dyn Target { if wrong { &flat[k] } else { &models[k] } };
        let level = |k: usize| Level { parameter: k as f64, target: target(k), dynamics: &sweeps[k] };
        let tempering = Tempering::new((0..2).map(level).collect()).unwrap();
        let mut replicas = tempering.start(CHAINS, 9).unwrap();
        (0..101).for_each(|_| tempering.update(&mut replicas).unwrap());
        counts(&replicas.level(1).unwrap().to_owned(), &[2; 9])
    };
    assert!(chi2_p_value(&found(false), &law(&models[1])) > ALPHA);
    assert!(chi2_p_value(&found(true), &law(&models[1])) < ALPHA);
}

/// A sweep whose packed state carries the temperature at which it was packed.
struct Carried {
    sweep: SpinSweep,
    checked: bool,
}

impl Dynamics for Carried {
    type State = (SpinSweep, Spins);
    fn enter(&self, x: &[u8]) -> tensorjump::Result<Self::State> {
        Ok((self.sweep.clone(), self.sweep.enter(x)?))
    }
    fn step(&self, (sweep, spins): &mut Self::State, stream: &mut Stream) -> tensorjump::Result<(usize, usize)> {
        sweep.step(spins, stream)
    }
    fn leave(&self, (_, spins): &Self::State, x: &mut [u8]) -> tensorjump::Result<()> {
        spins.write(x)
    }
    fn fits(&self, (sweep, _): &Self::State) -> bool {
        !self.checked || *sweep == self.sweep
    }
}

/// Packed states that levels exchange keep the law, where they are configurations and nothing more (the
/// sweeps of the tests above), or refuse another level; those that bring the temperature of the level they
/// come from do not.
#[test]
fn packed_states_reach_the_law() {
    let c = couplings(Square::new(3, 3, Geometry::Open).unwrap(), false, 0.0);
    let found = |checked: bool| {
        let level = |beta: f64| {
            let target = Ising::new(c.clone(), beta).unwrap();
            let sweep = SpinSweep::heat_bath(&target).unwrap();
            Level { parameter: beta, dynamics: EachChain(Carried { sweep, checked }), target }
        };
        let tempering = Tempering::new([0.3, 1.5].map(level).into()).unwrap().proportional().unwrap();
        let mut replicas = tempering.start(CHAINS / 2, 9).unwrap();
        // The last of an even number of updates has no exchange, which would put most of what is wrong back
        // into its place.
        tempering.advance(&mut replicas, 60).unwrap();
        counts(&replicas.level(1).unwrap().to_owned(), &[2; 9])
    };
    let exact = law(&Ising::new(c.clone(), 1.5).unwrap());
    assert!(chi2_p_value(&found(true), &exact) > ALPHA);
    assert!(chi2_p_value(&found(false), &exact) < ALPHA);
}
