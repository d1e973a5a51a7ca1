//! Swendsen–Wang clusters of ferromagnetic Ising and Potts models (Phys. Rev. Lett. 58, 86).
//!
//! A bond table with one value on the diagonal and one beside it, `W(a, b) = w_≠ + (w_= − w_≠) δ(a, b)`, `w_=
//! ≥ w_≠`, is a mixture of "joined" and "free" (the Potts model, clock models of two and three states, any
//! table of this form to rounding):
//!
//! ```text
//! bonds  | states:  joined with probability 1 − w_≠/w_= between equal states,      never between others
//! states | bonds:   each cluster C takes one state a with probability ∝ ∏_{j∈C} v_j(a).
//! ```
//!
//! Site weights `v` (fields) are thus exact too, though clusters in strong fields rarely change. For Ising
//! models `w_≠/w_= = e^{−2βJ}`. Cost: some 20 ns a site; memory 4 bytes a site, with fields `8q` more.

use rand::{Rng, RngExt};

use super::spins::{Chance, fast_rng};
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::lattice::square::geometry::{Bond, Square};
use crate::lattice::square::ising::Ising;
use crate::lattice::square::pair::PairModel;
use crate::lattice::square::pairwise::Pairwise;
use crate::mcmc::{Chains, Dynamics, EachChain, Move, MoveReport, leave_bytes};
use crate::model::Target;
use crate::rng::{Stream, Streams};

/// What a bond has to be.
const POTTS: &str =
    "one finite log-weight for equal states and one not above it for all others, as Swendsen-Wang clusters need";

/// Swendsen–Wang sweeps: a [`Dynamics`] and a [`Move`] whose target must be the model that it was built from.
///
/// ```
/// use tensorjump::lattice::{Couplings, Geometry, PairModel, Square, SwendsenWang};
/// use tensorjump::mcmc::{Chains, Move};
/// use tensorjump::Streams;
///
/// let lattice = Square::new(16, 16, Geometry::Torus)?;
/// let potts = PairModel::potts(&Couplings::uniform(lattice, 1.0)?, 3, 1.0)?;
/// let clusters = SwendsenWang::new(&potts)?;
/// let mut chains = Chains::initial(&potts, 4, 1)?;
/// clusters.update(&mut chains, &potts, &Streams::new(1))?;
/// let glass = PairModel::potts(&Couplings::plus_minus(lattice, 1), 3, 1.0)?;
/// assert!(SwendsenWang::new(&glass).unwrap_err().to_string().contains("horizontal["));
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SwendsenWang {
    lattice: Square,
    states: usize,
    right: Chances,
    below: Chances,
    /// Of the diagonal and the antidiagonal bonds.
    across: [Chances; 2],
    /// Site log-weights `[j·states + a]`; none where no site prefers a state.
    fields: Option<Vec<f64>>,
    sweeps: usize,
}

/// Probabilities of joining the sites of the bonds of one direction, by bond index.
#[derive(Debug, Clone, PartialEq)]
enum Chances {
    Uniform(Chance),
    Varied(Vec<Chance>),
}

impl Chances {
    /// Of `log w_= − log w_≠` of each bond.
    fn new(excess: impl Iterator<Item = Result<f64>> + Clone) -> Result<Self> {
        let chance = |k: f64| Chance::new(-(-k).exp_m1());
        let mut values = excess.clone();
        let first = values.next().transpose()?.unwrap_or(0.0);
        for value in values {
            if value? != first {
                return Ok(Chances::Varied(excess.map(|k| k.map(chance)).collect::<Result<_>>()?));
            }
        }
        Ok(Chances::Uniform(chance(first)))
    }

    #[inline(always)]
    fn get(&self, bond: usize) -> Chance {
        match self {
            Chances::Uniform(chance) => *chance,
            Chances::Varied(chances) => chances[bond],
        }
    }
}

impl SwendsenWang {
    /// Of an Ising model, or of pair weights whose bonds are of Potts form; one sweep in each update.
    ///
    /// # Errors
    /// [`Error::LocalDimension`] for sites with different numbers of states; [`Error::Entry`] naming the
    /// first entry of a bond that is not of the form of the module, or an antiferromagnetic bond.
    pub fn new<M: Pairwise + ?Sized>(model: &M) -> Result<Self> {
        if let Some(ising) = model.as_ising() {
            return SwendsenWang::of_ising(ising);
        }
        let model: &PairModel = &*model.tables()?;
        let states = model.dims()[0];
        if let Some(site) = model.dims().iter().position(|&d| d != states) {
            return Err(Error::LocalDimension { site, expected: states, got: model.dims()[site] });
        }
        let differ = |v: &[f64]| v.iter().any(|&w| w != v[0]);
        let sites = model.lattice().sites();
        let fields = (0..sites)
            .any(|j| differ(model.site_log_weights(j)))
            .then(|| (0..sites).flat_map(|j| model.site_log_weights(j).iter().copied()).collect());
        SwendsenWang::build(model.lattice(), states, |bond| potts_excess(model, bond), fields)
    }

