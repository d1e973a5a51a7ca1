//! Chains over ranks: each rank updates its share of the rows, and all of them see all rows.
//!
//! Chain `i` draws from stream `i` wherever it runs, so that nothing depends on who runs it.

use std::hash::Hash;

use super::chains::Chains;
use super::moves::{Move, MoveReport};
use crate::error::{Error, Result};
use crate::model::Target;
use crate::ranks::agreement::{Message, garbled, gather, same};
use crate::ranks::packing::{pack, unpack};
use crate::ranks::{Ranks, share_of};
use crate::rng::Streams;

impl Chains {
    /// As [`Chains::advance`], the chains shared out over `ranks`: they are the same on all ranks before and
    /// after, and what is returned counts what all of them did.
    ///
    /// The ranks wait for each other at the end, where configurations and log-weights are gathered: 8 bytes
    /// for 52 spins and 8 a chain.
    ///
    /// # Errors
    /// As [`Chains::advance`], and as [`RunOptions::run_over`](super::run::RunOptions::run_over).
    pub fn advance_over(
        &mut self,
        ranks: &dyn Ranks,
        target: &dyn Target,
        dynamics: &dyn Move,
        updates: usize,
        streams: &Streams,
    ) -> Result<MoveReport> {
        let mut own = own_share(ranks, self, (updates, streams))?;
        let streams = streams.rows_from(ranks.share(self.len()).start);
        let done = own.advance(target, dynamics, updates, &streams);
        let numbers = done.map(|report| {
            let mut numbers = told_by(&own, target.dims());
            report.tell(&mut numbers);
            numbers
        });
        let all = gather(ranks, numbers)?;
        let mut report = MoveReport::default();
        *self = joined(own, ranks, self.len(), target.dims(), &all, |_, message| {
            report += &MoveReport::told(message)?;
            Ok(())
        })?;
        Ok(report)
    }
}

/// The share of a rank, which every rank has one of, of chains that are the same on all.
pub(crate) fn own_share(ranks: &dyn Ranks, chains: &mut Chains, arguments: impl Hash) -> Result<Chains> {
    same(ranks, "chains or what is to be done with them", (chains.states(), chains.updates, arguments))?;
    if chains.len() < ranks.size() {
        return Err(Error::parameter("chains", chains.len(), "at least one a rank"));
    }
    Ok(chains.part(ranks.share(chains.len())))
}

/// Where chains stand, as numbers.
pub(crate) fn told_by(chains: &Chains, dims: &[usize]) -> Vec<f64> {
    let mut numbers = Vec::new();
    pack(chains.x(), dims, &mut numbers);
    numbers.extend(chains.log_weight());
    numbers
}

/// Chains that [`told_by`] has told of.
fn told(message: &mut Message<'_>, rows: usize, dims: &[usize], updates: u64) -> Result<Chains> {
    let x = unpack(message, rows, dims)?;
    let log_weight = message.take(rows)?.to_vec();
    Ok(Chains::standing(x, log_weight.into(), updates))
}

/// All `n` chains, from what all ranks told of theirs ([`told_by`]); `rest` reads what else they told. Its
/// own chains a rank has as they are, packed states and all.
pub(crate) fn joined<'a>(
    own: Chains,
    ranks: &dyn Ranks,
    n: usize,
    dims: &[usize],
    all: &'a [Vec<f64>],
    mut rest: impl FnMut(usize, &mut Message<'a>) -> Result<()>,
) -> Result<Chains> {
    let updates = own.updates;
    let mut own = Some(own);
    let mut parts = Vec::with_capacity(all.len());
    for (rank, numbers) in all.iter().enumerate() {
        let (mut message, rows) = (Message::new(rank, numbers), share_of(rank, ranks.size(), n).len());
        let chains = told(&mut message, rows, dims, updates)?;
        rest(rows, &mut message)?;
        parts.push(match own.take_if(|_| rank == ranks.rank()) {
            Some(own) => own,
            None => chains,
        });
    }
    Chains::joined(parts).ok_or_else(|| garbled(0))
}
