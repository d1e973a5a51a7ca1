//! The levels of a ladder: starts, updates, exchanges.

use ndarray::{Array1, Array2};
use rand::RngExt;
use rayon::prelude::*;

use super::ladder::check_ladder;
use super::replicas::{Replicas, ReplicasSnapshot};
use super::walkers::Walkers;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::mcmc::chains::Chains;
use crate::mcmc::moves::{Move, MoveReport};
use crate::model::Target;
use crate::rng::Streams;

/// One level of a ladder, which owns its parts or borrows them: values, references, boxes and `Arc`s will do.
/// Where levels have parts of different types, `&dyn Target` and `&dyn Move` (or boxes) hold them all.
#[derive(Debug, Clone, Copy)]
pub struct Level<T, M> {
    /// The parameter that orders the levels, for example β.
    pub parameter: f64,
    /// Its law.
    pub target: T,
    /// A move that leaves the law invariant.
    pub dynamics: M,
}

/// A ladder of laws with their moves.
///
/// ```
/// use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
/// use tensorjump::mcmc::{Level, Tempering};
///
/// let couplings = Couplings::plus_minus(Square::new(6, 6, Geometry::Open)?, 1);
/// let level = |beta: f64| {
///     let target = Ising::new(couplings.clone(), beta)?;
///     Ok(Level { parameter: beta, dynamics: SpinSweep::heat_bath(&target)?, target })
/// };
/// let levels: tensorjump::Result<_> = [0.6, 0.8, 1.0, 1.4, 2.0].into_iter().map(level).collect();
/// let tempering = Tempering::new(levels?)?.proportional()?;
/// let mut replicas = tempering.start(2, 7)?;
/// tempering.advance(&mut replicas, 100)?;
/// assert!(replicas.swap_rates().iter().all(|&rate| rate > 0.1));
/// let cold = replicas.level(4)?; // two configurations at β = 2
/// assert_eq!(cold.dim(), (2, 36));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Tempering<T, M> {
    pub(super) levels: Vec<Level<T, M>>,
    proportional: bool,
}

impl<T: Target, M: Move> Tempering<T, M> {
    /// A ladder in the order of its parameters, rising or falling.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two levels or parameters out of order, [`Error::NotFinite`] for
    /// one that is not finite; targets on different lattices.
    pub fn new(levels: Vec<Level<T, M>>) -> Result<Self> {
        check_ladder(&levels.iter().map(|level| level.parameter).collect::<Vec<_>>())?;
        let dims = levels[0].target.dims();
        levels.iter().try_for_each(|level| match_dims(dims, level.target.dims()))?;
        Ok(Tempering { levels, proportional: false })
    }

    /// Says that the log-weights are proportional to the parameters, `log w_k(x) = parameter_k·s(x)`, as for
    /// β without constraints: exchanges then need no log-weights anew. [`Tempering::start`] and
    /// [`Tempering::resume`] check it on the configurations they begin with.
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
    pub fn levels(&self) -> &[Level<T, M>] {
        &self.levels
    }

    /// `copies` independent ladders, each level at its target's [`Target::initial`].
    ///
    /// # Errors
    /// As [`Chains::initial`]; [`Error::Parameter`] where log-weights said to be proportional are not.
    pub fn start(&self, copies: usize, seed: u64) -> Result<Replicas> {
        let streams = Streams::new(seed).domain("tempering start");
        let start = |(k, level): (usize, &Level<T, M>)| {
            Chains::initial(&level.target, copies, streams.step(k as u64).stream(0).random())
        };
        self.begin(self.levels.iter().enumerate().map(start).collect::<Result<_>>()?, seed)
    }

    /// Starts each level at given configurations, shape `(copies, sites)` each.
    ///
    /// # Errors
    /// [`Error::Entries`] for other numbers of levels or copies; as [`Chains::new`]; [`Error::Parameter`]
    /// where log-weights said to be proportional are not.
    pub fn start_at(&self, x: Vec<Array2<u8>>, seed: u64) -> Result<Replicas> {
        count("x", self.levels.len(), x.len())?;
        let at = |(level, x): (&Level<T, M>, _)| Chains::new(&level.target, x);
        self.begin(self.levels.iter().zip(x).map(at).collect::<Result<_>>()?, seed)
    }

    /// Nothing has happened yet.
    fn begin(&self, chains: Vec<Chains>, seed: u64) -> Result<Replicas> {
        let copies = chains[0].len();
        chains.iter().try_for_each(|chains| count("copies of a level", copies, chains.len()))?;
        let walkers = vec![Walkers::new(self.levels.len())?; copies];
        let reports = vec![MoveReport::default(); self.levels.len()];
        let (parameters, updates, dynamics) = (self.parameters(), 0, None);
        self.checked(Replicas { chains, walkers, reports, parameters, seed, updates, dynamics })
    }

