//! Region noise: rectangles of a lattice erased and redrawn by boundary states, given the rest.
//!
//! ```text
//! x = (inner, outer),   inner' ~ q(·|outer),
//! accept with min(1, π(inner'|outer) q(inner|outer) / (π(inner|outer) q(inner'|outer))),
//! ```
//!
//! `q` the boundary matrix-product state of [`PairModel::window`], old and new scored under the same
//! environments: exact at every size and every χ. Noise that masks a region is the connected move of arXiv
//! 2407.11133 with that kernel.
//!
//! A sweep cuts the lattice into windows from a random corner on and redraws each once, those that do not
//! touch in parallel. On a torus the window of `(rows − 1) × (cols − 1)` sites clamps one row and one column
//! at random places. Where the cut and the order do not depend on the configuration, each step leaves the law
//! invariant, and so does the sweep.
//!
//! Cost of a window: one contraction from below (as [`BoundaryMps::new`]), `O(sites d⁴χ³)`, and some 32
//! draws' time to draw and score. Memory: that of the windows in work, one a thread, beside the
//! configuration.

use ndarray::{ArrayView1, Axis};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lattice::BoundaryMps;
use crate::lattice::square::geometry::Bond;
use crate::lattice::square::pairwise::Pairwise;
use crate::lattice::square::rectangle::Rectangle;
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport, Proposed, leave_bytes};
use crate::model::{Model, SiteWeights, Target};
use crate::rng::{Stream, Streams};

/// Windows redrawn by boundary states: a [`Dynamics`] and a [`Move`] whose target must be the model it was
/// built from, borrowed or owned.
///
/// ```
/// use tensorjump::Streams;
/// use tensorjump::lattice::{Couplings, Geometry, Ising, Square, Windows};
/// use tensorjump::mcmc::{Chains, Move};
///
/// let lattice = Square::new(8, 8, Geometry::Torus)?;
/// let ising = Ising::new(Couplings::uniform(lattice, 1.0)?, 0.44)?;
/// let windows = Windows::new(&ising, 7, 7, 8)?.with_flip()?;
/// let mut chains = Chains::initial(&ising, 4, 1)?;
/// let report = windows.update(&mut chains, &ising, &Streams::new(1))?;
/// assert!(report.acceptance() > 0.9);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Windows<M> {
    model: M,
    rows: usize,
    cols: usize,
    chi: usize,
    /// Windows at independent places in each update, instead of a sweep.
    count: Option<usize>,
    flip: bool,
}

/// What came of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrawn {
    /// The new states are in place (they may be the old ones).
    Accepted,
    /// The old states stay.
    Rejected,
    /// The old states stay, since the boundary states could not have drawn them.
    Unsupported,
}

impl<M: Pairwise> Windows<M> {
    /// Windows of `rows × cols` sites of a model, with bonds of at most `chi`; a sweep in each update,
    /// windows at the edges of the cut being smaller.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a window without sites or larger than the lattice, for all rows of a torus,
    /// or `chi = 0`. All columns of a torus or cylinder are allowed: the window is then a cylinder.
    pub fn new(model: M, rows: usize, cols: usize, chi: usize) -> Result<Self> {
        let lattice = model.lattice();
        for (name, length, n) in
            [("rows of the window", rows, lattice.rows()), ("columns of the window", cols, lattice.cols())]
        {
            if length == 0 || length > n {
                return Err(Error::parameter(name, length, "at least one, at most as many as the lattice has"));
            }
        }
        if lattice.wraps_rows() && rows == lattice.rows() {
            return Err(Error::parameter("rows of the window", rows, "fewer than a torus has"));
        }
        if chi == 0 {
            return Err(Error::parameter("chi", chi, "at least one"));
        }
        Ok(Windows { model, rows, cols, chi, count: None, flip: false })
    }

    /// Redraws `count` windows of full size at independent uniform places in each update, instead of a sweep.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `count` is zero.
    pub fn with_count(self, count: usize) -> Result<Self> {
        if count == 0 {
            return Err(Error::parameter("windows", count, "at least one"));
        }
        Ok(Windows { count: Some(count), ..self })
    }

    /// Exchanges the two states of all sites with probability 1/2 after each update, which a model invariant
    /// under it allows.
    ///
    /// # Errors
    /// [`Error::Entry`] naming the first site or bond that is not invariant; [`Error::LocalDimension`] for
    /// other than two states.
    pub fn with_flip(self) -> Result<Self> {
        check_flip(&self.model)?;
        Ok(Windows { flip: true, ..self })
    }

