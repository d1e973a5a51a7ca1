//! Runs of chains over ranks.
//!
//! Each rank updates its share of the chains, and keeps their records until they are gathered: at the end,
//! and where a checkpoint is due. An update gathers two numbers: has anybody asked to stop, is the first rank
//! to write. The files are those of one process, written by the first rank from what was gathered, so that a
//! run goes on with any number of ranks, and with one process.

use std::ops::ControlFlow;

use ndarray::s;

use super::chains::{Chains, start_weights};
use super::moves::{Move, MoveReport};
use super::recorder::{Observables, Recorder, Run};
use super::records::{Records, check_size};
use super::run::{Origin, Progress, RunOptions};
use super::spread_chains::{joined, own_share, told_by};
use super::stored::KIND;
use crate::error::{Error, Result};
use crate::io::{Checkpoint, Due};
use crate::model::{Configs, Target};
use crate::ranks::agreement::{agreed, gather, same, stop_or_write};
use crate::ranks::{Ranks, first_file};

impl RunOptions {
    /// As [`RunOptions::run_with_checkpoint`], the chains shared out over `ranks`: `chains` are the same on
    /// all ranks before and after, and so is what is returned, that of one process bit for bit.
    ///
    /// `observe` and `progress` see the chains of this rank, [`Ranks::share`] of all, and
    /// [`Progress::report`] counts what these did. A stop that one rank asks for stops all after the same
    /// update. The first rank writes and reads the checkpoint, whose files are those of one process: the run
    /// may go on with another number of ranks. What is not yet written when a rank dies is done again.
    ///
    /// Each update gathers 24 bytes a rank: where an update takes less than some 100 µs, make it a longer one
    /// ([`Repeat`](super::combine::Repeat)). The end and each checkpoint gather the new records and the
    /// configurations, 8 bytes for 52 spins.
    ///
    /// # Errors
    /// As [`RunOptions::run_with_checkpoint`]; [`Error::Parameter`] for fewer chains than ranks, for options
    /// or chains that differ between ranks; [`Error::Rank`] where another rank failed; errors of the
    /// communicator. The chains then stand where they stood before.
    #[allow(clippy::too_many_arguments)] // those of a run, and the ranks
    pub fn run_over<O: Observables>(
        &self,
        ranks: &dyn Ranks,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        checkpoint: Option<&Checkpoint>,
        mut progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Run> {
        let RunOptions { updates, warm_up, thin, seed, first_chain } = *self;
        same(ranks, "run", (updates, warm_up, thin, seed, first_chain, checkpoint.map(|c| &c.path)))?;
        let (total, count) = self.lengths()?;
        let rows = ranks.share(chains.len());
        let mut own = own_share(ranks, chains, ())?;
        // Of the first chain, which all have: another target is another number, rounding is not.
        let weight =
            agreed(ranks, target.log_weight(chains.x().slice(s![..1, ..])))?.first().copied().unwrap_or(f64::NAN);
        same(ranks, "target", (weight as f32).to_bits() >> 6)?;
        let streams = self.streams().rows_from(rows.start);
        let mut recorder = Recorder::new(observe);
        let mut prepare = || {
            own.log_weight = start_weights(target, own.x())?;
            let observables = recorder.look(&own)?.ncols();
            check_size(count.saturating_mul(chains.len()).saturating_mul(observables.max(1)))?;
            Ok((observables, checkpoint.map(|c| Due::new(c.every)).transpose()?))
        };
        let (observables, mut due) = agreed(ranks, prepare())?;
        let mut all = Gathered {
            options: self,
            ranks,
            target,
            observables: agreed_count(ranks, observables)?,
            chains: chains.len(),
            records: Records::new(&[chains.len(), observables], &[chains.len()]),
            origin: Origin::of(chains.updates, [&*chains]),
            checkpoint,
        };
        let (mut done, mut report) = (0, MoveReport::default());
        if let Some((mut kept, made, before)) = all.take_up(chains)? {
            (own, done, report) = (kept.part(rows), made, before);
        }
        let mut stopped = false;
        while done < total && !stopped {
            let mut update = || {
                let step = own.step(target, dynamics, &streams)?;
                if done + 1 > warm_up {
                    report += &step;
                    if (done + 1 - warm_up).is_multiple_of(thin) {
                        recorder.record(&own, &MoveReport::default())?;
                    }
                }
                Ok(progress(&Progress { done: done + 1, total, report: &report }).is_break())
            };
            let stop = update();
            done += 1;
            let due = due.as_mut().is_some_and(|due| due.after(done));
            let write;
            (stopped, write) = stop_or_write(ranks, stop.map(|stop| (stop, due)))?;
            if write && done < total && !stopped {
                all.gather(own.clone(), &mut recorder, &report)?;
            }
        }
        let (everyone, report) = all.gather(own, &mut recorder, &report)?;
        *chains = everyone;
        let (series, log_weight) = all.records.into_arrays();
        Ok(Run { series, log_weight, report, stopped })
    }
}

/// What has been gathered of a run: the same on all ranks, and in the files of the first.
struct Gathered<'a> {
    options: &'a RunOptions,
    ranks: &'a dyn Ranks,
    target: &'a dyn Target,
    observables: usize,
    chains: usize,
    records: Records,
    origin: Origin,
    checkpoint: Option<&'a Checkpoint>,
}

