//! The one error type of the library: every variant names the field and the value that is wrong.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Result with the library's [`enum@Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of somebody else, kept as it is. Two are equal where they are the same object.
#[derive(Debug, Clone)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    pub(crate) fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Cause(Arc::from(source.into()))
    }

    /// The error itself, to be downcast.
    pub fn get(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The value of a parameter that is not allowed: a number stays one, for whoever hands the error on.
///
/// ```
/// use tensorjump::{Error, Value, lattice::Fredkin};
///
/// let Err(Error::Parameter { name, value, .. }) = Fredkin::new(7, 0.5) else { unreachable!() };
/// assert_eq!((name, &value), ("sites", &Value::from(7)));
/// assert_eq!(value.to_string(), "7");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Value {
    /// An integer.
    Int(i128),
    /// A floating-point number.
    Float(f64),
    /// Anything else, printed.
    Text(String),
}

/// NaN equals NaN here: it is the same value that is refused.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Float(a), Value::Float(b)) => a == b || a.is_nan() && b.is_nan(),
            (Value::Text(a), Value::Text(b)) => a == b,
            _ => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Int(value) => value.fmt(f),
            // 1e300, and not 301 digits.
            Value::Float(value) if *value != 0.0 && value.is_finite() && !(1e-5..1e16).contains(&value.abs()) => {
                write!(f, "{value:e}")
            }
            Value::Float(value) => value.fmt(f),
            Value::Text(value) => value.fmt(f),
        }
    }
}

macro_rules! value_from {
    ($($number:ty => $variant:ident),*) => {
        $(impl From<$number> for Value {
            fn from(value: $number) -> Self {
                Value::$variant(value.into())
            }
        })*
    };
}

value_from!(u8 => Int, u32 => Int, u64 => Int, i32 => Int, i64 => Int, f64 => Float, &str => Text, String => Text);

impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Value::Int(value as i128)
    }
}

impl<T: Copy + Into<Value>> From<&T> for Value {
    fn from(value: &T) -> Self {
        (*value).into()
    }
}

