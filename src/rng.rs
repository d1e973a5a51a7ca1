//! Random streams that depend on what is drawn, never on who draws it.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of one row: implements [`rand::Rng`]; `use rand::RngExt` for `random::<f64>()` (53 bits).
pub type Stream = ChaCha8Rng;

/// A family of independent random streams, one per row of a batch.
///
/// A stream is named by (seed, domain, step, row). Each row of a batch owns one stream, so results depend
/// neither on the number of threads nor on the size of the blocks in which a batch is worked through.
///
/// The key of the ChaCha8 generator is (seed, domain, step), its stream number the row. Operations of this
/// library take a `&Streams`, switch to a domain of their own (`"noise"`, `"model"`, …) and may thus share
/// one `Streams`; two calls of the *same* operation must differ in the step: `streams.step(k)`.
///
/// Draws run on threads, and threads do not survive a fork: see [`fork`](crate::fork).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct Streams {
    seed: u64,
    domain: u64,
    step: u64,
    first_row: u64,
}

/// Finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that spreads every input bit.
fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Streams {
    /// The family of a seed, at domain and step zero.
    pub fn new(seed: u64) -> Self {
        crate::fork::remember();
        Streams { seed, domain: 0, step: 0, first_row: 0 }
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The family for another purpose. Nested names give nested families.
    pub fn domain(&self, name: &str) -> Self {
        // FNV-1a of the name, chained on the present domain.
        let hash =
            name.bytes().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        Streams { domain: mix(self.domain ^ hash), ..*self }
    }

    /// The family of the `k`-th repetition. Steps nest: `s.step(1).step(2)` is neither `s.step(1)` nor
    /// `s.step(2)`.
    pub fn step(&self, k: u64) -> Self {
        Streams { step: mix(self.step ^ mix(k)), ..*self }
    }

    /// The same family with rows counted from `first`: row 0 of the result is row `first` of `self`.
    pub fn rows_from(&self, first: usize) -> Self {
        Streams { first_row: self.first_row.wrapping_add(first as u64), ..*self }
    }

    /// The same family for `n` rows in the place of each: rows `n i .. n (i + 1)` of the result belong to row
    /// `i` of `self`, wherever its rows are counted from.
    pub fn copies(&self, n: usize) -> Self {
        Streams { first_row: self.first_row.wrapping_mul(n as u64), ..*self }
    }

    /// The generator that all rows share, wherever they are counted from: that of row 0 of the whole family.
    pub fn shared(&self) -> Stream {
        Streams { first_row: 0, ..*self }.stream(0)
    }

    /// The generator of a row.
    pub fn stream(&self, row: usize) -> Stream {
        let mut key = [0u8; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([self.seed, self.domain, self.step, 0]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(self.first_row.wrapping_add(row as u64));
        rng
    }
}
