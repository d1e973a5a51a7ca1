//! One block of rows on its way along the chain: uniforms in, symbols in or out, log-probabilities
//! accumulated.

use ndarray::{ArrayView2, ArrayViewMut2, s};
use pulp::Arch;
use rand::RngExt;

use super::scalar::{Real, inverse};
use crate::choose::choose;
use crate::log_space::LogProduct;
use crate::rng::{Stream, Streams};

/// Sites between two visits to the generators and to the configuration array.
const CHUNK: usize = 32;

/// Where the symbols of a block come from.
pub(crate) enum Source<'a> {
    /// Drawn: row `i` of the block uses stream `i`.
    Draw(Streams, ArrayViewMut2<'a, u8>),
    /// Given: their probability is asked for.
    Given(ArrayView2<'a, u8>),
}

/// The symbols and scores of a block.
pub(crate) struct Walk<'a> {
    source: Source<'a>,
    generators: Vec<Stream>,
    /// Uniforms of the present chunk of sites, `(CHUNK, rows)`.
    uniforms: Vec<f64>,
    /// Symbols of the present chunk of sites, `(CHUNK, rows)`.
    symbols: Vec<u8>,
    chunk: usize,
    rows: usize,
    sites: usize,
    /// Conditional probabilities of the symbols of the present site, `(rows,)`.
    conditionals: Vec<f64>,
    /// Probability of each row so far.
    prob: Vec<LogProduct>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(source: Source<'a>) -> Self {
        let ((rows, sites), generators) = match &source {
            Source::Draw(streams, x) => (x.dim(), (0..x.nrows()).map(|row| streams.stream(row)).collect()),
            Source::Given(x) => (x.dim(), Vec::new()),
        };
        Walk {
            source,
            uniforms: vec![0.0; generators.len() * CHUNK],
            generators,
            symbols: vec![0; rows * CHUNK],
            chunk: 0,
            rows,
            sites,
            conditionals: vec![1.0; rows],
            prob: vec![LogProduct::ONE; rows],
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether symbols are drawn (not given).
    pub(crate) fn draws(&self) -> bool {
        matches!(self.source, Source::Draw(..))
    }

    /// Must be called before the symbols of `site` are touched, in order of sites.
    pub(crate) fn enter(&mut self, site: usize) {
        if !site.is_multiple_of(CHUNK) {
            return;
        }
        self.flush();
        self.chunk = site;
        let (rows, width) = (self.rows, CHUNK.min(self.sites - site));
        match &self.source {
            Source::Draw(..) => {
                // Eight rows at a time: the transposed writes then fill whole cache lines.
                for (first, generators) in (0..rows).step_by(8).zip(self.generators.chunks_mut(8)) {
                    let mut tile = [[0.0; 8]; CHUNK];
                    for (row, rng) in generators.iter_mut().enumerate() {
                        tile[..width].iter_mut().for_each(|u| u[row] = rng.random());
                    }
                    for (i, tile) in tile[..width].iter().enumerate() {
                        let at = i * rows + first;
                        self.uniforms[at..at + generators.len()].copy_from_slice(&tile[..generators.len()]);
                    }
                }
            }
            Source::Given(x) => {
                let x = x.slice(s![.., site..site + width]);
                for ((row, i), &symbol) in x.indexed_iter() {
                    self.symbols[i * rows + row] = symbol;
                }
            }
        }
    }

    /// The uniform of a row at the present site (draws only).
    #[inline(always)]
    pub(crate) fn uniform(&self, row: usize, site: usize) -> f64 {
        self.uniforms[site % CHUNK * self.rows + row]
    }

    /// The symbol of a row at the present site.
    #[inline(always)]
    pub(crate) fn symbol(&self, row: usize, site: usize) -> usize {
        self.symbols[site % CHUNK * self.rows + row].into()
    }

    /// Records the symbol of a row and its conditional probability.
    #[inline(always)]
    pub(crate) fn record(&mut self, row: usize, site: usize, symbol: usize, q: f64) {
        self.symbols[site % CHUNK * self.rows + row] = symbol as u8;
        self.prob[row].push(q);
    }

    /// Plain symbols of `site` from the weights of its `d` states, `(rows, d)`: drawn or given, recorded, and
    /// grouped; `scale` becomes the inverse weight of each row's symbol.
    pub(crate) fn choose<T: Real>(
        &mut self,
        site: usize,
        d: usize,
        weights: &[T],
        scale: &mut [T],
        groups: &mut Groups,
    ) {
        let at = site % CHUNK * self.rows..(site % CHUNK + 1) * self.rows;
        let symbols = &mut self.symbols[at.clone()];
        if d == 2 && !self.generators.is_empty() {
            let (uniforms, conditionals) = (&self.uniforms[at], &mut self.conditionals);
            // The closure is compiled for the widest vectors of the machine.
            Arch::new().dispatch(|| draw_pairs(uniforms, weights, symbols, conditionals, scale));
        } else {
            for (row, (p, scale)) in weights.chunks_exact(d).zip(scale).enumerate() {
                let total: f64 = p.iter().map(|&p| p.into()).sum();
                if !self.generators.is_empty() {
                    symbols[row] = choose(p, total, self.uniforms[at.start + row]) as u8;
                }
                let px = p[usize::from(symbols[row])].into();
                (self.conditionals[row], *scale) = conditional(px, total);
            }
        }
        for (row, ((&x, prob), &q)) in symbols.iter().zip(&mut self.prob).zip(&self.conditionals).enumerate() {
            prob.push(q);
            groups.push(x.into(), row);
        }
    }

    /// Writes the drawn symbols of the finished chunk.
    fn flush(&mut self) {
        if let Source::Draw(_, x) = &mut self.source {
            let mut x = x.slice_mut(s![.., self.chunk..self.sites.min(self.chunk + CHUNK)]);
            for (row, mut x) in x.outer_iter_mut().enumerate() {
                for (i, x) in x.iter_mut().enumerate() {
                    *x = self.symbols[i * self.rows + row];
                }
            }
        }
    }

    /// Writes what is left and returns the log-probabilities of the rows.
    pub(crate) fn finish(mut self) -> Vec<f64> {
        self.flush();
        self.prob.iter().map(|p| p.ln()).collect()
    }
}

/// Probability of a state of weight `p`, and the inverse of `p`.
#[inline(always)]
fn conditional<T: Real>(p: f64, total: f64) -> (f64, T) {
    let inverse = inverse(p);
    (if inverse > T::default() { p / total } else { 0.0 }, inverse)
}

/// [`choose`] and [`conditional`] for two states, row after row without a branch.
#[inline(always)]
fn draw_pairs<T: Real>(uniforms: &[f64], weights: &[T], symbols: &mut [u8], conditionals: &mut [f64], scale: &mut [T]) {
    let rows = uniforms.iter().zip(weights.as_chunks::<2>().0).zip(symbols).zip(conditionals).zip(scale);
    for ((((&u, p), symbol), q), scale) in rows {
        let (p0, p1): (f64, f64) = (p[0].into(), p[1].into());
        let total = p0 + p1;
        let one = (u * total >= p0) & (p1 > 0.0);
        let px = if one { p1 } else { p0 };
        *symbol = u8::from(one);
        (*q, *scale) = conditional(px, total);
    }
}

/// Lists of rows by symbol, refilled at every site.
pub(crate) struct Groups {
    rows: Vec<u32>,
    len: Vec<usize>,
    capacity: usize,
}

impl Groups {
    pub(crate) fn new(symbols: usize, capacity: usize) -> Self {
        Groups { rows: vec![0; symbols * capacity], len: vec![0; symbols], capacity }
    }

    pub(crate) fn clear(&mut self) {
        self.len.fill(0);
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, symbol: usize, row: usize) {
        self.rows[symbol * self.capacity + self.len[symbol]] = row as u32;
        self.len[symbol] += 1;
    }

    pub(crate) fn get(&self, symbol: usize) -> &[u32] {
        &self.rows[symbol * self.capacity..][..self.len[symbol]]
    }
}
