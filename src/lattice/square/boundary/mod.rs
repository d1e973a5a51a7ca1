//! Equilibrium sampling on square lattices by boundary matrix-product states.

mod contraction;
mod draws;
mod evidence;
mod law;
mod parity;
mod reply;
pub(super) mod sketches;
mod small_bonds;
mod tables;
mod transfer;
mod weights;

use std::ops::Range;

use ndarray::{Array1, s};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::lattice::square::odds::Odds;
use crate::lattice::square::pair::PairModel;
use crate::lattice::square::pairwise::Pairwise;
use crate::model::{Configs, Model, Samples, SiteWeights, Target, check_configs};
use crate::rng::{Stream, Streams};
use contraction::{LOST, ROUNDING, Sweep, both_ways, check_chi, log_z_from_above};
use draws::block::{Answer, Work};
use evidence::Evidence;
use law::{Law, pack};
use reply::{Reply, runs_of};
use sketches::{Batch, InLanes, in_lanes};
use tables::RowTables;
use weights::Weights;

pub use contraction::{ContractOptions, Contraction};

/// Draws, with the number of choices in which the floor decided.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
#[must_use]
pub struct Draws {
    /// Configurations and log-probabilities.
    pub samples: Samples,
    /// Choices in which a conditional was raised to the floor, over all draws and sites.
    pub floored: u64,
}

/// A law drawn row by row against boundary states of bond dimension χ, on lattices of any geometry.
///
/// ```text
/// q(s) = ∏_r q(s_r | s_{r−1}),
/// q(s_r | s_{r−1}) ∝ ∏_c V(s_{r−1,c}, s_{r,c}) v(s_{r,c}) ∏_c H(s_{r,c}, s_{r,c+1}) · Ẽ_r(s_r),
/// ```
///
/// rows drawn from the top, `Ẽ_r` the sum over all rows below row `r` as a matrix-product state with bonds of
/// at most χ (QR and truncated SVD, row after row from below, in double precision). Within a row the sites
/// are drawn from left to right. Where nothing is truncated and double precision holds the weights
/// (frustrated couplings of `β|J|` below about 5), `q` is the law of the model to single precision; else it
/// is a law close to it, *normalised exactly* and with known log-probability: a proposal for
/// [`mcmc`](crate::mcmc), or independent draws with importance weights. At the critical point of the Ising
/// model χ = 8 has an acceptance of .99 at 64 × 64.
///
/// **Tori.** The last row meets the first one, so that all rows depend on it: `q(s_r | s_{r−1}, σ)` with
/// `σ = s_0`, and `Ẽ_r(s_r, σ)` a matrix-product operator, the same for all draws; row 0 is drawn from
/// `Ẽ_0(σ, σ)`. At each site a draw picks one of `d²` matrices by its `s` and `σ`. Operators need
/// more terms than the states of an open lattice: at the critical point of the Ising model the effective
/// fraction of draws is .9987 at 16 × 16 with χ = 16, .996 at 32 × 32 with χ = 32, .96 at 64 × 64 with
/// χ = 48.
///
/// **Diagonals.** Bonds along the diagonals of the plaquettes multiply `V` by functions of `s_{r−1,c±1}`.
/// Draws cost what they do without; the states below are made with bonds of `dχ` (one diagonal) or `d²χ`
/// (both) before they are compressed, on a ring `d` or `d²` times that.
///
/// **Precision.** A state is accurate relative to its largest entry, and at low temperature the rows that
/// decide may lie far below it. Some draws are therefore weighed when a law is made. Where single precision
/// has lost something and rows are so short that nothing would be truncated (`d^{cols/2} ≤ χ`), the law is
/// drawn from exact tables of logarithms instead, right at any temperature. Where rows are longer, a law
/// whose draws agree with each other and weigh less than the contraction says, or less than what heat bath
/// makes of them, is refused with [`Error::NoConvergence`]; a law that is poor by its weights (an effective
/// fraction below one half) is not. What is missing from draws and is far from all of them goes unseen:
/// compare `log Z` at two bond dimensions.
/// Tilted laws are not weighed: they are drawn from tables wherever these fit, and are proposals elsewhere.
///
/// **Floor.** Truncation can make a conditional slightly negative. Conditionals are rounded to multiples of
/// 2⁻³², and every symbol that the row above and the site to the left allow has at least 5·2⁻³² > 1e-9; draw
/// and score use the same integers: no smaller conditional exists, and the log-probability of a draw is that
/// of the law with the floor, which is what its importance weight is taken with. Draws from tables have 53
/// bits and a floor of 2⁻⁴⁰. How often the floor decided is returned ([`Draws::floored`]). A dead end
/// (no symbol allowed) is left by a uniform draw; the configuration then has weight zero in the model.
///
/// **Lanes.** 32 configurations are worked through side by side, in single precision, each with its own
/// xoshiro128++ generator seeded from its stream. Cost a configuration: `sites · (d+1)χ²` multiply-adds for
/// models invariant under the flip of all spins, `2dχ² sites` for others; on a cylinder the right-hand
/// vectors are needed for each state of the first site of a row. On a torus that is `6χ²` a site with the
/// invariance, `(d + 1)d²χ²` without. Memory: `4dχ²` bytes a site for the model, on a torus `d` times that,
/// and `128 dχ cols` bytes a thread, on a ring `d` times that.
///
/// References: boundary states of classical lattices, Verstraete, Murg, Cirac, Adv. Phys. 57, 143; sampling
/// from them with acceptance test, Frías-Pérez, Mariën, Pérez-García, Bañuls, Iblisdir, SciPost Phys. 14,
/// 123.
///
/// ```
/// use tensorjump::lattice::{BoundaryMps, Couplings, Geometry, Ising, Square};
/// use tensorjump::mcmc::WeightSummary;
/// use tensorjump::{Model, Streams};
///
/// let lattice = Square::new(16, 16, Geometry::Open)?;
/// let ising = Ising::new(Couplings::uniform(lattice, 1.0)?, 0.4407)?;
/// let model = BoundaryMps::new(&ising, 8)?;
/// let draws = model.draw(1000, &Streams::new(1))?;
/// let log_w = draws.log_importance_weights(&ising)?;
/// assert!(WeightSummary::of(log_w.view())?.fraction > 0.999);
/// # Ok::<(), tensorjump::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BoundaryMps {
    model: PairModel,
    chi: usize,
    log_z: f64,
    log_z_gap: f64,
    truncation_error: f64,
    law: Law,
    /// Of the model, where weights with rows are contracted in lanes.
    sketches: Option<InLanes>,
}

