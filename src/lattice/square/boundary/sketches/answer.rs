//! Batches under weights with rows, a model for each lane.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::super::reply::RowReply;
use super::contract::contract;
use super::numbers::{Tensor, WIDTH};
use super::room::{Room, Rooms};
use super::sources::{Batch, OfOdds, OfTables, Source};
use super::walk::{draw, score};
use crate::lattice::square::odds::Odds;

/// Rows with the same weights that a lane draws: more of them are given to several.
const ROWS: usize = 32;
/// Largest number of bytes of a group: one a thread.
const MEMORY: usize = 1 << 30;
/// Largest number of states of a site.
const STATES: usize = 4;

/// Whether models of so many sites and states are contracted in lanes at this bond dimension.
pub(crate) fn in_lanes(sites: usize, states: usize, chi: usize) -> bool {
    let few = states <= STATES;
    let (states, chi_room) = (if states > 2 { STATES } else { 2 }, chi.max(2));
    let tensor = size_of::<Tensor<f64, 1, 1>>() * states * chi_room * chi_room;
    few && [1, 2, 4, 8].contains(&chi) && sites.saturating_mul(tensor) <= MEMORY
}

/// Rows answered, and runs left out as a whole.
pub(crate) type Answered = (Vec<RowReply>, Vec<Range<usize>>);

/// How a model answers in lanes. It is held as a function: programs that never ask for sketches do not link
/// them.
#[derive(Debug, Clone)]
pub(crate) struct InLanes {
    /// Of the model without weights, where it has odds.
    pub odds: Option<Arc<Odds>>,
    pub answer: for<'a, 'o, 'w, 'x, 'r> fn(&'a Batch<'o, 'w, 'x>, &'r [Range<usize>]) -> Answered,
}

impl InLanes {
    pub(crate) fn new(odds: Option<Odds>) -> Self {
        InLanes { odds: odds.map(Arc::new), answer: |batch, runs| batch.answer(runs) }
    }
}

impl Batch<'_, '_, '_> {
    /// Draws and scores, in parallel over groups of lanes; `runs` are rows side by side with the same
    /// weights. A row depends on its weights and on its own stream only. Odds are contracted in single
    /// precision, and what that does not hold as tables in double precision; runs that this does not hold
    /// either are returned.
    pub(super) fn answer(&self, runs: &[Range<usize>]) -> Answered {
        let mut all = Vec::new();
        let mut left = runs.to_vec();
        if let Some(odds) = self.odds {
            (all, left) = if odds.lattice().wraps_cols() {
                self.by_odds(&OfOdds::<true>::new(odds, self.weights), &left)
            } else {
                self.by_odds(&OfOdds::<false>::new(odds, self.weights), &left)
            };
        }
        if !left.is_empty() {
            let (rows, rest) = if self.tables.dims.iter().all(|&d| d <= 2) {
                self.by_tables::<2>(&left)
            } else {
                self.by_tables::<STATES>(&left)
            };
            all.extend(rows);
            left = rest;
        }
        (all, left)
    }

    fn by_odds<const RINGS: bool>(&self, odds: &OfOdds<'_, '_, RINGS>, runs: &[Range<usize>]) -> Answered {
        match self.chi {
            1 => self.by::<2, 1>(odds, runs),
            2 => self.by::<2, 2>(odds, runs),
            4 => self.by::<2, 4>(odds, runs),
            _ => self.by::<2, 8>(odds, runs),
        }
    }

    fn by_tables<const Q: usize>(&self, runs: &[Range<usize>]) -> Answered {
        let tables = OfTables::<Q>::new(self);
        // Compiled for few shapes, in which the others leave room.
        match self.chi {
            1 | 2 => self.by::<Q, 2>(&tables, runs),
            4 => self.by::<Q, 4>(&tables, runs),
            _ => self.by::<Q, 8>(&tables, runs),
        }
    }

    fn by<const Q: usize, const X: usize>(&self, source: &impl Source<Q>, runs: &[Range<usize>]) -> Answered {
        let (within, mut left): (Vec<_>, Vec<_>) = runs.par_iter().partition(|run| source.holds(run.start));
        let pieces: Vec<Range<usize>> =
            within.iter().flat_map(|&run| run.clone().step_by(ROWS).map(|k: usize| k..run.end.min(k + ROWS))).collect();
        let rooms = Rooms::new();
        let group = |lanes| rooms.with(|| source.room::<X>(), |room| self.group(room, lanes, source));
        let groups: Vec<Answered> = pieces.par_chunks(WIDTH).map(group).collect();
        let mut all = Vec::with_capacity(runs.last().map_or(0, |run| run.end));
        for (answered, lost) in groups {
            all.extend(answered);
            left.extend(within.iter().filter(|run| lost.iter().any(|part| run.contains(&part.start))));
        }
        let mut left: Vec<Range<usize>> = left.into_iter().cloned().collect();
        left.sort_unstable_by_key(|run| run.start);
        left.dedup();
        // A run that is left is left as a whole.
        all.retain(|row| left.iter().all(|run| !run.contains(&row.row)));
        (all, left)
    }

    /// One lane for each piece; the others have the first one's weights.
    fn group<const Q: usize, const X: usize, T: Source<Q>>(
        &self,
        room: &mut Room<T::Factors, Q, X>,
        lanes: &[Range<usize>],
        source: &T,
    ) -> Answered {
        source.weigh(room, std::array::from_fn(|i| lanes.get(i).unwrap_or(&lanes[0]).start));
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
                let state = |j: usize| -> u64 { room.new[j].0[i].into() };
                let drawn_sites = if self.streams.is_some() { room.new.len() } else { 0 };
                let x = (0..drawn_sites).map(|j| state(j) as u8).collect();
                out.push(RowReply { row: piece.start + k, x, log_prob: drawn[i], score: scores[i] });
            }
        }
        let lost = lanes.iter().enumerate().filter(|(i, _)| room.lost[*i]).map(|(_, piece)| piece.clone()).collect();
        (out, lost)
    }
}
