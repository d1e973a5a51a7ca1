//! Configurations as `.npy` files.

use std::path::Path;

use ndarray::Array2;

use super::files::{format_error, read_whole, write_whole};
use super::npy;
use crate::error::Result;
use crate::model::Configs;

/// Writes configurations, shape `(samples, sites)`, as a `.npy` file of unsigned bytes.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File); the old file, if any, is then untouched.
pub fn write_samples(path: impl AsRef<Path>, x: Configs<'_>) -> Result<()> {
    write_whole(path.as_ref(), &npy::write(x))
}

/// Reads configurations, shape `(samples, sites)`, from a `.npy` file of integers of any size and byte order,
/// or booleans.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File); [`Error::Format`](crate::error::Error::Format) for a file that
/// is cut off, longer than it says, or of another type or shape, and for a number that is no state (0 to
/// 255), naming its row and site.
pub fn read_samples(path: impl AsRef<Path>) -> Result<Array2<u8>> {
    let path = path.as_ref();
    npy::read(&read_whole(path)?).map_err(|reason| format_error(path, reason))
}
