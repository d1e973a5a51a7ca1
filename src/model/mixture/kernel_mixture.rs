//! The mixture as a model: draws, scores, evidence, cavities.

use ndarray::{Array1, Array2, Array3, ArrayView1};
use rand::RngExt;
use rayon::prelude::*;

use super::codes::Codes;
use super::codes::distinct;
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::log_space::log_sum_exp;
use crate::model::traits::{ExactModel, Model, Samples, Target, initial_draw};
use crate::model::weights::SiteWeights;
use crate::model::{Configs, check_configs};
use crate::rng::{Stream, Streams};

/// A normalised mixture of products.
///
/// Invariant: distinct components with weights above zero that sum to one; rows of the tables sum to one.
///
/// **Smallest probability.** Component and symbols are chosen by uniform numbers of 53 bits: each of these
/// probabilities is drawn to within 2⁻⁵³ ≈ 1.1e-16, and one below that may never be drawn.
#[derive(Debug, Clone)]
pub struct KernelMixture {
    pub(super) centres: Array2<u8>,
    pub(super) codes: Codes,
    pub(super) weights: Vec<f64>,
    pub(super) log_weights: Vec<f64>,
    /// `K_j(a → b)`, shape `(d_in, d_out)`.
    pub(super) tables: Vec<Array2<f64>>,
    pub(super) dims: Vec<usize>,
}

/// The components under site weights.
struct Posterior {
    /// `p_i` over the largest.
    p: Vec<f64>,
    total: f64,
    log_evidence: f64,
}

