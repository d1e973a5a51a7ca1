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

/// Writes a Born law to a `.safetensors` file: its amplitude in right-canonical form, and how many of its
/// sites are those of the law (the others are summed over).
///
/// # Errors
/// [`Error::File`](crate::error::Error::File) with what the operating system said; the old file, if any, is
/// then untouched.
pub fn write_born(path: &Path, model: &BornMps) -> Result<()> {
    let mut file = store(BORN, model.amplitude(), 0.5 * model.log_z());
    file.note(SITES, model.dims().len());
    file.write(path)
}

/// Reads a Born law: bit for bit where its tensors are right-canonical with norm one (to 10⁻⁹), as they are
/// written; else they are brought to that form, cost `O(N d χ³)`.
///
/// # Errors
/// [`Error::File`](crate::error::Error::File); [`Error::Format`](crate::error::Error::Format) for a file that
/// is cut off, damaged or of another kind; tensors that are no matrix-product vector, or the zero vector.
pub fn read_born(path: &Path) -> Result<BornMps> {
    let file = Store::read(path, BORN)?;
    let psi = amplitude(&file)?;
    let sites = file.noted_or(SITES, psi.sites())?;
    BornMps::stored(psi, sites)
}

/// Writes a non-negative law to a `.safetensors` file.
///
/// # Errors
/// As [`write_born`].
pub fn write_positive(path: &Path, model: &PositiveMps) -> Result<()> {
    store(POSITIVE, model.as_mps(), model.log_z()).write(path)
}

/// Reads a non-negative law: bit for bit where its tensors are in the gauge `Σ_{a,k} A_j[i,a,k] = 1` to
/// rounding, as they are written; else they are brought to that form, cost `O(N d χ²)`.
///
/// # Errors
/// As [`read_born`]; [`Error::Negative`](crate::error::Error::Negative).
pub fn read_positive(path: &Path) -> Result<PositiveMps> {
    PositiveMps::stored(read(path, POSITIVE)?)
}

/// A law from a file, of either kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoredLaw {
    /// `P = ψ²/Z`, as [`read_born`] reads it.
    Born(BornMps),
    /// `P = v/Z`, as [`read_positive`] reads it.
    Positive(PositiveMps),
}

/// Reads a Born law or a non-negative law, whichever the file says it holds.
///
/// # Errors
/// As [`read_born`] and [`read_positive`]; [`Error::Format`](crate::error::Error::Format) for a file that
/// holds no law.
pub fn read_law(path: &Path) -> Result<StoredLaw> {
    match Store::kind_of(path)?.as_str() {
        BORN => read_born(path).map(StoredLaw::Born),
        POSITIVE => read_positive(path).map(StoredLaw::Positive),
        other => Err(format_error(path, format!("a `{other}`, expected a Born law or a positive law"))),
    }
}

/// Writes a matrix-product vector to a `.safetensors` file.
///
/// # Errors
/// As [`write_born`].
pub fn write_mps(path: &Path, mps: &Mps) -> Result<()> {
    store(MPS, mps, mps.log_scale()).write(path)
}

/// Reads a matrix-product vector, bit for bit.
///
/// # Errors
/// As [`read_born`].
pub fn read_mps(path: &Path) -> Result<Mps> {
    read(path, MPS)
}

/// Writes a matrix-product operator to a `.safetensors` file.
///
/// # Errors
/// As [`write_born`].
pub fn write_mpo(path: &Path, mpo: &Mpo) -> Result<()> {
    let mut store = Store::new(MPO);
    store.put_tensors("tensor", mpo.tensors());
    store.note(SCALE, mpo.log_scale());
    store.write(path)
}

/// Reads a matrix-product operator, bit for bit.
///
/// # Errors
/// As [`read_born`].
pub fn read_mpo(path: &Path) -> Result<Mpo> {
    let store = Store::read(path, MPO)?;
    Mpo::new(store.tensors::<Ix4>("tensor")?, store.noted_or(SCALE, 0.0)?)
}
