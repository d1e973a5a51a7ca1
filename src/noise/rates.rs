//! Rate matrices of single sites: `Q[a, b]` is the rate from `a` to `b`, rows sum to zero.

use std::collections::HashMap;

use ndarray::Array2;

use super::exponential::exponential;
use crate::error::{Error, Result};

/// Rows of a rate matrix must sum to zero to this fraction of its largest rate: a sum of 256 rounded rates is
/// off by at most 256 × 2⁻⁵³ ≈ 3e-14 of it.
const ROW_SUM_TOLERANCE: f64 = 1e-12;

/// One rate matrix a site, in inverse time; equal matrices are stored, and exponentiated, once.
///
/// Invariant: rates between different states are finite and non-negative. A site that can be masked has one
/// state more after the noise.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Rates {
    classes: Vec<Generator>,
    class_of: Vec<usize>,
    dims_in: Vec<usize>,
    dims_out: Vec<usize>,
}

/// The generator of one site.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Generator {
    /// No jumps.
    Frozen { d: usize },
    /// `Q = γ(11ᵀ/d − I)`.
    Uniform { d: usize, gamma: f64 },
    /// 0 → 1 at rate `up`, 1 → 0 at rate `down`.
    Flip { up: f64, down: f64 },
    /// `a → d` at rate γ for each `a < d`; `d` is absorbing.
    Mask { d: usize, gamma: f64 },
    /// Any rate matrix.
    General(Array2<f64>),
}

/// `1 − e^{−rate·elapsed}`, also for small and infinite times.
fn jump_probability(rate: f64, elapsed: f64) -> f64 {
    if rate == 0.0 { 0.0 } else { -(-rate * elapsed).exp_m1() }
}

/// `e^{−rate·elapsed}`, also for infinite times.
fn survival(rate: f64, elapsed: f64) -> f64 {
    if rate == 0.0 { 1.0 } else { (-rate * elapsed).exp() }
}

impl Generator {
    pub(super) fn dim_in(&self) -> usize {
        match self {
            Generator::Frozen { d } | Generator::Uniform { d, .. } | Generator::Mask { d, .. } => *d,
            Generator::Flip { .. } => 2,
            Generator::General(q) => q.nrows(),
        }
    }

    pub(super) fn dim_out(&self) -> usize {
        self.dim_in() + usize::from(matches!(self, Generator::Mask { .. }))
    }

    /// The rate matrix between noised states.
    pub(super) fn matrix(&self) -> Array2<f64> {
        let d = self.dim_out();
        let off_diagonal = |rate: &dyn Fn(usize, usize) -> f64| {
            let mut q = Array2::from_shape_fn((d, d), |(a, b)| if a == b { 0.0 } else { rate(a, b) });
            for a in 0..d {
                q[[a, a]] = -q.row(a).sum();
            }
            q
        };
        match self {
            Generator::Frozen { .. } => Array2::zeros((d, d)),
            Generator::Uniform { gamma, .. } => off_diagonal(&|_, _| gamma / d as f64),
            Generator::Flip { up, down } => off_diagonal(&|a, _| if a == 0 { *up } else { *down }),
            Generator::Mask { gamma, .. } => off_diagonal(&|_, b| if b + 1 == d { *gamma } else { 0.0 }),
            Generator::General(q) => q.clone(),
        }
    }

    /// `exp(elapsed · Q)` between noised states.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a general matrix where rate × time overflows at a finite time.
    pub(super) fn exponential(&self, elapsed: f64) -> Result<Array2<f64>> {
        let d = self.dim_out();
        Ok(match self {
            Generator::Frozen { .. } => Array2::eye(d),
            Generator::Uniform { gamma, .. } => {
                let off = jump_probability(*gamma, elapsed) / d as f64;
                let diagonal = survival(*gamma, elapsed) + off;
                Array2::from_shape_fn((d, d), |(a, b)| if a == b { diagonal } else { off })
            }
            Generator::Flip { up, down } => {
                let total = up + down;
                let (jump, stay) = (jump_probability(total, elapsed), survival(total, elapsed));
                let (up, down) = if total == 0.0 { (0.5, 0.5) } else { (up / total, down / total) };
                ndarray::array![[down + up * stay, up * jump], [down * jump, up + down * stay]]
            }
            Generator::Mask { gamma, .. } => {
                let (jump, stay) = (jump_probability(*gamma, elapsed), survival(*gamma, elapsed));
                Array2::from_shape_fn((d, d), |(a, b)| match (a + 1 == d, a == b) {
                    (true, diagonal) => f64::from(u8::from(diagonal)),
                    (false, true) => stay,
                    (false, false) => f64::from(u8::from(b + 1 == d)) * jump,
                })
            }
            Generator::General(q) => exponential(q, elapsed)?,
        })
    }

