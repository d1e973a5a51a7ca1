//! Parallel tempering over ranks: levels move, configurations stay.
//!
//! A walker is a configuration followed through the exchanges. Each rank has its share of the walkers of all
//! copies, whatever level they stand at, and updates them with the draws of level and copy. Then it tells of
//! each walker its log-weights at its own level and at that of the neighbour it may exchange with: one
//! all-gather of 16 bytes a walker. All ranks decide all exchanges from these numbers and from random numbers
//! named by update, pair and copy, so that they decide alike and nobody waits for a master.

use ndarray::Array1;
use rand::RngExt;
use rayon::prelude::*;

use super::levels::{Tempering, count};
use super::replicas::Replicas;
use super::walkers::Walkers;
use crate::error::Result;
use crate::mcmc::chains::Chains;
use crate::mcmc::moves::{Move, MoveReport};
use crate::mcmc::spread_chains::told_by;
use crate::model::Target;
use crate::ranks::agreement::{Message, agreed, garbled, gather, same};
use crate::ranks::packing::unpack;
use crate::ranks::{Ranks, share_of};
use crate::rng::Streams;

/// A configuration on its way through the levels.
struct Walker {
    /// `copy × levels + walker of the copy`.
    number: usize,
    copy: usize,
    level: usize,
    /// One chain.
    chains: Chains,
    /// Its log-weight at the level it may exchange with.
    there: f64,
}

impl<T: Target, M: Move> Tempering<T, M> {
    /// As [`Tempering::advance`], the walkers of all copies shared out over `ranks`: `replicas` are the same
    /// on all ranks before and after, and those of one process bit for bit.
    ///
    /// An update gathers 16 bytes a walker. The ranks with whole copies update these in one batch a level; a
    /// rank may also have a part of a ladder, or nothing to do where there are more ranks than walkers. The
    /// end gathers the configurations, 8 bytes for 52 spins: make many updates a call.
    ///
    /// # Errors
    /// As [`Tempering::update`]; [`Error::Parameter`](crate::Error::Parameter) for replicas that differ
    /// between ranks; [`Error::Rank`](crate::Error::Rank) where another rank failed; errors of the
    /// communicator. The replicas then stand where they stood before.
    pub fn advance_over(&self, ranks: &dyn Ranks, replicas: &mut Replicas, updates: usize) -> Result<()> {
        let states: Vec<&[u8]> = replicas.chains.iter().map(Chains::states).collect();
        same(ranks, "replicas", (states, replicas.seed, replicas.updates, updates))?;
        count("levels of the replicas", self.levels.len(), replicas.chains.len())?;
        let levels = self.levels.len();
        let mut walkers = replicas.walkers.clone();
        let mut own = own_walkers(ranks, replicas);
        let mut reports = vec![MoveReport::default(); levels];
        for update in replicas.updates..replicas.updates + updates as u64 {
            let streams = Streams::new(replicas.seed).domain("tempering").step(update);
            let pairs = ((update % 2) as usize..levels - 1).step_by(2);
            let moved = self.move_walkers(&mut own, &mut reports, (update % 2) as usize, &streams);
            let weights = gather(ranks, moved)?.concat();
            if weights.len() != 2 * levels * walkers.len() {
                return Err(garbled(ranks.rank()));
            }
            for pair in pairs {
                let streams = streams.domain("exchange").step(pair as u64);
                for (copy, walkers) in walkers.iter_mut().enumerate() {
                    let at = |level: usize| 2 * (copy * levels + walkers.at()[level]);
                    let (low, high) = (at(pair), at(pair + 1));
                    let log_ratio = weights[high + 1] + weights[low + 1] - weights[low] - weights[high];
                    walkers.exchange(pair, log_ratio, streams.stream(copy).random())?;
                }
            }
            own.iter_mut().for_each(|walker| walker.follow(&walkers[walker.copy]));
            // As `Tempering::update` does, ever more seldom.
            if (update + 1).is_power_of_two() {
                let check = own.iter().try_for_each(|w| self.check_proportional_at(w.level, &w.chains));
                agreed(ranks, check)?;
            }
        }
        let (chains, done) = self.gathered(ranks, own, &reports, &walkers)?;
        replicas.reports.iter_mut().zip(&done).for_each(|(sum, report)| *sum += report);
        (replicas.chains, replicas.walkers) = (chains, walkers);
        replicas.updates += updates as u64;
        Ok(())
    }

