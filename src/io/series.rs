//! Series that grow: `.npy` files of real numbers, rows first, that can be read while they are written.
//!
//! A row is written behind the others, then the header, whose length does not depend on the number of rows:
//! whoever reads in between finds the rows that the header tells of. Whoever is killed in between leaves a
//! piece of a row that nothing tells of.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::files::{file_error, format_error};
use super::npy;
use crate::error::Result;

/// A file of rows, each of the same shape, in the hands of one writer.
#[derive(Debug)]
pub(crate) struct SeriesFile {
    path: PathBuf,
    file: File,
    /// Shape of a row.
    row: Vec<usize>,
}

impl SeriesFile {
    /// Begins a file without rows, in place of another.
    pub(crate) fn create(path: &Path, row: &[usize]) -> Result<Self> {
        let mut series = SeriesFile::open(path, row, true)?;
        series.cut(0)?;
        Ok(series)
    }

    /// Takes up a file of at least `rows` rows, forgets those behind, and returns the numbers of the others.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File); [`Error::Format`](crate::Error::Format) for fewer rows and for
    /// rows of another shape; the file is then untouched.
    pub(crate) fn resume(path: &Path, row: &[usize], rows: usize) -> Result<(Self, Vec<f64>)> {
        let mut series = SeriesFile::open(path, row, false)?;
        let start = npy::growing_header(rows, row).len();
        let size = series.end(rows).ok_or_else(|| format_error(path, format!("fewer than {rows} records")))?;
        // Nothing is allocated that the file does not hold.
        let held = series.file.metadata().map_err(|e| file_error(path, e))?.len();
        let mut bytes = vec![];
        (&series.file).take(size).read_to_end(&mut bytes).map_err(|e| file_error(path, e))?;
        let said = npy::header(&bytes).map_err(|reason| format_error(path, reason))?;
        let (found, shape) = said.shape.split_first().map_or((0, &[][..]), |(&n, shape)| (n, shape));
        if (said.descr, said.fortran, shape, said.start) != ("<f8", false, row, start) {
            return Err(format_error(path, format!("rows of shape {shape:?} of `{}`, expected {row:?}", said.descr)));
        }
        if found < rows || held < size {
            return Err(format_error(path, format!("{found} records, {rows} belong to the checkpoint beside it")));
        }
        let values = bytes[start..].as_chunks().0.iter().map(|&b| f64::from_le_bytes(b)).collect();
        series.cut(rows)?;
        Ok((series, values))
    }

    /// Opens the file, or makes it, and keeps other writers out.
    fn open(path: &Path, row: &[usize], create: bool) -> Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(create).truncate(false).open(path);
        let file = file.map_err(|e| file_error(path, e))?;
        // Elsewhere a lock keeps out readers too. File systems that know no locks are taken as they are.
        #[cfg(unix)]
        if is_locked(&file) {
            return Err(format_error(path, "another run is writing to it"));
        }
        Ok(SeriesFile { path: path.to_owned(), file, row: row.to_vec() })
    }

    /// Bytes of a file of so many rows.
    fn end(&self, rows: usize) -> Option<u64> {
        let numbers = self.row.iter().try_fold(rows, |n, &axis| n.checked_mul(axis))?;
        (numbers as u64).checked_mul(8)?.checked_add(npy::growing_header(rows, &self.row).len() as u64)
    }

    /// Puts the end behind so many rows.
    fn cut(&mut self, rows: usize) -> Result<()> {
        // The header first: it never tells of rows that are not there.
        let cut = self.put(0, &npy::growing_header(rows, &self.row));
        let cut = cut.and_then(|()| self.file.set_len(self.end(rows).unwrap_or(u64::MAX)));
        cut.map_err(|e| file_error(&self.path, e))
    }

    fn put(&mut self, at: u64, bytes: &[u8]) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)
    }

    /// Writes the row that follows `rows` others. After an error the file tells of those others as before.
    pub(crate) fn append(&mut self, rows: usize, values: &[f64]) -> Result<()> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let header = npy::growing_header(rows + 1, &self.row);
        let put = self.put(self.end(rows).unwrap_or(u64::MAX), &bytes).and_then(|()| self.put(0, &header));
        put.map_err(|e| file_error(&self.path, e))
    }

    /// Waits until everything is on disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|e| file_error(&self.path, e))
    }
}

