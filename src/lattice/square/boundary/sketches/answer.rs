//! Batches under weights with rows, a model for each lane.

use std::ops::Range;

use rayon::prelude::*;

use super::super::reply::RowReply;
use super::contract::contract;
use super::room::{Room, Tensor, WIDTH};
use super::walk::{draw, score};
use crate::lattice::square::odds::{Odds, fits};
use crate::model::{Configs, SiteWeights};
use crate::rng::Streams;

/// Rows with the same weights that a lane draws: more of them are given to several.
const ROWS: usize = 32;
/// Largest number of bytes of a group: one a thread.
const MEMORY: usize = 1 << 30;

/// Whether models of so many sites are contracted in lanes at this bond dimension.
pub(in super::super) fn in_lanes(sites: usize, chi: usize) -> bool {
    let tensors = match chi {
        1 => size_of::<Tensor<1>>(),
        2 => size_of::<Tensor<2>>(),
        4 => size_of::<Tensor<4>>(),
        8 => size_of::<Tensor<8>>(),
        _ => return false,
    };
    sites.saturating_mul(tensors) <= MEMORY
}

/// What is asked of a batch.
#[derive(Clone, Copy)]
pub(in super::super) struct Batch<'a, 'w, 'x> {
    /// Of the model without the weights.
    pub odds: &'a Odds,
    pub chi: usize,
    pub weights: &'a SiteWeights<'w>,
    /// Draws each row.
    pub streams: Option<&'a Streams>,
    /// Scores these.
    pub score: Option<Configs<'x>>,
}

/// Rows answered, and runs left out as a whole.
type Answered = (Vec<RowReply>, Vec<Range<usize>>);

impl Batch<'_, '_, '_> {
    /// Draws and scores, in parallel over groups of lanes; `runs` are rows side by side with the same weights.
    /// A row depends on its weights and on its own stream only. Runs that single precision does not hold are
    /// returned instead.
    pub(in super::super) fn answer(&self, runs: &[Range<usize>]) -> Answered {
        match self.chi {
            1 => self.with_bond::<1>(runs),
            2 => self.with_bond::<2>(runs),
            4 => self.with_bond::<4>(runs),
            _ => self.with_bond::<8>(runs),
        }
    }

    fn with_bond<const X: usize>(&self, runs: &[Range<usize>]) -> Answered {
        let sites = self.odds.lattice().sites();
        let ratios = Ratios::new(self.odds, self.weights);
        let whole = |run: &&Range<usize>| (0..sites).all(|j| fits(ratios.get(run.start, j)));
        let (within, mut left): (Vec<_>, Vec<_>) = runs.iter().partition(whole);
        let pieces: Vec<Range<usize>> =
            within.iter().flat_map(|&run| run.clone().step_by(ROWS).map(|k| k..run.end.min(k + ROWS))).collect();
        let room = || self.room::<X>();
        let groups: Vec<Answered> =
            pieces.par_chunks(WIDTH).map_init(room, |room, lanes| self.group(room, lanes, &ratios)).collect();
        let mut all = Vec::with_capacity(runs.last().map_or(0, |run| run.end));
        for (answered, lost) in groups {
            all.extend(answered);
            left.extend(within.iter().filter(|run| lost.iter().any(|part| run.contains(&part.start))));
        }
        let mut left: Vec<Range<usize>> = left.into_iter().cloned().collect();
        left.sort_unstable_by_key(|run| run.start);
        left.dedup();
        (all, left)
    }

    /// With the bonds of the model in all lanes.
    fn room<const X: usize>(&self) -> Room<X> {
        let lattice = self.odds.lattice();
        let (rows, cols) = (lattice.rows(), lattice.cols());
        let mut room = Room::new(rows, cols);
        for j in 0..rows * cols {
            room.right[j].0 = [self.odds.right[j]; WIDTH];
            if j >= cols {
                room.above[j].0 = [self.odds.below[j - cols]; WIDTH];
            }
        }
        room
    }

    /// One lane for each piece; the others have the first one's weights.
    fn group<const X: usize>(
        &self,
        room: &mut Room<X>,
        lanes: &[Range<usize>],
        ratios: &Ratios<'_, '_>,
    ) -> Answered {
        for (j, odds) in room.sites.iter_mut().enumerate() {
            odds.0 = std::array::from_fn(|i| ratios.get(lanes.get(i).unwrap_or(&lanes[0]).start, j));
        }
        contract(room);
        let rounds = lanes.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let mut out = Vec::with_capacity(lanes.iter().map(ExactSizeIterator::len).sum());
        let (mut drawn, mut scores) = ([0.0; WIDTH], [0.0; WIDTH]);
        for k in 0..rounds {
            // Lanes with fewer rows repeat their last one.
            let rows: [usize; WIDTH] = std::array::from_fn(|i| {
                let piece = lanes.get(i).unwrap_or(&lanes[0]);
                piece.end.min(piece.start + k + 1) - 1
            });
            if let Some(streams) = self.streams {
                drawn = draw(room, |i| streams.stream(rows[i]));
            }
            if let Some(x) = self.score {
                let repeated = k > 0 && rows.iter().all(|&row| row > 0 && x.row(row) == x.row(row - 1));
                if !repeated {
                    for (j, old) in room.old.iter_mut().enumerate() {
                        old.0 = std::array::from_fn(|i| x[[rows[i], j]].into());
                    }
                    scores = score(room);
                }
            }
            for (i, piece) in lanes.iter().enumerate().filter(|(i, piece)| k < piece.len() && !room.lost[*i]) {
                let x = if self.streams.is_some() { room.new.iter().map(|s| s.0[i] as u8).collect() } else { vec![] };
                out.push(RowReply { row: piece.start + k, x, log_prob: drawn[i], score: scores[i] });
            }
        }
        let lost = lanes.iter().enumerate().filter(|(i, _)| room.lost[*i]).map(|(_, piece)| piece.clone()).collect();
        (out, lost)
    }
}

/// Odds of sites under the weights of a row.
enum Ratios<'a, 'w> {
    /// By site and symbol observed.
    Observed { table: Vec<f32>, symbols: usize, y: Configs<'w> },
    Rows { odds: &'a [f32], weights: &'a SiteWeights<'w> },
}

impl<'a, 'w> Ratios<'a, 'w> {
    fn new(odds: &'a Odds, weights: &'a SiteWeights<'w>) -> Self {
        match *weights {
            SiteWeights::Observed { tables, y, .. } => {
                let symbols = tables.dim().2;
                let ratio = |i: usize| {
                    let (j, b) = (i / symbols, i % symbols);
                    (f64::from(odds.sites[j]) * tables[[j, 1, b]] / tables[[j, 0, b]]) as f32
                };
                Ratios::Observed { table: (0..odds.sites.len() * symbols).map(ratio).collect(), symbols, y }
            }
            _ => Ratios::Rows { odds: &odds.sites, weights },
        }
    }

    fn get(&self, row: usize, j: usize) -> f32 {
        match self {
            Ratios::Observed { table, symbols, y } => table[j * symbols + usize::from(y[[row, j]])],
            Ratios::Rows { odds, weights } => {
                (f64::from(odds[j]) * weights.get(row, j, 1) / weights.get(row, j, 0)) as f32
            }
        }
    }
}
