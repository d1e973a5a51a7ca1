//! Dynamics of one chain at a time: in a form of their own that is kept between updates, or given as
//! closures.
//!
//! A [`Dynamics`] packs a configuration into a state of its own (spins of a lattice, one bit a site), changes
//! the state, and writes it back. [`EachChain`] makes a [`Move`] of it. The [`Chains`] keep the states
//! between updates, so a run packs each chain once: the updates after that write the configuration for the
//! log-weight and the observables, and parallel tempering exchanges states without packing anew.

use std::any::type_name;
use std::ops::Deref;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::chains::{Chains, PackedState};
use super::moves::{Move, MoveReport};
use crate::error::{Error, Result};
use crate::model::{Target, check_configs};
use crate::rng::{Stream, Streams};

/// A dynamics of one configuration that leaves a law invariant: local Metropolis sweeps, rejection-free event
/// dynamics, cluster moves.
///
/// A state stands for a configuration and nothing else: what [`Dynamics::step`] does must depend on the
/// configuration that [`Dynamics::leave`] would write, not on how the state came about. Then states may be
/// kept, dropped, packed anew after a restart, and handed to another dynamics of the same type (another
/// temperature), all of it without changing a draw.
///
/// ```
/// use rand::RngExt;
/// use tensorjump::mcmc::{Chains, Dynamics, EachChain, RunOptions};
/// use tensorjump::model::PositiveMps;
/// use tensorjump::{Configs, Result, Stream};
///
/// /// Glauber dynamics of independent spins, up with probability 0.8, on the bits of a word.
/// struct Spins;
/// impl Dynamics for Spins {
///     type State = u64;
///     fn enter(&self, x: &[u8]) -> Result<u64> {
///         Ok(x.iter().rev().fold(0, |bits, &a| bits << 1 | u64::from(a)))
///     }
///     fn step(&self, bits: &mut u64, stream: &mut Stream) -> Result<(usize, usize)> {
///         let j = stream.random_range(0..6);
///         *bits = *bits & !(1 << j) | u64::from(stream.random_bool(0.8)) << j;
///         Ok((1, 1))
///     }
///     fn leave(&self, bits: &u64, x: &mut [u8]) -> Result<()> {
///         x.iter_mut().enumerate().for_each(|(j, a)| *a = (bits >> j & 1) as u8);
///         Ok(())
///     }
/// }
///
/// let law = PositiveMps::product(&vec![vec![0.2, 0.8]; 6])?;
/// let mut chains = Chains::initial(&law, 64, 1)?;
/// let first = |x: Configs<'_>| Ok(x.column(0).mapv(f64::from));
/// let up = RunOptions::default().run(&law, &EachChain(Spins), &mut chains, first)?.mean(0)?;
/// assert!((up.mean - 0.8).abs() < 5.0 * up.error);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub trait Dynamics: Send + Sync {
    /// A configuration in the form that the dynamics acts on.
    type State: Send + Sync + 'static;

    /// Packs a configuration, shape `(sites,)`.
    ///
    /// # Errors
    /// A configuration that does not fit.
    fn enter(&self, x: &[u8]) -> Result<Self::State>;

    /// One update, with draws from `stream`; returns how many changes were proposed and accepted. A
    /// rejection-free dynamics returns its number of events twice.
    ///
    /// # Errors
    /// Those of the dynamics; the state is then dropped.
    fn step(&self, state: &mut Self::State, stream: &mut Stream) -> Result<(usize, usize)>;

    /// Writes the configuration.
    ///
    /// # Errors
    /// The wrong number of sites.
    fn leave(&self, state: &Self::State, x: &mut [u8]) -> Result<()>;

    /// Whether a state that another dynamics of this type has packed can be used as it is; if not, its
    /// configuration is packed anew. Say no where states of another lattice may have as many sites.
    fn fits(&self, _state: &Self::State) -> bool {
        true
    }
}

/// A [`Dynamics`] as a [`Move`]: each chain by itself, chains in parallel.
///
/// Chain `i` draws from stream `i` of the domain `"local"`. Log-weights are recomputed for the chains that
/// changed. Cost: that of the dynamics, the configurations written, and their log-weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct EachChain<D>(
    /// The dynamics.
    pub D,
);

impl<D: Dynamics> Move for EachChain<D> {
    /// # Errors
    /// Those of the dynamics; [`Error::LogWeight`] if it left the support of the target. The chains are then
    /// unchanged.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let streams = streams.domain("local");
        let mut packed = chains.take_packed();
        let mut x = Array2::zeros(chains.x().dim());
        let sites = x.ncols();
        let new = x.as_slice_mut().into_iter().flat_map(|x| x.chunks_mut(sites));
        let rows: Vec<_> = chains.states().chunks(sites).zip(new).zip(&mut packed).collect();
        let counts = rows
            .into_par_iter()
            .enumerate()
            .map(|(row, ((old, new), packed))| self.one(old, new, packed, &mut streams.stream(row)))
            .collect::<Result<Vec<_>>>()?;
        check_configs(x.view(), target.dims())?;

