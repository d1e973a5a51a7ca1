//! Parallel tempering of targets of the caller's.

use std::ffi::c_double;
use std::sync::{Arc, Mutex};

use tensorjump::mcmc::{Level, MetropolisHastings, Proposal, Repeat, Replicas, Tempering};

use super::buffers::{Out, configs, list, size};
use super::chains::copy_out;
use super::handle::{all, at, free, hand_out, handle, lock};
use super::models::at_least_one;
use super::proposals::tj_proposal;
use super::ranks::{agreed, ranks, tj_ranks};
use super::status::{Failure, compute, tj_status};
use super::targets::{Goal, tj_target};

/// Parallel tempering: targets along a ladder, whose chains exchange configurations. For one thread at a
/// time; it keeps what it needs (but for the contexts of a caller's functions).
pub struct tj_tempering {
    _opaque: [u8; 0],
}
handle!(tj_tempering, "tempering", b"tj temp.", Mutex<State>);

/// A ladder and what stands on it.
pub(super) struct State {
    ladder: Tempering<Arc<Goal>, Repeat<MetropolisHastings<Arc<dyn Proposal>>>>,
    replicas: Replicas,
}

/// A ladder of `levels` targets with the parameters `parameters[levels]` (rising or falling, β for example),
/// each updated by its `proposals[level]`, `moves` times between exchanges; `copies` independent ladders side
/// by side. `x[levels*copies*sites]`: the starts, level by level. `seed` names all randomness.
///
/// Callers' functions are called from several threads at once, unless `tj_set_threads(1)` was called.
///
/// Errors: `TJ_INPUT` for fewer than 2 levels, parameters out of order, no copies or moves, targets or
/// proposals of different sites, starts of weight 0 or out of range; `TJ_CALLBACK`; `TJ_NULL`, `TJ_HANDLE`,
/// `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_new(
    levels: usize,
    parameters: *const c_double,
    targets: *const *const tj_target,
    proposals: *const *const tj_proposal,
    moves: usize,
    copies: usize,
    x: *const u8,
    seed: u64,
    out: *mut *mut tj_tempering,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            at_least_one("levels", levels)?;
            let parameters = list(parameters, levels, "parameters")?;
            let (targets, proposals) = (all(targets, levels, "targets")?, all(proposals, levels, "proposals")?);
            let sites = tensorjump::Target::dims(targets[0]).len();
            let level = |((&parameter, target), proposal): ((&f64, &Arc<Goal>), &Arc<dyn Proposal>)| {
                let dynamics = Repeat::new(MetropolisHastings::new(proposal.clone()), moves)?;
                Ok(Level { parameter, target: target.clone(), dynamics })
            };
            let levels_with = parameters.iter().zip(targets).zip(proposals).map(level);
            let ladder = Tempering::new(levels_with.collect::<tensorjump::Result<_>>()?)?;
            let x = configs(x, size("x", &[levels, copies])?, sites, "x")?;
            let level = |k: usize| x.slice(ndarray::s![k * copies..(k + 1) * copies, ..]).to_owned();
            let replicas = ladder.start_at((0..levels).map(level).collect(), seed)?;
            Ok(Mutex::new(State { ladder, replicas }))
        })
    })
}

/// Updates: each level `moves` times, then exchanges between neighbours, `updates` times over.
///
/// Errors, after which levels may have moved: as `tj_chains_advance`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_advance(tempering: *const tj_tempering, updates: usize) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let mut state = lock(at(tempering)?, "tempering")?;
        let State { ladder, replicas } = &mut *state;
        Ok(ladder.advance(replicas, updates)?)
    })
}

/// As `tj_tempering_advance`, the configurations of all levels and copies shared out over processes: every
/// rank has made the same tempering, with the same seed, makes this call with the same arguments, and then
/// has all of it, bit for bit that of one process. The ranks gather 16 bytes a configuration and update, and
/// at the end of the call the configurations, 8 bytes for 52 spins: make many updates a call. Ranks beyond
/// `levels*copies` have nothing to do.
///
/// Errors, after which all levels stand where they stood before: as `tj_tempering_advance`; `TJ_RANK` where
/// another rank failed; `TJ_INPUT` for arguments or tempering that differ between ranks, `rank ≥ size`;
/// `TJ_CALLBACK` also of `all_gather`, `TJ_NULL` also for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_advance_over(
    tempering: *const tj_tempering,
    ranks: *const tj_ranks,
    updates: usize,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let ranks = self::ranks(ranks)?;
        let locked = at(tempering).and_then(|state| lock(state, "tempering"));
        let mut state = agreed(&ranks, locked, |_| vec![])?; // seed and updates are compared with the replicas
        let State { ladder, replicas } = &mut *state;
        Ok(ladder.advance_over(&ranks, replicas, updates)?)
    })
}

/// Where a level stands: configurations into `x[copies*sites]`, log-weights at that level into
/// `log_weight[copies]`. Either may be NULL: not wanted.
///
/// Errors: `TJ_INPUT` for no such level or other `copies`; `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_read(
    tempering: *const tj_tempering,
    level: usize,
    copies: usize,
    x: *mut u8,
    log_weight: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let state = lock(at(tempering)?, "tempering")?;
        copy_out(copies, state.replicas.level(level)?, state.replicas.log_weight(level)?, x, log_weight)
    })
}

/// Mean acceptance of the exchanges of each pair of neighbouring levels so far, into `rates[levels-1]`; NaN
/// before the first attempt. Round trips of all configurations between the first and the last level into
/// `*round_trips` (NULL: not wanted).
///
/// Errors: `TJ_INPUT` for other `levels`; `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_rates(
    tempering: *const tj_tempering,
    levels: usize,
    rates: *mut c_double,
    round_trips: *mut u64,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let state = lock(at(tempering)?, "tempering")?;
        let found = state.replicas.swap_rates();
        if levels != found.len() + 1 {
            let (expected, got) = (found.len() + 1, levels);
            return Err(Failure::from(tensorjump::Error::Entries { place: "levels".into(), expected, got }));
        }
        Out::new(rates, levels - 1, "rates")?.write(0, found);
        Out::optional(round_trips, 1, "round_trips")?.write(0, [state.replicas.round_trips()]);
        Ok(())
    })
}

/// Frees tempering. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_tempering_free(tempering: *mut tj_tempering) {
    // SAFETY: the contract of the header.
    unsafe { free(tempering) }
}
