//! The numbers of a group: sixteen models of one shape, a lane each.

use std::sync::{Mutex, PoisonError};

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
    rings: usize,
    /// By column: values of the bond to the left, of the `X` that have room, and the states that sketches
    /// favour.
    pub bonds: Vec<usize>,
    pub favoured: Vec<[Option<usize>; X]>,
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

/// Rooms of a batch: one a thread, however groups are shared out. (One a piece of work would be one a group:
/// to fill it was a tenth of the time of a batch at χ = 2.)
pub(super) struct Rooms<R>(Mutex<Vec<R>>);

impl<R> Rooms<R> {
    pub(super) fn new() -> Self {
        Rooms(Mutex::new(Vec::new()))
    }

    /// Works in a room that is free, or a new one.
    pub(super) fn with<T>(&self, new: impl FnOnce() -> R, work: impl FnOnce(&mut R) -> T) -> T {
        let free = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut room = free.unwrap_or_else(new);
        let out = work(&mut room);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        out
    }
}

/// So many of them, made in their places: `vec!` makes one and moves a copy to each.
fn filled<T>(n: usize, one: impl Fn() -> T) -> Vec<T> {
    std::iter::repeat_with(one).take(n).collect()
}

impl<M: Factors<Q>, const Q: usize, const X: usize> Room<M, Q, X> {
    /// With all factors one.
    pub(super) fn new(rows: usize, cols: usize, ring: bool) -> Self {
        debug_assert!(M::RINGS || !ring);
        let (n, rings) = (rows * cols, if ring { Q } else { 1 });
        Room {
            rows,
            cols,
            rings,
            bonds: Vec::new(),
            favoured: Vec::new(),
            sites: vec![M::NONE; n],
            tensors: filled(n, empty),
            products: filled(cols * rings, empty),
            carries: filled(cols * rings, empty),
            vectors: vec![empty(); rings],
            ahead: vec![[[zero(); X]; Q]; cols * rings],
            behind: vec![[[zero(); X]; Q]; rings],
            new: vec![down::<M::Real>(); n],
            old: vec![down::<M::Real>(); n],
            walkers: Walkers::new(|_| [0; 4]),
            lost: [false; WIDTH],
        }
        .of(Q, X)
    }

    /// Parts of a row.
    #[inline(always)]
    pub(super) fn rings(&self) -> usize {
        if M::RINGS { self.rings } else { 1 }
    }

    /// With fewer states and values of a bond than have room.
    pub(super) fn of(self, states: usize, chi: usize) -> Self {
        let bonds = (0..self.cols).map(|c| bond((c, self.cols - c), states, chi)).collect();
        let each = |c: usize| std::array::from_fn(|k| favoured::<X>(k, self.cols - 1 - c, states));
        Room { favoured: (0..self.cols).map(each).collect(), bonds, ..self }
    }
}

/// Values of a bond with so many sites to either side.
fn bond((left, right): (usize, usize), states: usize, chi: usize) -> usize {
    let of = |sites: usize| states.saturating_pow(sites.min(64) as u32);
    chi.min(of(left)).min(of(right))
}

/// The state that sketch `k` favours at a site with so many behind it: the digits of `k` in turn, so that
/// sketches differ on any few sites side by side, and the first `d^m` of them on the last `m`. (Random ones
/// agree here and there on the sites that decide, and a sweep finds nothing that is in no sketch.) The first
/// sketch is the sum over all states.
fn favoured<const X: usize>(k: usize, behind: usize, states: usize) -> Option<usize> {
    let mut digits = 1;
    while states > 1 && states.pow(digits) < X {
        digits += 1;
    }
    if k == 0 { None } else { Some(states - 1 - k / states.pow(behind as u32 % digits) % states) }
}
