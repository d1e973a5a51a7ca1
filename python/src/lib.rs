//! The extension module `tensorjump._core`: conversion and docstrings over the crate, nothing that computes.

// Python objects show themselves by `__repr__`.
#![allow(missing_debug_implementations)]

mod arrays;
mod callables;
mod denoiser;
mod dense;
mod errors;
mod given;
mod glauber;
mod guidance;
mod in_the_loop;
mod lattice;
mod learn;
mod learned;
mod models;
mod noise;
mod progress;
mod reverse;
mod smoothing;
mod target;
mod watched;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::arrays::PyStreams;
    #[pymodule_export]
    use super::denoiser::{PyDenoiser, convert_scores};
    #[pymodule_export]
    use super::dense::{PyDenseLaw, distances, generator_matrix, kernel_matrix};
    #[pymodule_export]
    use super::glauber::{PySiteConditionals, PyTokenNoise};
    #[pymodule_export]
    use super::guidance::{PyClassified, PyGuided};
    #[pymodule_export]
    use super::in_the_loop::{fit_in_the_loop, snake_order};
    #[pymodule_export]
    use super::lattice::{PyBoundaryMps, PyFredkin, PyFredkinModel, PyIsing, PyPairModel, PySnakeMps, py_contract};
    #[pymodule_export]
    use super::learn::{fit_born, fit_glauber, fit_positive, fit_ratio_matching};
    #[pymodule_export]
    use super::learned::{
        PyConditionalTables, PyGlauberWindow, PyOperatorScores, PySoftmaxDenoiser, PySymmetry, py_windows,
    };
    #[pymodule_export]
    use super::models::{PyAutomaton, PyBornMps, PyKernelMixture, PyLabelled, PyPermuted, PyPositiveMps, py_pinned};
    #[pymodule_export]
    use super::noise::{PyKernel, PyNoise, PySchedule};
    #[pymodule_export]
    use super::reverse::{
        PyBridge, PyTimeGrid, exact_paths, exact_start, prior_law, prior_start, signal, time_of_signal,
    };
    #[pymodule_export]
    use super::smoothing::PySmoothing;
    #[pymodule_export]
    use super::target::{PyDraws, PyModel, PyTarget};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
