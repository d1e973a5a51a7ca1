//! From rows of lanes to batches of configurations.

use ndarray::{Array1, Array2, Axis, s};
use pulp::{Arch, Simd, WithSimd};
use rand::Rng;
use rayon::prelude::*;

use super::choice::Walkers;
use super::lanes::{Pass, Scratch};
use super::pack::Packed;
use super::torus::TorusPass;
use crate::lanes::{LANES, NONE, Word};
use crate::model::Configs;
use crate::rng::Streams;

/// Groups of lanes worked through together, row after row, so that the tensors of a row are read once for all
/// of them.
const GROUPS: usize = 4;

/// What is asked of a batch.
#[derive(Clone, Copy)]
pub(crate) enum Work<'a> {
    /// Draw this many rows.
    Draw(usize, &'a Streams),
    /// Score these.
    Score(Configs<'a>),
}

/// Configurations (none for a score), log-probabilities, choices decided by the floor.
pub(crate) struct Answer {
    pub x: Array2<u8>,
    pub log_prob: Array1<f64>,
    pub floored: u64,
}

impl Packed {
    /// Draws or scores a batch, in parallel over blocks; a row depends on its own stream only.
    pub(crate) fn answer(&self, work: Work<'_>) -> Answer {
        let sites = self.rows.len() * self.cols;
        let n = match work {
            Work::Draw(n, _) => n,
            Work::Score(x) => x.nrows(),
        };
        let block = LANES * n.div_ceil(LANES * rayon::current_num_threads()).clamp(1, GROUPS);
        let mut x = Array2::zeros((if matches!(work, Work::Draw(..)) { n } else { 0 }, sites));
        let mut log_prob = Array1::zeros(n);
        let scratch = || Scratch::new(self);
        let parts = log_prob.as_slice_mut().expect("contiguous").par_chunks_mut(block).enumerate();
        let floored = match work {
            Work::Draw(_, streams) => x
                .axis_chunks_iter_mut(Axis(0), block)
                .into_par_iter()
                .zip(parts)
                .map_init(scratch, |scratch, (mut x, (k, log_prob))| {
                    let x = x.as_slice_mut().expect("rows of a contiguous array");
                    self.block(scratch, k * block, Rows::Draw(x, streams), log_prob)
                })
                .sum(),
            Work::Score(given) => parts
                .map_init(scratch, |scratch, (k, log_prob)| {
                    let rows = given.slice(s![k * block..k * block + log_prob.len(), ..]);
                    self.block(scratch, k * block, Rows::Score(rows), log_prob)
                })
                .sum(),
        };
        Answer { x, log_prob, floored }
    }

    /// The rows `first..` that belong to `log_prob`; returns the number of floored choices.
    fn block<'a>(&'a self, scratch: &'a mut Scratch, first: usize, rows: Rows<'a>, log_prob: &'a mut [f64]) -> u64 {
        Arch::new().dispatch(Block { packed: self, scratch, first, rows, log_prob })
    }
}

/// The rows of a block.
enum Rows<'a> {
    Draw(&'a mut [u8], &'a Streams),
    Score(Configs<'a>),
}

/// Some groups of lanes through all rows of the lattice.
struct Block<'a> {
    packed: &'a Packed,
    scratch: &'a mut Scratch,
    first: usize,
    rows: Rows<'a>,
    log_prob: &'a mut [f64],
}

/// A group of configurations on its way down.
struct Group {
    walkers: Walkers,
    /// Of a torus: states of the first row.
    first: Vec<Word>,
    above: Vec<Word>,
    states: Vec<Word>,
}

impl WithSimd for Block<'_> {
    type Output = u64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> u64 {
        match (self.packed.torus, self.packed.parity, self.packed.d) {
            (false, true, _) => self.run::<S, false, true, true>(simd),
            (false, false, 2) => self.run::<S, false, false, true>(simd),
            (false, ..) => self.run::<S, false, false, false>(simd),
            (true, true, _) => self.run::<S, true, true, true>(simd),
            (true, false, 2) => self.run::<S, true, false, true>(simd),
            (true, ..) => self.run::<S, true, false, false>(simd),
        }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn run<S: Simd, const TORUS: bool, const PARITY: bool, const PAIR: bool>(mut self, simd: S) -> u64 {
        let cols = self.packed.cols;
        let mut groups: Vec<Group> = (0..self.log_prob.len().div_ceil(LANES)).map(|g| self.group(g)).collect();
        for (r, row) in self.packed.rows.iter().enumerate() {
            for (g, group) in groups.iter_mut().enumerate() {
                let first = g * LANES;
                let count = LANES.min(self.log_prob.len() - first);
                if let Rows::Score(x) = &self.rows {
                    for (c, states) in group.states.iter_mut().enumerate() {
                        (0..count).for_each(|i| states.0[i] = x[[first + i, r * cols + c]].into());
                    }
                }
                let given = matches!(self.rows, Rows::Score(_));
                if TORUS && r > 0 {
                    TorusPass {
                        row,
                        first: &group.first,
                        above: &group.above,
                        states: &mut group.states,
                        walkers: &mut group.walkers,
                        scratch: self.scratch,
                        given,
                        constrained: self.packed.constrained,
                    }
                    .run::<S, PARITY, PAIR>(simd);
                } else {
                    Pass {
                        row,
                        above: &group.above,
                        states: &mut group.states,
                        walkers: &mut group.walkers,
                        scratch: self.scratch,
                        given,
                        constrained: self.packed.constrained,
                    }
                    .run::<S, PARITY, PAIR>(simd);
                }
                if TORUS && r == 0 {
                    group.first.copy_from_slice(&group.states);
                }
                if let Rows::Draw(x, _) = &mut self.rows {
                    let sites = self.packed.rows.len() * cols;
                    write_row(&group.states, &mut x[first * sites..(first + count) * sites], sites, r * cols);
                }
                std::mem::swap(&mut group.above, &mut group.states);
            }
        }
        let mut floored = 0;
        for (group, log_prob) in groups.iter().zip(self.log_prob.chunks_mut(LANES)) {
            for (i, log_prob) in log_prob.iter_mut().enumerate() {
                *log_prob = group.walkers.product.ln(i);
                floored += u64::from(group.walkers.floored.0[i]);
            }
        }
        floored
    }

    fn group(&self, g: usize) -> Group {
        let seed = |i: usize| match &self.rows {
            Rows::Draw(_, streams) if g * LANES + i < self.log_prob.len() => {
                let mut stream = streams.stream(self.first + g * LANES + i);
                [0; 4].map(|_: u32| stream.next_u32())
            }
            _ => [1, 0, 0, 0],
        };
        let walkers = Walkers::new(seed);
        let states = vec![NONE; self.packed.cols];
        Group { walkers, first: states.clone(), above: states.clone(), states }
    }
}