    /// Updates walkers, in batches of neighbouring copies at one level, and returns two log-weights of each
    /// in the order of their numbers: at its level, and at the other level of its pair (0 where it is in
    /// none).
    fn move_walkers(
        &self,
        own: &mut [Walker],
        reports: &mut [MoveReport],
        first_pair: usize,
        streams: &Streams,
    ) -> Result<Vec<f64>> {
        own.sort_unstable_by_key(|w| (w.level, w.copy));
        let batches: Vec<_> = own.chunk_by_mut(|a, b| a.level == b.level && a.copy + 1 == b.copy).collect();
        let moved: Vec<Result<(usize, MoveReport)>> = batches
            .into_par_iter()
            .map(|batch| {
                let (k, copy) = (batch[0].level, batch[0].copy);
                let level = &self.levels[k];
                let rows = batch.iter_mut().map(|w| w.chains.part(0..1));
                let mut chains = Chains::joined(rows).ok_or_else(|| garbled(0))?;
                let streams = streams.step(k as u64).rows_from(copy);
                let report = level.dynamics.update(&mut chains, &level.target, &streams)?;
                let there = match neighbour(k, first_pair, self.levels.len()) {
                    Some(other) => self.weights_at(other, k, &chains)?,
                    None => Array1::zeros(batch.len()),
                };
                for (row, walker) in batch.iter_mut().enumerate() {
                    (walker.chains, walker.there) = (chains.part(row..row + 1), there[row]);
                }
                Ok((k, report))
            })
            .collect();
        for moved in moved {
            let (k, report) = moved?;
            reports[k] += &report;
        }
        own.sort_unstable_by_key(|w| w.number);
        Ok(own.iter().flat_map(|w| [w.chains.log_weight[0], w.there]).collect())
    }

    /// Configurations of all levels, and what the moves of each level did on all ranks.
    fn gathered(
        &self,
        ranks: &dyn Ranks,
        own: Vec<Walker>,
        reports: &[MoveReport],
        walkers: &[Walkers],
    ) -> Result<(Vec<Chains>, Vec<MoveReport>)> {
        let (dims, levels) = (self.levels[0].target.dims(), self.levels.len());
        let mut numbers: Vec<f64> = own.iter().flat_map(|w| told_by(&w.chains, dims)).collect();
        reports.iter().for_each(|report| report.tell(&mut numbers));
        let all = gather(ranks, Ok(numbers))?;
        let mut own = own.into_iter().map(|w| w.chains);
        let (mut found, mut sums) = (Vec::new(), vec![MoveReport::default(); levels]);
        for (rank, numbers) in all.iter().enumerate() {
            let mut message = Message::new(rank, numbers);
            for _ in share_of(rank, ranks.size(), levels * walkers.len()) {
                let (x, log_weight) = (unpack(&mut message, 1, dims)?, message.take(1)?[0]);
                let kept = if rank == ranks.rank() { own.next() } else { None };
                found.push(Some(kept.unwrap_or_else(|| Chains::standing(x, Array1::from_elem(1, log_weight), 0))));
            }
            sums.iter_mut().try_for_each(|sum| MoveReport::told(&mut message).map(|report| *sum += &report))?;
        }
        let mut level = |k: usize| {
            let rows = walkers.iter().enumerate().map(|(copy, w)| found[copy * levels + w.at()[k]].take());
            Chains::joined(rows.flatten()).ok_or_else(|| garbled(ranks.rank()))
        };
        Ok(((0..levels).map(&mut level).collect::<Result<_>>()?, sums))
    }
}

/// The level that level `k` may exchange with, where pairs begin at `first`.
fn neighbour(k: usize, first: usize, levels: usize) -> Option<usize> {
    let other = if k % 2 == first { k + 1 } else { k.checked_sub(1)? };
    (other < levels).then_some(other)
}

/// The walkers that belong to this rank, with what they are packed into.
fn own_walkers(ranks: &dyn Ranks, replicas: &mut Replicas) -> Vec<Walker> {
    let levels = replicas.chains.len();
    let walker = |number: usize| {
        let copy = number / levels;
        let level = replicas.walkers[copy].level_of(number % levels);
        Walker { number, copy, level, chains: replicas.chains[level].part(copy..copy + 1), there: 0.0 }
    };
    ranks.share(levels * replicas.walkers.len()).map(walker).collect()
}

impl Walker {
    /// Goes to the level where it stands after the exchanges.
    fn follow(&mut self, walkers: &Walkers) {
        let level = walkers.level_of(self.number % walkers.at().len());
        if level != self.level {
            self.level = level;
            self.chains.log_weight[0] = self.there;
        }
    }
}
