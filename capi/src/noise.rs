//! Noise at a time: product kernels, from rates or from tables, of different strength in different regions.

use std::ffi::c_double;

use ndarray::{Dim, Ix2};
use tensorjump::Streams;
use tensorjump::noise::{Kernel, Noise, Rates};

use super::buffers::{Out, arrays, blocks, configs, in_block, list, list_or, size};
use super::handle::{at, free, hand_out, handle};
use super::status::{Failure, compute, tj_status};

/// Noise: independent jumps at each site for some time, `K(x, y) = Π_j K_j(x_j → y_j)`. Immutable; may be
/// used by several threads at once.
pub struct tj_noise {
    _opaque: [u8; 0],
}
handle!(tj_noise, "noise", b"tj noise", Kernel);

/// Rates for a time, those of site `j` times `factors[j]`.
///
/// # Safety
/// `factors` is NULL or points to as many numbers as there are sites.
unsafe fn for_a_time(rates: Rates, time: f64, factors: *const f64) -> Result<Kernel, Failure> {
    let rates = if factors.is_null() {
        rates
    } else {
        // SAFETY: the caller's contract.
        rates.scaled(unsafe { list(factors, rates.sites(), "factors")? })?
    };
    Ok(Noise::from(rates).kernel(0.0, time)?)
}

/// Flips of binary sites for `time`: 0 → 1 at rate `up`, 1 → 0 at rate `down`.
///
/// `factors[sites]` multiplies the rates site by site: 0 leaves a site alone, so that a region is noised;
/// NULL for 1 everywhere. `time` may be infinite: a site then forgets its state.
///
/// Errors: `TJ_INPUT` for no sites, a rate, factor or time negative or NaN; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_flips(
    sites: usize,
    up: c_double,
    down: c_double,
    time: c_double,
    factors: *const c_double,
    out: *mut *mut tj_noise,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            size("sites", &[sites])?;
            for_a_time(Rates::binary_flip(sites, up, down)?, time, factors)
        })
    })
}

/// Uniform noise for `time`: at rate `gamma` a site forgets its state and takes any of its states.
///
/// `dims[sites]`: numbers of states, NULL for 2 everywhere; `factors`, `time` as in `tj_noise_flips`.
///
/// Errors: as `tj_noise_flips`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_uniform(
    sites: usize,
    dims: *const usize,
    gamma: c_double,
    time: c_double,
    factors: *const c_double,
    out: *mut *mut tj_noise,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || for_a_time(Rates::uniform(&list_or(dims, sites, 2, "dims")?, gamma)?, time, factors))
    })
}

/// Noise by any rates for `time`.
///
/// `rates[length]`: one matrix a site, `dims[j] × dims[j]` row-major, one after the other; entry `(a, b)` is
/// the rate from state `a` to state `b`, rows sum to 0. `dims`, `factors`, `time` as in `tj_noise_uniform`.
///
/// Errors: as `tj_noise_flips`; `TJ_INPUT` for a `length` that is not `Σ dims[j]²`, a negative rate, a row
/// that does not sum to 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_rates(
    sites: usize,
    dims: *const usize,
    rates: *const c_double,
    length: usize,
    time: c_double,
    factors: *const c_double,
    out: *mut *mut tj_noise,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let shapes = squares(list_or(dims, sites, 2, "dims")?);
            for_a_time(Rates::new(arrays(rates, length, shapes.into_iter(), "rates")?)?, time, factors)
        })
    })
}

/// Noise by any single-site kernels: `tables[length]`, one matrix a site as in `tj_noise_rates`, entry `(a,
/// b)` the probability of `b` after `a`, rows sum to 1. `dims` as in `tj_noise_uniform`.
///
/// Errors: `TJ_INPUT` for a `length` that is not `Σ dims[j]²`, a negative entry, a row that does not sum to
/// 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_tables(
    sites: usize,
    dims: *const usize,
    tables: *const c_double,
    length: usize,
    out: *mut *mut tj_noise,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let shapes = squares(list_or(dims, sites, 2, "dims")?);
            Ok(Kernel::new(&arrays(tables, length, shapes.into_iter(), "tables")?)?)
        })
    })
}

fn squares(dims: Vec<usize>) -> Vec<Ix2> {
    dims.into_iter().map(|d| Dim([d, d])).collect()
}

/// Frees noise. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_free(noise: *mut tj_noise) {
    // SAFETY: the contract of the header.
    unsafe { free(noise) }
}

/// Noises each configuration of `x[n*sites]` into `y[n*sites]`; `y` may be `x`. `(seed, step)` as in
/// `tj_sample`.
///
/// Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_apply(
    noise: *const tj_noise,
    n: usize,
    x: *const u8,
    seed: u64,
    step: u64,
    y: *mut u8,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let kernel = at(noise)?;
        let (sites, streams) = (kernel.sites(), Streams::new(seed).step(step));
        let mut y = Out::new(y, size("y", &[n, sites])?, "y")?;
        if x.is_null() && n > 0 {
            return Err(Failure::Null("x"));
        }
        for rows in blocks(n, sites) {
            let x = configs(x.wrapping_add(rows.start * sites), rows.len(), sites, "x")?;
            let noisy = in_block(rows.start, kernel.sample(x, &streams.rows_from(rows.start)))?;
            y.write(rows.start * sites, noisy.as_slice().expect("standard layout"));
        }
        Ok(())
    })
}

/// `log K(x, y)` in nats for each pair of configurations of `x[n*sites]` and `y[n*sites]`, into
/// `log_prob[n]`.
///
/// Errors: as `tj_noise_apply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_noise_log_prob(
    noise: *const tj_noise,
    n: usize,
    x: *const u8,
    y: *const u8,
    log_prob: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let kernel = at(noise)?;
        let sites = kernel.sites();
        let (x, y) = (configs(x, n, sites, "x")?, configs(y, n, sites, "y")?);
        let mut log_prob = Out::new(log_prob, n, "log_prob")?;
        log_prob.write(0, kernel.log_prob(x, y)?.to_vec());
        Ok(())
    })
}
