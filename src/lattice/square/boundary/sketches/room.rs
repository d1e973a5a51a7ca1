//! The numbers of a group: sixteen models of one shape, a lane each.

use super::super::draws::choice::Walkers;
use super::factors::Factors;
use super::numbers::{Legs, State, Tensor, WIDTH, down, empty, zero};

/// Factors, boundary states and configurations of a group, and the buffers of its passes.
///
/// On a ring all that is summed from one side of a bond is so for each state `z` of the first site of the
/// row: `rings = Q` such parts, else one.
pub(super) struct Room<M: Factors<Q>, const Q: usize, const X: usize> {
    pub rows: usize,
    pub cols: usize,
    pub rings: usize,
    /// States of a site, of the `Q` that have room, and values of a bond, of `X`.
    pub states: usize,
    pub chi: usize,
    /// By site.
    pub sites: Vec<M>,
    /// `E_r[a][l][r]` by site of row `r`.
    pub tensors: Vec<Tensor<M::Real, Q, X>>,
    /// By column and ring: products with the vectors to the right of it, `T·S`, and `C` from the left.
    pub products: Vec<Tensor<M::Real, Q, X>>,
    pub carries: Vec<Tensor<M::Real, Q, X>>,
    /// By ring: `S`, the vectors to the right.
    pub vectors: Vec<Tensor<M::Real, Q, X>>,
    /// By column and ring: `t[a][l]` of a pass over a row; and `ρ[a][r]`.
    pub ahead: Vec<Legs<M::Real, Q, X>>,
    pub behind: Vec<Legs<M::Real, Q, X>>,
    /// The configuration drawn, and the one to be scored.
    pub new: Vec<State<M::Real>>,
    pub old: Vec<State<M::Real>>,
    pub walkers: Walkers<WIDTH>,
    /// Lanes whose states are not finite or vanish.
    pub lost: [bool; WIDTH],
}

impl<M: Factors<Q>, const Q: usize, const X: usize> Room<M, Q, X> {
    /// With all factors one.
    pub(super) fn new(rows: usize, cols: usize, ring: bool) -> Self {
        let (n, rings) = (rows * cols, if ring { Q } else { 1 });
        Room {
            rows,
            cols,
            rings,
            states: Q,
            chi: X,
            sites: vec![M::NONE; n],
            tensors: vec![empty(); n],
            products: vec![empty(); cols * rings],
            carries: vec![empty(); cols * rings],
            vectors: vec![empty(); rings],
            ahead: vec![[[zero(); X]; Q]; cols * rings],
            behind: vec![[[zero(); X]; Q]; rings],
            new: vec![down::<M::Real>(); n],
            old: vec![down::<M::Real>(); n],
            walkers: Walkers::new(|_| [0; 4]),
            lost: [false; WIDTH],
        }
    }

    /// Values of the bond to the left of column `c`.
    pub(super) fn bond(&self, c: usize) -> usize {
        let states = |sites: usize| self.states.saturating_pow(sites.min(64) as u32);
        self.chi.min(states(c)).min(states(self.cols - c))
    }
}
