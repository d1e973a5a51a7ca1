//! The extension module `tensorjump._core`: conversion and docstrings over the crate, nothing that computes.

mod arrays;
mod bases;
mod callables;
mod errors;
mod lattice;
mod models;
mod noise;
mod target;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::arrays::PyStreams;
    #[pymodule_export]
    use super::lattice::{PyBoundaryMps, PyFredkin, PyFredkinModel, PyIsing, PyPairModel, PySnakeMps, py_contract};
    #[pymodule_export]
    use super::models::{PyAutomaton, PyBornMps, PyKernelMixture, PyLabelled, PyPermuted, PyPositiveMps, py_pinned};
    #[pymodule_export]
    use super::noise::{PyKernel, PyNoise, PySchedule};
    #[pymodule_export]
    use super::target::{PyDenseLaw, PyDraws, PyModel, PyTarget};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(m: &Bound<'_, PyModule>) -> PyResult<()> {
        m.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
