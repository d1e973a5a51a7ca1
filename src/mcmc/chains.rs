//! A batch of Markov chains: where they stand.
//!
//! Chain `i` at update `k` draws from stream `i` of step `k`: its trajectory depends on seed, start and move,
//! neither on the number of threads nor on the other chains, and running on continues exactly as one longer
//! run.
//!
//! **Restart.** [`Chains::write`] and [`Chains::read`] keep them in a file; [`Chains::snapshot`] is plain
//! data (serde) for files of one's own, from which [`Chains::resume`] continues exactly as if never
//! interrupted. What is packed is in neither: packing anew changes no draw.
//!
//! **Many processes.** Chains `5..8` of eight are started by [`Chains::initial_from`] with 5 and run with
//! [`RunOptions::first_chain`](super::run::RunOptions::first_chain) of 5: they are then bit for bit those of
//! one process.

use std::any::Any;
use std::fmt;
use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, Zip, s};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};
use crate::rng::Streams;

/// The present configurations of a batch of chains.
///
/// Invariant: at least one chain and one site, rows contiguous; log-weights are finite and those of the
/// target.
///
/// Beside the configurations it keeps what the last [`Dynamics`](super::per_chain::Dynamics) packed them
/// into, so that the next update need not pack again. Two batches are equal whatever is packed, and a clone
/// has nothing packed.
#[derive(Debug, Clone, PartialEq)]
pub struct Chains {
    x: Array2<u8>,
    pub(super) log_weight: Array1<f64>,
    pub(super) updates: u64,
    packed: Packed,
}

/// The state of a dynamics for each chain, equal to its row of `x`; empty before the first update, `None`
/// where a row has changed.
#[derive(Default)]
struct Packed(Vec<PackedState>);

/// A state of some dynamics.
pub(super) type PackedState = Option<(&'static str, Box<dyn Any + Send + Sync>)>;

impl Clone for Packed {
    fn clone(&self) -> Self {
        Packed::default()
    }
}

impl PartialEq for Packed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packed", self.0.iter().flatten().count())
    }
}

