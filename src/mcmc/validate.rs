//! Exact tests of moves where enumeration stops, from exact draws (Gandy, Scott, arXiv 2001.06465).
//!
//! **Ranks, for reversible moves.** From an exact draw `x` the move is run forward and, being its own
//! reverse, backward; `x` is put at a random place among `L` states of a stationary chain. Whatever the
//! autocorrelation, the rank of `f(x)` among the `L` values is uniform on `1 … L` if and only if chains
//! started at `π` look the same from every place. Ties are broken at random.
//!
//! **Two samples, for any move that leaves `π` invariant** (sweeps and cycles are not reversible): exact
//! draws moved `L` times are compared with exact draws that were not.
//!
//! Both distances are Kolmogorov–Smirnov's, with the bound `p ≤ 2 e^{−2nD²}` of Massart (Ann. Probab. 18,
//! 1269), for two samples of `n` that of Wei and Dudley (arXiv 1107.5356; `n ≥ 458`), so that the false-alarm
//! rate is a bound and not an approximation.
//!
//! **Sequence.** With `α` allowed in all and `k` rounds, `β_1 = α/k`, `γ = β_1^{1/k}`: a round fails where
//! `p ≤ β_i`, passes where `p > γ + β_i`, and else is repeated with four times the draws and
//! `β_{i+1} = β_i/γ`. A round is entered with probability at most `γ` from the one before, so that each round
//! adds at most `α/k` to the rate of false alarms.

use ndarray::{Array2, Axis, concatenate};
use rand::RngExt;

use super::chains::Chains;
use super::moves::Move;
use super::recorder::Observables;
use crate::error::{Error, Result};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// From here on the two-sample bound holds with the constant 2.
const LEAST_DRAWS: usize = 458;

/// A test of a move by exact draws, with a bound on false alarms.
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, SpinSweep, Square, Wolff};
/// use tensorjump::mcmc::RankTest;
/// use tensorjump::{Model, Streams};
///
/// let ising = Ising::new(Couplings::uniform(Square::new(8, 8, Geometry::Open)?, 1.0)?, 0.44)?;
/// let law = BoundaryMps::new(&ising, 16)?;
/// let exact = |n: usize, streams: &Streams| Ok(law.draw(n, streams)?.x);
/// let test = RankTest { draws: 500, ..RankTest::default() };
/// // Clusters are reversible, a sweep in the order of sites is not.
/// assert!(test.reversible(&ising, &Wolff::new(&ising)?, exact, |x| ising.energy(x))?.passed);
/// assert!(test.invariant(&ising, &SpinSweep::heat_bath(&ising)?, exact, |x| ising.energy(x))?.passed);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RankTest {
    /// Exact draws of the first round; at least 458.
    pub draws: usize,
    /// States of a chain, `L ≥ 2`.
    pub length: usize,
    /// Rounds at most, each with four times the draws of the one before.
    pub rounds: usize,
    /// Probability `α` at most of failing a move that is right, all rounds and observables together.
    pub false_alarm: f64,
    /// Seed of all draws.
    pub seed: u64,
}

impl Default for RankTest {
    /// 1000 draws, chains of 10 states, at most 5 rounds, false alarms once in 10⁴, seed 0.
    fn default() -> Self {
        RankTest { draws: 1000, length: 10, rounds: 5, false_alarm: 1e-4, seed: 0 }
    }
}

/// What a test found.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Verdict {
    /// Whether nothing was found: a move that fails is wrong, one that passes may still be.
    pub passed: bool,
    /// Bound on the p-value of the last round, over all observables.
    pub p_value: f64,
    /// Largest distance of that round.
    pub distance: f64,
    /// The observable that showed it.
    pub observable: usize,
    /// Exact draws of all rounds.
    pub draws: usize,
}

