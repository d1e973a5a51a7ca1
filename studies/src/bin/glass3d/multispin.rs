//! Tempering of one ±J instance in bits: 512 replicas of the ladder, counted a pair.

use cpu_time::ThreadTime;
use ndarray::Array2;
use tensorjump::lattice::CubicBits;
use tensorjump::mcmc::Autocorrelation;
use tensorjump_studies::Failure;
use tensorjump_studies::progress::ProgressBar;

use super::temper::{Instance, tau_of_blocks};
use super::{Options, couplings};

/// Replicas: they cost what one costs.
pub const REPLICAS: usize = 512;
/// Pairs whose overlaps are recorded.
const PAIRS: usize = 16;

/// What instance `k` gave; times and round trips are those of one pair.
pub fn one(
    o: &Options,
    k: usize,
    (updates, clusters): (usize, Option<f64>),
    ladder: &[f64],
    bar: &ProgressBar,
) -> Result<Instance, Failure> {
    if o.gaussian {
        return Err("multispin needs couplings of one absolute value: leave --gaussian out".into());
    }
    let seed = o.seed + k as u64;
    let mut bits = CubicBits::new(couplings(o, k)?, ladder, REPLICAS, seed)?.with_exchanges()?.with_sweeps(o.sweeps)?;
    if let Some(beta) = clusters {
        bits = bits.with_clusters(beta);
    }
    let mut q = Array2::zeros((updates, PAIRS));
    let mut seconds = 0.0;
    for update in 0..2 * updates {
        let clock = ThreadTime::now();
        bits.advance(1)?;
        if update >= updates {
            seconds += clock.elapsed().as_secs_f64();
            q.row_mut(update - updates).assign(&bits.overlap(ladder.len() - 1)?.slice(ndarray::s![..PAIRS]));
        } else if update + 1 == updates {
            bits.reset_counts();
        }
        bar.inc(1);
    }
    let pairs = (REPLICAS / 2) as f64;
    let (flipped, sites) = (bits.report(), bits.ising().lattice().sites());
    Ok(Instance {
        tau: Autocorrelation::of(q.mapv(|q| q * q).view())?.tau,
        tau_of_blocks: tau_of_blocks(&q),
        q,
        sides: vec![],
        trips: bits.round_trips() as f64 / updates as f64 / pairs,
        least_rate: bits.swap_rates().into_iter().fold(1.0, f64::min),
        seconds: seconds / updates as f64 / pairs,
        cluster: flipped.moved as f64 / (flipped.accepted * sites) as f64,
    })
}