/// Writes the states of a row into the configurations, `sites` bytes apart, from site `first` on.
#[inline(always)]
fn write_row(states: &[Word], x: &mut [u8], sites: usize, first: usize) {
    let mut columns = states.chunks_exact(8);
    let mut start = first;
    for eight in &mut columns {
        let mut bytes = [[[0u8; 8]; LANES / 8]; 8];
        for (bytes, states) in bytes.iter_mut().zip(eight) {
            for i in 0..LANES {
                bytes.as_flattened_mut()[i] = states.0[i] as u8;
            }
        }
        for (k, x) in x.chunks_mut(8 * sites).enumerate() {
            let mut words = [0; 8];
            for c in 0..8 {
                words[c] = u64::from_le_bytes(bytes[c][k]);
            }
            for (x, word) in x.chunks_exact_mut(sites).zip(transpose(words)) {
                x[start..start + 8].copy_from_slice(&word.to_le_bytes());
            }
        }
        start += 8;
    }
    for (c, states) in columns.remainder().iter().enumerate() {
        for (x, &s) in x.chunks_exact_mut(sites).zip(&states.0) {
            x[start + c] = s as u8;
        }
    }
}

/// Transposes an 8 × 8 matrix of bytes.
#[inline(always)]
fn transpose(mut w: [u64; 8]) -> [u64; 8] {
    for (step, mask) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff_u64)] {
        for i in 0..8 {
            if i & step == 0 {
                let (a, b) = (w[i], w[i + step]);
                let shift = 8 * step;
                w[i] = a & mask | (b & mask) << shift;
                w[i + step] = (a >> shift) & mask | b & !mask;
            }
        }
    }
    w
}

#[cfg(test)]
mod tests {
    use super::{Block, Rows, Scratch, transpose};
    use crate::Streams;
    use crate::lattice::BoundaryMps;
    use crate::lattice::square::boundary::Law;
    use crate::lattice::square::couplings::Couplings;
    use crate::lattice::square::geometry::{Geometry, Square};
    use crate::lattice::square::ising::Ising;
    use crate::lattice::square::pair::PairModel;
    use pulp::{Simd, WithSimd};

    #[test]
    fn bytes_are_transposed() {
        let bytes: [[u8; 8]; 8] = std::array::from_fn(|i| std::array::from_fn(|j| (8 * i + j) as u8));
        let out = transpose(bytes.map(u64::from_le_bytes)).map(u64::to_le_bytes);
        (0..64).for_each(|k| assert_eq!(out[k % 8][k / 8], k as u8));
    }

    /// 40 draws on one instruction set.
    fn draw(model: &PairModel, run: impl FnOnce(Block<'_>) -> u64) -> (Vec<u8>, Vec<f64>, u64) {
        let q = BoundaryMps::new(model, 6).unwrap();
        let Law::States(packed) = &q.law else { panic!("a law by states") };
        let mut scratch = Scratch::new(packed);
        let (mut x, mut log_prob) = (vec![0; 40 * packed.cols * packed.rows.len()], vec![0.0; 40]);
        let streams = Streams::new(3);
        let rows = Rows::Draw(&mut x, &streams);
        let floored = run(Block { packed, scratch: &mut scratch, first: 0, rows, log_prob: &mut log_prob });
        (x, log_prob, floored)
    }

    /// All instruction sets round alike: fused multiply-adds in the same order.
    #[test]
    fn draws_do_not_depend_on_the_instruction_set() {
        let glass = |geometry| Couplings::gaussian(Square::new(5, 6, geometry).unwrap(), 2);
        let pairs = |c: Couplings| Ising::new(c, 0.8).unwrap().pair_model().unwrap();
        for model in [
            pairs(glass(Geometry::Open)),
            pairs(glass(Geometry::Cylinder)),
            pairs(glass(Geometry::Cylinder).with_field(vec![0.1; 30]).unwrap()),
            PairModel::potts(&glass(Geometry::Open), 3, 0.7).unwrap(),
            pairs(glass(Geometry::Torus)),
            pairs(glass(Geometry::Torus).with_field(vec![0.1; 30]).unwrap()),
            PairModel::potts(&glass(Geometry::Torus), 3, 0.7).unwrap(),
        ] {
            let scalar = draw(&model, |block| block.with_simd(pulp::Scalar::new()));
            let best = draw(&model, |block| pulp::Arch::new().dispatch(block));
            assert_eq!(scalar, best);
            #[cfg(target_arch = "x86_64")]
            if let Some(simd) = pulp::x86::V3::try_new() {
                assert_eq!(scalar, draw(&model, |block| Simd::vectorize(simd, block)));
            }
        }
    }
}
