//! Diffusion kernel smoothing: data at a small noise time as a law, the time chosen by leave-one-out
//! likelihood.
//!
//! ```text
//! P_t(x) = Σ_i ω_i ∏_j K_j(x_i^j → x_j),     L(t) = Σ_i ω_i log [ Σ_{l≠i} ω_l K_t(x_l, x_i) / (1 − ω_i) ]
//! ```
//!
//! `L` is the log-likelihood, in nats a sample, of each sample under the law of the others (arXiv
//! 2406.09084). It is itself that of a mixture, with `l` hidden: with the responsibilities `r_il`, its
//! derivative by the time of site `j` is `Σ_ab R_j(a,b) (Q_j K_j)(a,b)/K_j(a,b)`, where `R_j(a,b)` counts the
//! pairs `x_l^j = a`, `x_i^j = b`; and maximising `Σ_ab R_j(a,b) log K_j(a,b)` over the factor of each site's
//! rates never lowers `L` (expectation–maximisation). Cost of an evaluation: `n²` pairs of distinct samples,
//! `N/8` table look-ups each for two states.

use ndarray::{Array1, Array2, Array3, ArrayView1};
use rayon::prelude::*;

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::log_space::log_sum_exp;
use crate::model::{Codes, Configs, KernelMixture, check_configs, distinct, sample_weights};
use crate::noise::{Kernel, Noise, Rates};

/// Distinct samples of a task: sums are formed task by task, whatever the number of threads.
const TASK: usize = 64;

/// Data and the noise that smooths them.
///
/// ```
/// use tensorjump::diffusion::Smoothing;
/// use tensorjump::noise::{Noise, Rates, Schedule};
///
/// let noise = Noise::new(Rates::binary_flip(3, 1.0, 1.0)?, Schedule::default());
/// let data = ndarray::array![[0, 0, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]];
/// let smoothing = Smoothing::new(data.view(), None, &noise)?;
/// let best = smoothing.bandwidth(1e-3, 10.0)?;
/// let law = smoothing.law(best.time)?;
/// assert!(best.log_likelihood >= smoothing.leave_one_out(0.5)?.log_likelihood && law.weights().len() == 4);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Smoothing<'a> {
    noise: &'a Noise,
    x: Array2<u8>,
    codes: Codes,
    /// Weight of each distinct sample.
    weights: Vec<f64>,
    /// For each distinct sample, `(ω, number of samples with this weight)`.
    parts: Vec<Vec<(f64, f64)>>,
}

/// The leave-one-out likelihood at one time.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct LeaveOneOut {
    /// `L`, in nats a sample; −∞ where the noise cannot turn any other sample into some sample.
    pub log_likelihood: f64,
    /// `dL/dt`, in inverse time.
    pub derivative: f64,
    /// Derivative of `L` by the logarithm of the factor of each site's rates, shape `(sites,)`.
    pub by_site: Array1<f64>,
}

/// The time of the largest leave-one-out likelihood in a range.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Bandwidth {
    /// The time.
    pub time: f64,
    /// Its leave-one-out likelihood, in nats a sample.
    pub log_likelihood: f64,
    /// Whether it is an end of the range.
    pub at_edge: bool,
    /// Evaluations of the likelihood.
    pub evaluations: usize,
}

/// Rates of the sites fitted at one time.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[must_use]
pub struct SiteRates {
    /// The noise with the rates of each site multiplied by its factor.
    pub noise: Noise,
    /// The factors.
    pub factors: Vec<f64>,
    /// Leave-one-out likelihood before the first round and after each: it never falls.
    pub log_likelihood: Vec<f64>,
}

