//! Denoisers: of an exact law, or of a Python callable; their faces, losses and likelihood bounds.

use std::sync::Arc;

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray1, PyArray3};
use pyo3::prelude::*;
use tensorjump::diffusion::{
    Denoiser, Ends, ExactDenoiser, GivenDenoiser, LikelihoodBound, Quadrature, Scores, conditional_kl,
    ratio_matching_loss, reverse, score_matching_loss,
};
use tensorjump::{Configs, ExactModel, Result, Target};

use crate::arrays::{Batch, Reals, Rng, free, named, short, vector};
use crate::callables::site_tables;
use crate::errors::refuse;
use crate::faces::{face, tables};
use crate::models::PyLabelled;
use crate::noise::PyNoise;
use crate::reverse::StepName;
use crate::target::{PyModel, exact_class};
use crate::watched::Watched;

/// Conditional marginals `P_t(y_j = b | y without j)` of a noised law at any time: of a model, exactly, or of
/// a function of one's own.
///
/// Parameters
/// ----------
/// noise : Noise
/// undo : Model, Labelled or callable
///     An exact law; a joint law with `label=`, or all labels together; or `f(t, y)` for a time and
///     configurations (samples, sites) uint8, which returns (samples, sites, states): a NumPy array or what
///     NumPy reads, such as tensors of torch (`.numpy(force=True)` where they need gradients or live
///     elsewhere) and jax.
/// face : str
///     What `f` returns. "denoiser_marginals" `P(x0_j = a | y)`, what networks learn by cross-entropy;
///     "cavities" `P(x0_j = a | y without j)`; "conditional_marginals" `P_t(y_j = b | y without j)`;
///     "score_ratios" `P_t(y with y_j = b) / P_t(y)`. The first two run over states before the noise, the
///     others after it. They are converted exactly; a denoiser that has seen `y_j` and a cavity that has not
///     are different laws.
/// label : int, optional
///     Of a `Labelled` law.
#[pyclass(name = "Denoiser", subclass, frozen, module = "tensorjump")]
pub struct PyDenoiser {
    pub denoiser: Arc<dyn Denoiser>,
    /// The law behind it, where there is one.
    pub law: Option<Arc<dyn ExactModel>>,
    text: String,
    made: Option<Made>,
}

/// The arguments of the constructor.
struct Made {
    noise: Py<PyNoise>,
    undo: Py<PyAny>,
    face: String,
    label: Option<usize>,
}

impl PyDenoiser {
    pub fn of(denoiser: Arc<dyn Denoiser>, law: Option<Arc<dyn ExactModel>>, text: &str) -> Self {
        PyDenoiser { denoiser, law, text: text.to_string(), made: None }
    }

    /// A call into the library without the GIL, with a look at signals between evaluations.
    pub fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&Watched<'_>) -> Result<T> + Send) -> PyResult<T> {
        let denoiser = &*self.denoiser;
        free(py, || work(&Watched::new(denoiser)))
    }

    /// What the likelihood bound ends with.
    fn ends(&self, ends: Option<&str>, prior: Option<Reals>) -> PyResult<OwnedEnds> {
        match (ends, &self.law) {
            (None | Some("exact"), Some(law)) if prior.is_none() => Ok(OwnedEnds::Exact(law.clone())),
            (Some("exact"), _) => Err(refuse("ends", "exact", "the denoiser of a model, and no prior")),
            (None | Some("product"), _) => Ok(OwnedEnds::Product(match prior {
                Some(prior) => prior.two("prior")?,
                None => self.denoiser.noise().stationary_law().map_err(crate::errors::raise)?,
            })),
            (Some(other), _) => Err(refuse("ends", other, "exact or product")),
        }
    }
}

enum OwnedEnds {
    Exact(Arc<dyn ExactModel>),
    Product(Array2<f64>),
}

impl OwnedEnds {
    fn view(&self) -> Ends<'_> {
        match self {
            OwnedEnds::Exact(law) => Ends::Exact(law),
            OwnedEnds::Product(prior) => Ends::Product(prior.view()),
        }
    }
}