        let rows = x.as_slice().into_iter().flat_map(|x| x.chunks(sites)).zip(chains.states().chunks(sites));
        let changed: Vec<usize> = rows.enumerate().filter(|(_, (new, old))| new != old).map(|(row, _)| row).collect();
        let log_weight = if changed.len() == chains.len() {
            target.log_weight(x.view())?
        } else {
            target.log_weight(x.select(Axis(0), &changed).view())?
        };
        if log_weight.len() != changed.len() {
            return Err(Error::SampleCount { expected: changed.len(), got: log_weight.len() });
        }
        if let Some(i) = log_weight.iter().position(|w| !w.is_finite()) {
            return Err(Error::LogWeight { row: changed[i], value: log_weight[i] });
        }
        changed.iter().zip(&log_weight).for_each(|(&row, &w)| chains.log_weight[row] = w);
        chains.set_packed(x, packed);
        let (proposed, accepted) = counts.iter().fold((0, 0), |(p, a), &(dp, da)| (p + dp, a + da));
        Ok(MoveReport { proposed, accepted, moved: changed.len(), ..MoveReport::default() })
    }
}

impl<D: Dynamics> EachChain<D> {
    /// One update of one chain; what is packed stands for `old` before and for `new` after, or is dropped.
    fn one(&self, old: &[u8], new: &mut [u8], packed: &mut PackedState, stream: &mut Stream) -> Result<(usize, usize)> {
        // States of one type may mean different things to different dynamics.
        let own = type_name::<D>();
        let kept = packed.take().filter(|kept| kept.0 == own).and_then(|kept| kept.1.downcast::<D::State>().ok());
        let mut state = match kept.filter(|state| self.0.fits(state)) {
            Some(state) => state,
            None => Box::new(self.0.enter(old)?),
        };
        let counts = self.0.step(&mut state, stream)?;
        self.0.leave(&state, new)?;
        *packed = Some((own, state));
        Ok(counts)
    }
}

/// A dynamics given as a closure that changes one configuration in place and leaves the target invariant.
///
/// The closure returns `(proposed, accepted)`; a rejection-free dynamics returns its number of events twice.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Local<F> {
    dynamics: F,
}

impl<F: Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> + Send + Sync> Local<F> {
    /// Updates by `dynamics(x, stream)`, one row at a time, rows in parallel.
    pub fn new(dynamics: F) -> Self {
        Local { dynamics }
    }
}

impl<F: Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> + Send + Sync> Dynamics for Local<F> {
    type State = Vec<u8>;

    fn enter(&self, x: &[u8]) -> Result<Vec<u8>> {
        Ok(x.to_vec())
    }

    fn step(&self, x: &mut Vec<u8>, stream: &mut Stream) -> Result<(usize, usize)> {
        (self.dynamics)(x, stream)
    }

    fn leave(&self, state: &Vec<u8>, x: &mut [u8]) -> Result<()> {
        leave_bytes(state, x)
    }
}

impl<F: Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> + Send + Sync> Move for Local<F> {
    /// # Errors
    /// As [`EachChain`].
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        EachChain(self).update(chains, target, streams)
    }
}

/// [`Dynamics::leave`] of states that are configurations as they are.
///
/// # Errors
/// [`Error::SiteCount`].
pub(crate) fn leave_bytes(state: &[u8], x: &mut [u8]) -> Result<()> {
    if state.len() != x.len() {
        return Err(Error::SiteCount { expected: state.len(), got: x.len() });
    }
    x.copy_from_slice(state);
    Ok(())
}

/// Whatever points at a dynamics is that dynamics: `&D`, `Box<D>`, `Arc<D>`.
impl<P: Deref<Target: Dynamics> + Send + Sync> Dynamics for P {
    type State = <P::Target as Dynamics>::State;

    fn enter(&self, x: &[u8]) -> Result<Self::State> {
        (**self).enter(x)
    }

    fn step(&self, state: &mut Self::State, stream: &mut Stream) -> Result<(usize, usize)> {
        (**self).step(state, stream)
    }

    fn leave(&self, state: &Self::State, x: &mut [u8]) -> Result<()> {
        (**self).leave(state, x)
    }

    fn fits(&self, state: &Self::State) -> bool {
        (**self).fits(state)
    }
}
