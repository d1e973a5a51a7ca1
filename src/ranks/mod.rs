//! Several processes that work on one thing: chains, tempering, learning in the loop, lists of instances.
//!
//! The library knows no MPI. It asks three things of whoever has it, [`Ranks`]: which process is this, how
//! many are there, and an all-gather of numbers. MPI from Rust or C, `mpi4py`, threads with a barrier: each
//! is a few lines. [`Alone`] is one process.
//!
//! What is done over ranks has the name of what is done in one process and ends in `over`:
//! [`RunOptions::run_over`](crate::mcmc::RunOptions::run_over),
//! [`Chains::advance_over`](crate::mcmc::Chains::advance_over),
//! [`Tempering::advance_over`](crate::mcmc::Tempering::advance_over),
//! [`LoopOptions::learn_over`](crate::learn::LoopOptions::learn_over), and [`work_list`].
//!
//! * **Collective.** All ranks make the same calls with the same arguments, and all of them return.
//! * **Same numbers.** Each rank has the whole result, bit for bit that of one process, on any number of
//!   ranks: draws are named by seed, step and row, and sums are taken in the order of rows.
//! * **Errors.** Where one rank fails it returns its own error, and all others
//!   [`Error::Rank`](crate::Error::Rank), at their next gather: nobody waits for ever. What the call was to
//!   change (chains, replicas) then stands where it stood before. A process that dies is the communicator's
//!   to notice (MPI ends the others).
//! * **Threads.** Each rank takes the threads of its own pool: give it `cores/ranks` of them.
//!
//! ```
//! use std::ops::ControlFlow::Continue;
//!
//! use tensorjump::Configs;
//! use tensorjump::lattice::{Couplings, Geometry, Ising, SpinSweep, Square};
//! use tensorjump::mcmc::{Chains, RunOptions};
//! use tensorjump::ranks::Alone;
//!
//! let ranks = Alone; // or whatever implements `Ranks`
//! let ising = Ising::new(Couplings::uniform(Square::new(6, 6, Geometry::Torus)?, 1.0)?, 0.3)?;
//! let (sweep, energy) = (SpinSweep::heat_bath(&ising)?, |x: Configs<'_>| ising.energy(x));
//! let mut chains = Chains::initial(&ising, 12, 7)?;
//! let options = RunOptions { updates: 200, ..RunOptions::default() };
//! let run = options.run_over(&ranks, &ising, &sweep, &mut chains, energy, None, |_| Continue(()))?;
//! assert_eq!(run.series.dim(), (200, 12, 1)); // on every rank
//! # Ok::<(), tensorjump::Error>(())
//! ```

pub(crate) mod agreement;
mod communicator;
mod first_file;
pub(crate) mod packing;
mod work_list;

pub(crate) use communicator::share_of;
pub use communicator::{Alone, Ranks};
pub(crate) use first_file::first_file;
pub use work_list::work_list;
