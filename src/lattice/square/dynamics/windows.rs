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
//! draws' time to draw and score; a hundredth of it at χ = 4, 110 ns a site, where sixteen chains or more
//! have theirs contracted side by side ([`Windows::with_sketches`]). Memory: that of the windows in work, one
//! a thread, beside the configuration.

use ndarray::{ArrayView1, Axis};
use rand::{Rng, RngExt};
use rayon::prelude::*;

use super::cut::{cut, rectangle};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::lattice::BoundaryMps;
use crate::lattice::square::boundary::sketches::{Redraw, Window, WindowsInLanes};
use crate::lattice::square::geometry::Bond;
use crate::lattice::square::odds::Odds;
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
    /// Of the model, where windows are contracted in lanes.
    sketches: Option<WindowsInLanes>,
}

/// States to be set, by site, and what came of their window.
type Change = (Vec<(usize, u8)>, Redrawn);

/// A configuration on its way, with the streams of its windows.
struct Chain<'a> {
    x: &'a mut [u8],
    streams: Streams,
    accepted: usize,
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
        Ok(Windows { model, rows, cols, chi, count: None, flip: false, sketches: None })
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

    /// Contracts windows by product sketches in single precision, those of sixteen chains side by side. As a
    /// [`Move`] all chains are then cut alike in an update; each has its own draws, and what a chain does
    /// depends on no other.
    ///
    /// Windows of two states with nearest-neighbour bonds, positive weights, open edges and χ = 1, 2, 4 or 8;
    /// all others are contracted as without ([`BoundaryMps::with_sketches`]).
    ///
    /// ```
    /// use tensorjump::Streams;
    /// use tensorjump::lattice::{Couplings, Geometry, Ising, Square, Windows};
    /// use tensorjump::mcmc::{Chains, Move};
    ///
    /// let glass = Couplings::plus_minus(Square::new(12, 12, Geometry::Torus)?, 1);
    /// let ising = Ising::new(glass, 1.0)?;
    /// let windows = Windows::new(&ising, 11, 11, 4)?.with_count(1)?.with_sketches()?;
    /// let mut chains = Chains::initial(&ising, 32, 1)?;
    /// let report = windows.update(&mut chains, &ising, &Streams::new(1))?;
    /// assert!(report.proposed == 32 && report.acceptance() > 0.9);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the tables of the model.
    pub fn with_sketches(self) -> Result<Self> {
        let sketches = Odds::of(&*self.model.tables()?).map(WindowsInLanes::new);
        Ok(Windows { sketches, ..self })
    }

    /// Erases and redraws one rectangle of `x`; the draw uses row 0 of `streams`.
    ///
    /// # Errors
    /// A rectangle outside the lattice, or with all rows of a torus; a configuration that does not fit or is
    /// not allowed.
    pub fn redraw(&self, rectangle: Rectangle, x: &mut [u8], streams: &Streams) -> Result<Redrawn> {
        let window = Window { rectangle, x, streams: *streams };
        let redrawn = self.propose_all(&[window])?.pop();
        let (inner, redrawn) = redrawn.unwrap_or((vec![], Redrawn::Rejected));
        for (j, a) in inner {
            x[j] = a;
        }
        Ok(redrawn)
    }

    /// The states to be set, site by site: none where the old ones stay.
    fn propose(&self, rectangle: Rectangle, x: &[u8], streams: &Streams) -> Result<Change> {
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

    /// [`Windows::propose`] for windows that do not touch each other, of one or of many configurations: the
    /// states to be set, site by site. In lanes where there are some.
    fn propose_all(&self, windows: &[Window<'_>]) -> Result<Vec<Change>> {
        let one = |window: &Window<'_>| self.propose(window.rectangle, window.x, &window.streams);
        let Some(WindowsInLanes { odds, redraw }) = &self.sketches else {
            return windows.par_iter().map(one).collect::<Vec<_>>().into_iter().collect();
        };
        let in_lanes = redraw(odds, windows, self.chi);
        let finish = |(redraw, window)| match redraw {
            Redraw::Accepted(inner) => Ok((inner, Redrawn::Accepted)),
            Redraw::Rejected => Ok((vec![], Redrawn::Rejected)),
            Redraw::Left => one(window),
        };
        in_lanes.into_par_iter().zip(windows).map(finish).collect::<Vec<_>>().into_iter().collect()
    }

    /// Redraws the windows of a cut from a random corner on, each once; returns `(windows, accepted)`.
    ///
    /// # Errors
    /// A configuration that does not fit or is not allowed.
    pub fn sweep(&self, x: &mut [u8], streams: &Streams) -> Result<(usize, usize)> {
        let mut chain = [Chain { x, streams: *streams, accepted: 0 }];
        let windows = self.sweep_all(&mut chain, &mut streams.domain("cut").stream(0))?;
        Ok((windows, chain[0].accepted))
    }

    /// The same for many chains and one cut; returns the number of windows of each.
    fn sweep_all(&self, chains: &mut [Chain<'_>], rng: &mut impl Rng) -> Result<usize> {
        let lattice = self.model.lattice();
        let rows = cut(lattice.rows(), self.rows, lattice.wraps_rows(), rng);
        let cols = cut(lattice.cols(), self.cols, lattice.wraps_cols(), rng);
        let mut windows = 0;
        for class in 0..9 {
            let of_class = rows.iter().filter(|r| r.class == class / 3);
            let places: Vec<Rectangle> = of_class
                .flat_map(|r| cols.iter().filter(|c| c.class == class % 3).map(move |c| rectangle(r, c)))
                .collect();
            // Windows of a class do not touch: given the rest they are independent.
            let step = |i: usize| (windows + i) as u64;
            self.redraw_all(chains, places.len(), |_, i| places[i], step)?;
            windows += places.len();
        }
        Ok(windows)
    }

    /// Redraws `count` windows of each chain that do not touch, at `place(chain, i)`, with the streams of
    /// `step(i)`.
    fn redraw_all(
        &self,
        chains: &mut [Chain<'_>],
        count: usize,
        place: impl Fn(usize, usize) -> Rectangle,
        step: impl Fn(usize) -> u64,
    ) -> Result<()> {
        let window = |k: usize, i: usize| {
            let Chain { x, streams, .. } = &chains[k];
            Window { rectangle: place(k, i), x, streams: streams.step(step(i)) }
        };
        let all: Vec<Window<'_>> = (0..chains.len() * count).map(|k| window(k / count, k % count)).collect();
        let redrawn = self.propose_all(&all)?;
        for (k, (inner, redrawn)) in redrawn.into_iter().enumerate() {
            let chain = &mut chains[k / count];
            chain.accepted += usize::from(redrawn == Redrawn::Accepted);
            inner.into_iter().for_each(|(j, a)| chain.x[j] = a);
        }
        Ok(())
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
                let mut chain = [Chain { x: &mut *x, streams, accepted: 0 }];
                for k in 0..count {
                    let place = self.place(stream);
                    self.redraw_all(&mut chain, 1, |_, _| place, |_| k as u64)?;
                }
                (count, chain[0].accepted)
            }
        };
        if self.flip && stream.random() {
            x.iter_mut().for_each(|a| *a ^= 1);
        }
        Ok(done)
    }

    /// The same for many chains, in lanes, chain `i` with stream `i`; a sweep has the same cut for all of
    /// them. Returns the number of windows of each, and of all that were accepted.
    fn update_all(&self, x: &mut [u8], streams: &Streams) -> Result<(usize, usize)> {
        let sites = self.model.lattice().sites();
        let mut each: Vec<Stream> = (0..x.len() / sites).map(|row| streams.stream(row)).collect();
        let mut chains: Vec<Chain<'_>> = x
            .chunks_exact_mut(sites)
            .zip(&mut each)
            .map(|(x, stream)| Chain { x, streams: Streams::new(stream.next_u64()).domain("windows"), accepted: 0 })
            .collect();
        let windows = match self.count {
            None => self.sweep_all(&mut chains, &mut streams.domain("cut").shared())?,
            Some(count) => {
                for k in 0..count {
                    let places: Vec<Rectangle> = each.iter_mut().map(|stream| self.place(stream)).collect();
                    self.redraw_all(&mut chains, 1, |chain, _| places[chain], |_| k as u64)?;
                }
                count
            }
        };
        for (chain, stream) in chains.iter_mut().zip(&mut each) {
            if self.flip && stream.random() {
                chain.x.iter_mut().for_each(|a| *a ^= 1);
            }
        }
        Ok((windows, chains.iter().map(|chain| chain.accepted).sum()))
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
        if self.sketches.is_none() {
            return EachChain(self).update(chains, target, streams);
        }
        match_dims(target.dims(), &vec![2; self.model.lattice().sites()])?;
        let mut x = chains.x().to_owned();
        let flat = x.as_slice_mut().expect("a contiguous copy");
        let (windows, accepted) = self.update_all(flat, &streams.domain("local"))?;
        let log_weight = target.log_weight(x.view())?;
        let mut report = MoveReport { proposed: windows * chains.len(), accepted, ..MoveReport::default() };
        for (row, (x, &log_weight)) in x.outer_iter().zip(&log_weight).enumerate() {
            report.moved += usize::from(chains.replace(row, x, log_weight)?);
        }
        Ok(report)
    }
}
