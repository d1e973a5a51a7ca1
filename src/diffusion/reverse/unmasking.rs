//! The best times for unmasking a known law in random order, several sites at once (arXiv 2511.04647).
//!
//! With `h(m)` the mean entropy of the marginals on `m` sites, drawing `k` sites from their conditionals
//! given `m` random ones, independently, costs in the mean over the sites that are drawn
//!
//! ```text
//! k [h(m + 1) − h(m)] − [h(m + k) − h(m)]  ≥ 0                                     nats
//! ```
//!
//! and the divergence `KL(P ‖ law)` given the order of the sites is the sum over the steps: the total
//! correlation for one step, zero for `N`. The best numbers of sites follow by dynamic programming,
//! `O(N² K)`. The law of the draws, a mixture over orders, is nearer to `P` than that.

use super::grid::TimeGrid;
use crate::error::{Error, Result};
use crate::noise::Noise;

impl TimeGrid {
    /// The times, from ∞ to 0 in at most `steps` steps, between which [`Step::Unmask`](super::Step::Unmask)
    /// in random order from all sites masked is nearest to a law with the entropies `h(m)`, `m = 0 … N`, of
    /// [`DenseLaw::subset_entropies`](crate::dense::DenseLaw::subset_entropies); with the mean of
    /// `KL(P ‖ law given the order)` in nats.
    ///
    /// # Errors
    /// [`Error::Shape`] for other than `N + 1` entropies, [`Error::NotFinite`] naming one;
    /// [`Error::Parameter`] for no steps, or a noise other than masks of one rate on all sites.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::dense::DenseLaw;
    /// # use tensorjump::diffusion::reverse::TimeGrid;
    /// # use tensorjump::noise::{Noise, Rates};
    /// let law = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.1, 0.4])?;
    /// let noise = Noise::from(Rates::mask(&[2, 2], 1.0)?);
    /// let (grid, divergence) = TimeGrid::unmasking(&noise, &law.subset_entropies()?, 2)?;
    /// assert!(grid.steps() == 2 && divergence.abs() < 1e-12); // one site at a time is exact
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn unmasking(noise: &Noise, entropies: &[f64], steps: usize) -> Result<(Self, f64)> {
        let n = noise.sites();
        if entropies.len() != n + 1 {
            return Err(Error::Shape { field: "entropies", expected: vec![n + 1], got: vec![entropies.len()] });
        }
        if let Some(site) = entropies.iter().position(|h| !h.is_finite()) {
            return Err(Error::NotFinite { field: "entropies", site, value: entropies[site] });
        }
        if steps == 0 {
            return Err(Error::parameter("number of steps", steps, "at least one"));
        }
        // With one step no time says what the noise is: half of the signal does.
        if n > 0 {
            masks_at(noise, noise.time_of_signal(0.5)?, n as f64 / 2.0)?;
        }
        let (known, divergence) = best_counts(entropies, steps);
        let mut times = vec![f64::INFINITY];
        for &m in &known[..known.len() - 1] {
            let t = noise.time_of_signal(m as f64 / n as f64)?;
            masks_at(noise, t, (n - m) as f64)?;
            times.push(t);
        }
        times.push(0.0);
        Ok((TimeGrid::new(times)?, divergence))
    }
}

/// Refuses noise that does not leave so many masks at a time, on all sites alike.
fn masks_at(noise: &Noise, t: f64, expected: f64) -> Result<()> {
    let kernel = noise.kernel(0.0, t)?;
    let n = noise.sites();
    let masked = |j: usize| if noise.dims_out()[j] > noise.dims_in()[j] { 1.0 - kernel.table(j)[[0, 0]] } else { 0.0 };
    let masks: f64 = (0..n).map(masked).sum();
    let uneven = (0..n).any(|j| (masked(j) - masks / n as f64).abs() > 0.25 / n as f64);
    // The step rounds to the number of masks that are left.
    if uneven || (masks - expected).abs() > 0.25 {
        return Err(Error::parameter("masks that the noise leaves", masks, "those of one rate on all sites"));
    }
    Ok(())
}

/// Numbers of sites known after each step, and the least mean divergence.
fn best_counts(h: &[f64], steps: usize) -> (Vec<usize>, f64) {
    let n = h.len() - 1;
    let cost = |m: usize, to: usize| (to - m) as f64 * (h[m + 1] - h[m]) - (h[to] - h[m]);
    // Least divergence with `m` sites known after each number of steps, and the number before.
    let mut best = vec![(0.0, 0)];
    best.extend((1..=n).map(|m| (cost(0, m), 0)));
    let mut tables = vec![best];
    for k in 1..steps.min(n) {
        let last = &tables[k - 1];
        let through = |m: usize| {
            let all = (k..m).map(|from| (last[from].0 + cost(from, m), from));
            all.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((f64::INFINITY, 0))
        };
        tables.push((0..=n).map(through).collect());
    }
    let (mut known, mut m) = (Vec::new(), n);
    for table in tables.iter().rev() {
        known.push(m);
        m = table[m].1;
    }
    known.reverse();
    (known, tables[tables.len() - 1][n].0)
}
