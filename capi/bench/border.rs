//! What the C interface costs beside the library: `cargo bench -p tensorjump-capi`.
//!
//! Both sides in one process on one thread, in turns, least CPU time of many rounds: machines that others use
//! disturb both alike.

use std::ffi::{c_double, c_int, c_void};
use std::hint::black_box;
use std::ptr::{null, null_mut};

use cpu_time::ProcessTime;
use tensorjump::lattice::BoundaryMps;
use tensorjump::lattice::{Couplings, Fredkin, FredkinModel, Geometry, Ising, Square};
use tensorjump::mcmc::{Connected, Proposal};
use tensorjump::model::{Boundary, PositiveMps};
use tensorjump::noise::{Noise, Rates};
use tensorjump::{Model, Streams};

#[path = "../src/lib.rs"]
mod capi;

// As the header declares them, handles without their types.
unsafe extern "C" {
    fn tj_boundary_ising(
        rows: usize,
        cols: usize,
        geometry: c_int,
        beta: c_double,
        horizontal: *const c_double,
        vertical: *const c_double,
        field: *const c_double,
        chi: usize,
        out: *mut *mut c_void,
    ) -> c_int;
    fn tj_fredkin(sites: usize, c: c_double, chi: usize, out: *mut *mut c_void) -> c_int;
    fn tj_ising_chain(
        beta: c_double,
        sites: usize,
        couplings: *const c_double,
        fields: *const c_double,
        ring: c_int,
        out: *mut *mut c_void,
    ) -> c_int;
    fn tj_noise_flips(
        sites: usize,
        up: c_double,
        down: c_double,
        time: c_double,
        factors: *const c_double,
        out: *mut *mut c_void,
    ) -> c_int;
    fn tj_connected(model: *const c_void, noise: *const c_void, out: *mut *mut c_void) -> c_int;
    fn tj_draws_new(model: *const c_void, seed: u64, step: u64, ahead: usize, out: *mut *mut c_void) -> c_int;
    fn tj_draws_next(draws: *const c_void, x: *mut u8, log_prob: *mut c_double) -> c_int;
    fn tj_propose(
        proposal: *const c_void,
        n: usize,
        x: *const u8,
        seed: u64,
        step: u64,
        x_new: *mut u8,
        log_ratio: *mut c_double,
    ) -> c_int;
    fn tj_log_prob(model: *const c_void, n: usize, x: *const u8, log_prob: *mut c_double) -> c_int;
    fn tj_set_threads(threads: usize) -> c_int;
}

const ROUNDS: usize = 40;
const SEED: u64 = 1;

fn made(make: impl FnOnce(*mut *mut c_void) -> c_int) -> *mut c_void {
    let mut handle = null_mut();
    assert_eq!(make(&mut handle), 0);
    handle
}

/// Least nanoseconds a repetition of each piece of work, taken in turns.
fn least<const N: usize>(repetitions: usize, mut work: [&mut dyn FnMut(usize); N]) -> [f64; N] {
    let mut least = [f64::INFINITY; N];
    for _ in 0..ROUNDS {
        for (work, least) in work.iter_mut().zip(&mut least) {
            let start = ProcessTime::now();
            work(repetitions);
            *least = least.min(start.elapsed().as_secs_f64() * 1e9 / repetitions as f64);
        }
    }
    least
}

/// Draws of a 16 × 16 Ising model, χ = 8: by the batch, ahead in Rust, ahead in C.
fn draws() -> tensorjump::Result<()> {
    let lattice = Square::new(16, 16, Geometry::Open)?;
    let law = BoundaryMps::new(&Ising::new(Couplings::uniform(lattice, 1.0)?, 0.44)?, 8)?;
    // SAFETY: NULL couplings are allowed, the handle goes where it may be written.
    let model = made(|out| unsafe { tj_boundary_ising(16, 16, 0, 0.44, null(), null(), null(), 8, out) });
    // SAFETY: as above.
    let draws = made(|out| unsafe { tj_draws_new(model, SEED, 0, 1024, out) });
    let mut ahead = law.draws(&Streams::new(SEED).step(0), 1024)?;
    let (mut x, mut y, mut log_prob) = ([0; 256], [0; 256], 0.0);
    let mut step = 0;
    let [batch, rust, c] = least(
        1024,
        [
            &mut |n| {
                step += 1;
                black_box(law.draw(n, &Streams::new(SEED).step(step)).map_or(0, |drawn| drawn.x.len()));
            },
            &mut |n| (0..n).for_each(|_| log_prob += ahead.next_into(&mut x).unwrap_or(f64::NAN)),
            &mut |n| {
                for _ in 0..n {
                    let mut log_prob = 0.0;
                    // SAFETY: buffers of 256 sites and one number.
                    black_box(unsafe { tj_draws_next(draws, y.as_mut_ptr(), &mut log_prob) });
                }
            },
        ],
    );
    assert!(x == y && log_prob < 0.0, "both sides drew the same");
    println!("16 x 16, chi = 8: a draw of a batch {batch:.0} ns; ahead in Rust {rust:.0} ns, in C {c:.0} ns");
    println!("  ratio of tj_draws_next to the batch {:.3}, to Rust {:.3}", c / batch, c / rust);
    Ok(())
}