impl<'a> Smoothing<'a> {
    /// Data of shape `(samples, sites)` with weights (equal ones for `None`).
    ///
    /// # Errors
    /// [`Error::TooFewSamples`] for fewer than two samples with weight; [`Error::IdenticalSamples`]; noise
    /// with a mask ([`Error::LocalDimension`]) or of other sites; otherwise as [`KernelMixture::new`].
    pub fn new(x: Configs<'_>, weights: Option<ArrayView1<'_, f64>>, noise: &'a Noise) -> Result<Self> {
        match_dims(noise.dims_in(), noise.dims_out())?;
        check_configs(x, noise.dims_in())?;
        let given = sample_weights(x.nrows(), weights)?;
        let rows: Vec<usize> = (0..given.len()).filter(|&i| given[i] > 0.0).collect();
        if rows.len() < 2 {
            return Err(Error::TooFewSamples { needed: 2, got: rows.len() });
        }
        let (x, place) = distinct(x.select(ndarray::Axis(0), &rows).view());
        if x.nrows() == 1 {
            return Err(Error::IdenticalSamples { samples: rows.len() });
        }
        let mut parts: Vec<Vec<(f64, f64)>> = vec![Vec::new(); x.nrows()];
        for (&i, &k) in rows.iter().zip(&place) {
            match parts[k].iter_mut().find(|p| p.0 == given[i]) {
                Some(part) => part.1 += 1.0,
                None => parts[k].push((given[i], 1.0)),
            }
        }
        let weights = parts.iter().map(|p| p.iter().map(|(w, m)| w * m).sum()).collect();
        Ok(Smoothing { noise, codes: Codes::new(x.view(), noise.dims_in()), x, weights, parts })
    }

    /// The smoothed law at a time.
    ///
    /// # Errors
    /// As [`Noise::kernel`].
    pub fn law(&self, t: f64) -> Result<KernelMixture> {
        let weights = ArrayView1::from(&self.weights);
        let kernel = self.noise.kernel(0.0, t)?;
        let tables: Vec<_> = (0..kernel.sites()).map(|j| kernel.table(j).to_owned()).collect();
        KernelMixture::new(self.x.view(), Some(weights), &tables)
    }

    /// The leave-one-out likelihood at time `t` and its derivatives.
    ///
    /// # Errors
    /// As [`Noise::kernel`] and [`crate::noise::Schedule::rate`].
    pub fn leave_one_out(&self, t: f64) -> Result<LeaveOneOut> {
        let (log_likelihood, counts) = self.pairs(&self.noise.kernel(0.0, t)?);
        let by_site = site_derivatives(self.noise, t, &counts)?;
        let elapsed = self.noise.schedule().integral(t)?;
        let rate = self.noise.schedule().rate(t)?;
        let derivative = match elapsed {
            f64::INFINITY => 0.0, // whatever the rate at late times
            e if e > 0.0 => by_site.sum() * rate / e,
            _ => f64::NAN,
        };
        Ok(LeaveOneOut { log_likelihood, derivative, by_site })
    }

    /// `L` and the expected pairs `R_j(a, b)`, shape `(sites, d, d)`.
    fn pairs(&self, kernel: &Kernel) -> (f64, Array3<f64>) {
        let d = kernel.tables().dim().1;
        let tables = kernel.tables().mapv(f64::ln);
        let log_weights: Vec<f64> = self.weights.iter().map(|w| w.ln()).collect();
        let task = |first: usize| {
            let (mut value, mut counts) = (0.0, Array3::zeros((kernel.sites(), d, d)));
            for u in first..self.weights.len().min(first + TASK) {
                value += self.pairs_of(u, &tables, &log_weights, &mut counts);
            }
            (value, counts)
        };
        let starts: Vec<usize> = (0..self.weights.len()).step_by(TASK).collect();
        let tasks: Vec<(f64, Array3<f64>)> = starts.into_par_iter().map(task).collect();
        let zero = (0.0, Array3::zeros((kernel.sites(), d, d)));
        tasks.into_iter().fold(zero, |sum, task| (sum.0 + task.0, sum.1 + task.1))
    }

    /// The terms of the samples equal to distinct sample `u`.
    fn pairs_of(&self, u: usize, tables: &Array3<f64>, log_weights: &[f64], counts: &mut Array3<f64>) -> f64 {
        let mut p = log_weights.to_vec();
        self.codes.add(|j, a| tables[[j, a, self.x[[u, j]].into()]], &mut p);
        // Equal samples count with what is left of their weight. Without any left their term, often the
        // largest by far, must not set the scale of the others: both stay logarithms.
        let own = p[u] - log_weights[u];
        p[u] = f64::NEG_INFINITY;
        let others = log_sum_exp(&p);
        // Not 1 − ω: beside a dominating weight the others would be lost.
        let rest: f64 = self.weights[..u].iter().chain(&self.weights[u + 1..]).sum();
        let (mut value, mut share_others, mut share_own) = (0.0, 0.0, 0.0);
        for &(w, m) in &self.parts[u] {
            // The sum, not W − w: a difference of equal numbers must be zero.
            let left: f64 = self.parts[u].iter().map(|&(v, k)| if v == w { v * (k - 1.0) } else { v * k }).sum();
            let twins = left.ln() + own;
            let total = log_sum_exp(&[others, twins]);
            value += m * w * (total - (rest + left).ln());
            if total > f64::NEG_INFINITY {
                share_others += m * w * (others - total).exp();
                share_own += m * w * (twins - total).exp();
            }
        }
        let finite = others > f64::NEG_INFINITY;
        p.iter_mut().for_each(|v| *v = if finite { (*v - others).exp() * share_others } else { 0.0 });
        p[u] = share_own;
        self.codes.totals(&p, |j, a, total| counts[[j, a, self.x[[u, j]].into()]] += total);
        value
    }

