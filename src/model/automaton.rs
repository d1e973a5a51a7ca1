//! Constraints as finite automata: matrix products that weigh a configuration by what it adds up to.
//!
//! ```text
//! A(x) = ∏_j w_j(s_{j−1}, x_j) · f(s_N),      s_j = δ_j(s_{j−1}, x_j),
//! P(x | A) = P(x) A(x) / Σ_x P(x) A(x)
//! ```
//!
//! An automaton reads the sites from left to right in a state `s`; with `A ∈ {0, 1}` the law on the right is
//! `P` conditioned on what the automaton accepts: a magnetisation, a window of energies, a pattern, the area
//! under a path. As a matrix product `A` has bond dimension `m`, the number of states, and one entry a row
//! and symbol. The product with a law of bond χ is again one of the same kind, of bond at most `χ m` and
//! exact: only pairs of bond states that a path of non-zero weight visits are kept. Cost `O(N d χ² m)` to
//! build, `O(N d (χm)²)` numbers to store. A site pinned to a state needs no automaton: [`pinned`] gives the
//! site weights.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use ndarray::{Array1, Array2, Array3, ArrayView1};

use super::born::BornMps;
use super::nearest_neighbour::Boundary;
use super::positive::PositiveMps;
use super::traits::Target;
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::log_space::LogProduct;
use crate::model::{Configs, check_configs};
use crate::rng::Stream;
use crate::tn::Mps;

/// States of an automaton, all bonds together.
const MAX_STATES: usize = 1 << 22;
/// Numbers in the tensors of a constrained law: 1 GiB.
const MAX_ENTRIES: usize = 1 << 27;
/// No next state.
const NONE: usize = usize::MAX;

/// A deterministic automaton with non-negative weights.
///
/// Invariant: every state lies on a path from the start to acceptance; a single state before the first and
/// after the last site.
#[derive(Debug, Clone, PartialEq)]
pub struct Automaton {
    dims: Vec<usize>,
    /// `[[s, a]]` of each site: the next state and the weight; `(NONE, 0)` where there is none.
    steps: Vec<Array2<(usize, f64)>>,
}

impl Automaton {
    /// The automaton that starts in `start`, goes from `s` at site `j` with symbol `a` to `step(j, s, a)`, a
    /// state and a weight (`None`: forbidden), and weighs the state after the last site by `accept`.
    ///
    /// Only states that can be reached and accepted are kept. Cost: `step` once for each state that can be
    /// reached and each symbol.
    ///
    /// # Errors
    /// [`Error::ZeroWeight`] for a constraint that no configuration meets; [`Error::Negative`],
    /// [`Error::NotFinite`] for weights; [`Error::SiteCount`] for no sites, [`Error::Parameter`] for
    /// dimensions outside 1..=256; [`Error::TooLarge`] beyond 2²² states.
    ///
    /// # Examples
    /// Dyck paths of a given area `Σ_j h_j`: the state is height and area so far.
    /// ```
    /// # use tensorjump::model::Automaton;
    /// # use tensorjump::dense::DenseLaw;
    /// let step = |_, &(h, area): &(i64, i64), a| {
    ///     let h = h + 2 * i64::from(a) - 1;
    ///     (h >= 0).then_some(((h, area + h), 1.0))
    /// };
    /// let paths = Automaton::new(&[2; 6], (0, 0), step, |&s| f64::from(s == (0, 5)))?;
    /// let law = DenseLaw::of(&paths)?;
    /// assert!((law.log_z() - 2f64.ln()).abs() < 1e-15); // 110010 and 101100
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new<S: Ord + Clone>(
        dims: &[usize],
        start: S,
        step: impl Fn(usize, &S, u8) -> Option<(S, f64)>,
        accept: impl Fn(&S) -> f64,
    ) -> Result<Self> {
        if dims.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        let mut level = BTreeMap::from([(start, 0)]);
        let (mut steps, mut total) = (Vec::with_capacity(dims.len()), 1);
        for (j, &d) in dims.iter().enumerate() {
            if !(1..=256).contains(&d) {
                return Err(Error::parameter("local dimension", d, "between 1 and 256"));
            }
            let mut next = BTreeMap::new();
            let mut table = Array2::from_elem((level.len(), d), (NONE, 0.0));
            for (s, &i) in &level {
                for a in 0..d {
                    let Some((to, w)) = step(j, s, a as u8) else { continue };
                    if checked(w, j)? > 0.0 {
                        let fresh = next.len();
                        table[[i, a]] = (*next.entry(to).or_insert(fresh), w);
                    }
                }
            }
            total += next.len();
            if total > MAX_STATES {
                return Err(Error::TooLarge { what: "states of an automaton", size: total, limit: MAX_STATES });
            }
            steps.push(table);
            level = next;
        }
        let mut ends = vec![0.0; level.len()];
        for (s, &i) in &level {
            ends[i] = checked(accept(s), dims.len())?;
        }
        Self::trimmed(dims, steps, &ends)
    }