    /// The generator with all rates multiplied by a factor.
    fn scaled(&self, factor: f64) -> Generator {
        match self {
            Generator::Frozen { d } => Generator::Frozen { d: *d },
            Generator::Uniform { d, gamma } => Generator::Uniform { d: *d, gamma: gamma * factor },
            Generator::Flip { up, down } => Generator::Flip { up: up * factor, down: down * factor },
            Generator::Mask { d, gamma } => Generator::Mask { d: *d, gamma: gamma * factor },
            Generator::General(q) => Generator::General(q * factor),
        }
    }

    /// Equal for equal generators: which form, its dimension, the bits of its rates.
    fn key(&self) -> (u8, usize, Vec<u64>) {
        let bits = |rates: &[f64]| rates.iter().map(|r| r.to_bits()).collect();
        let d = self.dim_in();
        match self {
            Generator::Frozen { .. } => (0, d, bits(&[])),
            Generator::Uniform { gamma, .. } => (1, d, bits(&[*gamma])),
            Generator::Flip { up, down } => (2, d, bits(&[*up, *down])),
            Generator::Mask { gamma, .. } => (3, d, bits(&[*gamma])),
            Generator::General(q) => (4, d, q.iter().map(|r| r.to_bits()).collect()),
        }
    }
}

impl Rates {
    /// Any rate matrices, one `d × d` matrix a site.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for no sites; [`Error::Shape`] for a matrix that is not square;
    /// [`Error::NotFinite`]; [`Error::Negative`] for a negative rate between different states;
    /// [`Error::NotStochastic`] for a row that does not sum to zero to 1e-12 of the largest rate of its
    /// matrix; [`Error::Parameter`] for dimensions outside 1..=256.
    pub fn new(matrices: Vec<Array2<f64>>) -> Result<Self> {
        for (site, q) in matrices.iter().enumerate() {
            let d = q.nrows();
            if !q.is_square() {
                return Err(Error::Shape { field: "rates", expected: vec![d, d], got: q.shape().to_vec() });
            }
            if let Some(&value) = q.iter().find(|r| !r.is_finite()) {
                return Err(Error::NotFinite { field: "rates", site, value });
            }
            if let Some((_, &value)) = q.indexed_iter().find(|((a, b), r)| a != b && **r < 0.0) {
                return Err(Error::Negative { field: "rates", site, value });
            }
            let largest = q.iter().fold(0.0, |largest: f64, r| largest.max(r.abs()));
            for (row, rates) in q.outer_iter().enumerate() {
                let sum = rates.sum();
                if sum.is_nan() || sum.abs() > ROW_SUM_TOLERANCE * largest {
                    return Err(Error::NotStochastic { field: "rates", site, row, sum, expected: 0.0 });
                }
            }
        }
        Self::from_generators(matrices.into_iter().map(Generator::General))
    }

    /// Uniform noise, `Q = γ(11ᵀ/d − I)`: at rate γ a site forgets its state and takes any of its `d` states.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for no sites; [`Error::Parameter`] for γ negative or not finite, or dimensions
    /// outside 1..=256.
    pub fn uniform(dims: &[usize], gamma: f64) -> Result<Self> {
        check_rate("gamma", gamma)?;
        Self::from_generators(dims.iter().map(|&d| Generator::Uniform { d, gamma }))
    }

