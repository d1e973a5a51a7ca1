//! Sites and bonds of the square lattice.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which directions of the square lattice wrap around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Geometry {
    /// Neither: a rectangle with free edges.
    Open,
    /// The columns: each row is a ring, the first and the last row are free.
    Cylinder,
    /// Both.
    Torus,
}

/// A bond, by its place in the tables of its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bond {
    /// Couples `(r, c)` with `(r, c+1)`; index `r·horizontal_cols + c`.
    Horizontal(usize),
    /// Couples `(r, c)` with `(r+1, c)`; index `r·cols + c`.
    Vertical(usize),
    /// Couples `(r, c)` with `(r+1, c+1)`; index `r·horizontal_cols + c`.
    Diagonal(usize),
    /// Couples `(r, c+1)` with `(r+1, c)`; index `r·horizontal_cols + c`.
    AntiDiagonal(usize),
}

impl Bond {
    /// Horizontal, vertical, diagonal, antidiagonal: 0 to 3.
    pub(super) fn direction(self) -> usize {
        match self {
            Bond::Horizontal(_) => 0,
            Bond::Vertical(_) => 1,
            Bond::Diagonal(_) => 2,
            Bond::AntiDiagonal(_) => 3,
        }
    }
}

/// A neighbour of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The neighbour.
    pub site: usize,
    /// The bond between the two.
    pub bond: Bond,
    /// Whether the site whose neighbour this is comes first in the bond (the neighbour is to the right in the
    /// same row, or in the row below).
    pub first: bool,
}

/// A square lattice of `rows × cols` sites, `j = r·cols + c`, with bonds to the nearest neighbours and, where
/// asked for ([`Square::with_diagonals`]), along the diagonals of its plaquettes.
///
/// ```
/// use tensorjump::lattice::{Geometry, Square};
///
/// // With one of the two diagonals the square lattice is the triangular one: six neighbours a site.
/// let triangular = Square::new(4, 4, Geometry::Torus)?.with_diagonals(true, false);
/// assert!((0..16).all(|j| triangular.neighbours(j).into_iter().flatten().count() == 6));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Square {
    rows: usize,
    cols: usize,
    geometry: Geometry,
    diagonal: bool,
    antidiagonal: bool,
}

impl Square {
    /// A lattice; a direction that wraps needs at least three sites (see the [module](crate::lattice)).
    ///
    /// # Errors
    /// [`Error::Parameter`] for no rows or columns, fewer than three in a direction that wraps, or 2³¹ sites
    /// and more.
    pub fn new(rows: usize, cols: usize, geometry: Geometry) -> Result<Self> {
        for (name, length, wraps) in
            [("rows", rows, geometry == Geometry::Torus), ("cols", cols, geometry != Geometry::Open)]
        {
            if length == 0 {
                return Err(Error::parameter(name, length, "at least one"));
            }
            if wraps && length < 3 {
                return Err(Error::parameter(name, length, "at least three where this direction wraps around"));
            }
        }
        match rows.checked_mul(cols) {
            Some(sites) if i32::try_from(sites).is_ok() => {
                Ok(Square { rows, cols, geometry, diagonal: false, antidiagonal: false })
            }
            _ => Err(Error::parameter("sites", format!("{rows} x {cols}"), "below 2^31")),
        }
    }

    /// The same sites, with the bonds [`Bond::Diagonal`] and [`Bond::AntiDiagonal`] or without. One of them
    /// makes the triangular lattice, both make the king's graph. A direction that wraps has at least three
    /// sites, so that no two bonds join the same pair.
    #[must_use]
    pub fn with_diagonals(self, diagonal: bool, antidiagonal: bool) -> Self {
        Square { diagonal, antidiagonal, ..self }
    }

    /// Whether the lattice has bonds [`Bond::Diagonal`], and [`Bond::AntiDiagonal`].
    pub fn diagonals(&self) -> (bool, bool) {
        (self.diagonal, self.antidiagonal)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Which directions wrap around.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.rows * self.cols
    }

    /// Index of the site in row `r`, column `c`.
    pub fn site(&self, r: usize, c: usize) -> usize {
        r * self.cols + c
    }

