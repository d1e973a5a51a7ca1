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
    /// Of the bonds `(r−1, c)–(r, c+1)` and `(r−1, c+1)–(r, c)` by `(r−1)·cols + c`, the first index the
    /// state above; absent at an open edge and where the table is constant, empty without diagonals.
    diagonal: Arc<Vec<Option<Array2<f64>>>>,
    antidiagonal: Arc<Vec<Option<Array2<f64>>>>,
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
        let mut oblique = |bonds: usize, bond: &dyn Fn(usize) -> Bond| -> Vec<Option<Array2<f64>>> {
            let table = |j: usize| (j % cols < across).then(|| table(bond(j / cols * across + j % cols)));
            let tables = if bonds > 0 { (0..lattice.vertical_rows() * cols).map(table).collect() } else { Vec::new() };
            tables.into_iter().map(|t: Option<Array2<f64>>| t.filter(|t| t.iter().any(|&w| w != 1.0))).collect()
        };
        let diagonal = oblique(lattice.diagonal_bonds(), &Bond::Diagonal);
        let antidiagonal = oblique(lattice.antidiagonal_bonds(), &Bond::AntiDiagonal);
        let dims: Vec<usize> = sites.iter().map(Vec::len).collect();
        let even = |t: &Array2<f64>| t[[0, 0]] == t[[1, 1]] && t[[0, 1]] == t[[1, 0]];
        let even_bonds = dims.iter().all(|&d| d == 2)
            && horizontal.iter().chain(&diagonal).chain(&antidiagonal).flatten().all(even)
            && vertical.iter().all(even);
        let parity = even_bonds && sites.iter().all(|v| v[0] == v[1]);
        if !log_scale.is_finite() {
            return Err(Error::NotFinite { field: "sum of the largest log-weights", site: 0, value: log_scale });
        }
        let (ring, torus) = (lattice.wraps_cols(), lattice.wraps_rows());
        let (horizontal, vertical) = (Arc::new(horizontal), Arc::new(vertical));
        let (diagonal, antidiagonal) = (Arc::new(diagonal), Arc::new(antidiagonal));
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
            diagonal,
            antidiagonal,
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
            diagonal: self.diagonal.clone(),
            antidiagonal: self.antidiagonal.clone(),
            log_scale,
            ..*self
        }
    }

    /// Whether there are bonds along diagonals.
    pub(super) fn is_oblique(&self) -> bool {
        self.diagonal.iter().chain(self.antidiagonal.iter()).any(Option::is_some)
    }

    /// The bonds from above to site `(r, c)` that run along diagonals, from the left and from the right: the
    /// column above and the table, the state above first.
    pub(super) fn oblique(&self, r: usize, c: usize) -> [Option<(usize, &Array2<f64>)>; 2] {
        let (cols, above) = (self.cols, (r - 1) * self.cols);
        let (left, right) = ((c + cols - 1) % cols, (c + 1) % cols);
        let falling = self.diagonal.get(above + left).and_then(Option::as_ref);
        let rising = self.antidiagonal.get(above + c).and_then(Option::as_ref);
        [falling.map(|t| (left, t)), rising.map(|t| (right, t))]
    }

    /// `L_k(a)` and `R_k(b)` of the bond to the right of site `j`; one constant term where there is none.
    pub(super) fn factors(&self, j: usize) -> Factors {
        match &self.horizontal[j] {
            None => Factors::constant(self.dims[j], 1),
            Some(h) if self.parity => {
                let (even, odd) = ((h[[1, 1]] + h[[1, 0]]) / 2.0, (h[[1, 1]] - h[[1, 0]]) / 2.0);
                let left = array![[even, -odd], [even, odd]];
                Factors::of_states(left, array![[1.0, -1.0], [1.0, 1.0]], vec![0, 1])
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
                Factors::of_states(left, right, vec![0; terms.len()])
            }
        }
    }

    /// All that couples column `c` with the next one when row `r` meets the row above, states `u`:
    ///
    /// ```text
    /// H(s, s') D(u, s') A(u', s) = Σ_k L_k(u, s) R_k(u', s'),
    /// ```
    ///
    /// `H` the horizontal bond where `along`, `D` and `A` the diagonals. The term `k` is the state `s'` for a
    /// diagonal, `s` for an antidiagonal and both for both, in their even and odd combinations where there is
    /// parity.
    pub(super) fn oblique_factors(&self, r: usize, c: usize, along: bool) -> Factors {
        let (cols, row) = (self.cols, r % self.rows * self.cols);
        let (j, at) = (row + c, (r - 1) * cols + c);
        let falling = self.diagonal.get(at).and_then(Option::as_ref);
        let rising = self.antidiagonal.get(at).and_then(Option::as_ref);
        let horizontal = if along { self.horizontal[j].as_ref() } else { None };
        let next = (c + 1) % cols;
        let (d, e) = (self.dims[j], self.dims[row + next]);
        if falling.is_none() && rising.is_none() {
            return if along { self.factors(j) } else { Factors::constant(d, e) };
        }
        let above = |c: usize| self.dims[(r - 1) * cols + c];
        let h = |a: usize, b: usize| horizontal.map_or(1.0, |h| h[[a, b]]);
        let same = |a: usize, b: usize| f64::from(u8::from(a == b));
        let (left, right) = match (falling, rising) {
            (Some(falling), None) => {
                (Array2::from_shape_fn((above(c) * d, e), |(i, k)| h(i % d, k) * falling[[i / d, k]]), Array2::eye(e))
            }
            (None, Some(rising)) => {
                (Array2::eye(d), Array2::from_shape_fn((above(next) * e, d), |(i, k)| h(k, i % e) * rising[[i / e, k]]))
            }
            _ => {
                let both = |t: Option<&Array2<f64>>, u: usize, a: usize| t.map_or(1.0, |t| t[[u, a]]);
                (
                    Array2::from_shape_fn((above(c) * d, d * e), |(i, k)| {
                        same(i % d, k / e) * h(i % d, k % e) * both(falling, i / d, k % e)
                    }),
                    Array2::from_shape_fn((above(next) * e, d * e), |(i, k)| {
                        same(i % e, k % e) * both(rising, i / e, k / e)
                    }),
                )
            }
        };
        let strides = [if falling.is_some() { d } else { 0 }, if rising.is_some() { e } else { 0 }];
        let terms = left.ncols();
        if !self.parity {
            return Factors { left, right, strides, parity: vec![0; terms] };
        }
        // Characters of the group of flips of the states that `k` stands for.
        let flips =
            Array2::from_shape_fn((terms, terms), |(k, m)| if (k & m).count_ones() % 2 == 0 { 1.0 } else { -1.0 });
        let parity = (0..terms).map(|k| k.count_ones() as u8 & 1).collect();
        Factors { left: left.dot(&flips) / terms as f64, right: right.dot(&flips), strides, parity }
    }
}

