//! Progress of long work: told to a callable, which may end it, as Ctrl-C does.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::callables::take_interrupt;

/// Tells a Python callable what was done, looks at signals, and keeps what was raised.
pub struct Teller {
    callback: Option<Py<PyAny>>,
    raised: Option<PyErr>,
    last: Option<Instant>,
}

impl Teller {
    pub fn new(callback: Option<Py<PyAny>>) -> Self {
        Teller { callback, raised: None, last: None }
    }

    /// Breaks where the callable answers False or raises, and by Ctrl-C.
    pub fn tell<'a>(&mut self, what: impl FnOnce(Python<'_>) -> PyResult<Bound<'_, PyAny>> + 'a) -> ControlFlow<()> {
        self.last = Some(Instant::now());
        let on = Python::attach(|py| -> PyResult<bool> {
            if take_interrupt() {
                return Err(PyKeyboardInterrupt::new_err(()));
            }
            py.check_signals()?;
            let Some(callback) = &self.callback else { return Ok(true) };
            let answer = callback.bind(py).call1((what(py)?,))?;
            Ok(!answer.is(PyBool::new(py, false)))
        });
        match on {
            Ok(true) => return ControlFlow::Continue(()),
            Ok(false) => {}
            Err(error) => self.raised = Some(error),
        }
        ControlFlow::Break(())
    }

    /// Whether it is time to tell again, some twenty times a second: for work of many short steps.
    pub fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() > Duration::from_millis(50))
    }

    /// What was raised, for the caller to decide about.
    pub fn raised(self) -> Option<PyErr> {
        self.raised
    }
}
