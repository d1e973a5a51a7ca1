//! The matrices of a site in the layout of the batched products.

use ndarray::{Array3, Axis};

use crate::model::batched::row_products::{Probe, RowProduct, pack};
use crate::model::batched::scalar::{Aligned, padded};

/// Matrices of one site, packed for [`RowProduct`].
#[derive(Debug)]
pub(super) struct Site {
    /// Left and right bond dimension.
    bond: (usize, usize),
    /// `A[a]`, shape `(χ_l, padded χ_r)`.
    forward: Vec<Aligned<f64>>,
}

impl Site {
    pub(super) fn new(a: &Array3<f64>) -> Self {
        let forward = (0..a.dim().1).map(|x| pack(a.index_axis(Axis(1), x))).collect();
        Site { bond: (a.dim().0, a.dim().2), forward }
    }

    /// Padded length of vectors on either side of a tensor.
    pub(super) fn width(a: &Array3<f64>) -> usize {
        padded::<f64>(a.dim().0.max(a.dim().2))
    }

    /// `out = scale · v A[a]` and its squared norm for the listed rows.
    #[allow(clippy::too_many_arguments)] // disjoint borrows of one pass
    pub(super) fn product(
        &self,
        a: usize,
        rows: &[u32],
        v: &[f64],
        out: &mut [f64],
        ld: usize,
        scale: &[f64],
        norms: &mut [f64],
    ) {
        RowProduct {
            rows,
            v,
            out,
            ld,
            matrix: &self.forward[a],
            k: self.bond.0,
            n: padded::<f64>(self.bond.1),
            scale,
            accumulate: false,
            probe: Probe::Itself,
            dots: norms,
        }
        .run();
    }
}
