//! Guidance: a reverse process pulled towards a label `y` with strength γ, in two schemes (arXiv 2412.10193),
//!
//! ```text
//! classifier-free     p^γ(z_s^j | z_t) ∝ p(z_s^j | z_t, y)^γ p(z_s^j | z_t)^{1−γ}
//! classifier-based    p^γ(z_s^j | z_t) ∝ p(z_s^j | z_t) p(y | z_t^{j→a})^γ,      a = z_s^j,
//! ```
//!
//! all sites at once, where `p(z_s^j = b | z_t) ∝ [Σ_a c_j(a) K_{0→s}(a → b)] K_{s→t}(b → z_t^j)` comes from
//! the cavities. The classifier needs no evaluation of neighbours: up to a constant `p(y | z_t^{j→a})` is the
//! ratio of two conditional marginals, `p_j(a | z_t^{−j}, y) / p_j(a | z_t^{−j})`.
//!
//! As the steps shrink both become the jump process with the rates `R_y^γ R^{1−γ}`, those of the [`Denoiser`]
//! that [`Guided`] is: so it runs in every sampler. At γ = 1 that is the conditional process, reached with
//! order Δ. **At γ ≠ 1 the law is not `P(x) p(y|x)^γ`**, however small the steps: the marginal laws of the
//! guided process at intermediate times are not those of noised data. Where the truth is wanted, condition
//! exactly: [`PositiveMps::constrained`](crate::model::PositiveMps::constrained),
//! [`LabelLeg::class`](crate::model::LabelLeg::class), site weights. Cost of a step: two evaluations of
//! denoisers (three with a classifier).

use std::fmt;

use ndarray::{Array1, Array2, Array3, Axis, s};
use rand::RngExt;

use super::denoiser::Denoiser;
use super::denoiser::{cavities_of, marginals_at_of, marginals_of};
use super::reverse::{Step, TimeGrid};
use crate::choose::choose;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::noise::Noise;
use crate::rng::Streams;

/// How label and model are combined in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Scheme {
    /// The steps with and without the label.
    ClassifierFree,
    /// The step without the label and the classifier of noised configurations.
    ClassifierBased,
}

/// Two denoisers under the same noise, with the label and without, combined with strength γ.
///
/// As a [`Denoiser`] its conditional marginals are `∝ p_j(b | y_{−j}, label)^γ p_j(b | y_{−j})^{1−γ}`, so
/// that reverse rates are `R_label^γ R^{1−γ}` in either scheme. Its cavities are the same geometric mean of
/// cavities, a law but, at γ ∉ {0, 1}, not the one whose noised marginals these are: an analytical sampler
/// that reads cavities guides the clean configuration that it predicts.
///
/// The denoisers may be owned, borrowed or shared.
#[derive(Debug, Clone, Copy)]
pub struct Guided<C, U> {
    conditional: C,
    unconditional: U,
    scheme: Scheme,
    gamma: f64,
}

/// Draws of a guided process.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct GuidedSamples {
    /// Configurations at the last time, shape `(samples, sites)`.
    pub x: Array2<u8>,
    /// Rows that reached a configuration impossible under the label (only where noise leaves zeros, as masks
    /// do) and stopped there; at time zero they may still hold masks.
    pub stranded: Vec<usize>,
    /// Evaluations of the pair of denoisers on a batch or a part of it.
    pub evaluations: usize,
}