/// One connected proposal on the Fredkin chain of 100 sites.
fn proposals() -> tensorjump::Result<()> {
    const SITES: usize = 100;
    let law = FredkinModel::new(&Fredkin::new(SITES, 0.6)?)?;
    let x = law.draw(1, &Streams::new(SEED))?.x.row(0).to_vec();
    let rust = Connected::new(law, Noise::from(Rates::binary_flip(SITES, 1.0, 1.0)?).kernel(0.0, 0.1)?)?;
    // SAFETY: handles of this library, NULL where it is allowed, buffers of the right length.
    let (c, mut y, mut ratio) = unsafe {
        let model = made(|out| tj_fredkin(SITES, 0.6, 0, out));
        let noise = made(|out| tj_noise_flips(SITES, 1.0, 1.0, 0.1, null(), out));
        (made(|out| tj_connected(model, noise, out)), [0; SITES], f64::NAN)
    };
    let mut last = Vec::new();
    let [rust, c] = least(
        500,
        [
            &mut |n| {
                for step in 0..n {
                    last = rust.propose_one(&x, &Streams::new(SEED).step(step as u64)).map_or(vec![], |p| p.0);
                }
            },
            &mut |n| {
                for step in 0..n {
                    // SAFETY: buffers of 100 sites and one number.
                    unsafe { tj_propose(c, 1, x.as_ptr(), SEED, step as u64, y.as_mut_ptr(), &mut ratio) };
                }
            },
        ],
    );
    assert!(last == y && ratio.is_finite(), "both sides proposed the same");
    println!("Fredkin, 100 sites: a proposal in Rust {rust:.0} ns, in C {c:.0} ns");
    println!("  ratio {:.3}, difference {:.0} ns", c / rust, c - rust);
    Ok(())
}

/// The border alone: the cheapest law scores one configuration; and a call without work.
fn border() -> tensorjump::Result<()> {
    let law = PositiveMps::ising(0.4, &[1.0; 8], &[0.0; 8], Boundary::Ring)?;
    // SAFETY: NULL couplings are allowed.
    let model = made(|out| unsafe { tj_ising_chain(0.4, 8, null(), null(), 1, out) });
    let x = [1u8; 8];
    let view = ndarray::ArrayView2::from_shape((1, 8), &x).expect("one row");
    let (mut here, mut there) = (0.0, 0.0);
    let [rust, c, nothing] = least(
        20_000,
        [
            &mut |n| (0..n).for_each(|_| here = black_box(law.log_prob(view).map_or(f64::NAN, |p| p[0]))),
            // SAFETY: one configuration of eight sites, one number.
            &mut |n| (0..n).for_each(|_| assert_eq!(unsafe { tj_log_prob(model, 1, x.as_ptr(), &mut there) }, 0)),
            // SAFETY: no configuration needs no buffer.
            &mut |n| (0..n).for_each(|_| assert_eq!(unsafe { tj_log_prob(model, 0, null(), null_mut()) }, 0)),
        ],
    );
    assert_eq!(here, there);
    println!("a score of 8 sites in Rust {rust:.0} ns, in C {c:.0} ns; a call without work {nothing:.0} ns");
    println!("  border {:.0} ns", c - rust);
    Ok(())
}

fn main() -> tensorjump::Result<()> {
    // Both sides without threads. SAFETY: any number is allowed.
    assert_eq!(unsafe { tj_set_threads(1) }, 0);
    // The first call makes this thread the only one of its pool, for Rust as well.
    // SAFETY: NULL is refused.
    assert_ne!(unsafe { tj_draws_next(null(), null_mut(), null_mut()) }, 0);
    draws()?;
    proposals()?;
    border()
}
