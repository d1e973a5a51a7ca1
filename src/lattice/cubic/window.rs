//! Windows of a cubic lattice: boxes that rods redraw, their cross-sections, and cuts of the lattice into
//! them.

use std::ops::Range;

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

/// The cross-section of a window: `a` sites along one side, not fewer than `b` along the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Section {
    pub a: usize,
    pub b: usize,
    /// Whether it closes around the lattice along its sides.
    pub closes: [bool; 2],
    /// Directions of the two sides.
    sides: [usize; 2],
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
        let section = Section::new(axis, shape, closes);
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
                let mut shape = [length; 3];
                (shape[da], shape[db]) = (a, b);
                let closes = std::array::from_fn(|d| periodic[d] && shape[d] == sides[d]);
                windows.push(Window { start, axis, length, section: Section::new(axis, shape, closes) });
            }
        }
        Ok(windows)
    }

    /// The sites, slice after slice along the axis.
    pub fn sites(&self, lattice: Cubic, sites: &mut Vec<u32>) {
        let (shape, Section { a, b, sides: [da, db], .. }) = (lattice.shape(), self.section);
        let along = |d: usize, step: usize| {
            let to = self.start[d] + step;
            if to < shape[d] { to } else { to - shape[d] }
        };
        sites.clear();
        let mut at = [0; 3];
        for z in 0..self.length {
            at[self.axis] = along(self.axis, z);
            for y in 0..b {
                at[db] = along(db, y);
                for x in 0..a {
                    at[da] = along(da, x);
                    sites.push(lattice.site(at) as u32);
                }
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

/// Consecutive sites of a cross-section, which the transfer takes at once.
pub(super) struct Block {
    /// The first of them.
    pub first: usize,
    pub sites: Vec<Place>,
    /// Tables whose product is the weight of the states of the block: one, or two where one would be large.
    pub tables: Vec<Table>,
}

/// Sites of a block at most: the `2^4` entries of their states stay in registers.
pub(super) const WIDEST: usize = 4;

/// Products of the weights of consecutive sites of a block, by the states they depend on: the lowest bits of
/// an index are the sites of the block, up to the last of the table, the others sites of blocks behind it.
pub(super) struct Table {
    /// The sites, counted from the first of the block.
    pub sites: Range<usize>,
    /// By index and site where the weight of the site stands, in the order of [`Place::bonds`].
    pub weights: Vec<[u8; WIDEST]>,
    /// Where the entries of a group start: a group has all states but those of the block in common.
    pub starts: Vec<u32>,
}

/// Where a site of a cross-section stands.
pub(super) struct Place {
    /// Bonds to sites of the cross-section before it in its block, and in the blocks behind: each bond once.
    pub bonds: Vec<(usize, Side)>,
    /// Its neighbours outside, along the sides of the cross-section.
    pub outside: Vec<Side>,
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

    /// Its place among the neighbours of a site.
    #[inline(always)]
    pub fn neighbour(self, section: Section) -> usize {
        2 * section.sides[usize::from(self.second)] + usize::from(self.down)
    }
}

impl Section {
    /// Of a box of `shape` sites that closes around the lattice along some sides.
    fn new(axis: usize, shape: [usize; 3], closes: [bool; 3]) -> Self {
        let mut sides = [(axis + 1) % 3, (axis + 2) % 3];
        if shape[sides[0]] < shape[sides[1]] {
            sides.swap(0, 1);
        }
        let [a, b] = sides.map(|d| shape[d]);
        Section { a, b, closes: sides.map(|d| closes[d]), sides }
    }

    pub fn area(self) -> usize {
        self.a * self.b
    }

    /// Sites a block: the largest part of two to four sites into which it can be cut, or one.
    pub fn width(self) -> usize {
        (2..=WIDEST).rev().find(|&k| self.area().is_multiple_of(k)).unwrap_or(1)
    }

    /// The sites, block after block.
    pub fn blocks(self) -> Vec<Block> {
        (0..self.area()).step_by(self.width()).map(|first| self.block(first)).collect()
    }

    fn block(self, first: usize) -> Block {
        let width = self.width();
        let sites: Vec<Place> = (first..first + width).map(|p| self.place(p, first)).collect();
        let whole = self.table(first, &sites, 0..width);
        let half = width.div_ceil(2);
        let tables = if width == 1 || whole.weights.len() <= 32 {
            vec![whole]
        } else {
            vec![self.table(first, &sites, 0..half), self.table(first, &sites, half..width)]
        };
        Block { first, sites, tables }
    }

    fn table(self, first: usize, block: &[Place], sites: Range<usize>) -> Table {
        // Sites of the cross-section by bit of the index.
        let mut bits: Vec<usize> = (first..first + sites.end).collect();
        for &(q, _) in block[sites.clone()].iter().flat_map(|place| &place.bonds) {
            if !bits.contains(&q) {
                bits.push(q);
            }
        }
        let state = |c: usize, q: usize| bits.iter().position(|&b| b == q).map_or(0, |bit| c >> bit & 1);
        let of_site = |c: usize, i: usize| {
            let others = block[i].bonds.iter().enumerate();
            others.fold(state(c, first + i), |w, (b, &(q, _))| w | state(c, q) << (b + 1)) as u8
        };
        let of_sites = |c: usize| {
            let mut weights = [0; WIDEST];
            sites.clone().zip(&mut weights).for_each(|(i, w)| *w = of_site(c, i));
            weights
        };
        let own = ((1usize << block.len()) - 1) << first;
        let behind = bits.iter().enumerate().skip(sites.end);
        let start = |f: usize| behind.clone().fold(0, |c, (bit, q)| c | ((f >> q & 1) << bit) as u32);
        Table {
            weights: (0..1 << bits.len()).map(of_sites).collect(),
            starts: (0..1 << self.area()).filter(|f| f & own == 0).map(start).collect(),
            sites,
        }
    }

    fn place(self, p: usize, first: usize) -> Place {
        let mut place = Place { bonds: vec![], outside: vec![] };
        for side in Side::ALL {
            match self.beside(p, side) {
                Some(q) if (first..p).contains(&q) || q >= first + self.width() => place.bonds.push((q, side)),
                Some(_) => {}
                None => place.outside.push(side),
            }
        }
        place
    }

    /// The site of the cross-section beside site `p`.
    fn beside(self, p: usize, side: Side) -> Option<usize> {
        let Section { a, b, closes, .. } = self;
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
