//! Chains, runs, tempering.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray2, PyArray3, ToPyArray};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tensorjump::io::{Checkpoint, Interval};
use tensorjump::mcmc::{
    Chains, ChainsSnapshot, Level, Move, MoveReport, Progress, Replicas, ReplicasSnapshot, RunOptions, Tempering,
};
use tensorjump::{Configs, Target};

use crate::arrays::{Batch, Rng, check_memory, free, short, updates_in_parts};
use crate::callables::columns;
use crate::errors::{raise, refuse};
use crate::mcmc::AnyMove;
use crate::progress::Watch;
use crate::ranks::PyRanks;
use crate::target::PyTarget;

/// Counts of what moves did, as a dict.
pub fn counts<'py>(py: Python<'py>, report: &MoveReport) -> PyResult<Bound<'py, PyDict>> {
    let out = PyDict::new(py);
    out.set_item("acceptance", report.acceptance())?;
    out.set_item("proposed", report.proposed)?;
    out.set_item("accepted", report.accepted)?;
    out.set_item("moved", report.moved)?;
    out.set_item("unsupported", report.unsupported)?;
    out.set_item("impossible", report.impossible)?;
    let parts = report.parts.iter().map(|part| counts(py, part)).collect::<PyResult<Vec<_>>>()?;
    out.set_item("parts", parts)?;
    Ok(out)
}

/// Present configurations of a batch of chains.
///
/// `Chains(target, x)` starts at the rows of `x`; `Chains.initial(target, chains, seed=...)` where the target
/// says.
#[pyclass(name = "Chains", module = "tensorjump")]
pub struct PyChains {
    pub chains: Chains,
    pub target: Arc<dyn Target>,
}

#[pymethods]
impl PyChains {
    #[new]
    fn new(py: Python<'_>, target: PyRef<'_, PyTarget>, x: Batch<'_>) -> PyResult<Self> {
        let (target, x) = (target.law.clone(), x.view().to_owned());
        let chains = free(py, || Chains::new(&target, x))?;
        Ok(PyChains { chains, target })
    }

    /// Starts `chains` chains where the target says that it is allowed.
    #[staticmethod]
    #[pyo3(signature = (target, chains, *, seed = 0))]
    fn initial(py: Python<'_>, target: PyRef<'_, PyTarget>, chains: usize, seed: u64) -> PyResult<Self> {
        let target = target.law.clone();
        check_memory("chains", chains, target.dims().len() + 8)?;
        let chains = free(py, || Chains::initial(&target, chains, seed))?;
        Ok(PyChains { chains, target })
    }

    /// Goes on from a snapshot: the next updates are those that would have followed, bit for bit.
    #[staticmethod]
    fn resume(py: Python<'_>, target: PyRef<'_, PyTarget>, snapshot: &Bound<'_, PyDict>) -> PyResult<Self> {
        let missing = || refuse("snapshot", "without x or updates", "what `snapshot()` returned");
        let x: Batch<'_> = snapshot.get_item("x")?.ok_or_else(missing)?.extract()?;
        let updates = snapshot.get_item("updates")?.ok_or_else(missing)?.extract()?;
        let (target, snapshot) = (target.law.clone(), ChainsSnapshot { updates, x: x.view().to_owned() });
        let chains = free(py, || Chains::resume(&target, snapshot))?;
        Ok(PyChains { chains, target })
    }

