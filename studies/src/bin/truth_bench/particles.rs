//! Particles for guided laws `P(·|label)^γ P^{1−γ}` of three strengths: the distance to the exact law falls as
//! the root of their number, then stands at what the step is wrong by, which is enumerated.

use ndarray::{Array1, Array2, Array3, Axis};
use serde::Serialize;
use tensorjump::dense::{DenseLaw, distances};
use tensorjump::diffusion::reverse::{TimeGrid, particles};
use tensorjump::diffusion::{Denoiser, ExactDenoiser};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Configs, Error, Model, Result, Streams, Target};

use tensorjump_studies::convergence::fitted_order;
use tensorjump_studies::transitions::{Estimate, mean};

pub const GAMMAS: [f64; 3] = [0.5, 2.0, 3.0];
pub const COUNTS: [usize; 6] = [64, 256, 1024, 4096, 16384, 65536];
/// Numbers of particles over which the fall of the error is fitted: there the step adds next to nothing.
const FALL: usize = 3;
/// Beyond so many particles there are fewer runs, of as many particles in all, but not below [`LEAST`].
const FEWER: usize = 4096;
const LEAST: usize = 8;
const STEPS: [usize; 2] = [16, 64];
/// Time of the start.
const T: f64 = 1.0;
/// Share of effective particles at which they are resampled.
const THRESHOLD: f64 = 0.5;

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    pub gamma: f64,
    pub steps: usize,
    /// Total variation of the step alone, with infinitely many particles: enumerated.
    pub step_bias: f64,
    /// The same without weights.
    pub unweighted: f64,
    /// Total variation to the exact guided law by number of particles, mean over runs.
    pub total_variation: Vec<Estimate>,
    /// Power with which it falls in the number of particles, over the first three, and its standard error
    /// from the scatter about the line.
    pub fall: Option<Estimate>,
    /// Runs by number of particles.
    pub runs: Vec<usize>,
}

/// `P(x)^{1/2}` of three sites of a chain, and that given a sum `S` of its states near 4, `∝ P e^{−(S − 4)²/12}`. Rates and
/// weights grow as powers of the ratios of the laws: of steeper ones a step of Euler takes more than one jump
/// at γ = 3, and the weights then lead elsewhere.
fn laws() -> Result<[DenseLaw; 2]> {
    let plain = DenseLaw::of(&crate::laws::three_states().law(3)?)?;
    let plain = DenseLaw::new(plain.dims(), &plain.p().iter().map(|p| p.sqrt()).collect::<Vec<_>>())?;
    let sum = |i: usize| plain.config(i).iter().map(|&a| f64::from(a)).sum::<f64>();
    let weights = (0..plain.p().len()).map(|i| plain.p()[i] * (-(sum(i) - 4.0).powi(2) / 12.0).exp());
    let given = DenseLaw::new(plain.dims(), &weights.collect::<Vec<_>>())?;
    Ok([given, plain])
}

fn product(noise: &Noise, factors: &[(&DenseLaw, f64)], t: f64) -> Result<DenseLaw> {
    let kernel = noise.kernel(0.0, t)?;
    let noised = factors.iter().map(|(law, e)| Ok((law.noised(&kernel)?, *e))).collect::<Result<Vec<_>>>()?;
    let weight = |i: usize| noised.iter().map(|(law, e)| law.p()[i].powf(*e)).product();
    DenseLaw::new(noise.dims_out(), &(0..noised[0].0.p().len()).map(weight).collect::<Vec<f64>>())
}

/// A denoiser by its answers at given times to all configurations: particles ask for the same ones over and
/// over.
struct Answers {
    noise: Noise,
    /// By time.
    tables: Vec<(f64, Array3<f64>)>,
}

impl Answers {
    fn new(denoiser: &dyn Denoiser, times: &[f64], space: &DenseLaw) -> Result<Self> {
        let y = all(space);
        let table = |&t: &f64| Ok((t, denoiser.conditional_marginals(t, y.view())?));
        Ok(Answers { noise: denoiser.noise().clone(), tables: times.iter().map(table).collect::<Result<_>>()? })
    }
}

impl Denoiser for Answers {
    fn noise(&self) -> &Noise {
        &self.noise
    }

    fn conditional_marginals(&self, t: f64, y: Configs<'_>) -> Result<Array3<f64>> {
        let known = self.tables.iter().find(|(time, _)| *time == t);
        let expected = "one of the times that are known";
        let table = &known.ok_or_else(|| Error::Parameter { name: "t", value: t.into(), expected })?.1;
        let index = |y: ndarray::ArrayView1<'_, u8>| {
            y.iter().zip(self.noise.dims_out()).fold(0, |i, (&a, d)| i * d + usize::from(a))
        };
        Ok(table.select(Axis(0), &y.outer_iter().map(index).collect::<Vec<_>>()))
    }
}

/// All configurations, in the order of the table.
fn all(law: &DenseLaw) -> Array2<u8> {
    let mut y = Array2::zeros((law.p().len(), law.dims().len()));
    y.outer_iter_mut().enumerate().for_each(|(i, mut row)| row.assign(&Array1::from(law.config(i))));
    y
}