/// What a restart of [`Chains`] needs, as plain data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainsSnapshot {
    /// Updates made.
    pub updates: u64,
    /// Configurations, shape `(chains, sites)`.
    pub x: Array2<u8>,
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
        let x = x.as_standard_layout().into_owned();
        Ok(Chains { x, log_weight, updates: 0, packed: Packed::default() })
    }

    /// Starts `chains` chains at [`Target::initial`]; chain `i` uses stream `i` of the domain `"initial"`.
    ///
    /// # Errors
    /// No chains; a target that knows no allowed configuration; and as [`Chains::new`].
    pub fn initial(target: &dyn Target, chains: usize, seed: u64) -> Result<Self> {
        Chains::initial_from(target, 0, chains, seed)
    }

    /// Chains `first..first + chains` of those that [`Chains::initial`] starts.
    ///
    /// # Errors
    /// As [`Chains::initial`].
    pub fn initial_from(target: &dyn Target, first: usize, chains: usize, seed: u64) -> Result<Self> {
        let streams = Streams::new(seed).domain("initial").rows_from(first);
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

    /// What a restart needs.
    pub fn snapshot(&self) -> ChainsSnapshot {
        ChainsSnapshot { updates: self.updates, x: self.x.clone() }
    }

    /// Goes on from a snapshot: the next updates are those that would have followed.
    ///
    /// # Errors
    /// As [`Chains::new`].
    pub fn resume(target: &dyn Target, snapshot: ChainsSnapshot) -> Result<Self> {
        Ok(Chains { updates: snapshot.updates, ..Chains::new(target, snapshot.x)? })
    }

    /// Chains at `x` after `updates` updates, with the log-weights that they had to the last bit: a move may
    /// have reached them by another sum than the target's.
    ///
    /// # Errors
    /// As [`Chains::new`]; [`Error::Entry`] for a log-weight that is not the target's to 10⁻⁹.
    pub(super) fn resumed(target: &dyn Target, x: Array2<u8>, log_weight: Array1<f64>, updates: u64) -> Result<Self> {
        let chains = Chains::new(target, x)?;
        if log_weight.len() != chains.len() {
            let (expected, got) = (chains.len(), log_weight.len());
            return Err(Error::Entries { place: "log_weight".into(), expected, got });
        }
        // Sums of N terms in another order differ by some N·ε; another target by far more.
        let off = |(said, own): (&f64, &f64)| said.is_nan() || (said - own).abs() > 1e-9 * (1.0 + own.abs());
        if let Some(row) = log_weight.iter().zip(&chains.log_weight).position(off) {
            let (place, value) = (format!("log_weight[{row}]"), log_weight[row]);
            return Err(Error::Entry { place, value, expected: "the log-weight that this target gives" });
        }
        Ok(Chains { log_weight, updates, ..chains })
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

    /// Updates made since the start: the next one draws from this step.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// Puts chain `row` at `x` of log-weight `log_weight` (which must be the target's), and tells whether
    /// that changed it.
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
        if changed {
            self.x.row_mut(row).assign(&x);
            if let Some(packed) = self.packed.0.get_mut(row) {
                *packed = None;
            }
        }
        self.log_weight[row] = log_weight;
        Ok(changed)
    }

    /// Chains that stand at `x` with these log-weights of their target.
    pub(crate) fn standing(x: Array2<u8>, log_weight: Array1<f64>, updates: u64) -> Self {
        Chains { x, log_weight, updates, packed: Packed::default() }
    }

    /// Some of the chains as a batch of their own. What they are packed into goes with them.
    pub(crate) fn part(&mut self, rows: Range<usize>) -> Chains {
        let x = self.x.slice(s![rows.clone(), ..]).to_owned();
        let log_weight = self.log_weight.slice(s![rows.clone()]).to_owned();
        let packed = self.packed.0.get_mut(rows).map(|p| p.iter_mut().map(Option::take).collect());
        Chains { x, log_weight, updates: self.updates, packed: Packed(packed.unwrap_or_default()) }
    }

    /// One batch of several, all of them after as many updates; at least one.
    pub(crate) fn joined(parts: impl IntoIterator<Item = Chains>) -> Option<Chains> {
        let (mut x, mut log_weight, mut packed, mut end) = (vec![], vec![], vec![], None);
        for mut part in parts {
            x.extend_from_slice(part.states());
            log_weight.extend(&part.log_weight);
            packed.append(&mut part.take_packed());
            end = Some((part.x.ncols(), part.updates));
        }
        let (sites, updates) = end?;
        let x = Array2::from_shape_vec((log_weight.len(), sites), x).ok()?;
        Some(Chains { x, log_weight: log_weight.into(), updates, packed: Packed(packed) })
    }

    /// Present configurations, row after row.
    pub(super) fn states(&self) -> &[u8] {
        self.x.as_slice().expect("rows are contiguous by construction")
    }

    /// Takes out what is packed, one entry a chain.
    pub(super) fn take_packed(&mut self) -> Vec<PackedState> {
        let mut packed = std::mem::take(&mut self.packed.0);
        packed.resize_with(self.len(), || None);
        packed
    }

    /// Puts the chains at `x` of the same shape, with what it is packed into.
    pub(super) fn set_packed(&mut self, x: Array2<u8>, packed: Vec<PackedState>) {
        self.x = x;
        self.packed.0 = packed;
    }

    /// Exchanges chain `row` with that of `other`, which then have these log-weights.
    pub(super) fn exchange(&mut self, other: &mut Chains, row: usize, log_weight: (f64, f64)) {
        Zip::from(self.x.row_mut(row)).and(other.x.row_mut(row)).for_each(std::mem::swap);
        (self.log_weight[row], other.log_weight[row]) = log_weight;
        match (self.packed.0.get_mut(row), other.packed.0.get_mut(row)) {
            (Some(a), Some(b)) => std::mem::swap(a, b),
            (a, b) => a.into_iter().chain(b).for_each(|packed| *packed = None),
        }
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
