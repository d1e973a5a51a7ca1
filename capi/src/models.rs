//! Laws that are drawn site by site.

use std::ffi::{c_double, c_int};
use std::sync::Arc;

use ndarray::{Dim, Ix3};
use tensorjump::diffusion::Denoise;
use tensorjump::lattice::{Fredkin, FredkinModel};
use tensorjump::model::{BornMps, Boundary, PositiveMps};
use tensorjump::tn::Mps;
use tensorjump::{Error, Model, Streams};

use super::buffers::{Out, arrays, blocks, configs, in_block, list, list_or, size};
use super::handle::{at, free, hand_out, handle};
use super::noise::tj_noise;
use super::status::{Failure, compute, refused, tj_status};

/// A normalised law that is drawn site by site, with known log-probabilities. Immutable; may be used by
/// several threads at once. Proposals, draws, targets made from it keep what they need: it may be freed
/// before them.
pub struct tj_model {
    _opaque: [u8; 0],
}
handle!(tj_model, "model", b"tj model", Law);

/// A law, with what only some have.
pub(super) struct Law {
    pub(super) model: Arc<dyn Model>,
    pub(super) log_z: f64,
    pub(super) stored: Stored,
}

/// What can be written to a file.
pub(super) enum Stored {
    Born(Arc<BornMps>),
    Positive(Arc<PositiveMps>),
    No,
}

impl From<BornMps> for Law {
    fn from(law: BornMps) -> Self {
        let law = Arc::new(law);
        Law { log_z: law.log_z(), stored: Stored::Born(law.clone()), model: law }
    }
}

impl From<PositiveMps> for Law {
    fn from(law: PositiveMps) -> Self {
        let law = Arc::new(law);
        Law { log_z: law.log_z(), stored: Stored::Positive(law.clone()), model: law }
    }
}

impl Law {
    /// A law that only draws and scores.
    pub(super) fn plain(model: impl Model + 'static, log_z: f64) -> Self {
        Law { model: Arc::new(model), log_z, stored: Stored::No }
    }

    pub(super) fn sites(&self) -> usize {
        self.model.dims().len()
    }
}

/// The nearest-neighbour Ising chain or ring, `P(x) ∝ exp(beta (Σ J_j s_j s_{j+1} + Σ h_j s_j))`, state 1 for
/// spin +1, state 0 for spin −1; exact.
///
/// `couplings`: `sites - 1` numbers, `sites` for a ring (the last couples the last site to the first); NULL
/// for all 1. `fields`: `sites` numbers; NULL for none. `ring`: 0 or 1.
///
/// Errors: `TJ_INPUT` for no sites, numbers not finite, a ring of fewer than 3 sites; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_ising_chain(
    beta: c_double,
    sites: usize,
    couplings: *const c_double,
    fields: *const c_double,
    ring: c_int,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let (bonds, boundary) =
                if ring == 0 { (sites.saturating_sub(1), Boundary::Open) } else { (sites, Boundary::Ring) };
            let couplings = list_or(couplings, bonds, 1.0, "couplings")?;
            let fields = list_or(fields, sites, 0.0, "fields")?;
            Ok(PositiveMps::ising(beta, &couplings, &fields, boundary)?.into())
        })
    })
}

/// Shapes `(bonds[j], dims[j], bonds[j+1])` of tensors.
///
/// # Safety
/// `bonds` points to `sites + 1` numbers, `dims` is NULL or points to `sites`.
unsafe fn shapes(sites: usize, dims: *const usize, bonds: *const usize) -> Result<Vec<Ix3>, Failure> {
    // SAFETY: the caller's contract.
    let (dims, bonds) =
        unsafe { (list_or(dims, sites, 2, "dims")?, list(bonds, size("bonds", &[sites])? + 1, "bonds")?) };
    Ok((0..sites).map(|j| Dim([bonds[j], dims[j], bonds[j + 1]])).collect())
}

/// A non-negative law from tensors, `P(x) ∝ A_0[x_0] A_1[x_1] ⋯`, all entries at least 0.
///
/// `dims[sites]`: numbers of states, 1 to 256; NULL for 2 everywhere. `bonds[sites + 1]`: bond dimensions,
/// the first and the last 1. `tensors[length]`: all tensors one after the other, tensor `j` of shape
/// `(bonds[j], dims[j], bonds[j+1])` row-major: the last index runs fastest. (Column-major languages: the
/// shape is `(bonds[j+1], dims[j], bonds[j])`.)
///
/// Errors: `TJ_INPUT` for a `length` that is not the sum of the sizes, shapes that do not fit, numbers
/// negative or not finite, total weight 0; `TJ_NULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_mps_positive(
    sites: usize,
    dims: *const usize,
    bonds: *const usize,
    tensors: *const c_double,
    length: usize,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let shapes = shapes(sites, dims, bonds)?;
            let mps = Mps::new(arrays(tensors, length, shapes.into_iter(), "tensors")?, 0.0)?;
            Ok(PositiveMps::new(&mps)?.into())
        })
    })
}

