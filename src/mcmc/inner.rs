//! Connected moves with several draws for each noisy configuration.
//!
//! ```text
//! y ~ K(x, ·);  then m times:  x' ~ q(·|y),
//! accept with min(1, π(x') K(x',y) q(x|y) / (π(x) K(x,y) q(x'|y)))
//! ```
//!
//! The noise leaves the law `π(x)K(x,y)` of the pair, and each inner step is an independence Metropolis step
//! for `x` given `y` under it: exact for every `q` and every `m`. What a model builds for `y` (the
//! environments of a [`BoundaryMps`](crate::lattice::square::BoundaryMps)) serves all `m` draws, where a
//! rejection would waste it (arXiv 2407.11133 has `m = 1`).
//!
//! Cost: one `redraw` of `chains × m` rows, those of a chain side by side with the same weights, and as many
//! weights of the target.

use ndarray::Array2;
use rand::RngExt;

use super::chains::Chains;
use super::moves::{Move, MoveReport, check_log_numbers};
use super::proposal::{Connected, Proposal, Proposed, Triple, checked_log_ratio};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::model::{Configs, Model, Target};
use crate::rng::Streams;

/// A [`Connected`] proposal made several times for each noisy configuration, each time accepted or not: a
/// [`Move`].
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
/// use tensorjump::mcmc::{Chains, Connected, InnerDraws, Move};
/// use tensorjump::noise::{Noise, Rates, Schedule};
/// use tensorjump::{Model, Streams};
///
/// let ising = Ising::new(Couplings::uniform(Square::new(8, 8, Geometry::Open)?, 1.0)?, 0.44)?;
/// let model = BoundaryMps::new(&ising, 2)?;
/// let noise = Noise::new(Rates::binary_flip(64, 1.0, 1.0)?, Schedule::constant(1.0)?);
/// let dynamics = InnerDraws::new(Connected::new(&model, noise.kernel(0.0, 0.5)?)?, 4)?;
/// let mut chains = Chains::new(&ising, model.draw(16, &Streams::new(1))?.x)?;
/// let report = dynamics.update(&mut chains, &ising, &Streams::new(2))?;
/// assert!(report.proposed == 64 && report.acceptance() > 0.9);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InnerDraws<M> {
    connected: Connected<M>,
    draws: usize,
}

impl<M: Model> InnerDraws<M> {
    /// Makes `draws` proposals for each noisy configuration.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `draws` is zero.
    pub fn new(connected: Connected<M>, draws: usize) -> Result<Self> {
        if draws == 0 {
            return Err(Error::parameter("inner draws", draws, "at least one"));
        }
        Ok(InnerDraws { connected, draws })
    }

    /// Proposals for each noisy configuration.
    pub fn draws(&self) -> usize {
        self.draws
    }
}

impl<M: Model> Move for InnerDraws<M> {
    /// Counts `draws` proposals a chain; a chain has moved if it ends at another configuration.
    ///
    /// # Errors
    /// As [`MetropolisHastings`](super::moves::MetropolisHastings) of the proposal.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        match_dims(target.dims(), self.connected.dims())?;
        let (draws, kernel) = (self.draws, self.connected.kernel());
        let streams = streams.domain("inner draws");
        let y = kernel.sample(chains.x(), &streams)?;
        let mut noise = kernel.log_prob(chains.x(), y.view())?;
        let repeated =
            |a: Configs<'_>| Array2::from_shape_fn((a.nrows() * draws, a.ncols()), |(i, j)| a[[i / draws, j]]);
        let (x, y) = (repeated(chains.x()), repeated(y.view()));
        let new = self.connected.denoised(y.view(), x.view(), &streams.copies(draws))?;
        let log_weight = target.log_weight(new.x.view())?;
        check_log_numbers(&log_weight)?;
        let noise_new = kernel.log_prob(new.x.view(), y.view())?;

        let accept = streams.domain("accept");
        let mut report = MoveReport { proposed: chains.len() * draws, ..MoveReport::default() };
        for row in 0..chains.len() {
            let mut stream = accept.stream(row);
            let (mut denoise_old, mut weight_old) = (new.old[row * draws], chains.log_weight()[row]);
            let mut at = None;
            for i in row * draws..(row + 1) * draws {
                let u: f64 = stream.random();
                if !new.possible[i] {
                    report.impossible += 1;
                    continue;
                }
                report.unsupported += usize::from(denoise_old == f64::NEG_INFINITY);
                let triple =
                    Triple { noise_old: noise[row], noise_new: noise_new[i], denoise_old, denoise_new: new.new[i] };
                if u < Proposed::acceptance_probability(weight_old, log_weight[i], checked_log_ratio(row, triple)?) {
                    report.accepted += 1;
                    (noise[row], denoise_old, weight_old, at) = (noise_new[i], new.new[i], log_weight[i], Some(i));
                }
            }
            if let Some(i) = at {
                report.moved += usize::from(chains.replace(row, new.x.row(i), weight_old)?);
            }
        }
        Ok(report)
    }
}
