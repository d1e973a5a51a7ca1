//! Files that the first rank reads for all: no other needs to see its disk.

use std::path::Path;

use super::agreement::{Message, gather};
use super::communicator::Ranks;
use crate::error::{Cause, Error, Result};
use crate::io::safetensors::Store;

/// A file of this kind, if the first rank finds one.
pub(crate) fn first_file(ranks: &dyn Ranks, path: &Path, kind: &str) -> Result<Option<Store>> {
    let found = if ranks.rank() == 0 && path.exists() {
        std::fs::read(path).map(Some).map_err(|e| Error::File { path: path.into(), source: Cause::new(e) })
    } else {
        Ok(None)
    };
    bytes_of_first(ranks, found)?.map(|bytes| Store::parse(path, &bytes, kind)).transpose()
}

/// The bytes that the first rank has, on all ranks.
fn bytes_of_first(ranks: &dyn Ranks, mine: Result<Option<Vec<u8>>>) -> Result<Option<Vec<u8>>> {
    let mut own = None;
    let numbers = mine.map(|bytes| {
        let mut numbers = Vec::new();
        if let Some(bytes) = bytes.filter(|_| ranks.rank() == 0) {
            numbers.push(bytes.len() as f64);
            numbers.extend(bytes.chunks(6).map(|six| six.iter().fold(0u64, |n, &b| n << 8 | u64::from(b)) as f64));
            own = Some(bytes);
        }
        numbers
    });
    let all = gather(ranks, numbers)?;
    if ranks.rank() == 0 || all[0].is_empty() {
        return Ok(own);
    }
    let mut message = Message::new(0, &all[0]);
    let length = message.count()?;
    let packed = message.take(length.div_ceil(6))?;
    let mut bytes = Vec::with_capacity(length); // no more than has arrived
    for &six in packed {
        let n = 6.min(length - bytes.len());
        bytes.extend_from_slice(&(six as u64).to_be_bytes()[8 - n..]);
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranks::Alone;

    /// A rank to which the first one, which is not there, has sent these numbers.
    struct Second(Vec<f64>);

    impl Ranks for Second {
        fn rank(&self) -> usize {
            1
        }

        fn size(&self) -> usize {
            2
        }

        fn all_gather(&self, mine: &[f64]) -> Result<Vec<Vec<f64>>> {
            Ok(vec![self.0.clone(), mine.to_vec()])
        }
    }

    #[test]
    fn bytes_arrive_as_they_are() {
        for n in 0..20u8 {
            let bytes: Vec<u8> = (0..n).map(|k| 255 - 11 * k).collect();
            assert_eq!(bytes_of_first(&Alone, Ok(Some(bytes.clone()))).unwrap().as_ref(), Some(&bytes));
            let mut sent = vec![f64::from(n)];
            sent.extend(bytes.chunks(6).map(|six| six.iter().fold(0u64, |n, &b| n << 8 | u64::from(b)) as f64));
            sent.push(0.0); // all is well
            assert_eq!(bytes_of_first(&Second(sent), Ok(None)).unwrap(), Some(bytes));
        }
        assert_eq!(bytes_of_first(&Second(vec![0.0]), Ok(None)).unwrap(), None);
        // More is announced than comes.
        assert!(matches!(bytes_of_first(&Second(vec![1e18, 0.0]), Ok(None)), Err(Error::Callable { .. })));
    }
}
