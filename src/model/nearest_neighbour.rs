//! Equilibrium laws of chains and rings with nearest-neighbour weights, as matrix-product laws:
//!
//! ```text
//! P(x) = (1/Z) exp( Σ_j u_j(x_j) + Σ_j v_j(x_j, x_{j+1}) ),     x_{N+1} = x_1 on a ring.
//! ```
//!
//! Transfer matrices (Kramers and Wannier 1941), used from the right: with `R_N = 0`,
//! `R_j(a) = log Σ_b e^{v_j(a,b) + u_{j+1}(b) + R_{j+1}(b)}` makes the law a Markov chain,
//! `P(b|a) = e^{v + u + R_{j+1}(b) − R_j(a)}`. All in logarithms: no weight over- or underflows, however low
//! the temperature; only a *conditional* probability below 1e-308 is zero. A ring carries its first state
//! along, `R_j(x_1, a)`. Bond dimension `d` (chain) or `d²` (ring); cost `O(N d²)`, on a ring `O(N d³)`, and
//! the storage of the tensors, `O(N d³)` and `O(N d⁵)`.

use ndarray::{Array2, Array3, ArrayView1, ArrayView2};

use super::positive::PositiveMps;
use crate::error::{Error, Result};
use crate::tn::Mps;

/// Numbers in the tensors of a chain: 2 GiB.
const MAX_ENTRIES: usize = 1 << 28;

/// The ends of a one-dimensional lattice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Boundary {
    /// Free ends: `N − 1` bonds.
    Open,
    /// The last site is a neighbour of the first: `N` bonds (two between the sites of a ring of two).
    Ring,
}

impl Boundary {
    /// The sites within `radius` of each site of a chain or ring, themselves left out; every other site for a
    /// large radius.
    ///
    /// ```
    /// # use tensorjump::model::Boundary;
    /// assert_eq!(Boundary::Ring.windows(5, 1)[0], [1, 4]);
    /// assert_eq!(Boundary::Open.windows(3, 9)[1], [0, 2]);
    /// ```
    pub fn windows(self, sites: usize, radius: usize) -> Vec<Vec<usize>> {
        let near = |i: usize, j: usize| match self {
            Boundary::Open => i.abs_diff(j) <= radius,
            Boundary::Ring => i.abs_diff(j).min(sites - i.abs_diff(j)) <= radius,
        };
        (0..sites).map(|j| (0..sites).filter(|&i| i != j && near(i, j)).collect()).collect()
    }
}

