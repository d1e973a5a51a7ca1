//! Parallel tempering: replicas at the levels of a ladder, which exchange configurations (Hukushima, Nemoto, J. Phys. Soc. Jpn. 65, 1604).
//!
//! Levels `k` with laws `π_k`, one configuration each; after the moves of all levels the pairs `(k, k+1)` of one parity exchange theirs with
//!
//! ```text
//! min(1, π_k(x_{k+1}) π_{k+1}(x_k) / (π_k(x_k) π_{k+1}(x_{k+1}))),
//! ```
//!
//! the parity alternating from update to update (Okabe et al.; Syed et al., arXiv 1905.02939: better than a random one). The laws may be any
//! targets on the same lattice, and the move of each level any move that leaves its law invariant.
//!
//! **Diagnostics.** Swap rates are means of the acceptance probability. A *walker* is a configuration followed through the exchanges; it makes a round
//! trip when it has gone from the first level to the last and back.
//!
//! **Ladder.** Where the log-weights of neighbours are Gaussian the swap rate is `erfc(ℓ)`, `ℓ` proportional to the distance of the parameters.
//! [`respaced`] adds up the lengths `ℓ` of measured rates and cuts the sum into equal parts no longer than that of the rate wanted.
//!
//! **Restart.** [`Replicas::snapshot`] is plain data (serde); [`Tempering::resume`] continues exactly as if never interrupted.
//!
//! Cost of an update: the moves, and two log-weights a pair and copy (none where [`Tempering::proportional`] applies).

use ndarray::{Array1, Array2, ArrayView1};
use rand::RngExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chains::Chains;
use super::moves::{Move, MoveReport, acceptance_probability};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// One level of a ladder.
#[derive(Clone, Copy)]
pub struct Level<'a> {
    /// The parameter that orders the levels, for example β.
    pub parameter: f64,
    /// Its law.
    pub target: &'a dyn Target,
    /// A move that leaves the law invariant.
    pub dynamics: &'a dyn Move,
}

/// A ladder of laws with their moves.
///
/// ```
/// use tensorjump::lattice::square::SpinSweep;
/// use tensorjump::lattice::{Couplings, Geometry, Ising, Square};
/// use tensorjump::mcmc::{Level, Tempering};
///
/// let couplings = Couplings::plus_minus(Square::new(6, 6, Geometry::Open)?, 1);
/// let ladder = [0.6, 0.8, 1.0, 1.4, 2.0];
/// let models = ladder.map(|beta| Ising::new(couplings.clone(), beta).unwrap());
/// let sweeps = models.each_ref().map(|model| SpinSweep::heat_bath(model).unwrap());
/// let level = |k: usize| Level { parameter: ladder[k], target: &models[k], dynamics: &sweeps[k] };
/// let tempering = Tempering::new((0..5).map(level).collect())?.proportional()?;
/// let mut replicas = tempering.start(2, 7)?;
/// for _ in 0..100 {
///     tempering.update(&mut replicas)?;
/// }
/// assert!(replicas.swap_rates().iter().all(|&rate| rate > 0.1));
/// let cold = replicas.level(4)?; // two configurations at β = 2
/// assert_eq!(cold.dim(), (2, 36));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Clone)]
pub struct Tempering<'a> {
    levels: Vec<Level<'a>>,
    proportional: bool,
}

/// Configurations of all levels, in several independent copies of the ladder, and what happened to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Replicas {
    /// One batch a level; a row is a copy.
    chains: Vec<Chains>,
    walkers: Vec<Walkers>,
    reports: Vec<MoveReport>,
    seed: u64,
    updates: u64,
}

/// What a restart needs, as plain data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Seed of all draws.
    pub seed: u64,
    /// Updates made.
    pub updates: u64,
    /// Configurations of each level, shape `(copies, sites)`.
    pub x: Vec<Array2<u8>>,
    /// Walkers of each copy.
    pub walkers: Vec<Walkers>,
}

/// Which walker stands at which level of one ladder, and counts: for drivers that keep configurations in a form of their own.
///
/// Invariant: `at` is a permutation of the walkers; counts have one entry a pair of neighbours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Record", into = "Record")]
pub struct Walkers {
    at: Vec<usize>,
    /// The end that each walker visited last.
    end: Vec<Option<End>>,
    /// Ways from one end to the other.
    crossings: Vec<u64>,
    attempts: Vec<u64>,
    /// Sum of the acceptance probabilities.
    probability: Vec<f64>,
}

/// The ends of a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum End {
    First,
    Last,
}

