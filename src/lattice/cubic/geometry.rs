//! Sites and bonds of the cubic lattice.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Names of the directions, and what the lattice has in each.
pub(super) const DIRECTIONS: [&str; 3] = ["x", "y", "z"];

/// A cubic lattice of `shape = (nx, ny, nz)` sites, `j = (x·ny + y)·nz + z`, each direction open or periodic.
///
/// A direction that wraps around has at least three sites: with two the bonds `0–1` and `1–0` would join the
/// same pair twice, as on the [square lattices](crate::lattice).
///
/// ```
/// use tensorjump::lattice::Cubic;
///
/// let cube = Cubic::new([4, 4, 4], [true; 3])?;
/// assert_eq!(cube.neighbours(0), [Some(16), Some(48), Some(4), Some(12), Some(1), Some(3)]);
/// assert!(Cubic::new([4, 4, 2], [true; 3]).unwrap_err().to_string().contains("nz"));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Sides", into = "Sides")]
pub struct Cubic {
    shape: [usize; 3],
    periodic: [bool; 3],
}

/// A [`Cubic`] before it is checked.
#[derive(Serialize, Deserialize)]
struct Sides {
    shape: [usize; 3],
    periodic: [bool; 3],
}

impl Cubic {
    /// A lattice of `shape` sites; `periodic` tells which directions wrap around.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a direction without sites, fewer than three in one that wraps, or 2³¹ sites
    /// and more.
    pub fn new(shape: [usize; 3], periodic: [bool; 3]) -> Result<Self> {
        for (d, name) in ["nx", "ny", "nz"].into_iter().enumerate() {
            if shape[d] == 0 {
                return Err(Error::parameter(name, shape[d], "at least one"));
            }
            if periodic[d] && shape[d] < 3 {
                return Err(Error::parameter(name, shape[d], "at least three where this direction wraps around"));
            }
        }
        let sites = shape.iter().try_fold(1usize, |n, &length| n.checked_mul(length));
        match sites {
            Some(sites) if i32::try_from(sites).is_ok() => Ok(Cubic { shape, periodic }),
            _ => Err(Error::parameter("sites", format!("{shape:?}"), "below 2^31")),
        }
    }

    /// Sites along each direction.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Which directions wrap around.
    pub fn periodic(&self) -> [bool; 3] {
        self.periodic
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.shape.iter().product()
    }

    /// Index of the site at `(x, y, z)`.
    pub fn site(&self, [x, y, z]: [usize; 3]) -> usize {
        (x * self.shape[1] + y) * self.shape[2] + z
    }

    /// `(x, y, z)` of a site.
    pub fn place(&self, site: usize) -> [usize; 3] {
        let [_, ny, nz] = self.shape;
        [site / (ny * nz), site / nz % ny, site % nz]
    }

    /// The neighbours of a site: up and down each direction, `+x, −x, +y, −y, +z, −z`; `None` beyond a free
    /// edge.
    pub fn neighbours(&self, site: usize) -> [Option<usize>; 6] {
        let at = self.place(site);
        std::array::from_fn(|k| {
            let (d, length) = (k / 2, self.shape[k / 2]);
            let mut to = at;
            to[d] = match (k % 2 == 0, at[d]) {
                (true, x) if x + 1 < length => x + 1,
                (false, x) if x > 0 => x - 1,
                _ if !self.periodic[d] => return None,
                (true, _) => 0,
                (false, _) => length - 1,
            };
            Some(self.site(to))
        })
    }

    /// All bonds, direction after direction: the direction and the two sites, the second one further along
    /// it.
    pub fn bonds(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let along = move |d: usize, i: usize| self.neighbours(i)[2 * d].map(|j| (d, i, j));
        (0..3).flat_map(move |d| (0..self.sites()).filter_map(move |i| along(d, i)))
    }

    /// Name of the entry of a site in a table: `field[x][y][z]`.
    pub(super) fn name(&self, table: &str, site: usize) -> String {
        let [x, y, z] = self.place(site);
        format!("{table}[{x}][{y}][{z}]")
    }
}

impl TryFrom<Sides> for Cubic {
    type Error = Error;

    fn try_from(sides: Sides) -> Result<Self> {
        Cubic::new(sides.shape, sides.periodic)
    }
}

impl From<Cubic> for Sides {
    fn from(Cubic { shape, periodic }: Cubic) -> Sides {
        Sides { shape, periodic }
    }
}

/// Neighbours of all sites in flat tables, for what visits many of them.
#[derive(Debug, PartialEq)]
pub(super) struct Tables {
    /// `+x, −x, +y, −y, +z, −z` of each site and of one site more that stands for "none": the number of
    /// sites.
    pub neighbours: Vec<[u32; 6]>,
    /// The sites in checkerboard order, `x + y + z` even first.
    pub order: Vec<u32>,
}

impl Tables {
    pub(super) fn new(lattice: Cubic) -> Self {
        let sites = lattice.sites();
        let of_site = |j| lattice.neighbours(j).map(|n| n.unwrap_or(sites) as u32);
        let neighbours = (0..sites).map(of_site).chain([[sites as u32; 6]]).collect();
        let colour = |&j: &u32| lattice.place(j as usize).iter().sum::<usize>() % 2;
        let mut order: Vec<u32> = (0..sites as u32).collect();
        order.sort_by_key(colour);
        Tables { neighbours, order }
    }
}
