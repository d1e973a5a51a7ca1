//! Models, vectors and operators as `.safetensors` files.

use std::path::Path;

use ndarray::{Ix3, Ix4};

use super::files::format_error;
use super::safetensors::Store;
use crate::error::Result;
use crate::model::{BornMps, PositiveMps, Target};
use crate::tn::{Mpo, Mps};

const BORN: &str = "tensorjump born law";
const POSITIVE: &str = "tensorjump positive law";
const MPS: &str = "tensorjump mps";
const MPO: &str = "tensorjump mpo";

const SCALE: &str = "log scale";
const SITES: &str = "sites of the law";

fn store(kind: &str, mps: &Mps, log_scale: f64) -> Store {
    let mut store = Store::new(kind);
    store.put_tensors("tensor", mps.tensors());
    store.note(SCALE, log_scale);
    store
}

fn read(path: &Path, kind: &str) -> Result<Mps> {
    amplitude(&Store::read(path, kind)?)
}

fn amplitude(file: &Store) -> Result<Mps> {
    Mps::new(file.tensors::<Ix3>("tensor")?, file.noted_or(SCALE, 0.0)?)
}

impl BornMps {
    /// Writes a Born law to a `.safetensors` file: its amplitude in right-canonical form, and how many of its
    /// sites are those of the law (the others are summed over).
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File) with what the operating system said; the old file, if any,
    /// is then untouched.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut file = store(BORN, self.amplitude(), 0.5 * self.log_z());
        file.note(SITES, self.dims().len());
        file.write(path.as_ref())
    }

    /// Reads a Born law: bit for bit where its tensors are right-canonical with norm one (to 10⁻⁹), as they
    /// are written; else they are brought to that form, cost `O(N d χ³)`.
    ///
    /// # Errors
    /// [`Error::File`](crate::error::Error::File); [`Error::Format`](crate::error::Error::Format) for a file
    /// that is cut off, damaged or of another kind; tensors that are no matrix-product vector, or the zero
    /// vector.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let file = Store::read(path.as_ref(), BORN)?;
        let psi = amplitude(&file)?;
        let sites = file.noted_or(SITES, psi.sites())?;
        BornMps::stored(psi, sites)
    }
}

impl PositiveMps {
    /// Writes a non-negative law to a `.safetensors` file.
    ///
    /// # Errors
    /// As [`BornMps::write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        store(POSITIVE, self.as_mps(), self.log_z()).write(path.as_ref())
    }

    /// Reads a non-negative law: bit for bit where its tensors are in the gauge `Σ_{a,k} A_j[i,a,k] = 1` to
    /// rounding, as they are written; else they are brought to that form, cost `O(N d χ²)`.
    ///
    /// # Errors
    /// As [`BornMps::read`]; [`Error::Negative`](crate::error::Error::Negative).
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        PositiveMps::stored(read(path.as_ref(), POSITIVE)?)
    }
}

impl Mps {
    /// Writes a matrix-product vector to a `.safetensors` file.
    ///
    /// # Errors
    /// As [`BornMps::write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        store(MPS, self, self.log_scale()).write(path.as_ref())
    }

    /// Reads a matrix-product vector, bit for bit.
    ///
    /// # Errors
    /// As [`BornMps::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        read(path.as_ref(), MPS)
    }
}

impl Mpo {
    /// Writes a matrix-product operator to a `.safetensors` file.
    ///
    /// # Errors
    /// As [`BornMps::write`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut store = Store::new(MPO);
        store.put_tensors("tensor", self.tensors());
        store.note(SCALE, self.log_scale());
        store.write(path.as_ref())
    }

    /// Reads a matrix-product operator, bit for bit.
    ///
    /// # Errors
    /// As [`BornMps::read`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let store = Store::read(path.as_ref(), MPO)?;
        Mpo::new(store.tensors::<Ix4>("tensor")?, store.noted_or(SCALE, 0.0)?)
    }
}

/// A law from a file, of either kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoredLaw {
    /// `P = ψ²/Z`, as [`BornMps::read`] reads it.
    Born(BornMps),
    /// `P = v/Z`, as [`PositiveMps::read`] reads it.
    Positive(PositiveMps),
}

impl StoredLaw {
    /// Reads a Born law or a non-negative law, whichever the file says it holds.
    ///
    /// # Errors
    /// As [`BornMps::read`] and [`PositiveMps::read`]; [`Error::Format`](crate::error::Error::Format) for a
    /// file that holds no law.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        match Store::kind_of(path)?.as_str() {
            BORN => BornMps::read(path).map(StoredLaw::Born),
            POSITIVE => PositiveMps::read(path).map(StoredLaw::Positive),
            other => Err(format_error(path, format!("a `{other}`, expected a Born law or a positive law"))),
        }
    }
}