impl Gathered<'_> {
    /// The run in the files of the checkpoint, if there is one: chains, updates made, and on the first rank
    /// the report. New files are begun.
    fn take_up(&mut self, at: &Chains) -> Result<Option<(Chains, usize, MoveReport)>> {
        let Some(Checkpoint { path, .. }) = self.checkpoint else { return Ok(None) };
        let store = first_file(self.ranks, path, KIND)?;
        let kept = store.map(|store| self.options.kept(self.target, &store, at)).transpose();
        let kept = agreed(self.ranks, kept)?;
        let records = kept.as_ref().map(|kept| self.options.records(kept.2));
        self.records.open_over(self.ranks, path, records)?;
        Ok(kept.map(|(chains, origin, done, report)| {
            self.origin = origin;
            (chains, done, if self.ranks.rank() == 0 { report } else { MoveReport::default() })
        }))
    }

    /// Gathers the chains, the records since the last time, and the report; the first rank writes them.
    fn gather(
        &mut self,
        own: Chains,
        recorder: &mut Recorder<'_>,
        report: &MoveReport,
    ) -> Result<(Chains, MoveReport)> {
        let dims = self.target.dims();
        let mut numbers = told_by(&own, dims);
        report.tell(&mut numbers);
        let new = recorder.recorded().map_or(0, |records| records.give(&mut numbers));
        let all = gather(self.ranks, Ok(numbers))?;
        let (mut report, mut parts) = (MoveReport::default(), vec![]);
        let everyone = joined(own, self.ranks, self.chains, dims, &all, |chains, message| {
            report += &MoveReport::told(message)?;
            let width = chains * self.observables;
            parts.push((width, message.take(new * width)?, chains, message.take(new * chains)?));
            Ok(())
        })?;
        let written = self.keep(new, &parts, &everyone, &report);
        agreed(self.ranks, written)?;
        Ok((everyone, report))
    }

    /// Takes up `new` records, and writes them where this rank does.
    fn keep(
        &mut self,
        new: usize,
        parts: &[(usize, &[f64], usize, &[f64])],
        chains: &Chains,
        report: &MoveReport,
    ) -> Result<()> {
        for k in 0..new {
            let series = parts.iter().flat_map(|&(width, series, ..)| &series[k * width..][..width]);
            let log_weight = parts.iter().flat_map(|&(.., chains, logs)| &logs[k * chains..][..chains]);
            self.records.push(series.copied().collect(), log_weight.copied().collect())?;
        }
        match self.checkpoint {
            Some(Checkpoint { path, .. }) if self.ranks.rank() == 0 => {
                // The state last: what it tells of is on disk.
                self.records.sync()?;
                self.options.state(chains, &self.origin, report).write(path)
            }
            _ => Ok(()),
        }
    }
}

/// A count that all ranks have found alike.
fn agreed_count(ranks: &dyn Ranks, own: usize) -> Result<usize> {
    let all = gather(ranks, Ok(vec![own as f64]))?;
    match all.iter().enumerate().find(|(_, count)| **count != all[0]) {
        None => Ok(own),
        Some((rank, count)) => {
            let (expected, got) = (all[0][0] as usize, count.first().map_or(0, |&n| n as usize));
            Err(Error::Entries { place: format!("observables of rank {rank}"), expected, got })
        }
    }
}
