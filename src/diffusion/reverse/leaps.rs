//! A batch on its way along the grid by leaps.

use ndarray::{Array2, Axis};

use super::corrector::Corrector;
use super::grid::TimeGrid;
use super::outcome::Outcome;
use super::picks::Picks;
use super::psi::psi;
use super::remask::remask_at;
use super::step::Step;
use super::step_law::{Draw, StepLaw};
use super::two_stages::TwoStages;
use crate::diffusion::denoiser::{Denoiser, marginals_of};
use crate::error::{Error, Result};
use crate::model::Configs;
use crate::rng::Streams;

/// Leaps of all rows from the first time of the grid to its last.
pub(super) fn leaps<D: Denoiser + ?Sized>(
    denoiser: &D,
    y: Configs<'_>,
    grid: &TimeGrid,
    (step, corrector): (Step, Option<Corrector>),
    streams: &Streams,
) -> Result<Outcome> {
    // Up front: no corrector step may be reached.
    corrector.map_or(Ok(()), Corrector::check)?;
    let mut walk = Leaps { denoiser, outcome: Outcome::start(y), alive: (0..y.nrows()).collect(), moves: 0, streams };
    for (k, (s, t)) in grid.pairs().enumerate() {
        match (step, step.two_stages()) {
            (_, Some(stages)) => walk.two_stages(stages, (s, t), k == 0)?,
            (Step::Unmask(order), _) => {
                walk.picks(t, k == 0, |y| Picks::unmask(denoiser, order, (s, t), y))?;
            }
            _ => walk.product(step, t, k == 0, |y| step.law(denoiser, (s, t), y))?,
        }
        match corrector.filter(|_| s > 0.0) {
            Some(Corrector::Rates { rounds, size }) if t.is_finite() => {
                let size = size * denoiser.noise().schedule().elapsed(s, t)?;
                for _ in 0..rounds {
                    walk.product(step, s, false, |y| step.corrector_law(denoiser, s, size, y))?;
                }
            }
            Some(Corrector::Resample { rounds, sites, order }) => {
                for _ in 0..rounds {
                    walk.picks(s, false, |y| Picks::resample(denoiser, order, sites, s, y))?;
                }
            }
            Some(Corrector::Remask { rounds, eta, window }) if window.0 <= s && s <= window.1 => {
                for _ in 0..rounds {
                    walk.product(step, s, false, |y| remask_at(denoiser, eta, s, y))?;
                }
            }
            Some(Corrector::Psi { rounds, kappa, window }) if window.0 <= s && s <= window.1 => {
                for _ in 0..rounds {
                    walk.product(step, s, false, |y| psi(denoiser, kappa, (s, s), y))?;
                }
            }
            Some(Corrector::Rates { .. } | Corrector::Remask { .. } | Corrector::Psi { .. }) | None => {}
        }
    }
    Ok(walk.outcome)
}

struct Leaps<'a, D: ?Sized> {
    denoiser: &'a D,
    outcome: Outcome,
    /// Rows that are not lost.
    alive: Vec<usize>,
    /// Draws so far: the step of the streams.
    moves: u64,
    streams: &'a Streams,
}

