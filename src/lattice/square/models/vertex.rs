//! Vertex models: an arrow on every edge, weights by the arrows around each vertex.

use ndarray::Array2;

use super::logarithm::log_weight;
use crate::error::{Error, Result};
use crate::lattice::square::geometry::{Bond, Geometry, Square};
use crate::lattice::square::pair::PairModel;

/// Arrows around a vertex.
struct Arrows {
    /// Whether the arrows on the left and on the right edge point right.
    right: [bool; 2],
    /// Whether those on the upper and on the lower edge point down.
    down: [bool; 2],
}

/// The vertices in Baxter's order: `a, a, b, b, c, c, d, d`.
const VERTICES: [Arrows; 8] = [
    Arrows { right: [true, true], down: [false, false] },
    Arrows { right: [false, false], down: [true, true] },
    Arrows { right: [true, true], down: [true, true] },
    Arrows { right: [false, false], down: [false, false] },
    Arrows { right: [true, false], down: [false, true] },
    Arrows { right: [false, true], down: [true, false] },
    Arrows { right: [true, false], down: [true, false] },
    Arrows { right: [false, true], down: [false, true] },
];

impl PairModel {
    /// The six-vertex model: an arrow on every edge, two into and two out of every vertex (*ice*), each
    /// vertex weighed by `[a, b, c]`; with `[1, 1, 1]` square ice, all configurations equally likely. A site
    /// is a vertex. The arrows on the edges across a free border are summed over.
    ///
    /// | state | left and right edge | upper and lower edge | weight |
    /// |---|---|---|---|
    /// | 0 | → → | ↑ ↑ | a |
    /// | 1 | ← ← | ↓ ↓ | a |
    /// | 2 | → → | ↓ ↓ | b |
    /// | 3 | ← ← | ↑ ↑ | b |
    /// | 4 | → ← (in) | ↑ ↓ (out) | c |
    /// | 5 | ← → (out) | ↓ ↑ (in) | c |
    ///
    /// Exact: Lieb, Phys. Rev. 162, 162 (ice: a factor of `(4/3)^{3/2}` for each vertex); Baxter, *Exactly
    /// solved models in statistical mechanics*, chapter 8.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a weight that is negative or not finite, and for diagonal bonds;
    /// [`Error::NoConfiguration`] where nothing is allowed.
    pub fn six_vertex(lattice: Square, weights: [f64; 3]) -> Result<Self> {
        vertices(lattice, &logs(&weights)?, false)
    }

    /// The eight-vertex model: as [`PairModel::six_vertex`], besides with state 6, all arrows in, and state
    /// 7, all arrows out, of weight `d`; `weights` are `[a, b, c, d]`. The number of arrows into every vertex
    /// is even.
    ///
    /// Exact: Baxter, Ann. Phys. 70, 193; where `a² + b² = c² + d²` free fermions, Fan and Wu, Phys. Rev. B
    /// 2, 723.
    ///
    /// # Errors
    /// As [`PairModel::six_vertex`].
    pub fn eight_vertex(lattice: Square, weights: [f64; 4]) -> Result<Self> {
        vertices(lattice, &logs(&weights)?, false)
    }

    /// The six-vertex model on an open lattice of `order × order` with *domain walls*: all arrows across the
    /// left and the right border point inwards, those across the upper and the lower one outwards. Weights
    /// and states as [`PairModel::six_vertex`].
    ///
    /// State 4 read as 1, state 5 as −1, the others as 0 make an alternating-sign matrix. Exact: `Z =
    /// ∏_{k<n} (3k+1)!/(n+k)!` for `a = b = c = 1`, arXiv math/9712207; any weights by a determinant,
    /// Izergin, Sov. Phys. Dokl. 32, 878.
    ///
    /// ```
    /// use tensorjump::lattice::{ContractOptions, Contraction, PairModel};
    ///
    /// let matrices = PairModel::domain_walls(5, [1.0; 3])?;
    /// let count = Contraction::new(&matrices, &ContractOptions::default())?.log_z.exp();
    /// assert!((count - 429.0).abs() < 1e-9);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for order zero; as [`PairModel::six_vertex`].
    pub fn domain_walls(order: usize, weights: [f64; 3]) -> Result<Self> {
        if order == 0 {
            return Err(Error::parameter("order", order, "at least 1"));
        }
        vertices(Square::new(order, order, Geometry::Open)?, &logs(&weights)?, true)
    }
}

/// The logarithms of `a, b, c` and perhaps `d`.
fn logs(weights: &[f64]) -> Result<Vec<f64>> {
    let names = ["weight a", "weight b", "weight c", "weight d"];
    weights.iter().zip(names).map(|(&weight, name)| log_weight(name, weight)).collect()
}

/// Both vertices of each weight; where there are `walls`, those that fit to the border.
fn vertices(lattice: Square, weights: &[f64], walls: bool) -> Result<PairModel> {
    lattice.check_nearest("none: a vertex has four edges")?;
    let states = &VERTICES[..2 * weights.len()];
    let site = |j: usize| -> Vec<f64> {
        let (r, c) = lattice.place(j);
        let fits = |v: &Arrows| {
            (c > 0 || v.right[0])
                && (c + 1 < lattice.cols() || !v.right[1])
                && (r > 0 || !v.down[0])
                && (r + 1 < lattice.rows() || v.down[1])
        };
        let weigh = |(a, v)| if walls && !fits(v) { f64::NEG_INFINITY } else { weights[a / 2] };
        states.iter().enumerate().map(weigh).collect()
    };
    // The two ends of an edge agree on its arrow.
    let edge = |arrow: fn(&Arrows) -> [bool; 2]| {
        Array2::from_shape_fn((states.len(), states.len()), |(a, b)| {
            if arrow(&states[a])[1] == arrow(&states[b])[0] { 0.0 } else { f64::NEG_INFINITY }
        })
    };
    let (across, down) = (edge(|v| v.right), edge(|v| v.down));
    PairModel::of_bonds(lattice, (0..lattice.sites()).map(site).collect(), |bond, _, _| {
        if matches!(bond, Bond::Horizontal(_)) { across.clone() } else { down.clone() }
    })
}