    /// Puts the weights of the ends into the last steps and drops states from which no end is reached.
    fn trimmed(dims: &[usize], mut steps: Vec<Array2<(usize, f64)>>, ends: &[f64]) -> Result<Self> {
        let last = steps.len() - 1;
        for entry in steps[last].iter_mut().filter(|e| e.0 != NONE) {
            *entry = if ends[entry.0] > 0.0 { (0, checked(entry.1 * ends[entry.0], last)?) } else { (NONE, 0.0) };
        }
        // The new number of each state after the present site.
        let mut kept = vec![0];
        for table in steps.iter_mut().rev() {
            for entry in table.iter_mut().filter(|e| e.0 != NONE) {
                *entry = if kept[entry.0] == NONE { (NONE, 0.0) } else { (kept[entry.0], entry.1) };
            }
            let alive: Vec<usize> = (0..table.nrows()).filter(|&s| table.row(s).iter().any(|e| e.0 != NONE)).collect();
            kept = vec![NONE; table.nrows()];
            alive.iter().enumerate().for_each(|(new, &old)| kept[old] = new);
            *table = table.select(ndarray::Axis(0), &alive);
        }
        if steps[0].is_empty() {
            return Err(Error::ZeroWeight { what: "constraint" });
        }
        Ok(Automaton { dims: dims.to_vec(), steps })
    }

    /// Configurations with `Σ_j values[j][x_j]` in the window: counts, magnetisations, additive energies.
    ///
    /// # Errors
    /// As [`Automaton::new`].
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::model::{Automaton, Boundary, PositiveMps};
    /// let ring = PositiveMps::ising(0.4, &[1.0; 8], &[0.0; 8], Boundary::Ring)?;
    /// let balanced = ring.constrained(&Automaton::sum(&vec![vec![-1, 1]; 8], 0..=0)?)?;
    /// assert!(balanced.log_z() < 0.0); // log-probability of magnetisation zero
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn sum(values: &[Vec<i64>], window: RangeInclusive<i64>) -> Result<Self> {
        let dims: Vec<usize> = values.iter().map(Vec::len).collect();
        let step = |j: usize, &s: &i128, a: u8| Some((s + i128::from(values[j][usize::from(a)]), 1.0));
        Self::new(&dims, 0, step, |&s| f64::from(holds(&window, s)))
    }

    /// Configurations with `Σ_j sites[j][x_j] + Σ_j pairs[j][[x_j, x_{j+1}]]` in the window: energies of
    /// chains and rings in units of the coupling. Pair tables as in [`PositiveMps::chain`].
    ///
    /// # Errors
    /// [`Error::Shape`] for the wrong number of pair tables or one of the wrong shape; as [`Automaton::new`].
    pub fn chain(
        sites: &[Vec<i64>],
        pairs: &[Array2<i64>],
        boundary: Boundary,
        window: RangeInclusive<i64>,
    ) -> Result<Self> {
        let (n, ring) = (sites.len(), boundary == Boundary::Ring);
        let bonds = if ring { n } else { n.saturating_sub(1) };
        if pairs.len() != bonds {
            return Err(Error::Shape { field: "pair values", expected: vec![bonds], got: vec![pairs.len()] });
        }
        for (j, pair) in pairs.iter().enumerate() {
            let expected = [sites[j].len(), sites[(j + 1) % n].len()];
            if pair.shape() != expected {
                let got = pair.shape().to_vec();
                return Err(Error::Shape { field: "pair values", expected: expected.into(), got });
            }
        }
        let dims: Vec<usize> = sites.iter().map(Vec::len).collect();
        // State: first symbol (rings), last symbol, sum.
        let step = |j: usize, &(first, last, sum): &(u8, u8, i128), a: u8| {
            let pair = |k: usize, l: u8, r: u8| i128::from(pairs[k][[l.into(), r.into()]]);
            let first = if j == 0 && ring { a } else { first };
            let mut sum = sum + i128::from(sites[j][usize::from(a)]);
            if j > 0 {
                sum += pair(j - 1, last, a);
            }
            if ring && j + 1 == n {
                sum += pair(j, a, first);
            }
            Some(((first, a, sum), 1.0))
        };
        Self::new(&dims, (0, 0, 0), step, |&(.., sum)| f64::from(holds(&window, sum)))
    }

