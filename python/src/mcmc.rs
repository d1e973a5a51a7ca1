//! Proposals and moves.

use std::sync::Arc;

use ndarray::{Array1, s};
use numpy::{IntoPyArray, ToPyArray};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use tensorjump::lattice::{SiteHeatBath, SpinSweep, SwendsenWang, Windows, Wolff};
use tensorjump::mcmc::{
    Chains, Connected, Cycle, Disconnected, Exchange, InnerDraws, Local, MetropolisHastings, Mixture, Move, Proposal,
    Proposed, Repeat, SingleSite,
};
use tensorjump::{Configs, Model, Result, Streams, Target};

use crate::arrays::{Batch, Reals, Rng, free, short, vector};
use crate::errors::{misshapen, raise, refuse, through};
use crate::fredkin::PyFredkin;
use crate::lattice::with_pair;
use crate::lattice::{Pair, PyIsing};
use crate::noise::PyKernel;
use crate::target::PyModel;

/// A proposal `x -> x'` with the log of its reverse over its forward density: accept with probability
/// `min(1, pi(x') / pi(x) * exp(log_ratio))`.
///
/// `Proposal(model)` draws the model anew; `Proposal(model, kernel)` adds the noise of `kernel` and undoes it
/// with the model. Others: `Proposal.single_site`, `.exchange`, `.mixture`, `.custom`.
#[pyclass(name = "Proposal", frozen, module = "tensorjump")]
pub struct PyProposal {
    pub proposal: Arc<dyn Proposal>,
    text: String,
}

impl PyProposal {
    fn wrap(proposal: impl Proposal + 'static, text: String) -> Self {
        PyProposal { proposal: Arc::new(proposal), text }
    }
}

/// A proposal of a Python callable.
struct CallableProposal {
    dims: Vec<usize>,
    propose: Py<PyAny>,
}

impl Proposal for CallableProposal {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let seed = streams.seed();
        let (x, log_ratio) = Python::attach(|py| {
            let (new, log_ratio) =
                self.propose.bind(py).call1((x.to_pyarray(py), seed))?.extract::<(Batch<'_>, Reals)>()?;
            let log_ratio = log_ratio.spread("log_ratio", x.nrows())?;
            PyResult::Ok((new.view().to_owned(), Array1::from(log_ratio)))
        })
        .map_err(|e| through("proposal", e))?;
        tensorjump::model::check_configs(x.view(), &self.dims)?;
        Ok(Proposed { log_ratio, ..Proposed::symmetric(x) })
    }
}

#[pymethods]
impl PyProposal {
    #[new]
    #[pyo3(signature = (model, kernel = None))]
    fn new(model: PyRef<'_, PyModel>, kernel: Option<&PyKernel>) -> PyResult<Self> {
        let (law, sites) = (model.law.model(), short(model.law.model().dims()));
        Ok(match kernel {
            None => Self::wrap(Disconnected::new(law), format!("Proposal(independent draws, {sites})")),
            Some(kernel) => {
                let connected = Connected::new(law, kernel.0.clone()).map_err(raise)?;
                Self::wrap(connected, format!("Proposal(noise and denoise, {sites})"))
            }
        })
    }

    /// A new state at one site, symmetric.
    #[staticmethod]
    fn single_site(dims: Vec<usize>) -> PyResult<Self> {
        let text = format!("Proposal(single site, {})", short(&dims));
        Ok(Self::wrap(SingleSite::new(&dims).map_err(raise)?, text))
    }

    /// Exchange of the states of two sites: of one of `pairs`, or of neighbours along the chain.
    #[staticmethod]
    #[pyo3(signature = (dims, pairs = None))]
    fn exchange(dims: Vec<usize>, pairs: Option<Vec<(usize, usize)>>) -> PyResult<Self> {
        let text = format!("Proposal(exchange, {})", short(&dims));
        let exchange = match pairs {
            Some(pairs) => Exchange::new(&dims, &pairs),
            None => Exchange::chain(&dims),
        };
        Ok(Self::wrap(exchange.map_err(raise)?, text))
    }

