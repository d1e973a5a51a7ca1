//! Files that are there whole or not at all, and what is said about those that are not.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::error::{Cause, Error, Result};

pub(super) fn file_error(path: &Path, error: std::io::Error) -> Error {
    Error::File { path: path.to_path_buf(), source: Cause::new(error) }
}

pub(super) fn format_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Format { path: path.to_path_buf(), reason: reason.to_string() }
}

/// All bytes of a file: nothing that reads them allocates by what they claim.
pub(super) fn read_whole(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| file_error(path, e))
}

/// Writes a file beside its place, syncs it and renames it.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(file_error(path, std::io::Error::new(ErrorKind::InvalidInput, "not the name of a file")));
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // One name for all attempts: what a killed run left behind is overwritten.
    let part = folder.join(format!(".{}.part", name.to_string_lossy()));
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        // The new name itself is on disk only when the folder is; some systems cannot sync folders.
        File::open(folder).and_then(|folder| folder.sync_all()).or(Ok(()))
    };
    write().map_err(|error: std::io::Error| file_error(path, error))
}
