//! Samples on a chain of tensors: environments, amplitudes, and the sums of outer products that make
//! gradients.
//!
//! For a vector `v(x) = A_1[x_1] ⋯ A_N[x_N]` sample `i` has at bond `j` the left environment `L = A_1 ⋯ A_j`
//! and the right one `R = A_{j+1} ⋯ A_N`. With the tensors of one or two neighbouring sites merged into
//! matrices `M[s]`,
//!
//! ```text
//! v_i = L_i M[s_i] R_i,        Σ_i c_i ∂v_i/∂M[s] = Σ_{i: s_i = s} c_i L_iᵗ R_iᵗ.
//! ```
//!
//! Both are matrix products over the samples of one symbol `s`: `n χ²` multiply-adds each. Environments are
//! kept with norm one and a logarithm, so 10⁴ sites neither over- nor underflow; an environment that vanishes
//! stays zero, with logarithm −∞. Samples are worked through in blocks of fixed size whose parts are summed
//! in order: results do not depend on threads.

use ndarray::{Array3, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::linalg::{dot, matmul_into};
use crate::model::Configs;

/// Samples a block: environments of a site stay in the second-level cache.
const BLOCK: usize = 1024;

/// Numbers in the environments of a batch: 8 GiB.
const LIMIT: usize = 1 << 30;

/// Which environment of a bond is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Weighted samples with their environments.
///
/// Slot `j` belongs to the bond left of site `j` and holds the left *or* the right environment of that bond:
/// a sweep needs left ones up to its centre and right ones behind it.
pub(crate) struct Batch {
    blocks: Vec<Block>,
    total: f64,
}

/// The environments of one bond: `(rows, bond)`, norm one each, and their logarithms.
#[derive(Default, Clone)]
struct Environment {
    v: Vec<f64>,
    log: Vec<f64>,
    bond: usize,
}

struct Block {
    /// States, `[site][row]`.
    symbols: Vec<Vec<u8>>,
    weights: Vec<f64>,
    slots: Vec<Environment>,
    focus: Focus,
}

/// Samples around merged tensors, sorted by their merged symbol.
#[derive(Default)]
struct Focus {
    /// Rows in the order of their symbols.
    order: Vec<u32>,
    /// Symbols that occur, with their ranges in `order`.
    groups: Vec<(usize, std::ops::Range<usize>)>,
    left: Vec<f64>,
    right: Vec<f64>,
    weights: Vec<f64>,
    /// `log` of the norms of both environments together.
    log: Vec<f64>,
    bonds: (usize, usize),
    /// Room for one product of all rows.
    scratch: Vec<f64>,
}

/// One number a sample, in the order of a focus, block by block.
pub(crate) type PerSample = Vec<Vec<f64>>;

impl Batch {
    /// Samples with weights of any sign.
    ///
    /// # Errors
    /// More environments than fit a guard of 8 GiB: take smaller batches.
    pub(crate) fn new(x: Configs<'_>, weights: &[f64], max_bond: usize) -> Result<Self> {
        let (n, sites) = x.dim();
        let size = n.saturating_mul(sites).saturating_mul(max_bond);
        if size > LIMIT {
            return Err(Error::TooLarge { what: "environments of a batch", size, limit: LIMIT });
        }
        let block = |first: usize| {
            let rows = first..n.min(first + BLOCK);
            let symbols = (0..sites).map(|j| rows.clone().map(|i| x[[i, j]]).collect()).collect();
            let mut slots = vec![Environment::default(); sites + 1];
            for end in [0, sites] {
                slots[end] = Environment { v: vec![1.0; rows.len()], log: vec![0.0; rows.len()], bond: 1 };
            }
            Block { symbols, weights: weights[rows].to_vec(), slots, focus: Focus::default() }
        };
        Ok(Batch { blocks: (0..n).step_by(BLOCK).map(block).collect(), total: weights.iter().sum() })
    }

    /// Multiplies the left end of sample `i` by `e^{logs[i]}`, and with it every amplitude of the sample.
    pub(crate) fn scale(&mut self, logs: &[f64]) {
        for (block, logs) in self.blocks.iter_mut().zip(logs.chunks(BLOCK)) {
            block.slots[0].log.copy_from_slice(logs);
        }
    }

    /// Whether all samples fit one block, which one thread works through.
    pub(crate) fn is_one_block(&self) -> bool {
        self.blocks.len() == 1
    }

    /// Sum of the weights.
    pub(crate) fn total(&self) -> f64 {
        self.total
    }

    fn each<R: Send>(&mut self, work: impl Fn(&mut Block) -> R + Send + Sync) -> Vec<R> {
        match self.blocks.as_mut_slice() {
            [one] => vec![work(one)],
            blocks => blocks.par_iter_mut().map(work).collect(),
        }
    }

    /// Right environments of every bond from site `until` on.
    pub(crate) fn fill_right(&mut self, tensors: &[Array3<f64>], until: usize) {
        self.each(|block| (until..tensors.len()).rev().for_each(|j| block.extend(j, &tensors[j], Side::Right)));
    }

    /// Takes site `j` into its left environment (slot `j` to `j + 1`) or its right one (slot `j + 1` to `j`).
    pub(crate) fn extend(&mut self, j: usize, tensor: &Array3<f64>, side: Side) {
        self.each(|block| block.extend(j, tensor, side));
    }

    /// Gathers the samples around `dims.len()` sites from `first` on; `dims` are the local dimensions of
    /// these sites.
    pub(crate) fn focus(&mut self, first: usize, dims: &[usize]) {
        self.each(|block| block.gather(first, dims));
    }

    /// `L_i M[s_i] R_i` with environments of norm one, for `m` of shape `[s][χ_l][χ_r]`.
    pub(crate) fn amplitudes(&mut self, m: &[f64]) -> PerSample {
        self.each(|block| block.focus.amplitudes(m))
    }

    /// `Σ_i c_i L_iᵗ R_iᵗ` by symbol, in the shape of the `size` numbers of `m`.
    pub(crate) fn accumulate(&mut self, c: &[Vec<f64>], size: usize) -> Vec<f64> {
        if let [one] = self.blocks.as_mut_slice() {
            return one.focus.accumulate(&c[0], size);
        }
        let parts: Vec<Vec<f64>> =
            self.blocks.par_iter_mut().zip(c).map(|(block, c)| block.focus.accumulate(c, size)).collect();
        let mut sum = vec![0.0; size];
        for part in parts {
            sum.iter_mut().zip(part).for_each(|(sum, v)| *sum += v);
        }
        sum
    }

    /// `f(weight, value, environment_log)` for every sample in the order of the focus.
    pub(crate) fn map(&self, values: &[Vec<f64>], f: impl Fn(f64, f64, f64) -> f64) -> PerSample {
        let block = |(block, values): (&Block, &Vec<f64>)| {
            let focus = &block.focus;
            focus.weights.iter().zip(values).zip(&focus.log).map(|((&w, &v), &log)| f(w, v, log)).collect()
        };
        self.blocks.iter().zip(values).map(block).collect()
    }

    /// `f(weight, environment_log)` for every sample in the order of the focus.
    pub(crate) fn map_logs(&self, f: impl Fn(f64, f64) -> f64) -> PerSample {
        let block =
            |Block { focus, .. }: &Block| focus.weights.iter().zip(&focus.log).map(|(&w, &log)| f(w, log)).collect();
        self.blocks.iter().map(block).collect()
    }

    /// New weights, in the order of the samples; they count from the next focus on.
    pub(crate) fn reweigh(&mut self, weights: &[f64]) {
        for (block, weights) in self.blocks.iter_mut().zip(weights.chunks(BLOCK)) {
            block.weights.copy_from_slice(weights);
        }
        self.total = weights.iter().sum();
    }

    /// `Σ_i w_i log|v_i|` with the environments of the focus; a sample of weight zero does not count, one
    /// with `v_i = 0` makes it −∞ (or +∞ with a negative weight).
    pub(crate) fn log_sum(&self, amplitudes: &[Vec<f64>]) -> f64 {
        let terms = self.map(amplitudes, |w, v, log| if w == 0.0 { 0.0 } else { w * (v.abs().ln() + log) });
        terms.iter().flatten().sum()
    }

    /// Weights in the order of the focus.
    pub(crate) fn weights(&self) -> impl Iterator<Item = f64> + '_ {
        self.blocks.iter().flat_map(|block| block.focus.weights.iter().copied())
    }

    /// Samples of non-zero weight whose amplitude vanishes.
    pub(crate) fn zeros(&self, amplitudes: &[Vec<f64>]) -> usize {
        self.map(amplitudes, |w, v, _| f64::from(w != 0.0 && v == 0.0)).iter().flatten().sum::<f64>() as usize
    }

    /// `Σ_i w_i log|v(x_i)|`.
    pub(crate) fn log_sum_of(&mut self, tensors: &[Array3<f64>]) -> f64 {
        let v = self.values(tensors);
        self.log_sum(&v)
    }

    /// The first sample of non-zero weight with `v(x_i) = 0`.
    pub(crate) fn first_zero(&mut self, tensors: &[Array3<f64>]) -> Option<usize> {
        let v = self.values(tensors);
        let zero = self.map(&v, |w, v, _| f64::from(w != 0.0 && v == 0.0));
        self.in_order(&zero).iter().position(|&z| z > 0.0)
    }

    /// Amplitudes at site 0 behind new right environments.
    fn values(&mut self, tensors: &[Array3<f64>]) -> PerSample {
        self.fill_right(tensors, 1);
        self.focus(0, &[tensors[0].dim().1]);
        self.amplitudes(&super::environments::to_symbols(&tensors[0]))
    }

    /// Values of a focus, back in the order of the samples.
    pub(crate) fn in_order(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let mut out = Vec::new();
        for (block, values) in self.blocks.iter().zip(values) {
            let first = out.len();
            out.resize(first + values.len(), 0.0);
            for (&row, &v) in block.focus.order.iter().zip(values) {
                out[first + row as usize] = v;
            }
        }
        out
    }
}

