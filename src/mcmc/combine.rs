//! Moves composed of moves: mixtures, cycles, repetitions. Each leaves invariant what all its parts leave
//! invariant.
//!
//! A mixture of reversible moves is reversible; a cycle is not (only invariant). The choice of a mixture must
//! not depend on the state, and does not. Streams nest, so parts never share draws.

use std::fmt;

use rand::RngExt;

use super::chains::Chains;
use super::moves::{Move, MoveReport};
use super::proposal::{Proposal, Proposed};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// Probabilities must sum to one to this accuracy: what decimal fractions and a few hundred roundings leave.
const SUM_TOLERANCE: f64 = 1e-12;

/// One of several moves (`Mixture<dyn Move>`) or proposals (`Mixture<dyn Proposal>`), chosen anew at each
/// update with fixed probabilities, the same one for the whole batch (so that it stays one draw of one
/// model), and for all batches that chains of one run are spread over: the stream that all rows share
/// chooses.
///
/// Each chain by itself follows the mixture; chains share the order of the parts but no draws of
/// configurations. A proposal drawn from part `i` is accepted on the ratio of part `i`, which is reversible
/// part by part.
#[must_use]
pub struct Mixture<T: ?Sized> {
    parts: Vec<(f64, Box<T>)>,
}

impl<T: ?Sized> fmt::Debug for Mixture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mixture").field(&self.parts.iter().map(|part| part.0).collect::<Vec<_>>()).finish()
    }
}

/// What a mixture is made of: moves or proposals.
pub trait Part {
    /// Local dimensions of the lattice, where the part knows them.
    fn lattice(&self) -> Option<&[usize]>;
}

impl Part for dyn Move + '_ {
    fn lattice(&self) -> Option<&[usize]> {
        None
    }
}

impl Part for dyn Proposal + '_ {
    fn lattice(&self) -> Option<&[usize]> {
        Some(self.dims())
    }
}

impl<T: ?Sized + Part> Mixture<T> {
    /// Chooses part `i` with probability `parts[i].0`.
    ///
    /// # Errors
    /// No parts; a probability negative or not finite; probabilities that do not sum to one (to 1e-12);
    /// proposals for different lattices ([`Error::SiteCount`], [`Error::LocalDimension`]).
    pub fn new(parts: Vec<(f64, Box<T>)>) -> Result<Self> {
        if parts.is_empty() {
            return Err(Error::parameter("parts of the mixture", 0, "at least one"));
        }
        for (site, &(value, _)) in parts.iter().enumerate() {
            if !value.is_finite() {
                return Err(Error::NotFinite { field: "mixture probability", site, value });
            }
            if value < 0.0 {
                return Err(Error::Negative { field: "mixture probability", site, value });
            }
        }
        let sum: f64 = parts.iter().map(|part| part.0).sum();
        if (sum - 1.0).abs() > SUM_TOLERANCE {
            return Err(Error::parameter("sum of mixture probabilities", sum, "one"));
        }
        let mut lattices = parts.iter().filter_map(|part| part.1.lattice());
        if let Some(first) = lattices.next() {
            lattices.try_for_each(|other| match_dims(first, other))?;
        }
        Ok(Mixture { parts })
    }

    /// The part of this update, its index, and streams for it that share no draw with the choice.
    fn choose(&self, streams: &Streams) -> (usize, &T, Streams) {
        let u: f64 = streams.domain("mixture").shared().random();
        let mut chosen = 0;
        let mut cumulative = 0.0;
        for (i, &(p, _)) in self.parts.iter().enumerate().filter(|(_, part)| part.0 > 0.0) {
            cumulative += p;
            chosen = i; // the last possible part if rounding leaves a gap
            if u < cumulative {
                break;
            }
        }
        (chosen, &*self.parts[chosen].1, streams.domain("part"))
    }
}

impl Move for Mixture<dyn Move + '_> {
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let (i, part, streams) = self.choose(streams);
        Ok(part.update(chains, target, &streams)?.of_part(i))
    }
}

impl Proposal for Mixture<dyn Proposal + '_> {
    fn dims(&self) -> &[usize] {
        self.parts[0].1.dims()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let (_, part, streams) = self.choose(streams);
        part.propose(x, &streams)
    }
}

/// Several moves, one after the other, in each update.
#[must_use]
pub struct Cycle<'a> {
    parts: Vec<Box<dyn Move + 'a>>,
}

impl fmt::Debug for Cycle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cycle of {} moves", self.parts.len())
    }
}

impl<'a> Cycle<'a> {
    /// Performs the parts in order.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no parts.
    pub fn new(parts: Vec<Box<dyn Move + 'a>>) -> Result<Self> {
        if parts.is_empty() {
            return Err(Error::parameter("parts of the cycle", 0, "at least one"));
        }
        Ok(Cycle { parts })
    }
}

impl Move for Cycle<'_> {
    /// # Errors
    /// The first error of a part; the parts before it have then acted.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let mut report = MoveReport::default();
        for (i, part) in self.parts.iter().enumerate() {
            report += &part.update(chains, target, &streams.step(i as u64))?.of_part(i);
        }
        Ok(report)
    }
}

/// The same move several times in each update: a sweep of single-site changes.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Repeat<M> {
    part: M,
    times: usize,
}

impl<M: Move> Repeat<M> {
    /// Performs `part` `times` times.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `times` is zero.
    pub fn new(part: M, times: usize) -> Result<Self> {
        if times == 0 {
            return Err(Error::parameter("times", times, "at least one"));
        }
        Ok(Repeat { part, times })
    }
}

impl<M: Move> Move for Repeat<M> {
    /// # Errors
    /// The first error of a repetition; those before it have then acted.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let mut report = MoveReport::default();
        for i in 0..self.times {
            report += &self.part.update(chains, target, &streams.step(i as u64))?;
        }
        Ok(report)
    }
}
