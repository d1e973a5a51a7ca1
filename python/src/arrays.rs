//! The one way in and out: batches of configurations, weights, random streams, and work without the GIL.

use std::time::{Duration, Instant};

use ndarray::{Array1, Array2, ArrayView2, ArrayViewD, Ix1, Ix2, Ix3, IxDyn};
use numpy::{AllowTypeChange, IntoPyArray, PyArray1, PyArray2, PyArrayLike, PyReadonlyArray2};
use pyo3::exceptions::{PyKeyboardInterrupt, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};
use tensorjump::{Samples, SiteWeights, Streams};

use crate::callables::{is_nested, take_interrupt};
use crate::errors::{misshapen, raise, refuse};

/// Work without the GIL, on threads that live also in a forked child. Every call into the library goes
/// through here: targets may be asked from worker threads, which would wait for ever for a GIL that the
/// caller holds.
pub fn free<T: Send>(py: Python<'_>, work: impl FnOnce() -> tensorjump::Result<T> + Send) -> PyResult<T> {
    let done = py.detach(|| tensorjump::fork::run(work).and_then(|done| done)).map_err(raise);
    // Ctrl-C in a callable, where nothing else has looked for it.
    let interrupted = !is_nested() && take_interrupt();
    if interrupted && done.is_ok() { Err(PyKeyboardInterrupt::new_err(())) } else { done }
}

/// A batch of configurations: a view of the caller's uint8 array, or a checked copy of another integer or
/// bool array.
pub struct Batch<'py> {
    array: PyReadonlyArray2<'py, u8>,
}

impl<'py> Batch<'py> {
    /// The configurations, shape `(samples, sites)`.
    pub fn view(&self) -> ArrayView2<'_, u8> {
        self.array.as_array()
    }

    /// A batch, or one configuration of shape `(sites,)` as a batch of one, marked.
    pub fn or_single(ob: &Bound<'py, PyAny>) -> PyResult<(Self, bool)> {
        let (array, single) = Self::checked(ob)?;
        Ok((Batch { array }, single))
    }

    fn checked(ob: &Bound<'py, PyAny>) -> PyResult<(PyReadonlyArray2<'py, u8>, bool)> {
        if let Ok(array) = ob.extract::<PyReadonlyArray2<'py, u8>>() {
            return Ok((array, false));
        }
        let np = ob.py().import("numpy")?;
        let a = np.call_method1("asarray", (ob,))?;
        let (kind, size): (String, usize) =
            (a.getattr("dtype")?.getattr("kind")?.extract()?, a.getattr("size")?.extract()?);
        if !matches!(kind.as_str(), "b" | "i" | "u") && size > 0 {
            let dtype = a.getattr("dtype")?.str()?;
            return Err(PyTypeError::new_err(format!("configurations are integers, got an array of {dtype}")));
        }
        // No forced cast: NumPy would turn -1 into 255 and 300 into 44.
        if kind != "b" && size > 0 {
            let (low, high): (i128, i128) = (a.call_method0("min")?.extract()?, a.call_method0("max")?.extract()?);
            if low < 0 || high > 255 {
                let value = if low < 0 { low } else { high };
                return Err(refuse(
                    "state",
                    value,
                    "states are 0, 1, 2, …; from spins -1, +1 by tensorjump.from_spins",
                ));
            }
        }
        let a = a.call_method1("astype", ("uint8",))?;
        let shape: Vec<usize> = a.getattr("shape")?.extract()?;
        match shape.len() {
            2 => Ok((a.extract()?, false)),
            1 => Ok((np.call_method1("atleast_2d", (a,))?.extract()?, true)),
            _ => Err(misshapen("configurations", "(samples, sites)", &shape)),
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Batch<'py> {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match Self::checked(&ob)? {
            (array, false) => Ok(Batch { array }),
            (array, true) => Err(misshapen("configurations", "(samples, sites)", &[array.as_array().ncols()])),
        }
    }
}

/// A real array of any shape, converted from what NumPy makes numbers of.
pub struct Reals(pub ndarray::ArrayD<f64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Reals {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let np = ob.py().import("numpy")?;
        let mut a = np.call_method1("asarray", (ob,))?;
        let mut kind: String = a.getattr("dtype")?.getattr("kind")?.extract()?;
        // Arrays of other libraries that NumPy knows by DLPack alone.
        if kind == "O" && ob.hasattr("__dlpack__")? {
            a = np.call_method1("from_dlpack", (ob,))?;
            kind = a.getattr("dtype")?.getattr("kind")?.extract()?;
        }
        if !matches!(kind.as_str(), "b" | "i" | "u" | "f") {
            let dtype = a.getattr("dtype")?.str()?;
            return Err(PyTypeError::new_err(format!("expected real numbers, got an array of {dtype}")));
        }
        let a: PyArrayLike<'_, f64, IxDyn, AllowTypeChange> = a.extract()?;
        Ok(Reals(a.as_array().to_owned()))
    }
}

