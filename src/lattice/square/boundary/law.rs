//! The law that is drawn from: by boundary states, or by tables.

use ndarray::{Array1, Array2};

use super::contraction::{Sweep, sweep};
use super::draws::block::{Answer, Work};
use super::draws::pack::{Packed, PackedRow};
use super::reply::Reply;
use super::tables::RowTables;
use super::weights::Weights;
use crate::error::Result;
use crate::lattice::square::pair::PairModel;
use crate::model::{Configs, Samples};
use crate::rng::Streams;

/// The conditional laws of all rows.
#[derive(Debug, Clone)]
pub(super) enum Law {
    /// By boundary states, in lanes of single precision.
    States(Packed),
    /// By tables, where rows are short and nothing would be truncated.
    Tables(RowTables),
}

impl Law {
    pub(super) fn answer(&self, work: Work<'_>) -> Answer {
        match self {
            Law::States(packed) => packed.answer(work),
            Law::Tables(tables) => tables.answer(work),
        }
    }

    fn sites(&self) -> usize {
        match self {
            Law::States(packed) => packed.rows.len() * packed.cols,
            Law::Tables(tables) => tables.sites(),
        }
    }

    pub(super) fn reply(&self, draw: Option<(usize, &Streams)>, score: Option<Configs<'_>>) -> Reply {
        let sites = self.sites();
        let samples = match draw {
            Some((n, streams)) => {
                let Answer { x, log_prob, .. } = self.answer(Work::Draw(n, streams));
                Samples { x, log_prob }
            }
            None => Samples { x: Array2::zeros((0, sites)), log_prob: Array1::zeros(0) },
        };
        let scores = score.map_or(Array1::zeros(0), |x| self.answer(Work::Score(x)).log_prob);
        Reply { samples, scores }
    }
}

/// The conditional laws of all rows. `model` is that of the weights, for [`sweep`].
pub(super) fn pack(weights: &Weights, model: Option<&PairModel>, chi: usize) -> Result<(Packed, Sweep)> {
    let d = weights.dims.iter().copied().max().unwrap_or(1);
    let mut rows: Vec<PackedRow> = Vec::with_capacity(weights.rows);
    let sweep = sweep(weights, model, chi, |r, below| {
        rows.push(PackedRow::new(weights, r, below, d));
        Ok(())
    })?;
    rows.reverse();
    // Sites of fewer states have padding that is never drawn.
    let constrained = model.is_some_and(PairModel::is_constrained) || weights.dims.iter().any(|&n| n < d);
    Ok((Packed { rows, cols: weights.cols, d, torus: weights.torus, parity: weights.parity, constrained }, sweep))
}