    /// Both constraints: the product of the weights. States multiply at most.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the two disagree; [`Error::ZeroWeight`] where
    /// nothing meets both.
    pub fn and(&self, other: &Automaton) -> Result<Self> {
        match_dims(&self.dims, &other.dims)?;
        let step = |j: usize, &(s, t): &(usize, usize), a: u8| {
            let ((s, v), (t, w)) = (self.steps[j][[s, a.into()]], other.steps[j][[t, a.into()]]);
            (s != NONE && t != NONE).then_some(((s, t), v * w))
        };
        Self::new(&self.dims, (0, 0), step, |_| 1.0)
    }

    /// Number of states at the bonds between sites, length `N − 1`.
    pub fn bonds(&self) -> Vec<usize> {
        self.steps[1..].iter().map(Array2::nrows).collect()
    }

    /// The weights as a matrix product.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 2²⁷ numbers.
    pub fn to_mps(&self) -> Result<Mps> {
        self.times(&Mps::product(&self.dims.iter().map(|&d| vec![1.0; d]).collect::<Vec<_>>())?, 1.0)
    }

    /// `v(x) A(x)^power`, without bond states that no path of non-zero entries visits.
    fn times(&self, v: &Mps, power: f64) -> Result<Mps> {
        match_dims(v.dims(), &self.dims)?;
        let n = self.dims.len();
        // Pairs (bond state of v, state) after each site, as numbers i·m + s: reached from the left, then
        // kept from the right.
        let width = |j: usize| if j == n { 1 } else { self.steps[j].nrows() };
        let edges = |j: usize, pair: usize| {
            let (a, m) = (&v.tensors()[j], width(j));
            let step = move |x: usize| (x, self.steps[j][[pair % m, x]]);
            (0..self.dims[j]).map(step).filter(|e| e.1.0 != NONE).flat_map(move |(x, (to, w))| {
                let row = a.slice(ndarray::s![pair / m, x, ..]);
                let next = width(j + 1);
                (0..row.len()).filter(move |&k| row[k] != 0.0).map(move |k| (x, k * next + to, row[k], w))
            })
        };
        let mut reached = vec![vec![0]];
        for j in 0..n {
            let mut next: Vec<usize> = reached[j].iter().flat_map(|&p| edges(j, p).map(|e| e.1)).collect();
            next.sort_unstable();
            next.dedup();
            reached.push(next);
        }
        let mut tensors = Vec::with_capacity(n);
        let (mut right, mut size) = (reached[n].clone(), 0usize);
        for j in (0..n).rev() {
            let place = |pair: usize| right.binary_search(&pair).ok();
            let left: Vec<usize> =
                reached[j].iter().copied().filter(|&p| edges(j, p).any(|e| place(e.1).is_some())).collect();
            let shape = (left.len(), self.dims[j], right.len());
            size = size.saturating_add(shape.0.saturating_mul(shape.1).saturating_mul(shape.2));
            if size > MAX_ENTRIES {
                return Err(Error::TooLarge { what: "tensors of a constrained law", size, limit: MAX_ENTRIES });
            }
            let mut tensor = Array3::zeros(shape);
            for (row, &pair) in left.iter().enumerate() {
                for (x, to, value, w) in edges(j, pair) {
                    if let Some(column) = place(to) {
                        tensor[[row, x, column]] = value * if power == 1.0 { w } else { w.powf(power) };
                    }
                }
            }
            tensors.push(tensor);
            right = left;
        }
        if right.is_empty() {
            return Err(Error::ZeroWeight { what: "constraint" });
        }
        tensors.reverse();
        Mps::new(tensors, v.log_scale())
    }

    /// The same constraint on the first sites of a chain that goes on with sites of the given dimensions.
    fn followed_by(&self, dims: &[usize]) -> Self {
        let free = dims.iter().map(|&d| Array2::from_elem((1, d), (0, 1.0)));
        Automaton { dims: [&self.dims, dims].concat(), steps: self.steps.iter().cloned().chain(free).collect() }
    }