impl PositiveMps {
    /// The Ising chain or ring: `P(x) ∝ exp(β (Σ_j J_j s_j s_{j+1} + Σ_j h_j s_j))` with spins `s = 2x − 1`
    /// (state 1 is up, state 0 down).
    ///
    /// One field a site; `N − 1` couplings (open) or `N` (ring, the last one between sites `N` and 1).
    /// `log Z` in nats is [`PositiveMps::log_z`]. Bond dimension 2 or 4; cost `O(N)`.
    ///
    /// # Errors
    /// [`Error::NotFinite`] for `β`, a coupling, a field or their product; [`Error::SiteCount`] for no sites;
    /// [`Error::Shape`] for the wrong number of couplings.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::model::{Boundary, PositiveMps};
    /// let ring = PositiveMps::ising(0.7, &[1.0; 5], &[0.0; 5], Boundary::Ring)?;
    /// let (c, s) = (2.0 * 0.7f64.cosh(), 2.0 * 0.7f64.sinh());
    /// assert!((ring.log_z() - (c.powi(5) + s.powi(5)).ln()).abs() < 1e-14);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn ising(beta: f64, couplings: &[f64], fields: &[f64], boundary: Boundary) -> Result<Self> {
        let spin = [-1.0, 1.0];
        let site = |(j, &h): (usize, &f64)| reduced("fields", j, beta, h).map(|h| vec![-h, h]);
        let sites: Vec<_> = fields.iter().enumerate().map(site).collect::<Result<_>>()?;
        let pair = |j: &f64| Array2::from_shape_fn((2, 2), |(a, b)| j * spin[a] * spin[b]);
        let pairs: Vec<_> = reduced_couplings(beta, couplings)?.iter().map(pair).collect();
        Self::chain(&sites, &pairs, boundary)
    }

    /// The Potts chain or ring with `q` states: `P(x) ∝ exp(β (Σ_j J_j δ(x_j, x_{j+1}) + Σ_j h_j(x_j)))`.
    ///
    /// `fields[[j, a]] = h_j(a)`, shape `(sites, q)`; couplings as in [`PositiveMps::ising`]. `log Z` in nats
    /// is [`PositiveMps::log_z`]. Bond dimension `q` or `q²`; cost as the module says.
    ///
    /// # Errors
    /// [`Error::Parameter`] for `q` outside 2..=256; [`Error::Shape`] for fields of another width; otherwise
    /// as [`PositiveMps::ising`] and [`PositiveMps::chain`].
    pub fn potts(
        q: usize,
        beta: f64,
        couplings: &[f64],
        fields: ArrayView2<'_, f64>,
        boundary: Boundary,
    ) -> Result<Self> {
        if !(2..=256).contains(&q) {
            return Err(Error::parameter("q", q, "between 2 and 256"));
        }
        if fields.ncols() != q {
            let expected = vec![fields.nrows(), q];
            return Err(Error::Shape { field: "fields", expected, got: fields.shape().to_vec() });
        }
        let site = |(j, h): (usize, ArrayView1<'_, f64>)| h.iter().map(|&h| reduced("fields", j, beta, h)).collect();
        let sites: Vec<_> = fields.outer_iter().enumerate().map(site).collect::<Result<_>>()?;
        let pair = |j: &f64| Array2::from_diag_elem(q, *j);
        let pairs: Vec<_> = reduced_couplings(beta, couplings)?.iter().map(pair).collect();
        Self::chain(&sites, &pairs, boundary)
    }

    /// Any chain or ring with nearest-neighbour weights, given by their logarithms: `sites[j][a] = u_j(a)`
    /// and `pairs[j][[a, b]] = v_j(a, b)` between sites `j` and `j + 1`, the last of a ring between the last
    /// site and the first. Local dimensions may differ; −∞ forbids a state or a pair.
    ///
    /// `log Z` in nats is [`PositiveMps::log_z`]. Bond dimension and cost as the module says.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for no sites; [`Error::Parameter`] for a site without states or with more than
    /// 256; [`Error::Shape`] for the wrong number of pair tables or a table of the wrong shape;
    /// [`Error::NotFinite`] for NaN or +∞; [`Error::ZeroWeight`] when no configuration is allowed;
    /// [`Error::TooLarge`] for tensors beyond 2²⁸ numbers.
    pub fn chain(sites: &[Vec<f64>], pairs: &[Array2<f64>], boundary: Boundary) -> Result<Self> {
        check(sites, pairs, boundary)?;
        let n = sites.len();
        let ring = boundary == Boundary::Ring;
        let carried = if ring { sites[0].len() } else { 1 };
        // R_j(k, a): k is the first state on a ring, 0 on a chain.
        let mut right = if ring { pairs[n - 1].t().to_owned() } else { Array2::zeros((1, sites[n - 1].len())) };
        let mut log_z = Sum::default();
        let mut tensors = Vec::with_capacity(n);
        for j in (0..n).rev() {
            let d = sites[j].len();
            // Left bond states (k, a) that occur: a single one before the first site, where `k` is not yet
            // chosen.
            let lefts: Vec<(usize, usize)> = match j {
                0 => vec![(0, 0)],
                1 => (0..sites[0].len()).map(|a| (if ring { a } else { 0 }, a)).collect(),
                _ => (0..carried).flat_map(|k| (0..sites[j - 1].len()).map(move |a| (k, a))).collect(),
            };
            let bond = if j + 1 == n {
                1
            } else if j == 0 {
                d
            } else {
                carried * d
            };
            let mut tensor = Array3::zeros((lefts.len(), d, bond));
            let mut left = Array2::from_elem((carried, if j == 0 { 1 } else { sites[j - 1].len() }), f64::NEG_INFINITY);
            for (row, &(k, a)) in lefts.iter().enumerate() {
                let first = |b| if j == 0 && ring { b } else { k };
                let pair = |b| if j == 0 { 0.0 } else { pairs[j - 1][[a, b]] };
                let mut law: Vec<f64> = (0..d).map(|b| pair(b) + sites[j][b] + right[[first(b), b]]).collect();
                left[[k, a]] = normalise(&mut law, j)?;
                for (b, p) in law.into_iter().enumerate() {
                    let to = if j + 1 == n {
                        0
                    } else if j == 0 {
                        b
                    } else {
                        k * d + b
                    };
                    tensor[[row, b, to]] = p;
                }
            }
            let max = left.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
            if max == f64::NEG_INFINITY {
                return Err(Error::ZeroWeight { what: "chain" });
            }
            log_z.add(max);
            right = left - max;
            tensors.push(tensor);
        }
        tensors.reverse();
        Self::new(&Mps::new(tensors, log_z.total())?)
    }
}

