//! Independent pieces of work, such as instances of disorder, dealt out over ranks and kept in files.

use std::fs;
use std::path::{Path, PathBuf};

use super::agreement::{Message, garbled, gather};
use super::communicator::Ranks;
use crate::error::{Cause, Error, Result};
use crate::io::safetensors::Store;

/// What a file of a result says that it is.
const KIND: &str = "tensorjump numbers";

/// Does each of `instances` pieces of work once, over all ranks and all restarts, and returns their results,
/// in the order of the instances, on every rank.
///
/// `work(i)` makes the numbers of instance `i`, whoever is asked: its randomness must come from `i`. They are
/// kept in `folder` (one that all ranks see, made where it is missing) as `instance-000042.safetensors`, one
/// `F64` array `numbers`, written beside and renamed. What is there already is not done again: after a kill
/// the same call goes on. What is not is dealt out in turn, `unfinished[k]` to rank `k mod size`. Another
/// list needs another folder.
///
/// Ranks wait for each other twice, before the first and after the last piece of work. Where the pieces
/// differ much in cost, independent jobs (a job array) that share the folder between restarts do as well.
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
/// use tensorjump::ranks::{Alone, work_list};
///
/// let folder = std::env::temp_dir().join(format!("tensorjump-list-{}", std::process::id()));
/// let square = Square::new(4, 4, Geometry::Open)?;
/// let log_z = |i: usize| {
///     let glass = Ising::new(Couplings::plus_minus(square, i as u64), 1.0)?;
///     Ok(vec![BoundaryMps::new(&glass, 8)?.log_z()])
/// };
/// let all = work_list(&Alone, &folder, 3, log_z)?;
/// assert_eq!(all, work_list(&Alone, &folder, 3, |_| unreachable!())?);
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), tensorjump::Error>(())
/// ```
///
/// # Errors
/// The first error of `work` on a rank ends the list there: [`Error::Rank`] on the others, after their own
/// part. All that was finished is kept. [`Error::File`], [`Error::Format`] of folder and files.
pub fn work_list(
    ranks: &dyn Ranks,
    folder: &Path,
    instances: usize,
    mut work: impl FnMut(usize) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    let (rank, size) = (ranks.rank(), ranks.size());
    let made = fs::create_dir_all(folder).map_err(|e| Error::File { path: folder.into(), source: Cause::new(e) });
    // Only the first rank looks: others might look when some are ahead.
    let seen = made.map(|()| match rank {
        0 => (0..instances).filter(|&i| !file(folder, i).exists()).map(|i| i as f64).collect(),
        _ => vec![],
    });
    let unfinished: Vec<usize> = gather(ranks, seen)?.concat().iter().map(|&i| i as usize).collect();
    let mut numbers = Vec::new();
    let mut keep = |i: usize, found: Vec<f64>| {
        numbers.extend([i as f64, found.len() as f64]);
        numbers.extend(found);
    };
    let own = (|| {
        for &i in unfinished.iter().skip(rank).step_by(size) {
            let found = work(i)?;
            let mut store = Store::new(KIND);
            store.put("numbers", &[found.len()], &found);
            store.write(&file(folder, i))?;
            keep(i, found);
        }
        let finished = (0..instances).filter(|i| unfinished.binary_search(i).is_err());
        for i in finished.skip(rank).step_by(size) {
            keep(i, Store::read(&file(folder, i), KIND)?.numbers("numbers")?);
        }
        Ok(())
    })();
    let all = gather(ranks, own.map(|()| numbers))?;
    let mut results = vec![None; instances];
    for (rank, numbers) in all.iter().enumerate() {
        let mut message = Message::new(rank, numbers);
        while !message.is_empty() {
            let (i, n) = (message.count()?, message.count()?);
            let found = message.take(n)?.to_vec();
            match results.get_mut(i) {
                Some(result @ None) => *result = Some(found),
                _ => return Err(garbled(rank)),
            }
        }
    }
    let due = |(i, result): (usize, Option<Vec<f64>>)| result.ok_or_else(|| garbled(i % size));
    results.into_iter().enumerate().map(due).collect()
}

fn file(folder: &Path, i: usize) -> PathBuf {
    folder.join(format!("instance-{i:06}.safetensors"))
}