#[pymethods]
impl PyDenoiser {
    #[new]
    #[pyo3(signature = (noise, undo, *, face = "denoiser_marginals", label = None))]
    fn new(noise: Bound<'_, PyNoise>, undo: Bound<'_, PyAny>, face: &str, label: Option<usize>) -> PyResult<Self> {
        let law = match (undo.cast::<PyLabelled>(), undo.cast::<PyModel>()) {
            (Ok(labelled), _) => Some(labelled.get().law(label)?),
            (_, Ok(model)) => Some(model.get().law.exact()?),
            _ => None,
        };
        if label.is_some() && undo.cast::<PyLabelled>().is_err() {
            return Err(refuse("label", label.unwrap_or(0), "given with a Labelled law"));
        }
        let (of, kind) = (&noise.get().noise, self::face(face)?);
        let (denoiser, text): (Arc<dyn Denoiser>, _) = match &law {
            Some(law) => (
                Arc::new(ExactDenoiser::new(law.clone(), of).map_err(crate::errors::raise)?),
                format!("exact, {}", short(law.dims())),
            ),
            None if undo.is_callable() => {
                let f = undo.clone().unbind();
                let ask = move |t: f64, y: Configs<'_>| site_tables("denoiser", &f, t, y);
                (
                    Arc::new(GivenDenoiser::new(of.clone(), kind, ask)),
                    format!("{face} of a callable, {}", short(of.dims_in())),
                )
            }
            None => {
                let got = undo.get_type().name()?;
                return Err(pyo3::exceptions::PyTypeError::new_err(format!(
                    "expected a model, a Labelled law or a callable f(t, y), got {got}"
                )));
            }
        };
        let made = Some(Made { noise: noise.unbind(), undo: undo.unbind(), face: face.to_string(), label });
        Ok(PyDenoiser { denoiser, law, text, made })
    }

