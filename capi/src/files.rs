//! Models from files, and in files.

use std::ffi::c_char;

use tensorjump::io::StoredLaw;

use super::buffers::text;
use super::handle::{at, hand_out};
use super::models::{Stored, tj_model};
use super::status::{compute, refused, tj_status};

/// A model from a `.safetensors` file that this library wrote, or anybody by the layout in its documentation:
/// a Born law or a non-negative law, learned models among them. `path`: UTF-8.
///
/// Errors: `TJ_FILE` for a file that cannot be read, is damaged or holds no law; `TJ_INPUT` for tensors that
/// are no law; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_load(path: *const c_char, out: *mut *mut tj_model) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || match StoredLaw::read(text(path)?)? {
            StoredLaw::Born(law) => Ok(law.into()),
            StoredLaw::Positive(law) => Ok(law.into()),
            _ => Err(refused("law", "of a new kind", "a Born law or a non-negative law")),
        })
    })
}

/// Writes a model made from tensors, a chain, or a file, whole or not at all. `path`: UTF-8.
///
/// Errors: `TJ_FILE`; `TJ_INPUT` for a model of another kind; `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_save(model: *const tj_model, path: *const c_char) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let (law, path) = (at(model)?, text(path)?);
        match &law.stored {
            Stored::Born(born) => born.write(&path)?,
            Stored::Positive(positive) => positive.write(&path)?,
            Stored::No => return Err(refused("model", "a lattice or Fredkin law", "one made from tensors")),
        }
        Ok(())
    })
}
