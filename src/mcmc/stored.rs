//! Chains as files, and the reports of their moves.

use std::path::Path;
use std::slice;

use super::chains::Chains;
use super::moves::MoveReport;
use crate::error::{Error, Result};
use crate::io::safetensors::Store;
use crate::model::Target;

pub(super) const KIND: &str = "tensorjump chains";

impl Chains {
    /// Writes the chains to a `.safetensors` file: configurations, log-weights, updates made.
    ///
    /// # Errors
    /// [`Error::File`] with what the operating system said; the old file, if any, is then untouched.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut store = Store::new(KIND);
        self.save(&mut store);
        store.write(path.as_ref())
    }

    /// Reads chains of this target, bit for bit: the next updates are those that would have followed. Chains
    /// that are to go on under another target are read with their own, and handed the other in
    /// [`Chains::advance`].
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Format`] for a file that is cut off, damaged, of another kind or of another
    /// target (sites, states, a log-weight that is not the target's to 10⁻⁹), naming what differs; errors of
    /// the target.
    pub fn read(target: &dyn Target, path: impl AsRef<Path>) -> Result<Self> {
        Chains::load(target, &Store::read(path.as_ref(), KIND)?)
    }

    pub(super) fn save(&self, store: &mut Store) {
        store.note("updates", self.updates);
        store.put_array("x", self.x());
        store.put_array("log-weights", self.log_weight());
    }

    pub(super) fn load(target: &dyn Target, store: &Store) -> Result<Self> {
        let (x, log_weight) = (store.array("x")?, store.array("log-weights")?);
        Chains::resumed(target, x, log_weight, store.noted("updates")?).map_err(|error| of_file(store, error))
    }
}

/// What a file is refused for; what a target fails with stays as it is.
pub(super) fn of_file(store: &Store, error: Error) -> Error {
    match error {
        Error::Callable { .. } | Error::Interrupted => error,
        error => store.wrong(&error.to_string()),
    }
}

/// Numbers of a report in a file: its counts, and how many parts stand behind it.
const COLUMNS: usize = 6;

/// Deepest nesting of parts that is read.
const DEPTH: usize = 1000;

/// Stores reports, each before its parts, shape `(reports with parts, 6)`.
pub(super) fn put_reports(store: &mut Store, reports: &[MoveReport]) {
    fn put(report: &MoveReport, rows: &mut Vec<u64>) {
        let MoveReport { proposed, accepted, moved, unsupported, impossible, parts } = report;
        rows.extend([proposed, accepted, moved, unsupported, impossible, &parts.len()].map(|&n| n as u64));
        parts.iter().for_each(|part| put(part, rows));
    }
    let mut rows = vec![];
    reports.iter().for_each(|report| put(report, &mut rows));
    store.put("reports", &[rows.len() / COLUMNS, COLUMNS], &rows);
}

/// The reports of a file.
pub(super) fn reports(store: &Store) -> Result<Vec<MoveReport>> {
    fn take(rows: &mut slice::Iter<'_, [u64; COLUMNS]>, depth: usize) -> Option<MoveReport> {
        let &[proposed, accepted, moved, unsupported, impossible, parts] = rows.next().filter(|_| depth < DEPTH)?;
        let [proposed, accepted, moved] = [proposed, accepted, moved].map(|n| n as usize);
        let [unsupported, impossible] = [unsupported, impossible].map(|n| n as usize);
        let parts = (0..parts).map(|_| take(rows, depth + 1)).collect::<Option<_>>()?;
        Some(MoveReport { proposed, accepted, moved, unsupported, impossible, parts })
    }
    let numbers: Vec<u64> = store.numbers("reports")?;
    let (rows, rest) = numbers.as_chunks();
    let mut rows = rows.iter();
    let mut reports = vec![];
    while rows.len() > 0 {
        reports.push(take(&mut rows, 0).ok_or_else(|| store.wrong("`reports` of moves whose parts are missing"))?);
    }
    if rest.is_empty() { Ok(reports) } else { Err(store.wrong("`reports` of another shape")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_back_with_their_parts() {
        let leaf = |n: usize| MoveReport { proposed: n + 4, accepted: n + 3, moved: n, ..MoveReport::default() };
        let inner = MoveReport { unsupported: 1, impossible: 2, parts: vec![leaf(1), leaf(2)], ..leaf(3) };
        let all = vec![MoveReport { parts: vec![leaf(5), inner.clone(), leaf(6)], ..leaf(7) }, leaf(8), inner];
        let mut store = Store::new("test");
        put_reports(&mut store, &all);
        assert_eq!(reports(&store).unwrap(), all);

        let mut rows: Vec<u64> = store.numbers("reports").unwrap();
        rows.truncate(5 * COLUMNS); // in the middle of the parts of the first
        store.put("reports", &[5, COLUMNS], &rows);
        assert!(matches!(reports(&store), Err(Error::Format { .. })));
        store.put("reports", &[7], &[0u64; 7]);
        assert!(matches!(reports(&store), Err(Error::Format { .. })));
        store.put("reports", &[2000, COLUMNS], &[0u64, 0, 0, 0, 0, 1].repeat(2000));
        assert!(matches!(reports(&store), Err(Error::Format { .. })));
    }
}
