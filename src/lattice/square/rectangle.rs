//! The model in a rectangle, everything around frozen.
//!
//! With `x = (inner, outer)`: `log w(inner, outer) = log w_window(inner) + c(outer)`. The bonds to frozen
//! neighbours become site weights.

use super::couplings::Couplings;
use super::geometry::{Bond, Geometry, Neighbour, Square};
use super::ising::{Ising, spin};
use super::pair::PairModel;
use crate::error::{Error, Result};
use crate::model::{Target, check_configs};

/// A rectangle of sites: `rows × cols` from its upper left corner `(row, col)`. It may run across an edge
/// that wraps around.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rectangle {
    /// First row.
    pub row: usize,
    /// First column.
    pub col: usize,
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
}

/// A rectangle laid on a lattice.
struct Window {
    lattice: Square,
    /// Site of the full lattice of each site of the window.
    outer: Vec<usize>,
    /// The bonds of the full lattice of each bond of the window, by direction: horizontal, vertical,
    /// diagonal, antidiagonal.
    bonds: [Vec<Bond>; 4],
    /// Neighbours outside the window, by site of the window.
    frozen: Vec<Vec<Neighbour>>,
}

impl Rectangle {
    /// The sites of the full lattice inside the rectangle, row after row: the order of the sites of the
    /// window.
    ///
    /// # Errors
    /// [`Error::Parameter`] naming the bound that is exceeded.
    pub fn sites(&self, lattice: Square) -> Result<Vec<usize>> {
        let rows = span("rows of the window", self.row, self.rows, lattice.rows(), lattice.wraps_rows())?;
        let cols = span("columns of the window", self.col, self.cols, lattice.cols(), lattice.wraps_cols())?;
        Ok(rows.iter().flat_map(|&r| cols.iter().map(move |&c| lattice.site(r, c))).collect())
    }

    /// Geometry of the window: it wraps where it covers a direction that does.
    fn geometry(&self, lattice: Square) -> Result<Geometry> {
        let full_rows = lattice.wraps_rows() && self.rows == lattice.rows();
        let full_cols = lattice.wraps_cols() && self.cols == lattice.cols();
        match (full_rows, full_cols) {
            (false, false) => Ok(Geometry::Open),
            (false, true) => Ok(Geometry::Cylinder),
            (true, true) => Ok(Geometry::Torus),
            (true, false) => {
                let expected = "fewer rows than the torus, unless the window has all columns";
                Err(Error::parameter("rows of the window", self.rows, expected))
            }
        }
    }

    fn lay(&self, full: Square) -> Result<Window> {
        let outer = self.sites(full)?;
        let (diagonal, antidiagonal) = full.diagonals();
        let lattice = Square::new(self.rows, self.cols, self.geometry(full)?)?.with_diagonals(diagonal, antidiagonal);
        let bond = |(i, _): (usize, usize), direction: usize| {
            let n = full.neighbours(outer[i])[direction];
            n.expect("a bond inside the window is one of the lattice").bond
        };
        let bonds = [
            (0..lattice.horizontal_bonds()).map(|i| bond(lattice.horizontal_sites(i), 0)).collect(),
            (0..lattice.vertical_bonds()).map(|i| bond(lattice.vertical_sites(i), 2)).collect(),
            (0..lattice.diagonal_bonds()).map(|i| bond(lattice.diagonal_sites(i), 4)).collect(),
            (0..lattice.antidiagonal_bonds()).map(|i| bond(lattice.antidiagonal_sites(i), 6)).collect(),
        ];
        let frozen = (0..outer.len())
            .map(|i| {
                let inner = lattice.neighbours(i);
                let all = full.neighbours(outer[i]);
                all.into_iter().zip(inner).filter(|(_, inner)| inner.is_none()).filter_map(|(n, _)| n).collect()
            })
            .collect();
        Ok(Window { lattice, outer, bonds, frozen })
    }
}

/// The rows or columns `first..first + length` of `n`, modulo `n` where they wrap.
fn span(name: &'static str, first: usize, length: usize, n: usize, wraps: bool) -> Result<Vec<usize>> {
    let fits = length >= 1 && length <= n && first < n && (wraps || length <= n - first);
    if !fits {
        let expected = "at least one, within the lattice (across an edge only where it wraps around)";
        return Err(Error::parameter(name, format!("{first}..{first}+{length} of {n}"), expected));
    }
    Ok((first..first + length).map(|i| i % n).collect())
}

/// Checks a single configuration.
fn check_config(x: &[u8], dims: &[usize]) -> Result<()> {
    check_configs(ndarray::ArrayView1::from(x).insert_axis(ndarray::Axis(0)), dims)
}

impl PairModel {
    /// The same model restricted to `rectangle`, the other sites frozen as in the configuration `x`: their
    /// bonds become site weights. Sites in the order of [`Rectangle::sites`]; the window wraps around where
    /// it covers a direction that does.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a rectangle outside the lattice, or all rows but not all columns of a torus;
    /// configurations that do not fit; [`Error::NoConfiguration`] where the frozen sites exclude every state
    /// of some site.
    pub fn window(&self, rectangle: Rectangle, x: &[u8]) -> Result<PairModel> {
        check_config(x, self.dims())?;
        let window = rectangle.lay(self.lattice())?;
        let weights = |(i, &j): (usize, &usize)| {
            let mut weights = self.site_log_weights(j).to_vec();
            for (a, w) in weights.iter_mut().enumerate() {
                *w += window.frozen[i].iter().map(|&n| self.pair_log_weight(n, a as u8, x[n.site])).sum::<f64>();
            }
            weights
        };
        let sites = window.outer.iter().enumerate().map(weights).collect();
        let table = |&bond: &Bond| self.bond_log_weights(bond).clone();
        PairModel::of_tables(window.lattice, sites, window.bonds.each_ref().map(|b| b.iter().map(table).collect()))
    }
}

impl Ising {
    /// As [`PairModel::window`]: the couplings to frozen spins become fields.
    ///
    /// # Errors
    /// As [`PairModel::window`].
    pub fn window(&self, rectangle: Rectangle, x: &[u8]) -> Result<Ising> {
        check_config(x, self.dims())?;
        let window = rectangle.lay(self.lattice())?;
        let couplings = self.couplings();
        let field = |(i, &j): (usize, &usize)| {
            let frozen = window.frozen[i].iter().map(|n| couplings.bond(n.bond) * spin(x[n.site]));
            couplings.field()[j] + frozen.sum::<f64>()
        };
        let fields = window.outer.iter().enumerate().map(field).collect();
        let values = window.bonds.each_ref().map(|bonds| bonds.iter().map(|&b| couplings.bond(b)).collect());
        Ising::new(Couplings::of_values(window.lattice, values, fields)?, self.beta())
    }
}
