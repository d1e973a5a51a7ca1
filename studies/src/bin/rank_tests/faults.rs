//! Five faults planted in moves, and the same moves without them.

use ndarray::{Array1, Array2, Axis, concatenate, s, stack};
use rand::RngExt;
use serde::Serialize;
use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square};
use tensorjump::mcmc::{
    Chains, Disconnected, MetropolisHastings, Move, MoveReport, Proposal, Proposed, RankTest, Verdict,
};
use tensorjump::{Configs, Model, Result, Stream, Streams, Target};

pub const NAMES: [&str; 5] =
    ["forgotten proposal ratio", "transposed kernel", "closing bond lost", "swap ratio inverted", "stale log-weight"];

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
    /// How often the same move without the fault failed, in as many repetitions.
    pub false_alarms: usize,
}

/// Plants a fault so many times.
pub fn power(name: &'static str, repetitions: usize, test: &dyn Fn(u64) -> RankTest) -> Result<Power> {
    let (mut found, mut false_alarms) = (0, 0);
    let bench = Bench::new()?;
    for repetition in 0..repetitions as u64 {
        let test = test(1_000_000 + repetition);
        // A log-weight that is not the target's is an error.
        found += usize::from(bench.try_out(name, true, &test).map_or(true, |verdict| !verdict.passed));
        false_alarms += usize::from(!bench.try_out(name, false, &test)?.passed);
    }
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

/// Proposes with a model and may forget the ratio.
struct Forgetful<P>(P, bool);

impl<P: Proposal> Proposal for Forgetful<P> {
    fn dims(&self) -> &[usize] {
        self.0.dims()
    }
    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let proposed = self.0.propose(x, streams)?;
        Ok(if self.1 { Proposed::symmetric(proposed.x) } else { proposed })
    }
}

/// Flips sites down with probability .2 and up with .05; the sign says which way round the ratio is taken.
struct Flips(Vec<usize>, f64);

impl Proposal for Flips {
    fn dims(&self) -> &[usize] {
        &self.0
    }
    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let p = [0.05, 0.2];
        let mut new = x.to_owned();
        let mut log_ratio = Array1::zeros(x.nrows());
        for (row, mut x) in new.outer_iter_mut().enumerate() {
            let mut stream = streams.domain("flips").stream(row);
            for a in &mut x {
                let (here, there): (f64, f64) = (p[usize::from(*a)], p[usize::from(1 - *a)]);
                if stream.random_bool(here) {
                    *a = 1 - *a;
                    log_ratio[row] += self.1 * (there / here).ln();
                }
            }
        }
        Ok(Proposed { log_ratio, ..Proposed::symmetric(new) })
    }
}

/// Two lattices side by side at two temperatures.
struct Pair([Ising; 2], Vec<usize>);

impl Target for Pair {
    fn dims(&self) -> &[usize] {
        &self.1
    }
    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        Ok(self.0[0].log_weight(x.slice(s![.., ..SITES]))? + self.0[1].log_weight(x.slice(s![.., SITES..]))?)
    }
    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        None
    }
}

/// Exchanges the two, with the sign of the ratio.
struct Exchanged(f64);

impl Move for Exchanged {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let x = chains.x().to_owned();
        let swapped = concatenate![Axis(1), x.slice(s![.., SITES..]), x.slice(s![.., ..SITES])];
        let new = target.log_weight(swapped.view())?;
        for row in 0..chains.len() {
            let ratio = self.0 * (new[row] - chains.log_weight()[row]);
            if streams.domain("exchange").stream(row).random::<f64>() < ratio.exp() {
                chains.replace(row, swapped.row(row), new[row])?;
            }
        }
        Ok(MoveReport::default())
    }
}

/// Flips a spin of each chain by Metropolis' rule, and may say that the weight has not changed.
struct Stale(bool);

impl Move for Stale {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let mut x = chains.x().to_owned();
        let mut choices = Vec::new();
        for (row, mut x) in x.outer_iter_mut().enumerate() {
            let mut stream = streams.domain("stale").stream(row);
            let j = stream.random_range(0..x.len());
            x[j] = 1 - x[j];
            choices.push(stream.random::<f64>());
        }
        let new = target.log_weight(x.view())?;
        for (row, u) in choices.into_iter().enumerate() {
            let old = chains.log_weight()[row];
            if u < (new[row] - old).exp() {
                chains.replace(row, x.row(row), if self.0 { old } else { new[row] })?;
            }
        }
        Ok(MoveReport::default())
    }
}
