//! Unnormalised laws: lattice models, models, and functions of the caller.

use std::ffi::{c_double, c_int, c_void};
use std::sync::Arc;

use ndarray::Array1;
use tensorjump::lattice::{Ising, PairModel};
use tensorjump::mcmc::Assessment;
use tensorjump::{Configs, Error, Model, Stream, Streams, Target};

use super::buffers::{Out, blocks, configs, in_block, list_or};
use super::handle::{at, free, hand_out, handle};
use super::models::{at_least_one, tj_model};
use super::status::{compute, refused, tj_status};

/// An unnormalised law: log-weights of configurations. Immutable; may be used by several threads at once.
/// What is made from it keeps what it needs, but for the context of a caller's function, which must outlive
/// all of that.
pub struct tj_target {
    _opaque: [u8; 0],
}
handle!(tj_target, "target", b"tj targ.", Arc<Goal>);

/// What has log-weights.
pub(super) enum Goal {
    Ising(Ising),
    Pair(PairModel),
    Law(Arc<dyn Model>),
    Callback(Callback),
}

impl Goal {
    fn inner(&self) -> &dyn Target {
        match self {
            Goal::Ising(ising) => ising,
            Goal::Pair(model) => model,
            Goal::Law(model) => model,
            Goal::Callback(callback) => callback,
        }
    }
}

impl Target for Goal {
    fn dims(&self) -> &[usize] {
        self.inner().dims()
    }

    fn log_weight(&self, x: Configs<'_>) -> tensorjump::Result<Array1<f64>> {
        self.inner().log_weight(x)
    }

    fn initial(&self, stream: &mut Stream) -> Option<Array1<u8>> {
        self.inner().initial(stream)
    }
}

/// A caller's function: writes the log-weights of the configurations `x[n*sites]`, in nats, into
/// `log_weight[n]`, −∞ where forbidden. Returns 0; another number ends the call that asked with
/// `TJ_CALLBACK`. It may be called from several threads at once, unless `tj_set_threads(1)` was called and
/// only one thread uses the target. It must not throw or jump out.
pub type tj_log_weight = Option<
    unsafe extern "C" fn(
        context: *mut c_void,
        n: usize,
        sites: usize,
        x: *const u8,
        log_weight: *mut c_double,
    ) -> c_int,
>;

/// A caller's function with what it is given.
pub(super) struct Callback {
    dims: Vec<usize>,
    f: unsafe extern "C" fn(*mut c_void, usize, usize, *const u8, *mut c_double) -> c_int,
    context: *mut c_void,
}

// SAFETY: the contract of `tj_log_weight` says that it may be called from any thread, several at once.
unsafe impl Send for Callback {}
// SAFETY: as above.
unsafe impl Sync for Callback {}

impl Target for Callback {
    fn dims(&self) -> &[usize] {
        &self.dims
    }

    fn log_weight(&self, x: Configs<'_>) -> tensorjump::Result<Array1<f64>> {
        let x = x.as_standard_layout();
        // What a function forgets to write is refused as a log-weight.
        let mut log_weight = Array1::from_elem(x.nrows(), f64::NAN);
        // SAFETY: both buffers have the sizes that the contract of `tj_log_weight` names.
        let status = unsafe { (self.f)(self.context, x.nrows(), x.ncols(), x.as_ptr(), log_weight.as_mut_ptr()) };
        match status {
            0 => Ok(log_weight),
            status => Err(Error::callable("the caller's log-weight", format!("it returned {status}"))),
        }
    }

    fn initial(&self, _: &mut Stream) -> Option<Array1<u8>> {
        None
    }
}

/// A target from the caller's function `f`, which is called with `context`. `dims[sites]`: numbers of states,
/// 1 to 256, NULL for 2 everywhere.
///
/// Errors: `TJ_NULL` for `f` or `out`; `TJ_INPUT` for no sites or states out of range.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_target_new(
    sites: usize,
    dims: *const usize,
    f: tj_log_weight,
    context: *mut c_void,
    out: *mut *mut tj_target,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let f = f.ok_or(super::status::Failure::Null("f"))?;
            at_least_one("sites", sites)?;
            let dims = list_or(dims, sites, 2, "dims")?;
            if let Some(d) = dims.iter().find(|d| !(1..=256).contains(*d)) {
                return Err(refused("dims", d, "1 to 256 states a site"));
            }
            Ok(Goal::Callback(Callback { dims, f, context }).into())
        })
    })
}

/// The law of a model as a target: its log-weights are log-probabilities.
///
/// Errors: `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_target_model(model: *const tj_model, out: *mut *mut tj_target) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe { hand_out(out, || Ok(Goal::Law(at(model)?.model.clone()).into())) })
}

/// Frees a target. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_target_free(target: *mut tj_target) {
    // SAFETY: the contract of the header.
    unsafe { free(target) }
}

/// Number of sites; 0 for what is no target.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_target_sites(target: *const tj_target) -> usize {
    // SAFETY: the contract of the header.
    unsafe { at(target) }.map_or(0, |goal| goal.dims().len())
}

/// Log-weights in nats of the configurations `x[n*sites]` into `log_weight[n]`; −∞ for forbidden ones.
///
/// Errors: `TJ_INPUT` for a state that the site does not have; `TJ_CALLBACK`; `TJ_NULL`, `TJ_HANDLE`,
/// `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_target_log_weight(
    target: *const tj_target,
    n: usize,
    x: *const u8,
    log_weight: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let goal = at(target)?;
        let sites = goal.dims().len();
        let x = configs(x, n, sites, "x")?;
        let mut out = Out::new(log_weight, n, "log_weight")?;
        for rows in blocks(n, sites) {
            let block = x.slice(ndarray::s![rows.clone(), ..]);
            in_block(rows.start, tensorjump::model::check_configs(block, goal.dims()))?;
            out.write(rows.start, in_block(rows.start, goal.log_weight(block))?.to_vec());
        }
        Ok(())
    })
}

/// What importance weights say of a model as a proposal for a target.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct tj_assessment {
    /// Acceptance of the disconnected move in equilibrium, and its standard error.
    pub acceptance: c_double,
    /// See `acceptance`.
    pub acceptance_error: c_double,
    /// Effective fraction of the draws under importance weights.
    pub ess_fraction: c_double,
    /// `log Z` of the target by the mean weight, in nats, and its standard error.
    pub log_z: c_double,
    /// See `log_z`.
    pub log_z_error: c_double,
    /// Fraction of the draws that the target forbids.
    pub outside: c_double,
}

/// Draws `n` configurations of the model and weighs them by the target, into `*result`. Errors and `log Z`
/// are right where the model misses nothing of the target.
///
/// Errors: `TJ_INPUT` for fewer than 2 draws or other sites, weights NaN or +∞; `TJ_CALLBACK`; `TJ_NULL`,
/// `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_importance(
    model: *const tj_model,
    target: *const tj_target,
    n: usize,
    seed: u64,
    step: u64,
    result: *mut tj_assessment,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let (law, goal) = (at(model)?, at(target)?);
        let mut result = Out::new(result, 1, "result")?;
        let found = Assessment::of(goal, &law.model, n, &Streams::new(seed).step(step))?;
        let tensorjump::mcmc::Assessment { acceptance, ess_fraction, log_z, outside, .. } = found;
        result.write(
            0,
            [tj_assessment {
                acceptance: acceptance.mean,
                acceptance_error: acceptance.error,
                ess_fraction,
                log_z: log_z.mean,
                log_z_error: log_z.error,
                outside,
            }],
        );
        Ok(())
    })
}
