//! The weights of a lattice model as tables with their scales apart, and the two factors of a horizontal
//! bond.

use std::sync::Arc;

use ndarray::{Array2, Axis, array, s};

use crate::error::{Error, Result};
use crate::lattice::square::geometry::Bond;
use crate::lattice::square::pair::PairModel;

/// Logarithm of the least weight that a table holds, relative to its largest.
const LEAST: f64 = -700.0;
/// Digits, in nats, to which `log Z` is to be free of what the tables do not hold.
const MARGIN: f64 = 37.0;

/// The weights of a model (its tables shared by those that differ in site weights), each table scaled to
/// largest entry one, with the logarithms of the scales added up.
pub(super) struct Weights {
    pub rows: usize,
    pub cols: usize,
    pub dims: Vec<usize>,
    pub ring: bool,
    /// Whether the rows wrap around as well.
    pub torus: bool,
    /// Invariant under the exchange of the two states of all sites.
    pub parity: bool,
    /// Whether the bonds are.
    even_bonds: bool,
    /// `sites[j][a]`.
    pub sites: Vec<Vec<f64>>,
    /// Of bond `(r, c)–(r, c+1)` by `r·cols + c`; absent at an open edge.
    pub horizontal: Arc<Vec<Option<Array2<f64>>>>,
    /// Of bond `(r−1, c)–(r, c)` by `(r−1)·cols + c`; on a torus those of the last row at the end.
    pub vertical: Arc<Vec<Array2<f64>>>,
    pub log_scale: f64,
    /// Whether an allowed weight was too small for its table and was raised.
    raised: bool,
}

impl Weights {
    /// Of a model.
    ///
    /// # Errors
    /// [`Error::NotFinite`] where the sum of the largest log-weights is beyond `f64`.
    pub(super) fn new(model: &PairModel) -> Result<Self> {
        let lattice = model.lattice();
        let (rows, cols) = (lattice.rows(), lattice.cols());
        let mut log_scale = 0.0;
        let mut raised = false;
        let mut exp = |log: &[f64]| -> Vec<f64> {
            let max = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            log_scale += max;
            raised |= log.iter().any(|&w| w > f64::NEG_INFINITY && w - max < LEAST);
            // What is allowed stays allowed, however unlikely.
            let least = |w: f64| if w > f64::NEG_INFINITY { f64::MIN_POSITIVE } else { 0.0 };
            log.iter().map(|&w| (w - max).exp().max(least(w))).collect()
        };
        let sites: Vec<Vec<f64>> = (0..lattice.sites()).map(|j| exp(model.site_log_weights(j))).collect();
        let mut table = |bond| {
            let log = model.bond_log_weights(bond);
            let flat: Vec<f64> = log.iter().copied().collect();
            Array2::from_shape_vec(log.dim(), exp(&flat)).expect("as many entries as before")
        };
        let across = lattice.horizontal_cols();
        let horizontal: Vec<_> = (0..rows * cols)
            .map(|j| (j % cols < across).then(|| table(Bond::Horizontal(j / cols * across + j % cols))))
            .collect();
        let vertical: Vec<_> = (0..lattice.vertical_bonds()).map(|i| table(Bond::Vertical(i))).collect();
        let dims: Vec<usize> = sites.iter().map(Vec::len).collect();
        let even = |t: &Array2<f64>| t[[0, 0]] == t[[1, 1]] && t[[0, 1]] == t[[1, 0]];
        let even_bonds =
            dims.iter().all(|&d| d == 2) && horizontal.iter().flatten().all(even) && vertical.iter().all(even);
        let parity = even_bonds && sites.iter().all(|v| v[0] == v[1]);
        if !log_scale.is_finite() {
            return Err(Error::NotFinite { field: "sum of the largest log-weights", site: 0, value: log_scale });
        }
        let (ring, torus) = (lattice.wraps_cols(), lattice.wraps_rows());
        let (horizontal, vertical) = (Arc::new(horizontal), Arc::new(vertical));
        Ok(Weights {
            rows,
            cols,
            dims,
            ring,
            torus,
            parity,
            even_bonds,
            sites,
            horizontal,
            vertical,
            log_scale,
            raised,
        })
    }