    /// The time of the largest leave-one-out likelihood between `low` and `high`: the best of a grid, 25
    /// points even in `log t`, then the zero of the derivative beside it. Cost: some 35 evaluations of the
    /// likelihood.
    ///
    /// # Errors
    /// [`Error::Parameter`] for times that are not positive and finite; [`Error::TimeOrder`];
    /// [`Error::ZeroWeight`] where the noise cannot turn the others into some sample at any time; as
    /// [`Smoothing::leave_one_out`].
    pub fn bandwidth(&self, low: f64, high: f64) -> Result<Bandwidth> {
        const GRID: usize = 25;
        for t in [low, high] {
            if !(t > 0.0 && t.is_finite()) {
                return Err(Error::parameter("time", t, "positive and finite"));
            }
        }
        if low >= high {
            return Err(Error::TimeOrder { s: low, t: high });
        }
        let time = |k: usize| match k {
            0 => low,
            k if k + 1 == GRID => high,
            k => low * (high / low).powf(k as f64 / (GRID - 1) as f64),
        };
        let grid = (0..GRID).map(|k| self.leave_one_out(time(k))).collect::<Result<Vec<_>>>()?;
        let better = |best: usize, k: usize| if grid[k].log_likelihood > grid[best].log_likelihood { k } else { best };
        let best = (1..GRID).fold(0, better);
        if grid[best].log_likelihood == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "leave-one-out likelihood" });
        }
        let edge = |k: usize| Bandwidth {
            time: time(k),
            log_likelihood: grid[k].log_likelihood,
            at_edge: true,
            evaluations: GRID,
        };
        // The side on which the likelihood rises.
        let neighbour = if grid[best].derivative > 0.0 { best + 1 } else { best.wrapping_sub(1) };
        if neighbour >= GRID {
            return Ok(edge(best));
        }
        let (a, b) = (best.min(neighbour), best.max(neighbour));
        self.stationary((time(a), grid[a].derivative), (time(b), grid[b].derivative), GRID)
    }

    /// The zero of the derivative between two times, by false position with halving (Illinois) in `log t`.
    fn stationary(&self, (a, fa): (f64, f64), (b, fb): (f64, f64), mut evaluations: usize) -> Result<Bandwidth> {
        // Derivatives by log t; false position needs a change of sign, without one the interval is halved.
        let (mut a, mut b, mut fa, mut fb) = (a.ln(), b.ln(), fa * a, fb * b);
        let mut rising = None;
        loop {
            let sure = fa > 0.0 && fb < 0.0;
            let x = if sure { (a * fb - b * fa) / (fb - fa) } else { 0.5 * (a + b) };
            let x = if x > a && x < b { x } else { 0.5 * (a + b) };
            let at = self.leave_one_out(x.exp())?;
            evaluations += 1;
            let fx = at.derivative * x.exp();
            // At the maximum the likelihood is flat: steps of 10⁻⁶ in log t change it by 10⁻¹² of its
            // curvature.
            if fx == 0.0 || b - a < 1e-6 || evaluations > 100 || fx.abs() < 1e-12 {
                let log_likelihood = at.log_likelihood;
                return Ok(Bandwidth { time: x.exp(), log_likelihood, at_edge: false, evaluations });
            }
            // An end that is kept twice counts half.
            let again = rising.replace(fx > 0.0) == Some(fx > 0.0);
            let half = if again { 0.5 } else { 1.0 };
            if fx > 0.0 {
                (a, fa, fb) = (x, fx, half * fb);
            } else {
                (b, fb, fa) = (x, fx, half * fa);
            }
        }
    }

    /// Factors of the rates of each site at time `t` by expectation–maximisation of the leave-one-out
    /// likelihood, all starting from one. Sites on which the samples agree lose their noise (down to a factor
    /// 10⁻⁹). Cost of a round: that of an evaluation.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a time that is not positive; [`Error::ZeroWeight`] as
    /// [`Smoothing::bandwidth`].
    pub fn site_rates(&self, t: f64, rounds: usize) -> Result<SiteRates> {
        if !(t > 0.0 && t.is_finite()) {
            return Err(Error::parameter("time", t, "positive and finite"));
        }
        let rates = self.noise.rates();
        let with = |factors: &[f64]| Ok(Noise::new(rates.scaled(factors)?, self.noise.schedule().clone()));
        let mut factors = vec![1.0; self.x.ncols()];
        let (value, mut counts) = self.pairs(&self.noise.kernel(0.0, t)?);
        if value == f64::NEG_INFINITY {
            return Err(Error::ZeroWeight { what: "leave-one-out likelihood" });
        }
        let mut log_likelihood = vec![value];
        for _ in 0..rounds {
            factors = maximised(rates, &factors, &counts, |f| with(f)?.kernel(0.0, t))?;
            let (value, next) = self.pairs(&with(&factors)?.kernel(0.0, t)?);
            log_likelihood.push(value);
            counts = next;
        }
        Ok(SiteRates { noise: with(&factors)?, factors, log_likelihood })
    }
}