/// `Σ_k left[a, k] right[b, k]`, with the parity of each term; where a bond depends on the states above as
/// well, the rows are `u·d + a` of them.
pub(super) struct Factors {
    left: Array2<f64>,
    right: Array2<f64>,
    /// `d` of the left and of the right side; zero where the state above does not enter.
    strides: [usize; 2],
    pub parity: Vec<u8>,
}

impl Factors {
    /// Of the states of the row alone.
    fn of_states(left: Array2<f64>, right: Array2<f64>, parity: Vec<u8>) -> Self {
        Factors { left, right, strides: [0; 2], parity }
    }

    /// No bond: a single term, one for all states on the left and on the right.
    pub(super) fn constant(left: usize, right: usize) -> Self {
        Factors::of_states(Array2::ones((left, 1)), Array2::ones((right, 1)), vec![0])
    }

    pub(super) fn terms(&self) -> usize {
        self.parity.len()
    }

    /// The factor at the left end of the bond, state `a` below state `u`.
    #[inline(always)]
    pub(super) fn left(&self, u: usize, a: usize, k: usize) -> f64 {
        self.left[[u * self.strides[0] + a, k]]
    }

    /// The factor at the right end.
    #[inline(always)]
    pub(super) fn right(&self, u: usize, a: usize, k: usize) -> f64 {
        self.right[[u * self.strides[1] + a, k]]
    }
}