impl KernelMixture {
    /// The law of the rows of `centres` with weights (equal ones for `None`; they need not sum to one)
    /// through the tables `K_j(a → b)`, one a site, whose rows are normalised here.
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] for no rows; [`Error::SampleCount`] for weights of another length;
    /// [`Error::SiteCount`] for no sites or another number of tables; configurations out of range;
    /// [`Error::Negative`], [`Error::NotFinite`] for weights and tables; [`Error::ZeroWeight`] where all
    /// weights or a row of a table vanish; [`Error::Parameter`] for dimensions outside 1..=256.
    ///
    /// # Examples
    /// ```
    /// # use tensorjump::model::KernelMixture;
    /// # use tensorjump::{SiteWeights, Model};
    /// let flip = ndarray::array![[0.9, 0.1], [0.1, 0.9]];
    /// let law = KernelMixture::new(ndarray::array![[0, 0], [1, 1]].view(), None, &[flip.clone(), flip])?;
    /// let log_prob = law.log_prob(ndarray::array![[0, 0]].view())?;
    /// assert!((log_prob[0] - (0.5 * 0.81 + 0.5 * 0.01f64).ln()).abs() < 1e-15);
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(centres: Configs<'_>, weights: Option<ArrayView1<'_, f64>>, tables: &[Array2<f64>]) -> Result<Self> {
        let tables = tables.iter().enumerate().map(|(j, t)| stochastic(j, t)).collect::<Result<Vec<_>>>()?;
        if tables.is_empty() {
            return Err(Error::SiteCount { expected: 1, got: 0 });
        }
        let dims_in: Vec<usize> = tables.iter().map(Array2::nrows).collect();
        check_configs(centres, &dims_in)?;
        let given = sample_weights(centres.nrows(), weights)?;
        let (centres, place) = distinct(centres);
        let mut weights = vec![0.0; centres.nrows()];
        place.iter().zip(&given).for_each(|(&k, w)| weights[k] += w);
        let kept: Vec<usize> = (0..weights.len()).filter(|&k| weights[k] > 0.0).collect();
        let weights: Vec<f64> = kept.iter().map(|&k| weights[k]).collect();
        let centres = centres.select(ndarray::Axis(0), &kept);
        Ok(KernelMixture {
            codes: Codes::new(centres.view(), &dims_in),
            log_weights: weights.iter().map(|w| w.ln()).collect(),
            dims: tables.iter().map(Array2::ncols).collect(),
            centres,
            weights,
            tables,
        })
    }

    /// The distinct configurations with weight, in lexicographic order, shape `(components, sites)`.
    pub fn centres(&self) -> Configs<'_> {
        self.centres.view()
    }

    /// Their weights, which sum to one.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The table `K_j(a → b)` of each site.
    pub fn tables(&self) -> &[Array2<f64>] {
        &self.tables
    }

    /// Adds up `ln ω_i + Σ_j value(j, c_i^j)` of all components.
    pub(super) fn scores(&self, value: impl Fn(usize, usize) -> f64) -> Vec<f64> {
        let mut scores = self.log_weights.clone();
        self.codes.add(value, &mut scores);
        scores
    }

    /// `ln m_j(a)` of a row, shape `(sites, d_in_max)`, padding zero; −∞ where the weights exclude the state.
    fn log_factors(&self, w: &SiteWeights<'_>, row: usize) -> Array2<f64> {
        let d = self.tables.iter().map(Array2::nrows).max().unwrap_or(0);
        let mut factors = Array2::zeros((self.tables.len(), d));
        for (j, table) in self.tables.iter().enumerate() {
            for (a, law) in table.outer_iter().enumerate() {
                let m: f64 = law.iter().enumerate().map(|(b, k)| k * w.get(row, j, b)).sum();
                factors[[j, a]] = m.ln();
            }
        }
        factors
    }

    fn posterior(&self, w: &SiteWeights<'_>, row: usize) -> Posterior {
        if matches!(w, SiteWeights::Uniform) {
            return Posterior { p: self.weights.clone(), total: self.weights.iter().sum(), log_evidence: 0.0 };
        }
        let factors = self.log_factors(w, row);
        let scores = self.scores(|j, a| factors[[j, a]]);
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let p: Vec<f64> = scores.iter().map(|s| if max > f64::NEG_INFINITY { (s - max).exp() } else { 0.0 }).collect();
        let total: f64 = p.iter().sum();
        Posterior { log_evidence: if total > 0.0 { max + total.ln() } else { max }, p, total }
    }

    /// `log P(x | w)` from the evidence of the weights.
    fn score(&self, x: ArrayView1<'_, u8>, w: &SiteWeights<'_>, row: usize, log_evidence: f64) -> f64 {
        let scores = self.scores(|j, a| self.tables[j][[a, x[j].into()]].ln());
        let tilt: f64 = match w {
            SiteWeights::Uniform => 0.0,
            _ => x.iter().enumerate().map(|(j, &b)| w.get(row, j, b.into()).ln()).sum(),
        };
        log_sum_exp(&scores) + tilt - log_evidence
    }

    fn draw(&self, w: &SiteWeights<'_>, row: usize, posterior: &Posterior, stream: &mut Stream) -> Vec<u8> {
        let component = choose(&posterior.p, posterior.total, stream.random());
        let site = |(j, &a): (usize, &u8)| {
            let law: Vec<f64> =
                self.tables[j].row(a.into()).iter().enumerate().map(|(b, k)| k * w.get(row, j, b)).collect();
            choose(&law, law.iter().sum(), stream.random()) as u8
        };
        self.centres.row(component).iter().enumerate().map(site).collect()
    }

    /// Draws from the streams where given, and scores of the given configurations.
    fn reply(
        &self,
        w: &SiteWeights<'_>,
        n: usize,
        streams: Option<&Streams>,
        old: Option<Configs<'_>>,
    ) -> Result<(Samples, Array1<f64>)> {
        w.check(&self.dims, Some(n))?;
        let streams = streams.map(|s| s.domain("model"));
        let common = w.rows().is_none().then(|| self.posterior(w, 0));
        let work = |row: usize| {
            let own;
            let posterior = match &common {
                Some(common) => common,
                None => {
                    own = self.posterior(w, row);
                    &own
                }
            };
            if posterior.total == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            let x = streams.map(|s| self.draw(w, row, posterior, &mut s.stream(row))).unwrap_or_default();
            let score = |x: ArrayView1<'_, u8>| self.score(x, w, row, posterior.log_evidence);
            let drawn = if x.is_empty() { 0.0 } else { score(ArrayView1::from(&x)) };
            Ok((x, drawn, old.map_or(0.0, |old| score(old.row(row)))))
        };
        let rows: Vec<Result<_>> = (0..n).into_par_iter().map(work).collect();
        let rows = rows.into_iter().collect::<Result<Vec<_>>>()?;
        let drawn = if streams.is_some() { n } else { 0 };
        let x = Array2::from_shape_fn((drawn, self.dims.len()), |(i, j)| rows[i].0[j]);
        let log_prob = rows[..drawn].iter().map(|r| r.1).collect();
        let scores = if old.is_some() { rows.iter().map(|r| r.2).collect() } else { Array1::default(0) };
        Ok((Samples { x, log_prob }, scores))
    }

    /// Cavities of one row, `(sites, d_max)`.
    ///
    /// Components that the weights exclude at a single site still count in the cavity of that site.
    fn cavities_of(&self, w: &SiteWeights<'_>, row: usize) -> Result<Array2<f64>> {
        let factors = self.log_factors(w, row);
        let finite = |j: usize, a: usize| if factors[[j, a]] > f64::NEG_INFINITY { factors[[j, a]] } else { 0.0 };
        let mut scores = self.scores(finite);
        // ln Σ_i ω_i ∏_{l≠j} m_l(c_i^l) over components in each state of each site.
        let mut cavity = Array2::from_elem(factors.dim(), f64::NEG_INFINITY);
        if factors.iter().any(|&f| f == f64::NEG_INFINITY) {
            let mut zeros = vec![0.0; scores.len()];
            self.codes.add(|j, a| f64::from(u8::from(factors[[j, a]] == f64::NEG_INFINITY)), &mut zeros);
            for (i, centre) in self.centres.outer_iter().enumerate().filter(|(i, _)| zeros[*i] == 1.0) {
                let states = centre.iter().enumerate().map(|(j, &a)| (j, usize::from(a)));
                if let Some(site) = states.into_iter().find(|&site| factors[site] == f64::NEG_INFINITY) {
                    cavity[site] = log_add(cavity[site], scores[i]);
                }
            }
            scores.iter_mut().zip(&zeros).filter(|(_, z)| **z > 0.0).for_each(|(s, _)| *s = f64::NEG_INFINITY);
        }
        let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if max > f64::NEG_INFINITY {
            scores.iter_mut().for_each(|s| *s = (*s - max).exp());
            self.codes.totals(&scores, |j, a, total| {
                if total > 0.0 {
                    cavity[[j, a]] = log_add(cavity[[j, a]], total.ln() + max - factors[[j, a]]);
                }
            });
        }
        let mut laws = Array2::zeros((self.dims.len(), self.dims.iter().copied().max().unwrap_or(0)));
        for (j, table) in self.tables.iter().enumerate() {
            let d = table.nrows();
            let max = cavity.row(j).iter().take(d).copied().fold(f64::NEG_INFINITY, f64::max);
            if max == f64::NEG_INFINITY {
                return Err(Error::ZeroEvidence { row });
            }
            let p = Array1::from_shape_fn(d, |a| (cavity[[j, a]] - max).exp());
            let law = p.dot(table);
            laws.slice_mut(ndarray::s![j, ..law.len()]).assign(&(&law / law.sum()));
        }
        Ok(laws)
    }
}

