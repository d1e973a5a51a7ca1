//! Rank tests of every move from exact draws, at sizes where enumeration stops; planted faults are found.
//!
//! Each right move may fail once in 10⁵ runs of the suite.

use ndarray::{Array2, Axis, s};
use tensorjump::lattice::{
    BoundaryMps, Couplings, Fredkin, FredkinModel, Geometry, Ising, PairModel, SiteHeatBath, SpinSweep, Square,
    SwendsenWang, Windows, Wolff,
};
use tensorjump::mcmc::*;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Configs, Model, Result, Streams, Target};

use crate::common::faults::{Exchanged, Flips, Forgetful, Pair, Stale, Walkers, Whose};
use crate::common::random::random_rates;

const TEST: RankTest = RankTest { draws: 500, length: 8, rounds: 4, false_alarm: 1e-5, seed: 1 };

fn ising(geometry: Geometry, beta: f64) -> Ising {
    Ising::new(Couplings::plus_minus(Square::new(8, 8, geometry).unwrap(), 3), beta).unwrap()
}

/// Energy, magnetisation and the part of the energy in the bonds that close the rows.
fn observe(ising: &Ising) -> impl Fn(Configs<'_>) -> Result<Array2<f64>> {
    move |x| {
        let spin = |x: &ndarray::ArrayView1<'_, u8>, j: usize| 2.0 * f64::from(x[j]) - 1.0;
        let coupling = |r: usize| ising.couplings().horizontal()[8 * r + 7];
        let bond = |x: &ndarray::ArrayView1<'_, u8>, r: usize| coupling(r) * spin(x, 8 * r + 7) * spin(x, 8 * r);
        let seam = x.outer_iter().map(|x| (0..8).map(|r| bond(&x, r)).sum()).collect::<ndarray::Array1<f64>>();
        Ok(ndarray::stack![Axis(1), ising.energy(x)?, ising.magnetisation(x)?, seam])
    }
}

fn draws(law: &BoundaryMps) -> impl Fn(usize, &Streams) -> Result<Array2<u8>> {
    move |n, streams| Ok(law.draw(n, streams)?.x)
}

#[test]
fn moves_of_spins_pass() {
    let target = ising(Geometry::Cylinder, 0.6);
    let law = BoundaryMps::new(&target, 32).unwrap();
    let cheap = BoundaryMps::proposal(&target, 2).unwrap();
    let noise = Noise::new(Rates::new(random_rates(&[2; 64], 5)).unwrap(), Schedule::default());
    let connected = Connected::new(&cheap, noise.kernel(0.0, 0.2).unwrap()).unwrap();
    let single = || MetropolisHastings::new(SingleSite::new(target.dims()).unwrap());
    let reversible: [(&str, &dyn Move); 4] = [
        ("single", &Repeat::new(single(), 32).unwrap()),
        ("disconnected", &MetropolisHastings::new(Disconnected::new(&cheap))),
        ("connected", &MetropolisHastings::new(connected.clone())),
        ("inner", &InnerDraws::new(connected, 2).unwrap()),
    ];
    for (name, dynamics) in reversible {
        let verdict = TEST.reversible(&target, dynamics, draws(&law), observe(&target)).unwrap();
        assert!(verdict.passed, "{name}: {verdict:?}");
    }
    let couplings = Couplings::uniform(target.lattice(), 1.0).unwrap();
    let ferromagnet = Ising::new(couplings, 0.44).unwrap();
    let of_ferromagnet = BoundaryMps::new(&ferromagnet, 32).unwrap();
    let clusters: [(&str, &dyn Move); 2] =
        [("wolff", &Wolff::new(&ferromagnet).unwrap()), ("swendsen-wang", &SwendsenWang::new(&ferromagnet).unwrap())];
    for (name, dynamics) in clusters {
        let verdict = TEST.reversible(&ferromagnet, dynamics, draws(&of_ferromagnet), observe(&ferromagnet)).unwrap();
        assert!(verdict.passed, "{name}: {verdict:?}");
    }
    let tables = target.pair_model().unwrap();
    let parts: Vec<Box<dyn Move>> = vec![Box::new(SpinSweep::metropolis(&target).unwrap()), Box::new(single())];
    let invariant: [(&str, &dyn Move); 5] = [
        ("metropolis", &SpinSweep::metropolis(&target).unwrap()),
        ("heat bath", &SpinSweep::heat_bath(&target).unwrap()),
        ("site heat bath", &EachChain(SiteHeatBath::new(&tables).unwrap())),
        ("windows", &Windows::new(&target, 4, 4, 4).unwrap()),
        ("cycle", &Cycle::new(parts).unwrap()),
    ];
    for (name, dynamics) in invariant {
        let verdict = TEST.invariant(&target, dynamics, draws(&law), observe(&target)).unwrap();
        assert!(verdict.passed, "{name}: {verdict:?}");
    }
}

