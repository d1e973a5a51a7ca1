//! Windows of a cubic lattice: boxes that rods redraw, their cross-sections, and cuts of the lattice into
//! them.

use rand::{Rng, RngExt};

use super::geometry::Cubic;
use crate::error::{Error, Result};

/// Sites of a cross-section at most: the transfer vector has `2^area` entries.
pub(super) const LARGEST: usize = 12;

/// A box of sites that fits its lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub start: [usize; 3],
    /// The direction of the transfer, and the length along it.
    pub axis: usize,
    pub length: usize,
    pub section: Section,
}

/// The cross-section of a window: `a` sites along direction `axis + 1`, `b` along `axis + 2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    pub a: usize,
    pub b: usize,
    /// Whether it closes around the lattice along its sides.
    pub closes: [bool; 2],
}

impl Window {
    /// The box of `shape` sites from `start` on; the transfer runs along its longest side that does not close
    /// around the lattice.
    ///
    /// # Errors
    /// As [`CubicLanes::redraw`](super::lanes::CubicLanes::redraw).
    pub fn new(lattice: Cubic, start: [usize; 3], shape: [usize; 3]) -> Result<Self> {
        let (sides, periodic) = (lattice.shape(), lattice.periodic());
        for d in 0..3 {
            if start[d] >= sides[d] {
                return Err(Error::parameter("start of the window", format!("{start:?}"), "a site of the lattice"));
            }
            let room = if periodic[d] { sides[d] } else { sides[d] - start[d] };
            if shape[d] == 0 || shape[d] > room {
                let expected = "at least one site each way, within the lattice";
                return Err(Error::parameter("shape of the window", format!("{shape:?}"), expected));
            }
        }
        let closes: [bool; 3] = std::array::from_fn(|d| periodic[d] && shape[d] == sides[d]);
        let Some(axis) = (0..3).filter(|&d| !closes[d]).max_by_key(|&d| (shape[d], 2 - d)) else {
            let expected = "shorter than the lattice at least along one side: it wraps onto itself";
            return Err(Error::parameter("shape of the window", format!("{shape:?}"), expected));
        };
        let (da, db) = ((axis + 1) % 3, (axis + 2) % 3);
        let section = Section { a: shape[da], b: shape[db], closes: [closes[da], closes[db]] };
        check_area(section.a, section.b)?;
        Ok(Window { start, axis, length: shape[axis], section })
    }

    /// Rods of cross-section `a × b` at most that cover the lattice once, along a random direction and from a
    /// random corner on; where that direction wraps around each leaves out one site of it, at random.
    ///
    /// # Errors
    /// [`Error::TooLarge`].
    pub fn cut(lattice: Cubic, [a, b]: [usize; 2], rng: &mut impl Rng) -> Result<Vec<Self>> {
        check_area(a, b)?;
        let (sides, periodic) = (lattice.shape(), lattice.periodic());
        let axis = rng.random_range(0..3);
        let (da, db) = ((axis + 1) % 3, (axis + 2) % 3);
        let (a, b) = if rng.random() { (a, b) } else { (b, a) };
        let (along_a, along_b) = (pieces(sides[da], a, periodic[da], rng), pieces(sides[db], b, periodic[db], rng));
        let length = sides[axis] - usize::from(periodic[axis]);
        let mut windows = Vec::with_capacity(along_a.len() * along_b.len());
        for &(y, b) in &along_b {
            for &(x, a) in &along_a {
                let mut start = [0; 3];
                (start[da], start[db]) = (x, y);
                start[axis] = if periodic[axis] { rng.random_range(0..sides[axis]) } else { 0 };
                let closes = [periodic[da] && a == sides[da], periodic[db] && b == sides[db]];
                windows.push(Window { start, axis, length, section: Section { a, b, closes } });
            }
        }
        Ok(windows)
    }

    /// The sites, slice after slice along the axis.
    pub fn sites(&self, lattice: Cubic, sites: &mut Vec<u32>) {
        let (sides, Section { a, b, .. }) = (lattice.shape(), self.section);
        let (da, db) = ((self.axis + 1) % 3, (self.axis + 2) % 3);
        sites.clear();
        for z in 0..self.length {
            for p in 0..a * b {
                let mut at = self.start;
                for (d, step) in [(self.axis, z), (da, p % a), (db, p / a)] {
                    at[d] = (at[d] + step) % sides[d];
                }
                sites.push(lattice.site(at) as u32);
            }
        }
    }
}

