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

/// A bond, by its place in the tables of horizontal and vertical bonds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bond {
    /// Couples `(r, c)` with `(r, c+1)`; index `r·horizontal_cols + c`.
    Horizontal(usize),
    /// Couples `(r, c)` with `(r+1, c)`; index `r·cols + c`.
    Vertical(usize),
}

/// A neighbour of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The neighbour.
    pub site: usize,
    /// The bond between the two.
    pub bond: Bond,
    /// Whether the site whose neighbour this is comes first in the bond (the neighbour is to the right or
    /// below).
    pub first: bool,
}

/// A square lattice of `rows × cols` sites, `j = r·cols + c`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Square {
    rows: usize,
    cols: usize,
    geometry: Geometry,
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
            Some(sites) if i32::try_from(sites).is_ok() => Ok(Square { rows, cols, geometry }),
            _ => Err(Error::parameter("sites", format!("{rows} x {cols}"), "below 2^31")),
        }
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

    /// All bonds with their sites, the horizontal ones first, in order of their index.
    pub fn bonds(&self) -> impl Iterator<Item = (Bond, usize, usize)> + '_ {
        let horizontal = (0..self.horizontal_bonds()).map(|i| (Bond::Horizontal(i), self.horizontal_sites(i)));
        let vertical = (0..self.vertical_bonds()).map(|i| (Bond::Vertical(i), self.vertical_sites(i)));
        horizontal.chain(vertical).map(|(bond, (i, j))| (bond, i, j))
    }

    /// The neighbours of a site: right, left, below, above; `None` beyond a free edge.
    pub fn neighbours(&self, site: usize) -> [Option<Neighbour>; 4] {
        let (r, c) = self.place(site);
        let horizontal = |c: usize| Bond::Horizontal(r * self.horizontal_cols() + c);
        let vertical = |r: usize| Bond::Vertical(self.site(r, c));
        let next = |i: usize, n: usize, wraps: bool| if i + 1 < n { Some(i + 1) } else { wraps.then_some(0) };
        let previous = |i: usize, n: usize, wraps: bool| if i > 0 { Some(i - 1) } else { wraps.then_some(n - 1) };
        let (wraps_rows, wraps_cols) = (self.wraps_rows(), self.wraps_cols());
        [
            next(c, self.cols, wraps_cols).map(|k| Neighbour {
                site: self.site(r, k),
                bond: horizontal(c),
                first: true,
            }),
            previous(c, self.cols, wraps_cols).map(|k| Neighbour {
                site: self.site(r, k),
                bond: horizontal(k),
                first: false,
            }),
            next(r, self.rows, wraps_rows).map(|k| Neighbour { site: self.site(k, c), bond: vertical(r), first: true }),
            previous(r, self.rows, wraps_rows).map(|k| Neighbour {
                site: self.site(k, c),
                bond: vertical(k),
                first: false,
            }),
        ]
    }

    /// Name of a bond as in coupling files: `horizontal[r][c]`.
    pub(super) fn bond_name(&self, bond: Bond) -> String {
        match bond {
            Bond::Horizontal(i) => {
                format!("horizontal[{}][{}]", i / self.horizontal_cols(), i % self.horizontal_cols())
            }
            Bond::Vertical(i) => format!("vertical[{}][{}]", i / self.cols, i % self.cols),
        }
    }

    /// Name of a site's entry as in coupling files: `field[r][c]`.
    pub(super) fn site_name(&self, field: &str, site: usize) -> String {
        let (r, c) = self.place(site);
        format!("{field}[{r}][{c}]")
    }
}