impl RankTest {
    /// Tests a move that is reversible with respect to its target.
    ///
    /// `exact` draws so many configurations of the target's law, shape `(n, sites)`, with an error far below
    /// `1/√draws`: a [`Model`](crate::Model) of it, or any other sampler. Moves whose rows share random
    /// choices ([`Mixture`](super::combine::Mixture)) and moves that are not reversible
    /// ([`Cycle`](super::combine::Cycle), sweeps) go to [`RankTest::invariant`]. Cost: `2 L` updates of each
    /// draw.
    ///
    /// # Errors
    /// Numbers out of range; those of target, move, model and observer; [`Error::SampleCount`] for other than
    /// the number of draws that was asked for, [`Error::Entries`] for observables of another shape than
    /// before; [`Error::LogWeight`] where the move leaves log-weights that are not the target's.
    pub fn reversible<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        mut exact: impl FnMut(usize, &Streams) -> Result<Array2<u8>>,
        mut observe: impl FnMut(Configs<'_>) -> Result<O>,
    ) -> Result<Verdict> {
        self.sequence(|n, streams| {
            let x = rows(exact(n, &streams.domain("exact"))?, n)?;
            let first = table(&mut observe, x.view(), None)?;
            let columns = Some(first.ncols());
            // Rows 0..n go forward, the others backward.
            let mut chains = Chains::new(target, concatenate![Axis(0), x, x])?;
            let mut series = vec![];
            for _ in 1..self.length {
                advance(&mut chains, target, dynamics, streams)?;
                series.push(table(&mut observe, chains.x(), columns)?);
            }
            let ranks = |column: usize| {
                let rank = |row: usize| {
                    let mut stream = streams.domain("place").stream(row);
                    let back = stream.random_range(0..self.length);
                    let before = series[..back].iter().map(|f| f[[n + row, column]]);
                    let after = series[..self.length - 1 - back].iter().map(|f| f[[row, column]]);
                    let own = first[[row, column]];
                    let (mut less, mut ties) = (0, 0);
                    for value in before.chain(after) {
                        less += usize::from(value < own);
                        ties += usize::from(value == own);
                    }
                    let rank = less + stream.random_range(0..=ties);
                    (rank as f64 + stream.random::<f64>()) / self.length as f64
                };
                (0..n).map(rank).collect::<Vec<f64>>()
            };
            let distances = (0..first.ncols()).map(|column| from_uniform(ranks(column))).collect();
            Ok((distances, n as f64))
        })
    }

    /// Tests whether a move leaves its target invariant.
    ///
    /// Cost: `L` updates of each draw, and twice the draws.
    ///
    /// # Errors
    /// As [`RankTest::reversible`].
    pub fn invariant<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        mut exact: impl FnMut(usize, &Streams) -> Result<Array2<u8>>,
        mut observe: impl FnMut(Configs<'_>) -> Result<O>,
    ) -> Result<Verdict> {
        self.sequence(|n, streams| {
            let still = table(&mut observe, rows(exact(n, &streams.domain("still"))?, n)?.view(), None)?;
            let mut chains = Chains::new(target, rows(exact(n, &streams.domain("exact"))?, n)?)?;
            for _ in 0..self.length {
                advance(&mut chains, target, dynamics, streams)?;
            }
            let moved = table(&mut observe, chains.x(), Some(still.ncols()))?;
            let distance = |column: usize| between(still.column(column).to_vec(), moved.column(column).to_vec());
            Ok(((0..still.ncols()).map(distance).collect(), n as f64 / 2.0))
        })
    }

    /// Rounds of `round(n, streams)`, which returns the distance of each observable and the number `n` of the
    /// bound `2 e^{−2nD²}`.
    fn sequence(&self, mut round: impl FnMut(usize, &Streams) -> Result<(Vec<f64>, f64)>) -> Result<Verdict> {
        self.check()?;
        let streams = Streams::new(self.seed).domain("rank test");
        let mut beta = self.false_alarm / self.rounds as f64;
        let gamma = beta.powf(1.0 / self.rounds as f64);
        let (mut n, mut draws) = (self.draws, 0);
        for k in 0..self.rounds {
            let (distances, effective) = round(n, &streams.step(k as u64))?;
            draws += n;
            let largest = distances.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((observable, distance)) = largest else {
                return Err(Error::parameter("observables", 0, "at least one"));
            };
            let p_value = (2.0 * distances.len() as f64 * (-2.0 * effective * distance * distance).exp()).min(1.0);
            let verdict = Verdict { passed: p_value > beta, p_value, distance, observable, draws };
            if p_value <= beta || p_value > gamma + beta || k + 1 == self.rounds {
                return Ok(verdict);
            }
            beta /= gamma;
            n = n.saturating_mul(4);
        }
        Err(Error::parameter("rounds", self.rounds, "at least one"))
    }