/// Weights that agree with each other and not with the contraction: a part of the law is missing.
const SILENT: Error =
    Error::NoConvergence { what: "the boundary law in its precision (its draws weigh less than log Z)" };

/// Configurations beside the draws are much heavier than the draws.
const MISSING: Error = Error::NoConvergence {
    what: "the boundary law at this bond dimension (its draws miss a part of the model's law, larger ones may not)",
};

impl BoundaryMps {
    /// Contracts the lattice from below, with bonds of at most `chi`, and once from above for comparison, and
    /// weighs 128 draws. Cost as one round of [`Contraction::new`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for `chi = 0`; [`Error::ZeroWeight`] where no configuration is allowed;
    /// [`Error::NoConvergence`] where double precision does not hold the weights (long rows with frustrated
    /// couplings of `β|J|` above about 5): nothing is truncated, and yet the values from below and from
    /// above differ; or the weights of some draws agree with each other and fall short of the contraction,
    /// or of those of the same draws moved by heat bath (more than a hundredth of them): the law misses a
    /// part; [`Error::NotFinite`] for weights beyond `f64`. A truncated law whose weights are poor is
    /// accepted: a [`BoundaryMps::log_z_gap`] that is not finite says that its contraction is none.
    pub fn new<M: Pairwise + ?Sized>(model: &M, chi: usize) -> Result<Self> {
        let model: &PairModel = &*model.tables()?;
        let mut new = match BoundaryMps::unchecked(model.clone(), chi) {
            Err(Error::NoConvergence { .. }) if RowTables::fit(model, chi) => {
                return BoundaryMps::by_tables(model, chi);
            }
            new => new?,
        };
        if RowTables::fit(model, chi) {
            let tables = BoundaryMps::by_tables(model, chi)?;
            if !new.evidence()?.is_exact(tables.log_z) {
                return Ok(tables);
            }
            new.log_z_gap = (new.log_z - tables.log_z).abs();
            new.log_z = tables.log_z;
            return Ok(new);
        }
        let weights = Weights::new(model)?;
        let (above, truncated_above) = log_z_from_above(&weights, chi)?;
        new.log_z_gap = (new.log_z - above).abs();
        let truncated = matches!(&new.law, Law::States(packed) if packed.rows.iter().any(|row| row.bond() >= chi));
        // A truncated law is what it is: a proposal, judged by its weights. Without truncation the two values
        // must agree.
        let agree = new.log_z_gap <= ROUNDING * new.log_z.abs().max(1.0) && new.log_z.is_finite();
        if !truncated && !truncated_above && !agree {
            return Err(LOST);
        }
        let evidence = new.evidence()?;
        let honest = if evidence.is_plain() {
            true
        } else if let Some(log_z) = tables::log_z(model) {
            evidence.reaches(log_z)
        } else if !truncated {
            evidence.agrees(new.log_z)
        } else if [new.log_z, above].iter().all(|z| z.is_finite() && evidence.reaches(*z)) {
            true
        } else {
            // Errors of first order cancel in the contraction from both sides.
            let log_z = both_ways(&weights, model, chi)?.0.log_z;
            log_z.is_finite() && evidence.reaches(log_z)
        };
        if !honest {
            return Err(SILENT);
        }
        if truncated && !evidence.is_plain() && evidence.misses(model, |work| new.law.answer(work))? {
            return Err(MISSING);
        }
        Ok(new)
    }