    /// One of several proposals, drawn for each update with the given probabilities (sum one).
    #[staticmethod]
    fn mixture(parts: Vec<(f64, PyRef<'_, PyProposal>)>) -> PyResult<Self> {
        let text = format!("Proposal(mixture of {})", parts.len());
        let boxed = |(w, p): &(f64, PyRef<'_, PyProposal>)| (*w, Box::new(p.proposal.clone()) as Box<dyn Proposal>);
        Ok(Self::wrap(Mixture::new(parts.iter().map(boxed).collect()).map_err(raise)?, text))
    }

    /// One's own: `propose(x, seed)` returns `(x', log_ratio)` for `x` of shape (chains, sites); `seed` is
    /// another integer in each update, and all randomness should come from it.
    #[staticmethod]
    fn custom(dims: Vec<usize>, propose: Py<PyAny>) -> Self {
        let text = format!("Proposal(callable, {})", short(&dims));
        Self::wrap(CallableProposal { dims, propose }, text)
    }

    /// Proposes for each row of `x`, or for one configuration of shape (sites,).
    ///
    /// Returns
    /// -------
    /// (x_new, log_ratio)
    ///     Shapes (samples, sites) and (samples,); for one configuration (sites,) and a float.
    #[pyo3(signature = (x, *, rng))]
    fn propose<'py>(
        &self,
        py: Python<'py>,
        x: Bound<'py, PyAny>,
        rng: Rng,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (batch, single) = Batch::or_single(&x)?;
        let x = batch.view();
        let new = free(py, || self.proposal.propose(x, &rng.0))?;
        if single {
            let ratio = new.log_ratio[0].into_pyobject(py)?.into_any();
            return Ok((vector(py, new.x.row(0).to_owned()).into_any(), ratio));
        }
        Ok((new.x.into_pyarray(py).into_any(), new.log_ratio.into_pyarray(py).into_any()))
    }

    fn __repr__(&self) -> &str {
        &self.text
    }
}

/// A transition that leaves a target invariant, for `run_chains`, `Chains.advance` and `Tempering`.
///
/// `Move(proposal)` accepts and rejects by Metropolis–Hastings. For lattices: `Move.heat_bath`,
/// `.metropolis`, `.wolff`, `.swendsen_wang`, `.windows`; composed: `.cycle`, `.mixture`, `.repeat`.
#[pyclass(name = "Move", frozen, module = "tensorjump")]
pub struct PyMove {
    dynamics: AnyMove,
    text: String,
}

impl PyMove {
    fn wrap(dynamics: impl Move + 'static, text: String) -> Self {
        PyMove { dynamics: AnyMove { dynamics: Arc::new(dynamics), laws: vec![] }, text }
    }

    /// Says which laws the move leaves invariant, where it is made for one.
    fn of(mut self, laws: impl IntoIterator<Item = Arc<dyn Target>>) -> Self {
        self.dynamics.laws.extend(laws);
        self
    }

    fn made<M: Move + 'static>(dynamics: Result<M>, text: String) -> PyResult<Self> {
        Ok(Self::wrap(dynamics.map_err(raise)?, text))
    }
}

/// A move, or a proposal that is accepted or rejected.
#[derive(Clone)]
pub struct AnyMove {
    pub dynamics: Arc<dyn Move>,
    /// What the move is made for; none for moves of any law.
    laws: Vec<Arc<dyn Target>>,
}

