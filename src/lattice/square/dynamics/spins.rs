//! Packed spins for fast local and cluster dynamics, and comparisons of random bits with probabilities.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::error::{Error, Result};
use crate::lattice::square::geometry::Square;
use crate::rng::Stream;

/// What lies beyond a free edge: no spin, and vanishes from sums of shifted bits masked with 15.
const OUTSIDE: u8 = 16;

/// A small fast generator (xoshiro256++) seeded from a stream: a sweep needs some million numbers, not
/// cryptographic ones.
pub fn fast_rng(stream: &mut Stream) -> Xoshiro256PlusPlus {
    let mut seed = [0u8; 32];
    stream.fill_bytes(&mut seed);
    Xoshiro256PlusPlus::from_seed(seed)
}

/// A spin configuration in one byte a site, with a frame one site wide that repeats the other side where a
/// direction wraps around. Memory: 5 to 6 bytes a site, the stack of the cluster moves included.
#[derive(Debug, Clone)]
pub struct Spins {
    lattice: Square,
    pub(crate) padded: Vec<u8>,
    pub(crate) stack: Vec<u32>,
    /// Room for the two colours of a checkerboard, one bit a site.
    pub(crate) words: [Vec<u64>; 2],
}

impl Spins {
    /// Packs the states 0 and 1 of a configuration.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::StateOutOfRange`].
    pub fn new(lattice: Square, x: &[u8]) -> Result<Self> {
        if x.len() != lattice.sites() {
            return Err(Error::SiteCount { expected: lattice.sites(), got: x.len() });
        }
        if let Some(site) = x.iter().position(|&a| a > 1) {
            return Err(Error::StateOutOfRange { row: 0, site, state: x[site].into(), dim: 2 });
        }
        let padded = vec![OUTSIDE; (lattice.rows() + 2) * stride(lattice)];
        let mut spins = Spins { lattice, padded, stack: vec![0; lattice.sites() + 1], words: Default::default() };
        for (r, row) in x.chunks_exact(lattice.cols()).enumerate() {
            let start = (r + 1) * stride(lattice) + 1;
            spins.padded[start..start + row.len()].copy_from_slice(row);
            spins.wrap_row(r);
        }
        Ok(spins)
    }

    /// The lattice.
    pub fn lattice(&self) -> Square {
        self.lattice
    }

    /// Writes the configuration into `x`.
    ///
    /// # Errors
    /// [`Error::SiteCount`].
    pub fn write(&self, x: &mut [u8]) -> Result<()> {
        if x.len() != self.lattice.sites() {
            return Err(Error::SiteCount { expected: self.lattice.sites(), got: x.len() });
        }
        let rows = self.padded.chunks_exact(stride(self.lattice)).skip(1);
        for (x, row) in x.chunks_exact_mut(self.lattice.cols()).zip(rows) {
            x.copy_from_slice(&row[1..row.len() - 1]);
        }
        Ok(())
    }

    /// Number of spins up.
    pub fn ups(&self) -> usize {
        let rows = self.padded.chunks_exact(stride(self.lattice)).skip(1).take(self.lattice.rows());
        rows.map(|row| row[1..row.len() - 1].iter().map(|&a| usize::from(a)).sum::<usize>()).sum()
    }

    /// The spins of row `r`, without the frame.
    pub(crate) fn row(&self, r: usize) -> &[u8] {
        let start = (r + 1) * stride(self.lattice) + 1;
        &self.padded[start..start + self.lattice.cols()]
    }

    /// The spins of row `r`, without the frame.
    pub(crate) fn row_mut(&mut self, r: usize) -> &mut [u8] {
        let start = (r + 1) * stride(self.lattice) + 1;
        &mut self.padded[start..start + self.lattice.cols()]
    }

    /// Copies what changed in row `r` to the frame.
    pub(crate) fn wrap_row(&mut self, r: usize) {
        let (rows, cols, stride) = (self.lattice.rows(), self.lattice.cols(), stride(self.lattice));
        let start = (r + 1) * stride;
        if self.lattice.wraps_cols() {
            self.padded[start] = self.padded[start + cols];
            self.padded[start + cols + 1] = self.padded[start + 1];
        }
        if self.lattice.wraps_rows() {
            if r == 0 {
                self.padded.copy_within(start..start + stride, (rows + 1) * stride);
            }
            if r + 1 == rows {
                self.padded.copy_within(start..start + stride, 0);
            }
        }
    }
}

/// Bytes from one row to the next.
pub(crate) fn stride(lattice: Square) -> usize {
    lattice.cols() + 2
}

/// Checks that a dynamics and a configuration have the same lattice.
pub(crate) fn check_lattice(expected: Square, got: Square) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    let value = format!("{} x {} {:?}", got.rows(), got.cols(), got.geometry());
    Err(Error::parameter("lattice of the spins", value, "the lattice of the dynamics"))
}

/// An event of given probability, decided by comparing 64 random bits with `2⁶⁴ p`: 16 of them first, the
/// others only on a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chance(u64);

impl Chance {
    /// Probability `p`, exact to 2⁻⁶⁴ (certainty is missed by that).
    pub fn new(p: f64) -> Self {
        Chance((p * 2f64.powi(64)) as u64) // saturates at one
    }

    /// Whether the event happens, with 16 bits and, once in 65536 times, 48 more.
    #[inline(always)]
    pub fn happens(self, bits: u16, rng: &mut impl Rng) -> bool {
        let high = self.high();
        if bits == high {
            return rng.next_u64() >> 16 < self.0 & ((1 << 48) - 1);
        }
        bits < high
    }

    /// The first 16 of its 64 bits.
    pub fn high(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// `2⁶⁴ p`.
    pub fn threshold(self) -> u64 {
        self.0
    }
}
