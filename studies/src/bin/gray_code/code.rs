//! Points of the plane as 32 bits, and the kernel on them.
//!
//! Each coordinate becomes a sign bit (0 for ≥ 0) and the 15-bit Gray code of `⌊|v| s⌋`, most significant bit
//! first; the bits of both coordinates alternate along the chain, so that bits of like size are neighbours.

use ndarray::{Array2, ArrayView1};

/// Bits of a coordinate behind its sign.
const BITS: u32 = 15;
/// Sites of the chain.
pub const SITES: usize = 32;

/// The cell of a coordinate: sign bit on top, Gray code below.
fn cell(v: f64, scale: f64) -> u32 {
    let u = ((v.abs() * scale) as u32).min((1 << BITS) - 1);
    (u32::from(v < 0.0) << BITS) | (u ^ (u >> 1))
}

/// The configuration of a point.
pub fn encode(v: [f64; 2], scale: f64) -> [u8; SITES] {
    let cells = v.map(|v| cell(v, scale));
    std::array::from_fn(|site| ((cells[site % 2] >> (BITS - site as u32 / 2)) & 1) as u8)
}

/// The middle of the cell of a configuration.
pub fn decode(x: ArrayView1<'_, u8>, scale: f64) -> [f64; 2] {
    std::array::from_fn(|axis| {
        let word = x.iter().skip(axis).step_by(2).fold(0u32, |w, &b| (w << 1) | u32::from(b));
        let (negative, gray) = (word >> BITS != 0, word & ((1 << BITS) - 1));
        let mut u = gray;
        let mut shift = 1;
        while shift < BITS {
            u ^= u >> shift;
            shift *= 2;
        }
        let v = (f64::from(u) + 0.5) / scale;
        if negative { -v } else { v }
    })
}

/// Configurations as words of 32 bits.
pub fn words(x: &Array2<u8>) -> Vec<u32> {
    x.outer_iter().map(|row| row.iter().fold(0, |w, &b| (w << 1) | u32::from(b))).collect()
}

/// The kernel `e^{−0.1 h}` at Hamming distance `h`.
pub fn kernel(distance: u32) -> f64 {
    (-0.1 * f64::from(distance)).exp()
}

/// How many pairs have each Hamming distance; with `same`, each pair of one list once and none with itself.
fn histogram(a: &[u32], b: &[u32], same: bool) -> [u64; 33] {
    let mut counts = [0; 33];
    for (i, x) in a.iter().enumerate() {
        let rest = if same { &b[i + 1..] } else { b };
        rest.iter().for_each(|y| counts[(x ^ y).count_ones() as usize] += 1);
    }
    counts
}

/// Mean of the kernel over pairs.
pub fn mean_kernel(a: &[u32], b: &[u32], same: bool) -> f64 {
    let counts = histogram(a, b, same);
    let pairs: u64 = counts.iter().sum();
    counts.iter().enumerate().map(|(h, &n)| n as f64 * kernel(h as u32)).sum::<f64>() / pairs as f64
}

/// Squared maximum mean discrepancy, unbiased.
pub fn mmd(a: &[u32], b: &[u32]) -> f64 {
    mean_kernel(a, a, true) + mean_kernel(b, b, true) - 2.0 * mean_kernel(a, b, false)
}