    /// What a restart needs: a dict of `x` and `updates`.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let out = PyDict::new(py);
        out.set_item("x", self.chains.x().to_pyarray(py))?;
        out.set_item("updates", self.chains.updates())?;
        Ok(out)
    }

    /// Writes configurations, log-weights and updates made to a `.safetensors` file, for `Chains.read`.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let chains = &self.chains;
        free(py, || chains.write(path))
    }

    /// Reads chains of this target, bit for bit; also those of the checkpoint of a run.
    #[staticmethod]
    fn read(py: Python<'_>, target: PyRef<'_, PyTarget>, path: PathBuf) -> PyResult<Self> {
        let target = target.law.clone();
        let chains = free(py, || Chains::read(&target, path))?;
        Ok(PyChains { chains, target })
    }

    /// Makes `updates` updates with draws from steps of `rng`; returns counts as a dict. With another
    /// `target` the chains are weighed anew first (annealing). Ctrl-C ends between two updates.
    #[pyo3(signature = (dynamics, updates, *, rng, target = None))]
    fn advance<'py>(
        &mut self,
        py: Python<'py>,
        dynamics: AnyMove,
        updates: usize,
        rng: Rng,
        target: Option<PyRef<'py, PyTarget>>,
    ) -> PyResult<Bound<'py, PyDict>> {
        if let Some(target) = target {
            self.target = target.law.clone();
        }
        let (chains, target) = (&mut self.chains, &self.target);
        dynamics.check(py, target, Some(chains.x()))?;
        let mut report = MoveReport::default();
        updates_in_parts(py, updates, |part| {
            report += &chains.advance(target, &dynamics.dynamics, part, &rng.0)?;
            Ok(())
        })?;
        counts(py, &report)
    }

    /// Configurations, shape (chains, sites).
    #[getter]
    fn x<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray2<u8>> {
        self.chains.x().to_pyarray(py)
    }

    /// Log-weights in nats, shape (chains,).
    #[getter]
    fn log_weight<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.chains.log_weight().to_pyarray(py)
    }

    /// Updates made since the start.
    #[getter]
    fn updates(&self) -> u64 {
        self.chains.updates()
    }

    fn __len__(&self) -> usize {
        self.chains.len()
    }

    fn __repr__(&self) -> String {
        let sites = short(self.target.dims());
        format!("Chains({} chains, {sites}, {} updates)", self.chains.len(), self.chains.updates())
    }
}

/// What `tensorjump.run_chains` calls: series, log-weights, counts, and whether the run was stopped.
#[pyfunction]
#[pyo3(signature = (
    target, dynamics, chains, observe, updates, warm_up, thin, seed, first_chain, progress, ranks, checkpoint,
))]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
pub fn _run<'py>(
    py: Python<'py>,
    target: PyRef<'py, PyTarget>,
    dynamics: AnyMove,
    mut chains: PyRefMut<'py, PyChains>,
    observe: Option<Py<PyAny>>,
    updates: usize,
    warm_up: usize,
    thin: usize,
    seed: u64,
    first_chain: usize,
    progress: Option<Py<PyAny>>,
    ranks: Option<Bound<'py, PyAny>>,
    checkpoint: Option<(PathBuf, f64)>,
) -> PyResult<(Bound<'py, PyArray3<f64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyDict>, bool, bool)> {
    let options = RunOptions { updates, warm_up, thin, seed, first_chain };
    let checkpoint = checkpoint.map(|(path, s)| Checkpoint { path, every: Interval::Seconds(s) });
    let target = target.law.clone();
    dynamics.check(py, &target, Some(chains.chains.x()))?;
    let observed = |x: Configs<'_>| match &observe {
        Some(f) => columns("observables", f, x),
        None => Ok(Array2::zeros((x.nrows(), 0))),
    };
    let mut teller = Watch::new(progress);
    let ranks = PyRanks::of(ranks)?;
    let (all, tell) = (&mut chains.chains, &mut teller);
    let done = free(py, move || {
        let told = |p: &Progress<'_>| {
            if p.done < p.total && !tell.is_due() {
                return ControlFlow::Continue(());
            }
            tell.tell(|py| Ok((p.done, p.total, p.report.acceptance()).into_pyobject(py)?.into_any()))
        };
        if ranks.alone() {
            return options.run_with_checkpoint(&target, &dynamics.dynamics, all, observed, checkpoint.as_ref(), told);
        }
        options.run_over(&ranks, &target, &dynamics.dynamics, all, observed, checkpoint.as_ref(), told)
    })?;
    let interrupted = match teller.raised() {
        Some(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => true,
        Some(error) => return Err(error),
        None => false,
    };
    let report = counts(py, &done.report)?;
    Ok((done.series.into_pyarray(py), done.log_weight.into_pyarray(py), report, done.stopped, interrupted))
}

