//! Single-site noise: rate matrices, schedules, kernels, jump paths.
//!
//! Each site jumps on its own, from `a` to `b` at the rate `β(t) Q_j[a, b]`, so that the law of the noise is
//! a product over sites,
//!
//! ```text
//! K_{s→t} = ⊗_j exp((τ(t) − τ(s)) Q_j),     τ(t) = ∫_0^t β,
//! ```
//!
//! row-stochastic throughout: `p_t = p_s K_{s→t}`, rows of `Q_j` sum to zero (arXiv 2407.11133). Times are in
//! units of the inverse rate.
//!
//! Masking adds a symbol: a site with states `0..d` has `d + 1` states once noised, the last one being the
//! mask. Hence two alphabets ([`Noise::dims_in`] before, [`Noise::dims_out`] after), and two kernels:
//! [`Noise::kernel`] starts from the alphabet of its first time (clean at `s = 0`), [`Noise::kernel_between`]
//! maps noised configurations to noised ones. Without masks the two agree.
//!
//! ```
//! use tensorjump::noise::{Noise, Rates, Schedule};
//! use tensorjump::Streams;
//!
//! let noise = Noise::new(Rates::binary_flip(6, 1.0, 0.3)?, Schedule::linear(0.1, 2.0, 1.0)?);
//! let kernel = noise.kernel(0.0, 0.5)?;
//! let y = kernel.sample(ndarray::Array2::zeros((4, 6)).view(), &Streams::new(1))?;
//! assert_eq!(y.dim(), (4, 6));
//! # Ok::<(), tensorjump::Error>(())
//! ```

mod exponential;
mod kernel;
mod paths;
mod process;
mod rates;
mod schedule;

pub(crate) use exponential::exponential;
pub use kernel::Kernel;
pub use paths::{Jump, Path};
pub use process::Noise;
pub use rates::Rates;
pub use schedule::Schedule;