/// `β v`, both finite.
fn reduced(field: &'static str, site: usize, beta: f64, v: f64) -> Result<f64> {
    if !beta.is_finite() {
        return Err(Error::NotFinite { field: "beta", site: 0, value: beta });
    }
    let value = if v.is_finite() { beta * v } else { v };
    if value.is_finite() { Ok(value) } else { Err(Error::NotFinite { field, site, value }) }
}

/// `β J_j` for each bond.
fn reduced_couplings(beta: f64, couplings: &[f64]) -> Result<Vec<f64>> {
    couplings.iter().enumerate().map(|(j, &v)| reduced("couplings", j, beta, v)).collect()
}

/// Numbers, shapes and sizes.
fn check(sites: &[Vec<f64>], pairs: &[Array2<f64>], boundary: Boundary) -> Result<()> {
    let n = sites.len();
    if n == 0 {
        return Err(Error::SiteCount { expected: 1, got: 0 });
    }
    let bonds = if boundary == Boundary::Ring { n } else { n - 1 };
    if pairs.len() != bonds {
        return Err(Error::Shape { field: "couplings", expected: vec![bonds], got: vec![pairs.len()] });
    }
    let allowed = |field, site, v: &f64| {
        if v.is_nan() || *v == f64::INFINITY { Err(Error::NotFinite { field, site, value: *v }) } else { Ok(()) }
    };
    for (site, u) in sites.iter().enumerate() {
        if !(1..=256).contains(&u.len()) {
            return Err(Error::parameter("local dimension", u.len(), "between 1 and 256"));
        }
        u.iter().try_for_each(|v| allowed("site log-weights", site, v))?;
    }
    for (j, pair) in pairs.iter().enumerate() {
        let expected = [sites[j].len(), sites[(j + 1) % n].len()];
        if pair.shape() != expected {
            return Err(Error::Shape {
                field: "pair log-weights",
                expected: expected.into(),
                got: pair.shape().to_vec(),
            });
        }
        pair.iter().try_for_each(|v| allowed("pair log-weights", j, v))?;
    }
    let carried = if boundary == Boundary::Ring { sites[0].len() } else { 1 };
    let size = sites.windows(2).map(|s| carried * carried * s[0].len() * s[1].len() * s[1].len());
    let size = size.fold(0usize, usize::saturating_add);
    if size > MAX_ENTRIES {
        return Err(Error::TooLarge { what: "tensors of a chain", size, limit: MAX_ENTRIES });
    }
    Ok(())
}

/// Turns log-weights into probabilities and returns the logarithm of their sum; zeros and −∞ where nothing is
/// allowed.
fn normalise(law: &mut [f64], site: usize) -> Result<f64> {
    let max = law.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if max == f64::INFINITY {
        return Err(Error::NotFinite { field: "sum of log-weights", site, value: max });
    }
    if max == f64::NEG_INFINITY {
        law.fill(0.0);
        return Ok(max);
    }
    law.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum: f64 = law.iter().sum();
    law.iter_mut().for_each(|v| *v /= sum);
    Ok(max + sum.ln())
}

/// A compensated sum (Neumaier 1974): 10⁵ equal terms round the same way every time.
#[derive(Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, term: f64) {
        let sum = self.sum + term;
        self.lost += if self.sum.abs() >= term.abs() { (self.sum - sum) + term } else { (term - sum) + self.sum };
        self.sum = sum;
    }

    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}
