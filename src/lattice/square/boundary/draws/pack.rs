//! Boundary states in single precision, packed for the lanes: tiles of `T × T` numbers, zero-padded.

use ndarray::Array2;

use crate::lattice::square::boundary::transfer::RowState;
use crate::lattice::square::boundary::weights::Weights;

/// Edge of a tile: bonds are padded to multiples of it.
pub(crate) const T: usize = 4;

/// A square block of a site matrix, `tile[left][right]`.
pub(crate) type Tile = [[f32; T]; T];

/// Least ratio of an allowed weight to the largest of its table: below, the floor of the conditionals decides
/// anyway, and the single precision of products of such weights would end.
pub(super) const LEAST: f64 = 1e-15;

/// Natural logarithm of the range that vectors may run through between two rescalings.
const RANGE: f64 = 30.0;

/// A lattice packed for the lanes.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub rows: Vec<PackedRow>,
    pub cols: usize,
    /// Largest number of states.
    pub d: usize,
    pub parity: bool,
    /// Whether the rows close to a ring: those below the first one depend on its states.
    pub torus: bool,
    pub constrained: bool,
}

/// The conditional law of one row given the row above: everything that a pass over the row reads.
#[derive(Debug, Clone)]
pub(crate) struct PackedRow {
    pub sites: Vec<PackedSite>,
    /// Closing bond of a ring: `[last state · d + first state]`.
    pub closing: Option<Vec<f32>>,
    /// Columns between two rescalings of the vectors.
    pub period: usize,
}

/// The conditional law of one site.
#[derive(Debug, Clone)]
pub(crate) struct PackedSite {
    /// Number of states of this site.
    pub states: usize,
    /// Tiles of the site matrices below: `tiles[(s · left + i) · right + j]`; of state 1 only, where there is
    /// parity. On a torus, below the first row, `(s, σ)` takes the place of `s`; with parity of `(0, 0)` and
    /// `(1, 0)` only.
    pub tiles: Vec<Tile>,
    /// Matrices for each state: on a torus below the first row, without parity, as many as `σ` has states.
    pub passive: usize,
    /// Tiles along the left and the right bond.
    pub left: usize,
    pub right: usize,
    /// Number of even indices of the left bond (all, without parity).
    pub left_even: usize,
    /// Site weight times the bond to the row above, `[state above · d + s]`; in the first row the state above
    /// is 0.
    pub above: Vec<f32>,
    /// Bonds to the row above along the diagonals, from the left and from the right: the column above and the
    /// table `[state above · d + s]`.
    pub oblique: [Option<(usize, Vec<f32>)>; 2],
    /// Bond to the left, `[state before · d + s]`; ones where there is none.
    pub before: Vec<f32>,
}

impl PackedRow {
    /// Row `r` above the state `below = E_r`; tables are padded to `d` states with zeros.
    pub(crate) fn new(w: &Weights, r: usize, below: &RowState, d: usize) -> Self {
        let first = r * w.cols;
        let mut span: f64 = 0.0;
        let sites = (0..w.cols)
            .map(|c| {
                let j = first + c;
                let v = &w.sites[j];
                let above = match r {
                    0 => Array2::from_shape_fn((1, v.len()), |(_, a)| v[a]),
                    // What is allowed stays allowed, however unlikely.
                    _ => Array2::from_shape_fn(w.vertical[j - w.cols].dim(), |(u, a)| {
                        let (bond, site) = (w.vertical[j - w.cols][[u, a]], v[a]);
                        if bond > 0.0 && site > 0.0 { (bond * site).max(f64::MIN_POSITIVE) } else { 0.0 }
                    }),
                };
                let ones = Array2::ones((d, v.len()));
                let before = if c == 0 { &ones } else { w.horizontal[j - 1].as_ref().unwrap_or(&ones) };
                let (above, wide) = table(&above, d);
                let (before, wider) = table(before, d);
                let mut wide = wide + wider;
                let oblique = if r > 0 { w.oblique(r, c) } else { [None; 2] };
                let oblique = oblique.map(|bond| {
                    bond.map(|(at, t)| {
                        let (t, more) = table(t, d);
                        wide += more;
                        (at, t)
                    })
                });
                span = span.max(wide);
                let passive = if w.torus && r > 0 && !w.parity { w.dims[c] } else { 1 };
                let (tiles, left, right) = tiles(below, c, &stored(w, r, c));
                let even = |c: usize| below.parity[c].iter().filter(|&&p| p == 0).count();
                let left_even = even(c);
                PackedSite { states: v.len(), tiles, passive, left, right, left_even, above, oblique, before }
            })
            .collect();
        let closing = w.ring.then(|| w.horizontal[first + w.cols - 1].as_ref().map(|h| table(h, d).0)).flatten();
        let period = (RANGE / (span + ((d * below.bond()) as f64).ln() + 2.0)) as usize;
        PackedRow { sites, closing, period: period.clamp(1, 8) }
    }

    /// Longest bond, in numbers, padding included.
    pub(crate) fn bond(&self) -> usize {
        T * self.sites.iter().map(|s| s.left.max(s.right)).max().unwrap_or(1)
    }
}

/// A table of weights scaled to largest entry one, padded to `d` rows and columns with zeros; and the
/// logarithm of its range.
fn table(t: &Array2<f64>, d: usize) -> (Vec<f32>, f64) {
    let max = t.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut least: f64 = 1.0;
    let mut out = vec![0.0; d * d];
    for ((a, b), &v) in t.indexed_iter() {
        if v > 0.0 {
            let v = (v / max).max(LEAST);
            least = least.min(v);
            out[a * d + b] = v as f32;
        }
    }
    (out, -least.ln())
}

/// Which matrices of column `c` below row `r` are stored, by their place in the tensor.
fn stored(w: &Weights, r: usize, c: usize) -> Vec<usize> {
    let states = w.dims[r * w.cols + c];
    match (w.torus && r > 0, w.parity) {
        (false, true) => vec![1],
        (false, false) => (0..states).collect(),
        (true, true) => vec![0, 2],
        (true, false) => (0..states * w.dims[c]).collect(),
    }
}

/// The tiles of the `stored` matrices of column `c`, and their numbers along the left and the right bond.
fn tiles(below: &RowState, c: usize, stored: &[usize]) -> (Vec<Tile>, usize, usize) {
    let t = &below.tensors[c];
    let (_, l, r) = t.dim();
    let (left, right) = (l.div_ceil(T), r.div_ceil(T));
    let max = t.iter().fold(0.0_f64, |m, v| m.max(v.abs())).max(f64::MIN_POSITIVE);
    let mut out = vec![[[0.0; T]; T]; stored.len() * left * right];
    for (k, &s) in stored.iter().enumerate() {
        for (a, b) in (0..l).flat_map(|a| (0..r).map(move |b| (a, b))) {
            out[(k * left + a / T) * right + b / T][a % T][b % T] = (t[[s, a, b]] / max) as f32;
        }
    }
    (out, left, right)
}
