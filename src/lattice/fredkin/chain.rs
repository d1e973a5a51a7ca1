//! The chain as a target: heights, area, log-weight.

use ndarray::Array1;

use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Stream;

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
    pub(super) dims: Vec<usize>,
    pub(super) c: f64,
    pub(super) log_q: f64,
}

impl Fredkin {
    /// A chain of `sites` sites (even, at least two) with `0 < c < 1`; `c > 1/2` favours large area.
    ///
    /// # Errors
    /// [`Error::Parameter`] for zero or an odd number of sites, or `c` outside the open interval (NaN
    /// included).
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
}

impl Target for Fredkin {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        let weigh = |row: ndarray::ArrayView1<'_, u8>| match dyck_k(row.iter().copied()) {
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

/// `k = (Σ_j h_j − N/2)/2` of a Dyck path; `None` for any other sequence.
pub(super) fn dyck_k(bits: impl Iterator<Item = u8>) -> Option<i64> {
    let (mut h, mut area, mut sites) = (0i64, 0i64, 0i64);
    for bit in bits {
        h += 2 * i64::from(bit) - 1;
        if h < 0 {
            return None;
        }
        area += h;
        sites += 1;
    }
    (h == 0).then_some((area - sites / 2) / 2)
}
