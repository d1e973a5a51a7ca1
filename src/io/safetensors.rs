//! Named arrays and notes in one `.safetensors` file: what models and learning states are kept in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::{Array, ArrayD, ArrayView, Dimension};
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::files::{file_error, format_error, read_whole, write_whole};
use crate::error::{Error, Result};

/// Version of the layout of all files.
const VERSION: u32 = 1;

/// The note with the checksum of everything else: a bit that flips in a number is seen. Files without it
/// are read as they are.
const CHECKSUM: &str = "checksum";

/// Named arrays and notes: the content of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Store {
    arrays: BTreeMap<String, Numbers>,
    notes: BTreeMap<String, String>,
    /// Where it was read, for complaints.
    path: PathBuf,
}

/// An array as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Row-major, little-endian.
    bytes: Vec<u8>,
}

/// What arrays are made of: real numbers, states, counts.
pub(crate) trait Element: Copy {
    const DTYPE: Dtype;
    fn to_bytes(values: impl Iterator<Item = Self>) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! element {
    ($($number:ty => $dtype:ident),*) => {
        $(impl Element for $number {
            const DTYPE: Dtype = Dtype::$dtype;

            fn to_bytes(values: impl Iterator<Item = Self>) -> Vec<u8> {
                values.flat_map(<$number>::to_le_bytes).collect()
            }

            fn from_bytes(bytes: &[u8]) -> Vec<Self> {
                bytes.as_chunks().0.iter().map(|&b| <$number>::from_le_bytes(b)).collect()
            }
        })*
    };
}

element!(f64 => F64, u8 => U8, u64 => U64);

impl View for &Numbers {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

impl Store {
    pub(crate) fn new(kind: &str) -> Self {
        let mut store = Store::default();
        store.note("kind", kind);
        store.note("version", VERSION);
        store
    }

    pub(crate) fn put<T: Element>(&mut self, name: &str, shape: &[usize], values: &[T]) {
        let bytes = T::to_bytes(values.iter().copied());
        self.arrays.insert(name.to_string(), Numbers { dtype: T::DTYPE, shape: shape.to_vec(), bytes });
    }

    pub(crate) fn put_array<T: Element, D: Dimension>(&mut self, name: &str, array: ArrayView<'_, T, D>) {
        let bytes = T::to_bytes(array.iter().copied());
        self.arrays.insert(name.to_string(), Numbers { dtype: T::DTYPE, shape: array.shape().to_vec(), bytes });
    }

    pub(crate) fn note(&mut self, name: &str, value: impl ToString) {
        self.notes.insert(name.to_string(), value.to_string());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    /// The numbers of an array, row-major.
    pub(crate) fn numbers<T: Element>(&self, name: &str) -> Result<Vec<T>> {
        let Some(Numbers { dtype, bytes, .. }) = self.arrays.get(name) else {
            return Err(self.wrong(&format!("no array `{name}`")));
        };
        if *dtype != T::DTYPE {
            return Err(self.wrong(&format!("`{name}` is of type {dtype:?}, expected {:?}", T::DTYPE)));
        }
        Ok(T::from_bytes(bytes))
    }

    /// An array with its axes.
    pub(crate) fn array<T: Element, D: Dimension>(&self, name: &str) -> Result<Array<T, D>> {
        let values = self.numbers(name)?;
        let shape = self.arrays[name].shape.as_slice();
        let array = ArrayD::from_shape_vec(shape, values).and_then(|a| a.into_dimensionality());
        array.map_err(|_| self.wrong(&format!("`{name}` of shape {shape:?} has not the axes that belong to it")))
    }

    pub(crate) fn noted<T: FromStr>(&self, name: &str) -> Result<T> {
        let note = self.notes.get(name).and_then(|v| v.parse().ok());
        note.ok_or_else(|| format_error(&self.path, format!("no note `{name}`, or not a number")))
    }

    pub(crate) fn wrong(&self, reason: &str) -> Error {
        format_error(&self.path, reason)
    }

    pub(crate) fn has_note(&self, name: &str) -> bool {
        self.notes.contains_key(name)
    }

    /// A note, or what stands for it in files without it.
    pub(crate) fn noted_or<T: FromStr>(&self, name: &str, missing: T) -> Result<T> {
        if self.has_note(name) { self.noted(name) } else { Ok(missing) }
    }

    /// Stores tensors as `name 0`, `name 1`, ….
    pub(crate) fn put_tensors<D: Dimension>(&mut self, name: &str, tensors: &[Array<f64, D>]) {
        self.note(&format!("{name} sites"), tensors.len());
        for (j, a) in tensors.iter().enumerate() {
            self.put_array(&format!("{name} {j}"), a.view());
        }
    }

    pub(crate) fn tensors<D: Dimension>(&self, name: &str) -> Result<Vec<Array<f64, D>>> {
        let sites: usize = self.noted(&format!("{name} sites"))?;
        (0..sites).map(|j| self.array(&format!("{name} {j}"))).collect()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let checksum = (CHECKSUM.to_string(), self.checksum());
        let notes = self.notes.clone().into_iter().chain([checksum]).collect();
        let bytes = safetensors::serialize(self.arrays.iter(), Some(notes))
            .map_err(|e| file_error(path, std::io::Error::other(e)))?;
        write_whole(path, &bytes)
    }

    /// FNV-1a of notes and arrays, 64 bits in hexadecimal.
    fn checksum(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut eat = |bytes: &[u8]| {
            // Lengths first: what is moved from one text to the next is seen.
            for &b in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
                hash = (hash ^ u64::from(b)).wrapping_mul(0x100_0000_01b3);
            }
        };
        for (name, value) in &self.notes {
            eat(name.as_bytes());
            eat(value.as_bytes());
        }
        for (name, Numbers { dtype, shape, bytes }) in &self.arrays {
            eat(format!("{name} {dtype:?} {shape:?}").as_bytes());
            eat(bytes);
        }
        format!("{hash:016x}")
    }