impl AnyMove {
    /// Refuses a target that is another law than the move is made for, by some log-weights: those of the rows
    /// of `x` and of starts of the target's own.
    pub fn check(&self, py: Python<'_>, target: &Arc<dyn Target>, x: Option<Configs<'_>>) -> PyResult<()> {
        if self.laws.is_empty() {
            return Ok(());
        }
        let mut probes: Vec<_> =
            free(py, || Chains::initial(target, 8, 0)).map(|c| c.x().to_owned()).into_iter().collect();
        probes.extend(x.map(|x| x.slice(s![..x.nrows().min(8), ..]).to_owned()));
        for (law, x) in self.laws.iter().flat_map(|law| probes.iter().map(move |x| (law, x.view()))) {
            let (a, b) = free(py, || Ok((target.log_weight(x)?, law.log_weight(x)?)))?;
            let scale = 1e-6 * a.iter().chain(&b).fold(1.0f64, |m, v| m.max(v.abs()));
            let same = a.iter().zip(&b).all(|(p, q)| p == q || ((p - q) - (a[0] - b[0])).abs() < scale);
            if a[0].is_finite() && b[0].is_finite() && !same {
                return Err(refuse("move", "one of another law", "a move of the target: their log-weights differ"));
            }
        }
        Ok(())
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for AnyMove {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(found) = ob.cast::<PyMove>() {
            return Ok(found.get().dynamics.clone());
        }
        match ob.cast::<PyProposal>() {
            Ok(p) => {
                let dynamics = Arc::new(MetropolisHastings::new(p.get().proposal.clone()));
                Ok(AnyMove { dynamics, laws: vec![] })
            }
            Err(_) => {
                let got = ob.get_type().name()?;
                Err(PyTypeError::new_err(format!("expected a tensorjump.Move or Proposal, got {got}")))
            }
        }
    }
}

#[pymethods]
impl PyMove {
    #[new]
    fn new(proposal: PyRef<'_, PyProposal>) -> Self {
        let text = format!("Move({})", proposal.text);
        Self::wrap(MetropolisHastings::new(proposal.proposal.clone()), text)
    }

    /// Sweeps of heat bath: many spins in a machine word for Ising models, site by site for tables and with
    /// diagonal bonds.
    #[staticmethod]
    #[pyo3(signature = (model, *, sweeps = 1))]
    fn heat_bath(model: Pair, sweeps: usize) -> PyResult<Self> {
        let text = format!("Move(heat bath, {sweeps} sweeps)");
        let law = model.law();
        let made = match model {
            Pair::Ising(m) if m.lattice().diagonals() != (false, false) => {
                Self::made(SiteHeatBath::new(&*m).and_then(|s| Repeat::new(s, sweeps)), text)
            }
            Pair::Ising(m) => Self::made(SpinSweep::heat_bath(&m).and_then(|s| s.with_sweeps(sweeps)), text),
            Pair::Tables(m) => Self::made(SiteHeatBath::new(&*m).and_then(|s| Repeat::new(s, sweeps)), text),
        };
        Ok(made?.of([law]))
    }

    /// Sweeps of Metropolis over an Ising model.
    #[staticmethod]
    #[pyo3(signature = (ising, *, sweeps = 1))]
    fn metropolis(ising: PyRef<'_, PyIsing>, sweeps: usize) -> PyResult<Self> {
        let text = format!("Move(Metropolis, {sweeps} sweeps)");
        let made = Self::made(SpinSweep::metropolis(&ising.0).and_then(|s| s.with_sweeps(sweeps)), text)?;
        Ok(made.of([ising.0.clone() as Arc<dyn Target>]))
    }

    /// Wolff clusters of an Ising model without field whose couplings are not negative.
    #[staticmethod]
    #[pyo3(signature = (ising, *, clusters = 1))]
    fn wolff(ising: PyRef<'_, PyIsing>, clusters: usize) -> PyResult<Self> {
        let text = format!("Move(Wolff, {clusters} clusters)");
        let made = Self::made(Wolff::new(&ising.0).and_then(|s| s.with_clusters(clusters)), text)?;
        Ok(made.of([ising.0.clone() as Arc<dyn Target>]))
    }

    /// Swendsen–Wang sweeps of an Ising or Potts model without field whose couplings are not negative.
    #[staticmethod]
    #[pyo3(signature = (model, *, sweeps = 1))]
    fn swendsen_wang(model: Pair, sweeps: usize) -> PyResult<Self> {
        let text = format!("Move(Swendsen-Wang, {sweeps} sweeps)");
        let made = with_pair!(&model, m => SwendsenWang::new(&**m));
        Ok(Self::made(made.and_then(|s| s.with_sweeps(sweeps)), text)?.of([model.law()]))
    }