    /// Binary noise with unequal rates: 0 → 1 at rate `up`, 1 → 0 at rate `down`, on every site.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for no sites; [`Error::Parameter`] for a rate negative or not finite.
    pub fn binary_flip(sites: usize, up: f64, down: f64) -> Result<Self> {
        check_rate("up", up)?;
        check_rate("down", down)?;
        check_rate("up + down", up + down)?;
        Self::from_generators((0..sites).map(|_| Generator::Flip { up, down }))
    }

    /// Absorbing noise: each site with states `0..d` is masked (state `d`) at rate γ and stays so. Kernels
    /// from clean configurations are rectangular, `d × (d + 1)`.
    ///
    /// # Errors
    /// [`Error::SiteCount`] for no sites; [`Error::Parameter`] for γ negative or not finite, or dimensions
    /// outside 1..=255.
    pub fn mask(dims: &[usize], gamma: f64) -> Result<Self> {
        check_rate("gamma", gamma)?;
        Self::from_generators(dims.iter().map(|&d| Generator::Mask { d, gamma }))
    }

    /// The same rates on the listed sites and none elsewhere: there the kernel is the identity, without a
    /// mask symbol.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a site out of range.
    pub fn on_sites(&self, sites: &[usize]) -> Result<Self> {
        if let Some(&site) = sites.iter().find(|&&j| j >= self.sites()) {
            return Err(Error::parameter("site", site, "below the number of sites"));
        }
        let mut chosen = vec![false; self.sites()];
        sites.iter().for_each(|&j| chosen[j] = true);
        Self::from_generators((0..self.sites()).map(|j| match chosen[j] {
            true => self.generator(j).clone(),
            false => Generator::Frozen { d: self.dims_in[j] },
        }))
    }

    /// The rates of each site multiplied by a factor of its own, length `sites`.
    ///
    /// # Errors
    /// [`Error::SiteCount`]; [`Error::Parameter`] for a factor that is negative or not finite, or that makes
    /// a rate infinite.
    pub fn scaled(&self, factors: &[f64]) -> Result<Self> {
        if factors.len() != self.sites() {
            return Err(Error::SiteCount { expected: self.sites(), got: factors.len() });
        }
        for (j, &factor) in factors.iter().enumerate() {
            check_rate("factor", factor)?;
            let scaled = self.generator(j).scaled(factor);
            scaled.matrix().iter().try_for_each(|rate| check_rate("rate times factor", rate.abs()))?;
        }
        Self::from_generators(factors.iter().enumerate().map(|(j, &factor)| self.generator(j).scaled(factor)))
    }

    fn from_generators(generators: impl Iterator<Item = Generator>) -> Result<Self> {
        let mut rates = Rates { classes: vec![], class_of: vec![], dims_in: vec![], dims_out: vec![] };
        let mut known = HashMap::new();
        for generator in generators {
            if generator.dim_in() == 0 || generator.dim_out() > 256 {
                return Err(Error::parameter("local dimension", generator.dim_out(), "between 1 and 256"));
            }
            rates.dims_in.push(generator.dim_in());
            rates.dims_out.push(generator.dim_out());
            let class = *known.entry(generator.key()).or_insert(rates.classes.len());
            rates.class_of.push(class);
            if class == rates.classes.len() {
                rates.classes.push(generator);
            }
        }
        if rates.class_of.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        Ok(rates)
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.class_of.len()
    }

    /// Number of states of each site before the noise.
    pub fn dims_in(&self) -> &[usize] {
        &self.dims_in
    }

    /// Number of states of each noised site.
    pub fn dims_out(&self) -> &[usize] {
        &self.dims_out
    }

    /// The rate matrix of a site between noised states, shape `(d_out, d_out)`.
    ///
    /// # Panics
    /// If the site is out of range.
    pub fn matrix(&self, site: usize) -> Array2<f64> {
        self.generator(site).matrix()
    }

    fn generator(&self, site: usize) -> &Generator {
        &self.classes[self.class_of[site]]
    }

    pub(super) fn classes(&self) -> &[Generator] {
        &self.classes
    }

    pub(super) fn class_of(&self) -> &[usize] {
        &self.class_of
    }
}

/// Finite and non-negative.
fn check_rate(name: &'static str, value: f64) -> Result<()> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(Error::parameter(name, value, "finite and not negative"))
    }
}