impl<C: Denoiser, U: Denoiser> Guided<C, U> {
    /// Guidance of `unconditional` towards the label of `conditional`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for γ negative or not finite; [`Error::SiteCount`], [`Error::LocalDimension`]
    /// where the two disagree, and [`Error::Parameter`] where their rates or schedules do.
    ///
    /// # Examples
    /// ```
    /// use tensorjump::diffusion::{ExactDenoiser, Guided, Scheme};
    /// use tensorjump::model::{Boundary, LabelLeg, PositiveMps};
    /// use tensorjump::noise::{Noise, Rates, Schedule};
    /// use tensorjump::Streams;
    ///
    /// let ring = PositiveMps::ising(0.3, &[1.0; 6], &[0.0; 6], Boundary::Ring)?;
    /// // Label 1: more up than down.
    /// let leg = LabelLeg::by_sum(&ring, &vec![vec![-1, 1]; 6], &[-6..=0, 1..=6])?;
    /// let noise = Noise::new(Rates::binary_flip(6, 1.0, 1.0)?, Schedule::default());
    /// let (up, all) = (leg.class(1)?, leg.marginal());
    /// let (up, all) = (ExactDenoiser::new(&up, &noise)?, ExactDenoiser::new(&all, &noise)?);
    /// let guided = Guided::new(&up, &all, Scheme::ClassifierFree, 1.0)?;
    /// let start = ndarray::Array2::from_shape_fn((10, 6), |(i, j)| ((i + j) % 2) as u8);
    /// let draws = guided.sample(&[1.0, 0.5, 0.2, 0.0], start.view(), &Streams::new(1))?;
    /// assert_eq!(draws.x.dim(), (10, 6));
    /// # Ok::<(), tensorjump::Error>(())
    /// ```
    pub fn new(conditional: C, unconditional: U, scheme: Scheme, gamma: f64) -> Result<Self> {
        if !(gamma >= 0.0 && gamma.is_finite()) {
            return Err(Error::parameter("gamma", gamma, "finite and not negative"));
        }
        unconditional.noise().check_same(conditional.noise())?;
        Ok(Guided { conditional, unconditional, scheme, gamma })
    }

    /// The strength γ.
    pub fn gamma(&self) -> f64 {
        self.gamma
    }

    /// The law of one step from `y` at `t` to `s < t`, a product over the sites: shape
    /// `(samples, sites, d_out_max)`, padding (and at `s = 0` the mask) zero.
    ///
    /// # Errors
    /// [`Error::TimeOrder`], [`Error::Parameter`] for times; as [`Denoiser::cavities`];
    /// [`Error::ZeroEvidence`] for a row from which the label cannot be reached.
    pub fn step_law(&self, s: f64, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        check_configs(y, self.noise().dims_out())?;
        let plain = |denoiser: &dyn Denoiser| Ok(Step::Analytical.law(denoiser, (s, t), y)?.marginals);
        match self.scheme {
            _ if self.gamma == 0.0 => plain(&self.unconditional),
            Scheme::ClassifierFree if self.gamma == 1.0 => plain(&self.conditional),
            Scheme::ClassifierFree => {
                let without = plain(&self.unconditional)?;
                pulled(without.clone(), &plain(&self.conditional)?, &without, self.gamma)
            }
            Scheme::ClassifierBased => {
                let with = marginals_of(&self.conditional, t, y)?;
                let without = marginals_of(&self.unconditional, t, y)?;
                pulled(plain(&self.unconditional)?, &with, &without, self.gamma)
            }
        }
    }

    /// Runs the process through descending times from `start` at the first of them, with one step law between
    /// each two.
    ///
    /// Row `i` uses stream `i` of step `k` of the domain `"guidance"`.
    ///
    /// # Errors
    /// [`Error::Parameter`] for fewer than two times, or one that is negative or NaN; [`Error::TimeOrder`];
    /// configurations of the wrong shape or out of range; errors of the denoisers, but for
    /// [`Error::ZeroEvidence`]: such rows are reported in [`GuidedSamples::stranded`].
    pub fn sample(&self, times: &[f64], start: Configs<'_>, streams: &Streams) -> Result<GuidedSamples> {
        let grid = TimeGrid::new(times.to_vec())?;
        check_configs(start, self.noise().dims_out())?;
        let streams = streams.domain("guidance");
        let mut run = GuidedSamples { x: start.to_owned(), stranded: Vec::new(), evaluations: 0 };
        let mut rows: Vec<usize> = (0..start.nrows()).collect();
        for (k, step) in grid.pairs().enumerate() {
            let streams = streams.step(k as u64);
            let mut alive = Vec::with_capacity(rows.len());
            self.advance(step, &rows, &streams, &mut run, &mut alive)?;
            rows = alive;
        }
        run.stranded.sort_unstable();
        Ok(run)
    }

