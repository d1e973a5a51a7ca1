//! Plain draws and scores of a block of rows.

use super::law::BornMps;
use crate::model::batched::scalar::Aligned;
use crate::model::batched::symbols::{Groups, Walk};
use crate::model::traits::Target;

impl BornMps {
    /// Plain draws or scores of a block; returns log-probabilities.
    pub(super) fn plain(&self, mut walk: Walk<'_>) -> Vec<f64> {
        let (rows, ld) = (walk.rows(), self.ld);
        let (mut v, mut out) = (Aligned::zeros(rows * ld), Aligned::zeros(rows * ld));
        (0..rows).for_each(|row| v[row * ld] = 1.0);
        let d_max = self.dims().iter().copied().max().unwrap_or(1);
        let (mut groups, mut undecided) = (Groups::new(d_max, rows), Vec::with_capacity(rows));
        // Squared norm of each row's vector, and the factor that brings it back to one.
        let (mut norms, mut scale) = (vec![1.0; rows], vec![1.0; rows]);
        let mut passed = vec![0.0; rows];
        for (j, site) in self.packed.iter().enumerate() {
            walk.enter(j);
            let order = Order::new(&self.marginals[j]);
            for (scale, &norm) in scale.iter_mut().zip(&norms) {
                *scale = if norm > 0.0 { 1.0 / f64::sqrt(norm) } else { 0.0 };
            }
            undecided.clear();
            undecided.extend(0..rows as u32);
            passed.fill(0.0);
            for rank in 0..self.dims()[j] {
                if undecided.is_empty() {
                    break;
                }
                groups.clear();
                for &row in &undecided {
                    let row = row as usize;
                    let a = if walk.draws() { order.symbol(rank, walk.uniform(row, j)) } else { walk.symbol(row, j) };
                    groups.push(a, row);
                }
                for a in 0..self.dims()[j] {
                    site.product(a, groups.get(a), &v, &mut out, ld, &scale, &mut norms);
                }
                let last = rank + 1 == self.dims()[j];
                undecided.retain(|&row| {
                    let row = row as usize;
                    let q = norms[row];
                    if !walk.draws() {
                        walk.record(row, j, walk.symbol(row, j), q);
                        return false;
                    }
                    let u = walk.uniform(row, j);
                    passed[row] += q;
                    let settled = q > 0.0 && (last || order.flipped(u) < passed[row]);
                    if settled {
                        walk.record(row, j, order.symbol(rank, u), q);
                    }
                    !settled
                });
            }
            // Rounding left a gap behind the last symbol, which is impossible: take the likeliest.
            for &row in &undecided {
                let mut best = (0.0, 0);
                for a in 0..self.dims()[j] {
                    site.product(a, &[row], &v, &mut out, ld, &scale, &mut norms);
                    if norms[row as usize] > best.0 {
                        best = (norms[row as usize], a);
                    }
                }
                site.product(best.1, &[row], &v, &mut out, ld, &scale, &mut norms);
                walk.record(row as usize, j, best.1, best.0);
            }
            std::mem::swap(&mut v, &mut out);
        }
        walk.finish()
    }
}

/// The order in which the symbols of a site are tried.
///
/// Two states: the one that the uniform would choose under the marginal law first, `[0, p_0)` belonging to
/// state 0. More: by decreasing marginal, each with its interval of the uniform in that order.
struct Order {
    by_marginal: Vec<usize>,
    first: f64,
}

impl Order {
    fn new(marginal: &[f64]) -> Self {
        let mut by_marginal: Vec<usize> = (0..marginal.len()).collect();
        by_marginal.sort_by(|&a, &b| marginal[b].total_cmp(&marginal[a]));
        Order { by_marginal, first: marginal[0] }
    }

    /// The symbol tried at `rank` for a uniform.
    #[inline(always)]
    fn symbol(&self, rank: usize, u: f64) -> usize {
        if self.by_marginal.len() == 2 { rank ^ usize::from(u >= self.first) } else { self.by_marginal[rank] }
    }

    /// The uniform measured from the end at which the first symbol's interval lies.
    #[inline(always)]
    fn flipped(&self, u: f64) -> f64 {
        if self.by_marginal.len() == 2 && u >= self.first { 1.0 - u } else { u }
    }
}