impl<D: Denoiser + ?Sized> Leaps<'_, D> {
    /// One evaluation for the rows that are alive, at time `t`: their numbers, what they are, and what `law`
    /// makes of both. Impossible rows are lost, but an error at the `start`; `None` where no row is left.
    fn evaluate<T>(
        &mut self,
        t: f64,
        start: bool,
        law: impl Fn(&[usize], Configs<'_>) -> Result<T>,
    ) -> Result<Option<(Array2<u8>, T)>> {
        let mut y = self.outcome.x.select(Axis(0), &self.alive);
        let mut laws = law(&self.alive, y.view());
        if matches!(laws, Err(Error::ZeroEvidence { .. })) && !start {
            let possible = self.denoiser.possible(t, y.view())?;
            let lost = self.alive.iter().zip(&possible).filter(|(_, ok)| !**ok).map(|(&row, _)| row);
            self.outcome.lost.extend(lost);
            self.outcome.lost.sort_unstable();
            if possible.iter().any(|ok| !ok) {
                let mut keep = possible.iter();
                self.alive.retain(|_| *keep.next().unwrap_or(&true));
                y = self.outcome.x.select(Axis(0), &self.alive);
                laws = law(&self.alive, y.view());
            }
        }
        if self.alive.is_empty() {
            return Ok(None);
        }
        let laws = laws?;
        self.alive.iter().for_each(|&row| self.outcome.evaluations[row] += 1);
        self.outcome.calls += 1;
        Ok(Some((y, laws)))
    }

    /// Moves the rows that are alive.
    fn accept(&mut self, drawn: &Draw) {
        for (i, &row) in self.alive.iter().enumerate() {
            self.outcome.x.row_mut(row).assign(&drawn.x.row(i));
            self.outcome.jumps[row] += drawn.jumps[i];
            self.outcome.events[row] += drawn.jumps[i];
            self.outcome.excesses[row] += drawn.excesses[i];
        }
    }

    fn next_streams(&mut self) -> Streams {
        self.moves += 1;
        self.streams.step(self.moves - 1)
    }

    /// One step by a product over the sites.
    fn product(&mut self, step: Step, t: f64, start: bool, law: impl Fn(Configs<'_>) -> Result<StepLaw>) -> Result<()> {
        let streams = self.next_streams();
        if let Some((y, laws)) = self.evaluate(t, start, |_, y| law(y))? {
            self.accept(&laws.draw(step.excesses(), y.view(), &self.alive, &streams));
        }
        Ok(())
    }

    /// One step that moves chosen sites.
    fn picks(&mut self, t: f64, start: bool, picks: impl Fn(Configs<'_>) -> Result<Picks>) -> Result<()> {
        let streams = self.next_streams();
        if let Some((y, picks)) = self.evaluate(t, start, |_, y| picks(y))? {
            self.accept(&picks.draw(y.view(), &self.alive, &streams));
        }
        Ok(())
    }

    /// One step of two stages. A row whose configuration between them is impossible is lost there.
    fn two_stages(&mut self, stages: TwoStages, (s, t): (f64, f64), start: bool) -> Result<()> {
        let (denoiser, noise) = (self.denoiser, self.denoiser.noise());
        let streams = [self.next_streams(), self.next_streams()];
        let excesses = super::step_law::Excesses::Certain;
        let first = |_: &[usize], y: Configs<'_>| {
            let p = marginals_of(denoiser, t, y)?;
            Ok((stages.first(noise, (s, t), (y, &p))?, p))
        };
        let Some((y, (law, p))) = self.evaluate(t, start, first)? else { return Ok(()) };
        let (rows, middle) = (self.alive.clone(), stages.middle(noise, (s, t))?);
        let mut drawn = law.draw(excesses, y.view(), &rows, &streams[0]);
        if stages.restarts() {
            drawn.jumps.fill(0); // they are taken back
        }
        self.accept(&drawn);
        // What the first stage saw of the rows that are still alive.
        let seen = |alive: &[usize]| {
            let at: Vec<usize> = alive.iter().filter_map(|row| rows.binary_search(row).ok()).collect();
            (y.select(Axis(0), &at), p.select(Axis(0), &at))
        };
        let second = |alive: &[usize], between: Configs<'_>| {
            let (q, (y, p)) = (marginals_of(denoiser, middle, between)?, seen(alive));
            stages.second(noise, (s, t), (y.view(), &p), (between, &q))
        };
        if let Some((between, law)) = self.evaluate(middle, false, second)? {
            let from = if stages.restarts() { seen(&self.alive).0 } else { between };
            self.accept(&law.draw(excesses, from.view(), &self.alive, &streams[1]));
        }
        Ok(())
    }
}
