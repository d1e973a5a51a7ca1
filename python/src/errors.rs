//! Errors of the library as Python exceptions with their fields as attributes, and Python exceptions through
//! the library.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tensorjump::{Error, Value};

/// What a Python callable raised, on its way through the library.
pub fn through(what: &'static str, error: PyErr) -> Error {
    Error::callable(what, error)
}

/// The exception for an error of the library: the original one where it came from Python.
pub fn raise(error: Error) -> PyErr {
    if let Error::Callable { source, .. } = &error
        && let Some(raised) = source.get().downcast_ref::<PyErr>()
    {
        return Python::attach(|py| raised.clone_ref(py));
    }
    Python::attach(|py| made(py, &error).unwrap_or_else(|e| e))
}

/// A complaint of the binding itself, of the same kind as those of the library.
pub fn refuse(name: &str, value: impl ToString, expected: &str) -> PyErr {
    let (value, message) = (value.to_string(), format!("{name} = {} is not allowed: {expected}", value.to_string()));
    Python::attach(|py| {
        let fields = PyDict::new(py);
        let filled = fields.set_item("name", name).and(fields.set_item("value", value));
        filled
            .and(fields.set_item("expected", expected))
            .and_then(|()| exception(py, "ParameterError", &message, &fields))
    })
    .unwrap_or_else(|e| e)
}

/// An array of the wrong shape.
pub fn misshapen(field: &str, expected: &str, got: &[usize]) -> PyErr {
    let message = format!("{field} has shape {got:?}, expected {expected}");
    Python::attach(|py| {
        let fields = PyDict::new(py);
        let filled = fields.set_item("field", field).and(fields.set_item("expected", expected));
        filled.and(fields.set_item("got", got.to_vec())).and_then(|()| exception(py, "ShapeError", &message, &fields))
    })
    .unwrap_or_else(|e| e)
}

fn exception(py: Python<'_>, class: &str, message: &str, fields: &Bound<'_, PyDict>) -> PyResult<PyErr> {
    let class = py.import("tensorjump._errors")?.getattr(class)?;
    let raised = class.call1((message,))?;
    for (name, value) in fields {
        raised.setattr(name.cast::<pyo3::types::PyString>()?, value)?;
    }
    Ok(PyErr::from_value(raised))
}

fn made(py: Python<'_>, error: &Error) -> PyResult<PyErr> {
    let f = PyDict::new(py);
    macro_rules! fields {
        ($class:literal, $($name:ident),*) => {{
            $(f.set_item(stringify!($name), $name.to_owned())?;)*
            $class
        }};
    }
    let class = match error {
        Error::SiteCount { expected, got } => fields!("ShapeError", expected, got),
        Error::SampleCount { expected, got } => fields!("ShapeError", expected, got),
        Error::TooFewSamples { needed, got } => fields!("SamplesError", needed, got),
        Error::StateOutOfRange { row, site, state, dim } => fields!("StateError", row, site, state, dim),
        Error::LocalDimension { site, expected, got } => fields!("ShapeError", site, expected, got),
        Error::Shape { field, expected, got } => fields!("ShapeError", field, expected, got),
        Error::NotFinite { field, site, value } => fields!("NumberError", field, site, value),
        Error::Negative { field, site, value } => fields!("NumberError", field, site, value),
        Error::NotStochastic { field, site, row, sum, expected } => {
            fields!("NumberError", field, site, row, sum, expected)
        }
        Error::TimeOrder { s, t } => fields!("ParameterError", s, t),
        Error::Parameter { name, value, expected } => {
            let value = match value {
                Value::Int(value) => value.into_pyobject(py)?.into_any(),
                Value::Float(value) => value.into_pyobject(py)?.into_any(),
                value => value.to_string().into_pyobject(py)?.into_any(),
            };
            fields!("ParameterError", name, value, expected)
        }
        Error::ZeroEvidence { row } => fields!("ZeroEvidenceError", row),
        Error::ZeroWeight { what } => fields!("ZeroEvidenceError", what),
        Error::LogWeight { row, value } => fields!("NumberError", row, value),
        Error::NoConvergence { what } => fields!("ConvergenceError", what),
        Error::NotInvertible { what, site } => fields!("ConvergenceError", what, site),
        Error::RateBound { row, time, rate, bound } => fields!("NumberError", row, time, rate, bound),
        Error::Entry { place, value, expected } => fields!("ParameterError", place, value, expected),
        Error::Entries { place, expected, got } => fields!("ShapeError", place, expected, got),
        Error::NoConfiguration { row, col } => fields!("ZeroEvidenceError", row, col),
        Error::RowLength { row, expected, got } => fields!("ShapeError", row, expected, got),
        Error::IdenticalSamples { samples } => fields!("SamplesError", samples),
        Error::File { path, source } => {
            let reason = source.to_string();
            fields!("FileError", path, reason)
        }
        Error::Format { path, reason } => fields!("FormatError", path, reason),
        Error::Rank { rank } => fields!("RankError", rank),
        Error::Callable { what, .. } => fields!("TensorJumpError", what),
        Error::TooLarge { what, size, limit } => fields!("TooLargeError", what, size, limit),
        _ => "TensorJumpError",
    };
    exception(py, class, &error.to_string(), &f)
}
