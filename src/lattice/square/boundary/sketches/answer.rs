//! Batches under weights with rows, a model for each lane.

use std::sync::Arc;

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
pub(crate) fn in_lanes(sites: usize, chi: usize) -> bool {
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
pub(crate) struct Batch<'a, 'w, 'x> {
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
pub(crate) type Answered = (Vec<RowReply>, Vec<Range<usize>>);

/// How a model answers in lanes. It is held as a function: programs that never ask for sketches do not link
/// them.
#[derive(Debug, Clone)]
pub(crate) struct InLanes {
    /// Of the model without weights.
    pub odds: Arc<Odds>,
    pub answer: for<'a, 'o, 'w, 'x, 'r> fn(&'a Batch<'o, 'w, 'x>, &'r [Range<usize>]) -> Answered,
}

impl InLanes {
    pub(crate) fn new(odds: Odds) -> Self {
        InLanes { odds: Arc::new(odds), answer: |batch, runs| batch.answer(runs) }
    }
}

impl Batch<'_, '_, '_> {
    /// Draws and scores, in parallel over groups of lanes; `runs` are rows side by side with the same
    /// weights. A row depends on its weights and on its own stream only. Runs that single precision does not
    /// hold are returned instead.
    fn answer(&self, runs: &[Range<usize>]) -> Answered {
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
    fn group<const X: usize>(&self, room: &mut Room<X>, lanes: &[Range<usize>], ratios: &Ratios<'_, '_>) -> Answered {
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
    Observed {
        table: Vec<f32>,
        symbols: usize,
        y: Configs<'w>,
    },
    Rows {
        odds: &'a [f32],
        weights: &'a SiteWeights<'w>,
    },
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

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array3};
    use pulp::{Simd, WithSimd};
    use rand::RngExt;

    use super::super::contract::{Contract, contract};
    use super::super::room::{Room, WIDTH};
    use super::super::walk::{draw, score};
    use super::Batch;
    use crate::lattice::BoundaryMps;
    use crate::lattice::square::boundary::reply::RowReply;
    use crate::lattice::square::couplings::Couplings;
    use crate::lattice::square::geometry::{Geometry, Square};
    use crate::lattice::square::ising::Ising;
    use crate::lattice::square::odds::Odds;
    use crate::lattice::square::pair::PairModel;
    use crate::model::{Model, SiteWeights};
    use crate::rng::Streams;

    /// Glasses in fields, and tables without any symmetry.
    fn models(lattice: Square) -> [PairModel; 3] {
        let field = (0..lattice.sites()).map(|j| 0.1 * (j % 7) as f64 - 0.25).collect();
        let glass = Couplings::gaussian(lattice, 3).with_field(field).unwrap();
        let pairs = |c: &Couplings| Ising::new(c.clone(), 0.3).unwrap().pair_model().unwrap();
        let mut rng = Streams::new(1).domain("tables").stream(0);
        let sites = (0..lattice.sites()).map(|_| vec![rng.random(), rng.random()]).collect();
        let table = |_, _, _| Array2::from_shape_simple_fn((2, 2), || 1.5 * rng.random::<f64>());
        [pairs(&glass), pairs(&Couplings::plus_minus(lattice, 5)), PairModel::of_bonds(lattice, sites, table).unwrap()]
    }

    /// Weights of some rows, each repeated `times` times.
    fn weights(rows: usize, times: usize, sites: usize) -> Array3<f64> {
        let mut rng = Streams::new(2).domain("weights").stream(0);
        let few = Array3::from_shape_simple_fn((rows, sites, 2), || 0.2 + rng.random::<f64>());
        Array3::from_shape_fn((rows * times, sites, 2), |(i, j, a)| few[[i / times, j, a]])
    }

    /// Where nothing is truncated the law is that of exact tables, to the rounding of single precision: a few
    /// 10⁻⁷ at each of 24 sites, as couplings are weak (a state is accurate relative to its largest entry);
    /// with bonds of two, or of one where couplings are weaker, it is not.
    #[test]
    fn untruncated_laws_are_exact() {
        for (model, twin) in models(Square::new(4, 6, Geometry::Open).unwrap()).into_iter().zip([2, 1, 1]) {
            let w = weights(20, 3, 24);
            let w = SiteWeights::PerRow(w.view());
            let tables = BoundaryMps::new(&model, 8).unwrap();
            let streams = Streams::new(3);
            let old = tables.sample(&w, 60, &streams.step(1)).unwrap().x;
            let runs: Vec<_> = (0..20).map(|k| 3 * k..3 * k + 3).collect();
            let odds = Odds::of(&model).unwrap();
            let batch = |chi| Batch { odds: &odds, chi, weights: &w, streams: Some(&streams), score: Some(old.view()) };
            let largest = |chi: usize| {
                let (rows, left) = batch(chi).answer(&runs);
                assert!(left.is_empty() && rows.len() == 60);
                let mut new = old.clone();
                rows.iter().for_each(|row| new.row_mut(row.row).assign(&ndarray::aview1(&row.x)));
                let [new, old] = [new.view(), old.view()].map(|x| tables.log_prob_given(x, &w).unwrap());
                let off = |r: &RowReply| (r.log_prob - new[r.row]).abs().max((r.score - old[r.row]).abs());
                rows.iter().map(off).fold(0.0, f64::max)
            };
            let (full, truncated) = (largest(8), largest(twin));
            assert!(full < 1e-5 && truncated > 1e-5, "{full:e} {truncated:e}");
        }
    }

    /// Odds of a lattice in every lane, with fields of its own.
    fn room<const X: usize>() -> Room<X> {
        let lattice = Square::new(5, 6, Geometry::Open).unwrap();
        let odds = Odds::of(&models(lattice)[0]).unwrap();
        let mut room = Room::new(5, 6);
        let mut rng = Streams::new(4).stream(0);
        for j in 0..30 {
            room.sites[j].0 = std::array::from_fn(|_| odds.sites[j] * (0.5 + rng.random::<f32>()));
            room.right[j].0 = [odds.right[j]; WIDTH];
            room.above[j].0 = [if j < 6 { 1.0 } else { odds.below[j - 6] }; WIDTH];
            room.old[j].0 = std::array::from_fn(|_| u32::from(rng.random::<bool>()));
        }
        room
    }

    fn answers<const X: usize>(room: &mut Room<X>) -> ([f64; WIDTH], [f64; WIDTH]) {
        (draw(room, |i| Streams::new(5).stream(i)), score(room))
    }

    /// A lane that is not finite or vanishes is found, in whatever row and column, and no other sees it.
    #[test]
    fn lost_lanes_are_found() {
        let mut whole = room::<4>();
        contract(&mut whole);
        assert_eq!(whole.lost, [false; WIDTH]);
        let all = answers(&mut whole);
        for (site, odds) in [(29, f32::NAN), (24, f32::NAN), (14, f32::INFINITY), (9, f32::NAN), (18, f32::INFINITY)] {
            let mut room = room::<4>();
            room.sites[site].0[3] = odds;
            contract(&mut room);
            assert_eq!(room.lost, std::array::from_fn(|i| i == 3), "{site}, {odds}");
            let (new, old) = answers(&mut room);
            (0..WIDTH).filter(|&i| i != 3).for_each(|i| assert_eq!((new[i], old[i]), (all.0[i], all.1[i])));
        }
        let mut room = room::<4>();
        (0..6).for_each(|c| room.above[12 + c].0[7] = 0.0);
        (12..18).for_each(|j| room.sites[j].0[7] = 1e-38);
        contract(&mut room);
        assert!(room.lost[7] || answers(&mut room).0[7].is_finite());
    }

    /// All instruction sets round alike: fused multiply-adds in the same order.
    #[test]
    fn laws_do_not_depend_on_the_instruction_set() {
        let mut best = room::<4>();
        contract(&mut best);
        let best = answers(&mut best);
        let mut scalar = room::<4>();
        Contract(&mut scalar).with_simd(pulp::Scalar::new());
        assert_eq!(answers(&mut scalar), best);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            let mut wide = room::<4>();
            Simd::vectorize(simd, Contract(&mut wide));
            assert_eq!(answers(&mut wide), best);
        }
    }
}
