//! Models that differ in the weights of their sites, laid into lanes.

use super::super::weights::Weights;
use super::factors::{Factors, Spin, Tables};
use super::numbers::WIDTH;
use super::room::Room;
use crate::lattice::square::odds::{Odds, fits};
use crate::lattice::square::pair::PairModel;
use crate::model::{Configs, SiteWeights};
use crate::rng::Streams;

/// What is asked of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a, 'w, 'x> {
    /// The model without the weights: as it is, as odds where it has them, and as tables.
    pub model: &'a PairModel,
    pub odds: Option<&'a Odds>,
    pub tables: &'a Weights,
    pub chi: usize,
    pub weights: &'a SiteWeights<'w>,
    /// Draws each row.
    pub streams: Option<&'a Streams>,
    /// Scores these.
    pub score: Option<Configs<'x>>,
}

/// A model under the weights of a row.
pub(super) trait Source<const Q: usize>: Sync {
    type Factors: Factors<Q>;

    /// Whether the weights of a row are within the range of the numbers.
    fn holds(&self, row: usize) -> bool;
    /// With the bonds of the model in all lanes.
    fn room<const X: usize>(&self) -> Room<Self::Factors, Q, X>;
    /// The weights of these rows.
    fn weigh<const X: usize>(&self, room: &mut Room<Self::Factors, Q, X>, rows: [usize; WIDTH]);
}

/// Odds in single precision, of open rows or of any.
pub(super) struct OfOdds<'a, 'w, const RINGS: bool> {
    odds: &'a Odds,
    ratios: Ratios<'a, 'w>,
}

impl<'a, 'w, const RINGS: bool> OfOdds<'a, 'w, RINGS> {
    pub(super) fn new(odds: &'a Odds, weights: &'a SiteWeights<'w>) -> Self {
        OfOdds { odds, ratios: Ratios::new(odds, weights) }
    }
}

impl<const RINGS: bool> Source<2> for OfOdds<'_, '_, RINGS> {
    type Factors = Spin<RINGS>;

    fn holds(&self, row: usize) -> bool {
        (0..self.odds.sites.len()).all(|j| fits(self.ratios.get(row, j)))
    }

    fn room<const X: usize>(&self) -> Room<Spin<RINGS>, 2, X> {
        let lattice = self.odds.lattice();
        let (rows, cols, ring) = (lattice.rows(), lattice.cols(), lattice.wraps_cols());
        let mut room = Room::<Spin<RINGS>, 2, X>::new(rows, cols, ring);
        for (j, site) in room.sites.iter_mut().enumerate() {
            if ring || j % cols > 0 {
                site.left.0 = [self.odds.right[if j % cols > 0 { j - 1 } else { j + cols - 1 }]; WIDTH];
            }
            if j >= cols {
                site.above.0 = [self.odds.below[j - cols]; WIDTH];
            }
        }
        room
    }

    fn weigh<const X: usize>(&self, room: &mut Room<Spin<RINGS>, 2, X>, rows: [usize; WIDTH]) {
        for (j, site) in room.sites.iter_mut().enumerate() {
            site.site.0 = rows.map(|row| self.ratios.get(row, j));
        }
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

/// Tables in double precision. Sites of fewer states than `Q` have weights zero for the others.
pub(super) struct OfTables<'a, 'w, 'x, const Q: usize> {
    batch: &'a Batch<'a, 'w, 'x>,
    constrained: bool,
}

impl<'a, 'w, 'x, const Q: usize> OfTables<'a, 'w, 'x, Q> {
    pub(super) fn new(batch: &'a Batch<'a, 'w, 'x>) -> Self {
        OfTables { batch, constrained: batch.model.is_constrained() }
    }

    fn tables(&self) -> &Weights {
        self.batch.tables
    }

    /// Weights of the states of a site, the largest one.
    fn site(&self, row: usize, j: usize) -> [f64; Q] {
        let own = &self.tables().sites[j];
        let tilt = |a: usize| self.batch.weights.get(row, j, a);
        let most = (0..own.len()).map(tilt).fold(f64::MIN_POSITIVE, f64::max);
        let mut w = [0.0; Q];
        for (a, &own) in own.iter().enumerate() {
            // What is allowed stays allowed, however unlikely.
            if own > 0.0 && tilt(a) > 0.0 {
                w[a] = (own * (tilt(a) / most)).max(f64::MIN_POSITIVE);
            }
        }
        let max = w.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        w.map(|w| if w > 0.0 { (w / max).max(f64::MIN_POSITIVE) } else { 0.0 })
    }

    /// Whether the weights leave each site a state that its neighbours allow. Of the weights alone: draws and
    /// scores are of one law.
    fn is_possible(&self, row: usize) -> bool {
        let Batch { model, weights, .. } = *self.batch;
        model.tilted(|j, a| weights.get(row, j, a)).is_ok()
    }
}

impl<const Q: usize> Source<Q> for OfTables<'_, '_, '_, Q> {
    type Factors = Tables<Q>;

    fn holds(&self, row: usize) -> bool {
        let Batch { weights, tables, .. } = *self.batch;
        let mut zeros = self.constrained;
        for (j, own) in tables.sites.iter().enumerate() {
            for a in 0..own.len() {
                let w = weights.get(row, j, a);
                zeros |= w == 0.0;
                if !(w == 0.0 || (f64::MIN_POSITIVE..f64::INFINITY).contains(&w)) {
                    return false;
                }
            }
        }
        !zeros || self.is_possible(row)
    }

    fn room<const X: usize>(&self) -> Room<Tables<Q>, Q, X> {
        let Weights { rows, cols, ring, dims, horizontal, vertical, .. } = self.tables();
        let (cols, ring) = (*cols, *ring);
        let states = dims.iter().copied().max().unwrap_or(1);
        let mut room = Room::<Tables<Q>, Q, X>::new(*rows, cols, ring).of(states, self.batch.chi);
        for (j, site) in room.sites.iter_mut().enumerate() {
            let left = if j % cols > 0 { Some(j - 1) } else { ring.then_some(j + cols - 1) };
            let left = left.and_then(|i| horizontal[i].as_ref());
            let above = (j >= cols).then(|| &vertical[j - cols]);
            for (table, bond) in [(&mut site.left, left), (&mut site.above, above)] {
                let Some(bond) = bond else { continue };
                for (i, row) in table.iter_mut().enumerate() {
                    for (a, number) in row.iter_mut().enumerate() {
                        number.0 = [bond.get([i, a]).copied().unwrap_or(0.0); WIDTH];
                    }
                }
            }
        }
        room
    }

    fn weigh<const X: usize>(&self, room: &mut Room<Tables<Q>, Q, X>, rows: [usize; WIDTH]) {
        for (j, site) in room.sites.iter_mut().enumerate() {
            for (i, row) in rows.into_iter().enumerate() {
                for (number, w) in site.site.iter_mut().zip(self.site(row, j)) {
                    number.0[i] = w;
                }
            }
        }
    }
}
