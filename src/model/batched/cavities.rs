//! Cavities of a block under its right vectors: one left pass, all symbols of a site in one sweep over the
//! rows,
//!
//! ```text
//! c_j(a) ∝ (v A_j[a])·r_{j+1},     v ← Σ_a w_j(a) v A_j[a].
//! ```
//!
//! Cost `d χ²` multiply-adds a site, beside the `χ²` of the right pass. Every element is one chain of fused
//! multiply-adds: a row's result does not depend on its neighbours.

use pulp::{Arch, Simd, WithSimd};

use super::packed_law::Linear;
use super::passes::Right;
use super::row_products::panel;
use super::scalar::{Aligned, Real, inverse, padded};
use super::tilt::Tilt;
use crate::error::{Error, Result};

/// Tiles of rows that take turns with the symbols.
const GROUP: usize = 4;

/// Sites whose cavities are collected before they are written: a whole cache line a row for two states.
const CHUNK: usize = 4;

impl<T: Real> Linear<T> {
    /// Rows of a block that leave its right vectors in the second-level cache where the bond is small.
    pub(crate) fn cavity_block(&self) -> usize {
        let row = (self.sites.len() + 1) * self.ld * size_of::<T>();
        match (1 << 19) / row {
            // Right vectors are out of reach of the cache: matrices should at least be read seldom.
            0..48 => self.tilted_block(),
            rows => rows.min(self.tilted_block()),
        }
    }

    /// Writes the cavities of a block, zeros at first, `(rows, sites, d_max)`, normalised; the weights of the
    /// site itself are left out.
    pub(crate) fn cavities(
        &self,
        tilt: &Tilt<'_, T>,
        right: &Right<T>,
        first: usize,
        cavities: &mut [f64],
    ) -> Result<()> {
        let (ld, n, d_max) = (self.ld, self.sites.len(), self.d_max);
        let rows = cavities.len() / (n * d_max);
        let (mut v, mut next) = (Aligned::<T>::zeros(rows * ld), Aligned::<T>::zeros(rows * ld));
        (0..rows).for_each(|row| v[row * ld] = T::ONE);
        let mut scale = vec![T::ONE; rows];
        let (mut weights, mut dots) = (vec![T::default(); rows * d_max], vec![T::default(); CHUNK * rows * d_max]);
        let mut sums = vec![T::default(); rows];
        let mut without = None; // the first row that has no cavity at some site
        for (j, site) in self.sites.iter().enumerate() {
            let d = self.dims[j];
            for (row, weights) in weights.chunks_exact_mut(d).take(rows).enumerate() {
                weights.copy_from_slice(&tilt.weights(first + row, j)[..d]);
            }
            let chunk = &mut dots[j % CHUNK * rows * d_max..][..rows * d_max];
            Step {
                rows,
                v: &v,
                next: &mut next,
                ld,
                matrices: &site.forward,
                k: site.bond.0,
                n: padded::<T>(site.bond.1),
                scale: &scale,
                weights: &weights,
                right: right.vectors(j + 1),
                dots: chunk,
                sums: &mut sums,
            }
            .run();
            for (row, (dots, (scale, &sum))) in chunk.chunks_exact(d).zip(scale.iter_mut().zip(&sums)).enumerate() {
                if dots.iter().map(|&c| c.into()).sum::<f64>() <= 0.0 {
                    without = Some(without.map_or(row, |known: usize| known.min(row)));
                }
                *scale = inverse(sum.into());
            }
            std::mem::swap(&mut v, &mut next);
            if (j + 1).is_multiple_of(CHUNK) || j + 1 == n {
                self.write(&dots, j - j % CHUNK..j + 1, rows, cavities);
            }
        }
        without.map_or(Ok(()), |row| Err(Error::ZeroEvidence { row: first + row }))
    }

    /// Normalises the weights of some sites, `(rows, d)` each, into the table of the block.
    fn write(&self, dots: &[T], sites: std::ops::Range<usize>, rows: usize, cavities: &mut [f64]) {
        let (n, d_max) = (self.sites.len(), self.d_max);
        for (row, cavities) in cavities.chunks_exact_mut(n * d_max).enumerate() {
            let laws = cavities[sites.start * d_max..sites.end * d_max].chunks_exact_mut(d_max);
            for (law, j) in laws.zip(sites.clone()) {
                let d = self.dims[j];
                let dots = &dots[(j - sites.start) * rows * d_max + row * d..][..d];
                let total: f64 = dots.iter().map(|&c| c.into()).sum();
                law.iter_mut().zip(dots).for_each(|(c, &dot)| *c = dot.into() / total);
            }
        }
    }
}

