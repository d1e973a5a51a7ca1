//! What a reverse process asks of a law: the conditional marginals of its noised configurations at any time,
//! exact, learned or given.
//!
//! ```text
//! p_j(b) = P_t(y_j = b | y_{−j})          conditional marginals, what every denoiser gives
//! c_j(a) = P(x_0^j = a | y_{−j})          cavities: c K = p, from the denoiser itself where it knows them
//! β(t) Q_j(b → y_j) p_j(b) / p_j(y_j)     rates of the reverse process from y to y^{j→b}
//! ```
//!
//! All samplers, bounds and losses take a [`Denoiser`], so that exact, learned and user-given ones run
//! through the same code and are measured by the same rule.

use std::fmt;
use std::ops::Deref;

use ndarray::{Array2, Array3, ArrayView1, ArrayView3, Axis, s};
use rayon::prelude::*;

use super::denoise::{Denoise, ExactDiffusion};
use super::reverse_rates::rates_in_place;
use super::scores::{
    Scores, cavities_from_conditionals, conditionals_from_cavities, conditionals_from_ratios, ratios_from_conditionals,
};
use super::scores::{check_sign, through_kernel};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, ExactModel, SiteWeights, check_configs};
use crate::noise::{Kernel, Noise};
use crate::rng::Streams;

/// Conditional marginals of the noised law at any time.
pub trait Denoiser: Send + Sync {
    /// The noise that the denoiser undoes.
    fn noise(&self) -> &Noise;

    /// `p_j(b) = P_t(y_j = b | y_{−j})` for each row of `y`, a configuration at time `t > 0`: shape
    /// `(samples, sites, d_out_max)`, normalised over `b`, padding zero. Site `j` must not read `y_j`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range; a time out of range; rows of probability zero,
    /// where the denoiser knows them.
    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>>;

    /// Cavities `c_j(a) = P(x_0^j = a | y_{−j})`, shape `(samples, sites, d_in_max)`. By default the solution
    /// of `c K = p`; its error grows as the condition of the kernel.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`]; [`Error::NotInvertible`] where the default has to undo a
    /// singular kernel.
    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise().kernel(0.0, t)?;
        cavities_from_conditionals(&kernel, y, marginals_of(self, t, y)?.view(), |_| true)
    }

    /// Rates of the reverse process at time `t` out of each row of `y`, `(samples, sites, d_out_max)` in
    /// inverse time, zero at `y_j`.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`]; [`Error::ZeroEvidence`] for a row with `p_j(y_j) = 0`.
    fn reverse_rates(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let beta = self.noise().schedule().rate(t)?;
        rates_in_place(self.noise(), beta, y, self.conditional_marginals(t, y)?)
    }

    /// Ratios `P_t(y with y_j = b) / P_t(y)`, `(samples, sites, d_out_max)`.
    ///
    /// # Errors
    /// As [`Denoiser::reverse_rates`].
    fn score_ratios(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise().kernel(0.0, t)?;
        ratios_from_conditionals(&kernel, y, self.conditional_marginals(t, y)?.view())
    }

    /// [`Denoiser::conditional_marginals`] with a time of its own for each row. By default row by row, in
    /// parallel.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`]; [`Error::SampleCount`] for a wrong number of times.
    fn conditional_marginals_at(&self, times: &[f64], y: Configs<'_>) -> Result<Array3<f64>> {
        if times.len() != y.nrows() {
            return Err(Error::SampleCount { expected: y.nrows(), got: times.len() });
        }
        let one = |(row, &t): (usize, &f64)| {
            let marginals = self.conditional_marginals(t, y.slice(s![row..row + 1, ..]));
            marginals.map_err(|error| match error {
                Error::ZeroEvidence { .. } => Error::ZeroEvidence { row },
                error => error,
            })
        };
        let rows: Vec<_> = times.par_iter().enumerate().map(one).collect::<Result<_>>()?;
        let d_out = self.noise().dims_out().iter().copied().max().unwrap_or(0);
        let mut all = Array3::zeros((0, y.ncols(), d_out));
        for row in &rows {
            let (sites, d) = (row.dim().1, row.dim().2);
            let shape = || Error::Shape {
                field: "conditional marginals",
                expected: vec![1, y.ncols(), d_out],
                got: vec![row.dim().0, sites, d],
            };
            all.append(Axis(0), row.view()).map_err(|_| shape())?;
        }
        Ok(all)
    }

    /// One joint draw `x_0 ~ P(· | x_t = y)` a row, where the denoiser has a law to draw from; `None` where
    /// it has marginals only.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`].
    fn draw_clean(&self, _t: f64, _y: Configs<'_>, _streams: &Streams) -> Result<Option<Array2<u8>>> {
        Ok(None)
    }

    /// Which rows of `y` have a positive probability at time `t`: by default those with conditional marginals
    /// and `p_j(y_j) > 0` at every site. Samplers set aside the rows that have none, where otherwise one row
    /// without evidence would be the error of its whole batch. Cost of the default: one evaluation, and for
    /// each impossible row the logarithm of the number of rows more.
    ///
    /// # Errors
    /// As [`Denoiser::conditional_marginals`], but for [`Error::ZeroEvidence`].
    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        possible_rows(&|y| self.conditional_marginals(t, y), y)
    }
}

