//! From batches to blocks: plain and tilted draws, scores and redraws of a packed linear law, parallel over
//! blocks of rows.

use ndarray::{Array1, Array2, Axis, s};
use rayon::prelude::*;

use super::packed_law::Linear;
use super::passes::Right;
use super::scalar::Real;
use super::symbols::{Source, Walk};
use super::tilt::Tilt;
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::model::traits::Samples;
use crate::model::weights::SiteWeights;
use crate::rng::Streams;

/// Rows of a block of plain draws: its vectors stay in the second-level cache.
const PLAIN_BLOCK: usize = 512;

/// What a pass over a batch is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    /// Draw this many rows from these streams.
    pub draw: Option<(usize, &'a Streams)>,
    /// Score these rows.
    pub score: Option<Configs<'a>>,
}

/// Draws and scores, in the order of the rows; an absent part is empty.
pub(crate) struct Reply {
    pub samples: Samples,
    pub scores: Array1<f64>,
}

/// Splits `n` rows into blocks of at most `limit`, small enough that every thread has one.
fn block_size(n: usize, limit: usize) -> usize {
    n.div_ceil(rayon::current_num_threads()).next_multiple_of(6).clamp(limit.min(36), limit)
}

/// Runs `work(buffers, first, rows)` on every block in parallel and returns the parts in order, or the error
/// of the first row that fails. Blocks of one thread share their buffers.
pub(crate) fn over_blocks<B: Default, R: Send>(
    n: usize,
    limit: usize,
    work: impl Fn(&mut B, usize, usize) -> Result<R> + Send + Sync,
) -> Result<Vec<R>> {
    let size = block_size(n, limit);
    let parts: Vec<Result<R>> = (0..n.div_ceil(size))
        .into_par_iter()
        .map_init(B::default, |buffers, block| work(buffers, block * size, size.min(n - block * size)))
        .collect();
    parts.into_iter().collect()
}

/// As [`over_blocks`], each block filling its part of a table of `width` numbers a row.
pub(crate) fn fill_blocks<B: Default>(
    n: usize,
    width: usize,
    limit: usize,
    work: impl Fn(&mut B, usize, &mut [f64]) -> Result<()> + Send + Sync,
) -> Result<Vec<f64>> {
    let (size, mut table) = (block_size(n, limit), vec![0.0; n * width]);
    let blocks = table.par_chunks_mut((size * width).max(1)).enumerate();
    let parts: Vec<Result<()>> =
        blocks.map_init(B::default, |buffers, (block, part)| work(buffers, block * size, part)).collect();
    parts.into_iter().collect::<Result<()>>()?;
    Ok(table)
}

/// Draws and scores under weights that have been checked; `prior[j][a]` orders the symbols.
pub(crate) fn run<T: Real>(
    law: &Linear<T>,
    prior: &[Vec<f64>],
    w: &SiteWeights<'_>,
    request: Request<'_>,
) -> Result<Reply> {
    if matches!(w, SiteWeights::Uniform) {
        return request.run(law.dims(), PLAIN_BLOCK, |(), _, _| Ok(()), |(), _, walk| Ok(law.plain(walk)));
    }
    let tilt = Tilt::new(law, w, prior);
    let environments = |right: &mut Right<T>, first, rows| {
        law.fill_right(right, &tilt, first, rows);
        law.require_evidence(right, first)
    };
    let pass = |right: &Right<T>, first, walk: Walk<'_>| Ok(law.tilted(&tilt, right, first, walk));
    request.run(law.dims(), law.tilted_block(), environments, pass)
}

impl Request<'_> {
    /// Answers block by block: `environments(buffers, first, rows)` once, then `pass` for the draws and for
    /// the scores.
    pub(crate) fn run<E: Default>(
        self,
        dims: &[usize],
        limit: usize,
        environments: impl Fn(&mut E, usize, usize) -> Result<()> + Send + Sync,
        pass: impl Fn(&E, usize, Walk<'_>) -> Result<Vec<f64>> + Send + Sync,
    ) -> Result<Reply> {
        let sites = dims.len();
        let n = self.draw.map(|(n, _)| n).or(self.score.map(|x| x.nrows())).unwrap_or(0);
        let streams = self.draw.map(|(_, streams)| streams.domain("model"));
        let parts = over_blocks(n, limit, |buffers: &mut E, first, rows| {
            environments(buffers, first, rows)?;
            let walk = |source| pass(buffers, first, Walk::new(source));
            let mut x = Array2::zeros((if streams.is_some() { rows } else { 0 }, sites));
            let drawn = match &streams {
                Some(streams) => walk(Source::Draw(streams.rows_from(first), x.view_mut()))?,
                None => Vec::new(),
            };
            let scored = match &self.score {
                Some(old) => walk(Source::Given(old.slice(s![first..first + rows, ..])))?,
                None => Vec::new(),
            };
            // A law never draws what it says is impossible: here the evidence of the row is too small for the
            // scalar.
            if let Some(row) = drawn.iter().position(|&log| !log.is_finite()) {
                return Err(Error::ZeroEvidence { row: first + row });
            }
            let scored: Vec<f64> =
                scored.into_iter().map(|log| if log.is_nan() { f64::NEG_INFINITY } else { log }).collect();
            Ok((x, drawn, scored))
        })?;
        let mut x = Array2::zeros((0, sites));
        for (block, ..) in &parts {
            x.append(Axis(0), block.view()).expect("blocks have the same number of sites");
        }
        let log_prob = parts.iter().flat_map(|(_, drawn, _)| drawn.iter().copied()).collect();
        let scores = parts.iter().flat_map(|(.., scored)| scored.iter().copied()).collect();
        Ok(Reply { samples: Samples { x, log_prob }, scores })
    }
}