    pub(super) fn parameters(&self) -> Vec<f64> {
        self.levels.iter().map(|level| level.parameter).collect()
    }

    /// Goes on from a snapshot: configurations, walkers and counts are those that would have followed.
    ///
    /// # Errors
    /// [`Error::Entries`] for other numbers of levels or copies, [`Error::Entry`] for a level of another
    /// parameter and for a log-weight that its target does not confirm; as [`Chains::new`].
    pub fn resume(&self, snapshot: ReplicasSnapshot) -> Result<Replicas> {
        let ReplicasSnapshot { seed, updates, parameters, x, log_weight, walkers, reports, .. } = snapshot;
        let levels = self.levels.len();
        count("parameters", levels, parameters.len())?;
        for (k, (level, &value)) in self.levels.iter().zip(&parameters).enumerate() {
            // Digits may be lost where a snapshot is written as text.
            if value.is_nan() || (level.parameter - value).abs() > 1e-12 * level.parameter.abs() {
                let place = format!("parameters[{k}]");
                return Err(Error::Entry { place, value, expected: "the parameter of that level" });
            }
        }
        count("x", levels, x.len())?;
        count("log_weight", levels, log_weight.len())?;
        count("reports", levels, reports.len())?;
        for x in &x {
            count("walkers", x.nrows(), walkers.len())?;
        }
        for walkers in &walkers {
            count("walkers[0]", levels, walkers.at().len())?;
        }
        let at = |((level, x), w): ((&Level<T, M>, _), _)| Chains::resumed(&level.target, x, w, 0);
        let chains = self.levels.iter().zip(x).zip(log_weight).map(at).collect::<Result<_>>()?;
        let (parameters, dynamics) = (self.parameters(), None);
        self.checked(Replicas { chains, walkers, reports, parameters, seed, updates, dynamics })
    }

    /// So many updates, one after the other.
    ///
    /// # Errors
    /// As [`Tempering::update`].
    pub fn advance(&self, replicas: &mut Replicas, updates: usize) -> Result<()> {
        (0..updates).try_for_each(|_| self.update(replicas))
    }

    /// One update: the move of each level, then exchanges of the pairs of one parity.
    ///
    /// # Errors
    /// Of the first level whose move fails, or of a log-weight that is NaN or +∞. Levels may then have moved.
    pub fn update(&self, replicas: &mut Replicas) -> Result<()> {
        count("levels of the replicas", self.levels.len(), replicas.chains.len())?;
        let streams = Streams::new(replicas.seed).domain("tempering").step(replicas.updates);
        let moved: Vec<Result<MoveReport>> = self
            .levels
            .par_iter()
            .zip(&mut replicas.chains)
            .enumerate()
            .map(|(k, (level, chains))| level.dynamics.update(chains, &level.target, &streams.step(k as u64)))
            .collect();
        for (report, moved) in replicas.reports.iter_mut().zip(moved) {
            *report += &moved?;
        }
        for pair in ((replicas.updates % 2) as usize..self.levels.len() - 1).step_by(2) {
            self.exchange(replicas, pair, &streams.domain("exchange").step(pair as u64))?;
        }
        replicas.updates += 1;
        // Starts may hide what is not proportional (all spins down): look again, ever more seldom.
        if replicas.updates.is_power_of_two() { self.check_proportional(replicas) } else { Ok(()) }
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
                low.exchange(high, copy, (of_high[copy], of_low[copy]));
            }
        }
        Ok(())
    }

    /// Log-weights under level `k` of the configurations of level `from`.
    pub(super) fn weights_at(&self, k: usize, from: usize, chains: &Chains) -> Result<Array1<f64>> {
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
        self.check_proportional(&replicas)?;
        Ok(replicas)
    }

    fn check_proportional(&self, replicas: &Replicas) -> Result<()> {
        replicas.chains.iter().enumerate().try_for_each(|(k, chains)| self.check_proportional_at(k, chains))
    }

    /// [`Tempering::proportional`] for configurations of level `k`, by the level before.
    pub(super) fn check_proportional_at(&self, k: usize, chains: &Chains) -> Result<()> {
        if !self.proportional || k == 0 {
            return Ok(());
        }
        let said = self.weights_at(k - 1, k, chains)?;
        let found = self.levels[k - 1].target.log_weight(chains.x())?;
        // Sums of N terms in another order: some N·ε of the largest possible sum; 1e-9 is far from both that
        // and a wrong claim.
        let off = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-9 * (1.0 + b.abs());
        if said.iter().zip(&found).any(off) {
            let parameter = self.levels[k].parameter;
            let expected = "proportional to its log-weights, as was said";
            return Err(Error::parameter("parameter of a level", parameter, expected));
        }
        Ok(())
    }
}

pub(super) fn count(place: &str, expected: usize, got: usize) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::Entries { place: place.into(), expected, got }) }
}
