//! Products of gathered rows with a site matrix: the arithmetic of every batched sampler.
//!
//! A batch of vectors is stored row by row with leading dimension `ld`. A site sends each row through the
//! matrix of its own symbol, so the kernel reads `v[row]` and writes `out[row]` for the rows of an index
//! list: nothing is permuted. Each output element is one chain of fused multiply-adds over the contracted
//! index, whatever else is in the batch, so a row's result never depends on its neighbours. Cost:
//! `rows × k × n` multiply-adds.

use ndarray::ArrayView2;
use pulp::{Arch, Simd, WithSimd};

use super::scalar::{Aligned, Real, padded};

/// Vectors with which each output row is multiplied while it is still in the first-level cache.
#[derive(Clone, Copy)]
pub(crate) enum Probe<'a, T> {
    /// The same vectors for all rows, `n` elements each: `dots[row · count + i]`.
    Shared(&'a [T]),
    /// Row `row` of another batch with the same leading dimension: `dots[row]`.
    Rows(&'a [T]),
    /// The row itself: squared norms, `dots[row]`.
    Itself,
}

/// `out[row] = scale[row] · v[row] · matrix` for the listed rows, and `dots` of the result with the probe.
pub(crate) struct RowProduct<'a, T> {
    pub rows: &'a [u32],
    pub v: &'a [T],
    pub out: &'a mut [T],
    /// Leading dimension of `v` and `out`.
    pub ld: usize,
    /// Shape `(k, n)`, by [`pack`]; `n` a multiple of the lane count.
    pub matrix: &'a [T],
    pub k: usize,
    pub n: usize,
    pub scale: &'a [T],
    /// Add to `out[row]` instead of replacing it.
    pub accumulate: bool,
    pub probe: Probe<'a, T>,
    pub dots: &'a mut [T],
}

impl<T: Real> RowProduct<'_, T> {
    pub(crate) fn run(self) {
        if !self.rows.is_empty() {
            Arch::new().dispatch(self);
        }
    }
}

impl<T: Real> WithSimd for RowProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.probe {
            Probe::Rows(_) => self.by_registers::<S, ROWS>(simd),
            Probe::Itself => self.by_registers::<S, ITSELF>(simd),
            Probe::Shared(p) if p.len() == self.n => self.by_registers::<S, ONE>(simd),
            Probe::Shared(p) if p.len() == 2 * self.n => self.by_registers::<S, TWO>(simd),
            Probe::Shared(_) => self.by_registers::<S, MANY>(simd),
        }
    }
}

// The probe as a compile-time constant.
const ROWS: u8 = 1;
const ITSELF: u8 = 2;
const ONE: u8 = 3;
const TWO: u8 = 4;
const MANY: u8 = 5;

