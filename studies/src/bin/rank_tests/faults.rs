//! Seven faults planted in moves, and the same moves without them.

use ndarray::{Array1, Array2, Axis, concatenate, s, stack};
use serde::Serialize;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{Disconnected, MetropolisHastings, RankTest, Verdict};
use tensorjump::{Configs, Model, Result, Streams};

use crate::planted::{Exchanged, Flips, Forgetful, Pair, Stale, Walkers, Whose};
use crate::walkers::{self, Annealed};

pub const NAMES: [&str; 7] = [
    "forgotten proposal ratio",
    "transposed kernel",
    "closing bond lost",
    "swap ratio inverted",
    "learned from itself",
    FORGOTTEN,
    "stale log-weight",
];

/// Without the fault this is a case of its own, too long to be repeated here.
const FORGOTTEN: &str = "weights of a population forgotten";

const SIDE: usize = 4;
const SITES: usize = SIDE * SIDE;

/// How often a fault was found.
#[derive(Serialize)]
pub struct Power {
    pub fault: &'static str,
    pub repetitions: usize,
    pub found: usize,
    /// Lower end of the interval of Clopper and Pearson, one-sided, 95 %.
    pub lower_bound: f64,
    /// How often the same move without the fault failed, in as many repetitions; none where it is a case.
    pub false_alarms: Option<usize>,
}

/// Plants a fault so many times.
pub fn power(name: &'static str, repetitions: usize, test: &dyn Fn(u64) -> RankTest) -> Result<Power> {
    let (mut found, mut false_alarms) = (0, 0);
    let bench = Bench::new()?;
    for repetition in 0..repetitions as u64 {
        let test = test(1_000_000 + repetition);
        // A log-weight that is not the target's is an error.
        found += usize::from(bench.try_out(name, true, &test).map_or(true, |verdict| !verdict.passed));
        if name != FORGOTTEN {
            false_alarms += usize::from(!bench.try_out(name, false, &test)?.passed);
        }
    }
    let false_alarms = (name != FORGOTTEN).then_some(false_alarms);
    Ok(Power { fault: name, repetitions, found, lower_bound: lower_bound(found, repetitions), false_alarms })
}