/// One site of the left pass.
struct Step<'a, T> {
    rows: usize,
    v: &'a [T],
    next: &'a mut [T],
    /// Leading dimension of `v`, `next` and `right`.
    ld: usize,
    /// `A[a]`, shape `(k, n)`, by [`super::row_products::pack`].
    matrices: &'a [Aligned<T>],
    k: usize,
    n: usize,
    scale: &'a [T],
    /// `w(a)`, `(rows, d)`.
    weights: &'a [T],
    /// `r_{j+1}`.
    right: &'a [T],
    /// `scale · (v A[a])·r`, `(rows, d)`.
    dots: &'a mut [T],
    /// Sum of each row of `next`.
    sums: &'a mut [T],
}

impl<T: Real> Step<'_, T> {
    fn run(self) {
        Arch::new().dispatch(self);
    }
}

impl<T: Real> WithSimd for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // As in rows.rs: accumulators, one row of the matrix and a broadcast stay in registers.
        if S::REGISTER_COUNT >= 32 { self.tiles::<S, 6, 4>(simd) } else { self.tiles::<S, 4, 2>(simd) }
    }
}

impl<T: Real> Step<'_, T> {
    #[inline(always)]
    fn tiles<S: Simd, const MR: usize, const NV: usize>(mut self, simd: S) {
        let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
        for start in (0..self.n).step_by(panel::<T>()) {
            let width = panel::<T>().min(self.n - start) / lanes;
            let mut column = 0;
            while column < width {
                let at = (start, width, column);
                match NV.min(width - column) {
                    4.. => self.columns::<S, MR, NV>(simd, at),
                    3 => self.columns::<S, MR, 3>(simd, at),
                    2 => self.columns::<S, MR, 2>(simd, at),
                    _ => self.columns::<S, MR, 1>(simd, at),
                }
                column += NV;
            }
        }
    }

    /// All rows and symbols, `NV` vectors of columns from vector `column` of a panel that is `width` wide.
    #[allow(clippy::needless_range_loop)] // constant bounds keep the accumulators in registers
    #[inline(always)]
    fn columns<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        (start, width, column): (usize, usize, usize),
    ) {
        let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
        let (k, ld, n, d) = (self.k, self.ld, self.n, self.matrices.len());
        let first = start / lanes + column;
        let (zero, last) = (T::splat(simd, T::default()), d - 1);
        // Few rows at a time, so that they stay in the first-level cache while the symbols take turns.
        for group in (0..self.rows).step_by(GROUP * MR) {
            for (a, matrix) in self.matrices.iter().enumerate() {
                let matrix = &T::vectors::<S>(&matrix[start * k..][..width * lanes * k])[column..];
                for top in (group..self.rows.min(group + GROUP * MR)).step_by(MR) {
                    // A short last tile repeats a row and does not store the copies.
                    let live = MR.min(self.rows - top);
                    let v: [&[T]; MR] = std::array::from_fn(|i| &self.v[(top + i.min(live - 1)) * ld..][..k]);
                    let mut acc = [[zero; NV]; MR];
                    for l in 0..k {
                        let b = &matrix[l * width..][..NV];
                        for i in 0..MR {
                            let x = T::splat(simd, v[i][l]);
                            for c in 0..NV {
                                acc[i][c] = T::mul_add(simd, x, b[c], acc[i][c]);
                            }
                        }
                    }
                    for i in 0..MR {
                        if i == live {
                            break;
                        }
                        let row = top + i;
                        let (scale, w) = (T::splat(simd, self.scale[row]), T::splat(simd, self.weights[row * d + a]));
                        let right = &T::vectors::<S>(&self.right[row * ld..][..n])[first..][..NV];
                        let next = &mut T::vectors_mut::<S>(&mut self.next[row * ld..][..n])[first..][..NV];
                        let (mut dot, mut sum) = (zero, zero);
                        for c in 0..NV {
                            let x = T::mul_vectors(simd, scale, acc[i][c]);
                            dot = T::mul_add(simd, x, right[c], dot);
                            next[c] = if a == 0 { T::mul_vectors(simd, w, x) } else { T::mul_add(simd, w, x, next[c]) };
                            sum = T::add_vectors(simd, sum, next[c]);
                        }
                        let (dot, to) = (T::sum(simd, dot), &mut self.dots[row * d + a]);
                        *to = if first == 0 { dot } else { *to + dot };
                        if a == last {
                            let sum = T::sum(simd, sum);
                            self.sums[row] = if first == 0 { sum } else { self.sums[row] + sum };
                        }
                    }
                }
            }
        }
    }
}