    /// Erases and redraws one rectangle of `x`; the draw uses row 0 of `streams`.
    ///
    /// # Errors
    /// A rectangle outside the lattice, or with all rows of a torus; a configuration that does not fit or is
    /// not allowed.
    pub fn redraw(&self, rectangle: Rectangle, x: &mut [u8], streams: &Streams) -> Result<Redrawn> {
        let (inner, redrawn) = self.propose(rectangle, x, streams)?;
        for (j, a) in inner {
            x[j] = a;
        }
        Ok(redrawn)
    }

    /// The states to be set, site by site: none where the old ones stay.
    fn propose(&self, rectangle: Rectangle, x: &[u8], streams: &Streams) -> Result<(Vec<(usize, u8)>, Redrawn)> {
        let window = self.model.frozen(rectangle, x)?;
        let sites = rectangle.sites(self.model.lattice())?;
        let old: Vec<u8> = sites.iter().map(|&j| x[j]).collect();
        let old = ArrayView1::from(&old).insert_axis(Axis(0));
        let boundary = BoundaryMps::unchecked(window, self.chi)?;
        let (new, score) = boundary.redraw(&SiteWeights::Uniform, old, streams)?;
        let window = boundary.model();
        let (weight_old, weight_new) = (window.log_weight(old)?[0], window.log_weight(new.x.view())?[0]);
        if !weight_old.is_finite() {
            return Err(Error::LogWeight { row: 0, value: weight_old });
        }
        if score[0] == f64::NEG_INFINITY {
            return Ok((vec![], Redrawn::Unsupported));
        }
        let p = Proposed::acceptance_probability(weight_old, weight_new, score[0] - new.log_prob[0]);
        if streams.domain("accept").stream(0).random::<f64>() < p {
            return Ok((sites.into_iter().zip(new.x.iter().copied()).collect(), Redrawn::Accepted));
        }
        Ok((vec![], Redrawn::Rejected))
    }

    /// Redraws the windows of a cut from a random corner on, each once; returns `(windows, accepted)`.
    ///
    /// # Errors
    /// A configuration that does not fit or is not allowed.
    pub fn sweep(&self, x: &mut [u8], streams: &Streams) -> Result<(usize, usize)> {
        let lattice = self.model.lattice();
        let mut rng = streams.domain("cut").stream(0);
        let rows = cut(lattice.rows(), self.rows, lattice.wraps_rows(), &mut rng);
        let cols = cut(lattice.cols(), self.cols, lattice.wraps_cols(), &mut rng);
        let (mut windows, mut accepted) = (0, 0);
        for class in 0..9 {
            let of_class = rows.iter().filter(|r| r.class == class / 3);
            let places: Vec<Rectangle> = of_class
                .flat_map(|r| cols.iter().filter(|c| c.class == class % 3).map(move |c| rectangle(r, c)))
                .collect();
            // Windows of a class do not touch: given the rest they are independent.
            let redrawn: Vec<_> = places
                .par_iter()
                .enumerate()
                .map(|(i, &place)| self.propose(place, x, &streams.step((windows + i) as u64)))
                .collect();
            windows += places.len();
            for part in redrawn {
                let (inner, redrawn) = part?;
                accepted += usize::from(redrawn == Redrawn::Accepted);
                inner.into_iter().for_each(|(j, a)| x[j] = a);
            }
        }
        Ok((windows, accepted))
    }

    /// One update of one configuration; returns `(windows, accepted)`.
    ///
    /// # Errors
    /// As [`Windows::sweep`].
    pub fn update_one(&self, x: &mut [u8], stream: &mut impl Rng) -> Result<(usize, usize)> {
        let streams = Streams::new(stream.next_u64()).domain("windows");
        let done = match self.count {
            None => self.sweep(x, &streams)?,
            Some(count) => {
                let mut accepted = 0;
                for k in 0..count {
                    let redrawn = self.redraw(self.place(stream), x, &streams.step(k as u64))?;
                    accepted += usize::from(redrawn == Redrawn::Accepted);
                }
                (count, accepted)
            }
        };
        if self.flip && stream.random() {
            x.iter_mut().for_each(|a| *a ^= 1);
        }
        Ok(done)
    }

    /// A window of full size anywhere.
    fn place(&self, rng: &mut impl Rng) -> Rectangle {
        let lattice = self.model.lattice();
        let mut first = |n: usize, length: usize, wraps: bool| {
            if wraps { rng.random_range(0..n) } else { rng.random_range(0..=n - length) }
        };
        let row = first(lattice.rows(), self.rows, lattice.wraps_rows());
        let col = first(lattice.cols(), self.cols, lattice.wraps_cols());
        Rectangle { row, col, rows: self.rows, cols: self.cols }
    }
}