/// [`Walkers`] before they are checked.
#[derive(Clone, Serialize, Deserialize)]
struct Record {
    at: Vec<usize>,
    end: Vec<Option<End>>,
    crossings: Vec<u64>,
    attempts: Vec<u64>,
    probability: Vec<f64>,
}

impl Walkers {
    /// Walker `k` at level `k`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two levels.
    pub fn new(levels: usize) -> Result<Self> {
        if levels < 2 {
            return Err(Error::parameter("levels of the ladder", levels, "at least two"));
        }
        let mut walkers = Walkers {
            at: (0..levels).collect(),
            end: vec![None; levels],
            crossings: vec![0; levels],
            attempts: vec![0; levels - 1],
            probability: vec![0.0; levels - 1],
        };
        walkers.visit_ends();
        Ok(walkers)
    }

    /// Decides whether the levels `pair` and `pair + 1` exchange, `log_ratio` the logarithm in the rule of the module and `u` uniform in
    /// `[0, 1)`, and books it.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a pair that does not exist or a ratio that is NaN.
    pub fn exchange(&mut self, pair: usize, log_ratio: f64, u: f64) -> Result<bool> {
        if pair >= self.attempts.len() {
            return Err(Error::parameter("pair of levels", pair, "below the number of levels less one"));
        }
        if log_ratio.is_nan() {
            return Err(Error::parameter("log-ratio of an exchange", log_ratio, "not NaN"));
        }
        let p = acceptance_probability(0.0, 0.0, log_ratio);
        self.attempts[pair] += 1;
        self.probability[pair] += p;
        if u >= p {
            return Ok(false);
        }
        self.at.swap(pair, pair + 1);
        self.visit_ends();
        Ok(true)
    }

    fn visit_ends(&mut self) {
        for (walker, end) in [(self.at[0], End::First), (self.at[self.at.len() - 1], End::Last)] {
            self.crossings[walker] += u64::from(self.end[walker].is_some_and(|before| before != end));
            self.end[walker] = Some(end);
        }
    }

    /// The walker at each level.
    pub fn at(&self) -> &[usize] {
        &self.at
    }

    /// Mean acceptance probability of each pair of neighbours; NaN before the first attempt.
    pub fn swap_rates(&self) -> Vec<f64> {
        self.probability.iter().zip(&self.attempts).map(|(p, &n)| p / n as f64).collect()
    }

    /// Round trips of all walkers, from either end to the other and back.
    pub fn round_trips(&self) -> u64 {
        self.crossings.iter().map(|n| n / 2).sum()
    }

    /// Forgets all counts, as after a warm-up; walkers stay where they are.
    pub fn reset(&mut self) {
        let at = std::mem::take(&mut self.at);
        let levels = at.len();
        *self = Walkers {
            at,
            end: vec![None; levels],
            crossings: vec![0; levels],
            attempts: vec![0; levels - 1],
            probability: vec![0.0; levels - 1],
        };
        self.visit_ends();
    }
}

impl From<Walkers> for Record {
    fn from(w: Walkers) -> Record {
        let Walkers { at, end, crossings, attempts, probability } = w;
        Record { at, end, crossings, attempts, probability }
    }
}

impl TryFrom<Record> for Walkers {
    type Error = Error;

    fn try_from(r: Record) -> Result<Self> {
        let levels = r.at.len();
        Walkers::new(levels)?;
        for (place, expected, got) in [
            ("end", levels, r.end.len()),
            ("crossings", levels, r.crossings.len()),
            ("attempts", levels - 1, r.attempts.len()),
            ("probability", levels - 1, r.probability.len()),
        ] {
            if expected != got {
                return Err(Error::Entries { place: place.into(), expected, got });
            }
        }
        let mut sorted = r.at.clone();
        sorted.sort_unstable();
        if (0..levels).any(|k| sorted[k] != k) {
            return Err(Error::parameter("walkers", format!("{:?}", r.at), "each once"));
        }
        let Record { at, end, crossings, attempts, probability } = r;
        Ok(Walkers { at, end, crossings, attempts, probability })
    }
}

impl<'a> Tempering<'a> {
    /// A ladder in the order of its parameters, rising or falling.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two levels or parameters out of order, [`Error::NotFinite`] for one that is not finite; targets on
    /// different lattices.
    pub fn new(levels: Vec<Level<'a>>) -> Result<Self> {
        check_ladder(&levels.iter().map(|level| level.parameter).collect::<Vec<_>>())?;
        let dims = levels[0].target.dims();
        levels.iter().try_for_each(|level| match_dims(dims, level.target.dims()))?;
        Ok(Tempering { levels, proportional: false })
    }

