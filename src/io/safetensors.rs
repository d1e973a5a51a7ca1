//! Named arrays and notes in one `.safetensors` file: what models and learning states are kept in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::{Array, ArrayD, Dimension};
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::files::{file_error, format_error, read_whole, write_whole};
use crate::error::{Error, Result};

/// Version of the layout of all files.
const VERSION: u32 = 1;

/// Named arrays and notes: the content of a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Store {
    arrays: BTreeMap<String, Numbers>,
    notes: BTreeMap<String, String>,
    /// Where it was read, for complaints.
    path: PathBuf,
}

#[derive(Debug, Clone, PartialEq)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl View for &Numbers {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        8 * self.values.len()
    }
}

impl Store {
    pub(crate) fn new(kind: &str) -> Self {
        let mut store = Store::default();
        store.note("kind", kind);
        store.note("version", VERSION);
        store
    }

    pub(crate) fn put(&mut self, name: &str, shape: &[usize], values: &[f64]) {
        self.arrays.insert(name.to_string(), Numbers { shape: shape.to_vec(), values: values.to_vec() });
    }

    pub(crate) fn note(&mut self, name: &str, value: impl ToString) {
        self.notes.insert(name.to_string(), value.to_string());
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name)
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        match self.arrays.get(name) {
            Some(numbers) => Ok(numbers.values.clone()),
            None => Err(format_error(&self.path, format!("no array `{name}`"))),
        }
    }

    pub(crate) fn noted<T: FromStr>(&self, name: &str) -> Result<T> {
        let note = self.notes.get(name).and_then(|v| v.parse().ok());
        note.ok_or_else(|| format_error(&self.path, format!("no note `{name}`, or not a number")))
    }

    pub(crate) fn wrong(&self, reason: &str) -> Error {
        format_error(&self.path, reason)
    }

    /// A note, or what stands for it in files without it.
    pub(crate) fn noted_or<T: FromStr>(&self, name: &str, missing: T) -> Result<T> {
        if self.notes.contains_key(name) { self.noted(name) } else { Ok(missing) }
    }

    /// Stores tensors as `name 0`, `name 1`, ….
    pub(crate) fn put_tensors<D: Dimension>(&mut self, name: &str, tensors: &[Array<f64, D>]) {
        self.note(&format!("{name} sites"), tensors.len());
        for (j, a) in tensors.iter().enumerate() {
            let values: Vec<f64> = a.iter().copied().collect();
            self.put(&format!("{name} {j}"), a.shape(), &values);
        }
    }

    pub(crate) fn tensors<D: Dimension>(&self, name: &str) -> Result<Vec<Array<f64, D>>> {
        let sites: usize = self.noted(&format!("{name} sites"))?;
        let tensor = |j| {
            let name = format!("{name} {j}");
            let values = self.numbers(&name)?;
            let shape = self.arrays[&name].shape.as_slice();
            let tensor = ArrayD::from_shape_vec(shape, values).and_then(|a| a.into_dimensionality());
            tensor.map_err(|_| self.wrong(&format!("`{name}` of shape {shape:?} has not the indices of a tensor")))
        };
        (0..sites).map(tensor).collect()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let notes = self.notes.clone().into_iter().collect();
        let bytes = safetensors::serialize(self.arrays.iter(), Some(notes))
            .map_err(|e| file_error(path, std::io::Error::other(e)))?;
        write_whole(path, &bytes)
    }

    /// What a file says that it is.
    pub(crate) fn kind_of(path: &Path) -> Result<String> {
        let kind = notes(path, &read_whole(path)?)?.remove("kind");
        kind.ok_or_else(|| format_error(path, "no note `kind`"))
    }

    /// Reads a file and checks that it is of the given kind.
    pub(crate) fn read(path: &Path, kind: &str) -> Result<Self> {
        let bytes = read_whole(path)?;
        let notes = notes(path, &bytes)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| damaged(path, e))?;
        let mut store = Store { arrays: BTreeMap::new(), notes, path: path.to_owned() };
        for (name, view) in file.tensors() {
            if view.dtype() != Dtype::F64 {
                return Err(format_error(path, format!("`{name}` is of type {:?}, expected F64", view.dtype())));
            }
            let number = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("chunks of eight"));
            let values = view.data().chunks_exact(8).map(number).collect();
            store.arrays.insert(name, Numbers { shape: view.shape().to_vec(), values });
        }
        if store.notes.get("kind").map(String::as_str) != Some(kind) {
            return Err(format_error(path, format!("not a file of the kind `{kind}`")));
        }
        match store.noted::<u32>("version")? {
            VERSION => Ok(store),
            other => Err(format_error(path, format!("layout {other}, this library reads {VERSION}"))),
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
