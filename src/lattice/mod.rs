//! Lattice systems: what is to be sampled.
//!
//! # Square lattices
//!
//! Models with interactions between nearest neighbours and, where asked for, along the diagonals,
//!
//! ```text
//! P(x) = 1/Z ∏_j v_j(x_j) ∏_{bonds (i,j)} W_ij(x_i, x_j),      W_ij(a, b) ≥ 0,
//! ```
//!
//! with any table on each bond, zeros included ([`PairModel`]: Potts, clock, hard squares, colourings). The
//! [`Ising`] model is the case
//!
//! ```text
//! P(s) = 1/Z exp β(Σ_bonds J_ij s_i s_j + Σ_j h_j s_j),        state 1 is s = +1, state 0 is s = −1.
//! ```
//!
//! **Geometry.** Sites `j = r·cols + c`. Horizontal bond `(r, c)` couples `(r, c)` with `(r, c+1)`, vertical
//! bond `(r, c)` couples `(r, c)` with `(r+1, c)`, the first state being that of `(r, c)`. With
//! [`Square::with_diagonals`], diagonal bond `(r, c)` couples `(r, c)` with `(r+1, c+1)`, antidiagonal bond
//! `(r, c)` couples `(r, c+1)` with `(r+1, c)`, the state of the upper site first: J1–J2 models and the
//! triangular, Union Jack, kagome and king's lattices ([`Couplings::triangular`] and its like; the honeycomb
//! lattice needs no diagonals). On a [`Geometry::Cylinder`] the columns wrap around (each row is a ring), on
//! a [`Geometry::Torus`] the rows do too. A direction that wraps has at least three sites: with two the bonds
//! `(r, 0)–(r, 1)` and `(r, 1)–(r, 0)` would join the same pair twice, with one a site would couple to
//! itself; texts count these differently, so they are refused.
//!
//! | what | where | cost |
//! |---|---|---|
//! | couplings: given, uniform, ±J, Gaussian, from a file; other lattices | [`Couplings`] | O(N) |
//! | log-weight, energy, magnetisation, correlations | [`Ising`], [`PairModel`] | O(N) a configuration |
//! | change of the log-weight by a local move | [`PairModel::log_ratio`], [`Ising::log_ratio`] | O(1) |
//! | exact log Z, energy, specific heat without field | [`FreeFermions`] | O(rows · cols³) |
//! | the model in a rectangle, the rest frozen | [`PairModel::window`] | O(sites of the rectangle) |
//! | independent draws, `log Z`; tori too | [`BoundaryMps`], [`Contraction`] | O(dχ²) a site, torus O(d³χ²) |
//! | independent draws along a snake, circumference ≤ 12 | [`SnakeMps`] | O(dχ²) a site |
//! | Metropolis and heat bath of spins | [`SpinSweep`] | 0.5 to 2.4 ns a site |
//! | heat bath of any pair weights | [`SiteHeatBath`] | 20 ns a site |
//! | clusters (Wolff, Phys. Rev. Lett. 62, 361) | [`Wolff`] | 6 ns a site of the cluster |
//! | clusters (Swendsen–Wang), Ising and Potts | [`SwendsenWang`] | 20 ns a site |
//! | regions redrawn by boundary states, tori too | [`Windows`] | 7 µs a site at χ = 4, 30 at χ = 8 |
//! | connected moves in fields of noise | [`InnerDraws`](crate::mcmc::InnerDraws) | 2 µs a site at χ = 2 |
//!
//! Diagonal bonds cost nothing where they are absent. With them draws cost what they do without (the row
//! above is known when a row is drawn), boundary states are built with bonds `dχ` before compression for one
//! diagonal, `d²χ` for both (factors squared on a ring). [`FreeFermions`], [`SnakeMps`], [`SpinSweep`] and
//! [`Wolff`] refuse them by name.
//!
//! # Cubic lattices
//!
//! The Ising model with any couplings and fields, each direction open or periodic. Sixteen replicas of it
//! move side by side, in single precision where that is put right or does not matter; with couplings of one
//! absolute value and no field 512 move in the bits of words. Potts models move one by one.
//!
//! | what | where | cost |
//! |---|---|---|
//! | couplings: given, uniform, ±J, Gaussian | [`CubicCouplings`] | O(N) |
//! | log-weight, energy, magnetisation, overlap, link overlap | [`CubicIsing`] | O(N) a configuration |
//! | heat bath, Metropolis, rods redrawn exactly | [`CubicMove`] | 0.6, 0.6, 7 ns a spin (2 × 2) |
//! | a state of 16 replicas | [`CubicLanes`] | 64 bytes a site |
//! | tempering in which β moves; Houdayer clusters | [`CubicTempering`] | the moves; 3 ns a flipped site |
//! | clusters of ferromagnets (Wolff, Swendsen–Wang) | [`CubicClusters`] | 10 to 20 ns a site |
//! | 512 replicas in bits (±J): Metropolis, tempering, Houdayer clusters | [`CubicBits`] | 0.08 ns a spin |
//! | Potts and any pair interaction | [`CubicPotts`] | O(N) a configuration |
//! | heat bath, Swendsen–Wang, rods of it | [`CubicPottsMove`] | 60, 25, 320 ns a site (2 × 1) |
//!
//! A rod is a window of cross-section `a × b ≤ 12` along the whole lattice: a quench of ±J 16³ at T = 0.5
//! comes in 44 sweeps of 2 × 2 rods where heat bath comes in 1024, at half the CPU time. Where valleys have
//! to be left, tempering does it, and there cheap sweeps are as good.
//!
//! # The stochastic Fredkin chain
//!
//! Dyck paths weighted by the area under them.
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

pub(crate) mod cubic;
pub(crate) mod fredkin;
pub(crate) mod square;

pub use cubic::bits::state::CubicBits;
pub use cubic::clusters::CubicClusters;
pub use cubic::couplings::CubicCouplings;
pub use cubic::geometry::Cubic;
pub use cubic::ising::CubicIsing;
pub use cubic::lanes::CubicLanes;
pub use cubic::moves::{CubicMove, CubicSweeps};
pub use cubic::potts::model::CubicPotts;
pub use cubic::potts::moves::CubicPottsMove;
pub use cubic::tempering::CubicTempering;
pub use fredkin::{Equilibrium, Fredkin, FredkinModel, FredkinProcess};
pub use square::boundary::{BoundaryMps, ContractOptions, Contraction, Draws};
pub use square::couplings::Couplings;
pub use square::dynamics::heat_bath::SiteHeatBath;
pub use square::dynamics::spins::{Spins, fast_rng};
pub use square::dynamics::sweep::SpinSweep;
pub use square::dynamics::swendsen_wang::SwendsenWang;
pub use square::dynamics::windows::{Redrawn, Windows};
pub use square::dynamics::wolff::Wolff;
pub use square::fermions::FreeFermions;
pub use square::geometry::{Bond, Geometry, Neighbour, Square};
pub use square::ising::Ising;
pub use square::pair::PairModel;
pub use square::pairwise::Pairwise;
pub use square::rectangle::Rectangle;
pub use square::snake::SnakeMps;