    fn check(&self) -> Result<()> {
        if self.draws < LEAST_DRAWS {
            return Err(Error::parameter("draws", self.draws, "at least 458, from where the bound holds"));
        }
        if self.length < 2 {
            return Err(Error::parameter("length", self.length, "at least two states"));
        }
        if self.rounds == 0 {
            return Err(Error::parameter("rounds", self.rounds, "at least one"));
        }
        if !(self.false_alarm > 0.0 && self.false_alarm < 1.0) {
            return Err(Error::parameter("false_alarm", self.false_alarm, "between 0 and 1"));
        }
        Ok(())
    }
}

/// One update, after which the log-weights must be those of the target.
fn advance(chains: &mut Chains, target: &dyn Target, dynamics: &dyn Move, streams: &Streams) -> Result<()> {
    chains.step(target, dynamics, &streams.domain("moves"))?;
    let found = target.log_weight(chains.x())?;
    let off = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-6 * (1.0 + b.abs());
    match chains.log_weight().iter().zip(&found).position(off) {
        None => Ok(()),
        Some(row) => Err(Error::LogWeight { row, value: chains.log_weight()[row] }),
    }
}

/// As many draws as were asked for: their number enters the bound.
fn rows(x: Array2<u8>, n: usize) -> Result<Array2<u8>> {
    if x.nrows() == n { Ok(x) } else { Err(Error::SampleCount { expected: n, got: x.nrows() }) }
}

/// What is observed, a row a configuration and as many columns as before.
fn table<O: Observables>(
    observe: &mut impl FnMut(Configs<'_>) -> Result<O>,
    x: Configs<'_>,
    columns: Option<usize>,
) -> Result<Array2<f64>> {
    let table = observe(x)?.table(x.nrows());
    let expected = columns.unwrap_or(table.ncols());
    for (place, expected, got) in
        [("rows of observables", x.nrows(), table.nrows()), ("observables", expected, table.ncols())]
    {
        if expected != got {
            return Err(Error::Entries { place: place.into(), expected, got });
        }
    }
    match table.indexed_iter().find(|(_, value)| !value.is_finite()) {
        None => Ok(table),
        Some(((_, site), &value)) => Err(Error::NotFinite { field: "observable", site, value }),
    }
}

/// Largest distance of the distribution function of numbers in `[0, 1)` from the uniform one.
fn from_uniform(mut u: Vec<f64>) -> f64 {
    u.sort_unstable_by(f64::total_cmp);
    let n = u.len() as f64;
    u.iter().enumerate().map(|(i, u)| (u - i as f64 / n).max((i + 1) as f64 / n - u)).fold(0.0, f64::max)
}

/// Largest distance between the distribution functions of two samples of one size.
fn between(mut a: Vec<f64>, mut b: Vec<f64>) -> f64 {
    a.sort_unstable_by(f64::total_cmp);
    b.sort_unstable_by(f64::total_cmp);
    let n = a.len() as f64;
    let (mut i, mut j, mut largest) = (0, 0, 0usize);
    while i < a.len() && j < b.len() {
        // All values that tie are passed on both sides before the distance counts.
        let value = a[i].min(b[j]);
        i += a[i..].iter().take_while(|v| **v <= value).count();
        j += b[j..].iter().take_while(|v| **v <= value).count();
        largest = largest.max(i.abs_diff(j));
    }
    largest as f64 / n
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_small_samples() {
        assert!((from_uniform(vec![0.5]) - 0.5).abs() < 1e-15);
        assert!((from_uniform(vec![0.9, 0.1, 0.4]) - (2.0 / 3.0 - 0.4)).abs() < 1e-12);
        assert_eq!(between(vec![1.0, 2.0, 2.0, 3.0], vec![2.0, 2.0, 3.0, 3.0]), 0.25);
        assert_eq!(between(vec![1.0; 5], vec![1.0; 5]), 0.0);
        assert_eq!(between(vec![0.0; 5], vec![1.0; 5]), 1.0);
    }
}