    /// One step of the listed rows; halves the list where a row has no evidence.
    fn advance(
        &self,
        (s, t): (f64, f64),
        rows: &[usize],
        streams: &Streams,
        run: &mut GuidedSamples,
        alive: &mut Vec<usize>,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        run.evaluations += 1;
        match self.step_law(s, t, run.x.select(Axis(0), rows).view()) {
            Ok(laws) => {
                for (law, &row) in laws.outer_iter().zip(rows) {
                    let mut stream = streams.stream(row);
                    let mut x = run.x.row_mut(row);
                    x.iter_mut()
                        .zip(law.outer_iter())
                        .for_each(|(x, law)| *x = choose(&law.to_vec(), 1.0, stream.random()) as u8);
                }
                alive.extend_from_slice(rows);
            }
            Err(Error::ZeroEvidence { .. }) if rows.len() == 1 => run.stranded.push(rows[0]),
            Err(Error::ZeroEvidence { .. }) => {
                let (left, right) = rows.split_at(rows.len() / 2);
                self.advance((s, t), left, streams, run, alive)?;
                self.advance((s, t), right, streams, run, alive)?;
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

impl<C: Denoiser, U: Denoiser> Denoiser for Guided<C, U> {
    fn noise(&self) -> &Noise {
        self.unconditional.noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.combined(|denoiser| marginals_of(denoiser, t, y))
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        self.combined(|denoiser| cavities_of(denoiser, t, y))
    }

    fn conditional_marginals_at(&self, times: &[f64], y: Configs<'_>) -> Result<Array3<f64>> {
        self.combined(|denoiser| marginals_at_of(denoiser, times, y))
    }

    /// At γ = 0 and 1 the draw of the denoiser that is left; in between there is no law to draw from.
    fn draw_clean(&self, t: f64, y: Configs<'_>, streams: &Streams) -> Result<Option<Array2<u8>>> {
        match self.gamma {
            0.0 => self.unconditional.draw_clean(t, y, streams),
            1.0 => self.conditional.draw_clean(t, y, streams),
            _ => Ok(None),
        }
    }

    /// Possible without the label and, at γ > 0, with it.
    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        let mut possible = self.unconditional.possible(t, y)?;
        if self.gamma > 0.0 {
            possible.iter_mut().zip(self.conditional.possible(t, y)?).for_each(|(all, with)| *all &= with);
        }
        Ok(possible)
    }
}

impl<C: Denoiser, U: Denoiser> Guided<C, U> {
    fn combined(&self, of: impl Fn(&dyn Denoiser) -> Result<Array3<f64>>) -> Result<Array3<f64>> {
        match self.gamma {
            0.0 => of(&self.unconditional),
            1.0 => of(&self.conditional),
            gamma => {
                let without = of(&self.unconditional)?;
                pulled(without.clone(), &of(&self.conditional)?, &without, gamma)
            }
        }
    }
}

/// The conditional denoiser of a classifier: `p_j(b | y_{−j}, label) ∝ p_j(b | y_{−j}) p(label | y^{j→b})`,
/// the neighbours evaluated one by one: `N d` configurations a row. For learned classifiers; an exact one is
/// cheaper as the denoiser of a [`LabelLeg::class`](crate::model::LabelLeg::class).
///
/// The denoiser may be owned, borrowed or shared.
pub struct Classified<U, F> {
    unconditional: U,
    log_likelihood: F,
}

impl<U: fmt::Debug, F> fmt::Debug for Classified<U, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Classified").field("unconditional", &self.unconditional).finish_non_exhaustive()
    }
}

impl<U: Denoiser, F: Fn(f64, Configs<'_>) -> Result<Array1<f64>> + Send + Sync> Classified<U, F> {
    /// From `log_likelihood(t, y) = log p(label | y)` in nats of noised configurations at time `t`, shape
    /// `(samples,)`; −∞ allowed.
    pub fn new(unconditional: U, log_likelihood: F) -> Self {
        Classified { unconditional, log_likelihood }
    }

    /// What the user's function answers, checked.
    fn log_likelihood(&self, t: f64, y: Configs<'_>) -> Result<Array1<f64>> {
        let log = (self.log_likelihood)(t, y)?;
        if log.len() != y.nrows() {
            return Err(Error::SampleCount { expected: y.nrows(), got: log.len() });
        }
        match log.iter().position(|v| v.is_nan() || *v == f64::INFINITY) {
            Some(row) => Err(Error::LogWeight { row, value: log[row] }),
            None => Ok(log),
        }
    }
}

impl<U: Denoiser, F: Fn(f64, Configs<'_>) -> Result<Array1<f64>> + Send + Sync> Denoiser for Classified<U, F> {
    fn noise(&self) -> &Noise {
        self.unconditional.noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let mut law = marginals_of(&self.unconditional, t, y)?;
        let dims = self.noise().dims_out();
        let mut neighbours = y.to_owned();
        for (j, &d) in dims.iter().enumerate() {
            let mut logs = Array2::from_elem((y.nrows(), d), f64::NEG_INFINITY);
            for b in 0..d {
                neighbours.column_mut(j).fill(b as u8);
                logs.column_mut(b).assign(&self.log_likelihood(t, neighbours.view())?);
            }
            neighbours.column_mut(j).assign(&y.column(j));
            for (mut law, logs) in law.slice_mut(s![.., j, ..d]).outer_iter_mut().zip(logs.outer_iter()) {
                let max = logs.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
                law.zip_mut_with(&logs, |p, &v| *p *= if max > f64::NEG_INFINITY { (v - max).exp() } else { 0.0 });
            }
        }
        normalised(law)
    }

    /// Possible without the label, with a label of positive probability.
    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        let mut possible = self.unconditional.possible(t, y)?;
        let log = self.log_likelihood(t, y)?;
        possible.iter_mut().zip(&log).for_each(|(possible, &log)| *possible &= log > f64::NEG_INFINITY);
        Ok(possible)
    }
}