    /// `P_t(y_j = b | y without j)`, shape (samples, sites, states after the noise), padding zero.
    fn conditional_marginals<'py>(
        &self,
        py: Python<'py>,
        t: f64,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(tables(py, self.with(py, |d| d.conditional_marginals(t, y))?))
    }

    /// `P(x0_j = a | y without j)`, shape (samples, sites, states before the noise).
    ///
    /// Raises
    /// ------
    /// ConvergenceError
    ///     Where conditionals of one's own would have to be taken back through a singular kernel.
    fn cavities<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(tables(py, self.with(py, |d| d.cavities(t, y))?))
    }

    /// `P(x0_j = a | y)`, shape (samples, sites, states before the noise).
    fn denoiser_marginals<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        let of = |d: &Watched<'_>| {
            let kernel = d.noise().kernel(0.0, t)?;
            Scores::from_cavities(&kernel, y, d.cavities(t, y)?)?.denoiser_marginals()
        };
        Ok(tables(py, self.with(py, of)?))
    }

    /// `P_t(y with y_j = b) / P_t(y)`, shape (samples, sites, states after the noise).
    fn score_ratios<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(tables(py, self.with(py, |d| d.score_ratios(t, y))?))
    }

    /// Rates `beta(t) Q_j(b -> y_j) P_t(y with y_j = b) / P_t(y)` of the reverse process, zero at `b = y_j`,
    /// shape (samples, sites, states after the noise), in inverse time.
    fn reverse_rates<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let y = y.view();
        Ok(tables(py, self.with(py, |d| d.reverse_rates(t, y))?))
    }

    /// Loss of ratio matching `-sum_j log P_t(y_j | y without j)` of each row, in nats, shape (samples,).
    fn ratio_matching_loss<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let y = y.view();
        Ok(vector(py, self.with(py, |d| ratio_matching_loss(d, t, y))?))
    }

    /// Score matching of the ratios, `sum_j sum_{b != y_j} r_j(b)**2 - 2 / r_b`, of each row, shape
    /// (samples,): in the mean least at the exact ratios (arXiv 2406.09084).
    fn score_matching_loss<'py>(&self, py: Python<'py>, t: f64, y: Batch<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let y = y.view();
        Ok(vector(py, self.with(py, |d| score_matching_loss(d, t, y))?))
    }

    /// `sum_j KL(own conditionals || those of other)` of each row, in nats, shape (samples,).
    fn conditional_kl<'py>(
        &self,
        py: Python<'py>,
        other: PyRef<'_, PyDenoiser>,
        t: f64,
        y: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (y, other) = (y.view(), &*other.denoiser);
        Ok(vector(py, self.with(py, |d| conditional_kl(d, &Watched::new(other), t, y))?))
    }

    /// Bound of `-log P_0(x)` of each row by the integral over time (arXiv 2412.10193); an equality in the
    /// mean for an exact denoiser with exact ends.
    ///
    /// Parameters
    /// ----------
    /// x : array (samples, sites)
    ///     Clean configurations.
    /// times : (float, float)
    ///     Ends of the integral, 0 < times[0] < times[1] < inf.
    /// rng : int, Streams or numpy.random.Generator
    /// nodes : int
    ///     Of the quadrature: Gauss-Legendre in the logit of the signal.
    /// draws : int
    ///     Noised copies of each row and node, at least 2.
    /// ends : "exact" or "product", optional
    ///     The joint posterior and exact law of the model behind the denoiser, if there is one; or the
    ///     product of the denoiser's marginals at times[0] and independent sites at times[1].
    /// prior : array (sites, states), optional
    ///     These sites; the stationary law of the noise if not given.
    ///
    /// Returns
    /// -------
    /// LikelihoodBound
    ///     Named tuple of `path`, `start`, `end` and `error`, each (samples,), in nats; `.total` is the
    ///     bound.
    #[pyo3(signature = (x, times, *, rng, nodes = 16, draws = 100, ends = None, prior = None) -> "LikelihoodBound")]
    #[allow(clippy::too_many_arguments)]
    fn bound<'py>(
        &self,
        py: Python<'py>,
        x: Batch<'py>,
        times: (f64, f64),
        rng: Rng,
        nodes: usize,
        draws: usize,
        ends: Option<&str>,
        prior: Option<Reals>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (x, ends) = (x.view(), self.ends(ends, prior)?);
        let bound = self.with(py, |d| {
            let nodes = Quadrature::logit(d.noise(), times, nodes)?;
            LikelihoodBound::estimate(d, &ends.view(), &nodes, x, draws, &rng.0)
        })?;
        let parts = [bound.path, bound.start, bound.end, bound.error].map(|v| v.into_pyarray(py));
        named(py, "LikelihoodBound", pyo3::types::PyTuple::new(py, parts)?)
    }

    /// Integrand of the bound at time `t`, in nats per unit of elapsed noise, for pairs of rows of clean `x`
    /// and noised `z`, shape (samples,).
    fn bound_integrand<'py>(
        &self,
        py: Python<'py>,
        t: f64,
        x: Batch<'py>,
        z: Batch<'py>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (x, z) = (x.view(), z.view());
        Ok(vector(py, self.with(py, |d| LikelihoodBound::integrand(d, t, x, z))?))
    }

    /// Runs the reverse process from `y`, configurations at the first time, down to the last one.
    ///
    /// Parameters
    /// ----------
    /// y : array (samples, sites)
    ///     From `exact_start` they follow the noised law; from `prior_start` they are biased at finite time.
    /// times : TimeGrid or array
    ///     Descending.
    /// rng : int, Streams or numpy.random.Generator
    ///     Row i uses stream i: results depend neither on the batch nor on threads.
    /// step : str or (str, float)
    ///     Of leaps, by name: "analytical", "euler", "tau" move all sites at once, with an error of first
    ///     order in the step. "trapezoidal" and "runge_kutta" (theta = 1/2) take two evaluations a step; the
    ///     first is of second order where no rate is cut off. "psi" draws a share of 1 - kappa (kappa = 0.9)
    ///     anew from the denoiser. Under masks "remask" masks some sites again (ReMDM, half of what is
    ///     possible), and "unmask" draws as many sites as the noise leaves at random, "unmask_confident" by
    ///     the probability of what is drawn, "unmask_certain" by the entropy of its law (temperature 0).
    ///     Another theta, kappa, share or temperature: `("psi", 0.95)`. Steps by rates end above time 0
    ///     under masks.
    /// method : "leap", "uniformization" or "thinning"
    ///     The last two go jump by jump, without an error for exact rates; a callable is then asked row by
    ///     row.
    /// corrector : (int, float), optional
    ///     Corrector steps after each leap, and their length over that of the leap.
    /// bounds : array, optional
    ///     Of uniformization: the largest total rate over `beta(t)` in each step; from the noise if not
    ///     given.
    /// finish : bool
    ///     One last draw of clean configurations where the last time is above 0.
    ///
    /// Returns
    /// -------
    /// Reversed
    ///     Named tuple of `x`, `finish`, `jumps`, `events`, `excesses`, `evaluations`, `calls`, `bound` and
    ///     `lost`.
    #[pyo3(signature = (y, times, *, rng, step = StepName::ANALYTICAL, method = "leap", corrector = None,
        bounds = None, finish = true) -> "Reversed", text_signature = "($self, y, times, *, rng, \
        step='analytical', method='leap', corrector=None, bounds=None, finish=True)")]
    #[allow(clippy::too_many_arguments)]
    fn reverse<'py>(
        &self,
        py: Python<'py>,
        y: Batch<'py>,
        times: crate::reverse::Times,
        rng: Rng,
        step: StepName,
        method: &str,
        corrector: Option<(usize, f64)>,
        bounds: Option<Vec<f64>>,
        finish: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (y, method) = (y.view(), crate::reverse::method(step, method, corrector, bounds)?);
        let done = self.with(py, |d| reverse::reverse(d, y, &times.0, &method, finish, &rng.0))?;
        crate::reverse::outcome(py, done)
    }

    /// The law of one leap from `y` at `t` to `s < t`, a product over sites: shape (samples, sites, states).
    #[pyo3(signature = (s, t, y, *, step = StepName::ANALYTICAL),
        text_signature = "($self, s, t, y, *, step='analytical')")]
    fn step_law<'py>(
        &self,
        py: Python<'py>,
        s: f64,
        t: f64,
        y: Batch<'py>,
        step: StepName,
    ) -> PyResult<Bound<'py, PyArray3<f64>>> {
        let (y, StepName(step)) = (y.view(), step);
        Ok(tables(py, self.with(py, |d| step.law(d, (s, t), y))?.marginals))
    }

    /// The law of what `reverse` draws by leaps from the law `start`, by enumeration, the last draw left out:
    /// for small systems.
    ///
    /// Parameters
    /// ----------
    /// start : DenseLaw or array
    ///     Law at the first time, over noised configurations, first site most significant.
    /// times, step, corrector
    ///     As for `reverse`.
    ///
    /// Returns
    /// -------
    /// SamplerLaw
    ///     Named tuple of `law`, a DenseLaw, and `lost`, the mass in configurations of probability zero.
    #[pyo3(signature = (start, times, *, step = StepName::ANALYTICAL, corrector = None) -> "SamplerLaw",
        text_signature = "($self, start, times, *, step='analytical', corrector=None)")]
    fn sampler_law<'py>(
        &self,
        py: Python<'py>,
        start: crate::dense::Table,
        times: crate::reverse::Times,
        step: StepName,
        corrector: Option<(usize, f64)>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let start = start.law(self.denoiser.noise().dims_out())?;
        let (StepName(step), corrector) = (step, crate::reverse::corrector(corrector));
        let done = self.with(py, |d| tensorjump::dense::LeapLaw::new(d, &start, &times.0, step, corrector))?;
        let law = Py::new(py, crate::dense::PyDenseLaw::wrap(done.law))?;
        named(py, "SamplerLaw", (law, done.lost).into_pyobject(py)?)
    }

    /// Number of states of each site before the noise.
    #[getter]
    fn dims(&self) -> Vec<usize> {
        self.denoiser.noise().dims_in().to_vec()
    }

    /// Number of states of each noised site.
    #[getter]
    fn dims_out(&self) -> Vec<usize> {
        self.denoiser.noise().dims_out().to_vec()
    }

    /// The law behind the denoiser, where there is one.
    #[getter]
    fn model(&self, py: Python<'_>) -> PyResult<Option<Py<PyModel>>> {
        match (&self.law, &self.made) {
            (Some(_), Some(Made { undo, .. })) if undo.bind(py).is_instance_of::<PyModel>() => {
                Ok(Some(undo.extract(py)?))
            }
            (Some(law), _) => Ok(Some(exact_class(py, law.clone())?)),
            _ => Ok(None),
        }
    }

    fn __repr__(&self) -> String {
        format!("Denoiser({})", self.text)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, pyo3::types::PyTuple>)> {
        let py = slf.py();
        let Some(Made { noise, undo, face, label }) = &slf.get().made else {
            let name = slf.get_type().name()?;
            return Err(pyo3::exceptions::PyTypeError::new_err(format!("cannot pickle a learned {name}")));
        };
        let args = (noise.clone_ref(py), undo.clone_ref(py), face.clone(), *label);
        Ok((py.import("tensorjump._pickle")?.getattr("denoiser")?, args.into_pyobject(py)?))
    }
}
