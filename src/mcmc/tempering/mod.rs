//! Parallel tempering: replicas at the levels of a ladder, which exchange configurations (Hukushima, Nemoto,
//! J. Phys. Soc. Jpn. 65, 1604).
//!
//! Levels `k` with laws `π_k`, one configuration each; after the moves of all levels the pairs `(k, k+1)` of
//! one parity exchange theirs with
//!
//! ```text
//! min(1, π_k(x_{k+1}) π_{k+1}(x_k) / (π_k(x_k) π_{k+1}(x_{k+1}))),
//! ```
//!
//! the parity alternating from update to update (Okabe et al.; Syed et al., arXiv 1905.02939: better than a
//! random one). The laws may be any targets on the same lattice, and the move of each level any move that
//! leaves its law invariant.
//!
//! **Diagnostics.** Swap rates are means of the acceptance probability. A *walker* is a configuration
//! followed through the exchanges; it makes a round trip when it has gone from the first level to the last
//! and back.
//!
//! **Ladder.** [`TunedLadder::measure`] re-spaces the parameters until neighbours exchange often enough.
//!
//! **Packed states.** Where the move of a level is a [`Dynamics`](crate::mcmc::Dynamics) its states stay
//! packed between updates, and levels of one type exchange them as they are.
//!
//! **Restart.** [`Replicas::write`] and [`Tempering::read`] keep everything in a file, counts included;
//! [`Replicas::snapshot`] is the same as plain data (serde), from which [`Tempering::resume`] continues
//! exactly as if never interrupted.
//!
//! Cost of an update: the moves, and two log-weights a pair and copy (none where [`Tempering::proportional`]
//! applies).

mod ladder;
mod levels;
mod replicas;
mod run;
mod spread;
mod stored;
mod walkers;

pub use ladder::TunedLadder;
pub(crate) use ladder::check_ladder;
pub use levels::{Level, Tempering};
pub use replicas::{Replicas, ReplicasSnapshot};
pub use walkers::Walkers;
