//! Moves of cubic Ising models in lanes.

use ndarray::{Array2, Axis, s};
use pulp::Arch;
use rand::Rng;
use rayon::prelude::*;

use super::ising::CubicIsing;
use super::lanes::{CubicLanes, WIDTH};
use super::rods::Rods;
use super::sweep::{Rule, Sweep};
use super::window::{Window, check_area};
use crate::configs::match_dims;
use crate::error::{Error, Result};
use crate::lanes::LaneRng;
use crate::mcmc::{Chains, Move, MoveReport};
use crate::model::Target;
use crate::rng::{Stream, Streams};

/// What a sweep does to 16 replicas side by side.
///
/// | move | ns a spin, one thread | |
/// |---|---|---|
/// | [`CubicMove::heat_bath`] | 0.6 | site by site |
/// | [`CubicMove::metropolis`] | 0.6 | site by site |
/// | [`CubicMove::rods`] 2 × 2 | 5 | windows redrawn exactly |
/// | [`CubicMove::rods`] 3 × 2 | 5.5 | |
/// | [`CubicMove::rods`] 4 × 2 | 12 | |
/// | [`CubicMove::rods`] 3 × 3 | 19 | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CubicMove(pub(super) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    HeatBath,
    Metropolis,
    Rods(usize, usize),
}

impl CubicMove {
    /// Heat bath, site by site in checkerboard order.
    pub fn heat_bath() -> Self {
        CubicMove(Kind::HeatBath)
    }

    /// Metropolis, site by site in checkerboard order; where `β |ΔE| < 0.1` with the probability of heat
    /// bath, as [`SpinSweep`](crate::lattice::SpinSweep).
    pub fn metropolis() -> Self {
        CubicMove(Kind::Metropolis)
    }

    /// Rods of cross-section `a × b` redrawn exactly, given all other spins, along a random direction of the
    /// lattice and over its whole length (less one site where it wraps around); a sweep covers the lattice.
    ///
    /// # Errors
    /// [`Error::Parameter`] for no sites, [`Error::TooLarge`] for `a b > 12`.
    pub fn rods(a: usize, b: usize) -> Result<Self> {
        check_area(a, b)?;
        Ok(CubicMove(Kind::Rods(a, b)))
    }

    /// This move of chains, `sweeps` sweeps in each update: a [`Move`] whose target must be `ising`.
    ///
    /// # Errors
    /// [`Error::Parameter`] if `sweeps` is zero; as [`CubicLanes::new`].
    pub fn of(self, ising: &CubicIsing, sweeps: usize) -> Result<CubicSweeps> {
        if sweeps == 0 {
            return Err(Error::parameter("sweeps", sweeps, "at least one"));
        }
        let start = Array2::zeros((WIDTH, ising.dims().len()));
        let lanes = CubicLanes::new(std::slice::from_ref(ising), start.view())?;
        Ok(CubicSweeps { ising: ising.clone(), lanes, by: self, sweeps })
    }
}

/// A [`CubicMove`] of chains, 16 of them side by side, made by [`CubicMove::of`].
///
/// ```
/// use tensorjump::lattice::{Cubic, CubicCouplings, CubicIsing, CubicMove};
/// use tensorjump::mcmc::{Chains, RunOptions};
///
/// let couplings = CubicCouplings::uniform(Cubic::new([4, 4, 4], [true; 3])?, 1.0)?;
/// let ising = CubicIsing::new(couplings, 0.1)?;
/// let rods = CubicMove::rods(2, 2)?.of(&ising, 2)?;
/// let mut chains = Chains::initial(&ising, 16, 1)?;
/// let run = RunOptions { updates: 200, ..RunOptions::default() }.run(&ising, &rods, &mut chains, |x| {
///     Ok(ising.energy(x)? / -192.0)
/// })?;
/// let found = run.mean(0)?;
/// assert!((found.mean - 0.1055396).abs() < 5.0 * found.error); // by transfer matrices
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CubicSweeps {
    ising: CubicIsing,
    /// To be put at the configurations of the chains.
    lanes: CubicLanes,
    by: CubicMove,
    sweeps: usize,
}

