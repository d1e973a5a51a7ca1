//! Dimers, that is tilings by dominoes.

use ndarray::Array2;

use super::logarithm::log_weight;
use super::region::check_mask;
use crate::error::{Error, Result};
use crate::lattice::square::geometry::{Bond, Geometry, Neighbour, Square};
use crate::lattice::square::pair::PairModel;

/// Where the dimer of a site points, in the order of [`Square::neighbours`].
const RIGHT: usize = 0;
const LEFT: usize = 1;
const BELOW: usize = 2;
const ABOVE: usize = 3;

impl PairModel {
    /// Dimers that cover the lattice: every site is joined to one of its neighbours. The law is
    /// `∏ x^{horizontal dimers} y^{vertical dimers} / Z` with `[x, y]` the `weights`; with `[1, 1]` all
    /// domino tilings are equally likely.
    ///
    /// The state of a site says where its dimer points, in the order of [`Square::neighbours`]: 0 right, 1
    /// left, 2 below, 3 above.
    ///
    /// Exact: Kasteleyn, Physica 27, 1209; Temperley and Fisher, Phil. Mag. 6, 1061.
    ///
    /// ```
    /// use tensorjump::lattice::{ContractOptions, Contraction, Geometry, PairModel, Square};
    ///
    /// let board = PairModel::dimers(Square::new(8, 8, Geometry::Open)?, [1.0, 1.0])?;
    /// let tilings = Contraction::new(&board, &ContractOptions::default())?.log_z.exp();
    /// assert!((tilings - 12_988_816.0).abs() < 1e-3);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`PairModel::dimers_within`].
    pub fn dimers(lattice: Square, weights: [f64; 2]) -> Result<Self> {
        PairModel::dimers_within(lattice, weights, &vec![true; lattice.sites()])
    }

    /// Dimers that cover the sites with `inside[r·cols + c]`, and no others; a site outside has one state.
    /// Weights and states as [`PairModel::dimers`].
    ///
    /// Parts with unequal colours are refused here. Other regions without tilings may pass: their `Z` is
    /// zero, and [`Contraction`](crate::lattice::Contraction) and
    /// [`BoundaryMps`](crate::lattice::BoundaryMps) refuse them with [`Error::ZeroWeight`].
    ///
    /// # Errors
    /// [`Error::Entries`] for a mask of the wrong length; [`Error::Parameter`] for one without a site inside,
    /// for diagonal bonds, for a weight that is negative or not finite, and for a connected part of the
    /// region with an odd number of sites or, where it can be coloured as a checkerboard, more of one colour
    /// than of the other; [`Error::NoConfiguration`] where excluding directions one by one leaves none at a
    /// site.
    pub fn dimers_within(lattice: Square, weights: [f64; 2], inside: &[bool]) -> Result<Self> {
        let [x, y] = weights;
        let log = [log_weight("weight of horizontal dimers", x)?, log_weight("weight of vertical dimers", y)?];
        lattice.check_nearest("none: dimers join nearest neighbours")?;
        check_mask(lattice, inside)?;
        check_colours(lattice, weights, inside)?;
        let site = |j: usize| -> Vec<f64> {
            if !inside[j] {
                return vec![0.0];
            }
            let weigh = |n: Option<Neighbour>| if n.is_some_and(|n| inside[n.site]) { 0.0 } else { f64::NEG_INFINITY };
            lattice.nearest(j).map(weigh).to_vec()
        };
        let sites: Vec<Vec<f64>> = (0..lattice.sites()).map(site).collect();
        let states: Vec<usize> = sites.iter().map(Vec::len).collect();
        PairModel::of_bonds(lattice, sites, |bond, i, j| {
            let (first, second, log) = match bond {
                Bond::Horizontal(_) => (RIGHT, LEFT, log[0]),
                _ => (BELOW, ABOVE, log[1]),
            };
            // Either both ends of a dimer or neither: outside, no dimer arrives.
            Array2::from_shape_fn((states[i], states[j]), |(a, b)| {
                match (inside[i] && a == first, inside[j] && b == second) {
                    (true, true) => log,
                    (false, false) => 0.0,
                    _ => f64::NEG_INFINITY,
                }
            })
        })
    }

    /// Dimers on the Aztec diamond of an order `n`: the sites of an open lattice of `2n × 2n` with
    /// `|r − n + ½| + |c − n + ½| ≤ n`. Weights and states as [`PairModel::dimers`].
    ///
    /// `Z = (x² + y²)^{n(n+1)/2}`; in a large diamond the dimers are frozen outside a circle (weights
    /// `[1, 1]`) or an ellipse. Elkies, Kuperberg, Larsen, Propp, arXiv math/9201305; Jockusch, Propp, Shor,
    /// arXiv math/9801068.
    ///
    /// # Errors
    /// [`Error::Parameter`] for order zero, and as [`PairModel::dimers`].
    pub fn aztec_diamond(order: usize, weights: [f64; 2]) -> Result<Self> {
        if order == 0 {
            return Err(Error::parameter("order", order, "at least 1"));
        }
        let lattice = Square::new(2 * order, 2 * order, Geometry::Open)?;
        // Distance from the middle line, in whole sites: 0 next to it.
        let off = |i: usize| if i < order { order - 1 - i } else { i - order };
        let within = |j: usize| {
            let (r, c) = lattice.place(j);
            off(r) + off(c) < order
        };
        let inside: Vec<bool> = (0..lattice.sites()).map(within).collect();
        PairModel::dimers_within(lattice, weights, &inside)
    }
}

/// A dimer covers a site of each colour: counts them in each connected part of the region. Around an odd ring
/// there is no colouring, and only the number of sites is checked.
fn check_colours(lattice: Square, weights: [f64; 2], inside: &[bool]) -> Result<()> {
    let mut colour: Vec<Option<bool>> = vec![None; lattice.sites()];
    for start in (0..lattice.sites()).filter(|&j| inside[j]) {
        if colour[start].is_some() {
            continue;
        }
        let (mut count, mut coloured, mut open) = ([0usize; 2], true, vec![start]);
        colour[start] = Some(false);
        while let Some(j) = open.pop() {
            let own = colour[j] == Some(true);
            count[usize::from(own)] += 1;
            for n in lattice.nearest(j).into_iter().flatten() {
                let weight = if matches!(n.bond, Bond::Horizontal(_)) { weights[0] } else { weights[1] };
                if !inside[n.site] || weight == 0.0 {
                    continue;
                }
                match colour[n.site] {
                    Some(other) => coloured &= other != own,
                    None => {
                        colour[n.site] = Some(!own);
                        open.push(n.site);
                    }
                }
            }
        }
        let [a, b] = count;
        let (row, col) = lattice.place(start);
        if coloured && a != b {
            let value = format!("{a} of one colour and {b} of the other, around ({row}, {col})");
            return Err(Error::parameter("sites to be covered by dimers", value, "as many of each colour"));
        }
        if !(a + b).is_multiple_of(2) {
            let value = format!("{} around ({row}, {col})", a + b);
            return Err(Error::parameter("sites to be covered by dimers", value, "an even number"));
        }
    }
    Ok(())
}
