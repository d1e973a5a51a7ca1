//! Any pair weights between nearest neighbours, and along the diagonals.

use std::f64::consts::TAU;
use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1};
use rand::RngExt;

use super::couplings::Couplings;
use super::geometry::{Bond, Neighbour, Square};
use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

/// Raster fillings tried for a start before the checkerboard patterns.
const FILLINGS: usize = 16;

/// A law `∏_j v_j(x_j) ∏_bonds W_b(x_i, x_j)` on the square lattice, weights stored as logarithms, −∞ for
/// what is forbidden. Clones share the tables.
///
/// ```
/// use ndarray::array;
/// use tensorjump::Target;
/// use tensorjump::lattice::{Geometry, PairModel, Square};
///
/// let model = PairModel::hard_squares(Square::new(2, 2, Geometry::Open)?, 3.0)?;
/// let log_weight = model.log_weight(array![[1, 0, 0, 1], [1, 1, 0, 0]].view())?;
/// assert!((log_weight[0] - 2.0 * 3f64.ln()).abs() < 1e-15);
/// assert_eq!(log_weight[1], f64::NEG_INFINITY);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PairModel {
    lattice: Square,
    dims: Vec<usize>,
    sites: Arc<Vec<Vec<f64>>>,
    horizontal: Arc<Vec<Array2<f64>>>,
    vertical: Arc<Vec<Array2<f64>>>,
    /// Empty where the lattice has none.
    diagonal: Arc<Vec<Array2<f64>>>,
    antidiagonal: Arc<Vec<Array2<f64>>>,
}

impl PairModel {
    /// Site log-weights `sites[j][a]` (their lengths are the numbers of states) and bond log-weights
    /// `table[[a, b]]`, `a` the state of the left or upper site, in the order of the bonds (see [`Bond`]). −∞
    /// forbids. A lattice with diagonal bonds needs [`PairModel::with_diagonals`] for their tables.
    ///
    /// # Errors
    /// [`Error::Entries`] for a wrong number of tables, [`Error::Shape`] for one of the wrong shape,
    /// [`Error::Entry`] for NaN or +∞, [`Error::Parameter`] for no states or more than 256,
    /// [`Error::NoConfiguration`] where excluding states without a partner on some bond (arc consistency)
    /// leaves a site without states.
    pub fn new(
        lattice: Square,
        sites: Vec<Vec<f64>>,
        horizontal: Vec<Array2<f64>>,
        vertical: Vec<Array2<f64>>,
    ) -> Result<Self> {
        let diagonals = lattice.diagonal_bonds().max(lattice.antidiagonal_bonds());
        if diagonals > 0 {
            return Err(Error::Entries { place: "diagonals".into(), expected: diagonals, got: 0 });
        }
        PairModel::of_tables(lattice, sites, [horizontal, vertical, Vec::new(), Vec::new()])
    }

    /// The same weights with bonds along the diagonals of the plaquettes besides: `diagonal` tables of
    /// `(r, c)–(r+1, c+1)`, `antidiagonal` tables of `(r, c+1)–(r+1, c)`, entry `r·horizontal_cols + c`, the
    /// first state that of the upper site. An empty list stands for no bonds of a direction.
    ///
    /// ```
    /// use ndarray::array;
    /// use tensorjump::Target;
    /// use tensorjump::lattice::{Geometry, PairModel, Square};
    ///
    /// let free = array![[0.0, 0.0], [0.0, 0.0]];
    /// let square = PairModel::uniform(Square::new(2, 2, Geometry::Open)?, &[0.0, 0.0], &free)?;
    /// let model = square.with_diagonals(vec![array![[0.0, 2.0], [0.0, 0.0]]], vec![])?;
    /// assert_eq!(model.log_weight(array![[0, 0, 0, 1], [1, 0, 0, 0]].view())?.to_vec(), [2.0, 0.0]);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`PairModel::new`].
    pub fn with_diagonals(self, diagonal: Vec<Array2<f64>>, antidiagonal: Vec<Array2<f64>>) -> Result<Self> {
        let lattice = self.lattice.with_diagonals(!diagonal.is_empty(), !antidiagonal.is_empty());
        let tables =
            [Arc::unwrap_or_clone(self.horizontal), Arc::unwrap_or_clone(self.vertical), diagonal, antidiagonal];
        PairModel::of_tables(lattice, Arc::unwrap_or_clone(self.sites), tables)
    }

