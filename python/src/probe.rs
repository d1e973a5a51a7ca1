//! For tests and measurements of the binding itself.

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use numpy::{IntoPyArray, PyArray2};
use pyo3::prelude::*;
use tensorjump::Streams;

use crate::arrays::{Batch, free};
use crate::target::PyModel;

/// Address at which the library sees a batch.
#[pyfunction]
pub fn _address(x: Batch<'_>) -> usize {
    x.view().as_ptr() as usize
}

/// An array made by the library, and its address there.
#[pyfunction]
pub fn _made(py: Python<'_>, n: usize, sites: usize) -> (Bound<'_, PyArray2<u8>>, usize) {
    let a = Array2::<u8>::zeros((n, sites));
    let address = a.as_ptr() as usize;
    (a.into_pyarray(py), address)
}

/// Seconds of wall clock of each of `rounds` rounds of `calls` draws (or scores of `x`) by the library alone,
/// a call.
#[pyfunction]
pub fn _seconds(
    py: Python<'_>,
    model: PyRef<'_, PyModel>,
    x: Batch<'_>,
    calls: u64,
    rounds: usize,
    draw: bool,
) -> PyResult<Vec<f64>> {
    let (law, x) = (model.law.model(), x.view());
    let round = || {
        let clock = Instant::now();
        for k in 0..calls {
            if draw {
                let _ = black_box(law.draw(x.nrows(), &Streams::new(k))?);
            } else {
                black_box(law.log_prob(x)?);
            }
        }
        Ok(clock.elapsed().as_secs_f64() / calls as f64)
    };
    free(py, || (0..rounds).map(|_| round()).collect())
}