    /// Says that the log-weights are proportional to the parameters, `log w_k(x) = parameter_k·s(x)`, as for β without constraints: exchanges
    /// then need no log-weights anew. [`Tempering::start`] and [`Tempering::resume`] check it on the configurations they begin with.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter of zero, at which `s` is unknown.
    pub fn proportional(self) -> Result<Self> {
        if let Some(level) = self.levels.iter().find(|level| level.parameter == 0.0) {
            return Err(Error::parameter("parameter of a level", level.parameter, "not zero for proportional weights"));
        }
        Ok(Tempering { proportional: true, ..self })
    }

    /// The levels.
    pub fn levels(&self) -> &[Level<'a>] {
        &self.levels
    }

    /// `copies` independent ladders, each level at its target's [`Target::initial`].
    ///
    /// # Errors
    /// As [`Chains::initial`]; [`Error::Parameter`] where log-weights said to be proportional are not.
    pub fn start(&self, copies: usize, seed: u64) -> Result<Replicas> {
        let streams = Streams::new(seed).domain("tempering start");
        let start = |(k, level): (usize, &Level<'_>)| {
            Chains::initial(level.target, copies, streams.step(k as u64).stream(0).random())
        };
        let chains = self.levels.iter().enumerate().map(start).collect::<Result<Vec<_>>>()?;
        let walkers = vec![Walkers::new(self.levels.len())?; copies];
        self.checked(Replicas {
            chains,
            walkers,
            reports: vec![MoveReport::default(); self.levels.len()],
            seed,
            updates: 0,
        })
    }

    /// Goes on from a snapshot; reports of the moves start anew.
    ///
    /// # Errors
    /// [`Error::Entries`] for other numbers of levels or copies; configurations that do not fit or have weight zero.
    pub fn resume(&self, snapshot: Snapshot) -> Result<Replicas> {
        let Snapshot { seed, updates, x, walkers } = snapshot;
        let count = |place: &str, expected: usize, got: usize| {
            if expected == got { Ok(()) } else { Err(Error::Entries { place: place.into(), expected, got }) }
        };
        count("x", self.levels.len(), x.len())?;
        for x in &x {
            count("walkers", x.nrows(), walkers.len())?;
        }
        for walkers in &walkers {
            count("walkers[0]", self.levels.len(), walkers.at.len())?;
        }
        let chains = self.levels.iter().zip(x).map(|(level, x)| Chains::new(level.target, x)).collect::<Result<_>>()?;
        let reports = vec![MoveReport::default(); self.levels.len()];
        self.checked(Replicas { chains, walkers, reports, seed, updates })
    }

    /// One update: the move of each level, then exchanges of the pairs of one parity.
    ///
    /// # Errors
    /// Of the first level whose move fails, or of a log-weight that is NaN or +∞. Levels may then have moved.
    pub fn update(&self, replicas: &mut Replicas) -> Result<()> {
        if replicas.chains.len() != self.levels.len() {
            let (expected, got) = (self.levels.len(), replicas.chains.len());
            return Err(Error::Entries { place: "levels of the replicas".into(), expected, got });
        }
        let streams = Streams::new(replicas.seed).domain("tempering").step(replicas.updates);
        let moved: Vec<Result<MoveReport>> = self
            .levels
            .par_iter()
            .zip(&mut replicas.chains)
            .enumerate()
            .map(|(k, (level, chains))| level.dynamics.update(chains, level.target, &streams.step(k as u64)))
            .collect();
        for (report, moved) in replicas.reports.iter_mut().zip(moved) {
            *report += &moved?;
        }
        for pair in ((replicas.updates % 2) as usize..self.levels.len() - 1).step_by(2) {
            self.exchange(replicas, pair, &streams.domain("exchange").step(pair as u64))?;
        }
        replicas.updates += 1;
        Ok(())
    }

    /// Exchanges between the levels `pair` and `pair + 1` of every copy.
    fn exchange(&self, replicas: &mut Replicas, pair: usize, streams: &Streams) -> Result<()> {
        let (low, high) = replicas.chains.split_at_mut(pair + 1);
        let (low, high) = (&mut low[pair], &mut high[0]);
        let of_high = self.weights_at(pair, pair + 1, high)?;
        let of_low = self.weights_at(pair + 1, pair, low)?;
        for (copy, walkers) in replicas.walkers.iter_mut().enumerate() {
            let log_ratio = of_high[copy] + of_low[copy] - low.log_weight()[copy] - high.log_weight()[copy];
            if walkers.exchange(pair, log_ratio, streams.stream(copy).random())? {
                let x = low.x().row(copy).to_owned();
                low.replace(copy, high.x().row(copy), of_high[copy])?;
                high.replace(copy, x.view(), of_low[copy])?;
            }
        }
        Ok(())
    }