/// What can be wrong with an input, or with a computation that claims to be exact.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration, tensor train or table has the wrong number of sites.
    #[error("wrong number of sites: expected {expected}, got {got}")]
    SiteCount {
        /// Sites of the model or kernel.
        expected: usize,
        /// Sites of the argument.
        got: usize,
    },
    /// An argument with rows has the wrong number of samples.
    #[error("wrong number of samples: expected {expected}, got {got}")]
    SampleCount {
        /// Samples asked for.
        expected: usize,
        /// Rows of the argument.
        got: usize,
    },
    /// Fewer samples than an estimate needs.
    #[error("too few samples: at least {needed} needed, got {got}")]
    TooFewSamples {
        /// Least number of samples.
        needed: usize,
        /// Samples given.
        got: usize,
    },
    /// A state is not below the local dimension of its site.
    #[error("state {state} at row {row}, site {site} is out of range: the site has {dim} states")]
    StateOutOfRange {
        /// Row of the batch.
        row: usize,
        /// Site.
        site: usize,
        /// The offending state.
        state: usize,
        /// Local dimension of the site.
        dim: usize,
    },
    /// Local dimensions of two objects disagree at a site.
    #[error("local dimension at site {site}: expected {expected}, got {got}")]
    LocalDimension {
        /// Site.
        site: usize,
        /// Dimension of the first object.
        expected: usize,
        /// Dimension of the second object.
        got: usize,
    },
    /// An array has the wrong shape.
    #[error("{field} has shape {got:?}, expected {expected:?}")]
    Shape {
        /// Name of the argument.
        field: &'static str,
        /// Shape required.
        expected: Vec<usize>,
        /// Shape given.
        got: Vec<usize>,
    },
    /// A number is NaN or infinite.
    #[error("{field} at site {site} is not finite: {value}")]
    NotFinite {
        /// Name of the argument.
        field: &'static str,
        /// Site (or index) of the number.
        site: usize,
        /// The number.
        value: f64,
    },
    /// A weight, rate or probability is negative.
    #[error("{field} at site {site} is negative: {value}")]
    Negative {
        /// Name of the argument.
        field: &'static str,
        /// Site (or index) of the number.
        site: usize,
        /// The number.
        value: f64,
    },
    /// A row of a rate matrix does not sum to zero, or of a kernel not to one.
    #[error("{field} at site {site}, row {row} sums to {sum}, expected {expected}")]
    NotStochastic {
        /// `"rates"` or `"kernel"`.
        field: &'static str,
        /// Site.
        site: usize,
        /// Row of the matrix.
        row: usize,
        /// The sum found.
        sum: f64,
        /// The sum required.
        expected: f64,
    },
    /// Times out of order.
    #[error("times out of order: need s <= t, got s = {s}, t = {t}")]
    TimeOrder {
        /// Earlier time.
        s: f64,
        /// Later time.
        t: f64,
    },
    /// A parameter lies outside its domain.
    #[error("{name} = {value} is not allowed: {expected}")]
    Parameter {
        /// Name of the parameter.
        name: &'static str,
        /// Its value.
        value: Value,
        /// What is allowed.
        expected: &'static str,
    },
    /// Conditioning on something of probability zero.
    #[error("row {row} has evidence of probability zero")]
    ZeroEvidence {
        /// Row of the batch.
        row: usize,
    },
    /// A law or state whose total weight is zero.
    #[error("{what} has total weight zero")]
    ZeroWeight {
        /// Which object.
        what: &'static str,
    },
    /// A log-weight came out as NaN or +∞.
    #[error("log-weight of row {row} is {value}")]
    LogWeight {
        /// Row of the batch.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A matrix decomposition, or a contraction compared with itself, did not converge. Of a boundary law:
    /// try a larger χ, or [`BoundaryMps::proposal`](crate::lattice::BoundaryMps::proposal) for moves
    /// with an acceptance test.
    #[error("{what} did not converge")]
    NoConvergence {
        /// Which decomposition.
        what: &'static str,
    },
    /// A linear map that has to be undone has no inverse, or the data do not determine the answer.
    #[error("{what} at site {site} cannot be inverted")]
    NotInvertible {
        /// Which map.
        what: &'static str,
        /// Site.
        site: usize,
    },
    /// A rate of a jump process above the bound under which it was to be simulated.
    #[error("rate {rate} of row {row} at time {time} exceeds its bound {bound}")]
    RateBound {
        /// Row of the batch.
        row: usize,
        /// Time.
        time: f64,
        /// Total rate, over the schedule's factor.
        rate: f64,
        /// The bound.
        bound: f64,
    },
    /// An entry of a lattice table is not allowed; the place is named as in a coupling file.
    #[error("{place} = {value} is not allowed: {expected}")]
    Entry {
        /// Where, for example `horizontal[3][2]`.
        place: String,
        /// The entry.
        value: f64,
        /// What is allowed.
        expected: &'static str,
    },
    /// A list of a lattice table has the wrong length; the place is named as in a coupling file.
    #[error("{place} has {got} entries, expected {expected}")]
    Entries {
        /// Where, for example `horizontal[3]`.
        place: String,
        /// Entries required.
        expected: usize,
        /// Entries given.
        got: usize,
    },
    /// A lattice model without any allowed configuration.
    #[error("no configuration is allowed: the constraints leave no state at site ({row}, {col})")]
    NoConfiguration {
        /// Row of a site that is left without a state.
        row: usize,
        /// Column of that site.
        col: usize,
    },
    /// The rows of a table of samples differ in length.
    #[error("row {row} has {got} sites, the first row has {expected}")]
    RowLength {
        /// Row of the table.
        row: usize,
        /// Sites of the first row.
        expected: usize,
        /// Sites of this row.
        got: usize,
    },
    /// All samples are the same configuration: they say nothing about a law.
    #[error("all {samples} samples are the same configuration")]
    IdenticalSamples {
        /// Samples of non-zero weight.
        samples: usize,
    },
    /// A file could not be read or written.
    #[error("file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said, a [`std::io::Error`].
        source: Cause,
    },
    /// A file that is cut off, damaged, of another kind, or of another run.
    #[error("file {} is not usable: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Work that was asked to stop, see [`learn::Interrupt`](crate::learn::Interrupt), before there was
    /// anything to return.
    #[error("interrupted")]
    Interrupted,
    /// Work over several processes that failed on another one, which has the error itself, see
    /// [`ranks`](crate::ranks).
    #[error("rank {rank} has failed")]
    Rank {
        /// The first rank that failed.
        rank: usize,
    },
    /// A function that the user gave has failed: a target, an observable, a denoiser, a callback.
    #[error("{what} failed: {source}")]
    Callable {
        /// Which function.
        what: &'static str,
        /// Its own error.
        source: Cause,
    },
    /// An enumeration or dense object would be larger than its guard allows.
    #[error("{what} would need {size} entries, the limit is {limit}")]
    TooLarge {
        /// Which object.
        what: &'static str,
        /// Entries needed (saturating).
        size: usize,
        /// The guard.
        limit: usize,
    },
}

impl Error {
    /// The error of a function that the user gave: what a foreign [`Target`](crate::model::Target) or
    /// denoiser returns.
    ///
    /// ```
    /// let error = tensorjump::Error::callable("log-weight", std::io::Error::other("lost the connection"));
    /// assert_eq!(error.to_string(), "log-weight failed: lost the connection");
    /// ```
    pub fn callable(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Callable { what, source: Cause::new(source) }
    }

    /// Shorthand for [`Error::Parameter`].
    pub(crate) fn parameter(name: &'static str, value: impl Into<Value>, expected: &'static str) -> Self {
        Error::Parameter { name, value: value.into(), expected }
    }
}
