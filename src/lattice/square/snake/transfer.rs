//! The snake through the lattice and the exact transfer along it.
//!
//! Before step `k` of the snake the sites ahead are seen from behind only through the *frontier*: of each
//! position of a line the next site that the snake has not visited, in the line at hand or in the one after.
//! A step exchanges one site `x` of the frontier for its neighbour `y` in the next line. With
//! `τ = (x, rest)`, `τ' = (y, rest)` and `D_k(τ)` the sum of the weights of all sites ahead at fixed `τ`,
//! bonds among them included,
//!
//! ```text
//! D_k(x, rest) = Σ_y w(x, τ') D_{k+1}(τ'),       w(x, τ') = v(x) ∏_{bonds of x to τ'} W,     Σ_τ D_0(τ) = Z.
//! ```

use ndarray::Array2;

use crate::lattice::square::geometry::{Geometry, Neighbour, Square};
use crate::lattice::square::pair::PairModel;
use crate::log_space::log_sum_exp;

impl Square {
    /// The sites along a snake, entry `k` the site at step `k`: line after line, every other one backwards.
    ///
    /// The lines are the rings of a cylinder (its rows, the columns of texts whose cylinder stands upright),
    /// the rows of a torus, and the shorter direction of an open lattice.
    ///
    /// ```
    /// use tensorjump::lattice::{Geometry, Square};
    ///
    /// assert_eq!(Square::new(2, 3, Geometry::Cylinder)?.snake(), [0, 1, 2, 5, 4, 3]);
    /// assert_eq!(Square::new(2, 3, Geometry::Open)?.snake(), [0, 3, 4, 1, 2, 5]);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn snake(&self) -> Vec<usize> {
        let width = self.snake_width();
        let step = |k: usize| {
            let (line, i) = (k / width, k % width);
            let position = if line.is_multiple_of(2) { i } else { width - 1 - i };
            if self.snakes_along_columns() { self.site(position, line) } else { self.site(line, position) }
        };
        (0..self.sites()).map(step).collect()
    }

    /// Whether the lines of the snake are columns.
    fn snakes_along_columns(&self) -> bool {
        self.geometry() == Geometry::Open && self.cols() > self.rows()
    }

    /// Sites of a line of the snake.
    pub(super) fn snake_width(&self) -> usize {
        if self.snakes_along_columns() { self.rows() } else { self.cols() }
    }

    /// Line and position of a site on the snake.
    fn snake_place(&self, site: usize) -> (usize, usize) {
        let (r, c) = self.place(site);
        if self.snakes_along_columns() { (c, r) } else { (r, c) }
    }
}

/// The transfer along the snake of a model without bonds from the last line to the first.
pub(super) struct Transfer<'a> {
    model: &'a PairModel,
    pub(super) order: Vec<usize>,
    step_of: Vec<usize>,
    pub(super) width: usize,
}

/// One step: the weights `w(x, τ')`.
pub(super) struct Step {
    /// States of the site that is left behind.
    pub(super) dx: usize,
    /// States of the site that joins the frontier; 1 behind the last line.
    dy: usize,
    /// Frontier states after its position.
    lo: usize,
    /// `log w`, shape `(d_x, frontier states after the step)`.
    log_weights: Array2<f64>,
}

/// A bond of the site at hand to the frontier: its table, entry `[x][b]`, and where in the index of `τ'` the
/// state `b` stands.
struct Tie {
    table: Vec<Vec<f64>>,
    stride: usize,
}

impl<'a> Transfer<'a> {
    pub(super) fn new(model: &'a PairModel) -> Self {
        let order = model.lattice().snake();
        let mut step_of = vec![0; order.len()];
        order.iter().enumerate().for_each(|(k, &site)| step_of[site] = k);
        Transfer { model, order, step_of, width: model.lattice().snake_width() }
    }

    /// States of the site at each position of the frontier before step `k`, 1 where the snake is through.
    pub(super) fn frontier(&self, k: usize) -> Vec<usize> {
        let lattice = self.model.lattice();
        let mut dims = vec![1; self.width];
        // The frontier is the next `width` sites of the snake at most, one at each position: take the nearest
        // line.
        let end = (k / self.width + 2) * self.width;
        for &site in self.order[k.min(self.order.len())..end.min(self.order.len())].iter().rev() {
            dims[lattice.snake_place(site).1] = self.model_dims()[site];
        }
        dims
    }

    fn model_dims(&self) -> &[usize] {
        crate::Target::dims(self.model)
    }