/// A piece of a cut: first index, length, and a class such that pieces of one class are not neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    first: usize,
    length: usize,
    class: usize,
}

fn rectangle(rows: &Piece, cols: &Piece) -> Rectangle {
    Rectangle { row: rows.first, col: cols.first, rows: rows.length, cols: cols.length }
}

/// Cuts `n` indices into pieces of at most `length`, from a random place on.
fn cut(n: usize, length: usize, wraps: bool, rng: &mut impl Rng) -> Vec<Piece> {
    let start = rng.random_range(0..if wraps { n } else { length });
    if wraps {
        let pieces = n.div_ceil(length);
        let piece = |k: usize| Piece {
            first: (start + k * length) % n,
            length: length.min(n - k * length),
            // The last of an odd number of pieces around a ring has both others beside it.
            class: if k + 1 == pieces && k > 0 && k.is_multiple_of(2) { 2 } else { k % 2 },
        };
        return (0..pieces).map(piece).collect();
    }
    // On an open line the first piece ends at `start`, or there is none before it.
    let mut pieces = vec![];
    let (mut first, mut end) = (0, if start == 0 { length } else { start });
    while first < n {
        let last = end.min(n);
        pieces.push(Piece { first, length: last - first, class: pieces.len() % 2 });
        (first, end) = (last, last + length);
    }
    pieces
}

/// Whether the exchange of the states 0 and 1 of all sites changes nothing.
fn check_flip<M: Pairwise>(model: &M) -> Result<()> {
    let (lattice, expected) = (model.lattice(), "the same for both states, for a global flip");
    if let Some(ising) = model.as_ising() {
        return match ising.couplings().field().iter().position(|&h| h != 0.0) {
            None => Ok(()),
            Some(j) => {
                let value = ising.couplings().field()[j];
                Err(Error::Entry { place: lattice.site_name("field", j), value, expected })
            }
        };
    }
    let model = model.tables()?;
    if let Some(site) = model.dims().iter().position(|&d| d != 2) {
        return Err(Error::LocalDimension { site, expected: 2, got: model.dims()[site] });
    }
    let site = |j: &usize| model.site_log_weights(*j)[0] != model.site_log_weights(*j)[1];
    if let Some(j) = (0..lattice.sites()).find(site) {
        let value = model.site_log_weights(j)[0];
        return Err(Error::Entry { place: lattice.site_name("sites", j), value, expected });
    }
    let odd = |bond: &Bond| {
        let t = model.bond_log_weights(*bond);
        t[[0, 0]] != t[[1, 1]] || t[[0, 1]] != t[[1, 0]]
    };
    match lattice.bonds().map(|(bond, ..)| bond).find(odd) {
        None => Ok(()),
        Some(bond) => {
            let value = model.bond_log_weights(bond)[[0, 0]];
            Err(Error::Entry { place: lattice.bond_name(bond), value, expected })
        }
    }
}

impl<M: Pairwise> Dynamics for Windows<M> {
    type State = Vec<u8>;

    fn enter(&self, x: &[u8]) -> Result<Vec<u8>> {
        Ok(x.to_vec())
    }

    /// Counts windows as proposals.
    fn step(&self, x: &mut Vec<u8>, stream: &mut Stream) -> Result<(usize, usize)> {
        self.update_one(x, stream)
    }

    fn leave(&self, state: &Vec<u8>, x: &mut [u8]) -> Result<()> {
        leave_bytes(state, x)
    }
}

impl<M: Pairwise> Move for Windows<M> {
    /// # Errors
    /// A target other than the model, where it shows; errors of the contraction.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every index in one piece, no piece too long, no neighbours of one class.
    #[test]
    fn cuts_cover_and_classes_do_not_touch() {
        let mut rng = Streams::new(1).stream(0);
        for (n, length, wraps) in (1..9).flat_map(|n| (1..=n).flat_map(move |l| [(n, l, false), (n, l, true)])) {
            for _ in 0..20 {
                let pieces = cut(n, length, wraps, &mut rng);
                let mut owner = vec![usize::MAX; n];
                for (k, p) in pieces.iter().enumerate() {
                    assert!(p.length >= 1 && p.length <= length && p.class < 3);
                    for i in 0..p.length {
                        let place = if wraps { (p.first + i) % n } else { p.first + i };
                        assert_eq!(owner[place], usize::MAX);
                        owner[place] = k;
                    }
                }
                let last = if wraps { n } else { n - 1 };
                for i in 0..last {
                    let (a, b) = (owner[i], owner[(i + 1) % n]);
                    assert!(a < pieces.len() && b < pieces.len());
                    assert!(a == b || pieces[a].class != pieces[b].class, "{n} {length} {wraps}");
                }
            }
        }
    }
}