    /// Row and column of a site.
    pub fn place(&self, site: usize) -> (usize, usize) {
        (site / self.cols, site % self.cols)
    }

    /// Whether the columns wrap around.
    pub fn wraps_cols(&self) -> bool {
        self.geometry != Geometry::Open
    }

    /// Whether the rows wrap around.
    pub fn wraps_rows(&self) -> bool {
        self.geometry == Geometry::Torus
    }

    /// Horizontal bonds in each row: `cols` where the columns wrap, else `cols − 1`.
    pub fn horizontal_cols(&self) -> usize {
        self.cols - usize::from(!self.wraps_cols())
    }

    /// Rows of vertical bonds: `rows` where the rows wrap, else `rows − 1`.
    pub fn vertical_rows(&self) -> usize {
        self.rows - usize::from(!self.wraps_rows())
    }

    /// Number of horizontal bonds.
    pub fn horizontal_bonds(&self) -> usize {
        self.rows * self.horizontal_cols()
    }

    /// Number of vertical bonds.
    pub fn vertical_bonds(&self) -> usize {
        self.vertical_rows() * self.cols
    }

    /// Plaquettes: places for bonds of either diagonal.
    fn plaquettes(&self) -> usize {
        self.vertical_rows() * self.horizontal_cols()
    }

    /// Number of bonds [`Bond::Diagonal`].
    pub fn diagonal_bonds(&self) -> usize {
        if self.diagonal { self.plaquettes() } else { 0 }
    }

    /// Number of bonds [`Bond::AntiDiagonal`].
    pub fn antidiagonal_bonds(&self) -> usize {
        if self.antidiagonal { self.plaquettes() } else { 0 }
    }

    /// The two sites of horizontal bond `i`, the left one first.
    pub fn horizontal_sites(&self, i: usize) -> (usize, usize) {
        let (r, c) = (i / self.horizontal_cols(), i % self.horizontal_cols());
        (self.site(r, c), self.site(r, (c + 1) % self.cols))
    }

    /// The two sites of vertical bond `i`, the upper one first.
    pub fn vertical_sites(&self, i: usize) -> (usize, usize) {
        let (r, c) = self.place(i);
        (i, self.site((r + 1) % self.rows, c))
    }

    /// The two sites of diagonal bond `i`, the upper left one first.
    pub fn diagonal_sites(&self, i: usize) -> (usize, usize) {
        let (r, c) = (i / self.horizontal_cols(), i % self.horizontal_cols());
        (self.site(r, c), self.site((r + 1) % self.rows, (c + 1) % self.cols))
    }

    /// The two sites of antidiagonal bond `i`, the upper right one first.
    pub fn antidiagonal_sites(&self, i: usize) -> (usize, usize) {
        let (r, c) = (i / self.horizontal_cols(), i % self.horizontal_cols());
        (self.site(r, (c + 1) % self.cols), self.site((r + 1) % self.rows, c))
    }

