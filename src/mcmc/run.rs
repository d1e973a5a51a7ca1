//! The loop that runs a batch of chains and records what they show.
//!
//! [`RunOptions::run`] is three parts that can be had one by one: a start ([`Chains`]), updates
//! ([`Chains::advance`]), and a [`Recorder`].

use std::ops::ControlFlow;

use super::chains::{Chains, start_weights};
use super::moves::{Move, MoveReport};
use super::recorder::{Observables, Recorder, Run};
use super::records::check_size;
use super::stored::{KIND, put_reports, reports};
use crate::error::{Error, Result};
use crate::io::safetensors::Store;
use crate::io::{Checkpoint, Due, hash};
use crate::model::{Configs, Target};
use crate::rng::Streams;

/// How long to run, and what to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RunOptions {
    /// Updates of each chain after the warm-up; `updates / thin` of them (rounded down) are recorded.
    pub updates: usize,
    /// Updates before the first recorded one, which count in no estimate or report.
    pub warm_up: usize,
    /// Updates from one record to the next.
    pub thin: usize,
    /// Seed of all draws.
    pub seed: u64,
    /// Number of the first chain: chains `5..8` of eight, run elsewhere with 5 here, are bit for bit those of
    /// one run of eight.
    pub first_chain: usize,
}

impl Default for RunOptions {
    /// 1000 updates after a warm-up of 100, all recorded, seed 0, chains counted from 0.
    fn default() -> Self {
        RunOptions { updates: 1000, warm_up: 100, thin: 1, seed: 0, first_chain: 0 }
    }
}

impl RunOptions {
    /// The streams that [`RunOptions::run`] draws from: what [`Chains::advance`] needs to make the same
    /// updates.
    pub fn streams(&self) -> Streams {
        Streams::new(self.seed).domain("run").rows_from(self.first_chain)
    }

    /// Checked: updates to make, and records.
    pub(super) fn lengths(&self) -> Result<(usize, usize)> {
        let RunOptions { updates, warm_up, thin, .. } = *self;
        if thin == 0 {
            return Err(Error::parameter("thin", thin, "at least one"));
        }
        if updates < thin {
            return Err(Error::parameter("updates", updates, "at least `thin`, to record something"));
        }
        match warm_up.checked_add(updates) {
            Some(total) => Ok((total, updates / thin)),
            None => Err(Error::parameter("warm_up", warm_up, "an addressable number of updates")),
        }
    }
}

impl RunOptions {
    /// Records after `done` updates, warm-up included.
    pub(super) fn records(&self, done: usize) -> usize {
        done.saturating_sub(self.warm_up) / self.thin
    }

    /// What must be the same for a run to continue, but for the seed of its draws and its target: all options
    /// but `updates`, and where it began.
    pub(super) fn save(&self, store: &mut Store, origin: &Origin) {
        store.note("warm-up", self.warm_up);
        store.note("thin", self.thin);
        store.note("begun", origin.updates);
        store.note("origin", origin.fingerprint);
    }

    /// The origin of the run in a file, and updates that were made since, of these options and of `total`
    /// updates at most. `at` is where the run is to begin, or where the file stands.
    pub(super) fn load(&self, store: &Store, at: &Origin, stands: &Origin) -> Result<(Origin, usize)> {
        for (name, own) in [("warm-up", self.warm_up), ("thin", self.thin)] {
            same(store, name, own)?;
        }
        let origin = Origin { updates: store.noted("begun")?, fingerprint: store.noted("origin")? };
        if *at != origin && at != stands {
            return Err(store.wrong("a run that began at other configurations"));
        }
        let done = stands.updates.checked_sub(origin.updates).and_then(|done| usize::try_from(done).ok());
        let Some(done) = done else { return Err(store.wrong("a run that ends before its beginning")) };
        let (total, _) = self.lengths()?;
        if done > total {
            return Err(store.wrong(&format!("a run of {done} updates, more than the {total} asked for")));
        }
        Ok((origin, done))
    }
}

/// Refuses states that were written by themselves.
pub(super) fn of_run(store: &Store) -> Result<()> {
    if store.has_note("begun") { Ok(()) } else { Err(store.wrong("not written by a run")) }
}

