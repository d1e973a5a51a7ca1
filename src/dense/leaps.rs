//! The exact law of approximate samplers, by enumeration: the one-step matrices applied to the law of the
//! start, without a random number.

use super::law::DenseLaw;
use crate::configs::match_dims;
use crate::diffusion::reverse::{Corrector, Step, StepLaw, TimeGrid};
use crate::diffusion::{Denoiser, SiteConditionals, checked_conditionals};
use crate::error::{Error, Result};
use crate::model::{Configs, Target, check_configs};

/// The law at the end of a grid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct LeapLaw {
    /// The law, over noised configurations.
    pub law: DenseLaw,
    /// Mass in configurations of probability zero, where the reverse process is lost and stays
    /// ([`crate::diffusion::reverse::Outcome::lost`]).
    pub lost: f64,
}

impl LeapLaw {
    fn push<D: Denoiser + ?Sized>(
        &mut self,
        denoiser: &D,
        t: f64,
        law: impl Fn(Configs<'_>) -> Result<StepLaw>,
    ) -> Result<()> {
        let (dims, p) = (self.law.dims().to_vec(), self.law.p());
        let mut rows: Vec<usize> = (0..p.len()).filter(|&i| p[i] > 0.0).collect();
        let possible = denoiser.possible(t, self.law.configs(&rows).view())?;
        let mut next = vec![0.0; p.len()];
        let mut lost = 0.0;
        for (&row, _) in rows.iter().zip(&possible).filter(|(_, ok)| !**ok) {
            next[row] += p[row];
            lost += p[row];
        }
        let mut keep = possible.iter();
        rows.retain(|_| *keep.next().unwrap_or(&true));
        let y = self.law.configs(&rows);
        check_configs(y.view(), &dims)?;
        if !rows.is_empty() {
            let laws = law(y.view())?.marginals;
            for (laws, &row) in laws.outer_iter().zip(&rows) {
                // The product law, site by site: the table grows to the right.
                let mut table = vec![p[row]];
                for (law, &d) in laws.outer_iter().zip(&dims) {
                    table = table.iter().flat_map(|mass| law.iter().take(d).map(move |p| mass * p)).collect();
                }
                next.iter_mut().zip(table).for_each(|(sum, mass)| *sum += mass);
            }
        }
        (self.law, self.lost) = (DenseLaw::new(&dims, &next)?, lost);
        Ok(())
    }

    /// The law of the configurations that [`crate::diffusion::reverse::reverse`] draws with `step` and
    /// `corrector` along `grid` from the law `start`, last draw left out. Cost `O(N d^{2N})` a step and one
    /// evaluation of the denoiser on all configurations: for small systems.
    ///
    /// # Errors
    /// [`Error::SiteCount`] or [`Error::LocalDimension`] for a start that does not fit the noise; as
    /// [`crate::diffusion::reverse::reverse`].
    pub fn new<D: Denoiser + ?Sized>(
        denoiser: &D,
        start: &DenseLaw,
        grid: &TimeGrid,
        step: Step,
        corrector: Option<Corrector>,
    ) -> Result<Self> {
        let noise = denoiser.noise();
        crate::configs::match_dims(noise.dims_out(), start.dims())?;
        let mut walk = LeapLaw { law: start.clone(), lost: 0.0 };
        for (s, t) in grid.pairs() {
            walk.push(denoiser, t, |y| step.law(denoiser, (s, t), y))?;
            if let (Some(corrector), true) = (corrector, s > 0.0) {
                let size = corrector.size * noise.schedule().elapsed(s, t)?;
                for _ in 0..corrector.rounds {
                    walk.push(denoiser, s, |y| step.corrector_law(denoiser, s, size, y))?;
                }
            }
        }
        Ok(walk)
    }
}

/// Total variation `½Σ|p − q|` and Kullback–Leibler divergence `Σ p log(p/q)` in nats (+∞ where `q` misses
/// mass of `p`) of two tables.
///
/// # Errors
/// [`Error::Shape`] for tables of different length.
///
/// # Examples
/// ```
/// # use tensorjump::dense::distances;
/// let (variation, divergence) = distances(&[0.5, 0.5], &[0.25, 0.75])?;
/// assert!((variation - 0.25).abs() < 1e-15 && (divergence - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-15);
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub fn distances(p: &[f64], q: &[f64]) -> Result<(f64, f64)> {
    if p.len() != q.len() {
        return Err(Error::Shape { field: "laws", expected: vec![p.len()], got: vec![q.len()] });
    }
    let variation = 0.5 * p.iter().zip(q).map(|(p, q)| (p - q).abs()).sum::<f64>();
    // Terms p ln(p/q) − p + q are non-negative: nothing cancels.
    let term = |(&p, &q): (&f64, &f64)| if p > 0.0 { p * (p / q).ln() - p + q } else { q };
    Ok((variation, p.iter().zip(q).map(term).sum()))
}

/// The law of `X_0` that the heat baths make of the law `start` of the last `X_k`, by enumeration: for small
/// systems. Configurations of probability zero are not asked for.
///
/// # Errors
/// A start that does not fit the chain; as [`SiteConditionals::conditionals`], and for conditionals that are
/// no laws of the right shape.
///
/// # Examples
/// ```
/// # use tensorjump::diffusion::{ExactGlauber, TokenNoise};
/// # use tensorjump::dense::{DenseLaw, glauber_law};
/// let law = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3])?;
/// let tokens = TokenNoise::uniform(&[2, 2], 3, 0.5)?;
/// let last = law.noised(&tokens.kernel(tokens.steps())?)?;
/// let back = glauber_law(&ExactGlauber::new(&law, &tokens)?, &last)?;
/// assert!(back.p().iter().zip(law.p()).all(|(a, b)| (a - b).abs() < 1e-15));
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub fn glauber_law<C: SiteConditionals + ?Sized>(conditionals: &C, start: &DenseLaw) -> Result<DenseLaw> {
    let tokens = conditionals.tokens();
    match_dims(tokens.dims(), start.dims())?;
    let mut law = start.clone();
    for k in (0..tokens.steps()).rev() {
        let (site, p) = (tokens.site(k), law.p());
        let possible: Vec<usize> = (0..p.len()).filter(|&i| p[i] > 0.0).collect();
        let x = law.configs(&possible);
        let stride: usize = tokens.dims()[site + 1..].iter().product();
        let mut next = vec![0.0; p.len()];
        for ((&i, x), bath) in
            possible.iter().zip(x.outer_iter()).zip(checked_conditionals(conditionals, k, x.view())?.outer_iter())
        {
            let first = i - usize::from(x[site]) * stride;
            bath.iter().enumerate().for_each(|(a, b)| next[first + a * stride] += p[i] * b);
        }
        law = DenseLaw::new(tokens.dims(), &next)?;
    }
    Ok(law)
}
