//! Runs of tempering that record each level and outlive their process.

use std::ops::ControlFlow;

use ndarray::{Array2, Array3, Array4, ArrayView2, ArrayView3, Axis};

use super::levels::Tempering;
use super::replicas::Replicas;
use super::stored::KIND;
use crate::error::Result;
use crate::io::safetensors::Store;
use crate::io::{Checkpoint, Due};
use crate::mcmc::moves::{Move, MoveReport};
use crate::mcmc::recorder::{Observables, Run, check_observables};
use crate::mcmc::records::{Records, check_size};
use crate::mcmc::run::{Origin, RunOptions, of_run, same};
use crate::model::{Configs, Target};
use crate::ranks::agreement::{agreed, same as same_on, stop_or_write};
use crate::ranks::{Alone, Ranks, first_file};

impl<T: Target, M: Move> Tempering<T, M> {
    /// Makes `warm_up + updates` updates and records each level: one [`Run`] a level, whose chains are the
    /// copies. Swap rates, round trips and reports of the replicas count from the end of the warm-up.
    ///
    /// `observe(k, x)` maps the configurations of level `k`, shape `(copies, sites)`, to [`Observables`], as
    /// many for each level; their rows need not be the copies (the overlap of two copies is one row). It is
    /// asked before the first update and then for each record. The draws are named by the seed of the
    /// replicas: `seed` and `first_chain` of the options are not looked at.
    ///
    /// # Errors
    /// As [`RunOptions::run`] and [`Tempering::update`].
    pub fn run<O: Observables>(
        &self,
        options: &RunOptions,
        replicas: &mut Replicas,
        observe: impl FnMut(usize, Configs<'_>) -> Result<O>,
    ) -> Result<Vec<Run>> {
        self.run_with_checkpoint(options, replicas, observe, None, |_| ControlFlow::Continue(()))
    }

    /// As [`Tempering::run`], with a checkpoint that makes the run outlive its process, telling `progress`
    /// after each update, which may stop the run.
    ///
    /// State and counts are kept in the file of the checkpoint, the series beside it in `{path}.series.npy`,
    /// shape `(records, levels, rows, observables)`, and `{path}.log_weight.npy`, shape
    /// `(records, levels, copies)`, which NumPy reads while they grow. If the file exists the run goes on
    /// where it stands, as [`RunOptions::run_with_checkpoint`] does.
    ///
    /// # Errors
    /// As [`Tempering::run`] and [`RunOptions::run_with_checkpoint`].
    pub fn run_with_checkpoint<O: Observables>(
        &self,
        options: &RunOptions,
        replicas: &mut Replicas,
        observe: impl FnMut(usize, Configs<'_>) -> Result<O>,
        checkpoint: Option<&Checkpoint>,
        progress: impl FnMut(&Replicas) -> ControlFlow<()>,
    ) -> Result<Vec<Run>> {
        self.run_over(&Alone, options, replicas, observe, checkpoint, progress)
    }

    /// As [`Tempering::run_with_checkpoint`], the walkers shared out over `ranks`: `replicas` are the same on
    /// all ranks before and after, and so is what is returned, that of one process bit for bit.
    ///
    /// Each rank observes the configurations of all copies, which each record gathers: 8 bytes for 52 spins.
    /// Between records an update gathers 16 bytes a walker. `progress` is told where records and checkpoints
    /// are made (in one process after each update); a stop that one rank asks for stops all. The first rank
    /// writes and reads the checkpoint, whose file is that of one process: the run may go on with another
    /// number of ranks.
    ///
    /// # Errors
    /// As [`Tempering::run_with_checkpoint`] and [`Tempering::advance_over`].
    pub fn run_over<O: Observables>(
        &self,
        ranks: &dyn Ranks,
        options: &RunOptions,
        replicas: &mut Replicas,
        mut observe: impl FnMut(usize, Configs<'_>) -> Result<O>,
        checkpoint: Option<&Checkpoint>,
        mut progress: impl FnMut(&Replicas) -> ControlFlow<()>,
    ) -> Result<Vec<Run>> {
        let RunOptions { updates, warm_up, thin, .. } = *options;
        same_on(ranks, "run", (updates, warm_up, thin, checkpoint.map(|c| &c.path)))?;
        let (total, count) = options.lengths()?;
        let mut due = checkpoint.map(|c| Due::new(c.every)).transpose()?;
        let copies = replicas.walkers.len();
        let mut look = |k: usize, replicas: &Replicas| Ok(observe(k, replicas.level(k)?)?.table(copies));
        let mut first = || {
            let first: Array2<f64> = look(0, replicas)?;
            check_observables(&first, first.shape())?;
            let size = count.saturating_mul(self.levels().len());
            check_size(size.saturating_mul(first.len().max(copies))).map(|()| first)
        };
        let first = agreed(ranks, first())?;
        let row = [self.levels().len(), first.nrows(), first.ncols()];
        same_on(ranks, "observables", row)?;
        let mut records = Records::new(&row, &[row[0], copies]);
        let (mut origin, mut done) = (Origin::of(replicas.updates, &replicas.chains), 0);
        if let Some(Checkpoint { path, .. }) = checkpoint {
            let store = first_file(ranks, path, KIND)?;
            let kept = store.map(|store| self.resume_run(options, &store, replicas)).transpose();
            let kept = agreed(ranks, kept)?;
            records.open_over(ranks, path, kept.as_ref().map(|kept| options.records(kept.2)))?;
            if let Some(kept) = kept {
                (*replicas, origin, done) = kept;
            }
        }
        let mut stopped = false;
        while done < total && !stopped {
            if done == warm_up {
                replicas.reset_counts();
            }
            if ranks.size() == 1 {
                self.update(replicas)?;
                done += 1;
            } else {
                // As far as nobody has to look.
                let record = if done < warm_up { warm_up } else { done + thin - (done - warm_up) % thin };
                let written = due.as_ref().map_or(total, |due| due.possible(done));
                let updates = record.min(written).min(total) - done;
                self.advance_over(ranks, replicas, updates)?;
                done += updates;
            }
            let mut look = || {
                if done > warm_up && (done - warm_up).is_multiple_of(thin) {
                    let (mut series, mut log_weight) = (vec![], vec![]);
                    for k in 0..row[0] {
                        let values = look(k, replicas)?;
                        check_observables(&values, &row[1..])?;
                        series.extend(values);
                        log_weight.extend(replicas.log_weight(k)?);
                    }
                    records.push(series, log_weight)?;
                }
                Ok(progress(replicas).is_break())
            };
            let stop = look();
            let due = due.as_mut().is_some_and(|due| due.after(done));
            let write;
            (stopped, write) = stop_or_write(ranks, stop.map(|stop| (stop, due)))?;
            if let Some(Checkpoint { path, .. }) = checkpoint
                && (write || done == total || stopped)
            {
                let written = || {
                    if ranks.rank() > 0 {
                        return Ok(());
                    }
                    // The state last: what it tells of is on disk.
                    records.sync()?;
                    let mut store = Store::new(KIND);
                    replicas.save(&mut store);
                    options.save(&mut store, &origin);
                    store.write(path)
                };
                agreed(ranks, written())?;
            }
        }
        let (series, log_weight): (Array4<f64>, Array3<f64>) = records.into_arrays();
        let levels = series.axis_iter(Axis(1)).zip(log_weight.axis_iter(Axis(1))).zip(&replicas.reports);
        let run = |((series, log_weight), report): ((ArrayView3<'_, f64>, ArrayView2<'_, f64>), &MoveReport)| Run {
            series: series.to_owned(),
            log_weight: log_weight.to_owned(),
            report: report.clone(),
            stopped,
        };
        Ok(levels.map(run).collect())
    }

    /// Replicas, origin and updates made of the file of a run that is this one.
    fn resume_run(&self, options: &RunOptions, store: &Store, at: &Replicas) -> Result<(Replicas, Origin, usize)> {
        // The seed first: replicas of another one begin elsewhere, too.
        of_run(store)?;
        same(store, "seed", at.seed)?;
        let replicas = self.load(store)?;
        if replicas.walkers.len() != at.walkers.len() {
            let (found, copies) = (replicas.walkers.len(), at.walkers.len());
            return Err(store.wrong(&format!("a run of {found} copies, not {copies}")));
        }
        let [at_origin, stands] = [at, &replicas].map(|r| Origin::of(r.updates, &r.chains));
        let (origin, done) = options.load(store, &at_origin, &stands)?;
        Ok((replicas, origin, done))
    }
}
