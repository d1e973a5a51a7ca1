//! Files: models, tensor trains and states of long computations in
//! [safetensors](https://docs.rs/safetensors), configurations in `.npy`.
//!
//! A file is written beside its place, synced, and renamed: whoever is killed while writing leaves the old
//! file. A reader compares what a file claims with its size before it allocates.
//!
//! # Layout of the `.safetensors` files
//!
//! All arrays are row-major; those of models are `F64`, states hold `U8` and `U64` beside them. The metadata,
//! strings, say what the file is:
//!
//! | metadata | content |
//! |---|---|
//! | `kind` | `tensorjump born law`, `tensorjump positive law`, `tensorjump mps` or `tensorjump mpo` |
//! | `version` | `1` |
//! | `tensor sites` | number of sites `N`, in decimal |
//! | `sites of the law` | of a Born law: its first sites, the others being summed over; else all |
//! | `log scale` | logarithm of a common factor in nats, in decimal; 0 where it is missing |
//!
//! | arrays | shape |
//! |---|---|
//! | `tensor 0` … `tensor N−1` | `(χ_{j−1}, d_j, χ_j)`; of an operator `(D_{j−1}, d_in, d_out, D_j)` |
//!
//! The first and the last bond are 1. The tensors stand for `v(x) = e^{log scale} A_0[x_0] ⋯
//! A_{N−1}[x_{N−1}]`: the vector (or operator) itself, the weights of a positive law `P = v/Σv`, or the
//! amplitude of a Born law `P = v²/Σv²`. Tensors in any gauge are read; those in the gauge that this library
//! writes (right-canonical for Born laws, `Σ_{a,k} A_j[i,a,k] = 1` for positive ones) are kept bit for bit.
//! `log_z` of a law that was read is that of the law that was written, to its last digits.
//!
//! # States
//!
//! [`Checkpoint`] says where a long computation keeps its state and how often. States are files of the kinds
//! `tensorjump learning state`, `tensorjump chains` and `tensorjump replicas`; those of runs carry what the
//! run must agree with beside the state itself. Configurations are `U8`, counts `U64`. The series of a run
//! stand beside in `.npy` files that grow, and are synced before the state that counts their rows is written.
//!
//! | arrays of chains | shape |
//! |---|---|
//! | `x`, `log-weights` | `(chains, sites)`, `(chains)` |
//! | `reports` | `(reports with their parts, 6)`: proposed, accepted, moved, unsupported, impossible, parts |
//!
//! | arrays of replicas | shape |
//! |---|---|
//! | `parameters`, `x`, `log-weights` | `(levels)`, `(levels, copies, sites)`, `(levels, copies)` |
//! | `walkers`, `ends`, `crossings` | `(copies, levels)` |
//! | `attempts`, `probability` of exchanges | `(copies, levels − 1)` |
//! | `reports` | as above, one of each level |
//!
//! # Example
//!
//! ```
//! use tensorjump::model::{Boundary, PositiveMps};
//!
//! let path = std::env::temp_dir().join(format!("tensorjump-{}.safetensors", std::process::id()));
//! let ring = PositiveMps::ising(0.3, &[1.0; 6], &[0.0; 6], Boundary::Ring)?;
//! ring.write(&path)?;
//! let read = PositiveMps::read(&path)?;
//! assert_eq!((read.as_mps(), read.log_z()), (ring.as_mps(), ring.log_z()));
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), tensorjump::Error>(())
//! ```

mod checkpoint;
mod files;
mod models;
mod npy;
pub(crate) mod safetensors;
mod samples;
mod series;

pub use checkpoint::{Checkpoint, Interval};
pub(crate) use checkpoint::{Due, hash, hash_numbers};
pub use models::StoredLaw;
pub use samples::{read_samples, write_samples};
pub(crate) use series::SeriesFile;