impl Reals {
    /// As a vector, named in the complaint.
    pub fn one(self, field: &str) -> PyResult<Array1<f64>> {
        let shape = self.0.shape().to_vec();
        self.0.into_dimensionality::<Ix1>().map_err(|_| misshapen(field, "one axis", &shape))
    }

    /// As a matrix.
    pub fn two(self, field: &str) -> PyResult<Array2<f64>> {
        let shape = self.0.shape().to_vec();
        self.0.into_dimensionality::<Ix2>().map_err(|_| misshapen(field, "two axes", &shape))
    }

    /// As an array of three axes.
    pub fn three(self, field: &str) -> PyResult<ndarray::Array3<f64>> {
        let shape = self.0.shape().to_vec();
        self.0.into_dimensionality::<Ix3>().map_err(|_| misshapen(field, "three axes", &shape))
    }

    /// A number for all of `n`, or one for each.
    pub fn spread(self, field: &str, n: usize) -> PyResult<Vec<f64>> {
        match self.0.ndim() {
            0 => Ok(vec![self.0.first().copied().unwrap_or_default(); n]),
            1 if self.0.len() == n => Ok(self.0.into_iter().collect()),
            _ => Err(misshapen(field, &format!("() or ({n},)"), self.0.shape())),
        }
    }
}

/// A real or complex array of any shape, as its real part and, where its type is complex and not all of it
/// zero, its imaginary part.
pub struct Complexes {
    pub re: Reals,
    pub im: Option<Reals>,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Complexes {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let a = ob.py().import("numpy")?.call_method1("asarray", (ob,))?;
        if a.getattr("dtype")?.getattr("kind")?.extract::<String>()? != "c" {
            return Ok(Complexes { re: a.extract()?, im: None });
        }
        let im: Reals = a.getattr("imag")?.extract()?;
        Ok(Complexes { re: a.getattr("real")?.extract()?, im: Some(im).filter(|im| im.0.iter().any(|&v| v != 0.0)) })
    }
}

/// Site weights from Python: none, `(sites, states)` for all rows, or `(samples, sites, states)`.
pub struct Weights(Option<ndarray::ArrayD<f64>>);

impl Weights {
    pub fn of(weights: Option<Reals>) -> PyResult<Self> {
        match &weights {
            Some(Reals(w)) if !matches!(w.ndim(), 2 | 3) => {
                Err(misshapen("weights", "(sites, states) or (samples, sites, states)", w.shape()))
            }
            _ => Ok(Weights(weights.map(|w| w.0))),
        }
    }

    pub fn view(&self) -> SiteWeights<'_> {
        let axes = "checked when made";
        match self.0.as_ref().map(ArrayViewD::from) {
            None => SiteWeights::Uniform,
            Some(w) if w.ndim() == 2 => SiteWeights::Shared(w.into_dimensionality().expect(axes)),
            Some(w) => SiteWeights::PerRow(w.into_dimensionality().expect(axes)),
        }
    }

    /// The weights of rows `first..first + rows`.
    pub fn part(&self, first: usize, rows: usize) -> SiteWeights<'_> {
        match self.view() {
            SiteWeights::PerRow(w) if first + rows <= w.dim().0 => {
                SiteWeights::PerRow(w.slice_move(ndarray::s![first..first + rows, .., ..]))
            }
            w => w,
        }
    }
}

/// Families of random streams: draw `i` of a call takes stream `i`, whatever the number of threads.
///
/// `Streams(seed)` names a family; `step(k)` is the family of the k-th repetition and `domain(name)` one for
/// another purpose. Two calls with the same family draw the same numbers.
#[pyclass(name = "Streams", frozen, module = "tensorjump", from_py_object)]
#[derive(Clone, Copy, Debug)]
pub struct PyStreams(pub Streams);

#[pymethods]
impl PyStreams {
    #[new]
    fn new(seed: u64) -> Self {
        PyStreams(Streams::new(seed))
    }

    /// The family of the k-th repetition.
    fn step(&self, k: u64) -> Self {
        PyStreams(self.0.step(k))
    }

    /// The family for another purpose.
    fn domain(&self, name: &str) -> Self {
        PyStreams(self.0.domain(name))
    }

    /// The family whose row 0 is row `first` of this one: a part of a batch that is drawn elsewhere.
    fn rows_from(&self, first: usize) -> Self {
        PyStreams(self.0.rows_from(first))
    }

    /// The number that names the family.
    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn __repr__(&self) -> String {
        format!("Streams(seed={})", self.0.seed())
    }
}

