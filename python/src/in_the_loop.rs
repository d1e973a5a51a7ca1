//! Learning from a log-weight alone, by Monte Carlo in the loop.

use std::sync::Arc;

use numpy::{PyArray2, ToPyArray};
use pyo3::prelude::*;
use tensorjump::lattice::{SiteHeatBath, SpinSweep};
use tensorjump::learn::{LoopOptions, LoopRound, Stage, Stop, Toward};
use tensorjump::mcmc::{Exchange, MetropolisHastings, Move, Repeat, SingleSite};
use tensorjump::{Result, Target};

use crate::arrays::named;
use crate::errors::{raise, refuse};
use crate::fredkin::PyFredkin;
use crate::lattice::PyIsing;
use crate::learned::PySymmetry;
use crate::mps::PyBornMps;
use crate::pair_model::PyPairModel;
use crate::progress::told;
use crate::ranks::PyRanks;
use crate::target::PyTarget;

/// The keywords of a stage.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct StageArgs<'py> {
    target: Bound<'py, PyTarget>,
    local: String,
    max_bond: usize,
    rounds: usize,
    polish: usize,
    rate: f64,
    enough: (f64, f64),
}

/// A local move by name: as many single updates as there are sites, where it is one of single updates.
fn local(target: &Bound<'_, PyTarget>, name: &str) -> PyResult<Box<dyn Move>> {
    let law: &Arc<dyn Target> = &target.get().law;
    let sites = law.dims().len();
    let (ising, pairs) = (target.cast::<PyIsing>().ok(), target.cast::<PyPairModel>().ok());
    let repeated =
        |one: Result<Box<dyn Move>>| -> Result<Box<dyn Move>> { Ok(Box::new(Repeat::new(one?, sites.max(1))?)) };
    let single =
        || repeated(SingleSite::new(law.dims()).map(|m| Box::new(MetropolisHastings::new(m)) as Box<dyn Move>));
    let exchange =
        || repeated(Exchange::chain(law.dims()).map(|m| Box::new(MetropolisHastings::new(m)) as Box<dyn Move>));
    let made = match (name, ising, pairs) {
        ("auto" | "heat-bath", Some(ising), _) if ising.get().0.lattice().diagonals() != (false, false) => {
            SiteHeatBath::new(&*ising.get().0).map(|m| Box::new(m) as Box<dyn Move>)
        }
        ("auto" | "heat-bath", Some(ising), _) => {
            SpinSweep::heat_bath(&ising.get().0).map(|m| Box::new(m) as Box<dyn Move>)
        }
        ("auto" | "heat-bath", _, Some(model)) => {
            SiteHeatBath::new(&*model.get().0).map(|m| Box::new(m) as Box<dyn Move>)
        }
        ("auto", ..) if target.is_instance_of::<PyFredkin>() => exchange(),
        ("auto" | "single-site", ..) => single(),
        ("exchange", ..) => exchange(),
        ("heat-bath", ..) => return Err(refuse("local", name, "of an Ising or PairModel")),
        _ => return Err(refuse("local", name, "auto, single-site, heat-bath or exchange")),
    };
    made.map_err(raise)
}

/// The keywords of the loop.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct LoopArgs {
    order: Option<Vec<usize>>,
    draws: usize,
    chains: usize,
    updates: usize,
    warm_up: usize,
    first: (usize, usize),
    toward: String,
    slowing: f64,
    keep: f64,
    cutoff: f64,
    significance: f64,
    symmetries: Vec<PySymmetry>,
    seed: u64,
}

impl LoopArgs {
    fn options(self) -> PyResult<LoopOptions> {
        let toward = match self.toward.as_str() {
            "overlap" => Toward::Overlap,
            "divergence" => Toward::Divergence,
            other => return Err(refuse("toward", other, "overlap or divergence")),
        };
        Ok(LoopOptions {
            order: self.order,
            draws: self.draws,
            chains: self.chains,
            updates: self.updates,
            warm_up: self.warm_up,
            first: self.first,
            toward,
            slowing: self.slowing,
            keep: self.keep,
            cutoff: self.cutoff,
            significance: self.significance,
            symmetries: self.symmetries.into_iter().map(|s| s.symmetry).collect(),
            seed: self.seed,
            interrupt: None,
        })
    }
}

/// A round as the named tuple `LoopRound`.
fn round<'py>(py: Python<'py>, r: &LoopRound) -> PyResult<Bound<'py, PyAny>> {
    let model = &r.model;
    let head = (r.stage, r.round, model.acceptance.mean, model.acceptance.error, model.ess_fraction, model.kl());
    let middle = (r.kl_chains, r.log_z, r.chains.acceptance(), r.autocorrelation.tau, r.r_hat, r.bonds.clone());
    let tail = (r.truncation_error, r.rate, r.seconds);
    let (head, middle, tail) = (head.into_pyobject(py)?, middle.into_pyobject(py)?, tail.into_pyobject(py)?);
    let all = head.as_sequence().concat(middle.as_sequence())?.concat(tail.as_sequence())?;
    named(py, "LoopRound", all.to_tuple()?)
}

/// The sites of a lattice in the order of a snake; None for other targets.
#[pyfunction]
pub fn snake_order(target: Bound<'_, PyTarget>) -> Option<Vec<usize>> {
    let ising = target.cast::<PyIsing>().ok().map(|ising| ising.get().0.lattice());
    let pairs = target.cast::<PyPairModel>().ok().map(|model| model.get().0.lattice());
    ising.or(pairs).map(|lattice| lattice.snake())
}

/// Learns a Born law from log-weights; see `tensorjump.learn_in_the_loop`.
#[pyfunction]
#[allow(clippy::type_complexity)]
pub fn fit_in_the_loop<'py>(
    py: Python<'py>,
    stages: Vec<StageArgs<'py>>,
    options: LoopArgs,
    progress: Option<Py<PyAny>>,
    ranks: Option<Bound<'py, PyAny>>,
) -> PyResult<(Py<PyBornMps>, Vec<usize>, Bound<'py, PyArray2<u8>>, Vec<Bound<'py, PyAny>>, &'static str, Option<PyErr>)>
{
    let mut options = options.options()?;
    let ranks = PyRanks::of(ranks)?;
    let locals = stages.iter().map(|s| local(&s.target, &s.local)).collect::<PyResult<Vec<_>>>()?;
    let stages: Vec<Stage<'_>> = stages
        .iter()
        .zip(&locals)
        .map(|(s, local)| Stage {
            target: &*s.target.get().law,
            local: &**local,
            max_bond: s.max_bond,
            rounds: s.rounds,
            polish: s.polish,
            rate: s.rate,
            enough: s.enough,
        })
        .collect();
    let (learned, raised) = told(py, progress, |interrupt, mut teller| {
        options.interrupt = Some(interrupt);
        options.learn_over(&ranks, &stages, |r| {
            let done = r.clone();
            teller.tell(move |py| round(py, &done))
        })
    })?;
    let stop = match learned.stopped {
        Stop::Enough => "enough",
        Stop::Rounds => "rounds",
        _ => "asked",
    };
    let model = Py::new(py, PyBornMps::wrap(learned.model.inner().clone()))?;
    let rounds = learned.rounds.iter().map(|r| round(py, r)).collect::<PyResult<Vec<_>>>()?;
    Ok((model, learned.model.order().to_vec(), learned.chains.x().to_pyarray(py), rounds, stop, raised))
}
