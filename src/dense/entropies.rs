//! Entropies of marginals by enumeration.

use super::law::DenseLaw;
use crate::error::{Error, Result};
use crate::model::Target;

/// Largest number of entries of all marginals together: 2²⁶.
const MAX_ENTRIES: usize = 1 << 26;

impl DenseLaw {
    /// The mean entropy `h(m)` of the marginal on `m` sites drawn at random, in nats, `m = 0 … N`: what the
    /// error of unmasking in random order is made of
    /// ([`TimeGrid::unmasking`](crate::diffusion::reverse::TimeGrid::unmasking)). `N h(1) − h(N)` is the
    /// total correlation, `h(N) − N [h(N) − h(N − 1)]` the dual total correlation. Cost `∏_j (1 + d_j)`.
    ///
    /// # Errors
    /// [`Error::TooLarge`] beyond 2²⁶ entries of all marginals together.
    pub fn subset_entropies(&self) -> Result<Vec<f64>> {
        let size = self.dims().iter().fold(1usize, |size, &d| size.saturating_mul(1 + d));
        if size > MAX_ENTRIES {
            return Err(Error::TooLarge { what: "marginals of all subsets", size, limit: MAX_ENTRIES });
        }
        let n = self.dims().len();
        let (mut sums, mut counts) = (vec![0.0; n + 1], vec![0.0; n + 1]);
        visit(self.p().to_vec(), 1, self.dims(), 0, &mut |kept, entropy| {
            sums[kept] += entropy;
            counts[kept] += 1.0;
        });
        Ok(sums.iter().zip(counts).map(|(sum, count)| sum / count).collect())
    }
}

/// Tells the entropies of all marginals of a table of shape `(before, dims…)`, of which `kept` sites stand in
/// `before`.
fn visit(table: Vec<f64>, before: usize, dims: &[usize], kept: usize, tell: &mut dyn FnMut(usize, f64)) {
    let Some((&d, dims)) = dims.split_first() else {
        return tell(kept, table.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum());
    };
    let after = table.len() / before / d;
    let summed = |i: usize| (0..d).map(|a| table[(i / after * d + a) * after + i % after]).sum();
    visit((0..before * after).map(summed).collect(), before, dims, kept, tell);
    visit(table, before * d, dims, kept + 1, tell);
}