/// The measure of infinitely many particles.
fn limit(factors: &[(&dyn Denoiser, f64)], start: &DenseLaw, grid: &TimeGrid, weighted: bool) -> Result<Vec<f64>> {
    let (noise, dims) = (factors[0].0.noise(), start.dims());
    let size = start.p().len();
    let y = all(start);
    let mut mass = start.p().to_vec();
    let power: f64 = factors.iter().map(|(_, e)| e).sum();
    for (s, t) in grid.pairs() {
        let h = noise.schedule().elapsed(s, t)?;
        let ratios: Vec<_> =
            factors.iter().map(|(d, e)| Ok((d.score_ratios(t, y.view())?, *e))).collect::<Result<_>>()?;
        let mut next = vec![0.0; size];
        for i in 0..size {
            let (mut gap, mut table) = (0.0, vec![1.0]);
            for (j, &d) in dims.iter().enumerate() {
                let (q, here) = (noise.rates().matrix(j), usize::from(y[[i, j]]));
                let mut law = vec![0.0; d];
                for b in (0..d).filter(|&b| b != here) {
                    let rate = power * ratios.iter().map(|(r, e)| r[[i, j, b]].powf(*e)).product::<f64>();
                    law[b] = h * q[[b, here]] * rate;
                    gap += q[[b, here]] * (rate - ratios.iter().map(|(r, e)| e * r[[i, j, b]]).sum::<f64>());
                }
                let jumps: f64 = law.iter().sum();
                law.iter_mut().for_each(|p| *p /= jumps.max(1.0));
                law[here] = (1.0 - jumps).max(0.0);
                table = table.iter().flat_map(|mass| law.iter().map(move |p| mass * p)).collect();
            }
            let weight = if weighted { (h * gap).exp() } else { 1.0 };
            next.iter_mut().zip(&table).for_each(|(sum, p)| *sum += mass[i] * weight * p);
        }
        mass = next;
    }
    let total: f64 = mass.iter().sum();
    Ok(mass.iter().map(|p| p / total).collect())
}

/// All lines over `runs` runs, fewer of many particles; `tick` is called after each.
pub fn measure(runs: usize, most: usize, seed: u64, tick: &mut dyn FnMut()) -> Result<Vec<Line>> {
    let [given, plain] = laws()?;
    let noise = Noise::from(Rates::uniform(plain.dims(), 1.0)?);
    let denoisers = [ExactDenoiser::new(&given, &noise)?, ExactDenoiser::new(&plain, &noise)?];
    let mut lines = Vec::new();
    for gamma in GAMMAS {
        let powers = [gamma, 1.0 - gamma];
        let laws: Vec<(&DenseLaw, f64)> = [&given, &plain].into_iter().zip(powers).collect();
        let factors: Vec<(&dyn Denoiser, f64)> =
            denoisers.iter().zip(powers).map(|(denoiser, e)| (denoiser as &dyn Denoiser, e)).collect();
        let (start, truth) = (product(&noise, &laws, T)?, product(&noise, &laws, 0.0)?);
        for steps in STEPS {
            let grid = TimeGrid::uniform(T, 0.0, steps)?;
            let error = |weighted| Ok(distances(truth.p(), &limit(&factors, &start, &grid, weighted)?)?.0);
            let answers: Vec<Answers> =
                factors.iter().map(|(d, _)| Answers::new(*d, grid.times(), &start)).collect::<Result<_>>()?;
            let known: Vec<(&dyn Denoiser, f64)> =
                answers.iter().zip(powers).map(|(answers, e)| (answers as &dyn Denoiser, e)).collect();
            let (mut total_variation, mut runs_of, mut points) = (Vec::new(), Vec::new(), Vec::new());
            for n in COUNTS.into_iter().filter(|&n| n <= most) {
                let runs = if n > FEWER { (runs * FEWER / n).max(LEAST.min(runs)) } else { runs };
                let one = |run: usize| {
                    let streams = Streams::new(seed).domain("particles").step(run as u64).step(n as u64);
                    let y = start.draw(n, &streams)?.x;
                    let out = particles(&known, y.view(), &grid, THRESHOLD, &streams)?;
                    let mut table = vec![0.0; truth.p().len()];
                    for (x, log_w) in out.x.outer_iter().zip(&out.log_weights) {
                        table[truth.index(&x.to_vec())?] += log_w.exp();
                    }
                    Ok(distances(truth.p(), &table)?.0)
                };
                let error = mean(&(0..runs).map(one).collect::<Result<Vec<_>>>()?);
                points.push((n as f64, error.0));
                total_variation.push(error);
                runs_of.push(runs);
            }
            let (fall, runs) = (fitted_order(&points[..FALL.min(points.len())]), runs_of);
            let (step_bias, unweighted) = (error(true)?, error(false)?);
            lines.push(Line { gamma, steps, step_bias, unweighted, total_variation, fall, runs });
            tick();
        }
    }
    Ok(lines)
}

/// How often [`measure`] ticks.
pub const PARTS: u64 = (GAMMAS.len() * STEPS.len()) as u64;