    /// Windows of `rows` x `cols` sites drawn anew from boundary states in the field of the rest, all over
    /// the lattice or `count` of them; with `flip` also the flip of everything, for models without field.
    #[staticmethod]
    #[pyo3(signature = (model, rows, cols, *, chi = 8, count = None, flip = false))]
    fn windows(model: Pair, rows: usize, cols: usize, chi: usize, count: Option<usize>, flip: bool) -> PyResult<Self> {
        let text = format!("Move(windows {rows}x{cols}, chi={chi})");
        let law = model.law();
        let made = with_pair!(model, m => {
            let made = Windows::new(m, rows, cols, chi);
            let made = made.and_then(|w| match count { Some(n) => w.with_count(n), None => Ok(w) });
            Self::made(made.and_then(|w| if flip { w.with_flip() } else { Ok(w) }), text)
        });
        Ok(made?.of([law]))
    }

    /// Noise, then `draws` draws that undo it, each accepted or rejected: `Move(Proposal(model, kernel))`
    /// with one.
    #[staticmethod]
    fn inner_draws(model: PyRef<'_, PyModel>, kernel: &PyKernel, draws: usize) -> PyResult<Self> {
        let law: Arc<dyn Model> = model.law.model();
        let connected = Connected::new(law, kernel.0.clone());
        let text = format!("Move(noise, {draws} inner draws)");
        Self::made(connected.and_then(|c| InnerDraws::new(c, draws)), text)
    }

    /// The Fredkin chain's own dynamics: its jump process for `time`, without rejections.
    #[staticmethod]
    fn fredkin(chain: PyRef<'_, PyFredkin>, time: f64) -> Self {
        let (chain, text) = (chain.0.clone(), format!("Move(Fredkin dynamics for {time})"));
        let law: Arc<dyn Target> = chain.clone();
        let evolve = move |x: &mut [u8], stream: &mut tensorjump::Stream| {
            let events = chain.evolve(x, time, stream)? as usize;
            Ok((events, events))
        };
        Self::wrap(Local::new(evolve), text).of([law])
    }

    /// All moves one after the other.
    #[staticmethod]
    fn cycle(parts: Vec<AnyMove>) -> PyResult<Self> {
        let text = format!("Move(cycle of {})", parts.len());
        let laws: Vec<_> = parts.iter().flat_map(|m| m.laws.clone()).collect();
        let parts = parts.into_iter().map(|m| Box::new(m.dynamics) as Box<dyn Move>).collect();
        Ok(Self::made(Cycle::new(parts), text)?.of(laws))
    }

    /// One of several moves, drawn for each update with the given probabilities (sum one).
    #[staticmethod]
    fn mixture(parts: Vec<(f64, AnyMove)>) -> PyResult<Self> {
        let text = format!("Move(mixture of {})", parts.len());
        let laws: Vec<_> = parts.iter().flat_map(|(_, m)| m.laws.clone()).collect();
        let parts = parts.into_iter().map(|(w, m)| (w, Box::new(m.dynamics) as Box<dyn Move>)).collect();
        Ok(Self::made(Mixture::new(parts), text)?.of(laws))
    }

    /// A move `times` times as one update.
    #[staticmethod]
    fn repeat(part: AnyMove, times: usize) -> PyResult<Self> {
        let made = Self::made(Repeat::new(part.dynamics, times), format!("Move(repeat, {times} times)"))?;
        Ok(made.of(part.laws))
    }

    fn __repr__(&self) -> &str {
        &self.text
    }
}

/// Complains about a series of the wrong shape.
pub fn series(values: Reals) -> PyResult<ndarray::Array2<f64>> {
    match values.0.ndim() {
        1 => Ok(values.one("series")?.insert_axis(ndarray::Axis(1))),
        2 => values.two("series"),
        _ => Err(misshapen("series", "(records,) or (records, chains)", values.0.shape())),
    }
}
