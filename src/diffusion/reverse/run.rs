//! Reverse processes from given configurations: leaps along a grid, or jump by jump; what was done is counted
//! and returned.

use super::corrector::Corrector;
use super::grid::TimeGrid;
use super::jumps::{Thinner, jump_by_jump};
use super::leaps::leaps;
use super::outcome::{Finish, Outcome};
use super::rate_bound::Bound;
use super::step::Step;
use super::step_law::Excesses;
use crate::diffusion::denoiser::Denoiser;
use crate::error::{Error, Result};
use crate::model::{Configs, check_configs};
use crate::rng::Streams;

/// How the reverse process is simulated.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Method {
    /// Several sites at once, step by step along the grid; the order is that of the step.
    Leap {
        /// The step.
        step: Step,
        /// Corrector steps after each (predictor–corrector).
        corrector: Option<Corrector>,
    },
    /// Events of a Poisson process of rate `Λ_k` in each interval of the grid; each a jump with probability
    /// rate/Λ_k, else nothing: exact for exact rates (arXiv 2402.08095).
    Uniformization(Bound),
    /// The same with the bound that holds at the present configuration, renewed at every jump: fewer events,
    /// exact as well.
    Thinning,
}

impl From<Step> for Method {
    fn from(step: Step) -> Self {
        Method::Leap { step, corrector: None }
    }
}

/// Runs the reverse process from `y`, configurations at the first time of the grid, to its last time δ; for
/// `δ > 0` and `finish`, one draw of clean configurations follows: joint where the denoiser has a law, else
/// from the product of its marginals ([`Outcome::finish`] says which).
///
/// Row `i` uses stream `i`: results depend neither on the batch nor on threads. One call of the denoiser a
/// step for leaps; uniformization and thinning advance all rows to their next events and evaluate them
/// together, at a time of its own for each.
///
/// # Errors
/// Configurations of the wrong shape or out of range; [`Error::Parameter`] for a first time of infinite
/// noise or, where sites can be masked, a last time 0 with steps or correctors by rates (the analytical
/// step, remasking and unmasking go from ∞ to 0), and for a last time 0 where rates must be bounded;
/// [`Error::RateBound`] for a rate above its bound; [`Error::TooLarge`] beyond 10⁸ expected events of a
/// sample; [`Error::ZeroEvidence`] for an impossible row of `y`; errors of the denoiser.
///
/// # Examples
/// ```
/// # use tensorjump::dense::DenseLaw;
/// # use tensorjump::diffusion::{ExactDenoiser, reverse::{Step, TimeGrid, exact_start, reverse}};
/// # use tensorjump::noise::{Noise, Rates, Schedule};
/// # use tensorjump::Streams;
/// let model = DenseLaw::new(&[2, 2], &[0.4, 0.1, 0.2, 0.3])?;
/// let noise = Noise::new(Rates::binary_flip(2, 1.0, 0.5)?, Schedule::default());
/// let denoiser = ExactDenoiser::new(&model, &noise)?;
/// let y = exact_start(&model, &noise, 1.0, 100, &Streams::new(1))?;
/// let (grid, method) = (TimeGrid::uniform(1.0, 0.0, 16)?, Step::Analytical.into());
/// let out = reverse(&denoiser, y.view(), &grid, &method, true, &Streams::new(1))?;
/// assert_eq!((out.x.dim(), out.calls), ((100, 2), 16));
/// # Ok::<(), tensorjump::Error>(())
/// ```
pub fn reverse<D: Denoiser + ?Sized>(
    denoiser: &D,
    y: Configs<'_>,
    grid: &TimeGrid,
    method: &Method,
    finish: bool,
    streams: &Streams,
) -> Result<Outcome> {
    let noise = denoiser.noise();
    check_configs(y, noise.dims_out())?;
    let streams = streams.domain("reverse");
    let by_rates = !matches!(method, Method::Leap { step, .. } if !step.by_rates());
    if by_rates && grid.to() == 0.0 && noise.dims_in() != noise.dims_out() {
        return Err(Error::parameter("last time", 0.0, "positive for masks: steps by rates may leave some"));
    }
    let mut outcome = match method {
        Method::Leap { step, corrector } => leaps(denoiser, y, grid, (*step, *corrector), &streams)?,
        Method::Uniformization(bound) => {
            jump_by_jump(denoiser, y, grid, &Thinner::uniform(noise, grid, bound)?, &streams)?
        }
        Method::Thinning => jump_by_jump(denoiser, y, grid, &Thinner::local(noise, grid)?, &streams)?,
    };
    if grid.to() == 0.0 {
        outcome.finish = Finish::Grid;
    } else if finish {
        last_draw(denoiser, grid.to(), &mut outcome, &streams)?;
    }
    Ok(outcome)
}

/// The last draw, from `t = δ`, of all rows that are not lost.
fn last_draw<D: Denoiser + ?Sized>(denoiser: &D, t: f64, outcome: &mut Outcome, streams: &Streams) -> Result<()> {
    let rows: Vec<usize> = (0..outcome.x.nrows()).collect();
    loop {
        let alive: Vec<usize> = rows.iter().copied().filter(|row| outcome.lost.binary_search(row).is_err()).collect();
        let Some(&first) = alive.first() else { return Ok(()) };
        // All rows are drawn, lost ones as if they were another, so that row i uses stream i.
        let mut y = outcome.x.clone();
        outcome.lost.iter().for_each(|&row| y.row_mut(row).assign(&outcome.x.row(first)));
        let drawn = match denoiser.draw_clean(t, y.view(), streams) {
            Ok(Some(x)) => Ok((x, Finish::Joint)),
            Ok(None) => Step::Analytical
                .law(denoiser, (0.0, t), y.view())
                .map(|law| (law.draw(Excesses::Certain, y.view(), &rows, &streams.domain("last")).x, Finish::Product)),
            Err(error) => Err(error),
        };
        match drawn {
            Ok((x, finish)) => {
                alive.iter().for_each(|&row| outcome.x.row_mut(row).assign(&x.row(row)));
                outcome.finish = finish;
                return Ok(());
            }
            // Rows that the last step has led out of the support.
            Err(Error::ZeroEvidence { row }) => {
                let possible = denoiser.possible(t, y.view())?;
                if possible.iter().all(|ok| *ok) {
                    return Err(Error::ZeroEvidence { row });
                }
                outcome.lost.extend(possible.iter().zip(&rows).filter(|(ok, _)| !**ok).map(|(_, &row)| row));
                outcome.lost.sort_unstable();
                outcome.lost.dedup();
            }
            Err(error) => return Err(error),
        }
    }
}
