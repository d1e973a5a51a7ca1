//! Series of observables and log-weights, record after record: in memory, and where asked for in files too.

use std::path::{Path, PathBuf};

use ndarray::{Array, ArrayD, Dimension};

use crate::error::{Error, Result};
use crate::io::SeriesFile;
use crate::ranks::Ranks;
use crate::ranks::agreement::{Message, gather};

/// Numbers that a run may record: 8 GiB.
const LIMIT: usize = 1 << 30;

/// Refuses series that would fill the memory.
pub(super) fn check_size(size: usize) -> Result<()> {
    if size > LIMIT {
        return Err(Error::TooLarge { what: "the recorded series", size, limit: LIMIT });
    }
    Ok(())
}

/// Rows of numbers, each of the same shape.
#[derive(Debug)]
struct Table {
    row: Vec<usize>,
    values: Vec<f64>,
    file: Option<SeriesFile>,
}

impl Table {
    fn new(row: &[usize]) -> Self {
        Table { row: row.to_vec(), values: vec![], file: None }
    }

    fn create(&mut self, path: &Path, len: usize) -> Result<()> {
        let mut file = SeriesFile::create(path, &self.row)?;
        let width = self.row.iter().product::<usize>();
        (0..len).try_for_each(|k| file.append(k, &self.values[k * width..][..width]))?;
        self.file = Some(file);
        Ok(())
    }

    fn resume(&mut self, path: &Path, len: usize) -> Result<()> {
        let (file, values) = SeriesFile::resume(path, &self.row, len)?;
        (self.file, self.values) = (Some(file), values);
        Ok(())
    }

    fn into_array<D: Dimension>(self, len: usize) -> Array<f64, D> {
        let shape: Vec<usize> = [len].into_iter().chain(self.row).collect();
        let array = ArrayD::from_shape_vec(shape, self.values).and_then(ArrayD::into_dimensionality);
        array.expect("rows are of one shape, and of as many axes as their owner says")
    }
}

/// Two tables of as many rows: observables and log-weights.
#[derive(Debug)]
pub(super) struct Records {
    series: Table,
    log_weight: Table,
    len: usize,
}

impl Records {
    /// No records; shapes of one record.
    pub(super) fn new(series: &[usize], log_weight: &[usize]) -> Self {
        Records { series: Table::new(series), log_weight: Table::new(log_weight), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Shape of a record of observables.
    pub(super) fn row(&self) -> &[usize] {
        &self.series.row
    }

    /// Begins files with all records so far.
    pub(super) fn create(&mut self, path: &Path) -> Result<()> {
        self.series.create(&beside(path, "series.npy"), self.len)?;
        self.log_weight.create(&beside(path, "log_weight.npy"), self.len)
    }

    /// Goes on with files, of which `len` records belong to the run.
    pub(super) fn resume(&mut self, path: &Path, len: usize) -> Result<()> {
        self.series.resume(&beside(path, "series.npy"), len)?;
        self.log_weight.resume(&beside(path, "log_weight.npy"), len)?;
        self.len = len;
        Ok(())
    }

    /// One more record; none after an error.
    pub(super) fn push(&mut self, series: Vec<f64>, log_weight: Vec<f64>) -> Result<()> {
        check_size(self.series.values.len().saturating_add(series.len()))?;
        for (table, values) in [(&mut self.series, &series), (&mut self.log_weight, &log_weight)] {
            table.file.as_mut().map_or(Ok(()), |file| file.append(self.len, values))?;
        }
        self.series.values.extend(series);
        self.log_weight.values.extend(log_weight);
        self.len += 1;
        Ok(())
    }

    /// Begins files, or goes on with `len` records of files that are there. The first rank holds the files,
    /// all ranks the numbers.
    pub(super) fn open_over(&mut self, ranks: &dyn Ranks, path: &Path, len: Option<usize>) -> Result<()> {
        let opened = match len {
            _ if ranks.rank() > 0 => Ok(()),
            None => self.create(path),
            Some(len) => self.resume(path, len),
        };
        let mut numbers = Vec::new();
        if ranks.rank() == 0 && ranks.size() > 1 {
            numbers.extend(&self.series.values);
            numbers.extend(&self.log_weight.values);
        }
        let all = gather(ranks, opened.map(|()| numbers))?;
        if let (Some(len), 1..) = (len, ranks.rank()) {
            let mut message = Message::new(0, &all[0]);
            for table in [&mut self.series, &mut self.log_weight] {
                table.values = message.take(len * table.row.iter().product::<usize>())?.to_vec();
            }
            self.len = len;
        }
        Ok(())
    }

    /// Appends all numbers, observables before log-weights, and forgets the records; returns how many there
    /// were.
    pub(super) fn give(&mut self, numbers: &mut Vec<f64>) -> usize {
        numbers.append(&mut self.series.values);
        numbers.append(&mut self.log_weight.values);
        std::mem::take(&mut self.len)
    }

    /// Waits until the files are on disk.
    pub(super) fn sync(&self) -> Result<()> {
        [&self.series, &self.log_weight].into_iter().flat_map(|table| &table.file).try_for_each(SeriesFile::sync)
    }

    /// Observables and log-weights, the records along the first axis.
    pub(super) fn into_arrays<S: Dimension, W: Dimension>(self) -> (Array<f64, S>, Array<f64, W>) {
        (self.series.into_array(self.len), self.log_weight.into_array(self.len))
    }
}

/// `{path}.{ending}`.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}