    /// What a file says that it is.
    pub(crate) fn kind_of(path: &Path) -> Result<String> {
        let kind = notes(path, &read_whole(path)?)?.remove("kind");
        kind.ok_or_else(|| format_error(path, "no note `kind`"))
    }

    /// Reads a file and checks that it is of the given kind.
    pub(crate) fn read(path: &Path, kind: &str) -> Result<Self> {
        Store::parse(path, &read_whole(path)?, kind)
    }

    /// [`Store::read`] of the bytes of the file.
    pub(crate) fn parse(path: &Path, bytes: &[u8], kind: &str) -> Result<Self> {
        let mut notes = notes(path, bytes)?;
        let checksum = notes.remove(CHECKSUM);
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(path, e))?;
        let mut store = Store { arrays: BTreeMap::new(), notes, path: path.to_owned() };
        for (name, view) in file.tensors() {
            let numbers = Numbers { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
            store.arrays.insert(name, numbers);
        }
        if checksum.is_some_and(|sum| sum != store.checksum()) {
            return Err(store.wrong("damaged: not what its checksum was made of"));
        }
        if store.notes.get("kind").map(String::as_str) != Some(kind) {
            return Err(store.wrong(&format!("not a file of the kind `{kind}`")));
        }
        match store.noted::<u32>("version")? {
            VERSION => Ok(store),
            other => Err(store.wrong(&format!("layout {other}, this library reads {VERSION}"))),
        }
    }
}

fn damaged(path: &Path, e: safetensors::SafeTensorError) -> Error {
    format_error(path, format!("cut off or damaged: {e}"))
}

/// The notes in the header of a file.
fn notes(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(path, e))?;
    Ok(header.metadata().clone().unwrap_or_default().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    #[test]
    fn numbers_of_each_type_come_back_and_others_are_refused() {
        let path = std::env::temp_dir().join(format!("tensorjump store {}", std::process::id()));
        let (reals, states) = (array![[0.1, f64::NEG_INFINITY], [-0.0, f64::MIN_POSITIVE]], [0u8, 255, 7]);
        let counts = [u64::MAX, 1 << 53 | 1];
        let mut store = Store::new("test");
        store.put_array("reals", reals.t());
        store.put("states", &[3], &states);
        store.put("counts", &[2], &counts);
        store.write(&path).unwrap();

        let store = Store::read(&path, "test").unwrap();
        let read: Array2<f64> = store.array("reals").unwrap();
        assert_eq!(read.mapv(f64::to_bits), reals.t().mapv(f64::to_bits));
        assert_eq!(
            (store.numbers("states").unwrap(), store.numbers("counts").unwrap()),
            (states.into(), counts.into())
        );
        // Any bit that flips is seen.
        let bytes = std::fs::read(&path).unwrap();
        for k in 0..8 * bytes.len() {
            let mut damaged = bytes.clone();
            damaged[k / 8] ^= 1 << (k % 8);
            let read = Store::parse(&path, &damaged, "test");
            // A note of another name is no note that is known.
            assert!(read.is_err() || read.is_ok_and(|read| read.arrays == store.arrays), "bit {k}");
        }
        let refused = [
            store.numbers::<f64>("states").map(drop),
            store.numbers::<u8>("counts").map(drop),
            store.array::<u8, ndarray::Ix2>("states").map(drop),
            store.numbers::<u8>("nothing").map(drop),
        ];
        let reasons = refused.map(|r| match r {
            Err(Error::Format { reason, .. }) => reason,
            other => panic!("{other:?}"),
        });
        let expected = [
            "`states` is of type U8, expected F64",
            "`counts` is of type U64, expected U8",
            "`states` of shape [3] has not the axes that belong to it",
            "no array `nothing`",
        ];
        assert_eq!(reasons, expected);
        std::fs::remove_file(path).unwrap();
    }
}
