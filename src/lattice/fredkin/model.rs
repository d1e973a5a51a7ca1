//! The Fredkin law as a model: exact draws in O(N), exact or restricted to the likeliest heights.
//!
//! In the Markov gauge the law is a matrix-product state whose bond index is the height,
//! `A_j^x[h, h′] = P(x | h_j = h)` for `h′ = h + 2x − 1`: non-negative, sparse, with right vectors of ones.
//! Its dimension `⌊min(j, N−j)/2⌋ + 1`, at most `χ = ⌊N/4⌋ + 1`, is minimal. A plain draw is a walk through a
//! table of thresholds; its log-probability is `k ln q − log Z` in closed form. Conditioning on site weights:
//! tilt.rs.
//!
//! Truncating this state to bond dimension `χ` keeps the χ likeliest heights at each bond.
//! [`FredkinModel::truncated`] is that law: P restricted to the paths through kept heights, and renormalised.
//! It gives every kept path its exact relative weight, so Monte Carlo never rejects its draws — and never
//! sees the missing mass.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array3, ArrayViewMut1, Axis};
use rand::Rng;
use rayon::prelude::*;

use super::band::Band;
use super::chain::Fredkin;
use super::equilibrium::Equilibrium;
use super::equilibrium::{log_partition, marginals};
use super::transfer::{Transfer, log_add, sigmoid};
use crate::error::Result;
use crate::model::{Configs, ExactModel, Model, Samples, SiteWeights, Target, check_configs};
use crate::rng::{Stream, Streams};
use crate::tn::Mps;

/// Rows that walk side by side, to hide the latency of the table.
const LANES: usize = 8;
/// Sites for which uniforms are drawn at a time.
const STRETCH: usize = 64;
/// 53-bit uniforms: `2^53`.
const TWO_53: f64 = 9_007_199_254_740_992.0;

/// The equilibrium law of a [`Fredkin`] chain, exact or restricted to the likeliest heights of each bond.
///
/// Log-probabilities of plain draws are `k ln q − log Z`; of tilted draws the product of the conditionals
/// that were drawn from.
///
/// **Smallest probability.** Plain draws go up with probability `⌈2⁵³p⌉/2⁵³`: conditionals are drawn to
/// within 2⁻⁵³ ≈ 1.1e-16, and a step that is possible upwards has at least that. Tilted draws use 53 bits.
///
/// ```
/// use tensorjump::{Model, SiteWeights, Streams, lattice::{Fredkin, FredkinModel}};
///
/// let chain = Fredkin::new(400, 0.5)?;
/// let model = FredkinModel::new(&chain)?;
/// let draws = model.draw(10, &Streams::new(1))?;
/// assert!(draws.log_prob.iter().all(|&l| l == -model.log_z())); // uniform on Dyck paths
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct FredkinModel {
    pub(super) chain: Fredkin,
    pub(super) band: Arc<Band>,
    /// The band of the paths read backwards, for left partition sums.
    pub(super) mirrored: Arc<Band>,
    pub(super) prior: Arc<Transfer>,
    walk: Arc<Walk>,
    log_z: f64,
    missing_mass: f64,
}

/// Thresholds of plain draws: after `s` up steps in `j` sites, the next step goes up if a 53-bit uniform is
/// below `threshold[start[j] + s]`.
#[derive(Debug)]
struct Walk {
    threshold: Vec<u64>,
    start: Vec<usize>,
}

impl Walk {
    fn new(band: &Band, prior: &Transfer) -> Self {
        let mut threshold = Vec::with_capacity(band.len());
        let mut start = Vec::with_capacity(band.sites());
        for j in 0..band.sites() {
            // h = 2s − j; each earlier bond has an entry at least, so this is not negative.
            start.push(threshold.len() - ((band.range(j).0 + j as i32) / 2) as usize);
            // u < p with u = r/2^53 means r < ⌈p 2^53⌉, exactly.
            threshold.extend(band.heights(j).map(|h| (sigmoid(prior.log_odds(band, j, h)) * TWO_53).ceil() as u64));
        }
        Walk { threshold, start }
    }

