//! Dynamics of one chain at a time, given as closures.

use ndarray::Axis;
use rayon::prelude::*;

use super::chains::Chains;
use crate::error::{Error, Result};
use crate::mcmc::moves::{Move, MoveReport};
use crate::model::{Target, check_configs};
use crate::rng::{Stream, Streams};

/// A dynamics of its own, given as a closure that changes one configuration in place and leaves the target invariant: local
/// Metropolis sweeps, rejection-free event dynamics, cluster moves.
///
/// The closure returns `(proposed, accepted)`; a rejection-free dynamics returns its number of events twice. Log-weights are
/// recomputed for the rows that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Local<F> {
    dynamics: F,
}

impl<F: Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> + Send + Sync> Local<F> {
    /// Updates by `dynamics(x, stream)`, one row at a time, rows in parallel.
    pub fn new(dynamics: F) -> Self {
        Local { dynamics }
    }
}

impl<F: Fn(&mut [u8], &mut Stream) -> Result<(usize, usize)> + Send + Sync> Move for Local<F> {
    /// # Errors
    /// Those of the dynamics; [`Error::LogWeight`] if it left the support of the target. The chains are then unchanged.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        let streams = streams.domain("local");
        let mut x = chains.x().as_standard_layout().into_owned();
        let sites = x.ncols();
        let rows = x.as_slice_mut().into_iter().flat_map(|x| x.chunks_mut(sites)).collect::<Vec<_>>();
        let counts = rows
            .into_par_iter()
            .enumerate()
            .map(|(row, x)| (self.dynamics)(x, &mut streams.stream(row)))
            .collect::<Result<Vec<_>>>()?;
        check_configs(x.view(), target.dims())?;

        let changed: Vec<usize> = (0..chains.len()).filter(|&row| x.row(row) != chains.x().row(row)).collect();
        let log_weight = target.log_weight(x.select(Axis(0), &changed).view())?;
        if let Some(i) = log_weight.iter().position(|w| !w.is_finite()) {
            return Err(Error::LogWeight { row: changed[i], value: log_weight[i] });
        }
        for (&row, &w) in changed.iter().zip(&log_weight) {
            chains.replace(row, x.row(row), w)?;
        }
        let (proposed, accepted) = counts.iter().fold((0, 0), |(p, a), &(dp, da)| (p + dp, a + da));
        Ok(MoveReport { proposed, accepted, moved: changed.len(), ..MoveReport::default() })
    }
}
