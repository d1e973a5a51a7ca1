//! What the draws of one system tell.

use std::time::Instant;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::RngExt;
use serde::Serialize;
use tensorjump::lattice::BoundaryMps;
use tensorjump::mcmc::{Autocorrelation, Estimate, Proposed, WeightSummary};
use tensorjump::{Model, Streams};
use tensorjump_studies::Failure;

use super::systems::System;

/// Draws at a time.
const BLOCK: usize = 1024;
/// Cells of the histogram of up-fractions.
const CELLS: usize = 65;

/// Results of one system at one χ; per site where it says so, in nats.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub draws: usize,
    pub build_seconds: f64,
    pub seconds_per_draw: f64,
    /// Effective fraction of the draws.
    pub ess: f64,
    /// Largest weight over the mean weight, in nats.
    pub max_log_weight: f64,
    /// Acceptance of an independence chain in equilibrium.
    pub acceptance: f64,
    /// Integrated autocorrelation times of energy and order of the independence chain.
    pub tau_energy: f64,
    pub tau_order: f64,
    pub log_z: Estimate,
    /// `E_q log w ≤ log Z`.
    pub elbo: Estimate,
    /// `E_π log w ≥ log Z`.
    pub eubo: Estimate,
    /// `−log Z/(βN)`.
    pub free_energy_per_site: Estimate,
    pub energy_per_site: Estimate,
    /// `(log Z + βE)/N`.
    pub entropy_per_site: f64,
    pub order: Estimate,
    /// `|⟨|m|⟩_q − ⟨|m|⟩_π|` of draws without weights.
    pub raw_order_error: f64,
    /// Mean over the distance of the same for pairs along rows.
    pub raw_pair_error: f64,
    /// Jensen–Shannon divergence of the up-fractions of draws without and with weights.
    pub raw_up_divergence: f64,
    /// Shares of draws by up-fraction, without and with weights.
    #[serde(skip)]
    pub up: Vec<(f64, f64, f64)>,
}

impl Measured {
    pub fn new(system: &System, draws: usize, seed: u64) -> Result<Self, Failure> {
        let n = ((draws as f64 * system.share) as usize).div_ceil(BLOCK).max(1) * BLOCK;
        let clock = Instant::now();
        let q = BoundaryMps::proposal(&system.model, system.chi)?;
        let build_seconds = clock.elapsed().as_secs_f64();
        let streams = Streams::new(seed).domain("published tables");
        let (mut log_w, mut energy, mut order, mut up) = (vec![], vec![], vec![], vec![]);
        let mut pairs = Array2::zeros((0, system.reach()));
        let mut seconds = 0.0;
        // As many as fit some hundred megabytes.
        let block = BLOCK.min((1 << 28) / system.lattice.sites());
        for first in (0..n).step_by(block) {
            let clock = Instant::now();
            let drawn = q.draw(block, &streams.rows_from(first))?;
            seconds += clock.elapsed().as_secs_f64();
            log_w.extend(drawn.log_importance_weights(&system.model)?);
            energy.extend(system.energy(drawn.x.view())?);
            order.extend(system.order(drawn.x.view()));
            up.extend(system.up(drawn.x.view()));
            pairs.append(Axis(0), system.pairs(drawn.x.view()).view())?;
        }
        let [log_w, energy, order, up] = [log_w, energy, order, up].map(Array1::from);
        let weighted = |f: ArrayView1<'_, f64>| Estimate::importance_mean(log_w.view(), f);
        let summary = WeightSummary::of(log_w.view())?;
        let log_z = Estimate::log_mean_weight(log_w.view())?;
        let mean_energy = weighted(energy.view())?;
        let mean_order = weighted(order.view())?;
        let (sites, beta) = (system.sites(), system.beta);
        let chain = Chain::new(log_w.view(), &streams);
        let mut raw_pair_error = 0.0;
        for k in 0..pairs.ncols() {
            let pair = pairs.column(k);
            raw_pair_error += (raw(pair).mean - weighted(pair)?.mean).abs() / pairs.ncols() as f64;
        }
        let up = histogram(log_w.view(), up.view());
        Ok(Measured {
            draws: n,
            build_seconds,
            seconds_per_draw: seconds / n as f64,
            ess: summary.fraction,
            max_log_weight: summary.max_log_relative,
            acceptance: Estimate::stationary_acceptance(log_w.view())?.mean,
            tau_energy: chain.tau(energy.view())?,
            tau_order: chain.tau(order.view())?,
            log_z,
            elbo: raw(log_w.view()),
            eubo: weighted(log_w.view())?,
            free_energy_per_site: scaled(log_z, -1.0 / (beta * sites)),
            energy_per_site: scaled(mean_energy, 1.0 / sites),
            entropy_per_site: (log_z.mean + beta * mean_energy.mean) / sites,
            order: mean_order,
            raw_order_error: (raw(order.view()).mean - mean_order.mean).abs(),
            raw_pair_error,
            raw_up_divergence: jensen_shannon(&up),
            up,
        })
    }
}

/// The independence chain over the draws in their order: which draw it stands at.
struct Chain(Vec<usize>);

impl Chain {
    fn new(log_w: ArrayView1<'_, f64>, streams: &Streams) -> Self {
        let mut stream = streams.domain("accept").stream(0);
        let mut at = 0;
        let mut step = |new: usize| {
            // Ratio of target to proposal of the new draw over that of the old one.
            let p = Proposed::acceptance_probability(0.0, 0.0, log_w[new] - log_w[at]);
            if stream.random::<f64>() < p {
                at = new;
            }
            at
        };
        Chain((0..log_w.len()).map(&mut step).collect())
    }

    fn tau(&self, f: ArrayView1<'_, f64>) -> Result<f64, Failure> {
        let series = Array2::from_shape_fn((self.0.len(), 1), |(i, _)| f[self.0[i]]);
        Ok(Autocorrelation::of(series.view())?.tau)
    }
}

/// Mean of independent draws.
fn raw(f: ArrayView1<'_, f64>) -> Estimate {
    let n = f.len() as f64;
    let mean = f.sum() / n;
    let square: f64 = f.iter().map(|v| (v - mean).powi(2)).sum();
    Estimate { mean, error: (square / (n * (n - 1.0))).sqrt() }
}

fn scaled(e: Estimate, factor: f64) -> Estimate {
    Estimate { mean: factor * e.mean, error: factor.abs() * e.error }
}

/// `(up-fraction, share without weights, share with weights)` of each cell.
fn histogram(log_w: ArrayView1<'_, f64>, up: ArrayView1<'_, f64>) -> Vec<(f64, f64, f64)> {
    let top = log_w.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_w.iter().map(|w| (w - top).exp()).sum();
    let mut cells: Vec<_> = (0..CELLS).map(|k| ((k as f64 + 0.5) / CELLS as f64, 0.0, 0.0)).collect();
    for (&w, &up) in log_w.iter().zip(up) {
        let cell = &mut cells[cell(up)];
        cell.1 += 1.0 / log_w.len() as f64;
        cell.2 += (w - top).exp() / sum;
    }
    cells
}

/// The cell of an up-fraction.
pub fn cell(up: f64) -> usize {
    ((up * CELLS as f64) as usize).min(CELLS - 1)
}

/// In nats.
fn jensen_shannon(cells: &[(f64, f64, f64)]) -> f64 {
    let half = |a: f64, b: f64| if a > 0.0 { 0.5 * a * (2.0 * a / (a + b)).ln() } else { 0.0 };
    cells.iter().map(|&(_, a, b)| half(a, b) + half(b, a)).sum::<f64>().max(0.0)
}
