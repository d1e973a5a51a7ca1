//! The stochastic Fredkin chain: Dyck paths weighted by the area under them.
//!
//! `N` sites, `n_j ∈ {0, 1}`, one is an up step; heights `h_j = Σ_{i≤j} (2n_i − 1)`. In the Dyck sector
//! (`h_j ≥ 0`, `h_N = 0`) the equilibrium law is
//!
//! ```text
//! P(n) = q^k / Z,    q = c/(1−c),    k = (Σ_j h_j − N/2)/2 = 0, 1, …, N(N−2)/8,
//! ```
//!
//! reached by `01 → 10` on neighbouring sites with rate `c·f` and `10 → 01` with rate `(1−c)·f`, `f = n_{j−1} + (1 −
//! n_{j+2})` (sites beyond the ends contribute nothing to `f`); see arXiv 2407.11133 and the works on the Fredkin chain
//! cited there.
//!
//! **Which c?** Here `01 → 10`, which raises the path, has rate `c·f`: `c > 1/2` is the phase of large area (heights ∝ N),
//! `c < 1/2` that of flat paths (heights of order one), `c = 1/2` uniform on Dyck paths (heights ∝ √N). Some texts swap
//! `c` and `1 − c`; the mean area tells which is meant.
//!
//! | what | where | cost |
//! |---|---|---|
//! | heights, area, sectors, log-weight | [`Fredkin`] | O(N) a configuration |
//! | log Z, profiles, area, entropy, two-point functions | [`Equilibrium`] | O(N²) time and memory, N²/8 numbers a table |
//! | exact draws, tilted draws, evidence, cavities | [`FredkinModel`] | O(N) plain, O(Nχ) tilted, χ = ⌊N/4⌋+1 |
//! | generator, rejection-free and Metropolis moves | [`Fredkin::generator`], [`FredkinProcess`], [`Fredkin::metropolis`] | O(1) an event |
//!
//! All transfer-matrix recursions run on *ratios* of partition sums of neighbouring heights (`transfer.rs`): every
//! term is positive, nothing cancels, nothing overflows.

mod band;
mod configs;
mod dynamics;
mod equilibrium;
mod magnitude;
mod model;
mod tilt;
mod transfer;

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

pub use dynamics::FredkinProcess;
pub use equilibrium::Equilibrium;
pub use model::FredkinModel;

/// The Fredkin chain as a target: `N` sites, parameter `c`, Dyck sector.
///
/// Its log-weight is `k ln q` on Dyck paths and −∞ elsewhere.
///
/// ```
/// use tensorjump::Target;
/// use tensorjump::lattice::Fredkin;
///
/// let chain = Fredkin::new(4, 0.6)?; // q = 3/2
/// let paths = ndarray::array![[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]];
/// let log_weight = chain.log_weight(paths.view())?;
/// assert_eq!(log_weight[0], 0.0);
/// assert!((log_weight[1] - 1.5f64.ln()).abs() < 1e-15);
/// assert_eq!(log_weight[2], f64::NEG_INFINITY);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Fredkin {
    dims: Vec<usize>,
    c: f64,
    log_q: f64,
}

impl Fredkin {
    /// A chain of `sites` sites (even, at least two) with `0 < c < 1`; `c > 1/2` favours large area.
    ///
    /// # Errors
    /// [`Error::Parameter`] for zero or an odd number of sites, or `c` outside the open interval (NaN included).
    pub fn new(sites: usize, c: f64) -> Result<Self> {
        if sites == 0 || !sites.is_multiple_of(2) {
            return Err(Error::parameter("sites", sites, "an even number, at least 2"));
        }
        if i32::try_from(sites).is_err() {
            return Err(Error::parameter("sites", sites, "below 2^31"));
        }
        if !(c > 0.0 && c < 1.0) {
            return Err(Error::parameter("c", c, "in the open interval (0, 1)"));
        }
        // Near one half ln_1p keeps the relative accuracy that the quotient would round away.
        let log_q =
            if (0.25..0.75).contains(&c) { ((2.0 * c - 1.0) / (1.0 - c)).ln_1p() } else { (c / (1.0 - c)).ln() };
        Ok(Fredkin { dims: vec![2; sites], c, log_q })
    }

    /// Number of sites.
    pub fn sites(&self) -> usize {
        self.dims.len()
    }

    /// The parameter `c`; above one half large areas are favoured.
    pub fn c(&self) -> f64 {
        self.c
    }

    /// `ln q = ln c − ln(1 − c)`, in nats.
    pub fn log_q(&self) -> f64 {
        self.log_q
    }

    /// The exact averages at equilibrium (see [`Equilibrium::new`]).
    ///
    /// # Errors
    /// [`Error::TooLarge`] above about 45,000 sites.
    pub fn equilibrium(&self) -> Result<Equilibrium> {
        Equilibrium::new(self)
    }
}

impl Target for Fredkin {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        let weigh = |row: ndarray::ArrayView1<'_, u8>| match configs::dyck_k(row.iter().copied()) {
            Some(k) => k as f64 * self.log_q,
            None => f64::NEG_INFINITY,
        };
        Ok(x.outer_iter().map(weigh).collect())
    }

    /// `1010…10`, the path of smallest area.
    fn initial(&self, _stream: &mut Stream) -> Option<Array1<u8>> {
        Some((0..self.sites()).map(|j| u8::from(j % 2 == 0)).collect())
    }
}