    /// The bond of site `x` at step `k` to a neighbour ahead.
    fn tie(&self, k: usize, n: Neighbour, after: &[usize]) -> Option<Tie> {
        let x = self.order[k];
        if self.step_of[n.site] < k {
            return None;
        }
        let entry = |a: usize| {
            (0..self.model_dims()[n.site]).map(|b| self.model.pair_log_weight(n, a as u8, b as u8)).collect()
        };
        let position = self.model.lattice().snake_place(n.site).1;
        let table = (0..self.model_dims()[x]).map(entry).collect();
        Some(Tie { table, stride: after[position + 1..].iter().product() })
    }

    /// The weights of step `k`.
    pub(super) fn step(&self, k: usize) -> Step {
        let x = self.order[k];
        let position = self.model.lattice().snake_place(x).1;
        let after = self.frontier(k + 1);
        let neighbours = self.model.lattice().neighbours(x).into_iter().flatten();
        let ties: Vec<Tie> = neighbours.filter_map(|n| self.tie(k, n, &after)).collect();
        let dx = self.model_dims()[x];
        let mut log_weights = Array2::zeros((dx, after.iter().product()));
        for (a, mut row) in log_weights.outer_iter_mut().enumerate() {
            for (state, log) in row.iter_mut().enumerate() {
                let ties = ties.iter().map(|tie| tie.table[a][state / tie.stride % tie.table[a].len()]);
                *log = self.model.site_log_weights(x)[a] + ties.sum::<f64>();
            }
        }
        Step { dx, dy: after[position], lo: after[position + 1..].iter().product(), log_weights }
    }

    /// `log D` at the first step of each line and behind the last: memory `O(lines · d^width)`.
    pub(super) fn line_starts(&self) -> Vec<Vec<f64>> {
        let lines = self.order.len() / self.width;
        let mut starts = vec![vec![0.0]];
        for line in (0..lines).rev() {
            let behind = self.line(line, &starts[starts.len() - 1]).swap_remove(0);
            starts.push(behind);
        }
        starts.reverse();
        starts
    }

    /// `log D` at all steps of a line and behind it, given the last: `width + 1` tables.
    pub(super) fn line(&self, line: usize, last: &[f64]) -> Vec<Vec<f64>> {
        let mut tables = vec![last.to_vec()];
        for k in (line * self.width..(line + 1) * self.width).rev() {
            let table = self.step(k).sum(&tables[tables.len() - 1]);
            tables.push(table);
        }
        tables.reverse();
        tables
    }
}

impl Step {
    /// `log D_k` from `log D_{k+1}`.
    fn sum(&self, next: &[f64]) -> Vec<f64> {
        let mut now = vec![0.0; next.len() / self.dy * self.dx];
        self.each(next, |state, _, logs| now[state] = log_sum_exp(logs));
        now
    }

    /// `√(w D_{k+1} / D_k)`, shape `(d_x, frontier states after the step)`: the state of the sites ahead at
    /// fixed `(x, rest)` over those at fixed `τ'`, both normalised. Squares sum to one over `y`, or to zero
    /// where nothing is allowed.
    pub(super) fn amplitudes(&self, next: &[f64]) -> Array2<f64> {
        let mut amplitudes = Array2::zeros(self.log_weights.dim());
        self.each(next, |state, first, logs| {
            let x = state / self.lo % self.dx;
            let max = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max == f64::NEG_INFINITY {
                return;
            }
            let norm = logs.iter().map(|log| (log - max).exp()).sum::<f64>().sqrt();
            for (y, log) in logs.iter().enumerate() {
                amplitudes[[x, first + y * self.lo]] = (0.5 * (log - max)).exp() / norm;
            }
        });
        amplitudes
    }

    /// The state `(x, rest)` before the step that becomes `state` after it.
    pub(super) fn origin(&self, x: usize, state: usize) -> usize {
        (state / (self.dy * self.lo) * self.dx + x) * self.lo + state % self.lo
    }

    /// Calls `f(τ, τ' at y = 0, [log w D_{k+1} for each y])` for every state before the step.
    fn each(&self, next: &[f64], mut f: impl FnMut(usize, usize, &[f64])) {
        let mut logs = vec![0.0; self.dy];
        for hi in 0..next.len() / (self.dy * self.lo) {
            for x in 0..self.dx {
                for lo in 0..self.lo {
                    let first = hi * self.dy * self.lo + lo;
                    for (y, log) in logs.iter_mut().enumerate() {
                        let state = first + y * self.lo;
                        *log = self.log_weights[[x, state]] + next[state];
                    }
                    f(self.origin(x, first), first, &logs);
                }
            }
        }
    }
}