/// A Born law from real tensors, `P(x) ∝ |A_0[x_0] A_1[x_1] ⋯|²`; tensors as in `tj_mps_positive`, of any
/// sign. A last bond `K > 1` is summed over (mixtures, purifications): `P(x) ∝ Σ_k ψ_k(x)²`, `K` at most 256.
///
/// Errors: as `tj_mps_positive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_mps_born(
    sites: usize,
    dims: *const usize,
    bonds: *const usize,
    tensors: *const c_double,
    length: usize,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let shapes = shapes(sites, dims, bonds)?;
            Ok(BornMps::open(arrays(tensors, length, shapes.into_iter(), "tensors")?)?.into())
        })
    })
}

/// A Born law from complex tensors, `P(x) ∝ |ψ(x)|²`; real and imaginary parts each as in `tj_mps_born`, of
/// `length` numbers each. A last bond up to 128 is summed over.
///
/// Errors: as `tj_mps_positive`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_mps_complex(
    sites: usize,
    dims: *const usize,
    bonds: *const usize,
    re: *const c_double,
    im: *const c_double,
    length: usize,
    out: *mut *mut tj_model,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            let shapes = shapes(sites, dims, bonds)?;
            let re = arrays(re, length, shapes.iter().copied(), "re")?;
            let im = arrays(im, length, shapes.iter().copied(), "im")?;
            Ok(BornMps::complex(&re, &im)?.into())
        })
    })
}

/// Far above what fits the tables of the law, and below what a list of sites should take.
const FREDKIN_SITES: usize = 1 << 20;

/// The equilibrium law of the stochastic Fredkin chain at parameter `0 < c < 1`: paths from height 0 to
/// height 0 that never go below, state 1 a step up, `P = q^k/Z` with `q = c/(1 − c)` and `k = (Σ_j height_j −
/// sites/2)/2`. Exact for `chi = 0`; else restricted to the `chi` likeliest heights at each bond, `log Z`
/// that of these paths.
///
/// Errors: `TJ_INPUT` for an odd number of sites or none, `c` out of range; `TJ_TOO_LARGE` above about 45,000
/// sites.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_fredkin(sites: usize, c: c_double, chi: usize, out: *mut *mut tj_model) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        hand_out(out, || {
            if sites > FREDKIN_SITES {
                let (what, size, limit) = ("a Fredkin chain", sites, FREDKIN_SITES);
                return Err(Error::TooLarge { what, size, limit }.into());
            }
            let chain = Fredkin::new(sites, c)?;
            let law = if chi == 0 { FredkinModel::new(&chain)? } else { FredkinModel::truncated(&chain, chi)? };
            let log_z = law.log_z();
            Ok(Law::plain(law, log_z))
        })
    })
}

/// Frees a model. NULL is allowed; freeing twice is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_free(model: *mut tj_model) {
    // SAFETY: the contract of the header.
    unsafe { free(model) }
}

/// Number of sites; 0 for what is no model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_sites(model: *const tj_model) -> usize {
    // SAFETY: the contract of the header.
    unsafe { at(model) }.map_or(0, Law::sites)
}

/// Number of states of each site, into `dims[sites]`.
///
/// Errors: `TJ_NULL`, `TJ_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_dims(model: *const tj_model, dims: *mut usize) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let law = at(model)?;
        Out::new(dims, law.sites(), "dims")?.write(0, law.model.dims());
        Ok(())
    })
}

/// `log Z` in nats of what the model was made from; NaN for what is no model. Ising and Fredkin chains:
/// exact. Boundary laws: by their contraction. Tensors: `log Σ_x` of the weights that they stand for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_model_log_z(model: *const tj_model) -> c_double {
    // SAFETY: the contract of the header.
    unsafe { at(model) }.map_or(f64::NAN, |law| law.log_z)
}

/// Draws `n` independent configurations into `x[n*sites]`, configuration `i` at `x + i*sites`, and their
/// log-probabilities in nats into `log_prob[n]` (NULL: not wanted).
///
/// `(seed, step)` name the randomness: equal ones give equal draws, on any number of threads; row `i` is the
/// same whatever `n` is. A loop with one configuration draws faster by `tj_draws`.
///
/// Errors: `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_sample(
    model: *const tj_model,
    n: usize,
    seed: u64,
    step: u64,
    x: *mut u8,
    log_prob: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let law = at(model)?;
        let (sites, streams) = (law.sites(), Streams::new(seed).step(step));
        let mut x = Out::new(x, size("x", &[n, sites])?, "x")?;
        let mut log_prob = Out::optional(log_prob, n, "log_prob")?;
        for rows in blocks(n, sites) {
            let drawn = in_block(rows.start, law.model.draw(rows.len(), &streams.rows_from(rows.start)))?;
            x.write(rows.start * sites, drawn.x.as_standard_layout().as_slice().expect("standard layout"));
            log_prob.write(rows.start, drawn.log_prob.to_vec());
        }
        Ok(())
    })
}

