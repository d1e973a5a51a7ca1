//! Long work that tells Python how far it is, and that Ctrl-C ends.
//!
//! Learning ([`told`]) runs on a thread of its own, so that the calling one, the only one that sees signals,
//! looks at them all the time. Chains ([`Watch`]) have short updates and stay on the calling thread.
//! Callbacks are called on the calling thread by both.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyBool;
use tensorjump::Result;
use tensorjump::learn::Interrupt;

use crate::callables::take_interrupt;
use crate::errors::raise;

/// Makes what a callback is told.
type Told = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;

/// The end of the work at which rounds are told.
pub struct Teller {
    line: Option<(Sender<Told>, Receiver<bool>)>,
}

impl Teller {
    /// Waits for the callback; breaks where it answers False or raises.
    pub fn tell(
        &mut self,
        what: impl for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send + 'static,
    ) -> ControlFlow<()> {
        let Some((asks, answers)) = &self.line else { return ControlFlow::Continue(()) };
        match asks.send(Box::new(what)).is_ok() && answers.recv().unwrap_or(false) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    }
}

/// Whether to go on, by what the callback answers.
fn answer(py: Python<'_>, callback: &Option<Py<PyAny>>, what: Told) -> PyResult<bool> {
    let Some(callback) = callback else { return Ok(true) };
    Ok(!is_false(&callback.bind(py).call1((what(py)?,))?))
}

/// Whether an answer is False, NumPy's too; None, and whatever else callables return, is not.
fn is_false(answer: &Bound<'_, PyAny>) -> bool {
    let numpy = || answer.get_type().name().is_ok_and(|name| name == "bool" || name == "bool_");
    answer.is(PyBool::new(answer.py(), false)) || numpy() && answer.is_truthy().is_ok_and(|yes| !yes)
}

/// Does `work`, which tells its rounds and looks at the interrupt; returns with it the exception that stopped
/// it, KeyboardInterrupt or what the callback raised. Where the work itself failed its error is raised, or
/// that exception if it came first.
pub fn told<T: Send>(
    py: Python<'_>,
    callback: Option<Py<PyAny>>,
    work: impl FnOnce(Interrupt, Teller) -> Result<T> + Send,
) -> PyResult<(T, Option<PyErr>)> {
    let (asks, mut asked) = channel();
    let (answers, answered) = channel();
    let (interrupt, mut raised) = (Interrupt::default(), None);
    let done = std::thread::scope(|scope| {
        let (flag, silent) = (interrupt.clone(), callback.is_none());
        let worker = scope.spawn(move || {
            // The sender lives until the work ends: the other side waits for that.
            let open = asks.clone();
            let teller = Teller { line: if silent { None } else { Some((asks, answered)) } };
            let done = tensorjump::fork::run(|| work(flag, teller)).and_then(|done| done);
            drop(open);
            done
        });
        loop {
            let next = py.detach(|| {
                let next = asked.recv_timeout(Duration::from_millis(50));
                (asked, next)
            });
            asked = next.0;
            let on = match next.1 {
                Ok(what) => answer(py, &callback, what).map(Some),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let signals = py.check_signals();
            if signals.is_err() {
                interrupt.ask();
            }
            let go_on = *on.as_ref().unwrap_or(&Some(false));
            for error in [on.err(), signals.err()].into_iter().flatten() {
                raised.get_or_insert(error);
            }
            if let Some(go_on) = go_on {
                // The work may have ended meanwhile.
                let _ = answers.send(go_on && raised.is_none());
            }
        }
        py.detach(|| worker.join())
    });
    match (done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)), raised) {
        (Ok(done), raised) => Ok((done, raised)),
        (Err(tensorjump::Error::Interrupted), Some(raised)) => Err(raised),
        (Err(error), _) => Err(raise(error)),
    }
}

/// Of work that stays on the calling thread, since its observables may have to (pictures, GPU libraries):
/// tells a callable what was done, looks at signals between updates, and keeps what was raised.
pub struct Watch {
    callback: Option<Py<PyAny>>,
    raised: Option<PyErr>,
    last: Option<Instant>,
}

impl Watch {
    pub fn new(callback: Option<Py<PyAny>>) -> Self {
        Watch { callback, raised: None, last: None }
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
            Ok(!is_false(&answer))
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