/// Rows with marginals and `p_j(y_j) > 0`; a batch that holds others is halved until they are found.
fn possible_rows(marginals: &dyn Fn(Configs<'_>) -> Result<Array3<f64>>, y: Configs<'_>) -> Result<Vec<bool>> {
    match marginals(y) {
        Ok(p) => {
            let seen = |row: usize, j: usize, b: u8| p.get((row, j, b.into())).is_none_or(|p| *p > 0.0);
            let all = |(row, y): (usize, ArrayView1<'_, u8>)| y.iter().enumerate().all(|(j, &b)| seen(row, j, b));
            Ok(y.outer_iter().enumerate().map(all).collect())
        }
        Err(Error::ZeroEvidence { .. }) if y.nrows() == 1 => Ok(vec![false]),
        Err(Error::ZeroEvidence { .. }) if y.nrows() > 1 => {
            let (left, right) = y.split_at(Axis(0), y.nrows() / 2);
            Ok([possible_rows(marginals, left)?, possible_rows(marginals, right)?].concat())
        }
        Err(error) => Err(error),
    }
}

/// Whatever points at a denoiser is that denoiser: `&D`, `Box<D>`, `Arc<D>`.
impl<P: Deref<Target: Denoiser> + Send + Sync> Denoiser for P {
    fn noise(&self) -> &Noise {
        (**self).noise()
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        (**self).conditional_marginals(t, y)
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        (**self).cavities(t, y)
    }

    fn score_ratios(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        (**self).score_ratios(t, y)
    }

    fn reverse_rates(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        (**self).reverse_rates(t, y)
    }

    fn conditional_marginals_at(&self, times: &[f64], y: Configs<'_>) -> Result<Array3<f64>> {
        (**self).conditional_marginals_at(times, y)
    }

    fn draw_clean(&self, t: f64, y: Configs<'_>, streams: &Streams) -> Result<Option<Array2<u8>>> {
        (**self).draw_clean(t, y, streams)
    }

    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        (**self).possible(t, y)
    }
}

/// The conditional marginals of a denoiser that may be a user's: of the right shape, finite, not negative,
/// padding zero.
pub(crate) fn marginals_of<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
    const FIELD: &str = "conditional marginals";
    check_configs(y, denoiser.noise().dims_out())?;
    let p = denoiser.conditional_marginals(t, y)?;
    check_answer(p.view(), y.nrows(), denoiser.noise().dims_out(), FIELD)?;
    check_sign(p.view(), FIELD)?;
    Ok(p)
}

/// As [`marginals_of`] with a time of its own for each row.
pub(crate) fn marginals_at_of<D: Denoiser + ?Sized>(
    denoiser: &D,
    times: &[f64],
    y: Configs<'_>,
) -> Result<Array3<f64>> {
    const FIELD: &str = "conditional marginals";
    check_configs(y, denoiser.noise().dims_out())?;
    let p = denoiser.conditional_marginals_at(times, y)?;
    check_answer(p.view(), y.nrows(), denoiser.noise().dims_out(), FIELD)?;
    check_sign(p.view(), FIELD)?;
    Ok(p)
}

/// The cavities of a denoiser that may be a user's: of the right shape, finite, padding zero. Those of
/// inverted kernels may be negative by rounding.
pub(crate) fn cavities_of<D: Denoiser + ?Sized>(denoiser: &D, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
    check_configs(y, denoiser.noise().dims_out())?;
    let cavities = denoiser.cavities(t, y)?;
    check_answer(cavities.view(), y.nrows(), denoiser.noise().dims_in(), "cavities")?;
    Ok(cavities)
}