fn view(v: &[f64], rows: usize, cols: usize) -> ArrayView2<'_, f64> {
    ArrayView2::from_shape((rows, cols), v).expect("rows times columns numbers")
}

fn view_mut(v: &mut [f64], rows: usize, cols: usize) -> ArrayViewMut2<'_, f64> {
    ArrayViewMut2::from_shape((rows, cols), v).expect("rows times columns numbers")
}

/// Makes a buffer long enough without writing what is there.
fn room(buffer: &mut Vec<f64>, len: usize) -> &mut [f64] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

/// Rows `order` of a matrix with `cols` columns, one after the other.
fn gather(from: &[f64], cols: usize, order: &[u32], to: &mut Vec<f64>) {
    let to = room(to, order.len() * cols);
    for (to, &row) in to.chunks_exact_mut(cols).zip(order) {
        to.copy_from_slice(&from[row as usize * cols..][..cols]);
    }
}

impl Focus {
    /// Sorts the rows by symbol.
    fn sort(&mut self, symbols: impl Iterator<Item = usize> + Clone, count: usize) {
        let mut starts = vec![0u32; count + 1];
        symbols.clone().for_each(|s| starts[s + 1] += 1);
        for s in 0..count {
            starts[s + 1] += starts[s];
        }
        let range = |s: usize| (s, starts[s] as usize..starts[s + 1] as usize);
        self.groups = (0..count).map(range).filter(|(_, range)| !range.is_empty()).collect();
        self.order.clear();
        self.order.resize(starts[count] as usize, 0);
        for (row, s) in symbols.enumerate() {
            self.order[starts[s] as usize] = row as u32;
            starts[s] += 1;
        }
    }