/// `dL/d ln f_j = τ Σ_ab R_j(a,b) (Q_j K_j)(a,b)/K_j(a,b)`.
fn site_derivatives(noise: &Noise, t: f64, counts: &Array3<f64>) -> Result<Array1<f64>> {
    let (kernel, elapsed) = (noise.kernel(0.0, t)?, noise.schedule().integral(t)?);
    // In the stationary law no factor matters; the product below would be ∞ · 0.
    if elapsed == f64::INFINITY {
        return Ok(Array1::zeros(kernel.sites()));
    }
    let site = |j: usize| {
        let k = kernel.table(j);
        let slope = noise.rates().matrix(j).dot(&k);
        let term = |((a, b), &k): ((usize, usize), &f64)| match counts[[j, a, b]] {
            0.0 => 0.0,
            r => r * slope[[a, b]] / k,
        };
        elapsed * k.indexed_iter().map(term).sum::<f64>()
    };
    Ok((0..kernel.sites()).map(site).collect())
}

/// For each site the factor, within one fourth and four times the present one, that maximises
/// `Σ_ab R_j(a,b) log K_j(a,b)`: golden section on its logarithm, all sites in step. A site keeps its factor
/// where nothing better is found.
fn maximised(
    rates: &Rates,
    factors: &[f64],
    counts: &Array3<f64>,
    kernel: impl Fn(&[f64]) -> Result<Kernel>,
) -> Result<Vec<f64>> {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let values = |logs: &[f64]| -> Result<Vec<f64>> {
        let kernel = kernel(&logs.iter().map(|v| v.exp()).collect::<Vec<_>>())?;
        let term = |j: usize, a: usize, b: usize, k: f64| match counts[[j, a, b]] {
            0.0 => 0.0,
            r => r * k.ln(),
        };
        let site = |j: usize| kernel.table(j).indexed_iter().map(|((a, b), &k)| term(j, a, b, k)).sum();
        Ok((0..rates.sites()).map(site).collect())
    };
    let start: Vec<f64> = factors.iter().map(|f| f.ln()).collect();
    let reach = 4f64.ln();
    let floor = 1e-9f64.ln();
    let mut low: Vec<f64> = start.iter().map(|v| (v - reach).max(floor)).collect();
    let mut high: Vec<f64> = start.iter().map(|v| v + reach).collect();
    let inner = |low: &[f64], high: &[f64], part: f64| -> Vec<f64> {
        low.iter().zip(high).map(|(a, b)| a + part * (b - a)).collect()
    };
    // 24 steps narrow ln 16 to 3·10⁻⁵.
    for _ in 0..24 {
        let (left, right) = (inner(&low, &high, 1.0 - GOLDEN), inner(&low, &high, GOLDEN));
        let (at_left, at_right) = (values(&left)?, values(&right)?);
        for j in 0..low.len() {
            if at_left[j] >= at_right[j] { high[j] = right[j] } else { low[j] = left[j] }
        }
    }
    let middle = inner(&low, &high, 0.5);
    let (new, old) = (values(&middle)?, values(&start)?);
    Ok((0..factors.len()).map(|j| if new[j] > old[j] { middle[j].exp() } else { factors[j] }).collect())
}
