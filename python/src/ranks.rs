//! The ranks of an mpi4py communicator, or of whatever has its `rank`, `size` and `allgather`.

use numpy::{PyReadonlyArray1, ToPyArray};
use pyo3::prelude::*;
use tensorjump::ranks::Ranks;
use tensorjump::{Error, Result};

use crate::errors::through;

/// A communicator; without one, this process alone.
pub struct PyRanks {
    communicator: Option<Py<PyAny>>,
    rank: usize,
    size: usize,
}

impl PyRanks {
    /// Asks a communicator for its rank and size, by attribute or by method.
    pub fn of(communicator: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        let Some(communicator) = communicator else { return Ok(PyRanks { communicator: None, rank: 0, size: 1 }) };
        let number = |name: &str| -> PyResult<usize> {
            match communicator.getattr(name) {
                Ok(number) => number.extract(),
                Err(_) => communicator.call_method0(format!("Get_{name}").as_str())?.extract(),
            }
        };
        let (rank, size) = (number("rank")?, number("size")?);
        Ok(PyRanks { communicator: Some(communicator.unbind()), rank, size })
    }

    /// Whether no communicator was given.
    pub fn alone(&self) -> bool {
        self.communicator.is_none()
    }
}

impl Ranks for PyRanks {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
        let Some(communicator) = &self.communicator else { return Ok(vec![mine.to_vec()]) };
        Python::attach(|py| {
            let all = communicator.bind(py).call_method1("allgather", (mine.to_pyarray(py),))?;
            let numbers = |one: PyResult<Bound<'_, PyAny>>| -> PyResult<Vec<f64>> {
                Ok(one?.extract::<PyReadonlyArray1<'_, f64>>()?.as_array().to_vec())
            };
            all.try_iter()?.map(numbers).collect::<PyResult<Vec<_>>>()
        })
        .map_err(|error| -> Error { through("allgather", error) })
    }
}
