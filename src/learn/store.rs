//! Files that are there whole or not at all: models and learning state in [safetensors](https://docs.rs/safetensors), samples in `.npy`.
//!
//! A file is written beside its place, synced, and renamed: whoever is killed while writing leaves the old file. Numbers are `f64`, so
//! what is read is what was written, bit for bit.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::{Array2, Array3};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::error::{Error, Result};
use crate::model::{BornMps, Configs, PositiveMps};
use crate::tn::Mps;

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

fn file_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::File { path: path.display().to_string(), reason: reason.to_string() }
}

fn format_error(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Format { path: path.display().to_string(), reason: reason.to_string() }
}

/// Writes a file beside its place, syncs it and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else { return Err(file_error(path, "not the name of a file")) };
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

    /// Stores tensors as `name 0`, `name 1`, ….
    pub(crate) fn put_tensors(&mut self, name: &str, tensors: &[Array3<f64>]) {
        self.note(&format!("{name} sites"), tensors.len());
        for (j, a) in tensors.iter().enumerate() {
            let values: Vec<f64> = a.iter().copied().collect();
            self.put(&format!("{name} {j}"), a.shape(), &values);
        }
    }

    pub(crate) fn tensors(&self, name: &str) -> Result<Vec<Array3<f64>>> {
        let sites: usize = self.noted(&format!("{name} sites"))?;
        let tensor = |j| {
            let name = format!("{name} {j}");
            let values = self.numbers(&name)?;
            match self.arrays[&name].shape[..] {
                [l, d, r] => Array3::from_shape_vec((l, d, r), values).map_err(|e| format_error(&self.path, e)),
                _ => Err(self.wrong(&format!("`{name}` is no tensor of three indices"))),
            }
        };
        (0..sites).map(tensor).collect()
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let notes: HashMap<String, String> = self.notes.clone().into_iter().collect();
        let bytes = safetensors::serialize(self.arrays.iter(), Some(notes)).map_err(|e| file_error(path, e))?;
        write_whole(path, &bytes)
    }

    /// Reads a file and checks that it is of the given kind.
    pub(crate) fn read(path: &Path, kind: &str) -> Result<Self> {
        let bytes = fs::read(path).map_err(|e| file_error(path, e))?;
        let wrong = |e: safetensors::SafeTensorError| format_error(path, format!("cut off or damaged: {e}"));
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(wrong)?;
        let file = SafeTensors::deserialize(&bytes).map_err(wrong)?;
        let notes = header.metadata().clone().unwrap_or_default().into_iter().collect();
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

/// Writes a Born law to a `.safetensors` file: its amplitude in right-canonical form.
///
/// # Errors
/// [`Error::File`] with what the operating system said; the old file, if any, is then untouched.
/// [`Error::Parameter`] for a law with an open bond.
pub fn write_born(path: &Path, model: &BornMps) -> Result<()> {
    let mut store = Store::new("tensorjump born law");
    store.put_tensors("tensor", model.single_amplitude()?.tensors());
    store.write(path)
}

/// Reads a Born law, bit for bit as it was written.
///
/// # Errors
/// [`Error::File`]; [`Error::Format`] for a file that is cut off, damaged or of another kind; tensors that are not a Born law.
pub fn read_born(path: &Path) -> Result<BornMps> {
    BornMps::from_right_canonical(Store::read(path, "tensorjump born law")?.tensors("tensor")?)
}

/// Writes a non-negative law to a `.safetensors` file.
///
/// # Errors
/// As [`write_born`].
pub fn write_positive(path: &Path, model: &PositiveMps) -> Result<()> {
    let mut store = Store::new("tensorjump positive law");
    store.put_tensors("tensor", model.as_mps().tensors());
    store.write(path)
}

/// Reads a non-negative law; its tensors are normalised again, which may change last digits.
///
/// # Errors
/// As [`read_born`].
pub fn read_positive(path: &Path) -> Result<PositiveMps> {
    let tensors = Store::read(path, "tensorjump positive law")?.tensors("tensor")?;
    PositiveMps::new(&Mps::new(tensors, 0.0)?)
}

/// Writes configurations, shape `(samples, sites)`, as a `.npy` file of bytes.
///
/// # Errors
/// [`Error::File`]; the old file, if any, is then untouched.
pub fn write_samples(path: &Path, x: Configs<'_>) -> Result<()> {
    let mut bytes = Vec::new();
    x.write_npy(&mut bytes).map_err(|e| file_error(path, e))?;
    write_whole(path, &bytes)
}

/// Reads configurations from a `.npy` file of unsigned bytes with two axes.
///
/// # Errors
/// [`Error::File`]; [`Error::Format`] for a file that is cut off, longer than it says, or of another type or shape.
pub fn read_samples(path: &Path) -> Result<Array2<u8>> {
    let bytes = fs::read(path).map_err(|e| file_error(path, e))?;
    Array2::<u8>::read_npy(Cursor::new(bytes)).map_err(|e| format_error(path, e))
}