/// What `tensorjump.run_tempering` calls: series and log-weights of each level, counts, and how it ended.
#[pyfunction]
#[pyo3(signature = (replicas, observe, updates, warm_up, thin, progress, ranks, checkpoint))]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
pub fn _temper<'py>(
    py: Python<'py>,
    mut replicas: PyRefMut<'py, PyReplicas>,
    observe: Option<Py<PyAny>>,
    updates: usize,
    warm_up: usize,
    thin: usize,
    progress: Option<Py<PyAny>>,
    ranks: Option<Bound<'py, PyAny>>,
    checkpoint: Option<(PathBuf, f64)>,
) -> PyResult<(Vec<(Bound<'py, PyArray3<f64>>, Bound<'py, PyArray2<f64>>, Bound<'py, PyDict>)>, bool, bool)> {
    let options = RunOptions { updates, warm_up, thin, ..RunOptions::default() };
    let checkpoint = checkpoint.map(|(path, s)| Checkpoint { path, every: Interval::Seconds(s) });
    let observed = |_: usize, x: Configs<'_>| match &observe {
        Some(f) => columns("observables", f, x),
        None => Ok(Array2::zeros((x.nrows(), 0))),
    };
    let mut teller = Watch::new(progress);
    let (PyReplicas { replicas, ladder }, tell) = (&mut *replicas, &mut teller);
    let (begun, total) = (replicas.updates(), warm_up.saturating_add(updates));
    let ranks = PyRanks::of(ranks)?;
    let runs = free(py, move || {
        ladder.run_over(&ranks, &options, replicas, observed, checkpoint.as_ref(), |replicas| {
            let done = replicas.updates().saturating_sub(begun);
            if !tell.is_due() {
                return ControlFlow::Continue(());
            }
            let worst = replicas.swap_rates().into_iter().fold(f64::NAN, f64::min);
            tell.tell(|py| Ok((done, total, worst).into_pyobject(py)?.into_any()))
        })
    })?;
    let interrupted = match teller.raised() {
        Some(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => true,
        Some(error) => return Err(error),
        None => false,
    };
    let stopped = runs.iter().any(|run| run.stopped);
    let level = |run: tensorjump::mcmc::Run| {
        Ok((run.series.into_pyarray(py), run.log_weight.into_pyarray(py), counts(py, &run.report)?))
    };
    Ok((runs.into_iter().map(level).collect::<PyResult<_>>()?, stopped, interrupted))
}

type Ladder = Tempering<Arc<dyn Target>, Arc<dyn Move>>;

/// Parallel tempering over a ladder of laws.
///
/// Parameters
/// ----------
/// levels : list of (parameter, target, move)
///     In the order of the parameter, rising or falling; a move is a `Move` or a `Proposal`.
/// proportional : bool
///     Whether log-weights are proportional to the parameters (as with beta and no constraints): exchanges
///     are then cheaper. Checked at the start.
#[pyclass(name = "Tempering", frozen, module = "tensorjump")]
pub struct PyTempering(Arc<Ladder>);

#[pymethods]
impl PyTempering {
    #[new]
    #[pyo3(signature = (levels, *, proportional = false))]
    fn new(py: Python<'_>, levels: Vec<(f64, PyRef<'_, PyTarget>, AnyMove)>, proportional: bool) -> PyResult<Self> {
        for (_, target, dynamics) in &levels {
            dynamics.check(py, &target.law, None)?;
        }
        let level = |(parameter, target, dynamics): (f64, PyRef<'_, PyTarget>, AnyMove)| Level {
            parameter,
            target: target.law.clone(),
            dynamics: dynamics.dynamics,
        };
        let ladder = Tempering::new(levels.into_iter().map(level).collect()).map_err(raise)?;
        let ladder = if proportional { ladder.proportional().map_err(raise)? } else { ladder };
        Ok(PyTempering(Arc::new(ladder)))
    }

    /// Starts `copies` independent copies of the ladder.
    #[pyo3(signature = (copies, *, seed = 0))]
    fn start(&self, py: Python<'_>, copies: usize, seed: u64) -> PyResult<PyReplicas> {
        let ladder = self.0.clone();
        let sites = ladder.levels().first().map_or(0, |level| level.target.dims().len());
        check_memory(
            "copies of the ladder",
            copies,
            ladder.levels().len().saturating_mul(sites + 8).saturating_add(64),
        )?;
        let replicas = free(py, || ladder.start(copies, seed))?;
        Ok(PyReplicas { replicas, ladder })
    }

    /// Goes on from what `Replicas.snapshot()` returned, bit for bit.
    fn resume(&self, py: Python<'_>, snapshot: &str) -> PyResult<PyReplicas> {
        let snapshot: ReplicasSnapshot =
            serde_json::from_str(snapshot).map_err(|e| refuse("snapshot", e, "what `Replicas.snapshot()` returned"))?;
        let ladder = self.0.clone();
        let replicas = free(py, || ladder.resume(snapshot))?;
        Ok(PyReplicas { replicas, ladder })
    }

    /// Reads what `Replicas.write` wrote of this ladder, bit for bit, counts included.
    fn read(&self, py: Python<'_>, path: PathBuf) -> PyResult<PyReplicas> {
        let ladder = self.0.clone();
        let replicas = free(py, || ladder.read(path))?;
        Ok(PyReplicas { replicas, ladder })
    }

    fn __repr__(&self) -> String {
        let parameters: Vec<_> = self.0.levels().iter().map(|l| l.parameter).collect();
        let (first, last) = (parameters.first().unwrap_or(&f64::NAN), parameters.last().unwrap_or(&f64::NAN));
        format!("Tempering({} levels, {first} to {last})", parameters.len())
    }
}

