//! Models on a part of the lattice.

use ndarray::Array2;

use crate::error::{Error, Result};
use crate::lattice::square::geometry::Square;
use crate::lattice::square::pair::PairModel;

/// Checks a mask of the sites.
pub(super) fn check_mask(lattice: Square, inside: &[bool]) -> Result<()> {
    if inside.len() != lattice.sites() {
        return Err(Error::Entries { place: "inside".into(), expected: lattice.sites(), got: inside.len() });
    }
    if !inside.contains(&true) {
        return Err(Error::parameter("sites inside", 0, "at least one"));
    }
    Ok(())
}

impl PairModel {
    /// The same model on the sites with `inside[r·cols + c]`, with free edges and holes of any shape: a site
    /// outside has one state of weight one, and its bonds weigh nothing.
    ///
    /// ```
    /// use tensorjump::lattice::{ContractOptions, Contraction, Geometry, PairModel, Square};
    ///
    /// // Colourings of a ring of eight sites around a hole: 2^8 + 2.
    /// let grid = PairModel::colourings(Square::new(3, 3, Geometry::Open)?, 3)?;
    /// let ring = grid.masked(&[true, true, true, true, false, true, true, true, true])?;
    /// let count = Contraction::new(&ring, &ContractOptions::default())?.log_z.exp();
    /// assert!((count - 258.0).abs() < 1e-9);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Entries`] for a mask of the wrong length, [`Error::Parameter`] for one without a site inside.
    pub fn masked(&self, inside: &[bool]) -> Result<PairModel> {
        let lattice = self.lattice();
        check_mask(lattice, inside)?;
        let site = |j: usize| if inside[j] { self.site_log_weights(j).to_vec() } else { vec![0.0] };
        let sites: Vec<Vec<f64>> = (0..lattice.sites()).map(site).collect();
        let states: Vec<usize> = sites.iter().map(Vec::len).collect();
        PairModel::of_bonds(lattice, sites, |bond, i, j| {
            if inside[i] && inside[j] {
                self.bond_log_weights(bond).clone()
            } else {
                Array2::zeros((states[i], states[j]))
            }
        })
    }
}
