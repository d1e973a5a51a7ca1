//! The stochastic Fredkin chain: Dyck paths weighted by the area under them.
//!
//! `N` sites, `n_j ∈ {0, 1}`, one is an up step; heights `h_j = Σ_{i≤j} (2n_i − 1)`. In the Dyck sector
//! (`h_j ≥ 0`, `h_N = 0`) the equilibrium law is
//!
//! ```text
//! P(n) = q^k / Z,    q = c/(1−c),    k = (Σ_j h_j − N/2)/2 = 0, 1, …, N(N−2)/8,
//! ```
//!
//! reached by `01 → 10` on neighbouring sites with rate `c·f` and `10 → 01` with rate `(1−c)·f`,
//! `f = n_{j−1} + (1 − n_{j+2})` (sites beyond the ends contribute nothing to `f`); see arXiv 2407.11133 and
//! the works on the Fredkin chain cited there.
//!
//! **Which c?** Here `01 → 10`, which raises the path, has rate `c·f`: `c > 1/2` is the phase of large area
//! (heights ∝ N), `c < 1/2` that of flat paths (heights of order one), `c = 1/2` uniform on Dyck paths
//! (heights ∝ √N). Some texts swap `c` and `1 − c`; the mean area tells which is meant.
//!
//! | what | where | cost |
//! |---|---|---|
//! | heights, area, sectors, log-weight | [`Fredkin`] | O(N) a configuration |
//! | log Z, profiles, area, entropy, two-point functions | [`Equilibrium`] | O(N²) time and memory |
//! | exact draws, tilted draws, evidence, cavities | [`FredkinModel`] | O(N), tilted O(N²/4) |
//! | generator | [`Fredkin::generator`] | a sum of local terms |
//! | rejection-free and Metropolis moves | [`FredkinProcess`], [`Fredkin::metropolis`] | O(1) an event |
//!
//! All transfer-matrix recursions run on *ratios* of partition sums of neighbouring heights (`transfer.rs`):
//! every term is positive, nothing cancels, nothing overflows.

mod band;
mod chain;
mod configs;
mod dynamics;
mod equilibrium;
mod magnitude;
mod model;
mod tilt;
mod transfer;

pub use chain::Fredkin;
pub use dynamics::FredkinProcess;
pub use equilibrium::Equilibrium;
pub use model::FredkinModel;