impl<T: Real> RowProduct<'_, T> {
    #[inline(always)]
    fn by_registers<S: Simd, const PROBE: u8>(self, simd: S) {
        // 6 × 4 accumulators with 4 matrix vectors and a broadcast fill 32 registers; 4 × 2 leave room in 16.
        if S::REGISTER_COUNT >= 32 { self.tiles::<S, PROBE, 6, 4>(simd) } else { self.tiles::<S, PROBE, 4, 2>(simd) }
    }

    /// Columns outside, rows inside: `NV` vectors of columns of the matrix stay in the first-level cache.
    #[inline(always)]
    fn tiles<S: Simd, const PROBE: u8, const MR: usize, const NV: usize>(mut self, simd: S) {
        let lanes = size_of::<T::Vector<S>>() / size_of::<T>();
        for start in (0..self.n).step_by(panel::<T>()) {
            let width = panel::<T>().min(self.n - start) / lanes;
            let matrix = T::vectors::<S>(&self.matrix[start * self.k..][..width * lanes * self.k]);
            let mut column = 0;
            while column < width {
                let at = Columns { matrix: &matrix[column..], stride: width, out: start / lanes + column };
                let vectors = NV.min(width - column);
                column += vectors;
                let last = start / lanes + column == self.n / lanes;
                match vectors {
                    4.. => self.columns::<S, PROBE, MR, NV>(simd, at, last),
                    3 => self.columns::<S, PROBE, MR, 3>(simd, at, last),
                    2 => self.columns::<S, PROBE, MR, 2>(simd, at, last),
                    _ => self.columns::<S, PROBE, MR, 1>(simd, at, last),
                }
            }
        }
    }

    /// All rows times `NV` vectors of columns.
    #[inline(always)]
    fn columns<S: Simd, const PROBE: u8, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        at: Columns<'_, T::Vector<S>>,
        last: bool,
    ) {
        for chunk in self.rows.chunks(MR) {
            // A short last tile repeats a row and does not store the copies.
            let tile: [usize; MR] = std::array::from_fn(|i| chunk[i.min(chunk.len() - 1)] as usize);
            self.tile::<S, MR, NV>(simd, &tile, chunk.len(), &at);
            if last {
                self.probe_rows::<S, PROBE>(simd, chunk);
            }
        }
    }

    /// `MR` rows times `NV` vectors of columns.
    #[inline(always)]
    fn tile<S: Simd, const MR: usize, const NV: usize>(
        &mut self,
        simd: S,
        tile: &[usize; MR],
        live: usize,
        at: &Columns<'_, T::Vector<S>>,
    ) {
        let (k, ld) = (self.k, self.ld);
        let v: [&[T]; MR] = std::array::from_fn(|i| &self.v[tile[i] * ld..][..k]);
        let mut acc = [[T::splat(simd, T::default()); NV]; MR];
        #[allow(clippy::needless_range_loop)] // l runs along several arrays
        for l in 0..k {
            let b = &at.matrix[l * at.stride..][..NV];
            for i in 0..MR {
                let a = T::splat(simd, v[i][l]);
                for c in 0..NV {
                    acc[i][c] = T::mul_add(simd, a, b[c], acc[i][c]);
                }
            }
        }
        for (i, acc) in acc.iter().enumerate().take(live) {
            let scale = T::splat(simd, self.scale[tile[i]]);
            let out = &mut T::vectors_mut::<S>(&mut self.out[tile[i] * ld..][..self.n])[at.out..][..NV];
            for (out, &acc) in out.iter_mut().zip(acc) {
                *out =
                    if self.accumulate { T::mul_add(simd, scale, acc, *out) } else { T::mul_vectors(simd, scale, acc) };
            }
        }
    }

    /// Dots of finished rows with their probe.
    #[inline(always)]
    fn probe_rows<S: Simd, const PROBE: u8>(&mut self, simd: S, rows: &[u32]) {
        let n = self.n;
        for &row in rows {
            let row = row as usize;
            let a = T::vectors::<S>(&self.out[row * self.ld..][..n]);
            match self.probe {
                Probe::Shared(probes) if PROBE == TWO => {
                    let (p, q) = probes.split_at(n);
                    let dots = &mut self.dots[2 * row..][..2];
                    let zero = T::splat(simd, T::default());
                    let (mut sum_p, mut sum_q) = (zero, zero);
                    for ((&a, &p), &q) in a.iter().zip(T::vectors::<S>(p)).zip(T::vectors::<S>(q)) {
                        sum_p = T::mul_add(simd, a, p, sum_p);
                        sum_q = T::mul_add(simd, a, q, sum_q);
                    }
                    dots[0] = T::sum(simd, sum_p);
                    dots[1] = T::sum(simd, sum_q);
                }
                Probe::Shared(p) if PROBE == ONE => self.dots[row] = dot::<T, S>(simd, a, T::vectors::<S>(p)),
                Probe::Shared(probes) if PROBE == MANY => {
                    let count = probes.len() / n;
                    for (sum, p) in self.dots[row * count..][..count].iter_mut().zip(probes.chunks_exact(n)) {
                        *sum = dot::<T, S>(simd, a, T::vectors::<S>(p));
                    }
                }
                Probe::Rows(batch) if PROBE == ROWS => {
                    self.dots[row] = dot::<T, S>(simd, a, T::vectors::<S>(&batch[row * self.ld..][..n]));
                }
                Probe::Itself if PROBE == ITSELF => self.dots[row] = dot::<T, S>(simd, a, a),
                _ => {}
            }
        }
    }
}

#[inline(always)]
fn dot<T: Real, S: Simd>(simd: S, a: &[T::Vector<S>], b: &[T::Vector<S>]) -> T {
    let zero = T::splat(simd, T::default());
    T::sum(simd, a.iter().zip(b).fold(zero, |sum, (&a, &b)| T::mul_add(simd, a, b, sum)))
}

/// Columns of a panel: four cache lines.
pub(super) fn panel<T: Real>() -> usize {
    4 * T::LANES
}

/// A group of columns of the packed matrix.
struct Columns<'a, V> {
    /// From the first element of the group on.
    matrix: &'a [V],
    /// Vectors from one row of the panel to the next.
    stride: usize,
    /// First vector of the group in the output row.
    out: usize,
}

/// A matrix as [`RowProduct`] wants it: columns padded with zeros to whole cache lines and cut into panels of
/// four lines, each panel row-major.
pub(crate) fn pack<T: Real>(matrix: ArrayView2<'_, f64>) -> Aligned<T> {
    let (k, n) = (matrix.nrows(), padded::<T>(matrix.ncols()));
    let mut packed = Aligned::zeros(k * n);
    for ((i, column), &v) in matrix.indexed_iter() {
        let start = column - column % panel::<T>();
        let width = panel::<T>().min(n - start);
        packed[start * k + i * width + column - start] = T::from_f64(v);
    }
    packed
}