fn check_answer(answer: ArrayView3<'_, f64>, rows: usize, dims: &[usize], field: &'static str) -> Result<()> {
    let d_max = dims.iter().copied().max().unwrap_or(0);
    if answer.dim() != (rows, dims.len(), d_max) {
        let expected = vec![rows, dims.len(), d_max];
        return Err(Error::Shape { field, expected, got: answer.shape().to_vec() });
    }
    if let Some(((_, site, _), &value)) = answer.indexed_iter().find(|(_, v)| !v.is_finite()) {
        return Err(Error::NotFinite { field, site, value });
    }
    match answer.indexed_iter().find(|((_, j, a), v)| *a >= dims[*j] && **v != 0.0) {
        Some((_, value)) => Err(Error::parameter("padding of a denoiser's answer", value, "zero")),
        None => Ok(()),
    }
}

/// The exact denoiser of a model: one left and one right pass an evaluation.
///
/// The model may be owned, borrowed or shared.
#[derive(Debug, Clone)]
pub struct ExactDenoiser<M> {
    model: M,
    noise: Noise,
}

impl<M: ExactModel> ExactDenoiser<M> {
    /// The denoiser of `model` under `noise`.
    ///
    /// # Errors
    /// [`Error::SiteCount`], [`Error::LocalDimension`] where the noise does not fit the model.
    pub fn new(model: M, noise: &Noise) -> Result<Self> {
        match_dims(model.dims(), noise.dims_in())?;
        Ok(ExactDenoiser { model, noise: noise.clone() })
    }

    /// The law behind the denoiser.
    pub fn model(&self) -> &M {
        &self.model
    }
}

impl<M: ExactModel> Denoiser for ExactDenoiser<M> {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        // Normalised by the contract of the model: no copy is made to check it.
        Ok(through_kernel(&kernel, self.model.cavities(&kernel.likelihood(y))?))
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        self.model.cavities(&kernel.likelihood(y))
    }

    /// All rows in one pass of the model, each under its own weights: `O(d³)` a row and distinct rate matrix
    /// besides.
    fn conditional_marginals_at(&self, times: &[f64], y: Configs<'_>) -> Result<Array3<f64>> {
        check_configs(y, self.noise.dims_out())?;
        if times.len() != y.nrows() {
            return Err(Error::SampleCount { expected: y.nrows(), got: times.len() });
        }
        // One table a distinct rate matrix and row: whole kernels would cost more than the model.
        let tables = |t: &f64| self.noise.class_tables(0.0, *t, true);
        let tables: Vec<_> = times.par_iter().with_min_len(16).map(tables).collect::<Result<_>>()?;
        let width = |dims: &[usize]| dims.iter().copied().max().unwrap_or(0);
        let (d_in, d_out) = (width(self.noise.dims_in()), width(self.noise.dims_out()));
        let mut weights = Array3::zeros((y.nrows(), y.ncols(), d_in));
        for ((row, j, a), weight) in weights.indexed_iter_mut() {
            let (tables, class_of) = &tables[row];
            *weight = tables[class_of[j]].get((a, y[[row, j]].into())).copied().unwrap_or(0.0);
        }
        let cavities = self.model.cavities(&SiteWeights::PerRow(weights.view()))?;
        let mut marginals = Array3::zeros((y.nrows(), y.ncols(), d_out));
        for ((row, j, b), p) in marginals.indexed_iter_mut() {
            let (tables, class_of) = &tables[row];
            let table = &tables[class_of[j]];
            if b < table.ncols() {
                *p = (0..table.nrows()).map(|a| cavities[[row, j, a]] * table[[a, b]]).sum();
            }
        }
        Ok(marginals)
    }

    fn draw_clean(&self, t: f64, y: Configs<'_>, streams: &Streams) -> Result<Option<Array2<u8>>> {
        Ok(Some(self.model.denoise(&self.noise.kernel(0.0, t)?, y, streams)?.x))
    }

    fn possible(&self, t: f64, y: Configs<'_>) -> Result<Vec<bool>> {
        let log_p = self.model.noised_log_prob(&self.noise.kernel(0.0, t)?, y)?;
        Ok(log_p.iter().map(|&log| log > f64::NEG_INFINITY).collect())
    }
}

