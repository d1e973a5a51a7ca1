//! Proposals `x → x'` with the log-ratio of their densities, for this library's chains and for foreign Monte
//! Carlo codes.
//!
//! Convention: `log_ratio = log Q(x' → x) − log Q(x → x')`, reverse over forward, so that accepting with
//! `min(1, π(x')/π(x)·e^{log_ratio})` is exact for every target `π`. With an auxiliary variable `y` the
//! densities are those of the pair (arXiv 2407.11133): forward `K(x,y) q(x'|y)`, reverse `K(x',y) q(x|y)`.
//!
//! Cost: one `redraw` of the model for the whole batch, plus `O(sites)` a row for the noise.

use std::ops::{Deref, Range};

use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, Model, Samples, SiteWeights, check_configs};
use crate::noise::Kernel;
use crate::rng::Streams;

/// Proposed configurations with what the acceptance rule needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposed {
    /// Proposed configurations, shape `(samples, sites)`.
    pub x: Array2<u8>,
    /// Log of reverse over forward proposal density in nats, shape `(samples,)`; −∞ means that the move must
    /// be rejected.
    pub log_ratio: Array1<f64>,
    /// Rows whose present configuration the model cannot propose: `q(x|y) = 0`, log-ratio −∞. Such a row does
    /// not move now; one that is counted at every update never moves by this proposal, and shows a model that
    /// lacks support.
    pub unsupported: usize,
    /// Rows whose noisy `y` no configuration of the model can explain: they keep `x`, log-ratio −∞.
    pub impossible: usize,
}

impl Proposed {
    /// `min(1, e^{log_weight_new − log_weight_old + log_ratio})`, the probability of accepting a proposal; 0
    /// where the new weight or the reverse density is zero. The old log-weight must be finite.
    pub fn acceptance_probability(log_weight_old: f64, log_weight_new: f64, log_ratio: f64) -> f64 {
        (log_weight_new - log_weight_old + log_ratio).exp().min(1.0)
    }

    /// A proposal that is its own reverse: log-ratio 0 in every row.
    pub fn symmetric(x: Array2<u8>) -> Self {
        let rows = x.nrows();
        Proposed { x, log_ratio: Array1::zeros(rows), unsupported: 0, impossible: 0 }
    }
}

/// A law of proposals `x → x'` whose density ratio is known.
pub trait Proposal: Send + Sync {
    /// Number of states of each site.
    fn dims(&self) -> &[usize];

    /// Proposes for each row of `x`, shape `(samples, sites)`. Row `i` uses stream `i` of a domain of the
    /// proposal's own, so that draws made before may come from the same `Streams`; repeated calls must differ
    /// in the step, `streams.step(k)`.
    ///
    /// # Errors
    /// Configurations of the wrong shape or out of range, and errors of the model.
    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed>;

    /// Proposes for one configuration: `(x', log_ratio)`, to be accepted with
    /// `min(1, π(x')/π(x)·e^{log_ratio})`.
    ///
    /// # Errors
    /// As [`Proposal::propose`].
    fn propose_one(&self, x: &[u8], streams: &Streams) -> Result<(Vec<u8>, f64)> {
        let proposed = self.propose(ArrayView1::from(x).insert_axis(Axis(0)), streams)?;
        match proposed.log_ratio.first() {
            Some(&log_ratio) => Ok((proposed.x.row(0).to_vec(), log_ratio)),
            None => Err(Error::SampleCount { expected: 1, got: 0 }),
        }
    }
}

/// Whatever points at a proposal is that proposal: `&P`, `Box<P>`, `Arc<P>`.
impl<P: Deref<Target: Proposal> + Send + Sync> Proposal for P {
    fn dims(&self) -> &[usize] {
        (**self).dims()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        (**self).propose(x, streams)
    }

    fn propose_one(&self, x: &[u8], streams: &Streams) -> Result<(Vec<u8>, f64)> {
        (**self).propose_one(x, streams)
    }
}

/// The four log-densities of a move `x → y → x'`, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triple {
    /// `log K(x, y)`.
    pub noise_old: f64,
    /// `log K(x', y)`.
    pub noise_new: f64,
    /// `log q(x|y)`; −∞ where the denoiser cannot return to `x`.
    pub denoise_old: f64,
    /// `log q(x'|y)`.
    pub denoise_new: f64,
}

impl Triple {
    /// `log [K(x',y) q(x|y)] − log [K(x,y) q(x'|y)]`: reverse over forward. −∞ where the reverse move is
    /// impossible; +∞ or NaN only for a forward move of probability zero, which no draw can return.
    pub fn log_ratio(&self) -> f64 {
        let reverse = self.noise_new + self.denoise_old;
        let forward = self.noise_old + self.denoise_new;
        if reverse == f64::NEG_INFINITY && forward > f64::NEG_INFINITY { reverse } else { reverse - forward }
    }
}

/// Log-ratio of a row, or the error of a draw that its own law excludes.
pub(super) fn checked_log_ratio(row: usize, triple: Triple) -> Result<f64> {
    match triple.log_ratio() {
        value if value < f64::INFINITY => Ok(value),
        value => Err(Error::LogWeight { row, value }),
    }
}

/// What a model returned for `x` has its shape.
fn check_redraw(new: &Samples, old: &Array1<f64>, x: Configs<'_>) -> Result<()> {
    if new.x.dim() != x.dim() {
        return Err(Error::Shape { field: "redraw", expected: x.shape().to_vec(), got: new.x.shape().to_vec() });
    }
    match [new.log_prob.len(), old.len()].into_iter().find(|&got| got != x.nrows()) {
        Some(got) => Err(Error::SampleCount { expected: x.nrows(), got }),
        None => Ok(()),
    }
}

