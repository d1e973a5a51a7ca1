//! Python callables as targets, observables and denoisers: arrays in, arrays out.
//!
//! A callable gets a copy that it may keep. What it raises comes out of the library call as itself; Ctrl-C
//! alone is noted and the callable asked once more, so that long work can end where it would look at signals
//! itself.

use std::cell::Cell;

use ndarray::{Array1, Array2, Array3};
use numpy::ToPyArray;
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use tensorjump::{Configs, Result};

use crate::arrays::Reals;
use crate::errors::{misshapen, through};

thread_local! {
    /// Whether Ctrl-C came while a callable of this thread ran.
    static INTERRUPTED: Cell<bool> = const { Cell::new(false) };
    /// Callables of the library that run on this thread, one within the other.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Whether the library was called by a callable of its own: that call looks for Ctrl-C.
pub fn is_nested() -> bool {
    DEPTH.get() > 0
}

/// Whether Ctrl-C came while a callable ran, and forgets it.
pub fn take_interrupt() -> bool {
    INTERRUPTED.take()
}

fn call<'py, A>(f: &Bound<'py, PyAny>, args: A) -> PyResult<Bound<'py, PyAny>>
where
    A: pyo3::call::PyCallArgs<'py> + Clone,
{
    DEPTH.set(DEPTH.get() + 1);
    let answer = match f.call1(args.clone()) {
        Err(e) if e.is_instance_of::<PyKeyboardInterrupt>(f.py()) && !INTERRUPTED.replace(true) => f.call1(args),
        answer => answer,
    };
    DEPTH.set(DEPTH.get() - 1);
    answer
}

/// `f(x)`, shape `(samples,)`.
pub fn numbers(what: &'static str, f: &Py<PyAny>, x: Configs<'_>) -> Result<Array1<f64>> {
    Python::attach(|py| {
        let values = call(f.bind(py), (x.to_pyarray(py),))?.extract::<Reals>()?.one(what)?;
        if values.len() == x.nrows() {
            Ok(values)
        } else {
            Err(misshapen(what, &format!("({},)", x.nrows()), &[values.len()]))
        }
    })
    .map_err(|e| through(what, e))
}

/// `f(x)`, shape `(samples,)` or `(samples, observables)`.
pub fn columns(what: &'static str, f: &Py<PyAny>, x: Configs<'_>) -> Result<Array2<f64>> {
    Python::attach(|py| {
        let values = call(f.bind(py), (x.to_pyarray(py),))?.extract::<Reals>()?;
        let one = values.0.ndim() == 1;
        if one { Ok(values.one(what)?.insert_axis(ndarray::Axis(1))) } else { values.two(what) }
    })
    .map_err(|e| through(what, e))
}

/// `f(t, y)`, shape `(samples, sites, states)`.
pub fn site_tables(what: &'static str, f: &Py<PyAny>, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
    Python::attach(|py| call(f.bind(py), (t, y.to_pyarray(py)))?.extract::<Reals>()?.three(what))
        .map_err(|e| through(what, e))
}
