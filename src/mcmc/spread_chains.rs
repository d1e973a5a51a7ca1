//! Chains over ranks: each rank updates its share of the rows, and all of them see all rows.
//!
//! Chain `i` draws from stream `i` wherever it runs, so that nothing depends on who runs it. A run gathers
//! two numbers an update (is all well, has anybody asked to stop), and at its end the records.

use std::ops::ControlFlow;

use ndarray::{Array1, Array2, Array3, Axis, concatenate};

use super::chains::Chains;
use super::moves::{Move, MoveReport};
use super::run::{Observables, Progress, Run, RunOptions};
use crate::error::{Error, Result};
use crate::model::{Configs, Target};
use crate::ranks::agreement::{Message, any, garbled, gather, same};
use crate::ranks::packing::{pack, unpack};
use crate::ranks::{Ranks, share_of};
use crate::rng::Streams;

impl RunOptions {
    /// As [`RunOptions::run_with_progress`], the chains shared out over `ranks`: `chains` are the same on all
    /// ranks before and after, and so is what is returned, that of one process bit for bit.
    ///
    /// `observe` and `progress` see the chains of this rank, [`Ranks::share`] of all, and
    /// [`Progress::report`](super::run::Progress::report) counts what these did. A stop that one rank asks for
    /// stops all after the same update. Each update gathers 16 bytes a rank: where an update takes less than
    /// some 100 µs, make it a longer one ([`Repeat`](super::combine::Repeat)). The end gathers all records.
    ///
    /// # Errors
    /// As [`RunOptions::run`]; [`Error::Parameter`] for fewer chains than ranks, for options or chains that
    /// differ between ranks; [`Error::Rank`] where another rank failed; errors of the communicator. The chains
    /// then stand where they stood before.
    pub fn run_over<O: Observables>(
        &self,
        ranks: &dyn Ranks,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Run> {
        let RunOptions { updates, warm_up, thin, seed, first_chain } = *self;
        same(ranks, "run", (updates, warm_up, thin, seed, first_chain))?;
        let mut own = own_share(ranks, chains)?;
        let first_chain = first_chain.wrapping_add(ranks.share(chains.len()).start);
        let part = RunOptions { first_chain, ..*self };
        let agree = |asked: Result<ControlFlow<()>>| {
            let stop = any(ranks, asked.map(|asked| asked.is_break()))?;
            Ok(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        };
        let run = part.run_agreed(target, dynamics, (&mut own, chains.len()), observe, progress, agree)?;

        let mut numbers = told_by(&own, target.dims());
        run.report.tell(&mut numbers);
        let (records, _, observables) = run.series.dim();
        numbers.push(observables as f64);
        numbers.extend(&run.series);
        numbers.extend(&run.log_weight);
        let all = gather(ranks, Ok(numbers))?;
        let (mut report, mut series, mut log_weight) = (MoveReport::default(), vec![], vec![]);
        let everyone = joined(own, ranks, chains.len(), target.dims(), &all, |chains, message| {
            report += &MoveReport::told(message)?;
            let (got, rank) = (message.count()?, message.rank);
            if got != observables {
                return Err(Error::Entries {
                    place: format!("observables of rank {rank}"),
                    expected: observables,
                    got,
                });
            }
            let numbers = message.take(records * chains * observables)?.to_vec();
            series.push(Array3::from_shape_vec((records, chains, observables), numbers).map_err(|_| garbled(rank))?);
            let numbers = message.take(records * chains)?.to_vec();
            log_weight.push(Array2::from_shape_vec((records, chains), numbers).map_err(|_| garbled(rank))?);
            Ok(())
        })?;
        let series: Vec<_> = series.iter().map(|part| part.view()).collect();
        let log_weight: Vec<_> = log_weight.iter().map(|part| part.view()).collect();
        let series = concatenate(Axis(1), &series).map_err(|_| garbled(0))?;
        let log_weight = concatenate(Axis(1), &log_weight).map_err(|_| garbled(0))?;
        *chains = everyone;
        Ok(Run { series, log_weight, report, stopped: run.stopped })
    }
}

impl Chains {
    /// As [`Chains::advance`], the chains shared out over `ranks`: they are the same on all ranks before and
    /// after, and what is returned counts what all of them did.
    ///
    /// The ranks wait for each other at the end, where configurations and log-weights are gathered: 8 bytes
    /// for 52 spins and 8 a chain.
    ///
    /// # Errors
    /// As [`Chains::advance`], and as [`RunOptions::run_over`].
    pub fn advance_over(
        &mut self,
        ranks: &dyn Ranks,
        target: &dyn Target,
        dynamics: &dyn Move,
        updates: usize,
        streams: &Streams,
    ) -> Result<MoveReport> {
        let mut own = own_share(ranks, self)?;
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
pub(crate) fn own_share(ranks: &dyn Ranks, chains: &mut Chains) -> Result<Chains> {
    same(ranks, "chains", (chains.states(), chains.updates))?;
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

/// All `n` chains, from what all ranks told of theirs ([`told_by`]); `rest` reads what else they told. Its own
/// chains a rank has as they are, packed states and all.
pub(crate) fn joined(
    own: Chains,
    ranks: &dyn Ranks,
    n: usize,
    dims: &[usize],
    all: &[Vec<f64>],
    mut rest: impl FnMut(usize, &mut Message<'_>) -> Result<()>,
) -> Result<Chains> {
    let updates = own.updates;
    let mut own = Some(own);
    let mut parts = Vec::with_capacity(all.len());
    for (rank, numbers) in all.iter().enumerate() {
        let (mut message, rows) = (Message::new(rank, numbers), share_of(rank, ranks.size(), n).len());
        let x = unpack(&mut message, rows, dims)?;
        let log_weight: Array1<f64> = message.take(rows)?.to_vec().into();
        rest(rows, &mut message)?;
        parts.push(match own.take_if(|_| rank == ranks.rank()) {
            Some(own) => own,
            None => Chains::standing(x, log_weight, updates),
        });
    }
    Chains::joined(parts).ok_or_else(|| garbled(0))
}