/// Configurations of all levels of a ladder.
#[pyclass(name = "Replicas", module = "tensorjump")]
pub struct PyReplicas {
    replicas: Replicas,
    ladder: Arc<Ladder>,
}

#[pymethods]
impl PyReplicas {
    /// Makes `updates` updates: each level's move, then exchanges. Ctrl-C ends between two updates.
    ///
    /// With `ranks`, an mpi4py communicator, the walkers are shared out over its processes, which must all
    /// make this call: the replicas are then the same on all of them, those of one process bit for bit.
    #[pyo3(signature = (updates, *, ranks = None))]
    fn advance(&mut self, py: Python<'_>, updates: usize, ranks: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let (replicas, ladder) = (&mut self.replicas, &self.ladder);
        let ranks = PyRanks::of(ranks)?;
        if !ranks.alone() {
            return free(py, || ladder.advance_over(&ranks, replicas, updates));
        }
        for _ in 0..updates {
            free(py, || ladder.update(replicas))?;
            py.check_signals()?;
        }
        Ok(())
    }

    /// Configurations of level k, shape (copies, sites).
    fn level<'py>(&self, py: Python<'py>, k: usize) -> PyResult<Bound<'py, PyArray2<u8>>> {
        Ok(self.replicas.level(k).map_err(raise)?.to_pyarray(py))
    }

    /// Their log-weights at that level in nats, shape (copies,).
    fn log_weight<'py>(&self, py: Python<'py>, k: usize) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(self.replicas.log_weight(k).map_err(raise)?.to_pyarray(py))
    }

    /// Updates made.
    #[getter]
    fn updates(&self) -> u64 {
        self.replicas.updates()
    }

    /// Accepted over tried exchanges of neighbouring levels, all copies together.
    #[getter]
    fn swap_rates(&self) -> Vec<f64> {
        self.replicas.swap_rates()
    }

    /// Trips of configurations from the first level to the last and back.
    #[getter]
    fn round_trips(&self) -> u64 {
        self.replicas.round_trips()
    }

    /// Counts of each level's move, as dicts.
    #[getter]
    fn reports<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.replicas.reports().iter().map(|r| counts(py, r)).collect()
    }

    /// What a restart needs, as a JSON text for `Tempering.resume`.
    fn snapshot(&self) -> PyResult<String> {
        serde_json::to_string(&self.replicas.snapshot()).map_err(|e| refuse("snapshot", e, "numbers that JSON holds"))
    }

    /// Writes everything to a `.safetensors` file, for `Tempering.read`.
    fn write(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let replicas = &self.replicas;
        free(py, || replicas.write(path))
    }

    /// Forgets all counts, not the configurations.
    fn reset_counts(&mut self) {
        self.replicas.reset_counts();
    }

    fn __repr__(&self) -> String {
        format!("Replicas({} levels, {} updates)", self.ladder.levels().len(), self.replicas.updates())
    }
}