/// Refuses a file that notes another value.
pub(super) fn same<T: std::str::FromStr + PartialEq + std::fmt::Display>(
    store: &Store,
    name: &str,
    own: T,
) -> Result<()> {
    let noted: T = store.noted(name)?;
    if noted == own { Ok(()) } else { Err(store.wrong(&format!("a run with {name} {noted}, not {own}"))) }
}

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Origin {
    pub(super) updates: u64,
    /// Of the configurations.
    fingerprint: u64,
}

impl Origin {
    pub(super) fn of<'a>(updates: u64, chains: impl IntoIterator<Item = &'a Chains>) -> Self {
        Origin { updates, fingerprint: chains.into_iter().fold(0xcbf2_9ce4_8422_2325, |h, c| hash(h, c.states())) }
    }
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Progress<'a> {
    /// Updates made, warm-up included.
    pub done: usize,
    /// Updates to make, warm-up included.
    pub total: usize,
    /// What happened since the warm-up.
    pub report: &'a MoveReport,
}

impl RunOptions {
    /// Runs the chains on by `warm_up + updates` updates and records the observables.
    ///
    /// `observe` maps configurations `(chains, sites)` to [`Observables`]: `|x| ising.energy(x)`, or
    /// `|_| Ok(())` for the log-weights alone. It is asked once before the first update, so that a wrong one
    /// fails at once, and then for each record. Two runs of the same `chains` continue each other: 500 and
    /// then 500 updates are the 1000 of one run with the same seed. The target may be another one than before
    /// (annealing): the chains are weighed anew first.
    ///
    /// # Errors
    /// `updates < thin` or `thin` zero; more than 2³⁰ numbers to record; chains at weight zero; those of
    /// [`Recorder::record`]; errors of move and target. After an error the chains stand at the last complete
    /// move.
    pub fn run<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
    ) -> Result<Run> {
        self.run_with_progress(target, dynamics, chains, observe, |_| ControlFlow::Continue(()))
    }

    /// As [`RunOptions::run`], telling `progress` after each update, which may stop the run: what was
    /// recorded so far is returned, marked as [`Run::stopped`], and the chains stand at that update.
    ///
    /// # Errors
    /// As [`RunOptions::run`].
    pub fn run_with_progress<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Run> {
        self.run_with_checkpoint(target, dynamics, chains, observe, None, progress)
    }

    /// As [`RunOptions::run_with_progress`], with a checkpoint that makes the run outlive its process.
    ///
    /// State and reports are kept in the file of the checkpoint, the series beside it, as
    /// [`Recorder::stream`] writes them. If the file exists the run goes on where it stands and returns the
    /// same [`Run`] as one that was never interrupted, bit for bit; the chains come from the file. They must
    /// be given as the run began, or as the file has them. A file of other options, chains, observables or
    /// another target is refused with what differs; moves are not compared. More `updates` than those of the
    /// file's run prolong it. An observer must not remember what it was asked before. Without the file the
    /// run begins anew, in place of series that are there.
    ///
    /// The series are in memory too: a run holds at most 2³⁰ numbers. Longer ones are several runs of the
    /// same chains, each with a checkpoint of its own.
    ///
    /// # Errors
    /// As [`RunOptions::run`]; [`Error::File`]; [`Error::Format`] for a file that is damaged, of another run
    /// or in the hands of another process; [`Error::Parameter`] for an interval that is none.
    pub fn run_with_checkpoint<O: Observables>(
        &self,
        target: &dyn Target,
        dynamics: &dyn Move,
        chains: &mut Chains,
        observe: impl FnMut(Configs<'_>) -> Result<O>,
        checkpoint: Option<&Checkpoint>,
        mut progress: impl FnMut(&Progress<'_>) -> ControlFlow<()>,
    ) -> Result<Run> {
        let (total, records) = self.lengths()?;
        let mut due = checkpoint.map(|c| Due::new(c.every)).transpose()?;
        let mut recorder = Recorder::new(observe);
        let start = start_weights(target, chains.x())?;
        let observables = recorder.look(chains)?.ncols();
        check_size(records.saturating_mul(chains.len()).saturating_mul(observables.max(1)))?;
        chains.log_weight = start;
        let (mut origin, mut done, mut report) = (Origin::of(chains.updates, [&*chains]), 0, MoveReport::default());
        if let Some((Checkpoint { path, .. }, records)) = checkpoint.zip(recorder.recorded()) {
            if path.exists() {
                let kept;
                (kept, origin, done, report) = self.kept(target, &Store::read(path, KIND)?, chains)?;
                records.resume(path, self.records(done))?;
                *chains = kept;
            } else {
                records.create(path)?;
            }
        }
        let streams = self.streams();
        let mut stopped = false;
        while done < total && !stopped {
            let step = chains.step(target, dynamics, &streams)?;
            done += 1;
            if done > self.warm_up {
                report += &step;
                if (done - self.warm_up).is_multiple_of(self.thin) {
                    recorder.record(chains, &MoveReport::default())?;
                }
            }
            stopped = progress(&Progress { done, total, report: &report }).is_break();
            if let Some((Checkpoint { path, .. }, due)) = checkpoint.zip(due.as_mut())
                && (due.after(done) || done == total || stopped)
            {
                // The state last: what it tells of is on disk.
                recorder.recorded().map_or(Ok(()), |records| records.sync())?;
                self.state(chains, &origin, &report).write(path)?;
            }
        }
        Ok(Run { report, stopped, ..recorder.finish() })
    }

    /// What the file of a run holds.
    pub(super) fn state(&self, chains: &Chains, origin: &Origin, report: &MoveReport) -> Store {
        let mut store = Store::new(KIND);
        chains.save(&mut store);
        self.save(&mut store, origin);
        store.note("seed", self.seed);
        store.note("first chain", self.first_chain);
        put_reports(&mut store, std::slice::from_ref(report));
        store
    }

    /// Chains, origin, updates made and report of the file of a run that is this one.
    pub(super) fn kept(
        &self,
        target: &dyn Target,
        store: &Store,
        at: &Chains,
    ) -> Result<(Chains, Origin, usize, MoveReport)> {
        // The seed first: chains of another one begin elsewhere, too.
        of_run(store)?;
        same(store, "seed", self.seed)?;
        same(store, "first chain", self.first_chain)?;
        let chains = Chains::load(target, store)?;
        if chains.len() != at.len() {
            return Err(store.wrong(&format!("a run of {} chains, not {}", chains.len(), at.len())));
        }
        let [at, stands] = [at, &chains].map(|chains| Origin::of(chains.updates, [chains]));
        let (origin, done) = self.load(store, &at, &stands)?;
        match <[MoveReport; 1]>::try_from(reports(store)?) {
            Ok([report]) => Ok((chains, origin, done, report)),
            Err(_) => Err(store.wrong("not one report")),
        }
    }
}

impl Chains {
    /// Makes `updates` updates, update `k` since the start with draws from `streams.step(k)`; returns what
    /// happened.
    ///
    /// The target may be another one than before (annealing): the chains are weighed anew first. Cost: the
    /// updates, and a log-weight of each chain.
    ///
    /// # Errors
    /// Chains at weight zero; errors of move and target. The chains then stand at the last complete move.
    pub fn advance(
        &mut self,
        target: &dyn Target,
        dynamics: &dyn Move,
        updates: usize,
        streams: &Streams,
    ) -> Result<MoveReport> {
        self.weigh(target)?;
        let mut report = MoveReport::default();
        for _ in 0..updates {
            report += &self.step(target, dynamics, streams)?;
        }
        Ok(report)
    }

    /// Takes the log-weights of this target.
    fn weigh(&mut self, target: &dyn Target) -> Result<()> {
        self.log_weight = start_weights(target, self.x())?;
        Ok(())
    }

    /// One update of chains that have been weighed.
    pub(crate) fn step(&mut self, target: &dyn Target, dynamics: &dyn Move, streams: &Streams) -> Result<MoveReport> {
        let report = dynamics.update(self, target, &streams.step(self.updates))?;
        self.updates += 1;
        Ok(report)
    }
}
