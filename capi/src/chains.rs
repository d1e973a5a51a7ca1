//! Markov chains of this library, for a target of the caller's.

use std::ffi::c_double;
use std::sync::{Arc, Mutex};

use tensorjump::Streams;
use tensorjump::mcmc::{Chains, MetropolisHastings, MoveReport};

use super::buffers::{Out, configs};
use super::handle::{at, free, hand_out, handle, lock};
use super::proposals::tj_proposal;
use super::ranks::{agreed, ranks, tj_ranks};
use super::status::{Failure, compute, tj_status};
use super::targets::{Goal, tj_target};

/// Markov chains of a target, side by side. For one thread at a time; it keeps what it needs of the target
/// (but for the context of a caller's function).
pub struct tj_chains {
    _opaque: [u8; 0],
}
handle!(tj_chains, "chains", b"tj chain", Mutex<State>);

/// Chains with what they need to go on.
pub(super) struct State {
    goal: Arc<Goal>,
    chains: Chains,
    streams: Streams,
}

/// What happened in updates, summed over chains.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct tj_report {
    /// Proposals made.
    pub proposed: u64,
    /// Proposals accepted.
    pub accepted: u64,
    /// Updates that changed the configuration.
    pub moved: u64,
    /// Proposals rejected because the model cannot propose the present configuration: one that is counted at
    /// each update never moves.
    pub unsupported: u64,
    /// Proposals not made because no configuration of the model explains the noisy one.
    pub impossible: u64,
}

impl From<&MoveReport> for tj_report {
    fn from(r: &MoveReport) -> Self {
        let count = |n: usize| n as u64;
        tj_report {
            proposed: count(r.proposed),
            accepted: count(r.accepted),
            moved: count(r.moved),
            unsupported: count(r.unsupported),
            impossible: count(r.impossible),
        }
    }
}

/// Starts `n` chains of the target at the configurations `x[n*sites]`. `seed` names all their randomness;
/// chain `i` does not depend on the others, nor on the number of threads.
///
/// Errors: `TJ_INPUT` for no chains, a state that the site does not have, a start of weight 0; `TJ_CALLBACK`;
/// `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_chains_new(
    target: *const tj_target,
    n: usize,
    x: *const u8,
    seed: u64,
    out: *mut *mut tj_chains,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let goal = at(target)?.clone();
            let x = configs(x, n, tensorjump::Target::dims(&goal).len(), "x")?;
            let chains = Chains::new(&goal, x.to_owned())?;
            Ok(Mutex::new(State { goal, chains, streams: Streams::new(seed).domain("run") }))
        })
    })
}

/// Updates each chain `updates` times by Metropolis–Hastings with this proposal, which may be another one
/// than before. What happened is written to `*report` (NULL: not wanted). 500 and then 500 updates are 1000.
///
/// Errors, after which the chains stand at the last complete update: `TJ_INPUT` for a proposal of other
/// sites, a log-weight NaN or +∞; `TJ_CALLBACK`; `TJ_BUSY` while another call works on the chains; `TJ_NULL`,
/// `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_chains_advance(
    chains: *const tj_chains,
    proposal: *const tj_proposal,
    updates: usize,
    report: *mut tj_report,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let mut state = lock(at(chains)?, "chains")?;
        let dynamics = MetropolisHastings::new(at(proposal)?.clone());
        let mut report = Out::optional(report, 1, "report")?;
        let State { goal, chains, streams } = &mut *state;
        let done = chains.advance(&*goal, &dynamics, updates, streams)?;
        report.write(0, [tj_report::from(&done)]);
        Ok(())
    })
}

/// As `tj_chains_advance`, the chains shared out over processes: every rank has made the same chains, with
/// the same seed, makes this call with the same arguments, and then has all chains, bit for bit those of one
/// process. `*report` counts what all ranks did. The ranks gather at the start and at the end of the call, 8
/// bytes for 52 spins and 8 a chain: make many updates a call. At least one chain a rank.
///
/// Errors, after which the chains stand where they stood before: as `tj_chains_advance`; `TJ_RANK` where
/// another rank failed; `TJ_INPUT` for fewer chains than ranks, arguments or chains that differ between
/// ranks, `rank ≥ size`; `TJ_CALLBACK` also of `all_gather`, `TJ_NULL` also for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_chains_advance_over(
    chains: *const tj_chains,
    ranks: *const tj_ranks,
    proposal: *const tj_proposal,
    updates: usize,
    report: *mut tj_report,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let ranks = self::ranks(ranks)?;
        let arguments = || {
            let dynamics = MetropolisHastings::new(at(proposal)?.clone());
            Ok((lock(at(chains)?, "chains")?, dynamics, Out::optional(report, 1, "report")?))
        };
        let (mut state, dynamics, mut report) =
            agreed(&ranks, arguments(), |(state, ..)| vec![state.streams.seed(), updates as u64])?;
        let State { goal, chains, streams } = &mut *state;
        let done = chains.advance_over(&ranks, &*goal, &dynamics, updates, streams)?;
        report.write(0, [tj_report::from(&done)]);
        Ok(())
    })
}

/// Where the chains stand: configurations into `x[n*sites]`, log-weights into `log_weight[n]`, `n` that of
/// `tj_chains_new`. Either may be NULL: not wanted.
///
/// Errors: `TJ_BUSY`, `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_chains_read(
    chains: *const tj_chains,
    n: usize,
    x: *mut u8,
    log_weight: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let state = lock(at(chains)?, "chains")?;
        copy_out(n, state.chains.x(), state.chains.log_weight(), x, log_weight)
    })
}

/// Copies the configurations and log-weights of `n` chains out.
///
/// # Safety
/// Each pointer is NULL or may be written with what belongs to `n` chains.
pub(super) unsafe fn copy_out(
    n: usize,
    from: tensorjump::Configs<'_>,
    weights: ndarray::ArrayView1<'_, f64>,
    x: *mut u8,
    log_weight: *mut f64,
) -> Result<(), Failure> {
    if n != from.nrows() {
        return Err(tensorjump::Error::SampleCount { expected: from.nrows(), got: n }.into());
    }
    // SAFETY: the caller's contract.
    let (mut x, mut log_weight) =
        unsafe { (Out::optional(x, from.len(), "x")?, Out::optional(log_weight, n, "log_weight")?) };
    x.write(0, from.as_standard_layout().as_slice().expect("standard layout"));
    log_weight.write(0, weights.to_vec());
    Ok(())
}

/// Frees chains. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_chains_free(chains: *mut tj_chains) {
    // SAFETY: the contract of the header.
    unsafe { free(chains) }
}