    /// Draws up to [`LANES`] rows, one stream each, and gives the sums of their up steps, `Σ_j s_j`.
    fn draw(&self, mut streams: Vec<Stream>, rows: &mut [ArrayViewMut1<'_, u8>]) -> [u64; LANES] {
        let mut bytes = [0u8; 8 * STRETCH];
        let mut uniforms = [[0u64; LANES]; STRETCH];
        let mut steps = [[0u8; STRETCH]; LANES];
        let (mut ups, mut sums) = ([0usize; LANES], [0u64; LANES]);
        for (stretch, starts) in self.start.chunks(STRETCH).enumerate() {
            for (lane, stream) in streams.iter_mut().enumerate() {
                stream.fill_bytes(&mut bytes);
                for (uniforms, bytes) in uniforms.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    uniforms[lane] = u64::from_le_bytes(*bytes) >> 11;
                }
            }
            for ((i, &start), uniforms) in starts.iter().enumerate().zip(&uniforms) {
                for lane in 0..LANES {
                    let up = uniforms[lane] < self.threshold[start + ups[lane]];
                    steps[lane][i] = u8::from(up);
                    ups[lane] += usize::from(up);
                    sums[lane] += ups[lane] as u64;
                }
            }
            for (row, steps) in rows.iter_mut().zip(&steps) {
                let first = stretch * STRETCH;
                row.iter_mut().skip(first).zip(&steps[..starts.len()]).for_each(|(x, &n)| *x = n);
            }
        }
        sums
    }
}

impl FredkinModel {
    /// The exact law. Cost: O(N²), tables of N²/8 numbers.
    ///
    /// # Errors
    /// [`crate::error::Error::TooLarge`] above about 45,000 sites.
    pub fn new(chain: &Fredkin) -> Result<Self> {
        let (band, prior, _, log_z) = Equilibrium::new(chain)?.into_parts();
        Ok(Self::on_band(chain, band, prior, log_z, 0.0))
    }

    /// The law restricted to paths through the `chi` likeliest heights at each bond, renormalised: bond
    /// dimension at most `chi`.
    ///
    /// # Errors
    /// [`crate::error::Error::Parameter`] for `chi = 0`; as [`FredkinModel::new`].
    pub fn truncated(chain: &Fredkin, chi: usize) -> Result<Self> {
        let (full, full_prior, full_marginals, _) = Equilibrium::new(chain)?.into_parts();
        let band = full.likeliest(&full_marginals, chi)?;
        let missing = missing_mass(&full, &full_prior, &band);
        let prior = Transfer::prior(&band, chain.log_q());
        let log_z = log_partition(&band, &prior, chain.log_q());
        Ok(Self::on_band(chain, band, prior, log_z, missing))
    }

    fn on_band(chain: &Fredkin, band: Band, prior: Transfer, log_z: f64, missing_mass: f64) -> Self {
        let walk = Arc::new(Walk::new(&band, &prior));
        let mirrored = Arc::new(band.mirror());
        FredkinModel {
            chain: chain.clone(),
            band: Arc::new(band),
            mirrored,
            prior: Arc::new(prior),
            walk,
            log_z,
            missing_mass,
        }
    }

    /// The chain whose law this is.
    pub fn chain(&self) -> &Fredkin {
        &self.chain
    }

    /// `log Σ q^k` over the paths that the model can draw, in nats.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Probability under the exact law of the paths that this model never draws: zero for the exact model.
    ///
    /// A sum of first exits from the kept heights, so small values keep their relative accuracy.
    pub fn missing_mass(&self) -> f64 {
        self.missing_mass
    }

    /// Number of heights kept at the bonds between sites, length `sites − 1`.
    pub fn bonds(&self) -> Vec<usize> {
        (1..self.band.sites()).map(|j| self.band.width(j)).collect()
    }

    /// Mean height after each site under this law, shape `(sites,)`: the exact profile for the exact model.
    /// Cost: O(N²).
    pub fn height_profile(&self) -> Array1<f64> {
        let marginals = marginals(&self.band, &self.prior);
        let mean = |j| self.band.heights(j).map(|h| f64::from(h) * marginals[self.band.index(j, h)]).sum();
        (1..=self.band.sites()).map(mean).collect()
    }

    /// The law as a matrix-product state in the Markov gauge, `A_j^x[h, h′] = P(x | h_j = h)`: entries are
    /// probabilities, the scale is zero.
    ///
    /// # Errors
    /// None in practice: the tensors satisfy the invariants of [`Mps`].
    pub fn to_mps(&self) -> Result<Mps> {
        let tensor = |j: usize| {
            let (rows, columns) = (self.band.width(j), self.band.width(j + 1));
            let mut a = Array3::zeros((rows, 2, columns));
            for (row, h) in self.band.heights(j).enumerate() {
                let odds = self.prior.log_odds(&self.band, j, h);
                for (x, next, odds) in [(0, h - 1, -odds), (1, h + 1, odds)] {
                    if odds > f64::NEG_INFINITY {
                        a[[row, x, ((next - self.band.range(j + 1).0) / 2) as usize]] = sigmoid(odds);
                    }
                }
            }
            a
        };
        Mps::new((0..self.band.sites()).map(tensor).collect(), 0.0)
    }