/// The disconnected move: `x' ~ q`, whatever `x` is; the connected move at infinite noise.
///
/// The model may be owned, borrowed or shared.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Disconnected<M> {
    model: M,
}

impl<M: Model> Disconnected<M> {
    /// Proposes plain draws of the model.
    pub fn new(model: M) -> Self {
        Disconnected { model }
    }
}

impl<M: Model> Proposal for Disconnected<M> {
    fn dims(&self) -> &[usize] {
        self.model.dims()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        let (new, old) = self.model.redraw(&SiteWeights::Uniform, x, &streams.domain("disconnected"))?;
        check_redraw(&new, &old, x)?;
        let unsupported = old.iter().filter(|&&q| q == f64::NEG_INFINITY).count();
        let ratio = |(row, (&denoise_old, &denoise_new))| {
            checked_log_ratio(row, Triple { noise_old: 0.0, noise_new: 0.0, denoise_old, denoise_new })
        };
        let log_ratio = old.iter().zip(&new.log_prob).enumerate().map(ratio).collect::<Result<_>>()?;
        Ok(Proposed { x: new.x, log_ratio, unsupported, impossible: 0 })
    }
}

/// The connected move: `y ~ K(x, ·)`, `x' ~ q(·|y)`, accepted on the triple `(x, y, x')`.
///
/// Short noise gives small moves and acceptance near one, long noise the disconnected move; masking chosen
/// sites resamples that block. Exact for any model with known law, also where `q(·|y)` is not the Bayes
/// posterior of any prior.
///
/// A truncated model may have no configuration at all behind some `y`. Staying at `x` for these `y` keeps
/// detailed balance, since it only adds to the probability of not moving; such rows are counted as
/// [`Proposed::impossible`].
///
/// The model may be owned, borrowed or shared.
#[derive(Debug, Clone)]
#[must_use]
pub struct Connected<M> {
    model: M,
    kernel: Kernel,
}

/// What comes back from the denoiser: new rows, scores of new and old rows, and the rows that nothing
/// explains.
pub(super) struct Denoised {
    pub x: Array2<u8>,
    pub new: Array1<f64>,
    pub old: Array1<f64>,
    pub possible: Vec<bool>,
}

impl<M: Model> Connected<M> {
    /// Noises by `kernel`, denoises by `model`.
    ///
    /// # Errors
    /// [`Error::SiteCount`] or [`Error::LocalDimension`] if the kernel does not act on the states of the
    /// model.
    pub fn new(model: M, kernel: Kernel) -> Result<Self> {
        match_dims(model.dims(), kernel.dims_in())?;
        Ok(Connected { model, kernel })
    }

    /// The noise.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Redraws every row of `x` given `y`; rows that nothing explains keep their `x`.
    pub(super) fn denoised(&self, y: Configs<'_>, x: Configs<'_>, streams: &Streams) -> Result<Denoised> {
        let n = x.nrows();
        let mut out =
            Denoised { x: x.to_owned(), new: Array1::zeros(n), old: Array1::zeros(n), possible: vec![true; n] };
        self.denoise(0..n, y, x, streams, &mut out)?;
        Ok(out)
    }

    /// Redraws the given rows, splitting off rows without evidence: the block that contains one is cut there
    /// and the rest halved, so `n` rows cost at most `n (1 + log₂ n)` draws, however many are impossible, and
    /// `n` if none is.
    ///
    /// Blocks keep the streams of their rows: what a row draws does not depend on its neighbours.
    fn denoise(
        &self,
        rows: Range<usize>,
        y: Configs<'_>,
        x: Configs<'_>,
        streams: &Streams,
        out: &mut Denoised,
    ) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let block = s![rows.clone(), ..];
        let likelihood = self.kernel.likelihood(y.slice_move(block));
        match self.model.redraw(&likelihood, x.slice(block), &streams.rows_from(rows.start)) {
            Ok((samples, old)) => {
                check_redraw(&samples, &old, x.slice(block))?;
                out.x.slice_mut(block).assign(&samples.x);
                out.new.slice_mut(s![rows.clone()]).assign(&samples.log_prob);
                out.old.slice_mut(s![rows]).assign(&old);
                Ok(())
            }
            Err(Error::ZeroEvidence { row }) if row < rows.len() => {
                let bad = rows.start + row;
                out.possible[bad] = false;
                let middle = (bad + 1).midpoint(rows.end);
                for part in [rows.start..bad, bad + 1..middle, middle..rows.end] {
                    self.denoise(part, y, x, streams, out)?;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl<M: Model> Proposal for Connected<M> {
    fn dims(&self) -> &[usize] {
        self.model.dims()
    }

    fn propose(&self, x: Configs<'_>, streams: &Streams) -> Result<Proposed> {
        check_configs(x, self.dims())?;
        let n = x.nrows();
        let streams = &streams.domain("connected");
        let y = self.kernel.sample(x, streams)?;
        let denoised = self.denoised(y.view(), x, streams)?;
        let noise_old = self.kernel.log_prob(x, y.view())?;
        let noise_new = self.kernel.log_prob(denoised.x.view(), y.view())?;

        let mut proposed = Proposed::symmetric(denoised.x);
        for row in 0..n {
            if !denoised.possible[row] {
                proposed.impossible += 1;
                proposed.log_ratio[row] = f64::NEG_INFINITY;
                continue;
            }
            let (denoise_old, denoise_new) = (denoised.old[row], denoised.new[row]);
            proposed.unsupported += usize::from(denoise_old == f64::NEG_INFINITY);
            let triple = Triple { noise_old: noise_old[row], noise_new: noise_new[row], denoise_old, denoise_new };
            proposed.log_ratio[row] = checked_log_ratio(row, triple)?;
        }
        Ok(proposed)
    }
}