    fn amplitudes(&mut self, m: &[f64]) -> Vec<f64> {
        let (l, r) = self.bonds;
        let mut out = vec![0.0; self.order.len()];
        for (s, range) in &self.groups {
            let n = range.len();
            let product = room(&mut self.scratch, n * r);
            let left = view(&self.left[range.start * l..range.end * l], n, l);
            matmul_into(1.0, left, view(&m[s * l * r..(s + 1) * l * r], l, r), 0.0, view_mut(product, n, r));
            let right = self.right[range.start * r..range.end * r].chunks_exact(r);
            for ((out, p), right) in out[range.clone()].iter_mut().zip(product.chunks_exact(r)).zip(right) {
                *out = dot(p, right);
            }
        }
        out
    }

    fn accumulate(&mut self, c: &[f64], size: usize) -> Vec<f64> {
        let (l, r) = self.bonds;
        let mut out = vec![0.0; size];
        for (s, range) in &self.groups {
            let n = range.len();
            let scaled = room(&mut self.scratch, n * r);
            let right = self.right[range.start * r..range.end * r].chunks_exact(r);
            for ((scaled, right), &c) in scaled.chunks_exact_mut(r).zip(right).zip(&c[range.clone()]) {
                scaled.iter_mut().zip(right).for_each(|(s, &v)| *s = c * v);
            }
            let left = view(&self.left[range.start * l..range.end * l], n, l);
            let target = view_mut(&mut out[s * l * r..(s + 1) * l * r], l, r);
            matmul_into(1.0, left.t(), view(scaled, n, r), 0.0, target);
        }
        out
    }
}

