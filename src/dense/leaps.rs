//! The exact law of approximate samplers, by enumeration: the one-step matrices applied to the law of the
//! start, without a random number.

use ndarray::{ArrayView2, Axis, s};

use super::law::{DenseLaw, states};
use crate::configs::match_dims;
use crate::diffusion::reverse::{Corrector, Picks, Step, StepLaw, TimeGrid, TwoStages, psi, remask_at};
use crate::diffusion::{Denoiser, SiteConditionals, checked_conditionals, marginals_of};
use crate::error::{Error, Result};
use crate::model::{Configs, Target};

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
    /// Moves the mass of the configurations that are possible at `t` by their laws after the step (tables
    /// over all configurations, with the share that is lost on the way); the mass of impossible ones stays,
    /// lost.
    fn push<D: Denoiser + ?Sized>(
        &mut self,
        denoiser: &D,
        t: f64,
        tables: impl Fn(Configs<'_>) -> Result<(Vec<Vec<f64>>, Vec<f64>)>,
    ) -> Result<()> {
        let (dims, p) = (self.law.dims().to_vec(), self.law.p());
        let (rows, lost) = self.law.split(denoiser, t, |i| p[i] > 0.0)?;
        let mut next = vec![0.0; p.len()];
        lost.iter().for_each(|&row| next[row] += p[row]);
        let mut mass_lost: f64 = lost.iter().map(|&row| p[row]).sum();
        if !rows.is_empty() {
            let (tables, shares) = tables(self.law.configs(&rows).view())?;
            for ((&row, table), share) in rows.iter().zip(tables).zip(shares) {
                next.iter_mut().zip(table).for_each(|(sum, q)| *sum += p[row] * q);
                mass_lost += p[row] * share;
            }
        }
        (self.law, self.lost) = (DenseLaw::new(&dims, &next)?, mass_lost);
        Ok(())
    }

    /// The law of the configurations that [`crate::diffusion::reverse::reverse`] draws with `step` and
    /// `corrector` along `grid` from the law `start`, last draw left out: mixtures over hidden configurations
    /// between two stages, over candidates and over the sites that move are summed up. Cost `O(N d^{2N})` a
    /// step and one evaluation of the denoiser on all configurations (`O(N d^{3N})` and two for steps of two
    /// stages, `O(N! d^N)` a configuration for chosen sites): for small systems.
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
        match_dims(noise.dims_out(), start.dims())?;
        corrector.map_or(Ok(()), Corrector::check)?;
        let dims = start.dims();
        let product = |laws: StepLaw| {
            let tables: Vec<_> = laws.marginals.outer_iter().map(|law| product_table(law, dims)).collect();
            let lost = vec![0.0; tables.len()];
            (tables, lost)
        };
        let mut walk = LeapLaw { law: start.clone(), lost: 0.0 };
        for (s, t) in grid.pairs() {
            match (step, step.two_stages()) {
                (_, Some(stages)) => walk.push(denoiser, t, |y| through_stages(denoiser, stages, (s, t), y, start))?,
                (Step::Unmask(order), _) => {
                    walk.push(denoiser, t, |y| Ok(picked(&Picks::unmask(denoiser, order, (s, t), y)?, y, dims)))?;
                }
                _ => walk.push(denoiser, t, |y| Ok(product(step.law(denoiser, (s, t), y)?)))?,
            }
            match corrector.filter(|_| s > 0.0) {
                Some(Corrector::Rates { rounds, size }) if t.is_finite() => {
                    let size = size * noise.schedule().elapsed(s, t)?;
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y| Ok(product(step.corrector_law(denoiser, s, size, y)?)))?;
                    }
                }
                Some(Corrector::Resample { rounds, sites, order }) => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y| {
                            Ok(picked(&Picks::resample(denoiser, order, sites, s, y)?, y, dims))
                        })?;
                    }
                }
                Some(Corrector::Remask { rounds, eta, window }) if window.0 <= s && s <= window.1 => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y| Ok(product(remask_at(denoiser, eta, s, y)?)))?;
                    }
                }
                Some(Corrector::Psi { rounds, kappa, window }) if window.0 <= s && s <= window.1 => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y| Ok(product(psi(denoiser, kappa, (s, s), y)?)))?;
                    }
                }
                Some(Corrector::Rates { .. } | Corrector::Remask { .. } | Corrector::Psi { .. }) | None => {}
            }
        }
        Ok(walk)
    }
}

impl DenseLaw {
    /// The chosen configurations that are possible at time `t`, and the others.
    fn split<D: Denoiser + ?Sized>(
        &self,
        denoiser: &D,
        t: f64,
        chosen: impl Fn(usize) -> bool,
    ) -> Result<(Vec<usize>, Vec<usize>)> {
        let rows: Vec<usize> = (0..self.p().len()).filter(|&i| chosen(i)).collect();
        let possible = denoiser.possible(t, self.configs(&rows).view())?;
        let (alive, lost): (Vec<_>, Vec<_>) = rows.into_iter().zip(possible).partition(|(_, ok)| *ok);
        let rows = |pairs: Vec<(usize, bool)>| pairs.into_iter().map(|(row, _)| row).collect();
        Ok((rows(alive), rows(lost)))
    }
}

/// The product of laws of the sites.
fn product_table(laws: ArrayView2<'_, f64>, dims: &[usize]) -> Vec<f64> {
    let mut table = vec![0.0; dims.iter().product()];
    add_product(&mut table, laws, dims, 1.0);
    table
}

