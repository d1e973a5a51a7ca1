//! One block of rows on its way along the chain: uniforms in, symbols in or out, log-probabilities accumulated.

use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, s};
use rand::RngExt;

use super::real::Real;
use crate::log_product::LogProduct;
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
    uniforms: Vec<f64>,
    symbols: Vec<u8>,
    chunk: usize,
    rows: usize,
    sites: usize,
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
        let width = CHUNK.min(self.sites - site);
        match &self.source {
            Source::Draw(..) => {
                for (rng, u) in self.generators.iter_mut().zip(self.uniforms.chunks_exact_mut(CHUNK)) {
                    u[..width].iter_mut().for_each(|u| *u = rng.random());
                }
            }
            Source::Given(x) => {
                let x = x.slice(s![.., site..site + width]);
                for (x, symbols) in x.outer_iter().zip(self.symbols.chunks_exact_mut(CHUNK)) {
                    x.iter().zip(symbols).for_each(|(&x, symbol)| *symbol = x);
                }
            }
        }
    }

    /// The uniform of a row at the present site (draws only).
    #[inline(always)]
    pub(crate) fn uniform(&self, row: usize, site: usize) -> f64 {
        self.uniforms[row * CHUNK + site % CHUNK]
    }

    /// The symbol of a row at the present site.
    #[inline(always)]
    pub(crate) fn symbol(&self, row: usize, site: usize) -> usize {
        self.symbols[row * CHUNK + site % CHUNK].into()
    }

    /// Records the symbol of a row and its conditional probability.
    #[inline(always)]
    pub(crate) fn record(&mut self, row: usize, site: usize, symbol: usize, q: f64) {
        self.symbols[row * CHUNK + site % CHUNK] = symbol as u8;
        self.prob[row].push(q);
    }

    /// Writes the drawn symbols of the finished chunk.
    fn flush(&mut self) {
        if let Source::Draw(_, x) = &mut self.source {
            let end = self.sites.min(self.chunk + CHUNK);
            let mut x = x.slice_mut(s![.., self.chunk..end]);
            for (mut x, symbols) in x.outer_iter_mut().zip(self.symbols.chunks_exact(CHUNK)) {
                x.assign(&ArrayView1::from(&symbols[..end - self.chunk]));
            }
        }
    }

    /// Writes what is left and returns the log-probabilities of the rows.
    pub(crate) fn finish(mut self) -> Vec<f64> {
        self.flush();
        self.prob.iter().map(|p| p.ln()).collect()
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

/// The symbol at which the cumulative weight passes `u · total`; never one of weight zero.
#[inline(always)]
pub(crate) fn pick<T: Real>(weights: &[T], total: f64, u: f64) -> usize {
    let threshold = u * total;
    if let &[p0, p1] = weights {
        let (p0, p1): (f64, f64) = (p0.into(), p1.into());
        return usize::from(threshold >= p0 && p1 > 0.0);
    }
    let (mut cumulative, mut last) = (0.0, 0);
    for (a, &p) in weights.iter().enumerate() {
        let p: f64 = p.into();
        if p > 0.0 {
            last = a;
            cumulative += p;
            if threshold < cumulative {
                break;
            }
        }
    }
    last
}
