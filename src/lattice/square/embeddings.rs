//! Other planar lattices on the sites of the square one.
//!
//! | lattice | bonds | sites a direction that wraps |
//! |---|---|---|
//! | J1–J2, king's graph | all, both diagonals | any |
//! | triangular | right, down, one diagonal | any |
//! | Union Jack | right, down, diagonals of even sites | even |
//! | honeycomb | right, every second one down: bricks | even |
//! | kagome | triangular without the sites of odd row and column | even |
//!
//! Critical couplings of the ferromagnets `βJ`: square `ln(1 + √2)/2`, triangular `ln 3/4`, honeycomb
//! `ln(2 + √3)/2`, kagome `ln(3 + 2√3)/4` (Syozi, Prog. Theor. Phys. 6, 306).

use super::couplings::Couplings;
use super::geometry::{Bond, Square};
use crate::error::{Error, Result};

impl Couplings {
    /// `J_1` between nearest and `J_2` between next-nearest neighbours of the square lattice, both diagonals
    /// of each plaquette; no field. With `J_2 < −|J_1|/2` the ground states are stripes.
    ///
    /// ```
    /// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
    ///
    /// let lattice = Square::new(8, 8, Geometry::Open)?;
    /// let stripes = Ising::new(Couplings::j1_j2(lattice, 1.0, -0.8)?, 0.5)?;
    /// let draws = BoundaryMps::new(&stripes, 16)?;
    /// assert!(draws.log_z() > 64.0 * 2f64.ln());
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Entry`] for a coupling that is not finite.
    pub fn j1_j2(lattice: Square, j1: f64, j2: f64) -> Result<Self> {
        Couplings::of_bonds(lattice.with_diagonals(true, true), |bond, _, _| match bond {
            Bond::Horizontal(_) | Bond::Vertical(_) => j1,
            Bond::Diagonal(_) | Bond::AntiDiagonal(_) => j2,
        })
    }

    /// The king's graph: eight neighbours, one coupling; no field.
    ///
    /// # Errors
    /// As [`Couplings::j1_j2`].
    pub fn kings(lattice: Square, coupling: f64) -> Result<Self> {
        Couplings::uniform(lattice.with_diagonals(true, true), coupling)
    }

    /// The triangular lattice, six neighbours, one coupling; no field. Sites are drawn at
    /// [`Square::triangular_position`].
    ///
    /// # Errors
    /// As [`Couplings::j1_j2`].
    pub fn triangular(lattice: Square, coupling: f64) -> Result<Self> {
        Couplings::uniform(lattice.with_diagonals(true, false), coupling)
    }

    /// The Union Jack lattice: sites of even `row + column` have eight neighbours, the others four; no field.
    ///
    /// # Errors
    /// As [`Couplings::j1_j2`]; [`Error::Parameter`] for an odd number of rows or columns that wrap around.
    pub fn union_jack(lattice: Square, coupling: f64) -> Result<Self> {
        check_even(lattice)?;
        Couplings::of_bonds(lattice.with_diagonals(true, true), |bond, site, _| {
            let (r, c) = lattice.place(site);
            let even = (r + c).is_multiple_of(2);
            if even || matches!(bond, Bond::Horizontal(_) | Bond::Vertical(_)) { coupling } else { 0.0 }
        })
    }

    /// The honeycomb lattice as a wall of bricks: three neighbours, the bond down from a site of odd `row +
    /// column` is zero; no field. Sites are drawn at [`Square::honeycomb_position`].
    ///
    /// # Errors
    /// As [`Couplings::union_jack`].
    pub fn honeycomb(lattice: Square, coupling: f64) -> Result<Self> {
        check_even(lattice)?;
        Couplings::of_bonds(lattice.with_diagonals(false, false), |bond, site, _| {
            let (r, c) = lattice.place(site);
            let brick = matches!(bond, Bond::Vertical(_)) && !(r + c).is_multiple_of(2);
            if brick { 0.0 } else { coupling }
        })
    }

    /// The kagome lattice: the triangular one without the sites of odd row and odd column, which stay as free
    /// spins and add `ln 2` each to `log Z`; no field. Sites are drawn at [`Square::triangular_position`].
    ///
    /// # Errors
    /// As [`Couplings::union_jack`].
    pub fn kagome(lattice: Square, coupling: f64) -> Result<Self> {
        check_even(lattice)?;
        let lattice = lattice.with_diagonals(true, false);
        let hole = |site: usize| {
            let (r, c) = lattice.place(site);
            r % 2 == 1 && c % 2 == 1
        };
        Couplings::of_bonds(lattice, |_, i, j| if hole(i) || hole(j) { 0.0 } else { coupling })
    }

    /// A coupling for each bond, told with its sites.
    fn of_bonds(lattice: Square, coupling: impl Fn(Bond, usize, usize) -> f64) -> Result<Self> {
        let mut values: [Vec<f64>; 4] = Default::default();
        lattice.bonds().for_each(|(bond, i, j)| values[bond.direction()].push(coupling(bond, i, j)));
        Couplings::of_values(lattice, values, vec![0.0; lattice.sites()])
    }
}

/// Lattices with two kinds of sites close only on even rings.
fn check_even(lattice: Square) -> Result<()> {
    for (name, length, wraps) in
        [("rows", lattice.rows(), lattice.wraps_rows()), ("cols", lattice.cols(), lattice.wraps_cols())]
    {
        if wraps && !length.is_multiple_of(2) {
            return Err(Error::parameter(name, length, "even where this direction wraps around"));
        }
    }
    Ok(())
}

impl Square {
    /// Where a site of the triangular (or kagome) lattice is, `x` to the right and `y` upwards, with bonds of
    /// length one: a rhombus of rows.
    pub fn triangular_position(&self, site: usize) -> [f64; 2] {
        let (r, c) = self.place(site);
        [c as f64 - 0.5 * r as f64, -0.75f64.sqrt() * r as f64]
    }

    /// Where a site of the honeycomb lattice is, `x` to the right and `y` upwards, with bonds of length one.
    pub fn honeycomb_position(&self, site: usize) -> [f64; 2] {
        let (r, c) = self.place(site);
        let down = if (r + c).is_multiple_of(2) { 0.25 } else { -0.25 };
        [0.75f64.sqrt() * c as f64, -1.5 * r as f64 - down]
    }
}