    /// The product of the weights along the path of a configuration, in nats.
    fn score(&self, x: ArrayView1<'_, u8>) -> f64 {
        let mut s = 0;
        let mut product = LogProduct::ONE;
        for (table, &a) in self.steps.iter().zip(x) {
            let (next, w) = table[[s, a.into()]];
            if next == NONE {
                return f64::NEG_INFINITY;
            }
            product.push(w);
            s = next;
        }
        product.ln()
    }
}

/// Whether a window holds a sum. Sums are formed in `i128`: no number of sites makes them overflow, and
/// beyond `i64` no window holds them.
pub(super) fn holds(window: &RangeInclusive<i64>, sum: i128) -> bool {
    i64::try_from(sum).is_ok_and(|sum| window.contains(&sum))
}

/// A weight, or what is wrong with it.
fn checked(w: f64, site: usize) -> Result<f64> {
    match w {
        w if !w.is_finite() => Err(Error::NotFinite { field: "weight of a constraint", site, value: w }),
        w if w < 0.0 => Err(Error::Negative { field: "weight of a constraint", site, value: w }),
        w => Ok(w),
    }
}

impl Target for Automaton {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(x.outer_iter().map(|x| self.score(x)).collect())
    }

    /// The first accepted configuration in lexicographic order.
    fn initial(&self, _stream: &mut Stream) -> Option<Array1<u8>> {
        let mut s = 0;
        let mut first = |table: &Array2<(usize, f64)>| {
            let a = table.row(s).iter().position(|e| e.0 != NONE)?;
            s = table[[s, a]].0;
            Some(a as u8)
        };
        self.steps.iter().map(&mut first).collect()
    }
}

impl PositiveMps {
    /// The law conditioned on a constraint, `P(x) A(x)/Σ P A`: exact, bond dimension at most `χ m`. Its
    /// [`PositiveMps::log_z`] is `log Σ_x P(x) A(x)` in nats, for `A ∈ {0, 1}` the log-probability of the
    /// constraint.
    ///
    /// # Errors
    /// [`Error::ZeroWeight`] where the law never meets the constraint; [`Error::SiteCount`],
    /// [`Error::LocalDimension`]; [`Error::TooLarge`] beyond 2²⁷ numbers.
    pub fn constrained(&self, constraint: &Automaton) -> Result<Self> {
        Self::new(&constraint.times(self.as_mps(), 1.0)?)
    }
}

impl BornMps {
    /// The law conditioned on a constraint: the amplitude times `√A`. As [`PositiveMps::constrained`]; an
    /// open bond stays open.
    ///
    /// # Errors
    /// As [`PositiveMps::constrained`].
    pub fn constrained(&self, constraint: &Automaton) -> Result<Self> {
        match_dims(self.dims(), &constraint.dims)?;
        let (psi, sites) = (self.amplitude(), self.dims().len());
        Self::marginal(&constraint.followed_by(&psi.dims()[sites..]).times(psi, 0.5)?, sites)
    }
}

/// Site weights `(sites, d_max)` that fix the listed sites to the listed states: a pinned pattern, or all but
/// the region of an infilling.
///
/// # Errors
/// [`Error::Parameter`] for a site out of range; [`Error::StateOutOfRange`]; [`Error::ZeroWeight`] for a site
/// pinned to two states.
pub fn pinned(dims: &[usize], pins: &[(usize, u8)]) -> Result<Array2<f64>> {
    let d_max = dims.iter().copied().max().unwrap_or(0);
    let mut weights = Array2::from_shape_fn((dims.len(), d_max), |(j, a)| f64::from(a < dims[j]));
    for (row, &(site, state)) in pins.iter().enumerate() {
        let Some(&dim) = dims.get(site) else {
            return Err(Error::parameter("pinned site", site, "below the number of sites"));
        };
        let a = usize::from(state);
        if a >= dim {
            return Err(Error::StateOutOfRange { row, site, state: a, dim });
        }
        let mut law = weights.row_mut(site);
        law.iter_mut().enumerate().filter(|(b, _)| *b != a).for_each(|(_, w)| *w = 0.0);
        if law[a] == 0.0 {
            return Err(Error::ZeroWeight { what: "pinned site" });
        }
    }
    Ok(weights)
}