    /// Tables of the horizontal, vertical, diagonal and antidiagonal bonds.
    pub(super) fn of_tables(lattice: Square, sites: Vec<Vec<f64>>, tables: [Vec<Array2<f64>>; 4]) -> Result<Self> {
        let [horizontal, vertical, diagonal, antidiagonal] = tables;
        for (place, expected, got) in [
            ("sites", lattice.sites(), sites.len()),
            ("horizontal", lattice.horizontal_bonds(), horizontal.len()),
            ("vertical", lattice.vertical_bonds(), vertical.len()),
            ("diagonal", lattice.diagonal_bonds(), diagonal.len()),
            ("antidiagonal", lattice.antidiagonal_bonds(), antidiagonal.len()),
        ] {
            if expected != got {
                return Err(Error::Entries { place: place.into(), expected, got });
            }
        }
        let dims: Vec<usize> = sites.iter().map(Vec::len).collect();
        let model = PairModel {
            lattice,
            dims,
            sites: Arc::new(sites),
            horizontal: Arc::new(horizontal),
            vertical: Arc::new(vertical),
            diagonal: Arc::new(diagonal),
            antidiagonal: Arc::new(antidiagonal),
        };
        model.check_entries()?;
        model.check_allowed()?;
        Ok(model)
    }

    /// Potts model of `q` states: weight `exp β(Σ J δ(x_i, x_j) + Σ h_j δ(x_j, 0))`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `q` outside 1..=256; [`Error::Entry`] where `β` times a coupling is not
    /// finite.
    pub fn potts(couplings: &Couplings, q: usize, beta: f64) -> Result<Self> {
        PairModel::rotor(couplings, q, beta, |k| f64::from(u8::from(k == 0)))
    }

    /// Clock model of `q` states: weight `exp β(Σ J cos(2π(x_i − x_j)/q) + Σ h_j cos(2π x_j/q))`.
    ///
    /// # Errors
    /// As [`PairModel::potts`].
    pub fn clock(couplings: &Couplings, q: usize, beta: f64) -> Result<Self> {
        PairModel::rotor(couplings, q, beta, |k| (TAU * k as f64 / q as f64).cos())
    }

    /// Hard squares: particles (state 1) of fugacity `z ≥ 0`, no two of them neighbours.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a fugacity that is negative or not finite.
    pub fn hard_squares(lattice: Square, fugacity: f64) -> Result<Self> {
        if !(fugacity >= 0.0 && fugacity.is_finite()) {
            return Err(Error::parameter("fugacity", fugacity, "finite, not negative"));
        }
        let bond = Array2::from_shape_fn((2, 2), |(a, b)| if a + b == 2 { f64::NEG_INFINITY } else { 0.0 });
        PairModel::uniform(lattice, &[0.0, fugacity.ln()], &bond)
    }

    /// Hard hexagons: particles of fugacity `z ≥ 0` on the triangular lattice (one diagonal of each
    /// plaquette), no two of them neighbours. Exact, critical at `z = (11 + 5√5)/2`: Baxter, J. Phys. A 13,
    /// L61.
    ///
    /// # Errors
    /// As [`PairModel::hard_squares`].
    pub fn hard_hexagons(lattice: Square, fugacity: f64) -> Result<Self> {
        PairModel::hard_squares(lattice.with_diagonals(true, false), fugacity)
    }

    /// Colourings with `q` colours, equally likely, neighbours of different colour.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `q` outside 1..=256; [`Error::NoConfiguration`] for one colour on a lattice
    /// with bonds.
    pub fn colourings(lattice: Square, q: usize) -> Result<Self> {
        check_states(q)?;
        let bond = Array2::from_shape_fn((q, q), |(a, b)| if a == b { f64::NEG_INFINITY } else { 0.0 });
        PairModel::uniform(lattice, &vec![0.0; q], &bond)
    }

    /// The same site log-weights and the same bond log-weights everywhere, on the diagonals too where the
    /// lattice has them.
    ///
    /// # Errors
    /// As [`PairModel::new`].
    pub fn uniform(lattice: Square, site: &[f64], bond: &Array2<f64>) -> Result<Self> {
        PairModel::of_bonds(lattice, vec![site.to_vec(); lattice.sites()], |_, _, _| bond.clone())
    }

    /// A table for each bond of the lattice, told with its sites.
    pub(super) fn of_bonds(
        lattice: Square,
        sites: Vec<Vec<f64>>,
        mut table: impl FnMut(Bond, usize, usize) -> Array2<f64>,
    ) -> Result<Self> {
        let mut tables: [Vec<Array2<f64>>; 4] = Default::default();
        for (bond, i, j) in lattice.bonds() {
            tables[bond.direction()].push(table(bond, i, j));
        }
        PairModel::of_tables(lattice, sites, tables)
    }

