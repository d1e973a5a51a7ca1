//! Cost of all reverse rates of a batch against a tilted draw of the same batch, in turn on one thread.

use std::hint::black_box;

use cpu_time::ThreadTime;
use tensorjump::diffusion::{Denoise, Denoiser, ExactDenoiser};
use tensorjump::model::PositiveMps;
use tensorjump::noise::{Noise, Rates, Schedule};
use tensorjump::{Model, Result, Streams};

use tensorjump_studies::Failure;

/// Sites, bond dimension, samples: that of the claim, and a large one.
pub const CASES: [(usize, usize, usize); 2] = [(64, 16, 1024), (100, 64, 1024)];

/// Median CPU seconds of `(all N(d−1) rates, a tilted draw)`, over so many repetitions of both together.
pub fn measure(
    (sites, bond, batch): (usize, usize, usize),
    repetitions: usize,
) -> std::result::Result<(f64, f64), Failure> {
    let model = PositiveMps::random(&vec![2; sites], bond, &mut Streams::new(7).stream(0))?;
    let noise = Noise::new(Rates::binary_flip(sites, 1.0, 1.0)?, Schedule::default());
    // A tenth of the symbols flipped: (1 − e^{−2t})/2 = 1/10.
    let t = 0.5 * 1.25f64.ln();
    let kernel = noise.kernel(0.0, t)?;
    let streams = Streams::new(3);
    let y = kernel.sample(model.draw(batch, &streams)?.x.view(), &streams)?;
    let denoiser = ExactDenoiser::new(&model, &noise)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    Ok(pool.install(|| -> Result<(f64, f64)> {
        let (mut rates, mut draws) = (Vec::new(), Vec::new());
        // Ten of one kind, then ten of the other: neighbours on the machine disturb both alike, and neither
        // finds the other's memory.
        for k in 0..repetitions.max(1) as u64 {
            if k / 10 % 2 == 0 {
                let clock = ThreadTime::now();
                black_box(denoiser.reverse_rates(t, y.view())?);
                rates.push(clock.elapsed().as_secs_f64());
            } else {
                let clock = ThreadTime::now();
                let _ = black_box(model.denoise(&kernel, y.view(), &streams.step(k))?);
                draws.push(clock.elapsed().as_secs_f64());
            }
        }
        Ok((median(rates), median(draws)))
    })?)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
