//! Models on the square lattice with interactions between nearest neighbours.
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
//! bond `(r, c)` couples `(r, c)` with `(r+1, c)`, the first state being that of `(r, c)`. On a
//! [`Geometry::Cylinder`] the columns wrap around (each row is a ring), on a [`Geometry::Torus`] the rows do
//! too. A direction that wraps has at least three sites: with two the bonds `(r, 0)–(r, 1)` and
//! `(r, 1)–(r, 0)` would join the same pair twice, with one a site would couple to itself; texts count these
//! differently, so they are refused.
//!
//! | what | where | cost |
//! |---|---|---|
//! | couplings: given, uniform, ±J, Gaussian, from a file | [`Couplings`] | O(N) |
//! | log-weight, energy, magnetisation, correlations | [`Ising`], [`PairModel`] | O(N) a configuration |
//! | change of the log-weight by a local move | [`PairModel::log_ratio`], [`Ising::log_ratio`] | O(1) |
//! | exact log Z, energy, specific heat without field | [`FreeFermions`] | O(rows · cols³) |
//! | the model in a rectangle, the rest frozen | [`PairModel::window`] | O(sites of the rectangle) |
//! | independent draws, `log Z`; tori too | [`BoundaryMps`], [`contract`] | O(dχ²) a site, torus O(d³χ²) |
//! | independent draws along a snake, circumference ≤ 12 | [`SnakeMps`] | O(dχ²) a site |
//! | Metropolis and heat bath of spins | [`SpinSweep`] | 0.5 to 2.4 ns a site |
//! | heat bath of any pair weights | [`SiteHeatBath`] | 20 ns a site |
//! | clusters (Wolff, Phys. Rev. Lett. 62, 361) | [`Wolff`] | 6 ns a site of the cluster |
//! | clusters (Swendsen–Wang), Ising and Potts | [`SwendsenWang`] | 20 ns a site |
//! | regions redrawn by boundary states, tori too | [`Windows`] | 7 µs a site at χ = 4, 30 at χ = 8 |
//! | connected moves in fields of noise | [`InnerDraws`](crate::mcmc::InnerDraws) | 2 µs a site at χ = 2 |

pub mod boundary;
mod couplings;
mod dynamics;
mod fermions;
mod geometry;
mod ising;
mod pair;
mod pairwise;
mod rectangle;
mod snake;
mod strip;

pub use boundary::{BoundaryMps, ContractOptions, Contraction, Draws, contract};
pub use couplings::Couplings;
pub use dynamics::heat_bath::SiteHeatBath;
pub use dynamics::spins::{Spins, fast_rng};
pub use dynamics::sweep::SpinSweep;
pub use dynamics::swendsen_wang::SwendsenWang;
pub use dynamics::windows::{Redrawn, Windows};
pub use dynamics::wolff::Wolff;
pub use fermions::{FreeFermions, free_fermion_log_z};
pub use geometry::{Bond, Geometry, Neighbour, Square};
pub use ising::Ising;
pub use pair::PairModel;
pub use pairwise::Pairwise;
pub use rectangle::Rectangle;
pub use snake::SnakeMps;