#[test]
fn moves_of_potts_and_fredkin_pass() {
    let couplings = Couplings::uniform(Square::new(6, 6, Geometry::Torus).unwrap(), 1.0).unwrap();
    let potts = PairModel::potts(&couplings, 3, 0.9).unwrap();
    let law = BoundaryMps::new(&potts, 48).unwrap();
    let weight = |x: Configs<'_>| potts.log_weight(x);
    let verdict = TEST.reversible(&potts, &SwendsenWang::new(&potts).unwrap(), draws(&law), weight).unwrap();
    assert!(verdict.passed, "{verdict:?}");
    let sweep = EachChain(SiteHeatBath::new(&potts).unwrap());
    assert!(TEST.invariant(&potts, &sweep, draws(&law), weight).unwrap().passed);

    let fredkin = Fredkin::new(60, 0.6).unwrap();
    let law = FredkinModel::new(&fredkin).unwrap();
    let noise = Noise::new(Rates::binary_flip(60, 1.0, 0.5).unwrap(), Schedule::default());
    let connected = MetropolisHastings::new(Connected::new(&law, noise.kernel(0.0, 0.1).unwrap()).unwrap());
    let area = |x: Configs<'_>| -> Result<ndarray::Array1<f64>> {
        let steps = ndarray::Array1::from_iter((0..60).map(|j| f64::from(60 - j)));
        Ok(x.mapv(f64::from).dot(&steps))
    };
    let exact = |n: usize, streams: &Streams| Ok(law.draw(n, streams)?.x);
    let verdict = TEST.reversible(&law, &connected, exact, area).unwrap();
    assert!(verdict.passed, "{verdict:?}");
}

/// Six faults, each found with ten seeds of ten; what is right beside them passes.
#[test]
fn planted_faults_are_found() {
    let target = ising(Geometry::Cylinder, 0.6);
    let law = BoundaryMps::new(&target, 32).unwrap();
    let warm = BoundaryMps::new(&ising(Geometry::Cylinder, 0.55), 32).unwrap();
    let uniform =
        Ising::new(Couplings::new(target.lattice(), vec![0.3; 64], vec![0.3; 56], vec![0.1; 64]).unwrap(), 1.0)
            .unwrap();
    let uniform_law = BoundaryMps::new(&uniform, 32).unwrap();
    let mut open = target.couplings().horizontal().to_vec();
    open.iter_mut().skip(7).step_by(8).for_each(|j| *j = 0.0);
    let vertical = target.couplings().vertical().to_vec();
    let open = Ising::new(Couplings::new(target.lattice(), open, vertical, vec![0.0; 64]).unwrap(), 0.6).unwrap();
    let pair = Pair([ising(Geometry::Open, 0.4), ising(Geometry::Open, 0.6)], vec![2; 128]);
    let laws = [0, 1].map(|k| BoundaryMps::new(&pair.0[k], 32).unwrap());
    let both = |n: usize, streams: &Streams| -> Result<Array2<u8>> {
        let x = [0, 1].map(|k| laws[k].draw(n, &streams.step(k as u64)));
        let [a, b] = x;
        Ok(ndarray::concatenate![Axis(1), a?.x, b?.x])
    };
    let energies = |x: Configs<'_>| pair.0[0].energy(x.slice(s![.., ..64]));
    // Learning moves four sites an update: of 64 the fault does not show in eight updates.
    let small = Couplings::plus_minus(Square::new(4, 4, Geometry::Cylinder).unwrap(), 3);
    let small = Ising::new(small, 0.6).unwrap();
    let small_law = BoundaryMps::new(&small, 16).unwrap();
    let of_small = |x: Configs<'_>| Ok(ndarray::stack![Axis(1), small.energy(x)?, small.magnetisation(x)?]);
    for seed in 0..10 {
        let test = RankTest { seed, ..TEST };
        let forgetful = MetropolisHastings::new(Forgetful(Disconnected::new(&warm), true));
        assert!(!test.reversible(&target, &forgetful, draws(&law), observe(&target)).unwrap().passed);
        let flips = |sign| MetropolisHastings::new(Flips(vec![2; 64], sign));
        assert!(!test.reversible(&uniform, &flips(-1.0), draws(&uniform_law), observe(&uniform)).unwrap().passed);
        let lost = SpinSweep::heat_bath(&open).unwrap();
        assert!(!test.invariant(&target, &lost, draws(&law), observe(&target)).unwrap().passed);
        assert!(!test.reversible(&pair, &Exchanged(-1.0), both, energies).unwrap().passed);
        let itself = Walkers(Whose::Own);
        assert!(!test.invariant(&small, &itself, draws(&small_law), of_small).unwrap().passed);
        assert!(test.reversible(&target, &Stale(true), draws(&law), observe(&target)).is_err());
    }
    let flips = MetropolisHastings::new(Flips(vec![2; 64], 1.0));
    assert!(TEST.reversible(&uniform, &flips, draws(&uniform_law), observe(&uniform)).unwrap().passed);
    assert!(TEST.reversible(&pair, &Exchanged(1.0), both, energies).unwrap().passed);
    assert!(TEST.invariant(&small, &Walkers(Whose::Others), draws(&small_law), of_small).unwrap().passed);
}