/// Whether somebody else holds the file for a second. A process that starts another one lends it its locks
/// until that one is another program: a run that has ended may seem to hold its files for a moment.
#[cfg(unix)]
fn is_locked(file: &File) -> bool {
    const TRIES: u32 = 100;
    (0..TRIES).all(|_| {
        let held = matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        if held {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        held
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tensorjump series {name} {}", std::process::id()))
    }

    fn row(k: usize) -> [f64; 6] {
        std::array::from_fn(|i| (k * 6 + i) as f64 + 0.1)
    }

    #[test]
    fn the_header_is_that_of_numpy_with_spaces_before_the_rows() {
        let header = growing_header_text(1234);
        assert_eq!(
            header.trim_end(),
            "{'descr': '<f8', 'fortran_order': False, 'shape': (                1234, 2, 3,), }"
        );
        // Its length is that of the largest number of rows, and numbers begin at a multiple of 64.
        assert_eq!(npy::growing_header(usize::MAX, &[2, 3]).len(), npy::growing_header(0, &[2, 3]).len());
        assert!(npy::growing_header(0, &[2, 3]).len().is_multiple_of(64));
    }

    fn growing_header_text(rows: usize) -> String {
        String::from_utf8(npy::growing_header(rows, &[2, 3])[10..].to_vec()).unwrap()
    }

    #[test]
    fn files_are_cut_back_and_continued() {
        let at = path("cut");
        let mut series = SeriesFile::create(&at, &[2, 3]).unwrap();
        (0..7).for_each(|k| series.append(k, &row(k)).unwrap());
        let whole = fs::read(&at).unwrap();
        // Only one writer at a time.
        #[cfg(unix)]
        assert!(matches!(SeriesFile::resume(&at, &[2, 3], 3), Err(crate::Error::Format { .. })));
        drop(series);
        // A piece of a row that was being written.
        fs::write(&at, [&whole[..], &[1, 2, 3]].concat()).unwrap();
        let (mut series, values) = SeriesFile::resume(&at, &[2, 3], 4).unwrap();
        assert_eq!(values, (0..4).flat_map(row).collect::<Vec<_>>());
        assert_eq!(fs::read(&at).unwrap().len(), whole.len() - 3 * 48);
        (4..7).for_each(|k| series.append(k, &row(k)).unwrap());
        assert_eq!(fs::read(&at).unwrap(), whole);
        fs::remove_file(at).unwrap();
    }

    #[test]
    fn files_that_hold_less_or_something_else_are_refused_and_kept() {
        let at = path("refused");
        let mut series = SeriesFile::create(&at, &[2, 3]).unwrap();
        (0..3).for_each(|k| series.append(k, &row(k)).unwrap());
        drop(series);
        let whole = fs::read(&at).unwrap();
        let refused = |row: &[usize], rows: usize, bytes: &[u8]| {
            fs::write(&at, bytes).unwrap();
            let out = SeriesFile::resume(&at, row, rows);
            assert!(matches!(out, Err(crate::Error::Format { .. })), "{row:?}, {rows}, {} bytes: {out:?}", bytes.len());
            assert_eq!(fs::read(&at).unwrap(), bytes);
        };
        refused(&[2, 3], 4, &whole);
        refused(&[2, 3], usize::MAX / 4, &whole);
        refused(&[3, 2], 3, &whole);
        refused(&[6], 3, &whole);
        (0..whole.len()).for_each(|length| refused(&[2, 3], 3, &whole[..length]));
        let mut integers = whole.clone();
        let f8 = integers.windows(3).position(|w| w == b"<f8").unwrap();
        integers[f8 + 1] = b'i';
        refused(&[2, 3], 3, &integers);
        fs::remove_file(at).unwrap();
    }

    /// At any moment the header tells of rows that are there, with their numbers.
    #[test]
    fn files_can_be_read_while_they_grow() {
        let at = path("grow");
        let mut series = SeriesFile::create(&at, &[2, 3]).unwrap();
        let done = AtomicBool::new(false);
        let (looks, most) = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let (mut looks, mut before) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let bytes = fs::read(&at).unwrap();
                    let header = npy::header(&bytes).unwrap();
                    let rows = header.shape[0];
                    assert!(rows >= before, "{rows} rows after {before}");
                    let values = bytes[header.start..].as_chunks().0.iter().map(|&b| f64::from_le_bytes(b));
                    let values: Vec<f64> = values.take(6 * rows).collect();
                    assert_eq!(values, (0..rows).flat_map(row).collect::<Vec<_>>());
                    (looks, before) = (looks + 1, rows);
                }
                (looks, before)
            });
            (0..20_000).for_each(|k| series.append(k, &row(k)).unwrap());
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap()
        });
        assert!(looks > 10 && most > 100, "{looks} looks, the last at {most} rows");
        fs::remove_file(at).unwrap();
    }
}