fn log_add(a: f64, b: f64) -> f64 {
    log_sum_exp(&[a, b])
}

/// A table with rows that sum to one, or what is wrong with it.
fn stochastic(site: usize, table: &Array2<f64>) -> Result<Array2<f64>> {
    for d in [table.nrows(), table.ncols()] {
        if !(1..=256).contains(&d) {
            return Err(Error::parameter("local dimension", d, "between 1 and 256"));
        }
    }
    if let Some(&value) = table.iter().find(|v| !v.is_finite()) {
        return Err(Error::NotFinite { field: "table of a mixture", site, value });
    }
    if let Some(&value) = table.iter().find(|v| **v < 0.0) {
        return Err(Error::Negative { field: "table of a mixture", site, value });
    }
    let mut table = table.clone();
    for mut row in table.outer_iter_mut() {
        // In units of the largest where the sum overflows; elsewhere rows that sum to one stay as they are,
        // bit by bit.
        if row.sum() == f64::INFINITY {
            row /= row.fold(0.0f64, |m, &v| m.max(v));
        }
        let sum = row.sum();
        if sum == 0.0 {
            return Err(Error::ZeroWeight { what: "row of a table of a mixture" });
        }
        row /= sum;
    }
    Ok(table)
}

/// Weights of samples, checked and with sum one.
pub(crate) fn sample_weights(n: usize, weights: Option<ArrayView1<'_, f64>>) -> Result<Vec<f64>> {
    if n == 0 {
        return Err(Error::TooFewSamples { needed: 1, got: 0 });
    }
    let Some(weights) = weights else { return Ok(vec![1.0 / n as f64; n]) };
    if weights.len() != n {
        return Err(Error::SampleCount { expected: n, got: weights.len() });
    }
    for (site, &value) in weights.iter().enumerate() {
        if !value.is_finite() {
            return Err(Error::NotFinite { field: "weight of a sample", site, value });
        }
        if value < 0.0 {
            return Err(Error::Negative { field: "weight of a sample", site, value });
        }
    }
    // In units of the largest: the sum of large weights may overflow.
    let max = weights.fold(0.0f64, |m, &w| m.max(w));
    if max == 0.0 {
        return Err(Error::ZeroWeight { what: "set of samples" });
    }
    let total: f64 = weights.iter().map(|w| w / max).sum();
    Ok(weights.iter().map(|w| w / max / total).collect())
}

impl Target for KernelMixture {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        initial_draw(self, stream)
    }
}

impl Model for KernelMixture {
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.reply(w, n, Some(streams), None)?.0)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        check_configs(x, &self.dims)?;
        Ok(self.reply(w, x.nrows(), None, Some(x))?.1)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        check_configs(old, &self.dims)?;
        self.reply(w, old.nrows(), Some(streams), Some(old))
    }
}

impl ExactModel for KernelMixture {
    fn log_evidence(&self, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        w.check(&self.dims, None)?;
        let rows = w.rows().unwrap_or(1);
        let evidence: Vec<f64> = (0..rows).into_par_iter().map(|row| self.posterior(w, row).log_evidence).collect();
        Ok(evidence.into())
    }

    fn cavities(&self, w: &SiteWeights<'_>) -> Result<Array3<f64>> {
        w.check(&self.dims, None)?;
        let rows = w.rows().unwrap_or(1);
        let laws: Vec<Result<Array2<f64>>> = (0..rows).into_par_iter().map(|row| self.cavities_of(w, row)).collect();
        let (n, d) = (self.dims.len(), self.dims.iter().copied().max().unwrap_or(0));
        let mut cavities = Array3::zeros((rows, n, d));
        for (mut to, law) in cavities.outer_iter_mut().zip(laws) {
            to.assign(&law?);
        }
        Ok(cavities)
    }
}