    /// `log Z` from a sign and a logarithm without `log_scale`; −∞ where it is not positive, or where what
    /// the tables could not hold may have entered: every configuration with such a weight counts for at most
    /// `e^LEAST` of the scale.
    pub(super) fn log_z(&self, (sign, log): (f64, f64)) -> f64 {
        let states: f64 = self.dims.iter().map(|&d| (d as f64).ln()).sum();
        if sign > 0.0 && !(self.raised && log < LEAST + states + MARGIN) {
            log + self.log_scale
        } else {
            f64::NEG_INFINITY
        }
    }

    /// The same with site `j` weighed by `w(j, a) > 0` besides.
    pub(super) fn tilted(&self, w: impl Fn(usize, usize) -> f64) -> Self {
        let mut log_scale = self.log_scale;
        let tilt = |(j, v): (usize, &Vec<f64>)| {
            let weights: Vec<f64> = v.iter().enumerate().map(|(a, v)| v * w(j, a)).collect();
            let max = weights.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            log_scale += max.ln();
            let least = |v: f64| if v > 0.0 { f64::MIN_POSITIVE } else { 0.0 };
            weights.iter().zip(v).map(|(t, &v)| (t / max).max(least(v))).collect()
        };
        let sites: Vec<Vec<f64>> = self.sites.iter().enumerate().map(tilt).collect();
        Weights {
            dims: self.dims.clone(),
            parity: self.even_bonds && sites.iter().all(|v| v[0] == v[1]),
            sites,
            horizontal: self.horizontal.clone(),
            vertical: self.vertical.clone(),
            log_scale,
            ..*self
        }
    }

    /// `L_k(a)` and `R_k(b)` of the bond to the right of site `j`; one constant term where there is none.
    pub(super) fn factors(&self, j: usize) -> Factors {
        match &self.horizontal[j] {
            None => Factors::constant(self.dims[j]),
            Some(h) if self.parity => {
                let (even, odd) = ((h[[1, 1]] + h[[1, 0]]) / 2.0, (h[[1, 1]] - h[[1, 0]]) / 2.0);
                let left = array![[even, -odd], [even, odd]];
                Factors { left, right: array![[1.0, -1.0], [1.0, 1.0]], parity: vec![0, 1] }
            }
            Some(h) => {
                // A term for each row of the table that differs from those before it: two for a dimer or an
                // arrow, whatever the number of states.
                let mut terms: Vec<usize> = Vec::new();
                let mut left = Array2::zeros((h.nrows(), h.nrows()));
                for (a, row) in h.outer_iter().enumerate() {
                    let k = terms.iter().position(|&b| h.row(b) == row).unwrap_or_else(|| {
                        terms.push(a);
                        terms.len() - 1
                    });
                    left[[a, k]] = 1.0;
                }
                let left = left.slice_move(s![.., ..terms.len()]).as_standard_layout().into_owned();
                let right = h.select(Axis(0), &terms).reversed_axes();
                Factors { left, right, parity: vec![0; terms.len()] }
            }
        }
    }
}

/// `H(a, b) = Σ_k left[a, k] right[b, k]`, with the parity of each term.
pub(super) struct Factors {
    pub left: Array2<f64>,
    pub right: Array2<f64>,
    pub parity: Vec<u8>,
}

impl Factors {
    /// No bond: a single term, one for each of `d` states.
    pub(super) fn constant(d: usize) -> Self {
        Factors { left: Array2::ones((d, 1)), right: Array2::ones((d, 1)), parity: vec![0] }
    }

    pub(super) fn terms(&self) -> usize {
        self.parity.len()
    }
}