    /// Log-weights that depend on differences of states: `β J f(x_i − x_j mod q)` and `β h f(x_j)`.
    fn rotor(couplings: &Couplings, q: usize, beta: f64, f: impl Fn(usize) -> f64) -> Result<Self> {
        check_states(q)?;
        let cosines: Vec<f64> = (0..q).map(f).collect();
        let table = |j: &f64| Array2::from_shape_fn((q, q), |(a, b)| beta * j * cosines[(q + a - b) % q]);
        let sites = couplings.field().iter().map(|h| cosines.iter().map(|c| beta * h * c).collect()).collect();
        let tables = couplings.directions().map(|values| values.iter().map(table).collect());
        PairModel::of_tables(couplings.lattice(), sites, tables)
    }

    /// The lattice.
    pub fn lattice(&self) -> Square {
        self.lattice
    }

    /// Log-weights of the states of site `j`.
    ///
    /// # Panics
    /// If there is no such site.
    pub fn site_log_weights(&self, j: usize) -> &[f64] {
        &self.sites[j]
    }

    /// Log-weights of a bond, shape `(states of its first site, states of its second)`.
    ///
    /// # Panics
    /// If there is no such bond.
    pub fn bond_log_weights(&self, bond: Bond) -> &Array2<f64> {
        match bond {
            Bond::Horizontal(i) => &self.horizontal[i],
            Bond::Vertical(i) => &self.vertical[i],
            Bond::Diagonal(i) => &self.diagonal[i],
            Bond::AntiDiagonal(i) => &self.antidiagonal[i],
        }
    }

    /// Whether something is forbidden.
    pub fn is_constrained(&self) -> bool {
        let straight = self.horizontal.iter().chain(self.vertical.iter());
        let tables = straight.chain(self.diagonal.iter()).chain(self.antidiagonal.iter());
        self.sites.iter().flatten().chain(tables.flatten()).any(|&w| w == f64::NEG_INFINITY)
    }

    /// Log-weight of state `a` at site `j` given the states of its neighbours: the terms in which site `j`
    /// occurs. O(1).
    ///
    /// # Panics
    /// If `x` does not fit the lattice, or a state is out of range.
    pub fn conditional_log_weight(&self, x: &[u8], j: usize, a: u8) -> f64 {
        let pairs = self.lattice.neighbours(j).into_iter().flatten();
        self.sites[j][usize::from(a)] + pairs.map(|n| self.pair_log_weight(n, a, x[n.site])).sum::<f64>()
    }

    /// Change of the log-weight when site `j` of `x` is set to `a`: −∞ if that is forbidden, NaN or +∞ only
    /// if `x` itself is. O(1).
    ///
    /// # Panics
    /// As [`PairModel::conditional_log_weight`].
    pub fn log_ratio(&self, x: &[u8], j: usize, a: u8) -> f64 {
        self.conditional_log_weight(x, j, a) - self.conditional_log_weight(x, j, x[j])
    }

    /// The same model with site `j` weighed by `w(j, a)` besides.
    pub(super) fn tilted(&self, w: impl Fn(usize, usize) -> f64) -> Result<PairModel> {
        let mut tilted = self.clone();
        for (j, weights) in Arc::make_mut(&mut tilted.sites).iter_mut().enumerate() {
            weights.iter_mut().enumerate().for_each(|(a, v)| *v += w(j, a).ln());
        }
        tilted.check_entries()?;
        tilted.check_allowed()?;
        Ok(tilted)
    }

    /// Log-weight of the bond to a neighbour in state `b`, the site itself in state `a`.
    pub(super) fn pair_log_weight(&self, n: Neighbour, a: u8, b: u8) -> f64 {
        let (a, b) = (usize::from(a), usize::from(b));
        self.bond_log_weights(n.bond)[if n.first { [a, b] } else { [b, a] }]
    }

    fn weigh(&self, x: ArrayView1<'_, u8>) -> f64 {
        let state = |j: usize| usize::from(x[j]);
        let sites: f64 = self.sites.iter().enumerate().map(|(j, w)| w[state(j)]).sum();
        let bonds = self.lattice.bonds().map(|(bond, i, j)| self.bond_log_weights(bond)[[state(i), state(j)]]);
        sites + bonds.sum::<f64>()
    }