    /// The exact law.
    fn by_tables(model: &PairModel, chi: usize) -> Result<Self> {
        let tables = RowTables::new(model)?;
        let (model, log_z) = (model.clone(), tables.log_z);
        Ok(BoundaryMps {
            model,
            chi,
            log_z,
            log_z_gap: 0.0,
            truncation_error: 0.0,
            law: Law::Tables(tables),
            sketches: None,
        })
    }

    /// Weighs some draws.
    fn evidence(&self) -> Result<Evidence> {
        Evidence::of(&self.model, |work| self.law.answer(work))
    }

    /// A law for proposals, which an acceptance test corrects and judges: neither compared with a contraction
    /// from above nor weighed, at half the cost, its [`BoundaryMps::log_z_gap`] NaN. Weighted averages over
    /// its draws may be wrong without a sign.
    ///
    /// # Errors
    /// As [`BoundaryMps::new`], but for those of the comparisons.
    pub fn proposal<M: Pairwise + ?Sized>(model: &M, chi: usize) -> Result<Self> {
        BoundaryMps::unchecked(model.tables()?.into_owned(), chi)
    }

    /// [`BoundaryMps::proposal`] of an owned model.
    pub(super) fn unchecked(model: PairModel, chi: usize) -> Result<Self> {
        check_chi("chi", chi)?;
        let weights = Weights::new(&model)?;
        let (packed, Sweep { log_z, truncation_error, .. }) = pack(&weights, Some(&model), chi)?;
        let law = Law::States(packed);
        Ok(BoundaryMps { model, chi, log_z, log_z_gap: f64::NAN, truncation_error, law, sketches: None })
    }