/// Log-probabilities in nats of the configurations `x[n*sites]` into `log_prob[n]`; −∞ for impossible ones.
/// Of a draw bit for bit what `tj_sample` returned with it.
///
/// Errors: `TJ_INPUT` for a state that the site does not have; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_log_prob(
    model: *const tj_model,
    n: usize,
    x: *const u8,
    log_prob: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let law = at(model)?;
        let x = configs(x, n, law.sites(), "x")?;
        let mut log_prob = Out::new(log_prob, n, "log_prob")?;
        for rows in blocks(n, law.sites()) {
            let first = rows.start;
            let scores = in_block(first, law.model.log_prob(x.slice(ndarray::s![rows, ..])))?;
            log_prob.write(first, scores.to_vec());
        }
        Ok(())
    })
}

/// Denoises: draws `x ~ P(x | y)` for each configuration of `y[n*sites]`, which the noise made from a draw of
/// the model, into `x[n*sites]`, with `log P(x | y)` in nats into `log_prob[n]` (NULL: not wanted). `x` may
/// be `y`. Exact for chains, tensors, snakes and Fredkin; of boundary laws the law that they draw from.
///
/// `(seed, step)` as in `tj_sample`; they may be those of the draw and of the noise.
///
/// Errors: `TJ_ZERO_EVIDENCE` naming a row that the model cannot have produced; `TJ_INPUT` for noise of other
/// sites, states out of range; `TJ_NULL`, `TJ_HANDLE`, `TJ_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_denoise(
    model: *const tj_model,
    noise: *const tj_noise,
    n: usize,
    y: *const u8,
    seed: u64,
    step: u64,
    x: *mut u8,
    log_prob: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let (law, kernel) = (at(model)?, at(noise)?);
        let (sites, streams) = (law.sites(), Streams::new(seed).step(step));
        fits(law, kernel.sites())?;
        let mut x = Out::new(x, size("x", &[n, sites])?, "x")?;
        let mut log_prob = Out::optional(log_prob, n, "log_prob")?;
        if y.is_null() && n > 0 {
            return Err(Failure::Null("y"));
        }
        for rows in blocks(n, sites) {
            // Block by block, since x may be y.
            let y = configs(y.wrapping_add(rows.start * sites), rows.len(), sites, "y")?;
            let streams = streams.rows_from(rows.start);
            let drawn = in_block(rows.start, law.model.denoise(kernel, y, &streams))?;
            x.write(rows.start * sites, drawn.x.as_standard_layout().as_slice().expect("standard layout"));
            log_prob.write(rows.start, drawn.log_prob.to_vec());
        }
        Ok(())
    })
}

/// `log P(x | y)` in nats for each pair of configurations of `x[n*sites]` and `y[n*sites]`, into
/// `log_prob[n]`: bit for bit what `tj_denoise` returns.
///
/// Errors: as `tj_denoise`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tj_denoise_log_prob(
    model: *const tj_model,
    noise: *const tj_noise,
    n: usize,
    x: *const u8,
    y: *const u8,
    log_prob: *mut c_double,
) -> tj_status {
    // SAFETY: the contract of the header.
    compute(|| unsafe {
        let (law, kernel) = (at(model)?, at(noise)?);
        let sites = law.sites();
        fits(law, kernel.sites())?;
        let (x, y) = (configs(x, n, sites, "x")?, configs(y, n, sites, "y")?);
        let mut log_prob = Out::new(log_prob, n, "log_prob")?;
        for rows in blocks(n, sites) {
            let block = ndarray::s![rows.clone(), ..];
            let scores = law.model.denoise_log_prob(kernel, x.slice(block), y.slice(block));
            log_prob.write(rows.start, in_block(rows.start, scores)?.to_vec());
        }
        Ok(())
    })
}

/// Noise for another number of sites is refused before `n · sites` symbols are read.
fn fits(law: &Law, sites: usize) -> Result<(), Failure> {
    if law.sites() == sites { Ok(()) } else { Err(Error::SiteCount { expected: law.sites(), got: sites }.into()) }
}

/// A count that must not be zero.
pub(super) fn at_least_one(name: &'static str, n: usize) -> Result<(), Failure> {
    if n == 0 { Err(refused(name, n, "at least one")) } else { Ok(()) }
}