    /// All bonds with their sites, direction after direction (horizontal, vertical, diagonal, antidiagonal),
    /// in order of their index.
    pub fn bonds(&self) -> impl Iterator<Item = (Bond, usize, usize)> + '_ {
        let horizontal = (0..self.horizontal_bonds()).map(|i| (Bond::Horizontal(i), self.horizontal_sites(i)));
        let vertical = (0..self.vertical_bonds()).map(|i| (Bond::Vertical(i), self.vertical_sites(i)));
        let diagonal = (0..self.diagonal_bonds()).map(|i| (Bond::Diagonal(i), self.diagonal_sites(i)));
        let anti = (0..self.antidiagonal_bonds()).map(|i| (Bond::AntiDiagonal(i), self.antidiagonal_sites(i)));
        horizontal.chain(vertical).chain(diagonal).chain(anti).map(|(bond, (i, j))| (bond, i, j))
    }

    /// The neighbours of a site: right, left, below, above; below right, above left, below left, above right
    /// where the lattice has these diagonals. `None` beyond a free edge.
    #[inline]
    pub fn neighbours(&self, site: usize) -> [Option<Neighbour>; 8] {
        let [right, left, below, above] = self.nearest(site);
        let mut all = [right, left, below, above, None, None, None, None];
        if self.diagonal || self.antidiagonal {
            all[4..].copy_from_slice(&self.across(site));
        }
        all
    }

    /// The neighbours along rows and columns: right, left, below, above.
    pub(super) fn nearest(&self, site: usize) -> [Option<Neighbour>; 4] {
        let (r, c) = self.place(site);
        let horizontal = |c: usize| Bond::Horizontal(r * self.horizontal_cols() + c);
        let vertical = |r: usize| Bond::Vertical(self.site(r, c));
        let (right, left, below, above) = (self.right(c), self.left(c), self.below(r), self.above(r));
        [
            right.map(|k| Neighbour { site: self.site(r, k), bond: horizontal(c), first: true }),
            left.map(|k| Neighbour { site: self.site(r, k), bond: horizontal(k), first: false }),
            below.map(|k| Neighbour { site: self.site(k, c), bond: vertical(r), first: true }),
            above.map(|k| Neighbour { site: self.site(k, c), bond: vertical(k), first: false }),
        ]
    }

    /// The neighbours along the diagonals: below right, above left, below left, above right.
    fn across(&self, site: usize) -> [Option<Neighbour>; 4] {
        let (r, c) = self.place(site);
        let index = |r: usize, c: usize| r * self.horizontal_cols() + c;
        let (right, left, below, above) = (self.right(c), self.left(c), self.below(r), self.above(r));
        let neighbour = |row: Option<usize>, col: Option<usize>, bond: &dyn Fn(usize, usize) -> Bond, first: bool| {
            let (row, col) = (row?, col?);
            Some(Neighbour { site: self.site(row, col), bond: bond(row, col), first })
        };
        let mut all = [None; 4];
        if self.diagonal {
            all[0] = neighbour(below, right, &|_, _| Bond::Diagonal(index(r, c)), true);
            all[1] = neighbour(above, left, &|row, col| Bond::Diagonal(index(row, col)), false);
        }
        if self.antidiagonal {
            all[2] = neighbour(below, left, &|_, col| Bond::AntiDiagonal(index(r, col)), true);
            all[3] = neighbour(above, right, &|row, _| Bond::AntiDiagonal(index(row, c)), false);
        }
        all
    }

    /// Column to the right, where there is one.
    fn right(&self, c: usize) -> Option<usize> {
        if c + 1 < self.cols { Some(c + 1) } else { self.wraps_cols().then_some(0) }
    }

    fn left(&self, c: usize) -> Option<usize> {
        if c > 0 { Some(c - 1) } else { self.wraps_cols().then_some(self.cols - 1) }
    }

    fn below(&self, r: usize) -> Option<usize> {
        if r + 1 < self.rows { Some(r + 1) } else { self.wraps_rows().then_some(0) }
    }

    fn above(&self, r: usize) -> Option<usize> {
        if r > 0 { Some(r - 1) } else { self.wraps_rows().then_some(self.rows - 1) }
    }

    /// For what knows nearest neighbours only.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the diagonals.
    pub(super) fn check_nearest(&self, expected: &'static str) -> Result<()> {
        let value = match (self.diagonal_bonds() > 0, self.antidiagonal_bonds() > 0) {
            (false, false) => return Ok(()),
            (true, false) => "diagonal",
            (false, true) => "antidiagonal",
            (true, true) => "diagonal and antidiagonal",
        };
        Err(Error::parameter("diagonal bonds", value, expected))
    }

    /// Name of a bond as in coupling files: `horizontal[r][c]`.
    pub(super) fn bond_name(&self, bond: Bond) -> String {
        let (i, across) = match bond {
            Bond::Vertical(i) => (i, self.cols),
            Bond::Horizontal(i) | Bond::Diagonal(i) | Bond::AntiDiagonal(i) => (i, self.horizontal_cols()),
        };
        let name = ["horizontal", "vertical", "diagonal", "antidiagonal"][bond.direction()];
        format!("{name}[{}][{}]", i / across, i % across)
    }

    /// Name of a site's entry as in coupling files: `field[r][c]`.
    pub(super) fn site_name(&self, field: &str, site: usize) -> String {
        let (r, c) = self.place(site);
        format!("{field}[{r}][{c}]")
    }
}