/// The `p` under which `found` of `n` or more have probability 0.05.
fn lower_bound(found: usize, n: usize) -> f64 {
    if found == 0 {
        return 0.0;
    }
    let log_choose = |k: usize| (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum::<f64>();
    let tail = |p: f64| -> f64 {
        let term = |k: usize| {
            let missed = if k == n { 0.0 } else { (n - k) as f64 * (-p).ln_1p() };
            (log_choose(k) + k as f64 * p.ln() + missed).exp()
        };
        (found..=n).map(term).sum()
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if tail(middle) < 0.05 { low = middle } else { high = middle }
    }
    low
}

/// What the faulty moves act on.
struct Bench {
    glass: Ising,
    exact: BoundaryMps,
    warm: BoundaryMps,
    /// Without the bonds that close the rows.
    open: Ising,
    field: Ising,
    of_field: BoundaryMps,
    pair: Pair,
    of_pair: [BoundaryMps; 2],
    unweighed: Annealed,
    of_populations: (Ising, BoundaryMps),
}

fn glass(geometry: Geometry, beta: f64) -> Result<Ising> {
    Ising::new(Couplings::plus_minus(Square::new(SIDE, SIDE, geometry)?, 3), beta)
}

impl Bench {
    fn new() -> Result<Self> {
        let (target, chi) = (glass(Geometry::Cylinder, 0.6)?, 16);
        let lattice = target.lattice();
        let mut across = target.couplings().horizontal().to_vec();
        across.iter_mut().skip(SIDE - 1).step_by(SIDE).for_each(|j| *j = 0.0);
        let down = target.couplings().vertical().to_vec();
        let open = Ising::new(Couplings::new(lattice, across, down, vec![0.0; SITES])?, 0.6)?;
        let field = Ising::new(Couplings::uniform(lattice, 0.3)?.with_field(vec![0.1; SITES])?, 1.0)?;
        let pair = Pair([glass(Geometry::Open, 0.3)?, glass(Geometry::Open, 0.8)?], vec![2; 2 * SITES]);
        Ok(Bench {
            exact: BoundaryMps::new(&target, chi)?,
            warm: BoundaryMps::new(&glass(Geometry::Cylinder, 0.45)?, chi)?,
            of_field: BoundaryMps::new(&field, chi)?,
            of_pair: [BoundaryMps::new(&pair.0[0], chi)?, BoundaryMps::new(&pair.0[1], chi)?],
            unweighed: Annealed::new(0.0, false)?,
            of_populations: (walkers::glass(walkers::BETA)?, BoundaryMps::new(&walkers::glass(walkers::BETA)?, 32)?),
            glass: target,
            open,
            field,
            pair,
        })
    }

    fn try_out(&self, name: &str, planted: bool, test: &RankTest) -> Result<Verdict> {
        let sign = if planted { -1.0 } else { 1.0 };
        let draws = |law: &BoundaryMps, n: usize, streams: &Streams| Ok(law.draw(n, streams)?.x);
        let exact = |n: usize, streams: &Streams| draws(&self.exact, n, streams);
        let of_field = |n: usize, streams: &Streams| draws(&self.of_field, n, streams);
        let both = |n: usize, streams: &Streams| -> Result<Array2<u8>> {
            let x = [0, 1].map(|k| draws(&self.of_pair[k], n, &streams.step(k as u64)));
            let [a, b] = x;
            Ok(concatenate![Axis(1), a?, b?])
        };
        match name {
            "forgotten proposal ratio" => {
                let forgetful = Forgetful(Disconnected::new(&self.warm), planted);
                test.reversible(&self.glass, &MetropolisHastings::new(forgetful), exact, |x| self.observe(x))
            }
            "transposed kernel" => {
                let flips = MetropolisHastings::new(Flips(vec![2; SITES], sign));
                test.reversible(&self.field, &flips, of_field, |x| self.field.magnetisation(x))
            }
            "closing bond lost" => {
                let sweep = SpinSweep::heat_bath(if planted { &self.open } else { &self.glass })?;
                test.invariant(&self.glass, &sweep, exact, |x| self.observe(x))
            }
            "swap ratio inverted" => {
                test.reversible(&self.pair, &Exchanged(sign), both, |x| self.pair.0[0].energy(x.slice(s![.., ..SITES])))
            }
            "learned from itself" => {
                let walkers = Walkers(if planted { Whose::Own } else { Whose::Others });
                test.invariant(&self.glass, &walkers, exact, |x| self.observe(x))
            }
            FORGOTTEN => {
                let (target, law) = &self.of_populations;
                let exact = |n: usize, streams: &Streams| draws(law, n, streams);
                test.invariant(target, &self.unweighed, exact, |x| walkers::observe(target, x))
            }
            _ => test.reversible(&self.glass, &Stale(planted), exact, |x| self.observe(x)),
        }
    }

    /// Energy, magnetisation, and the part of the energy in the bonds that close the rows.
    fn observe(&self, x: Configs<'_>) -> Result<Array2<f64>> {
        let spin = |a: u8| 2.0 * f64::from(a) - 1.0;
        let seam = |x: ndarray::ArrayView1<'_, u8>| -> f64 {
            let coupling = |r: usize| self.glass.couplings().horizontal()[SIDE * r + SIDE - 1];
            (0..SIDE).map(|r| coupling(r) * spin(x[SIDE * r + SIDE - 1]) * spin(x[SIDE * r])).sum()
        };
        let seam: Array1<f64> = x.outer_iter().map(seam).collect();
        Ok(stack![Axis(1), self.glass.energy(x)?, self.glass.magnetisation(x)?, seam])
    }
}
