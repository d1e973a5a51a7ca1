//! The exact law of approximate samplers, by enumeration: the one-step matrices applied to the law of the
//! start, without a random number.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView3, ArrayViewMut2, Axis};

use super::law::DenseLaw;
use super::picked::picked;
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
    /// Moves the mass of the configurations that are possible at `t`; that of impossible ones stays, lost.
    /// `spread(y, mass, next)` adds to `next` where the mass of each row goes, and returns what is lost of it
    /// on the way.
    fn push<D: Denoiser + ?Sized>(
        &mut self,
        denoiser: &D,
        t: f64,
        spread: impl Fn(Configs<'_>, &[f64], &mut [f64]) -> Result<f64>,
    ) -> Result<()> {
        let (dims, p) = (self.law.dims().to_vec(), self.law.p());
        let (rows, lost) = self.law.split(denoiser, t, |i| p[i] > 0.0)?;
        let mut next = vec![0.0; p.len()];
        lost.iter().for_each(|&row| next[row] += p[row]);
        let mut mass_lost: f64 = lost.iter().map(|&row| p[row]).sum();
        if !rows.is_empty() {
            let mass: Vec<f64> = rows.iter().map(|&row| p[row]).collect();
            mass_lost += spread(self.law.configs(&rows).view(), &mass, &mut next)?;
        }
        (self.law, self.lost) = (DenseLaw::new(&dims, &next)?, mass_lost);
        Ok(())
    }

    /// The law of the configurations that [`crate::diffusion::reverse::reverse`] draws with `step` and
    /// `corrector` along `grid` from the law `start`, last draw left out: mixtures over hidden configurations
    /// between two stages, over candidates and over the sites that move are summed up. Cost `O(d^{2N})` a
    /// step and one evaluation of the denoiser on all configurations; `O(d^{3N})` and two for steps of two
    /// stages. Where `k` sites are chosen, `O((N d)^k)` a configuration, and `O(N^k d^N)` where their scores
    /// depend on the candidates: for small systems.
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
        let product = |laws: StepLaw, mass: &[f64], next: &mut [f64]| {
            add_products(next, laws.marginals.view(), dims, mass);
            Ok(0.0)
        };
        let mut walk = LeapLaw { law: start.clone(), lost: 0.0 };
        for (s, t) in grid.pairs() {
            match (step, step.two_stages()) {
                (_, Some(stages)) => {
                    let through = |y: Configs<'_>, mass: &[f64], next: &mut [f64]| {
                        through_stages(denoiser, stages, (s, t), (y, mass), start, next)
                    };
                    walk.push(denoiser, t, through)?;
                }
                (Step::Unmask(order), _) => {
                    walk.push(denoiser, t, |y, mass, next| {
                        picked(&Picks::unmask(denoiser, order, (s, t), y)?, (y, mass), dims, next);
                        Ok(0.0)
                    })?;
                }
                _ => walk.push(denoiser, t, |y, mass, next| product(step.law(denoiser, (s, t), y)?, mass, next))?,
            }
            match corrector.filter(|_| s > 0.0) {
                Some(Corrector::Rates { rounds, size }) if t.is_finite() => {
                    let size = size * noise.schedule().elapsed(s, t)?;
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y, mass, next| {
                            product(step.corrector_law(denoiser, s, size, y)?, mass, next)
                        })?;
                    }
                }
                Some(Corrector::Resample { rounds, sites, order }) => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y, mass, next| {
                            picked(&Picks::resample(denoiser, order, sites, s, y)?, (y, mass), dims, next);
                            Ok(0.0)
                        })?;
                    }
                }
                Some(Corrector::Remask { rounds, eta, window }) if window.0 <= s && s <= window.1 => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y, mass, next| product(remask_at(denoiser, eta, s, y)?, mass, next))?;
                    }
                }
                Some(Corrector::Psi { rounds, kappa, window }) if window.0 <= s && s <= window.1 => {
                    for _ in 0..rounds {
                        walk.push(denoiser, s, |y, mass, next| product(psi(denoiser, kappa, (s, s), y)?, mass, next))?;
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

/// Rows of laws that are multiplied out at a time.
const BLOCK: usize = 1 << 10;

/// Adds `Σ_row mass ∏_j law_j(x_j)`, `laws` of shape `(rows, sites, d_max)`: the products over the first half
/// of the sites are one matrix, those over the second half another, and the sum over rows is their product.
fn add_products(table: &mut [f64], laws: ArrayView3<'_, f64>, dims: &[usize], mass: &[f64]) {
    let (first, second) = dims.split_at(dims.len() / 2);
    let shape = (first.iter().product(), second.iter().product());
    let mut table = ArrayViewMut2::from_shape(shape, table).expect("a table over all sites");
    let rows: Vec<usize> = (0..mass.len()).filter(|&row| mass[row] > 0.0).collect();
    for rows in rows.chunks(BLOCK) {
        let laws = laws.select(Axis(0), rows);
        let (head, tail) = laws.view().split_at(Axis(1), first.len());
        let (mut left, right) = (products(head, first), products(tail, second));
        left.outer_iter_mut().zip(rows).for_each(|(mut law, &row)| law *= mass[row]);
        general_mat_mul(1.0, &left.t(), &right, 1.0, &mut table);
    }
}

/// `∏_j law_j(x_j)` over all `x`, row by row.
fn products(laws: ArrayView3<'_, f64>, dims: &[usize]) -> Array2<f64> {
    let mut table = Array2::zeros((laws.len_of(Axis(0)), dims.iter().product()));
    for (mut product, laws) in table.outer_iter_mut().zip(laws.outer_iter()) {
        let product = product.as_slice_mut().expect("row-major");
        let mut size = 1;
        product[0] = 1.0;
        for (law, &d) in laws.outer_iter().zip(dims) {
            // From behind: what is read has not been written over.
            for i in (0..size).rev() {
                let p = product[i];
                (0..d).for_each(|a| product[i * d + a] = p * law[a]);
            }
            size *= d;
        }
    }
    table
}

/// Adds where steps of two stages take the mass of each row of `y`: a sum over the configurations between
/// them. What is impossible there stays there, and is lost; returns how much.
fn through_stages<D: Denoiser + ?Sized>(
    denoiser: &D,
    stages: TwoStages,
    step: (f64, f64),
    (y, mass): (Configs<'_>, &[f64]),
    space: &DenseLaw,
    next: &mut [f64],
) -> Result<f64> {
    let (noise, dims) = (denoiser.noise(), space.dims());
    let p = marginals_of(denoiser, step.1, y)?;
    let mut between = products(stages.first(noise, step, (y, &p))?.marginals.view(), dims);
    between.outer_iter_mut().zip(mass).for_each(|(mut law, mass)| law *= *mass);
    let middle = stages.middle(noise, step)?;
    let (alive, lost) = space.split(denoiser, middle, |i| between.column(i).iter().any(|mass| *mass > 0.0))?;
    let mut mass_lost = 0.0;
    for &i in &lost {
        let mass = between.column(i).sum();
        next[i] += mass;
        mass_lost += mass;
    }
    let seen = space.configs(&alive);
    let q = marginals_of(denoiser, middle, seen.view())?;
    for (row, mass) in between.outer_iter().enumerate() {
        // All pairs of this row with what may lie between.
        let pairs: Vec<usize> = (0..alive.len()).filter(|&i| mass[alive[i]] > 0.0).collect();
        if pairs.is_empty() {
            continue;
        }
        let from = vec![row; pairs.len()];
        let (start, start_p) = (y.select(Axis(0), &from), p.select(Axis(0), &from));
        let (now, now_q) = (seen.select(Axis(0), &pairs), q.select(Axis(0), &pairs));
        let ends = stages.second(noise, step, (start.view(), &start_p), (now.view(), &now_q))?.marginals;
        let mass: Vec<f64> = pairs.iter().map(|&i| mass[alive[i]]).collect();
        add_products(next, ends.view(), dims, &mass);
    }
    Ok(mass_lost)
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