impl Move for CubicSweeps {
    /// Chains `16 g..16 (g + 1)` draw from stream `g` of the domain `"cubic"`, each from a part of its own.
    ///
    /// # Errors
    /// Another number of sites, or of states, than the model has.
    fn update(&self, chains: &mut Chains, target: &dyn Target, streams: &Streams) -> Result<MoveReport> {
        match_dims(target.dims(), self.ising.dims())?;
        let streams = streams.domain("cubic");
        let groups: Vec<_> = (0..chains.len()).step_by(WIDTH).collect();
        let moved: Vec<(Array2<u8>, MoveReport)> = groups
            .par_iter()
            .map(|&first| {
                let rows = first..chains.len().min(first + WIDTH);
                let mut lanes = self.lanes.at(chains.x().slice(s![rows, ..]))?;
                let report = lanes.advance(self.by, self.sweeps, &mut streams.stream(first / WIDTH))?;
                Ok((lanes.x(), report))
            })
            .collect::<Result<_>>()?;
        let mut report = MoveReport::default();
        for (first, (x, of_group)) in groups.into_iter().zip(moved) {
            report += &of_group;
            let log_weight = target.log_weight(x.view())?;
            for (i, (x, &log_weight)) in x.axis_iter(Axis(0)).zip(&log_weight).enumerate() {
                report.moved += usize::from(chains.replace(first + i, x, log_weight)?);
            }
        }
        Ok(report)
    }
}

impl CubicLanes {
    /// So many sweeps of a move over all replicas, with draws from `stream`. Counts replicas times sites, or
    /// windows, as proposals.
    ///
    /// # Errors
    /// None for the moves that there are.
    pub fn advance(&mut self, by: CubicMove, sweeps: usize, stream: &mut Stream) -> Result<MoveReport> {
        let mut rng = lane_rng(stream);
        let mut report = MoveReport::default();
        let rule = match by.0 {
            Kind::HeatBath => Rule::HeatBath,
            Kind::Metropolis => Rule::Metropolis,
            Kind::Rods(a, b) => {
                let mut rods = Rods::new(self.lattice);
                for _ in 0..sweeps {
                    for window in Window::cut(self.lattice, [a, b], stream)? {
                        let accepted = rods.redraw(self, &window, &mut rng);
                        self.count(accepted, 1, &mut report);
                    }
                }
                return Ok(report);
            }
        };
        let sites = self.lattice.sites();
        for _ in 0..sweeps {
            let flips = Arch::new().dispatch(Sweep { lanes: self, rule, rng: &mut rng });
            match rule {
                Rule::HeatBath => self.count([sites as u32; WIDTH], sites, &mut report),
                Rule::Metropolis => self.count(flips, sites, &mut report),
            }
        }
        Ok(report)
    }

    /// Redraws the window of `shape` sites whose first corner is `start`, given all other spins, in every
    /// replica: exactly, up to a rejection that single precision calls for once in some 10⁵ windows (more
    /// often where β times the fields of a site is above 10: entries some 83 nats below the largest are drawn
    /// by a coin).
    ///
    /// The transfer vector runs along the longest side and has `2^(a b)` entries, `a` and `b` the other
    /// two. Cost: `2^(a b)` multiply-adds a site, as many again a slice for the draw, and a few
    /// multiplications an entry a slice; memory 64 bytes an entry and slice, entries rounded up a little.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a window without sites, a corner outside the lattice, a window that leaves an
    /// open lattice or wraps onto itself; [`Error::TooLarge`] for `a b > 12`.
    pub fn redraw(&mut self, start: [usize; 3], shape: [usize; 3], stream: &mut Stream) -> Result<MoveReport> {
        let window = Window::new(self.lattice, start, shape)?;
        let mut report = MoveReport::default();
        let accepted = Rods::new(self.lattice).redraw(self, &window, &mut lane_rng(stream));
        self.count(accepted, 1, &mut report);
        Ok(report)
    }

    fn count(&self, accepted: [u32; WIDTH], proposed: usize, report: &mut MoveReport) {
        report.proposed += self.len() * proposed;
        report.accepted += accepted[..self.len()].iter().map(|&n| n as usize).sum::<usize>();
    }
}

/// 128 bits a lane: one block of the stream.
pub(super) fn lane_rng(stream: &mut Stream) -> LaneRng<WIDTH> {
    let mut seeds = [[0u32; 4]; WIDTH];
    seeds.as_flattened_mut().iter_mut().for_each(|word| *word = stream.next_u32());
    LaneRng::new(|i| seeds[i])
}