    fn check_entries(&self) -> Result<()> {
        let bad = |w: f64| w.is_nan() || w == f64::INFINITY;
        let expected = "a logarithm: finite, or −∞ for what is forbidden";
        for (j, weights) in self.sites.iter().enumerate() {
            check_states(weights.len())?;
            if let Some(a) = weights.iter().position(|&w| bad(w)) {
                let place = format!("{}[{a}]", self.lattice.site_name("sites", j));
                return Err(Error::Entry { place, value: weights[a], expected });
            }
        }
        for (bond, i, j) in self.lattice.bonds() {
            let table = self.bond_log_weights(bond);
            let field =
                ["horizontal table", "vertical table", "diagonal table", "antidiagonal table"][bond.direction()];
            if table.dim() != (self.dims[i], self.dims[j]) {
                let (expected, got) = (vec![self.dims[i], self.dims[j]], table.shape().to_vec());
                return Err(Error::Shape { field, expected, got });
            }
            if let Some(((a, b), &value)) = table.indexed_iter().find(|&(_, &w)| bad(w)) {
                return Err(Error::Entry {
                    place: format!("{}[{a}][{b}]", self.lattice.bond_name(bond)),
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Arc consistency: drops states without a partner until nothing changes.
    fn check_allowed(&self) -> Result<()> {
        if !self.is_constrained() {
            return Ok(());
        }
        let mut allowed: Vec<Vec<bool>> =
            self.sites.iter().map(|w| w.iter().map(|&w| w > f64::NEG_INFINITY).collect()).collect();
        let mut changed = true;
        while changed {
            changed = false;
            for j in 0..self.dims.len() {
                for a in 0..self.dims[j] {
                    let partner = |n: Neighbour| {
                        (0..self.dims[n.site]).any(|b| {
                            allowed[n.site][b] && self.pair_log_weight(n, a as u8, b as u8) > f64::NEG_INFINITY
                        })
                    };
                    if allowed[j][a] && !self.lattice.neighbours(j).into_iter().flatten().all(partner) {
                        allowed[j][a] = false;
                        changed = true;
                    }
                }
                if !allowed[j].contains(&true) {
                    let (row, col) = self.lattice.place(j);
                    return Err(Error::NoConfiguration { row, col });
                }
            }
        }
        Ok(())
    }

    /// Sites filled one after the other with a state allowed by those before, chosen uniformly.
    fn fill(&self, rng: &mut Stream) -> Option<Array1<u8>> {
        let mut x = vec![0u8; self.dims.len()];
        for j in 0..x.len() {
            let before: Vec<Neighbour> =
                self.lattice.neighbours(j).into_iter().flatten().filter(|n| n.site < j).collect();
            let allowed: Vec<u8> = (0..=(self.dims[j] - 1) as u8)
                .filter(|&a| {
                    self.sites[j][usize::from(a)] > f64::NEG_INFINITY
                        && before.iter().all(|&n| self.pair_log_weight(n, a, x[n.site]) > f64::NEG_INFINITY)
                })
                .collect();
            if allowed.is_empty() {
                return None;
            }
            x[j] = allowed[rng.random_range(0..allowed.len())];
        }
        Some(x.into())
    }

    /// The states `a` and `b` in a checkerboard, where they exist.
    fn checkerboard(&self, a: usize, b: usize) -> Option<Array1<u8>> {
        let state = |j: usize| {
            let (r, c) = self.lattice.place(j);
            let a = if (r + c).is_multiple_of(2) { a } else { b };
            (a < self.dims[j]).then_some(a as u8)
        };
        let x: Array1<u8> = (0..self.dims.len()).map(state).collect::<Option<Vec<u8>>>()?.into();
        (self.weigh(x.view()) > f64::NEG_INFINITY).then_some(x)
    }
}

/// Checks a number of states.
fn check_states(q: usize) -> Result<()> {
    if !(1..=256).contains(&q) {
        return Err(Error::parameter("states", q, "1 to 256"));
    }
    Ok(())
}

impl Target for PairModel {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(|x| self.weigh(x)).collect())
    }

    /// States drawn uniformly, site after site, from what the sites before allow; after some failures a
    /// checkerboard of two states.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        let d = self.dims.iter().copied().max().unwrap_or(0);
        (0..FILLINGS)
            .find_map(|_| self.fill(stream))
            .or_else(|| (0..d * d).find_map(|pair| self.checkerboard(pair / d, pair % d)))
    }
}
