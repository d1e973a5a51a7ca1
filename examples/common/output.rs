//! Files that are there whole or not at all, and standard output that may be closed.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Failure;

/// A folder to write to, known to be writable.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates the folder where needed and tries it, before any work is done for it.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let folder = Folder { path: path.to_owned() };
        let trial = folder.beside("trial");
        fs::create_dir_all(path)
            .and_then(|()| fs::write(&trial, b""))
            .and_then(|()| fs::remove_file(&trial))
            .map_err(|error| format!("--out {}: cannot write there: {error}", path.display()))?;
        Ok(folder)
    }

    /// The name under which a file is written before it gets its own.
    fn beside(&self, name: &str) -> PathBuf {
        self.path.join(format!(".{name}.{}.part", std::process::id()))
    }

    /// Writes all files beside their places and then renames them: a failure leaves no file half-written.
    pub fn write(&self, files: &[(&str, String)]) -> Result<Vec<PathBuf>, Failure> {
        let write_all = || -> Result<Vec<PathBuf>, (PathBuf, io::Error)> {
            for (name, content) in files {
                let part = self.beside(name);
                let written = fs::File::create(&part).and_then(|mut file| {
                    file.write_all(content.as_bytes())?;
                    file.sync_all()
                });
                written.map_err(|error| (self.path.join(name), error))?;
            }
            let rename = |(name, _): &(&str, String)| {
                let place = self.path.join(name);
                fs::rename(self.beside(name), &place).map_err(|error| (place.clone(), error))?;
                Ok(place)
            };
            files.iter().map(rename).collect()
        };
        write_all().map_err(|(place, error)| {
            for (name, _) in files {
                let _ = fs::remove_file(self.beside(name)); // what is left of the attempt
            }
            format!("cannot write {}: {error}", place.display()).into()
        })
    }
}

/// Prints the results, then draws the pictures where there is a folder for them: a full disk loses no
/// results.
pub fn finish(
    text: &str,
    folder: Option<&Folder>,
    pictures: impl FnOnce() -> Result<Vec<(&'static str, String)>, Failure>,
) -> Result<(), Failure> {
    print(text)?;
    let Some(folder) = folder else { return Ok(()) };
    for place in folder.write(&pictures()?)? {
        eprintln!("wrote {}", place.display());
    }
    Ok(())
}

/// Prints a text to standard output; a reader that has gone away is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}").into()),
        _ => Ok(()),
    }
}