/// # Errors
/// [`Error::TooLarge`].
pub(super) fn check_area(a: usize, b: usize) -> Result<()> {
    if a == 0 || b == 0 {
        return Err(Error::parameter("cross-section of the rods", format!("{a} x {b}"), "at least one site"));
    }
    let area = a.saturating_mul(b);
    if area > LARGEST {
        let size = 1usize.checked_shl(area.min(64) as u32).unwrap_or(usize::MAX);
        return Err(Error::TooLarge { what: "the transfer vector of a rod", size, limit: 1 << LARGEST });
    }
    Ok(())
}

/// Cuts a side into pieces of `width` sites and shorter ones at its ends: starts and lengths.
fn pieces(side: usize, width: usize, periodic: bool, rng: &mut impl Rng) -> Vec<(usize, usize)> {
    let width = width.min(side);
    let offset = rng.random_range(0..if periodic { side } else { width });
    if periodic {
        return (0..side).step_by(width).map(|at| ((offset + at) % side, width.min(side - at))).collect();
    }
    // The first piece ends at the offset.
    let ends = (0..).map(|k| (offset + k * width).min(side)).skip_while(|&end| end == 0);
    let mut pieces = vec![];
    let mut from = 0;
    for end in ends {
        pieces.push((from, end - from));
        from = end;
        if end == side {
            break;
        }
    }
    pieces
}

/// Where a site of a cross-section stands.
pub(super) struct Place {
    /// Sites of the cross-section before it that are its neighbours.
    pub earlier: Vec<(usize, Side)>,
    /// Its neighbours outside, along the sides of the cross-section.
    pub outside: Vec<Side>,
    /// Indices of transfer vectors without its own bit, grouped by the states of the earlier neighbours: bit
    /// `i` of the number of the group is the state of `earlier[i]`.
    pub groups: Vec<u32>,
}

/// A direction within a cross-section: up or down its first or second side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Side {
    second: bool,
    down: bool,
}

impl Side {
    const ALL: [Side; 4] = [
        Side { second: false, down: true },
        Side { second: true, down: true },
        Side { second: false, down: false },
        Side { second: true, down: false },
    ];

    /// Its place among the neighbours of a site, for a transfer along `axis`.
    #[inline(always)]
    pub fn neighbour(self, axis: usize) -> usize {
        2 * ((axis + 1 + usize::from(self.second)) % 3) + usize::from(self.down)
    }
}

impl Section {
    pub fn area(self) -> usize {
        self.a * self.b
    }

    /// All sites of the cross-section.
    pub fn places(self) -> Vec<Place> {
        (0..self.area()).map(|p| self.place(p)).collect()
    }

    fn place(self, p: usize) -> Place {
        let (mut earlier, mut outside) = (vec![], vec![]);
        for side in Side::ALL {
            match self.beside(p, side) {
                Some(q) if q < p => earlier.push((q, side)),
                Some(_) => {}
                None => outside.push(side),
            }
        }
        let group = |f: &u32| earlier.iter().enumerate().fold(0, |c, (i, (q, _))| c | (f >> q & 1) << i);
        let mut groups: Vec<u32> = (0..1 << self.area()).filter(|f| f >> p & 1 == 0).collect();
        groups.sort_by_key(group);
        Place { earlier, outside, groups }
    }

    /// The site of the cross-section beside site `p`.
    fn beside(self, p: usize, side: Side) -> Option<usize> {
        let Section { a, b, closes } = self;
        let (x, y) = (p % a, p / a);
        let step = |at: usize, length: usize, closes: bool| match (side.down, at) {
            (true, 0) => closes.then_some(length - 1),
            (true, at) => Some(at - 1),
            (false, at) if at + 1 == length => closes.then_some(0),
            (false, at) => Some(at + 1),
        };
        if side.second { step(y, b, closes[1]).map(|y| x + a * y) } else { step(x, a, closes[0]).map(|x| x + a * y) }
    }
}