    fn of_ising(ising: &Ising) -> Result<Self> {
        let excess = |bond: Bond| {
            let k = ising.reduced(bond);
            if k < 0.0 {
                let (place, value) = (ising.lattice().bond_name(bond), ising.couplings().bond(bond));
                let expected = "ferromagnetic (beta J >= 0) for Swendsen-Wang clusters";
                return Err(Error::Entry { place, value, expected });
            }
            Ok(2.0 * k)
        };
        let field = ising.couplings().field();
        let fields = field
            .iter()
            .any(|&h| h != 0.0)
            .then(|| field.iter().flat_map(|h| [-ising.beta() * h, ising.beta() * h]).collect());
        SwendsenWang::build(ising.lattice(), 2, excess, fields)
    }

    fn build(
        lattice: Square,
        states: usize,
        excess: impl Fn(Bond) -> Result<f64>,
        fields: Option<Vec<f64>>,
    ) -> Result<Self> {
        let right = Chances::new((0..lattice.horizontal_bonds()).map(|i| excess(Bond::Horizontal(i))))?;
        let below = Chances::new((0..lattice.vertical_bonds()).map(|i| excess(Bond::Vertical(i))))?;
        let across = [
            Chances::new((0..lattice.diagonal_bonds()).map(|i| excess(Bond::Diagonal(i))))?,
            Chances::new((0..lattice.antidiagonal_bonds()).map(|i| excess(Bond::AntiDiagonal(i))))?,
        ];
        Ok(SwendsenWang { lattice, states, right, below, across, fields, sweeps: 1 })
    }

    /// Makes `sweeps` sweeps in each update of a [`Move`].
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweeps` is zero.
    pub fn with_sweeps(self, sweeps: usize) -> Result<Self> {
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", sweeps, "at least one"));
        }
        Ok(SwendsenWang { sweeps, ..self })
    }

    /// Joins bonds and gives each cluster a new state; returns the number of clusters. `x` must be allowed by
    /// the model.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::StateOutOfRange`].
    pub fn sweep(&self, x: &mut [u8], rng: &mut impl Rng) -> Result<usize> {
        if x.len() != self.lattice.sites() {
            return Err(Error::SiteCount { expected: self.lattice.sites(), got: x.len() });
        }
        if let Some(site) = x.iter().position(|&a| usize::from(a) >= self.states) {
            return Err(Error::StateOutOfRange { row: 0, site, state: x[site].into(), dim: self.states });
        }
        let mut parent: Vec<u32> = (0..x.len() as u32).collect();
        self.join(x, &mut parent, rng);
        Ok(match &self.fields {
            None => self.colour(x, &parent, rng),
            Some(fields) => self.colour_in_fields(x, &mut parent, fields, rng),
        })
    }

    /// Unites the sites of joined bonds; the root of a cluster is its first site.
    fn join(&self, x: &[u8], parent: &mut [u32], rng: &mut impl Rng) {
        let (rows, cols) = (self.lattice.rows(), self.lattice.cols());
        let (across, down) = (self.lattice.horizontal_cols(), self.lattice.vertical_rows());
        let (diagonal, antidiagonal) = self.lattice.diagonals();
        for r in 0..rows {
            for c in 0..cols {
                let j = r * cols + c;
                let bits = rng.next_u64();
                if c < across {
                    let k = if c + 1 < cols { j + 1 } else { r * cols };
                    if x[j] == x[k] && self.right.get(r * across + c).happens(bits as u16, rng) {
                        unite(parent, j, k);
                    }
                }
                if r < down {
                    let k = if r + 1 < rows { j + cols } else { c };
                    if x[j] == x[k] && self.below.get(j).happens((bits >> 16) as u16, rng) {
                        unite(parent, j, k);
                    }
                }
                if (diagonal || antidiagonal) && r < down && c < across {
                    let bond = r * across + c;
                    let (beside, below) = ((c + 1) % cols, (r + 1) % rows * cols);
                    let (i, k) = (r * cols + beside, below + beside);
                    let [falling, rising] = &self.across;
                    if diagonal && x[j] == x[k] && falling.get(bond).happens((bits >> 32) as u16, rng) {
                        unite(parent, j, k);
                    }
                    let k = below + c;
                    if antidiagonal && x[i] == x[k] && rising.get(bond).happens((bits >> 48) as u16, rng) {
                        unite(parent, i, k);
                    }
                }
            }
        }
    }

    /// Uniform states. A parent comes before its children, so one pass in the order of the sites is enough.
    fn colour(&self, x: &mut [u8], parent: &[u32], rng: &mut impl Rng) -> usize {
        let mut clusters = 0;
        for (j, &p) in parent.iter().enumerate() {
            if p as usize == j {
                clusters += 1;
                x[j] = rng.random_range(0..self.states) as u8;
            } else {
                x[j] = x[p as usize];
            }
        }
        clusters
    }

    /// States weighed by the product of the site weights of a cluster.
    fn colour_in_fields(&self, x: &mut [u8], parent: &mut [u32], fields: &[f64], rng: &mut impl Rng) -> usize {
        let q = self.states;
        let mut sums = fields.to_vec();
        for j in 0..x.len() {
            let root = parent[parent[j] as usize]; // the parent has been led to its root
            parent[j] = root;
            if root as usize != j {
                (0..q).for_each(|a| sums[root as usize * q + a] += fields[j * q + a]);
            }
        }
        let mut clusters = 0;
        for j in 0..x.len() {
            let root = parent[j] as usize;
            if root == j {
                clusters += 1;
                x[j] = choose_by_log(&mut sums[j * q..][..q], rng);
            } else {
                x[j] = x[root];
            }
        }
        clusters
    }
}