    /// Log-weights under level `k` of the configurations of level `from`.
    fn weights_at(&self, k: usize, from: usize, chains: &Chains) -> Result<Array1<f64>> {
        if self.proportional {
            let factor = self.levels[k].parameter / self.levels[from].parameter;
            return Ok(chains.log_weight().mapv(|w| factor * w));
        }
        let weights = self.levels[k].target.log_weight(chains.x())?;
        match weights.iter().position(|w| w.is_nan() || *w == f64::INFINITY) {
            None => Ok(weights),
            Some(row) => Err(Error::LogWeight { row, value: weights[row] }),
        }
    }

    /// Checks what [`Tempering::proportional`] said.
    fn checked(&self, replicas: Replicas) -> Result<Replicas> {
        if !self.proportional {
            return Ok(replicas);
        }
        for k in 1..self.levels.len() {
            let said = self.weights_at(k - 1, k, &replicas.chains[k])?;
            let found = self.levels[k - 1].target.log_weight(replicas.chains[k].x())?;
            // Sums of N terms in another order: some N·ε of the largest possible sum; 1e-9 is far from both that and a wrong claim.
            let off = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-9 * (1.0 + b.abs());
            if said.iter().zip(&found).any(off) {
                let parameter = self.levels[k].parameter;
                return Err(Error::parameter(
                    "parameter of a level",
                    parameter,
                    "proportional to its log-weights, as was said",
                ));
            }
        }
        Ok(replicas)
    }
}

impl Replicas {
    /// Configurations at a level, shape `(copies, sites)`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a level that does not exist.
    pub fn level(&self, k: usize) -> Result<Configs<'_>> {
        self.chains(k).map(Chains::x)
    }

    /// Their log-weights at that level, shape `(copies,)`.
    ///
    /// # Errors
    /// As [`Replicas::level`].
    pub fn log_weight(&self, k: usize) -> Result<ArrayView1<'_, f64>> {
        self.chains(k).map(Chains::log_weight)
    }

    fn chains(&self, k: usize) -> Result<&Chains> {
        self.chains.get(k).ok_or_else(|| Error::parameter("level", k, "below the number of levels"))
    }

    /// Updates made since the start.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// What the moves of each level did.
    pub fn reports(&self) -> &[MoveReport] {
        &self.reports
    }

    /// The walkers of each copy.
    pub fn walkers(&self) -> &[Walkers] {
        &self.walkers
    }

    /// Mean acceptance probability of each pair of neighbours, over copies; NaN before the first attempt.
    pub fn swap_rates(&self) -> Vec<f64> {
        let sum =
            |pair: usize, f: &dyn Fn(&Walkers, usize) -> f64| self.walkers.iter().map(|w| f(w, pair)).sum::<f64>();
        let pairs = 0..self.chains.len() - 1;
        pairs.map(|k| sum(k, &|w, k| w.probability[k]) / sum(k, &|w, k| w.attempts[k] as f64)).collect()
    }

    /// Round trips of all walkers of all copies.
    pub fn round_trips(&self) -> u64 {
        self.walkers.iter().map(Walkers::round_trips).sum()
    }

    /// Forgets all counts, as after a warm-up.
    pub fn reset_counts(&mut self) {
        self.walkers.iter_mut().for_each(Walkers::reset);
        self.reports.fill(MoveReport::default());
    }

    /// What a restart needs.
    pub fn snapshot(&self) -> Snapshot {
        let x = self.chains.iter().map(|chains| chains.x().to_owned()).collect();
        Snapshot { seed: self.seed, updates: self.updates, x, walkers: self.walkers.clone() }
    }
}

/// Checks that parameters are at least two, finite, and strictly in order.
fn check_ladder(ladder: &[f64]) -> Result<()> {
    if ladder.len() < 2 {
        return Err(Error::parameter("levels of the ladder", ladder.len(), "at least two"));
    }
    if let Some(site) = ladder.iter().position(|p| !p.is_finite()) {
        return Err(Error::NotFinite { field: "parameter of the ladder", site, value: ladder[site] });
    }
    let rising = ladder[1] > ladder[0];
    match ladder.windows(2).find(|p| p[0] == p[1] || (p[1] > p[0]) != rising) {
        None => Ok(()),
        Some(p) => Err(Error::parameter(
            "parameters of the ladder",
            format!("{}, {}", p[0], p[1]),
            "strictly rising or strictly falling",
        )),
    }
}

