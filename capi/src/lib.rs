//! C interface of tensorjump: what the header `tensorjump.h` declares.
//!
//! Nothing is computed here: arguments are checked and passed on, results are written into the caller's
//! buffers, errors become a status and a message.
//!
//! **Safety.** All functions share one contract, stated at the top of the header: a pointer is NULL or points
//! to as many elements as the function's documentation says, handles come from this library and have not been
//! freed. What can be checked is checked before anything is read ([`handle`], [`buffers`]).
#![allow(non_camel_case_types, clippy::missing_safety_doc)]

mod buffers;
mod chains;
mod draws;
mod files;
mod handle;
mod lattice;
mod models;
mod noise;
mod proposals;
mod ranks;
mod status;
mod targets;
mod tempering;
mod threads;