/// `rng`: a seed, a `Streams`, or a `numpy.random.Generator` (advanced by one draw).
pub struct Rng(pub Streams);

impl<'a, 'py> FromPyObject<'a, 'py> for Rng {
    type Error = PyErr;

    fn extract(ob: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(streams) = ob.cast::<PyStreams>() {
            return Ok(Rng(streams.get().0));
        }
        if let Ok(seed) = ob.extract::<u64>() {
            return Ok(Rng(Streams::new(seed)));
        }
        if let Ok(bits) = ob.getattr("bit_generator") {
            return Ok(Rng(Streams::new(bits.call_method0("random_raw")?.extract()?)));
        }
        let message = "rng must be a seed from 0 up, a tensorjump.Streams or a numpy.random.Generator";
        Err(PyTypeError::new_err(format!("{message}, got {}", ob.get_type().name()?)))
    }
}

static SAMPLES: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// `(x, log_prob)` as the named tuple `tensorjump.Samples`; no copy.
pub fn samples<'py>(py: Python<'py>, samples: Samples) -> PyResult<Bound<'py, PyAny>> {
    let class = SAMPLES.import(py, "tensorjump._types", "Samples")?;
    class.call1((samples.x.into_pyarray(py), samples.log_prob.into_pyarray(py)))
}

/// A named tuple of `tensorjump._types`, from its fields.
pub fn named<'py>(py: Python<'py>, class: &str, fields: Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
    py.import("tensorjump._types")?.getattr(class)?.call1(fields)
}

/// Rows of a draw between two looks at signals: about 4 million states.
fn rows_at_once(sites: usize) -> usize {
    ((1usize << 22) / sites.max(1)).next_multiple_of(1024)
}

/// Refuses `n` rows of `bytes` that the memory does not hold: a failed allocation would end the interpreter.
pub fn check_memory(what: &'static str, n: usize, bytes: usize) -> PyResult<()> {
    let limit = isize::MAX as usize;
    let size = n.saturating_mul(bytes.max(1));
    let there = size < limit && Vec::<u8>::new().try_reserve_exact(size).is_ok();
    if there { Ok(()) } else { Err(raise(tensorjump::Error::TooLarge { what, size, limit })) }
}

/// Makes `updates` updates in parts of some tenth of a second, with a look at signals between them.
pub fn updates_in_parts(
    py: Python<'_>,
    updates: usize,
    mut advance: impl FnMut(usize) -> tensorjump::Result<()> + Send,
) -> PyResult<()> {
    let (mut left, mut part) = (updates, 1);
    while left > 0 {
        let (now, start) = (part.min(left), Instant::now());
        free(py, || advance(now))?;
        py.check_signals()?;
        left -= now;
        if start.elapsed() < Duration::from_millis(50) {
            part *= 2;
        }
    }
    Ok(())
}

/// Draws `n` rows in parts, with a look at signals between them; the parts draw what one call would.
pub fn in_parts(
    py: Python<'_>,
    n: usize,
    sites: usize,
    streams: &Streams,
    draw: impl Fn(usize, usize, &Streams) -> tensorjump::Result<Samples> + Sync,
) -> PyResult<Samples> {
    let part = rows_at_once(sites);
    if n <= part {
        return free(py, || draw(0, n, streams));
    }
    check_memory("draws", n, sites + 8)?;
    let mut all = Samples { x: Array2::zeros((n, sites)), log_prob: Array1::zeros(n) };
    for first in (0..n).step_by(part) {
        let rows = part.min(n - first);
        free(py, || {
            let drawn = draw(first, rows, &streams.rows_from(first))?;
            all.x.slice_mut(ndarray::s![first..first + rows, ..]).assign(&drawn.x);
            all.log_prob.slice_mut(ndarray::s![first..first + rows]).assign(&drawn.log_prob);
            Ok(())
        })?;
        py.check_signals()?;
    }
    Ok(all)
}

pub fn vector<T: numpy::Element>(py: Python<'_>, v: Array1<T>) -> Bound<'_, PyArray1<T>> {
    v.into_pyarray(py)
}

pub fn table<T: numpy::Element>(py: Python<'_>, v: Array2<T>) -> Bound<'_, PyArray2<T>> {
    v.into_pyarray(py)
}

/// `dims=[2] * 5`, or their number where all sites are alike.
pub fn short(dims: &[usize]) -> String {
    match dims.first() {
        Some(first) if dims.iter().all(|d| d == first) => format!("{} sites of {first} states", dims.len()),
        Some(_) => {
            let (low, high) = (dims.iter().min().unwrap_or(&0), dims.iter().max().unwrap_or(&0));
            format!("{} sites of {low} to {high} states", dims.len())
        }
        None => "no sites".into(),
    }
}