/// Rates are taken to lie between these: what a short run can tell.
const RATES: (f64, f64) = (1e-4, 1.0 - 1e-4);

/// A ladder with the same ends and equal swap rates not below `rate`, judged from the rates measured on this one; see the module.
///
/// Rates near 0 and 1 are poorly known: repeat with what the new ladder gives ([`tune_ladder`]).
///
/// # Errors
/// A ladder that is not one, [`Error::Entries`] for a wrong number of rates, [`Error::Parameter`] for a rate outside `0..=1` or a target outside
/// `(0, 1)`.
pub fn respaced(ladder: &[f64], swap_rates: &[f64], rate: f64) -> Result<Vec<f64>> {
    check_ladder(ladder)?;
    if swap_rates.len() != ladder.len() - 1 {
        let (expected, got) = (ladder.len() - 1, swap_rates.len());
        return Err(Error::Entries { place: "swap rates".into(), expected, got });
    }
    if !(rate > 0.0 && rate < 1.0) {
        return Err(Error::parameter("swap rate", rate, "between 0 and 1"));
    }
    if let Some(found) = swap_rates.iter().find(|r| !(0.0..=1.0).contains(*r)) {
        return Err(Error::parameter("measured swap rate", found, "between 0 and 1"));
    }
    let lengths: Vec<f64> = swap_rates.iter().map(|r| inverse_erfc(r.clamp(RATES.0, RATES.1))).collect();
    let total: f64 = lengths.iter().sum();
    let parts = (total / inverse_erfc(rate.clamp(RATES.0, RATES.1))).ceil().max(1.0) as usize;
    let mut new = vec![ladder[0]];
    let (mut k, mut before) = (0, 0.0);
    for i in 1..parts {
        let want = total * i as f64 / parts as f64;
        while k + 1 < lengths.len() && before + lengths[k] < want {
            before += lengths[k];
            k += 1;
        }
        new.push(ladder[k] + (ladder[k + 1] - ladder[k]) * (want - before) / lengths[k]);
    }
    new.push(ladder[ladder.len() - 1]);
    Ok(new)
}

/// A ladder and its swap rates.
#[derive(Debug, Clone, PartialEq)]
pub struct TunedLadder {
    /// Parameters of the levels.
    pub ladder: Vec<f64>,
    /// Swap rates measured on this ladder.
    pub swap_rates: Vec<f64>,
    /// Ladders measured.
    pub rounds: usize,
    /// Whether every rate is at least the one wanted.
    pub reached: bool,
}

/// Measures and re-spaces a ladder until every swap rate is at least `rate`, or `rounds` ladders have been measured. Each round aims a tenth
/// of the way from its aim to 1 higher than the one before, to leave room for rates that were measured badly.
///
/// `measure` gives the swap rates of a ladder, from a run of its own.
///
/// # Errors
/// As [`respaced`], `rounds` of zero, and those of `measure`.
pub fn tune_ladder(
    ladder: &[f64],
    rate: f64,
    rounds: usize,
    measure: &mut dyn FnMut(&[f64]) -> Result<Vec<f64>>,
) -> Result<TunedLadder> {
    if rounds == 0 {
        return Err(Error::parameter("rounds", rounds, "at least one"));
    }
    let mut ladder = ladder.to_vec();
    let mut aim = rate;
    let mut round = 0;
    loop {
        round += 1;
        let swap_rates = measure(&ladder)?;
        let next = respaced(&ladder, &swap_rates, aim)?;
        let reached = swap_rates.iter().all(|&r| r >= rate);
        if reached || round == rounds {
            return Ok(TunedLadder { ladder, swap_rates, rounds: round, reached });
        }
        ladder = next;
        aim += 0.1 * (1.0 - aim);
    }
}

/// `erfc(z)` for `z ≥ 0`, relative error 1.2e-7 (Numerical Recipes, §6.2).
fn erfc(z: f64) -> f64 {
    const C: [f64; 10] = [
        -1.26551223,
        1.00002368,
        0.37409196,
        0.09678418,
        -0.18628806,
        0.27886807,
        -1.13520398,
        1.48851587,
        -0.82215223,
        0.17087277,
    ];
    let t = 1.0 / (1.0 + 0.5 * z);
    t * (-z * z + C.iter().rev().fold(0.0, |sum, c| sum * t + c)).exp()
}

/// `z ≥ 0` with `erfc(z) = r`, for `r` in [`RATES`], by bisection.
fn inverse_erfc(r: f64) -> f64 {
    let (mut low, mut high) = (0.0, 4.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if erfc(middle) > r { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}