/// Which of the faces of the law a user's function returns; shapes as in [`Denoiser`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Face {
    /// Cavities `P(x_0^j = a | y_{−j})`, normalised or not.
    Cavities,
    /// Denoiser marginals `P(x_0^j = a | y)`: what most networks are trained to give, with masks a copy of
    /// `y_j` where it is no mask. They determine the cavities where `K_j(a → y_j) > 0`, which is all that
    /// samplers, guidance and the likelihood bound need
    /// ([`Scores::from_denoiser_marginals`]); losses of conditional
    /// marginals ask for more where that is zero.
    DenoiserMarginals,
    /// Conditional marginals `P_t(y_j = b | y_{−j})`.
    ConditionalMarginals,
    /// Score ratios `P_t(y^{j→b}) / P_t(y)`.
    ScoreRatios,
}

/// A denoiser from a function of time and configurations, `f(t, y)`: a network of one's own in the reverse
/// samplers, in losses, bounds and guidance.
///
/// ```
/// use ndarray::Array3;
/// use tensorjump::diffusion::reverse::{Step, TimeGrid, reverse};
/// use tensorjump::diffusion::{Face, GivenDenoiser};
/// use tensorjump::prelude::*;
///
/// let noise = Noise::from(Rates::binary_flip(4, 1.0, 0.5)?);
/// // What a network would answer, P(x_0^j = a | y): here of sites that are 1 with probability 0.8.
/// let own = GivenDenoiser::new(noise.clone(), Face::DenoiserMarginals, |t, y| {
///     let alpha = noise.signal(t)?;
///     Ok(Array3::from_shape_fn((y.nrows(), y.ncols(), 2), |(row, j, a)| {
///         let weight = |a: u8| {
///             let kernel = if a == y[[row, j]] { 1.0 + alpha } else { 1.0 - alpha };
///             kernel * [0.2, 0.8][usize::from(a)]
///         };
///         weight(a as u8) / (weight(0) + weight(1))
///     }))
/// });
/// let (start, grid) = (noise.draw_stationary(2000, &Streams::new(1))?, TimeGrid::uniform(8.0, 0.0, 16)?);
/// let drawn = reverse(&own, start.view(), &grid, &Step::Analytical.into(), true, &Streams::new(1))?;
/// assert!((drawn.x.mapv(f64::from).mean().unwrap() - 0.8).abs() < 0.03);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub struct GivenDenoiser<F> {
    noise: Noise,
    face: Face,
    f: F,
}

impl<F> fmt::Debug for GivenDenoiser<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenDenoiser").field("face", &self.face).finish_non_exhaustive()
    }
}

impl<F: Fn(f64, Configs<'_>) -> Result<Array3<f64>> + Send + Sync> GivenDenoiser<F> {
    /// A denoiser under `noise` whose function returns `face`.
    pub fn new(noise: Noise, face: Face, f: F) -> Self {
        GivenDenoiser { noise, face, f }
    }

    /// The function's answer as cavities of the kernel.
    fn scores<'a>(&self, kernel: &'a Kernel, t: f64, y: Configs<'a>) -> Result<Scores<'a>> {
        let answer = (self.f)(t, y)?;
        check_sign(answer.view(), "answer of a given denoiser")?;
        match self.face {
            Face::Cavities => Scores::from_cavities(kernel, y, answer),
            Face::DenoiserMarginals => Scores::from_denoiser_marginals(kernel, y, answer.view()),
            Face::ConditionalMarginals | Face::ScoreRatios => {
                Scores::from_conditional_marginals(kernel, y, answer.view())
            }
        }
    }
}

impl<F: Fn(f64, Configs<'_>) -> Result<Array3<f64>> + Send + Sync> Denoiser for GivenDenoiser<F> {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        match self.face {
            Face::ConditionalMarginals | Face::ScoreRatios => {
                let answer = (self.f)(t, y)?;
                check_sign(answer.view(), "conditional marginals")?;
                conditionals_from_ratios(&kernel, y, answer.view())
            }
            _ => conditionals_from_cavities(&kernel, y, self.scores(&kernel, t, y)?.cavities()),
        }
    }

    fn cavities(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let kernel = self.noise.kernel(0.0, t)?;
        Ok(self.scores(&kernel, t, y)?.cavities().to_owned())
    }
}
