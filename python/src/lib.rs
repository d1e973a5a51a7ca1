//! The extension module `tensorjump._core`: conversion and docstrings over the crate, nothing that computes.

// Classes of Python are looked at by their `__repr__`.
#![allow(missing_debug_implementations)]

mod arrays;
mod callables;
mod chains;
mod diagnostics;
mod errors;
mod fredkin;
mod lattice;
mod lattice_draws;
mod mcmc;
mod models;
mod mps;
mod noise;
mod probe;
mod target;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::arrays::PyStreams;
    #[pymodule_export]
    use super::chains::{_run, PyChains, PyReplicas, PyTempering};
    #[pymodule_export]
    use super::diagnostics::{
        _importance, _importance_mean, py_autocorrelation, py_bridge, py_missing_mass, py_series_mean, py_split_r_hat,
    };
    #[pymodule_export]
    use super::fredkin::{PyFredkin, PyFredkinModel};
    #[pymodule_export]
    use super::lattice::{PyIsing, PyPairModel, py_contract};
    #[pymodule_export]
    use super::lattice_draws::{PyBoundaryMps, PySnakeMps};
    #[pymodule_export]
    use super::mcmc::{PyMove, PyProposal};
    #[pymodule_export]
    use super::models::{PyAutomaton, PyKernelMixture, PyLabelled, PyPermuted, py_pinned};
    #[pymodule_export]
    use super::mps::{PyBornMps, PyPositiveMps};
    #[pymodule_export]
    use super::noise::{PyKernel, PyNoise, PySchedule};
    #[pymodule_export]
    use super::probe::{_address, _made, _seconds};
    #[pymodule_export]
    use super::target::{PyDenseLaw, PyDraws, PyModel, PyTarget};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
