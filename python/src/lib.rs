//! The extension module `tensorjump._core`: conversion and docstrings over the crate, nothing that computes.

// Python objects show themselves by `__repr__`.
#![allow(missing_debug_implementations)]

mod arrays;
mod bases;
mod callables;
mod chains;
mod cubic;
mod denoiser;
mod dense;
mod diagnostics;
mod errors;
mod faces;
mod fredkin;
mod given;
mod glauber;
mod guidance;
mod in_the_loop;
mod lattice;
mod lattice_draws;
mod learn;
mod learned;
mod mcmc;
mod models;
mod mps;
mod noise;
mod pair_model;
mod probe;
mod progress;
mod ranks;
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
    use super::chains::{_run, _temper, PyChains, PyReplicas, PyTempering};
    #[pymodule_export]
    use super::cubic::PyCubicBits;
    #[pymodule_export]
    use super::denoiser::PyDenoiser;
    #[pymodule_export]
    use super::dense::{PyDenseLaw, distances, generator_matrix, kernel_matrix};
    #[pymodule_export]
    use super::diagnostics::{
        _importance, _importance_mean, py_autocorrelation, py_bridge, py_jackknife, py_missing_mass, py_series_mean,
        py_split_r_hat,
    };
    #[pymodule_export]
    use super::faces::convert_scores;
    #[pymodule_export]
    use super::fredkin::{PyFredkin, PyFredkinModel};
    #[pymodule_export]
    use super::glauber::{PySiteConditionals, PyTokenNoise};
    #[pymodule_export]
    use super::guidance::{PyClassified, PyGuided};
    #[pymodule_export]
    use super::in_the_loop::{fit_in_the_loop, snake_order};
    #[pymodule_export]
    use super::lattice::{PyIsing, py_contract};
    #[pymodule_export]
    use super::lattice_draws::{PyBoundaryMps, PySnakeMps};
    #[pymodule_export]
    use super::learn::{fit_born, fit_glauber, fit_positive, fit_ratio_matching};
    #[pymodule_export]
    use super::learned::{
        PyConditionalTables, PyGlauberWindow, PyOperatorScores, PySoftmaxDenoiser, PySymmetry, py_windows,
    };
    #[pymodule_export]
    use super::mcmc::{PyMove, PyProposal};
    #[pymodule_export]
    use super::models::{PyAutomaton, PyKernelMixture, PyLabelled, PyPermuted, py_pinned};
    #[pymodule_export]
    use super::mps::{PyBornMps, PyPositiveMps};
    #[pymodule_export]
    use super::noise::{PyKernel, PyNoise, PySchedule};
    #[pymodule_export]
    use super::pair_model::PyPairModel;
    #[pymodule_export]
    use super::probe::{_address, _made, _seconds};
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