    /// `k ln q − log Z` in nats: the one place from which draw and score of the plain law come.
    fn log_prob_of_k(&self, k: i64) -> f64 {
        k as f64 * self.chain.log_q - self.log_z
    }

    /// Plain draws, row `i` from stream `i`.
    pub(super) fn sample_plain(&self, n: usize, streams: &Streams) -> Samples {
        let streams = streams.domain("model");
        let sites = self.band.sites();
        let mut x = Array2::zeros((n, sites));
        let mut log_prob = Array1::zeros(n);
        // Σ_j h_j = 2 Σ_j s_j − N(N+1)/2.
        let flat = (sites as u64 * (sites as u64 + 2) / 4) as i64;
        x.axis_chunks_iter_mut(Axis(0), LANES)
            .into_par_iter()
            .zip(log_prob.axis_chunks_iter_mut(Axis(0), LANES))
            .enumerate()
            .for_each(|(block, (mut x, mut log_prob))| {
                let lanes = (0..x.nrows()).map(|lane| streams.stream(block * LANES + lane)).collect();
                let mut rows: Vec<_> = x.outer_iter_mut().collect();
                let sums = self.walk.draw(lanes, &mut rows);
                for (log_prob, sum) in log_prob.iter_mut().zip(sums) {
                    *log_prob = self.log_prob_of_k(sum as i64 - flat);
                }
            });
        Samples { x, log_prob }
    }

    /// Scores under the plain law.
    pub(super) fn score_plain(&self, x: Configs<'_>) -> Array1<f64> {
        let score = |row: ndarray::ArrayView1<'_, u8>| {
            let mut h = 0;
            for (j, &n) in row.iter().enumerate() {
                h += 2 * i32::from(n) - 1;
                if !self.band.contains(j + 1, h) {
                    return f64::NEG_INFINITY;
                }
            }
            super::chain::dyck_k(row.iter().copied()).map_or(f64::NEG_INFINITY, |k| self.log_prob_of_k(k))
        };
        x.outer_iter().map(score).collect()
    }
}

/// Mass of the paths that leave a band, summed over first exits.
fn missing_mass(full: &Band, prior: &Transfer, kept: &Band) -> f64 {
    let mut missing = 0.0;
    let mut law = vec![1.0];
    for j in 0..full.sites() {
        let mut next = vec![0.0; kept.width(j + 1)];
        for (&mass, h) in law.iter().zip(kept.heights(j)) {
            let odds = prior.log_odds(full, j, h);
            for (h, odds) in [(h + 1, odds), (h - 1, -odds)] {
                let p = mass * (-log_add(0.0, -odds)).exp();
                if kept.contains(j + 1, h) {
                    next[((h - kept.range(j + 1).0) / 2) as usize] += p;
                } else {
                    missing += p;
                }
            }
        }
        law = next;
    }
    missing
}

impl Target for FredkinModel {
    fn dims(&self) -> &[usize] {
        self.chain.dims()
    }

    /// The log-probability.
    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    /// A draw.
    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        let mut x = Array1::zeros(self.band.sites());
        self.walk.draw(vec![stream.clone()], &mut [x.view_mut()]);
        // The caller's stream moves on by what the draw has used.
        let mut used = vec![0u8; 8 * self.band.sites().next_multiple_of(STRETCH)];
        stream.fill_bytes(&mut used);
        Some(x)
    }
}

impl Model for FredkinModel {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        w.check(self.dims(), Some(n))?;
        match w {
            SiteWeights::Uniform => Ok(self.sample_plain(n, streams)),
            _ => Ok(self.tilted(w, n, Some(streams), None)?.0),
        }
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), Some(x.nrows()))?;
        check_configs(x, self.dims())?;
        match w {
            SiteWeights::Uniform => Ok(self.score_plain(x)),
            _ => Ok(self.tilted(w, x.nrows(), None, Some(x))?.1),
        }
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        w.check(self.dims(), Some(old.nrows()))?;
        check_configs(old, self.dims())?;
        match w {
            SiteWeights::Uniform => Ok((self.sample_plain(old.nrows(), streams), self.score_plain(old))),
            _ => self.tilted(w, old.nrows(), Some(streams), Some(old)),
        }
    }
}

impl ExactModel for FredkinModel {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(self.dims(), None)?;
        Ok(self.evidences(w))
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(self.dims(), None)?;
        self.cavity_marginals(w)
    }
}