/// `∝ law (with/without)^γ` of every row and site; zero where the law or, at γ > 0, the label excludes the
/// state.
fn pulled(mut law: Array3<f64>, with: &Array3<f64>, without: &Array3<f64>, gamma: f64) -> Result<Array3<f64>> {
    if gamma == 0.0 {
        return Ok(law);
    }
    for laws in [&law, with, without] {
        if let Some(((_, site, _), &value)) = laws.indexed_iter().find(|(_, p)| **p < 0.0) {
            return Err(Error::Negative { field: "law to be guided", site, value });
        }
    }
    ndarray::Zip::from(law.lanes_mut(Axis(2))).and(with.lanes(Axis(2))).and(without.lanes(Axis(2))).for_each(
        |mut law, with, without| {
            // In logarithms: powers of small ratios would overflow.
            let log = |p: f64, with: f64, without: f64| match p > 0.0 && with > 0.0 && without > 0.0 {
                true => p.ln() + gamma * (with.ln() - without.ln()),
                false => f64::NEG_INFINITY,
            };
            ndarray::Zip::from(&mut law).and(with).and(without).for_each(|p, &v, &u| *p = log(*p, v, u));
            let max = law.fold(f64::NEG_INFINITY, |m, &v| m.max(v));
            law.mapv_inplace(|v| if max > f64::NEG_INFINITY { (v - max).exp() } else { 0.0 });
        },
    );
    normalised(law)
}

/// Laws that sum to one; zero evidence names the row.
fn normalised(mut laws: Array3<f64>) -> Result<Array3<f64>> {
    for (row, mut sites) in laws.outer_iter_mut().enumerate() {
        for (site, mut law) in sites.outer_iter_mut().enumerate() {
            let total = law.sum();
            if total == 0.0 {
                return Err(Error::ZeroEvidence { row });
            }
            if !total.is_finite() {
                return Err(Error::NotFinite { field: "guided law", site, value: total });
            }
            if let Some(&value) = law.iter().find(|p| **p < 0.0) {
                return Err(Error::Negative { field: "guided law", site, value });
            }
            law /= total;
        }
    }
    Ok(laws)
}