    /// The same law, but under weights with rows ([`SiteWeights::Observed`], [`SiteWeights::PerRow`]) the
    /// states below are found by product sketches, of sixteen rows of the batch side by side: connected moves
    /// and inner draws in the fields of the noise.
    ///
    /// The law of a row is another one, as close to the model's: a function of its weights alone, normalised
    /// and scored. Acceptances of connected moves are those by singular values, on 32 × 32 critical spins and
    /// glasses at β = 1 to their errors of some .001. Cost of a configuration noised, drawn, scored and
    /// accepted or not: 44, 110 and 600 ns a site at χ = 2, 4 and 8, against 2.2, 9.4 and 35 µs, where a
    /// batch has sixteen different rows or more.
    ///
    /// For up to four states, open lattices and cylinders, nearest neighbours, χ = 1, 2, 4 or 8. Two states
    /// with positive weights, odds of a site between e^±30 and `β|J|` up to 7.5 are contracted in single
    /// precision. More states, hard constraints, weights of zero, and rows beyond single precision are so in
    /// double precision, with conditionals in multiples of 2⁻⁵³ and a floor of 2⁻⁴⁰; what is forbidden by a
    /// site, the row above or the site to the left has probability zero. But where nothing is allowed (a
    /// truncated row that does not close: three colours on a cylinder; weights that leave no configuration,
    /// which is not always seen) state zero is taken with certainty: such a draw has weight zero and a
    /// finite score, and chains reject it. A closed row costs as many times an open one as a site has
    /// states. All else is as without sketches: other models, plain and shared weights, rows too short to be
    /// truncated, and rows that double precision turns out not to hold.
    #[must_use]
    pub fn with_sketches(self) -> Self {
        let lattice = self.model.lattice();
        let states = self.dims().iter().copied().max().unwrap_or(1);
        let nearest = !lattice.wraps_rows() && lattice.diagonals() == (false, false);
        let truncated = !RowTables::fit(&self.model, self.chi);
        let sketched = nearest && truncated && in_lanes(lattice.sites(), states, self.chi);
        BoundaryMps { sketches: sketched.then(|| InLanes::new(Odds::of(&self.model))), ..self }
    }

    /// The model whose law is approximated.
    pub fn model(&self) -> &PairModel {
        &self.model
    }

    /// Largest bond dimension allowed.
    pub fn max_bond(&self) -> usize {
        self.chi
    }

    /// Difference between `log Z` contracted from below and from above with bonds of the same size, in nats:
    /// the size of the truncation errors of first order; not finite where one of them is not positive.
    /// Compare it, and [`BoundaryMps::log_z`], with the value by importance sampling: a law that misses part
    /// of the model's shows there and not in acceptance or effective sample size.
    pub fn log_z_gap(&self) -> f64 {
        self.log_z_gap
    }

    /// `log Z` of the model by this contraction, in nats; −∞ if the truncated contraction is not positive.
    /// See [`Contraction::new`] for a controlled value, and
    /// [`Estimate::log_mean_weight`](crate::mcmc::Estimate::log_mean_weight) for an unbiased one.
    pub fn log_z(&self) -> f64 {
        self.log_z
    }

    /// Sum over all truncations of the relative squared weight dropped.
    pub fn truncation_error(&self) -> f64 {
        self.truncation_error
    }

    /// Draws `n` configurations as [`Model::sample`] does, and counts where the floor decided.
    ///
    /// # Errors
    /// None at present: the plain law has no evidence that could vanish.
    pub fn draw_counted(&self, n: usize, streams: &Streams) -> Result<Draws> {
        let Answer { x, log_prob, floored } = self.law.answer(Work::Draw(n, &streams.domain("model")));
        Ok(Draws { samples: Samples { x, log_prob }, floored })
    }

    /// The same approximation of the law tilted by the weights of `row`; `weights` are those of the model. By
    /// tables wherever they fit: they are made faster than states.
    fn tilted(&self, weights: &Weights, w: &SiteWeights<'_>, row: usize) -> Result<Law> {
        let zero = |e: Error| match e {
            Error::NoConfiguration { .. } | Error::ZeroWeight { .. } => Error::ZeroEvidence { row },
            e => e,
        };
        let some = |(j, &d): (usize, &usize)| (0..d).all(|a| w.get(row, j, a) >= f64::MIN_POSITIVE);
        let tables = RowTables::fit(&self.model, self.chi);
        if !tables && !self.model.is_constrained() && self.dims().iter().enumerate().all(some) {
            return Ok(Law::States(pack(&weights.tilted(|j, a| w.get(row, j, a)), None, self.chi)?.0));
        }
        let model = self.model.tilted(|j, a| w.get(row, j, a)).map_err(zero)?;
        if tables {
            return Ok(Law::Tables(RowTables::new(&model).map_err(zero)?));
        }
        Ok(Law::States(pack(&Weights::new(&model)?, Some(&model), self.chi).map_err(zero)?.0))
    }

