//! Noise, and its exact inverse: `cargo run --release --example denoise`.
//!
//! A ring of spins is noised by asymmetric flips. Its law after the noise, the clean configurations behind a
//! noisy one and the scores are those of a matrix-product law, exactly.

use tensorjump::diffusion::Bridge;
use tensorjump::model::Boundary;
use tensorjump::prelude::*;

const SITES: usize = 48;

fn line(x: &[u8]) -> String {
    x.iter().map(|&a| if a == 1 { '●' } else { '·' }).collect()
}

fn main() -> tensorjump::Result<()> {
    let ring = tensorjump::model::PositiveMps::ising(0.9, &[1.0; SITES], &[0.0; SITES], Boundary::Ring)?;
    let noise = Noise::from(Rates::binary_flip(SITES, 1.0, 0.5)?);
    let kernel = noise.kernel(0.0, 0.4)?;

    let streams = Streams::new(1);
    let clean = ring.draw(1, &streams)?;
    let noisy = kernel.sample(clean.x.view(), &streams)?;
    println!("drawn      {}   log P(x) = {:.3}", line(&clean.x.row(0).to_vec()), clean.log_prob[0]);
    println!(
        "noised     {}   log P_t(y) = {:.3}",
        line(&noisy.row(0).to_vec()),
        ring.noised_log_prob(&kernel, noisy.view())?[0]
    );
    for k in 0..3 {
        let again = ring.denoise(&kernel, noisy.view(), &streams.step(k))?;
        println!("denoised   {}   log P(x|y) = {:.3}", line(&again.x.row(0).to_vec()), again.log_prob[0]);
    }
    let half = ring.denoise_to(&Bridge::of(&noise, 0.2, 0.4)?, noisy.view(), &streams)?;
    println!("half way   {}", line(&half.x.row(0).to_vec()));

    let marginals = ring.scores(&kernel, noisy.view())?.denoiser_marginals()?;
    let up: String = (0..SITES).map(|j| char::from(b'0' + (9.99 * marginals[[0, j, 1]]) as u8)).collect();
    println!("P(up|y)    {up}   in tenths");
    Ok(())
}
