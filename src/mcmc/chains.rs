//! A batch of Markov chains and the loop that runs them.
//!
//! Chain `i` at update `k` draws from stream `i` of step `k`: its trajectory depends on seed, start and move, neither on the
//! number of threads nor on the other chains, and running on continues exactly as one longer run.

use ndarray::{Array1, Array2, ArrayView1};

use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Streams;

/// The present configurations of a batch of chains.
///
/// Invariant: at least one chain and one site; log-weights are finite and those of the target.
#[derive(Debug, Clone, PartialEq)]
pub struct Chains {
    x: Array2<u8>,
    pub(super) log_weight: Array1<f64>,
    pub(super) updates: u64,
}

impl Chains {
    /// Starts one chain at each row of `x`, shape `(chains, sites)`.
    ///
    /// # Errors
    /// No rows; rows of the wrong shape or out of range; [`Error::LogWeight`] for a start of weight zero.
    pub fn new(target: &dyn Target, x: Array2<u8>) -> Result<Self> {
        if x.nrows() == 0 {
            return Err(Error::parameter("chains", 0, "at least one"));
        }
        if x.ncols() == 0 {
            return Err(Error::SiteCount { expected: target.dims().len().max(1), got: 0 });
        }
        let log_weight = start_weights(target, x.view())?;
        Ok(Chains { x, log_weight, updates: 0 })
    }

    /// Starts `chains` chains at [`Target::initial`]; chain `i` uses stream `i` of the domain `"initial"`.
    ///
    /// # Errors
    /// No chains; a target that knows no allowed configuration; and as [`Chains::new`].
    pub fn initial(target: &dyn Target, chains: usize, seed: u64) -> Result<Self> {
        let streams = Streams::new(seed).domain("initial");
        let sites = target.dims().len();
        let mut x = Array2::zeros((chains, sites));
        for (row, mut x) in x.outer_iter_mut().enumerate() {
            let Some(start) = target.initial(&mut streams.stream(row)) else {
                return Err(Error::parameter("start", "none", "given configurations: the target knows no allowed one"));
            };
            if start.len() != sites {
                return Err(Error::SiteCount { expected: sites, got: start.len() });
            }
            x.assign(&start);
        }
        Chains::new(target, x)
    }

    /// Number of chains.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.x.nrows()
    }

    /// Present configurations, shape `(chains, sites)`.
    pub fn x(&self) -> Configs<'_> {
        self.x.view()
    }

    /// Their log-weights in nats, shape `(chains,)`.
    pub fn log_weight(&self) -> ArrayView1<'_, f64> {
        self.log_weight.view()
    }

    /// Updates that [`run`] has made since the start: the next one draws from this step.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Puts chain `row` at `x` of log-weight `log_weight` (which must be the target's), and tells whether that changed it.
    ///
    /// # Errors
    /// A row out of range, the wrong number of sites, a log-weight that is not finite.
    pub fn replace(&mut self, row: usize, x: ArrayView1<'_, u8>, log_weight: f64) -> Result<bool> {
        if row >= self.len() {
            return Err(Error::parameter("row", row, "below the number of chains"));
        }
        if x.len() != self.x.ncols() {
            return Err(Error::SiteCount { expected: self.x.ncols(), got: x.len() });
        }
        if !log_weight.is_finite() {
            return Err(Error::LogWeight { row, value: log_weight });
        }
        let changed = self.x.row(row) != x;
        self.x.row_mut(row).assign(&x);
        self.log_weight[row] = log_weight;
        Ok(changed)
    }
}

/// Log-weights of configurations at which chains may stand: all finite.
pub(crate) fn start_weights(target: &dyn Target, x: Configs<'_>) -> Result<Array1<f64>> {
    check_configs(x, target.dims())?;
    let log_weight = target.log_weight(x)?;
    if log_weight.len() != x.nrows() {
        return Err(Error::SampleCount { expected: x.nrows(), got: log_weight.len() });
    }
    match log_weight.iter().position(|w| !w.is_finite()) {
        None => Ok(log_weight),
        Some(row) => Err(Error::LogWeight { row, value: log_weight[row] }),
    }
}