/// Entries that differ by so many units of rounding of the spread of the table are equal: `cos(2π/3)` and
/// `cos(4π/3)` are not, in doubles.
const ROUNDING: f64 = 8.0 * f64::EPSILON;

/// `log w_= − log w_≠` of a bond of Potts form.
fn potts_excess(model: &PairModel, bond: Bond) -> Result<f64> {
    let table = model.bond_log_weights(bond);
    let finite = || table.iter().copied().filter(|w| w.is_finite());
    let size = finite().fold(f64::NEG_INFINITY, f64::max) - finite().fold(f64::INFINITY, f64::min);
    let equal = |w: f64, v: f64| w == v || (w - v).abs() <= ROUNDING * size;
    let same = table[[0, 0]];
    let other = if table.nrows() > 1 { table[[0, 1]] } else { same };
    let fits = |a: usize, b: usize, w: f64| equal(w, if a == b { same } else { other });
    let wrong = table.indexed_iter().find(|&((a, b), &w)| !fits(a, b, w));
    let place = |a: usize, b: usize| format!("{}[{a}][{b}]", model.lattice().bond_name(bond));
    match wrong {
        Some(((a, b), &value)) => Err(Error::Entry { place: place(a, b), value, expected: POTTS }),
        None if !same.is_finite() || same < other && !equal(same, other) => {
            Err(Error::Entry { place: place(0, 0), value: same, expected: POTTS })
        }
        None => Ok((same - other).max(0.0)),
    }
}

/// The first site of the cluster, halving the path.
#[inline(always)]
fn root(parent: &mut [u32], mut j: usize) -> usize {
    while parent[j] as usize != j {
        parent[j] = parent[parent[j] as usize];
        j = parent[j] as usize;
    }
    j
}

/// Makes one cluster of those of two sites; its root is its first site.
#[inline(always)]
pub(crate) fn unite(parent: &mut [u32], j: usize, k: usize) {
    let (j, k) = (root(parent, j), root(parent, k));
    parent[j.max(k)] = j.min(k) as u32;
}

/// A state with probability `∝ e^{log[a]}`; the logarithms become weights.
fn choose_by_log(log: &mut [f64], rng: &mut impl Rng) -> u8 {
    let max = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    log.iter_mut().for_each(|w| *w = (*w - max).exp());
    choose(log, log.iter().sum(), rng.random()) as u8
}

impl Dynamics for SwendsenWang {
    type State = Vec<u8>;

    fn enter(&self, x: &[u8]) -> Result<Vec<u8>> {
        Ok(x.to_vec())
    }

    /// Counts clusters as proposals, all accepted.
    fn step(&self, x: &mut Vec<u8>, stream: &mut Stream) -> Result<(usize, usize)> {
        let mut rng = fast_rng(stream);
        let mut clusters = 0;
        for _ in 0..self.sweeps {
            clusters += self.sweep(x, &mut rng)?;
        }
        Ok((clusters, clusters))
    }

    fn leave(&self, state: &Vec<u8>, x: &mut [u8]) -> Result<()> {
        leave_bytes(state, x)
    }
}

impl Move for SwendsenWang {
    /// # Errors
    /// Another number of sites, or of states, than the model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}