/// Adds `mass` times the product of laws of the sites; what has probability zero is not visited: under masks
/// that is most of the table.
fn add_product(table: &mut [f64], laws: ArrayView2<'_, f64>, dims: &[usize], mass: f64) {
    let Some((&d, rest)) = dims.split_first() else {
        table.iter_mut().for_each(|sum| *sum += mass);
        return;
    };
    let law = laws.row(0);
    if rest.is_empty() {
        table.iter_mut().zip(law).for_each(|(sum, p)| *sum += mass * p);
        return;
    }
    let others = laws.slice(s![1.., ..]);
    for (part, &p) in table.chunks_exact_mut(table.len() / d).zip(law).filter(|(_, p)| **p > 0.0) {
        add_product(part, others, rest, mass * p);
    }
}

/// Laws after steps of two stages from each row of `y`: a sum over the configurations between them. What is
/// impossible there stays there, and is lost.
fn through_stages<D: Denoiser + ?Sized>(
    denoiser: &D,
    stages: TwoStages,
    step: (f64, f64),
    y: Configs<'_>,
    space: &DenseLaw,
) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
    let (noise, dims) = (denoiser.noise(), space.dims());
    let p = marginals_of(denoiser, step.1, y)?;
    let between: Vec<Vec<f64>> = {
        let laws = stages.first(noise, step, (y, &p))?.marginals;
        laws.outer_iter().map(|law| product_table(law, dims)).collect()
    };
    let middle = stages.middle(noise, step)?;
    let (alive, lost) = space.split(denoiser, middle, |i| between.iter().any(|law| law[i] > 0.0))?;
    let seen = space.configs(&alive);
    let q = marginals_of(denoiser, middle, seen.view())?;
    let (mut tables, mut shares) = (Vec::new(), Vec::new());
    for (row, law) in between.iter().enumerate() {
        let mut table = vec![0.0; law.len()];
        lost.iter().for_each(|&i| table[i] += law[i]);
        shares.push(lost.iter().map(|&i| law[i]).sum());
        // All pairs of this row with what may lie between.
        let pairs: Vec<usize> = (0..alive.len()).filter(|&i| law[alive[i]] > 0.0).collect();
        let from = vec![row; pairs.len()];
        let (start, start_p) = (y.select(Axis(0), &from), p.select(Axis(0), &from));
        let (now, now_q) = (seen.select(Axis(0), &pairs), q.select(Axis(0), &pairs));
        if !pairs.is_empty() {
            let ends = stages.second(noise, step, (start.view(), &start_p), (now.view(), &now_q))?.marginals;
            for (end, &i) in ends.outer_iter().zip(&pairs) {
                add_product(&mut table, end, dims, law[alive[i]]);
            }
        }
        tables.push(table);
    }
    Ok((tables, shares))
}

/// Laws after steps that move chosen sites from each row of `y`: a sum over the candidates of all sites and
/// over the chosen ones.
fn picked(picks: &Picks, y: Configs<'_>, dims: &[usize]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let size = dims.iter().product();
    let one = |row: usize| {
        let (laws, scores) = (picks.candidates.index_axis(Axis(0), row), picks.scores.index_axis(Axis(0), row));
        let open: Vec<usize> = (0..dims.len()).filter(|&j| laws.row(j).sum() > 0.0).collect();
        let widths: Vec<usize> = open.iter().map(|&j| dims[j]).collect();
        let mut table = vec![0.0; size];
        for index in 0..widths.iter().product() {
            let symbols = states(&widths, index);
            let symbol = |k: usize| usize::from(symbols[k]);
            let mass: f64 = (0..open.len()).map(|k| laws[[open[k], symbol(k)]] / laws.row(open[k]).sum()).product();
            if mass == 0.0 {
                continue;
            }
            let scores: Vec<f64> = (0..open.len()).map(|k| scores[[open[k], symbol(k)]]).collect();
            choices(&scores, picks.temperature, picks.counts[row], mass, &mut Vec::new(), &mut |chosen, share| {
                let mut x = y.row(row).to_vec();
                chosen.iter().for_each(|&k| x[open[k]] = symbols[k]);
                table[x.iter().zip(dims).fold(0, |i, (&a, &d)| i * d + usize::from(a))] += share;
            });
        }
        table
    };
    ((0..y.nrows()).map(one).collect(), vec![0.0; y.nrows()])
}

/// Calls `tell(chosen, probability)` for each order in which `count` of the scored are chosen without
/// replacement, each time in proportion to `e^{score/T}` among those that are left.
fn choices(
    scores: &[f64],
    temperature: f64,
    count: usize,
    mass: f64,
    chosen: &mut Vec<usize>,
    tell: &mut dyn FnMut(&[usize], f64),
) {
    let left: Vec<usize> = (0..scores.len()).filter(|k| !chosen.contains(k)).collect();
    if count == 0 || left.is_empty() {
        return tell(chosen, mass);
    }
    // The first of the largest score.
    let best = left.iter().fold(left[0], |best, &k| if scores[k] > scores[best] { k } else { best });
    let weight = |k: usize| match temperature > 0.0 && scores[best] > f64::NEG_INFINITY {
        true => ((scores[k] - scores[best]) / temperature).exp(),
        false => f64::from(u8::from(k == best)),
    };
    let total: f64 = left.iter().map(|&k| weight(k)).sum();
    for &k in left.iter().filter(|&&k| weight(k) > 0.0) {
        chosen.push(k);
        choices(scores, temperature, count - 1, mass * weight(k) / total, chosen, tell);
        chosen.pop();
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