    /// Draws and scores under `w`: one contraction for all rows, or one for each.
    fn answer(
        &self,
        w: &SiteWeights<'_>,
        draw: Option<(usize, &Streams)>,
        score: Option<Configs<'_>>,
    ) -> Result<Reply> {
        let n = draw.map(|(n, _)| n).or(score.map(|x| x.nrows())).unwrap_or(0);
        w.check(self.dims(), Some(n))?;
        if let (Some((rows, _)), Some(x)) = (draw, score)
            && rows != x.nrows()
        {
            return Err(Error::SampleCount { expected: rows, got: x.nrows() });
        }
        if let Some(x) = score {
            check_configs(x, self.dims())?;
        }
        let streams = draw.map(|(_, streams)| streams.domain("model"));
        let drawn = streams.as_ref().map(|streams| (n, streams));
        match w {
            SiteWeights::Uniform => Ok(self.law.reply(drawn, score)),
            SiteWeights::Shared(_) => Ok(self.tilted(&Weights::new(&self.model)?, w, 0)?.reply(drawn, score)),
            _ => {
                let weights = Weights::new(&self.model)?;
                // Rows side by side with the same weights share a contraction.
                let mut runs = runs_of(w, n);
                let mut all =
                    Reply::zeros(if draw.is_some() { n } else { 0 }, score.map_or(0, |_| n), self.dims().len());
                if let Some(InLanes { odds, answer }) = &self.sketches {
                    let batch = Batch {
                        model: &self.model,
                        odds: odds.as_deref(),
                        tables: &weights,
                        chi: self.chi,
                        weights: w,
                        streams: streams.as_ref(),
                        score,
                    };
                    let (answered, left) = answer(&batch, &runs);
                    answered.into_iter().for_each(|row| all.set_row(row));
                    runs = left;
                }
                let one = |rows: &Range<usize>| {
                    let rows = rows.clone();
                    let streams = streams.as_ref().map(|streams| streams.rows_from(rows.start));
                    let drawn = streams.as_ref().map(|streams| (rows.len(), streams));
                    let old = score.map(|x| x.slice_move(s![rows.clone(), ..]));
                    Ok(self.tilted(&weights, w, rows.start)?.reply(drawn, old))
                };
                // The error of the first row that fails, on any number of threads.
                let parts: Vec<Result<Reply>> = runs.par_iter().map(one).collect();
                for (part, rows) in parts.into_iter().zip(&runs) {
                    all.set(rows.clone(), part?);
                }
                Ok(all)
            }
        }
    }
}

impl Target for BoundaryMps {
    fn dims(&self) -> &[usize] {
        self.model.dims()
    }

    /// The log-probability under `q`.
    fn log_weight(&self, x: Configs<'_>) -> Result<Array1<f64>> {
        self.log_prob(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        self.model.initial(stream)
    }
}

impl Model for BoundaryMps {
    /// Weights with rows need a contraction for each row, but for rows side by side that are alike: 2 ms at
    /// 32 × 32 and χ = 2, in parallel over the rows (a fortieth of it with
    /// [sketches](BoundaryMps::with_sketches)); on a torus some `d⁴` times that.
    fn sample(&self, w: &SiteWeights<'_>, n: usize, streams: &Streams) -> Result<Samples> {
        Ok(self.answer(w, Some((n, streams)), None)?.samples)
    }

    fn log_prob_given(&self, x: Configs<'_>, w: &SiteWeights<'_>) -> Result<Array1<f64>> {
        Ok(self.answer(w, None, Some(x))?.scores)
    }

    fn redraw(&self, w: &SiteWeights<'_>, old: Configs<'_>, streams: &Streams) -> Result<(Samples, Array1<f64>)> {
        let Reply { samples, scores } = self.answer(w, Some((old.nrows(), streams)), Some(old))?;
        Ok((samples, scores))
    }
}
