//! Proposals `x → x'` with the log-ratio that the acceptance rule needs.

use std::ffi::c_double;
use std::sync::Arc;

use tensorjump::Streams;
use tensorjump::mcmc::{Connected, Disconnected, Exchange, Mixture, Proposal, SingleSite};

use super::buffers::{Out, blocks, configs, in_block, list, list_or, size};
use super::handle::{all, at, free, hand_out, handle};
use super::models::tj_model;
use super::noise::tj_noise;
use super::status::{Failure, compute, tj_status};

/// A law of proposals `x → x'` with known density ratio. Accept with probability `min(1, e^(log_weight(x') −
/// log_weight(x) + log_ratio))`: exact for every target. Immutable; may be used by several threads at once.
/// It keeps what it needs of models and noise.
pub struct tj_proposal {
    _opaque: [u8; 0],
}
handle!(tj_proposal, "proposal", b"tj prop.", Arc<dyn Proposal>);

/// Proposes plain draws of the model, whatever `x` is. A loop over one configuration draws faster by
/// `tj_draws`.
///
/// Errors: `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_disconnected(model: *const tj_model, out: *mut *mut tj_proposal) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe { hand_out(out, || Ok(Arc::new(Disconnected::new(at(model)?.model.clone())))) })
}

/// Proposes by noise and its inverse: `y ~ K(x, ·)`, then `x' ~ P(· | y)` by the model. Short noise makes
/// small moves that are mostly accepted; noise in a region resamples that region; infinite noise is
/// `tj_disconnected`.
///
/// Errors: `TJ_INPUT` for noise of other sites or states; `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_connected(
    model: *const tj_model,
    noise: *const tj_noise,
    out: *mut *mut tj_proposal,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe { hand_out(out, || Ok(Arc::new(Connected::new(at(model)?.model.clone(), at(noise)?.clone())?))) })
}

/// Proposes another state at one site, both chosen uniformly. `dims[sites]`: numbers of states, NULL for 2
/// everywhere.
///
/// Errors: `TJ_INPUT` where no site has two states, or one more than 256; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_single_site(sites: usize, dims: *const usize, out: *mut *mut tj_proposal) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe { hand_out(out, || Ok(Arc::new(SingleSite::new(&list_or(dims, sites, 2, "dims")?)?))) })
}

/// Proposes to exchange the states of one of the pairs of sites `(pairs[2i], pairs[2i+1])`, chosen uniformly:
/// keeps the number of particles. `dims[sites]`: numbers of states, NULL for 2 everywhere.
///
/// Errors: `TJ_INPUT` for no pairs, a pair of equal sites or sites of different numbers of states; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_exchange(
    sites: usize,
    dims: *const usize,
    count: usize,
    pairs: *const usize,
    out: *mut *mut tj_proposal,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let pairs = list(pairs, size("pairs", &[2, count])?, "pairs")?;
            let pairs: Vec<_> = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
            Ok(Arc::new(Exchange::new(&list_or(dims, sites, 2, "dims")?, &pairs)?))
        })
    })
}

/// One of `count` proposals, `parts[i]` with `probabilities[i]`, chosen anew for each step, the same for all
/// configurations of a call.
///
/// Errors: `TJ_INPUT` for no parts, a negative probability, probabilities that do not sum to 1 (to 1e-12),
/// parts for different sites; `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_mixture(
    count: usize,
    probabilities: *const c_double,
    parts: *const *const tj_proposal,
    out: *mut *mut tj_proposal,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let (probabilities, parts) = (list(probabilities, count, "probabilities")?, all(parts, count, "parts")?);
            let boxed = |(&p, part): (&f64, &Arc<dyn Proposal>)| (p, Box::new(part.clone()) as Box<dyn Proposal>);
            let mixture = Mixture::<dyn Proposal>::new(probabilities.iter().zip(parts).map(boxed).collect())?;
            Ok(Arc::new(mixture))
        })
    })
}

/// Frees a proposal. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_proposal_free(proposal: *mut tj_proposal) {
    // SAFETY: the contract of the header.
    unsafe { free(proposal) }
}

/// Number of sites; 0 for what is no proposal.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_proposal_sites(proposal: *const tj_proposal) -> usize {
    // SAFETY: the contract of the header.
    unsafe { at(proposal) }.map_or(0, |proposal| proposal.dims().len())
}

/// Proposes for each configuration of `x[n*sites]`, into `x_new[n*sites]`, with `log_ratio[n]`, the log of
/// the reverse over the forward density in nats: accept with probability `min(1, e^(log_weight(x_new) −
/// log_weight(x) + log_ratio))`. −∞: reject (`x_new` may then be anything allowed). `x_new` may be `x`.
///
/// `(seed, step)` name the randomness: calls must differ in one of them, or they propose by the same random
/// numbers and the chain is wrong. Row `i` is the same whatever `n` is.
///
/// Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_propose(
    proposal: *const tj_proposal,
    n: usize,
    x: *const u8,
    seed: u64,
    step: u64,
    x_new: *mut u8,
    log_ratio: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let proposal = at(proposal)?;
        let (sites, streams) = (proposal.dims().len(), Streams::new(seed).step(step));
        let mut x_new = Out::new(x_new, size("x_new", &[n, sites])?, "x_new")?;
        let mut log_ratio = Out::new(log_ratio, n, "log_ratio")?;
        if x.is_null() && n > 0 {
            return Err(Failure::Null("x"));
        }
        for rows in blocks(n, sites) {
            // Block by block, since x_new may be x.
            let x = configs(x.wrapping_add(rows.start * sites), rows.len(), sites, "x")?;
            let proposed = in_block(rows.start, proposal.propose(x, &streams.rows_from(rows.start)))?;
            x_new.write(rows.start * sites, proposed.x.as_standard_layout().as_slice().expect("standard layout"));
            log_ratio.write(rows.start, proposed.log_ratio.to_vec());
        }
        Ok(())
    })
}