impl Block {
    fn gather(&mut self, first: usize, dims: &[usize]) {
        let (focus, n) = (&mut self.focus, self.weights.len());
        let symbols: Vec<usize> = (0..n)
            .map(|row| dims.iter().enumerate().fold(0, |s, (k, d)| s * d + usize::from(self.symbols[first + k][row])))
            .collect();
        focus.sort(symbols.iter().copied(), dims.iter().product());
        let (left, right) = (&self.slots[first], &self.slots[first + dims.len()]);
        focus.bonds = (left.bond, right.bond);
        gather(&left.v, left.bond, &focus.order, &mut focus.left);
        gather(&right.v, right.bond, &focus.order, &mut focus.right);
        let order = focus.order.iter().map(|&row| row as usize);
        focus.weights = order.clone().map(|row| self.weights[row]).collect();
        focus.log = order.map(|row| left.log[row] + right.log[row]).collect();
    }

    fn extend(&mut self, site: usize, tensor: &Array3<f64>, side: Side) {
        let (l, d, r) = tensor.dim();
        let (from, to, k, m) = match side {
            Side::Left => (site, site + 1, l, r),
            Side::Right => (site + 1, site, r, l),
        };
        let Block { symbols, slots, focus, .. } = self;
        let symbols = &symbols[site];
        focus.sort(symbols.iter().map(|&a| usize::from(a)), d);
        let mut next = std::mem::take(&mut slots[to]);
        let old = &slots[from];
        next.bond = m;
        next.v.resize(symbols.len() * m, 0.0);
        next.log.resize(symbols.len(), 0.0);
        for (a, range) in &focus.groups {
            let (order, n) = (&focus.order[range.clone()], range.len());
            gather(&old.v, k, order, &mut focus.left);
            let product = room(&mut focus.scratch, n * m);
            let slice = tensor.index_axis(Axis(1), *a);
            let matrix = if side == Side::Left { slice } else { slice.reversed_axes() };
            matmul_into(1.0, view(&focus.left[..n * k], n, k), matrix, 0.0, view_mut(product, n, m));
            for (product, &row) in product.chunks_exact(m).zip(order) {
                let row = row as usize;
                let norm = dot(product, product).sqrt();
                let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                next.v[row * m..(row + 1) * m].iter_mut().zip(product).for_each(|(v, p)| *v = p * scale);
                next.log[row] = old.log[row] + norm.ln();
            }
        }
        slots[to] = next;
    }
}

/// A tensor `(χ_l, d, χ_r)` as numbers `[s][χ_l][χ_r]`.
pub(crate) fn to_symbols(a: &Array3<f64>) -> Vec<f64> {
    a.view().permuted_axes([1, 0, 2]).iter().copied().collect()
}

/// The inverse of [`to_symbols`].
pub(crate) fn from_symbols(m: &[f64], (l, d, r): (usize, usize, usize)) -> Array3<f64> {
    Array3::from_shape_fn((l, d, r), |(i, a, k)| m[(a * l + i) * r + k])
}
