//! Independent draws one by one, at the cost of draws by the batch.

use std::ffi::c_double;
use std::sync::{Arc, Mutex};

use tensorjump::model::DrawAhead;
use tensorjump::{Model, Streams};

use super::buffers::{Out, size};
use super::handle::{at, free, hand_out, handle, lock};
use super::models::tj_model;
use super::status::{compute, tj_status};

/// Independent draws of a model, made ahead by the batch and handed out one by one. For one thread at a time;
/// it keeps what it needs of the model.
pub struct tj_draws {
    _opaque: [u8; 0],
}
handle!(tj_draws, "draws", b"tj draws", Mutex<Ahead>);

/// Draws, and room for one.
pub(super) struct Ahead {
    draws: DrawAhead<Arc<dyn Model>>,
    x: Vec<u8>,
}

/// Draws of the model, `ahead` at a time (1024 is good). Draw `i` is row `i` of `tj_sample` with the same
/// `(seed, step)`, whatever `ahead` is.
///
/// Errors: `TJ_INPUT` for `ahead = 0`; `TJ_TOO_LARGE`; `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_draws_new(
    model: *const tj_model,
    seed: u64,
    step: u64,
    ahead: usize,
    out: *mut *mut tj_draws,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let law = at(model)?;
            let bytes = size("draws ahead", &[ahead, law.sites() + size_of::<f64>()])?;
            if bytes > LIMIT {
                return Err(tensorjump::Error::TooLarge { what: "draws ahead", size: bytes, limit: LIMIT }.into());
            }
            let draws = DrawAhead::new(law.model.clone(), &Streams::new(seed).step(step), ahead)?;
            Ok(Mutex::new(Ahead { draws, x: vec![0; law.sites()] }))
        })
    })
}

/// Bytes that draws made ahead may take.
const LIMIT: usize = 1 << 32;

/// The next draw: its configuration into `x[sites]`, its log-probability in nats into `*log_prob`.
///
/// An independence chain accepts a draw `x'` with probability `min(1, e^(log_weight(x') − log_weight(x) +
/// log_prob(x) − log_prob(x')))`, `log_prob(x)` being known from when `x` was drawn.
///
/// Errors: `TJ_BUSY` while another thread is in a call with it; `TJ_NULL`, `TJ_HANDLE`. The draw is then not
/// lost.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_draws_next(draws: *const tj_draws, x: *mut u8, log_prob: *mut c_double) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let mut state = lock(at(draws)?, "draws")?;
        let Ahead { draws, x: drawn } = &mut *state;
        let (mut x, mut to) = (Out::new(x, drawn.len(), "x")?, Out::new(log_prob, 1, "log_prob")?);
        let log_prob = draws.next_into(drawn)?;
        x.write(0, drawn);
        to.write(0, [log_prob]);
        Ok(())
    })
}

/// Frees draws. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_draws_free(draws: *mut tj_draws) {
    // SAFETY: the contract of the header.
    unsafe { free(draws) }
}
